"""What takes two persons: who asks, who may confirm, once, within a quarter of an hour."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.console.conftest import Place
from tests.desk.console.desks import PASSWORD, S, an_experiment
from tests.waiting import until

from tercel.api.console import two_persons
from tercel.core.ports import Entry
from tercel.desk.console.desk import FolderDesk
from tercel.desk.limits import hash_of, limits_json, read_packaged
from tercel.desk.trading.journal import kinds

BOTH = "risk (password), confirmed by bob (password)"


def killed(place: Place) -> None:
    place.post("trader", "kill", scope="desk", name="test desk")
    place.desk.posted.clear()


def ask(place: Place, path: str = "rearm", who: str = "risk", **more: Any) -> str:
    return str(place.post(who, path, 202, **{"reason": "looked at it", **more})["request"])


def settle(
    place: Place, id_: str, who: str = "bob", verb: str = "confirm", status: int = 200
) -> Any:
    said = place.of(who).post(f"/api/requests/{id_}/{verb}", json={"reason": "so it is"})
    assert said.status_code == status, said.text
    return said.json()


def state(place: Place, id_: str) -> str:
    return next(str(row["state"]) for row in place.get("requests") if row["id"] == id_)


def test_two_persons_rearm_and_both_are_journaled(place: Place) -> None:
    killed(place)
    request = ask(place)
    assert place.desk.latch is not None
    for who in ("risk", "trader"):
        settle(place, request, who, status=403)
    assert settle(place, request)["done"] == [
        f"test desk: {one} armed again" for one in ("ppo", "peg")
    ]
    assert place.desk.latch is None
    assert place.desk.posted == [("rearm", {"agents": []}, BOTH, "looked at it; so it is")]
    assert {e.body["by"] for e in place.desk.entries if e.kind == kinds.REARM} == {BOTH}
    settle(place, request, status=409)
    assert state(place, request) == "confirmed", "once"


def test_a_rearm_of_what_is_armed_or_of_strangers_is_refused(place: Place) -> None:
    place.post("risk", "rearm", 409)
    killed(place)
    place.post("risk", "rearm", 409, agents=["ppo"])
    place.post("risk", "rearm", 404, agents=["nobody"])
    assert place.get("requests") == []


def let_in(place: Place, by: str, name: str, role: str = "risk") -> None:
    said = place.of(by).post("/api/users", json={"name": name, "role": role, "password": PASSWORD})
    assert said.status_code == 200, said.text


def raised(place: Place, by: str, name: str, role: str) -> None:
    assert place.of(by).post(f"/api/users/{name}/role", json={"role": role}).status_code == 200


def removed(place: Place, by: str, name: str) -> None:
    assert place.of(by).delete(f"/api/users/{name}").status_code == 200


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
    assert "let in or raised" in settle(place, request, who, status=403)["received"]
    assert place.desk.latch is not None
    settle(place, request)  # by somebody who stands apart


def test_a_request_expires_also_where_the_clock_is_put_back(place: Place) -> None:
    killed(place)
    late, early = ask(place), ask(place)
    place.wall.now += 901
    assert state(place, late) == "expired"
    settle(place, late, status=409)
    place.wall.now -= 2 * 901
    settle(place, early, status=409)
    assert place.desk.latch is not None


def test_a_request_of_who_may_ask_no_more_is_void(place: Place) -> None:
    killed(place)
    lowered, removed = ask(place, who="cid"), ask(place, who="risk")
    place.people.set_role("cid", "trader", "root")
    place.people.remove("risk")
    for one in (lowered, removed, "none"):
        settle(place, one, status=404 if one == "none" else 409)
    settle(place, lowered, verb="refuse")
    assert state(place, lowered) == "refused"
    assert place.desk.latch is not None


@pytest.mark.parametrize("verb", ["promote", "demote"])
def test_two_persons_promote_and_undo_it(place: Place, verb: str) -> None:
    place.post("risk", f"agents/ppo/{verb}", 409)  # nobody challenges
    seat = {"strategy": "ppo-csco", "challenger": "dqn"}
    place.desk.entries.append(Entry(kinds.AGENT_ASSIGNMENT, 20 * S, agent="ppo", body=seat))
    until(lambda: place.get("agents?desk=test desk")[0]["challenger"], what="a challenger")
    if verb == "demote":
        assert "without a promotion" in place.post("risk", "agents/ppo/demote", 409)["received"]
        promoted = {"champion": "dqn", "challenger": "ppo-csco", "by": "ann", "reason": "cheaper"}
        place.desk.entries.append(Entry(kinds.PROMOTED, 20 * S, agent="ppo", body=promoted))
        until(lambda: place.get("agents?desk=test desk")[0]["promoted"], what="a promotion")
    request = ask(place, f"agents/ppo/{verb}")
    assert place.desk.posted == []
    done = ["test desk: promoted b over a of ppo"]
    assert settle(place, request)["done"] == done
    body = {"agent": "ppo", "champion": "ppo-csco", "challenger": "dqn"}
    assert place.desk.posted == [("promote", body, BOTH, "looked at it; so it is")]


def test_a_promotion_is_confirmed_for_what_was_asked_and_nothing_else(place: Place) -> None:
    def sits(strategy: str, challenger: str) -> None:
        seat = {"strategy": strategy, "challenger": challenger}
        place.desk.entries.append(Entry(kinds.AGENT_ASSIGNMENT, 20 * S, agent="ppo", body=seat))
        asks = place.served["test desk"].follower.query
        until(lambda: asks(lambda s: s.agents["ppo"].seat.get("strategy")) == strategy)

    sits("ppo-csco", "dqn")
    one, other = (ask(place, "agents/ppo/promote", who=who) for who in ("risk", "cid"))
    settle(place, one)
    sits("dqn", "ppo-csco")
    assert settle(place, other, status=409)["received"] == "another one now at test desk"
    assert [command for command, *_ in place.desk.posted] == ["promote"]
    assert state(place, other) == "waits"
    settle(place, other, "cid", "refuse")  # who asked may take it back
    settle(place, other, status=409)
    assert ask(place, "agents/ppo/promote")


def test_two_persons_end_an_experiment_that_is_still_what_it_was(place: Place) -> None:
    def begins(name: str) -> None:
        place.desk.entries += an_experiment(1, name)
        until(lambda: name in [row["name"] for row in place.state["experiments"]], what=name)

    path = "agents/ppo/experiment"
    place.post("risk", path, 409, act="stop")  # there is none
    place.post("risk", "agents/nobody/experiment", 404, act="stop")
    begins("guard")
    place.post("trader", path, 403, act="stop")
    place.post("risk", path, 409, act="promote")
    place.post("risk", path, 409, act="promote", arm="dqn")
    place.post("risk", path, 422, act="shares")
    stop, promote = (
        ask(place, path, act="stop"),
        ask(place, path, "cid", act="promote", arm="guarded"),
    )
    assert place.desk.posted == []
    settle(place, stop, "risk", status=403)
    done = ["test desk: experiment guard of ppo ended"]
    assert settle(place, stop)["done"] == done
    body = {"agent": "ppo", "act": "stop", "name": "guard"}
    assert place.desk.posted == [("experiment", body, BOTH, "looked at it; so it is")]
    begins("another")
    assert settle(place, promote, status=409)["received"] == "another one now at test desk"
    settle(place, ask(place, path, act="promote", arm="guarded"))
    assert place.desk.posted[-1][1] == body | {
        "act": "promote",
        "name": "another",
        "arm": "guarded",
    }
    ended = {"event": "ended", "name": "another", "by": "ann", "reason": "enough"}
    place.desk.entries.append(Entry(kinds.EXPERIMENT, 99 * S, agent="ppo", body=ended))
    until(lambda: place.state["experiments"][-1]["acts"] == ["promote"], what="its end")
    place.post("risk", path, 409, act="stop")
    assert ask(place, path, act="promote", arm="guarded")


@pytest.fixture
def latched(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderDesk:
    """The desk's kill latch is a real one."""
    real = FolderDesk(tmp_path, lambda: int(place.wall.now * S))
    for name in ("kill", "rearm", "read_latch", "latch_mark"):
        monkeypatch.setattr(place.desk, name, getattr(real, name))
    return real


