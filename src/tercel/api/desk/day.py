"""The day of a desk, folded from its journal: costs, profit, exposure, limits, alerts with their owners, what is open.

    day_of(reader, "desks/today")["sentence"]

`day_of` is a function of a journal and a window of venue time; `days_of` reads folders, and tells of those that it
cannot read. The page is `api.desk.day_page`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tercel.api.desk.day_page import HELD, SHARED, needs_of, sentence_of
from tercel.core.errors import ConfigError, JournalError, TercelError
from tercel.core.orders import shown, summed
from tercel.core.ports import Entries, Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console.alerts import (
    KINDS,
    SEVERE,
    UNREADABLE,
    Owner,
    alert_of,
    concerns,
    gate_terms,
    owner_of,
    unbooked,
)
from tercel.desk.console.report import Alert, DeskReport
from tercel.desk.console.state import DeskState, highest
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import JournalReader, verify
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
from tercel.desk.trading.risk.money import DAY_NS, by
from tercel.desk.trading.risk.money import summed as summed_over
from tercel.desk.trading.tca.shortfall import BPS, by_filled

CHANGED: Final = {
    "tightened": "limits tightened",
    "loosened": "limits loosened",
    "requested": "looser limits asked for",
}
_COST: Final = ("is_bps", "notional", "filled", "unfilled", "refused", "by_hand")
_ALERT: Final = ("severity", "code", "agent", "text", "gate", "owner", "note")
"""What alerts in one row of a report have in common, the text apart."""


class DayEvents:
    """The fold: entries in order, those before the day too, since a parent counts on the day of its first analysis.

    Owners of alerts are taken whenever they come.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.over = 0
        self.fills: Counter[str] = Counter()
        """By agent; lots (10^-8) likewise."""
        self.lots: Counter[str] = Counter()
        self.denials: Counter[str] = Counter()
        """By code."""
        self.severities: Counter[str] = Counter()
        self.costs: dict[str, dict[str, Any]] = {}
        """Of each parent, by its last analysis."""
        self.people: list[dict[str, Any]] = []
        self.limits: dict[tuple[str, str, str], dict[str, Any]] = {}
        """Where each limit came nearest to its end."""
        self.owners: dict[tuple[bool, int], Owner] = {}
        """Of alerts, by whether they stand in the gate's journal and the number of their entry."""
        self._alerts: list[Alert] = []
        self._analysed: set[str] = set()

    def apply(self, seq: int, entry: Entry, state: DeskState, *, inside: bool) -> None:
        """Take one entry that a state has taken; one before the day (`inside` False) changes no figure."""
        if entry.kind == kinds.OPERATOR:
            self.own(seq, entry)
        elif entry.kind in (kinds.FEEDBACK, kinds.TCA):
            self._cost(entry, state, inside)
        if not inside:
            return
        for pair in state.ledger.moves:
            for sign, fill in zip((-1, 1), pair, strict=True):
                if fill is not None:
                    self.fills[fill.account] += sign
                    self.lots[fill.account] += sign * fill.qty
        body = entry.body
        if entry.kind == kinds.PARENT:
            self.accepted += body.get("event") == "accepted"
            self.over += body.get("event") in ("done", "cancelled", "expired", "refused")
        elif entry.kind == kinds.DENIED:
            self.denials[str(body.get("code", ""))] += 1
        elif entry.kind == kinds.ALERT:
            self.alert(seq, entry)
        elif entry.kind == kinds.HEARTBEAT:
            for row in highest(body.get("limits", {})):
                key = row.scope, row.name, row.limit
                if row.used and row.share > self.limits.get(key, {"share": 0.0})["share"]:
                    self.limits[key] = vars(row) | {"ns": entry.ns}
        else:
            self._person(entry, body)

    def _cost(self, entry: Entry, state: DeskState, inside: bool) -> None:
        first = entry.parent not in self._analysed
        self._analysed.add(entry.parent)
        if not inside or not (first or entry.parent in self.costs):
            return
        body = to_jsonable(entry.body)
        row = {"is_bps": None} | {key: body[key] for key in _COST if key in body}
        where = {"parent": entry.parent, "agent": entry.agent, "instrument": entry.instrument}
        cost = 0.0 if row["is_bps"] is None else row["is_bps"] * row["notional"] / BPS
        currency = state.money.unit(entry.instrument).currency
        self.costs[entry.parent] = where | row | {"currency": currency, "cost": cost}

    def _person(self, entry: Entry, body: Mapping[str, Any]) -> None:
        """What a person did to agents and limits; what one did to several for one reason is one act."""
        agent = entry.agent or str(body.get("scope", ""))
        who = str(body.get("by") or "")
        if entry.kind == kinds.KILL:
            what = "killed"
        elif entry.kind == kinds.REARM and ("ends" not in body or who):
            what = f"confirmed {body['ends'][0]}" if "operator" in body else "re-armed"
        elif entry.kind == kinds.PROMOTED:
            what = f"promoted {body.get('challenger')} over {body.get('champion')} of {agent}"
        elif entry.kind == kinds.LIMITS and body.get("event") in CHANGED:
            changes = dict(body.get("changes") or {}).items()
            what = f"{CHANGED[body['event']]}: " + ", ".join(f"{at} = {to}" for at, to in changes)
            who += f", asked for by {body['asked_by']}" if body.get("asked_by") else ""
        else:
            return
        of_agents = entry.kind in (kinds.KILL, kinds.REARM)
        why = str(body.get("reason") or "")
        same = (
            row
            for row in reversed(self.people if of_agents else [])
            if (row["what"], row["why"]) == (what, why) and who in ("", row["who"])
        )
        row = next(same, None)
        if row is None:
            row = {"ns": entry.ns, "what": what, "who": who, "why": why}
            row |= {"agents": []} if of_agents else {}
            self.people.append(row)
        if of_agents and agent not in row["agents"]:
            row["agents"].append(agent)
        if entry.kind == kinds.KILL:
            row.setdefault("events", {})[agent] = str(body.get("event", ""))

    def own(self, seq: int, entry: Entry, *, at_gate: bool = False) -> None:
        """Take what an operator's entry says of an alert's owner, whenever it came; the first one's it is."""
        for alert, owner in owner_of(seq, entry).items():
            self.owners.setdefault((at_gate, alert), owner)

    def alert(self, seq: int, entry: Entry, *, at_gate: bool = False) -> None:
        """Take an alert of the day, the desk's or its gate's."""
        row = alert_of(seq, entry, gate=at_gate)
        self.severities[row.severity] += 1
        if row.severity in SEVERE:
            self._alerts.append(row)

    def alerts(self) -> list[dict[str, Any]]:
        """Critical ones, then warnings, those without an owner first: those of one code, agent and owner in one row."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in sorted(self._alerts, key=lambda one: one.ns):
            owner = self.owners.get((one.gate, one.seq), Owner("", ""))
            shown = {name: (vars(one) | owner._asdict())[name] for name in _ALERT}
            key = tuple(value for name, value in shown.items() if name != "text")
            row = rows.setdefault(key, {"n": 0, "first_ns": one.ns, "seqs": []})
            row |= shown | {"n": row["n"] + 1, "last_ns": one.ns}
            row["seqs"].append(one.seq)
        return sorted(
            rows.values(), key=lambda row: (SEVERE.index(row["severity"]), bool(row["owner"]))
        )


LIMITS_SHOWN: Final = 5
FIGURES: Final = ("realised", "open", "fees")
EXPOSURE: Final = ("currency", "gross", "net", "var95", "var_used", "var_returns")
_TIMED: Final = (kinds.SESSION, kinds.MARKET, kinds.HEARTBEAT)
"""Written at least once a minute by a desk that runs."""
Sums = dict[tuple[str, str], dict[str, float | None]]
"""Realised, open and fees by agent and currency."""


@dataclass(frozen=True)
class GateDay:
    """What of the journal of a desk's gate is the desk's.

    Parameters
    ----------
    journal : Entries, optional
        None: there is no gate, or its journal cannot be read.
    terms : mapping
        What the desk's session says of a gate that is not its own (`desk.console.alerts.gate_terms`).
    fault : str
        Why it cannot be read.
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
    def last_ns(self) -> int:
        """Time of the last alert that concerns the desk; 0 without one."""
        return max((entry.ns for _, entry in self.alerts() if entry.kind == kinds.ALERT), default=0)


