"""Acts of one person: each answers with what the desk did; a kill waits for nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from httpx import Client
from tests.api.console.conftest import Place, listening, placed
from tests.desk.console.desks import PASSWORD, ListedDesk
from tests.waiting import until

from tercel.api.console import connected
from tercel.core.errors import JournalError, OrderError
from tercel.core.orders import NewOrder, Tif
from tercel.core.ports import Entry
from tercel.desk.console.report_base import LatchPart
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.store import SqlJournal


def kill(place: Place, status: int = 200, **body: Any) -> Any:
    said = place.of("trader").post("/api/kill", json={"reason": "prices look wrong", **body})
    assert said.status_code == status, said.text
    return said.json()


LATCH = {"by": "trader (password)", "reason": "prices look wrong"}


def test_a_kill_says_what_the_desk_did_and_bears_the_name(place: Place) -> None:
    done = ["test desk: ppo killed, nothing open at the venue"]
    assert kill(place, scope="agent", name="ppo") == {"done": done, "not_done": []}
    assert place.desk.latch == LatchPart(scope="ppo", **LATCH)
    assert place.desk.posted == [("kill", {"agents": ["ppo"]}, *LATCH.values())]
    said = kill(place, scope="agent", name=["ppp", "ppo"], desk="test desk")
    assert len(said["done"]) == 1, "what exists is killed whatever else was named"
    assert said["not_done"] == [{"what": "kill agent ppp", "why": "unknown; try 'ppo'"}]
    assert place.other.latch is None


def test_a_kill_of_nobody_is_404_and_of_a_desk_or_all_is_whole(place: Place) -> None:
    kill(place, 404, scope="agent", name="nobody", desk="test desk")
    kill(place, 404, scope="desk", name="nowhere")
    kill(place, 404, scope="agent", name="ppo", desk="nowhere")
    kill(place, 422, scope="agent")
    assert place.desk.latch is place.other.latch is None
    kill(place, scope="desk", name="test desk")
    assert place.desk.latch == LatchPart(scope="all", **LATCH)
    assert place.other.latch is None
    kill(place, scope="all")
    assert place.other.latch == LatchPart(scope="all", **LATCH)
    kill(place, scope="agent", name="stranger", desk="quiet")
    assert place.other.latch == LatchPart(scope="stranger", **LATCH), "whose agents nobody knows"


def test_a_kill_needs_no_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise JournalError("a journal", "a damaged one", "look at it")

    for name in ("journal_position", "read", "post"):
        monkeypatch.setattr(place.desk, name, fails)
        place.desk.latch = None
        assert "ppo" in kill(place, scope="agent", name="ppo", desk="test desk")["done"][0]
        assert place.desk.latch is not None


def test_a_latch_that_cannot_be_made_durable_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(connected, "LATCHED_S", 0.1)  # no venue speaks of an order here
    monkeypatch.setattr(place.desk, "kill", full)
    why = {"what": "kill test desk durably", "why": "[Errno 28] No space left on device"}
    assert kill(place, scope="all")["not_done"] == [why]
    assert place.other.latch is not None, "the other desk is stopped all the same"


def test_a_kill_waits_for_no_other_act(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty acts that wait for their desk take all threads for acts, and none of a kill's."""
    answered, asked = threading.Event(), list[int]()

    def waits(*_: object) -> Entry:
        asked.append(1)
        answered.wait(300)
        return Entry(kinds.PARENT, 1, "AAA", "ppo", "p1", body={"event": "paused"})

    monkeypatch.setattr(place.desk, "ask", waits)
    client, name = place.outside, {"name": "trader", "password": PASSWORD}
    client.headers["x-csrf"] = client.post("/api/login", json=name).json()["csrf"]
    pause = {"desk": "test desk", "reason": "x"}
    with ThreadPoolExecutor(60) as acts:
        for _ in range(60):
            acts.submit(client.post, "/api/parents/p1/pause", json=pause)
        until(lambda: len(asked) >= 40, what="all threads taken")
        client.post("/api/kill", json={"scope": "all", "reason": "now"}).raise_for_status()
        assert place.desk.latch is not None
        answered.set()


