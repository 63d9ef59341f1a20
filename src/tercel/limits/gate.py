"""The gate: every command of every source is asked here before it leaves, and counted here once it left.

    gate = LimitGate(read(path), listings, agents, killed=latch.killed)
    gate.parent("P1", "CSCO", "twap", BUY, 500)
    gate.mark("CSCO", bid, ask, ns)                      # at every change of the touch
    denial = gate.check(command, now_ns)                 # changes nothing
    if denial is None: journal; gate.sent(command); venue.send(command)
    alarm = gate.report(report)                          # every report of the venue, in the order in which it comes
    for crossing in gate.watch(now_ns): ...              # warnings; breaches, whose agents are stopped from here on

It fails closed: what is missing, unknown or raises an exception is a denial. Cancels and questions always pass. The
counts are a fold over what was sent and reported, so that a restart folds the journal again. One thread owns a gate.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from tercel.core.errors import LimitsError, OrderError
from tercel.core.fixed import ONE, ceiled, text
from tercel.core.orders import (
    REBOOKS,
    TERMINAL,
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    Listing,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
)
from tercel.core.vocabulary import BUY, SELL
from tercel.limits import checks, watch
from tercel.limits.change import hash_of
from tercel.limits.file import MONEY, Limits
from tercel.limits.past import PastCounts
from tercel.limits.state import (
    AT_ANY_PRICE,
    AgentState,
    Alarm,
    Check,
    Denial,
    Holding,
    InstrumentState,
    Killed,
    LimitQuery,
    OpenOrder,
    ParentLimit,
    executions_by_side,
)
from tercel.limits.watch import Crossing

CHECKS: Final[tuple[Check, ...]] = (
    checks.check_killed,  # a person stopped it
    checks.check_form,  # numbers are numbers
    checks.check_known,  # the instrument and the agent have limits
    checks.check_parent,  # somebody asked for it
    checks.check_replaced,  # it changes an order that lives
    checks.check_twice,  # it was not sent before
    checks.check_hours,  # the market is open to us
    checks.check_order_lots,  # how many
    checks.check_reference,  # the price of things is known
    checks.check_collar,  # at what price
    checks.check_order_value,  # how much
    checks.check_crossing,  # not against ourselves
    checks.check_children,  # no more than the parent
    checks.check_position,  # if all of it fills
    checks.check_gross,  # whatever way it goes
    checks.check_messages,  # not too often
    checks.check_loss,  # not after too much was lost
)
"""The order of checks. The first that refuses is reported; a person's own come after them."""

_ALWAYS: Final = (CancelOrder, StatusRequest, MassCancel)


