"""Slices of Nasdaq's ITCH as CSV, an event a row with the book of ten levels after it: to days, and their check.

A slice starts in the middle of a day: what rests then is known by the levels of its first row alone. The tape opens with
them as anonymous blocks and goes on with the second row; orders of before that rest deeper are missing. Of an event::

    event_index,...,timestamp_ns,...,message_type,...,order_id,old_order_id,size,old_size,price,old_price,execution_price,...
    25373,...,34200581851466,...,C,...,10064545,,5,,163.23,,163.24,...
"""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, split_commas
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS, NS_PER_SECOND
from tercel.feeds import typed_csv as c
from tercel.feeds.csv_columns import ROW
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR, find_unit
from tercel.feeds.members import Member, members
from tercel.feeds.opening_rows import opening_rows
from tercel.feeds.survey import Findings
from tercel.feeds.us_stocks import TIMEZONE, VENUE, session_ns
from tercel.feeds.verify_kernels import read_book, run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.book.tape_kernels import apply_row
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Columns, Instrument
from tercel.market.tape.local_times import midnight_ns

LEVELS: Final = 10
_HOUR: Final = 3600 * NS_PER_SECOND
_LETTERS: Final = {
    **{"A": schema.ADD, "F": schema.ADD, "X": schema.REDUCE, "D": schema.DELETE},
    **{"E": schema.EXECUTE, "C": schema.TRADE_HIDDEN, "U": schema.MODIFY},
}
"""Kinds by letter: C is an EXECUTE, or a REDUCE with a print at another price; U a DELETE and an ADD."""
_SIDES: Final = (("bid", 1), ("ask", -1))
_OLD: Final = ("old_order_id", "old_size", "old_price")
_PRICES: Final = ("price", "old_price", "execution_price")
_SHOWN: Final = tuple(
    f"{side}_{what}_{n}"
    for side, _ in _SIDES
    for n in range(1, LEVELS + 1)
    for what in ("price", "size")
)
"""Columns of the book after an event."""


def fields_of(member: Member) -> dict[str, c.Field]:
    """Fields of a CSV of events by its header, none of another file.

    Prices are in dollars x 10,000; what a row has not is 0.
    """
    if not member.name.lower().endswith(".csv"):
        return {}
    size = MOST_LOTS - 1
    prices = {name: c.price_units(name, UNITS_PER_DOLLAR) for name in (*_PRICES, *_SHOWN[::2])}
    sizes = {name: c.whole_number(name, 0, size) for name in ("old_size", *_SHOWN[1::2])}
    old = {"old_order_id": c.whole_number("old_order_id")}
    fields = {
        "seq": c.whole_number("event_index"),
        "ns": c.whole_number("timestamp_ns", 3 * _HOUR, 21 * _HOUR),
        "kind": c.code("message_type", _LETTERS),
        "side": c.code("direction", {"1": 1, "-1": -1}),
        "stock": c.Field("stock", pl.String),
        "id": c.whole_number("order_id", 1),
        "size": c.whole_number("size", 1, size),
        **{name: c.or_zero(field) for name, field in (prices | sizes | old).items()},
    }
    header, _ = c.head_of(member)
    return fields if {field.column for field in fields.values()} <= set(header) else {}


def events_days(files: list[Member], options: FeedOptions) -> list["ItchEventsDay"]:
    """Days in CSVs of events that the options select: each stock of a file, on `options.date` or the date that names say.

    Raises
    ------
    FeedError
        For a cell that does not fit, an unknown date, or two files of one stock and day.
    """
    opened = c.CsvFiles(files)
    days: dict[tuple[str, str], ItchEventsDay] = {}
    for number, member in enumerate(files):
        date = options.date or c.date_named(member.location)
        if date is None:
            raise FeedError(
                "a date in the name of the file or its folder",
                member.location,
                "give `date=YYYY-MM-DD`",
            )
        rows, cut = opened.read(number, fields_of(member))
        for (stock,), part in sorted(rows.partition_by("stock", as_dict=True).items()):
            if options.symbol is None or stock in split_commas(options.symbol):
                ordered, again = opened.in_sequence(part)
                if (stock, date) in days:
                    both = f"{days[stock, date].source[0]} and {member.location}"
                    raise FeedError(f"one file of {stock} on {date}", both, "import one of them")
                days[stock, date] = ItchEventsDay(
                    opened, stock, date, ordered, options.tick, (*cut, *again)
                )
    return list(days.values())


