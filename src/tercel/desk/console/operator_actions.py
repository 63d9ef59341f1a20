"""Actions of people in a journal, in words."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tercel.core.messages import Style
from tercel.core.ports import Entry
from tercel.core.vocabulary import SIDE_WORDS
from tercel.desk.console.report import Deed
from tercel.desk.trading.journal import kinds

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
    body = entry.body
    whom = body.get("scope")
    if body.get("event") == "confirmed":
        return f"kill of {whom} is confirmed: nothing open at the venue"
    return f"killed {whom}" + (
        f", {body['open']:,} lots being cancelled" if body.get("open") else ""
    )


def _rearmed(entry: Entry) -> str:
    if ends := entry.body.get("ends"):
        return f"let {entry.body.get('scope')} resume: {_listed(ends)} is over"
    return f"re-armed {entry.body.get('scope')}"


def _held(entry: Entry) -> str:
    parents = entry.body.get("parents")
    return f"{entry.body.get('event')} {entry.agent}" + (
        f", with {_listed(parents)}" if parents else ""
    )


def _stance(entry: Entry) -> str:
    words, whom = entry.body.get("words"), entry.agent or "the desk"
    set_ = f": {_posture(words)}" if isinstance(words, Mapping) else ""
    instead = ", instead of risk's" if entry.body.get("instead") else ""
    return f"posture of {whom} by hand {entry.body.get('event')}{set_}{instead}"


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
    said = dict(about) if isinstance(about, Mapping) else {}
    whom = said.get("parent") or said.get("agent") or ""
    try:
        return _COMMANDS[command](said, str(whom))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return f"asked to {command.removesuffix('_agent').replace('_', ' ')} {whom}".rstrip()


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else ""


def _lots(said: Mapping[str, Any]) -> str:
    return f"{said['lots']:,} lots"


def _limit(said: Mapping[str, Any]) -> list[str]:
    price = said.get("limit_price")
    return [] if price is None else ["no limit price" if price == "none" else f"limit {price}"]


def _changes(said: Mapping[str, Any]) -> str:
    lots = [] if said.get("lots") is None else [_lots(said)]
    span = (
        []
        if said.get("horizon_ns") is None
        else [f"{_minutes(said['horizon_ns'])} from its acceptance"]
    )
    return ", ".join(lots + span + _limit(said))


def _minutes(ns: float) -> str:
    return f"{ns / 60e9:,.4g} min"


def _parent(said: Mapping[str, Any]) -> str:
    what = f"{SIDE_WORDS[said['side']]} {_lots(said)} of {said['instrument']}"
    return ", ".join([what, _minutes(said["horizon_ns"]), f"by {said['agent']}", *_limit(said)])


def _limits(said: Mapping[str, Any]) -> str:
    if said.get("act") == "approve":
        return f"confirmed looser limits, request {said['request']}"
    changes = ", ".join(
        f"{path.replace('_', ' ')} {value}" for path, value in dict(said["changes"]).items()
    )
    return f"asked to {'tighten' if said['act'] == 'tighten' else 'loosen'} limits: {changes}"


def _wanted(said: Mapping[str, Any]) -> str:
    """Request about a posture by hand."""
    words = said.get("words")
    if said.get("lift") or not isinstance(words, Mapping):
        return "to end the posture by hand"
    instead = ", instead of risk's," if said.get("instead") else ""
    return f"to set a posture by hand, {_posture(words)}, {_minutes(said['span_ns'])}{instead}"


def _posture(words: Mapping[str, Any]) -> str:
    def value(name: str, is_: Any) -> str:
        if name == "styles":
            return ", ".join(one.name.lower() for one in Style if one & int(is_) and one.name)
        return f"{100 * float(is_):.4g} %"

    return ", ".join(f"{POSTURE.get(name, name)} {value(name, is_)}" for name, is_ in words.items())


_COMMANDS: Final[Mapping[str, Callable[[dict[str, Any], str], str]]] = {
    "submit": lambda said, _: f"asked for {said['id']}: {_parent(said)}",
    "amend": lambda said, whom: f"asked to change {whom}: {_changes(said)}",
    "order": lambda said, whom: (
        f"asked to send by hand for {whom}: {', '.join([_lots(said), *_limit(said)])}"
    ),
    "withdraw": lambda said, whom: (
        f"asked to cancel {said['order'] or 'every order by hand'} of {whom}"
    ),
    "limits": lambda said, _: _limits(said),
    "posture": lambda said, whom: f"asked {_wanted(said)} for {whom or 'the desk'}",
    "promote": lambda said, whom: (
        f"asked to promote {said.get('challenger', 'the challenger')} of {whom}"
    ),
    "own_alert": lambda said, _: f"took alert {said['alert']} as their own",
    "settle": lambda said, _: (
        f"said that {_listed(next(iter(said.values()), ())) or 'positions'} are settled"
    ),
    "kill": lambda said, _: f"asked to kill {_listed(said['agents']) or 'all agents'}",
    "rearm": lambda said, _: f"asked to re-arm {_listed(said['agents']) or 'all agents'}",
}
