"""Imports point down only; judging and declarations outlive the training stack."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "invariance_probe"
LAYERS = [
    {"errors"}, {"streams", "study"}, {"data"}, {"kernels"}, {"augmentations"}, {"encoders"}, {"methods"}, {"training"}, {"probing"},
]  # fmt: skip
JUDGING = [{"errors"}, {"streams", "study"}, {"results"}, {"inference"}, {"reporting"}]
MEASURING_ONLY = {"data", "kernels", "augmentations", "encoders", "methods", "training", "probing"}
JUDGING_ONLY = {"results", "inference", "reporting"}
TOP = {"runner", "planning", "executors", "calibration", "cli", "worker", "estimator", "__init__"}
TORCH_FREE = {
    "errors",
    "streams",
    "study",
    "data",
    "results",
    "inference",
    "reporting",
    "executors",
    "runner",
    "planning",
    "calibration",
    "cli",
    "__init__",
}
FILES = sorted(ROOT.rglob("*.py"))


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    """Yield (module, is inside a function) for every import of a file."""
    tree = ast.parse(path.read_text())
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, id(node) in inside


def rooms_imported(path):
    return {m.split(".")[1] for m, _ in imports(path) if m.startswith("invariance_probe.")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    own = room(path)
    for layers in (LAYERS, JUDGING):
        order = {name: level for level, names in enumerate(layers) for name in names}
        if own in order:
            above = {name for name in rooms_imported(path) if order.get(name, 99) > order[own]}
            assert not above, f"{own} imports {above}"
    if own in MEASURING_ONLY:
        assert not rooms_imported(path) & JUDGING_ONLY
    if own in JUDGING_ONLY:
        assert not rooms_imported(path) & MEASURING_ONLY


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in TORCH_FREE], ids=lambda p: str(p.relative_to(ROOT)))
def test_torch_free_rooms_import_no_torch(path):
    found = [m for m, _ in imports(path) if m.split(".")[0] == "torch"]
    assert not found or room(path) == "cli"
    assert room(path) == "worker" or not rooms_imported(path) & (MEASURING_ONLY - {"data", "kernels"})


@pytest.mark.parametrize("path", [p for p in FILES if room(p) != "cli"], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_import_hides_in_a_function(path):
    assert not [module for module, inside in imports(path) if inside]


@pytest.mark.parametrize("path", [p for p in FILES if room(p) not in TOP], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_below_imports_the_top(path):
    assert not rooms_imported(path) & TOP


@pytest.mark.parametrize(
    "module", ["cli", "runner", "inference", "reporting", "data.sessions", "kernels.build", "executors.local"]
)
def test_torch_is_not_loaded(module):
    code = f"import sys, invariance_probe.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
