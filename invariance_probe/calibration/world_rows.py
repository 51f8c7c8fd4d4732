"""Check estimators against the known truth of the simulated worlds G3 to G6.

In: the measured sessions of each world. Out: rows of the report, each a quantity with
the bound it should meet: how well the estimators recover the truth, and how often they
are wrong. A bank is the set of sessions of one world, from which studies are drawn.

* G3, `recurring`: behaviours recur while a slow drift changes the activity. Pairs of
  windows far apart in time are mined (nearest neighbours), random, or true recurrences
  (oracle). The contrasts M_loc and M_rand are the losses with local and with random
  pairs, minus that with the pairs in question.
* G4, `common-N` and `lag-...`: spikes and a second modality share N dimensions, perhaps
  with a lag.
* G5, `stable`, `switching`, `spread-N`: some units, the carriers, carry the target; in
  `switching` they change half-way. The transfer ratio T compares two decoding losses in
  one half of the session: the loss from removing the units chosen in the other half,
  divided by the loss from removing those chosen in that half itself. It is 1 if the
  same units matter in both halves, and 0 if others do.
* G6, `turnover` and `skewed`: units come and go over sessions of one electrode array.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

from invariance_probe.calibration.bench import MeasuredSession, measured
from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, Bank, coverage, draw
from invariance_probe.calibration.row import Row, median_row, met, rate_row
from invariance_probe.calibration.worlds import (
    CARRIERS,
    COMMON,
    DOSE,
    LABEL_GAINS,
    LAGS,
    SHARES,
    SPREAD,
    MeasuredWorld,
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
Worlds = Mapping[str, Sequence[MeasuredWorld]]
"""Measured sessions, by name of their world."""

STUDY = 6
"""Sessions per study about mined pairs."""
STUDIES_OF_TURNOVER = (4, 6, 12)
"""Numbers of sessions per study about turnover of units."""
EFFECTS = ("delta", "C_code")
"""Estimands whose intervals are checked in the worlds with turnover."""
SWITCHED = 0.5
"""A switch of carriers is claimed if the whole interval of T lies below this."""
MODES: dict[Mode, str] = {"refit": "decoder refitted", "fixed": "decoder fixed"}
"""What the report calls a decoder that is, or is not, refitted without units."""


def world_rows(worlds: Worlds) -> list[Row]:
    """Return the rows about the worlds G3, G4 and G5.

    Rows about worlds that were not measured are omitted.

    Parameters
    ----------
    worlds
        Measured sessions, by name of their world.
    """
    rows = [
        *_mining_rows(worlds),
        *_dimension_rows(worlds),
        *_lag_rows(worlds),
        *_messenger_rows(worlds),
    ]
    return [row for row in rows if row is not None]


def _values(
    sessions: Sequence[MeasuredWorld], kind: type[F], reading: Callable[[F], float | None]
) -> np.ndarray:
    """Read one value from the results of each session (session,).

    Sessions whose results are not of the given kind are skipped. None becomes NaN.
    """
    values = [reading(one.found) for one in sessions if isinstance(one.found, kind)]
    return np.array([np.nan if value is None else value for value in values])


def _shared(worlds: Worlds, name: str, reading: Callable[[SharedFigures], float]) -> np.ndarray:
    return _values(worlds.get(name, ()), SharedFigures, reading)


def _dimension_rows(worlds: Worlds) -> list[Row | None]:
    """Return the rows about the number of shared dimensions (world G4).

    They say how often it is exactly right, and how often dimensions are found where
    none is shared.
    """
    figure, rows, exact = "shared dimensions counted exactly", [], []
    for common in COMMON:
        found = _shared(worlds, f"common-{common}", lambda one: one.dimensions)
        exact.append(found == common)
        rows.append(rate_row(f"G4, {common} common", figure, "printed", exact[-1]))
    nothing = _shared(worlds, "common-0", lambda one: one.dimensions)
    smallest = min(len(hits) for hits in exact)
    # Every true number of dimensions contributes equally many sessions.
    over_all = np.concatenate([hits[:smallest] for hits in exact])
    return [
        rate_row("G4, 0 to 4 common", f"{figure}, as many sessions of each", ">= 0.9", over_all),
        rate_row("G4, 0 common", "a false dimension is found", "<= 0.07", nothing > 0),
        *rows,
    ]


def _lag_rows(worlds: Worlds) -> list[Row | None]:
    """Return the rows about the lag between two modalities (world G4).

    They say how often it is found to within one bin.
    """
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
    """Return the rows about messenger units (world G5).

    They say whether the carriers are found, whether the interval of the transfer ratio
    T contains its true value, and how often a switch is claimed where there is none.
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


