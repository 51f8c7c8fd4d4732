import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from inference.builder import JITTER, LICENSED, make_plan, planted, with_lags

from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.reporting import render
from invariance_probe.reporting.figures import _off_diagonal
from invariance_probe.reporting.figures.matrix import signed
from invariance_probe.reporting.tables import baseline_table, primary_rows
from invariance_probe.results.tables import COLUMNS, tidy

PROVENANCE = {
    "versions": {"invariance-probe": "0.1.0", "python": "3.11"},
    "seconds": 12.0,
    "failures": [],
}
FIELDS = {
    "schema_version": int, "study": dict, "registration": dict, "hypotheses": list,
    "baselines": list, "sessions": list, "curve": list, "code": list, "dropping": list,
    "recordings": list, "lags": list, "nulls": list, "cautions": list, "matrix": list,
    "examined": list, "similarity": list, "classes": list, "messengers": list, "switching": list,
    "units": list, "reliance": list, "measured": list, "runs": dict, "notes": list,
    "settings": dict, "provenance": dict,
}  # fmt: skip
HYPOTHESIS = {
    "id",
    "kind",
    "claim",
    "predicts",
    "status",
    "group",
    "axis",
    "primary_dose",
    "margin",
    "because",
    "scope",
    "sessions",
    "verdict",
    "flags",
    "outcome",
    "sentence",
    "dose_interval",
    "no_ssl",
    "naive",
    "estimands",
    "swept",
    "claims",
    "gates",
    "p_value",
    "p_value_adjusted",
    "notes",
    "supports",
    "cannot_support",
    "code",
    "learning",
    "objectives",
    "look",
    "pairs",
}
CODE = {
    "finding",
    "carriers_word",
    "redundant",
    "K_s",
    "K_n",
    "carriers",
    "redundancy",
    "C_code",
    "C_blind",
    "independent",
    "known_masks",
    "linear",
    "n_units",
    "share",
    "units",
    "sentence",
}


