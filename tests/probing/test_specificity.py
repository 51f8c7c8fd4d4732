"""Specificity controls are as strong as the transform they stand beside.

They are refused where no closed form says how strong they are.
"""

import pytest
import torch
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.plan.plan import Plan
from invariance_probe.study.session import Session
from invariance_probe.study.specificity import as_strong_as
from invariance_probe.study.study import Study
from invariance_probe.study.views import Views

HYPOTHESIS = tiny_study()["hypotheses"][0]


def study_of(transform, path, dose, controls, **changes):
    return Study.model_validate(
        tiny_study(
            views={"transforms": [transform]},
            axes=[{"path": path, "doses": [0, dose]}],
            controls=controls,
            hypotheses=[{**HYPOTHESIS, "predicts": "invariant", "axis": path, "dose": dose}],
            **changes,
        )
    )


def change(views, kind, windows):
    """The mean squared change of a value by one transform of some views."""
    declared = next(transform for transform in views.transforms if transform.kind == kind)
    stacked = TRANSFORMS[kind].of([declared], torch.ones(1, windows.shape[3]))
    rows = torch.arange(windows.shape[1]).unsqueeze(0)
    keys = key_tensor([7], torch.device("cpu"))
    draws = Draws(keys, 3, torch.zeros_like(keys), rows)
    return float(
        (stacked.apply(windows, stacked.draw(draws, tuple(windows.shape[2:]))) - windows)
        .float()
        .square()
        .mean()
    )


