"""`tercel market impact`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError


def impact(
    preset: Annotated[
        str, typer.Argument(help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET")
    ],
    pairs: Annotated[
        int, typer.Option(help="Twins of each size and length; 400: exponents within about 0.05.", metavar="N")
    ] = 400,
    seed: Seed = 0,
    impact: Annotated[
        str | None,
        typer.Option(help="none, translation or weights (default: what the preset carries).", metavar="LAW"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for impact.html and impact.json.", metavar="DIR")] = None,
    carry: Annotated[
        Path | None,
        typer.Option(help="Only measure the law that a pilot finds, and write the preset with it.", metavar="FILE"),
    ] = None,
    y: Annotated[
        float, typer.Option("--y", help="(--carry) Prefactor of the square-root law; markets show 0.5 to 1.5.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Measure what metaorders do to a market's price: exponents, decay, round trips, twin errors."""
    with told(as_json):
        from tercel.app.commands import market_impact as command

        if carry is not None:
            if impact not in (None, "translation"):
                raise ConfigError("--carry with the law translation", f"--impact {impact}", "leave --impact out")
            if carry.suffix != ".json":
                raise ConfigError("a preset file (.json) to write", f"--carry {carry}", "name it NAME.json")
            command.carry(preset, carry, y=y, seed=seed, as_json=as_json)
        else:
            command.measure(preset, pairs=pairs, seed=seed, impact=impact, out=out, as_json=as_json)


def add_to(market_app: typer.Typer) -> None:
    """Make it a command of `tercel market`."""
    market_app.command("impact")(impact)
