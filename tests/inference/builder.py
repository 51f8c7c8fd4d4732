"""Results of a real plan, with planted losses."""

import numpy as np
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.findings import Standing
from invariance_probe.plan.figures.decoded import (
    DecodedFigures,
    PairFigures,
    RepresentationFigures,
)
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    ClassLoss,
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.figures.session import (
    LagFigures,
    LeakFigures,
    NullFigures,
    PersistenceFigures,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import A_THIRD
from invariance_probe.study.recordings import Planted
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

from .code import made_code

REGISTERED = Standing("0" * 64)
LICENSED = {"steps": 400, "batch_size": 64, "seeds": 2}
JITTER = {
    "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}],
    "hypotheses": [
        {
            "id": "J",
            "claim": "smooth",
            "predicts": "tolerated",
            "axis": "time_jitter.window_s",
            "dose": 0.2,
            "margin": {"fraction_of_range": 0.1, "because": "smaller losses would not matter"},
        }
    ],
}

ROWS = {
    "invariant": {"C_code": 0.02},
    "tolerated": {"C_code": 0.4},
    "sensitive": {"C_code": 0.5, "delta": 0.3},
    "competition": {"C_code": 0.02, "delta": 0.3},
    "recipe-dependent": {"C_code": 0.4, "recipes": {"longer": {"independent": 0.3}}},
    "inconclusive": {"C_code": 0.4, "delta": 0.1},
}
"""Planted losses that reach each row of the verdict table."""


def make_plan(sessions=6, plants=True, **changes):
    """A plan of sessions of one subject.

    The targets that are planted in the sessions are included where the number of
    sessions and the study allow it.
    """
    study = Study.model_validate(
        tiny_study(**{"arms": ["independent", "shared", "paired"], "training": LICENSED, **changes})
    )
    own = tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(sessions))
    wanted = plants and not study.quick and any(study.corrupts(h.axis) for h in study.hypotheses)
    return Plan(
        study,
        own,
        tuple(_planted_in(one, kind) for one in own for kind in ("one_unit", "projection"))
        if wanted
        else (),
    )


def _planted_in(session, kind):
    source = Planted(of=session.source, plant=kind)
    return Session(
        f"{session.name}+{kind}", session.subject, "", f"{session.fingerprint} {kind}", source
    )


def planted(
    plan,
    *,
    delta=0.0,
    H=0.0,
    paired=0.0,
    C_code=0.0,
    code=None,
    kept=0.9,
    spread=0.01,
    aa=0.0,
    third=None,
    recipes=None,
    rho=0.1,
    null=0.02,
    seed=0,
    R=0.6,
    leak=(-0.5,) * 20,
    measured=None,
    T=0.0,
    by_class=None,
    arms=None,
    pairs=None,
    checked=None,
):
    """Losses with the given estimands, in units of the decodable range R.

    The floor is 1 and the ceiling 1 - R. Examined encoders lose delta and T of the test
    dose.

    Parameters
    ----------
    measured
        Figures of whole sessions that replace the usual ones, by the kind of method.
    by_class
        delta of each class.
    arms
        The cost of further arms.
    pairs
        What the runs of these arms say of distant pairs.
    checked
        The cost of arms under a check, by its label.
    recipes
        The cost of arms (`none`, `independent`, `shared`) under a recipe of the panel, by its
        name.
    code
        More of `made_code`; planted controls have the code that they were planted with.
    """
    jackknife = any(run.method.kind == "code" and run.method.jackknife for run in plan.baselines)
    gen = np.random.default_rng(seed)
    per = plan.study.folds.blocks_per_fold
    clean = 1 - kept * R
    results = {}
    for run in plan.runs:
        kind = run.method.kind
        if run.fold is None or kind == "reliance":
            if kind == "code":
                figures = _code_of(run, C_code, code or {}, R, jackknife, len(results))
            elif kind.endswith("_null"):
                figures = NullFigures(p_value=null)
            else:
                figures = {
                    "persistence": PersistenceFigures(rho=rho),
                    "leak": LeakFigures(r2=tuple(leak), beyond=tuple(leak)) if leak else None,
                }.get(kind)
            figures = (measured or {}).get(kind, figures)
            results[run.key()] = RunResult(run.key(), "done", figures=figures)
            continue
        blocks = tuple(range(run.fold * per, (run.fold + 1) * per))
        if isinstance(run, EncoderExamination):
            results[run.key()] = _examined(
                run, blocks, clean, R, delta if run.axis else 0.0, T, by_class or {}
            )
            continue
        loss = {
            "raw": 1 - R, "supervised": 1 - R + 0.05, "pca": 1 - R + 0.02,
            "untrained": 0.9, "square_roots": 1 - R + 0.01, "linear_ssl": 1 - R + 0.01,
        }.get(kind)  # fmt: skip
        if kind in ("simclr", "moco", "vicreg", "byol"):
            plant = run.session.partition("+")[2]
            cost = {
                "none": aa if run.seed >= plan.study.training.seeds else 0.0,
                "independent": delta,
                "shared": H,
                "paired": paired,
                **(arms or {}),
                **(checked or {}).get(run.setting, {}),
                **(recipes or {}).get(_recipe_of(run), {}),
            }[run.arm]
            cost = (
                (0.3 if plant == "one_unit" and run.arm == "independent" else 0.0)
                if plant
                else cost
            )
            cost = (
                third
                if run.fraction < 1 and third is not None and run.arm == "independent"
                else cost
            )
            loss = clean + cost * R + spread * R * gen.standard_normal()
        noise = (
            np.zeros(per) if kind == "square_roots" else 0.002 * gen.standard_normal(per)
        )  # draws of the others stay
        results[run.key()] = RunResult(
            run.key(),
            "done",
            blocks,
            tuple(float(loss + n) for n in noise),
            (1.0,) * per if kind == "raw" else (),
            {"raw": 0.4, "square_roots": 0.45, "supervised": 0.5}.get(kind),
            DecodedFigures(
                representation=RepresentationFigures(rank_me=5.0, input_change=0.5),
                **_described((pairs or {}).get(run.arm, {}), gen),
            ),
        )
    return results


