"""`tercel risk ...`: models of risk on trial."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli import AsJson, PostureRequest, Seed, hand_over, print_table, result_console, say
from tercel.core import write_atomic

if TYPE_CHECKING:
    from studies.risk.trials.report import TrialReport
    from tercel.signals.risk import PostureStory

Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the data sets, or one file (default: a synthetic market, said so).",
        metavar="PATH",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Write report.html with the figures into this folder.", metavar="DIR"),
]
Market = Annotated[
    str, typer.Option(help="Preset market, by name or as a .json file.", metavar="NAME")
]


@dataclass(frozen=True)
class OfSeries:
    """What is asked of `tercel risk volatility`, `tail` and `regimes`."""

    data: Data = None
    out: Out = None
    seed: Seed = 1
    as_json: AsJson = False


def volatility(request: OfSeries) -> None:
    """Rank variance forecasts by QLIKE with Diebold-Mariano; a CSV file holds date, close and if it can rv, rq, vix."""
    from studies.risk.trials.volatility import found

    _show(found(request.data, request.seed), request.as_json, request.out)


def tail(request: OfSeries) -> None:
    """Put Value at Risk on trial: Kupiec, Christoffersen, Expected Shortfall; a CSV file holds date and close."""
    from studies.risk.trials.tail import found_tail

    _show(found_tail(request.data, request.seed), request.as_json, request.out)


def regimes(request: OfSeries) -> None:
    """Tell two regimes of volatility apart with a filtered hidden Markov model; a CSV file holds date and close."""
    from studies.risk.trials.tail import found_regimes

    _show(found_regimes(request.data, request.seed), request.as_json, request.out)


@dataclass(frozen=True)
class Correlation:
    """What is asked of `tercel risk correlation`."""

    data: Data = None
    names: Annotated[int, typer.Option(help="Names drawn from the panel.", metavar="N")] = 400
    window: Annotated[int, typer.Option(help="Days that each estimate sees.", metavar="N")] = 504
    out: Out = None
    seed: Seed = 1
    as_json: AsJson = False


def correlation(request: Correlation) -> None:
    """Judge covariance estimators by minimum-variance risk out of sample; a file holds ticker, date, close, volume."""
    from studies.risk.trials.correlation import found

    _show(
        found(request.data, request.names, request.window, request.seed),
        request.as_json,
        request.out,
    )


@dataclass(frozen=True)
class Anomaly:
    """What is asked of `tercel risk anomaly`."""

    market: Market = "csco-santa-fe"
    days: Annotated[
        int, typer.Option(help="Calm simulated days, for false alarms.", metavar="N")
    ] = 100
    withdrawals: Annotated[
        int, typer.Option(help="Withdrawals planted, one a day.", metavar="N")
    ] = 200
    out: Out = None
    seed: Seed = 1
    as_json: AsJson = False


def anomaly(request: Anomaly) -> None:
    """Judge the anomaly score on planted liquidity withdrawals: detection, lead, false alarms."""
    from studies.risk.trials.anomaly import found_anomaly

    found = found_anomaly(request.market, request.days, request.withdrawals, request.seed, say)
    _show(found, request.as_json, request.out)


@dataclass(frozen=True)
class Precursors:
    """What is asked of `tercel risk precursors`."""

    market: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset markets (default: sh600961, ibm, amzn, goog); several.", metavar="NAME"
        ),
    ] = None
    days: Annotated[
        int,
        typer.Option(help="Calm simulated days that are judged, for false alarms.", metavar="N"),
    ] = 100
    withdrawals: Annotated[
        int, typer.Option(help="Withdrawals that are judged, one a day.", metavar="N")
    ] = 200
    lake: Annotated[
        Path | None,
        typer.Option(help="Tape lake: alarms on all days of the markets' symbols.", metavar="DIR"),
    ] = None
    out: Out = None
    seed: Seed = 1
    as_json: AsJson = False


def precursors(request: Precursors) -> None:
    """Judge a learned hazard of withdrawals beside the anomaly score and the posture's thresholds."""
    from studies.risk.trials.precursors import MARKETS, Sizes, found_precursors

    sizes = Sizes(request.withdrawals, request.days)
    found = found_precursors(request.market or MARKETS, sizes, request.lake, request.seed, say)
    _show(found, request.as_json, request.out)


@dataclass(frozen=True)
class PostureOrStress(PostureRequest):
    """What is asked of `tercel risk posture`, through a scripted stress where no file is named."""

    body: ClassVar[str] = "tercel.cli.risk:posture"

    market: Annotated[
        str,
        typer.Option(
            help="Without a FILE: preset market, by name or as a .json file.", metavar="NAME"
        ),
    ] = "csco-santa-fe"

    def story(self) -> "PostureStory":
        """The posture that is asked for."""
        if self.file is not None:
            return super().story()
        from studies.risk.stress import scripted

        return scripted(self.market, self.seed)


def _show(found: "TrialReport", as_json: bool, out: Path | None) -> None:
    """Print it, and write its page to `out` where one is asked for."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / "report.html", found.page())
        say(f"report  {out / 'report.html'}")

    def show() -> None:
        from rich.text import Text

        console = result_console()
        for table in found.tables:
            rows = [[str(cell) for cell in row] for row in table.rows]
            print_table(
                table.title,
                table.headings,
                rows,
                table.leaves,
                wraps=[table.headings[n] for n in table.left],
            )
            console.print()
        for note in found.notes:
            console.print(Text(note))

    hand_over(found.body, as_json, show)
