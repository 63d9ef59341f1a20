"""Readers of exports in plain Python, written from the formats' descriptions: books of dictionaries, fed event by event."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

ADD, CANCEL, MODIFY, CLEAR, DEPTH = "add", "cancel", "modify", "clear", "depth"
Event = tuple[str, int, int, int, int]
"""What, id, side, ticks, lots."""
HFTBACKTEST = {10: ADD, 11: CANCEL, 12: MODIFY, 3: CLEAR, 1: DEPTH}


class PlainBook:
    """Orders by id, or lots by level; each level's queue in order of arrival."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self.levels: dict[tuple[int, int], int] = {}

    def apply(self, event: Event) -> None:
        """One event; ids that are not there, or there already, are errors."""
        what, name, side, ticks, lots = event
        if what == CLEAR:
            self.orders.clear()
            self.levels.clear()
        elif what == DEPTH:
            self.levels[side, ticks] = lots
        elif what == ADD:
            assert name not in self.orders
            self.orders[name] = [side, ticks, lots]
        elif what == CANCEL:
            del self.orders[name]
        else:
            old = self.orders[name]
            new = [side, ticks, lots]
            if new[:2] != old[:2] or lots > old[2]:
                del self.orders[name]  # to the end of the queue
            self.orders[name] = new

    def queues(self) -> dict[tuple[int, int], list[int]]:
        """Lots of the orders at each level, in priority."""
        found = defaultdict(list)
        for side, ticks, lots in self.orders.values():
            found[side, ticks].append(lots)
        return dict(found)

    def totals(self) -> dict[tuple[int, int], int]:
        """Lots at each level."""
        sums = {level: sum(lots) for level, lots in self.queues().items()}
        return sums | {level: lots for level, lots in self.levels.items() if lots}


def of_hftbacktest(data: Iterable, tick: float, lot: float, mark: int) -> Iterator[Event]:
    """Events of the records with a mark (of exchange or trader); trades, fills and records of no event are left out."""
    for ev, _, _, px, qty, name, _, _ in data:
        if ev & mark and ev & 0xFF in HFTBACKTEST:
            side = 1 if ev & 1 << 29 else -1 if ev & 1 << 28 else 0
            yield HFTBACKTEST[ev & 0xFF], name, side, round(px / tick), round(qty / lot)


def of_nautilus(columns: dict, tick: float, lot: float) -> Iterator[Event]:
    """Events of the deltas of a catalog: L2 where no delta has an id."""
    has_queues = bool(columns["order_id"][columns["action"] == 1].any())
    for action, side, price, size, name in zip(
        *(columns[key].tolist() for key in ("action", "side", "price", "size", "order_id")),
        strict=True,
    ):
        if action:
            what = {1: ADD, 2: MODIFY, 3: CANCEL, 4: CLEAR}[action]
            what = what if has_queues or what == CLEAR else DEPTH
            ticks, lots = (
                round(int.from_bytes(raw, "little", signed=True) / 1e16 / unit)
                for raw, unit in ((price, tick), (size, lot))
            )
            yield what, name, {1: 1, 2: -1, 0: 0}[side], ticks, 0 if action == 3 else lots
