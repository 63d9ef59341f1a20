"""Monitoring of limit usage: warnings near a limit, and breaches that stop agents.

A *warning* is said once, when so much of a limit is used as its section's `warn` says, and *cleared* once less than
nine tenths of that are. A *breach* stops agents: the day's loss or drawdown past its limit (an agent's: the agent; an
instrument's: agents that hold or work it; the desk's: all), a position whose mark has grown old (its holders), and too many
executions (the agent). It comes once too; another comes after the warning was cleared, on another day, under other limits.
"""

from collections import deque
from collections.abc import Iterator
from operator import ge
from typing import Final, NamedTuple

from tercel.core.orders import ONE, PAID_ONE, shown
from tercel.desk.limits.file import DAY_NS, MONEY, MS, WHOLE, Hours
from tercel.desk.limits.state import NEVER_NS, AgentState, InstrumentState, LimitCounts, Scope

CLEARED: Final = 9, 10
"""Share of the warning level, as numerator and denominator, below which a warning is cleared."""
EVERYBODY: Final = "*"
"""Name of all agents in `Crossing.agents`."""
BLIND, BLIND_NS = "seconds_without_reference", 2_000_000_000
"""Name of the warning, and ns after which people are warned of market data that allow no order: crossed, lost, or old."""


class Crossing(NamedTuple):
    """A limit or its warning level was crossed, or the usage has fallen back below it.

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
        """One line for people.

        >>> Crossing("breach", "agents", "twap", "daily_loss", 12.5, 10.0, ("twap",)).text
        'daily_loss of agent twap: 12.50 of 10.00'
        """
        who = "the desk" if self.room == "desk" else f"{self.room[:-1]} {self.name}"
        used, of = (
            f"{value:.2f}" if isinstance(value, float) else str(value)
            for value in (self.used, self.of)
        )
        return f"{self.limit} of {who}: {used} of {of}"


class Gauge(NamedTuple):
    """Usage of one limit: `used` of `most`, shown in units of `unit`; `one` is a unit of the limit."""

    limit: str
    used: int
    most: int
    unit: int
    one: int = 1

    def level(self, warn: int) -> int:
        """Usage from which on a warning is given."""
        return max(1, -(self.most // self.one * warn // -WHOLE)) * self.one

    def shown(self, value: int) -> float:
        """A value in the limit file's units."""
        if self.unit == ONE:
            return shown(value)
        return value if self.unit == 1 else value / self.unit


def amounts(gate: LimitCounts, scope: Scope, now_ns: int) -> list[int]:
    """Used amounts of a scope's limits, in the order of :func:`gauges`; negative means none."""
    used = [scope.gross, scope.lost, scope.drawn, within(scope.times, now_ns - scope.window_ns)]
    if scope.rfq_value:
        used.append(scope.requested(now_ns))
    if isinstance(scope, InstrumentState):
        used += (
            scope.position + scope.buys,
            scope.sells - scope.position,
            _age_ns(gate, scope, now_ns),
        )
    elif isinstance(scope, AgentState):
        held = gate.holdings_of[scope.name]
        used.append(max([0, *(h.position + h.buys for h in held)]))
        used.append(max([0, *(h.sells - h.position for h in held)]))
        if scope.limits.executions:
            times = max((side for h in held for side in h.times.values()), key=len, default=deque())
            used.append(within(times, now_ns - scope.limits.executions_ns))
    return used


def within(times: deque[int], since_ns: int) -> int:
    """Number of times later than `since_ns` in an ascending deque.

    >>> within(deque([3, 5, 8]), 5), within(deque([3, 5, 8]), 2)
    (1, 3)
    """
    for n, ns in enumerate(reversed(times)):
        if ns <= since_ns:
            return n
    return len(times)


def gauges(gate: LimitCounts, scope: Scope, now_ns: int) -> Iterator[Gauge]:
    """Gauges of all limits of a scope that are used up gradually."""
    amount = MONEY * PAID_ONE, PAID_ONE
    limits: list[tuple[str, int, int, int]] = [
        ("gross_value", scope.gross_value, *amount),
        ("daily_loss", scope.daily_loss, *amount),
        ("drawdown", scope.drawdown, *amount),
        ("messages", scope.messages, 1, 1),
    ]
    if scope.rfq_value:
        limits.append(("rfq_value_per_hour", scope.rfq_value, MONEY, 1))
    if isinstance(scope, InstrumentState | AgentState):
        limits.append(("long_lots", scope.limits.long_lots * ONE, ONE, ONE))
        limits.append(("short_lots", scope.limits.short_lots * ONE, ONE, ONE))
    if isinstance(scope, InstrumentState):
        limits.append(("reference_age_ms", scope.limits.reference_age_ns, MS, 1))
    elif isinstance(scope, AgentState) and scope.limits.executions:
        limits.append(("executions", scope.limits.executions, 1, 1))
    for used, (limit, most, unit, one) in zip(amounts(gate, scope, now_ns), limits, strict=True):
        yield Gauge(limit, max(0, used), most, unit, one)


