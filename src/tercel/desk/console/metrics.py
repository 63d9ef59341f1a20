"""Prometheus metrics of a desk at `/metrics`: counters over journal entries, gauges of the page's state.

Labels are agents, instruments and codes, never order names: their number stays small.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from tercel.core.extras import needed
from tercel.core.fixed import shown
from tercel.core.ports import Entry
from tercel.desk.console.state import DeskState, highest
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.money import by, summed
from tercel.desk.trading.positions import Move

Alerts = Mapping[tuple[str, str], int]
"""How many of each severity and code."""
NONE: Final[Alerts] = {}


class Metrics:
    """Counters and gauges of one desk, in a registry of their own."""

    def __init__(self) -> None:
        prometheus = needed("prometheus_client", "trade")
        self._write: Any = prometheus.generate_latest
        self._registry = registry = prometheus.CollectorRegistry()
        counter, gauge = prometheus.Counter, prometheus.Gauge

        def count(name: str, text: str, *labels: str) -> Any:
            made: Any = counter(f"tercel_{name}", text, labels, registry=registry)
            made.labels = cache(made.labels)  # asked for at every entry
            return made

        def level(name: str, text: str, *labels: str) -> Any:
            return gauge(f"tercel_{name}", text, labels, registry=registry)

        self._entries = count("journal_entries", "Journal entries", "kind")
        self._orders = count("orders_out", "Commands sent to the venue", "agent", "what")
        self._denials = count("denials", "Commands kept back by limits", "agent", "code")
        self._fills = count("fills", "Executions", "agent", "instrument")
        self._lots = count("filled_lots", "Lots filled", "agent", "instrument")
        self._rebooked = count(
            "rebooked", "Executions that the venue took back or corrected", "agent", "what"
        )
        self._rejects = count("rejects", "Orders that the venue refused", "agent")
        self._alerts = count("alerts", "Alerts", "severity", "code")
        self._told = Counter(NONE)
        self._cost = level(
            "shortfall_bps", "Mean implementation shortfall of finished parents", "agent"
        )
        self._share = level("flow_share", "Share of the flow", "agent", "instrument")
        self._drifting = level(
            "drifting", "1 where a policy's observations have left its card", "agent"
        )
        self._parents = level("parents_live", "Parent orders that are being worked or are paused")
        self._size = level("posture_size_multiplier", "Posture's size multiplier", "instrument")
        self._position = level("position_lots", "Signed position", "agent", "instrument")
        self._open = level("orders_open", "Orders that may still fill")
        self._clock = level(
            "clock_offset_seconds", "How far the clock here is ahead of the venue's"
        )
        self._unknown = level("orders_unknown", "Orders whose state only the venue knows")
        self._killed = level("killed", "1 while the kill switch is latched")
        self._used = level(
            "limit_used_ratio", "Share of a limit that is used", "scope", "name", "limit"
        )
        money = "agent", "currency"
        self._realised = level("profit_realised", "Profit realised, before fees", *money)
        self._profit_open = level(
            "profit_open", "Profit of what is open, at the last marks", *money
        )
        self._gross = level(
            "exposure_gross", "Worth of positions at the last marks, without signs", *money
        )
        self._net = level("exposure_net", "Worth of positions at the last marks", *money)
        self._at_risk = level(
            "value_at_risk", "Loss of a day that one in twenty exceeds, historical", "currency"
        )
        self._severest = level("critical_alerts", "Critical alerts in the journal")
        self._silent = level(
            "journal_silent_seconds", "Seconds since the journal's last entry was read"
        )

    def apply(self, entry: Entry, moves: Sequence[Move] = ()) -> None:
        """Count one journal entry, and the executions that it booked, busted or corrected."""
        body = entry.body
        for before, now in moves:
            if before is not None:
                self._rebooked.labels(
                    before.account, "busted" if now is None else "corrected"
                ).inc()
            elif now is not None:
                self._fills.labels(now.account, now.instrument).inc()
                self._lots.labels(now.account, now.instrument).inc(shown(now.qty))
        self._entries.labels(entry.kind).inc()
        if entry.kind == kinds.ORDER_OUT:
            self._orders.labels(entry.agent, body.get("what", "")).inc()
        elif entry.kind == kinds.DENIED:
            self._denials.labels(entry.agent, body.get("code", "")).inc()
        elif entry.kind == kinds.REPORT_IN and body.get("exec_type") == "rejected":
            self._rejects.labels(entry.agent).inc()

    def text(self, state: DeskState, silent_s: float, killed: bool, gate: Alerts = NONE) -> bytes:
        """All metrics in Prometheus text format, gauges set from the state; `gate`: its alerts (`AlertBook.codes`)."""
        for agent in state.agents.values():
            mean = agent.shown()["is_bps"]
            if mean is not None:
                self._cost.labels(agent.name).set(mean)
            self._drifting.labels(agent.name).set(agent.drifting)
            for instrument, share in agent.share.items():
                self._share.labels(agent.name, instrument).set(share)
        for instrument, posture in state.postures.items():
            self._size.labels(instrument).set(posture.get("size_multiplier", 0.0))
        for agent_name, positions in state.ledger.positions.lots().items():
            for instrument, lots in positions.items():
                self._position.labels(agent_name, instrument).set(lots)
        for row in highest(state.heartbeat.get("limits", {})):
            self._used.labels(row["scope"], row["name"], row["limit"]).set(row["share"])
        self._set_money(state)
        self._count_alerts(Counter(state.alerts.codes) + Counter(gate))
        self._unknown.set(len(state.ledger.orders.unknown()))
        self._clock.set(state.heartbeat.get("clock_s", 0.0))
        self._open.set(len(state.ledger.orders.live()))
        self._parents.set(sum(not parent.over for parent in state.ledger.parents))
        self._killed.set(killed)
        self._silent.set(silent_s)
        text: bytes = self._write(self._registry)
        return text

    def _count_alerts(self, now: Counter[tuple[str, str]]) -> None:
        """Alerts of the desk and of its gate, as both journals have them now; others of a gate count from nothing."""
        if self._told - now:
            self._alerts.clear()
            self._alerts.labels.cache_clear()
            self._told = Counter(NONE)
        for labels, n in (now - self._told).items():
            self._alerts.labels(*labels).inc(n)
        self._told = now
        self._severest.set(sum(n for (severity, _), n in now.items() if severity == "critical"))

    def _set_money(self, state: DeskState) -> None:
        """Money by agent, and what is at risk of the whole desk; NaN where a mark is missing or returns are too few."""
        held = state.money.holdings(state.ledger.positions)
        for agent, mine in by(held, lambda one: one.agent):
            for currency, some in by(mine, lambda one: one.unit.currency):
                sums = {
                    "realised": self._realised,
                    "open": self._profit_open,
                    "gross": self._gross,
                    "value": self._net,
                }
                for name, gauge in sums.items():
                    gauge.labels(agent, currency).set(_known(summed(some, name)))
        for currency, some in by(held, lambda one: one.unit.currency):
            self._at_risk.labels(currency).set(_known(state.money.var95(some)))


def _known(value: float | None) -> float:
    return math.nan if value is None else value
