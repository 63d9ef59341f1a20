"""`tercel market twins`."""

from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told


def twins(
    preset: Annotated[
        str, typer.Argument(help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET")
    ],
    pairs: Annotated[int, typer.Option(help="Twins of each scheme.", min=2, max=1_000_000, metavar="N")] = 1000,
    share: Annotated[
        float, typer.Option(help="Lots bought, as a share of the volume expected in the time.", metavar="X")
    ] = 0.1,
    length: Annotated[float, typer.Option(help="Seconds they are bought in.", metavar="S")] = 600.0,
    seed: Seed = 0,
    impact: Annotated[
        str | None,
        typer.Option(help="none, translation or weights (default: what the preset carries).", metavar="LAW"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what twin runs say of impact: its standard error, the price of a pair, coupled or not."""
    with told(as_json):
        from tercel.app.commands import market_twins

        market_twins.run(
            preset, pairs=pairs, share=share, length_s=length, seed=seed, impact=impact, as_json=as_json
        )  # fmt: skip


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("twins")(twins)
