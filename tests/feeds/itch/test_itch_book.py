"""The books of all symbols: against the plain reader's orders, and against the book that the tape gives."""

from pathlib import Path

import numpy as np
from hypothesis import given, strategies as st
from tests.feeds.itch import itch_bytes as m
from tests.feeds.itch.twin import Twin

from tercel.feeds import itch_book as k, itch_kernels as f
from tercel.feeds.itch import ItchStore, run_chunks
from tercel.feeds.itch_book import ItchBooks, check_file, totals
from tercel.feeds.members import members


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
    base, n = books.sides[2 * locate + (side < 0), [k.S_BASE, k.S_N]].tolist()
    found = []
    for price, level in books.rungs[base : base + n].tolist()[::-1]:
        queue, slot = [], int(books.levels[level, k.L_HEAD])
        while slot >= 0:
            queue.append((refs[slot], int(store.orders[slot, f.O_SHARES])))
            slot = int(store.orders[slot, f.O_NEXT])
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
        assert int(store.w[f.ODD + f.ODDITIES.index(name)]) == twin.odd[name], name
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
