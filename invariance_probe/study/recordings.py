"""Where recordings come from: files, catalogue entries, simulated worlds, arrays.

In: the entries of a study's `recordings`. Out: frozen declarations. One entry names one
session, except a simulated one, which can stand for several (`sessions: 6` gives
`NAME-1` ... `NAME-6`, each with a world of its own). Nothing here opens a file.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema

from invariance_probe.study.declaration import Declaration, added

Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Dealt(Declaration):
    """New order for time steps that a file has sorted by condition.

    In the new order every stretch of time holds all conditions. Each run of one
    condition is cut into `rounds` parts of successive steps. Each round holds one part
    of every run, in an order drawn at random, so that no shift in time lines the
    conditions up again. A part is a segment of its own: windows, pairs and lags end
    with it.
    """

    by: str
    """Name of the array (time,) by which the steps are sorted."""
    rounds: Annotated[int, Field(ge=2)]
    """Number of parts into which each run of one condition is cut."""
    gap_bins: Annotated[int, Field(ge=0)] = 0
    """Steps that are left out after each part.

    Parts of one run can come to lie anywhere; with a gap they are not neighbours in
    time.
    """


class NpzRecording(Declaration):
    """One session in a NumPy `.npz` archive with named arrays (never unpickled)."""

    located_by: ClassVar[str] = "path"
    """The field that says where it is; problems with opening it are reported there."""

    kind: Literal["npz"] = "npz"
    path: str
    """File, relative to the study file."""
    session: Name
    """Name of the session, unique within the study."""
    subject: Name = "subject"
    """The animal or person."""
    group: str = ""
    """Group of sessions; hypotheses and pooling can be limited to one."""
    pilot: bool = False
    """Whether this is a pilot session, for tuning and exploratory hypotheses only.

    No confirmatory hypothesis is judged on it.
    """
    activity: str
    """Name of the activity array, shape (time, unit)."""
    activity_kind: Literal["counts", "signal"] = "counts"
    """Whether the activity is spike counts or a continuous signal."""
    bin_s: str | Annotated[float, Field(gt=0)]
    """Bin length in seconds, or the name of the scalar array that holds it."""
    trial: str | None = None
    """Name of the array (time,) of trial labels, numbers or words.

    Windows never cross a trial border.
    """
    segment: str | None = None
    """Name of the array (time,) of gap-free stretches, numbers or words.

    Windows never cross a segment border.
    """
    unit_ids: str | None = None
    """Name of the array (unit,) of unit names; 0, 1, 2 ... if omitted."""
    epochs: tuple[str, ...] = added(())
    """Prefixes of array names, for a file that keeps its epochs in separate arrays.

    One prefix per epoch: with `[before_, after_]` the arrays `before_x` and `after_x`
    are joined in time to one array `x`. The array `epoch` (0, 1 ...) says which epoch a
    bin is in; epochs are segments.
    """
    dealt: Dealt | None = added(None)
    """New order within each epoch, for files whose steps are sorted by condition."""


@dataclass(frozen=True)
class ArraysAt:
    """Where this process finds the arrays of an `ArraysRecording`.

    It is no part of the declaration's value, since the fingerprint says which arrays
    they are.

    Attributes
    ----------
    recording
        The recording in memory (`data.recording.Recording`); None in other processes.
    folder
        Folder that holds the arrays in a file; None where none was named.
    """

    recording: object = field(default=None, compare=False)
    folder: Path | None = field(default=None, compare=False)


class ArraysRecording(Declaration):
    """One session whose arrays were given in Python, not in a file.

    `Recording.from_arrays` makes it; a YAML study cannot. The arrays are in no dump.
    `run` writes them to the run store, where worker processes find them by their
    fingerprint. To read a dump with the arrays of a store, validate it with the context
    `{"arrays": folder}`.
    """

    located_by: ClassVar[str] = "session"
    """The field that says where it is; see `npz`."""

    kind: Literal["arrays"] = "arrays"
    session: Name
    """Name of the session, unique within the study."""
    subject: Name = "subject"
    """The animal or person."""
    group: str = ""
    """Group of sessions; hypotheses and pooling can be limited to one."""
    pilot: bool = False
    """Whether this is a pilot session; see `npz`."""
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 hash of the recording's content."""
    _arrays: ArraysAt = PrivateAttr(default_factory=ArraysAt)

    @property
    def arrays(self) -> ArraysAt:
        """Where this process finds the arrays."""
        return self._arrays

    def holding(self, recording: object) -> Self:
        """The same declaration, with its recording in memory."""
        held = self.model_copy()
        held._arrays = ArraysAt(recording=recording)
        return held

    @model_validator(mode="after")
    def _read_from_folder(self, info: ValidationInfo) -> Self:
        if info.context is not None and self._arrays.recording is None:
            self._arrays = ArraysAt(folder=Path(info.context["arrays"]))
        return self


