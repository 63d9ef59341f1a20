"""`tercel trade submit|pause|resume|cancel|amend|promote|settle|limits`: a person's word to a desk that runs."""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.operator import AskDesk, DeskRequest, Reason, agents_of, find_desk
from tercel.cli.request import add
from tercel.cli.shared import print_json, result_console, say
from tercel.cli.trade_look import print_rows, print_states, short
from tercel.core.errors import ConfigError
from tercel.core.machine import person
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SIDE_WORDS

if TYPE_CHECKING:
    from tercel.api.desk.folder import PostedCommand
    from tercel.core.ports import Entry
    from tercel.desk.console.report import Limit

SHOWN = 16
"""Limits that a terminal shows: those used most."""

limits_app = typer.Typer(
    name="limits",
    help="Limits of a running desk: one person tightens, two loosen.",
    no_args_is_help=True,
)
Changes = Annotated[
    list[str],
    typer.Argument(
        help="desk.KEY=VALUE, agents.NAME.KEY=VALUE or instruments.NAME.KEY=VALUE, as in a limit file.",
        metavar="PATH=VALUE...",
    ),
]
Why = Annotated[str, typer.Option("--reason", help="Why: it is journaled.", metavar="TEXT")]


@dataclass(frozen=True)
class ShowLimits(DeskRequest):
    """What is asked of `tercel trade limits show`."""


def show(request: ShowLimits) -> int:
    """Show what limits are in force, how much of each is used, who waits for a second person, orders without them."""
    from tercel.desk.console.state import highest
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.reader import JournalReader
    from tercel.desk.trading.limit_record import EXPIRES_NS, LimitRecord, wrong
    from tercel.desk.trading.state import FOLDED, TradingStates

    folder = find_desk(request.desk)
    with closing(JournalReader(folder)) as reader:
        record, states, used, ns = LimitRecord(), TradingStates(), {}, 0
        for _, entry in reader.read(0, (kinds.LIMITS, kinds.HEARTBEAT, *FOLDED)):
            ns = entry.ns
            if entry.kind == kinds.LIMITS:
                record.apply(entry)
            elif entry.kind == kinds.HEARTBEAT:
                used = entry.body["limits"]
            states.apply(entry)
        orders, found = wrong(reader)
    waiting: list[dict[str, Any]] = [
        {"request": number, "by": one.by, "reason": one.reason, "changes": dict(one.changes)}
        for number, one in record.requests.items()
        if one.open(ns)
    ]
    rows = highest(used)
    if request.as_json:
        shown = {
            "hash": record.hash,
            "limits": record.in_force,
            "used": [vars(row) for row in rows],
            "requests": waiting,
        }
        shown |= {"states": states.rows()}
        print_json({"desk": str(folder), **shown, "orders": orders, "wrong": found})
    else:
        print_rows(f"limits of {folder}, {record.hash}", [_row(row) for row in rows[:SHOWN]])
        print_states(states.rows())
        texts = [
            one
            | {"changes": ", ".join(f"{path}={value}" for path, value in one["changes"].items())}
            for one in waiting
        ]
        print_rows(f"asked for, to be approved within {EXPIRES_NS // 10**9} s", texts)
        result_console().print(
            f"{orders:,} orders carry the limits that they passed; wrong: {'; '.join(found) or 'none'}"
        )
    return 1 if found else 0


def _row(row: "Limit") -> dict[str, Any]:
    name = "" if row.scope == "desk" else row.name
    return {**vars(row), "name": name, "share": f"{100 * row.share:.0f}%"}


@dataclass(frozen=True)
class TightenLimits(AskDesk):
    """What is asked of `tercel trade limits tighten`, and of `request`."""

    changes: Changes
    reason: Why


def tighten(request: TightenLimits) -> None:
    """Make limits of a running desk tighter, at once and alone."""
    ask(
        request,
        "limits",
        {"act": "tighten", "changes": changes_of(request.changes)},
        request.reason,
    )


