"""Simulated sessions with known truth, one file a generator."""

from invariance_probe.data.simulate.redundancy import simulate_redundancy
from invariance_probe.data.simulate.smoothness import simulate_smoothness

GENERATORS = {"redundancy": simulate_redundancy, "smoothness": simulate_smoothness}
"""The generator of every simulated world that a study can declare."""
