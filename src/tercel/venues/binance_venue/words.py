"""Words of Binance Spot that a client says and hears: error codes, statuses, weights, decimals, signed payloads.

A REST request signs its query string and body as they are sent, one after the other, without the signature; a request
of the WebSocket API its parameters in order of their names.

Source: binance-spot-api-docs at a5e0bc3, `rest-api.md`, `web-socket-api.md`, `enums.md`, `errors.md`.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final

from tercel.core.orders import ONE

SIGNATURE: Final = "signature"
LONGEST_WINDOW_MS: Final = 60_000


class ErrorCode(IntEnum):
    """Error codes (`errors.md`)."""

    UNKNOWN = -1000
    DISCONNECTED = -1001
    UNAUTHORIZED = -1002
    TOO_MANY_REQUESTS = -1003
    TIMEOUT = -1007
    INVALID_MESSAGE = -1013
    TOO_MANY_ORDERS = -1015
    UNSUPPORTED_OPERATION = -1020
    INVALID_TIMESTAMP = -1021
    INVALID_SIGNATURE = -1022
    ILLEGAL_CHARS = -1100
    TOO_MANY_PARAMETERS = -1101
    MANDATORY_PARAM = -1102
    UNREAD_PARAMETERS = -1104
    PARAM_EMPTY = -1105
    PARAM_NOT_REQUIRED = -1106
    BAD_PRECISION = -1111
    TIF_NOT_REQUIRED = -1114
    INVALID_TIF = -1115
    INVALID_ORDER_TYPE = -1116
    INVALID_SIDE = -1117
    BAD_INTERVAL = -1120
    BAD_SYMBOL = -1121
    INVALID_SYMBOL_STATUS = -1122
    INVALID_LISTEN_KEY = -1125
    MORE_THAN_XX_HOURS = -1127
    BAD_COMBINATION = -1128
    INVALID_PARAMETER = -1130
    BAD_STRATEGY_TYPE = -1134
    INVALID_JSON = -1135
    INVALID_TICKER_TYPE = -1139
    INVALID_CANCEL_RESTRICTIONS = -1145
    DUPLICATE_SYMBOLS = -1151
    INVALID_TIME_UNIT = -1194
    STATUS_MISMATCH = -1220
    ORDER_REJECTED = -2010
    CANCEL_REJECTED = -2011
    NO_SUCH_ORDER = -2013
    BAD_API_KEY = -2014
    REJECTED_KEY = -2015
    PARTLY_FAILED = -2021
    FAILED = -2022
    SUBSCRIPTION_ACTIVE = -2035
    SUBSCRIPTION_INACTIVE = -2036
    AMEND_REJECTED = -2038
    WRONG_CLIENT_ORDER_ID = -2039


class Status(StrEnum):
    """Order status."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


def depth_weight(limit: int) -> int:
    """Weight of a depth request.

    >>> [depth_weight(n) for n in (100, 101, 1000, 5000)]
    [5, 25, 50, 250]
    """
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def shown(value: int) -> str:
    """A whole number of 1e-8 as the API writes it.

    >>> shown(10_000_000), shown(-5)
    ('0.10000000', '-0.00000005')
    """
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // ONE}.{value % ONE:08d}"


def hmac_signer(secret: str) -> Callable[[str], str]:
    """HMAC-SHA256 by a secret, in hexadecimal, of a payload; most of what it costs is done here, once.

    >>> payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    >>> secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    >>> hmac_signer(secret)(payload + "&timestamp=1499827319559")
    'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71'
    """
    begun = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(payload: str) -> str:
        one = begun.copy()
        one.update(payload.encode())
        return one.hexdigest()

    return sign


def sorted_payload(params: Mapping[str, Any]) -> str:
    """Payload of a request of the WebSocket API.

    >>> sorted_payload({"symbol": "A", "apiKey": "k", "signature": "s", "recvWindow": 100, "flag": True})
    'apiKey=k&flag=true&recvWindow=100&symbol=A'
    """
    return "&".join(
        f"{name}={in_text(value)}" for name, value in sorted(params.items()) if name != SIGNATURE
    )


def in_text(value: Any) -> str:
    """A JSON value as it stands in a payload."""
    return str(value).lower() if isinstance(value, bool) else str(value)
