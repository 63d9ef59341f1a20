"""A desk and its console as processes of their own; a person at a real browser, and at the command line."""

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.desk.console.browser import chromium
from tests.desk.console.processes import PASSWORD, TOKEN, console, running_desk, tercel
from tests.desk.console.second import confirm
from tests.waiting import DEADLINE_S, until

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger

pytestmark = pytest.mark.long
log = logging.getLogger(__name__)
PAINTED = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
"""What the page was told is on the screen two frames later."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pace = {"speed": 20.0, "round_s": 300.0} if os.environ.get("TERCEL_SCREENSHOTS") else {}
    with running_desk(tmp_path_factory.mktemp("desk"), **pace) as folder:
        yield folder


@pytest.fixture(scope="module")
def page(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("console")
    with console(desk, folder / "console.out") as address, chromium(folder) as browser:
        browser.get(address)
        browser.find_element("id", "name").send_keys("admin")
        browser.find_element("id", "password").send_keys("not the password")
        browser.find_element("css selector", "button").click()
        until(lambda: "not the name and its password" in text(browser, ".said"), what="a refusal")
        browser.find_element("id", "name").send_keys("admin")
        browser.find_element("id", "password").send_keys(PASSWORD)
        browser.find_element("css selector", "button").click()
        until(lambda: "peg_behind" in text(browser, "#agents"), what="the page")
        yield browser


def text(page: Any, selector: str) -> str:
    """What stands there; "" where nothing does. The page may redraw at any time, so no element is held."""
    return str(page.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))


def press(page: Any, selector: str, number: int = 0) -> None:
    """Click, whatever the page redraws meanwhile."""
    page.execute_script("document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, number)


def say_why(page: Any, reason: str) -> None:
    page.find_element("id", "ask-reason").send_keys(reason)
    page.find_element("id", "ask-yes").click()


def picture(page: Any, name: str, width: int, height: int, scheme: str = "light") -> None:
    """Save what the page looks like under TERCEL_SCREENSHOTS, where that is set."""
    if not (folder := os.environ.get("TERCEL_SCREENSHOTS")):
        return
    from io import BytesIO

    from PIL import Image

    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script("dispatchEvent(new Event('resize')); scrollTo(0, 0)")
    page.execute_async_script(PAINTED)
    shot = Image.open(BytesIO(page.get_screenshot_as_png())).convert("RGB")
    shot.quantize(192, dither=Image.Dither.NONE).save(Path(folder) / f"{name}.png", optimize=True)
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def entries(desk: Path, *wanted: str, after: int = 0) -> list[tuple[int, Entry]]:
    return list(JournalReader(desk).read(after, wanted))


def events(desk: Path, parent: str) -> list[str]:
    return [str(e.body["event"]) for _, e in entries(desk, kinds.PARENT) if e.parent == parent]


def confirmed(desk: Path, after: int) -> bool:
    """Whether the kill of both agents is confirmed."""
    said = [e.body for _, e in entries(desk, kinds.KILL, after=after) if e.body["event"] == "confirmed"]
    return {body["scope"] for body in said} == {"ppo", "peg"}


def a_live_parent(desk: Path) -> str:
    """A parent that has most of its time before it."""
    found: list[str] = []

    def there() -> bool:
        reader = JournalReader(desk)
        now = max(e.ns for _, e in reader.read())
        found[:] = [p.id for p in Ledger.of(reader).parents if p.status == "working" and p.ends_ns - now > 150e9]
        return bool(found)

    until(there, what="a parent with time left")
    return found[0]


def nothing_new_leaves(desk: Path, after: int) -> None:
    """No order that opens anything was journaled since the first latch of a kill."""
    latched = next(seq for seq, e in entries(desk, kinds.KILL, after=after) if e.body["event"] == "latched")
    for agent in ("ppo", "peg"):
        at = next(
            seq for seq, e in entries(desk, kinds.KILL, after=after)
            if e.body["event"] == "latched" and e.body["scope"] == agent
        )  # fmt: skip
        sent = [e.body for _, e in entries(desk, kinds.ORDER_OUT, after=at) if e.agent == agent]
        assert {body["what"] for body in sent} <= {"cancel", "mass_cancel", "status"}, sent
    assert latched
    assert list(Ledger.of(JournalReader(desk)).orders.live()) == []


def test_a_person_watches_pauses_and_asks_why(desk: Path, page: Any) -> None:
    before = len(entries(desk, kinds.DECISION))
    until(lambda: len(entries(desk, kinds.DECISION)) > before + 3, what="decisions")
    until(lambda: len(page.find_elements("css selector", "#decisions button")) > 3, what="decisions on the page")
    parent = a_live_parent(desk)
    press(page, f"tr[data-id='{parent}'] .acts button")
    say_why(page, "news are due")
    until(lambda: events(desk, parent)[-1] == "paused", what="a pause")
    until(lambda: "paused" in text(page, f"tr[data-id='{parent}']"), what="paused, shown")
    press(page, f"tr[data-id='{parent}'] .acts button")
    say_why(page, "no news")
    until(lambda: events(desk, parent)[-1] == "resumed", what="going on")
    press(page, "#decisions button")
    until(lambda: page.find_element("id", "why").is_displayed(), what="an explanation")
    for shown in ("lots left", "The market stood at", "It wanted to", "mid, ticks"):
        assert shown in text(page, "#why"), shown
    picture(page, "why", 1400, 900)
    press(page, "#why .close")


def test_a_kill_from_the_page_and_the_way_back(desk: Path, page: Any) -> None:
    parent, before = a_live_parent(desk), JournalReader(desk).last
    press(page, "#kill")
    assert not page.find_element("id", "ask-yes").is_enabled()
    say_why(page, "prices look wrong")
    log.info("kill from the page confirmed after %.3f s", until(lambda: confirmed(desk, before), what="a kill"))
    until(lambda: "prices look wrong" in text(page, "#killed"), what="the banner")
    until(lambda: text(page, "#killed").count("nothing open at the venue") == 2, what="the venue's word, shown")
    until(lambda: events(desk, parent)[-1] == "paused", what="parents paused")
    seen = JournalReader(desk).last
    until(lambda: JournalReader(desk).last > seen + 2, what="time passing")
    nothing_new_leaves(desk, before)
    assert page.title.startswith("KILLED")
    picture(page, "killed", 1400, 700)
    press(page, "#rearm")
    say_why(page, "prices were right")
    confirm(page.current_url, "bob", PASSWORD)
    until(lambda: len(entries(desk, kinds.REARM, after=before)) == 2, what="re-armed")
    assert {e.body["reason"] for _, e in entries(desk, kinds.REARM, after=before)} == {"prices were right; so it is"}
    both = "admin (password), confirmed by bob (password)"
    assert {e.body["by"] for _, e in entries(desk, kinds.REARM, after=before)} == {both}
    until(lambda: not page.find_element("id", "killed").is_displayed(), what="the banner gone")
    if events(desk, parent)[-1] == "paused":
        press(page, f"tr[data-id='{parent}'] .acts button")
        say_why(page, "it may go on")
        until(lambda: events(desk, parent)[-1] in ("resumed", "done", "expired"), what="going on")
    at = JournalReader(desk).last
    sent = ("new", "replace")
    until(lambda: any(e.body["what"] in sent for _, e in entries(desk, kinds.ORDER_OUT, after=at)), what="orders again")


def test_a_promotion_from_the_page(desk: Path, page: Any) -> None:
    if os.environ.get("TERCEL_SCREENSHOTS"):  # a fuller page is a better picture
        until(lambda: len(entries(desk, kinds.SHARE)) > 4, what="rounds")
        a_live_parent(desk)
        before = len(entries(desk, kinds.DECISION))
        until(lambda: len(entries(desk, kinds.DECISION)) > before + 8, what="decisions")
    picture(page, "console", 1400, 1500)
    picture(page, "console-dark", 1400, 1500, "dark")
    picture(page, "console-narrow", 700, 1500)
    press(page, "tr[data-id=ppo] td:last-child button")
    say_why(page, "to see it at work")
    confirm(page.current_url, "bob", PASSWORD)
    until(lambda: bool(entries(desk, kinds.PROMOTED)), what="a promotion")
    (_, entry), *_ = entries(desk, kinds.PROMOTED)
    assert entry.body["challenger"] == "packaged:dqn-csco-santa-fe+alpha+posture"
    assert entry.body["by"] == "admin (password), confirmed by bob (password)"
    until(
        lambda: "dqn-csco-santa-fe" in text(page, "tr[data-id=ppo] th"),
        what="on the page",
    )


def test_a_kill_from_the_command_line_with_the_page_down(desk: Path) -> None:
    a_live_parent(desk)
    before = JournalReader(desk).last
    done = tercel("kill", "--all", "--reason", "from a terminal", "--desk", desk, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["killed"] == {"*": "from a terminal"}
    log.info(
        "kill from the command line confirmed %.3f s after it ended",
        until(lambda: confirmed(desk, before), what="a kill"),
    )
    nothing_new_leaves(desk, before)
    assert tercel("rearm", "--desk", desk).returncode == 2
    assert tercel("rearm", "--reason", " ", "--desk", desk).returncode == 2
    assert tercel("rearm", "--reason", "looked at it", "--desk", desk).returncode == 0
    until(lambda: len(entries(desk, kinds.REARM, after=before)) == 2, what="re-armed")


def test_metrics_are_scraped_and_two_consoles_show_one_desk(desk: Path, tmp_path: Path) -> None:
    with console(desk, tmp_path / "one.out") as one, console(desk, tmp_path / "two.out") as two:
        for address in (one, two):
            asked = urllib.request.Request(f"{address}metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
                assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
                said = answer.read().decode()
            assert 'tercel_orders_out_total{agent="peg",what="mass_cancel"} ' in said
            assert 'tercel_limit_used_ratio{limit="messages",name="peg",scope="agents"}' in said
            assert "tercel_killed 0.0" in said
            assert "tercel_orders_open" in said
