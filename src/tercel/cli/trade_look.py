"""`tercel trade orders|positions|quotes|replay|reconcile|verify|tca`: views of a desk's journal, while it runs and later."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.operator import Desk, find_desk
from tercel.cli.shared import AsJson, print_json, print_sentences, print_table, result_console, say
from tercel.core.orders import IN_TICKS, shown as shown_lots
from tercel.core.report.cells import is_known
from tercel.core.report.tables import without_idle
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import NS_PER_SECOND, SIDE_WORDS
from tercel.desk.trading.journal.database import holder

if TYPE_CHECKING:
    from tercel.api.desk.folder import Agreement
    from tercel.core.lifecycle import ChildOrder
    from tercel.desk.trading.risk.trading_state import AccountStanding
    from tercel.desk.trading.tca.measure import AnalysedCost
    from tercel.desk.trading.tca.summary import CostSummary

LIMIT = "limit, ticks"
UNITS = "qty in shares, prices per share, the rest in currency units; open at the mark, fees by the venue's rates"
SHOWN = 20
"""Parents that a terminal shows."""


def orders(
    every: Annotated[bool, typer.Option("--all", help="Finished orders too.")] = False,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """List a desk's parents and open orders."""
    from tercel.api.desk.folder import ledger_of

    folder = find_desk(desk)
    who, ledger = holder(folder), ledger_of(folder)
    parents = list(ledger.parents)
    children = list(ledger.orders) if every else ledger.orders.live()
    if as_json:
        asked = [
            {"id": one.id, **one.row, "limit_price": one.limit_price, "limit": one.limit or None}
            for one in parents
        ]
        rows = [{"order": one.name, "parent": one.parent, **child_row(one)} for one in children]
        running = {"desk": str(folder), "running": None if who is None else who != ""}
        print_json(running | {"parents": asked, "orders": rows, "states": ledger.states.rows()})
        return
    shown = [
        {"id": one.id, **one.row, "strategy": short(one.strategy)}
        | {"limit price": one.limit_price, LIMIT: one.limit or None}
        for one in parents
    ]
    shown = without_idle(shown, ("reason", "refused", "limit price", LIMIT))
    ended = "; this desk is not running, these are the last states in its journal"
    print_rows(
        f"parents of {folder}{ended if who == '' else ''}",
        shown,
        ("agent", "strategy", "instrument"),
        wraps=("reason",),
    )
    result_console().print()
    last = " when the desk ended" if who == "" and not every else ""
    print_rows(
        "orders" if every else f"open orders{last}",
        [
            {"order": one.name, "parent": one.parent, **child_row(one, "price, ticks")}
            for one in children
        ],
        ("parent", "agent", "instrument"),
    )
    print_states(ledger.states.rows())


def child_row(order: "ChildOrder", price: str = "price") -> dict[str, object]:
    """Columns of an order; `price` heads that of its price in ticks."""
    return {
        "instrument": order.instrument,
        "agent": order.account,
        "side": order.side,
        "lots": order.lots,
        "filled": shown_lots(order.cum_qty),
        price: order.price,
        "status": str(order.status),
    }


def print_states(states: Sequence["AccountStanding"]) -> None:
    """Print the trading states of accounts that are not active, and of the desk (all)."""
    if states:
        shown = [
            {
                "account": row.account or "all",
                "state": row.state,
                "reasons": ", ".join(row.reasons),
                "reason": row.reason,
            }
            for row in states
        ]
        print_rows("not active", shown, ("account",), wraps=("reason",))


def short(strategy: str) -> str:
    """A strategy's name without what most of them share, of `twap_take` without `+posture` alone; `--json` has the whole.

    >>> short("packaged:ppo+alpha+posture"), short("twap_passive+alpha"), short("twap_take+posture")
    ('ppo', 'twap_passive+alpha', 'twap_take')
    """
    return (
        strategy.removeprefix("packaged:")
        .removesuffix("+alpha+posture")
        .replace("twap_take+posture", "twap_take")
    )


