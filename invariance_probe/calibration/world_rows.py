"""The figures about the worlds G3 to G6: what estimators recover, and errors.

Measured sessions of known truth go in; rows of what was asked and what was reached come
out: what the estimators recover of the truth, and how often they are wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, Bank, coverage, draw
from invariance_probe.calibration.ground import Measured as Known
from invariance_probe.calibration.ground import measured
from invariance_probe.calibration.row import Row, median_row, met, rate_row
from invariance_probe.calibration.worlds import (
    CARRIERS,
    COMMON,
    DOSE,
    LABEL_GAINS,
    LAGS,
    SHARES,
    SPREAD,
    Measured,
)
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.plan.figures.session import (
    PAIRS,
    MinedPairsFigures,
    PairsFound,
    PairsKind,
    PairsTested,
    SharedFigures,
)
from invariance_probe.plan.figures.units import Interval, MessengerFigures, Mode
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult

F = TypeVar("F")
Worlds = Mapping[str, Sequence[Measured]]
"""Measured sessions by world."""

STUDY = 6
"""Sessions per study of mined pairs."""
STUDIES_OF_TURNOVER = (4, 6, 12)
"""Sessions per study of the worlds with turnover."""
EFFECTS = ("delta", "C_code")
"""Estimands whose intervals are checked in the worlds with turnover."""
SWITCHED = 0.5
"""A switch is claimed where the transfer ratio's interval lies below this."""
MODES: dict[Mode, str] = {"refit": "decoder refitted", "fixed": "decoder fixed"}
"""Whether the decoder is refitted without the units, in words."""


def world_rows(worlds: Worlds) -> list[Row]:
    """The figures of G3, G4 and G5.

    Figures whose worlds were not measured are left out.
    """
    rows = [
        *_mining_rows(worlds),
        *_dimension_rows(worlds),
        *_lag_rows(worlds),
        *_messenger_rows(worlds),
    ]
    return [row for row in rows if row is not None]


def _values(
    sessions: Sequence[Measured], kind: type[F], reading: Callable[[F], float | None]
) -> np.ndarray:
    """One figure of sessions whose figures are of one kind (session,); NaN for None."""
    values = [reading(one.found) for one in sessions if isinstance(one.found, kind)]
    return np.array([np.nan if value is None else value for value in values])


def _shared(worlds: Worlds, name: str, reading: Callable[[SharedFigures], float]) -> np.ndarray:
    return _values(worlds.get(name, ()), SharedFigures, reading)


def _dimension_rows(worlds: Worlds) -> list[Row | None]:
    """G4: whether shared dimensions are counted exactly, and none is invented."""
    figure, rows, exact = "shared dimensions counted exactly", [], []
    for common in COMMON:
        found = _shared(worlds, f"common-{common}", lambda one: one.dimensions)
        exact.append(found == common)
        rows.append(rate_row(f"G4, {common} common", figure, "printed", exact[-1]))
    nothing = _shared(worlds, "common-0", lambda one: one.dimensions)
    smallest = min(len(hits) for hits in exact)
    # As many sessions of each number of dimensions.
    over_all = np.concatenate([hits[:smallest] for hits in exact])
    return [
        rate_row("G4, 0 to 4 common", f"{figure}, as many sessions of each", ">= 0.9", over_all),
        rate_row("G4, 0 common", "a false dimension is found", "<= 0.07", nothing > 0),
        *rows,
    ]


def _lag_rows(worlds: Worlds) -> list[Row | None]:
    """G4: whether the lag between the modalities is found."""
    rows = []
    for lag, name in LAGS.items():
        off = np.abs(_shared(worlds, name, lambda one: one.lag_bins) - lag)
        rows.append(
            rate_row(
                f"G4, modality {lag:+d} bins behind", "lag found within 1 bin", ">= 0.9", off <= 1
            )
        )
    return rows


