"""Requests for quotes at a desk: lots of a parent that dealers are asked for, and the orders that take their quotes.

    name = session.quotes.request("p1", 300, ("D1", "D2"), until_ns, by="ann")
    session.step(...)                                    # quotes come, are checked and journaled
    session.quotes.accept(name, quote_id, by="ann")      # an order, through limits and journal, as every other

What is asked for is held back from the parent's executor until the request ends. A request has an end: its lots traded, its
time came, it was passed, or nobody is left to answer. None outlives its session: the next one ends it as expired, and asks
what became of an order that had taken a quote, as of every other (`trading.reconciliation.recovery`).

Orders by `rfq` and `routed` (`execution.routing`) are asked for when they arrive. Where no person is needed the best quote
within the bound is taken once all have answered, or shortly before it or the request ends.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tercel.core.errors import JournalError, OrderError, VenueError
from tercel.core.lifecycle import ChildOrder
from tercel.core.open_quotes import OpenQuotes
from tercel.core.orders import QuotedOrder, Tif, VenueEvent, ceiled
from tercel.core.ports import Entry, needed
from tercel.core.quotes import (
    QUOTE_EVENTS,
    Quote,
    QuoteCancel,
    QuoteEvent,
    QuoteReject,
    QuoteRequest,
    QuoteStatus,
)
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.journal.codec import entry_quote
from tercel.desk.trading.parent_orders.manager import HeldLots, ParentOrderManager
from tercel.desk.trading.parent_orders.parent import (
    AT_WORK,
    ParentOrder,
    Parents,
    ParentStatus,
)
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.execution.routing import RFQ, Routed
from tercel.execution.strategy import Strategy

ANSWER_NS: Final = 15 * NS_PER_SECOND
"""Time that dealers have for a parent's request, at most a quarter of its own."""
LONGEST_S: Final = 3600.0
"""Seconds that a person may ask for."""
DRIFT_S: Final = (1.0, 10.0, 60.0)
"""Seconds after a request at which the mid is journaled."""
DAY_NS: Final = 86_400 * NS_PER_SECOND
WIDEST_BPS: Final = 10_000.0
LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """What dealers are asked for of a parent that arrives: lots, who, and within how many bps of mid a quote is taken."""

    lots: int
    dealers: tuple[str, ...]
    within: float = WIDEST_BPS


