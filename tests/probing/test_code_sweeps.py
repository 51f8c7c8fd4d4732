"""Sweeps over nested sets of units equal refitting each of them by plain linear algebra."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from invariance_probe.data.folds import Fold
from invariance_probe.probing.code import blocks, dropping
from invariance_probe.probing.code.dropping import CurveRequest, drop, drop_further
from invariance_probe.probing.code.inputs import Inputs
from invariance_probe.probing.code.moments import Moments, System
from invariance_probe.probing.code.penalties import choose_penalties, solve
from invariance_probe.probing.code.refitting import Refittable
from invariance_probe.probing.code.sweeping import (
    errors_gained,
    errors_lost,
    features_of,
    greedy,
    in_order,
)
from invariance_probe.probing.decoders.ridge import UNIT

PENALTY, PENALTIES = 0.3, (1e-3, 0.1, 1.0, 10.0)


def blocks_with_embargo(windows, count, embargo):
    """Folds of contiguous blocks with an embargo around each.

    Neighbours of a block within `embargo` windows are in no training part.
    """
    places = np.arange(windows) * count // windows
    folds = []
    for block in range(count):
        test = np.flatnonzero(places == block)
        near = (np.arange(windows) >= test[0] - embargo) & (
            np.arange(windows) <= test[-1] + embargo
        )
        folds.append(Fold(np.flatnonzero(~near), test, places[test]))
    return tuple(folds)


def world(units=7, bins=1, columns=2, windows=400, seed=0, count=8, embargo=5):
    """Inputs with unequal, correlated units, a target of several columns, folds and moments."""
    rng = np.random.default_rng(seed)
    time = windows + bins - 1
    shared = rng.standard_normal((time, 2))
    activity = shared @ rng.standard_normal((2, units)) + rng.standard_normal(
        (time, units)
    ) * np.linspace(0.5, 2, units)
    target = shared[:windows] @ rng.standard_normal((2, columns)) + 0.5 * rng.standard_normal(
        (windows, columns)
    )
    inputs = Inputs(activity, np.arange(windows), bins)
    folds = blocks_with_embargo(windows, count, embargo)
    return inputs, target, folds, Moments.of(inputs.parts, inputs.features, target, folds)


def refitted(inputs, target, train, test, features, penalty=PENALTY):
    """Held-out squared error of scikit-learn's ridge on some features."""
    if not len(features):
        return float(((target[test] - target[train].mean(axis=0)) ** 2).sum())
    x = inputs.rows(np.arange(len(target)))[:, features]
    scaler = StandardScaler().fit(x[train])
    model = Ridge(alpha=UNIT * penalty * len(train), solver="cholesky").fit(
        scaler.transform(x[train]), target[train]
    )
    return float(
        (
            (model.predict(scaler.transform(x[test])).reshape(len(test), -1) - target[test]) ** 2
        ).sum()
    )


def fitted(moments, part):
    system = System.of(moments.training(part), moments.features)
    return system, Refittable(system.ridge(PENALTY), system.right)


def training_windows(folds, part):
    return np.array(sorted(set.intersection(*(set(folds[block].train.tolist()) for block in part))))


