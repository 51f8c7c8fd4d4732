"""How views are made of windows: pairing, then the base (splitting), then per-view transforms."""

from invariance_probe.augmentations.amplitude import AddNoise
from invariance_probe.augmentations.population import DropEvenly, DropUnits, ThinSpikes

TRANSFORMS = {
    "unit_dropout": DropUnits,
    "stratified_dropout": DropEvenly,
    "spike_thinning": ThinSpikes,
    "gaussian_noise": AddNoise,
}
"""The stacked implementation of every transform that a study can declare."""
