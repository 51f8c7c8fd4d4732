"""Error rates, power and savings of adaptive seeds, on simulated losses.

python benchmarks/adaptive_seeds.py [--studies 5000] [--out FOLDER]

The size of every claim, the power, and the seeds that are saved are written to
reports/calibration/adaptive_seeds/README.md. Nothing is trained; it takes about two
minutes on one core.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from invariance_probe.calibration.adaptive_seeds import (
    CLAIMS,
    MARGIN,
    Judged,
    World,
    fixed,
    judge,
    simulate,
)
from invariance_probe.inference.rules.interim_analyses import InterimAnalysis
from invariance_probe.study.session import POPULATION

SEEDS = (2, 3, 5)
SPENDINGS = ("obrien_fleming", "pocock")
SESSIONS = (3, 5, 8)
NULLS = {  # truth, and what is false there
    "C_code = D = delta = m": ({"C_code": MARGIN, "D": MARGIN, "H": 0.0}, ("C_code", "D", "delta")),
    "H = delta = m": ({"C_code": MARGIN, "D": 0.0, "H": MARGIN}, ("H", "delta")),
}
WORDS = {"C_code": 4 * MARGIN, "D": MARGIN, "H": -4 * MARGIN}
"""Where one false claim about D is all that stands between a study and a false verdict."""
WORLDS = {
    "sessions vary 4 times as much as seeds": World(0.08, 0.02),
    "as much": World(0.06, 0.06),
    "a quarter": World(0.02, 0.08),
    "not at all": World(0.0, 0.08),
    "skewed, as much": World(0.06, 0.06, skewed=True),
    "skewed, 4 times": World(0.08, 0.02, skewed=True),
}
TRUTHS = {
    "invariant": {"C_code": 0.0, "D": 0.0, "H": 0.0},
    "tolerated": {"C_code": 0.4, "D": 0.0, "H": -0.03},
    "sensitive": {"C_code": 0.7, "D": 0.2, "H": -0.05},
    "tolerated, near m": {"C_code": 0.4, "D": 0.05, "H": -0.03},
    "inconclusive (D = m)": {"C_code": 0.4, "D": 0.1, "H": 0.0},
}
CLEAR = ("invariant", "tolerated", "sensitive")
SPREADS = {
    "usual (.08, .04, .06, .03)": World(0.08, 0.04),
    "quiet (.03, .03, .04, .02)": World(0.03, 0.03, 0.04, 0.02),
}
OPENING = """# Adaptive seeds: size, power and saving

Made by `python benchmarks/adaptive_seeds.py --studies {studies}`: {studies} studies a row, \
on simulated losses (arms with session,
seed, block and cell parts; margin .1; looks after 2, 3 and 5 seeds), \
judged by the toolkit's own rules
([docs/adaptive.md](../../../docs/adaptive.md)). Three sessions are judged by crossed
seeds and blocks ("these recordings"), five and eight by a t over sessions.

"""
SIZE_NOTE = """## Size

Every claim stands where it is exactly false; the largest share over all of them. *At the stop*: \
in the report of a study that
stops when its verdict is settled. *At any look*: by whoever would stop at the best moment. \
*Word*: a false `tolerated` or
`sensitive` (the larger) where C_code > m and D = m. *Fixed*: one look at five seeds, at .05. \
*.05 at every look*: what is wrong with
looking without a boundary. Asked: at most .07 at the stop. \
Sessions that are skewed like an exponential variable break the t test itself
(science.md: the guard only softens it); there the looks are asked not to add to it.
"""
POWER_NOTE = """## Power and saving

