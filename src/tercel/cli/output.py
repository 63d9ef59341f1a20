"""Output of commands: tables, sentences and JSON on stdout, messages and errors on stderr.

A result is written on stdout, all other messages on stderr. With `as_json` stdout carries exactly one JSON object.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from tercel.api import display
from tercel.core import progress as progress_module
from tercel.core.errors import TercelError, refuse_if
from tercel.core.extras import how_to_install
from tercel.core.report.page import write_page
from tercel.core.report.tables import missing_note
from tercel.core.serialization import json_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ALL_IN: Final = "--json"
"""Option that prints every column of a command's table."""
progress = progress_module.progress
say = progress_module.say


# Characters that a column keeps at least when its text takes several lines.
_WRAPPED = 24
# Characters of the longest cell that is not broken over lines.
_SHORT = 12


@cache
def program_path() -> str:
    """How this shell finds `tercel`: the name, or its path where a virtual environment is not active."""
    beside = Path(sys.executable).with_name("tercel")
    if shutil.which("tercel") or not beside.exists():
        return "tercel"
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def name_program(text: str) -> str:
    """Text in which commands of `tercel` can be typed as they stand in this shell (`program_path`).

    >>> name_program("next: tercel trade tca") == f"next: {program_path()} trade tca"
    True
    """
    return re.sub(r"(?<![\w./-])tercel (?=[a-z])", lambda _: f"{program_path()} ", text)


def result_console() -> "Console":
    """Rich console on stdout, for tables alone."""
    from rich.console import Console

    return Console(highlight=False)


def print_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    drop_order: Sequence[str] = (),
    left_aligned: Collection[str] = (),
    wraps: Collection[str] = (),
) -> None:
    """Print a table of whole columns; columns that do not fit are left out and named below, no cell is shortened.

    Parameters
    ----------
    title : str
        A line over it.
    headings, rows : sequences of str
        Headings that differ; each row has a cell for every one of them. The first column never leaves.
    drop_order : sequence of str
        Headings, least important first: they leave in this order until the rest fits. By default from the right.
    left_aligned : collection of str
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
    console = result_console()
    kept = list(headings)
    unlimited = console.options.update(max_width=100_000)
    droppable = [name for name in (drop_order or headings[:0:-1]) if name in kept[1:]]
    while True:
        table = _table_of(kept, headings, rows, {*left_aligned, *wraps}, wraps)
        min_width = console.measure(table, options=unlimited).minimum
        if min_width <= console.width or not droppable:
            break
        kept.remove(droppable.pop(0))
    if (
        min_width > console.width
    ):  # a line that runs on can be read, a number without its end cannot
        table.width = min_width
    console.print(Text(title, "bold"))
    console.print(table, crop=False)
    if left_out := [name for name in headings if name not in kept]:
        console.print(Text(missing_note(left_out, ALL_IN), "dim"), soft_wrap=True)


def _table_of(
    kept: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    left_aligned: Collection[str],
    wraps: Collection[str],
) -> "Table":
    """Rich table of the columns `kept`, out of `rows` with a cell for each of `headings`; the first is left-aligned."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    places = [headings.index(name) for name in kept]
    for name, place in zip(kept, places, strict=True):
        width = max(Text(cell).cell_len for cell in (name, *(row[place] for row in rows)))
        table.add_column(
            Text(name),
            justify="left" if place == 0 or name in left_aligned else "right",
            no_wrap=name not in wraps,
            overflow="fold",
            min_width=min(width, _WRAPPED) if name in wraps else width,
        )
    for row in rows:
        table.add_row(*(Text(row[place]) for place in places))
    return table


def print_sentences(sentences: Iterable[str], *, wraps: bool = False) -> None:
    """Print sentences of a result on stdout: one unbroken line each, or wrapped at the terminal's width."""
    for sentence in sentences:
        result_console().print(name_program(sentence), soft_wrap=not wraps, markup=False)


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table of any values; columns with long cells may take several lines."""
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


def check_folder(folder: Path | None) -> None:
    """Raise a ConfigError for an output folder that is a file, before anything is measured; None passes."""
    refuse_if(
        folder is not None and folder.exists() and not folder.is_dir(),
        "a folder to write to",
        f"{folder} is a file",
        "name another `out=`",
    )


def hand_over(
    result: Any,
    as_json: bool,
    show: Callable[[], object],
    folder: Path | None = None,
    name: str = "",
    page: Callable[[], str] = str,
) -> None:
    """Print a result as JSON or by `show`; with a folder, also write the result and its page there."""
    if folder is not None:
        write_page(folder, name, result, page())
        say(f"report  {folder / name}.html")
    if as_json:
        print_json(result)
    else:
        show()


def print_error(error: TercelError, as_json: bool = False) -> None:
    """Write the three parts of `error` to stderr, and with `as_json` an ``{"error": ...}`` object to stdout."""
    expected = display.wording(error.expected)
    received = display.wording(error.received)
    remedy = how_to_install(display.wording(error.remedy))
    say(f"error\n  expected  {expected}\n  received  {received}\n  to go on  {remedy}")
    if as_json:
        parts = {"expected": expected, "received": received, "remedy": remedy}
        print_json({"error": {"kind": type(error).__name__, **parts}})


def in_options(text: str) -> str:
    """Text that names Python parameters, with command-line options in their place, and commands as they are typed here.

    >>> in_options("a tick of `tick=0.25`; give a smaller `tick=`, `replace=True`, `bar=False`, or `fees=-1,2`")
    'a tick of --tick 0.25; give a smaller --tick, --replace, --no-bar, or --fees=-1,2'
    >>> in_options("say `column=fee=Fee (EUR)`")
    "say --column 'fee=Fee (EUR)'"
    """

    def format_option(parameter: re.Match[str]) -> str:
        """The option of a matched parameter."""
        name = parameter[1].replace("_", "-")
        value = parameter[2]
        option = f"--no-{name}" if value == "False" else f"--{name}"
        if value in ("", "True", "False"):
            return option
        return f"{option}={value}" if value.startswith("-") else f"{option} {quote(value)}"

    return name_program(re.sub(r"`([a-z]\w*)=([^`]*)`", format_option, text))
