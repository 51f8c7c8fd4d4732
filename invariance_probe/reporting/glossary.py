"""Glossary of a report: its verdicts, findings, symbols and flags.

In: the content of report.json. Out: the entries that this report uses, in groups. The
definitions are those of science.md 2 and 3. Terms about the code and terms about learning
have separate groups, and no term is used for both. Names used by earlier versions are
mentioned, so that an older report can be read beside a new one.
"""

from typing import Any

Entry = tuple[str, str]
"""A term or symbol, and its meaning."""

LETTERS: tuple[Entry, ...] = (
    ("m", "the margin: the largest loss that would not matter"),
    (
        "R",
        "decodable range of a session: loss of the best constant less that of the best decoder "
        "without SSL; the unit of learning",
    ),
    (
        "R_code",
        "the same for the linear decoders that are refitted to ask about the code; the unit of "
        "C_code and C_blind",
    ),
)
CODE: tuple[Entry, ...] = (
    (
        "C_code",
        "loss added when the corrupted inputs are gone and the decoder is refitted on what "
        "survives; no SSL",
    ),
    (
        "C_blind",
        "loss added for one decoder that cannot see the corruption; no SSL (C_info in reports "
        "of earlier versions)",
    ),
    (
        "kept, lost, undecided",
        "the code: C_code is shown to be at most m; shown to be more than m; neither",
    ),
    (
        "K_s, K_n",
        "fewest units found that reach half of what all units decode; fewest whose loss leaves "
        "less than half; over sessions, as for carriers and redundancy, the geometric mean",
    ),
    ("carriers", "K_s + K_n: the number of equal independent units that would behave alike"),
    (
        "redundancy",
        "information of two halves of the units over that of all: 1 where each half holds half, "
        "2 where each holds all",
    ),
    (
        "few",
        "K_s + K_n is shown to be clearly below the declared share of the units (a quarter "
        "unless declared)",
    ),
    (
        "spread",
        "K_n is shown to be clearly above that share: not even the most damaging units of that "
        "number take half",
    ),
    ("between", "shown to be neither few nor spread"),
    ("redundant", "added to these words where redundancy is shown to be above 1.25"),
    (
        "N_eff, RedIdx",
        "earlier measures of how many units carry a target and how redundantly; exploratory, in "
        "no word",
    ),
    ("tau", "1/e time of the test-lag curve"),
)
LEARNING: tuple[Entry, ...] = (
    ("delta", "loss added by training with the dose, independent draws for the two views"),
    ("H", "loss added with one draw shared by all: harm or help of the corruption itself"),
    ("D", "delta less H: the price of being made invariant"),
    (
        "T, L(d, d)",
        "loss on corrupted inputs of representations trained at dose 0, and at the dose",
    ),
    (
        "recipe, panel",
        "a method with its optimisation and widths; the recipes that a claim about learning "
        "must hold under",
    ),
    (
        "free, costly",
        "learning, under every recipe: D, H and delta are shown to be at most m; D is shown to "
        "be more than m",
    ),
)
VERDICTS: tuple[Entry, ...] = (
    (
        "invariant",
        "kept and free: what remains decodes the target, and learning to ignore the loss costs "
        "no more than m",
    ),
    (
        "tolerated",
        "lost and free: the lost inputs carried information that nothing replaces, yet training "
        "to ignore such losses costs no more than m (recoverable in reports of earlier "
        "versions; nothing is recovered unless L(d, d) shows it)",
    ),
    (
        "sensitive",
        "lost and costly: information is lost, and being made invariant costs more than m "
        "beyond the same corruption shared",
    ),
    (
        "competition",
        "kept and costly, with delta above m: the objective discards what survives; about the "
        "method, not the code",
    ),
    (
        "recipe-dependent",
        "at most m is shown under one recipe and more than m under another: both are named",
    ),
    ("inconclusive", "the default where no word's claims are all shown"),
    (
        "inconclusive (unadjusted: …)",
        "that word would be shown if the hypothesis were the study's only one, but not after "
        "Holm's correction",
    ),
    (
        "uncalibrated method",
        "the method has no licence for this claim at these settings: estimates without a word",
    ),
    (
        "untestable",
        "the data cannot carry the question: the sessions are not decodable, or the target does "
        "not move",
    ),
    ("invalid", "a gate failed that takes this word away; what the gate does not limit stands"),
)
JITTER: tuple[Entry, ...] = (
    (
        "tolerated",
        "training that makes such windows alike costs no more than m (delta), with all and with "
        "a third of the data",
    ),
    (
        "sensitive",
        "such training costs more than m; a jitter is never called invariant, for the target "
        "itself changes",
    ),
)
OUTCOMES: tuple[Entry, ...] = (
    (
        "predicted distributed",
        "a prediction about the number of units alone, which `spread` supports and `few` "
        "contradicts",
    ),
    (
        "supported, contradicted, open",
        "what a word says of the prediction; open where it neither supports nor contradicts it",
    ),
    (
        "passed, failed, not shown, not computed",
        "a gate; failed takes away what it limits, the last two leave that exploratory",
    ),
    (
        "regularised",
        "in some arm the corruption lowered the loss by more than m: it helped decoding, no "
        "evidence of invariance",
    ),
)
MINED: tuple[Entry, ...] = (
    (
        "M_loc, M_rand, M_shift",
        "how much less mined pairs lose than local pairs, than random distant pairs and than "
        "pairs mined for a shifted index; M_oracle: what pairs by the target gain over local "
        "ones; A/A: the same condition with other seeds",
    ),
    (
        "beneficial",
        "every control is beaten, by pairs purer than random and shifted ones and, where a "
        "nuisance is named, apart in it",
    ),
    ("harmful", "mined pairs lose more than local ones"),
    ("not shown", "neither; better than random pairs alone is not a benefit"),
)
STATES: tuple[Entry, ...] = (
    (
        "M_loc, M_other, M_shuffled, M_permuted",
        "how much less pairs with mined sleep lose than local pairs, than pairs mined in the "
        "other state, than pairs mined in sleep whose bins changed places in time, and than "
        "pairs mined in and shown of sleep whose units changed places; A/A: the same condition "
        "with other seeds",
    ),
    (
        "experimental",
        "said of a hypothesis that no calibration stands behind: it never counts as confirmatory",
    ),
    ("beneficial", "all four controls are beaten"),
    ("harmful", "pairs with mined sleep lose more than local ones"),
    ("not shown", "neither"),
)


def glossary(report: dict[str, Any]) -> list[tuple[str, tuple[Entry, ...]]]:
    """Select the groups of glossary entries that a report needs.

    Parameters
    ----------
    report
        The content of report.json.

    Returns
    -------
    groups
        Pairs of a title and its entries. Groups about kinds of hypotheses that the report
        does not have are left out.
    """
    kinds = {hypothesis["kind"] for hypothesis in report["hypotheses"]}
    axes = {hypothesis["axis"] for hypothesis in report["hypotheses"]}
    corruptions, doses = "invariance" in kinds, kinds & {"invariance", "jitter"}
    groups = [
        ("Letters", LETTERS, True),
        ("The code (no SSL)", CODE, True),
        ("Learning", LEARNING, doses),
        ("Verdicts", VERDICTS, corruptions),
        (
            "Verdicts on a jitter",
            (*JITTER, *(() if corruptions else VERDICTS[4:])),
            "jitter" in kinds,
        ),
        ("Pairs mined across time", MINED, "mined.share" in axes),
        ("Pairs across states", STATES, "state.share" in axes),
        ("Predictions, gates and flags", OUTCOMES, True),
    ]
    return [(title, entries) for title, entries, shown in groups if shown]
