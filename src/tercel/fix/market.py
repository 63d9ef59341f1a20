"""Order-by-order market data and listings that were said in FIX entries.

One row is one entry of W (snapshot) or X (increment): 269 side, 278 the order (37 in W, which has no 278), 270 price,
271 the row's own quantity, 279 what is done to the entry; the kind of the row, its time to the nanosecond and the
aggressor are in tags of our own.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import Message
from tercel.fix.scale import PriceScale


def market_in(message: Message, scale: PriceScale) -> Ints:
    """int64 (n, 7) rows of the entries in a W or X message.

    Raises
    ------
    RefusedError, ValueError, KeyError
        For entries that cannot be read.
    """
    snapshot = message.kind == t.SNAPSHOT
    parts = _parts(message, t.ENTRY_TYPE if snapshot else t.UPDATE_ACTION)
    rows = np.empty((len(parts), o.MARKET_WORDS), np.int64)
    name = t.ORDER_ID if snapshot else t.ENTRY_ID
    prices: dict[str, int] = {}
    for n, tags in enumerate(parts):
        price = tags[t.ENTRY_PX]
        if price not in prices:
            prices[price] = scale.ticks(price)
        rows[n, o.M_NS], rows[n, o.M_KIND] = int(tags[t.EXACT_NS]), int(tags[t.ROW_KIND])
        rows[n, o.M_ID] = int(tags[name])
        rows[n, o.M_SIDE] = _SIDES.get(tags[t.ENTRY_TYPE], 0)
        rows[n, o.M_PRICE], rows[n, o.M_LOTS] = prices[price], scale.lots(tags[t.ENTRY_SIZE])
        rows[n, o.M_AGGRESSOR] = int(tags.get(t.AGGRESSOR, "-1"))
    return rows


_SIDES = {"0": BUY, "1": SELL}


def _parts(message: Message, first: int) -> list[dict[int, str]]:
    """Entries of a message's one repeating group, which begin with a tag."""
    fields = message.fields
    starts = [n for n, (tag, _) in enumerate(fields) if tag == first]
    return [dict(fields[start:stop]) for start, stop in pairwise([*starts, len(fields)])]


Shape = tuple[int, int]
"""Width of an instrument's book and levels of its feed."""


def listings_in(message: Message) -> list[o.Listing]:
    """Listings of a security list.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _parts(message, t.SYMBOL)]


def shapes_in(message: Message) -> dict[str, Shape]:
    """Book width and depth of those instruments of a security list that state them."""
    shown = [one for one in _parts(message, t.SYMBOL) if t.BOOK_WIDTH in one]
    return {one[t.SYMBOL]: (int(one[t.BOOK_WIDTH]), int(one[t.FEED_LEVELS])) for one in shown}


def _listing(tags: Mapping[int, str]) -> o.Listing:
    maker, taker, maker_rate, taker_rate = (
        int(part) for part in tags.get(t.VENUE_FEES, "0,0,0,0").split(",")
    )
    return o.Listing(
        instrument=tags[t.SYMBOL],
        tick=float(tags[t.TICK]),
        lot=int(tags[t.LOT]),
        volume_per_s=float(tags[t.VOLUME_PER_S]),
        dense_ids=int(tags[t.DENSE_IDS]),
        began_ns=int(tags[t.BEGAN_NS]),
        answers=tags[t.ANSWERS] == "Y",
        maker_fee=maker,
        taker_fee=taker,
        maker_rate=maker_rate,
        taker_rate=taker_rate,
    )
