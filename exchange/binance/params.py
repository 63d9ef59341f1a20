"""Parameters of a request, read in Binance's words: what is missing, empty, illegal or unknown has its own code."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from exchange.binance.symbols import decimal
from exchange.binance.words import (
    CLIENT_ORDER_ID,
    BinanceError,
    ServerCode,
    illegal_characters,
    missing_parameter,
    ms,
    not_valid,
)
from tercel.venues.binance_venue import LONGEST_WINDOW_MS, ErrorCode, payload_text

WHOLE: Final = r"^[0-9]{1,20}$"
SYMBOL: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
"""As the venue words it (it is a pattern of Java)."""
_SYMBOL: Final = re.compile(r"[\w\-.]{1,50}")
LONGEST_INT: Final = 2**63 - 1
E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


def query_pairs(query: str, body: str) -> dict[str, str]:
    """Parameters of a query string and a form; of one that is in both, the query string's.

    Raises
    ------
    BinanceError
        A parameter twice in one of them.
    """
    merged: dict[str, str] = {}
    for text in (body, query):
        pairs = parse_qsl(text, keep_blank_values=True)
        if len({name for name, _ in pairs}) < len(pairs):
            raise BinanceError(
                ServerCode.TOO_MANY_PARAMETERS, "Duplicate values for a parameter detected."
            )
        merged |= dict(pairs)
    return merged


def within(ns: int, start: int | None, end: int | None) -> bool:
    """Whether a time lies between `startTime` and `endTime`, ms, both included; None: no bound."""
    return (start is None or ms(ns) >= start) and (end is None or ms(ns) <= end)


def page(rows: list[T], limit: int, *since: int | None) -> list[T]:
    """At most `limit` rows: the first where a request says since when or which, else the last.

    >>> page([1, 2, 3], 2, None), page([1, 2, 3], 2, None, 7)
    ([2, 3], [1, 2])
    """
    return rows[-limit:] if all(bound is None for bound in since) else rows[:limit]


class Params:
    """Parameters of a request.

    Parameters
    ----------
    values : mapping of str to anything
        Texts of a query string, or JSON values of the WebSocket API.

    >>> Params({"limit": "5"}).row_limit("limit", 500, most=1000)
    5
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {name: value for name, value in values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def allow(self, names: Sequence[str]) -> None:
        """Refuse what an endpoint does not read.

        Raises
        ------
        BinanceError
        """
        known = sum(name in names for name in self.values)
        if known < len(self.values):
            msg = f"Not all sent parameters were read; read '{known}' parameter(s) but was sent '{len(self.values)}'."
            raise BinanceError(ServerCode.UNREAD_PARAMETERS, msg)

    def text(self, name: str, pattern: str = "") -> str:
        """A text; "": it was not sent.

        Raises
        ------
        BinanceError
            It is empty, or has characters that it may not have.
        """
        if name not in self.values:
            return ""
        value = self.values[name]
        text = (
            value
            if isinstance(value, str)
            else json.dumps(value)
            if isinstance(value, list)
            else payload_text(value)
        )
        if not text:
            raise BinanceError(ServerCode.PARAM_EMPTY, f"Parameter '{name}' was empty.")
        if pattern and not re.fullmatch(pattern, text):
            raise illegal_characters(name, pattern)
        return text

    def require(self, name: str) -> str:
        """A text that has to be there."""
        if name not in self.values:
            raise missing_parameter(name)
        return self.text(name)

    def symbol(self, name: str = "symbol") -> str:
        """A symbol's name, "" where it is not there."""
        text = self.text(name)
        if text and (not _SYMBOL.fullmatch(text) or text != text.upper()):
            raise illegal_characters(name, SYMBOL)
        return text

    def whole_number(self, name: str) -> int | None:
        """A whole number; None: it was not sent."""
        if name not in self.values:
            return None
        value = int(self.text(name, WHOLE))
        if value > LONGEST_INT:
            raise BinanceError(
                ServerCode.ILLEGAL_CHARS, f"Illegal characters found in parameter '{name}'."
            )
        return value

    def row_limit(self, name: str, default: int, most: int) -> int:
        """A number of rows, from 1 on; more than `most` are as many."""
        value = self.whole_number(name)
        if value is None:
            return default
        if value < 1:
            raise not_valid(name)
        return min(value, most)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        text = self.text(name)
        if text and text.lower() not in ("true", "false"):
            raise illegal_characters(name, "^(true|false)$")
        return text.lower() == "true" if text else default

    def amount(self, name: str) -> int:
        """A decimal in 1e-8; 0: it was not sent."""
        return decimal(name, self.text(name)) if name in self.values else 0

    def client_id(self, name: str) -> str:
        """A client order id."""
        return self.text(name, CLIENT_ORDER_ID)

    def choice(self, name: str, kind: type[E], code: ErrorCode | ServerCode, msg: str) -> E | None:
        """One of an enumeration; None: it was not sent."""
        text = self.text(name)
        if not text:
            return None
        try:
            return kind(text)
        except ValueError:
            raise BinanceError(code, msg) from None

    def time_ms(self, name: str) -> int | None:
        """A time in ms, which may be sent in us."""
        value = self.whole_number(name)
        return value // 1000 if value is not None and value >= 10**14 else value

    def window_ms(self, default: float) -> float:
        """`recvWindow`."""
        text = self.text("recvWindow", r"^[0-9]{1,10}(\.[0-9]{1,3})?$")
        value = float(text) if text else default
        if value > LONGEST_WINDOW_MS:
            msg = f"'recvWindow' must be less than {LONGEST_WINDOW_MS}."
            raise BinanceError(ServerCode.BAD_RECV_WINDOW, msg)
        return value

    def text_list(self, name: str) -> list[str]:
        """A JSON list of texts; none: it was not sent."""
        if name not in self.values:
            return []
        try:
            texts = json.loads(self.text(name))
        except (ValueError, RecursionError):
            texts = None
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(text, str) for text in texts)
        ):
            raise illegal_characters(name, '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
        if len(set(texts)) < len(texts):
            raise BinanceError(
                ServerCode.DUPLICATE_SYMBOLS, "Symbol is present multiple times in the list."
            )
        return texts
