"""Schemathesis against the console's own description: no request breaks the server.

`TERCEL_EXAMPLES=N` asks N times of every path (default 60: some 2,000 requests).
"""

import json
import logging
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.console.conftest import PASSWORD, Place, listening, placed

from tercel.api.console import connected

pytestmark = pytest.mark.release
log = logging.getLogger(__name__)
LEAST = 2_000


class Counted:
    """An application that counts what it is asked and answers."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.statuses: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self._app(scope, receive, sending)


@pytest.mark.parametrize("role", ["risk", "trader"])
def test_no_request_breaks_the_server(
    tmp_path: Path, made: Path, exchange_clients: Path, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected, "LATCHED_S", 0.1)  # no venue speaks of an order here
    place: Place = placed(tmp_path, made)
    counted = Counted(place.app)
    with listening(counted) as port:
        address = f"http://127.0.0.1:{port}"
        entered = httpx.post(f"{address}/api/login", json={"name": role, "password": PASSWORD})
        cookie, token = entered.cookies["tercel_session"], entered.json()["csrf"]
        headers = {"cookie": f"tercel_session={cookie}"}
        schema = tmp_path / "openapi.json"
        schema.write_text(
            json.dumps(_named(httpx.get(f"{address}/openapi.json", headers=headers).json()))
        )
        command = [
            str(exchange_clients.with_name("schemathesis")), "run", str(schema), "--url", address,
            "--checks", "not_a_server_error", "--phases", "fuzzing", "--mode", "all", "--seed", "1", "--no-color",
            "--max-examples", os.environ.get("TERCEL_EXAMPLES", "60"), "--header", f"Cookie: tercel_session={cookie}",
            "--header", f"x-csrf: {token}", "--exclude-path-regex", "logout|stream",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=3000, check=False, cwd=tmp_path
        )
        alive = httpx.get(f"{address}/api/me", headers=headers)
    log.info("%d requests as %s: %s", len(counted.statuses), role, _counts(counted.statuses))
    assert len(counted.statuses) > LEAST / 2, done.stdout[-3000:]
    assert [one for one in counted.statuses if one >= 500] == []
    assert done.returncode == 0, done.stdout[-4000:]
    assert alive.status_code == 200
    assert {one.name for one in place.people.all()} >= {"admin", "bob", "risk"}


def _named(schema: Any, inside: str = "") -> Any:
    """The description with names of what is there: guesses would end at 404."""
    if isinstance(schema, list):
        return [_named(one, inside) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _named(value, key if key.startswith("/") else inside) for key, value in schema.items()
    }
    where = {"desk": ["test desk", "quiet"], "id": ["p1", "p2"], "name": ["ppo", "peg"]}
    if found.get("in") == "path" and found["name"] in where and "users" not in inside:
        found["schema"] = {"type": "string", "enum": where[found["name"]]}
    if isinstance(found.get("properties"), dict) and "desk" in found["properties"]:
        found["properties"]["desk"] = {"type": "string", "enum": where["desk"]}
    return found


def _counts(statuses: list[int]) -> dict[int, int]:
    return {one: statuses.count(one) for one in sorted(set(statuses))}
