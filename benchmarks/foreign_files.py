"""Inspect files that other tools wrote, with `data inspect`.

    python benchmarks/foreign_files.py [--only TEXT]

Each file is written by another package's own writer, or is sample data that a package
brings along; nothing is downloaded. Objects that these packages load are given to
`Recording.from_signals`. Files of packages that are not installed are left out
and named. What is printed for each file: whether it was opened or refused, and what was
said.
"""

import argparse
import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
from click.testing import CliRunner

from invariance_probe.cli import main as program
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError

RNG = np.random.default_rng(0)
RATE = 100.0
TIMES = np.arange(2000) / RATE
SAMPLES = RNG.normal(size=(2000, 4)).cumsum(axis=0)
TRAINS = [np.sort(RNG.uniform(0, 20, size)) for size in (90, 40, 70)]
START = np.arange(0.0, 20.0, 1.0)

Made = Path | tuple[Path, Sequence[str]]
"""A file or folder, and what a user has to say about it on the command line."""
Given = tuple[object, dict[str, object]]
"""An object that can be the activity, and targets by name."""


@dataclass(frozen=True)
class Foreign:
    """A file that another tool writes."""

    name: str
    needs: tuple[str, ...]
    make: Callable[[Path], Made]


FILES: list[Foreign] = []


def foreign(name: str, *needs: str) -> Callable[[Callable[[Path], Made]], Callable[[Path], Made]]:
    """Add a file to those that are inspected."""

    def add(make: Callable[[Path], Made]) -> Callable[[Path], Made]:
        FILES.append(Foreign(name, needs, make))
        return make

    return add


def _series(name: str, *more: str) -> list[str]:
    fields = ", ".join((f"time: {name}", *more))
    return ["--set", f"series={{wide: {{{fields}}}}}"]


@foreign("pynwb: mock objects of all sorts", "pynwb")
def pynwb_mocks(folder: Path) -> Path:
    """A session of pynwb's own mock objects, written by its writer."""
    import pynwb
    from pynwb.testing.mock.behavior import mock_Position, mock_SpatialSeries
    from pynwb.testing.mock.ecephys import mock_ElectricalSeries
    from pynwb.testing.mock.file import mock_NWBFile
    from pynwb.testing.mock.ophys import mock_RoiResponseSeries

    file = mock_NWBFile()
    behaviour = file.create_processing_module("behavior", "behaviour")
    behaviour.add(mock_Position(spatial_series=mock_SpatialSeries(name="place")))
    mock_ElectricalSeries(nwbfile=file)
    mock_RoiResponseSeries(nwbfile=file)
    file.add_unit_column("quality", "label")
    for k, times in enumerate(TRAINS):
        file.add_unit(spike_times=times, quality="good" if k else "mua")
    file.add_trial_column("side", "side")
    for k, start in enumerate(START):
        file.add_trial(start_time=start, stop_time=start + 0.8, side="lr"[k % 2])
    with pynwb.NWBHDF5IO(folder / "mock.nwb", "w") as out:
        out.write(file)
    return folder / "mock.nwb"


@foreign("pynwb: intracellular recording", "pynwb")
def pynwb_intracellular(folder: Path) -> Path:
    """Clamp series without units."""
    import pynwb
    from pynwb.testing.mock.file import mock_NWBFile
    from pynwb.testing.mock.icephys import mock_CurrentClampSeries, mock_VoltageClampSeries

    file = mock_NWBFile()
    mock_CurrentClampSeries(nwbfile=file)
    mock_VoltageClampSeries(nwbfile=file)
    with pynwb.NWBHDF5IO(folder / "clamp.nwb", "w") as out:
        out.write(file)
    return folder / "clamp.nwb"


def _raw():
    import mne

    info = mne.create_info(["Fz", "Cz", "Pz", "Oz"], RATE, "eeg")
    raw = mne.io.RawArray(SAMPLES.T * 1e-6, info, verbose="error")
    raw.set_annotations(mne.Annotations(START, 0.5, ["left", "right"] * 10))
    return raw


@foreign("MNE: raw FIF", "mne")
def mne_raw(folder: Path) -> Path:
    """A continuous recording."""
    _raw().save(folder / "day_raw.fif", verbose="error")
    return folder / "day_raw.fif"


@foreign("MNE: epochs FIF", "mne")
def mne_epochs(folder: Path) -> Path:
    """Epochs around annotations."""
    import mne

    raw = _raw()
    events, names = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, names, 0, 0.5, baseline=None, preload=True, verbose="error")
    epochs.save(folder / "day-epo.fif", verbose="error")
    return folder / "day-epo.fif"


