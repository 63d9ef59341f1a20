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
from tests.desk.console.hands import (
    answered,
    log_in,
    look,
    picture as taken,
    press,
    say,
    show,
    text,
)
from tests.desk.console.processes import FULLER, PASSWORD, TOKEN, console, running_desk, tercel
from tests.desk.console.second import confirm
from tests.waiting import DEADLINE_S, until

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger

pytestmark = pytest.mark.long
log = logging.getLogger(__name__)
SHOTS = os.environ.get("TERCEL_SCREENSHOTS", "")
AGENTS = {"default", "peg"} | ({"schedule"} if SHOTS else set())
ORDERS, AGENT = "#/orders?desk=today", "#/agent/today/default?desk=today"
ENABLED = "return document.querySelector('dialog [type=submit]').matches(':enabled')"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pace: dict[str, Any] = {"speed": 20.0, "round_s": 300.0, "more": FULLER} if SHOTS else {}
    with running_desk(tmp_path_factory.mktemp("desk"), **pace) as folder:
        yield folder


@pytest.fixture(scope="module")
def page(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("console")
    with console(desk, folder / "console.out") as address, chromium(folder) as browser:
        look(browser, 1280, "light")
        browser.get(address)
        until(lambda: browser.find_elements("id", "name"), what="the way in")
        browser.find_element("id", "name").send_keys("admin")
        browser.find_element("id", "password").send_keys("not the password")
        browser.find_element("css selector", "form button").click()
        until(
            lambda: "That name and password do not go together." in text(browser, ".said"),
            what="a refusal",
        )
        log_in(browser, address, "admin")
        until(
            lambda: "peg_behind" in text(browser, "[aria-label='Agents by cost']"), what="the page"
        )
        yield browser


def ask(page: Any, button: str, within: str, reason: str, yes: str) -> None:
    """Press a button, say why, and press the one that does it; a reason is needed."""
    press(page, button, within)
    assert not page.execute_script(ENABLED)
    say(page, "Reason", reason)
    press(page, yes, "dialog")
    until(lambda: not page.find_elements("css selector", "dialog"), what="the dialog's end")


def picture(
    page: Any,
    name: str,
    screen: str = "",
    width: int = 1280,
    height: int = 1000,
    scheme: str = "light",
) -> None:
    """Save what a screen looks like under TERCEL_SCREENSHOTS, where that is set."""
    if SHOTS:
        look(page, width, scheme, height)
        if screen:
            show(page, screen)
        page.execute_script(
            "for (const one of document.querySelectorAll('#notes button')) one.click(); scrollTo(0, 0)"
        )
        taken(page, Path(SHOTS) / f"{name}.png", whole=False)
        look(page, 1280, "light")


def entries(desk: Path, *wanted: str, after: int = 0) -> list[tuple[int, Entry]]:
    return list(JournalReader(desk).read(after, wanted))


def events(desk: Path, parent: str) -> list[str]:
    return [str(e.body["event"]) for _, e in entries(desk, kinds.PARENT) if e.parent == parent]


def confirmed(desk: Path, after: int) -> bool:
    """Whether the kill of all agents is confirmed."""
    said = [
        e.body for _, e in entries(desk, kinds.KILL, after=after) if e.body["event"] == "confirmed"
    ]
    return {body["scope"] for body in said} == AGENTS


def a_live_parent(desk: Path) -> str:
    """A parent that has most of its time before it."""
    found: list[str] = []

    def there() -> bool:
        reader = JournalReader(desk)
        now = max(e.ns for _, e in reader.read())
        found[:] = [
            p.id
            for p in Ledger.of(reader).parents
            if p.status == "working" and p.ends_ns - now > 150e9
        ]
        return bool(found)

    until(there, what="a parent with time left")
    return found[0]


def nothing_new_leaves(desk: Path, after: int) -> None:
    """No order that opens anything was journaled since the first latch of a kill."""
    told = entries(desk, kinds.KILL, after=after)
    latched = {e.body["scope"]: seq for seq, e in reversed(told) if e.body["event"] == "latched"}
    for agent, at in latched.items():
        sent = [e.body for _, e in entries(desk, kinds.ORDER_OUT, after=at) if e.agent == agent]
        assert {body["what"] for body in sent} <= {"cancel", "mass_cancel", "status"}, sent
    assert latched.keys() == AGENTS
    assert list(Ledger.of(JournalReader(desk)).orders.live()) == []


def test_no_screen_says_anything_wrong_or_asks_anybody_else(page: Any) -> None:
    for name in (
        "overview",
        "agent",
        "orders",
        "market",
        "risk",
        "forecasts",
        "alerts",
        "people",
        "journal",
    ):
        show(page, f"#/{name}?desk=today")
        assert text(page, "main [role=alert]") == "", name
    here = page.execute_script("return location.origin")
    asked = page.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)"
    )
    assert [name for name in asked if not name.startswith((here, "data:"))] == []
    said = [line["message"] for line in page.get_log("browser") if line["level"] == "SEVERE"]
    known = ("favicon", "/api/me", "/api/login")
    assert [line for line in said if not any(one in line for one in known)] == []


