"""SSL methods as scikit-learn transformers of arrays, outside a study.

In: an array of activity (time, unit). Out: its representation (time, dimension).
Training is the same as in a study (`probing.measurements.trained.train_ssl`), but uses
all windows of one array, without folds. No verdict is given. A method, its views and
its training are declared as in a study file, either by a class such as
`SimCLR(temperature=0.2)` or by plain data.
"""

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from invariance_probe.data.arrays import as_labels
from invariance_probe.data.folds import Fold
from invariance_probe.data.problems import view_problems
from invariance_probe.data.recording import Recording
from invariance_probe.data.windows import Windows, cut_windows
from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.errors import ArrayError, DataError, StoreError, StudyError, TrainingError
from invariance_probe.methods import METHODS
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.probing.representation.diagnostics import rank_me
from invariance_probe.probing.representation.encoding import encode_clean, normed_rows
from invariance_probe.results.encoder_file import (
    INPUT_INVERSE_SD,
    INPUT_MEAN,
    EncoderFile,
    EncoderHeader,
)
from invariance_probe.study.consistency.words import reason_of_item
from invariance_probe.study.declaration import MethodDeclaration
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.methods import DECLARED_METHODS, Method, SimCLR, TrainedMethod
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.training import Optimisation
from invariance_probe.study.transforms import GaussianNoise
from invariance_probe.study.views import NoSplitting, Views

ARRAY = "X"
"""Session name given to every array; it and the seed determine all random numbers."""
FEWEST_WINDOWS = 4
"""Smallest number of windows that an array must have, which is the smallest batch."""
NOISE = 0.5
"""Standard deviation of the noise added to each view of a z-scored signal.

It is used if no views are declared.
"""
PASS = 1 << 22
"""Largest number of input values that are encoded at once, to limit memory."""
CPU = torch.device("cpu")


class SSLTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learn a representation of neural activity without labels, and apply it.

    Row t of the output is the representation of the window whose central bin
    (`window_bins // 2` after its first) is bin t. There is thus one row per bin, to be
    compared with the target of that bin, as in a study. Near the ends of the array or
    of a trial, no window can be centred on a bin; the row is then that of the nearest
    window in the same trial. No window crosses a trial border, if `trials` are given
    both to `fit` and to `transform`.

    Parameters
    ----------
    method
        The method with its encoder, as a declaration (`SimCLR(temperature=0.2)`) or as
        plain data (`{"kind": "simclr", "temperature": 0.2}`); SimCLR with its defaults
        if omitted. Any method that is trained by gradient descent is allowed.
    views
        How training views are made, as a `Views` or as plain data. If omitted, each
        view is one half of every spike count or, for signals, all activity with white
        noise of half a standard deviation.
    training
        An `Optimisation` or plain data. If omitted, its defaults are used, with a batch
        size of at most the number of windows.
    window_bins
        Number of successive bins in one window.
    bin_s
        Length of a bin in seconds. With the default of 1, durations in declarations
        are in bins.
    activity_kind
        `counts`, `signal`, or `auto`, which means counts if all values are whole
        numbers >= 0. Give `signal` for whole numbers that are not counts.
    target_kind
        Kind of `y`, for methods that learn from it: `continuous`, `categorical`,
        `circular` (radians), or `auto`, which means continuous for floating-point
        values and categorical otherwise.
    seed
        Determines the initial weights, batch order and views; the same seed gives the
        same encoder.
    device
        Where the encoder is trained: `cpu` or `cuda`.

    Attributes
    ----------
    n_features_in_, feature_names_in_
        As in scikit-learn.
    encoder_
        The frozen encoder, in double precision on the CPU.
    header_
        Describes the encoder and how it was trained. Its `diagnostics` are the mean SSL
        loss over the last tenth of the steps, and RankMe, the effective rank of the
        representation (below about 1.5 it has collapsed).
    scaling_
        Mean and inverse standard deviation of each unit (2, unit).

    Examples
    --------
    >>> gen = np.random.default_rng(0)
    >>> drive = np.sin(np.arange(400) / 9)
    >>> counts = gen.poisson(np.exp(1 + 0.5 * drive[:, None] * gen.standard_normal(20)))
    >>> encoder = {"kind": "mlp", "widths": [32, 8]}
    >>> method = {"kind": "simclr", "encoder": encoder}
    >>> learned = SSLTransformer(method, training={"steps": 30}).fit(counts)
    >>> learned.transform(counts).shape
    (400, 8)
    """

    def __init__(
        self,
        method: Any = None,
        *,
        views: Any = None,
        training: Any = None,
        window_bins: int = 1,
        bin_s: float = 1.0,
        activity_kind: str = "auto",
        target_kind: str = "auto",
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.method = method
        self.views = views
        self.training = training
        self.window_bins = window_bins
        self.bin_s = bin_s
        self.activity_kind = activity_kind
        self.target_kind = target_kind
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any = None, trials: Any = None) -> Self:
        """Train the encoder on all windows of an array.

        Parameters
        ----------
        X
            Spike counts or signals (time, unit).
        y
            Labels or values, (time,) or (time, column), for methods that learn from
            them; other methods ignore it.
        trials
            Trial of each bin (time,). If omitted, all bins are one stretch.

        Returns
        -------
        self
            The fitted transformer.

        Raises
        ------
        ArrayError
            For arrays that cannot be used. It is both a `DataError` and a `ValueError`.
        StudyError
            For an invalid declaration.
        TrainingError
            When a batch is larger than the number of windows, or the loss stops being
            finite.
        """
        _check_choice("activity_kind", self.activity_kind, ("auto", "counts", "signal"))
        _check_choice(
            "target_kind", self.target_kind, ("auto", "continuous", "categorical", "circular")
        )
        window = _declared("window_bins", Window, {"length_bins": self.window_bins})
        X = validate_data(self, X, ensure_min_samples=window.length_bins + FEWEST_WINDOWS - 1)
        kind = _kind_of(X) if self.activity_kind == "auto" else self.activity_kind
        method = _method(SimCLR() if self.method is None else self.method)
        target = Target(name="y", kind=self._kind_of_target(y))
        recording = _recording(
            X, kind, self.bin_s, trials, {"y": np.asarray(y)} if method.reads_target else {}
        )
        windows = cut_windows(recording, window)
        views = self._views(kind)
        for place, _, reason in view_problems(views, recording, recording.bin_s):
            raise ArrayError(f"{'.'.join(map(str, place))}: {reason}")
        run = TrainedModel(
            fingerprint=recording.content.recording,
            session=ARRAY,
            window=window,
            folds=Folds(),
            fold=0,
            seed=self.seed,
            study_seed=0,
            method=method.model_copy(update={"training": None}),
            views=views,
            target=target,
            probe=RidgeProbe(),
            optimisation=method.optimisation(self._optimisation(len(windows.starts))),
        ).reading(recording.content)
        device = torch.device(self.device)
        bench = Workbench(
            recording,
            windows,
            _everything(windows),
            _target(recording, windows, target, device),
            device,
        )
        return self._take(_train(bench, run))

    def transform(self, X: Any, trials: Any = None) -> np.ndarray:
        """Map the activity in each bin to its representation.

        Parameters
        ----------
        X
            Activity (time, unit) of the units that the encoder was trained on, in the
            same order and on the same scale.
        trials
            Trial of each bin (time,). If omitted, all bins are one stretch.

        Returns
        -------
        representation
            (time, dimension), in double precision.
        """
        check_is_fitted(self)
        length = self.header_.window_bins
        X = validate_data(self, X, reset=False, ensure_min_samples=length)
        recording = _recording(X, self.header_.activity_kind, self.header_.bin_s, trials, {})
        starts = _starts(recording.stretches, length)
        # Bins near a border share a window, which is encoded once.
        once, row_of = np.unique(starts, return_inverse=True)
        parts = np.array_split(once, max(1, math.ceil(len(once) * length * X.shape[1] / PASS)))
        return np.concatenate([self._encode(recording.activity, part, length) for part in parts])[
            row_of
        ]

    def fit_transform(self, X: Any, y: Any = None, trials: Any = None) -> np.ndarray:
        """Train on an array and map it to its representation.

        Parameters
        ----------
        X
            Spike counts or signals (time, unit).
        y
            Labels or values, for methods that learn from them; see `fit`.
        trials
            Trial of each bin (time,). If omitted, all bins are one stretch.

        Returns
        -------
        representation
            (time, dimension), in double precision.
        """
        return self.fit(X, y, trials).transform(X, trials)

    def save(self, path: str | Path) -> Path:
        """Write the encoder to a safetensors file that `load` reads.

        Parameters
        ----------
        path
            The file to write.

        Returns
        -------
        path
            The file that was written.

        Raises
        ------
        StoreError
            When the file cannot be written.
        """
        check_is_fitted(self)
        mean, inverse = self.scaling_
        weights = {**self.encoder_.arrays(0), INPUT_MEAN: mean, INPUT_INVERSE_SD: inverse}
        return EncoderFile(self.header_, weights).save(path)

    @classmethod
    def load(cls, path: str | Path) -> "SSLTransformer":
        """Read an encoder that `save`, or `invariance-probe export`, wrote.

        Parameters
        ----------
        path
            The file to read.

        Returns
        -------
        transformer
            Ready to transform.

        Raises
        ------
        StoreError
            When the file is damaged, or is not an encoder file.
        """
        file = EncoderFile.load(path)
        header = file.header
        loaded = cls(
            header.method,
            views=header.views,
            training=header.optimisation,
            window_bins=header.window_bins,
            bin_s=header.bin_s,
            activity_kind=header.activity_kind,
            seed=header.seed,
        )
        _check_weights(file, path)
        return loaded._take(file)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn whether the method needs labels."""
        tags = super().__sklearn_tags__()
        given = self.method if isinstance(self.method, dict) else {}
        declared = (
            DECLARED_METHODS[given["kind"]].model_construct(**given)
            if given.get("kind") in DECLARED_METHODS
            else self.method
        )
        tags.target_tags.required = (
            isinstance(declared, MethodDeclaration) and declared.reads_target
        )
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.header_.method.encoder.dimensions)  # type: ignore[union-attr]

    def _take(self, file: EncoderFile) -> Self:
        """Set the fitted attributes from a trained or loaded encoder."""
        self.header_ = header = file.header
        weights = {
            name: np.asarray(value, dtype=np.float64) for name, value in file.weights.items()
        }
        self.scaling_ = np.stack([weights[INPUT_MEAN], weights[INPUT_INVERSE_SD]])
        self.encoder_ = Frozen.of(header.method.encoder, [weights], CPU)  # type: ignore[union-attr]
        # A loaded encoder takes its features from the file; a fitted one has those of its
        # input already, and the names of these go into the header.
        if not hasattr(self, "n_features_in_"):
            self.n_features_in_ = len(header.units)
            if header.named:
                self.feature_names_in_ = np.array(header.units, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            named = {"units": tuple(map(str, self.feature_names_in_)), "named": True}
            self.header_ = header.model_copy(update=named)
        return self

    def _encode(self, activity: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """Encode the windows of `length` bins that begin at the bins `starts`.

        Returns their representation (window, dimension).
        """
        mean, inverse = self.scaling_
        windows = (activity[starts[:, None] + np.arange(length)] - mean) * inverse
        return self.encoder_(torch.from_numpy(windows).unsqueeze(0))[0].numpy()

    def _views(self, kind: str) -> Views:
        """The declared views, or defaults that suit counts or signals."""
        if self.views is not None:
            return _declared("views", Views, self.views)
        return (
            Views()
            if kind == "counts"
            else Views(base=NoSplitting(), transforms=(GaussianNoise(sigma=NOISE),))
        )

    def _optimisation(self, windows: int) -> Optimisation:
        """The declared training, or defaults with a batch of at most all windows."""
        if self.training is not None:
            return _declared("training", Optimisation, self.training)
        common = Optimisation()
        return common.model_copy(update={"batch_size": min(common.batch_size, windows)})

    def _kind_of_target(self, y: Any) -> Any:
        """The declared kind of target, or a guess from the type of its values."""
        if self.target_kind != "auto":
            return self.target_kind
        return "continuous" if y is None or np.asarray(y).dtype.kind == "f" else "categorical"


def _declared(name: str, kind: Any, given: Any) -> Any:
    """Validate a declaration, or plain data that describes one.

    Parameters
    ----------
    name
        What is declared, for messages.
    kind
        Class of the declaration.
    given
        A declaration, or plain data.

    Returns
    -------
    declaration
        An instance of `kind`.

    Raises
    ------
    StudyError
        With one line per invalid field.
    """
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, (name, *item['loc'])))}: {reason_of_item(item)}"
            for item in error.errors()
        ]
        raise StudyError("\n".join(said)) from None


