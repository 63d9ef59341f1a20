"""nautilus_trader as it comes, at a server in Binance's words; prints JSON.

`python foreign_nautilus.py backtest URL SYMBOL [BAR_S]` runs one of its own strategies over the trades of a market;
`python foreign_nautilus.py trade URL KEY SECRET SYMBOL SECONDS SIZE [BAR_S]` trades it and a market maker of its own.
"""

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from decimal import Decimal

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.examples.strategies.volatility_market_maker import (
    VolatilityMarketMaker,
    VolatilityMarketMakerConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import BTC, ETH
from nautilus_trader.model.data import BarType, TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType
from nautilus_trader.model.identifiers import InstrumentId, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity


def crossing(symbol, size, bar_s):
    """Its strategy of two moving averages, on bars that it makes of trades."""
    name = InstrumentId.from_str(f"{symbol}.BINANCE")
    bars = BarType.from_str(f"{symbol}.BINANCE-{bar_s}-SECOND-LAST-INTERNAL")
    return EMACross(
        EMACrossConfig(
            instrument_id=name, bar_type=bars, trade_size=Decimal(size), fast_ema_period=3, slow_ema_period=8,
            subscribe_trade_ticks=False, request_bars=False, reduce_only_on_stop=False, order_id_tag="001",
        )
    )  # fmt: skip


def quoting(symbol, size):
    """Its market maker, on the exchange's bars of a minute."""
    return VolatilityMarketMaker(
        VolatilityMarketMakerConfig(
            instrument_id=InstrumentId.from_str(f"{symbol}.BINANCE"),
            bar_type=BarType.from_str(f"{symbol}.BINANCE-1-MINUTE-LAST-EXTERNAL"),
            atr_period=1, atr_multiple=0.05, trade_size=Decimal(size), reduce_only_on_stop=False, order_id_tag="002",
        )
    )  # fmt: skip


def asked(url, path):
    with urllib.request.urlopen(f"{url}/api/v3/{path}") as answer:
        return json.load(answer)


def recorded(url, symbol):
    """All trades of a market, and its instrument."""
    rules = {
        one["filterType"]: one
        for one in asked(url, f"exchangeInfo?symbol={symbol}")["symbols"][0]["filters"]
    }
    tick, step = (
        rules["PRICE_FILTER"]["tickSize"].rstrip("0"),
        rules["LOT_SIZE"]["stepSize"].rstrip("0"),
    )
    name = InstrumentId.from_str(f"{symbol}.BINANCE")
    fee = Decimal("0.001")
    pair = CurrencyPair(
        name, name.symbol, ETH, BTC, len(tick.partition(".")[2]), len(step.partition(".")[2]), Price.from_str(tick),
        Quantity.from_str(step), 0, 0, maker_fee=fee, taker_fee=fee,
    )  # fmt: skip
    rows, last = (
        [],
        asked(url, f"aggTrades?symbol={symbol}&limit=1")[0]["a"],
    )  # the market goes on meanwhile
    while not rows or rows[-1]["a"] < last:
        rows += asked(
            url, f"aggTrades?symbol={symbol}&limit=1000&fromId={rows[-1]['a'] + 1 if rows else 0}"
        )
    return pair, [
        TradeTick(
            name, pair.make_price(Decimal(row["p"])), pair.make_qty(Decimal(row["q"])),
            AggressorSide.SELLER if row["m"] else AggressorSide.BUYER, TradeId(str(row["a"])), row["T"] * 10**6,
            row["T"] * 10**6,
        )
        for row in rows
    ]  # fmt: skip


def backtest(url, symbol, bar_s="15", size="0.0002"):
    pair, ticks = recorded(url, symbol)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    money = [Money(20, BTC), Money(700, ETH)]
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, money, base_currency=None)
    engine.add_instrument(pair)
    engine.add_data(ticks)
    engine.add_strategy(crossing(symbol, size, bar_s))
    engine.run()
    orders = engine.cache.orders()
    return {
        "trades": len(ticks), "minutes": (ticks[-1].ts_event - ticks[0].ts_event) / 6e10, "orders": len(orders),
        "filled": sum(one.filled_qty == one.quantity for one in orders),
        "positions": engine.cache.positions_total_count(), "open": engine.cache.positions_open_count(),
    }  # fmt: skip


def trade(url, key, secret, symbol, seconds, size, bar_s="15"):
    base = {
        "api_key": key,
        "api_secret": secret,
        "base_url_http": url,
        "base_url_ws": url.replace("http", "ws"),
    }
    names = InstrumentProviderConfig(
        load_ids=frozenset([InstrumentId.from_str(f"{symbol}.BINANCE")])
    )
    config = TradingNodeConfig(
        trader_id="TESTER-001",
        logging=LoggingConfig(log_level="WARNING", log_colors=False),
        exec_engine=LiveExecEngineConfig(  # asks what a cut swallowed; too often, it counts twice what is merely late
            open_check_interval_secs=min(120.0, float(seconds) / 4),
            open_check_open_only=False,
            inflight_check_threshold_ms=30_000,
        ),
        data_clients={BINANCE: BinanceDataClientConfig(instrument_provider=names, **base)},
        exec_clients={
            BINANCE: BinanceExecClientConfig(instrument_provider=names, max_retries=3, **base)
        },
        timeout_post_stop=40.0,
    )
    node = TradingNode(config=config)
    node.trader.add_strategies([crossing(symbol, size, bar_s), quoting(symbol, size)])
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    loop = node.get_event_loop()
    loop.call_later(float(seconds), lambda: asyncio.ensure_future(node.stop_async(), loop=loop))
    try:
        node.run()
        orders = node.cache.orders()
        account = node.cache.account_for_venue(Venue(BINANCE))
        return {
            "orders": {
                one.client_order_id.value: [
                    one.side_string(),
                    str(one.filled_qty),
                    one.status_string(),
                ]
                for one in orders
            },
            "fills": sum(
                event.__class__.__name__ == "OrderFilled" for one in orders for event in one.events
            ),
            "states": Counter(one.status_string() for one in orders),
            "positions": {
                one.id.value: str(one.signed_decimal_qty()) for one in node.cache.positions_open()
            },
            "balances": {
                str(one): str(money.as_decimal()) for one, money in account.balances_total().items()
            },
        }
    finally:
        node.dispose()


if __name__ == "__main__":
    found = {"backtest": backtest, "trade": trade}[sys.argv[1]](*sys.argv[2:])
    sys.stdout.write(f"\n{json.dumps(found)}\n")
