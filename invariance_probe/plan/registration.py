"""Registration: what a study claims, and on which data, frozen in advance.

A plan goes in; canonical JSON with its own SHA-256 comes out, written before any target
is decoded. Later plans are compared with it, and every deviation is listed. A
registration does not prove when it was made: publish the hash (as a tag in a public
repository, or on OSF) before you look at the data.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from invariance_probe.errors import StudyError
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import ALGORITHM_VERSION, RunResult
from invariance_probe.study.declaration import canonical_json, sha256_of
from invariance_probe.study.study import Study
from invariance_probe.study.training import Kernels

Deviation = tuple[str, str]
"""A deviation: the hypothesis it concerns ("" for all), and what differs."""

# Sections whose entries are compared one by one, so that a deviation can name its hypothesis.
_OF_EACH_CLAIM = {"hypotheses", "recordings", "axes"}
_DATA = {"fingerprint": "the data", "alternatives": "the alternative targets"}
# Sections that are not compared, because no claim depends on them.
_WORDS = {"name", "question", "schema_version"}


def registration_path(study: Path) -> Path:
    """Return the path of a study's registration, beside the study file."""
    return study.with_suffix(".registration.json")


def new_registration(plan: Plan, versions: dict[str, str]) -> dict[str, Any]:
    """Return a new registration of a planned study.

    Parameters
    ----------
    plan
        The planned study.
    versions
        Versions of the installed packages, by name.

    Returns
    -------
    registration
        The study with all defaults filled in, the fingerprints of its data, the
        versions, the present time (UTC), and the hash of all this under `sha256`.
    """
    frozen = {
        "registration_version": 1,
        "registered_at": datetime.now(UTC).isoformat(),
        "algorithm_version": ALGORITHM_VERSION,
        "study": _normal(plan.study.model_dump(mode="json")),
        "sessions": _frozen_sessions(plan),
        "versions": versions,
        "versions_sha256": sha256_of(versions),
    }
    return {**frozen, "sha256": sha256_of(frozen)}


def write_registration(path: Path, registration: dict[str, Any]) -> None:
    """Write a new registration to a file.

    Parameters
    ----------
    path
        The file to create.
    registration
        What `new_registration` returned.

    Raises
    ------
    StudyError
        When the file exists already. A registration is never overwritten.
    """
    try:
        with path.open("x", encoding="utf-8") as file:  # "x" refuses a file that exists
            file.write(canonical_json(registration) + "\n")
    except FileExistsError:
        raise StudyError(
            f"{path} exists: this study is already registered, and a registration is never "
            "overwritten. Register a changed study under another file name, or delete the old "
            "registration and say so in your paper"
        ) from None


def read_registration(path: Path) -> dict[str, Any] | None:
    """Read a study's registration; return None if the file does not exist.

    Raises
    ------
    StudyError
        When the file is not a registration.
    """
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if (
            not isinstance(found["sha256"], str)
            or not isinstance(found["study"], dict)
            or not isinstance(found["sessions"], dict)
        ):
            raise TypeError("sha256, study or sessions has the wrong type")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path} is not a valid registration ({error}); restore the file, or delete it to "
            "continue without a registration"
        ) from None
    return found


def seen_before(registration: dict[str, Any], result: RunResult) -> bool:
    """Whether a result may have been known when the claims were registered.

    It was not known if it was measured under this registration or at a later time.
    (Studies of one store share baselines, so a later result can have been measured under
    another registration.) A result without a time counts as known before.

    Parameters
    ----------
    registration
        The registration of the claims.
    result
        A stored result.

    Returns
    -------
    seen
        True if the result may have been known.
    """
    if result.registration == registration["sha256"]:
        return False
    # "~" sorts after every date: if the registration has no time, every other result counts as
    # seen.
    return not result.measured_at > registration.get("registered_at", "~")


def deviations(registration: dict[str, Any], plan: Plan) -> tuple[Deviation, ...]:
    """Return every deviation of a study from its registration, each once.

    Parameters
    ----------
    registration
        The registration.
    plan
        The plan of the study in its present form.

    Returns
    -------
    deviations
        For each, the hypothesis that it concerns, and what differs.
    """
    return tuple(dict.fromkeys(_deviations(registration, plan)))


