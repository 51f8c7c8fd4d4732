"""The calibration study of the inference itself: worlds of known truth, the toolkit's own rules, and how often they are wrong."""

from invariance_probe.calibration.calibrate import calibrate

__all__ = ["calibrate"]
