"""`tercel risk ...` (risk of a book from daily prices, and the posture) and `tercel portfolio ...` (trades of a book)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.commands import add
from tercel.cli.options import AsJson, JsonRequest, Seed, check_date, page_folder
from tercel.cli.output import (
    check_folder,
    hand_over,
    print_rows,
    print_sentences,
    print_table,
    say,
)
from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic
from tercel.core.report.cells import csv_text
from tercel.core.report.formatting import format_percent

if TYPE_CHECKING:
    from tercel.signals.risk.forecast import RiskForecast
    from tercel.signals.risk.portfolio import Portfolio
    from tercel.signals.risk.posture_story import PostureStory

portfolio_app = typer.Typer(
    name="portfolio",
    help="Portfolios: how fast a book follows its forecasts, by what trading costs.",
    no_args_is_help=True,
)


risk_app = typer.Typer(
    name="risk",
    help="Tomorrow's volatility, covariance and Value at Risk of a book; anomalies, and the risk state that follows.",
    no_args_is_help=True,
)
SHOWN = 20
"""Names that a terminal shows."""
Weights = Annotated[
    Path | None,
    typer.Option(help="CSV of name,weight; short below 0. Default: equal weights.", metavar="FILE"),
]
Map = Annotated[
    str | None,
    typer.Option(
        help="A shipped map, or a file of \\[columns] close = ....", metavar="NAME|MAP.toml"
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help="A column, as close=Last, or a setting, as decimal=,; may be repeated.",
        metavar="OURS=THEIRS",
    ),
]
Adjusted = Annotated[
    bool, typer.Option("--adjusted", help="The closes are adjusted, whatever their column's name.")
]
Prices = Annotated[
    Path,
    typer.Argument(
        help="Daily prices, CSV, Parquet, JSON: one row per name and day, or one column per name",
        metavar="FILE",
    ),
]
Volatility = Annotated[
    str,
    typer.Option(
        help="ewma, garch, gjr, har (needs a column rv). Default: har if there is an rv, gjr for up to 20 names, else "
        "that of the covariance.",
        metavar="MODEL",
    ),
]
Covariance = Annotated[
    str,
    typer.Option(
        help="ewma-nonlinear (default: EWMA volatilities, nonlinearly shrunk correlation), nonlinear, ledoit-wolf, "
        "sample; or an estimator with fit, module:Class, as skfolio.moments:GerberCovariance.",
        metavar="MODEL",
    ),
]
Window = Annotated[
    int, typer.Option(help="Days that the covariance is estimated from.", min=20, metavar="N")
]


def backtest(
    file: Annotated[
        Path, typer.Argument(help="A portfolio (see docs/examples/portfolio.toml).", metavar="FILE")
    ],
    out: Annotated[Path | None, page_folder("portfolio")] = None,
    seed: Seed = 1,
    shuffled: Annotated[
        bool,
        typer.Option("--shuffled", help="A control: outcomes exchanged among the names of a date."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Trade dated forecasts all at once, at a rate, and around a zone, chosen on past net results; a page."""
    check_folder(out)
    from tercel.signals.portfolio.comparison import compare_rules
    from tercel.signals.portfolio.comparison_page import portfolio_page, table_of

    comparison = compare_rules(file, seed, shuffled=shuffled)

    def show() -> None:
        """Print the results of the ways of trading as a table."""
        print_rows(
            f"{comparison.config.name}, {len(comparison.judged_dates)} dates out of sample, {comparison.cost}",
            *table_of(comparison.rules),
        )
        print_sentences(comparison.sentences())

    hand_over(
        comparison.to_json(), as_json, show, out, "portfolio", lambda: portfolio_page(comparison)
    )


