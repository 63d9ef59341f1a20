"""The desk's loop: signals -> posture -> sized parent orders -> agents -> limits -> venue -> cost -> next sizing.

    desk = DeskLoop(config, session, slots, forecasts)
    desk.run()

A round is: what came in is added to each instrument's program; the forecast and the posture are taken; sizing says how
much is worked now; the flow is shared out over the agents; each works its slice to the end of the round; what it cost
comes back as feedback. Second by second the monitors are fed, the posture follows, and drift and challengers are
watched.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Float32, Int32, Ints
from tercel.core.errors import OrderError
from tercel.core.messages import Posture
from tercel.core.orders import MarketRows, Report, VenueEvent, ceiled
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import BUY, NS_PER_SECOND
from tercel.desk.engine.agent_slot import AgentSlot, Challenge, Evidence, paper_rows
from tercel.desk.engine.config import CLOSING_S, DeskConfig
from tercel.desk.engine.forecasts import DeskForecasts
from tercel.desk.engine.instrument import DeskInstrument, FlowShares, FlowShortfall, Sizing, split
from tercel.desk.engine.monitor import MarketMonitor, baseline_entry, baselines_in, seconds_between
from tercel.desk.engine.order_arrivals import OrderArrival, TargetOrders, order_arrivals
from tercel.desk.engine.posture_overrides import PostureOverrides
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import PromotedEntry
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.manager import SessionObserver
from tercel.desk.trading.parent_orders.parent import ParentOrder, ParentRequest
from tercel.desk.trading.session import Session
from tercel.desk.trading.tca.measure import cost_of
from tercel.execution.strategy import gap_of
from tercel.signals.risk.anomaly import AnomalyBaseline
from tercel.signals.risk.posture import PosturePolicy

WHOLE: Final = 1e-3
"""How far from a whole number of slices a decision of the schedule may lie."""
CALM_S: Final = 180
"""Fewest seconds of data from which risk learns a baseline, however short the warm-up is."""


class DeskLoop(SessionObserver):
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
    ) -> None:
        self.config = config
        self.session = session
        self.alert = session.gateway.alert
        self.slots = {slot.name: slot for slot in slots}
        self._forecasts = forecasts
        self._targets = targets
        names = [instrument.name for instrument in config.instrument]
        learns = [name for name in names if name not in (calm or {})]
        self._learns = learns if config.risk.posture == "on" else []
        """Instruments whose baseline is learned from the desk's own data."""
        self._calm = dict(calm or {})
        if self._learns:
            self._calm = baselines_in(session.journal, session.gateway.venue.name) | self._calm
        self._unlearned = {name for name in self._learns if name not in self._calm}
        self._progress = progress or (lambda _round: None)
        volume = {name: session.listings[name].volume_per_s for name in names}
        self._orders: dict[int, list[OrderArrival]] = defaultdict(list)
        drawn = config.signals.orders == "drawn"
        for order in order_arrivals(config, volume, config.desk.seed) if drawn else ():
            self._orders[order.round].append(order)
        sides = {order.instrument: order.side for order in self._orders[0]}
        self._states = {name: self._state(name, sides.get(name, BUY)) for name in names}
        self._prefix = (
            f"{session.mark}{session.number}." if session.mark or session.number > 1 else ""
        )
        self._own: set[int] = set()
        self._challenges: dict[str, tuple[str, str, Challenge]] = {}
        self._explained: dict[str, tuple[float | None, str]] = {}
        self._journaled: dict[str, dict[str, Any]] = {}
        self._next_ns = 0  # when the next round begins, once the market was watched
        self.posture_changes = 0
        self._ends_ns = array("q")  # of every round
        self.cost_path: list[float] = []
        """Cost of all requested lots so far, after every round, bps."""
        self.posture_path: list[tuple[int, str, Posture]] = []
        """Venue time, instrument, posture: at every change."""
        self._overrides = PostureOverrides(session)
        session.manager.watchers.append(self)

    def _state(self, name: str, side: int) -> DeskInstrument:
        loop, on = self.config.loop, self.config.risk.posture == "on"
        return DeskInstrument(
            flow=FlowShortfall(side),
            monitor=MarketMonitor(
                self.session.follow(name),
                self._calm.get(name),
                warm_s=int(min(600, max(self.config.desk.warmup_s - 60, CALM_S))),
            ),
            sizing=Sizing(loop.sizing),
            weights=FlowShares(list(self.slots), loop.hedge),
            policy=PosturePolicy(name) if on else None,
        )

    # -- the loop -----------------------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Observe the market before the first order."""
        self._pass_time(self.session.now_ns + round(self.config.desk.warmup_s * NS_PER_SECOND))

    def run(self) -> None:
        """Run all rounds; Ctrl-C may come at any time, the journal holds everything done so far."""
        self.begin()
        while self.rounds < self.config.desk.rounds:
            self.round()

    def begin(self) -> None:
        """Set up before the first round; files of forecasts are read before the market is watched."""
        self._journal_slots()
        if self._forecasts is not None:
            self._forecasts.look(self.session.now_ns)
        for name in sorted(self._unlearned):
            span = f"the first {self._states[name].monitor.warm_s} s"
            self.alert(
                "info",
                "LEARNS_BASELINE",
                f"the baseline of {name} is learned from {span}; until then its risk state is cautious",
                name,
            )
        self.warm_up()
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
        """Run the next round."""
        number, at_ns = self.rounds, self._next_ns
        self._begin_round(number, at_ns)
        self.wait(round(self.config.desk.round_s * NS_PER_SECOND))
        now = self.session.now_ns
        self._ends_ns.append(now)
        for name, state in self._states.items():
            costs = state.round_costs
            state.round_costs = {}
            for due_ns in [one for one in state.pending if one <= now]:
                expected_bps, begun_mid2 = state.pending.pop(due_ns)
                if self.config.loop.feedback and (mid2 := self.session.follow(name).mid2):
                    state.sizing.learn_move(expected_bps, 1e4 * (mid2 / begun_mid2 - 1.0))
            if self.config.loop.feedback and costs:
                state.weights.update(costs)
                body = {
                    "shares": state.weights.shares,
                    "why": f"cost of the round, bps: {', '.join(f'{one} {cost:.1f}' for one, cost in costs.items())}",
                }
                self._note([Entry(kinds.SHARE, now, name, body=body)])
            state.share_path.extend(state.weights.shares.values())
        for slot in self.slots.values():
            self._watch_drift(slot)
        self._journal_slots()
        self.cost_path.append(self.cost_bps())
        self._progress(number + 1)

    def wait(self, span_ns: int) -> None:
        """Advance time after :meth:`begin` while open parents are worked."""
        self._next_ns += span_ns
        self._pass_time(self._next_ns)

    def cost_bps(self) -> float:
        """Cost of all orders received so far, bps of arrival value over all instruments."""
        value = sum(state.flow.asked2 for state in self._states.values())
        cost = sum(
            state.flow.cost_bps(self.session.follow(name).mid2) * state.flow.asked2
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
        many = len(self.slots)
        return [
            (
                ns,
                name,
                dict(
                    zip(
                        self.slots,
                        state.share_path[number * many : (number + 1) * many],
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
        last = number == self.config.desk.rounds - 1
        if self._targets is not None:
            self._orders[number] += self._targets.due(number)
        for order in self._orders[number]:
            if mid2 := self.session.follow(order.instrument).mid2:
                self._states[order.instrument].flow.side = order.side
                self._states[order.instrument].flow.ask(order.lots, mid2)
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
                state.outlook = self._forecasts.take(
                    name, state.monitor, number, at_ns, self.session.gateway
                )
            if (one := state.outlook) is not None and state.begun_mid2:
                state.pending.setdefault(
                    one.alpha.at_ns + one.alpha.horizon_ns,
                    (
                        one.alpha.expected_bps if one.body.left_bps is None else one.body.left_bps,
                        state.begun_mid2,
                    ),
                )
            self._follow_risk(state, at_ns)
            self._take_posture(name, state, at_ns)
            self._guide(name, state)
            # The flow books what the desk's own parents filled when they end: until then all their lots are at work.
            at_work = sum(
                parent.lots
                for parent in self.session.ledger.parents.open()
                if parent.id in self._explained and parent.order.instrument == name
            )
            waiting = max(state.flow.open - at_work, 0)
            ahead = None if state.outlook is None else state.outlook.ahead
            lots = state.sizing.lots(state.flow.side, waiting, ahead, state.posture, last)
            self._share_out(name, state, lots, number)

    def _guide(self, name: str, state: DeskInstrument) -> None:
        of = self._overrides.of_agents(name, state.posture, self.session.now_ns)
        self.session.guide(name, state.alpha, state.posture, of)

    def _take_overrides(self, at_ns: int) -> None:
        """Pass a manual risk state that was set or has ended to the agents at once."""
        for name, state in self._states.items():
            self._take_posture(name, state, at_ns)
            self._guide(name, state)

    def _follow_risk(self, state: DeskInstrument, at_ns: int) -> bool:
        """Show the policy what risk measures now; True where its posture may be another one."""
        if state.policy is None:
            return False
        return state.policy.follow(state.monitor.risk, at_ns) or state.posture is None

    def _take_posture(self, name: str, state: DeskInstrument, at_ns: int) -> bool:
        """Take the policy's posture; True where it asks for something else than before."""
        posture = self._overrides.over(name, state, at_ns)
        if posture is None:
            return False
        before = state.posture
        state.posture = posture
        if (
            before is not None
            and replace(before, at_ns=posture.at_ns, reasons=posture.reasons) == posture
        ):
            return False
        body = to_jsonable(posture) | {"styles": int(posture.styles)}
        del body["instrument"], body["at_ns"]
        self._note([Entry(kinds.POSTURE, at_ns, name, body=body)])
        self.posture_changes += before is not None
        self.posture_path.append((at_ns, name, posture))
        return True

    def _share_out(self, name: str, state: DeskInstrument, lots: int, number: int) -> None:
        # a size of 0 set by risk ends with the last round, which works the remainder; one set by a person does not
        lots = lots if self._overrides.size("") > 0 else 0
        found = split(lots, alive := self._alive(state.weights.shares))
        if lots and not alive:
            self.session.gateway.alert_once(
                "warning",
                "NOBODY_LEFT",
                f"orders of {name} wait: every agent is killed or paused",
                name,
            )
        sized = {agent: int(part * self._overrides.size(agent)) for agent, part in found.items()}
        parts = {agent: part for agent, part in sized.items() if part}
        horizon_s = self.config.desk.round_s - CLOSING_S
        for agent, part in parts.items():
            slot = self.slots[agent]
            if why := slot.beyond(name, part):
                self.alert("warning", "BEYOND_SIZE", why, name, agent)
            order = ParentRequest(
                id=f"{self._prefix}{name}-{number:03d}-{agent}",
                instrument=name,
                side=state.flow.side,
                lots=part,
                horizon_ns=round(horizon_s * NS_PER_SECOND),
                decisions=max(round(horizon_s / self.config.desk.decision_s), 1),
                strategy=slot.shown,
                agent=agent,
            )
            alpha = state.alpha.expected_bps if state.alpha is not None else None
            reasons = (
                "; ".join(state.posture.reasons) or "calm" if state.posture is not None else "off"
            )
            self._explained[order.id] = (alpha, reasons)
            try:
                self.session.accept(order, slot.at(name)[0])
            except OrderError as error:
                self.alert("warning", "PARENT_REFUSED", f"{order.id}: {error}", name, agent)

    def _alive(self, shares: Mapping[str, float]) -> dict[str, float]:
        """Shares of the flow among agents that are neither killed nor paused; {} where all are: the orders wait."""
        self.session.stopper.look(shares)
        out = self.session.stopper.killed.keys() | self.session.ledger.holds.keys()
        alive = {name: share for name, share in shares.items() if name not in out}
        whole = sum(alive.values())
        return {name: share / whole for name, share in alive.items()} if whole > 0 else {}

    def _pass_time(self, until_ns: int) -> None:
        for second in seconds_between(self.session.now_ns, until_ns):
            self.session.run_until(second)
            for name, state in self._states.items():
                state.monitor.second(second)
                if name in self._learns:
                    self._learn_baseline(name, state, second)
                if self._follow_risk(state, second) and self._take_posture(name, state, second):
                    self._guide(name, state)
            if self._overrides.end(second):
                self._take_overrides(second)
            for _, _, challenge in self._challenges.values():
                challenge.seen(
                    max(second, self.session.now_ns)
                )  # a venue with a clock of its own may be ahead
            for parent, (agent, _, challenge) in list(self._challenges.items()):
                if challenge.done:
                    del self._challenges[parent]
                    self.slots[agent].gains_bps.append(challenge.gain_bps)
        self.session.run_until(until_ns)

    def _learn_baseline(self, name: str, state: DeskInstrument, at_ns: int) -> None:
        """Journal a first baseline once it is learned; keep seconds that a later one may be learned from."""
        monitor = state.monitor
        if monitor.baseline is None:
            return
        if name in self._unlearned:
            self._unlearned.remove(name)
            entry = baseline_entry(name, at_ns, monitor.baseline, monitor.warm_s)
            self._note([entry])
        if state.posture is not None and not state.posture.reasons:
            monitor.ordinary_second()

    def keep_baselines(self) -> None:
        """Journal the baselines learned in this session, for the next one."""
        for name in self._learns:
            ordinary = self._states[name].monitor.ordinary
            if (learned := ordinary.baseline()) is not None:
                now_ns = self.session.now_ns
                self._note([baseline_entry(name, now_ns, learned, ordinary.count)])

    # -- notifications of the session ----------------------------------------------------------------------------------

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Pass market data to monitors and challenges."""
        for event in events:
            if isinstance(event, MarketRows) and event.instrument in self._states:
                self._states[event.instrument].monitor.on_market(event)
                self._challenge(event)
            elif isinstance(event, Report):
                if event.instrument in self._states:
                    self._states[event.instrument].monitor.own_ns.add(event.ns)
                if (number := event.order_id.partition(".")[0]).isdigit():
                    self._own.add(int(number))

    def _challenge(self, event: MarketRows) -> None:
        """Feed the challenges in an instrument; a gap in its market data discards them."""
        name = event.instrument
        meant = [id_ for id_, (_, where, _) in self._challenges.items() if where == name]
        if not meant:
            return
        rows = paper_rows(event, self._own)
        missed = event.snapshot or not self.session.follow(name).ready
        for id_ in meant:
            if missed:
                del self._challenges[id_]
            else:
                self._challenges[id_][2].on_market(rows)

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """Start the paper trials of an order whose agent has a challenger."""
        slot = self.slots.get(order.agent)
        champion, challenger = slot.at(order.instrument) if slot is not None else (None, None)
        if champion is not None and challenger is not None:
            trial = Challenge(book, state, champion, challenger, order.instrument)
            self._challenges[order.id] = (order.agent, order.instrument, trial)

    def on_decision(self, order: ParentRequest, observation: Float32) -> None:
        """Update drift detection with the observation, where the agent's policy itself works the parent."""
        slot = self.slots.get(order.agent)
        if slot is None or slot.drift is None or order.strategy != slot.shown:
            return
        # The card's statistics are of decisions of the schedule: those between them see part of an interval.
        slices = float(observation[0]) * order.decisions
        between = gap_of(slot.strategy) > 0 and abs(slices - round(slices)) > WHOLE
        if not between:
            slot.drift.update(order.id, observation)

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Book a finished parent's cost; shares learn from the desk's own parents."""
        order, follower = parent.order, self.session.follow(parent.order.instrument)
        fills = self.session.ledger.fills_of[parent.id]
        cost = cost_of(parent, fills, follower.listing, follower.mid2)
        if (slot := self.slots.get(order.agent)) is not None and slot.drift is not None:
            slot.drift.over(order.id)
        own = order.id in self._explained
        alpha, reasons = self._explained.pop(order.id, (None, ""))
        if own:
            # Book the fills; lots that a person added to the parent are valued at its arrival mid.
            flow = self._states[parent.order.instrument].flow
            if (added := ceiled(cost.filled - flow.open_qty)) > 0:
                flow.ask(added, parent.arrival_mid2)
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
        self._note(
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

    def on_operator(self, entry: Entry) -> bool:
        """Carry out promotions; kills and re-arms take effect in the latch and are only noted here."""
        said = OperatorEntry.of(entry)
        if said.command == "promote":
            asked = said.asked()
            agent = asked.agent or ""
            slot = self.slots.get(agent)
            if slot is None or slot.challenger is None:
                raise OrderError(
                    "an agent with a challenger", agent or "none named", "see `tercel trade orders`"
                )
            slot.must_be(asked.champion, asked.challenger)
            evidence, before = Evidence.of(slot.gains_bps), slot.shown
            slot.promote()
            for state in self._states.values():
                state.weights.penalise(slot.name, False)
            body = PromotedEntry(
                champion=before,
                challenger=slot.shown,
                by=said.by,
                reason=said.reason,
                operator=said.id,
                evidence=str(evidence),
            )
            self._note([Entry(kinds.PROMOTED, self.session.now_ns, agent=agent, body=body.json())])
            self._journal_slots()
        elif said.command == "posture":
            self._overrides.obey(said, self.slots)
            self._take_overrides(self.session.now_ns)
        return said.command in ("promote", "posture", "kill", "rearm")

    def _journal_slots(self) -> None:
        """Journal each agent's strategy and the evidence on its challenger, where they changed."""
        bodies = {name: slot.body() for name, slot in self.slots.items()}
        new = {name: body for name, body in bodies.items() if body != self._journaled.get(name)}
        self._journaled = bodies
        self._note(
            [
                Entry(kinds.AGENT_ASSIGNMENT, self.session.now_ns, agent=name, body=body)
                for name, body in new.items()
            ]
        )

    def _note(self, entries: Sequence[Entry]) -> None:
        self.session.gateway.write(entries)

    def _watch_drift(self, slot: AgentSlot) -> None:
        if slot.drift is None or slot.drift.drifting == slot.drifting:
            return
        slot.drifting = slot.drift.drifting
        for state in self._states.values():
            state.weights.penalise(slot.name, slot.drifting and self.config.loop.feedback)
        furthest = sorted(slot.drift.far.items(), key=lambda entry: -abs(entry[1]))[:4]
        far = ", ".join(f"{name} {mean:+.1f} sd" for name, mean in furthest)
        text = (
            f"inputs outside the training distribution: {far}"
            if slot.drifting
            else "inputs as in training again"
        )
        body = {
            "state": "drifting" if slot.drifting else "normal",
            "statistic": slot.drift.score,
            "text": text,
        }
        self._note([Entry(kinds.DRIFT, self.session.now_ns, agent=slot.name, body=body)])
        self.alert(
            "warning" if slot.drifting else "info", "DRIFT", f"{slot.name}: {text}", agent=slot.name
        )
