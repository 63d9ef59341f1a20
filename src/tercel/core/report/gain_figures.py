"""Figures of gains over opponents: by market as a table or as panels, and costs by condition."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tercel.core.report import palette
from tercel.core.report.figures import Gain
from tercel.core.report.svg import Figure, finish_figure, name_rows, sketch, small_panels

# The figures of an evaluation: gains against every opponent, in every market, under other conditions.
MOST_PANELS = 5
"""Places beside one another."""
COLOUR_LEGEND = "Green: better, red: worse, grey: no significant difference, after the correction for all comparisons."
"""Legend of the colours of comparisons."""


def gain_map(
    gains: Mapping[str, Mapping[str, Gain]],
    policy: str,
    judge: Callable[[Gain], str],
    name: str = "gain-map",
    unit: str = "bps",
) -> Figure:
    """Figure: gain of a policy over each opponent (rows) in each market (columns), as a coloured table; `gains` by
    opponent, then market.

    Parameters
    ----------
    gains : mapping of opponent to place to Estimate
        Every opponent in the same places.
    policy : str
        Its name.
    judge : callable
        "better", "worse" or "open": the verdict of a comparison, which may be stricter than its interval.
    """
    colours = {"better": palette.GOOD.token, "worse": palette.BAD.token, "open": palette.RULE.token}
    places = list(next(iter(gains.values()), {}))
    means = np.array([[row[place].mean for place in places] for row in gains.values()])
    largest = float(np.nanmax(np.abs(means))) if means.size and np.isfinite(means).any() else 1.0

    with sketch(0.8 + 0.3 * max(1, len(gains))) as drawing:
        panel = drawing.subplots()
        for row, cells in enumerate(gains.values()):
            for column, place in enumerate(places):
                colour = colours[judge(cells[place])]
                mean = means[row, column]
                strength = (
                    0.15 + 0.55 * min(abs(mean) / largest, 1.0) ** 0.5 if np.isfinite(mean) else 0.0
                )
                panel.fill_between(
                    [column - 0.48, column + 0.48],
                    row - 0.46,
                    row + 0.46,
                    color=colour,
                    alpha=strength,
                    linewidth=0,
                )
                panel.text(
                    column,
                    row,
                    f"{mean:+.1f}",
                    ha="center",
                    va="center",
                    fontsize=8.5,
                    color=palette.INK.token,
                )
        panel.set_xticks(range(len(places)), places)
        panel.set_yticks(range(len(gains)), list(gains))
        panel.set(xlim=(-0.5, len(places) - 0.5), ylim=(len(gains) - 0.5, -0.5))
        panel.grid(visible=False)
        panel.tick_params(length=0, labelcolor=palette.INK.token)
        for spine in panel.spines.values():
            spine.set_visible(False)

    summary = "; ".join(
        f"{opponent}: " + ", ".join(f"{place} {row[place].mean:+.2f}" for place in places)
        for opponent, row in gains.items()
    )
    return finish_figure(
        drawing,
        name,
        f"What {policy} saves against each strategy in each place, {unit}. {summary}.",
        f"Numbers: {unit} that {policy} is cheaper. {COLOUR_LEGEND}",
    )


def gains_by_place(
    gains: Mapping[str, Mapping[str, Gain]], policy: str, name: str, judge: Callable[[Gain], str]
) -> Figure:
    """Figure: gain of a policy over each opponent (rows) with intervals, one panel per market; `gains` by market, then
    opponent.

    Parameters
    ----------
    gains : mapping of place to opponent to Estimate
        The same opponents in every place, in the order of the rows.
    policy : str
        Its name.
    name : str
        Of the picture.
    judge : callable
        "better", "worse" or "open": the verdict of a comparison, which may be stricter than its interval.
    """
    opponents = list(next(iter(gains.values()), {}))
    colours = {"better": palette.GOOD.token, "worse": palette.BAD.token, "open": palette.SOFT.token}
    columns = min(MOST_PANELS, max(len(gains), 1))
    rows = -(-max(len(gains), 1) // columns)

    with sketch(0.8 + rows * (0.5 + 0.19 * max(len(opponents), 1))) as drawing:
        panels = small_panels(drawing, len(gains), columns, sharey=True)
        for panel, (place, row) in zip(panels, gains.items(), strict=False):
            panel.axvline(0, color=palette.INK.token, linewidth=0.9)
            for y, cell in enumerate(row.values()):
                low, high = np.array([cell.ci_low, cell.ci_high], np.float64)
                colour = colours[judge(cell)]
                panel.hlines(y, low, high, color=colour, linewidth=2.0, alpha=0.6)
                panel.plot([cell.mean], [y], "o", markersize=4.5, color=colour)
            panel.set_title(place)
            name_rows(panel, opponents)
        drawing.supxlabel(
            f"bps that {policy} saves on the strategy", fontsize=9.5, color=palette.SOFT.token
        )

    summary = "; ".join(
        f"{place}: " + ", ".join(f"{opponent} {cell.mean:+.2f}" for opponent, cell in row.items())
        for place, row in gains.items()
    )
    return finish_figure(
        drawing,
        name,
        f"What {policy} saves on each strategy, bps. {summary}.",
        f"Dots: mean savings over the same episodes; bars: 95 % intervals. {COLOUR_LEGEND}",
    )


def condition_curves(
    costs: Mapping[str, Mapping[str, Gain]], axis: str, name: str, highlighted: Sequence[str] = ()
) -> Figure:
    """Figure: mean shortfall of strategies (lines) under each condition of an axis, with intervals.

    Parameters
    ----------
    costs : mapping of strategy to condition to Estimate
    axis : str
        What the conditions are.
    highlighted : sequence of str
        Strategies drawn stronger.
    """
    conditions = list(next(iter(costs.values()), {}))

    with sketch(3.2) as drawing:
        panel = drawing.subplots()
        colours = palette.series_colours(costs, highlighted)
        lines = palette.dashes(colours)
        x = np.arange(len(conditions))
        for key, row in costs.items():
            mean = np.array([row[condition].mean for condition in conditions])
            low = np.array([row[condition].ci_low for condition in conditions], np.float64)
            high = np.array([row[condition].ci_high for condition in conditions], np.float64)
            wide = 2.2 if key in highlighted else 1.2
            panel.plot(x, mean, lines[key], color=colours[key].token, linewidth=wide, label=key)
            panel.vlines(x, low, high, color=colours[key].token, linewidth=wide, alpha=0.5)
        panel.set_xticks(x, conditions)
        panel.set(xlabel=axis, ylabel="implementation shortfall, bps")
        if costs:
            drawing.legend(loc="outside right upper")

    summary = "; ".join(
        f"{key}: " + ", ".join(f"{condition} {row[condition].mean:.2f}" for condition in conditions)
        for key, row in costs.items()
    )
    return finish_figure(
        drawing,
        name,
        f"Mean shortfall in bps by {axis}. {summary}.",
        "Lines: means over the same episodes; bars: 95 % intervals.",
    )
