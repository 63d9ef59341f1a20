"""A venue of two legs that is hostile to a pair: delays, messages out of order, rejects, partial fills, halts, a link
that goes. It knows nothing of `tercel.execution.pairs` but its orders, and counts what is unhedged by its own fills.
"""

import heapq
from collections import namedtuple
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from tercel.core.orders import Listing
from tercel.execution.pairs import LegBook, PairOrder, PairTerms, PairView, Role, decide

MS = 10**6
LONGEST = 400 * MS
"""The longest a message takes, one way."""
Fill = namedtuple("Fill", "ns px qty")
FIRST = (Role.QUOTE, Role.FLATTEN)


@dataclass
class Order:
    """An order as the venue has it."""

    name: str
    role: Role
    lots: int
    price: int | None
    side: int
    filled: int = 0
    over: bool = False
    arrived: bool = False

    @property
    def leg(self):
        return 0 if self.role in FIRST else 1


@dataclass
class Heard:
    """An order as its owner knows it: `most` is what may fill of it in all."""

    role: Role
    price: int | None
    most: int
    booked: int = 0
    over: bool = False
    cancelling: bool = False


@dataclass
class Twin:
    """The venue, the way to it, and the books of who is there."""

    terms: PairTerms
    random: Random
    hostile: float = 1.0
    now: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    fills: list = field(default_factory=list)
    waiting: list = field(default_factory=list)
    halted: list = field(default_factory=lambda: [False, False])
    link: bool = True
    number: int = 0
    blocked_ns: int = 0
    closing: bool = False
    mids: list = field(default_factory=lambda: [1000, 1000])
    half: list = field(default_factory=lambda: [1, 1])
    depth: list = field(default_factory=lambda: [20, 20])
    seen: set = field(default_factory=set)
    decision: object = None

    # -- messages: (time, number, function, arguments), each with a delay of its own
    def post(self, act, *what):
        self.number += 1
        late = self.random.choice((1, 5, 40, 400)) * MS if self.hostile else 5 * MS
        heapq.heappush(self.waiting, (self.now + late, self.number, act, what))

    def book(self, leg):
        mid, half, lots = self.mids[leg], self.half[leg], self.depth[leg]
        levels = range(3)
        return LegBook(
            [(mid - half - j, lots) for j in levels if lots],
            [(mid + half + j, lots) for j in levels if lots],
            not self.halted[leg],
        )

    def reply(self, act, *what):
        self.post(act, *what)

    # -- the venue
    def on_order(self, name):
        order = self.orders[name]
        order.arrived = True
        refuses = self.hostile and self.random.random() < 0.15 * self.hostile
        if order.over:
            return
        if self.halted[order.leg] or refuses:
            order.over = True
            self.obstructed(order)
            self.reply(self.hear_over, name, 0)
            return
        self.match(order)
        if order.price is None and not order.over:
            if order.filled < order.lots:
                self.obstructed(order)
            order.over = True
            self.reply(self.hear_over, name, order.filled)

    def obstructed(self, order):
        """The first leg could not be traded just now through no fault of the pair's."""
        if order.leg == 0:
            self.blocked_ns = self.now

    def match(self, order):
        book = self.book(order.leg)
        room = order.lots - order.filled
        for price, lots in book.asks if order.side > 0 else book.bids:
            if order.price is not None and order.side * price > order.side * order.price:
                break
            taken = min(lots, room)
            if self.hostile and self.random.random() < 0.3:
                taken = self.random.randint(0, taken)
            self.fill(order, price, taken)
            room -= taken

    def fill(self, order, price, lots):
        lots = min(lots, order.lots - order.filled)
        if lots < 1 or order.over:
            return
        order.filled += lots
        self.fills.append((self.now, order.role, price, lots))
        self.number += 1
        self.reply(self.hear_fill, order.name, self.number, price, lots)
        if order.filled == order.lots:
            order.over = True
            self.reply(self.hear_over, order.name, order.filled)

    def on_cancel(self, name):
        order = self.orders[name]
        if order.over:
            return
        if not order.arrived:
            self.post(self.on_cancel, name)
        elif self.halted[order.leg] and self.deaf:
            self.reply(self.hear_refused, name)
        else:
            order.over = True
            self.reply(self.hear_over, name, order.filled)

    deaf = False
    """Whether a halted leg refuses cancels."""

    # -- who is there
    def hear_fill(self, name, number, price, lots):
        if number in self.seen:
            return
        self.seen.add(number)
        heard = self.heard[name]
        heard.booked += lots
        self.booked.append((self.now, heard.role, price, lots))

    booked: list = None

    def hear_over(self, name, filled):
        self.heard[name].most = filled
        self.heard[name].over = True

    def hear_refused(self, name):
        self.heard[name].cancelling = False

    def view(self):
        filled = {role: Fraction(0) for role in Role}
        for _, role, _, lots in self.booked:
            filled[role] += lots
        open_ = [
            PairOrder(one.role, one.most - one.booked, one.price, name, one.cancelling or one.over)
            for name, one in self.heard.items()
            if one.most > one.booked or not one.over
        ]
        quotes = [
            Fill(ns, price, lots) for ns, role, price, lots in self.booked if role is Role.QUOTE
        ]
        return PairView(self.now, self.book(0), self.book(1), filled, quotes, open_, self.closing)

    def turn(self):
        """Ask the pair, and send what it says as far as there is a link."""
        self.decision = decision = decide(self.terms, self.view())
        if not self.link:
            return
        for name in decision.cancel:
            self.heard[name].cancelling = True
            self.post(self.on_cancel, name)
        side = self.terms.side
        for order in decision.send:
            name = f"o{len(self.orders)}"
            goes = side if order.role in (Role.QUOTE, Role.UNWIND) else -side
            self.orders[name] = Order(name, order.role, order.lots, order.price, goes)
            self.heard[name] = Heard(order.role, order.price, order.lots)
            self.post(self.on_order, name)

    # -- what happens
    def step(self, ns):
        """Time passes: messages arrive, each followed by a turn."""
        until = self.now + ns
        while self.waiting and self.waiting[0][0] <= until:
            at, number, act, what = heapq.heappop(self.waiting)
            if not self.link and act.__name__.startswith("hear"):
                heapq.heappush(self.waiting, (until + 5 * MS, number, act, what))
                break
            self.now = max(self.now, at)
            act(*what)
            self.turn()
            self.check()
        self.now = until
        self.turn()
        self.check()

    def happen(self):
        """Something happens to the market, the legs or the link."""
        random = self.random
        leg, what = random.randrange(2), random.random()
        if what < 0.35:
            self.mids[leg] += random.randint(-2, 2)
            for order in self.orders.values():
                if order.leg == leg and order.arrived and not order.over and not self.halted[leg]:
                    self.match(order)
        elif what < 0.65:
            rest = [o for o in self.orders.values() if o.arrived and not o.over and o.leg == leg]
            if rest and not self.halted[leg]:
                order = random.choice(rest)
                self.fill(order, order.price, random.randint(1, order.lots))
        elif what < 0.75:
            self.depth[leg] = random.choice((0, 1, 3, 20, 200))
        elif what < 0.85 and self.hostile:
            self.halted[leg] = not self.halted[leg]
        elif what < 0.9 and self.hostile:
            self.link = not self.link
        if self.halted[0] or not self.link or self.depth[0] < 20:
            self.blocked_ns = self.now

    # -- what has to hold
    def gap(self, rows):
        """Lots of the first leg unhedged, by fills."""
        sums = {role: sum(row[3] for row in rows if row[1] is role) for role in Role}
        hedged = (sums[Role.HEDGE] - sums[Role.UNWIND]) / self.terms.ratio
        return sums[Role.QUOTE] - sums[Role.FLATTEN] - hedged

    def check(self):
        terms, gap = self.terms, self.gap(self.fills)
        alive = [order for order in self.orders.values() if not order.over]
        lots = {role: sum(o.lots - o.filled for o in alive if o.role is role) for role in Role}
        up = gap + lots[Role.QUOTE] + lots[Role.UNWIND] / terms.ratio
        down = gap - lots[Role.FLATTEN] - lots[Role.HEDGE] / terms.ratio
        assert up <= terms.bound, (up, terms.bound)
        assert down >= -terms.bound, (down, terms.bound)
        if not any(row[1] is Role.FLATTEN for row in self.fills) and not lots[Role.FLATTEN]:
            assert -down * terms.ratio <= 1  # never more than a lot of the hedge too many
        sold = sum(row[3] for row in self.fills if row[1] is Role.QUOTE)
        assert sold + lots[Role.QUOTE] <= terms.lots

    def late_ns(self):
        """For how long whole lots have been unhedged, since the first leg could be traded."""
        terms, rows = self.terms, self.booked
        if self.gap(rows) < Fraction(1, 2) or self.gap(rows) * terms.ratio < Fraction(1, 2):
            return 0
        covered, oldest = self.gap(rows), 0
        for ns, role, _, lots in reversed(rows):
            if role is Role.QUOTE and covered * terms.ratio >= Fraction(1, 2):
                oldest, covered = ns, covered - lots
        return self.now - max(oldest, self.blocked_ns)


