"""Routes of operators' actions: one person's, and those that a second one confirms."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Path, Request, Response

from tercel.api.console import models, operator_actions
from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.guard import HttpError, needs
from tercel.api.console.models import Done, QuoteBody, QuotedCost, QuotedCosts, Waits
from tercel.api.console.people import BOUND, may
from tercel.api.console.requests import CONFIRMED, REFUSED, Asked
from tercel.api.console.sessions import Sessions, Visit
from tercel.core.errors import TercelError
from tercel.desk.console.report import Interval
from tercel.desk.console.state import Agent, DeskState
from tercel.desk.trading.limit_record import same_person
from tercel.desk.trading.tca.shortfall import BPS


def quote(served: ConnectedDesk, asked: QuoteBody) -> QuotedCosts:
    """Costs as each agent's finished parents of this journal had them, for the value of the order asked about.

    They are of other sizes and other times: an interval says how sure the mean is, not how this order will end. Less
    than three parents have no interval, none no mean. Without a price or a tick the money is not known.
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
        against += [] if killed is None else [f"killed: {killed['scope']}: {killed['reason']}"]
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
    if (held := state.ledger.holds.get(agent.name)) is not None:
        against.append(f"{agent.name} is paused by {held['by']}: {held['reason']}")
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
    """Who asks, with the proof, for the journal."""
    visit: Visit = request.state.visit
    return visit.by


def add_writes(app: FastAPI, desks: Desks) -> None:
    """Add all routes that change something at a desk."""
    _add_alone(app, desks)
    _add_together(app, desks)


def _add_alone(app: FastAPI, desks: Desks) -> None:
    """What one person does."""

    @app.post("/api/kill", **needs("kill"))
    async def kill(request: Request, asked: models.KillBody) -> Done:
        """Stop agents, a desk, or all; what exists is stopped whatever else was named."""
        act = partial(operator_actions.kill, desks, asked, by(request))
        return await asyncio.get_running_loop().run_in_executor(KILLS, act)

    @app.post("/api/parents", **needs("submit"))
    def submit(request: Request, asked: models.ParentBody) -> Done:
        """Submit a parent order."""
        return operator_actions.submit(desks.whole(asked.desk), asked, by(request))

    @app.post("/api/parents/quote", **needs("submit"))
    def ask_costs(asked: models.QuoteBody) -> models.QuotedCosts:
        """What a parent order may cost, by strategy, and which limits speak against it; nothing is sent."""
        return quote(desks.whole(asked.desk), asked)

    @app.post("/api/parents/{id:path}/amend", **needs("amend"))
    def amend(request: Request, id: Id, asked: models.AmendBody) -> Done:
        """Change a parent's quantity, horizon or limit price."""
        return operator_actions.amend(desks.whole(asked.desk), id, asked, by(request))

    def on_parent(verb: str) -> Callable[..., Done]:
        def act(request: Request, id: Id, asked: models.OfDesk) -> Done:
            return operator_actions.change_parent(
                desks.of(asked.desk), verb, id, by(request), asked.reason
            )

        return act

    def on_agent(verb: str) -> Callable[..., Done]:
        def act(request: Request, name: Id, asked: models.OfDesk) -> Done:
            return operator_actions.change_agent(
                desks.of(asked.desk), verb, name, by(request), asked.reason
            )

        return act

    for verb in ("pause", "resume", "cancel"):
        told, road = f"{verb.capitalize()} a parent.", f"/api/parents/{{id:path}}/{verb}"
        app.post(road, name=f"{verb}_parent", description=told, **needs(verb))(on_parent(verb))
    for verb in ("pause", "resume"):
        told = {
            "pause": "Pause an agent with its parents: it takes no other.",
            "resume": "Let it go on.",
        }[verb]
        road = f"/api/agents/{{name:path}}/{verb}"
        app.post(road, name=f"{verb}_agent", description=told, **needs(verb))(on_agent(verb))

    _add_by_hand(app, desks)

    @app.post("/api/alerts/{seq}/acknowledge", **needs("acknowledge"))
    def acknowledge(request: Request, seq: Seq, asked: models.AcknowledgeBody) -> Done:
        """Own an alert."""
        return operator_actions.own_alert(
            desks.whole(asked.desk), seq, by(request), asked.note, at_gate=asked.gate
        )