class CatalogRecording(Declaration):
    """One session of the catalogue of public recordings.

    The catalogue is in `invariance_probe.data.catalog`.
    """

    located_by: ClassVar[str] = "name"
    """The field that says where it is; see `npz`."""

    kind: Literal["catalog"] = "catalog"
    name: str
    """Name of the catalogue entry."""
    session: Name | None = None
    """Name of the session; the catalogue's own if omitted."""
    group: str | None = None
    """Group of the session; the catalogue's own if omitted."""
    pilot: bool = False
    """Whether this is a pilot session; see `npz`."""


class _Simulated(Declaration):
    """What all simulated worlds have in common."""

    located_by: ClassVar[str] = "generator"
    """The field that says where it is; see `npz`."""

    kind: Literal["simulated"] = "simulated"
    session: Name = "simulated"
    """Name of the session, or the first part of the names of several."""
    subject: Name = "simulated"
    """Name of the simulated subject."""
    group: str = ""
    """Group of sessions; hypotheses and pooling can be limited to one."""
    pilot: bool = False
    """Whether these are pilot sessions; see `npz`."""
    sessions: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of sessions; if more than one they are named `NAME-1`, `NAME-2` ..."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the world; each session has its own random sequence under it."""
    units: Annotated[int, Field(ge=2)] = 60
    """Number of units."""
    bins: Annotated[int, Field(ge=50)] = 1000
    """Length of a session in bins."""
    bin_s: Annotated[float, Field(gt=0)] = 0.1
    """Bin length in seconds."""
    overdispersion: Annotated[float, Field(ge=0, le=4)] = 0.0
    """phi of negative-binomial counts: Var = mu + phi mu^2 given the rate.

    0 is Poisson.
    """
    renewal_shape: Annotated[int, Field(ge=1, le=20)] = 1
    """Shape of a gamma renewal process, which gives a soft refractory period.

    The Fano factor is about 1 / shape; 1 is Poisson.
    """
    shared_gain: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Standard deviation of a log-gain that all units share (time constant 1 s)."""


class RedundancyRecording(_Simulated):
    """G2: a label that a chosen number of units carry.

    The information of the carriers adds up, or saturates because of shared noise.
    """

    generator: Literal["redundancy"] = "redundancy"
    carriers: Annotated[int, Field(ge=1)] = 1
    """Number of units that carry the label."""
    information: Annotated[float, Field(gt=0, le=64)] = 2.0
    """Linear Fisher information J about the label of all carriers together, per bin.

    The label has unit variance.
    """
    shared_noise: Annotated[float, Field(ge=0)] = 0.0
    """Variance eps of the differential noise; caps information at J / (1 + eps J)."""
    carrier_counts: Annotated[float, Field(gt=0)] | None = None
    """Mean count per bin of every carrier; drawn like all other rates if omitted."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the label (seconds)."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""
    carriers_are_pure: bool = False
    """Whether the carriers are free of nuisances (labelled lines).

    The label is then nowhere but in them.
    """


