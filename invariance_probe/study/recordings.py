"""Where recordings come from: files, catalogue entries, simulated worlds, arrays.

In: the entries of a study's `recordings`. Out: frozen declarations. One entry is one
session, except that a simulated one can give several (`sessions: 6` makes `NAME-1` ...
`NAME-6`, each with its own random numbers). Nothing here opens a file.

Simulated recordings are called worlds and are numbered G1 to G10. In a world,
latents drive the log firing rates of the units. One latent is the target (the label);
the others are nuisances. A carrier is a unit whose rate depends on the label.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema

from invariance_probe.study.declaration import Declaration, Name, added
from invariance_probe.study.signals import AnySignals


class Dealt(Declaration):
    """A new order for time steps that a file has sorted by condition.

    Each uninterrupted stretch of one condition is cut into `rounds` parts of successive
    steps. The new order consists of rounds, each of which has one part of each stretch
    in random order. So every condition occurs throughout, and no shift in time lines the
    conditions up again. A part is a segment of its own, and no window, pair or lag
    crosses its end.
    """

    by: str
    """Name of the array (time,) by which the steps are sorted."""
    rounds: Annotated[int, Field(ge=2)]
    """Number of parts into which each stretch of one condition is cut."""
    gap_bins: Annotated[int, Field(ge=0)] = 0
    """Number of steps to leave out after each part.

    With a gap, two parts of a stretch were not recorded directly after one another,
    wherever the new order puts them.
    """


class NpzRecording(Declaration):
    """One session in a NumPy `.npz` archive with named arrays (never unpickled)."""

    located_by: ClassVar[str] = "path"
    """Name of the field that is reported if the recording cannot be opened."""

    kind: Literal["npz"] = "npz"
    path: str
    """Path of the file, relative to the study file."""
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
    """Name of the array (time,) of labels of gap-free segments.

    Windows never cross a segment border.
    """
    unit_ids: str | None = None
    """Name of the array (unit,) of unit names; 0, 1, 2 ... if omitted."""
    streams: dict[Name, str] = added({})
    """Arrays of further signals by name, from which second views of pairs can be made.

    Such an array has shape (sample, channel), with the same number of samples in each bin.
    """
    epochs: tuple[str, ...] = added(())
    """Prefixes of array names, for a file that keeps its epochs in separate arrays.

    One prefix per epoch: with `[before_, after_]` the arrays `before_x` and `after_x`
    are joined in time to one array `x`. The array `epoch` (0, 1 ...) says which epoch a
    bin is in; epochs are segments.
    """
    dealt: Dealt | None = added(None)
    """New order within each epoch, for files whose steps are sorted by condition."""

    @model_validator(mode="after")
    def _streams_keep_their_order(self) -> Self:
        if self.streams and (self.epochs or self.dealt):
            raise ValueError(
                "streams cannot be combined with epochs or dealt, which put bins into a new "
                "order; save the activity and its streams in their final order instead"
            )
        return self


@dataclass(frozen=True)
class ArraysAt:
    """Where this process finds the arrays of an `ArraysRecording`.

    It is not part of the declaration's value, since the fingerprint identifies the
    arrays.

    Attributes
    ----------
    recording
        The recording in memory (`data.recording.Recording`); None in a process that does
        not have it.
    folder
        Folder of the file that holds the arrays; None if no folder was given.
    """

    recording: object = field(default=None, compare=False)
    folder: Path | None = field(default=None, compare=False)


class ArraysRecording(Declaration):
    """One session whose arrays were given in Python, not in a file.

    `Recording.from_arrays` makes it; a YAML study cannot. A dump of the declaration does
    not contain the arrays: `run` writes them to the run store, where worker processes
    find them by their fingerprint. To read a dump together with the arrays of a store,
    validate it with the context `{"arrays": folder}`.
    """

    located_by: ClassVar[str] = "session"
    """Name of the field that is reported if the recording cannot be opened."""

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
        """Return the same declaration, with its recording in memory."""
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

    `invariance-probe data list` shows the catalogue, and `data fetch NAME` downloads the
    files of an entry.
    """

    located_by: ClassVar[str] = "name"
    """Name of the field that is reported if the recording cannot be opened."""

    kind: Literal["catalog"] = "catalog"
    name: str
    """Name of the catalogue entry."""
    session: Name | None = None
    """Name of the session; that of the catalogue if omitted."""
    group: str | None = None
    """Group of the session; that of the catalogue if omitted."""
    pilot: bool = False
    """Whether this is a pilot session; see `npz`."""


