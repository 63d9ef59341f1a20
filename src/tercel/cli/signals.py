"""`tercel signals ...`: build a panel, train, evaluate, test for leaks."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli.commands import add
from tercel.cli.options import JsonRequest, Seed
from tercel.cli.output import hand_over, print_rows, say
from tercel.cli.signals_backtest import backtest
from tercel.cli.signals_flow import flow_app
from tercel.cli.signals_predict import predict
from tercel.core.errors import refuse_if
from tercel.core.files import write_atomic
from tercel.core.report.cells import NOTHING

if TYPE_CHECKING:
    from tercel.signals.runs.config import SignalsConfig

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
    sectors: Annotated[
        Path | None,
        typer.Option(
            help="Table of symbol, sector and, where it changes, date: IC within each.",
            metavar="FILE",
        ),
    ] = None


def settings_of(request: Configured, prefix: str = "signals") -> "tuple[SignalsConfig, Path]":
    """The named configuration, and the folder of its results."""
    refuse_if(
        (request.config is None) != request.demo,
        "a CONFIG.toml or --demo",
        "both" if request.demo else "neither",
        "name a file (see docs/examples/signals.toml), or --demo",
    )
    from tercel.signals.runs.config import demo, read_config

    config = request.config
    out = request.out
    if config is not None and (config / "config.toml").is_file():  # a run of `tc.signals.train`
        out = out or config
        config = config / "config.toml"
    settings = demo() if config is None else read_config(config)
    return settings, out or RUNS / f"{prefix}-{settings.name}-{request.seed}"


def _command_text(verb: str, request: Configured, folder: Path) -> str:
    """The shell command for the same configuration, seed and folder, such as `tercel signals train ...`."""
    name = "--demo" if request.config is None else str(request.config)
    return shlex.join(
        ["tercel", "signals", verb, name, "--seed", str(request.seed), "--out", str(folder)]
    )


@contextmanager
def resumable(
    verb: str, request: Configured, folder: Path, hint: str = "nothing was left half written; again"
) -> Iterator[None]:
    """Context that adds the command to resume to the message after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{hint}: {_command_text(verb, request, folder)}") from None


def build(request: Configured) -> None:
    """Build a point-in-time panel from the configured sources: Parquet and a manifest with hashes."""
    settings, folder = settings_of(request)
    from tercel.signals.panel import build as panels

    with resumable("build", request, folder):
        manifest = panels.build(settings, request.seed, folder)

    def show() -> None:
        """Print the panel's counts and sources as tables."""
        rows = [
            ("rows", f"{manifest.rows:,}"),
            ("dates", f"{manifest.dates:,}"),
            ("instruments", f"{manifest.instruments:,}"),
            ("first", manifest.first),
            ("last", manifest.last),
        ]
        print_rows("panel", ("", "value"), rows)
        sources = [
            (source, len(columns), f"{manifest.missing[source]:.1%}")
            for source, columns in manifest.sources.items()
        ]
        print_rows("sources", ("source", "columns", "rows without it"), sources)
        _notes(manifest.note, *manifest.warnings)
        say(f"panel     {folder}")

    hand_over({"out": folder, **vars(manifest)}, request.as_json, show)


@dataclass(frozen=True)
class TrainSignals(Configured):
    """Options of `tercel signals train`."""

    def train_extra(self, folder: Path) -> tuple[dict[str, Any], Callable[[], None]]:
        """Hook for other packages: train further parts into the folder; return their figures and a function that prints them.
        By default there are none.
        """
        return {}, lambda: None


