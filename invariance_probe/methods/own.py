"""User-defined classes: import the class that a study names, and check it.

In: the declaration of a user-defined method and the folder of the study. Out: the
class, or what keeps it from being used, each with its place in the declaration. Its
source file is executed as it is now: a file that was changed is executed anew, also in
a process that has imported it before.
"""

import inspect
import sys
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.errors import InvarianceProbeError, StudyError
from invariance_probe.methods.base import Batch, Method, Timeline
from invariance_probe.study.declaration import Problem, sha256_of
from invariance_probe.study.methods import OwnMethod
from invariance_probe.study.own import Source, source_of

BASE_CLASS = "invariance_probe.methods.base.Method"
TRIED_RUNS, TRIED_PAIRS, TRIED_UNITS = 2, 32, 8
"""Size of the batch of noise on which a class is tried: runs, pairs and units."""


def own_class(declared: OwnMethod, base: Path) -> type[Method]:
    """Import the class of a user-defined method.

    Parameters
    ----------
    declared
        The method.
    base
        Folder of the study, in which its module is looked for first.

    Raises
    ------
    StudyError
        When the class cannot be imported, or is not what the declaration says.
    """
    try:
        found = _imported(declared, base)
    except _RefusedError as refused:
        raise StudyError(f"method.{'.'.join(map(str, refused.place))}: {refused}") from None
    for place, _, reason in _facts(declared, found):
        raise StudyError(f"method.{'.'.join(map(str, place))}: {reason}")
    return found


def own_problems(
    declared: OwnMethod, base: Path, length_bins: int, target: str
) -> Iterator[Problem]:
    """Yield what keeps a user-defined class from being trained.

    It is imported and made with its settings. If it learns from pairs, its loss on a
    batch of noise is computed.

    Parameters
    ----------
    declared
        The method.
    base
        Folder of the study, in which its module is looked for first.
    length_bins
        Bins per window.
    target
        Kind of the study's target.
    """
    try:
        found = _imported(declared, base)
        wrong = [*_facts(declared, found)]
        made = None if wrong else _made(declared, found, length_bins)
        if made is not None and declared.examples.kind == "pairs":
            _try(declared, made, length_bins, target)
    except _RefusedError as refused:
        yield refused.place, refused.got, str(refused)
        return
    yield from wrong


class _RefusedError(Exception):
    """Why a user-defined class is refused, with the field that says so."""

    def __init__(self, place: tuple[str | int, ...], got: object, reason: str) -> None:
        super().__init__(reason)
        self.place, self.got = place, got


