"""What people do to desks: each act answers with what the desk did, as its journal says, not with what was asked."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tercel.api.console.connected import ANSWER_S, ConnectedDesk, Desks, RemoteDesk, assignment_of
from tercel.api.console.guard import HttpError
from tercel.api.console.models import (
    AmendBody,
    Done,
    HandOrderBody,
    KillBody,
    LimitsBody,
    NotDone,
    ParentBody,
    PostureBody,
    WithdrawBody,
)
from tercel.core.errors import offer
from tercel.core.messages import Style
from tercel.core.ports import Entry
from tercel.core.vocabulary import BUY, SELL, SIDE_WORDS
from tercel.desk.console.state import DeskState
from tercel.desk.limits import changed, from_json, loosened
from tercel.desk.trading.journal import kinds

NS_PER_MINUTE = 60 * 10**9
BY_HAND = {
    "taken_over": "in the hands of {by}; its strategy sends nothing more, its orders are cancelled",
    "given_back": "its strategy goes on with what is left, once nothing given by hand is open",
    "withdrawn": "the cancels of {orders} are on their way",
}
"""What a desk says of a parent in somebody's hands."""


@dataclass
class ActResults:
    """What was done of several things, and what was not."""

    done: list[str] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)

    def answer(self, status: int = 409) -> Done:
        """Both; refused with a status where nothing at all was done."""
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
        except OSError as error:  # this much is sure: whoever reads an unwritable latch is killed
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
        why = f"there is none; {offer(name, known, 'there are ' + ', '.join(known))}"
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
    ]  # nobody knows whom it has: a kill of too many is the safe one
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
    """What a desk did of a kill, agent by agent."""
    who = ", ".join(agents) or "every agent"
    if unknown:
        return [f"{served.name}: {who} latched; its journal does not know of it yet: {unknown}"]

    def enough(found: Sequence[Entry]) -> bool:
        last = {entry.agent: entry.body.get("event") for entry in found}
        return bool(last) and set(agents) <= set(last) and set(last.values()) <= {"confirmed"}

    found = served.wait(before, (kinds.KILL,), enough)
    last = {entry.agent: entry.body for entry in found if not agents or entry.agent in agents}
    said = [f"{served.name}: {agent} killed, {_open(body)}" for agent, body in sorted(last.items())]
    quiet = [agent for agent in agents if agent not in last] or ([] if last else [who])
    runs = served.desk.running() != ""
    why = (
        "the desk has not spoken of it yet" if runs else "nobody runs the desk, which begins killed"
    )
    return said + [f"{served.name}: {agent} latched, nothing new leaves; {why}" for agent in quiet]


def _open(body: Mapping[str, Any]) -> str:
    if body.get("event") == "confirmed":
        return "nothing open at the venue"
    return f"{body.get('open', 0):,} lots are being cancelled"


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
    why = "the desk has not spoken of it yet" if runs else "nobody runs the desk"
    return Done(done=(said or [f"{served.name}: {who} armed again; {why}"]) + _waits(served))


# -- parents -----------------------------------------------------------------------------------------------------------


def _asked(
    served: ConnectedDesk, command: str, body: Mapping[str, Any], by: str, reason: str
) -> str:
    """Ask the desk; what it did, in a sentence.

    Raises
    ------
    OrderError, HttpError
        It says no; or no answer came in time: the word lies there and may still be taken.
    """
    return f"{served.name}: {_said(_answer(served, command, body, by, reason))}"


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
    body = entry.body
    event = str(body.get("event", entry.kind))
    if entry.kind == kinds.PROMOTED:
        return f"{entry.agent}: {body['challenger']} works in the place of {body['champion']} from the next parent on"
    if entry.kind == kinds.LIMITS:
        number = f", request {body['request']}" if event == "requested" else f", {body['hash']}"
        return f"limits {event}{number}"
    if event == "accepted":
        limit = f", limit {body['limit_price']}" if body.get("limit_price") is not None else ""
        what = f"{SIDE_WORDS[body['side']]} {body['lots']:,} lots of {entry.instrument}{limit}"
        return f"{entry.parent} accepted: {what}, agent {entry.agent}, {body['horizon_ns'] / 60e9:g} min"
    if entry.kind == kinds.HOLD:
        parents = f"; {event} with it: {', '.join(body['parents'])}" if body["parents"] else ""
        takes = "takes no parent" if event == "paused" else "takes parents again"
        return f"{entry.agent} is {event} and {takes}{parents}"
    if entry.kind == kinds.STANCE:
        return f"posture by hand of {entry.agent or 'the whole desk'} {event}"
    if (word := BY_HAND.get(event)) is not None:
        return f"{entry.parent}: {word.format(**{'orders': (), **body})}"
    if entry.kind == kinds.OPERATOR:
        return f"alert {body['body']['alert']} is owned by {body['by']}"
    return f"{entry.parent or entry.agent} {event}"


