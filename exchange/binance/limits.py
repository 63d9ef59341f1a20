"""Rate limits of the exchange: request weight of an address, unfilled orders of an account, bans.

An interval begins at a whole multiple of its length. Source: `rest-api.md`, "LIMITS".
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from exchange.binance.words import BAN_MS, BinanceError, rate_limits
from tercel.venues.binance_venue import ErrorCode

MINUTE_MS: Final = 60_000
TEN_SECONDS_MS: Final = 10_000
DAY_MS: Final = 86_400_000
PATIENCE: Final = 20
"""Requests after a 429 in the same minute that bring a ban."""


@dataclass(frozen=True)
class RateLimits:
    """How much may be asked: weight a minute, orders in ten seconds and a day, requests in five minutes.

    And messages that a connection of market streams may send in a second.
    """

    weight: int = 6000
    orders: int = 100
    orders_a_day: int = 200_000
    requests: int = 61_000
    messages: int = 5

    def to_rows(self) -> list[dict[str, Any]]:
        """As `exchangeInfo` has them."""
        return rate_limits(self.weight, self.orders, self.orders_a_day, self.requests)


@dataclass
class RateUsage:
    """What was used of the limits.

    Parameters
    ----------
    limits : RateLimits
    now_ms : callable
        The time of day, ms since 1970.

    >>> usage = RateUsage(RateLimits(weight=10), lambda: 60_000)
    >>> usage.ask("127.0.0.1", 10)
    10
    """

    limits: RateLimits
    now_ms: Callable[[], int]
    _used: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By address: the minute, weight in it, refusals in it."""
    _raw: dict[str, tuple[int, int]] = field(default_factory=dict)
    _banned: dict[str, int] = field(default_factory=dict)
    _orders: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """By account: ten seconds and orders in them, day and orders in it."""
    refused: Counter[int] = field(default_factory=Counter)
    """Requests that were refused, by status."""

    def ask(self, address: str, weight: int) -> int:
        """Use weight; how much was used in this minute.

        Raises
        ------
        BinanceError
            -1003, with status 429 or 418.
        """
        now = self.now_ms()
        if (until := self._banned.get(address, 0)) > now:
            raise self._ban(until)
        minute = now // MINUTE_MS
        last_minute, used, refusals = self._used.get(address, (minute, 0, 0))
        if last_minute != minute:
            used = 0
            refusals = 0
        five, count = self._raw.get(address, (now // (5 * MINUTE_MS), 0))
        count = count + 1 if five == now // (5 * MINUTE_MS) else 1
        self._raw[address] = now // (5 * MINUTE_MS), count
        if used + weight <= self.limits.weight and count <= self.limits.requests:
            self._used[address] = minute, used + weight, refusals
            return used + weight
        self._used[address] = minute, used, refusals + 1
        if refusals + 1 > PATIENCE:
            self._banned[address] = now + BAN_MS
            raise self._ban(now + BAN_MS)
        self.refused[429] += 1
        raise BinanceError(
            ErrorCode.TOO_MANY_REQUESTS,
            f"Too much request weight used; current limit is {self.limits.weight} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
            retry_ms=(minute + 1) * MINUTE_MS,
        )

    def _ban(self, until: int) -> BinanceError:
        self.refused[418] += 1
        return BinanceError(
            ErrorCode.TOO_MANY_REQUESTS,
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            418,
            retry_ms=until,
        )

    def used_weight(self, address: str) -> int:
        """Weight used in this minute."""
        last_minute, used, _ = self._used.get(address, (0, 0, 0))
        return used if last_minute == self.now_ms() // MINUTE_MS else 0

    def orders(self, account: str) -> tuple[int, int]:
        """Orders of an account in these ten seconds and this day."""
        now = self.now_ms()
        tens, ten, days, day = self._orders.get(account, (0, 0, 0, 0))
        return ten if tens == now // TEN_SECONDS_MS else 0, day if days == now // DAY_MS else 0

    def order(self, account: str) -> None:
        """Count a new order.

        Raises
        ------
        BinanceError
            -1015.
        """
        now = self.now_ms()
        (ten, day), limits = self.orders(account), self.limits
        for count, most, length, name in (
            (ten, limits.orders, TEN_SECONDS_MS, "10 SECOND"),
            (day, limits.orders_a_day, DAY_MS, "1 DAY"),
        ):
            if count >= most:
                self.refused[429] += 1
                msg = f"Too many new orders; current limit is {most} orders per {name}."
                raise BinanceError(
                    ErrorCode.TOO_MANY_ORDERS, msg, 429, retry_ms=(now // length + 1) * length
                )
        self._orders[account] = now // TEN_SECONDS_MS, ten + 1, now // DAY_MS, day + 1

    def record_fill(self, account: str) -> None:
        """An order was filled: it counts no more ("Spot Unfilled Order Count Rules")."""
        (ten, day), now = self.orders(account), self.now_ms()
        self._orders[account] = (
            now // TEN_SECONDS_MS,
            max(ten - 1, 0),
            now // DAY_MS,
            max(day - 1, 0),
        )

    def rows(self, address: str, account: str) -> list[dict[str, Any]]:
        """`rateLimits` of an answer of the WebSocket API; orders where there is an account."""
        weight = self.limits.to_rows()[0]
        weight_rows = [weight | {"count": self.used_weight(address)}]
        return [*self.order_rows(account), *weight_rows] if account else weight_rows

    def order_rows(self, account: str) -> list[dict[str, Any]]:
        """`rateLimit/order`."""
        _, ten, day, _ = self.limits.to_rows()
        counts = self.orders(account)
        return [ten | {"count": counts[0]}, day | {"count": counts[1]}]