class CarriersRecording(_Simulated):
    """The worlds of the phase map: a label in a population of carriers.

    A world says how many neurons carry the label, how they are recorded, and what noise
    they share. Sessions that differ in nothing but `bins` are recordings of one code.
    """

    generator: Literal["carriers"] = "carriers"
    bins: Annotated[int, Field(ge=50)] = 1600
    """Length of a session in bins."""
    carriers: Annotated[int, Field(ge=1)] = 6
    """Number of neurons that carry the label."""
    carrier_counts: Annotated[float, Field(gt=0)] | None = 10.0
    """Mean count per bin of every carrier; drawn like all other rates where null."""
    information: Annotated[float, Field(gt=0, le=64)] = 8.0
    """Linear Fisher information J about the label of all carriers together, per bin.

    The label has unit variance.
    """
    information_log_sd: Annotated[float, Field(ge=0, le=4)] = 0.0
    """SD of the log of the weights by which the carriers share the information.

    The weights are log-normal; 0 gives equal carriers.
    """
    weak_information: Annotated[float, Field(ge=0, le=64)] = 0.0
    """Linear Fisher information that all other units share equally."""
    common_noise: Annotated[float, Field(ge=0)] = 0.0
    """Amplitude of the noise that all carriers share.

    It is a second process like the label, and every carrier reads it as if it were the
    label.
    """
    copies: Annotated[int, Field(ge=1)] = 1
    """Number of electrodes that record each carrier; each of them is a unit."""
    copy_probability: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Probability that an electrode keeps a spike of a carrier with several copies."""
    parts: Annotated[int, Field(ge=1)] = 1
    """Number of units over which the spikes of each carrier are spread at random.

    This is what happens when one neuron is sorted into several units.
    """
    target_power: Annotated[float, Field(gt=0, le=8)] = 1.0
    """The target is sign(s) |s|^power of the coded label s; 4 is heavy-tailed."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the label (seconds)."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """SD of the log-rate that all nuisances cause together, equal in every neuron."""

    @property
    def units_per_carrier(self) -> int:
        """Number of units that record one carrier."""
        return max(self.copies, self.parts)

    @model_validator(mode="after")
    def _carriers_are_recorded(self) -> Self:
        if self.copies > 1 and self.parts > 1:
            raise ValueError(
                f"a carrier is recorded by {self.copies} copies or sorted into "
                f"{self.parts} parts, not both: leave one at 1"
            )
        if self.carriers * self.units_per_carrier > self.units:
            raise ValueError(
                f"{self.carriers} carriers with {self.units_per_carrier} units each are more "
                f"than the {self.units} units of the recording: declare more `units` "
                "or fewer `carriers`"
            )
        return self


class RingRecording(_Simulated):
    """A circular target that a ring of tuned units carries.

    Each preferred direction belongs to a group of units, except one direction that a
    single unit prefers.
    """

    generator: Literal["ring"] = "ring"
    units: Annotated[int, Field(ge=2)] = 50
    """Number of units: (directions - 1) x copies + 1."""
    bins: Annotated[int, Field(ge=50)] = 1600
    """Length of a session in bins."""
    directions: Annotated[int, Field(ge=2)] = 8
    """Number of preferred directions; they are evenly spaced."""
    copies: Annotated[int, Field(ge=1)] = 7
    """Number of units per preferred direction; the last direction has one."""
    mean_counts: Annotated[float, Field(gt=0)] = 10.0
    """Mean count per bin of every unit."""
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """kappa of the von Mises tuning."""
    direction_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the two coordinates whose direction is the target (seconds)."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """SD of the log-rate that all nuisances cause together, equal in every unit."""

    @model_validator(mode="after")
    def _groups_make_the_units(self) -> Self:
        made = (self.directions - 1) * self.copies + 1
        if made != self.units:
            raise ValueError(
                f"{self.directions - 1} directions with {self.copies} units each "
                f"and one unit alone make {made} units, got units {self.units}"
            )
        return self


class SmoothnessRecording(_Simulated):
    """G1: a smooth label of known time constant, coded by all units.

    Labels and nuisances are Ornstein-Uhlenbeck processes; the nuisances have a time
    constant of their own.
    """

    generator: Literal["smoothness"] = "smoothness"
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label (seconds)."""
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    """Number of independent coordinates of the label."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for each label coordinate."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""


class SwitchingRecording(_Simulated):
    """G1b: a label that jumps instead of moving smoothly.

    Its autocorrelation is that of a smooth label of the same time constant.
    """

    generator: Literal["switching"] = "switching"
    process: Literal["redraw", "states"] = "redraw"
    """How the label jumps.

    `redraw`: it is drawn anew at Poisson times. `states`: it follows a chain of
    `states`; a state is left for any other with equal probability.
    """
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label's autocorrelation (seconds)."""
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    """Number of coordinates of the label, or of the code of a state."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for each label coordinate."""
    states: Annotated[int, Field(ge=2, le=8)] = 4
    """Number of states; read only where `process` is `states`."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""


class RecurringRecording(_Simulated):
    """G3: behaviours that come back in bouts, under a slow drift.

    Only views that are far apart in time can average out the drift.
    """

    generator: Literal["recurring"] = "recurring"
    behaviours: Annotated[int, Field(ge=2, le=20)] = 6
    """Number of behaviours."""
    bout_s: Annotated[float, Field(gt=0)] = 4.0
    """Mean duration of a bout (seconds)."""
    behaviour_gain: Annotated[float, Field(ge=0)] = 0.45
    """SD of the log-rate patterns of the behaviours, before they are centred."""
    drift_tau_s: Annotated[float, Field(gt=0)] = 150.0
    """Time constant of the drift (seconds)."""
    drift_gain: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the log-rate that all drifts cause together."""
    drifts: Annotated[int, Field(ge=1)] = 3
    """Number of drifting latents."""