def _age_ns(gate: LimitCounts, at: InstrumentState, now_ns: int) -> int:
    """Age of the mark of a position while the instrument may be traded; 0 without a position.

    It counts from the first time that somebody watched, at the earliest, and from the opening.
    """
    opened_ns = opened(at.limits.hours, now_ns)
    if at.name not in gate.held or opened_ns is None:
        return 0
    return max(0, now_ns - max(at.sane_ns, gate.watched_ns, opened_ns))


def opened(hours: Hours, now_ns: int) -> int | None:
    """Start of the trading hours that contain a time; None outside of them.

    >>> opened((100, 200), 5 * DAY_NS + 130) == 5 * DAY_NS + 100, opened((100, 200), 200), opened(None, 5) == NEVER_NS
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
    found: list[Crossing] = []
    for scope in gate.scopes():
        suspect = scope.broken or scope.equity < scope.floor or _suspect(gate, scope, now_ns)
        if suspect or (warnings and _near(gate, scope, now_ns)):
            for gauge in gauges(gate, scope, now_ns):
                found += _warned(scope, gauge)
                found += _broken(scope, gauge)
    for at in gate.instruments.values():
        blind_ns = 0 if at.bad_ns == NEVER_NS else now_ns - at.bad_ns
        if (blind_ns >= BLIND_NS) != (BLIND in at.warned):
            at.warned ^= {BLIND}
            found.append(
                Crossing(
                    "warning" if blind_ns else "cleared",
                    at.room,
                    at.name,
                    BLIND,
                    blind_ns / 1e9,
                    BLIND_NS / 1e9,
                )
            )
    for crossing in found:
        if crossing.event == "breach":
            for agent in gate.agents.values():
                if agent.name in crossing.agents or EVERYBODY in crossing.agents:
                    agent.stops.setdefault(crossing.limit, crossing.text)
    return found


def _suspect(gate: LimitCounts, scope: Scope, now_ns: int) -> bool:
    """Whether a scope may have a breach of its own kind: an old mark, too many executions."""
    if isinstance(scope, InstrumentState):
        return now_ns > scope.good_until_ns and scope.name in gate.held
    return isinstance(scope, AgentState) and scope.repeated != ""


def _near(gate: LimitCounts, scope: Scope, now_ns: int) -> bool:
    """Whether some limit is at its warning level, or was."""
    if not scope.levels:
        scope.levels = tuple(gauge.level(scope.warn) for gauge in gauges(gate, scope, now_ns))
    return bool(scope.warned) or any(map(ge, amounts(gate, scope, now_ns), scope.levels))


def _warned(scope: Scope, gauge: Gauge) -> list[Crossing]:
    level, limit = gauge.level(scope.warn), gauge.limit
    if limit in scope.warned:
        part, whole = CLEARED
        if gauge.used >= -(level * part // -whole):
            return []
        scope.warned.discard(limit)
        scope.broken.discard(limit)
        return [_crossing("cleared", scope, gauge)]
    if gauge.used < level:
        return []
    scope.warned.add(limit)
    return [_crossing("warning", scope, gauge)]


def _crossing(event: str, scope: Scope, gauge: Gauge, agents: tuple[str, ...] = ()) -> Crossing:
    return Crossing(
        event,
        scope.room,
        scope.name,
        gauge.limit,
        gauge.shown(gauge.used),
        gauge.shown(gauge.most),
        agents,
    )


def _broken(scope: Scope, gauge: Gauge) -> list[Crossing]:
    """Breach of a limit that is passed and was not before, as a list; executions are counted as they come."""
    limit = gauge.limit
    if limit in ("daily_loss", "drawdown", "reference_age_ms"):
        passed = gauge.used > gauge.most
    else:
        passed = limit == "executions" and isinstance(scope, AgentState) and scope.repeated != ""
    if not passed or limit in scope.broken:
        return []
    scope.broken.add(limit)
    return [_crossing("breach", scope, gauge, _stopped(scope, limit))]


def _stopped(scope: Scope, limit: str) -> tuple[str, ...]:
    """Agents that a breach stops."""
    if isinstance(scope, InstrumentState):
        old = limit == "reference_age_ms"
        return tuple(sorted({h.agent.name for h in scope.exposed if h.position or not old}))
    return (scope.name,) if isinstance(scope, AgentState) else (EVERYBODY,)
