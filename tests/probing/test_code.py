"""The finding of the code in known worlds.

How many units suffice and how many are needed, and that every figure is what it says.
"""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from codes import BINS, code_run, common_noise, copies, equal_carriers, figures, mean_of, recording
from conftest import tiny_study

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.plan.figures import read, written
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.blind import Corrupted, blind_losses
from invariance_probe.probing.code.dropping import CurveRequest
from invariance_probe.probing.code.masks import balanced_masks, declared_masks, halves
from invariance_probe.probing.code.measure import _masks
from invariance_probe.probing.code.prepared import PreparedSession
from invariance_probe.probing.code.scored import held_out, measure_parts
from invariance_probe.study.transforms import (
    ProgressiveUnitLoss,
    StratifiedDropout,
    TimeCutout,
    Transform,
    UnitCutout,
    UnitDropout,
)

DROPOUT = ("unit_dropout.rate", 0.4)


@pytest.mark.parametrize(
    ("world", "values", "k_s", "k_n", "redundancy", "c_code"),
    [
        (
            equal_carriers,
            {"carriers": 1, "information": 8},
            (0.22, 0.05),
            (0.79, 0.05),
            (1.0, 0.1),
            (0.42, 0.03),
        ),
        (
            equal_carriers,
            {"carriers": 6, "information": 8},
            (1.0, 0.2),
            (5.0, 0.3),
            (0.95, 0.15),
            (0.15, 0.03),
        ),
        (
            equal_carriers,
            {"carriers": 6, "information": 2},
            (1.5, 0.2),
            (4.2, 0.4),
            (1.0, 0.1),
            (0.24, 0.03),
        ),
        (
            equal_carriers,
            {"carriers": 60, "information": 2},
            (15, 2.5),
            (28, 4),
            (1.0, 0.1),
            (0.21, 0.03),
        ),
        (copies, {}, (0.42, 0.15), (5.5, 0.3), (1.85, 0.15), (0.02, 0.02)),
        (common_noise, {}, (2.6, 0.6), (44, 5), (1.6, 0.1), (0.03, 0.02)),
    ],
)
def test_known_worlds_have_the_figures_that_they_were_designed_with(
    world, values, k_s, k_n, redundancy, c_code
):
    """Means over three sessions, against the design table (science.md 2.1, six sessions)."""
    found = [figures(replace(world(seed, **values), session=f"s{seed}")) for seed in range(3)]
    for name, (expected, within) in {"k_s": k_s, "k_n": k_n, "redundancy": redundancy}.items():
        assert np.mean([getattr(one, name) for one in found]) == pytest.approx(
            expected, abs=within
        ), name
    assert np.mean([one.c_code(*DROPOUT) for one in found]) == pytest.approx(
        c_code[0], abs=c_code[1]
    )
    assert all(one.c_code(*DROPOUT) < one.c_blind(*DROPOUT) for one in found)


def test_the_units_that_carry_a_target_are_named_and_chosen_in_every_fold():
    found = figures(equal_carriers(0, 3, 8))
    assert found.units[:3] == ("u0", "u1", "u2")
    assert found.lost_by[:3] == (8, 8, 8) and sum(found.gained_by) == 8 * int(np.ceil(found.k_s))
    assert sum(found.gained_by[:3]) == sum(found.gained_by)


def test_a_copied_neuron_is_needed_as_often_as_it_is_recorded_and_any_copy_suffices():
    found = figures(copies(1))
    assert found.k_s < 1 and found.lost_by[:6] == (8,) * 6


def test_nothing_is_said_about_units_where_nothing_is_decoded():
    rng = np.random.default_rng(0)
    found = figures(recording(rng.poisson(2.0, (800, 12)), rng.standard_normal(800)))
    assert found.k_s is found.k_n is found.carriers is found.redundancy is None
    assert not found.whole.decodable and found.range < 4 * found.whole.range_se


def test_units_that_are_silent_in_a_training_part_are_not_counted():
    session = equal_carriers(0, 3, 8, units=10)
    counts = session.activity.copy()
    counts[200:, 4] = 0  # spikes in the first block only
    counts[:, 7] = 3
    assert figures(replace(session, activity=counts)).units == (
        "u0",
        "u1",
        "u2",
        "u3",
        "u5",
        "u6",
        "u8",
        "u9",
    )


def test_an_independent_code_loses_what_it_should():
    """Two thirds of 60 equal pure carriers: R2 falls as additive information says."""
    rng = np.random.default_rng(0)
    label = rng.standard_normal(BINS)
    signal = label[:, None] * np.sqrt(4 / 60) + rng.standard_normal((BINS, 60))
    found = figures(recording(signal.astype(np.float32), label, kind="signal"))
    assert found.c_code(*DROPOUT) == pytest.approx(found.independent(0.4), abs=0.02)
    assert found.independent(0.4) == pytest.approx(0.4 / (1 + 0.6 * found.whole.information))


