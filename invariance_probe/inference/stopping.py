"""Adaptive seeds: train no more seeds once a hypothesis is decided.

A study may declare interim analyses (docs/adaptive.md), each of which uses a planned
number of training seeds per session. Every hypothesis is then judged at one analysis
after the other until its prediction is settled. A study without interim analyses is
judged once, with all its seeds.

In: a plan and the results of its runs. Out: every hypothesis, judged at the analysis at
which it stops, and the runs that no hypothesis needs any more. Runs of later seeds are
not read, even if they are stored. Sessions, doses and margins are never chosen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from invariance_probe.inference.entry import planted_findings, read_codes, session_findings
from invariance_probe.inference.evidence.estimands import read_losses, read_planted
from invariance_probe.inference.findings import HypothesisFinding, LookTaken, Standing
from invariance_probe.inference.hypotheses import wording
from invariance_probe.inference.hypotheses.code import SessionCode
from invariance_probe.inference.hypotheses.evidence import Evidence, HypothesisEvidence
from invariance_probe.inference.hypotheses.judgement import Judgement
from invariance_probe.inference.hypotheses.kinds import kind_of
from invariance_probe.inference.rules.interim_analyses import ALPHA, InterimAnalysis, looks_of
from invariance_probe.inference.verdict import UNTESTABLE
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.study.hypotheses import AnyHypothesis
from invariance_probe.study.session import covers


@dataclass(frozen=True, eq=False)
class Stopped:
    """One hypothesis, judged at the interim analysis at which it stopped.

    Attributes
    ----------
    judgement
        The hypothesis with the p values and everything else that its verdict is read
        from.
    look
        The interim analysis at which it stopped; None if the study declares none.
    settled
        Whether its prediction was settled there, as `settled` defines it.
    """

    judgement: Judgement
    look: InterimAnalysis | None
    settled: bool

    @property
    def evidence(self) -> HypothesisEvidence:
        """The hypothesis, with the evidence that this analysis used."""
        return self.judgement.evidence


def evidence_of(plan: Plan, results: Mapping[str, RunResult], standing: Standing) -> Evidence:
    """Collect what all hypotheses of a study are judged on, from all seeds.

    Planted controls (sessions with a target computed from their own activity, so that
    the right verdict is known) are included only if this target can be decoded.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
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


def judge(evidence: HypothesisEvidence) -> Judgement:
    """Judge one hypothesis on its evidence, by the rules of its kind.

    The judgement holds the p values. It gives the finding at any significance level.
    """
    return kind_of(evidence).judge(evidence)


def stopped(evidence: Evidence, hypothesis: AnyHypothesis) -> Stopped:
    """Judge a hypothesis at successive interim analyses until it is settled.

    If the study declares no interim analyses, the hypothesis is judged once with all
    seeds.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on, from all seeds.
    hypothesis
        The hypothesis to judge.
    """
    looks = looks_of(evidence.plan.study.training)
    if not looks:
        return Stopped(judge(HypothesisEvidence(evidence, hypothesis)), None, False)
    for look in looks:
        judgement = judge(HypothesisEvidence(evidence.after(look), hypothesis, look))
        enough = settled(judgement, len(evidence.plan.study.hypotheses))
        if enough or look.last:
            break
    return Stopped(judgement, look, enough)


def settled(judgement: Judgement, hypotheses: int) -> bool:
    """Whether a prediction is settled, so that it needs no more seeds.

    It is settled once it is supported or contradicted at alpha divided by the number of
    hypotheses. Holm's procedure assigns no lower level than this, so the answer holds
    whatever the other hypotheses show. A hypothesis that no session can test is settled
    from the start.

    Parameters
    ----------
    judgement
        The hypothesis, judged at one interim analysis.
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
        The hypothesis, judged at the analysis at which it stopped.
    finding
        Its finding, without the analysis.
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


def restrict_to_judged(evidence: Evidence, judged: Sequence[Stopped]) -> Evidence:
    """Keep only the runs that at least one hypothesis was judged on.

    If the study declares no interim analyses, the evidence is returned unchanged.

    Parameters
    ----------
    evidence
        The evidence from all seeds.
    judged
        Every hypothesis, judged at the analysis at which it stopped.
    """
    if evidence.plan.study.training.adaptive is None:
        return evidence
    plan, seeds = evidence.plan, _seeds_by_place(evidence.plan, judged)
    unseen = _runs_beyond(plan, seeds)
    return replace(
        evidence,
        reach=seeds,
        results={key: result for key, result in evidence.results.items() if key not in unseen},
    )


def unneeded_runs(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, str]:
    """Find the SSL runs that no hypothesis needs any more.

    These are runs that train, and examinations of trained encoders, whose seed is later
    than the interim analyses at which the hypotheses that read them stopped. A
    hypothesis that the existing runs do not settle needs all its seeds. Without interim
    analyses, every run is needed and the result is empty.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    reasons
        Why each of these runs is not needed, in words, by `Run.key()`.
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
    return {key: said[count] for key, count in _runs_beyond(plan, seeds).items()}


def _seeds_by_place(plan: Plan, judged: Sequence[Stopped]) -> dict[tuple[str, str], int]:
    """Return the number of seeds that are needed for each session and axis.

    Each hypothesis stops at some number of seeds. The largest of these numbers counts,
    among the hypotheses that use this session and axis.
    """
    stops = {one.evidence.hypothesis.id: one.look.seeds for one in judged if one.look is not None}
    asked = {hypothesis.axis for hypothesis in plan.study.hypotheses}
    beside = {axis: {condition.axis for condition in plan.controls_beside(axis)} for axis in asked}
    places = {(run.session, run.axis) for run in plan.seeded.values()}
    sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
    found = {}
    for name, axis in sorted(places):
        about = [h for h in plan.study.hypotheses if covers(h, sessions[name])]
        # every hypothesis reads runs at dose 0 (their axis is empty) and on axes that no
        # hypothesis is about; a specificity control is read by the hypotheses on its axis
        serving = [
            h for h in about if axis in ("", h.axis) or axis not in asked or axis in beside[h.axis]
        ]
        found[name, axis] = max((stops[h.id] for h in serving), default=max(stops.values()))
    return found


def _runs_beyond(plan: Plan, seeds: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Find the runs whose seed is not needed.

    The values say how many seeds are needed instead, by `Run.key()`.
    """
    needed = {key: seeds[run.session, run.axis] for key, run in plan.seeded.items()}
    return {
        key: count for key, count in needed.items() if plan.seed_position(plan.seeded[key]) >= count
    }
