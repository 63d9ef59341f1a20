"""The limit gate: every command is checked here before it leaves and counted here once it has left.

    gate = LimitGate(read(path), listings, agents, killed=latch.killed)
    gate.register_parent("P1", "CSCO", "twap", BUY, 500)
    gate.mark("CSCO", BestQuotes(bid, ask), ns)          # at every change of the touch
    denial = gate.check(command, now_ns)                 # changes nothing
    if denial is None: journal; gate.count_sent(command); venue.send(command)
    alarm = gate.report(report, now_ns)                  # every report of the venue, in the order in which it comes
    for crossing in gate.watch(now_ns): ...              # warnings; breaches, whose agents are stopped from here on

It fails closed: a missing or unknown state and any exception is a denial. Cancels and status requests always pass. The
counts are a fold over commands sent and reports received, so that a restart folds the journal again. One thread owns a gate.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import LimitsError, OrderError
from tercel.core.fixed_point import ONE
from tercel.core.lifecycle import answers_earlier
from tercel.core.quotes import QuoteRequest
from tercel.core.venue_rules import NO_RULES
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.limits import checks, watch
from tercel.desk.limits.change import hash_of
from tercel.desk.limits.limit_sets import Limits, ScopeLimits
from tercel.desk.limits.order_counts import AT_ANY_PRICE, OpenOrder, ParentLimit
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.reported import ReportedCounts
from tercel.desk.limits.scopes import (
    HOUR_NS,
    NEVER_NS,
    AgentState,
    Holding,
    InstrumentState,
    Scope,
    executions_by_side,
)
from tercel.desk.limits.state import Check, Denial, Killed, LimitQuery
from tercel.desk.limits.units import MONEY
from tercel.desk.limits.watch import Crossing

PAIRED: Final = ("hedge", "flatten", "unwind")
"""What the name of a parent of a pair adds to that of the first leg, after a dash."""
_ORDERS: Final = (o.NewOrder, o.QuotedOrder, o.ReplaceOrder)
_ALWAYS: Final = (o.CancelOrder, o.StatusRequest, o.MassCancel)


class LimitGate(ReportedCounts):
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
    extra_checks : sequence of Check
        Additional checks, run after all others (`certify/limits`, beside the package, holds a kit for them).

    Raises
    ------
    LimitsError
        For a listing whose tick times lot is not a whole number of billionths.
    """

    def __init__(
        self,
        limits: Limits,
        listings: Iterable[o.Listing],
        agents: Iterable[str],
        killed: Killed | None = None,
        extra_checks: Sequence[Check] = (),
    ) -> None:
        """Make counters for every listed instrument, every agent and each pair of them that has limits."""
        super().__init__(limits)
        self.hash = hash_of(limits)
        self.killed = killed
        self.checks: tuple[Check, ...] = (*checks.CHECKS, *extra_checks)
        self._query = LimitQuery()
        self._query.gate = self
        for agent in agents:
            if (of_agent := limits.of_agent(agent)) is not None:
                self.agents[agent] = AgentState(agent, of_agent)
        for listing in listings:
            if (of_instrument := limits.of_instrument(listing.instrument)) is not None:
                name = listing.instrument
                if listing.rules is not NO_RULES:
                    self.rules[name] = listing.rules
                instrument = self.instruments[name] = InstrumentState(
                    name, of_instrument, _unit(listing)
                )
                for agent, state in self.agents.items():
                    self.holdings[agent, name] = Holding(instrument, state, self.desk, limits.desk)
        self.holdings_of = {
            agent: [holding for (owner, _), holding in self.holdings.items() if owner == agent]
            for agent in self.agents
        }

    def check(self, command: o.Command, now_ns: int) -> Denial | None:
        """Denial of the first check that refuses a command, or None if it may leave; changes no count."""
        try:
            kind = type(command)
            if kind not in _ORDERS:
                # Cancels and status requests always pass: refusing a cancel makes no position smaller.
                return (
                    None if kind in _ALWAYS else Denial("UNKNOWN_COMMAND", f"kind={kind.__name__}")
                )
            query = self._fill_query(command, now_ns)  # type: ignore[arg-type]
            for check in self.checks:
                if (denial := check(query)) is not None:
                    return denial
        # A check that fails refuses: an error in it must not open the gate.
        except Exception as error:
            return Denial("CHECK_FAILED", f"{type(error).__name__}: {error}")
        return None

    def check_request(self, request: QuoteRequest, now_ns: int) -> Denial | None:
        """Denial of the first check that refuses a request for quotes, or None if it may leave; changes no count."""
        try:
            # The order at the market that it may become.
            terms = request.lots, None, o.Tif.IOC, request.account, "", request.sent_ns
            side = request.side or BUY
            query = self._fill_query(
                o.NewOrder(request.id, request.instrument, side, *terms), now_ns
            )
            for check in checks.REQUEST_CHECKS:
                if (denial := check(query)) is not None:
                    return denial
            return checks.check_dealers(query, request.dealers)
        except Exception as error:
            return Denial("CHECK_FAILED", f"{type(error).__name__}: {error}")

    def person_accepts(self, agent: str) -> bool:
        """Whether no strategy of an agent may take a quote."""
        of_agent = self.limits.of_agent(agent)
        return self.limits.desk.person_accepts or of_agent is None or of_agent.person_accepts

    def _fill_query(self, command: o.NewOrder | o.ReplaceOrder, now_ns: int) -> LimitQuery:
        """Fill the reused query with a command and all state that checks look up."""
        # One object for all commands: nothing is allocated on the way of an order.
        query = self._query
        query.command = command
        # A clock that went back opens no window again.
        query.now_ns = self.sent_ns if type(now_ns) is int and now_ns < self.sent_ns else now_ns
        query.side = command.side
        query.price = command.price
        query.lots = lots = command.lots
        query.extra = lots * ONE if type(lots) is int else 0
        query.parent = self.parents.get(command.parent)  # type: ignore[assignment]
        query.holding = holding = self.holdings.get((command.account, command.instrument))  # type: ignore[assignment]
        if holding is not None:
            query.agent = holding.agent
            query.instrument = holding.instrument
        query.order = None
        if isinstance(command, o.ReplaceOrder):
            query.order = order = self.orders.get(command.orig)
            if order is not None and type(lots) is int:
                # What its largest size has reserved is reserved already: only lots beyond that are new.
                reserved_qty = max(order.most_lots * ONE, order.counted_qty, order.cum_qty)
                query.extra = max(0, lots * ONE - reserved_qty)
        return query

    def register_parent(self, name: str, instrument: str, agent: str, side: int, lots: int) -> None:
        """Register an accepted parent order with its lots, the most that its children may come to.

        Raises
        ------
        OrderError
            For an agent or instrument without limits, for lots and sides that are none, for a name given before to
            something else. The same parent again changes nothing.
        """
        holding = self.holdings.get((agent, instrument))
        if holding is None:
            raise OrderError(
                "an agent and an instrument with limits",
                f"{agent} in {instrument}",
                "add their limits",
            )
        if type(lots) is not int or lots <= 0 or side not in (BUY, SELL):
            raise OrderError(
                "a parent of some lots to buy or sell",
                f"side {side!r}, lots {lots!r}",
                "correct the parent",
            )
        existing = self.parents.get(name)
        if existing is None:
            registered = self.parents[name] = ParentLimit(name, holding, side, lots)
            base, _, role = name.rpartition("-")
            first_leg = self.parents.get(base)
            if (
                first_leg is not None
                and first_leg.holding.agent is holding.agent
                and role in PAIRED
            ):
                first_leg.legs.append(registered)
                registered.first = first_leg
        elif existing.holding is not holding or existing.side != side or existing.lots != lots:
            raise OrderError(
                "a new name for a new parent",
                f"{name}, which is taken",
                "amend it, or name another",
            )

    def amend(self, name: str, lots: int) -> None:
        """Change a parent's lots; where its children already exceed them, no new order is allowed.

        Raises
        ------
        OrderError
            For a parent that is not known, or lots that are none.
        """
        if name not in self.parents:
            raise OrderError("a parent that was given", name, "`tercel trade orders` lists them")
        if type(lots) is not int or lots < 0:
            raise OrderError(
                "lots, at least 0", repr(lots), "amend to what should be filled in all"
            )
        self.parents[name].lots = lots

    def mark(self, instrument: str, quotes: BestQuotes, ns: int, now_ns: int | None = None) -> None:
        """Update an instrument's best quotes; older marks, unknown names: ignored.

        It is dated `ns`; the clock says `now_ns`, by default the same, as where the market's time is the clock.
        Without two sides that do not meet there is no reference, and positions keep the last mid they had.
        """
        state = self.instruments.get(instrument)
        now_ns = ns if now_ns is None else now_ns
        if state is None:
            return
        # An older mark would make a stale reference look fresh.
        if ns >= state.marked_ns:
            # The day of losses is the clock's, not the market's: a feed with a wrong date must not begin one.
            self.advance_clock(now_ns)
            state.quotes = quotes
            state.marked_ns = ns
            mid2 = quotes.mid2
            state.sane = mid2 > 0
            state.update_validity()
            if state.sane:
                if mid2 != state.mid2:
                    self.revalue(state, mid2)
                state.sane_ns = ns
                self.update_highs(state)
        bad_ns = state.bad_ns if state.bad_ns != NEVER_NS else now_ns
        state.bad_ns = NEVER_NS if state.good_from_ns <= now_ns <= state.good_until_ns else bad_ns

    def stop(self, agent: str, reason: str, code: str = "") -> None:
        """Refuse new orders of an agent until it is resumed; an unknown agent is ignored.

        The reason begins with a code, if none is given.
        """
        if (state := self.agents.get(agent)) is not None:
            # The first reason under a code stays: later ones are mostly its consequences.
            state.stops.setdefault(code or reason.partition(" ")[0], reason)

    def resume(self, agent: str, codes: Iterable[str] = ()) -> None:
        """Clear an agent's stops by a person's decision, or only those with `codes`; unknown agents are ignored.

        Without codes its execution counts restart.

        With `codes` only what it was stopped for under these is over; an execution of that name is confirmed.
        """
        if (state := self.agents.get(agent)) is None:
            return
        if codes := tuple(codes):
            for code in codes:
                state.stops.pop(code, None)
                self.confirm_execution(agent, code)
            return
        state.stops = {}
        state.repeated = ""
        state.broken.discard("executions")
        for holding in self.holdings_of[agent]:
            # Counted again from here, or the next execution would stop it again for those that were cleared.
            holding.times = executions_by_side()

    def watch(self, now_ns: int, warnings: bool = True) -> list[Crossing]:
        """Crossings since the last call, to be made every turn (without `warnings` only breaches); a breach stops its agents.

        The caller also kills them if it has a latch, and cancels their open orders. Without `warnings` only breaches are
        looked for, which takes less time.
        """
        return watch.crossings(self, max(now_ns, self.sent_ns), warnings)

    def enforce(self, limits: Limits) -> None:
        """Put other limits in force; counts stay (see `change.with_changes` and `change.find_loosened`).

        Raises
        ------
        LimitsError
            For limits without an agent or instrument that this gate has: nothing is changed then.
        """
        adopted: dict[Scope, ScopeLimits | None] = {
            self.desk: limits.desk,
            **{agent: limits.of_agent(agent.name) for agent in self.agents.values()},
            **{each: limits.of_instrument(each.name) for each in self.instruments.values()},
        }
        # All or nothing: looked for before anything is changed.
        missing = [scope.name for scope, of_scope in adopted.items() if of_scope is None]
        if missing:
            raise LimitsError(
                "limits for every agent and instrument of the gate",
                f"none for {', '.join(missing)}",
                "set them as low as you like",
            )
        self.limits = limits
        self.hash = hash_of(limits)
        for scope, of_scope in adopted.items():
            scope.adopt_limits(of_scope, self.sent_ns)  # type: ignore[arg-type]
        for holding in self.holdings.values():
            holding.adopt_limits(limits.desk)

    def day(self) -> dict[str, Any]:
        """The day's opening and highest equity for the journal, as no fold of orders and reports can rebuild them."""
        return {
            "ends_ns": self.day_ends_ns,
            "scopes": [
                [scope.room, scope.name, scope.opening, scope.high] for scope in self.scopes()
            ],
        }

    def restore_day(self, ends_ns: int, scopes: Sequence[tuple[str, str, int, int]]) -> None:
        """Restore what :meth:`day` gave before a restart, unless a new day has begun since."""
        if ends_ns < self.day_ends_ns:
            return
        self.day_ends_ns = ends_ns
        scopes_by_key = {(scope.room, scope.name): scope for scope in self.scopes()}
        for room, name, opening, high in scopes:
            if (scope := scopes_by_key.get((room, name))) is not None:
                scope.opening = opening
                scope.high = high
                scope.update_floor()

    def count_sent(self, command: o.Command, now_ns: int | None = None) -> None:
        """Count a command that leaves now (at `sent_ns`, or at `now_ns`); call it before the venue has it."""
        self._fold(self._count_sent, command, command.sent_ns if now_ns is None else now_ns)

    def count_request(
        self, instrument: str, agent: str, lots: int, mid2: int, dealers: Iterable[str], ns: int
    ) -> None:
        """Count a request for quotes that leaves now, at a mid (half ticks); call it before the venue has it."""
        self._fold(self._count_request, (instrument, agent), lots * mid2, dealers, ns)

    def _count_request(
        self, key: tuple[str, str], lot_mids: int, dealers: Iterable[str], ns: int
    ) -> None:
        """Count a request for quotes in its scopes, worth `lot_mids` (lots times doubled mid), and its dealers among
        the day's."""
        ns = max(ns, self.sent_ns)
        self.advance_clock(ns)
        instrument = self.instruments[key[0]]
        agent = self.agents[key[1]]
        for scope in (agent, self.desk):
            scope.requests.append((ns, lot_mids * instrument.unit))
            while scope.requests[0][0] <= ns - HOUR_NS:
                scope.requests.popleft()
        instrument.dealers |= dict.fromkeys(dealers)
        self.count_message((agent, instrument, self.desk), ns)

    def release_unsent(self, command: o.Command) -> None:
        """Release the reserved lots of a counted command that did not leave, as the link was down."""
        if isinstance(command, o.NewOrder):
            self._fold(self._release_unsent, command.cl_ord_id)
        elif type(command) is o.ReplaceOrder:
            self._fold(self._drop_replace, command.cl_ord_id, command.orig)

    def cancel_reject(self, reject: o.CancelReject) -> None:
        """Drop the replace that a cancel reject names; if it answers a probe of an ended order, all sent before that.

        A venue that knows the order, and refuses to cancel it as it has ended, has answered every replace that was sent
        before the cancel.
        """
        self._fold(self._drop_replace, reject.cl_ord_id, reject.orig, reject.status)

    def _count_sent(self, command: o.Command, ns: int) -> None:
        """Count a command that leaves: its name, its order's reserved lots, the messages of its scopes."""
        # A clock that goes back must not empty the windows.
        ns = max(ns, self.sent_ns)
        self.advance_clock(ns)
        if isinstance(command, o.NewOrder | o.ReplaceOrder):
            holding = self.holdings[command.account, command.instrument]
            if command.cl_ord_id in self.names:
                raise ValueError("a name that left before")
            self.names.add(command.cl_ord_id)
            window_ns = self.limits.desk.duplicate_ns
            recent = self.recent
            if window_ns:
                key = checks.content_key(command)
                recent[key] = ns
                # Oldest first, so that the loop below may stop at the first that is young enough.
                recent.move_to_end(key)
                while ns - next(iter(recent.values())) >= window_ns:
                    recent.popitem(last=False)
            # A market order may fill at any price: none of its fills is outside its terms.
            price = AT_ANY_PRICE * command.side if command.price is None else command.price
            if isinstance(command, o.NewOrder):
                parent = self.parents[command.parent]
                order = OpenOrder(
                    command.cl_ord_id, holding, parent, command.side, command.lots, price
                )
            else:
                order = self.orders[command.orig]
                order.turns += 1
                order.requested[command.cl_ord_id] = (order.turns, command.lots, price)
                # Either price may be the one in force when it fills, until the venue has answered.
                order.worst = order.side * max(order.side * order.worst, order.side * price)
            self.orders[command.cl_ord_id] = order
            self.settle(order)
            self.count_message(holding.scopes, ns)
            return
        if isinstance(command, o.CancelOrder):
            ended = self.orders.get(command.orig)
            if ended is not None and ended.requested and not ended.live:
                ended.probes[command.cl_ord_id] = ended.turns
        self.names.add(command.cl_ord_id)
        self.count_message(self.scopes_of(command), ns)

    def _release_unsent(self, name: str) -> None:
        """Mark an order that never left as rejected, and release its lots."""
        order = self.orders[name]
        # Its name stays used: it may have left in part.
        if order.live:
            order.base = o.OrdStatus.REJECTED
        self.settle(order)

    def _drop_replace(
        self, name: str, orig: str, status: o.OrdStatus = o.OrdStatus.PENDING_NEW
    ) -> None:
        """Drop a replace that was not accepted; the reject of a probe with a final `status` drops all sent before it."""
        order = self.orders.get(name) or self.orders.get(orig)
        if order is None:
            return
        order.requested.pop(name, None)
        turn = order.probes.pop(name, None)
        if turn is not None and not order.live and answers_earlier(status, order.base):
            late = {each: request for each, request in order.requested.items() if request[0] > turn}
            order.requested = late
        self.settle(order)

    def usage(self) -> dict[str, dict[str, dict[str, tuple[float, float, float]]]]:
        """Usage of all limits: ``{"desk"|"instruments"|"agents": {name: {limit: (used, limit, warning level)}}}``, in
        file units."""
        usage: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = {
            "desk": {},
            "instruments": {},
            "agents": {},
        }
        for scope in self.scopes():
            usage[scope.room][scope.name] = {
                gauge.limit: (
                    gauge.to_file_units(gauge.used),
                    gauge.to_file_units(gauge.most),
                    gauge.to_file_units(gauge.level(scope.limits.warn)),
                )
                for gauge in watch.gauges(self, scope, self.sent_ns)
            }
        return usage


def _unit(listing: o.Listing) -> int:
    """Value of half a tick of one lot, in integer units of `MONEY`."""
    unit = Fraction(repr(listing.tick)) * listing.lot * MONEY / 2
    if unit.denominator != 1 or unit <= 0:
        raise LimitsError(
            "a tick times a lot in whole billionths of the currency",
            f"tick {listing.tick!r}, lot {listing.lot!r} of {listing.instrument}",
            "correct the listing",
        )
    return int(unit)
