"""A simulated venue's time by a clock: so many of its seconds pass in one."""

from typing import Final

from tercel.core.errors import ConfigError
from tercel.core.ports import Clock

LONGEST_NS: Final = 100_000_000
"""Longest sleep at once, so that Ctrl-C and the kill watch are noticed."""
FASTEST: Final = 1e6


class Pace:
    """Speed of a venue's time against the wall clock, from :meth:`begin` on.

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
        if not 0 < speed <= FASTEST:
            raise ConfigError("a speed above 0 and at most a million", f"{speed}", "1 is real time")
        self._clock = clock
        self.speed = speed
        self._began = (0, 0)

    def begin(self, venue_ns: int) -> None:
        """Start the venue's time now."""
        self._began = self._clock.now_ns(), venue_ns

    @property
    def now_ns(self) -> int:
        """Current time of the venue, ns."""
        clock_ns, venue_ns = self._began
        return venue_ns + int((self._clock.now_ns() - clock_ns) * self.speed)

    def wait(self, until_ns: int) -> int:
        """Sleep until a time of the venue, a tenth of a second at most; the time that it has come to by then."""
        early = round((until_ns - self.now_ns) / self.speed)
        if early > 0:
            self._clock.sleep_ns(min(early, LONGEST_NS))
        return min(self.now_ns, until_ns) if early > LONGEST_NS else until_ns