def _add_by_hand(app: FastAPI, desks: Desks) -> None:
    """What a person does with a parent by hand."""

    @app.post("/api/parents/{id:path}/take_over", **needs("by_hand"))
    def take_over(request: Request, id: Id, asked: models.OfDesk) -> Done:
        """Take a parent over: its strategy sends nothing more, and its orders are this person's."""
        return operator_actions.hand_over(
            desks.whole(asked.desk), "take_over", id, by(request), asked.reason
        )

    @app.post("/api/parents/{id:path}/give_back", **needs("by_hand"))
    def give_back(request: Request, id: Id, asked: models.OfDesk) -> Done:
        """Let its strategy go on with what is left."""
        return operator_actions.hand_over(
            desks.whole(asked.desk), "give_back", id, by(request), asked.reason
        )

    @app.post("/api/parents/{id:path}/orders", **needs("by_hand"))
    def order(request: Request, id: Id, asked: models.HandOrderBody) -> Done:
        """Send an order of a parent that one has in hand."""
        return operator_actions.order_by_hand(desks.whole(asked.desk), id, asked, by(request))

    @app.post("/api/parents/{id:path}/withdraw", **needs("by_hand"))
    def withdraw(request: Request, id: Id, asked: models.WithdrawBody) -> Done:
        """Cancel orders of a parent that were given by hand."""
        return operator_actions.withdraw(desks.whole(asked.desk), id, asked, by(request))


def _add_together(app: FastAPI, desks: Desks) -> None:
    """What two persons do together."""
    two: dict[str, Any] = {"status_code": 202}

    @app.post("/api/rearm", **needs("rearm"), **two)
    def rearm(request: Request, asked: models.RearmBody) -> Waits:
        """Ask to let killed agents trade again."""
        served = desks.whole(asked.desk)
        body = operator_actions.may_rearm(served, asked.agents)
        return ask(
            served,
            request.state.visit,
            "rearm",
            body,
            f"re-arm {', '.join(asked.agents) or 'every agent'}",
            asked.reason,
        )

    def promotion(words: str) -> Callable[..., Waits]:
        def act(request: Request, name: Id, asked: models.OfDesk) -> Waits:
            served = desks.whole(asked.desk)
            if words:
                operator_actions.may_undo(served, name)
            body = operator_actions.may_promote(served, name)
            return ask(
                served,
                request.state.visit,
                "promote",
                body,
                f"promote {body['challenger']} over {body['champion']} of {name}{words}",
                asked.reason,
            )

        return act

    for verb, words in (("promote", ""), ("demote", ", which undoes a promotion")):
        told = {
            "promote": "Ask to put a challenger in its champion's place.",
            "demote": "Ask to undo that.",
        }[verb]
        route = app.post(
            f"/api/agents/{{name:path}}/{verb}",
            name=verb,
            description=told,
            **needs("promote"),
            **two,
        )
        route(promotion(words))

    @app.post("/api/limits", response_model=Done | Waits, **needs("limits"))
    def limits(request: Request, response: Response, asked: models.LimitsBody) -> Done | Waits:
        """Tighten limits at once (200), or ask to loosen some (202)."""
        served = desks.whole(asked.desk)
        changes, looser = operator_actions.looser(served, asked)
        if not looser:
            return operator_actions.tighten(served, changes, by(request), asked.reason)
        number = operator_actions.ask_limits(served, changes, by(request), asked.reason)
        what = "loosen " + ", ".join(f"{path} to {value}" for path, value in changes.items())
        response.status_code = 202
        return ask(
            served,
            request.state.visit,
            "limits",
            {"request": number, "changes": changes},
            what,
            asked.reason,
        )

    @app.post("/api/posture", response_model=Done | Waits, **needs("posture"))
    def posture(request: Request, response: Response, asked: models.PostureBody) -> Done | Waits:
        """Set a posture by hand at once (200), or ask for one in the place of what risk says (202)."""
        served = desks.whole(asked.desk)
        served.must_have([asked.agent] if asked.agent else [])
        body = operator_actions.posture_of(asked)
        if not asked.instead:
            return operator_actions.set_posture(served, body, by(request), asked.reason)
        words = ", ".join(
            f"{name.replace('_', ' ')} {value:g}" for name, value in body["words"].items()
        )
        what = f"posture of {asked.agent or 'the desk'} instead of risk's, {asked.minutes:g} min: {words}"
        response.status_code = 202
        return ask(
            served, request.state.visit, "posture", body | {"instead": True}, what, asked.reason
        )

    @app.post("/api/posture/end", **needs("posture"))
    def end_posture(request: Request, asked: models.EndPostureBody) -> Done:
        """End a posture that was set by hand: risk's alone counts again."""
        served = desks.whole(asked.desk)
        return operator_actions.set_posture(
            served, {"agent": asked.agent, "lift": True}, by(request), asked.reason
        )

    @app.get("/api/requests", **needs("look"))
    def list_requests() -> list[models.Request]:
        """What was asked for and needs, or had, a second person: newest first."""
        rows = [_row(served, one) for served in desks.values() for one in served.requests.shown()]
        return sorted(rows, key=lambda row: -row.ns)

    @app.post("/api/requests/{id}/confirm", **needs("confirm"))
    def confirm(request: Request, id: Id, asked: models.ReasonBody) -> Done:
        """Confirm what another person asked for; the answer is what the desk did then."""
        sessions: Sessions = request.app.state.sessions
        served, found = _request(desks, id)
        served.must_be_read()
        visit: Visit = request.state.visit
        check_second(sessions, found, visit)

        def act(found: Asked) -> Done | HttpError:
            operator_actions.must_be_so_still(served, found.act, found.body)
            first = f"{found.asked_by} ({found.proof})"
            names = {"both": f"{first}, confirmed by {visit.by}", "second": visit.by}
            try:
                return operator_actions.confirmed(
                    served, found.act, found.body, names, f"{found.reason}; {asked.reason}"
                )
            except HttpError as unknown:  # the desk has the word, and may do it yet: never twice
                return unknown

        told = served.requests.settle(id, CONFIRMED, visit.by, act)
        if isinstance(told, HttpError):
            raise told
        return told

    @app.post("/api/requests/{id}/refuse", **needs("confirm"))
    def refuse(request: Request, id: Id, asked: models.ReasonBody) -> Done:
        """Refuse what was asked for; who asked may take it back so."""
        served, _ = _request(desks, id)
        told = served.requests.settle(id, REFUSED, by(request), lambda found: found.what)
        return Done(done=[f"{served.name}: refused: {told}"])


