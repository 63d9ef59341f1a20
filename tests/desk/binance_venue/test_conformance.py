"""The adapter keeps to the port of venues, at our own server in Binance's words."""

from collections import Counter
from collections.abc import Callable

import pytest
from tests.desk.binance_venue.conftest import Served

from tercel.api.testing.venue import Trader, VenueConformance, number_of, reports
from tercel.core import orders as o
from tercel.core.fixed import ONE
from tercel.desk.binance_venue.venue import BinanceVenue
from tercel.market.tape.schema import EXECUTE

SPEED = 20.0


def taken_by_price(trader: Trader, name: str) -> tuple[Counter[int], Counter[int]]:
    """Lots by price that an order's trades, and market data, say that it took."""
    said = [one for one in reports(trader.events) if one.cl_ord_id == name]
    told, shown = Counter[int](), Counter[int]()
    for one in said:
        if one.exec_type is o.ExecType.TRADE:
            told[one.last_px // ONE] += one.last_qty // ONE
    for event in trader.events:
        for row in event.rows.tolist() if isinstance(event, o.MarketRows) else ():
            if row[o.M_AGGRESSOR] == number_of(said[0]) and row[o.M_KIND] == EXECUTE:
                shown[row[o.M_PRICE]] += row[o.M_LOTS]
    return told, shown


class TestBinanceIsAVenue(VenueConformance):
    @pytest.fixture
    def venue(self, served: Callable[..., Served]) -> BinanceVenue:
        return served(speed=SPEED).venue()

    def test_a_market_order_takes_what_is_shown(self, trader: Trader) -> None:
        """Level totals show no single orders: by price."""
        name = trader.new(1, 12, None, o.Tif.IOC)
        said = trader.wait(o.Report, lambda r: r.cl_ord_id == name and r.leaves_qty == 0)
        assert said.cum_qty == 12 * ONE
        first = next(one for one in reports(trader.events) if one.cl_ord_id == name)
        assert first.exec_type is o.ExecType.NEW
        told, shown = taken_by_price(trader, name)
        assert told.total() == 12
        assert shown <= told
