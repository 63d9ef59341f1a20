"""Binance Spot through NautilusTrader's adapter: settle the orders of a parent whose process died, before a node runs again."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance.common.enums import BinanceOrderStatus
from nautilus_trader.adapters.binance.common.schemas.account import BinanceOrder, BinanceUserTrade
from nautilus_trader.adapters.binance.http.client import BinanceHttpClient
from nautilus_trader.adapters.binance.http.error import BinanceClientError
from nautilus_trader.adapters.binance.spot.http.account import BinanceSpotAccountHttpAPI
from nautilus_trader.common.component import LiveClock

import tercel as tc
from tercel_nautilus.kept import KeptParent

NO_SUCH_ORDER, CANCEL_REJECTED = -2013, -2011
OPEN = {
    BinanceOrderStatus.NEW,
    BinanceOrderStatus.PARTIALLY_FILLED,
    BinanceOrderStatus.PENDING_CANCEL,
}
ENDED = {
    BinanceOrderStatus.CANCELED: "cancelled",
    BinanceOrderStatus.EXPIRED: "expired",
    BinanceOrderStatus.EXPIRED_IN_MATCH: "expired",
    BinanceOrderStatus.REJECTED: "rejected",
}
POLL_S = 0.05


async def recover(
    path: Path,
    symbol: str,
    key: str,
    secret: str,
    url: str | None = None,
    recv_window_ms: int = 5_000,
) -> KeptParent:
    """Bring a kept parent up to date with the venue, and write its file.

    Each order that may be at the venue is asked for by its client order id, cancelled if it is open, and its trades are
    told to the executor: each trade once, by its id. Nautilus' own reconciliation is not used for it: without a
    database it knows none of these orders, and it takes a cancelled order's fills from a list that it leaves empty when
    it asks for one order.

    An order that the venue does not know never left, or its request is still on the way. The venue refuses a request
    that is older than the receive window, so an order still unknown that much later is none.

    Parameters
    ----------
    path : Path
        File of the parent. The process that wrote it must have ended.
    symbol : str
        Such as "BTCUSDT".
    key, secret : str
        Of the API.
    url : str, optional
        Base URL, Binance's by default.
    recv_window_ms : int
        That of the node's execution client.

    Raises
    ------
    ConfigError
        `path` is no file of a kept parent.
    BinanceError
        The venue answers with another error; the file is as it was, and the call may be repeated.
    """
    clock = LiveClock()
    client = BinanceHttpClient(clock, key, secret, url or "https://api.binance.com")
    account = BinanceSpotAccountHttpAPI(client, clock, BinanceAccountType.SPOT)
    kept = KeptParent.read(path)
    believed_ns = clock.timestamp_ns() + recv_window_ms * 1_000_000
    _forget_unsent(kept, clock)
    for name in list(kept.open):
        order = await _settled(account, symbol, name, clock, believed_ns)
        ns = clock.timestamp_ns()
        if order is None:
            kept.tell(name, "rejected", ns, text="the venue does not know it")
        else:
            for trade in await _trades(account, symbol, order):
                kept.execution(
                    name, str(trade.id), ns, Decimal(trade.price), Decimal(trade.qty), trade.isMaker
                )
            if order.status in ENDED:
                kept.tell(name, ENDED[order.status], ns)
        kept.ended([name])
    _forget_unsent(kept, clock)
    kept.write()
    return kept


def _forget_unsent(kept: KeptParent, clock: LiveClock) -> None:
    """Say that updates were missed, and take back what the executor asks for then: cancels are made here, and no order left."""
    ns = kept.gap(clock.timestamp_ns())
    for command in kept.executor.commands(ns):
        if isinstance(command, tc.Place):
            kept.executor.on_order(command.name, "rejected", ns, text="never sent")


async def _settled(
    account: BinanceSpotAccountHttpAPI, symbol: str, name: str, clock: LiveClock, believed_ns: int
) -> BinanceOrder | None:
    """The order of a client order id once it is closed, by a cancel if need be; None if there is none."""
    while True:
        try:
            order = await account.query_order(symbol, orig_client_order_id=name)
            if order.status not in OPEN:
                return order
            await account.cancel_order(symbol, orig_client_order_id=name)
        except BinanceClientError as error:
            code = error.message.get("code") if isinstance(error.message, dict) else None
            if code == NO_SUCH_ORDER and clock.timestamp_ns() > believed_ns:
                return None
            if code not in (NO_SUCH_ORDER, CANCEL_REJECTED):
                raise
            await asyncio.sleep(POLL_S)


async def _trades(
    account: BinanceSpotAccountHttpAPI, symbol: str, order: BinanceOrder
) -> list[BinanceUserTrade]:
    """All trades of a closed order, asked for until they sum to what it has executed."""
    while True:
        trades = (
            await account.query_user_trades(symbol, order_id=order.orderId)
            if Decimal(order.executedQty or 0)
            else []
        )
        if sum((Decimal(trade.qty) for trade in trades), Decimal(0)) == Decimal(
            order.executedQty or 0
        ):
            return trades
        await asyncio.sleep(POLL_S)
