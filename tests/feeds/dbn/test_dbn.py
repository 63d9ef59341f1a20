# ruff: noqa: E402  (skips before what needs the library)
"""Databento files to tapes: against a plain book, Databento's own reader, and the real sets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zstandard

databento_dbn = pytest.importorskip("databento_dbn", reason="the extra [dbn] is not installed")

from hypothesis import given, strategies as st
from tests.feeds.dbn.dbn_twin import (
    DAY,
    LAST,
    MIDNIGHT,
    SNAPSHOT,
    TICK,
    Exchange,
    Plain,
    Record,
    metadata,
    operations,
    write,
)

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError, TercelError, UnknownNameError
from tercel.feeds import DbnFeed, Feed, FeedOptions, Imported, dbn, dbn_records as k
from tercel.feeds.dbn_records import words_of
from tercel.feeds.verify import verify_alone, verify_mbp10
from tercel.market.book import Book
from tercel.market.tape import schema, validate

STEADY = [
    ("add", "B", 2, 5, 0),
    ("add", "A", 2, 7, 1),
    ("add", "A", 2, 2, 1),
    ("trade", "B", 1, 3, 0),
    ("iceberg", "B", 1, 4, 0),
    ("cancel", "A", 1, 1, 0),
    ("modify", "B", 1, 2, 0),
    ("sweep", "A", 1, 2, 0),
    ("hidden", "B", 1, 5, 0),
    ("bare", "A", 1, 5, 0),
]


def played(operations: list[tuple[str, str, int, int, int]]) -> Exchange:
    made = Exchange()
    made.act("add", "B", 3, 4, 0)
    for what, side, depth, size, pick in operations:
        made.act(what, side, depth, size, pick)
    return made


def read(paths: list[Path], **options: object) -> Imported:
    (only,) = read_all(DbnFeed(), paths, FeedOptions(**options))  # type: ignore[arg-type]
    return only


class TestDbnKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return DbnFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return [write(tmp_path / "files" / "a.mbo.dbn", played(STEADY * 4).records)]


# -- oracle -----------------------------------------------------------------------------------------------------------


def queues(book: Book) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """Orders in priority by (side, price in 1e-9)."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for key, side, price, lots, _ in book.orders().tolist():
        found.setdefault(("B" if side > 0 else "A", price * TICK), []).append((key, lots))
    return found


@given(operations)
def test_after_each_event_the_book_is_what_the_changes_alone_make(
    operations: list[tuple[str, str, int, int, int]],
) -> None:
    made = played(operations)
    with TemporaryDirectory() as folder:
        day = read([write(Path(folder) / "a.dbn", made.records)], tick=0.25)
    validate(day.events, day.instrument)
    events, plain, book, at = day.events, Plain(), Book(orders=256, own=0), 0
    start = 0
    # the next tranche of an iceberg goes behind all others, which a plain reading of the M does not know
    refilled = any(what == "iceberg" for what, *_ in operations)

    def arranged(
        book: dict[tuple[str, int], list[tuple[int, int]]],
    ) -> dict[tuple[str, int], list[tuple[int, int]]]:
        return {where: sorted(queue) for where, queue in book.items()} if refilled else book

    for stop in made.ends:
        ts = made.records[stop - 1].ts
        if (
            made.records[start].flags & SNAPSHOT
        ):  # what a snapshot says holds at the time of the event before
            ts = made.records[max(start - 1, 0)].ts
        for record in made.records[start:stop]:
            plain.apply(record)
        rows = int(np.searchsorted(events.exch_ns, ts, "right"))
        book.apply(events, at, rows)
        at, start = rows, stop
        assert arranged(queues(book)) == arranged(plain.queues())
    assert at == events.n
    assert book.unknown_ids == 0
    assert book.duplicate_ids == 0


