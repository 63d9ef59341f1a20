"""Events of ccxt's streams as Binance messages: own orders and trades, changes of books, public trades.

Changes of a book are numbered here. A trade of `watch_trades`, as ccxt unifies it, and its message::

    {"id": "3735683259", "symbol": "BTC/USDT", "timestamp": 1723161255342, "side": "sell", "price": 61837.63,
        "amount": 0.02}
    {"e": "trade", "s": "BTCUSDT", "E": 1723161255342, "T": 1723161255342, "t": 3735683259, "m": True,
        "p": "61837.63", "q": "0.02"}
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.feeds.ccxt_messages import Message, Unified, number_of, order_row, plain, trade_row

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
    >>> own.note_answer({"id": 1, "status": 200, "result": {"orderId": 3, "clientOrderId": "a", "status": "NEW"}})
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

    def note_request(self, number: int, method: str, params: Unified) -> None:
        """Remember the client name of a cancel that is sent; other requests are ignored."""
        if method == "order.cancel" and "newClientOrderId" in params:
            key = params.get("orderId") or params["origClientOrderId"]
            self._cancels[key] = number, params["newClientOrderId"]

    def note_answer(self, message: Unified) -> None:
        """Remember from an answer the client name of an order; forget cancels that failed or are done."""
        row = message.get("result")
        row = row if isinstance(row, dict) else {}
        if "orderId" in row:
            self._note_name(row["orderId"], str(row.get("clientOrderId") or ""))
        if message["status"] == 400 or row.get("status") == "CANCELED":
            self._cancels = {
                key: cancel for key, cancel in self._cancels.items() if cancel[0] != message["id"]
            }

    def _note_name(self, number: int, wire: str) -> None:
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
        names = {symbol: name for name, symbol in self._unified.items()}
        reports = list[Unified]()
        waiting = self._trades
        rows = [
            order_row(order, {"symbol": names[order["symbol"]]}, now_ms)
            for order in orders
            if order["symbol"] in names
        ]
        for row in rows:
            self._note_name(row["orderId"], row["clientOrderId"])
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
            }
            fields |= {
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


class BookChanges:
    """Turns whole books of ccxt into numbered messages: a snapshot once, then the changes.

    >>> books = BookChanges()
    >>> book = {"bids": [[9.5, 2.0]], "asks": [], "timestamp": 1000}
    >>> [message.get("lastUpdateId", message.get("u")) for message in books.messages("X", book, 0)]
    [1, 2]
    >>> book["bids"] = []
    >>> next(books.messages("X", book, 0))["b"]
    [['9.5', '0']]
    """

    def __init__(self) -> None:
        self._books: dict[str, tuple[dict[Any, Any], ...]] = {}
        self._count = 0

    def lose(self, name: str) -> None:
        """Forget a symbol's book, so that its next message is a snapshot."""
        self._books.pop(name, None)

    def messages(self, name: str, book: Mapping[str, Any], now_ms: int) -> Iterator[Message]:
        """Messages of a whole book of ccxt: first a snapshot, and always an update with the changes since the last call."""
        levels = tuple({row[0]: row[1] for row in book[side]} for side in ("bids", "asks"))
        previous = self._books.get(name)
        self._books[name] = levels
        head = {"s": name, "E": int(book.get("timestamp") or now_ms)}
        if previous is None:
            self._count += 1
            bids, asks = (
                [[plain(price), plain(size)] for price, size in side.items()] for side in levels
            )
            yield head | {"lastUpdateId": self._count, "bids": bids, "asks": asks}
        self._count += 1
        changes = list[list[list[str]]]()
        for before, after in zip(previous or levels, levels, strict=True):
            gone = [[plain(price), "0"] for price in before.keys() - after.keys()]
            changes.append(
                gone + [[plain(p), plain(n)] for p, n in after.items() if before.get(p) != n]
            )
        yield head | {
            "e": "depthUpdate",
            "U": self._count,
            "u": self._count,
            "b": changes[0],
            "a": changes[1],
        }


def public_trades(name: str, rows: Sequence[Mapping[str, Any]], now_ms: int) -> Iterator[Message]:
    """Public trades of a symbol of ccxt as `trade` messages in Binance's fields; trades without a numeric id are skipped.

    >>> row = {"id": "7", "timestamp": 1000, "side": "sell", "price": "9.5", "amount": "2"}
    >>> next(public_trades("X", [row, row | {"id": "a-b"}], 0))
    {'e': 'trade', 's': 'X', 'E': 1000, 'T': 1000, 't': 7, 'm': True, 'p': '9.5', 'q': '2'}
    """
    for trade in rows:
        if str(trade.get("id") or "").isdigit():
            ms = int(trade["timestamp"] or now_ms)
            sold = trade["side"] == "sell"
            fields = {
                "e": "trade",
                "s": name,
                "E": ms,
                "T": ms,
                "t": number_of(trade["id"]),
                "m": sold,
            }
            yield fields | {"p": plain(trade["price"]), "q": plain(trade["amount"])}