class _Simulated(Declaration):
    """The fields that all simulated worlds have in common."""

    located_by: ClassVar[str] = "generator"
    """Name of the field that is reported if the recording cannot be opened."""

    kind: Literal["simulated"] = "simulated"
    session: Name = "simulated"
    """Name of the session, or the first part of the names if there are several."""
    subject: Name = "simulated"
    """Name of the simulated subject."""
    group: str = ""
    """Group of sessions; hypotheses and pooling can be limited to one."""
    pilot: bool = False
    """Whether these are pilot sessions; see `npz`."""
    sessions: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of sessions; if more than one, they are named `NAME-1`, `NAME-2` ..."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed from which each session derives its own random numbers."""
    units: Annotated[int, Field(ge=2)] = 60
    """Number of units."""
    bins: Annotated[int, Field(ge=50)] = 1000
    """Length of a session in bins."""
    bin_s: Annotated[float, Field(gt=0)] = 0.1
    """Bin length in seconds."""
    overdispersion: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Overdispersion phi of negative-binomial counts: Var = mu + phi mu^2.

    mu is the expected count given the rate; 0 gives Poisson counts.
    """
    renewal_shape: Annotated[int, Field(ge=1, le=20)] = 1
    """Shape of a gamma renewal process, which gives a soft refractory period.

    The Fano factor is about 1 / shape; 1 gives Poisson counts.
    """
    shared_gain: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Standard deviation of a log-gain that all units share (time constant 1 s)."""


class RedundancyRecording(_Simulated):
    """G2: a label that is carried by a chosen number of units.

    The information of the carriers adds up, or saturates because of shared noise.
    """

    generator: Literal["redundancy"] = "redundancy"
    carriers: Annotated[int, Field(ge=1)] = 1
    """Number of units that carry the label."""
    information: Annotated[float, Field(gt=0, le=64)] = 2.0
    """Linear Fisher information J of all carriers together, per bin.

    It is information about the label, which has unit variance.
    """
    shared_noise: Annotated[float, Field(ge=0)] = 0.0
    """Variance eps of noise added to the label before it drives the carriers.

    It limits the information to J / (1 + eps J).
    """
    carrier_counts: Annotated[float, Field(gt=0)] | None = None
    """Mean count per bin of each carrier; drawn like all other rates if omitted."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the label (seconds)."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    """Number of nuisance latents."""
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the nuisances (seconds)."""
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""
    carriers_are_pure: bool = False
    """Whether no nuisance drives the carriers (labelled lines).

    The other units then do not help to decode the label. Otherwise they help, because
    they show the nuisances that disturb the carriers.
    """


class CarriersRecording(_Simulated):
    """A label in a declared population of carriers.

    The fields say how many neurons carry the label, how they are recorded, and what
    noise they share. The finding of the code is calibrated on such worlds (the phase map
    of docs/code.md). Sessions that differ only in `bins` record the same code.
    """

    generator: Literal["carriers"] = "carriers"
    bins: Annotated[int, Field(ge=50)] = 1600
    """Length of a session in bins."""
    carriers: Annotated[int, Field(ge=1)] = 6
    """Number of neurons that carry the label."""
    carrier_counts: Annotated[float, Field(gt=0)] | None = 10.0
    """Mean count per bin of each carrier; drawn like all other rates if null."""
    information: Annotated[float, Field(gt=0, le=64)] = 8.0
    """Linear Fisher information J of all carriers together, per bin.

    It is information about the label, which has unit variance.
    """
    information_log_sd: Annotated[float, Field(ge=0, le=4)] = 0.0
    """SD of the log of the weights by which the carriers share the information.

    The weights are log-normal; 0 gives equal carriers.
    """
    weak_information: Annotated[float, Field(ge=0, le=64)] = 0.0
    """Linear Fisher information that all other units share equally."""
    common_noise: Annotated[float, Field(ge=0)] = 0.0
    """Amplitude of the noise that all carriers share.

    The noise is a second process with the statistics of the label, and drives every
    carrier in the same way as the label does.
    """
    copies: Annotated[int, Field(ge=1)] = 1
    """Number of electrodes that record each carrier; each of them is a unit."""
    copy_probability: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Probability that an electrode records a spike, if there are several."""
    parts: Annotated[int, Field(ge=1)] = 1
    """Number of units over which the spikes of each carrier are spread at random.

    This imitates a spike sorter that splits one neuron into several units.
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
                f"copies is {self.copies} and parts is {self.parts}, but only one of them can be "
                "more than 1: a carrier is either recorded by several copies or sorted into "
                "several parts"
            )
        if self.carriers * self.units_per_carrier > self.units:
            raise ValueError(
                f"{self.carriers} carriers with {self.units_per_carrier} units each need "
                f"{self.carriers * self.units_per_carrier} units, but the recording has only "
                f"{self.units}; increase `units`, or reduce `carriers`"
            )
        return self


