"""The contract of the views of stacked runs.

Arms share what they say they share, partners have no influence, and every transform
goes through the stack.
"""

import numpy as np
import pytest
import torch
from conftest import tiny_study
from declared_transforms import DECLARED, FIELD

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.errors import TrainingError
from invariance_probe.plan.plan import Plan
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import GainModulation, SpikeThinning, WaveformDrift
from invariance_probe.study.views import NoSplitting, Views


def arm_runs(kinds=("none", "independent", "shared", "paired")):
    study = Study.model_validate(tiny_study(arms=["independent", "shared", "paired"]))
    plan = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))
    trained = [r for r in plan.grid if r.method.kind == "simclr" and r.fold == 0 and r.seed == 0]
    return [next(r for r in trained if r.arm == kind) for kind in kinds]


def test_arms_share_what_they_say_and_split_independently_in_all():
    activity = torch.poisson(
        torch.full((200, 30), 8.0), generator=torch.Generator().manual_seed(3)
    ).to(torch.int32)
    runs = arm_runs()
    scaling = Scaling(torch.zeros(4, 1, 1, 30), torch.ones(4, 1, 1, 30))
    views = ViewMaker(
        activity, 1, torch.arange(200), [run.condition for run in runs], [9] * 4, scaling
    )
    windows = torch.arange(64).expand(4, 64)
    both = views.pair(2, windows, windows)
    lost = (both == 0).view(4, 2, 64, 30)  # a half of a count of about 8 is almost never zero
    assert lost[0].float().mean() < 0.05
    independent, shared, paired = lost[1], lost[2], lost[3]
    assert not torch.equal(independent[0], independent[1])
    assert (paired[0] == paired[1]).float().mean() > 0.95 and not torch.equal(
        paired[0][0], paired[0][1]
    )
    most = shared.float().mean((0, 1)) > 0.5
    assert (shared == most).float().mean() > 0.97  # one mask for the whole batch and both views
    for arm in (independent, paired):
        assert float(arm.float().mean()) == pytest.approx(0.4, abs=0.04)
    # The base is the same in every arm: where nothing is dropped, counts agree with dose 0.
    for run in (1, 2, 3):
        kept = both[run] != 0
        assert torch.equal(both[run][kept], both[0][kept])


def test_a_runs_views_do_not_depend_on_its_partners():
    activity = torch.poisson(
        torch.full((200, 30), 8.0), generator=torch.Generator().manual_seed(3)
    ).to(torch.int32)
    runs = arm_runs()
    scaling = Scaling(torch.zeros(4, 1, 1, 30), torch.ones(4, 1, 1, 30))
    windows = torch.arange(64).expand(4, 64)
    together = ViewMaker(
        activity, 1, torch.arange(200), [run.condition for run in runs], [9, 8, 7, 6], scaling
    ).pair(2, windows, windows)
    one = Scaling(scaling.mean[:1], scaling.inverse_sd[:1])
    alone = ViewMaker(activity, 1, torch.arange(200), [runs[2].condition], [7], one).pair(
        2, windows[:1], windows[:1]
    )
    assert torch.equal(together[2:3], alone)


def runs_of(kind, doses, arms, **changes):
    """Runs that differ in the dose and the arm of one transform.

    Windows are single bins (pairs of bins for cuts in time).
    """
    path = f"{kind}.{FIELD[kind]}"
    views = Views(transforms=(DECLARED[kind](),), **changes)
    [like] = arm_runs(("none",))
    put = [
        {"views": views.at(path, dose), "axis": path if dose else "", "dose": dose, "arm": arm}
        for dose, arm in zip(doses, arms, strict=True)
    ]
    return [like.model_copy(update=each) for each in put]