@foreign("MNE: average (evoked) FIF", "mne")
def mne_evoked(folder: Path) -> Path:
    """An average, which has no trials any more."""
    import mne

    raw = _raw()
    events, names = mne.events_from_annotations(raw, verbose="error")
    epochs = mne.Epochs(raw, events, names, 0, 0.5, baseline=None, preload=True, verbose="error")
    epochs.average().save(folder / "day-ave.fif", verbose="error")
    return folder / "day-ave.fif"


@foreign("MNE: a coordinate transform that MNE brings along", "mne")
def mne_transform(folder: Path) -> Path:
    """A FIF file that holds no recording."""
    import mne

    return Path(mne.__file__).parent / "data/fsaverage/fsaverage-trans.fif"


@foreign("MNE: neighbours of channels that MNE brings along (.mat)", "mne")
def mne_neighbours(folder: Path) -> Path:
    """A MATLAB file of FieldTrip that holds no recording."""
    import mne

    return Path(mne.__file__).parent / "channels/data/neighbors/easycapM1_neighb.mat"


def _exported(folder: Path, ending: str, fmt: str) -> Path:
    import mne

    path = folder / f"exported{ending}"
    mne.export.export_raw(path, _raw(), fmt=fmt, verbose="error")
    return path


@foreign("MNE's export to EDF (edfio)", "mne", "edfio")
def mne_edf(folder: Path) -> Path:
    """EDF+ with annotations."""
    return _exported(folder, ".edf", "edf")


@foreign("MNE's export to BrainVision (pybv)", "mne", "pybv")
def mne_brainvision(folder: Path) -> Path:
    """Header, markers and samples."""
    return _exported(folder, ".vhdr", "brainvision")


@foreign("MNE's export to EEGLAB (eeglabio)", "mne", "eeglabio")
def mne_eeglab(folder: Path) -> Path:
    """A .set file."""
    return _exported(folder, ".set", "eeglab")


@foreign("edfio: an EDF file with another ending", "edfio")
def renamed_edf(folder: Path) -> Path:
    """EDF called .dat."""
    import edfio

    signals = [edfio.EdfSignal(one, RATE, label=f"EEG {k}") for k, one in enumerate(SAMPLES.T)]
    edfio.Edf(signals).write(folder / "day.edf")
    return (folder / "day.edf").rename(folder / "day.dat")


@foreign("pyedflib: BDF+", "pyedflib")
def pyedflib_bdf(folder: Path) -> Path:
    """Two rates and annotations, by EDFlib."""
    import pyedflib

    path = folder / "day.bdf"
    with pyedflib.EdfWriter(str(path), 3, file_type=pyedflib.FILETYPE_BDFPLUS) as out:
        for k, (label, rate) in enumerate((("EEG Fz", 100), ("EEG Cz", 100), ("Resp", 10))):
            fields = {"label": label, "dimension": "uV", "sample_frequency": rate}
            limits = {"physical_min": -500.0, "physical_max": 500.0}
            digits = {"digital_min": -8388608, "digital_max": 8388607}
            out.setSignalHeader(
                k, {**fields, **limits, **digits, "prefilter": "", "transducer": ""}
            )
        for second in range(20):
            here = SAMPLES[second * 100 : (second + 1) * 100]
            for one in (here[:, 0], here[:, 1], here[::10, 2]):
                out.writePhysicalSamples(np.ascontiguousarray(one))
        for onset in START:
            out.writeAnnotation(onset, 0.5, "tone")
    return path


@foreign("a text file called .edf")
def text_as_edf(folder: Path) -> Path:
    """Numbers in columns, behind a wrong ending."""
    pd.DataFrame(SAMPLES, columns=list("abcd")).to_csv(folder / "day.edf", index=False)
    return folder / "day.edf"


@foreign("pynapple: TsGroup.save", "pynapple")
def pynapple_group(folder: Path) -> Path:
    """Spike times of several units."""
    import pynapple

    pynapple.TsGroup({k: pynapple.Ts(one) for k, one in enumerate(TRAINS)}).save(folder / "g.npz")
    return folder / "g.npz"


@foreign("pynapple: TsdFrame.save", "pynapple")
def pynapple_frame(folder: Path) -> Path:
    """Samples of several columns."""
    import pynapple

    pynapple.TsdFrame(TIMES, SAMPLES, columns=list("abcd")).save(folder / "f.npz")
    return folder / "f.npz"