BESIDE = {
    "pepper": ({"kind": "pepper", "amplitude": 2.0}, "pepper.rate", 0.1, "noise"),
    "dying units": (
        {"kind": "progressive_unit_loss", "value": "mean"},
        "progressive_unit_loss.rate",
        0.6,
        "noise",
    ),
    "a block of units": (
        {"kind": "unit_cutout", "value": "mean"},
        "unit_cutout.fraction",
        0.3,
        "noise",
    ),
    "a block of bins": (
        {"kind": "time_cutout", "value": "mean"},
        "time_cutout.fraction",
        0.3,
        "noise",
    ),
    "dying units and dropout": (
        {"kind": "progressive_unit_loss", "value": "mean"},
        "progressive_unit_loss.rate",
        0.6,
        "dropout",
    ),
    "a block of units and dropout": (
        {"kind": "unit_cutout", "value": "mean"},
        "unit_cutout.fraction",
        0.3,
        "dropout",
    ),
    "silent units and dropout": (
        {"kind": "unit_cutout", "value": "silent"},
        "unit_cutout.fraction",
        0.3,
        "dropout",
    ),
    "silent bins and dropout": (
        {"kind": "time_cutout", "value": "silent"},
        "time_cutout.fraction",
        0.3,
        "dropout",
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_control_changes_the_input_by_as_much(name):
    transform, path, dose, control = BESIDE[name]
    silent = transform.get("value") == "silent"
    noise = torch.randn(1, 3000, 10, 20, generator=torch.Generator().manual_seed(0))
    windows = (noise + 3).clamp_min(0).round().int() if silent else noise
    clean = Views.model_validate({"base": {"kind": "none"}, "transforms": [transform]})
    found = as_strong_as(path, dose, control, clean)
    assert found is not None
    at, its_dose, views = found
    own = change(clean.at(path, dose), transform["kind"], windows)
    assert change(views.at(path, dose), at.split(".")[0], windows) == pytest.approx(own, rel=0.05)
    assert its_dose == getattr(
        next(t for t in views.transforms if t.kind == at.split(".")[0]), at.split(".")[1]
    )
    assert (
        next(t for t in views.transforms if t.kind == transform["kind"]) == clean.transforms[0]
    )  # the corruption itself is off


@pytest.mark.parametrize(
    ("transform", "path", "control"),
    [
        ({"kind": "gain_modulation"}, "gain_modulation.sigma", "noise"),
        ({"kind": "unit_permutation"}, "unit_permutation.rate", "noise"),
        ({"kind": "unit_cutout", "value": "silent"}, "unit_cutout.fraction", "noise"),
        (
            {"kind": "unit_cutout", "value": "mean"},
            "unit_cutout.fraction",
            "noise",
        ),  # of halves of counts
        ({"kind": "pepper"}, "pepper.rate", "dropout"),
        ({"kind": "unit_dropout"}, "unit_dropout.rate", "dropout"),
    ],
)
def test_a_control_without_a_closed_form_is_refused_with_those_that_have_one(
    transform, path, control
):
    with pytest.raises(
        ValidationError,
        match=("is not available for any hypothesis of this study: unit_dropout can have thinning"),
    ):
        study_of(transform, path, 0.2, [control])


def test_a_control_that_is_a_transform_of_the_study_is_refused():
    transforms = [{"kind": "unit_cutout"}, {"kind": "unit_dropout"}]
    given = {
        "views": {"transforms": transforms},
        "axes": [{"path": "unit_cutout.fraction", "doses": [0, 0.3]}],
        "controls": ["dropout"],
        "hypotheses": [
            {**HYPOTHESIS, "predicts": "invariant", "axis": "unit_cutout.fraction", "dose": 0.3}
        ],
    }
    with pytest.raises(
        ValidationError,
        match=r"unit_dropout is already a transform of this study, .*; sweep it up to 0.3",
    ):
        Study.model_validate(tiny_study(**given))


def test_two_hypotheses_that_need_two_controls_of_one_name_and_dose_are_refused():
    axes = ("unit_cutout.fraction", "progressive_unit_loss.rate")
    given = {
        "views": {
            "transforms": [
                {"kind": "unit_cutout", "value": "mean"},
                {"kind": "progressive_unit_loss", "value": "silent"},
            ]
        },
        "axes": [{"path": axes[0], "doses": [0, 0.3]}, {"path": axes[1], "doses": [0, 0.6]}],
        "controls": ["dropout"],
        "hypotheses": [
            {**HYPOTHESIS, "id": axis, "predicts": "invariant", "axis": axis, "dose": dose}
            for axis, dose in zip(axes, (0.3, 0.6), strict=True)
        ],
    }
    with pytest.raises(
        ValidationError, match=r"two hypotheses need the control unit_dropout.rate=0.3"
    ):
        Study.model_validate(tiny_study(**given))


def test_controls_of_each_axis_are_planned_once_and_stand_beside_their_own_hypotheses():
    axes = {"unit_cutout.fraction": 0.3, "progressive_unit_loss.rate": 0.6, "pepper.rate": 0.1}
    study = Study.model_validate(
        tiny_study(
            views={"transforms": [{"kind": path.split(".")[0]} for path in axes]},
            controls=["dropout", "noise"],
            axes=[{"path": path, "doses": [0, dose]} for path, dose in axes.items()],
            hypotheses=[
                {**HYPOTHESIS, "id": path, "predicts": "invariant", "axis": path, "dose": dose}
                for path, dose in axes.items()
            ],
        )
    )
    plan = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))
    by_axis = {
        path: {(c.axis, round(c.dose, 6)) for c in plan.controls_beside(path)} for path in axes
    }
    dropout, noise = (
        ("unit_dropout.rate", 0.3),
        ("gaussian_noise.sigma", round((0.1 * 1.5**2) ** 0.5, 6)),
    )
    assert by_axis["unit_cutout.fraction"] == by_axis["progressive_unit_loss.rate"] == {dropout}
    assert by_axis["pepper.rate"] == {noise}
    assert sorted((c.axis, c.arm) for c in plan.controls) == [
        (axis, arm)
        for axis in ("gaussian_noise.sigma", "unit_dropout.rate")
        for arm in ("independent", "shared")
    ]
    planned = [run.key() for run in plan.grid]
    assert len(set(planned)) == len(planned)
