"""What is declared, `Run`, and what is measured, `RunResult`, of a run.

They are two of the three values that cross the package's big borders. A run is one
trained model (or one baseline measurement) of one session, seed and fold, with
everything that reaches it. Its keys are hashes of exactly that. The name of a study,
its hypotheses and its margins are therefore in no key, and changing them retrains
nothing. Nothing is trained or stored here.
"""

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal, TypeVar

from invariance_probe.plan.figures import Figures, read
from invariance_probe.plan.figures.earlier import read_earlier
from invariance_probe.study.baselines import SessionNull
from invariance_probe.study.declaration import Declaration, added, canonical_field, sha256_of
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.examinations import Comparison, Examination
from invariance_probe.study.methods import DECLARED_METHODS, AnyMethod
from invariance_probe.study.probes import Probe, Target
from invariance_probe.study.session import ArrayHashes, Companions, Content, OtherSession
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

ALGORITHM_VERSION = 2
"""Version of the numbers; part of every key.

Every change that alters numbers raises it.
"""

Arm = Literal[
    "none", "independent", "shared", "paired", "mined", "random", "shifted", "oracle",
    "other_state", "time_shuffled", "unit_permuted",
]  # fmt: skip
"""How draws are shared, or where a mined pairing's partners come from.

The first concerns the draws of a corruption, the second the distant partners
(`study.pairing.SOURCES`, `study.state_pairing.STATE_SOURCES`).
"""
Status = Literal["done", "failed", "collapsed"]
F = TypeVar("F")

# Fields in no key: they are for the tables only.
_LABELS = {"subject", "group", "setting"}
# Fields that reach what is measured, but not the encoder unless training reads the target.
_PROBED = {"target", "target_array", "probe", "examination"}


