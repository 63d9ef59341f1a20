"""Requests for quotes: lots of a parent requested from dealers, their quotes checked, and orders that take them.

    name = session.quotes.request("p1", 300, ("D1", "D2"), until_ns, by="ann")
    session.step(...)                                    # quotes come, are checked and journaled
    session.quotes.accept(name, quote_id, by="ann")      # an order, through limits and journal, as every other

The requested lots are withheld from the parent's executor until the request ends. A request ends when its lots have traded,
its time has come, it was passed, or every dealer has answered. None outlives its session: the next one ends it as expired, and
reconciles an order that had taken a quote as every other (`trading.reconciliation.recovery`).

Orders by `rfq` and `routed` (`execution.routing`) are requested when they arrive. If no person is needed, the best quote
within the bound is taken once all have answered, or shortly before it or the request ends.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from tercel.core.child_order import ChildOrder
from tercel.core.errors import JournalError, OrderError, VenueError, refuse_if
from tercel.core.fixed_point import ceil_units
from tercel.core.open_quotes import OpenQuotes
from tercel.core.orders import OrdStatus, QuotedOrder, Tif, VenueEvent
from tercel.core.ports import Entry
from tercel.core.quotes import (
    QUOTE_EVENTS,
    Quote,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
)
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.open_rfq import (
    OpenRfq,
    answer_fields,
    find_fault,
    outcome_of,
    require_at_work,
    require_open,
    require_quote,
    require_terms,
    takeable_quotes,
)
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import AT_WORK, ParentOrder, ParentStatus
from tercel.desk.trading.quote_memory import DeskRouter
from tercel.desk.trading.quote_plan import QuotePlan, plan_of
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.execution.routing import Routed
from tercel.execution.strategy import Strategy, Wrapper

ANSWER_S: Final = 15.0
"""Default seconds of a request, at most a quarter of the remaining time of an arriving parent."""
LONGEST_S: Final = 3600.0
DRIFT_S: Final = (1.0, 10.0, 60.0)
"""Seconds after a request at which the mid is journaled."""


class QuoteRequests:
    """Requests for quotes of a session: sends them, checks answers, takes quotes, and withholds their lots from executors.

    Parameters
    ----------
    manager : ParentOrderManager
    dealers : tuple of str
        Dealers of requests by `rfq` orders, and of manual requests without dealers.
    """

    def __init__(self, manager: ParentOrderManager, dealers: tuple[str, ...] = ()) -> None:
        self._manager = manager
        self.router: DeskRouter | None = None
        """Knows the way of orders by `routed`; without one they are worked in the book."""
        self._gateway = manager.gateway
        self._venue = manager.gateway.venue
        self._parents = manager.gateway.ledger.parents
        self.dealers = dealers
        self.book = OpenQuotes()
        self._open: dict[str, OpenRfq] = {}
        self._arriving: dict[str, QuotePlan] = {}
        """Plans of parents that wait for a market before their request is sent, by id."""
        self._after: set[str] = set()
        """Parents of requests that have ended."""
        self._drifts: list[tuple[int, float, OpenRfq]] = []
        manager.requests = self

    def begin(self) -> None:
        """Journal the end of requests that an earlier session left open: they have ended with it."""
        orders = self._gateway.ledger.orders
        for request, (request_entry, *hits) in list(self._gateway.ledger.quote_requests.items()):
            filled = any(order.cum_qty for hit in hits if (order := orders.get(hit.order)))
            subject = request_entry.instrument, request_entry.agent, request_entry.parent
            self._gateway.write(
                [self._entry(subject, "ended", request, outcome="traded" if filled else "expired")]
            )

    @property
    def open(self) -> bool:
        """Whether a request is open or planned, or lots of an ended one are still to be given back."""
        return bool(self._open or self._arriving or self._after)

    @property
    def due_ns(self) -> int:
        """Venue time, ns, at which `on_step` has work next; FOREVER_NS if only events matter."""
        if not (self._open or self._arriving or self._drifts):  # most sessions ask no dealer
            return FOREVER_NS
        idle = [rfq for rfq in self._open.values() if self._in_flight(rfq) is None]
        times = [ns for ns, _, _ in self._drifts] + [
            self._request_ns(id_) for id_ in self._arriving
        ]
        times += [ns for rfq in idle for ns in (self._ends_ns(rfq), self._take_ns(rfq))]
        return min(times, default=FOREVER_NS)

    def on_accepted(self, parent: ParentOrder, strategy: Strategy) -> None:
        """Plan the request for quotes of an accepted parent, if its strategy makes one, and withhold its lots (see `HeldLots`);
        alert if there are no dealers."""
        venue = self._venue
        while isinstance(strategy, Wrapper):
            strategy = strategy.inner
        order = parent.order
        if self.router is not None and isinstance(strategy, Routed) and not strategy.only:
            strategy, reason = self.router.choose_route(strategy, order.instrument, parent.lots)
            subject = order.instrument, order.agent, parent.id
            self._gateway.alert("info", "routed", f"{parent.id}: {reason}", *subject)
        plan = plan_of(strategy, parent.lots, self.dealers)
        if plan is not None and plan.dealers and venue.capabilities.quotes is not None:
            self._arriving[parent.id] = plan
        elif plan is not None:
            reason = "has no dealers" if plan.dealers else "has dealers, and the desk names none"
            text = f"{venue.name} {reason}: orders by {parent.strategy} are worked in the book"
            self._gateway.alert_once("warning", "no_quotes", text, parent.order.instrument)

    def withheld_lots(self, parent: str, with_in_flight: bool = True) -> int:
        """Lots of a parent in planned or open requests; `with_in_flight`: with the open lots of orders that take a quote."""
        lots = self._arriving[parent].lots if parent in self._arriving else 0
        for rfq in [rfq for rfq in self._open.values() if rfq.parent == parent]:
            order = self._gateway.ledger.orders.get(rfq.order) if rfq.order else None
            lots += rfq.withheld_lots(order, with_in_flight)
        return lots

    def quote_orders(self, parent: str) -> list[str]:
        """Names of a parent's orders that take a quote and have not ended."""
        rfqs = [rfq for rfq in self._open.values() if rfq.parent == parent]
        return [rfq.order for rfq in rfqs if self._in_flight(rfq) is not None]

    def request(
        self,
        parent_id: str,
        lots: Any,
        dealers: Sequence[str] = (),
        seconds: Any = None,
        *,
        hidden: bool = False,
        within: float | None = None,
        by: str = "",
        operator: int | None = None,
        arrives: bool = False,
    ) -> str:
        """Request quotes from dealers for lots of a parent, taken from its executor meanwhile; returns the request's name.

        Parameters
        ----------
        parent_id : str
        lots : int
            At most the lots that are neither filled, nor open, nor in another request.
        dealers : sequence of str
            By default those of the desk.
        seconds : float or None
            Time to its end, by default `ANSWER_S`.
        hidden : bool
            Dealers do not see the side.
        within : float or None
            bps of mid within which the best quote is taken; None: a person takes one.
        by : str
            A person's name, or "" of a strategy.
        operator : int, optional
            The command that it obeys.
        arrives : bool
            The parent's executor has none of these lots.

        Raises
        ------
        OrderError
            For an unknown parent, unavailable lots, invalid names, or if limits or the trading state refuse it: nothing was
            sent.
        VenueError
            The venue has no dealers, or the link is down: the request has ended.
        JournalError
            Nothing was sent.
        """
        parent = self._parents.require(parent_id)
        order = parent.order
        now = self._venue.now_ns
        dealer_names = tuple(dealers) or self.dealers
        room = self._manager.free_lots(parent)
        longest = min(LONGEST_S, (parent.ends_ns - now) / NS_PER_SECOND)
        seconds = min(ANSWER_S, longest) if seconds is None else seconds
        require_at_work(parent, now)
        require_terms(lots, room, seconds, longest, dealer_names)
        failure: Exception | None = None
        with self._gateway.lock:
            arrival_entries, _ = self._manager.arrival_entries(parent)
            request = QuoteRequest(
                self._gateway.new_name(),
                order.instrument,
                side=0 if hidden else order.side,
                lots=lots,
                until_ns=now + round(seconds * NS_PER_SECOND),
                account=order.agent,
                sent_ns=now,
                dealers=dealer_names,
            )
            wrong = self.book.add_request(request)
            refuse_if(wrong, "a request that can be made", wrong, "make another one", OrderError)
            rfq = self._open[request.id] = OpenRfq(request, parent.id, order.side, within)
            body = QuoteEntry(event="", request="", want=order.side, by=by, operator=operator)
            try:
                self._gateway.request_quotes(request, body, parent.id, arrival_entries)
            except (OrderError, VenueError, JournalError, OSError) as error:
                if request.id not in self._gateway.ledger.quote_requests:
                    del self._open[request.id]
                    raise
                failure = error
        if not arrives:
            self._manager.shift(parent.id, -lots)
        if failure is not None:
            self._end(rfq, "unanswered")
            raise VenueError("a request that dealers get", str(failure), "ask again") from failure
        self._drifts += [(now + round(s * NS_PER_SECOND), s, rfq) for s in DRIFT_S]
        return request.id

    def accept(self, name: str, quote_id: str, by: str = "", operator: int | None = None) -> str:
        """Send the order that takes a quote; returns the order's name.

        Parameters
        ----------
        name, quote_id : str
            The request, and a quote of it.
        by : str
            A person's name, or "" of a strategy.
        operator : int, optional
            The command that it obeys.

        Raises
        ------
        OrderError
            For a quote that cannot be taken, or what limits and the trading state do not allow: nothing has left.
        """
        rfq = require_open(self._open, name)
        parent = self._parents.require(rfq.parent)
        now = self._venue.now_ns
        require_at_work(parent, now)
        refuse_if(
            self._in_flight(rfq), "one quote at a time", rfq.order, "wait for its end", OrderError
        )
        quote, price = require_quote(self.book.quotes.get(quote_id), quote_id, rfq, parent)
        with self._gateway.lock:
            # Its parent is in its name, and no executor's order has a number with a zero before it.
            order = QuotedOrder(
                f"{parent.id}.0{self._gateway.ledger.next_child(parent.id)}",
                parent.order.instrument,
                rfq.want,
                lots=min(quote.lots, rfq.request.lots - rfq.taken, parent.left),
                price=price,
                tif=Tif.IOC,
                account=parent.order.agent,
                parent=parent.id,
                sent_ns=now,
                quote=quote_id,
            )
            sender = Sender.PERSON if by else Sender.STRATEGY
            denial = self._gateway.denial_of(order, sender, now)
            reason = f"{denial.code}: {denial.text}" if denial else self.book.take_quote(order, now)
            refuse_if(
                reason, "a quote that can be taken", reason, "take another, or ask", OrderError
            )
            rfq.order = order.cl_ord_id
            details = {"id": quote_id, "by": by, "operator": operator}
            entry = self._entry(rfq.subject, "accepted", name, rfq.order, **details)
            self._gateway.submit([order], [entry], sender)
        return rfq.order

    def pass_quotes(
        self, name: str, quotes: Sequence[str] = (), by: str = "", operator: int | None = None
    ) -> None:
        """Decline some quotes of a request, or (none named) all of them, which ends the request.

        Raises
        ------
        OrderError
            For a request that has ended, or quotes that are not open.
        """
        rfq = require_open(self._open, name)
        unknown = ", ".join({*quotes} - {quote.id for quote in self.book.open(name)})
        refuse_if(unknown, f"open quotes of {name}", unknown, "name others", OrderError)
        self._drop(rfq, quotes, by, operator)
        rfq.passed |= not quotes or (rfq.all_answered and not self.book.open(name))
        self.on_step()

    def _drop(
        self, rfq: OpenRfq, quotes: Sequence[str] = (), by: str = "", operator: int | None = None
    ) -> None:
        """Drop quotes of a request (by default all), journal that, and tell the venue."""
        name = rfq.request.id
        asker = self._venue.capabilities.quotes
        ids = [quote.id for quote in self.book.pass_quotes(name, quotes)]
        if ids or operator is not None:
            self._gateway.write(
                [self._entry(rfq.subject, "passed", name, ids=ids, by=by, operator=operator)]
            )
        if ids and asker is not None:
            with self._gateway.wire, suppress(VenueError, OSError):
                asker.pass_quotes(name, ids)

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Check and journal dealers' quotes, refusals and status messages among a venue's events."""
        entries = [
            self._apply_quote_event(event) for event in events if isinstance(event, QUOTE_EVENTS)
        ]
        if entries:
            self._gateway.write(entries, sync=False)

    def _apply_quote_event(self, event: QuoteEvent) -> Entry:
        """Apply a dealer's message to the open quotes; returns its journal entry."""
        known_quote = self.book.quotes.get(event.id)
        name = event.request or (known_quote.request if known_quote else "")
        rfq = self._open.get(name)
        subject = rfq.subject if rfq else (event.instrument, event.account, "")
        fault = self._find_fault(event, rfq) if isinstance(event, Quote) else ""
        if not isinstance(event, Quote):
            self.book.apply_event(event)
        if rfq is not None and isinstance(event, Quote | QuoteReject):
            # A quote without a dealer's name does not show which dealer answered; a refusal without one is of all.
            if event.dealer or isinstance(event, QuoteReject):
                rfq.answered.add(event.dealer)
        fields = answer_fields(event, fault)
        return self._entry(subject, fields.pop("event"), name, **fields)

    def _find_fault(self, quote: Quote, rfq: OpenRfq | None) -> str:
        """Reason why a dealer's quote cannot be taken; "" if it can, and then it is an open quote from here on."""
        if rfq is None:
            return "no request of that name is open"
        instrument = rfq.request.instrument
        bps = self._gateway.limits.instruments[instrument].limits.quote_collar_bps
        fault = find_fault(quote, rfq, self._venue.now_ns, self._mid2(instrument), bps)
        return fault or self.book.apply_event(quote)

    def _mid2(self, instrument: str) -> int | None:
        """Bid + ask of an instrument, half ticks, as limits know it; None without a sane market."""
        market = self._gateway.limits.instruments.get(instrument)
        return market.mid2 if market is not None and market.sane else None

    def _entry(
        self, subject: tuple[str, str, str], event: str, name: str, order: str = "", **fields: Any
    ) -> Entry:
        """Journal entry of an event of a request; `order`: the order that takes a quote."""
        body = QuoteEntry(event=event, request=name, mid2=self._mid2(subject[0]), **fields)
        return Entry(kinds.QUOTE, self._venue.now_ns, *subject, order, body.json())

    def on_step(self) -> None:
        """Do what is due: send planned requests, take quotes, end requests, journal later mids; called in every step."""
        for id_ in list(self._arriving):
            self._launch(id_)
        for rfq in list(self._open.values()):
            self._advance_request(rfq)
        due = [drift for drift in self._drifts if drift[0] <= self._venue.now_ns]
        self._drifts = [drift for drift in self._drifts if drift not in due]
        for _, seconds, rfq in due:
            self._gateway.write(
                [self._entry(rfq.subject, "drift", rfq.request.id, after_s=seconds)]
            )
        for id_ in list(self._after):
            if self.withheld_lots(id_) or self._gateway.ledger.orders.live(parent=id_):
                continue
            self._after.discard(id_)
            parent = self._parents.get(id_)
            if parent is not None and not parent.over and id_ not in self._manager.executors:
                self._manager.settle(parent)

    def _request_ns(self, id_: str) -> int:
        """Venue time, ns, of an arriving parent's request: once there is a market, at the latest at half its time."""
        parent = self._parents.require(id_)
        instrument = parent.order.instrument
        if self._mid2(instrument) and not self._manager.follow(instrument).halted:
            return self._venue.now_ns
        return parent.accepted_ns + parent.horizon_ns // 2

    def _launch(self, id_: str) -> None:
        """Send the planned request of an arriving parent, once due; if that fails, its lots are worked in the book."""
        parent = self._parents.require(id_)
        is_working = parent.status == ParentStatus.WORKING
        if is_working and self._request_ns(id_) > self._venue.now_ns:
            return
        plan = self._arriving.pop(id_)
        self._after.add(id_)
        if is_working:
            order = parent.order
            within = None if self._gateway.limits.person_accepts(order.agent) else plan.within
            seconds = min(ANSWER_S, (parent.ends_ns - self._venue.now_ns) / (4 * NS_PER_SECOND))
            try:
                self.request(id_, plan.lots, plan.dealers, seconds, within=within, arrives=True)
            except (OrderError, VenueError) as error:
                subject = order.instrument, order.agent, id_
                self._gateway.alert(
                    "warning", "not_asked", f"worked in the book: {error}", *subject
                )

    def _in_flight(self, rfq: OpenRfq) -> ChildOrder | None:
        """Order that takes a quote of a request and has not ended; None if there is none."""
        order = self._gateway.ledger.orders.get(rfq.order) if rfq.order else None
        return None if order is None or order.settled else order

    def _ends_ns(self, rfq: OpenRfq) -> int:
        """Venue time, ns, at which a request ends: its own end or its parent's horizon, whichever is earlier."""
        parent = self._parents.get(rfq.parent)
        return min(rfq.request.until_ns, parent.ends_ns if parent else 0)

    def _takeable(self, rfq: OpenRfq) -> list[Quote]:
        """Firm quotes within the request's bound that may be taken without a person, best and earliest first."""
        parent = self._parents.get(rfq.parent)
        if parent is None or parent.status != ParentStatus.WORKING:
            return []
        request = rfq.request
        mid2 = self._mid2(request.instrument)
        quotes = self.book.open(request.id)
        return takeable_quotes(rfq, quotes, parent.limit, mid2, self._venue.now_ns)

    def _take_ns(self, rfq: OpenRfq) -> int:
        """Venue time, ns, at which the best quote is taken without a person; FOREVER_NS if none is."""
        if not (best := self._takeable(rfq)):
            return FOREVER_NS
        ends_ns = min(best[0].until_ns, self._ends_ns(rfq))
        slack = min((rfq.request.until_ns - rfq.request.sent_ns) // 10, NS_PER_SECOND)
        return self._venue.now_ns if rfq.all_answered else max(ends_ns - slack, self._venue.now_ns)

    def _advance_request(self, rfq: OpenRfq) -> None:
        """Book a request's ended order; then end the request or take its best quote, if due. Nothing while its order is open."""
        if self._in_flight(rfq) is not None:
            return
        if rfq.order:
            order = self._gateway.ledger.orders.get(rfq.order)
            lots = 0 if order is None else ceil_units(order.cum_qty)
            # What the venue has accepted may still trade, even where it now says that it was rejected or cancelled.
            if order is None or (order.base is OrdStatus.REJECTED and not (order.acked or lots)):
                self.book.settle(rfq.order, 0)
            else:
                rfq.taken += self.book.hits[rfq.order][1]  # whatever the venue restates
            rfq.filled += lots
            rfq.refused |= not lots
            rfq.order = ""
        if self._gateway.limits.person_accepts(rfq.request.account):
            rfq.within = None
        parent = self._parents.get(rfq.parent)
        now = self._venue.now_ns
        killed = self._gateway.states.text_of(StateReason.KILLED, rfq.request.account)
        rfq.passed |= parent is None or parent.status not in AT_WORK or killed is not None
        best = self._takeable(rfq)
        alive = [quote for quote in self.book.open(rfq.request.id) if quote.until_ns > now]
        # Every dealer has answered, and none of the quotes will be taken.
        nothing_takeable = rfq.all_answered and not (alive if rfq.within is None else best)
        if (
            rfq.taken >= rfq.request.lots
            or rfq.passed
            or nothing_takeable
            or now >= self._ends_ns(rfq)
        ):
            any_quote = any(quote.request == rfq.request.id for quote in self.book.quotes.values())
            self._end(rfq, outcome_of(rfq, bool(alive), any_quote))
        elif self._take_ns(rfq) <= now:
            try:
                self.accept(rfq.request.id, best[0].id)
            except OrderError as error:
                self.book.over.setdefault(best[0].id, str(error))
                text = f"the quote {best[0].id} of {best[0].dealer} was not taken: {error}"
                self._gateway.alert("warning", "quote_not_taken", text, *rfq.subject)

    def _end(self, rfq: OpenRfq, outcome: str) -> None:
        """End a request with an outcome ("traded", "passed" ...), and give its unfilled lots back to the executor."""
        del self._open[rfq.request.id]
        self._drop(rfq)
        self._gateway.write([self._entry(rfq.subject, "ended", rfq.request.id, outcome=outcome)])
        self._manager.shift(rfq.parent, rfq.left)
        self._after.add(rfq.parent)
