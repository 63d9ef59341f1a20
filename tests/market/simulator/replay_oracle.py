"""A slow market that says the rules of replay in plain Python, and small consistent tapes for it.

:class:`ReplayOracle` is the seven rules over dictionaries and lists, sharing nothing with the kernels;
:class:`RandomTape` writes tapes of a true book that is seen through a window of levels or whole.
"""

import random
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    CROSS,
    DELETE,
    EXECUTE,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
)

Longs = NDArray[np.int64]
Level = tuple[int, int]
"""Side and price."""


# -- a small consistent tape ------------------------------------------------------------------------------------------


class RandomTape:
    """Rows of a tape whose true book is known to nobody but this class.

    Parameters
    ----------
    rng : random.Random
    messages : int
        Things that happen in the true book; those outside the window write no row.
    levels : int
        Levels of the feed's window, 0 for a full feed.
    """

    def __init__(self, rng: random.Random, messages: int, levels: int = 0) -> None:
        self.rng, self.levels = rng, levels
        self.book: dict[Level, dict[int, int]] = {}  # level -> order -> lots, in priority order
        self.slot: dict[int, int] = {}  # orders that the feed knows
        self.blocks: dict[Level, int] = {}
        self.free: list[int] = []
        self.used = self.next_id = self.now = self.halted = 0
        self.rows: list[tuple[int, ...]] = []
        for _ in range(6):
            self._add()
        self.rows, self.free, self.used = [], [], 0
        self.slot = {}
        self.shown: set[Level] = set()
        self._window(None)
        for _ in range(messages):
            self.now += rng.choice((0, 1, 1, 7))
            self._message()

    def array(self) -> Longs:
        """int64 (n, 6) rows as kernels read them."""
        return np.array(self.rows, np.int64).reshape(-1, sim.TAPE_WORDS)

    def _row(self, kind: int, slot: int, side: int, price: int, lots: int) -> None:
        self.rows.append((self.now, kind, slot, side, price, lots))

    def _take_slot(self) -> int:
        if self.free and self.rng.random() < 0.8:
            return self.free.pop()
        self.used += 1
        return self.used - 1

    def _prices(self, side: int) -> list[int]:
        return sorted((p for s, p in self.book if s == side), reverse=side > 0)

    def _window(self, added: Level | None) -> None:
        now = {(s, p) for s in (1, -1) for p in self._prices(s)[: self.levels or None]}
        for level in sorted(self.shown - now):
            if level in self.book:
                self._row(ROLL_OUT, -1, *level, 0)
            for order in [o for o in self.book.get(level, {}) if o in self.slot]:
                self.free.append(self.slot.pop(order))
            if level in self.blocks:
                self.free.append(self.blocks.pop(level))
        for level in sorted(now - self.shown - {added}):
            self.blocks[level] = self._take_slot()
            self._row(ROLL_IN, self.blocks[level], *level, sum(self.book[level].values()))
        self.shown = now

    def _message(self) -> None:
        u = self.rng.random()
        if u < 0.45 or not self.book:
            self._window(self._add())
        elif u < 0.70:
            self._withdraw()
            self._window(None)
        elif u < 0.90:
            if not self.halted:
                self._execute()
            self._window(None)
        elif u < 0.94:
            self._row(TRADE_HIDDEN, -1, self.rng.choice((1, -1)), self.rng.randint(985, 1015), 9)
        elif u < 0.96:
            self._row(CROSS, -1, 0, self.rng.randint(985, 1015), 99)
        elif u < 0.99 or self.levels:
            self.halted = 1 - self.halted
            self._row(STATUS, -1, 0, self.rng.choice((-1, 0)) if self.halted else 1, 0)
        else:
            self._row(CLEAR, -1, 0, 0, 0)
            self.book, self.slot, self.blocks, self.shown = {}, {}, {}, set()
            self.free = []

    def _add(self) -> Level:
        side = self.rng.choice((1, -1))
        far = self._prices(-side)
        price = self.rng.randint(994, 1006)
        if far and (price - far[0]) * side >= 0:
            price = far[0] - side * self.rng.randint(1, 3)
        level = (side, price)
        self.book.setdefault(level, {})[self.next_id] = lots = self.rng.randint(1, 9)
        if price in self._prices(side)[: self.levels or None]:
            self.slot[self.next_id] = self._take_slot()
            self._row(ADD, self.slot[self.next_id], side, price, lots)
        self.next_id += 1
        return level

    def _remove(self, level: Level, order: int, lots: int, kind: int) -> None:
        if level in self.shown:
            self._row(kind, self.slot.get(order, -1), *level, lots)
        self.book[level][order] -= lots
        if self.book[level][order] == 0:
            del self.book[level][order]
            if order in self.slot:
                self.free.append(self.slot.pop(order))
        if not self.book[level]:
            del self.book[level]

    def _withdraw(self) -> None:
        level = self.rng.choice(sorted(self.book))
        order = self.rng.choice(sorted(self.book[level]))
        have = self.book[level][order]
        lots = self.rng.randint(1, have)
        self._remove(level, order, lots, DELETE if lots == have else REDUCE)

    def _execute(self) -> None:
        side = self.rng.choice((1, -1))
        lots = self.rng.randint(1, 14)
        while lots and (prices := self._prices(side)):
            level = (side, prices[0])
            order, have = next(iter(self.book[level].items()))
            self._remove(level, order, min(lots, have), EXECUTE)
            lots -= min(lots, have)
            self._window(None)


