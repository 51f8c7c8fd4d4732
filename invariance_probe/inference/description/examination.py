"""What examinations of trained encoders show.

An examination is a measurement on an encoder that is already trained and stored. In:
the evidence of a study. Out: rows for the report about encoders tested on corrupted
inputs, about the similarity of representations, and about single classes of the target.
No verdict depends on them.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.evidence.points import (
    ClassPoint,
    ExaminedPoint,
    MatrixPoint,
    SimilarityPoint,
)
from invariance_probe.inference.hypotheses.evidence import Evidence, HypothesisEvidence
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult
from invariance_probe.study.examinations import Corruption, Detection
from invariance_probe.study.hypotheses import Hypothesis

CEILING = "another seed"
"""Label of the comparison of two training seeds, both at dose 0.

The similarity of a dose to dose 0 is read against it.
"""


def matrix(
    evidence: Evidence, by_hypothesis: Sequence[HypothesisEvidence]
) -> Iterator[MatrixPoint]:
    """Yield the excess loss (L(d, e) - L(0, 0)) / R for each pair of doses.

    L(d, e) is the loss of encoders trained at dose d and tested on inputs corrupted at
    dose e. There is one row over the sessions of each hypothesis, and one row per
    session. Hypotheses whose axis does not corrupt inputs have no rows.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    by_hypothesis
        The hypotheses with their evidence.
    """
    told: dict[MatrixPoint, None] = {}
    for own in by_hypothesis:
        hypothesis = own.hypothesis
        doses = (
            ()
            if not evidence.plan.study.corrupts(hypothesis.axis)
            else sorted(evidence.plan.study.axis(hypothesis.axis).doses)
        )
        for train, test in ((train, test) for train in doses for test in doses):
            sample = own.over(
                [losses.excess(hypothesis.axis, train, test) for losses in own.losses]
            )
            if not sample.complete:
                continue
            place, clean = (
                (hypothesis.axis, train, test),
                evidence.plan.study.identity(hypothesis.axis),
            )
            # at dose 0 in training and test the excess is 0 by definition, without an interval
            ends = (None, None) if train == test == clean else sample.interval()
            told[
                MatrixPoint(
                    hypothesis.id, "", hypothesis.group or "", *place, sample.estimate, *ends
                )
            ] = None
            for name in own.names:
                losses = evidence.losses_on(name, hypothesis.axis)
                effect = losses.excess(hypothesis.axis, train, test)
                if effect.complete:
                    told[
                        MatrixPoint(
                            "", name, losses.session.group, *place, effect.ratio, None, None
                        )
                    ] = None
    yield from told


def examined(evidence: Evidence) -> Iterator[ExaminedPoint]:
    """Yield how the encoders of each session respond to corrupted inputs.

    There is one row per session and pair of a training and a test dose. It holds S, the
    invariance of the representation, and how often a classifier detects the corruption.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    moved: dict[tuple[str, str, str, float, float], list[CorruptionFigures]] = {}
    told: dict[tuple[str, str, str, float, float], list[float]] = {}
    for run, result in _examination_results(evidence):
        test = run.examination
        if not isinstance(test, Corruption | Detection):
            continue
        place = (run.session, run.group, test.axis, _dose(evidence, run, test.axis), test.dose)
        if (corrupted := result.measured(CorruptionFigures)) is not None:
            moved.setdefault(place, []).append(corrupted)
        if (detected := result.measured(DetectionFigures)) is not None:
            told.setdefault(place, []).append(detected.detection)
    for place, values in moved.items():
        within = [
            v.invariance_within_class for v in values if v.invariance_within_class is not None
        ]
        raw = [v.invariance for v in values]
        yield ExaminedPoint(
            *place,
            _mean(raw),
            _mean([v.invariance_row_space for v in values]),
            _mean(within) if within else None,
            _mean(told[place]) if place in told else None,
            _known(raw),
        )


