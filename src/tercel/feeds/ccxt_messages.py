"""Answers and errors of ccxt as Binance messages: markets, balances, orders, own trades."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

REJECTED = -2010
CANCEL_REJECTED = -2011
NO_SUCH_ORDER = -2013
STATUSES: Final[Mapping[str, str]] = {
    "closed": "FILLED",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
"""Binance's status of an order by ccxt's; of any other it is NEW, which is no end."""
Unified = Mapping[str, Any]
Message = dict[str, Any]
"""A message or an answer in Binance's fields."""
_LEAST_ID: Final = 9
_CODE: Final = re.compile(r'"code":\s*"?(-[0-9]{4})\b')
_MESSAGE: Final = re.compile(r'"msg":\s*"([^"]*)"')
_QUERY: Final = re.compile(r"\?[^\s\"']*")


def number_of(name: Any) -> int:
    """An order's or trade's name at the exchange as an integer; a name of digits is its own number.

    >>> number_of("1234"), number_of("OABC-7") > 10**20
    (1234, True)
    """
    text = str(name)
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 20:
        return int(text)
    return int.from_bytes(b"\1" + text.encode().rjust(_LEAST_ID, b"\0"), "big")


def name_of(number: int) -> str:
    """An order's name at the exchange, from its number: the inverse of `number_of`."""
    if number < 10**20:
        return str(number)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")[1:].lstrip(b"\0").decode()


def plain(value: Any) -> str:
    """A number of ccxt as decimal text without an exponent; "0" for None.

    >>> plain(1e-05), plain("0.10"), plain(None)
    ('0.00001', '0.10', '0')
    """
    return (
        value
        if isinstance(value, str)
        else "0"
        if value is None
        else format(Decimal(repr(value)), "f")
    )


def kinds_of(error: Exception) -> set[str]:
    """Names of all classes that an error is of, so that ccxt need not be imported.

    >>> sorted(kinds_of(KeyError("id")) - {"object", "BaseException"})
    ['Exception', 'KeyError', 'LookupError']
    """
    return {cls.__name__ for cls in type(error).__mro__}


def error_answer(
    method: str, error: Exception, text: str, coded: bool, wait_s: float, now_ms: int
) -> Message:
    """A ccxt exception as a Binance error message; unknown outcomes become server errors (status 500). `coded`: a Binance code
    in `text` counts.

    Parameters
    ----------
    method : str
    error : Exception
    text : str
        What it says, without secrets.
    coded : bool
        Whether codes in it are Binance's.
    wait_s : float
        How long an exchange that had too many requests wants to be left alone.
    now_ms : int
    """
    kinds = kinds_of(error)
    text = _QUERY.sub("", text or type(error).__name__)
    code_match = _CODE.search(text)
    message_match = _MESSAGE.search(text)
    data = None
    code = int(code_match[1]) if code_match is not None and coded else 0
    status = 500
    if not code and "OrderNotFound" in kinds:
        code = CANCEL_REJECTED if method == "order.cancel" else NO_SUCH_ORDER
    if "DuplicateOrderId" in kinds:
        code = REJECTED
        text = f"duplicate: {text}"
    if kinds & {"RateLimitExceeded", "DDoSProtection"}:
        later_ms = now_ms + round(wait_s * 1000)
        status = 418 if " 418 " in text else 429
        data = {"serverTime": now_ms, "retryAfter": later_ms}
    elif "ExchangeError" in kinds:
        status = 400
    elif " 404 " in text and not method.startswith("order."):
        status = 404
    return {
        "status": status,
        "error": {
            "code": code,
            "msg": message_match[1] if message_match else text[:300],
            "data": data,
        },
    }


def market_entry(market: Unified, mode: int, amends: bool) -> Message:
    """A ccxt market as an entry of Binance's `exchangeInfo`; `mode` is ccxt's of precisions: 3 (digits) gives steps "0"."""
    info = market.get("info")
    steps = market["precision"]
    filters = list[Message]()
    for kind, field, step, min_key, max_key in (
        ("PRICE_FILTER", "price", "tickSize", "minPrice", "maxPrice"),
        ("LOT_SIZE", "amount", "stepSize", "minQty", "maxQty"),
        ("NOTIONAL", "cost", "", "minNotional", "maxNotional"),
    ):
        limits = market["limits"].get(field) or {}
        size = steps.get(field)
        exact = (
            "0"
            if size is None or mode == 3
            else plain(size)
            if mode == 4
            else f"{Decimal(10) ** -int(size):f}"
        )
        fields = {min_key: limits.get("min"), max_key: limits.get("max"), step: exact}
        filters.append({"filterType": kind, "applyMinToMarket": True} | fields)
    modes = info.get("allowedSelfTradePreventionModes") if isinstance(info, Mapping) else None
    return {
        "symbol": market["id"],
        "baseAsset": market["base"],
        "quoteAsset": market["quote"],
        "filters": filters,
        "status": "HALT" if market.get("active") is False else "TRADING",
        "amendAllowed": amends,
        "allowedSelfTradePreventionModes": modes or ["NONE"],
    }


def account_row(fields: Unified, market: Unified) -> Message:
    """Balances in `fields`, and the fee rates of a market, as Binance's account answer."""
    rows = list[dict[str, str]]()
    for name, total in fields["total"].items():
        free = fields[name].get("free")
        rows.append({"asset": name, "free": plain(total if free is None else free)})
        rows[-1]["locked"] = plain(None if free is None else fields[name].get("used"))
    return {
        "balances": rows,
        "commissionRates": {role: plain(market.get(role)) for role in ("maker", "taker")},
    }


def order_row(order: Unified, symbol: str, name: str, now_ms: int) -> Message:
    """A ccxt order in Binance's fields, under our name `name` where it has none; one that ended without all its amount
    filled is EXPIRED."""
    status = STATUSES.get(str(order.get("status")), "NEW")
    filled = plain(order.get("filled"))
    if (
        status == "FILLED"
        and order.get("amount")
        and Decimal(filled) < Decimal(plain(order["amount"]))
    ):
        status = "EXPIRED"  # over, and not all of it was done
    stamps = [
        order.get(name) for name in ("lastUpdateTimestamp", "lastTradeTimestamp", "timestamp")
    ]
    ms = next((int(stamp) for stamp in stamps if stamp), now_ms)
    fills = [
        trade_row(trade, now_ms)
        for trade in order.get("trades") or ()
        if trade.get("id") and trade.get("price")
    ]
    return {
        "symbol": symbol,
        "orderId": number_of(order["id"]),
        "status": status,
        "executedQty": filled,
        "clientOrderId": str(order.get("clientOrderId") or name),
        "origQty": plain(order.get("amount")),
        "price": plain(order.get("price")),
        "side": str(order.get("side")).upper(),
        "fills": fills,
        "time": ms,
        "updateTime": ms,
        "transactTime": ms,
    }


def trade_row(trade: Unified, now_ms: int) -> Message:
    """An own trade of ccxt in Binance's fields."""
    fee = trade.get("fee") or {}
    number = number_of(trade["id"])
    return {
        "id": number,
        "tradeId": number,
        "orderId": number_of(trade["order"] or 0),
        "price": plain(trade["price"]),
        "qty": plain(trade["amount"]),
        "commission": plain(fee.get("cost")),
        "commissionAsset": fee.get("currency") or "",
        "isMaker": trade.get("takerOrMaker") == "maker",
        "time": int(trade["timestamp"] or now_ms),
    }