def _deviations(registration: dict[str, Any], plan: Plan) -> Iterator[Deviation]:
    """Yield the deviations of the file itself, the study, claims and sessions."""
    frozen = {name: value for name, value in registration.items() if name != "sha256"}
    if sha256_of(frozen) != registration["sha256"]:
        yield (
            "",
            "the registration was changed after it was written: its hash does not fit its content",
        )
    if registration.get("algorithm_version") != ALGORITHM_VERSION:
        yield (
            "",
            f"registered with algorithm version {registration.get('algorithm_version')}, "
            f"now {ALGORITHM_VERSION}",
        )
    now = _normal(plan.study.model_dump(mode="json"))
    try:  # a setting that is newer than the registration gets its default
        then = _normal(Study.model_validate(registration["study"]).model_dump(mode="json"))
        for study in (then, now):
            study["training"]["kernels"] = _kernels_of(study)
    except ValidationError as error:
        yield (
            "",
            f"the registered study can no longer be read ({error.error_count()} errors): "
            "it was made for another version",
        )
        return
    for name in sorted((then.keys() | now.keys()) - _OF_EACH_CLAIM - _WORDS):
        for path, old, new in _differences(name, then.get(name), now.get(name)):
            yield "", f"{path} was registered as {_said(old)}, now {_said(new)}"
    yield from _claim_deviations(then, now)
    yield from _session_deviations(registration["sessions"], plan)


def registered_kernels(registration: dict[str, Any]) -> Kernels:
    """Return the kernels that a study was registered with, `torch` or `native`."""
    return _kernels_of(registration["study"])


def _kernels_of(study: dict[str, Any]) -> Kernels:
    """Kernels of a study as plain data; torch was the default when none were written."""
    return "native" if study.get("training", {}).get("kernels") == "native" else "torch"


def _claim_deviations(then: dict[str, Any], now: dict[str, Any]) -> Iterator[Deviation]:
    """Yield the deviations of hypotheses, and of the doses of their axes."""
    registered = {h["id"]: h for h in then["hypotheses"]}
    old_doses = {axis["path"]: axis["doses"] for axis in then["axes"]}
    new_doses = {axis["path"]: axis["doses"] for axis in now["axes"]}
    for claim in now["hypotheses"]:
        own = claim["id"]
        if own not in registered:
            yield own, "this hypothesis was not registered"
            continue
        for path, old, new in _differences("", registered[own], claim):
            yield own, f"{path} was registered as {_said(old)}, now {_said(new)}"
        axis = claim["axis"]
        if sorted(old_doses.get(axis, [])) != sorted(new_doses.get(axis, [])):
            yield (
                own,
                f"the doses of {axis} were registered as {_said(old_doses.get(axis))}, "
                f"now {_said(new_doses.get(axis))}",
            )
    for gone in sorted(registered.keys() - {claim["id"] for claim in now["hypotheses"]}):
        yield "", f"the registered hypothesis {gone} was left out"
    for axis in sorted(new_doses.keys() - old_doses.keys()):
        yield "", f"the axis {axis} was not registered"


def _frozen_sessions(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what a registration records about each session, by its name."""
    frozen: dict[str, dict[str, Any]] = {}
    for s in plan.sessions:
        frozen[s.name] = {
            "fingerprint": s.fingerprint,
            "subject": s.subject,
            "group": s.group,
            "pilot": s.source.pilot,
        }
        if s.alternatives:
            frozen[s.name]["alternatives"] = s.alternatives
    return frozen


def _session_deviations(registered: dict[str, Any], plan: Plan) -> Iterator[Deviation]:
    """Yield the deviations of sessions, for each hypothesis they concern."""
    now = _frozen_sessions(plan)
    for name in sorted(registered.keys() | now.keys()):
        old, new = registered.get(name), now.get(name)
        groups = {entry["group"] for entry in (old, new) if entry is not None}
        if old == new:
            continue
        if old is None or new is None:
            text = (
                f"the session {name} was "
                f"{'not registered' if old is None else 'registered, but is left out'}"
            )
        else:
            text = "; ".join(
                f"{_DATA[key]} of session {name} have changed since registration" if key in _DATA
                else f"{key} of session {name} was registered as {_said(old[key])}, "
                f"now {_said(new[key])}"
                for key in old if old[key] != new.get(key)
            )  # fmt: skip
        for hypothesis in plan.study.hypotheses:
            if hypothesis.group is None or hypothesis.group in groups:
                yield hypothesis.id, text


def _normal(value: Any) -> Any:
    return json.loads(canonical_json(value))


def _said(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, old value, new value) wherever nested plain data differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{path}.{key}".lstrip("."), old.get(key), new.get(key))
    elif old != new:
        yield path, old, new
