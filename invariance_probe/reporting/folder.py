"""Choose the folder of a report, and protect what is already in it.

In: the study, and the folder given with `--out`, if any. Out: the folder to write to, or
an error before anything is trained.
"""

import json
import os
from pathlib import Path

from invariance_probe.errors import StudyError
from invariance_probe.study.load import StudyFile

REPORT = "report.json"


def report_folder(file: StudyFile, asked: Path | None) -> Path:
    """Return the folder for a study's report: the given one, or reports/NAME.

    Parameters
    ----------
    file
        The study, with the file that it was read from.
    asked
        Folder given by the user; reports/NAME if None.

    Raises
    ------
    StudyError
        If the folder holds anything but a report, or if no folder was given and
        reports/NAME holds the report of another study with the same name.
    """
    folder = asked or Path("reports") / file.study.name
    refuse_foreign(folder)
    if asked is None and (other := _other_study(file, folder)):
        raise StudyError(
            file.line(
                ("name",),
                file.study.name,
                f"{folder} holds the report of another study of this name, {other}; rename this "
                "study, or choose another folder with --out",
            )
        )
    return folder


def refuse_foreign(folder: Path) -> None:
    """Raise an error if a folder holds files but no report.

    Writing a report replaces the whole folder, so these files would be lost.

    Raises
    ------
    StudyError
        If the path is a file, or a folder that is not empty and has no report.json.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(
            f"{folder} is a file, but the report needs a folder; choose one with --out"
        )
    if any(folder.iterdir()) and not (folder / REPORT).is_file():
        raise StudyError(
            f"{folder} holds files but no report, and writing a report would delete them; choose "
            "a new folder with --out"
        )


def named_from(file: StudyFile, folder: Path) -> str:
    """Return the path of the study file, relative to the folder of its report.

    It is empty for a study that was made in Python, which has no file.
    """
    if file.path is None:
        return ""
    return os.path.relpath(file.path.resolve(), folder.resolve())


def _other_study(file: StudyFile, folder: Path) -> str:
    """Say which other study the report in a folder is about.

    Returns
    -------
    other
        Path of that study's file, or what else is known of it; empty if the report is of
        this study, or if there is none that can be read.
    """
    try:
        held = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if held["study"]["sha256"] == file.study.sha256():
        return ""
    written = held["provenance"].get("study_file")
    if written is None:
        return f"known only by its hash ({held['study']['sha256'][:12]})"
    if not written:
        return "" if file.path is None else "which was made in Python"
    source = (folder / written).resolve()
    return "" if file.path is not None and source == file.path.resolve() else str(source)
