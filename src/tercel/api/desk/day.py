"""The day of desks, folded from their journals: costs, profit, limits, alerts with their owners, acts of people.

    day_of(reader, "desks/today").money()

`day_of` is a function of a journal and a window of venue time; `days_of` reads folders. What a desk holds and owes at
the end is its read model (`desk.console.report`) then. The words and the page are `api.desk.day_page`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from tercel.core.errors import ConfigError, JournalError, TercelError
from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import Report, summed
from tercel.core.ports import Entries, Entry
from tercel.core.serialization import Record
from tercel.desk.console.alerts import (
    KINDS,
    SEVERE,
    UNREADABLE,
    AlertBook,
    alert_of,
    concerns,
    gate_terms,
    unbooked,
)
from tercel.desk.console.report import Alert, DeskReport, Limit, Profit, Total
from tercel.desk.console.state import DeskState, highest
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.store import JournalReader, verify
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
from tercel.desk.trading.risk.money import DAY_NS
from tercel.desk.trading.tca.rfq import DealerCosts, dealer_costs, requests_of
from tercel.desk.trading.tca.shortfall import BPS, weighted_mean

CHANGED: Final = {
    "tightened": "limits tightened",
    "loosened": "limits loosened",
    "requested": "looser limits requested",
}
HELD: Final = "killed after the last session:"
"""Beginning of the record of a kill while the desk did not run."""
_TIMED: Final = (kinds.SESSION, kinds.MARKET, kinds.HEARTBEAT)
"""Written at least once a minute by a desk that runs."""


@dataclass(frozen=True)
class GateDay:
    """The part of a gate's journal that concerns one desk.

    Parameters
    ----------
    journal : Entries, optional
        None: there is no gate, or its journal cannot be read.
    terms : mapping
        Terms of the desk's session with a shared gate (`desk.console.alerts.gate_terms`).
    fault : str
        Why the journal cannot be read, else "".
    """

    journal: Entries | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    def alerts(self) -> Iterator[tuple[int, Entry]]:
        """Alerts that concern the desk, and what people said of alerts, with the numbers of their entries."""
        for seq, entry in () if self.journal is None else self.journal.read(0, KINDS):
            if entry.kind == kinds.OPERATOR or concerns(entry, self.terms):
                yield seq, entry

    @property
    def shared(self) -> str:
        """Folder of a gate that serves several desks; "" otherwise."""
        return str(self.terms.get("journal", ""))

    @property
    def last_ns(self) -> int:
        """Time of the last alert that concerns the desk; 0 without one."""
        return max((entry.ns for _, entry in self.alerts() if entry.kind == kinds.ALERT), default=0)


NO_GATE: Final = GateDay()


def _gate_of(desk: Path, journal: JournalReader, opened: ExitStack) -> GateDay:
    """The gate of a desk, its hashes checked."""
    last = [entry.body for _, entry in journal.read(0, (kinds.SESSION,))][-1:]
    terms = gate_terms(last[0]) if last else {}
    try:
        if (where := gate_folder(desk, terms)) is not None:
            _check(where)
            return GateDay(opened.enter_context(closing(JournalReader(where))), terms)
    except UNREADABLE as error:
        fault = error.received if isinstance(error, TercelError) else str(error)
        return GateDay(None, terms, fault)
    return GateDay(None, terms)


def _check(folder: Path) -> None:
    found = verify(folder)
    if found.fault:
        raise JournalError(
            "a journal whose hashes agree",
            f"{found.sound:,} sound entries in {folder}, then {found.fault}",
            "see `tercel trade verify`",
        )


@dataclass(frozen=True)
class DayWindow:
    """The time that a report is about: by default the 24 hours before the journal's last entry, and what followed at
    its gate.

    Parameters
    ----------
    from_ns, to_ns : int, optional
        Venue time of the first and the last moment.
    session : bool
        From the beginning of the last session that began by `to_ns`.

    >>> from tercel.desk.trading.journal.chain import MemoryJournal
    >>> DayWindow(5, 9).of(MemoryJournal())
    (5, 9)
    """

    from_ns: int | None = None
    to_ns: int | None = None
    session: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.session and self.from_ns is not None:
            raise ConfigError(
                "the last session or a time to begin at", "both", "leave one of the two out"
            )
        if self.from_ns is not None and self.to_ns is not None and self.from_ns > self.to_ns:
            raise ConfigError(
                "a day that ends after it begins",
                f"{self.from_ns} to {self.to_ns} ns",
                "swap the two",
            )

    def of(self, journal: Entries, gate: GateDay = NO_GATE) -> tuple[int, int]:
        """First and last moment, in venue ns, over a journal and what its gate has alerted since."""
        last, began = _ends(journal, self.to_ns)
        to_ns = max(last, gate.last_ns, self.from_ns or 0) if self.to_ns is None else self.to_ns
        if self.session:
            return began, to_ns
        return (max(min(last, to_ns) - DAY_NS, 0) if self.from_ns is None else self.from_ns), to_ns


def _ends(journal: Entries, to_ns: int | None) -> tuple[int, int]:
    """Time of the last entry, and of the last session's beginning by a time."""
    seq = last = began = 0
    for number, entry in journal.read(0, _TIMED):
        seq, last = number, max(last, entry.ns)
        if entry.kind == kinds.SESSION and (to_ns is None or entry.ns <= to_ns):
            began = entry.ns
    return max([last, *(entry.ns for _, entry in journal.read(seq))]), began