def ask(
    served: ConnectedDesk, visit: Visit, act: str, body: dict[str, Any], what: str, reason: str
) -> Waits:
    """Write down what a second person has to confirm."""
    who = visit.person
    asked = served.requests.ask(act, body, what, who.name, visit.proof, reason, who.lifters)
    return Waits(request=asked.id)


def check_second(sessions: Sessions, asked: Asked, visit: Visit) -> None:
    """Whether this person may confirm it.

    Raises
    ------
    HttpError
        403: who asked; or one of the two let in or raised the other within a day, or a third did both. 409: whoever
        asked may not ask any more.
    """
    name = visit.person.name
    if same_person(name, asked.asked_by):
        raise HttpError(
            403,
            f"another person than {asked.asked_by}, who asked",
            name,
            "let somebody else confirm it",
        )
    if sessions.people.bound(name, asked.asked_by, asked.lifters):
        raise HttpError(
            403,
            f"a person who stands apart from {asked.asked_by}, who asked",
            f"{name}: {BOUND}",
            "let somebody else confirm it",
        )
    asker = sessions.people.get(asked.asked_by)
    if asker is None or not may(asker.role, asked.act):  # an act is called as its permission is
        raise HttpError(
            409,
            "a request of somebody who may ask",
            f"{asked.asked_by}, who is {asker.role if asker else 'gone'}",
            "refuse it; ask anew",
        )


def _request(desks: Desks, id_: str) -> tuple[ConnectedDesk, Asked]:
    faults = list[TercelError | OSError]()
    for served in desks.values():
        try:
            found = next((one for one in served.requests.all() if one.id == id_), None)
        except (TercelError, OSError) as error:  # which keeps no other desk's from being answered
            faults.append(error)
            continue
        if found is not None:
            return served, found
    raise (
        faults[0]
        if faults
        else HttpError(404, "a request of /api/requests", repr(id_), "ask for the list")
    )


def _row(served: ConnectedDesk, one: Asked) -> models.Request:
    kept: dict[str, Literal["waits", "confirmed", "refused", "expired"]] = {
        "waits": "waits",
        "confirmed": "confirmed",
        "refused": "refused",
    }
    return models.Request(
        id=one.id,
        desk=served.name,
        what=one.what,
        asked_by=one.asked_by,
        reason=one.reason,
        ns=one.ns,
        state=kept.get(one.state, "expired"),
        by=one.by,
    )
