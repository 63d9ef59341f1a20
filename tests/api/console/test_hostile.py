"""Hostile requests: foreign hosts and origins, replayed and forged forms, tricks of paths, types and sizes."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.api.console.conftest import Place
from tests.desk.console.desks import PASSWORD

from tercel.api.console.guard import MOST_BYTES

KILL = {"scope": "all", "reason": "test"}
OWN = "http://127.0.0.1:8321"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8321", "127.0.0.1.evil.example", "127.0.0.1:8321.evil.example", "0.0.0.0:8321",
        "127.0.0.1@evil.example", "evil.example@127.0.0.1", "localhost.", "[::2]:8321", "127.0.0.1:8321, evil.example",
        "127.1", "2130706433", "\xe4",
    ],
)  # fmt: skip
def test_a_foreign_host_is_served_nothing(shared: Place, host: str) -> None:
    client = shared.client("admin")
    for path in (
        "/",
        "/login",
        "/static/app.js",
        "/api/desks",
        "/metrics",
        "/openapi.json",
        "/nothing",
    ):
        assert client.get(path, headers={"host": host.encode("latin-1")}).status_code == 421, path
    assert (
        client.post("/api/login", json={}, headers={"host": host.encode("latin-1")}).status_code
        == 421
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9999", "localhost:1", "LOCALHOST", "[::1]:8321"]
)
def test_the_own_hosts_are_served_at_any_port_of_a_tunnel(shared: Place, host: str) -> None:
    assert shared.client().get("/login", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8322"},
        {"origin": "http://localhost:8321"},
        {"origin": OWN + ".evil.example"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": OWN, "sec-fetch-site": "cross-site"},
    ],
)
def test_a_change_from_elsewhere_is_refused_with_cookie_and_token(
    place: Place, headers: dict[str, str]
) -> None:
    client = place.client("admin")
    assert client.post("/api/kill", json=KILL, headers=headers).status_code == 403
    assert (
        client.post("/api/kill", data={"scope": "all", "reason": "x"}, headers=headers).status_code
        == 403
    )
    pause = {"desk": "test desk", "reason": "x"}
    assert client.post("/api/parents/p1/pause", json=pause, headers=headers).status_code == 403
    right = {"name": "admin", "password": PASSWORD}
    assert client.post("/api/login", json=right, headers=headers).status_code == 403
    assert client.post("/api/login", data=right, headers=headers).status_code == 403
    assert place.desk.latch is None
    assert place.desk.posted == []
    assert (
        client.post(
            "/api/kill", json=KILL, headers={"origin": OWN, "sec-fetch-site": "same-origin"}
        ).status_code
        == 200
    )


def test_a_form_that_is_replayed_is_of_a_session_that_is_over(place: Place) -> None:
    client = place.client("trader")
    token, cookie = client.headers["x-csrf"], client.cookies["tercel_session"]
    assert client.post("/api/logout").status_code == 200
    replay = {"x-csrf": token, "cookie": f"tercel_session={cookie}"}
    assert place.client().post("/api/kill", json=KILL, headers=replay).status_code == 401
    again = place.client("trader")
    assert again.post("/api/kill", json=KILL, headers={"x-csrf": token}).status_code == 403, (
        "an old token"
    )
    assert (
        place.client().post("/api/kill", json=KILL, headers={"x-csrf": token}).status_code == 401
    ), "a token alone"
    assert place.desk.latch is None


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py", "/static/..%2fguard.py", "/static/%2e%2e/web.py", "/static/app.js%00",
        "/static//etc/passwd",
        "/api/desks/..%2f..%2fetc/state", "/api/desks/test desk%2f../state", "/api//desks", "/API/desks", "/api/desks/",
        "//api/desks", "/api/desks;x", "/api/desks/test%20desk/why/0", "/api/desks/test%20desk/why/-1",
        f"/api/desks/test%20desk/why/{10**30}", "/.git/config", "/docs", "/redoc", "/api/desks/%ff%fe/state",
        "/api/desks/test%20desk%0a/state", "/\u202e",
    ],
)  # fmt: skip
def test_tricks_of_paths_find_nothing(shared: Place, path: str) -> None:
    said = shared.client("admin").get(path)
    assert said.status_code in (404, 405, 422), (path, said.status_code)
    assert "import" not in said.text


WRONG: list[Any] = [
    None, [], "all", 3, {}, {"scope": 1}, {"scope": "all"}, {"scope": "all", "reason": 3},
    {"scope": "all", "reason": ""},
    {"scope": "all", "reason": " \n\t "}, {"scope": "all", "reason": "\u3164 \u1160\u115f\uffa0"},
    {"scope": "all", "reason": "x" * 501}, {"scope": "everything", "reason": "x"},
    {"scope": "all", "reason": "x", "more": 1}, {"scope": "agent", "name": {"$ne": 1}, "reason": "x"},
    {"scope": "agent", "name": ["ppo", 3], "reason": "x"}, {"scope": "agent", "name": [], "reason": "x"},
    {"scope": "agent", "name": ["x"] * 101, "reason": "x"}, {"scope": "agent", "name": "a\nb", "reason": "x"},
    {"scope": "agent", "name": "a\x00", "reason": "x"}, {"scope": "all", "reason": "a\x1b[2J"},
    {"scope": "all", "reason": "a\u202eb"}, {"scope": "all", "reason": True}, {"scope": ["all"], "reason": "x"},
]  # fmt: skip


@pytest.mark.parametrize("body", WRONG)
def test_json_of_wrong_types_kills_nobody(shared: Place, body: Any) -> None:
    said = shared.client("trader").post("/api/kill", json=body)
    assert said.status_code == 422, said.text
    assert set(said.json()) == {"expected", "received", "remedy"}
    assert shared.desk.latch is shared.other.latch is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", '{"scope": "all", "reason": "\\ud800"}', '{"\\ud800": 1}',
        '{"scope": "agent", "name": "\\udfff", "reason": "x"}',
        "[" * 60_000, '{"scope": "all", "reason": NaN}', "\x00", "scope=all&reason=x",
    ],
)  # fmt: skip
def test_text_that_is_no_json_breaks_nothing(shared: Place, text: str) -> None:
    client = shared.client("trader")
    said = client.post(
        "/api/kill", content=text.encode(), headers={"content-type": "application/json"}
    )
    assert said.status_code in (400, 422), said.text
    assert shared.desk.latch is None


@pytest.mark.parametrize(
    "body",
    [
        {"qty": 1e400}, {"qty": -1}, {"qty": 0}, {"qty": "5"}, {"qty": 10**400}, {"minutes": 1e9}, {"limit_price": -3},
        {"limit_price": "25bp"}, {"limit_price": "1e9bps; drop"}, {"side": "hold"}, {"instrument": "A\nB"},
        {"id": "a\rb"},
    ],
)  # fmt: skip
def test_numbers_that_are_none_send_no_parent(shared: Place, body: dict[str, Any]) -> None:
    fine = {"desk": "test desk", "instrument": "AAA", "side": "buy", "qty": 5, "reason": "x"}
    text = json.dumps(fine | body).replace("Infinity", "1e400").encode()
    client = shared.client("trader")
    said = client.post("/api/parents", content=text, headers={"content-type": "application/json"})
    assert said.status_code in (400, 422), said.text
    assert shared.desk.posted == []


def test_formulas_and_markup_of_people_stay_text(place: Place) -> None:
    for name in ("=HYPERLINK(1)", "@SUM(A1)", "+1", "-1", "<b>ann</b>", "a,b", "ann (admin)"):
        assert place.client("admin").post("/api/users", json={"name": name}).status_code in (
            409,
            422,
        ), name
    reason = "=cmd|' /C calc'!A0, <script>alert(1)</script>"
    assert (
        place.client("trader").post("/api/kill", json=KILL | {"reason": reason}).status_code == 200
    )
    assert place.desk.latch is not None
    assert place.desk.latch.reason == reason
    page = place.client("viewer").get("/api/desks/test desk/state")
    assert page.json()["latch"]["reason"] == reason
    assert page.headers["content-type"] == "application/json"
    assert page.headers["x-content-type-options"] == "nosniff"
    said = place.client().post("/api/login", json={"name": "<script>", "password": "x"})
    assert said.status_code == 401
    assert said.headers["content-type"] == "application/json"
    assert "<script>" not in said.text


def test_who_is_told_apart_by_nothing(place: Place) -> None:
    """A stranger learns neither names nor desks."""
    client = place.client()
    known = client.post("/api/login", json={"name": "bob", "password": "wrong"})
    unknown = client.post("/api/login", json={"name": "nobody", "password": "wrong"})
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    there, nowhere = (
        client.get("/api/desks/test%20desk/state"),
        client.get("/api/desks/nowhere/state"),
    )
    assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json())
    assert client.post("/api/kill", content=b"{").status_code == 401, "before the body is looked at"


def test_a_session_is_fixed_by_nobody(place: Place) -> None:
    client = place.client()
    client.cookies.set("tercel_session", "chosen by somebody else", domain="127.0.0.1")
    said = client.post("/api/login", json={"name": "bob", "password": PASSWORD})
    assert "chosen" not in said.headers["set-cookie"]
    assert (
        place.client().get("/api/me", headers={"cookie": "tercel_session=chosen"}).status_code
        == 401
    )


def test_a_form_finds_no_road(shared: Place) -> None:
    """Forms are what other sites can send: no road takes one."""
    client = shared.of("admin")
    form = {"scope": "all", "reason": "x", "csrf": client.headers["x-csrf"]}
    assert client.post("/api/kill", data=form).status_code == 422
    assert (
        client.post("/api/login", data={"name": "admin", "password": PASSWORD}).status_code == 422
    )
    assert (shared.desk.latch, shared.desk.posted) == (None, [])


# -- over a real socket -----------------------------------------------------------------------------------------------


def spoken(port: int, text: bytes, more: Callable[[socket.socket], None] | None = None) -> bytes:
    """What a raw connection answers until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(text)
        if more is not None:
            more(one)
        found = b""
        while part := one.recv(65536):
            found += part
        return found


