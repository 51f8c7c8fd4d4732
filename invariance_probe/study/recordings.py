"""Where recordings come from: declarations of files, catalogue entries and simulated worlds.

One entry names one session, except a simulated one, which can stand for several (`sessions: 6` gives
`NAME-1` ... `NAME-6`, each with a world of its own). Nothing here opens a file.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration, added

Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Dealt(Declaration):
    """How time steps that a file has sorted by condition are put in another order, in which every stretch of time has all conditions.

    Each run of one condition is cut in `rounds` parts of successive steps. Each round holds one part of every run, in an order drawn at random,
    so that no shift of time brings conditions into line again. A part is a segment of its own: windows, pairs and lags end with it.
    """

    by: str
    """Name of the array (time,) that the steps are sorted by."""
    rounds: Annotated[int, Field(ge=2)]
    gap_bins: Annotated[int, Field(ge=0)] = 0
    """Steps that are left out after each part, so that parts of one run, which come to lie anywhere, are not neighbours in time."""


class NpzRecording(Declaration):
    """One session in a NumPy `.npz` archive with named arrays (never unpickled)."""

    kind: Literal["npz"] = "npz"
    path: str
    """File, relative to the study file."""
    session: Name
    subject: Name = "subject"
    group: str = ""
    pilot: bool = False
    """A pilot session: for tuning and for exploratory hypotheses; no confirmatory hypothesis is judged on it."""
    activity: str
    """Name of the activity array, shape (time, unit)."""
    activity_kind: Literal["counts", "signal"] = "counts"
    bin_s: str | Annotated[float, Field(gt=0)]
    """Bin length in seconds, or the name of the scalar array that holds it."""
    trial: str | None = None
    """Name of the array (time,) of trial labels, numbers or words; windows never cross a trial border."""
    segment: str | None = None
    """Name of the array (time,) of gap-free stretches, numbers or words; windows never cross a segment border."""
    unit_ids: str | None = None
    """Name of the array (unit,) of unit names; 0, 1, 2 ... when left out."""
    epochs: tuple[str, ...] = added(())
    """Beginnings of array names, one for each epoch of a file that keeps them apart: with `[before_, after_]` the arrays `before_x` and
    `after_x` are one array `x`, after each other. The array `epoch` (0, 1 ...) says which; epochs are segments."""
    dealt: Dealt | None = added(None)
    """For files whose time steps are sorted by condition; within each epoch."""


class CatalogRecording(Declaration):
    """One session of the catalogue of public recordings (`invariance_probe.data.catalog`)."""

    kind: Literal["catalog"] = "catalog"
    name: str
    session: Name | None = None
    """Another session name than the catalogue's own."""
    group: str | None = None
    pilot: bool = False
    """A pilot session; see `npz`."""


class _Simulated(Declaration):
    kind: Literal["simulated"] = "simulated"
    session: Name = "simulated"
    subject: Name = "simulated"
    group: str = ""
    pilot: bool = False
    """Pilot sessions; see `npz`."""
    sessions: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many sessions; with more than one they are called `NAME-1`, `NAME-2` ..."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the simulated world; each session has its own stream under it."""
    units: Annotated[int, Field(ge=2)] = 60
    bins: Annotated[int, Field(ge=50)] = 1000
    bin_s: Annotated[float, Field(gt=0)] = 0.1
    overdispersion: Annotated[float, Field(ge=0, le=4)] = 0.0
    """phi of negative-binomial counts, Var = mu + phi mu^2 given the rate; 0 is Poisson."""
    renewal_shape: Annotated[int, Field(ge=1, le=20)] = 1
    """Shape of a gamma renewal process, a soft refractory period: Fano factor about 1 / shape; 1 is Poisson."""
    shared_gain: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Standard deviation of a log-gain that multiplies the rates of all units together (tau 1 s)."""


class RedundancyRecording(_Simulated):
    """G2: a label carried by a chosen number of units, with additive or saturating information."""

    generator: Literal["redundancy"] = "redundancy"
    carriers: Annotated[int, Field(ge=1)] = 1
    """How many units carry the label."""
    information: Annotated[float, Field(gt=0, le=64)] = 2.0
    """Total linear Fisher information J of the carriers about the unit-variance label, per bin."""
    shared_noise: Annotated[float, Field(ge=0)] = 0.0
    """Variance eps of the differential noise, which caps the information at J / (1 + eps J)."""
    carrier_counts: Annotated[float, Field(gt=0)] | None = None
    """Mean count a bin of every carrier; drawn from the population's rates when left out."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""
    carriers_are_pure: bool = False
    """Whether nuisances leave the carriers alone (labelled lines), so that the label is nowhere but in them."""


