"""Fold of a desk's journal into its report, one small step per entry.

The fold reads the journal alone, never the desk's process. A desk that hangs or has died is one whose journal no longer
grows.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from typing import Any, Final, cast

import msgspec

from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import ONE, shown
from tercel.core.ports import Entries, Entry
from tercel.core.stats.inference import WeightedSums
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.alerts import AlertBook
from tercel.desk.console.operator_actions import operator_action
from tercel.desk.console.report import (
    Action,
    AgentPart,
    AlphaPart,
    Budget,
    CorrelationPart,
    CostPoint,
    Decision,
    Deed,
    DeskReport,
    ExposurePart,
    Freshness,
    Heartbeat,
    Limit,
    ListingPart,
    MarketPart,
    NamedStance,
    OrderPart,
    ParentPart,
    PnlPoint,
    PositionPart,
    PosturePart,
    Seat,
    SessionPart,
    SharePoint,
    StancePart,
    Summary,
    Total,
)
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.bodies import HoldEntry
from tercel.desk.trading.ledger import ArchiveIndex, Ledger
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.risk.money import Money, by, summed
from tercel.desk.trading.risk.trading_state import StateReason, TradingState
from tercel.desk.trading.tca.rfq import requests_of
from tercel.execution import intent as it

MOST_ACTIONS: Final = 50
MOST_DECISIONS: Final = 40
MOST_POINTS: Final = 600
MOST_OVER: Final = 10
"""Finished parents in a report."""
MOST_REQUESTS: Final = 20
"""Requests for quotes in a report."""
KEEP_NS: Final = 180 * 10**9
"""Venue time for which a finished parent stays in memory: analyses are written a minute after its end."""
MOST_INTENTS: Final = 200
MOST_COSTS: Final = 4096
"""Parents whose costs stay in memory, those at work and of the last hour beside them."""
ACTIONS: Final = ("wait", "rest", "take", "take and rest")
MOST_LIMITS: Final = 8
PARTS: Final = ("spread", "walk", "timing", "forced", "fees")
"""Parts that add up to a shortfall (`trading.tca.measure.ParentCost`)."""


@dataclass
class Agent:
    """State of one agent."""

    name: str
    strategy: str = ""
    share: dict[str, float] = field(default_factory=dict)
    fills: int = 0
    qty: int = 0
    """Filled quantity, 10^-8 of a lot."""
    unfilled: int = 0
    """Unfilled quantity of its finished parents, 10^-8 of a lot."""
    orders: int = 0
    denials: int = 0
    drift: str = ""
    drifting: bool = False
    fallback: str = ""
    seat: Seat = field(default_factory=lambda: Seat())  # noqa: PLW0108 (mypy)
    """Its last `agent_assignment` entry."""
    model: str = ""
    """Hash of its last parent's weights."""
    promoted: str = ""
    """Champion that its strategy replaced in this session."""
    parents: int = 0
    """Number of finished and analysed parents that its strategies alone worked."""
    by_hand: int = 0
    """Number of finished and analysed parents that a person worked in part: their costs are not the agent's."""
    costs: WeightedSums = field(default_factory=WeightedSums, repr=False)
    spent: Counter[str] = field(default_factory=Counter, repr=False)
    """Sums over its analysed parents: each of PARTS in basis points, times the parent's weight; "": the weights."""
    intents: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_INTENTS), repr=False)


