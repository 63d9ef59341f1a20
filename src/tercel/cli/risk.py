"""`tercel risk ...`: tomorrow's risk of a book from a file of daily prices, and the posture that answers risk;
`tercel portfolio ...`: how fast a book follows its forecasts, by what trading costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.shared import (
    AsJson,
    JsonRequest,
    Seed,
    add,
    check_date,
    check_folder,
    hand_over,
    page_folder,
    print_rows,
    print_sentences,
    print_table,
    result_console,
    say,
)
from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic
from tercel.core.report.cells import csv_text
from tercel.core.report.tables import fixed

if TYPE_CHECKING:
    from tercel.signals.risk.forecast import RiskForecast
    from tercel.signals.risk.portfolio import Portfolio
    from tercel.signals.risk.report import PostureStory

portfolio_app = typer.Typer(
    name="portfolio",
    help="Portfolios: how fast a book follows its forecasts, by what trading costs.",
    no_args_is_help=True,
)


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
    from tercel.signals.portfolio.comparison import backtested, portfolio_page, table_of

    found = backtested(file, seed, shuffled=shuffled)

    def show() -> None:
        print_rows(
            f"{found.config.name}, {len(found.at)} dates out of sample, {found.cost}",
            *table_of(found.rules),
        )
        print_sentences(found.sentences())

    hand_over(found.to_json(), as_json, show, out, "portfolio", lambda: portfolio_page(found))


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
    from tercel.api.desk.folder import paid_of, weights_of
    from tercel.signals.portfolio.backtest import ends
    from tercel.signals.portfolio.today import recorded, stepped, steps_of, steps_page

    paid = {session: rows for one in desk or () for session, rows in paid_of(one).items()}
    held = weights_of(desk[-1]) if desk else None
    before = steps_of(out)
    found = stepped(file, out, paid, rule, seed, held)
    write_atomic(out / "steps.html", steps_page(recorded(out, [*before, found])))

    def show() -> None:
        rows = sorted(found.trades, key=lambda row: -row.trade)
        shown = ends(rows)
        cells = [
            (
                row.name,
                *(f"{100 * x:+.2f}" for x in (row.held, row.target, row.weight, row.trade)),
            )
            for row in shown
        ]
        print_rows(
            f"book of {found.day}, %, {len(shown)} of {len(rows)} names",
            ("name", "held", "target", "weight", "trade"),
            cells,
        )
        print_sentences(found.sentences)
        say(f"targets {found.targets}\nreport  {out / 'steps.html'}")

    hand_over(found, as_json, show)


add(portfolio_app, backtest, run)


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
        "sample.",
        metavar="MODEL",
    ),
]
Window = Annotated[
    int, typer.Option(help="Days that the covariance is estimated from.", min=20, metavar="N")
]


@dataclass(frozen=True)
class OwnPrices:
    """A file of daily prices, what its columns are called, and the weights of its names."""

    file: Prices
    weights: Weights = None
    map: Map = None
    column: Column = None
    adjusted: Adjusted = False

    def book(self) -> "Portfolio":
        """The book of the file."""
        from tercel.core.tables.table_map import table_map
        from tercel.signals.portfolio.targets import read_portfolio

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

    def found(self) -> "RiskForecast":
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
    found = request.found()
    from tercel.signals.risk.report import forecast_page, forecast_rows, sentences

    def show() -> None:
        headings, rows = forecast_rows(found)
        print_table(
            f"{request.prices.file.name}: risk of the trading day after {found.book.days[-1]}",
            headings,
            [_cells(row) for row in (*rows[:SHOWN], *rows[max(SHOWN, len(rows) - 1) :])],
        )
        _say(sentences(found))

    hand_over(
        found.to_json(),
        request.as_json,
        show,
        request.out,
        "forecast",
        lambda: forecast_page(found),
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
    from tercel.signals.risk.forecast import value_at_risk
    from tercel.signals.risk.report import sentences, var_page, var_rows

    first = 0 if since is None else sum(day < date.fromisoformat(since) for day in book.days[1:])
    found = value_at_risk(book, level, model, first)

    def show() -> None:
        print_table(
            f"{prices.file.name}: Value at Risk {100 * found.level:g} % of the day after {book.days[-1]}",
            ("", "value"),
            [_cells(row) for row in var_rows(found)],
        )
        _say(sentences(found))

    hand_over(found.to_json(), as_json, show, out, "var", lambda: var_page(found))


def covariance(request: Matrix) -> None:
    """Covariance matrix of tomorrow's returns: CSV on stdout or in a file, JSON, by the estimator that is named."""
    found = request.found()
    columns = zip(found.book.names, found.covariance.tolist(), strict=True)
    text = csv_text([["name", *found.book.names], *([name, *row] for name, row in columns)])
    if request.out is not None:
        write_atomic(request.out, text)
        say(f"matrix  {request.out}")
    of_tails = ("var_99", "es_99", "var_99_by_name", "weights", "gross", "net", "book_sd")
    said = {key: value for key, value in found.to_json().items() if key not in of_tails}

    def show() -> None:
        if request.out is None:
            typer.echo(text, nl=False)
        for note in (one for one in found.notes if not one.startswith("VaR")):  # of the book
            say(f"note: {note}")

    hand_over(said, request.as_json, show)


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
        from tercel.signals.risk.report import of_book

        if self.file is None:
            raise ConfigError("a FILE of daily prices", "none", "name one")
        return of_book(
            OwnPrices(self.file, map=self.map, column=self.column, adjusted=self.adjusted).book()
        )


def posture(request: PostureRequest) -> None:
    """Say how much and how fast risk lets a desk trade: for a file of prices."""
    check_folder(request.out)
    story = request.story()

    def show() -> None:
        print_table(
            story.market, story.headings, story.rows, left=("styles",), wraps=("what changed",)
        )
        _say(story.notes)

    hand_over(
        story.to_json() | {"seed": request.seed},
        request.as_json,
        show,
        request.out,
        "posture",
        story.page,
    )


def _cells(row: Sequence[object]) -> list[str]:
    return [f"{fixed(100 * cell)} %" if isinstance(cell, float) else str(cell) for cell in row]


def _say(sentences: Sequence[str]) -> None:
    from rich.text import Text

    for sentence in sentences:
        result_console().print(Text(sentence))


add(risk_app, forecast, var, covariance, posture)
