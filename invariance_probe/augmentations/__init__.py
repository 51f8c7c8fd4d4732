"""How views are made of windows: pairing, then the base (splitting), then per-view transforms."""

from invariance_probe.augmentations.amplitude import AddNoise, AddPepper, ModulateGain
from invariance_probe.augmentations.blocks import CutTime, CutUnits, MixWindows
from invariance_probe.augmentations.neighbours import MixNeighbours, SwapNeighbours
from invariance_probe.augmentations.population import DropEvenly, DropUnits, LoseInOrder, ThinSpikes

TRANSFORMS = {
    "unit_dropout": DropUnits,
    "stratified_dropout": DropEvenly,
    "spike_thinning": ThinSpikes,
    "gaussian_noise": AddNoise,
    "gain_modulation": ModulateGain,
    "progressive_unit_loss": LoseInOrder,
    "unit_permutation": SwapNeighbours,
    "waveform_drift": MixNeighbours,
    "pepper": AddPepper,
    "time_cutout": CutTime,
    "unit_cutout": CutUnits,
    "cutmix": MixWindows,
}
"""The stacked implementation of every transform that a study can declare."""
