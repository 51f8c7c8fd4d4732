"""Where a report is written, and what may not be replaced there.

In: the study's file and the folder asked for. Out: the folder, or an error before
anything is trained.
"""

import json
import os
from pathlib import Path

from invariance_probe.errors import StudyError
from invariance_probe.study.load import StudyFile

REPORT = "report.json"


def report_folder(file: StudyFile, asked: Path | None) -> Path:
    """Return the folder of a study's report: the one asked for, or reports/NAME.

    Raises
    ------
    StudyError
        When the folder holds something else than a report, or, where no folder was asked for, the
        report of another study of the same name.
    """
    folder = asked or Path("reports") / file.study.name
    refuse_foreign(folder)
    if asked is None and (other := _other_study(file, folder)):
        raise StudyError(
            file.line(
                ("name",),
                file.study.name,
                f"{folder} holds the report of another study of this name, {other}; give this one "
                "another name, or another folder with --out",
            )
        )
    return folder


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that is no report: what it holds would be lost.

    Raises
    ------
    StudyError
        When it is a file, or a folder with files and without a report among them.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(f"{folder} is a file; name a folder for the report with --out")
    if any(folder.iterdir()) and not (folder / REPORT).is_file():
        raise StudyError(
            f"{folder} holds files and no report, and writing one would delete them; name a new "
            "folder with --out"
        )


def named_from(file: StudyFile, folder: Path) -> str:
    """Return the path of a study's file from the folder of its report, which names it there.

    It is empty for a study that was made in Python.
    """
    if file.path is None:
        return ""
    return os.path.relpath(file.path.resolve(), folder.resolve())


def _other_study(file: StudyFile, folder: Path) -> str:
    """Return the file of the study whose report a folder holds; empty where it is this one."""
    try:
        held = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if held["study"]["sha256"] == file.study.sha256():
        return ""
    written = held["provenance"].get("study_file")
    if written is None:
        return f"of which only its hash is known ({held['study']['sha256'][:12]})"
    if not written:
        return "" if file.path is None else "which was made in Python"
    source = (folder / written).resolve()
    return "" if file.path is not None and source == file.path.resolve() else str(source)
