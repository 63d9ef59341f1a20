"""What goes where: a result on stdout, everything said on the way to it on stderr.

With `as_json` stdout carries exactly one JSON object. Floats are written with every digit they have; NaN and infinity,
which JSON does not know, become ``null``.
"""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tercel.core.errors import ConfigError
from tercel.core.record import Record
from tercel.core.report.tables import told_missing
from tercel.core.written import write_whole

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from tercel.core.errors import TercelError


@cache
def _console(stderr: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


ALL_IN: Final = "--json"
"""Where a command has every column of its table."""


def progress_console() -> "Console":
    """Rich console on stderr: logs, progress bars, warnings."""
    return _console(True)


def progress(counted: bool = False, transient: bool = False, now: bool = False) -> "Progress":
    """Bars on stderr with the time that is left: how many of how many where `counted`, a share of 100 otherwise.

    What is `transient` is gone at the end, and shown on a terminal alone; with `now` a task has a field of that name
    behind its bar.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    done = MofNCompleteColumn() if counted else TaskProgressColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), done, TimeRemainingColumn())
    last = (TextColumn("{task.fields[now]}"),) if now else ()
    console = progress_console()
    return Progress(
        *columns, *last, console=console, transient=transient, disable=transient and not console.is_terminal
    )


def result_console() -> "Console":
    """Rich console on stdout: tables, and nothing else."""
    return _console(False)


wording: Callable[[str], str] = str
"""How a line names parameters: the command line puts its options in their place while a command runs."""


def say(text: str) -> None:
    """Write one plain line to stderr, at once. A log on a disk that is full changes nothing of what is done."""
    with suppress(OSError):
        sys.stderr.write(wording(text) + "\n")
        sys.stderr.flush()


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
        console.print(Text(told_missing(left_out, ALL_IN), "dim"), soft_wrap=True)


_WRAPPED = 24
"""Characters that a column keeps at least when its text takes several lines."""


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


_SHORT = 12
"""Letters of a cell that is not broken over lines."""


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table of anything: columns of long cells are words that may take several lines."""
    cells = [[str(cell) for cell in row] for row in rows]
    long = [name for place, name in enumerate(headings) if any(len(row[place]) > _SHORT for row in cells)]
    print_table(title, headings, cells, wraps=long)


def say_when_compiling() -> None:
    """Have this process say on stderr that it compiles kernels, should it have to."""
    from tercel.core.kernel_keys import cache_root, on_first_compile

    on_first_compile(lambda: say(f"compiling kernels once (half a minute or so); they are kept in {cache_root()}"))


def plain(value: Any) -> Any:
    """Copy of `value` made of what JSON knows: dict, list, str, int, float, bool, None.

    Mappings, sequences, sets, dataclasses, pydantic models, paths, dates, NumPy scalars and arrays are understood.

    Raises
    ------
    TypeError
        For anything else: a result that is silently turned into a string helps nobody.

    >>> plain({"mean": float("nan"), "days": (1, 2), "out": Path("runs/a")})
    {'mean': None, 'days': [1, 2], 'out': 'runs/a'}
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Record):
        return plain(value.json_fields())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):  # NumPy, without importing it here
        return plain(value.tolist())
    raise TypeError(f"no JSON for {type(value).__name__}: {value!r}")


def json_text(value: Any) -> str:
    """`value` as one line of strict JSON.

    >>> json_text({"ratio": 1 / 3, "reference_value": float("inf")})
    '{"ratio": 0.3333333333333333, "reference_value": null}'
    """
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Write `value` to stdout as one JSON object and a line end."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def how_to_install(remedy: str) -> str:
    """Advice to install an extra, for those who have a clone as well: there pip knows the package as `.`.

    >>> how_to_install("pip install 'tercel[risk]'")
    "in a clone `make setup` or pip install -e '.[risk]', otherwise pip install 'tercel[risk]'"
    """
    return re.sub(
        r"pip install 'tercel\[(\w+)\]'",
        r"in a clone `make setup` or pip install -e '.[\1]', otherwise pip install 'tercel[\1]'",
        remedy,
    )


def check_folder(out: Path | None) -> None:
    """Refuse to measure for a folder `out` that is a file."""
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError("a folder to write to", f"{out} is a file", "name another `out=`")


def write_page(out: Path, name: str, found: Any, page: str) -> None:
    """What was found as `name`.json, and its page as `name`.html, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / f"{name}.json", json_text(found) + "\n")
    write_whole(out / f"{name}.html", page)


def hand_over(
    found: Any,
    as_json: bool,
    show: Callable[[], object],
    out: Path | None = None,
    name: str = "",
    page: Callable[[], str] = str,
) -> None:
    """What was found: written with its page to `out`, where one is named, and printed as an object or shown."""
    if out is not None:
        write_page(out, name, found, page())
        say(f"report  {out / name}.html")
    if as_json:
        print_json(found)
    else:
        show()


def print_error(error: "TercelError", as_json: bool = False) -> None:
    """Write the three parts of `error` to stderr, and with `as_json` an ``{"error": ...}`` object to stdout."""
    expected, received = wording(error.expected), wording(error.received)
    remedy = how_to_install(wording(error.remedy))
    say("error")
    say(f"  expected  {expected}")
    say(f"  received  {received}")
    say(f"  to go on  {remedy}")
    if as_json:
        parts = {"expected": expected, "received": received, "remedy": remedy}
        print_json({"error": {"kind": type(error).__name__, **parts}})
