"""A user-defined augmentation is drawn and judged without changing the package.

The augmentation is that of docs/examples.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from helpers.program import invoke, write
from pydantic import ValidationError

import invariance_probe as ip
from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.adversarial import AnyOperation, HideUnits, SignNoise
from invariance_probe.augmentations.base import OF_RUN, OWN, Numbers
from invariance_probe.augmentations.own import own_augmentation, own_augmentation_problems
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import SPLIT
from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.data.own_code import own_code_problems
from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import StudyError
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import RunResult, train_key_of
from invariance_probe.results.store import Store
from invariance_probe.study.load import load_study
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import OwnTransform
from invariance_probe.study.views import Views
from invariance_probe.worker import own_code

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
EXAMPLE = {"kind": "own", "of": "neighbour_loss:NeighbourLoss", "version": 1, "stage": "counts"}
TITLE = "neighbour_loss:NeighbourLoss version 1"
AXIS = "own.dose"
CPU = torch.device("cpu")


def studied(*, doses=(0, 0.4), **changes):
    """A tiny study whose axis is the dose of the example, as plain data."""
    [hypothesis] = tiny_study()["hypotheses"]
    transform = {**EXAMPLE, **changes.pop("transform", {})}
    return tiny_study(
        **{
            "views": {"transforms": [transform]},
            "axes": [{"path": AXIS, "doses": list(doses)}],
            "hypotheses": [{**hypothesis, "axis": AXIS, "dose": doses[-1]}],
            **changes,
        }
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with the example's module and a small study of it, for tests to change."""
    shutil.copy(EXAMPLES / "neighbour_loss.py", tmp_path)
    world = {**tiny_study()["recordings"][0], "sessions": 1}
    training = {"steps": 5, "batch_size": 64, "seeds": 1}
    write(tmp_path, studied(recordings=[world], training=training, quick=True))
    return tmp_path


def problems(declared, base, doses=(0.4,), length_bins=1):
    made = OwnTransform.model_validate(declared)
    return [*own_augmentation_problems(made, base, length_bins, doses)]


def planned(**changes):
    study = Study.model_validate(studied(**changes))
    return Plan(study, find_sessions(study, Path()))


# The example


def drawn(doses, width=4, units=12, windows=4000):
    """Which units are lost at each dose (dose, window, unit)."""
    made = own_augmentation(OwnTransform(**EXAMPLE), EXAMPLES)(width=width)
    keys = key_tensor([7] * len(doses), CPU)
    rows = torch.arange(windows).expand(len(doses), -1)
    numbers = Numbers(Draws(keys, 1, torch.zeros_like(keys), rows))
    counts = torch.ones((len(doses), windows, 1, units), dtype=torch.int16)
    dose = torch.tensor(doses, dtype=torch.float64).view(-1, 1, 1, 1)
    return made.apply(counts, made.draw(numbers, (1, units)), dose).squeeze(2) == 0


def test_the_example_loses_units_at_its_dose_in_groups_and_nests():
    lost = drawn([0.0, 0.2, 0.4, 1.0])
    assert lost.double().mean((1, 2)).numpy() == pytest.approx([0, 0.2, 0.4, 1], abs=0.01)
    assert (lost[:-1] <= lost[1:]).all()
    beside = (lost[1] & lost[1].roll(1, dims=1)).double().mean() / 0.2
    assert float(beside) > 0.7  # a unit is lost with its neighbour
    alone = drawn([0.2], width=1)[0]
    assert float((alone & alone.roll(1, dims=1)).double().mean()) == pytest.approx(0.04, abs=0.01)


def test_the_example_study_is_valid_and_its_class_too():
    study = load_study(EXAMPLES / "neighbour_loss.yaml")
    assert not [*own_code_problems(study, EXAMPLES)]
    assert study.views.doses() == {"time_jitter.window_s": 0.0, AXIS: 0.0}


