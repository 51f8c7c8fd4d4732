"""A hypothesis with its evidence: the samples on which its claims are tested.

In: the results of a study, arranged by session (`Evidence`). Out: for one hypothesis
(`HypothesisEvidence`) a sample of each estimand, which holds one effect per session. The files
`licensed_panel.py` test claims on these samples. Nothing is judged here.

The primary dose is the dose that the hypothesis names. A planted control is a session
whose target is replaced by an artificial one, for which the right answer is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from invariance_probe.inference.evidence.estimands import Effect, SessionLosses
from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.findings import Estimand, Standing
from invariance_probe.inference.hypotheses.code import CODE, Code, SessionCode
from invariance_probe.inference.rules.interim_analyses import InterimAnalysis
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import PlannedPanel, licensed_panel, panel_of, use_of
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import a_third_of
from invariance_probe.study.hypotheses import AnyHypothesis, Hypothesis
from invariance_probe.study.session import covers, scope_of

CORRUPTION = ("C_code", "C_blind", "D", "H", "delta")
"""Estimands of a hypothesis about a corruption.

The first two are about the code and need no SSL. `C_code` is what decoding loses when
the decoder is refitted on the inputs that survive, and `C_blind` what it loses when the
decoder cannot see the corruption, both in units of the decoder's own range R_code. The
others are about learning, in units of the range R. `delta` is the excess loss after
training with independent draws of the corruption, `H` that after training with one draw
shared by all windows of a step, and D = delta - H.
"""
CONTRASTS = {
    "mined.share": ("M_loc", "M_rand", "M_shift", "M_oracle"),
    "state.share": ("M_loc", "M_other", "M_shuffled", "M_permuted"),
}
"""Estimands of a contrast, by the axis of the contrast.

Each compares training on mined distant pairs with training on the pairs of one control,
and is above 0 where the mined pairs give the smaller loss. The exception is `M_oracle`,
which compares pairs chosen by the target itself with local pairs. It is reported beside
a verdict and has no influence on it.
"""
ARMS = {
    "C_code": "none", "C_blind": "none", "H": "shared", "delta_paired": "paired", "T": "none",
    "M_loc": "mined", "M_rand": "mined", "M_shift": "mined",
    "A/A": "none", "M_oracle": "oracle", "M_other": "mined", "M_shuffled": "mined",
    "M_permuted": "mined",
}  # fmt: skip
"""The training arm that is reported for each estimand.

