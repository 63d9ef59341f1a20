"""The page in Chromium over the real console, whose desk is a list of entries: what is shown, what reaches the desk.

What a person may do on each screen is held by `web/test/page.test.ts`, in jsdom; a kill and the way back, by
`test_end_to_end.py`.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.api.console.conftest import listening
from tests.desk.console.browser import chromium
from tests.desk.console.desks import ListedDesk, S, a_session, people_of, served_by
from tests.desk.console.hands import answered, log_in, look, press, say, show, text, until

from tercel.api.console.web import create_app
from tercel.core.errors import JournalError

pytestmark = pytest.mark.release  # before: `web/test` in jsdom, `test_end_to_end.py` in a browser
HERE = "?desk=test+desk"
SCREENS = {
    name: f"#/{name}{HERE}"
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
    )
}


@pytest.fixture(scope="module")
def desk() -> ListedDesk:
    return ListedDesk(a_session())


@pytest.fixture(scope="module")
def address(desk: ListedDesk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    desks = served_by(folder, desk, now_s=time.monotonic, wall_ns=time.time_ns)
    with listening(
        create_app(desks, people_of(folder, ann="risk", bob="risk", eve="admin"), time.monotonic)
    ) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        look(browser, 1280, "light")
        log_in(browser, address, "ann")
        yield browser


@pytest.mark.parametrize(
    ("screen", "shown"),
    [
        (
            "overview",
            [
                "peg of test desk costs most",
                "+3.5 [+1.4, +5.6] bps",
                "peg_behind",
                "drifting",
                "60 %",
            ],
        ),
        ("agent", ["cost against arrival", "running mean over parents"]),
        ("orders", ["20 / 50", "p1", "p2", "its horizon came while its agent was killed", "c1"]),
        ("market", ["AAA"]),
        (
            "risk",
            [
                "depth thin: 0.4 of usual",
                "too far from the market (1)",
                "gross value",
                "90 %",
                "+3.2 [\N{MINUS SIGN}4.6, +11.0]",
            ],
        ),
        ("forecasts", ["news", "AAA"]),
        ("alerts", ["<b>spread</b> far", "1 of 1 alerts has no owner"]),
        ("people", ["Nothing waits", "Nobody has done anything"]),
        ("journal", ["order out", "denied", "heartbeat"]),
    ],
)
def test_what_the_journal_says_is_on_the_page(page: Any, screen: str, shown: list[str]) -> None:
    show(page, SCREENS[screen])
    for one in shown:
        until(
            lambda one=one: one in text(page, "main"),
            what=f"{one} on {screen}: {text(page, 'main')[:3000]}",
        )


def test_nobody_is_led_to_a_provider_that_is_not_there(address: str, tmp_path: Path) -> None:
    with chromium(tmp_path) as stranger:
        stranger.get(address)
        until(lambda: "No name yet?" in text(stranger, "main"), what="the way in")
        asked = "return performance.getEntriesByType('resource').some((e) => e.name.endsWith('/api/ways'))"
        until(lambda: stranger.execute_script(asked), what="an answer")
        assert not stranger.find_elements("css selector", "a[href='/oidc']")


def test_no_screen_says_anything_wrong_or_asks_anybody_else(page: Any, address: str) -> None:
    for hash_ in SCREENS.values():
        show(page, hash_)
        assert not page.find_elements("css selector", "main [role=alert]"), text(
            page, "main [role=alert]"
        )
    asked = page.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)"
    )
    assert [name for name in asked if not name.startswith((address, "data:"))] == []
    said = [line["message"] for line in page.get_log("browser") if line["level"] == "SEVERE"]
    assert [line for line in said if "favicon" not in line and "/api/me" not in line] == []


def test_a_persons_word_reaches_the_desk_with_name_and_reason(page: Any, desk: ListedDesk) -> None:
    accepted = next(one for one in desk.entries if one.parent == "p1")
    desk.entries.append(replace(accepted, ns=12 * S, parent="a/%2Fb"))
    show(page, SCREENS["orders"])
    for id_, verb, reason, yes in (
        ("p1", "Pause…", "news are due", "Pause"),
        ("p1", "Cancel…", "not wanted any more", "Cancel the parent"),
        ("a/%2Fb", "Pause…", "news are due", "Pause"),
    ):
        press(page, verb, f"tr[data-id='{id_}']")
        assert not page.execute_script(
            "return document.querySelector('dialog [type=submit]').matches(':enabled')"
        )
        say(page, "Reason", reason)
        press(page, yes, "dialog")
        what = yes.split(" ")[0].lower()
        word = (what, {"parent": id_}, "ann (password)", reason)
        until(lambda word=word: desk.posted[-1:] == [word], what=what)
        until(lambda: not page.find_elements("css selector", "dialog"), what="the dialog's end")


def test_an_admin_lets_people_in_and_out(page: Any, address: str) -> None:
    page.delete_all_cookies()
    log_in(page, f"{address}?admin", "eve")
    show(page, SCREENS["people"])
    press(page, "Add…")
    say(page, "Name", "cid")
    press(page, "Add", "dialog")
    answered(page, "cid is viewer now; the password")
    until(lambda: page.find_elements("css selector", "tr[data-id=cid]"), what="a new person")
    press(page, "Remove…", "tr[data-id=cid]")
    press(page, "Remove", "dialog")
    until(
        lambda: not page.find_elements("css selector", "tr[data-id=cid]"),
        what="nobody of that name",
    )


def test_a_journal_that_cannot_be_read_is_said(
    page: Any, desk: ListedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> Any:
        raise JournalError("a journal", "a damaged one", "look at it")

    show(page, SCREENS["orders"])
    with monkeypatch.context() as broken:
        broken.setattr(desk, "position", fails)
        until(
            lambda: "The journal of test desk cannot be read" in text(page, "[role=alert]"),
            what="a fault",
        )
        assert page.execute_script(
            "return document.querySelector('#head .danger').matches(':enabled')"
        )
    until(lambda: "cannot be read" not in text(page, "main"), what="the fault gone")
    with monkeypatch.context() as long:
        long.setattr(desk, "position", lambda: ("listed", 10**6))
        until(
            lambda: "Reading the journal, 0 %." in text(page, "main [role=status]"),
            what="how far it is",
        )
    until(lambda: "Reading the journal" not in text(page, "main"), what="all of it")
