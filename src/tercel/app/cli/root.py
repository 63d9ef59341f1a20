"""The command line: what can be typed, and nothing of what it does.

Each command's body lives in :mod:`tercel.app.commands` or :mod:`tercel.app.bench` and is imported when it is called, so
that ``tercel --help`` loads no numerical library.

Exit codes: 0 done; 1 the check that was asked for failed (``data verify``); 2 a usage error or a
:class:`~tercel.core.errors.TercelError`; 130 stopped by Ctrl-C.
"""

import shlex
import sys
from datetime import date as calendar_date
from pathlib import Path
from typing import Annotated

import typer

from tercel import __version__
from tercel.app.cli import people
from tercel.app.cli.limits import limits_app
from tercel.app.cli.risk import risk_app
from tercel.app.cli.shared import INTERRUPTED, AsJson, Lake, told
from tercel.app.cli.signals import signals_app
from tercel.app.cli.trade import trade_app
from tercel.app.cli.venue import venue_app
from tercel.app.output import say
from tercel.core.errors import ConfigError

app = typer.Typer(
    name="tercel",
    help="From tick data to an execution agent that is judged.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Tapes: import feed files, list a lake, verify a day.", no_args_is_help=True)
import_app = typer.Typer(help="Import feed files into a lake, one command per feed.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure a speed against its reference, both in this process.", no_args_is_help=True)
market_app = typer.Typer(help="Simulated markets: calibrate one from tape.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(market_app, name="market")
data_app.add_typer(import_app, name="import")
app.add_typer(bench_app, name="bench")
for _room in (signals_app, risk_app, limits_app, venue_app, trade_app):
    if _room.registered_commands:
        app.add_typer(_room, name=str(_room.info.name))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"tercel {__version__}")
        raise typer.Exit


