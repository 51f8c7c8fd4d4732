"""Studies of worlds with little or nothing to decode.

They are for the tests of nulls and leaks.
"""

from pathlib import Path

import torch
from conftest import tiny_study

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.study.study import Study

BLOCKS = {"scheme": "blocks", "count": 5, "embargo_s": 1.0}


def plan_of(world, sessions, base=Path(), groups=1, **changes):
    source = {
        "kind": "simulated",
        "units": 20,
        "bins": 600,
        "sessions": sessions // groups,
        **world,
    }
    sources = [{**source, "session": f"w{i}", "group": f"g{i}"} for i in range(groups)]
    study = Study.model_validate(tiny_study(**{"recordings": sources, "folds": BLOCKS, **changes}))
    return Plan(study, find_sessions(study, base))


def measured(plan, kind, base=Path()):
    """The figures of one measurement in every session."""
    found = []
    for session in plan.sessions:
        run = next(
            run for run in plan.baselines if run.session == session.name and run.method.kind == kind
        )
        bench = Workbench.of(
            open_recording(session.source, session.name, base),
            run,
            torch.device("cpu"),
            Elsewhere.of(plan.sessions, base),
        )
        found.append(MEASURES[kind](bench, [run], lambda steps: None)[0].result.figures)
    return found
