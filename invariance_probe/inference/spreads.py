"""How estimands vary over subjects, sessions, seeds and test blocks.

    q = mean + subject + session + seed(session) + block(session) + rest(session, seed, block)

each with its own covariance over the estimands, all in units of the mean decodable range. `power` simulates from this; `pilot`
estimates it. Nothing is judged here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from invariance_probe.errors import InferenceError
from invariance_probe.study.methods import LinearSSL
from invariance_probe.study.plan import Plan

LEVELS = ("subject", "session", "seed", "block", "rest")
"""What a spread is over; `rest` is what a single seed has in a single block."""
USUAL: Mapping[str, float] = {"subject": 0.0, "session": 0.08, "seed": 0.04, "block": 0.06, "rest": 0.03}
"""SD of each level in units of the decodable range where none is stated; a pilot of your own is better."""
CORRUPTION, JITTER = ("C_info", "D", "H", "delta"), ("delta", "delta(n/3)")
NOISE, RANGE = "noise", "range"


@dataclass(frozen=True, eq=False)
class Spread:
    """Means and covariances of the estimands of one hypothesis.

    Attributes
    ----------
    names
        The estimands, then `noise` (dose 0 with other seeds minus dose 0) where the method has randomness, then `range`.
    mean
        Mean of each (name,), the range's being 1; zeros where only spreads were stated.
    covariance
        Covariance (name, name) of every level.
    source
        Where the numbers are from.
    pilot
        Sessions, seeds and test blocks of the pilot that they were estimated from; None where they were stated.
    notes
        What a reader should know about them.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    covariance: Mapping[str, np.ndarray]
    source: str
    pilot: tuple[int, int, int] | None = None
    notes: tuple[str, ...] = ()

    def sd(self, level: str, name: str) -> float:
        """Return the SD of one estimand over one level."""
        i = self.names.index(name)
        return math.sqrt(max(0.0, float(self.covariance[level][i, i])))

    def within(self, seeds: int, blocks: int) -> np.ndarray:
        """Return the covariance (name, name) that a session's mean over seeds and blocks has within the session."""
        of = self.covariance
        return of["seed"] / seeds + of["block"] / blocks + of["rest"] / (seeds * blocks)


def estimands(jitter: bool) -> tuple[str, ...]:
    """Return the estimands that a verdict rests on."""
    return JITTER if jitter else CORRUPTION


def read_numbers(option: str, text: str, allowed: Sequence[str], lowest: float = -math.inf) -> dict[str, float]:
    """Read `name=number,name=number`.

    Raises
    ------
    InferenceError
        When a name is unknown or stands twice, or a number is none or too low.

    Examples
    --------
    >>> read_numbers("--sd", "session=.08,seed=.04", LEVELS, 0)
    {'session': 0.08, 'seed': 0.04}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InferenceError(f"{option}: {part.strip()!r} is not NAME=NUMBER; write for example {option} {allowed[0]}=.08")
        if name not in allowed:
            close = get_close_matches(name, allowed, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Allowed: {', '.join(allowed)}."
            raise InferenceError(f"{option}: unknown name {name!r}. {hint}")
        if name in found:
            raise InferenceError(f"{option}: {name!r} stands twice; keep one")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= lowest):
            kind = f"a number of at least {lowest:g}" if math.isfinite(lowest) else "a finite number"
            raise InferenceError(f"{option}: {name} = {value!r}; it must be {kind}, in units of the decodable range")
        found[name] = number
    return found


def stated_spreads(plan: Plan, sd: Mapping[str, float]) -> dict[str, Spread]:
    """Return the spread of every hypothesis's estimands, by its id, from SDs by level; see `stated_spread`."""
    random = not isinstance(plan.study.method, LinearSSL)
    return {h.id: stated_spread(sd, plan.study.is_jitter(h.axis), random) for h in plan.study.dose_claims}


def stated_spread(sd: Mapping[str, float], jitter: bool, random: bool = True) -> Spread:
    """Return the spread of estimands that all have the same SDs, with a known range.

    D, H and delta are differences between the losses of three arms. Arms that vary alike and independently give every
    difference the stated SD, and give delta = D + H exactly; so D and H correlate by -.5, and each with delta by .5.
    C_info is on its own and has no seeds, as with a raw decoder for a ceiling; so are delta and delta(n/3) of a jitter. Dose 0
    with other seeds differs from dose 0 by seed and rest only.

    Parameters
    ----------
    sd
        SD by level; `USUAL` where one is missing.
    jitter
        Whether the hypothesis is about a jitter.
    random
        Whether the method has seeds at all.
    """
    sds = {**USUAL, **sd}
    names = (*estimands(jitter), *((NOISE,) if random else ()), RANGE)
    by_arms = np.array([[1, -0.5, 0.5], [-0.5, 1, 0.5], [0.5, 0.5, 1]])
    covariance = {}
    for level in LEVELS:
        over_seeds = level in ("seed", "rest")
        found = np.zeros((len(names), len(names)))
        if jitter:
            found[:2, :2] = np.eye(2)
        else:
            found[0, 0] = 0 if over_seeds else 1
            found[1:4, 1:4] = by_arms
        if level == "seed" and not random:
            found[:] = 0
        if random:
            noise = names.index(NOISE)
            found[noise, noise] = 1 if over_seeds else 0
        covariance[level] = sds[level] ** 2 * found
    usual = [level for level in LEVELS if level not in sd]
    source = "stated" + (f" ({', '.join(usual)}: the usual values)" if usual else "")
    return Spread(names, np.append(np.zeros(len(names) - 1), 1.0), covariance, source)
