"""Square matrices of a session's blocks, in memory or in a file.

In: one matrix per block. Out: the same matrices. They are kept in memory unless they are
large together: with many inputs, as windows of many bins have, they would take more
memory than all else. They are then in a temporary file, and one is read at a time.
"""

from tempfile import TemporaryFile

import numpy as np

from invariance_probe.plan.memory import HELD_VALUES


class BlockMatrices:
    """One matrix per block, all 0 at first.

    Parameters
    ----------
    count
        Number of blocks.
    side
        Rows and columns of each matrix.
    """

    def __init__(self, count: int, side: int) -> None:
        self.side = side
        self._count = count
        in_memory = count * side**2 <= HELD_VALUES
        self._held = np.zeros((count, side, side)) if in_memory else None
        self._file = None if in_memory else TemporaryFile()  # noqa: SIM115  (it ends with this)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, block: int) -> np.ndarray:
        """Matrix of a block (side, side), which must not be changed.

        Parameters
        ----------
        block
            Number of the block.
        """
        if self._file is None:
            assert self._held is not None
            return np.asarray(self._held[block])
        self._file.seek(block * self.side**2 * 8)
        return np.fromfile(self._file, np.float64, self.side**2).reshape(self.side, self.side)

    def __setitem__(self, block: int, matrix: np.ndarray) -> None:
        """Keep the matrix of a block.

        Parameters
        ----------
        block
            Number of the block.
        matrix
            Its matrix (side, side).
        """
        if self._file is None:
            assert self._held is not None
            self._held[block] = matrix
        else:
            self._file.seek(block * self.side**2 * 8)
            np.ascontiguousarray(matrix).tofile(self._file)

    def sum(self) -> np.ndarray:
        """Sum of all matrices (side, side)."""
        found = self[0].copy()
        for block in range(1, len(self)):
            found += self[block]
        return found

    def keeping(self, side: np.ndarray) -> "BlockMatrices":
        """Keep some rows and columns only.

        Parameters
        ----------
        side
            Positions of the rows and columns that are kept (kept,).
        """
        found = BlockMatrices(len(self), len(side))
        for block in range(len(self)):
            found[block] = self[block][side[:, None], side]
        return found
