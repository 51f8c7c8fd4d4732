"""Counting what is said of a code, on banks whose truth is known."""

import numpy as np
import pytest

from invariance_probe.calibration.code_counting import (
    SHARE,
    covered,
    long_mean,
    rate,
    redundant,
    said_of,
    shares,
    unit_count_words,
    wrong_words,
)
from invariance_probe.calibration.counting import draw
from invariance_probe.calibration.phase_map import CELLS, SIZES, Sizes, session_batches
from invariance_probe.data.sessions import session_names
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses.code import CLEAR
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import carriers_p, decide


def bank(k_s, k_n, redundancy=1.0, units=60, sd=0.05, sessions=500, seed=0):
    noise = sd * np.random.default_rng(seed).standard_normal((4, sessions))
    values = (k_s / units, k_n / units, (k_s + k_n) / units, redundancy)
    names = ("K_s", "K_n", "carriers", "redundancy")
    return {
        name: np.log(value) + more for name, value, more in zip(names, values, noise, strict=True)
    }


@pytest.mark.parametrize(
    ("k_s", "k_n", "word"),
    [(1.0, 5.0, "few"), (1.0, 11.0, "few"), (5.0, 11.0, "between"), (7.0, 30.0, "spread")],
)
def test_a_word_is_said_where_the_bounds_are_clear_of_a_quarter_by_a_tenth(k_s, k_n, word):
    found = shares(bank(k_s, k_n), bank(k_s, k_n), 6, np.random.default_rng(1))
    assert found[word] > 0.95 and sum(
        found[w] for w in ("few", "between", "spread", "undecided")
    ) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("k_s", "k_n", "word"), [(2.0, 0.25 / 1.1 * 60 - 2, "few"), (30.0, 0.25 * 1.1 * 60, "spread")]
)
def test_a_word_at_its_very_bound_is_said_in_a_twentieth_of_studies(k_s, k_n, word):
    logs = bank(k_s, k_n, sessions=20_000)
    assert shares(logs, logs, 6, np.random.default_rng(2))[word] == pytest.approx(0.05, abs=0.015)


def test_many_studies_say_the_words_that_inference_says_of_each():
    logs = bank(2.0, 12.5, sd=0.12, sessions=40)
    studies = draw(np.random.default_rng(10), 40, 5)[:60]
    bounds = {"below": np.log(SHARE / CLEAR), "above": np.log(SHARE * CLEAR)}

    def alone(study):
        samples = {
            name: Sample(
                tuple(Effect(np.full((1, 1), x), np.ones((1, 1))) for x in logs[name][study]),
                ("mouse",) * 5,
            )
            for name in ("carriers", "K_n")
        }
        p_values = {
            "carriers below": samples["carriers"].p_at_most(bounds["below"]),
            "carriers above": samples["carriers"].p_more_than(bounds["below"]),
            "K_n below": samples["K_n"].p_at_most(bounds["above"]),
            "K_n above": samples["K_n"].p_more_than(bounds["above"]),
        }
        return decide(carriers_p(p_values), 0.05, "undecided")

    found = unit_count_words(logs, studies)
    assert [alone(study) for study in studies] == found.tolist() and len(set(found)) > 1


def test_a_study_whose_sessions_disagree_says_nothing():
    logs = {
        name: np.array([np.log(low), np.log(high)])
        for name, (low, high) in {
            "K_n": (0.02, 0.8),
            "carriers": (0.03, 0.9),
            "redundancy": (1.0, 1.0),
        }.items()
    }
    assert unit_count_words(logs, np.array([[0, 1, 0, 1]]))[0] == "undecided"
    assert unit_count_words(logs, np.array([[0, 0, 0, 0], [1, 1, 1, 1]])).tolist() == [
        "few",
        "spread",
    ]


def test_a_word_that_copies_alone_make_is_not_said():
    logs, without = bank(1, 30), bank(1, 5)
    studies = draw(np.random.default_rng(9), 500, 6)
    assert set(unit_count_words(logs, studies)) == {"spread"} and set(
        said_of(logs, without, studies)
    ) == {"undecided"}
    assert set(said_of(without, bank(0.5, 1), studies)) == {"few"}


