"""Requests over Binance's WebSocket API, each answered, refused, or reported as unknown exactly once.

out: {"id":7,"method":"order.cancel","params":{"symbol":"BTCUSDT","orderId":12569099453,...}}
in:  {"id":7,"status":200,"result":{"symbol":"BTCUSDT","status":"CANCELED",...},"rateLimits":[...]}
in:  {"id":7,"status":400,"error":{"code":-2011,"msg":"Unknown order sent."},"rateLimits":[...]}
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from tercel.core.errors import TercelError, VenueError
from tercel.venues.binance_venue.api import ErrorCode
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.binance_venue.json_socket import JsonSocket
from tercel.venues.binance_venue.rest import BANNED, GARBLED, RequestRefusedError
from tercel.venues.binance_venue.weight_budget import MOST_OVER, WeightBudget

ANSWER_S: Final = 12.0
"""Time-out of an answer, seconds: the API gives up after 10 s (`web-socket-api.md`)."""
SETTLE_MS: Final = 10_000
"""Time after a request's window in which the matching engine may still carry it out, ms."""
LARGEST_JUMP_MS: Final = 86_400_000
"""A clock of the venue's that is further away than a day from what it was is never believed."""
_ORDERS_S: Final = {"SECOND": 10.0, "MINUTE": 60.0, "DAY": 60.0}
Result = TypeVar("Result")


@dataclass(frozen=True)
class ApiAnswer(Generic[Result]):
    """Outcome of a request.

    Parameters
    ----------
    result : Result
        What was read from the answer; without `error` and `unknown_reason` alone.
    error : RequestRefusedError or None
    unknown_reason : str
        Reason why its outcome is unknown; "" if it was answered.
    stamp_ms, until_ms : int
        Its timestamp, and the venue's time after which it can no longer be executed.
    is_unreadable : bool
        Whether an answer came that cannot be read, which `unknown_reason` says.
    """

    result: Result
    error: RequestRefusedError | None
    unknown_reason: str
    stamp_ms: int
    until_ms: int
    is_unreadable: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the request was carried out, and its result read."""
        return self.error is None and not self.unknown_reason

    @property
    def unknown(self) -> bool:
        """Whether the request may have been carried out without confirmation."""
        return bool(self.unknown_reason) or (self.error is not None and self.error.unsure)

    @property
    def code(self) -> int:
        """Binance's error code; 0: none."""
        return self.error.code if self.error is not None else 0

    @property
    def text(self) -> str:
        """Reason of an error or an unknown outcome, for people."""
        return (
            f"{self.error.text} ({self.error.code})"
            if self.error is not None
            else self.unknown_reason
        )


@dataclass(frozen=True)
class _PendingRequest:
    method: str
    on_answer: Callable[[ApiAnswer[Any]], object]
    read: Callable[[Any], Any]
    stamp_ms: int
    until_ms: int
    sent_s: float
    orders: bool

    def answer(
        self,
        unknown_reason: str = "",
        result: Any = None,
        error: RequestRefusedError | None = None,
        is_unreadable: bool = False,
    ) -> ApiAnswer[Any]:
        """The answer to this request: a result, an error, or the reason why its outcome is unknown."""
        return ApiAnswer(result, error, unknown_reason, self.stamp_ms, self.until_ms, is_unreadable)


