"""The way in from Python: docs/examples/from_arrays.py runs, and its result has everything.

The example is run once, as it stands; all tests look at what it left.
"""

import doctest
import json
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_study

import invariance_probe as ip
from invariance_probe.data.readers.arrays import write_arrays
from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import InferenceError, StudyError
from invariance_probe.executors.jobs import Jobs, WorkerSettings
from invariance_probe.executors.stacks import Stack
from invariance_probe.plan.plan import Plan
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study
from invariance_probe.worker import work

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "from_arrays.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def example(folder):
    """Names of the example after it ran in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return runpy.run_path(str(EXAMPLE))


@pytest.fixture
def result(example, folder, monkeypatch):
    monkeypatch.chdir(folder)
    return example["result"]


def test_the_example_comes_to_the_verdict_that_it_planted(result):
    (finding,) = result.findings.hypotheses
    assert (finding.verdict.word, finding.outcome) == ("tolerated", "supported")
    assert not result.lost and result.findings.runs.missing == 0


def test_a_result_is_shown_as_text_and_as_a_table_of_a_notebook(result):
    assert repr(result) == "Result(spread-speed: H1: tolerated; 172 of 172 runs done)"
    assert str(result).startswith("H1: tolerated (predicted tolerated: supported)\n    ")
    html = result._repr_html_()
    assert "<b>tolerated</b>" in html and "172 done" in html and "spread-speed" in html


def test_a_result_is_a_typed_table_of_its_hypotheses(result, folder):
    table = result.to_pandas()
    report = json.loads((folder / "reports/spread-speed/report.json").read_text())
    hypothesis = report["hypotheses"][0]
    row = table.iloc[0]
    assert len(table) == 1 and row.verdict == "tolerated" and row.code == "lost"
    assert row.claim == hypothesis["claim"] and row.sentence == hypothesis["sentence"]
    for estimand in hypothesis["estimands"]:
        if estimand["name"] in ("D", "H", "delta", "C_code"):
            found = [row[f"{estimand['name']}{end}"] for end in ("", "_low", "_high")]
            assert found == [estimand[name] for name in ("estimate", "ci_low", "ci_high")]
    assert row.K_n_high == hypothesis["code"]["K_n"]["ci_high"]
    assert row.n_sessions == 4 and row.n_seeds == 2 and row.p_value == hypothesis["p_value"]
    assert table.dtypes["D_low"] == "float64" and table.dtypes["n_sessions"] == "Int64"
    assert all(pd.api.types.is_string_dtype(table[name]) for name in ("id", "verdict", "flags"))


def test_losses_are_a_labelled_array_with_the_identity_dose_in_every_arm(result):
    losses = result.to_xarray("H1")
    assert dict(losses.sizes) == {"session": 4, "dose": 2, "arm": 2, "seed": 4, "block": 8}
    table = result.losses()
    rows = table[(table.method == "simclr") & (table.setting == "") & (table.test == "")]
    one = rows[(rows.session == "day-2") & (rows.dose == 0.4) & (rows.arm == "shared")]
    one = one[(one.seed == 1) & (one.block == 5)]
    cell = losses.sel(session="day-2", dose=0.4, arm="shared", seed=1, block=5)
    assert float(cell.loss) == one.loss.item() and int(cell.fold) == one.fold.item()
    clean = losses.loss.sel(dose=0)
    assert clean.notnull().all() and (clean[:, 0] == clean[:, 1]).all()
    # Seeds 2 and 3 are those of the A/A control, which is at the identity dose alone.
    assert losses.loss.sel(dose=0.4, seed=[0, 1]).notnull().all()
    assert losses.loss.sel(dose=0.4, seed=[2, 3]).isnull().all()
    assert (losses.floor_loss > losses.loss.mean(["dose", "arm", "seed"])).mean() > 0.9
    whole = result.to_xarray()
    assert list(whole.axis.values) == ["unit_dropout.rate"]
    assert (
        whole.loss.squeeze("axis")
        .transpose(*losses.loss.dims)
        .equals(losses.loss.assign_coords(axis="unit_dropout.rate"))
    )


def test_without_xarray_the_extra_is_named(result):
    code = (
        "import sys; sys.modules['xarray'] = None\n"
        "import pickle, invariance_probe as ip\n"
        "ip.judge(pickle.load(open('study.pickle', 'rb'))).to_xarray()"
    )
    Path("study.pickle").write_bytes(pickle.dumps(result.study))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InferenceError: to_xarray needs xarray" in done.stderr
    assert "pip install 'invariance-probe[xarray]'" in done.stderr


def test_figures_are_those_of_the_report(result, folder):
    figures = folder / "reports" / "spread-speed" / "figures"
    charts = result.figures("H1")
    assert [chart.svg for chart in charts] == [
        (figures / f"H1-{i + 1}.svg").read_text() for i in range(len(charts))
    ]
    main = result.figure("H1")
    assert main.title == "H1: what the dose costs" and main in charts
    assert (folder / "dose.svg").read_text() == main.svg
    assert main._repr_html_().startswith('<figure><img src="data:image/svg+xml;base64,')
    assert list(main.to_pandas().columns) == list(main.columns) and len(repr(main)) < 1000
    with pytest.raises(InferenceError, match="no hypothesis 'H2'; it has 'H1'"):
        result.figure("H2")


def test_another_process_judges_the_same_and_trains_nothing_again(result, folder):
    code = f"""
