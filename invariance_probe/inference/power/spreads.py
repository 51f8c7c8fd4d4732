"""Spreads: how estimands vary over subjects, sessions, seeds and test blocks.

In: stated standard deviations (SDs), or means and covariances from a pilot. Out: a
`Spread` per hypothesis. `power` simulates from it and `pilot` estimates it; nothing is
judged here.

    q = mean + subject + session + seed(session) + block(session)
        + rest(session, seed, block)

Each term (level) has its own covariance over the estimands. C_code is in units of the
mean R_code, what training costs is in units of the mean R, and numbers of units are
logarithms of their fraction of all units. A recipe is one way to train, and the
declared recipe is the study's own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from invariance_probe.errors import InferenceError
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import panel_of
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.methods import LinearSSL
from invariance_probe.study.panel import DECLARED

LEVELS = ("subject", "session", "seed", "block", "rest")
"""Levels over which estimands vary.

`rest` is the variation that is specific to one seed in one block.
"""
USUAL: Mapping[str, float] = {
    "subject": 0.0,
    "session": 0.08,
    "seed": 0.04,
    "block": 0.06,
    "rest": 0.03,
}
"""SD of each level in units of the decodable range, used if none is stated.

A pilot of your own gives better values.
"""
CORRUPTION, JITTER = ("D", "H", "delta"), ("delta", "delta(n/3)")
"""Estimands of one recipe, for a corruption and for a time jitter.

`delta(n/3)` is delta with a third of the training windows.
"""
CODE, UNITS = "C_code", ("carriers", "K_n")
"""Estimands of decoders without SSL.

`C_code` is what is lost with the inputs. `carriers` and `K_n` are logarithms of the
fraction of the units that carries the target.
"""
MANY = 1000
"""Enough sessions to meet the minimum of every licence."""
NOISE, RANGE, CODE_RANGE = "noise", "range", "R_code"
"""Names of the A/A contrast (dose 0 with other seeds) and of the two ranges."""
CORRELATION = 0.5
"""Correlation of an estimand under two recipes, if no pilot trained both.

It holds over subjects, sessions and test blocks. Two recipes read the same recordings,
but differ in weights, steps or objective. If they were taken to be independent, they
would hardly ever be shown to agree; if they were taken to be equal, further recipes
would cost no power. This value lies between.
"""


@dataclass(frozen=True, eq=False)
class Spread:
    """Means and covariances of the estimands of one hypothesis.

    Attributes
    ----------
    names
        Names of the estimands. First those of the declared recipe: `C_code`, the
        estimands of learning, `noise` (dose 0 with other seeds minus dose 0) if the
        method has randomness, `range` and `R_code`. Then those of the other recipes,
        such as `D [longer]`. For a prediction about how many units carry the target,
        `carriers` and `K_n`.
    mean
        (name,) mean of each; 1 for ranges. Other means are 0 if only SDs were stated.
    covariance
        (name, name) covariance of each level.
    source
        Where the numbers come from, in words.
    pilot
        Numbers of sessions, seeds and test blocks of the pilot; None if SDs were
        stated.
    notes
        What a reader should know about the numbers.
    assumed
        Recipes that no pilot trained; they are assumed to vary like the declared one.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    covariance: Mapping[str, np.ndarray]
    source: str
    pilot: tuple[int, int, int] | None = None
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def sd(self, level: str, name: str) -> float:
        """SD of one estimand over one level.

        Parameters
        ----------
        level
            One of `LEVELS`.
        name
            One of `names`.
        """
        i = self.names.index(name)
        return math.sqrt(max(0.0, float(self.covariance[level][i, i])))

    def within(self, seeds: int, blocks: int) -> np.ndarray:
        """Covariance (name, name) of a session's mean due to its seeds and blocks.

        Parameters
        ----------
        seeds, blocks
            Numbers of seeds and test blocks over which the mean is taken.
        """
        of = self.covariance
        return of["seed"] / seeds + of["block"] / blocks + of["rest"] / (seeds * blocks)


