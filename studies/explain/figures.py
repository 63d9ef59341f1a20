"""Figures of an explained policy: what moves it, how, and single episodes.

Each takes plain arrays and dictionaries and returns a :class:`tercel.core.report.Figure`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tercel.core import Estimate
from tercel.core.report import Figure, finished, name_rows, sketch, small_panels, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = {
    "take": svg.SERIES[0],
    "touch": svg.SERIES[1],
    "behind": svg.SERIES[6],
    "hold": svg.SERIES[9],
}
"""What becomes of the lots that are left: taken now, shown at the touch, shown behind it, held back."""


def importances(
    action: Mapping[str, Estimate], cost: Mapping[str, Estimate], name: str = "importance"
) -> Figure:
    """Permutation importance of features or families: of the action, and of the cost where it was measured.

    Parameters
    ----------
    action : mapping of feature to Estimate
        Share of what is left that goes elsewhere, 0 to 1.
    cost : mapping of feature to the same
        What acting on the shuffled feature costs more, bps.
    """

    with sketch(1.0 + 0.3 * max(2, len(action))) as drawing:
        left, right = drawing.subplots(1, 2, sharey=True)
        for panel, found, scale in ((left, action, 100.0), (right, cost, 1.0)):
            panel.axvline(0, color=svg.SOFT.token, linewidth=0.9)
            for row, key in enumerate(action):
                if key in found:
                    _whisker(panel, row, found[key].times(scale))
            name_rows(panel, list(action))
        left.set_xlabel("% of what is left goes elsewhere")
        right.set_xlabel("bps more without it")

    parts = "; ".join(
        f"{key}: {100 * row.mean:.1f} %" + (f", {cost[key].mean:+.2f} bps" if key in cost else "")
        for key, row in action.items()
    )
    return finished(
        drawing,
        name,
        f"Permutation importance. Shuffling a feature moves so much of what is left, and costs so much more. {parts}.",
        "Left: where the lots go when the feature is shuffled among decisions. Right: what it costs to act on it "
        "shuffled among episodes of the same moment. Dots: means; lines: 95 % intervals, clustered by episode.",
    )


def dependences(curves: Sequence[tuple[str, ArrayLike, ArrayLike]]) -> Figure:
    """Partial dependence: mean shares taken, shown and held back by the value of one feature, one panel a feature.

    Parameters
    ----------
    curves : sequence of (feature, grid float (G,), mean float (G, 4))
        Shares in the order of `PARTS`.
    """
    columns = min(3, max(1, len(curves)))
    rows = -(-len(curves) // columns)

    with sketch(0.8 + 1.9 * rows) as drawing:
        panels = small_panels(drawing, len(curves), columns, sharey=True)
        for panel, (feature, grid, mean) in zip(panels, curves, strict=False):
            x, y = np.asarray(grid, np.float64), np.asarray(mean, np.float64)
            for part, (key, colour) in enumerate(PARTS.items()):
                panel.plot(
                    x, 100 * y[:, part], color=colour.token, marker="o", markersize=2.6, label=key
                )
            panel.set(title=feature, ylim=(-3, 103))
        handles, labels = panels[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside upper right", ncols=4)
        drawing.supylabel("% of what is left", fontsize=9.5, color=svg.SOFT.token)

    parts = "; ".join(
        f"{feature}: take from {100 * np.asarray(mean)[0, 0]:.0f} % to {100 * np.asarray(mean)[-1, 0]:.0f} %, "
        f"show at the touch from {100 * np.asarray(mean)[0, 1]:.0f} % to {100 * np.asarray(mean)[-1, 1]:.0f} %"
        for feature, _, mean in curves
    )
    return finished(
        drawing,
        "dependence",
        f"Partial dependence of what the policy does on single features, from small to large values. {parts}.",
        "Each feature set to a value in all decisions, the others as they were seen: mean share of what is left that "
        "is taken, shown at the touch or behind it, held. Points are quantiles from 2 to 98 %.",
    )


def episode(
    time_s: ArrayLike,
    bid: ArrayLike,
    ask: ArrayLike,
    shown: ArrayLike,
    held: ArrayLike,
    cost_bps: ArrayLike,
    final_bps: float,
    fills: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    side: int,
    title: str,
    name: str,
    tick: float = 1.0,
) -> Figure:
    """One episode: the touch with own fills, what was shown and held back, the cost so far.

    Parameters
    ----------
    time_s, bid, ask, shown, held, cost_bps : arrays of shape (T,)
        By decision; prices in ticks, lots, bps of the whole order.
    final_bps : float
        Cost of the whole episode.
    fills : (time_s, price_ticks, lots, passive), arrays of shape (F,)
    side : int
        +1 when the order buys.
    tick : float
        Price units per tick.
    """
    when, at, lots, passive = (np.asarray(each) for each in fills)
    rested = passive.astype(bool)
    ends = max(
        float(np.max(time_s)), float(when.max(initial=0.0))
    )  # after the last decision comes the last fill
    minutes = np.append(np.asarray(time_s, np.float64), ends) / 60
    bid, ask, shown, held = (
        np.append(line, np.asarray(line)[-1]) for line in (bid, ask, shown, held)
    )
    cost_bps = np.append(cost_bps, final_bps)

    with sketch(4.6) as drawing:
        top, middle, bottom = drawing.subplots(3, 1, sharex=True, height_ratios=(2.2, 1.2, 1.0))
        for prices, colour in ((bid, svg.BUY), (ask, svg.SELL)):
            top.step(
                minutes,
                tick * np.asarray(prices, np.float64),
                where="post",
                color=colour.token,
                linewidth=1.0,
            )
        for which, mark, label in ((rested, "o", "filled resting"), (~rested, "^", "taken")):
            if not which.any():
                continue
            size = 14 + 60 * np.sqrt(lots[which] / max(lots.max(initial=1), 1))
            top.scatter(
                when[which] / 60,
                tick * at[which],
                s=size,
                marker=mark,
                facecolor=svg.PAPER.token,
                edgecolor=svg.INK.token,
                linewidth=1.1,
                zorder=3,
                label=label,
            )
        top.set_ylabel("price")
        if len(when):
            top.legend(loc="best", ncols=2)
        low = np.asarray(shown, np.float64)
        high = low + np.asarray(held, np.float64)
        middle.fill_between(
            minutes, 0, low, step="post", color=PARTS["touch"].token, alpha=0.55, linewidth=0
        )
        middle.fill_between(
            minutes, low, high, step="post", color=PARTS["hold"].token, alpha=0.4, linewidth=0
        )
        middle.set_ylabel("lots")
        middle.set_ylim(bottom=0)
        bottom.axhline(0, color=svg.SOFT.token, linewidth=0.9)
        bottom.step(minutes, cost_bps, where="post", color=svg.INK.token, linewidth=1.6)
        bottom.set(ylabel="bps so far", xlabel="minutes since arrival")

    return finished(
        drawing,
        name,
        f"{title}: {'buys' if side > 0 else 'sells'} {int(lots.sum())} lots in {len(when)} fills, "
        f"{int(lots[rested].sum())} of them resting; {final_bps:.2f} bps paid.",
        "Top: bid and ask at the decisions, own fills by size (round: resting, triangle: taken or forced). "
        "Middle: lots shown (blue) and held back (grey). Bottom: cost of the fills so far, of the whole order.",
    )


def _whisker(panel: "Axes", row: int, one: Estimate) -> None:
    if one.ci_low is not None and one.ci_high is not None:
        panel.plot([one.ci_low, one.ci_high], [row, row], color=svg.INK.token, linewidth=1.6)
    panel.plot([one.mean], [row], "o", color=svg.SERIES[0].token, markersize=5.5)
