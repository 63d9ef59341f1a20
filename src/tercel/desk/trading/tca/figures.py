"""Charts of a cost analysis: the mid's path with fills, slippage against benchmarks, mark-outs."""

from collections.abc import Mapping, Sequence

import numpy as np

from tercel.core.arrays import AnyArray, Floats, Ints
from tercel.core.fixed_point import ONE
from tercel.core.report import palette
from tercel.core.report.svg import Figure, finish_figure, sketch
from tercel.desk.trading.tca.measure import F_PX, F_QTY, AnalysedCost
from tercel.desk.trading.tca.shortfall import weighted_mean

DOTS = 1000
"""Parents that a picture shows one by one."""


def fills_in(arrays: Mapping[str, Ints]) -> Floats:
    """Fills of an analysis, from a journal entry's arrays, as floats with prices in ticks and quantities in lots."""
    fills = arrays["executions"].astype(np.float64)
    fills[:, [F_PX, F_QTY]] /= ONE
    return fills


def path_with_fills(
    parent: str, side: int, fills: AnyArray, mids: Ints, name: str, unit: float | None = None
) -> Figure:
    """Chart of a parent's mid (rows of ns and half ticks), passive fills as dots and aggressive ones as triangles.

    In prices where it is known what one of the whole numbers is worth (`unit`), else in ticks.
    """
    scale = unit or 1.0

    with sketch(2.3) as drawing:
        panel = drawing.subplots()
        start = mids[0, 0]
        minutes = (mids[:, 0] - start) / 60e9
        mid = scale * mids[:, 1] / 2
        panel.step(minutes, mid, where="post", color=palette.SOFT.token, linewidth=1)
        colour = (palette.BUY if side > 0 else palette.SELL).token
        for rested, marker, word in (
            (True, "o", "rested"),
            (False, "^" if side > 0 else "v", "took"),
        ):
            rows = fills[(fills[:, 5] != 0) == rested]
            if len(rows):
                size = 12 + 60 * rows[:, 2] / fills[:, 2].max()
                minutes = (rows[:, 0] - start) / 60e9
                price = scale * rows[:, 1]
                panel.scatter(minutes, price, size, color=colour, marker=marker, label=word)
        panel.set_xlabel("minutes since arrival")
        panel.set_ylabel("ticks" if unit is None else "price")
        panel.ticklabel_format(axis="y", useOffset=False)
        if len(fills):
            panel.legend(frameon=False)

    word = "buy" if side > 0 else "sell"
    return finish_figure(
        drawing,
        name,
        f"Mid and fills of parent {parent}, a {word} order: {len(fills)} fills.",
        f"{parent}, {word}. Line: the mid; marks: own fills, larger for more lots.",
    )


def against_benchmarks(
    costs: Sequence[AnalysedCost], name: str = "benchmarks", unit: str = "bps"
) -> Figure:
    """Chart of every parent's cost against each known benchmark, with the mean as a line."""
    figures = {
        "arrival": [cost.is_bps for cost in costs],
        "VWAP": [cost.vwap_bps for cost in costs],
        "TWAP": [cost.twap_bps for cost in costs],
        "the close": [cost.close_bps for cost in costs],
    }
    known = {word: slippages for word, slippages in figures.items() if np.isfinite(slippages).any()}
    stride = -(-len(costs) // DOTS)
    weights = [cost.notional for cost in costs]

    with sketch(2.4) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=palette.INK.token, linewidth=1)
        for row, slippages in enumerate(known.values()):
            values = np.array(slippages[::stride], np.float64)
            values = values[np.isfinite(values)]
            mean, _ = weighted_mean(zip(slippages, weights, strict=True))
            shift = (
                np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(len(values))
            )
            panel.scatter(
                values, row + shift, 14, color=palette.SERIES[row].token, alpha=0.6, linewidths=0
            )
            if mean is not None:
                panel.plot(
                    [mean] * 2, [row - 0.35, row + 0.35], color=palette.INK.token, linewidth=2
                )
        panel.set_yticks(range(len(known)), [f"against {word}" for word in known])
        panel.set_xlabel(f"{unit}, positive costs")

    return finish_figure(
        drawing,
        name,
        f"Slippage of {len(costs)} parents against {', '.join(known)}.",
        f"A dot is a parent{f', one of {stride} is drawn' if stride > 1 else ''}; the bar is the mean of all by what was "
        "filled.",
    )


def markouts(costs: Sequence[AnalysedCost], name: str = "markouts", unit: str = "bps") -> Figure:
    """Chart of the mean mark-out after fills, weighted by filled value, with its 95 % interval over parents."""
    keys = sorted(costs[0].markouts_bps, key=lambda word: int(word[:-1])) if costs else []

    with sketch(2.4) as drawing:
        panel = drawing.subplots()
        panel.axhline(0, color=palette.INK.token, linewidth=1)
        for column, key in enumerate(keys):
            mean, half = weighted_mean(
                (cost.markouts_bps.get(key), cost.notional) for cost in costs
            )
            if mean is not None:
                panel.errorbar(
                    column, mean, half or 0.0, fmt="o", color=palette.SERIES[1].token, capsize=3
                )
        panel.set_xticks(range(len(keys)), keys)
        panel.set_ylabel(f"{unit} in the order's favour")

    return finish_figure(
        drawing,
        name,
        "Move of the mid after fills, in the order's favour.",
        "Below zero: the market went against what was just filled. Bars: 95 % of the mean by what was filled.",
    )
