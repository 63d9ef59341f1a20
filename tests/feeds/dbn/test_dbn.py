# ruff: noqa: E402  (skips before what needs the library)
"""Databento files to tapes: against a plain book, Databento's own reader, its ten levels, and the real sets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zstandard

databento_dbn = pytest.importorskip("databento_dbn", reason="the extra [dbn] is not installed")

import struct
import sys

import pytest
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
from tercel.core.errors import ConfigError, TercelError, UnknownNameError
from tercel.feeds import DbnFeed, Feed, FeedOptions, Imported, dbn_day
from tercel.feeds.dbn_records import decode_records
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_mbp10 import verify_mbp10
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
    events, plain, book, at = day.events, Plain(), Book(orders=256, own_orders=0), 0
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
    bare = sum(
        r.size
        for r in made.records
        if r.action == "T" and r.price // TICK == 20_000 and r.order_id == 0
    )
    lots = int(events.qty_lots[shown].sum()) + int(
        events.qty_lots[events.kind == schema.TRADE_HIDDEN].sum()
    )
    assert lots == made.traded + bare


@given(operations, st.integers(1, 30))
def test_where_pieces_end_makes_no_difference(
    operations: list[tuple[str, str, int, int, int]], piece: int
) -> None:
    made = played(operations)
    words, others = decode_records(b"".join(r.packed() for r in made.records), 0, "here")
    assert others == 0
    whole, report = dbn_day.translate(words, TICK, DAY, "here")
    ends = dbn_day.event_ends(words)
    assert [stop for _, stop in dbn_day.pieces(ends, 1)] == made.ends
    assert dbn_day.pieces(ends, piece)[-1][1] == len(words)
    cut, again = dbn_day.translate(words, TICK, DAY, "here", piece)
    assert cut == whole
    assert again.tolist() == report.tolist()


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


ODD = Record("A", "B", TICK, 1, 5, LAST, MIDNIGHT + 10**15 // 20)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:-20], "cut off"),
        (lambda data: metadata({"ESH4": 7}, databento_dbn.Schema.OHLCV_1S), "of the schema"),
        (lambda data: b"ts_event,price\n" + data, "DBN file"),
        (lambda data: data[:-56] + replace(ODD, side="N").packed(), "side N in record"),
        (lambda data: data[:-56] + replace(ODD, price=-TICK).packed(), "positive price"),
        (lambda data: data[:-56] + replace(ODD, action="Q").packed(), "action Q in record"),
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


# ruff: noqa: E402  (skips before what needs the library)


def definition(number: int, increment: int) -> bytes:
    return bytes(
        databento_dbn.InstrumentDefMsg(
            1, number, MIDNIGHT, MIDNIGHT, increment, 10**9, "ESH4", "ES", "FUT",
            databento_dbn.InstrumentClass.FUTURE, databento_dbn.SecurityUpdateAction.ADD,
        )
    )  # fmt: skip


def test_a_definition_gives_the_tick(tmp_path: Path) -> None:
    records = played(STEADY).records
    write(tmp_path / "files" / "a.mbo.dbn", records)
    head = metadata({"ESH4": 7}, databento_dbn.Schema.DEFINITION)
    (tmp_path / "files" / "b.definition.dbn").write_bytes(head + definition(7, 50_000_000))
    day = read([tmp_path / "files"])
    assert (day.instrument.tick, day.instrument.tick_rule) == (0.05, "definition")
    assert read([tmp_path / "files"], tick=0.125).instrument.tick == 0.125


def test_records_of_other_kinds_are_passed_over_and_counted(tmp_path: Path) -> None:
    """A live file has mappings, definitions and system messages between the orders."""
    records = played(STEADY * 2).records
    plain = read([write(tmp_path / "a.dbn", records)], tick=0.25)
    parts = [r.packed() for r in records]
    parts.insert(5, definition(7, TICK))
    parts.insert(9, bytes(databento_dbn.SystemMsg(MIDNIGHT, "Heartbeat")))
    mixed = tmp_path / "mixed.dbn"
    mixed.write_bytes(metadata({"ESH4": 7}) + b"".join(parts))
    day = read([mixed], tick=0.25)
    assert day.events == plain.events
    assert day.instrument.extra["other_records"] == 2


# -- ten levels -------------------------------------------------------------------------------------------------------

_HEAD = struct.Struct("<BBHIQqIccBBQiI")
_LEVEL = struct.Struct("<qqIIII")
UNDEFINED = 2**63 - 1


def mbp10(book: Plain, r: Record) -> bytes:
    """The mbp-10 record of a state, as the format's description lays it out."""
    head = _HEAD.pack(
        92, 0x0A, 1, r.instrument, r.ts, r.price, r.size, r.action.encode(), r.side.encode(), r.flags, 0,
        r.ts + 100, 0, r.sequence,
    )  # fmt: skip
    sides = []
    for side in "BA":
        levels: dict[int, list[int]] = {}
        for s, price, size in book.orders.values():
            if s == side:
                levels.setdefault(price, []).append(size)
        best = sorted(levels.items(), reverse=side == "B")[:10]
        sides.append(
            [(p, sum(q), len(q)) for p, q in best] + [(UNDEFINED, 0, 0)] * (10 - len(best))
        )
    return head + b"".join(
        _LEVEL.pack(b[0], a[0], b[1], a[1], b[2], a[2]) for b, a in zip(*sides, strict=True)
    )


