"""`tercel market arbitrage`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told


def arbitrage(
    preset: Annotated[
        str | None,
        typer.Argument(help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET"),
    ] = None,
    sizes: Annotated[
        list[float] | None,
        typer.Option(
            "--size", help="Order as a share of half an hour's volume; may be given again. Default: 0.1, 0.3, 1."
        ),
    ] = None,
    latencies: Annotated[
        list[str] | None,
        typer.Option(
            "--latency", help="Order entry, ms: X, or evenly on A,B; may be given again. Default: 0, 50.", metavar="X"
        ),
    ] = None,
    seed: Seed = 0,
    budget: Annotated[
        int, typer.Option(help="Round trips that the search plays, over all sizes and latencies.", min=1, metavar="N")
    ] = 80_000,
    minutes: Annotated[
        float | None,
        typer.Option(help="End the search after so many minutes of a core; the result then hangs on the machine."),
    ] = None,
    pairs: Annotated[int, typer.Option(help="Fresh worlds of the proof, both signs in each.", metavar="N")] = 512,
    impact: Annotated[
        str | None,
        typer.Option(
            help="Of a preset none, translation, weights (default: what it carries); of a tape none (default), "
            "square_root, propagator.",
            metavar="LAW",
        ),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Search on this lake's days instead of a preset.", metavar="LAKE")
    ] = None,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = "",
    as_json: AsJson = False,
) -> None:
    """Search for round trips that pay, and prove the best on worlds that the search never saw."""
    with told(as_json):
        from tercel.app.commands import market_arbitrage as command

        command.run(
            preset, tape="" if tape is None else str(tape), symbol=symbol, sizes=sizes or (0.1, 0.3, 1.0),
            latencies=latencies or ("0", "50"), impact=impact, seed=seed, budget=budget, minutes=minutes, pairs=pairs,
            as_json=as_json,
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("arbitrage")(arbitrage)