@pytest.mark.parametrize(
    ("path", "body", "posted"),
    [
        ("parents/p1/pause", {}, ("pause", {"parent": "p1"})),
        ("parents/p1/resume", {}, ("resume", {"parent": "p1"})),
        ("parents/p1/cancel", {}, ("cancel", {"parent": "p1"})),
        ("parents/p1/amend", {"qty": 70}, ("amend", {"parent": "p1", "lots": 70})),
        ("parents/p1/amend", {"minutes": 2}, ("amend", {"parent": "p1", "horizon_ns": 120 * 10**9})),
        ("parents/p1/amend", {"limit_price": "none"}, ("amend", {"parent": "p1", "limit_price": "none"})),
        ("agents/ppo/pause", {}, ("pause_agent", {"agent": "ppo"})),
        ("agents/ppo/resume", {}, ("resume_agent", {"agent": "ppo"})),
        ("parents/p1/take_over", {}, ("take_over", {"parent": "p1"})),
        ("parents/p1/give_back", {}, ("give_back", {"parent": "p1"})),
        ("parents/p1/withdraw", {}, ("withdraw", {"parent": "p1", "order": None})),
        ("parents/p1/withdraw", {"order": "p1.7"}, ("withdraw", {"parent": "p1", "order": "p1.7"})),
    ],
)  # fmt: skip
def test_a_persons_word_reaches_the_desk_with_the_name(
    place: Place, path: str, body: dict[str, Any], posted: tuple[str, dict[str, Any]]
) -> None:
    said = place.post("trader", path, **{"reason": "news  are\ndue", **body})
    assert place.desk.posted == [(*posted, "trader (password)", "news are due")]
    assert said["done"][0].startswith(
        ("test desk: p1", "test desk: paused ppo", "test desk: resumed ppo")
    )


def test_a_parent_or_an_agent_of_any_name_can_be_acted_on(tmp_path: Path, made: Path) -> None:
    place = placed(tmp_path, made)
    names = ("a/b", "/pause", "50%2F", "a/../b", "pause/pause", "x?y#z", "BTC/USD:USD-001-ppo")
    body = {
        "event": "accepted",
        "side": 1,
        "lots": 50,
        "horizon_ns": 10**12,
        "decisions": 20,
        "strategy": "x",
    }
    place.desk.entries += [
        Entry(kinds.PARENT, 20 * 10**9, "AAA", name, name, body=body) for name in names
    ]
    with listening(place.app) as port, Client(base_url=f"http://127.0.0.1:{port}/api/") as client:
        login = client.post("login", json={"name": "trader", "password": PASSWORD}).json()
        headers = {"x-csrf": login["csrf"]}
        until(lambda: set(names) <= place.served["test desk"].agents(), what="the parents")
        for name, (road, verb, command, key) in product(
            names,
            (
                ("parents", "pause", "pause", "parent"),
                ("parents", "take_over", "take_over", "parent"),
                ("agents", "pause", "pause_agent", "agent"),
            ),
        ):
            there = f"{road}/{quote(name, '')}/{verb}"
            said = client.post(there, json={"desk": "test desk", "reason": "news"}, headers=headers)
            assert said.status_code == 200, said.text
            assert place.desk.posted[-1][:2] == (command, {key: name})