def test_a_study_of_it_runs_from_the_command_line_and_gets_estimates_without_words(folder):
    study, runs, report = (folder / name for name in ("study.yaml", "runs", "report"))
    elsewhere = folder.parent  # the module is found beside the study, from wherever it is run
    priced = invoke("plan", study, "--runs", runs, cwd=elsewhere, check=0)
    assert AXIS in priced.stdout
    done = invoke("run", study, "--runs", runs, "--out", report, cwd=elsewhere, check=0)
    assert "H1: uncalibrated method" in done.stdout
    assert f"the augmentation {TITLE} has not been calibrated" in done.stdout
    page = (report / "index.html").read_text()
    assert f"was {TITLE}, a user-defined class" in page
    assert "SHA-256 of the augmentation&#39;s code" in page
    plan = ip.plan_of(study)
    stored = Store(runs).results(plan.runs)
    with_code = {key for key, result in stored.items() if result.augmentation_sha256}
    assert with_code == stored.keys() & {run.key() for run in plan.runs if run.own_augmentation()}
    kinds = {run.method.kind for run in plan.runs if run.key() in with_code}
    assert kinds == {"simclr", "code"}
    assert any(isinstance(run, EncoderExamination) for run in plan.runs if run.key() in with_code)
    assert not any(result.code_sha256 for result in stored.values())


