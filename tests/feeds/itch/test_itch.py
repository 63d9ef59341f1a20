"""ITCH files to tapes and books: against the plain reader, cut anywhere, refused where they should be, and real samples."""

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
from tercel.feeds import (
    Feed,
    FeedOptions,
    itch_book_kernels,
    itch_format,
    itch_state,
)
from tercel.feeds.itch import ItchFeed, date_and_venue
from tercel.feeds.itch_book import ItchBooks, check_file, totals
from tercel.feeds.itch_pass import ItchStore, Staging, run_chunks
from tercel.feeds.members import members
from tercel.market.book import Book
from tercel.market.tape import schema
from tercel.market.tape.local_times import midnight_ns

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
    for locate in np.flatnonzero(store.names):
        rows = []
        for ns, key, lots_price, meta in staging.rows_of(int(locate)).tolist():
            kind, side, flags = (meta >> 16) & 255, ((meta >> 8) & 255) - 1, meta & 127
            price = lots_price & 0xFFFFFFFF
            if kind == schema.STATUS and price == 0xFFFFFFFF:
                price = -1
            rows.append(
                Row(ns, kind, key, side, price, lots_price >> 32, bool(flags & schema.MESSAGE_END))
            )
        found[itch_format.unpacked_name(int(store.names[locate]))] = rows
    return {stock: rows for stock, rows in found.items() if rows}


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
        name: int(store.w[itch_state.ODD + i])
        for i, name in enumerate(itch_state.ODDITIES)
        if name != "longer_messages"
    }
    assert odd == {name: twin.odd[name] for name in odd}
    assert int(store.w[itch_state.LIVE]) == len(twin.orders)


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


@pytest.mark.parametrize("keep", [1, 2, 3, 13, 15, 16, 38, 39])
def test_no_cut_is_silent(tmp_path: Path, keep: int) -> None:
    """The first two messages are of 14 bytes each."""
    refused(tmp_path, SMALL[:keep])


def test_what_is_no_itch_is_refused_with_its_place(tmp_path: Path) -> None:
    mixed = m.message("H", 1, m.OPEN + 3_000, m.stock(2), b"T", b" ", b"    ")
    for more, said in (
        (m.framed(b"\x01" * 20), "message type, which is a letter"),
        (m.framed(b"A" + bytes(29)), "length 30"),
        (m.framed(b"A" + bytes(29)), "message 16 at byte"),
        (m.system("C", 90_000 * 10**9), "ns since midnight"),
        (bytes(2) + b"x", "nothing after the length 0"),
        (mixed, "stock AAA at locate 1"),
    ):
        assert said in refused(tmp_path, SMALL + more)
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


def booked(data: bytes, cut: int = 0) -> tuple[ItchStore, ItchBooks]:
    store, books = ItchStore(), ItchBooks()
    cut %= len(data) + 1
    run_chunks(iter((data[:cut], data[cut:])), "here", store, books)
    return store, books


def references(store: ItchStore) -> dict[int, int]:
    """Of every order that lives, by its slot."""
    return {slot: ref for ref, slot in store.table[store.table[:, 1] >= 0].tolist()}


