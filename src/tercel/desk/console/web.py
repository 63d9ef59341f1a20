"""HTTP routes of the console: the page, its event stream, operator actions, and `/metrics`.

Everything but the login page and static files asks for a session; every change asks for the session's token as well.
`/metrics` is open to loopback, as scrapers cannot log in; it holds no order names.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Final

from tercel.core.errors import ConfigError, TercelError
from tercel.core.plain import plain
from tercel.core.report.page import style_sheet
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.follow import JournalFollower
from tercel.desk.console.login import Authenticator

if TYPE_CHECKING:
    from fastapi import FastAPI

COOKIE: Final = "tercel_session"
STATIC: Final = {
    "tables.css": "text/css",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "uplot.css": "text/css",
    "uplot.js": "text/javascript",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PARENT_VERBS: Final = ("pause", "resume", "cancel")
EVERY_S: Final = 0.5
LONGEST: Final = 80
"""Letters of a person's name."""
LAST: Final = 2**62
"""No journal has so many entries."""


def page_file(name: str) -> str:
    """A static file of the page; tables use the style of the reports."""
    if name == "tables.css":
        return style_sheet(name)
    return (files("tercel.desk.console") / "page" / name).read_text(encoding="utf-8")


def create_app(desk: FolderDesk, door: Authenticator, follower: JournalFollower) -> "FastAPI":
    """The console of one desk.

    Parameters
    ----------
    desk : FolderDesk
        Acted on.
    door : Authenticator
        Who may.
    follower : JournalFollower
        Shown; started and stopped with the server.

    Raises
    ------
    ConfigError
        Without the extra [trade].
    """
    try:
        from fastapi import FastAPI, Form, Request
        from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
    except ImportError:
        raise ConfigError("the extra [trade]", "no module fastapi", "pip install 'tercel[trade]'") from None
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        follower.start()
        yield
        follower.stop()

    app = FastAPI(title="Tercel console", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)

    @app.middleware("http")
    async def headers(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def secret(request: Request) -> str | None:
        return request.cookies.get(COOKIE)

    @app.get("/login")
    async def login_page() -> Response:
        return HTMLResponse(page_file("login.html").replace("{{ said }}", ""))

    @app.post("/login")
    async def login(
        request: Request, password: Annotated[str, Form()] = "", name: Annotated[str, Form()] = ""
    ) -> Response:
        entered = door.enter(password, " ".join(name.split())[:LONGEST])
        if entered is None:
            answer = "That is not the password, or there were too many tries: wait a minute."
            return HTMLResponse(page_file("login.html").replace("{{ said }}", answer), status_code=401)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, entered, httponly=True, samesite="strict")
        return response

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        if door.may_change(secret(request), request.headers.get("x-csrf")):
            door.leave(secret(request))
        return RedirectResponse("/login", status_code=303)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in STATIC:
            return Response(status_code=404)
        return Response(page_file(name), media_type=STATIC[name])

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(follower.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/")
    async def page(request: Request) -> Response:
        visit = door.visit(secret(request))
        if visit is None:
            return RedirectResponse("/login", status_code=303)
        return HTMLResponse(page_file("console.html").replace("{{ csrf }}", visit.csrf))

    @app.get("/state")
    async def state(request: Request) -> Response:
        if door.visit(secret(request)) is None:
            return Response(status_code=401)
        return JSONResponse(plain(follower.shown()))

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        if door.visit(secret(request)) is None:
            return Response(status_code=401)

        async def events() -> AsyncIterator[str]:
            sent: dict[str, str] = {}
            while not await request.is_disconnected() and door.visit(secret(request)) is not None:
                changed, sent = changes(follower.shown(), sent)
                yield f"data: {changed}\n\n"
                await asyncio.sleep(EVERY_S)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/why/{seq}")
    def why(request: Request, seq: int) -> Response:
        if door.visit(secret(request)) is None:
            return Response(status_code=401)
        found = desk.why(seq) if 0 < seq < LAST else None
        return JSONResponse(plain(found)) if found is not None else Response(status_code=404)

    @app.post("/act/{verb}")
    def act(
        request: Request, verb: str, target: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = ""
    ) -> Any:
        visit = door.visit(secret(request))
        if visit is None or not door.may_change(secret(request), request.headers.get("x-csrf")):
            return JSONResponse({"said": "log in again"}, status_code=403)
        try:
            answer = _act(desk, verb, target.strip(), visit.by, " ".join(reason.split()))
        except TercelError as error:
            return JSONResponse({"said": str(error)}, status_code=409)
        return JSONResponse({"said": answer})

    return app


def changes(state: Mapping[str, Any], sent: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Difference between two states of the page as a JSON object, and the state sent now, part by part.

    >>> changes({"seq": 2, "desk": "d"}, {"seq": "1", "desk": '"d"'})[0]
    '{"seq": 2}'
    """
    now = {key: json.dumps(plain(value)) for key, value in state.items()}
    parts = (f"{json.dumps(key)}: {text}" for key, text in now.items() if sent.get(key) != text)
    return "{" + ", ".join(parts) + "}", now


def _act(desk: FolderDesk, verb: str, target: str, by: str, reason: str) -> str:
    """Do what a person asked for, with a name and a reason; what was done, in a sentence.

    Raises
    ------
    ConfigError
        For an unknown verb, no target or no reason.
    """
    if verb not in ("kill", "rearm", "promote", *PARENT_VERBS):
        raise ConfigError(f"one of kill, rearm, promote, {', '.join(PARENT_VERBS)}", repr(verb), "use the page")
    if not reason:
        raise ConfigError("a reason", "none", "say why: it is journaled")
    if verb == "kill":
        desk.kill(target or "all", by, reason)
        return f"killed: {target or 'all'}"
    if verb == "rearm":
        desk.rearm(by, reason)
        return "armed again"
    if verb == "promote":
        desk.post("promote", {"agent": target}, by, reason)
        return f"asked for: promote the challenger of {target}"
    if not target:
        raise ConfigError("the name of a parent order", "none", "choose one")
    desk.post(verb, {"parent": target}, by, reason)
    return f"asked for: {verb} {target}"
