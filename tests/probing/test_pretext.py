"""What a method's own task is worth on test windows, whatever runs are measured beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.pretext import _test_examples, pretext_accuracy
from invariance_probe.probing.measurements.trained import FIRST_EVALUATION_DRAW, train_ssl
from invariance_probe.study.study import Study

ENCODER = {"kind": "mlp", "widths": [16, 8]}
TASKS = [
    {"kind": "relative_positioning", "encoder": ENCODER},
    {"kind": "temporal_shuffling", "encoder": ENCODER},
    {"kind": "cpc", "encoder": ENCODER},
    {"kind": "masked_sequence", "encoder": ENCODER},
]


def bench_and_runs(method):
    study = Study.model_validate(tiny_study(method=method))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        r
        for r in plan.grid
        if r.session == session.name
        and r.method == study.method
        and r.setting == ""
        and r.fraction == 1
    ]
    recording = open_recording(session.source, session.name, Path())
    return Workbench.of(recording, runs[0], torch.device("cpu")), runs


@pytest.mark.parametrize("method", TASKS, ids=lambda m: m["kind"])
def test_the_accuracy_is_stored_and_is_the_same_alone_and_together(method):
    bench, runs = bench_and_runs(method)
    measure = MEASURES[method["kind"]]
    together = measure(bench, runs[:4], lambda steps: None)
    alone = measure(bench, runs[2:3], lambda steps: None)[0]
    accuracy = alone.result.figures.training.pretext_accuracy
    assert 0 < accuracy < 1 and accuracy == together[2].result.figures.training.pretext_accuracy


def test_questions_are_about_test_windows_only():
    bench, runs = bench_and_runs(TASKS[0])
    example = _test_examples(bench, runs[0], "positions").at(FIRST_EVALUATION_DRAW)
    assert np.isin(
        torch.cat([example.first, example.second]).numpy(), bench.folds[runs[0].fold].test
    ).all()


def test_a_run_whose_test_part_is_too_short_has_no_accuracy_and_the_others_keep_theirs():
    bench, runs = bench_and_runs(TASKS[0])
    chosen = [next(r for r in runs if r.fold == fold) for fold in (0, 1)]
    method, views, _ = train_ssl(bench, chosen, lambda steps: None)
    before = pretext_accuracy(bench, chosen, method, views, FIRST_EVALUATION_DRAW)
    cut = bench.folds[0]
    short = replace(
        bench,
        folds=(replace(cut, test=cut.test[:10], test_blocks=cut.test_blocks[:10]), bench.folds[1]),
    )
    after = pretext_accuracy(short, chosen, method, views, FIRST_EVALUATION_DRAW)
    assert before.isfinite().all() and after[0].isnan() and after[1] == before[1]


def test_a_method_without_right_answers_has_none():
    bench, runs = bench_and_runs({"kind": "simclr", "encoder": ENCODER, "projector": [8, 8]})
    [found] = MEASURES["simclr"](bench, runs[:1], lambda steps: None)
    assert found.result.figures.training.pretext_accuracy is None
