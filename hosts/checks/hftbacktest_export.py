"""Read an exported day by hftbacktest itself and compare best bid and ask at 1,000 moments with Tercel's book.

    python hosts/checks/hftbacktest_export.py LAKE SYMBOL DATE FILE.npz

Prints counts and hashes of both; exit code 1 where they differ while the book is not crossed (hftbacktest
shows no crossed book).
"""

# ruff: noqa: T201

import sys

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data.validation import validate_event_order
from numba import njit
from quotes import compare_quotes, quotes_of


@njit
def replay(backtest, times, quotes):
    """Fill `quotes` with best bid and ask ticks at some times; the number of trades that were seen."""
    trades = 0
    backtest.elapse(0)  # to the first record
    for i in range(len(times)):
        if times[i] > backtest.current_timestamp:
            if backtest.elapse(times[i] - backtest.current_timestamp) > 1:
                return -1 - i
        depth = backtest.depth(0)
        quotes[i, 0] = depth.best_bid_tick
        quotes[i, 1] = depth.best_ask_tick
        trades += len(backtest.last_trades(0))
        backtest.clear_last_trades(0)
    return trades


def main(lake, symbol, date, path):
    """Print what hftbacktest makes of the file."""
    instrument, events, times, ours = quotes_of(lake, symbol, date)
    data = np.load(path)["data"]
    validate_event_order(data)
    has_queues = bool(np.isin(data["ev"] & 0xFF, (10, 11, 12, 13)).any())
    asset = (
        BacktestAsset()
        .data([path])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(instrument.tick)
        .lot_size(float(instrument.lot_units))
        .last_trades_capacity(len(data))
    )
    asset = asset.l3_fifo_queue_model() if has_queues else asset.risk_adverse_queue_model()
    backtest = HashMapMarketDepthBacktest([asset])
    theirs = np.zeros((len(times), 2), np.int64)
    trades = replay(backtest, times, theirs)
    missing = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    theirs[(theirs == missing[0]) | (theirs == missing[1])] = 0
    print(
        f"{symbol} {date}: {events.n} rows, {len(data)} records, queues: {has_queues}, trades seen {trades}"
    )
    return int(compare_quotes(ours, theirs) > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
