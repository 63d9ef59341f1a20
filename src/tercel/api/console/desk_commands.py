"""Commands of a person to one desk: each is sent to the desk and returns the desk's answer from its journal."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET

from tercel.api.console.connected import ANSWER_S, ConnectedDesk, RemoteDesk
from tercel.api.console.guard import HttpError
from tercel.api.console.models import Done, HandOrderBody, NotDone
from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import bodies as entries, kinds
from tercel.desk.trading.journal.agent_bodies import PromotedEntry
from tercel.desk.trading.journal.bodies import HoldEntry, OperatorEntry, ParentEntry, StanceEntry

BY_HAND = {
    "taken_over": "taken over by {by}; its strategy sends nothing more, its orders are cancelled",
    "given_back": "its strategy resumes with the remaining quantity, once no manual order is open",
    "withdrawn": "the cancels of {orders} are on their way",
}
"""Messages about a parent under manual control."""


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
    return Done(
        done=[
            f"{served.name}: {_describe_answer(_ask_and_fold(served, command, body, by, reason))}"
        ]
    )


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


def _describe_answer(entry: Entry) -> str:
    """Sentence on what the desk did, from the journal entry of its answer."""
    if entry.kind == kinds.PROMOTED:
        promotion = PromotedEntry.of(entry)
        return f"{entry.agent}: {promotion.challenger} works instead of {promotion.champion} from the next parent on"
    if entry.kind == kinds.LIMITS:
        limits = entries.LimitsEntry.of(entry)
        version = f"request {limits.request}" if limits.event == "requested" else limits.hash
        return f"limits {limits.event}, {version}"
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
        note = OperatorEntry.of(entry)
        return f"alert {note.parse_body().alert} is owned by {note.by}"
    if entry.kind == kinds.QUOTE:
        quotes = entries.QuoteEntry.of(entry)
        return (
            f"{quotes.request} {quotes.event}: {', '.join(quotes.dealers or quotes.ids or ['all'])}"
        )
    if entry.kind != kinds.PARENT:
        return f"{entry.parent or entry.agent} {entry.kind}"
    body = ParentEntry.of(entry)
    if body.event == "accepted":
        limit = f", limit {body.limit_price}" if body.limit_price not in (None, UNSET) else ""
        order_text = f"{SIDE_NAMES[body.side]} {body.lots:,} lots of {entry.instrument}{limit}"
        return f"{entry.parent} accepted: {order_text}, agent {entry.agent}, {(body.horizon_ns or 0) / 60e9:g} min"
    if (template := BY_HAND.get(body.event)) is not None:
        return f"{entry.parent}: {template.format(by=body.by, orders=body.orders)}"
    return f"{entry.parent} {body.event}"


def agent_with_most_flow(served: ConnectedDesk, instrument: str) -> str:
    """Name of the agent with the largest share of an instrument's flow, among those that take parents; any if none has
    a share.

    Raises
    ------
    HttpError
        409: no agent has any.
    """
    shares = served.follower.query(
        lambda state: {
            agent.name: agent.share.get(instrument, -1.0) for agent in state.agents.values()
        }
    )
    if not shares:
        raise HttpError(
            409,
            "an agent",
            f"none at {served.name} yet",
            "name one, or wait until the desk has begun",
        )
    unavailable = served.follower.query(
        lambda state: state.killed_agents | state.ledger.holds.keys()
    )
    available = {name: share for name, share in shares.items() if name not in unavailable}
    if not available:
        raise HttpError(
            409,
            "an agent that takes parents",
            f"{', '.join(sorted(shares))}: each is killed or paused",
            "resume or re-arm one first",
        )
    return max(available, key=lambda name: available[name])


def describe_paused_parents(served: ConnectedDesk, agent: str = "") -> list[str]:
    """One sentence on the paused parent orders of an agent ("": of all agents) with the reasons; [] if none is paused."""

    def list_paused(state: DeskState) -> list[str]:
        """Ids of paused parents with the reasons, from the desk's folded state."""
        parents = [
            parent for parent in state.ledger.parents.open() if agent in ("", parent.order.agent)
        ]
        return [f"{parent.id} ({parent.reason})" for parent in parents if parent.status == "paused"]

    descriptions = served.follower.query(list_paused)
    return (
        [f"{served.name}: paused until each is resumed: {', '.join(descriptions)}"]
        if descriptions
        else []
    )


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
    answer_text = (
        ""
        if owner
        else _describe_answer(_ask_and_fold(served, "own_alert", {"alert": seq}, by, note, desk))
    )
    owner = owner or served.owner(seq, at_gate=at_gate)
    if owner not in ("", None, by):
        raise HttpError(
            409, f"an unowned alert of {desk_label}", f"{seq}, {owner}'s", "ask its owner"
        )
    return Done(done=[f"{desk_label}: {answer_text or f'alert {seq} is owned by {by}'}"])
