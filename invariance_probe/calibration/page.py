"""The calibration's page: what was asked, what was reached, on how many sessions."""

from collections.abc import Mapping, Sequence
from typing import Any

from invariance_probe.calibration.counting import STUDIES

VERDICTS = ("invariant", "recoverable", "sensitive", "competition", "inconclusive", "invalid: retention", "invalid: noise")
_SIZE_NOTE = {
    "full": "",
    "licence": " The bank is of the size that decides whether a method may give verdicts, not of the size that bounds each claim's error.",
    "quick": " **Quick: whether everything works; no evidence of anything.**",
}


def page(content: Mapping[str, Any]) -> str:
    """Return the page, in Markdown."""
    figures = [
        [row["about"], row["figure"], row["asked"], *(_number(row[name]) for name in ("reached", "low", "high")), row["bank"],
         {True: "yes", False: "**no**", None: ""}[row["met"]]]
        for row in content["rows"]
    ]  # fmt: skip
    shares = [[case, *(_number(share.get(v, 0.0)) for v in VERDICTS)] for case, share in content["verdicts"].items()]
    means = content.get("means", {})
    names = list(dict.fromkeys(name for values in means.values() for name in values))
    banks = [[case, *("{:+.2f} ± {:.2f}".format(*values[name]) for name in names)] for case, values in means.items()]
    opening = [
        "# Calibration",
        "",
        _opening(content["settings"]),
        "",
        *_table(["case", "figure", "asked", "reached", "95 % low", "high", "bank", "met"], figures),
        "",
    ]
    if not shares:
        return "\n".join(opening)
    return "\n".join([
        *opening,
        "## Verdicts at six sessions",
        "",
        *_table(["case", *VERDICTS], shares),
        "",
        "## Banks: mean and SD over sessions, in units of the range",
        "",
        *_table(["case", *names], banks),
        "",
    ])  # fmt: skip


def _opening(settings: Mapping[str, Any]) -> str:
    training = settings["training"]
    method, size, part = settings["method"]["kind"], settings["size"], settings.get("part", "all")
    if part in ("measures", "worlds"):
        return (
            f"Made by `invariance-probe calibrate --part {part} --size {size}`: worlds of known truth, measured without trained SSL. "
            f"Studies of several sessions are {STUDIES} draws from a bank of sessions. The worlds' seeds were used for nothing else."
            f"{_SIZE_NOTE[size]}"
        )
    return (
        f"Made by `invariance-probe calibrate --method {method} --size {size}`: worlds of known truth, measured by {method} "
        f"({training['steps']} steps, batches of {training['batch_size']}) and judged by the toolkit's own rules, in {STUDIES} studies "
        "drawn from each bank of sessions. The worlds' seeds were used for nothing else. A size puts the null where it is exactly true, "
        "at the bank's own mean; its upper bound is the 95 % quantile over resampled banks. The verdicts' margin is a tenth of the "
        f"range.{_SIZE_NOTE[size]}"
    )


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]
