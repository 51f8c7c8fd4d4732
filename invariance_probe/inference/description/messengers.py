"""Messenger units of every session at every budget of a study.

In: a plan and its results. Out: points for the report. They describe sessions and enter
no verdict.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from invariance_probe.inference.description.messenger_points import (
    BandedDamage,
    ChosenUnit,
    MessengerPoint,
    SwitchingPoint,
    UnitScore,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.baselines import Messengers

MODES = ("refit", "fixed")
"""Ways to score without units: the decoder is refitted, or held fixed."""
SOMETIMES = (
    "seed_stability",
    *(f"{way}{end}" for way in ("transfer", "transfer_back") for end in ("", "_low", "_high")),
)
"""Figures that may be missing.

`seed_stability` is missing where a selector has no randomness, and the others where an
epoch's own set does not carry more than the margin.
"""


def messengers(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[MessengerPoint]:
    """Yield a point for every session, decoder and budget that was measured.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    """
    for run, found in _measured(plan, results):
        for mode in MODES:
            for budget in run.method.budgets:  # type: ignore[union-attr]
                yield _point(run, budget, mode, found)


def switching(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[SwitchingPoint]:
    """Yield a point for every session and decoder where switching was measured.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    """
    for run, found in _measured(plan, results):
        if run.method.switching is not None:  # type: ignore[union-attr]
            for mode in MODES:
                yield SwitchingPoint(
                    run.session, run.group, mode, int(found["switching_epochs"]),
                    int(found["switching_blocks"]),
                    found["switching_memory_s"],
                    *(
                        found.get(f"{mode}_switching_{name}")
                        for name in ("p_value", "overlap", "expected")
                    ),
                )  # fmt: skip


def unit_scores(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[UnitScore]:
    """Yield the scores of every unit of every measured session.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    """
    for run, found in _measured(plan, results):
        assert isinstance(run.method, Messengers)
        columns = [
            (f"{mode}_b{budget}", f"b{budget}_{mode}")
            for mode in MODES
            for budget in run.method.budgets
        ]
        for unit in range(sum(name.startswith("alone_refit@") for name in found)):
            own = {
                name: found[f"{name}@{unit}"]
                for name in ("alone_refit", "alone_fixed", "weight", "variance")
            }
            selected = {
                column: found.get(f"{name}_selected@{unit}", 0.0) for column, name in columns
            }
            yield UnitScore(run.session, run.group, unit, **own, selected=selected)


def _measured(
    plan: Plan, results: Mapping[str, RunResult]
) -> Iterator[tuple[Run, Mapping[str, float]]]:
    for run in plan.baselines:
        result = results.get(run.key()) if isinstance(run.method, Messengers) else None
        if result is not None and result.status == "done":
            yield run, result.diagnostics


def _point(run: Run, budget: int, mode: str, found: Mapping[str, float]) -> MessengerPoint:
    own = f"b{budget}_{mode}"
    damages: dict[str, Any] = {
        scored: BandedDamage(
            *(found[f"{own}_{scored}_{name}"] for name in ("chosen", "random", "low", "high"))
        )
        for scored in MODES
    }
    units = [
        ChosenUnit(int(found[f"{own}_unit@{i + 1}"]), found[f"{own}_frequency@{i + 1}"])
        for i in range(budget)
    ]
    figures: dict[str, Any] = {
        name: found[f"{own}_{mode}_{name}"] for name in ("gain", "gain_low", "gain_high")
    }
    figures |= {
        name: found[f"{own}_{name}"]
        for name in ("stability", "stability_low", "stability_high", "jaccard")
    }
    figures |= {name: found.get(f"{own}_{name}") for name in SOMETIMES}
    figures |= {
        name: found[f"{mode}_{name}"] for name in ("k50_chosen", "k50_random", "localisation")
    }
    return MessengerPoint(
        session=run.session, group=run.group, budget=budget, chosen_with=mode, units=tuple(units),
        accepted=bool(found[f"{own}_accepted"]),
        **damages, **figures,
    )  # fmt: skip
