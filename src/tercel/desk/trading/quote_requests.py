"""Requests for quotes at a desk: lots of a parent requested from dealers, and the orders that take their quotes.

    name = session.quotes.request("p1", 300, ("D1", "D2"), until_ns, by="ann")
    session.step(...)                                    # quotes come, are checked and journaled
    session.quotes.accept(name, quote_id, by="ann")      # an order, through limits and journal, as every other

The requested lots are held back from the parent's executor until the request ends. A request ends when its lots have traded,
its time has come, it was passed, or every dealer has answered. None outlives its session: the next one ends it as expired, and
reconciles an order that had taken a quote as every other (`trading.reconciliation.recovery`).

Orders by `rfq` and `routed` (`execution.routing`) are requested when they arrive. If no person is needed, the best quote
within the bound is taken once all have answered, or shortly before it or the request ends.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from tercel.core.errors import JournalError, OrderError, VenueError, refuse_if
from tercel.core.lifecycle import ChildOrder
from tercel.core.open_quotes import OpenQuotes
from tercel.core.orders import OrdStatus, QuotedOrder, Tif, VenueEvent, ceiled
from tercel.core.ports import Entry
from tercel.core.quotes import (
    LONGEST_NAME,
    QUOTE_EVENTS,
    Quote,
    QuoteCancel,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
    QuoteStatus,
    is_name,
)
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND as S
from tercel.desk.limits import DAY_NS
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.parent_orders.manager import HeldLots, ParentOrderManager
from tercel.desk.trading.parent_orders.parent import AT_WORK, ParentOrder, ParentStatus
from tercel.desk.trading.quote_memory import DeskRouter
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.execution.routing import RFQ, Routed, Way
from tercel.execution.strategy import Strategy, Wrapper

ANSWER_S: Final = 15.0
"""Default seconds of a request, at most a quarter of the remaining time of an arriving parent."""
LONGEST_S: Final = 3600.0
DRIFT_S: Final = (1.0, 10.0, 60.0)
"""Seconds after a request at which the mid is journaled."""
WIDEST_BPS: Final = 10_000.0
_WORDS: Final = {QuoteReject: "declined", QuoteCancel: "withdrawn", QuoteStatus: "status"}
_NUMBERS: Final = ("bid", "offer", "lots", "until_ns")
_numbers: Final = attrgetter(*_NUMBERS)


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """Request for quotes of an arriving parent: lots, dealers, and the bps of mid within which a quote is taken."""

    lots: int
    dealers: tuple[str, ...]
    within: float = WIDEST_BPS


def plan_of(strategy: Strategy, lots: int, dealers: tuple[str, ...]) -> QuotePlan | None:
    """Request for quotes that a strategy makes for a parent; None without one.

    Parameters
    ----------
    strategy : Strategy
    lots : int
        Of the parent.
    dealers : tuple of str
        Those of the desk, in the order of the strategy's panel.

    >>> from tercel.execution.strategies import build
    >>> plan_of(Routed(build("twap_passive"), only=RFQ), 300, ("D1", "D2"))
    QuotePlan(lots=300, dealers=('D1', 'D2'), within=10000.0)
    >>> plan_of(Routed(build("twap_passive")), 300, ("D1", "D2")) is None
    True
    """
    if not isinstance(strategy, Routed):
        return None
    if (known := strategy.known) is None:
        return QuotePlan(lots, dealers) if strategy.only == RFQ else None
    units = lots / known.terms.lots
    way = strategy.fixed if isinstance(strategy.fixed, Way) else strategy.ways(units)[0].way
    asked = round(way.share * lots)
    if not asked or not way.dealers:
        return None
    names = tuple(dealers[d] for d in way.asked(known, way.share * units))
    leak = known.follows * known.leak(way.share * units, way.dealers)
    return QuotePlan(asked, names, known.within(leak))


@dataclass(slots=True, eq=False)
class _Asked:
    """A request that has not ended; `within` None: a person takes its quotes. `filled`: lots of its orders that are over.
    `taken`: lots of its orders that were not refused at once, whatever became of them: no other quote may trade these."""

    request: QuoteRequest
    parent: str
    want: int
    within: float | None
    heard: set[str] = field(default_factory=set)
    order: str = ""
    filled: int = 0
    taken: int = 0
    refused: bool = False
    passed: bool = False

    @property
    def left(self) -> int:
        return self.request.lots - self.filled

    @property
    def all_heard(self) -> bool:
        return "" in self.heard or self.heard >= {*self.request.dealers}

    @property
    def where(self) -> tuple[str, str, str]:
        return self.request.instrument, self.request.account, self.parent


class QuoteRequests(HeldLots):
    """Requests for quotes of a session.

    Parameters
    ----------
    manager : ParentOrderManager
    name : callable
        Makes a name that was never used.
    dealers : tuple of str
        Dealers of requests by `rfq` orders, and of manual requests without dealers.
    router : DeskRouter, optional
        Knows the way of orders by `routed`; without one they are worked in the book.
    """

    def __init__(
        self,
        manager: ParentOrderManager,
        name: Callable[[], str],
        dealers: tuple[str, ...] = (),
        router: DeskRouter | None = None,
    ) -> None:
        self._manager = manager
        self._router = router
        self._gateway = manager.gateway
        self._venue = manager.gateway.venue
        self._parents = manager.gateway.ledger.parents
        self._name = name
        self.dealers = dealers
        self.book = OpenQuotes()
        self._open: dict[str, _Asked] = {}
        self._arriving: dict[str, QuotePlan] = {}
        """Plans of parents that wait for a market before their request is sent, by id."""
        self._after: set[str] = set()
        """Parents of requests that have ended."""
        self._drifts: list[tuple[int, float, _Asked]] = []
        manager.requests = self
        # Requests that an earlier session left open have ended with it.
        orders = self._gateway.ledger.orders
        for request, (asked, *hits) in list(self._gateway.ledger.asked.items()):
            filled = any(order.cum_qty for hit in hits if (order := orders.get(hit.order)))
            where = asked.instrument, asked.agent, asked.parent
            self._gateway.write(
                [self._entry(where, "ended", request, outcome="traded" if filled else "expired")]
            )

    @property
    def open(self) -> bool:
        """Whether a request is open or planned, or lots of an ended one are still to be given back."""
        return bool(self._open or self._arriving or self._after)

    @property
    def due_ns(self) -> int:
        """Venue time, ns, at which `turn` has work next; FOREVER_NS if only events matter."""
        if not (self._open or self._arriving or self._drifts):  # most sessions ask no dealer
            return FOREVER_NS
        free = [one for one in self._open.values() if self._in_flight(one) is None]
        times = [ns for ns, _, _ in self._drifts] + [self._asks_ns(id_) for id_ in self._arriving]
        times += [ns for one in free for ns in (self._ends_ns(one), self._take_ns(one))]
        return min(times, default=FOREVER_NS)

    # -- lots ---------------------------------------------------------------------------------------------------------

    def arrives(self, parent: ParentOrder, strategy: Strategy) -> None:
        """See `HeldLots`: the lots of a planned request are held back."""
        venue = self._venue
        while isinstance(strategy, Wrapper):
            strategy = strategy.inner
        order = parent.order
        if self._router is not None and isinstance(strategy, Routed) and not strategy.only:
            strategy, why = self._router.way(strategy, order.instrument, parent.lots)
            where = order.instrument, order.agent, parent.id
            self._gateway.alert("info", "routed", f"{parent.id}: {why}", *where)
        plan = plan_of(strategy, parent.lots, self.dealers)
        if plan is not None and plan.dealers and venue.capabilities.quotes is not None:
            self._arriving[parent.id] = plan
        elif plan is not None:
            why = "has no dealers" if plan.dealers else "has dealers, and the desk names none"
            text = f"{venue.name} {why}: orders by {parent.strategy} are worked in the book"
            self._gateway.alert_once("warning", "no_quotes", text, parent.order.instrument)

    def held(self, parent: str, in_flight: bool = True) -> int:
        """See `HeldLots`."""
        lots = self._arriving[parent].lots if parent in self._arriving else 0
        for one in [one for one in self._open.values() if one.parent == parent]:
            order = self._gateway.ledger.orders.get(one.order) if one.order else None
            # What its order has filled is no longer held back from the moment at which the parent's fills count it.
            beside = 0 if order is None else ceiled(order.cum_qty)
            if order is not None and not (in_flight or order.settled):
                beside = order.lots
            lots += one.left - beside
        return lots

    def taking(self, parent: str) -> list[str]:
        """See `HeldLots`."""
        mine = [one for one in self._open.values() if one.parent == parent]
        return [one.order for one in mine if self._in_flight(one) is not None]

    # -- what people and parents ask ----------------------------------------------------------------------------------

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
        """Request quotes from dealers for lots of a parent; returns the request's name.

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
        parent = self._parents.must(parent_id)
        order = parent.order
        now = self._venue.now_ns
        asked = tuple(dealers) or self.dealers
        room = self._manager.room(parent)
        longest = min(LONGEST_S, (parent.ends_ns - now) / S)
        seconds = min(ANSWER_S, longest) if seconds is None else seconds
        self._must_work(parent)
        refuse_if(
            type(lots) is not int or not 0 < lots <= room,
            f"1 to {room:,} lots, the rest that is neither open nor requested"
            if room > 0
            else "a parent with lots that are not open",
            f"{lots!r}",
            "ask for fewer, or pause it first, which cancels its resting orders",
            OrderError,
        )
        refuse_if(
            type(seconds) not in (int, float) or not 0 < seconds <= longest,
            f"above 0 to {longest:g} seconds, at most to the parent's end",
            f"{seconds!r}",
            "ask for less time",
            OrderError,
        )
        refuse_if(
            len({*asked}) < len(asked) or not all(name and is_name(name) for name in asked),
            "names of dealers, each once",
            f"{asked!r:.200}",
            "correct them",
            OrderError,
        )
        lost: Exception | None = None
        with self._gateway.lock:
            before, _ = self._manager.arrival(parent)
            request = QuoteRequest(
                self._name(),
                order.instrument,
                side=0 if hidden else order.side,
                lots=lots,
                until_ns=now + round(seconds * S),
                account=order.agent,
                sent_ns=now,
                dealers=asked,
            )
            wrong = self.book.ask(request)
            refuse_if(wrong, "a request that can be made", wrong, "make another one", OrderError)
            one = self._open[request.id] = _Asked(request, parent.id, order.side, within)
            body = QuoteEntry(event="", request="", want=order.side, by=by, operator=operator)
            try:
                self._gateway.request_quotes(request, body, parent.id, before)
            except (OrderError, VenueError, JournalError, OSError) as error:
                if request.id not in self._gateway.ledger.asked:
                    del self._open[request.id]
                    raise
                lost = error
        if not arrives:
            self._manager.shift(parent.id, -lots)
        if lost is not None:
            self._end(one, "unanswered")
            raise VenueError("a request that dealers get", str(lost), "ask again") from lost
        self._drifts += [(now + round(s * S), s, one) for s in DRIFT_S]
        return request.id

    def accept(self, name: str, quote_id: str, by: str = "", operator: int | None = None) -> str:
        """Take a quote; the order's name.

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
        one = self._must(name)
        parent = self._parents.must(one.parent)
        quote = self.book.quotes.get(quote_id)
        now = self._venue.now_ns
        self._must_work(parent)
        refuse_if(
            self._in_flight(one), "one quote at a time", one.order, "wait for its end", OrderError
        )
        price = quote.price(one.want) if quote is not None and quote.request == name else None
        if quote is None or price is None:
            raise OrderError(f"a quote of {name}", f"{quote_id!r}", "name one of its open quotes")
        refuse_if(
            parent.limit and one.want * (price - parent.limit) > 0,
            f"a price within the limit price of {parent.id}, {parent.limit} ticks",
            f"{price}",
            "amend its limit price first",
            OrderError,
        )
        with self._gateway.lock:
            # Its parent is in its name, and no executor's order has a number with a zero before it.
            order = QuotedOrder(
                f"{parent.id}.0{self._gateway.ledger.next_child(parent.id)}",
                parent.order.instrument,
                one.want,
                lots=min(quote.lots, one.request.lots - one.taken, parent.left),
                price=price,
                tif=Tif.IOC,
                account=parent.order.agent,
                parent=parent.id,
                sent_ns=now,
                quote=quote_id,
            )
            sender = Sender.PERSON if by else Sender.STRATEGY
            denial = self._gateway.refuses(order, sender)
            why = f"{denial.code}: {denial.text}" if denial else self.book.hit(order, now)
            refuse_if(why, "a quote that can be taken", why, "take another, or ask", OrderError)
            one.order = order.cl_ord_id
            words = {"id": quote_id, "by": by, "operator": operator}
            said = self._entry(one.where, "accepted", name, one.order, **words)
            self._gateway.submit([order], [said], sender)
        return one.order

    def pass_(
        self, name: str, quotes: Sequence[str] = (), by: str = "", operator: int | None = None
    ) -> None:
        """Pass some quotes of a request, or (none named) all of them, which ends it.

        Raises
        ------
        OrderError
            For a request that has ended, or quotes that are not open.
        """
        one = self._must(name)
        strange = ", ".join({*quotes} - {quote.id for quote in self.book.open(name)})
        refuse_if(strange, f"open quotes of {name}", strange, "name others", OrderError)
        self._drop(one, quotes, by, operator)
        one.passed |= not quotes or (one.all_heard and not self.book.open(name))
        self.turn()

    def _drop(
        self, one: _Asked, quotes: Sequence[str] = (), by: str = "", operator: int | None = None
    ) -> None:
        name = one.request.id
        asker = self._venue.capabilities.quotes
        ids = [quote.id for quote in self.book.drop(name, quotes)]
        if ids or operator is not None:
            self._gateway.write(
                [self._entry(one.where, "passed", name, ids=ids, by=by, operator=operator)]
            )
        if ids and asker is not None:
            with self._gateway.wire, suppress(VenueError, OSError):
                asker.pass_quotes(name, ids)

    def _must(self, name: str) -> _Asked:
        known = ", ".join(self._open) or "none"
        refuse_if(
            name not in self._open,
            "a request for quotes that is open",
            f"{name!r}",
            f"name one of: {known:.300}",
            OrderError,
        )
        return self._open[name]

    def _must_work(self, parent: ParentOrder) -> None:
        refuse_if(
            parent.pair or parent.status not in AT_WORK,
            "a parent at work",
            f"{parent.id} is {'a leg of a pair' if parent.pair else parent.status}",
            "name another",
            OrderError,
        )
        parent.must_have_time(self._venue.now_ns)

    # -- what comes ---------------------------------------------------------------------------------------------------

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Check and journal what dealers answered."""
        found = [self._taken(event) for event in events if isinstance(event, QUOTE_EVENTS)]
        if found:
            self._gateway.write(found, sync=False)

    def _taken(self, event: QuoteEvent) -> Entry:
        known = self.book.quotes.get(event.id)
        name = event.request or (known.request if known else "")
        one = self._open.get(name)
        where = one.where if one else (event.instrument, event.account, "")
        words: Any
        if isinstance(event, Quote):
            why = self._unusable(event, one)
            words = {"event": "unusable" if why else "quoted", "text": why, "firm": event.firm}
            numbers = zip(_NUMBERS, _numbers(event), strict=True)
            words |= {key: value for key, value in numbers if type(value) is int}
        else:
            self.book.take(event)
            words = {"event": _WORDS[type(event)], "text": event.text[:LONGEST_NAME]}
        words |= {"id": event.id, "dealer": event.dealer}
        if isinstance(event, QuoteStatus):
            words["state"] = str(event.status)
        if one is not None and isinstance(event, Quote | QuoteReject):
            # A quote without a dealer's name does not show which dealer answered; a refusal without one is of all.
            if event.dealer or isinstance(event, QuoteReject):
                one.heard.add(event.dealer)
        return self._entry(where, words.pop("event"), name, **words)

    def _unusable(self, quote: Quote, one: _Asked | None) -> str:
        """Why a quote cannot be taken, "" where it can."""
        if one is None:
            return "no request of that name is open"
        request = one.request
        now = self._venue.now_ns
        whole = all(value is None or type(value) is int for value in _numbers(quote))
        if not whole or quote.lots is None:
            said = f"bid {quote.bid}, offer {quote.offer}, lots {quote.lots}"
            return f"prices and lots that are whole ticks and lots, not {said}"
        if quote.account != request.account:
            return f"it is for {quote.account!r}, not {request.account!r}"
        until = quote.until_ns or request.until_ns
        if until <= now:
            return "it had expired when it came"
        if until - now > DAY_NS or quote.ns - now > S:
            return f"it is dated {(max(until, quote.ns) - now) / 1e9:.0f} s ahead of the clock"
        price = quote.price(one.want)
        mid2 = self._mid2(request.instrument)
        bps = self._gateway.limits.instruments[request.instrument].limits.quote_collar_bps
        if price is not None and mid2 and abs(2 * price - mid2) * 10_000 > bps * mid2:
            return f"{price} is more than {bps} bps from the mid {mid2 / 2:g}"
        return self.book.take(quote)

    def _mid2(self, instrument: str) -> int | None:
        at = self._gateway.limits.instruments.get(instrument)
        return at.mid2 if at is not None and at.sane else None

    def _entry(
        self, where: tuple[str, str, str], event: str, name: str, order: str = "", **words: Any
    ) -> Entry:
        body = QuoteEntry(event=event, request=name, mid2=self._mid2(where[0]), **words)
        return Entry(kinds.QUOTE, self._venue.now_ns, *where, order, body.json())

    # -- time ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Called in every step, after executors that ended are gone: take quotes, end requests, note the mid."""
        for id_ in list(self._arriving):
            self._launch(id_)
        for one in list(self._open.values()):
            self._look(one)
        due = [drift for drift in self._drifts if drift[0] <= self._venue.now_ns]
        self._drifts = [drift for drift in self._drifts if drift not in due]
        for _, seconds, one in due:
            self._gateway.write([self._entry(one.where, "drift", one.request.id, after_s=seconds)])
        for id_ in list(self._after):
            if self.held(id_) or self._gateway.ledger.orders.live(parent=id_):
                continue
            self._after.discard(id_)
            parent = self._parents.get(id_)
            if parent is not None and not parent.over and id_ not in self._manager.executors:
                self._manager.settle(parent)

    def _asks_ns(self, id_: str) -> int:
        """Venue time, ns, of an arriving parent's request: once there is a market, at the latest at half its time."""
        parent = self._parents.must(id_)
        instrument = parent.order.instrument
        if self._mid2(instrument) and not self._manager.follow(instrument).halted:
            return self._venue.now_ns
        return parent.accepted_ns + parent.horizon_ns // 2

    def _launch(self, id_: str) -> None:
        """Send an arriving parent's request; if that fails, its lots are worked in the book."""
        parent = self._parents.must(id_)
        works = parent.status == ParentStatus.WORKING
        if works and self._asks_ns(id_) > self._venue.now_ns:
            return
        plan = self._arriving.pop(id_)
        self._after.add(id_)
        if works:
            order = parent.order
            within = None if self._gateway.limits.person_accepts(order.agent) else plan.within
            seconds = min(ANSWER_S, (parent.ends_ns - self._venue.now_ns) / (4 * S))
            try:
                self.request(id_, plan.lots, plan.dealers, seconds, within=within, arrives=True)
            except (OrderError, VenueError) as error:
                where = order.instrument, order.agent, id_
                self._gateway.alert("warning", "not_asked", f"worked in the book: {error}", *where)

    def _in_flight(self, one: _Asked) -> ChildOrder | None:
        """The order that takes a quote of it, where its end is not known."""
        order = self._gateway.ledger.orders.get(one.order) if one.order else None
        return None if order is None or order.settled else order

    def _ends_ns(self, one: _Asked) -> int:
        parent = self._parents.get(one.parent)
        return min(one.request.until_ns, parent.ends_ns if parent else 0)

    def _takeable(self, one: _Asked) -> list[Quote]:
        """Quotes that may be taken without a person, the best first, the earlier of two that are as good."""
        parent = self._parents.get(one.parent)
        mid2 = self._mid2(one.request.instrument)
        if (
            one.within is None
            or not mid2
            or parent is None
            or parent.status != ParentStatus.WORKING
        ):
            return []
        worst = mid2 * (1.0 + one.want * one.within / 10_000) / 2
        # A sell within 10,000 bps of mid may be at any price: that is a bound of zero, not the lack of one.
        limit = min(one.want * bound for bound in (worst, parent.limit or worst))
        found = [
            (one.want * price, n, quote)
            for n, quote in enumerate(self.book.open(one.request.id))
            if quote.firm
            and quote.until_ns > self._venue.now_ns
            and (price := quote.price(one.want)) is not None
        ]
        return [quote for far, _, quote in sorted(found) if far <= limit]

    def _take_ns(self, one: _Asked) -> int:
        """Venue time, ns, at which the best quote is taken without a person; FOREVER_NS if none is."""
        if not (best := self._takeable(one)):
            return FOREVER_NS
        ends = min(best[0].until_ns, self._ends_ns(one))
        slack = min((one.request.until_ns - one.request.sent_ns) // 10, S)
        return self._venue.now_ns if one.all_heard else max(ends - slack, self._venue.now_ns)

    def _look(self, one: _Asked) -> None:
        """Settle its order, then end it or take the best quote, as it is due."""
        if self._in_flight(one) is not None:
            return
        if one.order:
            order = self._gateway.ledger.orders.get(one.order)
            lots = 0 if order is None else ceiled(order.cum_qty)
            # What the venue has accepted may still trade, even where it now says that it was rejected or cancelled.
            if order is None or (order.base is OrdStatus.REJECTED and not (order.acked or lots)):
                self.book.settle(one.order, 0)
            else:
                one.taken += self.book.hits[one.order][1]  # whatever the venue restates
            one.filled += lots
            one.refused |= not lots
            one.order = ""
        if self._gateway.limits.person_accepts(one.request.account):
            one.within = None
        parent = self._parents.get(one.parent)
        now = self._venue.now_ns
        killed = self._gateway.states.why(StateReason.KILLED, one.request.account)
        one.passed |= parent is None or parent.status not in AT_WORK or killed is not None
        best = self._takeable(one)
        alive = [quote for quote in self.book.open(one.request.id) if quote.until_ns > now]
        # Every dealer has answered, and none of the quotes will be taken.
        quiet = one.all_heard and not (alive if one.within is None else best)
        if one.taken >= one.request.lots or one.passed or quiet or now >= self._ends_ns(one):
            came = any(quote.request == one.request.id for quote in self.book.quotes.values())
            outcome = (
                "passed"
                if one.passed or (alive and one.within is not None)
                else "expired"
                if came
                else "unanswered"
            )
            outcome = "rejected" if one.refused and not one.passed else outcome
            self._end(one, "traded" if one.filled else outcome)
        elif self._take_ns(one) <= now:
            try:
                self.accept(one.request.id, best[0].id)
            except OrderError as error:
                self.book.over.setdefault(best[0].id, str(error))
                text = f"the quote {best[0].id} of {best[0].dealer} was not taken: {error}"
                self._gateway.alert("warning", "quote_not_taken", text, *one.where)

    def _end(self, one: _Asked, outcome: str) -> None:
        del self._open[one.request.id]
        self._drop(one)
        self._gateway.write([self._entry(one.where, "ended", one.request.id, outcome=outcome)])
        self._manager.shift(one.parent, one.left)
        self._after.add(one.parent)