# -- the rules of replay, said plainly --------------------------------------------------------------------------------


@dataclass(eq=False)
class Entry:
    """Something in a queue: a tape order (its slot), an anonymous block, or an own order (its number)."""

    what: str
    key: int
    lots: int
    frozen: float | None = None
    """(own, out of the feed's window) public lots ahead when the window lost them; inf: never known."""


@dataclass
class ReplayOracle:
    """A tape with an agent's orders in it, event by event.

    Parameters
    ----------
    rows : list
        (ns, kind, slot, side, price, lots).
    side : int
        Of the agent.
    levels : int
        The feed's window, 0 for a full feed.
    theirs : bool
        Whether trades at an own order's price stay the tape's (the other bound of rule 6).
    """

    rows: list[tuple[int, ...]]
    side: int
    levels: int = 0
    theirs: bool = False
    now: int = 0
    halted: bool = False
    double: int = 0
    unfilled: int = 0
    mid2: int = 0
    queues: dict[Level, list[Entry]] = field(default_factory=dict)
    where: dict[int, Level] = field(default_factory=dict)
    flying: list[tuple[Any, ...]] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)
    pending: dict[int, int] = field(default_factory=dict)
    fills: list[tuple[int, ...]] = field(default_factory=list)
    """(ns, own number, price, lots, passive, mid2, touch2)"""
    _aggressor: tuple[int, int, int] = (-1, 0, 0)

    def run_to(self, due: int) -> bool:
        """Advance to a decision that falls due at `due`, or after the halt that it falls in; False: never."""
        while True:
            flow = self.rows[0][0] if self.rows else FOREVER_NS
            command = (
                max(self.flying[0][0], self.now) if self.flying and not self.halted else FOREVER_NS
            )
            decision = max(due, self.now) if not self.halted else FOREVER_NS
            if min(flow, command, decision) == FOREVER_NS:
                return False
            if flow <= command and flow <= decision:
                self.now = flow
                self._feed(*self.rows.pop(0)[1:])
                self._mid()
            elif command <= decision:
                self.now = command
                self._arrive(*self.flying.pop(0)[1:])
                self._mid()
            else:
                self.now = decision
                return True

    # what can be seen

    def levels_of(self, side: int, public: bool = True) -> list[int]:
        """Occupied prices of a side, best first."""
        prices = (
            p
            for (s, p), q in self.queues.items()
            if s == side and any(not public or e.what != "own" for e in q)
        )
        return sorted(prices, reverse=side > 0)

    def public(self) -> dict[Level, int]:
        """Lots of others by level."""
        totals = {
            level: sum(e.lots for e in q if e.what != "own") for level, q in self.queues.items()
        }
        return {level: lots for level, lots in totals.items() if lots}

    def own(self) -> dict[int, tuple[int, int, float]]:
        """Resting own orders: number -> price, lots, lots ahead (inf: unknown)."""
        found = {}
        for (_, price), queue in self.queues.items():
            for at, entry in enumerate(queue):
                if entry.what == "own":
                    ahead: float = sum(e.lots for e in queue[:at] if e.what == "own")
                    public = sum(e.lots for e in queue[:at] if e.what != "own")
                    ahead += public if entry.frozen is None else entry.frozen
                    found[entry.key] = (price, entry.lots, ahead)
        return found

    def _mid(self) -> None:
        bids, asks = self.levels_of(1), self.levels_of(-1)
        if bids and asks:
            self.mid2 = bids[0] + asks[0]

    # the tape

    def _feed(self, kind: int, slot: int, side: int, price: int, lots: int) -> None:
        if kind == STATUS:
            self.halted = price != 1
        elif kind == ADD:
            left = lots - self._hit_own(side, price, lots)
            for entry in self.queues.get((side, price), []) if left else []:
                entry.frozen = None
            self._rest(Entry("tape", slot, left), side, price)
            self.where[slot] = (side, price)
        elif kind == EXECUTE:
            if not self.halted:
                self._meets(-side)
                self.double += self._hit_queue(side, price, lots)
            self._lose(slot, side, price, lots, front=True)
        elif kind in (REDUCE, DELETE):
            self._lose(slot, side, price, lots, front=False)
        elif kind == ROLL_OUT:
            self._roll_out(side, price)
        elif kind == ROLL_IN:
            self._roll_in(side, price, lots - self._hit_own(side, price, lots))
        elif kind == CLEAR:
            for level in list(self.queues):
                self._keep(level, [e for e in self.queues[level] if e.what == "own"])
                for entry in self.queues.get(level, []):
                    entry.frozen = None

    def _meets(self, side: int) -> int:
        """The mid that an aggressor of `side` met: of its first row."""
        if self._aggressor[:2] != (self.now, side):
            self._aggressor = (self.now, side, self.mid2)
        return self._aggressor[2]

    def _rest(self, entry: Entry, side: int, price: int) -> None:
        if entry.lots:
            self.queues.setdefault((side, price), []).append(entry)

    def _keep(self, level: Level, entries: list[Entry]) -> None:
        kept = [e for e in entries if e.lots]
        if kept:
            self.queues[level] = kept
        else:
            self.queues.pop(level, None)

    def _fill(self, entry: Entry, price: int, lots: int, mid2: int) -> None:
        entry.lots -= lots
        self.open[entry.key] -= lots
        self.fills.append((self.now, entry.key, price, lots, 1, mid2, 2 * price))

    def _own_levels(self, side: int) -> list[int]:
        prices = (
            p for (s, p), q in self.queues.items() if s == side and any(e.what == "own" for e in q)
        )
        return sorted(prices, reverse=side > 0)

    def _hit_own(self, side: int, price: int, lots: int) -> int:
        """Rule 3: what would cross own orders fills them, best first."""
        done = 0
        for own in self._own_levels(-side):
            if (own - price) * -side < 0:
                break
            for entry in [e for e in self.queues[-side, own] if e.what == "own"]:
                take = min(entry.lots, lots - done)
                if take:
                    self._fill(entry, own, take, self._meets(side))
                    done += take
            self._keep((-side, own), self.queues[-side, own])
        self.double += done
        return done

    def _hit_queue(self, side: int, price: int, lots: int) -> int:
        """Rule 2: own orders at better prices, then those at the price with nothing ahead."""
        done = 0
        for own in self._own_levels(side):
            if (own - price) * side < 0 or (self.theirs and own == price):
                break
            for entry in list(self.queues[side, own]):
                if entry.what != "own":
                    if own == price:
                        break
                    continue
                if own == price and entry.frozen:
                    break
                take = min(entry.lots, lots - done)
                if take:
                    self._fill(entry, own, take, self._meets(-side))
                    done += take
                if entry.lots and own == price:
                    break
            self._keep((side, own), self.queues[side, own])
        return done

    def _lose(self, slot: int, side: int, price: int, lots: int, front: bool) -> None:
        """Rule 1: a tape order loses at most what the agent has left of it; unknown ones come out of the block."""
        level = self.where.get(slot, (side, price)) if slot >= 0 else (side, price)
        queue = self.queues.get(level, [])
        if slot >= 0:
            victims = [e for e in queue if e.what == "tape" and e.key == slot]
        else:
            victims = [e for e in queue if e.what == "block"]
            victims = victims if front else victims[::-1]
        for entry in victims:
            take = min(lots, entry.lots)
            entry.lots -= take
            lots -= take
        self._keep(level, queue)

    def _roll_out(self, side: int, price: int) -> None:
        public = 0
        for entry in self.queues.get((side, price), []):
            if entry.what != "own":
                public += entry.lots
            elif entry.frozen is None:
                entry.frozen = public
        self._keep(
            (side, price), [e for e in self.queues.get((side, price), []) if e.what == "own"]
        )

    def _roll_in(self, side: int, price: int, lots: int) -> None:
        queue: list[Entry] = []
        placed = 0
        for entry in self.queues.get((side, price), []):
            if entry.frozen is not None:
                front = int(min(max(entry.frozen - placed, 0), lots - placed))
                if front:
                    queue.append(Entry("block", -1, front))
                placed += front
                entry.frozen = None
            queue.append(entry)
        queue.append(Entry("block", -1, lots - placed))
        self._keep((side, price), queue)

    # the agent

    def send(
        self, delay: int, what: str, number: int, price: int, lots: int, immediate: bool = False
    ) -> None:
        """A command leaves: "new" or "cancel"."""
        at = max(self.now + delay, self.flying[-1][0] if self.flying else 0)
        self.flying.append((at, what, number, price, lots, immediate))
        if what == "new":
            self.open[number], self.pending[number] = lots, 0
        else:
            self.pending[number] += lots

    def _arrive(self, what: str, number: int, price: int, lots: int, immediate: bool) -> None:
        if what == "cancel":
            self.pending[number] -= lots
            for level, queue in list(self.queues.items()):
                for entry in queue:
                    if entry.what == "own" and entry.key == number:
                        dead = min(lots, entry.lots)
                        entry.lots -= dead
                        self.open[number] -= dead
                self._keep(level, queue)
            return
        side, mid2 = self.side, self.mid2
        far = self.levels_of(-side)
        touch2 = 2 * far[0] if far else 0
        for at in far:
            if (at - price) * side > 0:
                break
            for entry in list(self.queues[-side, at]):
                take = min(lots, entry.lots)
                if take:
                    entry.lots -= take
                    lots -= take
                    self.open[number] -= take
                    self.fills.append((self.now, number, at, take, 0, mid2, touch2))
                self._keep((-side, at), self.queues[-side, at])
                self._mid()
        if immediate:
            self.open[number] -= lots
        elif lots:
            seen = self.levels_of(side)[: self.levels] if self.levels else []
            outside = self.levels > 0 and len(seen) == self.levels and (price - seen[-1]) * side < 0
            self._rest(Entry("own", number, lots, inf if outside else None), side, price)
