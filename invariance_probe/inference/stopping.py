"""When a hypothesis has enough seeds, and which runs are then not needed.

In: a plan and the results of its runs. Out: every hypothesis judged at the interim
analysis where it stops, and the runs that no hypothesis needs any more
(docs/adaptive.md). Sessions, doses and margins are never chosen here.

A study that declares no interim analyses is judged once, with all its seeds. Otherwise
every hypothesis is judged after the seeds of each analysis until its prediction is
settled. Only the runs of those seeds count, whatever else a store holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from invariance_probe.inference.entry import planted_findings, read_codes, session_findings
from invariance_probe.inference.evidence.estimands import read_losses, read_planted
from invariance_probe.inference.findings import HypothesisFinding, LookTaken, Standing
from invariance_probe.inference.hypotheses import wording
from invariance_probe.inference.hypotheses.code import SessionCode
from invariance_probe.inference.hypotheses.judgement import Judgement
from invariance_probe.inference.hypotheses.kinds import kind_of
from invariance_probe.inference.hypotheses.question import Evidence, Question
from invariance_probe.inference.rules.interim_analyses import ALPHA, Look, looks_of
from invariance_probe.inference.verdict import UNTESTABLE
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.study.hypotheses import AnyHypothesis
from invariance_probe.study.session import covers


@dataclass(frozen=True, eq=False)
class Stopped:
    """A hypothesis as it was judged at the interim analysis where it stopped.

    Attributes
    ----------
    judgement
        The hypothesis with everything that its word rests on.
    look
        The interim analysis; None where none are declared.
    settled
        Whether the prediction was settled there.
    """

    judgement: Judgement
    look: Look | None
    settled: bool

    @property
    def question(self) -> Question:
        """The hypothesis with the evidence at that analysis."""
        return self.judgement.question


def evidence_of(plan: Plan, results: Mapping[str, RunResult], standing: Standing) -> Evidence:
    """Gather what all hypotheses of a study draw on, with all seeds.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    standing
        Whether the study was registered, and how it departs from its registration.
    """
    sound = {name for name, finding in planted_findings(plan, results).items() if finding.decodable}
    planted = {
        name: losses for name, losses in read_planted(plan, results).items() if name in sound
    }
    codes = {name: SessionCode(figures) for name, figures in read_codes(plan, results).items()}
    return Evidence(
        plan,
        results,
        read_losses(plan, results),
        session_findings(plan, results),
        standing,
        codes,
        planted,
    )


def judge(question: Question) -> Judgement:
    """Judge one hypothesis on its evidence."""
    return kind_of(question).judge(question)


def stopped(evidence: Evidence, hypothesis: AnyHypothesis) -> Stopped:
    """Judge a hypothesis at successive interim analyses until it is settled.

    Where none are declared, it is judged once with all seeds.

    Parameters
    ----------
    evidence
        What all hypotheses of the study draw on, with all seeds.
    hypothesis
        The hypothesis to judge.
    """
    looks = looks_of(evidence.plan.study.training)
    if not looks:
        return Stopped(judge(Question(evidence, hypothesis)), None, False)
    for look in looks:
        judgement = judge(Question(evidence.after(look), hypothesis, look))
        enough = settled(judgement, len(evidence.plan.study.hypotheses))
        if enough or look.last:
            break
    return Stopped(judgement, look, enough)


def settled(judgement: Judgement, hypotheses: int) -> bool:
    """Whether a prediction is settled, so that more seeds are not needed.

    It is settled where it is supported or contradicted whatever Holm's correction turns
    out to be: alpha over the number of hypotheses is the smallest level that Holm's
    procedure can leave. A hypothesis that no session can test is settled from the
    start.

    Parameters
    ----------
    judgement
        The hypothesis as judged at one interim analysis.
    hypotheses
        Number of hypotheses of the study.
    """
    finding = judgement.finding(ALPHA / max(1, hypotheses))
    return finding.verdict.word == UNTESTABLE or finding.outcome != "open"


def taken_at(stop: Stopped, finding: HypothesisFinding) -> HypothesisFinding:
    """Add to a finding the interim analysis at which it was judged, if any.

    Parameters
    ----------
    stop
        The hypothesis as it was judged where it stopped.
    finding
        Its finding.
    """
    look = stop.look
    if look is None:
        return finding
    said = wording.at_look(look, stop.settled)
    return replace(
        finding,
        look=LookTaken(
            look.number, look.seeds, look.planned, look.spending, look.level, stop.settled, said
        ),
    )


def seen(evidence: Evidence, judged: Sequence[Stopped]) -> Evidence:
    """Reduce evidence to the runs that some hypothesis was judged on.

    Parameters
    ----------
    evidence
        The evidence with all seeds.
    judged
        Every hypothesis where it stopped.
    """
    if evidence.plan.study.training.adaptive is None:
        return evidence
    plan, seeds = evidence.plan, _seeds_by_place(evidence.plan, judged)
    unseen = _beyond(plan, seeds)
    return replace(
        evidence,
        reach=seeds,
        results={key: result for key, result in evidence.results.items() if key not in unseen},
    )


def beyond(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, str]:
    """Grid runs and examinations that no hypothesis needs, with the reason.

    They belong to seeds after the interim analysis where the hypotheses they serve
    stopped. As long as a hypothesis is not settled by the runs that exist, it needs all
    its seeds. Where no interim analyses are declared, every run is needed.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.

    Returns
    -------
    reasons
        Reason by run key.
    """
    if plan.study.training.adaptive is None:
        return {}
    whole = evidence_of(plan, results, Standing(None))
    seeds = _seeds_by_place(
        plan, [stopped(whole, hypothesis) for hypothesis in plan.study.hypotheses]
    )
    said = {
        count: f"every hypothesis that it serves was decided after {count} seeds"
        for count in seeds.values()
    }
    return {key: said[count] for key, count in _beyond(plan, seeds).items()}


def _seeds_by_place(plan: Plan, judged: Sequence[Stopped]) -> dict[tuple[str, str], int]:
    """Number of seeds that are needed per session and axis.

    It is the number at which the last hypothesis stopped, of those that the session and
    axis serve.
    """
    stops = {one.question.hypothesis.id: one.look.seeds for one in judged if one.look is not None}
    asked = {hypothesis.axis for hypothesis in plan.study.hypotheses}
    beside = {axis: {condition.axis for condition in plan.controls_beside(axis)} for axis in asked}
    places = {(run.session, run.axis) for run in plan.seeded.values()}
    sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
    found = {}
    for name, axis in sorted(places):
        about = [h for h in plan.study.hypotheses if covers(h, sessions[name])]
        # the identity, and axes that no hypothesis is about, serve every hypothesis; a control
        # serves the hypotheses on the axis that it stands beside
        serving = [
            h for h in about if axis in ("", h.axis) or axis not in asked or axis in beside[h.axis]
        ]
        found[name, axis] = max((stops[h.id] for h in serving), default=max(stops.values()))
    return found


def _beyond(plan: Plan, seeds: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Runs of seeds that are not needed, with the number of seeds that are."""
    needed = {key: seeds[run.session, run.axis] for key, run in plan.seeded.items()}
    return {key: count for key, count in needed.items() if plan.turn(plan.seeded[key]) >= count}
