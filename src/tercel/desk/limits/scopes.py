"""Counters of the scopes that limits apply to: desk, agent, instrument, and an agent's holding in an instrument.

Quantities are integers in 10^-8 of a lot, money in 10^-16 of `MONEY` (`core.orders`).
"""

import sys
from collections import deque
from typing import ClassVar, Final

from tercel.core.fixed_point import ONE, PAID_ONE
from tercel.core.vocabulary import BUY, SELL
from tercel.desk.limits.limit_sets import AgentLimits, DeskLimits, InstrumentLimits, ScopeLimits
from tercel.desk.limits.quotes import BestQuotes, OwnQuotes

NEVER_NS: Final = -sys.maxsize
HOUR_NS: Final = 3_600_000_000_000


class Scope:
    """Counters common to every scope of limits: an instrument, an agent or the desk.

    `gross` and `equity` are money at the last mids: the worst-case positions without their signs, and cash plus
    positions. `opening` is the equity at which the day began, `high` the highest at a mark since; below the `floor`
    more than `daily_loss` was lost since the day began, or more than `drawdown` since its highest. `times`: when the
    last messages left; `requests`: time and value of the last hour's requests for quotes. `warned` and `broken` are the
    limits whose warning level, or which themselves, are passed.
    """

    __slots__ = (
        *(
            "broken",
            "daily_loss",
            "drawdown",
            "equity",
            "floor",
            "gross",
            "gross_value",
            "high",
            "limits",
            "messages",
        ),
        *("name", "opening", "requests", "rfq_value", "times", "warned", "window_ns"),
    )
    room: ClassVar[str] = "desk"
    """The section of the file that limits it."""
    limits: ScopeLimits

    def __init__(self, name: str, limits: ScopeLimits) -> None:
        self.name = name
        self.gross = self.equity = self.opening = self.high = 0
        self.times: deque[int] = deque(maxlen=limits.messages)
        self.requests: deque[tuple[int, int]] = deque()
        self.warned: set[str] = set()
        self.broken: set[str] = set()
        self.adopt_limits(limits, NEVER_NS)

    def adopt_limits(self, limits: ScopeLimits, now_ns: int) -> None:
        """Adopt limits, perhaps changed ones; crossings of the old ones are forgotten.

        Only as many messages are remembered as could leave in a window. Where more may leave now, those that are not
        remembered count as if they had left with the oldest that is.
        """
        messages = limits.messages
        times = self.times
        if times.maxlen != messages:
            if len(times) == times.maxlen:
                oldest_ns = times[0] if times else now_ns
                times = deque([oldest_ns] * messages + list(times), messages)
            self.times = deque(times, messages)
        self.messages = messages
        self.window_ns = limits.window_ns
        self.gross_value = limits.gross_value * PAID_ONE
        self.daily_loss = limits.daily_loss * PAID_ONE
        self.drawdown = limits.drawdown * PAID_ONE
        self.rfq_value = (
            limits.rfq_value_per_hour if isinstance(limits, DeskLimits | AgentLimits) else 0
        )
        self.limits = limits
        self.warned.clear()
        self.broken.clear()
        self.update_floor()

    def requested_value(self, now_ns: int) -> int:
        """Value of the requests for quotes of the hour until now, `MONEY`."""
        return sum(value for ns, value in self.requests if ns > now_ns - HOUR_NS)

    @property
    def lost(self) -> int:
        """Loss since the day's opening; negative: profit."""
        return self.opening - self.equity

    @property
    def drawn(self) -> int:
        """Loss since the day's highest equity."""
        return self.high - self.equity

    def begin_day(self) -> None:
        """Start a new day of loss counting."""
        self.opening = self.high = self.equity
        self.warned.clear()
        self.broken.clear()
        self.update_floor()

    def update_high(self) -> None:
        """Raise the day's highest equity if a mark exceeded it."""
        previous = self.high
        self.high = max(self.high, self.equity)
        if self.high != previous:
            self.update_floor()

    def update_floor(self) -> None:
        """Recompute the equity floor from the day's opening and high."""
        self.floor = max(self.opening - self.daily_loss, self.high - self.drawdown)


