"""A console that only pretends: the page's whole HTTP, without a desk, for tests of the page and for its pictures.

    python -m tests.desk.console.pretended 8399        # then http://127.0.0.1:8399/, any name that is a role

Two desks (`pretended_page`), `today`, at work, and `drill`, killed. What is asked for is answered as done; the
log-in's name is the role, too.
"""

import asyncio
import json
import sys
from importlib.resources import files
from typing import Any

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from tests.desk.console.pretended_page import (
    COSTS,
    LENGTH,
    MAY,
    MINUTE,
    NAMES,
    START,
    STRATEGIES,
    TICK,
    S,
    card,
    limit_rows,
    page,
    price,
)

EVERY_S = 0.25
"""Between two words of a stream."""


def logged_in(request: Request) -> None:
    """Refuse whoever asks for more than the way in without a session."""
    if (
        request.url.path.startswith("/api/")
        and request.url.path not in ("/api/login", "/api/ways")
        and "role" not in request.cookies
    ):
        raise HTTPException(401)


NOW = {name: start + LENGTH - 20 * MINUTE for name, start in START.items()}
LATCHES = {
    "today": None,
    "drill": {"scope": "all", "by": "bob (console)", "reason": "prices look wrong"},
}


def shown(desk: str, ns: int | None = None) -> dict[str, Any]:
    """A desk's page, now or then."""
    there = page(desk, NOW[desk] if ns is None else ns, LATCHES[desk], {})
    there["summary"]["alerts"]["info"] = 0
    return there


REARM = {
    "id": "7", "desk": "drill", "what": "re-arm every agent", "asked_by": "bob", "reason": "prices were right",
    "ns": START["today"] + 90 * MINUTE,  # of the wall's clock, whatever the desk's is
    "state": "waits", "by": "",
}  # fmt: skip
UNCHANGED: dict[str, Any] = {
    "ways": {"oidc": True},
    "orders": {"parents": [], "orders": []},
    "requests": [REARM],
    "users": [
        {"name": "ann", "role": "admin", "by": ""},
        {"name": "bob", "role": "risk", "by": "ann"},
    ],
}
"""Paths whose answers are always the same."""


