"""Results that were stored as numbers under names are read as typed figures."""

import json

import pytest

from invariance_probe.plan.figures import read, written
from invariance_probe.plan.figures.decoded import (
    DecodedFigures,
    PairFigures,
    RepresentationFigures,
    Scores,
    SleepDistances,
    TrainingFigures,
)
from invariance_probe.plan.figures.earlier import read_earlier
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    ClassLoss,
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.figures.session import (
    Jumps,
    LagFigures,
    LeakFigures,
    MinedPairsFigures,
    NullFigures,
    PairsFound,
    PairsTested,
    PersistenceFigures,
    SharedFigures,
)
from invariance_probe.plan.figures.units import (
    Damage,
    Interval,
    Localisation,
    MessengerFigures,
    RelianceFigures,
    RelianceSet,
    SetDamage,
    SwitchingFigures,
    SwitchingTest,
    Transfer,
    UnitFigures,
    WorstSet,
)
from invariance_probe.plan.run import RunResult

MODES = ("refit", "fixed")
BAND = {"chosen": 0.5, "random": 0.1, "low": 0.0, "high": 0.2}
DAMAGE = {**BAND, "gain": 0.4, "gain_low": 0.3, "gain_high": 0.45, "p_value": 0.005}
GAINS = {"gain_a": 0.4, "gain_b": 0.3, "gain_a_in_b": 0.2, "gain_b_p": 0.01, "gain_a_p": 0.2}
KINDS = ("random", "mined", "oracle")