class MultimodalRecording(_Simulated):
    """World G4: spikes and a second, continuous modality that share some latents.

    Each modality also has private latents.
    """

    generator: Literal["multimodal"] = "multimodal"
    common: Annotated[int, Field(ge=0, le=16)] = 2
    """Number of latents that spikes and second modality share."""
    private: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of latents that each of them has for itself."""
    channels: Annotated[int, Field(ge=1)] = 20
    """Number of channels of the second modality."""
    snr: Annotated[float, Field(gt=0)] = 1.0
    """Signal variance over noise variance in every channel of the second modality."""
    lag_bins: int = 0
    """How many bins the second modality lags behind the spikes."""
    latent_tau_s: Annotated[float, Field(gt=0)] = 1.0
    """Time constant of all latents (seconds)."""
    latent_gain: Annotated[float, Field(ge=0)] = 0.4
    """Standard deviation of the log-rate that all latents cause together."""


class MessengerRecording(_Simulated):
    """G5: a few units carry the label, and may change half-way."""

    generator: Literal["messenger"] = "messenger"
    carriers: Annotated[int, Field(ge=1)] = 6
    """Number of units that carry the label."""
    switches: bool = False
    """Whether other units carry the label in the second half of the session."""
    information: Annotated[float, Field(gt=0, le=64)] = 3.0
    """Linear Fisher information about the label of all carriers together, per bin."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the label (seconds)."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""


class TurnoverRecording(_Simulated):
    """G6: sessions of one population that loses and gains units over days.

    The gain of the code also varies from session to session.
    """

    generator: Literal["turnover"] = "turnover"
    days_between: Annotated[float, Field(ge=0)] = 1.0
    """Days between successive sessions."""
    survival_days: Annotated[float, Field(gt=0)] = 20.0
    """A unit is still there after d days with probability exp(-d / survival_days)."""
    session_sd: Annotated[float, Field(ge=0)] = 0.1
    """SD over sessions of the log of the label's gain."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for the label, before session effects."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label (seconds)."""


class ReplayRecording(_Simulated):
    """G7: a label awake, and sleep that replays part of it.

    Replay can be faster than awake, and sleep has more noise.
    """

    generator: Literal["replay"] = "replay"
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Fraction of the bouts of sleep that replay."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """How many times faster than awake activity runs asleep."""
    sleep_gain: Annotated[float, Field(ge=0)] = 0.7
    """Gain of the label's drive asleep, relative to awake."""
    control_sleep: bool = added(False)
    """Whether a second state of sleep follows, in which nothing is replayed.

    It is as long as the first and like it in all else.
    """
    bout_s: Annotated[float, Field(gt=0)] = 5.0
    """Duration of a bout of sleep (seconds)."""
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    """Number of independent coordinates of the label."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for each label coordinate, awake."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label awake (seconds)."""


class NothingRecording(_Simulated):
    """G8: worlds in which there is nothing to find.

    Activity does not carry the label, or the label allows no test.
    """

    generator: Literal["nothing"] = "nothing"
    case: Literal[
        "independent", "constant_rates", "common_trend", "trial_constant", "drift", "quiet"
    ] = "independent"
    """Why there is nothing to find.

    `independent`: label and activity follow separate OU processes. `constant_rates`:
    activity is noise. `common_trend`: both drift, and are alike by chance.
    `trial_constant`: the label is coded but constant within trials, so jitter cannot be
    tested. `drift`: the gains of the units change slowly. `quiet`: the same, and the
    label hardly varies in the middle of the session.
    """
    label_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the label (seconds)."""
    trial_s: Annotated[float, Field(gt=0)] = 2.0
    """Duration of a trial in the case `trial_constant` (seconds)."""
    gain_tau_s: Annotated[float, Field(gt=0)] = added(120.0)
    """Time constant of the drifting gains (seconds)."""
    gain_log_sd: Annotated[float, Field(ge=0, le=2)] = added(0.35)
    """SD of each unit's own log-gain, and of the shared log-gain, where gains drift."""


