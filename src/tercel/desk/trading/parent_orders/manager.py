"""Parent order manager: accepts, pauses, amends, cancels parents; each has an executor that may be replaced.

A strategy that raises or returns NaN is replaced by `FALLBACK`. An executor that lost track of its orders is replaced by a
new one for the remaining lots. Both are journaled. `SessionObserver` receives a session's events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from tercel.core.arrays import Float32, Int32, Ints
from tercel.core.errors import JournalError, OrderError, TapeError, VenueError, refuse_if
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import ONE, Command, MarketRows, VenueEvent, ceiled, floored, shown
from tercel.core.pool import Deadline
from tercel.core.ports import Entry
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor, Strategies
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.parent import (
    NEW_SESSION,
    NO_LIMIT,
    ParentOrder,
    ParentRequest,
    ParentStatus,
    accepted,
    entry_of,
    limit_at,
    model_of,
)
from tercel.desk.trading.risk.cancels import FIRST_S, KillCanceller, cancels
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.market.simulator import layout as sim


class SessionObserver:
    """Observer of a session's events; methods that are not overridden ignore them."""

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Venue events, after followers and executors processed them."""

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """A parent arrived: its market with the order in it."""

    def on_decision(self, order: ParentRequest, observation: Float32) -> None:
        """A decision was taken on this observation."""

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """A parent ended; `executor` is its last one, if any."""


class HeldLots:
    """Lots of parents withheld from executors for requests for quotes (`trading.quote_requests`); none in this base class."""

    def arrives(self, parent: ParentOrder, strategy: Strategy) -> None:
        """A parent was accepted and will be worked by a strategy."""

    def held(self, parent: str, in_flight: bool = True) -> int:
        """Lots held back; `in_flight`: those of orders that take a quote among them."""
        return 0

    def taking(self, parent: str) -> Sequence[str]:
        """Orders that take a quote and are not over."""
        return ()


FALLBACK: Final = "twap_passive"
"""The strategy that takes over from one that failed."""


class ParentOrderManager:
    """Open parent orders, each with its executor.

    Parameters
    ----------
    gateway : OrderGateway
    stopper : KillCanceller
        Knows which agents are killed.
    strategies : Strategies
    follow : callable
        The follower of an instrument.
    name : callable
        Makes a cl_ord_id that was never used.
    seed, warmup_s
        Of executors.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        stopper: KillCanceller,
        strategies: Strategies,
        follow: Callable[[str], Follower],
        name: Callable[[], str],
        *,
        seed: int,
        warmup_s: float,
    ) -> None:
        self.gateway = gateway
        self.stopper = stopper
        self._strategies = strategies
        self.follow = follow
        self._name = name
        self._seed = seed
        self._warmup_s = warmup_s
        self.requests = HeldLots()
        self.executors: dict[str, ParentExecutor] = {}
        self.watchers: list[SessionObserver] = []
        self.trying = ""
        """Id of the parent whose executor runs at this moment; "" between."""
        self.deadline: Deadline | None = None
        """Interrupts decisions that take more than `decision_s`."""
        self.decision_s = 0.0
        self._given: dict[str, Strategy] = {}
        self._guidance: dict[str, tuple[Alpha | None, Posture | None, Mapping[str, Posture]]] = {}

    def __iter__(self) -> Iterator[ParentExecutor]:
        return iter(list(self.executors.values()))

    @property
    def _now(self) -> int:
        return self.gateway.venue.now_ns

    @property
    def due_ns(self) -> int:
        """Earliest time at which an executor is due."""
        return min([executor.due_ns for executor in self.executors.values()], default=FOREVER_NS)

    # -- commands of people and of other parts of the desk --------------------------------------------------------

    def accept(
        self, request: ParentRequest, strategy: Strategy | None = None, operator: int | None = None
    ) -> ParentOrder:
        """Accept a parent order; work begins with the next step.

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
        self.must_trade(request.agent)
        of = self.gateway.ledger.parents.get(request.id.rpartition("-")[0])
        refuse_if(
            of is not None and of.pair,
            "an id that is not that of a pair's parent",
            request.id,
            "choose another",
            OrderError,
        )
        works = self.admit(request, strategy)
        self.gateway.write([accepted(request, self._now, model_of(works), operator)])
        if strategy is not None:
            self._given[request.id] = strategy
        parent = self.gateway.ledger.parents.must(request.id)
        self.announce(parent)
        self.requests.arrives(parent, works)
        self.work(parent)
        return parent

    def admit(self, request: ParentRequest, strategy: Strategy | None = None) -> Strategy:
        """Strategy of a parent that may be accepted, which limits then know; refuses any other."""
        if request.id in (".", ".."):
            raise OrderError(
                "an id that an address can name", f"{request.id!r}, dots alone", "choose another"
            )
        if self.gateway.ledger.used(request.id):
            raise OrderError(
                "a new id for a new parent order",
                f"{request.id!r}, which was used",
                "choose another",
            )
        self.follow(request.instrument)
        works = strategy or self._strategies(request.strategy, request.instrument)
        with self.gateway.lock:
            self.gateway.limits.parent(
                request.id, request.instrument, request.agent, request.side, request.lots
            )
        return works

    def announce(self, parent: ParentOrder) -> None:
        """Announce a parent to the gate before the venue, if any."""
        with suppress(VenueError):  # the link is down: `announce_all` when it is up
            self.gateway.announce(parent)

    def announce_all(self) -> None:
        """Announce every parent in memory to a gate before the venue: it may not know which are over."""
        for parent in list(self.gateway.ledger.parents):
            self.announce(parent)

    def killed(self, agent: str) -> str | None:
        """Reason why an agent is killed, read from the latch now; None if it is not."""
        self.stopper.look([agent])
        return self.stopper.killed.get(agent)

    def must_live(self, agent: str) -> None:
        """Refuse a killed agent."""
        if (why := self.killed(agent)) is not None:
            raise OrderError(
                "an agent that may trade", f"{agent} is killed: {why}", "re-arm it first"
            )

    def must_trade(self, agent: str) -> None:
        """Refuse a killed agent, and one that a person paused."""
        self.must_live(agent)
        if held := self.gateway.ledger.held(agent):
            raise OrderError(
                "an agent that takes parents", held, "name another agent, or resume this one first"
            )

    def work(self, parent: ParentOrder) -> None:
        """Start a new executor on the rest of a parent, but for lots that are held back."""
        order, ledger = parent.order, self.gateway.ledger
        left = parent.left - self.requests.held(parent.id)
        if left < 1:
            return
        given = self._given.get(parent.id) if parent.strategy == order.strategy else None
        left_ns = max(parent.ends_ns - self._now, 1)
        decisions = max(1, round(order.decisions * min(1.0, left_ns / parent.horizon_ns)))
        task = Task(
            side=order.side,
            limit_price=parent.limit_price,
            horizon_s=left_ns / 1e9,
            decisions=decisions,
            warmup_s=self._warmup_s,
        )
        what_is_left = Assignment(
            parent.id,
            order.agent,
            order.instrument,
            order.side,
            left,
            self._now,
            task,
            self._seed,
            parent.number,
            first_child=ledger.next_child(parent.id),
            limit=parent.limit,
        )
        strategy = given or self._strategies(parent.strategy, order.instrument)
        executor = ParentExecutor(what_is_left, self.follow(order.instrument), strategy)
        self._guide(executor)
        self.executors[parent.id] = executor

    def pause(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Cancel a parent's children and take no decision until `resume`."""
        parent = self.gateway.ledger.parents.may(id_, "paused")
        self.journal(parent, ParentEntry("paused", reason=reason, operator=operator))
        if (executor := self.executors.get(id_)) is not None and not executor.off:
            self.send(executor, executor.pause(), sender=_by(operator))

    def resume(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Resume a paused parent.

        Raises
        ------
        OrderError
            When it is not paused, its agent is killed, or its horizon has passed.
        """
        parent = self.gateway.ledger.parents.may(id_, "resumed")
        self.must_trade(parent.order.agent)
        parent.must_have_time(self._now)
        self.journal(parent, ParentEntry("resumed", reason=reason, operator=operator))
        self.resume_work(id_)

    def resume_work(self, id_: str) -> None:
        """Continue a resumed parent; if manual orders are still open, work starts when they end."""
        executor = self.executors.get(id_)
        if executor is None:
            parent = self.gateway.ledger.parents.must(id_)
            if not (parent.hand and self.gateway.ledger.orders.live(parent=id_)):
                self.work(parent)
        elif not executor.off:
            executor.resume()

    def cancel(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Cancel a parent; it ends once no child is open."""
        parent = self.gateway.ledger.parents.may(id_, "cancelling")
        self.journal(parent, ParentEntry("cancelling", reason=reason, operator=operator))
        executor = self.executors.get(id_)
        outside = parent.hand or self.requests.taking(id_)
        if executor is None and not (outside and self.gateway.ledger.orders.live(parent=id_)):
            parent = self.gateway.ledger.parents.must(id_)
            self.journal(parent, ParentEntry("cancelled", reason=reason))
        elif executor is None:
            self.gateway.submit(self.cancels(id_), sender=_by(operator))
        elif not executor.off:
            self.send(executor, executor.cancel(), sender=_by(operator))

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
        parent = self.gateway.ledger.parents.may(id_, "amended")
        held = self.requests.held(id_)
        refuse_if(
            parent.pair and (lots is not None or limit_price is not None),
            "a parent that is no leg of a pair",
            f"other lots or a limit price for {id_}",
            "cancel it, which closes the pair, and ask for another",
            OrderError,
        )
        # Dealers may fill what they were asked for while the agent's order is still at its venue: both count.
        at_work = bool(held) or parent.status == ParentStatus.BY_HAND
        open_ = held * ONE + (self.gateway.ledger.open_of(id_) if at_work else 0)
        if lots is not None and (
            type(lots) is not int or lots < max(ceiled(parent.filled_qty + open_), 1)
        ):
            what = "open in orders and requests" if held else "open in manual orders"
            also = f" and {shown(open_)} {what}" if open_ else ""
            is_ = f"{parent.filled} lots filled{also}"
            raise OrderError(f"at least the {is_}", f"{lots!r}", "cancel the rest instead")
        if horizon_ns is not None and (
            type(horizon_ns) is not int or parent.accepted_ns + horizon_ns <= self._now
        ):
            raise OrderError(
                "a horizon still to come", f"{horizon_ns!r} ns from acceptance", "cancel it instead"
            )
        wanted = None if limit_price == NO_LIMIT else limit_price
        requested = replace(
            parent.order,
            lots=lots or parent.lots,
            horizon_ns=horizon_ns or parent.horizon_ns,
            limit_price=wanted,
        )  # refuses nonsense
        body = ParentEntry(
            "amended", lots=lots, horizon_ns=horizon_ns, reason=reason, operator=operator
        )
        if limit_price is not None:
            tick = self.follow(requested.instrument).listing.tick
            body.limit_price = wanted
            body.limit = limit_at(requested, tick, parent.arrival_mid2)
        self.journal(parent, body)
        if lots is not None:
            with self.gateway.lock:
                self.gateway.limits.amend(id_, lots)
            self.announce(self.gateway.ledger.parents.must(id_))
        executor = self.executors.get(id_)
        if executor is None or executor.off:
            return
        over = lots is not None and (lots <= ceiled(parent.filled_qty) or executor.done)
        if over or horizon_ns is not None or limit_price is not None or held:
            self.detach(executor, f"amended: {reason}")
        elif lots is not None:
            more = lots - parent.lots
            self.send(
                executor, executor.amend(executor.order.quantity + more), sender=_by(operator)
            )

    def guide(
        self,
        instrument: str,
        alpha: Alpha | None,
        posture: Posture | None,
        of: Mapping[str, Posture] | None = None,
    ) -> None:
        """Set guidance of signals and risk for an instrument, from its executors' next decision on; `of` some agents it
        is another posture."""
        self._guidance[instrument] = alpha, posture, of or {}
        for executor in self:
            if executor.order.instrument == instrument:
                self._guide(executor)

    def _guide(self, executor: ParentExecutor) -> None:
        alpha, posture, of = self._guidance.get(executor.order.instrument, (None, None, {}))
        executor.guide(alpha, of.get(executor.order.account, posture), self._now)

    def journal(self, parent: ParentOrder, body: ParentEntry) -> None:
        """Journal an event of a parent."""
        order = parent.order
        self.gateway.write([entry_of(parent.id, body, self._now, order.instrument, order.agent)])

    # -- executors, which are not trusted ---------------------------------------------------------------------------

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Pass the venue's events to executors; market data only to those of its instrument."""
        moved = {event.instrument: event for event in events if isinstance(event, MarketRows)}
        alone = len(moved) == len(events)  # one update an instrument, and nothing else
        for executor in self if events else ():
            event = moved.get(executor.order.instrument)
            if not alone or (event is not None and not executor.waits(event)):
                self._try(executor, executor.on_events, events)
        self.trying = ""
        for watcher in self.watchers:
            watcher.on_events(events)

    def on_time(self, now_ns: int) -> None:
        """Advance executors to a processed time: arrivals, decisions, closes."""
        for executor in self:
            if executor.due_ns <= now_ns:
                self._try(executor, executor.on_time, now_ns)
        self.trying = ""

    def _try(
        self, executor: ParentExecutor, act: Callable[[Any], list[Command]], seen: Any
    ) -> None:
        """Let an executor act on what was seen; when its strategy fails, another takes over."""
        arrived = executor.arrived
        self.trying = executor.id
        try:
            if self.deadline is None:
                commands = act(seen)
            else:
                # Let it act within the time that a decision may take; the first may take long: kernels are compiled.
                commands = self.deadline.call(
                    partial(act, seen), max(self.decision_s, FIRST_S if executor.seen == 0 else 0.0)
                )
            decision = executor.decision(commands, self._now)
        except TapeError as error:
            order = executor.order
            self.gateway.alert(
                "critical", "worker_lost", str(error), order.instrument, order.account, order.parent
            )
            self.detach(executor, "its record has a gap")
            return
        except Exception as error:
            self._failed(executor, error)
            return
        if not arrived and executor.arrived:
            self._arrived(executor)
        if commands or decision:
            self.send(executor, commands, decision)
        if decision:
            for watcher in self.watchers:
                watcher.on_decision(
                    self.gateway.ledger.parents.must(executor.id).order, executor.features[0]
                )

    def _arrived(self, executor: ParentExecutor) -> None:
        """The first arrival of a parent sets its benchmark, whichever executor continues it later."""
        parent, driver = self.gateway.ledger.parents.must(executor.id), executor.driver
        if parent.arrival_ns == 0:
            limit, mid2 = int(driver.state[sim.LIMIT]), int(driver.state[sim.ARRIVAL_MID2])
            self.journal(parent, ParentEntry("arrived", mid2=mid2, limit=limit or None))
            for watcher in self.watchers:
                watcher.on_arrival(parent.order, driver.book, driver.state)

    def _failed(self, executor: ParentExecutor, error: Exception) -> None:
        if isinstance(error, JournalError):
            raise error
        order, text = executor.order, f"{type(error).__name__}: {error}"
        self.gateway.alert(
            "critical", "strategy_failed", text, order.instrument, order.account, order.parent
        )
        parent = self.gateway.ledger.parents.must(order.parent)
        if parent.strategy == FALLBACK and parent.status == ParentStatus.WORKING:
            why = f"its strategy and the fallback failed: {text}"
            self.journal(parent, ParentEntry("paused", reason=why))
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
        """Send an executor's commands through the gateway, with a decision's entries. The executor is notified of denied
        commands, and its answer is sent likewise."""
        for _ in range(100):
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
            commands, decision = answers, ()
        self.gateway.alert(
            "critical",
            "denied_for_ever",
            f"{executor.id} repeats orders that limits deny",
            parent=executor.id,
        )
        self.detach(executor, "it repeats orders that limits deny")

    def detach(self, executor: ParentExecutor, reason: str) -> None:
        """Retire a faulty executor: its children are cancelled, and `tidy` puts another in its place."""
        if not executor.off:
            executor.states.add(StateReason.DETACHED, reason)
            self.gateway.submit(self.cancels(executor.id), sender=Sender.MANAGER)

    def detach_all(self, instrument: str, reason: str) -> None:
        """Retire the arrived executors of an instrument after a gap in its market data."""
        for executor in self:
            if executor.order.instrument == instrument and executor.arrived:
                self.detach(executor, reason)

    def cancels(self, parent: str) -> list[Command]:
        """Cancels of a parent's children without one in flight; manual orders of a parent in a person's hands, and orders that
        take a quote, stay."""
        held, live = (
            self.gateway.ledger.parents.get(parent),
            self.gateway.ledger.orders.live(parent=parent),
        )
        by_hand = (
            dict(held.by_hand) if held is not None and held.status == ParentStatus.BY_HAND else {}
        )
        beside = {*by_hand, *self.requests.taking(parent)}
        if held is not None and held.pair and held.status == ParentStatus.BY_HAND:
            live = []  # its pair cancels them
        return cancels(
            self.gateway, [order for order in live if order.root not in beside], self._name
        )

    # -- periodic work of every step ------------------------------------------------------------------------------

    def pause_killed(self) -> None:
        """Pause parents of killed agents until a person resumes them."""
        for id_, executor in list(self.executors.items()) if self.stopper.killed else ():
            why = self.stopper.killed.get(executor.order.account)
            if (
                why is not None
                and self.gateway.ledger.parents.must(id_).status == ParentStatus.WORKING
            ):
                self.pause(id_, f"killed: {why}")

    def tidy(self) -> None:
        """End finished parents, replace retired executors."""
        for id_, executor in list(self.executors.items()):
            if (executor.off or executor.done) and not self.gateway.ledger.orders.live(parent=id_):
                parent = self.gateway.ledger.parents.must(id_)
                called_off = (
                    executor.off or executor.cancelled or parent.status == ParentStatus.PAUSED
                )
                if parent.status == ParentStatus.CANCELLING:
                    self.journal(parent, ParentEntry("cancelled", reason=parent.reason))
                elif parent.left == 0:
                    self.finish(parent)
                elif not (executor.off or executor.cancelled) and self.requests.held(id_):
                    del self.executors[id_]  # its own part is done
                elif not executor.off and (
                    called_off or (parent.refused and self.killed(parent.order.agent))
                ):
                    self._expired(parent)
                elif not called_off:
                    self.finish(parent)
                elif parent.status in (ParentStatus.PAUSED, ParentStatus.BY_HAND):
                    # A new one starts when it is resumed or given back.
                    del self.executors[parent.id]
                else:
                    del self.executors[parent.id]
                    self.work(parent)
                if self.gateway.ledger.parents.must(parent.id).over:
                    del self.executors[parent.id]
                    self._given.pop(parent.id, None)
                    self._notify_over(parent.id, executor)

    def expire(self, begins: bool = False) -> None:
        """End parents whose horizon passed without an executor; `begins`: as the session starts."""
        parents = self.gateway.ledger.parents
        for parent in [
            parents.must(id_) for id_ in list(parents.open_ids) if id_ not in self.executors
        ]:
            # A parent that is being cancelled ends as cancelled, whatever cancels it.
            beside = parent.status in (ParentStatus.BY_HAND, ParentStatus.CANCELLING)
            if parent.ends_ns <= self._now and not (beside or self.requests.held(parent.id)):
                self.end(parent, "expired", begins and parent.reason == NEW_SESSION)

    def end(self, parent: ParentOrder, event: str, alone: bool = False) -> None:
        """End a parent that no executor works, as cancelled, done or expired (`alone`: as no session ran)."""
        if event == "cancelled":
            self.journal(parent, ParentEntry(event, reason=parent.reason))
        elif event == "done":
            self.finish(parent)
        else:
            self._expired(parent, alone)
        self._notify_over(parent.id, None)

    def settle(self, parent: ParentOrder) -> None:
        """End a parent without an executor and without open orders, or let its strategy work the remainder."""
        if parent.status == ParentStatus.CANCELLING:
            self.end(parent, "cancelled")
        elif parent.left == 0:
            self.end(parent, "done")
        elif parent.ends_ns <= self._now:
            self.end(parent, "expired")
        elif parent.status == ParentStatus.WORKING:
            self.work(parent)

    # -- lots beside the executor -------------------------------------------------------------------------------------

    def room(self, parent: ParentOrder) -> int:
        """Whole lots of a parent that are neither filled, nor open, nor in a request for quotes."""
        free = parent.unfilled_qty - self.gateway.ledger.open_of(parent.id)
        return floored(free) - self.requests.held(parent.id, in_flight=False)

    def shift(self, id_: str, lots: int) -> None:
        """Give so many lots back to the executor, or (below 0) take them from it."""
        executor = self.executors.get(id_)
        if executor is None or executor.off:
            return
        order = executor.order
        if lots and (executor.done or order.quantity + lots < max(executor.filled, 1)):
            self.detach(executor, "its lots are, or were, in a request for quotes")
        elif lots:
            self.send(executor, executor.amend(order.quantity + lots))

    def arrival(self, parent: ParentOrder) -> tuple[list[Entry], int]:
        """Limit price in ticks of a parent, and the entry of its arrival where nothing of it came to its market before.

        Raises
        ------
        OrderError
            A side of the market is empty.
        """
        if parent.arrival_ns:
            return [], parent.limit
        follower = self.follow(parent.order.instrument)
        if not (mid2 := follower.mid2):
            raise OrderError(
                "a market with two sides", f"none of {parent.order.instrument} yet", "wait for it"
            )
        requested = replace(parent.order, limit_price=parent.limit_price)
        limit = limit_at(requested, follower.listing.tick, mid2)
        body = ParentEntry("arrived", mid2=mid2, limit=limit or None)
        order = parent.order
        return [entry_of(parent.id, body, self._now, order.instrument, order.agent)], limit

    def _notify_over(self, id_: str, executor: ParentExecutor | None) -> None:
        parent = self.gateway.ledger.parents.must(id_)
        self.announce(parent)
        for watcher in self.watchers:
            watcher.on_over(parent, executor)

    def finish(self, parent: ParentOrder) -> None:
        """End a parent that is filled or past its horizon; alert lots that were refused and stay undone."""
        within = f" within the limit of {parent.limit:,} ticks" if parent.limit else ""
        what = f"refused ({parent.denied_why})" if parent.refused else f"unfilled{within}"
        lots = parent.refused or shown(parent.unfilled_qty)
        self._end(parent, "done", f"{lots:,} of {parent.lots:,} lots {what}" if lots else "")
        if parent.refused:
            self._warn(parent.id, "refused")

    def _expired(self, parent: ParentOrder, alone: bool = False) -> None:
        """Expire a parent that was not worked at its horizon; an alert states its unfilled lots and the reason."""
        why = "it was not worked"
        if (killed := self.stopper.killed.get(parent.order.agent)) is not None:
            why = f"its agent was killed: {killed}"
        elif parent.status == ParentStatus.PAUSED and not alone:
            why = f"it was paused ({parent.reason})"
        elif parent.status == ParentStatus.BY_HAND:
            why = f"{parent.hand} had taken it over"
        lots = f"{shown(parent.unfilled_qty):,} of {parent.lots:,} lots unfilled"
        self._end(parent, "expired", f"its horizon came while {why}; {lots}")
        self._warn(parent.id, "expired")

    def _end(self, parent: ParentOrder, event: str, reason: str) -> None:
        left = shown(parent.unfilled_qty)
        body = ParentEntry(
            event, filled=parent.filled, refused=parent.refused, left=left, reason=reason or None
        )
        self.journal(parent, body)

    def _warn(self, id_: str, code: str) -> None:
        parent = self.gateway.ledger.parents.must(id_)
        self.gateway.alert(
            "critical",
            code,
            f"{id_} is over: {parent.reason}, {parent.filled:,} filled",
            parent.order.instrument,
            parent.order.agent,
            id_,
        )


def _by(operator: int | None) -> Sender:
    return Sender.MANAGER if operator is None else Sender.PERSON
