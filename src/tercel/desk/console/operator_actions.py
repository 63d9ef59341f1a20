"""Texts for people of the actions in a journal: commands, kills, re-arms, holds, manual risk states, promotions."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import convert

from tercel.core.messages import Style
from tercel.core.ports import Entry
from tercel.core.report.formatting import format_percent
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.trading.experiment import BEGAN, ENDED, SHARES, STOPPED, ExperimentEntry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import CommandBody, KillEntry, RearmEntry

POSTURE_LABELS: Final = {
    "urgency": "urgency",
    "max_participation": "at most of volume",
    "size_multiplier": "size",
    "styles": "styles",
}


def describe_action(entry: Entry) -> str:
    """Text of a person's action, from its journal entry of any of the kinds described here.

    >>> body = {"command": "amend", "body": {"parent": "p1", "lots": 1500}, "by": "ann", "reason": "less"}
    >>> describe_action(Entry(kinds.OPERATOR, 0, body=body))
    'asked to change p1: 1,500 lots'
    """
    return _DESCRIBERS.get(entry.kind, _describe_command)(entry)


def _describe_kill(entry: Entry) -> str:
    """Text of a kill entry: what was killed, or that the kill is confirmed."""
    body = KillEntry.of(entry)
    if body.event == "confirmed":
        return f"kill of {body.scope} is confirmed: nothing open at the venue"
    return f"killed {body.scope}" + (f", {body.open:,} lots being cancelled" if body.open else "")


def _describe_rearm(entry: Entry) -> str:
    """Text of a re-arm entry: what was re-armed, or which stop is over."""
    body = RearmEntry.of(entry)
    if body.ends:
        return f"let {body.scope} resume: {_join_names(body.ends)} is over"
    return f"re-armed {body.scope}"


def _describe_hold(entry: Entry) -> str:
    """Text of a pause or resumption of an agent, with its parents."""
    parents = entry.body.get("parents")
    return f"{entry.body.get('event')} {entry.agent}" + (
        f", with {_join_names(parents)}" if parents else ""
    )


def _describe_stance(entry: Entry) -> str:
    """Text of a manual risk state that was set, lifted or has ended."""
    posture = entry.body.get("words")
    target = entry.agent or "the desk"
    setting = f": {_describe_posture(posture)}" if isinstance(posture, Mapping) else ""
    instead = ", instead of risk's" if entry.body.get("instead") else ""
    return f"manual risk state of {target} {entry.body.get('event')}{setting}{instead}"


def _describe_experiment(entry: Entry) -> str:
    """Text of an event of an experiment."""
    event = ExperimentEntry.of(entry)
    shares = ", ".join(
        f"{arm} {format_percent(share)}" for arm, share in (event.shares or {}).items()
    )
    what = {
        BEGAN: f"began: {shares}",
        SHARES: f"has other shares: {shares}",
        STOPPED: f"draws {event.arm} no more: {shares}",
        ENDED: f"ended, {event.arm} promoted" if event.arm else "ended",
    }
    return f"experiment {event.name} of {entry.agent} {what[event.event]}"


_DESCRIBERS: Final[Mapping[str, Callable[[Entry], str]]] = {
    kinds.KILL: _describe_kill,
    kinds.REARM: _describe_rearm,
    kinds.HOLD: _describe_hold,
    kinds.STANCE: _describe_stance,
    kinds.EXPERIMENT: _describe_experiment,
    kinds.PROMOTED: lambda entry: (
        f"promoted {entry.body.get('challenger')} over {entry.body.get('champion')} of {entry.agent}"
    ),
}


def _describe_command(entry: Entry) -> str:
    """Text of an operator's command; where its name is unknown or its body invalid, only "asked to COMMAND TARGET"."""
    command = str(entry.body.get("command"))
    command_body = entry.body.get("body")
    try:
        return _describe_request(command, convert(command_body, CommandBody))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        fields = command_body if isinstance(command_body, Mapping) else {}
        target = fields.get("parent") or fields.get("agent") or ""
        return f"asked to {command.removesuffix('_agent').replace('_', ' ')} {target}".rstrip()


