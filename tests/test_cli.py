"""The command line end to end, on a tiny simulated study.

torch is not loaded where it is not needed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import small_study, tiny_study
from helpers.program import PROGRAM, call, children, invoke, without_times, write
from ruamel.yaml import YAML


@pytest.fixture
def study(finished, tmp_path):
    """Two sessions and none of the costly checks: what most commands need to be seen at work.

    The store `runs` beside it has all its runs.
    """
    shutil.copytree(finished / "runs", tmp_path / "runs")
    return Path(shutil.copy(finished / "study.yaml", tmp_path))


def test_help_is_quick_and_loads_no_torch(tmp_path):
    call("--help", cwd=tmp_path, check=0)
    before = os.times()
    call("--help", cwd=tmp_path, check=0)
    after = os.times()
    worked = after.children_user + after.children_system
    worked -= before.children_user + before.children_system
    assert worked < 1.5  # seconds of the processor; the target is .5 s on a quiet machine


@pytest.mark.parametrize("command", ["validate", "plan", "status", "report"])
def test_commands_that_train_nothing_load_no_torch(tmp_path, command):
    study = write(tmp_path, small_study(quick=True))
    code = f"""
import sys
from invariance_probe.cli import main
try:
    main([{command!r}, {str(study)!r}])
except SystemExit as end:
    assert end.code in (0, None), end.code
sys.exit(3 if 'torch' in sys.modules else 0)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def by_two(finished, tmp_path_factory):
    """The same study measured by the program, in two processes: its folder, what it said."""
    folder = tmp_path_factory.mktemp("by_two")
    study = shutil.copy(finished / "study.yaml", folder)
    return folder, call("run", study, "--workers", 2, cwd=folder, check=0)


def test_run_measures_everything_once_and_reports_again_without_training(by_two, tmp_path):
    folder, first = by_two
    tmp_path = shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    study = tmp_path / "study.yaml"
    assert "H1:" in first.stdout and "report: reports/tiny/index.html" in first.stdout
    report = without_times(tmp_path / "reports" / "tiny")
    assert (
        report["runs"]["done"] + report["runs"]["collapsed"] + report["runs"]["left_out"]
        == report["runs"]["planned"]
    )
    again = invoke("run", study, cwd=tmp_path, check=0)
    assert all(f"{stage}: 0/0 runs" in again.stderr for stage in ("baselines", "grid", "examined"))
    assert without_times(tmp_path / "reports" / "tiny") == report
    invoke("report", study, "--out", "elsewhere", cwd=tmp_path, check=0)
    assert without_times(tmp_path / "elsewhere") == report
    assert "0 missing" in invoke("status", study, cwd=tmp_path, check=0).stdout


def test_results_do_not_depend_on_the_number_of_workers(by_two, finished):
    """One process measured one stack after the other, two took them from one queue."""
    folder, _ = by_two
    assert without_times(folder / "reports" / "tiny") == without_times(finished / "report")