@given(operations)
def test_every_lot_that_rested_and_traded_is_an_execution_once(
    operations: list[tuple[str, str, int, int, int]],
) -> None:
    made = played(operations)
    with TemporaryDirectory() as folder:
        events = read([write(Path(folder) / "a.dbn", made.records)], tick=0.25).events
    shown = events.kind == schema.EXECUTE
    hidden = (events.kind == schema.TRADE_HIDDEN) & np.isin(
        events.price_ticks * TICK, [r.price for r in made.records]
    )
    bare = sum(
        r.size
        for r in made.records
        if r.action == "T" and r.price // TICK == 20_000 and r.order_id == 0
    )
    lots = int(events.qty_lots[shown].sum()) + int(
        events.qty_lots[events.kind == schema.TRADE_HIDDEN].sum()
    )
    assert lots == made.traded + bare
    assert hidden.sum() <= events.n


@given(operations, st.integers(1, 30))
def test_where_pieces_end_makes_no_difference(
    operations: list[tuple[str, str, int, int, int]], piece: int
) -> None:
    made = played(operations)
    words, others = words_of(b"".join(r.packed() for r in made.records), 0, "here")
    assert others == 0
    whole, report = dbn.translate(words, TICK, DAY, "here")
    ends = dbn.event_ends(words)
    assert [stop for _, stop in dbn.pieces(ends, 1)] == made.ends
    assert dbn.pieces(ends, piece)[-1][1] == len(words)
    cut, again = dbn.translate(words, TICK, DAY, "here", piece)
    assert cut == whole
    assert again.tolist() == report.tolist()


def test_databento_reads_the_same_records(tmp_path: Path) -> None:
    made = played(STEADY * 3)
    decoder = databento_dbn.DBNDecoder()
    decoder.write(write(tmp_path / "a.dbn", made.records).read_bytes())
    theirs = decoder.decode()[1:]
    words, _ = words_of(b"".join(r.packed() for r in made.records), 0, "here")
    assert len(theirs) == len(words)
    for record, mine in zip(theirs, words.tolist(), strict=True):
        body = mine[k.BODY]
        assert [record.ts_event, record.order_id, record.price, record.ts_recv] == [
            mine[k.TS_EVENT],
            mine[k.ORDER_ID],
            mine[k.PRICE],
            mine[k.TS_RECV],
        ]
        assert [record.size, int(record.flags), record.sequence, record.instrument_id] == [
            body & k.NO_SIZE,
            (body >> 32) & 255,
            mine[k.TAIL] >> 32,
            mine[k.HEAD] >> 32,
        ]
        assert str(record.action) + str(record.side) == chr((body >> 48) & 255) + chr(
            (body >> 56) & 255
        )


# -- examples ---------------------------------------------------------------------------------------------------------


def event(*records: Record, ts: int = MIDNIGHT + 10**9) -> list[Record]:
    for r in records:
        r.ts = r.ts or ts
    records[-1].flags |= LAST
    return list(records)


def rows(day: Imported) -> list[tuple[str, int, int, int]]:
    e = day.events
    names = [schema.KIND_NAMES[kind] for kind in e.kind.tolist()]
    return list(
        zip(names, e.order_id.tolist(), e.price_ticks.tolist(), e.qty_lots.tolist(), strict=True)
    )


def test_a_snapshot_opens_the_tape(tmp_path: Path) -> None:
    head = [
        replace(
            Record("A", "B", 100 * TICK, 5, 1, SNAPSHOT), ts=MIDNIGHT - 10**15, ts_recv=MIDNIGHT
        ),
        replace(
            Record("A", "A", 101 * TICK, 6, 2, SNAPSHOT | LAST),
            ts=MIDNIGHT - 10**14,
            ts_recv=MIDNIGHT,
        ),
    ]
    day = read(
        [write(tmp_path / "a.dbn", head + event(Record("C", "A", 101 * TICK, 6, 2)))], tick=0.25
    )
    validate(day.events, day.instrument)
    assert rows(day) == [("add", 1, 100, 5), ("add", 2, 101, 6), ("delete", 2, 101, 6)]
    assert day.events.seq.tolist() == [0, 0, 1]
    assert (day.events.flags & schema.OPENING != 0).tolist() == [True, True, False]
    assert day.events.exch_ns.tolist() == [MIDNIGHT, MIDNIGHT, MIDNIGHT + 10**9]


