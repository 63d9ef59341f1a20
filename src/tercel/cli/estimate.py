"""`tercel estimate`: what an order will cost, before it trades, and how strategies rank."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.options import IN_LAKE, JsonRequest, Lake, Seed
from tercel.cli.output import check_folder, hand_over, print_table, progress, result_console

DROP_ORDER = ("timing", "spread", "sd", "impact", "passive 0", "money")
"""Columns that leave a narrow terminal, first to last."""


@dataclass(frozen=True)
class EstimateOrder(JsonRequest):
    """Options of `tercel estimate`."""

    symbol: Annotated[str, typer.Argument(help="Symbol on the tape.", metavar="SYM"), IN_LAKE]
    side: Annotated[str, typer.Argument(help="buy or sell.", metavar="SIDE")]
    quantity: Annotated[
        int, typer.Argument(help="The order in lots; of US equities shares.", metavar="N")
    ]
    lake: Lake
    start: Annotated[
        str,
        typer.Option(
            help="It arrives at this local time of the exchange, after the last recorded day; of '2012-06-21 10:30', days "
            "before are used.",
            metavar="[DATE ]HH:MM",
        ),
    ]
    horizon: Annotated[
        str, typer.Option(help="Time to execute it: 30min, 2h, seconds.", metavar="SPAN")
    ] = "30min"
    days: Annotated[
        int,
        typer.Option(help="Recorded days to estimate from, at most, the last ones.", metavar="N"),
    ] = 20
    venue: Annotated[
        str, typer.Option(help="Venue of the tape, if several have a symbol.", metavar="VENUE")
    ] = ""
    strategies: Annotated[
        str, typer.Option(help="Rules and policies, with commas.", metavar="NAMES")
    ] = "default,guarded,twap_take,pov,immediate"
    impact: Annotated[
        str,
        typer.Option(
            help="Impact law of the order's own trades: square_root, none, propagator.",
            metavar="LAW",
        ),
    ] = "square_root"
    seed: Seed = 1
    out: Annotated[
        Path | None, typer.Option(help="Folder for estimate.html and estimate.json.", metavar="DIR")
    ] = None


def estimate(request: EstimateOrder) -> None:
    """Estimate what an order will cost, from like orders on recorded days, and rank strategies."""
    check_folder(request.out)
    import tercel as tc

    with progress(counted=True, transient=True) as bar:
        task = bar.add_task("replay like orders", total=None)
        found = tc.estimate(
            request.symbol,
            request.side,
            request.quantity,
            lake=request.lake,
            start=request.start,
            horizon=request.horizon,
            days=request.days,
            venue=request.venue,
            strategies=request.strategies,
            impact=request.impact,
            seed=request.seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )

    def show() -> None:
        """Print the table and its sentences."""
        cells = [dict(zip(found.headings, row, strict=True)) for row in found.rows()]
        if not any(row.unfilled for row in found.strategies):
            for row in cells:
                del row["orders unfilled"]
        print_table(found.title, list(cells[0]), [list(row.values()) for row in cells], DROP_ORDER)
        for sentence in found.sentences():
            result_console().print(sentence, soft_wrap=True, markup=False)

    hand_over(found.to_json(), request.as_json, show, request.out, "estimate", found.page)
