"""Messages of Bitstamp captures by pair: order events, trades, and snapshots of the book order by order.

Channels ``live_orders_PAIR`` (order_created, order_changed, order_deleted), ``live_trades_PAIR`` (trade), and the REST
answer ``order_book/PAIR?group=2``, wrapped by the recorder as event ``snapshot`` of channel ``order_book_PAIR``::

    1723161254087891268 {"event":"order_created","channel":"live_orders_btcusd","data":{"id":1780931434332160,
        "order_type":0,"price_str":"61837.63","amount_str":"0.50000000","microtimestamp":"1723161254087123"}}
    1723161254091133712 {"event":"trade","channel":"live_trades_btcusd","data":{"id":351020001,"price_str":"61837.63",
        "amount_str":"0.10000000","buy_order_id":1780931434332160,"sell_order_id":1780931434332200,"type":1,
        "microtimestamp":"1723161254090001"}}
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tercel.core.errors import FeedError
from tercel.feeds.captures import ONE, CaptureLine, Message, ScaledCapture

CREATED: Final = "order_created"
CHANGED: Final = "order_changed"
DELETED: Final = "order_deleted"
EXTREME: Final = 10**8 * ONE
"""Prices at or above this, and those of zero, are none: market orders show them."""


@dataclass(frozen=True, kw_only=True)
class _OrderFact:
    """Common fields of an order event and a trade; `price` and `amount` in 1e-10."""

    number: int
    side: int
    price: int
    """0 for a market order."""
    amount: int
    exch_ns: int
    recv_ns: int


@dataclass(frozen=True, kw_only=True)
class OrderEvent(_OrderFact):
    """A created, changed or deleted order; `amount` is its remaining amount."""

    action: str


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
    """Messages of a capture sorted into pairs, by name in capitals; other messages are ignored, damaged ones a FeedError.

    Raises
    ------
    FeedError
        When a message lacks a field.
    """
    pairs: dict[str, Pair] = {}
    scaled = ScaledCapture()
    for line in lines:
        message = line.message
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            continue
        name = str(message.get("channel", "")).rsplit("_", 1)[-1].upper()
        event = message.get("event", "")
        data = message["data"]
        try:
            if event in (CREATED, CHANGED, DELETED):
                pairs.setdefault(name, Pair(name)).orders.append(_order(event, data, line, scaled))
            elif event == "trade":
                _trade(pairs.setdefault(name, Pair(name)), data, line, scaled)
            elif event == "snapshot":
                pairs.setdefault(name, Pair(name)).snapshots.append(_snapshot(data, line, scaled))
        except (KeyError, TypeError, ValueError) as error:
            raise FeedError(
                "a Bitstamp message with all its fields",
                f"{type(error).__name__} {error} in {line.location}",
                "record again, or report it",
            ) from error
    return pairs


def _number(data: Message, name: str, line: CaptureLine, scaled: ScaledCapture) -> int:
    """A field as a whole number of 1e-10, by its exact string if present (JSON numbers are floats)."""
    text = data.get(f"{name}_str")
    return scaled(data[name] if text is None else text, line.location)


def _order(event: str, data: Message, line: CaptureLine, scaled: ScaledCapture) -> OrderEvent:
    """Order event from a message; its price is 0 for a market order."""
    price = _number(data, "price", line, scaled)
    return OrderEvent(
        action=event,
        number=int(data["id"]),
        side=1 if int(data["order_type"]) == 0 else -1,
        price=price if price < EXTREME else 0,
        amount=_number(data, "amount", line, scaled),
        exch_ns=int(data["microtimestamp"]) * 1000,
        recv_ns=line.recv_ns,
    )


def _trade(pair: Pair, data: Message, line: CaptureLine, scaled: ScaledCapture) -> None:
    """Append the trade of a message to its pair; the newer order is the aggressor."""
    buyer = int(data["buy_order_id"])
    seller = int(data["sell_order_id"])
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


def _snapshot(data: Message, line: CaptureLine, scaled: ScaledCapture) -> OrderBookAnswer:
    """Order book snapshot from a message."""
    orders = [
        (side, scaled(price, line.location), scaled(amount, line.location), int(number))
        for side, name in ((1, "bids"), (-1, "asks"))
        for price, amount, number in data[name]
    ]
    return OrderBookAnswer(int(data["microtimestamp"]) * 1000, line.recv_ns, tuple(orders))
