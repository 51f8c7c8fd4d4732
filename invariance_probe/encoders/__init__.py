"""Stacked encoders; the first axis of every tensor is the run."""

from invariance_probe.encoders.mlp import MLP

ENCODERS = {"mlp": MLP}
"""The stacked implementation of every encoder that a study can declare."""
