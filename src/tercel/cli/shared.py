"""Shared parts of all commands: output, `--json`, errors, Ctrl-C and other ends.

A result is written on stdout, all other messages on stderr.

With `as_json` stdout carries exactly one JSON object.

Commands of functions: their parameters are the options, errors are printed without a traceback.

Options that several commands share, or that other packages extend, are a frozen dataclass: a parameter annotated with
it gives its fields, ``__post_init__`` checks what was typed. A request of another package names its function, so
that a module that is heavy to import is loaded when the command runs: ``body = "package.module:function"``.
"""

import inspect
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from datetime import date as calendar_date
from functools import cache
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args

import typer
from typer.core import TyperCommand, TyperOption

from tercel.api import display
from tercel.core import progress as said
from tercel.core.errors import ConfigError, TercelError, listed, of_files
from tercel.core.extras import how_to_install
from tercel.core.report.svg import write_page
from tercel.core.report.tables import missing_note
from tercel.core.serialization import json_text
from tercel.core.system import WallClock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


ALL_IN: Final = "--json"
"""Option that prints every column of a command's table."""
progress, say = said.progress, said.say


@cache
def result_console() -> "Console":
    """Rich console on stdout: tables, and nothing else."""
    from rich.console import Console

    return Console(highlight=False)


def print_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    leaves: Sequence[str] = (),
    left: Collection[str] = (),
    wraps: Collection[str] = (),
) -> None:
    """Print a table of whole columns: what does not fit is left out and named below, and no cell is shortened.

    Parameters
    ----------
    title : str
        A line over it.
    headings, rows : sequences of str
        Headings that differ; each row has a cell for every one of them. The first column never leaves.
    leaves : sequence of str
        Headings, least important first: they leave in this order until the rest fits. By default from the right.
    left : collection of str
        Columns of text, aligned left, besides the first; all others are aligned right.
    wraps : collection of str
        Columns of text that may take several lines.

    Raises
    ------
    ValueError
        Two columns have one heading.
    """
    from rich.text import Text

    if len(set(headings)) < len(headings):
        raise ValueError(f"headings that differ: {headings}")
    console, shown = result_console(), list(headings)
    everything = console.options.update(max_width=100_000)
    leaving = [name for name in (leaves or headings[:0:-1]) if name in shown[1:]]
    while True:
        table = _table_of(shown, headings, rows, {*left, *wraps}, wraps)
        least = console.measure(table, options=everything).minimum
        if least <= console.width or not leaving:
            break
        shown.remove(leaving.pop(0))
    if least > console.width:  # a line that runs on can be read, a number without its end cannot
        table.width = least
    console.print(Text(title, "bold"))
    console.print(table, crop=False)
    if left_out := [name for name in headings if name not in shown]:
        console.print(Text(missing_note(left_out, ALL_IN), "dim"), soft_wrap=True)


# Characters that a column keeps at least when its text takes several lines.
_WRAPPED = 24


def _table_of(
    shown: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[str],
    wraps: Collection[str],
) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    places = [headings.index(name) for name in shown]
    for name, place in zip(shown, places, strict=True):
        need = max(Text(cell).cell_len for cell in (name, *(row[place] for row in rows)))
        table.add_column(
            Text(name),
            justify="left" if place == 0 or name in left else "right",
            no_wrap=name not in wraps,
            overflow="fold",
            min_width=min(need, _WRAPPED) if name in wraps else need,
        )
    for row in rows:
        table.add_row(*(Text(row[place]) for place in places))
    return table


# Letters of a cell that is not broken over lines.
_SHORT = 12


def print_sentences(sentences: Iterable[str]) -> None:
    """Print sentences of a result on stdout, one unbroken line each."""
    for sentence in sentences:
        result_console().print(sentence, soft_wrap=True, markup=False)


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table of anything: columns of long cells are words that may take several lines."""
    cells = [[str(cell) for cell in row] for row in rows]
    long = [
        name
        for place, name in enumerate(headings)
        if any(len(row[place]) > _SHORT for row in cells)
    ]
    print_table(title, headings, cells, wraps=long)


def print_json(value: Any) -> None:
    """Write `value` to stdout as one JSON object and a line end."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def check_folder(out: Path | None) -> None:
    """Refuse to measure for a folder `out` that is a file."""
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError("a folder to write to", f"{out} is a file", "name another `out=`")


