"""A page that people read, in Chromium: no cell of a table lies where nobody can bring it into sight."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.desk.console.browser import chromium, cut_cells

from tercel.core.report.page import Section, render
from tercel.core.report.tables import COLUMNS, JudgedTable, plain_table
from tercel.core.stats import PairedGain

WIDE = [f"a long heading {n}" for n in range(16)]
PROSE = "a text that goes on and on, with a_very_long_name_that_nothing_breaks_" * 3


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.mark.parametrize("width", [400, 1200])
def test_every_cell_of_a_report_can_be_brought_into_sight(browser: Any, tmp_path: Path, width: int) -> None:
    sections = [
        Section("Wide", html=plain_table(WIDE, [["name", *range(15)], ["x" * 60, *(10**9 + n for n in range(15))]])),
        Section("Captioned", html=plain_table(WIDE, [["name", *range(15)]], "A caption of some length " * 6)),
        Section("Prose", html=plain_table(["when", "text"], [["now", PROSE]], prose=True)),
        Section("Judged", html=judged().html()),
    ]
    file = tmp_path / "page.html"
    file.write_text(render("A page", PROSE, sections, {"a fact": PROSE}), encoding="utf-8")
    browser.get(file.as_uri())
    assert len(browser.find_elements("css selector", "table")) == 4
    assert cut_cells(browser, width) == []


def judged() -> JudgedTable:
    row = {column.key: PairedGain(12.345, -123.456, 1234.567) for column in COLUMNS}
    return JudgedTable({"twap_passive": row, "x" * 40: row}, "twap_passive", {"x" * 40: row["is_bps"]}, 64, 32)
