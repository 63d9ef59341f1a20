"""What happened within the day of a desk: parents that ended, fills, denials, acts of people, alerts, limits."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tercel.core.plain import plain
from tercel.core.ports import Entry
from tercel.desk.console.alerts import SEVERE, owner_of, row_of
from tercel.desk.console.state import DeskState, highest
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.tca.shortfall import BPS

CHANGED: Final = {
    "tightened": "limits tightened",
    "loosened": "limits loosened",
    "requested": "looser limits asked for",
}


class DayEvents:
    """The fold: entries in order, those before the day too, since a parent counts on the day that first told its cost.

    Owners of alerts are taken whenever they come.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.over: Counter[str] = Counter()
        """Parents that ended, by agent; fills, lots (10^-8) and denials likewise."""
        self.fills: Counter[str] = Counter()
        self.lots: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.severities: Counter[str] = Counter()
        self.general: Counter[str] = Counter()
        """Of the gate's alerts, those about no agent."""
        self.costs: dict[str, dict[str, Any]] = {}
        """Of each parent, by its last analysis."""
        self.people: list[dict[str, Any]] = []
        self.owners: dict[tuple[bool, int], dict[str, str]] = {}
        """Of alerts, by whether they stand in the gate's journal and the number of their entry."""
        self._alerts: list[dict[str, Any]] = []
        self._limits: dict[tuple[str, str, str], dict[str, Any]] = {}
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
        step = getattr(self, f"_on_{entry.kind}", None)
        if step is not None:
            step(seq, entry)

    def _cost(self, entry: Entry, state: DeskState, inside: bool) -> None:
        first = entry.parent not in self._told
        self._told.add(entry.parent)
        if not inside or not (first or entry.parent in self.costs):
            return
        body = plain(entry.body)
        row = {
            key: body[key]
            for key in ("is_bps", "notional", "filled", "unfilled", "refused", "by_hand")
            if key in body
        }
        where = {"parent": entry.parent, "agent": entry.agent, "instrument": entry.instrument}
        money = {"currency": state.money.unit(entry.instrument).currency, "cost": _in_money(row)}
        self.costs[entry.parent] = where | {"is_bps": None} | row | money

    def _on_parent(self, seq: int, entry: Entry) -> None:
        event = entry.body.get("event")
        self.accepted += event == "accepted"
        self.over[entry.agent] += event in ("done", "cancelled", "expired", "refused")

    def _on_denied(self, seq: int, entry: Entry) -> None:
        self.codes[str(entry.body.get("code", ""))] += 1
        self.denied[entry.agent] += bool(entry.agent)

    def _on_heartbeat(self, seq: int, entry: Entry) -> None:
        for row in highest(entry.body.get("limits", {})):
            key = row["scope"], row["name"], row["limit"]
            if row["used"] and row["share"] > self._limits.get(key, {"share": 0.0})["share"]:
                self._limits[key] = row | {"ns": entry.ns}

    def most_used(self, most: int) -> list[dict[str, Any]]:
        """The limits that came nearest to their end within the day, with when."""
        return sorted(self._limits.values(), key=lambda row: -row["share"])[:most]

    # -- people --------------------------------------------------------------------------------------------------------

    def _act(
        self, entry: Entry, what: str, agent: str, who: str = "", **more: Any
    ) -> dict[str, Any]:
        """The row of an act; what one person did to several agents for one reason is one act."""
        who, why = who or str(entry.body.get("by") or ""), str(entry.body.get("reason") or "")
        for row in self.people[::-1]:
            if (
                row["what"] == what
                and row["why"] == why
                and (not who or row["who"] == who)
                and "agents" in row
            ):
                if agent not in row["agents"]:
                    row["agents"].append(agent)
                return row
        row = {
            "ns": entry.ns,
            "what": what,
            "who": who,
            "why": why,
            **({"agents": [agent]} if agent else {}),
            **more,
        }
        self.people.append(row)
        return row

    def _on_kill(self, seq: int, entry: Entry) -> None:
        agent = entry.agent or str(entry.body.get("scope", ""))
        row = self._act(entry, "killed", agent, events={})
        row["events"][agent] = str(entry.body.get("event", ""))

    def _on_rearm(self, seq: int, entry: Entry) -> None:
        if "ends" in entry.body and not entry.body.get("by"):
            return
        what = f"confirmed {entry.body['ends'][0]}" if "operator" in entry.body else "re-armed"
        self._act(entry, what, entry.agent or str(entry.body.get("scope", "")))

    def _on_promoted(self, seq: int, entry: Entry) -> None:
        body = entry.body
        self._act(
            entry,
            f"promoted {body.get('challenger')} over {body.get('champion')} of {entry.agent}",
            "",
        )

    def _on_limits(self, seq: int, entry: Entry) -> None:
        body = entry.body
        if (what := CHANGED.get(str(body.get("event")))) is None:
            return
        asked = f", asked for by {body['asked_by']}" if body.get("asked_by") else ""
        changes = ", ".join(
            f"{path} = {value}" for path, value in dict(body.get("changes") or {}).items()
        )
        self._act(entry, f"{what}: {changes}", "", f"{body.get('by') or ''}{asked}")

    # -- alerts --------------------------------------------------------------------------------------------------------

    def own(self, seq: int, entry: Entry, *, at_gate: bool = False) -> None:
        """Take what an operator's entry says of an alert's owner, whenever it came; the first one's it is."""
        for alert, owner in owner_of(seq, entry).items():
            self.owners.setdefault((at_gate, alert), owner)

    def _on_alert(self, seq: int, entry: Entry, *, at_gate: bool = False) -> None:
        row = row_of(seq, entry)
        self.severities[row["severity"]] += 1
        if row["severity"] in SEVERE:
            self._alerts.append(row | {"gate": at_gate})

    def of_gate(self, seq: int, entry: Entry) -> None:
        """Take an alert of the gate, within the day."""
        self._on_alert(seq, entry, at_gate=True)
        self.general[row_of(seq, entry)["severity"]] += not entry.agent

    def alerts(self) -> list[dict[str, Any]]:
        """Critical ones, then warnings, first what is nobody's: those of one code, agent and owner in one row."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in sorted(self._alerts, key=lambda one: one["ns"]):
            owner = self.owners.get((one["gate"], one["seq"]), {"owner": "", "note": ""})
            key = (
                *(one[name] for name in ("severity", "code", "agent", "gate")),
                owner["owner"],
                owner["note"],
            )
            row = rows.setdefault(key, {"n": 0, "first_ns": one["ns"], "seqs": []})
            more = {**owner, "n": row["n"] + 1, "last_ns": one["ns"]}
            row |= {key: one[key] for key in ("severity", "code", "agent", "text", "gate")} | more
            row["seqs"].append(one["seq"])
        return sorted(
            rows.values(), key=lambda row: (SEVERE.index(row["severity"]), bool(row["owner"]))
        )

    def shown(self) -> dict[str, Any]:
        """{"denials", "people", "alerts", "severities"}."""
        counted = {"denials": dict(self.codes.most_common()), "severities": dict(self.severities)}
        return counted | {"people": self.people, "alerts": self.alerts()}


def _in_money(body: Mapping[str, Any]) -> float | None:
    """What the fills of a parent cost in money; None where its journal has no value of them."""
    if body.get("is_bps") is None:
        return 0.0
    return None if "notional" not in body else float(body["is_bps"]) * float(body["notional"]) / BPS
