"""Bitstamp's live order events, trades and order-by-order snapshots as dataclasses.

Channels ``live_orders_PAIR`` (order_created, order_changed, order_deleted), ``live_trades_PAIR`` (trade), and the REST
answer ``order_book/PAIR?group=2``, wrapped by the recorder as event ``snapshot`` of channel ``order_book_PAIR``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.captures import ONE, CaptureLine, ScaledCapture

CREATED: Final = "order_created"
CHANGED: Final = "order_changed"
DELETED: Final = "order_deleted"
EXTREME: Final = 10**8 * ONE
"""Prices at or above this, and those of zero, are none: market orders show them."""


@dataclass(frozen=True, kw_only=True)
class _OrderFact:
    """Of an order: `price` and `amount` in 1e-10."""

    number: int
    side: int
    price: int
    """0 for a market order."""
    amount: int
    exch_ns: int
    recv_ns: int


@dataclass(frozen=True, kw_only=True)
class OrderEvent(_OrderFact):
    """A created, changed or deleted order; `amount` is what is left of it."""

    what: str


@dataclass(frozen=True, kw_only=True)
class OrderTrade(_OrderFact):
    """A trade between a resting order, the older one, whose side it has, and its aggressor, the newer one."""

    resting: int
    aggressor: int


@dataclass(frozen=True)
class OrderBookAnswer:
    """The whole book, order by order: (side, price, amount, id), best first."""

    exch_ns: int
    recv_ns: int
    orders: tuple[tuple[int, int, int, int], ...]


@dataclass
class Pair:
    """All messages of one pair, each kind in order of receipt."""

    symbol: str
    orders: list[OrderEvent] = field(default_factory=list)
    trades: list[OrderTrade] = field(default_factory=list)
    snapshots: list[OrderBookAnswer] = field(default_factory=list)
    against_type: int = 0
    """Trades whose `type` names another aggressor than the ids do; the ids are believed."""


def pairs_of(lines: Iterable[CaptureLine]) -> dict[str, Pair]:
    """Sort messages by pair.

    Raises
    ------
    FeedError
        When a message lacks a field.
    """
    found: dict[str, Pair] = {}
    scaled = ScaledCapture()
    for line in lines:
        message = line.message
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            continue
        name = str(message.get("channel", "")).rsplit("_", 1)[-1].upper()
        event, data = message.get("event", ""), message["data"]
        try:
            if event in (CREATED, CHANGED, DELETED):
                found.setdefault(name, Pair(name)).orders.append(_order(event, data, line, scaled))
            elif event == "trade":
                _trade(found.setdefault(name, Pair(name)), data, line, scaled)
            elif event == "snapshot":
                found.setdefault(name, Pair(name)).snapshots.append(_snapshot(data, line, scaled))
        except (KeyError, TypeError, ValueError) as error:
            raise FeedError(
                "a Bitstamp message with all its fields",
                f"{type(error).__name__} {error} in {line.where}",
                "record again, or report it",
            ) from error
    return found


def _number(data: dict[str, Any], name: str, line: CaptureLine, scaled: ScaledCapture) -> int:
    """A field as its exact string where there is one (JSON numbers are floats)."""
    text = data.get(f"{name}_str")
    return scaled(data[name] if text is None else text, line.where)


def _order(
    event: str, data: dict[str, Any], line: CaptureLine, scaled: ScaledCapture
) -> OrderEvent:
    price = _number(data, "price", line, scaled)
    return OrderEvent(
        what=event,
        number=int(data["id"]),
        side=1 if int(data["order_type"]) == 0 else -1,
        price=price if price < EXTREME else 0,
        amount=_number(data, "amount", line, scaled),
        exch_ns=int(data["microtimestamp"]) * 1000,
        recv_ns=line.recv_ns,
    )


def _trade(pair: Pair, data: dict[str, Any], line: CaptureLine, scaled: ScaledCapture) -> None:
    buyer, seller = int(data["buy_order_id"]), int(data["sell_order_id"])
    bought = buyer > seller
    pair.against_type += "type" in data and bought != (int(data["type"]) == 0)
    trade = OrderTrade(
        number=int(data["id"]),
        resting=min(buyer, seller),
        aggressor=max(buyer, seller),
        side=-1 if bought else 1,
        price=_number(data, "price", line, scaled),
        amount=_number(data, "amount", line, scaled),
        exch_ns=int(data["microtimestamp"]) * 1000,
        recv_ns=line.recv_ns,
    )
    pair.trades.append(trade)


def _snapshot(data: dict[str, Any], line: CaptureLine, scaled: ScaledCapture) -> OrderBookAnswer:
    orders = [
        (side, scaled(price, line.where), scaled(amount, line.where), int(number))
        for side, name in ((1, "bids"), (-1, "asks"))
        for price, amount, number in data[name]
    ]
    return OrderBookAnswer(int(data["microtimestamp"]) * 1000, line.recv_ns, tuple(orders))
