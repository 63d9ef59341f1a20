"""The adapter keeps to the port of venues, at our own server in Binance's words."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.desk.gate.wall import turning
from tests.desk.trading.desk_of_two import WIDE
from tests.venues.binance_venue.conftest import Served

from certify.kits.venue import Trader, VenueConformance, number_of, reports
from tercel.core import orders as o
from tercel.core.fixed_point import ONE
from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.market.tape.schema import EXECUTE
from tercel.venues.binance_venue.venue import BinanceVenue
from tercel.venues.wire import RemoteVenue

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


WIDE_OF = WIDE.replace("order_lots = 5000", "order_lots = 2_000_000_000").replace(
    "collar_bps = 500", "collar_bps = 9000"
)


class Announcing(RemoteVenue):
    """A session that tells the gate of a parent for each side, as large as it likes."""

    def send(self, command: o.Command) -> None:
        if isinstance(command, o.NewOrder | o.ReplaceOrder):
            command = replace(command, parent=f"{command.account}{command.side}")
            if command.instrument in {one.instrument for one in self.listings()}:
                self.announce(
                    command.parent, command.instrument, command.account, command.side, 100_000
                )
        super().send(command)


@pytest.mark.long
class TestBinanceBehindAGate(VenueConformance):
    @pytest.fixture
    def venue(self, served: Callable[..., Served], tmp_path: Path) -> Iterator[RemoteVenue]:
        server = served(speed=SPEED)
        (tmp_path / "limits.toml").write_text(WIDE_OF)
        terms = GateTerms(venue="binance", accounts=("kit",), limits="limits.toml", silence_s=60.0)

        def reach(where: str, accounts: tuple[str, ...], store: Path, *_: object) -> BinanceVenue:
            return server.venue(store)

        with (
            open_gate(GateConfig(gate=terms), tmp_path, "test", reach=reach) as gate,
            turning(gate.run),
        ):
            session = Announcing(gate.path, ("kit",))
            yield session
            session.close()

    test_a_market_order_takes_what_is_shown = (
        TestBinanceIsAVenue.test_a_market_order_takes_what_is_shown
    )
