"""Keys of whole plans at algorithm version 2: thousands of stored results are found by them."""

import pytest
from conftest import tiny_study

from invariance_probe.plan.plan import Plan
from invariance_probe.study.declaration import sha256_of
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

HYPOTHESIS = {
    **tiny_study()["hypotheses"][0],
    "id": "J",
    "claim": "c",
    "predicts": "tolerated",
    "dose": 0.2,
}
JITTER = {
    "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}],
    "hypotheses": [{**HYPOTHESIS, "axis": "time_jitter.window_s"}],
    "target": {"name": "t", "kind": "categorical"},
    "method": {"kind": "linear_ssl"},
}
FROZEN = {
    "dropout": (
        {},
        108,
        "235cd5b61f1c0746",
        "09165a466be5945d",
        "b425806e68642861",
        "ef067065b7702dc5",
    ),
    "jitter": (
        JITTER,
        96,
        "d6a8f63fee961a45",
        "54e4186707dac919",
        "240d225509ed742f",
        "1d986284076767c8",
    ),
}


@pytest.mark.parametrize("name", FROZEN)
def test_no_key_no_specification_and_no_dump_of_a_trained_run_has_changed(name):
    changes, count, *expected = FROZEN[name]
    study = Study.model_validate(tiny_study(**changes))
    plan = Plan(
        study, tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(3))
    )
    runs = [*plan.baselines, *plan.grid]
    found = [
        [run.key() for run in runs],
        [run.train_key() for run in runs],
        [run.specification() for run in runs],
        [run.model_dump(mode="json") for run in runs],
    ]
    assert len(runs) == count and [sha256_of(values)[:16] for values in found] == expected
