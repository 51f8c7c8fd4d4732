"""The worlds G3 to G6: recurrence, two modalities, messengers, turnover.

A size goes in; the sessions of these worlds and what was measured on them come out.
Nothing is counted here.

Settings were chosen on seed 100 and frozen. The time constant (3 s) and the number of
private latents of G4 are those of the design simulation. Its length (400 s) and that of
G5 (400 s, two of which choose) are the first that were tried. G3's units, bins,
dimensions (as many as behaviours span, so that drift and behaviour compete) and part of
distant pairs were tuned until local pairs decode about .65 and oracle pairs .8, as in
the design simulation. G6 has a label gain of .25. At the generator's own .4, the gains
of some units make counts so skewed that in a few sessions linear SSL of one dimension
follows a unit instead of the label; delta is then strongly skewed over sessions, and no
t interval covers its mean. That world is measured too, and printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invariance_probe.calibration.banks import SEED
from invariance_probe.calibration.ground import Ground
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.figures import Figures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.baselines import Messengers, MinedPairs, SharedDimensions
from invariance_probe.study.methods import AnyMethod
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

COMMON = (0, 1, 2, 3, 4)
"""Numbers of shared dimensions of the worlds of two modalities."""
LAGS = {0: "common-2", 3: "lag-behind", -4: "lag-ahead"}
"""Lags (bins) of the worlds with two shared dimensions, and their names."""
CARRIERS = 6
"""Number of carriers of the sparse messenger worlds."""
SPREAD = (20, 60)
"""Numbers of carriers, of 60 units, in stable worlds that are not sparse."""
SHARES = (0.5, 0.9)
"""Parts of the pairs that are distant ones."""
DOSE = 0.4
"""Dose of unit dropout in the worlds with turnover."""
LABEL_GAINS = {"turnover": 0.25, "skewed": 0.4}
"""Label gain of each world with turnover."""
SUCCESSIVE = 12
"""Number of sessions of one array with turnover."""

SIZES: dict[str, dict[str, int]] = {
    "full": {
        "recurring": 80,
        "nothing-common": 200,
        "common": 40,
        "lag": 40,
        "messengers": 50,
        "turnover": 30,
        "skewed": 10,
    },
    "licence": {},
    "quick": {
        "recurring": 6,
        "nothing-common": 3,
        "common": 3,
        "lag": 3,
        "messengers": 3,
        "turnover": 1,
        "skewed": 1,
    },
}
"""Sessions of every world, by size of the calibration.

For turnover and its skewed variant, numbers of arrays of `SUCCESSIVE` sessions each.
"""


@dataclass(frozen=True)
class Family:
    """Worlds that share one measurement.

    Attributes
    ----------
    study
        Their recordings, target and folds; its hypothesis is never judged.
    method
        What is measured on each session; None where the study's own runs are.
    """

    study: Study
    method: AnyMethod | None


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on one session, beside what it was made with.

    Attributes
    ----------
    session
        The session.
    found
        What was measured.
    truth
        What it was made with, by name.
    """

    session: Session
    found: Figures
    truth: Mapping[str, Any]


def families(size: str) -> tuple[Family, ...]:
    """The worlds of G3, G4 and G5, each with its measurement."""
    counts = SIZES[size]
    return (
        Family(
            _study("recurring", _recurring(counts["recurring"]), "behaviour", 4, 10.0),
            mined_pairs(),
        ),
        Family(
            _study("modalities", _modalities(counts), "modality", 5, 10.0),
            SharedDimensions(shifts=99),
        ),
        Family(
            _study("messengers", _messengers(counts["messengers"]), "label", 5, 1.0),
            Messengers(budget=CARRIERS),
        ),
    )


def mined_pairs() -> MinedPairs:
    """The measurement of recurring behaviours.

    It has five dimensions, as many as six behaviours span.
    """
    return MinedPairs(dimensions=5, local_s=0.6, fractions=SHARES, nuisance="drift")


def turnover_study(counts: Mapping[str, int]) -> Study:
    """The study whose sessions are of many arrays with units that come and go.

    Its method is closed-form linear SSL. Successive sessions of one array share units
    and are no independent sample; arrays share none. Arrays are named `turnover-i` and
    `skewed-i`.
    """
    worlds = [
        {
            "generator": "turnover",
            "session": f"{name}-{i + 1}",
            "sessions": SUCCESSIVE,
            "label_gain": gain,
        }
        for name, gain in LABEL_GAINS.items()
        for i in range(counts[name])
    ]
    return _study("turnover", worlds, "label", 2, 3.0)


