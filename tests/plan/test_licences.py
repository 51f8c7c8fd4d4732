"""A licence binds a method to the conditions of its calibration.

These are settings, encoder, arithmetic, and what its claims were counted on.
"""

from dataclasses import replace

import pytest

from invariance_probe.plan.licences import LICENCES, Use, unlicensed
from invariance_probe.study.training import Optimisation

SIMCLR, MOCO = LICENCES["simclr"].example, LICENCES["moco"].example
USE = Use("unit_dropout.rate", 0.4, "count_splitting", "continuous", 6)


@pytest.mark.parametrize("arithmetic", LICENCES["simclr"].arithmetic, ids="-".join)
def test_a_licensed_method_may_be_computed_as_it_was_calibrated(arithmetic):
    kernels, precision = arithmetic
    assert unlicensed(SIMCLR, Optimisation(kernels=kernels, precision=precision), USE) == []


def test_arithmetic_that_was_not_calibrated_carries_no_verdict_and_is_named():
    (reason,) = unlicensed(SIMCLR, Optimisation(precision="bfloat16"), USE)
    assert reason.startswith(
        "simclr was not calibrated for training.kernels torch with precision bfloat16 "
        "(calibrated: torch float32, "
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sessions": 3}, "studies of 3 sessions (calibrated: from 5)"),
        ({"axis": "time_jitter.window_s"}, "time_jitter.window_s (calibrated: unit_dropout.rate)"),
        (
            {"axis": "gain_modulation.sigma"},
            "gain_modulation.sigma (calibrated: unit_dropout.rate)",
        ),
        ({"dose": 0.9}, "unit_dropout.rate = 0.9 (calibrated: 0.2 to 0.8)"),
        ({"target": "categorical"}, "targets of kind 'categorical' (calibrated: 'continuous')"),
        ({"base": "none"}, "views with the base 'none' (calibrated: 'count_splitting')"),
    ],
)
def test_a_licence_holds_on_what_was_counted_alone(changes, said):
    assert unlicensed(MOCO, Optimisation(), USE) == []
    assert unlicensed(MOCO, Optimisation(), replace(USE, **changes)) == [
        f"moco was not calibrated for {said}"
    ]


def test_every_licence_trains_at_settings_that_it_licenses():
    for licence in LICENCES.values():
        for counted in licence.counted:
            use = Use(
                counted.axis,
                counted.doses[0],
                counted.bases[0],
                counted.targets[0],
                max(counted.fewest_sessions, 4),
            )
            assert unlicensed(licence.example, licence.optimisation, use) == []