def test_each_fold_is_scored_once_and_results_are_the_same_again():
    session = equal_carriers(3, 6, 2)
    one, again = figures(session), figures(session)
    assert one == again
    assert one.whole.windows == (200,) * 8 and one.whole.folds == tuple(range(8))
    other = figures(replace(session, session="other"))
    assert other.whole.linear == one.whole.linear and other.c_code(*DROPOUT) != one.c_code(*DROPOUT)
    assert read(json.loads(json.dumps(written(one)))) == one


def test_the_table_holds_every_sum_that_the_figures_follow_from():
    found = figures(equal_carriers(3, 6, 2, bins=800), code_run(method={"jackknife": True}))
    rows = list(found.table())

    def total(what, deleted="", name="", step=""):
        return sum(
            r["value"]
            for r in rows
            if (r["what"], r["deleted"], r["name"], r["step"]) == (what, deleted, name, step)
        )

    floor, everything = total("floor"), total("everything")
    name = "unit_dropout.rate=0.4"
    assert (total("masked", name=name) - everything) / (floor - everything) == pytest.approx(
        found.c_code(*DROPOUT)
    )
    assert (total("blind", name=name) - everything) / (floor - everything) == pytest.approx(
        found.c_blind(*DROPOUT)
    )
    r2 = 1 - np.array([total("curve", "3", "gained", step) for step in range(2)]) / total(
        "linear_floor", "3"
    )
    np.testing.assert_allclose(r2 / (1 - r2), found.deleted[3].along("gained")[:2])


@pytest.mark.parametrize("kind", ["continuous", "categorical"])
def test_the_jackknife_is_the_whole_measurement_without_a_block(kind):
    """The jackknife equals a measurement with the block deleted by hand.

    The block's windows are not tested, and neither they nor those under its embargo are
    trained on.
    """
    session = equal_carriers(2, 4, 2, units=9, bins=480)
    if kind == "categorical":
        session = replace(
            session, targets={"label": np.digitize(session.targets["label"], [-0.4, 0.5])}
        )
    study = {"target": {"name": "label", "kind": kind}}
    run = code_run(method={"jackknife": True}, **study)
    found = figures(session, run)
    bench = Workbench.of(session, run, torch.device("cpu"))
    prepared = PreparedSession.of(bench, run, 8)
    rng = np.random.default_rng(0)
    masks = _masks(bench, run.method, run, prepared, rng)
    for deleted in (0, 3):
        kept = set(prepared.folds[deleted].train.tolist())
        folds = tuple(
            replace(fold, train=np.array([w for w in fold.train if w in kept]))
            for number, fold in enumerate(prepared.folds)
            if number != deleted
        )
        moments = type(prepared.moments).of(prepared.inputs.parts, 9, prepared.target, folds)
        by_hand = replace(prepared, folds=folds, moments=moments)
        blind = [
            blind_losses(bench, run, corruption, by_hand) for corruption in run.method.corruptions
        ]
        expected = held_out(
            by_hand, measure_parts(by_hand, 1, masks, CurveRequest()), run.method, blind, None
        )
        known = found.deleted[deleted]
        for name in ("windows", "floor", "everything", "linear"):
            np.testing.assert_allclose(getattr(known, name), getattr(expected, name), rtol=1e-9)
        for name in ("gained", "lost"):
            np.testing.assert_allclose(
                known.curve(name).errors, expected.curve(name).errors, rtol=1e-9
            )
        np.testing.assert_allclose(
            known.corruptions[0].blind, expected.corruptions[0].blind, rtol=1e-9
        )
        assert known.folds == tuple(fold for fold in range(8) if fold != deleted)


