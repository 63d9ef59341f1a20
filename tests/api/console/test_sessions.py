"""Sessions: how they begin, how they end, and what a wall clock has to do with it (nothing)."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.api.console.conftest import HERE, Place, listening, placed
from tests.desk.console.desks import PASSWORD, S
from tests.waiting import DEADLINE_S, until

from tercel.api.console.guard import BODY_S, HttpGuard
from tercel.api.console.people import Person
from tercel.api.console.sessions import (
    FREE_HERE,
    IDLE_S,
    LIFE_S,
    MOST_PLACES,
    Sessions,
    Throttle,
    TooSoonError,
)
from tercel.api.console.web import TimedProtocol
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.trading.journal import kinds


def test_a_cookie_is_for_this_site_and_not_for_scripts(place: Place) -> None:
    said = place.client().post("/api/login", json={"name": " trader ", "password": PASSWORD})
    cookie = said.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (said.json()["role"], said.json()["until_s"]) == ("trader", IDLE_S)
    assert "kill" in said.json()["may"]


def test_a_session_ends_idle_late_and_on_leaving(place: Place) -> None:
    client = place.client("viewer")
    place.clock.now += IDLE_S - 1
    assert client.get("/api/me").json()["until_s"] == IDLE_S, "a request begins the idle time anew"
    place.clock.now += IDLE_S + 1
    assert client.get("/api/me").status_code == 401
    client = place.client("viewer")
    for _ in range(int(LIFE_S / (IDLE_S - 1)) + 1):
        place.clock.now += IDLE_S - 1
        last = client.get("/api/me").status_code
    assert last == 401, "in any case after a time"
    client = place.client("viewer")
    assert client.post("/api/logout").status_code == 200
    assert client.get("/api/me").status_code == 401


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 3600.0, 1e9])
def test_a_clock_that_jumps_ends_and_prolongs_nothing(place: Place, jump: float) -> None:
    client = place.client("viewer")
    place.wall.now += jump
    assert client.get("/api/me").status_code == 200
    place.clock.now += IDLE_S + 1
    assert client.get("/api/me").status_code == 401


def test_who_is_removed_is_out_at_once_and_a_role_counts_at_once(place: Place) -> None:
    admin, bob = place.client("admin"), place.client("bob")
    for role, told in (("risk", 404), ("viewer", 403)):
        assert admin.post("/api/users/bob/role", json={"role": role}).status_code == 200
        assert bob.get("/api/me").json()["role"] == role
        assert bob.post("/api/requests/none/confirm", json={"reason": "x"}).status_code == told
    assert admin.request("DELETE", "/api/users/bob").status_code == 200
    assert bob.get("/api/me").status_code == 401
    place.people.add("bob", "risk", PASSWORD, "root")
    assert bob.get("/api/me").status_code == 401, "another of that name is another"
    assert admin.request("DELETE", "/api/users/bob").status_code == 200
    assert admin.request("DELETE", "/api/users/bob").status_code == 404


def test_a_file_that_cannot_be_obeyed_lets_nobody_in(place: Place) -> None:
    admin = place.client("admin")
    place.people.path.write_text(
        place.people.path.read_text().replace('"role": "viewer"', '"role": "viewr"')
    )
    said = admin.get("/api/me")
    assert said.status_code == 401
    assert "users list" in said.json()["remedy"]
    assert str(place.people.path) not in said.text
    assert (
        place.client().post("/api/login", json={"name": "admin", "password": PASSWORD}).status_code
        == 401
    )


def test_wrong_passwords_wait_longer_and_longer_and_lock_out_nobody_elsewhere(place: Place) -> None:
    sessions: Sessions = place.app.state.sessions
    for _ in range(FREE_HERE):
        assert sessions.log_in("ann", "wrong", "10.0.0.1") is None
    waits = [0.0]
    for _ in range(22):
        place.clock.now += waits[-1]
        assert sessions.log_in("ann", "wrong", "10.0.0.1") is None
        with pytest.raises(TooSoonError) as refused:
            sessions.log_in("ann", "wrong", "10.0.0.1")
        waits.append(refused.value.wait_s)
    assert waits[2] == 2 * waits[1]
    assert max(waits) <= 4
    assert sessions.log_in("ann", "wrong", "10.0.0.2") is None, "another address waits for nothing"
    assert sessions.log_in("bob", PASSWORD, "10.0.0.1") is not None, "nor does another name"
    place.clock.now += 3600
    assert sessions.log_in("ann", "wrong", "10.0.0.1") is None


def test_who_guesses_names_keeps_nobody_else_of_the_address_out(place: Place) -> None:
    stranger, device = place.client(), place.client("risk")
    for n in range(40):
        assert (
            stranger.post("/api/login", json={"name": f"name{n}", "password": "wrong"}).status_code
            == 401
        )
    said = {"name": "bob", "password": PASSWORD}
    assert [place.client().post("/api/login", json=said).status_code for _ in range(31)] == [
        200
    ] * 31
    wrong, right = {"name": "risk", "password": "wrong"}, {"name": "risk", "password": PASSWORD}
    told = [stranger.post("/api/login", json=wrong).status_code for _ in range(2 * FREE_HERE)]
    assert told[-1] == stranger.post("/api/login", json=right).status_code == 429, (
        "they wait who guess this name"
    )
    assert device.post("/api/login", json=right).status_code == 200, (
        "but not a device from which it logged in"
    )
    told = [device.post("/api/login", json=wrong).status_code for _ in range(2 * FREE_HERE)]
    assert told[-1] == device.post("/api/login", json=right).status_code == 429, (
        "which has as few tries as others"
    )


def test_a_device_is_known_for_its_name_and_its_password_alone(place: Place) -> None:
    sessions: Sessions = place.app.state.sessions
    bob = place.client("bob")
    device = bob.cookies["tercel_device"]
    assert sessions.is_known_device("bob", device)
    made, _, seal = device.partition(".")
    others = [
        ("risk", device),
        ("nobody", device),
        *(("bob", bad) for bad in ("", ".", made, f"x.{seal}", f"{made}.\xe9")),
    ]
    assert not any(sessions.is_known_device(name, bad) for name, bad in others)
    body = {"old": PASSWORD, "new": "another password"}
    assert bob.post("/api/password", json=body).status_code == 200
    assert not sessions.is_known_device("bob", device)
    assert sessions.is_known_device("bob", bob.cookies["tercel_device"])


def test_strangers_who_keep_the_hashing_busy_leave_known_devices_theirs(place: Place) -> None:
    device, let, busy = place.client("bob"), threading.Event(), threading.Event()
    verify = place.people.verify

    def slow(name: str, password: str) -> Person | None:
        if password == PASSWORD:
            return verify(name, password)
        busy.set()
        let.wait(60)
        return None

    place.app.state.sessions.people.verify = slow
    with ThreadPoolExecutor(4) as tries:
        for n in range(4):
            wrong = {"name": f"n{n}", "password": "x"}
            tries.submit(place.client().post, "/api/login", json=wrong)
        assert busy.wait(60)
        assert (
            device.post("/api/login", json={"name": "bob", "password": PASSWORD}).status_code == 200
        )
        let.set()


HALVES = (b"", b"GET / HT", b"GET /api/me HTTP/1.1\r\nHost: 127.0.0.1\r\n")
BODIES = tuple(
    f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{rest}".encode()
    for path, rest in [
        ("/api/login", "Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"),
        ("/api/login", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"),
        ("/nowhere", "Content-Length: 40\r\n\r\n"),
        ("/api/login", "Content-Length: 40\r\nExpect: 100-continue\r\n\r\n"),
    ]
)
WHOLE = b"GET /api/ways HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("half", [*HALVES, *(WHOLE + half for half in HALVES[1:]), *BODIES])
def test_half_requests_are_ended(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    assert max(BODY_S, TimedProtocol.headers_s) <= 10
    monkeypatch.setattr(TimedProtocol, "headers_s", 0.05)
    with listening(HttpGuard(placed(tmp_path, made).app, body_s=0.05)) as port:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.settimeout(DEADLINE_S)
            heard = b""
            if half.startswith(WHOLE):  # on a connection that was answered before
                line.sendall(WHOLE)
                while not heard.endswith(b"}"):
                    heard += line.recv(4096)
            line.sendall(half.removeprefix(WHOLE))
            heard += b"".join(iter(lambda: line.recv(4096), b""))
        status = 408 if half in BODIES else 200
        assert (b"HTTP/1.1 %d" % status in heard) == half.startswith((*BODIES, WHOLE))


def test_tries_at_once_are_counted_before_they_are_looked_at(place: Place) -> None:
    sessions: Sessions = place.app.state.sessions
    let, looked = threading.Event(), list[str]()

    def slow(name: str, password: str) -> None:
        looked.append(name)
        let.wait(60)

    sessions.people.verify = slow  # type: ignore[method-assign,assignment]
    refused = list[float]()

    def attempt() -> None:
        try:
            sessions.log_in("ann", "wrong", "10.0.0.1")
        except TooSoonError as error:
            refused.append(error.wait_s)

    with ThreadPoolExecutor(20) as tries:
        for _ in range(20):
            tries.submit(attempt)
        let.set()
    assert len(looked) == FREE_HERE + 1
    assert len(refused) == 20 - len(looked)


def test_a_flood_of_names_is_forgotten_again() -> None:
    throttle = Throttle(1, 60.0)
    for n in range(MOST_PLACES + 100):
        throttle.fail(n, 0.0)
    assert len(throttle._places) == MOST_PLACES


def test_an_unknown_name_takes_the_work_of_a_wrong_password(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = list[str]()
    hasher = place.people._hasher

    class Counting:
        def verify(self, hashed: str, password: bytes) -> bool:
            work.append(hashed)
            return bool(hasher.verify(hashed, password))

    monkeypatch.setattr(place.people, "_hasher", Counting())
    assert place.people.verify("bob", "wrong") is None
    assert place.people.verify("nobody", "wrong") is None
    assert len(work) == 2
    assert work[0].split("$")[:4] == work[1].split("$")[:4], "the same parameters"


def test_a_stream_shows_the_page_and_ends_with_its_session(tmp_path: Path, made: Path) -> None:
    place = placed(tmp_path, made)
    with (
        listening(place.app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        client.post("/api/login", json={"name": "viewer", "password": PASSWORD})
        with client.stream("GET", "/api/desks/test desk/stream") as stream:
            lines = (line for line in stream.iter_lines() if line)
            first = json.loads(next(lines).removeprefix("data: "))
            assert {agent["name"] for agent in first["agents"]} == {"ppo", "peg"}
            place.desk.entries.append(
                Entry(kinds.MARKET, 20 * S, "BBB", body={"bid": 999, "ask": 1001})
            )
            last, follower = len(place.desk.entries), place.served["test desk"].follower
            until(lambda: to_jsonable(follower.report())["seq"] == last, what="the entry")
            place.clock.now += 1.0
            then = json.loads(next(lines).removeprefix("data: "))
            assert then["seq"] == last
            kept = {"agents", "alerts", "decisions", "denials", "desk", "postures", "share_points"}
            assert not kept & then.keys(), "what changed, and no more"
            place.people.remove("viewer")
            assert len(list(lines)) < 10


def test_a_stranger_gets_the_files_of_the_page_and_no_others(place: Place) -> None:
    client = place.client()
    page = client.get("/")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert client.get("/login").content == place.of("bob").get("/").content == page.content
    assert "test desk" not in page.text
    for name, kind in (
        ("app.css", "text/css"),
        ("app.js", "text/javascript"),
        ("licenses.txt", "text/plain"),
    ):
        said = client.get(f"/static/{name}")
        assert (said.status_code, said.headers["content-type"].split(";")[0]) == (200, kind)
        assert said.headers["cache-control"] == "no-store"
        policy = said.headers["content-security-policy"]
        wanted = ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'")
        assert [one for one in wanted if one not in policy] == []
    for name in ("index.html", "web.py", "__init__.py", "console.js", "APP.JS"):
        assert client.get(f"/static/{name}").status_code == 404, name


# -- the own password -------------------------------------------------------------------------------------------------


def test_everybody_changes_their_own_password_and_their_other_sessions_end(place: Place) -> None:
    here, there, other = place.client("viewer"), place.client("viewer"), place.client("trader")
    before = place.people.get("viewer")
    said = here.post("/api/password", json={"old": PASSWORD, "new": "another password"})
    assert (said.status_code, said.json()) == (200, {"ended": 1})
    assert there.get("/api/me").status_code == 401
    assert here.get("/api/me").status_code == other.get("/api/me").status_code == 200
    for password, told in ((PASSWORD, 401), ("another password", 200)):
        asked = {"name": "viewer", "password": password}
        assert place.client().post("/api/login", json=asked).status_code == told
    after = place.people.get("viewer")
    assert before is not None
    assert after == replace(before, hash=after.hash if after else ""), "nobody let them in anew"


def test_a_password_that_changes_while_a_session_is_looked_at_ends_it_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: Sessions = place.app.state.sessions
    secret, real, changed = (
        sessions.log_in("viewer", PASSWORD, HERE),
        place.people.get,
        list[int | None](),
    )
    visit = sessions.visit(secret)
    assert visit is not None

    def late(name: str) -> Person | None:
        found = real(name)
        if not changed:
            changed.append(0)
            changed.append(sessions.change_password(visit, secret, PASSWORD, "another one", HERE))
        return found

    monkeypatch.setattr(place.people, "get", late)
    assert sessions.visit(secret) is not None
    assert sessions.visit(secret) is not None
    assert changed == [0, 0]
    place.people.set_password("viewer", "given by another", "root (test)")
    assert sessions.visit(secret) is None


def test_a_password_is_changed_by_who_knows_it_and_to_one_that_is_none_by_nobody(
    place: Place,
) -> None:
    client = place.client("viewer")

    def changed(**words: str) -> int:
        return client.post("/api/password", json=words).status_code

    assert changed(old="a guess of it", new="another password") == 403
    assert changed(old=PASSWORD, new="short") == 409
    assert changed(old=PASSWORD) == changed(old=PASSWORD, new="x" * 1025) == 422
    assert place.client("viewer").get("/api/me").status_code == 200
    tries = [changed(old="a guess", new="longer than 8") for _ in range(6)]
    assert 429 in tries, "guessing here is slowed as at the door"