def create_app() -> FastAPI:
    """The pretended console."""
    app = FastAPI(dependencies=[Depends(logged_in)])

    @app.get("/")
    async def root() -> Response:
        strict = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        headers = {"Content-Security-Policy": strict + "img-src 'self' data:"}
        return Response(
            (files("tercel.core") / "pages" / "index.html").read_bytes(), 200, headers, "text/html"
        )

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        kind = {"js": "text/javascript", "css": "text/css"}[name.rsplit(".", 1)[-1]]
        return Response((files("tercel.core") / "pages" / name).read_bytes(), media_type=kind)

    def me(role: str) -> dict[str, Any]:
        needs = {
            one: least
            for least, all_ in reversed(MAY.items())
            for one in all_
            if one not in MAY[role]
        }
        return {
            "name": "ann",
            "role": role,
            "may": MAY[role],
            "needs": needs,
            "csrf": "token",
            "until_s": 3600.0,
        }

    @app.post("/api/login")
    async def login(asked: dict[str, str]) -> Response:
        if asked["name"] not in MAY or not asked["password"]:
            return JSONResponse(
                {
                    "expected": "a name and its password",
                    "received": "another",
                    "remedy": "try again",
                },
                401,
            )
        response = JSONResponse(me(asked["name"]))
        response.set_cookie("role", asked["name"])
        return response

    @app.get("/api/me")
    async def who(request: Request) -> dict[str, Any]:
        return me(request.cookies["role"])

    @app.get("/api/desks")
    async def desks() -> list[dict[str, Any]]:
        rows = []
        for name in START:
            there = shown(name)
            free = {key: there["summary"][key] for key in ("unowned", "of_gate", "gate")}
            alerts = {"critical": 1, "warning": 1, **free}
            keys = ("desk", "running", "seq", "ns", "silent_s", "fault", "money", "unbooked")
            rows.append(
                {key: there[key] for key in keys}
                | {
                    "stage": "paper",
                    "venue": "simulated",
                    "killed": there["latch"],
                    "alerts": alerts,
                }
            )
        return rows

    @app.get("/api/desks/{desk}/alerts")
    async def older(desk: str, before: int, ns: int | None = None) -> dict[str, Any]:
        rows = [row for row in shown(desk, ns)["alerts"] if row["ns"] < before]
        return {"alerts": rows, "next": None}

    @app.get("/api/agents")
    async def agents() -> list[dict[str, Any]]:
        rows = [(name, dict(row)) for name in START for row in shown(name)["agents"]]
        return [
            {
                key: value
                for key, value in row.items()
                if key not in ("name", "seat", "half_bps", "state_reason")
            }
            | {
                "desk": name,
                "agent": row["name"],
                "challenger": row["seat"] if row["seat"]["challenger"] else None,
                "reason": row["state_reason"],
                "state": "killed" if LATCHES[name] else row["state"],
            }
            for name, row in rows
        ]

    @app.get("/api/desks/{desk}/models")
    async def models(desk: str) -> list[dict[str, Any]]:
        return [
            card(names, kind)
            for names, kind in ((["ppo"], "policy"), (["ppo", "schedule"], "forecast"))
        ]

    @app.get("/api/desks/{desk}/state")
    @app.get("/api/desks/{desk}/at")
    async def at(desk: str, ns: int | None = None) -> dict[str, Any]:
        return shown(desk, ns)

    @app.get("/api/desks/{desk}/stream")
    async def stream(request: Request, desk: str) -> Response:
        async def events() -> Any:
            sent = ""
            while not await request.is_disconnected():
                if (text := json.dumps(shown(desk))) != sent:
                    sent = text
                    yield f"data: {text}\n\n"
                await asyncio.sleep(EVERY_S)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/api/desks/{desk}/chart/{instrument}")
    async def chart(desk: str, instrument: str, from_ns: int, to_ns: int) -> dict[str, Any]:
        start = START[desk]
        times = range(max(from_ns, start), min(to_ns, NOW[desk]), max(S, (to_ns - from_ns) // 900))
        fills = [
            {
                "ns": t,
                "price": price(instrument, t, start) - TICK * (1 if k % 3 else -1),
                "qty": 100 + 40 * (k % 4),
                "side": 1 if instrument == "CSCO" else -1,
                "agent": NAMES[desk][k % len(NAMES[desk])],
                "parent": f"{instrument}-000",
                "passive": bool(k % 3),
            }
            for k, t in enumerate(range(start, to_ns, 4 * MINUTE))
            if t >= from_ns
        ]
        rests = [
            {
                "from_ns": f["ns"] - MINUTE,
                "to_ns": f["ns"],
                "price": f["price"],
                "qty": 300,
                "side": f["side"],
                "agent": f["agent"],
            }
            for f in fills
        ]
        plan = [
            [t, min(1.0, 1.1 * i / 60), min(1.0, i / 60)]
            for i, t in enumerate(range(from_ns, to_ns, max(1, (to_ns - from_ns) // 60)))
        ]
        mid = [
            [t, price(instrument, t, start) - TICK, price(instrument, t, start) + TICK]
            for t in times
        ]
        return {
            "currency": "USD",
            "mid": mid,
            "fills": fills,
            "orders": rests,
            "schedule": [{"parent": f"{instrument}-000-{n}", "points": plan} for n in NAMES[desk]],
        }

    @app.get("/api/desks/{desk}/book/{instrument}")
    async def book(desk: str, instrument: str, ns: int) -> dict[str, Any]:
        start, draws = START[desk], np.random.default_rng(ns // S % 2**31)
        middle = round(price(instrument, ns, start) / TICK)
        times = list(range(max(start, ns - 60 * MINUTE), ns, 20 * S))
        ladder = list(range(middle - 45, middle + 46))
        heat = [
            [
                float(gap > 0.6)
                * 1500
                * np.exp(-0.07 * gap)
                * (1 + (p * 7 % 5 == 0) * 2)
                * (0.6 + 0.4 * np.sin(t / 9e11 + p))
                for p in ladder
                for gap in [abs(p - price(instrument, t, start) / TICK)]
            ]
            for t in times
        ]
        sizes = draws.integers(100, 1900, 20)
        return {
            "ns": ns,
            "bids": [
                [(middle - 1 - i) * TICK, int(sizes[i]), 300 if i == 1 else 0] for i in range(10)
            ],
            "asks": [[(middle + 1 + i) * TICK, int(sizes[10 + i]), 0] for i in range(10)],
            "heat": {"ns": times, "price": [p * TICK for p in ladder], "qty": heat},
            "tape": [
                {
                    "ns": ns - (30 - k) * 2 * S,
                    "price": (middle + (1 if k % 3 else -1)) * TICK,
                    "qty": int(draws.integers(1, 900)),
                    "side": 1 if k % 3 else -1,
                }
                for k in range(30)
            ],
        }

    @app.get("/api/desks/{desk}/limits")
    async def limits(desk: str) -> list[dict[str, Any]]:
        more = [("agents", "a/b", f"limit_{n}", 1.0, 10.0 + n) for n in range(8)]
        return shown(desk)["limits"] + limit_rows(more)

    @app.get("/api/desks/{desk}/forecasts")
    async def forecasts(desk: str) -> list[dict[str, Any]]:
        return [
            {
                "instrument": "CSCO",
                "source": ("news", "flow", "book")[k % 3],
                "ns": START[desk] + 10 * k * MINUTE,
                "horizon_s": 600.0,
                "forecast_bps": 4 * float(np.sin(k)),
                "low": 4 * float(np.sin(k)) - 12,
                "high": 4 * float(np.sin(k)) + 12,
                "came_bps": None if k == 9 else 14 * float(np.sin(1.3 * k)),
            }
            for k in range(10)
        ]

    @app.get("/api/desks/{desk}/why/{seq}")
    async def why(desk: str, seq: int) -> dict[str, Any]:
        return {
            "title": f"decision {seq}",
            "sentences": ["It took 3 lots."],
            "tables": {"seen": {"left": 7, "mid": 10.5}},
        }

    @app.get("/api/desks/{desk}/journal")
    async def journal(
        desk: str, after: int = 0, kinds: str = "", most: int = 100
    ) -> dict[str, Any]:
        last = shown(desk)["seq"]
        named = kinds.split(",", maxsplit=1)[0] or "decision"
        rows = [
            {
                "seq": n,
                "ns": START[desk] + n * S,
                "kind": named,
                "instrument": "CSCO",
                "agent": "ppo",
                "parent": "CSCO-000-ppo",
                "order": "",
                "body": {"n": n, "intent": list(range(40))},
            }
            for n in range(after + 1, min(after + most, last) + 1)
        ]
        return {"entries": rows, "next": rows[-1]["seq"] if len(rows) == most else None}

    @app.get("/api/{what}")
    async def unchanged(what: str) -> Any:
        return UNCHANGED[what]

    @app.post("/api/parents/quote")
    async def quote(asked: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {
                "agent": n,
                "strategy": STRATEGIES[n],
                "parents": 9,
                "currency": "USD",
                "against": ["ppo: gross value 230,400 + 30,000 of 250,000"] if n == "ppo" else [],
                "bps": {"mean": m, "low": m - h, "high": m + h},
                "money": {"mean": 3 * m, "low": 3 * (m - h), "high": 3 * (m + h)},
            }
            for n, (m, h) in COSTS.items()
            if n in STRATEGIES
        ]
        return {"value": 30_012.0, "by_strategy": rows, "against": []}

    @app.post("/api/parents/estimate")
    async def estimate() -> dict[str, Any]:
        return {
            "title": "buy 1,000 CSCO, 10:00 to 10:30: 4.0 % of the volume expected; bps",
            "headings": ["strategy", "cost [90 % of days]", "orders unfilled"],
            "rows": [["guarded", "2.1 [-1.5, 5.7]", "0 %"], ["twap_take", "4.0 [0.3, 7.7]", "0 %"]],
            "sentences": ["guarded costs least: 2.1 bps expected (sampling error 0.2)."],
            "picture": '<svg xmlns="http://www.w3.org/2000/svg"/>',
        }

    @app.post("/api/{what:path}")
    async def act(what: str) -> dict[str, list[str]]:
        return {"done": [f"today: {what}"], "not_done": []}

    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(create_app(), port=int(sys.argv[1]), log_level="warning")
