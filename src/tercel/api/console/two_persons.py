"""Actions that need two persons: one requests, another of sufficient role confirms within a quarter of an hour."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from tercel.api.console import models
from tercel.api.console.actions import NS_PER_MINUTE, Id, operator_name
from tercel.api.console.connected import ANSWER_S, ConnectedDesk, Desks
from tercel.api.console.desk_commands import ask_desk, describe_paused_parents
from tercel.api.console.guard import HttpError, needs
from tercel.api.console.models import Done, LimitsBody, PostureBody, Waits
from tercel.api.console.request_book import TwoPersonRequest
from tercel.api.console.roles import has_permission
from tercel.api.console.second_person import BOUND
from tercel.api.console.sessions import Sessions, Visit
from tercel.core.errors import TercelError
from tercel.core.messages import Style
from tercel.desk.limits import find_loosened, from_json, with_changes
from tercel.desk.limits.persons import is_same_person
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.agent_bodies import AssignmentEntry
from tercel.desk.trading.journal.bodies import CommandBody


def rearm(served: ConnectedDesk, agents: Sequence[str], by: str, reason: str, mark: str) -> Done:
    """Re-arm killed agents whose kill latch still has this mark; return what the desk did."""
    last_seq = served.desk.last_seq()
    served.desk.rearm(agents, by, reason, mark)
    note_error = served.desk.note("rearm", {"agents": list(agents)}, by, reason)
    agents_text = ", ".join(agents) or "every agent"
    if note_error:
        return Done(
            done=[
                f"{served.name}: {agents_text} armed again; its journal does not know of it yet: {note_error}"
            ]
        )
    rearm_entries = served.wait(
        last_seq,
        (kinds.REARM,),
        lambda seen: bool(seen) and set(agents) <= {entry.agent for entry in seen},
    )
    messages = [f"{served.name}: {entry.agent} armed again" for entry in rearm_entries]
    is_running = served.desk.lock_holder() != ""
    pending_text = "the desk has not spoken of it yet" if is_running else "the desk is not running"
    return Done(
        done=(messages or [f"{served.name}: {agents_text} armed again; {pending_text}"])
        + describe_paused_parents(served)
    )


def rearm_body(served: ConnectedDesk, agents: Sequence[str]) -> dict[str, Any]:
    """Body of a re-arm request: agents and the latch's mark; 409 if they are not killed."""
    served.refuse_unknown_agents(agents)
    # a kill between the two is another one
    mark = served.desk.latch_mark()
    killed = served.desk.read_latch()
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


def promotion_body(served: ConnectedDesk, agent: str) -> CommandBody:
    """Body of a promotion, as the desk's command has it; 409 without a challenger."""
    served.refuse_unknown_agents([agent])
    seat = msgspec.convert(
        served.follower.query(
            lambda state: dict(state.agents[agent].seat) if agent in state.agents else {}
        ),
        AssignmentEntry,
    )
    if not seat.challenger:
        raise HttpError(
            409, "an agent with a challenger", f"{agent}, which has none", "look at the page"
        )
    return CommandBody(agent=agent, champion=seat.strategy, challenger=seat.challenger)


def experiment_body(served: ConnectedDesk, agent: str, act: str, arm: str) -> CommandBody:
    """Body of a decision on an agent's last experiment, as the desk's command has it; 409 where it cannot be taken."""
    served.refuse_unknown_agents([agent])
    found = served.follower.query(
        lambda state: [
            (record.name, record.terms.arms, record.is_open_to(act))
            for record in state.experiments.values()
            if record.agent == agent
        ]
    )
    name, arms, is_open = found[-1] if found else ("none", [], False)
    if not is_open or (act == "promote") != (arm in arms):
        raise HttpError(
            409,
            "an experiment to stop, or an arm of one to promote",
            f"{act} {arm}".rstrip() + f", experiment {name} of {agent}",
            "look at the page",
        )
    return CommandBody(agent=agent, act=act, name=name, arm=arm)


