"""The contract that every adversary keeps.

A dose of 0 changes nothing, a run does not depend on its partners, a training that is
cut off goes on where it was, and the loss rises.
"""

import json
from pathlib import Path

import pytest
import torch
from conftest import tiny_study
from declared_methods import METHODS
from test_checkpoints import After, assert_same, keeping, trained
from test_ensemble import weights_of

from invariance_probe.augmentations.operations import (
    CAPS,
    FAR,
    GAIN,
    HIDE,
    LEVELS,
    NOISE,
    PEPPER,
    operate,
)
from invariance_probe.augmentations.random_bits import key_tensor, position, uniform
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.adversaries import (
    AdversarialNoise,
    AscendedMask,
    LearnedMask,
    LearnedPolicy,
    WorstOfMasks,
)
from invariance_probe.study.study import Study
from invariance_probe.training.adversaries import SEARCHES, make_adversary
from invariance_probe.training.adversaries.masks import masked, onto_budget
from invariance_probe.training.adversaries.noise import cosines
from invariance_probe.training.checkpoints import Stopped
from invariance_probe.worker import stacks

ADVERSARIES = [
    {"kind": "worst_of_masks"},
    {"kind": "ascended_mask"},
    {"kind": "learned_mask"},
    {"kind": "learned_mask", "sees": "window", "width": 8},
    {"kind": "adversarial_noise"},
    {"kind": "adversarial_noise", "modes": 4},
    {"kind": "adversarial_noise", "slow": 1},
    {"kind": "learned_policy", "draws": 3},
]
NAMES = [
    "worst_of_masks",
    "ascended_mask",
    "learned_mask",
    "mask network",
    "noise",
    "noise along modes",
    "slow noise",
    "learned_policy",
]
FIELD = {"adversarial_noise": "epsilon", "learned_policy": "strength"}
DOSE = {"adversarial_noise": 0.5, "learned_policy": 0.8}


def study_against(adversary, method=METHODS[0], **training):
    kind = adversary["kind"]
    path, dose = f"{kind}.{FIELD.get(kind, 'budget')}", DOSE.get(kind, 6)
    plain = tiny_study()
    hypothesis = {**plain["hypotheses"][0], "axis": path, "dose": dose}
    return Study.model_validate(
        tiny_study(
            method=method,
            training={"steps": 20, "batch_size": 64, "seeds": 2, **training},
            views={"adversary": adversary},
            axes=[{"path": path, "doses": [0, dose]}],
            hypotheses=[hypothesis],
            arms=["independent", "shared", "paired"],
        )
    )


def bench_and_runs(adversary, method=METHODS[0], **training):
    study = study_against(adversary, method, **training)
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        run
        for run in plan.grid
        if run.session == session.name and run.method.kind == method["kind"]
    ]
    return Workbench.of(
        open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
    ), runs


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=NAMES)
@pytest.mark.parametrize(
    "method", [METHODS[0], next(m for m in METHODS if m["kind"] == "byol")], ids=["simclr", "byol"]
)
def test_a_run_against_an_adversary_is_bit_identical_whatever_its_partners(adversary, method):
    bench, runs = bench_and_runs(adversary, method)
    chosen = [
        next(run for run in runs if run.arm == arm) for arm in ("none", "independent", "shared")
    ]
    together = weights_of(bench, chosen)
    for i, run in enumerate(chosen):
        alone = weights_of(bench, [run])
        for name, value in together.items():
            assert torch.equal(value[i], alone[name][0]), (run.arm, name)


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=NAMES)
def test_the_dose_that_changes_nothing_is_training_without_an_adversary(adversary):
    bench, runs = bench_and_runs(adversary)
    clean = next(run for run in runs if run.arm == "none")
    against = weights_of(bench, [next(run for run in runs if run.arm == "independent")])
    without = weights_of(
        bench,
        [clean.model_copy(update={"views": clean.views.model_copy(update={"adversary": None})})],
    )
    found = weights_of(bench, [clean])
    assert all(torch.equal(found[name], value) for name, value in without.items())
    assert any(not torch.equal(against[name], value) for name, value in without.items())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("adversary", ADVERSARIES, ids=NAMES)