def train(request: TrainSignals) -> None:
    """Train every source's models walking forward, fuse them out of fold, save the model with its card.

    Rank IC on daily stocks, 95 % intervals: the ensemble less equal weights .0025 [-.0013, .0066], learning online
    (recursive) less yearly refits -.011 [-.024, .002]; neither is significant.
    """
    settings, folder = settings_of(request)
    from tercel.signals.models.signal_model import MODEL
    from tercel.signals.runs.train import train as trained

    with resumable("train", request, folder):
        training = trained(settings, request.seed, folder)
        figures, show_beside = request.train_extra(folder)

    def show() -> None:
        """Print weights and facts of the model as tables."""
        weights = [
            (name, f"{weight:.3f}", training.evidence[name])
            for name, weight in training.weights.items()
        ]
        print_rows(
            "weights of the fusion", ("source:family", "weight", "slope out of fold, 95 %"), weights
        )
        scale = training.alpha_scale
        facts = {
            "bps per unit of forecast": scale.unit_bps,
            "sd of the error, bps": scale.sd_bps,
            "horizon, hours": scale.horizon_ns / 3.6e12,
        }
        rows = [
            (name, f"{number:,.1f}" if number else NOTHING) for name, number in facts.items()
        ] + [("half-life, hours", training.half_life)]
        print_rows("alpha", ("", "value"), rows)
        show_beside()
        _notes(training.note, *training.warnings)
        say(f"model     {folder / MODEL}")
        say(
            f"next      {_command_text('evaluate', request, folder)}; tercel signals predict {shlex.quote(str(folder / MODEL))}"
        )

    hand_over(vars(training) | figures, request.as_json, show)


@dataclass(frozen=True)
class Leak(Configured):
    """Options of `tercel signals leak`."""

    data: Annotated[
        Path | None,
        typer.Option(help="Folder of real data sets: its daily stocks, reports.", metavar="DIR"),
    ] = None

    def sets(self, data: Path) -> "list[SignalsConfig]":
        """Configurations of the data sets in a folder."""
        from tercel.signals.panel.leak import configs_of

        return configs_of(data)


def leak(request: Leak) -> None:
    """Test every source for look-ahead leaks, beside synthetic leaks that must be caught."""
    refuse_if(
        request.config is None and not request.demo and request.data is None,
        "a CONFIG.toml, --demo or --data DIR",
        "none of them",
        "add one, say --demo",
    )
    refuse_if(
        request.data is not None and not request.data.is_dir(),
        "a folder of real data sets",
        f"nothing at {request.data}",
        "check --data",
    )
    from tercel.signals.panel import leak as checks
    from tercel.signals.panel.leak import leak_table
    from tercel.signals.runs.config import demo, read_config

    configs = [demo()] if request.demo else []
    configs += [] if request.config is None else [read_config(request.config)]
    sets = [] if request.data is None else request.sets(request.data)
    refuse_if(
        request.data is not None and not sets,
        f"a data set such as {checks.STOCKS}",
        f"none in {request.data}",
        "check `data=`",
    )
    report = checks.leak(
        configs + sets, request.seed, request.out or RUNS / f"signals-leak-{request.seed}"
    )

    def show() -> None:
        """Print the result of every source as a table."""
        for name in dict.fromkeys(finding.panel for finding in report.leak):
            lines = [finding for finding in report.leak if finding.panel == name]
            print_rows(f"leak check on {name}", *leak_table(lines))
        say(f"note: {report.not_proven}")
        say(f"report    {report.report}")

    hand_over(report, request.as_json, show)


def evaluate(request: Evaluate) -> None:
    """Out-of-sample IC with intervals, calibration, what each source adds, the leak check, a tear sheet of each source."""
    settings, folder = settings_of(request)
    from tercel.signals.models.skill import skill_sentence
    from tercel.signals.runs.evaluation_page import evaluate_page, tables
    from tercel.signals.runs.source_sheets import write_sheets
    from tercel.signals.runs.train import evaluate as evaluated
    from tercel.signals.sources.sectors import read_sectors

    sectors = None if request.sectors is None else read_sectors(request.sectors)
    with resumable("evaluate", request, folder):
        evaluation = evaluated(settings, request.seed, folder, demo=request.demo)
        sheets, without_sheet = write_sheets(settings, request.seed, folder, sectors)
    write_atomic(folder / "report.html", evaluate_page(evaluation))

    def show() -> None:
        """Print the evaluation as tables."""
        for table in tables(evaluation):
            print_rows(*table)
        if not evaluation.fused:
            say(skill_sentence(evaluation.fused))
        if evaluation.unranked:
            say(f"the same for every name, which ranks none: {', '.join(evaluation.unranked)}")
        _notes(evaluation.note, *evaluation.warnings, *without_sheet)
        say(f"report    {folder / 'report.html'}")
        say(f"sheets    {sheets}")

    hand_over(evaluation, request.as_json, show)


def _notes(*notes: str) -> None:
    """Print notes on stderr, without empty ones."""
    for note in filter(None, notes):
        say(f"note: {note}")


signals_app.add_typer(flow_app)
add(signals_app, build, train, predict, leak, evaluate, backtest)
