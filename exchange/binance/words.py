"""Words of Binance Spot at an exchange, besides those of its clients: errors, enumerations, limits, times.

Source: binance-spot-api-docs at a5e0bc3, `rest-api.md`, `web-socket-api.md`, `enums.md`, `errors.md`, `filters.md`.
"""

from enum import IntEnum, StrEnum
from typing import Any, Final

from tercel.venues.binance_venue import ErrorCode, Status

NS_PER_MS: Final = 1_000_000
CLIENT_ORDER_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
"""Names that a client may give its orders."""
DEFAULT_WINDOW_MS: Final = 5_000
AHEAD_MS: Final = 1_000
"""How far a timestamp may be ahead of the server's clock."""
BAN_MS: Final = 120_000
"""The first ban: "from 2 minutes to 3 days"."""


INSUFFICIENT: Final = "Account has insufficient balance for requested action."
NO_SUCH_PREVENTION: Final = "This symbol does not allow the specified self-trade prevention mode."
WOULD_MATCH: Final = "Order would immediately match and take."
UNKNOWN_ORDER: Final = "Unknown order sent."
NO_ORDER: Final = "Order does not exist."
WORKING: Final = frozenset({Status.NEW, Status.PARTIALLY_FILLED})
INTERVALS: Final = {
    "1s": 1,
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "8h": 28800,
    "12h": 43200,
    "1d": 86400,
    "3d": 259200,
    "1w": 604800,
    "1M": 0,
}
"""Kline intervals in seconds; a month has no length."""


class ServerCode(IntEnum):
    """Error codes of requests that no client of this package sends (`errors.md`)."""

    UNKNOWN = -1000
    ILLEGAL_CHARS = -1100
    TOO_MANY_PARAMETERS = -1101
    MANDATORY_PARAM = -1102
    UNREAD_PARAMETERS = -1104
    PARAM_EMPTY = -1105
    PARAM_NOT_REQUIRED = -1106
    BAD_PRECISION = -1111
    INVALID_TIF = -1115
    INVALID_ORDER_TYPE = -1116
    INVALID_SIDE = -1117
    BAD_INTERVAL = -1120
    INVALID_SYMBOL_STATUS = -1122
    INVALID_LISTEN_KEY = -1125
    MORE_THAN_XX_HOURS = -1127
    BAD_COMBINATION = -1128
    INVALID_PARAMETER = -1130
    BAD_RECV_WINDOW = -1131
    BAD_STRATEGY_TYPE = -1134
    INVALID_JSON = -1135
    INVALID_TICKER_TYPE = -1139
    INVALID_CANCEL_RESTRICTIONS = -1145
    DUPLICATE_SYMBOLS = -1151
    INVALID_TIME_UNIT = -1194
    STATUS_MISMATCH = -1220
    PARTLY_FAILED = -2021
    FAILED = -2022
    SUBSCRIPTION_INACTIVE = -2036
    WRONG_CLIENT_ORDER_ID = -2039


