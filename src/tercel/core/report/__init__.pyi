from tercel.core.report import palette as palette
from tercel.core.report import svg as svg
from tercel.core.report.cells import NOTHING as NOTHING
from tercel.core.report.figures import paired_differences as paired_differences
from tercel.core.report.svg import PAGE as PAGE
from tercel.core.report.svg import Figure as Figure
from tercel.core.report.page import Section as Section
from tercel.core.report.svg import finish_figure as finish_figure
from tercel.core.report.svg import name_rows as name_rows
from tercel.core.report.page import render_page as render_page
from tercel.core.report.svg import sketch as sketch
from tercel.core.report.svg import small_panels as small_panels
from tercel.core.report.formatting import format_number as format_number
from tercel.core.report.tables import plain_table as plain_table
from tercel.core.report.formatting import format_interval as format_interval

__all__ = [
    "NOTHING",
    "PAGE",
    "Figure",
    "Section",
    "finish_figure",
    "format_interval",
    "format_number",
    "name_rows",
    "paired_differences",
    "palette",
    "plain_table",
    "render_page",
    "sketch",
    "small_panels",
    "svg",
]