# -- the fold ---------------------------------------------------------------------------------------------------------


@dataclass
class ParentCosts:
    """Mean cost of parents by filled value, its 95 % interval, and what was left of them."""

    parents: int
    is_bps: float | None
    low_bps: float | None
    high_bps: float | None
    unfilled: float
    refused: float


@dataclass(kw_only=True)
class DayMoney(Profit):
    """Money of one currency in a day: cost of parents, profit realised, change of the open profit, fees, profit less
    fees."""

    cost: float | None
    profit: float | None


@dataclass(frozen=True)
class ParentCostRow:
    """Cost of one parent by its last analysis."""

    entry: Entry
    body: CostEntry
    currency: str

    @property
    def cost(self) -> float:
        """Cost of its fills in money."""
        return 0.0 if self.body.is_bps is None else self.body.is_bps * self.body.notional / BPS


@dataclass(kw_only=True)
class DayLimit(Limit):
    """A limit at the time when it came nearest to its end."""

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


Money = TypeVar("Money", Profit, DayMoney, Total)
NOTHING: Final = Profit(currency="", realised=0.0, open=0.0, fees=0.0)


def added(rows: Iterable[Money]) -> list[Money]:
    """Sums by currency, one row each; a figure is None if any of its parts is unknown.

    >>> rows = [Profit(currency="USD", realised=2.0, open=1.0, fees=fees) for fees in (0.0, None)]
    >>> [(row.currency, row.realised, row.fees) for row in added(rows)]
    [('USD', 4.0, None)]
    """
    groups: defaultdict[str, list[Money]] = defaultdict(list)
    for row in rows:
        groups[row.currency].append(row)
    found = []
    for _, some in sorted(groups.items()):
        names = [name for name in vars(some[0]) if name != "currency"]
        sums: Any = {name: total(getattr(one, name) for one in some) for name in names}
        found.append(replace(some[0], **sums))
    return found


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not known.

    >>> total([1.0, 2.0]), total([1.0, None]), total([])
    (3.0, None, 0.0)
    """
    found = list(values)
    return None if None in found else float(sum(value for value in found if value is not None))


def costs_of(rows: Iterable[ParentCostRow]) -> ParentCosts:
    """Costs of parents together.

    >>> costs = [CostEntry(is_bps=value, notional=1.0, unfilled=1) for value in (1.0, 2.0, 3.0)]
    >>> found = costs_of(ParentCostRow(Entry(kinds.TCA, 0), cost, "") for cost in costs)
    >>> found.is_bps, round(found.low_bps, 2), found.unfilled
    (2.0, -0.48, 3)
    """
    found = [row.body for row in rows]
    mean, half = weighted_mean((cost.is_bps, cost.notional) for cost in found)
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return ParentCosts(
        len(found),
        mean,
        low,
        high,
        summed(cost.unfilled for cost in found),
        summed(cost.refused for cost in found),
    )


@dataclass
class DeskDay:
    """The fold of one desk's day; a parent counts on the day of its first analysis, by its last.

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
    before : DeskReport, optional
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
    before: DeskReport | None = None
    accepted: int = 0
    over: int = 0
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
    _at_gate: AlertBook = field(default_factory=AlertBook)
    _analysed: set[str] = field(default_factory=set)

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one entry; one before the day changes no figure of it."""
        if self.before is None and entry.ns >= self.from_ns:
            self.before = self.state.report()
        self.state.apply(seq, entry)
        body = entry.body
        if entry.kind in (kinds.FEEDBACK, kinds.TCA):
            self._cost(entry)
        if self.before is None:
            return
        for pair in self.state.ledger.moves:
            for sign, fill in zip((-1, 1), pair, strict=True):
                if fill is not None:
                    self.fills[fill.account] += sign
                    self.lots[fill.account] += sign * fill.qty
        if entry.kind == kinds.PARENT:
            self.accepted += body.get("event") == "accepted"
            self.over += body.get("event") in ("done", "cancelled", "expired", "refused")
        elif entry.kind == kinds.DENIED:
            self.denials[str(body.get("code", ""))] += 1
        elif entry.kind == kinds.QUOTE:
            self.quoted.append(entry)
        elif entry.kind == kinds.ALERT:
            self._alert(alert_of(seq, entry))
        elif entry.kind == kinds.HEARTBEAT:
            for row in highest(body.get("limits", {})):
                key = row.scope, row.name, row.limit
                before = self.limits.get(key)
                if row.used and row.share > (0.0 if before is None else before.share):
                    self.limits[key] = DayLimit(**vars(row), ns=entry.ns)
        else:
            self._person(entry)

    def apply_gate(self, seq: int, entry: Entry) -> None:
        """Fold an alert of its gate that concerns the desk, or what a person said of one."""
        self._at_gate.apply(seq, entry)
        if entry.kind == kinds.ALERT and self.from_ns <= entry.ns <= self.to_ns:
            self._alert(alert_of(seq, entry, gate=True))

    def _alert(self, alert: Alert) -> None:
        self.severities[alert.severity] += 1
        if alert.severity in SEVERE:
            self._alerts.append(alert)

    def _cost(self, entry: Entry) -> None:
        first = entry.parent not in self._analysed
        self._analysed.add(entry.parent)
        if self.before is None or not (first or entry.parent in self.costs):
            return
        currency = self.state.money.unit(entry.instrument).currency
        self.costs[entry.parent] = ParentCostRow(entry, CostEntry.of(entry), currency)

    def _person(self, entry: Entry) -> None:
        body, event = entry.body, str(entry.body.get("event", ""))
        who, why = str(body.get("by") or ""), str(body.get("reason") or "")
        agent = entry.agent or str(body.get("scope", ""))
        ends, asked_by = body.get("ends"), body.get("asked_by")
        if entry.kind == kinds.PROMOTED:
            what = f"promoted {body.get('challenger')} over {body.get('champion')} of {agent}"
        elif entry.kind == kinds.LIMITS and event in CHANGED:
            changes = dict(body.get("changes") or {}).items()
            what = f"{CHANGED[event]}: " + ", ".join(f"{at} = {to}" for at, to in changes)
            who += f", requested by {asked_by}" if asked_by else ""
        elif entry.kind == kinds.KILL or (entry.kind == kinds.REARM and (ends is None or who)):
            rearmed = f"confirmed {ends[0]}" if ends and "operator" in body else "re-armed"
            what = "killed" if entry.kind == kinds.KILL else rearmed
            same = (
                one
                for one in reversed(self.people)
                if (one.what, one.why) == (what, why) and who in ("", one.who)
            )
            if (act := next(same, None)) is None:
                act = DayAct(entry.ns, what, who, why)
                self.people.append(act)
            if agent not in act.agents:
                act.agents.append(agent)
            if entry.kind == kinds.KILL:
                act.events[agent] = event
            return
        else:
            return
        self.people.append(DayAct(entry.ns, what, who, why))

    # -- figures shown ------------------------------------------------------------------------------------------------

    @cached_property
    def report(self) -> DeskReport:
        """The desk at the end of the day."""
        return self.state.report()

    @cached_property
    def gained(self) -> list[tuple[str, Profit]]:
        """Profit of the day by agent and currency, sorted by name."""
        before = (self.report if self.before is None else self.before).agents
        was = {(one.name, row.currency): row for one in before for row in one.money}
        found = []
        for one in sorted(self.report.agents, key=lambda one: one.name):
            for row in one.money:
                old = was.get((one.name, row.currency), NOTHING)
                made, open_, fees = (
                    None if now is None or then is None else now - then
                    for now, then in (
                        (row.realised, old.realised),
                        (row.open, old.open),
                        (row.fees, old.fees),
                    )
                )
                profit = Profit(currency=row.currency, realised=made, open=open_, fees=fees)
                found.append((one.name, profit))
        return found

    def money(self, agent: str | None = None) -> list[DayMoney]:
        """Profit and cost of the desk or of one agent, one row per currency."""
        paid: defaultdict[str, list[float]] = defaultdict(list)
        for one in self.costs.values():
            if agent in (None, one.entry.agent):
                paid[one.currency].append(one.cost)
        rows = [row for name, row in self.gained if agent in (None, name)]
        rows += [Profit(currency=at, realised=0.0, open=0.0, fees=0.0) for at in paid]
        return [
            DayMoney(
                **vars(row),
                cost=total(paid[row.currency]),
                profit=total([row.realised, row.open, -(row.fees or 0.0)]),
            )
            for row in added(rows)
        ]

    def agent_costs(self, agent: str) -> ParentCosts:
        """Costs of the parents that an agent worked alone."""
        return costs_of(
            one
            for one in self.costs.values()
            if one.entry.agent == agent and one.body.by_hand is None
        )

    @cached_property
    def dealers(self) -> list[DealerCosts]:
        """Results of the day's requests for quotes, by dealer."""
        ledger = self.state.ledger
        unit = self.state.money.unit
        return dealer_costs(requests_of(self.quoted, ledger, unit, self.to_ns), ledger, unit)

    @cached_property
    def alerts(self) -> list[list[Alert]]:
        """Those of one code, agent and owner together: critical ones, then warnings, those without an owner first."""
        rows: defaultdict[tuple[int, bool, *tuple[str | bool, ...]], list[Alert]] = defaultdict(
            list
        )
        of_desk = self.state.alerts.owned(one for one in self._alerts if not one.gate)
        of_gate = self._at_gate.owned(one for one in self._alerts if one.gate)
        for one in sorted([*of_desk, *of_gate], key=lambda one: one.ns):
            place = SEVERE.index(one.severity), bool(one.owner)
            rows[*place, one.code, one.agent, one.gate, one.owner, one.note].append(one)
        return [some for _, some in sorted(rows.items(), key=lambda row: row[0][:2])]

    @property
    def most_used(self) -> list[DayLimit]:
        """Limits, those that came nearest to their end first."""
        return sorted(self.limits.values(), key=lambda row: -row.share)

    @property
    def requests(self) -> list[dict[str, object]]:
        """Requests for looser limits without an answer at its end."""
        return [
            {"request": number, "by": one.by, "reason": one.reason, "changes": one.changes}
            for number, one in self.state.ledger.limits.requests.items()
            if one.open(self.state.ns)
        ]

    @property
    def open_orders(self) -> int:
        """Number of orders open at its end, those of unknown fate apart."""
        unknown = {order.root for order in self.unknown}
        return sum(order.root not in unknown for order in self.state.ledger.orders.live())

    @cached_property
    def unknown(self) -> list[ChildOrder]:
        """Orders of unknown fate at its end."""
        return list({order.root: order for order in self.state.ledger.orders.unknown()}.values())


