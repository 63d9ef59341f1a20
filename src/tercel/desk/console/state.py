"""A desk's report, made of its folded state (`desk_fold`): agents, parents, orders, money, limits, alerts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any, Final, cast

import msgspec

from tercel.core.child_order import ChildOrder
from tercel.core.fixed_point import ONE, to_number
from tercel.core.ports import Entries
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.console.agent_report import (
    Action,
    AgentPart,
    Budget,
    NamedStance,
    StancePart,
)
from tercel.desk.console.agent_state import PARTS
from tercel.desk.console.desk_fold import DeskFold
from tercel.desk.console.experiment_report import ExperimentPart, experiment_part
from tercel.desk.console.report import (
    CorrelationPart,
    DeskReport,
    ExposurePart,
    Freshness,
    Heartbeat,
    Limit,
    ListingPart,
    OrderPart,
    ParentPart,
    PnlPoint,
    PositionPart,
    Summary,
)
from tercel.desk.console.report_base import Total
from tercel.desk.limits.limit_sets import LABELS
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.bodies import HoldEntry
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.risk.money import group_holdings, sum_figure
from tercel.desk.trading.risk.trading_state import TradingState
from tercel.desk.trading.tca.rfq import requests_of

MOST_LIMITS: Final = 8


class DeskState(DeskFold):
    """State of a desk, folded from journal entries in order, and its report.

    Parameters
    ----------
    journal : Entries, optional
        See `DeskFold`.
    """

    def __init__(self, journal: Entries | None = None) -> None:
        super().__init__(journal)
        # Each experiment's part of the report, with `changes` of its record at the time
        self._experiment_parts: dict[str, tuple[int, ExperimentPart]] = {}

    def report(self) -> DeskReport:
        """The desk's whole report, from the state folded so far."""
        live = self.ledger.parents.open()
        open_orders = self.ledger.orders.live()
        money = self.money
        holdings = self.money.holdings(self.ledger.positions)
        total = money.total(holdings, self._budget("desk", "desk", "daily_loss").of)
        names = sorted({*money.units, *(holding.instrument for holding in holdings)})
        agent_names, matrix = money.correlation(self.ns)
        return DeskReport(
            seq=self.seq,
            ns=self.ns,
            session=self.session,
            summary=self._summary(live, open_orders),
            agents=list(self._agent_rows(open_orders)),
            parents=[
                self._parent_row(parent)
                for parent in [*live, *reversed(self._finished_parents.values())]
            ],
            orders=[self.order_part(order) for order in open_orders],
            quote_requests=requests_of(
                chain(*reversed(self.quoted.values())), self.ledger, money.unit, self.ns
            ),
            experiments=[self._experiment_part(name) for name in self.experiments],
            instruments={name: ListingPart(**money.unit(name).to_json()) for name in names},
            markets=self.markets,
            money=[Total(**currency_total) for currency_total in total],
            positions=[PositionPart(**holding.to_row()) for holding in holdings],
            pnl_points=[PnlPoint(**row) for _, point in money.curve.points for row in point],
            exposure=[
                ExposurePart(
                    instrument=name,
                    currency=group[0].unit.currency,
                    net=sum_figure(group, "value"),
                    gross=sum_figure(group, "gross"),
                )
                for name, group in group_holdings(holdings, lambda holding: holding.instrument)
            ],
            correlation=CorrelationPart(agents=agent_names, matrix=matrix),
            postures=self.postures,
            stances=[
                msgspec.convert({"agent": name, **stance.body}, NamedStance)
                for name, stance in self.ledger.stances.items()
            ],
            alphas=self.alphas,
            freshness=Freshness(
                marks={
                    instrument: (self.ns - ns) / 1e9
                    for instrument, (ns, _) in self.money.marks.items()
                },
                forecasts={
                    instrument: (self.ns - row["ns"]) / 1e9
                    for instrument, row in self.alphas.items()
                },
                postures={
                    instrument: (self.ns - row["ns"]) / 1e9
                    for instrument, row in self.postures.items()
                },
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
        """Rows of the agents: trading state, share of the flow, counts, costs, posture, capital, money."""
        killed = self.killed_agents
        paused_by = self.ledger.holds
        lots_held = self.ledger.positions.lots()
        open_ = Counter(order.account for order in live)
        money = dict(
            group_holdings(
                self.money.holdings(self.ledger.positions), lambda holding: holding.agent
            )
        )
        flow = {instrument: self._flow(instrument) for instrument in self._routed}
        for name, agent in self.agents.items():
            standing = self.ledger.states.standing(name)
            shares = {instrument: flow[instrument][name] for instrument in agent.share}
            hold = paused_by.get(name) if str(standing.state) == TradingState.ACTIVE else None
            reason = standing.reason
            stance = self.ledger.stances.get(name)
            if hold is not None:
                reason = f"{HoldEntry.of(hold).by}: {HoldEntry.of(hold).reason}"
            ordered_qty = agent.qty + agent.unfilled
            spent = agent.spent
            shortfall_bps, half_bps, low_bps, high_bps = agent.costs.bounds()
            yield AgentPart(
                name=name,
                strategy=agent.strategy,
                state="killed" if name in killed else "paused" if hold else str(standing.state),
                state_code=standing.code,
                reason=reason,
                state_reason=reason,
                fallback=agent.fallback,
                share=shares,
                held=lots_held.get(name, {}),
                orders=agent.orders,
                open=open_[name],
                denials=agent.denials,
                fills=agent.fills,
                lots=to_number(agent.qty),
                filled_share=agent.qty / ordered_qty if ordered_qty else None,
                parents=agent.parents,
                by_hand=agent.by_hand,
                is_bps=shortfall_bps,
                half_bps=half_bps,
                low_bps=low_bps,
                high_bps=high_bps,
                parts={part: spent[part] / spent[""] for part in PARTS} if spent[""] else {},
                promoted=agent.promoted,
                drift=agent.drift,
                drifting=agent.drifting,
                actions=[
                    Action(what=action, n=n) for action, n in Counter(agent.intents).most_common()
                ],
                model=agent.model,
                seat=agent.seat,
                posture={
                    instrument: self.postures[instrument]
                    for instrument in agent.share
                    if instrument in self.postures
                },
                stance=msgspec.convert(stance.body, StancePart) if stance is not None else None,
                capital=self._budget("agents", name, "gross_value"),
                money=[
                    Total(**currency_total)
                    for currency_total in self.money.total(
                        money.get(name, ()), self._budget("agents", name, "daily_loss").of
                    )
                ],
            )

    def _experiment_part(self, name: str) -> ExperimentPart:
        """An experiment's part of the report, analysed anew if an entry of it or its orders came since the last report."""
        record = self.experiments[name]
        changes, part = self._experiment_parts.get(name, (-1, None))
        if part is None or changes != record.changes:
            part = experiment_part(record)
            self._experiment_parts[name] = record.changes, part
        return part

    def limits(self) -> list[Limit]:
        """Limits of the last heartbeat with their use, highest share first."""
        return rank_limits(self.heartbeat.get("limits", {}))

    def _budget(self, scope: str, name: str, limit: str) -> Budget:
        """Usage of one limit of a scope and name in the last heartbeat; both figures None if it has no such limit."""
        limits = self.heartbeat.get("limits", {})
        used, of, *_ = limits.get(scope, {}).get(name, {}).get(limit, (None, None))
        return Budget(used=used, of=of)

    def order_part(self, order: ChildOrder) -> OrderPart:
        """Row of an open order, quantities and price in the units of the market."""
        unit = self.money.unit(order.instrument)
        return OrderPart(
            id=order.root,
            parent=order.parent,
            instrument=order.instrument,
            agent=order.account,
            side=SIDE_NAMES[order.side],
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
        """Row of a parent order: quantities, prices, cost, progress against an even schedule."""
        order = parent.order
        cost = self._costs.get(parent.id, CostEntry())
        unit = self.money.unit(order.instrument)
        paid = self._fill_values[parent.id]
        schedule_share = min(max(self.ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
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
            schedule=schedule_share,
            progress=parent.filled / max(parent.lots, 1),
            left_s=None if parent.over else max(parent.ends_ns - self.ns, 0) / 1e9,
            last_decision=self._decision_seqs.get(parent.id, 0),
            is_bps=cost.is_bps,
            opportunity_bps=cost.opportunity_bps,
            unfilled=cost.unfilled,
            refused=cost.refused,
        )

    def _summary(self, live: Sequence[ParentOrder], orders: Sequence[ChildOrder]) -> Summary:
        """Figures over all agents: costs, fills, alerts, open orders, denials."""
        shortfall_bps, half_bps, low_bps, high_bps = self._total_costs.bounds()
        return Summary(
            is_bps=shortfall_bps,
            half_bps=half_bps,
            low_bps=low_bps,
            high_bps=high_bps,
            unfilled=to_number(self._unfilled),
            refused=self._refused,
            live=len(live),
            over=self.ledger.parents.count - len(live),
            fills=sum(agent.fills for agent in self.agents.values()),
            lots=to_number(sum(agent.qty for agent in self.agents.values())),
            denied=sum(self.denials.values()),
            alerts=dict(self.alerts.severities),
            unowned=len(self.alerts.unowned),
            of_gate=0,
            gate="",
            open=len(orders),
            unknown=sum(order.status == "unknown" for order in orders),
        )


def rank_limits(limits: Mapping[str, Any]) -> list[Limit]:
    """Limits of a heartbeat with their use, highest share first; `warned_at` is the share at which people are warned.

    >>> rank_limits({"desk": {"desk": {"messages": [3, 4], "daily_loss": [0, 9]}}})[0]  # doctest: +NORMALIZE_WHITESPACE
    Limit(scope='desk', name='desk', limit='messages', label='message rate', used=3, of=4, warned_at=None, share=0.75)
    """
    rows = [
        Limit(
            scope=scope,
            name=name,
            limit=limit,
            label=LABELS.get(limit, limit.replace("_", " ")),
            used=used,
            of=size,
            warned_at=next(iter(level), None),
            share=used / size if size else 1.0,
        )
        for scope, names in limits.items()
        for name, usage in names.items()
        for limit, (used, size, *level) in usage.items()
    ]
    return sorted(rows, key=lambda row: -row.share)
