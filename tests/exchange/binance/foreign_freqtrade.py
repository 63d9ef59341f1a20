"""A strategy of freqtrade's that trades often, and its configuration for a server in Binance's words.

It buys at the market whenever it holds nothing, and sells ten seconds after, by a limit order at the bid. What does not
trade within fifteen seconds is cancelled and sold at the market.
`python foreign_freqtrade.py URL KEY SECRET PAIR` prints the configuration.
"""

import json
import sys

try:
    from freqtrade.strategy import IStrategy
except ImportError:
    IStrategy = object


class Restless(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 0
    process_only_new_candles = False
    minimal_roi = {"0": 100.0}  # noqa: RUF012
    stoploss = -0.5
    HOLD_S = 10

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        held = (current_time - trade.date_last_filled_utc).total_seconds()
        return "held long enough" if held > self.HOLD_S else None


def configuration(url, key, secret, pair):
    """What a user writes: base URLs, key, pair, money."""
    spot = f"{url}/api/v3"
    stream = url.replace("http", "ws")
    return {
        "max_open_trades": 1,
        "stake_currency": "BTC",
        "stake_amount": 100,
        "tradable_balance_ratio": 0.99,
        "dry_run": False,
        "timeframe": "1m",
        "cancel_open_orders_on_exit": True,
        "unfilledtimeout": {"entry": 15, "exit": 15, "exit_timeout_count": 1, "unit": "seconds"},
        "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "order_types": {
            "entry": "market", "exit": "limit", "emergency_exit": "market", "stoploss": "market",
            "stoploss_on_exchange": False,
        },
        "exchange": {
            "name": "binance",
            "key": key,
            "secret": secret,
            "ccxt_config": {
                "options": {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
                "urls": {
                    "api": {
                        "public": spot, "private": spot, "v1": spot, "sapi": f"{url}/sapi/v1",
                        "ws": {"spot": f"{stream}/ws", "ws-api": {"spot": f"{stream}/ws-api/v3"}},
                    }
                },
            },
            "pair_whitelist": [pair],
            "pair_blacklist": [],
        },
        "pairlists": [{"method": "StaticPairList"}],
        "bot_name": "restless",
        "initial_state": "running",
        "internals": {"process_throttle_secs": 2},
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(configuration(*sys.argv[1:]), indent=1) + "\n")
