"""`tercel trade run --ablate | --freeze`: the desk without each arrow of its loop, and with each agent alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli import Experiments, RunDesk

if TYPE_CHECKING:
    from tercel.desk.engine import DeskConfig


@dataclass(frozen=True)
class RunDeskWithExperiments(RunDesk):
    """What is asked of `tercel trade run`, with experiments beside the run."""

    body: ClassVar[str] = "tercel.cli.trade:run"

    ablate: Annotated[
        bool,
        typer.Option(
            "--ablate", help="Then run it without each arrow of the loop, over seeds (minutes)."
        ),
    ] = False
    freeze: Annotated[
        bool,
        typer.Option("--freeze", help="Then run it with each agent alone, over seeds (minutes)."),
    ] = False
    seeds: Annotated[
        int, typer.Option(help="Seeds of --ablate and --freeze.", min=2, max=10_000)
    ] = 32

    def experiments(self, config: "DeskConfig", folder: Path) -> Experiments:
        """What is tried beside the run, once it is over."""
        if not (self.ablate or self.freeze):
            return Experiments()
        from studies.desk.told import experiments

        return experiments(config, folder, self.seeds, ablate=self.ablate, freeze=self.freeze)
