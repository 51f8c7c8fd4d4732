"""Read a study from its YAML file.

In: a file, and values that override some of those in it. Out: a `Study`, or every error
at once, each as `file:line:col: path: what is wrong`. Recordings are read only if the
file has errors, and then by a function that the caller passes in.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from invariance_probe.errors import StudyError
from invariance_probe.study.cluster import SlurmProfile
from invariance_probe.study.consistency import disagreements
from invariance_probe.study.consistency.words import reason_of_item
from invariance_probe.study.declaration import Declaration, PathInStudy, Problem
from invariance_probe.study.draft import draft_of
from invariance_probe.study.origin import Origin
from invariance_probe.study.recordings import ONLY_IN_PYTHON
from invariance_probe.study.study import Study


@dataclass(frozen=True, eq=False)
class StudyFile:
    """A study with its file, whose lines problems that are found later can name.

    Attributes
    ----------
    study
        The study, with overrides applied.
    """

    study: Study

    @property
    def path(self) -> Path | None:
        """The file; None where the study was made in Python."""
        return self.study.origin.path

    @property
    def base(self) -> Path:
        """Folder from which relative paths in the study are resolved."""
        return self.study.origin.base

    def line(self, place: PathInStudy, got: Any, reason: str) -> str:
        """Write one problem as a line: `file:line:col: path: reason`.

        Parameters
        ----------
        place
            Where in the study the problem is.
        got
            The value got; it is not written.
        reason
            What is wrong and what to do.
        """
        return self.study.origin.line(place, reason)


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Read the study of a YAML file.

    Parameters
    ----------
    path
        The file.
    overrides
        Strings of the form `dotted.path=value`, each of which replaces one value of the
        file for this call. The value is read as YAML.

    Returns
    -------
    study
        The study; its recordings are not read. It remembers its file, and relative paths
        start from the folder of that file.

    Raises
    ------
    StudyError
        With one line per problem.

    Examples
    --------
    >>> import tempfile
    >>> from invariance_probe.study.new import template_text
    >>> path = Path(tempfile.mkdtemp()) / "dropout.yaml"
    >>> _ = path.write_text(template_text("dropout"))
    >>> study = load_study(path, ["training.seeds=3"])
    >>> study.name, study.training.seeds
    ('my-dropout-study', 3)
    """
    return open_study(path, overrides).study


RecordingCheck = Callable[[Study, Path], Iterable[Problem]]
"""Function of a study and its folder that finds problems of the recordings."""


def open_study(
    path: str | Path, overrides: Sequence[str] = (), look: RecordingCheck | None = None
) -> StudyFile:
    """Read the study of a YAML file, and remember the line of each value.

    Parameters
    ----------
    path
        The file.
    overrides
        Values that replace some of those in the file; see `load_study`.
    look
        Finds problems of the recordings. It is called only if the file has errors, with
        the parts of the study that can be read, so that problems of the file and of the
        recordings are reported together.

    Returns
    -------
    file
        The study with its file.

    Raises
    ------
    StudyError
        With one line per problem.
    """
    path = Path(path)
    tree = _parse(path)
    for override in overrides:
        _override(tree, override)
    origin = Origin(path, tree)
    try:
        study = Study.model_validate(_plain(tree))
    except ValidationError as error:
        lines = [origin.line(place, reason) for place, reason in _problems(error, tree)]
        more = _further(error, tree, origin.base, look)
        lines += [origin.line(place, reason) for place, _, reason in more]
        raise StudyError("\n".join(dict.fromkeys(lines))) from None
    return StudyFile(study.written_in(origin))


def _further(
    error: ValidationError, tree: CommentedMap, base: Path, look: RecordingCheck | None
) -> list[Problem]:
    """Find further problems of a study that was refused.

    The valid parts are checked against each other, and their recordings by `look`.
    """
    items = error.errors()
    wrong = [
        (_place(item["loc"], tree, item["type"]), item["type"] == "extra_forbidden")
        for item in items
    ]
    draft = draft_of(_plain(tree), wrong)
    if draft is None:
        return []
    found = [] if all(item["type"] == "study" for item in items) else disagreements(draft.study)
    own = [*draft.own(found)]
    if look is not None:
        own += draft.own(look(draft.study, base))
    return own