def positions(
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """List a desk's positions."""
    from tercel.api.desk.folder import held_of

    rows, sums = held_of(folder := find_desk(desk))
    if as_json:
        print_json({"desk": str(folder), "positions": rows, "money": sums})
        return
    listed = [
        {
            "agent": row.agent,
            "instrument": row.instrument,
            "qty": row.qty,
            "average": row.average,
            "mark": row.mark,
            "value": row.value,
            "realised": row.realised,
            "open": row.open,
            "fees": row.fees,
            "currency": row.currency,
        }
        for row in rows
    ]
    none = dict.fromkeys(("instrument", "qty", "average", "mark"))
    for one in sums if len(rows) > 1 else ():
        made = {"realised": one.realised, "open": one.open, "fees": one.fees}
        whole = {"agent": "all", **none, "value": one.net, **made, "currency": one.currency}
        listed.append(whole)
    shown = without_idle(listed, ("currency",))
    print_rows(f"positions of {folder}", shown, ("average", "mark", "fees"), digits=2)
    unknown = any(row.currency == IN_TICKS for row in rows)
    how = "its journal names no ticks: prices in ticks, money in ticks x lots" if unknown else UNITS
    result_console().print(how, style="dim")
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
    from tercel.desk.trading.tca.rfq import request_sentences

    requests, dealers = quotes_of(folder := find_desk(desk))
    if as_json:
        print_json({"requests": requests})
        return
    rows = [
        {
            "request": one.id,
            "name": one.name,
            "side": one.side,
            "quantity": f"{one.quantity:,.10g}",
            "quotes": f"{len({each.dealer for each in one.quotes})} of {len(one.dealers) or 'all'}",
            "best": one.quotes[0].price if one.quotes else None,
            "of": one.quotes[0].dealer if one.quotes else None,
            "cover": one.cover,
            "outcome": one.outcome,
            "mid": one.mid,
            **{
                f"drift +{span}": None if drift is None else f"{drift:+.1f}"
                for span, drift in one.drift_bps.items()
            },
        }
        for one in requests
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

    shown = decision_of(find_desk(desk), parent, at, entry)
    if as_json:
        print_json(shown)
        return
    out = result_console()
    out.print(f"[bold]{shown['title']}[/bold] (entry {shown['seq']})")
    for sentence in shown["sentences"]:
        out.print(sentence)
    for name, values in shown["tables"].items():
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
    from tercel.api.desk.folder import agreement_of

    found = agreement_of(folder := find_desk(desk), venue)
    unknown, open_ = (
        [{"order": one.root, **child_row(one)} for one in some]
        for some in (found.unknown, found.open)
    )
    if as_json:
        left_out = () if found.asked else ("instrument", "account", "parent")
        orders = [
            {key: value for key, value in vars(row).items() if key not in left_out}
            for row in found.orders
        ]
        counts = {"asked": found.asked, "checked": len(orders), "differ": found.differ}
        print_json(
            {"desk": str(folder), **counts, "orders": orders, "unknown": unknown, "open": open_}
            | {"faults": found.faults}
        )
    else:
        _print_agreement(folder, found, unknown, open_)
    return 1 if found.unknown or found.faults else 0


def _print_agreement(
    folder: Path,
    found: "Agreement",
    unknown: Sequence[Mapping[str, object]],
    open_: Sequence[Mapping[str, object]],
) -> None:
    rows = [
        {
            "order": row.order,
            "ours": row.ours,
            "venue": row.venue,
            "filled before": row.filled_before,
            "filled": row.filled,
            "action": row.action,
        }
        for row in found.orders
    ]
    print_rows(
        f"reconciled orders of {folder}", rows, ("filled before", "filled"), wraps=("action",)
    )
    print_rows("orders of unknown fate", unknown, ("agent", "instrument"))
    if open_:
        print_rows("orders that the ledger holds for open", open_, ("agent", "instrument"))
    console = result_console()
    counts = f"{len(rows)} checked, {found.differ} differ, {len(unknown)} unknown"
    console.print(f"{counts}, {len(open_)} open")
    if not found.asked:
        console.print("the venue has not been asked; --venue WHERE asks it")
    console.print("faults: " + ("; ".join(found.faults) or "none"), markup=False)


def verify(
    as_json: AsJson = False,
    desk: Desk = None,
) -> int:
    """Read a desk's whole journal: every entry against its hash, with the key of TERCEL_JOURNAL_KEY_FILE."""
    from tercel.desk.trading.journal.store import verify as verify_chain

    found = verify_chain(find_desk(desk))
    if as_json:
        print_json(found._asdict())
    else:
        key = (
            "keyed hashes"
            if found.keyed
            else "unkeyed hashes: a user who can write it can rewrite its past"
        )
        console = result_console()
        console.print(f"{found.sound:,} entries are sound, {key}", markup=False)
        console.print(f"the last one's hash is {found.head}", markup=False)
        if found.fault:
            console.print(f"then {found.fault}", markup=False)
    return 1 if found.fault else 0


def tca(
    parent: Annotated[
        str | None, typer.Option(help="One parent (default: all).", metavar="PARENT")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page with plots (default: tca.html in the desk's folder).", metavar="FILE"
        ),
    ] = None,
    shadow: Annotated[
        Path | None,
        typer.Option(
            help="Score the bounds of a desk in shadow that worked the same parents.", metavar="DIR"
        ),
    ] = None,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """Analyse the costs of finished parents: arrival, VWAP, TWAP, components, mark-outs."""
    from tercel.api.desk.folder import costs_of, quotes_of
    from tercel.api.desk.run_page import bounds_scored
    from tercel.desk.trading.tca.rfq import (
        COLUMNS,
        dealer_cells,
        dealer_section,
        request_sentences,
    )

    found = costs_of(folder := find_desk(desk), parent)
    rows, summed = found.rows, found.summed
    requests, dealers = quotes_of(folder)
    rfq = [dealer_section(requests, dealers)] if requests else []
    score = None if shadow is None else bounds_scored(shadow, rows)
    figures = {} if score is None else {"bounds": score.figures}
    if as_json:
        sums = {"total": summed.total, "agents": summed.agents}
        pairs = found.pairs
        print_json(
            {
                "desk": str(folder),
                "parents": rows,
                **sums,
                "rfq": dealers,
                "pairs": pairs,
                **figures,
            }
        )
    else:
        _print_tca(folder, rows, summed)
        if rfq:
            print_rows("RFQ, bps", dealer_cells(dealers), [*reversed(COLUMNS)])
            print_sentences(request_sentences(requests, dealers))
        if found.pairs:
            print_rows("pairs: spreads in price units, costs in currency units", found.pairs)
        print_sentences([] if score is None else [str(score.section.text)])
    page = out if out is not None else folder / "tca.html"
    page.write_text(
        found.page(LIMIT, _agents(summed), rfq + ([] if score is None else [score.section])),
        encoding="utf-8",
    )
    say(f"report: {page}")


def _print_tca(folder: Path, rows: "Sequence[AnalysedCost]", summed: "CostSummary") -> None:
    """Agents and all of them first, then the first parents, then what they came to in words."""
    from tercel.desk.trading.tca.summary import sentences

    print_rows(
        f"costs of {folder}, means by what was filled, bps; a cost is positive",
        _agents(summed),
        ("vwap", "rested", "forced"),
    )
    result_console().print()
    more = f", the first {SHOWN} of {len(rows):,}" if len(rows) > SHOWN else ""
    parents = without_idle([_tca_row(row) for row in rows[:SHOWN]], ("unfilled", "refused", LIMIT))
    leaves = ("depth cost", "+10s", "+60s", "timing", "spread", "twap", "vwap", "refused", LIMIT)
    print_rows(
        f"parents{more}; a mark-out is positive in the order's favour",
        parents,
        (*leaves, "unfilled", "side"),
    )
    result_console().print()
    note = "95 % of Student's t over parents as if independent: those of one time share a market."
    print_sentences((*sentences(rows), note))


def _agents(summed: "CostSummary") -> list[dict[str, Any]]:
    """A row for each agent, and one for all."""
    rows = [
        {
            "agent": name,
            "parents": of.parents,
            "filled": of.filled,
            "unfilled": of.unfilled,
            "refused": of.refused,
            "is": of.is_bps,
            "95% of is": _between(of.interval),
            "forced": of.forced_bps,
            "vwap": of.vwap_bps,
            "rested": _percent(of.passive_share),
        }
        for name, of in [*summed.agents.items(), ("all", summed.total)]
    ]
    return without_idle(rows, ("unfilled", "refused"))


def _between(interval: tuple[float | None, float | None] | None) -> str:
    low, high = interval or (None, None)
    return "-" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"


def _percent(share: float | None) -> str:
    return "-" if share is None or not is_known(share) else f"{100 * share:.0f}%"


def _tca_row(row: "AnalysedCost") -> dict[str, object]:
    """The columns of a terminal; the page and `--json` have all."""
    cells = {
        "parent": row.parent,
        "side": row.side,
        "lots": row.quantity,
        "unfilled": row.unfilled,
        "refused": row.refused,
        LIMIT: row.limit,
        "is": row.is_bps,
        "forced": row.forced_bps,
        "vwap": row.vwap_bps,
        "twap": row.twap_bps,
        "spread": row.spread_bps,
        "depth cost": row.walk_bps,
        "timing": row.timing_bps,
        "rested": _percent(row.passive_share),
        **{f"+{span}": row.markouts_bps.get(span) for span in ("10s", "60s")},
    }
    return dict(to_jsonable(cells))


# -- tables -----------------------------------------------------------------------------------------------------------


def print_rows(
    title: str,
    rows: Iterable[Mapping[str, Any]],
    leaves: Sequence[str] = (),
    wraps: Sequence[str] = (),
    digits: int = 1,
) -> None:
    listed = list(rows)
    if not listed:
        result_console().print(f"{title}: none", markup=False)
        return
    keys = list(listed[0])
    text = [key for key in keys if key == "side" or not any(_numeric(row[key]) for row in listed)]
    cells = [[_shown(key, row[key], digits) for key in keys] for row in listed]
    print_table(title, keys, cells, leaves, text, wraps)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.endswith("%"))


def _shown(key: str, value: Any, digits: int) -> str:
    if value is None:
        return "-"
    if key == "side":
        return SIDE_WORDS.get(value, str(value))
    if key == "qty":  # coins are held in small parts
        whole, _, part = f"{value:.8f}".partition(".")
        return f"{whole}.{part.rstrip('0').ljust(digits, '0')}"
    return f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value)
