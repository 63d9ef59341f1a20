from tercel.core.report import svg as svg
from tercel.core.report.cells import NOTHING as NOTHING
from tercel.core.report.figures import paired_differences as paired_differences
from tercel.core.report.svg import PAGE as PAGE
from tercel.core.report.svg import Figure as Figure
from tercel.core.report.svg import Section as Section
from tercel.core.report.svg import finished as finished
from tercel.core.report.svg import name_rows as name_rows
from tercel.core.report.svg import render as render
from tercel.core.report.svg import sketch as sketch
from tercel.core.report.svg import small_panels as small_panels
from tercel.core.report.tables import fixed as fixed
from tercel.core.report.tables import plain_table as plain_table
from tercel.core.report.tables import spelt as spelt
from tercel.core.report.tables import spelt_cell as spelt_cell

__all__ = [
    "NOTHING",
    "PAGE",
    "Figure",
    "Section",
    "finished",
    "fixed",
    "name_rows",
    "paired_differences",
    "plain_table",
    "render",
    "sketch",
    "small_panels",
    "spelt",
    "spelt_cell",
    "svg",
]
