"""Monitoring of limit usage: warnings near a limit, and breaches that stop agents.

A *warning* is said once, when so much of a limit is used as its section's `warn` says, and *cleared* once less than
nine tenths of that are. A *breach* stops agents: the day's loss or drawdown past its limit (an agent's: the agent; an
instrument's: agents that hold or work it; the desk's: all), a position whose mark has grown old (its holders), and too many
executions (the agent). It comes once too; another comes after the warning was cleared, on another day, under other limits.
"""

from collections import deque
from typing import Final, NamedTuple

from tercel.core.fixed_point import ONE, PAID_ONE, to_number
from tercel.core.venue_rules import NO_RULES
from tercel.desk.limits.scopes import NEVER_NS, AgentState, InstrumentState, Scope
from tercel.desk.limits.state import LimitCounts
from tercel.desk.limits.units import DAY_NS, MONEY, MS, WHOLE, Hours

CLEARED_TENTHS: Final = 9
"""Tenths of the warning level below which a warning is cleared."""
EVERYBODY: Final = "*"
"""Name of all agents in `Crossing.agents`."""
BLIND = "seconds_without_reference"
BLIND_NS = 2_000_000_000
"""Name of the warning, and ns after which people are warned of market data that allow no order: crossed, lost, or old."""


class Crossing(NamedTuple):
    """A limit or its warning level that was passed, or the usage that fell back below it.

    Parameters
    ----------
    event : {"warning", "cleared", "breach"}
    room, name : str
        Whose limit: "desk", "agents" or "instruments", and which of them.
    limit : str
        As :meth:`LimitGate.usage` calls it.
    used, of : float
        In the units of the file.
    agents : tuple of str
        Whom a breach stops; `EVERYBODY`: all.
    """

    event: str
    room: str
    name: str
    limit: str
    used: float
    of: float
    agents: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The crossing as one line for people.

        >>> Crossing("breach", "agents", "twap", "daily_loss", 12.5, 10.0, ("twap",)).text
        'daily_loss of agent twap: 12.50 of 10.00'
        """
        scope_name = "the desk" if self.room == "desk" else f"{self.room[:-1]} {self.name}"
        used, of = (
            f"{value:.2f}" if isinstance(value, float) else str(value)
            for value in (self.used, self.of)
        )
        return f"{self.limit} of {scope_name}: {used} of {of}"


class Gauge(NamedTuple):
    """Usage of one limit: `used` of `most`, shown in units of `unit`; `limit_unit` is the rounding unit of the limit."""

    limit: str
    used: int
    most: int
    unit: int
    limit_unit: int = 1

    def level(self, warn: int) -> int:
        """Usage from which on people are warned; `warn` is a share in ten thousandths."""
        return max(1, -(self.most // self.limit_unit * warn // -WHOLE)) * self.limit_unit

    def to_file_units(self, value: int) -> float:
        """A value in the limit file's units."""
        if self.unit == ONE:
            return to_number(value)
        return value if self.unit == 1 else value / self.unit


def count_since(times: deque[int], since_ns: int) -> int:
    """Number of times later than `since_ns` in an ascending deque.

    >>> count_since(deque([3, 5, 8]), 5), count_since(deque([3, 5, 8]), 2)
    (1, 3)
    """
    for n, ns in enumerate(reversed(times)):
        if ns <= since_ns:
            return n
    return len(times)


def gauges(gate: LimitCounts, scope: Scope, now_ns: int) -> list[Gauge]:
    """Gauges of all limits of a scope that are used up gradually."""
    amount = MONEY * PAID_ONE, PAID_ONE
    messages = count_since(scope.times, now_ns - scope.window_ns)
    found = [
        Gauge("gross_value", max(0, scope.gross), scope.gross_value, *amount),
        Gauge("daily_loss", max(0, scope.lost), scope.daily_loss, *amount),
        Gauge("drawdown", max(0, scope.drawn), scope.drawdown, *amount),
        Gauge("messages", messages, scope.messages, 1),
    ]
    if scope.rfq_value:
        requested = scope.requested_value(now_ns)
        found.append(Gauge("rfq_value_per_hour", requested, scope.rfq_value, MONEY))
    if isinstance(scope, InstrumentState | AgentState):
        holdings = [scope] if isinstance(scope, InstrumentState) else gate.holdings_of[scope.name]
        longest = max([0, *(each.position + each.buys for each in holdings)])
        shortest = max([0, *(each.sells - each.position for each in holdings)])
        found += (
            Gauge("long_lots", longest, scope.limits.long_lots * ONE, ONE, ONE),
            Gauge("short_lots", shortest, scope.limits.short_lots * ONE, ONE, ONE),
        )
    if isinstance(scope, InstrumentState):
        age_ns = _age_ns(gate, scope, now_ns)
        found.append(Gauge("reference_age_ms", age_ns, scope.limits.reference_age_ns, MS))
    elif isinstance(scope, AgentState) and scope.limits.executions:
        every = [times for h in gate.holdings_of[scope.name] for times in h.times.values()]
        times = max(every, key=len, default=deque())
        executions = count_since(times, now_ns - scope.limits.executions_ns)
        found.append(Gauge("executions", executions, scope.limits.executions, 1))
    return found


