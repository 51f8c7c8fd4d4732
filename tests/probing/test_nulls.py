"""Nulls are exact where they should be, and are beaten by a code.

Where a circular shift fails, its warning shows it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
from nothing import BLOCKS, measured, plan_of

from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.data.simulate.latents import baseline_rates, ornstein_uhlenbeck
from invariance_probe.errors import DataError
from invariance_probe.inference.description.nulls import NOT_STATIONARY
from invariance_probe.plan.figures import written
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.probing.decoders.refitting import refit_all
from invariance_probe.probing.measurements.nulls import rank_p
from invariance_probe.probing.measurements.stationarity import stationarity_p
from invariance_probe.study.baselines import ShiftNull
from invariance_probe.study.study import Study
from invariance_probe.worker import work

KINDS = {
    "shift_null": {"kind": "linear_shift"},
    "circular_null": {"kind": "circular_shift", "shifts": 39},
    "session_null": {"kind": "other_sessions"},
}
NOTHING = {"generator": "nothing", "label_tau_s": 2.0}
CODE = {"generator": "redundancy", "carriers": 20, "information": 0.3, "nuisances": 0}


def claims(kind, world, sessions, **changes):
    found = measured(plan_of(world, sessions, **{"null": KINDS.get(kind), **changes}), kind)
    return np.array([session.p_value <= 0.05 for session in found]), found


def most(sessions, size=0.05):
    """The most claims that a test of this size makes but in one of 500 times."""
    return stats.binom.ppf(0.998, sessions, size)


def test_the_p_value_counts_null_losses_that_are_not_above_the_observed_one():
    assert rank_p(0.5, np.array([0.4, 0.5, 0.6, 0.7])) == 3 / 5
    assert rank_p(0.1, np.array([0.4, 0.5, 0.6, 0.7])) == 1 / 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["independent", "constant_rates"])
def test_a_null_is_not_beaten_where_activity_knows_nothing(kind, case):
    found, _ = claims(kind, {**NOTHING, "case": case}, 16)
    assert found.sum() <= most(16)


@pytest.mark.parametrize("kind", KINDS)
def test_a_null_is_beaten_by_a_code_and_its_draws_are_kept(kind):
    found, sessions = claims(kind, CODE, 8)
    assert found.mean() >= 0.75
    for session in sessions:
        null = np.array(session.draws)
        assert len(null) >= 39 and session.p_value == pytest.approx(
            (1 + (null <= session.observed).sum()) / (1 + len(null))
        )
        assert np.median(null) > session.observed


def test_a_circular_shift_finds_codes_in_common_trends_and_its_warning_says_so():
    trend = {**NOTHING, "case": "common_trend"}
    fooled, sessions = claims("circular_null", trend, 16)
    assert fooled.mean() > 0.5
    assert np.mean([s.stationarity_p <= NOT_STATIONARY for s in sessions]) >= 0.8
    for kind in ("shift_null", "session_null"):
        assert claims(kind, trend, 16)[0].sum() <= most(16)
    _, still = claims("circular_null", {**NOTHING, "case": "independent"}, 16)
    assert np.mean([s.stationarity_p <= NOT_STATIONARY for s in still]) <= 0.25


def shift_null(counts, label, **method):
    """Diagnostics of the linear shift on arrays (time, unit) and (time,)."""
    recording = Recording(
        session="s",
        subject="a",
        group="",
        activity=counts.astype(np.int32),
        activity_kind="counts",
        bin_s=0.1,
        unit_ids=tuple(map(str, range(counts.shape[1]))),
        targets={"label": label},
        trials=None,
        segments=np.zeros(len(counts), dtype=np.int64),
        truth={},
    )
    plan = plan_of(
        {**NOTHING, "case": "independent"}, 1, window={"length_bins": method.pop("length_bins", 1)}
    )
    run = plan.baselines[0].model_copy(update={"method": ShiftNull(**method)})
    bench = Workbench.of(recording, run, torch.device("cpu"))
    return MEASURES["shift_null"](bench, [run], lambda steps: None)[0].result.figures


def drifting(rng, bins=1600, units=60):
    """Counts whose units' gains drift for minutes, each on its own and all together."""
    gains = 0.35 * ornstein_uhlenbeck(rng, bins, units + 1, 120.0, 0.1)
    return rng.poisson(baseline_rates(rng, units) * 0.1 * np.exp(gains[:, 1:] + gains[:, :1]))


def test_a_heavy_tailed_code_beats_its_null():
    """Rare large values lie in some stretches of the recording only.

    By raw errors, half of these sessions would be lost.
    """
    for seed in range(12):
        rng = np.random.default_rng(seed)
        label = ornstein_uhlenbeck(rng, 1600, 1, 0.2, 0.1)[:, 0]
        counts = rng.poisson(
            2 * np.exp(np.sqrt(2 / 120) * label[:, None] * rng.choice([-1, 1], 60))
        )
        assert shift_null(counts, np.sign(label) * label**4).p_value <= 0.05


