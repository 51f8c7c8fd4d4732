"""Pairs across states: waking windows are anchors, sleep is partner only.

Waking windows alone are labelled. Arms differ in which sleep the partners come from.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch
from conftest import tiny_study

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.state_mining import WindowSequence, alike_asleep, equal_pools
from invariance_probe.data.folds import make_folds
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.data.states import PERMUTED, RECORDED, SHUFFLED, permuted_units, restricted
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import TrainingError
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.state_pairing import STATE_SOURCES, StatePairing
from invariance_probe.study.study import Study
from invariance_probe.training.examples import EXAMPLES, TrainingWindows

WORLD = {
    "kind": "simulated",
    "generator": "replay",
    "session": "night",
    "units": 24,
    "bins": 1200,
    "bout_s": 3.0,
    "label_gain": 0.8,
    "control_sleep": True,
}
PAIRING = {
    "kind": "state",
    "window_s": 0.2,
    "partners": [1],
    "others": [2],
    "gap_s": 2.0,
    "span_s": 1.0,
}
CONTRAST = {
    "kind": "contrast",
    "id": "S",
    "claim": "sleep replays",
    "axis": "state.share",
    "dose": 0.5,
}
WINDOW = {"length_bins": 1, "within": {"array": "state", "values": [0]}}
STUDY = {
    "recordings": [WORLD],
    "target": {"name": "label"},
    "window": WINDOW,
    "views": {"pairing": PAIRING},
    "axes": [{"path": "state.share", "doses": [0, 0.5, 0.9]}],
    "hypotheses": [CONTRAST],
}


def opened(kind="simclr", fold=0, **changes):
    study = Study.model_validate(tiny_study(**{**STUDY, **changes}))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [r for r in plan.grid if r.method.kind == kind and r.fold == fold and r.seed == 0]
    return Workbench.of(
        open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
    ), runs


def examples_of(bench, runs, steps=20):
    parts = [bench.train_windows(run) for run in runs]
    keys = key_tensor(bench.keys("order", runs), bench.device)
    distant = [bench.distant(run, part) for run, part in zip(runs, parts, strict=True)]
    jitters = [run.views.jitter for run in runs]
    found = EXAMPLES["pairs"](
        None, TrainingWindows(bench.windows, parts, jitters, 0.1, keys, 64, distant=distant)
    )
    return [found.at(step) for step in range(steps)]


def arm(runs, name, dose=0.5):
    return next(run for run in runs if (run.arm, run.dose) == (name, dose))


def test_baselines_folds_and_targets_know_waking_windows_only():
    bench, _ = opened()
    state = bench.whole.targets["state"]
    assert len(bench.windows.starts) == (state == 0).sum() == len(bench.target.values)
    assert (bench.recording.targets["state"] == 0).all()
    assert all(
        fold.test.max() < len(bench.windows.starts) and fold.train.max() < len(bench.windows.starts)
        for fold in bench.folds
    )
    labelled = np.asarray(bench.whole.targets["label"])[state == 0]
    assert bench.target.scale == pytest.approx(labelled.var(axis=0).sum())


def test_a_target_may_be_unknown_asleep_and_nowhere_else():
    bench, runs = opened()
    unknown = np.asarray(bench.whole.targets["label"]).copy()
    unknown[bench.whole.targets["state"] != 0] = np.nan
    half = replace(bench.whole, targets={**bench.whole.targets, "label": unknown})
    again = Workbench.of(half, runs[0], torch.device("cpu"))
    assert torch.equal(again.target.values, bench.target.values)
    with pytest.raises(Exception, match="NaN"):
        Workbench.of(half, runs[0].model_copy(update={"window": Window()}), torch.device("cpu"))


@pytest.mark.parametrize("source", STATE_SOURCES)
@pytest.mark.parametrize("fold", [0, 1])
def test_anchors_are_awake_in_the_training_part_and_partners_sleep_in_their_arms_state(
    source, fold
):
    bench, runs = opened(fold=fold)
    run = arm(runs, source)
    train = bench.train_windows(run)
    first, second = bench.distant(run, train).pairs(train)
    assert len(first) > 0.7 * 3 * len(train) and np.isin(first, train).all()
    unlabelled, count = bench.asleep(run).unlabelled, len(bench.windows.starts)
    place, version = (
        (second - count) % len(unlabelled.starts),
        (second - count) // len(unlabelled.starts),
    )
    assert (second >= count).all()
    assert (unlabelled.state[place] == (2 if source == "other_state" else 1)).all()
    assert set(version) == {
        {"time_shuffled": SHUFFLED, "unit_permuted": PERMUTED}.get(source, RECORDED)
    }
    awake = np.flatnonzero(bench.whole.targets["state"] == 0)
    assert (
        np.abs(unlabelled.recorded[place][:, None] - awake).min(axis=1) * 0.1 > 2.0 - 1e-9
    ).all()


def test_all_arms_serve_the_same_anchors_from_pools_of_one_size():
    bench, runs = opened()
    found = {
        name: bench.distant(arm(runs, name), bench.train_windows(runs[0])) for name in STATE_SOURCES
    }
    for one in found.values():
        assert np.array_equal(one.count, found["mined"].count) and one.share == 0.5
    run = arm(runs, "mined")
    sleep = bench.asleep(run).sleep(run.views.pairing, run)
    assert len(sleep.pools[0]) == len(sleep.pools[1]) > 100
    short = np.concatenate([np.arange(10), np.arange(50, 56)])
    a, b = equal_pools([short, np.arange(200, 300)])
    assert (
        (a == short).all()
        and len(b) == 16
        and [len(run) for run in np.split(b, np.flatnonzero(np.diff(b) != 1) + 1)] == [10, 6]
    )


def test_a_longer_state_holds_no_nearer_partners_by_its_length_alone():
    """As many candidates are as near in a short and in a ten times longer state.

    One process drives the waking activity and both states.
    """
    rng = np.random.default_rng(8)

    def course(bins):
        steps = rng.standard_normal((bins, 3)) * np.sqrt(1 - 0.98**2)
        return scipy.signal.lfilter([1.0], [1.0, -0.98], steps, axis=0)

    def nearest(awake, asleep):
        return ((awake[:, None] - asleep) ** 2).sum(axis=2).min(axis=1).mean()

    ratios, thinned = [], []
    for _ in range(30):
        awake, short, long = course(300), course(500), course(5000)
        _, pool = equal_pools([np.arange(500), np.arange(5000)])
        ratios.append(nearest(awake, long[pool]) / nearest(awake, short))
        thinned.append(nearest(awake, long[::10]) / nearest(awake, short))
    assert 0.85 < np.exp(np.mean(np.log(ratios))) < 1.18 and np.exp(np.mean(np.log(thinned))) < 0.8


def test_at_share_0_pairs_are_those_of_a_time_jitter_to_the_bit_beside_whatever_runs():
    bench, runs = opened()
    local = runs[0]
    jitter = local.model_copy(
        update={"views": local.views.model_copy(update={"pairing": local.views.jitter})}
    )
    alone, beside = (
        examples_of(bench, [jitter]),
        examples_of(bench, [local, arm(runs, "mined"), arm(runs, "unit_permuted", 0.9)]),
    )
    for a, b in zip(alone, beside, strict=True):
        assert torch.equal(a.first[0], b.first[0]) and torch.equal(a.second[0], b.second[0])


def test_arms_draw_the_same_numbers_and_differ_in_the_partner_asleep_alone():
    bench, runs = opened()
    awake = len(bench.windows.starts)
    drawn = {name: examples_of(bench, [arm(runs, name)]) for name in STATE_SOURCES}
    for name in STATE_SOURCES[1:]:
        for own, other in zip(drawn["mined"], drawn[name], strict=True):
            assert torch.equal(own.first, other.first) and torch.equal(
                own.second >= awake, other.second >= awake
            )
            assert torch.equal(own.second[own.second < awake], other.second[own.second < awake])
        assert any(
            not torch.equal(a.second, b.second)
            for a, b in zip(drawn["mined"], drawn[name], strict=True)
        )
    for low, high in zip(
        *(examples_of(bench, [arm(runs, "mined", dose)]) for dose in (0.5, 0.9)), strict=True
    ):
        asleep = low.second >= awake
        assert torch.equal(low.second[asleep], high.second[asleep])


def test_a_run_measures_the_same_alone_and_in_a_stack():
    bench, runs = opened()
    stack = [runs[0], arm(runs, "other_state", 0.9), arm(runs, "unit_permuted")]
    together = MEASURES["simclr"](bench, stack, lambda _: None)
    for run, found in zip(stack, together, strict=True):
        alone = MEASURES["simclr"](opened()[0], [run], lambda _: None)[0]
        assert alone.result.block_losses == found.result.block_losses
        assert all(
            np.array_equal(alone.weights[name], found.weights[name]) for name in alone.weights
        )


def test_shuffling_keeps_every_stretchs_bins_and_permuting_every_bins_counts_by_tertile():
    bench, runs = opened()
    unlabelled = bench.asleep(runs[0]).unlabelled
    recorded, shuffled, permuted = unlabelled.activity
    for stretch in np.unique(unlabelled.stretch):
        bins = unlabelled.starts[unlabelled.stretch == stretch]
        assert np.array_equal(np.sort(recorded[bins], axis=0), np.sort(shuffled[bins], axis=0))
    assert {row.tobytes() for row in shuffled} == {row.tobytes() for row in recorded}
    assert not np.array_equal(shuffled, recorded)
    assert np.array_equal(np.sort(permuted, axis=1), np.sort(recorded, axis=1))


def test_a_permutation_moves_every_unit_inside_its_tertile_of_rates():
    activity = np.random.default_rng(0).poisson(np.linspace(1, 20, 30), (2000, 30))
    taken = permuted_units(activity, np.random.default_rng(1))
    assert sorted(taken) == list(range(30)) and (taken != np.arange(30)).all()
    tertile = np.argsort(np.argsort(activity.mean(axis=0))) // 10
    assert np.array_equal(tertile[taken], tertile)


def lapped(bins=600, units=12, speed=1.0, rng=None, noise=0.1):
    """Bumps of activity that run round a ring of units.

    Returned are the phase (bin,) and the activity (bin, unit).
    """
    phase = (0.05 * speed * np.arange(bins)) % (2 * np.pi)
    bumps = np.exp(2 * np.cos(phase[:, None] - np.linspace(0, 2 * np.pi, units, endpoint=False)))
    return phase, bumps + noise * (rng or np.random.default_rng(0)).standard_normal((bins, units))


@pytest.mark.parametrize("compression", [0.5, 1.0, 2.0])
def test_partners_run_alike_at_the_declared_compression(compression):
    declared = StatePairing(
        partners=(1,),
        others=(2,),
        span_s=2.0,
        compression=compression,
        components=3,
        smoothing_s=0.0,
    )
    phase, awake = lapped()
    asleep_phase, asleep = lapped(speed=compression)
    course = WindowSequence(asleep, np.zeros(600, int))
    pool = np.flatnonzero(course.holds(declared.offsets(0.1)[1]))
    table = alike_asleep(
        declared, WindowSequence(awake, np.zeros(600, int)), course, pool, counts=False, bin_s=0.1
    )
    served = (table >= 0).all(axis=1)
    apart = np.angle(np.exp(1j * (phase[served, None] - asleep_phase[table[served]])))
    assert served.mean() > 0.9 and np.abs(apart).mean() < 0.15


def test_gain_and_rate_of_sleep_do_not_choose_its_partners():
    declared = StatePairing(partners=(1,), others=(2,), span_s=1.0, components=3, smoothing_s=0.0)
    _, awake = lapped()
    _, asleep = lapped(rng=np.random.default_rng(4))
    pool = np.arange(20, 580)
    tables = [
        alike_asleep(
            declared,
            WindowSequence(awake, np.zeros(600, int)),
            WindowSequence(asleep * gain + rate, np.zeros(600, int)),
            pool,
            False,
            0.1,
        )
        for gain, rate in ((1.0, 0.0), (3.0, 7.0))
    ]
    assert np.array_equal(np.sort(tables[0], axis=1), np.sort(tables[1], axis=1))


def test_partners_of_one_half_come_from_components_of_the_other():
    declared = StatePairing(partners=(1,), others=(2,), span_s=1.0, components=3, smoothing_s=0.0)
    _, awake = lapped()
    _, asleep = lapped(rng=np.random.default_rng(4))
    pool, still = np.arange(20, 580), np.zeros(600, int)
    own = alike_asleep(
        declared, WindowSequence(awake, still), WindowSequence(asleep, still), pool, False, 0.1
    )
    changed = awake.copy()
    changed[300:] = np.random.default_rng(9).standard_normal((300, 12))  # the second half alone
    other = alike_asleep(
        declared, WindowSequence(changed, still), WindowSequence(asleep, still), pool, False, 0.1
    )
    again = changed.copy()
    # One window of the first half changes. That moves the trajectories around it, and the means
    # of the first half, which serve the second half alone.
    again[100] += 5.0
    third = alike_asleep(
        declared, WindowSequence(again, still), WindowSequence(asleep, still), pool, False, 0.1
    )
    assert not np.array_equal(own[:300], other[:300])  # served by components of the second half
    unmoved = np.r_[0:94, 107:300]
    assert np.array_equal(np.sort(third[unmoved], axis=1), np.sort(other[unmoved], axis=1))


def test_sleep_recorded_between_the_windows_of_a_test_part_is_no_partner():
    world = {**WORLD, "bins": 2400}
    bench, runs = opened(recordings=[world])
    state = np.tile(
        np.repeat([0, 1, 2], [120, 40, 40]), 12
    )  # sleep between waking, as rest lies between runs
    mixed = replace(
        bench.whole,
        targets={**bench.whole.targets, "state": state},
        segments=np.zeros(2400, dtype=np.int64),
    )
    bench = Workbench.of(mixed, runs[0], torch.device("cpu"))
    for source in STATE_SOURCES:
        run = arm(runs, source)
        train, unlabelled = bench.train_windows(run), bench.asleep(run).unlabelled
        second = bench.distant(run, train).pairs(train)[1]
        recorded = unlabelled.recorded[
            (second - len(bench.windows.starts)) % len(unlabelled.starts)
        ]
        first, last = unlabelled.inside[bench.windows.starts[bench.folds[0].test[[0, -1]]]]
        assert not ((recorded >= first) & (recorded <= last)).any()


def test_too_little_sleep_is_refused_with_what_to_do():
    bench, runs = opened(views={"pairing": {**PAIRING, "span_s": 40.0}})
    with pytest.raises(TrainingError, match="Use a shorter span_s or gap_s"):
        bench.distant(arm(runs, "mined"), bench.train_windows(runs[0]))


def test_linear_ssl_takes_the_pairs_that_training_draws_from():
    bench, runs = opened("linear_ssl", method={"kind": "linear_ssl", "dimensions": 4})
    runs = [run for run in runs if run.setting == ""]
    measured = {
        (run.arm, run.dose): MEASURES["linear_ssl"](bench, [run], lambda _: None)[0].result
        for run in runs
    }
    assert len(measured) == 9 and {result.status for result in measured.values()} == {"done"}
    losses = [result.block_losses for result in measured.values()]
    assert len(set(losses)) == 9
    assert measured["mined", 0.5].figures.distant.share == pytest.approx(0.5, abs=0.15)


def test_a_restricted_recording_breaks_stretches_and_keeps_its_segments():
    bench, _ = opened()
    state = np.tile(np.repeat([0, 1], [10, 5]), 80)
    mixed = replace(
        bench.whole,
        targets={"state": state, "label": bench.whole.targets["label"]},
        segments=np.zeros(1200, dtype=np.int64),
    )
    awake = restricted(mixed, Window.model_validate(WINDOW))
    assert (
        len(awake.activity) == 800
        and (np.bincount(awake.stretches) == 10).all()
        and not awake.segments.any()
    )


def test_at_share_0_nothing_depends_on_how_large_counts_are_asleep():
    bench, runs = opened()
    busy = bench.whole.activity.copy()
    busy[bench.whole.targets["state"] != 0] *= (
        20  # beyond what the packed words of waking counts hold
    )
    bench = Workbench.of(replace(bench.whole, activity=busy), runs[0], torch.device("cpu"))
    beside = MEASURES["simclr"](bench, [runs[0], arm(runs, "mined")], lambda steps: None)
    (alone,) = MEASURES["simclr"](bench, runs[:1], lambda steps: None)
    assert beside[0].result.block_losses == alone.result.block_losses


def test_folds_by_trials_keep_a_trial_whole_that_a_state_breaks():
    bench, _ = opened()
    trials = np.repeat(np.arange(40), 30)
    state = np.tile(np.repeat([0, 1, 0], [13, 5, 12]), 40)
    broken = replace(
        bench.whole,
        trials=trials,
        targets={**bench.whole.targets, "state": state},
        segments=np.zeros(1200, int),
    )
    awake = restricted(broken, Window.model_validate(WINDOW))
    windows = cut_windows(awake, Window(length_bins=1))
    for fold in make_folds(awake, windows, Folds(scheme="trials", count=3)):
        of = [set(awake.trials[windows.starts[part]]) for part in (fold.train, fold.test)]
        assert not of[0] & of[1] and len(of[0] | of[1]) == 40


def test_a_method_that_mines_for_itself_takes_no_pairs_across_states():
    with pytest.raises(ValueError, match="also windows of sleep"):
        opened("myow", method={"kind": "myow"})