@pytest.mark.parametrize("agents", [[], ["ppo"]])
def test_a_rearm_is_confirmed_for_the_kill_that_was_asked_about_alone(
    place: Place, latched: FolderDesk, agents: list[str]
) -> None:
    latched.kill(["ppo"], "tom", "it misbehaves")
    request = ask(place, agents=agents)
    latched.kill([], "tom", "the exchange reports a bad tape")
    assert settle(place, request, status=409)["received"] == "another one now at test desk"
    assert getattr(latched.read_latch(), "reason", "") == "the exchange reports a bad tape"
    settle(place, ask(place))
    assert latched.read_latch() is None
    settle(place, request, status=409)


def test_a_kill_while_a_rearm_is_being_confirmed_stays(
    place: Place, latched: FolderDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    latched.kill(["ppo"], "tom", "it misbehaves")
    request, looked = ask(place), two_persons.refuse_if_changed

    def late(*given: Any) -> None:
        looked(*given)
        latched.kill([], "tom", "a bad tape")

    monkeypatch.setattr(two_persons, "refuse_if_changed", late)
    assert settle(place, request, status=409)["expected"] == "the kill that the request names"
    assert getattr(latched.read_latch(), "reason", "") == "a bad tape"
    assert state(place, request) == "waits", "nothing was done"


def test_one_person_tightens_and_two_loosen(place: Place) -> None:
    body = {"desk": "test desk", "reason": "news", "changes": {"desk.order_lots": 10}}
    place.post("risk", "limits", 409, **body)  # nothing is known to be in force
    limits = read_packaged()
    said = {"event": "in_force", "hash": hash_of(limits), "limits": limits_json(limits)}
    place.desk.entries.append(Entry(kinds.LIMITS, 20 * S, body=said))
    until(lambda: place.of("risk").post("/api/limits", json=body).status_code == 200)
    assert place.desk.posted[-1][1:3] == (
        {"act": "tighten", "changes": {"desk.order_lots": "10"}},
        "risk (password)",
    )
    request = ask(place, "limits", changes={"desk.order_lots": "6000"})
    number = len(place.desk.posted)
    assert place.desk.posted[-1][1]["act"] == "request"
    settle(place, request, "risk", status=403)
    assert settle(place, request)["done"] == ["test desk: limits loosened, h"]
    assert place.desk.posted[-1] == (
        "limits", {"act": "approve", "request": number, "changes": {"desk.order_lots": "6000"}}, "bob (password)",
        "looked at it; so it is",
    )  # fmt: skip
    place.post("risk", "limits", 409, changes={"desk.nothing": 1})
    place.post("trader", "limits", 403, **body)


def test_a_damaged_file_of_requests_confirms_nothing(place: Place) -> None:
    killed(place)
    request = ask(place)
    file = next(place.people.path.parent.glob("desks/test desk/requests.json"))
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("{")
    settle(place, request, status=409)
    place.of("trader").post("/api/kill", json={"scope": "all", "reason": "x"}).raise_for_status()


def test_a_damaged_file_of_one_desk_keeps_no_other_desks_requests_from_an_answer(
    place: Place,
) -> None:
    killed(place)
    request = ask(place)
    folder = next(place.people.path.parent.glob("desks/quiet"))
    (folder / "requests.json").write_text("{")
    rows = place.get("requests")
    assert {(row["desk"], row["state"]) for row in rows} == {
        ("test desk", "waits"),
        ("quiet", "expired"),
    }
    assert "a file of requests" in next(row["what"] for row in rows if row["desk"] == "quiet")
    settle(place, "none", status=409)
    settle(place, request)
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
    settle(place, other, "cid")
    assert state(place, ask(place)) == "waits"
    for verb in ("confirm", "refuse"):
        settle(place, one, "cid", verb, 409)
    go.set()
    slowly.join(60)
    assert said[0]["done"]
    assert [command for command, *_ in place.desk.posted] == ["posture", "rearm"]


# -- postures by hand -------------------------------------------------------------------------------------------------


def test_one_person_of_risk_sets_a_posture_that_adds_care_and_ends_it(place: Place) -> None:
    body = {"minutes": 30, "size_multiplier": 0.5, "styles": ["join", "take"]}
    told = "test desk: manual risk state of the desk"
    assert place.post("risk", "posture", **body)["done"] == [f"{told} set"]
    words = {"size_multiplier": 0.5, "styles": 5}
    asked = {"agent": None, "words": words, "span_ns": 1800 * S}
    assert place.desk.posted == [("posture", asked, "risk (password)", "news")]
    assert place.post("risk", "posture/end")["done"] == [f"{told} lifted"]
    assert place.desk.posted[-1][1] == {"agent": None, "lift": True}
    place.post("risk", "posture", 404, **body, agent="nobody")


def test_one_in_the_place_of_what_risk_says_takes_two_persons(place: Place) -> None:
    request = ask(place, "posture", agent="ppo", minutes=5, size_multiplier=1, instead=True)
    assert place.desk.posted == []
    for who in ("risk", "trader"):
        settle(place, request, who, status=403)
    settle(place, request)
    ((command, body, by, reason),) = place.desk.posted
    assert (command, by, reason) == ("posture", BOTH, "looked at it; so it is")
    assert body == {
        "agent": "ppo",
        "words": {"size_multiplier": 1.0},
        "span_ns": 300 * S,
        "instead": True,
    }
    settle(place, request, status=409)


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
    shared.post("risk", "posture", 422, **more)
    assert shared.desk.posted == shared.get("requests") == []


def test_a_posture_by_hand_stands_on_the_page_with_its_end(place: Place) -> None:
    said = {"event": "set", "by": "ann", "reason": "news", "until_ns": 99 * S, "instead": False}
    body = said | {"words": {"size_multiplier": 0.5}}
    place.desk.entries.append(Entry(kinds.STANCE, 20 * S, agent="ppo", body=body))
    until(lambda: place.state["stances"], what="the posture")
    (row,) = place.state["stances"]
    assert row == {"agent": "ppo"} | {key: value for key, value in body.items() if key != "event"}
    assert place.get("agents?desk=test desk")[0]["stance"]["until_ns"] == 99 * S
    ended = {"event": "ended", "by": "ann", "reason": ""}
    place.desk.entries.append(Entry(kinds.STANCE, 99 * S, agent="ppo", body=ended))
    until(lambda: not place.state["stances"], what="its end")
