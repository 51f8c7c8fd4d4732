"""A licence binds a method to what it was calibrated at: settings, encoder, and how its steps are computed."""

import pytest

from invariance_probe.study.licences import LICENCES, not_counted, unlicensed
from invariance_probe.study.training import Optimisation

SIMCLR = LICENCES["simclr"].example


@pytest.mark.parametrize("arithmetic", LICENCES["simclr"].arithmetic, ids="-".join)
def test_a_licensed_method_may_be_computed_as_it_was_calibrated(arithmetic):
    kernels, precision = arithmetic
    assert unlicensed(SIMCLR, Optimisation(kernels=kernels, precision=precision)) == []


def test_arithmetic_that_was_not_calibrated_carries_no_verdict_and_is_named():
    (reason,) = unlicensed(SIMCLR, Optimisation(precision="bfloat16"))
    assert reason.startswith(
        "simclr was not calibrated at training.kernels torch with precision bfloat16 (calibrated: torch float32, "
    )


def test_a_licence_holds_on_what_was_counted_alone():
    moco = LICENCES["moco"].example
    assert not_counted(moco, "corruptions", 6) == [] == not_counted(SIMCLR, "jitters", 2)
    assert not_counted(moco, "jitters", 6) == ["moco was not calibrated on jitters (but on corruptions)"]
    (reason,) = not_counted(moco, "corruptions", 3)
    assert reason == "moco was not calibrated in studies of 3 sessions (but from 5)"
