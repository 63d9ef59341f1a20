"""Dealers beside a venue's book: they answer requests for quotes, look once more before they trade, and hedge in the book.

Their numbers are a panel's (`tercel.market.dealers`), in units of a thousandth of a day's volume. A dealer quotes around
the mid of the moment in which it answers. Where its last look has a tolerance, it withdraws a quote that the mid has moved
past, and refuses an order for the same reason. After a trade the winner hedges, and dealers who lost trade ahead of it.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from tercel.core import (
    FOREVER_NS,
    ONE,
    TERMINAL,
    CancelOrder,
    CancelReject,
    Capabilities,
    CapacityError,
    Command,
    ConfigError,
    ExecType,
    Listing,
    NewOrder,
    OpenQuotes,
    OrdStatus,
    Quote,
    QuoteCancel,
    QuotedOrder,
    QuoteReject,
    QuoteRequest,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
    Venue,
    VenueError,
    VenueEvent,
    orders as o,
    refusal_report,
)
from tercel.market.dealers import DealerPanel, State, requests
from tercel.venues.exchange import SimulatedExchange

DAY_S: Final = 23_400.0
"""Seconds of a session, in which a day's volume trades."""
BPS: Final = 1e-4
NS_PER_S: Final = 1_000_000_000
HOUSE: Final = "dealer:"
"""Begins the accounts of dealers in the book."""


def mid_of(exchange: SimulatedExchange) -> Callable[[str], float | None]:
    """The mid of an exchange's books, ticks; None where a side is empty."""

    def mid(instrument: str) -> float | None:
        rows = exchange.snapshot(instrument).rows
        bids = rows[(rows[:, o.M_SIDE] == 1) & (rows[:, o.M_LOTS] > 0), o.M_PRICE]
        asks = rows[(rows[:, o.M_SIDE] == -1) & (rows[:, o.M_LOTS] > 0), o.M_PRICE]
        return None if not len(bids) or not len(asks) else (bids.max() + asks.min()) / 2

    return mid