def day_of(
    journal: Entries,
    name: str,
    window: DayWindow | None = None,
    gate: GateDay = NO_GATE,
    latched: Sequence[DayAct] = (),
) -> DeskDay:
    """The day of one desk.

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

    >>> from tercel.desk.trading.journal.chain import MemoryJournal
    >>> day_of(MemoryJournal(), "mine").money()
    []
    """
    day = DeskDay(name, *(window or DayWindow()).of(journal, gate), gate)
    for seq, entry in journal.read():
        if entry.ns > day.to_ns:
            break
        day.apply(seq, entry)
    # an alert may be taken after the day
    for seq, entry in journal.read(day.state.seq, (kinds.OPERATOR,)):
        day.state.alerts.apply(seq, entry)
    for seq, entry in gate.alerts():
        day.apply_gate(seq, entry)
    day.people += latched
    if gate.journal is not None:
        day.unbooked += unbooked(gate.journal, day.state.ledger, gate.terms, day.to_ns)
    return day


# -- folders ----------------------------------------------------------------------------------------------------------


@dataclass
class UnreadDay:
    """The day of a desk whose journal cannot be read."""

    desk: str
    error: TercelError

    @property
    def need(self) -> str:
        """Open issue of the day, for a person."""
        return f"its journal cannot be read: {self.error.received}"


