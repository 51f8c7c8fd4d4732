"""Where a calibration measures: the store, the workers, and whether what is missing is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import Event, Place
from invariance_probe.executors.local import run_local
from invariance_probe.inference.entry import session_findings
from invariance_probe.inference.estimands import SessionLosses, read_losses
from invariance_probe.inference.points import SessionFinding
from invariance_probe.results.store import Store
from invariance_probe.runner import measure
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import Run
from invariance_probe.study.study import Study


@dataclass(frozen=True, eq=False)
class Measured:
    """One decodable session of a bank: its losses, and what is known of it without SSL."""

    losses: SessionLosses
    finding: SessionFinding

    @property
    def case(self) -> str:
        """The case of known truth that the session belongs to."""
        return self.losses.session.group


@dataclass(frozen=True, eq=False)
class Ground:
    """Where banks are measured, and how."""

    store: Store
    place: Place
    workers: int
    train: bool
    on_event: Callable[[Event], None]

    def sessions(self, study: Study, needed: Callable[[Run], bool]) -> list[Measured]:
        """Measure what the store lacks of a study, as far as it is needed, and return its decodable sessions."""
        plan = Plan(study, find_sessions(study, self.place.base))
        if self.train:
            results = measure(
                plan, self.store, self.place, partial(run_local, workers=self.workers), self.on_event, needed
            ).results
        else:
            results = self.store.results(run for run in plan.runs if needed(run))
        findings, losses = session_findings(plan, results), read_losses(plan, results)
        return [Measured(found, findings[name]) for name, found in losses.items() if findings[name].decodable]
