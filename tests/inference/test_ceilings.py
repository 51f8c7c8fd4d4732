"""Which decoder without SSL the range R rests on."""

from dataclasses import replace

import numpy as np
import pytest

from invariance_probe.inference import infer

from .builder import make_plan, planted


def with_baseline(plan, results, kind, selection_loss, better=0.0):
    """The results with another loss of one baseline."""
    for run in plan.baselines:
        if run.method.kind == kind:
            losses = tuple(loss - better for loss in results[run.key()].block_losses)
            results[run.key()] = replace(
                results[run.key()], selection_loss=selection_loss, block_losses=losses
            )
    return results


def test_square_roots_are_the_ceiling_where_training_data_choose_them():
    plan = make_plan()
    findings = infer(plan, with_baseline(plan, planted(plan), "square_roots", 0.3, better=0.11), {})
    assert {s.ceiling_family for s in findings.sessions} == {"square_roots"}
    assert np.mean([s.range for s in findings.sessions]) == pytest.approx(0.7, abs=0.01)
    kept = {b.name: b.retention for b in findings.baselines if b.session == "s0"}
    assert kept["square_roots"] == pytest.approx(1) and kept["raw"] == pytest.approx(
        0.6 / 0.7, abs=0.02
    )


def test_the_supervised_network_is_the_ceiling_where_training_data_choose_it():
    plan = make_plan()
    findings = infer(plan, with_baseline(plan, planted(plan), "supervised", 0.1), {})
    assert {s.ceiling_family for s in findings.sessions} == {"supervised"}


def test_a_better_held_out_loss_alone_chooses_no_ceiling_and_a_tie_goes_to_the_raw_decoder():
    plan = make_plan()
    results = with_baseline(plan, planted(plan), "square_roots", 0.4, better=0.11)
    assert {s.ceiling_family for s in infer(plan, results, {}).sessions} == {"raw"}
