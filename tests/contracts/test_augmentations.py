"""What every augmentation promises: dose 0 changes nothing, draws are pure, arms share what they say."""

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.pairing import StackedPartners, find_partners
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import CountHalves
from invariance_probe.augmentations.views import Scaling, ViewMaker
from invariance_probe.study.plan import Plan
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import GaussianNoise, SpikeThinning, StratifiedDropout, UnitDropout
from invariance_probe.study.views import TimeJitter

DECLARED = {
    "unit_dropout": UnitDropout,
    "stratified_dropout": StratifiedDropout,
    "spike_thinning": SpikeThinning,
    "gaussian_noise": GaussianNoise,
}
FIELD = {"unit_dropout": "rate", "stratified_dropout": "rate", "spike_thinning": "rate", "gaussian_noise": "sigma"}
CPU = torch.device("cpu")
RATES = torch.arange(12.0).repeat(3, 1)


def counts(shape=(3, 16, 2, 12), mean=4.0):
    return torch.poisson(torch.full(shape, mean), generator=torch.Generator().manual_seed(0)).to(torch.int16)


def draws(runs=3, batch=16, view=0, shared=False):
    rows = torch.zeros(runs, batch, dtype=torch.int64) if shared else torch.arange(batch).expand(runs, batch)
    return Draws(key_tensor([11, 12, 13][:runs], CPU), 5, torch.full((runs,), view), rows)


def built(kind, doses):
    return TRANSFORMS[kind].of([DECLARED[kind](**{FIELD[kind]: dose}) for dose in doses], RATES[: len(doses)])


def test_every_declared_transform_has_an_implementation():
    assert TRANSFORMS.keys() == DECLARED.keys()


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_dose_zero_is_bit_exact_and_the_input_is_untouched(kind):
    windows = counts() if kind == "spike_thinning" else counts().float()
    before = windows.clone()
    made = built(kind, [0.0, 0.3, 0.6])
    out = made.apply(windows, made.draw(draws(), (2, 12)))
    assert torch.equal(out[0], windows[0]) and torch.equal(windows, before)
    assert not torch.equal(out[1], windows[1])
    assert out.shape == windows.shape and out.dtype == windows.dtype


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_the_same_draw_gives_the_same_view_and_another_view_another(kind):
    windows = counts() if kind == "spike_thinning" else counts().float()
    made = built(kind, [0.3, 0.3, 0.3])
    first, again, other = (made.apply(windows, made.draw(draws(view=view), (2, 12))) for view in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_dropout_loses_units_at_its_rate_and_masks_nest():
    made = built("unit_dropout", [0.2, 0.4, 0.8])
    keys = Draws(key_tensor([7, 7, 7], CPU), 1, torch.zeros(3, dtype=torch.int64), torch.arange(4000).expand(3, 4000))
    lost = made.draw(keys, (1, 12)).float()
    assert lost.mean((1, 2, 3)) == pytest.approx([0.2, 0.4, 0.8], abs=0.01)
    assert (lost[0] <= lost[1]).all() and (lost[1] <= lost[2]).all()


def test_stratified_dropout_loses_its_part_of_every_stratum_and_masks_nest():
    rates = torch.randperm(40, generator=torch.Generator().manual_seed(1)).float().repeat(3, 1)
    made = TRANSFORMS["stratified_dropout"].of([StratifiedDropout(rate=rate) for rate in (0.25, 0.4, 0.8)], rates)
    keys = Draws(key_tensor([7, 7, 7], CPU), 1, torch.zeros(3, dtype=torch.int64), torch.arange(4000).expand(3, 4000))
    lost = made.draw(keys, (1, 40)).squeeze(2)
    assert lost.double().mean(1)[1].numpy() == pytest.approx(np.full(40, 0.4), abs=0.04)  # every unit at its rate
    for stratum in range(4):
        of = (rates[0] // 10) == stratum  # ten units that lie together in rate
        assert set(lost[0][:, of].sum(1).tolist()) == {2, 3} and set(lost[1][:, of].sum(1).tolist()) == {4}
    assert not (lost[0] & ~lost[1]).any() and not (lost[1] & ~lost[2]).any()


def test_uniform_rates_drop_half_as_much_on_average():
    made = TRANSFORMS["unit_dropout"].of([UnitDropout(rate=0.8, rate_draw="uniform")], torch.ones(1, 20))
    keys = Draws(key_tensor([7], CPU), 1, torch.zeros(1, dtype=torch.int64), torch.arange(4000).expand(1, 4000))
    lost = made.draw(keys, (1, 20)).float()
    assert float(lost.mean()) == pytest.approx(0.4, abs=0.01)
    assert float(lost.mean(3).std()) > 0.2  # windows differ in their rate


def test_thinning_is_binomial():
    made = built("spike_thinning", [0.3])
    windows = torch.full((1, 20000, 1, 4), 10, dtype=torch.int16)
    keys = Draws(key_tensor([3], CPU), 1, torch.zeros(1, dtype=torch.int64), torch.arange(20000).expand(1, 20000))
    kept = made.apply(windows, made.draw(keys, (1, 4))).double()
    assert float(kept.mean()) == pytest.approx(7, abs=0.03)
    assert float(kept.var()) == pytest.approx(10 * 0.7 * 0.3, rel=0.03)


def test_halves_are_fair_binomial_and_add_up_whatever_the_windows():
    recording = torch.poisson(torch.full((500, 6), 20.0), generator=torch.Generator().manual_seed(1)).to(torch.int32)
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
    recording = torch.poisson(torch.full((40000, 2), 6.0), generator=torch.Generator().manual_seed(2)).to(torch.int32)
    bins = torch.arange(40000).view(1, -1, 1)
    first, second = CountHalves.of(recording).views(key_tensor([5], CPU), 3, (bins, bins))
    assert abs(np.corrcoef(first[0, :, 0, 0].double(), second[0, :, 0, 0].double())[0, 1]) < 0.02


@pytest.mark.parametrize("shape", ["uniform", "annulus"])
def test_pairs_never_leave_a_run_of_training_windows(shape):
    """Brute force over every lag: partner and anchor lie in one unbroken run of training windows of one stretch."""
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
        for a in train for b in train
        if (abs(a - b) == 3 if shape == "annulus" else abs(a - b) <= 3)
        and all(i in set(train) and stretch[i] == stretch[a] for i in range(min(a, b), max(a, b) + 1))
    }  # fmt: skip
    assert seen == allowed


def arm_runs(kinds=("none", "independent", "shared", "paired")):
    study = Study.model_validate(tiny_study(arms=["independent", "shared", "paired"]))
    plan = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))
    trained = [r for r in plan.grid if r.method.kind == "simclr" and r.fold == 0 and r.seed == 0]
    return [next(r for r in trained if r.arm == kind) for kind in kinds]