def _messenger_rows(worlds: Worlds) -> list[Row | None]:
    """Build the rows for world G5, in which a few units carry the target.

    They say whether these units are found, whether the interval of the transfer ratio T
    contains its true value, and how often a switch is claimed where there is none.
    """
    rows: list[Row | None] = []
    for mode, said in MODES.items():
        for name, truth in (("stable", 1.0), ("switching", 0.0)):
            sessions, about = worlds.get(name, ()), f"G5, {CARRIERS} carriers, {name}, {said}"
            recall = np.array([_recall(session, mode) for session in sessions])
            rows.append(_mean_row(about, "recall of the carriers, mean", ">= 0.9", recall))
            covered = _covered(sessions, mode, truth)
            rows.append(
                rate_row(
                    about,
                    f"95 % interval of T holds {truth:g}, of sessions that report T",
                    ">= 0.9",
                    covered,
                )
            )
        switching = _transfers(worlds.get("switching", ()), mode, _high) < SWITCHED
        rows.append(
            rate_row(
                f"G5, {CARRIERS} carriers, switching, {said}",
                "switch claimed (T < .5)",
                "printed",
                switching,
            )
        )
        for name, about in (
            ("stable", f"G5, {CARRIERS} carriers, stable"),
            *((f"spread-{n}", f"G5, {n} carriers, stable") for n in SPREAD),
        ):
            sessions = worlds.get(name, ())
            reported = np.isfinite(_transfers(sessions, mode, lambda ratio: ratio.estimate))
            claimed = _transfers(sessions, mode, _high) < SWITCHED
            rows.append(
                rate_row(
                    f"{about}, {said}",
                    "switch claimed (T < .5), of all sessions",
                    "<= 0.07",
                    claimed,
                )
            )
            if name != "stable":
                rows.append(
                    rate_row(f"{about}, {said}", "T reported (G_B > .1 shown)", "printed", reported)
                )
                figure = "95 % interval of T holds 1, of sessions that report T"
                rows.append(
                    rate_row(f"{about}, {said}", figure, "printed", _covered(sessions, mode, 1.0))
                )
    return rows


def _recall(session: Measured, mode: Mode) -> float:
    """The part of the carriers that was chosen, mean over both halves."""
    assert isinstance(session.found, MessengerFigures)
    sets, found = session.found.transfer(mode, CARRIERS), []
    for chosen, carriers in zip((sets.set_a, sets.set_b), session.truth["carriers"], strict=True):
        found.append(len(set(chosen) & set(carriers)) / len(carriers))
    return float(np.mean(found))


def _high(ratio: Interval) -> float:
    return ratio.high


def _transfers(
    sessions: Sequence[Measured], mode: Mode, reading: Callable[[Interval], float]
) -> np.ndarray:
    """One figure of T in every session (session,); NaN where T is not reported."""

    def of(found: MessengerFigures) -> float | None:
        ratio = found.transfer(mode, CARRIERS).transfer
        return None if ratio is None else reading(ratio)

    return _values(sessions, MessengerFigures, of)


def _covered(sessions: Sequence[Measured], mode: Mode, truth: float) -> np.ndarray:
    """Whether the interval of T holds the truth, in every session that reports T."""
    low = _transfers(sessions, mode, lambda ratio: ratio.low)
    high = _transfers(sessions, mode, _high)
    return ((low <= truth) & (truth <= high))[~np.isnan(low)]


def _mean_row(about: str, figure: str, asked: str, values: np.ndarray) -> Row | None:
    """The mean over sessions with its bootstrap interval, as a row."""
    if not len(values):
        return None
    rng = np.random.default_rng(4)
    low, high = np.quantile(
        values[rng.integers(0, len(values), (999, len(values)))].mean(axis=1), [0.025, 0.975]
    )
    reached = float(values.mean())
    return Row(
        about, figure, asked, reached, float(low), float(high), len(values), met(asked, reached)
    )


