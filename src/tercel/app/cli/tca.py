"""`tercel tca`: the cost of somebody's own executions."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Lake, Seed, told


def tca(
    fills: Annotated[Path, typer.Argument(help="CSV: time, symbol, side, quantity, price (docs/tca.md).")],
    lake: Lake,
    orders: Annotated[
        Path | None,
        typer.Option(help="CSV of the parents: parent, symbol, side, quantity, start, end.", metavar="FILE"),
    ] = None,
    venue: Annotated[str, typer.Option(help="Whose tape, where several have a symbol.", metavar="VENUE")] = "",
    against: Annotated[
        str,
        typer.Option(
            help="Written strategies that work the parents again: names with commas, run (those of `tercel run`), all, "
            "none.",
            metavar="NAMES",
        ),
    ] = "run",
    agent: Annotated[
        list[str] | None,
        typer.Option(help="A policy that works them again, such as default; may be repeated.", metavar="POLICY"),
    ] = None,
    impact: Annotated[
        str,
        typer.Option(help="What strategies' trades do to prices: square_root, none, propagator.", metavar="LAW"),
    ] = "square_root",
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for tca.html and tca.json.", metavar="DIR")] = None,
    as_json: AsJson = False,
) -> None:
    """Split the cost of your own fills, and say what strategies would have cost on the same orders."""
    with told(as_json):
        from tercel.app.commands import tca as command

        command.tca(
            fills, lake, out, against, as_json, orders=orders, venue=venue, agents=tuple(agent or ()),
            impact=impact, seed=seed,
        )  # fmt: skip
