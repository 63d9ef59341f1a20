"""Whatever befalls messages between a desk and Binance: no order or fill is lost, doubled, orphaned or unwatched."""

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.desk.trading.desk_of_two import WIDE
from tests.exchange.binance.conftest import ACCOUNT, FREE
from tests.venues.binance_venue.conftest import Served
from tests.venues.binance_venue.faulty import KINDS, FaultProxy
from tests.waiting import until

from tercel.core import orders as o
from tercel.core.errors import OrderError, TapeError, VenueError
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.parent_orders.follower import follower_of
from tercel.desk.trading.parent_orders.parent import acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.reconciliation.inquiry import Inquiry
from tercel.desk.trading.reconciliation.refold import refold
from tercel.venues.binance_venue.venue import BinanceVenue

AGENT, SPEED = "ann", 10.0
CLOCK = "clock: jumps"
PARENTS = {1: "b", -1: "s"}
EVERY = (*KINDS, CLOCK)
JUMP_NS = 90 * 10**9


@dataclass
class Trading:
    """A gateway at a venue, with what a desk asks and cancels by itself."""

    venue: BinanceVenue
    served: Served
    rng: random.Random
    names: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        listing = self.venue.listings()[0]
        self.symbol = listing.instrument
        self.limits = LimitGate(parse(WIDE), self.venue.listings(), [AGENT])
        journal = MemoryJournal()
        self.gateway = OrderGateway(
            self.venue, journal, self.limits, refold(journal, self.limits), self.name
        )
        self.inquiry = Inquiry(self.gateway, lambda: [AGENT], lambda: None)
        self.follower = follower_of(self.venue, listing)
        self.placed: Counter[str] = Counter()
        self.unwatched: set[str] = set()
        self.denied: Counter[str] = Counter()
        self.gaps = 0
        self.told: list[str] = []
        for side, parent in PARENTS.items():
            request = ParentRequest(parent, self.symbol, side, 10**5, 10**15, 1, "drawn", AGENT)
            self.limits.register_parent(parent, self.symbol, AGENT, side, request.lots)
            self.gateway.write([acceptance_entry(request, self.venue.now_ns)])
        place = self.served.engine.place

        def recorded(account: Any, asked: Any) -> Any:
            made = place(account, asked)
            self.placed[asked.client_id] += 1
            return made

        self.served.engine.place = recorded  # type: ignore[method-assign]
        self.venue.subscribe(self.symbol)
        until(lambda: self.step() or self.follower.ready, what="a book")

    def name(self) -> str:
        return f"x{next(self.names)}"

    @property
    def orders(self) -> Any:
        return self.gateway.ledger.orders

    def step(self) -> None:
        """A moment of the desk's loop."""
        events = self.venue.step(self.venue.now_ns + round(0.01 * SPEED * 10**9))
        self.gateway.receive(events)
        for event in events:
            if isinstance(event, o.LinkStatus):
                self.inquiry.on_link(event.up)
            elif isinstance(event, o.Unread):
                self.told.append(event.why)
            elif isinstance(event, o.MarketRows):
                try:
                    self.follower.on_market(event)
                except TapeError:
                    self.gaps += 1
                    self.venue.subscribe(self.symbol)
                self.limits.mark(
                    self.symbol, self.follower.quotes, self.follower.now_ns, self.venue.now_ns
                )
        with suppress(VenueError):
            self.inquiry.on_step()
        self.look()

    def look(self) -> None:
        """What the desk calls over must not live at the venue."""
        living = [
            one.client_id for one in list(self.served.engine.account(ACCOUNT).living.values())
        ]
        for wire in living:
            told = self.venue.memory.by_wire.get(wire)
            order = self.orders.get(told.name) if told is not None else None
            if told is None or order is None or order.done:
                self.unwatched.add(wire)

    def act(self) -> None:
        """Something that a strategy does."""
        bid = self.follower.quotes.bid
        ask = self.follower.quotes.ask
        live = [
            one
            for one in self.orders.live()
            if one.acked and not one.pending and one.price is not None
        ]
        now, side = self.venue.now_ns, self.rng.choice((1, -1))
        what = self.rng.random()
        if live and what < 0.3:
            one = self.rng.choice(live)
            command: o.Command = o.CancelOrder(
                self.name(), one.name, self.symbol, one.side, AGENT, now
            )
        elif live and what < 0.5:
            one = self.rng.choice(live)
            lots, price = self.rng.choice(
                (
                    (one.lots - 1, one.price),
                    (one.lots + 1, one.price),
                    (one.lots, one.price - one.side),
                )
            )
            command = o.ReplaceOrder(
                self.name(),
                one.name,
                self.symbol,
                one.side,
                max(lots, 1),
                price,
                AGENT,
                one.parent,
                now,
            )
        elif bid is None or ask is None:
            return
        elif what < 0.65:
            command = o.NewOrder(
                self.name(),
                self.symbol,
                side,
                self.rng.randint(1, 9),
                None,
                o.Tif.IOC,
                AGENT,
                PARENTS[side],
                now,
            )
        else:
            price = (bid if side > 0 else ask) - side * self.rng.randint(-2, 6)
            tif = self.rng.choice((o.Tif.DAY, o.Tif.DAY, o.Tif.IOC))
            command = o.NewOrder(
                self.name(),
                self.symbol,
                side,
                self.rng.randint(1, 20),
                price,
                tif,
                AGENT,
                PARENTS[side],
                now,
            )
        with suppress(OrderError):
            self.denied.update(denial.code for _, denial in self.gateway.submit([command]).denied)

    def alerts(self) -> list[str]:
        """Critical ones, for people who look for what went wrong."""
        entries = self.gateway.journal.read(kinds=(kinds.ALERT,))
        found = [entry.body for _, entry in entries if entry.body["severity"] == "critical"]
        return [f"{one['code']}: {one['text']}" for one in found if one["code"] != kinds.LINK_DOWN]

    def settle(self) -> None:
        """Cancel everything, until the venue has ended each order."""

        def over() -> bool:
            self.step()
            return not self.orders.live() and not self.venue.inquiry.open

        def canceled() -> bool:
            with suppress(VenueError):
                for order in self.orders.live():
                    if not order.pending:
                        cancel = o.CancelOrder(
                            self.name(),
                            order.name,
                            self.symbol,
                            order.side,
                            AGENT,
                            self.venue.now_ns,
                        )
                        self.gateway.submit([cancel])
            for _ in range(30):
                self.step()
            return over()

        until(canceled, what="the end of every order")
        until(self.balanced, what="balances that executions explain")

    def balanced(self) -> bool:
        """Whether the account holds what it should; what it holds is asked again where an event was late or lost."""
        self.step()
        return not self.venue.ledger.differences()

    def faults(self) -> dict[str, int]:
        """What is wrong in the end: nothing."""
        account = self.served.engine.account(ACCOUNT)
        made = Counter((one.order_id, one.trade) for one in account.fills)
        booked = Counter(tuple(map(int, fill.exec_id.split("-")[1:])) for fill in self.orders.fills)
        wires = {told.wire for told in self.venue.memory.by_wire.values()}
        lots = sum(fill.side.sign * fill.lots for fill in account.fills)
        held = self.gateway.ledger.positions.qty().get(AGENT, {}).get(self.symbol, 0)
        return {
            "lost": sum((made - booked).values()),
            "doubled": sum((booked - made).values())
            + sum(n - 1 for n in self.placed.values() if n > 1),
            "orphaned": len(account.living) + sum(1 for wire in self.placed if wire not in wires),
            "unwatched": len(self.unwatched) + len(self.orders.live()),
            "positions": abs(lots * 10**8 - held),
        }


