"""ITCH files to tapes: against the plain reader, cut anywhere, and refused where they should be."""

import gzip
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, strategies as st
from tests.feeds.itch import itch_bytes as m
from tests.feeds.itch.twin import Row, Twin

from certify.kits.feed import FeedContract, read_all
from tercel.core.errors import FeedError
from tercel.feeds import Feed, FeedOptions, itch_kernels as f
from tercel.feeds.itch import ItchFeed, ItchStore, Staging, date_and_venue, run_chunks
from tercel.market.tape import schema
from tercel.market.tape.events import midnight_ns

DATE = "2019-01-30"
NAME = "01302019.NASDAQ_ITCH50"
SMALL = b"".join(
    (
        m.system("O", m.OPEN - 5),
        m.system("Q", m.OPEN),
        m.action(1, m.OPEN, "T"),
        m.add(1, m.OPEN + 1, 7, "B", 300, 10_000),
        m.add(1, m.OPEN + 2, 8, "S", 200, 10_200, b"GSCO"),
        m.add(2, m.OPEN + 2, 9, "S", 50, 990_000),
        m.executed(1, m.OPEN + 3, 7, 100),
        m.executed_at(1, m.OPEN + 4, 8, 50, True, 10_150),
        m.executed_at(1, m.OPEN + 5, 8, 50, False, 10_100),
        m.replaced(1, m.OPEN + 6, 7, 17, 250, 10_100),
        m.hidden(1, m.OPEN + 7, "B", 10, 10_150),
        m.cross(1, m.OPEN + 8, 1_000, 10_100, "O"),
        m.deleted(1, m.OPEN + 9, 17),
        m.system("M", m.OPEN + 1_000),
        m.system("C", m.OPEN + 2_000),
    )
)


def put(folder: Path, data: bytes, name: str = NAME) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def staged(
    data: bytes, cuts: list[int], picks: tuple[str, ...] = (), in_memory: int = 1 << 20
) -> tuple[ItchStore, Staging]:
    def pieces() -> Iterator[bytes]:
        edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
        for start, stop in pairwise(edges):
            yield data[start:stop]

    store, staging = ItchStore(picks), Staging(in_memory)
    run_chunks(pieces(), "here", store, staging)
    staging.close()
    return store, staging


def rows_of(store: ItchStore, staging: Staging) -> dict[str, list[Row]]:
    found = {}
    for locate in np.flatnonzero(staging.counts):
        rows = []
        for ns, key, lots_price, meta in staging.rows_of(int(locate)).tolist():
            kind, side, flags = (meta >> 16) & 255, ((meta >> 8) & 255) - 1, meta & 127
            price = lots_price & 0xFFFFFFFF
            if kind == schema.STATUS and price == 0xFFFFFFFF:
                price = -1
            rows.append(
                Row(ns, kind, key, side, price, lots_price >> 32, bool(flags & schema.MESSAGE_END))
            )
        found[f.unpacked_name(int(store.names[locate]))] = rows
    return found


class TestItchKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return ItchFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        return [put(tmp_path / "files", SMALL)]


# -- oracle -----------------------------------------------------------------------------------------------------------


@given(m.PLAYS, st.lists(st.integers(0, 5_000), max_size=6))
def test_rows_and_oddities_are_the_plain_readers(
    operations: list[tuple[int, tuple]], cuts: list[int]
) -> None:
    data = m.played(operations)
    twin = Twin().feed(data)
    store, staging = staged(data, cuts)
    assert rows_of(store, staging) == {name: rows for name, rows in twin.rows.items() if rows}
    odd = {
        name: int(store.w[f.ODD + i])
        for i, name in enumerate(f.ODDITIES)
        if name != "longer_messages"
    }
    assert odd == {name: twin.odd[name] for name in odd}
    assert int(store.w[f.LIVE]) == len(twin.orders)


@given(m.PLAYS)
def test_one_symbol_of_many_is_the_same(operations: list[tuple[int, tuple]]) -> None:
    """Picked symbols give the rows they give among all, unless a reference was used by two symbols at once."""
    data = m.played(operations)
    if Twin().feed(data).odd["duplicate_refs"]:
        return
    every = rows_of(*staged(data, []))
    for name in every:
        assert rows_of(*staged(data, [], (name,))) == {name: every[name]}


@given(m.PLAYS)
def test_rows_on_disk_are_the_rows_in_memory(operations: list[tuple[int, tuple]]) -> None:
    data = m.played(operations)
    assert rows_of(*staged(data, [], in_memory=0)) == rows_of(*staged(data, []))


# -- examples ---------------------------------------------------------------------------------------------------------


def test_every_kind_of_message_becomes_what_it_should(tmp_path: Path) -> None:
    days = read_all(ItchFeed(), [put(tmp_path, SMALL)], FeedOptions())
    assert [d.instrument.symbol for d in days] == ["AAA", "BB.C"]
    day = days[0]
    e, midnight = day.events, midnight_ns(DATE, "America/New_York")
    assert day.instrument.date == DATE
    assert day.instrument.tick == 0.01
    assert day.instrument.off_tick_rows == 2
    assert day.instrument.session_open_ns == midnight + m.OPEN
    assert day.instrument.session_close_ns == midnight + m.OPEN + 1_000
    s = schema
    kinds = [
        s.STATUS,
        s.ADD,
        s.ADD,
        s.EXECUTE,
        s.REDUCE,
        s.TRADE_HIDDEN,
        s.REDUCE,
        s.DELETE,
        s.ADD,
        s.TRADE_HIDDEN,
    ]
    assert e.kind.tolist() == [*kinds, s.CROSS, s.DELETE]
    assert e.order_id.tolist() == [0, 7, 8, 7, 8, 0, 8, 7, 17, 0, -1, 17]
    assert e.side.tolist() == [0, 1, -1, 1, -1, -1, -1, 1, 1, 0, 0, 1]
    assert e.price_ticks.tolist() == [1, 100, 102, 100, 102, 102, 102, 100, 101, 101, 101, 101]
    assert e.qty_lots.tolist() == [0, 300, 200, 100, 50, 50, 50, 200, 250, 10, 1_000, 250]
    assert e.seq.tolist() == [1, 2, 3, 4, 5, 5, 6, 7, 7, 8, 9, 10]


