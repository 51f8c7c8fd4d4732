import importlib.util

import pytest

if importlib.util.find_spec("torch") is not None:
    import torch

    torch.set_num_threads(1)

MARGIN = {"fraction_of_range": 0.1, "because": "smaller losses would not matter to a decoder"}


LONGEST = (
    "test_crashes.py", "test_contrasts.py", "test_cli.py", "test_slurm.py", "test_adding.py",
    "test_reliance.py", "test_stopping.py", "test_selectors.py", "test_size.py", "test_local.py",
    "test_from_python.py",
)  # fmt: skip
"""Files that take longest.

They are collected first, so that none of them is begun when the others are done.
"""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def public():
    """Look up a file or folder of public recordings, which are not part of the repository."""
    from invariance_probe.data.catalog import search_path

    def find(name):
        for folder in search_path():
            if (folder / name).exists():
                return folder / name
        pytest.skip(f"{name} is not on this machine; see INVARIANCE_PROBE_DATA")

    return find


def tiny_study(**changes):
    """A study as plain data, made anew at every call; it runs in seconds.

    It has one simulated group, and unit dropout at one dose.
    """
    world = {
        "kind": "simulated",
        "generator": "redundancy",
        "session": "spread",
        "carriers": 30,
        "units": 30,
        "information": 3,
        "bins": 640,
    }
    return {
        "name": "tiny",
        "question": "Is the label spread?",
        "recordings": [{**world, "sessions": 4}],
        "target": {"name": "label"},
        "folds": {"scheme": "blocks", "count": 2, "embargo_s": 0.5},
        "method": {
            "kind": "simclr",
            "encoder": {"kind": "mlp", "widths": [16, 8]},
            "projector": [8, 8],
        },
        "training": {"steps": 20, "batch_size": 64, "seeds": 2},
        "views": {"transforms": [{"kind": "unit_dropout"}]},
        "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
        "hypotheses": [
            {
                "id": "H1",
                "claim": "spread",
                "predicts": "tolerated",
                "axis": "unit_dropout.rate",
                "dose": 0.4,
                "margin": dict(MARGIN),
            }
        ],
        **changes,
    }


def small_study(**changes):
    """The tiny study with two sessions."""
    return tiny_study(
        **{"recordings": [{**tiny_study()["recordings"][0], "sessions": 2}], **changes}
    )


@pytest.fixture
def tiny():
    return tiny_study()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of a small, quick study that was run: `study.yaml`, `runs` and `report`.

    Whoever changes anything in it works on a copy.
    """
    return _run_in(tmp_path_factory.mktemp("finished"), small_study(quick=True))


@pytest.fixture(scope="session")
def examined(tmp_path_factory):
    """The same of one session, with every costly check and examination."""
    world = {**tiny_study()["recordings"][0], "sessions": 1}
    training = {"steps": 5, "batch_size": 64, "seeds": 2}
    return _run_in(
        tmp_path_factory.mktemp("examined"), tiny_study(recordings=[world], training=training)
    )


def _run_in(folder, data):
    from helpers.program import invoke, write  # it loads torch, which judging does without

    study = write(folder, data)
    invoke("run", study, "--runs", "runs", "--out", "report", cwd=folder, check=0)
    return folder