def test_redundant_is_said_of_copies_and_not_of_independent_units():
    studies = draw(np.random.default_rng(3), 500, 6)
    assert redundant(bank(1, 5, 1.6), studies).mean() > 0.95
    assert redundant(bank(1, 5, 1.0), studies).mean() < 0.01


@pytest.mark.parametrize(
    ("k_n", "carriers", "wrong"),
    [
        (0.1, 0.2, {"spread"}),
        (0.2, 0.25, {"few", "spread"}),
        (0.25, 0.3, {"few", "spread"}),
        (0.3, 0.35, {"few"}),
    ],
)
def test_which_words_are_wrong_follows_from_long_recordings(k_n, carriers, wrong):
    assert set(wrong_words({"K_n": k_n, "carriers": carriers})) == wrong


def test_a_bank_without_an_error_has_a_bound_that_its_size_sets():
    logs = bank(1, 5)
    counted = rate(
        500,
        6,
        np.random.default_rng(4),
        lambda studies: unit_count_words(logs, studies) == "spread",
    )
    assert counted.reached == 0 and counted.upper == pytest.approx(3 * 6 / 500)


def test_the_bound_of_a_frequent_error_is_that_of_resampled_banks():
    logs = bank(3.0, 0.25 / 1.1 * 60 - 3, sessions=100, sd=0.1)
    counted = rate(
        100, 4, np.random.default_rng(5), lambda studies: unit_count_words(logs, studies) == "few"
    )
    assert 0.02 < counted.reached < 0.12 < counted.upper < 0.4


def test_coverage_of_normal_logs_is_the_level_or_a_little_more():
    values = np.random.default_rng(6).standard_normal(20_000)
    for sessions in (4, 6, 8):
        assert 0.885 < covered(values, sessions, np.random.default_rng(7)) < 0.93


def test_long_recordings_of_some_codes_say_what_those_of_all_would_be():
    """Regression on short recordings beats the mean of the long ones alone.

    In this case codes differ much from each other, and recordings of one code little.
    """
    rng, off, plain, claimed = np.random.default_rng(8), [], [], []
    for _ in range(300):
        code = rng.standard_normal(200)
        short, long = (
            code + 0.2 * rng.standard_normal(200),
            code + 0.3 + 0.1 * rng.standard_normal(200),
        )
        found = long_mean(short, short[:12], long[:12])
        off.append(found.mean - 0.3)
        plain.append(long[:12].mean() - 0.3)
        claimed.append(found.error)
    assert np.std(off) < 0.5 * np.std(plain)
    assert np.mean(claimed) == pytest.approx(np.std(off), rel=0.2)
    assert abs(np.mean(off)) < 0.03


def test_cells_have_names_and_seeds_of_their_own_and_long_recordings_are_of_the_same_sessions():
    names = []
    for cell in CELLS:
        short, long = (cell.study(range(3), long).recordings for long in (False, True))
        assert [source.session for source in short] == [source.session for source in long]
        for here, there in zip(short, long, strict=True):
            assert here.model_copy(update={"bins": there.bins}) == there and there.bins >= 30_000
        names += [name for source in short for name in session_names(source)]
    assert len(names) == len(set(names))


def test_every_session_has_its_turn_once_and_the_middle_is_ahead():
    order = [
        (batch.cell.name, batch.long, i)
        for batch in session_batches(SIZES["full"])
        for i in batch.part
    ]
    assert (
        len(order) == len(set(order)) == (SIZES["full"].sessions + SIZES["full"].long) * len(CELLS)
    )
    assert order[0][0] == "strong-10"
    place = {who: i for i, who in enumerate(order)}
    assert place["weak-15", False, 39] < place["strong-1", False, 20] < place["weak-15", False, 79]
    assert place["strong-1", False, 0] < place["strong-1", True, 0] < place["strong-1", False, 20]
    assert (
        place["strong-1", False, 100] < place["strong-1", True, 29] < place["strong-1", False, 399]
    )
    assert len(session_batches(Sizes(8, 4))) == 2 * len(CELLS)


def test_words_that_must_have_power_are_asked_where_the_map_says_so():
    asked = {cell.name: cell.powers for cell in CELLS}
    assert [asked[f"strong-{n}"] for n in (1, 3, 6, 10, 30, 60)] == [("few",)] * 3 + [()] * 2 + [
        ("spread",)
    ]
