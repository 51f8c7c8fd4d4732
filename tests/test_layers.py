"""Imports point down only; judging and declarations outlive the training stack."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1] / "invariance_probe"
BASE = [{"errors"}, {"randomness", "study"}, {"plan"}]
MEASURING = [
    {"data"},
    {"kernels"},
    {"augmentations"},
    {"encoders"},
    {"methods"},
    {"training"},
    {"probing"},
]
JUDGING = [{"results"}, {"inference"}, {"reporting"}]
TOP = {
    "runner",
    "result",
    "planning",
    "executors",
    "calibration",
    "cli",
    "worker",
    "estimator",
    "__init__",
}
TORCH_FREE = {
    "data",
    "executors",
    "runner",
    "result",
    "planning",
    "calibration",
    "cli",
    "__init__",
}.union(*BASE, *JUDGING)
FILES = sorted(ROOT.rglob("*.py"))


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path):
    """(module, is inside a function) for every import of a file.

    An imported name that is a file of its own counts as a module.
    """
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(f)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [
                (name if file_of(name) else node.module, id(node) in inside) for name in whole
            ]
    return found


def file_of(module):
    """The package's file of a module; None where there is none."""
    place = ROOT.parent.joinpath(*module.split("."))
    found = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()]
    return found[0] if module.startswith("invariance_probe") and found else None


def rooms_imported(path):
    return {
        module.split(".")[1]
        for module, _ in imports(path)
        if module.startswith("invariance_probe.")
    }


def test_imports_point_down():
    wrong = []
    for layers in (BASE + MEASURING, BASE + JUDGING):
        order = {name: level for level, names in enumerate(layers) for name in names}
        for path in FILES:
            above = {
                name
                for name in rooms_imported(path)
                if order.get(name, 99) > order.get(room(path), 99)
            }
            wrong += [(str(path), above)] if room(path) in order and above else []
    assert not wrong


def test_measuring_and_judging_never_import_each_other():
    measuring, judging = set().union(*MEASURING), set().union(*JUDGING)
    assert not [
        path for path in FILES if room(path) in measuring and rooms_imported(path) & judging
    ]
    assert not [
        path for path in FILES if room(path) in judging and rooms_imported(path) & measuring
    ]


def test_no_file_takes_part_in_a_cycle_of_imports():
    """Imports for types alone count as well."""
    graph = {
        path: {file_of(module) for module, _ in imports(path)} - {None, path} for path in FILES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(
            " -> ".join(str(path.relative_to(ROOT)) for path in error.args[1])
        ) from None


def test_torch_free_rooms_import_no_torch():
    for path in FILES:
        if room(path) in TORCH_FREE:
            found = [module for module, _ in imports(path) if module.split(".")[0] == "torch"]
            assert not found or room(path) == "cli", path
            assert not rooms_imported(path) & (set().union(*MEASURING) - {"data", "kernels"}), path


def test_no_import_hides_in_a_function():
    assert not [
        path for path in FILES if room(path) != "cli" and any(inside for _, inside in imports(path))
    ]


def test_nothing_below_imports_the_top():
    assert not [path for path in FILES if room(path) not in TOP and rooms_imported(path) & TOP]


def test_torch_is_not_loaded():
    modules = (
        "cli",
        "runner",
        "inference",
        "reporting",
        "data.sessions",
        "kernels.build",
        "executors.local",
    )
    names = ", ".join(f"invariance_probe.{module}" for module in modules)
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
