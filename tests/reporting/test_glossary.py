"""Every word that a report can print is explained, and none has two findings."""

import re

import pytest

from invariance_probe.inference.rules.verdicts import (
    CARRIERS_WORDS,
    INCONCLUSIVE,
    JITTER_WORDS,
    UNCALIBRATED,
    WORDS,
)
from invariance_probe.reporting.glossary import CODE, LEARNING, glossary


def entries(kind="invariance", axis="unit_dropout.rate"):
    return dict(glossary({"hypotheses": [{"kind": kind, "axis": axis}]}))


def words(group):
    return {word for name, _ in group for word in re.split(r", (?![^()]*\))", name)}


def test_every_verdict_and_every_word_about_units_is_explained():
    groups = entries()
    assert {*WORDS, INCONCLUSIVE, UNCALIBRATED, "invalid", "untestable"} <= words(
        groups["Verdicts"]
    )
    assert {*CARRIERS_WORDS, "redundant", "kept", "lost"} <= words(groups["The code (no SSL)"])
    assert {"supported", "contradicted", "open"} <= words(groups["Predictions, gates and flags"])


def test_a_jitter_has_words_of_its_own_and_is_never_called_invariant():
    groups = entries("jitter", "time_jitter.window_s")
    assert set(JITTER_WORDS) <= words(groups["Verdicts on a jitter"]) and "Verdicts" not in groups
    assert "invariant" not in words(groups["Verdicts on a jitter"])


@pytest.mark.parametrize(
    ("axis", "title"),
    [("mined.share", "Pairs mined across time"), ("state.share", "Pairs across states")],
)
def test_contrasts_have_their_own_words_and_no_verdicts_on_corruptions(axis, title):
    groups = entries("contrast", axis)
    assert {"beneficial", "harmful", "not shown"} <= words(
        groups[title]
    ) and "Verdicts" not in groups


def test_no_word_of_learning_is_a_word_of_the_code():
    assert not words(CODE) & words(LEARNING)


def test_words_of_earlier_reports_are_named_as_such():
    text = {word: meaning for group in entries().values() for word, meaning in group}
    assert "recoverable in reports of earlier versions" in text["tolerated"]
    assert "C_info in reports of earlier versions" in text["C_blind"]
