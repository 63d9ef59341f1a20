"""`tercel portfolio ...`: how fast a book follows its forecasts, by what trading costs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.request import add
from tercel.cli.shared import JsonRequest, Seed, page_folder
from tercel.cli.terminal import check_folder, hand_over, print_rows, result_console

portfolio_app = typer.Typer(
    name="portfolio",
    help="Portfolios: how fast a book follows its forecasts, by what trading costs.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class BacktestPortfolio(JsonRequest):
    """What is asked of `tercel portfolio backtest`."""

    file: Annotated[Path, typer.Argument(help="A portfolio (see docs/examples/portfolio.toml).", metavar="FILE")]
    out: Annotated[Path | None, page_folder("portfolio")] = None
    seed: Seed = 1
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="A control: outcomes exchanged among the names of a date.")
    ] = False


def backtest(request: BacktestPortfolio) -> None:
    """Trade dated forecasts all at once, at a rate, and around a zone, chosen on past net results; a page."""
    check_folder(request.out)
    from tercel.signals.portfolio_page import portfolio_page
    from tercel.signals.runs.portfolio import backtested, table_of

    found = backtested(request.file, request.seed, shuffled=request.shuffled)

    def show() -> None:
        print_rows(f"{found['name']}, {found['dates']} dates out of sample, {found['cost']}", *table_of(found["rules"]))
        for sentence in found["sentences"]:
            result_console().print(sentence, soft_wrap=True, markup=False)

    hand_over(found, request.as_json, show, request.out, "portfolio", lambda: portfolio_page(found))


add(portfolio_app, backtest)