def test_doses_and_arms_of_one_adversary_share_a_stack_and_other_adversaries_do_not(adversary):
    _, runs = bench_and_runs(adversary)
    chosen = [
        next(run for run in runs if run.arm == arm) for arm in ("none", "independent", "shared")
    ]
    assert len(list(stacks(chosen))) == 1
    other = (
        {"tries": 9}
        if adversary["kind"] == "worst_of_masks"
        else {"ascents": 9}
        if "noise" in adversary["kind"]
        else {"rate": 0.9}
    )
    views = chosen[1].views
    changed = views.model_copy(update={"adversary": views.adversary.model_copy(update=other)})
    assert len(list(stacks([*chosen, chosen[1].model_copy(update={"views": changed})]))) == 2


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=NAMES)
def test_arms_differ_and_no_paired_arm_is_planned(adversary):
    bench, runs = bench_and_runs(adversary)
    assert {run.arm for run in runs} == {"none", "independent", "shared"}
    independent, shared = (
        weights_of(bench, [next(run for run in runs if run.arm == arm)])
        for arm in ("independent", "shared")
    )
    assert any(not torch.equal(shared[name], value) for name, value in independent.items())


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=NAMES)
def test_a_training_that_is_cut_off_ends_at_the_same_bits(adversary, tmp_path):
    bench, runs = bench_and_runs(adversary)
    chosen = [run for run in runs if run.arm != "none"][:3]
    whole = trained(bench, chosen)
    with pytest.raises(Stopped):
        trained(keeping(bench, tmp_path, After(7)), chosen)
    assert_same(trained(keeping(bench, tmp_path), chosen), whole)


def test_information_is_lost_to_random_masks_of_the_budget():
    study = study_against({"kind": "worst_of_masks"})
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    [run] = [
        run for run in plan.baselines if run.session == session.name and run.method.kind == "code"
    ]
    bench = Workbench.of(
        open_recording(session.source, session.name, Path()), run, torch.device("cpu")
    )
    [found] = MEASURES["code"](bench, [run], lambda steps: None)
    [lost] = found.result.figures.whole.corruptions
    assert found.result.figures.c_blind(lost.axis, lost.dose) > 0 and lost.input_change > 0


class Importance:
    """A loss that grows by what hiding each unit of each view costs: the worst masks are known."""

    def __init__(self, weights):
        self.weights = weights

    def loss(self, batch):
        shown = batch.views.unflatten(1, (2, -1)).mean((2, 3))  # (run, view, unit); views are ones
        return ((1 - shown) * self.weights).sum((1, 2))


def ones(runs, units, step):
    return Batch(
        torch.ones(runs, 8, 1, units),
        keys=key_tensor(list(range(5, 5 + runs)), torch.device("cpu")),
        step=step,
    )


def damage(declared, weights, steps):
    adversary = make_adversary(
        declared,
        ["independent"] * len(declared),
        weights.shape[2],
        lambda modes: None,
        torch.device("cpu"),
    )
    found = []
    for step in range(steps):
        loss = adversary.loss(Importance(weights), ones(len(declared), weights.shape[2], step))
        if loss.requires_grad:
            loss.sum().backward()
        found.append(loss.detach())
    return torch.stack(found)


def test_each_mask_hides_its_budget_and_beats_random_ones_on_a_known_loss():
    runs, units, budget = 3, 40, 5
    weights = (
        uniform(
            position(key_tensor([1, 2, 3], torch.device("cpu")), 0, 0),
            torch.arange(2).expand(runs, 2),
            units,
        ).float()
        ** 4
    )
    best = weights.sort(dim=2, descending=True).values[:, :, :budget].sum((1, 2))
    random = damage([WorstOfMasks(budget=budget, tries=1)] * runs, weights, 40).mean(0)
    assert (random / best < 0.5).all()
    worst = damage([WorstOfMasks(budget=budget, tries=8)] * runs, weights, 40).mean(0)
    assert (worst > random * 1.2).all()
    assert torch.allclose(
        damage([AscendedMask(budget=budget)] * runs, weights, 1)[0], best, rtol=1e-5
    )
    learned = damage([LearnedMask(budget=budget, entropy=0.0, rate=1.0)] * runs, weights, 200)
    assert (learned[-20:].mean(0) > worst).all() and (learned[0] < learned[-20:].mean(0)).all()


KINDS = torch.arange(8).remainder(2)
"""Of eight windows: the two kinds have other worst units."""


