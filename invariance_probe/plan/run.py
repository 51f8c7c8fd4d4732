"""The values that cross the two big borders: `Run` (declared) and `RunResult` (measured).

A run is one trained model (or one baseline measurement) of one session, seed and fold, with everything that
reaches it. Its keys are hashes of exactly that, so the name of a study, its hypotheses and its margins are in
no key, and changing them retrains nothing.
"""

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from invariance_probe.plan.code_figures import CodeFigures
from invariance_probe.study.declaration import Declaration, added, canonical_field, sha256_of
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.examinations import Comparison, Examination
from invariance_probe.study.methods import DECLARED_METHODS, AnyMethod
from invariance_probe.study.probes import Probe, Target
from invariance_probe.study.session import Companions
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

ALGORITHM_VERSION = 2
"""Raised by every change that alters numbers; part of every key."""

Arm = Literal["none", "independent", "shared", "paired", "mined", "random", "shifted", "oracle", "other_state", "time_shuffled",
    "unit_permuted"]  # fmt: skip
"""How the draws of a corruption are shared, or where the distant partners of a mined pairing come from (`study.pairing.SOURCES`,
`study.state_pairing.STATE_SOURCES`)."""
Status = Literal["done", "failed", "collapsed"]

_LABELS = {"subject", "group", "setting"}
_PROBED = {"target", "probe", "examination"}


class Run(Declaration):
    """One model or measurement: session, seed, fold and everything that reaches it."""

    fingerprint: str
    """Hash of the recording's content."""
    session: str
    subject: str = ""
    """For the tables only, like `group` and `setting`: in no key."""
    group: str = ""
    setting: str = ""
    """The swept setting, `path=value`; empty for the study's own."""
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
    """Part of the training windows that is used."""
    target: Target
    probe: Probe
    examination: Examination | None = added(None)
    """What is measured on the stored encoder of this run; None where it is trained here. Left out of every dump when None."""
    companions: Companions | None = added(None)
    """Other sessions that its SSL model trains on too; None where it trains on its own session alone."""
    __slots__ = ("_key", "_train_key")

    @property
    def steps(self) -> int:
        """How many update steps are made for it."""
        return (
            0
            if self.optimisation is None or self.examination is not None
            else self.optimisation.steps
        )

    def trained(self) -> "Run":
        """Return the run that trained the encoder which is examined; the run itself without an examination."""
        return self.model_copy(update={"examination": None})

    def reference(self) -> "Run | None":
        """Return the run at the identity dose whose encoder this one's is compared with; None without a comparison."""
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
        """Hash what reaches the encoder."""
        known: str | None = getattr(self, "_train_key", None)
        if known is None:
            known = self._hash(_LABELS | _reaches_no_encoder(self.method.reads_target, self.arm))
            object.__setattr__(self, "_train_key", known)
        return known

    def key(self) -> str:
        """Hash what reaches what is measured: the encoder, the target, the probe and the examination."""
        known: str | None = getattr(self, "_key", None)
        if known is None:
            known = self._hash(_LABELS)
            object.__setattr__(self, "_key", known)
        return known

    def specification(self) -> dict[str, Any]:
        """Return what `key` hashes, as plain JSON data."""
        return {"algorithm": ALGORITHM_VERSION, **self.model_dump(mode="json", exclude=_LABELS)}

    def _hash(self, left_out: set[str]) -> str:
        """Hash the canonical JSON of the specification without some fields: `sha256_of`, put together from what is written already."""
        values = self.__dict__
        written = [
            f'"{name}":{canonical_field(values[name])}'
            for name, hidden in _FIELDS
            if name not in left_out and not (hidden and values[name] is None)
        ]
        return sha256(
            f'{{"algorithm":{ALGORITHM_VERSION},{",".join(written)}}}'.encode()
        ).hexdigest()


def key_of(specification: dict[str, Any]) -> str:
    """Return `Run.key` from a stored specification."""
    return sha256_of(specification)


def train_key_of(specification: dict[str, Any]) -> str:
    """Return `Run.train_key` from a stored specification."""
    declared = DECLARED_METHODS[specification["method"]["kind"]]
    left_out = _reaches_no_encoder(declared.reads_target, specification["arm"])
    return sha256_of({name: value for name, value in specification.items() if name not in left_out})


def _reaches_no_encoder(reads_target: bool, arm: str) -> set[str]:
    """Fields that leave the encoder as it is: the target too, unless training or pairs read it."""
    return {"examination"} if reads_target or arm == "oracle" else _PROBED


_FIELDS = sorted((name, field.exclude_if is not None) for name, field in Run.model_fields.items())
"""Every field in canonical order (`algorithm` comes before them), and whether a dump leaves it out when it is None."""
assert _FIELDS[0][0] > "algorithm"


@dataclass(frozen=True)
class RunResult:
    """What was measured for one run.

    Attributes
    ----------
    blocks
        Test blocks of the session that this run's fold holds out, in order.
    block_losses
        Mean decoding loss in each block: squared error over the target's variance, or nats.
    floor_losses
        The best constant's loss in each block (raw runs only).
    selection_loss
        Loss of the same decoder family on a validation part of the training windows (for choosing a ceiling).
    diagnostics
        Named scalars: `rank_me`, `alignment`, `uniformity`, `invariance` (S(d)), and those of a baseline or an examination.
    """

    key: str
    status: Status
    blocks: tuple[int, ...] = ()
    block_losses: tuple[float, ...] = ()
    floor_losses: tuple[float, ...] = ()
    selection_loss: float | None = None
    diagnostics: dict[str, float] = field(default_factory=dict)
    message: str = ""
    model_steps: int = 0
    seconds: float = 0.0
    registration: str = ""
    """Hash of the registration under which it was measured; empty without one."""
    measured_at: str = ""
    """When (UTC, ISO 8601); empty in results from before this was noted."""
    code: CodeFigures | None = None
    """The finding of the code, of the measurement `code` only."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; `code` stands in it where there is one."""
        written = asdict(self)
        if self.code is None:
            del written["code"]
        return written

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunResult":
        """Read what `to_json` wrote."""
        listed = {name: tuple(data[name]) for name in ("blocks", "block_losses", "floor_losses")}
        code = data.get("code")
        return cls(
            **{**data, **listed, "code": None if code is None else CodeFigures.from_json(code)}
        )
