"""A study of mined pairs, from its file to its report.

Its sessions have behaviours that recur under a drift.
"""

import json

import pytest
from conftest import tiny_study
from helpers.program import invoke, write

WORLD = {
    "kind": "simulated",
    "generator": "recurring",
    "session": "bouts",
    "sessions": 2,
    "units": 24,
    "bins": 1200,
    "behaviours": 3,
    "bout_s": 2.0,
    "behaviour_gain": 1.0,
}
CONTRAST = {
    "kind": "contrast",
    "id": "M",
    "claim": "behaviours recur across the drift",
    "axis": "mined.share",
    "dose": 0.5,
}
MINED = {
    "recordings": [WORLD],
    "target": {"name": "behaviour", "kind": "categorical"},
    "views": {"pairing": {"kind": "mined", "window_s": 0.2, "gap_s": 8.0, "nuisance": "drift"}},
    "axes": [{"path": "mined.share", "doses": [0, 0.5]}],
    "hypotheses": [CONTRAST],
}


def test_a_study_of_mined_pairs_runs_to_its_report_and_trains_nothing_twice(tmp_path):
    study = write(tmp_path, tiny_study(**MINED))
    invoke("run", study, cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
    (found,) = report["hypotheses"]
    assert report["runs"]["failed"] == report["runs"]["missing"] == 0
    assert (
        found["kind"] == "contrast" and found["verdict"] == "invalid: retention"
    )  # 20 steps are too few for a verdict
    assert {e["name"] for e in found["estimands"]} == {
        "M_loc",
        "M_rand",
        "M_shift",
        "M_oracle",
        "A/A",
    }
    pairs = {(row["name"], row["arm"]): row["estimate"] for row in found["pairs"]}
    assert (
        pairs["purity", "oracle"] == 1
        and pairs["purity", "mined"] > pairs["purity", "random"] + 0.1
    )
    assert {arm for name, arm in pairs if name == "nuisance distance"} == {
        "mined",
        "random",
        "shifted",
        "oracle",
    }
    assert (
        "What the distant pairs are" in (tmp_path / "reports" / "tiny" / "index.html").read_text()
    )
    invoke("run", study, cwd=tmp_path, check=0)
    again = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
    assert again["provenance"]["trained"] == 0 and again["hypotheses"] == report["hypotheses"]


REFUSED = {
    "a claim about a dose on the axis of mined pairs": (
        {"hypotheses": [{**tiny_study()["hypotheses"][0], "axis": "mined.share", "dose": 0.5}]},
        "add `kind: contrast`",
    ),
    "a contrast without local pairs": (
        {"hypotheses": [{**CONTRAST, "controls": ["random", "shifted"]}]},
        "the controls must include local",
    ),
    "a share without its controls": (
        {
            "views": {
                "pairing": {"kind": "mined", "share": 0.5},
                "transforms": [{"kind": "unit_dropout"}],
            },
            "axes": tiny_study()["axes"],
            "hypotheses": tiny_study()["hypotheses"],
        },
        "mined pairs need control pairs",
    ),
    "a contrast of a kind unknown": (
        {"hypotheses": [{**CONTRAST, "kind": "contrats"}]},
        "'contrast'",
    ),
    "a misspelt field of a contrast": (
        {"hypotheses": [{**CONTRAST, "controlls": ["local"]}]},
        "Did you mean 'controls'?",
    ),
    "a misspelt field of a claim": (
        {**tiny_study(), "hypotheses": [{**tiny_study()["hypotheses"][0], "predict": 1}]},
        "Did you mean 'predicts'?",
    ),
    "closed-form linear SSL": ({"method": {"kind": "linear_ssl"}}, "only for local pairs"),
    "a method that chooses its own windows": (
        {"method": {"kind": "cpc"}},
        "mined.share has no effect",
    ),
    "a gap longer than the recording": (
        {"views": {"pairing": {"kind": "mined", "gap_s": 60}}},
        "Use a gap_s of at most",
    ),
    "a gap of less than a window": (
        {
            "window": {"length_bins": 6},
            "views": {"pairing": {"kind": "mined", "gap_s": 0.5, "smoothing_s": 0.1}},
        },
        "windows that are 0.5 s apart overlap",
    ),
    "a gap too long for a third of the data": (
        {"views": {"pairing": {"kind": "mined", "gap_s": 12}}, "quick": False},
        "Contrasts are repeated on a third of it",
    ),
    "a nuisance that is not there": (
        {"views": {"pairing": {"kind": "mined", "gap_s": 8, "nuisance": "dirft"}}},
        "'dirft' is not in",
    ),
    "a jitter of half a bin": (
        {"views": {"pairing": {"kind": "mined", "gap_s": 8, "window_s": 0.25}}},
        "not a multiple of the time from one window to the next",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_refused_with_its_reason(tmp_path, case):
    changes, reason = REFUSED[case]
    done = invoke(
        "validate", write(tmp_path, tiny_study(**{**MINED, **changes})), cwd=tmp_path, check=2
    )
    assert reason in done.stderr


def test_power_is_not_worked_out_for_contrasts(tmp_path):
    done = invoke(
        "plan", write(tmp_path, tiny_study(**MINED)), "--sd", "session=0.1", cwd=tmp_path, check=2
    )
    assert "but this study has none of them" in done.stderr
