"""The one-sided tests: worked cases, scipy, and size by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses.dose.interval import dose_interval
from invariance_probe.inference.rules.intervals import Sample, fixed_sessions, skew_guard


def sample(means, ranges=None, subjects=None):
    ranges = [1.0] * len(means) if ranges is None else ranges
    effects = tuple(
        Effect(np.full((2, 8), m), np.full((1, 8), r)) for m, r in zip(means, ranges, strict=True)
    )
    return Sample(effects, tuple(subjects or ["a"] * len(means)))


def test_with_a_known_range_it_is_the_t_test_of_the_ratio():
    values = np.array([0.02, 0.05, -0.01, 0.08, 0.11])  # no skew, so the guard is idle
    made = sample(values)
    assert made.scope == "population of sessions"
    assert made.p_at_most(0.1) == pytest.approx(
        stats.ttest_1samp(values, 0.1, alternative="less").pvalue
    )
    assert made.p_more_than(0.0) == pytest.approx(
        stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    )
    assert made.interval() == pytest.approx(DescrStatsW(values).tconfint_mean(alpha=0.1), abs=1e-6)


def test_the_interval_is_fiellers():
    gen = np.random.default_rng(0)
    spread = gen.normal(0, 0.02, 3), gen.normal(0, 0.05, 3)
    effect, scale = (
        mean + np.concatenate([s, -s]) for mean, s in zip((0.05, 0.5), spread, strict=True)
    )  # no skew at any margin
    t = stats.t.ppf(0.95, 5)
    n = 6
    mean_e, mean_r = effect.mean(), scale.mean()
    see, srr, ser = effect.var(ddof=1) / n, scale.var(ddof=1) / n, np.cov(effect, scale)[0, 1] / n
    a, b, c = mean_r**2 - t**2 * srr, mean_e * mean_r - t**2 * ser, mean_e**2 - t**2 * see
    root = math.sqrt(b**2 - a * c)
    assert sample(effect, scale).interval() == pytest.approx(
        ((b - root) / a, (b + root) / a), abs=1e-6
    )


def test_skew_raises_the_bound_of_the_claim_that_it_leans_towards_by_johnsons_term():
    values = np.array([0.0, 0.01, 0.02, 0.03, 0.3])
    g1 = float(((values - values.mean()) ** 3).mean() / values.var() ** 1.5) * math.sqrt(5 * 4) / 3
    term = g1 * (2 * stats.t.ppf(0.95, 4) ** 2 + 1) / (6 * math.sqrt(5))
    assert skew_guard(values) == pytest.approx((term, 0.0)) and skew_guard(
        -values
    ) == pytest.approx((0.0, term))
    made = sample(values)
    plain = stats.ttest_1samp(values, 0.4).statistic
    assert made.p_at_most(0.4) == pytest.approx(stats.t.cdf(plain + term, 4)) and made.p_at_most(
        0.4
    ) > stats.t.cdf(plain, 4)
    assert made.p_more_than(-0.1) == pytest.approx(
        stats.ttest_1samp(values, -0.1, alternative="greater").pvalue
    )


@pytest.mark.parametrize("sessions", [4, 5, 8, 12])
def test_the_guard_halves_what_skew_adds_to_the_size_and_costs_little_where_there_is_none(sessions):
    gen = np.random.default_rng(5)
    bound = stats.t.ppf(0.95, sessions - 1)

    def rates(x):
        t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / math.sqrt(sessions))
        return (t <= -bound).mean(), (t <= -bound - skew_guard(x)[0]).mean()

    skewed = (
        gen.gamma(7.3, size=(20000, sessions)) - 7.3
    )  # skewness .74, as D of one-neuron sessions
    plain, guarded = rates(skewed)
    assert plain > 0.068 and guarded <= 0.07 and guarded - 0.05 <= 0.6 * (plain - 0.05)
    plain, guarded = rates(gen.standard_normal((20000, sessions)))
    assert 0.035 <= guarded <= plain <= 0.055


def test_a_range_that_may_be_zero_bounds_nothing():
    low, high = sample([0.05, 0.02, 0.03, 0.01], [0.5, -0.4, 0.6, -0.3]).interval()
    assert math.isinf(low) or math.isinf(high)


def test_subjects_are_averaged_before_they_are_counted():
    made = sample(
        [0.1, 0.3, 0.2, 0.4, 0.0, 0.2, 0.1, 0.5], subjects=["a", "a", "b", "b", "c", "c", "d", "d"]
    )
    assert made.scope == "population of subjects"
    means = np.array([0.2, 0.3, 0.1, 0.3])
    t = stats.ttest_1samp(means, 0.5).statistic + skew_guard(means)[0]
    assert made.p_at_most(0.5) == pytest.approx(stats.t.cdf(t, 3))
    assert sample([0.1] * 6, subjects=["a", "a", "a", "b", "b", "b"]).scope == "these recordings"


def test_few_sessions_of_several_subjects_are_averaged_plainly_and_lie_inside_their_interval():
    gen = np.random.default_rng(0)
    effects = tuple(
        Effect(mean + 0.02 * gen.standard_normal((3, 8)), np.ones((1, 8)))
        for mean in (0.1, 0.2, 0.6)
    )
    made = Sample(effects, ("a", "a", "b"))
    low, high = made.interval()
    assert made.scope == "these recordings" and made.estimate == pytest.approx(0.3, abs=0.02)
    assert low < made.estimate - 0.002 and made.estimate + 0.002 < high


def test_the_sign_flip_has_its_floor():
    assert sample([-0.1, -0.2, -0.3, -0.1]).sign_flip(0.0) == pytest.approx(2**-4)


def test_two_way_variance_by_hand():
    cell = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]])
    mean, error, df = fixed_sessions([cell])
    seeds, blocks = 0.5 / 2, np.var([1.5, 2.5, 3.5, 4.5], ddof=1) / 4
    assert mean == 3.0
    assert error == pytest.approx(math.sqrt(seeds + blocks))
    assert df == pytest.approx((seeds + blocks) ** 2 / (seeds**2 / 1 + blocks**2 / 3))


def test_size_of_both_scopes_is_about_alpha_at_the_margin():
    """The size of the test in both scopes, with nulls exactly at the margin.

    Session, seed and block effects are all random where the scope says so.
    """
    gen = np.random.default_rng(1)
    studies = 1500

    def rate(sessions, spread):
        hits = 0
        for _ in range(studies):
            effects = []
            for _ in range(sessions):
                cell = (
                    0.1
                    + spread * gen.standard_normal()
                    + 0.05 * gen.standard_normal((5, 1))
                    + 0.05 * gen.standard_normal((1, 8))
                )
                effects.append(Effect(cell + 0.05 * gen.standard_normal((5, 8)), np.ones((1, 8))))
            hits += Sample(tuple(effects), ("a",) * sessions).p_at_most(0.1) <= 0.05
        return hits / studies

    assert 0.03 <= rate(6, 0.1) <= 0.07
    assert 0.02 <= rate(3, 0.0) <= 0.07


def test_dose_intervals_stop_at_the_first_failure_and_correct_over_doses():
    found = dose_interval(0.0, {0.1: 0.01, 0.2: 0.2, 0.4: 0.001}, {0.1: 0.9, 0.2: 0.03, 0.4: 0.01})
    assert (found.lower, found.upper) == (0.1, 0.4)  # .03 fails Holm at .05 / 2
    assert dose_interval(0.0, {0.1: 0.3}, {0.1: 0.3}).upper is None
