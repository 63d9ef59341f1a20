"""The journal knows the units of what was traded, so that whoever reads it shows prices and money."""

from tests.desk.trading.test_limit_price import exchange_of, session_of

from tercel.core.orders import Listing
from tercel.desk.trading.heartbeat import traded_in
from tercel.desk.trading.journal import kinds
from tercel.fix.standard import scaled_listing


def test_a_session_journals_its_listings():
    session = session_of(exchange_of())
    [entry] = [entry for _, entry in session.journal.read(kinds=(kinds.SESSION,))]
    listing = session.listings["X"]
    words = {"tick": listing.tick, "lot": listing.lot, "currency": "", "fees": list(listing.fees)}
    assert entry.body["listings"] == {"X": words}


def test_a_lot_of_less_than_a_coin_is_journaled_as_it_trades():
    shown = traded_in(scaled_listing("BTCUSDT", "0.01", "0.00001")[0])
    assert (shown["tick"], shown["lot"]) == (0.01, 0.00001)
    shown = traded_in(scaled_listing("CSCO", "0.01", "100")[0])
    assert (shown["tick"], shown["lot"]) == (0.01, 100)
    assert traded_in(Listing("A", 0.01, 1, currency="USDT", taker_rate=7))["currency"] == "USDT"
