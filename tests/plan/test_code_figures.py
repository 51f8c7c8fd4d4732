"""Every figure of the code follows from stored sums by plain arithmetic."""

import json

import pytest

from invariance_probe.plan.figures.code import (
    CodeFigures,
    CorruptionErrors,
    DroppingCurve,
    HeldOutErrors,
    information,
)
from invariance_probe.plan.run import RunResult


def errors(**changes):
    """Two folds of 100 windows whose floors sum to 200, and a decoder of R2 = .8 (J = 4)."""
    values = {
        "folds": (0, 1),
        "windows": (100, 100),
        "floor": (90.0, 110.0),
        "everything": (19.0, 21.0),
        "linear_floor": (90.0, 110.0),
        "linear": (19.0, 21.0),
        "curves": (
            DroppingCurve("gained", ((90.0, 110.0), (70.0, 90.0), (50.0, 50.0), (30.0, 30.0))),
            DroppingCurve("lost", ((19.0, 21.0), (35.0, 45.0), (60.0, 80.0))),
        ),
        "halves": (((40.0, 60.0), (50.0, 50.0)), ((30.0, 50.0), (60.0, 60.0))),
        "corruptions": (
            CorruptionErrors("unit_dropout.rate", 0.4, (25.0, 31.0), (40.0, 60.0), 0.7),
            CorruptionErrors("gaussian_noise.sigma", 1.0, (), (50.0, 70.0), 1.0),
        ),
    }
    return HeldOutErrors(**{**values, **changes})


def one_fold():
    """The same without its first block."""
    kept = {
        name: getattr(errors(), name)[1:]
        for name in ("folds", "windows", "floor", "everything", "linear_floor", "linear")
    }
    return errors(**kept, curves=(), halves=(), corruptions=())


def code(**changes):
    values = {
        "units": ("a", "b", "c"),
        "window_count": 200,
        "length_bins": 1,
        "bin_s": 0.1,
        "loss": "squared error",
    }
    return CodeFigures(**{**values, "whole": errors(), "deleted": (one_fold(),), **changes})


def test_crossings_are_interpolated_on_the_scale_of_information():
    one = errors()
    assert one.r2 == pytest.approx(0.8) and one.information == pytest.approx(4)
    # gained: R2 0, .2, .5, .7 -> J 0, .25, 1, 2.33
    # half of R2 is .4, of which J = 2/3; half of J is 2
    assert one.k_s == pytest.approx(1 + (2 / 3 - 0.25) / 0.75)
    assert one.k_s_of_information == pytest.approx(2 + (2 - 1) / (7 / 3 - 1))
    # lost: R2 .8, .6, .3 -> J 4, 1.5, .4286
    assert one.k_n == pytest.approx(1 + (1.5 - 2 / 3) / (1.5 - 3 / 7))
    assert one.k_n_of_information == pytest.approx((4 - 2) / 2.5)
    assert one.carriers == pytest.approx(one.k_s + one.k_n)


def test_losses_are_parts_of_the_range_of_the_decoder_that_is_refitted():
    one = errors()
    assert one.range == pytest.approx((200 - 40) / 200)
    assert one.c_code("unit_dropout.rate", 0.4) == pytest.approx(16 / 160)
    assert one.c_blind("unit_dropout.rate", 0.4) == pytest.approx(60 / 160)
    assert (
        one.c_code("gaussian_noise.sigma", 1.0)
        == one.c_blind("gaussian_noise.sigma", 1.0)
        == pytest.approx(80 / 160)
    )
    assert one.independent(0.4) == pytest.approx(0.4 / 3.4)
    with pytest.raises(
        KeyError,
        match=r"no corruption pepper.rate at 0.2 was measured; measured: unit_dropout.rate at 0.4",
    ):
        one.c_code("pepper.rate", 0.2)
    with pytest.raises(
        KeyError, match="no dropping curve 'random' was measured; measured: 'gained', 'lost'"
    ):
        one.curve("random")


def test_redundancy_is_the_mean_over_splits_of_what_both_halves_have():
    first, second = information(0.5) + information(0.5), information(0.6) + information(0.4)
    assert errors().redundancy == pytest.approx((first + second) / 2 / 4)


def test_a_session_that_does_not_beat_its_floor_clearly_has_no_k():
    unclear = errors(floor=(25.0, 110.0))  # gains of .06 and .89 per window
    assert not unclear.decodable and errors().decodable
    silent = code(whole=unclear)
    assert silent.k_s is silent.k_n is silent.carriers is silent.redundancy is None
    assert code().k_s == errors().k_s and code().carriers == errors().carriers
    nothing = errors(linear=(90.0, 120.0), everything=(90.0, 120.0))
    assert (
        nothing.k_s is nothing.carriers is nothing.redundancy is None
        and nothing.c_code("unit_dropout.rate", 0.4) is None
    )


def test_r2_is_clipped_before_it_becomes_information():
    assert information(1.0) == information(0.9995) == pytest.approx(999) and information(-3) == 0


def test_a_result_keeps_its_code_and_results_from_before_have_none():
    figures = code(
        copies=(("a", "b"),), sums=(("c", "a", "b"),), distinct=code(units=("a",)), n_eff=2.0
    )
    result = RunResult("k", "done", figures=figures)
    assert RunResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    earlier = json.loads(json.dumps(result.to_json()))
    figures = earlier.pop("figures")
    del figures["kind"]
    stored = {**earlier, "diagnostics": {"units": 3.0}, "code": figures}
    assert RunResult.from_json(stored) == result
    assert RunResult.from_json({**earlier, "diagnostics": {}}).measured(CodeFigures) is None


def test_the_table_has_a_row_for_every_sum():
    rows = list(code().table())
    assert {row["deleted"] for row in rows} == {"", "0"}
    whole = [row for row in rows if row["deleted"] == ""]
    assert len(whole) == 2 * (5 + 4 + 3 + 4 + 2 + 1)  # sums, curves, halves, corruptions
    assert sum(row["value"] for row in whole if (row["name"], row["step"]) == ("gained", 2)) == 100