@foreign("pynapple: IntervalSet.save", "pynapple")
def pynapple_intervals(folder: Path) -> Path:
    """Intervals."""
    import pynapple

    pynapple.IntervalSet(START, START + 0.5).save(folder / "i.npz")
    return folder / "i.npz"


def _sorting():
    import spikeinterface.core

    return spikeinterface.core.generate_sorting(num_units=4, durations=[20.0], seed=0)


@foreign("spikeinterface: a saved sorting", "spikeinterface")
def spikeinterface_folder(folder: Path) -> Path:
    """A folder of NumPy files, which spikeinterface writes."""
    _sorting().save(folder=folder / "sorting")
    return folder / "sorting"


@foreign("spikeinterface: a sorting as .npz", "spikeinterface")
def spikeinterface_npz(folder: Path) -> Path:
    """All spikes in one archive."""
    from spikeinterface.core import NpzSortingExtractor

    NpzSortingExtractor.write_sorting(_sorting(), folder / "sorting.npz")
    return folder / "sorting.npz"


@foreign("spikeinterface: an analyzer's folder", "spikeinterface")
def spikeinterface_analyzer(folder: Path) -> Path:
    """A sorting and its recording."""
    import spikeinterface.core as si

    recording, sorting = si.generate_ground_truth_recording(durations=[5.0], num_units=4, seed=0)
    si.create_sorting_analyzer(
        sorting, recording, format="binary_folder", folder=folder / "analyzer", verbose=False
    )
    return folder / "analyzer"


@foreign("spikeinterface: export to phy", "spikeinterface")
def spikeinterface_phy(folder: Path) -> Path:
    """A folder of phy that no Kilosort wrote."""
    import spikeinterface.core as si
    from spikeinterface.exporters import export_to_phy

    recording, sorting = si.generate_ground_truth_recording(durations=[5.0], num_units=4, seed=0)
    analyzer = si.create_sorting_analyzer(sorting, recording, format="memory", verbose=False)
    analyzer.compute(["random_spikes", "waveforms", "templates"], verbose=False)
    export_to_phy(
        analyzer, folder / "phy", compute_pc_features=False, compute_amplitudes=False,
        copy_binary=False, verbose=False,
    )  # fmt: skip
    return folder / "phy"


def _block():
    import neo
    import quantities as pq

    segment = neo.Segment()
    for one in TRAINS:
        segment.spiketrains.append(neo.SpikeTrain(one, t_stop=20.0, units="s"))
    signal = neo.AnalogSignal(SAMPLES, units="mV", sampling_rate=RATE * pq.Hz, name="lfp")
    segment.analogsignals.append(signal)
    segment.epochs.append(neo.Epoch(START * pq.s, 0.5 * pq.s, labels=["a", "b"] * 10))
    block = neo.Block()
    block.segments.append(segment)
    return block


@foreign("neo: a pickle", "neo")
def neo_pickle(folder: Path) -> Path:
    """Neo's own way to save a block."""
    import neo.io

    neo.io.PickleIO(str(folder / "block.pkl")).write_block(_block())
    return folder / "block.pkl"


@foreign("neo: a MATLAB file", "neo")
def neo_mat(folder: Path) -> Path:
    """A block as a struct."""
    import neo.io

    neo.io.NeoMatlabIO(str(folder / "block.mat")).write_block(_block())
    return folder / "block.mat"


@foreign("neo: an NWB file", "neo", "pynwb")
def neo_nwb(folder: Path) -> Path:
    """A block through pynwb."""
    import neo.io

    block = _block()
    block.annotate(session_start_time=datetime(2024, 1, 1, tzinfo=UTC))
    out = neo.io.NWBIO(str(folder / "block.nwb"), mode="w")
    out.write_all_blocks([block])
    return folder / "block.nwb"


@foreign("pandas: parquet", "pyarrow")
def pandas_parquet(folder: Path) -> Made:
    """Wide samples with their index of times."""
    frame = pd.DataFrame(SAMPLES, columns=list("abcd"), index=pd.Index(TIMES, name="t"))
    frame.to_parquet(folder / "wide.parquet")
    return folder / "wide.parquet", _series("t")


@foreign("pandas: feather", "pyarrow")
def pandas_feather(folder: Path) -> Path:
    """The same as feather."""
    pd.DataFrame(SAMPLES, columns=list("abcd")).assign(t=TIMES).to_feather(folder / "w.feather")
    return folder / "w.feather"


