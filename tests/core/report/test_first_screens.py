"""Three pages as Chromium shows them: answer, table and best picture in the first three screens, nothing clipped."""

from pathlib import Path
from typing import Any

import pytest
from tests.desk.console.browser import cut_cells, window
from typer.testing import CliRunner

from tercel.api.tca.market_day import read_day
from tercel.cli import app
from tercel.core.report.page import Section, render_page
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake

pytestmark = pytest.mark.release
S = 1_000_000_000
SCREEN = 900
CLIPPED = """
return [...document.querySelectorAll(".scroll, .drawing")].filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => `${box.closest("section").id}: ${box.scrollWidth} in ${box.clientWidth}`);
"""
PLACES = """
const bottom = (found) => found ? found.getBoundingClientRect().bottom + scrollY : null;
return {
  answer: bottom(document.querySelector("h1")), lead: bottom(document.querySelector(".lead")),
  table: bottom(document.querySelector("table")), picture: bottom(document.querySelector(arguments[0])),
};
"""


def tercel(*words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def evaluated(folder: Path) -> Path:
    tercel("agent", "evaluate", "default", "--episodes", 8, "--out", folder)
    return folder / "evaluation.html"


def analysed(folder: Path) -> Path:
    """Twelve parents of two agents, at the far touch; with limits, so that no column is idle."""
    lake = simulated_lake(folder / "lake", 2, ("2003-01-13",))
    day = read_day(lake, Lake(lake.root).list()[0])
    fills, orders = [], []
    for number in range(12):
        start = day.open_ns + (600 + 300 * number) * S
        orders.append(f"parent-{number},SIM,buy,500,{start},{start + 300 * S},15.99,100")
        for step in (30, 120):
            price = day.quote_before(start + step * S)[1] * day.instrument.tick
            fills.append(
                f"{start + step * S},SIM,buy,100,{price:.4f},parent-{number},agent-{number % 2},0.35"
            )
    (folder / "fills.csv").write_text(
        "time,symbol,side,quantity,price,parent,agent,fee\n" + "\n".join(fills) + "\n"
    )
    header = "parent,symbol,side,quantity,start,end,limit,refused\n"
    (folder / "orders.csv").write_text(header + "\n".join(orders) + "\n")
    words = ("--lake", lake.root, "--against", "twap_take,twap_passive", "--out", folder)
    tercel("tca", folder / "fills.csv", "--orders", folder / "orders.csv", *words)
    return folder / "tca.html"


def traded(folder: Path) -> Path:
    tercel("trade", "run", "--demo", "--rounds", 2, "--desk", folder / "desk")
    return folder / "desk" / "report.html"


PAGES = {evaluated: "#book", analysed: "#largest", traded: "#parent"}


@pytest.mark.parametrize("made", PAGES, ids=lambda made: made.__name__)
def test_a_page_answers_in_three_screens_and_clips_nothing(
    browser: Any, tmp_path: Path, made: Any
) -> None:
    browser.get(made(tmp_path).as_uri())
    with window(browser, 1280):
        places = browser.execute_script(PLACES, PAGES[made])
        assert places["lead"] < SCREEN / 2
        assert places["answer"] < places["lead"] < places["table"] < 2 * SCREEN
        assert places["lead"] < places["picture"] < (1.5 if made is traded else 3) * SCREEN
        browser.execute_script(
            "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
        )
        assert browser.execute_script(CLIPPED) == []
    assert cut_cells(browser, 1280) == []
    assert cut_cells(browser, 400) == []


def test_print_shows_what_is_folded(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(
        render_page("A page", "", [Section("Folded", "Seen on paper.", folded=True)]),
        encoding="utf-8",
    )
    browser.get(file.as_uri())
    seen = "return document.querySelector('details > p').checkVisibility()"
    assert not browser.execute_script(seen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.execute_script(seen)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