NO_GATE: Final = GateDay()


@contextmanager
def _gate_of(desk: Path, journal: JournalReader) -> Iterator[GateDay]:
    """The gate of a desk, its hashes checked."""
    terms: dict[str, Any] = {}
    for _, entry in journal.read(0, (kinds.SESSION,)):
        terms = gate_terms(entry.body)
    reader: JournalReader | None = None
    fault = ""
    try:
        if (where := gate_folder(desk, terms)) is not None:
            _check(where)
            reader = JournalReader(where)
    except UNREADABLE as error:
        fault = error.received if isinstance(error, TercelError) else str(error)
    try:
        yield GateDay(reader, terms, fault)
    finally:
        if reader is not None:
            reader.close()


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


def day_of(
    journal: Entries,
    name: str,
    window: DayWindow | None = None,
    gate: GateDay = NO_GATE,
    latched: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The day of one desk as JSON values.

    Parameters
    ----------
    journal : Entries
    name : str
        What the desk is called.
    window : DayWindow, optional
    gate : GateDay, optional
        The gate before its venue.
    latched : sequence of dict
        Kills that hold and that the journal does not tell of, as acts of people.

    Returns
    -------
    dict
        ``sentence`` (what it cost and made, what needs a person) and ``needs``; ``costs`` against arrival; ``money`` of
        the day by currency; ``exposure`` and value at risk at its end; ``agents``; ``limits`` used most in it;
        ``denials``; ``people`` (who killed, re-armed, promoted, changed limits, and why); ``alerts`` with owners, how
        many by ``severities``; the ``gate`` if it serves several desks; what is ``unknown`` or open at its end;
        executions that are ``unbooked``; ``faults`` of the journal.

    >>> from tercel.desk.trading.journal.chain import MemoryJournal
    >>> day_of(MemoryJournal(), "mine")["sentence"]
    'mine: no parent was analysed; nothing was made or lost; nothing needs a person now.'
    """
    from_ns, to_ns = (window or DayWindow()).of(journal, gate)
    state, events, before = DeskState(), DayEvents(), None
    for seq, entry in journal.read():
        if entry.ns > to_ns:
            break
        if before is None and entry.ns >= from_ns:
            before = _sums(state)
        state.apply(seq, entry)
        events.apply(seq, entry, state, inside=before is not None)
    # an alert may be taken after the day
    for seq, entry in journal.read(state.seq, (kinds.OPERATOR,)):
        events.own(seq, entry)
    for seq, entry in gate.alerts():
        if entry.kind == kinds.OPERATOR:
            events.own(seq, entry, at_gate=True)
        elif from_ns <= entry.ns <= to_ns:
            events.alert(seq, entry, at_gate=True)
    now = _sums(state)
    report = state.report()
    found = {"desk": name, "from_ns": from_ns, "to_ns": to_ns, "session": dict(state.session)}
    found |= _figures(report, events, _gained(now if before is None else before, now))
    found |= _at_the_end(state, report, gate, to_ns)
    found |= {
        "denials": dict(events.denials.most_common()),
        "severities": dict(events.severities),
        "people": [*events.people, *latched],
        "alerts": events.alerts(),
        "limits": sorted(events.limits.values(), key=lambda row: -row["share"])[:LIMITS_SHOWN],
        "gate": str(gate.terms.get("journal", "")),
        "gate_fault": gate.fault,
    }
    found["needs"] = needs_of(found)
    return {"sentence": sentence_of(found, name), **found}


# -- money and costs --------------------------------------------------------------------------------------------------


def _sums(state: DeskState) -> Sums:
    """Profit by agent and currency so far."""
    return {
        (agent, currency): {name: summed_over(some, name) for name in FIGURES}
        for agent, held in by(state.money.holdings(state.ledger.positions), lambda one: one.agent)
        for currency, some in by(held, lambda one: one.unit.currency)
    }


def _figures(report: DeskReport, events: DayEvents, gained: Sums) -> dict[str, Any]:
    """Costs, money and agents of the day."""
    costs = list(events.costs.values())
    agents = [
        {
            "name": row.name,
            "state": row.state,
            "state_reason": row.state_reason,
            "strategy": row.strategy,
            "fills": events.fills[row.name],
            "lots": shown(events.lots[row.name]),
            "costs": costs_of(
                [one for one in costs if one["agent"] == row.name and "by_hand" not in one]
            ),
            "money": money_of(costs, gained, row.name),
        }
        for row in report.agents
    ]
    return {
        "parents": {"accepted": events.accepted, "over": events.over},
        "fills": sum(events.fills.values()),
        "lots": shown(sum(events.lots.values())),
        "costs": costs_of(costs),
        "parent_costs": costs,
        "money": money_of(costs, gained),
        "exposure": [{key: getattr(row, key) for key in EXPOSURE} for row in report.money],
        "agents": agents,
    }


def _gained(before: Sums, now: Sums) -> Sums:
    none = dict.fromkeys(FIGURES, 0.0)
    gained: Sums = {}
    for key, row in now.items():
        was = before.get(key, none)
        gained[key] = {
            name: None if value is None or (old := was[name]) is None else value - old
            for name, value in row.items()
        }
    return gained


def money_of(
    costs: Iterable[Mapping[str, Any]], gained: Sums, agent: str | None = None
) -> list[dict[str, Any]]:
    """A row a currency: what parents cost, profit realised, change of the open profit, fees, and profit less fees."""
    parts: defaultdict[str, list[Mapping[str, float | None]]] = defaultdict(list)
    for one in costs:
        if agent in (None, one["agent"]):
            parts[one["currency"]].append({"cost": one["cost"]})
    for (name, currency), row in gained.items():
        if agent in (None, name):
            parts[currency].append(row)
    keys = ("cost", *FIGURES)
    sums = {at: {n: total(one.get(n, 0.0) for one in parts[at]) for n in keys} for at in parts}
    return [
        {"currency": at}
        | row
        | {"profit": total([row["realised"], row["open"], -(row["fees"] or 0.0)])}
        for at, row in sorted(sums.items())
    ]


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not known.

    >>> total([1.0, 2.0]), total([1.0, None]), total([])
    (3.0, None, 0.0)
    """
    found = list(values)
    return None if None in found else float(sum(value for value in found if value is not None))


def costs_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean cost of parents by filled value, its 95 % interval, and what was left of them.

    >>> rows = [{"is_bps": at, "notional": 1.0, "unfilled": 1, "refused": 0} for at in (1.0, 2.0, 3.0)]
    >>> found = costs_of(rows)
    >>> found["is_bps"], round(found["low_bps"], 2), found["unfilled"]
    (2.0, -0.48, 3)
    """
    mean, half = by_filled(rows)
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    left = {key: summed(row.get(key) or 0 for row in rows) for key in ("unfilled", "refused")}
    return {"parents": len(rows), "is_bps": mean, "low_bps": low, "high_bps": high, **left}


# -- the end of the day -----------------------------------------------------------------------------------------------


def _at_the_end(state: DeskState, report: DeskReport, gate: GateDay, to_ns: int) -> dict[str, Any]:
    """State, open and unknown orders, and failed checks at the end of the day."""
    ledger = state.ledger
    unknown = {order.root: order for order in ledger.orders.unknown()}
    heard = () if gate.journal is None else unbooked(gate.journal, ledger, gate.terms, to_ns)
    return {
        "states": ledger.states.rows(),
        "unknown": [
            {
                "order": order.root,
                "agent": order.account,
                "instrument": order.instrument,
                "side": order.side,
                "lots": order.lots,
                "filled": shown(order.cum_qty),
                "ns": order.sent_ns,
            }
            for order in unknown.values()
        ],
        "open_orders": sum(order.root not in unknown for order in ledger.orders.live()),
        "open_parents": [
            {"parent": one.id, **one.row, "waits": one.status == ParentStatus.PAUSED}
            for one in ledger.parents.open()
        ],
        "positions": [vars(row) for row in report.positions if row.lots],
        "requests": [
            {"request": number, "by": one.by, "reason": one.reason, "changes": dict(one.changes)}
            for number, one in ledger.limits.requests.items()
            if one.open(state.ns)
        ],
        "faults": ledger.faults(),
        "unbooked": [
            {
                "order": one.cl_ord_id,
                "agent": one.account,
                "instrument": one.instrument,
                "side": one.side,
                "lots": shown(one.last_qty),
                "ns": one.ns,
            }
            for one in heard
        ],
    }


# -- folders ----------------------------------------------------------------------------------------------------------


def days_of(folders: Sequence[Path], window: DayWindow | None = None) -> dict[str, Any]:
    """The day of each desk and of all: {"desks": [...], "all": {...}}; a desk that cannot be read has an ``error``.

    Every entry of a journal is checked against its hash before a figure is made of it.
    """
    names = [folder.resolve().name for folder in folders]
    called = [
        name if names.count(name) == 1 else str(folder)
        for name, folder in zip(names, folders, strict=True)
    ]
    days = [_read(folder, name, window) for folder, name in zip(folders, called, strict=True)]
    return {"desks": days, "all": all_of(days)}


def _read(folder: Path, name: str, window: DayWindow | None) -> dict[str, Any]:
    try:
        _check(folder)
        with closing(JournalReader(folder)) as reader, _gate_of(folder, reader) as gate:
            latched = [] if window and window.to_ns else _unspoken(folder, reader)
            return day_of(reader, name, window, gate, latched)
    except TercelError as error:
        needs = [f"its journal cannot be read: {error.received}"]
        return {"desk": name, "gate": "", "error": error.to_json(), "needs": needs}


def _unspoken(folder: Path, journal: Entries) -> list[dict[str, Any]]:
    """Kills that hold and that no session has written down, as acts of people."""
    latch = KillLatch(folder / LATCH).state()
    journaled = {
        (entry.body.get("by"), entry.body.get("reason"))
        for _, entry in journal.read(0, (kinds.KILL,))
    }
    return [
        {
            "ns": one["at_ns"],
            "what": HELD,
            "who": one["by"],
            "why": one["reason"],
            "agents": one["agents"] or ["every agent"],
        }
        for one in latch.history
        if one["what"] == "kill"
        and one["reason"] in latch.killed.values()
        and (one["by"], one["reason"]) not in journaled
    ]


def all_of(days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All desks that could be read, summed; value at risk is not, as losses of desks need not come together."""
    read = [day for day in days if "error" not in day]
    needs = dict[tuple[str, str], str]()
    for day in sorted(days, key=lambda day: "error" not in day):
        for need in day[
            "needs"
        ]:  # needs of a gate of several desks are reported by the first of them
            of = day["gate"] if SHARED in need else day["desk"]
            needs.setdefault((of, need), f"{day['desk']}: {need}")
    found = {
        "desks": len(days),
        "read": len(read),
        "costs": costs_of([row for day in read for row in day["parent_costs"]]),
        "needs": [*needs.values()],
        "money": _added([row for day in read for row in day["money"]]),
        "exposure": _added([row for day in read for row in day["exposure"]]),
    }
    several = "1 desk" if len(days) == 1 else f"{len(days)} desks"
    who = several if len(read) == len(days) else f"{len(read)} of {several}"
    return {"sentence": sentence_of(found, who), **found}


def _added(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of desks by currency; value at risk apart."""
    sums: dict[str, dict[str, list[float | None]]] = {}
    for row in rows:
        parts = sums.setdefault(row["currency"], defaultdict(list))
        for key in row.keys() - {"currency", "var95", "var_used", "var_returns"}:
            parts[key].append(row[key])
    return [
        {"currency": at} | {key: total(some) for key, some in sorted(parts.items())}
        for at, parts in sorted(sums.items())
    ]