def _mining_rows(worlds: Worlds) -> list[Row | None]:
    """G3: how often random, oracle and nearest-neighbour pairs seem to help."""
    sessions = worlds.get("recurring", ())
    if len(sessions) < STUDY:
        return []
    rows: list[Row | None] = []
    local = _mined(sessions, lambda one: one.local_loss)
    for share in SHARES:
        gain = {
            kind: local - _tested(sessions, kind, share, lambda test: test.loss) for kind in PAIRS
        }
        mean = float(gain["random"].mean())
        where = (
            f"null at the bank's own mean {mean:+.3f}"
            if mean > 0
            else f"null at 0, bank's mean {mean:+.3f}"
        )
        about = f"G3, q = {share:g}"
        rows.append(
            _claim_row(
                about,
                f"M_loc > 0 claimed of random pairs, {where}",
                "<= 0.07",
                gain["random"],
                max(mean, 0.0),
            )
        )
        # The design simulation's oracle arm has q = .9.
        asked = ">= 0.8" if share == max(SHARES) else "printed"
        rows.append(
            _claim_row(about, "M_loc > 0 claimed of oracle pairs", asked, gain["oracle"], 0.0)
        )
        rows.append(
            _claim_row(
                about, "M_loc > 0 claimed of nearest neighbours", "printed", gain["mined"], 0.0
            )
        )
        informative = gain["mined"] - gain["random"]
        rows.append(
            _claim_row(
                about, "M_rand > 0 claimed of nearest neighbours", "printed", informative, 0.0
            )
        )
        for kind, values in gain.items():
            rows.append(
                median_row(about, f"M_loc of {kind} pairs in nats, median", "printed", values)
            )
        accuracy = {"local": _mined(sessions, lambda one: one.local_accuracy)}
        accuracy |= {
            kind: _tested(sessions, kind, share, lambda test: test.accuracy) for kind in PAIRS
        }
        for name, values in accuracy.items():
            figure = f"balanced accuracy, {name} pairs, median"
            rows.append(median_row(about, figure, "printed", values))
    for kind in PAIRS:
        found = [_found(session, kind) for session in sessions]
        purity = np.array([pairs.purity for pairs in found])
        rows.append(median_row("G3", f"purity of {kind} pairs, median", "printed", purity))
        distance = np.array([pairs.nuisance_distance for pairs in found], dtype=np.float64)
        figure = f"nuisance distance of {kind} pairs, median"
        rows.append(median_row("G3", figure, "printed", distance))
    return rows


def _mined(
    sessions: Sequence[Measured], reading: Callable[[MinedPairsFigures], float]
) -> np.ndarray:
    return _values(sessions, MinedPairsFigures, reading)


def _tested(
    sessions: Sequence[Measured],
    kind: PairsKind,
    share: float,
    reading: Callable[[PairsTested], float],
) -> np.ndarray:
    return _mined(sessions, lambda one: reading(one.of(kind, share)))


def _found(session: Measured, kind: PairsKind) -> PairsFound:
    assert isinstance(session.found, MinedPairsFigures)
    return next(pairs for pairs in session.found.found if pairs.pairs == kind)


