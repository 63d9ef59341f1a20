"""REST requests to Binance, one at a time: signed, counted, answered within a time or unknown.

HTTP 400                                 {"code":-1121,"msg":"Invalid symbol."}
X-MBX-USED-WEIGHT-1M: 42, Retry-After: 7 (headers)
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tercel.core.errors import VenueError
from tercel.core.link.connection import TlsSettings
from tercel.venues.binance_venue.api import SIGNATURE, ErrorCode, payload_text
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.binance_venue.weight_budget import WeightBudget

UNSURE: Final = frozenset({-1000, -1001, -1006, ErrorCode.TIMEOUT})
"""Codes after which a request may have been carried out (`errors.md`)."""
GARBLED: Final = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError)
"""Exceptions raised when an answer is not in Binance's format."""
PAGE: Final = 1000
"""Rows of a list at most."""
BANNED: Final = 418
_LARGEST: Final = 64 << 20
_RETRY_S: Final = 60.0
_SERVER_FAULT: Final = 500
_REMEDIES: Final[Mapping[int, str]] = {
    ErrorCode.INVALID_TIMESTAMP: "set the system clock (NTP), or raise recv_window_ms",
    ErrorCode.INVALID_SIGNATURE: "check that the secret belongs to the key, and is of the kind that the file says",
    ErrorCode.BAD_API_KEY: "copy the API key as Binance shows it",
    ErrorCode.REJECTED_KEY: "check that the key lives, its net, its permissions and the addresses that it allows",
    ErrorCode.UNAUTHORIZED: "give the key the permission that this needs",
    ErrorCode.TOO_MANY_REQUESTS: "wait; ask less, from fewer programs at this address",
    ErrorCode.BAD_SYMBOL: "name symbols that this net lists",
}


class RequestRefusedError(VenueError):
    """An error answer of Binance.

    Parameters
    ----------
    request : str
        The request, without its parameters.
    code, text : int, str
        Binance's; 0 where it gave none.
    status : int
        Of HTTP.
    data : object
        More of what was refused, as Binance gives it.
    """

    def __init__(
        self, request: str, code: int, text: str, status: int, data: object = None
    ) -> None:
        """Compose the message from request, code and text, with a remedy for known codes."""
        received = (
            f"{code}: {text} (status {status})"
            if code
            else f"{text or 'nothing'} (status {status})"
        )
        super().__init__(
            f"Binance to answer {request}",
            received,
            _REMEDIES.get(code, "see errors.md of binance-spot-api-docs"),
        )
        self.code = code
        self.text = text
        self.status = status
        self.data = data

    @property
    def unsure(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.status >= _SERVER_FAULT or self.code in UNSURE


def read_json(text: str | bytes) -> Any:
    """Decode JSON with fractions kept as text, so that no digit is lost.

    >>> read_json('{"p": 0.10, "q": "1.50", "t": 5}')
    {'p': '0.10', 'q': '1.50', 't': 5}
    """
    try:
        return _decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(word: str) -> None:
    """Raise ValueError for NaN and infinity in JSON."""
    raise ValueError(f"a number that is {word}")


_decode: Final = json.JSONDecoder(parse_float=str, parse_constant=_refuse_constant).decode


class BinanceRest:
    """REST requests to one net of Binance.

    Parameters
    ----------
    base : str
        Its URL.
    signer : ApiSigner
    budget : WeightBudget
    tls : TlsSettings
    stamp_ms : callable
        The venue's time.
    window_ms : int
        `recvWindow`.
    timeout_s : float
    """

    def __init__(
        self,
        base: str,
        signer: ApiSigner,
        budget: WeightBudget,
        tls: TlsSettings,
        stamp_ms: Callable[[], int],
        window_ms: int,
        timeout_s: float = 10.0,
    ) -> None:
        """Set up without a connection: the first request opens it."""
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._tls = tls.client() if parts.scheme == "https" else None
        self._signer = signer
        self._budget = budget
        self._stamp_ms = stamp_ms
        self._window_ms = window_ms
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        path: str,
        weight: int,
        params: Mapping[str, Any] | None = None,
        *,
        signed: bool = False,
        method: str = "GET",
    ) -> Any:
        """Send a request; return its JSON answer. A GET is retried once if its open connection has gone.

        Raises
        ------
        RequestRefusedError
            Binance answers with an error.
        VenueError
            No answer, no weight left.
        """
        request = f"{method} {path}"
        pairs = {name: payload_text(value) for name, value in (params or {}).items()}
        headers = (
            self._signer.headers if signed or path.startswith("/api/v3/userDataStream") else {}
        )
        for is_last_try in (False, True):
            self._budget.spend(weight)
            query = urlencode(pairs)
            if signed:
                query = urlencode(
                    {**pairs, "recvWindow": self._window_ms, "timestamp": self._stamp_ms()}
                )
                query += "&" + urlencode({SIGNATURE: self._signer.sign(query)})
            reused = self._connection is not None
            try:
                return self._read_answer(
                    request, *self._send(method, f"{self._prefix}{path}", query, headers)
                )
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_last_try or not reused or method != "GET":
                    raise VenueError(
                        f"an answer of {self._host} to {request}",
                        self._signer.clean(str(error) or type(error).__name__),
                        "check the network; ask again",
                    ) from None
        raise AssertionError

    def _send(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> tuple[int, Any, bytes]:
        """Send one HTTP request; status, headers and body of the answer."""
        if self._connection is None:
            kind: Any = (
                http.client.HTTPSConnection if self._tls is not None else http.client.HTTPConnection
            )
            tls_options = {"context": self._tls} if self._tls is not None else {}
            self._connection = kind(self._host, self._port, timeout=self._timeout_s, **tls_options)
        until = time.monotonic() + self._timeout_s
        self._connection.request(
            method, f"{path}?{query}" if query else path, headers=dict(headers)
        )
        answer = self._connection.getresponse()
        parts = []
        size = 0
        while part := answer.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _LARGEST or time.monotonic() > until:
                raise OSError("an answer that is too long, or too slow")
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return answer.status, answer.headers, b"".join(parts)

    def _read_answer(self, request: str, status: int, headers: Any, body: bytes) -> Any:
        """JSON of an answer; raises RequestRefusedError for an error, and blocks requests after 429 or 418."""
        with suppress(ValueError):
            self._budget.take_reported(int(headers.get("X-MBX-USED-WEIGHT-1M", 0)))
        try:
            answer = read_json(body)
        except ValueError:
            answer = None
        if status == HTTPStatus.OK and answer is not None:
            return answer
        if status == HTTPStatus.OK:
            raise VenueError(
                f"JSON of {self._host} in answer to {request}",
                repr(self._signer.clean(body[:60].decode("latin-1"))),
                "check that the URL is Binance's",
            )
        fields = answer if isinstance(answer, dict) else {}
        code = fields.get("code", 0)
        text = self._signer.clean(str(fields.get("msg", ""))[:300])
        if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED):
            self._budget.block(
                seconds_of(headers.get("Retry-After", "")), f"status {status}: {text}"
            )
        raise RequestRefusedError(
            request,
            code if isinstance(code, int) else 0,
            text or HTTPStatus(status).phrase if status in set(HTTPStatus) else text,
            status,
        )

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def seconds_of(text: str) -> float:
    """Seconds of a Retry-After header; 60 where it cannot be read.

    >>> seconds_of("7"), seconds_of("soon")
    (7.0, 60.0)
    """
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else _RETRY_S
