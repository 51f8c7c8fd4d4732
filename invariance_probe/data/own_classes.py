"""Import the user-defined classes that a study names.

In: the declaration of a class (`study.own`) and the folder of the study. Out: the class,
or what keeps it from being used. The source file is executed as it is now: a file that
was changed is executed anew, also in a process that has imported it before. What a class
must do is checked where its family is (`augmentations.own`, `methods.own`).
"""

import inspect
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from invariance_probe.errors import InvarianceProbeError
from invariance_probe.study.declaration import PathInStudy, sha256_of
from invariance_probe.study.own import OwnClass, Source, source_of

T = TypeVar("T")


class RefusedError(Exception):
    """Why a user-defined class is refused, with the field that says so.

    Parameters
    ----------
    place
        The field, from the declaration of the class.
    got
        Its value.
    reason
        What is wrong and what to do.
    """

    def __init__(self, place: PathInStudy, got: object, reason: str) -> None:
        super().__init__(reason)
        self.place, self.got = place, got


@dataclass(frozen=True)
class Family(Generic[T]):
    """A kind of class that users may write.

    Attributes
    ----------
    base
        The class that theirs is derived from.
    noun
        What such classes are called, in the plural.
    members
        What theirs must have, in words.
    """

    base: type[T]
    noun: str
    members: str


def imported(declared: OwnClass, base: Path, family: Family[T]) -> type[T]:
    """Import a user-defined class, and check that it is one of a family.

    Parameters
    ----------
    declared
        The declaration that names it.
    base
        Folder of the study, in which its module is looked for first.
    family
        What it must be derived from.

    Raises
    ------
    RefusedError
        When it cannot be imported, or is no such class.
    """
    of, source = declared.of, source_of(declared.module, base)
    if source is None:
        beside = [path.stem for path in base.glob("*.py")]
        close = get_close_matches(declared.module, beside, n=1)
        hint = f"did you mean {close[0]!r}? Otherwise write" if close else "write"
        raise RefusedError(
            ("of",), of,
            f"there is no module {declared.module!r} in {base.resolve()} or among the installed "
            f"packages; {hint} {declared.module.replace('.', '/')}.py there, or install its "
            "package",
        )  # fmt: skip
    try:
        module = _executed(declared.module, source, str(base.resolve()))
    except (Exception, SystemExit) as error:
        reason = said(error, source.path)
        raise RefusedError(
            ("of",), of, f"{source.path} cannot be imported ({reason}); mend it"
        ) from None
    found = vars(module).get(declared.class_name)
    known = [
        name
        for name, one in vars(module).items()
        if isinstance(one, type)
        and issubclass(one, family.base)
        and one.__module__ == module.__name__
    ]
    if found is None:
        allowed = ", ".join(map(repr, known)) or "none"
        raise RefusedError(
            ("of",), of,
            f"{source.path} has no class {declared.class_name!r}; {family.noun} in it: {allowed}",
        )  # fmt: skip
    if not (isinstance(found, type) and issubclass(found, family.base)) or inspect.isabstract(
        found
    ):
        derived = f"{family.base.__module__}.{family.base.__qualname__}"
        lacks = (
            f"lacks {', '.join(sorted(found.__abstractmethods__))}"
            if inspect.isabstract(found)
            else f"is no class derived from {derived}"
        )
        raise RefusedError(
            ("of",), of,
            f"{declared.class_name!r} of {source.path} {lacks}; derive it from {derived} and "
            f"give it {family.members}",
        )  # fmt: skip
    return found


@cache
def _executed(name: str, source: Source, base: str) -> ModuleType:
    """Execute a module's source once for each content of its file.

    Its name in `sys.modules` has a hash of its path and content, so that it takes the place
    of no other module. While it is executed, it can import the modules beside it.
    """
    unique = f"{name}@{sha256_of([str(source.path), source.sha256])[:12]}"
    spec = spec_from_file_location(unique, source.path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[unique] = module
    sys.path.append(base)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    finally:
        sys.path.remove(base)
    return module


def made(declared: OwnClass, found: type[T], given: Sequence[object] = ()) -> T:
    """Make an object of a user-defined class with its settings.

    Parameters
    ----------
    declared
        The declaration that names it, with its settings.
    found
        The class.
    given
        What it is made from before its settings.

    Raises
    ------
    RefusedError
        When it cannot be made with these settings.
    """
    signature = inspect.signature(found)
    try:
        signature.bind(*given, **declared.settings)
    except TypeError as error:
        names = [*signature.parameters][len(given) :]
        raise RefusedError(
            ("settings",), declared.settings,
            f"{declared.class_name} cannot be made with the settings "
            f"{sorted(declared.settings)} ({error}); its settings are: "
            f"{', '.join(names) or 'none'}",
        ) from None  # fmt: skip
    try:
        return found(*given, **declared.settings)
    except Exception as error:
        raise RefusedError(
            ("settings",), declared.settings,
            f"{declared.class_name} refuses its settings ({said(error, file_of(found))})",
        ) from None  # fmt: skip


def file_of(found: type) -> Path:
    """File in which a class is defined."""
    return Path(inspect.getfile(found))


def said(error: BaseException, path: Path) -> str:
    """Name an error, with the last line of a file that led to it."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    if isinstance(error, InvarianceProbeError | ValueError) and str(error) and not lines:
        return str(error)
    place = f", {path.name} line {lines[-1]}" if lines else ""
    return f"{type(error).__name__}: {error}{place}"
