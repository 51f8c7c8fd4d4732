"""Augmentations: how two training views are made from recorded windows.

There are three stages: pairing (which two windows form a pair: `pairing`, `mining`,
`state_mining`), the base (what each view shows of its window: `splitting`), and the
transforms, which corrupt each view (`amplitude`, `blocks`, `neighbours`, `population`).
`views.ViewMaker` goes through all stages for a stack of K runs, whose models are trained
together; the first axis of most arrays is the run.

All transforms have the same interface. `of` builds one from the declarations of K runs.
`idle` says whether the dose is 0 in all of them. `draw` makes the random numbers, and
the pure function `apply` uses them. `standardised` says whether the transform acts on
standardised activity. `PURPOSE` is a number that keeps the random numbers of the
transforms apart (see `random_bits`).
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
"""Implementation of each transform that a study can declare, by kind.

User-defined augmentations (`own`) are not among them: `own.OwnCorruption` runs them.
"""