@pytest.mark.parametrize("kind", ["categorical", "circular"])
def test_classes_and_circular_targets_are_carried_by_the_units_that_know_them(kind):
    rng = np.random.default_rng(4)
    angle = np.cumsum(0.5 * rng.standard_normal(BINS)) % (2 * np.pi)
    tuned = 6 * np.exp(np.cos(angle[:, None] - np.linspace(0, 2 * np.pi, 5)[:4]) - 1)
    counts = np.hstack([rng.poisson(tuned), rng.poisson(3.0, (BINS, 12))])
    label = (angle // (np.pi / 2)).astype(np.int64) if kind == "categorical" else angle
    found = figures(recording(counts, label), code_run(target={"name": "label", "kind": kind}))
    assert found.loss == ("nats" if kind == "categorical" else "squared error")
    assert found.lost_by[:4] == (8,) * 4 or sum(found.lost_by[:4]) == sum(found.lost_by)
    assert 1.5 < found.carriers < 6 and 0 < found.c_code(*DROPOUT) < found.c_blind(*DROPOUT) < 1
    assert found.whole.everything < found.whole.floor


def test_windows_of_several_bins_lose_a_unit_with_all_its_bins():
    session = equal_carriers(0, 2, 8, units=8)
    label = np.roll(
        session.targets["label"], 2
    )  # told by the first of five bins, whose middle is decoded
    found = figures(replace(session, targets={"label": label}), code_run(window={"length_bins": 5}))
    assert found.length_bins == 5 and found.whole.r2 > 0.5
    assert found.lost_by == (8, 8, 0, 0, 0, 0, 0, 0) and found.carriers == pytest.approx(2, abs=0.4)


def test_noise_leaves_no_inputs_intact_so_that_the_code_loses_what_a_blind_decoder_does():
    axes = {
        "axes": [{"path": "gaussian_noise.sigma", "doses": [0, 0.5, 1]}],
        "views": {"transforms": [{"kind": "gaussian_noise"}]},
    }
    hypothesis = {
        "id": "H",
        "claim": "c",
        "predicts": "sensitive",
        "axis": "gaussian_noise.sigma",
        "dose": 1,
    }
    margin = {"fraction_of_range": 0.1, "because": "smaller losses would not matter"}
    run = code_run(**axes, hypotheses=[{**hypothesis, "margin": margin}])
    found = figures(equal_carriers(0, 30, 8), run)
    low, high = (found.c_blind("gaussian_noise.sigma", dose) for dose in (0.5, 1))
    assert 0 < low < high == found.c_code("gaussian_noise.sigma", 1)
    assert not found.whole.corruptions[0].known_masks
    assert [c.input_change for c in found.whole.corruptions] == pytest.approx([0.25, 1.0], rel=0.02)


def test_balanced_masks_leave_every_unit_out_equally_often():
    rng = np.random.default_rng(0)
    masks = balanced_masks(rng, 60, 31, np.full(60, 0.4))
    assert ((~masks).sum(axis=0) == 24).all() and (~masks).sum(axis=1).std() > 1
    assert set((~balanced_masks(rng, 60, 31, np.full(60, 0.41))).sum(axis=0)) <= {24, 25}
    varied = ~balanced_masks(rng, 60, 31, np.linspace(0, 0.8, 60))
    assert (
        varied.sum(axis=0).mean() == pytest.approx(24, rel=0.05)
        and varied[:10].mean() < 0.2 < varied[-10:].mean()
    )


@pytest.mark.parametrize(
    ("transform", "lost"),
    [
        (UnitDropout(rate=0.4), 0.4),
        (UnitDropout(rate=0.4, rate_draw="uniform"), 0.2),
        (StratifiedDropout(rate=0.4), 0.4),
        (ProgressiveUnitLoss(rate=0.4), 0.2),
        (UnitCutout(fraction=0.4), 0.4),
        (TimeCutout(fraction=0.4), 0.4),
    ],
)
def test_masks_of_every_transform_lose_its_part_and_differ(transform, lost):
    masks = declared_masks(
        transform, code_run(), np.linspace(1, 5, 30), 5, 400, np.random.default_rng(0)
    )
    assert masks.shape == (400, 30, 5) and (~masks).mean() == pytest.approx(lost, abs=0.03)
    assert len(np.unique(masks.reshape(400, -1), axis=0)) >= 4
    whole_units = masks.all(axis=2) | ~masks.any(axis=2)
    assert whole_units.all() != isinstance(transform, TimeCutout)


def test_progressive_loss_has_an_order_of_its_own_in_every_mask():
    masks = declared_masks(
        ProgressiveUnitLoss(rate=0.9), code_run(), np.ones(30), 1, 200, np.random.default_rng(0)
    )[:, :, 0]
    assert (~masks).mean(axis=0) == pytest.approx(np.full(30, 0.45), abs=0.15)


def test_halves_are_complements_of_equal_size():
    split = halves(np.random.default_rng(0), 20, 31)
    assert (split[:, 0] ^ split[:, 1]).all() and (split.sum(axis=2) == [16, 15]).all()
    assert len(np.unique(split[:, 0], axis=0)) == 20


def test_carriers_follow_equal_carriers_between_the_extremes():
    found = {
        m: mean_of(equal_carriers, 2, lambda one: one.carriers, carriers=m, information=2)
        for m in (3, 10, 20)
    }
    assert found[3] == pytest.approx(2.9, abs=0.4)
    assert found[3] < found[10] < found[20]


def test_blocks_are_the_studys_folds_where_these_are_more_and_whole_trials_where_it_says_so():
    session = equal_carriers(0, 3, 8, units=10, bins=960)
    more = figures(session, code_run(folds={"scheme": "blocks", "count": 10, "embargo_s": 0.5}))
    assert len(more.whole.folds) == 10 and sum(more.whole.windows) == 960
    trials = replace(session, trials=np.arange(960) // 30)
    whole_trials = figures(
        trials, code_run(folds={"scheme": "trials", "count": 5, "embargo_s": 0.5})
    )
    assert whole_trials.whole.windows == (120,) * 8  # four trials of 30 bins each
    assert whole_trials.autocorrelation_s <= 3


def test_autocorrelation_is_that_of_the_target_inside_stretches():
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.standard_normal(160), 10)
    session = recording(rng.poisson(2.0 * np.exp(0.5 * slow[:, None]), (1600, 4)), slow)
    assert figures(session).autocorrelation_s == pytest.approx(
        0.7, abs=0.11
    )  # steps of 1 s: 1 - lag falls below 1/e at .7 s
    classes = replace(session, targets={"label": (slow > 0).astype(np.int64)})
    told = figures(classes, code_run(target={"name": "label", "kind": "categorical"}))
    assert told.autocorrelation_s == pytest.approx(0.7, abs=0.21)


CORRUPTIONS = {
    "unit_dropout.rate": ({"value": "mean"}, 0.4, True),
    "stratified_dropout.rate": ({}, 0.4, True),
    "spike_thinning.rate": ({}, 0.4, False),
    "gaussian_noise.sigma": ({}, 0.5, False),
    "gain_modulation.sigma": ({}, 0.5, False),
    "progressive_unit_loss.rate": ({}, 0.6, True),
    "unit_permutation.rate": ({}, 0.4, False),
    "waveform_drift.mix": ({}, 0.4, False),
    "pepper.rate": ({}, 0.2, False),
    "time_cutout.fraction": ({}, 0.4, True),
    "unit_cutout.fraction": ({}, 0.4, True),
    "cutmix.fraction": ({"along": "bins"}, 0.4, False),
}


@pytest.mark.parametrize("path", CORRUPTIONS)
def test_every_corruption_costs_a_blind_decoder_something_and_a_refitted_one_no_more(path):
    options, dose, known = CORRUPTIONS[path]
    hypothesis = {**tiny_study()["hypotheses"][0], "axis": path, "dose": dose}
    study = {
        "views": {"transforms": [{"kind": path.split(".")[0], **options}]},
        "axes": [{"path": path, "doses": [0, dose]}],
        "hypotheses": [hypothesis],
        "window": {"length_bins": 3},
    }
    session = equal_carriers(0, 10, 8, units=12, bins=800)
    found = figures(session, code_run(**study)).whole
    corruption = found.corruption(path, dose)
    assert corruption.known_masks == known and 0.01 < corruption.input_change < 10
    assert 0 < found.c_code(path, dose) <= found.c_blind(path, dose) < 1.1
    assert set(CORRUPTIONS) >= {
        f"{kind}.{field}" for kind in TRANSFORMS for field in [next(iter(_identity(kind)))]
    }


def _identity(kind):
    return next(
        t for t in get_args(get_args(Transform)[0]) if t.model_fields["kind"].default == kind
    ).identity


def test_cutmix_shows_test_windows_no_training_window_of_another_fold():
    """A mixed test window shows levels of the training blocks only.

    One unit marks the blocks by its level.
    """
    path, dose = "cutmix.fraction", 0.9
    hypothesis = {**tiny_study()["hypotheses"][0], "axis": path, "dose": dose}
    run = code_run(
        views={"transforms": [{"kind": "cutmix"}]},
        axes=[{"path": path, "doses": [0, dose]}],
        hypotheses=[hypothesis],
    )
    block = np.arange(800) // 100
    session = recording(
        np.stack([block * 10 + np.arange(800) % 2, block * 10 + np.arange(800) % 3], axis=1),
        block % 3 + 0.1 * block,
    )
    bench = Workbench.of(session, run, torch.device("cpu"))
    prepared = PreparedSession.of(bench, run, 8)
    for fold in (0, 5):
        corrupted = Corrupted.of(bench, run, run.method.corruptions[0], prepared, fold, 4)
        own = prepared.inputs.rows(prepared.folds[fold].test)
        mixed = [x for x, _ in corrupted.parts(prepared.folds[fold].test)]
        for x in mixed:
            changed = np.abs(x - own) > 1e-9
            assert changed.any() and not np.isclose(x[changed][:, None], np.unique(own)).any()
