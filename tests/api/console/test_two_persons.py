"""What takes two persons: who asks, who may confirm, once, within a quarter of an hour."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.api.console.conftest import Place
from tests.desk.console.desks import PASSWORD, S
from tests.waiting import until

from tercel.api.console import two_persons
from tercel.api.console.people import DAY_S
from tercel.core.ports import Entry
from tercel.desk.console.desk import FolderDesk
from tercel.desk.limits import default_file, hash_of, limits_json, read
from tercel.desk.trading.journal import kinds

BOTH = "risk (password), confirmed by bob (password)"


def killed(place: Place) -> None:
    said = place.client("trader").post(
        "/api/kill", json={"scope": "desk", "name": "test desk", "reason": "odd"}
    )
    assert said.status_code == 200
    place.desk.posted.clear()


def ask(place: Place, path: str = "rearm", who: str = "risk", **more: Any) -> str:
    said = place.client(who).post(
        f"/api/{path}", json={"desk": "test desk", "reason": "looked at it", **more}
    )
    assert said.status_code == 202, said.text
    return str(said.json()["request"])


def settle(place: Place, id_: str, who: str = "bob", verb: str = "confirm") -> Any:
    return place.client(who).post(f"/api/requests/{id_}/{verb}", json={"reason": "so it is"})


def state(place: Place, id_: str) -> str:
    rows = place.client("viewer").get("/api/requests").json()
    return next(str(row["state"]) for row in rows if row["id"] == id_)


def test_two_persons_rearm_and_both_are_journaled(place: Place) -> None:
    killed(place)
    request = ask(place)
    assert place.desk.latch is not None
    assert settle(place, request, "risk").status_code == 403
    assert settle(place, request, "trader").status_code == 403
    said = settle(place, request)
    assert said.status_code == 200, said.text
    assert said.json()["done"] == ["test desk: ppo armed again", "test desk: peg armed again"]
    assert place.desk.latch is None
    assert place.desk.posted == [("rearm", {"agents": []}, BOTH, "looked at it; so it is")]
    assert {e.body["by"] for e in place.desk.entries if e.kind == kinds.REARM} == {BOTH}
    assert settle(place, request).status_code == 409, "once"
    assert state(place, request) == "confirmed"


def test_a_rearm_of_what_is_armed_or_of_strangers_is_refused(place: Place) -> None:
    client = place.client("risk")
    body = {"desk": "test desk", "reason": "x"}
    assert client.post("/api/rearm", json=body).status_code == 409
    killed(place)
    assert client.post("/api/rearm", json=body | {"agents": ["ppo"]}).status_code == 409
    assert client.post("/api/rearm", json=body | {"agents": ["nobody"]}).status_code == 404
    assert client.get("/api/requests").json() == []


def test_each_of_two_confirms_the_others_request_and_never_their_own(place: Place) -> None:
    killed(place)
    one, other = ask(place, who="admin"), ask(place, who="eve")
    assert settle(place, one, "admin").status_code == 403
    assert settle(place, other, "eve").status_code == 403
    assert settle(place, one, "eve").status_code == 200
    assert settle(place, other, "admin").status_code == 409, "what it was about is over"
    killed(place)
    assert settle(place, ask(place, who="eve"), "admin").status_code == 200


def test_a_person_whom_the_asker_made_or_raised_does_not_confirm_within_a_day(place: Place) -> None:
    killed(place)
    admin = place.client("admin")
    made = {"name": "puppet", "role": "risk", "password": PASSWORD}
    assert admin.post("/api/users", json=made).status_code == 200
    request = ask(place, who="admin")
    said = settle(place, request, "puppet")
    assert said.status_code == 403
    assert "let in or raised the other within a day" in said.json()["received"]
    assert admin.post("/api/users/viewer/role", json={"role": "risk"}).status_code == 200
    assert settle(place, request, "viewer").status_code == 403
    second = place.client("eve").post("/api/users", json=made | {"name": "puppet2"})
    assert second.status_code == 200
    assert settle(place, request, "puppet2").status_code == 200, "somebody else made that one"
    place.wall.now += DAY_S + 1
    killed(place)
    assert settle(place, ask(place, who="admin"), "puppet").status_code == 200


def let_in(place: Place, by: str, name: str, role: str = "risk") -> None:
    said = place.client(by).post(
        "/api/users", json={"name": name, "role": role, "password": PASSWORD}
    )
    assert said.status_code == 200, said.text


def raised(place: Place, by: str, name: str, role: str) -> None:
    assert place.client(by).post(f"/api/users/{name}/role", json={"role": role}).status_code == 200


def removed(place: Place, by: str, name: str) -> None:
    assert place.client(by).delete(f"/api/users/{name}").status_code == 200


def maker_confirms(place: Place) -> tuple[str, str]:
    let_in(place, "eve", "puppet")
    return ask(place, who="puppet"), "eve"


def who_raised_confirms(place: Place) -> tuple[str, str]:
    raised(place, "eve", "viewer", "risk")
    return ask(place, who="viewer"), "eve"


def two_of_one_maker(place: Place) -> tuple[str, str]:
    let_in(place, "eve", "p1")
    let_in(place, "eve", "p2")
    return ask(place, who="p1"), "p2"


def the_middle_is_removed(place: Place) -> tuple[str, str]:
    request = ask(place, who="admin")
    let_in(place, "admin", "p1", "admin")
    let_in(place, "p1", "p2")
    removed(place, "admin", "p1")
    return request, "p2"


def the_middle_is_lifted_by_its_puppet(place: Place) -> tuple[str, str]:
    request = ask(place, who="admin")
    let_in(place, "admin", "p1", "admin")
    let_in(place, "p1", "p2", "admin")
    raised(place, "p2", "p1", "viewer")
    raised(place, "p2", "p1", "admin")
    return request, "p2"


def another_raises_them_later(place: Place) -> tuple[str, str]:
    request = ask(place, who="admin")
    let_in(place, "admin", "p1")
    raised(place, "eve", "p1", "admin")
    return request, "p1"


def the_asker_begins_anew(place: Place) -> tuple[str, str]:
    let_in(place, "admin", "p1")
    request = ask(place, who="p1")
    removed(place, "eve", "p1")
    let_in(place, "eve", "p1")
    return request, "admin"


@pytest.mark.parametrize(
    "alone",
    [
        maker_confirms, who_raised_confirms, two_of_one_maker, the_middle_is_removed,
        the_middle_is_lifted_by_its_puppet, another_raises_them_later, the_asker_begins_anew,
    ],
)  # fmt: skip
def test_one_admin_alone_is_never_two_persons(
    place: Place, alone: Callable[[Place], tuple[str, str]]
) -> None:
    killed(place)
    request, who = alone(place)
    said = settle(place, request, who)
    assert said.status_code == 403
    assert "let in or raised" in said.json()["received"]
    assert place.desk.latch is not None
    assert settle(place, request).status_code == 200, "somebody who stands apart confirms it"


def test_people_of_the_command_line_or_of_long_ago_confirm_for_each_other(place: Place) -> None:
    killed(place)
    for name in ("ann", "dan"):
        place.people.add(name, "risk", PASSWORD, "root (tercel console users)")
    assert settle(place, ask(place, who="ann"), "dan").status_code == 200
    let_in(place, "eve", "p1")
    let_in(place, "eve", "p2")
    killed(place)
    assert settle(place, ask(place, who="p1"), "p2").status_code == 403
    place.wall.now += DAY_S + 1
    assert settle(place, ask(place, who="p1"), "p2").status_code == 200


def test_a_desk_goes_live_with_nobody_whom_the_starter_or_their_maker_let_in(place: Place) -> None:
    eve, password = "eve (password)", PASSWORD
    for name in ("p1", "p2"):
        place.people.add(name, "admin", password, eve)
    place.people.add("p3", "risk", password, "p1 (password)")
    place.people.remove("p1")
    place.people.add("ann", "risk", password, "root (tercel console users)")
    for second, starter in (("eve", "p2"), ("p3", "p2"), ("p3", "eve"), ("ann", "root")):
        assert place.people.bound(second, starter)
    assert not place.people.bound("ann", "p2")


def test_a_request_expires_also_where_the_clock_is_put_back(place: Place) -> None:
    killed(place)
    late, early = ask(place), ask(place)
    place.wall.now += 901
    assert state(place, late) == "expired"
    assert settle(place, late).status_code == 409
    place.wall.now -= 2 * 901
    assert settle(place, early).status_code == 409
    assert place.desk.latch is not None


def test_a_request_of_who_may_ask_no_more_is_void(place: Place) -> None:
    killed(place)
    lowered, removed = ask(place, who="cid"), ask(place, who="risk")
    place.people.set_role("cid", "trader", "root")
    place.people.remove("risk")
    assert settle(place, lowered).status_code == 409
    assert settle(place, removed).status_code == 409
    assert settle(place, lowered, verb="refuse").status_code == 200
    assert place.desk.latch is not None


def test_what_is_refused_is_never_confirmed(place: Place) -> None:
    killed(place)
    request = ask(place)
    assert settle(place, request, "risk", "refuse").status_code == 200, "who asked may take it back"
    assert settle(place, request).status_code == 409
    assert settle(place, "none").status_code == 404
    assert state(place, request) == "refused"


def test_two_who_confirm_at_once_confirm_once(place: Place) -> None:
    killed(place)
    request, said = ask(place), list[int]()
    clients: list[TestClient] = [place.client(name) for name in ("bob", "cid", "eve", "admin")]

    def confirm(client: TestClient) -> None:
        said.append(
            client.post(f"/api/requests/{request}/confirm", json={"reason": "x"}).status_code
        )

    threads = [threading.Thread(target=confirm, args=(client,)) for client in clients]
    for one in threads:
        one.start()
    for one in threads:
        one.join(300)
    assert sorted(said) == [200, 409, 409, 409]
    assert len(place.desk.posted) == 1


@pytest.mark.parametrize("verb", ["promote", "demote"])
def test_two_persons_promote_and_undo_it(place: Place, verb: str) -> None:
    client = place.client("risk")
    body = {"desk": "test desk", "reason": "cheaper"}
    assert client.post(f"/api/agents/ppo/{verb}", json=body).status_code == 409, "nobody challenges"
    place.desk.entries.append(
        Entry(
            kinds.AGENT_ASSIGNMENT,
            20 * S,
            agent="ppo",
            body={"strategy": "ppo-csco", "challenger": "dqn"},
        )
    )
    until(
        lambda: client.get("/api/agents?desk=test desk").json()[0]["challenger"],
        what="a challenger",
    )
    if verb == "demote":
        assert (
            "without a promotion"
            in client.post(f"/api/agents/ppo/{verb}", json=body).json()["received"]
        )
        promoted = {"champion": "dqn", "challenger": "ppo-csco", "by": "ann", "reason": "cheaper"}
        place.desk.entries.append(Entry(kinds.PROMOTED, 20 * S, agent="ppo", body=promoted))
        until(
            lambda: client.get("/api/agents?desk=test desk").json()[0]["promoted"],
            what="a promotion",
        )
    request = ask(place, f"agents/ppo/{verb}")
    assert place.desk.posted == []
    said = settle(place, request)
    assert said.json()["done"] == ["test desk: ppo: b works instead of a from the next parent on"]
    body = {"agent": "ppo", "champion": "ppo-csco", "challenger": "dqn"}
    assert place.desk.posted == [("promote", body, BOTH, "looked at it; so it is")]


def test_a_promotion_is_confirmed_for_what_was_asked_and_nothing_else(place: Place) -> None:
    client, name = place.client("risk"), "ppo"
    seats = [
        {"strategy": "ppo-csco", "challenger": "dqn"},
        {"strategy": "dqn", "challenger": "ppo-csco"},
    ]

    def sits(seat: dict[str, str]) -> None:
        place.desk.entries.append(Entry(kinds.AGENT_ASSIGNMENT, 20 * S, agent=name, body=seat))
        shown = lambda: place.served["test desk"].follower.ask(lambda s: dict(s.agents[name].seat))  # noqa: E731
        until(lambda: shown().get("strategy") == seat["strategy"], what="the seat")

    sits(seats[0])
    one, other = (ask(place, f"agents/{name}/promote", who=who) for who in ("risk", "cid"))
    assert settle(place, one).status_code == 200
    sits(seats[1])
    said = settle(place, other)
    assert (said.status_code, said.json()["received"]) == (409, "another one now at test desk")
    assert [command for command, *_ in place.desk.posted] == ["promote"]
    assert state(place, other) == "waits"
    assert settle(place, other, verb="refuse").status_code == 200
    assert (
        client.post(
            f"/api/agents/{name}/promote", json={"desk": "test desk", "reason": "x"}
        ).status_code
        == 202
    )


@pytest.fixture
def latched(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderDesk:
    """The desk's kill latch is a real one."""
    real = FolderDesk(tmp_path, lambda: int(place.wall.now * S))
    for name in ("kill", "rearm", "killed", "mark"):
        monkeypatch.setattr(place.desk, name, getattr(real, name))
    return real