def submit(served: ConnectedDesk, asked: ParentBody, by: str) -> Done:
    """Submit a parent order; the desk's answer."""
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
    return Done(done=[_asked(served, "submit", body, by, asked.reason)])


def most_flow(served: ConnectedDesk, instrument: str) -> str:
    """The agent that has most of an instrument's flow.

    Raises
    ------
    HttpError
        409: nobody has any.
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


def change_parent(served: ConnectedDesk, verb: str, id_: str, by: str, reason: str) -> Done:
    """Pause, resume or cancel a parent, which the desk alone may know yet; its answer."""
    parent = id_ if served.reading else served.parent(id_).id
    return Done(done=[_asked(served, verb, {"parent": parent}, by, reason)])


def amend(served: ConnectedDesk, id_: str, asked: AmendBody, by: str) -> Done:
    """Change a parent; the desk's answer."""
    parent = served.parent(id_)
    body: dict[str, Any] = {"parent": parent.id}
    body |= {} if asked.qty is None else {"lots": served.lots(parent.order.instrument, asked.qty)}
    body |= {} if asked.minutes is None else {"horizon_ns": round(asked.minutes * NS_PER_MINUTE)}
    body |= {} if asked.limit_price is None else {"limit_price": asked.limit_price}
    if len(body) == 1:
        raise HttpError(422, "qty, minutes or limit_price", "none of them", "say what is to change")
    return Done(done=[_asked(served, "amend", body, by, asked.reason)])


def change_agent(served: ConnectedDesk, verb: str, agent: str, by: str, reason: str) -> Done:
    """Pause an agent, or let it go on; the desk's answer, and what of it waits on for reasons of its own."""
    served.must_have([agent])
    done = [_asked(served, f"{verb}_agent", {"agent": agent}, by, reason)]
    return Done(done=done + (_waits(served, agent) if verb == "resume" else []))


def _waits(served: ConnectedDesk, agent: str = "") -> list[str]:
    """Parents that are paused, an agent's or all, and why."""

    def paused(state: DeskState) -> list[str]:
        found = [one for one in state.ledger.parents.open() if agent in ("", one.order.agent)]
        return [f"{one.id} ({one.reason})" for one in found if one.status == "paused"]

    waits = served.follower.ask(paused)
    return [f"{served.name}: paused until each is resumed: {', '.join(waits)}"] if waits else []


def hand_over(served: ConnectedDesk, command: str, id_: str, by: str, reason: str) -> Done:
    """Take a parent over, or give it back; the desk's answer."""
    return Done(done=[_asked(served, command, {"parent": served.parent(id_).id}, by, reason)])


def order_by_hand(served: ConnectedDesk, id_: str, asked: HandOrderBody, by: str) -> Done:
    """Send an order of a parent by hand; what became of it within a moment."""
    parent, before = served.parent(id_), served.desk.last()
    instrument = parent.order.instrument
    body = {
        "parent": parent.id,
        "lots": served.lots(instrument, asked.qty),
        "limit_price": asked.limit_price,
    }
    entry = _answer(served, "order", body, by, asked.reason)
    name, side = str(entry.body["order"]), SIDE_WORDS[parent.order.side]
    at = "at the market" if asked.limit_price is None else f"at {asked.limit_price:,.15g}"
    last = partial(_of_order, name, asked.limit_price is not None)
    became = last(served.wait(before, (kinds.REPORT_IN,), lambda seen: last(seen)[1]))[0]
    what = f"{served.name}: {parent.id}: {name}, {side} {asked.qty:,.15g} {instrument} {at}"
    if became.startswith("rejected"):
        return Done(done=[], not_done=[NotDone(what=what, why=became)])
    return Done(done=[f"{what}: {became}"])


def _of_order(name: str, rests: bool, found: Sequence[Entry]) -> tuple[str, bool]:
    """What the venue has said of an order, and whether more need not be waited for."""
    reports = [one.body for one in found if name in (one.order, one.body.get("orig"))]
    if not reports:
        return "sent; the venue has not spoken of it yet", False
    status, why = str(reports[-1].get("status", "")), str(reports[-1].get("text") or "")
    words = status.replace("_", " ") + (f": {why}" if why else "")
    return words, rests or status not in ("new", "pending_new")


def withdraw(served: ConnectedDesk, id_: str, asked: WithdrawBody, by: str) -> Done:
    """Cancel orders that were given by hand; the desk's answer."""
    body = {"parent": served.parent(id_).id, "order": asked.order}
    return Done(done=[_asked(served, "withdraw", body, by, asked.reason)])


