"""Banks of simulated sessions with known truth, at frozen settings and seeds that nothing was tuned on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from invariance_probe.plan.plan import BESIDE
from invariance_probe.plan.run import Run
from invariance_probe.study.study import Study

DROPOUT, DOSE, MARGIN = "unit_dropout.rate", 0.4, 0.1
"""What the verdicts are about: the axis, its primary dose, and the margin."""
ARM_DOSES = (0.2, 0.4, 0.6, 0.8)
JITTER, JITTER_DOSES = "time_jitter.window_s", (0.0, 0.2, 0.8, 3.2, 6.4)
SEED = 9000
"""Seed of every world of the calibration; methods were tuned on others."""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wide": {"units": 90},
    "overdispersed": {"overdispersion": 0.3},
    "gain": {"shared_gain": 0.2},
}
"""What differs between the sessions of a bank: the number of units, the count noise, a gain that all units share."""

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
"""Sessions of each variant of a case: for the size of every claim, for whether a method may give verdicts, for a smoke test."""
JUDGED = 24
"""Sessions of a variant, the first ones, that are measured for whole verdicts; the others only for the size of claims."""
BESIDE_THE_POINT = {"pca", "untrained", "test_lag"}
"""Baselines that no claim about dropout rests on."""
CROSSED_SEEDS = 10
PLAIN: dict[str, dict[str, int]] = {
    "full": {"arms": 10, "crossed": 8, "jitter": 4},
    "licence": {"arms": 0, "crossed": 0, "jitter": 0},
    "quick": {"arms": 2, "crossed": 3, "jitter": 2},
}
"""Sessions of the comparison of arms, of the crossed bank, and of the training doses."""
MEASURED: dict[str, int] = {"full": 40, "licence": 0, "quick": 4}
"""Sessions of each world of the measures without SSL."""


def codes(case: str, sessions: int) -> list[dict[str, Any]]:
    """Return the recordings of a case: `one-neuron` (G2x), `distributed` or `redundant` (G2)."""
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
    """Return the study whose sessions are the bank of every case; `arithmetic` says how its training steps are computed."""
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
    """Say whether a run bears on a claim about dropout: paired draws and the A/A control only where verdicts are judged."""
    number = int(run.session.rpartition("-")[2])
    if run.method.kind in BESIDE_THE_POINT or run.setting == BESIDE:
        return False
    return number <= JUDGED or (run.arm != "paired" and run.seed == 0)


def arms_study(method: dict[str, Any], sessions: int) -> Study:
    """Return the study that draws masks in every way at every dose, in the plain sessions of the bank."""
    return _plain(method, sessions, doses=(0.0, *ARM_DOSES))


def crossed_study(method: dict[str, Any], sessions: int, seeds: int) -> Study:
    """Return the study of few sessions with many seeds, in the plain sessions of the bank."""
    return _plain(method, sessions, seeds=seeds)


def needed_for_claims(run: Run) -> bool:
    """Say whether a run bears on C_code, D, H or delta: no controls, and one supervised network for the choice of the ceiling."""
    return (
        run.method.kind not in BESIDE_THE_POINT
        and run.setting != BESIDE
        and (run.method.kind != "supervised" or run.seed == 0)
    )


def needed_of_crossed(run: Run) -> bool:
    """Say the same, without paired draws and the A/A control's seeds."""
    return needed_for_claims(run) and run.arm != "paired" and run.seed < CROSSED_SEEDS


def needed_of_jitter(run: Run) -> bool:
    """Say whether a run bears on delta under jitter, or on the test-lag curve beside it."""
    return run.method.kind == "test_lag" or (
        needed_for_claims(run) and run.seed == 0 and run.fraction == 1
    )


def _plain(
    method: dict[str, Any], sessions: int, doses: tuple[float, ...] = (0.0, DOSE), seeds: int = 1
) -> Study:
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
    """Return the study whose sessions have labels of three time constants, trained at every jitter."""
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
    """Return the study whose sessions test what is measured without SSL: time constants, jumps, nulls.

    Smooth labels, of which few should be said to jump, have three times the sessions.
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
