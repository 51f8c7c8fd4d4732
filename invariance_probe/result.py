"""The result of a study: its verdicts, tables, figures and report.

In: a plan, the results of its runs, and the findings inferred from them (`runner.run`,
`runner.judge`). Out: a `Result`, from which a notebook or a script takes what it needs.
Nothing is measured or inferred here, and torch is not needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from invariance_probe.errors import InferenceError
from invariance_probe.inference.findings import Findings
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.reporting import render
from invariance_probe.reporting.figures import Chart, charts_of
from invariance_probe.reporting.folder import named_from, report_folder
from invariance_probe.reporting.model import report_model
from invariance_probe.reporting.summary import hypotheses_table, summary_html, summary_lines
from invariance_probe.results.dataset import losses_of
from invariance_probe.results.tables import code_sums, tidy
from invariance_probe.study.load import StudyFile
from invariance_probe.study.study import Study

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Verdicts, tables, figures and report of a study.

    `print` shows every verdict with an explanation in words; a notebook shows a table.

    Attributes
    ----------
    plan
        The study's plan.
    findings
        Estimands, gates and verdicts of each hypothesis.
    runs
        Result of each run. Its key is a hash of all that can change the result.
    lost
        Reason why a run failed to give a result, by run key.
    provenance
        Versions, device and times: everything that may differ between two calls for the
        same study.
    trained
        Number of runs measured in this call; the others were in the store already.
    seconds
        Wall-clock time of measuring; 0 where nothing was measured.
    """

    plan: Plan
    findings: Findings
    runs: Mapping[str, RunResult]
    lost: Mapping[str, str]
    provenance: Mapping[str, Any]
    trained: int = 0
    seconds: float = 0.0

    @property
    def study(self) -> Study:
        """The study, with the settings that its runs were computed with."""
        return self.plan.study

    def __str__(self) -> str:
        """Every verdict, explained in words, and the number of runs behind them."""
        return "\n".join(summary_lines(self.findings))

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{one.id}: {one.verdict.text}" for one in self.findings.hypotheses)
        counts = self.findings.runs
        return f"Result({self.study.name}: {verdicts}; {counts.done} of {counts.planned} runs done)"

    def _repr_html_(self) -> str:
        return summary_html(self.study.name, self.study.question, self.findings)

    def to_pandas(self) -> pd.DataFrame:
        """One row per hypothesis: its verdict, estimates, intervals and p values.

        Returns
        -------
        DataFrame
            The columns are described at `reporting.summary.hypotheses_table`.
        """
        return hypotheses_table(self.findings)

    def losses(self) -> pd.DataFrame:
        """One row per run and test block: the table that results.csv holds.

        Returns
        -------
        DataFrame
            The columns are described at `results.tables.COLUMNS`.
        """
        return tidy(self._planned, self.runs)

    def to_xarray(self, hypothesis: str | None = None) -> "xarray.Dataset":
        """Decoding losses over sessions, doses, arms, seeds and test blocks.

        Parameters
        ----------
        hypothesis
            Id of a hypothesis, to get the losses of its axis and sessions only. If
            omitted, all axes and sessions are included, and `axis` is a dimension too.

        Returns
        -------
        dataset
            The variables are described at `results.dataset.losses_of`.

        Raises
        ------
        InferenceError
            For an unknown hypothesis, or when xarray is not installed.
        """
        table = self.losses()
        if hypothesis is None:
            return losses_of(self.study, table)
        finding = self._finding(hypothesis)
        return losses_of(self.study, table[table.session.isin(finding["sessions"])],
                         finding["axis"])  # fmt: skip

    def figures(self, hypothesis: str) -> list[Chart]:
        """All figures of a hypothesis, in the order of the report.

        Parameters
        ----------
        hypothesis
            Its id.

        Raises
        ------
        InferenceError
            For an unknown hypothesis.
        """
        return charts_of(self._finding(hypothesis), self._report)

    def figure(self, hypothesis: str) -> Chart:
        """The main figure of a hypothesis: losses over the doses of its axis.

        A notebook shows it, and its method `save` writes it to a file. If the
        hypothesis sweeps no dose, this is its first figure about the code.

        Parameters
        ----------
        hypothesis
            Its id.

        Raises
        ------
        InferenceError
            For an unknown hypothesis, or one for which nothing was measured.
        """
        charts = self.figures(hypothesis)
        if not charts:
            raise InferenceError(
                f"{hypothesis} has no figure, because its runs are missing or were excluded; "
                "`invariance-probe status` counts the missing runs"
            )
        return next((chart for chart in charts if not chart.about), charts[0])

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report: report.json, pages, tables and figures.

        Parameters
        ----------
        path
            Folder of the report; reports/NAME if omitted. An older report in the folder
            is replaced; no other file is touched.

        Returns
        -------
        Path
            The report's index.html.

        Raises
        ------
        StudyError
            When the folder holds anything other than a report, or when `path` is omitted
            and reports/NAME holds the report of another study.
        """
        file = StudyFile(self.study)
        folder = report_folder(file, None if path is None else Path(path))
        provenance = {"study_file": named_from(file, folder), **self.provenance}
        sums = code_sums(self._planned, self.runs)
        return render(self.plan, self.findings, self.losses(), provenance, folder, sums)

    @cached_property
    def _report(self) -> dict[str, Any]:
        """The content of report.json, which figures are made from."""
        return report_model(self.plan, self.findings, dict(self.provenance))

    @cached_property
    def _planned(self) -> list[Run]:
        """All planned runs, without duplicates.

        Two parts of a plan can name the same run: a training recipe may coincide with a
        value that the study sweeps.
        """
        return list({(run.key(), run.setting): run for run in self.plan.runs}.values())

    def _finding(self, hypothesis: str) -> dict[str, Any]:
        """The entry of a hypothesis in report.json, by its id."""
        found = {one["id"]: one for one in self._report["hypotheses"]}
        if hypothesis not in found:
            raise InferenceError(
                f"the study has no hypothesis {hypothesis!r}; it has {', '.join(map(repr, found))}"
            )
        return found[hypothesis]
