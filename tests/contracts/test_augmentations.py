"""The contract that every augmentation keeps.

Dose 0 changes nothing, draws are pure, and what is declared as preserved is preserved.
"""

from typing import get_args

import numpy as np
import pytest
import torch
from declared_transforms import DECLARED, FIELD

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.blocks import MixWindows, block_mask
from invariance_probe.augmentations.pairing import StackedPartners, find_partners
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import SPLIT, CountHalves
from invariance_probe.study.transforms import (
    GainModulation,
    Pepper,
    ProgressiveUnitLoss,
    Property,
    StratifiedDropout,
    UnitDropout,
    UnitPermutation,
)
from invariance_probe.study.views import TimeJitter

READS_COUNTS = {"spike_thinning", "waveform_drift"}
"""Those whose draws are about single spikes."""
CPU = torch.device("cpu")
RATES = torch.arange(12.0).repeat(3, 1)


def counts(shape=(3, 16, 2, 12), mean=4.0):
    return torch.poisson(torch.full(shape, mean), generator=torch.Generator().manual_seed(0)).to(
        torch.int16
    )


def draws(runs=3, batch=16, view=0, shared=False):
    rows = (
        torch.zeros(runs, batch, dtype=torch.int64)
        if shared
        else torch.arange(batch).expand(runs, batch)
    )
    return Draws(key_tensor([11, 12, 13][:runs], CPU), 5, torch.full((runs,), view), rows)


def built(kind, doses):
    return TRANSFORMS[kind].of(
        [DECLARED[kind](**{FIELD[kind]: dose}) for dose in doses], RATES[: len(doses)]
    )


def corrupted(made, windows, address):
    """Draw and apply; cutmix's other windows are rows of the same batch."""
    draw = made.draw(address, windows.shape[2:])
    if isinstance(made, MixWindows):
        block, number = draw
        rows = (number * windows.shape[1]).to(torch.int64)
        at = rows.expand(windows.shape[:2])[..., None, None].expand(windows.shape)
        draw = block, windows.gather(1, at)
    return made.apply(windows, draw)


def test_every_declared_transform_has_an_implementation():
    assert TRANSFORMS.keys() == DECLARED.keys()


