"""Declarations are keys of caches, also those whose fields hold dictionaries."""

from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.signals import NwbRecording


def test_recordings_with_targets_and_streams_by_name_have_hashes_that_agree_with_equality():
    source = {"path": "f.nwb", "session": "s", "bin_s": 0.1}
    targets = {"speed": {"series": "speed"}, "side": {"table": "trials", "column": "side"}}
    one, same = (NwbRecording(**source, targets=targets) for _ in range(2))
    other = NwbRecording(**source, targets={"speed": {"series": "speed"}})
    assert one == same and hash(one) == hash(same) and len({one, same, other}) == 2
    archive = {"path": "s.npz", "session": "s", "activity": "x", "bin_s": 0.1}
    streams = [{"lfp": "lfp"}, {"lfp": "emg"}, {}]
    assert len({NpzRecording(**archive, streams=each) for each in streams}) == 3