def request(request: TightenLimits) -> None:
    """Ask for looser limits; another person approves them within a quarter of an hour."""
    ask(
        request,
        "limits",
        {"act": "request", "changes": changes_of(request.changes)},
        request.reason,
    )


@dataclass(frozen=True)
class ApproveLimits(AskDesk):
    """What is asked of `tercel trade limits approve`."""

    number: Annotated[
        int, typer.Argument(help="The request; `tercel trade limits show` names it.", min=1)
    ]
    reason: Why


def approve(request: ApproveLimits) -> None:
    """Approve the limits that another person asked for."""
    ask(request, "limits", {"act": "approve", "request": request.number}, request.reason)


def changes_of(typed: Sequence[str]) -> dict[str, str]:
    """Changes as a command's body has them.

    Raises
    ------
    ConfigError
        For what has no path, no value, or a path twice.

    >>> changes_of(["desk.messages=5"])
    {'desk.messages': '5'}
    """
    changes: dict[str, str] = {}
    for each in typed:
        path, equal, value = each.partition("=")
        if not (path and equal and value) or path in changes:
            raise ConfigError(
                "a change as PATH=VALUE, each path once", repr(each), "write desk.messages=1000"
            )
        changes[path] = value
    return changes


add(limits_app, show, tighten, request, approve)


Parent = Annotated[
    str,
    typer.Argument(help="A parent order's id; `tercel trade orders` names them.", metavar="PARENT"),
]
HORIZON_NS = 600 * 10**9
LONGEST_S = 1e7


@dataclass(frozen=True)
class Submit(AskDesk):
    """What is asked of `tercel trade submit`."""

    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT")]
    side: Annotated[str, typer.Argument(help="buy or sell.", metavar="SIDE")]
    lots: Annotated[int, typer.Argument(min=1, max=2**30, metavar="LOTS")]
    agent: Annotated[
        str, typer.Option(help="Who works it (default: the desk's only agent).", metavar="A")
    ] = ""
    name: Annotated[
        str,
        typer.Option(
            "--id",
            help="A new id for it (default: one is made and told first); asked for twice it is one order.",
            metavar="ID",
        ),
    ] = ""
    strategy: Annotated[
        str, typer.Option(help="What works it (default: the agent's own).", metavar="NAME")
    ] = ""
    horizon: Annotated[
        str | None,
        typer.Option(
            help="From acceptance to its horizon: 15min, 2h, 90s (default: 10min).", metavar="SPAN"
        ),
    ] = None
    decisions: Annotated[
        int | None,
        typer.Option(
            help="Decisions within it (default: as often as the desk's).",
            min=1,
            max=10**6,
            metavar="N",
        ),
    ] = None
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="It never trades beyond: a price, or 25bps beyond the mid at arrival.",
            metavar="PRICE",
        ),
    ] = None
    reason: Reason = "submit"


def submit(request: Submit) -> None:
    """Ask a running desk to work one more parent order."""
    if request.side not in ("buy", "sell"):
        raise ConfigError(
            "buy or sell", repr(request.side), "such as: tercel trade submit AAA buy 100 ..."
        )
    agents = [request.agent] if request.agent else sorted(agents_of(find_desk(request.desk)))
    name = request.name or f"{(agents or ['A'])[0]}-{secrets.token_hex(4)}"
    if len(agents) != 1:
        words = [
            "tercel",
            "trade",
            "submit",
            request.instrument,
            request.side,
            str(request.lots),
            "--id",
            name,
            "--agent",
            (agents or ["A"])[0],
            *(["--desk", str(request.desk)] if request.desk else []),
        ]
        known = ", ".join(agents) or "no agent is in its journal"
        raise ConfigError(f"an agent of the desk: {known}", "no --agent", f"`{shlex.join(words)}`")
    if not request.name:
        say(
            f"id        {name}: name it (--id {name}) to ask again where no answer comes, so that it is one order"
        )
    body: dict[str, object] = {
        "id": name,
        "instrument": request.instrument,
        "lots": request.lots,
        **limit_of(request.limit_price),
        "side": 1 if request.side == "buy" else -1,
        "horizon_ns": _horizon_ns(request) or HORIZON_NS,
        "agent": agents[0],
    }
    body |= {} if request.decisions is None else {"decisions": request.decisions}
    ask(
        request,
        "submit",
        body | ({"strategy": request.strategy} if request.strategy else {}),
        request.reason,
    )


