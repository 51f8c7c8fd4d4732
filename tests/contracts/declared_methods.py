"""Every method that learns by gradient, small, as the contract tests declare it.

The user-defined method is the one of docs/examples.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "docs" / "examples"))

ENCODER = {"kind": "mlp", "widths": [16, 8]}
PAIRS = [
    {"kind": "simclr", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "vicreg", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "byol", "encoder": ENCODER, "projector": [8, 8], "predictor": [8]},
    {"kind": "moco", "encoder": ENCODER, "projector": [8, 8], "queue": 100},
    {"kind": "simclr", "encoder": ENCODER, "projector": [8, 8], "negatives": {"gap_s": 0.5}},
    {"kind": "simsiam", "encoder": ENCODER, "projector": [8, 8], "predictor": [4]},
    {"kind": "barlow_twins", "encoder": ENCODER, "projector": [8, 8]},
    {
        "kind": "myow",
        "encoder": ENCODER,
        "projector": [8, 8],
        "predictor": [8],
        "mined_projector": [8, 4],
        "mined_predictor": [4],
    },
    {"kind": "swap_vae", "encoder": ENCODER, "decoder": [16]},
    {"kind": "supcon", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "y_aware", "encoder": ENCODER, "projector": [8, 8]},
    {
        "kind": "own",
        "of": "agreeing_pairs:AgreeingPairs",
        "version": 1,
        "settings": {"projector": [8, 8]},
        "encoder": ENCODER,
    },
]
"""Methods whose examples are pairs."""
IN_TIME = [
    {
        "kind": "cpc",
        "encoder": ENCODER,
        "context_windows": 3,
        "context_width": 8,
        "negatives": {"gap_s": 0.5},
    },
    {"kind": "pbl", "encoder": ENCODER, "context_windows": 3, "context_width": 8, "predictor": [8]},
    {"kind": "relative_positioning", "encoder": ENCODER},
    {"kind": "temporal_shuffling", "encoder": ENCODER},
    {"kind": "temporal_shuffling", "encoder": ENCODER, "signed": True, "head": [8]},
    {
        "kind": "masked_sequence",
        "encoder": ENCODER,
        "sequence_windows": 8,
        "context_width": 8,
        "heads": 2,
        "layers": 1,
    },
]
"""Methods that choose their own windows in time."""
METHODS = [*PAIRS, *IN_TIME]
RECURRING = {
    "kind": "simulated",
    "generator": "recurring",
    "session": "bouts",
    "units": 30,
    "bins": 640,
    "behaviours": 3,
}
STUDIES = {
    "supcon": {
        "recordings": [{**RECURRING, "sessions": 4}],
        "target": {"name": "behaviour", "kind": "categorical"},
    }
}
"""What a study of a method must have beside it, by kind."""
