"""Losses of methods that learn in time, against plain references.

They are compared run by run. Also tested: what signed temporal shuffling finds.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.methods.base import Batch, Timeline
from invariance_probe.methods.cpc import CPC, info_nce, ranked_first
from invariance_probe.methods.masked_sequence import (
    MaskedSequence,
    distractor_mask,
    masked_info_nce,
    masked_spans,
)
from invariance_probe.methods.pbl import PBL, other_view, prediction_loss
from invariance_probe.methods.relative_positioning import (
    RelativePositioning,
    logistic_loss,
    right_answers,
)
from invariance_probe.methods.temporal_shuffling import (
    TemporalShuffling,
    signed_steps,
    unsigned_steps,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study import methods as declared
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.study import Study

ENCODER = MLPEncoder(widths=(16, 4))
RUNS = 3


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generators():
    return [np.random.default_rng(i) for i in range(RUNS)]


def batch_of(rows, labels=None, starts=None):
    """Views of `rows` windows of 2 bins and 5 units; windows `starts` (run, row) of both views."""
    windows = None if starts is None else torch.cat([starts, starts], dim=1)
    timeline = Timeline(torch.arange(500), torch.arange(500) // 100, 2, 0.1)
    return Batch(
        numbers(RUNS, 2 * rows, 2, 5),
        windows,
        timeline,
        key_tensor([3, 4, 5], torch.device("cpu")),
        7,
        labels=labels,
    )


def signs(examples):
    return torch.where(torch.arange(examples) % 2 == 0, 1, -1).expand(RUNS, -1)


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def entropy(scores, own):
    """-log of softmax at `own`, by plain floats."""
    most = max(scores)
    return most + math.log(sum(math.exp(s - most) for s in scores)) - scores[own]


def cosine(a, b):
    a, b = (np.asarray(x, dtype=float) for x in (a, b))
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def test_relative_positioning_is_the_logistic_loss_of_absolute_differences():
    method, batch = (
        RelativePositioning(declared.RelativePositioning(encoder=ENCODER), (2, 5), generators()),
        batch_of(10, signs(10)),
    )
    h = method.encoder(batch.views).detach().numpy()
    expected = np.zeros(RUNS)
    for run in range(RUNS):
        w, w0 = method.readout.weight[run, 0].detach().numpy(), method.readout.bias[run, 0].item()
        for pair in range(10):
            y = 1 if pair % 2 == 0 else -1
            g = sum(w[i] * abs(h[run, pair, i] - h[run, 10 + pair, i]) for i in range(4)) + w0
            expected[run] += math.log(1 + math.exp(-y * g)) / 10
    close(method.loss(batch), expected)


def test_the_logistic_loss_is_finite_for_large_logits_and_half_right_answers_are_counted():
    logits, labels = (
        torch.tensor([[800.0, -800.0, 0.0]], dtype=torch.float64),
        torch.tensor([[1, 1, -1]]),
    )
    assert logistic_loss(logits, labels).item() == pytest.approx((0 + 800 + math.log(2)) / 3)
    assert right_answers(logits, labels).item() == pytest.approx(0.5)


def test_unsigned_temporal_shuffling_is_the_logistic_loss_over_both_views():
    method, batch = (
        TemporalShuffling(declared.TemporalShuffling(encoder=ENCODER), (2, 5), generators()),
        batch_of(12, signs(4)),
    )
    h = method.encoder(batch.views).detach().numpy()
    expected = np.zeros(RUNS)
    for run in range(RUNS):
        w, w0 = (
            method.readout.linear.weight[run, 0].detach().numpy(),
            method.readout.linear.bias[run, 0].item(),
        )
        for view in range(2):
            for triplet in range(4):
                a, b, c = (h[run, 12 * view + 3 * triplet + i] for i in range(3))
                g = np.concatenate([abs(a - b), abs(b - c)]) @ w + w0
                expected[run] += math.log(1 + math.exp(-(1 if triplet % 2 == 0 else -1) * g)) / 8
    close(method.loss(batch), expected)


def test_signed_temporal_shuffling_is_the_logistic_loss_of_a_network_that_is_odd_in_time():
    method = TemporalShuffling(
        declared.TemporalShuffling(encoder=ENCODER, signed=True, head=(3,)), (2, 5), generators()
    )
    batch = batch_of(12, signs(4))
    h = method.encoder(batch.views).detach().numpy().reshape(RUNS, 8, 3, 4)
    expected = np.zeros(RUNS)
    layer = method.readout.hidden[0]
    for run in range(RUNS):
        a, b, c = (h[run, :, i] for i in range(3))
        steps = np.concatenate(
            [np.concatenate([b - a, c - b], 1), np.concatenate([b - c, a - b], 1)]
        )
        hidden = steps @ layer.weight[run].detach().numpy()
        hidden = np.maximum((hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5), 0)
        out = hidden @ method.readout.last.weight[run, 0].detach().numpy()
        logits = out[:8] - out[8:]
        expected[run] = np.mean(
            [math.log(1 + math.exp(-y * g)) for y, g in zip([1, -1] * 4, logits, strict=True)]
        )
    close(method.loss(batch), expected)


def test_unsigned_steps_of_a_triplet_and_of_its_reverse_are_the_same_two():
    triplets = numbers(2, 5, 3, 4)
    ahead, back = (unsigned_steps(t).unflatten(2, (2, 4)) for t in (triplets, triplets.flip(2)))
    assert torch.equal(ahead, back.flip(2))
    forwards, backwards = signed_steps(triplets)
    assert torch.equal(signed_steps(triplets.flip(2))[0], backwards) and not torch.allclose(
        forwards, backwards
    )


def test_a_signed_readout_turns_its_logit_when_time_is_turned():
    method = TemporalShuffling(
        declared.TemporalShuffling(encoder=ENCODER, signed=True), (2, 5), generators()
    )
    triplets = numbers(RUNS, 6, 3, 4)
    ahead = method.readout(triplets)
    assert torch.allclose(ahead, -method.readout(triplets.flip(2))) and ahead.abs().min() > 1e-3


STARTS = torch.tensor([[0, 40, 120, 123], [0, 40, 120, 123], [10, 150, 151, 300]])


@pytest.mark.parametrize(
    "negatives",
    [{}, {"gap_s": 0.4}, {"scope": "trial"}, {"same_trial": False}],
    ids=["all", "gap", "trial", "other trials"],
)
def test_cpc_is_the_cross_entropy_of_bilinear_scores_against_admissible_windows(negatives):
    kept = declared.Negatives(**negatives)
    method = CPC(
        declared.CPC(
            encoder=ENCODER, context_windows=2, horizons=(1, 3), context_width=3, negatives=kept
        ),
        (2, 5),
        generators(),
    )
    starts = (STARTS.unsqueeze(2) + torch.tensor([0, 2, 4, 8])).flatten(1)
    batch = batch_of(16, starts=starts)
    z = method.encoder(batch.views).unflatten(1, (2, 4, 4))
    contexts = (
        method.context(z[:, :, :, :2].flatten(1, 2))[:, :, -1].unflatten(1, (2, 4)).detach().numpy()
    )
    z, weight = z.detach().numpy(), method.horizon_weight.detach().numpy()
    for run in range(RUNS):
        losses = []
        for view in range(2):
            for horizon in range(2):
                for i in range(4):
                    allowed = [
                        j
                        for j in range(4)
                        if j == i
                        or _may_be_negative(kept, int(STARTS[run, i]), int(STARTS[run, j]))
                    ]
                    if len(allowed) == 1:
                        continue
                    predicted = (
                        contexts[run, view, i] @ weight[run][:, 4 * horizon : 4 * horizon + 4]
                    )
                    scores = [float(predicted @ z[run, 1 - view, j, 2 + horizon]) for j in allowed]
                    losses.append(entropy(scores, allowed.index(i)))
        assert method.loss(batch)[run].item() == pytest.approx(
            np.mean(losses) if losses else 0.0, rel=1e-9
        )


def _may_be_negative(kept, own, other):
    far = own != other and round(abs(own - other) * 0.1, 6) >= kept.gap_s
    together = own // 100 == other // 100
    return far and (kept.scope == "session" or together) and (kept.same_trial or not together)


def test_cpc_finds_the_future_that_scores_highest_and_never_the_window_itself():
    scores = torch.eye(3, dtype=torch.float64).view(1, 1, 3, 3)
    everything = torch.ones(1, 3, 3, dtype=torch.bool)
    assert (
        ranked_first(scores, everything).item() == 1
        and ranked_first(-scores, everything).item() == 0
    )
    alone = torch.zeros(1, 3, 3, dtype=torch.bool)
    assert info_nce(scores, alone).item() == 0  # nobody to be told from: no loss, and no NaN


def test_info_nce_has_the_gradient_of_its_formula_with_masked_candidates():
    scores = numbers(2, 2, 4, 4).requires_grad_(True)
    negatives = numbers(2, 4, 4, seed=1) > 0
    assert torch.autograd.gradcheck(lambda s: info_nce(s, negatives), (scores,))


def test_pbl_is_the_distance_to_standardised_targets_both_ways_and_stops_their_gradient():
    method = PBL(
        declared.PBL(
            encoder=ENCODER, context_windows=2, horizons=(1, 2), context_width=3, predictor=(5,)
        ),
        (2, 5),
        generators(),
    )
    batch = batch_of(5 * 4)
    z = method.encoder(batch.views).unflatten(1, (10, 4))
    beliefs = method.belief(z[:, :, :2])[:, :, -1]
    ahead, back = (
        method.forwards(beliefs).detach().numpy(),
        method.backwards(z[:, :, 1]).detach().numpy(),
    )
    z, beliefs = z.detach().numpy(), beliefs.detach().numpy()

    def scaled(x):
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    for run in range(RUNS):
        forward, reverse = [], []
        for row in range(10):
            other = (row + 5) % 10
            for horizon in range(2):
                target = scaled(z[run, :, 2 + horizon])[other]
                forward.append(
                    2 - 2 * cosine(ahead[run, row, 4 * horizon : 4 * horizon + 4], target)
                )
            reverse.append(2 - 2 * cosine(back[run, row], scaled(beliefs[run])[other]))
        assert method.loss(batch)[run].item() == pytest.approx(
            np.mean(forward) + np.mean(reverse), rel=1e-9
        )
    predictions, targets = (
        numbers(1, 4, 3).requires_grad_(True),
        numbers(1, 4, 3, seed=1).requires_grad_(True),
    )
    prediction_loss(predictions, other_view(targets)).sum().backward()
    assert targets.grad is None and predictions.grad.abs().sum() > 0


def test_masked_sequence_is_the_cross_entropy_at_masked_windows_and_the_latents_mean_square():
    settings = declared.MaskedSequence(
        encoder=ENCODER,
        sequence_windows=6,
        span_start=0.2,
        span_windows=2,
        distractors=3,
        context_width=8,
        heads=2,
        activation=0.7,
    )
    method, batch = MaskedSequence(settings, (2, 5), generators()), batch_of(4 * 6)
    _, distractors, masked, latents = method.tasks(batch)
    contexts = method.contexts(latents, masked).detach().numpy()
    z = latents.detach().numpy()
    for run in range(RUNS):
        losses = []
        for row in range(8):
            for t in torch.nonzero(masked[run, row]).flatten().tolist():
                others = torch.nonzero(distractors[run, row, t]).flatten().tolist()
                assert len(others) == 3 and t not in others
                sims = [
                    cosine(contexts[run, row, t], z[run, (row + 4) % 8, j]) / 0.3
                    for j in [t, *others]
                ]
                losses.append(entropy(sims, 0))
        expected = np.mean(losses) + 0.7 * np.mean(z[run] ** 2)
        assert method.loss(batch)[run].item() == pytest.approx(expected, rel=1e-9)


def test_a_masked_latent_does_not_reach_its_own_context():
    settings = declared.MaskedSequence(
        encoder=ENCODER, sequence_windows=6, context_width=8, heads=2
    )
    method = MaskedSequence(settings, (2, 5), generators())
    latents = numbers(RUNS, 2, 6, 4)
    masked = torch.zeros(RUNS, 2, 6, dtype=torch.bool)
    masked[:, :, 2] = True
    changed = latents.clone()
    changed[:, :, 2] = 9 - changed[:, :, 2]
    assert torch.equal(method.contexts(latents, masked), method.contexts(changed, masked))
    changed[:, :, 4] = 9 - changed[:, :, 4]
    assert not torch.allclose(method.contexts(latents, masked), method.contexts(changed, masked))


def test_spans_cover_what_their_starts_say_and_every_sequence_has_one():
    starts = torch.zeros(1, 3, 7, dtype=torch.bool)
    starts[0, 0, [1, 2]] = starts[0, 1, 6] = True
    masked = masked_spans(starts, torch.tensor([[0, 0, 4]]), 3)[0].int().tolist()
    assert masked == [[0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1]]


def test_distractors_are_drawn_evenly_from_the_others_without_repetition():
    mask = distractor_mask(
        torch.rand(
            1, 20_000, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        ),
        2,
    )
    assert (mask.sum(3) == 2).all()
    np.testing.assert_allclose(mask.double().mean(1)[0].numpy(), (1 - np.eye(5)) / 2, atol=0.02)
    assert (
        distractor_mask(torch.rand(1, 1, 3, 3), 10).sum(3) == 2
    ).all()  # all of the others where they are fewer


def test_masked_info_nce_ignores_windows_that_are_not_masked():
    similarity, distractors = (
        numbers(1, 2, 4, 4).requires_grad_(True),
        torch.ones(1, 2, 4, 4, dtype=torch.bool),
    )
    masked = torch.tensor([[[1, 0, 0, 0], [0, 0, 1, 0]]], dtype=torch.bool)
    masked_info_nce(similarity, distractors, masked).sum().backward()
    touched = similarity.grad.abs().sum(3) > 0
    assert torch.equal(touched, masked)


def heard(forwards):
    """Held-out accuracy of signed temporal shuffling, in three sessions.

    The label rotates forwards, or does so both ways alike.
    """
    world = {
        "kind": "simulated",
        "generator": "irreversible",
        "session": "turning",
        "bins": 2000,
        "label_gain": 0.6,
    }
    method = {
        "kind": "temporal_shuffling",
        "signed": True,
        "near_s": 0.8,
        "encoder": {"kind": "mlp", "widths": [32, 16]},
    }
    training = {"steps": 200, "batch_size": 128, "seeds": 2}
    recordings = [{**world, "forwards": forwards, "sessions": 3}]
    study = Study.model_validate(
        tiny_study(recordings=recordings, method=method, training=training)
    )
    plan = Plan(study, find_sessions(study, Path()))
    accuracies = []
    for session in plan.sessions:
        runs = [
            r
            for r in plan.grid
            if r.session == session.name and r.dose == 0 and r.fraction == 1 and r.setting == ""
        ]
        bench = Workbench.of(
            open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
        )
        found = MEASURES["temporal_shuffling"](bench, runs, lambda steps: None)
        accuracies.append(
            np.mean([measured.result.figures.training.pretext_accuracy for measured in found])
        )
    return np.array(accuracies)


def test_signed_temporal_shuffling_hears_the_arrow_of_time_where_there_is_one_and_only_there():
    arrow, twin = heard(1.0), heard(0.5)
    assert arrow.min() > 0.6
    assert (
        abs(twin - 0.5).max() < 0.02
    )  # about two standard errors of a session: 2 seeds x 2 folds x 672 triplets that overlap
