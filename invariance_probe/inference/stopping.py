"""When a hypothesis has seen enough seeds, and which runs are then not needed (docs/adaptive.md).

A study that declares no looks is judged once, at all its seeds. With looks,
every hypothesis is judged after the seeds of each look, on
the runs of those seeds alone,
until its prediction is settled; what else a store holds does not matter. Sessions,
doses and margins
are never chosen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from invariance_probe.inference.entry import planted_findings, read_codes, session_findings
from invariance_probe.inference.evidence.estimands import read_losses, read_planted
from invariance_probe.inference.findings import HypothesisFinding, LookTaken, Standing
from invariance_probe.inference.hypotheses import wording
from invariance_probe.inference.hypotheses.code import SessionCode
from invariance_probe.inference.hypotheses.contrast.judging import judge_contrast
from invariance_probe.inference.hypotheses.dose.judging import Judgement, judge_dose
from invariance_probe.inference.hypotheses.question import Evidence, Question
from invariance_probe.inference.rules.interim_analyses import ALPHA, Look, looks_of
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast
from invariance_probe.study.session import covers


@dataclass(frozen=True, eq=False)
class Stopped:
    """A hypothesis as it was judged at the look where it stopped."""

    judgement: Judgement
    look: Look | None
    """None where no looks are declared."""
    settled: bool

    @property
    def question(self) -> Question:
        """The hypothesis in the evidence of that look."""
        return self.judgement.question


def evidence_of(plan: Plan, results: Mapping[str, RunResult], standing: Standing) -> Evidence:
    """Return what all hypotheses of a study draw on, with all seeds."""
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
    """Judge a hypothesis on the evidence of a question."""
    return (
        judge_contrast(question)
        if isinstance(question.hypothesis, Contrast)
        else judge_dose(question)
    )


def stopped(evidence: Evidence, hypothesis: AnyHypothesis) -> Stopped:
    """Judge a hypothesis at one look after the other until it is settled; at all seeds where no looks are declared."""
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
    """Say whether more seeds are not needed: its prediction is supported or contradicted whatever Holm's correction.

    A level of alpha over the number of hypotheses is the least that Holm's procedure can leave. A
    hypothesis that no session can test is settled from the start.
    """
    finding = judgement.finding(ALPHA / max(1, hypotheses))
    return finding.verdict.startswith("untestable") or finding.outcome != "open"


def taken_at(stop: Stopped, finding: HypothesisFinding) -> HypothesisFinding:
    """Return a finding with the look at which it was judged, where there are several."""
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
    """Return what was looked at for any of the hypotheses, and nothing beyond."""
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
    """Return the grid runs and examinations that no hypothesis needs, with the reason: they belong to seeds after the look where it stops.

    As long as a hypothesis is not settled by the runs that are there,
    it needs all its seeds. Without looks nothing is beyond.
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
    """Return how many seeds are needed in every session on every axis: as many as the last to stop of the hypotheses that it serves."""
    stops = {one.question.hypothesis.id: one.look.seeds for one in judged if one.look is not None}
    asked = {hypothesis.axis for hypothesis in plan.study.hypotheses}
    beside = {axis: {condition.axis for condition in plan.controls_beside(axis)} for axis in asked}
    places = {(run.session, run.axis) for run in plan.seeded.values()}
    sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
    found = {}
    for name, axis in sorted(places):
        about = [h for h in plan.study.hypotheses if covers(h, sessions[name])]
        serving = [
            h for h in about if axis in ("", h.axis) or axis not in asked or axis in beside[h.axis]
        ]
        found[name, axis] = max((stops[h.id] for h in serving), default=max(stops.values()))
    return found


def _beyond(plan: Plan, seeds: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return the runs whose seed comes after those that their session and axis need, with how many it needs."""
    needed = {key: seeds[run.session, run.axis] for key, run in plan.seeded.items()}
    return {key: count for key, count in needed.items() if plan.turn(plan.seeded[key]) >= count}
