"""Check user-defined methods in a process of their own, for `data.own_code`.

In: on standard input, the methods as JSON with the study's folder, bins per window and
kind of target. Out: on standard output, the problems of each method as JSON.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from invariance_probe.methods.own import own_problems
from invariance_probe.study.methods import OwnMethod


def main() -> None:
    """Read the methods, and write what keeps each from being trained."""
    asked = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # what the classes print is no part of the answer
        found = [
            [
                [place, reason]
                for place, _, reason in own_problems(
                    OwnMethod.model_validate(method),
                    Path(asked["base"]),
                    asked["length_bins"],
                    asked["target"],
                )
            ]
            for method in asked["methods"]
        ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
