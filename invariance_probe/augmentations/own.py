"""User-defined augmentations: import the class that a study names, run it, check it.

In: the declaration of a user-defined augmentation and the folder of the study. Out: a
transform of the views of stacked runs, which are trained together, or what keeps the class
from being used, each with its place in the declaration.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.base import Augmentation, Numbers
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.data.own_classes import Family, RefusedError, file_of, imported, made, said
from invariance_probe.errors import StudyError
from invariance_probe.study.counting import counted
from invariance_probe.study.declaration import Problem
from invariance_probe.study.transforms import OwnTransform

OWN_AUGMENTATIONS = Family(
    Augmentation,  # type: ignore[type-abstract]
    "augmentations",
    "`draw(numbers, shape)` and `apply(windows, drawn, dose)`",
)
TRIED_WINDOWS, TRIED_UNITS = 16, 24
"""Size of the batch of noise on which a class is tried: windows and units."""
DTYPES = {"counts": (torch.int16, torch.int32), "standardised": (torch.float32, torch.float64)}
"""Types of the windows that reach an augmentation, by its stage."""


@dataclass(frozen=True, eq=False)
class OwnCorruption:
    """Corrupt views by a user-defined augmentation."""

    augmentation: Augmentation
    """The user's object, made with the declared settings."""
    dose: Tensor
    """Dose of each run (run, 1, 1, 1), float64."""
    identity: float
    """The dose that changes nothing."""
    standardised: bool
    """Whether it acts on standardised activity."""

    @classmethod
    def of(cls, declared: list[OwnTransform], rates: Tensor, base: Path) -> "OwnCorruption":
        """Build the transform for K stacked runs, which differ only in dose.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        base
            Folder of the study, in which the module is looked for first.

        Raises
        ------
        StudyError
            When the class cannot be imported, or is not what the declaration says.
        """
        first = declared[0]
        found = own_augmentation(first, base)
        dose = torch.tensor([d.dose for d in declared], device=rates.device, dtype=torch.float64)
        return cls(
            found(**first.settings),
            dose.view(-1, 1, 1, 1),
            first.identity_dose,
            first.stage == "standardised",
        )

    @property
    def idle(self) -> bool:
        """Whether every run has the dose that changes nothing."""
        return bool((self.dose == self.identity).all())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Any:
        """Draw what the augmentation needs.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        drawn
            Whatever the user's `apply` takes.
        """
        return self.augmentation.draw(Numbers(draws), shape)

    def apply(self, windows: Tensor, drawn: Any) -> Tensor:
        """Corrupt the windows at each run's dose.

        Parameters
        ----------
        windows
            Activity (run, batch, time, unit).
        drawn
            Output of `draw`.

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return self.augmentation.apply(windows, drawn, self.dose)


def own_augmentation(declared: OwnTransform, base: Path) -> type[Augmentation]:
    """Import the class of a user-defined augmentation.

    Parameters
    ----------
    declared
        The augmentation.
    base
        Folder of the study, in which its module is looked for first.

    Raises
    ------
    StudyError
        When the class cannot be imported, or is not what the declaration says.
    """
    try:
        found = imported(declared, base, OWN_AUGMENTATIONS)
        for place, got, reason in _facts(declared, found):
            raise RefusedError(place, got, reason)
    except RefusedError as refused:
        where = ".".join(map(str, refused.place))
        raise StudyError(f"{declared.title}: {where}: {refused}") from None
    return found


def own_augmentation_problems(
    declared: OwnTransform, base: Path, length_bins: int, doses: Sequence[float]
) -> Iterator[Problem]:
    """Yield what keeps a user-defined augmentation from being used.

    It is imported, made with its settings, and applied to a batch of noise at every dose.

    Parameters
    ----------
    declared
        The augmentation.
    base
        Folder of the study, in which its module is looked for first.
    length_bins
        Bins per window.
    doses
        The doses that the study uses.
    """
    try:
        found = imported(declared, base, OWN_AUGMENTATIONS)
        wrong = [*_facts(declared, found)]
        if not wrong:
            tried = [declared.identity_dose, *sorted({*doses} - {declared.identity_dose})]
            _try(declared, found, length_bins, tried)
    except RefusedError as refused:
        yield refused.place, refused.got, str(refused)
        return
    yield from wrong


def _facts(declared: OwnTransform, found: type[Augmentation]) -> Iterator[Problem]:
    """Yield what the declaration says and the class does not."""
    if found.stage not in DTYPES:
        raise RefusedError(
            ("stage",), declared.stage,
            f"the class {declared.class_name} has stage {found.stage!r}; it must be one of "
            f"{', '.join(map(repr, DTYPES))}",
        )  # fmt: skip
    for name, says, written in (
        ("stage", found.stage, declared.stage),
        ("identity_dose", found.identity_dose, declared.identity_dose),
        ("needs_bins", found.needs_bins, declared.needs_bins),
    ):
        if says != written:
            yield (
                (name,),
                written,
                f"the class {declared.class_name} has {name} {_in_yaml(says)}, and the study "
                f"declares {_in_yaml(written)}; write {name}: {_in_yaml(says)}",
            )


def _in_yaml(fact: str | float | bool) -> str:
    """Write a fact about a class as a study file does."""
    return str(fact).lower() if isinstance(fact, bool) else f"{fact}"


@dataclass(frozen=True, eq=False)
class _Trial:
    """A batch of noise, and the doses at which it is corrupted: one run per dose."""

    windows: Tensor
    """Noise (run, window, time, unit)."""
    doses: Tensor
    """(run,), float64; the identity dose first."""
    keys: Tensor
    """Key of each run's random numbers (run,)."""

    @classmethod
    def of(cls, doses: Sequence[float], length_bins: int, dtype: torch.dtype) -> "_Trial":
        """Make the noise of one type: counts, or standardised activity."""
        noise = torch.Generator().manual_seed(0)
        shape = (len(doses), TRIED_WINDOWS, length_bins, TRIED_UNITS)
        windows = (
            torch.randn(shape, generator=noise)
            if dtype.is_floating_point
            else torch.poisson(torch.full(shape, 3.0), noise)
        )
        keys = key_tensor([*range(1, len(doses) + 1)], torch.device("cpu"))
        return cls(windows.to(dtype), torch.tensor(doses, dtype=torch.float64), keys)

    def run(self, place: int) -> "_Trial":
        """One run alone."""
        alone = slice(place, place + 1)
        return _Trial(self.windows[alone], self.doses[alone], self.keys[alone])

    def view(self, augmentation: Augmentation, step: int = 1, shared: bool = False) -> Tensor:
        """Corrupt the windows as in one step, with or without a draw that they share."""
        runs, batch = self.windows.shape[:2]
        rows = torch.arange(batch).expand(runs, -1) * (not shared)
        numbers = Numbers(Draws(self.keys, step, torch.zeros_like(self.keys), rows))
        drawn = augmentation.draw(numbers, (self.windows.shape[2], self.windows.shape[3]))
        return augmentation.apply(self.windows, drawn, self.doses.view(-1, 1, 1, 1))


