"""Catalogue: sleep of a mouse (spikes) and of people (EEG)."""

from dataclasses import replace

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import NpzRecording

_MYOW = (
    "https://raw.githubusercontent.com/nerdslab/myow-neuro/6aa684bbbdaecea644db24000a5ce6ff3c033b84"
)
_SLEEP_EDF = "https://physionet.org/files/sleep-edfx/1.0.0/sleep-cassette"
EDF = (
    "No reader of this version opens EDF: load it with MNE (`mne.io.read_raw_edf`, "
    "`mne.read_annotations`) and give its arrays to `Recording.from_arrays` (docs/python.md)."
)
"""How to use an EDF file."""

_CA1 = Entry(
    what="CA1, 12 h with sleep stages, 4 s bins",
    subjects="1 mouse",
    about="42 units of CA1 over 12 hours, counted in 10,800 bins of 4 s, with the state in each "
    "bin: 0 (awake), 1 (NREM), 2 (REM). The length of a bin and the names of the states were "
    "inferred.",
    good_for="time from seconds to an hour: jitter, mined pairs, sleep and wakefulness as views, "
    "dropout of units. Contiguous 5-fold decoding of the state reaches a balanced accuracy of .84.",
    citation="Ma, Turrigiano, Wessel, Hengen 2019, Neuron 104:655; Azabou et al. 2021, "
    "arXiv:2102.10106",
    licence="Apache-2.0, as the source repository states it; the recording has no licence of its "
    "own.",
    source="https://github.com/nerdslab/myow-neuro",
    checked="Sizes and hashes were computed from the files.",
    files=(),
)

_CASSETTE = Entry(
    what="",
    subjects="",
    about="",
    good_for="",
    citation="Kemp et al. 2000, IEEE Trans Biomed Eng 47:1185; Goldberger et al. 2000, "
    "Circulation 101:e215; doi 10.13026/C2X676",
    licence="Open Data Commons Attribution License 1.0 (ODC-By).",
    source="https://physionet.org/content/sleep-edfx/1.0.0/",
    checked="",
    files=(),
    use=EDF,
)

_HYPNOGRAMS = {
    "SC4001EC": (4620, "a4cf67694ade1b52a0ddd06d5817fd45d2d3e8bac5302f640f3e9cfbbf12a996"),
    "SC4002EC": (4580, "76e8457a67eaaaa62c7f6cc6e098fbe1c0a9c3fa02fa90ea01460aa481d71e82"),
    "SC4011EH": (3896, "5bbf7b4ed8a95c8d20e4347b08c2ded2ee21e2dac4680dedf629795adc2edc83"),
    "SC4012EC": (5082, "b6323df8b3867a5fdbd80f0cd8233b59659ac496fa48c8c7277f48bfbb1d9a0e"),
    "SC4021EH": (4804, "62b49b26bf08941cb0e974cfeeb0a820bf7dd43fb0c66dd89b4c3a6c0ee45dd8"),
    "SC4022EJ": (5292, "5289ca8a9417307cbbf8b2a4e511909ac742c69d45c17aee7f1731a2a98c49ce"),
    "SC4031EC": (3700, "7ec3d3c8d8f1a89d48df4cc85be374fbdf70d4b5ec5ec321c03d586dd2cc1617"),
    "SC4032EP": (3800, "0ef073c5cfba31459732be96cc51e7106d5650c1db1b9669f10c0482844c5641"),
    "SC4041EC": (4830, "da33d90216e031a6b04c9ebaddcdf7abc223f1e61fd5899093815c7aea65e39a"),
    "SC4042EC": (5276, "28ece9383d5c49f375a34d63c1226cd0eb8c5a4bb9f887eb80c18caccd3bc544"),
    "SC4051EC": (3976, "3551410c52b819efbe6297d333ee729e4f5c7ba11c0cae6d321feee79a39ed43"),
    "SC4052EC": (4232, "4b3f236c98808407386c5c815ee0e2f68330e902dba3b744625981858cb668d9"),
    "SC4061EC": (2620, "a99705c2b75462acb6d422681526265e476f0b01708eee2e845d0d89b5aa1ae8"),
    "SC4062EC": (3146, "2f22cf8744e481f3fcb08b22ed884a7b382f5a7d88fea5a13afb6f526ad55e40"),
    "SC4071EC": (3628, "f81cfe51fa83a91096e4ba0538168ada9f604e8cb5f9c40849ebdd22c1cfeafd"),
    "SC4072EH": (5284, "a87fa7816b6b5c82b2d4d1f9d4b7ff3984232ab2af2a54eeb4b705cfba446f5a"),
    "SC4081EC": (4306, "626b6c685079aa3d185f7af69098b973940733e0cbe9c5d7435495afafdcca2f"),
    "SC4082EP": (4668, "6e51f4ff704d9d0d82fdfd0faf32fa746c596a7f9647708ca5e7a3c0736ac841"),
    "SC4091EC": (4474, "6200f80f2314fc7aefc05c1c7a745776d2631f20115d818b6dcecae663c590d9"),
    "SC4092EC": (3662, "d8798c39a56fafbfbb54b371308e4f87913582666fabb3e4b8d765bf0fc4eb21"),
}
"""Size and SHA-256 of the hypnograms of two nights each of ten women, by their names."""