class CarriersRecording(_Simulated):
    """The worlds of the phase map: neurons that carry a label, how they are recorded, and what noise they share.

    Sessions that differ in `bins` alone are recordings of one code.
    """

    generator: Literal["carriers"] = "carriers"
    bins: Annotated[int, Field(ge=50)] = 1600
    carriers: Annotated[int, Field(ge=1)] = 6
    """How many neurons carry the label."""
    carrier_counts: Annotated[float, Field(gt=0)] | None = 10.0
    """Mean count per bin of every carrier; drawn as the rates of the others where null."""
    information: Annotated[float, Field(gt=0, le=64)] = 8.0
    """Linear Fisher information J about the unit-variance label of all carriers together, per bin."""
    information_log_sd: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Standard deviation of the log-normal weights by which the information is shared out; 0 gives equal carriers."""
    weak_information: Annotated[float, Field(ge=0, le=64)] = 0.0
    """Linear Fisher information that the other units share equally."""
    common_noise: Annotated[float, Field(ge=0)] = 0.0
    """Amplitude of a second process like the label, that every carrier reads as if it were the label."""
    copies: Annotated[int, Field(ge=1)] = 1
    """Electrodes that record each carrier, every one a unit."""
    copy_probability: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Probability with which an electrode keeps a spike of a carrier that has copies."""
    parts: Annotated[int, Field(ge=1)] = 1
    """Units that the spikes of each carrier are spread over at random, as by sorting one neuron into several units."""
    target_power: Annotated[float, Field(gt=0, le=8)] = 1.0
    """The target is sign(s) |s|^power of the coded label s; 4 is heavy-tailed."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together, the same in every neuron."""

    @property
    def units_per_carrier(self) -> int:
        """How many units record one carrier."""
        return max(self.copies, self.parts)

    @model_validator(mode="after")
    def _carriers_are_recorded(self) -> Self:
        if self.copies > 1 and self.parts > 1:
            raise ValueError(
                f"a carrier is recorded by {self.copies} copies or sorted into {self.parts} parts, not both: leave one at 1"
            )
        if self.carriers * self.units_per_carrier > self.units:
            raise ValueError(
                f"{self.carriers} carriers with {self.units_per_carrier} units each are more than the {self.units} units "
                "of the recording: declare more `units` or fewer `carriers`"
            )
        return self