An arm says how draws of a corruption are shared, or where distant pairs come from.
Estimands that are not listed belong to the arm `independent`.
"""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Results of a study, from which all its hypotheses are judged."""

    plan: Plan
    results: Mapping[str, RunResult]
    """Result of each run that was made, by run key."""
    losses: dict[str, SessionLosses]
    """Decoding losses of every session, by session name."""
    sessions: dict[str, SessionFinding]
    """What decoders without SSL show about every session, by session name."""
    standing: Standing
    """Whether the study was registered, and how it departs from its registration."""
    codes: dict[str, SessionCode]
    """Results of decoders without SSL, by name of the session or planted control."""
    planted: dict[str, SessionLosses]
    """Losses of the planted controls, by name; only of those that can be decoded."""
    look: InterimAnalysis | None = None
    """The interim analysis to which the results are limited; None if all seeds are
    used."""
    reach: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of seeds used, by session and axis, where not all were used.

    Only descriptions read it, no verdict does.
    """

    @property
    def seeds(self) -> int:
        """Number of seeds per session that are used."""
        return self.look.seeds if self.look else self.plan.study.training.seeds

    def after(self, look: InterimAnalysis) -> "Evidence":
        """Return the evidence at an interim analysis, without the later seeds."""
        beyond = {
            key
            for key, run in self.plan.seeded.items()
            if self.plan.seed_position(run) >= look.seeds
        }
        return replace(
            self,
            look=look,
            results={key: result for key, result in self.results.items() if key not in beyond},
            losses={name: losses.after(look.seeds) for name, losses in self.losses.items()},
            planted={name: losses.after(look.seeds) for name, losses in self.planted.items()},
        )

    def losses_on(self, session: str, axis: str) -> SessionLosses:
        """Return the losses of a session for the seeds that were used on one axis.

        Parameters
        ----------
        session
            Name of the session.
        axis
            Path of the axis, such as `unit_dropout.rate`; empty for the identity dose,
            at which inputs stay as they are.
        """
        seeds = self.reach.get((session, axis))
        return self.losses[session] if seeds is None else self.losses[session].after(seeds)


@dataclass(frozen=True, eq=False)
class HypothesisEvidence:
    """One hypothesis with the evidence about it.

    Attributes
    ----------
    of_study
        The results of the study, which all its hypotheses share.
    hypothesis
        The hypothesis as declared.
    judged_at
        The interim analysis that sets the level of each claim; None if there is only
        one analysis.
    """

    of_study: Evidence
    hypothesis: AnyHypothesis
    judged_at: InterimAnalysis | None = None

    @property
    def plan(self) -> Plan:
        """The study's plan."""
        return self.of_study.plan

    @property
    def single(self) -> "HypothesisEvidence":
        """The same hypothesis and evidence, judged as if this were the only analysis.

        Checks use it whose failure can only take a verdict away. They need no
        correction for repeated analyses.
        """
        return replace(self, judged_at=None)

    @property
    def margin(self) -> float:
        """The smallest effect that matters, as a fraction of the decodable range."""
        return self.hypothesis.margin.fraction_of_range

    @property
    def jitter(self) -> bool:
        """Whether the hypothesis is about temporal jitter between paired windows."""
        return self.plan.study.is_jitter(self.hypothesis.axis)

    @property
    def about_units(self) -> bool:
        """Whether the hypothesis is about how many units carry the target.

        Otherwise it is about the cost of a dose or the benefit of distant pairs.
        """
        return isinstance(self.hypothesis, Hypothesis) and self.hypothesis.about_units

    @cached_property
    def panel(self) -> PlannedPanel:
        """The training recipes under which the hypothesis is judged.

        A recipe counts as not computed if it has no licence for this axis, dose, target
        and number of decodable sessions. If no session is decodable, all sessions that
        the hypothesis covers are counted.
        """
        assert isinstance(self.hypothesis, Hypothesis)
        plan = self.plan
        sessions = len(self.names) or len(self.covered)
        panel = panel_of(plan.study, plan.settings[0], self.hypothesis, sessions)
        return licensed_panel(panel, use_of(plan.study, self.hypothesis, sessions))

    @cached_property
    def covered(self) -> list[SessionFinding]:
        """Findings about the sessions that the hypothesis covers, decodable or not."""
        return [
            self.of_study.sessions[session.name]
            for session in self.plan.sessions
            if covers(self.hypothesis, session)
        ]

    @cached_property
    def names(self) -> list[str]:
        """Names of the covered sessions that can be decoded."""
        return [finding.session for finding in self.covered if finding.decodable]

    @property
    def losses(self) -> list[SessionLosses]:
        """Losses of the decodable sessions, in the order of `names`."""
        return [self.of_study.losses[name] for name in self.names]

    @property
    def scope(self) -> str:
        """What the claims are about, such as `population of sessions`."""
        return scope_of(self.subjects)

    @property
    def status(self) -> str:
        """Whether the hypothesis counts as `confirmatory` or `exploratory`.

        It is confirmatory only if it was declared so and is judged as it was
        registered. A quick study, which leaves out gates, is always exploratory, and so
        is an experimental kind of hypothesis.
        """
        if self.hypothesis.experimental:
            return "exploratory"
        registered = (
            self.of_study.standing.confirms(self.hypothesis.id) and not self.plan.study.quick
        )
        return self.hypothesis.role if registered else "exploratory"

    @cached_property
    def code(self) -> Code | None:
        """Results of the decoders without SSL in the decodable sessions.

        None if the hypothesis is about a time jitter or a contrast of pairings, or if
        the results of a decodable session are missing.
        """
        return None if self.jitter else self.code_of(self.names)

    def code_of(self, sessions: Sequence[str], plant: str = "") -> Code | None:
        """Collect results of decoders without SSL over sessions or planted controls.

        Parameters
        ----------
        sessions
            Names of sessions.
        plant
            Suffix that turns the name of a session into that of its planted control;
            empty for the sessions themselves.

        Returns
        -------
        Code or None
            Results at the primary dose; None for a contrast, and if the results of any
            of the sessions or controls are missing.
        """
        hypothesis, codes = self.hypothesis, self.of_study.codes
        found = [codes[name] for session in sessions if (name := f"{session}{plant}") in codes]
        if not isinstance(hypothesis, Hypothesis) or not found or len(found) < len(sessions):
            return None
        subjects = tuple(self.of_study.sessions[session].subject for session in sessions)
        return Code(
            tuple(found), subjects, hypothesis.axis, hypothesis.dose, self.margin, hypothesis.share
        )

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subject of each decodable session, in the order of `names`."""
        return tuple(self.of_study.sessions[name].subject for name in self.names)

    @property
    def doses(self) -> list[float]:
        """Every swept dose in ascending order, except the one that changes nothing."""
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
        """Collect one estimand over the decodable sessions.

        Parameters
        ----------
        estimand
            Name of the estimand, such as `D` or `C_code`.
        dose
            Dose on the axis; None for the primary dose.
        setting
            Label of a swept setting or recipe; empty for the study's own.
        fraction
            Fraction of the training windows, in (0, 1].
        axis
            Path of the axis; None for the axis of the hypothesis. It does not apply to
            estimands of the code.

        Returns
        -------
        sample
            One effect per session, incomplete where runs are missing. It is empty for
            an estimand of the code that was not measured.
        """
        at_dose, path = self.hypothesis.dose if dose is None else dose, axis or self.hypothesis.axis
        if estimand in CODE:
            return self.code.sample(estimand, at_dose) if self.code else Sample((), ())
        return self.over(
            [losses.effect(estimand, path, at_dose, fraction, setting) for losses in self.losses]
        )

    def samples(self, dose: float | None = None) -> dict[str, Sample]:
        """Collect all estimands at one dose, under the study's own recipe.

        They are those of `CORRUPTION`. For a jitter it is `delta` alone, joined at the
        primary dose by `delta(n/3)`, the excess loss when training on a third of the
        windows. That one is included only if `dose` is the primary dose.

        Parameters
        ----------
        dose
            Dose on the axis of the hypothesis; None for the primary dose.
        """
        if not self.jitter:
            return {name: self.sample(name, dose) for name in CORRUPTION}
        samples = {"delta": self.sample("delta", dose)}
        if dose is None or dose == self.hypothesis.dose:
            third = a_third_of(self.plan.settings[0])
            samples["delta(n/3)"] = self.sample("delta", None, third.label, third.fraction)
        return samples

    def noise(self) -> Sample:
        """Collect the A/A contrast: how losses at dose 0 differ between seeds.

        It is the loss with a second set of seeds minus that with the study's own. The
        training conditions are the same, so any difference is due to the seeds.
        """
        return self.over([losses.noise() for losses in self.losses])

    def change(self, estimand: str, setting: str, fraction: float = 1.0) -> Sample:
        """Collect the change of an estimand at the primary dose by another setting.

        The change is the estimand under that setting minus the estimand under the
        study's own setting.

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
        """Build the report's entry for one estimand at one dose.

        Parameters
        ----------
        name
            Name of the estimand.
        sample
            Its effect in every session; no run may be missing.
        dose
            The dose at which it was measured.
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
        """Combine effects into a sample that is judged at this interim analysis.

        Parameters
        ----------
        effects
            One per decodable session, in the order of `names`.
        """
        return Sample(tuple(effects), self.subjects, self.judged_at)