def plan_of(strategy: Strategy, lots: int, dealers: tuple[str, ...]) -> QuotePlan | None:
    """What dealers are asked for, by what a strategy knows; None: nothing.

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
    way = strategy.fixed or strategy.ways(units)[0].way
    asked = round(way.share * lots)
    if not asked or not way.dealers:
        return None
    best = known.best(way.share * units)[: way.dealers]
    names = tuple(dealers[d] for d in best.tolist() if d < len(dealers))
    return QuotePlan(asked, names, known.within(known.leak(way.share * units, way.dealers)))


@dataclass(slots=True, eq=False)
class _Asked:
    """A request that has not ended; `within` None: a person takes its quotes. `filled`: lots of its orders that are over."""

    request: QuoteRequest
    parent: str
    want: int
    within: float | None
    heard: set[str] = field(default_factory=set)
    order: str = ""
    filled: int = 0
    refused: bool = False
    passed: bool = False

    @property
    def left(self) -> int:
        return self.request.lots - self.filled

    @property
    def all_heard(self) -> bool:
        return "" in self.heard or (
            bool(self.request.dealers) and self.heard >= {*self.request.dealers}
        )

    @property
    def slack_ns(self) -> int:
        """So long before an end a quote is taken."""
        return min((self.request.until_ns - self.request.sent_ns) // 10, NS_PER_SECOND)


class QuoteRequests(HeldLots):
    """Requests for quotes of a session.

    Parameters
    ----------
    manager : ParentOrderManager
    name : callable
        Makes a name that was never used.
    dealers : tuple of str
        Whom orders by `rfq` ask, and a person who names nobody.
    """

    def __init__(
        self, manager: ParentOrderManager, name: Callable[[], str], dealers: tuple[str, ...] = ()
    ) -> None:
        self._manager = manager
        self._gateway: OrderGateway = manager.gateway
        self._name = name
        self.dealers = dealers
        self.book = OpenQuotes()
        self._open: dict[str, _Asked] = {}
        self._arriving: dict[str, QuotePlan] = {}
        """Parents that wait for a market in which dealers can be asked."""
        self._after: set[str] = set()
        """Parents of requests that have ended."""
        self._drifts: list[tuple[int, float, _Asked]] = []
        manager.requests = self
        self._begin()

    def _begin(self) -> None:
        """End the requests that an earlier session left open."""
        ledger, entries = self._gateway.ledger, []
        for name, (asked, *hits) in ledger.asked.items():
            orders = [ledger.orders.get(hit.order) for hit in hits]
            traded = any(order is not None and order.cum_qty for order in orders)
            body = QuoteEntry(
                event="ended", request=name, outcome="traded" if traded else "expired"
            )
            where = asked.instrument, asked.agent, asked.parent
            entries.append(entry_quote(body, self._now, *where))
        self._gateway.write(entries)

    @property
    def _now(self) -> int:
        return self._gateway.venue.now_ns

    @property
    def _parents(self) -> Parents:
        return self._gateway.ledger.parents

    @property
    def open(self) -> bool:
        """Whether a parent waits for a request, or what dealers did not trade."""
        return bool(self._open or self._arriving or self._after)

    @property
    def due_ns(self) -> int:
        """When `turn` has something to do; FOREVER_NS where only events matter."""
        times = [ns for ns, _, _ in self._drifts]
        for id_ in self._arriving:
            times.append(self._now if self._ready(id_) else self._latest(id_))
        for one in self._open.values():
            if not self._in_flight(one):
                times += [self._ends_ns(one), self._take_ns(one)]
        return min(times, default=FOREVER_NS)

    # -- lots ---------------------------------------------------------------------------------------------------------

    def arrives(self, parent: ParentOrder, strategy: Strategy) -> None:
        """See `HeldLots`: the lots that dealers are to be asked for are held back."""
        where = parent.order.instrument, parent.order.agent
        if (plan := plan_of(strategy, parent.lots, self.dealers)) is None:
            return
        if self._gateway.venue.capabilities.quotes is None or not plan.dealers:
            why = (
                "has no dealers"
                if plan.dealers
                else "is one of dealers whom the desk does not name"
            )
            text = f"{self._gateway.venue.name} {why}: orders by {parent.order.strategy} are worked in the book"
            self._gateway.alert_once("warning", "no_quotes", text, *where)
            return
        self._arriving[parent.id] = plan

    def held(self, parent: str, in_flight: bool = True) -> int:
        """See `HeldLots`."""
        lots = self._arriving[parent].lots if parent in self._arriving else 0
        for one in self._open.values():
            if one.parent == parent:
                order = None if in_flight else self._in_flight(one)
                lots += one.left - (order.lots if order else 0)
        return lots

    def taking(self, parent: str) -> list[str]:
        """See `HeldLots`."""
        return [
            one.order
            for one in self._open.values()
            if one.parent == parent and self._in_flight(one)
        ]

    # -- what people and parents ask ----------------------------------------------------------------------------------

    def request(
        self,
        parent_id: str,
        lots: object,
        dealers: Sequence[str] = (),
        seconds: object = ANSWER_NS / NS_PER_SECOND,
        *,
        hidden: bool = False,
        within: float | None = None,
        by: str = "",
        operator: int | None = None,
    ) -> str:
        """Ask dealers for lots of a parent; the request's name.

        Parameters
        ----------
        parent_id : str
        lots : int
            At most what is neither filled nor open, nor asked for.
        dealers : sequence of str
            By default those of the desk.
        seconds : float
            Time to its end.
        hidden : bool
            Dealers do not see the side.
        within : float or None
            bps of mid within which the best quote is taken; None: a person takes one.
        by : str
            A person's name, or "" of a strategy.
        operator : int, optional
            The command that it obeys.

        Raises
        ------
        OrderError
            For a parent or lots that are not there, names that are none, or what limits and trading state do not allow:
            nobody was asked.
        VenueError
            The venue has no dealers; the link is down: it has ended.
        JournalError
            Nobody was asked.
        """
        parent = self._parents.must(parent_id)
        self._must_work(parent)
        room = self._manager.room(parent)
        if type(lots) is not int or not 0 < lots <= room:
            raise OrderError(
                f"1 to {room:,} lots, what is left, not open and not asked for"
                if room > 0
                else "a parent with lots that are not open",
                f"{lots!r}",
                "ask for fewer, or pause it first: what rests is cancelled",
            )
        longest = min(LONGEST_S, (parent.ends_ns - self._now) / NS_PER_SECOND)
        if type(seconds) not in (int, float) or not 0 < seconds <= longest:  # type: ignore[operator]
            raise OrderError(
                f"above 0 to {longest:g} seconds, at most to the parent's end",
                f"{seconds!r}",
                "ask for less time",
            )
        asked = tuple(dealers) or self.dealers
        if len({*asked}) < len(asked) or not all(
            name.isprintable() and 0 < len(name) <= LONGEST_TEXT for name in asked
        ):
            raise OrderError("names of dealers, each once", f"{asked!r:.200}", "correct them")
        return self._ask(parent, lots, asked, seconds, hidden, within, by, operator)  # type: ignore[arg-type]

    def _ask(
        self,
        parent: ParentOrder,
        lots: int,
        dealers: tuple[str, ...],
        seconds: float,
        hidden: bool,
        within: float | None,
        by: str,
        operator: int | None,
        arrives: bool = False,
    ) -> str:
        gateway, order, now = self._gateway, parent.order, self._now
        needed(gateway.venue.capabilities.quotes, "asks for quotes", gateway.venue.name)
        with gateway.lock:
            before, _ = self._manager.arrival(parent)
            side = 0 if hidden else order.side
            until = now + round(seconds * NS_PER_SECOND)
            terms = side, lots, until, order.agent, now, dealers
            request = QuoteRequest(self._name(), order.instrument, *terms)
            if why := self.book.ask(request):
                raise OrderError("a request for quotes that can be made", why, "make another one")
            one = _Asked(request, parent.id, order.side, within)
            asked = QuoteEntry(
                event="requested", request=request.id, want=order.side, by=by, operator=operator
            )
            self._open[request.id] = one
            try:
                gateway.request_quotes(request, asked, parent.id, before)
            except (OrderError, VenueError, JournalError, OSError) as error:
                if request.id not in gateway.ledger.asked:
                    del self._open[request.id]
                    raise
                self._end(one, "unanswered")
                why = str(error)
                raise VenueError("a request that dealers get", why, "ask again") from error
        self._drifts += [(now + round(s * NS_PER_SECOND), s, one) for s in DRIFT_S]
        if not arrives:
            self._manager.hold(parent.id, lots)
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
        parent, gateway, now = self._parents.must(one.parent), self._gateway, self._now
        self._must_work(parent)
        if self._in_flight(one) is not None:
            raise OrderError("one quote at a time", f"{one.order}, in flight", "wait for its end")
        quote = self.book.quotes.get(quote_id)
        price = quote.price(one.want) if quote is not None and quote.request == name else None
        if quote is None or price is None:
            raise OrderError(f"a quote of {name}", f"{quote_id!r}", "name one of its open quotes")
        if parent.limit and one.want * price > one.want * parent.limit:
            raise OrderError(
                f"a price within the limit price of {parent.id}, {parent.limit} ticks",
                f"{price}",
                "amend its limit price first",
            )
        lots = min(quote.lots, one.left, parent.left)
        with gateway.lock:
            what = parent.order.instrument, one.want, lots, price, Tif.IOC
            order = QuotedOrder(
                self._manager.child(parent.id), *what, parent.order.agent, parent.id, now, quote_id
            )
            sender = Sender.PERSON if by else Sender.STRATEGY
            if (denial := gateway.refuses(order, sender)) is not None:
                raise OrderError(
                    "a quote that limits and the trading state allow to take",
                    f"{denial.code}: {denial.text}",
                    "see limits, or take another",
                )
            if why := self.book.hit(order, now):
                raise OrderError("a quote that can be taken", why, "take another, or ask again")
            one.order = order.cl_ord_id
            body = QuoteEntry(event="accepted", request=name, id=quote_id, by=by, operator=operator)
            gateway.submit([order], [self._entry(one, body, order.cl_ord_id)], sender)
        return order.cl_ord_id

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
        known = {quote.id for quote in self.book.open(name)}
        if strange := [quote for quote in quotes if quote not in known]:
            raise OrderError(f"open quotes of {name}", ", ".join(strange), "name others")
        self._drop(one, quotes, by, operator)
        one.passed |= not quotes or (one.all_heard and not self.book.open(name))
        self.turn()

    def _drop(
        self, one: _Asked, quotes: Sequence[str] = (), by: str = "", operator: int | None = None
    ) -> None:
        gone = self.book.drop(one.request.id, quotes)
        asker = self._gateway.venue.capabilities.quotes
        if gone or operator is not None:
            ids = [quote.id for quote in gone]
            body = QuoteEntry(
                event="passed", request=one.request.id, ids=ids, by=by, operator=operator
            )
            self._gateway.write([self._entry(one, body)])
            if gone and asker is not None:
                with self._gateway.wire, suppress(VenueError, OSError):
                    asker.pass_quotes(one.request.id, ids)

    def _must(self, name: str) -> _Asked:
        if (one := self._open.get(name)) is None:
            known = ", ".join(self._open) or "none"
            raise OrderError(
                "a request for quotes that is open", f"{name!r}", f"name one of: {known:.300}"
            )
        return one

    def _must_work(self, parent: ParentOrder) -> None:
        if parent.status not in AT_WORK:
            raise OrderError("a parent at work", f"{parent.id} is {parent.status}", "name another")
        parent.must_have_time(self._now)

    # -- what comes ---------------------------------------------------------------------------------------------------

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Check and journal what dealers answered."""
        found = [self._taken(event) for event in events if isinstance(event, QUOTE_EVENTS)]
        if found:
            with self._gateway.lock:
                self._gateway.write(
                    [self._entry(one, body, event=event) for one, body, event in found], sync=False
                )

    def _taken(self, event: QuoteEvent) -> tuple[_Asked | None, QuoteEntry, QuoteEvent]:
        known = None if isinstance(event, QuoteReject) else self.book.quotes.get(event.id)
        name = event.request or (known.request if known else "")
        one = self._open.get(name)
        text = "" if isinstance(event, Quote) else event.text[:LONGEST_TEXT]
        dealer = "" if isinstance(event, QuoteStatus) else event.dealer
        if isinstance(event, Quote):
            why = self._unusable(event, one)
            prices = [price if type(price) is int else None for price in (event.bid, event.offer)]
            body = QuoteEntry(
                event="unusable" if why else "quoted",
                request=name,
                id=event.id,
                dealer=dealer,
                bid=prices[0],
                offer=prices[1],
                lots=event.lots if type(event.lots) is int else 0,
                until_ns=event.until_ns if type(event.until_ns) is int else 0,
                firm=event.firm,
                text=why,
            )
        elif isinstance(event, QuoteReject):
            body = QuoteEntry(event="declined", request=name, dealer=dealer, text=text)
        else:
            self.book.take(event)
            gone = isinstance(event, QuoteCancel)
            body = QuoteEntry(
                event="withdrawn" if gone else "status", request=name, id=event.id, text=text
            )
            body.dealer = dealer
            body.state = str(event.status) if isinstance(event, QuoteStatus) else ""
        if one is not None and isinstance(event, Quote | QuoteReject):
            one.heard.add(dealer)
        return one, body, event

    def _unusable(self, quote: Quote, one: _Asked | None) -> str:
        """Why a quote cannot be taken, "" where it can."""
        if one is None:
            return "no request of that name is open"
        request, now = one.request, self._now
        numbers = (quote.bid, quote.offer, quote.lots, quote.until_ns)
        if not all(value is None or type(value) is int for value in numbers):
            said = f"bid {quote.bid}, offer {quote.offer}, lots {quote.lots}"
            return f"prices and lots that are whole ticks and lots, not {said}"
        if quote.account != request.account:
            return f"it is for {quote.account!r}, not {request.account!r}"
        until = quote.until_ns or request.until_ns
        if until <= now:
            return "it had expired when it came"
        if until - now > DAY_NS or quote.ns - now > NS_PER_SECOND:
            return f"it is dated {(max(until, quote.ns) - now) / 1e9:.0f} s ahead of the clock"
        at = self._gateway.limits.instruments.get(request.instrument)
        price, mid2 = quote.price(one.want), self._mid2(request.instrument)
        if at is not None and price is not None and mid2:
            bps = at.limits.quote_collar_bps
            if abs(2 * price - mid2) * 10_000 > bps * mid2:
                return f"{price} is more than {bps} bps from the mid {mid2 / 2:g}"
        return self.book.take(quote)

    def _mid2(self, instrument: str) -> int | None:
        follower = self._manager.follow(instrument)
        return None if None in follower.quotes else follower.mid2 or None

    def _entry(
        self, one: _Asked | None, body: QuoteEntry, order: str = "", event: QuoteEvent | None = None
    ) -> Entry:
        if one is None:
            where = (event.instrument, event.account) if event is not None else ("", "")
            return entry_quote(body, self._now, *where)
        at = one.request
        body.mid2 = self._mid2(at.instrument)
        return entry_quote(body, self._now, at.instrument, at.account, one.parent, order)

    # -- time ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Called in every step, after executors that ended are gone: take quotes, end requests, note the mid."""
        for id_ in list(self._arriving):
            self._launch(id_)
        for one in list(self._open.values()):
            self._look(one)
        due = [drift for drift in self._drifts if drift[0] <= self._now]
        if due:
            self._drifts = [drift for drift in self._drifts if drift[0] > self._now]
            self._gateway.write(
                [
                    self._entry(
                        one, QuoteEntry(event="drift", request=one.request.id, after_s=seconds)
                    )
                    for _, seconds, one in due
                ],
                sync=False,
            )
        for id_ in list(self._after):
            parent = self._parents.get(id_)
            if self.held(id_) or self._gateway.ledger.orders.live(parent=id_):
                continue
            self._after.discard(id_)
            if parent is not None and not parent.over and id_ not in self._manager.executors:
                self._manager.settle(parent)

    def _latest(self, id_: str) -> int:
        """When a parent that arrives waits no more for a market."""
        parent = self._parents.must(id_)
        return parent.accepted_ns + parent.horizon_ns // 2

    def _ready(self, id_: str) -> bool:
        """Whether there is a market for a parent that arrives."""
        instrument = self._parents.must(id_).order.instrument
        follower = self._manager.follow(instrument)
        return follower.ready and not follower.halted and self._mid2(instrument) is not None

    def _launch(self, id_: str) -> None:
        """Ask for what arrives, once there is a market; what cannot be asked for is worked in the book."""
        parent, plan, now = self._parents.must(id_), self._arriving[id_], self._now
        order, works = parent.order, parent.status == ParentStatus.WORKING
        ready = self._ready(id_)
        if works and not ready and now < self._latest(id_):
            return
        del self._arriving[id_]
        self._after.add(id_)
        if not works or not ready:
            return
        seconds = min(ANSWER_NS, (parent.ends_ns - now) // 4) / NS_PER_SECOND
        person = self._gateway.limits.person_accepts(order.agent)
        within = None if person else plan.within
        try:
            self._ask(parent, plan.lots, plan.dealers, seconds, False, within, "", None, True)
        except (OrderError, VenueError) as error:
            where = order.instrument, order.agent, id_
            self._gateway.alert(
                "warning", "not_asked", f"{id_}: worked in the book: {error}", *where
            )

    def _in_flight(self, one: _Asked) -> ChildOrder | None:
        """The order that takes a quote of it, where its end is not known."""
        order = self._gateway.ledger.orders.get(one.order) if one.order else None
        return None if order is None or order.settled else order

    def _ends_ns(self, one: _Asked) -> int:
        parent = self._parents.get(one.parent)
        return min(one.request.until_ns, parent.ends_ns if parent else 0)

    def _takeable(self, one: _Asked) -> list[Quote]:
        """Quotes that may be taken without a person, the best first, the earlier of two that are as good."""
        parent, mid2 = self._parents.get(one.parent), self._mid2(one.request.instrument)
        if (
            one.within is None
            or parent is None
            or parent.status != ParentStatus.WORKING
            or not mid2
        ):
            return []
        found = []
        for quote in self.book.open(one.request.id):
            price = quote.price(one.want)
            if not quote.firm or quote.until_ns <= self._now or price is None:
                continue
            far = one.want * (2 * price - mid2)
            within = far * 10_000 <= one.within * mid2
            if within and not (parent.limit and one.want * (price - parent.limit) > 0):
                found.append((far, quote))
        return [quote for _, quote in sorted(found, key=lambda pair: pair[0])]

    def _take_ns(self, one: _Asked) -> int:
        """When the best quote is taken without a person; FOREVER_NS where none is."""
        if not (best := self._takeable(one)):
            return FOREVER_NS
        ends = min(best[0].until_ns, self._ends_ns(one)) - one.slack_ns
        return self._now if one.all_heard else max(ends, self._now)

    def _look(self, one: _Asked) -> None:
        """Settle its order, then end it or take the best quote, as it is due."""
        if self._in_flight(one) is not None:
            return
        if one.order:
            order = self._gateway.ledger.orders.get(one.order)
            lots = 0 if order is None else ceiled(order.cum_qty)
            self.book.settle(one.order, lots)
            one.filled += lots
            one.refused |= not lots
            one.order = ""
        parent, account = self._parents.get(one.parent), one.request.account
        killed = self._gateway.states.why(StateReason.KILLED, account) is not None
        now, quotes = self._now, self.book.open(one.request.id)
        over = parent is None or parent.status not in AT_WORK or killed
        quiet = one.all_heard and not any(quote.until_ns > now for quote in quotes)
        if one.left <= 0 or over or one.passed or quiet or now >= self._ends_ns(one):
            came = any(quote.request == one.request.id for quote in self.book.quotes.values())
            outcome = "passed" if one.passed or over else "expired" if came else "unanswered"
            outcome = "rejected" if one.refused and outcome != "passed" else outcome
            self._end(one, "traded" if one.filled else outcome)
            return
        if self._take_ns(one) <= now:
            self._take(one, self._takeable(one)[0])
        elif one.within is not None and one.all_heard and not self._takeable(one):
            self._drop(one)
            one.passed = True
            self._look(one)

    def _take(self, one: _Asked, quote: Quote) -> None:
        try:
            self.accept(one.request.id, quote.id)
        except OrderError as error:
            self.book.over.setdefault(quote.id, str(error))
            text = f"the quote {quote.id} of {quote.dealer} was not taken: {error}"
            where = one.request.instrument, one.request.account, one.parent
            self._gateway.alert("warning", "quote_not_taken", text, *where)

    def _end(self, one: _Asked, outcome: str) -> None:
        del self._open[one.request.id]
        self._drop(one)
        body = QuoteEntry(event="ended", request=one.request.id, outcome=outcome)
        self._gateway.write([self._entry(one, body)])
        self._manager.return_lots(one.parent, one.filled, one.left)
        self._after.add(one.parent)
