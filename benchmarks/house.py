"""Describe the package's source: rooms, docstrings, long lines, loose types.

    python benchmarks/house.py [COMMIT ...]

One table is printed, with a column for each commit and one for the working tree. Cycles
are between files, counting imports for types too.
"""

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "invariance_probe"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One parsed file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder right under the package; empty for its own files."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""


def sources(package: Path) -> list[Source]:
    """Parse every file of a package."""
    found = []
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path.relative_to(package), text, ast.parse(text)))
    return found


def facts(package: Path) -> dict[str, str]:
    """Return what the table says of one package, by row."""
    files = sources(package)
    lines = [line for file in files for line in file.text.splitlines()]
    documented = [text for file in files for node, text in _docstrings(file)]
    wordy = [text for text in documented if len(text.splitlines()[0]) > 75]
    several = [
        ast.get_docstring(node) or ""
        for file in files
        for node in ast.walk(file.tree)
        if isinstance(node, Function) and not node.name.startswith("_") and _arguments(node) > 1
    ]
    with_section = [text for text in several if "Parameters\n----------" in text]
    names = [
        node.id for file in files for node in ast.walk(file.tree) if isinstance(node, ast.Name)
    ]
    comments = sum(_comments(file.text) for file in files)
    rooms = {room: [file for file in files if file.room == room] for room in _rooms(files)}
    return {
        "files": str(len(files)),
        "lines": str(len(lines)),
        **{
            f"{room or 'top level'}/": f"{len(own)} files, {sum(_lines(f) for f in own)} lines"
            for room, own in rooms.items()
        },
        "files in import cycles": str(len(_in_cycles(files))),
        "lines over 100 columns": str(sum(len(line) > 100 for line in lines)),
        "summaries over 75 characters": _share(len(wordy), len(documented)),
        "public functions of >= 2 arguments with Parameters": _share(
            len(with_section), len(several)
        ),
        "Any": str(names.count("Any")),
        "getattr": str(names.count("getattr")),
        "type: ignore": str(sum("type: ignore" in line for line in lines)),
        "comment lines": _share(comments, len(lines)),
    }


def _rooms(files: list[Source]) -> list[str]:
    return sorted({file.room for file in files})


def _lines(file: Source) -> int:
    return len(file.text.splitlines())


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / max(1, whole):.1f} %)"


def _docstrings(file: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(file.tree):
        if isinstance(node, Function | ast.ClassDef | ast.Module):
            text = ast.get_docstring(node)
            if text:
                yield node, text


def _arguments(node: Function) -> int:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in every)


def _comments(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def _in_cycles(files: list[Source]) -> set[str]:
    """Modules that can be reached from themselves by imports."""
    modules = {_module(file.path): file for file in files}
    imports = {name: _imported(file, set(modules)) for name, file in modules.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(imports[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += imports[name]
        return seen

    return {name for name in modules if name in reached(name)}


def _module(path: Path) -> str:
    parts = (NAME, *path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(file: Source, known: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & known
            if not found & {f"{node.module}.{alias.name}" for alias in node.names}:
                found |= {node.module} & known
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
    return found


def _package_of(commit: str, folder: Path) -> Path:
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, NAME], stdout=subprocess.PIPE, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder / NAME


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commits", nargs="*")
    commits = parser.parse_args().commits
    with tempfile.TemporaryDirectory() as made:
        columns = [facts(_package_of(commit, Path(made) / commit)) for commit in commits]
        columns.append(facts(ROOT / NAME))
    rows = list(dict.fromkeys(row for column in columns for row in column))
    print("| " + " | ".join(["", *commits, "working tree"]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in rows:
        print("| " + " | ".join([row, *(column.get(row, "") for column in columns)]) + " |")


if __name__ == "__main__":
    main()
