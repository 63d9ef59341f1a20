"""REST requests, one at a time: signed, counted, answered within a time or called unknown; and their request weight.

The weight that the venue allows in a minute is not used up in any 61 seconds. The venue counts by the minute of its
clock and by address, so other programs behind the same address count too: what it reports beyond our own count is
theirs, and is held for as long. After 429 or 418 nothing leaves before Retry-After is over, or `longest_s`: then one
request tries, and the next one as much later, until one is answered. So a wrong value silences a desk for a bounded
time, and a ban is not prolonged by many requests. A kill tries at once, as often.

    HTTP 400                                 {"code":-1121,"msg":"Invalid symbol."}
    X-MBX-USED-WEIGHT-1M: 42, Retry-After: 7 (headers)
"""

import http.client
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tercel.core.errors import VenueError
from tercel.fix.connection import TlsSettings
from tercel.venues.binance_venue.api import SIGNATURE, ErrorCode, in_text
from tercel.venues.binance_venue.terms import ApiSigner

WINDOW_S: Final = 61.0
RESERVE: Final = 0.1
"""Share of the limit that questions leave to orders and cancels."""
MOST_OVER: Final = 10
"""A count of so many times its limit is none."""


class WeightBudget:
    """Request weight: used and allowed.

    Parameters
    ----------
    limit : int
        Weight a minute.
    clock : callable
        Seconds that never go back.
    longest_s : float
        So long nothing leaves at most, whatever the venue says.

    >>> budget = WeightBudget(10, lambda: 0.0)
    >>> budget.spend(8), budget.fits(3), budget.fits(1)
    (None, False, True)
    """

    def __init__(
        self,
        limit: int = 6000,
        clock: Callable[[], float] = time.monotonic,
        longest_s: float = 60.0,
    ) -> None:
        self.limit = limit
        self._clock = clock
        self.longest_s = longest_s
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._others = 0
        self._others_until = 0.0
        self._blocked = 0.0
        self.why = ""
        self._until = self._urgent = self._since = self._pause = 0.0
        """When the venue's block is over, when the next kill may try, when the venue last reported one, and how
        long it is held for at least: each of a row twice as long as the one before."""
        self.most = 0
        """Most that was used in a window."""

    @property
    def used(self) -> int:
        """Weight of the last 61 seconds, ours and, as far as the venue reported, others'."""
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - WINDOW_S:
            self._sum -= self._spent.popleft()[1]
        return self._sum + (self._others if now < self._others_until else 0)

    @property
    def wait_s(self) -> float:
        """Seconds until the venue takes requests again; 0: it does."""
        return max(0.0, self._blocked - self._clock())

    def fits(self, weight: int, question: bool = False) -> bool:
        """Whether a request may leave now; a question leaves a part to orders."""
        most = int(self.limit * (1 - RESERVE)) if question else self.limit
        return not self.wait_s and self.used + weight <= most

    def spend(self, weight: int, urgent: bool = False) -> None:
        """Count a request that leaves; an urgent one does against the venue's word, once in `longest_s`.

        Raises
        ------
        VenueError
            It may not: nothing was sent.
        """
        now, wait = self._clock(), self.wait_s
        if urgent and now >= self._urgent and (now < self._until or not self.fits(weight)):
            self._urgent = now + self.longest_s
        elif wait:
            raise VenueError(
                "a venue that takes requests",
                f"{self.why}; {wait:.1f} s until a try",
                "wait until then",
            )
        elif self.used + weight > self.limit:
            raise VenueError(
                f"at most {self.limit} request weight a minute",
                f"{self.used} used and {weight} more",
                "send less",
            )
        if now < self._until:
            self._blocked = now + self.longest_s  # it tries: the others wait for what becomes of it
        self._spent.append((now, weight))
        self._sum += weight
        self.most = max(self.most, self.used)

    def reported(self, count: int) -> None:
        """Take the venue's count of weight in its minute: the part beyond the own count belongs to other clients. An
        impossible count is ignored."""
        others = count - (self.used - (self._others if self._clock() < self._others_until else 0))
        if (
            others > 0
            and count <= MOST_OVER * self.limit
            and (others >= self._others or self._clock() >= self._others_until)
        ):
            self._others, self._others_until = others, self._clock() + WINDOW_S

    def block(self, seconds: float, why: str) -> None:
        """The venue takes nothing for so long, as it says."""
        now, twice = self._clock(), min(max(2 * self._pause, 1.0), self.longest_s)
        self._pause = twice if now >= self._since + self._pause else self._pause
        self._since, self.why, seconds = now, why, max(seconds, self._pause)
        self._until = max(self._until, now + seconds)
        self._blocked = max(self._blocked, self._since + min(seconds, self.longest_s))

    def answered(self, sent_s: float) -> None:
        """A request sent at `sent_s` was accepted: earlier blocks are over."""
        if sent_s > self._since:
            self._blocked = self._until = self._pause = 0.0


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
    """Error answer of Binance.

    Parameters
    ----------
    what : str
        The request, without its parameters.
    code, text : int, str
        Binance's; 0 where it gave none.
    status : int
        Of HTTP.
    """

    def __init__(self, what: str, code: int, text: str, status: int) -> None:
        said = (
            f"{code}: {text} (status {status})"
            if code
            else f"{text or 'nothing'} (status {status})"
        )
        super().__init__(
            f"Binance to answer {what}",
            said,
            _REMEDIES.get(code, "see errors.md of binance-spot-api-docs"),
        )
        self.code = code
        self.text = text
        self.status = status

    @property
    def unsure(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.status >= _SERVER_FAULT or self.code in UNSURE


def read_json(text: str | bytes) -> Any:
    """JSON with fractions as they were written, so that no digit is lost.

    >>> read_json('{"p": 0.10, "q": "1.50", "t": 5}')
    {'p': '0.10', 'q': '1.50', 't': 5}
    """
    try:
        return _decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(word: str) -> None:
    raise ValueError(f"a number that is {word}")


_decode: Final = json.JSONDecoder(parse_float=str, parse_constant=_no_number).decode


class BinanceRest:
    """REST of one net.

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
        what, pairs = (
            f"{method} {path}",
            {name: in_text(value) for name, value in (params or {}).items()},
        )
        headers = (
            self._signer.headers if signed or path.startswith("/api/v3/userDataStream") else {}
        )
        for last in (False, True):
            self._budget.spend(weight)
            query = urlencode(pairs)
            if signed:
                query = urlencode(
                    {**pairs, "recvWindow": self._window_ms, "timestamp": self._stamp_ms()}
                )
                query += "&" + urlencode({SIGNATURE: self._signer.sign(query)})
            reused = self._connection is not None
            try:
                return self._answer(
                    what, *self._asked(method, f"{self._prefix}{path}", query, headers)
                )
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last or not reused or method != "GET":
                    raise VenueError(
                        f"an answer of {self._host} to {what}",
                        self._signer.clean(str(error) or type(error).__name__),
                        "check the network; ask again",
                    ) from None
        raise AssertionError

    def _asked(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> tuple[int, Any, bytes]:
        if self._connection is None:
            kind: Any = (
                http.client.HTTPSConnection if self._tls is not None else http.client.HTTPConnection
            )
            more = {"context": self._tls} if self._tls is not None else {}
            self._connection = kind(self._host, self._port, timeout=self._timeout_s, **more)
        until = time.monotonic() + self._timeout_s
        self._connection.request(
            method, f"{path}?{query}" if query else path, headers=dict(headers)
        )
        answer = self._connection.getresponse()
        parts, size = [], 0
        while part := answer.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _LARGEST or time.monotonic() > until:
                raise OSError("an answer that is too long, or too slow")
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return answer.status, answer.headers, b"".join(parts)

    def _answer(self, what: str, status: int, headers: Any, body: bytes) -> Any:
        with suppress(ValueError):
            self._budget.reported(int(headers.get("X-MBX-USED-WEIGHT-1M", 0)))
        try:
            answer = read_json(body)
        except ValueError:
            answer = None
        if status == HTTPStatus.OK and answer is not None:
            return answer
        if status == HTTPStatus.OK:
            raise VenueError(
                f"JSON of {self._host} in answer to {what}",
                repr(self._signer.clean(body[:60].decode("latin-1"))),
                "check that the URL is Binance's",
            )
        found = answer if isinstance(answer, dict) else {}
        code, text = found.get("code", 0), self._signer.clean(str(found.get("msg", ""))[:300])
        if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED):
            self._budget.block(
                seconds_of(headers.get("Retry-After", "")), f"status {status}: {text}"
            )
        raise RequestRefusedError(
            what,
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
    """Retry-After in seconds; a minute where it says nothing that can be read.

    >>> seconds_of("7"), seconds_of("soon")
    (7.0, 60.0)
    """
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else _RETRY_S