def test_examinations_are_in_the_report_and_fail_where_the_encoder_is_gone(examined, tmp_path):
    study = shutil.copy(examined / "study.yaml", tmp_path)
    shutil.copytree(examined / "runs", tmp_path / "a")
    report = without_times(examined / "report")
    assert all(report[name] for name in ("matrix", "examined", "similarity"))
    t = next(e for e in report["hypotheses"][0]["estimands"] if e["name"] == "T")
    assert t["estimate"] == next(
        p["value"]
        for p in report["matrix"]
        if p["hypothesis"] and (p["train_dose"], p["test_dose"]) == (0, 0.4)
    )
    table = pd.read_csv(examined / "report" / "results.csv")
    tested = table[table.test == "corruption"]
    assert (
        set(tested.test_dose) == {0.4}
        and set(tested.dose) == {0, 0.4}
        and tested.loss.notna().all()
    )

    code = (
        "import sys; import invariance_probe as ip; "
        "result = ip.judge('study.yaml', 'a'); result.report('r2'); "
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code + "sys.exit(3 if 'torch' in sys.modules or not result.findings.matrix else 0)",
        ],
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0 and without_times(tmp_path / "r2") == report  # judged without torch

    looked = 0
    for folder in (tmp_path / "a" / "results").glob("*/*"):
        if "examination" in json.loads((folder / "spec.json").read_text()):
            shutil.rmtree(folder)
            looked += 1
    shutil.rmtree(tmp_path / "a" / "encoders")
    done = invoke("run", study, "--runs", "a", "--out", "r", cwd=tmp_path, check=1)
    assert f"{looked} failed" in done.stdout and "grid: 0/0 runs" in done.stderr
    again = without_times(tmp_path / "r")
    assert again["hypotheses"][0]["verdict"] == report["hypotheses"][0]["verdict"]
    failures = json.loads((tmp_path / "r" / "report.json").read_text())["provenance"]["failures"]
    assert failures and all("is not in the store" in failure for failure in failures)


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A study that takes long enough to be killed; its report `rb` when it was not."""
    folder = tmp_path_factory.mktemp("longer")
    data = small_study(training={"steps": 100, "batch_size": 64, "seeds": 2}, quick=True)
    path = write(folder, data)
    invoke("run", path, "--runs", "b", "--out", "rb", cwd=folder, check=0)
    return path, without_times(folder / "rb")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds worker processes in /proc")
@pytest.mark.parametrize("victim", ["worker", "parent"])
def test_a_killed_study_goes_on_where_it_was_and_ends_the_same(longer, tmp_path, victim):
    path, report = longer
    running = subprocess.Popen(
        [*PROGRAM, "run", str(path), "--runs", "a", "--out", "ra", "--workers", "1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    results = tmp_path / "a" / "results"
    deadline = time.monotonic() + 120
    while len(list(results.glob("*/*"))) < 40:
        assert running.poll() is None and time.monotonic() < deadline, (
            "ended before it could be killed"
        )
        time.sleep(0.02)
    os.kill(children(running.pid)[0] if victim == "worker" else running.pid, signal.SIGKILL)
    running.communicate(timeout=200)
    assert (running.returncode == 0) == (victim == "worker")
    time.sleep(1.0)  # orphaned workers end when their input does
    before = {p: p.stat().st_mtime_ns for p in results.glob("*/*/result.json")}
    invoke("run", path, "--runs", "a", "--out", "ra", cwd=tmp_path, check=0)
    assert all(
        p.stat().st_mtime_ns == t for p, t in before.items()
    )  # nothing that was committed was made again
    assert without_times(tmp_path / "ra") == report


def npz(folder, **arrays):
    gen = np.random.default_rng(0)
    base = {
        "counts": gen.poisson(3, (600, 8)),
        "y": gen.standard_normal(600),
        "trial": np.repeat(np.arange(60), 10),
    }
    np.savez(folder / "s.npz", **{**base, **arrays})
    return [
        {
            "kind": "npz",
            "path": "s.npz",
            "session": "s",
            "activity": "counts",
            "bin_s": 0.1,
            "trial": "trial",
        }
    ]


WRONG = {
    "unknown key": ({"windw": {"length_bins": 1}}, "unknown key 'windw'. Did you mean 'window'?"),
    "bad path": (
        {
            "recordings": [
                {"kind": "npz", "path": "gone.npz", "session": "s", "activity": "x", "bin_s": 0.1}
            ]
        },
        "no such file",
    ),
    "long embargo": ({"folds": {"count": 2, "embargo_s": 1000}}, "use a shorter embargo"),
    "one name twice": ({"recordings": [tiny_study()["recordings"][0]] * 2}, "appears twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_study_trains_nothing(tmp_path, name):
    change, said = WRONG[name]
    path = write(tmp_path, tiny_study(**change))
    run = call if name == "unknown key" else invoke  # one through a process, as users see it
    done = run("run", path, cwd=tmp_path, check=2)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and said in lines[0], done.stderr
    assert (
        lines[0].startswith(f"{path}:")
        and lines[0].split(":")[1].isdigit()
        and lines[0].split(":")[2].isdigit()
    )
    assert not (tmp_path / "runs").exists()


def test_nan_in_the_data_is_one_line_and_trains_nothing(tmp_path):
    bad = np.full((600, 8), 2.0)
    bad[17, 3] = np.nan
    path = write(tmp_path, tiny_study(recordings=npz(tmp_path, counts=bad), target={"name": "y"}))
    done = invoke("run", path, cwd=tmp_path, check=2)
    assert (
        "NaN or infinite value, first at bin 17, unit 3" in done.stderr
        and len(done.stderr.strip().splitlines()) == 1
    )


def test_a_label_constant_within_trials_is_untestable_and_trains_no_ssl(tmp_path):
    gen = np.random.default_rng(1)
    direction = np.repeat(gen.integers(0, 2, 60), 10)
    counts = gen.poisson(1 + 4 * direction[:, None] * np.ones(8))
    jitter = {
        **tiny_study()["hypotheses"][0],
        "predicts": "tolerated",
        "axis": "time_jitter.window_s",
        "dose": 0.2,
    }
    data = tiny_study(
        recordings=npz(tmp_path, counts=counts, y=direction),
        target={"name": "y", "kind": "categorical"},
        hypotheses=[jitter],
        folds={"scheme": "trials", "count": 2},
        axes=[{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
        views={},
    )
    done = invoke("run", write(tmp_path, data), cwd=tmp_path, check=0)
    assert "H1: untestable" in done.stdout and "grid: 0/0 runs" in done.stderr
    report = without_times(tmp_path / "reports" / "tiny")
    assert report["runs"]["left_out"] > 0 and report["runs"]["missing"] == 0


def test_new_and_schema_print_what_loads(tmp_path):
    (tmp_path / "n.yaml").write_text(invoke("new", "simulated", cwd=tmp_path, check=0).stdout)
    invoke("validate", "n.yaml", cwd=tmp_path, check=0)
    assert json.loads(invoke("schema", cwd=tmp_path, check=0).stdout)["title"] == "Study"


def test_registered_studies_say_so_and_an_edited_margin_makes_the_claim_exploratory(tmp_path):
    small = {"training": {"steps": 5, "batch_size": 64, "seeds": 2}}
    path = write(tmp_path, small_study(**small))
    said = invoke("register", path, cwd=tmp_path, check=0)
    sha256 = said.stdout.split("sha256: ")[1].split()[0]
    assert invoke("register", path, cwd=tmp_path, check=2).stderr.count("already registered") == 1
    invoke("run", path, "--runs", "a", "--out", "r", cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["registration"] == {"sha256": sha256, "status": "registered", "deviations": []}
    assert report["hypotheses"][0]["status"] == "confirmatory"

    edited = small_study(**small)
    edited["hypotheses"][0]["margin"]["fraction_of_range"] = 0.3
    write(tmp_path, edited)
    invoke("report", path, "--runs", "a", "--out", "r", cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (
        report["registration"]["status"] == "exploratory"
        and report["hypotheses"][0]["status"] == "exploratory"
    )
    assert (
        "margin.fraction_of_range was registered as 0.1, now 0.3"
        in report["registration"]["deviations"][0]
    )
    assert "departs from its registration" in (tmp_path / "r" / "index.html").read_text()


def test_results_from_before_the_registration_make_every_claim_exploratory(study, tmp_path):
    invoke("report", study, "--out", "r", cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (
        report["registration"]["sha256"] is None
        and report["hypotheses"][0]["status"] == "exploratory"
    )
    invoke("register", study, cwd=tmp_path, check=0)
    invoke("report", study, "--out", "r", cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["registration"]["status"] == "exploratory"
    assert "were measured before this registration" in report["registration"]["deviations"][0]


def test_a_simulated_world_is_written_for_others_and_read_back(tmp_path):
    (tmp_path / "world.yaml").write_text(
        "generator: nothing\ncase: trial_constant\nunits: 12\nbins: 400\n"
    )
    said = invoke("simulate", "world.yaml", "--out", "w.npz", cwd=tmp_path, check=0).stdout
    entry = YAML(typ="safe").load(said.splitlines()[-1])[0]
    path = write(tmp_path, tiny_study(recordings=[entry], folds={"scheme": "trials", "count": 2}))
    assert "valid" in invoke("validate", path, cwd=tmp_path, check=0).stdout
    with np.load(tmp_path / "w.npz") as archive:
        assert json.loads(str(archive["truth"]))["case"] == "trial_constant"
    (tmp_path / "world.yaml").write_text("generator: redundancy\ncarriers: 0\n")
    assert (
        "carriers"
        in invoke("simulate", "world.yaml", "--out", "w2.npz", cwd=tmp_path, check=2).stderr
    )
