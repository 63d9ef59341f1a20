"""Order-level market data and listings as FIX entries, and back.

One row is one entry of W (snapshot) or X (increment): 269 side, 278 the order (37 in W, which has no 278), 270 price,
271 the row's own quantity, 279 what is done to the entry; the kind of the row, its time to the nanosecond and the
aggressor are in tags of our own. A body is text with its fields in order, because groups are.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.vocabulary import BUY, SELL
from tercel.market.tape import schema
from tercel.venues.fix import tags as t
from tercel.venues.fix.protocol.message import Message
from tercel.venues.fix.translate import PriceScale, named

ENTRIES_EACH = 250
"""Entries of one message at most; a longer change goes on in the next (CONTINUES)."""

_NEITHER = "2"
"""269 of what is no side of a book: a trade, a status."""
_ACTIONS = {schema.ADD: "0", schema.ROLL_IN: "0", schema.DELETE: "2", schema.ROLL_OUT: "2"}
_CHANGED = "1"

Row = Ints


def market_out(change: o.MarketRows, request: str, scale: PriceScale) -> Iterator[tuple[str, str]]:
    """Message type and body of each message that carries a change to whoever asked for it under `request`."""
    kind = t.SNAPSHOT if change.snapshot else t.INCREMENT
    rows = change.rows.tolist()
    head = f"{t.MD_REQ_ID}={request}{t.SOH}"
    if change.snapshot:
        head += f"{t.SYMBOL}={named(change.instrument)}{t.SOH}"
    for start in range(0, max(len(rows), 1), ENTRIES_EACH):
        part = rows[start : start + ENTRIES_EACH]
        more = f"{t.CONTINUES}=Y{t.SOH}" if start + ENTRIES_EACH < len(rows) else ""
        entries = "".join(_entry(row, scale, change.snapshot) for row in part)
        yield kind, f"{head}{more}{t.NO_ENTRIES}={len(part)}{t.SOH}{entries}"


def _entry(row: Sequence[int], scale: PriceScale, snapshot: bool) -> str:
    """One entry, 269 first in W and 279 first in X."""
    side, kind = row[o.M_SIDE], row[o.M_KIND]
    entry_type = "0" if side == BUY else "1" if side == SELL else _NEITHER
    text = f"269={entry_type}\x01"
    if snapshot:
        text += f"270={scale.price(row[o.M_PRICE])}\x01271={scale.quantity(row[o.M_LOTS])}\x0137={row[o.M_ID]}\x01"
    else:
        text = (
            f"279={_ACTIONS.get(kind, _CHANGED)}\x01{text}278={row[o.M_ID]}\x01"
            f"270={scale.price(row[o.M_PRICE])}\x01271={scale.quantity(row[o.M_LOTS])}\x01"
        )
    text += f"{t.EXACT_NS}={row[o.M_NS]}\x01{t.ROW_KIND}={kind}\x01"
    return text if row[o.M_AGGRESSOR] < 0 else f"{text}{t.AGGRESSOR}={row[o.M_AGGRESSOR]}\x01"


def market_in(message: Message, scale: PriceScale) -> Row:
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
    return [dict(fields[start:stop]) for start, stop in zip(starts, [*starts[1:], len(fields)], strict=True)]


Shape = tuple[int, int]
"""Width of an instrument's book and levels of its feed."""


def listings_out(
    listings: Sequence[o.Listing],
    request: str,
    stepped: bool,
    now_ns: int,
    shapes: Mapping[str, Shape] = MappingProxyType({}),
) -> str:
    """Body of a security list, with the venue's time and whose its clock is."""
    head = f"{t.SECURITY_REQ_ID}={request}\x01{t.SECURITY_RESPONSE_ID}={request}\x01{t.SECURITY_RESULT}=0\x01"
    head += f"{t.EXACT_NS}={now_ns}\x01{t.STEPPED}={_YES_NO[stepped]}\x01"
    entries = "".join(_listed(one, shapes.get(one.instrument)) for one in listings)
    return f"{head}{t.NO_RELATED_SYM}={len(listings)}\x01{entries}"


_YES_NO = {True: "Y", False: "N"}


def _listed(one: o.Listing, shape: Shape | None) -> str:
    text = (
        f"{t.SYMBOL}={named(one.instrument)}\x01{t.TICK}={one.tick!r}\x01{t.LOT}={one.lot}\x01"
        f"{t.VOLUME_PER_S}={one.volume_per_s!r}\x01{t.DENSE_IDS}={one.dense_ids}\x01{t.BEGAN_NS}={one.began_ns}\x01"
        f"{t.ANSWERS}={_YES_NO[one.answers]}\x01"
    )
    if any(one.fees):
        text += f"{t.VENUE_FEES}={','.join(map(str, one.fees))}\x01"
    return text if shape is None else f"{text}{t.BOOK_WIDTH}={shape[0]}\x01{t.FEED_LEVELS}={shape[1]}\x01"


def listings_in(message: Message) -> list[o.Listing]:
    """The listings of a security list.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _parts(message, t.SYMBOL)]


def shapes_in(message: Message) -> dict[str, Shape]:
    """Width and levels of the instruments of a security list that have them."""
    shown = [one for one in _parts(message, t.SYMBOL) if t.BOOK_WIDTH in one]
    return {one[t.SYMBOL]: (int(one[t.BOOK_WIDTH]), int(one[t.FEED_LEVELS])) for one in shown}


def _listing(tags: Mapping[int, str]) -> o.Listing:
    maker, taker, maker_rate, taker_rate = (int(part) for part in tags.get(t.VENUE_FEES, "0,0,0,0").split(","))
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
