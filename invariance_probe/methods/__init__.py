"""Stacked SSL methods and the baselines beside them."""

from invariance_probe.methods.byol import BYOL
from invariance_probe.methods.cpc import CPC
from invariance_probe.methods.masked_sequence import MaskedSequence
from invariance_probe.methods.pbl import PBL
from invariance_probe.methods.relative_positioning import RelativePositioning
from invariance_probe.methods.simclr import SimCLR
from invariance_probe.methods.temporal_shuffling import TemporalShuffling
from invariance_probe.methods.vicreg import VICReg

METHODS = {
    "simclr": SimCLR,
    "vicreg": VICReg,
    "byol": BYOL,
    "cpc": CPC,
    "pbl": PBL,
    "relative_positioning": RelativePositioning,
    "temporal_shuffling": TemporalShuffling,
    "masked_sequence": MaskedSequence,
}
"""The stacked implementation of every SSL method that is trained by gradient."""