class DealerVenue:
    """A venue with dealers. What it does not have itself is the inner venue's.

    Parameters
    ----------
    inner : Venue
        Stepped: its clock moves in :meth:`step` alone.
    panel : DealerPanel
    mid : callable
        Mid of an instrument, ticks; None where there is none.
    seed : int
    life_s : float
        How long a quote lives, s.
    unit_lots : float, optional
        Lots of a unit; a thousandth of a day's volume by default.
    run : str
        Begins the names of quotes and of executions.
    """

    def __init__(
        self,
        inner: Venue,
        panel: DealerPanel,
        mid: Callable[[str], float | None],
        *,
        seed: int = 1,
        life_s: float = 5.0,
        unit_lots: float = 0.0,
        run: str = "",
    ) -> None:
        if not inner.capabilities.stepped:
            raise ConfigError(
                "a venue whose clock is moved", inner.name, "put dealers beside another"
            )
        self._inner = inner
        self._panel = panel
        self._mid = mid
        self._rng = np.random.default_rng(seed)
        self._life_ns = round(life_s * NS_PER_S)
        self._units = {
            listing.instrument: unit_lots or max(listing.volume_per_s * DAY_S / 1000.0, 1.0)
            for listing in inner.listings()
        }
        self._states = {name: State.empty(1, len(panel)) for name in self._units}
        self.dealers = [f"D{n + 1}" for n in range(len(panel))]
        self.book = OpenQuotes()
        self._run = run
        self._count = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._pending_events: list[VenueEvent] = []
        self._mids: dict[str, float] = {}
        """Mid at each quote that may still be withdrawn."""
        self._orders: dict[tuple[str, str], list[Report]] = {}
        """Reports of each order that took a quote, by account and name."""
        self._trades: dict[str, list[Report]] = {}
        self._holdings: dict[str, Counter[str]] = {}

    # -- the port -----------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """See `Venue`."""
        return self._inner.name

    @property
    def now_ns(self) -> int:
        """See `Venue`."""
        return self._inner.now_ns

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return replace(self._inner.capabilities, quotes=self, positions=self, executions=self)

    def listings(self) -> Sequence[Listing]:
        """See `Venue`."""
        return self._inner.listings()

    def subscribe(self, instrument: str) -> None:
        """See `Venue`."""
        self._inner.subscribe(instrument)

    def close(self) -> None:
        """See `Venue`."""
        self._inner.close()

    def positions(self, account: str) -> Mapping[str, int]:
        """Signed positions of an account, those from dealers among them, 10^-8 of a lot, by instrument."""
        inner = self._inner.capabilities.positions
        held = Counter(dict(inner.positions(account)) if inner is not None else {})
        held.update(self._holdings.get(account, {}))
        return dict(held)

    def executions(self, account: str, after: str = "") -> Sequence[Report]:
        """Trades of an account after execution `after`, as first reported.

        Raises
        ------
        VenueError
            No such execution.
        """
        trades = self._trades_of(account)
        names = ["", *(trade.exec_id for trade in trades)]
        if after not in names:
            raise VenueError(f"an execution of {account!r}", repr(after), "ask for all")
        return trades[names.index(after) :]

    def _trades_of(self, account: str) -> list[Report]:
        if account not in self._trades:
            inner = self._inner.capabilities.executions
            self._trades[account] = [] if inner is None else list(inner.executions(account))
        return self._trades[account]

    def send(self, command: Command) -> None:
        """See `Venue`; what concerns an order that took a quote is answered with the next step."""
        account = command.account
        orig = command.cl_ord_id
        if isinstance(command, CancelOrder | ReplaceOrder):
            orig = command.orig
        known = self._orders.get((account, orig))
        if isinstance(command, QuotedOrder):
            self._take(command)
        elif known is not None and isinstance(command, StatusRequest):
            self._report_state(known)
        elif known is not None and isinstance(command, CancelOrder | ReplaceOrder):
            names = command.cl_ord_id, orig, account
            text = f"too late: the order is {known[-1].status}"
            self._pending_events.append(CancelReject(*names, known[-1].status, self.now_ns, text))
        elif known is not None and isinstance(command, NewOrder):
            self._pending_events.append(self._refusal(command, f"duplicate cl_ord_id {orig!r}"))
        else:
            if isinstance(command, StatusRequest) and not command.cl_ord_id:
                for (owner, _), reports in self._orders.items():
                    if owner == account:
                        self._report_state(reports)
            self._inner.send(command)

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See `Venue`: to the end of the first moment with a word of a dealer, too."""
        self._run_due()
        if self._pending_events:
            return self._take_events()
        due = self._due[0][0] if self._due else FOREVER_NS
        events = self._inner.step(min(until_ns, max(due, self.now_ns)))
        for event in events:
            if isinstance(event, Report) and event.exec_type is ExecType.TRADE:
                trades = self._trades_of(event.account)
                if event not in trades[-16:]:
                    trades.append(event)
        self._withdraw_stale()
        self._run_due()
        client_events = [
            client_event
            for client_event in events
            if not getattr(client_event, "account", "").startswith(HOUSE)
        ]
        return [*client_events, *self._take_events()]

    def _take_events(self) -> list[VenueEvent]:
        events = self._pending_events
        self._pending_events = []
        return events

    def _schedule(self, ns: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (ns, self._count, action))

    def _run_due(self) -> None:
        while self._due and self._due[0][0] <= self.now_ns:
            heapq.heappop(self._due)[2]()

    def _new_name(self) -> str:
        self._count += 1
        return f"{self._run}Q{self._count}"

    # -- requests -----------------------------------------------------------------------------------------------------
    def request_quotes(self, request: QuoteRequest) -> None:
        """See `core.capabilities.AsksForQuotes`."""
        unknown = sorted({*request.dealers} - {*self.dealers})
        reason = f"no dealers {', '.join(unknown)}" if unknown else ""
        if request.instrument not in self._units:
            reason = f"unknown instrument {request.instrument!r}"
        if reason := reason or self.book.add_request(request):
            raise VenueError("a request that dealers can answer", reason, "make another one")
        panel = self._panel
        state = self._states[request.instrument]
        is_asked = np.array(
            [[not request.dealers or name in request.dealers for name in self.dealers]]
        )
        size = np.array([request.lots / self._units[request.instrument]])
        seed = int(self._rng.integers(2**63))
        # the same draws for both sides: a dealer whose bid is too high has an offer that is too high
        sides = [
            requests.draw_answers(
                panel,
                state,
                np.array([side]),
                size,
                is_asked,
                np.random.default_rng(seed),
                hidden=request.side == 0,
            )
            for side in (1, -1)
        ]
        state.requests += 1
        for d, dealer in enumerate(self.dealers):
            if is_asked[0, d] and size[0] > panel.largest:
                context = request.instrument, request.account, self.now_ns
                self._pending_events.append(
                    QuoteReject(request.id, dealer, *context, "more than it trades")
                )
            elif sides[0].has_quote[0, d]:
                after = round(float(sides[0].after_s[0, d]) * NS_PER_S)
                distances = [float(side_quotes.distance[0, d]) for side_quotes in sides]
                self._schedule(self.now_ns + after, partial(self._answer, request, d, distances))

    def _answer(self, request: QuoteRequest, d: int, distances: list[float]) -> None:
        """A dealer's quote, at distances for a client who buys and one who sells, bps."""
        mid = self._mid(request.instrument)
        now = self.now_ns
        dealer = self.dealers[d]
        done = sum(lots for request_id, lots in self.book.hits.values() if request_id == request.id)
        if now >= request.until_ns or done >= request.lots:
            return
        context = request.instrument, request.account, now
        if mid is None:
            self._pending_events.append(QuoteReject(request.id, dealer, *context, "no market"))
            return
        bid = max(int(np.floor(mid * (1.0 - distances[1] * BPS))), 1) if request.side <= 0 else None
        offer = int(np.ceil(mid * (1.0 + distances[0] * BPS))) if request.side >= 0 else None
        quote = Quote(
            self._new_name(),
            request.id,
            dealer,
            request.instrument,
            bid,
            offer,
            request.lots,
            now + self._life_ns,
            request.account,
            now,
        )
        if not self.book.apply_event(quote):
            self._mids[quote.id] = mid
            self._pending_events.append(quote)

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """See `core.capabilities.AsksForQuotes`."""
        self.book.pass_quotes(request, quotes)

    def withdraw(self, quote: str, text: str = "withdrawn") -> None:
        """Let a dealer withdraw its quote."""
        open_quote = self.book.quotes[quote]
        if quote not in self.book.over:
            context = open_quote.dealer, open_quote.instrument, open_quote.account, self.now_ns
            self.book.apply_event(cancel := QuoteCancel(quote, open_quote.request, *context, text))
            self._pending_events.append(cancel)

    def _mid_move_bps(self, instrument: str, since: float) -> float:
        """How far the mid has moved since, bps; 0 where there is none."""
        mid = self._mid(instrument)
        return 0.0 if mid is None else (mid - since) / since / BPS

    def _withdraw_stale(self) -> None:
        """Dealers with a last look withdraw the quotes that the market has moved past."""
        mids: dict[str, float | None] = {}
        for name, since in list(self._mids.items()):
            quote = self.book.quotes.get(name)
            if quote is None or name in self.book.over or self.now_ns >= quote.until_ns:
                del self._mids[name]
                continue
            tolerance = self._panel.tolerance[self.dealers.index(quote.dealer)]
            if not np.isfinite(tolerance):
                continue
            if quote.instrument not in mids:
                mids[quote.instrument] = self._mid(quote.instrument)
            mid = mids[quote.instrument]
            far = 0.0 if mid is None else (mid - since) / since / BPS
            worst = max(far if quote.offer is not None else 0.0, -far if quote.bid else 0.0)
            if worst > tolerance:
                self.withdraw(name, "the market moved")

    # -- trades -------------------------------------------------------------------------------------------------------
    def _refusal(self, order: NewOrder, reason: str) -> Report:
        return refusal_report(order, f"{self._new_name()}R", self.now_ns, reason)

    def _take(self, order: QuotedOrder) -> None:
        """An order that names a quote: refused, or held for the dealer's last look."""
        if (order.account, order.cl_ord_id) in self._orders:
            reason = f"duplicate cl_ord_id {order.cl_ord_id!r}"
        else:
            reason = self.book.take_quote(order, self.now_ns)
        if reason:
            self._pending_events.append(self._refusal(order, reason))
            return
        quote = self.book.quotes[order.quote]
        d = self.dealers.index(quote.dealer)
        since = self._mid(order.instrument) or 0.0
        self._orders[order.account, order.cl_ord_id] = []
        self._report(order, quote, ExecType.PENDING_NEW, OrdStatus.PENDING_NEW)
        after = self.now_ns + round(float(self._panel.hold_s[d]) * NS_PER_S)
        self._schedule(after, lambda: self._last_look(order, quote, d, since))

    def _last_look(self, order: QuotedOrder, quote: Quote, d: int, since: float) -> None:
        """The dealer's last look: it trades, or refuses where the mid has moved against it."""
        against = order.side * self._mid_move_bps(order.instrument, since) if since else 0.0
        if against > self._panel.tolerance[d]:
            self.book.settle(order.cl_ord_id, 0)
            text = "last look: the market moved"
            self._report(order, quote, ExecType.REJECTED, OrdStatus.REJECTED, text=text)
            return
        self._report(order, quote, ExecType.NEW, OrdStatus.NEW)
        trade = self._report(order, quote, ExecType.TRADE, OrdStatus.FILLED)
        self._trades_of(order.account).append(trade)
        held = self._holdings.setdefault(order.account, Counter())
        held[order.instrument] += order.side * order.lots * ONE
        self._hedge(order, quote, d)

    def _report(
        self, order: QuotedOrder, quote: Quote, kind: ExecType, status: OrdStatus, text: str = ""
    ) -> Report:
        filled = order.lots * ONE if kind is ExecType.TRADE else 0
        price = quote.price(order.side) or 0
        name = self._new_name()
        report = replace(
            refusal_report(order, f"{name}E", self.now_ns, text, kind, status),
            order_id="" if status is OrdStatus.REJECTED else order.quote,
            last_qty=filled,
            last_px=price * ONE if filled else 0,
            cum_qty=filled,
            leaves_qty=0 if status in TERMINAL else order.lots * ONE,
        )
        self._orders[order.account, order.cl_ord_id].append(report)
        self._pending_events.append(report)
        return report

    def _report_state(self, reports: list[Report]) -> None:
        """Repeat an order's trade as first reported, and report its state."""
        self._pending_events += [report for report in reports if report.exec_type is ExecType.TRADE]
        state = replace(reports[-1], exec_id=f"{self._new_name()}S", exec_type=ExecType.STATUS)
        self._pending_events.append(replace(state, last_qty=0, last_px=0, ns=self.now_ns))

    def _hedge(self, order: QuotedOrder, quote: Quote, d: int) -> None:
        """The winner hedges what it does not want to hold; losers trade ahead, unless they do not know the side."""
        state = self._states[order.instrument]
        units = self._units[order.instrument]
        size = order.lots / units
        state.traded += 1
        state.inventory[0, d] -= order.side * size
        traded = requests.hedges(self._panel, state.inventory)[0]
        state.inventory[0] += traded
        request = self.book.requests.get(quote.request)
        lost = {
            other_quote.dealer
            for other_quote in self.book.quotes.values()
            if other_quote.request == quote.request
        }
        for n, dealer in enumerate(self.dealers):
            ahead = order.side * self._panel.ahead[n] * size if request and request.side else 0.0
            wanted = traded[n] + (ahead if dealer in lost - {quote.dealer} else 0.0)
            self._trade(order.instrument, dealer, round(wanted * units))

    def _trade(self, instrument: str, dealer: str, lots: int) -> None:
        """A dealer's order at the market; none where the book could not take it."""
        side = 1 if lots > 0 else -1
        size = abs(lots)
        if not size:
            return
        if isinstance(self._inner, SimulatedExchange):
            fills: list[tuple[int, int, int]] = []
            with suppress(CapacityError):
                fills = self._inner.would_fill(instrument, side, None, size)
            size = sum(part for _, part, _ in fills)
        if size:
            terms = size, None, Tif.IOC, HOUSE + dealer, "", self.now_ns
            self._inner.send(NewOrder(self._new_name(), instrument, side, *terms))
