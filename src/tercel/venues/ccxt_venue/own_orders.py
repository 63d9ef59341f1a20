"""Own orders and trades of ccxt's streams as `executionReport` messages of Binance."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tercel.feeds.ccxt_messages import Unified, order_row, trade_row
from tercel.venues.binance_venue.spot_api import OrderKey

_ORDER_S: Final = 1.0
"""Longest wait of a trade for the name of its order, seconds."""
_MOST_WIRES: Final = 20_000


class OwnOrders:
    """Turns own orders and trades of ccxt into `executionReport` messages.

    A trade whose order has no name here yet waits for it a moment.

    Parameters
    ----------
    unified : mapping of str to str
        ccxt's names of symbols.

    >>> own = OwnOrders({"X": "X/Y"})
    >>> trade = {"id": "7", "order": "3", "symbol": "X/Y", "price": "1", "amount": "2", "timestamp": 1000}
    >>> own.reports([trade], [], 0, 0.0)
    []
    >>> own.note_name(3, "a")
    >>> [(report["i"], report["t"], report["c"]) for report in own.reports([], [], 0, 0.0)]
    [(3, 7, 'a')]
    """

    def __init__(self, unified: Mapping[str, str]) -> None:
        self._unified = unified
        self._wires: dict[int, str] = {}
        """Our name of an order by its number."""
        self._cancels: dict[Any, tuple[int, str]] = {}
        """Request and our name of the cancel that is on its way, by the order's number or name."""
        self._trades: list[tuple[float, Unified]] = []

    def note_cancel(self, request: int, order: OrderKey, wire: str) -> None:
        """Remember our name of a cancel that is sent, and the number of its request."""
        self._cancels[order.number or order.name] = request, wire

    def forget_cancel(self, request: int) -> None:
        """Forget a cancel that failed or is done."""
        self._cancels = {
            key: cancel for key, cancel in self._cancels.items() if cancel[0] != request
        }

    def note_name(self, number: int, wire: str) -> None:
        """Store the client name of an order's number, unless one is known or it is ""; the oldest beyond 20,000 is dropped."""
        if wire:
            self._wires.setdefault(number, wire)
            if len(self._wires) > _MOST_WIRES:
                del self._wires[next(iter(self._wires))]

    def reports(
        self, trades: Sequence[Unified], orders: Sequence[Unified], now_ms: int, now_s: float
    ) -> list[Unified]:
        """Execution reports of received trades, then of orders, since an order's end counts its trades; a trade waits for its
        order's name, up to a second."""
        if not (trades or orders or self._trades):
            return []  # as most polls: the map of an exchange's markets is not turned round
        names = {symbol: name for name, symbol in self._unified.items()}
        reports = list[Unified]()
        waiting = self._trades
        rows = [
            order_row(order, names[order["symbol"]], "", now_ms)
            for order in orders
            if order["symbol"] in names
        ]
        for row in rows:
            self.note_name(row["orderId"], row["clientOrderId"])
        self._trades = []
        for until, trade in waiting + [
            (now_s + _ORDER_S, trade) for trade in trades if trade["symbol"] in names
        ]:
            row = trade_row(trade, now_ms)
            wire = self._wires.get(row["orderId"])
            if wire is None and now_s < until:
                self._trades.append((until, trade))
                continue
            fields = {
                "x": "TRADE",
                "X": "",
                "c": wire or "",
                "C": "",
                "z": "0",
                "t": row["id"],
                "L": row["price"],
                "l": row["qty"],
                "n": row["commission"],
                "N": row["commissionAsset"],
                "m": row["isMaker"],
            }
            reports.append(_report(names[trade["symbol"]], row["orderId"], row["time"], fields))
        for row in rows:
            wire = row["clientOrderId"]
            cancel = (0, "")
            number = row["orderId"]
            if row["status"] == "CANCELED":
                cancel = self._cancels.pop(number, self._cancels.pop(wire, cancel))
            fields = {
                "x": row["status"],
                "X": row["status"],
                "c": cancel[1] or wire,
                "C": wire,
                "z": row["executedQty"],
            }
            reports.append(_report(row["symbol"], number, row["updateTime"], fields))
        return reports


def _report(symbol: str, number: int, ms: int, fields: Unified) -> Unified:
    """An `executionReport` message with common fields."""
    return {
        "e": "executionReport",
        "E": ms,
        "T": ms,
        "s": symbol,
        "i": number,
        "r": "NONE",
        **fields,
    }