def test_a_parent_is_submitted_in_whole_lots_to_who_has_most_of_the_flow(place: Place) -> None:
    body = {
        "instrument": "AAA",
        "side": "sell",
        "qty": 12,
        "minutes": 5,
    }
    said = place.post("trader", "parents", **body, limit_price="25bps")
    ((command, posted, by, _),) = place.desk.posted
    assert (command, by) == ("submit", "trader (password)")
    assert posted.pop("id").startswith("peg-")
    assert posted == {
        "instrument": "AAA", "lots": 12, "side": -1, "horizon_ns": 300 * 10**9, "agent": "peg", "limit_price": "25bps",
    }  # fmt: skip
    assert "accepted: sell 12 lots of AAA, limit 25bps" in said["done"][0]
    place.post("trader", "parents", 409, **body | {"qty": 1.5})
    place.post("trader", "parents", 404, **body, agent="pgg")
    unnamed = place.post("trader", "parents", 422, **body, id="..")
    assert "no address can name it" in unnamed["received"]


def test_who_resumes_an_agent_is_told_what_of_it_waits_and_who_paused_it(place: Place) -> None:
    paused = {"event": "paused", "reason": "bob (password): too wide"}
    place.desk.entries.append(Entry(kinds.PARENT, 20 * 10**9, "AAA", "ppo", "p1", body=paused))
    until(lambda: place.get("orders")["parents"][0]["status"] == "paused", what="the pause")
    said = place.post("trader", "agents/ppo/resume")["done"]
    assert said[1:] == ["test desk: paused until each is resumed: p1 (bob (password): too wide)"]


@pytest.mark.parametrize(
    ("command", "stays"), [("order", False), ("promote", False), ("cancel", True)]
)
def test_what_a_desk_that_hangs_has_not_answered_is_taken_back_unless_it_is_careful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, stays: bool
) -> None:
    monkeypatch.setattr(connected, "ANSWER_S", 0.1)
    journal = SqlJournal(tmp_path, "a desk that hangs")
    journal.append([Entry(kinds.SESSION, 1, body={"session": 1, "venue": "x", "holder": "t"})])
    desk = connected.RemoteDesk(tmp_path, lambda: 1)
    if stays:
        assert desk.ask(command, {"parent": "p1"}, "ann", "news") is None
    else:
        with pytest.raises(OrderError, match="taken back"):
            desk.ask(command, {"parent": "p1"}, "ann", "news")
    assert len(journal.take_inbox(2)) == stays
    journal.close()


def test_what_the_desk_says_no_to_is_409_in_its_words(place: Place) -> None:
    place.desk.says_no = "a parent that is over"
    words = {"expected": "something else", "remedy": "ask for that"}
    said = place.post("trader", "parents/p1/pause", 409)
    assert said == words | {"received": "a parent that is over"}
    place.desk.ask = lambda *_: None  # type: ignore[method-assign,assignment]
    assert "no answer" in place.post("trader", "parents/p1/pause", 409)["received"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("parents/none/pause", 404),
        ("agents/nobody/pause", 404),
        ("agents/nobody/resume", 404),
        ("parents/none/take_over", 404),
        ("parents/none/give_back", 404),
        ("parents/none/withdraw", 404),
        ("alerts/1/acknowledge", 404),
        ("alerts/999/acknowledge", 404),
        ("parents/p1/amend", 422),
    ],
)
def test_what_is_not_there_is_said(shared: Place, path: str, status: int) -> None:
    word = {"note": "x"} if "alerts" in path else {"reason": "x"}
    for desk, told in (("test desk", status), ("gone", 404)):
        said = shared.of("trader").post(f"/api/{path}", json={"desk": desk, **word})
        assert said.status_code == told, said.text
        assert set(said.json()) == {"expected", "received", "remedy"}
    assert shared.desk.posted == []


def test_an_alert_is_owned_by_who_says_so(place: Place) -> None:
    seq = next(n for n, one in enumerate(place.desk.entries, 1) if one.kind == kinds.ALERT)
    body = {"desk": "test desk", "note": "mine"}
    said = place.of("trader").post(f"/api/alerts/{seq}/acknowledge", json=body)
    assert said.json()["done"] == [f"test desk: alert {seq} is owned by trader (password)"]
    assert place.desk.posted == [("own_alert", {"alert": seq}, "trader (password)", "mine")]


