"""The simulated exchange as a venue: commands travel with latency, arrive in time order, and are reported on.

Time passes only in `step`. At equal times the market's own events come first, then commands, one at a time: a step ends
after each, and after the moment in which a client order traded, so that its sender can answer at once. A step that
returns no report on client orders has seen everything up to its end.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.capabilities import Capabilities
from tercel.core.errors import UnknownNameError, VenueError, refuse_if
from tercel.core.pace import Pace
from tercel.core.vocabulary import FOREVER_NS, NO_ASK
from tercel.market.book import layout as lay
from tercel.market.simulator import kernel_requests, layout as sim
from tercel.market.simulator.terms import entry_delay
from tercel.venues.exchange.folder import ExchangeFolder
from tercel.venues.exchange.market import Markets
from tercel.venues.exchange.market_hours import MarketHours
from tercel.venues.exchange.market_spec import EntryLatency, MarketSpec
from tercel.venues.exchange.order_record import OrderRecord
from tercel.venues.exchange.orders import ClientOrder, OrderBooks, fault_of, price_fault

NOWHERE = -1
"""The queue of commands that concern no market or several."""


@dataclass(slots=True)
class _Account:
    """An account: its latency streams, and whether its orders are cancelled when it disconnects."""

    streams: list[Ints]
    last_ns: dict[int, int] = field(default_factory=dict)
    cancel_on_disconnect: bool = False


class SimulatedExchange:
    """Several instruments, several accounts, one book for each instrument, moved step by step.

    Parameters
    ----------
    markets : mapping of str to MarketSpec
        By instrument.
    latency : EntryLatency
        Of every account's commands. Each account draws from its own copy of the stream that an episode of the market's
        (seed, index) draws from, so that one account alone meets what the batch meets.
    run : str
        Prefix of every execution's name. A journal takes an execution once: several runs of an exchange for the same
        clients need different ones.
    pace : Pace, optional
        Pace of the steps; a step may then return early, without events.
    keep : Path, optional
        Folder from which it begins again after it was killed: accounts, orders and trades as last reported, the
        market as of five minutes before, moved on to the time that it had come to. Whatever was open is cancelled.

    Raises
    ------
    ConfigError
        No market at all; a folder of other markets.
    """

    name = "simulated"
    """In journals and tables."""

    def __init__(
        self,
        markets: Mapping[str, MarketSpec],
        *,
        latency: EntryLatency | None = None,
        run: str = "",
        pace: Pace | None = None,
        keep: Path | None = None,
    ) -> None:
        """Build the markets, or load them from the folder `keep` with open orders cancelled."""
        refuse_if(not markets, "at least one market", "none", "name a preset or a tape")
        self._latency = latency or EntryLatency()
        self._markets = Markets(markets)
        self._number = {instrument: i for i, instrument in enumerate(self._markets.names)}
        self.now_ns = self._markets.began_ns
        """The exchange's time."""
        self._store = None if keep is None else ExchangeFolder(keep)
        self._orders = OrderBooks(
            run, OrderRecord(None if self._store is None else self._store.orders)
        )
        self._accounts: dict[str, _Account] = {}
        self._queues: dict[int, list[tuple[int, int, o.Command]]] = {
            i: [] for i in (NOWHERE, *self._number.values())
        }
        self._sent = 0
        self._subscribed: set[int] = set()
        self._waiting_snapshots: list[int] = []
        self._outbox: list[o.VenueEvent] = []
        self._regimes = [list(spec.regimes) for spec in self._markets.specs]
        self._closed = False
        self._pace = pace
        if self._store is not None and (now_ns := self._store.load(self._markets)):
            self.now_ns = now_ns
            self._orders.resume(now_ns)
            self._regimes = [
                [change for change in script if change.at_ns > now_ns] for script in self._regimes
            ]
        self._hours = MarketHours(self._markets, self.now_ns)
        if pace is not None:
            pace.begin(self.now_ns)

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities beside the port `Venue`: simulated, with executions, positions and depth."""
        return Capabilities(simulated=True, executions=self, positions=self, depth=self)

    @property
    def instruments(self) -> list[str]:
        """Names of the listed instruments."""
        return list(self._number)

    def listings(self) -> Sequence[o.Listing]:
        """Listings of the instruments traded here."""
        return [self._markets.listing(i) for i in range(len(self._number))]

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book: a follower of the same width sees the same depth."""
        return int(self._markets.books[self._market_of(instrument)][lay.WIDTH])

    def feed_levels(self, instrument: str) -> int:
        """Levels that the tape behind an instrument shows; 0: all of them."""
        return int(self._markets.states[self._market_of(instrument)][sim.FEED_LEVELS])

    def _market_of(self, instrument: str) -> int:
        """Index of an instrument's market; raises UnknownNameError for one that is not listed."""
        if instrument not in self._number:
            raise UnknownNameError(
                "an instrument that is listed",
                f"{instrument!r}",
                f"use one of {', '.join(self._number)}",
            )
        return self._number[instrument]

    def subscribe(self, instrument: str) -> None:
        """Ask for market data: a snapshot comes with the next step, then every change.

        Raises
        ------
        UnknownNameError
            Not listed.
        """
        self._waiting_snapshots.append(self._market_of(instrument))

    def snapshot(self, instrument: str) -> o.MarketRows:
        """The book after the last step."""
        return self._markets.snapshot(self._market_of(instrument))

    def would_fill(
        self, instrument: str, side: int, price: int | None, lots: int
    ) -> list[tuple[int, int, int]]:
        """Price in ticks and lots of every fill that an immediate order would have if it arrived now, impact included, and
        the number in market data of the client order that it meets, else -1.

        Raises
        ------
        UnknownNameError
            Not listed.
        CapacityError
            More than the record of one moment keeps: such an order may not be sent.
        """
        limit = side * NO_ASK if price is None else price
        return self._markets.try_new(self._market_of(instrument), side, limit, lots)

    def executions(self, account: str, after: str = "") -> list[o.Report]:
        """Trades of an account after execution `after` ("": all), as first reported; VenueError if that is unknown.

        Raises
        ------
        VenueError
            No such execution.
        """
        trades = self._orders.record.trades(account, after)
        if trades is None:
            raise VenueError(
                f"an execution of account {account!r}", f"{after!r}", "ask for all with after=''"
            )
        return trades

    def positions(self, account: str) -> dict[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument."""
        return dict(self._orders.positions.get(account, {}))

    def login(self, account: str, *, cancel_on_disconnect: bool = False) -> None:
        """Set whether an account's open orders are cancelled when it disconnects; trading needs no login."""
        self._account(account).cancel_on_disconnect = cancel_on_disconnect

    def disconnect(self, account: str) -> None:
        """Disconnect an account: its open orders are cancelled if it uses cancel on disconnect."""
        if account in self._accounts and self._accounts[account].cancel_on_disconnect:
            self._cancel_all(self._orders.open_of(account), "cancel on disconnect", self._outbox)

    def close(self) -> None:
        """Disconnect every account, as `disconnect`; commands are refused from then on."""
        for account in self._accounts:
            self.disconnect(account)
        self._closed = True

    def _account(self, name: str) -> _Account:
        """State of an account by its name, created on first use."""
        if name not in self._accounts:
            streams = [self._latency.stream(spec.seed, spec.index) for spec in self._markets.specs]
            self._accounts[name] = _Account(streams)
        return self._accounts[name]

    def send(self, command: o.Command) -> None:
        """Send a command; it arrives after its latency, never before an earlier one of its account.

        Raises
        ------
        VenueError
            After `close`.
        """
        if self._closed:
            raise VenueError("an exchange that is open", "a command after close()", "open it again")
        account = self._account(command.account)
        market = self._number.get(command.instrument, NOWHERE)
        unordered = isinstance(command, o.MassCancel | o.StatusRequest) or market == NOWHERE
        if unordered or self._hours.time_fault(market, self.now_ns):
            # they draw no latency: they must not change what orders meet, and never overtake them; what is sent to a
            # market that is closed or halted is refused at once, what was on its way to a halt waits for its end
            market = NOWHERE
            arrives = max(self.now_ns, *account.last_ns.values(), 0)
        else:
            arrives = max(
                self.now_ns + int(entry_delay(account.streams[market])),
                account.last_ns.get(market, 0),
                account.last_ns.get(NOWHERE, 0),
            )
        account.last_ns[market] = arrives
        self._sent += 1
        heapq.heappush(self._queues[market], (arrives, self._sent, command))

    def _next_arrival(self) -> tuple[int, int]:
        """Time and queue of the next command to arrive; none arrives at a halted market."""
        first = FOREVER_NS, FOREVER_NS, NOWHERE
        for market, queue in self._queues.items():
            if queue and (market == NOWHERE or self._hours.takes_commands(market, self.now_ns)):
                first = min(first, (max(queue[0][0], self.now_ns), queue[0][1], market))
        return first[0], first[2]

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Advance to `until_ns`, or to the end of the first moment with a report on client orders; the events of it."""
        events = self._step(until_ns)
        if self._store is not None:
            if any(not isinstance(event, o.MarketRows) for event in events):
                self._orders.record.flush()  # before anybody hears of it
            self._store.save(self._markets, self.now_ns)
        return events

    def _step(self, until_ns: int) -> list[o.VenueEvent]:
        """Advance the markets and carry out commands that arrive, up to a time or the first report."""
        events = self._outbox
        self._outbox = []
        for market in self._waiting_snapshots:
            self._subscribed.add(market)
            events.append(self._markets.snapshot(market))
        self._waiting_snapshots.clear()
        if any(not isinstance(event, o.MarketRows) for event in events):
            return events
        until = max(until_ns if self._pace is None else self._pace.wait(until_ns), self.now_ns)
        while True:
            arrival, queue = self._next_arrival()
            regime_ns, regime = min(
                ((script[0].at_ns, i) for i, script in enumerate(self._regimes) if script),
                default=(FOREVER_NS, 0),
            )
            stop_bits = self._markets.pass_time(min(until, arrival, regime_ns, self._hours.next_ns))
            self.now_ns = int(self._markets.states[0][sim.NOW])
            if self._publish_all(events) or stop_bits & kernel_requests.WORD:
                while stop_bits & kernel_requests.FULL:  # the moment continues
                    stop_bits = self._markets.pass_time(self.now_ns)
                    self._publish_all(events)
                return events
            if stop_bits & kernel_requests.FULL:
                continue
            if self._hours.next_ns <= self.now_ns:
                self._append_rows(*self._hours.change(), events)
            elif regime_ns <= self.now_ns:
                self._markets.change(regime, self._regimes[regime].pop(0))
            elif arrival <= self.now_ns:
                self._enter(heapq.heappop(self._queues[queue])[2], events)
                return events
            else:
                self._markets.check()
                return events

    def _publish_all(self, events: list[o.VenueEvent]) -> bool:
        """Append what the markets did by themselves; whether reports on client orders were among it."""
        has_report = False
        for market in range(len(self._number)):
            has_report |= self._publish(market, events)
        return has_report

    def _publish(self, market: int, events: list[o.VenueEvent], aggressor: int = -1) -> bool:
        """Append new rows and reports of a market, in order; whether there was a report. `aggressor`: number of an
        arriving order.
        """
        rows, records = self._markets.drain(market, aggressor)
        shown_rows = 0
        has_report = False
        for record in records:
            report = self._report_of(market, record)
            if report is None:
                continue
            upto = int(record[sim.RECORD_WORDS])
            self._append_rows(market, rows[shown_rows:upto], events)
            shown_rows = upto
            has_report = True
            events.append(report)
        self._append_rows(market, rows[shown_rows:], events)
        return has_report

    def _append_rows(self, market: int, rows: Ints, events: list[o.VenueEvent]) -> None:
        """Append a market's rows to `events` if its market data are subscribed."""
        if len(rows) and market in self._subscribed:
            events.append(o.MarketRows(self._markets.names[market], rows))

    def _report_of(self, market: int, record: Ints) -> o.Report | None:
        """Apply a fill, or the dropped remainder of an order that takes, to its order; the report, None for other
        records."""
        if record[sim.R_KIND] == sim.OWN_REST:
            return None
        order = self._orders.by_place.get((market, int(record[sim.R_WHO])))
        if order is None or not order.open:
            return None  # a cancel: its sender is notified by name
        ns = int(record[sim.R_NS])
        lots = int(record[sim.R_LOTS])
        if record[sim.R_KIND] == sim.OWN_FILL:
            order.move(o.ExecType.TRADE, lots)
            report = self._orders.make_report(
                order,
                o.ExecType.TRADE,
                ns,
                last=(lots, int(record[sim.R_PRICE])),
                passive=bool(record[sim.R_SIDE] & 1),
            )
        else:
            order.move(o.ExecType.EXPIRED)
            report = self._orders.make_report(
                order, o.ExecType.EXPIRED, ns, text="nothing more to take"
            )
        self._orders.forget_place(order, ns)
        return report

    def _enter(self, command: o.Command, events: list[o.VenueEvent]) -> None:
        """Carry out a command that has arrived; what it causes is appended to `events`."""
        if isinstance(command, o.NewOrder):
            self._enter_new(command, events)
        elif isinstance(command, o.CancelOrder):
            if (order := self._find_resting(command, events)) is not None:
                self._cancel_order(order, events, name=command.cl_ord_id, orig=order.cl_ord_id)
        elif isinstance(command, o.ReplaceOrder):
            self._enter_replace(command, events)
        elif isinstance(command, o.StatusRequest):
            self._enter_status(command, events)
        else:
            chosen = [
                order
                for order in self._orders.open_of(command.account)
                if not command.instrument or order.new.instrument == command.instrument
            ]
            self._cancel_all(chosen, "mass cancel", events)

    def _enter_new(self, new: o.NewOrder, events: list[o.VenueEvent]) -> None:
        """Accept and match a new order, or reject it."""
        fault = fault_of(new, self._number)
        place = NOWHERE
        if not fault and not self._orders.record.claim_name(new.account, new.cl_ord_id):
            fault = f"duplicate cl_ord_id {new.cl_ord_id!r}"
        if not fault:
            market = self._number[new.instrument]
            place = self._markets.free_place(market)
            spec = self._markets.specs[market]
            fault = self._hours.time_fault(market, self.now_ns) or spec.rules.refusal(
                new.side, new.lots, new.price, self.now_ns
            )
            if place < 0:
                fault = f"all {spec.client_orders} places for client orders are taken"
        if fault:
            events.append(self._orders.make_refusal(new, self.now_ns, fault))
            return
        order = ClientOrder(
            new,
            market,
            place,
            int(self._markets.books[market][lay.ORDERS]) + place,
            new.cl_ord_id,
            new.lots,
            new.price,
            leaves=new.lots,
        )
        self._orders.add(order)
        events.append(self._orders.make_report(order, o.ExecType.NEW, self.now_ns))
        self._match(order, events)

    def _match(self, order: ClientOrder, events: list[o.VenueEvent]) -> None:
        """Match an order with the book with all its open lots."""
        new = order.new
        at_any_price = order.price is None
        rules = self._markets.specs[order.market].rules
        worst_price = (rules.high if new.side > 0 else rules.low) or new.side * NO_ASK
        self._markets.enter_new(
            order.market,
            order.place,
            new.side,
            worst_price if order.price is None else order.price,
            order.leaves,
            at_any_price or new.tif is o.Tif.IOC,
        )
        self._publish(order.market, events, order.number)

    def _find_resting(
        self, command: o.CancelOrder | o.ReplaceOrder, events: list[o.VenueEvent]
    ) -> ClientOrder | None:
        """The open order that a command names, once the command's own new name is claimed; else None and a reject in `events`."""
        order = self._orders.find(command.account, command.orig)
        status = o.OrdStatus.REJECTED if order is None else order.status
        if order is None:
            text = f"unknown order {command.orig!r}"
        elif not self._orders.record.claim_name(command.account, command.cl_ord_id):
            text = f"duplicate cl_ord_id {command.cl_ord_id!r}"
        elif isinstance(order, ClientOrder):
            text = self._hours.time_fault(order.market, self.now_ns)
            if not text:
                return order
        else:
            text = f"too late: the order is {status}"
        events.append(
            o.CancelReject(
                command.cl_ord_id, command.orig, command.account, status, self.now_ns, text
            )
        )
        return None

    def _take_back(self, order: ClientOrder, lots: int, events: list[o.VenueEvent]) -> None:
        """Take lots of an order off the book, appending its rows to `events`; no report yet, and `order.leaves` is unchanged."""
        leaves = order.leaves
        order.leaves = 0
        self._markets.enter_cancel(order.market, order.place, lots)
        self._publish(order.market, events)
        order.leaves = leaves

    def _cancel_order(
        self,
        order: ClientOrder,
        events: list[o.VenueEvent],
        name: str = "",
        orig: str = "",
        text: str = "",
    ) -> None:
        """Cancel an order and report it."""
        self._take_back(order, order.leaves, events)
        order.move(o.ExecType.CANCELED)
        self._orders.forget_place(order, self.now_ns)
        events.append(
            self._orders.make_report(
                order, o.ExecType.CANCELED, self.now_ns, name=name, orig=orig, text=text
            )
        )

    def _cancel_all(
        self, orders: Sequence[ClientOrder], text: str, events: list[o.VenueEvent]
    ) -> None:
        """Cancel some orders and report each, with a text."""
        for order in orders:
            self._cancel_order(order, events, text=text)

    def _enter_replace(self, command: o.ReplaceOrder, events: list[o.VenueEvent]) -> None:
        """Replace an order's price or lots, or reject that; fewer lots at the same price keep the queue position."""
        order = self._find_resting(command, events)
        if order is None:
            return
        fault = price_fault(command.price) or (
            self._markets.specs[order.market].rules.refusal(
                order.new.side, command.lots, command.price, self.now_ns
            )
            if command.lots >= 1
            else f"{command.lots} lots; at least 1"
        )
        if fault:
            reject = o.CancelReject(
                command.cl_ord_id, command.orig, command.account, order.status, self.now_ns, fault
            )
            events.append(reject)
            return
        keeps_place = command.price == order.price and command.lots <= order.lots
        leaves = max(command.lots - order.cum, 0)
        self._take_back(order, order.leaves - leaves if keeps_place else order.leaves, events)
        orig = order.cl_ord_id
        self._orders.rename(order, command.cl_ord_id)
        order.lots = max(command.lots, order.cum)
        order.price = command.price
        order.leaves = leaves
        order.move(o.ExecType.REPLACED)
        self._orders.forget_place(order, self.now_ns)
        events.append(self._orders.make_report(order, o.ExecType.REPLACED, self.now_ns, orig=orig))
        if leaves and not keeps_place:
            self._match(order, events)

    def _enter_status(self, command: o.StatusRequest, events: list[o.VenueEvent]) -> None:
        """Append the trades of one order, or of all of an account, as first reported, and their states."""
        name = command.cl_ord_id
        account = command.account
        reports = self._orders.states(account, name, self.now_ns)
        events += reports
        in_flight = [
            queued
            for queue in self._queues.values()
            for _, _, queued in queue
            if isinstance(queued, o.NewOrder)
            and queued.account == account
            and name in ("", queued.cl_ord_id)
        ]
        for new in in_flight:
            events.append(
                self._orders.make_refusal(
                    new, self.now_ns, "not here yet", o.ExecType.STATUS, o.OrdStatus.PENDING_NEW
                )
            )
        if name and not reports and not in_flight:
            unknown = o.NewOrder(name, "", 1, 0, None, o.Tif.DAY, account, "", self.now_ns)
            events.append(
                self._orders.make_refusal(unknown, self.now_ns, "unknown order", o.ExecType.STATUS)
            )
