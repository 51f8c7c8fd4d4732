"""What all runs have in common, `Run`, and what was measured in one, `RunResult`.

A run is one trained model, or one measurement, of one session, seed and fold, together
with all settings that affect it. Its keys are hashes of exactly these settings. The
name of a study, its hypotheses and its margins are therefore in no key, and changing
them retrains nothing. Nothing is trained or stored here.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Literal, Self, TypeVar

from invariance_probe.plan.figures import Figures, read
from invariance_probe.plan.figures.earlier import read_earlier
from invariance_probe.study.declaration import (
    Declaration,
    MethodDeclaration,
    added,
    canonical_field,
    sha256_of,
)
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.methods import DECLARED_METHODS, AnyMethod, OwnMethod
from invariance_probe.study.probes import Probe, Target
from invariance_probe.study.session import (
    ArrayHashes,
    Content,
    OtherSession,
    where_known,
)
from invariance_probe.study.transforms import OwnTransform
from invariance_probe.study.views import Views, own_augmentation_of

ALGORITHM_VERSION = 2
"""Version of the algorithms; part of every key.

Every change of the code that alters numbers must raise it.
"""

Arm = Literal[
    "none", "independent", "shared", "paired", "mined", "random", "shifted", "oracle",
    "other_state", "time_shuffled", "unit_permuted",
]  # fmt: skip
"""How draws of a corruption are shared, or where distant partners come from.

Arms of the second kind belong to pairs mined across time (`study.pairing.SOURCES`) or
across states (`study.state_pairing.STATE_SOURCES`). `none` is that of dose 0.
"""
Status = Literal["done", "failed", "collapsed"]
F = TypeVar("F")
M = TypeVar("M", bound=MethodDeclaration)

# Fields that only tables use; they are in no key.
_LABELS = {"subject", "group", "setting"}
# Fields that affect what is measured, but the encoder only if training reads the target.
_PROBED = {"target", "target_array", "probe", "examination"}


class Run(Declaration):
    """What every run has: its session, seed, settings, target and keys.

    The types of runs, one per role, are in `plan.roles`. All of them have the JSON form
    and the keys that are defined here.
    """

    fingerprint: str
    """Hash of the recording's activity, bins, units, trials and segments."""
    arrays: ArrayHashes = added(())
    """Hashes of arrays over time that the run reads other than as its target.

    The mask of the bins in which the target is known is among them, since it says which
    windows are cut into folds.
    """
    target_array: str = added("")
    """Hash of the target's array."""
    session: str
    subject: str = ""
    """The animal or person. Like `group` and `setting`, it is in no key."""
    group: str = ""
    setting: str = ""
    """Label of the setting; empty for the study's own.

    For a value of a sweep it is `path=value`.
    """
    window: Window
    folds: Folds
    fold: int | None
    """Index of the fold; None for a measurement on the whole session."""
    seed: int
    study_seed: int
    method: AnyMethod
    axis: str = ""
    """The swept path; empty at the identity dose, which all axes share."""
    dose: float = 0.0
    arm: Arm = "none"
    fraction: float = 1.0
    """Fraction of the training windows that is used, in (0, 1]."""
    target: Target
    probe: Probe
    # Both hashes are kept once they have been computed, since a run is frozen.
    __slots__ = ("_key", "_train_key")

    @property
    def steps(self) -> int:
        """Number of update steps of this run; 0 if it trains nothing."""
        return 0

    def declared(self, kind: type[M]) -> M:
        """Return the method, which is of a given kind.

        Parameters
        ----------
        kind
            The kind of method that a measuring function serves (`probing.MEASURES`).
        """
        assert isinstance(self.method, kind)
        return self.method

    @abstractmethod
    def drawn_views(self) -> tuple[Views, ...]:
        """The views that the run draws from its windows."""

    def others(self) -> tuple[OtherSession, ...]:
        """The other sessions that the run reads."""
        return ()

    def own_method(self) -> OwnMethod | None:
        """The user-defined method that the run trains; None if it trains none."""
        return None

    def own_augmentation(self) -> OwnTransform | None:
        """The user-defined augmentation that the run draws; None if it draws none."""
        drawn = self.drawn_views()
        return next((own for views in drawn if (own := own_augmentation_of(views))), None)

    def reading(self, content: Content) -> Self:
        """The same run with the hashes of the arrays that it reads.

        Parameters
        ----------
        content
            Content of the run's session.
        """
        return self.model_copy(
            update={
                "arrays": content.of(
                    self._arrays_but_of({"target"}) | {where_known(self.target.name)}
                ),
                "target_array": dict(content.arrays).get(self.target.name, ""),
            }
        )

    def arrays_trained_on(self) -> frozenset[str]:
        """Names of the arrays over time that training reads."""
        return self._arrays_but_of(_reaches_no_encoder(self.method.reads_target, self.arm))

    def _arrays_but_of(self, left_out: set[str]) -> frozenset[str]:
        """Names of the arrays over time in all fields but some."""
        return frozenset[str]().union(
            *(
                value.arrays_read()
                for name, value in self.__dict__.items()
                if name not in left_out and isinstance(value, Declaration)
            )
        )

    def train_key(self) -> str:
        """Return the hash of everything that affects the trained encoder."""
        known: str | None = getattr(self, "_train_key", None)
        if known is None:
            known = self._hash(_LABELS | _reaches_no_encoder(self.method.reads_target, self.arm))
            object.__setattr__(self, "_train_key", known)
        return known

    def key(self) -> str:
        """Return the hash of everything that affects what is measured.

        This includes the settings of the encoder, the target, the probe and the
        examination.
        """
        known: str | None = getattr(self, "_key", None)
        if known is None:
            known = self._hash(_LABELS)
            object.__setattr__(self, "_key", known)
        return known

    def specification(self) -> dict[str, Any]:
        """Return what `key` hashes, as plain JSON data."""
        return {"algorithm": ALGORITHM_VERSION, **self.model_dump(mode="json", exclude=_LABELS)}

    def _hash(self, left_out: set[str]) -> str:
        """Return the hash of the specification without some fields.

        It equals `sha256_of`, but is faster, because runs share the canonical text of
        their fields.
        """
        values = self.__dict__
        written = [
            f'"{name}":{canonical_field(values[name])}'
            for name, hidden in _fields_of(type(self))
            if name not in left_out and not (hidden is not None and hidden(values[name]))
        ]
        return sha256(
            f'{{"algorithm":{ALGORITHM_VERSION},{",".join(written)}}}'.encode()
        ).hexdigest()