def test_an_alert_of_the_gate_is_owned_at_the_gate(place: Place) -> None:
    said = {"severity": "critical", "code": "unwatched", "text": "its session is gone"}
    place.desk.wall = ListedDesk([Entry(kinds.ALERT, 9 * 10**9, agent="ppo", body=said)], "gate")
    place.served["test desk"].follower.poll_gate()
    client, body = place.of("trader"), {"desk": "test desk", "note": "mine", "gate": True}
    assert client.post("/api/alerts/1/acknowledge", json=body).json()["done"] == [
        "the gate of test desk: alert 1 is owned by trader (password)"
    ]
    assert place.desk.wall.posted == [("own_alert", {"alert": 1}, "trader (password)", "mine")]
    assert place.desk.posted == []
    for alert, desk in ((2, "test desk"), (1, "quiet")):
        there = f"/api/alerts/{alert}/acknowledge"
        assert client.post(there, json=body | {"desk": desk}).status_code == 404


@pytest.mark.parametrize("at_gate", [False, True])
def test_an_alert_is_the_first_ones_who_takes_it_and_the_second_is_told(
    place: Place, at_gate: bool
) -> None:
    where = ListedDesk([], "gate") if at_gate else place.desk
    place.desk.wall = where if at_gate else None
    gone = {"severity": "critical", "code": "GAP", "text": "gone"}
    where.entries.append(Entry(kinds.ALERT, 20 * 10**9, agent="ppo", body=gone))
    path, seq = "/api/alerts/{}/acknowledge", len(where.entries)
    body = {"desk": "test desk", "note": "mine", "gate": at_gate}
    asked = where.ask

    def raced(command: str, about: Any, by: str, reason: str) -> Entry | None:
        """Somebody at another console is a moment earlier."""
        for who in ("eve (password)", by):
            where.entries.append(
                Entry(
                    kinds.OPERATOR,
                    21 * 10**9,
                    body={"command": command, "body": about, "by": who, "reason": "x"},
                )
            )
        return asked(command, about, by, reason)

    where.ask = raced  # type: ignore[method-assign]
    for who in ("trader", "risk"):
        said = place.of(who).post(path.format(seq), json=body)
        assert (said.status_code, said.json()["received"]) == (409, f"{seq}, eve (password)'s")
    assert len(where.posted) == 1, "nothing is asked of a desk whose alert is somebody's"
    assert place.of("eve").post(path.format(seq), json=body).status_code == 200


def test_an_alert_of_another_desks_agent_is_none_of_this_ones(place: Place) -> None:
    said = {"severity": "critical", "code": "unwatched", "text": "its session is gone"}
    place.desk.wall = ListedDesk([Entry(kinds.ALERT, 9 * 10**9, agent="cy", body=said)], "gate")
    told = {"session": 2, "resume": True, "gate": {"journal": "/wall", "accounts": ["ppo", "peg"]}}
    place.desk.entries.append(Entry(kinds.SESSION, 20 * 10**9, body=told))
    until(
        lambda: place.served["test desk"].follower.query(lambda state: state.session.get("gate")),
        what="the session",
    )
    body = {"desk": "test desk", "note": "mine", "gate": True}
    assert place.of("admin").post("/api/alerts/1/acknowledge", json=body).status_code == 404
    assert place.desk.wall.posted == []