@given(operations)
def test_ten_levels_after_each_event_are_those_of_a_plain_book(
    operations: list[tuple[str, str, int, int, int]],
) -> None:
    made, book, start, packed = played(operations), Plain(), 0, b""
    for stop in made.ends:
        for record in made.records[start:stop]:
            book.apply(record)
        start = stop
        packed += mbp10(book, made.records[stop - 1])
    with TemporaryDirectory() as name:
        folder = Path(name)
        day = read([write(folder / "a.dbn", made.records)], tick=0.25)
        theirs = folder / "b.mbp-10.dbn.zst"
        theirs.write_bytes(
            zstandard.compress(metadata({"ESH4": 7}, databento_dbn.Schema.MBP_10) + packed)
        )
        found = verify_mbp10(day.instrument, day.events, theirs)
    assert found["matched"] == found["rows"] == len(made.ends)
    assert found["explained"]


def test_databento_reads_our_ten_levels() -> None:
    """The layout that the check reads is the library's."""
    book, record = Plain(), Record("A", "B", 100 * TICK, 5, 1, ts=MIDNIGHT + 5, sequence=3)
    book.apply(record)
    decoder = databento_dbn.DBNDecoder()
    decoder.write(metadata({"ESH4": 7}, databento_dbn.Schema.MBP_10) + mbp10(book, record))
    _, found = decoder.decode()
    level = found.levels[0]
    assert (found.ts_event, found.sequence) == (MIDNIGHT + 5, 3)
    assert (level.bid_px, level.bid_sz, level.bid_ct, level.ask_px) == (100 * TICK, 5, 1, UNDEFINED)


# -- real set ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_es_through_databentos_reader_and_a_plain_book(shared_data: Path) -> None:
    """Orders and lots at every price, after every 500th event of the day, are those of a book of dictionaries."""
    path = shared_data / "databento-es-mbo" / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    (day,) = read_all(DbnFeed(), [path], FeedOptions())
    data, raw = path.read_bytes(), b""
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        raw += frame.decompress(data)
        data = frame.unused_data
    decoder = databento_dbn.DBNDecoder()
    decoder.write(raw)
    plain, ours, at, events = Plain(), Book(own_orders=0), 0, 0
    for theirs in decoder.decode()[1:]:
        record = Record(
            str(theirs.action),
            str(theirs.side),
            theirs.price,
            theirs.size,
            theirs.order_id,
            int(theirs.flags),
        )
        plain.apply(record)
        events += record.flags >> 7
        if not record.flags & 128 or events % 500:
            continue
        rows = int(np.searchsorted(day.events.exch_ns, theirs.ts_event, "right"))
        if record.flags & 32:  # the snapshot: all rows of the opening
            rows = int(np.count_nonzero(day.events.seq == 0))
        ours.apply(day.events, at, rows)
        at = max(at, rows)
        expected = sorted(
            (n, 1 if s == "B" else -1, p // TICK, q) for n, (s, p, q) in plain.orders.items()
        )
        assert sorted(map(tuple, ours.orders()[:, :4].tolist())) == expected
    assert events == 47_021 + 1


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.dbn", played(STEADY).records)
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    with pytest.raises(ConfigError, match=r"tercel\[dbn\]"):
        read([path])
