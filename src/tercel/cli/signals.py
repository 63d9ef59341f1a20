"""`tercel signals ...`: build a panel, train, evaluate, test for leaks.

`tercel signals backtest`: what a model's forecasts would have earned.

`tercel signals flow ...`: forecasts of the next seconds, learned from recorded days.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.shared import (
    IN_LAKE,
    AsJson,
    JsonRequest,
    Seed,
    add,
    check_date,
    check_folder,
    hand_over,
    print_rows,
    print_sentences,
    say,
    share_of,
)
from tercel.core.errors import ConfigError, listed
from tercel.core.files import write_atomic
from tercel.core.report.cells import NOTHING

if TYPE_CHECKING:
    from tercel.signals.models.model_folder import SignalModel
    from tercel.signals.models.predict import NameForecast, ServedForecasts
    from tercel.signals.portfolio.backtest import BacktestReport, Charge
    from tercel.signals.runs.config import SignalsConfig


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

    def opened(self) -> "tuple[SignalModel, Path]":
        """The model that is meant, and the folder of its results."""
        from tercel.signals.models.model_folder import folder_at, load

        folder = folder_at(self.model, self.seed)
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


def backtest(request: BacktestSignals) -> None:
    """Trade a model's forecasts out of sample as a book, after costs; the newest weights and a page."""
    check_folder(request.out)
    from tercel.signals.portfolio.backtest import backtested, write_targets
    from tercel.signals.portfolio.backtest_page import backtest_page
    from tercel.signals.portfolio.book import BookRule

    charge = charge_of(request)
    book = BookRule(request.book, request.hold, share_of(request.leave), request.long_only)  # type: ignore[arg-type]
    model, out = request.opened()
    found = backtested(model, book, charge, request.seed)
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
    """Cost model of the one cost option that was given, of three."""
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

    total = costs_of(request.cost_from).summed.total
    if total.is_bps is None:
        raise ConfigError(
            "parents that were filled", f"none in {request.cost_from}", "say --cost-bps instead"
        )
    return Charge(
        max(total.is_bps, 0.0),
        whose=f"the mean of {total.parents} parents of {request.cost_from.name}",
    )


def _show_backtest(found: "BacktestReport", targets: Path | None) -> None:
    from tercel.signals.portfolio.backtest import ends
    from tercel.signals.portfolio.backtest_page import figures_of, until, weights_table

    print_rows(
        f"{found.model.name}, {found.dates} out of sample, {found.rule}",
        ("", "value"),
        list(figures_of(found).items()),
    )
    held = [row for row in found.weights if row.weight]
    shown = ends(held)
    more = f", {len(shown)} of {len(held)}" if len(shown) < len(held) else ""
    print_rows(f"weights of {found.at[:10]}{until(found)}{more}", *weights_table(shown))
    _print_summary(found.sentences(), found.warnings)
    say(f"targets {targets or 'none'}")


def _print_summary(sentences: list[str], warnings: list[str]) -> None:
    print_sentences(sentences)
    for warning in warnings:
        say(f"note: {warning}")


flow_app = typer.Typer(
    name="flow",
    help="Forecasts of the next seconds, learned from recorded days.",
    no_args_is_help=True,
)

ForecasterFolder = Annotated[Path, typer.Option(help="Folder of the forecaster.", metavar="DIR")]
Tape = Annotated[Path, typer.Argument(help="Folder of the tape lake.", metavar="LAKE")]
ForecasterModel = Annotated[
    str,
    typer.Argument(
        help="A forecaster's folder, or the name of a pre-trained one.", metavar="MODEL"
    ),
]
Names = Annotated[
    str, typer.Option(help="Symbols of the lake, with commas.", metavar="SYM"), IN_LAKE
]