def test_no_two_transforms_read_the_same_random_bits():
    purposes = [SPLIT, *(implementation.PURPOSE for implementation in TRANSFORMS.values())]
    assert (
        len(set(purposes)) == len(purposes) and max(purposes) < 100
    )  # 100 and more are second purposes


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_dose_zero_is_bit_exact_and_the_input_is_untouched(kind):
    windows = counts() if kind in READS_COUNTS else counts().float()
    before = windows.clone()
    made = built(kind, [0.0, 0.3, 0.6])
    out = corrupted(made, windows, draws())
    assert torch.equal(out[0], windows[0]) and torch.equal(windows, before)
    assert not torch.equal(out[1], windows[1])
    assert out.shape == windows.shape and out.dtype == windows.dtype


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_the_same_draw_gives_the_same_view_and_another_view_another(kind):
    windows = counts() if kind in READS_COUNTS else counts().float()
    made = built(kind, [0.3, 0.3, 0.3])
    first, again, other = (corrupted(made, windows, draws(view=view)) for view in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def keeps(kind, windows, dose):
    """Measure which properties of windows a transform keeps at a dose.

    The windows are those of one run (1, batch, time, unit).
    """
    made = built(kind, [dose])
    address = Draws(
        key_tensor([7], CPU),
        1,
        torch.zeros(1, dtype=torch.int64),
        torch.arange(windows.shape[1]).unsqueeze(0),
    )
    given = windows.float() if made.standardised else windows
    out = corrupted(made, given, address)
    other_unit, other_window = given.clone(), given.clone()
    other_unit[..., 5] += 1
    other_window[:, 3] += 1
    unit_moved = (corrupted(made, other_unit, address) != out).any(0).any(0).any(0)
    window_moved = (corrupted(made, other_window, address) != out).any(3).any(2).any(0)
    change = out.double().mean((0, 1, 2)) - given.double().mean((0, 1, 2))
    error = (out.double() - given.double()).std((0, 1, 2)) / (
        windows.shape[1] * windows.shape[2]
    ) ** 0.5
    wide = 6 * windows.shape[2] ** 0.5  # a window's bins may share a draw
    return {
        "counts": torch.equal(out.double(), out.double().round()) and bool((out >= 0).all()),
        "unit_mean": bool((change.abs() <= wide * error).all()),
        "bin_total": torch.equal(out.double().sum(3), given.double().sum(3)),
        "unit_identity": not unit_moved[torch.arange(12) != 5].any(),
        "window_identity": not window_moved[torch.arange(windows.shape[1]) != 3].any(),
    }


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_what_is_declared_as_preserved_holds_and_what_is_declared_as_broken_breaks(kind):
    rates = torch.linspace(1, 9, 12).expand(1, 4000, 2, 12)
    windows = torch.poisson(rates, generator=torch.Generator().manual_seed(4)).to(torch.int16)
    kept = keeps(kind, windows, 0.4)
    assert {name for name, holds in kept.items() if holds} == set(DECLARED[kind].preserves)
    assert {name for name, holds in kept.items() if not holds} == set(DECLARED[kind].breaks)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_every_property_is_declared_as_preserved_or_as_broken(kind):
    said = (*DECLARED[kind].preserves, *DECLARED[kind].breaks)
    assert sorted(said) == sorted(get_args(Property))


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_runs_corruption_does_not_depend_on_its_partners(kind):
    windows = counts(mean=14.0)  # some counts above sixteen, others below
    windows[0].clamp_(max=9)
    windows = windows.float() if built(kind, [0.3]).standardised else windows
    together = corrupted(built(kind, [0.3, 0.0, 0.6]), windows, draws())
    alone = corrupted(built(kind, [0.3]), windows[:1], draws(runs=1))
    assert torch.equal(together[:1], alone)
    assert torch.equal(together[1], windows[1].to(together.dtype))


def many(dose_count, batch=4000, keys=7):
    return Draws(
        key_tensor([keys] * dose_count, CPU),
        1,
        torch.zeros(dose_count, dtype=torch.int64),
        torch.arange(batch).expand(dose_count, batch),
    )


def test_progressive_loss_takes_units_in_one_order_at_every_step_and_in_both_views():
    made = TRANSFORMS["progressive_unit_loss"].of(
        [ProgressiveUnitLoss(rate=rate) for rate in (0.4, 0.8)], torch.ones(2, 20)
    )
    lost = made.draw(many(2), (1, 20)).squeeze(2)
    assert (lost[0] <= lost[1]).all()  # doses nest
    assert lost.double().mean((1, 2)).numpy() == pytest.approx([0.2, 0.4], abs=0.01)
    assert int(lost[1].sum(1).max()) == 16
    later = Draws(
        key_tensor([7, 7], CPU),
        9,
        torch.ones(2, dtype=torch.int64),
        torch.arange(4000).expand(2, 4000),
    )
    both = torch.cat([lost[1], made.draw(later, (1, 20)).squeeze(2)[1]])
    by_size = both[both.sum(1).argsort()]
    assert (by_size[:-1] <= by_size[1:]).all()  # one order: the smaller loss lies in the larger
    other = made.draw(many(2, keys=8), (1, 20)).squeeze(2)
    assert not torch.equal(
        other[1].double().mean(0).argsort(), lost[1].double().mean(0).argsort()
    )  # another run, another order


def test_swaps_stay_in_their_neighbourhood_at_their_rate_and_nest():
    declared = [UnitPermutation(rate=rate, neighbourhood=4) for rate in (0.2, 0.6, 1.0)]
    shown = (
        TRANSFORMS["unit_permutation"]
        .of(declared, torch.ones(3, 12))
        .draw(many(3), (1, 12))
        .squeeze(2)
    )
    units = torch.arange(12)
    assert torch.equal(shown.sort(dim=2).values, units.expand_as(shown))  # a permutation
    assert (shown // 4 == units // 4).all()
    moved = shown != units
    assert moved.double().mean((1, 2)).numpy() == pytest.approx([0.2, 0.6, 1.0], abs=0.01)
    for low, high in ((0, 1), (1, 2)):
        assert torch.equal(
            shown[low][moved[low]], shown[high][moved[low]]
        )  # who has moved, moves to the same place
    partners = torch.stack([(shown[2, :, 0] == unit).double().mean() for unit in (1, 2, 3)])
    assert partners.numpy() == pytest.approx(np.full(3, 1 / 3), abs=0.04)


@pytest.mark.parametrize(("units", "size"), [(11, 4), (10, 3), (3, 8)])
def test_a_unit_without_a_partner_keeps_its_place(units, size):
    made = TRANSFORMS["unit_permutation"].of(
        [UnitPermutation(rate=1, neighbourhood=size)], torch.ones(1, units)
    )
    shown = made.draw(many(1, 2000), (1, units)).squeeze(2)[0]
    sizes = [min(size, units - begin) for begin in range(0, units, size)]
    still = (shown == torch.arange(units)).sum(1)
    assert (still == sum(s % 2 for s in sizes)).all()
    assert torch.equal(shown.sort(dim=1).values, torch.arange(units).expand_as(shown))


def test_drifting_spikes_are_poisson_of_the_mixed_rate_and_signals_are_mixed_as_they_are():
    made = built("waveform_drift", [0.25])
    rates = torch.tensor([20.0, 4.0, 8.0]).expand(1, 20000, 1, 3)
    windows = torch.poisson(rates, generator=torch.Generator().manual_seed(5)).to(torch.int16)
    out = corrupted(made, windows, many(1, 20000)).double()[0, :, 0]
    mixed = [0.75 * 20 + 0.25 * 4, 0.75 * 4 + 0.25 * 8, 0.75 * 8 + 0.25 * 20]
    assert out.mean(0).numpy() == pytest.approx(mixed, rel=0.02)
    assert out.var(0).numpy() == pytest.approx(mixed, rel=0.05)
    assert abs(np.corrcoef(out.numpy().T)[0, 1]) < 0.03
    signal = torch.randn((1, 8, 1, 3), generator=torch.Generator().manual_seed(6))
    assert torch.equal(
        corrupted(made, signal, many(1, 8)), 0.75 * signal + 0.25 * signal.roll(-1, dims=3)
    )


@pytest.mark.parametrize("coupling", ["common", "varied"])
def test_gains_have_mean_one_and_their_spread_and_couplings_stay(coupling):
    made = TRANSFORMS["gain_modulation"].of(
        [GainModulation(sigma=0.3, coupling=coupling)], torch.ones(1, 12)
    )
    gains = corrupted(made, torch.ones(1, 40000, 1, 12), many(1, 40000))[0, :, 0].double()
    assert gains.mean(0).numpy() == pytest.approx(np.ones(12), abs=0.02)
    logs = gains.log()
    if coupling == "common":
        assert torch.equal(gains, gains[:, :1].expand_as(gains))
        assert float(logs[:, 0].std()) == pytest.approx(0.3, abs=0.01)
        return
    slopes = logs.std(0) / 0.3
    signs = torch.sign(torch.corrcoef(logs.T)[0])
    assert 0.4 < float(slopes.mean()) < 1.3 and {-1.0, 1.0} <= set(signs.tolist())
    later = Draws(
        key_tensor([7], CPU), 8, torch.ones(1, dtype=torch.int64), torch.arange(4000).unsqueeze(0)
    )
    again = corrupted(made, torch.ones(1, 4000, 1, 12), later)[0, :, 0].double().log().std(0) / 0.3
    assert again.numpy() == pytest.approx(slopes.numpy(), rel=0.08)


def test_pepper_adds_its_amplitude_at_its_rate_and_nests():
    made = TRANSFORMS["pepper"].of(
        [Pepper(rate=rate, amplitude=2.5) for rate in (0.1, 0.3)], torch.ones(2, 12)
    )
    out = corrupted(made, torch.zeros(2, 4000, 2, 12), many(2))
    assert set(out.unique().tolist()) == {0.0, 2.5}
    assert (out > 0).double().mean((1, 2, 3)).numpy() == pytest.approx([0.1, 0.3], abs=0.01)
    assert (out[0] <= out[1]).all()


@pytest.mark.parametrize("length", [2, 7, 40])
def test_blocks_are_contiguous_of_the_declared_size_nest_and_leave_a_place(length):
    fractions = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.95], dtype=torch.float64)
    numbers = torch.rand(
        (1, 20000, 2), generator=torch.Generator().manual_seed(7), dtype=torch.float64
    ).expand(5, -1, -1)
    lost = block_mask(fractions, numbers, length)
    edges = (lost[..., 1:] != lost[..., :-1]).sum(2) + lost[..., 0].long() + lost[..., -1].long()
    assert (edges == 2 * lost.any(2)).all()
    assert (lost[:-1] <= lost[1:]).all() and not lost[0].any() and not lost.all(2).any()
    part = lost.double().mean((1, 2))[:4]
    assert part.numpy() == pytest.approx([0, 0.1, 0.25, 0.5], abs=0.01)


