"""Render an HTML page of sections, figures and facts, in one file that is read offline.

Nothing is fetched and no script runs; the page's own content security policy forbids both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercel.core.files import write_atomic
from tercel.core.report.palette import css_variables
from tercel.core.report.svg import Figure
from tercel.core.serialization import json_text

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Section:
    """One section of a page: title, text, figures and tables.

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
        """Paragraphs of the text that are not empty."""
        texts = [self.text] if isinstance(self.text, str) else list(self.text)
        return [paragraph for paragraph in texts if paragraph]

    @property
    def anchor(self) -> str:
        """Anchor of the section in links.

        >>> Section("What it cost, in parts").anchor
        'what-it-cost-in-parts'
        """
        letters = "".join(letter if letter.isalnum() else " " for letter in self.title.lower())
        return "-".join(letters.split())


def render_page(
    title: str,
    lead: str,
    sections: Sequence[Section],
    facts: Mapping[str, object] | None = None,
    footer: str = "",
    language: str = "en",
) -> str:
    """HTML of a whole page: title, lead, sections, a list of facts, footer.

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

    >>> "<h1>A run</h1>" in render_page("A run", "It ran.", [Section("Table", html="<p>1</p>")])
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
    """CSS of pages: `page.css`, or `tables.css`, which the console also uses."""
    return (files("tercel.core.report") / name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    """The Jinja template of pages."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(
        (files("tercel.core.report") / "page.html").read_text(encoding="utf-8")
    )


def write_page(folder: Path, name: str, result: Any, page: str) -> None:
    """Write a result as `name`.json and its page as `name`.html, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{name}.json", json_text(result) + "\n")
    write_atomic(folder / f"{name}.html", page)
