"""Tapes written as ITCH and read back are the same tapes, byte for byte."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.feeds.itch.twin import Twin

from benchmarks.itch_garnish import garnished
from benchmarks.itch_plain import messages
from certify.itch_write import write_itch
from certify.kits.feed import read_all
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import FeedOptions
from tercel.feeds.itch import ItchFeed
from tercel.feeds.itch_book import check_file
from tercel.feeds.members import members
from tercel.market.book import Book
from tercel.market.flow import load
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument, schema, validate
from tercel.market.tape.events import content_hash, midnight_ns

DATE = "2019-01-30"
NAME = "01302019.NASDAQ_ITCH50"
MIDNIGHT = midnight_ns(DATE, "America/New_York")
OPEN = 34_200 * NS_PER_SECOND


def day_of(
    symbol: str, events: Events, first_id: int, tick: float = 0.01
) -> tuple[Instrument, Events]:
    """Events from time 0 as a day that starts at the open."""
    events.exch_ns[:] += MIDNIGHT + OPEN
    events.recv_ns[:] = events.exch_ns
    events.order_id[events.order_id > 0] += first_id
    opened = MIDNIGHT + OPEN
    instrument = Instrument(
        "NASDAQ",
        symbol,
        DATE,
        tick,
        rows=events.n,
        session_open_ns=opened,
        session_close_ns=opened + 10**13,
    )
    validate(events, instrument)
    return instrument, events


def simulated(symbol: str, preset: str, seed: int) -> tuple[Instrument, Events]:
    """A day of a preset in which the rows that simulators do not make are added by hand."""
    made = simulated_day(load(preset), seed, seconds=300.0, warmup_s=5.0)
    return day_of(symbol, with_rare_rows(made), seed * 10**9)


def with_rare_rows(e: Events) -> Events:
    """Hidden trades, crosses, halts, replaces (a DELETE and an ADD in one message), partial fills printed elsewhere."""
    columns = {name: [] for name, _ in schema.COLUMNS}
    seq = 0
    rng = np.random.default_rng(1)
    live: dict[int, int] = {}

    def put(
        ns: int, kind: int, key: int, side: int, price: int, lots: int, last: bool = True
    ) -> None:
        row = (ns, ns, seq, kind, key, side, price, lots, schema.MESSAGE_END if last else 0)
        for name, value in zip(columns, row, strict=True):
            columns[name].append(value)

    new = 10**7
    rows = zip(
        *(c.tolist() for c in (e.exch_ns, e.kind, e.order_id, e.side, e.price_ticks, e.qty_lots)),
        strict=True,
    )
    for ns, kind, key, side, price, given in rows:
        lots = given
        seq += 1
        if kind == schema.ADD:
            live[key] = lots
        elif key in live:
            lots = live[key] if kind == schema.DELETE else lots
            live[key] -= lots
        draw = rng.integers(0, 60)
        if kind == schema.DELETE and draw < 20:
            new += 1
            put(ns, kind, key, side, price, lots, last=False)
            put(ns, schema.ADD, new, side, price, 7)
            seq += 1
            put(ns, schema.DELETE, new, side, price, 7)
            continue
        if kind == schema.DELETE and draw < 25 and lots > 1:
            put(ns, schema.REDUCE, key, side, price, 1)
            seq += 1
            lots -= 1
        if kind == schema.EXECUTE and draw < 20:
            put(ns, schema.REDUCE, key, side, price, lots, last=False)
            put(ns, schema.TRADE_HIDDEN, 0, side, price - side, lots)
            continue
        put(ns, kind, key, side, price, lots)
        if draw in (50, 51, 52):
            seq += 1
            put(ns, schema.TRADE_HIDDEN, 0, 0, price, 3)
        elif draw == 53:
            seq += 1
            put(ns, schema.CROSS, -int(rng.integers(1, 5)), 0, price, 5_000)
        elif draw == 54:
            for status in (-1, 0, 1):
                seq += 1
                put(ns, schema.STATUS, 0, 0, status, 0)
    return Events.from_columns(columns)


@pytest.fixture(scope="module")
def days() -> list[tuple[Instrument, Events]]:
    return [
        simulated("AAA", "csco-santa-fe", 1),
        simulated("BBB", "amzn-santa-fe", 2),
        simulated("CCC", "ibm-santa-fe", 3),
    ]


def write_garnished(path: Path, days: list[tuple[Instrument, Events]]) -> int:
    """Write a file that has all that a real one has; its messages."""
    write_itch(path, days)
    data, n = garnished(path.read_bytes())
    path.write_bytes(data)
    return n


@pytest.mark.parametrize("garnish", [False, True])
def test_the_round_trip_is_exact(
    days: list[tuple[Instrument, Events]], garnish: bool, tmp_path: Path
) -> None:
    n = (write_garnished if garnish else write_itch)(tmp_path / NAME, days)
    feed = ItchFeed()
    back = read_all(feed, [tmp_path / NAME], FeedOptions(tick=0.01))
    (counts,) = feed.files
    assert counts.messages == n
    assert counts.odd == {}
    if garnish:
        assert set("SRHYLVWKJhAFECXDUPQBINO") == set(counts.types)
    for (instrument, events), day in zip(days, back, strict=True):
        for (name, _), a, b in zip(
            schema.COLUMNS, events.columns(), day.events.columns(), strict=True
        ):
            np.testing.assert_array_equal(b, a, err_msg=name)
        assert content_hash(day.instrument, day.events) == content_hash(instrument, events)
        assert (day.instrument.session_open_ns, day.instrument.session_close_ns) == (
            instrument.session_open_ns, instrument.session_close_ns,
        )  # fmt: skip


def test_the_plain_reader_sees_the_same_messages(
    days: list[tuple[Instrument, Events]], tmp_path: Path
) -> None:
    n = write_garnished(tmp_path / NAME, days)
    data = (tmp_path / NAME).read_bytes()
    assert sum(1 for _ in messages(data)) == n
    twin = Twin().feed(data)
    for instrument, events in days:
        rows = twin.rows[instrument.symbol]
        assert [r.kind for r in rows] == events.kind.tolist()
        assert [r.order_id for r in rows] == events.order_id.tolist()
        assert [r.lots for r in rows] == events.qty_lots.tolist()


def test_the_books_of_the_bytes_are_the_books_of_the_tapes(
    days: list[tuple[Instrument, Events]], tmp_path: Path
) -> None:
    write_garnished(tmp_path / NAME, days)
    with members([tmp_path / NAME]) as found:
        _, checks = check_file(found[0])
    for (instrument, events), check in zip(days, checks, strict=True):
        book = Book(orders=1 << 14, own=0)
        book.apply(events)
        assert check.symbol == instrument.symbol
        assert check.conserved
        assert check.bid == pytest.approx(book.best_bid * 0.01)
        assert check.ask == pytest.approx(book.best_ask * 0.01)
        assert check.crossed == check.locked == 0


def test_what_itch_cannot_say_is_refused(
    days: list[tuple[Instrument, Events]], tmp_path: Path
) -> None:
    instrument, events = days[0]
    with pytest.raises(TapeError, match="shared"):
        write_itch(tmp_path / "x", [days[0], (replace(instrument, symbol="DDD"), events)])
    with pytest.raises(TapeError, match="8 letters"):
        write_itch(tmp_path / "x", [(replace(instrument, symbol="TOOLONGNAME"), events)])
    other = Events(*(c.copy() for c in events.columns()))
    other.kind[0] = schema.LEVEL_SET
    with pytest.raises(TapeError, match="message for"):
        write_itch(tmp_path / "x", [(instrument, other)])
