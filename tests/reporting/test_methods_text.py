"""The Methods paragraph says what the study declares.

This concerns the network, the windows and the optimiser.
"""

import pytest
from conftest import tiny_study
from inference.builder import JITTER, make_plan

from invariance_probe.plan.plan import Plan
from invariance_probe.reporting.methods_text import methods_paragraph
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def paragraph(method, **changes):
    study = Study.model_validate(tiny_study(method=method, **changes))
    plan = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))
    return methods_paragraph(
        plan, {"provenance": {"versions": {}}, "study": {"sha256": "0" * 64}, "examined": []}
    )


SAID = {
    "mlp": ({"kind": "mlp", "widths": [16, 8]}, "a multilayer perceptron of 16-8 units"),
    "temporal_convolution": (
        {"kind": "temporal_convolution", "channels": [6, 5], "kernel_bins": 3, "dimensions": 4},
        "temporal convolutions of 6-5 channels over 3 bins at stride 1 with batch normalisation, "
        "read linearly in 4 dimensions",
    ),
    "gru": (
        {"kind": "gru", "width": 12, "dimensions": 4},
        "a gated recurrent unit of width 12, read linearly in 4 dimensions",
    ),
    "transformer": (
        {"kind": "transformer", "width": 12, "heads": 3, "layers": 1, "dimensions": 4},
        "a pre-norm transformer of 1 layer, width 12 and 3 heads, read linearly in 4 dimensions",
    ),
}


@pytest.mark.parametrize("kind", SAID)
def test_the_encoder_and_the_windows_are_named(kind):
    encoder, said = SAID[kind]
    text = paragraph({"kind": "simclr", "encoder": encoder}, window={"length_bins": 5})
    assert f"learned by simclr ({said}" in text and "windows of 5 bins" in text


def test_the_optimiser_is_the_methods_own_where_it_changes_the_studys():
    training = {
        "optimizer": "lars",
        "schedule": "cosine",
        "warmup": 0.1,
        "learning_rate": 0.2,
        "steps": 30,
        "weight_decay": 1e-6,
    }
    text = paragraph({"kind": "byol", "training": training})
    assert (
        "by 30 steps of LARS on 64 windows at learning rate 0.2, falling to 0 by half a cosine, "
        "after a linear warm-up over 10 % of the steps, momentum 0.9 and weight decay 1e-06" in text
    )
    assert (
        "by 20 steps of AdamW on 64 windows at learning rate 0.003 and weight decay 0.01"
        in paragraph({"kind": "simclr"})
    )


def test_a_closed_form_has_no_steps_and_one_seed():
    text = paragraph({"kind": "linear_ssl"})
    assert "learned by linear_ssl (in closed form; 1 seed," in text and "steps" not in text


def of_plan(**changes):
    return methods_paragraph(
        make_plan(**changes),
        {"provenance": {"versions": {}}, "study": {"sha256": "0" * 64}, "examined": []},
    )


def test_the_code_is_said_to_be_measured_without_ssl_with_its_masks_and_splits():
    text = of_plan()
    assert (
        "linear decoders without SSL" in text
        and "over 20 random halvings" in text
        and "60 balanced masks" in text
    )
    assert "jackknife" not in text and "jackknife" in of_plan(
        sessions=3
    )  # three sessions stand for themselves
    assert "balanced masks" not in of_plan(**JITTER)  # a jitter takes no inputs away


def test_the_panel_is_named_with_the_settings_of_every_recipe():
    text = of_plan()
    assert "longer (simclr, 1000 steps at learning rate 0.009, 8 dimensions)" in text
    assert (
        "wider (simclr, 400 steps at learning rate 0.003, 32 dimensions)" in text
        and "other (moco, " in text
    )
    assert "Claims about learning rest on the declared recipe alone." in of_plan(quick=True)


def test_what_views_have_at_every_dose_is_named():
    """A fixed noise is part of what was trained, as much as what was swept."""
    views = {
        "pairing": {"kind": "time_jitter", "window_s": 0.1},
        "transforms": [{"kind": "unit_dropout"}, {"kind": "gaussian_noise", "sigma": 0.3}],
    }
    text = paragraph({"kind": "simclr"}, views=views)
    said = (
        "At every dose, dose 0 too, views had gaussian noise (sigma = 0.3) "
        "and pairs were of windows up to 0.1 s apart."
    )
    assert said in text
    assert "At every dose" not in paragraph({"kind": "simclr"})
    assert "single bins of 1 session were learned" in text