def hand_over(
    found: Any,
    as_json: bool,
    show: Callable[[], object],
    out: Path | None = None,
    name: str = "",
    page: Callable[[], str] = str,
) -> None:
    """Print a result as JSON or by `show`; with `out`, also write it there with its page."""
    if out is not None:
        write_page(out, name, found, page())
        say(f"report  {out / name}.html")
    if as_json:
        print_json(found)
    else:
        show()


def print_error(error: TercelError, as_json: bool = False) -> None:
    """Write the three parts of `error` to stderr, and with `as_json` an ``{"error": ...}`` object to stdout."""
    expected, received = display.wording(error.expected), display.wording(error.received)
    remedy = how_to_install(display.wording(error.remedy))
    say(f"error\n  expected  {expected}\n  received  {received}\n  to go on  {remedy}")
    if as_json:
        parts = {"expected": expected, "received": received, "remedy": remedy}
        print_json({"error": {"kind": type(error).__name__, **parts}})


class BoundedClock(WallClock):
    """Real time, and an end of it: after so many seconds, by Ctrl-C or a polite kill."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: self._signals.append(got))

    def stopping(self) -> bool:
        """Whether to stop now."""
        return bool(self._signals) or (self._end is not None and time.monotonic() >= self._end)


def end_on_termination() -> None:
    """Let SIGTERM, with which a container or a service manager ends a process, be Ctrl-C."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


@contextmanager
def stopped() -> Iterator[list[bool]]:
    """A list that fills when Ctrl-C comes: the update under way ends and the state is saved. A second one breaks off."""
    requested_stops: list[bool] = []

    def ask(*_: object) -> None:
        if requested_stops:
            raise KeyboardInterrupt
        requested_stops.append(True)
        say("stopping after this update ...")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread, which alone gets signals
        yield requested_stops
        return
    try:
        yield requested_stops
    finally:
        signal.signal(signal.SIGINT, before)


INTERRUPTED = 130
NOTHING_HALF_DONE = "nothing was left half done"

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Lake = Annotated[Path, typer.Option(help="Folder of the tape lake.", metavar="DIR")]
Seed = Annotated[
    int, typer.Option(help="Seed of all random draws.", min=0, max=2**31 - 1, metavar="S")
]
ObservationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--observation",
        help="Your own observation function of a policy: my_module:observe or path/file.py:observe; several.",
        metavar="WHERE:NAME",
    ),
]
StrategyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        help="Your own strategy, evaluated beside the others: my_module:HalfNow, path/file.py:HalfNow, or a name of an "
        "installed package; several.",
        metavar="WHERE:NAME",
    ),
]
Policy = Annotated[
    str,
    typer.Argument(
        help="A policy's folder, a run's, a packaged policy, or NAME@VERSION (also @champion, @challenger, @latest).",
        metavar="POLICY",
    ),
]
Registry = Annotated[
    str,
    typer.Option(
        help="Registry: a folder, or mlflow+http://HOST:PORT. Default: TERCEL_REGISTRY, else runs/registry.",
        metavar="DIR|URL",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Run the episodes on Ray: local, auto, or a cluster's address.",
        metavar="ADDRESS",
    ),
]
IN_LAKE = "spelt as the lake has it"
"""Marks options whose symbols the lake holds: their letters may be small or capital."""
TAPES = typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")
TapesSymbol = Annotated[str | None, TAPES, IN_LAKE]
Symbol = Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM"), IN_LAKE]
PresetsSymbol = Annotated[
    str, typer.Option(help="Symbol on the tape. Default: the preset's.", metavar="SYM"), IN_LAKE
]
Symbols = Annotated[
    str | None,
    typer.Option(
        help="Symbol on the tape (with --tape); several with commas.", metavar="SYM[,SYM...]"
    ),
    IN_LAKE,
]
Venue = Annotated[
    str, typer.Option(help="Venue on the tape, if several have the symbol.", metavar="VENUE")
]
From = Annotated[
    str, typer.Option("--from", help="Begin at this local time of the exchange.", metavar="HH:MM")
]
To = Annotated[
    str, typer.Option("--to", help="End at this local time of the exchange.", metavar="HH:MM")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")
]
PRESET = typer.Argument(
    help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET"
)


def share_of(typed: object) -> float:
    """A share as a number or in per cent.

    >>> share_of("0.02"), share_of("2%"), share_of("2.5 %")
    (0.02, 0.02, 0.025)
    """
    text = str(typed)
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share: write 0.02 or 2%") from None


