"""Order-by-order market data and listings as FIX entries, and back.

One row is one entry of W (snapshot) or X (increment): 269 side, 278 the order (37 in W, which has no 278), 270 price,
271 the row's own quantity, 279 what is done to the entry; the kind of the row, its time to the nanosecond and the
aggressor are in tags of our own.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from tercel.core import orders as o
from tercel.core import vocabulary as v
from tercel.core.arrays import Ints
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import Fields, Message
from tercel.fix.scale import PriceScale
from tercel.fix.translate import named

ENTRIES_EACH = 250
"""Entries of one message at most; a longer change goes on in the next (CONTINUES)."""

# 269 of what is no side of a book: a trade, a status.
_NEITHER = "2"
_ACTIONS = {v.ADD: "0", v.ROLL_IN: "0", v.DELETE: "2", v.ROLL_OUT: "2"}
_CHANGED = "1"


def market_out(
    change: o.MarketRows, request: str, scale: PriceScale
) -> Iterator[tuple[str, Fields]]:
    """Message type and fields of each message that carries a change to the subscription `request`."""
    kind = t.SNAPSHOT if change.snapshot else t.INCREMENT
    rows = change.rows.tolist()
    head = [(t.MD_REQ_ID, request)]
    if change.snapshot:
        head.append((t.SYMBOL, named(change.instrument)))
    for start in range(0, max(len(rows), 1), ENTRIES_EACH):
        part = rows[start : start + ENTRIES_EACH]
        fields = [*head, (t.CONTINUES, "Y")] if start + ENTRIES_EACH < len(rows) else [*head]
        fields.append((t.NO_ENTRIES, str(len(part))))
        for row in part:
            _entry(row, scale, change.snapshot, fields)
        yield kind, fields


def _entry(
    row: Sequence[int], scale: PriceScale, snapshot: bool, fields: list[tuple[int, str]]
) -> None:
    """Append one entry, 269 first in W and 279 first in X."""
    side, kind, name = row[o.M_SIDE], row[o.M_KIND], str(row[o.M_ID])
    entry_type = "0" if side == BUY else "1" if side == SELL else _NEITHER
    price, size = (
        (t.ENTRY_PX, scale.price(row[o.M_PRICE])),
        (t.ENTRY_SIZE, scale.quantity(row[o.M_LOTS])),
    )
    if snapshot:
        fields += [(t.ENTRY_TYPE, entry_type), price, size, (t.ORDER_ID, name)]
    else:
        action = _ACTIONS.get(kind, _CHANGED)
        fields += [
            (t.UPDATE_ACTION, action),
            (t.ENTRY_TYPE, entry_type),
            (t.ENTRY_ID, name),
            price,
            size,
        ]
    fields += [(t.EXACT_NS, str(row[o.M_NS])), (t.ROW_KIND, str(kind))]
    if row[o.M_AGGRESSOR] >= 0:
        fields.append((t.AGGRESSOR, str(row[o.M_AGGRESSOR])))


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


def listings_out(
    listings: Sequence[o.Listing],
    request: str,
    stepped: bool,
    now_ns: int,
    shapes: Mapping[str, Shape] = MappingProxyType({}),
) -> Fields:
    """Fields of a security list, with the venue's time and its clock's owner."""
    head = [
        (t.SECURITY_REQ_ID, request),
        (t.SECURITY_RESPONSE_ID, request),
        (t.SECURITY_RESULT, "0"),
    ]
    head += [
        (t.EXACT_NS, str(now_ns)),
        (t.STEPPED, _YES_NO[stepped]),
        (t.NO_RELATED_SYM, str(len(listings))),
    ]
    return [
        *head,
        *(one for listing in listings for one in _listed(listing, shapes.get(listing.instrument))),
    ]


_YES_NO = {True: "Y", False: "N"}


def _listed(one: o.Listing, shape: Shape | None) -> Fields:
    fields = [
        (t.SYMBOL, named(one.instrument)),
        (t.TICK, repr(one.tick)),
        (t.LOT, str(one.lot)),
        (t.VOLUME_PER_S, repr(one.volume_per_s)),
        (t.DENSE_IDS, str(one.dense_ids)),
        (t.BEGAN_NS, str(one.began_ns)),
        (t.ANSWERS, _YES_NO[one.answers]),
    ]
    if any(one.fees):
        fields.append((t.VENUE_FEES, ",".join(map(str, one.fees))))
    return (
        fields
        if shape is None
        else [*fields, (t.BOOK_WIDTH, str(shape[0])), (t.FEED_LEVELS, str(shape[1]))]
    )


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