class RingRecording(_Simulated):
    """A circular target in groups of units of one preferred direction, and one direction that a single unit prefers."""

    generator: Literal["ring"] = "ring"
    units: Annotated[int, Field(ge=2)] = 50
    bins: Annotated[int, Field(ge=50)] = 1600
    directions: Annotated[int, Field(ge=2)] = 8
    """Preferred directions, evenly spaced."""
    copies: Annotated[int, Field(ge=1)] = 7
    """Units of each preferred direction but the last, which has one."""
    mean_counts: Annotated[float, Field(gt=0)] = 10.0
    """Mean count per bin of every unit."""
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """kappa of the von Mises tuning."""
    direction_tau_s: Annotated[float, Field(gt=0)] = 0.2
    """Time constant of the two coordinates whose direction is the target."""
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together, the same in every unit."""

    @model_validator(mode="after")
    def _groups_make_the_units(self) -> Self:
        made = (self.directions - 1) * self.copies + 1
        if made != self.units:
            raise ValueError(
                f"{self.directions - 1} directions with {self.copies} units each and one unit alone make {made} units, "
                f"got units {self.units}"
            )
        return self


class SmoothnessRecording(_Simulated):
    """G1: Ornstein-Uhlenbeck latents; the label's time constant is known, nuisances have their own."""

    generator: Literal["smoothness"] = "smoothness"
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together."""


class SwitchingRecording(_Simulated):
    """G1b: a label that jumps, with the autocorrelation of a smooth one of the same time constant."""

    generator: Literal["switching"] = "switching"
    process: Literal["redraw", "states"] = "redraw"
    """`redraw`: the label is drawn anew at Poisson times; `states`: a chain of `states` that are all equally likely next."""
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    states: Annotated[int, Field(ge=2, le=8)] = 4
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3


class RecurringRecording(_Simulated):
    """G3: behaviours that come back in bouts, under a slow drift that only distant views can average out."""

    generator: Literal["recurring"] = "recurring"
    behaviours: Annotated[int, Field(ge=2, le=20)] = 6
    bout_s: Annotated[float, Field(gt=0)] = 4.0
    behaviour_gain: Annotated[float, Field(ge=0)] = 0.45
    drift_tau_s: Annotated[float, Field(gt=0)] = 150.0
    drift_gain: Annotated[float, Field(ge=0)] = 0.5
    drifts: Annotated[int, Field(ge=1)] = 3


class MultimodalRecording(_Simulated):
    """G4: spikes and a second, continuous modality that share some latents and each have their own."""

    generator: Literal["multimodal"] = "multimodal"
    common: Annotated[int, Field(ge=0, le=16)] = 2
    private: Annotated[int, Field(ge=1, le=16)] = 2
    channels: Annotated[int, Field(ge=1)] = 20
    """Channels of the second modality."""
    snr: Annotated[float, Field(gt=0)] = 1.0
    """Signal variance over noise variance of every channel of the second modality."""
    lag_bins: int = 0
    """By how many bins the second modality follows the spikes."""
    latent_tau_s: Annotated[float, Field(gt=0)] = 1.0
    latent_gain: Annotated[float, Field(ge=0)] = 0.4


class MessengerRecording(_Simulated):
    """G5: a few units carry the label, the same ones throughout or others after half the session."""

    generator: Literal["messenger"] = "messenger"
    carriers: Annotated[int, Field(ge=1)] = 6
    switches: bool = False
    information: Annotated[float, Field(gt=0, le=64)] = 3.0
    label_tau_s: Annotated[float, Field(gt=0)] = 0.2
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 2.0
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3


class TurnoverRecording(_Simulated):
    """G6: sessions of one population that loses and gains units from day to day, with session effects on the code's gain."""

    generator: Literal["turnover"] = "turnover"
    days_between: Annotated[float, Field(ge=0)] = 1.0
    survival_days: Annotated[float, Field(gt=0)] = 20.0
    """A unit is still there after d days with probability exp(-d / survival_days)."""
    session_sd: Annotated[float, Field(ge=0)] = 0.1
    """Standard deviation of the sessions' log-gain of the label."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8


class ReplayRecording(_Simulated):
    """G7: a waking half with a label, and a sleeping half that replays it in part, faster and with more noise."""

    generator: Literal["replay"] = "replay"
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Part of the sleeping bouts that replay."""
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """How many times faster than awake."""
    sleep_gain: Annotated[float, Field(ge=0)] = 0.7
    """Gain of the label's drive in sleep, of that in waking."""
    control_sleep: bool = added(False)
    """Whether a second state of sleep follows, as long as the first and like it in all but that it replays nothing."""
    bout_s: Annotated[float, Field(gt=0)] = 5.0
    label_dimensions: Annotated[int, Field(ge=1)] = 2
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    label_tau_s: Annotated[float, Field(gt=0)] = 0.8


