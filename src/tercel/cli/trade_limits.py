"""`tercel trade limits ...`: limits of a running desk: look, tighten alone, loosen with a second person."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tercel.cli.operator import AskDesk, DeskRequest, find_desk
from tercel.cli.request import add
from tercel.cli.terminal import print_json, result_console
from tercel.cli.trade_look import print_rows, print_states
from tercel.cli.trade_orders import ask
from tercel.core.errors import ConfigError

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
        shown = {"hash": record.hash, "limits": record.in_force, "used": rows, "requests": waiting}
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


def _row(row: dict[str, Any]) -> dict[str, Any]:
    name = "" if row["scope"] == "desk" else row["name"]
    shown = {key: row[key] for key in ("limit", "used", "of", "warned_at")}
    return {"scope": row["scope"], "name": name, **shown, "share": f"{100 * row['share']:.0f}%"}


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