def _try(
    declared: OwnTransform, found: type[Augmentation], length_bins: int, doses: Sequence[float]
) -> None:
    """Corrupt batches of noise, and compare what comes out with what must."""
    name = declared.class_name
    for dtype in DTYPES[declared.stage]:
        trial = _Trial.of(doses, length_bins, dtype)
        try:
            for reason in _broken_rules(trial, lambda: made(declared, found)):
                raise RefusedError(("of",), declared.of, f"{name} {reason}")
        except RefusedError:
            raise
        except Exception as error:
            raise RefusedError(
                ("of",), declared.of,
                f"{name} cannot corrupt a batch of noise ({str(dtype).removeprefix('torch.')} "
                f"windows of {counted(length_bins, 'bin')} and {TRIED_UNITS} units) at the doses "
                f"{', '.join(f'{dose:g}' for dose in doses)}: {said(error, file_of(found))}; "
                "mend it",
            ) from None  # fmt: skip


def _broken_rules(trial: _Trial, make: Callable[[], Augmentation]) -> Iterator[str]:
    """Yield each rule of augmentations that is broken, in words that follow a name.

    Parameters
    ----------
    trial
        The batch of noise.
    make
        Makes the user's object anew.
    """
    windows, before, state = trial.windows, trial.windows.clone(), _global_state()
    augmentation = make()
    out = trial.view(augmentation)
    if not isinstance(out, Tensor):
        yield f"gives {type(out).__name__} for windows; it must give a tensor"
        return
    if out.shape != windows.shape or out.dtype != windows.dtype:
        yield (
            f"gives {out.dtype} {tuple(out.shape)} for windows that are {windows.dtype} "
            f"{tuple(windows.shape)}; keep their shape, and their type by .to(windows.dtype)"
        )
        return
    if not torch.equal(windows, before):
        yield "changes the windows that it is given; leave them, and return new ones"
    if not bool(out.isfinite().all()):
        yield "gives numbers that are not finite; give finite ones at every dose"
    if not windows.is_floating_point() and bool((out < 0).any()):
        yield "gives counts below 0; with `stage` counts, counts must stay counts"
    if not torch.equal(out[0], windows[0]):
        yield (
            f"changes windows at the identity dose {float(trial.doses[0]):g}; return them there "
            "unchanged, to the last bit"
        )
    later, fresh = trial.view(augmentation, step=2), make()
    same = torch.equal(trial.view(fresh, step=2), later) and torch.equal(trial.view(fresh), out)
    if state != _global_state():
        yield "draws from torch's or NumPy's global generator; take all numbers from `numbers`"
    elif not same:
        yield (
            "gives other views when it is asked again for the same step and windows; take all "
            "random numbers from `numbers`, and keep nothing on self between calls"
        )
    alike = replace(trial, windows=windows[:, :1].expand_as(windows).contiguous())
    shared = alike.view(augmentation, shared=True)
    if not torch.equal(shared, shared[:, :1].expand_as(shared)):
        yield (
            "corrupts equal windows of a batch differently in the arm `shared`, in which they "
            "have the same random numbers; take all random numbers from `numbers`"
        )
    alone = torch.cat([trial.run(place).view(augmentation) for place in range(len(out))])
    if not torch.equal(alone, out):
        yield (
            "gives a run other views when other runs are in its stack; let nothing mix over the "
            "first axis, which is the run"
        )
    fewer = replace(trial, windows=windows[:, : TRIED_WINDOWS // 3])
    if not torch.equal(fewer.view(augmentation), out[:, : TRIED_WINDOWS // 3]):
        yield (
            "gives a window another view when other windows are in its batch; let nothing mix "
            "over the second axis, which is the window"
        )


def _global_state() -> tuple[bytes, bytes]:
    """State of torch's and of NumPy's global random generator."""
    numpys = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), pickle.dumps(numpys)
