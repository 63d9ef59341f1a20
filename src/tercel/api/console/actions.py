"""Operator actions on desks: each returns the desk's result from its journal, not the request."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Request
from msgspec import UNSET

from tercel.api.console import models
from tercel.api.console.connected import ANSWER_S, ConnectedDesk, Desks, RemoteDesk
from tercel.api.console.guard import HttpError, Visit, needs
from tercel.api.console.models import (
    Done,
    HandOrderBody,
    KillBody,
    NotDone,
    QuoteBody,
    QuotedCost,
    QuotedCosts,
)
from tercel.core.errors import offer
from tercel.core.ports import Entry
from tercel.core.vocabulary import BUY, SELL, SIDE_WORDS
from tercel.desk.console.report import Interval
from tercel.desk.console.state import Agent, DeskState
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.agent_bodies import PromotedEntry
from tercel.desk.trading.journal.bodies import HoldEntry, OperatorEntry, ParentEntry, StanceEntry
from tercel.desk.trading.tca.shortfall import BPS

NS_PER_MINUTE = 60 * 10**9
BY_HAND = {
    "taken_over": "taken over by {by}; its strategy sends nothing more, its orders are cancelled",
    "given_back": "its strategy resumes with the remaining quantity, once no manual order is open",
    "withdrawn": "the cancels of {orders} are on their way",
}
"""Messages about a parent under manual control."""


@dataclass
class ActResults:
    """Results of several actions: done, and not done."""

    done: list[str] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)

    def answer(self, status: int = 409) -> Done:
        """Response with both lists; an `HttpError` of that status if nothing was done."""
        if not self.done and self.not_done:
            first = self.not_done[0]
            raise HttpError(status, first.what, first.why, "look at the page, then try again")
        return Done(done=self.done, not_done=self.not_done)


# -- the kill switch ---------------------------------------------------------------------------------------------------


def kill(desks: Desks, asked: KillBody, by: str) -> Done:
    """Let latches fall, all of them before anything else; then say what the desks did, as far as they say it soon.

    What exists is killed whatever else was named. A journal that cannot be read or written is no reason to wait.
    """
    given = [asked.name] if isinstance(asked.name, str) else list(asked.name or [])
    if asked.scope != "all" and not given:
        raise HttpError(
            422, f"the name of the {asked.scope} to stop", "none", 'give one, or {"scope": "all"}'
        )
    results, targets = ActResults(), _targets(desks, asked, given)
    fallen = list[tuple[ConnectedDesk, list[str], int]]()
    for one, agents in targets.items():
        served = desks[one]
        before = served.desk.last() if not served.follower.fault else 0
        try:
            served.desk.kill(agents, by, asked.reason)
        except OSError as error:  # safe: readers take an unwritable latch as a kill
            results.not_done.append(NotDone(what=f"kill {one} durably", why=str(error)))
        fallen.append((served, agents, before))
    for served, agents, before in fallen:
        unknown = served.desk.note("kill", {"agents": agents}, by, asked.reason)
        results.done += _killed(served, agents, before, unknown)
    for name in _missing(asked, given, targets):
        known = (
            list(desks)
            if asked.scope == "desk"
            else sorted({a for one in desks.values() for a in one.agents()})
        )
        why = f"unknown; {offer(name, known, 'there are ' + ', '.join(known))}"
        results.not_done.append(NotDone(what=f"kill {asked.scope} {name}", why=why))
    return results.answer(404)


def _targets(desks: Desks, asked: KillBody, given: Sequence[str]) -> dict[str, list[str]]:
    """Desk to agents; none named are all."""
    if asked.scope == "all":
        return {name: [] for name in desks}
    if asked.scope == "desk":
        return {name: [] for name in given if name in desks}
    among = [desks.of(asked.desk)] if asked.desk else list(desks.values())
    blind = [
        one.name for one in among if one.blind
    ]  # its agents are unknown: a kill of too many is safe
    found = {one.name: [name for name in given if name in one.agents()] for one in among}
    known = {name for agents in found.values() for name in agents}
    for one in blind:
        found[one] += [name for name in given if name not in known]
    return {name: agents for name, agents in found.items() if agents}


def _missing(
    asked: KillBody, given: Sequence[str], targets: Mapping[str, Sequence[str]]
) -> list[str]:
    """Names that no target has."""
    if asked.scope == "all":
        return []
    found = (
        set(targets)
        if asked.scope == "desk"
        else {agent for agents in targets.values() for agent in agents}
    )
    return [name for name in given if name not in found]


def _killed(served: ConnectedDesk, agents: Sequence[str], before: int, unknown: str) -> list[str]:
    """Messages on the result of a kill, by agent."""
    who = ", ".join(agents) or "every agent"
    if unknown:
        return [f"{served.name}: {who} latched; its journal does not know of it yet: {unknown}"]

    def enough(found: Sequence[Entry]) -> bool:
        last = {entry.agent: entries.KillEntry.of(entry).event for entry in found}
        return bool(last) and set(agents) <= set(last) and set(last.values()) <= {"confirmed"}

    found = served.wait(before, (kinds.KILL,), enough)
    last = {}
    for entry in found:
        if not agents or entry.agent in agents:
            body = entries.KillEntry.of(entry)
            over = "nothing open at the venue"
            last[entry.agent] = (
                over if body.event == "confirmed" else f"{body.open:,} lots are being cancelled"
            )
    said = [f"{served.name}: {agent} killed, {open_}" for agent, open_ in sorted(last.items())]
    quiet = [agent for agent in agents if agent not in last] or ([] if last else [who])
    runs = served.desk.running() != ""
    why = (
        "the desk has not spoken of it yet" if runs else "the desk is not running; it starts killed"
    )
    return said + [f"{served.name}: {agent} latched, nothing new leaves; {why}" for agent in quiet]


# -- parents -----------------------------------------------------------------------------------------------------------


def ask_desk(
    served: ConnectedDesk, command: str, body: Mapping[str, Any], by: str, reason: str
) -> Done:
    """Ask the desk; its answer, in a sentence.

    Raises
    ------
    OrderError, HttpError
        It refuses; or no answer came in time: the command is in its inbox and may still be taken.
    """
    return Done(done=[f"{served.name}: {_said(_answer(served, command, body, by, reason))}"])


def _answer(
    served: ConnectedDesk,
    command: str,
    body: Mapping[str, Any],
    by: str,
    reason: str,
    at: RemoteDesk | None = None,
) -> Entry:
    entry = (at or served.desk).ask(command, body, by, reason)
    if entry is None:
        raise HttpError(
            409,
            f"an answer of {served.name}",
            f"no answer in {ANSWER_S:g} s; the word lies in its inbox and may still be taken",
            "look at the page before asking again",
        )
    served.read_up()
    if at is not None:
        served.follower.look_at_gate()
    return entry


def _said(entry: Entry) -> str:
    if entry.kind == kinds.PROMOTED:
        made = PromotedEntry.of(entry)
        return f"{entry.agent}: {made.challenger} works instead of {made.champion} from the next parent on"
    if entry.kind == kinds.LIMITS:
        limits = entries.LimitsEntry.of(entry)
        of = f"request {limits.request}" if limits.event == "requested" else limits.hash
        return f"limits {limits.event}, {of}"
    if entry.kind == kinds.HOLD:
        hold = HoldEntry.of(entry)
        parents = f"; {hold.event} with it: {', '.join(hold.parents)}" if hold.parents else ""
        takes = "takes no parent" if hold.event == "paused" else "takes parents again"
        return f"{entry.agent} is {hold.event} and {takes}{parents}"
    if entry.kind == kinds.STANCE:
        return (
            f"manual risk state of {entry.agent or 'the whole desk'} {StanceEntry.of(entry).event}"
        )
    if entry.kind == kinds.OPERATOR:
        said = OperatorEntry.of(entry)
        return f"alert {said.asked().alert} is owned by {said.by}"
    if entry.kind == kinds.QUOTE:
        asked = entries.QuoteEntry.of(entry)
        return f"{asked.request} {asked.event}: {', '.join(asked.dealers or asked.ids or ['all'])}"
    if entry.kind != kinds.PARENT:
        return f"{entry.parent or entry.agent} {entry.kind}"
    body = ParentEntry.of(entry)
    if body.event == "accepted":
        limit = f", limit {body.limit_price}" if body.limit_price not in (None, UNSET) else ""
        what = f"{SIDE_WORDS[body.side]} {body.lots:,} lots of {entry.instrument}{limit}"
        return f"{entry.parent} accepted: {what}, agent {entry.agent}, {(body.horizon_ns or 0) / 60e9:g} min"
    if (word := BY_HAND.get(body.event)) is not None:
        return f"{entry.parent}: {word.format(by=body.by, orders=body.orders)}"
    return f"{entry.parent} {body.event}"


def most_flow(served: ConnectedDesk, instrument: str) -> str:
    """The agent that has most of an instrument's flow.

    Raises
    ------
    HttpError
        409: no agent has any.
    """
    shares = served.follower.ask(
        lambda s: {one.name: one.share.get(instrument, -1.0) for one in s.agents.values()}
    )
    if not shares:
        raise HttpError(
            409,
            "an agent",
            f"none at {served.name} yet",
            "name one, or wait until the desk has begun",
        )
    out = served.follower.ask(lambda s: s.killed | s.ledger.holds.keys())
    left = {name: share for name, share in shares.items() if name not in out}
    if not left:
        raise HttpError(
            409,
            "an agent that takes parents",
            f"{', '.join(sorted(shares))}: each is killed or paused",
            "resume or re-arm one first",
        )
    return max(left, key=lambda name: left[name])


def paused_parents(served: ConnectedDesk, agent: str = "") -> list[str]:
    """Parents that are paused, an agent's or all, and why."""

    def paused(state: DeskState) -> list[str]:
        found = [one for one in state.ledger.parents.open() if agent in ("", one.order.agent)]
        return [f"{one.id} ({one.reason})" for one in found if one.status == "paused"]

    waits = served.follower.ask(paused)
    return [f"{served.name}: paused until each is resumed: {', '.join(waits)}"] if waits else []


