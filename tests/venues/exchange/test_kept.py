"""An exchange that was killed begins again: its accounts, trades, names, time and market, from its folder alone."""

from pathlib import Path

import pytest

from certify.kits.venue import Trader
from tercel.core.errors import ConfigError
from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, OrdStatus, Report, StatusRequest, Tif
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import MarketSpec, SimulatedExchange

S = 10**9


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


def exchange(source: Source, folder: Path, run: str, names: str = "AB") -> SimulatedExchange:
    """Nothing is closed or told when one goes: another over its folder is as after a kill."""
    specs = {name: MarketSpec(source, seed=i) for i, name in enumerate(names)}
    return SimulatedExchange(specs, run=run, keep=folder)


def asked(venue: SimulatedExchange, name: str) -> list[Report]:
    venue.send(StatusRequest(name, "ann", 0))
    return [event for event in venue.step(venue.now_ns) if isinstance(event, Report)]


def client_orders(venue: SimulatedExchange) -> int:
    return sum(int(book[lay.OWN_RESTING]) for book in venue._markets.books)


def test_it_begins_again_where_it_was_killed(csco: Source, tmp_path: Path) -> None:
    first = exchange(csco, tmp_path, "1-")
    trader = Trader(first, "ann")
    taken = trader.new(1, 30, None, Tif.IOC)
    rests, _ = trader.rest(lots=7)
    changed = trader.replace(rests, 1, 5, trader.book.best(1) - 1)
    joined = trader.new(-1, 4, trader.book.best(-1))
    gone, _ = trader.rest(lots=3)
    trader.cancel(gone)
    trader.run(400 * S)
    trades, held, now = first.executions("ann"), first.positions("ann"), first.now_ns
    open_then = {order.cl_ord_id: order.cum * ONE for order in first._orders.open_of("ann")}
    assert open_then
    assert set(open_then) <= {changed, joined}
    assert sum(trade.last_qty for trade in trades if trade.cl_ord_id == taken) == 30 * ONE

    again = exchange(csco, tmp_path, "2-")
    assert (again.now_ns, again.positions("ann"), again.executions("ann")) == (now, held, trades)
    assert client_orders(again) == 0
    assert again._orders.open_of("ann") == []
    for name, filled in open_then.items():
        *_, end = asked(again, name)
        assert (end.exec_type, end.status) == (ExecType.STATUS, OrdStatus.CANCELED)
        assert (end.cum_qty, end.leaves_qty) == (filled, 0)
    assert [one.status for one in asked(again, gone)] == [OrdStatus.CANCELED]

    later = Trader(again, "ann")
    later.new(1, 1, None, Tif.IOC, name=rests)
    assert later.report(rests, ExecType.REJECTED).text == f"duplicate cl_ord_id {rests!r}"
    fresh = later.new(1, 2, None, Tif.IOC, name="fresh")
    later.run(10 * S)
    new = again.executions("ann")[len(trades) :]
    assert sum(trade.last_qty for trade in new if trade.cl_ord_id == fresh) == 2 * ONE
    assert not {trade.exec_id for trade in new} & {trade.exec_id for trade in trades}
    assert not {trade.order_id for trade in new} & {trade.order_id for trade in trades}
    assert again.positions("ann")["A"] == held["A"] + 2 * ONE


def test_its_market_goes_on_at_the_price_where_it_was(csco: Source, tmp_path: Path) -> None:
    first = exchange(csco, tmp_path, "1-")
    seller = Trader(first, "bob")
    begun = seller.book.best(1)
    while (fallen := seller.book.best(1)) > begun - 8:
        seller.new(-1, 12, seller.book.best(1) - 1, Tif.IOC)
        seller.run(30 * S)
    other = Trader(exchange(csco, tmp_path, "2-"), "bob")
    assert abs(other.book.best(1) - fallen) <= 4


def test_another_market_does_not_begin_in_its_folder(csco: Source, tmp_path: Path) -> None:
    exchange(csco, tmp_path, "1-").step(400 * S)
    with pytest.raises(ConfigError, match="the markets that were stored"):
        exchange(csco, tmp_path, "2-", names="ABC")