def _imported(declared: OwnMethod, base: Path) -> type[Method]:
    """Import the class, and check that it is a method."""
    of, source = declared.of, source_of(declared.module, base)
    if source is None:
        beside = [path.stem for path in base.glob("*.py")]
        close = get_close_matches(declared.module, beside, n=1)
        hint = f"did you mean {close[0]!r}? Otherwise write" if close else "write"
        raise _RefusedError(
            ("of",), of,
            f"there is no module {declared.module!r} in {base.resolve()} or among the installed "
            f"packages; {hint} {declared.module.replace('.', '/')}.py there, or install its "
            "package",
        )  # fmt: skip
    try:
        module = _executed(declared.module, source, str(base.resolve()))
    except (Exception, SystemExit) as error:
        raise _RefusedError(
            ("of",), of, f"{source.path} cannot be imported ({_said(error, source.path)}); mend it"
        ) from None
    found = vars(module).get(declared.class_name)
    known = [
        name
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, Method) and one.__module__ == module.__name__
    ]
    if found is None:
        allowed = ", ".join(map(repr, known)) or "none"
        raise _RefusedError(
            ("of",), of,
            f"{source.path} has no class {declared.class_name!r}; methods in it: {allowed}",
        )  # fmt: skip
    if not (isinstance(found, type) and issubclass(found, Method)) or inspect.isabstract(found):
        lacks = (
            f"lacks {', '.join(sorted(found.__abstractmethods__))}"
            if inspect.isabstract(found)
            else f"is no class derived from {BASE_CLASS}"
        )
        raise _RefusedError(
            ("of",), of,
            f"{declared.class_name!r} of {source.path} {lacks}; derive it from {BASE_CLASS} and "
            "give it `encoder` and `loss(batch)`",
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


def _facts(declared: OwnMethod, found: type[Method]) -> Iterator[Problem]:
    """Yield what the declaration says and the class does not."""
    if found.examples != declared.examples.kind:
        yield (
            ("examples",),
            declared.examples.kind,
            f"the class {declared.class_name} learns from {found.examples!r}, and the study "
            f"declares {declared.examples.kind!r}; write examples: {{kind: {found.examples}}}",
        )
    if set(found.reads) != set(declared.reads):
        yield (
            ("reads",),
            list(declared.reads),
            f"the class {declared.class_name} reads {list(found.reads)}, and the study declares "
            f"{list(declared.reads)}; write reads: {list(found.reads)}",
        )


def _made(declared: OwnMethod, found: type[Method], length_bins: int) -> Method:
    """Make the class as a worker does, with few units."""
    shape = (length_bins, TRIED_UNITS)
    generators = [np.random.default_rng(run) for run in range(TRIED_RUNS)]
    signature = inspect.signature(found)
    try:
        signature.bind(declared, shape, generators, **declared.settings)
    except TypeError as error:
        names = [*signature.parameters][3:]
        raise _RefusedError(
            ("settings",), declared.settings,
            f"{declared.class_name} cannot be made with the settings "
            f"{sorted(declared.settings)} ({error}); its settings are: "
            f"{', '.join(names) or 'none'}",
        ) from None  # fmt: skip
    try:
        made = found(declared, shape, generators, **declared.settings)
    except Exception as error:
        raise _RefusedError(
            ("settings",), declared.settings,
            f"{declared.class_name} refuses its settings ({_said(error, _file_of(found))})",
        ) from None  # fmt: skip
    if not isinstance(vars(made).get("encoder", made._modules.get("encoder")), StackedEncoder):
        raise _RefusedError(
            ("of",), declared.of,
            f"{declared.class_name} has no encoder; set self.encoder = "
            "build_encoder(declared.encoder, shape, generators)",
        )  # fmt: skip
    return made.to(torch.float32)


def _try(declared: OwnMethod, made: Method, length_bins: int, target: str) -> None:
    """Ask for the losses of a batch of noise, and whose parameters they depend on."""
    file = _file_of(type(made))
    try:
        loss = made.loss(_noise(declared, length_bins, target))
    except Exception as error:
        raise _RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} cannot be computed on a batch of noise "
            f"({_said(error, file)}); mend it",
        ) from None  # fmt: skip
    if not isinstance(loss, Tensor) or loss.shape != (TRIED_RUNS,):
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise _RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} for {TRIED_RUNS} runs is {got}; it must be a "
            f"tensor ({TRIED_RUNS},), one loss per run: the first axis of every tensor is the run",
        )  # fmt: skip
    learned = [parameter for parameter in made.parameters() if parameter.requires_grad]
    slopes = (
        torch.autograd.grad(loss[0], learned, allow_unused=True) if loss.requires_grad else [None]
    )
    reached = [slope for slope in slopes if slope is not None]
    if not reached:
        raise _RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} depends on no parameter, so nothing is learned",
        )  # fmt: skip
    if any(bool((slope[1:] != 0).any()) for slope in reached):
        raise _RefusedError(
            ("of",), declared.of,
            f"the loss of one run of {declared.class_name} depends on the parameters of another; "
            "take no mean, sum or product over the first axis, which is the run",
        )  # fmt: skip


def _noise(declared: OwnMethod, length_bins: int, target: str) -> Batch:
    """A batch of pairs of noise."""
    noise = torch.Generator().manual_seed(0)
    shape = (TRIED_RUNS, 2 * TRIED_PAIRS, length_bins, TRIED_UNITS)
    rows = torch.arange(TRIED_PAIRS).repeat(2).expand(TRIED_RUNS, -1)
    first = torch.arange(TRIED_PAIRS)
    columns = 2 if target == "circular" else 1
    targets = (
        first.repeat(2).expand(TRIED_RUNS, -1) % 2
        if target == "categorical"
        else torch.randn((*shape[:2], columns), generator=noise)
    )
    return Batch(
        torch.randn(shape, generator=noise),
        rows,
        Timeline(first * length_bins, torch.zeros_like(first), length_bins, 0.1),
        key_tensor([*range(TRIED_RUNS)], torch.device("cpu")),
        targets=targets if declared.reads_target else None,
        counts=torch.poisson(torch.ones(shape), noise) if declared.reads_counts else None,
    )


def _file_of(found: type[Method]) -> Path:
    """File in which a class is defined."""
    return Path(inspect.getfile(found))


def _said(error: BaseException, path: Path) -> str:
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