def own_alert(
    served: ConnectedDesk, seq: int, by: str, note: str, *, at_gate: bool = False
) -> Done:
    """An alert is somebody's from here on, in the journal that it stands in: the desk's, or that of its gate.

    Of several people who take it the first one's it is, whichever console they are at.
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
        raise HttpError(
            409, f"an alert of {who} that is nobody's", f"{seq}, {owner}'s", "ask its owner"
        )
    return Done(done=[f"{who}: {said or f'alert {seq} is owned by {by}'}"])


# -- what takes two persons --------------------------------------------------------------------------------------------


def may_rearm(served: ConnectedDesk, agents: Sequence[str]) -> dict[str, Any]:
    """What a re-arm is asked of: agents and the latch's mark; refused where they are not killed."""
    served.must_have(agents)
    mark, killed = served.desk.mark(), served.desk.killed()  # a kill between the two is another one
    if killed is None:
        raise HttpError(
            409, "a kill to take back", f"{served.name} is armed", "nothing is to be done"
        )
    if agents and (killed["scope"] == "all" or not set(agents) <= set(killed["scope"].split(", "))):
        raise HttpError(
            409,
            f"agents that are killed: {killed['scope']}",
            ", ".join(agents),
            "name those, or none for all",
        )
    return {"agents": list(agents), "mark": mark}


def may_promote(served: ConnectedDesk, agent: str) -> dict[str, Any]:
    """What a promotion would do, as the desk's command has it; refused where nobody challenges."""
    served.must_have([agent])
    there = served.follower.ask(lambda state: dict(assignment_of(state, agent)))
    if not there.get("challenger"):
        raise HttpError(
            409, "an agent with a challenger", f"{agent}, which has none", "look at the page"
        )
    return {"agent": agent, "champion": there.get("strategy"), "challenger": there["challenger"]}


def must_be_so_still(served: ConnectedDesk, act: str, body: Mapping[str, Any]) -> None:
    """Refuse to confirm what is not there any more as it was asked about; the desk looks again when it does it."""
    now = body
    if act == "rearm":
        now = {**body, "mark": served.desk.mark()}
    elif act == "promote":
        now = may_promote(served, body["agent"])
    if now != body:
        raise HttpError(
            409,
            "what was asked about",
            f"another one now at {served.name}",
            "refuse it; look at the page and ask anew",
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
            f"{agent}, for whom nobody was promoted",
            "look at the page",
        )


def posture_of(asked: PostureBody) -> dict[str, Any]:
    """A posture by hand as the desk's command has it."""
    given = asked.model_dump(
        include={"urgency", "max_participation", "size_multiplier"}, exclude_none=True
    )
    if asked.styles is not None:
        given["styles"] = int(sum({Style[one.upper()] for one in asked.styles}))
    words = {name: float(value) if name != "styles" else value for name, value in given.items()}
    return {"agent": asked.agent, "words": words, "span_ns": round(asked.minutes * NS_PER_MINUTE)}


def set_posture(served: ConnectedDesk, body: Mapping[str, Any], by: str, reason: str) -> Done:
    """Set a posture by hand, or end one (`lift`); the desk's answer."""
    return Done(done=[_asked(served, "posture", body, by, reason)])


def looser(served: ConnectedDesk, asked: LimitsBody) -> tuple[dict[str, str], list[str]]:
    """Changes as the desk's command has them, and the paths that they would loosen.

    Raises
    ------
    LimitsError, HttpError
        No limit file could have them; or the journal does not say what is in force.
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


def tighten(served: ConnectedDesk, changes: Mapping[str, str], by: str, reason: str) -> Done:
    """Make limits tighter; the desk's answer."""
    return Done(done=[_asked(served, "limits", {"act": "tighten", "changes": changes}, by, reason)])


def ask_limits(served: ConnectedDesk, changes: Mapping[str, str], by: str, reason: str) -> int:
    """Put a request for looser limits before the desk; its number."""
    entry = served.desk.ask("limits", {"act": "request", "changes": changes}, by, reason)
    if entry is None:
        raise HttpError(
            409, f"an answer of {served.name}", f"none in {ANSWER_S:g} s", "look at the page"
        )
    return int(entry.body["request"])


def confirmed(
    served: ConnectedDesk, act: str, body: Mapping[str, Any], by: Mapping[str, str], reason: str
) -> Done:
    """Do what one person asked for and another confirmed (`both`: the two; `second`: the latter)."""
    if act == "rearm":
        return rearm(served, list(body["agents"]), by["both"], reason, str(body["mark"]))
    if act == "posture":
        return set_posture(served, body, by["both"], reason)
    if act == "promote":
        return Done(done=[_asked(served, "promote", body, by["both"], reason)])
    # the desk itself holds who asked for what, and refuses the same person and other values
    approve = {"act": "approve", "request": int(body["request"]), "changes": body.get("changes")}
    return Done(done=[_asked(served, "limits", approve, by["second"], reason)])
