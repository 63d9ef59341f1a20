"""Actions that two persons take: one asks, another of sufficient role confirms within a quarter of an hour."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from tercel.api.console import models
from tercel.api.console.actions import NS_PER_MINUTE, Id, ask_desk, by, paused_parents
from tercel.api.console.connected import ANSWER_S, CONFIRMED, REFUSED, Asked, ConnectedDesk, Desks
from tercel.api.console.guard import HttpError, Sessions, Visit, needs
from tercel.api.console.models import Done, LimitsBody, PostureBody, Waits
from tercel.api.console.people import BOUND, may
from tercel.core.errors import TercelError
from tercel.core.messages import Style
from tercel.desk.limits import changed, from_json, loosened
from tercel.desk.limits.change import same_person
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.agent_bodies import AssignmentEntry
from tercel.desk.trading.journal.bodies import CommandBody


def rearm(served: ConnectedDesk, agents: Sequence[str], by: str, reason: str, mark: str) -> Done:
    """Let killed agents trade again, where the latch has still that mark; what the desk did."""
    before = served.desk.last()
    served.desk.rearm(agents, by, reason, mark)
    unknown = served.desk.note("rearm", {"agents": list(agents)}, by, reason)
    who = ", ".join(agents) or "every agent"
    if unknown:
        return Done(
            done=[
                f"{served.name}: {who} armed again; its journal does not know of it yet: {unknown}"
            ]
        )
    found = served.wait(
        before,
        (kinds.REARM,),
        lambda seen: bool(seen) and set(agents) <= {one.agent for one in seen},
    )
    said = [f"{served.name}: {one.agent} armed again" for one in found]
    runs = served.desk.running() != ""
    why = "the desk has not spoken of it yet" if runs else "the desk is not running"
    return Done(
        done=(said or [f"{served.name}: {who} armed again; {why}"]) + paused_parents(served)
    )


def may_rearm(served: ConnectedDesk, agents: Sequence[str]) -> dict[str, Any]:
    """Body of a re-arm request: agents and the latch's mark; 409 if they are not killed."""
    served.must_have(agents)
    mark, killed = served.desk.mark(), served.desk.killed()  # a kill between the two is another one
    if killed is None:
        raise HttpError(
            409, "a kill to take back", f"{served.name} is armed", "nothing is to be done"
        )
    if agents and (killed.scope == "all" or not set(agents) <= set(killed.scope.split(", "))):
        raise HttpError(
            409,
            f"agents that are killed: {killed.scope}",
            ", ".join(agents),
            "name those, or none for all",
        )
    return {"agents": list(agents), "mark": mark}


def may_promote(served: ConnectedDesk, agent: str) -> CommandBody:
    """Body of a promotion, as the desk's command has it; 409 without a challenger."""
    served.must_have([agent])
    there = msgspec.convert(
        served.follower.ask(
            lambda state: dict(state.agents[agent].seat) if agent in state.agents else {}
        ),
        AssignmentEntry,
    )
    if not there.challenger:
        raise HttpError(
            409, "an agent with a challenger", f"{agent}, which has none", "look at the page"
        )
    return CommandBody(agent=agent, champion=there.strategy, challenger=there.challenger)


def must_be_so_still(served: ConnectedDesk, act: str, body: Mapping[str, Any]) -> None:
    """Refuse to confirm a request whose subject has changed since; the desk checks again when it acts."""
    now = body
    if act == "rearm":
        now = {**body, "mark": served.desk.mark()}
    elif act == "promote":
        agent = msgspec.convert(body, CommandBody).agent or ""
        now = msgspec.to_builtins(may_promote(served, agent))
    if now != body:
        raise HttpError(
            409,
            "the state for which it was requested",
            f"another one now at {served.name}",
            "refuse it; look at the page and ask again",
        )


def may_undo(served: ConnectedDesk, agent: str) -> None:
    """Refuse to undo a promotion where there was none in this session."""
    served.must_have([agent])
    if not served.follower.ask(
        lambda state: agent in state.agents and state.agents[agent].promoted
    ):
        raise HttpError(
            409,
            "an agent with a promotion to undo",
            f"{agent}, without a promotion",
            "look at the page",
        )


