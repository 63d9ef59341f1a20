"""Draw a figure with Matplotlib and turn it into SVG for a page."""

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

from tercel.core.report.palette import COLOURS, INK, MATPLOTLIB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


WIDE = 8.0
PAGE = 11.0
NARROW = 5.0
NARROW_COLUMNS = 2
LETTER = 0.085
EDGE = 4
"""Width of a figure, inches, that a page scales to its column; of one that fills a page from edge to edge; of the same
figure on a telephone, and its panels side by side; of a letter below an axis; letters that it loses when it is narrow."""


# From a Matplotlib figure to a picture that a page can hold inline: text stays text, colours follow the paper.
#
# Matplotlib is imported when the first figure is drawn, never before, and without pyplot: no global figure, no display.
@dataclass(frozen=True)
class Figure:
    """A finished figure: SVG, name, alternative text and caption.

    Parameters
    ----------
    name : str
        Short and unique in a page: a file name, a prefix of its ids.
    svg : str
        One ``<svg>`` element, responsive, with colours as CSS variables.
    alt : str
        Alternative text for screen readers.
    caption : str
        Visible caption: how to read it, what was left out.
    """

    name: str
    svg: str
    alt: str
    caption: str = ""
    drawing: "Drawing | None" = field(default=None, repr=False, compare=False)

    @cached_property
    def narrow(self) -> str:
        """The same drawn for a narrow screen, its letters as large as the text, for pages alone; "" without a drawing."""
        if self.drawing is None:
            return ""
        with matplotlib_style():
            _narrow_down(self.drawing, NARROW)
        return inline_svg(
            _print_svg(self.drawing), f"{self.name}-narrow", self.alt, "figure narrow"
        )

    def _repr_html_(self) -> str:
        """HTML of the figure, for notebooks."""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure style="margin:0;max-width:60em">{self.svg}{caption}</figure>'

    def __repr__(self) -> str:
        """Name, the first 120 characters of the alternative text, and the size of the SVG in kB."""
        return f"Figure({self.name!r}: {self.alt!r:.120}; {len(self.svg) // 1000} kB of SVG)"

    def save(self, target: str | Path) -> Path:
        """Write an SVG file: `target` if that ends in ``.svg``, else ``<name>.svg`` in that folder; return its path."""
        path = Path(target)
        if path.suffix != ".svg":
            path = path / f"{self.name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '<?xml version="1.0" encoding="utf-8"?>\n' + self.svg + "\n", encoding="utf-8"
        )
        return path


def matplotlib_style() -> AbstractContextManager[None]:
    """A context with Tercel's Matplotlib settings."""
    import matplotlib

    settings: Any = {**MATPLOTLIB, "svg.hashsalt": "tercel"}
    return matplotlib.rc_context(settings)


@contextmanager
def sketch(height: float, width: float = WIDE) -> Iterator["Drawing"]:
    """Context with an empty Matplotlib figure of the given height and width in inches, for :func:`finish_figure`."""
    from matplotlib.figure import Figure as Drawing

    with matplotlib_style():
        yield Drawing(figsize=(width, height), layout="constrained")


def finish_figure(drawing: "Drawing", name: str, alt: str, caption: str = "") -> Figure:
    """The figure of a drawing as SVG; equal drawings give equal bytes (no date, ids from a fixed salt)."""
    return Figure(name, inline_svg(_print_svg(drawing), name, alt), alt, caption, drawing)


