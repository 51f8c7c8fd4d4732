"""Estimate what a plan costs before it is run.

In: a plan. Out: rough times in seconds of one core. On other machines an estimate
should be within a factor of two. The measurements `messengers`, `shared_dimensions` and
`mined_pairs` have no rates of their own.

The time of a model-step (one update of one model) is a fixed part, plus the
multiplications of its network, plus SimCLR's similarities of each row of the batch
with every other. The rates were fitted to 16 models trained together on a current CPU,
where a step of the quickstart study takes 1.3 ms. Methods whose step takes longer or
shorter than SimCLR's have a factor. The time of a measurement is a fixed part plus its
passes over the windows. Its rates were fitted to the stored times of
studies/quickstart.yaml and studies/reach_redundancy.yaml, which take 4.1 and about 30
core-minutes.
"""

import math
from collections.abc import Iterable
from itertools import pairwise

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import GradientRun, RelianceMeasurement
from invariance_probe.plan.run import Run
from invariance_probe.study.adversaries import (
    AdversarialNoise,
    AscendedMask,
    LearnedPolicy,
    WorstOfMasks,
)
from invariance_probe.study.baselines import Code
from invariance_probe.study.encoders import (
    ConvolutionEncoder,
    Encoder,
    GRUEncoder,
    TransformerEncoder,
)
from invariance_probe.study.methods import Reliance, TrainedMethod
from invariance_probe.study.session import Session
from invariance_probe.study.transforms import is_idle

FIXED_S = 2.4e-4
"""Seconds for the fixed part of a model-step."""
PRODUCT_S = 2.7e-10
"""Seconds for one multiplication and addition, forwards and backwards."""
SIMILARITY_S = 3.6e-9
"""Seconds for the similarity of one pair of rows of a batch."""
KERNELS = {("native", "float32"): 0.63, ("native", "bfloat16"): 0.5, ("torch", "bfloat16"): 0.85}
"""Time with other kernels and precisions, relative to torch with float32."""
METHODS = {
    "moco": 1.7, "byol": 1.1, "pbl": 0.9, "simsiam": 0.9, "barlow_twins": 0.9, "vicreg": 1.0,
    "cpc": 0.85, "relative_positioning": 0.65, "temporal_shuffling": 0.65, "myow": 1.8,
    "swap_vae": 1.9, "masked_sequence": 1.8, "y_aware": 1.8, "supcon": 1.8, "supervised": 0.2,
}  # fmt: skip
"""Time of a step, relative to SimCLR's with the same encoder and batch."""

MEASURED_S = {
    "raw": (3e-3, 0.0, 2e-9), "square_roots": (3e-3, 0.0, 2e-9), "pca": (2e-3, 0.0, 3e-10),
    "linear_ssl": (2e-3, 0.0, 3e-10), "untrained": (1e-3, 7e-6, 0.0),
    "supervised": (1e-3, 1e-4, 0.0), "shift_null": (3e-3, 0.0, 2.4e-9),
    "circular_null": (3e-3, 0.0, 2.4e-9), "session_null": (3e-3, 0.0, 2.4e-9),
    "pseudo_null": (3e-3, 0.0, 2.4e-9), "leak": (3e-3, 0.0, 4e-9),
    "persistence": (1e-3, 1e-6, 0.0), "test_lag": (0.23, 0.0, 1.2e-8),
}  # fmt: skip
"""Seconds for a measurement, without training steps.

They are a fixed part, a part per window, and a part per window and squared number of
input columns (units x bins).
"""
READOUT_S = (1e-3, 7e-6, 0.0)
"""The same for decoding from a trained encoder, or testing it on corrupted inputs."""
START_S = 3.0
"""Seconds for the start of a worker process, which loads torch."""

PART_S = 1.1e-9
"""Seconds for all decoders of the measurement `code`.

They are per training part and cubed number of input columns.
"""
UNIT_S = 1.0e-4
"""Seconds for choosing units in one training part, per input column."""
MASKS_S = (2.4e-3, 1.2e-10)
"""Seconds for refitting decoders on the masks of a corruption.

They are, per training part, a fixed part and a part per cubed number of input columns.
"""
DRAWN_S = 2.5e-8
"""Seconds for corrupting one value of the inputs."""
MOMENT_S = 2.5e-11
"""Seconds for one product in the sums that give second moments."""
PENALTIES_S = 9e-11
"""Seconds for trying all ridge penalties of the blind decoder.

This decoder is not told what was corrupted. The seconds are per training part and cubed
number of input columns.
"""


