"""The phase map: simulated codes to calibrate the finding of the code.

Each code is called a cell. In most of them a number of neurons, the carriers, share the
information J about the target equally, and the other units carry none (J is the linear
Fisher information, about R2 / (1 - R2)). A bank is the set of sessions that are
simulated for a cell. Between one carrier and all units, what a study should say changes
from `few` to `spread`; the banks of cells in the middle therefore grow fastest.

In: numbers of sessions. Out: studies that declare the sessions, and the order in which
they are measured. The seed of the simulations is used for nothing else. Nothing is
measured here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from invariance_probe.calibration.banks import DOSE, DROPOUT, SEED
from invariance_probe.study.study import Study

CARRIERS = (1, 3, 6, 10, 15, 20, 30, 60)
"""Numbers of equal carriers among 60 units."""
STRONG, WEAK = (
    {"information": 8.0, "carrier_counts": 10.0},
    {"information": 2.0, "carrier_counts": 2.0},
)
"""Settings of carriers with much information (J = 8) and with little (J = 2)."""
BINS, LONG_BINS = 1600, 30_000
"""Bins of an ordinary session, and of a long recording of the same code.

Long recordings serve to measure the bias at the ordinary length.
"""


@dataclass(frozen=True)
class Cell:
    """One simulated code of the phase map.

    Attributes
    ----------
    name
        Name of the code, from which its sessions are named.
    title
        Name of the code in figures and tables.
    world
        Settings of the simulation that differ from the default.
    middle
        Whether it lies where the right word changes; its bank then grows twice as fast.
    powers
        Words that at least .8 of studies of six sessions should say, such as `few`,
        `spread` or `kept`.
    target
        Name of the target that is decoded.
    long_bins
        Bins of its long recordings.
    """

    name: str
    title: str
    world: Mapping[str, Any]
    middle: bool = False
    powers: tuple[str, ...] = ()
    target: Literal["label", "direction"] = "label"
    long_bins: int = LONG_BINS

    def study(self, numbers: Iterable[int], long: bool = False) -> Study:
        """Declare the study that simulates some sessions of this code.

        Its hypothesis is never judged; it is declared because every study needs one.

        Parameters
        ----------
        numbers
            Numbers of the sessions, from 0.
        long
            Whether to declare long recordings of the same sessions.

        Returns
        -------
        study
            A study with one recording per number.
        """
        source = {"kind": "simulated", "generator": "carriers", "seed": SEED, "group": self.name}
        world = {
            **source,
            **self.world,
            "bins": self.long_bins if long else self.world.get("bins", BINS),
        }
        target = {
            "name": self.target,
            "kind": "circular" if self.target == "direction" else "continuous",
        }
        margin = {"fraction_of_range": 0.1, "because": "not judged"}
        hypothesis = {
            "id": "none",
            "claim": "none",
            "predicts": "sensitive",
            "axis": DROPOUT,
            "dose": DOSE,
            "margin": margin,
        }
        return Study.model_validate(
            {
                "name": f"phase-map-{self.name}",
                "question": "Is what is said of the code right?",
                "quick": True,
                "recordings": [{**world, "session": f"{self.name}-{i}"} for i in numbers],
                "target": target,
                "folds": {"scheme": "blocks", "count": 2, "embargo_s": 1.0},
                "method": {"kind": "linear_ssl", "dimensions": 1},
                "views": {"transforms": [{"kind": "unit_dropout", "value": "silent"}]},
                "axes": [{"path": DROPOUT, "doses": [0, DOSE]}],
                "hypotheses": [hypothesis],
            }
        )


def _equal(carriers: int, name: str, settings: Mapping[str, float]) -> Cell:
    title = f"{carriers} of 60, J = {settings['information']:g}"
    powers = ("few",) if carriers <= 60 / 8 else ("spread",) if carriers == 60 else ()
    world = {"carriers": carriers, **settings}
    return Cell(f"{name}-{carriers}", title, world, middle=10 <= carriers <= 30, powers=powers)


_ONE = {"carriers": 1, "carrier_counts": 10.0}
_ALL = {"carriers": 60, "carrier_counts": 5.0, "information": 4.0}
_OF_300 = {"units": 300, "bins": 3000, "carrier_counts": 5.0, "information": 4.0}
CELLS: tuple[Cell, ...] = (
    *(
        _equal(carriers, name, settings)
        for name, settings in (("strong", STRONG), ("weak", WEAK))
        for carriers in CARRIERS
    ),
    Cell("copies", "6 copies of one neuron", {**WEAK, "carriers": 1, "copies": 6}, powers=("few",)),
    Cell(
        "copies-beside",
        "6 copies beside 54 weak units",
        {**_ONE, "information": 4.0, "copies": 6, "weak_information": 0.5},
        powers=("few",),
    ),
    Cell(
        "parts", "one neuron sorted into 12", {**_ONE, "information": 8.0, "parts": 12}, middle=True
    ),
    Cell(
        "common-noise",
        "common noise",
        {"carriers": 60, "carrier_counts": 10.0, "information": 24.0, "common_noise": 0.4},
        powers=("spread",),
    ),
    Cell("lognormal-1", "log-normal shares, SD 1", {**_ALL, "information_log_sd": 1.0}),
    Cell(
        "lognormal-2", "log-normal shares, SD 2", {**_ALL, "information_log_sd": 2.0}, middle=True
    ),
    Cell("of-300-30", "30 of 300", {**_OF_300, "carriers": 30}),
    Cell("of-300-6", "6 of 300", {**_OF_300, "carriers": 6}, powers=("few",)),
    Cell(
        "rates",
        "60 with unequal rates, J = 2",
        {"carriers": 60, "information": 2.0, "carrier_counts": None},
        powers=("spread",),
    ),
    Cell(
        "heavy-tail",
        "60, heavy-tailed target",
        {**WEAK, "carriers": 60, "target_power": 4.0},
        powers=("spread",),
    ),
    Cell(
        "fine-bins",
        "60 in bins of 5 ms",
        {
            "carriers": 60,
            "information": 0.1,
            "carrier_counts": None,
            "bins": 12_000,
            "bin_s": 0.005,
        },
        powers=("spread",),
        long_bins=120_000,
    ),
    Cell(
        "ring",
        "ring of 50, circular target",
        {"generator": "ring"},
        powers=("kept",),
        target="direction",
    ),
)
"""All cells of the phase map.

