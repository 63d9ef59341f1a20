"""Prometheus metrics of one desk: counters of journal entries, and gauges set from the desk's state.

Labels are agents, instruments and codes, never order names: their number stays small.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from tercel.core.extras import import_optional
from tercel.core.fixed_point import to_number
from tercel.core.ports import Entry
from tercel.desk.console.state import DeskState
from tercel.desk.trading.child_orders.positions import Move
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.risk.money import group_holdings, sum_figure

Alerts = Mapping[tuple[str, str], int]
"""Number of alerts by severity and code."""
NONE: Final[Alerts] = {}
MONEY: Final = ("agent", "currency")
COUNTERS: Final[dict[str, tuple[str, ...]]] = {
    "journal_entries": ("Journal entries", "kind"),
    "orders_out": ("Commands sent to the venue", "agent", "what"),
    "denials": ("Commands denied by limits", "agent", "code"),
    "fills": ("Executions", "agent", "instrument"),
    "filled_lots": ("Lots filled", "agent", "instrument"),
    "rebooked": ("Executions that the venue took back or corrected", "agent", "what"),
    "rejects": ("Orders that the venue refused", "agent"),
    "alerts": ("Alerts", "severity", "code"),
}
"""Name: text and labels."""
GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "shortfall_bps": ("Mean implementation shortfall of finished parents", "agent"),
    "flow_share": ("Share of the flow", "agent", "instrument"),
    "drifting": ("1 where a policy's observations have left its card", "agent"),
    "parents_live": ("Parent orders that are being worked or are paused",),
    "posture_size_multiplier": ("Size multiplier of the risk state", "instrument"),
    "position_lots": ("Signed position", "agent", "instrument"),
    "orders_open": ("Orders that may still fill",),
    "clock_offset_seconds": ("How far the clock here is ahead of the venue's",),
    "orders_unknown": ("Orders whose state only the venue knows",),
    "killed": ("1 while the kill switch is latched",),
    "limit_used_ratio": ("Share of a limit that is used", "scope", "name", "limit"),
    "profit_realised": ("Profit realised, before fees", *MONEY),
    "profit_open": ("Unrealised profit of open positions at the last marks", *MONEY),
    "exposure_gross": ("Sum of absolute position values at the last marks", *MONEY),
    "exposure_net": ("Sum of signed position values at the last marks", *MONEY),
    "value_at_risk": ("Loss of a day that one in twenty exceeds, historical", "currency"),
    "critical_alerts": ("Critical alerts in the journal",),
    "journal_silent_seconds": ("Seconds since the journal's last entry was read",),
}
"""Name: text and labels."""
FIGURES: Final = {
    "profit_realised": "realised",
    "profit_open": "open",
    "exposure_gross": "gross",
    "exposure_net": "value",
}
"""Gauge: its figure of holdings (`money.sum_figure`)."""


class Metrics:
    """Counters and gauges of one desk, in a registry of their own."""

    def __init__(self) -> None:
        prometheus = import_optional("prometheus_client", "trade")
        self._write: Any = prometheus.generate_latest
        self._registry = registry = prometheus.CollectorRegistry()
        self._counters: dict[str, Any] = {
            name: prometheus.Counter(f"tercel_{name}", text, labels, registry=registry)
            for name, (text, *labels) in COUNTERS.items()
        }
        self._gauges: dict[str, Any] = {
            name: prometheus.Gauge(f"tercel_{name}", text, labels, registry=registry)
            for name, (text, *labels) in GAUGES.items()
        }
        self._count = cache(lambda name, *labels: self._counters[name].labels(*labels))
        # Alerts as counted so far
        self._counted: Counter[tuple[str, str]] = Counter()

    def _set(self, name: str, value: float | None, *labels: str) -> None:
        """Set a gauge with its labels; None becomes NaN."""
        gauge = self._gauges[name].labels(*labels) if labels else self._gauges[name]
        gauge.set(math.nan if value is None else value)

    def apply(self, entry: Entry, moves: Sequence[Move] = ()) -> None:
        """Count one journal entry, and the executions that it booked, busted or corrected."""
        body = entry.body
        for old_fill, new_fill in moves:
            if old_fill is not None:
                event = "busted" if new_fill is None else "corrected"
                self._count("rebooked", old_fill.account, event).inc()
            elif new_fill is not None:
                self._count("fills", new_fill.account, new_fill.instrument).inc()
                self._count("filled_lots", new_fill.account, new_fill.instrument).inc(
                    to_number(new_fill.qty)
                )
        self._count("journal_entries", entry.kind).inc()
        if entry.kind == kinds.ORDER_OUT:
            self._count("orders_out", entry.agent, body.get("what", "")).inc()
        elif entry.kind == kinds.DENIED:
            self._count("denials", entry.agent, body.get("code", "")).inc()
        elif entry.kind == kinds.REPORT_IN and body.get("exec_type") == "rejected":
            self._count("rejects", entry.agent).inc()

    def render(self, state: DeskState, silent_s: float, killed: bool, gate: Alerts = NONE) -> bytes:
        """All metrics in Prometheus text format, gauges set from the state; `gate`: its alerts (`AlertBook.codes`)."""
        set_gauge = self._set
        ledger = state.ledger
        for agent in state.agents.values():
            if (mean := agent.costs.bounds()[0]) is not None:
                set_gauge("shortfall_bps", mean, agent.name)
            set_gauge("drifting", agent.drifting, agent.name)
            for instrument, share in agent.share.items():
                set_gauge("flow_share", share, agent.name, instrument)
        for instrument, posture in state.postures.items():
            set_gauge("posture_size_multiplier", posture.get("size_multiplier", 0.0), instrument)
        for name, positions in ledger.positions.lots().items():
            for instrument, lots in positions.items():
                set_gauge("position_lots", lots, name, instrument)
        for row in state.limits():
            set_gauge("limit_used_ratio", row.share, row.scope, row.name, row.limit)
        holdings = state.money.holdings(ledger.positions)
        for name, agent_holdings in group_holdings(holdings, lambda holding: holding.agent):
            for currency, group in group_holdings(
                agent_holdings, lambda holding: holding.unit.currency
            ):
                for gauge, figure in FIGURES.items():
                    set_gauge(gauge, sum_figure(group, figure), name, currency)
        for currency, group in group_holdings(holdings, lambda holding: holding.unit.currency):
            set_gauge("value_at_risk", state.money.var95(group), currency)
        alerts = Counter(state.alerts.codes) + Counter(gate)
        if self._counted - alerts:  # another gate: its alerts count from zero
            self._counters["alerts"].clear()
            self._count.cache_clear()
            self._counted = Counter()
        for labels, n in (alerts - self._counted).items():
            self._count("alerts", *labels).inc(n)
        self._counted = alerts
        of_desk = {
            "critical_alerts": sum(n for (level, _), n in alerts.items() if level == "critical"),
            "orders_unknown": len(ledger.orders.unknown()),
            "clock_offset_seconds": state.heartbeat.get("clock_s", 0.0),
            "orders_open": len(ledger.orders.live()),
            "parents_live": sum(not parent.over for parent in ledger.parents),
            "killed": killed,
            "journal_silent_seconds": silent_s,
        }
        for gauge, value in of_desk.items():
            set_gauge(gauge, value)
        text: bytes = self._write(self._registry)
        return text
