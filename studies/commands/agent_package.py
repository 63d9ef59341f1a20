"""`tercel agent package`: policies as they are shipped."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli import AsJson, hand_over, say

if TYPE_CHECKING:
    from studies.shipped.policies import PackagedPolicy


@dataclass(frozen=True)
class Package:
    """What is asked of `tercel agent package`."""

    runs: Annotated[list[Path], typer.Argument(help="Run folders of trainings.", metavar="RUN...")]
    out: Annotated[
        Path, typer.Argument(help="Folder that the policies are written into.", metavar="DIR")
    ]
    episodes: Annotated[int, typer.Option(help="Fresh episodes that each is judged on.", min=2)] = (
        2_000
    )
    name: Annotated[
        str,
        typer.Option(
            help="The family that they belong to; the configuration's name if not given.",
            metavar="NAME",
        ),
    ] = ""
    as_json: AsJson = False


def package(request: Package) -> None:
    """Write runs' policies as they are shipped: judged on fresh episodes, with figures of what they observe."""
    from studies.shipped.policies import package as packed

    written = packed(
        request.runs, request.out, request.episodes, request.name, command=_command, tell=say
    )
    hand_over(written, request.as_json, lambda: None)


def _command(one: "PackagedPolicy") -> str:
    """What trains it again."""
    source = f"--preset {one.shipped}" if one.shipped else f"{one.config.name}.toml"
    return f"tercel agent train {source} --seed {one.seed}"
