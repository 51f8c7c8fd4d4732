"""The calibration study of the inference: how often its verdicts are wrong.

Worlds of known truth are simulated, measured, and judged by the toolkit's own rules
(science.md 6).
"""

from invariance_probe.calibration.calibrate import calibrate

__all__ = ["calibrate"]
