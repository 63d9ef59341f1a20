"""Time of a venue, reckoned by the clock here: measured at logon, set again by what the venue says of it."""

import time
from collections.abc import Callable
from typing import Final

from tercel.venues.binance_venue.api import MS

NS_PER_S: Final = 1_000_000_000


class VenueClock:
    """The venue's time.

    Parameters
    ----------
    wall, steady : callable
        ns since 1970, compared with the venue's clock; ns that never go back, by which its time is reckoned.

    >>> clock = VenueClock(lambda: 0, lambda: 5_000_000)
    >>> clock.set_time(7_000_000, 0.0)
    >>> clock.now_ms(), clock.stamp(6_000_000), clock.stamp(1)
    (7, 6000000, 6000000)
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.wall = wall
        self.steady = steady
        self.offset_ns = 0
        """Of the venue's clock to the steady one."""
        self.ahead_ns = 0
        """Certain lead of the wall clock over the venue's; negative: behind, 0: none is certain."""
        self._last_ns = 0

    def now_ms(self) -> int:
        """The venue's time, ms."""
        return (self.steady() + self.offset_ns) // MS

    def wall_ms(self) -> int:
        """This machine's time, ms."""
        return self.wall() // MS

    def stamp(self, ns: int) -> int:
        """A venue time for an event of time `ns` (0: now), neither ahead of now nor before the last one given."""
        now = self.steady() + self.offset_ns
        self._last_ns = max(self._last_ns, min(ns or now, now))
        return self._last_ns

    def set_time(self, venue_ns: int, took_s: float) -> None:
        """Set the clock by a time that the venue reported, ns, in an answer that took so many seconds."""
        took_ns = round(took_s * NS_PER_S)
        # late by as long as the answer took, at most: within that it stays
        offset = venue_ns - self.steady()
        self.offset_ns = min(max(self.offset_ns, offset), offset + took_ns)
        self.ahead_ns = certain_lead(self.wall() - took_ns // 2 - venue_ns, took_ns)


def certain_lead(ahead_ns: int, took_ns: int) -> int:
    """Lead of a clock that is certain though its measurement took `took_ns`; negative if behind, 0 if within half of that time.

    >>> certain_lead(500, 200), certain_lead(-500, 200), certain_lead(50, 200)
    (400, -400, 0)
    """
    return max(abs(ahead_ns) - took_ns // 2, 0) * (1 if ahead_ns > 0 else -1)
