"""Stacked SSL methods and the baselines beside them."""

from invariance_probe.methods.byol import BYOL
from invariance_probe.methods.simclr import SimCLR
from invariance_probe.methods.vicreg import VICReg

METHODS = {"simclr": SimCLR, "vicreg": VICReg, "byol": BYOL}
"""The stacked implementation of every SSL method that is trained by gradient."""