def test_a_study_of_it_is_made_in_python(folder):
    script = (
        "import invariance_probe as ip\n"
        "from neighbour_loss import NeighbourLoss\n"
        "own = ip.OwnTransform.of_class(NeighbourLoss, version=1, width=3)\n"
        "assert own == ip.OwnTransform(of='neighbour_loss:NeighbourLoss', version=1, "
        "stage='counts', settings={'width': 3}), own\n"
        "study = ip.load_study('study.yaml')\n"
        "views = ip.Views(transforms=[own])\n"
        "made = ip.Study.model_validate({**study.model_dump(), 'views': views})\n"
        "print(len(ip.plan_of(made).runs) == len(ip.plan_of(study).runs))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.strip() == "True", done.stderr


# In the stack


def maker(declared, doses, arms, base=EXAMPLES, length=1, kernels="torch"):
    """Views of runs that differ in the dose and the arm of a user-defined augmentation."""
    views = Views(transforms=[declared])
    like = planned().grid[0]
    put = [
        {"views": views.at(AXIS, dose), "axis": "" if arm == "none" else AXIS, "arm": arm}
        for dose, arm in zip(doses, arms, strict=True)
    ]
    runs = [like.model_copy(update=each) for each in put]
    noise = torch.Generator().manual_seed(3)
    activity = torch.poisson(torch.full((200, 30), 8.0), generator=noise).to(torch.int32)
    one = torch.ones(len(runs), 1, 1, 30)
    scaling = Scaling(8 * one, 0.35 * one)
    starts = torch.arange(0, 200 - length + 1)
    return ViewMaker(
        activity, length, starts, [run.condition for run in runs], [9] * len(runs), scaling,
        base=base, native=kernels == "native",
    )  # fmt: skip


def test_it_goes_through_the_stack_in_every_arm():
    arms = ("none", "independent", "shared", "paired")
    doses, windows = (0.0, 0.4, 0.4, 0.4), torch.arange(64).expand(4, 64)
    both = maker(EXAMPLE, doses, arms).pair(2, windows, windows)
    for i in range(4):
        alone = maker(EXAMPLE, doses[i : i + 1], arms[i : i + 1])
        assert torch.equal(both[i : i + 1], alone.pair(2, windows[:1], windows[:1]))
    lost = (both == both.min()).view(4, 2, 64, 30)  # no half of a count of about 8 is often zero
    assert lost[0].float().mean() < 0.05
    independent, shared, paired = lost[1], lost[2], lost[3]
    assert (independent[0] == independent[1]).float().mean() < 0.7
    assert (paired[0] == paired[1]).float().mean() > 0.95
    assert not torch.equal(paired[0][0], paired[0][1])
    most = shared.float().mean((0, 1)) > 0.5
    assert (shared == most).float().mean() > 0.97
    for run in (1, 2, 3):
        kept = ~lost[run].view_as(both[run])
        assert torch.equal(both[run][kept], both[0][kept])


def test_native_kernels_leave_it_to_torch_and_say_so():
    windows = torch.arange(64).expand(2, 64)
    plain, native = (
        maker(EXAMPLE, (0.0, 0.4), ("none", "independent"), kernels=kernels)
        for kernels in ("torch", "native")
    )
    assert torch.equal(plain.pair(2, windows, windows), native.pair(2, windows, windows))
    plan = planned(training={"steps": 20, "batch_size": 64, "seeds": 2, "kernels": "native"})
    [said] = [reason for place, _, reason in cautions(plan) if place == ("training", "kernels")]
    assert TITLE in said and "torch draws it" in said


def test_it_reads_random_bits_of_its_own():
    others = [*TRANSFORMS.values(), HideUnits, SignNoise, AnyOperation]
    purposes = [SPLIT, *(one.PURPOSE for one in others)]
    assert not {OWN, OF_RUN} & {*purposes, *(purpose + 100 for purpose in purposes)}


def test_two_uses_draw_different_numbers_and_a_run_keeps_its_own():
    keys = key_tensor([5, 6], CPU)
    first, later = (
        Numbers(Draws(keys, step, torch.full((2,), view), torch.arange(3).expand(2, 3)))
        for step, view in ((1, 0), (2, 1))
    )
    for draw in ("uniform", "normal"):
        one, again, other = (getattr(first, draw)(4, purpose).unique() for purpose in (0, 0, 1))
        assert torch.equal(one, again) and len(one) == 24 and not torch.equal(one, other)
        kept, too = (getattr(numbers, draw)(4, of_run=True) for numbers in (first, later))
        assert torch.equal(kept, too) and kept.shape == (2, 1, 4)
        assert not torch.equal(kept[0], kept[1])


# What is in the keys


def test_class_version_settings_and_dose_are_in_every_key():
    changes = [
        {},
        {"of": "neighbour_loss:Other"},
        {"version": 2},
        {"settings": {"width": 3}},
        {"stage": "standardised"},
        {"needs_bins": True},
    ]
    plans = [planned(transform=change, window={"length_bins": 2}) for change in changes]
    for name in ("key", "train_key"):
        sets = [
            {getattr(run, name)() for run in plan.runs if run.method.kind in ("simclr", "code")}
            for plan in plans
        ]
        assert len(set.union(*sets)) == sum(map(len, sets))
    run = next(run for run in plans[0].grid if run.own_augmentation())
    assert run.own_augmentation().dose == 0.4
    assert train_key_of(run.specification()) == run.train_key()
    assert all(run.own_augmentation() is None for run in plans[0].grid if not run.axis)


def test_results_stored_before_there_was_a_field_for_its_code_are_read():
    stored = RunResult("k", "done").to_json()
    del stored["augmentation_sha256"]
    assert RunResult.from_json(stored) == RunResult("k", "done")


def test_the_codes_of_a_method_and_of_an_augmentation_are_told_apart():
    method = {"kind": "own", "of": "agreeing_pairs:AgreeingPairs", "version": 1}
    runs = planned(method=method).runs
    code = own_code(list(runs), EXAMPLES)
    assert code.keys() == {method["of"], EXAMPLE["of"]} and len({*code.values()}) == 2
    assert not own_code([run for run in runs if run.method.kind == "raw"], EXAMPLES)


def test_code_that_changed_while_its_version_stayed_is_told(folder):
    run = ("run", "study.yaml", "--runs", "runs", "--out", "report")
    invoke(*run, cwd=folder, check=0)
    file = folder / "neighbour_loss.py"
    file.write_text(file.read_text().replace("drawn <", "drawn <="))
    told = "neighbour_loss:NeighbourLoss changed while its version stayed 1"
    done = invoke(*run, cwd=folder, check=0)
    assert (done.stderr + done.stdout).count(told) == 1
    judged = invoke("report", "study.yaml", "--runs", "runs", "--out", "report", cwd=folder)
    assert (judged.stderr + judged.stdout).count(told) == 1
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("version: 1", "version: 2"))
    done = invoke(*run, cwd=folder, check=0)
    assert told not in done.stderr + done.stdout


# No licence


def test_no_claim_about_another_axis_is_licensed_beside_it():
    study = tiny_study(
        views={"transforms": [{"kind": "unit_dropout"}, EXAMPLE.copy()]},
        training={"steps": 400, "batch_size": 128, "learning_rate": 3e-3, "seeds": 2},
        method={"kind": "simclr"},
    )
    for dose, found in ((0.0, 0), (0.2, 1)):
        study["views"]["transforms"][1]["dose"] = dose
        made = Study.model_validate(study)
        plan = Plan(made, find_sessions(made, Path()))
        told = [reason for place, _, reason in cautions(plan) if place == ("hypotheses", 0)]
        assert len(told) == found, told
        assert all(f"the augmentation {TITLE} has not been calibrated" in said for said in told)


