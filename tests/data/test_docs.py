"""The pages about data say what is true: their studies are read, planned and run."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study
from pydantic import TypeAdapter
from ruamel.yaml import YAML

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


@pytest.mark.parametrize(
    ("page", "text"), [(page, one) for page in READMES for one in blocks(page)]
)
def test_recordings_of_the_pages_are_valid(page, text):
    """Fields are those of the format; the files themselves are the reader's."""
    found = YAML(typ="safe").load(text)
    for source in found.get("recordings", ()):
        TypeAdapter(RecordingSource).validate_python(source)
