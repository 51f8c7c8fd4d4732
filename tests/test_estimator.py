"""The scikit-learn transformer.

Its contract, its rows, its file, and the encoders that studies export.
"""

import doctest
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from conftest import tiny_study
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import invariance_probe.estimator as module
from invariance_probe.data.folds import Fold
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import ArrayError, DataError, StoreError, StudyError, TrainingError
from invariance_probe.estimator import SSLTransformer
from invariance_probe.methods.base import Method
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import measure_ssl, train_ssl
from invariance_probe.results.encoder_file import EncoderFile
from invariance_probe.results.store import Store
from invariance_probe.runner import export_encoder
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.load import open_study
from invariance_probe.study.methods import SimCLR
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.study import Study
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

METHOD = {"kind": "simclr", "encoder": {"kind": "mlp", "widths": [16, 8]}, "projector": [8]}
GRU = {"kind": "simclr", "encoder": {"kind": "gru", "width": 8, "dimensions": 8}, "projector": [8]}
QUICK = {"steps": 10, "batch_size": 32}


def recorded(seed=0, bins=400, units=20):
    gen = np.random.default_rng(seed)
    angle = np.repeat(gen.uniform(0, 2 * np.pi, bins // 20), 20) + np.tile(
        np.linspace(0, 1, 20), bins // 20
    )
    counts = gen.poisson(np.exp(0.5 + np.cos(angle[:, None] - gen.uniform(0, 2 * np.pi, units))))
    return counts, np.column_stack([np.cos(angle), np.sin(angle)])


COUNTS, POSITION = recorded()
TRIALS = np.repeat(np.arange(20), 20)


@parametrize_with_checks([SSLTransformer(METHOD, training={"steps": 3, "batch_size": 4})])
def test_the_contract_of_scikit_learn_is_kept(estimator, check):
    check(estimator)


def test_parameters_are_only_stored_and_clones_are_unfitted_equals():
    method = SimCLR(temperature=0.3)
    made = SSLTransformer(method, training=QUICK, window_bins=3, seed=4)
    assert made.method is method and made.get_params()["training"] is QUICK
    copy = clone(made.fit(COUNTS))
    assert copy.get_params() == made.get_params() and not hasattr(copy, "encoder_")
    again = copy.fit(COUNTS)
    assert np.array_equal(again.transform(COUNTS), made.transform(COUNTS))  # the seed says all
    assert not np.allclose(
        clone(made).set_params(seed=5).fit(COUNTS).transform(COUNTS), made.transform(COUNTS)
    )


def test_training_is_that_of_a_study_on_all_windows():
    fitted = SSLTransformer(METHOD, training=QUICK, bin_s=0.1, window_bins=3, seed=2).fit(
        COUNTS, trials=TRIALS
    )
    names = tuple(str(unit) for unit in range(20))
    recording = Recording(
        "X", "", "", COUNTS, "counts", 0.1, names, {}, TRIALS, np.zeros(400, dtype=int)
    )
    windows = cut_windows(recording, Window(length_bins=3))
    everything = Fold(
        np.arange(len(windows.starts)), np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    )
    cpu = torch.device("cpu")
    bench = Workbench(
        recording,
        windows,
        (everything,),
        DecodedTarget.of(Target(name="t"), windows.starts, cpu),
        cpu,
    )
    run = TrainedModel(
        fingerprint="",
        session="X",
        window=Window(length_bins=3),
        folds=Folds(),
        fold=0,
        seed=2,
        study_seed=0,
        views=Views(),
        method=SimCLR.model_validate(METHOD),
        optimisation=Optimisation(**QUICK),
        target=Target(name="t"),
        probe=RidgeProbe(),
    )
    method, _, training = train_ssl(bench, [run], lambda steps: None)
    last = {name: p.detach()[0].double() for name, p in method.encoder.named_parameters()}
    assert torch.equal(fitted.encoder_.parameters["weight1"][0], last["last.weight"])
    assert fitted.header_.diagnostics["ssl_loss"] == float(training.loss[0])


def test_a_pipeline_decodes_and_pandas_goes_through():
    made = SSLTransformer(METHOD, training={"steps": 150, "batch_size": 64})
    scores = cross_val_score(make_pipeline(made, Ridge()), COUNTS, POSITION, cv=3)
    shuffled = cross_val_score(
        make_pipeline(made, Ridge()), COUNTS, np.random.default_rng(0).permutation(POSITION), cv=3
    )
    assert scores.min() > 0.4 and shuffled.max() < 0.1
    table = pd.DataFrame(
        COUNTS, columns=[f"unit {i}" for i in range(20)], index=np.arange(400) * 0.1
    )
    out = (
        clone(made)
        .set_params(training=QUICK)
        .set_output(transform="pandas")
        .fit(table)
        .transform(table)
    )
    assert (
        list(out.columns) == [f"ssltransformer{i}" for i in range(8)]
        and (out.index == table.index).all()
    )
    with pytest.raises(ValueError, match="feature names should match"):
        clone(made).set_params(training=QUICK).fit(table).transform(
            table.rename(columns={"unit 0": "other"})
        )


def test_trials_go_through_a_pipeline_where_they_are_routed():
    made = SSLTransformer(GRU, training=QUICK, window_bins=4)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(made).set_fit_request(trials=True).set_transform_request(trials=True)
        decoder = make_pipeline(routed, Ridge()).fit(COUNTS, POSITION, trials=TRIALS)
        found = decoder.predict(COUNTS, trials=TRIALS)
    rows = made.fit_transform(COUNTS, trials=TRIALS)
    assert np.allclose(found, Ridge().fit(rows, POSITION).predict(rows))


@pytest.mark.parametrize("length", [2, 4, 5])
def test_rows_are_bins_and_windows_are_centred_on_them(length):
    made = SSLTransformer(GRU, training=QUICK, window_bins=length).fit(COUNTS, trials=TRIALS)
    rows = made.transform(COUNTS, trials=TRIALS)
    assert rows.shape == (400, 8)
    for first in (0, 7, 20 - length, 240):  # a window alone is the row of its central bin
        alone = made.transform(COUNTS[first : first + length])
        assert np.allclose(alone, rows[first + length // 2], atol=1e-12)
    for own_trial in (
        TRIALS == 0,
        TRIALS == 19,
    ):  # edges have the row of the nearest central bin, and trials do not reach each other
        own = rows[own_trial]
        assert np.allclose(own, made.transform(COUNTS[own_trial]), atol=1e-12)
        first, last = length // 2, 20 - length + length // 2
        assert (own[:first] == own[first]).all() and (own[last:] == own[last]).all()
    assert not np.allclose(
        made.transform(COUNTS), rows
    )  # without trials, windows cross their borders
    with pytest.raises(
        ArrayError, match=rf"starts at bin 380 has only 1 bins, fewer than a window \({length}"
    ):
        made.transform(COUNTS[:381], trials=TRIALS[:381])
    assert np.array_equal(made.fit_transform(COUNTS, trials=TRIALS), rows)


def test_many_rows_go_through_in_parts(monkeypatch):
    made = SSLTransformer(GRU, training=QUICK, window_bins=3).fit(COUNTS)
    whole = made.transform(COUNTS)
    monkeypatch.setattr(module, "PASS", 3 * 20 * 50)
    assert np.allclose(made.transform(COUNTS), whole, atol=1e-12)


def test_global_generators_are_untouched_and_counts_are_recognised():
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    counts = SSLTransformer(METHOD, training=QUICK).fit(COUNTS)
    rates = SSLTransformer(METHOD, training=QUICK).fit(COUNTS + 0.5)
    whole = SSLTransformer(METHOD, training=QUICK, activity_kind="signal").fit(COUNTS)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert (
        counts.header_.activity_kind == "counts"
        and counts.header_.views.base.kind == "count_splitting"
    )
    assert {made.header_.activity_kind for made in (rates, whole)} == {"signal"}
    assert (
        whole.header_.views.base.kind == "none" and whole.header_.views.transforms[0].sigma == 0.5
    )


class Labelled(Method):
    """Learns from targets, and remembers what it got."""

    seen: list[torch.Tensor] = []  # noqa: RUF012

    def __init__(self, declared, shape, generators):
        super().__init__()
        self.encoder = module.build_encoder(declared.encoder, shape, generators)

    def loss(self, batch):
        Labelled.seen.append((batch.windows, batch.targets))
        return self.encoder(batch.views).square().mean((1, 2))


@pytest.mark.parametrize("labels", ["names", "values"])
def test_labelled_methods_learn_from_y_at_the_centres_of_windows(monkeypatch, labels):
    monkeypatch.setitem(module.METHODS, "supcon", Labelled)
    monkeypatch.setattr(Labelled, "seen", [])
    classes = np.arange(400) // 100
    y = np.array(["a", "b", "c", "d"])[classes] if labels == "names" else POSITION
    made = SSLTransformer({**METHOD, "kind": "supcon"}, training=QUICK, window_bins=3)
    assert made.__sklearn_tags__().target_tags.required
    with pytest.raises(
        ArrayError,
        match=r"y must have one value per bin of X \(400 bins\), got None; this method learns",
    ):
        made.fit(COUNTS)
    with pytest.raises(
        ArrayError, match=r"y must have one value per bin of X \(400 bins\), got shape"
    ):
        made.fit(COUNTS, y[:-1])
    made.fit(COUNTS, y)
    windows, targets = Labelled.seen[0]
    if labels == "names":
        assert torch.equal(targets, torch.from_numpy(classes)[windows + 1])
    else:
        expected = torch.from_numpy(POSITION)[windows + 1].float()
        correlation = torch.corrcoef(
            torch.stack([targets[..., 0].flatten(), expected[..., 0].flatten()])
        )[0, 1]
        assert float(correlation) == pytest.approx(1, abs=1e-5)


WRONG = {
    "a method's field": (
        lambda: SSLTransformer({**METHOD, "temperature": -1}),
        StudyError,
        "method.simclr.temperature: .* got -1",
    ),
    "an unknown method": (
        lambda: SSLTransformer({"kind": "simclear"}),
        StudyError,
        "method: .*simclear",
    ),
    "no gradient": (
        lambda: SSLTransformer({"kind": "linear_ssl"}),
        StudyError,
        "'linear_ssl' is not trained by gradient descent; allowed: 'simclr'",
    ),
    "a view": (
        lambda: SSLTransformer(METHOD, views={"base": {"kind": "halves"}}),
        StudyError,
        "views.base: ",
    ),
    "training": (
        lambda: SSLTransformer(METHOD, training={"stps": 3}),
        StudyError,
        "training.stps: ",
    ),
    "a window": (
        lambda: SSLTransformer(METHOD, window_bins=0),
        StudyError,
        "window_bins.length_bins: ",
    ),
    "a kind": (
        lambda: SSLTransformer(METHOD, activity_kind="spikes"),
        StudyError,
        "got 'spikes'; allowed: 'auto', 'counts', 'signal'",
    ),
    "broken bins": (
        lambda: SSLTransformer(METHOD, bin_s=0.1, views={"pairing": {"window_s": 0.25}}),
        ArrayError,
        "not a multiple of the time from one window to the next",
    ),
    "a large batch": (
        lambda: SSLTransformer(METHOD, training={"batch_size": 5000}),
        TrainingError,
        "use a batch size of at most 400",
    ),
    "bins cut from single bins": (
        lambda: SSLTransformer(
            METHOD, training=QUICK, views={"transforms": [{"kind": "time_cutout", "fraction": 0.5}]}
        ),
        TrainingError,
        "time_cutout changes only some bins of a window, but window.length_bins is 1",
    ),
    "divergence": (
        lambda: SSLTransformer(
            METHOD,
            training=QUICK,
            views={"transforms": [{"kind": "gaussian_noise", "sigma": 3e38}]},
        ),
        TrainingError,
        "the loss was not finite at training step 0",
    ),
}


@pytest.mark.parametrize(
    "kind", ["cutmix", "gain_modulation", "unit_permutation", "waveform_drift", "pepper"]
)
def test_encoders_learn_from_corrupted_arrays_of_counts_and_of_signals(kind):
    dose = {"cutmix": "fraction", "gain_modulation": "sigma", "waveform_drift": "mix"}.get(
        kind, "rate"
    )
    for array, base in ((COUNTS, "count_splitting"), (COUNTS + 0.5, "none")):
        views = {"base": {"kind": base}, "transforms": [{"kind": kind, dose: 0.3}]}
        assert np.isfinite(
            SSLTransformer(METHOD, training=QUICK, views=views).fit_transform(array)
        ).all()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_when_it_is_fitted(name):
    make, error, said = WRONG[name]
    with pytest.raises(error, match=said):
        make().fit(COUNTS)


def test_wrong_arrays_are_named():
    made = SSLTransformer(METHOD, training=QUICK)
    with pytest.raises(
        ArrayError, match=r"trials must have one value per bin of X .*, got shape \(3,\)"
    ):
        made.fit(COUNTS, trials=[1, 2, 3])
    split = SSLTransformer(METHOD, training=QUICK, views={"base": {"kind": "count_splitting"}})
    with pytest.raises(ArrayError, match="count_splitting needs spike counts"):
        split.fit(COUNTS + 0.5)
    for kind in ("unit_dropout", "progressive_unit_loss", "unit_cutout"):
        views = {"base": {"kind": "none"}, "transforms": [{"kind": kind}]}
        with pytest.raises(ArrayError, match=r"a lost unit has zero spike counts, .*; use 'mean'"):
            SSLTransformer(METHOD, training=QUICK, views=views).fit(COUNTS + 0.5)
    with pytest.raises(DataError, match="not all values are whole numbers"):
        made.fit(COUNTS).transform(COUNTS + 0.5)
    with pytest.raises(DataError, match="no trial or gap-free stretch is longer than 2 bins"):
        SSLTransformer(METHOD, training=QUICK, window_bins=3).fit(
            COUNTS, trials=np.arange(400) // 2
        )
    assert issubclass(ArrayError, ValueError) and issubclass(ArrayError, DataError)


def test_a_saved_encoder_comes_back_the_same(tmp_path):
    table = pd.DataFrame(COUNTS, columns=[f"unit {i}" for i in range(20)])
    for method, length in ((METHOD, 1), (GRU, 4)):
        made = SSLTransformer(method, training=QUICK, window_bins=length, bin_s=0.1, seed=3).fit(
            table, trials=TRIALS
        )
        again = SSLTransformer.load(made.save(tmp_path / "e.safetensors"))
        assert np.array_equal(again.transform(table, TRIALS), made.transform(table, TRIALS))
        assert again.header_ == made.header_ and list(again.feature_names_in_) == list(
            table.columns
        )
        assert np.array_equal(
            clone(again).fit(table, trials=TRIALS).transform(table), made.transform(table)
        )
        assert np.array_equal(
            pickle.loads(pickle.dumps(again)).transform(table), made.transform(table)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["e.safetensors"]


def damaged(path, how):
    content = bytearray(path.read_bytes())
    if how == "one bit":
        content[-3] ^= 1
    elif how == "cut off":
        content = content[:-40]
    elif how == "text":
        content = b"not an encoder at all"
    path.write_bytes(content)


@pytest.mark.parametrize(
    "how", ["one bit", "cut off", "text", "foreign", "header", "version", "another network", "gone"]
)
def test_a_foreign_or_damaged_file_is_one_clear_error(tmp_path, how):
    path = SSLTransformer(METHOD, training=QUICK).fit(COUNTS).save(tmp_path / "e.safetensors")
    if how == "foreign":
        save_file({"a": np.zeros(3)}, path)
    elif how == "header":
        save_file(load_file(path), path, {"invariance_probe": "{}"})
    elif how == "version":
        file = EncoderFile.load(path)
        newer = {
            "header": {**file.header.model_dump(mode="json"), "format_version": 2},
            "sha256": "",
        }
        save_file(load_file(path), path, {"invariance_probe": json.dumps(newer)})
    elif how == "another network":
        file = EncoderFile.load(path)
        EncoderFile(file.header.model_copy(update={"window_bins": 2}), file.weights).save(path)
    elif how == "gone":
        path.unlink()
    else:
        damaged(path, how)
    said = {
        "one bit": "weights were changed",
        "cut off": "cannot be read",
        "text": "cannot be read",
        "gone": "cannot be read",
        "foreign": "but no encoder of invariance_probe",
        "header": "header cannot be read",
        "version": "another version",
        "another network": r"do not fit the simclr encoder .*wrong: weight0",
    }
    with pytest.raises(StoreError, match=said[how]) as error:
        SSLTransformer.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    made = SSLTransformer(METHOD, training=QUICK).fit(COUNTS)
    with pytest.raises(StoreError, match="cannot be written"):
        made.save(tmp_path / "no" / "such" / "folder.safetensors")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        made.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A study file, and a store that has one of its encoders at dose 0 and one at dose 0.4."""
    folder = tmp_path_factory.mktemp("stored")
    world = {**tiny_study()["recordings"][0], "sessions": 1}
    training = {**tiny_study()["training"], "kernels": "torch"}
    data = tiny_study(recordings=[world], method=GRU, window={"length_bins": 5}, training=training)
    YAML(typ="safe").dump(data, folder / "study.yaml")
    study = Study.model_validate(data)
    plan = Plan(study, find_sessions(study, Path()))
    wanted = [
        run
        for run in plan.grid
        if run.method.kind == "simclr" and run.setting == "" and (run.seed, run.fold) == (1, 1)
    ]
    runs = [next(run for run in wanted if run.arm == arm) for arm in ("none", "shared")]
    recording = open_recording(plan.sessions[0].source, "spread", Path())
    bench = Workbench.of(recording, runs[0], torch.device("cpu"))
    store = Store(folder / "runs")
    for measured in measure_ssl(bench, runs, lambda steps: None):
        store.commit_encoder(measured.run, measured.weights, TrainingFigures())
    return folder, bench, runs


@pytest.mark.parametrize(("condition", "which"), [("identity", 0), ("unit_dropout.rate=0.40", 1)])
def test_an_exported_encoder_represents_activity_as_it_did_in_its_study(
    stored, tmp_path, condition, which
):
    folder, bench, runs = stored
    file = open_study(folder / "study.yaml")
    path = export_encoder(
        file,
        folder / "runs",
        tmp_path / "e.safetensors",
        "spread",
        condition,
        "shared",
        seed=1,
        fold=1,
    )
    loaded = SSLTransformer.load(path)
    weights = Store(folder / "runs").encoder(runs[which])
    views = bench.views(runs[which : which + 1], [bench.train_windows(runs[which])], torch.float32)
    frozen = module.Frozen.of(runs[which].method.encoder, [weights], torch.device("cpu"))
    expected = frozen(views.clean(bench.all_windows))[0].numpy()
    found = loaded.transform(bench.recording.activity, trials=bench.recording.trials)
    assert found[bench.windows.centres] == pytest.approx(expected, abs=1e-4)
    origin = loaded.header_.origin
    assert (origin["session"], origin["fold"], origin["dose"]) == ("spread", 1, 0.4 * which)
    assert (
        origin["train_key"] == runs[which].train_key()
        and loaded.header_.bin_s == bench.recording.bin_s
    )


NONE_SUCH = {
    "session": ({"session": "other"}, StudyError, "session 'other'; allowed: 'spread'"),
    "condition": (
        {"condition": "unit_dropout.rate=0.5"},
        StudyError,
        "allowed: 'identity', 'unit_dropout.rate=0.4'",
    ),
    "arm": (
        {"condition": "unit_dropout.rate=0.4", "arm": "paired"},
        StudyError,
        "allowed: 'independent', 'shared'",
    ),
    "fold": ({"fold": 7}, StudyError, "fold 7; allowed: 0, 1"),
    "not stored": (
        {"seed": 0},
        StoreError,
        "has no encoder of session 'spread' at identity, seed 0, fold 1; run the study first",
    ),
}


@pytest.mark.parametrize("name", NONE_SUCH)
def test_an_encoder_that_is_not_there_is_named(stored, tmp_path, name):
    folder, _, _ = stored
    changes, error, said = NONE_SUCH[name]
    asked = {"session": "spread", "seed": 1, "fold": 1, **changes}
    with pytest.raises(error, match=said):
        export_encoder(
            open_study(folder / "study.yaml"), folder / "runs", tmp_path / "e.safetensors", **asked
        )
    assert not list(tmp_path.iterdir())


def test_export_and_the_package_load_no_torch(stored, tmp_path):
    folder, _, _ = stored
    arguments = [
        "export",
        str(folder / "study.yaml"),
        "--runs",
        str(folder / "runs"),
        "--session",
        "spread",
        "--seed",
        "1",
        "--fold",
        "1",
        "--out",
        str(tmp_path / "e.safetensors"),
    ]
    code = f"""
import sys, invariance_probe
from invariance_probe.cli import main
main({arguments!r}, standalone_mode=False)
assert 'torch' not in sys.modules
invariance_probe.SSLTransformer.load({str(tmp_path / "e.safetensors")!r})
assert 'torch' in sys.modules"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "SSLTransformer.load" in done.stdout, done.stderr


def test_closed_form_methods_export_nothing(tmp_path):
    YAML(typ="safe").dump(tiny_study(method={"kind": "linear_ssl"}), tmp_path / "study.yaml")
    with pytest.raises(StudyError, match="'linear_ssl', which is computed in closed form"):
        export_encoder(
            open_study(tmp_path / "study.yaml"), tmp_path, tmp_path / "e.safetensors", "spread-1"
        )


def test_the_page_on_representations_says_what_is_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "representation.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 10 and found.failed == 0


def test_a_trial_label_that_is_missing_is_refused_and_words_are_labels():
    missing = np.where(TRIALS[0] == TRIALS, np.nan, TRIALS)
    with pytest.raises(ArrayError, match="trials has a NaN or infinite value"):
        SSLTransformer(METHOD, training=QUICK).fit(COUNTS, trials=missing)
    words = np.array([f"T{i}" for i in TRIALS])
    made = [
        SSLTransformer(METHOD, training=QUICK).fit(COUNTS, trials=trials)
        for trials in (TRIALS, words)
    ]
    first, second = (one.transform(COUNTS, trials=TRIALS) for one in made)
    np.testing.assert_array_equal(first, second)
