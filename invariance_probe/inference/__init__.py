"""Run results to findings, without torch: estimands, intervals, gates and verdicts."""

from invariance_probe.inference.infer import infer

__all__ = ["infer"]
