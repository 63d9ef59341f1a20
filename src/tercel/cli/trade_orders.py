"""`tercel trade submit|pause|resume|cancel|amend|promote|settle|limits`: a person's commands to a running desk."""

import secrets
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.commands import add
from tercel.cli.operator import AskDesk, Desk, Reason, find_desk
from tercel.cli.options import AsJson
from tercel.cli.order_arguments import changes_of, limit_body
from tercel.cli.output import print_json, result_console, say
from tercel.cli.trade_tables import print_rows, print_states
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.report.formatting import format_percent
from tercel.core.system import user_name

if TYPE_CHECKING:
    from tercel.api.desk.command_names import DeskNames
    from tercel.api.desk.posted_commands import PostedCommand

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


Parent = Annotated[
    str,
    typer.Argument(help="A parent order's id; `tercel trade orders` names them.", metavar="PARENT"),
]
ParentOrAgent = Annotated[
    str,
    typer.Argument(
        help="A parent order's id, or an agent's name; `tercel trade orders` names them.",
        metavar="PARENT|AGENT",
    ),
]
AGENT = "an agent of the desk:"
"""What an error says that it expected."""
HORIZON_NS = 600 * 10**9
LONGEST_S = 1e7


def show(
    as_json: AsJson = False,
    desk: Desk = None,
) -> int:
    """Show limits in force, their use, requests that wait for a second person, and orders without limits."""
    from tercel.desk.console.state import rank_limits
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.reader import JournalReader
    from tercel.desk.trading.limit_record import EXPIRES_NS, LimitRecord
    from tercel.desk.trading.risk.limit_keeper import audit_limits
    from tercel.desk.trading.risk.trading_state import FOLDED, TradingStates

    folder = find_desk(desk)
    with closing(JournalReader(folder)) as reader:
        record = LimitRecord()
        states = TradingStates()
        used = {}
        ns = 0
        for _, entry in reader.read(0, (kinds.LIMITS, kinds.HEARTBEAT, *FOLDED)):
            ns = entry.ns
            if entry.kind == kinds.LIMITS:
                record.apply(entry)
            elif entry.kind == kinds.HEARTBEAT:
                used = entry.body["limits"]
            states.apply(entry)
        orders, faults = audit_limits(reader)
    waiting = {
        number: limit_request
        for number, limit_request in record.requests.items()
        if limit_request.open(ns)
    }
    rows = rank_limits(used)
    if as_json:
        request_rows = [
            {
                "request": number,
                "by": limit_request.by,
                "reason": limit_request.reason,
                "changes": limit_request.changes,
            }
            for number, limit_request in waiting.items()
        ]
        print_json(
            {
                "desk": str(folder),
                "hash": record.hash,
                "limits": record.in_force,
                "used": rows,
                "requests": request_rows,
                "states": states.rows(),
                "orders": orders,
                "wrong": faults,
            }
        )
    else:
        used_most = [
            {**vars(row), "share": format_percent(row.share)}
            | ({"name": ""} if row.scope == "desk" else {})
            for row in rows[:SHOWN]
        ]
        print_rows(f"limits of {folder}, {record.hash}", used_most)
        print_states(states.rows())
        texts = [
            {"request": number, "by": limit_request.by, "reason": limit_request.reason}
            | {
                "changes": ", ".join(
                    f"{path}={value}" for path, value in limit_request.changes.items()
                )
            }
            for number, limit_request in waiting.items()
        ]
        print_rows(f"requests, to be approved within {EXPIRES_NS // 10**9} s", texts)
        result_console().print(
            f"{orders:,} orders have the limits that they passed; wrong: {'; '.join(faults) or 'none'}"
        )
    return 1 if faults else 0


def tighten(
    changes: Changes,
    reason: Why,
    desk_options: AskDesk,
) -> None:
    """Make limits of a running desk tighter, at once and alone."""
    post_command(
        desk_options,
        "limits",
        {"act": "tighten", "changes": changes_of(changes)},
        reason,
    )


def request(
    changes: Changes,
    reason: Why,
    desk_options: AskDesk,
) -> None:
    """Request looser limits; another person approves them within a quarter of an hour."""
    post_command(
        desk_options,
        "limits",
        {"act": "request", "changes": changes_of(changes)},
        reason,
    )


def approve(
    number: Annotated[
        int, typer.Argument(help="The request; `tercel trade limits show` names it.", min=1)
    ],
    reason: Why,
    desk_options: AskDesk,
) -> None:
    """Approve limits that another person requested."""
    post_command(desk_options, "limits", {"act": "approve", "request": number}, reason)


add(limits_app, show, tighten, request, approve)


