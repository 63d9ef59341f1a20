"""WebSocket API: a JSON socket without a thread, and requests over it, each answered, refused or called unknown once.

The frames are those of the library `websockets`, without its I/O; bytes go through :class:`Connection`.

    out: {"id":7,"method":"order.cancel","params":{"symbol":"BTCUSDT","orderId":12569099453,...}}
    in:  {"id":7,"status":200,"result":{"symbol":"BTCUSDT","status":"CANCELED",...},"rateLimits":[...]}
    in:  {"id":7,"status":400,"error":{"code":-2011,"msg":"Unknown order sent."},"rateLimits":[...]}
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tercel.core.errors import TercelError, VenueError
from tercel.core.extras import needed
from tercel.fix.connection import Connection, TlsSettings
from tercel.venues.binance_venue.api import ErrorCode
from tercel.venues.binance_venue.rest import (
    BANNED,
    GARBLED,
    MOST_OVER,
    RequestRefusedError,
    WeightBudget,
    read_json,
)
from tercel.venues.binance_venue.terms import ApiSigner

if TYPE_CHECKING:
    from websockets.client import ClientProtocol


LARGEST: Final = 1 << 25
OPEN_S: Final = 10.0
QUIET_S: Final = 15.0
"""Silence after which the other side is pinged; it is given up after as much again. Binance pings every 20 s."""


class JsonSocket:
    """A WebSocket that says and hears JSON.

    Parameters
    ----------
    url : str
    tls : TlsSettings

    Raises
    ------
    VenueError
        The name of its host is unknown.
    ConfigError
        The library `websockets` is missing.
    """

    def __init__(self, url: str, tls: TlsSettings) -> None:
        client, uri = (needed(f"websockets.{one}", "trade") for one in ("client", "uri"))
        parts = urlsplit(url)
        self._secure = parts.scheme == "wss"
        self.host = parts.hostname or ""
        port = parts.port or (443 if self._secure else 80)
        self._connection = Connection.to(self.host, port, tls if self._secure else None)
        self._protocol: ClientProtocol = client.ClientProtocol(uri.parse_uri(url), max_size=LARGEST)
        self._parts: list[bytes] = []
        self._begun = self.up = self._pinged = False
        self._heard_s = self._began_s = time.monotonic()
        self.why = ""
        """Reason why it is closed, else ""."""

    def fileno(self) -> int:
        """For a selector; -1 once closed."""
        return self._connection.fileno()

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._connection.closed

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be written."""
        return self._connection.wants_write

    def send(self, message: Any) -> None:
        """Say something.

        Raises
        ------
        VenueError
            It is not open: nothing was sent.
        """
        if not self.up or self.closed:
            raise VenueError(
                f"a link to {self.host}",
                f"none: {self.why or 'it is not open'}",
                "wait until it is up",
            )
        self._protocol.send_text(json.dumps(message, separators=(",", ":")).encode())
        self._write()

    def poll(self) -> list[Any]:
        """Messages since the last call; one that is not JSON closes the socket."""
        if self.closed:
            return []
        if self._connection.wants_write:
            self._connection.flush()
        if not self._begun and self._connection.established:
            self._begun = True
            self._protocol.send_request(self._protocol.connect())
            self._write()
        found: list[Any] = []
        while (data := self._connection.receive()) is not None and data:
            self._heard_s = time.monotonic()
            self._pinged = False
            self._protocol.receive_data(data)
            found += self._events()
            self._write()
        if data is None:
            self.close(self._connection.why)
        self._watch()
        return found

    def _events(self) -> list[Any]:
        from websockets.exceptions import WebSocketException
        from websockets.frames import Frame, Opcode

        found = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self.up = self._protocol.handshake_exc is None
                if not self.up:
                    self.close(f"no WebSocket: {self._protocol.handshake_exc}")
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    data = b"".join(self._parts)
                    self._parts = []
                    try:
                        found.append(read_json(data))
                    except ValueError as error:
                        self.close(f"a message that is not JSON: {error}")
            elif event.opcode is Opcode.CLOSE:
                self._write()
                self.close("the other side closed it")
        if (wrong := self._protocol.parser_exc) is not None and not isinstance(wrong, EOFError):
            self.close(
                str(wrong) if isinstance(wrong, WebSocketException) else type(wrong).__name__
            )
        return found

    def _write(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data:
            self._connection.send(data)
        if self._connection.closed:
            self.close(self._connection.why)

    def _watch(self) -> None:
        """Ping a silent server, and close the connection if it stays silent."""
        now = time.monotonic()
        if self.closed:
            return
        if not self.up and now - self._began_s > OPEN_S:
            self.close(f"no WebSocket within {OPEN_S:g} s")
        elif self.up and now - self._heard_s > 2 * QUIET_S:
            self.close(f"nothing came in {2 * QUIET_S:g} s")
        elif self.up and not self._pinged and now - self._heard_s > QUIET_S:
            self._pinged = True
            self._protocol.send_ping(b"")
            self._write()

    def close(self, why: str = "closed here") -> None:
        """Close it now."""
        self.up = False
        self.why = self.why or why
        self._connection.close(why)


ANSWER_S: Final = 12.0
"""Time-out of an answer, seconds: the API gives up after 10 s (`web-socket-api.md`)."""
SETTLE_MS: Final = 10_000
"""Time after a request's window in which the matching engine may still carry it out, ms."""
MOST_JUMP_MS: Final = 86_400_000
"""A clock of the venue's that is further away than a day from what it was is never believed."""
_ORDERS_S: Final = {"SECOND": 10.0, "MINUTE": 60.0, "DAY": 60.0}


@dataclass(frozen=True)
class ApiAnswer:
    """Outcome of a request.

    Parameters
    ----------
    result : Any
        None if there is none.
    error : RequestRefusedError or None
    why : str
        Reason why its outcome is unknown; "" if it was answered.
    stamp_ms, until_ms : int
        Its timestamp, and the venue's time after which it can no longer be executed.
    """

    result: Any
    error: RequestRefusedError | None
    why: str
    stamp_ms: int
    until_ms: int

    @property
    def unknown(self) -> bool:
        """Whether it may have been carried out without confirmation."""
        return bool(self.why) or (self.error is not None and self.error.unsure)

    @property
    def code(self) -> int:
        """Binance's error code; 0: none."""
        return self.error.code if self.error is not None else 0

    @property
    def text(self) -> str:
        """Reason for people."""
        return f"{self.error.text} ({self.error.code})" if self.error is not None else self.why


@dataclass(frozen=True)
class _Pending:
    method: str
    then: Callable[[ApiAnswer], object]
    stamp_ms: int
    until_ms: int
    sent_s: float
    orders: bool

    def answer(
        self, why: str = "", result: Any = None, error: RequestRefusedError | None = None
    ) -> ApiAnswer:
        return ApiAnswer(result, error, why, self.stamp_ms, self.until_ms)


class ApiChannel:
    """Requests on their way.

    Parameters
    ----------
    signer : ApiSigner
    budget : WeightBudget
    now_ms : callable
        The venue's time.
    window_ms : int
        `recvWindow`.
    clock : callable
        Seconds that never go back.
    """

    swaps = True
    """Whether one request cancels an order and sends another in its place."""
    settle_ms = SETTLE_MS
    """Time after a request's window in which it may still be carried out."""

    def __init__(
        self,
        signer: ApiSigner,
        budget: WeightBudget,
        now_ms: Callable[[], int],
        window_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signer = signer
        self.budget = budget
        self.now_ms = now_ms
        self._window_ms = window_ms
        self._clock = clock
        self.socket: JsonSocket | None = None
        self._pending: dict[int, _Pending] = {}
        self._count = 0
        self._orders_until = 0.0
        self.wall_ms = now_ms
        self.jump_ms = 1000.0
        self._more_ms = 0
        """This machine's clock; how far what the venue says may be from it, or from its time as it is reckoned;
        and how much further, once it refused a timestamp."""
        self.venue_ms = 0
        """The venue's time as it last said it: its clock shows that or later."""
        self.clock_off = False
        """Whether the venue refused a timestamp: its clock is to be queried."""

    def update_time(self, said: Any, asked_ms: int = 0) -> bool:
        """Take a reported time of the venue's clock, ms; return whether it is plausible, as no local clock jumps. A
        requested time may go back; an unsolicited one counts at most as now, and a late one changes nothing."""
        now, jump = self.now_ms(), self.jump_ms + self._more_ms
        can_be = type(said) is int and (
            (asked_ms or now) - jump <= said <= now + jump or abs(said - self.wall_ms()) <= jump
        )
        if can_be:
            self.venue_ms = said if asked_ms else max(self.venue_ms, min(said, now))
            self._more_ms *= not asked_ms
        return can_be

    @property
    def settled_ms(self) -> int:
        """The venue's time from when on nothing that is stamped now can be carried out."""
        return self.now_ms() + self._window_ms + self.settle_ms

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        weight: int,
        then: Callable[[ApiAnswer], object],
        *,
        signed: bool = True,
        orders: bool = False,
        urgent: bool = False,
    ) -> None:
        """Send a request; `then` is called once, with its answer or the reason of a failure. See `WeightBudget.spend`.

        Raises
        ------
        VenueError
            No link or no weight is left: nothing was sent.
        """
        if self.socket is None or not self.socket.up:
            raise VenueError("a link to Binance", "none", "wait until it is up")
        stamp = self.now_ms()
        whole = dict(params)
        if signed:
            whole = self._signer.signed(
                {**whole, "recvWindow": self._window_ms, "timestamp": stamp}
            )
        number = self._begun(method, weight, then, stamp, orders, urgent)
        # A failure from here on is an event of the link: the request may have left.
        self.socket.send({"id": number, "method": method, "params": whole})

    def _begun(
        self,
        method: str,
        weight: int,
        then: Callable[[ApiAnswer], object],
        stamp: int,
        orders: bool,
        urgent: bool,
    ) -> int:
        self.budget.spend(weight, urgent)
        self._count += 1
        until = stamp + self._window_ms + self.settle_ms
        self._pending[self._count] = _Pending(method, then, stamp, until, self._clock(), orders)
        return self._count

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take an answer; one to nothing that waits is passed over: it came twice."""
        self._limits(message.get("rateLimits"))
        number = message.get("id")
        found = self._pending.pop(number, None) if isinstance(number, int) else None
        if found is None:
            return
        try:
            found.then(self._answer(found, message))
        except (TercelError, *GARBLED) as error:
            found.then(found.answer(f"an answer that cannot be read: {error!r}"))

    def _answer(self, one: _Pending, message: Mapping[str, Any]) -> ApiAnswer:
        status = message.get("status")
        status = status if isinstance(status, int) else 0
        self.budget.answered(
            0.0 if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED) else one.sent_s
        )
        if status == HTTPStatus.OK and "result" in message:
            return one.answer(result=message["result"])
        said = message.get("error")
        said = said if isinstance(said, dict) else {}
        code, data = said.get("code"), said.get("data")
        text = self._signer.clean(str(said.get("msg", ""))[:300])
        error = RequestRefusedError(one.method, code if isinstance(code, int) else 0, text, status)
        if error.code == ErrorCode.INVALID_TIMESTAMP:
            self.clock_off = True
            self._more_ms = MOST_JUMP_MS
        if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED):
            self._wait(data if isinstance(data, dict) else {}, error, one.orders)
        return one.answer("" if status else "an answer without a status", data, error)

    def _wait(self, data: Mapping[str, Any], error: RequestRefusedError, orders: bool) -> None:
        """Hold back until `retryAfter`: new orders where there were too many of them, else everything."""
        later, now = data.get("retryAfter"), data.get("serverTime", self.now_ms())
        seconds = (
            min(later - now, 10**12) / 1000
            if isinstance(later, int) and isinstance(now, int)
            else 60.0
        )
        if orders and error.code == ErrorCode.TOO_MANY_ORDERS:
            self._orders_until = self._clock() + min(max(seconds, 1.0), self.budget.longest_s)
        else:
            self.budget.block(seconds, f"status {error.status}: {error.text}")

    def _limits(self, limits: Any) -> None:
        for one in limits if isinstance(limits, list) else ():
            if not isinstance(one, dict):
                continue
            count, limit = one.get("count"), one.get("limit")
            if not isinstance(count, int) or not isinstance(limit, int):
                continue
            if one.get("rateLimitType") == "REQUEST_WEIGHT":
                self.budget.reported(count)
            elif one.get("rateLimitType") == "ORDERS" and 0 < limit <= count <= MOST_OVER * limit:
                self._orders_until = self._clock() + _ORDERS_S.get(str(one.get("interval")), 60.0)

    @property
    def orders_held(self) -> bool:
        """Whether the venue's count of new orders is used up."""
        return self._clock() < self._orders_until

    def waits(self, seconds: float) -> bool:
        """Whether an order is on its way that was sent less than so long ago."""
        now = self._clock()
        return any(one.orders and now - one.sent_s < seconds for one in self._pending.values())

    def overdue(self) -> None:
        """Call unknown what was not answered in time."""
        late = [
            number for number, one in self._pending.items() if self._clock() - one.sent_s > ANSWER_S
        ]
        self._unknown(late, f"no answer within {ANSWER_S:g} s")

    def lost(self, why: str) -> None:
        """The link broke: whatever is on its way is unknown."""
        self._unknown(list(self._pending), why)

    def _unknown(self, numbers: list[int], why: str) -> None:
        for number in numbers:
            if (one := self._pending.pop(number, None)) is not None:
                one.then(one.answer(why))