def order_by_hand(served: ConnectedDesk, id_: str, asked: HandOrderBody, by: str) -> Done:
    """Send a manual order for a parent; return its status after a moment."""
    parent, before = served.parent(id_), served.desk.last()
    instrument = parent.order.instrument
    body = {
        "parent": parent.id,
        "lots": served.lots(instrument, asked.qty),
        "limit_price": asked.limit_price,
    }
    entry = _answer(served, "order", body, by, asked.reason)
    name, side = ParentEntry.of(entry).order, SIDE_WORDS[parent.order.side]
    at = "at the market" if asked.limit_price is None else f"at {asked.limit_price:,.15g}"
    what = f"{parent.id}: {name}, {side} {asked.qty:,.15g} {instrument} {at}"
    return _became(served, before, name, what, rests=asked.limit_price is not None)


def _became(served: ConnectedDesk, before: int, name: str, what: str, *, rests: bool) -> Done:
    """Status of an order at the venue within a moment; `before`: journal entry before it was sent."""
    last = partial(_of_order, name, rests)
    became = last(served.wait(before, (kinds.REPORT_IN,), lambda seen: last(seen)[1]))[0]
    what = f"{served.name}: {what}"
    if became.startswith("rejected"):
        return Done(done=[], not_done=[NotDone(what=what, why=became)])
    return Done(done=[f"{what}: {became}"])


