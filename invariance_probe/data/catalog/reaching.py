"""Catalogue: motor cortex of monkeys that reach, and of one that moves a cursor."""

from dataclasses import replace

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import Dealt, NpzRecording
from invariance_probe.study.signals import FromSeries, NwbRecording

VELOCITY = Target(name="hand_velocity")

_MYOW = Entry(
    what="",
    subjects="1 monkey",
    about="",
    good_for="dropout of units and jitter against hand velocity, messengers, and claims across "
    "days (chewie-1, chewie-2) and animals. Not for a jitter against reach direction, which is "
    "constant within a trial. 8 to 28 units of a session are silent.",
    citation="Dyer et al. 2017, Nat Biomed Eng 1:967; Azabou et al. 2021, arXiv:2102.10106",
    licence="Apache-2.0, as the source repository states it; the recordings have no licence of "
    "their own.",
    source="https://github.com/nerdslab/myow-neuro",
    checked="Sizes and hashes were computed from the converted files.",
    files=(),
    target=VELOCITY,
    made="Each file was converted from a pickle in data/mihi-chewie/processed of the source at "
    "commit 6aa684bbbdaecea644db24000a5ce6ff3c033b84, read by an unpickler with an allow-list: "
    "spike_count is the firing rate times the bin length, and reach_direction_rad is 90 degrees "
    "minus 45 degrees times the index of the target. The same sessions are public as NWB files: "
    "dandi-000688/c-20131003, c-20131219 and m-20140303.",
)


def _reach(name: str, session: str, subject: str, size: int, sha256: str, about: str) -> Entry:
    path = f"m1_reach/{name}.npz"
    return replace(
        _MYOW,
        what="M1, centre-out reaching, 100 ms bins",
        about=about,
        files=(CataloguedFile(path, size, sha256),),
        recording=NpzRecording(
            path=path,
            session=session,
            subject=subject,
            group="reach",
            activity="spike_count",
            bin_s="bin_s",
            trial="trial",
        ),
    )


_PERICH = Entry(
    what="",
    subjects="1 monkey",
    about="",
    good_for="dropout of units and jitter against cursor velocity, messengers, claims across "
    "days and animals.",
    citation="Perich, Miller, Azabou, Dyer 2025, DANDI 000688, version 0.250122.1735, "
    "doi 10.48324/dandi.000688/0.250122.1735; Perich, Gallego, Miller 2018, Neuron, "
    "doi 10.1016/j.neuron.2018.09.030",
    licence="CC-BY-4.0, as the dandiset states it.",
    source="https://dandiarchive.org/dandiset/000688/0.250122.1735",
    checked="Sizes and hashes are those of the dandiset's public record "
    "(github.com/dandisets/000688, commit 3949ae69d217f8c363cdada65f6b699291457af9).",
    files=(),
    target=Target(name="cursor_velocity"),
    use="The file was not opened when this entry was written: the names in the declaration are "
    "those that the public pipeline of brainsets reads (perich_miller_population_2018). Should "
    "one not fit, `data inspect` lists the names that the file has.",
)


def _perich(name: str, whose: str, size: int, sha256: str, blob: str, version: str) -> Entry:
    """Make the entry of one file of DANDI 000688.

    Parameters
    ----------
    name
        Subject and date, such as `C-20131003`.
    whose
        Animal and day, in words.
    size, sha256
        Those of the file.
    blob, version
        Identifier of the archive's object and of its version, which make the address.
    """
    subject, date = name.split("-")
    path = f"dandi_000688/sub-{subject}_ses-CO-{date}_behavior+ecephys.nwb"
    url = (
        f"https://dandiarchive.s3.amazonaws.com/blobs/{blob[:3]}/{blob[3:6]}/{blob}"
        f"?versionId={version}"
    )
    return replace(
        _PERICH,
        what="Motor cortex, centre-out reaching (NWB)",
        about=f"Spikes of {whose}, with position, velocity and acceleration of the cursor, and "
        "the table of trials.",
        files=(CataloguedFile(path, size, sha256, url),),
        recording=NwbRecording(
            path=path,
            session=name.lower(),
            subject=subject.lower(),
            group="reach",
            bin_s=0.05,
            trials="trials",
            targets={"cursor_velocity": FromSeries(series="cursor_vel")},
        ),
    )


_GOLUB = Entry(
    what="M1, learning of cursor control",
    subjects="1 monkey",
    about="86 units of monkey J while it moved a cursor by a brain-computer interface, before "
    "and after it had learned a new mapping: 552 time steps of 45 ms in each phase, 69 for each "
    "of 8 directions.",
    good_for="messengers and dropout before against after learning. Not for a jitter, because "
    "the time steps are sorted by direction and not in the order of recording.",
    citation="Golub et al. 2018, Nat Neurosci, doi 10.1038/s41593-018-0095-3",
    licence="BSD-3-Clause, as the source repository states it.",
    source="https://github.com/mattgolub/bci_learning",
    checked="Sizes and hashes were computed from the files.",
    files=(),
)
_BCI = "https://raw.githubusercontent.com/mattgolub/bci_learning/3e6f00c959096189dd77df57ceb9eb540da83f76"