def test_the_aggressors_own_fill_and_its_withdrawal_are_no_execution(tmp_path: Path) -> None:
    """A resting bid is moved through the ask: its own F passes, its C at the old price is a withdrawal."""
    records = event(Record("A", "B", 100 * TICK, 1, 1))
    records += event(Record("A", "A", 101 * TICK, 1, 2), ts=MIDNIGHT + 2 * 10**9)
    records += event(
        Record("T", "B", 101 * TICK, 1, 1),
        Record("F", "B", 101 * TICK, 1, 1),
        Record("F", "A", 101 * TICK, 1, 2),
        Record("C", "B", 100 * TICK, 1, 1),
        Record("C", "A", 101 * TICK, 1, 2),
        ts=MIDNIGHT + 3 * 10**9,
    )
    day = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    assert rows(day)[2:] == [("execute", 2, 101, 1), ("delete", 1, 100, 1)]


def test_an_opening_auction_is_a_cross_after_quoting(tmp_path: Path) -> None:
    records = event(Record("A", "B", 101 * TICK, 5, 1))
    records += event(Record("A", "A", 100 * TICK, 6, 2), ts=MIDNIGHT + 2 * 10**9)
    records += event(
        Record("T", "N", 100 * TICK, 5, 0),
        Record("F", "N", 100 * TICK, 5, 1),
        Record("F", "N", 100 * TICK, 5, 2),
        Record("C", "B", 101 * TICK, 5, 1),
        Record("M", "A", 100 * TICK, 1, 2),
        ts=MIDNIGHT + 3 * 10**9,
    )
    records += event(Record("C", "A", 100 * TICK, 1, 2), ts=MIDNIGHT + 4 * 10**9)
    day = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    validate(day.events, day.instrument)
    assert [row[0] for row in rows(day)] == [
        *("status", "add", "add", "cross", "delete", "reduce", "status", "delete"),
    ]
    assert day.instrument.session_open_ns == MIDNIGHT + 3 * 10**9
    counts = verify_alone(day.events)
    assert (counts["crossed"], counts["crossed_not_trading"]) == (0, 1)


def test_what_is_odd_is_counted_and_told(tmp_path: Path) -> None:
    records = event(Record("A", "B", 100 * TICK, 5, 1))
    records += event(Record("C", "B", 100 * TICK, 5, 99), ts=MIDNIGHT + 2 * 10**9)
    records += event(Record("A", "B", 100 * TICK, 5, 1), ts=MIDNIGHT + 10**9)
    records += event(Record("A", "B", 2**63 - 1, 5, 3), ts=MIDNIGHT + 3 * 10**9)
    records[-2].flags |= 4
    day = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    validate(day.events, day.instrument)
    extra = day.instrument.extra
    assert [
        extra[n]
        for n in ("unknown_ids", "duplicate_ids", "maybe_bad_book", "clock_back", "undefined")
    ] == [1] * 5
    assert len(day.warnings) == 5
    assert verify_alone(day.events)["unknown_ids"] == 1


def test_several_instruments_and_frames_and_a_choice(tmp_path: Path) -> None:
    one, two = played(STEADY).records, played(STEADY[:5]).records
    for r in two:
        r.instrument = 8
    mixed = sorted(one + two, key=lambda r: (r.ts, r.instrument))
    plain = write(tmp_path / "a.dbn", mixed, {"ESH4": 7, "NQH4": 8})
    data = plain.read_bytes()
    press = zstandard.ZstdCompressor().compress
    packed = tmp_path / "b.dbn.zst"
    packed.write_bytes(press(data[:100]) + press(data[100:777]) + press(data[777:]))
    days = read_all(DbnFeed(), [packed], FeedOptions(tick=0.25))
    assert [day.instrument.symbol for day in days] == ["ESH4", "NQH4"]
    assert days[1].events == read([packed], symbol="8", tick=0.25).events
    assert days[0].events == read([write(tmp_path / "c.dbn", one)], tick=0.25).events
    with pytest.raises(UnknownNameError, match="ESH4, NQH4"):
        read([packed], symbol="CLF4")


