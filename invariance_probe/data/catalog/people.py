"""Catalogue: people, in the clinic and in the laboratory."""

from dataclasses import replace

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.data.catalog.sleep import EDF
from invariance_probe.study.probes import Target
from invariance_probe.study.signals import FromIntervals, NwbRecording

_MOTOR = Entry(
    what="",
    subjects="1 person",
    about="",
    good_for="dropout of channels, pretext tasks in time, decoding of the movement. One person "
    "only: no claim about people can rest on it. Movements of both fists against both feet are "
    "decodable (common spatial patterns: .96); the left against the right fist hardly is (.6).",
    citation="Schalk et al. 2004, IEEE Trans Biomed Eng 51:1034; Goldberger et al. 2000, "
    "Circulation 101:e215; doi 10.13026/C28G6P",
    licence="Open Data Commons Attribution License 1.0 (ODC-By).",
    source="https://physionet.org/content/eegmmidb/1.0.0/",
    checked="",
    files=(),
    use=EDF,
)
_RUN_BYTES = 2596896
"""Size of each of these runs: 64 channels and annotations, 125 s at 160 Hz."""


def _runs(hashes: dict[int, str]) -> tuple[CataloguedFile, ...]:
    return tuple(
        CataloguedFile(
            f"eeg_motor/S001R{run:02d}.edf",
            _RUN_BYTES,
            sha256,
            f"https://physionet.org/files/eegmmidb/1.0.0/S001/S001R{run:02d}.edf",
        )
        for run, sha256 in hashes.items()
    )


PEOPLE = {
    "dandi-000207/sub-4": Entry(
        what="Medial temporal lobe, pictures (NWB)",
        subjects="1 person",
        about="35 units of the right hippocampus and amygdala of a patient who watched films, "
        "recognised pictures and judged their order. Tables: encoding_table, recognition_table, "
        "timediscrimination_table.",
        good_for="a code that one neuron carries: whether a picture of the recognition task is "
        "shown is decodable (balanced accuracy .84, .5 without unit 28). No evidence about a "
        "population; film, category and memory are at chance.",
        citation="Zheng et al. 2022, Nat Neurosci, doi 10.1038/s41593-022-01020-w; DANDI "
        "000207, version 0.220216.0323",
        licence="CC-BY-4.0, as the dandiset states it.",
        source="https://dandiarchive.org/dandiset/000207/0.220216.0323",
        checked="The hash and the size were computed from the file, and are those of the "
        "dandiset's public record (github.com/dandisets/000207).",
        files=(
            CataloguedFile(
                "nwb/sub-4_ses-4_ecephys+image.nwb",
                2070173,
                "1f6d811347d83d9693ce824bded9d73f5c88d8542e78069211da52381153f046",
                "https://dandiarchive.s3.amazonaws.com/blobs/223/89e/"
                "22389e6a-7707-42d0-827a-9f48169df997?versionId=4Xo3qZwwWgoWaOhHCDLOWeeaX_bLI.FN",
            ),
        ),
        recording=NwbRecording(
            path="nwb/sub-4_ses-4_ecephys+image.nwb",
            session="sub-4",
            subject="sub-4",
            group="mtl",
            bin_s=0.5,
            between_s=(1246.0, 1875.0),
            targets={"picture": FromIntervals(inside="recognition_table")},
        ),
        target=Target(name="picture", kind="categorical"),
        use="The declaration uses the recognition task only.",
    ),
    "eegmmidb/s001-executed": replace(
        _MOTOR,
        what="EEG, executed movements (EDF+)",
        about="64 channels of EEG at 160 Hz of subject S001, six runs of 125 s: left or right fist "
        "(runs 3, 7, 11) and both fists or both feet (5, 9, 13), with about 30 cues in a run.",
        checked="Sizes and hashes were computed from the files; the hashes are those that "
        "MNE-Python records for them.",
        files=_runs(
            {
                3: "3427c8d01bff1380bc9ab9f27a35ece2af5dfadf3e291bbc05eb66e4dadbfe2e",
                5: "8828f4b97931100af136cebf27838248b82f69cf359f7e6c3146a1970a8fb8d9",
                7: "6320a941815eb7a0bc632e32c07c88b6e2281a0e2f177e8f49e2d0a16231145c",
                9: "1b642457807be572c31e8bb56a936cbdb554507d66e25e242c9bd1b0c557c53c",
                11: "d5296b9232b0ad88b7022155cbcde618df44d4b0db046ce3bec54f8f8644207a",
                13: "dde646236a13d846ca68ee71440f1fd38d818bc50a2f4804a29bcf0f773ad167",
            }
        ),
    ),
    "eegmmidb/s001-imagined": replace(
        _MOTOR,
        what="EEG, imagined movements (EDF+)",
        about="64 channels of EEG at 160 Hz of subject S001, six runs of 125 s: the movements of "
        "eegmmidb/s001-executed imagined, left or right fist (runs 4, 8, 12) and both fists or "
        "both feet (6, 10, 14).",
        checked="The hashes are those that MNE-Python records (mne/data/eegbci_checksums.txt). "
        "The files themselves were not opened here; their size is that of the other runs.",
        files=_runs(
            {
                4: "3d161f88e1c00632585287d2ce584c2bc0f08862438eb255ea8723e00fac693d",
                6: "5369364f2c4e81ca141679d6dd2ba6ece61c7eb53d7fae31241b308876e1b6b3",
                8: "358fb5189220725141968ae285fbe9e3f36210b834ffba71d940af308e3aca68",
                10: "20de1c7746c2349d16bda5e9f1b0ac7b7ad1581102a2e30dd2ac422696f62fb1",
                12: "2b281c9b687b4c4176e83251d74743721f2d6ebd76656a972a3b9c44d9d88cd5",
                14: "2110c48e3106898e3dbca47e39b330637afd3d3b8bc2da3ba1e44f4ac1118137",
            }
        ),
    ),
}
"""People."""