def page_folder(name: str) -> Any:
    """The option `--out` of a command that writes a page and its figures."""
    return typer.Option(help=f"Folder for {name}.html and {name}.json.", metavar="DIR")


def command_line(name: str, text: str) -> typer.Typer:
    """An empty command line as `tercel` and the folders of a clone have it; :func:`run_app` runs it."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=True,
        add_completion=name == "tercel",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run_app(app: typer.Typer) -> None:
    """Run a command line on what was typed, and end the process."""
    try:
        app()
    except SystemExit as stop:
        usage = getattr(stop.__context__, "format_message", None)  # usage errors, printed on stderr
        if usage is not None and "--json" in sys.argv[1:]:
            parts = {
                "expected": "a command as its --help says",
                "received": usage(),
                "remedy": "see --help",
            }
            print_json({"error": {"kind": "UsageError", **parts}})
        raise
    except KeyboardInterrupt:
        say("\nstopped")
        sys.exit(INTERRUPTED)


def in_options(text: str) -> str:
    """Text of lower packages, which name parameters as Python does, with options as a person types them.

    >>> in_options("a tick of `tick=0.25`; give a smaller `tick=`, `replace=True`, `bar=False`, or `fees=-1,2`")
    'a tick of --tick 0.25; give a smaller --tick, --replace, --no-bar, or --fees=-1,2'
    >>> in_options("say `column=fee=Fee (EUR)`")
    "say --column 'fee=Fee (EUR)'"
    """

    def typed(parameter: re.Match[str]) -> str:
        name, value = parameter[1].replace("_", "-"), parameter[2]
        option = f"--no-{name}" if value == "False" else f"--{name}"
        if value in ("", "True", "False"):
            return option
        return f"{option}={value}" if value.startswith("-") else f"{option} {quote(value)}"

    return re.sub(r"`([a-z]\w*)=([^`]*)`", typed, text)


@contextmanager
def reported(as_json: bool = False, on_interrupt: str = NOTHING_HALF_DONE) -> Iterator[None]:
    """Print an error without a traceback, and end with its exit code.

    ``TERCEL_TRACEBACK=1`` lets errors through as they are. A body may say better than `on_interrupt` how to go on after
    Ctrl-C: ``raise KeyboardInterrupt("...")``.
    """
    before = display.wording
    display.wording = in_options
    try:
        yield
    except KeyboardInterrupt as stop:
        say(f"\nstopped: {stop.args[0] if stop.args else on_interrupt}")
        raise typer.Exit(INTERRUPTED) from None
    except (TercelError, OSError, RecursionError) as error:
        if os.environ.get("TERCEL_TRACEBACK") == "1":
            raise
        if isinstance(error, RecursionError):
            error = ConfigError(
                "files nested less deep", f"{error}", "see with TERCEL_TRACEBACK=1 which one it is"
            )
        print_error(error if isinstance(error, TercelError) else of_files(error), as_json)
        raise typer.Exit(2) from None
    finally:
        display.wording = before


@dataclass(frozen=True, kw_only=True)
class JsonRequest:
    """Request with the option `--json` for one JSON object; the command's own options come before it."""

    as_json: AsJson = False


def check_date(text: str | None, option: str = "--date") -> None:
    """Refuse a text that is no calendar date YYYY-MM-DD."""
    if text is None:
        return
    try:
        understood = calendar_date.fromisoformat(text).isoformat() == text
    except ValueError:
        understood = False
    if not understood:
        raise ConfigError(
            "a day of the calendar as YYYY-MM-DD", f"{option} {text}", "write it as 2012-06-21"
        )


def listed_dates(text: str) -> list[str]:
    """Dates separated by commas."""
    dates = listed(text)
    for one in dates:
        check_date(one)
    return dates


def listed_seeds(text: str) -> list[int]:
    """Base seeds of judged episodes, separated by commas: whole numbers from 0, each once.

    Raises
    ------
    ConfigError
        Anything else; negative seeds belong to training.

    >>> listed_seeds("901, 902")
    [901, 902]
    """
    parts = [part.strip() for part in text.split(",")]
    seeds = [int(part) for part in parts if part.isdecimal()]
    if len(seeds) < len(parts) or len(set(seeds)) < len(seeds) or max(seeds) >= 2**31:
        raise ConfigError(
            "different whole numbers from 0 to 2^31 - 1, separated by commas",
            f"--seeds {text}",
            "such as --seeds 901,902,903; negative ones belong to training",
        )
    return seeds


Body = TypeVar("Body", bound=Callable[..., int | None])


