"""Procedures for several claims, against those of an independent library."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.multiplicity import (
    benjamini_hochberg_adjusted,
    holm_adjusted,
    holm_levels,
)


@pytest.mark.parametrize(("count", "scale"), [(0, 1.0), (1, 0.1), (5, 0.1), (30, 0.01), (30, 1.0)])
def test_procedures_equal_those_of_an_independent_library_to_the_last_bit(count, scale):
    p = (np.random.default_rng(count).random(count) * scale).round(3)  # some are equal
    shown, holm, *_ = multipletests(p, ALPHA, "holm")
    assert np.array_equal(holm_adjusted(p), holm)
    assert np.array_equal(benjamini_hochberg_adjusted(p), multipletests(p, ALPHA, "fdr_bh")[1])
    assert np.array_equal(p <= holm_levels(p.tolist()), shown)