class AgentState(Scope):
    """Counters of one agent; `stops`: why it may send nothing new, by code; `repeated`: where it executed too often."""

    __slots__ = ("repeated", "stops")
    room = "agents"
    limits: AgentLimits

    def __init__(self, name: str, limits: AgentLimits) -> None:
        super().__init__(name, limits)
        self.repeated = ""
        self.stops: dict[str, str] = {}

    @property
    def stopped(self) -> str:
        """All stop reasons joined; "" when the agent is not stopped."""
        return "; ".join(self.stops.values())


class InstrumentState(Scope):
    """Counters of one instrument over all agents, and its reference: the mid in half ticks, 0 before the first.

    It is one from `good_from_ns` to `good_until_ns`: the venue's clock and ours need not agree to the ns. The last mark
    that was one came at `sane_ns`; by the clock, marks have come since `bad_ns` that leave none.
    """

    __slots__ = (
        *(
            "bad_ns",
            "buy_quotes",
            "buys",
            "dealers",
            "exposed",
            "exposure",
            "good_from_ns",
            "good_until_ns",
        ),
        *(
            "long_qty",
            "marked_ns",
            "mid2",
            "position",
            "quotes",
            "sane",
            "sane_ns",
            "sell_quotes",
            "sells",
        ),
        *("short_qty", "unit"),
    )
    room = "instruments"
    limits: InstrumentLimits

    def __init__(self, name: str, limits: InstrumentLimits, unit: int) -> None:
        self.unit = unit
        self.position = self.buys = self.sells = self.exposure = 0
        self.quotes = BestQuotes()
        self.mid2 = 0
        self.marked_ns = self.sane_ns = self.bad_ns = NEVER_NS
        self.sane = False
        super().__init__(name, limits)
        self.buy_quotes = OwnQuotes(-1)
        self.sell_quotes = OwnQuotes(1)
        self.dealers: dict[str, None] = {}
        """Dealers that received a request for quotes today."""
        self.exposed: dict[Holding, None] = {}
        """Holdings with a worst case other than nothing."""

    def adopt_limits(self, limits: InstrumentLimits, now_ns: int) -> None:  # type: ignore[override]
        """Adopt limits as `Scope` does, and update position limits and the reference's validity."""
        super().adopt_limits(limits, now_ns)
        self.long_qty = limits.long_lots * ONE
        self.short_qty = limits.short_lots * ONE
        self.update_validity()

    def update_validity(self) -> None:
        """Set the reference's validity window around the time of its mark; empty if a side is missing or the sides meet."""
        age = self.limits.reference_age_ns
        self.good_from_ns = self.marked_ns - age
        self.good_until_ns = self.marked_ns + age if self.sane else NEVER_NS


def executions_by_side() -> dict[int, deque[int]]:
    """Empty deques of execution times for both sides."""
    return {BUY: deque(), SELL: deque()}


class Holding:
    """One agent's position in one instrument, its open buys and sells, and the worst-case exposure.

    `times` are those of its last executions by side, as many as may come in a window.
    """

    __slots__ = (
        *(
            "agent",
            "buys",
            "exposure",
            "instrument",
            "long_qty",
            "order_lots",
            "order_value",
            "position",
        ),
        *("scopes", "sells", "short_qty", "times"),
    )

    def __init__(
        self, instrument: InstrumentState, agent: AgentState, desk: Scope, limits: DeskLimits
    ) -> None:
        self.instrument = instrument
        self.agent = agent
        self.scopes: tuple[Scope, Scope, Scope] = (agent, instrument, desk)
        self.position = self.buys = self.sells = self.exposure = 0
        self.times = executions_by_side()
        self.adopt_limits(limits)

    def adopt_limits(self, limits: DeskLimits) -> None:
        """Adopt the agent's position limits, and the least of the order sizes and values of instrument, agent and desk."""
        agent = self.agent.limits
        instrument = self.instrument.limits
        self.long_qty = agent.long_lots * ONE
        self.short_qty = agent.short_lots * ONE
        limit_sets = (instrument, agent, limits)
        self.order_lots = min(each.order_lots for each in limit_sets)
        self.order_value = min(each.order_value for each in limit_sets)

    def record_execution(self, side: int, ns: int) -> int:
        """Record an execution of a side at a time; returns the number of executions in the window that ends there."""
        times = self.times[side]
        limits = self.agent.limits
        ns = max(ns, times[-1]) if times else ns
        while times and times[0] <= ns - limits.executions_ns:
            times.popleft()
        times.append(ns)
        return len(times)
