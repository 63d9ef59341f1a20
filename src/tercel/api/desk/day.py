"""The day of a desk, folded from its journal: costs, profit, limits, alerts with their owners, actions of people.

    day_of(reader, "desks/today").money()

`day_of` is a function of a journal and a window of venue time; `days_of` (`api.desk.day_folders`) reads folders.
Positions and profit at the end are those of the desk's read model (`desk.console.report`) at that time. The texts
and the page are in `api.desk.day_page`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from tercel.api.desk.day_money import (
    DayMoney,
    ParentCostRow,
    ParentCosts,
    combine_costs,
    sum_by_currency,
    sum_if_known,
)
from tercel.api.desk.day_window import NO_GATE, DayWindow, GateDay
from tercel.core.child_order import ChildOrder
from tercel.core.grouping import group_values
from tercel.core.orders import Report
from tercel.core.ports import Entries, Entry
from tercel.core.records import Record
from tercel.desk.console.alerts import SEVERE, AlertBook, alert_of
from tercel.desk.console.gate_alerts import read_unbooked
from tercel.desk.console.report import Alert, DeskReport, Limit
from tercel.desk.console.report_base import Profit
from tercel.desk.console.state import DeskState, rank_limits
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.tca.dealer_costs import DealerCosts, dealer_costs
from tercel.desk.trading.tca.rfq import requests_of

CHANGED: Final = {
    "tightened": "limits tightened",
    "loosened": "limits loosened",
    "requested": "looser limits requested",
}


NOTHING: Final = Profit(currency="", realised=0.0, open=0.0, fees=0.0)


@dataclass(kw_only=True)
class DayLimit(Limit):
    """A limit at the time of the day when its use was highest."""

    ns: int


@dataclass(frozen=True)
class DayAct(Record):
    """A person's action on agents or limits; the same action on several agents for one reason is one row.

    `events`: last kill event of each agent.
    """

    ns: int
    what: str
    who: str
    why: str
    agents: list[str] = field(default_factory=list)
    events: dict[str, str] = field(default_factory=dict)

    def json_fields(self) -> dict[str, object]:
        """Fields for JSON, without empty agents and events."""
        return {key: value for key, value in vars(self).items() if value not in ([], {})}


@dataclass
class DeskDay:
    """The day of one desk, folded from journal entries; a parent order counts on the day of its first cost analysis.

    Parameters
    ----------
    desk : str
        What the desk is called.
    from_ns, to_ns : int
        Venue time of its first and last moment.
    gate : GateDay
        The gate before its venue.
    state : DeskState
        As far as it is folded.
    opening_report : DeskReport, optional
        The desk as the day began; None: it has not.
    fills, lots : Counter
        By agent; lots in 10^-8.
    unbooked : list of Report
        Executions that the gate alone has.
    quoted : list of Entry
        Of requests for quotes.
    """

    desk: str
    from_ns: int
    to_ns: int
    gate: GateDay = NO_GATE
    state: DeskState = field(default_factory=DeskState)
    opening_report: DeskReport | None = None
    accepted: int = 0
    finished_parents: int = 0
    fills: Counter[str] = field(default_factory=Counter)
    lots: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    costs: dict[str, ParentCostRow] = field(default_factory=dict)
    limits: dict[tuple[str, str, str], DayLimit] = field(default_factory=dict)
    people: list[DayAct] = field(default_factory=list)
    unbooked: list[Report] = field(default_factory=list)
    quoted: list[Entry] = field(default_factory=list)
    _alerts: list[Alert] = field(default_factory=list)
    _gate_alerts: AlertBook = field(default_factory=AlertBook)
    _analysed: set[str] = field(default_factory=set)

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one journal entry of the desk; entries before the day change no figure."""
        if self.opening_report is None and entry.ns >= self.from_ns:
            self.opening_report = self.state.report()
        self.state.apply(seq, entry)
        body = entry.body
        if entry.kind in (kinds.FEEDBACK, kinds.TCA):
            self._record_cost(entry)
        if self.opening_report is None:
            return
        for sign, fill in self.state.ledger.moved_fills():
            self.fills[fill.account] += sign
            self.lots[fill.account] += sign * fill.qty
        if entry.kind == kinds.PARENT:
            self.accepted += body.get("event") == "accepted"
            self.finished_parents += body.get("event") in (
                "done",
                "cancelled",
                "expired",
                "refused",
            )
        elif entry.kind == kinds.DENIED:
            self.denials[str(body.get("code", ""))] += 1
        elif entry.kind == kinds.QUOTE:
            self.quoted.append(entry)
        elif entry.kind == kinds.ALERT:
            self._record_alert(alert_of(seq, entry))
        elif entry.kind == kinds.HEARTBEAT:
            for row in rank_limits(body.get("limits", {})):
                key = row.scope, row.name, row.limit
                previous = self.limits.get(key)
                if row.used and row.share > (0.0 if previous is None else previous.share):
                    self.limits[key] = DayLimit(**vars(row), ns=entry.ns)
        else:
            self._record_act(entry)

    def apply_gate(self, seq: int, entry: Entry) -> None:
        """Fold one entry of the gate's journal: an alert on the desk, or a person's note on one."""
        self._gate_alerts.apply(seq, entry)
        if entry.kind == kinds.ALERT and self.from_ns <= entry.ns <= self.to_ns:
            self._record_alert(alert_of(seq, entry, gate=True))

    def _record_alert(self, alert: Alert) -> None:
        """Count an alert of the day by its severity, and keep the severe ones."""
        self.severities[alert.severity] += 1
        if alert.severity in SEVERE:
            self._alerts.append(alert)

    def _record_cost(self, entry: Entry) -> None:
        """Store the cost of a parent from an entry with its analysis, if its first analysis is of the day."""
        is_first = entry.parent not in self._analysed
        self._analysed.add(entry.parent)
        if self.opening_report is None or not (is_first or entry.parent in self.costs):
            return
        currency = self.state.money.unit(entry.instrument).currency
        self.costs[entry.parent] = ParentCostRow(entry, CostEntry.of(entry), currency)

    def _record_act(self, entry: Entry) -> None:
        """Store a person's action from an entry: promotion, change of limits, kill or re-arm; other entries are ignored."""
        body = entry.body
        event = str(entry.body.get("event", ""))
        person = str(body.get("by") or "")
        reason = str(body.get("reason") or "")
        agent = entry.agent or str(body.get("scope", ""))
        ended_events = body.get("ends")
        asked_by = body.get("asked_by")
        if entry.kind == kinds.PROMOTED:
            action = f"promoted {body.get('challenger')} over {body.get('champion')} of {agent}"
        elif entry.kind == kinds.LIMITS and event in CHANGED:
            changes = dict(body.get("changes") or {}).items()
            action = f"{CHANGED[event]}: " + ", ".join(
                f"{path} = {value}" for path, value in changes
            )
            person += f", requested by {asked_by}" if asked_by else ""
        elif entry.kind == kinds.KILL or (
            entry.kind == kinds.REARM and (ended_events is None or person)
        ):
            rearmed = (
                f"confirmed {ended_events[0]}"
                if ended_events and "operator" in body
                else "re-armed"
            )
            action = "killed" if entry.kind == kinds.KILL else rearmed
            matching = (
                act_row
                for act_row in reversed(self.people)
                if (act_row.what, act_row.why) == (action, reason) and person in ("", act_row.who)
            )
            if (act := next(matching, None)) is None:
                act = DayAct(entry.ns, action, person, reason)
                self.people.append(act)
            if agent not in act.agents:
                act.agents.append(agent)
            if entry.kind == kinds.KILL:
                act.events[agent] = event
            return
        else:
            return
        self.people.append(DayAct(entry.ns, action, person, reason))

    @cached_property
    def report(self) -> DeskReport:
        """The desk's report at the end of the day."""
        return self.state.report()

    @cached_property
    def day_profits(self) -> list[tuple[str, Profit]]:
        """Change of realised profit, open profit and fees over the day, by agent and currency, sorted by name."""
        agents_before = (self.report if self.opening_report is None else self.opening_report).agents
        rows_before = {
            (agent.name, row.currency): row for agent in agents_before for row in agent.money
        }
        profits = []
        for agent in sorted(self.report.agents, key=lambda agent: agent.name):
            for row in agent.money:
                previous = rows_before.get((agent.name, row.currency), NOTHING)
                realised, open_, fees = (
                    None if current is None or prior is None else current - prior
                    for current, prior in (
                        (row.realised, previous.realised),
                        (row.open, previous.open),
                        (row.fees, previous.fees),
                    )
                )
                profit = Profit(currency=row.currency, realised=realised, open=open_, fees=fees)
                profits.append((agent.name, profit))
        return profits

    def money(self, agent: str | None = None) -> list[DayMoney]:
        """Change of profit over the day, and cost (positive is paid), of the desk or of one agent, one row per currency."""
        paid = group_values(
            (parent_cost.currency, parent_cost.cost)
            for parent_cost in self.costs.values()
            if agent in (None, parent_cost.entry.agent)
        )
        rows = [row for name, row in self.day_profits if agent in (None, name)]
        rows += [Profit(currency=currency, realised=0.0, open=0.0, fees=0.0) for currency in paid]
        return [
            DayMoney(
                **vars(row),
                cost=sum_if_known(paid.get(row.currency, ())),
                profit=sum_if_known([row.realised, row.open, -(row.fees or 0.0)]),
            )
            for row in sum_by_currency(rows)
        ]

    def agent_costs(self, agent: str) -> ParentCosts:
        """Costs of an agent's parents, without those that a person traded by hand in part."""
        return combine_costs(
            row
            for row in self.costs.values()
            if row.entry.agent == agent and row.body.by_hand is None
        )

    @cached_property
    def dealers(self) -> list[DealerCosts]:
        """Results of the day's requests for quotes, by dealer."""
        ledger = self.state.ledger
        unit = self.state.money.unit
        return dealer_costs(requests_of(self.quoted, ledger, unit, self.to_ns), ledger, unit)

    @cached_property
    def alerts(self) -> list[list[Alert]]:
        """Critical alerts and warnings of the day by code, agent and owner: critical ones first, then those without owner."""
        rows: defaultdict[tuple[int, bool, *tuple[str | bool, ...]], list[Alert]] = defaultdict(
            list
        )
        of_desk = self.state.alerts.with_owners(alert for alert in self._alerts if not alert.gate)
        of_gate = self._gate_alerts.with_owners(alert for alert in self._alerts if alert.gate)
        for alert in sorted([*of_desk, *of_gate], key=lambda alert: alert.ns):
            rank = SEVERE.index(alert.severity), bool(alert.owner)
            rows[*rank, alert.code, alert.agent, alert.gate, alert.owner, alert.note].append(alert)
        return [group for _, group in sorted(rows.items(), key=lambda row: row[0][:2])]

    @property
    def most_used(self) -> list[DayLimit]:
        """Limits of the day, those with the highest use first."""
        return sorted(self.limits.values(), key=lambda row: -row.share)

    @property
    def requests(self) -> list[dict[str, object]]:
        """Requests for looser limits that were not answered by the end of the day."""
        return [
            {
                "request": number,
                "by": request.by,
                "reason": request.reason,
                "changes": request.changes,
            }
            for number, request in self.state.ledger.limits.requests.items()
            if request.open(self.state.ns)
        ]

    @property
    def open_orders(self) -> int:
        """Number of orders open at the end of the day, without those of unknown fate."""
        unknown = {order.root for order in self.unknown}
        return sum(order.root not in unknown for order in self.state.ledger.orders.live())

    @cached_property
    def unknown(self) -> list[ChildOrder]:
        """Orders of unknown fate at the end of the day."""
        return list({order.root: order for order in self.state.ledger.orders.unknown()}.values())


def day_of(
    journal: Entries,
    name: str,
    window: DayWindow | None = None,
    gate: GateDay = NO_GATE,
    latched: Sequence[DayAct] = (),
) -> DeskDay:
    """Fold the day of one desk from its journal, within a window of venue time.

    Parameters
    ----------
    journal : Entries
    name : str
        What the desk is called.
    window : DayWindow, optional
    gate : GateDay, optional
        The gate before its venue.
    latched : sequence of Act
        Kills that hold and that the journal does not tell of.

    >>> from tercel.desk.trading.journal.memory import MemoryJournal
    >>> day_of(MemoryJournal(), "mine").money()
    []
    """
    day = DeskDay(name, *(window or DayWindow()).bounds(journal, gate), gate)
    for seq, entry in journal.read():
        if entry.ns > day.to_ns:
            break
        day.apply(seq, entry)
    # an alert may get its owner after the day
    for seq, entry in journal.read(day.state.seq, (kinds.OPERATOR,)):
        day.state.alerts.apply(seq, entry)
    for seq, entry in gate.alerts():
        day.apply_gate(seq, entry)
    day.people += latched
    if gate.journal is not None:
        day.unbooked += read_unbooked(gate.journal, day.state.ledger, gate.terms, day.to_ns)
    return day
