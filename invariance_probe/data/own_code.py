"""Check the user-defined classes that a study names, before training.

In: a study and its folder. Out: problems, each with its place in the study. Whether a
class takes its settings and computes what it must is only known by trying. It is tried in a
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
from invariance_probe.study.own import OwnClass
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import OwnTransform

CHECK = (sys.executable, "-m", "invariance_probe.methods.own_check")
"""Command that checks user-defined classes with this Python."""
TRIED_BINS = 2
"""Bins of the windows with which a class is tried if their length is in seconds."""
LIMIT_S = 300
"""Longest time for all classes of a study to be imported and tried, in seconds."""


def own_code_problems(study: Study, base: Path) -> Iterator[Problem]:
    """Yield what keeps a study's user-defined methods and augmentations from being used.

    Parameters
    ----------
    study
        The study.
    base
        Its folder, in which the modules are looked for first.
    """
    methods, augmentations = list(_own_methods(study)), list(_own_augmentations(study))
    own: list[tuple[PathInStudy, OwnClass]] = [*methods, *augmentations]
    if not own:
        return
    asked = {
        "base": str(base),
        "length_bins": study.window.length_bins if study.window.length_s is None else TRIED_BINS,
        "target": study.target.kind,
        "methods": [method.model_dump(mode="json") for _, method in methods],
        "augmentations": [
            {"declared": one.model_dump(mode="json"), "doses": _doses(study, one)}
            for _, one in augmentations
        ],
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
        place, first = own[0]
        yield (
            (*place, "of"),
            first.of,
            f"the process that imports and tries {first.of} ended without an answer ({why}); see "
            "that the module can be imported",
        )
        return
    for (place, one), found in zip(own, json.loads(done.stdout), strict=True):
        for inside, reason in found:
            yield (*place, *inside), one.of, reason


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


def _own_augmentations(study: Study) -> Iterator[tuple[PathInStudy, OwnTransform]]:
    """Yield every user-defined augmentation in a study, with its place."""
    for i, transform in enumerate(study.views.transforms):
        if isinstance(transform, OwnTransform):
            yield ("views", "transforms", i), transform


def _doses(study: Study, own: OwnTransform) -> list[float]:
    """Return the doses at which a study uses an augmentation: declared, swept and varied."""
    path = f"{own.kind}.dose"
    swept = [dose for axis in study.axes if axis.path == path for dose in axis.doses]
    varied = [value for sweep in study.sweeps if sweep.path == path for value in sweep.values]
    return [own.dose, *swept, *varied]
