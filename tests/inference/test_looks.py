"""Alpha is spent over the looks.

The levels are the published ones and keep alpha, and repeated p values say the same.
"""

import numpy as np
import pytest
from scipy import stats

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.rules.interim_analyses import (
    ALPHA,
    InterimAnalysis,
    looks_of,
    nominal_levels,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.study.training import AdaptiveSeeds, Training

SEEDS = (2, 3, 5)
SPENDINGS = ("obrien_fleming", "pocock")


def looks(spending, seeds=SEEDS):
    return looks_of(
        Training(seeds=seeds[-1], adaptive=AdaptiveSeeds(looks=seeds, spending=spending))
    )


@pytest.mark.parametrize(("spending", "published"), [
    ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
    ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
])  # fmt: skip
def test_five_equal_looks_have_the_published_bounds(spending, published):
    """The published one-sided bounds at .025.

    They stand in Reboussin et al. (2000, Control Clin Trials 21:190) and every table
    since.
    """
    assert stats.norm.isf(nominal_levels((1, 2, 3, 4, 5), spending, 0.025)) == pytest.approx(
        published, abs=5e-4
    )


def crossings(levels, seeds, session_to_seed, studies=400_000):
    """How often the running mean over seeds crosses any bound under the null.

    Part of the mean is a session effect that no further seed changes.
    """
    rng = np.random.default_rng(3)
    steady = session_to_seed * rng.standard_normal(studies)
    noise = rng.standard_normal((studies, seeds[-1])).cumsum(axis=1)
    crossed = np.zeros(studies, bool)
    for count, level in zip(seeds, levels, strict=True):
        z = (steady + noise[:, count - 1] / count) / np.sqrt(session_to_seed**2 + 1 / count)
        crossed |= z > stats.norm.isf(level)
    return crossed.mean()


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("seeds", [SEEDS, (2, 10), (2, 4, 6, 8, 10)])
def test_all_looks_together_keep_alpha_and_no_level_is_wasted(spending, seeds):
    assert crossings(nominal_levels(seeds, spending, ALPHA), seeds, 0.0) == pytest.approx(
        ALPHA, abs=0.0015
    )


@pytest.mark.parametrize("spending", SPENDINGS)
def test_what_sessions_share_over_looks_makes_the_levels_conservative(spending):
    levels = nominal_levels(SEEDS, spending, ALPHA)
    sizes = [crossings(levels, SEEDS, ratio) for ratio in (0.0, 0.5, 1.0, 4.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < ALPHA - 0.003


@pytest.mark.parametrize("spending", SPENDINGS)
def test_a_repeated_p_value_is_at_most_alpha_exactly_at_the_level_and_grows_with_p(spending):
    for look in looks(spending):
        assert look.repeated(look.level * 0.999) < ALPHA < look.repeated(look.level * 1.001)
        again = [look.repeated(p) for p in np.logspace(-12, 0, 200)]
        assert again == sorted(again) and again[0] > 0 and again[-1] == 1
        assert all(
            repeated >= p for repeated, p in zip(again, np.logspace(-12, 0, 200), strict=True)
        )


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("alpha", [0.01, 0.025, 0.1])
def test_repeated_p_values_are_those_of_the_boundary_of_every_alpha(spending, alpha):
    for look, level in zip(looks(spending), nominal_levels(SEEDS, spending, alpha), strict=True):
        assert look.repeated(level) == pytest.approx(alpha, rel=2e-3)


def test_obrien_fleming_spends_late_and_pocock_evenly():
    late, even = (nominal_levels(SEEDS, spending, ALPHA) for spending in SPENDINGS)
    assert late[0] < 0.003 and late[-1] > 0.045
    assert max(even) < 1.5 * min(even)


@pytest.mark.parametrize("sessions", [3, 6])
def test_intervals_agree_with_claims_at_the_look(sessions):
    rng = np.random.default_rng(5)
    effects = tuple(
        Effect(0.02 + 0.05 * rng.standard_normal((2, 8)), np.ones((1, 8))) for _ in range(sessions)
    )
    once = Sample(effects, ("a",) * sessions)
    for look in looks("obrien_fleming"):
        sample = Sample(effects, ("a",) * sessions, look)
        low, high = sample.interval()
        assert low < once.interval()[0] and once.interval()[1] < high
        assert sample.p_at_most(high + 1e-6) < ALPHA < sample.p_at_most(high - 1e-6)
        assert sample.p_more_than(low - 1e-6) < ALPHA < sample.p_more_than(low + 1e-6)
        assert sample.single.interval() == once.interval()


def test_a_study_without_looks_has_none():
    assert looks_of(Training(seeds=5)) == ()
    assert [(look.number, look.seeds, look.last) for look in looks("pocock")] == [
        (1, 2, False),
        (2, 3, False),
        (3, 5, True),
    ]
    assert isinstance(looks("pocock")[0], InterimAnalysis)
