"""The exception tree: every error that a user can cause.

A message says what is wrong, the value got, what is allowed and what to do. Nothing here is raised for
our own mistakes; those are assertions.
"""


class InvarianceProbeError(Exception):
    """Base of every error that the toolkit raises on purpose."""


class StudyError(InvarianceProbeError):
    """The study file is wrong: each problem is one line, `file:line:col: path: what is wrong`."""


class DataError(InvarianceProbeError):
    """A recording cannot be used as declared: missing file or array, NaN, wrong shape, no windows."""


class ArrayError(DataError, ValueError):
    """An array handed to the scikit-learn transformer cannot be used; also a ValueError, as scikit-learn asks."""


class TrainingError(InvarianceProbeError):
    """Training cannot go on, as opposed to a run that failed and is recorded as failed."""


class StoreError(InvarianceProbeError):
    """The run store or an encoder's file is damaged, lacks what is asked for, or holds something else."""


class DamagedError(StoreError):
    """What is stored in one folder was torn, or changed after it was written."""


class WriteError(StoreError):
    """The store cannot be written: a full disk, a quota, no permission. What was committed is safe."""


class InferenceError(InvarianceProbeError):
    """The results cannot carry the inference asked for."""


class ExecutionError(InvarianceProbeError):
    """Runs cannot be handed out: the cluster's commands are missing, refuse a job, or nobody answers."""
