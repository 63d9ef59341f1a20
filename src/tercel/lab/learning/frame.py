"""A frame of `tercel/Execution-v1`: the book, own orders in their queues, time and lots left; NumPy draws it."""

from typing import Any, Final

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.report import style
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.example import levels_of
from tercel.market.book import layout as lay

METADATA: Final[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
"""What Gymnasium asks of what can be drawn; 10 decisions are a second of film."""
ROWS: Final = 25
_HIGH, _EDGE, _WIDTH = 10, 12, 480
_PAPER, _RULE, _SOFT, _INK, _BUY, _SELL = (
    np.frombuffer(bytes.fromhex(one.light[1:]), np.uint8)
    for one in (style.PAPER, style.RULE, style.SOFT, style.INK, style.BUY, style.SELL)
)


def frame_of(episodes: Episodes, i: int) -> Bytes:
    """One of the markets as a picture.

    Rows are prices around the mid, one tick each, or more where the spread is wide; the price rises upwards. A bar is
    as long as the lots at its price: orange asks, blue bids. Dark in it are own lots, as far from the left as lots
    stand before them in the queue. Grey line: the mid; dotted: the mid at arrival. Below: time left, and lots left.

    Returns
    -------
    uint8 (320, 480, 3)
    """
    book, view = episodes.books[i], episodes.view
    ledger = book[book[lay.AT_LEDGER] :][: book[lay.OWN] * lay.LEDGER].reshape(-1, lay.LEDGER)
    own = ledger[(ledger[:, lay.STATE] == lay.RESTING) & (ledger[:, lay.OPEN] > 0)]
    public = [(*level, lots, -1) for level, lots in levels_of(book).items()]
    orders = np.array(public + own[:, [lay.OWN_SIDE, lay.OWN_PRICE, lay.OPEN, lay.AHEAD]].tolist()).reshape(-1, 4)
    step, centre = 1 + int(view.spread[i]) // (ROWS // 3), int(view.mid2[i]) // 2
    rows = ROWS // 2 - (orders[:, 1] - centre) // step
    orders, rows = (one[(rows >= 0) & (rows < ROWS)] for one in (orders, rows))
    depth = np.zeros((2, ROWS))
    np.add.at(depth, ((orders[:, 0] < 0).astype(int), rows), orders[:, 2])
    full, tops = max(float(depth.max()), 1.0), _EDGE + 1 + _HIGH * np.arange(ROWS)
    pale = [(0.55 * _PAPER + 0.45 * colour).astype(np.uint8) for colour in (_BUY, _SELL)]
    bars = [(tops[row], 0, depth[side, row] / full, pale[side]) for side, row in np.argwhere(depth)]
    bars += [
        (tops[row], min(ahead, depth[int(side < 0), row] - lots) / full, lots / full, _INK)
        for (side, _, lots, ahead), row in zip(orders, rows, strict=True)
        if ahead >= 0
    ]
    shares = view.time_left_ns[i] / view.horizon_ns[i], view.left[i] / view.qty0[i]
    for top, share, colour in zip((tops[-1] + 21, tops[-1] + 45), shares, (_SOFT, _INK), strict=True):
        bars += [(top, 0, 1, _RULE), (top, 0, share, colour)]
    picture = np.full((2 * _EDGE + ROWS * _HIGH + 46, _WIDTH, 3), _PAPER)
    for top, start, length, colour in bars:
        left, right = (_EDGE + round(at * (_WIDTH - 2 * _EDGE)) for at in (start, start + length))
        picture[top : top + _HIGH - 2, left : max(right, left + 2 * (length > 0))] = colour
    for mid2, dots in ((view.arrival_mid2[i], 8), (view.mid2[i], 1)):
        up = (mid2 / 2 - centre - (step - 1) / 2) / step
        picture[_EDGE + int(np.clip(ROWS / 2 - up, 0, ROWS) * _HIGH), _EDGE:-_EDGE:dots] = _SOFT
    return picture
