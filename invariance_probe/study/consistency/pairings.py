"""Check pairings and pools of sessions against the rest of a study.

A pool is a set of sessions on which one model trains. In: a study. Out: each problem as
its place, the value there, and a sentence that says what is wrong and what to do.
"""

from collections.abc import Iterator

from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.design import Design
from invariance_probe.study.methods import PAIR_STREAMS, Reliance
from invariance_probe.study.pairing import SHARE, MinedPairing
from invariance_probe.study.state_pairing import STATE_SHARE, StatePairing
from invariance_probe.study.views import POOL, Views

ACROSS_UNITS = (
    "cutmix",
    "waveform_drift",
    "unit_permutation",
    "own",
    "worst_of_masks",
    "ascended_mask",
    "learned_mask",
    "adversarial_noise",
    "learned_policy",
)
"""Stages of views that compare or mix units or windows, or may do so.

With a pool they would mix units or windows of different sessions."""
OF_ONE_SESSION = ("linear_ssl", "swap_vae", "relative_positioning", "temporal_shuffling")
"""Methods that need the units of one session, or times that are comparable."""


def pairing_problems(study: Design) -> Iterator[Problem]:
    """Yield problems of a pairing with mined pairs."""
    pairing = study.views.pairing
    if (
        isinstance(pairing, MinedPairing)
        and pairing.share
        and SHARE not in [axis.path for axis in study.axes]
    ):
        yield (
            ("views", "pairing", "share"),
            pairing.share,
            f"share is {pairing.share:g}, but mined pairs need control pairs to be compared with, "
            f"and only a sweep of the axis {SHARE!r} trains those; sweep it, or set share to 0",
        )
    if isinstance(pairing, MinedPairing) and pairing.elsewhere and not pools(study):
        alone = (
            "with `elsewhere`, distant partners come from other sessions, but each model sees "
            "only one session; set views.pool, or remove `elsewhere`"
        )
        yield ("views", "pairing", "elsewhere"), pairing.elsewhere, alone
    if (
        isinstance(pairing, MinedPairing)
        and pairing.guide is None
        and pairing.gap_s < 3 * pairing.smoothing_s
    ):
        yield (
            ("views", "pairing", "gap_s"),
            pairing.gap_s,
            f"gap_s is {pairing.gap_s:g} s, but smoothing with an SD of {pairing.smoothing_s:g} s "
            "makes activity alike over 3 SDs, whatever the code; use a gap_s of at least "
            f"{3 * pairing.smoothing_s:g} s, or a smaller smoothing_s",
        )


def stream_problems(study: Design) -> Iterator[Problem]:
    """Yield what keeps pairs from showing two streams, such as spikes and an LFP."""
    stream, place = study.views.stream, ("views", "pairing", "stream")
    if not stream:
        return
    if study.views.base.kind != "none":
        yield (
            ("views", "base", "kind"),
            study.views.base.kind,
            f"the second view of a pair shows the stream {stream!r}, so the two views differ "
            "without a base; use {kind: none}",
        )
    if "paired" in study.arms:
        yield (
            ("arms",),
            list(study.arms),
            f"with the arm 'paired' both views share their draws, but the second view shows the "
            f"stream {stream!r}, which no transform changes; remove 'paired'",
        )
    if study.views.adversary is not None:
        yield (
            ("views", "adversary", "kind"),
            study.views.adversary.kind,
            f"an adversary acts on two views of the activity, but the second view shows the "
            f"stream {stream!r}; remove the adversary, or the stream",
        )
    if pools(study):
        alone = (
            "models of several sessions have an input for the units of each session, but none for "
            "their streams; remove views.pool, or the stream"
        )
        yield place, stream, alone
    for i, asked in enumerate(study.measurements):
        if isinstance(asked, Reliance):
            yield (
                ("measurements", i, "kind"),
                asked.kind,
                f"reliance attacks two views of the activity, but the second view shows the "
                f"stream {stream!r}; remove the measurement, or the stream",
            )
    able = ", ".join(sorted(one.model_fields["kind"].default for one in PAIR_STREAMS))
    for at, method in study.methods():
        if not isinstance(method, PAIR_STREAMS):
            yield (
                (*at, "kind"),
                method.kind,
                f"{method.kind} cannot pair the activity with the stream {stream!r}; methods that "
                f"can: {able}",
            )


