import importlib.util

import pytest

if importlib.util.find_spec("torch") is not None:
    import torch

    torch.set_num_threads(1)

MARGIN = {"fraction_of_range": 0.1, "because": "smaller losses would not matter to a decoder"}


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


@pytest.fixture
def tiny():
    return tiny_study()
