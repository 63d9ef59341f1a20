"""`tercel agent sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told


def sweep(
    config: Annotated[Path, typer.Argument(help="TOML file of a training with \\[sweep.ranges].", metavar="CONFIG")],
    trials: Annotated[
        int | None, typer.Option(help="Trials in all; those of the file if not given.", min=1, metavar="N")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="No new trial after so many seconds.", min=0.0, metavar="S")
    ] = None,
    storage: Annotated[
        str, typer.Option(help="Database of trials, sqlite:///FILE; in the folder if not given.", metavar="URL")
    ] = "",
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Folder; runs/sweeps/NAME-SEED if not given.", metavar="DIR")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in that folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search settings on validation episodes alone: trials, the best configuration, how many variants were tried."""
    with told(as_json, "trials that ended are kept; --resume goes on"):
        from tercel.app.commands.agent_sweep import sweep as body

        code = body(
            config=config, trials=trials, timeout=timeout, storage=storage, seed=seed, out=out, resume=resume,
            as_json=as_json,
        )  # fmt: skip
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the command under `tercel agent`."""
    app.command()(sweep)
