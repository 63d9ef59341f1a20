"""Requests of the WebSocket API and their answers, by number: each is answered, refused, or called unknown, once."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from tercel.core.errors import TercelError, VenueError
from tercel.venues.binance_venue.budget import MOST_OVER, WeightBudget
from tercel.venues.binance_venue.rest import BANNED, GARBLED, RequestRefusedError
from tercel.venues.binance_venue.stream import JsonSocket
from tercel.venues.binance_venue.terms import ApiSigner
from tercel.venues.binance_venue.words import ErrorCode

ANSWER_S: Final = 12.0
"""How long an answer is waited for: the API gives up after 10 s (`web-socket-api.md`)."""
SETTLE_MS: Final = 10_000
"""Time after a request's window in which the matching engine may still carry it out, ms."""
MOST_JUMP_MS: Final = 86_400_000
"""A clock of the venue's that is further away than a day from what it was is never believed."""
_ORDERS_S: Final = {"SECOND": 10.0, "MINUTE": 60.0, "DAY": 60.0}


@dataclass(frozen=True)
class ApiAnswer:
    """What became of a request.

    Parameters
    ----------
    result : Any
        None where there is none.
    error : RequestRefusedError or None
    why : str
        Why nobody knows what became of it; "": it was answered.
    stamp_ms, until_ms : int
        Its timestamp, and the venue's time from when on it can no longer be carried out.
    """

    result: Any
    error: RequestRefusedError | None
    why: str
    stamp_ms: int
    until_ms: int

    @property
    def unknown(self) -> bool:
        """Whether it may have been carried out, and nobody says so."""
        return bool(self.why) or (self.error is not None and self.error.unsure)

    @property
    def code(self) -> int:
        """Binance's error code; 0: none."""
        return self.error.code if self.error is not None else 0

    @property
    def text(self) -> str:
        """What is said to people."""
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
        self.heard_ms = 0
        """The venue's time as it last said it: its clock stands there or later."""
        self.clock_off = False
        """Whether the venue refused a timestamp: its clock is to be asked for."""

    def heard_time(self, said: Any, asked_ms: int = 0) -> bool:
        """The venue said a time of its clock, ms, and whether that can be: neither clock here jumps. Asked for, it may
        have been put back; else it is not believed beyond now, and what came late changes nothing."""
        now, jump = self.now_ms(), self.jump_ms + self._more_ms
        can_be = type(said) is int and (
            (asked_ms or now) - jump <= said <= now + jump or abs(said - self.wall_ms()) <= jump
        )
        if can_be:
            self.heard_ms = said if asked_ms else max(self.heard_ms, min(said, now))
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
        """Send a request; `then` is called once, with its answer or with why there is none. See `WeightBudget.spend`.

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
        # What breaks from here on is told by the link: the request may have left.
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

    def heard(self, message: Mapping[str, Any]) -> None:
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

    def _limits(self, told: Any) -> None:
        for one in told if isinstance(told, list) else ():
            if not isinstance(one, dict):
                continue
            count, limit = one.get("count"), one.get("limit")
            if not isinstance(count, int) or not isinstance(limit, int):
                continue
            if one.get("rateLimitType") == "REQUEST_WEIGHT":
                self.budget.told(count)
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
