"""Published settings of SSL methods, by name.

In: a method's declaration such as `method: {kind: byol, preset: monkey}`. Out: the
declaration with the preset's settings filled in. Fields that a study gives itself
override the preset. The numbers are those of the papers' released code. What depends on
the recording, such as the number of units, is never part of a preset.
"""

from typing import Any

_DEEP = {"kind": "mlp", "widths": [128, 128, 128, 128]}
_NEURO = {"kind": "mlp", "widths": [64, 64, 64, 64]}
_RODENT = {"kind": "mlp", "widths": [64, 64, 64, 32]}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "myow": {
        "monkey": {  # Azabou et al. 2021, the authors' script for primate reaching, first release
            "target_decay": 0.9, "encoder": _DEEP, "projector": [256, 32], "predictor": [256],
            "mined_projector": [64, 16], "mined_predictor": [64],
            "neighbours": 3, "mined_weight": 0.1, "mining_from": 0.01,
            "training": {"batch_size": 256, "optimizer": "lars", "learning_rate": 0.8,
                         "weight_decay": 1e-6, "momentum": 0.9,
                         "schedule": "cosine", "warmup": 0.01},
        },
        "monkey-neuro": {  # the second release
            "target_decay": 0.98, "encoder": _NEURO, "projector": [64], "predictor": [256],
            "mined_projector": [256, 32], "mined_predictor": [256],
            "neighbours": 5, "mined_weight": 0.5, "mining_from": 0.01,
            "training": {"batch_size": 512, "learning_rate": 2e-4, "weight_decay": 2e-5},
        },
        "rodent-neuro": {
            "target_decay": 0.98, "encoder": _RODENT, "projector": [32], "predictor": [256],
            "mined_projector": [256, 16], "mined_predictor": [256],
            "neighbours": 5, "gap_s": 600.0, "mined_weight": 0.5, "mining_from": 0.0125,
            "training": {"batch_size": 512, "optimizer": "sgd", "momentum": 0.98,
                         "learning_rate": 2e-3, "weight_decay": 2e-5},
        },
    },
    "byol": {
        "monkey": {  # MYOW's first release without mining
            "target_decay": 0.9, "encoder": _DEEP, "projector": [256, 32], "predictor": [256],
            "training": {"batch_size": 256, "optimizer": "lars", "learning_rate": 0.8,
                         "weight_decay": 1e-6, "momentum": 0.9,
                         "schedule": "cosine", "warmup": 0.01},
        },
    },
    "swap_vae": {
        "monkey": {  # Liu et al. 2021, the authors' script
            "encoder": {"kind": "mlp", "widths": [128, 128, 128]}, "style": 0.5,
            "decoder": [128, 128], "style_divergence": 10.0, "alignment": 1.0,
            "training": {"batch_size": 256, "learning_rate": 5e-4, "weight_decay": 0.0},
        },
    },
    "simclr": {
        "cifar": {  # Chen et al. 2020, appendix B.9
            "temperature": 0.5,
            "training": {"batch_size": 512, "optimizer": "lars", "learning_rate": 1.0,
                         "weight_decay": 1e-4, "schedule": "cosine", "warmup": 0.01},
        },
    },
    "vicreg": {  # Bardes et al. 2022, section 4.2
        "imagenet": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    },
    "relative_positioning": {"braindecode-sleep": {"near_s": 60.0, "far_s": 900.0}},
    "masked_sequence": {
        "bendr": {
            "sequence_windows": 160,
            "span_start": 0.065,
            "span_windows": 10,
            "distractors": 20,
            "temperature": 0.1,
            "activation": 1.0,
            "position_windows": 25,
            "context_width": 1536,
            "heads": 8,
            "layers": 8,
        },
    },
}  # fmt: skip
"""Settings by kind of method and name of the preset."""


def with_preset(given: Any, kind: str) -> Any:
    """Fill the settings of its preset into a method's declaration.

    Parameters
    ----------
    given
        The declaration as plain data; its own fields override the preset's. Anything but
        a mapping that names a preset is returned unchanged.
    kind
        The kind of method.

    Raises
    ------
    ValueError
        When the kind has no preset of that name.
    """
    if not isinstance(given, dict) or given.get("preset") is None:
        return given
    known = PRESETS.get(kind, {})
    if given["preset"] not in known:
        allowed = ", ".join(repr(name) for name in sorted(known)) or "none"
        raise ValueError(f"{kind} has no preset {given['preset']!r}; allowed: {allowed}")
    return _merged(
        known[given["preset"]], {name: value for name, value in given.items() if name != "preset"}
    )


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            merged[name] = _merged(under[name], over[name])
    return merged
