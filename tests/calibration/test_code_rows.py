"""The figures about the code's finding, its page, and a smoke run of two cells."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from click.testing import CliRunner

from invariance_probe.calibration import code_banks, code_counting, counting, phase_map
from invariance_probe.calibration.code_banks import CellBanks, CodeBank
from invariance_probe.calibration.code_page import write_code_page
from invariance_probe.calibration.code_rows import code_rows
from invariance_probe.calibration.phase_map import CELLS, Sizes
from invariance_probe.cli import main

CELL = {cell.name: cell for cell in CELLS}


@pytest.fixture(autouse=True)
def few_studies(monkeypatch):
    """Enough studies and resampled banks for these tests: counting for figures takes minutes."""
    monkeypatch.setattr(counting, "CLAIMS", 1000)
    for module in (counting, code_counting):
        monkeypatch.setattr(module, "STUDIES", 1000)
        monkeypatch.setattr(module, "BOOTSTRAPS", 10)


def bank(k_s, k_n, cost=0.2, redundancy=1.0, sessions=400, seed=0, sd=0.04):
    rng = np.random.default_rng(seed)

    def logs(value):
        return np.log(value) + sd * rng.standard_normal(sessions)

    found = {
        "K_s": logs(k_s / 60),
        "K_n": logs(k_n / 60),
        "carriers": logs((k_s + k_n) / 60),
        "redundancy": logs(redundancy),
    }
    found |= {
        "K_s at half of J": found["K_s"],
        "K_n at half of J": found["K_n"],
        "carriers at half of J": found["carriers"] * np.nan,
    }
    ranges = 0.6 + 0.02 * rng.standard_normal(sessions)
    costs = ranges * (cost + 0.02 * rng.standard_normal(sessions))
    return CodeBank(
        np.arange(sessions), np.full(sessions, 60), found, found, costs, ranges, ranges, 0
    )


def counted(*banks):
    tables = {}
    rows = code_rows(list(banks), tables)
    return {(row.about, row.figure): row for row in rows}, tables["phase_map"]


def test_words_that_contradict_the_long_recordings_are_counted_as_wrong():
    truly_few = CellBanks(CELL["strong-6"], bank(1, 5), bank(1, 5, sessions=12, seed=1))
    truly_many = CellBanks(CELL["strong-15"], bank(1, 5), bank(2, 18, sessions=12, seed=1))
    rows, table = counted(truly_few, truly_many)
    right = rows["6 of 60, J = 8", "wrong word about carriers, 6 sessions"]
    assert right.reached == 0 and right.high == pytest.approx(3 * 6 / 400) and right.met
    assert rows["15 of 60, J = 8", "wrong word about carriers, 6 sessions"].reached > 0.9
    assert [line["wrong"] for line in table] == [["spread"], ["few"]]


def test_power_is_asked_of_few_carriers_and_bias_is_told_with_its_sign():
    rows, table = counted(
        CellBanks(CELL["weak-3"], bank(0.9, 2.1), bank(1.0, 2.1, sessions=20, seed=2))
    )
    assert rows["3 of 60, J = 2", "`few` said, 6 sessions"].met
    bias = rows["3 of 60, J = 2", "bias of K_s against n = 30,000"]
    assert bias.reached == pytest.approx(-0.1, abs=0.02) and bias.low < -0.1 < bias.high
    assert table[0]["means"]["K_s"][0] == pytest.approx(0.9, rel=0.02)
    assert table[0]["words"]["6"]["few"] == 1.0


def test_without_long_recordings_nothing_is_called_wrong_and_no_bias_is_told():
    rows, table = counted(CellBanks(CELL["weak-3"], bank(0.9, 2.1), bank(0.9, 2.1, sessions=2)))
    assert table[0]["wrong"] is None and not any(
        "bias" in figure or "wrong" in figure for _, figure in rows
    )


def test_a_code_is_kept_or_lost_at_a_tenth_of_its_range():
    for cost, word in ((0.02, "kept"), (0.2, "lost")):
        _, table = counted(
            CellBanks(CELL["ring"], bank(1, 40, cost), bank(1, 40, cost, sessions=4))
        )
        assert table[0]["code"][word] > 0.95


def test_the_page_shows_every_cell_and_names_its_bank_seed_and_commit(tmp_path):
    tables = {}
    found = [
        CellBanks(CELL[name], bank(1, 5), bank(1, 5, sessions=12))
        for name in ("strong-6", "copies")
    ]
    rows = [asdict(row) for row in code_rows(found, tables)]
    settings = {"size": "licence", "commit": "abc1234"}
    write_code_page(
        json.loads(json.dumps({"settings": settings, "rows": rows, **tables})), tmp_path
    )
    page = (tmp_path / "README.md").read_text()
    assert "Banks of 400 sessions, 12 long recordings; seed 9000; commit abc1234." in page
    for title in ("6 of 60, J = 8", "6 copies of one neuron"):
        for figure in ("phase-map.svg", "trust.svg"):
            assert f"]({figure})" in page and (tmp_path / figure).read_text().startswith("<?xml")
        assert page.count(f"| {title} |") >= 6


def test_a_page_without_cells_says_so(tmp_path):
    write_code_page(
        {"settings": {"size": "quick", "commit": "abc"}, "rows": [], "phase_map": []}, tmp_path
    )
    assert "Nothing was measured yet." in (tmp_path / "README.md").read_text()


@pytest.mark.slow
def test_the_code_can_be_calibrated_and_counted_again_from_the_store(tmp_path, monkeypatch):
    cells = tuple(CELL[name] for name in ("strong-6", "copies"))
    monkeypatch.setattr(phase_map, "CELLS", cells)
    monkeypatch.setitem(phase_map.SIZES, "quick", Sizes(4, 3))
    monkeypatch.setattr(code_banks.measured_codes, "__defaults__", (cells,))
    arguments = [
        "calibrate",
        "--quick",
        "--part",
        "code",
        "--runs",
        str(tmp_path / "runs"),
        "--workers",
        "1",
    ]
    first = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "one")])
    assert first.exit_code == 0, first.output
    content = json.loads((tmp_path / "one" / "calibration.json").read_text())
    assert [cell["name"] for cell in content["phase_map"]] == ["strong-6", "copies"]
    k_n = [cell["means"]["K_n"][0] for cell in content["phase_map"]]
    assert k_n == pytest.approx([5.0, 5.6], abs=0.7)
    again = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "two"), "--no-train"])
    assert again.exit_code == 0
    assert (
        json.loads((tmp_path / "two" / "calibration.json").read_text())["rows"] == content["rows"]
    )
