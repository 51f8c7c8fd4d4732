"""Blocks of five autocorrelation times.

How many there are, honest variances over them, and sessions with fewer than eight.
"""

from dataclasses import replace

import numpy as np
import pytest

from invariance_probe.data.simulate.latents import ornstein_uhlenbeck
from invariance_probe.inference import infer
from invariance_probe.inference.evidence.blocks import (
    AUTOCORRELATION_TIMES,
    FEWEST_BLOCKS,
    Blocks,
    merged,
)
from invariance_probe.inference.evidence.estimands import read_losses
from invariance_probe.inference.hypotheses.code import SessionCode
from invariance_probe.inference.rules.intervals import fixed_sessions, tail
from invariance_probe.plan.figures.code import CodeFigures

from .builder import make_plan, planted


def test_successive_blocks_are_averaged_and_a_missing_one_stays_missing():
    values = np.arange(20.0).reshape(2, 10)
    assert merged(values, 5)[0].tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert merged(values, 4).shape == (2, 4) and merged(values, 10) is values
    values[1, 3] = np.nan
    assert np.isnan(merged(values, 5)).tolist() == [[False] * 5, [False, True, False, False, False]]


@pytest.mark.parametrize(
    ("planned", "taus"), [(10, 60), (16, 60), (24, 60), (40, 41), (40, 90), (50, 200)]
)
def test_the_largest_number_of_blocks_that_last_long_enough_is_kept(planned, taus):
    blocks = Blocks(planned, 2.0 * taus, 2.0)
    sizes = {
        count: min(len(part) for part in np.array_split(np.arange(planned), count))
        for count in range(1, planned + 1)
    }
    long_enough = [
        count for count, size in sizes.items() if size * taus / planned >= AUTOCORRELATION_TIMES
    ]
    assert blocks.count == max(long_enough) >= FEWEST_BLOCKS and not blocks.too_short
    assert blocks.merge(np.zeros((3, planned))).shape == (3, blocks.count)


def test_nothing_is_merged_without_an_autocorrelation_time_and_in_blocks_that_are_no_stretches():
    plan = make_plan()
    code = next(code for result in planted(plan).values() if (code := result.measured(CodeFigures)))
    slow = replace(code, autocorrelation_s=1000.0)
    for blocks in (
        Blocks(8),
        Blocks.of(8, None),
        Blocks.of(8, slow, in_time=False),
        Blocks(8, 80.0, None),
    ):
        assert blocks.count == 8 and not blocks.too_short
    assert Blocks.of(8, slow).too_short


def test_a_session_without_eight_blocks_is_told_what_to_do():
    short = Blocks(10, 300.0, 10.0)
    assert (
        short.count == 10
        and "its 300 s hold 5 test blocks of 5 autocorrelation times (10 s each), and 8 are"
        in short.too_short
    )
    assert (
        short.too_short.startswith("too short for so slow a target")
        and "a recording of 400 s or more" in short.too_short
    )
    assert (
        "set folds.count to 2, 4 or 8" in Blocks(10, 450.0, 10.0).too_short
        and not Blocks(8, 450.0, 10.0).too_short
    )


def test_a_variance_over_merged_blocks_is_honest_where_errors_change_slowly():
    """Coverage of 90 % intervals of the mean of an OU process.

    There are three sessions, each of 40 blocks of one time constant.
    """
    rng = np.random.default_rng(1)
    blocks, studies, covered = Blocks(40, 40.0, 1.0), 1000, np.zeros(2)
    for _ in range(studies):
        series = ornstein_uhlenbeck(rng, 400, 3, 1.0, 0.1).T
        planned = series.reshape(3, 40, 10).mean(axis=2)
        for i, values in enumerate((planned, blocks.merge(planned))):
            p = float(tail(*fixed_sessions([session[None] for session in values]), upper=True))
            covered[i] += 0.05 <= p <= 0.95
    alone, merged_ones = covered / studies
    assert blocks.count == 8 and merged_ones > 0.84 and alone < 0.75


def slow(plan, autocorrelation_s, **values):
    """Results whose codes have an autocorrelation time."""
    results = planted(plan, **values)
    return {
        key: replace(result, figures=replace(code, autocorrelation_s=autocorrelation_s))
        if (code := result.measured(CodeFigures))
        else result
        for key, result in results.items()
    }


def test_all_losses_of_a_session_are_read_by_merged_blocks():
    plan = make_plan(sessions=3, folds={"scheme": "blocks", "count": 16})
    results = slow(plan, 1.0, C_code=0.3, delta=0.3)  # 80 s in 16 blocks of 5 s: none is merged
    plain = read_losses(plan, results)["s0"]
    two = read_losses(plan, slow(plan, 2.0, C_code=0.3, delta=0.3))["s0"]
    assert (plain.blocks.count, two.blocks.count) == (16, 8)
    for read in (
        lambda x: x.floor,
        lambda x: x.range,
        lambda x: x.effect("delta", "unit_dropout.rate", 0.4).values,
    ):
        np.testing.assert_allclose(read(two), merged(read(plain), 8))
    assert infer(plan, results, {}).hypotheses[0].scope == "these recordings"


def test_a_session_that_is_too_short_for_its_target_leaves_with_that_reason():
    plan = make_plan()
    findings = infer(plan, slow(plan, 3.0), {})
    assert not any(session.decodable for session in findings.sessions)
    assert all(
        "too short for so slow a target: its 80 s hold 4 test blocks" in session.detail
        for session in findings.sessions
    )


def test_jackknife_pseudo_values_of_a_code_are_merged_like_blocks():
    plan = make_plan(sessions=3)
    figures = next(
        code for result in planted(plan).values() if (code := result.measured(CodeFigures))
    )
    values = {
        tau: SessionCode(replace(figures, autocorrelation_s=tau, deleted=figures.deleted * 2))
        .redundancy()
        .values
        for tau in (1, 2)
    }
    assert len(figures.deleted) == 8 and [values[tau].shape for tau in (1, 2)] == [(1, 16), (1, 8)]
    np.testing.assert_allclose(values[2], merged(values[1], 8))
