"""Three targets of removal are kept apart.

They are what a model makes of its views, what a decoder needs, and what a decoder
relies on.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import TrainingError
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements import reliance
from invariance_probe.probing.measurements.reliance import halves_of_test
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.study.methods import Reliance
from invariance_probe.study.study import Study

BINS, UNITS = 1500, 36
OF = {"kind": "simclr", "encoder": {"kind": "mlp", "widths": [32, 16]}, "projector": [32, 16]}
SLOW, CARRIERS = [0, 3, 6, 9], [1, 4, 7, 10]


def smooth(rng, bins=BINS):
    slow = np.convolve(rng.standard_normal(bins + 60), np.hanning(60), "valid")[:bins]
    return slow / slow.std()


def recorded(folder, target, slow, bins=BINS):
    """Poisson counts: four units follow what is slow, four follow the target.

    Rates rise from unit to unit, so that each third of the rates holds some of both.
    """
    rng = np.random.default_rng(3)
    rates = np.tile(
        np.linspace(3, 6, UNITS)[np.argsort(np.arange(UNITS) % 3, kind="stable").argsort()],
        (bins, 1),
    )
    for units, latent, depth in ((SLOW, slow, 0.6), (CARRIERS, target, 0.5)):
        rates[:, units] *= np.exp(depth * latent)[:, None]
    path = folder / "apart.npz"
    np.savez(path, spikes=rng.poisson(rates), velocity=target[:, None], bin_s=0.1)
    return path


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A recording whose slow activity and whose target lie in different units.

    Four units have slow activity, which two views a little apart in time share; four
    others follow a target that is new in every bin.
    """
    rng = np.random.default_rng(3)
    return recorded(tmp_path_factory.mktemp("apart"), rng.standard_normal(BINS), smooth(rng))


def bench_and_runs(path, training=(), **changes):
    study = Study.model_validate(
        {
            "name": "apart",
            "question": "What rests on which units?",
            "target": {"name": "velocity", "kind": "continuous"},
            "recordings": [
                {
                    "kind": "npz",
                    "path": str(path),
                    "session": "a",
                    "activity": "spikes",
                    "bin_s": "bin_s",
                }
            ],
            "folds": {"scheme": "blocks", "count": 3, "embargo_s": 1.0},
            "method": {"kind": "linear_ssl", "dimensions": 8},
            "training": {
                "steps": 150,
                "batch_size": 64,
                "seeds": 2,
                "learning_rate": 3e-3,
                **dict(training),
            },
            "views": {
                "pairing": {"kind": "time_jitter", "window_s": 0.5},
                "transforms": [{"kind": "unit_dropout", "value": "silent"}],
            },
            "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "quick": True,
            "hypotheses": [
                {
                    "id": "H",
                    "claim": "never judged",
                    "predicts": "distributed",
                    "axis": "unit_dropout.rate",
                    "dose": 0.4,
                    "margin": {"fraction_of_range": 0.1, "because": "nothing is judged here"},
                    "role": "exploratory",
                }
            ],
            "measurements": [{"kind": "reliance", "of": OF, "budgets": [1, 4], **changes}],
        }
    )
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in plan.examined if run.method.kind == "reliance"]
    session = plan.sessions[0]
    return Workbench.of(
        open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
    ), runs


@pytest.fixture(scope="module")
def measured(apart):
    bench, runs = bench_and_runs(apart)
    return bench, runs, MEASURES["reliance"](bench, runs, lambda steps: None)


def chosen(found, target, budget=4):
    return set(found.chosen(budget, target).units)


def damage(found, target, of, budget=4):
    """What the set chosen for a target costs another one."""
    return found.chosen(budget, target).damages[of]


def test_a_run_is_planned_for_every_fold_and_seed_after_the_grid(measured):
    _, runs, _ = measured
    assert [(run.seed, run.fold) for run in runs] == [
        (seed, fold) for seed in range(2) for fold in range(3)
    ]
    assert all(run.steps == 150 and run.method.of.training is None for run in runs)


