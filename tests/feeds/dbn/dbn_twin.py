"""Databento records made from a small exchange, and a plain reading of them: the oracle of the importer.

Written from Databento's description alone, with Python dictionaries, so that it shares nothing with the kernels.
"""

import struct
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import databento_dbn
from hypothesis import strategies as st

DAY = "2024-03-05"
MIDNIGHT = 1_709_596_800 * 10**9
TICK = 250_000_000
LAST, SNAPSHOT, MAYBE_BAD = 128, 32, 4
_RECORD = struct.Struct("<BBHIQQqIBBccQiI")
assert _RECORD.size == 56

operations = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "add",
                "add",
                "add",
                "cancel",
                "modify",
                "trade",
                "sweep",
                "iceberg",
                "bare",
                "hidden",
                "clear",
            ]
        ),
        st.sampled_from("BA"),
        st.integers(1, 6),
        st.integers(1, 9),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=40,
)


@dataclass
class Record:
    """One record before it is packed."""

    action: str
    side: str
    price: int
    size: int
    order_id: int
    flags: int = 0
    ts: int = 0
    sequence: int = 0
    instrument: int = 7
    ts_recv: int = 0

    def packed(self) -> bytes:
        return _RECORD.pack(
            14, 0xA0, 1, self.instrument, self.ts, self.order_id, self.price, self.size, self.flags, 0,
            self.action.encode(), self.side.encode(), self.ts_recv or self.ts + 100, 0, self.sequence,
        )  # fmt: skip


@dataclass
class Plain:
    """The book as Databento's guide builds it: `A`, `C`, `M`, `R` change it, `T` and `F` do not; priority kept."""

    orders: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    """By id: side, price, size; insertion order is priority."""

    def apply(self, r: Record) -> None:
        if r.action == "R":
            self.orders.clear()
        elif r.action == "A":
            self.orders.pop(r.order_id, None)
            self.orders[r.order_id] = (r.side, r.price, r.size)
        elif r.action == "C" and r.order_id in self.orders:
            side, price, size = self.orders[r.order_id]
            if r.size >= size:
                del self.orders[r.order_id]
            else:
                self.orders[r.order_id] = (side, price, size - r.size)
        elif r.action == "M":
            side, price, size = self.orders.get(r.order_id, (r.side, -1, 0))
            if r.price != price or r.size > size:
                self.orders.pop(r.order_id, None)
            self.orders[r.order_id] = (side, r.price, r.size)

    def queues(self) -> dict[tuple[str, int], list[tuple[int, int]]]:
        """(side, price) to (id, size) in priority."""
        found: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        for key, (side, price, size) in self.orders.items():
            found[side, price].append((key, size))
        return dict(found)

    def best(self, side: str) -> int | None:
        prices = [price for s, price, _ in self.orders.values() if s == side]
        return (max if side == "B" else min)(prices) if prices else None


@dataclass
class Exchange:
    """Makes records that make sense, and keeps the book that they must give."""

    book: Plain = field(default_factory=Plain)
    records: list[Record] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Number of records after each event."""
    traded: int = 0
    """Lots that resting orders traded as fills."""
    next_id: int = 1000
    clock: int = MIDNIGHT + 3600 * 10**9
    sequence: int = 1

    def event(self, parts: list[Record]) -> None:
        if not parts:
            return
        self.clock += 1000
        self.sequence += 1
        for r in parts:
            r.ts = self.clock
            r.sequence = self.sequence
            self.book.apply(r)
        parts[-1].flags |= LAST
        self.records += parts
        self.ends.append(len(self.records))

    def act(self, what: str, side: str, depth: int, size: int, pick: int) -> None:
        other = "A" if side == "B" else "B"
        mine = [key for key, (s, _, _) in self.book.orders.items() if s == side]
        if what == "add":
            far = self.book.best(other)
            middle = 20_000 if far is None else far // TICK
            price = (middle - depth if side == "B" else middle + depth) * TICK
            self.next_id += 1
            self.event([Record("A", side, price, size, self.next_id)])
        elif what == "cancel" and mine:
            key = mine[pick % len(mine)]
            _, price, have = self.book.orders[key]
            self.event([Record("C", side, price, min(size, have), key)])
        elif what == "modify" and mine:
            key = mine[pick % len(mine)]
            _, price, _ = self.book.orders[key]
            worse = -TICK if side == "B" else TICK
            self.event([Record("M", side, price + worse * (pick % 2), size, key)])
        elif what in ("trade", "sweep", "iceberg"):
            self._trade(side, other, size if what != "sweep" else 4 * size, what == "iceberg")
        elif what == "clear":
            self._clear(pick % 2 == 0)
        elif what == "bare":
            self.event([Record("T", side, 20_000 * TICK, size, 0)])
        elif what == "hidden":
            self.event([Record("T", "N", 20_000 * TICK + 1, size, 0)])

    def _clear(self, again: bool) -> None:
        """The book is emptied, and sent again as a snapshot or not."""
        parts = [Record("R", "N", 2**63 - 1, 0, 0, SNAPSHOT if again else 0)]
        if again:
            parts += [
                Record("A", s, p, q, key, SNAPSHOT) for key, (s, p, q) in self.book.orders.items()
            ]
        self.event(parts)

    def _trade(self, side: str, other: str, size: int, iceberg: bool) -> None:
        """An aggressor of `side` takes what rests on the other side, best first; then come the changes."""
        best = sorted(
            ((price if side == "B" else -price, n, key, price, have))
            for n, (key, (s, price, have)) in enumerate(self.book.orders.items())
            if s == other
        )
        fills: list[Record] = []
        changes: list[Record] = []
        self.next_id += 1
        for _, _, key, price, have in best:
            if size == 0:
                break
            take = min(size, have)
            size -= take
            more = 2 if iceberg and take == have else 0
            fills += [
                Record("T", side, price, take + more, self.next_id),
                Record("F", other, price, take + more, key),
            ]
            self.traded += take + more
            if more:
                changes.append(Record("M", other, price, 3, key))
            elif take == have:
                changes.append(Record("C", other, price, take, key))
            else:
                changes.append(
                    Record(
                        "M" if key % 2 else "C", other, price, have - take if key % 2 else take, key
                    )
                )
        self.event(fills + changes)


def metadata(
    symbols: dict[str, int], schema: databento_dbn.Schema = databento_dbn.Schema.MBO
) -> bytes:
    start = date.fromisoformat(DAY)
    stop = date(start.year, start.month, start.day + 1)
    mappings = [
        SimpleNamespace(
            raw_symbol=name,
            intervals=[SimpleNamespace(start_date=start, end_date=stop, symbol=str(number))],
        )
        for name, number in symbols.items()
    ]
    made = databento_dbn.Metadata(
        dataset="GLBX.MDP3", start=MIDNIGHT, stype_in=databento_dbn.SType.RAW_SYMBOL,
        stype_out=databento_dbn.SType.INSTRUMENT_ID, schema=schema, symbols=list(symbols), mappings=mappings,
    )  # fmt: skip
    return bytes(made)


def write(path: Path, records: list[Record], symbols: dict[str, int] | None = None) -> Path:
    """A DBN file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(metadata(symbols or {"ESH4": 7}) + b"".join(r.packed() for r in records))
    return path