def test_hidden_trades_have_a_side_before_it_was_masked(tmp_path: Path) -> None:
    (day, _) = read_all(ItchFeed(), [put(tmp_path, SMALL, "01302014.NASDAQ_ITCH50")], FeedOptions())
    assert day.events.side[day.events.kind == schema.TRADE_HIDDEN].tolist() == [-1, 1]


def test_compressed_files_are_the_same(tmp_path: Path) -> None:
    plain = read_all(ItchFeed(), [put(tmp_path / "a", SMALL)], FeedOptions())
    (tmp_path / "b").mkdir()
    packed = [
        tmp_path / "b" / f"{NAME}.gz",
        tmp_path / "b" / f"{NAME}.zst",
        tmp_path / "b" / "x.zip",
    ]
    packed[0].write_bytes(gzip.compress(SMALL))
    packed[1].write_bytes(zstandard.compress(SMALL[:99]) + zstandard.compress(SMALL[99:]))
    with zipfile.ZipFile(packed[2], "w") as archive:
        archive.writestr(NAME, SMALL)
    for path in packed:
        for a, b in zip(plain, read_all(ItchFeed(), [path], FeedOptions()), strict=True):
            assert a.events == b.events


def test_names_say_day_and_venue() -> None:
    assert date_and_venue("20190130.BX_ITCH_50") == ("2019-01-30", "BX")
    assert date_and_venue("20190130.PSX_ITCH_50") == ("2019-01-30", "PSX")
    assert date_and_venue("S050721-v50.txt") == ("2021-05-07", "NASDAQ")


# -- bad input --------------------------------------------------------------------------------------------------------


def refused(folder: Path, data: bytes, **options: str) -> str:
    with pytest.raises(FeedError) as caught:
        read_all(ItchFeed(), [put(folder, data)], FeedOptions(**options))
    return str(caught.value)


def test_a_file_cut_in_the_middle_says_where(tmp_path: Path) -> None:
    told = refused(tmp_path, SMALL[:-3])
    assert "cut in message 15, 11 bytes from byte" in told
    (day, _) = read_all(ItchFeed(allow_cut=True), [tmp_path / NAME], FeedOptions())
    assert day.events.n == 12


@pytest.mark.parametrize("keep", range(1, 40))
def test_no_cut_is_silent(tmp_path: Path, keep: int) -> None:
    whole = {0}
    at = 0
    while at < len(SMALL):
        at += 2 + int.from_bytes(SMALL[at : at + 2], "big")
        whole.add(at)
    if keep not in whole:
        refused(tmp_path, SMALL[:keep])


def test_what_is_no_itch_is_refused_with_its_place(tmp_path: Path) -> None:
    assert "message type, which is a letter" in refused(tmp_path, SMALL + m.framed(b"\x01" * 20))
    assert "length 30" in refused(tmp_path, SMALL + m.framed(b"A" + bytes(29)))
    assert "message 16 at byte" in refused(tmp_path, SMALL + m.framed(b"A" + bytes(29)))
    assert "ns since midnight" in refused(tmp_path, SMALL + m.system("C", 90_000 * 10**9))
    assert "nothing after the length 0" in refused(tmp_path, SMALL + bytes(2) + b"x")
    mixed = m.message("H", 1, m.OPEN + 3_000, m.stock(2), b"T", b" ", b"    ")
    assert "stock AAA at locate 1" in refused(tmp_path, SMALL + mixed)
    assert "'NOPE'" in refused(tmp_path, SMALL, symbol="NOPE")
    lines = b"1,2,3\n4,5,6\n"
    with pytest.raises(FeedError):
        read_all(ItchFeed(), [put(tmp_path, lines, "x.itch")], FeedOptions(date=DATE))


def test_a_length_of_zero_ends_the_session(tmp_path: Path) -> None:
    days = read_all(ItchFeed(), [put(tmp_path, SMALL + bytes(64))], FeedOptions())
    assert len(days) == 2


def test_too_much_nonsense_is_refused(tmp_path: Path) -> None:
    orphans = b"".join(m.deleted(1, m.OPEN + 5_000, 10_000 + i) for i in range(200))
    assert "unknown refs 200 times in 215 messages" in refused(tmp_path, SMALL + orphans)


def test_a_date_is_needed_and_may_be_given(tmp_path: Path) -> None:
    path = put(tmp_path, SMALL, "feed.itch")
    with pytest.raises(FeedError, match="`date=YYYY-MM-DD`"):
        read_all(ItchFeed(), [path], FeedOptions())
    days = read_all(ItchFeed(), [path], FeedOptions(date=DATE, symbol="BB.C"))
    assert [d.instrument.key for d in days] == [("NASDAQ", "BB.C", DATE)]