CASES = {
    "an SSL model": (
        {"rank_me": 3.0, "alignment": 0.1, "uniformity": -2.0, "invariance": 0.8,
         "input_change": 0.4, "r2": 0.5, "ssl_loss": 1.5, "gradient_norm": 0.2,
         "mined_agreement": 0.7, "pair_share": 0.5, "pair_agreement": 0.6,
         "nuisance_distance": 1.0, "sleep_distance": 2.0, "sleep_distance_other": 3.0,
         "sleep_distance_permuted": 4.0},
        DecodedFigures(
            scores=Scores(r2=0.5),
            representation=RepresentationFigures(
                rank_me=3.0, alignment=0.1, uniformity=-2.0, invariance=0.8, input_change=0.4
            ),
            training=TrainingFigures(ssl_loss=1.5, gradient_norm=0.2),
            distant=PairFigures(share=0.5, agreement=0.6, nuisance_distance=1.0),
            mined=PairFigures(agreement=0.7),
            sleep=SleepDistances(partners=2.0, others=3.0, permuted=4.0),
        ),
    ),
    "a raw decoder of classes": (
        {"accuracy": 0.9, "balanced_accuracy": 0.8, "f1_macro": 0.7, "f1_weighted": 0.75},
        DecodedFigures(
            scores=Scores(accuracy=0.9, balanced_accuracy=0.8, f1_macro=0.7, f1_weighted=0.75)
        ),
    ),
    "nothing": ({}, None),
    "a null": (
        {"p_value": 0.02, "trials": 60.0, "observed": 0.4, "null@0": 0.9, "null@1": 0.8,
         "others": 6.0, "cuts": 7.0, "windows": 100.0},
        NullFigures(p_value=0.02, observed=0.4, draws=(0.9, 0.8), trials=60, others=6, cuts=7,
                    windows=100),
    ),
    "persistence": ({"rho": 0.3}, PersistenceFigures(rho=0.3)),
    "a lag curve": (
        {"tau_s": float("inf"), "tau_low_s": 0.2, "tau_high_s": 0.4, "tau_target_s": 0.5,
         "increment_s": 0.1, "increment_kurtosis": 1.0, "kurtosis_p": 0.01,
         "r@0": 1.0, "rho@0": 1.0, "r@0.15": 0.5, "rho@0.15": 0.6},
        LagFigures(tau_s=float("inf"), tau_low_s=0.2, tau_high_s=0.4, tau_target_s=0.5,
                   lags_s=(0.0, 0.15), r=(1.0, 0.5), rho=(1.0, 0.6),
                   jumps=Jumps(increment_s=0.1, kurtosis=1.0, p_value=0.01)),
    ),
    "a leak": (
        {"leak@0": -0.1, "leak@1": 0.2, "beyond@0": 0.0, "beyond@1": 0.3},
        LeakFigures(r2=(-0.1, 0.2), beyond=(0.0, 0.3)),
    ),
    "shared dimensions": (
        {"shared_dimensions": 1.0, "lag_bins": -2.0, "lag_s": -0.2, "correlation@1": 0.9,
         "correlation@2": 0.1, "p@1": 0.01, "p@2": 0.5, "agreement@-0.1": 0.4, "agreement@0": 0.5},
        SharedFigures(dimensions=1, lag_bins=-2, lag_s=-0.2, correlations=(0.9, 0.1),
                      p_values=(0.01, 0.5), lags_s=(-0.1, 0.0), agreement=(0.4, 0.5)),
    ),
    "mined pairs": (
        {"loss_local": 1.0, "accuracy_local": 0.5, "loss_floor": 1.1,
         **{f"loss_{kind}@0.9": 0.8 for kind in KINDS},
         **{f"accuracy_{kind}@0.9": 0.6 for kind in KINDS},
         "m_rand@0.9": 0.0, "m_loc@0.9": 0.2, **{f"purity_{kind}": 0.3 for kind in KINDS}},
        MinedPairsFigures(
            floor=1.1, local_loss=1.0, local_accuracy=0.5,
            found=tuple(PairsFound(pairs=kind, purity=0.3) for kind in KINDS),
            tested=tuple(PairsTested(pairs=kind, share=0.9, loss=0.8, accuracy=0.6)
                         for kind in KINDS),
        ),
    ),
    "a corruption": (
        {"invariance": 0.9, "invariance_row_space": 0.8, "invariance_within_class": 0.7},
        CorruptionFigures(
            invariance=0.9, invariance_row_space=0.8, invariance_within_class=0.7
        ),
    ),
    "a detection": ({"detection": 0.6}, DetectionFigures(detection=0.6)),
    "a comparison": (
        {"cka": 0.9, "shape_distance": 0.2}, SimilarityFigures(cka=0.9, shape_distance=0.2)
    ),
    "losses by class, with an @ in a name": (
        {"class_windows@a@b@0": 0.0, "class_windows@a@b@1": 3.0, "class_loss@a@b@1": 0.5},
        ClassFigures(losses=(
            ClassLoss(label="a@b", block=0, windows=0),
            ClassLoss(label="a@b", block=1, windows=3, loss=0.5),
        )),
    ),
    "messengers of one budget": (
        {**{f"{mode}_{name}@{i + 1}": float(i) for mode in MODES for name in "ab" for i in (0, 1)},
         **{f"{mode}_jaccard": 1.0 for mode in MODES},
         **{f"{mode}_{name}": value for mode in MODES for name, value in GAINS.items()},
         **{f"{mode}_transfer{end}": value for mode in MODES
            for end, value in (("", 0.9), ("_low", 0.8), ("_high", 1.0))}},
        MessengerFigures(transfers=tuple(
            Transfer(mode=mode, budget=2, set_a=(0, 1), set_b=(0, 1), jaccard=1.0, **GAINS,
                     transfer=Interval(estimate=0.9, low=0.8, high=1.0))
            for mode in MODES
        )),
    ),
}  # fmt: skip


