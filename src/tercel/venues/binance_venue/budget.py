"""Request weight: what may be asked now. What the venue allows in a minute is not used up in any 61 seconds.

The venue counts by the minute of its clock and by address, so others behind the same address count too: what it says
beyond our own count is theirs, and is held for as long. After 429 or 418 nothing leaves before Retry-After is over.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from tercel.core.errors import VenueError

WINDOW_S: Final = 61.0
KEPT: Final = 0.1
"""Share of the limit that questions leave to orders and cancels."""


class WeightBudget:
    """What is left of the request weight.

    Parameters
    ----------
    limit : int
        Weight a minute.
    clock : callable
        Seconds that never go back.

    >>> budget = WeightBudget(10, lambda: 0.0)
    >>> budget.spend(8), budget.fits(3), budget.fits(1)
    (None, False, True)
    """

    def __init__(self, limit: int = 6000, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self._clock = limit, clock
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._others, self._others_until = 0, 0.0
        self._blocked, self.why = 0.0, ""
        self.most = 0
        """Most that was used in a window."""

    @property
    def used(self) -> int:
        """Weight of the last 61 seconds, ours and, as far as the venue told, others'."""
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
        most = int(self.limit * (1 - KEPT)) if question else self.limit
        return not self.wait_s and self.used + weight <= most

    def spend(self, weight: int) -> None:
        """Count a request that leaves.

        Raises
        ------
        VenueError
            It may not: nothing was sent.
        """
        if wait := self.wait_s:
            raise VenueError("a venue that takes requests", f"{self.why}; {wait:.1f} s are left", "wait until then")
        if self.used + weight > self.limit:
            received = f"{self.used} used and {weight} more"
            raise VenueError(f"at most {self.limit} request weight a minute", received, "send less")
        self._spent.append((self._clock(), weight))
        self._sum += weight
        self.most = max(self.most, self.used)

    def told(self, count: int) -> None:
        """The venue says what was used in its minute: what is beyond our own count is others'."""
        others = count - (self.used - (self._others if self._clock() < self._others_until else 0))
        if others > 0 and (others >= self._others or self._clock() >= self._others_until):
            self._others, self._others_until = others, self._clock() + WINDOW_S

    def block(self, seconds: float, why: str) -> None:
        """Nothing leaves for so long."""
        self._blocked, self.why = max(self._blocked, self._clock() + seconds), why
