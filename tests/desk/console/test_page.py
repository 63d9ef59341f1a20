"""The page in Chromium: seen, used, and looked at (screenshots lie in the test's folder)."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.desk.console.browser import chromium, cut_cells, window
from tests.desk.console.desks import PASSWORD, ListedDesk, a_session, people_of, served_by
from tests.desk.console.second import confirm
from tests.waiting import until

from tercel.api.console.serve import bind, server_of
from tercel.api.console.web import create_app

EDGES = """
const row = document.querySelector("tr[data-id=p1]");
row.querySelector("th").firstChild.textContent = "6b02294c-3.CSCO-000-schedule";
return [...row.querySelectorAll("button")].map((b) => [b.textContent, b.getBoundingClientRect().right]);
"""


@pytest.fixture(scope="module")
def desk() -> ListedDesk:
    return ListedDesk(a_session())


@pytest.fixture(scope="module")
def page(desk: ListedDesk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    listening, folder = bind(0), tmp_path_factory.mktemp("served")
    desks = served_by(folder, desk, now_s=time.monotonic, wall_ns=time.time_ns)
    server = server_of(create_app(desks, people_of(folder, ann="risk", bob="risk"), time.monotonic))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        browser.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        browser.find_element("id", "name").send_keys("ann")
        browser.find_element("id", "password").send_keys(PASSWORD)
        browser.find_element("css selector", "button").click()
        until(lambda: "KILLED" not in browser.title and "ppo" in browser.find_element("id", "agents").text)
        yield browser
    server.should_exit = True
    thread.join(timeout=5)


def test_everything_is_on_the_page(page: Any, tmp_path: Path) -> None:
    page.save_screenshot(str(tmp_path / "console.png"))
    text = page.find_element("tag name", "main").text
    for shown in (
        "peg_behind",
        "3.50",
        "± 2.05",
        "20 / 50",
        "depth thin: 0.4 of usual",
        "COLLAR 1",
        "gross value",
        "90 %",
        "+3.2 ± 4.0",
    ):
        assert shown in text, shown
    assert page.find_element("id", "latch").text == "armed"
    assert page.find_elements("css selector", "#shares canvas")
    assert page.find_elements("css selector", "#costs canvas")
    said = [line["message"] for line in page.get_log("browser") if line["level"] == "SEVERE"]
    assert [line for line in said if "favicon" not in line] == []


@pytest.mark.parametrize("width", [400, 700, 1200])
def test_every_cell_can_be_brought_into_sight(page: Any, width: int) -> None:
    assert cut_cells(page, width) == []


@pytest.mark.parametrize("width", [400, 1200])
def test_what_can_be_done_to_a_parent_is_in_sight(page: Any, width: int) -> None:
    with window(page, width):
        buttons = page.execute_script(EDGES)
    assert [name for name, _ in buttons] == ["Pause…", "Cancel…", "Why?"]
    assert max(edge for _, edge in buttons) <= width


def test_a_chart_of_one_point_shows_its_time_and_not_the_whole_day(page: Any) -> None:
    page.execute_script("""const box = document.createElement("div"); box.id = "one"; document.body.append(box);
        chart("one", ["ppo"], [[34200], [0.5]], [0, 1]);""")
    until(
        lambda: (
            page.execute_script("const { min, max } = charts.one.plot.scales.x; return [min, max];") == [34140, 34260]
        )
    )
    page.execute_script("charts.one.plot.destroy(); delete charts.one; document.getElementById('one').remove();")


def test_what_an_alert_says_is_text_and_never_markup(page: Any) -> None:
    assert "<b>spread</b> far" in page.find_element("id", "alerts").text


def test_a_decision_says_why(page: Any) -> None:
    page.find_element("css selector", "tr[data-id=p1] [data-key='why p1']").click()
    until(lambda: "It took 3 lots." in page.find_element("id", "why").text)
    assert "10.500" in page.find_element("id", "why").text
    page.find_element("css selector", "#why .close").click()


def test_a_parent_is_paused_and_cancelled(page: Any, desk: ListedDesk) -> None:
    pause, cancel = page.find_elements("css selector", "tr[data-id=p1] td .acts button")
    pause.click()
    assert not page.find_element("id", "ask-yes").is_enabled()
    page.find_element("id", "ask-reason").send_keys("news are due")
    page.find_element("id", "ask-yes").click()
    until(lambda: desk.posted[-1:] == [("pause", {"parent": "p1"}, "ann (password)", "news are due")])
    _, cancel = page.find_elements("css selector", "tr[data-id=p1] td .acts button")
    cancel.click()
    page.find_element("id", "ask-reason").send_keys("not wanted any more")
    page.find_element("id", "ask-yes").click()
    until(lambda: desk.posted[-1] == ("cancel", {"parent": "p1"}, "ann (password)", "not wanted any more"))


def test_the_kill_switch_asks_for_confirmation_and_a_reason(page: Any, desk: ListedDesk, tmp_path: Path) -> None:
    page.find_element("id", "kill").click()
    assert not page.find_element("id", "ask-yes").is_enabled()
    page.find_element("id", "ask-no").click()
    assert desk.latch is None
    page.find_element("id", "kill").click()
    page.find_element("id", "ask-reason").send_keys("prices look wrong")
    page.save_screenshot(str(tmp_path / "confirm.png"))
    page.find_element("id", "ask-yes").click()
    until(lambda: "prices look wrong" in page.find_element("id", "killed").text)
    assert desk.latch is not None
    page.save_screenshot(str(tmp_path / "killed.png"))
    page.find_element("id", "rearm").click()
    page.find_element("id", "ask-reason").send_keys("prices were right")
    page.find_element("id", "ask-yes").click()
    until(lambda: "a second person" in page.find_element("id", "toast").text)
    assert desk.latch is not None
    confirm(page.current_url, "bob", PASSWORD)
    until(lambda: page.find_element("id", "latch").text == "armed")
    assert desk.latch is None