class BinanceError(Exception):
    """A request that is refused.

    Parameters
    ----------
    code : ErrorCode or ServerCode
    msg : str
        As `errors.md` words it.
    status : int
        Of HTTP, and of the WebSocket API.
    data : mapping, optional
        What became of the parts of a request that failed in part.
    retry_ms : int
        From when on a request may be tried again, ms since 1970; 0: at once.

    >>> str(BinanceError(ErrorCode.BAD_SYMBOL, "Invalid symbol."))
    '-1121: Invalid symbol.'
    """

    def __init__(
        self,
        code: ErrorCode | ServerCode,
        msg: str,
        status: int = 400,
        data: dict[str, Any] | None = None,
        retry_ms: int = 0,
    ) -> None:
        super().__init__(f"{code.value}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.retry_ms = retry_ms

    @property
    def body(self) -> dict[str, Any]:
        """The object that a client reads."""
        return {"code": self.code.value, "msg": self.msg} | (
            {} if self.data is None else {"data": self.data}
        )


def order_rejection(msg: str) -> BinanceError:
    """A new order that the matching engine refuses (-2010)."""
    return BinanceError(ErrorCode.ORDER_REJECTED, msg)


def filter_failure(name: str) -> BinanceError:
    """An order that fails a filter (-1013).

    >>> filter_failure("LOT_SIZE").msg
    'Filter failure: LOT_SIZE'
    """
    return BinanceError(ErrorCode.INVALID_MESSAGE, f"Filter failure: {name}")


def missing_parameter(name: str) -> BinanceError:
    """A parameter that has to be there (-1102)."""
    return BinanceError(
        ServerCode.MANDATORY_PARAM,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def illegal_characters(name: str, legal: str) -> BinanceError:
    """A parameter with characters that are not its own (-1100)."""
    return BinanceError(
        ServerCode.ILLEGAL_CHARS,
        f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.",
    )


def not_valid(name: str) -> BinanceError:
    """A parameter with a value that is none of its own (-1130)."""
    return BinanceError(
        ServerCode.INVALID_PARAMETER, f"Data sent for parameter '{name}' is not valid."
    )


def unexpected_parameter(name: str) -> BinanceError:
    """A parameter that has no place here (-1106)."""
    return BinanceError(
        ServerCode.PARAM_NOT_REQUIRED, f"Parameter '{name}' sent when not required."
    )


def missing_either(first_name: str, second_name: str) -> BinanceError:
    """Two parameters of which one has to be there (-1102)."""
    msg = f"Param '{first_name}' or '{second_name}' must be sent, but both were empty/null!"
    return BinanceError(ServerCode.MANDATORY_PARAM, msg)


def unsupported_operation(status: int = 400) -> BinanceError:
    """A request that is not served (-1020)."""
    return BinanceError(ErrorCode.UNSUPPORTED_OPERATION, "This operation is not supported.", status)


class BinanceSide(StrEnum):
    """Order side."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 or -1."""
        return 1 if self is BinanceSide.BUY else -1


class BinanceOrderType(StrEnum):
    """Order type; the last four are refused by the exchange here, in Binance's words (`UNSUPPORTED`)."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class SelfTradePrevention(StrEnum):
    """What becomes of orders of one account that would trade with each other; the later one's mode counts."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


UNSUPPORTED: Final = {
    BinanceOrderType.STOP_LOSS: "Stop loss orders are not supported for this symbol.",
    BinanceOrderType.STOP_LOSS_LIMIT: "Stop loss limit orders are not supported for this symbol.",
    BinanceOrderType.TAKE_PROFIT: "Take profit orders are not supported for this symbol.",
    BinanceOrderType.TAKE_PROFIT_LIMIT: "Take profit limit orders are not supported for this symbol.",
}


class TimeInForce(StrEnum):
    """How long an order is active."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Security(StrEnum):
    """What a request needs: nothing, a key, or a key and a signature."""

    NONE = "NONE"
    USER_STREAM = "USER_STREAM"
    USER_DATA = "USER_DATA"
    TRADE = "TRADE"


SIGNED: Final = frozenset({Security.USER_DATA, Security.TRADE})


def rate_limits(weight: int, orders: int, orders_a_day: int, requests: int) -> list[dict[str, Any]]:
    """The `rateLimits` of `exchangeInfo`."""
    return [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": weight,
        },
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": orders},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": orders_a_day},
        {
            "rateLimitType": "RAW_REQUESTS",
            "interval": "MINUTE",
            "intervalNum": 5,
            "limit": requests,
        },
    ]


class Stamp(int):
    """A time of the API in milliseconds that knows its microseconds."""

    us: int


def ms(ns: int) -> Stamp:
    """Nanoseconds as the milliseconds of the API.

    >>> ms(1_700_000_000_123_999_999)
    1700000000123
    """
    stamp = Stamp(ns // NS_PER_MS)
    stamp.us = ns // 1000
    return stamp


def to_microseconds(value: Any) -> Any:
    """An answer or event with its times in microseconds.

    >>> to_microseconds({"a": [ms(1_700_000_000_123_999_999), 5]})
    {'a': [1700000000123999, 5]}
    """
    if isinstance(value, dict):
        return {key: to_microseconds(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_microseconds(item) for item in value]
    return value.us if isinstance(value, Stamp) else value


def wants_microseconds(unit: str) -> bool:
    """Whether a `timeUnit` asks for microseconds; "": it asks for nothing.

    Raises
    ------
    BinanceError
        -1194.
    """
    if unit.upper() not in ("", "MILLISECOND", "MICROSECOND"):
        msg = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
        raise BinanceError(ServerCode.INVALID_TIME_UNIT, msg)
    return unit.upper() == "MICROSECOND"