def run(
    file: Annotated[
        Path, typer.Argument(help="A portfolio (see docs/examples/portfolio.toml).", metavar="FILE")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of targets.csv, which also has the current positions.", metavar="DIR"
        ),
    ],
    desk: Annotated[
        list[Path] | None,
        typer.Option(
            help="A desk's folder: its parents give the costs paid, the last one's positions the current book.",
            metavar="DIR",
        ),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="Rule by which the book follows its targets.", metavar="RULE")
    ] = "rate",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Write today's book as targets of a desk: a step from current positions, at the cost that desks paid; a page of all."""
    check_folder(out)
    from tercel.api.desk.folder import weights_of
    from tercel.api.desk.folder_costs import costs_by_session
    from tercel.signals.portfolio.backtest import head_and_tail
    from tercel.signals.portfolio.today import step_book, steps_of, write_steps
    from tercel.signals.portfolio.today_page import steps_page

    paid = {
        session: rows for folder in desk or () for session, rows in costs_by_session(folder).items()
    }
    weights = weights_of(desk[-1]) if desk else None
    earlier_steps = steps_of(out)
    step = step_book(file, out, paid, rule, seed, weights)
    write_atomic(out / "steps.html", steps_page(write_steps(out, [*earlier_steps, step])))

    def show() -> None:
        """Print the largest and smallest trades of the new targets, and the paths of the files."""
        rows = sorted(step.trades, key=lambda row: -row.trade)
        extremes = head_and_tail(rows)
        cells = [
            (
                row.name,
                *(f"{100 * share:+.2f}" for share in (row.held, row.target, row.weight, row.trade)),
            )
            for row in extremes
        ]
        print_rows(
            f"book of {step.day}, %, {len(extremes)} of {len(rows)} names",
            ("name", "held", "target", "weight", "trade"),
            cells,
        )
        print_sentences(step.sentences)
        say(f"targets {step.targets}\nreport  {out / 'steps.html'}")

    hand_over(step, as_json, show)


add(portfolio_app, backtest, run)


@dataclass(frozen=True)
class OwnPrices:
    """Options on a file of daily prices, its column names, and the portfolio's weights."""

    file: Prices
    weights: Weights = None
    map: Map = None
    column: Column = None
    adjusted: Adjusted = False

    def book(self) -> "Portfolio":
        """The portfolio read from the file."""
        from tercel.core.tables.table_map import table_map
        from tercel.signals.portfolio.portfolio_file import read_portfolio

        columns = table_map(self.map, self.column or ())
        return read_portfolio(self.file, columns, self.weights, adjusted=self.adjusted)


@dataclass(frozen=True)
class Matrix(JsonRequest):
    """Options of `tercel risk covariance`."""

    prices: OwnPrices
    volatility: Volatility = ""
    covariance: Covariance = ""
    window: Window = 504
    out: Annotated[
        Path | None, typer.Option(help="Write the matrix as CSV.", metavar="FILE.csv")
    ] = None

    def make_forecast(self) -> "RiskForecast":
        """The forecast by the models that are named."""
        book = self.prices.book()  # before kernels: a refusal waits for none
        from tercel.signals.risk.forecast import forecast

        return forecast(book, self.volatility, self.covariance, window=self.window)


@dataclass(frozen=True)
class Forecast(Matrix):
    """Options of `tercel risk forecast`."""

    out: Annotated[Path | None, page_folder("forecast")] = None


def forecast(request: Forecast) -> None:
    """Tomorrow's volatility of each name, their covariance, and the book's Value at Risk and Expected Shortfall."""
    check_folder(request.out)
    risk_forecast = request.make_forecast()
    from tercel.signals.risk.report import forecast_page, forecast_rows, sentences

    def show() -> None:
        """Print the forecast as tables."""
        headings, rows = forecast_rows(risk_forecast)
        print_table(
            f"{request.prices.file.name}: risk of the trading day after {risk_forecast.book.days[-1]}",
            headings,
            [_cells(row) for row in (*rows[:SHOWN], *rows[max(SHOWN, len(rows) - 1) :])],
        )
        print_sentences(sentences(risk_forecast), wraps=True)

    hand_over(
        risk_forecast.to_json(),
        request.as_json,
        show,
        request.out,
        "forecast",
        lambda: forecast_page(risk_forecast),
    )


