"""Which windows may be negatives of an anchor, as a mask.

The rule is what `study.methods.Negatives` declares. In: windows of anchors and of
candidates, and where windows lie. Out: a boolean mask. What an anchor's positive is
stays with the method, which keeps it out of the negatives itself.
"""

import math

from torch import Tensor

from invariance_probe.methods.base import Timeline
from invariance_probe.study.methods import Negatives


def admissible(
    declared: Negatives, timeline: Timeline, anchors: Tensor, candidates: Tensor
) -> Tensor:
    """Say which candidates may be negatives of which anchors.

    * An anchor's own window is never a negative, in whichever view.
    * With `scope` trial, only windows of the anchor's own stretch may be. With session
      or subject, only those of its own session or subject (where a model sees several).
      Without `same_trial`, none of its stretch.
    * With `gap_s` > 0, two windows may be where their first bins are at least the gap
      apart and they share no bin. So windows longer than the gap are masked as far as
      they overlap the anchor.

    Distances are counted in bins of the recording as it is stored, over trial borders
    too. Where trials were cut out of a session, windows of two trials lie farther apart
    in time than that, so the gap is then met with room to spare.

    Parameters
    ----------
    declared
        The rule.
    timeline
        Where windows lie.
    anchors, candidates
        Windows (run, anchor) and (run, candidate).

    Returns
    -------
    allowed
        Boolean (run, anchor, candidate).
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
    """Fewest bins between the starts of an anchor and of a negative.

    Without a gap it is 1, so that the two are different windows.

    Parameters
    ----------
    gap_s
        Declared gap in seconds; a gap above 0 also asks that the windows share no bin.
    timeline
        Length of windows and bins.
    """
    if gap_s == 0:
        return 1
    return max(math.ceil(gap_s / timeline.bin_s - 1e-6), timeline.length_bins)
