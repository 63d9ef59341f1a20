"""Clock of a simulated venue: its time runs at a multiple of the wall clock's."""

from typing import Final

from tercel.core.errors import refuse_if
from tercel.core.ports import Clock

LONGEST_NS: Final = 100_000_000
"""Longest sleep at once, so that Ctrl-C and the kill watch are noticed."""
FASTEST: Final = 1e6


class Pace:
    """Clock of a simulated venue that runs at `speed` venue seconds a wall-clock second, from :meth:`begin` on.

    Parameters
    ----------
    clock : Clock
    speed : float
        Venue seconds a second; an attribute, too.

    Raises
    ------
    ConfigError
        A speed that is none.
    """

    def __init__(self, clock: Clock, speed: float = 1.0) -> None:
        refuse_if(
            not 0 < speed <= FASTEST,
            "a speed above 0 and at most a million",
            f"{speed}",
            "1 is real time",
        )
        self._clock = clock
        self.speed = speed
        self._began = (0, 0)

    def begin(self, venue_ns: int) -> None:
        """Start the venue's clock now at `venue_ns`."""
        self._began = self._clock.now_ns(), venue_ns

    @property
    def now_ns(self) -> int:
        """Current time of the venue, ns."""
        clock_ns, venue_ns = self._began
        return venue_ns + int((self._clock.now_ns() - clock_ns) * self.speed)

    def wait(self, until_ns: int) -> int:
        """Sleep until the venue's time `until_ns`, at most 0.1 s of wall clock; return `until_ns`, or the time reached."""
        ahead_ns = round((until_ns - self.now_ns) / self.speed)
        if ahead_ns > 0:
            self._clock.sleep_ns(min(ahead_ns, LONGEST_NS))
        return min(self.now_ns, until_ns) if ahead_ns > LONGEST_NS else until_ns
