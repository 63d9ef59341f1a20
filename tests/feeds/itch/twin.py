"""A second importer of ITCH 5.0 in plain Python: what the compiled one is held against."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from benchmarks.itch_plain import FORMS, Message, messages
from tercel.market.tape import schema


class Row(NamedTuple):
    """A tape row with its price in dollars x 10,000 (a trading status: the status)."""

    ns: int
    kind: int
    order_id: int
    side: int
    price: int
    lots: int
    last: bool


class Twin:
    """Rows by stock, and counts of what should not be, by the rules of the importer written down again."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.odd: Counter[str] = Counter()
        self.orders: dict[int, list[Any]] = {}
        self.stocks: dict[int, str] = {}
        self.now = 0

    def feed(self, data: bytes) -> Twin:
        """Take all messages of a file's bytes."""
        for message in messages(data):
            self._take(message)
        return self

    def _put(self, locate: int, *rows: tuple[int, int, int, int, int]) -> None:
        tape = self.rows.setdefault(self.stocks.get(locate, ""), [])
        tape += [Row(self.now, *row, last=i == len(rows) - 1) for i, row in enumerate(rows)]

    def _take(self, m: Message) -> None:
        if m.type not in FORMS:
            self.odd["unknown_types"] += 1
        if m.ns < self.now:
            self.odd["clock_back"] += 1
        self.now = max(self.now, m.ns)
        stock_at = {"A": 3, "F": 3, "P": 3, "Q": 1, "R": 0, "H": 0, "h": 0}.get(m.type)
        if stock_at is not None:
            self.stocks[m.locate] = m.fields[stock_at].decode().rstrip()
        handler = getattr(self, f"_on_{m.type}", None)
        if handler is not None:
            handler(m, *m.fields)

    def _new(self, locate: int, ref: int, side: int, shares: int, price: int) -> bool:
        if shares == 0 or shares >= 2**30:
            self.odd["no_shares" if shares == 0 else "cut_shares"] += 1
            return False
        self.odd["duplicate_refs"] += ref in self.orders
        self.odd["no_price"] += price == 0
        self.orders[ref] = [locate, side, shares, price]
        return price > 0

    def _on_A(
        self, m: Message, ref: int, side: bytes, shares: int, _: bytes, price: int, *__: Any
    ) -> None:
        sign = {b"B": 1, b"S": -1}.get(side)
        if sign is None:
            self.odd["odd_fields"] += 1
        elif self._new(m.locate, ref, sign, shares, price):
            self._put(m.locate, (schema.ADD, _signed(ref), sign, price, shares))

    _on_F = _on_A  # noqa: N815

    def _known(self, m: Message, ref: int) -> list[Any] | None:
        order = self.orders.get(ref)
        if order is None or order[0] != m.locate:
            self.odd["unknown_refs"] += 1
            return None
        return order

    def _less(self, m: Message, ref: int, shares: int) -> tuple[int, int, int] | None:
        """Side, price and shares taken; None where there is nothing to say."""
        order = self._known(m, ref)
        if order is None:
            return None
        if shares == 0:
            self.odd["no_shares"] += 1
            return None
        self.odd["beyond_left"] += shares > order[2]
        taken = min(shares, order[2])
        order[2] -= taken
        if order[2] == 0:
            del self.orders[ref]
        return (order[1], order[3], taken) if order[3] else None

    def _on_E(self, m: Message, ref: int, shares: int, *_: Any) -> None:
        less = self._less(m, ref, shares)
        if less:
            self._put(m.locate, (schema.EXECUTE, _signed(ref), *less))

    def _on_X(self, m: Message, ref: int, shares: int) -> None:
        less = self._less(m, ref, shares)
        if less:
            self._put(m.locate, (schema.REDUCE, _signed(ref), *less))

    def _on_C(self, m: Message, ref: int, shares: int, _: int, printed: bytes, paid: int) -> None:
        less = self._less(m, ref, shares)
        if less is None:
            return
        side, price, taken = less
        if printed == b"Y" and paid in (price, 0):
            self._put(m.locate, (schema.EXECUTE, _signed(ref), *less))
            return
        rows = [(schema.REDUCE, _signed(ref), *less)]
        if printed == b"Y":
            rows.append((schema.TRADE_HIDDEN, 0, side, paid, taken))
        self._put(m.locate, *rows)

    def _gone(self, m: Message, ref: int) -> list[Any] | None:
        order = self._known(m, ref)
        if order is not None:
            del self.orders[ref]
        return order

    def _on_D(self, m: Message, ref: int) -> None:
        order = self._gone(m, ref)
        if order and order[3]:
            self._put(m.locate, (schema.DELETE, _signed(ref), order[1], order[3], order[2]))

    def _on_U(self, m: Message, ref: int, new: int, shares: int, price: int) -> None:
        order = self._gone(m, ref)
        if order is None:
            return
        rows = []
        if order[3]:
            rows.append((schema.DELETE, _signed(ref), order[1], order[3], order[2]))
        if self._new(m.locate, new, order[1], shares, price):
            rows.append((schema.ADD, _signed(new), order[1], price, shares))
        self._put(m.locate, *rows)

    def _on_P(
        self, m: Message, _: int, side: bytes, shares: int, __: bytes, price: int, ___: int
    ) -> None:
        if price == 0 or shares == 0 or shares >= 2**30:
            self.odd[
                "no_price" if price == 0 else "no_shares" if shares == 0 else "cut_shares"
            ] += 1
            return
        self._put(m.locate, (schema.TRADE_HIDDEN, 0, 1 if side == b"B" else -1, price, shares))

    def _on_Q(self, m: Message, shares: int, _: bytes, price: int, __: int, kind: bytes) -> None:
        if shares >= 2**30:
            self.odd["cut_shares"] += 1
            shares = 2**30 - 1
        self._put(
            m.locate, (schema.CROSS, {b"O": -1, b"C": -2, b"H": -3}.get(kind, -4), 0, price, shares)
        )

    def _on_H(self, m: Message, _: bytes, state: bytes, *__: Any) -> None:
        self.odd["odd_fields"] += state not in (b"T", b"Q", b"H", b"P")
        self._put(m.locate, (schema.STATUS, 0, 0, {b"T": 1, b"Q": 0}.get(state, -1), 0))

    def _on_h(self, m: Message, _: bytes, market: bytes, action: bytes) -> None:
        if market == b"Q":
            self._put(m.locate, (schema.STATUS, 0, 0, 1 if action == b"T" else -1, 0))


def _signed(ref: int) -> int:
    return ref - 2**64 if ref >= 2**63 else ref
