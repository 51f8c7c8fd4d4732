"""Propose a study of a file: the first draft whose recording has no problem.

In: what a draft is filled in with for each possible target. Out: YAML. Drafts differ in
their target, their folds and their windows. Each is checked as `validate` checks a
study; nothing is trained.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from invariance_probe.data.problems import recording_problems
from invariance_probe.errors import DataError
from invariance_probe.study.new import filled_template
from invariance_probe.study.study import Study

EMBARGO_BINS = 10
"""Length of the embargo that is proposed, in bins; at least `EMBARGO_S`."""
EMBARGO_S = 1.0
MOST_WINDOWS = 20_000
"""About how many windows are proposed; where there are more bins, windows lie apart."""
MOST_TARGETS = 6
"""Most targets that are tried."""
YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}
"""Words that YAML reads as something else than a string."""
FOLDS = (5, 3, 2)
"""Numbers of folds that are tried, in this order."""


@dataclass(frozen=True)
class Draft:
    """What a study of a file is filled in with, for one target.

    Attributes
    ----------
    target, kind
        Name and kind of the target.
    bin_s
        Length of a bin in seconds.
    bins
        About how many bins the recording has.
    values
        All else that the template needs, by name.
    trials
        Whether the bins have trials.
    """

    target: str
    kind: str
    bin_s: float
    bins: float
    values: Mapping[str, object]
    trials: bool = False


def proposed(drafts: Sequence[Callable[[], Draft]], where: str, base: Path) -> str:
    """Fill in the first draft that can run.

    Parameters
    ----------
    drafts
        Make a draft for each possible target, the likeliest first.
    where
        The file, for messages.
    base
        Folder in which the study will be.

    Returns
    -------
    study
        YAML. Its comments say why likelier targets were not taken.

    Raises
    ------
    DataError
        When no draft can run; the message says why the likeliest cannot.
    """
    refused: list[tuple[str, str]] = []
    for make in drafts[:MOST_TARGETS]:
        draft = make()
        reason = ""
        for text in _texts(draft, refused):
            study = Study.model_validate(YAML(typ="safe").load(text))
            problems = recording_problems(study, base)
            if not problems:
                return text
            place, _, said = problems[0]
            reason = reason or said
            if place[0] != "folds" and "fold" not in said:
                break  # no other folds would help
        refused.append((draft.target, reason))
    target, reason = refused[0]
    more = f" ({len(refused)} targets were tried)" if len(refused) > 1 else ""
    raise DataError(f"{where}: no study can be proposed. Target {target!r}: {reason}{more}")


def _texts(draft: Draft, refused: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Fill in a draft with one choice of folds after another."""
    long = max(EMBARGO_S, EMBARGO_BINS * draft.bin_s)
    for scheme in ("trials", "blocks") if draft.trials else ("blocks",):
        for count in FOLDS:
            for embargo_s in dict.fromkeys((long, draft.bin_s)):
                yield filled_template(
                    "file",
                    target=yaml_text(draft.target),
                    target_kind=draft.kind,
                    bin_s=repr(draft.bin_s),
                    stride=max(1, int(draft.bins // MOST_WINDOWS)),
                    scheme=scheme,
                    folds=count,
                    embargo_s=f"{embargo_s:g}",
                    refused=refused,
                    **draft.values,
                )


def yaml_text(text: str) -> str:
    """Write a string in YAML, in quotes unless it is plainly a string.

    Examples
    --------
    >>> yaml_text("units"), yaml_text("no"), yaml_text("a b")
    ('units', '"no"', '"a b"')
    """
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and text.lower() not in YAML_WORDS
    return text if plain else json.dumps(text)


def session_of(path: str) -> str:
    """Name a session after its file, with characters that a name may have."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", Path(path).stem).lstrip("._-") or "s1"