def accept_quote(served: ConnectedDesk, id_: str, quote: str, by: str, reason: str) -> Done:
    """Take a quote; what became of the order that takes it, within a moment: the dealer may have a last look."""
    before = served.desk.last()
    entry = _answer(served, "accept_quote", {"request": id_, "quote": quote}, by, reason)
    return _became(
        served, before, entry.order, f"{id_}: {quote} taken by {entry.order}", rests=False
    )


def _of_order(name: str, rests: bool, found: Sequence[Entry]) -> tuple[str, bool]:
    """Latest status of an order from the venue's reports, and whether it is final for the caller."""
    reports = [one.body for one in found if name in (one.order, one.body.get("orig"))]
    if not reports:
        return "sent; the venue has not spoken of it yet", False
    status, why = str(reports[-1].get("status", "")), str(reports[-1].get("text") or "")
    words = status.replace("_", " ") + (f": {why}" if why else "")
    return words, rests or status not in ("new", "pending_new")


def own_alert(
    served: ConnectedDesk, seq: int, by: str, note: str, *, at_gate: bool = False
) -> Done:
    """An alert is somebody's from here on, in the journal that holds it: the desk's, or that of its gate.

    If several people take it, the first one owns it, at whichever console.
    """
    owner = served.owner(seq, at_gate=at_gate)  # which looks at the gate
    where, who = (
        (served.at_gate, f"the gate of {served.name}") if at_gate else (served.desk, served.name)
    )
    if where is None or owner is None:
        raise HttpError(
            404, f"an alert of {who}", f"entry {seq}, which is none", "see /api/desks/DESK/alerts"
        )
    said = "" if owner else _said(_answer(served, "own_alert", {"alert": seq}, by, note, where))
    owner = owner or served.owner(seq, at_gate=at_gate)
    if owner not in ("", None, by):
        raise HttpError(409, f"an unowned alert of {who}", f"{seq}, {owner}'s", "ask its owner")
    return Done(done=[f"{who}: {said or f'alert {seq} is owned by {by}'}"])


