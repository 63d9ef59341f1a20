"""`tercel signals backtest`: what a model's forecasts would have earned as a book of stocks, after costs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.options import JsonRequest, Seed, share_of
from tercel.cli.output import check_folder, hand_over, print_rows, print_sentences, say
from tercel.core.errors import ConfigError, refuse_if

if TYPE_CHECKING:
    from tercel.signals.models.signal_model import SignalModel
    from tercel.signals.portfolio.backtest import BacktestReport
    from tercel.signals.portfolio.cost_laws import Charge

Model = Annotated[
    Path,
    typer.Argument(
        help="The folder of a trained model, its run's, or the CONFIG.toml.", metavar="MODEL"
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(help="Folder of the results (default: beside the model).", metavar="DIR"),
]


@dataclass(frozen=True)
class OfModel(JsonRequest):
    """Options of a command that reads a trained model."""

    model: Model
    out: OutFolder = None
    seed: Seed = 1

    def open_model(self) -> "tuple[SignalModel, Path]":
        """The model that the options name, loaded, and the folder of its results."""
        from tercel.signals.models.model_folder import find_model_folder, load

        folder = find_model_folder(self.model, self.seed)
        return load(folder), self.out or folder.parent


@dataclass(frozen=True)
class BacktestSignals(OfModel):
    """Options of `tercel signals backtest`."""

    cost_bps: Annotated[
        float | None, typer.Option(help="One-way cost, bps of the value traded.", metavar="X")
    ] = None
    cost_law: Annotated[
        float | None, typer.Option(help="Or the square-root law: its Y, about 1.", metavar="Y")
    ] = None
    cost_from: Annotated[
        Path | None, typer.Option(help="Or the mean of a desk's parents.", metavar="DESK")
    ] = None
    capital: Annotated[
        float, typer.Option(help="Of the book at its beginning.", metavar="MONEY")
    ] = 1e7
    min_commission: Annotated[
        float, typer.Option(help="Least cost of an order.", metavar="MONEY")
    ] = 0.0
    borrow_bps: Annotated[
        float, typer.Option(help="Cost of what is short, bps a year.", metavar="X")
    ] = 0.0
    sectors: Annotated[
        Path | None, typer.Option(help="A table of symbol and sector.", metavar="FILE")
    ] = None
    benchmark: Annotated[
        Path | None, typer.Option(help="A table of date and close or return.", metavar="FILE")
    ] = None
    book: Annotated[
        str, typer.Option(help="deciles (equal weights) or scores.", metavar="BOOK")
    ] = "deciles"
    hold: Annotated[
        float, typer.Option(help="Weight of a name's past scores: less turnover.", metavar="0..1")
    ] = 0.0
    leave: Annotated[
        str, typer.Option(help="A name of a decile stays in this share.", metavar="SHARE")
    ] = "10%"
    long_only: Annotated[bool, typer.Option("--long-only", help="The long leg alone.")] = False


def backtest(request: BacktestSignals) -> None:
    """Trade a model's forecasts out of sample as a book, after costs; the newest weights and a page."""
    check_folder(request.out)
    from tercel.signals.portfolio.backtest import backtest_model
    from tercel.signals.portfolio.backtest_page import backtest_page
    from tercel.signals.portfolio.book import BookRule

    charge = replace(
        charge_of(request),
        capital=request.capital,
        min_commission=request.min_commission,
        borrow_bps=request.borrow_bps,
    )
    book = BookRule(request.book, request.hold, share_of(request.leave), request.long_only)  # type: ignore[arg-type]
    model, folder = request.open_model()
    report = backtest_model(
        model, book, charge, request.seed, sectors=request.sectors, benchmark=request.benchmark
    )
    targets, ledger = report.save(folder)
    hand_over(
        {**report.to_json(), "out": folder, "targets": targets, "ledger": ledger},
        request.as_json,
        lambda: _show_backtest(report, targets, ledger),
        folder,
        "backtest",
        lambda: backtest_page(report),
    )


def charge_of(request: BacktestSignals) -> "Charge":
    """Cost model from the one given of the three cost options, a desk's mean cost at least 0; ConfigError for none or
    several."""
    cost_options = {
        "--cost-bps": request.cost_bps,
        "--cost-law": request.cost_law,
        "--cost-from": request.cost_from,
    }
    named_options = [name for name, value in cost_options.items() if value is not None]
    refuse_if(
        len(named_options) != 1,
        "one of --cost-bps, --cost-law and --cost-from",
        " and ".join(named_options) or "none of them",
        "say --cost-bps 5; 0 is a cost too",
    )
    from tercel.signals.portfolio.cost_laws import Charge

    if request.cost_law is not None:
        return Charge(law=request.cost_law, capital=request.capital)
    if request.cost_from is None:
        return Charge(request.cost_bps)
    from tercel.api.desk.folder_costs import costs_of

    total = costs_of(request.cost_from).cost_summary.total
    if total.is_bps is None:
        raise ConfigError(
            "parents that were filled", f"none in {request.cost_from}", "say --cost-bps instead"
        )
    return Charge(
        max(total.is_bps, 0.0),
        whose=f"the mean of {total.parents} parents of {request.cost_from.name}",
    )


def _show_backtest(report: "BacktestReport", targets: Path | None, ledger: Path | None) -> None:
    """Print figures, extreme weights and warnings of a backtest."""
    from tercel.signals.portfolio.backtest import head_and_tail
    from tercel.signals.portfolio.backtest_page import figures_of, until_text, weights_table

    print_rows(
        f"{report.model.name}, {report.dates} out of sample, {report.rule}",
        ("", "value"),
        list(figures_of(report).items()),
    )
    positions = [row for row in report.weights if row.weight]
    extremes = head_and_tail(positions)
    count_text = f", {len(extremes)} of {len(positions)}" if len(extremes) < len(positions) else ""
    print_rows(
        f"weights of {report.at[:10]}{until_text(report)}{count_text}", *weights_table(extremes)
    )
    print_sentences(report.sentences())
    for note in (*report.warnings, *(report.ledger.notes if report.ledger else ())):
        say(f"note: {note}")
    say(f"targets {targets or 'none'}")
    say(f"ledger  {ledger or 'none'}")
