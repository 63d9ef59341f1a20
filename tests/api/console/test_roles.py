"""Every path, method and role, as OpenAPI has them: who gets in, and who does not."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.api.console.conftest import TOKEN, Place

from tercel.api.console.guard import PERMISSION
from tercel.api.console.roles import LEAST_ROLE, PUBLIC, ROLES, has_permission, permissions

TOLD = {
    "look": "see everything that a page shows, change the own password, log out",
    "kill": "stop agents, a desk, or all of them, at once and alone",
    "submit": "submit a parent order, ask what it would cost",
    "pause": "pause a parent, or an agent, which then takes no other",
    "resume": "resume what is paused (not what is killed)",
    "amend": "change a parent's quantity, horizon or limit price",
    "cancel": "cancel a parent",
    "by_hand": "take a parent over, send and cancel its orders, give it back, ask dealers for quotes, take and pass them",
    "acknowledge": "own an alert",
    "rearm": "ask to re-arm killed agents*",
    "promote": "ask to promote a challenger or to undo that*",
    "experiment": "ask to stop an experiment or to promote an arm of it*",
    "limits": "tighten limits at once, ask to loosen them*",
    "posture": "set a risk state with an end time, ask to replace the risk model's*",
    "confirm": "confirm or refuse what another person asked for",
    "users": "add and remove people, change their roles",
}
"""Permission in words, for the documentation."""
ROOT = Path(__file__).resolve().parents[3]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ENDLESS = "/api/desks/{desk}/stream"
"""Told until the session ends: asked for in a test of its own."""


def routes(place: Place) -> dict[tuple[str, str], str]:
    """Path and method to the permission, hidden ones too."""
    found = {}
    for route in place.app.routes:
        extra = getattr(route, "openapi_extra", None)
        for method in getattr(route, "methods", ()):
            found[route.path.replace(":path}", "}"), method] = str((extra or {}).get(PERMISSION))
    return found


def filled(path: str) -> str:
    """A path with names of what is there."""
    names = {
        "{desk}": "test desk",
        "{name}": "nobody",
        "{id}": "none",
        "{seq}": "7",
        "{instrument}": "AAA",
    }
    for one, value in names.items():
        path = path.replace(one, value)
    return path


def status(place: Place, who: str, method: str, path: str, **more: Any) -> int:
    client = place.client(who)
    return int(client.request(method, filled(path), json={}, **more).status_code)


def test_every_route_names_a_permission_of_the_table(shared: Place) -> None:
    found = routes(shared)
    assert len(found) >= 40
    assert {one for one in found.values() if one not in LEAST_ROLE} == {PUBLIC}
    assert {path for (path, _), one in found.items() if one == PUBLIC} == {
        "/login",
        "/api/login",
        "/api/ways",
        "/static/{name}",
        "/",
    }
    assert set(LEAST_ROLE) <= set(found.values()), "a permission that no route asks for"


def test_openapi_has_every_route_of_the_api_with_its_permission(shared: Place) -> None:
    told = shared.client("viewer").get("/openapi.json").json()["paths"]
    listed = {
        (path, method.upper()): one[PERMISSION]
        for path, ways in told.items()
        for method, one in ways.items()
    }
    there = {key: one for key, one in routes(shared).items() if key[0].startswith("/api")}
    assert {key: one for key, one in listed.items() if key[0].startswith("/api")} == there


@pytest.mark.parametrize("role", ["", *ROLES])
def test_a_role_may_what_the_table_says_at_every_path_by_every_method(
    place: Place, role: str
) -> None:
    client = place.client(role)
    asked = 0
    known = routes(place)
    for path in {path for path, _ in known}:
        for method in METHODS:
            permission = known.get((path, method))
            if path == ENDLESS or path.endswith("logout"):
                continue
            said = client.request(method, filled(path), json={}).status_code
            asked += 1
            if permission is None:
                assert said in (404, 405), (method, path, said)
            elif permission == PUBLIC:
                assert said not in (403, 405), (method, path, said)
            elif not role:
                assert said == 401, (method, path, said)
            elif not has_permission(role, permission):
                assert said == 403, (method, path, said)
            else:
                assert said not in (401, 403, 405), (method, path, said)
                assert said < 500, (method, path, said)
    assert asked > 150
    if role in ("", "viewer"):
        assert place.desk.posted == []
        assert place.desk.latch is None


def test_nothing_changes_without_the_token_of_changes(place: Place) -> None:
    client = place.client("admin")
    for headers in ({"x-csrf": ""}, {"x-csrf": "guess"}, {"x-csrf": "\xe4".encode("latin-1")}):
        for (path, method), permission in routes(place).items():
            if method not in ("GET", "HEAD") and permission != PUBLIC:
                said = client.request(method, filled(path), json={}, headers=headers)
                assert said.status_code == 403, (method, path)
    assert place.people.get("viewer") is not None


def test_a_stream_is_for_a_session(shared: Place) -> None:
    assert shared.client().get(filled(ENDLESS)).status_code == 401


def test_metrics_are_for_a_session_or_the_bearer_of_the_token(shared: Place) -> None:
    def asked(**headers: str) -> int:
        return shared.client().get("/metrics", headers=headers).status_code

    for token, told in (("", 401), ("Bearer guess", 401), (TOKEN, 401), (f"Bearer {TOKEN}", 200)):
        assert asked(authorization=token) == told, token
    assert asked(authorization=f"Bearer {TOKEN}", host="elsewhere.example") == 421
    assert shared.client("viewer").get("/metrics").status_code == 200
    assert (
        shared.client().get("/api/desks", headers={"authorization": f"Bearer {TOKEN}"}).status_code
        == 401
    )


def role_table() -> str:
    """The table of the documentation, Markdown: `docs/concepts/console.md` has it word for word."""
    rows = [
        f"| {role} | {'; '.join(TOLD[one] for one in LEAST_ROLE if LEAST_ROLE[one] == role)} |"
        for role in ROLES
    ]
    return "\n".join(["| Role | May, besides what the roles above it may |", "|---|---|", *rows])


def test_the_documentation_has_the_table_word_for_word() -> None:
    assert role_table() in (ROOT / "docs" / "concepts" / "console.md").read_text(encoding="utf-8")


def test_the_table_of_roles_is_a_ladder() -> None:
    assert set(LEAST_ROLE) == set(TOLD)
    held = [set(permissions(role)) for role in ROLES]
    assert all(less < more for less, more in pairwise(held))
    assert held[0] == {"look"}
    assert not any(
        has_permission("trader", one) for one in ("rearm", "promote", "limits", "confirm", "users")
    )
    assert {one for one in TOLD if TOLD[one] in role_table()} == set(LEAST_ROLE)
