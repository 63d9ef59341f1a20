"""Figures as SVG: the colours of light and dark paper, and Matplotlib's drawings with them.

A page that people read: one HTML file with everything in it, opened offline, on light and on dark paper.

Nothing is fetched and no script runs; the page's own content security policy forbids both.
"""

import html
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tercel.core.files import write_atomic
from tercel.core.serialization import json_text

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


# -- style ----------------------------------------------------------------------------------------
# The one look: colours by name, for light and dark, and the Matplotlib settings that use them.
#
# A figure is drawn once and shown on light and on dark paper. So Matplotlib draws with *tokens*, reserved colours that
# no other drawing uses, and the finished SVG has each replaced by a CSS variable with the light colour as its fallback
# (``var(--ink, #1f2430)``). A page sets the variables; a figure opened alone is light.
#
# The series colours start from Okabe and Ito (2008), "Color universal design": they stay apart for colour-blind readers.
# Darker on light paper and lighter on dark, so that each keeps a contrast of 3:1 to its background (WCAG 2.2, 1.4.11).


@dataclass(frozen=True)
class Colour:
    """A colour with a name: what Matplotlib draws with, and what light and dark paper show instead."""

    name: str
    token: str
    light: str
    dark: str

    @property
    def css(self) -> str:
        """The colour's CSS variable.

        >>> INK.css
        'var(--ink, #1f2430)'
        """
        return f"var(--{self.name}, {self.light})"


INK = Colour("ink", "#010001", "#1f2430", "#e6e9ef")
"""Text, axes, marks."""
SOFT = Colour("soft", "#010002", "#5d6575", "#a3abba")
"""Text and lines of second rank."""
RULE = Colour("rule", "#010003", "#d9dde5", "#363c4a")
"""Grid and borders."""
PAPER = Colour("paper", "#010004", "#ffffff", "#14171e")
"""The background."""

BUY = Colour("buy", "#010101", "#1769aa", "#6cb6f5")
SELL = Colour("sell", "#010102", "#b3521a", "#f0a06a")
GOOD = Colour("good", "#010103", "#1a7f4b", "#56c98a")
BAD = Colour("bad", "#010104", "#b3261e", "#f08a80")

SERIES = (
    Colour("s0", "#010201", "#c2410c", "#fb923c"),  # vermilion
    Colour("s1", "#010202", "#0b69b7", "#56b4e9"),  # blue
    Colour("s2", "#010203", "#00795a", "#2fc597"),  # bluish green
    Colour("s3", "#010204", "#a3407f", "#e68fc0"),  # reddish purple
    Colour("s4", "#010205", "#8a6500", "#e6b422"),  # yellow, darkened
    Colour("s5", "#010206", "#5146b5", "#a79df5"),  # indigo
    Colour("s6", "#010207", "#0c7c8c", "#4fc7d6"),  # teal
    Colour("s7", "#010208", "#7a4a2b", "#cf9a75"),  # brown
    Colour("s8", "#010209", "#5b7a10", "#a9cc4a"),  # olive
    Colour("s9", "#01020a", "#6b7280", "#9ca3af"),  # grey
)

COLOURS: tuple[Colour, ...] = (INK, SOFT, RULE, PAPER, BUY, SELL, GOOD, BAD, *SERIES)

COMPONENTS: Mapping[str, Colour] = {
    "spread_bps": SERIES[1],
    "impact_bps": SERIES[0],
    "timing_bps": SERIES[9],
    "forced_bps": SERIES[3],
    "fees_bps": SERIES[4],
}
"""The parts that implementation shortfall is the sum of, in the order in which they are shown."""

KNOWN: Mapping[str, Colour] = {
    "ppo": SERIES[0],
    "dqn": SERIES[1],
    "twap_take": SERIES[5],
    "twap_passive": SERIES[2],
    "vwap_take": SERIES[7],
    "vwap_passive": SERIES[8],
    "submit_and_leave": SERIES[3],
}
"""Strategies that keep their colour from figure to figure, whatever else is shown."""

LEARNED = ("ppo", "dqn")
"""Trained policies: drawn stronger, named first."""


