"""Pairs of the activity and another stream: what a step shows, what is learned, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from scipy.signal import lfilter

from invariance_probe.data.contents import Contents, Series, SpikeTrains, Table
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.batches import batch_of
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.signals import NwbRecording
from invariance_probe.study.study import Study
from invariance_probe.training.examples import EXAMPLES, TrainingWindows

BIN_S, LENGTH, JITTER_S, EMBARGO_S = 0.05, 4, 0.3, 0.4
HOLES = {"units": (23.0, 25.02), "lfp": (40.111, 42.507), "position": (61.3, 64.9)}
TRIALS = Table(np.arange(0, 90, 5.0), np.arange(0, 90, 5.0) + 4.83)
FAR = {"pairing": {"window_s": JITTER_S, "stream": "lfp"}, "base": {"kind": "none"}}


def series(rate_hz, channels, hole, seed):
    times = np.arange(0, 90, 1 / rate_hz)
    times = times[(times < hole[0]) | (times >= hole[1])]
    values = np.random.default_rng(seed).standard_normal((len(times), channels))
    return Series(values, times, tuple(f"c{i}" for i in range(channels)), "V")


def study_of(recordings, **changes):
    return Study.model_validate(
        tiny_study(
            **{
                "recordings": recordings,
                "views": FAR,
                "axes": [{"path": "time_jitter.window_s", "doses": [0, JITTER_S]}],
                "hypotheses": [
                    {**tiny_study()["hypotheses"][0], "axis": "time_jitter.window_s",
                     "dose": JITTER_S, "role": "exploratory"}
                ],
                **changes,
            }
        )
    )  # fmt: skip


def own_runs(plan):
    """Runs of the study's own setting, without those of its panel."""
    return [run for run in plan.grid if run.method.kind == "simclr" and run.setting == ""]


@pytest.fixture(scope="module")
def cut():
    """Two streams with a gap each, in trials; the benches of a run on them."""
    gen = np.random.default_rng(0)
    first, stop = HOLES["units"]
    trains = [np.sort(gen.uniform(0, 90, 900)) for _ in range(5)]
    trains = tuple(times[(times < first) | (times >= stop)] for times in trains)
    lfp, position = series(250.0, 3, HOLES["lfp"], 1), series(30.0, 1, HOLES["position"], 2)
    held = Contents(
        {"units": SpikeTrains(tuple("abcde"), trains, np.array([[0.0, first], [stop, 90.0]]))},
        {"lfp": lfp, "position": position},
        {"trials": TRIALS},
    )
    declared = NwbRecording(
        path="f.nwb", session="s", bin_s=BIN_S, trials="trials",
        targets={"position": {"series": "position"}}, streams={"lfp": {"signal": "lfp"}},
    )  # fmt: skip
    recording = Recording.from_contents(declared, held, "f.nwb")
    study = study_of(
        [recording.declared()],
        target={"name": "position"},
        window={"length_bins": LENGTH},
        folds={"scheme": "trials", "count": 3, "embargo_s": EMBARGO_S},
        training={"steps": 20, "batch_size": 32, "seeds": 2},
    )
    assert not recording_problems(study, Path())
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in own_runs(plan) if run.seed == 0 and run.dose]
    runs.sort(key=lambda run: run.fold)
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    return recording, lfp, runs, bench, training_bench(bench, runs[0])


def starts_by_hand():
    """Start of every bin of a trial in which both streams were observed (bin,)."""
    found = []
    for start in np.arange(1800) * BIN_S:
        stop = start + BIN_S
        in_trial = ((start >= TRIALS.start - 1e-9) & (stop <= TRIALS.stop + 1e-9)).any()
        (a, b), (c, d) = HOLES["units"], HOLES["lfp"]
        # samples of the LFP are 4 ms apart, from 0 s on
        last_before, first_after = np.ceil(c * 250 - 1e-9) / 250, np.ceil(d * 250 - 1e-9) / 250
        of_units = stop <= a + 1e-9 or start >= b - 1e-9
        of_lfp = stop <= last_before + 1e-9 or start >= first_after - 0.002 - 1e-9
        if in_trial and of_units and of_lfp:
            found.append(start)
    return np.array(found)


