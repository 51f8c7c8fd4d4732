"""Exceptions for every error that a user can cause.

A message says what is wrong, the value that was got, what is allowed and what to do.
Our own mistakes raise none of these: they are assertions.
"""


class InvarianceProbeError(Exception):
    """Base class of every error that the toolkit raises on purpose."""


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

    It is damaged, lacks what is asked for, or holds something else.
    """


class DamagedError(StoreError):
    """One stored folder is incomplete, or was changed after it was written."""


class WriteError(StoreError):
    """The store cannot be written: a full disk, a quota, no permission.

    What was committed before is safe.
    """


class InferenceError(InvarianceProbeError):
    """The results do not suffice for the inference that is asked for."""


class ExecutionError(InvarianceProbeError):
    """Runs cannot be handed out to workers.

    For example: the cluster's commands are missing, they refuse a job, or no scheduler
    answers.
    """
