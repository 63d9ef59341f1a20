"""Symbols as exchangeInfo lists them: numbers in any dress, filters as the server has them, decoys refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.exchange.binance.conftest import bench_of

from exchange.binance.words import BinanceError
from tercel.core.errors import VenueError
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder, Tif
from tercel.venues.binance_venue.api import TradedSymbol, parse_amount, symbol_of
from tercel.venues.binance_venue.rest import read_json

BTC = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "amendAllowed": True,
    "defaultSelfTradePreventionMode": "EXPIRE_MAKER", "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_MAKER"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "100.0", "stepSize": "0.0"},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "2", "bidMultiplierDown": "0.2",
         "askMultiplierUp": "5", "askMultiplierDown": "0.5", "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True, "maxNotional": "9000000",
         "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ],
}  # fmt: skip


def order(lots: int, price: int | None, side: int = 1) -> NewOrder:
    return NewOrder("n", "BTCUSDT", side, lots, price, Tif.DAY, "a", "p", 0)


def as_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value[0].isdigit() else value


@given(st.decimals(0, 10**15, places=8, allow_nan=False), st.sampled_from("fsn"))
def test_a_number_reads_the_same_however_it_is_written(number: Decimal, how: str) -> None:
    written = {"f": format(number, "f"), "s": str(number), "n": format(number.normalize(), "f")}[
        how
    ]
    assert parse_amount(written, "it") == int(number * ONE)
    (read,) = read_json(f"[{written}]")
    assert parse_amount(read, "it") == int(number * ONE)


@pytest.mark.parametrize(
    "said",
    ["", "x", "-1", "1e-9", "0.000000001", "NaN", "Infinity", True, None, [], "1" * 60, "1e40"],
)
def test_what_is_no_amount_is_refused(said: Any) -> None:
    with pytest.raises(VenueError):
        parse_amount(said, "it")


def test_filters_are_read_from_strings_and_from_numbers() -> None:
    found = symbol_of(BTC)
    filters: Any = BTC["filters"]
    numbers = [{key: as_number(value) for key, value in one.items()} for one in filters]
    assert symbol_of({**BTC, "filters": numbers}) == found
    assert (found.tick, found.lot, found.modes) == (10**6, 10**3, ("EXPIRE_MAKER", "NONE"))
    listing = found.listing()
    assert (listing.tick, listing.lot) == (pytest.approx(1e-7), 1)
    assert (listing.currency, listing.part) == ("USDT", 1e-5)
    assert found.scale.price(6_000_000) == "60000.00"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (order(100_000, 6_000_000), ""),
        (order(0, 6_000_000), "LOT_SIZE"),
        (order(2**31, 6_000_000), "LOT_SIZE"),
        (order(900_000_001, 6_000_000), "LOT_SIZE"),
        (order(1, 6_000_000), "NOTIONAL"),
        (order(100_000, 100_000_001), "PRICE_FILTER"),
        (order(100_000, 12_000_001), "PERCENT_PRICE"),
        (order(100_000, 12_000_000), ""),
        (order(100_000, 12_000_001, -1), ""),
        (order(100_000, 2_999_999, -1), "PERCENT_PRICE"),
        (order(10_000_001, None), "LOT_SIZE"),
        (order(8, None), "NOTIONAL"),
        (order(9, None), ""),
    ],
)
def test_an_order_that_fails_a_filter_does_not_leave(new: NewOrder, why: str) -> None:
    assert symbol_of(BTC).refusal(new, 60_000 * ONE).partition(":")[0] == why


@given(lots=st.integers(-1, 2**31), ticks=st.integers(-1, 2**30), side=st.sampled_from((1, -1)))
def test_our_filters_are_the_servers(lots: int, ticks: int, side: int) -> None:
    """What passes here passes there, and the other way round; its mean price is ours."""
    bench = BENCH
    rules, mean = bench.engine.rules[bench.symbol], bench.market.average(bench.engine.now_ns)
    ours = SERVED.refusal(replace(order(lots, ticks, side)), mean * rules.tick // ONE)
    theirs = ""
    try:
        rules.check_limit(
            rules.ticks(ticks * rules.tick), rules.lots(lots * rules.lot), mean // ONE
        )
    except BinanceError as error:
        theirs = error.msg.removeprefix("Filter failure: ")
    assert bool(ours) == bool(theirs)


BENCH = bench_of()
SERVED: TradedSymbol = symbol_of(BENCH.engine.rules[BENCH.symbol].info("TRADING"))


def test_a_symbol_that_does_not_trade_takes_no_order() -> None:
    assert "HALT" in symbol_of({**BTC, "status": "HALT"}).refusal(order(100_000, 6_000_000), 0)
    with pytest.raises(VenueError):
        symbol_of({"symbol": "X", "filters": []})