def _describe_request(command: str, body: CommandBody) -> str:
    """Text of a command with a valid body; LookupError or TypeError if there is no text for it.

    Raises
    ------
    LookupError, TypeError
        A command without words of its own, or without what they are of.
    """
    changes = [] if body.lots is None else [f"{body.lots:,} lots"]
    limit = []
    if body.limit_price is not None:
        limit = ["no limit price" if body.limit_price == "none" else f"limit {body.limit_price}"]
    match command:
        case "submit":
            trade = f"{SIDE_NAMES[body.side]} {body.lots:,} lots of {body.instrument}"
            parts = [trade, _format_minutes(body.horizon_ns), f"by {body.agent}", *limit]
            return f"requested {body.id}: {', '.join(parts)}"
        case "amend":
            if body.horizon_ns is not None:
                changes.append(f"{_format_minutes(body.horizon_ns)} from its acceptance")
            return f"asked to change {body.parent}: {', '.join(changes + limit)}"
        case "order":
            lots = f"{body.lots:,} lots"
            return f"asked to send a manual order of {body.parent}: {', '.join([lots, *limit])}"
        case "withdraw":
            return f"asked to cancel {body.order or 'every manual order'} of {body.parent}"
        case "request_quotes":
            return f"asked {_join_names(body.dealers) or 'all dealers'} for quotes of {body.lots:,} lots, {body.parent}"
        case "accept_quote":
            return f"asked to take the quote {body.quote} of {body.request}"
        case "pass_quotes":
            return f"asked to pass {_join_names(body.quotes) or 'all quotes'} of {body.request}"
        case "limits":
            return _describe_limits(body)
        case "posture":
            return f"asked {_describe_posture_request(body)} for {body.agent or 'the desk'}"
        case "experiment":
            arm = f" {body.arm}" if body.arm else ""
            return f"asked to {body.act}{arm} in the experiment of {body.agent or ''}"
        case "promote":
            return f"asked to promote {body.challenger or 'the challenger'} of {body.agent or ''}"
        case "own_alert" if body.alert:
            return f"took alert {body.alert} as their own"
        case "settle":
            names = _join_names(body.orders or body.executions)
            return f"said that {names or 'positions'} are settled"
        case "kill" | "rearm" if body.agents is not None:
            target = _join_names(body.agents) or "all agents"
            return f"asked to {'kill' if command == 'kill' else 're-arm'} {target}"
    raise LookupError(command)


def _join_names(names: object) -> str:
    """Names joined by commas; "" for anything but a list."""
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else ""


def _format_minutes(ns: float) -> str:
    """A time in ns as minutes, such as "30 min"."""
    return f"{ns / 60e9:,.4g} min"


def _describe_limits(body: CommandBody) -> str:
    """Text of a command that asks to change limits or confirms a change."""
    if body.act == "approve":
        return f"confirmed looser limits, request {body.request}"
    if body.changes is None:
        raise LookupError("changes")
    changes = ", ".join(f"{path.replace('_', ' ')} {value}" for path, value in body.changes.items())
    return f"asked to {'tighten' if body.act == 'tighten' else 'loosen'} limits: {changes}"


def _describe_posture_request(body: CommandBody) -> str:
    """Text of a command that sets or ends a manual risk state."""
    if body.lift or not isinstance(body.words, Mapping):
        return "to end the manual risk state"
    instead = ", instead of risk's," if body.instead else ""
    return f"to set a manual risk state, {_describe_posture(body.words)}, {_format_minutes(body.span_ns)}{instead}"


def _describe_posture(posture: Mapping[str, Any]) -> str:
    """Text of a posture's fields: shares in percent, styles by name."""

    def value(name: str, setting: Any) -> str:
        """Text of one field's value: names of styles, or percent."""
        if name == "styles":
            return ", ".join(
                style.name.lower() for style in Style if style & int(setting) and style.name
            )
        return f"{100 * float(setting):.4g} %"

    return ", ".join(
        f"{POSTURE_LABELS.get(name, name)} {value(name, setting)}"
        for name, setting in posture.items()
    )
