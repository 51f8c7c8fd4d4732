"""What SSL adds to the finding of the code: that finding against the verdict.

Measured sessions of known truth go in; a table comes out. Without SSL one knows whether
what remains decodes the target (`kept`) or not (`lost`). A verdict adds what training
costs. The table says how often each verdict follows each finding of the code, and how
often no word is added at all. Where every study of a kept code is `invariant` and every
study of a lost one `tolerated`, training told nothing that could not have been guessed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import MARGIN
from invariance_probe.calibration.counting import code_word_of, draw, verdict_of
from invariance_probe.calibration.dropout import JUDGED, SESSIONS, bank_of
from invariance_probe.calibration.ground import Measured

GUESSED = {"kept": "invariant", "lost": "tolerated"}
"""The verdict that follows from the code if training never costs anything."""


def addition_table(measured: Sequence[Measured], rng: np.random.Generator) -> list[dict[str, Any]]:
    """How often the verdict is not what the code lets one guess, by case.

    Studies have six sessions. A verdict that says nothing (`inconclusive`, `invalid`)
    adds nothing.

    Parameters
    ----------
    measured
        Decodable sessions of all cases.
    rng
        Where the draws come from.

    Returns
    -------
    table
        One line per case, with the shares of findings and of verdicts.
    """
    found = []
    for case in dict.fromkeys(m.case for m in measured):
        bank = bank_of(measured, case, JUDGED)
        if len(bank) < SESSIONS:
            continue
        studies = draw(rng, len(bank), SESSIONS)
        code, said = code_word_of(bank, studies, MARGIN), verdict_of(bank, studies, MARGIN)
        guessed = np.array([GUESSED.get(word, "") for word in code], dtype=object)
        silent = np.array([word == "inconclusive" or word.startswith("invalid") for word in said])
        shares = {
            who: {str(w): float((words == w).mean()) for w in sorted(set(words))}
            for who, words in (("code", code), ("verdict", said))
        }
        found.append(
            {
                "case": case,
                "sessions": len(bank),
                **shares,
                "as_guessed": float((guessed == said).mean()),
                "adds": float(((guessed != said) & ~silent).mean()),
                "silent": float(silent.mean()),
            }
        )
    return found