def quote(served: ConnectedDesk, asked: QuoteBody) -> QuotedCosts:
    """Cost estimates for an order by agent: mean cost of its finished parents in this journal, at the order's value.

    Those parents had other sizes and times: an interval is that of the mean, not a forecast of this order's cost. Fewer
    than three parents have no interval, none no mean. Without a price or a tick the money is unknown.
    """
    lots = served.lots(asked.instrument, asked.qty)
    if asked.agent is not None:
        served.must_have([asked.agent])
    listing, killed = served.listing(asked.instrument), served.desk.killed()

    def costs(state: DeskState) -> QuotedCosts:
        value = _value(state, asked, listing)
        agents = [one for one in state.agents.values() if asked.agent in (None, one.name)]
        rows = [
            _cost(state, one, asked, lots, value, str(listing.get("currency") or ""))
            for one in agents
        ]
        rows.sort(key=lambda row: (row.bps.mean is None, row.bps.mean or 0.0))
        against = _against(state, "desk", "desk", asked.side, lots, value)
        against += _against(state, "instruments", asked.instrument, asked.side, lots, value)
        against += [] if killed is None else [f"killed: {killed.scope}: {killed.reason}"]
        return QuotedCosts(value=value, by_strategy=rows, against=against)

    return served.follower.ask(costs)


def _value(state: DeskState, asked: QuoteBody, listing: Mapping[str, Any]) -> float | None:
    """Of the order at the last mid."""
    market = state.markets.get(asked.instrument)
    sides = () if market is None else (market.get("bid"), market.get("ask"))
    prices = [price for price in sides if price is not None]
    if not prices or not listing.get("tick"):
        return None
    return float(sum(prices) / len(prices) * float(listing["tick"]) * asked.qty)


def _cost(
    state: DeskState, agent: Agent, asked: QuoteBody, lots: int, value: float | None, currency: str
) -> QuotedCost:
    mean, _, low, high = agent.costs.bounds()
    bps = Interval(mean=mean, low=low, high=high)
    shown = {
        key: None if one is None or value is None else value * one / BPS
        for key, one in vars(bps).items()
    }
    standing = state.ledger.states.standing(agent.name)
    against = (
        []
        if str(standing.state) == "active"
        else [f"{agent.name} is {standing.state}: {standing.reason}"]
    )
    if (entry := state.ledger.holds.get(agent.name)) is not None:
        held = HoldEntry.of(entry)
        against.append(f"{agent.name} is paused by {held.by}: {held.reason}")
    against += _against(state, "agents", agent.name, asked.side, lots, value)
    return QuotedCost(
        agent=agent.name,
        strategy=agent.strategy,
        parents=agent.parents,
        bps=bps,
        money=Interval(**shown),
        currency=currency,
        against=against,
    )