def train_(
    lake: Tape,
    symbol: Names,
    out: ForecasterFolder,
    kind: Annotated[
        str, typer.Option(help="boosting (LightGBM) or linear.", metavar="KIND")
    ] = "boosting",
    days: Annotated[
        str | None,
        typer.Option(help="Days to train on, with commas (default: all).", metavar="DATES"),
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Train a forecaster of the next 10 and 30 seconds on some symbols; score it on later days and on other symbols."""
    check_folder(out)
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.recalibrate import in_words
    from tercel.signals.flow.train import train as trained, trained_table

    dates = listed(days) if days else ()
    found = trained(Lake(lake), listed(symbol), out, seed, kind, dates)

    def show() -> None:
        print_rows(*trained_table(found))
        say(f"model     {out}, {found.trees} trees, {found.model}")
        folder, tape = shlex.quote(str(out)), shlex.quote(str(lake))
        for name, one in found.simulated.items():
            say(f"note      {name} was simulated by {one.market}, {in_words(one)}")
        say(
            f"next      tercel signals flow score {folder} {tape} --symbol SYM, of days that it was not trained on"
        )

    hand_over(found, as_json, show)


def score(
    model: ForecasterModel,
    lake: Tape,
    symbol: Names,
    out: Annotated[
        Path | None, typer.Option(help="Also write a page there.", metavar="DIR")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a forecaster on days that it was not trained on: R², AUC, calibration, and its value."""
    check_folder(out)
    from tercel.execution.foresight.forecaster import resolve
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.train import flow_page, score as scored, scored_table, sentences

    found = scored(resolve(model), Lake(lake), listed(symbol))

    def show() -> None:
        print_rows(*scored_table(found))
        print_sentences(sentences(found))

    hand_over(found, as_json, show, out, "flow", lambda: flow_page(found))


def recalibrate(
    model: ForecasterModel,
    lake: Tape,
    symbol: Names,
    out: ForecasterFolder,
    until: Annotated[
        str, typer.Option(help="Take later days back, and read none.", metavar="DATE")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Update a forecaster's slope, and the cost of waiting, of some symbols by the days of a lake."""
    check_folder(out)
    check_date(until or None, "--until")
    from tercel.execution.foresight.forecaster import resolve
    from tercel.lab.evaluation.market import waiting_on
    from tercel.market.tape.lake import Lake
    from tercel.signals.flow.recalibrate import recalibrate as recalibrated

    tape = Lake(lake)
    found = recalibrated(
        resolve(model), tape, listed(symbol), out, until, partial(waiting_on, tape)
    )
    hand_over(found, as_json, lambda: print_rows(*found.table()))


add(flow_app, train_, score, recalibrate)


signals_app = typer.Typer(
    name="signals",
    help="Forecasts of returns: build a point-in-time panel, train, evaluate, forecast, backtest.",
    no_args_is_help=True,
)

Config = Annotated[
    Path | None,
    typer.Argument(help="A configuration (see docs/examples/signals.toml).", metavar="CONFIG.toml"),
]
Demo = Annotated[bool, typer.Option("--demo", help="Synthetic data only; no files needed.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the results (default: under runs/).", metavar="DIR")
]
RUNS = Path("runs")


@dataclass(frozen=True)
class Configured(JsonRequest):
    """Options of `tercel signals build`."""

    config: Config = None
    demo: Demo = False
    seed: Seed = 1
    out: Out = None


@dataclass(frozen=True)
class Evaluate(Configured):
    """Options of `tercel signals evaluate`."""

    config: Annotated[
        Path | None, typer.Argument(help="A configuration that was trained.", metavar="CONFIG.toml")
    ] = None


def settings_of(request: Configured, what: str = "signals") -> "tuple[SignalsConfig, Path]":
    """The configuration that is named, and the folder of its results."""
    if (request.config is None) != request.demo:
        raise ConfigError(
            "a CONFIG.toml or --demo",
            "both" if request.demo else "neither",
            "name a file (see docs/examples/signals.toml), or --demo",
        )
    from tercel.signals.runs.config import demo, read_config

    settings = demo() if request.config is None else read_config(request.config)
    return settings, request.out or RUNS / f"{what}-{settings.name}-{request.seed}"


def _typed(verb: str, request: Configured, out: Path) -> str:
    """A command on the same configuration, seed and folder."""
    name = "--demo" if request.config is None else str(request.config)
    return shlex.join(
        ["tercel", "signals", verb, name, "--seed", str(request.seed), "--out", str(out)]
    )


@contextmanager
def resumable(
    verb: str, request: Configured, out: Path, hint: str = "nothing was left half written; again"
) -> Iterator[None]:
    """Print how to resume after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{hint}: {_typed(verb, request, out)}") from None


def build(request: Configured) -> None:
    """Build a point-in-time panel from the configured sources: Parquet and a manifest with hashes."""
    settings, out = settings_of(request)
    from tercel.signals.panel import build as panels

    with resumable("build", request, out):
        manifest = panels.build(settings, request.seed, out)

    def show() -> None:
        rows = [
            ("rows", f"{manifest.rows:,}"),
            ("dates", f"{manifest.dates:,}"),
            ("instruments", f"{manifest.instruments:,}"),
            ("first", manifest.first),
            ("last", manifest.last),
        ]
        print_rows("panel", ("", "value"), rows)
        sources = [(n, len(c), f"{manifest.missing[n]:.1%}") for n, c in manifest.sources.items()]
        print_rows("sources", ("source", "columns", "rows without it"), sources)
        _notes(manifest.note, *manifest.warnings)
        say(f"panel     {out}")

    hand_over({"out": out, **vars(manifest)}, request.as_json, show)


@dataclass(frozen=True)
class TrainSignals(Configured):
    """Options of `tercel signals train`."""

    def beside(self, out: Path) -> tuple[dict[str, Any], Callable[[], None]]:
        """Train further parts beside the models into the folder; return their figures and a function that prints them."""
        return {}, lambda: None


def train(request: TrainSignals) -> None:
    """Train every source's models walking forward, fuse them out of fold, save the model with its card.

    Rank IC on daily stocks, 95 % intervals: the ensemble less equal weights .0025 [-.0013, .0066], learning online
    (recursive) less yearly refits -.011 [-.024, .002]; neither is significant.
    """
    settings, out = settings_of(request)
    from tercel.signals.models.model_folder import MODEL
    from tercel.signals.runs.train import train as trained

    with resumable("train", request, out):
        found = trained(settings, request.seed, out)
        figures, show_beside = request.beside(out)

    def show() -> None:
        weights = [
            (name, f"{weight:.3f}", found.evidence[name]) for name, weight in found.weights.items()
        ]
        print_rows(
            "weights of the fusion", ("source:family", "weight", "slope out of fold, 95 %"), weights
        )
        scale = found.alpha_scale
        facts = {
            "bps per unit of forecast": scale.unit_bps,
            "sd of the error, bps": scale.sd_bps,
            "horizon, hours": scale.horizon_ns / 3.6e12,
        }
        rows = [
            (name, f"{number:,.1f}" if number else NOTHING) for name, number in facts.items()
        ] + [("half-life, hours", found.half_life)]
        print_rows("alpha", ("", "value"), rows)
        show_beside()
        _notes(found.note, *found.warnings)
        say(f"model     {out / MODEL}")
        say(
            f"next      {_typed('evaluate', request, out)}; tercel signals predict {shlex.quote(str(out / MODEL))}"
        )

    hand_over(vars(found) | figures, request.as_json, show)


@dataclass(frozen=True)
class Leak(Configured):
    """Options of `tercel signals leak`."""

    data: Annotated[
        Path | None,
        typer.Option(help="Folder of real data sets: its daily stocks, reports.", metavar="DIR"),
    ] = None

    def sets(self, data: Path) -> "list[SignalsConfig]":
        """Configurations of the data sets that a folder holds."""
        from tercel.signals.panel.leak import configs_of

        return configs_of(data)


def leak(request: Leak) -> None:
    """Test every source for look-ahead leaks, beside synthetic leaks that must be caught."""
    if request.config is None and not request.demo and request.data is None:
        raise ConfigError(
            "a CONFIG.toml, --demo or --data DIR", "none of them", "add one, say --demo"
        )
    if request.data is not None and not request.data.is_dir():
        raise ConfigError(
            "a folder of real data sets", f"nothing at {request.data}", "check --data"
        )
    from tercel.signals.panel import leak as checks
    from tercel.signals.panel.leak import leak_table
    from tercel.signals.runs.config import demo, read_config

    configs = [demo()] if request.demo else []
    configs += [] if request.config is None else [read_config(request.config)]
    sets = [] if request.data is None else request.sets(request.data)
    if request.data is not None and not sets:
        raise ConfigError(
            f"a data set such as {checks.STOCKS}", f"none in {request.data}", "check `data=`"
        )
    found = checks.leak(
        configs + sets, request.seed, request.out or RUNS / f"signals-leak-{request.seed}"
    )

    def show() -> None:
        for name in dict.fromkeys(one.panel for one in found.leak):
            lines = [one for one in found.leak if one.panel == name]
            print_rows(f"leak check on {name}", *leak_table(lines))
        say(f"note: {found.not_proven}")
        say(f"report    {found.report}")

    hand_over(found, request.as_json, show)


def evaluate(request: Evaluate) -> None:
    """Out-of-sample IC with intervals, calibration, what each source adds, the leak check."""
    settings, out = settings_of(request)
    from tercel.signals.models.skill import skill_sentence
    from tercel.signals.runs.train import evaluate as evaluated, evaluate_page, tables

    with resumable("evaluate", request, out):
        found = evaluated(settings, request.seed, out, demo=request.demo)
    (out / "report.html").write_text(evaluate_page(found), encoding="utf-8")

    def show() -> None:
        for table in tables(found):
            print_rows(*table)
        if not found.fused:
            say(skill_sentence(found.fused))
        if found.unranked:
            say(f"the same for every name, which ranks none: {', '.join(found.unranked)}")
        _notes(found.note, *found.warnings)
        say(f"report    {out / 'report.html'}")

    hand_over(found, request.as_json, show)


@dataclass(frozen=True)
class PredictSignals(OfModel):
    """Options of `tercel signals predict`."""

    date: Annotated[
        str | None,
        typer.Option(help="A day of the files (default: the last).", metavar="YYYY-MM-DD"),
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Also write the rows as CSV.", metavar="FILE.csv")
    ] = None
    seed: Annotated[
        int, typer.Option(help="Of the training, where a CONFIG.toml is named.", min=0)
    ] = 1


def predict(request: PredictSignals) -> None:
    """Forecast every name on the last date of the files, or another, as a desk with this model does."""
    from datetime import date

    from tercel.core.report.cells import csv_text
    from tercel.signals.models.predict import predict as served

    check_date(request.date)
    model, _ = request.opened()
    found = served(model, None if request.date is None else date.fromisoformat(request.date))
    rows = found.rows()
    if request.out is not None:
        texts = [{**vars(row), "sources": " ".join(row.sources)}.values() for row in rows]
        write_atomic(request.out, csv_text([vars(rows[0]) if rows else (), *texts]))
    about = {"name": model.name, "ic": model.facts.ic} | found.about()
    hand_over(about | {"rows": rows}, request.as_json, lambda: _show_predicted(model, rows, found))


SHOWN = 10
"""Names at either end of a forecast's table."""
FEW = 5
"""Names in it where nothing is expected of any."""


def _show_predicted(
    model: "SignalModel", rows: "list[NameForecast]", served: "ServedForecasts"
) -> None:
    from tercel.signals.models.skill import skill_sentence
    from tercel.signals.portfolio.backtest import ends

    ordered = sorted(rows, key=lambda row: -row.expected_bps)
    silent = not any(row.expected_bps for row in rows)
    shown = ordered[:FEW] if silent else ends(ordered, SHOWN)
    cells = [
        (
            row.name,
            f"{row.expected_bps + 0.0:+.1f}",
            f"{row.sd_bps:.0f}",
            NOTHING if row.low_bps is None else f"{row.low_bps:+.0f} to {row.high_bps:+.0f}",
            ", ".join(row.sources) or NOTHING,
        )
        for row in shown
    ]
    print_rows(
        f"{model.name}, model {served.model}: forecast of {served.at}, to the close of {served.held.last}",
        ("name", "expected, bps", "sd, bps", "90 %", "sources"),
        cells,
    )
    left = (
        f", {len(rows) - len(shown):,} between them"
        if len(shown) < len(rows) and not silent
        else ""
    )
    say(
        f"{len(shown)} of {len(rows):,} names shown{left}; each beyond the mean of all, {served.held}."
    )
    if not silent or model.ic:
        say(skill_sentence(model.ic))
    for line in served.sentences():
        say(line)
    said = [f"without source {source}: {why}" for source, why in served.missing.items()]
    if said := [*filter(None, [served.note]), *said]:
        say(f"Note: {'; '.join(said)}.")


def _notes(*notes: str) -> None:
    for note in filter(None, notes):
        say(f"note: {note}")


signals_app.add_typer(flow_app)
add(signals_app, build, train, predict, leak, evaluate, backtest)