class ByWindow:
    """A loss that adds up a known cost of hiding each unit of each window.

    The worst masks are therefore known, and windows have worst masks of their own.
    """

    def __init__(self, weights):
        self.weights = weights  # (run, kind, unit)

    def loss(self, batch):
        rows = torch.arange(len(self.weights)).unsqueeze(1)
        return ((1 - batch.views.mean(2)) * self.weights[rows, KINDS[batch.windows]]).sum((1, 2))


def damage_by_window(declared, weights, steps, arm="independent"):
    runs, units = len(declared), weights.shape[2]
    activity = torch.randn(8, 3, units, generator=torch.Generator().manual_seed(0)) * 0.1
    activity[:, :, 0] += KINDS.unsqueeze(1) * 2.0 - 1.0  # one unit tells the kinds apart
    keys = key_tensor(list(range(5, 5 + runs)), torch.device("cpu"))
    adversary = make_adversary(
        declared,
        [arm] * runs,
        units,
        lambda modes: None,
        torch.device("cpu"),
        keys,
        lambda windows: activity[windows],
    )
    found = []
    for step in range(steps):
        batch = Batch(
            torch.ones(runs, 8, 3, units), torch.arange(8).expand(runs, -1), keys=keys, step=step
        )
        loss = adversary.loss(ByWindow(weights), batch)
        loss.sum().backward()
        found.append(loss.detach())
    return torch.stack(found)


def test_only_a_mask_that_sees_the_window_finds_worst_units_that_depend_on_it():
    runs, units, budget = 2, 16, 4
    weights = torch.zeros(runs, 2, units)
    weights[:, 0, 2 : 2 + budget], weights[:, 1, 8 : 8 + budget] = 1.0, 1.0
    given = {"budget": budget, "entropy": 0.0, "rate": 0.3}
    seeing, shared = (
        damage_by_window([LearnedMask(sees="window", width=8, **given)] * runs, weights, 300, arm)
        for arm in ("independent", "shared")
    )
    blind = damage_by_window([LearnedMask(**given)] * runs, weights, 300)
    best = 8 * budget
    assert (seeing[-50:].mean(0) > 0.9 * best).all()
    for one_for_all in (blind, shared):  # has half of the windows right at the most
        assert (one_for_all[-50:].mean(0) < 0.6 * best).all() and (
            one_for_all[-50:].mean(0) > 0.35 * best
        ).all()


