"""`python -m replications NAME`: published studies done again, our figures beside theirs."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.cli import AsJson, Seed, command_line, parse_seeds, report_errors, run_app
from tercel.core import ConfigError

app = command_line("replications", "Published studies, done again: our figures beside theirs.")
Train = Annotated[
    bool, typer.Option("--train", help="Train the agents again, three seeds; they go into --out.")
]
Seeds = Annotated[
    str, typer.Option(help="Base seeds of evaluation, separated by commas.", metavar="S[,S...]")
]
ROOT = Path("runs") / "replications"
Recorded = Annotated[
    Path | None, typer.Option("--lake", help="Folder of the tape lake.", metavar="DIR")
]
Learn = Annotated[
    bool, typer.Option("--train", help="Learn on the earlier days, into --out, and judge that.")
]
KEPT = "what is finished is kept; the same command goes on"
REMEDY = (
    "import days with `tercel data import` and name them; simulated ones, of `tercel market simulate ibm --days 6 "
    "--out LAKE`, test the pipeline"
)


@app.command("cheridito-weiss")
def cheridito_weiss(
    train: Annotated[
        bool,
        typer.Option(
            "--train", help="Tune and learn again, three seeds, instead of judging what is shipped."
        ),
    ] = False,
    episodes: Annotated[
        int, typer.Option(help="Judged episodes of each task.", min=2, max=10_000_000)
    ] = 10_000,
    seeds: Annotated[
        str,
        typer.Option(
            help="Base seeds of the judged episodes, which are split evenly.", metavar="S[,S...]"
        ),
    ] = "1,2,3",
    out: Annotated[
        Path,
        typer.Option(
            help="(--train) Folder of what is learned; what is finished there is not done again."
        ),
    ] = ROOT / "cheridito-weiss",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="(--train) A smoke run: tests the pipeline, not the agents."),
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(help="Draw the figure into this folder.", exists=True, file_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cheridito and Weiss (2025): selling with market and limit orders in six simulated tasks."""
    with report_errors(as_json, "what is finished is kept; the same command goes on"):
        judged = parse_seeds(seeds)
        from replications.cheridito_weiss.command import replicate

        code = replicate(
            again=train,
            episodes=episodes,
            seeds=judged,
            out=out,
            quick=quick,
            figures=figures,
            as_json=as_json,
        )
        raise typer.Exit(code)


@app.command("almgren-chriss")
def almgren_chriss(
    train: Train = False,
    episodes: Annotated[
        int, typer.Option(help="Price paths for each seed.", min=100, max=10_000_000)
    ] = 100_000,
    seeds: Seeds = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and trained policies.")] = ROOT
    / "almgren-chriss",
    as_json: AsJson = False,
) -> None:
    """Almgren and Chriss (2000): the worked numbers, and the efficient frontier by an agent's risk aversion."""
    with report_errors(as_json):
        from replications.almgren_chriss import command

        command.run(train, episodes, parse_seeds(seeds), out, as_json)


@app.command("deep-hedging")
def deep_hedging(
    train: Train = False,
    episodes: Annotated[
        int, typer.Option(help="Price paths for each seed.", min=1000, max=10_000_000)
    ] = 50_000,
    seeds: Seeds = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and trained policies.")] = ROOT
    / "deep-hedging",
    as_json: AsJson = False,
) -> None:
    """Buehler et al. (2019) in small: expected shortfall of an option under costs, against the closed-form delta."""
    with report_errors(as_json):
        from replications.deep_hedging import command

        command.run(train, episodes, parse_seeds(seeds), out, as_json)


@app.command("nevmyvaka")
def nevmyvaka(
    lake: Recorded = None,
    symbol: Annotated[str, typer.Option(help="Symbol of the lake.", metavar="SYM")] = "",
    train: Learn = False,
    shares: Annotated[
        int, typer.Option(help="(--train) Shares of the order.", min=1, max=10_000_000)
    ] = 5000,
    episodes: Annotated[
        int, typer.Option(help="Judged orders at most, for each setting.", min=2)
    ] = 1_000_000,
    seeds: Annotated[
        str,
        typer.Option(
            help="Sets of judged windows; each after the first is shifted by it.",
            metavar="S[,S...]",
        ),
    ] = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder for the figure and learned tables.")] = ROOT
    / "nevmyvaka",
    as_json: AsJson = False,
) -> None:
    """Nevmyvaka, Feng and Kearns (2006): time and inventory, then market variables, against submit and leave."""
    with report_errors(as_json, "tables that are finished are kept; the same command goes on"):
        chosen, days = parse_seeds(seeds), recorded(lake, symbol)
        from replications.nevmyvaka import command

        command.run(days, symbol, train, shares, episodes, chosen, out, as_json)


