"""`tercel trade orders|positions|quotes|replay|reconcile|verify`: views of a desk's journal, live and afterwards."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from tercel.cli.operator import Desk, find_desk
from tercel.cli.options import AsJson
from tercel.cli.output import print_json, print_sentences, result_console
from tercel.cli.trade_tables import child_row, print_rows, print_states, short_strategy
from tercel.core.fixed_point import IN_TICKS
from tercel.core.grouping import group_values
from tercel.core.report.formatting import format_clock
from tercel.core.report.tables import drop_idle_columns
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.journal.database import holder

if TYPE_CHECKING:
    from tercel.api.desk.reconciliation import Agreement

REASONS = 5
"""Reasons of parents' states that a terminal shows."""
SENT = "sent, UTC"
"""When an order left, on the venue's clock."""
POSITION = (
    *("agent", "instrument", "qty", "average", "mark"),
    *("value", "realised", "open", "fees", "currency"),
)
"""Columns of positions."""
UNITS = "qty in shares, prices per share, the rest in currency units; open at the mark, fees by the venue's rates"


def orders(
    every: Annotated[bool, typer.Option("--all", help="Finished orders too.")] = False,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """List a desk's parents and open orders."""
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.bodies import SessionEntry
    from tercel.desk.trading.journal.reader import JournalReader
    from tercel.desk.trading.ledger import Ledger

    folder = find_desk(desk)
    lock_holder = holder(folder)
    with closing(JournalReader(folder)) as reader:
        ledger = Ledger.of(reader)
        sessions = [SessionEntry.of(entry) for _, entry in reader.read(0, (kinds.SESSION,))]
    parents = sorted(ledger.parents, key=lambda parent: parent.over)
    children = list(ledger.orders) if every else ledger.orders.live()
    if as_json:
        parent_rows = [
            {
                "id": parent.id,
                **parent.row,
                "limit_price": parent.limit_price,
                "limit": parent.limit or None,
            }
            for parent in parents
        ]
        rows = [
            {"order": order.name, "parent": order.parent, **child_row(order)} for order in children
        ]
        running = {
            "desk": str(folder),
            "running": None if lock_holder is None else lock_holder != "",
        }
        print_json(
            running | {"parents": parent_rows, "orders": rows, "states": ledger.states.rows()}
        )
        return
    ticks = {
        name: Decimal(repr(listing["tick"]))
        for session in sessions
        for name, listing in session.listings.items()
    }
    table_rows = [
        {"id": parent.id, **parent.row, "strategy": short_strategy(parent.strategy), "reason": ""}
        | {
            "limit price": parent.limit * ticks.get(parent.order.instrument, 1)
            or parent.limit_price
        }
        for parent in parents
    ]
    reasons = group_values((parent.status_reason, parent.id) for parent in parents)
    reasons.pop("", None)
    ended_text = "; the desk is not running"
    print_rows(
        f"parents of {folder}{ended_text if lock_holder == '' else ''}",
        drop_idle_columns(table_rows, ("reason", "refused", "limit price")),
        ("strategy", "refused", "filled", "lots"),
    )
    more = f"{len(reasons) - REASONS} more reasons: --json has all"
    shown = [f"{', '.join(ids)}: {reason}" for reason, ids in reasons.items()]
    print_sentences([*shown[:REASONS], *[more] * (len(reasons) > REASONS)])
    result_console().print()
    state_text = " when the desk ended" if lock_holder == "" and not every else ""
    print_rows(
        "orders" if every else f"open orders{state_text}",
        [
            {"order": order.name, "parent": order.parent}
            | {SENT: format_clock(order.sent_ns, ZoneInfo("UTC"))[:8]}
            | child_row(order, ticks.get(order.instrument, 1))
            for order in children
        ],
        ("parent", "filled", SENT),
    )
    print_states(ledger.states.rows())


def positions(
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """List a desk's positions."""
    from tercel.api.desk.folder import positions_of

    rows, sums = positions_of(folder := find_desk(desk))
    if as_json:
        print_json({"desk": str(folder), "positions": rows, "money": sums})
        return
    table_rows = [{key: getattr(row, key) for key in POSITION} for row in rows]
    table_rows += [
        {
            **dict.fromkeys(POSITION),
            "agent": "all",
            "value": total.net,
            "realised": total.realised,
            "open": total.open,
            "fees": total.fees,
            "currency": total.currency,
        }
        for total in (sums if len(rows) > 1 else ())
    ]
    kept_rows = drop_idle_columns(table_rows, ("currency",))
    print_rows(f"positions of {folder}", kept_rows, ("average", "mark", "fees"), digits=2)
    unit_note = (
        "its journal names no ticks: prices in ticks, money in ticks x lots"
        if any(row.currency == IN_TICKS for row in rows)
        else UNITS
    )
    result_console().print(unit_note, style="dim")
    if times := [row.mark_ns for row in rows if row.mark_ns is not None]:
        when = f"{min(times) / NS_PER_SECOND:.0f} s or later"
        result_console().print(
            f"marks: the last mid journaled (each minute and at the end), {when}", style="dim"
        )


def quotes(
    desk: Annotated[
        Path | None,
        typer.Argument(
            help="The desk's folder (default: TERCEL_DESK, or the newest).", metavar="DESK"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List a desk's requests for quotes: quoting dealers, cover, outcome, and the mid's move after."""
    from tercel.api.desk.folder import quotes_of
    from tercel.desk.trading.tca.dealer_report import request_sentences

    requests, dealers = quotes_of(folder := find_desk(desk))
    if as_json:
        print_json({"requests": requests})
        return
    rows = [
        {
            "request": request.id,
            "name": request.name,
            "side": request.side,
            "quantity": f"{request.quantity:,.10g}",
            "quotes": f"{len({quote.dealer for quote in request.quotes})} of {len(request.dealers) or 'all'}",
            "best": request.quotes[0].price if request.quotes else None,
            "of": request.quotes[0].dealer if request.quotes else None,
            "cover": request.cover,
            "outcome": request.outcome,
            "mid": request.mid,
            **{
                f"drift +{span}": None if drift is None else f"{drift:+.1f}"
                for span, drift in request.drift_bps.items()
            },
        }
        for request in requests
    ]
    leaves = ("drift +1s", "drift +10s", "mid", "name", "of", "quotes")
    print_rows(
        f"requests for quotes of {folder}; drift in bps, against you above 0",
        rows,
        leaves,
        digits=4,
    )
    print_sentences(request_sentences(requests, dealers))


def replay(
    parent: Annotated[
        str | None, typer.Option(help="Of this parent (default: any).", metavar="PARENT")
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(
            help="Venue time in seconds: the last decision by then (default: the end).",
            min=0,
            max=9e9,
        ),
    ] = None,
    entry: Annotated[
        int | None,
        typer.Option(help="The decision with this number in the journal.", min=1, max=2**62),
    ] = None,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """Show a decision: the strategy's observation, intent and commands, and why."""
    from tercel.api.desk.folder import decision_of

    decision = decision_of(find_desk(desk), parent, at, entry)
    if as_json:
        print_json(decision)
        return
    console = result_console()
    console.print(f"[bold]{decision['title']}[/bold] (entry {decision['seq']})")
    for sentence in decision["sentences"]:
        console.print(sentence)
    for name, values in decision["tables"].items():
        print_rows(
            name,
            [{"what": key, "value": value} for key, value in values.items()],
            wraps=("value",),
            digits=2,
        )


def reconcile(
    venue: Annotated[
        str | None,
        typer.Option(help="Query this venue now and cancel open orders there.", metavar="WHERE"),
    ] = None,
    as_json: AsJson = False,
    desk: Desk = None,
) -> int:
    """Compare a desk's orders with the venue's reports."""
    from tercel.api.desk.reconciliation import agreement_of

    agreement = agreement_of(folder := find_desk(desk), venue)
    unknown, open_ = (
        [{"order": order.root, **child_row(order)} for order in group]
        for group in (agreement.unknown, agreement.open)
    )
    if as_json:
        left_out = () if agreement.venue_queried else ("instrument", "account", "parent")
        orders = [
            {key: value for key, value in vars(row).items() if key not in left_out}
            for row in agreement.orders
        ]
        counts = {
            "asked": agreement.venue_queried,
            "checked": len(orders),
            "differ": agreement.differ,
        }
        print_json(
            {"desk": str(folder), **counts, "orders": orders, "unknown": unknown, "open": open_}
            | {"faults": agreement.faults}
        )
    else:
        _print_agreement(folder, agreement, unknown, open_)
    return 1 if agreement.unknown or agreement.faults else 0


def _print_agreement(
    folder: Path,
    agreement: "Agreement",
    unknown: Sequence[Mapping[str, object]],
    open_: Sequence[Mapping[str, object]],
) -> None:
    """Print compared orders, orders of unknown fate, open orders, and counts."""
    rows = [
        {
            "order": row.order,
            "ours": row.ours,
            "venue": row.venue,
            "filled before": row.filled_before,
            "filled": row.filled,
            "action": row.action,
        }
        for row in agreement.orders
    ]
    print_rows(
        f"reconciled orders of {folder}", rows, ("filled before", "filled"), wraps=("action",)
    )
    print_rows("orders of unknown fate", unknown, ("agent", "instrument"))
    if open_:
        print_rows("orders that the ledger holds for open", open_, ("agent", "instrument"))
    console = result_console()
    counts = f"{len(rows)} checked, {agreement.differ} differ, {len(unknown)} unknown"
    console.print(f"{counts}, {len(open_)} open")
    if not agreement.venue_queried:
        console.print("the venue has not been asked; --venue WHERE asks it")
    console.print("faults: " + ("; ".join(agreement.faults) or "none"), markup=False)


def verify(
    as_json: AsJson = False,
    desk: Desk = None,
) -> int:
    """Read a desk's whole journal: every entry against its hash, with the key of TERCEL_JOURNAL_KEY_FILE."""
    from tercel.desk.trading.journal.verification import verify as verify_chain

    verification = verify_chain(find_desk(desk))
    if as_json:
        print_json(verification._asdict())
    else:
        key = (
            "keyed hashes"
            if verification.keyed
            else "unkeyed hashes: a user who can write it can rewrite its past"
        )
        console = result_console()
        console.print(f"{verification.sound:,} entries are sound, {key}", markup=False)
        console.print(f"the last one's hash is {verification.head}", markup=False)
        if verification.fault:
            console.print(f"then {verification.fault}", markup=False)
    return 1 if verification.fault else 0
