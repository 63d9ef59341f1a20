"""The console over HTTP: every route with its permission, behind one guard; routes of the way in and out.

app = create_app(served([Path("desks/today")], time.time_ns, time.monotonic), People(file), time.monotonic)
server_of(app).run(sockets=[bind(8321)])
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from tercel.api.console.actions import add_actions
from tercel.api.console.connected import ConnectedDesk, Desks, served
from tercel.api.console.guard import (
    LOOPBACK_HOSTS,
    GuardedRoute,
    HttpError,
    HttpGuard,
    Json,
    Sessions,
    needs,
    tell_errors,
)
from tercel.api.console.login import add_login_routes, add_users
from tercel.api.console.people import PUBLIC, People
from tercel.api.console.reads import add_reads
from tercel.api.console.two_persons import add_two_person_routes
from tercel.venues.hosts import LOOPBACK, bind

if TYPE_CHECKING:
    from tercel.api.console.oidc import IdentityProvider

__all__ = ["LOOPBACK", "ConnectedDesk", "Desks", "bind", "create_app", "served", "server_of"]

STATIC: Final = {"app.css": "text/css", "app.js": "text/javascript", "licenses.txt": "text/plain"}


def page_file(name: str) -> str:
    """A file of the page."""
    return (files("tercel.core.pages") / name).read_text(encoding="utf-8")


def add_page(app: FastAPI) -> None:
    """Add the page."""

    @app.get("/static/{name}", include_in_schema=False, **needs(PUBLIC))
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise HttpError(404, "a file of the page", repr(name[:80]), "reload the page")
        return Response(page_file(name), media_type=STATIC[name])

    @app.get("/", include_in_schema=False, **needs(PUBLIC))
    @app.get("/login", include_in_schema=False, **needs(PUBLIC))
    async def page() -> Response:
        return HTMLResponse(page_file("index.html"))

    @app.get("/openapi.json", **needs("look"))
    async def openapi() -> dict[str, Any]:
        """This description."""
        return app.openapi()


class TimedProtocol(H11Protocol):
    """A connection that is closed where the head of a request is not here in time.

    uvicorn waits for it without end: a client that sends half a line on every connection would hold them all.
    """

    headers_s = 10.0
    """Seconds from a connection, or from a request's first byte, to the end of its head."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self._late = self._late or self.loop.call_later(self.headers_s, self.transport.close)
        elif self._late is not None:
            self._late.cancel()
            self._late = None


def server_of(app: FastAPI) -> uvicorn.Server:
    """A server for the console; run it with `server.run(sockets=[bind(port)])`.

    Addresses are those of connections: what a header says of another one is not believed.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=TimedProtocol,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            proxy_headers=False,
            ws="none",
            server_header=False,
        )
    )


def create_app(
    desks: Desks,
    people: People,
    now_s: Callable[[], float],
    *,
    token: str | None = None,
    provider: "IdentityProvider | None" = None,
    hosts: Iterable[str] = LOOPBACK_HOSTS,
) -> FastAPI:
    """The console of some desks.

    Parameters
    ----------
    desks : Desks
        Shown and acted on; their followers are started and stopped with the server.
    people : People
        People and their roles.
    now_s : callable
        Monotonic clock, seconds.
    token : str, optional
        Bearer token that opens `/metrics`; without one only a session may.
    provider : IdentityProvider, optional
        Identity provider; people whom it names log in without a password.
    hosts : iterable of str
        Accepted host names.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        for one in desks.values():
            one.follower.start()
        yield
        for one in desks.values():
            one.follower.stop()

    app = FastAPI(
        title="Tercel console",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=life,
        default_response_class=Json,
        redirect_slashes=False,
        description="Times: ns of the venue's clock. Costs: bps.",
    )
    app.router.route_class = GuardedRoute
    app.state.sessions = Sessions(people, now_s)
    app.state.token = token
    tell_errors(app)
    add_login_routes(app, app.state.sessions, provider is not None)
    if provider is not None:
        from tercel.api.console.oidc import add_provider

        add_provider(app, app.state.sessions, provider)
    add_users(app, people)
    add_reads(app, desks)
    add_actions(app, desks)
    add_two_person_routes(app, desks)
    add_page(app)
    app.add_middleware(HttpGuard, hosts=hosts)
    return app
