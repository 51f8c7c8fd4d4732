"""A study that cannot fit into the memory at hand is refused before anything starts."""

import pytest
from conftest import tiny_study

from invariance_probe.errors import StudyError
from invariance_probe.executors.memory import fitting_workers, memory_at_hand
from invariance_probe.plan.memory import Need, worker_need
from invariance_probe.plan.plan import Plan
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

NEED = Need(2e9, "day-1", "code")


def declared(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal: 32000000 kB\nMemAvailable: 16000000 kB\n"}
SECOND = {
    **MACHINE,
    "proc/self/cgroup": "0::/user/job\n",
    "sys/fs/cgroup/user/memory.max": "6000000000\n",
    "sys/fs/cgroup/user/memory.current": "2000000000\n",
    "sys/fs/cgroup/user/memory.stat": "anon 5\ninactive_file 500000000\n",
    "sys/fs/cgroup/user/job/memory.max": "max\n",
    "sys/fs/cgroup/user/job/memory.current": "1000\n",
}
FIRST = {
    **MACHINE,
    "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000000\n",
}


@pytest.mark.parametrize(
    "files, free", [(MACHINE, 16_384_000_000), (SECOND, 4_500_000_000), (FIRST, 2_000_000_000)]
)
def test_the_tightest_limit_on_memory_counts(tmp_path, files, free):
    assert memory_at_hand(declared(tmp_path, files)) == free


def test_where_no_file_tells_the_physical_memory_counts(tmp_path):
    found = memory_at_hand(tmp_path)
    assert found is None or found > 1e8


def test_as_many_workers_start_as_fit():
    assert fitting_workers(NEED, None, 8, 7e9) == 3
    assert fitting_workers(NEED, 3, 8, 7e9) == 3
    assert fitting_workers(NEED, None, 8, None) == 8


def test_more_workers_than_fit_are_refused_with_the_number_that_does():
    with pytest.raises(StudyError, match=r"2\.0 GB.*5 workers need 10\.0 GB.*use 3 workers, or"):
        fitting_workers(NEED, 5, 8, 7e9)


def test_a_worker_that_does_not_fit_is_refused_with_what_makes_it_smaller():
    with pytest.raises(StudyError, match=r"session 'day-1'.*only 1\.0 GB.*use longer bins"):
        fitting_workers(NEED, None, 8, 1e9)


def needed(bins, units, length=1, **changes):
    study = Study.model_validate(tiny_study(window={"length_bins": length}, quick=True, **changes))
    sessions = [
        Session(f"day-{i}", "a", "", f"{i}", study.recordings[0], units=units, bins=bins)
        for i in range(4)
    ]
    return worker_need(Plan(study, tuple(sessions)))


def test_the_need_grows_with_the_recording_and_not_with_the_overlap_of_windows():
    small, long = needed(10_000, 100), needed(1_000_000, 100)
    assert small.bytes < 1.5e9 < long.bytes < 10e9
    assert needed(360_000, 20, 200).bytes < 8 * 360_000 * 20 * 200 / 2
    assert needed(20_000, 20_000).bytes > 9 * 8 * 20_000**2


PEAKS = {
    (180_000, 400, 5, 4): {"code": 2.79, "raw": 1.95, "pca": 1.75, "untrained": 1.66,
                           "supervised": 1.82, "shift_null": 2.00, "training": 2.72},
    (20_000, 2000, 1, 1): {"code": 1.82, "raw": 1.46, "pca": 1.12, "untrained": 0.86,
                           "supervised": 1.06, "shift_null": 1.40, "training": 1.67},
}  # fmt: skip
"""Peaks (GB) by bins, units, bins per window and sessions, from `benchmarks/scale.py`."""


@pytest.mark.parametrize("size", PEAKS)
def test_the_estimate_is_near_the_measured_peak(size):
    bins, units, length, count = size
    study = Study.model_validate(
        tiny_study(
            window={"length_bins": length},
            quick=True,
            method={"kind": "simclr"},
            training={"steps": 20, "batch_size": 128, "seeds": 2},
        )
    )
    sessions = tuple(
        Session(f"day-{i}", f"a{i}", "", f"{i}", study.recordings[0], units=units, bins=bins)
        for i in range(count)
    )
    plan = Plan(study, sessions)
    for kind, peak in PEAKS[size].items():
        runs = plan.grid if kind == "training" else plan.baselines
        keys = {run.key() for run in runs if kind in ("training", run.method.kind)}
        assert keys, kind
        assert 0.9 < worker_need(plan, keys).bytes / 1e9 / peak < 1.55, kind


def test_what_is_stored_already_needs_no_memory():
    study = Study.model_validate(tiny_study())
    session = Session("day-1", "a", "", "1", study.recordings[0], units=5000, bins=50_000)
    plan = Plan(study, (session,))
    assert worker_need(plan, set()).bytes < 1e9 < worker_need(plan).bytes