class DeskState:
    """State of a desk, folded from journal entries in order.

    Parameters
    ----------
    journal : Entries, optional
        A finished parent that has left memory is read back from it when a report names it; without one, all stay in
        memory.
    """

    def __init__(self, journal: Entries | None = None) -> None:
        self.seq = 0
        self.ns = 0
        self.session = SessionPart()
        # When the session began
        self.began_ns = 0
        self.agents: dict[str, Agent] = {}
        self.postures: dict[str, PosturePart] = {}
        self.alphas: dict[str, AlphaPart] = {}
        self.markets: dict[str, MarketPart] = {}
        self.outcomes = Outcomes()
        # Kinds of which the last entry of each instrument is reported
        self._latest = cast(
            dict[str, dict[str, dict[str, Any]]],
            {
                kinds.POSTURE: self.postures,
                kinds.ALPHA: self.alphas,
                kinds.MARKET: self.markets,
            },
        )
        self.heartbeat = Heartbeat()
        self.denials: Counter[str] = Counter()
        # Last `kill` entry of each killed agent
        self.kills: dict[str, dict[str, Any]] = {}
        self.alerts = AlertBook()
        self.decisions: deque[Decision] = deque(maxlen=MOST_DECISIONS)
        self.operator: deque[Deed] = deque(maxlen=MOST_ACTIONS)
        self.share_points: deque[SharePoint] = deque(maxlen=MOST_POINTS)
        # Shares of each instrument's flow as last drawn: replaced, never changed
        self._routed: dict[str, dict[str, float]] = {}
        self.cost_points: deque[CostPoint] = deque(maxlen=MOST_POINTS)
        # Costs of parents, as first journaled, or as last analysed after a bust or correction
        self._costs: dict[str, CostEntry] = {}
        # Last contribution of each analysed parent to `Agent.spent`
        self._analysed: dict[str, dict[str, float]] = {}
        self._whole = WeightedSums()
        self._unfilled = 0
        self._refused = 0
        self._ended: dict[str, ParentOrder] = {}
        self._most = MOST_COSTS
        # Archived parents, and fills of theirs, when a checkpoint of this state was made
        self.archived = (0, 0)
        # Entry and parent of each instrument's last decision
        self.looked: dict[str, tuple[int, str]] = {}
        # Entry of each parent's last decision
        self._decided: dict[str, int] = {}
        # Sum of price and quantity of each parent's fills
        self._paid: Counter[str] = Counter()
        # Parents, orders and positions, by the same fold as everywhere
        self.ledger = Ledger(None if journal is None else ArchiveIndex(journal), keep_ns=KEEP_NS)
        self.money = Money()
        # Entries of each of the last requests for quotes
        self.quoted: dict[str, tuple[Entry, ...]] = {}

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one journal entry; kinds that the report does not have are ignored."""
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

    def report(self) -> DeskReport:
        """The desk as its journal shows it."""
        live = self.ledger.parents.open()
        open_orders = self.ledger.orders.live()
        money, held = self.money, self.money.holdings(self.ledger.positions)
        total = money.total(held, self._budget("desk", "desk", "daily_loss").of)
        names = sorted({*money.units, *(one.instrument for one in held)})
        flowing, alike = money.correlation(self.ns)
        return DeskReport(
            seq=self.seq,
            ns=self.ns,
            session=self.session,
            summary=self._summary(live, open_orders),
            agents=list(self._agent_rows(open_orders)),
            parents=[self._parent_row(one) for one in [*live, *reversed(self._ended.values())]],
            orders=[self.order_part(order) for order in open_orders],
            quote_requests=requests_of(
                chain(*reversed(self.quoted.values())), self.ledger, money.unit, self.ns
            ),
            instruments={name: ListingPart(**money.unit(name).shown()) for name in names},
            markets=self.markets,
            money=[Total(**one) for one in total],
            positions=[PositionPart(**one.shown()) for one in held],
            pnl_points=[PnlPoint(**one) for _, point in money.curve.points for one in point],
            exposure=[
                ExposurePart(
                    instrument=name,
                    currency=some[0].unit.currency,
                    net=summed(some, "value"),
                    gross=summed(some, "gross"),
                )
                for name, some in by(held, lambda one: one.instrument)
            ],
            correlation=CorrelationPart(agents=flowing, matrix=alike),
            postures=self.postures,
            stances=[
                msgspec.convert({"agent": name, **one.body}, NamedStance)
                for name, one in self.ledger.stances.items()
            ],
            alphas=self.alphas,
            freshness=Freshness(
                marks={at: (self.ns - ns) / 1e9 for at, (ns, _) in self.money.marks.items()},
                forecasts={at: (self.ns - row["ns"]) / 1e9 for at, row in self.alphas.items()},
                postures={at: (self.ns - row["ns"]) / 1e9 for at, row in self.postures.items()},
            ),
            heartbeat=cast(
                Heartbeat, {key: value for key, value in self.heartbeat.items() if key != "limits"}
            ),
            limits=self.limits()[:MOST_LIMITS],
            denials=dict(self.denials.most_common()),
            kills=self.kills,
            alerts=self.alerts.rows(),
            decisions=list(self.decisions)[::-1],
            operator=list(self.operator)[::-1],
            share_points=list(self.share_points),
            cost_points=list(self.cost_points),
            gate_fault="",
        )

    def _agent_rows(self, live: Sequence[ChildOrder]) -> Iterator[AgentPart]:
        """Agents with what each may do, its share of the flow among those that take any, its money."""
        killed, paused_by = self.killed, self.ledger.holds
        held, open_ = self.ledger.positions.lots(), Counter(order.account for order in live)
        money = dict(by(self.money.holdings(self.ledger.positions), lambda one: one.agent))
        flow = {at: self._flow(at) for at in self._routed}
        for name, agent in self.agents.items():
            standing = self.ledger.states.standing(name)
            has = {at: flow[at][name] for at in agent.share}
            paused = paused_by.get(name) if str(standing.state) == TradingState.ACTIVE else None
            why, hand = standing.reason, self.ledger.stances.get(name)
            if paused is not None:
                why = f"{HoldEntry.of(paused).by}: {HoldEntry.of(paused).reason}"
            asked, spent = agent.qty + agent.unfilled, agent.spent
            is_bps, half_bps, low_bps, high_bps = agent.costs.bounds()
            yield AgentPart(
                name=name,
                strategy=agent.strategy,
                state="killed" if name in killed else "paused" if paused else str(standing.state),
                state_code=standing.code,
                reason=why,
                state_reason=why,
                fallback=agent.fallback,
                share=has,
                held=held.get(name, {}),
                orders=agent.orders,
                open=open_[name],
                denials=agent.denials,
                fills=agent.fills,
                lots=shown(agent.qty),
                filled_share=agent.qty / asked if asked else None,
                parents=agent.parents,
                by_hand=agent.by_hand,
                is_bps=is_bps,
                half_bps=half_bps,
                low_bps=low_bps,
                high_bps=high_bps,
                parts={part: spent[part] / spent[""] for part in PARTS} if spent[""] else {},
                promoted=agent.promoted,
                drift=agent.drift,
                drifting=agent.drifting,
                actions=[
                    Action(what=what, n=n) for what, n in Counter(agent.intents).most_common()
                ],
                model=agent.model,
                seat=agent.seat,
                posture={at: self.postures[at] for at in agent.share if at in self.postures},
                stance=msgspec.convert(hand.body, StancePart) if hand is not None else None,
                capital=self._budget("agents", name, "gross_value"),
                money=[
                    Total(**one)
                    for one in self.money.total(
                        money.get(name, ()), self._budget("agents", name, "daily_loss").of
                    )
                ],
            )

    def limits(self) -> list[Limit]:
        """Limits of the last heartbeat with their use, highest share first."""
        return highest(self.heartbeat.get("limits", {}))

    def _flow(self, instrument: str) -> dict[str, float]:
        """Shares of an instrument's flow: none for agents that are killed or paused, the others in proportion."""
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
        """Add a point for each instrument whose flow is divided otherwise from now on, and for the instrument `again`."""
        for at, before in self._routed.items():
            now = {name: round(share, 4) for name, share in self._flow(at).items()}
            if at == again or now != before:
                self._routed[at] = now
                self.share_points.append(SharePoint(ns=ns, instrument=at, shares=now))

    @property
    def killed(self) -> set[str]:
        """Killed agents, by the journal."""
        return set(self.ledger.states.held(StateReason.KILLED))

    def _budget(self, scope: str, name: str, limit: str) -> Budget:
        """Use of a limit in the last heartbeat."""
        limits = self.heartbeat.get("limits", {})
        used, of, *_ = limits.get(scope, {}).get(name, {}).get(limit, (None, None))
        return Budget(used=used, of=of)

    def order_part(self, order: ChildOrder) -> OrderPart:
        """An order in the units of the market."""
        unit = self.money.unit(order.instrument)
        return OrderPart(
            id=order.root,
            parent=order.parent,
            instrument=order.instrument,
            agent=order.account,
            side=SIDE_WORDS[order.side],
            qty=unit.qty(order.lots * ONE),
            filled=unit.qty(order.cum_qty),
            limit_price=None if order.price is None else unit.price(order.price * ONE),
            status=str(order.status),
            by_hand=self.trader_of(order),
        )

    def trader_of(self, order: ChildOrder) -> str:
        """Person who sent a manual order; "" for a strategy's order."""
        parent = self.ledger.parents.get(order.parent)
        return "" if parent is None else dict(parent.by_hand).get(order.root, "")

    def _parent_row(self, parent: ParentOrder) -> ParentPart:
        order, cost = parent.order, self._costs.get(parent.id, CostEntry())
        unit, paid = self.money.unit(order.instrument), self._paid[parent.id]
        passed = min(max(self.ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
        average = arrival = None
        if paid and parent.filled_qty:
            average = unit.price(Fraction(paid, parent.filled_qty))
        if parent.arrival_mid2:
            arrival = unit.price(Fraction(parent.arrival_mid2 * ONE, 2))
        return ParentPart(
            parent=parent.id,
            instrument=order.instrument,
            agent=order.agent,
            side=order.side,
            lots=parent.lots,
            filled=parent.filled,
            limit_price=parent.limit_price,
            limit=parent.limit,
            avg_price=average,
            arrival_price=arrival,
            cost=None if cost.is_bps is None else cost.is_bps * cost.notional / 1e4,
            status=str(parent.status),
            reason=parent.reason,
            hand=parent.hand,
            by_hand=self.ledger.lots_by_hand(parent),
            live=not parent.over,
            schedule=passed,
            progress=parent.filled / max(parent.lots, 1),
            left_s=None if parent.over else max(parent.ends_ns - self.ns, 0) / 1e9,
            last_decision=self._decided.get(parent.id, 0),
            is_bps=cost.is_bps,
            opportunity_bps=cost.opportunity_bps,
            unfilled=cost.unfilled,
            refused=cost.refused,
        )

    def _summary(self, live: Sequence[ParentOrder], orders: Sequence[ChildOrder]) -> Summary:
        is_bps, half_bps, low_bps, high_bps = self._whole.bounds()
        return Summary(
            is_bps=is_bps,
            half_bps=half_bps,
            low_bps=low_bps,
            high_bps=high_bps,
            unfilled=shown(self._unfilled),
            refused=self._refused,
            live=len(live),
            over=self.ledger.parents.count - len(live),
            fills=sum(agent.fills for agent in self.agents.values()),
            lots=shown(sum(agent.qty for agent in self.agents.values())),
            denied=sum(self.denials.values()),
            alerts=dict(self.alerts.severities),
            unowned=len(self.alerts.unowned),
            of_gate=0,
            gate="",
            open=len(orders),
            unknown=sum(order.status == "unknown" for order in orders),
        )

    def _agent(self, name: str) -> Agent:
        if (agent := self.agents.get(name)) is None:
            agent = self.agents[name] = Agent(name)
        return agent

    # -- one method per kind of entry: see `trading.journal.kinds` ----------------------------------------------------

    def _session(self, seq: int, entry: Entry) -> None:
        self.session = cast(SessionPart, dict(entry.body))
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
            if len(self._ended) > MOST_OVER:
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
        self.decisions.append(
            Decision(
                seq=seq,
                ns=entry.ns,
                parent=entry.parent,
                agent=entry.agent,
                n=entry.body.get("n"),
                commands=len(entry.body.get("commands") or ()),
            )
        )

    def _order_out(self, seq: int, entry: Entry) -> None:
        if entry.agent:
            self._agent(entry.agent).orders += 1

    def _denied(self, seq: int, entry: Entry) -> None:
        self.denials[str(entry.body.get("code", ""))] += 1
        if entry.agent:
            self._agent(entry.agent).denials += 1

    def _feedback(self, seq: int, entry: Entry) -> None:
        """Costs as an analysis has them, which may come first; a session without a desk writes analyses alone."""
        past = self.ledger.past
        if entry.parent not in self._costs and not (past is not None and past.has(entry.parent)):
            self._cost(entry)

    def _tca(self, seq: int, entry: Entry) -> None:
        """A second analysis of a parent replaces its first costs, unless they have left memory (`MOST_COSTS`)."""
        if entry.parent in self._costs and entry.parent in self._analysed:
            self._count(self._agent(entry.agent), self._costs[entry.parent], -1)
            self._cost(entry)
        self._feedback(seq, entry)
        before = self._analysed.get(entry.parent, {})
        now = self._analysed[entry.parent] = _contribution(CostEntry.of(entry))
        if entry.parent in self._costs:
            self._agent(entry.agent).spent.update(now)
            self._agent(entry.agent).spent.subtract(before)

    def _cost(self, entry: Entry) -> None:
        cost = self._costs[entry.parent] = CostEntry.of(entry)
        self._count(self._agent(entry.agent), cost, 1)
        if cost.is_bps is not None and cost.by_hand is None:
            self.cost_points.append(
                CostPoint(
                    ns=entry.ns,
                    agent=entry.agent,
                    is_bps=round(cost.is_bps, 4),
                    weight=cost.notional,
                )
            )

    def _count(self, agent: Agent, cost: CostEntry, times: int) -> None:
        own = cost.by_hand is None
        agent.parents = agent.parents + times * own
        agent.by_hand = agent.by_hand + times * (not own)
        unfilled = times * round(cost.unfilled * ONE)
        agent.unfilled = agent.unfilled + unfilled
        self._unfilled = self._unfilled + unfilled
        self._refused += times * int(cost.refused)
        if cost.is_bps is not None:
            for sums in (agent.costs, self._whole) if own else (self._whole,):
                sums.add(cost.is_bps, cost.notional, times)

    def _forget(self) -> None:
        """Drop costs of parents that have left memory; sums keep them."""
        past = self.ledger.past
        if past is None or len(self._costs) < self._most:
            return
        for name in [name for name in self._costs if past.has(name)]:
            self._costs.pop(name)
            self._decided.pop(name, None)
            self._paid.pop(name, None)
            self._analysed.pop(name, None)
        self._most = max(MOST_COSTS, 2 * len(self._costs))

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
        agent.seat = cast(Seat, dict(entry.body))
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

    def _quote(self, seq: int, entry: Entry) -> None:
        name = str(entry.body.get("request"))
        if name in self.quoted or entry.body.get("event") == "requested":
            self.quoted[name] = (*self.quoted.get(name, ()), entry)
        if len(self.quoted) > MOST_REQUESTS:
            del self.quoted[next(iter(self.quoted))]

    def _heartbeat(self, seq: int, entry: Entry) -> None:
        self.heartbeat = cast(Heartbeat, dict(entry.body) | {"ns": entry.ns})

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
        self.operator.append(operator_action(seq, entry))
        self.alerts.apply(seq, entry)


def _contribution(cost: CostEntry) -> dict[str, float]:
    """Contribution of an analysis to `Agent.spent`: none of a parent that a person worked in part."""
    if cost.is_bps is None or cost.by_hand is not None:
        return {}
    parts = (cost.spread_bps, cost.walk_bps, cost.timing_bps, cost.forced_bps, cost.fees_bps)
    spent = {part: cost.notional * (value or 0.0) for part, value in zip(PARTS, parts, strict=True)}
    return spent | {"": cost.notional}


def highest(limits: Mapping[str, Any]) -> list[Limit]:
    """Limits of a heartbeat with their use, highest share first; `warned_at` is the share at which people are warned.

    >>> highest({"desk": {"desk": {"messages": [3, 4], "daily_loss": [0, 9]}}})[0]  # doctest: +NORMALIZE_WHITESPACE
    Limit(scope='desk', name='desk', limit='messages', used=3, of=4, warned_at=None, share=0.75)
    """
    rows = [
        Limit(
            scope=scope,
            name=name,
            limit=limit,
            used=used,
            of=most,
            warned_at=next(iter(level), None),
            share=used / most if most else 1.0,
        )
        for scope, names in limits.items()
        for name, held in names.items()
        for limit, (used, most, *level) in held.items()
    ]
    return sorted(rows, key=lambda row: -row.share)
