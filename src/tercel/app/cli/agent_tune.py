"""`tercel agent tune`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told
from tercel.core.errors import ConfigError


def tune(
    strategies: Annotated[
        list[str] | None, typer.Argument(help="Strategies to tune; all that can be when none is named.")
    ] = None,
    market: Annotated[str | None, typer.Option(help="Preset market, by name or file.", metavar="NAME")] = None,
    tape: Annotated[Path | None, typer.Option(help="Tune on the training days of this lake.", metavar="LAKE")] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = None,
    impact: Annotated[
        str, typer.Option(help="Impact on the tape: square_root, propagator or none.", metavar="LAW")
    ] = "square_root",
    episodes: Annotated[
        int, typer.Option(help="Training episodes of each search; by the number of parameters when 0.", min=0)
    ] = 0,
    validation: Annotated[int, typer.Option(help="Validation episodes; 1,024 when 0.", min=0)] = 0,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="File of the values found.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Tune written strategies on training episodes; name the best on validation episodes: the baseline."""
    with told(as_json, "what is finished is kept; the same command goes on"):
        if (tape is None) != (symbol is None):
            raise ConfigError("--tape and --symbol together", "one of the two", "give both, or neither")
        from tercel.app.commands.agent_tune import Asked
        from tercel.app.commands.agent_tune import tune as body

        asked = Asked(
            strategies or (), market, tape, symbol, impact, episodes, validation, seed, out, as_json
        )  # fmt: skip
        raise typer.Exit(body(asked))


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
    app.command("tune")(tune)