class ApiChannel:
    """Requests over the WebSocket API that wait for an answer.

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
    settle_ms : int
        Time after a request's window in which it may still be carried out.
    wall_ms : callable, optional
        This machine's clock; None: the venue's time.
    jump_ms : float
        Largest plausible distance of a reported time from the local clock or from the estimated venue time.
    """

    def __init__(
        self,
        signer: ApiSigner,
        budget: WeightBudget,
        now_ms: Callable[[], int],
        window_ms: int,
        clock: Callable[[], float] = time.monotonic,
        settle_ms: int = SETTLE_MS,
        wall_ms: Callable[[], int] | None = None,
        jump_ms: float = 1000.0,
    ) -> None:
        """Start without a socket and without pending requests."""
        self._signer = signer
        self.budget = budget
        self.now_ms = now_ms
        self._window_ms = window_ms
        self._clock = clock
        self._settle_ms = settle_ms
        self.socket: JsonSocket | None = None
        self._pending: dict[int, _PendingRequest] = {}
        self._count = 0
        self._orders_until = 0.0
        self._wall_ms = wall_ms or now_ms
        self.jump_ms = jump_ms
        self._extra_jump_ms = 0
        """Added to that distance once the venue refused a timestamp."""
        self.venue_ms = 0
        """The venue's time as it last said it: its clock shows that or later."""
        self.clock_off = False
        """Whether the venue refused a timestamp: its clock is to be queried."""

    def update_time(self, time_ms: Any, asked_ms: int = 0) -> bool:
        """Take a reported time of the venue's clock, ms; return whether it is plausible, as no local clock jumps. A
        requested time may go back; an unsolicited one counts at most as now, and a late one changes nothing."""
        now = self.now_ms()
        jump = self.jump_ms + self._extra_jump_ms
        is_plausible = type(time_ms) is int and (
            (asked_ms or now) - jump <= time_ms <= now + jump
            or abs(time_ms - self._wall_ms()) <= jump
        )
        if is_plausible:
            self.venue_ms = time_ms if asked_ms else max(self.venue_ms, min(time_ms, now))
            self._extra_jump_ms *= not asked_ms
        return is_plausible

    @property
    def settled_ms(self) -> int:
        """Venue time from which on no request stamped now can still be carried out, ms."""
        return self.now_ms() + self._window_ms + self._settle_ms

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        weight: int,
        on_answer: Callable[[ApiAnswer[Result]], object],
        read: Callable[[Any], Result],
        *,
        signed: bool = True,
        orders: bool = False,
        urgent: bool = False,
    ) -> None:
        """Send a request; `on_answer` is called once, with its answer as `read` reads it or the reason of a failure.
        VenueError, with nothing sent and no call, without a link or weight (`WeightBudget.spend`).

        Raises
        ------
        VenueError
            No link or no weight is left: nothing was sent.
        """
        if self.socket is None or not self.socket.up:
            raise VenueError("a link to Binance", "none", "wait until it is up")
        stamp = self.now_ms()
        signed_params = dict(params)
        if signed:
            signed_params = self._signer.sign_params(
                {**signed_params, "recvWindow": self._window_ms, "timestamp": stamp}
            )
        number = self.register_request(
            method, weight, on_answer, read, orders=orders, urgent=urgent, stamp=stamp
        )
        # A failure from here on is an event of the link: the request may have left.
        self.socket.send({"id": number, "method": method, "params": signed_params})

    def register_request(
        self,
        method: str,
        weight: int,
        on_answer: Callable[[ApiAnswer[Result]], object],
        read: Callable[[Any], Result],
        *,
        orders: bool,
        urgent: bool,
        stamp: int,
    ) -> int:
        """Count a request's weight and store the request, of time `stamp` (ms), as pending; its id.

        Raises
        ------
        VenueError
            No weight is left.
        """
        self.budget.spend(weight, urgent)
        self._count += 1
        until = stamp + self._window_ms + self._settle_ms
        self._pending[self._count] = _PendingRequest(
            method, on_answer, read, stamp, until, self._clock(), orders
        )
        return self._count

    def receive(self, message: Mapping[str, Any]) -> None:
        """Process an answer; one to no pending request is ignored."""
        self._read_limits(message.get("rateLimits"))
        number = message.get("id")
        pending = self._pending.pop(number, None) if isinstance(number, int) else None
        if pending is None:
            return
        try:
            pending.on_answer(self._read_answer(pending, message))
        except (TercelError, *GARBLED) as error:
            reason = f"an answer that cannot be read: {error!r}"
            pending.on_answer(pending.answer(reason, is_unreadable=True))

    def _read_answer(self, pending: _PendingRequest, message: Mapping[str, Any]) -> ApiAnswer[Any]:
        """Read the answer to a pending request; holds requests back where the venue says so."""
        status = message.get("status")
        status = status if isinstance(status, int) else 0
        self.budget.clear_block(
            0.0 if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED) else pending.sent_s
        )
        if status == HTTPStatus.OK and "result" in message:
            return pending.answer(result=pending.read(message["result"]))
        error_body = message.get("error")
        error_body = error_body if isinstance(error_body, dict) else {}
        code = error_body.get("code")
        data = error_body.get("data")
        text = self._signer.clean(str(error_body.get("msg", ""))[:300])
        error = RequestRefusedError(
            pending.method, code if isinstance(code, int) else 0, text, status, data
        )
        if error.code == ErrorCode.INVALID_TIMESTAMP:
            self.clock_off = True
            self._extra_jump_ms = LARGEST_JUMP_MS
        if status in (HTTPStatus.TOO_MANY_REQUESTS, BANNED):
            self._hold_back(data if isinstance(data, dict) else {}, error, pending.orders)
        return pending.answer("" if status else "an answer without a status", error=error)

    def _hold_back(self, data: Mapping[str, Any], error: RequestRefusedError, orders: bool) -> None:
        """Block requests until `retryAfter`: new orders where there were too many of them, else everything."""
        retry_ms = data.get("retryAfter")
        now = data.get("serverTime", self.now_ms())
        seconds = (
            min(retry_ms - now, 10**12) / 1000
            if isinstance(retry_ms, int) and isinstance(now, int)
            else 60.0
        )
        if orders and error.code == ErrorCode.TOO_MANY_ORDERS:
            self._orders_until = self._clock() + min(max(seconds, 1.0), self.budget.longest_s)
        else:
            self.budget.block(seconds, f"status {error.status}: {error.text}")

    def _read_limits(self, limits: Any) -> None:
        """Take the venue's counts of request weight and of new orders from an answer's `rateLimits`."""
        for rate_limit in limits if isinstance(limits, list) else ():
            if not isinstance(rate_limit, dict):
                continue
            count = rate_limit.get("count")
            limit = rate_limit.get("limit")
            if not isinstance(count, int) or not isinstance(limit, int):
                continue
            if rate_limit.get("rateLimitType") == "REQUEST_WEIGHT":
                self.budget.take_reported(count)
            elif (
                rate_limit.get("rateLimitType") == "ORDERS"
                and 0 < limit <= count <= MOST_OVER * limit
            ):
                self._orders_until = self._clock() + _ORDERS_S.get(
                    str(rate_limit.get("interval")), 60.0
                )

    @property
    def orders_held(self) -> bool:
        """Whether the venue's count of new orders is used up."""
        return self._clock() < self._orders_until

    def has_recent_order(self, seconds: float) -> bool:
        """Whether a pending order request was sent less than so many seconds ago."""
        now = self._clock()
        return any(
            pending.orders and now - pending.sent_s < seconds for pending in self._pending.values()
        )

    def expire_overdue(self) -> None:
        """Answer as unknown the requests without an answer for ANSWER_S."""
        late = [
            number
            for number, pending in self._pending.items()
            if self._clock() - pending.sent_s > ANSWER_S
        ]
        self._answer_unknown(late, f"no answer within {ANSWER_S:g} s")

    def fail_pending(self, reason: str) -> None:
        """Answer all pending requests as unknown, since the link broke."""
        self._answer_unknown(list(self._pending), reason)

    def _answer_unknown(self, numbers: list[int], reason: str) -> None:
        """Answer pending requests as unknown, with a reason."""
        for number in numbers:
            if (pending := self._pending.pop(number, None)) is not None:
                pending.on_answer(pending.answer(reason))
