"""What goes where: a result on stdout, everything said on the way to it on stderr.

With `as_json` stdout carries exactly one JSON object.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tercel.api import stderr
from tercel.core import progress as said
from tercel.core.errors import ConfigError, TercelError
from tercel.core.extras import how_to_install
from tercel.core.plain import json_text
from tercel.core.report.page import write_page
from tercel.core.report.tables import told_missing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


ALL_IN: Final = "--json"
"""Where a command has every column of its table."""
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
        console.print(Text(told_missing(left_out, ALL_IN), "dim"), soft_wrap=True)


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
    """What a result says in words, on stdout, each sentence a line that is not broken."""
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
    """What was found: written with its page to `out`, where one is named, and printed as an object or shown."""
    if out is not None:
        write_page(out, name, found, page())
        say(f"report  {out / name}.html")
    if as_json:
        print_json(found)
    else:
        show()


def print_error(error: TercelError, as_json: bool = False) -> None:
    """Write the three parts of `error` to stderr, and with `as_json` an ``{"error": ...}`` object to stdout."""
    expected, received = stderr.wording(error.expected), stderr.wording(error.received)
    remedy = how_to_install(stderr.wording(error.remedy))
    say(f"error\n  expected  {expected}\n  received  {received}\n  to go on  {remedy}")
    if as_json:
        parts = {"expected": expected, "received": received, "remedy": remedy}
        print_json({"error": {"kind": type(error).__name__, **parts}})
