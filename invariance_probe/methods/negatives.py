"""Which windows a contrastive method may use as negatives of an anchor.

A study declares the rule (`study.methods.Negatives`). In: the windows of anchors and of
candidates, and where the windows lie in time. Out: a boolean mask. The mask does not
know which window is an anchor's positive; each method removes it from the negatives
itself. Several models (runs) are trained together, so the first axis is the run.
"""

import math

from torch import Tensor

from invariance_probe.methods.base import Timeline
from invariance_probe.study.methods import Negatives


def admissible(
    declared: Negatives, timeline: Timeline, anchors: Tensor, candidates: Tensor
) -> Tensor:
    """Find which candidates may serve as negatives of which anchors.

    * An anchor's own window is never a negative, in either view.
    * If the rule's `scope` is trial, all negatives come from the anchor's own trial or
      gap-free segment. If it is session or subject, they come from the anchor's own
      session or subject; this matters only if a model is trained on several.
    * If `same_trial` is False, no negative comes from the anchor's own trial or
      segment.
    * If `gap_s` > 0, the first bins of anchor and negative are at least the gap
      apart, and the two windows share no bin.

    Distances are counted in bins of the recording as it is stored, across trial borders
    too. If trials were cut out of a session, windows of different trials are in fact
    farther apart in time, so the gap is still respected.

    Parameters
    ----------
    declared
        The rule.
    timeline
        Where the windows lie in time.
    anchors, candidates
        Indices of windows, (run, anchor) and (run, candidate).

    Returns
    -------
    allowed
        Boolean (run, anchor, candidate): True if the candidate may be a negative.
    """
    starts, stretches = timeline.starts, timeline.stretches
    distance = (starts[anchors].unsqueeze(2) - starts[candidates].unsqueeze(1)).abs()
    allowed = distance >= least_distance_bins(declared.gap_s, timeline)
    of = {"session": timeline.sessions, "subject": timeline.subjects}.get(declared.scope)
    if of is not None:
        allowed = allowed & (of[anchors].unsqueeze(2) == of[candidates].unsqueeze(1))
    if declared.scope != "trial" and declared.same_trial:
        return allowed
    own = stretches[anchors].unsqueeze(2) == stretches[candidates].unsqueeze(1)
    return allowed & (own if declared.scope == "trial" else ~own)


def least_distance_bins(gap_s: float, timeline: Timeline) -> int:
    """Smallest allowed distance in bins between an anchor and a negative.

    The distance is counted between the first bins of the two windows. Without a gap it
    is 1, so that the two are different windows.

    Parameters
    ----------
    gap_s
        Declared gap in seconds. A gap above 0 also requires that the windows share no
        bin.
    timeline
        Gives the length of windows and of bins.
    """
    if gap_s == 0:
        return 1
    return max(math.ceil(gap_s / timeline.bin_s - 1e-6), timeline.length_bins)
