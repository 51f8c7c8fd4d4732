"""Where a report may be written."""

import json

import pytest
from conftest import tiny_study
from ruamel.yaml import YAML

from invariance_probe.errors import StudyError
from invariance_probe.reporting.folder import named_from, refuse_foreign, report_folder
from invariance_probe.study.load import open_study


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(folder, name, **changes):
    path = folder / name
    YAML(typ="safe").dump(tiny_study(**changes), path)
    return open_study(path)


def reported(file, folder):
    """Leave of a study's report what names the study."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "study": {"sha256": file.study.sha256()},
        "provenance": {"study_file": named_from(file, folder)},
    }
    (folder / "report.json").write_text(json.dumps(report))


def test_a_report_goes_where_it_is_asked_for_or_by_its_studys_name(here):
    file = opened(here, "study.yaml")
    assert str(report_folder(file, None)) == "reports/tiny"
    assert report_folder(file, here / "else") == here / "else"


def test_another_study_of_the_same_name_does_not_replace_a_report_unasked(here):
    reported(opened(here, "first.yaml"), here / "reports" / "tiny")
    second = opened(here, "second.yaml", question="Another?")
    with pytest.raises(StudyError) as caught:
        report_folder(second, None)
    said = str(caught.value)
    assert said.startswith(f"{here / 'second.yaml'}:") and ": name: reports/tiny holds" in said
    assert str(here / "first.yaml") in said and "--out" in said
    assert report_folder(second, here / "reports" / "tiny")  # asked for by name


def test_a_study_that_was_edited_or_copied_replaces_its_own_report(here):
    reported(opened(here, "study.yaml"), here / "reports" / "tiny")
    assert report_folder(opened(here, "study.yaml", question="A better question?"), None)
    reported(opened(here, "study.yaml"), here / "reports" / "tiny")
    assert report_folder(opened(here, "the-same.yaml"), None)


def test_a_folder_that_is_no_report_is_never_deleted(here):
    (here / "mine").mkdir()
    refuse_foreign(here / "mine")
    (here / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(StudyError, match="would delete them"):
        refuse_foreign(here / "mine")
    with pytest.raises(StudyError, match="is a file"):
        refuse_foreign(here / "mine" / "thesis.txt")