def legs(random):
    """Two listings of unlike tick and lot."""
    ticks, lots = random.choices((0.01, 0.05, 0.25), k=2), random.choices((1, 10, 100), k=2)
    return Listing("A", ticks[0], lots[0]), Listing("B", ticks[1], lots[1])


def drawn(seed, hostile=1.0):
    """A twin of terms drawn from a seed."""
    random = Random(seed)
    first, second = legs(random)
    ratio = Fraction(random.choice((1, 1, 2, 3, 7)), random.choice((1, 1, 2, 5)))
    side, lots = random.choice((1, -1)), random.randint(20, 60)
    bound = int(2 + 1 / ratio) + random.randint(0, 20)
    weight = ratio * second.lot / first.lot
    tick, other = (Fraction(str(leg.tick)) for leg in (first, second))
    limit = 1000 * (tick - weight * other) + side * random.choice((-3, 0, 2, 50)) * tick
    terms = PairTerms(
        side,
        lots,
        ratio,
        limit,
        bound,
        first,
        second,
        lean=random.choice((0, 0, 5)),
        within_ns=2000 * MS,
        cross_ns=random.choice((0, 300, 1000)) * MS,
        loss=random.choice((float("inf"), 0.5)),
        pay_up=random.choice((-1, 0, 1, 3)),
    )
    twin = Twin(terms, random, hostile)
    twin.booked = []
    twin.deaf = random.random() < 0.5
    return twin


def run(seed, events=60, hostile=1.0):
    """A sequence, then a calm end in which the pair is closed; the twin."""
    twin = drawn(seed, hostile)
    slack = 2 * twin.terms.cross_ns + 6 * LONGEST
    for _ in range(events):
        twin.happen()
        twin.step(twin.random.choice((1, 20, 100, 600)) * MS)
        assert twin.late_ns() <= twin.terms.within_ns + slack, (seed, twin.now)
    twin.hostile, twin.link, twin.halted, twin.depth = 0.0, True, [False, False], [200, 200]
    twin.closing = True
    for _ in range(60):
        twin.step(200 * MS)
        if twin.decision.over and not twin.waiting:
            break
    assert twin.decision.over, seed
    gap = abs(twin.gap(twin.fills))
    assert gap <= Fraction(1, 2) or gap * twin.terms.ratio <= Fraction(1, 2)
    return twin