class Command(TyperCommand):
    """A command that refuses to be typed an option of several values with commas twice: the first would be lost."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed."""
        typed = self.make_parser(ctx).parse_args(args=list(args))[2]
        for one in (one for one in typed if isinstance(one, TyperOption) and not one.multiple):
            if typed.count(one) > 1 and ("," in f"{one.metavar}" or "comma" in f"{one.help}"):
                raise typer.BadParameter(
                    f"typed twice: write it once, with commas: {one.opts[0]} A,B", ctx, one
                )
        return super().parse_args(ctx, args)


def on_interrupt(text: str) -> Callable[[Body], Body]:
    """Decorator of a command: message after Ctrl-C; braces hold names of options."""

    def named(body: Body) -> Body:
        body.interrupted = text  # type: ignore[attr-defined]
        return body

    return named


def add(app: typer.Typer, *bodies: Callable[..., int | None] | type) -> None:
    """Make commands of functions, or of requests that name theirs, in this order.

    A function's parameters are the options; one that is annotated with a dataclass gives its fields. A command is
    called as its function (``list_`` is ``list``), its help is the docstring (of the function, or of the request that
    names it), and its exit code what the function returns. :func:`~tercel.cli.shared.reported` prints errors;
    `on_interrupt`, or a request's ``interrupted``, gives the text after Ctrl-C.

    >>> from typing import Annotated
    >>> def double(number: Annotated[int, typer.Argument()]) -> None:
    ...     print(number, number)
    >>> app = typer.Typer()
    >>> add(app, double)
    >>> app(["3"], standalone_mode=False)
    3 3
    0
    """
    for body in bodies:
        if isinstance(body, type):
            app.command(str(getattr(body, "body", "")).partition(":")[2], cls=Command)(
                command_of(_named(body))
            )
        else:
            name = body.__name__.rstrip("_").replace("_", "-")
            app.command(name, cls=Command)(command_of(body))


def request_of(callback: Any) -> type | None:
    """The request that a command made here is of; None for any other command."""
    return getattr(callback, "request", None)


def _named(kind: Any) -> Callable[[Any], int | None]:
    """The function that a request names, imported when it is called."""

    def body(request: Any) -> int | None:
        module, _, name = kind.body.partition(":")
        code: int | None = getattr(import_module(module), name)(request)
        return code

    body.__annotations__["request"] = kind
    body.__doc__ = kind.__doc__
    return body


def command_of(body: Callable[..., int | None]) -> Callable[..., None]:
    """The function that Typer reads: the parameters of `body`, with the fields of dataclasses among them spread out."""
    given = inspect.signature(body).parameters
    kinds = [one.annotation for one in given.values() if is_dataclass(one.annotation)]
    request = kinds[0] if len(kinds) == len(given) == 1 else None
    options = _options(given)
    interrupted = getattr(body, "interrupted", getattr(request, "interrupted", NOTHING_HALF_DONE))

    def typed(**values: Any) -> None:
        with reported(values.get("as_json", False), interrupted.format_map(values)):
            if values.get("symbol") and IN_LAKE in get_args(options["symbol"].annotation):
                values["symbol"] = _in_lake(
                    values["symbol"], values.get("tape") or values.get("lake")
                )
            raise typer.Exit(body(**_arguments(given, values)) or 0)

    typed.__name__ = body.__name__
    typed.__doc__ = body.__doc__
    typed.__annotations__ = {name: one.annotation for name, one in options.items()} | {
        "return": None
    }
    typed.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    typed.request = request  # type: ignore[attr-defined]
    return typed


def _options(given: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """Options by name: a parameter that is annotated with a dataclass gives those of its fields."""
    found: dict[str, inspect.Parameter] = {}
    for name, one in given.items():
        kind: Any = one.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            found |= _options(inspect.signature(kind).parameters)
        else:
            found[name] = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    return found


def _arguments(given: Mapping[str, inspect.Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a function, from the values of its options."""
    found: dict[str, Any] = {}
    for name, one in given.items():
        kind: Any = one.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            found[name] = kind(**_arguments(inspect.signature(kind).parameters, values))
        else:
            found[name] = values[name]
    return found


def _in_lake(symbols: str, lake: Path | None) -> str:
    """Symbols with commas between them, spelt as the lake spells them."""
    if lake is None:
        return symbols
    from tercel.market.tape import Lake

    return ",".join(Lake(lake).spelt(one) for one in listed(symbols))