def similarity(evidence: Evidence) -> Iterator[SimilarityPoint]:
    """Yield how similar representations at each dose are to those at dose 0.

    For reference, two training seeds are also compared at dose 0.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    found: dict[tuple[str, str, str, float, str], list[SimilarityFigures]] = {}
    for run, result in _examination_results(evidence):
        if (similar := result.measured(SimilarityFigures)) is not None:
            against = "dose 0" if run.axis else CEILING
            place = (run.session, run.group, run.axis, run.dose, against)
            found.setdefault(place, []).append(similar)
    for place, values in found.items():
        cka = [v.cka for v in values]
        yield SimilarityPoint(
            *place, _mean(cka), _mean([v.shape_distance for v in values]), _known(cka)
        )


def classes(own: HypothesisEvidence) -> Iterator[ClassPoint]:
    """Yield delta at the primary dose for each class of a categorical target.

    delta is in units of the range R of all classes. Other targets, and hypotheses that
    are no claims on a dose, have no rows.

    Parameters
    ----------
    own
        One hypothesis with its evidence.
    """
    hypothesis, evidence = own.hypothesis, own.of_study
    if own.plan.study.target.kind != "categorical" or not isinstance(hypothesis, Hypothesis):
        return
    clean = _class_losses(evidence, "", 0.0)
    dosed = _class_losses(evidence, hypothesis.axis, hypothesis.dose)
    for label in dict.fromkeys(label for _, label in clean):
        effects: dict[str, Effect] = {}
        for losses in own.losses:
            place = (losses.session.name, label)
            if place in clean and place in dosed:
                values = losses.blocks.merge(dosed[place] - clean[place])
                effects[losses.session.name] = Effect(values, losses.range_for(values))
        sample = Sample(
            tuple(effects.values()),
            tuple(evidence.sessions[name].subject for name in effects),
            own.judged_at,
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
    """Collect the losses at one dose, by session and class.

    Each loss is weighted by the number of windows of the class in its block, relative
    to the mean of these numbers. The mean over blocks is then the mean over windows,
    and a block without the class adds nothing.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    axis, dose
        Axis and dose of training; the axis is empty at dose 0.

    Returns
    -------
    losses
        (seed, block) weighted losses by (session, class); NaN where no run measured
        them.
    """
    study = evidence.plan.study
    shape = (evidence.seeds, study.folds.count * study.folds.blocks_per_fold)
    sums: dict[tuple[str, str], np.ndarray] = {}
    windows: dict[tuple[str, str], np.ndarray] = {}
    for run, result in _examination_results(evidence):
        by_class = result.measured(ClassFigures)
        if by_class is not None and (run.axis, run.dose) == (axis, dose):
            for cell in by_class.losses:
                place = (run.session, cell.label)
                of_label = sums.setdefault(place, np.full(shape, np.nan))
                of_label[run.seed, cell.block] = cell.windows * (cell.loss or 0.0)
                windows.setdefault(place, np.zeros(shape[1]))[cell.block] = cell.windows
    return {place: total / windows[place].mean() for place, total in sums.items()}


def _examination_results(evidence: Evidence) -> Iterator[tuple[EncoderExamination, RunResult]]:
    """Yield the examinations that have results, in sessions that can be decoded."""
    for run in evidence.plan.encoder_examinations:
        result = evidence.results.get(run.key())
        if (
            result is not None
            and result.status != "failed"
            and evidence.sessions[run.session].decodable
        ):
            yield run, result


def _dose(evidence: Evidence, run: EncoderExamination, axis: str) -> float:
    """Training dose of an encoder on an axis.

    For an encoder that was trained at dose 0, it is the dose that changes nothing.
    """
    return run.dose if run.axis else evidence.plan.study.identity(axis)


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are defined, NaN if none is.

    The invariance S and the similarity of a representation that does not vary are not
    defined.
    """
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _known(values: Sequence[float]) -> int:
    """Number of values that are defined."""
    return sum(not math.isnan(value) for value in values)
