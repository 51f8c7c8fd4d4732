"""Every method that learns by gradient, small, as the contract tests declare it."""

ENCODER = {"kind": "mlp", "widths": [16, 8]}
PAIRS = [
    {"kind": "simclr", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "vicreg", "encoder": ENCODER, "projector": [8, 8]},
    {"kind": "byol", "encoder": ENCODER, "projector": [8, 8], "predictor": [8]},
]
"""Methods whose examples are pairs."""
IN_TIME = []
"""Methods that choose their own windows in time."""
METHODS = [*PAIRS, *IN_TIME]
