"""Report tables about the code, as measured by decoders without SSL.

In: one of the hypotheses of report.json, with its finding of the code. Out: a table of
quantities, and a table of the units that carry the target. Nothing is computed here, and
nothing is said about learning.

K_s is the fewest units found that reach half of the R2 of all units. K_n is the fewest
units whose removal leaves less than half. C_code and C_blind are losses under the
corruption, in units of R_code: the loss of the best constant minus that of the decoder
that reads all units.
"""

from typing import Any

from invariance_probe.reporting.table import Table
from invariance_probe.reporting.words import one_decimal, two_decimals
from invariance_probe.study.counting import counted

LONGEST = 12
"""Most units that the page names per session; named_units.csv lists all."""
EXPLORATORY = {"n_eff": "N_eff (exploratory)", "red_idx": "RedIdx (exploratory)"}
"""Exploratory measures: their names in report.json, and in the table."""
COUNTED = {
    "K_s": "fewest units found that reach half of what all decode",
    "K_n": "fewest units found whose loss leaves less than half, the rest refitted",
    "carriers": "K_s + K_n: like this many equal independent carriers",
}
"""Quantities that count units, each with the explanation given in the table."""
READ = {
    "redundancy": (
        "1: each half of the units holds half of the information; 2: each holds all of it"
    ),
    "C_code": (
        "what is lost with the corrupted inputs, the decoder refitted on what survives, of R_code"
    ),
    "C_blind": "what one decoder loses that cannot see the corruption, of R_code",
}
"""Ratios and losses, each with the explanation given in the table."""
UNKNOWN_MASKS = "equal to C_blind, since this corruption leaves no input intact"
"""Explanation of C_code where no decoder can be refitted.

A corruption such as noise leaves no inputs intact that a decoder could be refitted on.
"""


def quantity_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table of K_s, K_n, redundancy, C_code and related quantities.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        One row per quantity, with its 90 % interval; None if the code was not measured.
    """
    code = hypothesis["code"]
    if code is None:
        return None
    rows = [(name, *_ends(code[name], one_decimal), reads) for name, reads in COUNTED.items()]
    known = {**READ, **({} if code["known_masks"] else {"C_code": UNKNOWN_MASKS})}
    rows += [(name, *_ends(code[name], two_decimals), reads) for name, reads in known.items()]
    if code["independent"] is not None:
        same = (
            "C_code that independent units of the same R2 would have: a low C_code near this is "
            "saturation, not copies"
        )
        rows.append(("independent code", two_decimals(code["independent"]), "", "", same))
    measures = [m for m in hypothesis["no_ssl"]["measures"] if m["name"] in EXPLORATORY]
    rows += [
        (EXPLORATORY[m["name"]], *_ends(m, two_decimals), "in no verdict and no word")
        for m in measures
    ]
    note = (
        f"Over {counted(len(hypothesis['sessions']), 'session')} of {_span(code['n_units'])} "
        "units, with 90 % intervals. Decoders are refitted; nothing here is trained by SSL."
    )
    return Table(
        "How many units, and what is lost",
        note,
        ("quantity", "estimate", "low", "high", "reads"),
        tuple(rows),
        ("reads",),
    )


def unit_table(hypothesis: dict[str, Any]) -> Table | None:
    """Build the table of the units that carry the target, one row per session.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses.

    Returns
    -------
    Table or None
        None if the code was not measured or no unit was named.
    """
    code = hypothesis["code"]
    if code is None or not code["units"]:
        return None
    sessions = dict.fromkeys(unit["session"] for unit in code["units"])
    rows = []
    for session in sessions:
        own = [unit for unit in code["units"] if unit["session"] == session]
        rows.append((session, str(own[0]["folds"]), _chosen(own, "gained"), _chosen(own, "lost")))
    note = (
        "Units among the fewest that reach half of what all decode, and among the fewest whose "
        "loss leaves less than half; in brackets, in how many of the folds each was chosen. "
        "Among copies of one neuron the choice is arbitrary: a unit that is not named may know "
        "as much. named_units.csv has all of them."
    )
    columns = ("session", "folds", "enough for half", "lost, less than half is left")
    return Table("Which units", note, columns, tuple(rows), columns[2:])


def _chosen(units: list[dict[str, Any]], by: str) -> str:
    """List the units chosen in some fold, each with its number of folds.

    `by` is `gained` (enough for half) or `lost` (less than half is left without them).
    """
    chosen = sorted((unit for unit in units if unit[by]), key=lambda unit: -unit[by])
    said = ", ".join(f"{unit['unit']} ({unit[by]})" for unit in chosen[:LONGEST])
    return said + (f" and {len(chosen) - LONGEST} more" if len(chosen) > LONGEST else "")


def _ends(found: dict[str, Any] | None, written: Any) -> tuple[str, str, str]:
    if found is None:
        return ("not computed", "", "")
    return tuple(written(found[end]) for end in ("estimate", "ci_low", "ci_high"))


def _span(counts: list[int]) -> str:
    return f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