def load_profile(path: str | Path) -> SlurmProfile:
    """Read a cluster's profile from a YAML file.

    Raises
    ------
    StudyError
        With one line per problem.
    """
    path = Path(path)
    tree = _parse(path)
    try:
        return SlurmProfile.model_validate(_plain(tree))
    except ValidationError as error:
        origin = Origin(path, tree)
        lines = [origin.line(*problem) for problem in _problems(error, tree, SlurmProfile)]
        raise StudyError("\n".join(dict.fromkeys(lines))) from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, as plain data.

    Raises
    ------
    StudyError
        When the file cannot be read or holds no mapping.
    """
    return _plain(_parse(path))


def _parse(path: Path) -> CommentedMap:
    """Parse a YAML file and keep the line and column of each key."""
    yaml = YAML(typ="rt")
    yaml.version = (1, 2)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: the file cannot be read: {error}") from None
    try:
        tree = yaml.load(io.StringIO(text))
    except DuplicateKeyError as error:
        mark = error.problem_mark
        key = str(error.problem).split('"')[1] if '"' in str(error.problem) else "a key"
        raise StudyError(
            f"{path}:{mark.line + 1}:{mark.column + 1}: {key!r} appears twice; keep only one of "
            "them"
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise StudyError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    if not isinstance(tree, CommentedMap):
        raise StudyError(
            f"{path}:1:1: the file must hold lines of the form `key: value`, got "
            f"{type(tree).__name__}"
        )
    _name_null(tree)
    return tree


def _name_null(tree: CommentedMap) -> None:
    """Make `null` a string key again, since a study has a section of that name.

    YAML reads the key `null:` as "no value".
    """
    if None in tree and "null" not in tree:
        place, position = list(tree).index(None), tree.lc.data.pop(None)
        tree.insert(place, "null", tree.pop(None))
        tree.lc.data["null"] = position


def set_values(overrides: Sequence[str]) -> dict[str, Any]:
    """Read `dotted.path=value` texts into a mapping.

    Parameters
    ----------
    overrides
        Texts whose values are YAML.

    Raises
    ------
    StudyError
        For a text that cannot be read.
    """
    tree = CommentedMap()
    for override in overrides:
        _override(tree, override)
    plain: dict[str, Any] = _plain(tree)
    return plain


def _override(tree: CommentedMap, text: str) -> None:
    """Replace the value of `dotted.path=value` in a parsed study, in place."""
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise StudyError(
            f"--set {text}: write it as path=value, for example --set training.seeds=8"
        )
    node: Any = tree
    *parents, last = dotted.split(".")
    for i, part in enumerate(parents):
        key: Any = int(part) if isinstance(node, list) and part.isdigit() else part
        if isinstance(node, CommentedMap) and key not in node:
            node[key] = CommentedMap()
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            raise StudyError(
                f"--set {text}: there is no {'.'.join(parents[: i + 1])} in the study"
            ) from None
    try:
        node[int(last) if isinstance(node, list) and last.isdigit() else last] = YAML(
            typ="safe"
        ).load(value)
    except (IndexError, TypeError):
        raise StudyError(f"--set {text}: there is no {dotted} in the study") from None
    except MarkedYAMLError as error:
        raise StudyError(f"--set {text}: not valid YAML: {error.problem}") from None


def _plain(node: Any) -> Any:
    """Turn parsed YAML into plain dicts, lists and scalars."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _problems(
    error: ValidationError, tree: Any, declared: type[Declaration] = Study
) -> list[tuple[PathInStudy, str]]:
    """Translate pydantic's errors into places in the file and plain reasons."""
    items = error.errors()
    inner = {item["loc"][:i] for item in items for i in range(len(item["loc"]))}
    # A list that is too short only because its entries were refused is not reported.
    told = [item for item in items if not (item["type"] == "too_short" and item["loc"] in inner)]
    return [(_place(item["loc"], tree, item["type"]), _reason(item, declared)) for item in told]


def _place(loc: Sequence[str | int], tree: Any, kind: str) -> PathInStudy:
    """Turn the location of one of pydantic's errors into a place in the file.

    Pydantic puts the tags of unions into a location. They are not in the file, so they
    are dropped.
    """
    place: list[str | int] = []
    node = tree
    for i, part in enumerate(loc):
        if (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        ):
            node = node[part]  # type: ignore[index]
            place.append(part)
        elif kind == "missing" and i == len(loc) - 1:
            place.append(part)
    if kind.startswith("union_tag") and isinstance(node, dict):
        place.append("generator" if node.get("kind") == "simulated" else "kind")
    return tuple(place)


def _reason(item: Any, declared: type[Declaration]) -> str:
    """Say in plain words what one of pydantic's errors means."""
    kind, context, got = item["type"], item.get("ctx", {}), item["input"]
    if kind == "extra_forbidden":
        place = item["loc"]
        return (
            f"unknown key {str(place[-1])!r}.{_hint(str(place[-1]), _keys_beside(place, declared))}"
        )
    if kind == "missing":
        return "this key is missing"
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        allowed = [tag for tag in tags if tag not in ONLY_IN_PYTHON]
        return (
            f"unknown {context['discriminator'].strip(chr(39))} "
            f"{context['tag']!r}.{_hint(str(context['tag']), allowed)}"
        )
    if kind == "union_tag_not_found":
        return f"the key {context['discriminator']} is missing"
    if kind == "literal_error":
        expected = str(context["expected"])
        allowed = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
        return f"got {got!r}.{_hint(str(got), allowed)}"
    if kind == "study":
        return item["msg"]
    return reason_of_item(item)


def _hint(got: str, allowed: Sequence[str]) -> str:
    """Suggest the allowed word closest to `got`, or list all allowed words."""
    close = get_close_matches(got, allowed, n=1)
    return (
        f" Did you mean {close[0]!r}?"
        if close
        else f" Allowed: {', '.join(map(repr, allowed))}."
        if allowed
        else ""
    )


def _keys_beside(place: Sequence[str | int], declared: type[Declaration]) -> list[str]:
    """Return the keys that are allowed at the same level as a location's."""
    schema = declared.model_json_schema()
    node: Any = schema
    for part in place[:-1]:
        node = _step(schema, node, part)
    return list(_resolve(schema, node).get("properties", {}))


def _step(schema: Any, node: Any, part: str | int) -> Any:
    """Return the node of a JSON Schema to which one part of a location leads.

    A part is a position in a list, a key, or the tag of a union.
    """
    node = _resolve(schema, node)
    if isinstance(part, int):
        return node.get("items", {})
    if part in node.get("properties", {}):
        return node["properties"][part]
    for choice in node.get("oneOf", []) + node.get("anyOf", []):
        resolved = _resolve(schema, choice)
        own = resolved.get("properties", {})
        if part in (
            own.get("kind", {}).get("const"),
            own.get("generator", {}).get("const"),
            resolved.get("title", "").lower(),
        ):
            return resolved
        if "oneOf" in resolved and any(
            part == _resolve(schema, c)["properties"]["generator"].get("const")
            for c in resolved["oneOf"]
        ):
            return _step(schema, resolved, part)
    return node


def _resolve(schema: Any, node: Any) -> Any:
    """Return the node of a JSON Schema to which a node's references lead."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