class ItchEventsDay(c.TypedDay):
    """The events of one stock in one file, in sequence; ticks in dollars."""

    def read(self) -> Imported:
        """Tape of the slice: the levels of its first row, then its events; with warnings on orders of before and on the clock.

        Raises
        ------
        FeedError
            For a replaced order without its former id, size and price.
        """
        torn = (pl.col("kind") == schema.MODIFY) & (pl.min_horizontal(_OLD) == 0)
        self.files.refuse(self.rows.filter(torn), "id", f"{', '.join(_OLD)} of a replaced order")
        prices = self.rows["price"].to_numpy()
        unit = find_unit(self.tick, prices, self.source[0])
        midnight = midnight_ns(self.date, TIMEZONE)
        events = changes_of(self.rows, unit, midnight)
        added = events.order_id[events.kind == schema.ADD]
        unknown = np.flatnonzero((events.order_id != 0) & ~np.isin(events.order_id, added))
        back, back_notes = self.rows_back()
        gaps = self.rows.filter(pl.col("seq").diff() > 1)
        notes = [*self.notes] + [
            f"event_index leaves out numbers {gaps.height:,} times, first at {self.files.place(row)}: rows are missing"
            for row in gaps[ROW][:1]
        ]
        if len(unknown):
            first = self.files.place(self.rows[ROW][int(events.seq[unknown[0]])])
            notes.append(
                f"{len(unknown):,} changes are of orders from before the slice, the first in {first}; the tape opens "
                f"with the {LEVELS} levels of the first row and lacks what rested deeper"
            )
        tape = Events.concatenate([opening_of(self.rows[:1], unit, midnight), events])
        counts = {
            "messages": self.rows.height,
            "unknown_ids": len(unknown),
            "clock_back": back.height,
        }
        opening, close = session_ns(self.date)
        instrument = Instrument(
            venue=VENUE,
            symbol=self.symbol,
            date=self.date,
            tick=unit / UNITS_PER_DOLLAR,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=midnight + opening,
            session_close_ns=midnight + close,
            rows=tape.n,
            tick_rule="inferred" if self.tick is None else "stated",
            off_tick_rows=int(np.count_nonzero(tape.flags & schema.OFF_TICK)),
            extra={"feed": "itch", **counts},
        )
        return Imported(instrument, tape, (*notes, *back_notes))


def changes_of(rows: pl.DataFrame, unit: int, midnight: int) -> Events:
    """Rows of the tape of the events from the second on, message 1; two of one for a replaced order and a priced execution.

    A priced execution is one at another price than its order's.
    """
    column = {name: rows[name].to_numpy()[1:] for name in rows.columns if name != "stock"}
    kind = column["kind"]
    paid = column["execution_price"]
    is_replaced = kind == schema.MODIFY
    is_priced = kind == schema.TRADE_HIDDEN
    is_away = is_priced & (paid != 0) & (paid != column["price"])
    first = np.select(
        [is_replaced, is_away, is_priced], [schema.DELETE, schema.REDUCE, schema.EXECUTE], kind
    )
    event = np.repeat(np.arange(len(kind)), 1 + (is_replaced | is_away))
    is_second = np.diff(event, prepend=-1) == 0
    is_print = is_second & is_away[event]
    is_old = is_replaced[event] & ~is_second
    price = np.select(
        [is_old, is_print], [column["old_price"][event], paid[event]], column["price"][event]
    )
    side = column["side"][event]
    ticks, off = c.ticks_away(price, unit, side)
    ns = midnight + np.maximum.accumulate(column["ns"])[event]
    tape = (
        *(ns, ns, event + 1),
        np.select([is_print, is_second], [schema.TRADE_HIDDEN, schema.ADD], first[event]),
        np.select([is_old, is_print], [column["old_order_id"][event], 0], column["id"][event]),
        side,
        ticks,
        np.where(is_old, column["old_size"][event], column["size"][event]),
        off * schema.OFF_TICK | (np.diff(event, append=len(kind)) != 0) * schema.MESSAGE_END,
    )
    return Events.from_columns(dict(zip(schema.COLUMN_NAMES, tape, strict=True)))