def submit(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT")],
    side: Annotated[str, typer.Argument(help="buy or sell.", metavar="SIDE")],
    lots: Annotated[int, typer.Argument(min=1, max=2**30, metavar="LOTS")],
    agent: Annotated[
        str,
        typer.Option(
            help="Agent that works it (default: by share, the one with the largest share of the instrument's flow).",
            metavar="A",
        ),
    ] = "",
    name: Annotated[
        str,
        typer.Option(
            "--id",
            help="A new id for it (default: one is made and printed first); a repeated request with the same id is one order.",
            metavar="ID",
        ),
    ] = "",
    strategy: Annotated[
        str, typer.Option(help="Strategy that works it (default: the agent's own).", metavar="NAME")
    ] = "",
    horizon: Annotated[
        str | None,
        typer.Option(
            help="From acceptance to its horizon: 15min, 2h, 90s (default: 10min).", metavar="SPAN"
        ),
    ] = None,
    decisions: Annotated[
        int | None,
        typer.Option(
            help="Decisions within it (default: as often as the desk's).",
            min=1,
            max=10**6,
            metavar="N",
        ),
    ] = None,
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="Limit price: a price, or 25bps beyond the mid at arrival.",
            metavar="PRICE",
        ),
    ] = None,
    pair: Annotated[
        str,
        typer.Option(
            help="It is the first leg of a pair: leg=INSTRUMENT (the hedge), spread (limit), bound (lots unhedged), and "
            "ratio=3/2, lean, within, cross, loss, pay_up.",
            metavar="KEY=VALUE,...",
        ),
    ] = "",
    reason: Reason = "submit",
    *,
    desk_options: AskDesk,
) -> None:
    """Ask a running desk to work one more parent order."""
    if side not in ("buy", "sell"):
        raise ConfigError("buy or sell", repr(side), "such as: tercel trade submit AAA buy 100 ...")
    names = _read_names(desk_options)
    names.refuse_unknown(instrument, names.instruments, "an instrument of the desk:")
    if agent:
        names.refuse_unknown(agent, names.agents, AGENT)
    else:
        agent = names.choose_agent(instrument)
        if len(names.agents) > 1:
            say(f"agent     {agent}: by its share of the flow")
    id_ = name or f"{agent}-{secrets.token_hex(4)}"
    if not name:
        say(
            f"id        {id_}: name it (--id {id_}) to ask again where no answer comes, so that it is one order"
        )
    body: dict[str, object] = {
        "id": id_,
        "instrument": instrument,
        "lots": lots,
        **limit_body(limit_price),
        "side": 1 if side == "buy" else -1,
        "horizon_ns": _horizon_ns(horizon) or HORIZON_NS,
        "agent": agent,
        **({} if decisions is None else {"decisions": decisions}),
        **({"pair": changes_of(pair.split(","))} if pair else {}),
        **({"strategy": strategy} if strategy else {}),
    }
    post_command(desk_options, "submit", body, reason)


def settle(
    reason: Annotated[
        str, typer.Option(help="Why: it is journaled with your name.", metavar="TEXT")
    ],
    order: Annotated[
        list[str] | None,
        typer.Option(
            help="An order that the venue will never report again: it ends with its filled quantity, on your statement. "
            "A running gate or desk applies it. May be repeated.",
            metavar="ORDER",
        ),
    ] = None,
    execution: Annotated[
        list[str] | None,
        typer.Option(
            help="An execution with an alert IMPLAUSIBLE_FILL: you confirm its price, which counts from here on. "
            "May be repeated.",
            metavar="ORDER:EXECUTION",
        ),
    ] = None,
    *,
    desk_options: AskDesk,
) -> None:
    """Explain a position difference, end orders, or confirm executions; trading continues."""
    from tercel.api.desk.posted_commands import PostedCommand
    from tercel.api.desk.reconciliation import EndedOrder, settle_orders

    if execution or not order:
        post_command(
            desk_options,
            "settle",
            {"executions": execution} if execution else {},
            reason,
        )
    desk = find_desk(desk_options.desk)
    ended = list[EndedOrder]()
    for outcome in settle_orders(desk, order, reason, desk_options.wait) if order else ():
        if isinstance(outcome, PostedCommand):
            _print_answer(desk_options, outcome, {}, None)
        else:
            ended.append(outcome)
    if desk_options.as_json and ended:
        print_json({"desk": str(desk), "by": user_name(), "reason": reason, "settled": ended})
        return
    for row in ended:
        filled = f"{row.order} is over with {row.filled} lots filled"
        say(f"{filled}, by the word of {user_name()}: {row.journal}")


def pause(
    name: ParentOrAgent,
    reason: Reason = "pause",
    *,
    desk_options: AskDesk,
) -> None:
    """Cancel a parent's orders and let it wait; or pause an agent with its parents: it takes no other."""
    _post_to_parent_or_agent(desk_options, "pause", name, reason)


def resume(
    name: ParentOrAgent,
    reason: Reason = "resume",
    *,
    desk_options: AskDesk,
) -> None:
    """Resume a paused parent; or an agent, with the parents that were paused with it."""
    _post_to_parent_or_agent(desk_options, "resume", name, reason)


