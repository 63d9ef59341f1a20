from tercel.core.report import svg as svg
from tercel.core.report.cells import NOTHING as NOTHING
from tercel.core.report.figures import paired_differences as paired_differences
from tercel.core.report.svg import (
    PAGE as PAGE,
    Figure as Figure,
    Section as Section,
    finished as finished,
    name_rows as name_rows,
    render as render,
    sketch as sketch,
    small_panels as small_panels,
)
from tercel.core.report.tables import (
    fixed as fixed,
    plain_table as plain_table,
    spelt as spelt,
    spelt_cell as spelt_cell,
)

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