@dataclass(frozen=True)
class Settle(AskDesk):
    """What is asked of `tercel trade settle`."""

    reason: Annotated[
        str, typer.Option(help="Why: it is journaled with your name.", metavar="TEXT")
    ]
    order: Annotated[
        list[str] | None,
        typer.Option(
            help="An order of which the venue will never speak again: it is over with what was filled, by your word. "
            "A gate or desk that runs obeys. May be repeated.",
            metavar="ORDER",
        ),
    ] = None
    execution: Annotated[
        list[str] | None,
        typer.Option(
            help="An execution that its alert IMPLAUSIBLE_FILL calls so: it was made at that price, by your word, and "
            "counts at it from here on. May be repeated.",
            metavar="ORDER:EXECUTION",
        ),
    ] = None


def settle(request: Settle) -> None:
    """Say why positions differ from the venue's, or that orders are over or executions right: trading goes on."""
    from tercel.api.desk.folder import PostedCommand, settle_orders

    if request.execution or not request.order:
        ask(
            request,
            "settle",
            {"executions": request.execution} if request.execution else {},
            request.reason,
        )
    desk, rows = find_desk(request.desk), list[dict[str, Any]]()
    for one in (
        settle_orders(desk, request.order, request.reason, request.wait) if request.order else ()
    ):
        if isinstance(one, PostedCommand):
            _tell(request, one)
        else:
            rows.append(one)
    if request.as_json and rows:
        print_json({"desk": str(desk), "by": person(), "reason": request.reason, "settled": rows})
        return
    for row in rows:
        say(
            f"{row['order']} is over with {row['filled']} lots filled, by the word of {person()}: {row['journal']}"
        )


@dataclass(frozen=True)
class Pause(AskDesk):
    """What is asked of `tercel trade pause`."""

    parent: Parent
    reason: Reason = "pause"


def pause(request: Pause) -> None:
    """Cancel a parent's orders and let it wait."""
    ask(request, "pause", {"parent": request.parent}, request.reason)


@dataclass(frozen=True)
class Resume(Pause):
    """What is asked of `tercel trade resume`."""

    reason: Reason = "resume"


def resume(request: Resume) -> None:
    """Go on with a parent that was paused."""
    ask(request, "resume", {"parent": request.parent}, request.reason)


@dataclass(frozen=True)
class Cancel(Pause):
    """What is asked of `tercel trade cancel`."""

    reason: Reason = "cancel"


def cancel(request: Cancel) -> None:
    """Call a parent off."""
    ask(request, "cancel", {"parent": request.parent}, request.reason)


@dataclass(frozen=True)
class Amend(AskDesk):
    """What is asked of `tercel trade amend`."""

    parent: Parent
    lots: Annotated[
        int | None, typer.Option(help="The new total, filled lots included.", min=1, metavar="N")
    ] = None
    horizon: Annotated[
        str | None,
        typer.Option(help="The new horizon, from its acceptance: 15min, 2h, 90s.", metavar="SPAN"),
    ] = None
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="Another limit: a price, 25bps beyond the mid at arrival, or none.",
            metavar="PRICE",
        ),
    ] = None
    reason: Reason = "amend"


def amend(request: Amend) -> None:
    """Change a parent's lots, its horizon or its limit price."""
    lots, horizon_ns = request.lots, _horizon_ns(request)
    if lots is None and horizon_ns is None and request.limit_price is None:
        raise ConfigError(
            "--lots, --horizon or --limit-price", "none of them", "say what is to change"
        )
    body: dict[str, object] = {"parent": request.parent}
    body |= {"lots": lots} if lots is not None else {}
    body |= {"horizon_ns": horizon_ns} if horizon_ns is not None else {}
    ask(request, "amend", body | limit_of(request.limit_price), request.reason)