def _recurring(count: int) -> list[dict[str, Any]]:
    own = {"units": 40, "bins": 4000, "bin_s": 0.2, "drift_gain": 0.5}
    return [{"generator": "recurring", "session": "recurring", "sessions": count, **own}]


def _modalities(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Recordings of G4: by number of shared dimensions, then by lag."""
    own = {"generator": "multimodal", "bins": 4000, "latent_tau_s": 3.0}
    common = [
        {
            "common": k,
            "session": f"common-{k}",
            "sessions": counts["common"] if k else counts["nothing-common"],
            **own,
        }
        for k in COMMON
    ]
    lagged = [
        {"common": 2, "lag_bins": lag, "session": name, "sessions": counts["lag"], **own}
        for lag, name in LAGS.items()
        if lag
    ]
    return [*common, *lagged]


def _messengers(count: int) -> list[dict[str, Any]]:
    """Recordings of G5: sparse codes, stable or switching, and spread ones."""
    own = {"generator": "messenger", "bins": 4000, "sessions": count}
    sparse = [
        {"carriers": CARRIERS, "switches": switches, "session": name}
        for name, switches in (("stable", False), ("switching", True))
    ]
    spread = [{"carriers": carriers, "session": f"spread-{carriers}"} for carriers in SPREAD]
    return [{**own, **world} for world in (*sparse, *spread)]


def _study(
    name: str, worlds: Sequence[Mapping[str, Any]], target: str, folds: int, embargo_s: float
) -> Study:
    """A study of some worlds, whose hypothesis is never judged."""
    kind = "categorical" if target == "behaviour" else "continuous"
    probes = (
        {"probes": [{"kind": "logistic", "penalties": [0.1, 1.0, 10.0]}]}
        if kind == "categorical"
        else {}
    )
    axis = "unit_dropout.rate"
    unjudged = {
        "id": "none",
        "claim": "no claim",
        "predicts": "invariant",
        "axis": axis,
        "dose": DOSE,
    }
    return Study.model_validate(
        {
            "name": f"calibration-{name}",
            "question": "Do estimators recover what worlds were made with?",
            "recordings": [
                {"kind": "simulated", "seed": SEED, "group": world["session"], **world}
                for world in worlds
            ],
            "target": {"name": target, "kind": kind},
            "folds": {"scheme": "blocks", "count": folds, "embargo_s": embargo_s},
            "method": {"kind": "linear_ssl", "dimensions": 1},
            "views": {"transforms": [{"kind": "unit_dropout"}]},
            "axes": [{"path": axis, "doses": [0, DOSE]}],
            **probes,
            "quick": True,
            "hypotheses": [
                {**unjudged, "margin": {"fraction_of_range": 0.1, "because": "not judged"}}
            ],
        }
    )


def measured_worlds(size: str, ground: Ground) -> dict[str, list[Measured]]:
    """Measure every session of G3, G4 and G5, and return what there is.

    Parameters
    ----------
    size
        A key of `SIZES` that has sessions.
    ground
        Where they are measured.

    Returns
    -------
    worlds
        Measured sessions by world.
    """
    planned: list[tuple[Run, Session]] = []
    for family in families(size):
        plan = Plan(family.study, find_sessions(family.study, ground.place.base))
        assert family.method is not None
        planned += [
            (plan.measurement(session, family.method), session) for session in plan.sessions
        ]
    runs, sessions = zip(*planned, strict=True)
    ground.make("worlds", runs, sessions)
    results = ground.store.results(runs)
    worlds: dict[str, list[Measured]] = {}
    for run, session in planned:
        result = results.get(run.key())
        if result is not None and result.figures is not None:
            truth = open_recording(session.source, session.name, ground.place.base).truth
            worlds.setdefault(session.group, []).append(Measured(session, result.figures, truth))
    return worlds


def measured_turnover(size: str, ground: Ground) -> tuple[Plan, dict[str, RunResult]]:
    """Measure raw decoders, the code and closed-form linear SSL on G6.

    Parameters
    ----------
    size
        A key of `SIZES` that has sessions.
    ground
        Where they are measured.

    Returns
    -------
    plan, results
        The plan of the worlds with turnover, and the results by key.
    """
    study = turnover_study(SIZES[size])
    plan = Plan(study, find_sessions(study, ground.place.base))
    wanted = {
        run.key(): run
        for run in plan.runs
        if run.method.kind in ("raw", "square_roots", "shift_null", "code") or _own(run)
    }
    runs = list(wanted.values())
    ground.make("turnover", runs, plan.sessions)
    return plan, ground.store.results(runs)


def _own(run: Run) -> bool:
    """Whether a run is of the study's linear SSL, at dose 0 or independent draws."""
    return run.method.kind == "linear_ssl" and run.arm in ("none", "independent")
