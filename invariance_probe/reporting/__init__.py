"""From findings to report.json and the pages made from it.

Findings go in; a folder with report.json, pages, tables and figures comes out. Torch is
not needed, and nothing is inferred here.
"""

from invariance_probe.reporting.render import render

__all__ = ["render"]
