"""Figure of the order book around the trades of one order: depth through time, the touch, own fills."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats
from tercel.core.report import palette
from tercel.core.report.svg import Figure, finish_figure, sketch

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# The book around the trades: a price ladder through time, with own fills where they happened.
class OwnFills(NamedTuple):
    """Own fills as arrays (F,): time, price, lots, and `passive`, True where the own order rested."""

    time_s: ArrayLike
    price_ticks: ArrayLike
    lots: ArrayLike
    passive: ArrayLike


def book_around_trades(
    time_s: ArrayLike,
    price_ticks: ArrayLike,
    lots: ArrayLike,
    own_fills: OwnFills,
    side: int,
    best_bid_ticks: ArrayLike,
    best_ask_ticks: ArrayLike,
    tick: float = 1.0,
    title: str = "",
    name: str = "book",
) -> Figure:
    """Figure of depth by price through time, bids and asks in two shades, with the touch and own fills.

    Parameters
    ----------
    time_s : array of shape (T,)
        Seconds since arrival, evenly spaced.
    price_ticks : array of shape (P,)
        The ladder's prices, consecutive and rising, in ticks.
    lots : array of shape (T, P)
        Lots displayed at that time and price: positive where they bid, negative where they ask, 0 where none are.
    own_fills : OwnFills
    side : int
        +1 when the order buys, -1 when it sells.
    best_bid_ticks, best_ask_ticks : arrays of shape (T,)
        The touch, NaN where a side is empty.
    tick : float
        Price units per tick, for the axis.
    """
    time = np.asarray(time_s, dtype=np.float64)
    prices = np.asarray(price_ticks, dtype=np.float64)
    depth = np.asarray(lots, dtype=np.float64)
    fills = [np.asarray(column, dtype=np.float64) for column in own_fills[:3]]
    passive = np.asarray(own_fills.passive, dtype=bool)

    with sketch(4.0) as drawing:
        panel = drawing.subplots()
        _draw_depth(panel, time, prices * tick, depth)
        for touch, colour in ((best_bid_ticks, palette.BUY), (best_ask_ticks, palette.SELL)):
            level = np.asarray(touch, dtype=np.float64) * tick
            panel.step(time / 60, level, where="post", color=colour.token, linewidth=1)
        marker = "^" if side > 0 else "v"
        for rested, label in ((True, "rested"), (False, "taken")):
            _draw_fills(panel, [a[passive == rested] for a in fills], tick, marker, rested, label)
        panel.set_title(title)
        panel.grid(visible=False)
        panel.margins(x=0)
        panel.set(xlabel="minutes since arrival", ylabel="price")
        panel.ticklabel_format(axis="y", useOffset=False)
        handles, _ = panel.get_legend_handles_labels()
        if handles:
            drawing.legend(loc="outside upper right", ncols=2)

    bought = "bought" if side > 0 else "sold"
    return finish_figure(
        drawing,
        name,
        f"The order book through time with {len(passive)} own fills, {fills[2].sum():.0f} lots {bought}, "
        f"{fills[2][passive].sum():.0f} of them passively.",
        "Blue: bids, orange: asks, the darker the more lots; lines: the touch. Triangles: own fills, as large as their "
        "lots, hollow where the order rested, filled where it took.",
    )


def _draw_depth(panel: "Axes", time: Floats, prices: Floats, depth: Floats) -> None:
    """Draw depth (time, price), bids above 0 and asks below, as an image in two colours, transparent where depth is 0.

    Colours in an image cannot follow the paper; these two are legible on both.
    """
    displayed = np.abs(depth[depth != 0])
    full_depth = float(np.quantile(displayed, 0.98)) if displayed.size else 1.0
    step_t = (time[-1] - time[0]) / max(1, time.size - 1) if time.size > 1 else 1.0
    step_p = prices[1] - prices[0] if prices.size > 1 else 1.0
    extent = (
        time[0] / 60,
        (time[-1] + step_t) / 60,
        prices[0] - step_p / 2,
        prices[-1] + step_p / 2,
    )
    # Square root: depth is skewed, and thin levels should be seen too.
    strength = np.sqrt(np.clip(np.abs(depth) / full_depth, 0, 1)).T
    image = np.zeros((*strength.shape, 4))
    for mask, colour in ((depth.T > 0, "3b8fd4"), (depth.T < 0, "e0813c")):
        image[mask, :3] = np.frombuffer(bytes.fromhex(colour), np.uint8) / 255
    image[..., 3] = 0.85 * strength
    options: dict[str, Any] = {
        "origin": "lower",
        "aspect": "auto",
        "interpolation": "nearest",
        "extent": extent,
    }
    panel.imshow(image, **options)


def _draw_fills(
    panel: "Axes", fills: list[Floats], tick: float, marker: str, rested: bool, label: str
) -> None:
    """Draw the given fills (s, ticks, lots) as markers sized by their lots; `rested`, true of all or of none, only
    makes them hollow."""
    time, price, lots = fills
    if not time.size:
        return
    area = 18 + 90 * lots / max(1.0, float(lots.max()))
    face = palette.PAPER.token if rested else palette.INK.token
    panel.scatter(
        time / 60,
        price * tick,
        s=area,
        marker=marker,
        facecolors=face,
        edgecolors=palette.INK.token,
        linewidths=1,
        zorder=3,
        label=f"own fills, {label}",
    )
