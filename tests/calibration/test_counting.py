"""The counting of claims and words itself, on losses whose truth is known.

With the null at its truth, claims are made at their level; worlds of planted losses get
their words.
"""

import numpy as np
import pytest
from click.testing import CliRunner
from inference.builder import make_plan, planted

from invariance_probe.calibration.arms import arm_rows
from invariance_probe.calibration.banks import (
    SIZES,
    crossed_study,
    dropout_study,
    jitter_study,
    needed,
    needed_of_crossed,
)
from invariance_probe.calibration.bench import measured as known
from invariance_probe.calibration.calibrate import SSL
from invariance_probe.calibration.counting import Bank, accepted, bound, draw, sizes
from invariance_probe.calibration.dropout import dropout_rows
from invariance_probe.calibration.few_sessions import _shares
from invariance_probe.calibration.without_ssl import addition_table
from invariance_probe.cli import CALIBRATED, main
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.plan.plan import Plan
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def test_three_sessions_with_crossed_seeds_and_blocks_keep_their_level():
    gen = np.random.default_rng(0)
    effects = [
        Effect(
            0.2
            + 0.1 * i
            + 0.05 * gen.standard_normal((10, 1))
            + 0.05 * gen.standard_normal((1, 8)),
            np.full((1, 8), 0.5),
        )
        for i in range(6)
    ]
    low, high = _shares(effects, np.random.default_rng(1), 4000)
    assert 0.02 <= low <= 0.07 and 0.02 <= high <= 0.07


def test_claims_at_the_banks_mean_are_made_at_their_level_and_true_ones_nearly_always():
    gen = np.random.default_rng(2)
    bank = Bank(
        {"D": 0.1 + 0.03 * gen.standard_normal(400)},
        {"D": np.full(400, 0.5)},
        np.ones(400),
        np.ones(400),
    )
    at_most, more, coverage = sizes(bank, "D", 6, gen)
    assert max(at_most.rate, more.rate) <= 0.06 and 0.88 <= coverage <= 0.93
    shown, _ = bank.shown("D", draw(gen, 400, 6), 0.5)
    assert shown.mean() > 0.99


def measured(case, **losses):
    """A bank of one case, of planted losses."""
    plan = make_plan(sessions=8, quick=True)
    sessions = tuple(Session(s.name, "a", case, s.fingerprint, s.source) for s in plan.sessions)
    plan = Plan(plan.study, sessions)
    return known(plan, planted(plan, **losses))


def test_planted_cases_get_their_verdicts_and_the_naive_rule_is_counted():
    tables = {"sizes": [], "verdicts": {}}
    bank = measured("one-neuron", C_code=0.5, delta=0.3, H=0.0, paired=-0.2)
    rows = {row.figure: row for row in dropout_rows(bank, np.random.default_rng(0), tables)}
    assert rows["sensitive"].reached == 1 and rows["invariant or tolerated"].reached == 0
    assert (
        rows["naive rule, paired draws: invariant"].reached == 1
        and rows["naive rule, independent draws: invariant"].reached == 0
    )
    assert tables["verdicts"]["one-neuron"] == {"sensitive": 1.0}


def test_dose_0_that_keeps_too_little_leaves_only_what_the_shared_arm_can_show():
    tables = {"sizes": [], "verdicts": {}}
    dropout_rows(
        measured("one-neuron", C_code=0.5, delta=0.0, H=-0.3, kept=0.4),
        np.random.default_rng(0),
        tables,
    )
    assert tables["verdicts"]["one-neuron"] == {
        "sensitive": 1.0
    }  # D = .3, and the shared arm keeps .7
    dropout_rows(measured("one-neuron", C_code=0.5, kept=0.4), np.random.default_rng(0), tables)
    assert tables["verdicts"]["one-neuron"] == {"invalid: retention": 1.0}


