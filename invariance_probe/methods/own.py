"""User-defined methods: import the class that a study names, and check it.

In: the declaration of a user-defined method and the folder of the study. Out: the
class, or what keeps it from being trained, each with its place in the declaration.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.data.own_classes import Family, RefusedError, file_of, imported, made, said
from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.errors import StudyError
from invariance_probe.methods.base import Batch, Method, Timeline
from invariance_probe.study.declaration import Problem
from invariance_probe.study.methods import OwnMethod

OWN_METHODS = Family(
    Method,  # type: ignore[type-abstract]
    "methods",
    "`encoder` and `loss(batch)`",
)
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
        found = imported(declared, base, OWN_METHODS)
    except RefusedError as refused:
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
        found = imported(declared, base, OWN_METHODS)
        wrong = [*_facts(declared, found)]
        model = None if wrong else _made(declared, found, length_bins)
        if model is not None and declared.examples.kind == "pairs":
            _try(declared, model, length_bins, target)
    except RefusedError as refused:
        yield refused.place, refused.got, str(refused)
        return
    yield from wrong


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
    model = made(declared, found, (declared, shape, generators))
    if not isinstance(vars(model).get("encoder", model._modules.get("encoder")), StackedEncoder):
        raise RefusedError(
            ("of",), declared.of,
            f"{declared.class_name} has no encoder; set self.encoder = "
            "build_encoder(declared.encoder, shape, generators)",
        )  # fmt: skip
    return model.to(torch.float32)


def _try(declared: OwnMethod, model: Method, length_bins: int, target: str) -> None:
    """Ask for the losses of a batch of noise, and whose parameters they depend on."""
    file = file_of(type(model))
    try:
        loss = model.loss(_noise(declared, length_bins, target))
    except Exception as error:
        raise RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} cannot be computed on a batch of noise "
            f"({said(error, file)}); mend it",
        ) from None  # fmt: skip
    if not isinstance(loss, Tensor) or loss.shape != (TRIED_RUNS,):
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} for {TRIED_RUNS} runs is {got}; it must be a "
            f"tensor ({TRIED_RUNS},), one loss per run: the first axis of every tensor is the run",
        )  # fmt: skip
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    slopes = (
        torch.autograd.grad(loss[0], learned, allow_unused=True) if loss.requires_grad else [None]
    )
    reached = [slope for slope in slopes if slope is not None]
    if not reached:
        raise RefusedError(
            ("of",), declared.of,
            f"the loss of {declared.class_name} depends on no parameter, so nothing is learned",
        )  # fmt: skip
    if any(bool((slope[1:] != 0).any()) for slope in reached):
        raise RefusedError(
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
