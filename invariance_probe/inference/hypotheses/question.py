"""A hypothesis with its evidence: the samples that its claims are tested on.

In: the results of a study, read per session (`Evidence`). Out: samples of each estimand
for one hypothesis (`Question`), on which the judging files test claims. Nothing is
judged here.
"""

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
from invariance_probe.plan.recipes import PlannedPanel, judging, panel_of, use_of
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import a_third_of
from invariance_probe.study.hypotheses import AnyHypothesis, Hypothesis
from invariance_probe.study.session import covers, scope_of

CORRUPTION = ("C_code", "C_blind", "D", "H", "delta")
"""Estimands of a corruption: those of the code, then those of learning."""
CONTRASTS = {
    "mined.share": ("M_loc", "M_rand", "M_shift", "M_oracle"),
    "state.share": ("M_loc", "M_other", "M_shuffled", "M_permuted"),
}
"""Contrasts of distant pairs by their axis. M_oracle is printed beside a verdict and
enters none."""
ARMS = {
    "C_code": "none", "C_blind": "none", "H": "shared", "delta_paired": "paired", "T": "none",
    "M_loc": "mined", "M_rand": "mined", "M_shift": "mined",
    "A/A": "none", "M_oracle": "oracle", "M_other": "mined", "M_shuffled": "mined",
    "M_permuted": "mined",
}  # fmt: skip
"""The arm that an estimand is about; `independent` where it is not listed."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What all hypotheses of a study draw on."""

    plan: Plan
    results: Mapping[str, RunResult]
    losses: dict[str, SessionLosses]
    """Losses of every session by its name."""
    sessions: dict[str, SessionFinding]
    """What is known of every session without SSL, by its name."""
    standing: Standing
    codes: dict[str, SessionCode]
    """Figures of each measured code without SSL, of sessions and planted controls."""
    planted: dict[str, SessionLosses]
    """Losses of the planted controls that can be decoded."""
    look: Look | None = None
    """The interim analysis whose seeds this holds; None where it holds all seeds."""
    reach: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of seeds used, by session and axis, where not all were used. It serves
    descriptions only."""

    @property
    def seeds(self) -> int:
        """Number of seeds per session that are used."""
        return self.look.seeds if self.look else self.plan.study.training.seeds

    def after(self, look: Look) -> "Evidence":
        """The evidence at an interim analysis: nothing of any later seed."""
        beyond = {key for key, run in self.plan.seeded.items() if self.plan.turn(run) >= look.seeds}
        return replace(
            self,
            look=look,
            results={key: result for key, result in self.results.items() if key not in beyond},
            losses={name: losses.after(look.seeds) for name, losses in self.losses.items()},
            planted={name: losses.after(look.seeds) for name, losses in self.planted.items()},
        )

    def losses_on(self, session: str, axis: str) -> SessionLosses:
        """Losses of a session, with as many seeds as were used on an axis.

        Parameters
        ----------
        session
            Name of the session.
        axis
            The axis; empty for the identity dose.
        """
        seeds = self.reach.get((session, axis))
        return self.losses[session] if seeds is None else self.losses[session].after(seeds)


@dataclass(frozen=True, eq=False)
class Question:
    """One hypothesis with the evidence about it.

    Attributes
    ----------
    evidence
        What all hypotheses of the study draw on.
    hypothesis
        The hypothesis.
    judged_at
        The interim analysis at whose levels claims are tested; None where there is only
        one analysis.
    """

    evidence: Evidence
    hypothesis: AnyHypothesis
    judged_at: Look | None = None

    @property
    def plan(self) -> Plan:
        """The study's plan."""
        return self.evidence.plan

    @property
    def single(self) -> "Question":
        """The same question, judged as if this were the only analysis.

        It serves checks that can only take a verdict away.
        """
        return replace(self, judged_at=None)

    @property
    def margin(self) -> float:
        """The smallest effect that matters, in units of the range."""
        return self.hypothesis.margin.fraction_of_range

    @property
    def jitter(self) -> bool:
        """Whether the hypothesis is about temporal jitter of the pairs."""
        return self.plan.study.is_jitter(self.hypothesis.axis)

    @property
    def about_units(self) -> bool:
        """Whether it is about how many units carry the target, not about learning."""
        return isinstance(self.hypothesis, Hypothesis) and self.hypothesis.about_units

    @cached_property
    def panel(self) -> PlannedPanel:
        """The recipes that may judge it, licensed for the sessions that are left."""
        assert isinstance(self.hypothesis, Hypothesis)
        plan = self.plan
        sessions = len(self.names) or len(self.covered)
        panel = panel_of(plan.study, plan.settings[0], self.hypothesis, sessions)
        return judging(panel, use_of(plan.study, self.hypothesis, sessions))

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
        """Names of the covered sessions that can be decoded."""
        return [finding.session for finding in self.covered if finding.decodable]

    @property
    def losses(self) -> list[SessionLosses]:
        """Losses of the decodable sessions."""
        return [self.evidence.losses[name] for name in self.names]

    @property
    def scope(self) -> str:
        """What the claims are about, such as `population of sessions`."""
        return scope_of(self.subjects)

    @property
    def status(self) -> str:
        """Whether the hypothesis counts as `confirmatory` or `exploratory`.

        It is confirmatory only if it is judged as it was registered, and with every
        gate.
        """
        if self.hypothesis.experimental:
            return "exploratory"
        registered = (
            self.evidence.standing.confirms(self.hypothesis.id) and not self.plan.study.quick
        )
        return self.hypothesis.role if registered else "exploratory"

    @cached_property
    def code(self) -> Code | None:
        """The code at the primary dose.

        None for a jitter or a contrast, and where the code was not measured.
        """
        return None if self.jitter else self.code_of(self.names)

    def code_of(self, sessions: Sequence[str], plant: str = "") -> Code | None:
        """The code of sessions, or of planted controls in them, at the primary dose.

        Parameters
        ----------
        sessions
            Names of sessions.
        plant
            Suffix of the planted controls; empty for the sessions themselves.

        Returns
        -------
        Code or None
            None where the code of one of them was not measured.
        """
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
        """Subject of every decodable session."""
        return tuple(self.evidence.sessions[name].subject for name in self.names)

    @property
    def doses(self) -> list[float]:
        """Every swept dose except the identity, ascending."""
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
        """Collect an estimand over the decodable sessions.

        Parameters
        ----------
        estimand
            Name of the estimand.
        dose
            Dose on the axis; None for the primary dose.
        setting
            Label of a swept setting or recipe; empty for the study's own.
        fraction
            Fraction of the training windows, in (0, 1].
        axis
            The axis; None for the hypothesis's own.
        """
        at_dose, path = self.hypothesis.dose if dose is None else dose, axis or self.hypothesis.axis
        if estimand in CODE:
            return self.code.sample(estimand, at_dose) if self.code else Sample((), ())
        return self.over(
            [losses.effect(estimand, path, at_dose, fraction, setting) for losses in self.losses]
        )

    def samples(self, dose: float | None = None) -> dict[str, Sample]:
        """Samples of every estimand of the declared recipe at a dose.

        For a jitter, delta at a third of the data is included at the primary dose only.

        Parameters
        ----------
        dose
            Dose on the hypothesis's axis; None for the primary dose.
        """
        if not self.jitter:
            return {name: self.sample(name, dose) for name in CORRUPTION}
        samples = {"delta": self.sample("delta", dose)}
        if dose is None or dose == self.hypothesis.dose:
            third = a_third_of(self.plan.settings[0])
            samples["delta(n/3)"] = self.sample("delta", None, third.label, third.fraction)
        return samples

    def noise(self) -> Sample:
        """A/A contrast: dose 0 with other seeds minus dose 0."""
        return self.over([losses.noise() for losses in self.losses])

    def change(self, estimand: str, setting: str, fraction: float = 1.0) -> Sample:
        """Change of an estimand at the primary dose under another setting.

        It is the estimand under that setting minus the estimand under the study's own:
        their interaction.

        Parameters
        ----------
        estimand
            Name of the estimand.
        setting
            Label of the other setting.
        fraction
            Fraction of the training windows under the other setting, in (0, 1].
        """

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
        """Build the row of a report for a sample.

        Parameters
        ----------
        name
            Name of the estimand.
        sample
            Its sample.
        dose
            The dose it was taken at.
        """
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
        """Build a sample from one effect per decodable session, ordered as `names`."""
        return Sample(tuple(effects), self.subjects, self.judged_at)
