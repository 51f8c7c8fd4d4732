"""A hypothesis with the evidence that bears on it: the samples that its claims are tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from invariance_probe.inference.evidence.estimands import Effect, SessionLosses
from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.findings import Estimand, Standing
from invariance_probe.inference.hypotheses.code import CODE, Code, SessionCode
from invariance_probe.inference.rules.interim_analyses import Look
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import PlannedPanel, panel_of
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import a_third_of
from invariance_probe.study.hypotheses import AnyHypothesis, Contrast, Hypothesis
from invariance_probe.study.session import covers, scope_of

CORRUPTION = ("C_code", "C_blind", "D", "H", "delta")
"""The estimands of a corruption: of the code, then of learning."""
CONTRASTS = {
    "mined.share": ("M_loc", "M_rand", "M_shift", "M_oracle"),
    "state.share": ("M_loc", "M_other", "M_shuffled", "M_permuted"),
}
"""The contrasts of distant pairs, by their axis; M_oracle stands beside a verdict."""
ARMS = {
    "C_code": "none", "C_blind": "none", "H": "shared", "delta_paired": "paired", "T": "none",
    "M_loc": "mined", "M_rand": "mined", "M_shift": "mined",
    "A/A": "none", "M_oracle": "oracle", "M_other": "mined", "M_shuffled": "mined", "M_permuted": "mined",
}  # fmt: skip
"""The arm that an estimand is about; `independent` where none stands here."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What all hypotheses of a study draw on."""

    plan: Plan
    results: Mapping[str, RunResult]
    losses: dict[str, SessionLosses]
    sessions: dict[str, SessionFinding]
    standing: Standing
    codes: dict[str, SessionCode]
    """What is known of each code without SSL, of sessions and of planted controls."""
    planted: dict[str, SessionLosses]
    """Planted controls that can be decoded."""
    look: Look | None = None
    """At which of several looks at the seeds it stands; None where there is one look, at all seeds."""
    reach: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Seeds that were looked at, by session and axis, where that was not all of them; for what is described."""

    @property
    def seeds(self) -> int:
        """How many seeds of every session are looked at."""
        return self.look.seeds if self.look else self.plan.study.training.seeds

    def after(self, look: Look) -> "Evidence":
        """Return what there is at a look: nothing of any later seed."""
        beyond = {key for key, run in self.plan.seeded.items() if self.plan.turn(run) >= look.seeds}
        return replace(
            self,
            look=look,
            results={key: result for key, result in self.results.items() if key not in beyond},
            losses={name: losses.after(look.seeds) for name, losses in self.losses.items()},
            planted={name: losses.after(look.seeds) for name, losses in self.planted.items()},
        )

    def losses_on(self, session: str, axis: str) -> SessionLosses:
        """Return the losses of a session with as many seeds as were looked at on an axis; `axis` is empty at the identity dose."""
        seeds = self.reach.get((session, axis))
        return self.losses[session] if seeds is None else self.losses[session].after(seeds)


@dataclass(frozen=True, eq=False)
class Question:
    """One hypothesis in its evidence."""

    evidence: Evidence
    hypothesis: AnyHypothesis
    judged_at: Look | None = None
    """The look whose levels the claims are judged at."""

    @property
    def plan(self) -> Plan:
        """The study's plan."""
        return self.evidence.plan

    @property
    def single(self) -> "Question":
        """The same, with every sample judged as if this were the only look: for what may only take a verdict away."""
        return replace(self, judged_at=None)

    @property
    def margin(self) -> float:
        """The largest loss that would not matter, in units of the range."""
        return self.hypothesis.margin.fraction_of_range

    @property
    def jitter(self) -> bool:
        """Whether the hypothesis is about the pairing in time."""
        return self.plan.study.is_jitter(self.hypothesis.axis)

    @cached_property
    def panel(self) -> PlannedPanel:
        """The recipes that may judge it, licensed for the sessions that are left."""
        assert isinstance(self.hypothesis, Hypothesis)
        plan = self.plan
        sessions = len(self.names) or len(self.covered)
        return panel_of(plan.study, plan.settings[0], self.hypothesis, sessions)

    @cached_property
    def covered(self) -> list[SessionFinding]:
        """The sessions that the hypothesis is about."""
        return [
            self.evidence.sessions[session.name]
            for session in self.plan.sessions
            if covers(self.hypothesis, session)
        ]

    @cached_property
    def names(self) -> list[str]:
        """Those of them that can be decoded."""
        return [finding.session for finding in self.covered if finding.decodable]

    @property
    def losses(self) -> list[SessionLosses]:
        """The losses of the decodable sessions."""
        return [self.evidence.losses[name] for name in self.names]

    @property
    def scope(self) -> str:
        """What its claims are about, such as `population of sessions`."""
        return scope_of(self.subjects)

    @property
    def status(self) -> str:
        """How the hypothesis counts: confirmatory only as it was registered, and with every gate."""
        if isinstance(self.hypothesis, Contrast) and self.hypothesis.experimental:
            return "exploratory"
        registered = (
            self.evidence.standing.confirms(self.hypothesis.id) and not self.plan.study.quick
        )
        return self.hypothesis.role if registered else "exploratory"

    @cached_property
    def code(self) -> Code | None:
        """The code at the primary dose; None for a jitter or a contrast, and where it was not measured."""
        return None if self.jitter else self.code_of(self.names)

    def code_of(self, sessions: Sequence[str], plant: str = "") -> Code | None:
        """Return the code of sessions at the primary dose, or of what is planted in them; None where one was not measured."""
        hypothesis, codes = self.hypothesis, self.evidence.codes
        found = [codes[name] for session in sessions if (name := f"{session}{plant}") in codes]
        if not isinstance(hypothesis, Hypothesis) or not found or len(found) < len(sessions):
            return None
        subjects = tuple(self.evidence.sessions[session].subject for session in sessions)
        return Code(
            tuple(found), subjects, hypothesis.axis, hypothesis.dose, self.margin, hypothesis.share
        )

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subject of every decodable session."""
        return tuple(self.evidence.sessions[name].subject for name in self.names)

    @property
    def doses(self) -> list[float]:
        """Every swept dose but the identity, ascending."""
        study = self.plan.study
        return sorted(study.doses_of(self.hypothesis.axis))

    def sample(
        self,
        estimand: str,
        dose: float | None = None,
        setting: str = "",
        fraction: float = 1.0,
        axis: str | None = None,
    ) -> Sample:
        """Return an estimand in every session, on the hypothesis's axis at its primary dose unless others are given."""
        at_dose, path = self.hypothesis.dose if dose is None else dose, axis or self.hypothesis.axis
        if estimand in CODE:
            return self.code.sample(estimand, at_dose) if self.code else Sample((), ())
        return self.over(
            [losses.effect(estimand, path, at_dose, fraction, setting) for losses in self.losses]
        )

    def samples(self, dose: float | None = None) -> dict[str, Sample]:
        """Return the estimands of the declared recipe at a dose; those at a third of the data at the primary one only."""
        if not self.jitter:
            return {name: self.sample(name, dose) for name in CORRUPTION}
        samples = {"delta": self.sample("delta", dose)}
        if dose is None or dose == self.hypothesis.dose:
            third = a_third_of(self.plan.settings[0])
            samples["delta(n/3)"] = self.sample("delta", None, third.label, third.fraction)
        return samples

    def noise(self) -> Sample:
        """Return the A/A contrast: dose 0 with other seeds minus dose 0."""
        return self.over([losses.noise() for losses in self.losses])

    def change(self, estimand: str, setting: str, fraction: float = 1.0) -> Sample:
        """Return by how much an estimand at the primary dose changes under another setting: for two doses, their interaction."""

        def difference(losses: SessionLosses) -> Effect:
            own = losses.effect(estimand, self.hypothesis.axis, self.hypothesis.dose)
            other = losses.effect(
                estimand, self.hypothesis.axis, self.hypothesis.dose, fraction, setting
            )
            values = (
                other.values - own.values
                if other.values.shape == own.values.shape
                else other.values[:0]
            )
            return Effect(values, own.range)

        return self.over([difference(losses) for losses in self.losses])

    def estimand(self, name: str, sample: Sample, dose: float) -> Estimand:
        """Return what a report says of a sample at a dose."""
        low, high = sample.interval()
        seeds = max(effect.values.shape[0] for effect in sample.effects)
        arm, axis = ARMS.get(name, "independent"), self.hypothesis.axis
        return Estimand(
            name,
            axis,
            dose,
            arm,
            sample.estimate,
            low,
            high,
            high,
            sample.skew(),
            len(sample.effects),
            seeds,
        )

    def over(self, effects: Sequence[Effect]) -> Sample:
        """Return one effect a decodable session, in the order of `names`, as a sample."""
        return Sample(tuple(effects), self.subjects, self.judged_at)
