"""Measure the sessions of a calibration, with a given store and workers.

In: a study that declares simulated sessions (a bank, from which smaller studies are
later drawn). Out: its decodable sessions, with what was measured on them. Results that
the run store already has are reused. The others are measured only if
`CalibrationBench.train`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import Event, WorkerSettings
from invariance_probe.executors.local import LocalWorkers, run_local
from invariance_probe.inference.entry import read_codes, session_findings
from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, read_losses
from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.hypotheses.code import CODE, SessionCode
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.results.store import Store
from invariance_probe.runner import measure
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


@dataclass(frozen=True, eq=False)
class MeasuredSession:
    """What was measured on one decodable session.

    Attributes
    ----------
    losses
        Losses of the session's runs.
    finding
        What was measured without SSL, for example the time constant of the target.
    """

    losses: SessionLosses
    finding: SessionFinding
    code: SessionCode | None = None
    """Results for the finding of the code; None if it was not measured."""

    @property
    def case(self) -> str:
        """Name of the simulated code (case) that the session belongs to."""
        return self.losses.session.group

    def effect(self, name: str, axis: str, dose: float) -> Effect:
        """Look up an estimand of the code or of learning in this session.

        Parameters
        ----------
        name
            The estimand, such as `C_code` or `D`; `noise` is the A/A contrast (dose 0
            with other seeds against dose 0).
        axis
            The swept axis, such as `unit_dropout.rate`.
        dose
            The dose.

        Returns
        -------
        effect
            The effect and the decodable range, not yet divided; `effect.complete` is
            False if it was not measured.
        """
        if name == "noise":
            return self.losses.noise()
        if name not in CODE:
            return self.losses.effect(name, axis, dose)
        known = self.code is not None and self.code.measures(axis, dose)
        return (
            self.code.effect(name, axis, dose)
            if self.code and known
            else Effect(np.zeros((0, 1)), np.zeros((0, 1)))
        )


@dataclass(frozen=True, eq=False)
class CalibrationBench:
    """The store, folders and workers with which a calibration measures.

    Attributes
    ----------
    store
        Run store that holds the results.
    settings
        Folder of the study's files and folder of the store, for the workers.
    workers
        Number of worker processes.
    train
        Whether to measure what the store lacks; if False, only stored results are used.
    on_event
        Called with each progress event.
    """

    store: Store
    settings: WorkerSettings
    workers: int
    train: bool
    on_event: Callable[[Event], None]

    def measure_missing(self, stage: str, runs: Sequence[Run], sessions: Sequence[Session]) -> None:
        """Measure those of the given runs that the store lacks, if `train`.

        Parameters
        ----------
        stage
            Name of this stage in progress events.
        runs
            The runs.
        sessions
            The sessions of these runs.
        """
        missing = [run for run in runs if not self.store.has(run.key())]
        if not self.train or not missing:
            return
        self.on_event(
            {
                "event": "stage",
                "stage": stage,
                "runs": len(missing),
                "reused": len(runs) - len(missing),
                "model_steps": sum(run.steps for run in missing),
            }
        )
        run_local(missing, sessions, self.settings, self.workers, self.on_event)

    def sessions(self, study: Study, needed: Callable[[Run], bool]) -> list[MeasuredSession]:
        """Measure the sessions of a study, and return the decodable ones.

        Parameters
        ----------
        study
            The study that declares the sessions.
        needed
            Says of a run whether it is needed; other runs are skipped.

        Returns
        -------
        sessions
            What was measured on every session whose target can be decoded.
        """
        plan = Plan(study, find_sessions(study, self.settings.base))
        if self.train:
            with LocalWorkers(self.workers) as here:
                results = measure(
                    plan, self.store, self.settings, here, self.on_event, needed
                ).results
        else:
            results = self.store.results(run for run in plan.runs if needed(run))
        return measured(plan, results)


def measured(plan: Plan, results: Mapping[str, RunResult]) -> list[MeasuredSession]:
    """Read the results of a plan, session by session.

    Parameters
    ----------
    plan
        The plan of a study.
    results
        Results of its runs, by run key.

    Returns
    -------
    sessions
        What was measured on every session whose target can be decoded.
    """
    findings, codes = session_findings(plan, results), read_codes(plan, results)
    return [
        MeasuredSession(found, findings[name], SessionCode(codes[name]) if name in codes else None)
        for name, found in read_losses(plan, results).items()
        if findings[name].decodable
    ]
