"""A report opens offline: one file, well formed, nothing fetched, the same bytes each time."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tercel.core.report import book_figure, figures, page, palette
from tercel.core.report.svg import Figure, inline_svg
from tercel.core.stats import Estimate


def interval(mean: float) -> Estimate:
    return Estimate(mean, mean - 0.3, mean + 0.3)


STRATEGIES = {
    name: {
        key: interval(value)
        for key, value in zip(["is_bps", *palette.COMPONENTS], row, strict=True)
    }
    for name, row in {
        "ppo": (1.0, 0.5, -0.5, 1.0, 0.0, 0.0),
        "pov": (2.0, 0.5, 0.5, 0.5, 0.5, 0.0),
    }.items()
}


def every_figure() -> list[Figure]:
    rng = np.random.default_rng(7)
    time = np.linspace(0, 1800, 13)
    left = np.clip(1 - time / 1800 + 0.05 * rng.standard_normal((20, 13)), 0, 1)
    depth = rng.integers(-9, 10, (13, 6))
    return [
        figures.trajectories(time, {"ppo": left, "pov": left**2, "mine": left[:1]}),
        figures.cost_distributions(
            {"ppo": rng.normal(1, 3, 50), "constant": np.full(9, 2.0), "none": [np.nan]}
        ),
        figures.decomposition(STRATEGIES),
        figures.paired_differences({"ppo": interval(1.0), "dqn": interval(0.1)}, "pov"),
        figures.learning_curves(
            {"ppo": [(time, time**0.5), (time, time**0.4)], "dqn": [(time, time)]}, {"pov": 9.0}
        ),
        figures.impact_paths(time, {"ppo": time / 900, "pov": time / 1800, "random": time}),
        book_figure.book_around_trades(
            time,
            np.arange(100, 106),
            depth,
            book_figure.OwnFills([60, 90], [102, 103], [3, 4], [True, False]),
            -1,
            np.full(13, 102.0),
            np.full(13, 103.0),
        ),
    ]


FIGURES = every_figure()


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_is_well_formed_named_and_of_the_house(figure: Figure) -> None:
    assert figure.alt
    assert figure.caption
    assert not [colour.token for colour in palette.COLOURS if colour.token in figure.svg]
    element = ElementTree.fromstring(figure.svg)
    assert (element.get("role"), element.get("aria-label")) == ("img", figure.alt)
    ids = [node.get("id") for node in element.iter() if node.get("id")]
    assert all(str(name).startswith(f"{figure.name}-") for name in ids)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', figure.svg))
    assert used <= set(ids)
    assert "DejaVu" not in figure.svg


def test_the_mean_of_learning_curves_spans_what_all_seeds_have() -> None:
    """Two straight lines, one from 0 to 10 and one, two higher, from 2 to 8: from 20 % to 80 % between them."""
    long, short = np.arange(0.0, 11.0), np.arange(2.0, 9.0)
    figure = figures.learning_curves({"ppo": [(long, long), (short, short + 2)]})
    lines: dict[str, list[np.ndarray]] = {}
    for path, width in re.findall(r'<path d="(M[^"]*)" [^>]*stroke-width: ([\d.]+)', figure.svg):
        lines.setdefault(width, []).append(
            np.array(re.findall(r"[\d.]+", path), float).reshape(-1, 2)
        )
    first, other = lines["0.9"][:2]
    of_first = first[0] + np.outer([0.2, 0.8], first[-1] - first[0])
    mean = lines["2.2"][0][[0, -1]]
    np.testing.assert_allclose(mean, (of_first + other[[0, -1]]) / 2, atol=2e-2)


def test_figures_are_the_same_bytes_each_time() -> None:
    assert every_figure() == FIGURES


def test_a_saved_figure_opens_alone(tmp_path: Path) -> None:
    path = FIGURES[0].save(tmp_path)
    assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    "draw", [figures.cost_distributions, figures.decomposition, figures.learning_curves]
)
def test_nothing_to_show_is_not_an_error(draw: object) -> None:
    assert draw({}).svg  # type: ignore[operator]


def test_what_is_not_available_is_said_in_the_caption() -> None:
    absent = Estimate(float("nan"), None, None)
    figure = figures.decomposition({"twap_take": STRATEGIES["pov"] | {"impact_bps": absent}})
    assert "Not available here: impact" in figure.caption


class Reader(HTMLParser):
    """Collects what a browser would fetch, and which element is open."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data") and not (
                value or ""
            ).startswith(("#", "data:")):
                self.fetched.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")
        assert tag not in ("script", "link", "iframe", "object", "base")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def whole_page() -> str:
    sections = [
        page.Section("Table", ["One & two.", "<script>alert(1)</script>"], html="<p>as it is</p>"),
        page.Section("Figures", figures=FIGURES),
        page.Section("Facts", facts={"seed": 1}),
    ]
    return page.render_page(
        "A run of <ppo>", "It ran.", sections, facts={"market": "x"}, footer="0.1.0"
    )


def test_a_page_fetches_nothing_closes_what_it_opens_and_follows_light_and_dark() -> None:
    text, reader = whole_page(), Reader()
    reader.feed(text)
    assert (reader.fetched, reader.open) == ([], [])
    assert len(reader.ids) == len(set(reader.ids))
    assert not re.search(r"@import|url\((?!#|data:)", text)
    assert "<title>A run of &lt;ppo&gt;</title>" in text
    assert "<p>as it is</p>" in text
    assert "prefers-color-scheme: dark" in text
    assert set(re.findall(r"var\(--([a-z0-9]+)", text)) <= {
        colour.name for colour in palette.COLOURS
    }


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    "colour",
    [c for c in palette.COLOURS if c not in (palette.RULE, palette.PAPER)],
    ids=lambda c: c.name,
)
def test_colours_can_be_seen_on_both_papers(colour: palette.Colour) -> None:
    needed = (
        4.5 if colour in (palette.INK, palette.SOFT, palette.GOOD, palette.BAD) else 3.0
    )  # WCAG 2.2: text, graphics
    assert contrast(colour.light, palette.PAPER.light) >= needed
    assert contrast(colour.dark, palette.PAPER.dark) >= needed


def test_matplotlib_is_loaded_by_the_first_figure_and_without_pyplot() -> None:
    code = """
import sys
import tercel.core.report.figures as figures
import tercel.core.report.book_figure, tercel.core.report.tables, tercel.core.report.svg
assert "matplotlib" not in sys.modules
figures.paired_differences({}, "pov")
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digits_that_people_read_are_not_cut() -> None:
    svg = '<svg width="1pt"><path d="M 1.23456 2.34567"/><text x="1">0.20791</text></svg>'
    drawn = inline_svg(svg, "n", "alt")
    assert "M1.23 2.34" in drawn
    assert "0.20791" in drawn
