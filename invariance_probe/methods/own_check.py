"""Check user-defined classes in a process of their own, for `data.own_code`.

In: on standard input, the methods and augmentations as JSON with the study's folder, bins
per window and kind of target. Out: on standard output, the problems of each class as JSON,
those of methods first.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from invariance_probe.augmentations.own import own_augmentation_problems
from invariance_probe.methods.own import own_problems
from invariance_probe.study.declaration import Problem
from invariance_probe.study.methods import OwnMethod
from invariance_probe.study.transforms import OwnTransform


def main() -> None:
    """Read the classes, and write what keeps each from being used."""
    asked = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # what the classes print is no part of the answer
        found = [[[place, reason] for place, _, reason in each] for each in _problems(asked)]
    json.dump(found, sys.stdout)


def _problems(asked: dict[str, Any]) -> Iterator[Iterator[Problem]]:
    """Yield the problems of each class."""
    base, length_bins = Path(asked["base"]), asked["length_bins"]
    for method in asked["methods"]:
        yield own_problems(OwnMethod.model_validate(method), base, length_bins, asked["target"])
    for one in asked["augmentations"]:
        declared = OwnTransform.model_validate(one["declared"])
        yield own_augmentation_problems(declared, base, length_bins, one["doses"])


if __name__ == "__main__":
    main()