def test_dropout_loses_units_at_its_rate_and_masks_nest():
    made = built("unit_dropout", [0.2, 0.4, 0.8])
    keys = Draws(
        key_tensor([7, 7, 7], CPU),
        1,
        torch.zeros(3, dtype=torch.int64),
        torch.arange(4000).expand(3, 4000),
    )
    lost = made.draw(keys, (1, 12)).float()
    assert lost.mean((1, 2, 3)) == pytest.approx([0.2, 0.4, 0.8], abs=0.01)
    assert (lost[0] <= lost[1]).all() and (lost[1] <= lost[2]).all()


def test_stratified_dropout_loses_its_part_of_every_stratum_and_masks_nest():
    rates = torch.randperm(40, generator=torch.Generator().manual_seed(1)).float().repeat(3, 1)
    made = TRANSFORMS["stratified_dropout"].of(
        [StratifiedDropout(rate=rate) for rate in (0.25, 0.4, 0.8)], rates
    )
    keys = Draws(
        key_tensor([7, 7, 7], CPU),
        1,
        torch.zeros(3, dtype=torch.int64),
        torch.arange(4000).expand(3, 4000),
    )
    lost = made.draw(keys, (1, 40)).squeeze(2)
    assert lost.double().mean(1)[1].numpy() == pytest.approx(
        np.full(40, 0.4), abs=0.04
    )  # every unit at its rate
    for stratum in range(4):
        of = (rates[0] // 10) == stratum  # ten units that lie together in rate
        assert set(lost[0][:, of].sum(1).tolist()) == {2, 3} and set(
            lost[1][:, of].sum(1).tolist()
        ) == {4}
    assert not (lost[0] & ~lost[1]).any() and not (lost[1] & ~lost[2]).any()


def test_uniform_rates_drop_half_as_much_on_average():
    made = TRANSFORMS["unit_dropout"].of(
        [UnitDropout(rate=0.8, rate_draw="uniform")], torch.ones(1, 20)
    )
    keys = Draws(
        key_tensor([7], CPU),
        1,
        torch.zeros(1, dtype=torch.int64),
        torch.arange(4000).expand(1, 4000),
    )
    lost = made.draw(keys, (1, 20)).float()
    assert float(lost.mean()) == pytest.approx(0.4, abs=0.01)
    assert float(lost.mean(3).std()) > 0.2  # windows differ in their rate


def test_thinning_is_binomial():
    made = built("spike_thinning", [0.3])
    windows = torch.full((1, 20000, 1, 4), 10, dtype=torch.int16)
    keys = Draws(
        key_tensor([3], CPU),
        1,
        torch.zeros(1, dtype=torch.int64),
        torch.arange(20000).expand(1, 20000),
    )
    kept = made.apply(windows, made.draw(keys, (1, 4))).double()
    assert float(kept.mean()) == pytest.approx(7, abs=0.03)
    assert float(kept.var()) == pytest.approx(10 * 0.7 * 0.3, rel=0.03)


def test_thinning_does_not_depend_on_a_partners_largest_count():
    few, more = (torch.full((1, 50, 1, 5), count, dtype=torch.int16) for count in (10, 40))
    made = built("spike_thinning", [0.5, 0.5])
    address = draws(runs=2, batch=50)
    together = made.apply(torch.cat([few, more]), made.draw(address, (1, 5)))
    one = built("spike_thinning", [0.5])
    assert torch.equal(together[:1], one.apply(few, one.draw(draws(runs=1, batch=50), (1, 5))))
    assert float(together[1].double().mean()) == pytest.approx(20, abs=1)


def test_halves_are_fair_binomial_and_add_up_whatever_the_windows():
    recording = torch.poisson(
        torch.full((500, 6), 20.0), generator=torch.Generator().manual_seed(1)
    ).to(torch.int32)
    halves = CountHalves.of(recording)
    bins = torch.arange(500).view(1, 500, 1)
    keys = key_tensor([5], CPU)
    first, second = halves.views(keys, 3, (bins, bins))
    assert torch.equal(first + second, recording.to(torch.int16).view(1, 500, 1, 6))
    share = first.double().mean() / recording.double().mean()
    assert float(share) == pytest.approx(0.5, abs=0.01)
    # Any other window of the step that shows a bin shows the same halves of it.
    shifted = bins.roll(7, dims=1)
    elsewhere, partner = halves.views(keys, 3, (bins, shifted))
    assert torch.equal(elsewhere, first) and torch.equal(partner, second.roll(7, dims=1))
    assert not torch.equal(halves.views(keys, 4, (bins, bins))[0], first)


def test_poisson_halves_are_independent():
    recording = torch.poisson(
        torch.full((40000, 2), 6.0), generator=torch.Generator().manual_seed(2)
    ).to(torch.int32)
    bins = torch.arange(40000).view(1, -1, 1)
    first, second = CountHalves.of(recording).views(key_tensor([5], CPU), 3, (bins, bins))
    assert abs(np.corrcoef(first[0, :, 0, 0].double(), second[0, :, 0, 0].double())[0, 1]) < 0.02


@pytest.mark.parametrize("shape", ["uniform", "annulus"])
def test_pairs_never_leave_a_run_of_training_windows(shape):
    """Partner and anchor lie in one unbroken run of training windows.

    The run is within one stretch; every lag is tried by brute force.
    """
    stretch = np.repeat(np.arange(12), 10)
    train = np.array([i for i in range(120) if not 33 <= i < 57 and i != 80])
    partners = find_partners(train, stretch, TimeJitter(window_s=0.3, shape=shape), 0.1)
    seen = set()
    stacked = StackedPartners.of([partners], CPU)
    places = torch.arange(len(partners.anchors)).unsqueeze(0)
    for number in np.linspace(0.001, 0.999, 40):
        found = stacked.partner_of(places, torch.full(places.shape, number))[0].numpy()
        seen |= set(zip(partners.anchors.tolist(), found.tolist(), strict=True))
    for anchor, partner in seen:
        between = range(min(anchor, partner), max(anchor, partner) + 1)
        assert all(i in set(train) and stretch[i] == stretch[anchor] for i in between)
        assert abs(partner - anchor) == 3 if shape == "annulus" else abs(partner - anchor) <= 3
    allowed = {
        (a, b)
        for a in train
        for b in train
        if (abs(a - b) == 3 if shape == "annulus" else abs(a - b) <= 3)
        and all(
            i in set(train) and stretch[i] == stretch[a] for i in range(min(a, b), max(a, b) + 1)
        )
    }
    assert seen == allowed
