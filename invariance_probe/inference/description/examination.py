"""What examinations of trained encoders show.

In: the evidence of a study. Out: rows for the report about inputs corrupted at other
doses, about similarity and about single classes. No verdict depends on them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.evidence.points import (
    ClassPoint,
    ExaminedPoint,
    MatrixPoint,
    SimilarityPoint,
)
from invariance_probe.inference.hypotheses.question import Evidence, Question
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.study.examinations import ByClass, Comparison, Corruption, Detection
from invariance_probe.study.hypotheses import Contrast

CEILING = "another seed"
"""What the similarity of two seeds at dose 0 is listed under.

The effect of a dose on similarity is read against it.
"""


def matrix(evidence: Evidence, questions: Sequence[Question]) -> Iterator[MatrixPoint]:
    """Yield the excess loss (L(d, e) - L(0, 0)) / R of every pair of doses.

    There are rows over the sessions of each hypothesis, and one row per session.

    Parameters
    ----------
    evidence
        What all hypotheses of the study draw on.
    questions
        The hypotheses.
    """
    told: dict[MatrixPoint, None] = {}
    for question in questions:
        hypothesis = question.hypothesis
        doses = (
            ()
            if not evidence.plan.study.corrupts(hypothesis.axis)
            else sorted(evidence.plan.study.axis(hypothesis.axis).doses)
        )
        for train, test in ((train, test) for train in doses for test in doses):
            sample = question.over(
                [losses.excess(hypothesis.axis, train, test) for losses in question.losses]
            )
            if not sample.complete:
                continue
            own, clean = (
                (hypothesis.axis, train, test),
                evidence.plan.study.identity(hypothesis.axis),
            )
            # at dose 0 for both, the excess is zero by definition and has no interval
            ends = (None, None) if train == test == clean else sample.interval()
            told[
                MatrixPoint(hypothesis.id, "", hypothesis.group or "", *own, sample.estimate, *ends)
            ] = None
            for name in question.names:
                losses = evidence.losses_on(name, hypothesis.axis)
                effect = losses.excess(hypothesis.axis, train, test)
                if effect.complete:
                    told[
                        MatrixPoint("", name, losses.session.group, *own, effect.ratio, None, None)
                    ] = None
    yield from told


def examined(evidence: Evidence) -> Iterator[ExaminedPoint]:
    """Yield S and the detection of the corruption, per session and pair of doses.

    The doses are that of training and that of the test inputs.
    """
    found: dict[tuple[str, str, str, float, float], dict[str, list[float]]] = {}
    for run, result in _looked(evidence):
        test = run.examination
        if isinstance(test, Corruption | Detection):
            place = (run.session, run.group, test.axis, _dose(evidence, run, test.axis), test.dose)
            _gather(found.setdefault(place, {}), result.diagnostics)
    for place, values in found.items():
        if "invariance" in values:
            within, told = (
                _mean(values[name]) if name in values else None
                for name in ("invariance_within_class", "detection")
            )
            raw, rows = _mean(values["invariance"]), _mean(values["invariance_row_space"])
            yield ExaminedPoint(*place, raw, rows, within, told, _known(values["invariance"]))


def similarity(evidence: Evidence) -> Iterator[SimilarityPoint]:
    """Yield how similar representations at each dose are to those at dose 0.

    Two seeds at dose 0 are compared as well.
    """
    found: dict[tuple[str, str, str, float, str], dict[str, list[float]]] = {}
    for run, result in _looked(evidence):
        if isinstance(run.examination, Comparison):
            against = "dose 0" if run.axis else CEILING
            _gather(
                found.setdefault((run.session, run.group, run.axis, run.dose, against), {}),
                result.diagnostics,
            )
    for place, values in found.items():
        yield SimilarityPoint(
            *place, _mean(values["cka"]), _mean(values["shape_distance"]), _known(values["cka"])
        )


def classes(question: Question) -> Iterator[ClassPoint]:
    """Yield delta at the primary dose for every class of a categorical target.

    It is in units of the range of all classes.
    """
    hypothesis, evidence = question.hypothesis, question.evidence
    if question.plan.study.target.kind != "categorical" or isinstance(hypothesis, Contrast):
        return
    clean = _class_losses(evidence, "", 0.0)
    dosed = _class_losses(evidence, hypothesis.axis, hypothesis.dose)
    for label in dict.fromkeys(label for _, label in clean):
        effects: dict[str, Effect] = {}
        for losses in question.losses:
            place = (losses.session.name, label)
            if place in clean and place in dosed:
                values = losses.blocks.merge(dosed[place] - clean[place])
                effects[losses.session.name] = Effect(values, losses.range_for(values))
        sample = Sample(
            tuple(effects.values()),
            tuple(evidence.sessions[name].subject for name in effects),
            question.judged_at,
        )
        if sample.complete:
            yield ClassPoint(
                hypothesis.id,
                "",
                label,
                hypothesis.dose,
                sample.estimate,
                *sample.interval(),
                len(effects),
            )
            for name, effect in effects.items():
                yield ClassPoint(
                    hypothesis.id, name, label, hypothesis.dose, effect.ratio, None, None, 1
                )


def _class_losses(evidence: Evidence, axis: str, dose: float) -> dict[tuple[str, str], np.ndarray]:
    """Losses (seed, block) by session and class at one dose; NaN without a run.

    A block is weighted by its number of windows of the class. So the mean over blocks
    is the mean over windows, and a block without the class adds nothing.
    """
    study = evidence.plan.study
    shape = (evidence.seeds, study.folds.count * study.folds.blocks_per_fold)
    sums: dict[tuple[str, str], np.ndarray] = {}
    windows: dict[tuple[str, str], np.ndarray] = {}
    for run, result in _looked(evidence):
        if isinstance(run.examination, ByClass) and (run.axis, run.dose) == (axis, dose):
            for label, block, count, loss in _cells(result):
                sums.setdefault((run.session, label), np.full(shape, np.nan))[run.seed, block] = (
                    count * loss
                )
                windows.setdefault((run.session, label), np.zeros(shape[1]))[block] = count
    return {place: total / windows[place].mean() for place, total in sums.items()}


def _cells(result: RunResult) -> Iterator[tuple[str, int, float, float]]:
    """Yield class, block, number of windows of the class, and their mean loss.

    The loss is 0 where the block has no windows of the class.
    """
    for name, count in result.diagnostics.items():
        if name.startswith("class_windows@"):
            _, place = name.split("@", 1)
            label, _, block = place.rpartition("@")
            yield label, int(block), count, result.diagnostics.get(f"class_loss@{place}", 0.0)


def _looked(evidence: Evidence) -> Iterator[tuple[Run, RunResult]]:
    """Yield the examinations of decodable sessions that were measured."""
    for run in evidence.plan.looked:
        result = evidence.results.get(run.key())
        if (
            result is not None
            and result.status != "failed"
            and evidence.sessions[run.session].decodable
        ):
            yield run, result


def _dose(evidence: Evidence, run: Run, axis: str) -> float:
    """Training dose of a run on an axis; the identity if trained without a dose."""
    return run.dose if run.axis else evidence.plan.study.identity(axis)


def _gather(values: dict[str, list[float]], found: Mapping[str, float]) -> None:
    for name, value in found.items():
        values.setdefault(name, []).append(value)


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are defined.

    A representation that does not vary has no S and no similarity.
    """
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _known(values: Sequence[float]) -> int:
    return sum(not math.isnan(value) for value in values)
