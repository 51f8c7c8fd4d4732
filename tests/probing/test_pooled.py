"""Models that train on several sessions, with an input layer for each.

They are measured on each session on its own.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from helpers.program import invoke, write

from invariance_probe.data.joined import join
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.methods import METHODS
from invariance_probe.methods.base import Batch
from invariance_probe.methods.negatives import admissible
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.probing.representation.encoding import normed_rows
from invariance_probe.study.methods import Negatives, SimCLR
from invariance_probe.study.study import Study

WORLD = {
    "kind": "simulated",
    "generator": "redundancy",
    "units": 10,
    "carriers": 10,
    "bins": 400,
    "information": 3,
}
SESSIONS = [
    {**WORLD, "session": f"day-{i}", "seed": i, "units": 10 + 2 * i, "subject": "ab"[i // 2]}
    for i in range(4)
]
SMOOTH = {"kind": "simulated", "generator": "smoothness", "units": 10, "bins": 400, "session": "a"}
ENCODERS = [
    {"kind": "mlp", "widths": [16, 8]},
    {"kind": "temporal_convolution", "channels": [8], "kernel_bins": 2, "dimensions": 8},
    {"kind": "gru", "width": 8, "dimensions": 8},
    {"kind": "transformer", "width": 8, "layers": 1, "heads": 2, "dimensions": 8},
]


def pooled(pool="subject", encoder=ENCODERS[0], bins=1, **views):
    """The plan of four sessions of two subjects, whose models train on those of their pool."""
    noisy = {
        "transforms": [{"kind": "unit_dropout"}, {"kind": "gaussian_noise", "sigma": 0.3}],
        "pool": pool,
        **views,
    }
    method = {"kind": "simclr", "encoder": encoder, "projector": [8, 8]}
    declared = tiny_study(
        recordings=SESSIONS, views=noisy, method=method, window={"length_bins": bins}
    )
    study = Study.model_validate(declared)
    return Plan(study, find_sessions(study, Path()))


def bench_and_runs(plan, session=0, count=3):
    name = plan.sessions[session].name
    runs = [
        run
        for run in plan.grid
        if run.session == name and run.method.kind == "simclr" and run.setting == ""
    ][:count]
    return Workbench.of(
        open_recording(plan.sessions[session].source, name, Path()),
        runs[0],
        torch.device("cpu"),
        Elsewhere.of(plan.sessions),
    ), runs


def test_joined_recordings_keep_their_bins_and_units_apart():
    first, second = (open_recording(s.source, s.name, Path()) for s in pooled().sessions[:2])
    joined = join([first, second])
    activity = joined.recording.activity
    assert (activity[:400, :10] == first.activity).all() and (
        activity[400:, 10:] == second.activity
    ).all()
    assert not activity[:400, 10:].any() and not activity[400:, :10].any()
    assert joined.recording.stretches[399] != joined.recording.stretches[400]
    assert (joined.present.sum(axis=1) == [10, 12]).all() and np.array_equal(
        joined.session, np.repeat([0, 1], 400)
    )
    assert (joined.recording.targets["label"][400:] == second.targets["label"]).all()


@pytest.mark.parametrize(
    ("pool", "companions"), [("subject", ["day-1"]), ("group", ["day-1", "day-2", "day-3"])]
)
def test_companions_are_the_other_sessions_of_the_pool(pool, companions):
    _, runs = bench_and_runs(pooled(pool))
    assert all([other.name for other in run.companions.sessions] == companions for run in runs)
    alone = runs[0].model_copy(update={"companions": None})
    assert alone.train_key() != runs[0].train_key() and "companions" not in alone.model_dump()


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder["kind"])
def test_an_encoder_cut_to_its_sessions_units_maps_its_windows_as_the_whole_one_does(encoder):
    bench, runs = bench_and_runs(pooled(encoder=encoder, bins=3))
    pool = training_bench(bench, runs[0])
    method, views, _ = train_ssl(pool, runs, lambda steps: None)
    parts = [bench.train_windows(run) for run in runs]
    rows = normed_rows(bench, views, parts)
    whole = Frozen.freeze(method.encoder, runs[0].method.encoder, *rows)
    cut = whole.of_units(10, pool.activity.shape[1])
    own = bench.views(runs, parts, torch.float32)
    torch.testing.assert_close(
        cut(own.clean(bench.all_windows)),
        whole(views.clean(bench.all_windows)),
        atol=1e-5,
        rtol=1e-5,
    )


def test_companions_reach_the_encoder_and_neither_partners_nor_slot_do():
    bench, runs = bench_and_runs(pooled())
    together = MEASURES["simclr"](bench, runs, lambda steps: None)
    (alone,) = MEASURES["simclr"](bench, runs[2:], lambda steps: None)
    assert alone.result.block_losses == together[2].result.block_losses
    assert all((alone.weights[name] == together[2].weights[name]).all() for name in alone.weights)
    assert alone.weights["weight0"].shape == (10, 16) and alone.weights["input_mean"].shape == (10,)
    (single,) = MEASURES["simclr"](
        bench, [runs[2].model_copy(update={"companions": None})], lambda steps: None
    )
    assert single.result.block_losses != alone.result.block_losses


def test_units_that_a_session_lacks_stay_zero_under_noise_and_dropout():
    bench, runs = bench_and_runs(pooled())
    pool = training_bench(bench, runs[0])
    views = pool.views(runs, [pool.train_windows(run) for run in runs], torch.float32)
    windows = torch.tensor([[5, 17, 420, 600]]).expand(len(runs), -1)
    shown = views.pair(0, windows, windows).unflatten(1, (2, 4))
    assert not shown[:, :, :2, :, 10:].any() and not shown[:, :, 2:, :, :10].any()
    assert shown[:, :, :2, :, :10].abs().sum() > 0 and shown[:, :, 2:, :, 10:].abs().sum() > 0


def test_each_sessions_units_are_standardised_over_its_own_training_windows():
    bench, runs = bench_and_runs(pooled())
    pool = training_bench(bench, runs[0])
    own = bench.scaling([bench.train_windows(run) for run in runs], torch.float32)
    joined = pool.scaling([pool.train_windows(run) for run in runs], torch.float32)
    assert (joined.mean[..., :10] == own.mean).all() and (
        joined.inverse_sd[..., :10] == own.inverse_sd
    ).all()
    companion = pool.recording.activity[400:, 10:]
    torch.testing.assert_close(
        joined.mean[0, 0, 0, 10:], torch.from_numpy(companion.mean(axis=0)).float()
    )


def test_a_pool_trains_on_all_of_its_companions_and_tests_on_none():
    bench, runs = bench_and_runs(pooled())
    pool = training_bench(bench, runs[0])
    train, own = pool.train_windows(runs[0]), bench.train_windows(runs[0])
    assert (train[: len(own)] == own).all() and (train[len(own) :] == np.arange(400, 800)).all()
    assert (pool.folds[0].test == bench.folds[0].test).all()
    third = pool.train_windows(runs[0].model_copy(update={"fraction": 0.25}))
    assert (pool.session_of[third] == 1).sum() == 100 and (
        pool.session_of[third] == 0
    ).sum() == round(len(own) / 4)


@pytest.mark.parametrize(
    ("scope", "allowed"), [("session", [1, 0, 0]), ("subject", [1, 1, 0]), ("any", [1, 1, 1])]
)
def test_negatives_come_from_the_declared_scope(scope, allowed):
    plan = pooled("group")
    bench, runs = bench_and_runs(plan)
    timeline = training_bench(bench, runs[0]).timeline
    mask = admissible(
        Negatives(scope=scope), timeline, torch.tensor([[5]]), torch.tensor([[90, 500, 1000]])
    )
    assert mask.flatten().int().tolist() == allowed


def test_by_default_windows_of_other_sessions_are_held_against_no_anchor():
    bench, runs = bench_and_runs(pooled("group"))
    timeline = training_bench(bench, runs[0]).timeline
    method = METHODS["simclr"](SimCLR(), (1, 6), [np.random.default_rng(0)])
    method.encoder, method.projector = (
        torch.nn.Flatten(2),
        torch.nn.Identity(),
    )  # no batch norm, through which all rows meet
    windows = torch.tensor(
        [[5, 90, 500, 600, 5, 90, 500, 600]]
    )  # two of the first session and two of the second, each with itself
    views, other = torch.randn(2, 1, 8, 1, 6, generator=torch.Generator().manual_seed(0))
    first = [0, 1, 4, 5]

    def gradient_of_first(views):
        views = views.clone().requires_grad_()
        method.loss(Batch(views, windows, timeline)).sum().backward()
        return views.grad[:, first]

    other[:, first] = views[:, first]
    assert torch.equal(gradient_of_first(views), gradient_of_first(other))


REFUSED = {
    "a pool of one": (
        {"views": {"pool": "subject"}, "recordings": SESSIONS[1:3]},
        "is the only session of its subject",
    ),
    "bins that differ": (
        {"views": {"pool": "group"}, "recordings": [SESSIONS[0], {**SESSIONS[1], "bin_s": 0.2}]},
        "cannot train one model",
    ),
    "targets of other columns": (
        {
            "views": {"pool": "group"},
            "recordings": [SMOOTH, {**SMOOTH, "session": "b", "label_dimensions": 1}],
        },
        "with the same columns",
    ),
    "a method of one session": (
        {"method": {"kind": "swap_vae"}},
        "can only be trained on windows of one session",
    ),
    "windows that mix sessions": (
        {
            "views": {
                "pool": "group",
                "transforms": [{"kind": "unit_dropout"}, {"kind": "waveform_drift", "mix": 0.1}],
            }
        },
        "as if all came from one session",
    ),
    "negatives of others without a pool": (
        {
            "views": {"transforms": [{"kind": "unit_dropout"}]},
            "method": {"kind": "simclr", "negatives": {"scope": "any"}},
        },
        "let models train on several",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_pool_can_be_made_of_is_refused_with_its_remedy(tmp_path, case):
    changes, said = REFUSED[case]
    declared = {
        **tiny_study(
            recordings=SESSIONS, views={"transforms": [{"kind": "unit_dropout"}], "pool": "group"}
        ),
        **changes,
    }
    declared["views"] = {"transforms": [{"kind": "unit_dropout"}], **declared["views"]}
    assert said in invoke("validate", write(tmp_path, declared), cwd=tmp_path, check=2).stderr


def test_a_study_sweeps_the_pool_and_its_verdict_is_not_calibrated(tmp_path):
    declared = tiny_study(
        recordings=SESSIONS[:2], sweeps=[{"path": "views.pool", "values": ["group"]}]
    )
    declared["views"] = {"transforms": [{"kind": "unit_dropout"}]}
    study = Study.model_validate(declared)
    plan = Plan(study, find_sessions(study, Path()))
    settings = {
        run.setting: run.companions is not None for run in plan.grid if run.method.kind == "simclr"
    }
    assert settings[""] is False and settings["views.pool=group"] is True
    declared |= {"views": {**declared["views"], "pool": "group"}, "sweeps": []}
    invoke("run", write(tmp_path, declared), cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
    assert report["runs"]["failed"] == report["runs"]["missing"] == 0
    licence = next(gate for gate in report["hypotheses"][0]["gates"] if gate["name"] == "licence")
    assert licence["passed"] is False and "several sessions" in licence["detail"]