def of_budgets():
    """Messengers of a study with a budget, as they were stored."""
    found = {}
    for mode in MODES:
        own = f"b1_{mode}"
        found |= {f"{own}_a@1": 3.0, f"{own}_b@1": 4.0, f"{own}_jaccard_ab": 0.0}
        found |= {f"{own}_{name}": value for name, value in GAINS.items()}
        found |= {f"{own}_accepted": 1.0, f"{own}_jaccard": 0.7}
        found |= {f"{own}_{by}_{n}": v for by in MODES for n, v in DAMAGE.items()}
        found |= {f"{own}_stability{end}": 0.6 for end in ("", "_low", "_high")}
        found |= {f"{own}_seed_stability{end}": 0.9 for end in ("", "_low", "_high")}
        found |= {f"{own}_unit@1": 3.0, f"{own}_frequency@1": 0.9, f"{own}_selected@3": 0.9}
        found |= {
            f"{mode}_k50_chosen": 2.0,
            f"{mode}_k50_random": 12.0,
            f"{mode}_localisation": 6.0,
        }
        switching = {"p_value": 0.002, "overlap": 0.3, "expected": 0.8}
        found |= {f"{mode}_switching_{name}": value for name, value in switching.items()}
    names = ("alone_refit", "alone_fixed", "weight", "variance")
    found |= {f"{name}@{unit}": 0.1 + unit for name in names for unit in range(5)}
    return found | {"switching_epochs": 4.0, "switching_blocks": 6.0, "switching_memory_s": 2.5}


def test_messengers_of_budgets_keep_sets_units_and_switching():
    found = read_earlier(of_budgets(), None)
    stable, over_seeds = (Interval(estimate=v, low=v, high=v) for v in (0.6, 0.9))
    expected = MessengerFigures(
        transfers=tuple(
            Transfer(mode=mode, budget=1, set_a=(3,), set_b=(4,), jaccard=0.0, **GAINS)
            for mode in MODES
        ),
        worst=tuple(
            WorstSet(
                mode=mode, budget=1, units=(3,), frequencies=(0.9,), accepted=True,
                refit=Damage(**DAMAGE), fixed=Damage(**DAMAGE), stability=stable, jaccard=0.7,
                seed_stability=over_seeds, selected=(0.0, 0.0, 0.0, 0.9, 0.0),
            )
            for mode in MODES
        ),
        localisations=tuple(Localisation(mode=mode, chosen=2.0, random=12.0) for mode in MODES),
        units=tuple(
            UnitFigures(alone_refit=v, alone_fixed=v, weight=v, variance=v)
            for v in (0.1 + unit for unit in range(5))
        ),
        switching=SwitchingFigures(
            epochs=4, blocks=6, memory_s=2.5,
            tests=tuple(
                SwitchingTest(mode=mode, overlap=0.3, expected=0.8, p_value=0.002)
                for mode in MODES
            ),
        ),
    )  # fmt: skip
    assert found == expected and found.localisation("fixed").index == 6
    assert read(json.loads(json.dumps(written(found)))) == found


def test_reliance_keeps_every_set_and_its_damages():
    targets = ("objective", "refit", "fixed")
    found = {"units": 20.0, "batch_windows": 64.0, "range_objective": 2.0,
             "nothing_objective": 0.5, "range_decoder": 0.4}  # fmt: skip
    for target in targets:
        found |= {f"b2_{target}_unit@1": 0.0, f"b2_{target}_unit@2": 5.0}
        found |= {f"b2_{target}_random_sets": 30.0}
        found |= {f"b2_{target}_{of}_{name}": v for of in targets for name, v in BAND.items()}
    typed = read_earlier(found, None)
    assert typed == RelianceFigures(
        units=20, batch_windows=64, range_objective=2.0, nothing_objective=0.5, range_decoder=0.4,
        sets=tuple(
            RelianceSet(budget=2, target=target, units=(0, 5), random_sets=30,
                        damages=dict.fromkeys(targets, SetDamage(**BAND)))
            for target in targets
        ),
    )  # fmt: skip
    assert read(json.loads(json.dumps(written(typed)))) == typed


@pytest.mark.parametrize(("stored", "expected"), CASES.values(), ids=CASES)
def test_every_kind_of_earlier_result_is_read(stored, expected):
    assert read_earlier(stored, None) == expected
    if expected is not None:
        assert read(json.loads(json.dumps(written(expected)))) == expected


def test_an_earlier_result_and_one_of_today_are_the_same_result():
    today = RunResult("k", "done", (0,), (0.5,), figures=PersistenceFigures(rho=0.3))
    stored = json.loads(json.dumps(today.to_json()))
    assert RunResult.from_json(stored) == today
    del stored["figures"]
    assert RunResult.from_json({**stored, "diagnostics": {"rho": 0.3}}) == today