def refuse_if_changed(served: ConnectedDesk, act: str, body: Mapping[str, Any]) -> None:
    """Raise HTTP 409 if the subject of a request has changed since; the desk checks again when it acts."""
    current = body
    if act == "rearm":
        current = {**body, "mark": served.desk.latch_mark()}
    elif act == "promote":
        agent = msgspec.convert(body, CommandBody).agent or ""
        current = msgspec.to_builtins(promotion_body(served, agent))
    elif act == "experiment":
        decision = msgspec.convert(body, CommandBody)
        current = msgspec.to_builtins(
            experiment_body(served, decision.agent or "", decision.act, decision.arm)
        )
    if current != body:
        raise HttpError(
            409,
            "the state for which it was requested",
            f"another one now at {served.name}",
            "refuse it; look at the page and ask again",
        )


def check_undo(served: ConnectedDesk, agent: str) -> None:
    """Raise HTTP 409 if there was no promotion of an agent in this session to undo."""
    served.refuse_unknown_agents([agent])
    if not served.follower.query(
        lambda state: agent in state.agents and state.agents[agent].promoted
    ):
        raise HttpError(
            409,
            "an agent with a promotion to undo",
            f"{agent}, without a promotion",
            "look at the page",
        )


def posture_of(payload: PostureBody) -> dict[str, Any]:
    """Fields of a manual risk state that are set, as the desk's command has them; styles as one number of flags."""
    settings = payload.model_dump(
        include={"urgency", "max_participation", "size_multiplier"}, exclude_none=True
    )
    if payload.styles is not None:
        settings["styles"] = int(sum({Style[style.upper()] for style in payload.styles}))
    return {name: float(value) if name != "styles" else value for name, value in settings.items()}


def split_limit_changes(
    served: ConnectedDesk, payload: LimitsBody
) -> tuple[dict[str, str], list[str]]:
    """Changes of limits as the desk's command has them, and the paths whose limits they would loosen.

    Raises
    ------
    LimitsError, HttpError
        Changes that no limit file could have, or a journal without the limits in force.
    """
    changes = {path: str(value) for path, value in payload.changes.items()}
    record = served.follower.query(lambda state: state.ledger.limits.in_force)
    if record is None:
        raise HttpError(
            409,
            f"limits in force at {served.name}",
            "none in its journal",
            "wait until the desk has begun",
        )
    in_force = from_json(record)
    return changes, find_loosened(in_force, with_changes(in_force, changes))


def perform_request(
    served: ConnectedDesk,
    act: str,
    body: Mapping[str, Any],
    signers: str,
    confirmer: str,
    reason: str,
) -> Done:
    """Carry out a request that a second person has confirmed; `signers` names both persons, `confirmer` the second."""
    if act == "rearm":
        armed = msgspec.convert(body, CommandBody)
        return rearm(served, armed.agents or (), signers, reason, armed.mark)
    if act in ("posture", "promote", "experiment"):
        return ask_desk(served, act, body, signers, reason)
    # the desk itself has the request, and refuses the same person and other values
    return ask_desk(served, "limits", {"act": "approve", **body}, confirmer, reason)


