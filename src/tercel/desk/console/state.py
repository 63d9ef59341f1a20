"""State of the console's page: a fold over the journal, one small step per entry.

The page knows nothing of the desk's process: what is not in the journal it does not show, and a desk that hangs or has
died is seen as one whose journal stands still.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from tercel.core.orders import ONE, shown
from tercel.core.ports import Entries, Entry
from tercel.core.serialization import to_jsonable
from tercel.core.stats.inference import WeightedSums
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.alerts import AlertBook
from tercel.desk.console.operator_actions import operator_text
from tercel.desk.trading.child_orders.lifecycle import ChildOrder
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.ledger import ArchiveIndex, Ledger
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.risk.money import Money, by
from tercel.desk.trading.risk.trading_state import StateReason, TradingState
from tercel.desk.trading.tca.shortfall import weight
from tercel.execution import intent as it

KEPT_ACTS: Final = 50
KEPT_DECISIONS: Final = 40
KEPT_POINTS: Final = 600
KEPT_OVER: Final = 10
"""Parents that are over and still shown."""
KEPT_NS: Final = 180 * 10**9
"""Venue time for which a parent that is over stays in memory: analyses are written a minute after its end."""
KEPT_INTENTS: Final = 200
KEPT_PARENTS: Final = 4096
"""Parents whose costs stay in memory, those at work and of the last hour beside them."""
AS_IT_IS: Final = ("seq", "ns", "session", "postures", "alphas", "markets", "kills")
ACTIONS: Final = ("wait", "rest", "take", "take and rest")
SHOWN_LIMITS: Final = 8
HIDDEN: Final = ("qty", "unfilled", "costs", "spent", "intents")
PARTS: Final = ("spread", "walk", "timing", "forced", "fees")
"""What a shortfall is made of: they add up to it (`trading.tca.measure.ParentCost`)."""


@dataclass
class Agent:
    """State of one agent on the page."""

    name: str
    strategy: str = ""
    share: dict[str, float] = field(default_factory=dict)
    fills: int = 0
    qty: int = 0
    """Of its fills, 10^-8 of a lot."""
    unfilled: int = 0
    """Of its finished parents, 10^-8 of a lot."""
    orders: int = 0
    denials: int = 0
    drift: str = ""
    drifting: bool = False
    fallback: str = ""
    seat: dict[str, Any] = field(default_factory=dict)
    """Its last `agent_assignment` entry: challenger, trials, mean_bps, low_bps, high_bps, verdict."""
    model: str = ""
    """Hash of its last parent's weights."""
    promoted: str = ""
    """What it works with was put in the place of this one, in this session."""
    parents: int = 0
    """Finished, and analysed, by its strategies alone."""
    by_hand: int = 0
    """Likewise, of which a person had taken some over: its costs are not the agent's."""
    costs: WeightedSums = field(default_factory=WeightedSums, repr=False)
    spent: Counter[str] = field(default_factory=Counter, repr=False)
    """Of its analysed parents: each of PARTS in basis points by the parent's weight; "": the weights."""
    intents: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_INTENTS), repr=False)

    def shown(self) -> dict[str, Any]:
        """The agent's table row, with the mean shortfall of its fills and a 95 % Student interval over parents."""
        row = {name: value for name, value in vars(self).items() if name not in HIDDEN}
        row["parts"] = (
            {part: self.spent[part] / self.spent[""] for part in PARTS} if self.spent[""] else {}
        )
        asked = self.qty + self.unfilled
        row["filled_share"] = self.qty / asked if asked else None
        actions = [{"what": what, "n": n} for what, n in Counter(self.intents).most_common()]
        return row | _bounds(self.costs) | {"lots": shown(self.qty), "actions": actions}