@foreign("pandas: a pickle")
def pandas_pickle(folder: Path) -> Path:
    """A data frame as a pickle."""
    pd.DataFrame(SAMPLES).to_pickle(folder / "frame.pkl")
    return folder / "frame.pkl"


@foreign("pandas: a compressed CSV without names of its index")
def pandas_csv(folder: Path) -> Made:
    """What `to_csv` writes where nothing is asked: a first column without a name."""
    pd.DataFrame(SAMPLES, columns=list("abcd")).assign(t=TIMES).to_csv(folder / "w.csv.gz")
    return folder / "w.csv.gz", _series("t")


@foreign("scipy: MATLAB's own test file of a struct")
def scipy_struct(folder: Path) -> Path:
    """A file that MATLAB 7.4 wrote, from scipy's tests."""
    return Path(scipy.io.__file__).parent / "matlab/tests/data/teststructarr_7.4_GLNX86.mat"


@foreign("scipy: MATLAB's own test file of an object")
def scipy_object(folder: Path) -> Path:
    """An object of a MATLAB class, from scipy's tests."""
    return Path(scipy.io.__file__).parent / "matlab/tests/data/testobject_7.4_GLNX86.mat"


@foreign("scipy: MATLAB 4")
def scipy_old(folder: Path) -> Path:
    """A file that MATLAB 4.2 wrote, from scipy's tests."""
    return Path(scipy.io.__file__).parent / "matlab/tests/data/testdouble_4.2c_SOL2.mat"


@foreign("hdf5storage: MATLAB 7.3", "hdf5storage")
def hdf5storage_mat(folder: Path) -> Path:
    """A .mat file by a writer that is not MATLAB."""
    import hdf5storage

    hdf5storage.savemat(
        str(folder / "new.mat"), {"lfp": SAMPLES, "name": "day one", "fs": RATE}, format="7.3"
    )
    return folder / "new.mat"


@foreign("temporaldata: to_hdf5", "temporaldata")
def temporaldata_file(folder: Path) -> Path:
    """A file by temporaldata's own writer."""
    import h5py
    import temporaldata as td

    times, units = np.concatenate(TRAINS), np.repeat(np.arange(3), [len(one) for one in TRAINS])
    order = np.argsort(times)
    data = td.Data(
        spikes=td.IrregularTimeSeries(
            timestamps=times[order], unit_index=units[order], domain="auto"
        ),
        units=td.ArrayDict(id=np.array(["a", "b", "c"])),
        cursor=td.RegularTimeSeries(pos=SAMPLES[:, :2], sampling_rate=RATE, domain_start=0.0),
        trials=td.Interval(start=START, end=START + 0.5, side=np.array(["l", "r"] * 10)),
        domain=td.Interval(0.0, 20.0),
    )
    with h5py.File(folder / "day.h5", "w") as file:
        data.to_hdf5(file)
    return folder / "day.h5"


@foreign("nitime: spike times of a grasshopper, one number a line", "nitime")
def nitime_spikes(folder: Path) -> Path:
    """A text file without names of columns."""
    found = importlib.util.find_spec("nitime")
    return Path(found.origin).parent / "data/grasshopper_spike_times1.txt"


@foreign("nitime: time courses of regions", "nitime")
def nitime_regions(folder: Path) -> Made:
    """Wide samples without a clock."""
    found = importlib.util.find_spec("nitime")
    stated = ["--set", "series={wide: {rate_hz: 0.5}}"]
    return Path(found.origin).parent / "data/fmri_timeseries.csv", stated


@foreign("xarray: netCDF", "xarray")
def xarray_netcdf(folder: Path) -> Path:
    """A labelled array by scipy's writer of netCDF."""
    import xarray

    made = xarray.DataArray(SAMPLES, {"time": TIMES}, ("time", "channel"), name="lfp")
    made.to_netcdf(folder / "lfp.nc", engine="scipy")
    return folder / "lfp.nc"


@foreign("NumPy: one array")
def numpy_array(folder: Path) -> Path:
    """A .npy file."""
    np.save(folder / "counts.npy", SAMPLES)
    return folder / "counts.npy"


@foreign("NumPy: a dict saved as an object array")
def numpy_objects(folder: Path) -> Path:
    """What `np.savez` makes of lists of unequal length."""
    np.savez(folder / "dict.npz", spikes=np.array(TRAINS, dtype=object), fs=RATE)
    return folder / "dict.npz"


@foreign("torch: tensors", "torch")
def torch_tensors(folder: Path) -> Path:
    """A zip archive that holds a pickle."""
    import torch

    torch.save({"counts": torch.zeros(3, 4)}, folder / "counts.pt")
    return folder / "counts.pt"


