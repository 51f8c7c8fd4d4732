"""Simulated codes of known structure: landmarks in the figure of `plane`.

The values come from the simulations of science.md 2.1: six sessions of 1600 bins of
100 ms, decoded by ridge regression on sqrt(counts + 1/4) in 8 folds. K_s is the fewest
units found that reach half of the R2 of all units, K_n the fewest whose removal leaves
less than half, and a carrier is a unit that carries the target. J = R2 / (1 - R2) is the
linear information of all units together; it is 8 unless a name says otherwise. Nothing is
simulated here.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class World:
    """One simulated code, with the K_s and K_n that were measured in it.

    Attributes
    ----------
    name
        Description of the code.
    units
        Number of units N.
    K_s, K_n
        Mean over six simulated sessions.
    """

    name: str
    family: str
    """The series that the code belongs to.

    In a series of equal carriers, codes differ only in the number of carriers, and are
    joined by a line.
    """
    label: str
    """Text beside its mark in the figure; empty for none."""
    units: int
    K_s: float
    K_n: float
    side: Literal["left", "right", "below"] = "right"
    """Side of the mark on which the label is written."""


EQUAL, EQUAL_LOW = "equal carriers, J = 8", "equal carriers, J = 2"
OTHER = "another make"

WORLDS = (
    World("1 carrier, J = 8", EQUAL, "1", 60, 0.22, 0.79, "left"),
    World("3 carriers, J = 8", EQUAL, "3", 60, 0.53, 2.5, "left"),
    World("6 carriers, J = 8", EQUAL, "6", 60, 1.0, 5.0, "left"),
    World("10 carriers, J = 8", EQUAL, "10", 60, 1.4, 7.9, "left"),
    World("15 carriers, J = 8", EQUAL, "15", 60, 1.9, 10.7, "left"),
    World("20 carriers, J = 8", EQUAL, "20", 60, 2.3, 12.8, "left"),
    World("30 carriers, J = 8", EQUAL, "30", 60, 3.1, 17, "left"),
    World("60 carriers, J = 8", EQUAL, "60", 60, 6.6, 30),
    World("1 carrier, J = 2", EQUAL_LOW, "", 60, 0.33, 0.66),
    World("3 carriers, J = 2", EQUAL_LOW, "", 60, 0.85, 2.1),
    World("6 carriers, J = 2", EQUAL_LOW, "", 60, 1.5, 4.2),
    World("10 carriers, J = 2", EQUAL_LOW, "", 60, 2.6, 6.9),
    World("15 carriers, J = 2", EQUAL_LOW, "15", 60, 3.7, 9.6, "below"),
    World("20 carriers, J = 2", EQUAL_LOW, "20", 60, 5.2, 12.4, "below"),
    World("30 carriers, J = 2", EQUAL_LOW, "30", 60, 8.0, 17, "below"),
    World("60 carriers, J = 2", EQUAL_LOW, "60", 60, 15, 28, "below"),
    World("60 carriers of unequal rates, J = 2", OTHER, "unequal rates", 60, 15, 41),
    World("one neuron on 6 electrodes", OTHER, "6 copies", 60, 0.36, 5.6),
    World("one neuron on 6 electrodes beside 54 weak units", OTHER, "", 60, 0.35, 5.9),
    World("one neuron sorted into 12 units", OTHER, "split in 12", 60, 1.2, 10.8, "below"),
    World("common noise limits the information", OTHER, "common noise", 60, 2.6, 44),
    World("information lognormal over units, sd 1", OTHER, "lognormal, sd 1", 60, 2.7, 31, "left"),
    World("information lognormal over units, sd 2", OTHER, "lognormal, sd 2", 60, 1.3, 12, "left"),
    World("30 carriers of 300 units", OTHER, "30 of 300", 300, 5.1, 21, "below"),
    World("6 carriers of 300 units", OTHER, "6 of 300", 300, 1.3, 4.5, "below"),
)
"""The simulated codes of the table of science.md 2.1."""
