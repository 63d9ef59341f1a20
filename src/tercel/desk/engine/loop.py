"""The desk's loop: signals -> posture -> sized parent orders -> agents -> limits -> venue -> cost -> next sizing.

    desk = DeskLoop(config, session, slots, forecasts)
    desk.run()

In a round, received orders are added to each instrument's program, forecast and posture are taken, sizing decides how
much is worked now, and the agents' shares split that into parent orders, worked to the end of the round; their costs
update the shares. Second by second the monitors get market data, postures are updated, drift and challengers checked.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tercel.core.errors import OrderError
from tercel.core.ports import Entry
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND
from tercel.desk.engine.agent_slot import AgentSlot
from tercel.desk.engine.config import CLOSING_S, DeskConfig
from tercel.desk.engine.experiment import RunningExperiment
from tercel.desk.engine.forecasts import DeskForecasts
from tercel.desk.engine.instrument import DeskInstrument, split
from tercel.desk.engine.monitor import (
    baseline_entry,
    seconds_between,
)
from tercel.desk.engine.observer import DeskObserver
from tercel.desk.engine.order_arrivals import OrderArrival, TargetOrders, order_arrivals
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.session import Session
from tercel.signals.risk.anomaly import AnomalyBaseline


class DeskLoop(DeskObserver):
    """Trading rounds of a desk's agents over one session.

    Parameters
    ----------
    config : DeskConfig
    session : Session
        What trades for it; operators' commands that are not for parents go to :meth:`on_operator`.
    slots : sequence of AgentSlot
    forecasts : DeskForecasts or None
        None: no forecasts.
    targets : TargetOrders, optional
        Orders towards positions, instead of those that `[order_arrivals]` draws.
    calm : optional
        Baselines, see `DeskDependencies`; a missing one is learned (`engine.monitor`).
    progress : callable, optional
        Called after every round with the number of rounds that are over.
    experiments : mapping of agent to RunningExperiment, optional
    """

    def __init__(
        self,
        config: DeskConfig,
        session: Session,
        slots: Sequence[AgentSlot],
        forecasts: DeskForecasts | None,
        targets: TargetOrders | None = None,
        calm: Mapping[str, AnomalyBaseline] | None = None,
        progress: Callable[[int], None] | None = None,
        experiments: Mapping[str, RunningExperiment] | None = None,
    ) -> None:
        """Draw the orders of all rounds, if orders are drawn, and prepare the first round; nothing is traded yet."""
        volume = {
            instrument.name: session.listings[instrument.name].volume_per_s
            for instrument in config.instrument
        }
        self._orders: dict[int, list[OrderArrival]] = defaultdict(list)
        drawn = config.signals.orders == "drawn"
        for order in order_arrivals(config, volume, config.desk.seed) if drawn else ():
            self._orders[order.round].append(order)
        sides = {order.instrument: order.side for order in self._orders[0]}
        super().__init__(config, session, slots, calm, sides, experiments)
        self._forecasts = forecasts
        self._targets = targets
        self._progress = progress or (lambda _round: None)
        self._prefix = (
            f"{session.terms.name_tag}{session.number}."
            if session.terms.name_tag or session.number > 1
            else ""
        )
        self._next_ns = 0  # when the next round begins, once the market was watched
        self._ends_ns = array("q")  # of every round
        self.cost_path: list[float] = []
        """Cost of all requested lots so far, after every round, bps."""

    def run(self) -> None:
        """Run all rounds; Ctrl-C may come at any time, the journal holds everything done so far."""
        self.begin()
        while self.rounds < self.config.desk.rounds:
            self.round()

    def begin(self) -> None:
        """Prepare the first round: journal agents, load forecasts, warm up, book costs of earlier parents."""
        self._journal_slots()
        for experiment in self.experiments.values():
            experiment.begin(self.session.now_ns, self._write_entries)
        if self._forecasts is not None:
            self._forecasts.refresh(self.session.now_ns)
        for name in sorted(self._unlearned):
            self.alert(
                "info",
                "LEARNS_BASELINE",
                f"the baseline of {name} is learned from the first {self._states[name].monitor.warm_s} s; "
                "until then its risk state is cautious",
                name,
            )
        # The warm-up, without orders: monitors see the market.
        self._run_until(self._trading_span(self.session.now_ns, self.config.desk.warmup_s)[1])
        # What parents of earlier sessions cost: as journaled, or computed now that the market is seen again.
        booked = {entry.parent for _, entry in self.session.journal.read(kinds=(kinds.FEEDBACK,))}
        for parent in list(self.session.ledger.parents):
            if parent.over and parent.id not in booked:
                self.on_over(parent, None)
        self._next_ns = self.session.now_ns

    @property
    def rounds(self) -> int:
        """Number of rounds completed."""
        return len(self.cost_path)

    def round(self) -> None:
        """Run the next round to its end: size, trade, measure costs, update the agents' shares."""
        number = self.rounds
        begin_ns, end_ns = self._trading_span(self._next_ns, self.config.desk.round_s)
        if begin_ns > self._next_ns:  # closed until then
            self.wait(begin_ns - self._next_ns)
        self._begin_round(number, begin_ns)
        self.wait(end_ns - begin_ns)
        now = self.session.now_ns
        self._ends_ns.append(now)
        for name, state in self._states.items():
            costs = state.round_costs
            state.round_costs = {}
            for due_ns in [due for due in state.pending if due <= now]:
                expected_bps, begun_mid2 = state.pending.pop(due_ns)
                if self.config.loop.feedback and (mid2 := self.session.follow(name).mid2):
                    state.sizing.learn_move(expected_bps, 1e4 * (mid2 / begun_mid2 - 1.0))
            if self.config.loop.feedback and costs:
                state.weights.update(costs)
                body = {
                    "shares": state.weights.shares,
                    "why": f"cost of the round, bps: {', '.join(f'{agent} {cost:.1f}' for agent, cost in costs.items())}",
                }
                self._write_entries([Entry(kinds.SHARE, now, name, body=body)])
            state.share_path.extend(state.weights.shares.values())
        for slot in self.slots.values():
            self._watch_drift(slot)
        for experiment in self.experiments.values():
            experiment.end_if_decided(now)
        self._journal_slots()
        self.cost_path.append(self.cost_bps())
        self._progress(number + 1)

    def wait(self, span_ns: int) -> None:
        """Advance time by `span_ns` after :meth:`begin`, working open parents."""
        self._next_ns += span_ns
        self._run_until(self._next_ns)

    def _trading_span(self, from_ns: int, span_s: float) -> tuple[int, int]:
        """Begin and end, ns, of the next `span_s` of trading: until the last instrument has had them, or its trading day ends;
        in wall time where no window is left."""
        rules = [replace(self.session.listings[name].rules, stop_ns=0) for name in self._states]
        opens_ns = min(hours.next_open_ns(from_ns) for hours in rules)
        begin_ns = opens_ns if opens_ns < FOREVER_NS else from_ns
        span_ns = round(span_s * NS_PER_SECOND)
        end_ns = max(hours.ends_ns(begin_ns, span_ns) for hours in rules)
        return begin_ns, end_ns if end_ns > begin_ns else begin_ns + span_ns

    def cost_bps(self) -> float:
        """Cost of all orders received so far, bps of arrival value over all instruments, open lots marked at the mid; 0
        without orders."""
        value = sum(state.flow.requested2 for state in self._states.values())
        cost = sum(
            state.flow.cost_bps(self.session.follow(name).mid2) * state.flow.requested2
            for name, state in self._states.items()
        )
        return cost / value if value else 0.0

    @property
    def results(self) -> list[dict[str, Any]]:
        """One row per finished parent, from the journal: `parents` in the JSON of `trade run`."""
        return [
            {"id": entry.parent, "instrument": entry.instrument, "agent": entry.agent, **entry.body}
            for _, entry in self.session.journal.read(kinds=(kinds.FEEDBACK,))
        ]

    @property
    def share_path(self) -> list[tuple[int, str, dict[str, float]]]:
        """Venue time, instrument and agents' shares after every round."""
        n_agents = len(self.slots)
        return [
            (
                ns,
                name,
                dict(
                    zip(
                        self.slots,
                        state.share_path[number * n_agents : (number + 1) * n_agents],
                        strict=True,
                    )
                ),
            )
            for number, ns in enumerate(self._ends_ns)
            for name, state in self._states.items()
        ]

    def shares(self) -> dict[str, float]:
        """Each agent's share of the flow, averaged over the instruments."""
        return {
            name: float(np.mean([state.weights.shares[name] for state in self._states.values()]))
            for name in self.slots
        }

    def _begin_round(self, number: int, at_ns: int) -> None:
        """Start a round: add its orders, take forecasts and postures, size each instrument's lots and send them as
        parents."""
        if self._targets is not None:
            self._orders[number] += self._targets.due(number)
        for order in self._orders[number]:
            if mid2 := self.session.follow(order.instrument).mid2:
                self._states[order.instrument].flow.side = order.side
                self._states[order.instrument].flow.add_order(order.lots, mid2)
            else:
                self._orders[number + 1].append(order)
                self.alert(
                    "warning",
                    "NO_MARKET",
                    "no two-sided market: its order waits a round",
                    order.instrument,
                )
        for name, state in self._states.items():
            state.begun_mid2 = self.session.follow(name).mid2
            if self._forecasts is not None:
                state.outlook = self._forecasts.take_forecast(
                    name, state.monitor, number, at_ns, self.session.gateway
                )
            if (outlook := state.outlook) is not None and state.begun_mid2:
                state.pending.setdefault(
                    outlook.alpha.at_ns + outlook.alpha.horizon_ns,
                    (
                        outlook.alpha.expected_bps
                        if outlook.body.left_bps is None
                        else outlook.body.left_bps,
                        state.begun_mid2,
                    ),
                )
            self._update_risk(state, at_ns)
            self._take_posture(name, state, at_ns)
            self._guide(name, state)
            # The flow books what the desk's own parents filled when they end: until then all their lots are at work.
            at_work = sum(
                parent.lots
                for parent in self.session.ledger.parents.open()
                if parent.id in self._explained and parent.order.instrument == name
            )
            waiting = max(state.flow.open_lots - at_work, 0)
            ahead = None if state.outlook is None else state.outlook.within_round
            lots = state.sizing.lots(
                state.flow.side,
                waiting,
                ahead,
                state.posture,
                is_last=number == self.config.desk.rounds - 1,
            )
            self._share_lots(name, state, lots, number)

    def _share_lots(self, name: str, state: DeskInstrument, lots: int, number: int) -> None:
        """Split a round's lots over the agents by their shares, and send one parent order for each."""
        # a size of 0 set by risk ends with the last round, which works the remainder; one set by a person does not
        lots = lots if self._overrides.size_multiplier("") > 0 else 0
        lots_by_agent = split(lots, alive := self._live_shares(state.weights.shares))
        if lots and not alive:
            self.session.gateway.alert_once(
                "warning",
                "NOBODY_LEFT",
                f"orders of {name} wait: every agent is killed or paused",
                name,
            )
        sized = {
            agent: int(part * self._overrides.size_multiplier(agent))
            for agent, part in lots_by_agent.items()
        }
        rules = self.session.listings[name].rules
        parts = {
            agent: legal
            for agent, part in sized.items()
            if (legal := rules.legal_lots(state.flow.side, part, part))
        }
        horizon_s = self.config.desk.round_s - CLOSING_S
        for agent, part in parts.items():
            slot = self.slots[agent]
            order = ParentRequest(
                id=f"{self._prefix}{name}-{number:03d}-{agent}",
                instrument=name,
                side=state.flow.side,
                lots=part,
                horizon_ns=round(horizon_s * NS_PER_SECOND),
                decisions=max(round(horizon_s / self.config.desk.decision_s), 1),
                strategy=slot.strategy_name,
                agent=agent,
            )
            self._explained[order.id] = (
                None if state.alpha is None else state.alpha.expected_bps,
                "off" if state.posture is None else "; ".join(state.posture.reasons) or "calm",
            )
            order = self._assign(order)
            if warning := slot.size_warning(name, part, order.strategy):
                self.alert("warning", "BEYOND_SIZE", warning, name, agent)
            is_own = order.strategy == slot.strategy_name
            try:
                self.session.manager.accept(order, slot.strategies_in(name)[0] if is_own else None)
            except OrderError as error:
                self.alert("warning", "PARENT_REFUSED", f"{order.id}: {error}", name, agent)

    def _live_shares(self, shares: Mapping[str, float]) -> dict[str, float]:
        """Poll the kill latch; agents' shares of the flow without killed and paused agents, scaled to 1, {} if none is
        left."""
        self.session.stopper.poll_latch(shares)
        stopped = self.session.stopper.killed.keys() | self.session.ledger.holds.keys()
        alive = {name: share for name, share in shares.items() if name not in stopped}
        total = sum(alive.values())
        return {name: share / total for name, share in alive.items()} if total > 0 else {}

    def _run_until(self, until_ns: int) -> None:
        """Run the session to a time, ns, second by second: monitors, postures, baselines, challengers."""
        for second in seconds_between(self.session.now_ns, until_ns):
            self.session.run_until(second)
            for name, state in self._states.items():
                state.monitor.close_second(second)
                if name in self._learns:
                    self._learn_baseline(name, state, second)
                if self._update_risk(state, second) and self._take_posture(name, state, second):
                    self._guide(name, state)
            if self._overrides.end_expired(second):
                self._take_overrides(second)
            for _, _, challenge in self._challenges.values():
                challenge.advance(
                    max(second, self.session.now_ns)
                )  # a venue with a clock of its own may be ahead
            for parent, (agent, name, challenge) in list(self._challenges.items()):
                if challenge.done:
                    del self._challenges[parent]
                    for text in self.slots[agent].book_savings(challenge.savings):
                        self.alert("warning", "paper_trial_failed", text, name, agent, parent)
        self.session.run_until(until_ns)

    def _learn_baseline(self, name: str, state: DeskInstrument, at_ns: int) -> None:
        """Journal an instrument's first baseline once it is learned; collect seconds of calm posture for a later baseline."""
        monitor = state.monitor
        if monitor.baseline is None:
            return
        if name in self._unlearned:
            self._unlearned.remove(name)
            self._write_entries([baseline_entry(name, at_ns, monitor.baseline, monitor.warm_s)])
        if state.posture is not None and not state.posture.reasons:
            monitor.keep_ordinary_second()

    def journal_baselines(self) -> None:
        """Journal the baselines learned in this session, for the next one."""
        for name in self._learns:
            ordinary = self._states[name].monitor.ordinary
            if (learned := ordinary.baseline()) is not None:
                now_ns = self.session.now_ns
                self._write_entries([baseline_entry(name, now_ns, learned, ordinary.count)])
