"""Stored encoders are examined as they were trained.

The losses are the same, and nothing changes but what the examination asks to change.
"""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.figures.examined import DetectionFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.stored import Encoders
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.examination import examine
from invariance_probe.results.store import Store
from invariance_probe.study.examinations import ByClass, Corruption, Detection
from invariance_probe.study.probes import Target
from invariance_probe.study.study import Study
from invariance_probe.worker import measure, stored_encoders

DOSES = [{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}]
LINEAR = {"method": {"kind": "linear_ssl", "dimensions": 4}}
CLASSES = {
    "recordings": [
        {
            "kind": "simulated",
            "generator": "switching",
            "process": "states",
            "session": "x",
            "bins": 640,
            "units": 20,
        }
    ],
    "target": {"name": "state", "kind": "categorical"},
}


class Trained:
    """One session of a tiny study with its encoders trained, as the store would have them."""

    def __init__(self, **changes):
        study = Study.model_validate(tiny_study(axes=DOSES, **changes))
        self.plan = Plan(study, find_sessions(study, Path()))
        session = self.plan.sessions[0]
        recording = open_recording(session.source, session.name, Path())
        grid = [
            r
            for r in self.plan.grid
            if r.session == session.name and r.setting == "" and r.method == study.method
        ]
        self.bench = Workbench.of(recording, grid[0], torch.device("cpu"))
        self.measured = MEASURES[study.method.kind](self.bench, grid, lambda steps: None)
        self.weights = {m.run.train_key(): m.weights for m in self.measured}
        self.examined = [r for r in self.plan.examined if r.session == session.name]

    def ask(self, **changes):
        """Examine every encoder of the independent arm with one question."""
        question = changes["examination"]
        runs = [
            EncoderExamination.of(m.run, question)
            for m in self.measured
            if m.run.arm in ("none", "independent")
        ]
        return runs, examine(self.bench, runs, self.weights)

    def corruption(self, dose, kind=Corruption):
        inputs = next(
            r.examination.inputs for r in self.examined if isinstance(r.examination, Corruption)
        )
        return kind(
            inputs=inputs.at("unit_dropout.rate", dose), axis="unit_dropout.rate", dose=dose
        )


@pytest.fixture(scope="module")
def trained():
    return Trained()


@pytest.fixture(scope="module")
def linear():
    return Trained(**LINEAR)


def clean_losses(trained):
    return {m.run.train_key(): m.result.block_losses for m in trained.measured}


@pytest.mark.parametrize("name", ["trained", "linear"])
def test_at_dose_zero_the_losses_are_those_of_the_grid_and_nothing_moves(name, request):
    trained = request.getfixturevalue(name)
    runs, found = trained.ask(examination=trained.corruption(0.0))
    for run, m in zip(runs, found, strict=True):
        assert m.result.block_losses == pytest.approx(
            clean_losses(trained)[run.train_key()], rel=1e-6
        )
        assert m.result.figures.invariance == pytest.approx(1, abs=1e-6)
        assert m.result.figures.invariance_row_space == pytest.approx(1, abs=1e-6)


def test_corrupted_tests_cost_more_the_more_is_lost(trained):
    losses = [
        np.mean([m.result.block_losses for m in trained.ask(examination=trained.corruption(e))[1]])
        for e in (0, 0.2, 0.6)
    ]
    moves = [
        np.mean(
            [m.result.figures.invariance for m in trained.ask(examination=trained.corruption(e))[1]]
        )
        for e in (0, 0.2, 0.6)
    ]
    assert losses[0] < losses[1] < losses[2] and moves[0] > moves[1] > moves[2]