def series_colours(names: Iterable[str], own: Collection[str] = ()) -> dict[str, Colour]:
    """A colour for each name: the first ones for `own`, its own where it is known, else one that is not taken while
    there are any, grey last.

    >>> [colour.name for colour in series_colours(["ppo", "mine", "yours"]).values()]
    ['s0', 's1', 's2']
    >>> [colour.name for colour in series_colours(["pov", "mine", "twap_take"], ["mine"]).values()]
    ['s1', 's0', 's5']
    """
    names = list(names)
    mine = dict(zip((name for name in names if name in own), SERIES, strict=False))
    given = mine | {name: KNOWN[name] for name in names if name in KNOWN and name not in own}
    free = [
        colour for colour in (*SERIES[1:9], SERIES[0], SERIES[9]) if colour not in given.values()
    ] or [SERIES[9]]
    others = [name for name in names if name not in given]
    return {name: given.get(name) or free[others.index(name) % len(free)] for name in names}


def dashes(colours: Mapping[str, Colour]) -> dict[str, str]:
    """A line style for each name: solid, and another for each further name of the same colour.

    >>> dashes({"pov": INK, "random": INK, "ppo": SOFT})
    {'pov': '-', 'random': '--', 'ppo': '-'}
    """
    kinds = ("-", "--", ":", "-.")
    names = list(colours)
    before = [
        sum(colours[other] == colours[name] for other in names[:i]) for i, name in enumerate(names)
    ]
    return {name: kinds[count % len(kinds)] for name, count in zip(names, before, strict=True)}


def is_learned(name: str) -> bool:
    """Whether `name` is a trained policy: ``ppo``, ``dqn`` and their variants.

    >>> is_learned("ppo"), is_learned("twap_take"), is_learned("ppo_seed2")
    (True, False, True)
    """
    return name.split("_", maxsplit=1)[0] in LEARNED


MATPLOTLIB: Mapping[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and takes the page's font
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK.token,
    "axes.labelcolor": SOFT.token,
    "axes.labelsize": 9.5,
    "axes.edgecolor": SOFT.token,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE.token,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT.token,
    "ytick.color": SOFT.token,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK.token,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


def css_variables() -> str:
    """The variables of both papers: light, dark where the reader's system asks for it."""

    def block(dark: bool) -> str:
        return " ".join(f"--{c.name}: {c.dark if dark else c.light};" for c in COLOURS)

    return (
        f":root {{ color-scheme: light dark; {block(False)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {block(True)} }} }}"
    )


# -- svg ------------------------------------------------------------------------------------------
# From a Matplotlib figure to a picture that a page can hold inline: text stays text, colours follow the paper.
#
# Matplotlib is imported when the first figure is drawn, never before, and without pyplot: no global figure, no display.


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
        Alternative text for screen readers.
    caption : str
        Visible caption: how to read it, what was left out.
    """

    name: str
    svg: str
    alt: str
    caption: str = ""

    def _repr_html_(self) -> str:
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure style="margin:0;max-width:60em">{self.svg}{caption}</figure>'

    def __repr__(self) -> str:
        return f"Figure({self.name!r}: {self.alt!r:.120}; {len(self.svg) // 1000} kB of SVG)"

    def save(self, where: str | Path) -> Path:
        """Write it to be opened alone: to a file that ends in ``.svg``, or as ``<name>.svg`` into a folder."""
        path = Path(where)
        if path.suffix != ".svg":
            path = path / f"{self.name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '<?xml version="1.0" encoding="utf-8"?>\n' + self.svg + "\n", encoding="utf-8"
        )
        return path


WIDE, PAGE = 8.0, 11.0
"""Width of a figure, inches, that a page scales to its column; of one that fills a page from edge to edge."""


def look() -> AbstractContextManager[None]:
    """A context with Tercel's Matplotlib settings."""
    import matplotlib

    settings: Any = {**MATPLOTLIB, "svg.hashsalt": "tercel"}
    return matplotlib.rc_context(settings)


@contextmanager
def sketch(height: float, width: float = WIDE) -> Iterator["Drawing"]:
    """A context with an empty drawing of that size in inches; :func:`finished` makes a picture of it."""
    from matplotlib.figure import Figure as Drawing

    with look():
        yield Drawing(figsize=(width, height), layout="constrained")


def finished(drawing: "Drawing", name: str, alt: str, caption: str = "") -> Figure:
    """The picture of a drawing. The same drawing gives the same bytes: no date, ids from a fixed salt."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer, canvas = io.StringIO(), cast("Any", FigureCanvasSVG(drawing))
    with look():
        layout = drawing.get_layout_engine()
        if (
            layout is not None
        ):  # once: `savefig` would draw everything to lay it out, and then draw it again
            dpi = drawing.dpi
            layout.execute(drawing)
            drawing.dpi = dpi  # of pictures in it; laying out for SVG has set another
            drawing.set_layout_engine("none")
        canvas.print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return Figure(name, inline(buffer.getvalue(), name, alt), alt, caption)


def name_rows(panel: "Axes", names: Sequence[str], ends: tuple[float, float] = (0.6, 0.4)) -> None:
    """A panel of rows from the top, one a name, `ends` of a row's height above the first and below the last."""
    panel.set_yticks(range(len(names)), list(names))
    panel.set_ylim(len(names) - ends[1], -ends[0])
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0, labelcolor=INK.token)