def _method(given: Any) -> Any:
    """Validate a method; raise StudyError unless it is trained by gradient descent."""
    method = _declared("method", Method, given)
    if not isinstance(method, TrainedMethod):
        allowed = ", ".join(repr(kind) for kind in (*METHODS, "own"))
        raise StudyError(
            f"method.kind: {method.kind!r} is not trained by gradient descent; allowed: {allowed}"
        )
    return method


def _check_choice(name: str, got: Any, allowed: tuple[str, ...]) -> None:
    """Raise StudyError if a parameter has none of its allowed values."""
    if got not in allowed:
        raise StudyError(f"{name}: got {got!r}; allowed: {', '.join(map(repr, allowed))}")


def _kind_of(X: np.ndarray) -> str:
    """`counts` if all values are whole numbers >= 0, otherwise `signal`."""
    return "counts" if (X >= 0).all() and (np.round(X) == X).all() else "signal"


def _recording(
    X: np.ndarray, kind: Any, bin_s: float, trials: Any, targets: dict[str, np.ndarray]
) -> Recording:
    """Wrap an array and its targets as a recording.

    Raises ArrayError if trials or targets do not have one value per bin of `X`.
    """
    for name, values in {"trials": trials, **targets}.items():
        if values is not None and (np.ndim(values) == 0 or len(values) != len(X)):
            got = (
                "None"
                if np.ndim(values) == 0 and np.asarray(values).item() is None
                else f"shape {np.shape(values)}"
            )
            why = "; this method learns from y" if name == "y" else ""
            raise ArrayError(
                f"{name} must have one value per bin of X ({len(X)} bins), got {got}{why}"
            )
    try:
        numbered = None if trials is None else as_labels(np.asarray(trials), "trials")
    except DataError as error:
        raise ArrayError(str(error)) from None
    names = tuple(str(unit) for unit in range(X.shape[1]))
    return Recording(
        ARRAY, "", "", X, kind, bin_s, names, targets, numbered, np.zeros(len(X), dtype=np.int64)
    )