def side_of(
    books: ItchBooks, store: ItchStore, locate: int, side: int, refs: dict[int, int]
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Levels of a side, best first: price in dollars x 10,000 and the queue as (reference, shares)."""
    base, n = books.sides[
        2 * locate + (side < 0), [itch_book_kernels.S_BASE, itch_book_kernels.S_N]
    ].tolist()
    found = []
    for price, level in books.rungs[base : base + n].tolist()[::-1]:
        queue, slot = [], int(books.levels[level, itch_book_kernels.L_HEAD])
        while slot >= 0:
            queue.append((refs[slot], int(store.orders[slot, itch_state.O_SHARES])))
            slot = int(store.orders[slot, itch_state.O_NEXT])
        found.append((price & 0xFFFFFFFF, queue))
    return found


def plain_queues(twin: Twin) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
    """(locate, side, price) -> references and shares in order of arrival (a dict keeps the order of insertion)."""
    found: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for ref, (locate, side, shares, price) in twin.orders.items():
        if price:
            found.setdefault((locate, side, price), []).append(
                (ref - 2**64 if ref >= 2**63 else ref, shares)
            )
    return found


class Ordered(Twin):
    """A duplicate goes to the end of the queue, as in the books."""

    def _new(self, locate: int, ref: int, side: int, shares: int, price: int) -> bool:
        before = self.orders.get(ref)
        if 0 < shares < 2**30 and before is not None:
            self.odd["duplicate_refs"] += 1
            del self.orders[ref]
        return super()._new(locate, ref, side, shares, price)


@given(m.PLAYS, st.integers(0, 5_000))
def test_books_are_the_plain_readers(operations: list[tuple[int, tuple]], cut: int) -> None:
    data = m.played(operations)
    twin = Ordered().feed(data)
    store, books = booked(data, cut)
    found, refs = {}, references(store)
    for locate in range(1, 4):
        for side in (1, -1):
            levels = side_of(books, store, locate, side, refs)
            prices = [price for price, _ in levels]
            assert prices == sorted(prices, reverse=side > 0)
            found |= {(locate, side, price): queue for price, queue in levels}
    assert found == plain_queues(twin)
    for name in ("clock_back", "unknown_refs", "duplicate_refs", "beyond_left", "unknown_types"):
        assert int(store.w[itch_state.ODD + itch_state.ODDITIES.index(name)]) == twin.odd[name], (
            name
        )
    for check in books.check(store):
        assert check.conserved


def test_many_levels_move_and_stay_sorted() -> None:
    """Stretches outgrow their room again and again; deep levels are found by halving."""
    rng = np.random.default_rng(5)
    prices = rng.permutation(3_000) + 1
    data = [m.add(1, m.OPEN, i + 1, "B", 10, int(p)) for i, p in enumerate(prices)]
    data += [m.add(2, m.OPEN, i + 10_001, "S", 10, int(p)) for i, p in enumerate(prices)]
    gone = rng.permutation(3_000)[:1_500] + 1
    data += [m.deleted(1, m.OPEN, int(i)) for i in gone]
    store, books = booked(b"".join(data))
    left = sorted(
        (int(p) for i, p in enumerate(prices, start=1) if i not in set(gone.tolist())), reverse=True
    )
    refs = references(store)
    assert [price for price, _ in side_of(books, store, 1, 1, refs)] == left
    assert [price for price, _ in side_of(books, store, 2, -1, refs)] == list(range(1, 3_001))


def test_crossed_locked_and_out_of_turn_are_counted(tmp_path: Path) -> None:
    data = b"".join(
        (
            m.add(1, m.OPEN, 1, "B", 10, 10_000),
            m.add(1, m.OPEN, 2, "B", 10, 10_000),
            m.add(1, m.OPEN, 3, "S", 10, 10_000),  # locked
            m.action(1, m.OPEN, "H"),
            m.add(1, m.OPEN, 4, "S", 10, 9_900),  # crossed while halted
            m.deleted(1, m.OPEN, 4),  # locked while halted
            m.action(1, m.OPEN, "T"),
            m.deleted(1, m.OPEN, 3),
            m.executed(1, m.OPEN, 2, 5),  # not the first in its queue
            m.add(1, m.OPEN, 5, "B", 10, 10_100),
            m.executed(1, m.OPEN, 1, 5),  # not at the best price
        )
    )
    (tmp_path / "x.itch").write_bytes(data)
    with members([tmp_path / "x.itch"]) as found:
        counts, (check,) = check_file(found[0])
    assert counts.messages == 11
    assert (check.crossed, check.locked, check.crossed_off, check.locked_off) == (0, 1, 1, 1)
    assert (check.off_head, check.off_best) == (1, 1)
    assert (check.added, check.executed, check.withdrawn, check.resting) == (50, 10, 20, 20)
    assert (check.bid, check.ask) == (1.01, 0.0)
    assert totals([check])["resting"] == 20


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "nasdaq-itch50-sample"


def test_the_heads_hold_what_their_notes_say(folder: Path) -> None:
    with members([folder / "head40k.itch", folder / "head4k.itch"]) as found:
        whole, _ = check_file(found[0])
        cut, _ = check_file(found[1], allow_cut=True)
    assert (whole.messages, whole.types) == (1_000, {"S": 1, "R": 993, "H": 3, "Y": 3})
    assert (cut.messages, cut.cut_bytes, cut.types) == (101, 15, {"S": 1, "R": 98, "H": 1, "Y": 1})


def test_the_synthetic_sample_is_read_alike_by_three(folder: Path) -> None:
    """Compiled rows, the plain reader's rows, and the books of bytes and of tapes; its random book is crossed."""
    path = folder / "sample.NASDAQ_ITCH50"
    twin = Twin().feed(path.read_bytes())
    with members([path]) as found:
        counts, checks = check_file(found[0])
    assert counts.types == {"S": 6, "R": 3, "A": 4_328, "E": 1_182, "X": 823, "D": 1_667}
    assert counts.odd == {}
    for day, check in zip(
        read_all(ItchFeed(), [path], FeedOptions(date=DATE, tick=0.0001)), checks, strict=True
    ):
        rows = twin.rows[day.instrument.symbol]
        assert [(r.kind, r.order_id, r.side, r.price, r.lots) for r in rows] == list(
            zip(*(c.tolist() for c in day.events.columns()[3:8]), strict=True)
        )
        book = Book(orders=1 << 13, own_orders=0)
        book.apply(day.events)
        assert (book.best_bid, book.best_ask) == (
            round(check.bid * 10_000),
            round(check.ask * 10_000),
        )
        assert book.unknown_ids == 0
        assert check.conserved
        assert check.crossed > 0


def test_the_crosses_of_a_day_come_back(folder: Path, tmp_path: Path) -> None:
    """17,430 real crosses, written as Q and imported: times, shares, prices and kinds of each."""
    want, out, stocks = {}, [], {}
    for line in (folder / "crosses_01302019-Q.csv").read_text().split():
        _, locate, _, seconds, shares, stock, price, _, kind = line.split(",")
        whole, part = seconds.split(".")
        ns = int(whole) * 10**9 + int(part.ljust(9, "0"))
        units = round(float(price) * 10_000)
        stocks[int(locate)] = stock
        want.setdefault(stock, []).append((ns, int(shares), units, kind))
        body = ((int(shares), 8), stock.encode().ljust(8), (units, 4), (1, 8), kind.encode())
        out.append((ns, m.message("Q", int(locate), ns, *body)))
    assert len(out) == 17_430
    path = tmp_path / "01302019.NASDAQ_ITCH50"
    path.write_bytes(b"".join(data for _, data in sorted(out, key=lambda x: x[0])))
    days = read_all(ItchFeed(), [path], FeedOptions(tick=0.0001))
    assert len(days) == len(want) == 8_713
    kinds = {"O": -1, "C": -2, "H": -3}
    for day in days:
        e = day.events
        assert (e.kind == schema.CROSS).all()
        found = np.stack(
            [e.exch_ns - e.exch_ns[0], e.qty_lots, e.price_ticks, e.order_id], axis=1
        ).tolist()
        rows = sorted(want[day.instrument.extra["stock"]])
        assert found == [
            [ns - rows[0][0], shares, units, kinds[kind]] for ns, shares, units, kind in rows
        ]
