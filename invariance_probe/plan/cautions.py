"""Cautions: choices of a study that are allowed but unwise.

In: a plan. Out: each caution with its place in the study file. Cautions are shown when
a study is validated, and at the head of its report. Nothing is refused here.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import without_licence
from invariance_probe.study.counting import counted
from invariance_probe.study.declaration import Problem
from invariance_probe.study.hypotheses import Contrast, Hypothesis
from invariance_probe.study.methods import TrainedMethod
from invariance_probe.study.nulls import ENOUGH_OTHERS, cuts_of
from invariance_probe.study.pairing import SHARE
from invariance_probe.study.session import THESE_RECORDINGS, Session, scope_of
from invariance_probe.study.transforms import OwnTransform

LANES = 8
"""Layer widths that are multiples of this let runs be repeated bit for bit.

In single precision on a CPU, the numbers of such a run do not depend on the runs that
are trained together with it."""
_WIDTHS = {
    "widths", "channels", "width", "dimensions", "projector", "predictor", "mined_projector",
    "mined_predictor", "decoder", "context_width", "head",
}  # fmt: skip
"""Names of those settings of a method that are layer widths."""


def cautions(plan: Plan) -> Iterator[Problem]:
    """Yield every caution about a study.

    Yields
    ------
    caution
        Its place in the study, the value that is its cause, and the caution in words.
    """
    study = plan.study
    if study.folds.scheme == "shuffled":
        yield (
            ("folds", "scheme"),
            study.folds.scheme,
            "windows are assigned to folds one by one at random, so training windows lie around "
            "every test window. A decoder can then read the time instead of the code, and what "
            "is decoded need not be in the code. For any claim, use 'trials' or 'blocks' with an "
            "embargo",
        )
    if study.null.kind == "other_sessions":
        sizes = Counter(session.group for session in plan.sessions)
        fewest = min(sizes.values()) - 1
        if fewest < ENOUGH_OTHERS:
            cuts = cuts_of(fewest)
            yield (
                ("null", "kind"),
                study.null.kind,
                f"{fewest} other sessions are too few to reach a rank p value of .05 "
                f"({ENOUGH_OTHERS} are needed). Each of them is therefore cut at {cuts} shifted "
                f"places, which makes {cuts * fewest} draws; cuts of one session are alike, so p "
                "is only approximate",
            )
    if plan.not_native:
        yield ("training", "kernels"), study.training.kernels, plan.not_native
    own = [one for one in study.views.transforms if isinstance(one, OwnTransform)]
    if own and study.training.kernels == "native":
        yield (
            ("training", "kernels"),
            study.training.kernels,
            f"the native kernels do not know the user-defined augmentation {own[0].title}, so "
            "torch draws it; all else is computed by the kernels",
        )
    for session in plan.sessions:
        yield from session.cautions
    yield from _verdicts_out_of_reach(plan)
    odd = sorted(set(_odd_widths(study.method.model_dump())))
    if (
        odd
        and study.training.precision != "float64"
        and study.training.kernels != "native"
        and isinstance(study.method, TrainedMethod)
    ):
        yield (
            ("method",),
            ", ".join(map(str, odd)),
            f"{', '.join(map(str, odd))}: layer widths that are not multiples of {LANES}. With "
            "such widths, the last bits of a model's numbers depend on which models are trained "
            "together with it, so runs can be repeated closely but not bit for bit. For exact "
            f"repetition, use multiples of {LANES}, training.precision float64, or "
            "training.kernels native",
        )


def _verdicts_out_of_reach(plan: Plan) -> Iterator[Problem]:
    """Yield hypotheses that can get no verdict, or not the predicted one."""
    for i, hypothesis in enumerate(plan.study.hypotheses):
        sessions = plan.covered(hypothesis)
        if not sessions:
            yield (
                ("hypotheses", i),
                hypothesis.id,
                f"{hypothesis.id} can get no verdict, because no recording counts for it. A "
                "confirmatory hypothesis needs a recording that is not a pilot; add one, or use "
                "role 'exploratory'",
            )
            continue
        if isinstance(hypothesis, Contrast):
            yield from _benefits_out_of_reach(i, hypothesis, sessions)
        elif not isinstance(hypothesis, Hypothesis) or hypothesis.about_units:
            continue
        own = plan.settings[0]
        if reasons := without_licence(plan.study, own, hypothesis, len(sessions)):
            stands = (
                "; the finding about the code needs no training and is not affected"
                if plan.study.corrupts(hypothesis.axis)
                else ""
            )
            yield (
                ("hypotheses", i),
                hypothesis.id,
                f"{hypothesis.id} can get no verdict, only estimates, because "
                f"{'; '.join(reasons)}{stands}. For a verdict, use a licensed method with "
                "licensed settings",
            )


def _benefits_out_of_reach(
    i: int, hypothesis: Contrast, sessions: Sequence[Session]
) -> Iterator[Problem]:
    """Yield a contrast of mined pairs with too few sessions to show a benefit."""
    scope = scope_of([session.subject for session in sessions])
    if hypothesis.axis == SHARE and scope == THESE_RECORDINGS:
        yield (
            ("hypotheses", i),
            hypothesis.id,
            f"{hypothesis.id} cannot be supported: a benefit can be shown only with four sessions "
            "of one subject, or with four subjects, but the hypothesis has "
            f"{counted(len(sessions), 'session')}. Add recordings",
        )


def _odd_widths(settings: dict[str, Any]) -> Iterator[int]:
    """Yield the layer widths of a method that are not multiples of `LANES`.

    The settings of a user-defined method may have anything under such a name.
    """
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _odd_widths(value)
        elif name in _WIDTHS:
            yield from (
                width
                for width in (value if isinstance(value, tuple | list) else (value,))
                if isinstance(width, int) and width % LANES
            )
