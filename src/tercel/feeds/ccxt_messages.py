"""Books and trades of ccxt as messages of Binance's streams: what changed, counted by ourselves."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

_LEAST_ID = 9


def number_of(name: Any) -> int:
    """An exchange's name of an order or a trade as a number; one of digits is itself.

    >>> number_of("1234"), number_of("OABC-7") > 10**20
    (1234, True)
    """
    said = str(name)
    if said.isascii() and said.isdigit() and said[0] != "0" and len(said) <= 20:
        return int(said)
    return int.from_bytes(b"\1" + said.encode().rjust(_LEAST_ID, b"\0"), "big")


def plain(value: Any) -> str:
    """A number of ccxt as it was written, without an exponent.

    >>> plain(1e-05), plain("0.10"), plain(None)
    ('0.00001', '0.10', '0')
    """
    return value if isinstance(value, str) else "0" if value is None else format(Decimal(repr(value)), "f")


class ShownBooks:
    """Books that ccxt keeps whole: as a snapshot once, then as what changed.

    >>> books = ShownBooks()
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
        """Show a book whole the next time."""
        self._books.pop(name, None)

    def messages(self, name: str, book: Mapping[str, Any], now_ms: int) -> Iterator[dict[str, Any]]:
        """What changed in a book since it was last shown, or all of it."""
        now = tuple({row[0]: row[1] for row in book[side]} for side in ("bids", "asks"))
        was, self._books[name] = self._books.get(name), now
        about = {"s": name, "E": int(book.get("timestamp") or now_ms)}
        if was is None:
            self._count += 1
            bids, asks = ([[plain(price), plain(size)] for price, size in side.items()] for side in now)
            yield about | {"lastUpdateId": self._count, "bids": bids, "asks": asks}
        self._count += 1
        changes = list[list[list[str]]]()
        for before, after in zip(was or now, now, strict=True):
            gone = [[plain(price), "0"] for price in before.keys() - after.keys()]
            changes.append(gone + [[plain(p), plain(n)] for p, n in after.items() if before.get(p) != n])
        yield about | {"e": "depthUpdate", "U": self._count, "u": self._count, "b": changes[0], "a": changes[1]}


def prints(name: str, rows: Sequence[Mapping[str, Any]], now_ms: int) -> Iterator[dict[str, Any]]:
    """Trades of everybody; without a number one cannot be told from an own one, and is passed over.

    >>> row = {"id": "7", "timestamp": 1000, "side": "sell", "price": "9.5", "amount": "2"}
    >>> next(prints("X", [row, row | {"id": "a-b"}], 0))
    {'e': 'trade', 's': 'X', 'E': 1000, 'T': 1000, 't': 7, 'm': True, 'p': '9.5', 'q': '2'}
    """
    for one in rows:
        if str(one.get("id") or "").isdigit():
            ms, sold = int(one["timestamp"] or now_ms), one["side"] == "sell"
            told = {"e": "trade", "s": name, "E": ms, "T": ms, "t": number_of(one["id"]), "m": sold}
            yield told | {"p": plain(one["price"]), "q": plain(one["amount"])}
