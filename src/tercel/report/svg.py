"""From a Matplotlib figure to a picture that a page can hold inline: text stays text, colours follow the paper.

Matplotlib is imported when the first figure is drawn, never before, and without pyplot: no global figure, no display.
"""

import html
import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercel.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Figure:
    """A finished picture.

    Parameters
    ----------
    name : str
        Short and unique in a page: a file name, a prefix of its ids.
    svg : str
        One ``<svg>`` element, responsive, with colours as CSS variables.
    alt : str
        What a person who cannot see it should be told.
    caption : str
        What a person who can see it should know: how to read it, what was left out.
    """

    name: str
    svg: str
    alt: str
    caption: str = ""

    def _repr_html_(self) -> str:
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure style="margin:0;max-width:60em">{self.svg}{caption}</figure>'

    def save(self, folder: Path) -> Path:
        """Write ``<name>.svg`` into `folder`, to be opened alone."""
        path = folder / f"{self.name}.svg"
        path.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + self.svg + "\n", encoding="utf-8")
        return path


def canvas(width: float, height: float) -> "Drawing":
    """An empty drawing of the house's look, `width` x `height` inches. Draw on it inside :func:`look`."""
    from matplotlib.figure import Figure as Drawing

    return Drawing(figsize=(width, height), layout="constrained")


def look() -> AbstractContextManager[None]:
    """The house's Matplotlib settings, for as long as the context lasts."""
    import matplotlib

    settings: Any = {**style.MATPLOTLIB, "svg.hashsalt": "tercel"}
    context: AbstractContextManager[None] = matplotlib.rc_context(settings)
    return context


def drawn(name: str, alt: str, caption: str, size: tuple[float, float], draw: Callable[["Drawing"], Any]) -> Figure:
    """Make a canvas, let `draw` fill it, hand back the picture.

    The same input gives the same bytes: no date, ids from a fixed salt.
    """
    with look():
        drawing = canvas(*size)
        draw(drawing)
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Figure(name, inline(buffer.getvalue(), name, alt), alt, caption)


def inline(svg: str, name: str, alt: str) -> str:
    """An SVG document as an element for a page: ids made unique, tokens made variables, named for screen readers."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    for colour in style.COLOURS:
        svg = svg.replace(colour.token, colour.css)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*?sans-serif", "system-ui, sans-serif", svg)
    # a thousandth of a point is enough; what people read is left as it is
    svg = re.sub(r"(<text\b.*?</text>)|(\d\.\d\d\d)\d+", lambda found: found[1] or found[2], svg, flags=re.DOTALL)
    svg = svg.replace(">*{", ">.figure *{")  # Matplotlib's own style sheet must not reach the page
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    return f'{head} role="img" aria-label="{label}" class="figure">{rest}'
