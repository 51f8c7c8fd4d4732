"""The loss of every method when units are removed.

It is repeatable, it concerns one run at a time, and units are chosen as by a plain
search.
"""

import numpy as np
import pytest
import torch
from declared_methods import METHODS
from test_ensemble import bench_and_runs

from invariance_probe.probing.bench.batches import batch_of, examples_of, stacked
from invariance_probe.probing.measurements.trained import FIRST_EVALUATION_DRAW, train_ssl
from invariance_probe.probing.selectors.objective import ObjectiveLoss, forward_path
from invariance_probe.training.checkpoints import Stopped

REFUSED = ("supcon", "y_aware", "swap_vae")
ATTACKED = [method for method in METHODS if method["kind"] not in REFUSED]


def loss_of(bench, runs, batches=3):
    method, views, _ = train_ssl(bench, runs, lambda steps: None)
    each = [
        examples_of(bench, run, method.examples, bench.folds[run.fold].test, 64, repeats=True)
        for run in runs
    ]
    steps = range(FIRST_EVALUATION_DRAW, FIRST_EVALUATION_DRAW + batches)
    made = [
        batch_of(
            runs[0].method, views, bench.timeline, stacked([one.at(step) for one in each]), step
        )
        for step in steps
    ]
    return ObjectiveLoss(method, made)


@pytest.mark.parametrize("method", ATTACKED, ids=lambda m: m["kind"])
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
        expected = (
            trained.method.loss(type(batch)(**{**vars(batch), "views": views})).double().numpy()
        )
    assert np.array_equal(one.without(removed), expected)
    assert np.array_equal(one.of_sets(np.array([[[3], [4]], [[5], [4]]]))[:, 0], expected)


def test_without_any_unit_contrast_knows_nothing(trained):
    rows = trained.batches[0].views.shape[1]
    everything = np.ones(trained.shape, dtype=bool)
    assert trained.without(everything) == pytest.approx(np.log(rows - 1), abs=1e-4)
    assert trained.nothing() == pytest.approx(
        trained.without(everything) - trained.without(~everything)
    )


def test_the_range_is_what_a_trained_model_makes_of_rows_that_belong_together(trained):
    """The loss is shown each window once in each view, never twice in a row.

    A stand-in for the method records what the loss is shown: no row has one window in
    both of its views.
    """
    shown = []

    class Watching:
        def loss(self, batch):
            shown.append(batch)
            return batch.views.new_zeros(len(batch.views))

    batch = trained.batches[0]
    views = (
        batch.windows[:, :, None, None].expand(-1, -1, 1, 3).float()
    )  # every row shows its window's number
    numbered = type(batch)(
        **{
            **vars(batch),
            "views": views,
            "windows": torch.arange(batch.windows.shape[1]).expand_as(batch.windows),
        }
    )
    ObjectiveLoss(Watching(), [numbered]).range()
    other, plain = shown
    half = views.shape[1] // 2
    assert torch.equal(plain.views, numbered.views)
    for part in (slice(0, half), slice(half, None)):
        assert torch.equal(other.windows[:, part].sort(1).values, numbered.windows[:, part])
    assert (other.windows[:, :half] + half != other.windows[:, half:]).all()
    assert torch.equal(other.views, views[:, other.windows[0]]), "windows go with what is shown"


def test_the_path_of_a_diverged_model_holds_no_unit_twice(trained):
    views = trained.batches[0].views.clone()
    views[0] = torch.nan
    broken = ObjectiveLoss(
        trained.method, [type(trained.batches[0])(**{**vars(trained.batches[0]), "views": views})]
    )
    path = forward_path(broken, 8, screening=1, finalists=4)
    assert [len(set(own)) for own in path.tolist()] == [8, 8]
    assert (
        path[1].tolist()
        == forward_path(ObjectiveLoss(trained.method, trained.batches[:1]), 8, 1, 4)[1].tolist()
    )


def test_a_process_that_should_end_does_so_before_the_next_loss(trained):
    with pytest.raises(Stopped):
        ObjectiveLoss(trained.method, trained.batches, lambda: True).without(
            np.zeros(trained.shape, dtype=bool)
        )


def test_the_path_takes_the_most_harmful_unit_of_all_that_are_left(trained):
    runs, units = trained.shape
    path = forward_path(
        trained, 3, screening=3, finalists=5
    )  # on all batches, so that screening loses nobody
    for run in range(runs):
        assert len(set(path[run])) == 3
        for step in range(3):
            losses = np.full(units, -np.inf)
            for unit in set(range(units)) - set(path[run, :step]):
                removed = np.zeros((runs, units), dtype=bool)
                removed[run, [*path[run, :step], unit]] = True
                losses[unit] = trained.without(removed)[run]
            assert losses.argmax() == path[run, step]
