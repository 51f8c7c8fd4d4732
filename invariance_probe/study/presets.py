"""Published settings of SSL methods by name: `method: {kind: byol, preset: myow-neuro-monkey}`.

A preset fills in fields; those that a study gives itself win. Numbers are those of the papers' released code, with
widths and rates as they stand there; what a recording must bring (the number of units) is never part of one.
"""

from typing import Any

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
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
}
"""Settings by kind of method and name."""


def with_preset(given: Any, kind: str) -> Any:
    """Return a method's declaration with its preset's settings under its own.

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
    return _merged(known[given["preset"]], {name: value for name, value in given.items() if name != "preset"})


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            merged[name] = _merged(under[name], over[name])
    return merged
