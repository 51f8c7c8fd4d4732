"""Which windows may be held against an anchor: what `study.methods.Negatives` declares, as a mask.

In: windows of anchors and of candidates, and where windows lie. Out: a boolean mask. What an anchor's positive is stays with the
method, which leaves it out of its negatives itself.
"""

import math

from torch import Tensor

from invariance_probe.methods.base import Timeline
from invariance_probe.study.methods import Negatives


def admissible(
    declared: Negatives, timeline: Timeline, anchors: Tensor, candidates: Tensor
) -> Tensor:
    """Say which candidates may be negatives of which anchors (run, anchor, candidate), boolean.

    The anchor's own window never may, in whichever view. With `scope` trial only those of the anchor's own stretch may, with session and
    subject only those of its own session and subject (where a model sees several); without `same_trial` none of its stretch. With `gap_s`
    > 0 two windows may where their first bins are at least the gap apart and they share no bin, so that windows longer than the gap are
    masked as far as they overlap the anchor. Distances are counted in bins of the recording as it is stored, over the borders of trials
    too; where trials were cut out of a session, windows of two trials lie farther apart in time than that, and the gap is then met with
    room to spare.

    Parameters
    ----------
    declared
        The rule.
    timeline
        Where windows lie.
    anchors, candidates
        Windows (run, anchor) and (run, candidate).
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
    """Return how many bins the starts of an anchor and of a negative are apart at least: 1 without a gap, so that they are two windows."""
    if gap_s == 0:
        return 1
    return max(math.ceil(gap_s / timeline.bin_s - 1e-6), timeline.length_bins)
