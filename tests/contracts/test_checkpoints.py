"""A training that was cut off goes on and ends at the same bits.

This holds for every method and every update rule.
"""

import os

import pytest
import torch
from declared_methods import METHODS
from safetensors.torch import save
from test_ensemble import bench_and_runs

from invariance_probe.probing.measurements.trained import measure_ssl, train_ssl
from invariance_probe.training.checkpoints import HEADER, Checkpoints, Stopped

STEPS = 20
"""Of the training; an epoch has about four, and MYOW mines from the tenth."""


class After:
    """Says stop once a number of steps are done: a signal that comes when it likes."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left <= 0


def keeping(bench, folder, stop=lambda: False, every_s=1e9):
    return type(bench)(
        **{**vars_of(bench), "checkpoints": Checkpoints(folder, stop=stop, every_s=every_s)}
    )


def vars_of(bench):
    return {
        name: getattr(bench, name)
        for name in ("recording", "windows", "folds", "target", "device", "elsewhere")
    }


def everything(method, training):
    state = {
        **dict(method.named_parameters()),
        **dict(method.named_buffers()),
        **method.more_state(),
    }
    return {
        **state,
        "loss": training.loss,
        "failed_at": training.failed_at,
        "gradient_norm": training.gradient_norm,
    }


def trained(bench, runs):
    method, _, training = train_ssl(bench, runs, lambda steps: None)
    return everything(method, training)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m["kind"])
def test_a_training_that_is_stopped_again_and_again_ends_at_the_same_bits(method, tmp_path):
    bench, runs, _ = bench_and_runs(method, "float32", steps=STEPS)
    chosen = runs[:3]
    whole = trained(bench, chosen)
    for steps in (
        3,
        9,
        7,
    ):  # after 3, 12 and 19: within an epoch, while mining, and within the tail
        with pytest.raises(Stopped):
            trained(keeping(bench, tmp_path, After(steps)), chosen)
    assert {Checkpoints(tmp_path).step(run.train_key()) for run in chosen} == {STEPS - 1}
    assert_same(trained(keeping(bench, tmp_path), chosen), whole)


@pytest.mark.parametrize("kind", ["simclr", "moco", "myow"])
def test_a_run_goes_on_in_another_stack_in_another_slot(kind, tmp_path):
    method = next(m for m in METHODS if m["kind"] == kind)
    bench, runs, _ = bench_and_runs(method, "float32", steps=STEPS)
    whole = measure_ssl(bench, runs[:5], lambda steps: None)
    with pytest.raises(Stopped):
        trained(keeping(bench, tmp_path, After(12)), runs[:5])
    for some in ([3, 1], [4]):
        again = measure_ssl(keeping(bench, tmp_path), [runs[i] for i in some], lambda steps: None)
        assert [m.result for m in again] == [whole[i].result for i in some]


@pytest.mark.parametrize(
    "rule",
    [
        {"optimizer": "sgd"},
        {"optimizer": "lars"},
        {"schedule": "cosine", "warmup": 0.3},
        {"precision": "float64"},
    ],
)
def test_every_update_rule_goes_on(rule, tmp_path):
    precision = rule.pop("precision", "float32")
    bench, runs, _ = bench_and_runs(METHODS[0], precision, steps=STEPS, **rule)
    whole = trained(bench, runs[:2])
    with pytest.raises(Stopped):
        trained(keeping(bench, tmp_path, After(7)), runs[:2])
    assert_same(trained(keeping(bench, tmp_path), runs[:2]), whole)


def test_a_process_that_dies_between_two_checkpoints_goes_on_from_the_last(tmp_path, monkeypatch):
    bench, runs, _ = bench_and_runs(METHODS[2], "float32", steps=STEPS)
    whole = trained(bench, runs[:2])
    written = []

    def stop():
        written.append(1)
        if len(written) == 14:
            raise MemoryError("as good as killed")
        return False

    with pytest.raises(MemoryError):
        trained(keeping(bench, tmp_path, stop, every_s=0), runs[:2])
    assert Checkpoints(tmp_path).step(runs[0].train_key()) == 13
    assert_same(trained(keeping(bench, tmp_path), runs[:2]), whole)


def test_a_training_shorter_than_the_timer_writes_nothing(tmp_path):
    bench, runs, _ = bench_and_runs(METHODS[0], "float32", steps=STEPS)
    trained(keeping(bench, tmp_path / "c"), runs[:2])
    assert not (tmp_path / "c").exists()


def damage(path, how):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(
        content[: len(content) // 2] if how == "torn" else b"" if how == "empty" else bytes(content)
    )


@pytest.mark.parametrize(
    "how", ["torn", "empty", "flipped", "other torch", "other run", "unreadable"]
)
def test_what_is_not_this_training_is_not_used(how, tmp_path, monkeypatch):
    bench, runs, _ = bench_and_runs(METHODS[0], "float32", steps=STEPS)
    whole = trained(bench, runs[:2])
    with pytest.raises(Stopped):
        trained(keeping(bench, tmp_path, After(7)), runs[:2])
    path = tmp_path / f"{runs[0].train_key()}.safetensors"
    if how == "other torch":
        monkeypatch.setattr(torch, "__version__", "0.1")
    elif how == "other run":
        path.write_bytes((tmp_path / f"{runs[1].train_key()}.safetensors").read_bytes())
    elif how == "unreadable":
        path.unlink()
        path.mkdir()
    else:
        damage(path, how)
    assert keeping(bench, tmp_path).checkpoints.read([runs[0].train_key()]) is None
    assert_same(trained(keeping(bench, tmp_path), runs[:2]), whole)


def test_a_disk_that_takes_nothing_stops_no_training(tmp_path):
    bench, runs, _ = bench_and_runs(METHODS[0], "float32", steps=5)
    (tmp_path / "c").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="could not be written"):
        found = trained(keeping(bench, tmp_path / "c", every_s=0), runs[:2])
    assert_same(found, trained(bench, runs[:2]))


@pytest.mark.parametrize(
    "header", ["[]", "null", '{"key":"a","torch":"TORCH","device":"cpu","step":null}']
)
def test_a_header_that_is_none_of_ours_is_passed_over(header, tmp_path):
    said = {HEADER: header.replace("TORCH", torch.__version__)}
    (tmp_path / "a.safetensors").write_bytes(save({"w": torch.zeros(2)}, said))
    kept = Checkpoints(tmp_path)
    assert kept.step("a") == 0 and kept.read(["a"]) is None


def test_a_step_that_was_damaged_on_disk_is_not_taken_up(tmp_path):
    kept, path = Checkpoints(tmp_path), tmp_path / "a.safetensors"
    kept.write(["a"], 10, {"w": torch.ones(1, 2)})
    assert kept.read(["a"])[0] == 10
    path.write_bytes(path.read_bytes().replace(b'step\\": 10', b'step\\": 30'))
    assert kept.step("a") == 30 and kept.read(["a"]) is None


def test_what_a_killed_writer_left_half_written_goes_with_the_checkpoint(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path)
    kept.write(["a", "ab"], 10, {"w": torch.ones(2, 1)})

    def killed(_):
        raise SystemExit("in the middle of a write")

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(os, "fsync", killed)
        kept.write(["a"], 20, {"w": torch.ones(1, 1)})
    assert len(list(tmp_path.iterdir())) == 3
    kept.remove("a")
    assert [path.name for path in tmp_path.iterdir()] == ["ab.safetensors"]