class RingRecording(_Simulated):
    """A circular target that is carried by a ring of tuned units.

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
    """Mean count per bin of each unit."""
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """Concentration kappa of the von Mises tuning."""
    direction_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant (seconds) of the two coordinates whose angle is the target."""
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
                f"units is {self.units}, but must be {made}: of the {self.directions} directions, "
                f"all but one have {self.copies} units each (`copies`), and one has a single "
                "unit. Change units, directions or copies"
            )
        return self


class SmoothnessRecording(_Simulated):
    """G1: a smooth label of known time constant, coded by all units.

    Label and nuisances are Ornstein-Uhlenbeck processes; the nuisances have their own
    time constant.
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

    It has the autocorrelation of a smooth label with the same time constant.
    """

    generator: Literal["switching"] = "switching"
    process: Literal["redraw", "states"] = "redraw"
    """How the label jumps.

    `redraw`: it is drawn anew at Poisson times. `states`: it jumps between a number of
    `states`, from each to any other with equal probability.
    """
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label's autocorrelation (seconds)."""
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    """Number of coordinates of the label, or of the pattern of a state."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for each label coordinate."""
    states: Annotated[int, Field(ge=2, le=8)] = 4
    """Number of states; ignored unless `process` is `states`."""
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
    """G4: spikes and a second, continuous modality that share some latents.

    Each modality also has private latents.
    """

    generator: Literal["multimodal"] = "multimodal"
    common: Annotated[int, Field(ge=0, le=16)] = 2
    """Number of latents that spikes and second modality share."""
    private: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of private latents of each modality."""
    channels: Annotated[int, Field(ge=1)] = 20
    """Number of channels of the second modality."""
    snr: Annotated[float, Field(gt=0)] = 1.0
    """Signal variance over noise variance in every channel of the second modality."""
    lag_bins: int = 0
    """Lag of the second modality behind the spikes, in bins."""
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
    """Linear Fisher information of all carriers together, per bin."""
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
    """Mean time for which a unit is recorded, in days.

    After d days a unit is still recorded with probability exp(-d / survival_days).
    """
    session_sd: Annotated[float, Field(ge=0)] = 0.1
    """SD over sessions of the log of a factor of the label's gain."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    """SD over units of the log-rate gain for the label, before that factor."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    """Time constant of the label (seconds)."""


class ReplayRecording(_Simulated):
    """G7: waking activity that codes a label, and sleep that replays part of it.

    Replay can be faster than waking activity, and sleep has more noise.
    """

    generator: Literal["replay"] = "replay"
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Fraction of the bouts of sleep in which activity is replayed."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """Speed of replay relative to waking activity."""
    sleep_gain: Annotated[float, Field(ge=0)] = 0.7
    """Gain with which the label drives units asleep, relative to awake."""
    control_sleep: bool = added(False)
    """Whether a second state of sleep follows, in which nothing is replayed.

    In all other respects, including its length, it is like the first.
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

    Either activity carries no information about the label, or the label does not allow
    the test.
    """

    generator: Literal["nothing"] = "nothing"
    case: Literal[
        "independent", "constant_rates", "common_trend", "trial_constant", "drift", "quiet"
    ] = "independent"
    """Why there is nothing to find.

    `independent`: label and activity follow separate Ornstein-Uhlenbeck processes.
    `constant_rates`: firing rates do not vary. `common_trend`: label and activity both
    drift, so they correlate by chance. `trial_constant`: the label is coded but constant
    within trials, so a time jitter cannot be tested. `drift`: the gains of the units
    change slowly. `quiet`: as `drift`, and the label hardly varies in the middle of the
    session.
    """
    label_tau_s: Annotated[float, Field(gt=0)] = 2.0
    """Time constant of the label (seconds)."""
    trial_s: Annotated[float, Field(gt=0)] = 2.0
    """Duration of a trial in the case `trial_constant` (seconds)."""
    gain_tau_s: Annotated[float, Field(gt=0)] = added(120.0)
    """Time constant of the drifting gains (seconds)."""
    gain_log_sd: Annotated[float, Field(ge=0, le=2)] = added(0.35)
    """SD of each unit's own log-gain and of the shared log-gain, if gains drift."""


