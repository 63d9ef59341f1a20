"""Limits of the desk, of an agent and of an instrument, as values in internal units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MONEY: Final = 2_000_000_000
"""Money is counted in integers of half a billionth of the currency: the mid lies on half a tick."""
DAY_NS: Final = 86_400 * 10**9
MS: Final = 10**6
ANY: Final = "*"
WHOLE: Final = 10_000
"""A share of one."""
Hours = tuple[int, int] | None
"""From, until (ns of the day; until before from: over midnight). None: always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """Limits common to desk, instruments and agents. `drawdown`: from the day's highest equity at a mark.

    `warn`: the share of every limit, in ten thousandths, at which people are warned.
    """

    order_lots: int
    order_value: int
    gross_value: int
    messages: int
    window_ns: int
    daily_loss: int
    drawdown: int
    warn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLimits(ScopeLimits):
    """Limits of all agents and instruments together. Values in `MONEY`; lots and messages as they are.

    `rfq_value_per_hour`: of requests for quotes, at the mid. `person_accepts`: no strategy takes a quote.
    `legged_value`: of what all pairs may have unhedged.
    """

    duplicate_ns: int
    legged_value: int = 0
    rfq_value_per_hour: int = 0
    person_accepts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits(ScopeLimits):
    """Limits of one agent; `long_lots`, `short_lots` and `executions` (of one side within `executions_ns`) in each instrument.

    `executions` 0: as many as come.
    """

    long_lots: int
    short_lots: int
    executions: int
    executions_ns: int
    legged_value: int = 0
    rfq_value_per_hour: int = 0
    person_accepts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLimits(ScopeLimits):
    """Limits of all agents together in one instrument.

    `fill_band_bps`: an execution farther from the reference is implausible (`ReportedCounts.find_implausible`).
    `dealers_per_day`: different dealers that receive requests for quotes. `quote_collar_bps`: of a quote around the mid.
    """

    long_lots: int
    short_lots: int
    collar_bps: int
    fill_band_bps: int
    reference_age_ns: int
    hours: Hours
    dealers_per_day: int = 0
    quote_collar_bps: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a desk, as read from a file.

    Parameters
    ----------
    desk : DeskLimits
    instruments, agents : mapping of name to limits
        `"*"` holds for every name that has none of its own.
    source, sha256 : str
        Where they were read, and the hash of what stood there.
    """

    desk: DeskLimits
    instruments: Mapping[str, InstrumentLimits]
    agents: Mapping[str, AgentLimits]
    source: str = "limits"
    sha256: str = ""

    def of_instrument(self, name: str) -> InstrumentLimits | None:
        """Limits of an instrument; None: trading it is not allowed."""
        return self.instruments.get(name, self.instruments.get(ANY))

    def of_agent(self, name: str) -> AgentLimits | None:
        """Limits of an agent; None: it is not allowed to trade."""
        return self.agents.get(name, self.agents.get(ANY))