class IrreversibleRecording(_Simulated):
    """G9: a label in the plane that rotates, so that time has an arrow.

    At `forwards: 0.5` it is the reversible twin of the same autocorrelation.
    """

    generator: Literal["irreversible"] = "irreversible"
    forwards: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Fraction of the label's variance that rotates one way.

    The rest turns the other way: 1 and 0 are irreversible, and .5 is reversible.
    """
    period_s: Annotated[float, Field(gt=0)] = 1.6
    """Duration of one turn (seconds)."""
    label_tau_s: Annotated[float, Field(gt=0)] = 1.6
    """Time constant over which amplitude and phase are lost (seconds)."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for each label coordinate."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents; they are reversible."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""

    @model_validator(mode="after")
    def _turns_slowly(self) -> Self:
        if self.period_s < 2 * self.bin_s:
            raise ValueError(
                f"period_s {self.period_s:g} is less than two bins of {self.bin_s:g} s, "
                "which cannot show a direction"
            )
        return self


class HeadDirectionRecording(_Simulated):
    """G10: head-direction cells awake, in NREM sleep and in REM sleep.

    The states are 0 (awake), 1 (NREM) and 2 (REM). Asleep, the ring drifts by itself.
    """

    generator: Literal["head_direction"] = "head_direction"
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """kappa of the von Mises tuning awake."""
    turning_speed: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of the angular velocity awake (radians per second)."""
    turning_tau_s: Annotated[float, Field(gt=0)] = 1.0
    """Time constant of the angular velocity awake (seconds)."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """How many times faster than awake the ring drifts in REM."""
    nrem_compression: Annotated[float, Field(gt=0, le=50)] = 10.0
    """How many times faster than awake the ring drifts in NREM."""
    rem_gain: Annotated[float, Field(ge=0)] = 0.9
    """kappa in REM relative to awake; at 0 the ring drives no unit."""
    nrem_gain: Annotated[float, Field(ge=0)] = 0.9
    """kappa in NREM relative to awake."""
    nuisances: Annotated[int, Field(ge=0)] = 2
    """Number of nuisance latents, which are there only awake."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 20.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.5
    """SD of the log-rate that all nuisances cause together, awake only."""


SimulatedRecording = Annotated[
    RedundancyRecording
    | CarriersRecording
    | RingRecording
    | SmoothnessRecording
    | SwitchingRecording
    | RecurringRecording
    | MultimodalRecording
    | MessengerRecording
    | TurnoverRecording
    | ReplayRecording
    | NothingRecording
    | IrreversibleRecording
    | HeadDirectionRecording,
    Field(discriminator="generator"),
]


@runtime_checkable
class InMemory(Protocol):
    """A recording in memory: what a study made in Python may list as it is."""

    def declared(self) -> ArraysRecording:
        """The recording as a study declares it."""


def _declared(given: Any) -> Any:
    """Replace a recording in memory by its declaration."""
    if hasattr(given, "__array__"):
        raise ValueError("an array is no recording: give Recording.from_arrays(activity, ...)")
    return given.declared() if isinstance(given, InMemory) else given


RecordingSource = Annotated[
    NpzRecording | CatalogRecording | SimulatedRecording | SkipJsonSchema[ArraysRecording],
    Field(discriminator="kind"),
    BeforeValidator(_declared),
]
"""Everything that a study can list; a study file lists no arrays, nor does its schema."""
ONLY_IN_PYTHON = ("arrays",)
"""Kinds of recording that no study file can name."""


PlantKind = Literal["one_unit", "projection"]
"""Targets of known redundancy that can be planted in a session."""


class Planted(Declaration):
    """A control session: a target of known redundancy, planted in activity.

    The toolkit makes it from a session of counts. Every count is split in halves; the
    target is made of the first halves, and the activity is the second halves.
    """

    kind: Literal["planted"] = "planted"
    of: RecordingSource
    """The session in whose activity the target is planted."""
    plant: PlantKind
    """What the target is made of.

    `one_unit`: the halves of one unit, so that no other unit carries the target.
    `projection`: what the units share most.
    """
    pilot: bool = False


AnySource = Annotated[
    NpzRecording | CatalogRecording | SimulatedRecording | ArraysRecording | Planted,
    Field(discriminator="kind"),
]
"""Everything that a session can be opened from."""