def _against(
    state: DeskState, room: str, name: str, side: str, lots: int, value: float | None
) -> list[str]:
    """Limits that the order would pass, filled whole, with what the last heartbeat has."""
    used = state.heartbeat.get("limits", {}).get(room, {}).get(name, {})
    more = {"long_lots" if side == "buy" else "short_lots": float(lots), "gross_value": value}
    return [
        f"{name}: {limit.replace('_', ' ')} {used[limit][0]:,.15g} + {add:,.15g} of {used[limit][1]:,.15g}"
        for limit, add in more.items()
        if add is not None and limit in used and used[limit][0] + add > used[limit][1]
    ]


# -- routes -----------------------------------------------------------------------------------------------------------
KILLS: Final = ThreadPoolExecutor(4, "console-kill")
"""Threads that do nothing else: a kill waits for no other act."""
Id = Annotated[str, Path(max_length=models.LONGEST_ID)]
Seq = Annotated[int, Path(ge=1, le=2**62)]


def by(request: Request) -> str:
    """The operator's name with the proof of identity, for the journal."""
    visit: Visit = request.state.visit
    return visit.by


def add_actions(app: FastAPI, desks: Desks) -> None:
    """Add the routes of actions that one person takes."""

    @app.post("/api/kill", name="kill", **needs("kill"))
    async def stop(request: Request, asked: models.KillBody) -> Done:
        """Stop agents, a desk, or all; what exists is stopped whatever else was named."""
        act = partial(kill, desks, asked, by(request))
        return await asyncio.get_running_loop().run_in_executor(KILLS, act)

    @app.post("/api/parents", **needs("submit"))
    def submit(request: Request, asked: models.ParentBody) -> Done:
        """Submit a parent order."""
        served = desks.whole(asked.desk)
        agent = asked.agent or most_flow(served, asked.instrument)
        served.must_have([agent])
        body: dict[str, Any] = {
            "id": asked.id or f"{agent}-{secrets.token_hex(4)}",
            "instrument": asked.instrument,
            "lots": served.lots(asked.instrument, asked.qty),
            "side": BUY if asked.side == "buy" else SELL,
            "horizon_ns": round(asked.minutes * NS_PER_MINUTE),
            "agent": agent,
        }
        body |= {} if asked.limit_price is None else {"limit_price": asked.limit_price}
        return ask_desk(served, "submit", body, by(request), asked.reason)

    @app.post("/api/parents/quote", **needs("submit"))
    def ask_costs(asked: models.QuoteBody) -> models.QuotedCosts:
        """Cost estimates of a parent order, by strategy, and the limits that it would break; nothing is sent."""
        return quote(desks.whole(asked.desk), asked)

    @app.post("/api/parents/{id:path}/amend", **needs("amend"))
    def amend(request: Request, id: Id, asked: models.AmendBody) -> Done:
        """Change a parent's quantity, horizon or limit price."""
        served = desks.whole(asked.desk)
        instrument = served.parent(id).order.instrument
        found = {
            "lots": None if asked.qty is None else served.lots(instrument, asked.qty),
            "horizon_ns": None if asked.minutes is None else round(asked.minutes * NS_PER_MINUTE),
            "limit_price": asked.limit_price,
        }
        changes = {key: value for key, value in found.items() if value is not None}
        if not changes:
            raise HttpError(
                422, "qty, minutes or limit_price", "none of them", "give at least one of them"
            )
        return ask_desk(served, "amend", {"parent": id, **changes}, by(request), asked.reason)

    def on_parent(verb: str) -> Callable[..., Done]:
        def act(request: Request, id: Id, asked: models.OfDesk) -> Done:
            served = desks.of(asked.desk)
            # while its journal is read, the desk alone may know the parent
            parent = id if served.reading else served.parent(id).id
            return ask_desk(served, verb, {"parent": parent}, by(request), asked.reason)

        return act

    def on_agent(verb: str) -> Callable[..., Done]:
        def act(request: Request, name: Id, asked: models.OfDesk) -> Done:
            served = desks.of(asked.desk)
            served.must_have([name])
            answer = ask_desk(served, f"{verb}_agent", {"agent": name}, by(request), asked.reason)
            answer.done += paused_parents(served, name) if verb == "resume" else []
            return answer

        return act

    for verb in ("pause", "resume", "cancel"):
        app.post(
            f"/api/parents/{{id:path}}/{verb}",
            name=f"{verb}_parent",
            description=f"{verb.capitalize()} a parent.",
            **needs(verb),
        )(on_parent(verb))
    for verb, words in (
        ("pause", "Pause an agent with its parents: it takes no other."),
        ("resume", "Let an agent resume."),
    ):
        path = f"/api/agents/{{name:path}}/{verb}"
        app.post(path, name=f"{verb}_agent", description=words, **needs(verb))(on_agent(verb))

    def by_hand(command: str) -> Callable[..., Done]:
        def act(request: Request, id: Id, asked: models.OfDesk) -> Done:
            served = desks.whole(asked.desk)
            body = {"parent": served.parent(id).id}
            return ask_desk(served, command, body, by(request), asked.reason)

        return act

    for command, words in (
        ("take_over", "Take a parent over: its strategy sends nothing more."),
        ("give_back", "Return a parent to its strategy, which works the remaining quantity."),
    ):
        path = f"/api/parents/{{id:path}}/{command}"
        app.post(path, name=command, description=words, **needs("by_hand"))(by_hand(command))

    @app.post("/api/parents/{id:path}/orders", **needs("by_hand"))
    def order(request: Request, id: Id, asked: models.HandOrderBody) -> Done:
        """Send an order of a parent that one has in hand."""
        return order_by_hand(desks.whole(asked.desk), id, asked, by(request))

    @app.post("/api/parents/{id:path}/withdraw", **needs("by_hand"))
    def withdraw(request: Request, id: Id, asked: models.WithdrawBody) -> Done:
        """Cancel manual orders of a parent."""
        served = desks.whole(asked.desk)
        body = {"parent": served.parent(id).id, "order": asked.order}
        return ask_desk(served, "withdraw", body, by(request), asked.reason)

    @app.post("/api/parents/{id:path}/quotes", **needs("by_hand"))
    def ask_quotes(request: Request, id: Id, asked: models.AskQuotesBody) -> Done:
        """Ask dealers for quotes of a parent."""
        served = desks.whole(asked.desk)
        parent = served.parent(id)
        lots = served.lots(parent.order.instrument, asked.qty)
        body = {
            "parent": parent.id,
            "lots": lots,
            "dealers": asked.dealers,
            "seconds": asked.seconds,
        }
        return ask_desk(served, "request_quotes", body, by(request), asked.reason)

    @app.post("/api/quotes/{id:path}/accept", **needs("by_hand"))
    def accept(request: Request, id: Id, asked: models.AcceptQuoteBody) -> Done:
        """Take a quote of a request: an order at its price."""
        return accept_quote(desks.whole(asked.desk), id, asked.quote, by(request), asked.reason)

    @app.post("/api/quotes/{id:path}/pass", **needs("by_hand"))
    def pass_quotes(request: Request, id: Id, asked: models.PassQuotesBody) -> Done:
        """Pass quotes of a request, all that are open where none is named."""
        body = {"request": id, "quotes": asked.quotes}
        return ask_desk(desks.of(asked.desk), "pass_quotes", body, by(request), asked.reason)

    @app.post("/api/alerts/{seq}/acknowledge", **needs("acknowledge"))
    def acknowledge(request: Request, seq: Seq, asked: models.AcknowledgeBody) -> Done:
        """Own an alert."""
        return own_alert(desks.whole(asked.desk), seq, by(request), asked.note, at_gate=asked.gate)
