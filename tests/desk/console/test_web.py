"""The console over HTTP: who gets in, what is shown, what can be done."""

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from fastapi.testclient import TestClient
from tests.desk.console.desks import ListedDesk, a_session

from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.desk.console.follow import JournalFollower
from tercel.desk.console.login import Authenticator
from tercel.desk.console.state import DeskState, operator_text
from tercel.desk.console.web import create_app
from tercel.desk.trading.journal import kinds

PASSWORD = "eight or more"


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def desk() -> ListedDesk:
    return ListedDesk(a_session())


@pytest.fixture
def client(desk: ListedDesk) -> Iterator[TestClient]:
    app = create_app(desk, Authenticator(PASSWORD, Time()), JournalFollower(desk, Time()))
    with TestClient(app, follow_redirects=False) as client:
        yield client


def enter(client: TestClient) -> str:
    assert client.post("/login", data={"password": PASSWORD, "name": " Ann  Lee "}).status_code == 303
    return client.get("/").text.split('name="csrf" content="')[1].split('"')[0]


@pytest.mark.parametrize("path", ["/state", "/stream", "/why/7"])
def test_nothing_is_shown_to_strangers(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("verb", ["kill", "rearm", "pause", "promote"])
def test_strangers_and_forged_requests_change_nothing(client: TestClient, desk: ListedDesk, verb: str) -> None:
    data = {"target": "p1", "reason": "x"}
    assert client.post(f"/act/{verb}", data=data).status_code == 403
    enter(client)
    assert client.post(f"/act/{verb}", data=data).status_code == 403
    assert client.post(f"/act/{verb}", data=data, headers={"x-csrf": "guess"}).status_code == 403
    assert desk.latch is None
    assert desk.posted == []


def test_five_wrong_passwords_close_the_door_for_a_minute(desk: ListedDesk) -> None:
    time = Time()
    door = Authenticator(PASSWORD, time)
    assert [door.enter("wrong") for _ in range(5)] == [None] * 5
    assert door.enter(PASSWORD) is None
    time.now = 61
    secret = door.enter(PASSWORD)
    assert door.visit(secret) is not None
    time.now += 13 * 3600
    assert door.visit(secret) is None


def test_a_short_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 8 characters"):
        Authenticator("short", Time())


def test_kill_and_rearm_ask_for_a_reason(client: TestClient, desk: ListedDesk) -> None:
    headers = {"x-csrf": enter(client)}
    assert client.post("/act/kill", data={"target": "all", "reason": "  "}, headers=headers).status_code == 409
    assert desk.latch is None
    assert client.post("/act/kill", data={"target": "all", "reason": "test"}, headers=headers).status_code == 200
    assert desk.latch == {"scope": "all", "by": "Ann Lee (console)", "reason": "test"}
    assert client.get("/state").json()["latch"]["reason"] == "test"
    assert client.post("/act/rearm", data={"reason": "over"}, headers=headers).status_code == 200
    assert desk.latch is None


def test_words_for_the_desk_go_to_its_inbox(client: TestClient, desk: ListedDesk) -> None:
    headers = {"x-csrf": enter(client)}
    for verb in ("pause", "resume", "cancel"):
        bare = client.post(f"/act/{verb}", data={"target": "p1", "reason": " "}, headers=headers)
        assert bare.status_code == 409
        assert "a reason" in bare.json()["said"]
        said = {"target": "p1", "reason": f"{verb} it"}
        assert client.post(f"/act/{verb}", data=said, headers=headers).status_code == 200
    assert client.post("/act/promote", data={"target": "ppo", "reason": "better"}, headers=headers).status_code == 200
    assert client.post("/act/pause", data={"reason": "x"}, headers=headers).status_code == 409
    assert client.post("/act/drop", data={"target": "p1", "reason": "x"}, headers=headers).status_code == 409
    assert [(command, body) for command, body, _, _ in desk.posted] == [
        ("pause", {"parent": "p1"}),
        ("resume", {"parent": "p1"}),
        ("cancel", {"parent": "p1"}),
        ("promote", {"agent": "ppo"}),
    ]
    assert [reason for *_, reason in desk.posted] == ["pause it", "resume it", "cancel it", "better"]
    assert {by for *_, by, _ in desk.posted} == {"Ann Lee (console)"}


def test_who_gives_no_name_is_the_console(client: TestClient, desk: ListedDesk) -> None:
    client.post("/login", data={"password": PASSWORD})
    headers = {"x-csrf": client.get("/").text.split('name="csrf" content="')[1].split('"')[0]}
    client.post("/act/kill", data={"target": "ppo", "reason": "test"}, headers=headers)
    assert desk.latch == {"scope": "ppo", "by": "console", "reason": "test"}


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
    text = client.get("/metrics").text
    assert 'tercel_fills_total{agent="ppo",instrument="AAA"} 1.0' in text
    assert 'tercel_denials_total{agent="ppo",code="COLLAR"} 1.0' in text
    assert 'tercel_drifting{agent="ppo"} 1.0' in text
    assert "tercel_killed 0.0" in text
    desk.latch = {"scope": "all"}
    assert "tercel_killed 1.0" in client.get("/metrics").text
    assert "c1" not in text


def test_a_state_without_entries_shows() -> None:
    assert DeskState().shown()["agents"] == []
