"""A study of pairs across states, from its file to its report.

The target of its sessions is not known during sleep.
"""

import json

import pytest
from conftest import tiny_study
from helpers.program import invoke, write

WORLD = {
    "kind": "simulated",
    "generator": "head_direction",
    "session": "ring",
    "sessions": 2,
    "units": 20,
    "bins": 4000,
}
CONTRAST = {
    "kind": "contrast",
    "id": "S",
    "claim": "REM runs along the ring",
    "axis": "state.share",
    "dose": 0.5,
}
PAIRING = {
    "kind": "state",
    "window_s": 0.2,
    "partners": [2],
    "others": [1],
    "gap_s": 2.0,
    "span_s": 1.0,
}
STATES = {
    "recordings": [WORLD],
    "target": {"name": "head_direction", "kind": "circular"},
    "window": {"length_bins": 1, "within": {"array": "state", "values": [0]}},
    "views": {"pairing": PAIRING},
    "axes": [{"path": "state.share", "doses": [0, 0.5]}],
    "hypotheses": [CONTRAST],
}


def test_a_study_of_sleep_runs_to_its_report(tmp_path):
    study = write(tmp_path, tiny_study(**STATES))
    invoke("run", study, cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
    (found,) = report["hypotheses"]
    assert report["runs"]["failed"] == report["runs"]["missing"] == 0
    assert found["status"] == "exploratory" and found["verdict"].startswith("experimental: ")
    assert {e["name"] for e in found["estimands"]} == {
        "M_loc",
        "M_other",
        "M_shuffled",
        "M_permuted",
        "A/A",
    }
    pairs = {(row["name"], row["arm"]) for row in found["pairs"]}
    assert {arm for name, arm in pairs if name == "share"} == {
        "mined",
        "other_state",
        "time_shuffled",
        "unit_permuted",
    }
    assert ("distance of partners' state from waking", "mined") in pairs
    assert (
        "each unit standardised within its state"
        in (tmp_path / "reports" / "tiny" / "index.html").read_text()
    )


REFUSED = {
    "sleep without labelled states": (
        {"window": {"length_bins": 1}},
        "pairs across states need `window: {within",
    ),
    "a labelled state as its own partner": (
        {"views": {"pairing": {**PAIRING, "partners": [0]}}},
        "pairs across states need two different states",
    ),
    "a state that is both": (
        {"views": {"pairing": {**PAIRING, "others": [2]}}},
        "cannot be its own control",
    ),
    "a state that never comes": (
        {"views": {"pairing": {**PAIRING, "partners": [7]}}},
        "never takes any of the values [7]; its values are [",
    ),
    "states that are not there": (
        {"window": {"length_bins": 1, "within": {"array": "stage", "values": [0]}}},
        "not in the recording",
    ),
    "trajectories of one bin": (
        {"views": {"pairing": {**PAIRING, "span_s": 0.1}}},
        "use a span_s of at least 0.2 s",
    ),
    "a gap within the smoothing": (
        {"views": {"pairing": {**PAIRING, "gap_s": 0.1}}},
        "smoothing with an SD of",
    ),
    "a target that is unknown asleep": (
        {
            **STATES,
            "window": {"length_bins": 1},
            "views": {"pairing": {"window_s": 0.2}},
            "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
            "hypotheses": [
                {
                    **tiny_study()["hypotheses"][0],
                    "predicts": "tolerated",
                    "axis": "time_jitter.window_s",
                    "dose": 0.2,
                }
            ],
        },
        "NaN",
    ),
    "a method that reads the target": (
        {"method": {"kind": "y_aware"}},
        "windows of other states have none",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_refused_with_its_reason(tmp_path, case):
    changes, reason = REFUSED[case]
    done = invoke(
        "validate", write(tmp_path, tiny_study(**{**STATES, **changes})), cwd=tmp_path, check=2
    )
    assert reason in done.stderr
