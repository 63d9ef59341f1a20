"""Budget of request weight at Binance: the weight used in the last 61 seconds, and blocks after 429 or 418.

The weight that the venue allows in a minute is not used up in any 61 seconds. The venue counts by the minute of its
clock and by address, so other programs behind the same address count too: what it reports beyond our own count is
theirs, and is held for as long. After 429 or 418 nothing leaves before Retry-After is over, or `longest_s`: then one
request tries, and the next one as much later, until one is answered. So a wrong value silences a desk for a bounded
time, and a ban is not prolonged by many requests. A kill tries at once, as often.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from tercel.core.errors import VenueError

WINDOW_S: Final = 61.0
RESERVE: Final = 0.1
"""Share of the limit that questions leave to orders and cancels."""
MOST_OVER: Final = 10
"""A count of so many times its limit is none."""


class WeightBudget:
    """Request weight used in the last 61 seconds, against the venue's limit.

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
        """Start with nothing used and no block."""
        self.limit = limit
        self._clock = clock
        self.longest_s = longest_s
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._others = 0
        self._others_until = 0.0
        self._blocked = 0.0
        self.block_reason = ""
        self._until = self._urgent = self._since = self._pause = 0.0
        """Times on the budget's clock: end of the venue's block, next try of an urgent request, last reported block; and the
        least length of the next block, s, which doubles with each in a row."""

    @property
    def used(self) -> int:
        """Weight of the last 61 seconds, ours and, as far as the venue reported, others'."""
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - WINDOW_S:
            self._sum -= self._spent.popleft()[1]
        return self._sum + (self._others if now < self._others_until else 0)

    @property
    def wait_s(self) -> float:
        """Seconds until the venue takes requests again; 0 if it takes them now."""
        return max(0.0, self._blocked - self._clock())

    def fits(self, weight: int, question: bool = False) -> bool:
        """Whether a request may leave now; a question leaves a part of the weight to orders."""
        most = int(self.limit * (1 - RESERVE)) if question else self.limit
        return not self.wait_s and self.used + weight <= most

    def spend(self, weight: int, urgent: bool = False) -> None:
        """Count a request that leaves, or raise VenueError where it may not; an urgent one may break a block, once in
        `longest_s`.

        Raises
        ------
        VenueError
            It may not: nothing was sent.
        """
        now = self._clock()
        wait = self.wait_s
        if urgent and now >= self._urgent and (now < self._until or not self.fits(weight)):
            self._urgent = now + self.longest_s
        elif wait:
            raise VenueError(
                "a venue that takes requests",
                f"{self.block_reason}; {wait:.1f} s until a try",
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

    def take_reported(self, count: int) -> None:
        """Take the venue's count of weight in its minute: the part beyond the own count belongs to other clients. An
        impossible count is ignored."""
        others = count - (self.used - (self._others if self._clock() < self._others_until else 0))
        if (
            others > 0
            and count <= MOST_OVER * self.limit
            and (others >= self._others or self._clock() >= self._others_until)
        ):
            self._others = others
            self._others_until = self._clock() + WINDOW_S

    def block(self, seconds: float, reason: str) -> None:
        """Block requests for so many seconds, as the venue demands."""
        now = self._clock()
        doubled_s = min(max(2 * self._pause, 1.0), self.longest_s)
        self._pause = doubled_s if now >= self._since + self._pause else self._pause
        self._since = now
        self.block_reason = reason
        seconds = max(seconds, self._pause)
        self._until = max(self._until, now + seconds)
        self._blocked = max(self._blocked, self._since + min(seconds, self.longest_s))

    def clear_block(self, sent_s: float) -> None:
        """End blocks from before `sent_s`, since a request sent then was accepted."""
        if sent_s > self._since:
            self._blocked = self._until = self._pause = 0.0
