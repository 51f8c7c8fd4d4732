"""Calibrate claims that training on mined pairs helps, with trained models.

In the simulated sessions a few behaviours recur while a slow drift changes the activity
(world G3). Models are trained on pairs of windows that lie far apart in time. The
partner of a window is mined (its nearest neighbour in activity), random, shifted (mined
for another window), or, as an upper limit, a true recurrence (the oracle). Models
trained on local pairs, neighbours in time, serve as the baseline. The contrasts M_loc,
M_rand and M_shift are the losses with local, random and shifted pairs, minus the loss
with mined pairs. A benefit is claimed if all three are shown to be above 0.

In: a bank, the sessions that were trained. Out: how often a benefit is falsely claimed,
and the power to show that the oracle helps. To count false claims, one contrast is made
exactly 0 by subtracting the bank's own mean, and the others are left as they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import SEED
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.counting import BOOTSTRAPS, CLAIMS, STUDIES, Bank, draw, sizes
from invariance_probe.calibration.dropout import COUNTS, SESSIONS, coverage_row, size_row
from invariance_probe.calibration.row import Row, met
from invariance_probe.inference.evidence.estimands import IDENTITY
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import p_over_replicates
from invariance_probe.plan.roles import EncoderExamination, RelianceMeasurement, TrainedModel
from invariance_probe.plan.run import Run
from invariance_probe.study.study import Study

SHARE, DOSE = "mined.share", 0.5
"""Axis of the contrasts, the fraction of mined pairs, and its primary dose."""
NEEDED = ("M_loc", "M_rand", "M_shift")
"""Contrasts that must all be shown above 0 to claim a benefit."""
CASE = "recurring"
"""Name of the bank's sessions in the report."""
BANKS: dict[str, dict[str, Any]] = {
    "full": {"sessions": 40, "bins": 8000, "gap_s": 120.0, "steps": 300},
    "licence": {},
    "quick": {"sessions": 6, "bins": 1500, "gap_s": 20.0, "steps": 40},
}
"""Settings of the bank by calibration size; empty if it is not measured."""


def contrast_study(method: dict[str, Any], size: str) -> Study:
    """Declare the study whose sessions are the bank.

    The drift has a time constant of 60 s. At full size the two windows of a mined pair
    are at least twice as far apart.

    Parameters
    ----------
    method
        The SSL method, as plain data.
    size
        A key of `BANKS` that has sessions.

    Returns
    -------
    study
        A study with one contrast as its hypothesis.
    """
    bank = BANKS[size]
    world = {
        "kind": "simulated",
        "generator": "recurring",
        "session": CASE,
        "group": CASE,
        "sessions": bank["sessions"],
        "seed": SEED,
        "units": 40,
        "bins": bank["bins"],
        "bin_s": 0.2,
        "drift_tau_s": 60.0,
    }
    return Study.model_validate(
        {
            "name": "calibration-contrasts",
            "question": "How often is a benefit claimed that is not there?",
            "recordings": [world],
            "target": {"name": "behaviour", "kind": "categorical"},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 10.0},
            "method": method,
            "training": {
                "steps": bank["steps"],
                "batch_size": 128,
                "learning_rate": 3e-3,
                "seeds": 1,
                "study_seed": 1,
            },
            "views": {
                "pairing": {
                    "kind": "mined",
                    "window_s": 0.6,
                    "gap_s": bank["gap_s"],
                    "nuisance": "drift",
                }
            },
            "axes": [{"path": SHARE, "doses": [0, DOSE]}],
            "hypotheses": [
                {
                    "kind": "contrast",
                    "id": "M",
                    "claim": "behaviours recur",
                    "axis": SHARE,
                    "dose": DOSE,
                }
            ],
        }
    )


def needed_of_contrasts(run: Run) -> bool:
    """Whether a run is needed for the contrasts under the declared recipe.

    Needed are the runs with each kind of pairs, and the baselines that measure the
    decodable range.
    """
    baseline = run.method.kind in ("raw", "square_roots", "shift_null") or (
        run.method.kind == "supervised" and run.seed == 0
    )
    own = (
        run.axis in ("", SHARE)
        and run.seed == 0
        and isinstance(run, TrainedModel | RelianceMeasurement)
    )
    examined = isinstance(run, EncoderExamination)
    return not examined and run.setting == "" and run.fraction == 1 and (baseline or own)


