"""Days on which a market is scored, and the simulated stretches compared with them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.observed import Observed, observe
from tercel.market.simulator.days import observed_day
from tercel.market.tape import Events, Instrument

SKIP_S = 900.0
"""Seconds left out at the opening of every real day."""
LEAST_SESSION_S = 7200.0
"""A shorter session (minutes of a market that never closes, a holiday) has no opening to leave out."""
WARMUP_S = 600.0
"""Seconds that a simulated market runs before it is looked at."""
HALF_HOUR_NS = 1800 * NS_PER_SECOND
LEVELS = 5


@dataclass(frozen=True, eq=False)
class Day:
    """A day of tape and the stretch of it in use, seconds after its opening (None: the session's bounds)."""

    instrument: Instrument
    events: Events
    from_s: float | None = None
    to_s: float | None = None

    @property
    def label(self) -> str:
        """Date, and the stretch where it is not the whole session."""
        if self.from_s is None and self.to_s is None:
            return self.instrument.date
        start, end = self.stretch_s
        return f"{self.instrument.date} [{start:g} to {end:g} s]"

    @property
    def session_s(self) -> float:
        """Length of the session."""
        opening, close = self.instrument.session(self.events.exch_ns)
        return (close - opening) / NS_PER_SECOND

    @property
    def skip_s(self) -> float:
        """Seconds left out at the opening."""
        return SKIP_S if self.session_s >= LEAST_SESSION_S else 0.0

    @property
    def stretch_s(self) -> tuple[float, float]:
        """Start and end of the stretch, seconds after the opening, skipped minutes excluded."""
        end = self.session_s if self.to_s is None else min(self.to_s, self.session_s)
        return max(self.skip_s, self.from_s or 0.0), end

    def seen(self) -> Observed:
        """Observed events of the day."""
        return observe(self.instrument, self.events, self.skip_s, LEVELS, self.from_s, self.to_s)


@dataclass(frozen=True)
class Stretch:
    """Frame of a real stretch: start (seconds after the opening), length, levels shown."""

    label: str
    from_s: float
    seconds: float
    window: int


def half_hours(days: Sequence[Observed], odd: bool) -> list[Observed]:
    """Alternating half hours; parity changes daily, so that no hour is always on one side."""
    found = []
    for number, day in enumerate(days):
        first, last = (
            (day.start_ns - day.open_ns) // HALF_HOUR_NS,
            (day.stop_ns - 1 - day.open_ns) // HALF_HOUR_NS,
        )
        for half in range(first, last + 1):
            if (number + half) % 2 == odd:
                start = day.open_ns + half * HALF_HOUR_NS
                found.append(
                    day.part(max(start, day.start_ns), min(start + HALF_HOUR_NS, day.stop_ns))
                )
    return found


def simulated(
    preset: Preset, seed: int, like: Observed | Stretch, warmup_s: float = WARMUP_S
) -> Observed:
    """A simulated stretch of a real one's length and time of day, through the same window of levels."""
    seen = observed_day(preset, seed, like.seconds, warmup_s, like.from_s, like.window)
    return replace(seen, open_ns=seen.start_ns - round(like.from_s * NS_PER_SECOND))


def of_one_market(preset: Preset, days: Sequence[Day]) -> None:
    """Refuse days whose tick differs from the preset's.

    Raises
    ------
    ConfigError
        No days, or prices in other units than the preset's.
    """
    if not days:
        raise ConfigError(
            "at least one day to compare with", "none", "name days that the lake holds"
        )
    for day in days:
        if day.instrument.tick != preset.tick:
            raise ConfigError(
                f"days with the tick of {preset.name}, {preset.tick:g}",
                f"{day.instrument.tick:g} on {day.instrument.symbol} {day.label}",
                f"import them again with `tick={preset.tick:g}` `replace=True`, or name a preset of their tick",
            )
