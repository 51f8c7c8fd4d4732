"""Where recordings come from: declarations of files, catalogue entries and simulated worlds.

One entry names one session, except a simulated one, which can stand for several (`sessions: 6` gives
`NAME-1` ... `NAME-6`, each with a world of its own). Nothing here opens a file.
"""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration

Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class NpzRecording(Declaration):
    """One session in a NumPy `.npz` archive with named arrays (never unpickled)."""

    kind: Literal["npz"] = "npz"
    path: str
    """File, relative to the study file."""
    session: Name
    subject: Name = "subject"
    group: str = ""
    activity: str
    """Name of the activity array, shape (time, unit)."""
    activity_kind: Literal["counts", "signal"] = "counts"
    bin_s: str | Annotated[float, Field(gt=0)]
    """Bin length in seconds, or the name of the scalar array that holds it."""
    trial: str | None = None
    """Name of the integer array (time,) of trial labels; windows never cross a trial border."""
    segment: str | None = None
    """Name of the integer array (time,) of gap-free stretches; windows never cross a segment border."""
    unit_ids: str | None = None
    """Name of the array (unit,) of unit names; 0, 1, 2 ... when left out."""


class CatalogRecording(Declaration):
    """One session of the catalogue of public recordings (`invariance_probe.data.catalog`)."""

    kind: Literal["catalog"] = "catalog"
    name: str
    session: Name | None = None
    """Another session name than the catalogue's own."""
    group: str | None = None


class _Simulated(Declaration):
    kind: Literal["simulated"] = "simulated"
    session: Name = "simulated"
    subject: Name = "simulated"
    group: str = ""
    sessions: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many sessions; with more than one they are called `NAME-1`, `NAME-2` ..."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the simulated world; each session has its own stream under it."""
    units: Annotated[int, Field(ge=2)] = 60
    bins: Annotated[int, Field(ge=50)] = 1000
    bin_s: Annotated[float, Field(gt=0)] = 0.1


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


SimulatedRecording = Annotated[RedundancyRecording | SmoothnessRecording, Field(discriminator="generator")]
RecordingSource = Annotated[NpzRecording | CatalogRecording | SimulatedRecording, Field(discriminator="kind")]
