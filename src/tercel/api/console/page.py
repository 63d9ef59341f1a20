"""The page itself: files of `tercel.core.pages`, which log in and ask by `/api`, and its description."""

from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from tercel.api.console.guard import HttpError, needs
from tercel.api.console.roles import PUBLIC

STATIC: Final = {"app.css": "text/css", "app.js": "text/javascript", "licenses.txt": "text/plain"}


def page_file(name: str) -> str:
    """A file of the page."""
    return (files("tercel.core.pages") / name).read_text(encoding="utf-8")


def add_page(app: FastAPI) -> None:
    """Add the page."""

    @app.get("/static/{name}", include_in_schema=False, **needs(PUBLIC))
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise HttpError(404, "a file of the page", repr(name[:80]), "load the page anew")
        return Response(page_file(name), media_type=STATIC[name])

    @app.get("/", include_in_schema=False, **needs(PUBLIC))
    @app.get("/login", include_in_schema=False, **needs(PUBLIC))
    async def page() -> Response:
        return HTMLResponse(page_file("index.html"))

    @app.get("/openapi.json", **needs("look"))
    async def openapi() -> dict[str, Any]:
        """This description."""
        return app.openapi()
