"""Checks before every HTTP route of the console (host, origin, body size, session, permission), and errors as JSON."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from tercel.api.console.people import UnknownUserError
from tercel.api.console.roles import LEAST_ROLE, PUBLIC, has_permission
from tercel.api.console.sessions import Sessions, Visit, has_csrf_token
from tercel.core.errors import TercelError, file_error
from tercel.core.grouping import group_values
from tercel.core.serialization import to_jsonable

COOKIE: Final = "tercel_session"
PERMISSION: Final = "x-permission"
"""Key of a route's permission in its OpenAPI description."""
TOKEN_TOO: Final = "x-token"
"""Key in a route's OpenAPI description: the token of `/metrics` is accepted as well."""
MOST_BYTES: Final = 64 * 1024
"""Most bytes of a request's body."""
AS_DESCRIBED: Final = "a request as /openapi.json says"
BODY_S: Final = 10.0
"""Seconds within which a request's body has to arrive after its head; the head has as long (`web.TimedProtocol`)."""
READS: Final = ("GET", "HEAD", "OPTIONS")
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CLOSE: Final = {"Connection": "close"}
"""Additional header where the request's body was not read completely."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpError(Exception):
    """An HTTP error response: a status and the three parts expected, received and remedy.

    Parameters
    ----------
    status : int
        Of HTTP.
    expected, received, remedy : str
        As of `core.errors.TercelError`.
    headers : mapping, optional
    """

    def __init__(
        self,
        status: int,
        expected: str,
        received: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(expected, received, remedy)
        self.status = status
        self.headers = dict(headers or {})
        self.parts = {"expected": expected, "received": received, "remedy": remedy}

    def response(self) -> "Json":
        """The JSON response of the error."""
        return Json(self.parts, self.status, headers=self.headers)


class Json(JSONResponse):
    """JSON response in ASCII and without NaN, so that no text in it, not even half a surrogate pair, breaks it."""

    def render(self, content: Any) -> bytes:
        """The content as JSON bytes: ASCII, NaN and infinity as null."""
        return json.dumps(to_jsonable(content), allow_nan=False, separators=(",", ":")).encode(
            "ascii"
        )


class HttpGuard:
    """ASGI middleware: refuses foreign hosts, foreign origins of changes and long bodies before anything is read.

    Parameters
    ----------
    app : ASGI application
    hosts : iterable of str
        Names by which the console may be called; ports do not matter, as tunnels have their own.
    body_s : float
        Seconds within which a body has come.
    """

    def __init__(
        self, app: App, hosts: Iterable[str] = LOOPBACK_HOSTS, body_s: float = BODY_S
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it to the app with its body already read; security headers are added to the response."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = None if scope["method"] in READS else await self._body(scope, receive)
        except HttpError as refused:
            await refused.response()(scope, receive, _with_headers(send, close=True))
            return
        # a body that nothing reads may come a byte at a time, without end
        close = body is None and not _headers(scope).keys().isdisjoint(
            ("content-length", "transfer-encoding")
        )
        await self._app(
            scope,
            receive if body is None else _replay_body(body, receive),
            _with_headers(send, close),
        )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The request's body, read within `body_s` seconds; 408 if it takes longer."""
        try:
            async with asyncio.timeout(self._body_s):
                return await _read_body(scope, receive)
        except TimeoutError:
            raise HttpError(
                408, f"a body within {self._body_s:g} s", "a part of it", "send all of it"
            ) from None

    def _check(self, scope: Scope) -> None:
        """Raise an HttpError for a foreign host, for a foreign Origin (of reads, too), and for a change from another
        site."""
        headers = _headers(scope)
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not hosts[0]:
            raise HttpError(400, "one Host", f"{len(hosts)}", "ask as a browser does")
        if _host_name(hosts[0]) not in self._hosts:
            raise HttpError(
                421,
                "a host of this console",
                repr(hosts[0][:80]),
                "reach the console as 127.0.0.1 or localhost, through a tunnel where it is elsewhere",
            )
        origins = headers.get("origin", [])
        own_origins = {f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"}
        if any(origin.lower() not in own_origins for origin in origins):
            raise HttpError(
                403,
                "a request of the console's own pages",
                f"Origin {origins[0][:80]!r}",
                "use the page",
            )
        sites = headers.get("sec-fetch-site", [])
        if scope["method"] not in READS and any(
            site not in ("same-origin", "none") for site in sites
        ):
            raise HttpError(
                403, "a request of the console's own pages", repr(sites[0][:20]), "use the page"
            )


def _headers(scope: Scope) -> dict[str, list[str]]:
    """Headers of a request by lower-case name, with all values of each name."""
    return group_values(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )


def _host_name(host: str) -> str:
    """Host name of a Host header, without the port.

    >>> _host_name("LocalHost:8321"), _host_name("[::1]:8321"), _host_name("127.0.0.1"), _host_name("a:b@127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1', 'a:b@127.0.0.1')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and (port.isdigit() or not port) else host.lower()


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body of a request; 413 as soon as its length, declared or read, exceeds `MOST_BYTES`."""
    too_long = HttpError(
        413, f"a body of at most {MOST_BYTES // 1024} KiB", "a longer one", "send less"
    )
    for length in _headers(scope).get("content-length", []):
        if not length.isdigit() or int(length) > MOST_BYTES:
            raise too_long
    chunks = []
    size = 0
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        size = size + len(chunks[-1])
        has_more = message.get("more_body", False)
        if size > MOST_BYTES:
            raise too_long
    return b"".join(chunks)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """A receive callable that gives an already read body, then whatever the connection sends next."""
    was_sent = False

    async def receive_again() -> MutableMapping[str, Any]:
        """The read body on the first call; afterwards the connection's own messages."""
        nonlocal was_sent
        if was_sent:
            return await receive()
        was_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _with_headers(send: Send, close: bool) -> Send:
    """A send callable that adds the security headers to the response; `close` also closes the connection."""

    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        """Send a message; a response start gets the additional headers it lacks."""
        if message["type"] == "http.response.start":
            present_names = {name.lower() for name, _ in message["headers"]}
            extra_headers = [
                (name.lower().encode(), value.encode())
                for name, value in (HEADERS | CLOSE if close else HEADERS).items()
            ]
            message["headers"] = [
                *message["headers"],
                *(pair for pair in extra_headers if pair[0] not in present_names),
            ]
        await send(message)

    return send_with_headers


class GuardedRoute(APIRoute):
    """Route that checks its permission (`needs`) before any part of the request is parsed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, preceded by the permission check."""
        handler = super().get_route_handler()
        extra = self.openapi_extra or {}
        permission = str(extra[PERMISSION])
        if permission != PUBLIC and permission not in LEAST_ROLE:
            raise LookupError(f"no permission {permission}")

        async def handle_guarded(request: Request) -> Response:
            """Check the permission of the request, then handle it."""
            if permission != PUBLIC and not (extra.get(TOKEN_TOO) and _has_token(request)):
                request.state.visit = require_visit(request, permission)
            answer: Response = await handler(request)
            return answer

        return handle_guarded


def needs(permission: str, **extra: Any) -> dict[str, Any]:
    """Keywords of a route that name its permission and describe the possible refusals in the OpenAPI document."""
    responses: dict[int | str, Any] = (
        {} if permission == PUBLIC else {401: {"description": "no session"}}
    )
    if permission not in (PUBLIC, "look"):
        responses |= {
            403: {
                "description": f"the role may not ({LEAST_ROLE[permission]} may), or the token of changes is missing"
            },
            404: {"description": "no such desk, agent, parent or request"},
            409: {"description": "the desk says no"},
        }
    return {"openapi_extra": {PERMISSION: permission, **extra}, "responses": responses}


def require_visit(request: Request, permission: str) -> Visit:
    """The session of a request; 401 without one, 403 where its role lacks the permission or the CSRF token is missing.

    Raises
    ------
    HttpError
        401 without a session; 403 without the token of changes, or below the least role.
    """
    sessions: Sessions = request.app.state.sessions
    try:
        visit = sessions.visit(request.cookies.get(COOKIE))
    except TercelError:
        raise unreadable_people() from None
    if visit is None:
        raise HttpError(401, "a session", "none, or one that has ended", "log in")
    if request.method not in READS and not has_csrf_token(visit, request.headers.get("x-csrf")):
        raise HttpError(
            403, "the session's token as x-csrf", "none, or another", "take it from /api/me"
        )
    if not has_permission(visit.person.role, permission):
        raise HttpError(
            403,
            f"a person with the permission {permission}: {LEAST_ROLE[permission]} or more",
            f"{visit.person.name}, {visit.person.role}",
            f"ask a person with the role {LEAST_ROLE[permission]}, or an admin for the role",
        )
    return visit


def unreadable_people() -> HttpError:
    """Return (not raise) the 401 error for an invalid file of people: no one can log in; its path is not revealed."""
    return HttpError(
        401,
        "people who may log in",
        "a file that cannot be obeyed",
        "see `tercel console users list`",
    )


def _has_token(request: Request) -> bool:
    """Whether the request carries the bearer token of the metrics."""
    token: str | None = request.app.state.token
    authorization = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def add_error_handlers(app: FastAPI) -> None:
    """Make every error response of the app JSON with the three parts expected, received and remedy."""

    async def on_http_error(_: Request, error: Any) -> Response:
        """Response of an `HttpError`."""
        answer: Response = error.response()
        return answer

    async def on_tercel_error(_: Request, error: Any) -> Response:
        """404 for an unknown person, 409 for other errors of Tercel."""
        status = 404 if isinstance(error, UnknownUserError) else 409
        return HttpError(status, error.expected, error.received, error.remedy).response()

    async def on_os_error(_: Request, error: Any) -> Response:
        """Response of an operating system error, its three parts made by `file_error`."""
        os_error = file_error(error)
        return HttpError(409, os_error.expected, os_error.received, os_error.remedy).response()

    async def on_invalid_request(_: Request, error: Any) -> Response:
        """422 with the first field of the request that is invalid."""
        first_error: dict[str, Any] = next(iter(error.errors()), {})
        location = ".".join(str(part) for part in first_error.get("loc", ()))[:200]
        return HttpError(
            422, AS_DESCRIBED, f"{location}: {first_error.get('msg', '')}", "mend it"
        ).response()

    async def on_http_exception(request: Request, error: Any) -> Response:
        """Response of the framework's own HTTP errors in three parts."""
        received = f"{request.method} {request.url.path[:200]!r}: {error.detail}"
        return HttpError(
            error.status_code, AS_DESCRIBED, received, "mend it", error.headers
        ).response()

    app.add_exception_handler(HttpError, on_http_error)
    app.add_exception_handler(TercelError, on_tercel_error)
    app.add_exception_handler(OSError, on_os_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