# What is refused


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"of": "neighbour_los:NeighbourLoss"}, ("of",), "did you mean 'neighbour_loss'?"),
        ({"of": "neighbour_loss:Neighbours"}, ("of",), "augmentations in it: 'NeighbourLoss'"),
        ({"of": "neighbour_loss:torch"}, ("of",), "is no class derived from invariance_probe."),
        ({"of": "neighbour_loss:Augmentation"}, ("of",), "lacks apply, draw"),
        ({"stage": "standardised"}, ("stage",), "declares standardised; write stage: counts"),
        ({"identity_dose": -1}, ("identity_dose",), "write identity_dose: 0.0"),
        ({"needs_bins": True}, ("needs_bins",), "has needs_bins false, and the study declares"),
        ({"settings": {"wdith": 4}}, ("settings",), "its settings are: width"),
        ({"settings": {"width": 0}}, ("settings",), "width is 0; it must be at least 1"),
        ({"settings": {"width": "a"}}, ("settings",), "neighbour_loss.py line"),
    ],
)
def test_a_declaration_that_does_not_fit_its_class_is_refused(change, place, reason):
    [(where, _, said)] = problems({**EXAMPLE, **change}, EXAMPLES)
    assert where == place and reason in said, said


BODY = """
import numpy as np
import torch
from invariance_probe.augmentations.base import Augmentation

class Mine(Augmentation):
    def draw(self, numbers, shape):
        return DRAWN

    def apply(self, windows, drawn, dose):
        return CORRUPTED
"""
NOISE = "numbers.normal(shape[0] * shape[1]).unflatten(2, shape)"
ADDED = "windows + drawn.to(windows.dtype) * dose.to(windows.dtype)"
COUNTS = "    stage = 'counts'\n\n    def draw"


@pytest.mark.parametrize(
    ("numbers", "corrupted", "reason"),
    [
        (NOISE, "windows + drawn * dose", "keep their shape, and their type"),
        (NOISE, "(windows + dose)[:, :-1]", "for windows that are torch.float32"),
        (NOISE, "None", "it must give a tensor"),
        (NOISE, "windows.masked_fill_((drawn < dose) & (dose > 0), 0)", "return new ones"),
        (NOISE, "windows / (dose < 0.4)", "numbers that are not finite"),
        (NOISE, ADDED + " + 1e-6", "changes windows at the identity dose 0"),
        ("torch.randn(shape)", ADDED, "torch's or NumPy's global generator"),
        ("torch.from_numpy(np.random.randn(*shape))", ADDED, "torch's or NumPy's global"),
        (
            "torch.from_numpy(np.random.default_rng().normal(size=shape))", ADDED,
            "asked again for the same step and windows",
        ),
        (
            "setattr(self, 'n', getattr(self, 'n', 0) + 1) or torch.full(shape, self.n)", ADDED,
            "keep nothing on self between calls",
        ),
        (
            "torch.arange(numbers.draws.rows.shape[1]).view(1, -1, 1, 1)", ADDED,
            "in the arm `shared`",
        ),
        (NOISE, ADDED + " * windows.mean(0)", "when other runs are in its stack"),
        (NOISE, ADDED + " * windows.mean(1, keepdim=True)", "other windows are in its batch"),
        (NOISE, "windows @ drawn[0]", "mine.py line 11"),
    ],
)  # fmt: skip
def test_a_class_that_breaks_a_rule_is_refused_in_one_sentence(
    numbers, corrupted, reason, tmp_path
):
    (tmp_path / "mine.py").write_text(
        BODY.replace("DRAWN", numbers).replace("CORRUPTED", corrupted)
    )
    torch.manual_seed(0)
    [(place, _, said)] = problems({"of": "mine:Mine", "version": 1}, tmp_path, length_bins=3)
    assert place == ("of",) and reason in said, said


