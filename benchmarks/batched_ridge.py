"""Speed of ridge probes of one stack, against a scikit-learn loop.

The batched path by Gram matrices and the loop run in turn on one core: sixteen runs, 4
inner folds x 8 penalties and a refit, 16 features, 900 windows, two target columns.
"""

import statistics
import time

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from invariance_probe.probing.decoders.ridge import UNIT, fit_ridge
from invariance_probe.study.probes import RidgeProbe

RUNS, ROWS, DIM, FOLDS, ROUNDS = 16, 900, 16, 4, 5


def scikit_learn_loop(
    x: np.ndarray, y: np.ndarray, inner: np.ndarray, penalties: tuple[float, ...]
) -> np.ndarray:
    """Fit every run by plain loops over inner folds and penalties; return predictions."""
    predictions = []
    for features in x:
        errors = []
        for penalty in penalties:
            error = 0.0
            for g in range(FOLDS):
                kept = inner != g
                scaler = StandardScaler().fit(features[kept])
                model = Ridge(alpha=penalty * UNIT * kept.sum()).fit(
                    scaler.transform(features[kept]), y[kept]
                )
                error += ((model.predict(scaler.transform(features[~kept])) - y[~kept]) ** 2).sum()
            errors.append(error)
        scaler = StandardScaler().fit(features)
        best = penalties[int(np.argmin(errors))]
        predictions.append(
            Ridge(alpha=best * UNIT * len(features))
            .fit(scaler.transform(features), y)
            .predict(scaler.transform(features))
        )
    return np.stack(predictions)


def main() -> None:
    """Measure both, turn by turn, and check that they agree."""
    torch.set_num_threads(1)
    gen = np.random.default_rng(0)
    x = gen.standard_normal((RUNS, ROWS, DIM))
    y = x[0] @ gen.standard_normal((DIM, 2)) + 2 * gen.standard_normal((ROWS, 2))
    inner = np.arange(ROWS) * FOLDS // ROWS
    penalties = RidgeProbe().penalties
    tx, ty, ti = (
        torch.from_numpy(x),
        torch.from_numpy(y).expand(RUNS, -1, -1),
        torch.from_numpy(inner).expand(RUNS, -1),
    )
    ratios = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        expected = scikit_learn_loop(x, y, inner, penalties)
        loop = time.perf_counter() - started
        started = time.perf_counter()
        found = fit_ridge(tx, ty, ti, penalties).predict(tx).numpy()
        ratios.append(loop / (time.perf_counter() - started))
    print(f"largest difference of predictions {np.abs(found - expected).max():.1e}")
    print(
        f"ratio {statistics.median(ratios):.0f} "
        f"({ROUNDS} rounds: {min(ratios):.0f} to {max(ratios):.0f})"
    )


if __name__ == "__main__":
    main()