def days_of(folders: Sequence[Path], window: DayWindow | None = None) -> list[DeskDay | UnreadDay]:
    """The day of each desk; every entry of a journal is checked against its hash before a figure is made of it."""
    names = [folder.resolve().name for folder in folders]
    return [
        _read(folder, name if names.count(name) == 1 else str(folder), window)
        for folder, name in zip(folders, names, strict=True)
    ]


def _read(folder: Path, name: str, window: DayWindow | None) -> DeskDay | UnreadDay:
    try:
        _check(folder)
        with closing(JournalReader(folder)) as reader, ExitStack() as opened:
            latched = [] if window and window.to_ns else _unspoken(folder, reader)
            return day_of(reader, name, window, _gate_of(folder, reader, opened), latched)
    except TercelError as error:
        return UnreadDay(name, error)


def _unspoken(folder: Path, journal: Entries) -> list[DayAct]:
    """Kills that hold and that no session has written down."""
    latch = KillLatch(folder / LATCH).state()
    journaled = {
        (entry.body.get("by"), entry.body.get("reason"))
        for _, entry in journal.read(0, (kinds.KILL,))
    }
    return [
        DayAct(one.at_ns, HELD, one.by, one.reason, list(one.agents) or ["every agent"])
        for one in latch.acts
        if one.what == "kill"
        and one.reason in latch.killed.values()
        and (one.by, one.reason) not in journaled
    ]
