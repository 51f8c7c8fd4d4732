"""Write a file of each format, and read it with the installed package.

    python -I benchmarks/wheel_reading.py PART ...

The parts are `core`, `with-EXTRA` and `without-EXTRA`. `benchmarks/wheel.py` runs
this in environments of its own; nothing of the source tree is imported.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io

pd.read_csv(io.StringIO("a,b\nc,1\n"))
BASE = set(sys.modules)
"""What the core's requirements import; pandas takes pyarrow for text where it is installed."""
OPTIONAL = (
    "mne", "pymatreader", "pyarrow", "xarray", "dask", "distributed", "pynwb", "neo", "edfio",
    "pynapple", "spikeinterface", "cebra", "torch",
)  # fmt: skip
"""Packages that reading with the core must not import."""

RNG = np.random.default_rng(0)
RATE = 50.0
SAMPLES = RNG.normal(size=(400, 4)).astype(np.float32)
TRAINS = [np.sort(RNG.uniform(0, 60, size)) for size in (90, 40, 70)]
ENDS = np.cumsum([len(one) for one in TRAINS])
UNITS = np.repeat(np.arange(3), [len(one) for one in TRAINS])
START = np.arange(0.0, 60.0, 2.0)
SIDE = np.where(np.arange(len(START)) % 2, "left", "right")


@dataclass(frozen=True)
class Written:
    """A file, the fields that it does not say, and the values of its series by name."""

    path: Path
    fields: dict = field(default_factory=dict)
    series: dict[str, np.ndarray] = field(default_factory=dict)


def npz(folder: Path) -> Written:
    """Arrays that are binned already."""
    np.savez(folder / "day.npz", counts=RNG.poisson(2, (200, 5)), speed=np.arange(200.0), bin_s=0.1)
    return Written(folder / "day.npz", {"bin_s": "bin_s", "activity": "counts"})


def csv(folder: Path) -> Written:
    """One row per sample."""
    frame = pd.DataFrame(SAMPLES, columns=list("abcd"))
    frame.assign(t=np.arange(400) / RATE).to_csv(folder / "day.csv", index=False)
    fields = {"series": {"wide": {"time": "t"}}}
    return Written(folder / "day.csv", fields, {"wide": SAMPLES})


def parquet(folder: Path) -> Written:
    """The same as parquet, which pandas writes by pyarrow."""
    frame = pd.DataFrame(SAMPLES, columns=list("abcd"))
    frame.assign(t=np.arange(400) / RATE).to_parquet(folder / "day.parquet", index=False)
    fields = {"series": {"wide": {"time": "t"}}}
    return Written(folder / "day.parquet", fields, {"wide": SAMPLES})


def mat(folder: Path) -> Written:
    """A MATLAB file of version 5."""
    scipy.io.savemat(folder / "day.mat", {"lfp": SAMPLES})
    fields = {"values": "lfp", "axes": ["time", "channel"], "rate_hz": RATE}
    return Written(folder / "day.mat", {"series": {"lfp": fields}}, {"lfp": SAMPLES})


def mat73(folder: Path) -> Written:
    """A MATLAB file of version 7.3: HDF5 with the axes reversed, behind a header."""
    path = folder / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["lfp"] = SAMPLES.T
        file["lfp"].attrs["MATLAB_class"] = np.bytes_("single")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    fields = {"values": "lfp", "axes": ["time", "channel"], "rate_hz": RATE}
    return Written(path, {"series": {"lfp": fields}}, {"lfp": SAMPLES})


def phy(folder: Path) -> Written:
    """A folder of Kilosort and phy; spike times are samples."""
    path = folder / "sorted"
    path.mkdir()
    times = np.concatenate(TRAINS)
    order = np.argsort(times)
    np.save(path / "spike_times.npy", np.round(times[order] * 30_000).astype(np.int64))
    np.save(path / "spike_clusters.npy", UNITS[order].astype(np.int32))
    (path / "params.py").write_text("sample_rate = 30000.\n")
    groups = pd.DataFrame({"cluster_id": range(3), "group": "good"})
    groups.to_csv(path / "cluster_group.tsv", sep="\t", index=False)
    return Written(path)


