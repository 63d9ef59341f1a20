"""`tercel tca`: costs of own executions, and simulated costs of strategies on the same parents."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tercel as tc
from tercel.cli.options import JsonRequest, Lake, Seed
from tercel.cli.order import Assume, ImpactScale, PassiveImpact, impact_terms
from tercel.cli.output import (
    check_folder,
    hand_over,
    in_options,
    print_rows,
    print_table,
    progress,
    result_console,
    say,
)
from tercel.core.report.cells import NOTHING
from tercel.core.report.formatting import format_number
from tercel.core.report.tables import drop_idle_columns

if TYPE_CHECKING:
    from tercel.api.tca.counterfactual import Counterfactual
    from tercel.api.tca.report import OwnCosts
    from tercel.api.tca.report_rows import OwnCost
    from tercel.desk.trading.tca.summary import CostMeans

RUN = "run"
AGAINST = {RUN: None, "none": ""}
"""Values of `--against` that are not names of strategies, and their values for `own_costs`."""
SHOWN = 20
"""Parents that a terminal shows."""
DROP_ORDER = (
    "+1s",
    "+10s",
    "+300s",
    "+1800s",
    "+60s",
    "end",
    "start",
    "close",
    "twap",
    "fees",
    "depth cost",
    "timing",
    "delay",
    "vwap",
)
"""Columns that leave a narrow terminal, first to last."""


@dataclass(frozen=True)
class Tca(JsonRequest):
    """Options of `tercel tca`."""

    fills: Annotated[
        Path,
        typer.Argument(
            help="CSV, one row per fill: time, symbol, side, quantity, price; perhaps parent, arrival, agent, fee."
        ),
    ]
    lake: Lake
    orders: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the parents: parent, symbol, side, quantity, start, end.", metavar="FILE"
        ),
    ] = None
    map: Annotated[
        str | None,
        typer.Option(
            help="Map of the columns: ib-flex, schwab, alpaca, binance-trades, coinbase, comdirect, asx, or a file "
            "with timezone = ... and \\[columns] parent = ...",
            metavar="NAME|MAP.toml",
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="One column, such as parent=ClOrdID; may be repeated; fee= leaves one out.",
            metavar="OURS=THEIRS",
        ),
    ] = None
    tz: Annotated[
        str,
        typer.Option(
            help="Time zone of times without one, such as America/New_York.", metavar="ZONE"
        ),
    ] = ""
    fees: Annotated[
        str,
        typer.Option(help="Sign of a fee that you paid: positive, negative.", metavar="SIGN"),
    ] = ""
    venue: Annotated[
        str, typer.Option(help="Venue of the tape, if several have a symbol.", metavar="VENUE")
    ] = ""
    against: Annotated[
        str,
        typer.Option(
            help="Rules to re-simulate the parents with: names with commas, run (those of `tercel run`), all, "
            "none.",
            metavar="NAMES",
        ),
    ] = RUN
    agent: Annotated[
        list[str] | None,
        typer.Option(
            help="A policy to re-simulate them with, such as default; may be repeated.",
            metavar="POLICY",
        ),
    ] = None
    impact: Annotated[
        str,
        typer.Option(
            help="Impact law of the strategies' trades: square_root, none, propagator.",
            metavar="LAW",
        ),
    ] = "square_root"
    passive_impact: PassiveImpact = None
    impact_scale: ImpactScale = None
    assume: Assume = None
    quote_age: Annotated[
        float | None,
        typer.Option(
            help="Largest age of the quote that a fill is measured against, seconds (default: by the day's own gaps).",
            metavar="SECONDS",
        ),
    ] = None
    seed: Seed = 1
    out: Annotated[
        Path | None, typer.Option(help="Folder for tca.html and tca.json.", metavar="DIR")
    ] = None


def tca(request: Tca) -> None:
    """Split the cost of your own fills into components, and simulate strategies on the same orders."""
    check_folder(request.out)
    from tercel.api.tca.files import fills_map

    with progress(counted=True, transient=True) as bar:
        task = bar.add_task("re-simulate the parents", total=None)
        costs = tc.own_costs(
            request.fills,
            request.lake,
            orders=request.orders,
            map=fills_map(request.map, request.column or (), request.tz, request.fees),
            venue=request.venue,
            strategies=AGAINST.get(request.against, request.against),
            agents=tuple(request.agent or ()),
            impact=request.impact,
            seed=request.seed,
            quote_age_s=request.quote_age,
            assume=request.assume,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            **impact_terms(request.passive_impact, request.impact_scale),
        )
    for warning in costs.warnings:
        say(f"warning: {warning}")
    result = costs.to_json()
    title = f"What {request.fills.name} cost"
    result["warnings"] = [in_options(warning) for warning in costs.warnings]
    hand_over(
        result,
        request.as_json,
        lambda: _show(costs),
        request.out,
        "tca",
        lambda: costs.page(title),
    )


def _show(costs: "OwnCosts") -> None:
    """Print costs of own executions as tables and sentences."""
    console = result_console()
    unit = costs.analysis.unit
    cost_summary = costs.cost_summary
    unit_text = "bps by its value" if unit == "bps" else "ticks per lot"
    sums = [
        {"who": name or "no agent", "parents": f"{row.parents:,}"} | _cells(row)
        for name, row in (*cost_summary.agents.items(), ("all", cost_summary.total))
    ]
    _table(
        f"what was filled, {unit_text}; a cost is positive, a mark-out in the order's favour too",
        sums,
    )
    console.print()
    if costs.counterfactual is not None:
        _show_counterfactual(costs.counterfactual, unit)
        console.print()
    rows = [
        {"parent": row.parent, "start": row.start, "end": row.end}
        | {"side": "buy" if row.side > 0 else "sell"}
        | {"limit": NOTHING if row.limit is None else f"{row.limit}"}
        | _cells(row)
        for row in costs.rows[:SHOWN]
    ]
    count_text = f", the first {SHOWN} of {len(costs.rows):,}" if len(costs.rows) > SHOWN else ""
    _table(f"parents{count_text}", rows)
    console.print()
    if foreign_fees := costs.analysis.foreign_fees:
        fees = [[name, f"{float(fee):,.8g}"] for name, fee in foreign_fees.items()]
        print_table("fees of other currencies, in no cost", ["currency", "fees"], fees)
        console.print()
    for sentence in costs.sentences():
        console.print(sentence, soft_wrap=True, markup=False)


def _cells(row: "OwnCost | CostMeans") -> dict[str, str]:
    """Cells of a parent's or an agent's row: lots, money, costs and mark-outs."""
    from tercel.desk.trading.tca.summary import benchmark_costs, labelled_parts

    lots = {"filled": row.filled, "unfilled": row.unfilled, "refused": row.refused}
    costs = {"is": row.is_bps} | labelled_parts(row) | benchmark_costs(row)
    return (
        {key: f"{value:,}" if isinstance(value, int) else f"{value}" for key, value in lots.items()}
        | {"money": f"{(row.money or {})['fills']:,.2f}"}
        | {key: format_number(value, 1) for key, value in costs.items()}
        | {f"+{span}": format_number(value, 1) for span, value in row.markouts_bps.items()}
    )


def _table(title: str, rows: list[dict[str, str]]) -> None:
    """Print rows, at least one, as a table without those of five optional columns that are empty."""
    kept_rows = drop_idle_columns(rows, ("limit", "unfilled", "refused", "delay", "forced"))
    print_table(title, list(kept_rows[0]), [list(row.values()) for row in kept_rows], DROP_ORDER)


def _show_counterfactual(counterfactual: "Counterfactual", unit: str) -> None:
    """Print the simulated costs of strategies on the same parents."""
    from tercel.api.tca.report_page import assumption_table, table_rows

    rows = [[*cells, f"{unfilled:,}"] for *cells, unfilled in table_rows(counterfactual)]
    print_table(
        f"the same {counterfactual.parents:,} parents re-simulated, {unit} of the requested value, without fees; impact "
        f"{counterfactual.market.describe_impact()}; 95 % intervals for all rows at once, {counterfactual.clusters} clusters",
        ["strategy", "cost", "saves", "verdict", "unfilled"],
        rows,
        ("unfilled",),
        ("verdict",),
    )
    if counterfactual.assumed:
        print_rows("under other assumptions", *assumption_table(counterfactual))
