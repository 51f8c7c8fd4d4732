"""Simulated sessions with known truth, one file per generator.

In: a simulated world (the parameters of a simulation, as a study declares them), and the
name of a session. Out: a `Recording` of spike counts, with its targets and its truth
(what the simulation knows and a verdict should find). Every random number comes from a
named sequence, so the same declaration and session give the same recording.
"""

from invariance_probe.data.simulate.carriers import simulate_carriers
from invariance_probe.data.simulate.head_direction import simulate_head_direction
from invariance_probe.data.simulate.irreversible import simulate_irreversible
from invariance_probe.data.simulate.messenger import simulate_messenger
from invariance_probe.data.simulate.multimodal import simulate_multimodal
from invariance_probe.data.simulate.nothing import simulate_nothing
from invariance_probe.data.simulate.recurring import simulate_recurring
from invariance_probe.data.simulate.redundancy import simulate_redundancy
from invariance_probe.data.simulate.replay import simulate_replay
from invariance_probe.data.simulate.ring import simulate_ring
from invariance_probe.data.simulate.smoothness import simulate_smoothness
from invariance_probe.data.simulate.switching import simulate_switching
from invariance_probe.data.simulate.turnover import simulate_turnover

GENERATORS = {
    "carriers": simulate_carriers,
    "head_direction": simulate_head_direction,
    "irreversible": simulate_irreversible,
    "messenger": simulate_messenger,
    "multimodal": simulate_multimodal,
    "nothing": simulate_nothing,
    "recurring": simulate_recurring,
    "redundancy": simulate_redundancy,
    "replay": simulate_replay,
    "ring": simulate_ring,
    "smoothness": simulate_smoothness,
    "switching": simulate_switching,
    "turnover": simulate_turnover,
}
"""Generator of each kind of simulated world that a study can declare."""
