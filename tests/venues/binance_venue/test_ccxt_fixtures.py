"""Requests of ours against those that ccxt recorded, which are data of theirs: `$TERCEL_PEERS/ccxt/binance.json`.

That file is `ts/src/test/static/request/binance.json` of ccxt/ccxt; where it is not, the test is skipped.
"""

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tercel.core import orders as o
from tercel.fix.memory import OrderMemory
from tercel.fix.profiles.model import NamesTable
from tercel.venues.binance_venue.balances import AssetLedger
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.symbols import symbol_of
from tercel.venues.binance_venue.tracker import OrderTracker

ROOT = Path(__file__).resolve().parents[3]
FILE = Path(os.environ.get("TERCEL_PEERS", ROOT.parent / "shared" / "peers")) / "ccxt" / "binance.json"
OURS = {"selfTradePreventionMode"}
"""What we say and ccxt does not."""
PLAIN = [{}, {"postOnly": True}, {"timeInForce": "IOC"}]
"""Of what ccxt recorded, what the desk can ask for."""


class Recorded(ApiChannel):
    """A channel that keeps what is asked."""

    def __init__(self) -> None:
        super().__init__(None, None, lambda: 0, 5000)  # type: ignore[arg-type]
        self.asked: list[dict[str, Any]] = []

    def ask(self, method: str, params: Any, weight: int, then: Callable[[ApiAnswer], object], **_: Any) -> None:
        self.asked.append(dict(params))


def ours(symbol: str, side: str, price: float | None, amount: float, words: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "symbol": symbol, "baseAsset": symbol.removesuffix("USDT"), "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0.00001"},
        ],
    }  # fmt: skip
    found, channel = symbol_of(entry), Recorded()
    tracker = OrderTracker({symbol: found}, OrderMemory(NamesTable()), AssetLedger(), lambda report, *_: report)
    inquiry = FateInquiry(channel, tracker, lambda _: None, lambda ns: ns)
    books, post = {symbol: StreamedBook(found)}, bool(words.get("postOnly"))
    desk = OrderEntry(channel, tracker, inquiry, books, lambda _: None, lambda ns: ns, post_only=post)
    ticks = None if price is None else round(Decimal(str(price)) / Decimal("0.01"))
    tif = o.Tif.IOC if price is None or words.get("timeInForce") == "IOC" else o.Tif.DAY
    lots = round(Decimal(str(amount)) / Decimal("0.00001"))
    desk.send(o.NewOrder("n", symbol, 1 if side == "buy" else -1, lots, ticks, tif, "a", "p", 0))
    return channel.asked[0]


def same(value: Any) -> Any:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return str(value)


def test_orders_are_those_that_ccxt_recorded() -> None:
    if not FILE.is_file():
        pytest.skip(f"no requests of ccxt in {FILE}")
    told, compared = json.loads(FILE.read_text()), 0
    skipped = {*told["skipKeys"], *OURS}
    for case in told["methods"]["createOrder"]:
        market, kind, side, amount, *rest = case["input"]
        price, words = [*rest, None, {}][:2] if len(rest) != 1 else [rest[0], {}]
        words = words or {}
        if (
            not case["url"].endswith("/api/v3/order")
            or ":" in market
            or words not in PLAIN
            or "weird" in case["description"]
        ):
            continue
        wanted = {key: same(value) for key, value in parse_qsl(case["output"]) if key not in skipped}
        if "quoteOrderQty" in wanted:
            continue  # by money: the desk orders lots
        price = None if kind == "market" else price
        made = {key: same(value) for key, value in ours(market.replace("/", ""), side, price, amount, words).items()}
        assert {key: value for key, value in made.items() if key not in skipped} == wanted, case["description"]
        compared += 1
    assert compared