def pynapple_objects(folder: Path) -> Given:
    """What pynapple loads from its own archives."""
    import pynapple

    units, place, trials = (
        pynapple.load_file(str(make(folder)))
        for make in (pynapple_group, pynapple_frame, pynapple_intervals)
    )
    return units, {"place": place, "trial": {"inside": trials}}


def sorting_without_times(folder: Path) -> Given:
    """A sorting that spikeinterface loads from its folder: frames, and no clock."""
    import spikeinterface.core

    return spikeinterface.core.load(spikeinterface_folder(folder)), {}


def sorting_with_times(folder: Path) -> Given:
    """A sorting with the recording that it was made of."""
    import spikeinterface.core as si

    recording, sorting = si.generate_ground_truth_recording(durations=[20.0], num_units=4, seed=0)
    sorting.register_recording(recording)
    return sorting, {}


def analyzer_object(folder: Path) -> Given:
    """An analyzer, which knows its recording."""
    import spikeinterface.core as si

    recording, sorting = si.generate_ground_truth_recording(durations=[20.0], num_units=4, seed=0)
    return si.create_sorting_analyzer(sorting, recording, format="memory", verbose=False), {}


def neo_block(folder: Path) -> Given:
    """A block that neo reads from the NWB file it wrote, with its signal as the target."""
    import neo.io

    segment = neo.io.NWBIO(str(neo_nwb(folder)), mode="r").read_all_blocks()[0].segments[0]
    return segment, {"lfp": segment.analogsignals[0]}


def mne_object(folder: Path) -> Given:
    """A recording that MNE loads, with its annotations as the target."""
    import mne

    raw = mne.io.read_raw(mne_raw(folder), verbose="error")
    return raw, {"side": {"table": raw.annotations, "column": "description"}}


OBJECTS: dict[str, tuple[str, Callable[[Path], Given]]] = {
    "pynapple: objects from its archives": ("pynapple", pynapple_objects),
    "spikeinterface: a sorting from its folder": ("spikeinterface", sorting_without_times),
    "spikeinterface: a sorting with its recording": ("spikeinterface", sorting_with_times),
    "spikeinterface: an analyzer": ("spikeinterface", analyzer_object),
    "neo: a segment from its NWB file": ("neo", neo_block),
    "MNE: a recording from its FIF file": ("mne", mne_object),
}
"""Objects that packages load from their own files, for `Recording.from_signals`."""


def taken(given: Given) -> tuple[bool, str]:
    """Whether an object became a recording, and what was said."""
    activity, targets = given
    try:
        return True, repr(Recording.from_signals(activity, bin_s=0.1, targets=targets))
    except DataError as error:
        return False, str(error)


def inspected(made: Made) -> tuple[bool, str]:
    """Whether a file was opened, and what `data inspect` said."""
    path, stated = made if isinstance(made, tuple) else (made, ())
    done = CliRunner().invoke(program, ["data", "inspect", str(path), *stated])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return False, f"FAILED: {done.exception!r}"
    return done.exit_code == 0, (done.output or "").strip()


def main() -> None:
    """Make and inspect each file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    absent: list[str] = []
    counts = {True: 0, False: 0}
    logging.disable()
    warnings.filterwarnings("ignore")
    for name, needs, make, said_of in _all_of_them():
        if asked.only not in name:
            continue
        if missing := [one for one in needs if importlib.util.find_spec(one) is None]:
            absent.append(f"{name} ({', '.join(missing)})")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                with _quiet():
                    made = make(Path(folder))
            except Exception as error:  # writers raise errors of all types
                print(f"{name} | not made: {error!r}", flush=True)
                continue
            opened, said = said_of(made)
            counts[opened] += 1
            print(f"{name} | {'opened' if opened else 'refused'}")
            print("    " + said.replace(folder, "").replace("\n", "\n    "), flush=True)
    print(f"{counts[True]} opened, {counts[False]} refused")
    if absent:
        print(f"left out, package not installed: {'; '.join(absent)}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Show nothing of what writers print."""
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield


def _all_of_them() -> Iterator[tuple[str, tuple[str, ...], Callable, Callable]]:
    """Name, packages, maker and opener of each file and object."""
    for one in FILES:
        yield one.name, one.needs, one.make, inspected
    for name, (needs, make) in OBJECTS.items():
        yield name, (needs,), make, taken


if __name__ == "__main__":
    main()