def posture_of(asked: PostureBody) -> dict[str, Any]:
    """Fields of a manual risk state as the desk's command has them."""
    given = asked.model_dump(
        include={"urgency", "max_participation", "size_multiplier"}, exclude_none=True
    )
    if asked.styles is not None:
        given["styles"] = int(sum({Style[one.upper()] for one in asked.styles}))
    return {name: float(value) if name != "styles" else value for name, value in given.items()}


def looser(served: ConnectedDesk, asked: LimitsBody) -> tuple[dict[str, str], list[str]]:
    """Changes as the desk's command has them, and the paths that they would loosen.

    Raises
    ------
    LimitsError, HttpError
        Changes that no limit file could have, or a journal without the limits in force.
    """
    changes = {path: str(value) for path, value in asked.changes.items()}
    record = served.follower.ask(lambda state: state.ledger.limits.in_force)
    if record is None:
        raise HttpError(
            409,
            f"limits in force at {served.name}",
            "none in its journal",
            "wait until the desk has begun",
        )
    before = from_json(record)
    return changes, loosened(before, changed(before, changes))


def confirmed(
    served: ConnectedDesk, act: str, body: Mapping[str, Any], both: str, second: str, reason: str
) -> Done:
    """Do the action that one person requested and another confirmed (`both`: the two; `second`: the latter)."""
    if act == "rearm":
        armed = msgspec.convert(body, CommandBody)
        return rearm(served, armed.agents or (), both, reason, armed.mark)
    if act in ("posture", "promote"):
        return ask_desk(served, act, body, both, reason)
    # the desk itself has the request, and refuses the same person and other values
    return ask_desk(served, "limits", {"act": "approve", **body}, second, reason)


