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
from tercel.venues.fix import words as w
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
    kind = w.SNAPSHOT if change.snapshot else w.INCREMENT
    rows = change.rows.tolist()
    head = f"{w.MD_REQ_ID}={request}{w.SOH}"
    if change.snapshot:
        head += f"{w.SYMBOL}={named(change.instrument)}{w.SOH}"
    for start in range(0, max(len(rows), 1), ENTRIES_EACH):
        part = rows[start : start + ENTRIES_EACH]
        more = f"{w.CONTINUES}=Y{w.SOH}" if start + ENTRIES_EACH < len(rows) else ""
        entries = "".join(_entry(row, scale, change.snapshot) for row in part)
        yield kind, f"{head}{more}{w.NO_ENTRIES}={len(part)}{w.SOH}{entries}"


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
    text += f"{w.EXACT_NS}={row[o.M_NS]}\x01{w.ROW_KIND}={kind}\x01"
    return text if row[o.M_AGGRESSOR] < 0 else f"{text}{w.AGGRESSOR}={row[o.M_AGGRESSOR]}\x01"


def market_in(kind: str, text: str, scale: PriceScale) -> Row:
    """int64 (n, 7) rows of the entries in a W or X message, given as the engine prints it.

    Raises
    ------
    RefusedError, ValueError, KeyError
        For entries that cannot be read.
    """
    first = "269" if kind == w.SNAPSHOT else "279"
    parts = text.split(f"\x01{first}=")[1:]
    rows = np.empty((len(parts), o.MARKET_WORDS), np.int64)
    name = "37" if kind == w.SNAPSHOT else "278"
    prices: dict[str, int] = {}
    for n, part in enumerate(parts):
        tags = dict(field.split("=", 1) for field in f"{first}={part}".split("\x01")[:11] if "=" in field)
        price = tags["270"]
        if price not in prices:
            prices[price] = scale.ticks(price)
        rows[n, o.M_NS], rows[n, o.M_KIND], rows[n, o.M_ID] = int(tags[_NS]), int(tags[_KIND]), int(tags[name])
        rows[n, o.M_SIDE] = BUY if tags["269"] == "0" else SELL if tags["269"] == "1" else 0
        rows[n, o.M_PRICE], rows[n, o.M_LOTS] = prices[price], scale.lots(tags["271"])
        rows[n, o.M_AGGRESSOR] = int(tags.get(_AGGRESSOR, "-1"))
    return rows


_NS, _KIND, _AGGRESSOR = str(w.EXACT_NS), str(w.ROW_KIND), str(w.AGGRESSOR)


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
    head = f"{w.SECURITY_REQ_ID}={request}\x01{w.SECURITY_RESPONSE_ID}={request}\x01{w.SECURITY_RESULT}=0\x01"
    head += f"{w.EXACT_NS}={now_ns}\x01{w.STEPPED}={_YES_NO[stepped]}\x01"
    entries = "".join(_listed(one, shapes.get(one.instrument)) for one in listings)
    return f"{head}{w.NO_RELATED_SYM}={len(listings)}\x01{entries}"


_YES_NO = {True: "Y", False: "N"}


def _listed(one: o.Listing, shape: Shape | None) -> str:
    text = (
        f"{w.SYMBOL}={named(one.instrument)}\x01{w.TICK}={one.tick!r}\x01{w.LOT}={one.lot}\x01"
        f"{w.VOLUME_PER_S}={one.volume_per_s!r}\x01{w.DENSE_IDS}={one.dense_ids}\x01{w.BEGAN_NS}={one.began_ns}\x01"
        f"{w.ANSWERS}={_YES_NO[one.answers]}\x01"
    )
    if any(one.fees):
        text += f"{w.VENUE_FEES}={','.join(map(str, one.fees))}\x01"
    return text if shape is None else f"{text}{w.BOOK_WIDTH}={shape[0]}\x01{w.FEED_LEVELS}={shape[1]}\x01"


def listings_in(text: str) -> list[o.Listing]:
    """The listings of a security list, given as the engine prints it.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _entries(text)]


def shapes_in(text: str) -> dict[str, Shape]:
    """Width and levels of the instruments of a security list that have them."""
    shown = [one for one in _entries(text) if w.BOOK_WIDTH in one]
    return {one[w.SYMBOL]: (int(one[w.BOOK_WIDTH]), int(one[w.FEED_LEVELS])) for one in shown}


def _entries(text: str) -> Iterator[dict[int, str]]:
    for part in text.split("\x0155=")[1:]:
        yield dict(_pairs(f"55={part}"))


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    for field in text.split("\x01"):
        tag, equals, value = field.partition("=")
        if equals:
            yield int(tag), value


def _listing(tags: Mapping[int, str]) -> o.Listing:
    maker, taker, maker_rate, taker_rate = (int(part) for part in tags.get(w.VENUE_FEES, "0,0,0,0").split(","))
    return o.Listing(
        instrument=tags[w.SYMBOL],
        tick=float(tags[w.TICK]),
        lot=int(tags[w.LOT]),
        volume_per_s=float(tags[w.VOLUME_PER_S]),
        dense_ids=int(tags[w.DENSE_IDS]),
        began_ns=int(tags[w.BEGAN_NS]),
        answers=tags[w.ANSWERS] == "Y",
        maker_fee=maker,
        taker_fee=taker,
        maker_rate=maker_rate,
        taker_rate=taker_rate,
    )
