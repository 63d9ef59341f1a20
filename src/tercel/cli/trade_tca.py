"""`tercel trade tca`: costs of a desk's finished parent orders, as tables and as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.operator import Desk, find_desk
from tercel.cli.options import AsJson
from tercel.cli.output import print_json, print_sentences, result_console, say
from tercel.cli.trade_tables import LIMIT, print_rows
from tercel.core.report.cells import is_known
from tercel.core.report.formatting import format_percent
from tercel.core.report.tables import drop_idle_columns
from tercel.core.serialization import to_jsonable

if TYPE_CHECKING:
    from tercel.desk.trading.tca.measure import AnalysedCost
    from tercel.desk.trading.tca.summary import CostSummary

SHOWN = 20
"""Parents that a terminal shows."""


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
    from tercel.api.desk.folder import quotes_of
    from tercel.api.desk.folder_costs import costs_of
    from tercel.api.desk.run_page import score_shadow_folder
    from tercel.desk.trading.tca.dealer_report import (
        COLUMNS,
        dealer_cells,
        dealer_section,
        request_sentences,
    )

    costs = costs_of(folder := find_desk(desk), parent)
    rows = costs.rows
    cost_summary = costs.cost_summary
    requests, dealers = quotes_of(folder)
    rfq = [dealer_section(requests, dealers)] if requests else []
    score = None if shadow is None else score_shadow_folder(shadow, rows)
    figures = {} if score is None else {"bounds": score.figures}
    if as_json:
        sums = {"total": cost_summary.total, "agents": cost_summary.agents}
        pairs = costs.pairs
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
        _print_tca(folder, rows, cost_summary)
        if rfq:
            print_rows("RFQ, bps", dealer_cells(dealers), [*reversed(COLUMNS)])
            print_sentences(request_sentences(requests, dealers))
        if costs.pairs:
            print_rows("pairs: spreads in price units, costs in currency units", costs.pairs)
        print_sentences([] if score is None else [str(score.section.text)])
    page = out if out is not None else folder / "tca.html"
    page.write_text(
        costs.page(LIMIT, _agents(cost_summary), rfq + ([] if score is None else [score.section])),
        encoding="utf-8",
    )
    say(f"report: {page}")


def _print_tca(folder: Path, rows: "Sequence[AnalysedCost]", cost_summary: "CostSummary") -> None:
    """Print costs by agent, then by parent, then a summary in sentences."""
    from tercel.desk.trading.tca.summary import sentences

    print_rows(
        f"costs of {folder}, means by what was filled, bps; a cost is positive",
        _agents(cost_summary),
        ("vwap", "rested", "forced"),
    )
    result_console().print()
    count_text = f", the first {SHOWN} of {len(rows):,}" if len(rows) > SHOWN else ""
    parents = drop_idle_columns(
        [_tca_row(row) for row in rows[:SHOWN]], ("unfilled", "refused", LIMIT)
    )
    leaves = ("depth cost", "+10s", "+60s", "timing", "spread", "twap", "vwap", "refused", LIMIT)
    print_rows(
        f"parents{count_text}; a mark-out is positive in the order's favour",
        parents,
        (*leaves, "unfilled", "side"),
    )
    result_console().print()
    note = "95 % of Student's t over parents as if independent: those of one time share a market."
    print_sentences((*sentences(rows), note))


def _agents(cost_summary: "CostSummary") -> list[dict[str, Any]]:
    """Rows of mean costs (bps), one for each agent and one for all."""
    rows = [
        {
            "agent": name,
            "parents": means.parents,
            "filled": means.filled,
            "unfilled": means.unfilled,
            "refused": means.refused,
            "is": means.is_bps,
            "95% of is": _between(means.interval),
            "forced": means.forced_bps,
            "vwap": means.vwap_bps,
            "rested": _format_share(means.passive_share),
        }
        for name, means in [*cost_summary.agents.items(), ("all", cost_summary.total)]
    ]
    return drop_idle_columns(rows, ("unfilled", "refused"))


def _between(interval: tuple[float | None, float | None] | None) -> str:
    """Interval of a mean cost as text, bps; "-" if unknown."""
    low, high = interval or (None, None)
    return "-" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"


def _format_share(share: float | None) -> str:
    """A share as a percentage without decimals; "-" if unknown."""
    return format_percent(share) if is_known(share) else "-"


def _tca_row(row: "AnalysedCost") -> dict[str, object]:
    """Columns of a parent's costs for the terminal."""
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
        "rested": _format_share(row.passive_share),
        **{f"+{span}": row.markouts_bps.get(span) for span in ("10s", "60s")},
    }
    return dict(to_jsonable(cells))
