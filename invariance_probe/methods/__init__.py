"""Self-supervised methods, and the baselines they are compared with.

A method consists of networks and a loss. Several independent models, called runs, are
trained together: the first axis of every tensor is the run, and a loss returns one
value per run. A method knows nothing of recordings, folds or probes.

The table `METHODS` lists the SSL methods that are trained by gradient. It does not list
the supervised baseline (`supervised`), the critics that bound mutual information
(`mutual_information`) and linear SSL in closed form (`linear_ssl`).
"""

from invariance_probe.methods.barlow_twins import BarlowTwins
from invariance_probe.methods.base import Method
from invariance_probe.methods.byol import BYOL
from invariance_probe.methods.cpc import CPC
from invariance_probe.methods.masked_sequence import MaskedSequence
from invariance_probe.methods.moco import MoCo
from invariance_probe.methods.myow import MYOW
from invariance_probe.methods.pbl import PBL
from invariance_probe.methods.relative_positioning import RelativePositioning
from invariance_probe.methods.simclr import SimCLR
from invariance_probe.methods.simsiam import SimSiam
from invariance_probe.methods.supcon import SupCon
from invariance_probe.methods.swap_vae import SwapVAE
from invariance_probe.methods.temporal_shuffling import TemporalShuffling
from invariance_probe.methods.vicreg import VICReg
from invariance_probe.methods.y_aware import YAware

METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "vicreg": VICReg,
    "byol": BYOL,
    "moco": MoCo,
    "simsiam": SimSiam,
    "barlow_twins": BarlowTwins,
    "myow": MYOW,
    "swap_vae": SwapVAE,
    "supcon": SupCon,
    "y_aware": YAware,
    "cpc": CPC,
    "pbl": PBL,
    "relative_positioning": RelativePositioning,
    "temporal_shuffling": TemporalShuffling,
    "masked_sequence": MaskedSequence,
}
"""Class of each SSL method trained by gradient, by the kind a study declares."""
