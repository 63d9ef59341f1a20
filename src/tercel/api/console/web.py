"""The console over HTTP: every route with its permission, behind one guard; routes of the way in and out.

app = create_app(served([Path("desks/today")], time.time_ns, time.monotonic), People(file), time.monotonic)
server_of(app).run(sockets=[bind(8321)])
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from importlib.resources import files
from typing import Any, Final, TypeVar

import h11
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from uvicorn.protocols.http.h11_impl import H11Protocol

from tercel.api.console import models
from tercel.api.console.connected import ConnectedDesk, Desks, served
from tercel.api.console.guard import (
    COOKIE,
    LOOPBACK_HOSTS,
    GuardedRoute,
    HttpError,
    HttpGuard,
    Json,
    needs,
    nobody,
    tell_errors,
)
from tercel.api.console.oidc import CALLBACK, FLOW_S, IdentityProvider
from tercel.api.console.people import PUBLIC, People, made_password
from tercel.api.console.reads import add_reads
from tercel.api.console.sessions import LIFE_S, Sessions, TooSoonError, Visit
from tercel.api.console.writes import add_writes
from tercel.core.errors import TercelError
from tercel.venues.hosts import LOOPBACK, bind

HASHING: Final = ThreadPoolExecutor(1, "console-hash"), ThreadPoolExecutor(1, "console-hash-known")
"""Threads that hash passwords, of strangers and of known devices: whoever tries thousands keeps no act waiting, nor
a device from which a person has logged in."""
DEVICE: Final = "tercel_device"
DEVICE_S: Final = 180 * 86_400
"""For so long a browser is known."""
FLOW: Final = "tercel_oidc"
GO_ON: Final = '<!doctype html><title>Tercel</title><meta http-equiv="refresh" content="0;url=/"><a href="/">Go on</a>'
MOST_WAITING: Final = 16
"""Tries that wait for those threads."""
_Found = TypeVar("_Found")


class Door:
    """Passwords are tried here, a few at a time.

    Parameters
    ----------
    sessions : Sessions
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting = [0, 0]

    async def enter(self, name: str, password: str, request: Request) -> str:
        """The secret of a new session.

        Raises
        ------
        HttpError
            401: not the password. 429: too many tries; nobody at another address waits.
        """
        try:
            secret = await self._tried(name, partial(self._sessions.enter, name, password), request)
        except TercelError:
            raise nobody() from None
        if secret is None:
            raise HttpError(401, "a name and its password", "another", "try again, or ask an admin")
        return secret

    async def change(self, asked: models.PasswordBody, request: Request) -> int:
        """Give whoever asks another password; how many other sessions ended.

        Raises
        ------
        HttpError
            403: not the password. 429: as `enter`.
        """
        visit, secret = request.state.visit, request.cookies.get(COOKIE)
        change = self._sessions.change_password
        ended = await self._tried(
            visit.person.name, partial(change, visit, secret, asked.old, asked.new), request
        )
        if ended is None:
            raise HttpError(
                403, "the password of who asks", "another, or none is kept here", "try again"
            )
        return ended

    async def _tried(self, name: str, act: Callable[[str], _Found], request: Request) -> _Found:
        """What looks at a password of a name, by the place that it came from, on the thread for that."""
        device, address = (
            request.cookies.get(DEVICE, ""),
            request.client.host if request.client else "",
        )
        known = self._sessions.knows(name, device)
        if self._waiting[known] >= MOST_WAITING:
            raise _wait(1.0)
        self._waiting[known] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                HASHING[known], act, device if known else address
            )
        except TooSoonError as error:
            raise _wait(error.wait_s) from None
        finally:
            self._waiting[known] -= 1


def _wait(seconds: float) -> HttpError:
    whole = max(1, round(seconds + 0.5))
    return HttpError(
        429,
        "fewer tries",
        "too many wrong ones of this name from here, or too many at once",
        f"wait {whole} s",
        {"Retry-After": str(whole)},
    )


def with_session(response: Response, secret: str, request: Request) -> Response:
    """A response that hands the session's secret to the browser, for this site alone."""
    return _with_cookie(response, COOKIE, secret, int(LIFE_S), request)


def _with_cookie(
    response: Response, name: str, value: str, max_age: int, request: Request
) -> Response:
    https = request.url.scheme == "https"
    response.set_cookie(
        name, value, httponly=True, samesite="strict", max_age=max_age, secure=https
    )
    return response


def said_page(said: str, status: int) -> Response:
    """A sentence, and the way back."""
    return HTMLResponse(
        f"<!doctype html><title>Tercel console</title><p>{escape(said)}</p><p><a href='/'>Back</a></p>",
        status_code=status,
    )


