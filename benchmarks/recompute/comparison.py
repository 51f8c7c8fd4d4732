"""What report.json says beside what its tables give."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recompute.code import LARGEST_R2, information
from recompute.judgement import A_THIRD, COSTLY, FREE, JITTER_COSTLY, JITTER_FREE, Judgement, decide
from recompute.losses import ARMS
from recompute.samples import (
    ALPHA,
    POPULATION,
    Sample,
    adjusted,
    holm_levels,
    over_fixed_sessions,
    scope,
)
from recompute.tables import Tables

TOLERANCE, REDUNDANT, LINEAR = 1e-9, 1.25, 0.8


Row = tuple[str, str, Any, Any]
"""Kind of figure, which one, as reported, as computed here."""


def ends(
    kind: str,
    where: str,
    reported: Mapping[str, Any] | None,
    found: tuple[float, float, float] | None,
) -> Iterator[Row]:
    """Estimate and both ends of an interval."""
    if reported is None or found is None:
        yield f"{kind}: estimates", where, reported, found
        return
    yield f"{kind}: estimates", where, reported["estimate"], found[0]
    yield f"{kind}: intervals", f"{where}, low", reported["ci_low"], found[1]
    yield f"{kind}: intervals", f"{where}, high", reported["ci_high"], found[2]


def of_sessions(tables: Tables) -> Iterator[Row]:
    """Ranges, nulls and codes of single sessions."""
    for found in tables.report["sessions"]:
        name, losses = found["session"], tables.losses[found["session"]]
        mean, error, _, _ = over_fixed_sessions([losses.range])
        yield (
            "sessions: floor, ceiling, R and its SE",
            f"{name}: floor",
            found["floor"],
            float(losses.floor.mean()),
        )
        yield "sessions: floor, ceiling, R and its SE", f"{name}: R", found["range"], mean
        yield "sessions: floor, ceiling, R and its SE", f"{name}: SE of R", found["range_se"], error
        yield (
            "sessions: ceiling and decodability",
            f"{name}: ceiling",
            found["ceiling_family"],
            losses.ceiling_family,
        )
        yield (
            "sessions: ceiling and decodability",
            f"{name}: decodable",
            found["decodable"],
            tables.sound(name),
        )
    for null in tables.report["nulls"]:
        if null["null"]:
            p = (1 + sum(draw <= null["observed"] for draw in null["null"])) / (
                1 + len(null["null"])
            )
            yield "sessions: p of the null", null["session"], null["p_value"], p
    for point in tables.report["code"]:
        code, name = tables.codes[point["session"]], point["session"]
        own = {
            "R_code": code.whole.range,
            "R_code_se": code.whole.range_se,
            "r2": code.whole.r2(code.whole["linear"]),
        }
        known = code.whole.decodable
        own |= {k: code.whole.units(k) if known else math.nan for k in ("K_s", "K_n", "carriers")}
        own |= {"redundancy": code.whole.redundancy if known else math.nan}
        yield from (
            ("sessions: the code", f"{name}: {k}", point[k], value) for k, value in own.items()
        )


def of_curves(tables: Tables) -> Iterator[Row]:
    """Every point of curve.csv (sessions and seeds) and of dropping.csv."""
    for point in tables.report["curve"]:
        losses, where = (
            tables.losses[point["session"]],
            f"{point['session']} {point['estimand']} at {point['dose']}",
        )
        if point["estimand"] in ("C_code", "C_blind"):
            code = tables.codes[point["session"]]
            lost = code.values(lambda sums, p=point: sums.lost(p["estimand"], p["axis"], p["dose"]))  # type: ignore[misc]
            value = lost.mean() / code.values(lambda sums: sums.range).mean()
        elif point["estimand"] in ARMS:
            effect = losses.difference(point["estimand"], point["axis"], point["dose"])
            part = effect if point["seed"] is None else effect[point["seed"]]
            value = part.mean() / losses.ranges_of(effect).mean()
        else:
            continue
        yield "curve: sessions and seeds", where, point["value"], float(value)
    for point in tables.report["dropping"]:
        sums = tables.codes[point["session"]].whole
        errors = sums.totals["curve", point["curve"], str(point["units"])]
        r2 = min(max(sums.r2(errors), 0.0), LARGEST_R2)
        yield "dropping curves", f"{point['session']} {point['curve']}: R2", point["r2"], r2
        yield (
            "dropping curves",
            f"{point['session']} {point['curve']}",
            point["part"],
            r2 / sums.r2(sums["linear"]),
        )


def of_code(h: Judgement) -> Iterator[Row]:
    """The finding of the code."""
    found = h.about.reported["code"]
    if found is None or not h.about.has_code:
        yield (
            "words: the code",
            h.about.id,
            found is None,
            not h.about.has_code or bool(h.failed("everything")),
        )
        return
    for name, quantity in h.about.code_quantities():
        kind = "C_code, C_blind" if name.startswith("C_") else "K_s, K_n, carriers, redundancy"
        yield from ends(kind, f"{h.about.id}: {name}", found[name], quantity)
    if found["independent"] is not None:
        js = [information(code.whole.r2(code.whole["linear"])) for code in h.about.codes]
        yield (
            "C_code of an independent code",
            h.about.id,
            found["independent"],
            float(np.mean([h.about.dose / (1 + (1 - h.about.dose) * j) for j in js])),
        )
    reached = sum(c.whole.range for c in h.about.codes) / sum(
        float(losses.range.mean()) for losses in h.about.losses
    )
    yield "words: the code", f"{h.about.id}: linear", found["linear"], reached < LINEAR


def of_estimands(h: Judgement) -> Iterator[Row]:
    """Estimands at every dose of the declared recipe, then under all settings.

    Those under all settings are at the primary dose.
    """
    for row in h.about.reported["estimands"]:
        sample = _sample_of(h, row)
        where = f"{h.about.id}: {row['name']} at {row['dose']}"
        yield from ends("declared recipe", where, row, sample.quantity)
        yield "declared recipe: skew", where, row["skew"], sample.skew
    for row in h.about.reported["swept"]:
        kind, name = f"setting {row['setting']}", row["name"]
        if row["setting"].startswith("control: "):
            sample = h.about.learned(name, row["dose"], axis=row["axis"])
        elif name.startswith("change of "):
            sample = h.about.change(name.removeprefix("change of "), row["setting"])
        else:
            sample = h.about.learned(name, setting=row["setting"])
        yield from ends(kind, f"{h.about.id}: {name}", row, sample.quantity)


def _sample_of(h: Judgement, row: Mapping[str, Any]) -> Sample:
    identity = h.about.tables.identity(h.about.axis)
    if row["name"] in ("C_code", "C_blind"):
        return h.about.code_sample(row["name"], row["dose"])
    if row["name"] in ("T", "L(d, d)"):
        return h.about.excess(identity if row["name"] == "T" else row["dose"], row["dose"])
    if row["name"] == "delta(n/3)":
        return h.about.learned("delta", setting=A_THIRD)
    return h.about.learned(row["name"], row["dose"])


def of_learning(h: Judgement, level: float) -> Iterator[Row]:
    """The recipes of the panel, every claim, gates and what stands beside the verdict."""
    found = h.about.reported["learning"]
    if found is None:
        return
    free, costly = (JITTER_FREE, JITTER_COSTLY) if h.about.jitter else (FREE, COSTLY)
    rows = {row["name"]: row for row in found["panel"]["recipes"]}
    for recipe in h.recipes:
        row = rows[recipe.name]
        for name in ("D", "H", "delta"):
            if row[name] is not None:
                yield from ends(
                    f"recipe {recipe.name}",
                    f"{h.about.id}: {name}",
                    row[name],
                    recipe.samples[name].quantity,
                )
        yield "retention", f"{h.about.id}: {recipe.name}", row["retention"], recipe.retention
        p_values = (
            {
                "free": max(recipe.claims[c] for c in free),
                "costly": max(recipe.claims[c] for c in costly),
            }
            if recipe.claims
            else {}
        )
        word = decide(p_values, level, "undecided") if recipe.passes else "undecided"
        yield "words: learning", f"{h.about.id}: {recipe.name}", row["finding"], word
    claims = {} if not h.about.code_claims else dict(h.about.code_claims)
    for recipe in h.recipes:
        mark = "" if recipe.name == "declared" else f" [{recipe.name}]"
        claims |= {f"{name}{mark}": p for name, p in recipe.claims.items()}
    reported = {claim["name"]: claim["p_value"] for claim in h.about.reported["claims"]}
    if reported or not h.missing:
        yield "claims", f"{h.about.id}: which", sorted(reported), sorted(claims)
    yield from (
        ("claims: p values", f"{h.about.id}: {name}", p, claims.get(name))
        for name, p in reported.items()
    )
    withheld = h.failed("learning", True)
    word = decide({k: p for k, p in h.learning.items() if k != "dearer"}, level, "undecided")
    yield "words: learning", h.about.id, found["finding"], "undecided" if withheld else word
    if not h.missing:
        yield "dose intervals", h.about.id, h.about.reported["dose_interval"], h.dose_interval()
        arms = [
            h.about.learned(name)
            for name in (("delta",) if h.about.jitter else ("delta", "H", "delta_paired"))
        ]
        helped = any(
            sample.complete and sample.at_most(-h.about.margin) <= ALPHA for sample in arms
        )
        yield (
            "words: flags",
            h.about.id,
            h.about.reported["flags"],
            ["regularised"] if helped else [],
        )
        yield (
            "words: naive rule",
            h.about.id,
            h.about.reported["naive"]["independent"],
            naive(h.about.learned("delta"), h.about.margin),
        )
        if h.about.reported["naive"]["paired"] is not None:
            yield (
                "words: naive rule",
                h.about.id,
                h.about.reported["naive"]["paired"],
                naive(h.about.learned("delta_paired"), h.about.margin),
            )


def naive(delta: Sample, margin: float) -> str:
    """What the rule `delta <= m, so invariant` says."""
    return "invariant" if delta.estimate <= margin else "not invariant"


def of_matrix(h: Judgement) -> Iterator[Row]:
    """Encoders trained at one dose and tested at another, over sessions."""
    for row in h.about.tables.report["matrix"]:
        if row["hypothesis"] == h.about.id:
            found = h.about.excess(row["train_dose"], row["test_dose"]).quantity
            named = {"estimate": row["value"], "ci_low": row["ci_low"], "ci_high": row["ci_high"]}
            if row["ci_low"] is None and row["train_dose"] == row[
                "test_dose"
            ] == h.about.tables.identity(h.about.axis):
                found = (found[0], math.inf, math.inf)  # zero by definition: no interval
            yield from ends(
                "matrix", f"{h.about.id}: {row['train_dose']}, {row['test_dose']}", named, found
            )


def of_measures(h: Judgement) -> Iterator[Row]:
    """N_eff, RedIdx and tau: t over subjects or sessions, of logarithms but for RedIdx."""
    sessions = h.about.tables.sessions.set_index("session")
    for row in h.about.reported["no_ssl"]["measures"]:
        values = sessions.loc[h.about.names, row["name"]].astype(float)
        forth, back = (np.array, float) if row["name"] == "red_idx" else (np.log, math.exp)
        units = pd.Series(forth(values))
        if len(set(h.about.subjects)) > 1:
            units = units.groupby(h.about.subjects).mean()
        if len(units) < POPULATION:
            yield (
                "N_eff, RedIdx, tau",
                f"{h.about.id}: {row['name']}",
                row["estimate"],
                back(float(np.mean(forth(values)))),
            )
            continue
        half = stats.t.ppf(1 - ALPHA, len(units) - 1) * units.sem()
        found = tuple(
            back(float(v)) for v in (units.mean(), units.mean() - half, units.mean() + half)
        )
        yield from ends("N_eff, RedIdx, tau", f"{h.about.id}: {row['name']}", row, found)  # type: ignore[arg-type]
        if row["p_value"] is not None:
            p = stats.ttest_1samp(units, 0.0, alternative="greater").pvalue
            yield (
                "N_eff, RedIdx, tau: p values",
                f"{h.about.id}: {row['name']}",
                row["p_value"],
                float(p),
            )


def of_verdict(h: Judgement, level: float, adjusted_p: float) -> Iterator[Row]:
    """The p value, the word at Holm's level, and the words of the code."""
    found = h.about.reported
    yield "hypotheses: p values", h.about.id, found["p_value"], h.p_value
    yield (
        "hypotheses: adjusted p values",
        h.about.id,
        found["p_value_adjusted"],
        None if h.p_value is None else adjusted_p,
    )
    yield "words: verdicts", h.about.id, found["verdict"], h.verdict(level)
    yield "words: outcomes", h.about.id, found["outcome"], h.outcome(level)
    yield "words: status", h.about.id, found["status"], h.status(level)
    yield "words: scope", h.about.id, found["scope"], scope(h.about.subjects)
    yield "words: sessions", h.about.id, found["sessions"], h.about.names
    for gate in found["gates"]:
        yield (
            "words: gates",
            f"{h.about.id}: {gate['name']}",
            gate["outcome"],
            h.outcomes[gate["name"]][0],
        )
    code = found["code"]
    if code is not None and h.about.has_code:
        kept = {
            "kept": h.about.code_claims["C_code <= m"],
            "lost": h.about.code_claims["C_code > m"],
        }
        yield "words: the code", h.about.id, code["finding"], decide(kept, level, "undecided")
        allowed = h.about.names_carriers and not h.failed("carriers", True)
        word = decide(h.about.carriers, level, "undecided") if allowed else ""
        yield (
            "words: carriers",
            h.about.id,
            code["carriers_word"],
            "undecided" if word and h.failed(word) else word,
        )
        sample = h.about.code_sample("redundancy")
        redundant = allowed and sample.complete and sample.more_than(math.log(REDUNDANT)) <= level
        yield "words: carriers", f"{h.about.id}: redundant", code["redundant"], redundant


