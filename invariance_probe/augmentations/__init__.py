"""Augmentations: how two training views are made from recorded windows.

The stages are pairing (`pairing`, `mining`, `state_mining`), the base (`splitting`),
and then the transforms of each view (`amplitude`, `blocks`, `neighbours`,
`population`). `views.ViewMaker` runs all of them for stacked runs.

Every transform has the same four parts. `of` builds it from the declarations of K runs.
`idle` says whether all of these runs have the identity dose. `draw` makes the random
numbers, and the pure function `apply` uses them. `standardised` says whether the
transform acts on standardised activity. `PURPOSE` is the part of the address under
which the transform reads its random numbers (see `random_bits`).
"""

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
"""Stacked implementation of each transform that a study can declare, by kind."""