def test_a_target_that_rests_in_mid_session_is_not_found_where_nothing_codes_for_it():
    """Shifted stretches vary more than the middle of the session.

    By raw errors, a third of such sessions seem decodable.
    """
    swing = 0.15 + 3 * np.maximum(np.abs(np.linspace(-1, 1, 1600)) - 0.45, 0)
    found = 0
    for seed in range(48):
        rng = np.random.default_rng(seed)
        label = ornstein_uhlenbeck(rng, 1600, 1, 10.0, 0.1)[:, 0] * swing
        found += shift_null(drifting(rng), label).p_value <= 0.05
    assert found <= most(48)


def test_losses_of_a_null_are_fractions_of_the_floor_of_their_own_target():
    rng = np.random.default_rng(0)
    label = np.concatenate(
        [rng.standard_normal(150), 0.01 * rng.standard_normal(300), rng.standard_normal(150)]
    )
    found = shift_null(rng.poisson(2, (600, 4)), label)
    values = [
        found.observed,
        *found.draws,
    ]
    assert len(values) == 41 and np.all(np.abs(np.log(values)) < 0.2)


def test_a_shift_reads_all_bins_of_a_window():
    """The label is known from the count one bin later alone: the last bin of windows of three."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(4, (600, 6))
    label = np.roll(counts[:, 0], -1).astype(float)
    assert (
        shift_null(counts, label, length_bins=3).observed
        < 0.1
        < 0.9
        < shift_null(counts, label).observed
    )


def test_an_odd_number_of_shifts_gives_enough_draws_for_five_percent():
    rng = np.random.default_rng(0)
    counts = rng.poisson(4, (600, 6))
    assert shift_null(counts, counts[:, 0].astype(float), shifts=19).p_value <= 0.05


def test_a_target_that_does_not_vary_where_it_is_decoded_is_refused():
    rng = np.random.default_rng(0)
    label = np.where(np.abs(np.arange(600) - 300) < 200, 1.0, rng.standard_normal(600))
    with pytest.raises(
        DataError, match="does not vary in the windows from which the null decodes it"
    ):
        shift_null(rng.poisson(4, (600, 6)), label)


TRIALS = {
    "null": {"kind": "pseudo_session", "by": "trial", "draws": 39},
    "folds": {"scheme": "trials", "count": 5},
}


def randomised(folder, sessions, gain):
    """Sessions of 60 trials of unequal length, under rates that drift.

    Each trial has a class that was drawn at random.
    """
    rng = np.random.default_rng(int(10 * gain))
    sources = []
    for i in range(sessions):
        trial = np.repeat(np.arange(60), rng.integers(4, 12, 60))
        label = rng.integers(0, 3, 60)[trial]
        drift = np.cumsum(rng.standard_normal((len(trial), 1)), axis=0) / 20
        tuned = rng.standard_normal((3, 12))[label]
        others = rng.integers(0, 3, (39, 60))[
            :, trial
        ]  # what the experimenter could as well have drawn
        np.savez(
            folder / f"{i}.npz",
            x=rng.poisson(np.exp(0.5 + gain * tuned + 0.3 * drift)),
            y=label,
            trial=trial,
            others=others,
        )
        sources.append(
            {
                "kind": "npz",
                "path": f"{i}.npz",
                "session": f"s{i}",
                "activity": "x",
                "bin_s": 0.1,
                "trial": "trial",
            }
        )
    return {"recordings": sources, "target": {"name": "y", "kind": "categorical"}}


@pytest.mark.parametrize("how", [{"by": "trial"}, {"array": "others"}])
@pytest.mark.parametrize("gain", [0.0, 0.3])
def test_pseudo_sessions_are_beaten_by_a_code_for_randomised_trials_only(tmp_path, how, gain):
    null = {"kind": "pseudo_session", "draws": 39, **how}
    study = Study.model_validate(
        tiny_study(**randomised(tmp_path, 10, gain), folds=TRIALS["folds"], null=null)
    )
    found = measured(Plan(study, find_sessions(study, tmp_path)), "pseudo_null", tmp_path)
    beaten = np.array([session.p_value <= 0.05 for session in found])
    assert beaten.mean() >= 0.8 if gain else beaten.sum() <= most(10)
    assert all(session.trials == 60 for session in found)


def test_other_sessions_are_read_from_the_studys_folder_and_must_be_those_that_were_planned(
    tmp_path,
):
    rng = np.random.default_rng(0)

    def write(i):
        np.savez(
            tmp_path / f"{i}.npz",
            x=rng.poisson(3, (200 + 10 * i, 5)),
            y=rng.standard_normal(200 + 10 * i),
        )
        return {
            "kind": "npz",
            "path": f"{i}.npz",
            "session": f"s{i}",
            "activity": "x",
            "bin_s": 0.1,
        }

    changes = {
        "recordings": [write(i) for i in range(6)],
        "target": {"name": "y"},
        "null": KINDS["session_null"],
    }
    study = Study.model_validate(tiny_study(**changes))
    plan = Plan(study, find_sessions(study, tmp_path))
    run, session = plan.baselines[0], plan.sessions[0]
    events = []
    job = {
        "store": str(tmp_path / "runs"),
        "runs": [run.model_dump(mode="json")],
        "source": session.source.model_dump(mode="json"),
        "session": "s0",
        "others": {other.name: other.source.model_dump(mode="json") for other in plan.sessions[1:]},
        "base": str(tmp_path),
    }
    work(job, events.append)
    assert [(e["key"], e["status"]) for e in events if e["event"] == "committed"] == [
        (run.key(), "done")
    ]

    write(1)
    stale = run.model_copy(
        update={"window": run.window.model_copy(update={"length_bins": 2})}
    )  # its windows were not cut before
    bench = Workbench.of(
        open_recording(session.source, "s0", tmp_path),
        stale,
        torch.device("cpu"),
        Elsewhere.of(plan.sessions, tmp_path),
    )
    with pytest.raises(DataError, match="the data of session 's1' changed"):
        MEASURES["session_null"](bench, [stale], lambda steps: None)


def test_other_sessions_need_the_same_columns(tmp_path):
    rng = np.random.default_rng(0)
    sources = []
    for i in range(6):
        np.savez(
            tmp_path / f"{i}.npz",
            x=rng.poisson(3, (200, 5)),
            y=rng.standard_normal((200, 1 + i % 2)),
        )
        sources.append(
            {"kind": "npz", "path": f"{i}.npz", "session": f"s{i}", "activity": "x", "bin_s": 0.1}
        )
    study = Study.model_validate(
        tiny_study(recordings=sources, target={"name": "y"}, null=KINDS["session_null"])
    )
    with pytest.raises(DataError, match="has 1 columns, but 2 in session 's1'"):
        measured(Plan(study, find_sessions(study, tmp_path)), "session_null", tmp_path)


def test_refitting_many_courses_at_once_equals_one_by_one():
    plan = plan_of({**NOTHING, "case": "independent"}, 1)
    run, session = plan.baselines[0], plan.sessions[0]
    bench = Workbench.of(
        open_recording(session.source, session.name, None), run, torch.device("cpu")
    )
    courses, windows = np.random.default_rng(0).standard_normal((150, 500, 2)), np.arange(50, 550)
    together = refit_all(bench, windows, courses)
    for i in (0, 99, 100, 149):
        alone = refit_all(bench, windows, courses[i : i + 1])
        np.testing.assert_allclose(
            [together.errors[i], together.floors[i]], [alone.errors[0], alone.floors[0]], rtol=1e-9
        )
    train, test = bench.folds[0].train, bench.folds[0].test
    floors = sum(
        (
            (
                courses[0][np.isin(windows, f.train)].mean(axis=0)
                - courses[0][np.isin(windows, f.test)]
            )
            ** 2
        ).sum()
        for f in bench.folds
    )
    assert together.floors[0] == pytest.approx(floors) and not set(train) & set(test)


def test_the_stationarity_test_sees_levels_and_powers_that_change_and_no_more():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((50, 900, 1))
    ramp = np.linspace(0, 1, 900)[:, None]
    assert np.mean([stationarity_p(x) <= NOT_STATIONARY for x in white]) <= 0.16
    assert np.mean([stationarity_p(x + 2 * ramp) <= NOT_STATIONARY for x in white]) == 1
    assert np.mean([stationarity_p(x * (1 + 3 * ramp)) <= NOT_STATIONARY for x in white]) > 0.9
    assert stationarity_p(white[0][:40]) == 1.0 and stationarity_p(np.ones((900, 1))) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["independent", "constant_rates", "common_trend"])
def test_size_over_two_hundred_sessions(kind, case):
    found, sessions = claims(kind, {**NOTHING, "case": case, "seed": 7}, 200, groups=10)
    if (kind, case) == ("circular_null", "common_trend"):
        assert (
            found.mean() > 0.5
            and np.mean([s.stationarity_p <= NOT_STATIONARY for s in sessions]) >= 0.9
        )
    else:
        assert found.sum() <= most(200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_power_at_a_tenth_of_information(kind):
    """Half of the data cost the linear shift most of its power at these 600 bins."""
    found, _ = claims(
        kind, {"generator": "redundancy", "carriers": 20, "information": 0.1}, 100, groups=5
    )
    assert found.mean() >= (0.15 if kind == "shift_null" else 0.85)


def test_draws_are_plain_json():
    plan = plan_of({**NOTHING, "case": "independent"}, 6, null=KINDS["session_null"], folds=BLOCKS)
    for figures in measured(plan, "session_null"):
        json.dumps(written(figures), allow_nan=False)