class Prices:
    """Expected single-core seconds of each run of a plan.

    Parameters
    ----------
    plan
        The plan, with its runs and sessions.
    """

    def __init__(self, plan: Plan) -> None:
        sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
        self._training = {r.key(): trained_seconds(r, sessions[r.session]) for r in plan.runs}
        self._measuring = {r.key(): measured_seconds(r, sessions[r.session]) for r in plan.runs}

    def training(self, keys: Iterable[str]) -> float:
        """Return the seconds of the training steps of runs, given by their keys."""
        return sum(self._training[key] for key in keys)

    def measuring(self, keys: Iterable[str]) -> float:
        """Return the seconds of runs without training steps, given by their keys.

        A run that is not part of the plan counts as 0.
        """
        return sum(self._measuring.get(key, 0.0) for key in keys)


def core_seconds(plan: Plan) -> float:
    """Return the rough single-core seconds of all training in a plan."""
    return Prices(plan).training(run.key() for run in plan.runs)


def measuring_seconds(plan: Plan) -> float:
    """Return the rough single-core seconds of a plan, except training."""
    return Prices(plan).measuring(run.key() for run in plan.runs)


def measured_seconds(run: Run, session: Session) -> float:
    """Return the rough single-core seconds of a run without its training steps.

    Parameters
    ----------
    run
        The run.
    session
        Its session, which sets the number of units and windows.
    """
    size = _size(session, run)
    if isinstance(run.method, Code):
        return code_seconds(run.method, *size)
    units, windows, bins = size
    trained = isinstance(run.method, TrainedMethod | Reliance)
    fixed, of_window, of_pair = READOUT_S if trained else MEASURED_S.get(run.method.kind, READOUT_S)
    return fixed + windows * (of_window + of_pair * (units * bins) ** 2)


def _size(session: Session, run: Run) -> tuple[int, int, int]:
    """Units, windows, and bins per window of a run's session."""
    return session.units, session.bins // run.window.stride_bins, run.window.length_bins


def trained_seconds(run: Run, session: Session) -> float:
    """Return the rough single-core seconds of the training steps of a run.

    Parameters
    ----------
    run
        The run.
    session
        Its session, which sets the number of units.
    """
    if not isinstance(run, GradientRun):
        return 0.0
    name = run.condition.views.stream
    # Half of the rows show the stream, if there is one.
    beside = session.streams.get(name, 0) / max(session.bins, 1) if name else session.units
    inputs = round((session.units + beside) / 2)
    return updates(run, session.units) * step_seconds(run, inputs)


def seconds_of_codes(plan: Plan) -> tuple[float, float]:
    """Return the rough single-core seconds of all measurements `code` of a plan.

    Returns
    -------
    plain
        Seconds without the jackknife.
    jackknife
        Seconds that the jackknife adds.
    """
    sessions = {session.name: session for session in (*plan.sessions, *plan.planted)}
    plain = whole = 0.0
    for run in plan.baselines:
        if isinstance(run.method, Code):
            size = _size(sessions[run.session], run)
            plain += code_seconds(run.method.model_copy(update={"jackknife": False}), *size)
            whole += code_seconds(run.method, *size)
    return plain, whole - plain


def code_seconds(asked: Code, units: int, windows: int, bins: int = 1) -> float:
    """Return the rough single-core seconds of one measurement `code`.

    The rates were fitted by benchmarks/dropping_curves.py.

    Parameters
    ----------
    asked
        The measurement, with its corruptions, blocks and jackknife.
    units, windows, bins
        Size of the session: number of units, of windows, and of bins per window.

    Returns
    -------
    seconds
        Time for all blocks and corruptions together.

    Examples
    --------
    >>> round(code_seconds(Code(), units=1000, windows=20_000))
    10
    """
    columns = units * bins
    pairs = math.comb(asked.blocks, 2)
    parts = asked.blocks + (pairs if asked.jackknife else 0)
    inner = pairs + (math.comb(asked.blocks, 3) if asked.jackknife else 0)
    masks = MASKS_S[0] + MASKS_S[1] * columns**3
    seconds = parts * (PART_S * columns**3 + UNIT_S * columns + masks * len(asked.corruptions))
    blind = (
        asked.draws * windows * columns * (DRAWN_S + MOMENT_S * columns)
        + inner * PENALTIES_S * columns**3
    )
    return seconds + MOMENT_S * windows * columns**2 + blind * len(asked.corruptions)


