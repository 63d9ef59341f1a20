"""Actions of people in a journal, in words."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import convert

from tercel.core.messages import Style
from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.report import Deed
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import CommandBody, KillEntry, RearmEntry

POSTURE: Final = {
    "urgency": "urgency",
    "max_participation": "at most of volume",
    "size_multiplier": "size",
    "styles": "styles",
}


def operator_action(seq: int, entry: Entry) -> Deed:
    """Action of a person, from an operator's, kill, re-arm, hold, posture or promotion entry.

    >>> body = {"command": "amend", "body": {"parent": "p1", "lots": 1500}, "by": "ann", "reason": "less"}
    >>> operator_action(7, Entry(kinds.OPERATOR, 0, body=body)).what
    'asked to change p1: 1,500 lots'
    """
    words = _DONE.get(entry.kind, _asked)
    return Deed(
        seq=seq,
        ns=entry.ns,
        kind=entry.kind,
        by=str(entry.body.get("by") or ""),
        what=words(entry),
        reason=str(entry.body.get("reason") or ""),
    )


def _killed(entry: Entry) -> str:
    body = KillEntry.of(entry)
    if body.event == "confirmed":
        return f"kill of {body.scope} is confirmed: nothing open at the venue"
    return f"killed {body.scope}" + (f", {body.open:,} lots being cancelled" if body.open else "")


def _rearmed(entry: Entry) -> str:
    body = RearmEntry.of(entry)
    if body.ends:
        return f"let {body.scope} resume: {_listed(body.ends)} is over"
    return f"re-armed {body.scope}"


def _held(entry: Entry) -> str:
    parents = entry.body.get("parents")
    return f"{entry.body.get('event')} {entry.agent}" + (
        f", with {_listed(parents)}" if parents else ""
    )


def _stance(entry: Entry) -> str:
    words, whom = entry.body.get("words"), entry.agent or "the desk"
    set_ = f": {_posture(words)}" if isinstance(words, Mapping) else ""
    instead = ", instead of risk's" if entry.body.get("instead") else ""
    return f"manual risk state of {whom} {entry.body.get('event')}{set_}{instead}"


_DONE: Final[Mapping[str, Callable[[Entry], str]]] = {
    kinds.KILL: _killed,
    kinds.REARM: _rearmed,
    kinds.HOLD: _held,
    kinds.STANCE: _stance,
    kinds.PROMOTED: lambda entry: (
        f"promoted {entry.body.get('challenger')} over {entry.body.get('champion')} of {entry.agent}"
    ),
}


def _asked(entry: Entry) -> str:
    """Request of an operator's command, which may hold anything and be refused."""
    command, about = str(entry.body.get("command")), entry.body.get("body")
    try:
        return _request(command, convert(about, CommandBody))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        said = about if isinstance(about, Mapping) else {}
        whom = said.get("parent") or said.get("agent") or ""
        return f"asked to {command.removesuffix('_agent').replace('_', ' ')} {whom}".rstrip()


def _request(command: str, said: CommandBody) -> str:
    """Request in words.

    Raises
    ------
    LookupError, TypeError
        A command without words of its own, or without what they are of.
    """
    changes = [] if said.lots is None else [f"{said.lots:,} lots"]
    limit = []
    if said.limit_price is not None:
        limit = ["no limit price" if said.limit_price == "none" else f"limit {said.limit_price}"]
    match command:
        case "submit":
            what = f"{SIDE_WORDS[said.side]} {said.lots:,} lots of {said.instrument}"
            by = [what, _minutes(said.horizon_ns), f"by {said.agent}", *limit]
            return f"requested {said.id}: {', '.join(by)}"
        case "amend":
            if said.horizon_ns is not None:
                changes.append(f"{_minutes(said.horizon_ns)} from its acceptance")
            return f"asked to change {said.parent}: {', '.join(changes + limit)}"
        case "order":
            lots = f"{said.lots:,} lots"
            return f"asked to send a manual order of {said.parent}: {', '.join([lots, *limit])}"
        case "withdraw":
            return f"asked to cancel {said.order or 'every manual order'} of {said.parent}"
        case "request_quotes":
            return f"asked {_listed(said.dealers) or 'all dealers'} for quotes of {said.lots:,} lots, {said.parent}"
        case "accept_quote":
            return f"asked to take the quote {said.quote} of {said.request}"
        case "pass_quotes":
            return f"asked to pass {_listed(said.quotes) or 'all quotes'} of {said.request}"
        case "limits":
            return _limits(said)
        case "posture":
            return f"asked {_wanted(said)} for {said.agent or 'the desk'}"
        case "promote":
            return f"asked to promote {said.challenger or 'the challenger'} of {said.agent or ''}"
        case "own_alert" if said.alert:
            return f"took alert {said.alert} as their own"
        case "settle":
            names = _listed(said.orders or said.executions)
            return f"said that {names or 'positions'} are settled"
        case "kill" | "rearm" if said.agents is not None:
            whom = _listed(said.agents) or "all agents"
            return f"asked to {'kill' if command == 'kill' else 're-arm'} {whom}"
    raise LookupError(command)


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else ""


def _minutes(ns: float) -> str:
    return f"{ns / 60e9:,.4g} min"


def _limits(said: CommandBody) -> str:
    if said.act == "approve":
        return f"confirmed looser limits, request {said.request}"
    if said.changes is None:
        raise LookupError("changes")
    changes = ", ".join(f"{path.replace('_', ' ')} {value}" for path, value in said.changes.items())
    return f"asked to {'tighten' if said.act == 'tighten' else 'loosen'} limits: {changes}"


def _wanted(said: CommandBody) -> str:
    """Request about a manual risk state."""
    if said.lift or not isinstance(said.words, Mapping):
        return "to end the manual risk state"
    instead = ", instead of risk's," if said.instead else ""
    return f"to set a manual risk state, {_posture(said.words)}, {_minutes(said.span_ns)}{instead}"


def _posture(words: Mapping[str, Any]) -> str:
    def value(name: str, is_: Any) -> str:
        if name == "styles":
            return ", ".join(one.name.lower() for one in Style if one & int(is_) and one.name)
        return f"{100 * float(is_):.4g} %"

    return ", ".join(f"{POSTURE.get(name, name)} {value(name, is_)}" for name, is_ in words.items())
