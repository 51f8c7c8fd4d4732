"""Text that `plan` prints: recipes, cost, what is stored, and power.

In: a plan. Out: lines of text. Costs are in model-steps, which are update steps of one
model, and in core-minutes. Heavy modules are imported where they are needed, so that the
other commands start fast.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from invariance_probe.cli.options import open_file, warn

if TYPE_CHECKING:
    from invariance_probe.plan.plan import Plan
    from invariance_probe.plan.recipes import PlannedPanel, PlannedRecipe
    from invariance_probe.planning import StoredShare


def price_in_words(made: "Plan") -> str:
    """Say what a plan costs in core-minutes: the total, and its parts."""
    from invariance_probe.plan.price import (
        START_S,
        core_seconds,
        measuring_seconds,
        seconds_of_codes,
    )

    training, measuring = core_seconds(made), measuring_seconds(made)
    plain, jackknife = seconds_of_codes(made)
    rate = f" (at {made.model_steps() / training:.0f} model-steps/s a core)" if training else ""
    code = f"{_minutes(plain)} for the code without SSL"
    code += f", {_minutes(jackknife)} for its jackknife" if jackknife else ""
    return (
        f"about {_minutes(training + measuring)} core-minutes on one core, a rough figure: "
        f"{_minutes(training)} of training{rate} and {_minutes(measuring)} of decoding and "
        f"baselines, of which {code}\n"
        f"every worker process takes about {START_S:g} s to start, at each of up to three stages"
    )


def _minutes(seconds: float) -> str:
    """Format seconds as minutes: at least 0.1, and with two digits below 10."""
    minutes = seconds / 60
    return f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.2g}" if minutes >= 0.1 else "0.1"


def stock_in_words(looks: "list[StoredShare]") -> str:
    """Say how much of a plan is in the store already and what is left to train.

    If seeds are added in steps, the same is said for the first interim analysis.

    Parameters
    ----------
    looks
        What is planned and stored up to each interim analysis, the first with the fewest
        seeds. A study with a fixed number of seeds has one entry.
    """
    whole, first = looks[-1], looks[0]
    said = (
        f"{whole.stored} of {whole.runs} runs are in the store already; {whole.left:,} "
        "model-steps are left to train"
    )
    if len(looks) == 1:
        return said
    seeds = ", ".join(str(look.seeds) for look in looks)
    saved = 1 - first.model_steps / max(1, whole.model_steps)
    return (
        f"{said} if every look is taken\n"
        f"seeds are adaptive, looks after {seeds}: {whole.runs} runs, {whole.model_steps:,} "
        "model-steps, if every look is taken; where all hypotheses stop at the first, "
        f"{first.runs} runs ({first.stored} stored), {first.model_steps:,} model-steps "
        f"({first.left:,} left), {saved:.0%} less"
    )


def power_in_words(
    made: "Plan", runs: Path, pilot: Path | None, sd: str | None, effect: str | None
) -> str:
    """Describe the power of a plan, from a pilot study or from stated SDs.

    Parameters
    ----------
    made
        The plan.
    runs
        Root of the run store, which holds the pilot's runs.
    pilot
        File of a pilot study, whose stored runs show how much results vary; give this or
        `sd`.
    sd
        How much results vary, as `NAME=SD,...` in units of the decodable range.
    effect
        True effects to assume, as `NAME=VALUE,...`.

    Raises
    ------
    InferenceError
        If both or neither of `pilot` and `sd` are given, or if the study has no claims
        about a dose.
    """
    from invariance_probe.errors import InferenceError
    from invariance_probe.inference.power.pilot import pilot_spreads
    from invariance_probe.inference.power.power import may_assume, study_power
    from invariance_probe.inference.power.spreads import LEVELS, read_numbers, stated_spreads
    from invariance_probe.plan.price import core_seconds
    from invariance_probe.reporting.power_text import power_text
    from invariance_probe.runner import read_results

    if (pilot is None) == (sd is None):
        raise InferenceError(
            "power needs either --pilot STUDY or --sd NAME=SD,...; "
            + ("got both" if pilot else "got neither")
        )
    if not made.study.dose_claims:
        raise InferenceError(
            "power can be computed only for hypotheses about what a dose costs, but this study "
            "has none of them; add one, or plan without power"
        )
    effects = read_numbers("--effect", effect, may_assume(made)) if effect is not None else {}
    if pilot is not None:
        spreads = pilot_spreads(*read_results(open_file(pilot, ()), runs, warn), made)
    else:
        spreads = stated_spreads(made, read_numbers("--sd", sd or "", LEVELS, lowest=0))
    return power_text(
        study_power(made, spreads, effects), made.model_steps() / max(core_seconds(made), 1e-9)
    )


def recipes_in_words(hypothesis: str, panel: "PlannedPanel") -> str:
    """Say under which recipes a hypothesis is judged, and why others are missing.

    A recipe is a method with its optimisation and its encoder's width.

    Parameters
    ----------
    hypothesis
        Id of the hypothesis.
    panel
        The recipes, including those that are not computed.
    """
    lines = [
        f"{hypothesis}: judged under {', '.join(_recipe(recipe) for recipe in panel.computed)} "
        f"({panel.because})"
    ]
    lines += [
        f"  the recipe {recipe.name} is not computed: {recipe.reason}" for recipe in panel.missing
    ]
    lines += (
        [f"  one method only: {panel.why_no_second_method}"] if panel.why_no_second_method else []
    )
    return "\n".join(lines)


def _recipe(recipe: "PlannedRecipe") -> str:
    from invariance_probe.study.methods import title_of

    assert recipe.setting is not None
    settings = recipe.setting.optimisation
    how = f", {settings.steps} steps, learning rate {settings.learning_rate:g}" if settings else ""
    return f"{recipe.name} ({title_of(recipe.setting.method)}{how})"
