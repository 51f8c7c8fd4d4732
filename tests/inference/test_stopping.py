"""A hypothesis stops at the look that settles it.

What else the store holds does not matter. Only runs that no other hypothesis needs are
left out.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from invariance_probe import runner
from invariance_probe.calibration.adaptive_seeds import World, judge, simulate
from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.inference.power.pilot import pilot_spreads
from invariance_probe.inference.power.power import study_power
from invariance_probe.inference.power.spreads import marked, stated_spreads
from invariance_probe.inference.rules.interim_analyses import looks_of
from invariance_probe.inference.stopping import unneeded_runs
from invariance_probe.plan.registration import deviations, new_registration
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult
from invariance_probe.planning import make_plan as plan_of
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study
from invariance_probe.study.study import Study

from .builder import JITTER, REGISTERED, make_plan, planted
from .code import made_code

SEEDS = (2, 3, 5)
LOOKS = {"steps": 400, "batch_size": 64, "seeds": 5, "adaptive": {"looks": list(SEEDS)}}
NOISE = {"path": "gaussian_noise.sigma", "doses": [0, 1.0]}
TWO = {
    "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}, NOISE],
    "views": {"transforms": [{"kind": "unit_dropout"}, {"kind": "gaussian_noise"}]},
    "hypotheses": [
        {
            "id": name,
            "claim": "spread",
            "predicts": "tolerated",
            "axis": axis,
            "dose": dose,
            "margin": {"fraction_of_range": 0.1, "because": "smaller losses would not matter"},
        }
        for name, axis, dose in (
            ("dropout", "unit_dropout.rate", 0.4),
            ("noise", "gaussian_noise.sigma", 1.0),
        )
    ],
}


def adaptive(sessions=6, **changes):
    return make_plan(sessions, **{"training": LOOKS, **changes})


def up_to(plan, results, seeds):
    return {key: result for key, result in results.items() if key not in later(plan, seeds)}


def later(plan, seeds):
    return {key for key, run in plan.seeded.items() if run.seed % 5 >= seeds}


def as_json(findings):
    return json.dumps(findings.to_json(), sort_keys=True)


def test_a_clear_effect_stops_at_the_first_look_whatever_else_the_store_holds():
    plan = adaptive()
    results = planted(plan, C_code=0.4)
    first = up_to(plan, results, 2)
    reasons = unneeded_runs(plan, first)
    assert reasons and set(reasons) == later(plan, 2) == set(unneeded_runs(plan, results))
    found = infer(plan, first, reasons, REGISTERED)
    (hypothesis,) = found.hypotheses
    assert (
        hypothesis.verdict.text,
        hypothesis.outcome,
        hypothesis.look.seeds,
        hypothesis.look.settled,
    ) == (
        "tolerated",
        "supported",
        2,
        True,
    )
    assert {e.n_seeds for e in hypothesis.estimands if e.name not in ("C_code", "C_blind")} == {2}
    assert {point.seed for point in found.curve if point.estimand == "D"} == {None, 0, 1}
    assert found.runs.left_out == len(reasons) and found.runs.missing == 0
    assert as_json(infer(plan, results, reasons, REGISTERED)) == as_json(found)


def test_what_is_not_settled_goes_on_and_is_judged_below_alpha():
    plan = adaptive()
    results = planted(plan, C_code=0.4, delta=0.1)
    assert unneeded_runs(plan, results) == {}
    found = infer(plan, results, {}, REGISTERED).hypotheses[0]
    assert (found.verdict.text, found.look.seeds, found.look.settled) == ("inconclusive", 5, False)
    assert found.look.level < 0.05 and "not settled after 2 and 3 seeds" in found.look.sentence


def test_while_a_look_lacks_runs_all_seeds_are_needed():
    plan = adaptive()
    results = up_to(plan, planted(plan, C_code=0.4), 2)
    gone = next(run for run in plan.grid if run.arm == "shared" and run.seed == 1)
    del results[gone.key()]
    assert unneeded_runs(plan, results) == {}
    assert infer(plan, results, {}).hypotheses[0].verdict.text == "inconclusive"


def test_a_later_look_can_settle_what_an_earlier_one_could_not():
    plan = adaptive()
    results = planted(plan, C_code=0.4)
    for run in plan.grid:  # the second seed is odd, and no later one is
        if run.arm == "independent" and run.seed == 1:
            moved = results[run.key()]
            up = 0.05 * (1 + int(run.session.partition("+")[0][1:]))
            results[run.key()] = replace(
                moved, block_losses=tuple(loss + up for loss in moved.block_losses)
            )
    assert infer(plan, results, {}).hypotheses[0].look.seeds in (3, 5)
    assert infer(plan, planted(plan, C_code=0.4), {}).hypotheses[0].look.seeds == 2


def test_runs_of_a_stopped_hypothesis_that_another_needs_are_still_run():
    plan = adaptive(**TWO, quick=True)
    clear, open_ = planted(plan, C_code=0.4), planted(plan, C_code=0.4, delta=0.1)
    results = {
        run.key(): (open_ if run.axis == NOISE["path"] else clear)[run.key()] for run in plan.runs
    }
    reasons = unneeded_runs(plan, results)
    gone = [run for run in (*plan.grid, *plan.examined) if run.key() in reasons]
    assert {run.axis for run in gone} == {"unit_dropout.rate"} and {
        plan.seed_position(run) for run in gone
    } == {2, 3, 4}
    kept = {key: result for key, result in results.items() if key not in reasons}
    first, second = infer(plan, kept, reasons).hypotheses
    assert (first.look.seeds, second.look.seeds) == (2, 5)
    assert {e.n_seeds for e in first.estimands if e.name == "D"} == {2}
    assert as_json(infer(plan, kept, reasons)) == as_json(infer(plan, results, reasons))


def test_one_of_several_hypotheses_stops_only_where_any_correction_would_leave_it():
    plan = adaptive(4, **TWO, quick=True)
    looked = []
    for spread, seed in ((0.02, 0), (0.04, 0), (0.04, 1), (0.06, 0)):
        for hypothesis in infer(
            plan, planted(plan, C_code=0.4, spread=spread, seed=seed), {}
        ).hypotheses:
            looked.append(hypothesis.look.seeds)
            assert hypothesis.look.settled == (
                hypothesis.outcome != "open" and 2 * (hypothesis.p_value or 1) <= 0.05
            )
    assert len(set(looked)) > 1


def test_a_failed_gate_is_not_a_decision():
    found = infer(adaptive(), planted(adaptive(), C_code=0.4, aa=0.2), {}).hypotheses[0]
    assert (
        found.verdict.text == "invalid: noise" and not found.look.settled and found.look.seeds == 5
    )


def test_what_cannot_be_tested_needs_no_second_look():
    plan = adaptive(**JITTER)
    results = planted(plan, rho=1.0)
    only = {run.key(): results[run.key()] for run in plan.baselines}
    found = infer(plan, only, unusable_runs(plan, results)).hypotheses[0]
    assert found.verdict.text.startswith("untestable") and found.look.number == 1


def test_intervals_of_a_stopped_study_agree_with_its_claims():
    for delta in (0.0, 0.04, 0.3):
        found = infer(
            adaptive(), planted(adaptive(), C_code=0.4, delta=delta, spread=0.03), {}
        ).hypotheses[0]
        claims = {claim.name: claim.shown for claim in found.claims}
        for e in (e for e in found.estimands if e.name in ("D", "H", "delta", "C_code")):
            assert claims[f"{e.name} <= m"] == (e.ci_high < 0.1) and claims[f"{e.name} > m"] == (
                e.ci_low > 0.1
            )


PANEL = {
    "recipes": [
        {"name": "longer", "training": {"steps": 900}},
        {
            "name": "other",
            "method": {
                "kind": "moco",
                "encoder": {"kind": "mlp", "widths": [16, 8]},
                "projector": [8, 8],
            },
        },
    ],
    "because": "two recipes are enough to see a panel at work",
}


@pytest.mark.parametrize("recipes", [("declared",), ("declared", "longer", "other")])
def test_one_study_at_a_time_gets_what_the_calibration_counts(recipes):
    """`infer` and the many studies of the calibration stop at the same look, with the same word."""
    hypotheses = [{**TWO["hypotheses"][0], "predicts": "invariant"}]
    panel = {"panel": PANEL} if len(recipes) > 1 else {"quick": True}
    plan = adaptive(6, hypotheses=hypotheses, plants=False, **panel)
    losses = simulate(
        World(0.04, 0.05),
        {"C_code": 0.3, "D": 0.03, "H": -0.03},
        6,
        5,
        12,
        np.random.default_rng(0),
        recipes,
    )
    counted = judge(losses, looks_of(plan.study.training))
    assert len(set(counted.seeds)) > 1 and len(set(counted.verdicts)) > 1
    for study in range(12):
        found = infer(plan, from_losses(plan, losses, study), {}, REGISTERED).hypotheses[0]
        assert (found.look.seeds, found.verdict.text) == (
            counted.seeds[study],
            counted.verdicts[study],
        )
        assert len(found.learning.panel.recipes) == len(recipes)


def from_losses(plan, losses, study):
    """The losses of one simulated study as results, with a range of 1."""
    results = planted(plan)
    for run in plan.runs:
        if run.method.kind == "code":
            lost = losses["C_code"][study, int(run.session[1:])].mean()
            code = made_code([("unit_dropout.rate", 0.4)], c_code=float(lost), spread=0.0)
            results[run.key()] = RunResult(run.key(), "done", figures=code)
        if run.fold is None or isinstance(run, EncoderExamination):
            continue
        kind, blocks = run.method.kind, tuple(range(4 * run.fold, 4 * run.fold + 4))
        session, turn = int(run.session[1:]), plan.seed_position(run)
        if kind in ("simclr", "moco"):
            arm = run.arm if run.axis else ("again" if run.seed >= 5 else "clean")
            recipe = run.setting.removeprefix("recipe: ") or "declared"
            values = losses.get(marked(arm, recipe))
            found = (
                0.1 + values[study, session, turn, list(blocks)]
                if values is not None
                else np.full(4, 0.1)
            )
        else:
            found = np.full(4, 0.0 if kind == "raw" else 0.2)
        results[run.key()] = RunResult(
            run.key(),
            "done",
            blocks,
            tuple(map(float, found)),
            (1.0,) * 4 if kind == "raw" else (),
            {"raw": 0.0, "supervised": 0.5}.get(kind),
            {"rank_me": 5.0, "input_change": 0.5},
        )
    return results


def test_a_store_with_the_first_look_is_a_finished_study_and_more_runs_do_not_change_its_report(
    tmp_path,
):
    plan = adaptive(4, quick=True, training={**LOOKS, "seeds": 3, "adaptive": {"looks": [2, 3]}})
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(plan.study.model_dump(mode="json")))
    file, store = open_study(path, ()), Store(tmp_path / "runs")
    made = plan_of(file)
    results = planted(made, C_code=0.4)
    runs = {run.key(): run for run in made.runs}
    for key in [key for key in results if key not in made.seeded or runs[key].seed % 3 < 2]:
        store.commit_result(runs[key], results[key])
    stages = []
    result = runner.run(file.study, store.root, workers=1, on_event=stages.append)
    assert (
        result.trained == 0
        and result.findings.runs.missing == 0
        and result.findings.hypotheses[0].look.seeds == 2
    )
    assert [(event["stage"], event["runs"]) for event in stages if event["event"] == "stage"] == [
        (stage, 0) for stage in ("baselines", "grid", "grid after 2 seeds", "examined")
    ]
    for key in runs:
        store.commit_result(runs[key], results[key])
    again = runner.judge(file.study, store.root)
    pages = [
        json.loads((made.report(tmp_path / name).parent / "report.json").read_text())
        for made, name in ((result, "first"), (again, "second"))
    ]
    assert [page.pop("provenance") is not None for page in pages] == [True, True] and pages[
        0
    ] == pages[1]
    assert (tmp_path / "first" / "results.csv").read_bytes() == (
        tmp_path / "second" / "results.csv"
    ).read_bytes()


@pytest.mark.parametrize(("changes", "said"), [
    ({"adaptive": {"looks": [1, 3, 5]}}, "must begin with 2 or more"),
    ({"adaptive": {"looks": [3, 2, 5]}}, "must begin with 2 or more"),
    ({"adaptive": {"looks": [2, 3]}}, "make the two equal"),
    ({"adaptive": {"looks": [5]}}, "at least 2 items"),
    ({"adaptive": {"looks": [2, 5], "spending": "all at once"}}, "obrien_fleming"),
])  # fmt: skip
def test_looks_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        make_plan(training={**LOOKS, **changes})


def test_a_method_without_randomness_has_no_looks():
    with pytest.raises(ValidationError, match="no randomness"):
        adaptive(method={"kind": "linear_ssl", "dimensions": 4})


def test_looks_are_registered_and_change_no_run():
    plan, without = adaptive(), make_plan(training={**LOOKS, "adaptive": None})
    assert [run.key() for run in plan.runs] == [run.key() for run in without.runs]
    assert "adaptive" not in without.study.model_dump(mode="json")["training"]
    frozen = new_registration(plan, {})
    assert deviations(frozen, plan) == ()
    assert any("training.adaptive" in text for _, text in deviations(frozen, without))
    other = Study.model_validate(
        {**plan.study.model_dump(mode="json"), "training": {**LOOKS, "adaptive": {"looks": [2, 5]}}}
    )
    assert any(
        "training.adaptive.looks" in text
        for _, text in deviations(frozen, replace(plan, study=other))
    )


def test_a_pilot_with_adaptive_seeds_is_read_at_its_first_look_and_power_at_the_last():
    plan = adaptive(6, quick=True)
    results = planted(plan, C_code=0.4, spread=0.05)
    whole, first = (
        pilot_spreads(plan, found, plan)["H1"] for found in (results, up_to(plan, results, 2))
    )
    assert first.pilot == (6, 2, 8) == whole.pilot
    assert all(
        np.array_equal(first.covariance[level], whole.covariance[level])
        for level in first.covariance
    )
    (found,) = study_power(plan, stated_spreads(plan, {"session": 0.08}))
    (last,) = [variation for variation in found.variations if "last look" in variation.when]
    assert found.planned.power - 0.05 < last.power.power < found.planned.power
