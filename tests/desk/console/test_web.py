"""The console over HTTP: who gets in, what is shown, what can be done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from fastapi.testclient import TestClient
from tests.desk.console.desks import PASSWORD, ListedDesk, Steady, a_session, people_of, served_by

from tercel.api.console.web import create_app
from tercel.core.ports import Entry
from tercel.desk.console.state import DeskState, operator_text
from tercel.desk.trading.journal import kinds


@pytest.fixture
def desk() -> ListedDesk:
    return ListedDesk(a_session())


@pytest.fixture
def client(desk: ListedDesk, tmp_path: Path) -> Iterator[TestClient]:
    people = people_of(tmp_path, **{"Ann Lee": "risk", "bob": "risk"})
    served = served_by(tmp_path, desk, now_s=Steady(), wall_ns=lambda: 10**18)
    app = create_app(served, people, Steady(), token="of metrics")
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


def enter(client: TestClient, name: str = " Ann Lee ") -> str:
    assert client.post("/login", data={"password": PASSWORD, "name": name}).status_code == 303
    return client.get("/").text.split('name="csrf" content="')[1].split('"')[0]


@pytest.mark.parametrize("path", ["/state", "/stream", "/why/7"])
def test_nothing_is_shown_to_strangers(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("verb", ["kill", "rearm", "pause", "promote"])
def test_strangers_and_forged_requests_change_nothing(client: TestClient, desk: ListedDesk, verb: str) -> None:
    data = {"target": "p1", "reason": "x"}
    assert client.post(f"/act/{verb}", data=data).status_code == 401
    enter(client)
    assert client.post(f"/act/{verb}", data=data).status_code == 403
    assert client.post(f"/act/{verb}", data=data, headers={"x-csrf": "guess"}).status_code == 403
    assert desk.latch is None
    assert desk.posted == []


def test_kill_and_rearm_ask_for_a_reason(client: TestClient, desk: ListedDesk) -> None:
    headers = {"x-csrf": enter(client)}
    assert client.post("/act/kill", data={"target": "all", "reason": "  "}, headers=headers).status_code == 409
    assert desk.latch is None
    assert client.post("/act/kill", data={"target": "all", "reason": "test"}, headers=headers).status_code == 200
    assert desk.latch == {"scope": "all", "by": "Ann Lee (password)", "reason": "test"}
    assert client.get("/state").json()["latch"]["reason"] == "test"
    said = client.post("/act/rearm", data={"reason": "over"}, headers=headers)
    assert said.status_code == 200
    assert "a second person" in said.json()["said"]
    assert desk.latch is not None
    (request,) = client.get("/api/requests").json()
    assert request["id"] in said.json()["said"]
    confirm = f"/api/requests/{request['id']}/confirm"
    assert client.post(confirm, json={"reason": "x"}, headers=headers).status_code == 403
    headers = {"x-csrf": enter(client, "bob")}
    assert client.post(confirm, json={"reason": "x"}, headers=headers).status_code == 200
    assert desk.latch is None


def test_words_for_the_desk_go_to_its_inbox(client: TestClient, desk: ListedDesk) -> None:
    headers = {"x-csrf": enter(client)}
    for verb in ("pause", "resume", "cancel"):
        bare = client.post(f"/act/{verb}", data={"target": "p1", "reason": " "}, headers=headers)
        assert bare.status_code == 409
        assert "a reason" in bare.json()["said"]
        said = {"target": "p1", "reason": f"{verb} it"}
        assert client.post(f"/act/{verb}", data=said, headers=headers).status_code == 200
    assert client.post("/act/promote", data={"target": "ppo", "reason": "x"}, headers=headers).status_code == 409
    assert client.post("/act/pause", data={"reason": "x"}, headers=headers).status_code == 409
    assert client.post("/act/drop", data={"target": "p1", "reason": "x"}, headers=headers).status_code == 404
    assert [(command, body) for command, body, _, _ in desk.posted] == [
        ("pause", {"parent": "p1"}),
        ("resume", {"parent": "p1"}),
        ("cancel", {"parent": "p1"}),
    ]
    assert [reason for *_, reason in desk.posted] == ["pause it", "resume it", "cancel it"]
    assert {by for *_, by, _ in desk.posted} == {"Ann Lee (password)"}


def test_who_gives_no_name_is_nobody(client: TestClient) -> None:
    assert client.post("/login", data={"password": PASSWORD}).status_code == 401
    assert client.post("/login", data={"password": PASSWORD, "name": "somebody"}).status_code == 401


@pytest.mark.parametrize(("agents", "shown"), [([], "all agents"), (["peg", "ppo"], "agents peg, ppo")])
def test_a_kill_of_all_does_not_name_an_empty_list(agents: list[str], shown: str) -> None:
    body = {"command": "kill", "body": {"agents": agents}, "by": "ann", "reason": "x"}
    assert operator_text(Entry(kinds.OPERATOR, 1, body=body))["what"] == f"asked for: kill {shown}"


def test_state_is_the_fold_of_the_journal(client: TestClient) -> None:
    enter(client)
    state = client.get("/state").json()
    agents = {agent["name"]: agent for agent in state["agents"]}
    assert agents["ppo"]["fills"] == 1  # the same execution twice counts once
    assert agents["ppo"]["lots"] == 20
    assert agents["ppo"]["drifting"]
    assert agents["peg"]["is_bps"] == 3.5
    assert agents["peg"]["half_bps"] == pytest.approx(3.182446 * 1.290994 / 2, rel=1e-5)
    parents = {parent["parent"]: parent for parent in state["parents"]}
    assert parents["p1"]["live"]
    assert parents["p1"]["filled"] == 20
    assert not parents["p2"]["live"]
    assert state["denials"] == {"COLLAR": 1}
    assert state["postures"]["AAA"]["reasons"] == ["depth thin: 0.4 of usual"]
    assert state["fault"] == ""


def test_why_and_headers(client: TestClient) -> None:
    enter(client)
    assert client.get("/why/7").json()["sentences"] == ["It took 3 lots."]
    assert client.get("/why/1").status_code == 404
    assert client.get(f"/why/{10**30}").status_code == 404
    assert client.get("/why/-1").status_code == 404
    response = client.get("/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert client.get("/static/console.js").status_code == 200
    assert client.get("/static/..%2fweb.py").status_code == 404


def test_metrics_are_prometheus_text(client: TestClient, desk: ListedDesk) -> None:
    assert client.get("/metrics").status_code == 401
    headers = {"authorization": "Bearer of metrics"}
    text = client.get("/metrics", headers=headers).text
    assert 'tercel_fills_total{agent="ppo",instrument="AAA"} 1.0' in text
    assert 'tercel_denials_total{agent="ppo",code="COLLAR"} 1.0' in text
    assert 'tercel_drifting{agent="ppo"} 1.0' in text
    assert "tercel_killed 0.0" in text
    desk.latch = {"scope": "all"}
    assert "tercel_killed 1.0" in client.get("/metrics", headers=headers).text
    assert "c1" not in text


def test_a_state_without_entries_shows() -> None:
    assert DeskState().shown()["agents"] == []