Share of studies that reach the true word (of any word, where the truth is on the margin), \
with all five seeds and with looks; and
the part of the SSL runs that is saved. Baselines, and the information cost by a raw decoder, \
have no part in it.
"""


def looks(spending: str) -> tuple[InterimAnalysis, ...]:
    """Return the looks of this benchmark."""
    return tuple(
        InterimAnalysis(i, seeds, SEEDS, spending) for i, seeds in enumerate(SEEDS, start=1)
    )  # type: ignore[arg-type]


def worst(shown: dict[str, np.ndarray], about: tuple[str, ...]) -> float:
    """Return the share of the most frequent claim about some estimands."""
    return max(float(shown[name].mean()) for name in CLAIMS if name.split()[0] in about)


def wrong_word(judged: Judged) -> float:
    """Return the share of the more frequent of two false verdicts."""
    return max(float((judged.verdicts == word).mean()) for word in ("tolerated", "sensitive"))


def size_rows(studies: int) -> Iterator[list[object]]:
    """Yield sizes by sessions, world and spending."""
    for sessions in SESSIONS:
        for name, world in WORLDS.items():
            if world.skewed and sessions < POPULATION:  # such sessions stand for themselves
                continue
            rng = np.random.default_rng(20)
            nulls = [
                (simulate(world, truth, sessions, SEEDS[-1], studies, rng), about)
                for truth, about in NULLS.values()
            ]
            words = simulate(world, WORDS, sessions, SEEDS[-1], studies, rng)
            once = max(worst(fixed(losses, SEEDS[-1]).claims, about) for losses, about in nulls)
            naive = max(
                worst(judge(losses, looks("pocock"), (0.05,) * 3).at_any_look, about)
                for losses, about in nulls
            )
            for spending in SPENDINGS:
                found = [(judge(losses, looks(spending)), about) for losses, about in nulls]
                stop = max(worst(judged.claims, about) for judged, about in found)
                ever = max(worst(judged.at_any_look, about) for judged, about in found)
                word = wrong_word(judge(words, looks(spending)))
                yield [
                    sessions,
                    name,
                    spending,
                    stop,
                    ever,
                    word,
                    once,
                    wrong_word(fixed(words, SEEDS[-1])),
                    naive,
                ]


def power_rows(studies: int) -> Iterator[list[object]]:
    """Yield power and saving by sessions, spread, truth and spending."""
    for sessions in (3, 6, 8):
        for spread, world in SPREADS.items():
            for word, truth in TRUTHS.items():
                losses = simulate(
                    world, truth, sessions, SEEDS[-1], studies, np.random.default_rng(21)
                )
                row: list[object] = [
                    sessions,
                    spread,
                    word,
                    reached(fixed(losses, SEEDS[-1]), word),
                ]
                for spending in SPENDINGS:
                    judged = judge(losses, looks(spending))
                    row += [reached(judged, word), 1 - float(judged.seeds.mean()) / SEEDS[-1]]
                yield row


def reached(judged: Judged, word: str) -> float:
    """Return the share of studies with the true word."""
    named = judged.verdicts == word.split(",")[0]
    return float(
        (named if not word.startswith("inconclusive") else judged.verdicts != "inconclusive").mean()
    )


def table(head: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table."""
    cells = [[f"{x:.3f}" if isinstance(x, float) else str(x) for x in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)) + "\n"


def main() -> None:
    """Print both tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("reports/calibration/adaptive_seeds"))
    given = parser.parse_args()
    sizes, powers = list(size_rows(given.studies)), list(power_rows(given.studies))
    largest = {
        skewed: max(row[3] for row in sizes if str(row[1]).startswith("skewed") == skewed)
        for skewed in (False, True)
    }
    added = max(row[3] - row[6] for row in sizes if str(row[1]).startswith("skewed"))
    late, even = (np.mean([row[i] for row in powers if row[2] in CLEAR]) for i in (5, 7))
    said = (
        f"Largest size at the stop: **{largest[False]:.3f}** (skewed sessions: "
        f"{largest[True]:.3f}, {added:+.3f} against one look). "
        "Mean saving in SSL runs over the rows with a clear truth: "
        f"**{late:.0%}** by O'Brien-Fleming spending, **{even:.0%}** by Pocock spending.\n"
    )
    page = [
        OPENING.format(studies=given.studies) + said,
        SIZE_NOTE,
        table(
            [
                "sessions",
                "sessions against seeds",
                "spending",
                "at the stop",
                "at any look",
                "word",
                "fixed",
                "word, fixed",
                ".05 at every look",
            ],
            sizes,
        ),
        POWER_NOTE,
        table(
            [
                "sessions",
                "SD of session, seed, block, cell",
                "truth",
                "fixed",
                "O'Brien-Fleming",
                "saved",
                "Pocock",
                "saved",
            ],
            powers,
        ),
    ]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "README.md").write_text("\n".join(page), encoding="utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
