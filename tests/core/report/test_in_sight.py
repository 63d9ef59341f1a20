"""A page that people read, in Chromium: no cell of a table lies where nobody can bring it into sight."""

from pathlib import Path
from typing import Any

import pytest
from tests.desk.console.browser import cut_cells, window

from tercel.core.report.judged_table import COLUMNS, JudgedTable
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import plain_table
from tercel.core.stats import PairedGain

WIDE = [f"a long heading {n}" for n in range(16)]
PROSE = "a text that goes on and on, with a_very_long_name_that_nothing_breaks_" * 3


@pytest.mark.parametrize("width", [400, 1200])
def test_every_cell_of_a_report_can_be_brought_into_sight(
    browser: Any, tmp_path: Path, width: int
) -> None:
    sections = [
        Section(
            "Wide",
            html=plain_table(
                WIDE, [["name", *range(15)], ["x" * 60, *(10**9 + n for n in range(15))]]
            ),
        ),
        Section(
            "Captioned",
            html=plain_table(WIDE, [["name", *range(15)]], "A caption of some length " * 6),
        ),
        Section("Prose", html=plain_table(["when", "text"], [["now", PROSE]], prose=True)),
        Section("Judged", html=judged().html()),
    ]
    file = tmp_path / "page.html"
    file.write_text(render_page("A page", PROSE, sections, {"a fact": PROSE}), encoding="utf-8")
    browser.get(file.as_uri())
    assert len(browser.find_elements("css selector", "table")) == 4
    assert cut_cells(browser, width) == []


SEEN = """
const [table, heading] = arguments, heads = [...document.querySelectorAll(`${table} thead th`)];
const place = heads.findIndex((one) => one.firstChild.textContent === heading);
return [...document.querySelectorAll(`${table} tr`)].map((row) => {
  const r = row.children[place].getBoundingClientRect();
  return r.width > 0 && r.left >= 0 && r.right <= innerWidth;
});
"""


@pytest.mark.parametrize("made", [JudgedTable.brief_html, JudgedTable.html])
def test_a_telephone_shows_the_gain_beside_the_name(
    browser: Any, tmp_path: Path, made: Any
) -> None:
    file = tmp_path / "page.html"
    file.write_text(
        render_page("A page", "", [Section("Judged", html=made(judged()))]), encoding="utf-8"
    )
    browser.get(file.as_uri())
    assert cut_cells(browser, 400) == []
    with window(browser, 400):
        assert browser.execute_script(SEEN, ".judged", "vs best, bps") == [True] * 3
        assert browser.execute_script(SEEN, ".judged", "strategy") == [True] * 3
    with window(browser, 1280):
        assert browser.execute_script(SEEN, ".judged", "cost, to scale") == [True] * 3


def test_a_telephone_shows_every_figure_of_a_desks_day(browser: Any, tmp_path: Path) -> None:
    file, what = (
        tmp_path / "page.html",
        ("state", "parents", "cost, bps (95 %)", "cost", "realised", "share"),
    )
    table = plain_table(
        ("agent", *what), [["a_long_name_of_an_agent", "halted: " + PROSE, *range(5)]], "Agents"
    )
    prose = plain_table(("when", "what", "why"), [["12:30", PROSE, PROSE]], prose=True)
    file.write_text(
        render_page("A day", "", [Section("Day", html=f'<div class="day">{table}{prose}</div>')])
    )
    browser.get(file.as_uri())
    assert cut_cells(browser, 400) == []
    with window(browser, 400):
        held = browser.execute_script(
            "return [...document.querySelectorAll('.day .scroll')].map((e) => e.scrollWidth)"
        )
        assert max(held) <= 400
        shown = "return [...document.querySelectorAll('.day td')].map((e) => getComputedStyle(e, '::before').content)"
        assert browser.execute_script(shown) == [f'"{name}"' for name in (*what, "what", "why")]


def judged() -> JudgedTable:
    row = {column.key: PairedGain(12.345, -123.456, 1234.567) for column in COLUMNS}
    return JudgedTable(
        {"twap_passive": row, "x" * 40: row}, "twap_passive", {"x" * 40: row["is_bps"]}, 64, 32
    )