def made(tmp_path, plan=None, name="report", results=None, left_out=None, **values):
    plan = plan or make_plan()
    results = results if results is not None else planted(plan, **values)
    findings = infer(plan, results, left_out or {})
    return render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a report whose verdict is `tolerated`; tests only read it."""
    return made(tmp_path_factory.mktemp("rendered"), C_code=0.4).parent


def test_report_json_keeps_its_shape(folder):
    report = json.loads((folder / "report.json").read_text())
    assert {name: type(value) for name, value in report.items()} == FIELDS
    hypothesis = report["hypotheses"][0]
    assert set(hypothesis) == HYPOTHESIS
    assert set(report["study"]) == {"name", "question", "sha256"}
    assert report["registration"] == {"sha256": None, "status": "exploratory", "deviations": []}
    assert {"name", "dose", "arm", "estimate", "ci_low", "ci_high", "n_sessions", "n_seeds"} <= set(
        hypothesis["estimands"][0]
    )
    assert report["schema_version"] == 2
    assert set(hypothesis["code"]) == CODE and set(hypothesis["code"]["carriers"]) == {
        "estimate",
        "ci_low",
        "ci_high",
        "n_sessions",
    }
    assert set(hypothesis["learning"]) == {"finding", "panel", "sentence"}
    assert set(hypothesis["learning"]["panel"]) == {"recipes", "reason", "one_method"}
    assert {"name", "computed", "reason", "finding", "D", "H", "delta", "gates"} <= set(
        hypothesis["learning"]["panel"]["recipes"][0]
    )
    assert set(hypothesis["gates"][0]) == {"name", "outcome", "limits", "detail", "passed"}
    assert {"session", "units", "K_s", "K_n", "carriers", "redundancy", "R_code", "copies"} <= set(
        report["code"][0]
    )
    assert set(report["dropping"][0]) == {"session", "group", "curve", "units", "r2", "part"}
    assert {"rule", "says"} <= set(hypothesis["naive"]) and {
        "planned",
        "done",
        "failed",
        "collapsed",
    } <= set(report["runs"])


def test_two_renders_are_equal_byte_for_byte(folder, tmp_path):
    first, second = folder, made(tmp_path, name="b", C_code=0.4).parent
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)


def test_the_page_is_self_contained_and_escapes_what_a_study_says(tmp_path):
    hostile = {**make_plan().study.hypotheses[0].model_dump(), "claim": "<script>alert(1)</script>"}
    page = made(tmp_path, make_plan(hypotheses=[hostile]), C_code=0.4).read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert (
        all(alt for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)) and page.count("<img") == 7
    )


def test_the_page_opens_with_the_verdicts(tmp_path):
    page = made(tmp_path, C_code=0.7, delta=0.3, paired=-0.3, kept=0.7).read_text()
    head = page[: page.index("what the verdict rests on")]
    assert "H1: sensitive" in head and "regularised" in head and "naive rule" in head
    assert (
        page.index("The code (no SSL)")
        < page.index("<h3>Learning</h3>")
        < page.index("<h3>Gates</h3>")
    )


@pytest.mark.parametrize(
    "plan", [make_plan(sessions=3), make_plan(**JITTER), make_plan(quick=True)]
)
def test_every_kind_of_study_renders(tmp_path, plan):
    assert made(tmp_path, plan).exists()


def test_a_study_without_a_verdict_renders(tmp_path):
    plan = make_plan()
    weak = planted(plan, null=0.5)
    only = {run.key(): weak[run.key()] for run in plan.baselines}
    page = made(tmp_path, plan, results=only, left_out=unusable_runs(plan, weak)).read_text()
    assert "untestable" in page and "left out" in page


def test_the_matrix_and_the_looks_of_the_representation_are_shown_with_their_numbers(tmp_path):
    page = made(tmp_path, C_code=0.4, delta=0.2, T=0.5)
    text, cells = page.read_text(), pd.read_csv(page.parent / "matrix.csv")
    pooled = cells[
        (cells.hypothesis == "H1") & (cells.train_dose == 0.4) & (cells.test_dose == 0.4)
    ]
    assert pooled.value.item() == pytest.approx(0.4, abs=0.02)
    assert (
        "trained at one dose, tested at another" in text
        and "What the representation looks like" in text
    )
    assert "dose 0, two seeds" in text and "The cost by class" not in text
    assert f"<td>{pooled.value.item():.3f}</td>" in text
    markdown = (page.parent / "report.md").read_text()
    assert "| trained at 0.4 | 0.60 (0.60 to 0.60) |" in markdown


def test_classes_are_shown_by_name_and_escaped(tmp_path):
    plan = make_plan(target={"name": "t", "kind": "categorical"})
    text = made(tmp_path, plan, by_class={"<b>rest": 0.3, "move": -0.1}).read_text()
    assert "The cost by class" in text and "&lt;b&gt;rest" in text and "<b>rest" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.314, "+.31"),
        (-0.05, "\N{MINUS SIGN}.05"),
        (1.26, "+1.3"),
        (-12.0, "\N{MINUS SIGN}12.0"),
    ],
)
def test_cells_are_short(value, text):
    assert signed(value) == text


def test_an_older_report_is_replaced_whole(folder, tmp_path):
    older = shutil.copytree(folder, tmp_path / "report")
    (older / "stale.txt").write_text("old")
    assert made(tmp_path, C_code=0.4).parent == older
    assert not (older / "stale.txt").exists() and list(tmp_path.iterdir()) == [older]


def test_the_table_has_a_row_for_every_run_and_block():
    plan = make_plan()
    table = tidy(plan.runs, planted(plan))
    assert list(table.columns) == COLUMNS
    assert (
        len(table[(table.method == "raw") & ~table.session.str.contains("+", regex=False)]) == 6 * 8
    )  # without planted targets


def test_the_page_and_the_markdown_say_the_scope_and_both_findings(folder):
    found = json.loads((folder / "report.json").read_text())["hypotheses"][0]
    for name in ("index.html", "report.md"):
        text = html.unescape((folder / name).read_text())
        assert found["supports"] in text and found["cannot_support"] in text
        assert found["code"]["sentence"] in text and found["learning"]["sentence"] in text


def test_the_table_at_the_primary_dose_sets_each_estimand_beside_its_two_claims(folder):
    report = json.loads((folder / "report.json").read_text())
    rows = {row["name"]: row for row in primary_rows(report["hypotheses"][0])}
    assert rows["C_code"]["more"]["shown"] and not rows["C_code"]["at_most"]["shown"]
    assert rows["D"]["at_most"]["shown"] and rows["delta_paired"]["at_most"] is None
    assert {row["dose"] for row in rows.values()} == {0.4}
    assert not {"T", "L(d, d)"} & set(rows)  # they have a table of their own


def test_the_baseline_table_has_a_row_a_session_and_leaves_out_the_floor(folder):
    report = json.loads((folder / "report.json").read_text())
    names, kept = baseline_table(report)
    assert "floor" not in names and {"raw", "ssl at dose 0"} <= set(names)
    assert set(kept) == {f"s{i}" for i in range(6)} and kept["s0"]["raw"] == pytest.approx(1)


MEASURE = """<!doctype html><body><iframe id="f" src="{page}" width="360" height="800"></iframe>\
<pre id="o"></pre><script>
f.onload = () => {{ const d = f.contentDocument; \
const wide = [...d.querySelectorAll("body *")].filter(
  e => e.getBoundingClientRect().right > 361 && !e.closest(".scroll"));
  o.textContent = "measured " + d.images.length + " wide " + wide.map(e => e.tagName).join(" ") \
+ " width " + d.documentElement.scrollWidth; }};
</script>"""


@pytest.mark.parametrize(
    ("plan", "figures"), [(make_plan(), 8), (make_plan(**JITTER), 5)], ids=["dropout", "jitter"]
)
def test_a_browser_shows_the_page_at_360_pixels_without_overflow(tmp_path, plan, figures):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    page = made(tmp_path, plan, results=with_lags(plan, planted(plan, C_code=0.4, third=0.0)))
    (tmp_path / "measure.html").write_text(MEASURE.format(page=page.relative_to(tmp_path)))
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]
    command = [
        browser,
        *flags,
        f"--user-data-dir={tmp_path / 'profile'}",
        (tmp_path / "measure.html").as_uri(),
    ]
    shown = subprocess.run(command, check=True, capture_output=True, timeout=120, text=True).stdout
    measured = re.search(r"measured (\d+) wide (.*) width (\d+)", shown)
    assert measured, shown[-500:]
    assert int(measured[1]) == figures and not measured[2] and int(measured[3]) <= 360


def test_every_scrolling_region_takes_the_keyboards_focus_and_has_a_name(folder):
    page = (folder / "index.html").read_text()
    regions = re.findall(r'<div class="scroll"[^>]*>', page)
    assert regions and all(
        re.search(r'tabindex="0" role="region" aria-label="[^"]+"', one) for one in regions
    )


def test_a_printed_page_keeps_the_glossary(folder):
    """What stands in closed details is not printed; the words' meanings stand outside of them."""
    page = (folder / "index.html").read_text()
    printed = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert "details:not([open]) { display: none; }" in page
    assert '<h2 id="words">' in printed and "<dt>tolerated</dt>" in printed
    assert '<a href="#words">' in printed


def test_one_of_a_thing_is_no_plural(tmp_path):
    plan = make_plan(sessions=1, training={**LICENSED, "seeds": 1})
    folder = made(tmp_path, plan).parent
    for name in ("index.html", "report.md"):
        text = (folder / name).read_text()
        assert (
            re.findall(r"(?<![\d.,])1 (?:sessions|seeds|runs|test blocks|folds|units)\b", text)
            == []
        )


def test_a_matrix_that_has_no_cell_off_its_diagonal_is_not_drawn():
    cell = {"hypothesis": "H1", "train_dose": 0.4, "test_dose": 0.4, "value": 0.1}
    clean = {**cell, "train_dose": 0.0}
    assert not _off_diagonal([cell, clean, {**cell, "test_dose": 0.0, "value": None}])
    assert _off_diagonal([cell, {**cell, "test_dose": 0.0}])


def test_an_open_prediction_says_what_open_is(tmp_path):
    folder = made(tmp_path, C_code=0.4, delta=0.1).parent
    for name in ("index.html", "report.md"):
        assert "open, neither supported nor contradicted" in (folder / name).read_text()
