"""Keys of whole plans, taken before runs that look at stored encoders came in: thousands of stored results are found by them."""

import pytest
from conftest import tiny_study

from invariance_probe.study.declaration import sha256_of
from invariance_probe.study.plan import ANOTHER_METHOD, Plan
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

HYPOTHESIS = {**tiny_study()["hypotheses"][0], "id": "J", "claim": "c", "predicts": "invariant", "dose": 0.2}
JITTER = {
    "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}],
    "hypotheses": [{**HYPOTHESIS, "axis": "time_jitter.window_s"}],
    "target": {"name": "t", "kind": "categorical"},
    "method": {"kind": "linear_ssl"},
}
CAME_LATER = {"leak", "code"}
"""Measurements that came, or got another declaration, after the keys were taken."""
FROZEN = {
    "dropout": ({}, 186, "69f7e7fe1f77b164", "0f23c55f3980842f", "897df3fb8cf269e6", "c3eaec7ea3487011"),
    "jitter": (JITTER, 84, "20f6f136aa0fc9fa", "5abcf71645955c12", "db9a40ef1dfc68d0", "88db06f3d23cd5dc"),
}


@pytest.mark.parametrize("name", FROZEN)
def test_no_key_no_specification_and_no_dump_of_a_trained_run_has_changed(name):
    changes, count, *expected = FROZEN[name]
    study = Study.model_validate(tiny_study(**changes))
    plan = Plan(study, tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(3)))
    planned = (*plan.baselines, *plan.grid)  # the check under another method came with a second licence
    runs = [run for run in planned if run.method.kind not in CAME_LATER and run.setting != ANOTHER_METHOD]
    found = [
        [run.key() for run in runs], [run.train_key() for run in runs], [run.specification() for run in runs],
        [run.model_dump(mode="json") for run in runs],
    ]  # fmt: skip
    assert len(runs) == count and [sha256_of(values)[:16] for values in found] == expected
