"""Tables of both findings, and what an independent script computes from the files."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from inference.builder import make_plan, planted

from invariance_probe.inference import infer
from invariance_probe.reporting import render
from invariance_probe.reporting.code import LONGEST, quantity_table, unit_table
from invariance_probe.reporting.learning import corrupted_table, recipe_table
from invariance_probe.reporting.model import report_model
from invariance_probe.reporting.summary import summary_lines
from invariance_probe.results.tables import SUMS, code_sums, tidy

CODE = {"c_code": 0.3, "c_blind": 0.5, "carriers": (1.7, 6.4), "spread": 0.05, "redundancy": 1.3}
PROVENANCE = {"versions": {}, "failures": []}
RECIPES = {"longer": {"independent": 0.2, "shared": 0.05}, "other": {"independent": -0.1}}


def written(plan, path):
    """Return results, findings and the folder of a report."""
    results = planted(plan, C_code=0.3, delta=0.06, H=0.02, T=0.5, code=CODE, recipes=RECIPES)
    findings = infer(plan, results, {})
    page = render(
        plan,
        findings,
        tidy(plan.runs, results),
        PROVENANCE,
        path / "report",
        code_sums(plan.runs, results),
    )
    return results, findings, page.parent


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    plan = make_plan(sessions=3)  # few enough to stand for themselves, with a jackknife
    return plan, *written(plan, tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def study(made):
    return made[:3]


@pytest.fixture(scope="module")
def folder(made):
    return made[3]


def total(sums, what, name=None, step=None):
    """Sum over folds of one kind of held-out sum."""
    own = sums[sums.what == what]
    own = own if name is None else own[own.name == name]
    return own.value.sum() if step is None else own[own.step.astype(float) == step].value.sum()


def information(errors, floor):
    r2 = min(max(1 - errors / floor, 0), 0.999)
    return r2 / (1 - r2)


def crossing(values, half, rising):
    for n in range(1, len(values)):
        if values[n] >= half if rising else values[n] < half:
            return n - 1 + (half - values[n - 1]) / (values[n] - values[n - 1])
    return None


def recomputed(sums, dose="unit_dropout.rate=0.4"):
    """Figures of the code from the rows of dropping_curves.csv alone.

    They are K_s, K_n, redundancy, C_code and C_blind (science.md 2.1).
    """
    floor, J = (
        total(sums, "linear_floor"),
        information(total(sums, "linear"), total(sums, "linear_floor")),
    )
    half = (J / (1 + J) / 2) / (1 - J / (1 + J) / 2)  # J at half of R2
    found = {}
    for name, k, rising in (("gained", "K_s", True), ("lost", "K_n", False)):
        curve = sums[(sums.what == "curve") & (sums.name == name)]
        steps = sorted(set(curve.step.astype(float)))
        found[k] = crossing(
            [information(total(curve, "curve", step=n), floor) for n in steps], half, rising
        )
    splits = sorted(set(sums[sums.what == "a half"].step.astype(float)))
    halves = [
        information(total(sums, half, step=n), floor)
        for n in splits
        for half in ("a half", "the other half")
    ]
    found["redundancy"] = sum(halves) / len(splits) / J
    whole = total(sums, "floor") - total(sums, "everything")
    for name, what in (("C_code", "masked"), ("C_blind", "blind")):
        found[name] = (total(sums, what, dose) - total(sums, "everything")) / whole
    return found


def test_the_code_of_every_session_can_be_computed_again_from_the_file(study, folder):
    sums = pd.read_csv(folder / "dropping_curves.csv")
    assert list(sums.columns) == SUMS
    for run in study[0].baselines:
        if run.method.kind != "code":
            continue
        code = study[1][run.key()].figures
        whole = sums[(sums.session == run.session) & sums.deleted.isna()]
        assert set(whole.units) == {len(code.units)}
        own = recomputed(whole)
        assert own["K_s"] == pytest.approx(code.k_s) and own["K_n"] == pytest.approx(code.k_n)
        assert own["redundancy"] == pytest.approx(code.redundancy)
        assert own["C_code"] == pytest.approx(code.c_code("unit_dropout.rate", 0.4))
        assert own["C_blind"] == pytest.approx(code.c_blind("unit_dropout.rate", 0.4))


def test_the_jackknife_of_these_recordings_can_be_computed_again_from_the_file(study, folder):
    """Pseudo-values of C_code, in loss, and of R_code.

    The ratio of their means is the estimate that the report prints.
    """
    sums = pd.read_csv(folder / "dropping_curves.csv")
    sessions = {finding.session for finding in study[2].sessions}
    lost, ranges = [], []
    for _, own in sums[sums.session.isin(sessions)].groupby("session"):
        parts = dict(list(own.fillna({"deleted": -1}).groupby("deleted")))
        values = {}
        for deleted, rows in parts.items():
            windows = total(rows, "windows")
            full = (total(rows, "floor") - total(rows, "everything")) / windows
            values[deleted] = recomputed(rows)["C_code"] * full, full
        whole, out = np.array(values.pop(-1)), np.array(list(values.values()))
        assert len(out) == 8
        pseudo = whole + (len(out) - 1) * (out.mean(axis=0) - out)
        lost.append(pseudo[:, 0].mean())
        ranges.append(pseudo[:, 1].mean())
    found = study[2].hypotheses[0].code
    assert sum(lost) / sum(ranges) == pytest.approx(found.C_code.estimate)
    assert found.C_code.ci_low < found.C_code.estimate < found.C_code.ci_high


def test_learning_under_every_recipe_can_be_computed_again_from_the_files(tmp_path):
    """D, H and delta by hand.

    `setting` names the recipe, and sessions.csv the family of the ceiling.
    """
    folder = written(make_plan(sessions=6), tmp_path)[2]  # enough for a second method
    results, sessions = pd.read_csv(folder / "results.csv"), pd.read_csv(folder / "sessions.csv")
    recipes = pd.read_csv(folder / "recipes.csv").set_index("name")
    runs = results[results.test.isna() & (results.fraction == 1)].fillna(
        {"setting": "", "axis": ""}
    )
    assert list(recipes.index) == ["declared", "longer", "wider", "other"]
    for name in recipes.index:
        setting, seeds = "" if name == "declared" else f"recipe: {name}", range(2)
        sums = dict.fromkeys(("D", "H", "delta", "R"), 0.0)
        for session in sessions.itertuples():
            own = runs[(runs.session == session.session) & runs.seed.isin(seeds)]
            ssl = own[(own.setting == setting) & (own.method == recipes.method[name])]
            none = ssl[ssl.axis == ""].loss.mean()
            arms = {
                arm: ssl[
                    (ssl.axis == "unit_dropout.rate") & (ssl.dose == 0.4) & (ssl.arm == arm)
                ].loss.mean()
                for arm in ("independent", "shared")
            }
            floor = own[own.method == "raw"].floor_loss.mean()
            ceiling = own[(own.method == session.ceiling_family) & (own.axis == "")].loss.mean()
            sums["delta"] += arms["independent"] - none
            sums["H"] += arms["shared"] - none
            sums["D"] += arms["independent"] - arms["shared"]
            sums["R"] += floor - ceiling
        for estimand in ("D", "H", "delta"):
            assert sums[estimand] / sums["R"] == pytest.approx(
                recipes[f"{estimand}_estimate"][name], abs=1e-9
            )
    assert recipes.D_estimate["longer"] == pytest.approx(0.15, abs=0.03)


def test_without_codes_there_is_no_file_of_sums(tmp_path, study):
    plan, _, findings = study
    empty = code_sums((), {})
    assert empty.empty and list(empty.columns) == SUMS
    page = render(plan, findings, pd.DataFrame(), PROVENANCE, tmp_path / "r", empty)
    assert not (page.parent / "dropping_curves.csv").exists()


@pytest.fixture(scope="module")
def hypothesis(study):
    return report_model(study[0], study[2], {})["hypotheses"][0]


def test_the_table_of_quantities_names_exploratory_measures_as_such(hypothesis):
    rows = {row[0]: row for row in quantity_table(hypothesis).rows}
    assert list(rows)[:6] == ["K_s", "K_n", "carriers", "redundancy", "C_code", "C_blind"]
    assert rows["K_s"][1] == f"{hypothesis['code']['K_s']['estimate']:.1f}"
    assert float(rows["independent code"][1]) == pytest.approx(
        0.4 / (1 + 0.6 * 1.5), abs=0.01
    )  # J = .6 / .4
    assert {"N_eff (exploratory)", "RedIdx (exploratory)"} <= set(rows)


def test_c_code_is_said_to_equal_c_blind_where_no_input_survives(hypothesis):
    noisy = {**hypothesis, "code": {**hypothesis["code"], "known_masks": False}}
    rows = {row[0]: row[-1] for row in quantity_table(noisy).rows}
    assert "equal to C_blind" in rows["C_code"] and "equal to C_blind" not in rows["C_blind"]


def test_units_are_named_with_the_folds_that_chose_them_and_a_long_list_is_cut(hypothesis):
    table = unit_table(hypothesis)
    assert table.rows[0] == ("s0", "8", "u0 (8)", "u0 (8), u1 (5)")
    assert "the choice is arbitrary" in table.note
    many = [
        {"session": "s0", "unit": f"u{i}", "gained": 1, "lost": 0, "folds": 8}
        for i in range(LONGEST + 3)
    ]
    many[2]["gained"] = 7
    row = unit_table({**hypothesis, "code": {**hypothesis["code"], "units": many}}).rows[0]
    assert row[2].startswith("u2 (7), u0 (1)") and row[2].endswith("and 3 more") and row[3] == ""


def test_decoding_of_corrupted_inputs_stands_beside_the_code_with_its_units(hypothesis):
    rows = {row[0]: row for row in corrupted_table(hypothesis).rows}
    assert list(rows) == ["C_code", "C_blind", "T", "L(d, d)"]
    assert {rows[name][2] for name in ("C_code", "C_blind")} == {"R_code"} and {
        rows[n][2] for n in ("T", "L(d, d)")
    } == {"R"}
    assert float(rows["T"][3]) == pytest.approx(0.5 * 0.4, abs=0.02)
    text = " ".join(
        [corrupted_table(hypothesis).note, *(cell for row in rows.values() for cell in row)]
    )
    assert "recover" not in text


def test_a_study_without_a_code_or_without_learning_has_no_such_tables(hypothesis):
    blank = {**hypothesis, "code": None, "learning": None, "estimands": []}
    assert (
        quantity_table(blank)
        is unit_table(blank)
        is recipe_table(blank)
        is corrupted_table(blank)
        is None
    )


def test_the_files_beside_the_page_hold_units_recipes_codes_and_what_gates_limit(
    folder, hypothesis
):
    units, recipes = pd.read_csv(folder / "named_units.csv"), pd.read_csv(folder / "recipes.csv")
    assert len(units) == len(hypothesis["code"]["units"]) and set(units.columns) == {
        "hypothesis",
        "session",
        "unit",
        "gained",
        "lost",
        "folds",
    }
    assert list(recipes.name) == [
        recipe["name"] for recipe in hypothesis["learning"]["panel"]["recipes"]
    ]
    gates = pd.read_csv(folder / "gates.csv").set_index("name")
    assert gates.limits["noise"] == "invariant; tolerated; competition" and gates.outcome[
        "licence"
    ] in ("passed", "failed")
    codes = pd.read_csv(folder / "code.csv")
    assert list(codes.session) == ["s0", "s1", "s2"] and codes.carriers.tolist() == pytest.approx(
        (codes.K_s + codes.K_n).tolist()
    )
    assert not math.isnan(codes.R_code.sum())


def test_a_summary_has_both_findings_and_the_flag(study):
    findings = replace(
        study[2], hypotheses=(replace(study[2].hypotheses[0], flags=("regularised",)),)
    )
    printed, finding = "\n".join(summary_lines(findings)), findings.hypotheses[0]
    assert (
        f"the code: {finding.code.sentence}" in printed
        and f"learning: {finding.learning.sentence}" in printed
    )
    assert (
        f"H1: {finding.verdict.text} [regularised]" in printed
        and "that is no invariance" in printed
    )