def test_training_adds_a_word_only_where_the_code_alone_would_let_one_guess_another():
    [row] = addition_table(
        measured("one-neuron", C_code=0.5, delta=0.3, H=0.0), np.random.default_rng(0)
    )
    assert row["code"] == {"lost": 1.0} and row["verdict"] == {"sensitive": 1.0}
    assert (row["as_guessed"], row["adds"], row["silent"]) == (0, 1, 0)
    [row] = addition_table(
        measured("one-neuron", C_code=0.5, delta=0.0, H=0.0), np.random.default_rng(0)
    )
    assert row["verdict"] == {"tolerated": 1.0} and (row["as_guessed"], row["adds"]) == (1, 0)
    [row] = addition_table(measured("one-neuron", C_code=0.5, aa=0.3), np.random.default_rng(0))
    assert row["verdict"] == {"invalid: noise": 1.0} and (
        row["as_guessed"],
        row["adds"],
        row["silent"],
    ) == (0, 0, 1)


def test_a_bank_without_an_error_has_a_bound_that_its_size_sets():
    assert bound(0.0, 6, 400) == 0.045 and bound(0.08, 6, 400) == 0.08 and bound(0.0, 6, 12) == 1.0
    assert accepted(0.07, 0.1) and not accepted(0.071, 0.08) and not accepted(0.05, 0.101)
    gen = np.random.default_rng(2)
    small = Bank(
        {"D": 0.1 + 0.03 * gen.standard_normal(60)},
        {"D": np.full(60, 0.5)},
        np.ones(60),
        np.ones(60),
    )
    at_most, more, _ = sizes(small, "D", 6, gen)
    assert min(at_most.upper, more.upper) >= 0.3


def test_the_arms_table_holds_every_arms_excess_loss():
    tables = {}
    arm_rows(measured("distributed", C_code=0.3, delta=0.1, H=0.02, paired=-0.2), tables)
    [row] = tables["arms"]  # planted at one dose
    assert row["dose"] == 0.4
    means = {name: mean for name, (mean, _) in row["figures"].items()}
    expected = {
        "delta": 0.1,
        "H": 0.02,
        "delta_paired": -0.2,
        "D": 0.08,
        "C_code": 0.3,
        "C_blind": 0.4,
        "D against paired": 0.3,
    }
    assert means == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("kind", CALIBRATED)
def test_every_method_that_the_command_offers_has_its_settings(kind):
    assert dropout_study(SSL[kind], SIZES["licence"]).method.kind == kind and set(
        CALIBRATED
    ) == set(SSL)


def test_banks_are_disjoint_from_what_was_tuned_on_and_need_no_more_than_they_say():
    study = dropout_study(SSL["simclr"], SIZES["quick"])
    assert {world.seed for world in study.recordings} == {9000}
    crossed = crossed_study(SSL["simclr"], 3, 10)
    assert {world.session for world in crossed.recordings} == {
        "one-neuron-plain",
        "distributed-plain",
    } and crossed.training.seeds == 10
    sessions = tuple(Session(f"{w.session}-1", "a", w.group, "f", w) for w in crossed.recordings)
    kept = [run for run in Plan(crossed, sessions).runs if needed_of_crossed(run)]
    assert {run.arm for run in kept if run.method.kind == "simclr"} == {
        "none",
        "independent",
        "shared",
    }
    assert max(run.seed for run in kept) == 9
    first, late = (
        Session(f"one-neuron-plain-{i}", "a", "", "f", study.recordings[0]) for i in (1, 100)
    )
    arms = {
        s.name: {run.arm for run in Plan(study, (s,)).runs if needed(run)} for s in (first, late)
    }
    assert all(
        "code" in {r.method.kind for r in Plan(study, (s,)).runs if needed(r)}
        for s in (first, late)
    )
    assert "code" in {run.method.kind for run in kept}
    assert "paired" in arms["one-neuron-plain-1"] and "paired" not in arms["one-neuron-plain-100"]
    assert {w.label_tau_s for w in jitter_study(SSL["simclr"], 2).recordings} == {0.2, 0.8, 3.2}
    assert isinstance(study, Study)


@pytest.mark.slow
def test_a_quick_calibration_runs_from_nothing_and_again_from_the_store(tmp_path):
    command = [
        "calibrate",
        "--quick",
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "page"),
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0 and "figures" in done.output, done.output
    page = (tmp_path / "page" / "README.md").read_text()
    assert "no evidence of anything" in page and "The arms over the doses" in page
    again = CliRunner().invoke(main, [*command, "--no-train"])
    assert again.exit_code == 0
