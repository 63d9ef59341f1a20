"""The figures of an event study of shown size: what came at the order beside its placebo, by horizon and by outcome."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tercel.core.report import Figure, finish_figure, palette, sketch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Effects = Mapping[str, Any]
"""`effects` of the study: kind, factor, outcome, horizon, cell."""


def by_horizon(effects: Effects, symbol: str, name: str = "attraction") -> Figure:
    """Opposite market orders and their lots: after / placebo with its interval, the placebo hollow beside it."""
    outcomes = {
        "opposite_orders": "number of opposite market orders",
        "opposite_lots": "their lots",
    }

    with sketch(5.6) as drawing:
        panels = drawing.subplots(2, 2, sharex=True, sharey=True)
        for row, (kind, factors) in enumerate(effects.items()):
            for column, (outcome, words) in enumerate(outcomes.items()):
                panel = panels[row][column]
                panel.set_title(f"{kind}: {words}")
                _points(panel, {k: cells[outcome] for k, cells in factors.items()})
        for panel in panels[:, 0]:
            panel.set_ylabel("factor")
        for panel in panels[1]:
            panel.set_xlabel("seconds after the order")
        _factors(panels[0][0])
        drawing.legend(
            *panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4
        )

    summary = "; ".join(
        f"{kind} {seconds} s {cell['after_over_placebo']:.2f}"
        for kind, factors in effects.items()
        for seconds, cell in factors["3"]["opposite_orders"].items()
        if cell
    )
    return finish_figure(
        drawing,
        name,
        f"{symbol}: market orders that would hit a large order's side, after / placebo, orders of at least 3 usual "
        f"sizes: {summary}.",
        "Filled: after / placebo with its 95 % interval. Hollow: the placebo, windows that ended 10 s before the order "
        "came. Cells with under 20 orders are left out; what leaves the picture is cut.",
    )


def _points(panel: "Axes", by_factor: Mapping[str, Mapping[str, Any]]) -> None:
    """One panel: horizons side by side, a colour for each factor."""
    colours = palette.series_colours([f"k {k}" for k in by_factor])
    panel.axhline(1.0, color=palette.SOFT.token, linewidth=0.9)
    horizons: Sequence[str] = list(next(iter(by_factor.values()), {}))
    for i, (k, cells) in enumerate(by_factor.items()):
        colour = colours[f"k {k}"].token
        drawn_at = [(h, cells[key]) for h, key in enumerate(horizons) if cells[key]]
        at = [h + 0.26 * (i - 1) for h, _ in drawn_at]
        means = [cell["after_over_placebo"] for _, cell in drawn_at]
        low = [cell["ci_low"] for _, cell in drawn_at]
        high = [cell["ci_high"] for _, cell in drawn_at]
        panel.vlines(at, low, high, color=colour, linewidth=1.6)
        panel.plot(at, means, "o", color=colour, markersize=4.5, label=f"at least {k} usual sizes")
        beside = [x + 0.09 for x in at]
        placebo = [cell["placebo"] for _, cell in drawn_at]
        panel.plot(beside, placebo, "o", color=colour, markerfacecolor="none", markersize=4.5)
    panel.set_xticks(range(len(horizons)), horizons)


def _factors(panel: "Axes") -> None:
    """A logarithmic axis of factors; what lies beyond 0.4 to 4 is cut."""
    panel.set_yscale("log")
    panel.set_ylim(0.4, 4.0)
    ticks = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()


def by_outcome(
    effects: Effects, symbol: str, words: Mapping[str, str], name: str = "outcomes"
) -> Figure:
    """Every counted outcome over 60 s, orders of at least 3 usual sizes."""
    names = list(words)

    with sketch(3.6) as drawing:
        panels = drawing.subplots(1, 2, sharex=True, sharey=True)
        for panel, (kind, factors) in zip(panels, effects.items(), strict=True):
            panel.set_title(kind)
            panel.axvline(1.0, color=palette.SOFT.token, linewidth=0.9)
            for y, outcome in enumerate(names):
                cell = factors["3"][outcome]["60"]
                if not cell:
                    continue
                panel.plot(
                    [cell["ci_low"], cell["ci_high"]],
                    [y, y],
                    color=palette.INK.token,
                    linewidth=1.6,
                )
                panel.plot(
                    [cell["after_over_placebo"]], [y], "o", color=palette.INK.token, markersize=4.5
                )
                panel.plot(
                    [cell["placebo"]],
                    [y + 0.22],
                    "o",
                    color=palette.SOFT.token,
                    markerfacecolor="none",
                    markersize=4.5,
                )
            panel.set_xlabel("factor over 60 s")
        panels[0].set_xscale("log")
        panels[0].set_xlim(0.4, 4.0)
        panels[0].set_xticks((0.5, 1.0, 2.0, 3.0), ("0.5", "1", "2", "3"))
        panels[0].set_yticks(range(len(names)), [words[one] for one in names])
        panels[0].invert_yaxis()
        for panel in panels:
            panel.minorticks_off()

    return finish_figure(
        drawing,
        name,
        f"{symbol}: every outcome in 60 s after orders of at least 3 usual sizes, after / placebo.",
        "Filled: after / placebo with its 95 % interval. Hollow: the placebo.",
    )


def drift_and_slope(
    effects: Effects, slopes: Mapping[str, Mapping[str, Any]], symbol: str, name: str = "drift"
) -> Figure:
    """The mid's drift towards the order's favour, and extra opposite lots for each lot shown."""

    with sketch(3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        colours = palette.series_colours(effects)
        for i, (kind, factors) in enumerate(effects.items()):
            cells = [
                (h, cell) for h, cell in enumerate(factors["3"]["mid_drift_ticks"].values()) if cell
            ]
            at, colour = [h + 0.2 * (i - 0.5) for h, _ in cells], colours[kind].token
            left.vlines(
                at, [c["ci_low"] for _, c in cells], [c["ci_high"] for _, c in cells], color=colour
            )
            left.plot(
                at,
                [c["difference"] for _, c in cells],
                "o",
                color=colour,
                markersize=4.5,
                label=kind,
            )
        left.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
        left.set_xticks(range(len(slopes)), list(slopes))
        left.set_xlabel("seconds after the order")
        left.set_ylabel("drift in its favour, ticks")
        if left.get_legend_handles_labels()[1]:
            left.legend(loc="upper left")
        _slopes(right, slopes)

    summary = ", ".join(f"{seconds} s {row['mean']:.2f}" for seconds, row in slopes.items())
    return finish_figure(
        drawing,
        name,
        f"{symbol}: drift of the mid after large orders, and extra opposite lots for each lot shown: {summary}.",
        "Left: orders of at least 3 usual sizes less their controls, the placebo not taken off. Right: within cells of "
        "like moments; hollow: the placebo. Bars are 95 % intervals.",
    )


def _slopes(panel: "Axes", slopes: Mapping[str, Mapping[str, Any]]) -> None:
    at = range(len(slopes))
    rows = list(slopes.values())
    if all(row["ci_low"] is not None for row in rows):
        panel.vlines(
            at,
            [row["ci_low"] for row in rows],
            [row["ci_high"] for row in rows],
            color=palette.INK.token,
        )
    panel.plot(at, [row["mean"] for row in rows], "o", color=palette.INK.token, markersize=4.5)
    beside = [x + 0.12 for x in at]
    placebo = [row["placebo"] for row in rows]
    panel.plot(
        beside, placebo, "o", color=palette.SOFT.token, markerfacecolor="none", markersize=4.5
    )
    panel.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
    panel.set_xticks(list(at), list(slopes))
    panel.set_xlabel("seconds after the order")
    panel.set_ylabel("opposite lots a lot shown")