@app.command()
def run(
    market: Annotated[
        str | None,
        typer.Option(
            help="Preset market, by name or as a .json file (default: csco-2003; an unknown name lists them).",
            metavar="NAME",
        ),
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Run on this lake's real days instead of a preset.", metavar="LAKE")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run under a minute: proves the road, not the agent.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0, max=2**31 - 1, metavar="S")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Run folder (default: a new one under runs/).", metavar="DIR")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the stopped run in --out (default: the newest), with the options it had."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train PPO and DQN on a market, judge them against every baseline on unseen episodes, print the table."""
    with told(as_json, _resume_hint(market, tape, symbol, quick, seed, out)):
        if market == "":
            raise ConfigError("the name of a market", "an empty one", "leave --market out for the default")
        if market is not None and tape is not None:
            raise ConfigError("one market", f"--market {market} and --tape {tape}", "leave one of the two out")
        if (tape is None) != (symbol is None):
            given, missing = ("--tape", "--symbol") if symbol is None else ("--symbol", "--tape")
            raise ConfigError(
                "--tape and --symbol together",
                f"{given} alone",
                f"add {missing}; `tercel data list --lake LAKE` names what a lake holds",
            )
        from tercel.app.commands import run as command

        code = command.run(
            market=market,
            tape=tape,
            symbol=symbol,
            quick=quick,
            seed=seed,
            out=out,
            resume=resume,
            as_json=as_json,
        )
        raise typer.Exit(code)


@import_app.command("lobster")
def import_lobster(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Message and orderbook CSVs, zip, zst or tar files of them, or folders.", metavar="PATHS"),
    ],
    lake: Lake,
    symbol: Annotated[str | None, typer.Option(help="Default: read from the file names.", metavar="SYM")] = None,
    date: Annotated[str | None, typer.Option(help="Default: read from the file names.", metavar="YYYY-MM-DD")] = None,
    tick: Annotated[
        float | None,
        typer.Option(help="Tick size in dollars (default: inferred from the prices).", metavar="T"),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import LOBSTER days: messages with an orderbook file of any number of levels, or messages alone."""
    with told(as_json):
        _check_date(date)
        from tercel.app.commands import data

        data.import_lobster(paths, lake=lake, symbol=symbol, date=date, tick=tick, replace=replace, as_json=as_json)


@data_app.command("list")
def list_lake(lake: Lake, as_json: AsJson = False) -> None:
    """List what a lake holds."""
    with told(as_json):
        from tercel.app.commands import data

        data.list_lake(lake, as_json)


@data_app.command()
def verify(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM")],
    date: Annotated[str, typer.Option(help="Day on the tape.", metavar="YYYY-MM-DD")],
    against: Annotated[
        Path | None,
        typer.Option(help="Orderbook file to compare every row with.", metavar="ORDERBOOK_CSV"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a day and count what is odd; with --against, exit 1 when a row of the file is left unexplained."""
    with told(as_json):
        _check_date(date)
        from tercel.app.commands import data

        raise typer.Exit(data.verify(lake, symbol, date, against, as_json))


@market_app.command("calibrate")
def calibrate_market(
    lake: Lake,
    symbol: Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM")],
    days: Annotated[str, typer.Option(help="Days to calibrate on, separated by commas.", metavar="D,D,...")],
    name: Annotated[str, typer.Option(help="Name of the market.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="File to write (.json); run on it with `tercel run --market FILE`.")],
    date: Annotated[str, typer.Option(help="Date of this calibration, for the card.", metavar="YYYY-MM-DD")],
    held_out: Annotated[
        str, typer.Option(help="Days to judge the fit on, separated by commas.", metavar="D,D,...")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Calibrate a zero-intelligence market from tape; its card says how well it fits days it has not seen."""
    with told(as_json):
        _check_date(date)
        from tercel.app.commands import preset

        made = preset.make(lake, symbol, days=_listed(days), held_out=_listed(held_out), name=name, out=out, date=date)
        preset.show(made, out, as_json)


def _listed(text: str) -> list[str]:
    """Dates separated by commas."""
    dates = [part.strip() for part in text.split(",") if part.strip()]
    for one in dates:
        _check_date(one)
    return dates


@bench_app.command("book")
def bench_book(as_json: AsJson = False) -> None:
    """Order book: messages per second against the reference book."""
    _bench("book", as_json)


@bench_app.command("env")
def bench_env(as_json: AsJson = False) -> None:
    """Environment: decisions per second, share of the book's rate, two threads against one."""
    _bench("env", as_json)


@bench_app.command("train")
def bench_train(as_json: AsJson = False) -> None:
    """Training: native PPO's frames per second against Stable-Baselines3."""
    _bench("train", as_json)


@bench_app.command("decide")
def bench_decide(as_json: AsJson = False) -> None:
    """Decision: market event to commands in microseconds; policy inference against torch."""
    _bench("decide", as_json)


@bench_app.command("import")
def bench_import(as_json: AsJson = False) -> None:
    """Import: message rows per second to Parquet."""
    _bench("imports", as_json)


@bench_app.command("venue")
def bench_venue(as_json: AsJson = False) -> None:
    """Exchange: market-data rows, orders and parents per second, beside the batch."""
    _bench("venue", as_json)


@bench_app.command("gate")
def bench_gate(as_json: AsJson = False) -> None:
    """Hard limits: microseconds a check at the median and the 99th percentile."""
    _bench("gate", as_json)


@bench_app.command("journal")
def bench_journal(as_json: AsJson = False) -> None:
    """Journal: microseconds of a durable append, beside one in memory."""
    _bench("journal", as_json)


@bench_app.command("fix")
def bench_fix(as_json: AsJson = False) -> None:
    """FIX: order to acknowledgement over loopback, beside the exchange in process."""
    _bench("fix", as_json)


@bench_app.command("desk")
def bench_desk(as_json: AsJson = False) -> None:
    """Desk: rounds per second of the packaged demo, beside its markets alone."""
    _bench("desk", as_json)


def _bench(module: str, as_json: bool) -> None:
    with told(as_json):
        from tercel.app.bench import run_bench

        run_bench(module, as_json)


def _check_date(text: str | None) -> None:
    if text is None:
        return
    try:
        understood = calendar_date.fromisoformat(text).isoformat() == text
    except ValueError:
        understood = False
    if not understood:
        raise ConfigError("a day of the calendar as YYYY-MM-DD", f"--date {text}", "write it as 2012-06-21")


def _resume_hint(
    market: str | None, tape: Path | None, symbol: str | None, quick: bool, seed: int, out: Path | None
) -> str:
    options: list[object] = ["tercel", "run", "--resume"]
    for name, value in (("--market", market), ("--tape", tape), ("--symbol", symbol)):
        options += [name, value] if value is not None else []
    options += ["--quick"] if quick else []
    options += ["--seed", seed] + (["--out", out] if out is not None else [])
    return "what is finished is kept; to go on: " + shlex.join(str(option) for option in options)


people.add_to(app)


def main() -> None:
    """Run the command line as the `tercel` script does."""
    try:
        app()
    except KeyboardInterrupt:
        say("\nstopped")
        sys.exit(INTERRUPTED)
