"""Catalogue: small files of other software, to try a reader with.

They hold no behaviour, so that no study can be run with one of them alone.
"""

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.study.signals import NwbRecording

_PYNAPPLE = (
    "https://raw.githubusercontent.com/pynapple-org/pynapple/"
    "7ac20f7a5232785e926c0bd8745093281e1f65fb/tests/nwbfilestest"
)
_PLANE = {
    "F.npy": (1752128, "98b6facdb1cb24138f0677eb62c090d0c9252ba2c3c0bf3f6f51c2debfcd9625"),
    "Fneu.npy": (1752128, "374981b9fbc1ef0cbba0ccfb91bc53a7ecfe4bff64cf5c9d0381bce32fa3a06e"),
    "iscell.npy": (3632, "cc109d5fffd172d3d9f39fdc077bf50df744eecc63223438e1f5caf41d780faf"),
    "spks.npy": (1752128, "d300e5974c9a46516a8a40d36eaa8a663e55376e69edcc560d6642a2e03f7f84"),
}
"""Size and SHA-256 of the files of an imaging plane."""

SAMPLES = {
    "samples/nwb-a8604": Entry(
        what="Neuropixels, 3 units, 18 min (NWB)",
        subjects="1 animal",
        about="3 units of a Neuropixels probe over 18 minutes, converted from phy.",
        good_for="trying the NWB reader. It holds no behaviour.",
        citation="Viejo et al. 2023, eLife 12:RP85786",
        licence="MIT, as the source repository states it.",
        source="https://github.com/pynapple-org/pynapple",
        checked="The size and the hash were computed from the file.",
        files=(
            CataloguedFile(
                "nwb/A8604-211122.nwb",
                442304,
                "6c9913f1a36c43dc627a541f4e521eb17e305879eb4d9bce949f77970994ac22",
                f"{_PYNAPPLE}/phy/pynapplenwb/A8604-211122.nwb",
            ),
        ),
        recording=NwbRecording(
            path="nwb/A8604-211122.nwb",
            session="a8604",
            subject="a8604",
            bin_s=0.1,
            during="epochs",
        ),
    ),
    "samples/suite2p-plane": Entry(
        what="Two-photon imaging, one plane (suite2p)",
        subjects="1 animal",
        about="219 regions of interest, 20 of them cells, over 2,000 frames.",
        good_for="trying the suite2p reader. It holds no behaviour, and its frame rate is unknown.",
        citation="Pachitariu et al. 2017, bioRxiv 061507; Viejo et al. 2023, eLife 12:RP85786",
        licence="MIT, as the source repository states it.",
        source="https://github.com/pynapple-org/pynapple",
        checked="Sizes and hashes were computed from the files.",
        files=tuple(
            CataloguedFile(
                f"suite2p/{name}", size, sha256, f"{_PYNAPPLE}/suite2p/suite2p/plane0/{name}"
            )
            for name, (size, sha256) in _PLANE.items()
        ),
        use="The files do not say the frame rate, so that a study cannot use them by this name. "
        "Name the folder in `kind: suite2p`, with a rate_hz (docs/data/suite2p.md).",
    ),
}
"""Samples for readers."""
