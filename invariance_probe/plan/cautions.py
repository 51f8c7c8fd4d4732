"""What a study is allowed to do and should not: said when it is validated, and at the head of its report."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from invariance_probe.plan.plan import Plan
from invariance_probe.study.declaration import Place
from invariance_probe.study.methods import TrainedMethod
from invariance_probe.study.nulls import ENOUGH_OTHERS, cuts_of

LANES = 8
"""Widths that are multiples of this give a run the same numbers to the last bit whatever is stacked with it, in single precision on a CPU."""
_WIDTHS = {
    "widths", "channels", "width", "dimensions", "projector", "predictor", "mined_projector", "mined_predictor", "decoder",
    "context_width", "head",
}  # fmt: skip


def cautions(plan: Plan) -> Iterator[tuple[Place, Any, str]]:
    """Yield every caution with its place in the study and the value that gives rise to it."""
    study = plan.study
    if study.folds.scheme == "shuffled":
        yield (
            ("folds", "scheme"),
            study.folds.scheme,
            "windows are dealt to folds one by one at random, so every test window stands among training windows and a decoder can "
            "read the time: what is decoded need not be in the code. Use 'trials' or 'blocks' with an embargo for any claim",
        )
    if study.null.kind == "other_sessions":
        sizes = Counter(session.group for session in plan.sessions)
        fewest = min(sizes.values()) - 1
        if fewest < ENOUGH_OTHERS:
            cuts = cuts_of(fewest)
            yield (
                ("null", "kind"),
                study.null.kind,
                f"{fewest} other sessions are too few for a rank p value of .05 ({ENOUGH_OTHERS} are needed): {cuts} shifted cuts of each "
                f"are drawn, {cuts * fewest} draws in all; cuts of one session are alike, so p is approximate",
            )
    for session in plan.sessions:
        yield from session.cautions
    odd = sorted(set(_odd_widths(study.method.model_dump())))
    if (
        odd
        and study.training.precision != "float64"
        and study.training.kernels == "torch"
        and isinstance(study.method, TrainedMethod)
    ):
        yield (
            ("method",),
            ", ".join(map(str, odd)),
            f"widths that are no multiples of {LANES}: matrix products then round a model's last bits by what is stacked with it, so that runs "
            "are repeated closely but not to the bit; use multiples, training.precision float64, or training.kernels native",
        )


def _odd_widths(settings: dict[str, Any]) -> Iterator[int]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _odd_widths(value)
        elif name in _WIDTHS:
            yield from (
                width
                for width in (value if isinstance(value, tuple) else (value,))
                if width % LANES
            )
