"""Text about the power of a planned study, as `plan` prints it.

In: the power of each hypothesis, which is the fraction of simulated studies that support
its prediction. Out: lines of text. Nothing is simulated here.
"""

from collections.abc import Iterator, Sequence

from invariance_probe.inference.power.power import THESE, WANTED, HypothesisPower, Power
from invariance_probe.inference.power.spreads import LEVELS
from invariance_probe.study.counting import counted


def power_text(found: Sequence[HypothesisPower], steps_per_second: float) -> str:
    """Describe the power of each hypothesis and the smallest sufficient designs.

    Parameters
    ----------
    found
        The power of each hypothesis.
    steps_per_second
        Training speed of one core, in model-steps (update steps of one model) per second.
        The costs of designs in core-hours are computed with it.

    Returns
    -------
    text
        One paragraph per hypothesis.
    """
    return "\n\n".join("\n".join(_lines(one, steps_per_second)) for one in found)


def _lines(found: HypothesisPower, rate: float) -> Iterator[str]:
    """Yield the lines about the power of one hypothesis."""
    hypothesis, spread = found.hypothesis, found.spread
    at = (
        f"share {hypothesis.share:g}"
        if hypothesis.about_units
        else f"m = {hypothesis.margin.fraction_of_range:g}"
    )
    place = "" if hypothesis.about_units else f" at {hypothesis.axis} = {hypothesis.dose:g}"
    yield (
        f"Power of {hypothesis.id}: that '{hypothesis.predicts}' is supported (by "
        f"{' or '.join(found.supporting)}; {at}){place}"
    )
    if found.recipes:
        yield f"  under every recipe of the panel: {', '.join(found.recipes)}"
    yield (
        f"  assumed truth: {found.truth.why} "
        f"({', '.join(f'{name} = {value:g}' for name, value in _rounded(found))})"
    )
    what = "of the logarithm" if hypothesis.about_units else "in units of the decodable range"
    yield f"  spread, as SD {what}; {spread.source}:"
    shown = [
        name
        for name in spread.names
        if not any(name.endswith(f"[{recipe}]") for recipe in spread.assumed)
    ]
    width = max(12, *(len(name) + 1 for name in shown))
    yield "    " + " " * width + "".join(f"{level:>9}" for level in LEVELS)
    for name in shown:
        yield f"    {name:{width}}" + "".join(f"{spread.sd(level, name):9.3f}" for level in LEVELS)
    yield from (f"    {note}" for note in spread.notes)
    yield from _table(found)
    yield from _smallest(found, rate)
    if found.planned:
        shares = ", ".join(
            f"{verdict} {share:.2f}"
            for verdict, share in sorted(found.verdicts.items(), key=lambda item: -item[1])
        )
        yield f"  planned: {_said(found.planned)}; verdicts: {shares}"
        if found.alone:
            yield f"    under the declared recipe alone: power {found.alone.power:.2f}"
        yield from _words(found)
    for variation in found.variations:
        yield f"    if {variation.when}: {variation.power.power:.2f}"
    yield from (f"  warning: {warning}" for warning in found.warnings)


def _words(found: HypothesisPower) -> Iterator[str]:
    """Yield how often the planned study reaches each verdict if it is true.

    If several recipes are used, the frequency under the declared recipe alone follows in
    brackets.
    """
    yield "    how often each word is said where it is true:"
    for one in found.words:
        beside = f" (declared recipe alone {one.alone:.2f})" if len(found.recipes) > 1 else ""
        yield f"      {one.word:10} {one.panel:.2f}{beside}, if {one.truth.why}"


def _rounded(found: HypothesisPower) -> list[tuple[str, float]]:
    return [(name, round(value, 3)) for name, value in found.truth.effects.items()]


def _table(found: HypothesisPower) -> Iterator[str]:
    """Yield the table of power by number of sessions and seeds."""
    seeds = sorted({power.seeds for power in found.table})
    worst = max(power.error for power in found.table)
    yield f"  power by sessions and seeds (each +- {worst:.3f} or less, from simulating)"
    yield "    sessions" + "".join(f"{count:>4} seed{'s' if count > 1 else ' '}" for count in seeds)
    for sessions in sorted({power.sessions for power in found.table}):
        row = [power for power in found.table if power.sessions == sessions]
        cells = "".join(
            f"{power.power:8.2f}{'*' if power == found.planned else ' '}" for power in row
        )
        yield (
            f"    {sessions:8}{cells}"
            + ("  these recordings only" if row[0].scope == THESE else "")
        ).rstrip()
    if found.planned:
        yield "    * the planned study"
    if len(seeds) > 1 and any(power.seeds == 1 and power.scope == THESE for power in found.table):
        yield (
            "    claims about these recordings can't see the spread over seeds when there is "
            "one seed: don't plan by that figure"
        )


def _smallest(found: HypothesisPower, rate: float) -> Iterator[str]:
    """Yield the smallest designs whose power is high enough (`WANTED`)."""
    if found.fewest is None or found.cheapest is None:
        most = max(found.table, key=lambda power: (power.scope != THESE, power.power))
        yield (
            f"  no design in the table has a power of {WANTED:g}; the most, with {_size(most)}, "
            f"is {most.power:.2f}"
        )
        return
    yield (
        f"  fewest sessions with a power of {WANTED:g}: {_said(found.fewest)}; "
        f"{_price(found.fewest, rate)}"
    )
    if found.cheapest != found.fewest:
        yield f"  fewest model-steps: {_said(found.cheapest)}; {_price(found.cheapest, rate)}"


def _said(power: Power) -> str:
    about = ", about these recordings only" if power.scope == THESE else ""
    return f"{_size(power)}, power {power.power:.2f} +- {power.error:.2f}{about}"


def _size(power: Power) -> str:
    sessions, seeds = power.sessions, power.seeds
    return f"{counted(sessions, 'session')} x {counted(seeds, 'seed')}"


def _price(power: Power, rate: float) -> str:
    return (
        f"{power.model_steps:,} model-steps, about {power.model_steps / rate / 3600:.2g} core-hours"
    )
