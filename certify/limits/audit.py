"""An auditor of the gate: it sees what left and what came back, believes nothing else, and counts what should not have.

It shares no code with the gate and keeps no running sums: at every order that leaves it adds up all open orders,
positions and messages anew and holds them against the limits. Slow on purpose; see `stress.py`.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from certify.limits.audit_state import AuditedChild, AuditedTrade, Exposure, Mark
from tercel.core import (
    ONE,
    PAID_ONE,
    REBOOKS,
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    Listing,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    ceil_units,
)
from tercel.desk.limits import DAY_NS, MONEY, BestQuotes, Limits

_OVER = (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED)
_ENDS = (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED)
_NO_WORD = (OrdStatus.REJECTED, OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)


Table = dict[tuple[str, str], Exposure]


class Auditor:
    """Recomputes every limit from what left and what was reported.

    Parameters
    ----------
    limits : Limits
        The limits that should hold, whatever the gate was given.
    listings, agents
        As given to the gate.
    """

    def __init__(self, limits: Limits, listings: Iterable[Listing], agents: Iterable[str]) -> None:
        self.limits = limits
        self.unit = {
            each.instrument: int(Decimal(repr(each.tick)) * each.lot * MONEY / 2)
            for each in listings
        }
        self.agents = tuple(agents)
        self.parents: dict[str, tuple[str, str, int, int]] = {}
        self.children: dict[str, list[AuditedChild]] = defaultdict(list)
        self.orders: dict[str, AuditedChild] = {}
        self.open: list[AuditedChild] = []
        self.fills: dict[tuple[str, str], tuple[int, int]] = {}
        self.trades: dict[tuple[AuditedChild, str], AuditedTrade] = {}
        """By order and name, as no order has two executions of one name."""
        self.changes: dict[tuple[AuditedChild, str], list[Report]] = defaultdict(list)
        self.changed: set[tuple[AuditedChild, str]] = set()
        self.executed: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        self.marks = {name: Mark() for name in self.unit}
        self.names: set[str] = set()
        self.contents: dict[tuple[object, ...], int] = {}
        self.messages: dict[str, list[int]] = defaultdict(list)
        self.killed: set[str] = set()
        self.stopped: set[str] = set()
        self.day, self.opening = 0, dict.fromkeys(self._scopes(), 0)
        self.high = dict(self.opening)
        self.passed: set[tuple[str, str, str]] = set()
        """What a breach was told of: scope and limit."""
        self.clock = -(2**62)
        self.watched = -(2**62)

    def _scopes(self) -> list[tuple[str, str]]:
        return [
            ("", ""),
            *((agent, "") for agent in self.agents),
            *(("", name) for name in self.unit),
        ]

    # -- what is reported --------------------------------------------------------------------------------------------

    def update_mark(self, instrument: str, quotes: BestQuotes, ns: int, now_ns: int) -> None:
        """The touch changed; it is dated `ns`, and the clock says `now_ns`."""
        mark = self.marks[instrument]
        if mark.ns is not None and ns < mark.ns:
            return
        self._new_day(now_ns)
        mark.quotes = quotes
        mark.ns = ns
        if quotes.bid is not None and quotes.ask is not None and 0 < quotes.bid < quotes.ask:
            mark.mid2 = quotes.bid + quotes.ask
            mark.sane_ns = ns
            working = {
                agent
                for (agent, held), row in self.exposures().items()
                if held == instrument and row.worst
            }
            for scope in (("", ""), ("", instrument), *((agent, "") for agent in working)):
                self.high[scope] = max(self.high[scope], self.equity(*scope))

    def parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """A parent was given or amended."""
        self.parents[name] = (instrument, agent, side, lots)

    def report(self, report: Report, now_ns: int) -> None:
        """The venue reported something; the clock says `now_ns`, and nothing that is reported is later."""
        self._new_day(now_ns)
        report = replace(report, ns=min(report.ns, now_ns))
        child = self.orders.get(report.cl_ord_id) or self.orders.get(report.orig)
        if child is None:
            return
        if report.exec_type in REBOOKS:
            if (child, report.exec_id) not in self.changed:
                self.changed.add((child, report.exec_id))
                self._rebook(child, report)
            return
        if report.status is OrdStatus.REJECTED and report.cl_ord_id in child.requested:
            del child.requested[report.cl_ord_id]
            self._prune(child)
            return
        most = child.most
        itself = report.exec_type is ExecType.RESTATED
        itself |= (
            report.exec_type is ExecType.REPLACED and report.cl_ord_id not in child.replaced_by
        )
        if report.exec_type is ExecType.REPLACED and report.cl_ord_id in child.requested:
            number, lots, price = child.requested.pop(report.cl_ord_id)
            if number > child.taken:
                child.taken, lots = number, max(lots, report.lots, ceil_units(report.cum_qty))
                child.lots = lots if report.ns >= child.changed_ns else max(lots, child.lots)
                if report.ns >= child.changed_ns:
                    child.changed_ns = report.ns
                    child.price = price
            elif report.leaves_qty > 0 and report.ns > child.changed_ns:
                child.changed_ns = report.ns
                child.price = price
                child.lots = max(report.lots or child.lots, ceil_units(report.cum_qty))
            elif report.leaves_qty > 0 and report.ns == child.changed_ns:
                child.lots = max(child.lots, report.lots)
        if itself and report.ns >= child.changed_ns:
            child.changed_ns, child.lots = report.ns, max(report.lots, ceil_units(report.cum_qty))
            child.price = child.price if report.price is None else report.price
        if (itself or report.exec_type is ExecType.REPLACED) and child.lots > most:
            self.stopped.add(child.agent)
        if report.exec_type is ExecType.TRADE and (child, report.exec_id) not in self.trades:
            self._trade(child, report)
        self._end(child, report)

    def _trade(self, child: AuditedChild, report: Report) -> None:
        trade = self.trades[child, report.exec_id] = AuditedTrade(
            child, report.last_qty, report.last_px
        )
        for change in self.changes.get((child, report.exec_id), ()):
            trade.change(change)
        if trade.qty > child.open or report.side == -child.side or child.beyond(report.last_px):
            self.stopped.add(child.agent)
        self._book(trade, 1)
        times = self.executed[child.agent, child.instrument, child.side]
        times.append(max([report.ns, *times[-1:]]))
        of_agent = self.limits.of_agent(child.agent)
        assert of_agent is not None
        within = len(times) - bisect_right(times, times[-1] - of_agent.executions_ns)
        if of_agent.executions and within > of_agent.executions:
            self.stopped.add(child.agent)

    def _book(self, trade: AuditedTrade, times: int) -> None:
        """Count a fill as it stands, or (times -1) not any more."""
        child = trade.child
        qty = trade.qty * times
        mark = self.marks[trade.child.instrument]
        mark.mid2 = mark.mid2 or 2 * trade.px // ONE
        child.cum += qty
        held, cash = self.fills.get((child.agent, child.instrument), (0, 0))
        signed = child.side * qty
        paid = signed * 2 * trade.px * self.unit[child.instrument]
        self.fills[child.agent, child.instrument] = held + signed, cash - paid

    def _rebook(self, child: AuditedChild, report: Report) -> None:
        self.changes[child, report.ref].append(report)
        if (trade := self.trades.get((child, report.ref))) is not None:
            self._book(trade, -1)
            trade.change(report)
            self._book(trade, 1)
        if report.ns >= child.recounted_ns:
            child.recounted_ns = report.ns
            child.reported = report.cum_qty
        self._end(child, report)

    @staticmethod
    def _reopen(child: AuditedChild, report: Report) -> None:
        """A filled order: a bust may leave it ended otherwise; where the venue says so, lots of it are open again."""
        room = child.cum < child.most * ONE
        final = report.status in _OVER
        rebooked = report.exec_type in REBOOKS and room
        if rebooked and final:
            child.filled = report.status is OrdStatus.FILLED
            return
        kind = report.exec_type
        is_requested = report.cl_ord_id in child.replaced_by
        changed = rebooked or kind is ExecType.RESTATED
        if kind is ExecType.REPLACED:  # one that was asked for may be from before the last fills
            changed = not is_requested or report.cum_qty >= child.reported
        if report.leaves_qty > 0 and changed and room:
            child.dead = child.filled = False

    def _end(self, child: AuditedChild, report: Report) -> None:
        """What the venue says of its end, and of what it has filled."""
        kind = report.exec_type
        status = report.status
        young = report.ns >= child.recounted_ns
        if young:
            child.reported = max(child.reported, report.cum_qty)
            if child.reported > child.most * ONE:
                self.stopped.add(child.agent)
        before = child.dead, child.filled
        if child.filled:
            self._reopen(child, report)
        elif child.dead and kind is ExecType.REPLACED and status not in _OVER:
            accepted = report.leaves_qty > 0 and child.cum < child.most * ONE
            accepted &= report.ns >= child.ended_ns and report.cum_qty >= child.reported
            child.dead = not accepted
        answer = kind is ExecType.STATUS
        if not child.dead and (young or not answer):
            if status is OrdStatus.FILLED:
                child.dead = child.filled = young
            elif status is OrdStatus.REJECTED:
                child.dead = (answer or kind is ExecType.REJECTED) and not child.accepted
            elif status in _OVER:  # the reason has to say so, too
                child.dead = answer or kind in _ENDS
            child.accepted |= status not in _NO_WORD or not (answer or kind in _ENDS)
        if (child.dead, child.filled) != before:
            child.ended_ns = report.ns if child.dead else -(2**62)
            child.cancelled_by.clear()
        if child.open and child not in self.open:
            self.open.append(child)
        self._prune(child)

    def watch(self, now_ns: int) -> None:
        """Limits were watched: those stop whose loss, drawdown or mark has passed its limit since the last time."""
        now_ns = max(now_ns, self.clock)
        self.watched = now_ns if self.watched < 0 else self.watched
        for scope in self._scopes():
            agent, name = scope
            of_agent = self.limits.of_agent(agent)
            instrument_limits = self.limits.of_instrument(name)
            equity = self.equity(*scope)
            limits = (
                (of_agent if agent else instrument_limits) if agent or name else self.limits.desk
            )
            assert limits is not None
            self._check_passed(
                (*scope, "loss"),
                self.opening[scope] - equity,
                limits.daily_loss,
                limits.warn,
                PAID_ONE,
            )
            self._check_passed(
                (*scope, "drawdown"),
                self.high[scope] - equity,
                limits.drawdown,
                limits.warn,
                PAID_ONE,
            )
            if name and instrument_limits is not None:
                self._check_passed(
                    (*scope, "age"),
                    self._age(name, now_ns),
                    instrument_limits.reference_age_ns,
                    limits.warn,
                )

    def _check_passed(
        self, key: tuple[str, str, str], used: int, most: int, warn: int, parts: int = 1
    ) -> None:
        """Of `most` so much is used, in so many parts of its unit."""
        agent, name, limit = key
        level = max(1, -(most * warn // -10_000)) * parts
        most = most * parts
        if key in self.passed:
            if used < -(level * 9 // -10):
                self.passed.discard(key)
        elif used > most:
            self.passed.add(key)
            held = {
                who
                for (who, instrument), (lots, _) in self.fills.items()
                if instrument == name and lots
            }
            working = {
                who
                for (who, instrument), row in self.exposures().items()
                if instrument == name and row.worst
            }
            if agent:
                self.stopped.add(agent)
            elif name:
                self.stopped |= held if limit == "age" else working
            else:
                self.stopped |= set(self.agents)

    def _age(self, name: str, now_ns: int) -> int:
        instrument_limits = self.limits.of_instrument(name)
        assert instrument_limits is not None
        since = max(self.marks[name].sane_ns, self.watched)
        if not any(lots for (_, instrument), (lots, _) in self.fills.items() if instrument == name):
            return 0
        if instrument_limits.hours is not None:
            start, end = instrument_limits.hours
            open_ns = (now_ns - start) % DAY_NS
            if open_ns >= (end - start) % DAY_NS:
                return 0
            since = max(since, now_ns - open_ns)
        return max(0, now_ns - since)

    def resume(self, agent: str) -> None:
        """A person let an agent go on."""
        self.stopped.discard(agent)
        for key in [key for key in self.executed if key[0] == agent]:
            self.executed[key].clear()

    def enforce(self, limits: Limits) -> None:
        """Other limits hold from here on."""
        self.limits = limits
        self.passed.clear()

    def cancel_reject(self, reject: CancelReject) -> None:
        """A cancel or replace was refused."""
        child = self.orders.get(reject.cl_ord_id) or self.orders.get(reject.orig)
        if child is None:
            return
        child.requested.pop(reject.cl_ord_id, None)
        sent = child.cancelled_by.pop(reject.cl_ord_id, 0)
        if child.dead and reject.status in _OVER and reject.status is not OrdStatus.REJECTED:
            late = {name: request for name, request in child.requested.items() if request[0] > sent}
            child.requested = late
        self._prune(child)

    def unsent(self, command: Command) -> None:
        """It did not leave after all."""
        child = self.orders.get(command.cl_ord_id)
        if isinstance(command, ReplaceOrder) and child is not None:
            child.requested.pop(command.cl_ord_id, None)
        elif isinstance(command, NewOrder) and child is not None:
            child.dead = True
        if child is not None:
            self._prune(child)

    def _prune(self, child: AuditedChild) -> None:
        if child.dead and not child.open and child in self.open:
            self.open.remove(child)

    # -- what leaves ----------------------------------------------------------------------------------------------

    def judge_sent(self, command: Command, now_ns: int) -> list[str]:
        """A command left: the limits that it breaks, none of them for cancels and questions."""
        broken: list[str] = []
        now_ns = max(now_ns, self.clock)
        if isinstance(command, NewOrder | ReplaceOrder):
            broken = self._judge(command, now_ns)
        self._new_day(now_ns)
        self.clock = max(self.clock, now_ns)
        self.names.add(command.cl_ord_id)
        if isinstance(command, CancelOrder):
            child = self.orders.get(command.orig)
            if child is not None and child.dead and child.requested:
                child.cancelled_by[command.cl_ord_id] = child.replaces
        scopes = {"desk", "agent " + command.account, "instrument " + command.instrument}
        for scope in scopes:
            self.messages[scope].append(self.clock)
        return broken

    def _judge(self, command: NewOrder | ReplaceOrder, now_ns: int) -> list[str]:
        broken = list(self._of_itself(command, now_ns))
        if "FORM" in broken or "UNKNOWN" in broken:
            return broken
        agent = command.account
        name = command.instrument
        side = command.side
        broken += self._of_time(command, now_ns)
        if self._crosses(command):
            broken.append("OWN_CROSS")
        before = self.exposures()
        used = self.used_qty(command.parent)
        reducing = self._spare(before[agent, name], side)
        child = self._record(command)
        after = self.exposures()
        if (
            reducing is None
            or getattr(after[agent, name], "buys" if side > 0 else "sells") > reducing
        ):
            broken += self._of_loss(agent, name, now_ns)
        if used < self.used_qty(command.parent) > self.parents[command.parent][3] * ONE:
            broken.append("CHILDREN")
        broken += self._of_position(agent, name, side, before, after)
        broken += self._of_gross(agent, name, before, after)
        assert child is not None
        return broken

    def _record(self, command: NewOrder | ReplaceOrder) -> AuditedChild:
        if isinstance(command, NewOrder):
            child = AuditedChild(
                command.account,
                command.instrument,
                command.parent,
                command.side,
                command.lots,
                command.price,
            )
            child.asked_prices.append(command.price)
            self.children[command.parent].append(child)
        else:
            child = self.orders[command.orig]
            child.replaces += 1
            child.requested[command.cl_ord_id] = (child.replaces, command.lots, command.price)
            child.replaced_by.add(command.cl_ord_id)
            child.asked_prices.append(command.price)
        if child not in self.open:
            self.open.append(child)
        self.orders[command.cl_ord_id] = child
        return child

    def _of_itself(self, command: NewOrder | ReplaceOrder, now_ns: int) -> Iterable[str]:
        """What can be seen on the order alone and its time."""
        lots = command.lots
        price = command.price
        name = command.instrument
        agent = command.account
        if (
            type(lots) is not int
            or lots < 1
            or type(price) not in (int, type(None))
            or command.side not in (1, -1)
        ):
            return ["FORM"]
        instrument_limits = self.limits.of_instrument(name)
        of_agent = self.limits.of_agent(agent)
        parent = self.parents.get(command.parent)
        orig = self.orders.get(command.orig)
        if (
            name not in self.unit
            or agent not in self.agents
            or instrument_limits is None
            or of_agent is None
            or parent is None
        ):
            return ["UNKNOWN"]
        if parent[:3] != (name, agent, command.side):
            return ["UNKNOWN"]
        if isinstance(command, ReplaceOrder) and (
            orig is None or orig.dead or orig.parent != command.parent
        ):
            return ["UNKNOWN"]
        broken = ["BARRED"] if agent in self.killed | self.stopped else []
        if lots > min(
            instrument_limits.order_lots, of_agent.order_lots, self.limits.desk.order_lots
        ):
            broken.append("ORDER_LOTS")
        if instrument_limits.hours is not None:
            start, end = instrument_limits.hours
            length = (end - start) % DAY_NS
            if (now_ns - start) % DAY_NS >= length:
                broken.append("HOURS")
        mark = self.marks[name]
        if not mark.sane(now_ns, instrument_limits.reference_age_ns):
            return [*broken, "REFERENCE"]
        assert mark.quotes.bid is not None
        bps = instrument_limits.collar_bps
        if price is None:
            worst = Decimal(mark.mid2) / 2 * (10_000 + bps) / 10_000
            worst = worst.to_integral_value("ROUND_CEILING")
        else:
            if abs(Decimal(price) - Decimal(mark.mid2) / 2) > Decimal(bps) / 10_000 * mark.mid2 / 2:
                broken.append("COLLAR")
            worst = Decimal(price if command.side > 0 else max(price, mark.quotes.bid))
        value = lots * worst * 2 * self.unit[name]
        if value > min(
            instrument_limits.order_value, of_agent.order_value, self.limits.desk.order_value
        ):
            broken.append("ORDER_VALUE")
        return broken

    def _of_time(self, command: NewOrder | ReplaceOrder, now_ns: int) -> Iterable[str]:
        """Names, repetitions, rates."""
        broken = ["DUPLICATE_ID"] if command.cl_ord_id in self.names else []
        content: tuple[object, ...] = (command.parent, command.side, command.lots, command.price)
        content += (command.tif,) if isinstance(command, NewOrder) else (command.orig,)
        within = self.limits.desk.duplicate_ns
        if within and now_ns - self.contents.get(content, -(2**62)) < within:
            broken.append("DUPLICATE")
        self.contents[content] = now_ns
        of_agent = self.limits.of_agent(command.account)
        instrument_limits = self.limits.of_instrument(command.instrument)
        assert of_agent is not None
        assert instrument_limits is not None
        scopes = {"desk": self.limits.desk, "agent " + command.account: of_agent}
        for scope, limits in {
            **scopes,
            "instrument " + command.instrument: instrument_limits,
        }.items():
            times = self.messages[scope]
            if len(times) - bisect_right(times, now_ns - limits.window_ns) >= limits.messages:
                broken.append("MESSAGES")
        return broken

    def _crosses(self, command: NewOrder | ReplaceOrder) -> bool:
        for order in self.open:
            if order.instrument == command.instrument and order.side == -command.side:
                for price in order.prices:
                    if (
                        price is None
                        or command.price is None
                        or (command.price - price) * command.side >= 0
                    ):
                        return True
        return False

    def _of_position(
        self, agent: str, name: str, side: int, before: "Table", after: "Table"
    ) -> Iterable[str]:
        instrument_limits = self.limits.of_instrument(name)
        of_agent = self.limits.of_agent(agent)
        assert instrument_limits is not None
        assert of_agent is not None
        for agents, limits in (((agent,), of_agent), (self.agents, instrument_limits)):
            worst = []
            for table in (before, after):
                rows = [table[each, name] for each in agents]
                worst.append(
                    sum(
                        row.position + row.buys if side > 0 else row.sells - row.position
                        for row in rows
                    )
                )
            if worst[0] < worst[1] > (limits.long_lots if side > 0 else limits.short_lots) * ONE:
                yield "POSITION"

    def _of_gross(self, agent: str, name: str, before: "Table", after: "Table") -> Iterable[str]:
        of_agent = self.limits.of_agent(agent)
        instrument_limits = self.limits.of_instrument(name)
        assert of_agent is not None
        assert instrument_limits is not None
        for agents, names, most in (
            ((agent,), tuple(self.unit), of_agent.gross_value),
            (self.agents, (name,), instrument_limits.gross_value),
            (self.agents, tuple(self.unit), self.limits.desk.gross_value),
        ):
            if (
                self.gross(before, agents, names)
                < self.gross(after, agents, names)
                > most * PAID_ONE
            ):
                yield "GROSS"

    def _of_loss(self, agent: str, name: str, now_ns: int) -> Iterable[str]:
        of_agent = self.limits.of_agent(agent)
        instrument_limits = self.limits.of_instrument(name)
        assert of_agent is not None
        assert instrument_limits is not None
        for (_, held), (lots, _) in self.fills.items():
            limits = self.limits.of_instrument(held)
            assert limits is not None
            if lots and not self.marks[held].sane(now_ns, limits.reference_age_ns):
                yield "STALE_MARK"
                break
        if now_ns // DAY_NS > self.day:
            return
        for scope, limit in (
            (("", ""), self.limits.desk),
            ((agent, ""), of_agent),
            (("", name), instrument_limits),
        ):
            if self.opening[scope] - self.equity(*scope) > limit.daily_loss * PAID_ONE:
                yield "DAILY_LOSS"
            if self.high[scope] - self.equity(*scope) > limit.drawdown * PAID_ONE:
                yield "DRAWDOWN"

    # -- sums -----------------------------------------------------------------------------------------------------

    def exposures(self) -> "Table":
        """Exposures by agent and instrument, from fills and open orders."""
        table: Table = defaultdict(Exposure)
        for key, (lots, _) in self.fills.items():
            table[key].position = lots
        for child in self.open:
            row = table[child.agent, child.instrument]
            still = child.open
            if child.side > 0:
                row.buys += still
            else:
                row.sells += still
        return table

    def gross(self, table: "Table", agents: Iterable[str], names: Iterable[str]) -> int:
        """Money at the last mids of worst-case positions, without their signs."""
        wanted = set(agents), set(names)
        return sum(
            row.worst * self.marks[name].mid2 * ONE * self.unit[name]
            for (agent, name), row in table.items()
            if agent in wanted[0] and name in wanted[1]
        )

    def used_qty(self, parent: str) -> int:
        """What a parent's children filled and may fill, 10^-8 of a lot."""
        return sum(child.cum + child.open for child in self.children[parent])

    def equity(self, agent: str, name: str) -> int:
        """Cash and positions at the last mids, 10^-16 of `MONEY`, of an agent and an instrument ("": all)."""
        return sum(
            cash + qty * self.marks[held].mid2 * ONE * self.unit[held]
            for (who, held), (qty, cash) in self.fills.items()
            if agent in ("", who) and name in ("", held)
        )

    def _spare(self, row: Exposure, side: int) -> int | None:
        """Open lots of a side up to which it can only bring a position nearer to zero; None: it has no such side."""
        return -row.position * side if row.position * side < 0 else None

    def _new_day(self, ns: int) -> None:
        if ns // DAY_NS > self.day:
            self.day = ns // DAY_NS
            self.opening = {scope: self.equity(*scope) for scope in self._scopes()}
            self.high = dict(self.opening)
            self.passed.clear()