class DeskState:
    """State of the whole page, folded from journal entries in order.

    Parameters
    ----------
    journal : Entries, optional
        Where a parent that has been over for an hour is read back from when a report names it; without one, all stay in
        memory.
    """

    def __init__(self, journal: Entries | None = None) -> None:
        self.seq = 0
        self.ns = 0
        self.session: dict[str, Any] = {}
        self.began_ns = 0
        """When it began."""
        self.agents: dict[str, Agent] = {}
        self.postures: dict[str, dict[str, Any]] = {}
        self.alphas: dict[str, dict[str, Any]] = {}
        self.markets: dict[str, dict[str, Any]] = {}
        self.outcomes = Outcomes()
        self._latest = {
            kinds.POSTURE: self.postures,
            kinds.ALPHA: self.alphas,
            kinds.MARKET: self.markets,
        }
        """Kinds of which the last entry of each instrument is shown."""
        self.heartbeat: dict[str, Any] = {}
        self.denials: Counter[str] = Counter()
        self.kills: dict[str, dict[str, Any]] = {}
        """Killed agents: how far the kill of each has got."""
        self.alerts = AlertBook()
        self.decisions: deque[dict[str, Any]] = deque(maxlen=KEPT_DECISIONS)
        self.operator: deque[dict[str, Any]] = deque(maxlen=KEPT_ACTS)
        self.share_points: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self._routed: dict[str, dict[str, float]] = {}
        """Shares of each instrument's flow as last drawn: replaced, never changed."""
        self.cost_points: deque[dict[str, Any]] = deque(maxlen=KEPT_POINTS)
        self._costs: dict[str, Mapping[str, Any]] = {}
        """What parents cost, as first journaled, or as last analysed after a bust or correction."""
        self._analysed: dict[str, dict[str, float]] = {}
        """What analysed parents added to `Agent.spent`, last."""
        self._whole = WeightedSums()
        self._unfilled = 0
        self._refused = 0
        self._ended: dict[str, ParentOrder] = {}
        self._most = KEPT_PARENTS
        self.archived = (0, 0)
        """Parents, and fills of theirs, that were past when a checkpoint of this state was kept."""
        self.looked: dict[str, tuple[int, str]] = {}
        """Entry and parent of each instrument's last decision."""
        self._decided: dict[str, int] = {}
        """Entry of each parent's last decision."""
        self._paid: Counter[str] = Counter()
        """Sum of price and quantity of each parent's fills."""
        self.ledger = Ledger(None if journal is None else ArchiveIndex(journal), keep_ns=KEPT_NS)
        """Parents, orders and positions, by the same fold as everywhere."""
        self.money = Money()

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one journal entry; kinds that the page does not show are ignored."""
        self.seq, self.ns = seq, max(self.ns, entry.ns)
        self.ledger.last = seq
        self.ledger.apply(entry)
        for pair in self.ledger.moves:
            for sign, fill in zip((-1, 1), pair, strict=True):
                if fill is not None:
                    agent = self._agent(fill.account)
                    agent.fills = agent.fills + sign
                    agent.qty = agent.qty + sign * fill.qty
                    self._paid[fill.parent] += sign * fill.px * fill.qty
                    if (over := self._ended.get(fill.parent)) is not None:
                        self._ended[over.id] = replace(
                            over, filled_qty=over.filled_qty + sign * fill.qty
                        )
        self.money.apply(entry, self.ledger)
        self.outcomes.apply(entry)
        if entry.kind in self._latest:
            self._latest[entry.kind][entry.instrument] = dict(entry.body) | {"ns": entry.ns}
        step = getattr(self, f"_{entry.kind}", None)
        if step is not None and entry.kind in kinds.KINDS:
            step(seq, entry)

    def shown(self) -> dict[str, Any]:
        """The whole page as JSON values."""
        live = self.ledger.parents.open()
        open_orders = self.ledger.orders.live()
        return {
            **{name: getattr(self, name) for name in AS_IT_IS},
            **{name: list(getattr(self, name))[::-1] for name in ("decisions", "operator")},
            "alerts": self.alerts.shown(),
            **{name: list(getattr(self, name)) for name in ("share_points", "cost_points")},
            "summary": self._summary(len(live), self.ledger.parents.count - len(live))
            | {
                "open": len(open_orders),
                "unknown": sum(order.status == "unknown" for order in open_orders),
            },
            "agents": list(self._agent_rows(open_orders)),
            "orders": [self._order_row(order) for order in open_orders],
            "parents": [
                self._parent_row(parent) for parent in [*live, *reversed(self._ended.values())]
            ],
            **self.money.shown(
                self.ledger.positions, self.ns, self._budget("desk", "desk", "daily_loss")["of"]
            ),
            "freshness": self._freshness(),
            "stances": [{"agent": name, **one} for name, one in self.ledger.stances.items()],
            "heartbeat": {key: value for key, value in self.heartbeat.items() if key != "limits"},
            "limits": highest(self.heartbeat.get("limits", {}))[:SHOWN_LIMITS],
            "denials": dict(self.denials.most_common()),
        }

    def _agent_rows(self, live: Sequence[ChildOrder]) -> Iterator[dict[str, Any]]:
        """Agents with how far each may trade, its share of the flow among those that take any, its money."""
        standing = {name: self.ledger.states.standing(name) for name in self.agents}
        killed, held_up = self.killed, self.ledger.holds
        held, open_ = self.ledger.positions.lots(), Counter(order.account for order in live)
        money = dict(by(self.money.holdings(self.ledger.positions), lambda one: one.agent))
        flow = {at: self._flow(at) for at in self._routed}
        for name, agent in self.agents.items():
            how = standing[name]
            has = {at: flow[at][name] for at in agent.share}
            paused = held_up.get(name) if str(how.state) == TradingState.ACTIVE else None
            why = how.reason if paused is None else f"{paused['by']}: {paused['reason']}"
            yield agent.shown() | {
                "open": open_[name],
                "held": held.get(name, {}),
                "share": has,
                "state": "killed" if name in killed else "paused" if paused else str(how.state),
                "reason": why,
                "state_reason": why,
                "state_code": how.code,
                "stance": self.ledger.stances.get(name),
                "posture": {at: self.postures[at] for at in agent.share if at in self.postures},
                "capital": self._budget("agents", name, "gross_value"),
                "money": self.money.total(
                    money.get(name, ()), self._budget("agents", name, "daily_loss")["of"]
                ),
            }

    def _flow(self, instrument: str) -> dict[str, float]:
        """Shares of an instrument's flow as it goes: who is killed or paused has none, the others have theirs."""
        out = self.killed | self.ledger.holds.keys()
        asked = {
            name: one.share[instrument]
            for name, one in self.agents.items()
            if instrument in one.share
        }
        whole = sum(share for name, share in asked.items() if name not in out)
        return {
            name: 0.0 if name in out or not whole else share / whole
            for name, share in asked.items()
        }

    def _route(self, ns: int, again: str = "") -> None:
        """A point of the chart for each instrument whose flow goes another way from here on, or is told `again`."""
        for at, before in self._routed.items():
            now = {name: round(share, 4) for name, share in self._flow(at).items()}
            if at == again or now != before:
                self._routed[at] = now
                self.share_points.append({"ns": ns, "instrument": at, "shares": now})

    @property
    def killed(self) -> set[str]:
        """Agents that are killed, as the journal says."""
        return set(self.ledger.states.held(StateReason.KILLED))

    def _budget(self, scope: str, name: str, limit: str) -> dict[str, Any]:
        """A limit in the last heartbeat: how much is used, of how much; null where there is none."""
        used, of, *_ = (
            self.heartbeat.get("limits", {}).get(scope, {}).get(name, {}).get(limit, (None, None))
        )
        return {"used": used, "of": of}

    def _freshness(self) -> dict[str, dict[str, float]]:
        """Seconds since each instrument was marked, and since its forecast and its posture were made."""
        guided = {"forecasts": self.alphas, "postures": self.postures}
        last = {what: {at: row["ns"] for at, row in rows.items()} for what, rows in guided.items()}
        last["marks"] = {name: ns for name, (ns, _) in self.money.marks.items()}
        return {
            what: {at: (self.ns - ns) / 1e9 for at, ns in rows.items()}
            for what, rows in last.items()
        }

    def _order_row(self, order: ChildOrder) -> dict[str, Any]:
        unit = self.money.unit(order.instrument)
        return {
            "id": order.root,
            "parent": order.parent,
            "instrument": order.instrument,
            "agent": order.account,
            "side": SIDE_WORDS[order.side],
            "qty": unit.qty(order.lots * ONE),
            "filled": unit.qty(order.cum_qty),
            "limit_price": None if order.price is None else unit.price(order.price * ONE),
            "status": str(order.status),
            "by_hand": self.hand_of(order),
        }

    def hand_of(self, order: ChildOrder) -> str:
        """Who gave an order by hand; "" for a strategy's."""
        parent = self.ledger.parents.get(order.parent)
        return "" if parent is None else dict(parent.by_hand).get(order.root, "")

    def _parent_row(self, parent: ParentOrder) -> dict[str, Any]:
        """A parent's row, with what an even schedule would have filled by now and the time that is left."""
        order, cost = parent.order, self._costs.get(parent.id, {})
        unit, paid = self.money.unit(order.instrument), self._paid[parent.id]
        missed, value = cost.get("is_bps"), cost.get("notional")
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
            "avg_price": unit.price(Fraction(paid, parent.filled_qty))
            if paid and parent.filled_qty
            else None,
            "arrival_price": unit.price(Fraction(parent.arrival_mid2 * ONE, 2))
            if parent.arrival_mid2
            else None,
            "cost": None if missed is None or value is None else missed * value / 1e4,
            "status": str(parent.status),
            "reason": parent.reason,
            "hand": parent.hand,
            "by_hand": self.ledger.lots_by_hand(parent),
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
        return {
            **_bounds(self._whole),
            "unfilled": shown(self._unfilled),
            "refused": self._refused,
            "live": live,
            "over": over,
            "fills": sum(agent.fills for agent in self.agents.values()),
            "lots": shown(sum(agent.qty for agent in self.agents.values())),
            "denied": sum(self.denials.values()),
            "alerts": dict(self.alerts.severities),
            "unowned": len(self.alerts.unowned),
            "of_gate": 0,
            "gate": "",
        }

    def _agent(self, name: str) -> Agent:
        if (agent := self.agents.get(name)) is None:
            agent = self.agents[name] = Agent(name)
        return agent

    # -- one method per kind of entry: see `trading.journal.kinds` ----------------------------------------------------

    def _session(self, seq: int, entry: Entry) -> None:
        self.session = dict(entry.body)
        self.began_ns = entry.ns
        for agent in self.agents.values():
            agent.promoted = ""  # a session begins with the strategies of the desk's file
        self.kills = {}  # a session that finds the kill switch engaged journals it again

    def _parent(self, seq: int, entry: Entry) -> None:
        event, body, agent = entry.body.get("event"), entry.body, self._agent(entry.agent)
        parent = self.ledger.parents.get(entry.parent)
        if parent is not None and parent.over:
            self._ended.pop(parent.id, None)
            self._ended[parent.id] = parent
            if len(self._ended) > KEPT_OVER:
                del self._ended[next(iter(self._ended))]
            self._forget()
        if event == "accepted":
            agent.strategy = agent.strategy or str(body.get("strategy", ""))
            agent.model = str(body.get("model", ""))
        elif event == "fallback":
            agent.fallback = str(body.get("reason", "fallback"))

    def _decision(self, seq: int, entry: Entry) -> None:
        self._decided[entry.parent] = seq
        self.looked[entry.instrument] = seq, entry.parent
        if intent := entry.body.get("intent"):
            self._agent(entry.agent).intents.append(
                ACTIONS[2 * bool(intent[it.TAKE]) + any(intent[it.REST0 :])]
            )
        row = {
            "seq": seq,
            "ns": entry.ns,
            "parent": entry.parent,
            "agent": entry.agent,
            "n": entry.body.get("n"),
        }
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
        past = self.ledger.past
        if entry.parent not in self._costs and not (past is not None and past.has(entry.parent)):
            self._cost(entry)

    def _tca(self, seq: int, entry: Entry) -> None:
        """A second analysis of a parent takes the place of what was said of its costs before; after `KEPT_PARENTS`
        others what was said stays."""
        if entry.parent in self._costs and entry.parent in self._analysed:
            self._count(self._agent(entry.agent), self._costs[entry.parent], -1)
            self._cost(entry)
        self._feedback(seq, entry)
        before = self._analysed.get(entry.parent, {})
        now = self._analysed[entry.parent] = _apart(entry.body)
        if entry.parent in self._costs:
            self._agent(entry.agent).spent.update(now)
            self._agent(entry.agent).spent.subtract(before)

    def _cost(self, entry: Entry) -> None:
        cost = self._costs[entry.parent] = to_jsonable(entry.body)
        self._count(self._agent(entry.agent), cost, 1)
        if cost.get("is_bps") is not None and "by_hand" not in cost:
            figures = {"is_bps": round(float(cost["is_bps"]), 4), "weight": weight(cost)}
            self.cost_points.append({"ns": entry.ns, "agent": entry.agent, **figures})

    def _count(self, agent: Agent, cost: Mapping[str, Any], times: int) -> None:
        own = "by_hand" not in cost
        agent.parents = agent.parents + times * own
        agent.by_hand = agent.by_hand + times * (not own)
        unfilled = times * round(cost.get("unfilled", 0) * ONE)
        agent.unfilled = agent.unfilled + unfilled
        self._unfilled = self._unfilled + unfilled
        self._refused += times * int(cost.get("refused", 0))
        if cost.get("is_bps") is not None:
            for sums in (agent.costs, self._whole) if own else (self._whole,):
                sums.add(float(cost["is_bps"]), weight(cost), times)

    def _forget(self) -> None:
        """Costs of parents that have left memory go; what was counted stays counted."""
        past = self.ledger.past
        if past is None or len(self._costs) < self._most:
            return
        for name in [name for name in self._costs if past.has(name)]:
            self._costs.pop(name)
            self._decided.pop(name, None)
            self._paid.pop(name, None)
            self._analysed.pop(name, None)
        self._most = max(KEPT_PARENTS, 2 * len(self._costs))

    def _state(self, seq: int, entry: Entry) -> None:
        self._agent(entry.agent)

    def _share(self, seq: int, entry: Entry) -> None:
        shares = {
            name: round(float(share), 4)
            for name, share in dict(entry.body.get("shares", {})).items()
        }
        for name, share in shares.items():
            self._agent(name).share[entry.instrument] = share
        self._routed.setdefault(entry.instrument, {})
        self._route(entry.ns, again=entry.instrument)

    def _drift(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.drift = str(entry.body.get("text", ""))
        agent.drifting = entry.body.get("state") == "drifting"

    def _agent_assignment(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.seat = dict(entry.body)
        agent.strategy = str(entry.body.get("strategy", ""))

    def _promoted(self, seq: int, entry: Entry) -> None:
        agent = self._agent(entry.agent)
        agent.strategy = str(entry.body.get("challenger", ""))
        agent.drift = ""
        agent.drifting = False
        agent.promoted = (
            "" if agent.promoted == agent.strategy else str(entry.body.get("champion", ""))
        )
        self._operator(seq, entry)

    def _heartbeat(self, seq: int, entry: Entry) -> None:
        self.heartbeat = dict(entry.body) | {"ns": entry.ns}

    def _alert(self, seq: int, entry: Entry) -> None:
        self.alerts.apply(seq, entry)

    def _kill(self, seq: int, entry: Entry) -> None:
        self.kills[entry.agent or str(entry.body.get("scope", ""))] = dict(entry.body) | {
            "ns": entry.ns
        }
        self._route(entry.ns)
        self._operator(seq, entry)

    def _rearm(self, seq: int, entry: Entry) -> None:
        if "ends" not in entry.body:
            self.kills.pop(entry.agent or str(entry.body.get("scope", "")), None)
        self._route(entry.ns)
        self._operator(seq, entry)

    def _hold(self, seq: int, entry: Entry) -> None:
        self._agent(entry.agent)
        self._route(entry.ns)
        self._operator(seq, entry)

    def _stance(self, seq: int, entry: Entry) -> None:
        self._operator(seq, entry)

    def _operator(self, seq: int, entry: Entry) -> None:
        self.operator.append(
            {"seq": seq, "ns": entry.ns, "kind": entry.kind, **operator_text(entry)}
        )
        self.alerts.apply(seq, entry)


def _bounds(costs: WeightedSums) -> dict[str, float | None]:
    return dict(zip(("is_bps", "half_bps", "low_bps", "high_bps"), costs.bounds(), strict=True))


def _apart(cost: Mapping[str, Any]) -> dict[str, float]:
    """What an analysis adds to `Agent.spent`: nothing of a parent that a person helped with."""
    if cost.get("is_bps") is None or "by_hand" in cost:
        return {}
    by = weight(cost)
    return {part: by * (cost.get(f"{part}_bps") or 0.0) for part in PARTS} | {"": by}


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
