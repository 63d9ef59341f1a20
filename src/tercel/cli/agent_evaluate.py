"""`tercel agent evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.cli import agent_table
from tercel.cli.order import NOT_TYPED, Symbols, TypedOrder, check_tape, with_order
from tercel.cli.shared import AsJson, Eyes, Own, listed_dates, listed_seeds, told
from tercel.core.errors import ConfigError

Policies = Annotated[
    list[str] | None,
    typer.Argument(
        help="Policies: folders, `default` for the one that ships, names of `tercel agent list`; `default-all` for all "
        "of its family, each in the markets that it was made for. Folders of one recipe with other training seeds are "
        "judged as one row as well.",
        metavar="POLICY...",
    ),
]
Family = Annotated[
    str,
    typer.Option(
        help="Judge all these policies as one of this name, each in the markets that its card says it is made for.",
        metavar="NAME",
    ),
]
Markets = Annotated[
    list[str] | None,
    typer.Option(
        "--market", help="Preset market (default: csco); several: the first one's table is printed.", metavar="NAME"
    ),
]
Tape = Annotated[Path | None, typer.Option(help="Judge on the later days of this lake.", metavar="LAKE")]
Impact = Annotated[
    str | None,
    typer.Option(
        help="Law of impact: of a tape square_root (default), propagator, none; of presets none, translation, weights "
        "(default: what they carry).",
        metavar="LAW",
    ),
]
Against = Annotated[str, typer.Option(help="Written strategies to compare with, or all.", metavar="all|NAME,...")]
Episodes = Annotated[
    int, typer.Option(help="Judged episodes in each market; on tape at most.", min=2, max=1_000_000, metavar="N")
]
Seeds = Annotated[str, typer.Option(help="Base seeds of the judged episodes, which are split evenly.", metavar="S,...")]


@with_order
def evaluate(
    policies: Policies = None,
    strategy: Own = None,
    observation: Eyes = None,
    family: Family = "",
    market: Markets = None,
    tape: Tape = None,
    symbol: Symbols = None,
    date: Annotated[
        str, typer.Option(help="(--tape) Days to judge on. Default: the later third.", metavar="D[,D...]")
    ] = "",
    allow_seen_days: Annotated[
        bool,
        typer.Option(
            "--allow-seen-days", help="(--tape) Judge policies on days that they learned from too; the table says so."
        ),
    ] = False,
    impact: Impact = None,
    against: Against = "all",
    episodes: Episodes = 1_000,
    seeds: Seeds = "1",
    regimes: Annotated[
        str,
        typer.Option(
            help="Regimes, as in `tercel run` (chain, season, names, a .toml file); each: every named one by itself, "
            "in every market.",
            metavar="WHAT",
        ),
    ] = "",
    fees: Annotated[
        str | None, typer.Option(help="Fees in price units a share, or as 1,5bps.", metavar="MAKER,TAKER")
    ] = None,
    order: TypedOrder = NOT_TYPED,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Other latencies, fees and order sizes too, one at a time.")
    ] = False,
    adaptation: Annotated[
        bool, typer.Option("--adaptation", help="Regimes that begin half-way through the order too.")
    ] = False,
    trained_for: Annotated[
        list[str] | None,
        typer.Option(
            help="(--adaptation) The policy trained in a regime, to measure losses against; several.",
            metavar="REGIME=POLICY",
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Unpickle .zip archives of Stable-Baselines3, which may run anything.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Run the episodes on Ray: local, auto, or a cluster's address.", metavar="ADDRESS"),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of cells, figures and page; what is finished there is not run again.")
    ] = Path("runs/evaluate"),
    as_json: AsJson = False,
) -> None:
    """Judge policies against everything written, on the same unseen episodes, with honest statistics."""
    with told(as_json, f"what is finished is kept in {out}; the same command goes on"):
        check_tape(tape, symbol, order)
        if impact == "":
            raise ConfigError("the name of a law", "an empty one", "leave --impact out for the default")
        if date and order.orders is not None:
            raise ConfigError("orders of a list on their own days", "--date with --orders", "leave one out")
        if date and tape is None:
            raise ConfigError("--date with --tape", "--date alone", "add --tape and --symbol")
        from tercel.cli.commands import agent_evaluate as command

        code = command.evaluate(
            policies=policies or (),
            strategies=strategy or (),
            observations=observation or (),
            family=family,
            markets=market or (),
            lake=tape,
            symbol=symbol,
            dates=listed_dates(date),
            allow_seen_days=allow_seen_days,
            impact=impact,
            against=against,
            episodes=episodes,
            seeds=listed_seeds(seeds),
            regimes=regimes,
            fees=fees,
            latency_ms=order.latency,
            order=order.said,
            orders=order.orders,
            sensitivity=sensitivity,
            adaptation=adaptation,
            trained_for=trained_for or (),
            trust=trust,
            ray=ray,
            out=out,
            as_json=as_json,
        )
        raise typer.Exit(code)


def add_to(app: typer.Typer) -> None:
    """Hang the commands under `tercel agent`."""
    app.command("evaluate")(evaluate)
    agent_table.add_to(app)
