"""State of the console's page: a fold over the journal, one small step per entry.

The page knows nothing of the desk's process: what is not in the journal it does not show, and a desk that hangs or has
died is seen as one whose journal stands still.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tercel.core.fixed import shown, summed
from tercel.core.plain import plain
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.ledger import FOLDED, Ledger
from tercel.desk.trading.parents import ParentOrder
from tercel.desk.trading.tca.shortfall import by_filled, weight

KEPT_ALERTS: Final = 50
KEPT_DECISIONS: Final = 40
KEPT_POINTS: Final = 600
KEPT_OVER: Final = 10
"""Parents that are over and still shown."""
SHOWN_LIMITS: Final = 8


@dataclass
class Agent:
    """State of one agent on the page."""

    name: str
    strategy: str = ""
    share: dict[str, float] = field(default_factory=dict)
    fills: int = 0
    qty: int = 0
    """Of its fills, 10^-8 of a lot."""
    orders: int = 0
    denials: int = 0
    drift: str = ""
    drifting: bool = False
    fallback: str = ""
    seat: dict[str, Any] = field(default_factory=dict)
    """Its last `seat` entry: challenger, trials, mean_bps, low_bps, high_bps, verdict."""
    costs: list[Mapping[str, Any]] = field(default_factory=list, repr=False)

    def shown(self) -> dict[str, Any]:
        """The agent's table row, with the mean shortfall of its fills and a 95 % Student interval over parents."""
        mean, half = by_filled(self.costs)
        row = asdict(self)
        del row["costs"]
        row["lots"] = shown(row.pop("qty"))
        return row | {"is_bps": mean, "half_bps": half, "parents": len(self.costs)}