def _claim_row(about: str, figure: str, asked: str, gains: np.ndarray, null: float) -> Row:
    """How often studies of `STUDY` sessions claim a mean above a null.

    The 95 % interval is over resampled banks. A null at the bank's own mean moves with
    each resampled bank.
    """

    def claimed(bank: np.ndarray, at: float, studies: int) -> float:
        drawn = bank[rng.integers(0, len(bank), (studies, STUDY))] - at
        # The SD is 0 where a study draws one and the same session every time.
        with np.errstate(divide="ignore", invalid="ignore"):
            t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(STUDY))
        return float((t >= stats.t.ppf(1 - ALPHA, STUDY - 1)).mean())

    rng = np.random.default_rng(5)
    again = []
    for _ in range(BOOTSTRAPS):
        bank = gains[rng.integers(0, len(gains), len(gains))]
        again.append(claimed(bank, max(float(bank.mean()), 0.0) if null > 0 else 0.0, STUDIES // 5))
    low, high = np.quantile(again, [0.025, 0.975])
    reached = claimed(gains, null, STUDIES)
    return Row(
        about,
        f"{figure}, {STUDY} sessions",
        asked,
        reached,
        float(low),
        float(high),
        len(gains),
        met(asked, reached),
    )


def turnover_rows(plan: Plan, results: Mapping[str, RunResult]) -> list[Row]:
    """G6: whether intervals hold the truth under turnover of units.

    Sessions are drawn over many arrays, or are successive ones of one array.

    Parameters
    ----------
    plan
        The plan of the worlds with turnover.
    results
        Results by key.

    Returns
    -------
    rows
        What was asked and what was reached.
    """
    rows = []
    everything = measured(plan, results)
    for world in LABEL_GAINS:
        members = [one for one in everything if one.case.startswith(world)]
        members = [one for one in members if all(_effect(one, name).complete for name in EFFECTS)]
        if len(members) >= max(STUDIES_OF_TURNOVER):
            rows += _turnover_rows(world, members)
    return rows


def _turnover_rows(world: str, members: Sequence[Known]) -> list[Row]:
    """G6: coverage of intervals in the sessions of one world."""
    effects = {name: [_effect(one, name) for one in members] for name in EFFECTS}
    bank = Bank(
        {name: np.array([e.values.mean() for e in found]) for name, found in effects.items()},
        {name: np.array([e.range.mean() for e in found]) for name, found in effects.items()},
        np.ones(len(members)), np.ones(len(members)),
    )  # fmt: skip
    arrays = np.array([one.case for one in members])
    rng, rows = np.random.default_rng(6), []
    for name in EFFECTS:
        skew = float(stats.skew(bank.effects[name] - bank.mean(name) * bank.ranges[name]))
        about = (
            "G6"
            if world == "turnover"
            else f"G6, label gain {LABEL_GAINS[world]:g}, skew of {name} {skew:+.1f}"
        )
        for sessions in STUDIES_OF_TURNOVER:
            studies = draw(rng, len(bank), sessions)
            for level, asked in ((0.9, "0.88 to 0.92"), (0.95, "0.93 to 0.97")):
                figure = (
                    f"{level * 100:.0f} % interval of {name} holds the bank's mean, {sessions} "
                    "sessions of many arrays"
                )
                bound = asked if world == "turnover" else "printed"
                rows.append(_coverage_row(about, figure, bound, bank, name, studies, level, rng))
            successive = _successive(arrays, sessions)
            if len(successive):
                figure = (
                    f"90 % interval of {name} holds the bank's mean, {sessions} successive "
                    "sessions of one array"
                )
                reached = coverage(bank, name, successive, 0.9)
                rows.append(
                    Row(about, figure, "printed", reached, None, None, len(successive), None)
                )
    return rows


def _effect(one: Known, name: str) -> Effect:
    return one.effect(name, "unit_dropout.rate", DOSE)


def _coverage_row(
    about: str,
    figure: str,
    asked: str,
    bank: Bank,
    name: str,
    studies: np.ndarray,
    level: float,
    rng: np.random.Generator,
) -> Row:
    """Fraction of simulated studies whose interval holds the true value.

    Its own 95 % interval is by bootstrap over the bank of simulated sessions; in each
    resampled bank, the mean of the bank is taken as the true value.
    """
    again = []
    for _ in range(BOOTSTRAPS):
        chosen = rng.integers(0, len(bank), len(bank))
        resampled = Bank(
            {name: bank.effects[name][chosen]},
            {name: bank.ranges[name][chosen]},
            bank.retained,
            bank.retained_shared,
        )
        again.append(
            coverage(resampled, name, draw(rng, len(bank), studies.shape[1], STUDIES // 5), level)
        )
    low, high = np.quantile(again, [0.025, 0.975])
    reached = coverage(bank, name, studies, level)
    return Row(
        about, figure, asked, reached, float(low), float(high), len(bank), met(asked, reached)
    )


def _successive(arrays: np.ndarray, sessions: int) -> np.ndarray:
    """Studies of successive sessions of one array, without overlap.

    They are the places of the sessions (study, session).
    """
    found = []
    for name in np.unique(arrays):
        members = np.flatnonzero(arrays == name)
        found += [
            members[i : i + sessions] for i in range(0, len(members) - sessions + 1, sessions)
        ]
    return np.array(found, dtype=np.int64).reshape(-1, sessions)
