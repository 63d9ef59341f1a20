"""`tercel agent table`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, listed_seeds, told


def table(
    policies: Annotated[
        list[str] | None, typer.Argument(help="Policies, as in `agent evaluate`; none: rules alone.", metavar="POLICY")
    ] = None,
    family: Annotated[
        str,
        typer.Option(
            help="Show all these policies as one of this name, each in the markets that it was made for.",
            metavar="NAME",
        ),
    ] = "",
    market: Annotated[
        list[str] | None, typer.Option("--market", help="Preset market; several. Default: all.", metavar="NAME")
    ] = None,
    regimes: Annotated[
        str, typer.Option(help="Named regimes, each by itself, separated by commas; all; none.", metavar="all|NAME,...")
    ] = "all",
    against: Annotated[str, typer.Option(help="Written strategies, or all.", metavar="all|NAME,...")] = "all",
    episodes: Annotated[int, typer.Option(help="Episodes of each cell.", min=2, max=1_000_000, metavar="N")] = 512,
    seeds: Annotated[str, typer.Option(help="Base seeds of the episodes.", metavar="S,...")] = "1",
    write: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file whose table is replaced; the figure of gains goes into figures beside it.",
            metavar="FILE.md",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Run the episodes on Ray: local, auto, or a cluster's address.", metavar="ADDRESS"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of cells; what is finished there is not run again.")] = Path(
        "runs/evaluate"
    ),
    as_json: AsJson = False,
) -> None:
    """Print the big table: all strategies in all markets and regimes, with intervals."""
    with told(as_json, f"what is finished is kept in {out}; the same command goes on"):
        from tercel.app.commands import agent_table as command

        code = command.table(
            policies=policies or (),
            family=family,
            markets=market or (),
            regimes=regimes,
            against=against,
            episodes=episodes,
            seeds=listed_seeds(seeds),
            write=write,
            ray=ray,
            out=out,
            as_json=as_json,
        )
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
    app.command("table")(table)