def judged(plan=None, left_out=None, results=None, standing=REGISTERED, **values):
    """Return what is found for the first hypothesis."""
    plan = plan or make_plan()
    return infer(plan, results or planted(plan, **values), left_out or {}, standing).hypotheses[0]


def gate(found, name):
    return next(g for g in found.gates if g.name == name)


def _described(given, gen):
    """Figures of distant pairs, each value with a little noise."""
    found = {name: value + 0.01 * gen.standard_normal() for name, value in given.items()}
    return {"distant": PairFigures(**found)} if found else {}


def _recipe_of(run):
    return run.setting.removeprefix("recipe: ").removesuffix(f", {A_THIRD}")


def _code_of(run, C_code, changes, R, jackknife, seed):
    """The code of a session, or of a planted control: one unit, or all of them."""
    corruptions = [(one.axis, one.dose) for one in run.method.corruptions]
    of_plant = {
        "one_unit": {"carriers": (0.3, 0.7), "c_code": 0.4},
        "projection": {"carriers": (8, 20), "c_code": 0.05},
    }
    own = {"c_code": C_code, "c_blind": C_code + 0.1, "R": R, "jackknife": jackknife, "seed": seed}
    return made_code(corruptions, **{**own, **of_plant.get(run.session.partition("+")[2], changes)})


def with_lags(plan, results, *, tau=0.8, lags=(0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)):
    """Give every session the test-lag curve of an Ornstein-Uhlenbeck target.

    The target has the time constant `tau`.
    """
    decayed = tuple(float(np.exp(-lag / tau)) for lag in lags)
    for i, run in enumerate(run for run in plan.runs if run.fold is None):
        own = 1 + 0.01 * (i % 5)
        found = LagFigures(
            tau_s=tau * own,
            tau_low_s=0.8 * tau,
            tau_high_s=1.2 * tau,
            tau_target_s=tau,
            lags_s=tuple(map(float, lags)),
            r=decayed,
            rho=decayed,
        )
        if run.method.kind == "test_lag":
            results[run.key()] = RunResult(run.key(), "done", figures=found)
    return results


def _examined(run, blocks, clean, R, cost, T, by_class):
    test = run.examination
    if test.kind == "corruption":
        loss = clean + (cost + T * test.dose) * R
        values = CorruptionFigures(invariance=1 - test.dose, invariance_row_space=1 - test.dose / 2)
        return RunResult(run.key(), "done", blocks, (loss,) * len(blocks), figures=values)
    losses = tuple(
        ClassLoss(
            label=label,
            block=block,
            windows=i,  # the first block has none
            loss=clean + (delta * R if run.axis else 0.0) if i else None,
        )
        for label, delta in by_class.items()
        for i, block in enumerate(blocks)
    )
    found = {
        "detection": DetectionFigures(detection=0.9),
        "comparison": SimilarityFigures(cka=0.8 - run.dose, shape_distance=0.5 + run.dose),
        "by_class": ClassFigures(losses=losses),
    }[test.kind]
    return RunResult(run.key(), "done", figures=found)
