"""`ccxt:binance` keeps to the port of venues, at our own server: directly and through a gate."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.desk.gate.wall import turning
from tests.venues.binance_venue.test_conformance import WIDE_OF, Announcing, TestBinanceIsAVenue
from tests.venues.ccxt_venue.conftest import ByCcxt

from certify.kits.venue import VenueConformance
from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.venues.ccxt_venue.venue import CcxtVenue
from tercel.venues.wire import RemoteVenue

pytestmark = (
    pytest.mark.long
)  # slow: each case waits for a market that runs at the speed of a server
SPEED = 5.0
"""An order goes by two threads more than at `binance`: the kit waits 5 s for it, which at 20 are 250 ms here."""
by_price = TestBinanceIsAVenue.test_a_market_order_takes_what_is_shown
del TestBinanceIsAVenue


class TestCcxtBehindAGate(VenueConformance):
    @pytest.fixture
    def venue(self, by_ccxt: Callable[..., ByCcxt], tmp_path: Path) -> Iterator[RemoteVenue]:
        server = by_ccxt(speed=SPEED)
        (tmp_path / "limits.toml").write_text(WIDE_OF)
        terms = GateTerms(
            venue="ccxt:binance", accounts=("kit",), limits="limits.toml", silence_s=60.0
        )

        def reach(where: str, accounts: tuple[str, ...], store: Path, *_: object) -> CcxtVenue:
            return server.venue(store)

        with (
            open_gate(GateConfig(gate=terms), tmp_path, "test", reach=reach) as gate,
            turning(gate.run),
        ):
            session = Announcing(gate.path, ("kit",))
            yield session
            session.close()

    test_a_market_order_takes_what_is_shown = by_price
