"""Figures of an evaluation: costs and gains of strategies, and the book around the trades of one order."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.report import svg
from tercel.core.report.figures import Gain
from tercel.core.report.svg import Figure, finished, name_rows, sketch, small_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# -- ladder ---------------------------------------------------------------------------------------
# The book around the trades: a price ladder through time, with own fills where they happened.


class OwnFills(NamedTuple):
    """Own fills, arrays of shape (F,): `passive` where the own order rested (True) or took."""

    time_s: ArrayLike
    price_ticks: ArrayLike
    lots: ArrayLike
    passive: ArrayLike


def book_around_trades(
    time_s: ArrayLike,
    price_ticks: ArrayLike,
    lots: ArrayLike,
    own: OwnFills,
    side: int,
    best_bid_ticks: ArrayLike,
    best_ask_ticks: ArrayLike,
    tick: float = 1.0,
    title: str = "",
    name: str = "book",
) -> Figure:
    """Depth on the ladder through time as two shades, bids and asks, with the touch and every own fill.

    Parameters
    ----------
    time_s : array of shape (T,)
        Seconds since arrival, evenly spaced.
    price_ticks : array of shape (P,)
        The ladder's prices, consecutive and rising, in ticks.
    lots : array of shape (T, P)
        Lots displayed at that time and price: positive where they bid, negative where they ask, 0 where none are.
    own : OwnFills
    side : int
        +1 when the order buys, -1 when it sells.
    best_bid_ticks, best_ask_ticks : arrays of shape (T,)
        The touch, NaN where a side is empty.
    tick : float
        Price units per tick, for the axis.
    """
    time, prices = np.asarray(time_s, dtype=np.float64), np.asarray(price_ticks, dtype=np.float64)
    depth = np.asarray(lots, dtype=np.float64)
    fills = [np.asarray(each, dtype=np.float64) for each in own[:3]]
    passive = np.asarray(own.passive, dtype=bool)

    with sketch(4.0) as drawing:
        panel = drawing.subplots()
        _shades(panel, time, prices * tick, depth)
        for touch, colour in ((best_bid_ticks, svg.BUY), (best_ask_ticks, svg.SELL)):
            level = np.asarray(touch, dtype=np.float64) * tick
            panel.step(time / 60, level, where="post", color=colour.token, linewidth=1)
        marker = "^" if side > 0 else "v"
        for rested, word in ((True, "rested"), (False, "taken")):
            _fills(panel, [a[passive == rested] for a in fills], tick, marker, rested, word)
        panel.set_title(title)
        panel.grid(visible=False)
        panel.margins(x=0)
        panel.set(xlabel="minutes since arrival", ylabel="price")
        panel.ticklabel_format(axis="y", useOffset=False)
        handles, _ = panel.get_legend_handles_labels()
        if handles:
            drawing.legend(loc="outside upper right", ncols=2)

    bought = "bought" if side > 0 else "sold"
    return finished(
        drawing,
        name,
        f"The order book through time with {len(passive)} own fills, {fills[2].sum():.0f} lots {bought}, "
        f"{fills[2][passive].sum():.0f} of them passively.",
        "Blue: bids, orange: asks, the darker the more lots; lines: the touch. Triangles: own fills, as large as their "
        "lots, hollow where the order rested, filled where it took.",
    )


def _shades(panel: "Axes", time: Floats, prices: Floats, depth: Floats) -> None:
    """Two images over each other, transparent where nothing is displayed, so that the paper shows through.

    Colours in an image cannot follow the paper; these two are legible on both.
    """
    shown = np.abs(depth[depth != 0])
    full = float(np.quantile(shown, 0.98)) if shown.size else 1.0
    step_t = (time[-1] - time[0]) / max(1, time.size - 1) if time.size > 1 else 1.0
    step_p = prices[1] - prices[0] if prices.size > 1 else 1.0
    extent = (
        time[0] / 60,
        (time[-1] + step_t) / 60,
        prices[0] - step_p / 2,
        prices[-1] + step_p / 2,
    )
    # Square root: depth is skewed, and thin levels should be seen too.
    strength = np.sqrt(np.clip(np.abs(depth) / full, 0, 1)).T
    image = np.zeros((*strength.shape, 4))
    for here, colour in ((depth.T > 0, "3b8fd4"), (depth.T < 0, "e0813c")):
        image[here, :3] = np.frombuffer(bytes.fromhex(colour), np.uint8) / 255
    image[..., 3] = 0.85 * strength
    options: dict[str, Any] = {
        "origin": "lower",
        "aspect": "auto",
        "interpolation": "nearest",
        "extent": extent,
    }
    panel.imshow(image, **options)


def _fills(
    panel: "Axes", fills: list[Floats], tick: float, marker: str, rested: bool, word: str
) -> None:
    time, price, lots = fills
    if not time.size:
        return
    area = 18 + 90 * lots / max(1.0, float(lots.max()))
    face = svg.PAPER.token if rested else svg.INK.token
    panel.scatter(
        time / 60,
        price * tick,
        s=area,
        marker=marker,
        facecolors=face,
        edgecolors=svg.INK.token,
        linewidths=1,
        zorder=3,
        label=f"own fills, {word}",
    )


# -- evaluation figures ---------------------------------------------------------------------------
# The figures of an evaluation: gains against every opponent, in every market, under other conditions.

MOST_PANELS = 5
"""Places beside one another."""


CALLED = "Green: better, red: worse, grey: no significant difference, after the correction for all comparisons."
"""Legend of the colours of comparisons."""


def gain_map(
    gains: Mapping[str, Mapping[str, Gain]],
    policy: str,
    called: Callable[[Gain], str],
    name: str = "gain-map",
    unit: str = "bps",
) -> Figure:
    """Gain of a policy over each opponent (rows) in each market (columns), as a coloured table.

    Parameters
    ----------
    gains : mapping of opponent to place to Estimate
        Every opponent in the same places.
    policy : str
        Its name.
    called : callable
        "better", "worse" or "open": the verdict of a comparison, which may be stricter than its interval.
    """
    colours = {"better": svg.GOOD.token, "worse": svg.BAD.token, "open": svg.RULE.token}
    places = list(next(iter(gains.values()), {}))
    means = np.array([[row[place].mean for place in places] for row in gains.values()])
    largest = float(np.nanmax(np.abs(means))) if means.size and np.isfinite(means).any() else 1.0

    with sketch(0.8 + 0.3 * max(1, len(gains))) as drawing:
        panel = drawing.subplots()
        for row, cells in enumerate(gains.values()):
            for column, place in enumerate(places):
                colour, mean = colours[called(cells[place])], means[row, column]
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
                    color=svg.INK.token,
                )
        panel.set_xticks(range(len(places)), places)
        panel.set_yticks(range(len(gains)), list(gains))
        panel.set(xlim=(-0.5, len(places) - 0.5), ylim=(len(gains) - 0.5, -0.5))
        panel.grid(visible=False)
        panel.tick_params(length=0, labelcolor=svg.INK.token)
        for spine in panel.spines.values():
            spine.set_visible(False)

    summary = "; ".join(
        f"{opponent}: " + ", ".join(f"{place} {row[place].mean:+.2f}" for place in places)
        for opponent, row in gains.items()
    )
    return finished(
        drawing,
        name,
        f"What {policy} saves against each strategy in each place, {unit}. {summary}.",
        f"Numbers: {unit} that {policy} is cheaper. {CALLED}",
    )


def gains_by_place(
    gains: Mapping[str, Mapping[str, Gain]], policy: str, name: str, called: Callable[[Gain], str]
) -> Figure:
    """Gain of a policy over each opponent (rows), one panel per market, with intervals; panels share the rows.

    Parameters
    ----------
    gains : mapping of place to opponent to Estimate
        The same opponents in every place, in the order of the rows.
    policy : str
        Its name.
    name : str
        Of the picture.
    called : callable
        "better", "worse" or "open": the verdict of a comparison, which may be stricter than its interval.
    """
    opponents = list(next(iter(gains.values()), {}))
    colours = {"better": svg.GOOD.token, "worse": svg.BAD.token, "open": svg.SOFT.token}
    columns = min(MOST_PANELS, max(len(gains), 1))
    rows = -(-max(len(gains), 1) // columns)

    with sketch(0.8 + rows * (0.5 + 0.19 * max(len(opponents), 1))) as drawing:
        panels = small_panels(drawing, len(gains), columns, sharey=True)
        for panel, (place, row) in zip(panels, gains.items(), strict=False):
            panel.axvline(0, color=svg.INK.token, linewidth=0.9)
            for at, cell in enumerate(row.values()):
                low, high = (_number(end) for end in (cell.ci_low, cell.ci_high))
                colour = colours[called(cell)]
                panel.hlines(at, low, high, color=colour, linewidth=2.0, alpha=0.6)
                panel.plot([cell.mean], [at], "o", markersize=4.5, color=colour)
            panel.set_title(place)
            name_rows(panel, opponents)
        drawing.supxlabel(
            f"bps that {policy} saves on the strategy", fontsize=9.5, color=svg.SOFT.token
        )

    summary = "; ".join(
        f"{place}: " + ", ".join(f"{other} {cell.mean:+.2f}" for other, cell in row.items())
        for place, row in gains.items()
    )
    return finished(
        drawing,
        name,
        f"What {policy} saves on each strategy, bps. {summary}.",
        f"Dots: mean savings over the same episodes; bars: 95 % intervals. {CALLED}",
    )


def condition_curves(
    costs: Mapping[str, Mapping[str, Gain]], axis: str, name: str, highlighted: Sequence[str] = ()
) -> Figure:
    """Mean shortfall of strategies (lines) under each condition of an axis, evenly spaced, with intervals.

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
        colours = svg.series_colours(costs, highlighted)
        lines = svg.dashes(colours)
        at = np.arange(len(conditions))
        for key, row in costs.items():
            mean = np.array([row[one].mean for one in conditions])
            low = np.array([_number(row[one].ci_low) for one in conditions])
            high = np.array([_number(row[one].ci_high) for one in conditions])
            wide = 2.2 if key in highlighted else 1.2
            panel.plot(at, mean, lines[key], color=colours[key].token, linewidth=wide, label=key)
            panel.vlines(at, low, high, color=colours[key].token, linewidth=wide, alpha=0.5)
        panel.set_xticks(at, conditions)
        panel.set(xlabel=axis, ylabel="implementation shortfall, bps")
        if costs:
            drawing.legend(loc="outside right upper")

    summary = "; ".join(
        f"{key}: " + ", ".join(f"{one} {row[one].mean:.2f}" for one in conditions)
        for key, row in costs.items()
    )
    return finished(
        drawing,
        name,
        f"Mean shortfall in bps by {axis}. {summary}.",
        "Lines: means over the same episodes; bars: 95 % intervals.",
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
