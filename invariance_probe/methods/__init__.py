"""Self-supervised methods, and the baselines they are compared with.

A method consists of networks and a loss. Several independent models, called runs, are
trained together: the first axis of every tensor is the run, and a loss returns one
value per run. A method knows nothing of recordings, folds or probes.

The table `METHODS` lists the SSL methods that are trained by gradient. It does not list
the supervised baseline (`supervised`), the critics that bound mutual information
(`mutual_information`) and linear SSL in closed form (`linear_ssl`).
"""

from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.encoders import build_encoder
from invariance_probe.methods.barlow_twins import BarlowTwins
from invariance_probe.methods.base import Method
from invariance_probe.methods.byol import BYOL
from invariance_probe.methods.cpc import CPC
from invariance_probe.methods.masked_sequence import MaskedSequence
from invariance_probe.methods.moco import MoCo
from invariance_probe.methods.myow import MYOW
from invariance_probe.methods.own import own_class
from invariance_probe.methods.pbl import PBL
from invariance_probe.methods.relative_positioning import RelativePositioning
from invariance_probe.methods.simclr import SimCLR
from invariance_probe.methods.simsiam import SimSiam
from invariance_probe.methods.supcon import SupCon
from invariance_probe.methods.swap_vae import SwapVAE
from invariance_probe.methods.temporal_shuffling import TemporalShuffling
from invariance_probe.methods.vicreg import VICReg
from invariance_probe.methods.y_aware import YAware
from invariance_probe.study.methods import OwnMethod

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
"""Class of each SSL method trained by gradient, by the kind a study declares.

User-defined methods (`own`) are not among them: `class_of` imports their classes.
"""


def class_of(declared: Any, base: Path) -> type[Method]:
    """Return the class of a declared method that is trained by gradient.

    Parameters
    ----------
    declared
        The method.
    base
        Folder of the study, in which user-defined modules are looked for first.

    Raises
    ------
    StudyError
        When a user-defined class cannot be imported, or is not what the study declares.
    """
    return own_class(declared, base) if isinstance(declared, OwnMethod) else METHODS[declared.kind]


def make_method(
    declared: Any, shape: tuple[int, int], generators: list[np.random.Generator], base: Path
) -> Method:
    """Make the stacked models of a declared method.

    Parameters
    ----------
    declared
        The method.
    shape
        Number of bins and of units of a window.
    generators
        The generator of each run's initial weights.
    base
        Folder of the study, in which user-defined modules are looked for first.
    """
    settings = declared.settings if isinstance(declared, OwnMethod) else {}
    made: Any = class_of(declared, base)
    return made(declared, shape, generators, **settings)


def add_stream(
    method: Method, declared: Any, shape: tuple[int, int], generators: list[np.random.Generator]
) -> None:
    """Give stacked models a second encoder, for views of another stream.

    Parameters
    ----------
    method
        The models.
    declared
        The method, whose encoder is built with another input.
    shape
        Number of samples and of channels of a window of the stream.
    generators
        The generator of each run's initial weights.
    """
    method.stream_encoder = build_encoder(declared.encoder, shape, generators)