def updates(run: GradientRun, units: int) -> float:
    """Return the cost of a run, in update steps.

    The measurement `reliance` also makes forward passes after training, to find the units
    that a model relies on. Each counts as a third of a step.

    Parameters
    ----------
    run
        The run.
    units
        Number of units of its session.
    """
    attack = run.method.passes(units) if isinstance(run, RelianceMeasurement) else 0
    return run.steps + attack / 3


def step_seconds(run: GradientRun, units: int) -> float:
    """Return the rough single-core seconds of one training step of a run.

    Parameters
    ----------
    run
        The run.
    units
        Number of units of its session.
    """
    optimisation, method = run.optimisation, run.trained_method
    rows = 2 * optimisation.batch_size
    others = len(run.others())
    products = encoder_products(method.encoder, run.window.length_bins, units * (1 + others))
    products += _products((method.encoder.dimensions, *getattr(method, "projector", ())))
    seconds = FIXED_S + rows * products * PRODUCT_S + rows**2 * SIMILARITY_S
    faster = KERNELS.get((optimisation.kernels, optimisation.precision), 1.0)
    return seconds * METHODS.get(method.kind, 1.0) * faster * _passes(run)


def _passes(run: GradientRun) -> float:
    """Return the cost of a step with the run's adversary, relative to none.

    An adversary evaluates the models before they learn, which takes further passes
    forwards and backwards.
    """
    adversary = run.views.adversary
    if adversary is None or is_idle(adversary):
        return 1.0
    if isinstance(adversary, WorstOfMasks):
        return 1 + adversary.tries / 3  # without a backward pass
    if isinstance(adversary, AscendedMask):
        return 1 + adversary.ascents
    if isinstance(adversary, AdversarialNoise):
        return adversary.ascents
    if isinstance(adversary, LearnedPolicy):
        return adversary.draws
    # A learned mask that sees the window needs a random number and a network output for every
    # unit of each window.
    return 3.0 if adversary.sees == "window" else 1.0


def encoder_products(encoder: Encoder, bins: int, units: int) -> int:
    """Return the number of multiplications that an encoder makes for one window.

    Parameters
    ----------
    encoder
        The encoder.
    bins
        Number of bins per window.
    units
        Number of units.

    Examples
    --------
    >>> from invariance_probe.study.encoders import MLPEncoder
    >>> encoder_products(MLPEncoder(widths=(64, 64, 16)), 1, 60)
    8960
    """
    if isinstance(encoder, ConvolutionEncoder):
        return _of_convolutions(encoder, bins, units)
    if isinstance(encoder, GRUEncoder):
        return (
            3 * bins * encoder.width * (units + encoder.width) + encoder.width * encoder.dimensions
        )
    if isinstance(encoder, TransformerEncoder):
        width = encoder.width
        # Four linear maps of attention, two of the feed-forward layer, and the attention itself.
        block = 12 * width**2 + 2 * bins * width
        return bins * (units * width + encoder.layers * block) + width * encoder.dimensions
    return _products((bins * units, *encoder.widths))


def _of_convolutions(encoder: ConvolutionEncoder, bins: int, units: int) -> int:
    total, inputs = 0, units
    for channels in encoder.channels:
        kernel = min(encoder.kernel_bins, bins)
        bins = (bins - kernel) // encoder.stride_bins + 1
        total, inputs = total + bins * kernel * inputs * channels, channels
    return total + bins * inputs * encoder.dimensions


def _products(widths: tuple[int, ...]) -> int:
    """Return the number of multiplications of fully connected layers."""
    return sum(a * b for a, b in pairwise(widths))
