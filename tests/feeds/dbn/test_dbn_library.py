# ruff: noqa: E402  (skips before what needs the library)
"""What Databento's own library writes and reads, beside the importer: definitions, other records, ten levels."""

import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zstandard

databento_dbn = pytest.importorskip("databento_dbn", reason="the extra [dbn] is not installed")

from hypothesis import given
from tests.feeds.dbn.dbn_twin import MIDNIGHT, TICK, Plain, Record, metadata, operations, write
from tests.feeds.dbn.test_dbn import STEADY, played, read

from certify.kits.feed import read_all
from tercel.core.errors import ConfigError
from tercel.feeds import DbnFeed, FeedOptions
from tercel.feeds.verify import verify_mbp10
from tercel.market.book import Book


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
    plain, ours, at, events = Plain(), Book(own=0), 0, 0
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
