"""What corrupts a view: each transform with the fields that can be swept, and the dose at which a field changes nothing."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration

Rate = Annotated[float, Field(ge=0, lt=1)]


class UnitDropout(Declaration):
    """Drop whole units: each unit of a view is lost with probability `rate`."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}

    kind: Literal["unit_dropout"] = "unit_dropout"
    rate: Rate = 0.0
    value: Literal["silent", "mean"] = "silent"
    """`silent`: zero counts, before standardisation; `mean`: the unit's mean, after standardisation."""
    rate_draw: Literal["fixed", "uniform"] = "fixed"
    """`uniform`: each window draws its own rate from U(0, rate)."""


class StratifiedDropout(Declaration):
    """Drop whole units evenly over firing rates: of units that lie together in rate, a part of `rate` is lost in every view."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}

    kind: Literal["stratified_dropout"] = "stratified_dropout"
    rate: Rate = 0.0


class SpikeThinning(Declaration):
    """Delete each spike with probability `rate` (the rate-matched control of dropout)."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}

    kind: Literal["spike_thinning"] = "spike_thinning"
    rate: Rate = 0.0


class GaussianNoise(Declaration):
    """Add white noise of `sigma` standard deviations after standardisation."""

    identity: ClassVar[dict[str, float]] = {"sigma": 0.0}

    kind: Literal["gaussian_noise"] = "gaussian_noise"
    sigma: Annotated[float, Field(ge=0)] = 0.0


Transform = Annotated[UnitDropout | StratifiedDropout | SpikeThinning | GaussianNoise, Field(discriminator="kind")]
