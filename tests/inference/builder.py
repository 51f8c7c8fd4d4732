"""Results of a real plan, with planted losses."""

import numpy as np
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.findings import Standing
from invariance_probe.plan.plan import Plan
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
    nulls=None,
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
    nulls
        More of a null's diagnostics, by kind.
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
    nulls = nulls or {}
    jackknife = any(run.method.kind == "code" and run.method.jackknife for run in plan.baselines)
    gen = np.random.default_rng(seed)
    per = plan.study.folds.blocks_per_fold
    clean = 1 - kept * R
    results = {}
    for run in plan.runs:
        kind = run.method.kind
        if run.fold is None or kind == "reliance":
            found = {"p_value": null} if kind.endswith("_null") else {"rho": rho}
            walks = {f"{name}@{i}": r2 for i, r2 in enumerate(leak) for name in ("leak", "beyond")}
            found |= {"leak": walks, **nulls}.get(kind, {})
            figures = (
                _code_of(run, C_code, code or {}, R, jackknife, len(results))
                if kind == "code"
                else None
            )
            results[run.key()] = RunResult(run.key(), "done", diagnostics=found, code=figures)
            continue
        blocks = tuple(range(run.fold * per, (run.fold + 1) * per))
        if run.examination is not None:
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
            {"rank_me": 5.0, "input_change": 0.5, **_jittered((pairs or {}).get(run.arm, {}), gen)},
        )
    return results


def judged(plan=None, left_out=None, results=None, standing=REGISTERED, **values):
    """Return what is found for the first hypothesis."""
    plan = plan or make_plan()
    return infer(plan, results or planted(plan, **values), left_out or {}, standing).hypotheses[0]


def gate(found, name):
    return next(g for g in found.gates if g.name == name)


def _jittered(measured, gen):
    return {name: value + 0.01 * gen.standard_normal() for name, value in measured.items()}


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
    decayed = {
        f"{name}@{lag:.6g}": float(np.exp(-lag / tau)) for name in ("r", "rho") for lag in lags
    }
    for i, run in enumerate(run for run in plan.runs if run.fold is None):
        own = 1 + 0.01 * (i % 5)
        found = {"tau_s": tau * own, "tau_low_s": 0.8 * tau, "tau_high_s": 1.2 * tau, **decayed}
        if run.method.kind == "test_lag":
            results[run.key()] = RunResult(run.key(), "done", diagnostics=found)
    return results


def _examined(run, blocks, clean, R, cost, T, by_class):
    test = run.examination
    if test.kind == "corruption":
        loss = clean + (cost + T * test.dose) * R
        values = {"invariance": 1 - test.dose, "invariance_row_space": 1 - test.dose / 2}
        return RunResult(run.key(), "done", blocks, (loss,) * len(blocks), diagnostics=values)
    found = {
        "detection": {"detection": 0.9},
        "comparison": {"cka": 0.8 - run.dose, "shape_distance": 0.5 + run.dose},
        "by_class": {
            name: value
            for label, delta in by_class.items()
            for i, block in enumerate(blocks)
            for name, value in (
                (f"class_windows@{label}@{block}", float(i)),  # the first block has none
                *(
                    [(f"class_loss@{label}@{block}", clean + (delta * R if run.axis else 0.0))]
                    if i
                    else []
                ),
            )
        },
    }[test.kind]
    return RunResult(run.key(), "done", diagnostics=found)
