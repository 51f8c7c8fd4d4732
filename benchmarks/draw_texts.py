"""Draw docstrings and error messages at random, for a reader who does not know the code.

Twenty docstrings of functions and classes and ten messages of errors are drawn from the
package, the same ones for the same seed. Each must be understood at first reading by a
neuroscientist who knows Python. A docstring comes with the first lines of what it stands
in, as in an editor: the docstring of its module and the summary of its class.

    python benchmarks/draw_texts.py [--seed 1] [--docstrings 20] [--messages 10]
"""

import argparse
import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "invariance_probe"
FEWEST_WORDS = 4
"""A message with fewer words of its own is built elsewhere, and is not drawn."""
Documented = ast.FunctionDef | ast.ClassDef


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield every docstring of a function or class with its place and first line."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, Documented) and (text := ast.get_docstring(node)):
                written = ast.unparse(node).splitlines()
                head = next(line for line in written if line.startswith(("def ", "class ")))
                place = f"{path}:{node.lineno}: {head}"
                yield place, f"{_around(tree, node)}\n{text}"


def messages() -> Iterator[tuple[str, str]]:
    """Yield every message that is raised with one of the package's errors."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            error = ast.unparse(node.exc.func)
            # The first argument of a PydanticCustomError is only the type of the error.
            place = 1 if error == "PydanticCustomError" else 0
            if error.endswith("Error") and len(node.exc.args) > place:
                said = node.exc.args[place]
                if _own_words(said) >= FEWEST_WORDS:
                    yield f"{path}:{node.lineno}: {error}", ast.unparse(said)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Yield every file of the package, parsed."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE.parent), ast.parse(path.read_text(encoding="utf-8"))


def _around(tree: ast.Module, node: Documented) -> str:
    """Quote the docstring of the module, and the summary of the class that a method is in."""
    classes = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and node in one.body]
    around = [
        f"(module) {ast.get_docstring(tree) or ''}",
        *(
            f"(class {one.name}) {(ast.get_docstring(one) or ' ').splitlines()[0]}"
            for one in classes
        ),
    ]
    return "\n".join(f"| {line}" for text in around for line in text.splitlines())


def _own_words(node: ast.expr) -> int:
    """Count the words of a text outside its placeholders; 0 if it is no text."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return sum(len(re.findall(r"[A-Za-z]{2,}", text)) for text in texts if isinstance(text, str))


def main() -> None:
    """Print what was drawn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docstrings", type=int, default=20)
    parser.add_argument("--messages", type=int, default=10)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    drawn = rng.sample(list(docstrings()), given.docstrings)
    drawn += rng.sample(list(messages()), given.messages)
    for number, (place, text) in enumerate(drawn, start=1):
        print(f"--- {number}. {place}\n{text}\n")


if __name__ == "__main__":
    main()