def contrast_rows(
    measured: Sequence[MeasuredSession], rng: np.random.Generator, tables: dict[str, Any]
) -> list[Row]:
    """Count how often contrasts and a benefit are claimed, falsely or rightly.

    Parameters
    ----------
    measured
        The decodable sessions of the bank.
    rng
        Random-number generator that draws the studies.
    tables
        Tables of the report. The bank's means are added to the table `means`.

    Returns
    -------
    rows
        The quantities, with the bounds they should meet; empty if the bank has too few
        sessions.
    """
    bank = _bank(measured)
    if len(bank) < SESSIONS:
        return []
    tables.setdefault("means", {})[CASE] = {
        name: (bank.mean(name), float((bank.effects[name] / bank.ranges[name].mean()).std(ddof=1)))
        for name in bank.effects
    }
    rows = []
    for sessions in (SESSIONS, *COUNTS[1:]):
        for name in NEEDED:
            _, more, coverage = sizes(bank, name, sessions, rng)
            rows.append(
                size_row(CASE, name, more.claim, sessions, more.rate, more.upper, len(bank))
            )
            rows.append(coverage_row(CASE, name, sessions, coverage, len(bank)))
    for name in NEEDED:
        figure = f"every contrast shown where {name} is exactly 0, {SESSIONS} sessions"
        rows.append(_row(figure, "<= .07", bank, (name,), NEEDED, rng))
    rows.append(
        _row(
            f"every contrast of mined pairs shown, {SESSIONS} sessions",
            "printed",
            bank,
            (),
            NEEDED,
            rng,
        )
    )
    rows.append(
        _row(
            f"oracle better than local and random, {SESSIONS} sessions",
            ">= .80",
            bank,
            (),
            ("M_oracle", "oracle_rand"),
            rng,
        )
    )
    return rows


def _bank(measured: Sequence[MeasuredSession]) -> Bank:
    """Build the bank from the sessions in which every contrast was measured."""
    kept = []
    for m in measured:
        found = {name: m.losses.effect(name, SHARE, DOSE) for name in (*NEEDED, "M_oracle")}
        if all(effect.complete for effect in found.values()):
            kept.append((m.losses, found))
    effects = {
        name: np.array([found[name].values.mean() for _, found in kept])
        for name in (*NEEDED, "M_oracle")
    }
    # (local - oracle) - (local - mined) + (random - mined) = random - oracle
    effects["oracle_rand"] = effects["M_oracle"] - effects["M_loc"] + effects["M_rand"]
    ranges = np.array([found["M_loc"].range.mean() for _, found in kept])
    retained = np.array([losses.retention(losses.ssl(IDENTITY)) for losses, _ in kept])
    return Bank(effects, dict.fromkeys(effects, ranges), retained, retained)


def _row(
    figure: str,
    asked: str,
    bank: Bank,
    off: Sequence[str],
    names: Sequence[str],
    rng: np.random.Generator,
) -> Row:
    """Return the row that says how often all named contrasts are shown above 0.

    The bank's means of the contrasts in `off` are subtracted first, so that these
    contrasts are exactly 0. The 95 % interval is over resampled banks.
    """

    def share(sessions: np.ndarray, studies: int) -> float:
        drawn = sessions[draw(rng, len(sessions), SESSIONS, studies)]
        means = {
            name: float(bank.effects[name][sessions].mean() / bank.ranges[name][sessions].mean())
            for name in off
        }
        shown = [
            p_over_replicates(
                (bank.effects[name] - means.get(name, 0.0) * bank.ranges[name])[drawn]
            )[1]
            <= ALPHA
            for name in names
        ]
        return float(np.all(shown, axis=0).mean())

    reached = share(np.arange(len(bank)), CLAIMS)
    again = [share(rng.integers(0, len(bank), len(bank)), STUDIES // 5) for _ in range(BOOTSTRAPS)]
    low, high = np.quantile(again, [0.025, 0.975])
    return Row(
        CASE, figure, asked, reached, float(low), float(high), len(bank), met(asked, reached)
    )
