"""Held-out sums of errors of a made-up code, with the quantities that a test asks for."""

import numpy as np

from invariance_probe.plan.figures.code import (
    CodeFigures,
    CorruptionErrors,
    DroppingCurve,
    HeldOutErrors,
)

BLOCKS = 8
WINDOWS = 100


def made_code(
    corruptions,
    *,
    c_code=0.2,
    c_blind=0.3,
    R=0.6,
    carriers=(2, 8),
    redundancy=1.0,
    units=40,
    spread=0.01,
    seed=0,
    jackknife=False,
    known_masks=True,
    copies=(),
    distinct=None,
):
    """Made-up figures of one session's code.

    Parameters
    ----------
    corruptions
        Pairs of (axis, dose).
    c_code, c_blind
        The losses at every dose.
    carriers
        K_s and K_n.
    spread
        SD over sessions, and over blocks, of what is lost and of log K.
    """
    gen = np.random.default_rng(seed)
    lost = {
        "c_code": c_code + spread * gen.standard_normal(),
        "c_blind": c_blind + spread * gen.standard_normal(),
    }
    k_s, k_n = (k * np.exp(spread * gen.standard_normal()) for k in carriers)
    redundancy = redundancy * np.exp(spread * gen.standard_normal())
    parts = [
        _errors(corruptions, folds, lost, R, k_s, k_n, redundancy, spread, gen, known_masks)
        for folds in (
            [tuple(range(BLOCKS))]
            + [tuple(b for b in range(BLOCKS) if b != out) for out in range(BLOCKS)] * jackknife
        )
    ]
    names = tuple(f"u{i}" for i in range(units))
    return CodeFigures(
        units=names,
        window_count=WINDOWS * BLOCKS,
        length_bins=1,
        bin_s=0.1,
        loss="squared error",
        whole=parts[0],
        deleted=tuple(parts[1:]),
        gained_by=(8,) + (0,) * (units - 1),
        lost_by=(8, 5) + (0,) * (units - 2),
        autocorrelation_s=0.2,
        copies=copies,
        distinct=distinct,
        n_eff=2.0,
        red_idx=0.0,
    )


def _errors(corruptions, folds, lost, R, k_s, k_n, redundancy, spread, gen, known_masks):
    def fold(total):
        return tuple(float(total * WINDOWS) for _ in folds)

    every, J = 1 - R, R / (1 - R)

    def noisy(cost):
        return fold(every + (cost + spread * gen.standard_normal() * (len(folds) < BLOCKS)) * R)

    def at(j):
        return fold(1 / (1 + j))  # the error of information j, of a floor of 1

    k_s, k_n = (
        k * np.exp(spread / 8 * gen.standard_normal() * (len(folds) < BLOCKS)) for k in (k_s, k_n)
    )
    half_r2 = (R / 2) / (1 - R / 2)  # the information at which half of R2 is reached
    gained = [at(min(J, half_r2 * n / k_s)) for n in range(int(k_s) + 2)]
    dropped = [at(max(0.0, J - (J - half_r2) * n / k_n)) for n in range(int(k_n) + 2)]
    half = at(J * redundancy / 2)
    return HeldOutErrors(
        folds=folds,
        windows=(WINDOWS,) * len(folds),
        floor=fold(1.0),
        everything=fold(every),
        linear_floor=fold(1.0),
        linear=fold(every),
        curves=(
            DroppingCurve("gained", tuple(gained)),
            DroppingCurve("lost", tuple(dropped), ("most harm now",) * len(folds)),
            DroppingCurve("random", tuple(dropped)),
        ),
        halves=((half, half),) * 2,
        corruptions=tuple(
            CorruptionErrors(
                axis,
                dose,
                noisy(lost["c_code"]) if known_masks else (),
                noisy(lost["c_blind"]),
                0.5,
            )
            for axis, dose in corruptions
        ),
    )
