"""Estimate the peak memory of a worker process before anything is run.

In: a plan. Out: how many bytes one worker needs, from the shapes of recordings, windows
and networks alone, and which measurement of which session needs them. The estimate is
rough; it should be too small by no more than a fifth. How much memory a machine has is
found elsewhere (`executors.memory`).

The limits on what is held at once are here too, because the estimate rests on them.
Sessions of usual size are held as one table of windows. The windows of larger sessions
are read in chunks.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination, GradientRun, SupervisedBaseline
from invariance_probe.plan.run import Run
from invariance_probe.study.baselines import (
    PCA,
    CircularNull,
    Code,
    MinedPairs,
    PseudoNull,
    SessionNull,
    ShiftNull,
    Untrained,
)
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.methods import LinearSSL, title_of
from invariance_probe.study.session import Session

TABLE_VALUES = 1 << 24
"""Largest number of values of one run's table of samples that is held at once.

It does not depend on how many runs are stacked, so that a run's numbers do not either.
"""
TOGETHER_VALUES = 1 << 25
"""Largest number of values in the tables of all runs that are measured together."""
CODE_CHUNK_VALUES = 4_000_000
"""Largest number of values in a chunk that the measurement `code` reads."""
CHUNK_VALUES = 1 << 21
"""Largest number of values in a chunk of a larger table that decoders read."""
ENCODED_VALUES = 1 << 19
"""Largest number of values of one run in a chunk of windows that encoders read.

It is smaller because many runs are encoded together, and random draws take several
times the memory of the values.
"""
HELD_VALUES = 1 << 26
"""Largest number of values of the sums that several sets of windows share."""

START_BYTES = 420_000_000
"""Memory of a worker process with its libraries."""
CACHED_BYTES = 1 << 30
"""Largest total size of the recordings that a worker holds; the last one may be larger."""
OPENING = 3
"""Copies of the activity that are held while a file is opened."""
TABLES = 5
"""Copies of a table of windows in double precision that a decoder holds while it is fitted."""
GRAMS = 8
"""Matrices of inputs by inputs that a decoder of a large session holds."""
CODE_GRAMS = 9
"""Matrices of inputs by inputs that the measurement `code` holds beside those of its blocks."""
SETS = 40
"""Sets of windows whose sums are held together: inner folds of all decoders of a baseline."""
DRAWS = 8
"""Copies of a chunk that are held while corruptions of it are drawn."""
STACK = 16
"""Most models in one stack."""
COLUMNS = 8
"""Target columns that are assumed, as an inspection does not say how many there are."""
NULL_COLUMNS = 150
"""Target columns of all draws of a null that are decoded together."""


@dataclass(frozen=True)
class Need:
    """The memory that the most demanding measurement of a worker needs.

    Attributes
    ----------
    bytes
        Peak memory of one worker process.
    session
        Name of the session that is measured then.
    measured
        What is measured then, in words.
    """

    bytes: float
    session: str
    measured: str

    def __str__(self) -> str:
        return f"{self.bytes / 1e9:.1f} GB ({self.measured} of session {self.session!r})"


def worker_need(plan: Plan, missing: Collection[str] | None = None) -> Need:
    """Estimate the peak memory of one worker process.

    Parameters
    ----------
    plan
        The plan, whose sessions were inspected.
    missing
        Keys of the runs that are still to be measured; all if omitted.
    """
    sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
    held = [_recording_bytes(session) for session in sessions.values()]
    needs = [Need(START_BYTES, "", "nothing")]
    for run in _kinds(plan.runs, missing):
        session = sessions[run.session]
        own = _recording_bytes(session)
        cached = max(own, min(sum(held), CACHED_BYTES))
        needs.append(
            Need(
                START_BYTES + cached + max((OPENING - 1) * own, _working_bytes(run, session)),
                session.name,
                "examining encoders"
                if isinstance(run, EncoderExamination)
                else title_of(run.method),
            )
        )
    return max(needs, key=lambda need: need.bytes)


def _recording_bytes(session: Session) -> float:
    """Size of a session's activity and streams in bytes."""
    return 4.0 * (session.units * session.bins + sum(session.streams.values()))


def _kinds(runs: Iterable[Run], missing: Collection[str] | None) -> list[Run]:
    """Return one run of each kind of measurement and session."""
    found: dict[tuple[str, str, type[Run]], Run] = {}
    for run in runs:
        kind = (run.session, run.method.kind, type(run))
        if kind not in found and (missing is None or run.key() in missing):
            found[kind] = run
    return list(found.values())


