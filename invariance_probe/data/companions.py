"""Files that belong beside a recording by their names, for `data inspect`.

In: the path of a recording. Out: the fields that a study would declare. A study states
them, so nothing beside a recording is read unless it is named.
"""

from pathlib import Path

from invariance_probe.data.readers.mne.hypnogram import hypnogram_of, start_of


def files_beside(kind: str, path: Path) -> tuple[dict[str, object], str]:
    """Find files that belong to a recording by their names, as `beside` declares them.

    Parameters
    ----------
    kind
        Format of the file.
    path
        The file.

    Returns
    -------
    fields
        `beside` as a study declares it, for the stages of a night of sleep; empty if
        nothing was found.
    sentence
        What was found; empty if nothing was.
    """
    found = hypnogram_of(path) if kind == "mne" else None
    if found is None:
        return {}, ""
    if start_of(found) != start_of(path):
        return {}, (
            f"{found.name} lies beside it, but begins at {start_of(found)} by its header, and not "
            f"at {start_of(path)}; name it under beside, with offset_s, if it belongs to it"
        )
    return {"beside": {"hypnogram": {"kind": "mne", "path": str(found)}}}, (
        f"{found.name} lies beside it and begins at the same time by its header; its signals are "
        "called hypnogram/NAME"
    )
