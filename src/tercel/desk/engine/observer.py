"""State of a desk's instruments and agents, kept up with its session: market data, decisions, ended parents, commands."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tercel.core.arrays import Float32, Int32, Ints
from tercel.core.errors import OrderError, check_known
from tercel.core.fixed_point import ceil_units
from tercel.core.messages import Posture
from tercel.core.orders import MarketRows, Report, VenueEvent
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import BUY
from tercel.desk.engine.agent_slot import AgentSlot
from tercel.desk.engine.challenge import Challenge, Evidence, paper_rows
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.experiment import RunningExperiment
from tercel.desk.engine.instrument import DeskInstrument, FlowShares, FlowShortfall, Sizing
from tercel.desk.engine.monitor import (
    MarketMonitor,
    read_baselines,
)
from tercel.desk.engine.posture_overrides import PostureOverrides
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import PromotedEntry
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.observers import SessionObserver
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.session import Session
from tercel.desk.trading.tca.measure import cost_of
from tercel.execution.strategy import gap_of
from tercel.signals.risk.anomaly import AnomalyBaseline
from tercel.signals.risk.posture import PosturePolicy

SLICE_TOLERANCE: Final = 1e-3
"""How far from a whole number of slices a decision of the schedule may lie."""
MIN_BASELINE_S: Final = 180
"""Fewest seconds of data from which risk learns a baseline, however short the warm-up is."""


class DeskObserver(SessionObserver):
    """Follows the session of a desk: monitors, drift, challengers, costs, postures, promotions.

    Parameters
    ----------
    config : DeskConfig
    session : Session
    slots : sequence of AgentSlot
    calm : mapping or None
        Baseline of each instrument; a missing one is learned (`engine.monitor`).
    sides : mapping of str to int
        Side of the orders received in each instrument, +1 buy, -1 sell; +1 where none is given.
    experiments : mapping of agent to RunningExperiment, optional
    """

    def __init__(
        self,
        config: DeskConfig,
        session: Session,
        slots: Sequence[AgentSlot],
        calm: Mapping[str, AnomalyBaseline] | None,
        sides: Mapping[str, int],
        experiments: Mapping[str, RunningExperiment] | None = None,
    ) -> None:
        """Make the state of each instrument, with the baselines known, and observe the session's parent orders."""
        self.config = config
        self.session = session
        self.alert = session.gateway.alert
        self._write_entries = session.gateway.write
        self.slots = {slot.name: slot for slot in slots}
        names = [instrument.name for instrument in config.instrument]
        learns = [name for name in names if name not in (calm or {})]
        self._learns = learns if config.risk.posture == "on" else []
        """Instruments whose baseline is learned from the desk's own data."""
        self._calm = dict(calm or {})
        if self._learns:
            self._calm = read_baselines(session.journal, session.gateway.venue.name) | self._calm
        self._unlearned = {name for name in self._learns if name not in self._calm}
        self._states = {name: self._make_state(name, sides.get(name, BUY)) for name in names}
        self._own_orders: set[int] = set()
        self._challenges: dict[str, tuple[str, str, Challenge]] = {}
        self._explained: dict[str, tuple[float | None, str]] = {}
        self._journaled: dict[str, dict[str, Any]] = {}
        self.posture_changes = 0
        self.posture_path: list[tuple[int, str, Posture]] = []
        """Venue time, instrument, posture: at every change."""
        self._overrides = PostureOverrides(session)
        self.experiments = dict(experiments or {})
        """Experiments by agent."""
        session.manager.observers.append(self)
        session.manager.assign = self._assign

    def _make_state(self, name: str, side: int) -> DeskInstrument:
        """Initial state of an instrument; `side` is that of the orders it receives."""
        loop = self.config.loop
        has_posture = self.config.risk.posture == "on"
        return DeskInstrument(
            flow=FlowShortfall(side),
            monitor=MarketMonitor(
                self.session.follow(name),
                self._calm.get(name),
                warm_s=int(min(600, max(self.config.desk.warmup_s - 60, MIN_BASELINE_S))),
            ),
            sizing=Sizing(loop.sizing),
            weights=FlowShares(list(self.slots), loop.expert_weights),
            policy=PosturePolicy(name) if has_posture else None,
        )

    def _guide(self, name: str, state: DeskInstrument) -> None:
        """Pass the forecast and postures of an instrument to the agents that work in it."""
        agent_postures = self._overrides.agent_postures(name, state.posture, self.session.now_ns)
        self.session.manager.guide(name, state.alpha, state.posture, agent_postures)

    def _take_overrides(self, at_ns: int) -> None:
        """Pass manual risk states, set or ended just now, to the agents at once."""
        for name, state in self._states.items():
            self._take_posture(name, state, at_ns)
            self._guide(name, state)

    def _update_risk(self, state: DeskInstrument, at_ns: int) -> bool:
        """Give the posture policy the latest risk measurements; True if its posture may have changed."""
        if state.policy is None:
            return False
        return state.policy.follow(state.monitor.risk, at_ns) or state.posture is None

    def _take_posture(self, name: str, state: DeskInstrument, at_ns: int) -> bool:
        """Adopt and journal the posture in force in an instrument; True if it differs from the previous one."""
        posture = self._overrides.desk_posture(name, state, at_ns)
        if posture is None:
            return False
        previous = state.posture
        state.posture = posture
        if (
            previous is not None
            and replace(previous, at_ns=posture.at_ns, reasons=posture.reasons) == posture
        ):
            return False
        body = to_jsonable(posture) | {"styles": int(posture.styles)}
        del body["instrument"], body["at_ns"]
        self._write_entries([Entry(kinds.POSTURE, at_ns, name, body=body)])
        self.posture_changes += previous is not None
        self.posture_path.append((at_ns, name, posture))
        return True

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Pass market data to monitors and challenges; note the numbers of the desk's own orders and the times of their
        reports."""
        for event in events:
            if isinstance(event, MarketRows) and event.instrument in self._states:
                self._states[event.instrument].monitor.on_market(event)
                self._challenge(event)
            elif isinstance(event, Report):
                if event.instrument in self._states:
                    self._states[event.instrument].monitor.own_ns.add(event.ns)
                if (number := event.order_id.partition(".")[0]).isdigit():
                    self._own_orders.add(int(number))

    def _challenge(self, event: MarketRows) -> None:
        """Feed the challenges in an instrument; a gap in its market data discards them."""
        name = event.instrument
        parent_ids = [
            id_ for id_, (_, instrument, _) in self._challenges.items() if instrument == name
        ]
        if not parent_ids:
            return
        rows = paper_rows(event, self._own_orders)
        missed = event.snapshot or not self.session.follow(name).ready
        for id_ in parent_ids:
            if missed:
                del self._challenges[id_]
            else:
                self._challenges[id_][2].on_market(rows)

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """Start the paper trials of an order whose agent has a challenger or alternatives."""
        name = order.instrument
        slot = self.slots.get(order.agent)
        if slot is not None and (rivals := slot.rivals_in(name)):
            listing = self.session.listings[name]
            unit = listing.tick / 2 * listing.lot
            champion = slot.strategies_in(name)[0]
            trial = Challenge(book, state, champion, rivals, name, unit)
            self._challenges[order.id] = (order.agent, name, trial)

    def on_decision(self, order: ParentRequest, observation: Float32) -> None:
        """Update drift detection with the observation of a scheduled decision, if the agent's policy itself works the parent."""
        slot = self.slots.get(order.agent)
        if slot is None or slot.drift is None or order.strategy != slot.strategy_name:
            return
        # The card's statistics are of decisions of the schedule: those between them see part of an interval.
        slices = float(observation[0]) * order.decisions
        between = gap_of(slot.strategy) > 0 and abs(slices - round(slices)) > SLICE_TOLERANCE
        if not between:
            slot.drift.update(order.id, observation)

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Book and journal a finished parent's cost; the agents' shares learn from the desk's own parents."""
        order = parent.order
        follower = self.session.follow(parent.order.instrument)
        fills = self.session.ledger.orders.fills_of[parent.id]
        cost = cost_of(parent, fills, follower.listing, follower.mid2)
        if (slot := self.slots.get(order.agent)) is not None and slot.drift is not None:
            slot.drift.end_order(order.id)
        is_own = order.id in self._explained
        alpha, reasons = self._explained.pop(order.id, (None, ""))
        if is_own:
            # Book the fills; lots that a person added to the parent are valued at its arrival mid.
            flow = self._states[parent.order.instrument].flow
            if (added := ceil_units(cost.filled - flow.open_qty)) > 0:
                flow.add_order(added, parent.arrival_mid2)
            flow.fill(cost.filled, cost.paid2)
            if math.isfinite(cost.whole_bps) and not parent.hand:
                self._states[order.instrument].round_costs[order.agent] = cost.whole_bps
        listing = self.session.listings[order.instrument]
        body = cost.to_dict(listing.tick / 2 * listing.lot) | {"status": str(parent.status)}
        body |= {"alpha_bps": alpha, "posture": reasons}
        if (state := self._states.get(order.instrument)) is not None:
            silent_s = state.monitor.silent_s(parent.arrival_ns, parent.over_ns)
            body |= {} if silent_s is None else {"silent_s": silent_s}
        body |= {"by_hand": self.session.ledger.lots_by_hand(parent)} if parent.hand else {}
        self._write_entries(
            [
                Entry(
                    kinds.FEEDBACK,
                    parent.over_ns,
                    order.instrument,
                    order.agent,
                    order.id,
                    body=body,
                )
            ]
        )
        if (experiment := self.experiments.get(order.agent)) is not None:
            for text in experiment.check_guardrails(self.session.now_ns):
                self.alert("warning", "EXPERIMENT_GUARDRAIL", text, agent=order.agent)

    def _assign(self, request: ParentRequest) -> ParentRequest:
        """The request with the strategy that it drew, where its agent has an experiment; else unchanged."""
        experiment = self.experiments.get(request.agent)
        state = self._states.get(request.instrument)
        if experiment is None or state is None:
            return request
        return experiment.assign(
            request,
            self.session.now_ns,
            self.session.follow(request.instrument),
            None if state.alpha is None else state.alpha.expected_bps,
            None if state.monitor.risk is None else state.monitor.risk.volatility_ratio,
        )

    def on_operator(self, entry: Entry) -> bool:
        """Carry out a promotion, a manual risk state or a command to an experiment; True for these, and for kill and re-arm,
        which others carry out; else False."""
        operator_entry = OperatorEntry.of(entry)
        if operator_entry.command == "promote":
            command = operator_entry.parse_body()
            agent = command.agent or ""
            slot = self.slots.get(agent)
            if slot is None or slot.challenger is None:
                raise OrderError(
                    "an agent with a challenger", agent or "none named", "see `tercel trade orders`"
                )
            slot.check_promotion(command.champion, command.challenger)
            evidence = Evidence.of(slot.gains_bps)
            champion = slot.strategy_name
            slot.promote()
            for state in self._states.values():
                state.weights.penalise(slot.name, False)
            body = PromotedEntry(
                champion=champion,
                challenger=slot.strategy_name,
                by=operator_entry.by,
                reason=operator_entry.reason,
                operator=operator_entry.id,
                evidence=str(evidence),
            )
            self._write_entries(
                [Entry(kinds.PROMOTED, self.session.now_ns, agent=agent, body=body.json())]
            )
            self._journal_slots()
        elif operator_entry.command == "posture":
            self._overrides.apply_command(operator_entry, self.slots)
            self._take_overrides(self.session.now_ns)
        elif operator_entry.command == "experiment":
            command = operator_entry.parse_body()
            check_known(command.agent or "", [*self.experiments], "an agent with an experiment:")
            self.experiments[command.agent or ""].execute(
                operator_entry, command, self.session.now_ns
            )
        return operator_entry.command in ("promote", "posture", "experiment", "kill", "rearm")

    def _journal_slots(self) -> None:
        """Journal each agent's strategy and the evidence on its challenger, where they changed."""
        bodies = {name: slot.body() for name, slot in self.slots.items()}
        new = {name: body for name, body in bodies.items() if body != self._journaled.get(name)}
        self._journaled = bodies
        self._write_entries(
            [
                Entry(kinds.AGENT_ASSIGNMENT, self.session.now_ns, agent=name, body=body)
                for name, body in new.items()
            ]
        )

    def _watch_drift(self, slot: AgentSlot) -> None:
        """Journal and alert a change of an agent's drift state; penalise its share while it is drifting."""
        if slot.drift is None or slot.drift.drifting == slot.drifting:
            return
        slot.drifting = slot.drift.drifting
        for state in self._states.values():
            state.weights.penalise(slot.name, slot.drifting and self.config.loop.feedback)
        furthest = sorted(slot.drift.far.items(), key=lambda entry: -abs(entry[1]))[:4]
        far_text = ", ".join(f"{name} {mean:+.1f} sd" for name, mean in furthest)
        text = (
            f"inputs outside the training distribution: {far_text}"
            if slot.drifting
            else "inputs as in training again"
        )
        body = {
            "state": "drifting" if slot.drifting else "normal",
            "statistic": slot.drift.score,
            "text": text,
        }
        self._write_entries([Entry(kinds.DRIFT, self.session.now_ns, agent=slot.name, body=body)])
        self.alert(
            "warning" if slot.drifting else "info", "DRIFT", f"{slot.name}: {text}", agent=slot.name
        )