def _recall(session: MeasuredWorld, mode: Mode) -> float:
    """Fraction of the carriers that were found, mean over a session's halves."""
    assert isinstance(session.found, MessengerFigures)
    sets, found = session.found.transfer(mode, CARRIERS), []
    for chosen, carriers in zip((sets.set_a, sets.set_b), session.truth["carriers"], strict=True):
        found.append(len(set(chosen) & set(carriers)) / len(carriers))
    return float(np.mean(found))


def _high(ratio: Interval) -> float:
    return ratio.high


def _transfers(
    sessions: Sequence[MeasuredWorld], mode: Mode, reading: Callable[[Interval], float]
) -> np.ndarray:
    """Read T, or an end of its interval, in each session (session,).

    The value is NaN in sessions that do not report T.
    """

    def of(found: MessengerFigures) -> float | None:
        ratio = found.transfer(mode, CARRIERS).transfer
        return None if ratio is None else reading(ratio)

    return _values(sessions, MessengerFigures, of)


def _covered(sessions: Sequence[MeasuredWorld], mode: Mode, truth: float) -> np.ndarray:
    """Whether the interval of T contains the true value `truth` (session,).

    Sessions that do not report T are omitted.
    """
    low = _transfers(sessions, mode, lambda ratio: ratio.low)
    high = _transfers(sessions, mode, _high)
    return ((low <= truth) & (truth <= high))[~np.isnan(low)]


def _mean_row(about: str, figure: str, asked: str, values: np.ndarray) -> Row | None:
    """Return the row with the mean over sessions and its bootstrap interval."""
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
    """Return the rows about mined pairs (world G3).

    They say how often random, oracle and nearest-neighbour pairs are claimed to help,
    and how often the two windows of a pair show the same behaviour.
    """
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
        # The bound on the power applies only at the larger fraction q of distant pairs.
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
    sessions: Sequence[MeasuredWorld], reading: Callable[[MinedPairsFigures], float]
) -> np.ndarray:
    return _values(sessions, MinedPairsFigures, reading)


def _tested(
    sessions: Sequence[MeasuredWorld],
    kind: PairsKind,
    share: float,
    reading: Callable[[PairsTested], float],
) -> np.ndarray:
    return _mined(sessions, lambda one: reading(one.of(kind, share)))


def _found(session: MeasuredWorld, kind: PairsKind) -> PairsFound:
    assert isinstance(session.found, MinedPairsFigures)
    return next(pairs for pairs in session.found.found if pairs.pairs == kind)


def _claim_row(about: str, figure: str, asked: str, gains: np.ndarray, null: float) -> Row:
    """Return the row that says how often studies claim a mean gain above `null`.

    Studies have `STUDY` sessions. The 95 % interval is over resampled banks. A `null`
    above 0 stands for the bank's own mean and is computed anew for each of them.
    """

    def claimed(bank: np.ndarray, at: float, studies: int) -> float:
        drawn = bank[rng.integers(0, len(bank), (studies, STUDY))] - at
        # The SD is 0 if a study consists of copies of a single session.
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
    """Return the rows about coverage of intervals under turnover of units (G6).

    The sessions of a study are drawn from many arrays, or they are successive sessions
    of one array.

    Parameters
    ----------
    plan
        The plan of the study with turnover.
    results
        Results of its runs, by run key.

    Returns
    -------
    rows
        The coverages, with the bounds they should meet.
    """
    rows = []
    everything = measured(plan, results)
    for world in LABEL_GAINS:
        members = [one for one in everything if one.case.startswith(world)]
        members = [one for one in members if all(_effect(one, name).complete for name in EFFECTS)]
        if len(members) >= max(STUDIES_OF_TURNOVER):
            rows += _turnover_rows(world, members)
    return rows


def _turnover_rows(world: str, members: Sequence[MeasuredSession]) -> list[Row]:
    """Return the rows about coverage for the sessions of one world with turnover."""
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


def _effect(one: MeasuredSession, name: str) -> Effect:
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
    """Return the row about the coverage of the intervals of studies.

    Coverage is the fraction of studies whose interval contains the true value, which is
    the bank's mean. The 95 % interval of the coverage is over resampled banks; the mean
    of each resampled bank is taken as its true value.
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
    """Form studies from successive sessions of one array, without overlap.

    Parameters
    ----------
    arrays
        Name of the array of each session (session,), in order of recording.
    sessions
        Sessions per study.

    Returns
    -------
    studies
        Indices of the sessions that each study consists of (study, session).
    """
    found = []
    for name in np.unique(arrays):
        members = np.flatnonzero(arrays == name)
        found += [
            members[i : i + sessions] for i in range(0, len(members) - sessions + 1, sessions)
        ]
    return np.array(found, dtype=np.int64).reshape(-1, sessions)
