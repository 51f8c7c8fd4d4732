"""Specification curve: what training costs under every recipe.

A recipe is a method with its optimisation and its encoder's width. In: one of the
hypotheses of report.json, with its recipes. Out: a figure. delta is the loss that
training with the corruption adds when it is drawn independently for the two views; H is
the loss that it adds when all windows share one draw per step; D = delta - H.

References
----------
Simonsohn, Simmons & Nelson 2020, doi:10.1038/s41562-020-0912-z.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from invariance_probe.reporting.figures.chart import GREY, UNIT, Chart, band, chart
from invariance_probe.reporting.figures.doses import STYLE

ESTIMANDS = ("D", "H", "delta")
"""Estimands of learning that are drawn, in this order."""


def specification_curve(hypothesis: dict[str, Any]) -> Chart | None:
    """Draw D, H and delta with 90 % intervals under every recipe.

    The margin is shaded. Each recipe is described below the axis. A recipe that was not
    computed has an empty column, with the reason.

    Parameters
    ----------
    hypothesis
        One of the report's hypotheses, with its finding of learning.

    Returns
    -------
    Chart or None
        None if no recipe has an estimate.
    """
    recipes = hypothesis["learning"]["panel"]["recipes"]
    shown = [name for name in ESTIMANDS if any(recipe[name] is not None for recipe in recipes)]
    if not shown:
        return None

    def draw(figure: Figure) -> None:
        axis = figure.subplots()
        band(axis, hypothesis["margin"])
        for i, name in enumerate(shown):
            _draw_estimand(axis, recipes, name, 0.18 * (i - (len(shown) - 1) / 2))
        for place, recipe in enumerate(recipes):
            if not any(recipe[name] is not None for name in shown):
                axis.annotate(
                    _why_empty(recipe),
                    (place, 0),
                    ha="center",
                    va="bottom",
                    rotation=90,
                    fontsize=8,
                    color=GREY,
                )
        axis.set_xticks(range(len(recipes)), [_described(recipe) for recipe in recipes], fontsize=8)
        axis.set_xlim(-0.6, len(recipes) - 0.4)
        axis.set_ylabel(UNIT)
        figure.legend(loc="outside upper center", ncols=len(shown), frameon=False, fontsize=8)

    rows = tuple(
        (
            recipe["name"],
            _settings(recipe),
            name,
            *(found[end] for end in ("estimate", "ci_low", "ci_high")),
            recipe["finding"],
        )
        for recipe in recipes
        for name in shown
        if (found := recipe[name]) is not None
    )
    rows += tuple(
        (recipe["name"], _settings(recipe), recipe["reason"], None, None, None, recipe["finding"])
        for recipe in recipes
        if not any(recipe[name] is not None for name in shown)
    )
    columns = ("recipe", "settings", "estimand", "estimate", "90 % low", "90 % high", "finding")
    title = f"{hypothesis['id']}: what training costs under every recipe"
    return chart(
        title,
        _alt(hypothesis, recipes, shown),
        draw,
        (2.4 + 1.35 * len(recipes), 4.2),
        columns,
        rows,
    )


def _alt(hypothesis: dict[str, Any], recipes: list[dict[str, Any]], shown: list[str]) -> str:
    """Describe the figure in words."""
    said = "; ".join(
        f"{recipe['name']}: {_settings(recipe)} ({recipe['finding']})"
        for recipe in recipes
        if recipe["computed"]
    )
    missing = "; ".join(
        f"{recipe['name']} ({recipe['reason']})" for recipe in recipes if not recipe["computed"]
    )
    return (
        f"{', '.join(shown)} at the primary dose with 90 % intervals under each recipe of the "
        f"panel; the band is the margin of \N{PLUS-MINUS SIGN}{hypothesis['margin']:g}. "
        f"Recipes: {said}."
        + (f" Not computed: {missing}." if missing else "")
        + f" Learning is {hypothesis['learning']['finding']}."
    )


def _draw_estimand(axis: Axes, recipes: list[dict[str, Any]], name: str, shift: float) -> None:
    """Draw one estimand under every recipe that has it."""
    colour, marker, label = STYLE[name]
    places = [
        (i + shift, recipe[name]) for i, recipe in enumerate(recipes) if recipe[name] is not None
    ]
    estimates = [found["estimate"] for _, found in places]
    ends = {
        end: [
            abs(found["estimate"] - found[end]) if found[end] is not None else 0.0
            for _, found in places
        ]
        for end in ("ci_low", "ci_high")
    }
    axis.errorbar(
        [x for x, _ in places],
        estimates,
        yerr=[ends["ci_low"], ends["ci_high"]],
        color=colour,
        marker=marker,
        markersize=6,
        linestyle="",
        capsize=3,
        label=label,
    )


def _described(recipe: dict[str, Any]) -> str:
    """Return the axis label of a recipe: its name, then one setting per line."""
    lines = [recipe["name"], recipe["method"], *_optimisation(recipe)]
    if recipe["computed"] and recipe["reason"]:
        lines.append("gate failed")
    return "\n".join(lines)


def _settings(recipe: dict[str, Any]) -> str:
    return ", ".join([recipe["method"], *_optimisation(recipe)])


def _optimisation(recipe: dict[str, Any]) -> list[str]:
    said = [f"{recipe['steps']} steps"] if recipe["steps"] is not None else []
    said += [f"lr {recipe['learning_rate']:g}"] if recipe["learning_rate"] is not None else []
    return said + ([f"{recipe['dimensions']} dims"] if recipe["dimensions"] is not None else [])


def _why_empty(recipe: dict[str, Any]) -> str:
    return "runs missing" if recipe["computed"] else "not computed"