def test_bins_windows_pairs_and_targets_by_brute_force(cut):
    recording, _, _, bench, training = cut
    starts = starts_by_hand()
    assert len(recording.activity) == len(starts)
    trial = np.searchsorted(TRIALS.start, starts + 1e-6) - 1
    expected = [
        bin_
        for bin_ in range(len(starts) - LENGTH + 1)
        if trial[bin_ + LENGTH - 1] == trial[bin_]
        and starts[bin_ + LENGTH - 1] - starts[bin_] < (LENGTH - 0.5) * BIN_S
    ]
    assert training.windows.starts.tolist() == expected
    position = series(30.0, 1, HOLES["position"], 2)
    for window, target in zip(
        bench.windows.starts, bench.target.columns().numpy()[:, 0], strict=True
    ):
        centre = starts[window] + (LENGTH // 2 + 0.5) * BIN_S
        nearest = np.abs(position.times - centre).argmin()
        assert abs(position.times[nearest] - centre) <= BIN_S / 2 + 1e-6
        assert target == pytest.approx(position.values[nearest, 0])


def steps_of(runs, training, parts, count):
    keys = torch.tensor([[1], [2], [3]])[: len(runs)].flatten()
    material = TrainingWindows(
        training.windows, parts, [run.views.jitter for run in runs], training.step_s, keys, 32
    )
    examples = EXAMPLES["pairs"](runs[0].method, material)
    return [examples.at(step) for step in range(count)]


def test_what_a_step_shows_lies_in_the_training_part_and_is_the_stream_at_that_time(cut):
    _, lfp, runs, bench, training = cut
    parts = [training.train_windows(run) for run in runs]
    views = training.views(runs, parts, torch.float64)
    starts, samples = starts_by_hand(), views.stream.samples
    assert samples == round(LENGTH * BIN_S * 250)
    scale = []
    for part in parts:  # over every sample of the training windows, each once
        used = np.zeros(len(lfp.times), dtype=bool)
        for window in part:
            begin = starts[training.windows.starts[window]]
            used |= (lfp.times >= begin - 1e-6) & (lfp.times < begin + LENGTH * BIN_S - 1e-6)
        scale.append((lfp.values[used].mean(axis=0), lfp.values[used].std(axis=0)))
    tested = [
        [starts[bench.windows.starts[window]] for window in bench.folds[run.fold].test]
        for run in runs
    ]
    lags = set()
    for step, example in enumerate(steps_of(runs, training, parts, 12)):
        batch = batch_of(runs[0].method, views, training.timeline, example, step)
        assert batch.views.shape == (3, 32, LENGTH, 5)
        assert batch.second.shape == (3, 32, samples, 3)
        for run in range(3):
            for row in range(32):
                one, two = (
                    training.windows.starts[int(windows[run, row])]
                    for windows in (example.first, example.second)
                )
                lags.add(round((starts[two] - starts[one]) / BIN_S))
                assert abs(starts[two] - starts[one]) <= JITTER_S + 1e-9
                span = slice(min(one, two), max(one, two) + LENGTH)
                # no hole and no trial border from the first window to the second
                assert np.diff(starts[span]).max() < 1.5 * BIN_S
                for begin in (starts[one], starts[two]):
                    end = begin + LENGTH * BIN_S
                    near = [
                        other
                        for other in tested[run]
                        if begin < other + LENGTH * BIN_S + EMBARGO_S - 1e-9
                        and other < end + EMBARGO_S - 1e-9
                    ]
                    same_trial = [
                        other
                        for other in near
                        if np.searchsorted(TRIALS.start, other + 1e-6)
                        == np.searchsorted(TRIALS.start, begin + 1e-6)
                    ]
                    assert not same_trial
                begin = np.searchsorted(lfp.times, starts[two] - 1e-6)
                shown = lfp.values[begin : begin + samples].astype(np.float32)
                mean, sd = scale[run]
                np.testing.assert_allclose(
                    batch.second[run, row].numpy(), (shown - mean) / sd, atol=1e-5
                )
    assert lags == set(range(-6, 7))


def worlds(samples=4, unrelated=False):
    """Spikes with a strong latent of their own, and a weak one that an LFP shares."""
    gen = np.random.default_rng(3)
    own, shared = (lfilter([0.3], [1, -0.95], gen.standard_normal(2600))[200:] for _ in range(2))
    own, shared = own / own.std(), shared / shared.std()
    rates = np.exp(
        0.7 + own[:, None] * gen.normal(0, 0.5, 24) + shared[:, None] * gen.normal(0, 0.15, 24)
    )
    source = gen.permutation(shared) if unrelated else shared
    lfp = np.repeat(source, samples)[:, None] * gen.normal(0, 1, 6)
    lfp += 0.5 * gen.standard_normal(lfp.shape)
    return Recording.from_arrays(
        gen.poisson(rates), bin_s=0.1, targets={"shared": shared}, session="s",
        streams={"lfp": lfp},
    )  # fmt: skip


NARROW = {
    "kind": "simclr", "encoder": {"kind": "mlp", "widths": [32, 8]}, "projector": [16, 8],
}  # fmt: skip


def trained(recording, **changes):
    study = study_of(
        [recording.declared()],
        target={"name": "shared"},
        **{"method": NARROW, "training": {"steps": 200, "batch_size": 128, "seeds": 2}, **changes},
    )
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in own_runs(plan) if run.dose == 0]
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    return runs, bench, MEASURES["simclr"](bench, runs, lambda steps: None)


