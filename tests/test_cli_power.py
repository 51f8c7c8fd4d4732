"""`plan` with power: what it prints, what it refuses, and that it stays without torch."""

import re
import subprocess
import sys

import pytest
from conftest import tiny_study
from helpers.program import invoke, write
from inference.builder import planted

from invariance_probe.planning import make_plan
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study


def tiny(folder, file="study.yaml", **changes):
    return write(
        folder,
        tiny_study(**{"training": {"steps": 400, "batch_size": 64, "seeds": 2}, **changes}),
        file,
    )


def test_stated_spreads_give_a_table_a_price_and_warnings(tmp_path):
    said = invoke(
        "plan", tiny(tmp_path), "--sd", "session=.03,seed=.02", cwd=tmp_path, check=0
    ).stdout
    assert (
        "model-steps" in said
        and "Power of H1" in said
        and "fewest sessions with a power of 0.8" in said
    )
    assert "core-hours" in said and "2^-4 = 0.0625" in said and "4 sessions x 2 seeds" in said


def test_without_options_there_is_no_word_of_power(tmp_path):
    assert "ower" not in invoke("plan", tiny(tmp_path), cwd=tmp_path, check=0).stdout


def test_given_effects_replace_the_assumed_truth(tmp_path):
    said = invoke(
        "plan", tiny(tmp_path), "--sd", "session=.03", "--effect", "D=.2", cwd=tmp_path, check=0
    ).stdout
    assert (
        "D as given, else twice the margin is lost with the inputs, and nothing by training "
        "(C_code = 0.2, D = 0.2, H = 0, delta = 0.2)" in said
    )
    assert "warning: the planned study has a power of 0.00 only" in said


def test_a_pilots_stored_runs_give_spreads_and_means(tmp_path):
    pilot = tiny(
        tmp_path,
        "pilot.yaml",
        name="pilot",
        quick=True,
        training={"steps": 400, "batch_size": 64, "seeds": 3},
    )
    file = open_study(pilot)
    plan, store = make_plan(file), Store(tmp_path / "runs")
    results = planted(plan, delta=0.05, H=0.01, C_code=0.2)
    for run in {run.key(): run for run in plan.runs}.values():
        store.commit_result(run, results[run.key()])
    world = {**tiny_study()["recordings"][0], "seed": 77, "sessions": 6}
    study = tiny(tmp_path, recordings=[world], quick=True)
    said = invoke("plan", study, "--pilot", "pilot.yaml", cwd=tmp_path, check=0).stdout
    assert "pilot 'pilot': 4 sessions, 3 seeds, 8 test blocks" in said
    seen = float(re.search(r"if the truth is the pilot's means \(C_code = ([+-][\d.]+)", said)[1])
    assert seen == pytest.approx(0.2, abs=0.02) and "from 4 pilot sessions" in said
    assert "not a pilot" not in said
    own = invoke("plan", pilot, "--pilot", pilot, cwd=tmp_path, check=0).stdout
    assert "not a pilot: spread-1, spread-2, spread-3, spread-4 will be tested too" in own
    elsewhere = invoke(
        "plan", study, "--pilot", "pilot.yaml", "--runs", "nowhere", cwd=tmp_path, check=2
    ).stderr
    assert "0 usable sessions" in elsewhere and len(elsewhere.strip().splitlines()) == 1


WRONG = {
    "unknown name": (["--sd", "sesion=.1"], "--sd: unknown name 'sesion'. Did you mean 'session'?"),
    "negative": (
        ["--sd", "seed=-1"],
        "seed must be a number of at least 0, in units of the decodable range; got '-1'",
    ),
    "both": (
        ["--sd", "seed=.1", "--pilot", "study.yaml"],
        "either --pilot STUDY or --sd NAME=SD,...; got both",
    ),
    "effects alone": (["--effect", "D=.1"], "got neither"),
    "no such effect": (
        ["--sd", "seed=.1", "--effect", "delta=.1"],
        "--effect: unknown name 'delta'. Allowed: C_code, D, H.",
    ),
    "no pilot": (["--pilot", "gone.yaml"], "gone.yaml: the file cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_are_one_clear_line(tmp_path, name):
    options, expected = WRONG[name]
    done = invoke("plan", tiny(tmp_path), *options, cwd=tmp_path, check=2)
    assert expected in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_power_loads_no_torch(tmp_path):
    code = f"""
import sys
from invariance_probe.cli import main
try:
    main(["plan", {str(tiny(tmp_path))!r}, "--sd", "session=.05"])
except SystemExit as end:
    assert end.code in (0, None), end.code
sys.exit(3 if 'torch' in sys.modules else 0)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
