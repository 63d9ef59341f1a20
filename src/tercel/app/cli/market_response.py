"""`tercel market response`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told


def response(
    preset: Annotated[
        str, typer.Argument(help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET")
    ],
    sizes: Annotated[
        list[float] | None,
        typer.Option(
            "--size", help="Order as a share of half an hour's volume; may be given again. Default: 0.1, 0.3, 1."
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option(help="Worlds with a twin at most; fewer where the error is small.", metavar="N")
    ] = 1000,
    seed: Seed = 0,
    impact: Annotated[
        str | None,
        typer.Option(help="none, translation or weights (default: what the preset carries).", metavar="LAW"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for response.html and response.json.", metavar="DIR")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a market answers to styles of execution: displacement, cost by size, who comes to resting orders."""
    with told(as_json):
        from tercel.app.commands import market_response as command

        command.run(
            preset, sizes=sizes or (0.1, 0.3, 1.0), pairs=pairs, seed=seed, impact=impact, out=out, as_json=as_json
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("response")(response)
