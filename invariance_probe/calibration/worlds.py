"""Simulate and measure the worlds G3 to G6.

A world is one kind of simulated recording. In G3 behaviours recur under a slow drift,
in G4 two modalities share latents, in G5 a few units (messengers) carry the target, and
in G6 units come and go over sessions. In: the size of the calibration. Out: the
sessions of these worlds, with what was measured on them. Nothing is counted here.

The settings were chosen on simulations with seed 100 and then frozen. G3's numbers of
units, bins and dimensions and its fractions of distant pairs were tuned until local
pairs decode with an accuracy of about .65 and oracle pairs (true recurrences) of about
.8. It has as many dimensions as its behaviours span, so that drift and behaviour
compete for them. The lengths of G4 and G5 (400 s) are the first that were tried. G6 has
a label gain of .25. With the generator's default of .4 some units have so skewed counts
that one-dimensional linear SSL follows such a unit in a few sessions instead of the
label. Delta is then strongly skewed over sessions, and no t interval covers its mean.
That variant (`skewed`) is measured too, but has no bound to meet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invariance_probe.calibration.banks import SEED
from invariance_probe.calibration.bench import CalibrationBench
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.figures import Figures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.baselines import (
    AnyMeasurement,
    Messengers,
    MinedPairs,
    SharedDimensions,
)
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

COMMON = (0, 1, 2, 3, 4)
"""Numbers of dimensions that the two modalities of G4 share."""
LAGS = {0: "common-2", 3: "lag-behind", -4: "lag-ahead"}
"""Names of the variants of G4 with two shared dimensions, by lag in bins."""
CARRIERS = 6
"""Number of units that carry the target in the sparse variants of G5."""
SPREAD = (20, 60)
"""Numbers of carriers, of 60 units, in variants of G5 that are not sparse."""
SHARES = (0.5, 0.9)
"""Fractions of the pairs of windows in G3 that are distant in time."""
DOSE = 0.4
"""Dropout rate that is applied in G6."""
LABEL_GAINS = {"turnover": 0.25, "skewed": 0.4}
"""Gain of the label in each variant of G6."""
SUCCESSIVE = 12
"""Number of successive sessions per electrode array in G6."""

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
"""Sessions per world, by size of the calibration.

For `turnover` and `skewed` it is the number of arrays, with `SUCCESSIVE` sessions each.
"""


@dataclass(frozen=True)
class Family:
    """Worlds on which the same measurement is made.

    Attributes
    ----------
    study
        Declares their recordings, target and folds; its hypothesis is never judged.
    method
        The measurement that is made on each session; None for the study's own runs.
    """

    study: Study
    method: AnyMeasurement | None


@dataclass(frozen=True, eq=False)
class MeasuredWorld:
    """What was measured on one simulated session, and the truth about it.

    Attributes
    ----------
    session
        The session.
    found
        Results of the measurement.
    truth
        True values of the simulation, by name.
    """

    session: Session
    found: Figures
    truth: Mapping[str, Any]


def families(size: str) -> tuple[Family, ...]:
    """Declare the worlds G3, G4 and G5, each with its measurement.

    Parameters
    ----------
    size
        Size of the calibration, a key of `SIZES` that has sessions.
    """
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
    """Declare the measurement of mined pairs for G3.

    It has five dimensions, as many as its six behaviours span.
    """
    return MinedPairs(dimensions=5, local_s=0.6, fractions=SHARES, nuisance="drift")


def turnover_study(counts: Mapping[str, int]) -> Study:
    """Declare the study of many electrode arrays whose units come and go (G6).

    Its method is closed-form linear SSL. Successive sessions of one array share units
    and are therefore not independent; different arrays share none. Arrays are named
    `turnover-i` and `skewed-i`.

    Parameters
    ----------
    counts
        Number of arrays by variant, `turnover` and `skewed`.
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
    """Declare the recordings of G4.

    There is one for each number of shared dimensions, and one for each lag.
    """
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
    """Declare the recordings of G5.

    They are sparse codes, stable or switching, and stable codes that are not sparse.
    """
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
    """Declare a study of some worlds, whose hypothesis is never judged.

    Parameters
    ----------
    name
        End of the study's name.
    worlds
        Settings of its simulated recordings.
    target
        Name of the target that is decoded.
    folds, embargo_s
        Number of folds, and the embargo between them in seconds.
    """
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


def measured_worlds(size: str, bench: CalibrationBench) -> dict[str, list[MeasuredWorld]]:
    """Measure the sessions of G3, G4 and G5.

    Parameters
    ----------
    size
        Size of the calibration, a key of `SIZES` that has sessions.
    bench
        The store and the workers. If `bench.train` is False, nothing is measured.

    Returns
    -------
    worlds
        The sessions whose results the store then has, by name of their world.
    """
    planned: list[tuple[Run, Session]] = []
    for family in families(size):
        plan = Plan(family.study, find_sessions(family.study, bench.settings.base))
        assert family.method is not None
        planned += [
            (plan.measurement(session, family.method), session) for session in plan.sessions
        ]
    runs, sessions = zip(*planned, strict=True)
    bench.measure_missing("worlds", runs, sessions)
    results = bench.store.results(runs)
    worlds: dict[str, list[MeasuredWorld]] = {}
    for run, session in planned:
        result = results.get(run.key())
        if result is not None and result.figures is not None:
            truth = open_recording(session.source, session.name, bench.settings.base).truth
            worlds.setdefault(session.group, []).append(
                MeasuredWorld(session, result.figures, truth)
            )
    return worlds


def measured_turnover(size: str, bench: CalibrationBench) -> tuple[Plan, dict[str, RunResult]]:
    """Measure decoders, the finding of the code and linear SSL on G6.

    Parameters
    ----------
    size
        Size of the calibration, a key of `SIZES` that has sessions.
    bench
        The store and the workers. If `bench.train` is False, nothing is measured.

    Returns
    -------
    plan, results
        The plan of the study, and the results that the store then has, by run key.
    """
    study = turnover_study(SIZES[size])
    plan = Plan(study, find_sessions(study, bench.settings.base))
    wanted = {
        run.key(): run
        for run in plan.runs
        if run.method.kind in ("raw", "square_roots", "shift_null", "code") or _own(run)
    }
    runs = list(wanted.values())
    bench.measure_missing("turnover", runs, plan.sessions)
    return plan, bench.store.results(runs)


def _own(run: Run) -> bool:
    """Whether a run trains the study's linear SSL at dose 0 or in the main arm.

    The main arm has independent draws.
    """
    return run.method.kind == "linear_ssl" and run.arm in ("none", "independent")