class IrreversibleRecording(_Simulated):
    """G9: a label that rotates in a plane, so that time has an arrow.

    With `forwards: 0.5` the process is reversible and has the same autocorrelation.
    """

    generator: Literal["irreversible"] = "irreversible"
    forwards: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Fraction of the label's variance that rotates one way.

    The rest rotates the other way. At 1 and 0 the process is irreversible, at .5 it is
    reversible.
    """
    period_s: Annotated[float, Field(gt=0)] = 1.6
    """Duration of one turn (seconds)."""
    label_tau_s: Annotated[float, Field(gt=0)] = 1.6
    """Time constant with which amplitude and phase are forgotten (seconds)."""
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
        if self.period_s <= 2 * self.bin_s:
            raise ValueError(
                f"period_s is {self.period_s:g}, but must be more than two bins "
                f"({2 * self.bin_s:g} s). At two bins, each bin is half a turn, which looks the "
                "same in both directions; use a longer period_s, or a shorter bin_s"
            )
        return self


class HeadDirectionRecording(_Simulated):
    """G10: head-direction cells in wakefulness, NREM sleep and REM sleep.

    The states are 0 (awake), 1 (NREM) and 2 (REM). During sleep, the represented
    direction drifts spontaneously.
    """

    generator: Literal["head_direction"] = "head_direction"
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """Concentration kappa of the von Mises tuning awake."""
    turning_speed: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of the angular velocity awake (radians per second)."""
    turning_tau_s: Annotated[float, Field(gt=0)] = 1.0
    """Time constant of the angular velocity awake (seconds)."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """Speed of the direction's drift in REM sleep, relative to awake."""
    nrem_compression: Annotated[float, Field(gt=0, le=50)] = 10.0
    """Speed of the direction's drift in NREM sleep, relative to awake."""
    rem_gain: Annotated[float, Field(ge=0)] = 0.9
    """kappa in REM sleep relative to awake; at 0 the direction drives no unit."""
    nrem_gain: Annotated[float, Field(ge=0)] = 0.9
    """kappa in NREM sleep relative to awake."""
    nuisances: Annotated[int, Field(ge=0)] = 2
    """Number of nuisance latents, which drive units only awake."""
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
    """A recording in memory, which a study made in Python can list directly."""

    def declared(self) -> ArraysRecording:
        """Return the declaration of the recording."""


def _declared(given: Any) -> Any:
    """Replace a recording in memory by its declaration."""
    if hasattr(given, "__array__"):
        raise ValueError(
            "a bare array cannot be used as a recording; give Recording.from_arrays(activity, ...)"
        )
    return given.declared() if isinstance(given, InMemory) else given


RecordingSource = Annotated[
    NpzRecording
    | AnySignals
    | CatalogRecording
    | SimulatedRecording
    | SkipJsonSchema[ArraysRecording],
    Field(discriminator="kind"),
    BeforeValidator(_declared),
]
"""Any recording that a study can list.

Arrays can be listed in Python only, so the schema of study files does not have them.
"""
ONLY_IN_PYTHON = ("arrays",)
"""Kinds of recording that a study file cannot name."""


PlantKind = Literal["one_unit", "projection"]
"""Kinds of targets that can be planted in a session; see `Planted.plant`."""


class Planted(Declaration):
    """A control session: a target of known redundancy, planted in activity.

    The toolkit makes it from a session of counts. Every count is split at random into
    two halves. The first halves make the target, the second halves are the activity.
    """

    kind: Literal["planted"] = "planted"
    of: RecordingSource
    """The session in whose activity the target is planted."""
    plant: PlantKind
    """What the target is made of.

    `one_unit`: the first halves of one unit, so that no other unit carries the target.
    `projection`: the leading principal component of the first halves of all units.
    """
    pilot: bool = False


AnySource = Annotated[
    NpzRecording | AnySignals | CatalogRecording | SimulatedRecording | ArraysRecording | Planted,
    Field(discriminator="kind"),
]
"""Everything that a session can be opened from."""
