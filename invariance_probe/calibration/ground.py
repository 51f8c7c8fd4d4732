"""Where a calibration measures: the store, the workers, and what is measured.

A study whose sessions are a bank goes in; its decodable sessions come out, with what
was measured on them. What the store lacks is measured only where that is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import Event, Place
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
class Measured:
    """One decodable session of a bank: its losses, and what is known without SSL.

    Attributes
    ----------
    losses
        Losses of the session's runs.
    finding
        What was found without SSL, for example its time constant.
    """

    losses: SessionLosses
    finding: SessionFinding
    code: SessionCode | None = None
    """The finding of the code; None where it was not measured."""

    @property
    def case(self) -> str:
        """The case of known truth that the session belongs to."""
        return self.losses.session.group

    def effect(self, name: str, axis: str, dose: float) -> Effect:
        """An estimand of the code or of learning in this session.

        Parameters
        ----------
        name
            The estimand; `noise` is the A/A contrast.
        axis
            The swept path.
        dose
            The dose.

        Returns
        -------
        effect
            Not complete where it was not measured.
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
class Ground:
    """Where banks are measured, and how.

    Attributes
    ----------
    store
        Where results are kept.
    place
        Where sessions are found and results are put.
    workers
        Number of worker processes.
    train
        Measure what the store lacks; else use what it has.
    on_event
        Called with every progress event.
    """

    store: Store
    place: Place
    workers: int
    train: bool
    on_event: Callable[[Event], None]

    def make(self, stage: str, runs: Sequence[Run], sessions: Sequence[Session]) -> None:
        """Measure what the store lacks of some runs, where that is asked for.

        Parameters
        ----------
        stage
            Name of the stage in progress events.
        runs
            What is wanted.
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
        run_local(missing, sessions, self.place, self.workers, self.on_event)

    def sessions(self, study: Study, needed: Callable[[Run], bool]) -> list[Measured]:
        """The decodable sessions of a study, measured as far as they are needed.

        Parameters
        ----------
        study
            The study whose sessions are the bank.
        needed
            Says which runs are needed.

        Returns
        -------
        sessions
            Those that can be decoded.
        """
        plan = Plan(study, find_sessions(study, self.place.base))
        if self.train:
            with LocalWorkers(self.workers) as here:
                results = measure(plan, self.store, self.place, here, self.on_event, needed).results
        else:
            results = self.store.results(run for run in plan.runs if needed(run))
        return measured(plan, results)


def measured(plan: Plan, results: Mapping[str, RunResult]) -> list[Measured]:
    """The decodable sessions of a plan, with what was measured on them.

    Parameters
    ----------
    plan
        The plan.
    results
        Results by key.

    Returns
    -------
    sessions
        Those that can be decoded.
    """
    findings, codes = session_findings(plan, results), read_codes(plan, results)
    return [
        Measured(found, findings[name], SessionCode(codes[name]) if name in codes else None)
        for name, found in read_losses(plan, results).items()
        if findings[name].decodable
    ]
