"""Training examples lie in a run's own part and keep their distances.

They do not depend on the run's partners.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.data.windows import Windows
from invariance_probe.errors import TrainingError
from invariance_probe.study import methods as declared
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.examples import EXAMPLES, TrainingWindows, sequence_offsets

BIN_S = 0.1
STEPS = 30
NEAR = {"near_s": 0.8, "far_s": 3.0}
RP, TS = declared.RelativePositioning, declared.TemporalShuffling
METHODS = {
    "cpc": ("sequences", declared.CPC(context_windows=3, horizons=(1, 3))),
    "pbl": ("sequences", declared.PBL(context_windows=2, horizons=(2,), gap_bins=1)),
    "masked": ("sequences", declared.MaskedSequence(sequence_windows=5)),
    "positions": ("positions", RP(**NEAR)),
    "triplets": ("triplets", TS(**NEAR)),
    "signed": ("triplets", TS(**NEAR, signed=True)),
}


def windows_of(length, stride):
    """600 bins in trials of 60 bins, and one trial of 5, into which sequences do not fit."""
    stretches = np.repeat(np.arange(11), [60] * 5 + [5] + [60] * 5)
    starts = np.arange(len(stretches) - length + 1)
    starts = starts[stretches[starts] == stretches[starts + length - 1]]
    starts = starts[(starts - np.searchsorted(stretches, stretches[starts])) % stride == 0]
    return Windows(starts, length, stretches[starts], stride)


def training_windows(length=1, stride=1, keys=(11, 12), batch_size=32, **changes):
    windows = windows_of(length, stride)
    bins = windows.starts
    parts = [np.flatnonzero((bins < 130) | (bins > 260)), np.flatnonzero(bins < 400)][: len(keys)]
    values = {"parts": parts, "batch_size": batch_size, **changes}
    return TrainingWindows(
        windows,
        values.pop("parts"),
        [TimeJitter()] * len(keys),
        BIN_S * stride,
        key_tensor(list(keys), torch.device("cpu")),
        **values,
    )


def drawn(kind, method, found):
    examples = EXAMPLES[kind](method, found)
    return [examples.at(step) for step in range(STEPS)]


def bins_of(found, windows):
    return torch.from_numpy(found.windows.starts)[windows]


def trials_of(found, windows):
    return torch.from_numpy(found.windows.stretch)[windows]


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("name", METHODS)
def test_no_example_leaves_its_runs_own_part(name, length):
    kind, method = METHODS[name]
    if length == 4 and name in ("triplets", "signed"):
        method = method.model_copy(update={"near_s": 1.6})
    found = training_windows(length)
    for example in drawn(kind, method, found):
        for run, part in enumerate(found.parts):
            for rows in (example.first[run], example.second[run]):
                assert np.isin(rows.numpy(), part).all()


@pytest.mark.parametrize("name", METHODS)
def test_examples_do_not_depend_on_the_partners_or_the_slot(name):
    kind, method = METHODS[name]
    together = training_windows()
    alone = training_windows(keys=(12,), parts=together.parts[1:])
    for a, b in zip(drawn(kind, method, together), drawn(kind, method, alone), strict=True):
        assert torch.equal(a.first[1], b.first[0]) and torch.equal(a.second[1], b.second[0])
        assert a.labels is None or torch.equal(a.labels[1], b.labels[0])


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("name", ["cpc", "pbl", "masked"])
def test_sequences_lie_in_one_trial_and_their_windows_share_no_bin(name, length, stride):
    _, method = METHODS[name]
    found = training_windows(length, stride, batch_size=16)
    offsets = torch.tensor(sequence_offsets(method, found.windows))
    for example in drawn("sequences", method, found):
        windows = example.first.unflatten(1, (-1, len(offsets)))
        bins, trials = bins_of(found, windows), trials_of(found, windows)
        assert torch.equal(bins - bins[..., :1], (offsets * stride).expand_as(bins))
        assert (bins.diff(dim=2) >= length).all() and (trials == trials[..., :1]).all()
        assert torch.equal(example.first, example.second)


def of_length(length):
    return Windows(np.arange(9), length, np.zeros(9, dtype=np.int64))


def test_offsets_count_the_gap_and_leave_out_windows_that_nobody_predicts():
    assert sequence_offsets(declared.CPC(context_windows=3, horizons=(1, 4)), of_length(2)) == [
        0,
        2,
        4,
        6,
        12,
    ]
    assert sequence_offsets(
        declared.PBL(context_windows=2, horizons=(2,), gap_bins=3), of_length(1)
    ) == [
        0,
        4,
        12,
    ]
    assert sequence_offsets(
        declared.MaskedSequence(sequence_windows=4, gap_bins=1), of_length(1)
    ) == [
        0,
        2,
        4,
        6,
    ]


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 1), (3, 2)])
def test_near_windows_are_near_in_their_own_trial_and_share_no_bin_and_far_ones_are_far(
    length, stride
):
    found = training_windows(length, stride)
    for example in drawn("positions", RP(**NEAR), found):
        apart = (bins_of(found, example.first) - bins_of(found, example.second)).abs()
        near = example.labels > 0
        assert (near.sum(1) == 16).all() and example.labels.abs().eq(1).all()
        assert (
            (apart[near] <= 8).all() and (apart[near] >= length).all() and (apart[~near] > 30).all()
        )
        assert (trials_of(found, example.first) == trials_of(found, example.second))[near].all()


def test_near_lags_are_drawn_evenly_and_to_both_sides():
    windows = Windows(np.arange(400), 1, np.zeros(400, dtype=np.int64))
    found = TrainingWindows(
        windows, [np.arange(400)], [TimeJitter()], BIN_S, key_tensor([5], torch.device("cpu")), 64
    )
    examples = EXAMPLES["positions"](RP(near_s=0.3, far_s=3), found)
    lags = []
    for step in range(300):
        example = examples.at(step)
        lags.append((example.second - example.first)[example.labels > 0])
    values, counts = torch.cat(lags).unique(return_counts=True)
    assert values.tolist() == [-3, -2, -1, 1, 2, 3]
    np.testing.assert_allclose(counts / counts.sum(), 1 / 6, atol=0.02)


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (3, 1), (2, 2)])
def test_ordered_triplets_are_in_order_and_the_middle_of_shuffled_ones_is_far_from_both_others(
    length, stride
):
    found = training_windows(length, stride)
    method = TS(near_s=1.0, far_s=3.0)
    mirrored = {1: [], -1: []}
    for example in drawn("triplets", method, found):
        bins = bins_of(found, example.first).unflatten(1, (-1, 3))
        trials = trials_of(found, example.first).unflatten(1, (-1, 3))
        first, middle, third = bins.unbind(2)
        ordered = example.labels > 0
        assert (ordered.sum(1) * 2 == ordered.shape[1]).all()
        assert ((third - first).abs() <= 10).all() and (trials[..., 0] == trials[..., 2]).all()
        low, high = torch.minimum(first, third), torch.maximum(first, third)
        assert (middle - low >= length)[ordered].all() and (high - middle >= length)[ordered].all()
        assert ((middle < low - 30) | (middle > high + 30))[~ordered].all()
        for label in (1, -1):
            mirrored[label].append((first > third)[example.labels == label])
    for turned in (
        mirrored.values()
    ):  # as often run backwards whatever the label: nothing tells the direction of time
        assert torch.cat(turned).double().mean().item() == pytest.approx(0.5, abs=0.08)


def test_signed_triplets_run_forwards_or_are_the_same_in_reverse():
    found = training_windows()
    for example in drawn("triplets", TS(**NEAR, signed=True), found):
        steps = bins_of(found, example.first).unflatten(1, (-1, 3)).diff(dim=2)
        assert ((steps * example.labels.unsqueeze(2)) > 0).all()
        assert (example.labels.sum(1) == 0).all()


def test_examples_may_repeat_where_a_part_is_smaller_than_a_batch():
    found = training_windows(keys=(11,), parts=[np.arange(100)], batch_size=256, repeats=True)
    for kind, method in METHODS.values():
        for example in drawn(kind, method, found):
            assert np.isin(example.first.numpy(), found.parts[0]).all()


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("positions", RP(near_s=0.04, far_s=3)),
        ("positions", RP(near_s=0.5, far_s=50)),
        ("triplets", TS(near_s=0.1, far_s=3)),
        ("triplets", TS(near_s=0.5, far_s=50)),
        ("sequences", declared.CPC(context_windows=40, horizons=(30,))),
    ],
    ids=["near too short", "far too long", "no middle", "no far middle", "longer than a trial"],
)
def test_examples_that_do_not_exist_are_an_error_with_its_remedy(kind, method):
    with pytest.raises(TrainingError, match="use "):
        EXAMPLES[kind](method, training_windows())


def test_a_signed_triplet_needs_no_far_window():
    EXAMPLES["triplets"](TS(near_s=0.5, far_s=50, signed=True), training_windows())


def test_every_window_of_a_part_is_an_anchor_once_an_epoch():
    found = training_windows(keys=(11,), parts=[np.arange(60, 120)], batch_size=60)
    method = SimpleNamespace(kind="relative_positioning", near_s=0.5, far_s=1.0)
    assert EXAMPLES["positions"](method, found).at(0).first.sort().values[0].tolist() == list(
        range(60, 120)
    )