def _post_to_parent_or_agent(request: AskDesk, verb: str, name: str, reason: str) -> None:
    """Post "pause" or "resume" for the parent with an id, or for an agent where no parent has the name as its id."""
    names = _read_names(request)
    is_agent = name in names.agents and names.parents.get(name) is None
    names.refuse_parent_over(name, names.agents)
    body = {"agent" if is_agent else "parent": name}
    ends_ns = names.parents.horizon_ends()
    post_command(request, f"{verb}_agent" if is_agent else verb, body, reason, ends_ns)


def _read_names(request: AskDesk) -> "DeskNames":
    """Names of agents, instruments and parents of the desk of a command."""
    from tercel.api.desk.command_names import read_desk_names

    return read_desk_names(find_desk(request.desk))


def cancel(
    parent: Parent,
    reason: Reason = "cancel",
    *,
    desk_options: AskDesk,
) -> None:
    """Cancel a parent order."""
    _read_names(desk_options).refuse_parent_over(parent)
    post_command(desk_options, "cancel", {"parent": parent}, reason)


def amend(
    parent: Parent,
    lots: Annotated[
        int | None, typer.Option(help="The new total, filled lots included.", min=1, metavar="N")
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(help="The new horizon, from its acceptance: 15min, 2h, 90s.", metavar="SPAN"),
    ] = None,
    limit_price: Annotated[
        str | None,
        typer.Option(
            help="Another limit: a price, 25bps beyond the mid at arrival, or none.",
            metavar="PRICE",
        ),
    ] = None,
    reason: Reason = "amend",
    *,
    desk_options: AskDesk,
) -> None:
    """Change a parent's lots, its horizon or its limit price."""
    horizon_ns = _horizon_ns(horizon)
    if lots is None and horizon_ns is None and limit_price is None:
        raise ConfigError(
            "--lots, --horizon or --limit-price", "none of them", "give at least one of them"
        )
    _read_names(desk_options).refuse_parent_over(parent)
    changes = {"lots": lots, "horizon_ns": horizon_ns, **limit_body(limit_price)}
    body = {key: value for key, value in changes.items() if value is not None}
    post_command(desk_options, "amend", {"parent": parent, **body}, reason)


def promote(
    agent: Annotated[
        str, typer.Argument(help="Agent whose challenger replaces its champion.", metavar="AGENT")
    ],
    reason: Reason,
    desk_options: AskDesk,
) -> None:
    """Promote an agent's challenger to champion from the next parent on; a second promotion reverts it."""
    names = _read_names(desk_options)
    names.refuse_unknown(agent, names.agents, AGENT)
    post_command(desk_options, "promote", {"agent": agent}, reason)


def _horizon_ns(typed: str | None) -> int | None:
    """Horizon of an option, ns; a number without a unit is seconds; None if not given."""
    from tercel.execution.task import seconds_of

    if typed is None:
        return None
    try:
        seconds = float(typed)
    except ValueError:
        seconds = seconds_of(typed)
    refuse_if(
        not 1.0 <= seconds <= LONGEST_S,
        f"a horizon from a second to {LONGEST_S:,.0f} seconds",
        f"--horizon {typed}",
        "write it as 15min",
    )
    return round(seconds * 1e9)


def post_command(
    request: AskDesk,
    command: str,
    body: Mapping[str, Any],
    reason: str,
    ends_ns: Mapping[str, int] | None = None,
) -> None:
    """Post a command to a running desk and print its answer; exit 1 if none came in `request.wait` seconds.

    `ends_ns`: venue time, ns, of the horizon by parent, where the answer may be about open parents.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    from tercel.api.desk import posted_commands

    posted = posted_commands.post_and_wait(
        find_desk(request.desk), command, body, reason, request.wait
    )
    _print_answer(request, posted, ends_ns or {}, body.get("horizon_ns"))


def _print_answer(
    request: AskDesk, posted: "PostedCommand", ends_ns: Mapping[str, int], asked_ns: int | None
) -> None:
    """Print the answer to a posted command; `asked_ns`: a horizon in it; exit 1 if none came in time."""
    from tercel.api.desk.command_answers import describe_answer

    command = posted.command
    number = posted.number
    answer = posted.answer
    if request.as_json:
        print_json(
            {"desk": str(posted.folder), "command": command, "number": number, "answer": answer}
        )
    elif posted.entry is not None:
        say(describe_answer(posted.entry, ends_ns, asked_ns))
    else:
        waited = f"no answer in {request.wait:g} s: " if request.wait else ""
        taker = f"{posted.folder} is not running: its next session" if posted.idle else "the desk"
        say(
            f"requested: {command.replace('_', ' ')} ({number}); {waited}{taker} takes it with its next step"
        )
    if answer is None and request.wait > 0:
        raise typer.Exit(1)