def test_a_quote_has_costs_with_intervals_and_what_speaks_against(place: Place) -> None:
    place.desk.entries += [
        Entry(kinds.MARKET, 20 * 10**9, "AAA", body={"bid": 999, "ask": 1001}),
        Entry(
            kinds.SESSION, 20 * 10**9,
            body={"session": 2, "resume": True, "listings": {"AAA": {"tick": 0.01, "lot": 10, "currency": "USD"}}},
        ),
        Entry(
            kinds.HEARTBEAT, 20 * 10**9,
            body={"limits": {"agents": {"peg": {"long_lots": [95, 100], "gross_value": [0.0, 500.0]}}}},
        ),
    ]  # fmt: skip
    body = {"desk": "test desk", "instrument": "AAA", "side": "buy", "qty": 100}
    quote = lambda: place.of("trader").post("/api/parents/quote", json=body).json()  # noqa: E731
    until(lambda: quote().get("value") is not None, what="a price")
    said = quote()
    assert said["value"] == pytest.approx(1000.0)
    first, last = said["by_strategy"]
    assert (first["agent"], first["strategy"], first["parents"], first["currency"]) == (
        "peg",
        "peg_behind",
        4,
        "USD",
    )
    assert first["bps"]["mean"] == 3.5
    assert first["bps"]["low"] < 3.5 < first["bps"]["high"]
    assert first["money"]["mean"] == pytest.approx(0.35)
    assert first["against"] == [
        "peg: long lots 95 + 10 of 100",
        "peg: gross value 0 + 1,000 of 500",
    ]
    assert last["bps"] == {"mean": None, "low": None, "high": None}
    assert place.desk.posted == []


@pytest.fixture
def reported(place: Place) -> dict[str, str]:
    """What the venue reports of the order `p1.7` as soon as the desk has answered."""
    said = {"what": "report", "cl_ord_id": "p1.7", "orig": "", "exec_type": "trade", "status": "filled", "text": ""}  # fmt: skip
    asked = place.desk.ask

    def answers(command: str, body: Any, by: str, reason: str) -> Any:
        found = asked(command, body, by, reason)
        place.desk.entries.append(
            Entry(kinds.REPORT_IN, 20 * 10**9, "AAA", "ppo", "p1", "p1.7", body=said)
        )
        return found

    place.desk.ask = answers  # type: ignore[method-assign]
    return said


def test_an_order_by_hand_says_what_became_of_it(place: Place, reported: dict[str, str]) -> None:
    done = place.post("trader", "parents/p1/orders", qty=5)["done"]
    assert done == ["test desk: p1: p1.7, buy 5 AAA at the market: filled"]
    reported |= {"status": "rejected", "text": "no such market"}
    refused = {"what": "test desk: p1: p1.7, buy 5 AAA at 10.5", "why": "rejected: no such market"}
    told = place.post("trader", "parents/p1/orders", qty=5, limit_price=10.5)
    assert told == {"done": [], "not_done": [refused]}
    command, body, by, reason = place.desk.posted[-1]
    assert (command, by, reason) == ("order", "trader (password)", "news")
    assert body == {"parent": "p1", "lots": 5, "limit_price": 10.5}


@pytest.mark.parametrize(
    ("path", "body", "posted", "done"),
    [
        ("parents/p1/quotes", {"qty": 30, "dealers": ["A", "B"], "seconds": 20.0},
         ("request_quotes", {"parent": "p1", "lots": 30, "dealers": ["A", "B"], "seconds": 20.0}), "r9 requested: A, B"),
        ("quotes/r1%2Fx/pass", {"quotes": ["q1"]}, ("pass_quotes", {"request": "r1/x", "quotes": ["q1"]}),
         "r1/x passed: q1"),
        ("quotes/r1/pass", {}, ("pass_quotes", {"request": "r1", "quotes": []}), "r1 passed: all"),
    ],
)  # fmt: skip
def test_dealers_are_asked_and_quotes_are_passed(
    place: Place, path: str, body: dict[str, Any], posted: tuple[str, dict[str, Any]], done: str
) -> None:
    told = place.post("trader", path, **body)
    assert told == {"done": [f"test desk: {done}"], "not_done": []}
    assert place.desk.posted == [(*posted, "trader (password)", "news")]


