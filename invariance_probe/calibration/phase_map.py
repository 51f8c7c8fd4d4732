"""The cells of the phase map, on which the finding of the code is calibrated, and how large their banks are.

Between a code of one carrier and one of all units the words change, so that the cells in the middle are measured
first. The seeds of the worlds are used for nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invariance_probe.calibration.banks import DOSE, DROPOUT, SEED
from invariance_probe.study.study import Study

CARRIERS = (1, 3, 6, 10, 15, 20, 30, 60)
"""Equal carriers among 60 units."""
STRONG, WEAK = {"information": 8.0, "carrier_counts": 10.0}, {"information": 2.0, "carrier_counts": 2.0}
"""Information and counts per bin of the carriers at J = 8 and at J = 2."""
BINS, LONG_BINS = 1600, 30_000
"""Length of a session, and of the long recordings of the same code that show the bias."""


@dataclass(frozen=True)
class Cell:
    """One code of the phase map.

    Attributes
    ----------
    name
        Names its sessions and its group.
    title
        As figures and tables name it.
    world
        What its sessions declare beside what all share.
    middle
        Whether it lies where words change: its bank grows twice as fast.
    powers
        Words that six sessions must find in at least .8 of studies.
    """

    name: str
    title: str
    world: Mapping[str, Any]
    middle: bool = False
    powers: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """Units of a session."""
        return int(self.world.get("units", 60))

    def study(self, sessions: int, long: bool = False) -> Study:
        """The study whose sessions are the first ones of the bank, or the long recordings of the same codes.

        Its hypothesis is never judged: it is there because every study has one.
        """
        bins = LONG_BINS if long else self.world.get("bins", BINS)
        source = {"kind": "simulated", "generator": "carriers", "seed": SEED, "session": self.name, "group": self.name}
        margin = {"fraction_of_range": 0.1, "because": "not judged"}
        hypothesis = {"id": "none", "claim": "none", "predicts": "sensitive", "axis": DROPOUT, "dose": DOSE, "margin": margin}
        return Study.model_validate({
            "name": f"phase-map-{self.name}", "question": "Is what is said of the code right?", "quick": True,
            "recordings": [{**source, **self.world, "bins": bins, "sessions": sessions}],
            "target": {"name": "label", "kind": "continuous"},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 1.0}, "method": {"kind": "linear_ssl", "dimensions": 1},
            "views": {"transforms": [{"kind": "unit_dropout", "value": "silent"}]},
            "axes": [{"path": DROPOUT, "doses": [0, DOSE]}], "hypotheses": [hypothesis],
        })  # fmt: skip


def _equal(carriers: int, name: str, settings: Mapping[str, float]) -> Cell:
    title = f"{carriers} of 60, J = {settings['information']:g}"
    powers = ("few",) if carriers <= 60 / 8 else ("spread",) if carriers == 60 else ()
    world = {"carriers": carriers, **settings}
    return Cell(f"{name}-{carriers}", title, world, middle=10 <= carriers <= 30, powers=powers)


_ONE = {"carriers": 1, "carrier_counts": 10.0}
_ALL = {"carriers": 60, "carrier_counts": 5.0, "information": 4.0}
_OF_300 = {"units": 300, "bins": 3000, "carrier_counts": 5.0, "information": 4.0}
CELLS: tuple[Cell, ...] = (
    *(_equal(carriers, name, settings) for name, settings in (("strong", STRONG), ("weak", WEAK)) for carriers in CARRIERS),
    Cell("copies", "6 copies of one neuron", {**WEAK, "carriers": 1, "copies": 6}, powers=("few",)),
    Cell("copies-beside", "6 copies beside 54 weak units",
         {**_ONE, "information": 4.0, "copies": 6, "weak_information": 0.5}, powers=("few",)),
    Cell("parts", "one neuron sorted into 12", {**_ONE, "information": 8.0, "parts": 12}, middle=True),
    Cell("common-noise", "common noise",
         {"carriers": 60, "carrier_counts": 10.0, "information": 24.0, "common_noise": 0.4}, powers=("spread",)),
    Cell("lognormal-1", "log-normal shares, SD 1", {**_ALL, "information_log_sd": 1.0}),
    Cell("lognormal-2", "log-normal shares, SD 2", {**_ALL, "information_log_sd": 2.0}, middle=True),
    Cell("of-300-30", "30 of 300", {**_OF_300, "carriers": 30}),
    Cell("of-300-6", "6 of 300", {**_OF_300, "carriers": 6}, powers=("few",)),
)  # fmt: skip
"""Every cell: equal carriers, one neuron recorded by several units, common noise, unequal shares, many units."""


@dataclass(frozen=True)
class Sizes:
    """Sessions of each cell, and long recordings of the first of them."""

    sessions: int
    long: int


SIZES = {"full": Sizes(400, 12), "licence": Sizes(400, 12), "quick": Sizes(8, 4)}
"""What a bank holds: 400 sessions bound the error of studies of up to ten."""


def rounds(size: Sizes, at_once: int = 20) -> list[tuple[Cell, range]]:
    """Which sessions of which cell are measured one after another, so that every bank grows and the middle first."""
    parts = [range(first, min(first + at_once, size.sessions)) for first in range(0, size.sessions, at_once)]
    turns = [(part.start / (2 if cell.middle else 1), not cell.middle, cell, part) for cell in CELLS for part in parts]
    return [(cell, part) for *_, cell, part in sorted(turns, key=lambda turn: turn[:2])]
