"""Commands of a person to one desk: each is sent to the desk and returns the desk's answer from its journal."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tercel.api.console.connected import ANSWER_S, ConnectedDesk, RemoteDesk
from tercel.api.console.guard import HttpError
from tercel.api.console.models import Done, HandOrderBody, NotDone
from tercel.api.desk.command_answers import describe_answer
from tercel.api.desk.command_names import agent_with_most_flow
from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.parent_orders.parent import ParentStatus


def ask_desk(
    served: ConnectedDesk, command: str, body: Mapping[str, Any], by: str, reason: str
) -> Done:
    """Send a command to the desk; return its answer as a sentence in `done`. Raises if it refuses or does not answer in
    time.

    Raises
    ------
    OrderError, HttpError
        It refuses; or no answer came in time: the command is in its inbox and may still be taken.
    """
    entry = _ask_and_fold(served, command, body, by, reason)
    ends_ns = served.follower.query(lambda state: state.ledger.parents.horizon_ends())
    return Done(done=[f"{served.name}: {describe_answer(entry, ends_ns, body.get('horizon_ns'))}"])


def _ask_and_fold(
    served: ConnectedDesk,
    command: str,
    body: Mapping[str, Any],
    by: str,
    reason: str,
    gate_desk: RemoteDesk | None = None,
) -> Entry:
    """Send a command to the desk (or its gate), wait until the console has its journal entry, and return the entry.
    HTTP 409 if no answer came in time.
    """
    entry = (gate_desk or served.desk).ask(command, body, by, reason)
    if entry is None:
        raise HttpError(
            409,
            f"an answer of {served.name}",
            f"no answer in {ANSWER_S:g} s; the word lies in its inbox and may still be taken",
            "look at the page before asking again",
        )
    served.catch_up()
    if gate_desk is not None:
        served.follower.poll_gate()
    return entry


def agent_by_share(served: ConnectedDesk, instrument: str) -> str:
    """Name of the agent that takes a parent of an instrument by share (`agent_with_most_flow`)."""
    return agent_with_most_flow(
        *served.follower.query(
            lambda state: (
                {agent.name: agent.share.get(instrument, -1.0) for agent in state.agents.values()},
                state.killed_agents | state.ledger.holds.keys(),
            )
        )
    )


def describe_paused_parents(served: ConnectedDesk, agent: str = "") -> list[str]:
    """One sentence on the paused parent orders of an agent ("": of all agents) with the reasons; [] if none is paused."""
    parents = served.follower.query(lambda state: state.ledger.parents.open())
    waiting = [
        f"{parent.id} ({parent.reason})"
        for parent in parents
        if parent.status == ParentStatus.PAUSED and agent in ("", parent.order.agent)
    ]
    text = f"{served.name}: paused until each is resumed: {', '.join(waiting)}"
    return [text] if waiting else []


def order_by_hand(served: ConnectedDesk, id_: str, payload: HandOrderBody, by: str) -> Done:
    """Send a manual order for a parent; return its status after at most `LATCHED_S`, a venue's rejection as "not done"."""
    parent = served.parent(id_)
    last_seq = served.desk.last_seq()
    instrument = parent.order.instrument
    body = {
        "parent": parent.id,
        "lots": served.lots(instrument, payload.qty),
        "limit_price": payload.limit_price,
    }
    entry = _ask_and_fold(served, "order", body, by, payload.reason)
    name = ParentEntry.of(entry).order
    side = SIDE_NAMES[parent.order.side]
    limit_text = (
        "at the market" if payload.limit_price is None else f"at {payload.limit_price:,.15g}"
    )
    description = f"{parent.id}: {name}, {side} {payload.qty:,.15g} {instrument} {limit_text}"
    return _await_order_status(
        served, last_seq, name, description, rests=payload.limit_price is not None
    )


def _await_order_status(
    served: ConnectedDesk, last_seq: int, name: str, description: str, *, rests: bool
) -> Done:
    """Status of an order at the venue after at most `LATCHED_S`; a rejection is "not done".
    `last_seq`: journal entry before it was sent. `rests`: it has a limit, so that the first report is enough.
    """
    latest_status = partial(_latest_status, name, rests)
    status = latest_status(
        served.wait(last_seq, (kinds.REPORT_IN,), lambda seen: latest_status(seen)[1])
    )[0]
    description = f"{served.name}: {description}"
    if status.startswith("rejected"):
        return Done(done=[], not_done=[NotDone(what=description, why=status)])
    return Done(done=[f"{description}: {status}"])


def accept_quote(served: ConnectedDesk, id_: str, quote: str, by: str, reason: str) -> Done:
    """Accept a dealer's quote; return the status of the resulting order after a moment, as the dealer may have a last look."""
    last_seq = served.desk.last_seq()
    entry = _ask_and_fold(served, "accept_quote", {"request": id_, "quote": quote}, by, reason)
    return _await_order_status(
        served, last_seq, entry.order, f"{id_}: {quote} taken by {entry.order}", rests=False
    )


def _latest_status(name: str, rests: bool, report_entries: Sequence[Entry]) -> tuple[str, bool]:
    """Latest status of an order as text, and whether to stop waiting: any report if it `rests`, else a state past "new"."""
    reports = [
        entry.body for entry in report_entries if name in (entry.order, entry.body.get("orig"))
    ]
    if not reports:
        return "sent; the venue has not spoken of it yet", False
    status = str(reports[-1].get("status", ""))
    reason = str(reports[-1].get("text") or "")
    status_text = status.replace("_", " ") + (f": {reason}" if reason else "")
    return status_text, rests or status not in ("new", "pending_new")


def take_alert(
    served: ConnectedDesk, seq: int, by: str, note: str, *, at_gate: bool = False
) -> Done:
    """Make a person the owner of an alert, in the journal that holds it: the desk's, or its gate's; 409 if another owns it.

    If several people take it, the first one owns it, at whichever console.
    """
    owner = served.owner(seq, at_gate=at_gate)  # polls the gate's journal
    desk, desk_label = (
        (served.gate_desk, f"the gate of {served.name}") if at_gate else (served.desk, served.name)
    )
    if desk is None or owner is None:
        raise HttpError(
            404,
            f"an alert of {desk_label}",
            f"entry {seq}, which is none",
            "see /api/desks/DESK/alerts",
        )
    if not owner:
        _ask_and_fold(served, "own_alert", {"alert": seq}, by, note, desk)
    owner = owner or served.owner(seq, at_gate=at_gate)
    if owner not in ("", None, by):
        raise HttpError(
            409, f"an unowned alert of {desk_label}", f"{seq}, {owner}'s", "ask its owner"
        )
    return Done(done=[f"{desk_label}: alert {seq} is owned by {by}"])
