"""`tercel agent ablate`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, listed_seeds, told
from tercel.core.errors import ConfigError


def ablate(
    config: Annotated[Path | None, typer.Argument(help="TOML file of the recipe.", metavar="CONFIG")] = None,
    preset: Annotated[
        str | None, typer.Option(help="A shipped recipe in its place; one_market if neither is given.", metavar="NAME")
    ] = None,
    variants: Annotated[
        Path | None, typer.Option(help="TOML file of variants; those that ship if not given.", metavar="FILE")
    ] = None,
    only: Annotated[str | None, typer.Option(help="These variants alone.", metavar="NAME,...")] = None,
    seeds: Annotated[str, typer.Option(help="Training seeds of each variant.", metavar="S,...")] = "1,2,3",
    frames: Annotated[
        int | None, typer.Option(help="Decisions of a training; the recipe's if not given.", min=1, metavar="N")
    ] = None,
    episodes: Annotated[
        int, typer.Option(help="Judged episodes in each of the recipe's markets.", min=2, max=1_000_000, metavar="N")
    ] = 4_000,
    judged_on: Annotated[str, typer.Option(help="Base seeds of the judged episodes.", metavar="S,...")] = "901",
    workers: Annotated[
        int | None, typer.Option(help="Trainings side by side; one a core if not given.", min=1, metavar="N")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of trainings and cells; what is finished there is not run again.")
    ] = Path("runs/ablate"),
    write: Annotated[
        Path | None, typer.Option(help="Markdown file whose table is replaced.", metavar="FILE.md")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try each idea of a recipe: variants trained alike, judged against the whole on fresh episodes."""
    with told(as_json, f"what is trained and judged is kept in {out}; the same command goes on"):
        wanted = [part.strip() for part in (only or "").split(",") if part.strip()]
        if only is not None and not wanted:
            raise ConfigError("names of variants", f"--only {only!r}", "leave --only out for all of them")
        from tercel.app.commands.agent_ablate import ablate as body

        code = body(
            config=config,
            preset=preset,
            variants=variants,
            only=wanted,
            seeds=listed_seeds(seeds),
            frames=frames,
            episodes=episodes,
            judged_on=listed_seeds(judged_on),
            workers=workers or os.cpu_count() or 1,
            out=out,
            write=write,
            as_json=as_json,
        )
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
    app.command()(ablate)
