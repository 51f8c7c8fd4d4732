"""Messenger units: the few units whose removal harms decoding most.

Sets of a given size (the budget) are chosen on half of a session's blocks and scored on
the other half, by a decoder that is fitted again without the units (`refit`) and by one
that is held fixed (`fixed`). The quantities are explained in docs/messengers.md.

In: a plan and the results of its runs. Out: points for the report. They describe
sessions and enter no verdict.
"""

from collections.abc import Iterator, Mapping

from invariance_probe.inference.description.messenger_points import (
    BandedDamage,
    ChosenUnit,
    MessengerPoint,
    SwitchingPoint,
    UnitScore,
)
from invariance_probe.plan.figures.units import (
    MODES,
    Damage,
    Interval,
    MessengerFigures,
    Mode,
    SwitchingTest,
    WorstSet,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.baselines import Messengers


def messengers(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[MessengerPoint]:
    """Yield a point for each session, decoder and budget that was measured.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    """
    for run, found in _measured(plan, results):
        for worst in found.worst:
            yield _point(run, worst, found)


def switching(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[SwitchingPoint]:
    """Yield whether decoders rely on the same units in all epochs of a session.

    There is one point per decoder, for sessions in which this was measured.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    """
    for run, found in _measured(plan, results):
        if (about := found.switching) is None:
            continue
        tests: dict[Mode, SwitchingTest] = {test.mode: test for test in about.tests}
        for mode in MODES:
            test = tests.get(mode)
            yield SwitchingPoint(
                run.session, run.group, mode, about.epochs, about.blocks, about.memory_s,
                *((test.p_value, test.overlap, test.expected) if test else (None, None, None)),
            )  # fmt: skip


def unit_scores(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[UnitScore]:
    """Yield the scores of each single unit of each measured session.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    """
    for run, found in _measured(plan, results):
        for unit, own in enumerate(found.units):
            selected = {f"{w.mode}_b{w.budget}": w.selected[unit] for w in found.worst}
            yield UnitScore(
                run.session,
                run.group,
                unit,
                alone_refit=own.alone_refit,
                alone_fixed=own.alone_fixed,
                weight=own.weight,
                variance=own.variance,
                selected=selected,
            )


def _measured(
    plan: Plan, results: Mapping[str, RunResult]
) -> Iterator[tuple[Run, MessengerFigures]]:
    """Yield the runs that measured messenger units, with their results."""
    for run in plan.baselines:
        result = results.get(run.key()) if isinstance(run.method, Messengers) else None
        found = result.measured(MessengerFigures) if result is not None else None
        if found is not None:
            yield run, found


def _point(run: Run, worst: WorstSet, found: MessengerFigures) -> MessengerPoint:
    """Build the point of one set of units.

    Parameters
    ----------
    run
        The run of the session.
    worst
        The set that one decoder chose at one budget.
    found
        All that was measured in the session.
    """
    own = worst.scored_by(worst.mode)
    moved = found.transfer(worst.mode, worst.budget)
    there, back = _ends(moved.transfer), _ends(moved.transfer_back)
    where = found.localisation(worst.mode)
    return MessengerPoint(
        session=run.session, group=run.group, budget=worst.budget, chosen_with=worst.mode,
        units=tuple(map(ChosenUnit, worst.units, worst.frequencies)), accepted=worst.accepted,
        refit=_banded(worst.refit), fixed=_banded(worst.fixed),
        gain=own.gain, gain_low=own.gain_low, gain_high=own.gain_high,
        stability=worst.stability.estimate,
        stability_low=worst.stability.low, stability_high=worst.stability.high,
        seed_stability=worst.seed_stability.estimate if worst.seed_stability else None,
        jaccard=worst.jaccard,
        transfer=there[0], transfer_low=there[1], transfer_high=there[2],
        transfer_back=back[0], transfer_back_low=back[1], transfer_back_high=back[2],
        k50_chosen=where.chosen, k50_random=where.random, localisation=where.index,
    )  # fmt: skip


def _banded(damage: Damage) -> BandedDamage:
    """Keep the damage with its random band, without the gain and the p value."""
    return BandedDamage(damage.chosen, damage.random, damage.low, damage.high)


def _ends(found: Interval | None) -> tuple[float | None, float | None, float | None]:
    """Return an interval's point estimate, lower end and upper end.

    All three are None if there is no interval.
    """
    return (found.estimate, found.low, found.high) if found else (None, None, None)