def key_of(specification: dict[str, Any]) -> str:
    """Return `Run.key()`, given a stored `Run.specification()`."""
    return sha256_of(specification)


def train_key_of(specification: dict[str, Any]) -> str:
    """Return `Run.train_key()`, given a stored `Run.specification()`."""
    stored = specification["method"]
    declared = DECLARED_METHODS[stored["kind"]].model_construct(**stored)
    left_out = _reaches_no_encoder(declared.reads_target, specification["arm"])
    return sha256_of({name: value for name, value in specification.items() if name not in left_out})


def _reaches_no_encoder(reads_target: bool, arm: str) -> set[str]:
    """Return the fields of a run that do not affect its encoder.

    The target and probe are among them, unless training or the search for pairs reads the
    target.
    """
    return {"examination"} if reads_target or arm == "oracle" else _PROBED


@cache
def _fields_of(kind: type[Run]) -> list[tuple[str, Callable[[Any], bool] | None]]:
    """Every field of a type of run, sorted, with the test by which dumps omit it."""
    fields = [(name, field.exclude_if) for name, field in sorted(kind.model_fields.items())]
    assert fields[0][0] > "algorithm"  # that key comes before all of them
    return fields


@dataclass(frozen=True)
class RunResult:
    """What was measured for one run.

    Attributes
    ----------
    key
        `Run.key()` of the run.
    status
        `done`, `failed` (see `message`) or `collapsed`.
    blocks
        Numbers of the test blocks of the session that are held out in this run's fold.
    block_losses
        Mean decoding loss in each block: squared error over the target's variance, or
        nats.
    floor_losses
        Mean loss of the best constant in each block; only for the method `raw`.
    selection_loss
        Loss of the same kind of decoder on a validation part of the training windows. It
        serves to choose the ceiling, the best decoder without SSL.
    figures
        Everything else that was measured, with one type per kind of measurement
        (`plan.figures`); None if nothing was.
    message
        Why the run failed, or why nothing could be measured; empty otherwise.
    model_steps
        Number of update steps that were made.
    seconds
        Duration of the run.
    """

    key: str
    status: Status
    blocks: tuple[int, ...] = ()
    block_losses: tuple[float, ...] = ()
    floor_losses: tuple[float, ...] = ()
    selection_loss: float | None = None
    figures: Figures | None = None
    message: str = ""
    model_steps: int = 0
    seconds: float = 0.0
    registration: str = ""
    """Hash of the registration under which it was measured; empty without one."""
    measured_at: str = ""
    """Time of the measurement (UTC, ISO 8601); empty in older results."""
    code_sha256: str = ""
    """SHA-256 of the source file of a user-defined method; empty for all others.

    It is in no key. It tells that the file changed while its declared version did not.
    """
    augmentation_sha256: str = ""
    """The same of the user-defined augmentation that was drawn; empty if none was."""

    def measured(self, kind: type[F]) -> F | None:
        """Return the measured quantities, if they are of a given type.

        Parameters
        ----------
        kind
            A type of results, such as `NullFigures`.

        Returns
        -------
        figures
            None if nothing was measured, or if they are of another type.
        """
        return self.figures if isinstance(self.figures, kind) else None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunResult":
        """Return the result that `to_json` wrote, in this version or an earlier one."""
        listed = {name: tuple(data[name]) for name in ("blocks", "block_losses", "floor_losses")}
        values = {**data, **listed}
        if "diagnostics" in values:
            figures = read_earlier(values.pop("diagnostics"), values.pop("code", None))
        else:
            figures = None if data["figures"] is None else read(data["figures"])
        return cls(**{**values, "figures": figures})
