"""`tercel portfolio ...`: how fast a book follows its forecasts, by what trading costs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.request import add
from tercel.cli.shared import JsonRequest, Seed, page_folder
from tercel.cli.terminal import check_folder, hand_over, print_rows, print_sentences, say
from tercel.core.files import write_whole

portfolio_app = typer.Typer(
    name="portfolio",
    help="Portfolios: how fast a book follows its forecasts, by what trading costs.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class BacktestPortfolio(JsonRequest):
    """What is asked of `tercel portfolio backtest`."""

    file: Annotated[
        Path, typer.Argument(help="A portfolio (see docs/examples/portfolio.toml).", metavar="FILE")
    ]
    out: Annotated[Path | None, page_folder("portfolio")] = None
    seed: Seed = 1
    shuffled: Annotated[
        bool,
        typer.Option("--shuffled", help="A control: outcomes exchanged among the names of a date."),
    ] = False


def backtest(request: BacktestPortfolio) -> None:
    """Trade dated forecasts all at once, at a rate, and around a zone, chosen on past net results; a page."""
    check_folder(request.out)
    from tercel.signals.backtest_page import portfolio_page
    from tercel.signals.runs.portfolio import backtested, table_of

    found = backtested(request.file, request.seed, shuffled=request.shuffled)

    def show() -> None:
        print_rows(
            f"{found['name']}, {found['dates']} dates out of sample, {found['cost']}",
            *table_of(found["rules"]),
        )
        print_sentences(found["sentences"])

    hand_over(found, request.as_json, show, request.out, "portfolio", lambda: portfolio_page(found))


@dataclass(frozen=True)
class RunPortfolio(JsonRequest):
    """What is asked of `tercel portfolio run`."""

    file: Annotated[
        Path, typer.Argument(help="A portfolio (see docs/examples/portfolio.toml).", metavar="FILE")
    ]
    out: Annotated[
        Path,
        typer.Option(help="Folder of targets.csv, which says what is held too.", metavar="DIR"),
    ]
    desk: Annotated[
        list[Path] | None,
        typer.Option(
            help="A desk's folder, whose parents say what was paid; the last one's positions say what is held.",
            metavar="DIR",
        ),
    ] = None
    rule: Annotated[str, typer.Option(help="How the targets are followed.", metavar="RULE")] = (
        "rate"
    )
    seed: Seed = 1


def run(request: RunPortfolio) -> None:
    """Write today's book as targets of a desk: a step from what is held, at the cost that desks paid; a page of all."""
    check_folder(request.out)
    from tercel.api.desk_folder import paid_of, weights_of
    from tercel.signals.explain_page import steps_page
    from tercel.signals.runs.backtest import ends
    from tercel.signals.runs.portfolio_run import recorded, stepped, steps_of

    paid = {session: rows for one in request.desk or () for session, rows in paid_of(one).items()}
    held = weights_of(request.desk[-1]) if request.desk else None
    before = steps_of(request.out)
    found = stepped(request.file, request.out, paid, request.rule, request.seed, held)
    write_whole(request.out / "steps.html", steps_page(recorded(request.out, [*before, found])))

    def show() -> None:
        rows = sorted(found["trades"], key=lambda row: -row["trade"])
        shown = ends(rows)
        keys = ("held", "target", "weight", "trade")
        cells = [(row["name"], *(f"{100 * row[key]:+.2f}" for key in keys)) for row in shown]
        print_rows(
            f"book of {found['at'][:10]}, %, {len(shown)} of {len(rows)} names",
            ("name", *keys),
            cells,
        )
        print_sentences(found["sentences"])
        say(f"targets {found['targets']}\nreport  {request.out / 'steps.html'}")

    hand_over(found, request.as_json, show)


add(portfolio_app, backtest, run)