def maker(runs, keys=None, length=1, parts=None, native=False):
    activity = torch.poisson(
        torch.full((200, 30), 8.0), generator=torch.Generator().manual_seed(3)
    ).to(torch.int32)
    scaling = Scaling(
        torch.full((len(runs), 1, 1, 30), 8.0), torch.full((len(runs), 1, 1, 30), 0.35)
    )
    starts = torch.arange(0, 200 - length + 1)
    parts = [np.arange(40, 150)] * len(runs) if parts is None else parts
    conditions = [run.condition for run in runs]
    return ViewMaker(
        activity, length, starts, conditions, keys or [9] * len(runs), scaling, parts, native=native
    )


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_every_transform_goes_through_the_stack_in_every_arm(kind):
    """Views of a stack equal those of each run alone.

    Dose 0 is what no transform gives, and paired draws are common to a pair.
    """
    runs = runs_of(kind, [0.0, 0.4, 0.4, 0.4], ["none", "independent", "shared", "paired"])
    length = 4 if kind == "time_cutout" else 1
    windows = torch.arange(64).expand(4, 64)
    together = maker(runs, length=length).pair(2, windows, windows)
    for i, run in enumerate(runs):
        assert torch.equal(
            together[i : i + 1], maker([run], length=length).pair(2, windows[:1], windows[:1])
        )
    nothing = [run.model_copy(update={"views": Views()}) for run in runs[:1]]
    assert torch.equal(
        together[:1], maker(nothing, length=length).pair(2, windows[:1], windows[:1])
    )
    assert not torch.equal(together[1], together[0]) and not torch.equal(together[2], together[1])
    assert not torch.equal(together[3], together[1])


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_native_kernels_draw_the_same_views_or_leave_them_to_torch(kind):
    runs = runs_of(kind, [0.0, 0.4], ["none", "independent"])
    length = 4 if kind == "time_cutout" else 1
    windows = torch.arange(64).expand(2, 64)
    plain, native = (maker(runs, length=length, native=native) for native in (False, True))
    assert torch.equal(plain.pair(2, windows, windows), native.pair(2, windows, windows))
    assert torch.equal(plain.single(3, windows), native.single(3, windows))


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_tests_on_part_of_the_windows_show_the_same_corruption(kind):
    """The first half, tested alone, is the first half of all windows.

    A row's corruption is addressed by its place, and not by which other rows are there.
    """
    length = 4 if kind == "time_cutout" else 1
    made = maker(runs_of(kind, [0.4], ["independent"], base=NoSplitting()), length=length)
    windows = torch.arange(60).unsqueeze(0)
    assert torch.equal(made.single(3, windows)[:, :20], made.single(3, windows[:, :20]))


def test_cutmix_shows_training_windows_only_and_each_view_its_own_half():
    """Every unit of every bin says which bin it is, so that a block says where it comes from."""
    runs = runs_of("cutmix", [0.5], ["independent"], base=NoSplitting())
    activity = torch.arange(200, dtype=torch.int32).unsqueeze(1).expand(200, 30).contiguous()
    plain = Scaling(torch.zeros(1, 1, 1, 30), torch.ones(1, 1, 1, 30))
    part = np.arange(100, 140)
    single = ViewMaker(
        activity, 1, torch.arange(200), [run.condition for run in runs], [9], plain, [part]
    ).single(1, torch.arange(50).unsqueeze(0))[0, :, 0]
    foreign = single != torch.arange(50).unsqueeze(1)
    assert (foreign.sum(1) == 15).all()
    assert (
        set(single[foreign].tolist()) <= set(part.tolist())
        and len(set(single[foreign].tolist())) > 15
    )
    halved = runs_of("cutmix", [0.5], ["paired"])
    counts = 2 * activity
    made = ViewMaker(
        counts, 1, torch.arange(200), [run.condition for run in halved], [9], plain, [part]
    )
    windows = torch.arange(50).unsqueeze(0)
    first, second = made.pair(1, windows, windows)[0].squeeze(1).chunk(2)
    shown = (
        (first + second) / 4
    ).round()  # twice one half and twice the other: four times the bin's number
    assert torch.equal(first + second, 4 * shown)
    assert set(shown[shown != windows.T].tolist()) <= set(part.tolist())


def test_cutmix_without_training_windows_says_so():
    runs = runs_of("cutmix", [0.5], ["independent"])
    scaling = Scaling(torch.zeros(1, 1, 1, 30), torch.ones(1, 1, 1, 30))
    with pytest.raises(TrainingError, match="cutmix needs other training windows"):
        ViewMaker(
            torch.zeros((50, 30), dtype=torch.int32),
            1,
            torch.arange(50),
            [runs[0].condition],
            [9],
            scaling,
        )


def test_the_gain_comes_after_what_reads_counts_whatever_the_order():
    kinds = (GainModulation(sigma=0.3), SpikeThinning(rate=0.3), WaveformDrift(mix=0.3))
    [like] = arm_runs(("none",))
    windows = torch.arange(64).unsqueeze(0)
    first, last = (
        maker([like.model_copy(update={"views": Views(transforms=order)})]).pair(
            2, windows, windows
        )
        for order in (kinds, (*kinds[1:], kinds[0]))
    )
    assert torch.equal(first, last)


def test_global_generators_are_untouched():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    test_arms_share_what_they_say_and_split_independently_in_all()
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