class DeskState:
    """State of the whole page, folded from journal entries in order."""

    def __init__(self) -> None:
        self.seq = 0
        self.ns = 0
        self.session: dict[str, Any] = {}
        self.agents: dict[str, Agent] = {}
        self.postures: dict[str, dict[str, Any]] = {}
        self.alphas: dict[str, dict[str, Any]] = {}
        self.markets: dict[str, dict[str, Any]] = {}
        self.forecasts: dict[str, dict[str, Any]] = {}
        """What was forecast of the last round, and what came."""
        self._latest = {
            kinds.POSTURE: self.postures, kinds.ALPHA: self.alphas, kinds.MARKET: self.markets,
            kinds.FORECAST: self.forecasts,
        }  # fmt: skip
        """Kinds of which the last entry of each instrument is shown."""
        self.heartbeat: dict[str, Any] = {}
        self.denials: Counter[str] = Counter()
        self.severities: Counter[str] = Counter()
        self.kills: dict[str, dict[str, Any]] = {}
        """Killed agents: how far the kill of each has got."""
        self.alerts: deque[dict[str, Any]] = deque(maxlen=KEPT_ALERTS)
        self.decisions: deque[dict[str, Any]] = deque(maxlen=KEPT_DECISIONS)
        self.operator: deque[dict[str, Any]] = deque(maxlen=KEPT_ALERTS)
        self.share_points: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self.cost_points: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self._costs: dict[str, Mapping[str, Any]] = {}
        """What parents cost, as first journaled, or as last analysed after a bust or correction."""
        self._analysed: set[str] = set()
        self._decided: dict[str, int] = {}
        """Entry of each parent's last decision."""
        self.ledger = Ledger()
        """Parents, orders and positions, by the same fold as everywhere."""

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one journal entry; kinds that the page does not show are ignored."""
        self.seq, self.ns = seq, max(self.ns, entry.ns)
        if entry.kind in FOLDED:
            orders = self.ledger.orders
            booked, rebooked = len(orders.fills), len(orders.rebooked)
            self.ledger.apply(entry)
            for fill in orders.fills[booked:]:
                agent = self._agent(fill.account)
                agent.fills, agent.qty = agent.fills + 1, agent.qty + fill.qty
            for before, now in orders.rebooked[rebooked:]:
                agent, qty = self._agent(before.account), now.qty if now else 0
                agent.fills, agent.qty = agent.fills - (now is None), agent.qty + qty - before.qty
        if entry.kind in self._latest:
            self._latest[entry.kind][entry.instrument] = dict(entry.body) | {"ns": entry.ns}
        step = getattr(self, f"_{entry.kind}", None)
        if step is not None and entry.kind in kinds.KINDS:
            step(seq, entry)

    def shown(self) -> dict[str, Any]:
        """The whole page as JSON values."""
        live = [parent for parent in self.ledger.parents if not parent.over]
        open_orders = self.ledger.orders.live()
        held = self.ledger.positions.lots()
        over = [parent for parent in self.ledger.parents if parent.over]
        return {
            "seq": self.seq,
            "ns": self.ns,
            "session": self.session,
            "summary": self._summary(len(live), len(over))
            | {"open": len(open_orders), "unknown": sum(order.status == "unknown" for order in open_orders)},
            "agents": [
                agent.shown()
                | {"open": sum(o.account == agent.name for o in open_orders), "held": held.get(agent.name, {})}
                | self._standing(agent.name)
                for agent in self.agents.values()
            ],
            "parents": [self._parent_row(parent) for parent in [*live, *over[-KEPT_OVER:][::-1]]],
            "postures": self.postures,
            "alphas": self.alphas,
            "forecasts": self.forecasts,
            "markets": self.markets,
            "heartbeat": {key: value for key, value in self.heartbeat.items() if key != "limits"},
            "limits": highest(self.heartbeat.get("limits", {}))[:SHOWN_LIMITS],
            "denials": dict(self.denials.most_common()),
            "kills": self.kills,
            "alerts": list(self.alerts)[::-1],
            "decisions": list(self.decisions)[::-1],
            "operator": list(self.operator)[::-1],
            "share_points": list(self.share_points),
            "cost_points": list(self.cost_points),
        }

    def _standing(self, agent: str) -> dict[str, str]:
        standing = self.ledger.states.standing(agent)
        return {"state": str(standing.state), "state_reason": standing.reason, "state_code": standing.code}

    def _parent_row(self, parent: ParentOrder) -> dict[str, Any]:
        """A parent's row, with what an even schedule would have filled by now and the time that is left."""
        order, cost = parent.order, self._costs.get(parent.id, {})
        passed = min(max(self.ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
        return {
            "parent": parent.id,
            "instrument": order.instrument,
            "agent": order.agent,
            "side": order.side,
            "lots": parent.lots,
            "filled": parent.filled,
            "limit_price": parent.limit_price,
            "limit": parent.limit,
            "status": str(parent.status),
            "reason": parent.reason,
            "live": not parent.over,
            "schedule": passed,
            "progress": parent.filled / max(parent.lots, 1),
            "left_s": None if parent.over else max(parent.ends_ns - self.ns, 0) / 1e9,
            "last_decision": self._decided.get(parent.id, 0),
            **{name: cost.get(name) for name in ("is_bps", "opportunity_bps")},
            **{name: cost.get(name, 0) for name in ("unfilled", "refused")},
        }

    def _summary(self, live: int, over: int) -> dict[str, Any]:
        """The figures at the head of the page: over all agents and the whole journal."""
        costs = [cost for agent in self.agents.values() for cost in agent.costs]
        mean, half = by_filled(costs)
        return {
            "is_bps": mean,
            "half_bps": half,
            "unfilled": summed(cost.get("unfilled", 0) for cost in costs),
            "refused": sum(int(cost.get("refused", 0)) for cost in costs),
            "live": live,
            "over": over,
            "fills": sum(agent.fills for agent in self.agents.values()),
            "lots": shown(sum(agent.qty for agent in self.agents.values())),
            "denied": sum(self.denials.values()),
            "alerts": dict(self.severities),
        }

    def _agent(self, name: str) -> Agent:
        return self.agents.setdefault(name, Agent(name))

    # -- one method per kind of entry: see `trading.journal.kinds` ----------------------------------------------------

    def _session(self, seq: int, entry: Entry) -> None:
        self.session = dict(entry.body)
        self.kills = {}  # a session that finds the latch fallen journals it again

    def _parent(self, seq: int, entry: Entry) -> None:
        event, body, agent = entry.body.get("event"), entry.body, self._agent(entry.agent)
        if event == "accepted":
            agent.strategy = agent.strategy or str(body.get("strategy", ""))
        elif event == "fallback":
            agent.fallback = str(body.get("reason", "fallback"))

    def _decision(self, seq: int, entry: Entry) -> None:
        self._decided[entry.parent] = seq
        row = {"seq": seq, "ns": entry.ns, "parent": entry.parent, "agent": entry.agent, "n": entry.body.get("n")}
        self.decisions.append(row | {"commands": len(entry.body.get("commands") or ())})

    def _order_out(self, seq: int, entry: Entry) -> None:
        if entry.agent:
            self._agent(entry.agent).orders += 1

    def _denied(self, seq: int, entry: Entry) -> None:
        self.denials[str(entry.body.get("code", ""))] += 1
        if entry.agent:
            self._agent(entry.agent).denials += 1

    def _feedback(self, seq: int, entry: Entry) -> None:
        """The analysis has the same, before it or after; a session without a desk has the analysis alone."""
        if entry.parent in self._costs:
            return
        cost = plain(entry.body)
        self._costs[entry.parent] = cost
        self._agent(entry.agent).costs.append(cost)
        if cost.get("is_bps") is not None:
            figures = {"is_bps": round(float(cost["is_bps"]), 4), "weight": weight(cost)}
            self.cost_points.append({"ns": entry.ns, "agent": entry.agent, **figures})

    def _tca(self, seq: int, entry: Entry) -> None:
        """A second analysis of a parent takes the place of what was said of its costs before."""
        if entry.parent in self._analysed:
            self._agent(entry.agent).costs.remove(self._costs.pop(entry.parent))
        self._analysed.add(entry.parent)
        self._feedback(seq, entry)

    def _state(self, seq: int, entry: Entry) -> None:
        self._agent(entry.agent)

    def _share(self, seq: int, entry: Entry) -> None:
        shares = {name: round(float(share), 4) for name, share in dict(entry.body.get("shares", {})).items()}
        for name, share in shares.items():
            self._agent(name).share[entry.instrument] = share
        self.share_points.append({"ns": entry.ns, "instrument": entry.instrument, "shares": shares})

    def _drift(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.drift, agent.drifting = str(entry.body.get("text", "")), entry.body.get("state") == "drifting"

    def _seat(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.seat, agent.strategy = dict(entry.body), str(entry.body.get("strategy", ""))

    def _promoted(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.strategy, agent.drift, agent.drifting = str(entry.body.get("challenger", "")), "", False
        self._operator(seq, entry)

    def _heartbeat(self, seq: int, entry: Entry) -> None:
        self.heartbeat = dict(entry.body) | {"ns": entry.ns}

    def _alert(self, seq: int, entry: Entry) -> None:
        row = {key: entry.body.get(key, "") for key in ("severity", "code", "text")}
        self.severities[str(row["severity"])] += 1
        self.alerts.append(row | {"seq": seq, "ns": entry.ns, "agent": entry.agent, "instrument": entry.instrument})

    def _kill(self, seq: int, entry: Entry) -> None:
        self.kills[entry.agent or str(entry.body.get("scope", ""))] = dict(entry.body) | {"ns": entry.ns}
        self._operator(seq, entry)

    def _rearm(self, seq: int, entry: Entry) -> None:
        self.kills.pop(entry.agent or str(entry.body.get("scope", "")), None)
        self._operator(seq, entry)

    def _operator(self, seq: int, entry: Entry) -> None:
        self.operator.append({"seq": seq, "ns": entry.ns, "kind": entry.kind, **operator_text(entry)})


def operator_text(entry: Entry) -> dict[str, str]:
    """An operator's, kill, re-arm or promotion entry as text: {"by", "what", "reason"}."""
    body = entry.body
    about = body.get("body")
    if entry.kind == kinds.KILL:
        left = f", {body['open']} lots open" if body.get("open") else ""
        what = f"kill {body.get('event')}: {body.get('scope')}{left}"
    elif entry.kind == kinds.REARM:
        what = f"re-armed: {body.get('scope')}"
    elif entry.kind == kinds.PROMOTED:
        what = f"promoted {body.get('challenger')} over {body.get('champion')} of {entry.agent}"
    else:
        words = (_asked(key, value) for key, value in about.items()) if isinstance(about, Mapping) else ()
        what = " ".join(["asked for:", str(body.get("command")), *words])
    return {"by": str(body.get("by") or ""), "what": what, "reason": str(body.get("reason") or "")}


def _asked(key: str, value: Any) -> str:
    """A word of what was asked for; no agents named are all of them."""
    if not isinstance(value, list | tuple):
        return f"{key} {value}"
    return f"{key} {', '.join(map(str, value))}" if value else f"all {key}"


def highest(limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A heartbeat's limit usage as rows, highest share first; `warned_at` is the share at which people are warned.

    >>> highest({"desk": {"desk": {"messages": [3, 4], "daily_loss": [0, 9]}}})[0]
    {'scope': 'desk', 'name': 'desk', 'limit': 'messages', 'used': 3, 'of': 4, 'warned_at': None, 'share': 0.75}
    """
    rows = [
        {"scope": room, "name": name, "limit": limit, "used": used, "of": most}
        | {"warned_at": next(iter(level), None), "share": used / most if most else 1.0}
        for room, names in limits.items()
        for name, held in names.items()
        for limit, (used, most, *level) in held.items()
    ]
    return sorted(rows, key=lambda row: -row["share"])
