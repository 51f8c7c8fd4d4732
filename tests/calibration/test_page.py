"""The calibration's page and figures, from the content of a small calibration.json alone."""

import json
import re
from pathlib import Path

import pytest

from invariance_probe.calibration.figure import charts_of
from invariance_probe.calibration.page import write_page

SETTINGS = {
    "method": {"kind": "simclr"},
    "training": {"steps": 400, "batch_size": 128, "seeds": 1},
    "size": "full",
}


def row(about, figure, asked, reached, low=None, high=None, met=None, bank=40):
    return {
        "about": about,
        "figure": figure,
        "asked": asked,
        "reached": reached,
        "low": low,
        "high": high,
        "bank": bank,
        "met": met,
    }


def content(**changes):
    rows = [row("one-neuron", "sensitive", ">= .80", 0.99, 0.97, 1.0, True)]
    for sessions, rate in ((3, 0.05), (5, 0.08)):
        rows.append(
            row(
                "one-neuron",
                f"false 'D <= m', {sessions} sessions",
                "<= .07, upper <= .10",
                rate,
                None,
                rate + 0.02,
                rate <= 0.07,
            )
        )
        rows.append(
            row(
                "one-neuron",
                f"coverage of the 90 % interval of D, {sessions} sessions",
                ".88 to .92",
                0.9,
                met=True,
            )
        )
    rows.append(
        row("G1, tau 0.8 s", "tau by test lag / tau, median", "0.9 to 1.1", 1.02, 0.98, 1.05, True)
    )
    rows.append(
        row("G1, tau 3.2 s", "tau by test lag / tau, median", "0.9 to 1.1", 0.7, 0.65, 0.75, False)
    )
    verdicts = {"one-neuron": {"sensitive": 0.99, "invalid: steps": 0.01}}
    means = {"one-neuron": {"D": [0.3, 0.1], "retention": [0.9, 0.1]}}
    return {"settings": SETTINGS, "rows": rows, "verdicts": verdicts, "means": means, **changes}


def section(text, title):
    return text[text.index(title) :].split("\n## ")[0]


def written(folder, made):
    write_page(json.loads(json.dumps(made)), folder)
    return (folder / "README.md").read_text()


def test_the_first_table_has_what_stands_for_itself_and_no_size_or_coverage(tmp_path):
    first = written(tmp_path, content()).split("\n## ")[0]
    assert "| one-neuron | sensitive | >= .80 | 0.990 | 0.970 to 1.000 | 40 | yes |" in first
    assert "false 'D" not in first and "coverage of the 90 %" not in first
    assert (
        "**2 of 3** figures of the first table" in first
        and "**1 of 2** sizes are kept (largest: 0.080, `D <= m`" in first
    )


def test_sizes_have_one_row_a_claim_and_a_column_a_session_count_with_misses_in_bold(tmp_path):
    text = section(written(tmp_path, content()), "## How often a false claim is made")
    assert "| case | claim | 3 sessions | 5 sessions |" in text
    assert "| one-neuron | `D <= m` | 0.050 (0.070) | **0.080 (0.100)** |" in text
    assert "| one-neuron | `D` | 0.900 | 0.900 |" in section(
        written(tmp_path, content()), "## Coverage"
    )


def test_a_verdict_that_the_page_does_not_know_is_shown_too(tmp_path):
    assert "invalid: steps" in section(written(tmp_path, content()), "## Verdicts")


def test_every_figure_is_written_shown_and_says_on_how_many_sessions_it_rests(tmp_path):
    text = written(tmp_path, content())
    names = re.findall(r"!\[[^\]]+\]\((\w+\.svg)\)", text)
    assert sorted(names) == ["coverage.svg", "recovery.svg", "sizes.svg", "verdicts.svg"]
    assert all((tmp_path / name).read_text().startswith("<?xml") for name in names)
    assert text.count("studies drawn from banks of 40 (one-neuron) sessions, 1 seed a session") == 3
    assert "Medians over 40 sessions of each world" in text


def test_figures_are_the_same_twice_with_alt_text_and_numbers():
    first, second = dict(charts_of(content())), dict(charts_of(content()))
    assert first == second
    assert all(chart.alt and chart.rows for chart in first.values())
    assert (
        "G1, tau 3.2 s" in first["recovery"].alt and "tau 0.8 s" not in first["recovery"].alt
    )  # the missed one
    assert "'D <= m' in one-neuron, 5 sessions, 0.080" in first["sizes"].alt


@pytest.mark.parametrize(
    ("figure", "gone"), [("tau", "recovery"), ("false", "sizes"), ("coverage", "coverage")]
)
def test_a_figure_without_rows_is_left_out_with_its_section(tmp_path, figure, gone):
    rows = [r for r in content()["rows"] if not re.match(figure, r["figure"])]
    text = written(tmp_path, content(rows=rows))
    assert f"{gone}.svg" not in text and not (tmp_path / f"{gone}.svg").exists()
    assert gone != "sizes" or "How often a false claim" not in text


def test_what_ssl_adds_is_told_beside_the_finding_of_the_code(tmp_path):
    added = {
        "case": "one-neuron",
        "sessions": 40,
        "code": {"lost": 1.0},
        "verdict": {"sensitive": 0.9, "inconclusive": 0.1},
        "as_guessed": 0.0,
        "adds": 0.9,
        "silent": 0.1,
    }
    text = section(written(tmp_path, content(ssl_contribution=[added])), "## What SSL adds")
    assert (
        "| one-neuron | 40 | lost 1.000 | sensitive 0.900, inconclusive 0.100 | "
        "0.000 | 0.900 | 0.100 |" in text
    )


def test_an_earlier_calibration_says_that_its_words_are_earlier_ones(tmp_path):
    assert "counted before the words changed" not in written(tmp_path, content())
    rows = [row("distributed", "recoverable or invariant", ">= .80", 0.99, 0.97, 1.0, True)]
    assert "`recoverable` is now `tolerated`" in written(tmp_path, content(rows=rows))


def test_a_quick_calibration_says_that_it_is_no_evidence(tmp_path):
    assert "no evidence of anything" in written(
        tmp_path, content(settings={**SETTINGS, "size": "quick"})
    )


def test_many_cases_get_panels_of_their_own():
    rows = [
        row(
            f"case {i}", "false 'D > m', 5 sessions", "<= .07, upper <= .10", 0.05, None, 0.06, True
        )
        for i in range(5)
    ]
    chart = dict(charts_of(content(rows=rows)))["sizes"]
    assert {r[0] for r in chart.rows} == {f"case {i}" for i in range(5)}


def test_the_committed_page_is_made_from_the_committed_numbers(tmp_path):
    folder = Path(__file__).parents[2] / "reports" / "calibration" / "simclr"
    write_page(json.loads((folder / "calibration.json").read_text()), tmp_path)
    assert (tmp_path / "README.md").read_text() == (folder / "README.md").read_text()
