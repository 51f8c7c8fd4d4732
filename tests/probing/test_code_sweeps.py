"""Sweeps over nested sets of units equal refitting each of them by plain linear algebra."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from invariance_probe.data.folds import Fold
from invariance_probe.probing.code.dropping import CurveRequest, drop
from invariance_probe.probing.code.inputs import Inputs
from invariance_probe.probing.code.moments import Moments, System
from invariance_probe.probing.code.penalties import choose_penalties
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
