"""The console over HTTP as a browser without a session sees it, and what a whole state, why and metrics hold.

Who may do what is held by `tests/api/console`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from fastapi.testclient import TestClient
from tests.desk.console.desks import (
    PASSWORD,
    ListedDesk,
    S,
    Steady,
    a_session,
    people_of,
    served_by,
)
from tests.waiting import until

from tercel.api.console.web import create_app
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.console.operator_actions import operator_action
from tercel.desk.console.report import LatchPart
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds

DESK = "/api/desks/test%20desk"


@pytest.fixture
def desk() -> ListedDesk:
    return ListedDesk(a_session())


@pytest.fixture
def client(desk: ListedDesk, tmp_path: Path) -> Iterator[TestClient]:
    people = people_of(tmp_path, **{"Ann Lee": "risk"})
    served = served_by(tmp_path, desk, now_s=Steady(), wall_ns=lambda: 10**18)
    app = create_app(served, people, Steady(), token="of metrics")
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


def enter(client: TestClient, name: str = " Ann Lee ") -> None:
    said = client.post("/api/login", json={"password": PASSWORD, "name": name})
    assert said.status_code == 200, said.text
    assert said.json()["name"] == "Ann Lee"


@pytest.mark.parametrize(
    "path", ["state", "stream", "why/7", "at?ns=1", "chart/AAA", "book/AAA", "forecasts", "journal"]
)
def test_nothing_is_shown_to_strangers(client: TestClient, path: str) -> None:
    assert client.get(f"{DESK}/{path}").status_code == 401


@pytest.mark.parametrize("path", ["/", "/login"])
def test_the_page_is_for_everybody_says_nothing_and_is_kept_by_nobody(
    client: TestClient, path: str
) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "test desk" not in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"
    assert "http" not in response.text.replace("http-equiv", "")
    for name in ("app.js", "app.css", "licenses.txt"):
        assert client.get(f"/static/{name}").status_code == 200, name
    assert client.get("/static/index.html").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/state"),
        ("GET", "/stream"),
        ("GET", "/why/7"),
        ("POST", "/act/kill"),
        ("POST", "/login"),
    ],
)
def test_the_roads_of_the_page_before_are_gone(
    client: TestClient, desk: ListedDesk, method: str, path: str
) -> None:
    enter(client)
    data = {"target": "all", "reason": "x", "name": "Ann Lee", "password": PASSWORD}
    assert client.request(method, path, data=data if method == "POST" else None).status_code in (
        403,
        404,
        405,
    )
    assert desk.latch is None


@pytest.mark.parametrize(
    ("command", "body", "told"),
    [
        ("pause_agent", {"agent": "ppo"}, "asked to pause ppo"),
        ("take_over", {"parent": "p1"}, "asked to take over p1"),
        (
            "submit",
            {"id": "p1", "side": 1, "lots": 1200, "instrument": "AAA", "horizon_ns": 600 * 10**9, "agent": "ppo"},
            "requested p1: buy 1,200 lots of AAA, 10 min, by ppo",
        ),
        (
            "posture",
            {"agent": None, "words": {"size_multiplier": 0.5, "styles": 5}, "span_ns": 3600 * 10**9},
            "asked to set a manual risk state, size 50 %, styles join, take, 60 min for the desk",
        ),
        ("posture", {"agent": "ppo", "lift": True}, "asked to end the manual risk state for ppo"),
        ("limits", {"act": "tighten", "changes": {"desk.messages": "10"}}, "asked to tighten limits: desk.messages 10"),
        ("order", {"parent": "p1", "lots": 5, "limit_price": 9.5}, "asked to send a manual order of p1: 5 lots, limit 9.5"),
        ("submit", {"id": [], "side": {}}, "asked to submit"),
        ("amend", {"parent": "p1", "horizon_ns": 10**400}, "asked to amend p1"),
        ("limits", {"act": "tighten", "changes": [[1, 2]]}, "asked to limits"),
        ("posture", {"words": {"urgency": "x"}}, "asked to posture"),
        ("own_alert", {"alert": 7}, "took alert 7 as their own"),
    ],
)  # fmt: skip
def test_what_people_did_is_told_in_the_desks_words(
    command: str, body: dict[str, Any], told: str
) -> None:
    entry = Entry(
        kinds.OPERATOR, 1, body={"command": command, "body": body, "by": "ann", "reason": "x"}
    )
    action = operator_action(1, entry)
    assert (action.by, action.what, action.reason) == ("ann", told, "x")


@pytest.mark.parametrize(("agents", "shown"), [([], "all agents"), (["peg", "ppo"], "peg, ppo")])
def test_a_kill_of_all_does_not_name_an_empty_list(agents: list[str], shown: str) -> None:
    body = {"command": "kill", "body": {"agents": agents}, "by": "ann", "reason": "x"}
    assert operator_action(2, Entry(kinds.OPERATOR, 1, body=body)).what == f"asked to kill {shown}"


def test_state_is_the_fold_of_the_journal(client: TestClient) -> None:
    enter(client)
    state = client.get(f"{DESK}/state").json()
    agents = {agent["name"]: agent for agent in state["agents"]}
    assert agents["ppo"]["fills"] == 1  # the same execution twice counts once
    assert agents["ppo"]["lots"] == 20
    assert agents["ppo"]["drifting"]
    assert agents["peg"]["is_bps"] == 3.5
    assert agents["peg"]["half_bps"] == pytest.approx(3.182446 * 1.290994 / 2, rel=1e-5)
    parents = {parent["parent"]: parent for parent in state["parents"]}
    assert parents["p1"]["live"]
    assert parents["p1"]["filled"] == 20
    assert parents["p1"]["avg_price"] == 1000.0
    assert not parents["p2"]["live"]
    assert parents["p2"]["avg_price"] is None
    assert state["denials"] == {"COLLAR": 1}
    assert state["postures"]["AAA"]["reasons"] == ["depth thin: 0.4 of usual"]
    assert state["fault"] == ""


def test_an_alert_that_is_somebodys_says_whose(client: TestClient, desk: ListedDesk) -> None:
    enter(client)
    seq = next(n for n, one in enumerate(desk.entries, 1) if one.kind == kinds.ALERT)
    assert client.get("/api/desks").json()[0]["alerts"]["unowned"] == 1
    said = {
        "command": "own_alert",
        "body": {"alert": seq},
        "by": "bob (password)",
        "reason": "I look at it",
    }
    desk.entries.append(Entry(kinds.OPERATOR, 12 * S, body=said))
    until(lambda: client.get(f"{DESK}/state").json()["alerts"][0]["owner"], what="an owner")
    (alert,) = client.get(f"{DESK}/state").json()["alerts"]
    assert (alert["seq"], alert["owner"], alert["note"]) == (seq, "bob (password)", "I look at it")
    assert client.get("/api/desks").json()[0]["alerts"]["unowned"] == 0
    (before,) = client.get(f"{DESK}/at", params={"ns": 11 * S}).json()["alerts"]
    assert before["owner"] == ""


def test_why_is_of_decisions_alone(client: TestClient) -> None:
    enter(client)
    assert client.get(f"{DESK}/why/7").json()["sentences"] == ["It took 3 lots."]
    for other in (1, 10**30, -1):
        assert client.get(f"{DESK}/why/{other}").status_code == 404


def test_metrics_are_prometheus_text(client: TestClient, desk: ListedDesk) -> None:
    headers = {"authorization": "Bearer of metrics"}
    text = client.get("/metrics", headers=headers).text
    assert 'tercel_fills_total{agent="ppo",instrument="AAA"} 1.0' in text
    assert 'tercel_denials_total{agent="ppo",code="COLLAR"} 1.0' in text
    assert 'tercel_drifting{agent="ppo"} 1.0' in text
    assert "tercel_killed 0.0" in text
    desk.latch = LatchPart(scope="all", by="", reason="")
    assert "tercel_killed 1.0" in client.get("/metrics", headers=headers).text
    assert "c1" not in text


def test_a_state_without_entries_shows() -> None:
    assert to_jsonable(DeskState().report())["agents"] == []
