"""From findings to report.json and the pages made from it, without torch."""

from invariance_probe.reporting.render import render

__all__ = ["render"]
