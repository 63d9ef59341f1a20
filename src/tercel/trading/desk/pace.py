"""A stepped venue slowed down to a person's time."""

from typing import Any, cast

from tercel.core.errors import ConfigError
from tercel.core.orders import VenueEvent
from tercel.core.ports import Clock, Venue

LONGEST_NS = 100_000_000
"""Longest sleep at once, so that Ctrl-C and the kill watch are noticed."""


class PacedVenue:
    """A venue whose steps wait until a clock has got there; everything else is the venue's own.

    Parameters
    ----------
    venue : Venue
        Stepped: its time passes in `step` alone.
    clock : Clock
    speed : float
        Venue seconds a second.
    """

    def __init__(self, venue: Venue, clock: Clock, speed: float) -> None:
        if not speed > 0:
            raise ConfigError("a speed above 0", f"{speed}", "1 is real time")
        self._venue, self._clock, self._speed = venue, clock, speed
        self._venue_ns, self._clock_ns = venue.now_ns, clock.now_ns()

    @property
    def venue(self) -> Venue:
        """Itself, as the port that it is."""
        return cast(Venue, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See `core.ports.Venue`; returns early, with nothing, after a tenth of a second."""
        due = self._clock_ns + round((until_ns - self._venue_ns) / self._speed)
        early = due - self._clock.now_ns()
        if early > LONGEST_NS:
            self._clock.sleep_ns(LONGEST_NS)
            passed = round((self._clock.now_ns() - self._clock_ns) * self._speed)
            return self._venue.step(min(max(self._venue_ns + passed, self._venue.now_ns), until_ns))
        if early > 0:
            self._clock.sleep_ns(early)
        return self._venue.step(until_ns)