@pytest.fixture
def trading(
    served: Callable[..., Served], tmp_path: Path
) -> Iterator[Callable[[int], tuple[Trading, FaultProxy]]]:
    made: list[FaultProxy] = []

    def trade(seed: int) -> tuple[Trading, FaultProxy]:
        server = served(speed=SPEED, limits=FREE)
        proxy = FaultProxy(server.server.ws_url, server.server.ws_api_url)
        made.append(proxy)
        venue = server.venue(tmp_path / f"store {seed}", recv_window_ms=20_000, **proxy.urls)
        return Trading(venue, server, random.Random(seed)), proxy

    yield trade
    for one in made:
        one.close()


def befall(one: Trading, proxy: FaultProxy, kind: str) -> None:
    if kind == CLOCK:
        one.served.engine._offset_ns += JUMP_NS
        one.served.pace._began = one.served.pace._began[0], one.served.pace._began[1] + JUMP_NS
        proxy.fired[kind] += 1
    else:
        proxy.arm(kind)
    for n in range(2000):
        if n % 3 == 0:
            one.act()
        one.step()
        if not proxy.waits and n >= 12:
            return
    raise AssertionError(f"nothing met {kind}: {one.denied}; {one.alerts()}")


def test_nothing_is_lost_doubled_orphaned_or_unwatched(
    trading: Callable[[int], tuple[Trading, FaultProxy]],
) -> None:
    nothing_is_wrong(*trading(1), 12, EVERY[::4])


@pytest.mark.long
def test_nothing_is_wrong_after_two_hundred_faults(
    trading: Callable[[int], tuple[Trading, FaultProxy]],
) -> None:
    """At four desks of one server each, side by side: what befalls them is mostly waited for."""
    desks = [trading(seed) for seed in (2, 3, 4, 5)]
    with ThreadPoolExecutor(len(desks)) as threads:
        for done in [threads.submit(nothing_is_wrong, *one, 50) for one in desks]:
            done.result()


def nothing_is_wrong(
    one: Trading, proxy: FaultProxy, faults: int, every: Sequence[str] = EVERY
) -> None:
    for n in range(faults):
        befall(one, proxy, every[n] if n < len(every) else one.rng.choice(every))
    proxy.calm()
    for n in range(20_000):  # on a busy machine the market has had little time
        if len(one.orders.fills) > faults / 3:
            break
        if n % 3 == 0:
            one.act()
        one.step()
    one.settle()
    found = one.faults()
    told = f"{proxy.fired.total()} faults, {len(one.placed)} orders, {len(one.orders.fills)} fills"
    sys.stdout.write(f"{told}: {found}; denied: {dict(one.denied)}\n" + "\n".join(one.alerts()))
    assert proxy.fired.total() >= faults
    assert {kind for kind in every if proxy.fired[kind]} == set(every)
    assert found == dict.fromkeys(found, 0)
    assert len(one.orders.fills) > faults / 3
    assert one.venue.ledger.differences() == {}
    assert not [
        text for text in one.told if "do not explain" in text
    ]  # nor were they taken as they are
    assert one.served.engine.imbalance(ACCOUNT) == {}