def test_the_objective_rests_on_what_views_share_and_decoders_on_what_carries_the_target(measured):
    everything = [m.result.figures for m in measured[2]]
    assert not any(m.weights for m in measured[2]), "the models are not stored"
    for found in everything:
        assert chosen(found, "refit") == chosen(found, "fixed") == set(CARRIERS)
        assert len(chosen(found, "objective") & set(SLOW)) >= 3 and not chosen(
            found, "objective"
        ) & set(CARRIERS)
        assert found.range_objective > 0 and found.range_decoder > 0.3
        own = damage(found, "refit", "refit")
        assert own.chosen > 0.8 * found.range_decoder > own.high
        assert abs(damage(found, "objective", "refit").chosen) < 0.05 * found.range_decoder
        assert found.chosen(4, "objective").random_sets > 50
        for of in ("objective", "refit", "fixed"):
            assert damage(found, "refit", of).low < damage(found, "refit", of).high

    def mean(of):
        return np.mean([of(found) for found in everything])

    own = mean(lambda found: damage(found, "objective", "objective").chosen)
    assert own > 0.3 * mean(lambda found: found.range_objective)
    assert own > mean(lambda found: damage(found, "objective", "objective").high)
    assert mean(lambda found: damage(found, "refit", "objective").chosen) < own / 3


def test_a_target_that_views_share_may_still_be_nothing_to_the_model(tmp_path):
    """The contrast is solved by stronger slow activity.

    That a set is nothing to the objective does not show that the views do not share it.
    """
    rng = np.random.default_rng(1)
    path = recorded(tmp_path, 0.5 * smooth(rng), smooth(rng))
    with np.load(path) as file:
        spikes, target = file["spikes"], file["velocity"]
    for first in range(12, UNITS, 4):
        spikes[:, first : first + 4] = rng.poisson(4 * np.exp(0.8 * smooth(rng)))[:, None]
    np.savez(path, spikes=spikes, velocity=target, bin_s=0.1)
    assert np.corrcoef(target[5:, 0], target[:-5, 0])[0, 1] > 0.9
    bench, runs = bench_and_runs(path, budgets=[4])
    for m in MEASURES["reliance"](bench, runs[:2], lambda steps: None):
        found = m.result.figures
        assert chosen(found, "refit") == set(CARRIERS)
        assert damage(found, "refit", "refit").chosen > 0.5 * found.range_decoder
        assert damage(found, "refit", "objective").chosen < 0.05 * found.range_objective


CONTRASTS = ("moco", "byol", "cpc", "pbl")
OTHERS = ("simsiam", "barlow_twins", "vicreg", "myow", "relative_positioning")


@pytest.mark.parametrize("kind", [*CONTRASTS, *OTHERS])
def test_other_objectives_have_a_range_and_those_that_match_windows_rest_on_what_is_slow(
    kind, apart
):
    of = {
        "kind": kind,
        "encoder": OF["encoder"],
        **({"near_s": 0.5, "far_s": 5.0} if kind == "relative_positioning" else {}),
    }
    bench, runs = bench_and_runs(apart, training={"steps": 300}, of=of, budgets=[4])
    found = [m.result.figures for m in MEASURES["reliance"](bench, runs[:3], lambda steps: None)]
    assert min(one.range_objective for one in found) > 0
    if kind in CONTRASTS:
        assert np.mean([len(chosen(one, "objective") & set(SLOW)) for one in found]) > 2
        own = [damage(one, "objective", "objective") for one in found]
        assert np.mean([one.chosen - one.high for one in own]) > 0


def test_halves_choose_by_turns_and_an_embargo_parts_them(measured):
    bench, runs, _ = measured
    first, second = (
        halves_of_test(bench, next(run for run in runs if (run.seed, run.fold) == (seed, 0)))
        for seed in (0, 1)
    )
    assert first[0].max() < first[1].min() and second[1].max() < second[0].min()
    for choosing, scoring in (first, second):
        starts = bench.windows.starts
        assert (
            np.abs(starts[choosing][:, None] - starts[scoring]).min() == 11
        )  # beyond the ten bins of the embargo
        assert not np.isin(np.concatenate([choosing, scoring]), bench.train_windows(runs[0])).any()


def test_what_a_run_measures_does_not_depend_on_its_partners(measured):
    bench, runs, together = measured
    again = MEASURES["reliance"](bench, [runs[4], runs[1]], lambda steps: None)
    assert [m.result for m in again] == [together[4].result, together[1].result]


