"""LOBSTER files made from a small full-depth book, and a slow replay of a tape: the oracle of the importer.

Written from LOBSTER's description alone, with Python dictionaries, so that it shares nothing with the kernels.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from tercel.market.tape import Events, schema

NAME = "TOY_2012-06-21_34200000_57600000"
EMPTY = {1: -9999999999, -1: 9999999999}
MIDDLE = 1000

operations = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6]),
        st.sampled_from([1, -1]),
        st.integers(1, 9),
        st.integers(1, 300),
        st.integers(0, 10**6),
    ),
    min_size=8,
    max_size=60,
)


@dataclass
class FullBook:
    """Orders by id: (side, price in cents, size)."""

    orders: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def levels(self, side: int) -> list[tuple[int, int]]:
        lots: defaultdict[int, int] = defaultdict(int)
        for s, price, size in self.orders.values():
            if s == side:
                lots[price] += size
        return sorted(lots.items(), key=lambda level: -side * level[0])

    def row(self, levels: int) -> list[int]:
        """What an orderbook file shows."""
        row: list[int] = []
        sides = {side: self.levels(side) for side in (-1, 1)}
        for k in range(levels):
            for side in (-1, 1):
                here = sides[side][k] if k < len(sides[side]) else None
                row += [here[0] * 100, here[1]] if here else [EMPTY[side], 0]
        return row


@dataclass
class History:
    """Message and orderbook rows of a file of some levels."""

    levels: int
    messages: list[list[object]]
    rows: list[list[int]]

    def write(self, folder: Path, book: bool = True) -> list[Path]:
        """Write the two files; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{NAME}_message_{self.levels}.csv"]
        files[0].write_text(lines(self.messages))
        if book:
            files.append(folder / f"{NAME}_orderbook_{self.levels}.csv")
            files[1].write_text(lines(self.rows))
        return files


def lines(rows: list[list[int]] | list[list[object]]) -> str:
    return "".join(",".join(str(x) for x in row) + "\n" for row in rows)


def history(
    operations: list[tuple[int, int, int, int, int]], levels: int, resting: int = 4
) -> History:
    """Play operations on a full book, and keep the messages that a file of `levels` shows."""
    book = FullBook()
    for k in range(resting):
        book.orders[1 + 2 * k] = (1, MIDDLE - 1 - 2 * k, 50 + k)
        book.orders[2 + 2 * k] = (-1, MIDDLE + 1 + 2 * k, 60 + k)
    made = History(levels, [], [])
    second = 34200.0
    for number, (kind, side, distance, size, pick) in enumerate(operations):
        before = book.row(levels)
        message = _play(book, kind, side, distance, size, pick, 1000 + number)
        if message is None or (message[0] < 5 and book.row(levels) == before):
            continue  # LOBSTER leaves out what happens beyond its levels
        second += (pick % 3) * 0.25
        made.messages.append([f"{second:.9f}", *message])
        made.rows.append(book.row(levels))
    return made


def _play(
    book: FullBook, kind: int, side: int, distance: int, size: int, pick: int, new_id: int
) -> list[int] | None:
    """One event on the full book; its message without the time, or None when it cannot happen."""
    if kind == 5:
        return [5, 0, size, MIDDLE * 100 + 50, side]
    if kind == 6:
        return [6, -1, size, MIDDLE * 100, -1]
    if kind == 1:
        far = book.levels(-side)
        price = (far[0][0] if far else MIDDLE + side) - side * distance
        book.orders[new_id] = (side, price, size)
        return [1, new_id, size, price * 100, side]
    mine = sorted(i for i, order in book.orders.items() if order[0] == side)
    if kind == 4 and book.levels(side):
        best = book.levels(side)[0][0]
        mine = [i for i in mine if book.orders[i][1] == best][:1]
    if not mine:
        return None
    chosen = mine[pick % len(mine)]
    _, price, held = book.orders[chosen]
    lots = held if kind == 3 else min(size, held - (kind == 2))
    if lots <= 0:
        return None
    book.orders[chosen] = (side, price, held - lots)
    if held == lots:
        del book.orders[chosen]
    return [kind, chosen, lots, price * 100, side]


def replayed_rows(events: Events, levels: int, tick: int = 100) -> list[list[int]]:
    """Replay a tape slowly: the book row after each message, in the units of the file; the book may not hold more."""
    lots: dict[int, dict[int, int]] = {1: {}, -1: {}}
    rows = []
    for i in range(events.n):
        kind, side, price = (
            int(events.kind[i]),
            int(events.side[i]),
            int(events.price_ticks[i]) * tick,
        )
        qty, flags = int(events.qty_lots[i]), int(events.flags[i])
        if kind in (schema.ADD, schema.ROLL_IN):
            assert kind == schema.ADD or price not in lots[side]
            lots[side][price] = lots[side].get(price, 0) + qty
        elif kind == schema.ROLL_OUT:
            assert lots[side].pop(price) == qty
        elif kind in (schema.REDUCE, schema.DELETE, schema.EXECUTE):
            lots[side][price] -= qty
            assert lots[side][price] >= 0
            if lots[side][price] == 0:
                del lots[side][price]
        if flags & schema.MESSAGE_END and not flags & schema.OPENING:
            rows.append(_shown(lots, levels))
    return rows


def _shown(lots: dict[int, dict[int, int]], levels: int) -> list[int]:
    row: list[int] = []
    for k in range(levels):
        for side in (-1, 1):
            best = sorted(lots[side], key=lambda p: -side * p)
            row += [best[k], lots[side][best[k]]] if k < len(best) else [EMPTY[side], 0]
    assert all(len(held) <= levels for held in lots.values())
    return row