def _hypnogram(name: str) -> CataloguedFile:
    size, sha256 = _HYPNOGRAMS[name]
    file = f"{name}-Hypnogram.edf"
    return CataloguedFile(f"sleep_edf/hypnograms/{file}", size, sha256, f"{_SLEEP_EDF}/{file}")


SLEEP = {
    "sleep-ca1/xyf06": replace(
        _CA1,
        files=(
            CataloguedFile(
                "sleep_ca1/mouse_ca1_12h_4s.npz",
                441979,
                "2680c5d305e3943cc8fe0c59d720e35fba40b15478a37aa71a1bb4171ae56731",
            ),
        ),
        recording=NpzRecording(
            path="sleep_ca1/mouse_ca1_12h_4s.npz",
            session="xyf06",
            subject="xyf06",
            group="sleep",
            activity="spike_count",
            bin_s="bin_s",
        ),
        target=Target(name="state", kind="categorical"),
        made="The file was converted from the two public files of sleep-ca1/xyf06-source: counts "
        "with time first, the state and bin_s. docs/data/catalogue.md has the lines that do so.",
    ),
    "sleep-ca1/xyf06-source": replace(
        _CA1,
        what="CA1, 12 h (the two NumPy arrays)",
        files=(
            CataloguedFile(
                "sleep_ca1/fr_bins_n_4full.npy",
                1814528,
                "75eb62fecd81899be546cf4770c0cf66afe4ae9f957b9bfdd5ebe5d0a00317bc",
                f"{_MYOW}/data/rodent/fr_bins_n_4full.npy",
            ),
            CataloguedFile(
                "sleep_ca1/behav_states_n_4full.npy",
                86528,
                "7d0679a2a1b3a221b060cd7aa76ac59d371d74a8aad4c496b2559c3e23abd1ca",
                f"{_MYOW}/data/rodent/behav_states_n_4full.npy",
            ),
        ),
        use="Single arrays are no recording. Convert them to the file of sleep-ca1/xyf06 by the "
        "lines in docs/data/catalogue.md.",
    ),
    "sleep-edf/sc4001": replace(
        _CASSETTE,
        what="EEG of one night with sleep stages (EDF)",
        subjects="1 person",
        about="22 hours of a woman of 33 years at home: EEG Fpz-Cz and Pz-Oz and EOG at 100 Hz, "
        "and the sleep stages by Rechtschaffen and Kales as annotations of whole stretches.",
        good_for="pretext tasks in time (relative positioning, temporal shuffling, contrastive "
        "predictive coding) from 30 s to hours, decoding of the stage. Two channels of EEG allow "
        "no conclusion about dropout of channels.",
        checked="The hash and the size of the hypnogram were computed from the file; those of the "
        "night are PhysioNet's, as several public repositories record them.",
        files=(
            CataloguedFile(
                "sleep_edf/psg/SC4001E0-PSG.edf",
                48338048,
                "2b40a18adf76af69a42d6db1f30f31d26b369f6d27ca0050ef30147ef892b131",
                f"{_SLEEP_EDF}/SC4001E0-PSG.edf",
            ),
            _hypnogram("SC4001EC"),
        ),
    ),
    "sleep-edf/hypnograms": replace(
        _CASSETTE,
        what="Hypnograms of 20 nights (EDF+)",
        subjects="10 people",
        about="Sleep stages of two nights each of ten women (25 to 34 years), without the EEG: "
        "EDF+ files that hold annotations and no signal.",
        good_for="real change points and dwell times of sleep stages, for simulations and for "
        "tests of readers.",
        checked="Sizes and hashes were computed from the files; the SHA-1 hashes that MNE-Python "
        "records for them are the same.",
        files=tuple(map(_hypnogram, _HYPNOGRAMS)),
    ),
}
"""Sleep of a mouse and of people."""
