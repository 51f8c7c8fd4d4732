"""Banks of simulated sessions with known truth, for verdicts on dropout.

A bank is a set of simulated sessions from which many studies are later drawn. A case is
a kind of code: `one-neuron` (a single neuron carries the target), `distributed` (all
units carry it) or `redundant` (all units carry it, with much information to spare).
Each case has several variants, such as other numbers of units.

In: the number of sessions. Out: studies that declare these sessions, and functions that
say which of their runs are needed. The settings are frozen, and nothing was tuned on
these seeds. Nothing is measured here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from invariance_probe.plan.plan import BASELINE_SETTING
from invariance_probe.plan.run import Run
from invariance_probe.study.study import Study

DROPOUT, DOSE, MARGIN = "unit_dropout.rate", 0.4, 0.1
"""Axis of the verdicts on dropout, its primary dose, and the margin."""
ARM_DOSES = (0.2, 0.4, 0.6, 0.8)
"""Dropout rates at which the arms are compared."""
JITTER, JITTER_DOSES = "time_jitter.window_s", (0.0, 0.2, 0.8, 3.2, 6.4)
"""Axis of time jitter, and its doses in seconds."""
SEED = 9000
"""Seed of all simulated sessions; methods were tuned on other seeds."""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wide": {"units": 90},
    "overdispersed": {"overdispersion": 0.3},
    "gain": {"shared_gain": 0.2},
}
"""Settings in which the variants of a case differ.

They are the number of units, the overdispersion of counts, and a gain that all units
share.
"""

_WORLD = {
    "kind": "simulated",
    "generator": "redundancy",
    "information": 2.0,
    "bins": 1620,
    "units": 60,
    "seed": SEED,
}
_MARGIN = {"fraction_of_range": 0.1, "because": "the margin of the quickstart study"}
SIZES: dict[str, dict[str, int]] = {
    "full": {"one-neuron": 116, "distributed": 16, "redundant": 16},
    "licence": {"one-neuron": 12, "distributed": 6, "redundant": 8},
    "quick": {"one-neuron": 4, "distributed": 3, "redundant": 3},
}
"""Sessions per variant of each case, by size of the calibration.

`full` is large enough to count how often each false claim is made. `licence` decides
whether a method may give verdicts. `quick` is a smoke test.
"""
JUDGED = 24
"""Number of sessions per variant that are measured for whole verdicts.

The remaining sessions have fewer runs and are used only to count false claims.
"""
BESIDE_THE_POINT = {"pca", "untrained", "test_lag"}
"""Baselines that claims about dropout do not use."""
CROSSED_SEEDS = 10
"""Seeds per session in the crossed bank: few sessions, each with many seeds."""
PLAIN: dict[str, dict[str, int]] = {
    "full": {"arms": 10, "crossed": 8, "jitter": 4},
    "licence": {"arms": 0, "crossed": 0, "jitter": 0},
    "quick": {"arms": 2, "crossed": 3, "jitter": 2},
}
"""Sessions per case in three further banks, by size of the calibration.