def test_files_that_are_not_kept_in_memory_are_read_again(tmp_path: Path) -> None:
    records = played(STEADY * 3).records
    half = next(n for n in range(len(records) // 2, len(records)) if records[n - 1].flags & LAST)
    paths = [write(tmp_path / "b.dbn", records[half:]), write(tmp_path / "a.dbn", records[:half])]
    whole = read([write(tmp_path / "whole" / "c.dbn", records)], tick=0.25)
    for hold in (0, 56 * (half + 1), 1 << 30):
        (day,) = read_all(DbnFeed(hold), paths, FeedOptions(tick=0.25))
        assert day.events == whole.events
        assert day.instrument.source == ("a.dbn", "b.dbn")


def _cut(data: bytes) -> bytes:
    return data[:-20]


def _other_schema(data: bytes) -> bytes:
    return metadata({"ESH4": 7}, databento_dbn.Schema.OHLCV_1S)


def _no_dbn(data: bytes) -> bytes:
    return b"ts_event,price\n" + data


def _side(data: bytes) -> bytes:
    return data[:-56] + Record("A", "N", TICK, 1, 5, LAST, MIDNIGHT + 10**15 // 20).packed()


def _negative(data: bytes) -> bytes:
    return data[:-56] + Record("A", "B", -TICK, 1, 5, LAST, MIDNIGHT + 10**15 // 20).packed()


def _action(data: bytes) -> bytes:
    return data[:-56] + Record("Q", "B", TICK, 1, 5, LAST, MIDNIGHT + 10**15 // 20).packed()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_cut, "cut off"),
        (_other_schema, "schema mbo"),
        (_no_dbn, "DBN file"),
        (_side, "side N in record"),
        (_negative, "positive price"),
        (_action, "action Q in record"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], says: str) -> None:
    path = write(tmp_path / "a.dbn", played(STEADY).records)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(TercelError, match=says):
        read([path], tick=0.25)


# -- real sets --------------------------------------------------------------------------------------------------------


def test_es_from_its_snapshot(shared_data: Path) -> None:
    days = read_all(DbnFeed(), [shared_data / "databento-es-mbo"], FeedOptions())
    assert [(d.instrument.symbol, d.instrument.date, d.instrument.tick) for d in days] == [
        ("ESH4", "2023-12-24", 0.25),
        ("ESH4", "2023-12-25", 0.25),
    ]
    for day in days:
        validate(day.events, day.instrument)
        counts = verify_alone(day.events)
        assert counts["unknown_ids"] == counts["unknown_lots"] == counts["crossed"] == 0
    assert days[1].instrument.extra["records"] == 68_792
    assert verify_alone(days[1].events)["crossed_not_trading"] == 891
    assert days[1].instrument.session_open_ns == 1_703_545_200 * 10**9


def test_the_mbo_and_mbp10_pair_is_exact(shared_data: Path, tmp_path: Path) -> None:
    pair = shared_data / "databento-mbo-mbp10-pair"
    day = read([pair / "mbo.csv"])
    found = verify_mbp10(day.instrument, day.events, pair / "mbp.csv")
    assert found == {
        "rows": 3928,
        "levels": 10,
        "matched": 3928,
        "first_mismatch": None,
        "explained": True,
    }
    lines = (pair / "mbp.csv").read_text().splitlines()
    spoiled = lines[2000].split(",")
    spoiled[16] = str(int(spoiled[16] or 0) + 1)
    lines[2000] = ",".join(spoiled)
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    worse = verify_mbp10(day.instrument, day.events, tmp_path / "bad.csv")
    assert not worse["explained"]
    assert worse["first_mismatch"]["row"] == 2000
    with pytest.raises(FeedError, match="rtype 10"):
        read([pair / "mbp.csv"])
