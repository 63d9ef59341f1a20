"""Events of ccxt's streams as Binance messages: changes of books, public trades.

Changes of a book are numbered here. A trade of `watch_trades`, as ccxt unifies it, and its message::

    {"id": "3735683259", "symbol": "BTC/USDT", "timestamp": 1723161255342, "side": "sell", "price": 61837.63,
        "amount": 0.02}
    {"e": "trade", "s": "BTCUSDT", "E": 1723161255342, "T": 1723161255342, "t": 3735683259, "m": True,
        "p": "61837.63", "q": "0.02"}
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tercel.feeds.ccxt_messages import Message, number_of, plain


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
