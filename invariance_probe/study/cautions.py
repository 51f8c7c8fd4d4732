"""What a study is allowed to do and should not: said when it is validated, and at the head of its report."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from invariance_probe.study.nulls import ENOUGH_OTHERS, cuts_of
from invariance_probe.study.plan import Plan
from invariance_probe.study.study import Place


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