def levels_of(rows: pl.DataFrame, unit: int) -> Ints:
    """The book after each row, int64[rows, 2 sides (bid first), LEVELS, 2 (price in ticks, size)]; 0 where there is no level."""
    levels = rows.select(_SHOWN).to_numpy().reshape(-1, 2, LEVELS, 2).copy()
    signs = np.array([[1], [-1]])
    levels[..., 0] = c.ticks_away(levels[..., 0], unit, signs)[0]
    return levels


def opening_of(first: pl.DataFrame, unit: int, midnight: int) -> Events:
    """Anonymous blocks of the levels of a slice's first row, as message 0."""
    book = levels_of(first, unit)[0]
    half, level = np.nonzero(book[:, :, 1])
    ns = midnight + first["ns"][0]
    return opening_rows((ns, ns), schema.ROLL_IN, 0, 1 - 2 * half, *book[half, level].T)


@kernel
def touch_after(b: Packed, ids: Ids, key_of: Longs, tape: Columns, touch: Packed) -> None:
    """Replay a tape; `touch` int32[messages + 1, 2 sides, 2] takes price and lots of the best levels after each message."""
    _, _, seq, kind, order_id, side, price, qty, _ = tape
    for i in range(kind.shape[0]):
        apply_row(b, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
        for half in range(2):
            read_book(b, 1 - 2 * half, touch[seq[i], half, :1], touch[seq[i], half, 1:])


def verify_events(instrument: Instrument, events: Events, path: Path) -> Findings:
    """Replay a tape of a slice and compare its touch with the book that its CSV records after each event; findings by name.

    A difference is explained by orders of before where the file shows more, at a price beyond the levels with which the
    slice opened.

    Returns
    -------
    dict
        ``rows``; ``touch_equal`` of them, ``orders_of_before`` and ``unexplained``; ``first_mismatch`` (None, or row, side,
        expected and got as [price in ticks, size]), of the unexplained ones if there are any; ``explained``.

    Raises
    ------
    FeedError
        When there is no file of this slice.
    """
    with members([path]) as files:
        days = events_days(
            [member for member in files if fields_of(member)],
            FeedOptions(instrument.symbol, instrument.date),
        )
    if [day.rows.height - 1 for day in days] != [events.seq[-1]]:
        raise FeedError(
            f"the CSV of {events.seq[-1] + 1:,} events of {instrument.symbol} with the book after each",
            f"{[day.rows.height for day in days]} events in {path}",
            "give the file that was imported",
        )
    rows = days[0].rows
    levels = levels_of(rows, round(instrument.tick * UNITS_PER_DOLLAR))
    got = np.zeros((rows.height, 2, 2), np.int32)
    run_with_room(lambda b, ids, key_of: touch_after(b, ids, key_of, events.columns(), got))
    expected = levels[:, :, 0]
    signs = np.array([1, -1])
    better = (expected[:, :, 0] - got[:, :, 0]) * signs
    is_more = (better > 0) | ((better == 0) & (expected[:, :, 1] > got[:, :, 1]))
    is_deeper = (levels[0, :, -1, 0] - expected[:, :, 0]) * signs > 0
    wrong = (expected != got).any(axis=2)
    unexplained = wrong & ~(is_more & is_deeper & (levels[0, :, -1, 1] > 0))
    first = [
        {
            "row": int(rows[ROW][row]),
            "side": _SIDES[half][0],
            "expected": expected[row, half].tolist(),
            "got": got[row, half].tolist(),
        }
        for row, half in np.argwhere(unexplained if unexplained.any() else wrong)[:1].tolist()
    ]
    is_wrong = wrong.any(axis=1)
    is_unexplained = unexplained.any(axis=1)
    return {
        "rows": rows.height,
        "touch_equal": int((~is_wrong).sum()),
        "orders_of_before": int((is_wrong & ~is_unexplained).sum()),
        "unexplained": int(is_unexplained.sum()),
        "first_mismatch": first[0] if first else None,
        "explained": not unexplained.any(),
    }
