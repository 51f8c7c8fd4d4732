"""From NumPy arrays to a verdict, a table and a figure.

A notebook in plain Python: editors run it cell by cell (`# %%`), and
`python from_arrays.py` runs all of it, in about a minute on two cores. Results are
stored in `runs/` and the report in `reports/spread-speed/`, below the working
folder.
"""

# %% Four recordings of 60 neurons, all of which follow the animal's speed a little.
import numpy as np

import invariance_probe as ip

BIN_S = 0.1


def simulate(seed: int, bins: int = 1600, neurons: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Spike counts (time, neuron), and the speed (time,) that all neurons follow."""
    rng = np.random.default_rng(seed)
    speed = np.zeros(bins)
    for t in range(1, bins):
        speed[t] = 0.6 * speed[t - 1] + 0.8 * rng.standard_normal()
    log_rate = 0.7 + 0.17 * speed[:, None] * rng.standard_normal(neurons)
    return rng.poisson(np.exp(log_rate)), speed


recordings = []
for day in range(1, 5):
    counts, speed = simulate(seed=day)
    recordings.append(
        ip.Recording.from_arrays(
            counts, bin_s=BIN_S, targets={"speed": speed}, session=f"day-{day}", subject="rat"
        )
    )

# %% The study: what is decoded, what is corrupted and by how much, and what is claimed.
study = ip.Study(
    name="spread-speed",
    question="Does the speed code survive the loss of 40 % of the recorded neurons?",
    recordings=recordings,
    target=ip.Target(name="speed"),
    folds=ip.Folds(scheme="blocks", count=2, embargo_s=1.0),
    training=ip.Training(steps=200, batch_size=128, learning_rate=3e-3, seeds=2),
    views=ip.Views(transforms=[{"kind": "unit_dropout", "value": "silent"}]),
    axes=[ip.Axis(path="unit_dropout.rate", doses=[0, 0.4])],
    hypotheses=[
        ip.Hypothesis(
            id="H1",
            claim="Training to ignore the loss of 40 % of the neurons costs nothing that matters.",
            predicts="tolerated",
            axis="unit_dropout.rate",
            dose=0.4,
            margin=ip.Margin(
                fraction_of_range=0.1,
                because="a smaller loss would not change how the decoder is used",
            ),
        )
    ],
    quick=True,  # no further training recipes, so that the verdict is exploratory
)

# %% Train what the store lacks, and judge. A second call trains nothing.
result = ip.run(study)
print(result)

# %% The verdict as a table: one row per hypothesis.
table = result.to_pandas()
print(table[["id", "predicts", "verdict", "C_code", "D", "D_low", "D_high"]])

# %% The figure of what the dose costs, and the whole report.
result.figure("H1").save("dose.svg")  # in a notebook, result.figure("H1") shows it
print(result.report())