def _everything(windows: Windows) -> tuple[Fold]:
    """A single fold, which trains on all windows and tests on none."""
    nothing = np.zeros(0, dtype=np.int64)
    return (Fold(np.arange(len(windows.starts)), nothing, nothing),)


def _target(
    recording: Recording, windows: Windows, declared: Target, device: torch.device
) -> DecodedTarget:
    """The target at the central bin of each window.

    For a method that learns from no target, bin numbers fill its place; they are not
    used.
    """
    if not recording.targets:
        return DecodedTarget.of(Target(name="time"), windows.centres, device)
    return DecodedTarget.of(declared, recording.target(declared)[windows.centres], device)


def _train(bench: Workbench, run: TrainedModel) -> EncoderFile:
    """Train the encoder of a run, and return it frozen, with its description.

    Raises TrainingError if the loss stops being finite.
    """
    method, views, training = train_ssl(bench, [run], lambda steps: None)
    if training.failed_at[0] >= 0:
        step = int(training.failed_at[0])
        raise TrainingError(
            f"the loss was not finite at training step {step}; use a lower "
            "training.learning_rate, or weaker views"
        )
    declared = run.method
    train = [bench.train_windows(run)]
    frozen = Frozen.freeze(method.encoder, declared.encoder, *normed_rows(bench, views, train))
    described = {
        "ssl_loss": float(training.loss[0]),
        "rank_me": float(rank_me(encode_clean(views, frozen, bench.all_windows))[0]),
    }
    scaled: dict[str, Tensor] = {
        INPUT_MEAN: views.scaling.mean,
        INPUT_INVERSE_SD: views.scaling.inverse_sd,
    }
    recording = bench.recording
    header = EncoderHeader(
        method=declared,
        views=run.views,
        optimisation=run.optimisation,
        window_bins=run.window.length_bins,
        bin_s=recording.bin_s,
        activity_kind=recording.activity_kind,
        units=recording.unit_ids,
        seed=run.seed,
        diagnostics=described,
    )
    return EncoderFile(
        header,
        frozen.arrays(0)
        | {name: value[0].flatten().cpu().numpy() for name, value in scaled.items()},
    )


def _starts(stretches: np.ndarray, length: int) -> np.ndarray:
    """First bin of the window that represents each bin (time,).

    The window is centred on the bin or, near the end of a trial, is the nearest window
    in the same trial (`stretches` numbers the trials). Raises ArrayError if a trial is
    shorter than a window.
    """
    lengths = np.bincount(stretches)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    if lengths.min() < length:
        short = int(np.argmin(lengths))
        raise ArrayError(
            f"the trial that starts at bin {first[short]} has only {lengths[short]} bins, fewer "
            f"than a window ({length}); omit trials this short"
        )
    return np.clip(
        np.arange(len(stretches)) - length // 2,
        first[stretches],
        (first + lengths - length)[stretches],
    )


def _check_weights(file: EncoderFile, path: str | Path) -> None:
    """Raise StoreError if names, shapes or values do not fit the declared encoder."""
    header = file.header
    units = len(header.units)
    expected = {INPUT_MEAN: (units,), INPUT_INVERSE_SD: (units,)}
    if isinstance(header.method, TrainedMethod):
        declared: Any = header.method.encoder
        shape = (header.window_bins, units)
        empty = build_encoder(declared, shape, [np.random.default_rng(0)])
        built = Frozen.freeze(
            empty,
            declared,
            torch.zeros(1, 1, *shape, dtype=torch.float64),
            torch.ones(1, 1, dtype=torch.float64),
        )
        expected |= {name: value.shape for name, value in built.arrays(0).items()}
    found = {name: value.shape for name, value in file.weights.items()}
    if found != expected or not all(np.isfinite(value).all() for value in file.weights.values()):
        wrong = sorted(
            name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
        )
        raise StoreError(
            f"{path} is damaged: its weights do not fit the {header.method.kind} encoder of "
            f"{units} units that its header describes"
            + (f" (wrong: {', '.join(wrong)})" if wrong else " (not all are finite)")
        )