def test_l_of_d_and_e_is_the_clean_probe_on_corrupted_inputs(trained):
    """The same losses by one linear least-squares probe, written out by hand.

    The probe has the chosen penalty, and the views themselves drop the units.
    """
    runs, found = trained.ask(examination=trained.corruption(0.4).model_copy(update={"draws": 1}))
    encoders = Encoders.of(trained.bench, runs, trained.weights)
    run, result = runs[3], found[3].result
    slot = encoders.slots_of([run])[0]
    fold, weights = trained.bench.folds[run.fold], trained.weights[run.train_key()]
    shown = run.model_copy(
        update={
            "views": runs[0].views.at("unit_dropout.rate", 0.4),
            "arm": "independent",
            "axis": "unit_dropout.rate",
        }
    )
    views = trained.bench.views([shown], [encoders.parts[slot]], torch.float32)
    x = (
        views.single(1 << 40, torch.from_numpy(fold.test)[None])
        .flatten(2)[0]
        .numpy()
        .astype(np.float64)
    )
    hidden = np.maximum(x @ weights["weight0"] + weights["bias0"], 0)
    z = hidden @ weights["weight1"] + weights["bias1"]
    fit = encoders.probe
    predicted = z @ fit.coefficients[slot].numpy() + fit.intercepts[slot].numpy()
    target = trained.bench.target.columns().numpy()
    losses = ((predicted - target[fold.test]) ** 2).sum(axis=1) / target.var(axis=0).sum()
    expected = [losses[fold.test_blocks == b].mean() for b in np.unique(fold.test_blocks)]
    assert result.block_losses == pytest.approx(expected, rel=1e-4)


def one_unit(trained, value=1.0):
    """Encoders that read unit 0 alone, or nothing."""
    reading = np.zeros((trained.bench.activity.shape[1], 1), dtype=np.float32)
    reading[0] = value
    return {
        key: {"weight0": reading, "bias0": np.zeros((1, 1), dtype=np.float32)}
        for key in trained.weights
    }


def test_an_encoder_of_one_unit_has_the_s_and_the_detection_of_that_unit(trained):
    """The representation moves only where the unit is dropped.

    There it goes from x to the value of no spikes; strangers are 2 Var apart; elsewhere
    there is a tie.
    """
    run = trained.measured[0].run
    fold = trained.bench.folds[run.fold]
    counts = trained.bench.recording.activity[trained.bench.windows.starts, 0].astype(float)
    tested, sd = counts[fold.test], counts[fold.train].std()
    rate = 0.4
    expected = 1 - rate * ((tested / sd) ** 2).mean() / (2 * (tested / sd).var(ddof=1))
    asked = [
        trained.corruption(rate).model_copy(update={"draws": 400}),
        trained.corruption(rate, Detection).model_copy(update={"draws": 50}),
    ]
    runs = [EncoderExamination.of(run, question) for question in asked]
    moved, told = (m.result.figures for m in examine(trained.bench, runs, one_unit(trained)))
    assert moved.invariance == pytest.approx(expected, abs=0.02)
    assert moved.invariance_row_space == pytest.approx(moved.invariance)
    assert told.detection == pytest.approx(0.5 + rate * (tested > 0).mean() / 2, abs=0.02)


def test_an_encoder_that_ignores_the_dropped_units_cannot_be_told(trained):
    run = EncoderExamination.of(trained.measured[0].run, trained.corruption(0.4, Detection))
    assert examine(trained.bench, [run], one_unit(trained, 0.0))[0].result.figures == (
        DetectionFigures(detection=0.5)
    )


def test_similarity_is_that_of_the_named_encoders(trained):
    found = [
        m
        for m in examine(trained.bench, trained.examined, trained.weights)
        if m.run.examination.kind == "comparison"
    ]
    against = {m.run.reference().train_key() for m in found}
    assert against <= set(trained.weights) and {m.run.reference().axis for m in found} == {""}
    assert {m.run.reference().seed - m.run.seed for m in found if not m.run.axis} == {2}
    assert {m.run.reference().seed - m.run.seed for m in found if m.run.axis} == {0}
    itself = found[0].run.model_copy(
        update={
            "examination": found[0].run.examination.model_copy(update={"seed": found[0].run.seed})
        }
    )
    same = examine(trained.bench, [itself], trained.weights)[0].result.figures
    assert same.cka == pytest.approx(1) and same.shape_distance == pytest.approx(0, abs=1e-6)
    assert all(
        0 < m.result.figures.cka < 1 and 0 < m.result.figures.shape_distance < np.pi / 2
        for m in found
    )


