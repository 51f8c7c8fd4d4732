"""Where SSL adds to what is known without it: the word that C_info and N_eff alone would give, against the verdict.

Without SSL one knows whether corrupted inputs carry less (C_info) and how many units carry the target (N_eff). The obvious
guess from these: kept -> `invariant`; lost and few units -> `sensitive`; lost and not few -> `recoverable`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from invariance_probe.calibration.banks import MARGIN
from invariance_probe.calibration.counting import Bank, draw, verdict_of
from invariance_probe.calibration.dropout import JUDGED, SESSIONS, bank_of
from invariance_probe.calibration.ground import Measured
from invariance_probe.inference.looks import ALPHA


def addition_table(measured: Sequence[Measured], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return for every case the shares of both words, and how often they are one, over studies of six sessions."""
    found = []
    for case in dict.fromkeys(m.case for m in measured):
        known = [m for m in measured if m.case == case and m.finding.n_eff is not None]
        bank = bank_of(known, case, JUDGED)
        if len(bank) < SESSIONS or len(bank) != len(known):
            continue
        studies = draw(rng, len(bank), SESSIONS)
        guessed = _guess(bank, studies, known)
        said = verdict_of(bank, studies, MARGIN)
        shares = {
            who: {str(w): float((words == w).mean()) for w in sorted(set(words))}
            for who, words in (("without", guessed), ("with", said))
        }
        found.append({"case": case, "sessions": len(bank), **shares, "agree": float((guessed == said).mean())})
    return found


def _guess(bank: Bank, studies: np.ndarray, known: Sequence[Measured]) -> np.ndarray:
    kept, lost = bank.shown("C_info", studies, MARGIN)
    logs = np.log([float(m.finding.n_eff or 1) for m in known])[studies]
    half = stats.t.ppf(1 - ALPHA, SESSIONS - 1) * logs.std(axis=1, ddof=1) / np.sqrt(SESSIONS)
    few = np.exp(logs.mean(axis=1) + half) < np.array([m.finding.units for m in known])[studies].min(axis=1) / 4
    words = np.full(len(studies), "inconclusive", dtype=object)
    words[kept], words[lost & few], words[lost & ~few] = "invariant", "sensitive", "recoverable"
    return words