def add_two_person_routes(app: FastAPI, desks: Desks) -> None:
    """Add to the app the routes of actions that need two persons."""
    accepted: dict[str, Any] = {"status_code": 202}

    @app.post("/api/rearm", name="rearm", **needs("rearm"), **accepted)
    def ask_rearm(request: Request, payload: models.RearmBody) -> Waits:
        """Ask to let killed agents trade again."""
        served = desks.ready_desk(payload.desk)
        body = rearm_body(served, payload.agents)
        return request_confirmation(
            served,
            request.state.visit,
            "rearm",
            body,
            f"re-arm {', '.join(payload.agents) or 'every agent'}",
            payload.reason,
        )

    def promotion(undo_text: str) -> Callable[..., Waits]:
        """Route handler that requests a promotion or, given `undo_text` (the end of the request's text), its reversal."""

        def act(request: Request, name: Id, payload: models.OfDesk) -> Waits:
            """Store the request for a second person; 409 without a challenger, or without a promotion to undo."""
            served = desks.ready_desk(payload.desk)
            if undo_text:
                check_undo(served, name)
            body = promotion_body(served, name)
            return request_confirmation(
                served,
                request.state.visit,
                "promote",
                msgspec.to_builtins(body),
                f"promote {body.challenger} over {body.champion} of {name}{undo_text}",
                payload.reason,
            )

        return act

    for verb, undo_text in (("promote", ""), ("demote", ", which undoes a promotion")):
        description = {
            "promote": "Ask to put a challenger in its champion's place.",
            "demote": "Ask to undo that.",
        }[verb]
        route = app.post(
            f"/api/agents/{{name:path}}/{verb}",
            name=verb,
            description=description,
            **needs("promote"),
            **accepted,
        )
        route(promotion(undo_text))

    @app.post(
        "/api/agents/{name:path}/experiment", name="experiment", **needs("experiment"), **accepted
    )
    def decide_experiment(request: Request, name: Id, payload: models.ExperimentBody) -> Waits:
        """Ask to stop an agent's experiment, or to end it and promote an arm."""
        served = desks.ready_desk(payload.desk)
        body = experiment_body(served, name, payload.act, payload.arm or "")
        arm = f"{body.arm} in " if body.arm else ""
        return request_confirmation(
            served,
            request.state.visit,
            "experiment",
            msgspec.to_builtins(body),
            f"{body.act} {arm}the experiment {body.name} of {name}",
            payload.reason,
        )

    @app.post("/api/limits", response_model=Done | Waits, **needs("limits"))
    def limits(request: Request, response: Response, payload: models.LimitsBody) -> Done | Waits:
        """Tighten limits at once (200), or ask to loosen some (202)."""
        served = desks.ready_desk(payload.desk)
        changes, loosening = split_limit_changes(served, payload)
        if not loosening:
            body = {"act": "tighten", "changes": changes}
            return ask_desk(served, "limits", body, operator_name(request), payload.reason)
        body = {"act": "request", "changes": changes}
        entry = served.desk.ask("limits", body, operator_name(request), payload.reason)
        if entry is None:
            raise HttpError(
                409, f"an answer of {served.name}", f"none in {ANSWER_S:g} s", "look at the page"
            )
        number = entries.LimitsEntry.of(entry).request
        summary = "loosen " + ", ".join(f"{path} to {value}" for path, value in changes.items())
        response.status_code = 202
        return request_confirmation(
            served,
            request.state.visit,
            "limits",
            {"request": number, "changes": changes},
            summary,
            payload.reason,
        )

    @app.post("/api/posture", response_model=Done | Waits, **needs("posture"))
    def posture(request: Request, response: Response, payload: models.PostureBody) -> Done | Waits:
        """Set a manual risk state at once (200), or request one instead of risk's (202)."""
        served = desks.ready_desk(payload.desk)
        served.refuse_unknown_agents([payload.agent] if payload.agent else [])
        settings = posture_of(payload)
        span_ns = round(payload.minutes * NS_PER_MINUTE)
        body = {"agent": payload.agent, "words": settings, "span_ns": span_ns}
        if not payload.instead:
            return ask_desk(served, "posture", body, operator_name(request), payload.reason)
        settings_text = ", ".join(
            f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items()
        )
        summary = f"risk state of {payload.agent or 'the desk'} instead of risk's, {payload.minutes:g} min: {settings_text}"
        response.status_code = 202
        return request_confirmation(
            served,
            request.state.visit,
            "posture",
            body | {"instead": True},
            summary,
            payload.reason,
        )

    @app.post("/api/posture/end", **needs("posture"))
    def end_posture(request: Request, payload: models.EndPostureBody) -> Done:
        """End a manual risk state: risk's alone counts again."""
        body = {"agent": payload.agent, "lift": True}
        return ask_desk(
            desks.ready_desk(payload.desk), "posture", body, operator_name(request), payload.reason
        )

    @app.get("/api/requests", **needs("look"))
    def list_requests() -> list[models.Request]:
        """Requests that need, or had, a second person: newest first."""
        rows = [
            models.Request(
                id=pending.id,
                desk=served.name,
                what=pending.what,
                asked_by=pending.asked_by,
                reason=pending.reason,
                ns=pending.ns,
                state=pending.state,
                by=pending.by,
            )
            for served in desks.values()
            for pending in served.requests.all_or_error()
        ]
        return sorted(rows, key=lambda row: -row.ns)

    @app.post("/api/requests/{id}/confirm", **needs("confirm"))
    def confirm(request: Request, id: Id, payload: models.ReasonBody) -> Done:
        """Confirm another person's request; returns the desk's action."""
        sessions: Sessions = request.app.state.sessions
        served, pending = _find_request(desks, id)
        served.refuse_while_reading()
        visit: Visit = request.state.visit
        check_second(sessions, pending, visit)

        def act(pending: TwoPersonRequest) -> Done | HttpError:
            """Carry out the confirmed request; an HTTP error is returned, not raised."""
            refuse_if_changed(served, pending.act, pending.body)
            requester = f"{pending.asked_by} ({pending.proof})"
            signers = f"{requester}, confirmed by {visit.by}"
            reason = f"{pending.reason}; {payload.reason}"
            try:
                return perform_request(served, pending.act, pending.body, signers, visit.by, reason)
            except HttpError as unknown:  # the desk has the word, and may do it yet: never twice
                return unknown

        answer = served.requests.settle(id, "confirmed", visit.by, act)
        if isinstance(answer, HttpError):
            raise answer
        return answer

    @app.post("/api/requests/{id}/refuse", **needs("confirm"))
    def refuse(request: Request, id: Id, payload: models.ReasonBody) -> Done:
        """Refuse a request; its requester may withdraw it this way."""
        served, _ = _find_request(desks, id)
        summary = served.requests.settle(
            id, "refused", operator_name(request), lambda pending: pending.what
        )
        return Done(done=[f"{served.name}: refused: {summary}"])


