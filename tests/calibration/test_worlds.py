"""The calibration of G3 to G6: its banks, its counting, and a smoke run of a few sessions."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from invariance_probe.calibration import worlds
from invariance_probe.calibration.counting import Bank, coverage, draw
from invariance_probe.calibration.world_rows import _claim_row, _successive, world_rows
from invariance_probe.calibration.worlds import (
    COMMON,
    LAGS,
    SIZES,
    MeasuredWorld,
    families,
    turnover_study,
)
from invariance_probe.cli import main
from invariance_probe.data.sessions import session_names
from invariance_probe.plan.figures.session import SharedFigures
from invariance_probe.plan.figures.units import Interval, MessengerFigures, Transfer
from invariance_probe.study.session import Session


def test_every_world_has_its_own_sessions_and_the_frozen_seed():
    studies = [family.study for family in families("full")] + [turnover_study(SIZES["full"])]
    sources = [source for study in studies for source in study.recordings]
    names = [name for source in sources for name in session_names(source)]
    assert len(names) == len(set(names))
    assert {source.seed for source in sources} == {9000}


def test_coverage_of_normal_sessions_is_the_level_or_a_little_more():
    """The guard against skew can only widen an interval."""
    rng = np.random.default_rng(0)
    bank = Bank(
        {"x": rng.standard_normal(20_000) + 2},
        {"x": np.full(20_000, 5.0)},
        np.ones(20_000),
        np.ones(20_000),
    )
    for sessions in (4, 12):
        studies = draw(rng, 20_000, sessions)
        for level in (0.9, 0.95):
            assert level - 0.012 <= coverage(bank, "x", studies, level) <= level + 0.03


def test_a_claim_of_random_pairs_is_counted_at_the_banks_own_mean():
    gains = 0.3 + np.random.default_rng(1).standard_normal(300)
    row = _claim_row("here", "claimed", "<= 0.07", gains, float(gains.mean()))
    assert (
        row.reached == pytest.approx(0.05, abs=0.012)
        and row.met
        and row.low < row.reached < row.high
    )
    against_0 = _claim_row("here", "claimed", ">= 0.8", gains, 0.0)
    drawn = gains[np.random.default_rng(2).integers(0, 300, (4000, 6))]
    claimed = stats.ttest_1samp(drawn, 0, axis=1, alternative="greater").pvalue <= 0.05
    assert against_0.reached == pytest.approx(claimed.mean(), abs=0.02)
    assert not against_0.met


def test_successive_sessions_are_of_one_array_and_do_not_overlap():
    arrays = np.repeat(["a", "b"], 5)
    assert _successive(arrays, 2).tolist() == [[0, 1], [2, 3], [5, 6], [7, 8]]
    assert _successive(arrays, 6).shape == (0, 6)


def made(found, **truth):
    return MeasuredWorld(Session("s", "", "", "", None), found, truth)


def shared(**found):
    nothing = dict.fromkeys(("correlations", "p_values", "lags_s", "agreement"), ())
    return SharedFigures(**{"dimensions": 0, "lag_bins": 0, "lag_s": 0.0, **nothing, **found})


def messengers(ratio):
    """Both halves chose the first six units; T is that of the refitted decoder."""
    gains = dict.fromkeys(("gain_a", "gain_b", "gain_a_in_b", "gain_a_p", "gain_b_p"), 0.0)
    units = tuple(range(6))
    return MessengerFigures(
        transfers=tuple(
            Transfer(
                mode=mode,
                budget=6,
                set_a=units,
                set_b=units,
                jaccard=1.0,
                transfer=ratio if mode == "refit" else None,
                **gains,
            )
            for mode in ("refit", "fixed")
        )
    )


def rows_of(measured):
    return {(row.about, row.figure): row for row in world_rows(measured)}


def test_shared_dimensions_and_lags_are_counted_session_by_session():
    measured = {f"common-{k}": [made(shared(dimensions=k))] * 9 for k in COMMON}
    measured["common-0"] = [made(shared())] * 8 + [made(shared(dimensions=2))]
    measured[LAGS[3]] = [made(shared(lag_bins=lag)) for lag in (2, 3, 4, 5)]
    rows = rows_of(measured)
    assert rows["G4, 0 common", "a false dimension is found"].reached == pytest.approx(1 / 9)
    over_all = rows[
        "G4, 0 to 4 common", "shared dimensions counted exactly, as many sessions of each"
    ]
    assert over_all.reached == pytest.approx(44 / 45) and over_all.met
    late = rows["G4, modality +3 bins behind", "lag found within 1 bin"]
    assert late.reached == 0.75 and late.met is False


def test_messengers_are_counted_by_recall_cover_and_false_alarm():
    right = Interval(estimate=1.0, low=0.9, high=1.1)
    alarm = Interval(estimate=0.2, low=0.1, high=0.4)
    carriers = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 30, 31, 32))
    measured = {
        "stable": [
            made(messengers(ratio), carriers=carriers) for ratio in (right, right, alarm, None)
        ]
    }
    rows = rows_of(measured)
    about = "G5, 6 carriers, stable, decoder refitted"
    assert rows[about, "recall of the carriers, mean"].reached == 0.75
    covered = rows[about, "95 % interval of T holds 1, of sessions that report T"]
    assert covered.reached == pytest.approx(2 / 3) and covered.bank == 3
    claimed = rows[about, "switch claimed (T < .5), of all sessions"]
    assert claimed.reached == 0.25 and claimed.bank == 4 and claimed.met is False


@pytest.mark.slow
def test_the_worlds_can_be_calibrated_alone_and_again_from_the_store(tmp_path, monkeypatch):
    tiny = {
        "recurring": 6,
        "nothing-common": 1,
        "common": 1,
        "lag": 1,
        "messengers": 1,
        "turnover": 1,
        "skewed": 0,
    }
    monkeypatch.setitem(worlds.SIZES, "quick", tiny)
    arguments = [
        "calibrate",
        "--quick",
        "--part",
        "worlds",
        "--runs",
        str(tmp_path / "runs"),
        "--workers",
        "1",
    ]
    first = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "one")])
    assert first.exit_code == 0, first.output
    content = json.loads((tmp_path / "one" / "calibration.json").read_text())
    about = {row["about"].split(",")[0] for row in content["rows"]}
    assert (
        about == {"G3", "G4", "G5", "G6"}
        and content["settings"]["part"] == "worlds"
        and content["verdicts"] == {}
    )
    again = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "two"), "--no-train"])
    assert again.exit_code == 0
    assert (
        json.loads((tmp_path / "two" / "calibration.json").read_text())["rows"] == content["rows"]
    )
    assert "## Verdicts" not in (tmp_path / "one" / "README.md").read_text()
