"""The gate's brute-force twin: it keeps a list of everything that happened and adds it all up anew at every question.

No running sums, no caches; money in fractions of the currency, what was executed in fractions of lots and ticks. Only
the meaning of the words is the gate's.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import Any

from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    REBOOKS,
    TERMINAL,
    CancelOrder,
    ExecType,
    Listing,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
)
from tercel.desk.limits import Limits
from tercel.desk.limits.units import DAY_NS, MONEY

Happened = tuple[Any, ...]
BEYOND = 10**15


@dataclass
class One:
    """An order, followed through everything that happened to it."""

    new: NewOrder
    lots: int
    price: int | None
    names: list[str]
    requested: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    taken: int = 0
    turns: int = 0
    cum: Fraction = Fraction(0)
    reported: Fraction = Fraction(0)
    accepted: bool = False
    dead: bool = False
    rejected: bool = False
    filled: bool = False
    probes: dict[str, int] = field(default_factory=dict)
    ended: int = -BEYOND
    changed: int = -BEYOND
    recounted: int = -BEYOND
    asked: list[int] = field(default_factory=list)
    """Every price that somebody asked for; none: any."""

    def most(self) -> int:
        return max([self.lots] + [lots for _, lots, _ in self.requested.values()])

    def may_rest(self) -> list[tuple[int, int | None]]:
        """Every size and price that it may have at the venue."""
        asked = [(lots, price) for _, lots, price in self.requested.values()]
        if self.dead:
            return [(lots, price) for lots, price in asked if lots > self.cum]
        return [(self.lots, self.price), *asked]

    def open(self) -> Fraction:
        most = max([self.reported, *(lots for lots, _ in self.may_rest())])
        return max(Fraction(0), most - self.cum)

    def prices(self) -> list[int | None]:
        return [price for _, price in self.may_rest()]


def _terms(r: Report) -> tuple[Fraction, Fraction]:
    return Fraction(r.last_qty, ONE), Fraction(r.last_px, ONE)


@dataclass
class Trade:
    """An execution as it was first reported."""

    exec_id: str
    order: str
    one: One | None
    agent: str
    name: str
    side: int
    lots: Fraction
    price: Fraction

    def stands(self, every: list[tuple[str, str, Report]]) -> tuple[Fraction, Fraction]:
        """Lots and price by all busts and corrections of its order that name it, or a correction of it."""
        changes = [r for account, order, r in every if (account, order) == (self.agent, self.order)]
        names, about = {self.exec_id}, list[Report]()
        while more := [r for r in changes if r.ref in names and r not in about]:
            about += more
            names |= {r.exec_id for r in more}
        if any(r.exec_type is ExecType.BUSTED for r in about):
            return Fraction(0), self.price
        latest = [r for r in about if r.ns == max(r.ns for r in about)]
        return _terms(latest[-1]) if latest else (self.lots, self.price)


class Twin:
    def __init__(self, limits: Limits, listings: list[Listing], agents: list[str]) -> None:
        self.limits, self.agents = limits, agents
        self.unit = {each.instrument: Fraction(repr(each.tick)) * each.lot for each in listings}
        self.past: list[Happened] = []
        self.killed: set[str] = set()
        self.first, self.high, self.broken = limits, dict[str, Fraction](), set[tuple[str, str]]()
        self.watched: int | None = None

    def happened(self, *what: Any) -> None:
        before, highest = self.day(), {name: self.equity(*of) for name, of in self.scopes().items()}
        self.past.append(what)
        if self.day() > before:
            self.high = highest
            self.broken.clear()
        if what[0] == "limits":
            self.limits = what[1]
            self.broken.clear()
        if (
            what[0] == "mark"
            and what[2]
            and what[3]
            and 0 < what[2] < what[3]
            and self.mark(what[1])[2] == what[4]
        ):
            for name, of in self.scopes().items():
                if name in ("desk", what[1]) or (name in self.agents and self.worst(name, what[1])):
                    self.high[name] = max(self.high.get(name, Fraction(0)), self.equity(*of))

    def scopes(self) -> dict[str, tuple[list[str], list[str]]]:
        """By name: whose, and in what."""
        every = {"desk": (self.agents, list(self.unit))}
        mine = {agent: ([agent], list(self.unit)) for agent in self.agents}
        return every | mine | {name: (self.agents, [name]) for name in self.unit}

    def limits_of(self, scope: str) -> Any:
        if scope == "desk":
            return self.limits.desk
        return (
            self.limits.of_agent(scope)
            if scope in self.agents
            else self.limits.of_instrument(scope)
        )

    def watch(self, now: int) -> set[tuple[str, str, tuple[str, ...]]]:
        """Breaches that are new: of whom, of what, whom they stop; and they are stopped."""
        now = max([now, *self.times()])
        self.watched = now if self.watched is None else self.watched
        found = set()
        for scope, of in self.scopes().items():
            limits = self.limits_of(scope)
            equity = self.equity(*of)
            used = {
                "daily_loss": self.lost(*of),
                "drawdown": self.high.get(scope, Fraction(0)) - equity,
            }
            most = {"daily_loss": limits.daily_loss, "drawdown": limits.drawdown}
            whole = {limit: int(value * MONEY) for limit, value in used.items()}
            if scope in self.unit:
                whole["reference_age_ms"], most["reference_age_ms"] = (
                    self.age(scope, now),
                    limits.reference_age_ns,
                )
            for limit, value in whole.items():
                level = max(1, -(-most[limit] * limits.warn // 10_000))
                if (scope, limit) in self.broken:
                    if value < -(-level * 9 // 10):
                        self.broken.discard((scope, limit))
                elif value > most[limit]:
                    self.broken.add((scope, limit))
                    found.add((scope, limit, self.stopped_by(scope, limit)))
        for _, _, agents in found:
            for agent in self.agents if "*" in agents else agents:
                self.past.append(("stop", agent))
        return found

    def stopped_by(self, scope: str, limit: str) -> tuple[str, ...]:
        if scope not in self.unit:
            return ("*",) if scope == "desk" else (scope,)
        if limit == "reference_age_ms":
            return tuple(sorted(agent for agent in self.agents if self.lots(agent, scope)[0]))
        return tuple(sorted(agent for agent in self.agents if self.worst(agent, scope)))

    def age(self, name: str, now: int) -> int:
        marks = [w[4] for w in self.past if w[0] == "mark" and w[1] == name]
        last, good = -(2**62), -(2**62)
        for what, *words in self.past:
            if what == "mark" and words[0] == name and words[3] >= last:
                last = words[3]
                good = last if words[1] and words[2] and 0 < words[1] < words[2] else good
        hours = self.limits.of_instrument(name).hours  # type: ignore[union-attr]
        if not marks or not any(self.lots(agent, name)[0] for agent in self.agents):
            return 0
        assert self.watched is not None
        since = max(good, self.watched)
        if hours is not None:
            if not hours[0] <= now % DAY_NS < hours[1]:
                return 0
            since = max(since, now - now % DAY_NS + hours[0])
        return max(0, now - since)

    # -- the past, told again -------------------------------------------------------------------------------------

    def tell(self) -> tuple[list[One], list[tuple[str, str, int, int, int]], set[str]]:
        """Orders as they stand; fills (agent, instrument, side, lots, price); agents that stopped."""
        orders: list[One] = []
        trades: list[Trade] = []
        changes: list[tuple[str, str, Report]] = []
        stopped: set[str] = set()
        executed: dict[tuple[str, str, int], list[int]] = {}
        limits = self.first
        for what, *words in self.past:
            if what == "sent" and isinstance(words[0], NewOrder):
                orders.append(One(words[0], words[0].lots, words[0].price, [words[0].cl_ord_id]))
                orders[-1].asked += [] if words[0].price is None else [words[0].price]
            elif what == "sent" and isinstance(words[0], ReplaceOrder):
                one = self.named(orders, words[0].orig)
                assert one is not None
                one.turns += 1
                one.requested[words[0].cl_ord_id] = (one.turns, words[0].lots, words[0].price)
                one.names.append(words[0].cl_ord_id)
                one.asked += [words[0].price] if one.asked else []
            elif what == "sent" and isinstance(words[0], CancelOrder):
                one = self.named(orders, words[0].orig)
                if one is not None and one.dead:
                    one.probes[words[0].cl_ord_id] = one.turns
            elif what == "unsent":
                one = self.named(orders, words[0].cl_ord_id)
                if one is not None and one.requested.pop(words[0].cl_ord_id, None) is None:
                    one.rejected |= isinstance(words[0], NewOrder) and not one.dead
                    one.dead = one.dead or isinstance(words[0], NewOrder)
            elif what == "reject":
                one = self.named(orders, words[0].cl_ord_id) or self.named(orders, words[0].orig)
                if one is not None:
                    one.requested.pop(words[0].cl_ord_id, None)
                    before = one.probes.pop(words[0].cl_ord_id, 0) * one.dead
                    # A venue says of an order that it does not know what it says of one that it rejected.
                    if words[0].status in (
                        TERMINAL if one.rejected else TERMINAL - {OrdStatus.REJECTED}
                    ):
                        for name in [
                            n for n, (turn, *_) in one.requested.items() if turn <= before
                        ]:
                            del one.requested[name]
            elif what == "report":
                known = len(trades)
                heard = replace(words[0], ns=min(words[0].ns, words[1]))
                self.hear(heard, orders, trades, changes, stopped)
                for trade in trades[known:]:
                    if trade.one is not None:
                        times = executed.setdefault((trade.agent, trade.name, trade.side), [])
                        times.append(max([heard.ns, *times[-1:]]))
                        mine = limits.of_agent(trade.agent)
                        assert mine is not None
                        within = sum(ns > times[-1] - mine.executions_ns for ns in times)
                        if mine.executions and within > mine.executions:
                            stopped.add(trade.agent)
            elif what == "stop":
                stopped.add(words[0])
            elif what == "resume":
                stopped.discard(words[0])
                for key in [key for key in executed if key[0] == words[0]]:
                    del executed[key]
            elif what == "limits":
                limits = words[0]
        return orders, [(t.agent, t.name, t.side, *t.stands(changes)) for t in trades], stopped

    @staticmethod
    def named(orders: list[One], name: str) -> One | None:
        return next((one for one in orders if name in one.names), None)

    def hear(
        self,
        r: Report,
        orders: list[One],
        trades: list[Trade],
        changes: list[tuple[str, str, Report]],
        stopped: set[str],
    ) -> None:
        one, cum = (
            self.named(orders, r.cl_ord_id) or self.named(orders, r.orig),
            Fraction(r.cum_qty, ONE),
        )
        if one is not None and (one.new.account, one.new.instrument) != (r.account, r.instrument):
            one = None
        order = r.cl_ord_id if one is None else one.new.cl_ord_id
        if r.exec_type in REBOOKS:
            if (r.account, order, r) in changes:
                return
            changes.append((r.account, order, r))
            for each in orders:
                each.cum = sum((t.stands(changes)[0] for t in trades if t.one is each), Fraction(0))
        known = {(t.agent, t.order, t.exec_id) for t in trades}
        fresh = r.exec_type is ExecType.TRADE and (r.account, order, r.exec_id) not in known
        if one is None:
            if fresh:
                stopped.add(r.account)
                trades.append(
                    Trade(r.exec_id, order, None, r.account, r.instrument, r.side, *_terms(r))
                )
            return
        still, most, sizes = one.open(), one.most(), r.status is not OrdStatus.REJECTED
        if not sizes and r.exec_type in (ExecType.REJECTED, ExecType.STATUS):
            if one.requested.pop(r.cl_ord_id, None) is not None:
                return
        unasked = r.cl_ord_id not in one.names[1:]
        if sizes and r.exec_type is ExecType.REPLACED and r.cl_ord_id in one.requested:
            turn, lots, price = one.requested.pop(r.cl_ord_id)
            if turn > one.taken:
                one.taken = turn
                if r.ns >= one.changed:
                    one.changed, one.price, one.lots = r.ns, price, max(lots, r.lots, ceil(cum))
            elif r.leaves_qty > 0 and r.ns > one.changed:
                one.changed, one.price = r.ns, price
                one.lots = max(r.lots or one.lots, ceil(cum))
            elif r.leaves_qty > 0 and r.ns == one.changed:
                one.lots = max(one.lots, r.lots)
        itself = r.exec_type is ExecType.RESTATED or (r.exec_type is ExecType.REPLACED and unasked)
        if itself and sizes and r.ns >= one.changed:
            one.changed, one.lots = r.ns, max(r.lots, ceil(cum))
            one.price = one.price if r.price is None else r.price
        if r.exec_type in (ExecType.RESTATED, ExecType.REPLACED) and one.lots > most:
            stopped.add(one.new.account)
        if r.exec_type in REBOOKS and r.ns >= one.recounted:
            one.recounted, one.reported = r.ns, cum
        if fresh:
            trade = Trade(r.exec_id, order, one, r.account, r.instrument, one.new.side, *_terms(r))
            trades.append(trade)
            one.cum += trade.stands(changes)[0]
            beyond = one.asked and all(
                one.new.side * (trade.price - price) > 0 for price in one.asked
            )
            if trade.stands(changes)[0] > still or beyond or r.side == -one.new.side:
                stopped.add(one.new.account)
        one.reported = max(one.reported, cum) if r.ns >= one.recounted else one.reported
        if one.reported > one.most() and r.ns >= one.recounted:
            stopped.add(one.new.account)
        self.live_or_over(one, r, cum, itself)

    @staticmethod
    def live_or_over(one: One, r: Report, cum: Fraction, itself: bool) -> None:
        """Whether it has ended after a report, and was filled."""
        kind, status, late = r.exec_type, r.status, r.ns < one.recounted
        was = one.dead, one.filled
        if one.dead:
            room, rebooks = one.cum < one.most(), kind in REBOOKS
            changes = rebooks or itself or (kind is ExecType.REPLACED and cum >= one.reported)
            if one.filled and rebooks and room and status in TERMINAL:
                one.filled = status is OrdStatus.FILLED
            elif one.filled and r.leaves_qty > 0 and changes and room:
                one.dead = one.filled = status is OrdStatus.FILLED and not late
            elif kind is ExecType.REPLACED and r.leaves_qty > 0 and room and cum >= one.reported:
                one.dead = status in TERMINAL or r.ns < one.ended
            if (one.dead, one.filled) != was:
                one.probes.clear()
                one.ended = r.ns if one.dead else -BEYOND
            return
        if kind is ExecType.STATUS and late:
            return
        asked = kind is ExecType.STATUS
        ends = asked or kind in (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED)
        if status is OrdStatus.FILLED:
            one.dead = one.filled = not late
        elif status in (OrdStatus.CANCELED, OrdStatus.EXPIRED):
            one.dead = ends
        elif status is OrdStatus.REJECTED:
            one.dead = (asked or kind is ExecType.REJECTED) and not one.accepted
        if one.dead:
            one.probes.clear()
            one.rejected = status is OrdStatus.REJECTED
            one.ended = r.ns
        one.accepted |= (not ends and "pending" not in kind) or status not in (
            *(OrdStatus.REJECTED, OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN),
        )

    def lots(self, agent: str, name: str) -> tuple[Fraction, Fraction, Fraction]:
        """Position, lots that open buys and sells may still fill."""
        orders, fills, _ = self.tell()
        position = sum(
            side * lots for who, what, side, lots, _ in fills if (who, what) == (agent, name)
        )
        mine = [one for one in orders if (one.new.account, one.new.instrument) == (agent, name)]
        return position, *(
            sum(one.open() for one in mine if one.new.side == side) for side in (1, -1)
        )  # type: ignore[return-value]

    def used(self, parent: str) -> Fraction:
        return sum(
            (one.cum + one.open() for one in self.tell()[0] if one.new.parent == parent),
            Fraction(0),
        )

    def mark(
        self, name: str, past: list[Happened] | None = None
    ) -> tuple[int | None, int | None, int | None, int]:
        """Bid, ask and time of the last mark, and the last sane mid in half ticks."""
        bid = ask = ns = None
        mid2 = 0
        for what, *words in self.past if past is None else past:
            if what == "mark" and words[0] == name and (ns is None or words[3] >= ns):
                _, bid, ask, ns = words
                if bid and ask and 0 < bid < ask:
                    mid2 = bid + ask
        return bid, ask, ns, mid2

    def sane(self, name: str, now: int) -> bool:
        bid, ask, ns, _ = self.mark(name)
        age = self.limits.of_instrument(name).reference_age_ns  # type: ignore[union-attr]
        return bool(bid and ask and 0 < bid < ask) and abs(now - ns) <= age  # type: ignore[operator]

    def worst(self, agent: str, name: str) -> Fraction:
        position, buys, sells = self.lots(agent, name)
        return max(position + buys, sells - position)

    def gross(self, agents: list[str], names: list[str]) -> Fraction:
        return sum(
            (
                self.worst(a, n) * Fraction(self.mark(n)[3], 2) * self.unit[n]
                for a in agents
                for n in names
            ),
            Fraction(0),
        )

    def equity(
        self, agents: list[str], names: list[str], past: list[Happened] | None = None
    ) -> Fraction:
        whole = self.past
        self.past, money = whole if past is None else past, Fraction(0)
        for agent, name, side, lots, price in self.tell()[1]:
            if agent in agents and name in names:
                money += side * lots * (Fraction(self.mark(name)[3], 2) - price) * self.unit[name]
        self.past = whole
        return money

    def lost(self, agents: list[str], names: list[str]) -> Fraction:
        """Since the last day began: the first thing that happened on it."""
        day, began = 0, 0
        for at, (what, *words) in enumerate(self.past):
            ns = {"sent": lambda w: w[1], "mark": lambda w: w[3], "report": lambda w: w[1]}.get(
                what, lambda _: 0
            )(words)
            if what == "mark" and any(
                e[0] == "mark" and e[1] == words[0] and e[4] > ns for e in self.past[:at]
            ):
                continue
            if ns // DAY_NS > day:
                day, began = ns // DAY_NS, at
        return self.equity(agents, names, self.past[:began]) - self.equity(agents, names)

    def day(self) -> int:
        times = [
            w[2] if w[0] == "sent" else w[4] if w[0] == "mark" else w[2] if w[0] == "report" else 0
            for w in self.past
        ]
        return max([0, *(ns // DAY_NS for ns in times)])

    # -- the question ---------------------------------------------------------------------------------------------

    def verdict(self, c: NewOrder | ReplaceOrder, now: int) -> set[str]:
        """Every code that refuses."""
        now = max([now, *self.times()])
        parents = {w[1]: w[2:5] for w in self.past if w[0] == "parent"}
        room = {w[1]: w[-1] for w in self.past if w[0] in ("parent", "amend")}
        orders, _, stopped = self.tell()
        agent, name, side, desk = c.account, c.instrument, c.side, self.limits.desk
        killed = {"KILLED"} if agent in self.killed else set()
        halted = {"STOPPED"} if agent in stopped else set()
        if agent not in self.agents:
            return {"UNKNOWN_AGENT"} | killed
        if name not in self.unit:
            return {"UNKNOWN_INSTRUMENT"} | killed
        if type(c.lots) is not int or c.lots < 1:
            return {"BAD_QUANTITY"} | killed
        if c.parent not in parents:
            return {"UNKNOWN_PARENT"} | killed | halted
        codes = killed | halted
        if parents[c.parent] != (name, agent, side):
            return codes | {"NOT_THE_PARENTS"}
        extra = c.lots
        if isinstance(c, ReplaceOrder):
            one = self.named(orders, c.orig)
            if one is None or one.dead:
                return codes | {"UNKNOWN_ORDER"}
            if one.new.parent != c.parent:
                return codes | {"NOT_THE_PARENTS"}
            extra = max(0, c.lots - max(one.most(), one.reported, one.cum))
        at, mine = self.limits.of_instrument(name), self.limits.of_agent(agent)
        assert at is not None
        assert mine is not None
        codes |= (
            {"DUPLICATE_ID"}
            if any(w[0] == "sent" and w[1].cl_ord_id == c.cl_ord_id for w in self.past)
            else set()
        )
        leaving = zip((w[1] for w in self.past if w[0] == "sent"), self.times(), strict=True)
        same = [ns for left, ns in leaving if self.says(left) == self.says(c)]
        codes |= {"DUPLICATE"} if same and now - same[-1] < desk.duplicate_ns else set()
        if at.hours and not (at.hours[0] - now % DAY_NS <= 0 < at.hours[1] - now % DAY_NS):
            codes.add("HOURS")
        codes |= (
            {"ORDER_LOTS"}
            if c.lots > min(at.order_lots, mine.order_lots, desk.order_lots)
            else set()
        )
        if not self.sane(name, now):
            return codes | {"NO_REFERENCE", "BAD_REFERENCE", "STALE_REFERENCE"}
        bid, _, _, mid2 = self.mark(name)
        mid, collar = Fraction(mid2, 2), Fraction(at.collar_bps, 10_000)
        worst = Fraction(-(-mid * (1 + collar) // 1)) if c.price is None else Fraction(c.price)
        if c.price is not None:
            codes |= {"COLLAR"} if abs(c.price - mid) > collar * mid else set()
            worst = max(worst, Fraction(bid or 0)) if side < 0 else worst
        if c.lots * worst * self.unit[name] * MONEY > min(
            at.order_value, mine.order_value, desk.order_value
        ):
            codes.add("ORDER_VALUE")
        asking = BEYOND * side if c.price is None else c.price
        for other in orders:
            if other.new.instrument == name and other.new.side == -side:
                for price in other.prices():
                    resting = -BEYOND * side if price is None else price
                    codes |= {"OWN_CROSS"} if (asking - resting) * side >= 0 else set()
        codes |= {"CHILDREN"} if extra and self.used(c.parent) + extra > room[c.parent] else set()
        for agents, limits in (([agent], mine), (self.agents, at)):
            every = [self.lots(each, name) for each in agents]
            whole = sum(p + b if side > 0 else s - p for p, b, s in every) + extra
            codes |= (
                {"POSITION"}
                if extra and whole > (limits.long_lots if side > 0 else limits.short_lots)
                else set()
            )
        position, buys, sells = self.lots(agent, name)
        grown = (
            (position + buys if side > 0 else sells - position) + extra - self.worst(agent, name)
        )
        names = list(self.unit)
        scopes = (([agent], names, mine), (self.agents, [name], at), (self.agents, names, desk))
        for agents, instruments, limits in scopes:
            gross = self.gross(agents, instruments) + grown * mid * self.unit[name]
            codes |= {"GROSS"} if grown > 0 and gross * MONEY > limits.gross_value else set()
        for times, limits in (
            (self.times("account", agent), mine),
            (self.times("instrument", name), at),
            (self.times(), desk),
        ):
            codes |= (
                {"MESSAGES"}
                if sum(ns > now - limits.window_ns for ns in times) >= limits.messages
                else set()
            )
        if not ((buys if side > 0 else sells) + extra <= -position * side):
            held = {n for n in names for a in self.agents if self.lots(a, n)[0]}
            codes |= {"STALE_MARK"} if any(not self.sane(n, now) for n in held) else set()
            for scope in ("desk", agent, name) if now // DAY_NS <= self.day() else ():
                limits, of = self.limits_of(scope), self.scopes()[scope]
                codes |= {"DAILY_LOSS"} if self.lost(*of) * MONEY > limits.daily_loss else set()
                drawn = self.high.get(scope, Fraction(0)) - self.equity(*of)
                codes |= {"DRAWDOWN"} if drawn * MONEY > limits.drawdown else set()
        return codes

    @staticmethod
    def says(c: Any) -> tuple[object, ...]:
        words = tuple(
            getattr(c, name, None) for name in ("parent", "lots", "price", "tif", "side", "orig")
        )
        return (type(c), *words) if isinstance(c, NewOrder | ReplaceOrder) else (object(),)

    def times(self, of: str = "", name: str = "") -> list[int]:
        """When messages left; the clock never goes back."""
        found, clock = [], -(2**62)
        for what, *words in self.past:
            if what == "sent":
                clock = max(clock, words[1])
                if not of or getattr(words[0], of, "") == name:
                    found.append(clock)
        return found