import json, sys
import invariance_probe as ip
study = ip.Study.model_validate_json(sys.stdin.read(), context={{"arrays": "runs/recordings"}})
first = ip.judge(study)
assert "torch" not in sys.modules
again = ip.run(study, "runs", workers=1)
assert again.trained == 0 and str(again) == str(first) == {str(result)!r}
print(first.report("elsewhere"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=result.study.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "elsewhere/index.html"
    reports = [
        json.loads((folder / name / "report.json").read_text())
        for name in ("reports/spread-speed", "elsewhere")
    ]
    assert [report.pop("provenance")["study_file"] for report in reports] == ["", ""]
    assert reports[0] == reports[1]


def test_a_changed_study_of_the_same_name_replaces_its_report_and_a_file_does_not(result, tmp_path):
    changed = result.study.model_copy(update={"question": "Another question?"})
    assert ip.judge(changed).report() == Path("reports/spread-speed/index.html")
    (tmp_path / "study.yaml").write_text(json.dumps(tiny_study(name="spread-speed")))
    with pytest.raises(StudyError, match="another study of this name, which was made in Python"):
        ip.judge(tmp_path / "study.yaml", tmp_path / "runs").report()


def test_a_study_remembers_its_file_in_every_copy(tmp_path):
    (tmp_path / "study.yaml").write_text(json.dumps(tiny_study()))
    study = ip.load_study(str(tmp_path / "study.yaml"))
    assert study.origin.base == tmp_path and study.model_copy().origin.base == tmp_path
    assert study == ip.Study(**tiny_study()) and open_study(tmp_path / "study.yaml").study == study
    assert ip.Study(**tiny_study()).origin.base == Path.cwd()


def test_a_run_of_arrays_measures_what_a_run_of_a_file_does_also_where_sessions_are_pooled(
    tmp_path,
):
    gen = np.random.default_rng(0)
    label = [np.convolve(gen.standard_normal(640), np.ones(4) / 2, "same") for _ in range(2)]
    counts = [gen.poisson(np.exp(0.7 + 0.5 * y[:, None] * np.ones(10))) for y in label]
    arrays, files = [], []
    for i, (x, y) in enumerate(zip(counts, label, strict=True)):
        arrays.append(ip.Recording.from_arrays(x, bin_s=0.1, targets={"label": y}, session=f"s{i}"))
        np.savez(tmp_path / f"{i}.npz", x=x, label=y)
        files.append(ip.NpzRecording(path=f"{i}.npz", session=f"s{i}", activity="x", bin_s=0.1))
    found = []
    for name, recordings in (("arrays", arrays), ("files", files)):
        store = Store(tmp_path / name)
        views = {"transforms": [{"kind": "unit_dropout"}], "pool": "subject"}
        study = ip.Study(**tiny_study(recordings=recordings, views=views, quick=True))
        plan = Plan(study, find_sessions(study, tmp_path))
        for recording in arrays:
            store.keep_recording(
                recording.fingerprint, lambda file, kept=recording: write_arrays(kept, file)
            )
        runs = tuple(run for run in plan.grid if run.session == "s1" and run.others())[:3]
        events = []
        work(
            Jobs(plan.sessions, WorkerSettings(tmp_path, store.root)).of(Stack("s1", runs)),
            events.append,
        )
        assert [e["status"] for e in events if e["event"] == "committed"] == ["done"] * 3, events
        results = store.results(runs)
        found.append([results[run.key()].block_losses for run in runs])
    assert found[0] == found[1]


def test_the_lines_of_the_readme_make_a_study_that_can_be_planned():
    text = (EXAMPLE.parents[2] / "README.md").read_text()
    lines = text.split("## In Python")[1].split("```python")[1].split("```")[0]
    gen = np.random.default_rng(0)
    names = {
        "counts": gen.poisson(2.0, (2000, 20)),
        "velocity": gen.standard_normal((2000, 2)),
        "trial": np.repeat(np.arange(100), 20),
    }
    exec(lines.split("result =")[0], names)
    assert len(ip.plan_of(names["study"]).runs) > 100


def test_the_page_on_python_says_what_is_so_and_names_everything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = EXAMPLE.parents[1] / "python.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 15 and found.failed == 0
    registration = json.loads((tmp_path / "speed.registration.json").read_text())
    assert set(registration["sessions"]) == {f"day-{day}" for day in range(1, 5)}
    for name in ip.__all__:
        assert getattr(ip, name).__name__ == name
        assert re.search(rf"\b{name}\b", page.read_text()), name