def losses(measured):
    return np.array([np.mean(one.result.block_losses) for one in measured])


def test_pairs_with_a_stream_teach_what_the_two_share():
    _, _, paired = trained(worlds())
    _, _, unrelated = trained(worlds(unrelated=True))
    split = {"views": {"base": {"kind": "count_splitting"}, "pairing": {"window_s": 0}}}
    _, _, halves = trained(worlds(), **split)
    assert losses(paired).mean() < losses(halves).mean() - 0.1
    assert losses(paired).mean() < losses(unrelated).mean() - 0.1


def test_a_run_does_not_depend_on_its_partners_in_the_stack():
    runs, bench, together = trained(worlds(), training={"steps": 30, "batch_size": 64, "seeds": 2})
    alone = [MEASURES["simclr"](bench, [run], lambda steps: None)[0] for run in runs]
    assert [one.result.block_losses for one in together] == [
        one.result.block_losses for one in alone
    ]


@pytest.mark.parametrize("kind", ["simclr", "vicreg", "barlow_twins", "simsiam"])
def test_every_method_that_pairs_streams_learns_from_the_stream(kind):
    recording = worlds()
    method = {"kind": kind, "encoder": {"kind": "mlp", "widths": [16, 8]}, "projector": [16, 16]}
    settings = {"method": method, "training": {"steps": 30, "batch_size": 64, "seeds": 1}}
    study = study_of([recording.declared()], target={"name": "shared"}, **settings)
    run = next(r for r in Plan(study, find_sessions(study, Path())).grid if r.method.kind == kind)
    found = []
    for values in (recording, replace(recording, streams=worlds(unrelated=True).streams)):
        bench = Workbench.of(values, run, torch.device("cpu"))
        found.append(MEASURES[kind](bench, [run], lambda steps: None)[0].result.block_losses)
    assert found[0] != found[1]


def test_keys_depend_on_the_stream_that_is_shown_and_on_no_other():
    def keys(streams, views=FAR):
        made = replace(worlds(), streams=streams)
        study = study_of([made.declared()], target={"name": "shared"}, views=views)
        plan = Plan(study, find_sessions(study, Path()))
        return {run.train_key() for run in plan.grid if run.method.kind == "simclr"}

    lfp, other = worlds().streams["lfp"], worlds(unrelated=True).streams["lfp"]
    first = keys({"lfp": lfp})
    assert first == keys({"lfp": lfp, "emg": other})
    assert not first & keys({"lfp": other})
    plain = {"pairing": {"window_s": 0.0}, "base": {"kind": "count_splitting"}}
    assert keys({"lfp": lfp}, plain) == keys({"lfp": other}, plain) == keys({}, plain)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": {**FAR, "base": {"kind": "count_splitting"}}}, "differ without a base"),
        ({"arms": ["independent", "paired"]}, "the second view shows the stream 'lfp', which no"),
        ({"method": {"kind": "byol"}}, "byol cannot pair the activity with the stream 'lfp'"),
        ({"method": {"kind": "linear_ssl"}}, "linear_ssl cannot pair"),
        ({"views": {**FAR, "pool": "subject"}}, "none for their streams"),
        (
            {"views": {**FAR, "adversary": {"kind": "worst_of_masks"}}},
            "an adversary acts on two views of the activity",
        ),
    ],
)
def test_studies_that_streams_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        study_of([worlds().declared()], target={"name": "shared"}, **changes)


def test_a_recording_without_the_stream_and_windows_without_a_sample_are_named():
    made = worlds()
    study = study_of([made.declared()], target={"name": "shared"})
    lacking = replace(made, streams={"emg": made.streams["lfp"]})
    (place, got, text), *_ = recording_problems(
        study_of([lacking.declared()], target={"name": "shared"}), Path()
    )
    assert (place, got) == (("views", "pairing", "stream"), "lfp")
    assert "has no stream 'lfp'; its streams are 'emg'" in text
    slow = replace(made.streams["lfp"], rate_hz=5.0)
    (place, _, text), *_ = recording_problems(
        study_of([replace(made, streams={"lfp": slow}).declared()], target={"name": "shared"}),
        Path(),
    )
    assert "a window of 0.1 s holds no whole sample of 'lfp', whose rate is 5 Hz" in text
    assert not recording_problems(study, Path())


def test_verdicts_of_two_streams_have_no_licence():
    from invariance_probe.plan.licences import Use, unlicensed
    from invariance_probe.plan.recipes import use_of

    study = study_of([worlds().declared()], target={"name": "shared"})
    use = use_of(study, study.hypotheses[0], 8)
    assert use == Use("time_jitter.window_s", JITTER_S, "two streams", "continuous", 8)
    reasons = unlicensed(study.method, study.training.optimisation(), use)
    assert any("two streams" in reason for reason in reasons)