def var(
    prices: OwnPrices,
    level: Annotated[float, typer.Option(help="Level, such as 0.975.", metavar="P")] = 0.99,
    model: Annotated[
        str,
        typer.Option(
            help="fhs-gjr (default from 1,000 days on: filtered historical simulation on GJR), fhs-garch, ewma-normal.",
            metavar="MODEL",
        ),
    ] = "",
    since: Annotated[
        str | None,
        typer.Option(
            help="Begin the backtest on this day (default: as early as can be).", metavar="DATE"
        ),
    ] = None,
    out: Annotated[Path | None, page_folder("var")] = None,
    as_json: AsJson = False,
) -> None:
    """Tomorrow's Value at Risk and Expected Shortfall of a book, and the model's backtest on that very book."""
    check_date(since)
    check_folder(out)
    book = prices.book()
    from tercel.signals.risk.report import sentences, var_page, var_rows
    from tercel.signals.risk.value_at_risk import value_at_risk

    first_day = (
        0 if since is None else sum(day < date.fromisoformat(since) for day in book.days[1:])
    )
    risk = value_at_risk(book, level, model, first_day)

    def show() -> None:
        """Print Value at Risk and the backtest as tables."""
        print_table(
            f"{prices.file.name}: Value at Risk {100 * risk.level:g} % of the day after {book.days[-1]}",
            ("", "value"),
            [_cells(row) for row in var_rows(risk)],
        )
        print_sentences(sentences(risk), wraps=True)

    hand_over(risk.to_json(), as_json, show, out, "var", lambda: var_page(risk))


def covariance(request: Matrix) -> None:
    """Covariance matrix of tomorrow's returns: CSV on stdout or in a file, JSON, by the estimator that is named."""
    risk_forecast = request.make_forecast()
    columns = zip(risk_forecast.book.names, risk_forecast.covariance.tolist(), strict=True)
    text = csv_text([["name", *risk_forecast.book.names], *([name, *row] for name, row in columns)])
    if request.out is not None:
        write_atomic(request.out, text)
        say(f"matrix  {request.out}")
    of_tails = ("var_99", "es_99", "var_99_by_name", "weights", "gross", "net", "book_sd")
    result = {key: value for key, value in risk_forecast.to_json().items() if key not in of_tails}

    def show() -> None:
        """Print the covariance matrix where no file was named, and notes."""
        if request.out is None:
            typer.echo(text, nl=False)
        for note in (
            line for line in risk_forecast.notes if not line.startswith("VaR")
        ):  # of the book
            say(f"note: {note}")

    hand_over(result, request.as_json, show)


@dataclass(frozen=True)
class PostureRequest(JsonRequest):
    """Options of `tercel risk posture`."""

    file: Annotated[
        Path | None, typer.Argument(help="Daily prices that determine it.", metavar="FILE")
    ] = None
    out: Annotated[Path | None, page_folder("posture")] = None
    seed: Seed = 1
    map: Map = None
    column: Column = None
    adjusted: Adjusted = False

    def story(self) -> "PostureStory":
        """The posture of the requested book."""
        from tercel.signals.risk.posture_story import posture_of_book

        if self.file is None:
            raise ConfigError("a FILE of daily prices", "none", "name one")
        return posture_of_book(
            OwnPrices(self.file, map=self.map, column=self.column, adjusted=self.adjusted).book()
        )


def posture(request: PostureRequest) -> None:
    """Say how much and how fast risk lets a desk trade: for a file of prices."""
    check_folder(request.out)
    story = request.story()

    def show() -> None:
        """Print the posture as tables and sentences."""
        print_table(
            story.market,
            story.headings,
            story.rows,
            left_aligned=("styles",),
            wraps=("what changed",),
        )
        print_sentences(story.notes, wraps=True)

    hand_over(
        story.to_json() | {"seed": request.seed},
        request.as_json,
        show,
        request.out,
        "posture",
        story.page,
    )


def _cells(row: Sequence[object]) -> list[str]:
    """Cells of a row as texts; floats, which are shares of 1, as percentages."""
    return [format_percent(cell, 2) if isinstance(cell, float) else str(cell) for cell in row]


add(risk_app, forecast, var, covariance, posture)