def test_a_fold_without_examples_fails_by_itself_and_says_why(apart):
    bench, runs = bench_and_runs(apart, of={"kind": "cpc", "encoder": OF["encoder"]}, budgets=[1])
    cut = bench.folds[1]
    short = replace(
        bench,
        folds=(
            bench.folds[0],
            replace(cut, test=cut.test[::20], test_blocks=cut.test_blocks[::20]),
            bench.folds[2],
        ),
    )
    found = MEASURES["reliance"](short, runs[:3], lambda steps: None)
    assert [m.result.status for m in found] == ["done", "failed", "done"]
    assert "cpc needs 4 sequences" in found[1].result.message
    alone = MEASURES["reliance"](short, runs[2:3], lambda steps: None)[0]
    assert alone.result == found[2].result


def test_a_diverged_model_fails_by_itself(measured, monkeypatch):
    bench, runs, together = measured

    def diverged(*arguments):
        method, views, training = train_ssl(*arguments)
        with torch.no_grad():
            for parameter in method.parameters():
                parameter[0] = torch.nan
        training.failed_at[0] = 7
        return method, views, training

    monkeypatch.setattr(reliance, "train_ssl", diverged)
    found = MEASURES["reliance"](bench, runs[:2], lambda steps: None)
    assert found[0].result.status == "failed" and "not finite at step 7" in found[0].result.message
    assert found[1].result == together[1].result


def changed(bench, windows):
    """The session with other activity in some windows: its counts in another order."""
    activity = bench.recording.activity.copy()
    activity[windows] = np.random.default_rng(9).permuted(activity[windows], axis=1)
    return Workbench(
        replace(bench.recording, activity=activity),
        *(getattr(bench, name) for name in ("windows", "folds", "target", "device")),
    )


def test_what_chooses_does_not_score_and_what_scores_does_not_choose(measured):
    bench, runs, together = measured
    run, found = runs[0], together[0].result.figures
    choosing, scoring = halves_of_test(bench, run)
    other = MEASURES["reliance"](changed(bench, choosing), [run], lambda steps: None)[
        0
    ].result.figures
    same = MEASURES["reliance"](changed(bench, scoring), [run], lambda steps: None)[
        0
    ].result.figures
    for of in ("objective", "refit", "fixed"):
        assert chosen(same, of) == chosen(found, of)
        own = damage(found, "refit", of).chosen
        assert damage(same, "refit", of).chosen != own
        assert damage(other, "refit", of).chosen == own, (
            "decoders' sets are chosen on training windows"
        )
        assert other.range_of(of) == found.range_of(of)


@dataclass(frozen=True)
class Pair:
    """A loss that only a pair of units raises much, which no forward choice sees."""

    batches: tuple = ()
    shape: tuple = (1, 12)

    def of_sets(self, sets):
        return np.array(
            [
                [
                    0.1 * sum(u < 5 for u in own) + 5.0 * ({10, 11} <= set(own.tolist()))
                    for own in sets[0]
                ]
            ]
        )


def test_a_decoders_set_is_taken_where_it_harms_the_objective_more():
    asked = Reliance(budgets=(2,))
    sets = reliance._chosen(asked, Pair(), [{(2, "refit"): (10, 11), (2, "fixed"): (6, 7)}])
    assert sets[0][2, "objective"] == (10, 11)
    sets = reliance._chosen(asked, Pair(), [{(2, "refit"): (9, 11), (2, "fixed"): (6, 7)}])
    assert sets[0][2, "objective"] == (0, 1)


def test_windows_of_several_bins_and_budgets_beyond_the_others_are_refused(apart):
    bench, runs = bench_and_runs(apart)
    longer = bench.of(
        bench.recording,
        runs[0].model_copy(update={"window": type(runs[0].window)(length_bins=2)}),
        bench.device,
    )
    with pytest.raises(TrainingError, match="windows of one bin"):
        MEASURES["reliance"](longer, runs[:1], lambda steps: None)
    _, above = bench_and_runs(apart, budgets=[13])
    with pytest.raises(TrainingError, match="use at most 12"):
        MEASURES["reliance"](bench, above[:1], lambda steps: None)
    _, wide = bench_and_runs(apart)
    far = wide[0].model_copy(update={"folds": wide[0].folds.model_copy(update={"embargo_s": 60.0})})
    with pytest.raises(TrainingError, match="shorter embargo"):
        halves_of_test(bench, far)