def test_arms_share_what_they_say_and_split_independently_in_all():
    activity = torch.poisson(torch.full((200, 30), 8.0), generator=torch.Generator().manual_seed(3)).to(torch.int32)
    runs = arm_runs()
    scaling = Scaling(torch.zeros(4, 1, 1, 30), torch.ones(4, 1, 1, 30))
    views = ViewMaker(activity, 1, torch.arange(200), runs, [9] * 4, scaling)
    windows = torch.arange(64).expand(4, 64)
    both = views.pair(2, windows, windows)
    lost = (both == 0).view(4, 2, 64, 30)  # a half of a count of about 8 is almost never zero
    assert lost[0].float().mean() < 0.05
    independent, shared, paired = lost[1], lost[2], lost[3]
    assert not torch.equal(independent[0], independent[1])
    assert (paired[0] == paired[1]).float().mean() > 0.95 and not torch.equal(paired[0][0], paired[0][1])
    most = shared.float().mean((0, 1)) > 0.5
    assert (shared == most).float().mean() > 0.97  # one mask for the whole batch and both views
    for arm in (independent, paired):
        assert float(arm.float().mean()) == pytest.approx(0.4, abs=0.04)
    # The base is the same in every arm: where nothing is dropped, counts agree with dose 0.
    for run in (1, 2, 3):
        kept = both[run] != 0
        assert torch.equal(both[run][kept], both[0][kept])


def test_a_runs_views_do_not_depend_on_its_partners():
    activity = torch.poisson(torch.full((200, 30), 8.0), generator=torch.Generator().manual_seed(3)).to(torch.int32)
    runs = arm_runs()
    scaling = Scaling(torch.zeros(4, 1, 1, 30), torch.ones(4, 1, 1, 30))
    windows = torch.arange(64).expand(4, 64)
    together = ViewMaker(activity, 1, torch.arange(200), runs, [9, 8, 7, 6], scaling).pair(2, windows, windows)
    one = Scaling(scaling.mean[:1], scaling.inverse_sd[:1])
    alone = ViewMaker(activity, 1, torch.arange(200), runs[2:3], [7], one).pair(2, windows[:1], windows[:1])
    assert torch.equal(together[2:3], alone)


def test_global_generators_are_untouched():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    test_arms_share_what_they_say_and_split_independently_in_all()
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
