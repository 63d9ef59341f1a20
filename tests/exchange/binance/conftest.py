"""Exchanges in Binance's words, small and fast, and servers of them."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.binance.accounts import ApiKey
from exchange.binance.engine import BinanceExchange, OrderRequest, TradingAccount
from exchange.binance.limits import RateLimits
from exchange.binance.opened import endow, lots_of_presets, open_exchange
from exchange.binance.serve import BinanceServer, serve_binance
from exchange.binance.symbols import PREVENTION
from exchange.binance.words import BinanceOrderType, BinanceSide, SelfTradePrevention, TimeInForce
from tercel.core.pace import Pace
from tercel.core.system import MonotonicClock
from tercel.market.flow import load
from tercel.venues.exchange.named_markets import preset_markets

collect_ignore = ["foreign_nautilus.py"]
"""Run by a Python of its own, which has nautilus_trader."""

KEY, SECRET, ACCOUNT = "k" * 64, "s" * 64, "TRADER"
SECOND = 10**9


def write_cheap_market() -> str:
    """File of a market of shares of some 15 USD each, bought one by one: orders may be worth less than the venue takes."""
    path = Path(
        tempfile.gettempdir(), f"tercel-{os.getuid()}", "cheap.json"
    )  # workers collect one name
    path.parent.mkdir(exist_ok=True)
    facts = {
        "name": "cheap",
        "symbol": "CSCO",
        "venue": "NASDAQ",
        "lot": 1,
        "start_mid_ticks": 1512,
    }
    load("sh600961").model_copy(update=facts).save(path)
    return str(path)


MARKET = write_cheap_market()
FREE = RateLimits(weight=10**9, orders=10**9, orders_a_day=10**9, requests=10**9, messages=10**5)


@dataclass
class Bench:
    """An engine with one account that trades one symbol."""

    engine: BinanceExchange
    account: TradingAccount
    symbol: str

    @property
    def market(self) -> Any:
        return self.engine.markets[self.symbol]

    def ask(
        self, side: str = "BUY", kind: str = "LIMIT", lots: int = 10, ticks: int = 0, tif: str = "GTC", spent: int = 0,
        name: str = "", prevention: str = PREVENTION,
    ) -> OrderRequest:  # fmt: skip
        rules = self.engine.rules[self.symbol]
        return OrderRequest(
            rules,
            BinanceSide(side),
            BinanceOrderType(kind),
            TimeInForce(tif),
            lots,
            ticks,
            spent,
            name,
            {},
            SelfTradePrevention(prevention),
        )

    def place(self, **words: Any) -> Any:
        return self.engine.place(self.account, self.ask(**words))

    def go_on(self, seconds: float) -> None:
        self.engine.advance(self.engine.now_ns + round(seconds * SECOND))


def bench_of(name: str = MARKET, seed: int = 1, wall_ns: int = 1_700_000_000 * SECOND) -> Bench:
    engine = open_exchange(
        preset_markets([name], seed), lots_of_presets([name]), wall_ns=wall_ns, fee=100_000
    )
    endow(engine, ACCOUNT, ())
    return Bench(engine, engine.account(ACCOUNT), next(iter(engine.rules)))


@pytest.fixture
def bench() -> Bench:
    return bench_of()


def started(
    name: str = MARKET,
    speed: float = 1.0,
    limits: RateLimits = FREE,
    keys: list[ApiKey] | None = None,
    **words: Any,
) -> BinanceServer:
    engine = bench_of(name, wall_ns=time.time_ns()).engine
    pace = Pace(MonotonicClock(), speed)
    pace.begin(engine.now_ns)
    known = keys or [ApiKey(KEY, ACCOUNT, SECRET)]
    return serve_binance(engine, known, pace=pace, limits=limits, **words).start()


@pytest.fixture
def served() -> Iterator[Callable[..., BinanceServer]]:
    """Makes servers, which end with the test."""
    with ExitStack() as running:
        yield lambda *told, **words: running.enter_context(started(*told, **words))
