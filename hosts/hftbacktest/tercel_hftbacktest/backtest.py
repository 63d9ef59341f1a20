"""Backtests by order: FIFO queues, constant latency, no fees, and resting orders of one's own for some time in them.

hftbacktest 2.4.4 offers its L3 queue model with the exchange that fills orders whole alone (`no_partial_fill_exchange`);
an order takes at the best price, whatever its size.
"""

from typing import Any, NamedTuple

import numpy as np
from hftbacktest import GTC, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
from numba import njit
from numpy.typing import NDArray

from tercel_hftbacktest.feed import Events

Longs = NDArray[np.int64]


class Filled(NamedTuple):
    """What became of orders: whether filled, when (ns, 0 where not), and at which price (ticks), each (n,)."""

    filled: NDArray[np.bool_]
    ns: Longs
    price: Longs


def open_backtest(events: Events, tick: float, latency_ns: int = 0, lot: float = 1.0) -> Any:
    """A backtest of one asset by order; order entry takes `latency_ns`, reports and feed none.

    It reads `events` where they are: keep them as long as the backtest is in use.
    """
    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(latency_ns, 0)
        .l3_fifo_queue_model()
        .no_partial_fill_exchange()
        .tick_size(tick)
        .lot_size(lot)
        .flat_per_trade_fee_model(0.0, 0.0)
        .last_trades_capacity(0)
    )
    return HashMapMarketDepthBacktest([asset])


@njit  # hftbacktest's backtests are classes of Numba
def _rest(
    backtest: Any, ns: Longs, side: Longs, price: Longs, size: float, hold_ns: int, latency_ns: int, tick: float,
    found: Longs,
) -> None:  # fmt: skip
    backtest.elapse(0)
    n, sent, cancelled, done = len(ns), 0, 0, 0
    while done < n:
        send_ns = ns[sent] if sent < n else FOREVER_NS
        cancel_ns = ns[cancelled] + hold_ns if cancelled < n else FOREVER_NS
        done_ns = ns[done] + hold_ns + latency_ns
        backtest.elapse(min(send_ns, cancel_ns, done_ns) - backtest.current_timestamp)
        if send_ns <= min(cancel_ns, done_ns):
            if side[sent] > 0:
                backtest.submit_buy_order(0, sent, price[sent] * tick, size, GTC, LIMIT, False)
            else:
                backtest.submit_sell_order(0, sent, price[sent] * tick, size, GTC, LIMIT, False)
            sent += 1
        elif cancel_ns <= done_ns:
            if backtest.orders(0).get(cancelled).cancellable:
                backtest.cancel(0, cancelled, False)
            cancelled += 1
        else:
            order = backtest.orders(0).get(done)
            found[done, 0], found[done, 1] = order.status, order.exch_timestamp
            found[done, 2] = order.exec_price_tick
            done += 1


FOREVER_NS = 1 << 62
FILLED = 3
"""Status of an order that was filled."""


def rest_orders(
    events: Events, tick: float, ns: Longs, side: Longs, price: Longs, size: float, hold_ns: int, latency_ns: int = 0
) -> Filled:  # fmt: skip
    """Send limit orders at their times, each cancelled `hold_ns` later, all in one backtest: its market does not see them.

    Parameters
    ----------
    events : structured array
        A day (`feed.read_day`).
    ns, side, price : int64 (n,)
        Times, ascending; +1 buys, -1 sells; ticks.
    size : float
    hold_ns, latency_ns : int
        A cancel is on its way for `latency_ns`, like the order.

    >>> from hftbacktest import ADD_ORDER_EVENT, BUY_EVENT, FILL_EVENT, SELL_EVENT
    >>> from tercel_hftbacktest.feed import event
    >>> day = np.concatenate([
    ...     event(ADD_ORDER_EVENT, BUY_EVENT, 10, 99.0, 5, 1), event(ADD_ORDER_EVENT, SELL_EVENT, 10, 101.0, 5, 2),
    ...     event(ADD_ORDER_EVENT, BUY_EVENT, 30, 99.0, 5, 3), event(FILL_EVENT, BUY_EVENT, 40, 99.0, 2, 3),
    ...     event(ADD_ORDER_EVENT, SELL_EVENT, 99, 102.0, 5, 4),
    ... ])
    >>> rest_orders(day, 1.0, np.array([20, 35]), np.array([1, 1]), np.array([99, 99]), 1.0, 30).ns.tolist()
    [40, 0]
    """
    backtest = open_backtest(events, tick, latency_ns)
    found = np.zeros((len(ns), 3), np.int64)
    _rest(backtest, ns, side, price, size, hold_ns, latency_ns, tick, found)
    backtest.close()
    filled = found[:, 0] == FILLED
    return Filled(filled, np.where(filled, found[:, 1], 0), np.where(filled, found[:, 2], 0))