class Run(Declaration):
    """One model or measurement: session, seed, fold and all that reaches it."""

    fingerprint: str
    """Hash of the recording's activity, bins, units, trials and segments."""
    arrays: ArrayHashes = added(())
    """Hash of every array over time that the run reads for something else than its target."""
    target_array: str = added("")
    """Hash of the target's array."""
    session: str
    subject: str = ""
    """For the tables only, like `group` and `setting`: these three are in no key."""
    group: str = ""
    setting: str = ""
    """Label of the setting; empty for the study's own.

    For a sweep it is `path=value`.
    """
    window: Window
    folds: Folds
    fold: int | None
    """Index of the fold; None for a measurement on the whole session."""
    seed: int
    study_seed: int
    method: AnyMethod
    views: Views | None = None
    """The views with the dose put in; None where a method makes none."""
    axis: str = ""
    """The swept path; empty at the identity dose, which all axes share."""
    dose: float = 0.0
    arm: Arm = "none"
    optimisation: Optimisation | None = None
    fraction: float = 1.0
    """Part of the training windows that is used, in (0, 1]."""
    target: Target
    probe: Probe
    examination: Examination | None = added(None)
    """What is measured on the stored encoder of this run.

    None where the encoder is trained here. It is left out of every dump when it is
    None.
    """
    companions: Companions | None = added(None)
    """Other sessions whose windows the SSL model also trains on.

    None where it trains on its own session alone.
    """
    # Both hashes are kept once they are computed; a run is frozen.
    __slots__ = ("_key", "_train_key")

    @property
    def steps(self) -> int:
        """Number of update steps that this run makes; 0 where it trains nothing."""
        return (
            0
            if self.optimisation is None or self.examination is not None
            else self.optimisation.steps
        )

    def reading(self, content: Content) -> "Run":
        """The same run with the hashes of the arrays that it reads.

        Parameters
        ----------
        content
            Content of the run's session.
        """
        return self.model_copy(
            update={
                "arrays": content.of(self._arrays_but_of({"target"})),
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

    def others(self) -> tuple[OtherSession, ...]:
        """The other sessions that the run reads."""
        lend = self.method.others if isinstance(self.method, SessionNull) else ()
        return (*lend, *(self.companions.sessions if self.companions else ()))

    def trained(self) -> "Run":
        """The run that trained the examined encoder; itself without an examination."""
        return self.model_copy(update={"examination": None})

    def reference(self) -> "Run | None":
        """The identity-dose run whose encoder this one is compared with.

        Returns
        -------
        run
            None where the examination of this run is not a comparison
        """
        if not isinstance(self.examination, Comparison):
            return None
        assert self.views is not None
        views = self.views.at(self.axis, self.views.doses()[self.axis]) if self.axis else self.views
        clean = {
            "views": views,
            "axis": "",
            "dose": 0.0,
            "arm": "none",
            "seed": self.examination.seed,
        }
        return self.trained().model_copy(update=clean)

    def train_key(self) -> str:
        """Hash of everything that reaches the encoder."""
        known: str | None = getattr(self, "_train_key", None)
        if known is None:
            known = self._hash(_LABELS | _reaches_no_encoder(self.method.reads_target, self.arm))
            object.__setattr__(self, "_train_key", known)
        return known

    def key(self) -> str:
        """Hash of everything that reaches what is measured.

        That is the encoder, the target, the probe and the examination.
        """
        known: str | None = getattr(self, "_key", None)
        if known is None:
            known = self._hash(_LABELS)
            object.__setattr__(self, "_key", known)
        return known

    def specification(self) -> dict[str, Any]:
        """What `key` hashes, as plain JSON data."""
        return {"algorithm": ALGORITHM_VERSION, **self.model_dump(mode="json", exclude=_LABELS)}

    def _hash(self, left_out: set[str]) -> str:
        """Hash the canonical JSON of the specification without some fields.

        It equals `sha256_of`, but is put together from the canonical text of the
        fields.
        """
        values = self.__dict__
        written = [
            f'"{name}":{canonical_field(values[name])}'
            for name, hidden in _FIELDS
            if name not in left_out and not (hidden is not None and hidden(values[name]))
        ]
        return sha256(
            f'{{"algorithm":{ALGORITHM_VERSION},{",".join(written)}}}'.encode()
        ).hexdigest()


def key_of(specification: dict[str, Any]) -> str:
    """`Run.key`, from a stored specification."""
    return sha256_of(specification)


def train_key_of(specification: dict[str, Any]) -> str:
    """`Run.train_key`, from a stored specification."""
    declared = DECLARED_METHODS[specification["method"]["kind"]]
    left_out = _reaches_no_encoder(declared.reads_target, specification["arm"])
    return sha256_of({name: value for name, value in specification.items() if name not in left_out})


def _reaches_no_encoder(reads_target: bool, arm: str) -> set[str]:
    """Fields that leave the encoder as it is: the target too, unless training or pairs read it."""
    return {"examination"} if reads_target or arm == "oracle" else _PROBED


_FIELDS = [(name, field.exclude_if) for name, field in sorted(Run.model_fields.items())]
"""Every field in canonical order, with the test by which a dump leaves it out.

`algorithm` comes before all of them.
"""
assert _FIELDS[0][0] > "algorithm"


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
        Test blocks of the session that this run's fold holds out, in order.
    block_losses
        Mean decoding loss in each block: squared error over the target's variance, or
        nats.
    floor_losses
        Loss of the best constant in each block (raw runs only).
    selection_loss
        Loss of the same decoder family on a validation part of the training windows; it
        is used to choose a ceiling.
    figures
        What else was measured: one type per kind of measurement (`plan.figures`). None
        where nothing could be measured.
    model_steps
        Update steps that were made.
    seconds
        Time that it took.
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
    """When it was measured (UTC, ISO 8601); empty in older results."""

    def measured(self, kind: type[F]) -> F | None:
        """The figures, where they are of one kind.

        Parameters
        ----------
        kind
            A type of figures, such as `NullFigures`.

        Returns
        -------
        figures
            None where nothing was measured, or figures of another kind.
        """
        return self.figures if isinstance(self.figures, kind) else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunResult":
        """Read what `to_json` wrote, in this version or an earlier one."""
        listed = {name: tuple(data[name]) for name in ("blocks", "block_losses", "floor_losses")}
        values = {**data, **listed}
        if "diagnostics" in values:
            figures = read_earlier(values.pop("diagnostics"), values.pop("code", None))
        else:
            figures = None if data["figures"] is None else read(data["figures"])
        return cls(**{**values, "figures": figures})