@dataclass(frozen=True)
class PromoteChallenger(AskDesk):
    """What is asked of `tercel trade promote`."""

    agent: Annotated[
        str, typer.Argument(help="Whose challenger takes its champion's place.", metavar="AGENT")
    ]
    reason: Reason


def promote(request: PromoteChallenger) -> None:
    """Put an agent's challenger in its champion's place, from the next parent on; done again, it is undone."""
    ask(request, "promote", {"agent": request.agent}, request.reason)


def _horizon_ns(request: Submit | Amend) -> int | None:
    """The horizon that was typed, seconds without a unit; None where none was."""
    from tercel.execution.task import seconds_of

    if request.horizon is None:
        return None
    try:
        seconds = float(request.horizon)
    except ValueError:
        seconds = seconds_of(request.horizon)
    if not 1.0 <= seconds <= LONGEST_S:
        raise ConfigError(
            f"a horizon from a second to {LONGEST_S:,.0f} seconds",
            f"--horizon {request.horizon}",
            "write it as 15min",
        )
    return round(seconds * 1e9)


# -- the word, and the answer -----------------------------------------------------------------------------------------


def limit_of(typed: str | None) -> dict[str, float | str]:
    """Limit price for a command's body: a number, or words that the desk reads.

    Raises
    ------
    ConfigError
        For what is neither a price, nor text such as 25bps, nor "none".

    >>> limit_of("15.63"), limit_of("25bps"), limit_of(None)
    ({'limit_price': 15.63}, {'limit_price': '25bps'}, {})
    """
    if typed is None:
        return {}
    try:
        price: float | str = float(typed)
    except ValueError:
        price = typed
    if price != "none":
        from tercel.execution.task import Task

        Task(side=BUY, limit_price=price)
    return {"limit_price": price}


def ask(request: AskDesk, command: str, body: Mapping[str, Any], reason: str) -> None:
    """Post a command to a running desk and tell its answer; ends with 1 when none came in `request.wait` seconds.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    from tercel.api.desk import folder as desk_folder

    _tell(request, desk_folder.ask(find_desk(request.desk), command, body, reason, request.wait))


def _tell(request: AskDesk, posted: "PostedCommand") -> None:
    command, number, answer = posted.command, posted.number, posted.answer
    if request.as_json:
        print_json(
            {"desk": str(posted.folder), "command": command, "number": number, "answer": answer}
        )
    elif answer is not None:
        say(f"{command} ({number}): {answer}{_accepted(posted.entry)}")
    else:
        waited = f"no answer in {request.wait:g} s: " if request.wait else ""
        who = f"nobody runs {posted.folder}: its next session" if posted.idle else "the desk"
        say(f"asked for: {command} ({number}); {waited}{who} takes it with its next step")
    if answer is None and request.wait > 0:
        raise typer.Exit(1)


def _accepted(answer: "Entry | None") -> str:
    """The order that was accepted, or a request's number, for the end of a sentence; nothing for another answer."""
    from tercel.desk.trading.journal import kinds

    if answer is not None and answer.kind == kinds.LIMITS:
        return (
            f", request {answer.body['request']}"
            if answer.body["event"] == "requested"
            else f", {answer.body['hash']}"
        )
    if answer is None or answer.body.get("event") != "accepted":
        return ""
    body = answer.body
    limit = f", limit {body['limit_price']}" if body.get("limit_price") is not None else ""
    what = f"{SIDE_WORDS[body['side']]} {body['lots']:,} {answer.instrument}{limit}, {short(str(body['strategy']))}"
    return f", {answer.parent}: {what}, {body['horizon_ns'] / NS_PER_SECOND:g} s"
