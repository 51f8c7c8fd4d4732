"""Distant pairs stay in the training part and keep their gap.

Between arms they differ in the partner alone, and at share 0 they vanish.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.augmentations import mining
from invariance_probe.augmentations.mining import (
    Distant,
    SearchInputs,
    distant_partners,
    nearest_table,
)
from invariance_probe.augmentations.pairing import StackedDistant
from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import TrainingError
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import train_key_of
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.pairing import SOURCES, MinedPairing
from invariance_probe.study.study import Study
from invariance_probe.training.examples import EXAMPLES, TrainingWindows

WORLD = {
    "kind": "simulated",
    "generator": "recurring",
    "session": "bouts",
    "units": 24,
    "bins": 700,
    "behaviours": 3,
    "bout_s": 2.0,
}
PAIRING = {"kind": "mined", "window_s": 0.3, "gap_s": 5.0, "neighbours": 3, "nuisance": "drift"}
CONTRAST = {
    "kind": "contrast",
    "id": "M",
    "claim": "states recur",
    "axis": "mined.share",
    "dose": 0.5,
}
STUDY = {
    "recordings": [{**WORLD, "sessions": 1}],
    "target": {"name": "behaviour", "kind": "categorical"},
    "views": {"pairing": PAIRING},
    "axes": [{"path": "mined.share", "doses": [0, 0.5, 0.9]}],
    "hypotheses": [CONTRAST],
}
STEPS = 25


def opened(**changes):
    study = Study.model_validate(tiny_study(**{**STUDY, **changes}))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        run
        for run in plan.grid
        if run.method.kind == "simclr" and (run.fold, run.seed, run.setting) == (0, 0, "")
    ]
    return Workbench.of(
        open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
    ), runs


def examples_of(bench, runs):
    parts = [bench.train_windows(run) for run in runs]
    keys = key_tensor(bench.keys("order", runs), bench.device)
    distant = [bench.distant(run, part) for run, part in zip(runs, parts, strict=True)]
    jitters = [run.views.jitter for run in runs]
    found = EXAMPLES["pairs"](
        None, TrainingWindows(bench.windows, parts, jitters, 0.1, keys, 64, distant=distant)
    )
    return [found.at(step) for step in range(STEPS)]


def arm(runs, name, dose=0.5):
    return next(run for run in runs if (run.arm, run.dose) == (name, dose))


@pytest.mark.parametrize(
    "target", [{"name": "behaviour", "kind": "categorical"}, {"name": "drift"}]
)
@pytest.mark.parametrize("source", SOURCES)
def test_distant_pairs_lie_in_the_training_part_and_keep_the_gap(source, target):
    bench, runs = opened(target=target)
    run = arm(runs, source)
    train = bench.train_windows(run)
    first, second = bench.distant(run, train).pairs(train)
    assert (
        len(first) > 0.9 * 3 * len(train)
        and np.isin(first, train).all()
        and np.isin(second, train).all()
    )
    assert (np.abs(first - second) * 0.1 >= 5.0 - 1e-9).all()
    assert not np.isin(second, bench.folds[0].test).any()


def test_a_share_of_the_pairs_is_distant_and_the_others_are_local():
    bench, runs = opened()
    for dose in (0.5, 0.9):
        apart = torch.cat(
            [
                (x.first - x.second).abs().flatten()
                for x in examples_of(bench, [arm(runs, "mined", dose)])
            ]
        )
        assert ((apart <= 3) | (apart >= 50)).all()
        assert (apart >= 50).double().mean().item() == pytest.approx(
            dose, abs=4 * (0.25 / len(apart)) ** 0.5
        )


def test_at_share_0_pairs_are_those_of_a_time_jitter_to_the_bit_beside_whatever_runs():
    bench, runs = opened()
    local = runs[0]
    jitter = local.model_copy(
        update={"views": local.views.model_copy(update={"pairing": local.views.jitter})}
    )
    alone, beside = (
        examples_of(bench, [jitter]),
        examples_of(bench, [local, arm(runs, "mined"), arm(runs, "oracle", 0.9)]),
    )
    for a, b in zip(alone, beside, strict=True):
        assert torch.equal(a.first[0], b.first[0]) and torch.equal(a.second[0], b.second[0])


def test_arms_differ_in_the_distant_partner_alone():
    bench, runs = opened()
    drawn = {name: examples_of(bench, [arm(runs, name)]) for name in SOURCES}
    for name in SOURCES[1:]:
        for own, other in zip(drawn["mined"], drawn[name], strict=True):
            assert torch.equal(own.first, other.first)
            apart, others = (own.first - own.second).abs(), (other.first - other.second).abs()
            assert torch.equal(apart >= 50, others >= 50) and torch.equal(
                own.second[apart < 50], other.second[apart < 50]
            )
        assert any(
            not torch.equal(a.second, b.second)
            for a, b in zip(drawn["mined"], drawn[name], strict=True)
        )


def test_pairs_that_are_distant_at_a_share_are_distant_at_a_larger_one():
    bench, runs = opened()
    for low, high in zip(
        *(examples_of(bench, [arm(runs, "mined", dose)]) for dose in (0.5, 0.9)), strict=True
    ):
        far = (low.first - low.second).abs() >= 50
        assert torch.equal(low.second[far], high.second[far])


def test_partners_do_not_depend_on_the_other_runs_of_a_stack():
    bench, runs = opened()
    stack = [runs[0], arm(runs, "random", 0.9), arm(runs, "shifted")]
    together = examples_of(bench, stack)
    for i, run in enumerate(stack):
        for a, b in zip(together, examples_of(bench, [run]), strict=True):
            assert torch.equal(a.second[i], b.second[0])


def test_an_encoder_serves_other_targets_but_for_the_oracles():
    _, runs = opened()
    for name in SOURCES:
        own = arm(runs, name)
        other = own.model_copy(
            update={"target": own.target.model_copy(update={"name": "drift", "kind": "continuous"})}
        )
        assert (own.train_key() == other.train_key()) == (
            name != "oracle"
        ) and own.key() != other.key()
        assert train_key_of(own.specification()) == own.train_key()


def test_every_arm_and_share_has_a_key_of_its_own():
    _, runs = opened()
    assert len({run.train_key() for run in runs}) == len(runs) == 9


def search_inputs(target, count=400, gap=5.0):
    gen = np.random.default_rng(0)
    train = np.arange(count)
    return SearchInputs(
        train,
        np.zeros(count, int),
        gen.poisson(2.0, (count, 6)),
        True,
        train * 0.1,
        target,
        0.1,
        gap,
    )


def test_mined_partners_know_nothing_of_the_target():
    declared = MinedPairing(share=0.5, gap_s=5.0)
    gen = np.random.default_rng(1)
    tables = []
    for target in (gen.integers(0, 2, 400), np.zeros(400, int), gen.standard_normal((400, 1))):
        place = search_inputs(target)
        found = [
            distant_partners(
                declared, s, place, nearest_table(declared, place), np.random.default_rng(3)
            )
            for s in SOURCES[:3]
        ]
        tables.append([one.partners for one in found])
    assert all(
        np.array_equal(a, b) for other in tables[1:] for a, b in zip(tables[0], other, strict=True)
    )


def test_shifted_partners_are_those_mined_for_the_window_one_shift_away():
    declared, place = (
        MinedPairing(share=0.5, gap_s=1.0, neighbours=2, smoothing_s=0.0),
        search_inputs(np.zeros(1000, int), 1000, 1.0),
    )
    mined = nearest_table(declared, place)
    moved = distant_partners(declared, "shifted", place, mined, np.random.default_rng(3)).partners

    def served(shift):
        source = np.roll(mined, shift, axis=0)
        return np.mean(
            [set(own[own >= 0]) <= set(other) for own, other in zip(moved, source, strict=True)]
        )

    by_shift = np.array([served(shift) for shift in range(1000)])
    assert by_shift.max() > 0.9 and np.sort(by_shift)[-2] < 0.1 and 10 <= by_shift.argmax() <= 990


def test_neighbours_of_everybody_are_purer_than_random_pairs_and_no_purer_than_shifted_ones():
    """Windows near the mean are neighbours of all, and share a common class.

    They have the commonest class, but anchor and partner share nothing.
    """
    rng = np.random.default_rng(5)
    classes = (rng.random(1500) > 0.7).astype(int)
    strength = np.where(classes == 0, rng.choice([0.1, 1.0], 1500, p=[0.2, 0.8]), 1.0)
    own = SearchInputs(
        np.arange(1500),
        np.zeros(1500, int),
        strength[:, None] * rng.standard_normal((1500, 60)),
        False,
        np.arange(1500) * 0.1,
        classes,
        0.1,
        5.0,
    )
    declared = MinedPairing(share=0.5, gap_s=5.0, smoothing_s=0.0, components=60)
    mined, purity = nearest_table(declared, own), {}
    for source in ("mined", "random", "shifted"):
        first, second = distant_partners(
            declared, source, own, mined, np.random.default_rng(3)
        ).pairs(own.train)
        purity[source] = (classes[first] == classes[second]).mean()
    assert (
        purity["mined"] > purity["random"] + 0.08
        and abs(purity["mined"] - purity["shifted"]) < 0.03
    )


def test_oracle_partners_are_of_the_anchors_class_or_nearest_in_the_target():
    declared = MinedPairing(share=0.5, gap_s=5.0)
    classes = np.random.default_rng(1).integers(0, 2, 400)
    found = distant_partners(
        declared,
        "oracle",
        search_inputs(classes),
        nearest_table(declared, search_inputs(classes)),
        np.random.default_rng(3),
    )
    first, second = found.pairs(np.arange(400))
    assert (classes[first] == classes[second]).all()
    values = np.random.default_rng(1).standard_normal((400, 1))
    found = distant_partners(
        declared,
        "oracle",
        search_inputs(values),
        nearest_table(declared, search_inputs(values)),
        np.random.default_rng(3),
    )
    first, second = found.pairs(np.arange(400))
    assert np.abs(values[first] - values[second]).mean() < 0.1 * values.std()


@pytest.mark.parametrize("slow", [False, True])
def test_a_tree_finds_the_neighbours_that_all_distances_find(monkeypatch, slow):
    rng, times = np.random.default_rng(2), np.arange(1500) * 0.1
    features = rng.standard_normal((1500, 4))
    if slow:  # most neighbours lie within the gap
        features = np.cumsum(features, axis=0)
    found = []
    for many in (20_000, 1000):
        monkeypatch.setattr(mining, "MANY", many)
        pairs = mining.nearest_pairs(features, times, 5.0, 3)
        found.append(sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)))
    assert found[0] == found[1] and len(found[0]) == 4500


def test_an_oracle_that_finds_no_two_windows_of_a_class_a_gap_apart_stops_nothing():
    declared, classes = (
        MinedPairing(share=0.5, gap_s=10.0),
        np.arange(400) // 50,
    )  # a class lasts 5 s, and never comes back
    place = search_inputs(classes, gap=10.0)
    mined = nearest_table(declared, place)
    found = {
        source: distant_partners(declared, source, place, mined, np.random.default_rng(3))
        for source in ("mined", "oracle")
    }
    assert (found["mined"].count > 0).any() and not found["oracle"].count.any()


def test_a_gap_that_leaves_no_partner_is_refused():
    declared = MinedPairing(share=0.5, gap_s=60.0)
    with pytest.raises(TrainingError, match="se a shorter gap"):
        nearest_table(declared, search_inputs(np.zeros(400, int), gap=60.0))


def test_an_anchor_without_partners_keeps_its_local_one():
    found = Distant(np.array([[7, 8], [-1, -1], [9, -1]]), np.array([2, 0, 1]), 1.0)
    stacked = StackedDistant.of([found, None], 4, torch.device("cpu"))
    places = torch.tensor([[0, 0, 1, 2], [3, 2, 1, 0]])
    local = torch.tensor([[40, 41, 42, 43], [50, 51, 52, 53]])
    numbers = torch.tensor(
        [[0.1, 0.2], [0.1, 0.9], [0.1, 0.2], [0.9, 0.9]], dtype=torch.float64
    ).expand(2, -1, -1)
    assert stacked.instead_of(local, places, numbers).tolist() == [[7, 8, 42, 9], [50, 51, 52, 53]]


def test_runs_say_how_pure_their_pairs_are_and_how_far_apart_in_the_nuisance():
    bench, runs = opened()
    stack = [runs[0], *(arm(runs, name) for name in SOURCES)]
    found = [m.result.figures.distant for m in MEASURES["simclr"](bench, stack, lambda steps: None)]
    assert found[0] is None
    mined, random, _, oracle = found[1:]
    assert oracle.agreement == 1 and mined.agreement > random.agreement + 0.1
    assert all(
        own.share == pytest.approx(0.5, abs=0.02) and own.distance_s >= 5 for own in found[1:]
    )
    train, target = bench.train_windows(runs[0]), bench.target.values.numpy()
    first, second = bench.distant(stack[1], train).pairs(train)
    drift = bench.recording.targets["drift"].reshape(len(target), -1)
    apart = ((drift[first] - drift[second]) ** 2).sum(1).mean() / (
        2 * drift[train].var(axis=0).sum()
    )
    assert mined.nuisance_distance == pytest.approx(apart)
    assert mined.agreement == pytest.approx((target[first] == target[second]).mean())
    assert mined.agreement_expected == pytest.approx(
        (target[first][:, None] == target[second]).mean()
    )
    unrelated = ((drift[first][:, None] - drift[second]) ** 2).sum(2).mean() / (
        2 * drift[train].var(axis=0).sum()
    )
    assert mined.nuisance_distance_expected == pytest.approx(unrelated)


def test_a_run_of_mined_pairs_is_the_same_to_the_bit_alone_and_in_a_stack():
    bench, runs = opened()
    stack = [arm(runs, "mined"), runs[0], arm(runs, "oracle", 0.9)]
    (alone,) = MEASURES["simclr"](bench, stack[:1], lambda steps: None)
    together = MEASURES["simclr"](bench, stack, lambda steps: None)[0]
    assert alone.result == together.result
    assert all(
        np.array_equal(alone.weights[name], together.weights[name]) for name in alone.weights
    )
