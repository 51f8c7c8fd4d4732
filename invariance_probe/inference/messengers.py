"""Messenger units of every session at every budget that a study asks for, from the figures of their measurement.

In: a plan and its results. Out: points for the report. They are descriptions of sessions and enter no verdict.
"""

from collections.abc import Iterator, Mapping

from invariance_probe.inference.findings import BandedDamage, ChosenUnit, MessengerPoint
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import Run, RunResult

MODES = ("refit", "fixed")


def messengers(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[MessengerPoint]:
    """Return a point for every session, decoder and budget whose measurement is done."""
    for run in plan.baselines:
        result = results.get(run.key()) if isinstance(run.method, Messengers) else None
        if result is not None and result.status == "done":
            for mode in MODES:
                for budget in run.method.budgets:  # type: ignore[union-attr]
                    yield _point(run, budget, mode, result.diagnostics)


def _point(run: Run, budget: int, mode: str, found: Mapping[str, float]) -> MessengerPoint:
    own = f"b{budget}_{mode}"
    damages = {
        scored: BandedDamage(*(found[f"{own}_{scored}_{name}"] for name in ("chosen", "random", "low", "high")))
        for scored in MODES
    }
    units = [ChosenUnit(int(found[f"{own}_unit@{i + 1}"]), found[f"{own}_frequency@{i + 1}"]) for i in range(budget)]
    return MessengerPoint(
        run.session, run.group, budget, mode, tuple(units), damages["refit"], damages["fixed"], bool(found[f"{own}_accepted"]),
        *(found[f"{own}_{mode}_{name}"] for name in ("gain", "gain_low", "gain_high")),
        *(found[f"{own}_{name}"] for name in ("stability", "stability_low", "stability_high", "jaccard")),
        *(found.get(f"{own}_{name}") for name in ("transfer", "transfer_low", "transfer_high")),
        *(found[f"{mode}_{name}"] for name in ("k50_chosen", "k50_random", "localisation")),
    )  # fmt: skip
