"""A session: parent orders worked at a venue by strategies, through one door, with a journal.

    session = Session(venue, journal, LimitGate(...), strategies, latch=KillLatch(...))
    session.accept(ParentRequest("p1", "AMZN", BUY, 500, horizon_ns, 60, "twap_passive", "ann"))
    session.run_until(ns)

A session that finds an earlier one's entries in its journal recovers first (`trading.recovery`). Parents that were at
work are then paused until somebody resumes them, or go on at once with `resume`.

What cannot be relied on is replaced, and that is journaled: a strategy that raises or says NaN by the
fallback, a worker
whose orders' fate was unknown for a while by a new one that goes on with what is left.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tercel.core.errors import JournalError, OrderError, TapeError, TercelError, UnknownNameError
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import Command, LinkStatus, Listing, MarketRows, VenueEvent
from tercel.core.ports import Entry, Journal, Venue
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.trading import crashpoints
from tercel.trading.follower import Follower
from tercel.trading.gate import Door, Limits, Refusal
from tercel.trading.journal import kinds
from tercel.trading.parents import OVER, Parent, ParentRequest, ParentStatus, accepted, entry_of
from tercel.trading.recovery import Line, reconcile, refold
from tercel.trading.stopping import AGAIN_NS, Latch, Stopper, Watch, cancels, questions
from tercel.trading.working import Strategies, Working

HEARTBEAT_NS: Final = 60 * NS_PER_SECOND


class Session:
    """See the module.

    Parameters
    ----------
    venue : Venue
    journal : Journal
        Held by this session alone.
    limits : Limits
        A fresh `limits.LimitGate`: it is told everything that the journal holds.
    strategies : Strategies
        Makes a strategy by name.
    latch : Latch
        The kill latch; the same that `limits` asks.
    fallback : str
        The strategy that takes over.
    resume : bool
        Parents of an earlier session go on at once.
    seed : int
        Of the strategies' draws.
    warmup_s, heartbeat_ns
        What counts as long volatility before arrival; venue time between two heartbeats.
    watch_s : float
        Seconds between two looks of a thread at the latch, so that a kill works while a strategy hangs; 0: no thread,
        the latch is looked at in every step.
    on_operator : callable
        Given operator commands that are not for parents; True when it has obeyed.
    run_out : bool
        Workers that are filled early still decide to their horizon (for parity with the batch).

    Raises
    ------
    VenueError
        The venue does not say what became of an earlier session's orders.
    JournalError
        The journal cannot be written.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        limits: Limits,
        strategies: Strategies,
        *,
        latch: Latch | None = None,
        fallback: str = "twap_passive",
        resume: bool = False,
        seed: int = 0,
        warmup_s: float = 900.0,
        heartbeat_ns: int = HEARTBEAT_NS,
        watch_s: float = 0.0,
        on_operator: Callable[[Entry], bool] = lambda entry: False,
        holder: str = "",
        run_out: bool = False,
    ) -> None:
        self.venue, self.journal, self.limits = venue, journal, limits
        self._strategies, self._fallback, self._seed, self._run_out = strategies, fallback, seed, run_out
        self._warmup_s, self._heartbeat_ns, self._on_operator = warmup_s, heartbeat_ns, on_operator
        self._working: dict[str, Working] = {}
        self.finished: dict[str, Working] = {}
        """Workers of parents that are over, for their costs."""
        self._backlog: list[VenueEvent] = []
        self._beats, self._named, self._asked_ns, self._beat_ns = 0, 0, 0, 0
        self.ledger = refold(journal, limits)
        self.door = Door(venue, journal, limits, self.ledger)
        self.stopper = Stopper(self.door, latch, self._name)
        self.recovered = self._begin(resume, holder)
        """What became of the orders of earlier sessions."""
        self.listings = {listing.instrument: listing for listing in venue.listings()}
        self.followers: dict[str, Follower] = {}
        self._look()
        self._go_on(resume)
        self._watch = Watch(self._look, self._pump, lambda: self._beats, watch_s) if watch_s > 0 else None
        if self._watch is not None:
            self._watch.start()

    # -- beginning and end ---------------------------------------------------------------------------------------

    def _begin(self, resume: bool, holder: str) -> list[Line]:
        before = {order.root: order for order in self.ledger.orders.live()}
        number, seen = self.ledger.next_session, len(self.ledger.orders)
        body = {"session": number, "venue": self.venue.name, "holder": holder, "resume": resume}
        self.door.write([Entry(kinds.SESSION, self.venue.now_ns, body=body)])
        self.number = number
        return reconcile(self.door, self._name, before) if seen else []

    def _go_on(self, resume: bool) -> None:
        """Parents and operators' commands that an earlier session left."""
        for parent in list(self.ledger.parents):
            if parent.status == ParentStatus.CANCELLING:
                self._say(parent, "cancelled", reason=parent.reason)
            elif parent.status == ParentStatus.WORKING:
                if parent.ends_ns <= self.venue.now_ns:
                    self._say(parent, "paused", reason="its horizon came while nobody worked it")
                else:
                    self._work(parent)
        for entry in list(self.ledger.asked.values()):
            self._obey(entry)

    def close(self) -> None:
        """Let go of venue and journal. Orders still open stay at the venue, and the next session finds them."""
        if self._watch is not None:
            self._watch.stop()
        with self.door.lock:
            self.venue.close()
            self.journal.close()

    def _name(self) -> str:
        self._named += 1
        return f"~{self.number}.{self._named}"

    # -- parents -------------------------------------------------------------------------------------------------

    def accept(self, request: ParentRequest, operator: int | None = None) -> Parent:
        """Take a parent order on; work begins with the next step.

        Raises
        ------
        OrderError
            For an id that was used, an instrument or an agent unknown here, a killed agent.
        UnknownNameError
            For a strategy that does not exist.
        """
        if self.ledger.parents.get(request.id) is not None:
            raise OrderError("a new id for a new parent order", f"{request.id!r}, which was used", "choose another")
        if request.instrument not in self.listings:
            known = ", ".join(self.listings)
            raise OrderError("an instrument that the venue lists", repr(request.instrument), f"use one of {known}")
        self._strategies(request.strategy, request.instrument)
        self._look([request.agent])
        if (why := self.stopper.killed.get(request.agent)) is not None:
            raise OrderError("an agent that may trade", f"{request.agent} is killed: {why}", "re-arm it first")
        self.limits.parent(request.id, request.instrument, request.agent, request.side, request.lots)
        entry = accepted(request, self.venue.now_ns)
        self.door.write([entry if operator is None else _marked(entry, operator)])
        parent = self.ledger.parents.must(request.id)
        self._work(parent)
        return parent

    def _work(self, parent: Parent, guided: Working | None = None) -> None:
        working = Working(
            parent,
            self.follow(parent.order.instrument),
            self._strategies(parent.strategy, parent.order.instrument),
            self.venue.now_ns,
            seed=self._seed,
            index=[*(each.id for each in self.ledger.parents)].index(parent.id),
            first_child=self.ledger.next_child(parent.id),
            warmup_s=self._warmup_s,
            run_out=self._run_out,
        )
        if guided is not None:
            working.guide(guided.alpha, guided.posture, self.venue.now_ns)
        self._working[parent.id] = working

    def follow(self, instrument: str) -> Follower:
        """The follower of an instrument; its market data is asked for when it is first wanted.

        Raises
        ------
        OrderError
            For an instrument that the venue does not list.
        """
        if instrument not in self.listings:
            raise OrderError("an instrument that the venue lists", repr(instrument), "see its listings")
        if instrument not in self.followers:
            self.followers[instrument] = self._follower(self.listings[instrument])
            self.venue.subscribe(instrument)
        return self.followers[instrument]

    def _follower(self, listing: Listing) -> Follower:
        words: dict[str, Any] = {}
        for word in ("width", "feed_levels"):  # a simulated exchange says how deep its book is
            if (said := getattr(self.venue, word, None)) is not None:
                words[word] = said(listing.instrument)
        return Follower(listing, **words)

    def pause(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Cancel a parent's children and take no decision until it is resumed."""
        parent = self.ledger.parents.may(id_, "paused")
        self._say(parent, "paused", operator, reason=reason)
        if (working := self._working.get(id_)) is not None and not working.off:
            self._send(working, working.worker.pause())

    def resume(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Go on with a parent that was paused.

        Raises
        ------
        OrderError
            When it is not paused, its agent is killed, or its horizon has passed.
        """
        parent = self.ledger.parents.may(id_, "resumed")
        if (why := self.stopper.killed.get(parent.order.agent)) is not None:
            raise OrderError("an agent that may trade", f"{parent.order.agent} is killed: {why}", "re-arm it first")
        if parent.ends_ns <= self.venue.now_ns:
            raise OrderError("a parent with time left", f"{id_}, whose horizon has passed", "amend its horizon first")
        self._say(parent, "resumed", operator, reason=reason)
        working = self._working.get(id_)
        if working is None:
            self._work(self.ledger.parents.must(id_))
        elif not working.off:
            working.worker.resume()

    def cancel(self, id_: str, reason: str, operator: int | None = None) -> None:
        """Call a parent off; it is cancelled once no child is open."""
        parent = self.ledger.parents.may(id_, "cancelling")
        self._say(parent, "cancelling", operator, reason=reason)
        if (working := self._working.get(id_)) is not None and not working.off:
            self._send(working, working.worker.cancel())

    def amend(
        self, id_: str, reason: str, lots: int | None = None, horizon_ns: int | None = None, operator: int | None = None
    ) -> None:
        """Change a parent's lots, or its horizon (from its acceptance).

        Raises
        ------
        OrderError
            For fewer lots than are filled, or a horizon that has passed.
        """
        parent = self.ledger.parents.may(id_, "amended")
        if lots is not None and lots < max(parent.filled, 1):
            raise OrderError(f"at least the {parent.filled} lots filled", f"{lots}", "cancel the rest instead")
        if horizon_ns is not None and parent.accepted_ns + horizon_ns <= self.venue.now_ns:
            raise OrderError("a horizon still to come", f"{horizon_ns} ns from acceptance", "cancel it instead")
        words = {name: value for name, value in (("lots", lots), ("horizon_ns", horizon_ns)) if value is not None}
        self._say(parent, "amended", operator, reason=reason, **words)
        if lots is not None:
            self.limits.amend(id_, lots)
        working = self._working.get(id_)
        if working is None or working.off:
            return
        if horizon_ns is not None or (lots is not None and lots <= parent.filled):
            self._take_off(working, f"amended: {reason}")
        elif lots is not None:
            self._send(working, working.worker.amend(lots - working.began_filled))

    def guide(self, id_: str, alpha: Alpha | None, posture: Posture | None) -> None:
        """What signals and risk say to a parent's strategy, from its next decision on."""
        if (working := self._working.get(id_)) is not None:
            working.guide(alpha, posture, self.venue.now_ns)

    def working(self, id_: str) -> Working | None:
        """A parent's worker, also of one that is over."""
        return self._working.get(id_) or self.finished.get(id_)

    def _say(self, parent: Parent, event: str, operator: int | None = None, **words: Any) -> None:
        order, now = parent.order, self.venue.now_ns
        entry = entry_of(parent.id, event, now, order.instrument, order.agent, **words)
        self.door.write([entry if operator is None else _marked(entry, operator)])

    # -- time ----------------------------------------------------------------------------------------------------

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Let time pass up to `until_ns`, a decision, or a word on own orders; do what follows from it.

        Raises
        ------
        JournalError, VenueError
            Nothing that depends on what failed was sent.
        """
        if self._watch is not None and self._watch.failure is not None:
            raise self._watch.failure
        self._beats += 1
        self._take_inbox()
        self._look()
        self._pause_killed()
        due = min([working.due_ns for working in self._working.values()], default=FOREVER_NS)
        until = min(until_ns, max(due, self.venue.now_ns))
        with self.door.lock:
            crashpoints.at("session.step")
            events = self.venue.step(until)
            self.door.receive(events)
            events, self._backlog = [*self._backlog, *events], []
        crashpoints.at("session.received")
        spoke = any(not isinstance(event, MarketRows) for event in events)
        self._digest(events)
        if not spoke and self.venue.now_ns >= until:
            for working in list(self._working.values()):
                self._try(working, lambda each: each.on_time(self.venue.now_ns))
        self._tidy()
        return events

    def run_until(self, ns: int) -> None:
        """Step to a time of the venue."""
        while self.venue.now_ns < ns:
            self.step(ns)

    def run(self, limit_ns: int = FOREVER_NS) -> None:
        """Step until every parent is over, or to a time of the venue."""
        while self._working and self.venue.now_ns < limit_ns:
            self.step(min(limit_ns, self.venue.now_ns + NS_PER_SECOND))

    def _digest(self, events: Sequence[VenueEvent]) -> None:
        """Followers, marks, workers."""
        touched: dict[str, int] = {}
        for event in events:
            if isinstance(event, MarketRows) and (follower := self.followers.get(event.instrument)) is not None:
                try:
                    follower.on_market(event)
                except TapeError as error:
                    self._missed(event.instrument, error)
                touched[event.instrument] = int(event.rows[-1, 0]) if len(event.rows) else follower.now_ns
            elif isinstance(event, LinkStatus):
                self._link(event)
        for instrument, ns in touched.items():
            self._mark(instrument, ns)
        for working in list(self._working.values()):
            self._try(working, lambda each: each.on_events(events))

    def _mark(self, instrument: str, ns: int) -> None:
        bid, ask = self.followers[instrument].touch
        with self.door.lock:
            self.limits.mark(instrument, None if bid == NO_BID else bid, None if ask == NO_ASK else ask, ns)

    def _missed(self, instrument: str, error: TapeError) -> None:
        self._alert("missed_market_data", str(error), instrument)
        self.venue.subscribe(instrument)
        for working in self._working.values():
            if working.asked.instrument == instrument:
                self._take_off(working, "market data was missed")

    def _link(self, status: LinkStatus) -> None:
        self.door.shut = None if status.up else Refusal("LINK_DOWN", status.text or "the way to the venue is down")
        if status.up:
            return
        for working in self._working.values():
            self._take_off(working, "the way to the venue was down")

    # -- strategies, which are not trusted ---------------------------------------------------------------------------

    def _try(self, working: Working, doing: Callable[[Working], list[Command]]) -> None:
        """Let a worker act; when its strategy fails, another takes over."""
        try:
            commands = doing(working)
            decision = working.decision(commands, self.venue.now_ns)
        except TapeError as error:
            self._alert("worker_lost", str(error), working.asked.instrument, working.asked.agent, working.id)
            self._take_off(working, "its record has a gap")
        except Exception as error:
            self._failed(working, error)
        else:
            if commands or decision:
                self._send(working, commands, decision)

    def _failed(self, working: Working, error: Exception) -> None:
        asked, text = working.asked, f"{type(error).__name__}: {error}"
        self._alert("strategy_failed", text, asked.instrument, asked.agent, working.id)
        parent = self.ledger.parents.must(working.id)
        if parent.strategy == self._fallback and parent.status == ParentStatus.WORKING:
            self._say(parent, "paused", reason=f"its strategy and the fallback failed: {text}")
        elif parent.status in (ParentStatus.WORKING, ParentStatus.PAUSED):
            self._say(parent, "fallback", strategy=self._fallback, reason=text)
        self._take_off(working, text)

    def _send(self, working: Working, commands: Sequence[Command], decision: Sequence[Entry] = ()) -> None:
        """Through the door; what was denied is told the worker, whose answer goes the same way."""
        for _ in range(100):
            if not commands and not decision:
                return
            outcome = self.door.submit(commands, before=decision)
            if outcome.unknown:
                self._take_off(working, "sending failed")
                return
            commands, decision = [], ()
            for command, _denial in outcome.denied:
                commands += working.worker.on_denied(command)
        self._alert("denied_for_ever", f"{working.id} asks for what limits deny", parent=working.id)

    def _take_off(self, working: Working, reason: str) -> None:
        """Stop relying on a worker. Its children are cancelled; `_tidy` puts another in its place."""
        if not working.off:
            working.off = reason
            self.door.submit(cancels(self.door, working.id, self._name))

    # -- what is looked after in every step ---------------------------------------------------------------------------

    def _tidy(self) -> None:
        for id_, working in list(self._working.items()):
            self._tidy_one(id_, working)
        self.stopper.follow_up()
        now = self.venue.now_ns
        if now - self._asked_ns >= AGAIN_NS and self.door.shut is None:
            self._asked_ns = now
            off = [working.id for working in self._working.values() if working.off]
            again = [command for id_ in off for command in cancels(self.door, id_, self._name)]
            self.door.submit([*questions(self.door), *again])
        if now - self._beat_ns >= self._heartbeat_ns:
            self._beat_ns = now
            self._heartbeat()

    def _tidy_one(self, id_: str, working: Working) -> None:
        parent, live = self.ledger.parents.must(id_), self.ledger.orders.live(parent=id_)
        over = working.off or working.worker.done
        if live or not over:
            return
        if parent.status == ParentStatus.CANCELLING:
            self._say(parent, "cancelled", reason=parent.reason)
        elif parent.left == 0 or (not working.off and not working.worker.cancelled):
            self._say(parent, "done", filled=parent.filled, left=parent.left)
        elif parent.status == ParentStatus.PAUSED:
            if working.off:
                del self._working[id_]  # whoever resumes it gets a new one
                return
            self._say(parent, "cancelled", reason="its horizon came while it was paused")
        elif working.off:
            self._work(parent, working)
            return
        if self.ledger.parents.must(id_).status in OVER:
            self.finished[id_] = self._working.pop(id_)

    def _heartbeat(self) -> None:
        orders, now = self.ledger.orders, self.venue.now_ns
        live = orders.live()
        unknown = sum(order.status == "unknown" for order in live)
        body = {"positions": self.ledger.positions.lots(), "open": len(live), "unknown": unknown}
        with self.door.lock:
            entries = [Entry(kinds.HEARTBEAT, now, body={**body, "limits": self.limits.usage()})]
            for instrument, follower in self.followers.items():
                bid, ask = follower.touch
                touch = {"bid": None if bid == NO_BID else bid, "ask": None if ask == NO_ASK else ask}
                entries.append(Entry(kinds.MARKET, now, instrument, body=touch))
            crashpoints.at("session.heartbeat")
            self.door.write(entries)

    def _alert(
        self, code: str, text: str, instrument: str = "", agent: str = "", parent: str = "", **more: Any
    ) -> None:
        body = {"severity": "critical", "code": code, "text": text, **more}
        self.door.write([Entry(kinds.ALERT, self.venue.now_ns, instrument, agent, parent, body=body)])

    # -- people --------------------------------------------------------------------------------------------------------

    def _take_inbox(self) -> None:
        take = getattr(self.journal, "take_inbox", None)
        if take is None:
            return
        with self.door.lock:
            entries = take(self.venue.now_ns)
            for entry in entries:
                self.ledger.apply(entry)
            self.ledger.last += len(entries)
        crashpoints.at("session.inbox")
        for entry in entries:
            self._obey(entry)

    def _obey(self, entry: Entry) -> None:
        """Do what a person asked; what cannot be done is said."""
        said, body = entry.body["command"], entry.body["body"]
        number, reason = int(entry.body["id"]), f"{entry.body['by']}: {entry.body['reason']}"
        try:
            if said == "submit":
                self.accept(ParentRequest(**body), number)
            elif said in ("pause", "resume", "cancel"):
                getattr(self, said)(str(body["parent"]), reason, number)
            elif said == "amend":
                self.amend(str(body["parent"]), reason, body.get("lots"), body.get("horizon_ns"), number)
            elif self._on_operator(entry):
                self.ledger.asked.pop(number, None)
            else:
                raise UnknownNameError(
                    "a command that a session knows", repr(said), "submit, pause, resume, cancel, amend"
                )
        except JournalError:
            raise
        except (TercelError, KeyError, TypeError, ValueError) as error:
            self._alert("operator_refused", f"{said}: {error}", parent=str(body.get("parent", "")), operator=number)

    # -- stopping ------------------------------------------------------------------------------------------------------

    def _agents(self) -> list[str]:
        return sorted({parent.order.agent for parent in self.ledger.parents})

    def _look(self, agents: Sequence[str] = ()) -> None:
        """Obey the kill latch: cancel at once; the session's own thread also pauses the parents."""
        self.stopper.look([*self._agents(), *(agent for agent in agents if agent not in self._agents())])

    def _pause_killed(self) -> None:
        for id_, working in list(self._working.items()):
            why = self.stopper.killed.get(working.asked.agent)
            if why is not None and self.ledger.parents.must(id_).status == ParentStatus.WORKING:
                self.pause(id_, f"killed: {why}")

    def _pump(self) -> bool:
        """Let the venue speak while the session's own loop stands still and a kill is not confirmed."""
        if not self.stopper.open:
            return False
        with self.door.lock:
            events = self.venue.step(self.venue.now_ns + 10_000_000)
            self.door.receive(events)
            self._backlog += events
            self.stopper.follow_up()
        return bool(self.stopper.open)


def _marked(entry: Entry, operator: int) -> Entry:
    """The entry with the number of the operator's command that it obeys."""
    body = {**entry.body, "operator": operator}
    return Entry(entry.kind, entry.ns, entry.instrument, entry.agent, entry.parent, entry.order, body, entry.blob)
