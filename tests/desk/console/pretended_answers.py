"""What the pretended console answers, as the page's own tests have it: web/test/answers.json.

python -m tests.desk.console.pretended_answers     # rewrite the file
"""

import json
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from tests.desk.console.pretended import NOW, create_app
from tests.desk.console.pretended_page import MAY, MINUTE, START

FILE = Path(__file__).resolve().parents[3] / "web" / "test" / "answers.json"
EARLY = START["today"] + 5 * MINUTE
PATHS = (
    *("ways", "desks", "agents", "requests", "users"),
    *(
        f"desks/{desk}/{what}"
        for desk in START
        for what in ("state", "limits", "forecasts", "models")
    ),
    *(f"desks/{desk}/journal?most=3" for desk in START),
    f"desks/today/at?ns={EARLY}",
    "desks/today/why/60",
    f"desks/today/book/CSCO?ns={NOW['today']}",
    f"desks/today/chart/CSCO?from_ns={NOW['today'] - 4 * MINUTE}&to_ns={NOW['today']}",
)
SERIES = ("pnl_points", "share_points")
"""Of the page, of which every twentieth is enough."""


def answers() -> str:
    """The file's text."""
    client, found = TestClient(create_app()), dict[str, Any]()
    for role in MAY:
        found[f"me {role}"] = client.post(
            "/api/login", json={"name": role, "password": "any"}
        ).json()
    for path in PATHS:
        found[path.partition("?")[0]] = _short(client.get(f"/api/{path}").json())
    for path in ("parents/quote", "parents/estimate"):
        found[path] = client.post(f"/api/{path}", json={}).json()
    lines = (
        f"{json.dumps(path)}: {json.dumps(told, separators=(',', ':'))}"
        for path, told in found.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _short(told: Any, name: str = "") -> Any:
    """Numbers of six digits, short series: what is enough to be read."""
    if isinstance(told, dict):
        return {key: _short(one, key) for key, one in told.items()}
    if isinstance(told, list):
        kept = told[:: 20 if name in SERIES else 1]
        return [
            _short(one, name)
            for one in (kept[-12:] if name in ("heat", "qty", "ns", "price") else kept)
        ]
    return float(f"{told:.6g}") if isinstance(told, float) else told


if __name__ == "__main__":
    FILE.write_text(answers(), encoding="utf-8")