@pytest.mark.parametrize(("status", "text"), [("filled", ""), ("rejected", "last look")])
def test_who_takes_a_quote_is_told_what_became_of_it(
    place: Place, reported: dict[str, str], status: str, text: str
) -> None:
    reported |= {"status": status, "text": text}
    told = place.post("trader", "quotes/r1/accept", quote="q1")
    what = "test desk: r1: q1 taken by p1.7"
    done = {"done": [f"{what}: filled"], "not_done": []}
    refused = {"done": [], "not_done": [{"what": what, "why": "rejected: last look"}]}
    assert told == (refused if text else done)
    asked_for = {"request": "r1", "quote": "q1"}
    assert place.desk.posted == [("accept_quote", asked_for, "trader (password)", "news")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("parents/p1/quotes", {"qty": 0, "dealers": ["A"], "seconds": 9}),
        ("parents/p1/quotes", {"qty": 5, "dealers": "A", "seconds": 9}),
        ("parents/p1/quotes", {"qty": 5, "dealers": ["A\x00"], "seconds": 9}),
        ("parents/p1/quotes", {"qty": 5, "dealers": ["A"], "seconds": 1e9}),
        ("parents/p1/quotes", {"qty": 5, "dealers": ["A"]}),
        ("quotes/r1/accept", {}),
        ("quotes/r1/accept", {"quote": ""}),
        ("quotes/r1/pass", {"quotes": [1]}),
        ("quotes/r1/pass", {"quote": "q1"}),
        *(
            ("parents/p1/orders", more)
            for more in (
                *(
                    {"qty": 0},
                    {"qty": -1},
                    {"qty": "5"},
                    {"qty": None},
                    {"qty": 5, "limit_price": 0},
                ),
                *(
                    {"qty": 5, "price": 1},
                    {"qty": 5, "limit_price": "25bps"},
                    {"qty": 5, "reason": " "},
                    {},
                ),
                *({"qty": 5, "reason": "x" * 10_000}, {"qty": 5, "reason": "a\u202eb"}),
            )
        ),
    ],
)
def test_what_is_of_another_shape_reaches_nobody(
    shared: Place, path: str, body: dict[str, Any]
) -> None:
    shared.post("trader", path, 422, **body)
    assert shared.desk.posted == []


def test_a_new_parent_goes_to_an_agent_that_takes_any(place: Place) -> None:
    body = {"instrument": "AAA", "side": "buy", "qty": 5}

    def held(*agents: str) -> None:
        said = {"event": "paused", "by": "ann", "reason": "news", "parents": []}
        place.desk.entries += [
            Entry(kinds.HOLD, 20 * 10**9, agent=agent, body=said) for agent in agents
        ]

    def row(agent: str) -> Any:
        return next(one for one in place.get("agents") if one["agent"] == agent)

    held("peg")
    until(lambda: row("peg")["state"] == "paused", what="the pause")
    assert row("peg")["reason"] == "ann: news"
    assert row("peg")["share"] == {"AAA": 0.0}
    assert row("ppo")["share"] == {"AAA": 1.0}
    place.post("trader", "parents", **body)
    assert place.desk.posted[-1][1]["agent"] == "ppo"
    quote = place.of("trader").post("/api/parents/quote", json=body | {"desk": "test desk"})
    quoted = quote.json()
    assert {one["agent"]: one["against"] for one in quoted["by_strategy"]}["peg"] == [
        "peg is paused by ann: news"
    ]
    held("ppo")
    until(lambda: row("ppo")["state"] == "paused", what="the pause")
    said = place.post("trader", "parents", 409, **body)
    assert said["received"] == "peg, ppo: each is killed or paused"


