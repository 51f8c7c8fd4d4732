"""From run results to findings: estimands, intervals, gates and verdicts.

Nothing here needs torch, so a stored study can be judged again without it.
"""

from invariance_probe.inference.infer import infer

__all__ = ["infer"]
