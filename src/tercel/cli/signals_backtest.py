"""`tercel signals backtest` and `explain`: what a model's forecasts would have earned, and what they are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli.shared import (
    JsonRequest,
    Seed,
    check_folder,
    hand_over,
    print_rows,
    print_sentences,
    say,
    share_of,
)
from tercel.core.errors import ConfigError

if TYPE_CHECKING:
    from tercel.signals.portfolio.backtest import BacktestReport, Charge
    from tercel.signals.runs.explain import ForecastExplanation
    from tercel.signals.serving.model_folder import SignalModel

Model = Annotated[
    Path,
    typer.Argument(
        help="The folder of a trained model, its run's, or the CONFIG.toml.", metavar="MODEL"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the results (default: beside the model).", metavar="DIR"),
]
SHOWN = 12
"""Groups of features that a terminal shows."""


@dataclass(frozen=True)
class OfModel(JsonRequest):
    """Options of a command that reads a trained model."""

    model: Model
    out: Out = None
    seed: Seed = 1

    def opened(self) -> "tuple[SignalModel, Path]":
        """The model that is meant, and the folder of its results."""
        from tercel.signals.serving.model_folder import folder_at, load

        folder = folder_at(self.model, self.seed)
        return load(folder), self.out or folder.parent


@dataclass(frozen=True)
class BacktestSignals(OfModel):
    """Options of `tercel signals backtest`."""

    cost_bps: Annotated[
        float | None, typer.Option(help="Cost of a half-turn, bps of its value.", metavar="X")
    ] = None
    cost_law: Annotated[
        float | None, typer.Option(help="Or the square-root law: its Y, about 1.", metavar="Y")
    ] = None
    cost_from: Annotated[
        Path | None, typer.Option(help="Or the mean of a desk's parents.", metavar="DESK")
    ] = None
    capital: Annotated[
        float, typer.Option(help="Of the book, for --cost-law.", metavar="MONEY")
    ] = 1e7
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
    vol_target: Annotated[
        str | None, typer.Option(help="Scale to this volatility a year.", metavar="SD")
    ] = None


def backtest(request: BacktestSignals) -> None:
    """Trade a model's forecasts out of sample as a book, after costs; the newest weights and a page."""
    check_folder(request.out)
    from tercel.signals.portfolio.backtest import backtested, write_targets
    from tercel.signals.portfolio.backtest_page import backtest_page
    from tercel.signals.portfolio.book import BookRule

    charge = charge_of(request)
    book = BookRule(request.book, request.hold, share_of(request.leave), request.long_only)  # type: ignore[arg-type]
    model, out = request.opened()
    target = None if request.vol_target is None else share_of(request.vol_target)
    found = backtested(model, book, charge, request.seed, target)
    targets = write_targets(found, out)
    hand_over(
        {**found.to_json(), "out": out, "targets": targets},
        request.as_json,
        lambda: _show_backtest(found, targets),
        out,
        "backtest",
        lambda: backtest_page(found),
    )


def charge_of(request: BacktestSignals) -> "Charge":
    """The cost that was asked for: exactly one of the three."""
    given = {
        "--cost-bps": request.cost_bps,
        "--cost-law": request.cost_law,
        "--cost-from": request.cost_from,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ConfigError(
            "one of --cost-bps, --cost-law and --cost-from",
            " and ".join(named) or "none of them",
            "say --cost-bps 5; 0 is a cost too",
        )
    from tercel.signals.portfolio.backtest import Charge

    if request.cost_law is not None:
        return Charge(law=request.cost_law, capital=request.capital)
    if request.cost_from is None:
        return Charge(request.cost_bps)
    from tercel.api.desk.folder import costs_of

    total = costs_of(request.cost_from).summed["total"]
    if total["is_bps"] is None:
        raise ConfigError(
            "parents that were filled", f"none in {request.cost_from}", "say --cost-bps instead"
        )
    return Charge(
        max(total["is_bps"], 0.0),
        whose=f"the mean of {total['parents']} parents of {request.cost_from.name}",
    )


def _show_backtest(found: "BacktestReport", targets: Path | None) -> None:
    from tercel.signals.portfolio.backtest import ends
    from tercel.signals.portfolio.backtest_page import figures_of, until, weights_table

    print_rows(
        f"{found.model.name}, {len(found.book.net)} dates out of sample, {found.rule}",
        ("", "value"),
        list(figures_of(found).items()),
    )
    held = [row for row in found.weights if row.weight]
    shown = ends(held)
    more = f", {len(shown)} of {len(held)}" if len(shown) < len(held) else ""
    print_rows(f"weights of {found.at[:10]}{until(found)}{more}", *weights_table(shown))
    _print_summary(found.sentences(), found.warnings)
    say(f"targets {targets or 'none'}")


def explain(request: OfModel) -> None:
    """What the newest forecast is made of, name by name, and what each feature is worth out of sample."""
    check_folder(request.out)
    from tercel.signals.runs.explain import explain_page, explained

    model, out = request.opened()
    found = explained(model, request.seed)
    hand_over(
        {**found.to_json(), "out": out},
        request.as_json,
        lambda: _show_explained(found),
        out,
        "explain",
        lambda: explain_page(found),
    )


def _show_explained(found: "ForecastExplanation") -> None:
    from tercel.signals.portfolio.backtest import ends
    from tercel.signals.runs.explain import by_group, parts_table, worth_table

    title = f"rank IC lost where shuffled, {found.dates} dates out of sample in {found.folds} folds"
    more = f"; {SHOWN} of {len(found.groups)} groups" if len(found.groups) > SHOWN else ""
    print_rows(title + more, *worth_table(by_group(found, SHOWN)))
    title = f"forecast of {found.at[:10]}; {found.common_bps:+.1f} bps is common to {len(found.names)} names"
    print_rows(title, *parts_table(ends(found.names), 3))
    _print_summary(found.sentences(), found.warnings)


def _print_summary(sentences: list[str], warnings: list[str]) -> None:
    print_sentences(sentences)
    for warning in warnings:
        say(f"note: {warning}")
