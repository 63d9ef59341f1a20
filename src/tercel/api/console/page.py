"""The page itself: its files, and what its old way of asking is called now."""

from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tercel.api.console import acts, models
from tercel.api.console.guard import COOKIE, Json, RefusedError, admitted, needs
from tercel.api.console.reached import Desks
from tercel.api.console.reads import SharedPages, explained, streamed
from tercel.api.console.roles import LEAST, PUBLIC
from tercel.api.console.sessions import Sessions
from tercel.api.console.writes import ask
from tercel.core.errors import TercelError
from tercel.core.report.page import style_sheet

STATIC: Final = {
    "tables.css": "text/css",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "uplot.css": "text/css",
    "uplot.js": "text/javascript",
}
VERBS: Final = ("kill", "rearm", "promote", "pause", "resume", "cancel")


def page_file(name: str) -> str:
    """A static file of the page; tables use the style of the reports."""
    if name == "tables.css":
        return style_sheet(name)
    return (files("tercel.desk.console") / "page" / name).read_text(encoding="utf-8")


def add_page(app: FastAPI, desks: Desks, sessions: Sessions, pages: SharedPages) -> None:
    """Add the page of the first desk, with its own names for what `/api` does."""
    first = next(iter(desks.values()))

    @app.get("/static/{name}", include_in_schema=False, **needs(PUBLIC))
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise RefusedError(404, "a file of the page", repr(name[:80]), "load the page anew")
        return Response(page_file(name), media_type=STATIC[name])

    @app.get("/", include_in_schema=False, **needs(PUBLIC))
    async def page(request: Request) -> Response:
        try:
            visit = admitted(request, "look")
        except RefusedError:
            response = RedirectResponse("/login", status_code=303)
            response.delete_cookie(COOKIE)
            return response
        return HTMLResponse(page_file("console.html").replace("{{ csrf }}", visit.csrf))

    @app.get("/openapi.json", **needs("look"))
    async def openapi() -> dict[str, Any]:
        """This description."""
        return app.openapi()

    @app.get("/state", include_in_schema=False, **needs("look"))
    def state() -> Response:
        return Json(first.follower.shown())

    @app.get("/stream", include_in_schema=False, **needs("look"))
    async def stream(request: Request) -> Response:
        return streamed(request, pages, first.name)

    @app.get("/why/{seq}", include_in_schema=False, **needs("look"))
    def why(seq: int) -> Response:
        return explained(first, seq)

    def act(verb: str) -> Any:
        def done(
            request: Request,
            target: Annotated[str, Form(max_length=models.LONGEST_ID)] = "",
            reason: Annotated[str, Form(max_length=500)] = "",
        ) -> Response:
            try:
                return Json({"said": _said(first.name, desks, request, verb, target.strip(), " ".join(reason.split()))})
            except RefusedError as refused:
                told = refused.parts
                said = f"expected {told['expected']}; received {told['received']}. To go on: {told['remedy']}."
                return Json({"said": said}, refused.status)
            except (TercelError, ValueError) as error:
                return Json({"said": str(error)}, 409)

        return done

    for verb in VERBS:
        app.post(f"/act/{verb}", include_in_schema=False, **needs(verb))(act(verb))


def _said(desk: str, desks: Desks, request: Request, verb: str, target: str, reason: str) -> str:
    """Do what the old page asks for; what was done, in a sentence."""
    if not reason:
        raise RefusedError(409, "a reason", "none", "say why: it is journaled")
    served, by = desks[desk], request.state.visit.by
    if verb == "kill":
        whole = target in ("", "all")
        asked = models.Kill(
            scope="desk" if whole else "agent", name=desk if whole else target, desk=desk, reason=reason
        )
        return "; ".join(acts.kill(desks, asked, by).done)
    if verb in ("rearm", "promote"):
        if verb == "rearm":
            acts.may_rearm(served, [])
        what = "re-arm every agent" if verb == "rearm" else acts.may_promote(served, target)
        body: dict[str, Any] = {"agents": []} if verb == "rearm" else {"agent": target}
        number = ask(served, request.state.visit, verb, body, what, reason).request
        return f"asked for: {what}; a second person ({LEAST['confirm']} or more) confirms request {number}"
    if not target:
        raise RefusedError(409, "the name of a parent order", "none", "choose one")
    return "; ".join(acts.change_parent(served, verb, target, by, reason).done)
