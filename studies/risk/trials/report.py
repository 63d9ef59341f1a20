"""What a trial found: tables, pictures, the object, and the page of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tercel.core.report import Figure, Section, plain_table, render_page


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
class TrialReport:
    """Result of a trial as tables and figures, ready to become a page.

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

    def page(self) -> str:
        """The page with all tables and figures of the trial."""
        sections = [
            Section(
                table.title, html=plain_table(table.headings, table.rows, prose=bool(table.left))
            )
            for table in self.tables
        ]
        sections.append(Section("Figures", text=list(self.notes), figures=self.figures))
        return render_page(self.title, self.lead, sections)
