"""The page in Chromium, over a console that only pretends: what a person reads, does, and may not do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.desk.console.browser import chromium, cut_cells
from tests.desk.console.hands import answered, log_in, look, press, say, show, text, until
from tests.desk.console.pretended import create_app
from tests.desk.console.pretended_page import START
from tests.desk.console.shots import SCREENS, serving

pytestmark = pytest.mark.release  # before: `web/test` in jsdom, `test_end_to_end.py` in a browser
WEB = Path(__file__).resolve().parents[3] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    with serving(app) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str, app: Any) -> Any:
    """The overview, as an admin sees it, with a desk that works and one that is killed."""
    app.state.stopped, app.state.asked, app.state.owners, app.state.older = False, [], {}, []
    app.state.latches["today"] = None
    look(browser, 1280, "light")
    browser.delete_all_cookies()
    log_in(browser, f"{address}?{id(browser.execute_script)}")
    show(browser, SCREENS["overview"])
    return browser


# -- which agent costs us most, why, stop it, put the old one back ----------------------------------------------------


def test_the_first_screen_says_which_agent_costs_most(page: Any) -> None:
    assert text(page, ".answer").startswith("schedule of today costs most: +9.7 [+4.5, +14.9] bps")
    rows = text(page, "[aria-label='Agents by cost'] tbody th").split("\n")
    assert rows[0] == "schedule"
    told = text(page, ".answer")
    assert "Largest part: the price moved +6.2." in told
    assert "By amount, default of drill costs most: 265.74 USD." in told


def test_it_is_stopped_from_where_it_stands(page: Any, app: Any) -> None:
    press(page, "schedule", ".answer")
    until(lambda: "its book is one-sided" in text(page, "main"), what="why")
    press(page, "Kill…", "main .title")
    until(lambda: "Kill agent schedule of today" in text(page, "dialog"), what="the second step")
    assert not page.execute_script(
        "return document.querySelector('dialog [type=submit]').matches(':enabled')"
    )
    say(page, "Reason", "it costs us")
    press(page, "Kill agent schedule of today", "dialog")
    answered(page, "schedule killed, nothing open at the venue")
    assert app.state.asked == [
        ("kill", {"scope": "agent", "name": "schedule", "desk": "today", "reason": "it costs us"})
    ]
    until(lambda: "Killed: schedule." in text(page, ".say.bad"), what="the latch")
    until(lambda: "Kill…" not in text(page, "main .title"), what="no kill of what is killed")
    press(page, "Re-arm…", "main .title")
    say(page, "Reason", "it was a glitch")
    press(page, "Ask to re-arm", "dialog")
    answered(page, "Waits for a second person: People")
    assert app.state.asked[-1] == (
        "rearm",
        {"desk": "today", "agents": ["schedule"], "reason": "it was a glitch"},
    )


def test_the_old_one_is_put_back_by_two(page: Any, app: Any) -> None:
    show(page, SCREENS["agent"])
    press(page, "Put the old one back…")
    say(page, "Reason", "it was better")
    press(page, "Ask to put it back", "dialog")
    answered(page, "Waits for a second person: People")
    assert app.state.asked[-1] == (
        "agents/ppo/demote",
        {"desk": "today", "reason": "it was better"},
    )


def test_a_parent_is_taken_over_and_worked_by_who_has_it(page: Any, app: Any) -> None:
    show(page, SCREENS["orders"])
    press(page, "Take over…")
    say(page, "Reason", "news are due")
    press(page, "Take over", "dialog")
    answered(page, "Done:")
    path, body = app.state.asked[-1]
    assert (path.rpartition("/")[2], body) == (
        "take_over",
        {"desk": "today", "reason": "news are due"},
    )
    press(page, "Order…")
    say(page, "Quantity, at most 8,100", "1,000")
    say(page, "Limit price", "30.01")
    say(page, "Reason", "news are due")
    press(page, "Send it", "dialog")
    body = {"desk": "today", "qty": 1000, "limit_price": 30.01, "reason": "news are due"}
    until(
        lambda: app.state.asked[-1] == ("parents/CSCO-001-peg/orders", body),
        what="the order by hand",
    )
    until(
        lambda: not page.execute_script("return document.querySelector('dialog[open]')"),
        what="a dialog that closes",
    )
    press(page, "Give back…")
    say(page, "Reason", "they were good")
    press(page, "Give back", "dialog")
    until(
        lambda: app.state.asked[-1][0] == "parents/CSCO-001-peg/give_back",
        what="the parent given back",
    )


def test_a_posture_by_hand_has_an_end_and_says_what_counts(page: Any, app: Any) -> None:
    show(page, SCREENS["risk"])
    assert "the whole desk" in text(page, "[aria-label='Manual risk states']")
    press(page, "Set by hand…")
    say(page, "Size, 0 to 1", "0.5")
    say(page, "Reason", "news are due")
    press(page, "Set it", "dialog")
    answered(page, "Done:")
    body = {
        "desk": "today",
        "size_multiplier": 0.5,
        "minutes": 60,
        "instead": False,
        "reason": "news are due",
    }
    assert app.state.asked[-1] == ("posture", body)
    press(page, "End…")
    say(page, "Reason", "they were good")
    press(page, "End it", "dialog")
    ended = ("posture/end", {"desk": "today", "reason": "they were good"})
    until(lambda: app.state.asked[-1] == ended, what="its end")


def test_a_kill_from_the_head_has_chosen_nobody(page: Any, app: Any) -> None:
    press(page, "Kill…", "#head")
    say(page, "Reason", "prices look wrong")
    assert not page.find_elements("css selector", "dialog input:checked")
    assert "Kill: choose whom" in text(page, "dialog .menu")
    assert not page.execute_script(
        "return document.querySelector('dialog [type=submit]').matches(':enabled')"
    )
    whole = "[...document.querySelectorAll('dialog .choice')].find((l) => l.innerText.includes('all 2')).click()"
    page.execute_script(whole)
    press(page, "Kill all 2 desks", "dialog")
    until(lambda: app.state.latches["today"], what="a kill")
    assert app.state.asked[-1][1] == {"scope": "all", "name": "all", "reason": "prices look wrong"}


# -- acts -------------------------------------------------------------------------------------------------------------


def test_an_order_says_what_it_will_cost_before_it_is_sent(page: Any, app: Any) -> None:
    show(page, SCREENS["orders"])
    say(page, "Quantity", "1,000", "main")
    say(page, "Reason", "the client asks", "main")
    press(page, "What will it cost?")
    until(lambda: "no limit of the desk speaks against it" in text(page, ".quote"), what="a quote")
    assert "+9.7 [+4.5, +14.9]" in text(page, ".quote")
    assert "gross value 230,400 + 30,000 of 250,000" in text(page, ".quote")
    assert app.state.asked == []
    press(page, "Buy 1,000 CSCO")
    answered(page, "Done: today: parents")
    sent = {
        "instrument": "CSCO",
        "side": "buy",
        "qty": 1000,
        "minutes": 30,
        "reason": "the client asks",
    }
    assert app.state.asked == [("parents", {"desk": "today"} | sent)]


def test_what_the_desk_does_not_do_is_said(page: Any) -> None:
    show(page, SCREENS["orders"])
    press(page, "Cancel…", "tr[data-id=CSCO-000-ppo]")
    say(page, "Reason", "not wanted any more")
    press(page, "Cancel the parent", "dialog")
    refused = "Not done. The desk says no. Expected a parent that is at work; got one that is over."
    until(lambda: refused in text(page, "dialog [role=alert]"), what="why not, where it was asked")
    assert (
        page.execute_script("return document.querySelector('dialog input').value")
        == "not wanted any more"
    )
    press(page, "Back", "dialog")
    assert refused in text(page, "#notes")


def test_a_parent_that_ended_without_a_fill_is_not_called_done(page: Any) -> None:
    show(page, SCREENS["orders"])
    ended = text(page, "tr[data-id=INTC-002-schedule]")
    assert "not filled" in ended
    assert "ended: 9,000 of 9,000 lots unfilled" in ended
    assert "filled" in text(page, "tr[data-id=INTC-000-ppo]")


def test_an_alert_gets_an_owner_and_its_text_is_never_markup(page: Any, app: Any) -> None:
    show(page, SCREENS["alerts"])
    assert "<b>spread</b> +2.1 sd" in text(page, "main")
    assert "2 of 2 alerts have no owner." in text(page, ".answer")
    press(page, "Acknowledge…", "tr[data-id='71']")
    say(page, "Reason", "I look at it")
    press(page, "It is mine", "dialog")
    until(lambda: "ann" in text(page, "tr[data-id='71']"), what="an owner")
    assert app.state.asked[-1] == (
        "alerts/71/acknowledge",
        {"desk": "today", "gate": False, "note": "I look at it"},
    )


def test_older_alerts_are_a_page_away_and_those_of_the_gate_are_owned_at_the_gate(
    page: Any, app: Any
) -> None:
    show(page, SCREENS["alerts"])
    older = "Array.from(document.querySelectorAll('main button')).find((b) => b.textContent === 'Older').disabled"
    assert page.execute_script(f"return {older}")
    row = {
        "severity": "critical",
        "code": "unwatched",
        "text": "its session is gone",
        "agent": "ppo",
        "instrument": "",
    }
    app.state.older = [row | {"seq": 71, "gate": True, "ns": 5, "owner": "", "note": ""}]
    until(lambda: not page.execute_script(f"return {older}"), what="more alerts than are shown")
    press(page, "Older", "main")
    until(lambda: "its session is gone" in text(page, "main"), what="an older one")
    assert "the gate" in text(page, "tr[data-id='gate 71']")
    assert "nothing was decided" not in text(page, "main")
    press(page, "Acknowledge…", "tr[data-id='gate 71']")
    say(page, "Reason", "I look at it")
    press(page, "It is mine", "dialog")
    until(lambda: app.state.asked, what="an answer")
    assert app.state.asked[-1] == (
        "alerts/71/acknowledge",
        {"desk": "today", "gate": True, "note": "I look at it"},
    )
    press(page, "Newest", "main")
    until(lambda: "nothing was decided" in text(page, "main"), what="the newest")


def test_older_alerts_of_a_past_minute_are_those_of_then(page: Any, app: Any) -> None:
    row = {
        "severity": "info",
        "code": "GAP",
        "agent": "",
        "instrument": "",
        "gate": False,
        "owner": "",
        "note": "",
    }
    at = app.state.ns["today"] - 60 * 10**9
    app.state.older = [
        row | {"seq": n, "ns": ns, "text": text}
        for n, ns, text in ((61, 5, "early"), (62, at + 9, "late"))
    ]
    show(page, f"{SCREENS['alerts']}?desk=today&at={at}")
    press(page, "Older", "main")
    until(lambda: "early" in text(page, "main"), what="an older one")
    assert "late" not in text(page, "main")


def test_an_alert_leads_to_its_playbook(page: Any) -> None:
    show(page, SCREENS["alerts"])
    press(page, "what to do", "tr[data-id='71']")
    until(
        lambda: "kill; find what the agent computes" in text(page, "main"),
        what="the playbook",
    )
    assert "Playbook: loop_stands_still" in text(page, "main")


def test_forecasts_stand_beside_what_came_with_their_figures(page: Any) -> None:
    show(page, SCREENS["forecasts"])
    assert text(page, ".answer").startswith("Of 9 forecasts whose time has come, 78 % ended inside")
    figures = text(page, "[aria-label='How good they are'] tbody tr").split()
    assert figures == ["CSCO", "9", "+0.10", "44", "%"]
    assert page.find_elements(
        "css selector", "[aria-label^='Forecasts of CSCO and realised, bps: forecast +4.0']"
    )
    assert "2012-06-21" in text(page, "[aria-label='Model packaged:ppo-csco']")


def test_a_limit_is_changed_by_its_path(page: Any, app: Any) -> None:
    show(page, SCREENS["risk"])
    sentence = "What stops the desk is its loss of the day: 612 of 1,000 so far, 61 %."
    until(
        lambda: sentence in text(page, "main"),
        what="why nothing stops at a value at risk above what a day may lose",
    )
    press(page, "Show all 11")
    until(lambda: text(page, "[aria-label=Limits] tbody").count("a/b") == 8, what="all limits")
    press(page, "Tighten…")
    say(page, "To", "200000")
    say(page, "Reason", "less of it")
    press(page, "Tighten", "dialog")
    answered(page, "today: limits")
    changes = {"agents.ppo.gross_value": 200000}
    assert app.state.asked[-1] == (
        "limits",
        {"desk": "today", "changes": changes, "reason": "less of it"},
    )


def test_a_decision_says_why(page: Any) -> None:
    show(page, SCREENS["orders"])
    press(page, "Why?", "tr[data-id=CSCO-000-ppo]")
    until(lambda: "It took 3 lots." in text(page, "dialog"), what="why")
    assert "10.500" in text(page, "dialog")


def test_a_viewer_may_press_nothing_that_changes(page: Any, address: str) -> None:
    page.delete_all_cookies()
    log_in(page, f"{address}?viewer", "viewer")
    asks = (
        "return [...document.querySelectorAll('button')].filter((b) => b.innerText.endsWith('…'))"
    )
    for name in ("agent", "orders", "risk", "alerts"):
        show(page, SCREENS[name])
        assert (
            page.execute_script(f"{asks}.filter((b) => !b.disabled).map((b) => b.innerText)") == []
        ), name
        assert "needs trader" in text(page, "#head"), name
        assert ("needs risk" if name == "risk" else "needs trader") in text(page, "main"), name


# -- the past, and what goes wrong ------------------------------------------------------------------------------------


def test_the_past_is_unmistakable_and_nothing_can_be_done_in_it(page: Any) -> None:
    at = START["today"] + 5 * MINUTE
    show(page, f"#/orders?desk=today&at={at}")
    assert "As it was at" in text(page, ".pastbanner")
    enabled = "return [...document.querySelectorAll('main .acts :enabled')].map((b) => b.innerText)"
    assert set(page.execute_script(enabled)) == {"Why?"}
    assert page.execute_script("return document.querySelector('#head .danger').matches(':enabled')")
    show(page, f"#/alerts?desk=today&at={at}")
    assert "No alert, up to" in text(page, ".answer")
    press(page, "Back to live")
    until(lambda: "2 of 2 alerts" in text(page, ".answer"), what="live")
    assert "at=" not in page.current_url


def test_the_slider_goes_to_a_minute_of_the_journal(page: Any) -> None:
    show(page, SCREENS["market"])
    until(lambda: page.find_elements("css selector", ".timebar input"), what="a slider")
    page.find_element("css selector", ".timebar input").send_keys("\ue012" * 3)
    until(lambda: "As it was at" in text(page, ".pastbanner"), what="the past")


def test_the_market_of_the_past_is_never_the_live_one(page: Any) -> None:
    show(page, SCREENS["market"])
    ladder = ".market section:nth-of-type(2) h2 small"
    until(lambda: ":" in text(page, ladder), what="a ladder")
    page.execute_script("location.hash = arguments[0]", SCREENS["past"])
    until(lambda: "As it was at" in text(page, ".pastbanner"), what="the past")
    live = text(page, "#head .clock b")
    seen = "return ['.pastbanner strong', arguments[0]].map((one) => document.querySelector(one)?.innerText)"
    found = page.execute_script(seen, ladder)[1]
    assert not found or found != live, "nothing, or what was"
    until(
        lambda: (pair := page.execute_script(seen, ladder))[1] and pair[1] in pair[0],
        what="the ladder as it was",
    )


def test_an_identity_provider_is_offered_where_there_is_one(page: Any, address: str) -> None:
    page.delete_all_cookies()
    page.get(f"{address}?way")
    until(
        lambda: page.find_elements("css selector", "main a[href='/oidc']"),
        what="the provider's way in",
    )


def test_a_desk_that_dies_while_its_page_is_open_is_said(page: Any, app: Any) -> None:
    app.state.stopped = True
    until(
        lambda: "today has stopped while you watched." in text(page, "[role=alert]"), what="a death"
    )
    assert "not running" in text(page, "#head")


def test_a_console_that_does_not_answer_is_said(browser: Any) -> None:
    with serving(create_app()) as there:
        browser.get(there)
        browser.delete_all_cookies()
        log_in(browser, there)
    until(lambda: "The console does not answer." in text(browser, "[role=alert]"), what="a silence")


def test_a_browser_without_event_streams_polls(browser: Any, address: str, app: Any) -> None:
    script = {"source": "delete window.EventSource; delete window.WebSocket;"}
    made = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        browser.delete_all_cookies()
        log_in(browser, f"{address}?polling")
        show(browser, SCREENS["orders"])
        assert "no event stream" in str(
            browser.find_element("css selector", "#head .clock").get_attribute("title")
        )
        app.state.ns["today"] += MINUTE
        until(lambda: "11:41:00" in text(browser, "#head .clock"), what="a minute later")
    finally:
        app.state.ns["today"] -= MINUTE
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


# -- craft ------------------------------------------------------------------------------------------------------------


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


def test_the_first_page_is_small_and_asks_nobody_else(page: Any, address: str) -> None:
    script = (
        "return performance.getEntriesByType('resource').map((e) => [e.name, e.decodedBodySize])"
    )
    seen = page.execute_script(script)
    assert all(name.startswith(address) or name.startswith("data:") for name, _ in seen)
    static = [size for name, size in seen if "/static/" in name]
    assert len(static) == 2
    assert sum(static) < 300_000
    assert sum(size for _, size in seen[:12]) < 600_000
    said = [line["message"] for line in page.get_log("browser") if line["level"] == "SEVERE"]
    assert [
        line for line in said if "401" not in line and "ERR_" not in line and "409" not in line
    ] == []


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


def test_a_request_has_the_walls_clock_and_says_so(page: Any) -> None:
    show(page, "#/people?desk=drill")
    assert "Wed 25 Nov 11:30:00" in text(page, "[aria-label='Waits for a second person'] tbody")
    show(page, "#/people?desk=today")
    assert text(page, "[aria-label='Waits for a second person'] tbody").startswith("11:30:00")


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Any, width: int, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: npm ci --ignore-scripts --prefix web")
    found = {}
    for name, hash_ in SCREENS.items():
        look(page, width, scheme)
        show(page, hash_)
        page.execute_script(AXE.read_text(encoding="utf-8"))
        run = "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then((r) => done(r.violations))"
        for one in page.execute_async_script(run):
            if one["impact"] in ("serious", "critical"):
                where = [
                    (node["html"][:160], node["failureSummary"][:200]) for node in one["nodes"]
                ]
                found[f"{name}: {one['id']}"] = where[:3]
    assert found == {}, json.dumps(found, indent=1)