def _working_bytes(run: Run, session: Session) -> float:
    """Estimate what a measurement holds beside the recording, in bytes."""
    bins, units, length = (
        session.bins // run.window.stride_bins,
        session.units,
        run.window.length_bins,
    )
    features = units * length
    model = run.model() if isinstance(run, EncoderExamination) else run
    if isinstance(model, GradientRun):
        stream = session.streams.get(model.condition.views.stream, 0) / session.bins
        return _training_bytes(model, bins, units, length, stream * length)
    if isinstance(run, EncoderExamination):
        return encoding_bytes(bins, features, 32, 8)
    method = run.method
    if isinstance(method, Code):
        return code_bytes(method, bins, units, length)
    if isinstance(method, Untrained):
        return encoding_bytes(bins, features, method.encoder.dimensions, 8)
    if isinstance(method, ShiftNull | CircularNull | SessionNull | PseudoNull):
        targets = 8.0 * bins * NULL_COLUMNS * 1.5
        return targets + decoding_bytes(bins, features, units, columns=NULL_COLUMNS, sets=SETS // 2)
    dimensions = method.dimensions if isinstance(method, PCA | LinearSSL | MinedPairs) else 0
    return decoding_bytes(bins, features, units, dimensions, sets=SETS // 8 if dimensions else SETS)


def decoding_bytes(
    windows: int,
    features: int,
    units: int,
    dimensions: int = 0,
    columns: int = COLUMNS,
    sets: int = SETS,
) -> float:
    """Estimate what a decoder of activity holds while it is fitted, in bytes.

    Parameters
    ----------
    windows, features
        Number of windows, and of values in a window.
    units
        Number of units.
    dimensions
        Dimensions of a linear map of the activity that is decoded instead; 0 if none.
    columns
        Target columns.
    sets
        Sets of windows that are summed together.
    """
    values = float(windows) * features
    if values <= TABLE_VALUES:
        return (
            8.0
            * TABLES
            * max(values, TOGETHER_VALUES if 5 * values > TOGETHER_VALUES else 5 * values)
        )
    mapped = 8.0 * windows * (dimensions + COLUMNS) * 2 + _probe_bytes(windows, dimensions)
    sums = min(float(HELD_VALUES), float(sets) * (units + columns) * features)
    return 8.0 * (GRAMS * float(features) ** 2 + sums + 4 * CHUNK_VALUES) + mapped


def encoding_bytes(windows: int, features: int, dimensions: int, width: int) -> float:
    """Estimate what representations of windows and their probe hold, in bytes.

    Parameters
    ----------
    windows, features
        Number of windows, and of values in a window.
    dimensions
        Dimensions of the representation.
    width
        Bytes of a value: 4 in single, 8 in double precision.
    """
    values = float(windows) * features
    inputs = 3.0 * width * min(values if values <= TABLE_VALUES else 2048.0 * features, 4 * values)
    together = max(1.0, min(STACK, TOGETHER_VALUES / max(values, 1.0)))
    return together * (inputs + width * windows * dimensions + _probe_bytes(windows, dimensions))


def _probe_bytes(windows: int, dimensions: int) -> float:
    """Estimate what a probe of one representation holds while it is fitted, in bytes."""
    table = float(windows) * (dimensions + 2 * COLUMNS)
    return 8.0 * (2 * table + (TABLES - 2) * min(table, TABLE_VALUES))


def code_bytes(asked: Code, bins: int, units: int, length: int) -> float:
    """Estimate what the measurement `code` holds, in bytes.

    Parameters
    ----------
    asked
        The measurement, with its blocks and corruptions.
    bins, units
        Size of the recording.
    length
        Bins per window.
    """
    # Square roots of all counts, or signals, standardised.
    activity, side = 8.0 * bins * units, float(units * length)
    blocks = asked.blocks * side**2
    # Matrices of blocks with many inputs are in a file, but for their sum.
    held = (2.0 if asked.corruptions else 1.0) * (blocks if blocks <= HELD_VALUES else side**2)
    drawn = DRAWS * CODE_CHUNK_VALUES
    return activity + 8.0 * (held + max(CODE_GRAMS * side**2, drawn))


def _training_bytes(
    run: GradientRun, bins: int, units: int, length: int, stream: float = 0.0
) -> float:
    """Estimate what a stack of models and its evaluation hold, in bytes.

    `stream` is the number of values of another stream in a window; 0 without one.
    """
    optimisation, encoder = run.optimisation, run.trained_method.encoder
    width = 8 if optimisation.precision == "float64" else 4
    first = max(encoder.widths) if isinstance(encoder, MLPEncoder) else 64
    features = units * length
    inputs = features + stream
    # Weights, gradients, and the update rule's and the method's state; then views with their
    # random bits, and layers.
    models = 6.0 * inputs * first + 2.0 * optimisation.batch_size * (8 * inputs + 8 * first)
    # Counts are packed for splitting: 2 bytes of ones for each 16 spikes, and the counts.
    packed = 0.0 if isinstance(run, SupervisedBaseline) else 10.0 * bins * units
    after = encoding_bytes(bins, features, encoder.dimensions, width)
    return packed + max(STACK * width * models + 2048.0 * features * width * STACK, after)