`arms` compares the arms, `crossed` has many seeds per session, and `jitter` has labels
of known time constants (sessions per time constant).
"""
MEASURED: dict[str, int] = {"full": 40, "licence": 0, "quick": 4}
"""Sessions per simulated world for measures without SSL, by calibration size."""


def codes(case: str, sessions: int) -> list[dict[str, Any]]:
    """Declare the simulated recordings of a case.

    Parameters
    ----------
    case
        `one-neuron`, `distributed` or `redundant`.
    sessions
        Sessions per variant.

    Returns
    -------
    recordings
        One declaration per variant, as plain data.
    """
    if case == "redundant":
        own: dict[str, Any] = {"units": 120, "carriers": 120, "information": 16.0, "bins": 8000}
        variants = {name: VARIANTS[name] for name in ("plain", "overdispersed")}
    else:
        own, variants = {}, VARIANTS
    found = []
    for name, changes in variants.items():
        world = {
            **_WORLD,
            **own,
            **changes,
            "session": f"{case}-{name}",
            "group": case,
            "sessions": sessions,
        }
        carriers = {
            "one-neuron": {"carriers": 1, "carrier_counts": 2.0},
            "distributed": {"carriers": world["units"]},
        }
        found.append({**world, **carriers.get(case, {})})
    return found


def dropout_study(
    method: dict[str, Any],
    sizes: dict[str, int],
    arithmetic: Mapping[str, str] = MappingProxyType({}),
) -> Study:
    """Declare the dropout study, whose sessions are the banks of all cases.

    Parameters
    ----------
    method
        The SSL method, as plain data.
    sizes
        Sessions per variant, by case. Cases with 0 sessions are omitted.
    arithmetic
        Fields of `training` that say how training steps are computed, such as
        `kernels`.

    Returns
    -------
    study
        A study with one hypothesis per case.
    """
    cases = [case for case, count in sizes.items() if count]
    return Study.model_validate(
        {
            "name": "calibration",
            "question": "How often is a verdict wrong?",
            "recordings": [world for case in cases for world in codes(case, sizes[case])],
            "target": {"name": "label", "kind": "continuous"},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 1.0},
            "method": method,
            "training": {
                "steps": 400,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "seeds": 1,
                "study_seed": 1,
                **arithmetic,
            },
            "views": {
                "base": {"kind": "count_splitting"},
                "transforms": [{"kind": "unit_dropout", "value": "silent"}],
            },
            "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "arms": ["independent", "shared", "paired"],
            "hypotheses": [
                {
                    "id": case,
                    "claim": case,
                    "predicts": "sensitive",
                    "group": case,
                    "axis": "unit_dropout.rate",
                    "dose": 0.4,
                    "margin": _MARGIN,
                }
                for case in cases
            ],
            "quick": True,
        }
    )


def needed(run: Run) -> bool:
    """Whether a run of the dropout study is needed.

    Paired draws and the seeds of the A/A control (dose 0 with other seeds) are needed
    only in the first `JUDGED` sessions of a variant, from which whole verdicts are drawn.
    """
    number = int(run.session.rpartition("-")[2])  # sessions are named case-variant-number
    if run.method.kind in BESIDE_THE_POINT or run.setting == BASELINE_SETTING:
        return False
    return number <= JUDGED or (run.arm != "paired" and run.seed == 0)


def arms_study(method: dict[str, Any], sessions: int) -> Study:
    """Declare the study that compares the arms at every dose.

    Parameters
    ----------
    method
        The SSL method, as plain data.
    sessions
        Sessions per case, all of the variant `plain`.

    Returns
    -------
    study
        A study with all arms at dose 0 and at `ARM_DOSES`.
    """
    return _plain(method, sessions, doses=(0.0, *ARM_DOSES))


def crossed_study(method: dict[str, Any], sessions: int, seeds: int) -> Study:
    """Declare the study of few sessions with many seeds each.

    Parameters
    ----------
    method
        The SSL method, as plain data.
    sessions
        Sessions per case, all of the variant `plain`.
    seeds
        Seeds per session.

    Returns
    -------
    study
        A study with all arms at dose 0 and at the primary dose.
    """
    return _plain(method, sessions, seeds=seeds)


def needed_for_claims(run: Run) -> bool:
    """Whether a run is needed for claims about C_code, D, H or delta.

    Unused baselines are not. Of the supervised networks only the first seed is needed,
    to measure the decodable range.
    """
    return (
        run.method.kind not in BESIDE_THE_POINT
        and run.setting != BASELINE_SETTING
        and (run.method.kind != "supervised" or run.seed == 0)
    )


def needed_of_crossed(run: Run) -> bool:
    """Whether a run of the crossed bank is needed for claims.

    As `needed_for_claims`, but without paired draws and without the seeds of the A/A
    control.
    """
    return needed_for_claims(run) and run.arm != "paired" and run.seed < CROSSED_SEEDS


def needed_of_jitter(run: Run) -> bool:
    """Whether a run of the jitter study is needed.

    Needed are the runs that give delta, and the measurement of the test-lag curve.
    """
    return run.method.kind == "test_lag" or (
        needed_for_claims(run) and run.seed == 0 and run.fraction == 1
    )


def _plain(
    method: dict[str, Any], sessions: int, doses: tuple[float, ...] = (0.0, DOSE), seeds: int = 1
) -> Study:
    """Declare the dropout study for the variant `plain` of two cases.

    The cases are `one-neuron` and `distributed`.
    """
    study = dropout_study(method, {"one-neuron": sessions, "distributed": sessions}).model_dump(
        mode="json"
    )
    worlds = [world for world in study["recordings"] if world["session"].endswith("-plain")]
    axes = [{"path": DROPOUT, "doses": list(doses)}]
    return Study.model_validate(
        {
            **study,
            "recordings": worlds,
            "axes": axes,
            "training": {**study["training"], "seeds": seeds},
        }
    )


def jitter_study(method: dict[str, Any], sessions: int) -> Study:
    """Declare the study of labels with three time constants, under time jitter.

    Parameters
    ----------
    method
        The SSL method, as plain data.
    sessions
        Sessions per time constant.

    Returns
    -------
    study
        A study that trains at every dose of `JITTER_DOSES`, with one group of sessions
        per time constant.
    """
    study = dropout_study(method, {"one-neuron": 1}).model_dump(mode="json")
    worlds = _time_worlds(sessions, 0)
    hypotheses = [
        {
            "id": world["session"],
            "claim": "no claim",
            "predicts": "tolerated",
            "group": world["session"],
            "axis": JITTER,
            "dose": JITTER_DOSES[-1],
            "margin": _MARGIN,
        }
        for world in worlds
    ]
    return Study.model_validate(
        {
            **study,
            "name": "calibration-training-dose",
            "recordings": [{**world, "group": world["session"]} for world in worlds],
            "views": {"base": {"kind": "count_splitting"}},
            "arms": ["independent"],
            "axes": [{"path": JITTER, "doses": list(JITTER_DOSES)}],
            "hypotheses": hypotheses,
        }
    )


def _time_worlds(smooth: int, switching: int) -> list[dict[str, Any]]:
    """Declare recordings whose labels have one of three time constants.

    `smooth` and `switching` are the numbers of sessions, per time constant, with a
    label that moves smoothly and with one that jumps.
    """
    common = {"kind": "simulated", "seed": SEED, "bins": 9000}
    return [
        {
            **common,
            "generator": generator,
            "label_tau_s": tau,
            "session": f"{generator}-{tau:g}",
            "sessions": sessions,
        }
        for tau in (0.2, 0.8, 3.2)
        for generator, sessions in (("smoothness", smooth), ("switching", switching))
        if sessions
    ]


def measures_study(sessions: int) -> Study:
    """Declare the study that checks the measures without SSL.

    These are the time constant of a label, the test for jumps, and the test that a
    decoder beats its null. Smooth labels have three times as many sessions as given,
    because false findings of jumps are rare and must be counted precisely.
    """
    common = {"kind": "simulated", "seed": SEED, "sessions": sessions}
    worlds = _time_worlds(3 * sessions, sessions)
    for case in ("independent", "constant_rates", "common_trend", "trial_constant"):
        worlds.append(
            {
                **common,
                "generator": "nothing",
                "case": case,
                "bins": 2000,
                "session": f"nothing-{case}",
            }
        )
    return Study.model_validate(
        {
            "name": "calibration-measures",
            "question": "Do the measures without SSL recover what worlds were made with?",
            "recordings": [{**world, "group": world["session"]} for world in worlds],
            "target": {"name": "label", "kind": "continuous"},
            "folds": {"scheme": "blocks", "count": 5, "embargo_s": 5.0},
            "method": {"kind": "linear_ssl", "dimensions": 8},
            "views": {"transforms": [{"kind": "unit_dropout"}]},
            "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "hypotheses": [
                {
                    "id": "none",
                    "claim": "no claim",
                    "predicts": "invariant",
                    "axis": "unit_dropout.rate",
                    "dose": 0.4,
                    "margin": _MARGIN,
                }
            ],
            "quick": True,
        }
    )