def test_an_upload_of_2_gb_is_413_without_being_read(port: int) -> None:
    head = f"POST /api/kill HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {2 * 10**9}\r\nConnection: close\r\n\r\n"
    began = time.monotonic()
    said = spoken(port, head.encode())
    assert said.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 30


def test_an_upload_without_a_length_ends_at_the_limit(port: int) -> None:
    def one_too_many(one: socket.socket) -> None:
        one.sendall(b"%x\r\n" % MOST_BYTES + b"x" * MOST_BYTES + b"\r\n1\r\nx\r\n")  # no end of it

    head = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert spoken(port, head, one_too_many).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /api/desks HTTP/1.0\r\n\r\n", (400,)),
        (b"GET /api/desks HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", (400,)),
        (
            b"GET /api/desks HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            (400,),
        ),
        (
            b"GET http://evil.example/api/desks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            (401, 404),
        ),
        (
            b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\nConnection: close\r\n\r\n",
            (400,),
        ),
        (
            b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            (400,),
        ),
        (
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
            (404,),
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)),
    ],
)
def test_raw_tricks_are_refused(port: int, text: bytes, status: tuple[int, ...]) -> None:
    said = spoken(port, text)
    assert int(said.split()[1]) in status, said[:200]


@pytest.mark.parametrize("body", ["Content-Length: 60000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    ("line", "host", "status"),
    [
        ("GET /api/ways", "127.0.0.1", 200),
        ("HEAD /api/ways", "127.0.0.1", 405),
        ("GET /", "evil", 421),
        ("POST /api/login", "evil", 421),
    ],
)
def test_a_body_that_nobody_reads_ends_the_connection(
    port: int, line: str, host: str, status: int, body: str
) -> None:
    """It would stay open for as long as one byte a second comes."""
    said = spoken(port, f"{line} HTTP/1.1\r\nHost: {host}\r\n{body}\r\n\r\n".encode()).lower()
    assert said.startswith(b"http/1.1 %d" % status)
    assert said.count(b"connection: close") == 1


def test_an_address_in_a_header_is_believed_by_nobody(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    answers = []
    for n in range(6):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": f"10.0.0.{n}"}
        client.request(
            "POST", "/api/login", json.dumps({"name": "bob", "password": "wrong"}), headers
        )
        answer = client.getresponse()
        told = json.loads(answer.read())
        answers.append((answer.status, int(answer.getheader("retry-after", "0")) >= 1))
    client.close()
    assert answers == [(401, False)] * 4 + [(429, True)] * 2
    assert set(told) == {"expected", "received", "remedy"}