def state_problems(study: Design) -> Iterator[Problem]:
    """Yield problems of a pairing across states, such as waking and sleep."""
    pairing, within = study.views.pairing, study.window.within
    if not isinstance(pairing, StatePairing):
        return
    place = ("views", "pairing")
    if within is None:
        unknown = (
            "pairs across states need `window: {within: {array: ..., values: [...]}}`, which "
            "lists the states in which windows have a target; add it"
        )
        yield (*place, "kind"), pairing.kind, unknown
    if study.window.length_s is not None or study.window.stride_bins > 1:
        every = (
            "pairs across states need a window at every bin; give window.length_bins, without "
            "stride_bins"
        )
        yield (*place, "kind"), pairing.kind, every
    for name, states in (("partners", pairing.partners), ("others", pairing.others)):
        labelled = set(states) & set(within.values if within else ())
        if labelled:
            yield (
                (*place, name),
                list(states),
                f"state {min(labelled)} is also one of window.within.values, but pairs across "
                "states need two different states; remove it from one of the two lists",
            )
    if pairing.share and STATE_SHARE not in [axis.path for axis in study.axes]:
        controls = (
            f"share is {pairing.share:g}, but pairs across states need control pairs to be "
            f"compared with, and only a sweep of the axis {STATE_SHARE!r} trains those; sweep it"
        )
        yield (*place, "share"), pairing.share, f"{controls}, or set share to 0"
    if pairing.gap_s < 3 * pairing.smoothing_s:
        near = (
            f"gap_s is {pairing.gap_s:g} s, but smoothing with an SD of {pairing.smoothing_s:g} s "
            "mixes bins that are less than 3 SDs apart; use a gap_s of at least "
            f"{3 * pairing.smoothing_s:g} s, or a smaller smoothing_s"
        )
        yield (*place, "gap_s"), pairing.gap_s, near
    for at, method in study.methods():
        if method.reads_target:
            yield (
                (*at, "kind"),
                method.kind,
                f"{method.kind} needs the target of both windows of a pair, but windows of other "
                "states have none; use another method",
            )
        if method.kind == "myow":
            yield (
                (*at, "kind"),
                method.kind,
                "myow searches partners of its own among all windows that it sees, also windows "
                "of sleep; use another method",
            )


def pool_problems(study: Design, place: PathInStudy, views: Views) -> Iterator[Problem]:
    """Yield why models cannot train on several sessions under these views.

    Parameters
    ----------
    study
        The study.
    place
        Place of the pool in the study: its own views, or a swept value.
    views
        The views; without a pool they have no problem.
    """
    if views.pool is None:
        return
    if study.window.within is not None:
        yield (
            place,
            views.pool,
            "with views.pool, windows of other sessions come from all states; remove "
            "window.within, or remove the pool",
        )
    by_activity = (
        isinstance(views.pairing, StatePairing) or getattr(views.pairing, "guide", True) is None
    )
    unguided = [views.pairing.kind] if by_activity else []
    stages = [*unguided, *(stage.kind for stage in views.corruptions if stage.kind in ACROSS_UNITS)]
    if stages:
        mixing = (
            f"{', '.join(stages)} compares or mixes units and windows as if all came from one "
            "session, so it cannot be used with views.pool; remove it, or remove the pool"
        )
        yield place, views.pool, mixing
    for _, method in study.methods():
        if method.kind in OF_ONE_SESSION:
            yield (
                place,
                views.pool,
                f"{method.kind} can only be trained on windows of one session; use another "
                "method, or remove the pool",
            )


def pools(study: Design) -> bool:
    """Whether models train on several sessions, under any setting of the study."""
    return study.views.pool is not None or any(sweep.path == POOL for sweep in study.sweeps)
