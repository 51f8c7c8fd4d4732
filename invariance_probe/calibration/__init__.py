"""Calibration: how often the toolkit's verdicts and claims are wrong.

Recordings with known truth are simulated, measured like real ones, and judged by the
toolkit's own rules (see "Calibration" in docs/science.md).
"""

from invariance_probe.calibration.calibrate import calibrate

__all__ = ["calibrate"]