@app.command("ning")
def ning(
    lake: Recorded = None,
    symbol: Annotated[str, typer.Option(help="Symbol of the lake.", metavar="SYM")] = "",
    train: Learn = False,
    shares: Annotated[
        int, typer.Option(help="(--train) Shares of the order.", min=5, max=10_000_000)
    ] = 20_000,
    seeds: Annotated[
        str, typer.Option(help="Seeds of fresh random walks and of resampling.", metavar="S[,S...]")
    ] = "1",
    out: Annotated[Path, typer.Option(help="Folder for the figure and learned networks.")] = ROOT
    / "ning",
    as_json: AsJson = False,
) -> None:
    """Ning, Lin and Jaimungal (2018): double DQN over TWAP, at the mid as published, and by taking on later days."""
    with report_errors(as_json):
        chosen, days = parse_seeds(seeds), recorded(lake, symbol)
        from replications.ning import command

        command.run(days, symbol, train, shares, chosen, out, as_json)


@app.command()
def buehler(
    full: Annotated[
        bool,
        typer.Option("--full", help="Trainings of 20,000 steps, a million judged paths: hours."),
    ] = False,
    seeds: Annotated[
        str, typer.Option(help="Seeds of trainings, separated by commas.", metavar="S[,S...]")
    ] = "1",
    out: Annotated[Path, typer.Option(help="Folder of the figure and of what is finished.")] = ROOT
    / "buehler",
    as_json: AsJson = False,
) -> None:
    """Buehler et al. (2019): a call hedged in Heston's market, with and without costs, beside the study's figures."""
    with report_errors(as_json, KEPT):
        from replications import buehler as study

        study.run(study.settings_of(parse_seeds(seeds), full), out, as_json)


@app.command("gu-kelly-xiu")
def gu_kelly_xiu(
    repetitions: Annotated[int, typer.Option(help="Simulated panels.", min=2, max=1000)] = 12,
    full: Annotated[
        bool,
        typer.Option("--full", help="The study's size: 100 panels, 50 and 100 characteristics."),
    ] = False,
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the figure and of what is finished.")] = ROOT
    / "gu-kelly-xiu",
    as_json: AsJson = False,
) -> None:
    """Gu, Kelly and Xiu (2020): families of models on the study's own simulation, R2 beside its table."""
    with report_errors(as_json, KEPT):
        from replications import gu_kelly_xiu as study

        study.run(study.settings_of(seed, repetitions, full), out, as_json)


@app.command("fischer-krauss")
def fischer_krauss(
    data: Annotated[
        Path,
        typer.Option(
            help="Daily prices, as `tercel signals` reads them: a file, or a folder.", exists=True
        ),
    ],
    leave_out: Annotated[
        list[int] | None,
        typer.Option(help="Year whose days are not judged; several.", metavar="YEAR"),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="All rows, 1,000 trees and epochs: days of CPU.")
    ] = False,
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the figure and of what is finished.")] = ROOT
    / "fischer-krauss",
    as_json: AsJson = False,
) -> None:
    """Fischer and Krauss (2018): an LSTM against a forest on daily stocks, by period, net of costs."""
    with report_errors(as_json, KEPT):
        from replications import fischer_krauss as study

        study.run(data, study.settings_of(seed, full), out, as_json, leave_out or ())


def recorded(lake: Path | None, symbol: str) -> Path:
    """The lake that was named.

    Raises
    ------
    ConfigError
        None was, or no symbol.
    """
    if lake is None or not symbol:
        given = f"--lake {lake or '(none)'} --symbol {symbol or '(none)'}"
        raise ConfigError("recorded days: --lake DIR --symbol SYM", given, REMEDY)
    return lake


if __name__ == "__main__":
    run_app(app)
