"""Exceptions for all errors that a user can cause.

A message says what is wrong, the value that was found, what is allowed and what to do.
A mistake in the toolkit itself raises an AssertionError instead.
"""


class InvarianceProbeError(Exception):
    """Base class of all errors that the toolkit raises on purpose."""


class StudyError(InvarianceProbeError):
    """The study is wrong; the message lists every problem.

    Each problem of a study file is one line: `file:line:col: path: what is wrong`.
    """


class DataError(InvarianceProbeError):
    """A recording cannot be used as declared.

    For example: a missing file or array, NaN, a wrong shape, or no windows.
    """


class ArrayError(DataError, ValueError):
    """An array given to the scikit-learn transformer cannot be used.

    It is also a ValueError, because scikit-learn expects one.
    """


class TrainingError(InvarianceProbeError):
    """Training or a measurement cannot be done as declared.

    A worker that meets it records the runs concerned as failed, with its message.
    """


class StoreError(InvarianceProbeError):
    """The run store, or the file of an encoder, cannot be used.

    It is damaged, lacks what was requested, or is not a store or encoder file.
    """


class DamagedError(StoreError):
    """A folder in the store is incomplete, or was changed after it was written."""


class WriteError(StoreError):
    """The store cannot be written: a full disk, a quota, no permission.

    What was committed before is safe.
    """


class InferenceError(InvarianceProbeError):
    """The results do not suffice for the requested inference."""


class ExecutionError(InvarianceProbeError):
    """Runs cannot be handed out to worker processes.

    For example: the cluster's commands are missing, they refuse a job, or no scheduler
    answers.
    """
