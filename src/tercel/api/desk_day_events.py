"""What happened within the day of a desk: parents that ended, fills, denials, acts of people, alerts, limits."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tercel.core.plain import plain
from tercel.core.ports import Entry
from tercel.desk.console.alerts import SEVERE, Owner, alert_of, owner_of
from tercel.desk.console.report import Alert
from tercel.desk.console.state import DeskState, highest
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.tca.shortfall import BPS

CHANGED: Final = {
    "tightened": "limits tightened",
    "loosened": "limits loosened",
    "requested": "looser limits asked for",
}
_COST: Final = ("is_bps", "notional", "filled", "unfilled", "refused", "by_hand")
_ALERT: Final = ("severity", "code", "agent", "text", "gate", "owner", "note")
"""What alerts in one row of a report have in common, the text apart."""


class DayEvents:
    """The fold: entries in order, those before the day too, since a parent counts on the day that first told its cost.

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
        self._told: set[str] = set()

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
        first = entry.parent not in self._told
        self._told.add(entry.parent)
        if not inside or not (first or entry.parent in self.costs):
            return
        body = plain(entry.body)
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
        """Critical ones, then warnings, first what is nobody's: those of one code, agent and owner in one row."""
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