@pytest.mark.parametrize(("bins", "columns"), [(1, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize("part", [(2,), (0, 7), (3, 4)])
def test_nested_errors_equal_refitting_every_subset(bins, columns, part):
    inputs, target, folds, moments = world(bins=bins, columns=columns)
    system, decoder = fitted(moments, part)
    train, test = training_windows(folds, part), folds[part[0]].test
    block = system.tested(moments.block(part[0]))
    order = np.array([4, 1, 6, 0, 2, 5, 3])
    gained = errors_gained(in_order(decoder.matrix, decoder.right, order, bins), block)
    lost = errors_lost(
        in_order(decoder.inverse, decoder.weights, order, bins), decoder.weights, block
    )
    for step in range(len(order) + 1):
        first, rest = features_of(order[:step], bins), np.sort(features_of(order[step:], bins))
        assert gained[step] == pytest.approx(refitted(inputs, target, train, test, first), rel=1e-9)
        assert lost[step] == pytest.approx(refitted(inputs, target, train, test, rest), rel=1e-9)


def explained(decoder, features):
    """Explained part of the ridge objective of a refit on some features."""
    own = np.ix_(features, features)
    return float(
        (
            decoder.right[features] * np.linalg.solve(decoder.matrix[own], decoder.right[features])
        ).sum()
    )


@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_greedy_orders_equal_trying_every_unit(bins, seed):
    _, _, _, moments = world(bins=bins, seed=seed)
    _, decoder = fitted(moments, (1,))
    gain = greedy(decoder.matrix, decoder.right, bins, np.inf)
    harm = greedy(decoder.inverse, decoder.weights, bins, np.inf)
    kept, left = [], list(range(7))
    for step in range(7):
        kept.append(
            max(
                set(range(7)) - set(kept),
                key=lambda u: explained(decoder, features_of(np.array([*kept, u]), bins)),
            )
        )
        worst = min(
            left,
            key=lambda u: explained(
                decoder, features_of(np.array([v for v in left if v != u], dtype=int), bins)
            ),
        )
        left.remove(worst)
        assert (gain.order[step], harm.order[step]) == (kept[-1], worst)
    values = [0.0, *(explained(decoder, features_of(gain.order[: i + 1], bins)) for i in range(7))]
    np.testing.assert_allclose(gain.changes, [b - a for a, b in pairwise(values)], atol=1e-12)


@pytest.mark.parametrize("bins", [1, 3])
def test_masks_equal_refitting_what_they_keep(bins):
    inputs, target, folds, moments = world(bins=bins)
    system, decoder = fitted(moments, (5,))
    masks = np.repeat(
        np.random.default_rng(3).random((12, 7)) < np.linspace(0, 1, 12)[:, None], bins, axis=1
    )
    found = system.tested(moments.block(5)).errors(decoder.on(masks))
    expected = [
        refitted(inputs, target, folds[5].train, folds[5].test, np.flatnonzero(mask))
        for mask in masks
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert not masks[0].any() and masks[-1].all()


@pytest.mark.parametrize("left_out", [1, 2])
def test_penalties_are_those_of_leaving_each_other_block_out(left_out):
    inputs, target, folds, moments = world(units=12, windows=160, embargo=3)
    everything = np.arange(12)
    chosen = choose_penalties(moments, left_out, PENALTIES)
    for part in [part for part in chosen if part <= {0, 1, 6}]:
        errors = np.zeros(len(PENALTIES))
        for block in set(range(8)) - part:
            train = training_windows(folds, [*part, block])
            clear = np.array(
                [w for w in folds[block].test if all(w in folds[other].train for other in part)]
            )
            errors += [
                refitted(inputs, target, train, clear, everything, penalty) for penalty in PENALTIES
            ]
        assert chosen[part] == PENALTIES[int(errors.argmin())]
    assert len(chosen) == (8 if left_out == 1 else 28)


def test_losing_copies_in_the_order_of_their_own_r2_is_found_where_greedy_sees_no_harm():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(1600)
    copies = np.repeat(
        signal[:, None] + rng.standard_normal((1600, 1)), 6, axis=1
    ) + 0.05 * rng.standard_normal((1600, 6))
    weak = 0.15 * signal[:, None] + rng.standard_normal((1600, 14))
    inputs = Inputs(np.hstack([copies, weak]), np.arange(1600), 1)
    folds = blocks_with_embargo(1600, 8, 5)
    moments = Moments.of(inputs.parts, 20, signal[:, None], folds)
    system, decoder = fitted(moments, (0,))
    dropped = drop(
        decoder, system.power, 1, [system.tested(moments.block(0))], CurveRequest(every_order=True)
    )
    assert dropped.scored != "lost: most harm now"
    assert set(dropped.lost[:6].tolist()) == set(range(6))
    curves = {
        name: errors[0][6] for name, errors in dropped.errors.items() if name.startswith("lost")
    }
    assert curves["lost"] > 1.2 * curves["lost: most harm now"]


@pytest.mark.parametrize("bins, columns, panel", [(1, 1, 2), (1, 2, 1), (3, 2, 4)])
def test_a_greedy_sweep_that_updates_its_matrix_is_the_same_sweep(bins, columns, panel):
    _, _, _, moments = world(units=12, bins=bins, columns=columns)
    _, decoder = fitted(moments, (1,))
    matrix = decoder.matrix.copy()
    whole = greedy(decoder.matrix, decoder.right, bins, np.inf)
    updated = greedy(decoder.matrix, decoder.right, bins, np.inf, panel=panel)
    assert (whole.order == updated.order).all()
    np.testing.assert_allclose(updated.columns, whole.columns, atol=1e-12)
    np.testing.assert_allclose(updated.loads, whole.loads, atol=1e-12)
    assert (decoder.matrix == matrix).all()


@pytest.mark.parametrize("bins, columns", [(1, 1), (3, 2), (3, 7)])
def test_errors_from_the_weights_of_nested_sets_are_those_from_products_of_rows(bins, columns):
    _, _, _, moments = world(bins=bins, columns=columns)
    system, decoder = fitted(moments, (2,))
    block = system.tested(moments.block(2))
    gain = greedy(decoder.matrix, decoder.right, bins, np.inf).first(5)
    harm = greedy(decoder.inverse, decoder.weights, bins, np.inf)
    np.testing.assert_allclose(
        errors_gained(gain, block, by_weights=True), errors_gained(gain, block), rtol=1e-10
    )
    np.testing.assert_allclose(
        errors_lost(harm, decoder.weights, block, by_weights=True),
        errors_lost(harm, decoder.weights, block),
        rtol=1e-10,
    )


def test_random_orders_run_further_without_the_other_curves(monkeypatch):
    monkeypatch.setattr(dropping, "WHOLE", 5)
    _, _, _, moments = world(units=20)
    system, decoder = fitted(moments, (3,))
    tested = [system.tested(moments.block(3))]
    orders = np.array([np.random.default_rng(0).permutation(20)])
    request = CurveRequest(at_random=orders, every_order=True)
    before = drop(decoder, system.power, 1, tested, request)
    further = replace(request, steps={"random": 20})
    whole = drop(decoder, system.power, 1, tested, further)
    with monkeypatch.context() as patch:
        patch.setattr(dropping, "greedy", None)  # no unit is chosen again
        again = drop_further(decoder, system.power, 1, tested, further, before, ["random"])
    assert len(before.errors["random"][0]) == 19 and len(again.errors["random"][0]) == 21
    assert again.errors.keys() == whole.errors.keys()
    for name, curves in again.errors.items():
        np.testing.assert_array_equal(curves, whole.errors[name])
    gained = drop_further(
        decoder, system.power, 1, tested, replace(request, steps={"gained": 20}), before, ["gained"]
    )
    assert len(gained.errors["gained"][0]) == 21


def test_a_matrix_is_lost_only_to_a_solver_that_may_overwrite_it():
    matrix, right = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([[1.0], [2.0]])
    kept = matrix.copy()
    solved = solve(kept, right)
    assert (kept == matrix).all()
    np.testing.assert_array_equal(solve(kept, right, overwrite=True), solved)
    np.testing.assert_allclose(matrix @ solved, right)


@pytest.mark.parametrize("near", [1.0, 10.0])
@pytest.mark.parametrize("left_out", [1, 2])
def test_penalties_searched_from_one_of_them_are_those_of_a_search_of_all(
    left_out, near, monkeypatch
):
    _, _, _, moments = world(units=30, windows=160, columns=1, seed=3)
    tried, candidates = [], (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    ridge = System.ridge
    monkeypatch.setattr(
        System, "ridge", lambda own, penalty: tried.append(penalty) or ridge(own, penalty)
    )
    everything = choose_penalties(moments, left_out, candidates)
    assert set(tried) == set(candidates)
    tried.clear()
    assert choose_penalties(moments, left_out, candidates, near) == everything
    assert near in tried and len(set(tried)) < len(candidates)


def test_a_search_of_penalties_goes_on_until_the_neighbours_of_every_part_are_worse():
    _, _, _, moments = world(units=30, windows=160, columns=1, seed=3)
    candidates = (100.0, 1e-3, 10.0, 1e-2, 30.0)
    everything = choose_penalties(moments, 1, candidates)
    assert choose_penalties(moments, 1, candidates, 1e-3) == everything
    assert set(everything.values()) <= {10.0, 30.0, 100.0}


def test_moments_of_many_inputs_are_the_same_from_a_file(monkeypatch):
    inputs, target, folds, held = world(bins=3)
    monkeypatch.setattr(blocks, "HELD_VALUES", 100)
    stored = Moments.of(inputs.parts, inputs.features, target, folds)
    kept = np.arange(inputs.features) % 2 == 0
    for one, other in ((held, stored), (held.keeping(kept), stored.keeping(kept))):
        np.testing.assert_array_equal(one.total, other.total)
        np.testing.assert_array_equal(one.training([1, 4]), other.training([1, 4]))
        for block in range(len(folds)):
            np.testing.assert_array_equal(one.block(block, [2]), other.block(block, [2]))
    assert stored.blocks[3] is not stored.blocks[3]
    assert np.shares_memory(held.blocks[3], held.blocks[3])


def test_a_system_that_takes_the_place_of_its_moments_is_the_same():
    _, _, _, moments = world(bins=3)
    kept, lost = moments.training((1,)), moments.training((1,))
    one, other = System.of(kept, moments.features), System.of(lost, moments.features, True)
    assert (kept == moments.training((1,))).all() and np.shares_memory(lost, other.correlation)
    for name in ("mean", "inverse_sd", "target_mean", "correlation", "right"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    ridge = one.ridge(PENALTY)
    np.testing.assert_array_equal(ridge, other.ridge(PENALTY, overwrite=True))
    np.testing.assert_allclose(ridge - one.correlation, np.eye(21) * UNIT * PENALTY, atol=1e-12)