def estimands(jitter: bool, recipe: str = DECLARED) -> tuple[str, ...]:
    """Estimands of learning under one recipe, named as in `Spread.names`.

    Parameters
    ----------
    jitter
        Whether the hypothesis is about a time jitter.
    recipe
        Name of the recipe.
    """
    return tuple(marked(name, recipe) for name in (JITTER if jitter else CORRUPTION))


def marked(name: str, recipe: str) -> str:
    """Name of an estimand under a recipe, such as `D [longer]`.

    Under the declared recipe it is the estimand's own name.

    Parameters
    ----------
    name
        The estimand.
    recipe
        Name of the recipe.
    """
    return name if recipe == DECLARED else f"{name} [{recipe}]"


def recipes_of(plan: Plan, hypothesis: Hypothesis, sessions: int) -> tuple[str, ...]:
    """Recipes that would be trained for a hypothesis, the declared one first.

    Parameters
    ----------
    plan
        The planned study.
    hypothesis
        The hypothesis.
    sessions
        Number of sessions, on which licences depend.
    """
    return tuple(
        recipe.name
        for recipe in panel_of(plan.study, plan.settings[0], hypothesis, sessions).computed
    )


def any_recipes_of(plan: Plan, hypothesis: Hypothesis) -> tuple[str, ...]:
    """Recipes that would be trained with any number of sessions.

    Some recipes are licensed only from a number of sessions on.

    Parameters
    ----------
    plan
        The planned study.
    hypothesis
        The hypothesis.
    """
    counts = (len(plan.covered(hypothesis)), MANY, 1)
    return tuple(
        dict.fromkeys(
            name for sessions in counts for name in recipes_of(plan, hypothesis, sessions)
        )
    )


def with_recipes(spread: Spread, recipes: Sequence[str], jitter: bool) -> Spread:
    """Add recipes to a spread that vary like the declared one.

    Let r be their correlation at a level: `CORRELATION` over subjects, sessions and
    blocks, and 0 otherwise, because recipes share no weights. The estimands of an added
    recipe are r times those of the declared one, plus an independent part that keeps
    their variance and gives any two added recipes the correlation r. So whatever
    correlates with the declared recipe correlates with the added ones too, and every
    covariance stays possible.

    Parameters
    ----------
    spread
        The spread to add to.
    recipes
        Names of the recipes to add.
    jitter
        Whether the hypothesis is about a time jitter.
    """
    if not recipes:
        return spread
    own = estimands(jitter)
    own_at = [spread.names.index(name) for name in own]
    before, each = len(spread.names), len(own)
    covariance = {}
    for level, found in spread.covariance.items():
        r = CORRELATION if level in ("subject", "session", "block") else 0.0
        variances = found[np.ix_(own_at, own_at)]
        larger = np.zeros((before + each * len(recipes),) * 2)
        larger[:before, :before] = found
        beside = r * np.tile(found[:, own_at], len(recipes))
        larger[:before, before:], larger[before:, :before] = beside, beside.T
        larger[before:, before:] = np.kron(
            np.full((len(recipes),) * 2, r) + (1 - r) * np.eye(len(recipes)), variances
        )
        covariance[level] = larger
    names = (*spread.names, *(name for recipe in recipes for name in estimands(jitter, recipe)))
    note = (
        f"recipes that no pilot trained ({', '.join(recipes)}) are taken to vary as the declared "
        f"one, and to correlate with it by {CORRELATION:g} over sessions and test blocks"
    )
    mean = np.concatenate([spread.mean, np.tile(spread.mean[own_at], len(recipes))])
    return replace(
        spread,
        names=names,
        mean=mean,
        covariance=covariance,
        notes=(*spread.notes, note),
        assumed=tuple(recipes),
    )