def _print_svg(drawing: "Drawing") -> str:
    """SVG document of a drawing, laid out for its size."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas = cast("Any", FigureCanvasSVG(drawing))
    layout = drawing.get_layout_engine()
    buffer = io.StringIO()
    with matplotlib_style():
        # Laid out once: `savefig` would draw everything to lay it out, and then draw it again.
        if layout is not None:
            dpi = drawing.dpi
            layout.execute(drawing)
            drawing.dpi = dpi  # of pictures in it; laying out for SVG has set another
            drawing.set_layout_engine("none")
        canvas.print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    if layout is not None:
        drawing.set_layout_engine(layout)
    return buffer.getvalue()


def _narrow_down(drawing: "Drawing", width: float) -> None:
    """Make a drawn figure so many inches wide: two panels and two columns of a legend at most beside one another, words in
    several lines, no numbers or dates that would overlap."""
    panels = [panel for panel in drawing.axes if panel.get_visible()]
    places = [place for panel in panels if (place := panel.get_subplotspec())]
    columns = max((place.get_geometry()[1] for place in places), default=1)
    if columns > NARROW_COLUMNS and len(places) == len(panels):
        rows = -(-len(panels) // NARROW_COLUMNS)
        drawing.set_figheight(drawing.get_figheight() * rows / places[0].get_geometry()[0])
        grid = drawing.add_gridspec(rows, NARROW_COLUMNS)
        for number, panel in enumerate(panels):
            panel.set_subplotspec(grid[number])
            panel.tick_params(labelleft=True, labelbottom=True)
    drawing.set_figwidth(width)
    for panel in panels:
        letters = max(int(panel.get_position().width * width / LETTER) - EDGE, EDGE)
        panel.set_title(fill(panel.get_title(loc="left"), letters), loc="left")
        panel.set_xlabel(fill(panel.get_xlabel(), letters))
        labels = [label.get_text() for label in panel.get_xticklabels()]
        if panel.get_xscale() != "linear" or not any(labels):
            continue
        kept: dict[float, str] = {}
        low, high = panel.get_xlim()
        is_number = any(label[:1].isdigit() for label in labels)
        gap = (high - low) * (max(map(len, labels)) + 1) / letters * is_number
        for tick, label in zip(panel.get_xticks(), labels, strict=True):
            if low <= tick <= high and (not kept or tick - next(reversed(kept)) >= gap):
                kept[tick] = label if is_number else label.replace(" ", "\n")
        panel.set_xticks(list(kept), list(kept.values()))
    for legend in (*drawing.legends, *(panel.get_legend() for panel in panels)):
        if legend is not None:
            legend.set_ncols(min(len(legend.get_texts()), 2 if legend in drawing.legends else 1))


def name_rows(panel: "Axes", names: Sequence[str], ends: tuple[float, float] = (0.6, 0.4)) -> None:
    """Label the rows of a panel from the top, one a name; `ends` is the space above and below, in row heights."""
    panel.set_yticks(range(len(names)), list(names))
    panel.set_ylim(len(names) - ends[1], -ends[0])
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0, labelcolor=INK.token)


def small_panels(drawing: "Drawing", count: int, columns: int, **shared: Any) -> Any:
    """Array of `count` panels (axes) in a grid of `columns` columns; the grid's unused places are hidden."""
    panels = drawing.subplots(
        -(-max(count, 1) // columns), columns, squeeze=False, **shared
    ).ravel()
    for panel in panels[count:]:
        panel.set_visible(False)
    return panels[:count]


def inline_svg(svg: str, name: str, alt: str, kind: str = "figure") -> str:
    """An SVG document as an HTML element of a CSS class: unique ids, colours as CSS variables, a name for screen readers."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour in COLOURS:
        svg = svg.replace(colour.token, colour.css)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*?sans-serif", "system-ui, sans-serif", svg)
    svg = svg.replace("\N{MINUS SIGN}", "-")  # as in the tables beside it
    # a hundredth of a point is enough; what people read is left as it is
    svg = re.sub(
        r"(<text\b.*?</text>)|(\d\.\d\d)\d+| \n(?=[A-Zz])|(?<=[A-Z]) (?=[\d-])",
        lambda match: match[1] or match[2] or "",
        svg,
        flags=re.DOTALL,
    )
    svg = svg.replace(">*{", ">.figure *{")  # Matplotlib's own style sheet must not reach the page
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    return f'{head} role="img" aria-label="{label}" class="{kind}">{rest}'
