"""What the verdict adds to the finding of the code, which needs no SSL.

The finding of the code says whether the inputs that survive a corruption decode the
target (`kept`) or not (`lost`). The verdict also depends on what training costs. If
every study of a kept code were `invariant` and every study of a lost code `tolerated`,
training would reveal nothing that could not have been guessed from the code alone.

In: measured sessions of simulated codes (cases). Out: a table of how often studies give
each finding of the code and each verdict, how often the verdict differs from that
guess, and how often it is left open.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import MARGIN
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.counting import code_word_of, draw, verdict_of
from invariance_probe.calibration.dropout import JUDGED, SESSIONS, bank_of

GUESSED = {"kept": "invariant", "lost": "tolerated"}
"""Verdict that one would guess from the finding of the code alone.

It would be right if training never cost anything.
"""


def addition_table(
    measured: Sequence[MeasuredSession], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Count how often the verdict differs from what the code alone suggests.

    Studies have six sessions.

    Parameters
    ----------
    measured
        Decodable sessions of all cases.
    rng
        Random-number generator that draws the studies.

    Returns
    -------
    table
        One line per case, with fractions of studies: by finding of the code (`code`),
        by verdict (`verdict`), with the verdict that one would guess (`as_guessed`),
        with another one (`adds`), and with none, inconclusive or invalid (`silent`).
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
