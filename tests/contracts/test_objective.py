"""The loss of every method when units are removed: repeatable, of one run at a time, and chosen as a plain search would."""

import numpy as np
import pytest
import torch
from declared_methods import METHODS
from test_ensemble import bench_and_runs

from invariance_probe.probing.adversaries.objective import ObjectiveLoss, forward_path
from invariance_probe.probing.batches import asked_of
from invariance_probe.probing.trained import EVALUATION_STEP, train_ssl

LABELLED = ("supcon", "y_aware")
UNLABELLED = [method for method in METHODS if method["kind"] not in LABELLED]


def loss_of(bench, runs, batches=3):
    method, views, _ = train_ssl(bench, runs, lambda steps: None)
    tests = [bench.folds[run.fold].test for run in runs]
    there, made = asked_of(bench, runs, method, views, tests, range(EVALUATION_STEP, EVALUATION_STEP + batches))
    assert all(there)
    return ObjectiveLoss(method, list(made))


@pytest.mark.parametrize("method", UNLABELLED, ids=lambda m: m["kind"])
def test_losses_without_units_are_repeatable_and_do_not_depend_on_partners(method):
    bench, runs, _ = bench_and_runs(method, "float32", steps=5)
    together, alone = loss_of(bench, runs[:3]), loss_of(bench, runs[2:3])
    removed = np.random.default_rng(0).random(together.shape) < 0.3
    first = together.without(removed)
    assert np.isfinite(first).all() and len(set(first)) == 3
    assert np.array_equal(together.without(removed), first)
    assert alone.without(removed[2:])[0] == first[2]
    assert together.without(np.zeros_like(removed))[0] != first[0]


@pytest.fixture(scope="module")
def trained():
    bench, runs, _ = bench_and_runs(METHODS[0], "float32", steps=20)
    return loss_of(bench, runs[:2])


def test_a_removed_unit_is_zero_in_both_views(trained):
    batch = trained.batches[0]
    views = batch.views.clone()
    views[0, :, :, 3] = 0
    views[1, :, :, 5] = 0
    removed = np.zeros(trained.shape, dtype=bool)
    removed[0, 3] = removed[1, 5] = True
    one = ObjectiveLoss(trained.method, [batch])
    with torch.no_grad():
        expected = trained.method.loss(type(batch)(**{**vars(batch), "views": views})).double().numpy()
    assert np.array_equal(one.without(removed), expected)
    assert np.array_equal(one.of_sets(np.array([[[3], [4]], [[5], [4]]]))[:, 0], expected)


def test_without_any_unit_contrast_knows_nothing(trained):
    rows = trained.batches[0].views.shape[1]
    everything = np.ones(trained.shape, dtype=bool)
    assert trained.without(everything) == pytest.approx(np.log(rows - 1), abs=1e-4)
    assert trained.range() == pytest.approx(trained.without(everything) - trained.without(~everything))


def test_the_path_takes_the_most_harmful_unit_of_all_that_are_left(trained):
    runs, units = trained.shape
    path = forward_path(trained, 3, screening=1, finalists=units)  # so that screening leaves nothing out
    for run in range(runs):
        assert len(set(path[run])) == 3
        for step in range(3):
            losses = np.full(units, -np.inf)
            for unit in set(range(units)) - set(path[run, :step]):
                removed = np.zeros((runs, units), dtype=bool)
                removed[run, [*path[run, :step], unit]] = True
                losses[unit] = trained.without(removed)[run]
            assert losses.argmax() == path[run, step]