def rows_of(tables: Tables, hypotheses: Sequence[Judgement]) -> Iterator[Row]:
    """Every figure of the report that is computed again."""
    p_values = {h["id"]: h["p_value"] for h in tables.report["hypotheses"]} | {
        h.about.id: h.p_value for h in hypotheses
    }
    counted = {name: 1.0 if p is None else p for name, p in p_values.items()}
    members = {h.about.id for h in hypotheses if h.member} | {
        h["id"]
        for h in tables.report["hypotheses"]
        if h["kind"] == "contrast" and h["status"] == "confirmatory"
    }
    confirmatory = {name: p for name, p in counted.items() if name in members}
    levels = holm_levels(confirmatory)
    by_name = adjusted(confirmatory, holm=True) | adjusted(
        {n: p for n, p in counted.items() if n not in members}, holm=False
    )
    yield from of_sessions(tables)
    yield from of_curves(tables)
    for h in hypotheses:
        level = levels.get(h.about.id, ALPHA)
        print(
            f"{h.about.id}: {h.verdict(level)} at level {level:.4g}; p by word: "
            + said(h.words)
            + f"; carriers: {said(h.about.carriers)}"
        )
        yield from of_verdict(h, level, by_name[h.about.id])
        yield from of_measures(h)
        if h.failed("everything"):
            continue
        yield from of_code(h)
        yield from of_estimands(h)
        yield from of_learning(h, level)
        yield from of_matrix(h)


def said(p_values: Mapping[str, float]) -> str:
    """P values in a line."""
    return ", ".join(f"{name} {p:.3g}" for name, p in p_values.items()) or "none"


def difference(reported: Any, found: Any) -> float:
    """Absolute difference of two numbers, relative above 1; infinite where other things differ."""
    if isinstance(found, float) and not math.isfinite(found):
        found = None  # report.json has null there
    if (
        isinstance(reported, bool)
        or isinstance(found, bool)
        or not isinstance(reported, int | float)
        or not isinstance(found, int | float)
    ):
        return 0.0 if reported == found else math.inf
    return abs(reported - found) / max(1.0, abs(reported))
