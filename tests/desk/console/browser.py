"""A real Chromium, headless, driven over its own protocol; absent, tests are skipped unless they are required."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """A browser with an empty profile; closed at the end."""
    wanted = os.environ.get("TERCEL_REQUIRE_BROWSER") == "1"
    browser, driver = (
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    )
    try:
        from selenium import webdriver
    except ImportError:
        webdriver = None
    if browser is None or driver is None or webdriver is None:
        missing = "no chromium, chromedriver or selenium: apt-get install chromium chromium-driver; pip install selenium"
        if wanted:
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        *(
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            "no-first-run",
            "disable-sync",
        ),
        *("disable-background-networking", "disable-component-update", "window-size=1500,1500"),
        f"user-data-dir={folder / 'profile'}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    page = webdriver.Chrome(options=options, service=service)
    try:
        yield page
    finally:
        page.quit()


CUT = """
const cut = [], at = (e) => `${e.closest("[id]")?.id || ""} ${e.tagName} ${e.textContent.trim().slice(0, 30)}`;
for (const cell of document.querySelectorAll("th, td")) {
  if (!cell.closest("table").getClientRects().length) continue;  // a part that is not shown at all
  const head = cell.closest("thead");  // on a narrow screen its words stand before the cells instead
  if (head && getComputedStyle(head).clipPath !== "none") continue;
  const r = cell.getBoundingClientRect();
  if (!r.width && (cell.matches(".plot") || !cell.textContent.trim())) continue;  // nothing that is not said beside it
  if (!r.width) { cut.push(`hidden: ${at(cell)}`); continue; }
  if (r.height > 160) cut.push(`squeezed: ${at(cell)}`);
  if (cell.scrollWidth > cell.clientWidth + 1) cut.push(`wider than its cell: ${at(cell)}`);
  const holder = cell.closest(".scroll");
  const stays = holder && getComputedStyle(cell).position === "sticky";
  if (stays && r.width > 0.8 * holder.clientWidth) cut.push(`covers its box: ${at(cell)}`);
  let left = r.left + scrollX, right = r.right + scrollX, scrolls = false;
  for (let box = cell.parentElement; box && !scrolls; box = box.parentElement) {
    const how = getComputedStyle(box).overflowX, b = box.getBoundingClientRect();
    if (how === "visible") continue;
    scrolls = how === "auto" || how === "scroll";
    const x = scrolls ? b.left + box.clientLeft - box.scrollLeft : b.left;
    left = r.left - x;
    right = r.right - x - (scrolls ? box.scrollWidth : b.width);
    if (left < -1 || right > 1) cut.push(`outside its box: ${at(cell)}`);
  }
  if (!scrolls && (left < -1 || right > innerWidth + 1)) cut.push(`outside the page: ${at(cell)}`);
}
const whole = document.documentElement.scrollWidth;
if (whole > innerWidth + 1) cut.push(`page wider than ${innerWidth}: ${whole}`);
return cut;
"""


@contextmanager
def window(page: Any, width: int) -> Iterator[None]:
    """A window of some pixels."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return innerWidth") == width
        yield
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def cut_cells(page: Any, width: int) -> list[str]:
    """Cells of tables that nobody can bring into sight in a window of some pixels, once its charts have its size."""
    cut: list[str] = []

    def nothing_is() -> bool:
        cut[:] = page.execute_script(CUT)
        return not cut

    with window(page, width), suppress(AssertionError):
        until(nothing_is, seconds=10)
    return cut
