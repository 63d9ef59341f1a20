"""Conformance kit for venues: inherit, give the fixture `venue`, done.

::

    class TestMine(VenueConformance):
        @pytest.fixture
        def venue(self):
            return MyVenue()

The venue's first instrument must have a market that trades by itself and shows both sides of its book.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from tercel.core import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    ONE,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    SHIFTED,
    Quote,
    QuoteRequest,
    Venue,
    check_capabilities,
    orders as o,
)

NS_PER_S = 1_000_000_000
E = TypeVar("E")


@dataclass
class PublicBook:
    """A book from market data alone, written without the simulator: id -> [side, price, lots], oldest first."""

    orders: dict[int, list[int]] = field(default_factory=dict)

    def apply(self, event: o.MarketRows) -> None:
        """Follow one batch of rows."""
        if event.snapshot:
            self.orders.clear()
        for row in event.rows.tolist():
            order_id = row[o.M_ID]
            lots = row[o.M_LOTS]
            if row[o.M_KIND] in (ADD, ROLL_IN):
                assert order_id not in self.orders, f"order {order_id} is there already"
                self.orders[order_id] = [row[o.M_SIDE], row[o.M_PRICE], lots]
            elif row[o.M_KIND] in (REDUCE, DELETE, EXECUTE) and lots > 0:
                assert 0 < lots <= self.orders[order_id][2], (
                    f"{lots} lots of {self.orders[order_id]}"
                )
                self.orders[order_id][2] -= lots
                if self.orders[order_id][2] == 0:
                    del self.orders[order_id]
            elif row[o.M_KIND] == CLEAR:
                self.orders.clear()
            elif row[o.M_KIND] == SHIFTED:
                for order in self.orders.values():
                    order[1] += row[o.M_PRICE]
            elif row[o.M_KIND] == ROLL_OUT:
                gone = [
                    i
                    for i, (side, price, _) in self.orders.items()
                    if (side, price) == (row[o.M_SIDE], row[o.M_PRICE])
                ]
                for i in gone:
                    del self.orders[i]

    def best(self, side: int) -> int:
        """Best price of a side."""
        return max((price * side for s, price, _ in self.orders.values() if s == side)) * side


class Trader:
    """An account at a venue that keeps everything it hears."""

    def __init__(self, venue: Venue, account: str = "kit") -> None:
        self.venue = venue
        self.account = account
        self.listing = venue.listings()[0]
        self.instrument = self.listing.instrument
        self.events: list[o.VenueEvent] = []
        self.book = PublicBook()
        self._name_count = 0
        self.follow()

    def follow(self) -> None:
        """Subscribe, and run until the snapshot is there."""
        heard = len(self.events)
        self.venue.subscribe(self.instrument)
        while not any(
            isinstance(event, o.MarketRows) and event.snapshot for event in self.events[heard:]
        ):
            self.run(NS_PER_S)

    def step(self, until_ns: int) -> list[o.VenueEvent]:
        """Step the venue once; rows go into the book."""
        events = self.venue.step(until_ns)
        for event in events:
            if isinstance(event, o.MarketRows) and event.instrument == self.instrument:
                self.book.apply(event)
        self.events += events
        return events

    def run(self, ns: int) -> list[o.VenueEvent]:
        """Events of so much venue time."""
        until = self.venue.now_ns + ns
        heard = []
        while True:
            events = self.step(until)
            heard += events
            if self.venue.now_ns >= until and all(
                isinstance(event, o.MarketRows) for event in events
            ):
                return heard

    def wait(self, kind: type[E], fits: Callable[[E], bool], patience_s: int = 20) -> E:
        """First event that fits, running until it comes."""
        seen = 0
        for _ in range(10 * patience_s):
            for event in self.events[seen:]:
                if isinstance(event, kind) and fits(event):
                    return event
            seen = len(self.events)
            self.run(NS_PER_S // 10)
        raise AssertionError(f"no {kind.__name__} that fits within {patience_s} s")

    def report(self, name: str, kind: o.ExecType, patience_s: int = 20) -> o.Report:
        """Run until an order is reported on in a certain way."""
        return self.wait(
            o.Report, lambda r: r.cl_ord_id == name and r.exec_type is kind, patience_s
        )

    def wait_ended(self, name: str) -> o.OrdStatus:
        """Run until an order is over; how it ended."""
        return self.wait(o.Report, lambda r: r.cl_ord_id == name and r.status in o.TERMINAL).status

    def name(self) -> str:
        """A fresh order name."""
        self._name_count += 1
        return f"{self.account}-{self._name_count}"

    def new(
        self, side: int, lots: int, price: int | None, tif: o.Tif = o.Tif.DAY, **overrides: str
    ) -> str:
        """Send a new order; its name."""
        name = overrides.get("name") or self.name()
        now = self.venue.now_ns
        self.venue.send(
            o.NewOrder(
                name,
                overrides.get("instrument", self.instrument),
                side,
                lots,
                price,
                tif,
                self.account,
                "",
                now,
            )
        )
        return name

    def cancel(self, orig: str, side: int = 1) -> str:
        """Send a cancel; its name."""
        name = self.name()
        self.venue.send(
            o.CancelOrder(name, orig, self.instrument, side, self.account, self.venue.now_ns)
        )
        return name

    def replace(self, orig: str, side: int, lots: int, price: int) -> str:
        """Send a replace; its name."""
        name = self.name()
        now = self.venue.now_ns
        self.venue.send(
            o.ReplaceOrder(name, orig, self.instrument, side, lots, price, self.account, "", now)
        )
        return name

    def rest(self, lots: int = 10, behind: int = 5) -> tuple[str, o.Report]:
        """A buy order that rests `behind` ticks behind the touch: its name and its first report."""
        while not self.book.orders:  # one that was lost comes back with a snapshot
            self.run(NS_PER_S // 10)
        name = self.new(1, lots, self.book.best(1) - behind)
        return name, self.report(name, o.ExecType.NEW)

    def rows_of(self, number: int) -> list[list[int]]:
        """Market data rows of one resting order."""
        rows = (
            row
            for event in self.events
            if isinstance(event, o.MarketRows)
            for row in event.rows.tolist()
        )
        return [row for row in rows if row[o.M_ID] == number]


def number_of(report: o.Report) -> int:
    """What an order is called in market data: what stands before the dot of the venue's name for it."""
    return int(report.order_id.partition(".")[0])