REACHING = {
    "m1-reach/chewie-1": _reach(
        "chewie-10032013-bin0.10-velthresh5.00",
        "chewie-1",
        "chewie",
        88614,
        "967c0ed53e2acdc288d193fef7d94dad53a13c352ebf9755158e7d4f04f40527",
        "174 units of monkey Chewie on 2013-10-03, 159 reaches to 8 targets, with position, "
        "velocity and force of the hand. The authors left out bins with a hand speed of at most "
        "5 cm/s.",
    ),
    "m1-reach/chewie-1-whole": _reach(
        "chewie-10032013-bin0.10-velthresh0.00",
        "chewie-1",
        "chewie",
        156442,
        "6aa2c5d4bb98a0506d896104768ae6fecddb8fe98ad1bde5de0fd27b5220476f",
        "The session of m1-reach/chewie-1 with all bins of every trial.",
    ),
    "m1-reach/chewie-2": _reach(
        "chewie-12192013-bin0.10-velthresh5.00",
        "chewie-2",
        "chewie",
        86372,
        "c7688da02cebcbafa061e8fbffce639a78e67260417bcd5db81114ed34363456",
        "155 units of monkey Chewie on 2013-12-19, 180 reaches to 8 targets. The authors left out "
        "bins with a hand speed of at most 5 cm/s.",
    ),
    "m1-reach/mihi-1": _reach(
        "mihi-03032014-bin0.10-velthresh5.00",
        "mihi-1",
        "mihi",
        115945,
        "28d0b948e0d311b2a0ea1d17994973eaef31088ae60afde08716f3e30e1aa262",
        "187 units of monkey Mihi on 2014-03-03, 209 reaches to 8 targets. Position and "
        "acceleration of the hand are all zero. The authors left out bins with a hand speed of at "
        "most 5 cm/s.",
    ),
    "dandi-000688/c-20131003": _perich(
        "C-20131003",
        "monkey C on 2013-10-03, the day of m1-reach/chewie-1",
        39553712,
        "085a10f77b9fa6232f919e3784b1b8f9262a0db533ad75521401775f646351c6",
        "8b488eba-7908-4287-9a79-5540ceb77265",
        "YpSXkcQpPTCdshSY6sD2o.9O2ciuJfkN",
    ),
    "dandi-000688/c-20131219": _perich(
        "C-20131219",
        "monkey C on 2013-12-19, the day of m1-reach/chewie-2",
        39938780,
        "169bb4f4a8057afb03a580d204e9fbcafaa9bae021d139fa0ca7e940dc42c2ed",
        "e89d80b2-001a-4118-8ad3-7d5c98e6d3df",
        "BG87NcqcT0AWhWgXZo1w5S2Xc9vIF6kC",
    ),
    "dandi-000688/m-20140303": _perich(
        "M-20140303",
        "monkey M on 2014-03-03, the day of m1-reach/mihi-1",
        73096032,
        "a5bbabdadae9e7ace30045305d649575228fe4451297f0d11bf0ec63a0f4992c",
        "cc7d6d0d-5203-4719-9d7a-0643e8b86dd7",
        "fOxZtLy2bwai._acKRaM5CYY5xEurMD5",
    ),
    "dandi-000688/j-20160405": _perich(
        "J-20160405",
        "monkey J on 2016-04-05",
        41902808,
        "aefb9896e7860bb9ac522d58c617f56677ded7873490c397b27bb18ac12d890a",
        "0713686f-e0d6-48a3-82c8-1eeb8b6481c9",
        "u7qypIpyxou4QFQ592Aj8.0obqqM9GAp",
    ),
    "m1-bci/monkey-j": replace(
        _GOLUB,
        files=(
            CataloguedFile(
                "m1_bci/golub_monkeyJ_20120305.npz",
                180574,
                "096c83355d23c8fdf60e7390601d094921f05d36e33c547137d75199a5839077",
            ),
        ),
        recording=NpzRecording(
            path="m1_bci/golub_monkeyJ_20120305.npz",
            session="monkey-j",
            subject="monkey-j",
            group="bci",
            activity="spike_count",
            bin_s="bin_s",
            epochs=("before_", "after_"),
            dealt=Dealt(by="target_angle_deg", rounds=16, gap_bins=1),
        ),
        target=Target(name="target_angle_deg", kind="categorical"),
        made="The file was converted from the one public file of m1-bci/monkey-j-source: the eight "
        "parts of each array, one per direction, were joined in time. docs/data/catalogue.md has "
        "the lines that do so.",
    ),
    "m1-bci/monkey-j-source": replace(
        _GOLUB,
        what="M1, cursor control (the MATLAB file)",
        files=(
            CataloguedFile(
                "m1_bci/exampleData.mat",
                252829,
                "f28fab9442dd0564aab00597796785665f1c3d4b4437e3802c4c99c9696512b1",
                f"{_BCI}/exampleData.mat",
            ),
        ),
        use="A MATLAB file does not say what its variables mean. Convert it to the file of "
        "m1-bci/monkey-j by the lines in docs/data/catalogue.md, or name its variables in "
        "`kind: mat` (docs/data/mat.md).",
    ),
}
"""Reaching and cursor control."""