def test_what_a_person_did_by_hand_is_told_and_no_agent_is_judged_by_it(place: Place) -> None:
    order = NewOrder("p1.2", "AAA", 1, 10, 1000, Tif.DAY, "ppo", "p1", 20 * 10**9)
    where = (20 * 10**9, "AAA", "ppo", "p1")
    place.desk.entries += [
        Entry(kinds.PARENT, *where, body={"event": "taken_over", "by": "ann (password)", "reason": "news"}),
        Entry(
            kinds.PARENT, *where,
            body={"event": "ordered", "by": "ann (password)", "order": "p1.2", "hand": {"lots": 10, "price": 1000}},
        ),
        entry_out(order),
        Entry(kinds.FEEDBACK, *where, body={"is_bps": 900.0, "filled": 50, "notional": 500.0, "by_hand": 0}),
    ]  # fmt: skip
    until(lambda: place.get("orders")["parents"][0]["hand"] != "", what="the hand")
    told = place.get("orders?desk=test desk")
    (parent,) = [one for one in told["parents"] if one["id"] == "p1"]
    assert (parent["status"], parent["hand"], parent["by_hand"]) == (
        "by hand",
        "ann (password)",
        0.0,
    )
    assert {one["id"]: one["by_hand"] for one in told["orders"]} == {
        "c1": "",
        "p1.2": "ann (password)",
    }
    (ppo,) = [one for one in place.get("agents") if one["agent"] == "ppo"]
    assert (ppo["is_bps"], ppo["parents"]) == (None, 0)


@pytest.mark.long
def test_while_a_long_journal_is_read_kills_pauses_and_cancels_go_and_nothing_else(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = placed(tmp_path, made)
    quiet = Entry(kinds.DRIFT, 5 * 10**9, "AAA", "ppo", body={"state": "steady", "text": ""})
    late = Entry(
        kinds.FEEDBACK,
        6 * 10**9,
        "AAA",
        "late",
        "p9",
        body={"is_bps": 2.0, "filled": 50, "notional": 500.0},
    )
    found.desk.entries += [*[quiet] * 6000, late]
    read, upto = found.desk.read, [20]

    def begun(after: int = 0, kinds: Any = (), until: int = 2**62) -> Any:
        return read(after, kinds, until if kinds else min(until, upto[0]))

    monkeypatch.setattr(found.desk, "read", begun)
    follower = found.served["test desk"].follower
    with found.outside:
        assert found.state["reading"]["text"] == "reading the journal, 0 %"
        alert = {"desk": "test desk", "note": "x"}
        refused = [
            found.of("trader").post("/api/alerts/12/acknowledge", json=alert).json(),
            found.post("trader", "parents/p1/amend", 409, qty=1),
            found.post("trader", "parents/p1/take_over", 409),
            found.post("risk", "limits", 409, changes={"all.order_lots": 1}),
            found.post("risk", "agents/ppo/promote", 409),
        ]
        assert {one["received"] for one in refused} == {"0 % of it"}
        assert found.desk.posted == []
        for path in ("agents/late/pause", "parents/p9/pause", "parents/p9/cancel"):
            found.post("trader", path)
        kill(found, scope="agent", name=["ppo", "late"])
        assert found.desk.latch == LatchPart(scope="ppo, late", **LATCH)

        upto[0] = len(found.desk.entries)
        until(lambda: follower.read_share == 1.0)
        kill(found, 404, scope="agent", name="nobody", desk="test desk")
        found.post("trader", "agents/nobody/pause", 404)
        found.post("trader", "parents/p8/cancel", 404)


def test_a_journal_that_cannot_be_read_on_is_not_waited_for(tmp_path: Path, made: Path) -> None:
    found = placed(tmp_path, made)
    quiet = Entry(kinds.DRIFT, 5 * 10**9, "AAA", "ppo", body={"state": "steady", "text": ""})
    found.desk.entries += [
        Entry(kinds.SHARE, 5 * 10**9, "AAA", body={"shares": 5}),
        *[quiet] * 6000,
    ]
    with found.outside:
        until(lambda: "is invalid" in found.served["test desk"].follower.fault)
        found.post("trader", "parents/p1/amend", qty=1)
        found.post("trader", "parents/p1/cancel")
        kill(found, scope="agent", name="late", desk="test desk")
