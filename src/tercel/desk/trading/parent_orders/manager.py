"""Manager of parent orders: accepts, amends, pauses and cancels parents, and runs an executor for each at work.

A strategy that raises or returns NaN is replaced by `FALLBACK`. An executor that lost track of its orders is replaced by a
new one for the remaining lots. Both are journaled. `observers.SessionObserver` receives a session's events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from tercel.core.errors import JournalError, OrderError, TapeError, VenueError, refuse_if
from tercel.core.fixed_point import ONE, ceil_units, floor_units, to_number
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import Command, MarketRows, VenueEvent
from tercel.core.pool import Deadline
from tercel.core.ports import Entry
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.observers import HeldLots, SessionObserver
from tercel.desk.trading.parent_orders.parent import (
    NEW_SESSION,
    NO_LIMIT,
    ParentOrder,
    ParentStatus,
    acceptance_entry,
    entry_of,
    limit_at,
    model_of,
)
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.parent_orders.strategies import Strategies
from tercel.desk.trading.risk.cancels import AGAIN_NS, FIRST_S, KillCanceller, cancels
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.market.simulator import layout as sim

FALLBACK: Final = "twap_passive"
"""The strategy that takes over from one that failed."""


class ParentOrderManager:
    """Accepts, amends, pauses and cancels parent orders, and runs an executor for each that is at work.

    Parameters
    ----------
    gateway : OrderGateway
    stopper : KillCanceller
        Knows which agents are killed.
    strategies : Strategies
    follow : callable
        The follower of an instrument.
    followers : mapping
        Those that there are, by instrument.
    make_request : callable
        Makes the request for a parent order from a person's fields.
    seed, warmup_s
        Of executors.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        stopper: KillCanceller,
        strategies: Strategies,
        follow: Callable[[str], Follower],
        followers: Mapping[str, Follower],
        make_request: Callable[[Mapping[str, Any]], ParentRequest],
        *,
        seed: int,
        warmup_s: float,
    ) -> None:
        self.gateway = gateway
        self.stopper = stopper
        self._strategies = strategies
        self.follow = follow
        self._followers = followers
        self.make_request = make_request
        self._seed = seed
        self._warmup_s = warmup_s
        self.requests: HeldLots
        """Set by the session's requests for quotes, as they begin."""
        self.assign: Callable[[ParentRequest], ParentRequest] = lambda request: request
        """Draws the strategy of an order that names none, where its agent has an experiment."""
        self.executors: dict[str, ParentExecutor] = {}
        self.observers: list[SessionObserver] = []
        self.trying = ""
        """Id of the parent whose executor runs at this moment; "" between."""
        self.deadline: Deadline | None = None
        """Interrupts decisions that take more than `decision_s`."""
        self.decision_s = 0.0
        self._cancelled_ns = 0
        self._given_strategies: dict[str, Strategy] = {}
        self._guidance: dict[str, tuple[Alpha | None, Posture | None, Mapping[str, Posture]]] = {}

    def __iter__(self) -> Iterator[ParentExecutor]:
        return iter(list(self.executors.values()))

    @property
    def _now(self) -> int:
        """Venue time, ns."""
        return self.gateway.venue.now_ns

    @property
    def due_ns(self) -> int:
        """Earliest venue time, ns, at which an executor has work; FOREVER_NS if none has."""
        return min([executor.due_ns for executor in self.executors.values()], default=FOREVER_NS)

    def accept(
        self, request: ParentRequest, strategy: Strategy | None = None, operator: int | None = None
    ) -> ParentOrder:
        """Accept a parent order, journal it, and start its executor.

        Parameters
        ----------
        strategy : Strategy
            By default made from the request's strategy name, which alone a later session has.
        operator : int
            The operator's command that it obeys.

        Raises
        ------
        OrderError
            For an id that was used, an instrument or an agent unknown here, a killed agent.
        UnknownNameError
            For a strategy that does not exist.
        """
        self.require_can_trade(request.agent)
        prefix_parent = self.gateway.ledger.parents.get(request.id.rpartition("-")[0])
        refuse_if(
            prefix_parent is not None and prefix_parent.pair,
            "an id that is not that of a pair's parent",
            request.id,
            "choose another",
            OrderError,
        )
        effective_strategy = self.admit(request, strategy)
        wall_ns = self._wall_ns(request.instrument, self._now, request.horizon_ns)
        request = replace(request, horizon_ns=wall_ns)
        self.gateway.write(
            [acceptance_entry(request, self._now, model_of(effective_strategy), operator)]
        )
        if strategy is not None:
            self._given_strategies[request.id] = strategy
        parent = self.gateway.ledger.parents.require(request.id)
        self.announce(parent)
        self.requests.on_accepted(parent, effective_strategy)
        self.work(parent)
        return parent

    def _wall_ns(self, instrument: str, since_ns: int, horizon_ns: int) -> int:
        """Wall time of a horizon that is given in trading time: over breaks, and to the end of the trading day at most."""
        return self.follow(instrument).listing.rules.ends_ns(since_ns, horizon_ns) - since_ns

    def _refuse_illegal(self, request: ParentRequest, rules: VenueRules) -> None:
        """Raise OrderError for lots that can never all be traded, and where no trading time is left today."""
        legal = rules.legal_lots(request.side, request.lots, request.lots)
        refuse_if(
            legal < request.lots,
            f"lots that the venue takes: multiples of {rules.round_lots}, at least {rules.least_lots}",
            f"{request.lots:,} lots of {request.instrument}",
            f"ask for {legal or max(rules.round_lots, rules.least_lots):,} lots",
            OrderError,
        )
        refuse_if(
            rules.ends_ns(self._now, request.horizon_ns) <= self._now,
            "trading time that is left",
            f"{request.instrument}, which is closed until its next trading day",
            "wait for that day",
            OrderError,
        )

    def admit(self, request: ParentRequest, strategy: Strategy | None = None) -> Strategy:
        """Register a new parent with the limits; returns its strategy, or raises if its id, instrument or strategy will not
        do."""
        refuse_if(
            request.id in (".", ".."),
            "an id that an address can name",
            f"{request.id!r}, dots alone",
            "choose another",
            OrderError,
        )
        refuse_if(
            self.gateway.ledger.is_used(request.id),
            "a new id for a new parent order",
            f"{request.id!r}, which was used",
            "choose another",
            OrderError,
        )
        self._refuse_illegal(request, self.follow(request.instrument).listing.rules)
        effective_strategy = strategy or self._strategies(request.strategy, request.instrument)
        with self.gateway.lock:
            self.gateway.limits.register_parent(
                request.id, request.instrument, request.agent, request.side, request.lots
            )
        return effective_strategy

    def announce(self, parent: ParentOrder) -> None:
        """Announce a parent to the gate before the venue, if any."""
        with suppress(VenueError):  # the link is down: `announce_all` when it is up
            self.gateway.announce(parent)

    def announce_all(self) -> None:
        """Announce every parent in memory to the gate before the venue, which may not know which are over."""
        for parent in list(self.gateway.ledger.parents):
            self.announce(parent)

    def poll_kill_reason(self, agent: str) -> str | None:
        """Reason why an agent is killed, or None; reads the latch, and cancels the orders of an agent newly killed."""
        self.stopper.poll_latch([agent])
        return self.stopper.killed.get(agent)

    def require_not_killed(self, agent: str) -> None:
        """Raise OrderError for a killed agent."""
        if (reason := self.poll_kill_reason(agent)) is not None:
            raise OrderError(
                "an agent that may trade", f"{agent} is killed: {reason}", "re-arm it first"
            )

    def require_can_trade(self, agent: str) -> None:
        """Raise OrderError for an agent that is killed or paused by a person."""
        self.require_not_killed(agent)
        hold = self.gateway.ledger.describe_hold(agent)
        refuse_if(
            hold,
            "an agent that takes parents",
            hold,
            "name another agent, or resume this one first",
            OrderError,
        )

    def work(self, parent: ParentOrder) -> None:
        """Start a new executor for a parent's remaining lots and time, less the lots withheld; none for less than a lot."""
        order = parent.order
        ledger = self.gateway.ledger
        lots_left = parent.left - self.requests.withheld_lots(parent.id)
        if lots_left < 1:
            return
        given_strategy = (
            self._given_strategies.get(parent.id) if parent.strategy == order.strategy else None
        )
        rules = self.follow(order.instrument).listing.rules
        left_ns = max(rules.trading_ns(self._now, parent.ends_ns), 1)
        whole_ns = max(rules.trading_ns(parent.accepted_ns, parent.ends_ns), 1)
        decisions = max(1, round(order.decisions * min(1.0, left_ns / whole_ns)))
        task = Task(
            side=order.side,
            limit_price=parent.limit_price,
            horizon_s=left_ns / 1e9,
            decisions=decisions,
            warmup_s=self._warmup_s,
        )
        assignment = Assignment(
            parent.id,
            order.agent,
            order.instrument,
            order.side,
            lots_left,
            self._now,
            task,
            self._seed,
            parent.number,
            first_child=ledger.next_child(parent.id),
            limit=parent.limit,
        )
        strategy = given_strategy or self._strategies(parent.strategy, order.instrument)
        executor = ParentExecutor(
            assignment, self.follow(order.instrument), strategy, ledger.orders
        )
        self._guide(executor)
        self.executors[parent.id] = executor

    def pause(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Pause a working parent (else OrderError): cancel its child orders; no decision is taken until `resume`."""
        parent = self.gateway.ledger.parents.require_for_event(id_, "paused")
        self.journal(parent, ParentEntry("paused", reason=reason, operator=operator))
        if (executor := self.executors.get(id_)) is not None and not executor.detach_reason:
            self.send(executor, executor.pause(), sender=_sender_of(operator))

    def resume(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Resume a paused parent.

        Raises
        ------
        OrderError
            When it is not paused, its agent is killed, or its horizon has passed.
        """
        parent = self.gateway.ledger.parents.require_for_event(id_, "resumed")
        self.require_can_trade(parent.order.agent)
        parent.require_time_left(self._now)
        self.journal(parent, ParentEntry("resumed", reason=reason, operator=operator))
        self.resume_work(id_)

    def resume_work(self, id_: str) -> None:
        """Let a resumed parent's executor go on, or start one once manual orders have ended."""
        executor = self.executors.get(id_)
        if executor is None:
            parent = self.gateway.ledger.parents.require(id_)
            if not (parent.hand and self.gateway.ledger.orders.live(parent=id_)):
                self.work(parent)
        elif not executor.detach_reason:
            executor.resume()

    def cancel(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Cancel a working, paused or manual parent (else OrderError) and its child orders; it ends when none is open."""
        parent = self.gateway.ledger.parents.require_for_event(id_, "cancelling")
        self.journal(parent, ParentEntry("cancelling", reason=reason, operator=operator))
        executor = self.executors.get(id_)
        outside = parent.hand or self.requests.quote_orders(id_)
        if executor is None and not (outside and self.gateway.ledger.orders.live(parent=id_)):
            parent = self.gateway.ledger.parents.require(id_)
            self.journal(parent, ParentEntry("cancelled", reason=reason))
        elif executor is None:
            self.gateway.submit(self.cancels(id_), sender=_sender_of(operator))
        elif not executor.detach_reason:
            self.send(executor, executor.cancel(), sender=_sender_of(operator))

    def amend(
        self,
        id_: str,
        reason: str,
        lots: int | None = None,
        horizon_ns: int | None = None,
        limit_price: float | str | None = None,
        operator: int | None = None,
    ) -> None:
        """Change a parent's lots, its horizon (from acceptance), or its limit price ("none" removes it).

        Raises
        ------
        OrderError
            For fewer lots than are filled, a horizon that has passed, or a limit price that is none.
        """
        parent = self.gateway.ledger.parents.require_for_event(id_, "amended")
        withheld = self.requests.withheld_lots(id_)
        refuse_if(
            parent.pair and (lots is not None or limit_price is not None),
            "a parent that is no leg of a pair",
            f"other lots or a limit price for {id_}",
            "cancel it, which closes the pair, and ask for another",
            OrderError,
        )
        # Dealers may fill what they were asked for while the agent's order is still at its venue: both count.
        at_work = bool(withheld) or parent.status == ParentStatus.BY_HAND
        open_qty = withheld * ONE + (self.gateway.ledger.open_of(id_) if at_work else 0)
        if lots is not None and (
            type(lots) is not int or lots < max(ceil_units(parent.filled_qty + open_qty), 1)
        ):
            open_kind = "open in orders and requests" if withheld else "open in manual orders"
            open_text = f" and {to_number(open_qty)} {open_kind}" if open_qty else ""
            minimum_text = f"{parent.filled} lots filled{open_text}"
            raise OrderError(f"at least the {minimum_text}", f"{lots!r}", "cancel the rest instead")
        refuse_if(
            horizon_ns is not None
            and (type(horizon_ns) is not int or parent.accepted_ns + horizon_ns <= self._now),
            "a horizon still to come",
            f"{horizon_ns!r} ns from acceptance",
            "cancel it instead",
            OrderError,
        )
        new_limit_price = None if limit_price == NO_LIMIT else limit_price
        new_request = replace(
            parent.order,
            lots=lots or parent.lots,
            horizon_ns=horizon_ns or parent.horizon_ns,
            limit_price=new_limit_price,
        )  # refuses nonsense
        if horizon_ns is not None:
            horizon_ns = self._wall_ns(new_request.instrument, parent.accepted_ns, horizon_ns)
        body = ParentEntry(
            "amended", lots=lots, horizon_ns=horizon_ns, reason=reason, operator=operator
        )
        if limit_price is not None:
            tick = self.follow(new_request.instrument).listing.tick
            body.limit_price = new_limit_price
            body.limit = limit_at(new_request, tick, parent.arrival_mid2)
        self.journal(parent, body)
        if lots is not None:
            with self.gateway.lock:
                self.gateway.limits.amend(id_, lots)
            self.announce(self.gateway.ledger.parents.require(id_))
        executor = self.executors.get(id_)
        if executor is None or executor.detach_reason:
            return
        ends_executor = lots is not None and (
            lots <= ceil_units(parent.filled_qty) or executor.done
        )
        if ends_executor or horizon_ns is not None or limit_price is not None or withheld:
            self.detach(executor, f"amended: {reason}")
        elif lots is not None:
            added_lots = lots - parent.lots
            self.send(
                executor,
                executor.amend(executor.order.quantity + added_lots),
                sender=_sender_of(operator),
            )

    def guide(
        self,
        instrument: str,
        alpha: Alpha | None,
        posture: Posture | None,
        agent_postures: Mapping[str, Posture] | None = None,
    ) -> None:
        """Set the forecast and risk posture of an instrument for its executors' next decisions; `agent_postures` override
        by agent."""
        self._guidance[instrument] = alpha, posture, agent_postures or {}
        for executor in self:
            if executor.order.instrument == instrument:
                self._guide(executor)

    def _guide(self, executor: ParentExecutor) -> None:
        """Give an executor the guidance of its instrument and agent."""
        alpha, posture, agent_postures = self._guidance.get(
            executor.order.instrument, (None, None, {})
        )
        executor.guide(alpha, agent_postures.get(executor.order.account, posture), self._now)

    def journal(self, parent: ParentOrder, body: ParentEntry) -> None:
        """Journal an event of a parent, which also changes its state."""
        order = parent.order
        self.gateway.write([entry_of(parent.id, body, self._now, order.instrument, order.agent)])

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Pass a venue's events to executors, and send the commands they return; market data only to those of its
        instrument."""
        rows_by_instrument = {
            event.instrument: event for event in events if isinstance(event, MarketRows)
        }
        only_market = len(rows_by_instrument) == len(
            events
        )  # one update an instrument, and nothing else
        for executor in self if events else ():
            event = rows_by_instrument.get(executor.order.instrument)
            if not only_market or (event is not None and not executor.queue_market_data(event)):
                self._run_executor(executor, executor.on_events, events)
        self.trying = ""
        for observer in self.observers:
            observer.on_events(events)

    def on_time(self, now_ns: int) -> None:
        """Let executors that are due by a venue time, ns, arrive, decide or close."""
        for executor in self:
            if executor.due_ns <= now_ns:
                self._run_executor(executor, executor.on_time, now_ns)
        self.trying = ""

    def _run_executor(
        self, executor: ParentExecutor, act: Callable[[Any], list[Command]], observed: Any
    ) -> None:
        """Call an executor's method on events or a time and send its commands; a strategy that fails is replaced."""
        had_arrived = executor.arrived
        self.trying = executor.id
        try:
            if self.deadline is None:
                commands = act(observed)
            else:
                # A limited time for the decision; more for the first one, which may compile kernels.
                commands = self.deadline.call(
                    partial(act, observed),
                    max(self.decision_s, FIRST_S if executor.seen == 0 else 0.0),
                )
            decision = executor.decision_entries(commands, self._now)
        except TapeError as error:
            order = executor.order
            self.gateway.alert(
                "critical", "worker_lost", str(error), order.instrument, order.account, order.parent
            )
            self.detach(executor, "its record has a gap")
            return
        except Exception as error:
            self._replace_failed_strategy(executor, error)
            return
        if not had_arrived and executor.arrived:
            self._journal_arrival(executor)
        if commands or decision:
            self.send(executor, commands, decision)
        if decision:
            for observer in self.observers:
                observer.on_decision(
                    self.gateway.ledger.parents.require(executor.id).order, executor.features[0]
                )

    def _journal_arrival(self, executor: ParentExecutor) -> None:
        """Journal a parent's first arrival: mid and limit price are its benchmarks, whichever executor continues."""
        parent = self.gateway.ledger.parents.require(executor.id)
        driver = executor.driver
        if parent.arrival_ns == 0:
            limit = int(driver.state[sim.LIMIT])
            mid2 = int(driver.state[sim.ARRIVAL_MID2])
            self.journal(parent, ParentEntry("arrived", mid2=mid2, limit=limit or None))
            for observer in self.observers:
                observer.on_arrival(parent.order, driver.book, driver.state)

    def _replace_failed_strategy(self, executor: ParentExecutor, error: Exception) -> None:
        """Alert that a strategy raised, journal the fallback (or a pause, if that failed too), and detach the executor."""
        if isinstance(error, JournalError):
            raise error
        order = executor.order
        text = f"{type(error).__name__}: {error}"
        self.gateway.alert(
            "critical", "strategy_failed", text, order.instrument, order.account, order.parent
        )
        parent = self.gateway.ledger.parents.require(order.parent)
        if parent.strategy == FALLBACK and parent.status == ParentStatus.WORKING:
            reason = f"its strategy and the fallback failed: {text}"
            self.journal(parent, ParentEntry("paused", reason=reason))
        elif parent.status in (ParentStatus.WORKING, ParentStatus.PAUSED):
            self.journal(parent, ParentEntry("fallback", strategy=FALLBACK, reason=text))
        self.detach(executor, text)

    def send(
        self,
        executor: ParentExecutor,
        commands: Sequence[Command],
        decision: Sequence[Entry] = (),
        sender: Sender = Sender.STRATEGY,
    ) -> None:
        """Send an executor's commands and decision entries; denials are passed to the executor, and its answers are sent
        too."""
        for _ in range(100):
            commands = executor.keep_rules(commands, self._now)
            if not commands and not decision:
                return
            try:
                outcome = self.gateway.submit(commands, decision, sender)
            except JournalError:
                executor.states.add(
                    StateReason.DETACHED, "the journal failed"
                )  # nothing left, and it believes that it did
                raise
            if outcome.unknown:
                self.detach(executor, "sending failed")
                return
            answers: list[Command] = []
            for command, _denial in outcome.denied:
                answers += executor.on_denied(command)
            commands = answers
            decision = ()
        self.gateway.alert(
            "critical",
            "denied_for_ever",
            f"{executor.id} repeats orders that limits deny",
            parent=executor.id,
        )
        self.detach(executor, "it repeats orders that limits deny")

    def detach(self, executor: ParentExecutor, reason: str) -> None:
        """Stop relying on an executor, unless that is so already: cancel its child orders; `tidy` then starts another."""
        if not executor.detach_reason:
            executor.states.add(StateReason.DETACHED, reason)
            self.gateway.submit(self.cancels(executor.id), sender=Sender.MANAGER)

    def detach_all(self, instrument: str, reason: str) -> None:
        """Detach the arrived executors of an instrument, after a gap in its market data."""
        for executor in self:
            if executor.order.instrument == instrument and executor.arrived:
                self.detach(executor, reason)

    def cancels(self, parent: str) -> list[Command]:
        """Commands, not sent here, that cancel a parent's live child orders, except manual ones, ones that take a quote, and
        ones in a break or halt: `cancel_unworked` cancels those when it ends."""
        parent_order = self.gateway.ledger.parents.get(parent)
        by_hand = (
            parent_order
            if parent_order is not None and parent_order.status == ParentStatus.BY_HAND
            else None
        )
        if by_hand is not None and by_hand.pair:
            return []  # `PairTrading` cancels the orders of a pair
        kept_roots = {
            *(dict(by_hand.by_hand) if by_hand is not None else ()),
            *self.requests.quote_orders(parent),
        }
        return cancels(
            self.gateway,
            [
                order
                for order in self.gateway.ledger.orders.live(parent=parent)
                if order.root not in kept_roots
                and (
                    order.instrument not in self._followers
                    or self._followers[order.instrument].can_send(self._now)
                )
            ],
        )

    def pause_killed(self) -> None:
        """Pause the working parents of killed agents."""
        for id_, executor in list(self.executors.items()) if self.stopper.killed else ():
            reason = self.stopper.killed.get(executor.order.account)
            if (
                reason is not None
                and self.gateway.ledger.parents.require(id_).status == ParentStatus.WORKING
            ):
                self.pause(id_, f"killed: {reason}")

    def tidy(self) -> None:
        """Finish, expire or restart parents whose executor is done or detached and has no live orders."""
        for id_, executor in list(self.executors.items()):
            if (executor.detach_reason or executor.done) and not self.gateway.ledger.orders.live(
                parent=id_
            ):
                parent = self.gateway.ledger.parents.require(id_)
                called_off = (
                    executor.detach_reason
                    or executor.cancelled
                    or parent.status == ParentStatus.PAUSED
                )
                if parent.status == ParentStatus.CANCELLING:
                    self.journal(parent, ParentEntry("cancelled", reason=parent.reason))
                elif parent.left == 0:
                    self.journal_done(parent)
                elif not (
                    executor.detach_reason or executor.cancelled
                ) and self.requests.withheld_lots(id_):
                    del self.executors[id_]  # the lots that were not withheld are done
                elif not executor.detach_reason and (
                    called_off or (parent.refused and self.poll_kill_reason(parent.order.agent))
                ):
                    self._expire_parent(parent)
                elif not called_off:
                    self.journal_done(parent)
                else:
                    del self.executors[parent.id]
                    # Else another executor starts when the parent is resumed or given back.
                    if parent.status not in (ParentStatus.PAUSED, ParentStatus.BY_HAND):
                        self.work(parent)
                if self.gateway.ledger.parents.require(parent.id).over:
                    del self.executors[parent.id]
                    self._given_strategies.pop(parent.id, None)
                    self._notify_over(parent.id, executor)

    def cancel_unworked(self) -> None:
        """Cancel the orders of parents without an executor that is relied on, and expire such parents: again after
        `AGAIN_NS`."""
        if self._now - self._cancelled_ns < AGAIN_NS:
            return
        self._cancelled_ns = self._now
        detached = {executor.id for executor in self if executor.detach_reason}
        parents = {order.parent for order in self.gateway.ledger.orders.live()}
        if commands := [
            command
            for parent in sorted(parents - self.executors.keys() | detached)
            for command in self.cancels(parent)
        ]:
            self.gateway.submit(commands, sender=Sender.MANAGER)
        self.expire()

    def expire(self, begins: bool = False) -> None:
        """Expire parents without an executor whose horizon has passed; `begins`: at the start of a session."""
        parents = self.gateway.ledger.parents
        for parent in [
            parents.require(id_) for id_ in list(parents.open_ids) if id_ not in self.executors
        ]:
            # A parent that is being cancelled ends as cancelled, whatever cancels it.
            ends_otherwise = parent.status in (ParentStatus.BY_HAND, ParentStatus.CANCELLING)
            if parent.ends_ns <= self._now and not (
                ends_otherwise or self.requests.withheld_lots(parent.id)
            ):
                self.end(parent, "expired", begins and parent.reason == NEW_SESSION)

    def end(self, parent: ParentOrder, event: str, without_session: bool = False) -> None:
        """End a parent without an executor as "cancelled", "done" or "expired", and notify gate and observers;
        `without_session`: no session ran at its horizon."""
        if event == "cancelled":
            self.journal(parent, ParentEntry(event, reason=parent.reason))
        elif event == "done":
            self.journal_done(parent)
        else:
            self._expire_parent(parent, without_session)
        self._notify_over(parent.id, None)

    def settle(self, parent: ParentOrder) -> None:
        """End a parent without executor or open orders if being cancelled, filled or late; else work it, if WORKING."""
        if parent.status == ParentStatus.CANCELLING:
            self.end(parent, "cancelled")
        elif parent.left == 0:
            self.end(parent, "done")
        elif parent.ends_ns <= self._now:
            self.end(parent, "expired")
        elif parent.status == ParentStatus.WORKING:
            self.work(parent)

    def free_lots(self, parent: ParentOrder) -> int:
        """Whole lots of a parent that are neither filled, open, nor in a request for quotes."""
        free_qty = parent.unfilled_qty - self.gateway.ledger.open_of(parent.id)
        return floor_units(free_qty) - self.requests.withheld_lots(parent.id, with_in_flight=False)

    def shift(self, id_: str, lots: int) -> None:
        """Add lots to a parent's executor, or (below 0) take them from it."""
        executor = self.executors.get(id_)
        if executor is None or executor.detach_reason:
            return
        order = executor.order
        if lots and (executor.done or order.quantity + lots < max(executor.filled, 1)):
            self.detach(executor, "its lots are, or were, in a request for quotes")
        elif lots:
            self.send(executor, executor.amend(order.quantity + lots))

    def arrival_entries(self, parent: ParentOrder) -> tuple[list[Entry], int]:
        """Entries to journal if a parent arrives now ([] if it has arrived), and its limit price in ticks (0: none).

        Raises
        ------
        OrderError
            A side of the market is empty.
        """
        if parent.arrival_ns:
            return [], parent.limit
        follower = self.follow(parent.order.instrument)
        mid2 = follower.mid2
        refuse_if(
            not mid2,
            "a market with two sides",
            f"none of {parent.order.instrument} yet",
            "wait for it",
            OrderError,
        )
        request = replace(parent.order, limit_price=parent.limit_price)
        limit = limit_at(request, follower.listing.tick, mid2)
        body = ParentEntry("arrived", mid2=mid2, limit=limit or None)
        order = parent.order
        return [entry_of(parent.id, body, self._now, order.instrument, order.agent)], limit

    def _notify_over(self, id_: str, executor: ParentExecutor | None) -> None:
        """Tell the gate and the observers that a parent has ended."""
        parent = self.gateway.ledger.parents.require(id_)
        self.announce(parent)
        for observer in self.observers:
            observer.on_over(parent, executor)

    def journal_done(self, parent: ParentOrder) -> None:
        """Journal a parent as done (filled or past its horizon), alert refused lots; `end` also notifies observers."""
        within = f" within the limit of {parent.limit:,} ticks" if parent.limit else ""
        outcome = f"refused ({parent.denied_why})" if parent.refused else f"unfilled{within}"
        lots = parent.refused or to_number(parent.unfilled_qty)
        self._end(parent, "done", f"{lots:,} of {parent.lots:,} lots {outcome}" if lots else "")
        if parent.refused:
            self._alert_over(parent.id, "refused")

    def _expire_parent(self, parent: ParentOrder, without_session: bool = False) -> None:
        """End a parent that no executor worked at its horizon as expired, with an alert that states unfilled lots and
        reason."""
        reason = "it was not worked"
        if (kill_reason := self.stopper.killed.get(parent.order.agent)) is not None:
            reason = f"its agent was killed: {kill_reason}"
        elif parent.status == ParentStatus.PAUSED and not without_session:
            reason = f"it was paused ({parent.reason})"
        elif parent.status == ParentStatus.BY_HAND:
            reason = f"{parent.hand} had taken it over"
        lots = f"{to_number(parent.unfilled_qty):,} of {parent.lots:,} lots unfilled"
        self._end(parent, "expired", f"its horizon came while {reason}; {lots}")
        self._alert_over(parent.id, "expired")

    def _end(self, parent: ParentOrder, event: str, reason: str) -> None:
        """Journal the end of a parent with its filled, refused and unfilled lots."""
        body = ParentEntry(
            event,
            filled=parent.filled,
            refused=parent.refused,
            left=to_number(parent.unfilled_qty),
            reason=reason or None,
        )
        self.journal(parent, body)

    def _alert_over(self, id_: str, code: str) -> None:
        """Raise a critical alert that a parent ended, with its reason."""
        parent = self.gateway.ledger.parents.require(id_)
        self.gateway.alert(
            "critical",
            code,
            f"{id_} is over: {parent.reason}, {parent.filled:,} filled",
            parent.order.instrument,
            parent.order.agent,
            id_,
        )


def _sender_of(operator: int | None) -> Sender:
    """Sender of the commands of a parent: a person if an operator's command caused them, else the manager."""
    return Sender.MANAGER if operator is None else Sender.PERSON
