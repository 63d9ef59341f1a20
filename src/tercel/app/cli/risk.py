"""`tercel risk ...`."""

from pathlib import Path
from typing import Annotated

import typer

from tercel.app.cli.shared import AsJson, Seed, told

risk_app = typer.Typer(
    name="risk", help="Volatility, correlation, tails, anomalies, and the posture that follows.", no_args_is_help=True
)

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the data sets, or one file (default: a synthetic market, said so).", metavar="PATH"),
]
Out = Annotated[Path | None, typer.Option(help="Write report.html with the figures into this folder.", metavar="DIR")]
Market = Annotated[str, typer.Option(help="Preset market, by name or as a .json file.", metavar="NAME")]


@risk_app.command()
def volatility(data: Data = None, out: Out = None, seed: Seed = 1, as_json: AsJson = False) -> None:
    """Rank variance forecasts by QLIKE with Diebold-Mariano; a CSV file holds date, close and if it can rv, rq, vix."""
    with told(as_json):
        from tercel.app.commands import risk_volatility as command

        command.volatility(data, seed, out, as_json)


@risk_app.command()
def correlation(
    data: Data = None,
    names: Annotated[int, typer.Option(help="Names drawn from the panel.", metavar="N")] = 400,
    window: Annotated[int, typer.Option(help="Days that each estimate sees.", metavar="N")] = 504,
    out: Out = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Judge covariance estimators by minimum-variance risk out of sample; a file holds ticker, date, close, volume."""
    with told(as_json):
        from tercel.app.commands import risk_correlation as command

        command.correlation(data, names, window, seed, out, as_json)


@risk_app.command()
def tail(data: Data = None, out: Out = None, seed: Seed = 1, as_json: AsJson = False) -> None:
    """Put Value at Risk on trial: Kupiec, Christoffersen, Expected Shortfall; a CSV file holds date and close."""
    with told(as_json):
        from tercel.app.commands import risk_tail as command

        command.tail(data, seed, out, as_json)


@risk_app.command()
def regimes(data: Data = None, out: Out = None, seed: Seed = 1, as_json: AsJson = False) -> None:
    """Tell two regimes of volatility apart with a filtered hidden Markov model; a CSV file holds date and close."""
    with told(as_json):
        from tercel.app.commands import risk_tail as command

        command.regime(data, seed, out, as_json)


@risk_app.command()
def anomaly(
    market: Market = "csco-santa-fe",
    days: Annotated[int, typer.Option(help="Calm simulated days, for false alarms.", metavar="N")] = 100,
    withdrawals: Annotated[int, typer.Option(help="Withdrawals planted, one a day.", metavar="N")] = 200,
    out: Out = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Judge the anomaly score on planted liquidity withdrawals: detection, lead, false alarms."""
    with told(as_json):
        from tercel.app.commands import risk_anomaly as command

        command.anomaly(market, days, withdrawals, seed, out, as_json)


@risk_app.command()
def posture(market: Market = "csco-santa-fe", out: Out = None, seed: Seed = 1, as_json: AsJson = False) -> None:
    """Show the posture through a scripted stress: what changed, when and why."""
    with told(as_json):
        from tercel.app.commands import risk_anomaly as command

        command.posture(market, seed, out, as_json)
