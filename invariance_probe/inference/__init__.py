"""From run results to findings: estimands, intervals, gates and verdicts.

`infer` takes a study's plan and the results of its runs, and returns the findings that
a report is made from. Nothing here needs torch, so the results of a finished study can
be judged again without it.
"""

from invariance_probe.inference.infer import infer

__all__ = ["infer"]
