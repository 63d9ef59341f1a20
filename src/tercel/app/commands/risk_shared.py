"""What every ``tercel risk`` table shares: printed, as JSON, or as a page with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercel.app.output import print_json, print_table, result_console, say
from tercel.core.written import write_whole

if TYPE_CHECKING:
    from tercel.report.svg import Figure

SYNTHETIC = "SYNTHETIC: drawn from a model whose truth is known; no measurement of any market."


@dataclass(frozen=True)
class Table:
    """A table: headings, rows (the first cell names the row), and what stands over it."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    left: tuple[int, ...] = ()
    """Columns of words, besides the first."""
    leaves: tuple[str, ...] = ()
    """Headings in the order in which they leave where the terminal is narrow; by default from the right."""


@dataclass(frozen=True)
class Shown:
    """What a risk command found.

    Parameters
    ----------
    title, lead : str
    tables : sequence of Table
    notes : sequence of str
    figures : sequence of Figure
    body : dict
        The JSON object.
    """

    title: str
    lead: str
    tables: Sequence[Table]
    notes: Sequence[str]
    figures: Sequence[Figure]
    body: dict[str, Any] = field(default_factory=dict)


def show(found: Shown, as_json: bool, out: Path | None) -> None:
    """Print it, and write its page to `out` where one is asked for."""
    if out is not None:
        say(f"report  {write_page(found, out)}")
    if as_json:
        print_json(found.body)
        return
    from rich.text import Text

    console = result_console()
    for table in found.tables:
        rows = [[str(cell) for cell in row] for row in table.rows]
        print_table(table.title, table.headings, rows, table.leaves, wraps=[table.headings[n] for n in table.left])
        console.print()
    for note in found.notes:
        console.print(Text(note))


def write_page(found: Shown, out: Path) -> Path:
    """Write `report.html` into a folder, whole or not at all."""
    from tercel.report.page import Section, render
    from tercel.report.tables import plain_table

    sections = [
        Section(table.title, html=plain_table(table.headings, table.rows, prose=bool(table.left)))
        for table in found.tables
    ]
    sections.append(Section("Figures", text=list(found.notes), figures=found.figures))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "report.html"
    write_whole(path, render(found.title, found.lead, sections))
    return path


def first_of_test(days: Sequence[date], wanted: date, least: int) -> int:
    """First day of the test: `wanted` where enough days lie before it, else half of the series."""
    first = sum(day < wanted for day in days)
    return first if least <= first < len(days) - least // 2 else len(days) // 2


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """A number for a table, a dash where there is none.

    >>> number(1.234), number(float("nan"))
    ('1.23', '–')
    """
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
