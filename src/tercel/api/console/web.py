"""The console's web application: its server, its page files, and all routes behind one guard.

app = create_app(connect_desks([Path("desks/today")], time.time_ns, time.monotonic), People(file), time.monotonic)
server_of(app).run(sockets=[bind(8321)])
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from tercel.api.console.actions import add_action_routes
from tercel.api.console.connected import ConnectedDesk, Desks, connect_desks
from tercel.api.console.cost_estimates import RecordedCosts
from tercel.api.console.guard import (
    LOOPBACK_HOSTS,
    GuardedRoute,
    HttpError,
    HttpGuard,
    Json,
    add_error_handlers,
    needs,
)
from tercel.api.console.login import add_login_routes, add_user_routes
from tercel.api.console.people import People
from tercel.api.console.reads import add_read_routes
from tercel.api.console.roles import PUBLIC
from tercel.api.console.sessions import Sessions
from tercel.api.console.two_persons import add_two_person_routes
from tercel.venues.hosts import LOOPBACK, bind

if TYPE_CHECKING:
    from tercel.api.console.oidc import IdentityProvider

__all__ = ["LOOPBACK", "ConnectedDesk", "Desks", "bind", "connect_desks", "create_app", "server_of"]

STATIC: Final = {"app.css": "text/css", "app.js": "text/javascript", "licenses.txt": "text/plain"}


def page_file(name: str) -> str:
    """Text of a file of the web page, from the package."""
    return (files("tercel.core.pages") / name).read_text(encoding="utf-8")


def add_page_routes(app: FastAPI) -> None:
    """Add to the app the routes of the web page's files."""

    @app.get("/static/{name}", include_in_schema=False, **needs(PUBLIC))
    async def static(name: str) -> Response:
        """A static file of the web page; 404 for another name."""
        if name not in STATIC:
            raise HttpError(404, "a file of the page", repr(name[:80]), "reload the page")
        return Response(page_file(name), media_type=STATIC[name])

    @app.get("/", include_in_schema=False, **needs(PUBLIC))
    @app.get("/login", include_in_schema=False, **needs(PUBLIC))
    async def page() -> Response:
        """The web page."""
        return HTMLResponse(page_file("index.html"))

    @app.get("/openapi.json", **needs("look"))
    async def openapi() -> dict[str, Any]:
        """This description."""
        return app.openapi()


class TimedProtocol(H11Protocol):
    """HTTP connection that is closed where a request's head does not arrive in time.

    uvicorn waits for it without end: a client that sends half a line on every connection would hold them all.
    """

    headers_s = 10.0
    """Seconds from a connection, or from a request's first byte, to the end of its head."""
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first request's head; see `asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Pass data on, and stop or restart the timer; see `asyncio.Protocol`."""
        super().data_received(data)
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        """Start or stop the timer within which the head of the next request has to arrive."""
        if self.conn.their_state is h11.IDLE:
            self._head_timer = self._head_timer or self.loop.call_later(
                self.headers_s, self.transport.close
            )
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def server_of(app: FastAPI) -> uvicorn.Server:
    """Server of the console's application; run it with `server.run(sockets=[bind(port)])`.

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
    lake: Path | None = None,
) -> FastAPI:
    """The console's web application: all routes for some desks, behind one guard.

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
    lake : Path, optional
        Recorded days from which orders are estimated.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        """Run the desks' journal followers as long as the application runs."""
        for desk in desks.values():
            desk.follower.start()
        yield
        for desk in desks.values():
            desk.follower.stop()

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
    add_error_handlers(app)
    add_login_routes(app, app.state.sessions, provider is not None)
    if provider is not None:
        from tercel.api.console.oidc import add_provider_routes

        add_provider_routes(app, app.state.sessions, provider)
    add_user_routes(app, people)
    add_read_routes(app, desks)
    add_action_routes(app, desks, RecordedCosts(lake))
    add_two_person_routes(app, desks)
    add_page_routes(app)
    app.add_middleware(HttpGuard, hosts=hosts)
    return app