def reports(events: Iterable[o.VenueEvent]) -> list[o.Report]:
    """Execution reports among events."""
    return [event for event in events if isinstance(event, o.Report)]


class VenueConformance:
    """Contract of every :class:`~tercel.core.ports.Venue`."""

    @pytest.fixture
    def trader(self, venue: Venue) -> Trader:
        """An account with market data."""
        return Trader(venue)

    def test_it_says_what_it_lists(self, venue: Venue) -> None:
        assert venue.name
        listings = venue.listings()
        assert listings
        assert len({listing.instrument for listing in listings}) == len(listings)
        assert all(listing.tick > 0 and listing.lot >= 1 for listing in listings)

    def test_what_it_offers_beyond_the_port_is_declared(self, venue: Venue) -> None:
        check_capabilities(venue)

    def test_time_never_goes_back(self, trader: Trader) -> None:
        trader.new(1, 5, trader.book.best(1))
        trader.new(-1, 5, None, o.Tif.IOC)
        before = trader.venue.now_ns
        trader.run(20 * NS_PER_S)
        times = [ns for event in trader.events for ns in _times(event)]
        assert times == sorted(times)
        assert trader.venue.now_ns >= before + 20 * NS_PER_S
        now = trader.venue.now_ns
        trader.step(now - NS_PER_S)
        assert trader.venue.now_ns >= now

    def test_market_data_is_the_book(self, trader: Trader) -> None:
        trader.rest()
        trader.new(1, 30, None, o.Tif.IOC)
        trader.run(30 * NS_PER_S)
        followed = PublicBook({who: list(order) for who, order in trader.book.orders.items()})
        heard = len(trader.events)
        trader.follow()
        trader.run(30 * NS_PER_S)
        again = trader.events[heard:]
        for event in again:
            if (
                isinstance(event, o.MarketRows)
                and event.instrument == trader.instrument
                and not event.snapshot
            ):
                followed.apply(event)
        assert followed.orders == trader.book.orders
        assert followed.best(1) < followed.best(-1)

    def test_a_resting_order_is_acknowledged_and_shown_under_its_number(
        self, trader: Trader
    ) -> None:
        name, ack = trader.rest(lots=7)
        assert (ack.status, ack.cum_qty, ack.leaves_qty, ack.account) == (
            o.OrdStatus.NEW,
            0,
            7 * ONE,
            trader.account,
        )
        assert ack.order_id
        trader.run(NS_PER_S)
        shown = trader.rows_of(number_of(ack))
        assert shown
        assert (shown[-1][o.M_KIND], shown[-1][o.M_SIDE], shown[-1][o.M_LOTS]) == (ADD, 1, 7)
        assert ack.cl_ord_id == name

    def test_a_market_order_takes_what_is_shown(self, trader: Trader) -> None:
        name = trader.new(1, 12, None, o.Tif.IOC)
        trader.run(5 * NS_PER_S)
        own_reports = [r for r in reports(trader.events) if r.cl_ord_id == name]
        trades = [r for r in own_reports if r.exec_type is o.ExecType.TRADE]
        assert own_reports[0].exec_type is o.ExecType.NEW
        assert trades
        assert not any(r.passive for r in trades)
        cum = 0
        for r in trades:
            cum += r.last_qty
            assert (r.cum_qty, r.leaves_qty) == (cum, 12 * ONE - cum)
        assert own_reports[-1].leaves_qty == 0
        number = number_of(own_reports[0])
        rows = [
            row for e in trader.events if isinstance(e, o.MarketRows) for row in e.rows.tolist()
        ]
        taken = [
            (row[o.M_PRICE], row[o.M_LOTS])
            for row in rows
            if row[o.M_AGGRESSOR] == number and row[o.M_KIND] == EXECUTE
        ]
        assert [(p * ONE, n * ONE) for p, n in taken] == [(r.last_px, r.last_qty) for r in trades]

    def test_what_cannot_be_taken_at_once_expires(self, trader: Trader) -> None:
        name = trader.new(1, 5, trader.book.best(1) - 50, o.Tif.IOC)
        report = trader.report(name, o.ExecType.EXPIRED)
        assert (report.status, report.cum_qty, report.leaves_qty) == (o.OrdStatus.EXPIRED, 0, 0)

    def test_a_resting_order_is_filled_by_the_market(self, trader: Trader) -> None:
        for _ in range(10):  # the quote may move before the order is there, which then takes
            name = trader.new(1, 1, trader.book.best(-1) - 1)
            report = trader.report(name, o.ExecType.TRADE, patience_s=600)
            if report.passive:
                break
        assert report.passive
        assert (report.status, report.cum_qty, report.leaves_qty) == (o.OrdStatus.FILLED, ONE, 0)
        rows = trader.rows_of(number_of(report))
        assert [row[o.M_KIND] for row in rows[-2:]] == [ADD, EXECUTE]

    def test_a_cancel_ends_an_order_once(self, trader: Trader) -> None:
        name, ack = trader.rest()
        cancel = trader.cancel(name)
        report = trader.report(cancel, o.ExecType.CANCELED)
        assert (report.orig, report.status, report.leaves_qty) == (name, o.OrdStatus.CANCELED, 0)
        assert number_of(ack) not in trader.book.orders
        late = trader.cancel(name)
        reject = trader.wait(o.CancelReject, lambda r: r.cl_ord_id == late)
        assert (reject.status, reject.orig) == (o.OrdStatus.CANCELED, name)
        assert reject.text

    def test_fewer_lots_at_the_same_price_keep_the_place(self, trader: Trader) -> None:
        name, ack = trader.rest(lots=10)
        price = ack.price
        assert price is not None
        trader.rest(lots=3)
        changed = trader.replace(name, 1, 4, price)
        report = trader.report(changed, o.ExecType.REPLACED)
        assert (report.orig, report.lots, report.leaves_qty) == (name, 4, 4 * ONE)
        trader.run(NS_PER_S)
        rows = trader.rows_of(number_of(ack))
        assert [row[o.M_KIND] for row in rows[-2:]] == [ADD, REDUCE]
        assert trader.book.orders[number_of(ack)][2] == 4

    def test_another_price_or_more_lots_lose_the_place(self, trader: Trader) -> None:
        name, ack = trader.rest(lots=10)
        assert ack.price is not None
        more = trader.replace(name, 1, 15, ack.price)
        assert trader.report(more, o.ExecType.REPLACED).leaves_qty == 15 * ONE
        moved = trader.replace(more, 1, 15, ack.price - 1)
        report = trader.report(moved, o.ExecType.REPLACED)
        trader.run(NS_PER_S)
        shown = trader.book.orders[number_of(report)]
        assert shown == [1, ack.price - 1, 15]
        assert [row[o.M_KIND] for row in trader.rows_of(number_of(ack))[-3:]].count(ADD) >= 1
        old = trader.cancel(name)
        assert trader.report(old, o.ExecType.CANCELED).leaves_qty == 0, (
            "an order answers to all its names"
        )

    def test_a_replace_that_crosses_trades(self, trader: Trader) -> None:
        name, _ = trader.rest(lots=5)
        crossing = trader.replace(name, 1, 5, trader.book.best(-1) + 20)
        assert trader.report(crossing, o.ExecType.TRADE).last_qty > 0

    def test_what_cannot_be_is_refused_with_a_reason(self, trader: Trader) -> None:
        best_bid = trader.book.best(1)
        for name in (
            trader.new(1, 5, best_bid, instrument="NOBODY-LISTS-THIS"),
            trader.new(1, 0, best_bid),
            trader.new(1, 5, 2**40),
        ):
            report = trader.report(name, o.ExecType.REJECTED)
            assert report.status is o.OrdStatus.REJECTED
            assert report.text
            assert report.leaves_qty == 0

    def test_a_name_is_taken_once(self, trader: Trader) -> None:
        name, ack = trader.rest()
        trader.new(1, 5, ack.price, name=name)
        report = trader.report(name, o.ExecType.REJECTED)
        assert "duplicate" in report.text.lower()
        trader.venue.send(o.StatusRequest(name, trader.account, trader.venue.now_ns))
        assert trader.report(name, o.ExecType.STATUS).status is o.OrdStatus.NEW, (
            "the first order stands"
        )

    def test_cancels_and_replaces_of_nothing_are_refused(self, trader: Trader) -> None:
        for name in (
            trader.cancel("never-sent"),
            trader.replace("never-sent", 1, 5, trader.book.best(1)),
        ):
            reject = trader.wait(o.CancelReject, lambda r, name=name: r.cl_ord_id == name)  # type: ignore[misc]
            assert reject.status is o.OrdStatus.REJECTED
            assert reject.text

    def test_status_is_told_of_one_of_none_and_of_all(self, trader: Trader) -> None:
        name, ack = trader.rest(lots=6)
        trader.venue.send(o.StatusRequest(name, trader.account, trader.venue.now_ns))
        report = trader.report(name, o.ExecType.STATUS)
        assert (report.status, report.cum_qty, report.leaves_qty, report.order_id) == (
            o.OrdStatus.NEW,
            0,
            6 * ONE,
            ack.order_id,
        )
        trader.venue.send(o.StatusRequest("never-sent", trader.account, trader.venue.now_ns))
        unknown = trader.report("never-sent", o.ExecType.STATUS)
        assert (unknown.status, unknown.cum_qty) == (o.OrdStatus.REJECTED, 0)
        assert "unknown" in unknown.text
        trader.report(trader.cancel(name), o.ExecType.CANCELED)
        other_name, _ = trader.rest()
        trader.venue.send(o.StatusRequest("", trader.account, trader.venue.now_ns))
        told = [r for r in reports(trader.run(5 * NS_PER_S)) if r.exec_type is o.ExecType.STATUS]
        assert {(r.leaves_qty, r.status) for r in told} >= {
            (0, o.OrdStatus.CANCELED),
            (10 * ONE, o.OrdStatus.NEW),
        }
        assert other_name in {r.cl_ord_id for r in told}

    def test_a_status_tells_missed_trades_again(self, trader: Trader) -> None:
        name = trader.new(1, 25, None, o.Tif.IOC)
        first = [r for r in reports(trader.run(5 * NS_PER_S)) if r.exec_type is o.ExecType.TRADE]
        trader.venue.send(o.StatusRequest(name, trader.account, trader.venue.now_ns))
        again = reports(trader.run(5 * NS_PER_S))
        assert [r for r in again if r.exec_type is o.ExecType.TRADE] == first
        assert (again[-1].exec_type, again[-1].cum_qty, again[-1].leaves_qty) == (
            o.ExecType.STATUS,
            first[-1].cum_qty,
            0,
        )

    def test_a_mass_cancel_ends_all_of_an_account(self, trader: Trader) -> None:
        names = [trader.rest(behind=5 + i)[0] for i in range(3)]
        trader.venue.send(
            o.MassCancel(trader.name(), trader.account, trader.instrument, trader.venue.now_ns)
        )
        assert {trader.wait_ended(name) for name in names} == {o.OrdStatus.CANCELED}

    def test_executions_have_names_of_their_own(self, trader: Trader) -> None:
        for _ in range(3):
            trader.new(1, 20, None, o.Tif.IOC)
            trader.rest()
        trader.run(5 * NS_PER_S)
        names = [r.exec_id for r in reports(trader.events) if r.exec_type is not o.ExecType.STATUS]
        assert len(names) == len(set(names))

    def test_executions_and_positions_are_those_that_were_reported(self, trader: Trader) -> None:
        for name in [trader.new(1, 20, None, o.Tif.IOC), trader.new(-1, 5, None, o.Tif.IOC)]:
            trader.wait_ended(name)
        told = [report for report in reports(trader.events) if report.exec_type is o.ExecType.TRADE]
        assert told
        can = trader.venue.capabilities
        if can.executions is not None:
            assert list(can.executions.executions(trader.account)) == told
            assert list(can.executions.executions(trader.account, told[0].exec_id)) == told[1:]
        if can.positions is not None:
            held = sum(report.side * report.last_qty for report in told)
            assert can.positions.positions(trader.account).get(trader.instrument, 0) == held

    def test_a_quote_is_taken_once_and_at_its_price(self, trader: Trader) -> None:
        venue = trader.venue
        name = trader.name()
        dealers = venue.capabilities.quotes
        if dealers is None:
            return
        now = venue.now_ns
        request_fields = name, trader.instrument, 1, 10, now + 60 * NS_PER_S, trader.account, now
        dealers.request_quotes(QuoteRequest(*request_fields))
        quote = trader.wait(
            Quote, lambda candidate: candidate.request == name and candidate.offer is not None
        )
        assert quote.instrument == trader.instrument
        assert 1 <= quote.lots <= 10
        assert quote.until_ns > now
        statuses = {}
        assert quote.offer is not None
        for price in (quote.offer - 1, quote.offer, quote.offer):
            sent = trader.name()
            terms = trader.instrument, 1, quote.lots, price, o.Tif.IOC, trader.account, ""
            venue.send(o.QuotedOrder(sent, *terms, venue.now_ns, quote.id))
            statuses[sent] = trader.wait_ended(sent)
        kinds = [o.OrdStatus.REJECTED, o.OrdStatus.FILLED, o.OrdStatus.REJECTED]
        assert list(statuses.values()) == kinds
        told = [report for report in reports(trader.events) if report.last_qty]
        assert [(report.last_px, report.last_qty) for report in told] == [
            (quote.offer * ONE, quote.lots * ONE)
        ]
        dealers.pass_quotes(name)


def _times(event: o.VenueEvent) -> list[int]:
    if isinstance(event, o.MarketRows):
        return [int(ns) for ns in event.rows[:, o.M_NS]]
    return [event.ns] if isinstance(event, o.Report | o.CancelReject) else []
