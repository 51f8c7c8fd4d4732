"""Check the user-defined classes that a study names, before training.

In: a study and its folder. Out: problems, each with its place in the study. Whether a
class takes its settings and computes a loss is only known by trying. It is tried in a
process of its own, which loads torch and the user's code: neither comes into this one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.methods import OwnMethod, own_method_of
from invariance_probe.study.study import Study

CHECK = (sys.executable, "-m", "invariance_probe.methods.own_check")
"""Command that checks user-defined methods with this Python."""
TRIED_BINS = 2
"""Bins of the windows with which a method is tried if their length is in seconds."""
LIMIT_S = 300
"""Longest time for all classes of a study to be imported and tried, in seconds."""


def own_code_problems(study: Study, base: Path) -> Iterator[Problem]:
    """Yield what keeps a study's user-defined methods from being trained.

    Parameters
    ----------
    study
        The study.
    base
        Its folder, in which the modules are looked for first.
    """
    own = list(_own_methods(study))
    if not own:
        return
    asked = {
        "base": str(base),
        "length_bins": study.window.length_bins if study.window.length_s is None else TRIED_BINS,
        "target": study.target.kind,
        "methods": [method.model_dump(mode="json") for _, method in own],
    }
    try:
        done = subprocess.run(
            CHECK,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        why = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
    except subprocess.TimeoutExpired:
        done, why = None, f"it took more than {LIMIT_S} s"
    if done is None or done.returncode != 0:
        place, method = own[0]
        yield (
            (*place, "of"),
            method.of,
            f"the process that imports and tries {method.of} ended without an answer ({why}); see "
            "that the module can be imported",
        )
        return
    for (place, method), found in zip(own, json.loads(done.stdout), strict=True):
        for inside, reason in found:
            yield (*place, *inside), method.of, reason


def _own_methods(study: Study) -> Iterator[tuple[PathInStudy, OwnMethod]]:
    """Yield every user-defined method in a study, with its place."""
    for place, method in study.methods():
        if (own := own_method_of(method)) is not None:
            yield place, own
    for i, sweep in enumerate(study.sweeps):
        if sweep.path.startswith("method.") and own_method_of(study.method) is not None:
            for j, value in enumerate(sweep.values):
                own = own_method_of(study.with_setting(sweep.path, value)[0])
                if own is not None:
                    yield ("sweeps", i, "values", j), own