@pytest.mark.parametrize("agents", [[], ["ppo"]])
def test_a_rearm_is_confirmed_for_the_kill_that_was_asked_about_alone(
    place: Place, latched: FolderDesk, agents: list[str]
) -> None:
    latched.kill(["ppo"], "tom", "it misbehaves")
    request = ask(place, agents=agents)
    latched.kill([], "tom", "the exchange reports a bad tape")
    said = settle(place, request)
    assert (said.status_code, said.json()["received"]) == (409, "another one now at test desk")
    killed = latched.killed()
    assert killed is not None
    assert killed.reason == "the exchange reports a bad tape"
    assert settle(place, ask(place)).status_code == 200
    assert latched.killed() is None
    assert settle(place, request).status_code == 409


def test_a_kill_while_a_rearm_is_being_confirmed_stays(
    place: Place, latched: FolderDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    latched.kill(["ppo"], "tom", "it misbehaves")
    request, looked = ask(place), two_persons.must_be_so_still

    def late(*given: Any) -> None:
        looked(*given)
        latched.kill([], "tom", "a bad tape")

    monkeypatch.setattr(two_persons, "must_be_so_still", late)
    said = settle(place, request)
    assert (said.status_code, said.json()["expected"]) == (409, "the kill that the request names")
    killed = latched.killed()
    assert killed is not None
    assert killed.reason == "a bad tape"
    assert state(place, request) == "waits", "nothing was done"


def test_one_person_tightens_and_two_loosen(place: Place) -> None:
    client = place.client("risk")
    body = {"desk": "test desk", "reason": "news", "changes": {"desk.order_lots": 10}}
    assert client.post("/api/limits", json=body).status_code == 409, (
        "nothing is known to be in force"
    )
    limits = read(default_file())
    said = {"event": "in_force", "hash": hash_of(limits), "limits": limits_json(limits)}
    place.desk.entries.append(Entry(kinds.LIMITS, 20 * S, body=said))
    until(lambda: client.post("/api/limits", json=body).status_code == 200, what="limits in force")
    assert place.desk.posted[-1][1:3] == (
        {"act": "tighten", "changes": {"desk.order_lots": "10"}},
        "risk (password)",
    )
    request = ask(place, "limits", changes={"desk.order_lots": "6000"})
    number = len(place.desk.posted)
    assert place.desk.posted[-1][1]["act"] == "request"
    assert settle(place, request, "risk").status_code == 403
    assert settle(place, request).json()["done"] == ["test desk: limits loosened, h"]
    assert place.desk.posted[-1] == (
        "limits", {"act": "approve", "request": number, "changes": {"desk.order_lots": "6000"}}, "bob (password)",
        "looked at it; so it is",
    )  # fmt: skip
    wrong = client.post("/api/limits", json=body | {"changes": {"desk.nothing": 1}})
    assert wrong.status_code == 409
    assert place.client("trader").post("/api/limits", json=body).status_code == 403


def test_a_damaged_file_of_requests_confirms_nothing(place: Place) -> None:
    killed(place)
    request = ask(place)
    file = next(place.people.path.parent.glob("desks/test desk/requests.json"))
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("{")
    assert settle(place, request).status_code == 409
    assert (
        place.client("trader").post("/api/kill", json={"scope": "all", "reason": "x"}).status_code
        == 200
    )


def test_a_damaged_file_of_one_desk_keeps_no_other_desks_requests_from_an_answer(
    place: Place,
) -> None:
    killed(place)
    request = ask(place)
    folder = next(place.people.path.parent.glob("desks/quiet"))
    (folder / "requests.json").write_text("{")
    rows = place.client("viewer").get("/api/requests").json()
    assert {(row["desk"], row["state"]) for row in rows} == {
        ("test desk", "waits"),
        ("quiet", "expired"),
    }
    assert "a file of requests" in next(row["what"] for row in rows if row["desk"] == "quiet")
    assert settle(place, "none").status_code == 409
    assert settle(place, request).status_code == 200
    assert place.desk.latch is None


def test_who_confirms_at_a_desk_that_is_slow_holds_nobody_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(place)
    one, other = (
        ask(place),
        ask(place, "posture", agent="ppo", minutes=5, size_multiplier=1, instead=True),
    )
    at_work, go, said = threading.Event(), threading.Event(), list[Any]()
    did = place.desk.rearm

    def slow(*given: Any) -> None:
        at_work.set()
        assert go.wait(60)
        did(*given)

    monkeypatch.setattr(place.desk, "rearm", slow)
    slowly = threading.Thread(target=lambda: said.append(settle(place, one)))
    slowly.start()
    assert at_work.wait(60)
    assert settle(place, other, "cid").status_code == 200
    assert state(place, ask(place)) == "waits"
    assert settle(place, one, "cid").status_code == 409, "once"
    assert settle(place, one, "cid", "refuse").status_code == 409
    go.set()
    slowly.join(60)
    assert said[0].status_code == 200
    assert [command for command, *_ in place.desk.posted] == ["posture", "rearm"]


# -- postures by hand -------------------------------------------------------------------------------------------------


def test_one_person_of_risk_sets_a_posture_that_adds_care_and_ends_it(place: Place) -> None:
    body = {
        "desk": "test desk",
        "reason": "news",
        "minutes": 30,
        "size_multiplier": 0.5,
        "styles": ["join", "take"],
    }
    said = place.client("risk").post("/api/posture", json=body)
    assert said.status_code == 200, said.text
    assert said.json()["done"] == ["test desk: manual risk state of the whole desk set"]
    words = {"size_multiplier": 0.5, "styles": 5}
    asked = {"agent": None, "words": words, "span_ns": 1800 * S}
    assert place.desk.posted == [("posture", asked, "risk (password)", "news")]
    said = place.client("risk").post(
        "/api/posture/end", json={"desk": "test desk", "reason": "over"}
    )
    assert said.json()["done"] == ["test desk: manual risk state of the whole desk lifted"]
    assert place.desk.posted[-1][1] == {"agent": None, "lift": True}
    assert (
        place.client("risk").post("/api/posture", json=body | {"agent": "nobody"}).status_code
        == 404
    )


def test_one_in_the_place_of_what_risk_says_takes_two_persons(place: Place) -> None:
    request = ask(place, "posture", agent="ppo", minutes=5, size_multiplier=1, instead=True)
    assert place.desk.posted == []
    assert settle(place, request, "risk").status_code == 403
    assert settle(place, request, "trader").status_code == 403
    assert settle(place, request).status_code == 200
    ((command, body, by, reason),) = place.desk.posted
    assert (command, by, reason) == ("posture", BOTH, "looked at it; so it is")
    assert body == {
        "agent": "ppo",
        "words": {"size_multiplier": 1.0},
        "span_ns": 300 * S,
        "instead": True,
    }
    assert settle(place, request).status_code == 409, "once"


@pytest.mark.parametrize(
    "more",
    [
        {}, {"minutes": 5}, {"urgency": 0.5}, {"minutes": 0, "urgency": 0.5}, {"minutes": -5, "urgency": 0.5},
        {"minutes": 10_081, "urgency": 0.5}, {"minutes": 5, "urgency": 1.1}, {"minutes": 5, "max_participation": 0},
        {"minutes": 5, "styles": []}, {"minutes": 5, "styles": ["run"]}, {"minutes": 5, "urgency": "0.5"},
        {"minutes": 5, "urgency": 0.5, "reason": "x" * 10_000}, {"until_ns": 1, "urgency": 0.5},
    ],
)  # fmt: skip
def test_a_posture_that_is_none_reaches_nobody(shared: Place, more: dict[str, Any]) -> None:
    body = {"desk": "test desk", "reason": "news", **more}
    assert shared.client("risk").post("/api/posture", json=body).status_code == 422
    assert shared.desk.posted == []
    assert shared.client("risk").get("/api/requests").json() == []


def test_a_posture_by_hand_stands_on_the_page_with_its_end(place: Place) -> None:
    said = {"event": "set", "by": "ann", "reason": "news", "until_ns": 99 * S, "instead": False}
    body = said | {"words": {"size_multiplier": 0.5}}
    place.desk.entries.append(Entry(kinds.STANCE, 20 * S, agent="ppo", body=body))
    client = place.client("viewer")
    until(lambda: client.get("/api/desks/test desk/state").json()["stances"], what="the posture")
    (row,) = client.get("/api/desks/test desk/state").json()["stances"]
    assert row == {"agent": "ppo"} | {key: value for key, value in body.items() if key != "event"}
    (ppo,) = [one for one in client.get("/api/agents").json() if one["agent"] == "ppo"]
    assert ppo["stance"]["until_ns"] == 99 * S
    place.desk.entries.append(
        Entry(kinds.STANCE, 99 * S, agent="ppo", body={"event": "ended", "by": "ann", "reason": ""})
    )
    until(lambda: not client.get("/api/desks/test desk/state").json()["stances"], what="its end")
