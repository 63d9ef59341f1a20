"""Picture of one market for Gymnasium's `render`: the book's levels, own orders and the progress of the order."""

from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.report import palette
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.example import levels_of
from tercel.market.book import layout as lay

# Gymnasium's metadata of rendering; a second of video has 10 decisions.
METADATA: Final[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
ROWS: Final = 25
_HIGH = 10
_EDGE = 12
_WIDE = 456
_PAPER, _RULE, _SOFT, _INK, _BUY, _SELL = (
    np.frombuffer(bytes.fromhex(colour.light[1:]), np.uint8)
    for colour in (
        palette.PAPER,
        palette.RULE,
        palette.SOFT,
        palette.INK,
        palette.BUY,
        palette.SELL,
    )
)


def frame_of(episodes: Episodes, i: int) -> Bytes:
    """Picture of market `i`, uint8 (320, 480, 3): book levels, own orders and progress of the order.

    Rows are prices around the mid, one tick each, or more where the spread is wide; the price rises upwards. A bar is
    as long as the lots at its price: orange asks, blue bids. Dark in it are own lots, as far from the left as lots are
    ahead of them in the queue. Line: the mid; dotted: the mid at arrival. Below: time left, and lots left.

    Returns
    -------
    uint8 (320, 480, 3)
    """
    book = episodes.books[i]
    view = episodes.view
    ledger = book[book[lay.AT_LEDGER] :][: book[lay.OWN] * lay.LEDGER].reshape(-1, lay.LEDGER)
    own_orders = ledger[
        np.ix_(
            ledger[:, lay.STATE] == lay.RESTING, [lay.OWN_SIDE, lay.OWN_PRICE, lay.OPEN, lay.AHEAD]
        )
    ]
    orders = np.array(
        [*own_orders, *((*level, lots, -1) for level, lots in levels_of(book).items())], np.int64
    ).reshape(-1, 4)
    step = 1 + int(view.spread[i]) // (ROWS // 3)
    centre = int(view.mid2[i]) // 2
    rows = ROWS // 2 - (orders[:, 1] - centre) // step
    orders, rows = (array[(rows >= 0) & (rows < ROWS)] for array in (orders, rows))
    depth = np.zeros((2, ROWS))
    np.add.at(depth, ((orders[:, 0] < 0).astype(int), rows), orders[:, 2])
    lots = (np.arange(_WIDE) + 0.5) / _WIDE * max(float(depth.max()), 1.0)
    bars = np.full((ROWS + 4, _WIDE, 3), _PAPER)
    for side_depth, colour in zip(depth, (_BUY, _SELL), strict=True):
        bars[:ROWS][lots < side_depth[:, None]] = 0.55 * _PAPER + 0.45 * colour
    for (side, _, size, ahead), row in zip(orders, rows, strict=True):
        before = lots - min(ahead, depth[int(side < 0), row] - size)
        bars[row, (before >= 0) & (before < size) & (ahead >= 0)] = _INK
    for row, left, total, colour in (
        (-3, view.time_left_ns[i], view.horizon_ns[i], _SOFT),
        (-1, view.left[i], view.qty0[i], _INK),
    ):
        bars[row] = np.where(
            (np.arange(_WIDE) < round(_WIDE * left / total))[:, None], colour, _RULE
        )
    picture = np.pad(
        np.repeat(bars, _HIGH, axis=0),
        ((_EDGE, _EDGE + 6), (_EDGE, _EDGE), (0, 0)),
        constant_values=255,
    )
    picture[_EDGE - 1 : -6 : _HIGH] = picture[_EDGE:-6:_HIGH] = _PAPER
    for mid2, dots in ((view.arrival_mid2[i], 8), (view.mid2[i], 1)):
        mid_row = ROWS / 2 - (mid2 / 2 - centre - (step - 1) / 2) / step
        picture[_EDGE + int(np.clip(mid_row, 0, ROWS) * _HIGH), _EDGE:-_EDGE:dots] = _SOFT
    return picture