def _age_ns(gate: LimitCounts, instrument: InstrumentState, now_ns: int) -> int:
    """Age of the mark of a position while the instrument may be traded; 0 without a position or outside trading hours.

    It counts from the first time that somebody watched, at the earliest, and from the opening.
    """
    opened_ns = opening_ns(instrument.limits.hours, now_ns)
    window_ns = gate.rules.get(instrument.name, NO_RULES).opened_ns(now_ns)
    if instrument.name not in gate.held or opened_ns is None or window_ns is None:
        return 0
    return max(0, now_ns - max(instrument.sane_ns, gate.watched_ns, opened_ns, window_ns))


def opening_ns(hours: Hours, now_ns: int) -> int | None:
    """Start of the trading hours that contain a time; None outside of them, `NEVER_NS` where trading is always allowed.

    >>> opening_ns((100, 200), 5 * DAY_NS + 130) == 5 * DAY_NS + 100, opening_ns((100, 200), 200), opening_ns(None, 5) == NEVER_NS
    (True, None, True)
    """
    if hours is None:
        return NEVER_NS
    after_ns = (now_ns - hours[0]) % DAY_NS
    return now_ns - after_ns if after_ns < (hours[1] - hours[0]) % DAY_NS else None


def crossings(gate: LimitCounts, now_ns: int, warnings: bool) -> list[Crossing]:
    """Crossings since the last call, warnings cleared included; agents of a breach are stopped."""
    if gate.watched_ns == NEVER_NS:
        gate.watched_ns = now_ns
    crossed: list[Crossing] = []
    for scope in gate.scopes():
        suspect = scope.broken or scope.equity < scope.floor or _may_breach(gate, scope, now_ns)
        if suspect or (warnings and _is_near(gate, scope, now_ns)):
            for gauge in gauges(gate, scope, now_ns):
                crossed += _update_warning(scope, gauge)
                crossed += _check_breach(scope, gauge)
    for instrument in gate.instruments.values():
        blind_ns = 0 if instrument.bad_ns == NEVER_NS else now_ns - instrument.bad_ns
        if (blind_ns >= BLIND_NS) != (BLIND in instrument.warned):
            instrument.warned ^= {BLIND}
            crossed.append(
                Crossing(
                    "warning" if blind_ns else "cleared",
                    instrument.room,
                    instrument.name,
                    BLIND,
                    blind_ns / 1e9,
                    BLIND_NS / 1e9,
                )
            )
    for crossing in crossed:
        if crossing.event == "breach":
            for agent in gate.agents.values():
                if agent.name in crossing.agents or EVERYBODY in crossing.agents:
                    agent.stops.setdefault(crossing.limit, crossing.text)
    return crossed


def _may_breach(gate: LimitCounts, scope: Scope, now_ns: int) -> bool:
    """Whether a scope may have a breach other than of its losses: an old mark, or too many executions."""
    if isinstance(scope, InstrumentState):
        return now_ns > scope.good_until_ns and scope.name in gate.held
    return isinstance(scope, AgentState) and scope.repeated != ""


def _is_near(gate: LimitCounts, scope: Scope, now_ns: int) -> bool:
    """Whether some limit is at its warning level, or has a warning that is not cleared."""
    return bool(scope.warned) or any(
        gauge.used >= gauge.level(scope.limits.warn) for gauge in gauges(gate, scope, now_ns)
    )


def _update_warning(scope: Scope, gauge: Gauge) -> list[Crossing]:
    """Crossing of a gauge's warning level, up or down, as a list; [] without one."""
    level = gauge.level(scope.limits.warn)
    limit = gauge.limit
    if limit in scope.warned:
        if gauge.used >= -(level * CLEARED_TENTHS // -10):
            return []
        scope.warned.discard(limit)
        scope.broken.discard(limit)
        return [_crossing("cleared", scope, gauge)]
    if gauge.used < level:
        return []
    scope.warned.add(limit)
    return [_crossing("warning", scope, gauge)]


def _crossing(event: str, scope: Scope, gauge: Gauge, agents: tuple[str, ...] = ()) -> Crossing:
    """Crossing of a gauge in the limit file's units."""
    return Crossing(
        event,
        scope.room,
        scope.name,
        gauge.limit,
        gauge.to_file_units(gauge.used),
        gauge.to_file_units(gauge.most),
        agents,
    )


def _check_breach(scope: Scope, gauge: Gauge) -> list[Crossing]:
    """Breach of a gauge's limit if newly passed, as a list; [] otherwise, and for limits whose passing stops no agent."""
    limit = gauge.limit
    if limit in ("daily_loss", "drawdown", "reference_age_ms"):
        is_passed = gauge.used > gauge.most
    else:
        is_passed = limit == "executions" and isinstance(scope, AgentState) and scope.repeated != ""
    if not is_passed or limit in scope.broken:
        return []
    scope.broken.add(limit)
    return [_crossing("breach", scope, gauge, _agents_to_stop(scope, limit))]


def _agents_to_stop(scope: Scope, limit: str) -> tuple[str, ...]:
    """Names of the agents that a breach of a scope's limit stops."""
    if isinstance(scope, InstrumentState):
        is_old = limit == "reference_age_ms"
        return tuple(sorted({h.agent.name for h in scope.exposed if h.position or not is_old}))
    return (scope.name,) if isinstance(scope, AgentState) else (EVERYBODY,)
