"""Catalogue of public recordings: short names for the files of the examples.

Files are searched under the folder that the environment variable
`INVARIANCE_PROBE_DATA` names, then in `shared/data` beside the checkout, then in the
user's cache folder. Nothing is downloaded.
"""

import os
from pathlib import Path

import pooch

from invariance_probe.errors import DataError
from invariance_probe.study.recordings import CatalogRecording, Dealt, NpzRecording

_REACH = {"activity": "spike_count", "bin_s": "bin_s", "trial": "trial"}
"""Names of the arrays in the files of the reaching sessions."""

CATALOG = {
    "m1-reach/chewie-1": NpzRecording(
        path="m1_reach/chewie-10032013-bin0.10-velthresh5.00.npz",
        session="chewie-1",
        subject="chewie",
        group="reach",
        **_REACH,
    ),
    "m1-reach/chewie-1-whole": NpzRecording(
        path="m1_reach/chewie-10032013-bin0.10-velthresh0.00.npz",
        session="chewie-1",
        subject="chewie",
        group="reach",
        **_REACH,
    ),
    "m1-reach/chewie-2": NpzRecording(
        path="m1_reach/chewie-12192013-bin0.10-velthresh5.00.npz",
        session="chewie-2",
        subject="chewie",
        group="reach",
        **_REACH,
    ),
    "m1-reach/mihi-1": NpzRecording(
        path="m1_reach/mihi-03032014-bin0.10-velthresh5.00.npz",
        session="mihi-1",
        subject="mihi",
        group="reach",
        **_REACH,
    ),
    "sleep-ca1/xyf06": NpzRecording(
        path="sleep_ca1/mouse_ca1_12h_4s.npz",
        session="xyf06",
        subject="xyf06",
        group="sleep",
        activity="spike_count",
        bin_s="bin_s",
    ),
    "m1-bci/monkey-j": NpzRecording(
        path="m1_bci/golub_monkeyJ_20120305.npz",
        session="monkey-j",
        subject="monkey-j",
        group="bci",
        activity="spike_count",
        bin_s="bin_s",
        epochs=("before_", "after_"),
        dealt=Dealt(by="target_angle_deg", rounds=16, gap_bins=1),
    ),
}
"""Declaration of each catalogued session; paths start from the data folder."""


def resolve(source: CatalogRecording) -> tuple[NpzRecording, Path]:
    """Find the file of a catalogue entry.

    Parameters
    ----------
    source
        Names the entry. If it gives a `session` or `group`, these replace the values in
        the catalogue.

    Returns
    -------
    entry
        The catalogue's declaration of the file.
    folder
        The folder that the path of the entry starts from.

    Raises
    ------
    DataError
        For an unknown name, or when the file is in none of the folders.
    """
    if source.name not in CATALOG:
        raise DataError(
            f"the catalogue has no recording {source.name!r}; it has "
            f"{', '.join(map(repr, CATALOG))}"
        )
    entry = CATALOG[source.name]
    changed = {"session": source.session, "group": source.group}
    entry = entry.model_copy(
        update={key: value for key, value in changed.items() if value is not None}
    )
    for folder in search_path():
        if (folder / entry.path).is_file():
            return entry, folder
    looked = ", ".join(str(folder) for folder in search_path())
    raise DataError(
        f"the recording {source.name!r} is not on this machine: none of the folders {looked} "
        f"contains {entry.path}; set the environment variable INVARIANCE_PROBE_DATA to the folder "
        "of the data"
    )


def search_path() -> list[Path]:
    """Folders where catalogued files are searched, in this order."""
    declared = os.environ.get("INVARIANCE_PROBE_DATA")
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return [
        *([Path(declared)] if declared else []),
        beside,
        Path(pooch.os_cache("invariance-probe")),
    ]
