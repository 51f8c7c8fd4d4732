"""Every method that learns by gradient, small, as the contract tests declare it."""

ENCODER = {"kind": "mlp", "widths": [16, 8]}
PAIRS = [
    {"kind": "simclr", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "vicreg", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "byol", "encoder": ENCODER, "projector": [8, 8], "predictor": [8]},
]
"""Methods whose examples are pairs."""
IN_TIME = [
    {"kind": "cpc", "encoder": ENCODER, "context_windows": 3, "context_width": 8, "negatives": {"gap_s": 0.5}},
    {"kind": "pbl", "encoder": ENCODER, "context_windows": 3, "context_width": 8, "predictor": [8]},
    {"kind": "relative_positioning", "encoder": ENCODER},
    {"kind": "temporal_shuffling", "encoder": ENCODER},
    {"kind": "temporal_shuffling", "encoder": ENCODER, "signed": True, "head": [8]},
    {"kind": "masked_sequence", "encoder": ENCODER, "sequence_windows": 8, "context_width": 8, "heads": 2, "layers": 1},
]
"""Methods that choose their own windows in time."""
METHODS = [*PAIRS, *IN_TIME]