class LimitGate(PastCounts):
    """Hard limits of one desk.

    Parameters
    ----------
    limits : Limits
    listings : iterable of Listing
        The instruments of the desk. One without limits is unknown to the gate.
    agents : iterable of str
        Its agents, as `account` names them. One without limits is unknown to the gate.
    killed : callable
        Returns why an agent is killed, or None.
    more : sequence of Check
        Own checks, asked after all others (`tercel.testing.limits` holds a kit for them).

    Raises
    ------
    LimitsError
        For a listing whose tick times lot is not a whole number of billionths.
    """

    def __init__(
        self,
        limits: Limits,
        listings: Iterable[Listing],
        agents: Iterable[str],
        killed: Killed | None = None,
        more: Sequence[Check] = (),
    ) -> None:
        super().__init__(limits.desk)
        self.limits, self.hash, self.killed = limits, hash_of(limits), killed
        self.checks: tuple[Check, ...] = (*CHECKS, *more)
        self._query = LimitQuery()
        self._query.gate = self
        for agent in agents:
            if (of_agent := limits.of_agent(agent)) is not None:
                self.agents[agent] = AgentState(agent, of_agent)
        for listing in listings:
            if (of_instrument := limits.of_instrument(listing.instrument)) is not None:
                name = listing.instrument
                at = self.instruments[name] = InstrumentState(name, of_instrument, _unit(listing))
                for agent, state in self.agents.items():
                    self.holdings[agent, name] = Holding(at, state, self.desk, limits.desk)
        self.holdings_of = {
            agent: [holding for (who, _), holding in self.holdings.items() if who == agent] for agent in self.agents
        }
        """Every agent's holdings, in all instruments."""

    # -- the question ---------------------------------------------------------------------------------------------

    def check(self, command: Command, now_ns: int) -> Denial | None:
        """May it leave now? The first check that refuses gives the reason; None: it may. Counts nothing."""
        try:
            kind = type(command)
            if kind is not NewOrder and kind is not ReplaceOrder:
                return None if kind in _ALWAYS else Denial("UNKNOWN_COMMAND", f"kind={kind.__name__}")
            query = self._ask(command, now_ns)  # type: ignore[arg-type]
            for check in self.checks:
                if (denial := check(query)) is not None:
                    return denial
        except Exception as error:
            return Denial("CHECK_FAILED", f"{type(error).__name__}: {error}")
        return None

    def _ask(self, command: NewOrder | ReplaceOrder, now_ns: int) -> LimitQuery:
        query = self._query
        query.command = command  # a clock that went back opens no window again
        query.now_ns = self.sent_ns if type(now_ns) is int and now_ns < self.sent_ns else now_ns
        query.side, query.price = command.side, command.price
        query.lots, query.extra = (lots := command.lots), lots * ONE if type(lots) is int else 0
        query.parent = self.parents.get(command.parent)  # type: ignore[assignment]
        query.holding = holding = self.holdings.get((command.account, command.instrument))  # type: ignore[assignment]
        if holding is not None:
            query.agent, query.instrument = holding.agent, holding.instrument
        query.order = None
        if isinstance(command, ReplaceOrder):
            query.order = order = self.orders.get(command.orig)
            if order is not None and type(lots) is int:
                most = max(order.most * ONE, order.reported, order.cum)
                query.extra = max(0, lots * ONE - most)
        return query

    # -- people and the market ---------------------------------------------------------------------------

    def parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """A parent order was given to an agent: its children may come to so many lots.

        Raises
        ------
        OrderError
            For an agent or instrument without limits, for lots and sides that are none, for a name given before to
            something else. The same mark again changes nothing.
        """
        holding = self.holdings.get((agent, instrument))
        if holding is None:
            raise OrderError("an agent and an instrument with limits", f"{agent} in {instrument}", "add their limits")
        if type(lots) is not int or lots <= 0 or side not in (BUY, SELL):
            raise OrderError("a parent of some lots to buy or sell", f"side {side!r}, lots {lots!r}", "mend the parent")
        known = self.parents.get(name)
        if known is None:
            self.parents[name] = ParentLimit(name, holding, side, lots)
        elif known.holding is not holding or known.side != side or known.lots != lots:
            raise OrderError("a new name for a new parent", f"{name}, which is taken", "amend it, or name another")

    def amend(self, name: str, lots: int) -> None:
        """A parent has other lots now; when its children are past them, none is added.

        Raises
        ------
        OrderError
            For a parent that is not known, or lots that are none.
        """
        if name not in self.parents:
            raise OrderError("a parent that was given", name, "`tercel trade orders` lists them")
        if type(lots) is not int or lots < 0:
            raise OrderError("lots, at least 0", repr(lots), "amend to what should be filled in all")
        self.parents[name].lots = lots

    def mark(self, instrument: str, bid: int | None, ask: int | None, ns: int) -> None:
        """The touch of an instrument, in ticks; None: that side is empty. Older than the last: ignored.

        Without two sides that do not meet there is no reference, and positions keep the last mid they had.
        """
        at = self.instruments.get(instrument)
        if at is None or ns < at.marked_ns:
            return
        if ns >= self.day_ends_ns:
            self.begin_day(ns)
        at.bid, at.ask, at.marked_ns = bid or 0, ask or 0, ns
        at.sane = type(bid) is int and type(ask) is int and 0 < bid < ask
        at.age()
        if at.sane:
            at.sane_ns = ns
            if (mid2 := at.bid + at.ask) != at.mid2:
                self.revalue(at, mid2)
            self.rise(at)

    def stop(self, agent: str, reason: str) -> None:
        """Let nothing new of an agent leave until a person resumes it."""
        self.agents[agent].stopped = reason

    def resume(self, agent: str) -> None:
        """A person has cleared it: the agent may go on, and its executions count anew. An unknown one stays so."""
        if (state := self.agents.get(agent)) is None:
            return
        state.stopped = state.repeated = ""
        state.broken.discard("executions")
        for holding in self.holdings_of[agent]:
            holding.times = executions_by_side()

    def watch(self, now_ns: int, warnings: bool = True) -> list[Crossing]:
        """What was passed since this was last asked; ask it at every turn. A breach stops its agents, until `resume`.

        Whoever asks kills them too, where there is a latch, and cancels what they have open. Without `warnings` only
        breaches are looked for, which takes less time.
        """
        return watch.crossings(self, max(now_ns, self.sent_ns), warnings)

    def enforce(self, limits: Limits) -> None:
        """Other limits are in force from here on; counts stay. See `change.changed` and `change.loosened`.

        Raises
        ------
        LimitsError
            For limits without an agent or instrument that this gate has: nothing is changed then.
        """
        of_agents = {name: limits.of_agent(name) for name in self.agents}
        of_instruments = {name: limits.of_instrument(name) for name in self.instruments}
        missing = [name for name, of in (of_agents | of_instruments).items() if of is None]
        if missing:
            wanted = "limits for every agent and instrument of the gate"
            raise LimitsError(wanted, f"none for {', '.join(missing)}", "set them as low as you like")
        self.limits, self.hash, self.duplicate_ns = limits, hash_of(limits), limits.desk.duplicate_ns
        self.desk.take(limits.desk, self.sent_ns)
        for name, of_agent in of_agents.items():
            self.agents[name].take(of_agent, self.sent_ns)  # type: ignore[arg-type]
        for name, of_instrument in of_instruments.items():
            self.instruments[name].take(of_instrument, self.sent_ns)  # type: ignore[arg-type]
        for holding in self.holdings.values():
            holding.take(limits.desk)

    def day(self) -> dict[str, Any]:
        """What of the day no fold of orders and reports can count again, for a journal: opening and highest equity."""
        return watch.day(self)

    def restore_day(self, day: Mapping[str, Any]) -> None:
        """Take what :meth:`day` said before a restart, unless another day has begun since."""
        watch.restore_day(self, day)

    # -- what left, and what became of it -------------------------------------------------------------------------

    def sent(self, command: Command, now_ns: int | None = None) -> None:
        """It leaves now (at `sent_ns`, or at `now_ns`) and counts from here on. Call it before the venue has it."""
        self._fold(self._sent, command, command.sent_ns if now_ns is None else now_ns)

    def unsent(self, command: Command) -> None:
        """The way to the venue was down and nothing left after all: an order's lots are free again."""
        if type(command) is NewOrder:
            self._fold(self._unsent, command.cl_ord_id)
        elif type(command) is ReplaceOrder:
            self._fold(self._drop_replace, command.cl_ord_id)

    def report(self, report: Report) -> Alarm | None:
        """Count a report of the venue. What makes no sense is booked as far as it can be, and reported."""
        alarm: Alarm | None = self._fold(self._report, report)
        return alarm

    def cancel_reject(self, reject: CancelReject) -> None:
        """A cancel or replace was refused: what a replace asked for is off. Frees nothing else."""
        self._fold(self._drop_replace, reject.cl_ord_id)

    def _fold(self, change: Callable[..., Any], *arguments: Any) -> Any:
        """Change the counts; if that fails they are wrong, and nothing new leaves any more."""
        try:
            return change(*arguments)
        except Exception as error:
            self.fault = self.fault or f"{type(error).__name__}: {error} at {arguments[0]!r}"
            return Alarm("COUNTS_BROKEN", self.fault)

    def _sent(self, command: Command, ns: int) -> None:
        ns = max(ns, self.sent_ns)
        if ns >= self.day_ends_ns:
            self.begin_day(ns)
        if isinstance(command, NewOrder | ReplaceOrder):
            holding = self.holdings[command.account, command.instrument]
            if command.cl_ord_id in self.names:
                raise ValueError("a name that left before")
            self._remember(command, ns)
            price = AT_ANY_PRICE * command.side if command.price is None else command.price
            if isinstance(command, NewOrder):
                parent = self.parents[command.parent]
                order = OpenOrder(holding, parent, command.side, command.lots, price)
            else:
                order = self.orders[command.orig]
                order.turns += 1
                order.requested[command.cl_ord_id] = (order.turns, command.lots, price)
            self.orders[command.cl_ord_id] = order
            self.settle(order)
            self.count_message(holding.agent, (holding.instrument,), ns)
            return
        name = "" if isinstance(command, StatusRequest) else command.instrument
        at = (self.instruments[name],) if name in self.instruments else ()
        self.names.add(command.cl_ord_id)
        self.count_message(self.agents.get(command.account), at, ns)

    def _remember(self, command: NewOrder | ReplaceOrder, ns: int) -> None:
        self.names.add(command.cl_ord_id)
        within, recent = self.duplicate_ns, self.recent
        if within:
            key = checks.content(command)
            recent[key] = ns
            recent.move_to_end(key)
            while ns - next(iter(recent.values())) >= within:
                recent.popitem(last=False)

    def _unsent(self, name: str) -> None:
        order = self.orders[name]
        order.live = False
        self.settle(order)

    def _drop_replace(self, name: str) -> None:
        order = self.orders.get(name)
        if order is not None and order.requested.pop(name, None) is not None:
            self.settle(order)

    def _report(self, report: Report) -> Alarm | None:
        if report.ns >= self.day_ends_ns:
            self.begin_day(report.ns)
        order = self.orders.get(report.cl_ord_id) or self.orders.get(report.orig)
        instrument = report.instrument or (order.holding.instrument.name if order else "")  # unknown orders have none
        if order is not None and self.holdings.get((report.account, instrument)) is not order.holding:
            order = None
        if report.exec_type in REBOOKS:
            return self._rebooked(order, report)
        if order is None:
            return self._strange(report)
        alarm = None
        if report.status is OrdStatus.REJECTED:
            if order.requested.pop(report.cl_ord_id, None) is None:
                if order.accepted:
                    return Alarm("CONTRADICTION", f"order={report.cl_ord_id} was accepted and is now rejected")
                order.live = False
            self.settle(order)
            return None
        order.accepted = order.accepted or report.status not in (OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)
        if report.exec_type is ExecType.REPLACED:
            self._replaced(order, report)
        elif report.exec_type is ExecType.RESTATED and report.ns >= order.changed_ns:
            order.changed_ns, order.price = report.ns, order.price if report.price is None else report.price
            order.lots = max(report.lots or order.lots, ceiled(report.cum_qty))
            self._reopened(order, report)
        self._ended(order, report)
        if report.exec_type is ExecType.TRADE:
            alarm = self._filled(order, report)
        return self._counted(order, report) or alarm

    def _ended(self, order: OpenOrder, report: Report) -> None:
        """The venue has ended it; a fill from before one was taken back ends nothing."""
        filled = report.status is OrdStatus.FILLED
        if report.status in TERMINAL and not (filled and report.ns < order.recounted_ns):
            order.live, order.filled = False, filled and (order.live or order.filled)

    def _reopened(self, order: OpenOrder, report: Report) -> None:
        """It was filled, and lots of it are open again."""
        if order.filled and report.leaves_qty > 0 and order.cum < order.most * ONE:
            order.live, order.filled = True, False

    def _counted(self, order: OpenOrder, report: Report) -> Alarm | None:
        """What the venue counts as filled stays reserved until its fill comes; older counts are no longer true."""
        alarm = None
        if report.ns >= order.recounted_ns:
            order.reported = max(order.reported, report.cum_qty)
            if order.reported > order.most * ONE:
                what = f"cum={text(order.reported)} lots={order.most}"
                alarm = self._stop(order.holding.agent, "OVERFILL", what, report)
        self.settle(order)
        return alarm

    def _replaced(self, order: OpenOrder, report: Report) -> None:
        """The venue took a replace. One that is older than another already taken changes nothing."""
        requested = order.requested.pop(report.cl_ord_id, None)
        if requested is None:
            return
        turn, lots, price = requested
        order.taken, before = max(turn, order.taken), order.taken
        if order.taken != before and report.ns >= order.changed_ns:
            order.changed_ns, order.price = report.ns, price
            order.lots = max(lots, report.lots, ceiled(report.cum_qty))

    def _filled(self, order: OpenOrder, report: Report) -> Alarm | None:
        if self.executions.find("", report.exec_id) is not None:
            return None
        if type(report.last_qty) is not int or report.last_qty <= 0 or type(report.last_px) is not int:
            raise ValueError(f"a fill of {report.last_qty!r} at {report.last_px!r}")
        holding = order.holding
        owner = order, holding, order.side
        one = self.executions.book("", report.exec_id, owner, report.last_qty, report.last_px)
        qty, within = one.qty, min(one.qty, order.open)  # less, where its bust or correction came before it
        order.cum += qty
        order.open -= within
        order.parent.used += qty - within
        self.reserve(holding, order.side, -within)
        self.fill(holding, order.side, qty, one.px)
        repeated = self._repeated(holding, order.side, report)
        if within < qty:
            return self._stop(holding.agent, "OVERFILL", f"lots={text(qty)} open={text(within)}", report)
        if not report.exec_id:
            return self._stop(holding.agent, "NO_EXEC_ID", f"lots={text(qty)}", report)
        return repeated

    def _repeated(self, holding: Holding, side: int, report: Report) -> Alarm | None:
        """One more execution; one too many of a side in a window stops the agent."""
        agent = holding.agent
        most = agent.limits.executions
        if not most or (many := holding.executed(side, report.ns)) <= most or agent.repeated:
            return None
        agent.repeated = f"{holding.instrument.name} {side:+d}"
        what = f"instrument={holding.instrument.name} side={side:+d} executions={many} limit={most}"
        return self._stop(agent, "EXECUTIONS", what, report)

    def _rebooked(self, order: OpenOrder | None, report: Report) -> Alarm | None:
        """A fill never was, or was of other lots or at another price; `order` is the one that the report names."""
        one, alarm = self.executions.find("", report.ref), None
        if one is None:
            alarm = Alarm("UNKNOWN_EXECUTION", f"order={report.cl_ord_id} {report.exec_type} of {report.ref!r}")
        qty, px = (0, 0) if one is None else (one.qty, one.px)
        if not self.executions.change("", report):
            return None
        if one is not None:
            mine, holding, side = one.owner
            self.fill(holding, side, -qty, px)
            self.fill(holding, side, one.qty, one.px)
            if mine is not None:
                more = one.qty - qty
                mine.cum, mine.parent.used = mine.cum + more, mine.parent.used + more
                self.settle(mine)
        if order is None:
            return alarm
        order.accepted = True
        if report.ns >= order.recounted_ns:
            order.recounted_ns, order.reported = report.ns, report.cum_qty
        self._reopened(order, report)
        self._ended(order, report)
        return self._counted(order, report) or alarm

    def _strange(self, report: Report) -> Alarm | None:
        """A report on an order that never left here. A fill is booked all the same, and its agent stops."""
        where = report.account, report.instrument
        if (holding := self.holdings.get(where)) is None:
            return Alarm("FOREIGN", f"account={where[0]} instrument={where[1]} order={report.cl_ord_id}")
        if report.exec_type is not ExecType.TRADE:
            return Alarm("UNKNOWN_ORDER", f"order={report.cl_ord_id} status={report.status}")
        if self.executions.find("", report.exec_id) is not None:
            return None
        owner = None, holding, report.side
        one = self.executions.book("", report.exec_id, owner, report.last_qty, report.last_px)
        self.fill(holding, report.side, one.qty, one.px)
        return self._stop(holding.agent, "STRANGE_FILL", f"lots={text(report.last_qty)}", report)

    def _stop(self, agent: AgentState, code: str, text: str, report: Report) -> Alarm:
        agent.stopped = agent.stopped or f"{code} {report.cl_ord_id}"
        return Alarm(code, f"agent={agent.name} order={report.cl_ord_id} {text}", agent.name)

    # -- for people -----------------------------------------------------------------------------------------------

    def usage(self) -> dict[str, dict[str, dict[str, tuple[float, float, float]]]]:
        """Used, limit, warning level: ``{"desk"|"instruments"|"agents": {name: {limit: (used, limit, level)}}}``."""
        return watch.usage(self)


def _unit(listing: Listing) -> int:
    """The value of half a tick of a lot, in `MONEY`: so that money needs no fraction."""
    unit = Fraction(repr(listing.tick)) * listing.lot * MONEY / 2
    if unit.denominator != 1 or unit <= 0:
        raise LimitsError(
            "a tick times a lot in whole billionths of the currency",
            f"tick {listing.tick!r}, lot {listing.lot!r} of {listing.instrument}",
            "mend the listing",
        )
    return int(unit)
