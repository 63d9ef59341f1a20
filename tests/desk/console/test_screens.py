"""The page in Chromium, over a console that only pretends: what only a browser shows.

What a person reads, does and may not do on each screen is held by `web/test/page.test.ts`, in jsdom, over the same answers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.desk.console.browser import chromium, cut_cells
from tests.desk.console.hands import log_in, look, show, text, until
from tests.desk.console.pretended import create_app
from tests.desk.console.shots import SCREENS, serving

pytestmark = pytest.mark.release  # before: `web/test` in jsdom, `test_end_to_end.py` in a browser
WEB = Path(__file__).resolve().parents[3] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(create_app()) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """The overview, as an admin sees it, with a desk that works and one that is killed."""
    look(browser, 1280, "light")
    browser.delete_all_cookies()
    log_in(browser, f"{address}?{id(browser.execute_script)}")
    show(browser, SCREENS["overview"])
    return browser


def test_the_market_of_the_past_is_never_the_live_one(page: Any) -> None:
    show(page, SCREENS["market"])
    ladder = ".market section:nth-of-type(2)"
    until(lambda: " ago" in text(page, f"{ladder} h2 small"), what="a ladder")
    live = text(page, f"{ladder} table")
    page.execute_script("location.hash = arguments[0]", SCREENS["past"])
    until(lambda: "As it was at" in text(page, ".pastbanner"), what="the past")
    seen = text(page, f"{ladder} table")
    assert not seen or seen != live, "nothing, or what was"
    until(lambda: text(page, f"{ladder} table") not in ("", live), what="the ladder as it was")
    assert text(page, "#head .clock") == "", "the banner has the time that is shown"


def test_the_keyboard_goes_everywhere(page: Any) -> None:
    body = page.find_element("tag name", "body")
    body.send_keys("3")
    until(lambda: "Parents at work" in text(page, "main"), what="orders")
    body.send_keys("?")
    until(lambda: "the kill switch" in text(page, "dialog"), what="the keys")
    page.find_element("css selector", "dialog").send_keys("\ue00c")
    until(lambda: not page.find_elements("css selector", "dialog"), what="the dialog's end")
    body.send_keys("k")
    until(lambda: "Kill switch" in text(page, "dialog"), what="the kill switch")


def test_the_keyboard_opens_a_menu_of_actions_and_comes_back_to_it(page: Any) -> None:
    show(page, SCREENS["orders"])
    focused = "return document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
    menu = page.find_element("css selector", "main .acts [popovertarget]")
    named = menu.get_attribute("aria-label")
    open_ = "return document.querySelectorAll(':popover-open').length"
    menu.send_keys("\ue007")
    until(lambda: page.execute_script(open_) == 1, what="the menu")
    page.switch_to.active_element.send_keys("\ue004")
    assert page.execute_script(focused).endswith("…")
    page.switch_to.active_element.send_keys("\ue007")
    until(lambda: page.find_elements("css selector", "dialog"), what="its dialog")
    assert page.execute_script(open_) == 0
    page.find_element("css selector", "dialog").send_keys("\ue00c")
    until(lambda: page.execute_script(focused) == named, what="the way back")
    menu.send_keys("\ue007")
    page.switch_to.active_element.send_keys("\ue00c")
    until(lambda: page.execute_script(open_) == 0, what="the menu's end")


@pytest.mark.parametrize("width", [400, 700, 1280])
def test_every_cell_can_be_brought_into_sight(page: Any, width: int) -> None:
    for name, hash_ in SCREENS.items():
        show(page, hash_)
        assert cut_cells(page, width) == [], name
    look(page, 1280, "light")
    show(page, SCREENS["orders"])
    wide = "return [...document.querySelectorAll('main .scroll')].map((b) => b.scrollWidth - b.clientWidth)"
    until(
        lambda: max(page.execute_script(wide)) <= 0, what="every column in sight, without scrolling"
    )


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Any, width: int, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: npm ci --ignore-scripts --prefix web")
    found = {}
    for name, hash_ in SCREENS.items():
        look(page, width, scheme)
        show(page, hash_)
        page.execute_script(AXE.read_text(encoding="utf-8"))
        run = "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then((r) => done(r.violations))"
        for one in page.execute_async_script(run):
            where = [(node["html"][:160], node["failureSummary"][:200]) for node in one["nodes"]]
            found[f"{name}: {one['id']}"] = where[:3]
    assert found == {}, json.dumps(found, indent=1)