def read_numbers(
    option: str, text: str, allowed: Sequence[str], lowest: float = -math.inf
) -> dict[str, float]:
    """Read an option's numbers, written `name=number,name=number`.

    Parameters
    ----------
    option
        Name of the option, for messages.
    text
        Its value.
    allowed
        Names that are allowed.
    lowest
        Smallest number that is allowed.

    Raises
    ------
    InferenceError
        If a name is unknown or given twice, or a value is not a number or is too low.

    Examples
    --------
    >>> read_numbers("--sd", "session=.08,seed=.04", LEVELS, 0)
    {'session': 0.08, 'seed': 0.04}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InferenceError(
                f"{option}: {part.strip()!r} must have the form NAME=NUMBER, for example {option} "
                f"{allowed[0]}=.08"
            )
        if name not in allowed:
            close = get_close_matches(name, allowed, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Allowed: {', '.join(allowed)}."
            raise InferenceError(f"{option}: unknown name {name!r}. {hint}")
        if name in found:
            raise InferenceError(f"{option}: {name!r} is given twice; keep one of them")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= lowest):
            kind = (
                f"a number of at least {lowest:g}" if math.isfinite(lowest) else "a finite number"
            )
            raise InferenceError(
                f"{option}: {name} must be {kind}, in units of the decodable range; got {value!r}"
            )
        found[name] = number
    return found


def stated_spreads(plan: Plan, sd: Mapping[str, float]) -> dict[str, Spread]:
    """Build the spread of each hypothesis's estimands from stated SDs.

    See `stated_spread` and `stated_unit_spread`.

    Parameters
    ----------
    plan
        The planned study.
    sd
        SD by level, in units of the decodable range.

    Returns
    -------
    spreads
        By the hypothesis's id.
    """
    random = not isinstance(plan.study.method, LinearSSL)
    return {
        h.id: stated_unit_spread(sd)
        if h.about_units
        else stated_spread(sd, plan.study.is_jitter(h.axis), random, any_recipes_of(plan, h)[1:])
        for h in plan.study.dose_claims
    }


def stated_spread(
    sd: Mapping[str, float], jitter: bool, random: bool = True, recipes: Sequence[str] = ()
) -> Spread:
    """Build the spread of estimands that all have the same stated SDs.

    D, H and delta are differences between the losses of three arms. If the arms vary
    equally and independently, every difference has the stated SD, and delta = D + H
    holds exactly. So D and H correlate by -.5, and each with delta by .5. C_code is
    independent of them and does not vary over seeds. For a jitter, delta and delta(n/3)
    are independent too. Dose 0 with other seeds differs from dose 0 only over seeds and
    in the rest. Ranges do not vary.

    Parameters
    ----------
    sd
        SD by level, in units of the decodable range; missing levels have those of
        `USUAL`.
    jitter
        Whether the hypothesis is about a time jitter.
    random
        Whether the method has training seeds at all.
    recipes
        Names of the recipes besides the declared one.
    """
    sds = {**USUAL, **sd}
    code = () if jitter else (CODE,)
    names = (
        *code,
        *estimands(jitter),
        *((NOISE,) if random else ()),
        RANGE,
        *((CODE_RANGE,) if code else ()),
    )
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
    mean = np.array([1.0 if name in (RANGE, CODE_RANGE) else 0.0 for name in names])
    return with_recipes(Spread(names, mean, covariance, _stated(sd)), recipes, jitter)


def stated_unit_spread(sd: Mapping[str, float]) -> Spread:
    """Build the spread of log((K_s + K_n) / N) and log(K_n / N) from stated SDs.

    N is the number of units. Both have the same SDs by level and do not vary over
    seeds. They are fully correlated, because K_n makes up most of K_s + K_n.

    Parameters
    ----------
    sd
        SD by level; missing levels have those of `USUAL`.
    """
    sds = {**USUAL, **sd}
    alike = np.ones((2, 2))
    covariance = {
        level: (0.0 if level in ("seed", "rest") else sds[level] ** 2) * alike for level in LEVELS
    }
    note = (
        "SDs are read as those of the logarithm of a number of units; how many carry the "
        "target is assumed, and a pilot would show it"
    )
    return Spread(UNITS, np.zeros(2), covariance, _stated(sd), notes=(note,))


def _stated(sd: Mapping[str, float]) -> str:
    """Say that SDs were stated, and for which levels the usual ones are used."""
    usual = [level for level in LEVELS if level not in sd]
    return "stated" + (f" ({', '.join(usual)}: the usual values)" if usual else "")