def suite2p(folder: Path) -> Written:
    """A folder of suite2p: (region, frame)."""
    path = folder / "plane0"
    path.mkdir()
    for name in ("F", "Fneu", "spks"):
        np.save(path / f"{name}.npy", SAMPLES.T)
    np.save(path / "iscell.npy", np.ones((4, 2)))
    series = {"corrected": 0.3 * SAMPLES, "F": SAMPLES, "Fneu": SAMPLES, "spks": SAMPLES}
    return Written(path, {"rate_hz": RATE}, series)


def nwb(folder: Path) -> Written:
    """Units, trials and a series in the layout of NWB 2."""
    with h5py.File(folder / "day.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["units/id"] = np.arange(3)
        file["units/spike_times"] = np.concatenate(TRAINS)
        file["units/spike_times_index"] = ENDS.astype(np.uint8)
        file["units"].attrs["neurodata_type"] = "Units"
        file["intervals/trials/id"] = np.arange(len(START))
        file["intervals/trials/start_time"] = START
        file["intervals/trials/stop_time"] = START + 1
        file["intervals/trials/side"] = SIDE.astype("S")
        file["intervals/trials"].attrs["neurodata_type"] = "TimeIntervals"
        lfp = file.create_group("acquisition/lfp")
        lfp.attrs["neurodata_type"] = "TimeSeries"
        lfp["data"] = SAMPLES
        lfp["starting_time"] = 0.0
        lfp["starting_time"].attrs["rate"] = RATE
    return Written(folder / "day.nwb", series={"acquisition/lfp": SAMPLES})


def brainset(folder: Path) -> Written:
    """Spikes of units in the layout of temporaldata."""
    order = np.argsort(np.concatenate(TRAINS))
    with h5py.File(folder / "day.h5", "w") as file:
        file.attrs["object"] = "Data"
        spikes = file.create_group("spikes")
        spikes.attrs["object"] = "IrregularTimeSeries"
        spikes["timestamps"] = np.concatenate(TRAINS)[order]
        spikes["unit_index"] = UNITS[order]
        for parent in (file, spikes):
            domain = parent.create_group("domain")
            domain.attrs["object"] = "Interval"
            domain["start"], domain["end"] = [0.0], [60.0]
        units = file.create_group("units")
        units.attrs["object"] = "ArrayDict"
        units["id"] = np.array(["a", "b", "c"], "S")
    return Written(folder / "day.h5")


def edf(folder: Path) -> Written:
    """Two channels of EDF, eight records of a second, written by hand."""
    columns = (
        ("EEG A", "EEG B"), ("", ""), ("uV", "uV"), ("-100", "-100"), ("100", "100"),
        ("-32768", "-32768"), ("32767", "32767"), ("", ""), ("50", "50"), ("", ""),
    )  # fmt: skip
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    head = [("0", 8), ("X", 80), ("X", 80), ("01.01.20", 8), ("00.00.00", 8), (str(256 * 3), 8)]
    head += [("", 44), ("8", 8), ("1", 8), ("2", 4)]
    head += [(one, width) for texts, width in zip(columns, widths, strict=True) for one in texts]
    digital = np.clip(SAMPLES[:, :2] * 1e4, -32768, 32767).astype("<i2")
    records = digital.reshape(8, 50, 2).transpose(0, 2, 1)
    (folder / "day.edf").write_bytes(
        "".join(text.ljust(width) for text, width in head).encode() + records.tobytes()
    )
    microvolts = (digital + 32768.0) * (200 / 65535) - 100
    return Written(folder / "day.edf", series={"eeg": microvolts})


def brainvision(folder: Path) -> Written:
    """The three files of BrainVision, written by hand."""
    SAMPLES.astype("<f4").tofile(folder / "day.eeg")
    channels = "".join(f"Ch{k}=E{k},,1,uV\n" for k in range(1, 5))
    (folder / "day.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nDataFile=day.eeg\n"
        "MarkerFile=day.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels=4\nSamplingInterval={1e6 / RATE:g}\n\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n\n[Channel Infos]\n{channels}"
    )
    (folder / "day.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nDataFile=day.eeg\n"
        "\n[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\nMk2=Stimulus,S  1,101,1,0\n"
    )
    return Written(folder / "day.vhdr", series={"eeg": SAMPLES})


Maker = Callable[[Path], Written]
CORE: dict[str, Maker] = {
    "npz": npz, "csv": csv, "mat": mat, "mat 7.3": mat73, "phy": phy, "suite2p": suite2p,
    "nwb": nwb, "brainset": brainset, "edf": edf,
}  # fmt: skip
"""Writer of a file of each format that needs no extra."""


def archive_is_read(folder: Path) -> None:
    """Write and read an archive of binned arrays."""
    from invariance_probe.data.readers import READERS
    from invariance_probe.study.recordings import NpzRecording

    made = npz(folder)
    source = NpzRecording(path=str(made.path), session="s", **made.fields)
    found = READERS["npz"](source, Path())
    assert found.activity.shape == (200, 5) and found.bin_s == 0.1
    np.testing.assert_array_equal(found.targets["speed"], np.arange(200.0))
    print("  npz: counts, speed", flush=True)


def is_read(name: str, make: Maker, folder: Path) -> None:
    """Write a file of signals, read it, and compare all values."""
    from invariance_probe.data.readers import read_contents
    from invariance_probe.data.readers.formats import kind_of

    made = make(folder)
    contents = read_contents(kind_of(made.path), made.path, made.fields)
    assert bool(contents.spikes) == (name in ("phy", "nwb", "brainset"))
    for trains in contents.spikes.values():
        for read, written in zip(trains.times, TRAINS, strict=True):
            np.testing.assert_allclose(read, written, atol=1e-4)
    assert set(contents.series) == set(made.series)
    for one, written in made.series.items():
        np.testing.assert_allclose(contents.series[one].values, written, atol=1e-4)
        np.testing.assert_allclose(contents.series[one].times, np.arange(400) / RATE)
    if name == "nwb":
        assert list(contents.tables["trials"].columns["side"]) == list(SIDE)
    print(
        f"  {name}: {', '.join([*contents.spikes, *contents.series, *contents.tables])}", flush=True
    )


def core() -> None:
    """Read all formats that need no extra, and hold that no optional package was imported."""
    with tempfile.TemporaryDirectory() as made:
        archive_is_read(Path(made))
        for name, make in CORE.items():
            if name != "npz":
                is_read(name, make, Path(made))
    found = {name.split(".")[0] for name in set(sys.modules) - BASE} & set(OPTIONAL)
    assert not found, f"reading imported {', '.join(sorted(found))}"
    print("  no optional package was imported", flush=True)


def fif(folder: Path) -> Written:
    """A FIF file by MNE, in volts."""
    import mne

    info = mne.create_info(list("abcd"), RATE, "eeg")
    path = folder / "day_raw.fif"
    mne.io.RawArray(SAMPLES.T * 1e-6, info, verbose="error").save(path, verbose="error")
    return Written(path, series={"eeg": SAMPLES})


def unwritten(folder: Path) -> Written:
    """A name of a parquet file, for an environment that can neither write nor read one."""
    (folder / "day.parquet").write_bytes(b"PAR1")
    return Written(folder / "day.parquet", {"series": {"wide": {"time": "t"}}})


ADDED: dict[str, dict[str, Maker]] = {
    "eeg": {"brainvision": brainvision, "fif": fif},
    "parquet": {"parquet": parquet},
}
"""Writer of a file of each format that an extra adds."""
REFUSED: dict[str, Maker] = {"eeg": brainvision, "parquet": unwritten}
"""Writer of a file that is refused without an extra."""


def added(extra: str) -> None:
    """Read the formats that an extra adds."""
    with tempfile.TemporaryDirectory() as made:
        for name, make in ADDED[extra].items():
            is_read(name, make, Path(made))


def refused(extra: str) -> None:
    """Hold that a file is refused with the name of the extra that reads it."""
    from invariance_probe.data.readers import read_contents
    from invariance_probe.data.readers.formats import kind_of
    from invariance_probe.errors import DataError

    with tempfile.TemporaryDirectory() as folder:
        made = REFUSED[extra](Path(folder))
        try:
            contents = read_contents(kind_of(made.path), made.path, made.fields)
            said = " ".join(contents.sentences())
        except DataError as error:
            said = str(error)
        assert f"invariance-probe[{extra}]" in said, said
        print(f"  {said.replace(folder, '')}", flush=True)


def main() -> None:
    """Do each of the parts in turn."""
    for part in sys.argv[1:]:
        print(f"{part}:", flush=True)
        name, _, extra = part.partition("-")
        if name == "core":
            core()
        else:
            {"with": added, "without": refused}[name](extra)


if __name__ == "__main__":
    main()