def add_login_routes(app: FastAPI, sessions: Sessions, oidc: bool) -> None:
    """Add login, logout, and who one is; `oidc`: whether an identity provider names people too."""
    door = Door(sessions)

    @app.get("/api/ways", **needs(PUBLIC))
    async def ways() -> models.Ways:
        """How people come in."""
        return models.Ways(oidc=oidc)

    @app.post("/api/login", **needs(PUBLIC))
    async def login(request: Request, response: Response, asked: models.LoginBody) -> models.Me:
        """Log in: sets the cookie of the session and answers as `/api/me`."""
        secret = await door.enter(asked.name.strip(), asked.password, request)
        with_session(response, secret, request)
        visit = sessions.visit(secret)
        if visit is None:
            raise HttpError(401, "a name and its password", "one that has just gone", "try again")
        _with_cookie(response, DEVICE, sessions.device(visit.person), DEVICE_S, request)
        return _me(sessions, visit)

    @app.get("/api/me", **needs("look"))
    async def me(request: Request) -> models.Me:
        """Who is logged in, what that person may do, and the token that every change carries."""
        return _me(sessions, request.state.visit)

    @app.post("/api/password", **needs("look"))
    async def password(
        request: Request, response: Response, asked: models.PasswordBody
    ) -> models.PasswordSet:
        """Change the own password; all other sessions of this person end, and how many did is told."""
        ended = await door.change(asked, request)
        _with_cookie(
            response, DEVICE, sessions.device(request.state.visit.person), DEVICE_S, request
        )
        return models.PasswordSet(ended=ended)

    @app.post("/api/logout", **needs("look"))
    async def logout(request: Request) -> models.Left:
        """End the session."""
        sessions.leave(request.cookies.get(COOKIE))
        return models.Left(left=True)


def add_provider(app: FastAPI, sessions: Sessions, provider: IdentityProvider) -> None:
    """Add the way in by an identity provider."""

    @app.get("/oidc", include_in_schema=False, **needs(PUBLIC))
    def leave_for_provider(request: Request) -> Response:
        state, there = provider.begin(f"{request.url.scheme}://{request.headers['host']}")
        response = RedirectResponse(there, status_code=303)
        response.set_cookie(
            FLOW, state, httponly=True, samesite="lax", max_age=int(FLOW_S), path=CALLBACK
        )
        return response

    @app.get(CALLBACK, include_in_schema=False, **needs(PUBLIC))
    def come_back(request: Request) -> Response:
        try:
            name = provider.name_of(request.cookies.get(FLOW, ""), request.query_params)
            person = sessions.people.get(name)
        except TercelError as error:
            return said_page(
                f"The identity provider lets nobody in: {error.expected} was expected.", 401
            )
        if person is None:
            return said_page(
                "The identity provider knows you; nobody of that name may log in here.", 403
            )
        # a page of our own, which goes on: a cookie of this site alone is not sent where another site led here
        response = with_session(HTMLResponse(GO_ON), sessions.open(person, provider.proof), request)
        response.delete_cookie(FLOW, path=CALLBACK)
        return response


def add_users(app: FastAPI, people: People) -> None:
    """Add routes of the people."""

    @app.get("/api/users", **needs("users"))
    def list_users() -> list[models.User]:
        """Who may log in."""
        return [models.User(name=one.name, role=one.role, by=one.by) for one in people.all()]

    @app.post("/api/users", **needs("users"))
    async def add_user(request: Request, asked: models.NewUser) -> models.User:
        """Let a person in; a password that was made is told here, once."""
        visit: Visit = request.state.visit
        made = made_password() if asked.password is None else None
        one = await run_in_threadpool(
            people.add, asked.name, asked.role, made or asked.password, visit.by
        )
        return models.User(name=one.name, role=one.role, by=one.by, password=made)

    @app.post("/api/users/{name}/role", **needs("users"))
    def change_role(request: Request, name: str, asked: models.RoleBody) -> models.User:
        """Give a person another role; it counts at once."""
        visit: Visit = request.state.visit
        one = people.set_role(name, asked.role, visit.by)
        return models.User(name=one.name, role=one.role, by=one.by)

    @app.delete("/api/users/{name}", **needs("users"))
    def remove_user(name: str) -> models.Removed:
        """Take a person out; open sessions end at once."""
        people.remove(name)
        return models.Removed(removed=name)


def _me(sessions: Sessions, visit: Visit) -> models.Me:
    return models.Me.model_validate(sessions.shown(visit))


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


class TimedProtocol(H11Protocol):
    """A connection that is closed where the head of a request is not here in time.

    uvicorn waits for ever for it: whoever opens connections and says half a line would hold them all.
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
    provider: IdentityProvider | None = None,
    hosts: Iterable[str] = LOOPBACK_HOSTS,
) -> FastAPI:
    """The console of some desks.

    Parameters
    ----------
    desks : Desks
        Shown and acted on; their followers are started and stopped with the server.
    people : People
        Who may do what.
    now_s : callable
        Seconds that never go back.
    token : str, optional
        Whoever bears it may read `/metrics`; without one only a session may.
    provider : IdentityProvider, optional
        Whom it names may come in without a password.
    hosts : iterable of str
        Names by which the console may be called.
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
        add_provider(app, app.state.sessions, provider)
    add_users(app, people)
    add_reads(app, desks)
    add_writes(app, desks)
    add_page(app)
    app.add_middleware(HttpGuard, hosts=hosts)
    return app
