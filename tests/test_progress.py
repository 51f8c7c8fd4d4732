"""What is said of the time left while a study runs."""

import pytest

from invariance_probe.cli.progress import _Tally

STAGE = {
    "event": "stage", "stage": "baselines", "runs": 10, "model_steps": 1000, "workers": 2,
    "seconds": 60.0, "step_s": 0.05, "later_s": 540.0,
}  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_before_anything_is_done_the_time_left_is_the_price_over_the_workers(clock):
    tally = _Tally(lambda tally: None)
    tally.take(STAGE)
    assert tally.seconds_left() == pytest.approx(600 / 2)
    assert tally.left() == ", about 5 min left"


def test_the_time_left_counts_later_stages_and_follows_the_pace_of_the_machine(clock):
    """A machine three times as slow as priced: after 90 s of 30 priced ones, 570 are left."""
    tally = _Tally(lambda tally: None)
    tally.take({**STAGE, "workers": 1})
    clock[0] = 90.0
    tally.take({"event": "progress", "model_steps": 400})
    tally.take({"event": "committed", "measured_s": 10.0})
    assert tally.done == 30.0
    assert tally.seconds_left() == pytest.approx((90 + 10) / (30 + 10) * 570)


def test_a_stage_without_prices_counts_steps_and_says_nothing_before_the_first(clock):
    tally = _Tally(lambda tally: None)
    tally.take({"event": "stage", "stage": "codes", "runs": 4, "model_steps": 0})
    assert tally.left() == ""
    clock[0] = 10.0
    tally.take({"event": "committed"})
    assert tally.left() == ", about 30 s left"
