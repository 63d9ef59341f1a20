"""`tercel run`: train on a market, judge against everything written, print the table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from tercel.cli.order import NOT_TYPED, Fees, Impact, TypedOrder, check_tape
from tercel.cli.shared import AsJson, Own, Seed, Symbols
from tercel.core.errors import ConfigError


@dataclass(frozen=True)
class RunRequest:
    """What is asked of `tercel run`."""

    interrupted: ClassVar[str] = "what is finished is kept; to go on: tercel run --resume"

    market: Annotated[
        str | None,
        typer.Option(
            help="Preset market, by name or as a .json file (default: csco; an unknown name lists them).",
            metavar="NAME",
        ),
    ] = None
    tape: Annotated[
        Path | None, typer.Option(help="Run on this lake's real days instead of a preset.", metavar="LAKE")
    ] = None
    symbol: Symbols = None
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run under a minute: proves the road, not the agent.")
    ] = False
    seed: Seed = 1
    out: Annotated[Path | None, typer.Option(help="Run folder (default: a new one under runs/).", metavar="DIR")] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the stopped run in --out (default: the newest), with the options it had."
        ),
    ] = False
    regimes: Annotated[
        str | None,
        typer.Option(
            help="Regimes that switch in every episode: chain, season, a name (volatile, thin, flash_crash, ...), "
            "a .toml file; several with commas.",
            metavar="WHAT",
        ),
    ] = None
    fees: Fees = None
    order: TypedOrder = NOT_TYPED
    feed_latency_ms: Annotated[
        str | None, typer.Option(help="How late the market is seen: X, A,B or tape.", metavar="X")
    ] = None
    queue: Annotated[
        str | None,
        typer.Option(
            help="(--tape) Queue model where a tape shows level totals alone: risk_averse, power_prob[:N], log_prob "
            "and others (default: power_prob).",
            metavar="NAME",
        ),
    ] = None
    impact: Impact = None
    strategy: Own = None
    as_json: AsJson = False

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        if self.market == "":
            raise ConfigError("the name of a market", "an empty one", "leave --market out for the default")
        if self.market is not None and self.tape is not None:
            raise ConfigError(
                "one market", f"--market {self.market} and --tape {self.tape}", "leave one of the two out"
            )
        check_tape(self.tape, self.symbol, self.order)


def run(request: RunRequest) -> None:
    """Train up from a tuned rule, judge against the agent that ships and every rule, print the table and a verdict."""
    from tercel.cli.commands import run as command

    command.run(request)