@pytest.mark.parametrize("units", [13, 30])
@pytest.mark.parametrize("sees", ["nothing", "window"])
def test_what_a_learned_mask_comes_to_is_bit_identical_whatever_its_partners(sees, units):
    activity = torch.randn(8, 2, units, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(3, 2, units, generator=torch.Generator().manual_seed(1))

    def state_of(slots):
        keys = key_tensor([5 + slot for slot in slots], torch.device("cpu"))
        one = LearnedMask(budget=4, sees=sees)
        adversary = make_adversary(
            [one] * len(slots),
            ["independent"] * len(slots),
            units,
            lambda modes: None,
            keys.device,
            keys,
            lambda at: activity[at],
        )
        for step in range(20):
            batch = Batch(
                torch.ones(len(slots), 8, 2, units),
                torch.arange(8).expand(len(slots), -1),
                keys=keys,
                step=step,
            )
            adversary.loss(ByWindow(weights[slots]), batch).sum().backward()
        return adversary.state()

    together = state_of([0, 1, 2])
    for slot in range(3):
        for name, value in state_of([slot]).items():
            assert torch.equal(
                value if value.dim() == 0 else value[0],
                together[name] if value.dim() == 0 else together[name][slot],
            )


def test_a_mask_network_begins_as_random_masks_and_its_entropy_keeps_it_there():
    weights = torch.zeros(3, 2, 16)
    weights[:, :, :4] = 1.0
    random = 8 * 4 * 4 / 16
    free, held = (
        damage_by_window(
            [LearnedMask(sees="window", budget=4, entropy=entropy, rate=0.1)] * 3, weights, 200
        )
        for entropy in (0.0, 3.0)
    )
    assert (
        free[:1].mean() == pytest.approx(random, abs=4)
        and (free[-50:].mean(0) > held[-50:].mean(0) + 2).all()
    )


def test_masks_of_a_network_hide_the_budget_in_every_window_and_are_one_for_all_in_the_shared_arm():
    units, seen = 12, []
    keys = key_tensor([3, 4, 5], torch.device("cpu"))
    activity = torch.randn(8, 2, units, generator=torch.Generator().manual_seed(0))

    class Watching:
        def loss(self, batch):
            seen.append((batch.views == 0).all(2))
            return batch.views.square().mean((1, 2, 3))

    declared = [LearnedMask(sees="window", budget=budget) for budget in (0, 3, 3)]
    arms = ["none", "independent", "shared"]
    adversary = make_adversary(
        declared,
        arms,
        units,
        lambda modes: None,
        torch.device("cpu"),
        keys,
        lambda windows: activity[windows],
    )
    batch = Batch(torch.ones(3, 8, 2, units), torch.arange(8).expand(3, -1), keys=keys, step=1)
    for _ in range(2):
        adversary.loss(Watching(), batch).sum().backward()
    for hidden in seen:
        assert hidden.sum(2).unique(dim=1).squeeze(1).tolist() == [0, 3, 3]
        first, second = hidden.chunk(2, dim=1)
        assert torch.equal(first[2], second[2]) and not torch.equal(first[1], second[1])
        assert len(first[2].unique(dim=0)) == 1 and len(first[1].unique(dim=0)) > 1


def test_a_width_without_a_network_is_refused():
    with pytest.raises(
        ValueError,
        match="width is 8, but only a mask with `sees: window` has a network",
    ):
        LearnedMask(width=8)


def test_a_projection_keeps_the_budget_the_bounds_and_what_lies_there_already():
    kept = torch.randn(4, 2, 30, generator=torch.Generator().manual_seed(0))
    budget = torch.tensor([0, 3, 15, 29])
    found = onto_budget(kept, budget)
    assert ((found >= 0) & (found <= 1)).all()
    assert (1 - found).sum(2).numpy() == pytest.approx(
        budget.view(-1, 1).expand(4, 2).numpy(), abs=1e-4
    )
    assert torch.allclose(onto_budget(found, budget), found, atol=1e-5)
    free = (found > 1e-4) & (
        found < 1 - 1e-4
    )  # Karush-Kuhn-Tucker: one shift moves every unit that meets no bound
    for row in range(4):
        for view in range(2):
            shifts = (found - kept)[row, view][free[row, view]]
            assert shifts.numel() == 0 or float(shifts.max() - shifts.min()) < 1e-4


def test_noise_keeps_its_bound_and_its_modes():
    basis = torch.linalg.qr(torch.randn(1, 12, 3, generator=torch.Generator().manual_seed(0)))[0]
    seen = []

    class Watching:
        def loss(self, batch):
            seen.append((batch.views - 1).detach())
            return (batch.views * torch.arange(12.0)).square().mean((1, 2, 3))

    for modes in (None, 3):
        seen.clear()
        one = AdversarialNoise(epsilon=0.3, ascents=4, modes=modes)
        make_adversary([one], ["independent"], 12, lambda count: basis, torch.device("cpu")).loss(
            Watching(), ones(1, 12, 0)
        )
        assert len(seen) == 4
        for done, noise in enumerate(seen, start=1):
            assert float(noise.abs().max()) <= 0.3 * done / 4 + 1e-6
        losses = [float(((1 + noise) * torch.arange(12.0)).square().mean()) for noise in seen]
        assert losses == sorted(losses)
        if modes:
            outside = seen[-1] - seen[-1] @ basis[0] @ basis[0].T
            assert float(outside.abs().max()) < 1e-5


class Cost:
    """A loss that is the mean square of the views.

    Of all operations, noise raises it most; hidden units lower it.
    """

    def loss(self, batch):
        return batch.views.square().mean((1, 2, 3))


def policy_after(steps, strength=1.0, **changes):
    policy = make_adversary(
        [LearnedPolicy(strength=strength, **changes)],
        ["independent"],
        12,
        lambda modes: None,
        torch.device("cpu"),
    )
    policy.losses = [float(policy.loss(Cost(), ones(1, 12, step))) for step in range(steps)]
    return policy


def test_a_policy_learns_the_operation_that_raises_a_known_loss_most():
    policy = policy_after(300, entropy=0.0)
    by_operation = policy.scores.softmax(1).view(len(CAPS), LEVELS).sum(1)
    assert by_operation[NOISE] + by_operation[PEPPER] > 0.9 and by_operation[HIDE] < 0.02
    assert sum(policy.losses[-50:]) > 1.2 * sum(policy.losses[:50])


def test_in_the_shared_arm_a_policy_does_the_same_to_every_window_of_both_views():
    seen = []

    class Watching:
        def loss(self, batch):
            seen.append(batch.views)
            return batch.views.square().mean((1, 2, 3))

    for arm in ("shared", "independent"):
        seen.clear()
        policy = make_adversary(
            [LearnedPolicy(strength=1.0)], [arm], 12, lambda modes: None, torch.device("cpu")
        )
        for step in range(10):
            policy.loss(Watching(), ones(1, 12, step))
        assert all(bool((views == views[:, :1]).all()) for views in seen) == (arm == "shared")


def test_entropy_keeps_a_policy_from_settling():
    def entropy(policy):
        p = policy.scores.softmax(1)
        return float(-(p * p.log()).sum())

    assert entropy(policy_after(300, entropy=1.0)) > entropy(policy_after(300, entropy=0.0)) + 0.5


def test_operations_keep_their_caps_and_change_nothing_at_strength_0():
    windows = torch.randn(2, 4000, 1, 10, generator=torch.Generator().manual_seed(0))
    start, rows = key_tensor([3, 4], torch.device("cpu")), torch.arange(4000).expand(2, 4000)
    strength = torch.tensor([0.0, 0.5])

    def done(operation):
        shown = operate(
            windows, torch.full((2, 4000), operation * LEVELS + LEVELS - 1), strength, start, rows
        )
        assert torch.equal(shown[0], windows[0])
        return shown[1] - windows[1], shown[1] / windows[1], shown[1]

    assert float((done(HIDE)[2] == 0).float().mean()) == pytest.approx(0.5 * CAPS["hide"], abs=0.02)
    assert float(done(NOISE)[0].std()) == pytest.approx(0.5 * CAPS["noise"], rel=0.03)
    ratio = done(GAIN)[1].log()
    assert (
        float(ratio.std()) == pytest.approx(0.5 * CAPS["gain"], rel=0.05)
        and float(ratio.std(2).max()) < 1e-4
    )
    assert float((done(PEPPER)[2] == FAR).float().mean()) == pytest.approx(
        0.5 * CAPS["pepper"], abs=0.01
    )


def test_slow_noise_varies_no_faster_than_its_cosines():
    seen = []

    class Watching:
        def loss(self, batch):
            seen.append((batch.views - 1).detach())
            return (batch.views * torch.arange(1.0, 9.0).view(8, 1)).square().mean((1, 2, 3))

    batch = Batch(torch.ones(1, 6, 8, 5), keys=key_tensor([5], torch.device("cpu")), step=0)
    one = AdversarialNoise(epsilon=0.3, ascents=3, slow=2)
    make_adversary([one], ["independent"], 5, lambda count: None, torch.device("cpu")).loss(
        Watching(), batch
    )
    waves = cosines(8, 2).float()
    for noise in seen:
        outside = noise - torch.einsum("ts,krsu->krtu", waves @ waves.T, noise)
        assert float(outside.abs().max()) < 1e-5 and 0.01 < float(noise.abs().max()) <= 0.3 + 1e-6
    assert float(seen[-1].std(dim=2).max()) > 0.01  # and yet it varies


def test_a_mask_is_of_its_view():
    kept = torch.ones(1, 2, 5)
    kept[0, 0, 1], kept[0, 1, 4] = 0, 0
    views = masked(torch.ones(1, 6, 2, 5), kept)
    assert views[0, :3, :, 1].sum() == 0 and views[0, 3:, :, 4].sum() == 0 and views.sum() == 48


def test_a_budget_of_all_units_is_refused():
    with pytest.raises(
        TrainingError,
        match=r"worst_of_masks.budget is 12, but the session has only 12 units, .* hide at most 11",
    ):
        make_adversary(
            [WorstOfMasks(budget=12)], ["none"], 12, lambda modes: None, torch.device("cpu")
        )
    with pytest.raises(TrainingError, match=r"adversarial_noise.modes is 13"):
        make_adversary(
            [AdversarialNoise(epsilon=1.0, modes=13)],
            ["none"],
            12,
            lambda modes: None,
            torch.device("cpu"),
        )


def test_every_declared_mask_has_a_search():
    schema = json.dumps(Study.model_json_schema())
    assert all(f'"{kind}"' in schema for kind in SEARCHES) and len(SEARCHES) == 3