def test_losses_by_class_add_up_to_the_clean_loss():
    trained = Trained(**CLASSES)
    runs, found = trained.ask(examination=ByClass())
    clean = clean_losses(trained)
    for run, m in zip(runs, found, strict=True):
        values = m.result.figures.losses
        blocks = sorted({cell.block for cell in values})
        assert {cell.label for cell in values} == {
            str(label) for label in np.unique(trained.bench.recording.targets["state"])
        }
        for block, loss in zip(blocks, clean[run.train_key()], strict=True):
            cells = [(cell.windows, cell.loss or 0.0) for cell in values if cell.block == block]
            assert sum(n * each for n, each in cells) / sum(n for n, _ in cells) == pytest.approx(
                loss, rel=1e-6
            )
    within = trained.ask(examination=trained.corruption(0.4))[1][0].result.figures
    assert within.invariance_within_class < within.invariance


def test_results_are_the_same_alone_and_together(trained):
    together = {
        m.result.key: m.result for m in examine(trained.bench, trained.examined, trained.weights)
    }
    assert len(together) == len(trained.examined)
    for run in trained.examined[::5]:
        alone = examine(trained.bench, [run], trained.weights)[0].result
        assert alone.block_losses == pytest.approx(together[run.key()].block_losses, abs=1e-9)
        assert asdict(alone.figures) == pytest.approx(asdict(together[run.key()].figures), abs=1e-9)


def test_a_missing_encoder_fails_its_own_examinations_and_no_others(trained):
    gone = next(m.run for m in trained.measured if m.run.axis == "" and m.run.seed == 0)
    rest = {key: weights for key, weights in trained.weights.items() if key != gone.train_key()}
    found = examine(trained.bench, trained.examined, rest)
    failed = [m for m in found if m.result.status == "failed"]
    references = [m.run.reference() for m in failed]
    assert failed and len(failed) < len(found)
    assert all(
        gone.session in m.result.message and "not in the store" in m.result.message for m in failed
    )
    assert all(
        gone.train_key() in (m.run.train_key(), reference.train_key() if reference else "")
        for m, reference in zip(failed, references, strict=True)
    )
    assert {m.result.status for m in examine(trained.bench, trained.examined, {})} == {"failed"}


def test_the_worker_hands_over_what_the_store_has(trained, tmp_path):
    store = Store(tmp_path)
    for m in trained.measured:
        store.commit_encoder(m.run, m.weights, TrainingFigures())
    stored = stored_encoders(store, trained.examined)
    assert set(stored.weights) == {
        m.run.train_key() for m in trained.measured if m.run.arm != "shared"
    }
    direct = examine(trained.bench, trained.examined, trained.weights)
    by_worker = measure(trained.bench, trained.examined, stored=stored)
    assert [replace(m.result, seconds=0.0) for m in by_worker] == [m.result for m in direct]


def test_another_target_trains_nothing_and_gives_what_training_again_gives(trained, tmp_path):
    store = Store(tmp_path)
    for m in trained.measured:
        store.commit_encoder(m.run, m.weights, m.result.figures.training)
    other = Target(name="nuisance", kind="continuous")
    runs = [m.run.model_copy(update={"target": other}) for m in trained.measured]
    bench = Workbench.of(trained.bench.recording, runs[0], torch.device("cpu"))
    again = measure(bench, runs)
    steps = []
    probed = measure(bench, runs, steps.append, stored_encoders(store, runs))
    assert steps == [] and [m.result.block_losses for m in probed] != [
        m.result.block_losses for m in trained.measured
    ]
    assert [replace(m.result, seconds=0.0) for m in probed] == [
        replace(m.result, seconds=0.0) for m in again
    ]


def test_only_what_is_not_stored_is_trained(trained, tmp_path):
    store = Store(tmp_path)
    runs = [m.run for m in trained.measured]
    for m in trained.measured[1:]:
        store.commit_encoder(m.run, m.weights, m.result.figures.training)
    steps = []
    found = measure(trained.bench, runs, steps.append, stored_encoders(store, runs))
    assert sum(steps) == runs[0].steps
    before = {m.result.key: m.result.block_losses for m in trained.measured}
    assert {m.result.key: m.result.block_losses for m in found} == before
