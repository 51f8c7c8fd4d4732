"""Public sessions written as NWB by pynwb, as a lab would, give the numbers of their archives.

The reach session has counts in bins and no spike times, so each count is written as that
many spikes inside its bin, and the file says so. The track session has its own spike times.
"""

import datetime
import importlib
from itertools import pairwise

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.readers import read_signals
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.plan.plan import Plan
from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.session import Session
from invariance_probe.study.signals import NwbRecording
from invariance_probe.study.study import Study

pynwb = pytest.importorskip("pynwb", reason="pynwb writes the files: install the extra test")
torch = pytest.importorskip("torch", reason="decoders are fitted")
behavior = importlib.import_module("pynwb.behavior")
subjects = importlib.import_module("pynwb.file")
probing = importlib.import_module("invariance_probe.probing")
workbench = importlib.import_module("invariance_probe.probing.bench.workbench")


def file_of(description, species):
    made = pynwb.NWBFile(
        session_description=description,
        identifier=description[:20],
        session_start_time=datetime.datetime(2013, 10, 3, 12, tzinfo=datetime.UTC),
        institution="unknown",
        lab="unknown",
        experimenter="Unknown, Name",
        experiment_description=description,
        keywords=["spikes"],
    )
    made.subject = subjects.Subject(subject_id="one", species=species, sex="U", age="P5Y")
    return made


def save(made, path):
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(made)


def reach(path, archive):
    """Write a reach session: trials one after another, spikes spread evenly inside bins."""
    counts, trial, bin_s = archive["spike_count"], archive["trial"], float(archive["bin_s"])
    made = file_of(
        "Reaching. The source has counts in bins of 0.1 s: spikes are spread inside each bin.",
        "Macaca mulatta",
    )
    seconds = len(counts) * bin_s
    for unit in range(counts.shape[1]):
        times = [
            (row + (k + 0.5) / count) * bin_s
            for row, count in enumerate(counts[:, unit].tolist())
            for k in range(count)
        ]
        made.add_unit(spike_times=np.array(times), obs_intervals=np.array([[0.0, seconds]]))
    edges = np.concatenate([[0], np.flatnonzero(np.diff(trial)) + 1, [len(trial)]])
    for first, last in pairwise(edges):
        made.add_trial(start_time=first * bin_s, stop_time=last * bin_s)
    module = made.create_processing_module("behavior", "movement of the hand")
    module.add(
        pynwb.TimeSeries(
            name="hand_velocity",
            data=archive["hand_velocity"],
            unit="cm/s",
            timestamps=(np.arange(len(counts)) + 0.5) * bin_s,
            description="velocity of the hand, x and y",
        )
    )
    save(made, path)


def losses(recording, source):
    """Losses of the raw decoder in every block, in bits."""
    study = Study.model_validate(
        tiny_study(
            recordings=[source],
            target={"name": "hand_velocity"},
            folds={"scheme": "trials", "count": 4, "embargo_s": 0.5},
        )
    )
    session = Session(
        "s", "one", "", recording.fingerprint, source, units=recording.activity.shape[1],
        bins=len(recording.activity), bin_s=recording.bin_s, parts=recording.content,
    )  # fmt: skip
    runs = [run for run in Plan(study, (session,)).baselines if run.method.kind == "raw"]
    bench = workbench.Workbench.of(recording, runs[0], torch.device("cpu"))
    return [
        one.result.block_losses for one in probing.MEASURES["raw"](bench, runs, lambda steps: None)
    ]


def test_a_reach_session_gives_the_numbers_of_its_archive(tmp_path, public):
    path = public("m1_reach/chewie-10032013-bin0.10-velthresh0.00.npz")
    reach(tmp_path / "reach.nwb", np.load(path))
    archive = NpzRecording(
        path=str(path), session="s", activity="spike_count", bin_s="bin_s", trial="trial"
    )
    nwb = NwbRecording(
        path="reach.nwb",
        session="s",
        bin_s=0.1,
        trials="trials",
        targets={"hand_velocity": {"series": "hand_velocity"}},
    )
    expected, found = read_npz(archive, tmp_path), read_signals(nwb, tmp_path)
    np.testing.assert_array_equal(found.activity, expected.activity)
    np.testing.assert_array_equal(found.targets["hand_velocity"], expected.targets["hand_velocity"])
    np.testing.assert_array_equal(found.whole_trials, expected.whole_trials)
    assert not found.known and losses(found, nwb) == losses(expected, archive)


def test_the_track_session_is_counted_as_in_its_archive(tmp_path, public):
    archive = np.load(public("hippocampus_track/linear-track.npz"))
    made = file_of("A rat on a linear track, then at rest.", "Rattus norvegicus")
    start, bin_s = float(archive["position_time_s"][0]), 0.05
    for unit in range(len(archive["unit_tetrode"])):
        made.add_unit(spike_times=np.sort(archive["spike_time_s"][archive["spike_unit"] == unit]))
    module = made.create_processing_module("behavior", "where the rat was")
    series = behavior.SpatialSeries(
        name="place",
        data=archive["position_xy_pix"].astype(float),
        timestamps=archive["position_time_s"],
        reference_frame="camera",
        unit="pixels",
    )
    module.add(behavior.Position(spatial_series=series))
    save(made, tmp_path / "track.nwb")
    nwb = NwbRecording(
        path="track.nwb",
        session="s",
        bin_s=bin_s,
        origin_s=start,
        targets={"place": {"series": "place"}},
    )
    found = read_signals(nwb, tmp_path)
    counts = archive["spike_count_050ms"]
    assert len(found.activity) in (len(counts), len(counts) - 1)
    np.testing.assert_array_equal(found.activity, counts[: len(found.activity)])
    centres = archive["time_050ms"][: len(found.activity)]
    times = archive["position_time_s"]
    nearest = np.abs(times[None] - centres[::97, None]).argmin(axis=1)
    near = np.abs(times[nearest] - centres[::97]) <= bin_s / 2
    known = found.known_bins("place")[::97]
    np.testing.assert_array_equal(known, near)
    np.testing.assert_array_equal(
        found.targets["place"][::97][known], archive["position_xy_pix"][nearest[near]]
    )
