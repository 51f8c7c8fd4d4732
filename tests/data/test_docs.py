"""The pages about data say what is true: their studies are read, planned and run."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from invariance_probe.data.contents import Contents, Series, SpikeTrains
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.plan import Plan
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.study import Study

PAGES = Path(__file__).parents[2] / "docs" / "data"


READMES = (
    "README.md",
    "nwb.md",
    "phy.md",
    "suite2p.md",
    "mat.md",
    "table.md",
    "brainset.md",
    "eeg.md",
    "streams.md",
)


def blocks(page):
    """The YAML blocks of a page."""
    return re.findall(r"```yaml\n(.*?)```", (PAGES / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("text", blocks("time.md"))
def test_the_windows_of_the_page_about_time_are_planned(text):
    rng = np.random.default_rng(0)
    recording = Recording.from_arrays(
        rng.poisson(1.0, (4000, 6)),
        bin_s=0.05,
        targets={"side": np.repeat(rng.integers(0, 2, 80), 50), "label": rng.normal(size=4000)},
    )
    study = Study.model_validate(
        tiny_study(recordings=[recording.declared()], **YAML(typ="safe").load(text))
    )
    assert recording_problems(study, Path()) == []
    window = Plan(study, find_sessions(study, Path())).runs[0].window
    assert window.length_bins == round(study.window.length_s / 0.05)


def test_the_study_of_the_page_about_streams_is_planned_on_such_a_file():
    (text,) = blocks("streams.md")
    rng = np.random.default_rng(0)
    found = YAML(typ="safe").load(text)
    (source,) = (
        TypeAdapter(RecordingSource).validate_python(one) for one in found.pop("recordings")
    )
    times = np.arange(0, 100, 0.004)
    lfp = Series(rng.normal(size=(len(times), 8)), times, tuple(map(str, range(8))))
    trains = SpikeTrains(("a", "b"), (times[::20] + 0.001, times[::33]), np.array([[0.0, 100.0]]))
    held = Contents(
        {"units": trains, "units_2": SpikeTrains(("c",), (times[::50],), trains.observed)},
        {"lfp": lfp, "speed": Series(lfp.values[::10, :1], times[::10], ("0",))},
    )
    recording = Recording.from_contents(source, held, source.path)
    hypothesis = {
        **tiny_study()["hypotheses"][0],
        **{"axis": "time_jitter.window_s", "dose": 0.4, "role": "exploratory"},
    }
    study = Study.model_validate(
        tiny_study(recordings=[recording.declared()], hypotheses=[hypothesis], **found)
    )
    assert recording_problems(study, Path()) == []
    assert recording.streams["lfp"].channels == ("3", "7")
    assert Plan(study, find_sessions(study, Path())).grid[0].views.stream == "lfp"


@pytest.mark.parametrize(
    ("page", "text"), [(page, one) for page in READMES for one in blocks(page)]
)
def test_recordings_of_the_pages_are_valid(page, text):
    """Fields are those of the format; the files themselves are the reader's."""
    found = YAML(typ="safe").load(text)
    for source in found.get("recordings", ()):
        TypeAdapter(RecordingSource).validate_python(source)


def rows_of_ordinary_files():
    """Number and cell of tests of each row of the table."""
    lines = (PAGES / "ordinary_files.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return {int(row[0]): row[-1] for row in cells if row[0].isdigit()}


def test_every_kind_of_ordinary_file_has_a_row():
    assert sorted(rows_of_ordinary_files()) == list(range(1, 29))


@pytest.mark.parametrize(("number", "named"), rows_of_ordinary_files().items())
def test_the_tests_of_ordinary_files_exist(number, named):
    tests = re.findall(r"`([\w/]+\.py)::(\w+)`", named)
    assert tests, number
    for file, name in tests:
        tree = ast.parse((Path(__file__).parent / file).read_text())
        assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
