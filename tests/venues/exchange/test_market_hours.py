"""A simulated exchange refuses what a venue with rules does, and stands still in a break."""

import numpy as np
import pytest
from tests.venues.exchange.test_exchange import csco as csco  # noqa: PLC0414

from tercel.core.orders import (
    M_KIND,
    M_PRICE,
    CancelOrder,
    CancelReject,
    ExecType,
    MarketRows,
    NewOrder,
    ReplaceOrder,
    Report,
    Tif,
)
from tercel.core.venue_rules import TradingWindow, VenueRules
from tercel.core.vocabulary import STATUS
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

S = 10**9
MS = 10**6
RULES = VenueRules(
    (TradingWindow(300 * S, 320 * S, False), TradingWindow(380 * S, 400 * S, True)),
    round_lots=100,
    least_lots=200,
    odd_sells=True,
    tick_table=((0, 5),),
)


class Counter:
    """An exchange with one market, and everything that it said."""

    def __init__(self, source: Source, rules: VenueRules = RULES, latency_ns: int = MS) -> None:
        latency = EntryLatency("constant", latency_ns)
        self.exchange = SimulatedExchange(
            {"A": MarketSpec(source, 3, rules=rules)}, latency=latency
        )
        self.exchange.subscribe("A")
        self.rows: list[np.ndarray] = []
        self.words: list[Report | CancelReject] = []
        self.mid = int(self.exchange._markets.states[0][sim.MID2]) // 2

    def run(self, until_ns: int) -> None:
        while self.exchange.now_ns < until_ns:
            for event in self.exchange.step(until_ns):
                if isinstance(event, MarketRows):
                    self.rows += [] if event.snapshot else [event.rows]
                else:
                    self.words.append(event)

    def new(self, name: str, side: int, lots: int, price: int | None) -> str:
        """Sends an order and returns why it was refused."""
        tif = Tif.IOC if price is None else Tif.DAY
        self.exchange.send(NewOrder(name, "A", side, lots, price, tif, "me", "", 0))
        self.run(self.exchange.now_ns + 2 * MS)
        reports = [w for w in self.words if isinstance(w, Report) and w.cl_ord_id == name]
        return reports[0].text if reports[0].exec_type is ExecType.REJECTED else ""


def test_prices_and_quantities_that_the_venue_does_not_take_are_refused(csco: Source) -> None:
    counter = Counter(csco)
    bid = (counter.mid - 20) // 5 * 5
    assert counter.new("a", 1, 200, bid) == ""
    assert counter.new("b", 1, 200, bid + 1) == f"price {bid + 1} ticks; multiples of 5 there"
    assert counter.new("c", 1, 230, bid) == "230 lots; multiples of 100"
    assert counter.new("d", 1, 100, bid) == "100 lots; at least 200"
    assert counter.new("e", -1, 37, bid + 60) == ""  # the odd part of a sell
    assert counter.new("f", -1, 237, None) == ""
    counter.exchange.send(ReplaceOrder("g", "a", "A", 1, 150, bid, "me", "", 0))
    counter.run(counter.exchange.now_ns + 2 * MS)
    reject = counter.words[-1]
    assert isinstance(reject, CancelReject)
    assert reject.text == "150 lots; multiples of 100"


def test_daily_limits_refuse_prices_and_end_market_orders(csco: Source) -> None:
    mid = Counter(csco).mid
    counter = Counter(csco, VenueRules(RULES.windows, low=mid - 30, high=mid + 1))
    assert "beyond the daily limits" in counter.new("a", 1, 1, mid + 2)
    assert "beyond the daily limits" in counter.new("b", -1, 1, mid - 31)
    assert counter.new("c", 1, 100_000, None) == ""
    fills = [w for w in counter.words if isinstance(w, Report) and w.exec_type is ExecType.TRADE]
    assert fills
    assert max(w.last_px for w in fills) <= (mid + 1) * 10**8
    assert counter.words[-1].text == "nothing more to take"


def test_in_a_break_the_market_stands_still_and_takes_neither_orders_nor_cancels(
    csco: Source,
) -> None:
    counter = Counter(csco, latency_ns=5 * MS)
    bid = (counter.mid - 20) // 5 * 5
    counter.exchange.send(NewOrder("rests", "A", 1, 200, bid, Tif.DAY, "me", "", 0))
    counter.run(320 * S - 2 * MS)
    counter.exchange.send(
        NewOrder("late", "A", 1, 200, bid, Tif.DAY, "me", "", 0)
    )  # arrives after the close
    counter.run(350 * S)
    counter.exchange.send(CancelOrder("cancel", "rests", "A", 1, "me", 0))
    counter.exchange.send(NewOrder("in", "A", 1, 200, bid, Tif.DAY, "me", "", 0))
    counter.run(360 * S)
    assert [(w.cl_ord_id, w.text, w.ns) for w in counter.words[1:]] == [
        ("late", "the market is closed", 320 * S + 3 * MS),
        ("cancel", "the market is closed", 350 * S),
        ("in", "the market is closed", 350 * S),
    ]
    counter.run(390 * S)
    counter.exchange.send(CancelOrder("again", "rests", "A", 1, "me", 0))
    counter.run(391 * S)
    assert counter.words[-1].exec_type is ExecType.CANCELED
    rows = np.concatenate(counter.rows)
    status = rows[rows[:, M_KIND] == STATUS]
    assert status[:, [0, M_PRICE]].tolist() == [[320 * S, -1], [380 * S, 1]]
    assert not ((rows[:, 0] > 320 * S) & (rows[:, 0] < 380 * S)).any()
    assert (np.diff(rows[:, 0]) >= 0).all()


def test_a_market_goes_on_after_a_break_as_if_there_had_been_none(csco: Source) -> None:
    with_break, without = Counter(csco), Counter(csco, VenueRules())
    with_break.run(399 * S)
    without.run(339 * S)
    rows, plain = np.concatenate(with_break.rows), np.concatenate(without.rows)
    trading = rows[rows[:, M_KIND] != STATUS]
    trading[:, 0] -= np.where(trading[:, 0] > 350 * S, 60 * S, 0)
    np.testing.assert_array_equal(trading, plain)


@pytest.mark.parametrize("in_flight", [True, False])
def test_an_order_on_its_way_to_a_halt_waits_and_one_sent_in_it_is_refused(
    csco: Source, in_flight: bool
) -> None:
    counter = Counter(csco, VenueRules((TradingWindow(0, 10**15, True),)), latency_ns=5 * MS)
    k = counter.exchange._markets.states[0]
    counter.run(310 * S)
    if not in_flight:
        k[sim.HALTED] = 1
    counter.exchange.send(NewOrder("a", "A", 1, 5, None, Tif.IOC, "me", "", 0))
    k[sim.HALTED] = 1
    counter.run(311 * S)
    assert [w.text for w in counter.words] == ([] if in_flight else ["trading is halted"])
    k[sim.HALTED] = 0
    counter.run(312 * S)
    assert (counter.words[0].exec_type is ExecType.NEW) == in_flight
