"""The compiled kernels' functions, called on stacked CPU tensors.

Arguments are passed as they are: shapes and types are the callers' care.
"""

import ctypes
from functools import lru_cache

import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
from invariance_probe.kernels.build import library

READ = {torch.float32, torch.int64, torch.int16}
"""Types of the tensors whose memory native.cpp reads and writes."""


class Native:
    """The functions of native.cpp.

    Every tensor is contiguous, on the CPU, and its first axis is the run. The functions
    are inner loops: shapes and types are their callers' care.

    Parameters
    ----------
    compiled
        The library that `build.library` loaded.
    """

    def __init__(self, compiled: ctypes.CDLL) -> None:
        self._compiled = compiled
        self.multiplies_halves = bool(compiled.multiplies_halves())
        """Whether the processor multiplies bfloat16 itself.

        If not, it is done in single precision, with the same rounding and no faster.
        """

    def call(self, name: str, *arguments: Tensor | int | float | None) -> None:
        """Call a function of native.cpp by name.

        Parameters
        ----------
        name
            Of the function.
        *arguments
            Tensors become pointers to their memory, numbers C's long and float, and
            None the null pointer.
        """
        getattr(self._compiled, name)(*map(_passed, arguments))


def _passed(
    argument: Tensor | int | float | None,
) -> ctypes.c_void_p | ctypes.c_long | ctypes.c_float:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        assert argument.is_contiguous() and argument.device.type == "cpu" and argument.dtype in READ
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_long(argument)


@lru_cache(maxsize=1)
def native() -> Native:
    """Load the compiled kernels.

    Raises
    ------
    TrainingError
        When they cannot be built on this machine; the message says why.
    """
    found = library()
    if isinstance(found, str):
        raise TrainingError(
            f"training.kernels is 'native', but the kernels cannot be built here: {found}; install "
            "a C++ compiler (GCC or Clang), or use training.kernels: torch"
        )
    return Native(found)
