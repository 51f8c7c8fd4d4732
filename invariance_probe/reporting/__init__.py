"""Reports: report.json, and the pages, tables and figures made from it.

In: a study's findings. Out: a folder with report.json, two pages, tables and figures.
Torch is not needed, and nothing is inferred here.
"""

from invariance_probe.reporting.render import render

__all__ = ["render"]