def add_two_person_routes(app: FastAPI, desks: Desks) -> None:
    """Add the routes of actions that need two persons."""
    two: dict[str, Any] = {"status_code": 202}

    @app.post("/api/rearm", name="rearm", **needs("rearm"), **two)
    def ask_rearm(request: Request, asked: models.RearmBody) -> Waits:
        """Ask to let killed agents trade again."""
        served = desks.whole(asked.desk)
        body = may_rearm(served, asked.agents)
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
                may_undo(served, name)
            body = may_promote(served, name)
            return ask(
                served,
                request.state.visit,
                "promote",
                msgspec.to_builtins(body),
                f"promote {body.challenger} over {body.champion} of {name}{words}",
                asked.reason,
            )

        return act

    for verb, words in (("promote", ""), ("demote", ", which undoes a promotion")):
        words_of = {
            "promote": "Ask to put a challenger in its champion's place.",
            "demote": "Ask to undo that.",
        }[verb]
        route = app.post(
            f"/api/agents/{{name:path}}/{verb}",
            name=verb,
            description=words_of,
            **needs("promote"),
            **two,
        )
        route(promotion(words))

    @app.post("/api/limits", response_model=Done | Waits, **needs("limits"))
    def limits(request: Request, response: Response, asked: models.LimitsBody) -> Done | Waits:
        """Tighten limits at once (200), or ask to loosen some (202)."""
        served = desks.whole(asked.desk)
        changes, loosening = looser(served, asked)
        if not loosening:
            body = {"act": "tighten", "changes": changes}
            return ask_desk(served, "limits", body, by(request), asked.reason)
        body = {"act": "request", "changes": changes}
        entry = served.desk.ask("limits", body, by(request), asked.reason)
        if entry is None:
            raise HttpError(
                409, f"an answer of {served.name}", f"none in {ANSWER_S:g} s", "look at the page"
            )
        number = entries.LimitsEntry.of(entry).request
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
        """Set a manual risk state at once (200), or request one instead of risk's (202)."""
        served = desks.whole(asked.desk)
        served.must_have([asked.agent] if asked.agent else [])
        given = posture_of(asked)
        span_ns = round(asked.minutes * NS_PER_MINUTE)
        body = {"agent": asked.agent, "words": given, "span_ns": span_ns}
        if not asked.instead:
            return ask_desk(served, "posture", body, by(request), asked.reason)
        words = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in given.items())
        what = f"risk state of {asked.agent or 'the desk'} instead of risk's, {asked.minutes:g} min: {words}"
        response.status_code = 202
        return ask(
            served, request.state.visit, "posture", body | {"instead": True}, what, asked.reason
        )

    @app.post("/api/posture/end", **needs("posture"))
    def end_posture(request: Request, asked: models.EndPostureBody) -> Done:
        """End a manual risk state: risk's alone counts again."""
        body = {"agent": asked.agent, "lift": True}
        return ask_desk(desks.whole(asked.desk), "posture", body, by(request), asked.reason)

    @app.get("/api/requests", **needs("look"))
    def list_requests() -> list[models.Request]:
        """Requests that need, or had, a second person: newest first."""
        rows = [
            models.Request(
                id=one.id,
                desk=served.name,
                what=one.what,
                asked_by=one.asked_by,
                reason=one.reason,
                ns=one.ns,
                state=one.state,
                by=one.by,
            )
            for served in desks.values()
            for one in served.requests.shown()
        ]
        return sorted(rows, key=lambda row: -row.ns)

    @app.post("/api/requests/{id}/confirm", **needs("confirm"))
    def confirm(request: Request, id: Id, asked: models.ReasonBody) -> Done:
        """Confirm another person's request; returns the desk's action."""
        sessions: Sessions = request.app.state.sessions
        served, found = _request(desks, id)
        served.must_be_read()
        visit: Visit = request.state.visit
        check_second(sessions, found, visit)

        def act(found: Asked) -> Done | HttpError:
            must_be_so_still(served, found.act, found.body)
            first = f"{found.asked_by} ({found.proof})"
            both, reason = f"{first}, confirmed by {visit.by}", f"{found.reason}; {asked.reason}"
            try:
                return confirmed(served, found.act, found.body, both, visit.by, reason)
            except HttpError as unknown:  # the desk has the word, and may do it yet: never twice
                return unknown

        answer = served.requests.settle(id, CONFIRMED, visit.by, act)
        if isinstance(answer, HttpError):
            raise answer
        return answer

    @app.post("/api/requests/{id}/refuse", **needs("confirm"))
    def refuse(request: Request, id: Id, asked: models.ReasonBody) -> Done:
        """Refuse a request; its requester may withdraw it this way."""
        served, _ = _request(desks, id)
        what = served.requests.settle(id, REFUSED, by(request), lambda found: found.what)
        return Done(done=[f"{served.name}: refused: {what}"])


def ask(
    served: ConnectedDesk, visit: Visit, act: str, body: dict[str, Any], what: str, reason: str
) -> Waits:
    """Write down what a second person has to confirm."""
    who = visit.person
    asked = served.requests.ask(act, body, what, who.name, visit.proof, reason, who.lifters)
    return Waits(request=asked.id)


def check_second(sessions: Sessions, asked: Asked, visit: Visit) -> None:
    """Check that a person may confirm a request.

    Raises
    ------
    HttpError
        403: the requester; or one of the two let in or raised the other within a day, or a third did both. 409: the
        requester has lost the permission.
    """
    name = visit.person.name
    if same_person(name, asked.asked_by):
        raise HttpError(
            403,
            f"another person than the requester, {asked.asked_by}",
            name,
            "let somebody else confirm it",
        )
    if sessions.people.bound(name, asked.asked_by, asked.lifters):
        raise HttpError(
            403,
            f"a person independent of the requester, {asked.asked_by}",
            f"{name}: {BOUND}",
            "let somebody else confirm it",
        )
    asker = sessions.people.get(asked.asked_by)
    if asker is None or not may(asker.role, asked.act):  # an act is called as its permission is
        raise HttpError(
            409,
            "a request of a person with the permission",
            f"{asked.asked_by}, now {asker.role if asker else 'removed'}",
            "refuse it; ask again",
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
