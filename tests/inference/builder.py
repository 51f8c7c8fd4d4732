"""Results of a real plan, with planted losses."""

import numpy as np
from conftest import tiny_study

from invariance_probe.study.plan import Plan
from invariance_probe.study.run import RunResult
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

LICENSED = {"steps": 400, "batch_size": 64, "seeds": 2}
JITTER = {
    "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}],
    "hypotheses": [
        {"id": "J", "claim": "smooth", "predicts": "invariant", "axis": "time_jitter.window_s", "dose": 0.2,
         "margin": {"fraction_of_range": 0.1, "because": "smaller losses would not matter"}}
    ],
}  # fmt: skip


def make_plan(sessions=6, **changes):
    study = Study.model_validate(tiny_study(**{"arms": ["independent", "shared", "paired"], "training": LICENSED, **changes}))
    subjects = ["a"] * sessions
    return Plan(study, tuple(Session(f"s{i}", subjects[i], "", f"f{i}", study.recordings[0]) for i in range(sessions)))


def planted(
    plan,
    *,
    delta=0.0,
    H=0.0,
    paired=0.0,
    C_info=0.0,
    kept=0.9,
    spread=0.01,
    aa=0.0,
    third=None,
    longer=0.0,
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
    """Losses with the given estimands in units of R: floor 1, ceiling 1 - R; `nulls` holds more of a null's diagnostics, by kind.

    Examined encoders lose delta and T of the test dose; `by_class` is delta of each class. `arms` holds the cost of further arms, and
    `pairs` what their runs say of distant pairs; `checked` holds the cost of arms under a check, by its label.
    """
    nulls = nulls or {}
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
            results[run.key()] = RunResult(run.key(), "done", diagnostics=found)
            continue
        blocks = tuple(range(run.fold * per, (run.fold + 1) * per))
        if run.examination is not None:
            results[run.key()] = _examined(run, blocks, clean, R, delta if run.axis else 0.0, T, by_class or {})
            continue
        loss = {
            "raw": 1 - R, "information": 1 - R + C_info * R, "supervised": 1 - R + 0.05 + (C_info * R if run.axis else 0), "pca": 1 - R + 0.02,
            "untrained": 0.9, "linear_ssl": 1 - R + 0.01,
        }.get(kind)  # fmt: skip
        if kind in ("simclr", "moco", "vicreg", "byol"):
            cost = {
                "none": aa if run.seed >= plan.study.training.seeds else 0.0,
                "independent": delta,
                "shared": H,
                "paired": paired,
                **(arms or {}),
                **(checked or {}).get(run.setting, {}),
            }[run.arm]
            cost += longer if run.axis and run.optimisation.steps == 800 else 0.0
            cost = third if run.fraction < 1 and third is not None and run.arm == "independent" else cost
            loss = clean + cost * R + spread * R * gen.standard_normal()
        noise = 0.002 * gen.standard_normal(per)
        results[run.key()] = RunResult(
            run.key(), "done", blocks, tuple(float(loss + n) for n in noise), (1.0,) * per if kind == "raw" else (),
            {"raw": 0.4, "supervised": 0.5}.get(kind), {"rank_me": 5.0, "input_change": 0.5, **_jittered((pairs or {}).get(run.arm, {}), gen)},
        )  # fmt: skip
    return results


def _jittered(measured, gen):
    return {name: value + 0.01 * gen.standard_normal() for name, value in measured.items()}


def with_code(plan, results, *, n_eff=2.0, units=30, red_idx=0.0, tau=0.8, lags=(0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)):
    """Give every session carriers, redundancy, and a test-lag curve of an Ornstein-Uhlenbeck target with the time constant `tau`."""
    decayed = {f"{name}@{lag:.6g}": float(np.exp(-lag / tau)) for name in ("r", "rho") for lag in lags}
    for i, run in enumerate(run for run in plan.runs if run.fold is None):
        own = 1 + 0.01 * (i % 5)
        found = {
            "code": {"units": units, "n_eff": n_eff * own, "red_idx": red_idx + 0.001 * (i % 5)},
            "test_lag": {"tau_s": tau * own, "tau_low_s": 0.8 * tau, "tau_high_s": 1.2 * tau, **decayed},
        }
        if run.method.kind in found:
            results[run.key()] = RunResult(run.key(), "done", diagnostics=found[run.method.kind])
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
                *([(f"class_loss@{label}@{block}", clean + (delta * R if run.axis else 0.0))] if i else []),
            )
        },
    }[test.kind]
    return RunResult(run.key(), "done", diagnostics=found)