First come equal carriers, then one neuron recorded as several units, noise common to
all units, unequal shares of information, and populations of 300 units; last, other
rates, targets and bin widths.
"""


@dataclass(frozen=True)
class Sizes:
    """Number of ordinary sessions, and of long recordings, per cell."""

    sessions: int
    long: int


SIZES = {"full": Sizes(400, 30), "licence": Sizes(400, 30), "quick": Sizes(8, 4)}
"""Number of sessions per cell, by size of the calibration.

With 400 sessions the upper bound of an error rate can be as low as .075 for studies of
up to ten sessions (3 S / 400).
"""


@dataclass(frozen=True)
class SessionBatch:
    """A batch of sessions of one cell that are measured together.

    Attributes
    ----------
    cell
        The simulated code.
    part
        Numbers of the sessions.
    long
        Whether they are long recordings.
    """

    cell: Cell
    part: range
    long: bool = False


SESSIONS_PER_BATCH = 20
"""Number of ordinary sessions per batch."""
LONG_EARLY = 8
"""Number of long recordings per cell that are measured early.

They follow the first batch of ordinary sessions; the others are measured later.
"""


def session_batches(size: Sizes, cells: Sequence[Cell] = CELLS) -> list[SessionBatch]:
    """List all batches of sessions in the order in which they are measured.

    The cells take turns, so that their banks grow side by side. Cells in the middle of
    the phase map grow twice as fast.

    Parameters
    ----------
    size
        Number of sessions and of long recordings per cell.
    cells
        The cells to measure.

    Returns
    -------
    batches
        The batches, in order.
    """
    found: list[tuple[float, SessionBatch]] = []
    for cell in cells:
        pace = 2 if cell.middle else 1
        for first in range(0, size.sessions, SESSIONS_PER_BATCH):
            found.append(
                (
                    first / pace,
                    SessionBatch(
                        cell, range(first, min(first + SESSIONS_PER_BATCH, size.sessions))
                    ),
                )
            )
        early = min(LONG_EARLY, size.long)
        found.append((SESSIONS_PER_BATCH - 1, SessionBatch(cell, range(early), long=True)))
        if size.long > early:
            found.append(
                (size.sessions / 2, SessionBatch(cell, range(early, size.long), long=True))
            )
    return [
        batch
        for _, batch in sorted(found, key=lambda placed: (placed[0], not placed[1].cell.middle))
    ]