def request_confirmation(
    served: ConnectedDesk, visit: Visit, act: str, body: dict[str, Any], summary: str, reason: str
) -> Waits:
    """Store a request that a second person has to confirm; return its id as the answer."""
    requester = visit.person
    pending = served.requests.ask(
        act, body, summary, requester.name, visit.proof, reason, requester.lifters
    )
    return Waits(request=pending.id)


def check_second(sessions: Sessions, pending: TwoPersonRequest, visit: Visit) -> None:
    """Raise an HttpError if a person may not confirm a request: the requester, someone not independent, or if the
    requester has lost the permission since.

    Raises
    ------
    HttpError
        403: the requester; or one of the two let in or raised the other within a day, or a third did both. 409: the
        requester has lost the permission.
    """
    name = visit.person.name
    if is_same_person(name, pending.asked_by):
        raise HttpError(
            403,
            f"another person than the requester, {pending.asked_by}",
            name,
            "let somebody else confirm it",
        )
    if sessions.people.are_dependent(name, pending.asked_by, pending.lifters):
        raise HttpError(
            403,
            f"a person independent of the requester, {pending.asked_by}",
            f"{name}: {BOUND}",
            "let somebody else confirm it",
        )
    asker = sessions.people.get(pending.asked_by)
    if asker is None or not has_permission(
        asker.role, pending.act
    ):  # an act is called as its permission is
        raise HttpError(
            409,
            "a request of a person with the permission",
            f"{pending.asked_by}, now {asker.role if asker else 'removed'}",
            "refuse it; ask again",
        )


def _find_request(desks: Desks, id_: str) -> tuple[ConnectedDesk, TwoPersonRequest]:
    """The desk and the stored request of an id; 404 if unknown, the error of an unreadable file if it may be in that."""
    faults = list[TercelError | OSError]()
    for served in desks.values():
        try:
            pending = next((row for row in served.requests.all() if row.id == id_), None)
        except (TercelError, OSError) as error:  # which keeps no other desk's from being answered
            faults.append(error)
            continue
        if pending is not None:
            return served, pending
    raise (
        faults[0]
        if faults
        else HttpError(404, "a request of /api/requests", repr(id_), "ask for the list")
    )