def small_panels(drawing: "Drawing", count: int, columns: int, **shared: Any) -> Any:
    """`count` panels in rows of `columns`; unused places of the last row stay empty."""
    panels = drawing.subplots(
        -(-max(count, 1) // columns), columns, squeeze=False, **shared
    ).ravel()
    for panel in panels[count:]:
        panel.set_visible(False)
    return panels[:count]


def inline(svg: str, name: str, alt: str) -> str:
    """An SVG document as an element for a page: ids made unique, tokens made variables, named for screen readers."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    for colour in COLOURS:
        svg = svg.replace(colour.token, colour.css)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*?sans-serif", "system-ui, sans-serif", svg)
    # a thousandth of a point is enough; what people read is left as it is
    svg = re.sub(
        r"(<text\b.*?</text>)|(\d\.\d\d\d)\d+",
        lambda found: found[1] or found[2],
        svg,
        flags=re.DOTALL,
    )
    svg = svg.replace(">*{", ">.figure *{")  # Matplotlib's own style sheet must not reach the page
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = html.escape(alt, quote=True)
    return f'{head} role="img" aria-label="{label}" class="figure">{rest}'


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Parameters
    ----------
    title : str
    text : str or sequence of str
        Paragraphs of plain text, shown above the rest.
    html : str
        Trusted markup, such as :func:`tercel.core.report.tables.plain_table` makes; shown as it is.
    figures : sequence of Figure
    facts : mapping of str to object
        Shown as a list of terms and values.
    folded : bool
        Whether only its title is seen until it is opened; print shows all of it. A page with such a section has no
        list of contents.
    """

    title: str
    text: str | Sequence[str] = ""
    html: str = ""
    figures: Sequence[Figure] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    folded: bool = False

    @property
    def paragraphs(self) -> list[str]:
        """The text as a list of paragraphs that are not empty."""
        given = [self.text] if isinstance(self.text, str) else list(self.text)
        return [paragraph for paragraph in given if paragraph]

    @property
    def anchor(self) -> str:
        """Anchor of the section, for links.

        >>> Section("What it cost, in parts").anchor
        'what-it-cost-in-parts'
        """
        letters = "".join(letter if letter.isalnum() else " " for letter in self.title.lower())
        return "-".join(letters.split())


def render(
    title: str,
    lead: str,
    sections: Sequence[Section],
    facts: Mapping[str, object] | None = None,
    footer: str = "",
    language: str = "en",
) -> str:
    """A whole page as one string of HTML.

    Parameters
    ----------
    title : str
        What the page is about, in a few words.
    lead : str
        What was found, in a sentence or two: the reader may stop here.
    sections : sequence of Section
    facts : mapping of str to object, optional
        Short facts under the lead: market, task, episodes, seeds.
    footer : str
        Last line: versions, dates; the caller's, since nothing here reads a clock.

    Returns
    -------
    str
        The same input gives the same bytes.

    >>> "<h1>A run</h1>" in render("A run", "It ran.", [Section("Table", html="<p>1</p>")])
    True
    """
    return _template().render(
        title=title,
        lead=lead,
        sections=sections,
        facts=facts or {},
        footer=footer,
        language=language,
        variables=css_variables(),
        css=style_sheet("tables.css") + style_sheet("page.css"),
    )


def style_sheet(name: str) -> str:
    """A style sheet of pages: `page.css`, or `tables.css`, which the console has too."""
    return (files("tercel.core.report") / name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(
        (files("tercel.core.report") / "page.html").read_text(encoding="utf-8")
    )


def write_page(out: Path, name: str, found: Any, page: str) -> None:
    """Write a result as `name`.json and its page as `name`.html, each atomically."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / f"{name}.json", json_text(found) + "\n")
    write_atomic(out / f"{name}.html", page)