def test_a_class_that_keeps_the_rules_is_accepted_and_leaves_global_generators(tmp_path):
    (tmp_path / "mine.py").write_text(BODY.replace("DRAWN", NOISE).replace("CORRUPTED", ADDED))
    before = torch.get_rng_state()
    assert not problems({"of": "mine:Mine", "version": 1}, tmp_path, (0.1, 3.0), length_bins=3)
    assert torch.equal(before, torch.get_rng_state())


def test_counts_must_stay_counts(tmp_path):
    text = BODY.replace("    def draw", COUNTS, 1).replace("DRAWN", NOISE)
    (tmp_path / "mine.py").write_text(text.replace("CORRUPTED", "windows - (dose > 0).int() * 9"))
    declared = {"of": "mine:Mine", "version": 1, "stage": "counts"}
    [(_, _, said)] = problems(declared, tmp_path)
    assert "keep their shape, and their type" in said  # int16 counts became int32
    kept = "windows - (dose > 0).to(windows.dtype) * 9"
    (tmp_path / "mine.py").write_text(text.replace("CORRUPTED", kept))
    [(_, _, said)] = problems(declared, tmp_path)
    assert "gives counts below 0" in said
    text = text.replace("'counts'", "'raw'")
    (tmp_path / "mine.py").write_text(text)
    [(place, _, said)] = problems(declared, tmp_path)
    assert place == ("stage",) and "must be one of 'counts', 'standardised'" in said


def test_a_dose_may_be_counted_from_another_number_than_zero(tmp_path):
    text = BODY.replace("    def draw", "    identity_dose = 1.0\n\n    def draw", 1)
    text = text.replace("DRAWN", NOISE)
    text = text.replace("CORRUPTED", "torch.where(drawn > 0, windows, windows * dose).to(windows)")
    (tmp_path / "mine.py").write_text(text)
    declared = {"kind": "own", "of": "mine:Mine", "version": 1, "identity_dose": 1.0}
    assert OwnTransform(**declared).dose == 1 and not problems(declared, tmp_path, (2.0, 3.0))
    windows = torch.arange(64).expand(2, 64)
    both = maker(declared, (1.0, 2.0), ("none", "shared"), tmp_path).pair(2, windows, windows)
    plain = maker({"kind": "own", "of": "mine:None", "version": 1}, (0.0,), ("none",), tmp_path)
    assert torch.equal(both[:1], plain.pair(2, windows[:1], windows[:1]))
    assert not torch.equal(both[1], both[0])
    plan = planned(transform=declared | {"stage": "standardised"}, doses=(1, 2))
    assert {run.dose for run in plan.grid if run.axis} == {2.0}
    for doses, said in (((1, 0.5), "below the identity dose 1"), ((2, 3), "identity dose 1 is")):
        with pytest.raises(ValidationError, match=said):
            Study.model_validate(studied(transform=declared, doses=doses))


def test_windows_recordings_and_pools_that_it_cannot_have_are_refused(folder):
    with pytest.raises(ValidationError, match=f"{TITLE} needs windows of several bins"):
        Study.model_validate(studied(transform={"needs_bins": True}))
    views = {"transforms": [EXAMPLE], "pool": "subject"}
    with pytest.raises(ValidationError, match="own compares or mixes units"):
        Study.model_validate(studied(views=views))
    rng = np.random.default_rng(0)
    np.savez(folder / "lfp.npz", lfp=rng.normal(size=(400, 8)), v=rng.normal(size=400), bin=0.1)
    recording = {
        "kind": "npz", "path": "lfp.npz", "session": "a", "activity": "lfp", "bin_s": "bin",
        "activity_kind": "signal",
    }  # fmt: skip
    target = {"name": "v"}
    write(folder, studied(recordings=[recording], target=target, quick=True))
    done = invoke("validate", "study.yaml", cwd=folder, check=2)
    assert f"{TITLE} needs spike counts" in done.stderr + done.stdout


def test_validate_names_the_line_and_a_worker_refuses_too(folder):
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("NeighbourLoss", "NeighbourLos"))
    done = invoke("validate", "study.yaml", cwd=folder, check=2)
    said = done.stderr + done.stdout
    assert "views.transforms[0].of:" in said and "has no class 'NeighbourLos'" in said
    with pytest.raises(StudyError, match="stage: the class NeighbourLoss has stage counts"):
        own_augmentation(OwnTransform(**{**EXAMPLE, "stage": "standardised"}), EXAMPLES)
