"""Where a study was written: in a YAML file, or in Python.

In: a file and its parsed text, or nothing. Out: the folder that relative paths start
from, and problems written as lines that name their place. A study carries its origin,
but the origin is no part of its value: it is in no dump and in no comparison.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from invariance_probe.study.declaration import PathInStudy


@dataclass(frozen=True)
class Origin:
    """Where a study was written: in the given file or, without one, in Python.

    Attributes
    ----------
    path
        The study's file; None where the study was made in Python.
    tree
        The parsed YAML of the file, which knows the line and column of each key.
    """

    path: Path | None = field(default=None, compare=False)
    tree: CommentedMap | None = field(default=None, compare=False)

    @property
    def base(self) -> Path:
        """Folder that relative paths of the study start from.

        It is the folder of the study's file, or the working folder without one.
        """
        return Path.cwd() if self.path is None else self.path.resolve().parent

    def line(self, place: PathInStudy, reason: str) -> str:
        """Write a problem as one line with its place.

        Parameters
        ----------
        place
            Keys and list positions from the root of the study.
        reason
            What is wrong and what to do.

        Returns
        -------
        str
            `file:line:col: path: reason`, where lines and columns count from 1; without
            a file `path: reason`.

        Examples
        --------
        >>> Origin().line(("axes", 0, "path"), "unknown axis")
        'axes[0].path: unknown axis'
        """
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        said = f"{dotted.lstrip('.') + ': ' if dotted else ''}{reason}"
        if self.path is None:
            return said
        line, column = _position(self.tree, place)
        return f"{self.path}:{line + 1}:{column + 1}: {said}"


def _position(tree: Any, place: PathInStudy) -> tuple[int, int]:
    """Return line and column, from 0, of the deepest part of a place in the file."""
    node, found = tree, (0, 0)
    for part in place:
        if isinstance(node, CommentedMap) and part in node and part in node.lc.data:
            found = (
                node.lc.value(part)
                if not isinstance(node[part], CommentedMap | CommentedSeq)
                else node.lc.key(part)
            )
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part in node.lc.data:
            found = node.lc.item(part)
        else:
            break
        node = node[part]
    return found