def test_a_person_watches_pauses_and_asks_why(desk: Path, page: Any) -> None:
    before = len(entries(desk, kinds.DECISION))
    until(lambda: len(entries(desk, kinds.DECISION)) > before + 3, what="decisions")
    show(page, AGENT)
    until(
        lambda: text(page, "[aria-label='Last decisions']").count("Why?") > 1,
        what="decisions on the page",
    )
    parent = a_live_parent(desk)
    row = f"tr[data-id='{parent}']"
    show(page, ORDERS)
    ask(page, "Pause…", row, "news are due", "Pause")
    until(lambda: events(desk, parent)[-1] == "paused", what="a pause")
    until(lambda: "paused" in text(page, row), what="paused, shown")
    ask(page, "Resume…", row, "no news", "Resume")
    until(lambda: events(desk, parent)[-1] == "resumed", what="going on")
    press(page, "Why?", row)
    for shown in ("lots left", "The market stood at", "It wanted to", "mid, ticks"):
        until(lambda shown=shown: shown in text(page, "dialog"), what=shown)
    picture(page, "why")
    press(page, "Close", "dialog")


def test_a_kill_from_the_page_and_the_way_back(desk: Path, page: Any) -> None:
    parent, before = a_live_parent(desk), JournalReader(desk).last
    show(page, "#/overview?desk=today")
    press(page, "Kill…", "#head")
    whole = "return [...document.querySelectorAll('dialog .choice')].find((l) => l.innerText.includes('whole desk'))"
    until(lambda: page.execute_script(whole), what="whom to kill")
    assert not page.find_elements("css selector", "dialog input:checked")
    page.execute_script(f"(() => {{ {whole} }})().click()")
    assert not page.execute_script(ENABLED)
    say(page, "Reason", "prices look wrong")
    press(page, "Kill the whole desk today", "dialog")
    log.info(
        "kill from the page confirmed after %.3f s",
        until(lambda: confirmed(desk, before), what="a kill"),
    )
    answered(page, "default killed, nothing open at the venue")
    until(lambda: "prices look wrong" in text(page, ".say.bad"), what="the banner")
    until(
        lambda: text(page, ".say.bad").count("nothing open at the venue") == len(AGENTS),
        what="the venue's word, shown",
    )
    until(lambda: events(desk, parent)[-1] == "paused", what="parents paused")
    seen = JournalReader(desk).last
    until(lambda: JournalReader(desk).last > seen + 2, what="time passing")
    nothing_new_leaves(desk, before)
    until(lambda: page.title.startswith("KILLED"), what="the title")
    picture(page, "killed", "#/risk?desk=today", height=760)
    ask(page, "Re-arm…", ".say.bad", "prices were right", "Ask to re-arm")
    answered(page, "Waits for a second person")
    assert not entries(desk, kinds.REARM, after=before)
    confirm(page.execute_script("return location.origin"), "bob", PASSWORD)
    until(lambda: len(entries(desk, kinds.REARM, after=before)) == len(AGENTS), what="re-armed")
    assert {e.body["reason"] for _, e in entries(desk, kinds.REARM, after=before)} == {
        "prices were right; so it is"
    }
    both = "admin (password), confirmed by bob (password)"
    assert {e.body["by"] for _, e in entries(desk, kinds.REARM, after=before)} == {both}
    until(lambda: not page.find_elements("css selector", ".say.bad"), what="the banner gone")
    show(page, ORDERS)
    if events(desk, parent)[-1] == "paused":
        ask(page, "Resume…", f"tr[data-id='{parent}']", "it may go on", "Resume")
        until(lambda: events(desk, parent)[-1] in ("resumed", "done", "expired"), what="going on")
    at = JournalReader(desk).last
    sent = ("new", "replace")
    until(
        lambda: any(e.body["what"] in sent for _, e in entries(desk, kinds.ORDER_OUT, after=at)),
        what="orders again",
    )


def pictures(desk: Path, page: Any) -> None:
    """Those of the documentation, of a desk that has worked for some rounds: a fuller page is a better picture."""
    until(lambda: len(entries(desk, kinds.SHARE)) > 12, what="rounds")
    a_live_parent(desk)
    before = len(entries(desk, kinds.DECISION))
    until(lambda: len(entries(desk, kinds.DECISION)) > before + 30, what="decisions")
    now = max(e.ns for _, e in entries(desk, kinds.DECISION))
    picture(page, "console", "#/overview?desk=today", height=860)
    picture(page, "console-dark", AGENT, scheme="dark")
    picture(page, "console-narrow", ORDERS, width=400, height=860)
    picture(page, "console-market", "#/market/AAA?desk=today")
    picture(page, "console-past", f"#/market/AAA?desk=today&at={now - 400 * 10**9}")


def test_a_promotion_from_the_page(desk: Path, page: Any) -> None:
    if SHOTS:
        pictures(desk, page)
    show(page, AGENT)
    ask(page, "Promote…", "main", "to see it at work", "Ask to promote")
    confirm(page.execute_script("return location.origin"), "bob", PASSWORD)
    until(lambda: bool(entries(desk, kinds.PROMOTED)), what="a promotion")
    (_, entry), *_ = entries(desk, kinds.PROMOTED)
    assert entry.body["challenger"] == "packaged:default-1+alpha+posture"
    assert entry.body["by"] == "admin (password), confirmed by bob (password)"
    until(lambda: "default-1" in text(page, "main .title"), what="on the page")


def test_a_kill_from_the_command_line_with_the_page_down_is_told_by_two_consoles(
    desk: Path, tmp_path: Path
) -> None:
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
    until(lambda: len(entries(desk, kinds.REARM, after=before)) == len(AGENTS), what="re-armed")
    with console(desk, tmp_path / "one.out") as one, console(desk, tmp_path / "two.out") as two:
        for address in (one, two):
            asked = urllib.request.Request(
                f"{address}metrics", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
                assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
                said = answer.read().decode()
            assert 'tercel_orders_out_total{agent="peg",what="mass_cancel"} ' in said
            assert 'tercel_limit_used_ratio{limit="messages",name="peg",scope="agents"}' in said
            assert "tercel_killed 0.0" in said
            assert "tercel_orders_open" in said