class NothingRecording(_Simulated):
    """G8: nothing to find: a label that activity does not carry, or that no test can be run on."""

    generator: Literal["nothing"] = "nothing"
    case: Literal[
        "independent", "constant_rates", "common_trend", "trial_constant", "drift", "quiet"
    ] = "independent"
    """`independent`: label and activity are OU processes apart; `constant_rates`: activity is noise; `common_trend`: both
    drift, by chance alike; `trial_constant`: the label is coded, but constant within trials, so jitter cannot be tested;
    `drift`: the gains of the units change slowly; `quiet`: the same, and the label hardly varies in mid-session."""
    label_tau_s: Annotated[float, Field(gt=0)] = 2.0
    trial_s: Annotated[float, Field(gt=0)] = 2.0
    gain_tau_s: Annotated[float, Field(gt=0)] = added(120.0)
    """Time constant of the drifting gains."""
    gain_log_sd: Annotated[float, Field(ge=0, le=2)] = added(0.35)
    """Standard deviation of each unit's own log-gain, and of the log-gain that all share, where they drift."""


class IrreversibleRecording(_Simulated):
    """G9: a label in the plane that rotates, so that time has an arrow; or its reversible twin of the same autocorrelation."""

    generator: Literal["irreversible"] = "irreversible"
    forwards: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Part of the label's variance that rotates one way, the rest turning the other: 1 and 0 are irreversible, and .5 is reversible."""
    period_s: Annotated[float, Field(gt=0)] = 1.6
    """Time of one turn."""
    label_tau_s: Annotated[float, Field(gt=0)] = 1.6
    """Time constant over which amplitude and phase are lost."""
    label_gain: Annotated[float, Field(ge=0)] = 0.4
    nuisances: Annotated[int, Field(ge=0)] = 4
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 6.4
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the log-rate that all nuisances cause together; they are reversible."""

    @model_validator(mode="after")
    def _turns_slowly(self) -> Self:
        if self.period_s < 2 * self.bin_s:
            raise ValueError(
                f"period_s {self.period_s:g} is less than two bins of {self.bin_s:g} s, which cannot show a direction"
            )
        return self


class HeadDirectionRecording(_Simulated):
    """G10: head-direction cells awake (state 0), in NREM (1) and in REM (2); asleep the ring drifts by itself."""

    generator: Literal["head_direction"] = "head_direction"
    concentration: Annotated[float, Field(gt=0, le=20)] = 1.5
    """kappa of the von Mises tuning awake."""
    turning_speed: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of the angular velocity awake, in radians a second."""
    turning_tau_s: Annotated[float, Field(gt=0)] = 1.0
    compression: Annotated[float, Field(gt=0, le=50)] = 1.0
    """How many times faster than awake the ring drifts in REM."""
    nrem_compression: Annotated[float, Field(gt=0, le=50)] = 10.0
    rem_gain: Annotated[float, Field(ge=0)] = 0.9
    """kappa in REM, of that in waking; at 0 nothing drives the ring."""
    nrem_gain: Annotated[float, Field(ge=0)] = 0.9
    nuisances: Annotated[int, Field(ge=0)] = 2
    nuisance_tau_s: Annotated[float, Field(gt=0)] = 20.0
    nuisance_gain: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the log-rate that all nuisances cause together, awake alone."""


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
RecordingSource = Annotated[
    NpzRecording | CatalogRecording | SimulatedRecording, Field(discriminator="kind")
]


class Planted(Declaration):
    """A control that the toolkit makes of a session of counts: a target of known redundancy, planted in its own activity.

    Every count is split in halves; the target is made of first halves, and the activity is the second halves.
    """

    kind: Literal["planted"] = "planted"
    of: Annotated[NpzRecording | CatalogRecording | SimulatedRecording, Field(discriminator="kind")]
    plant: Literal["one_unit", "projection"]
    """`one_unit`: the halves of a unit that nobody else carries; `projection`: what the units share most."""
    pilot: bool = False


AnySource = Annotated[
    NpzRecording | CatalogRecording | SimulatedRecording | Planted, Field(discriminator="kind")
]
"""What a session can be opened from."""
