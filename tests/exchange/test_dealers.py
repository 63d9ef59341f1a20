"""Dealers beside a book: what they answer, how their trades are told, and what they do in the book afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from certify.fix.quotes_acceptor import panel
from certify.kits.venue import VenueConformance
from certify.tiny import TinyVenue
from exchange.dealers import HOUSE, DealerVenue, mid_of
from tercel.core import orders as o
from tercel.core.capabilities import check_capabilities
from tercel.core.errors import ConfigError, VenueError
from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, OrdStatus, Tif
from tercel.core.quotes import Quote, QuoteReject, QuoteRequest
from tercel.market.dealers import load_panel
from tercel.venues import preset_markets
from tercel.venues.exchange import SimulatedExchange

S = 10**9


def venue(**changed):
    dealers = replace(panel(), **changed)
    return DealerVenue(TinyVenue(), dealers, lambda _: 100.0, unit_lots=5.0, life_s=60.0)


def ask(made, name="r", side=1, lots=5, dealers=("D1", "D2"), seconds=30):
    now = made.now_ns
    made.request_quotes(
        QuoteRequest(name, "TINY", side, lots, now + seconds * S, "ann", now, dealers)
    )


def run(made, seconds=1.0):
    until, events = made.now_ns + round(seconds * S), []
    while made.now_ns < until:
        events += made.step(until)
    return events


def quotes(made, **how):
    ask(made, **how)
    return {one.dealer: one for one in run(made) if isinstance(one, Quote)}


def take(made, quote, side=1, lots=5, name="o"):
    order = o.QuotedOrder(
        *(name, "TINY", side, lots, quote.price(side), Tif.IOC, "ann", "p", made.now_ns, quote.id)
    )
    made.send(order)
    return [one for one in run(made) if isinstance(one, o.Report)]


def test_two_ways_never_cross_and_who_buys_and_sells_loses():
    made = venue()
    found = quotes(made, side=0)
    assert all(one.bid < 100 < one.offer for one in found.values())
    take(made, found["D1"], 1, 2, "buy")
    take(made, found["D2"], -1, 2, "sell")
    assert made.positions("ann") == {"TINY": 0}
    assert found["D2"].bid < found["D1"].offer


def test_a_trade_is_told_as_the_port_has_it():
    made = venue()
    check_capabilities(made)
    told = take(made, quotes(made)["D2"])
    kinds = [one.exec_type for one in told]
    assert kinds == [ExecType.PENDING_NEW, ExecType.NEW, ExecType.TRADE]
    trade = told[-1]
    assert (trade.last_qty, trade.cum_qty, trade.leaves_qty) == (5 * ONE, 5 * ONE, 0)
    assert (made.positions("ann"), made.executions("ann")) == ({"TINY": 5 * ONE}, [trade])
    assert made.executions("ann", trade.exec_id) == []
    with pytest.raises(VenueError):
        made.executions("ann", "none")
    for asked in ("o", ""):
        made.send(o.StatusRequest(asked, "ann", made.now_ns))
        found = [one for one in run(made) if isinstance(one, o.Report)]
        assert found[0] == trade
        assert (found[1].exec_type, found[1].status) == (ExecType.STATUS, OrdStatus.FILLED)
    made.send(o.CancelOrder("c", "o", "TINY", 1, "ann", made.now_ns))
    made.send(o.NewOrder("o", "TINY", 1, 1, 90, Tif.DAY, "ann", "p", made.now_ns))
    reject, again = [one for one in run(made) if not isinstance(one, o.MarketRows)]
    assert reject.status is OrdStatus.FILLED
    assert reject.text == f"too late: the order is {OrdStatus.FILLED}"
    assert (again.status, again.text[:9]) == (OrdStatus.REJECTED, "duplicate")


def test_the_winner_hedges_and_who_lost_trades_ahead():
    made = venue(ahead=np.array([0.4, 0.0, 0.0]), hedge_bps=np.zeros(3))
    sent = []
    inner = made._inner.send
    made._inner.send = lambda command: (sent.append(command), inner(command))
    told = take(made, quotes(made)["D2"])
    assert [(one.account, one.side, one.lots) for one in sent] == [
        (HOUSE + "D1", 1, 2),
        (HOUSE + "D2", 1, 5),
    ]
    assert {one.account for one in told} == {"ann"}, "nobody hears of dealers' orders"


def test_what_is_not_answered():
    made = venue(answers=np.array([0.0, 0.0, 0.0]))
    assert quotes(made) == {}
    ask(made, "large", lots=10**6)
    rejects = [one for one in run(made) if isinstance(one, QuoteReject)]
    assert [(one.dealer, one.request) for one in rejects] == [("D1", "large"), ("D2", "large")]
    made._mid = lambda _: None
    made._panel = replace(made._panel, answers=np.ones(3))
    ask(made, "closed")
    assert [one.text for one in run(made)] == ["no market"] * 2
    for wrong in ({"dealers": ("D9",)}, {"name": "closed"}, {"lots": 0}):
        with pytest.raises(VenueError):
            ask(made, **{"name": "x", **wrong})


def test_the_mid_of_an_exchange_and_a_clock_that_runs():
    exchange = SimulatedExchange(preset_markets([], 1))
    exchange.step(exchange.now_ns + S)
    name = exchange.instruments[0]
    bid, ask_ = (
        max(r[4] for r in exchange.snapshot(name).rows.tolist() if r[3] == 1 and r[5]),
        min(r[4] for r in exchange.snapshot(name).rows.tolist() if r[3] == -1 and r[5]),
    )
    assert mid_of(exchange)(name) == (bid + ask_) / 2

    class Running(TinyVenue):
        @property
        def capabilities(self):
            return replace(super().capabilities, stepped=False)

    with pytest.raises(ConfigError, match="clock"):
        DealerVenue(Running(), panel(), lambda _: 1.0)


@pytest.mark.release
class TestConformance(VenueConformance):
    @pytest.fixture
    def venue(self):
        exchange = SimulatedExchange(preset_markets([], 1))
        return DealerVenue(exchange, load_panel("equity"), mid_of(exchange))
