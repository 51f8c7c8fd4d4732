"""Check pairings and pools of sessions against the rest of a study.

A pool is a set of sessions on which one model trains. In: a study. Out: each problem as
its place, the value there, and a sentence that says what is wrong and what to do.
"""

from collections.abc import Iterator

from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.design import Design
from invariance_probe.study.pairing import SHARE, MinedPairing
from invariance_probe.study.state_pairing import STATE_SHARE, StatePairing
from invariance_probe.study.views import POOL, Views

ACROSS_UNITS = (
    "cutmix",
    "waveform_drift",
    "unit_permutation",
    "worst_of_masks",
    "ascended_mask",
    "learned_mask",
    "adversarial_noise",
    "learned_policy",
)
"""Stages of views that compare or mix units or windows.

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
            f"mined pairs need their controls, which only the axis {SHARE!r} brings; sweep it, "
            "or leave the share at 0",
        )
    if isinstance(pairing, MinedPairing) and pairing.elsewhere and not pools(study):
        alone = (
            "models see one session only, so no other can offer partners; give views.pool, or "
            "leave `elsewhere` out"
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
            f"smoothing by {pairing.smoothing_s:g} s makes activity alike over 3 of its SDs, "
            f"whatever it codes; use at least {3 * pairing.smoothing_s:g} s, or smooth less",
        )


def state_problems(study: Design) -> Iterator[Problem]:
    """Yield problems of a pairing across states, such as waking and sleep."""
    pairing, within = study.views.pairing, study.window.within
    if not isinstance(pairing, StatePairing):
        return
    place = ("views", "pairing")
    if within is None:
        unknown = (
            "pairs across states need `window: {within: {array: ..., values: [...]}}`, "
            "which says in which states windows have a target"
        )
        yield (*place, "kind"), pairing.kind, unknown
    for name, states in (("partners", pairing.partners), ("others", pairing.others)):
        labelled = set(states) & set(within.values if within else ())
        if labelled:
            yield (
                (*place, name),
                list(states),
                f"state {min(labelled)} is one of window.within.values; it cannot be its own "
                "partner",
            )
    if pairing.share and STATE_SHARE not in [axis.path for axis in study.axes]:
        controls = (
            f"pairs across states need their controls, which only the axis {STATE_SHARE!r} "
            "brings; sweep it"
        )
        yield (*place, "share"), pairing.share, f"{controls}, or leave the share at 0"
    if pairing.gap_s < 3 * pairing.smoothing_s:
        near = (
            f"smoothing by {pairing.smoothing_s:g} s mixes bins that are closer than 3 of its "
            f"SDs; use at least {3 * pairing.smoothing_s:g} s"
        )
        yield (*place, "gap_s"), pairing.gap_s, near
    for at, method in study.methods():
        if method.reads_target:
            yield (
                (*at, "kind"),
                method.kind,
                "it reads the target of both windows, and windows of other states have none",
            )
        if method.kind == "myow":
            yield (
                (*at, "kind"),
                method.kind,
                "it mines its own partners among all windows that it sees, also those asleep; "
                "use another method",
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
            "windows of other sessions come from all states; leave out window.within or the pool",
        )
    by_activity = (
        isinstance(views.pairing, StatePairing) or getattr(views.pairing, "guide", True) is None
    )
    unguided = [views.pairing.kind] if by_activity else []
    stages = [*unguided, *(stage.kind for stage in views.corruptions if stage.kind in ACROSS_UNITS)]
    if stages:
        mixing = (
            f"{', '.join(stages)} compares or mixes units and windows as if all were of one "
            "session; leave it out, or the pool"
        )
        yield place, views.pool, mixing
    for _, method in study.methods():
        if method.kind in OF_ONE_SESSION:
            yield (
                place,
                views.pool,
                f"{method.kind} reads windows of one session; use another method, or leave the "
                "pool out",
            )


def pools(study: Design) -> bool:
    """Whether models train on several sessions, under any setting of the study."""
    return study.views.pool is not None or any(sweep.path == POOL for sweep in study.sweeps)
