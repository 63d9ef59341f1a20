"""HTTP routes of the console for actions that one person takes alone: kill, pause, cancel, manual orders, alerts."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Request

from tercel.api.console import models
from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.cost_estimates import RecordedCosts, estimate_costs
from tercel.api.console.desk_commands import (
    accept_quote,
    agent_by_share,
    ask_desk,
    describe_paused_parents,
    order_by_hand,
    take_alert,
)
from tercel.api.console.guard import HttpError, needs
from tercel.api.console.kill_actions import kill
from tercel.api.console.models import Done
from tercel.api.console.sessions import Visit
from tercel.core.vocabulary import BUY, SELL

NS_PER_MINUTE = 60 * 10**9
KILLS: Final = ThreadPoolExecutor(4, "console-kill")
"""Threads that do nothing else: a kill waits for no other act."""
Id = Annotated[str, Path(max_length=models.LONGEST_ID)]
Seq = Annotated[int, Path(ge=1, le=2**62)]


def operator_name(request: Request) -> str:
    """The logged-in operator's name with the proof of identity, as the journal records it."""
    visit: Visit = request.state.visit
    return visit.by


def add_action_routes(app: FastAPI, desks: Desks, recorded: RecordedCosts) -> None:
    """Add to the app the routes of actions that one person takes alone."""

    @app.post("/api/kill", name="kill", **needs("kill"))
    async def stop(request: Request, payload: models.KillBody) -> Done:
        """Stop agents, a desk, or all; what exists is stopped whatever else was named."""
        act = partial(kill, desks, payload, operator_name(request))
        return await asyncio.get_running_loop().run_in_executor(KILLS, act)

    @app.post("/api/parents", **needs("submit"))
    def submit(request: Request, payload: models.ParentBody) -> Done:
        """Submit a parent order."""
        served = desks.ready_desk(payload.desk)
        agent = payload.agent or agent_by_share(served, payload.instrument)
        served.refuse_unknown_agents([agent])
        body: dict[str, Any] = {
            "id": payload.id or f"{agent}-{secrets.token_hex(4)}",
            "instrument": payload.instrument,
            "lots": served.lots(payload.instrument, payload.qty),
            "side": BUY if payload.side == "buy" else SELL,
            "horizon_ns": round(payload.minutes * NS_PER_MINUTE),
            "agent": agent,
        }
        body |= {} if payload.limit_price is None else {"limit_price": payload.limit_price}
        return ask_desk(served, "submit", body, operator_name(request), payload.reason)

    @app.post("/api/parents/quote", **needs("submit"))
    def ask_costs(payload: models.QuoteBody) -> models.QuotedCosts:
        """Cost estimates of a parent order, by strategy, and the limits that it would break; nothing is sent."""
        return estimate_costs(desks.ready_desk(payload.desk), payload)

    @app.post("/api/parents/estimate", **needs("submit"))
    def estimate_order(payload: models.QuoteBody) -> models.EstimatedOrder:
        """What a parent order that arrives now would cost on the recorded days of a lake, by strategy; takes half a minute."""
        return recorded.estimate(desks.ready_desk(payload.desk), payload)

    @app.post("/api/parents/{id:path}/amend", **needs("amend"))
    def amend(request: Request, id: Id, payload: models.AmendBody) -> Done:
        """Change a parent's quantity, horizon or limit price."""
        served = desks.ready_desk(payload.desk)
        instrument = served.parent(id).order.instrument
        requested = {
            "lots": None if payload.qty is None else served.lots(instrument, payload.qty),
            "horizon_ns": None
            if payload.minutes is None
            else round(payload.minutes * NS_PER_MINUTE),
            "limit_price": payload.limit_price,
        }
        changes = {key: value for key, value in requested.items() if value is not None}
        if not changes:
            raise HttpError(
                422, "qty, minutes or limit_price", "none of them", "give at least one of them"
            )
        return ask_desk(
            served, "amend", {"parent": id, **changes}, operator_name(request), payload.reason
        )

    def on_parent(command: str, find_desk: Callable[[str], ConnectedDesk]) -> Callable[..., Done]:
        """Route handler that posts a command on one parent order to its desk."""

        def act(request: Request, id: Id, payload: models.OfDesk) -> Done:
            """Post the command; an unknown parent is 404, except while the journal is still being read."""
            served = find_desk(payload.desk)
            # while its journal is read, the desk alone may know the parent
            body = {"parent": id if served.reading else served.parent(id).id}
            return ask_desk(served, command, body, operator_name(request), payload.reason)

        return act

    def on_agent(verb: str) -> Callable[..., Done]:
        """Route handler that posts a command (`verb`) on one agent to its desk."""

        def act(request: Request, name: Id, payload: models.OfDesk) -> Done:
            """Post the command, "pause_agent" or "resume_agent"; an unknown agent is 404."""
            served = desks.of(payload.desk)
            served.refuse_unknown_agents([name])
            answer = ask_desk(
                served, f"{verb}_agent", {"agent": name}, operator_name(request), payload.reason
            )
            answer.done += describe_paused_parents(served, name) if verb == "resume" else []
            return answer

        return act

    for verb in ("pause", "resume", "cancel"):
        app.post(
            f"/api/parents/{{id:path}}/{verb}",
            name=f"{verb}_parent",
            description=f"{verb.capitalize()} a parent.",
            **needs(verb),
        )(on_parent(verb, desks.of))
    for verb, description in (
        ("pause", "Pause an agent with its parents: it takes no other."),
        ("resume", "Let an agent resume."),
    ):
        path = f"/api/agents/{{name:path}}/{verb}"
        app.post(path, name=f"{verb}_agent", description=description, **needs(verb))(on_agent(verb))

    for command, description in (
        ("take_over", "Take a parent over: its strategy sends nothing more."),
        ("give_back", "Return a parent to its strategy, which works the remaining quantity."),
    ):
        path = f"/api/parents/{{id:path}}/{command}"
        app.post(path, name=command, description=description, **needs("by_hand"))(
            on_parent(command, desks.ready_desk)
        )

    @app.post("/api/parents/{id:path}/orders", **needs("by_hand"))
    def order(request: Request, id: Id, payload: models.HandOrderBody) -> Done:
        """Send an order of a parent that one has in hand."""
        return order_by_hand(desks.ready_desk(payload.desk), id, payload, operator_name(request))

    @app.post("/api/parents/{id:path}/withdraw", **needs("by_hand"))
    def withdraw(request: Request, id: Id, payload: models.WithdrawBody) -> Done:
        """Cancel manual orders of a parent."""
        served = desks.ready_desk(payload.desk)
        body = {"parent": served.parent(id).id, "order": payload.order}
        return ask_desk(served, "withdraw", body, operator_name(request), payload.reason)

    @app.post("/api/parents/{id:path}/quotes", **needs("by_hand"))
    def ask_quotes(request: Request, id: Id, payload: models.AskQuotesBody) -> Done:
        """Ask dealers for quotes of a parent."""
        served = desks.ready_desk(payload.desk)
        parent = served.parent(id)
        lots = served.lots(parent.order.instrument, payload.qty)
        body = {
            "parent": parent.id,
            "lots": lots,
            "dealers": payload.dealers,
            "seconds": payload.seconds,
        }
        return ask_desk(served, "request_quotes", body, operator_name(request), payload.reason)

    @app.post("/api/quotes/{id:path}/accept", **needs("by_hand"))
    def accept(request: Request, id: Id, payload: models.AcceptQuoteBody) -> Done:
        """Take a quote of a request: an order at its price."""
        return accept_quote(
            desks.ready_desk(payload.desk),
            id,
            payload.quote,
            operator_name(request),
            payload.reason,
        )

    @app.post("/api/quotes/{id:path}/pass", **needs("by_hand"))
    def pass_quotes(request: Request, id: Id, payload: models.PassQuotesBody) -> Done:
        """Pass quotes of a request, all that are open where none is named."""
        body = {"request": id, "quotes": payload.quotes}
        return ask_desk(
            desks.of(payload.desk), "pass_quotes", body, operator_name(request), payload.reason
        )

    @app.post("/api/alerts/{seq}/acknowledge", **needs("acknowledge"))
    def acknowledge(request: Request, seq: Seq, payload: models.AcknowledgeBody) -> Done:
        """Own an alert."""
        return take_alert(
            desks.ready_desk(payload.desk),
            seq,
            operator_name(request),
            payload.note,
            at_gate=payload.gate,
        )
