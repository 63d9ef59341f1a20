"""Checks before every route: whose host, whose origin, how long a body, who asks, and whether that person may."""

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

from tercel.api.console.people import LEAST, PUBLIC, UnknownUserError, may
from tercel.api.console.sessions import Sessions, Visit, carries
from tercel.core.errors import TercelError, of_files
from tercel.core.serialization import to_jsonable

COOKIE: Final = "tercel_session"
PERMISSION: Final = "x-permission"
"""Where a route's description names it."""
TOKEN_TOO: Final = "x-token"
"""Where a route's description says that the token of `/metrics` opens it as well."""
MOST_BYTES: Final = 64 * 1024
"""Of a request's body."""
AS_DESCRIBED: Final = "a request as /openapi.json says"
BODY_S: Final = 30.0
"""Within which a request's body has come."""
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
"""Beside them where the body was not read whole."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpError(Exception):
    """A request that is not served, in the three parts of an error.

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
        """Its answer."""
        return Json(self.parts, self.status, headers=self.headers)


class Json(JSONResponse):
    """JSON in ASCII, without NaN: half a surrogate in somebody's text breaks no answer."""

    def render(self, content: Any) -> bytes:
        """The body."""
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
        self._hosts = frozenset(one.lower() for one in hosts)
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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
            scope, receive if body is None else _replayed(body, receive), _with_headers(send, close)
        )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._body_s):
                return await _whole(scope, receive)
        except TimeoutError:
            raise HttpError(
                408, f"a body within {self._body_s:g} s", "a part of it", "send all of it"
            ) from None

    def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        host = headers.get("host", [])
        if len(host) != 1 or not host[0]:
            raise HttpError(400, "one Host", f"{len(host)}", "ask as a browser does")
        if _name(host[0]) not in self._hosts:
            raise HttpError(
                421,
                "a host of this console",
                repr(host[0][:80]),
                "reach the console as 127.0.0.1 or localhost, through a tunnel where it is elsewhere",
            )
        origin = headers.get("origin", [])
        own = {f"http://{host[0].lower()}", f"https://{host[0].lower()}"}
        if any(one.lower() not in own for one in origin):
            raise HttpError(
                403,
                "a request of the console's own pages",
                f"Origin {origin[0][:80]!r}",
                "use the page",
            )
        site = headers.get("sec-fetch-site", [])
        if scope["method"] not in READS and any(one not in ("same-origin", "none") for one in site):
            raise HttpError(
                403, "a request of the console's own pages", repr(site[0][:20]), "use the page"
            )


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _name(host: str) -> str:
    """A Host without its port.

    >>> _name("LocalHost:8321"), _name("[::1]:8321"), _name("127.0.0.1"), _name("a:b@127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1', 'a:b@127.0.0.1')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and (port.isdigit() or not port) else host.lower()


async def _whole(scope: Scope, receive: Receive) -> bytes:
    """The whole body; one that is too long is refused as soon as that is known, by its length before it is read."""
    too_long = HttpError(
        413, f"a body of at most {MOST_BYTES // 1024} KiB", "a longer one", "send less"
    )
    for length in _headers(scope).get("content-length", []):
        if not length.isdigit() or int(length) > MOST_BYTES:
            raise too_long
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > MOST_BYTES:
            raise too_long
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send, close: bool) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            more = [
                (name.lower().encode(), value.encode())
                for name, value in (HEADERS | CLOSE if close else HEADERS).items()
            ]
            message["headers"] = [
                *message["headers"],
                *(pair for pair in more if pair[0] not in there),
            ]
        await send(message)

    return sending


class GuardedRoute(APIRoute):
    """A route that names its permission (`needs`); nothing of a request is looked at before who asks may."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the guard."""
        handler, extra = super().get_route_handler(), self.openapi_extra or {}
        permission = str(extra[PERMISSION])
        if permission != PUBLIC and permission not in LEAST:
            raise LookupError(f"no permission {permission}")

        async def guarded(request: Request) -> Response:
            if permission != PUBLIC and not (extra.get(TOKEN_TOO) and _has_token(request)):
                request.state.visit = admitted(request, permission)
            answer: Response = await handler(request)
            return answer

        return guarded


def needs(permission: str, **more: Any) -> dict[str, Any]:
    """Keywords of a route that name its permission, and tell a reader of OpenAPI what it may answer."""
    answers: dict[int | str, Any] = (
        {} if permission == PUBLIC else {401: {"description": "no session"}}
    )
    if permission not in (PUBLIC, "look"):
        answers |= {
            403: {
                "description": f"the role may not ({LEAST[permission]} may), or the token of changes is missing"
            },
            404: {"description": "no such desk, agent, parent or request"},
            409: {"description": "the desk says no"},
        }
    return {"openapi_extra": {PERMISSION: permission, **more}, "responses": answers}


def admitted(request: Request, permission: str) -> Visit:
    """The session that asks, where it may.

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
    if request.method not in READS and not carries(visit, request.headers.get("x-csrf")):
        raise HttpError(
            403, "the session's token as x-csrf", "none, or another", "take it from /api/me"
        )
    if not may(visit.person.role, permission):
        raise HttpError(
            403,
            f"somebody who may ({permission}): {LEAST[permission]} or more",
            f"{visit.person.name}, {visit.person.role}",
            f"ask somebody who is {LEAST[permission]}, or an admin for the role",
        )
    return visit


def unreadable_people() -> HttpError:
    """An invalid file of people lets no one in; the answer does not reveal its path."""
    return HttpError(
        401,
        "people who may log in",
        "a file that cannot be obeyed",
        "see `tercel console users list`",
    )


def _has_token(request: Request) -> bool:
    token: str | None = request.app.state.token
    given = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def tell_errors(app: FastAPI) -> None:
    """Every refusal is JSON of three parts."""

    async def refused(_: Request, error: Any) -> Response:
        answer: Response = error.response()
        return answer

    async def of_tercel(_: Request, error: Any) -> Response:
        status = 404 if isinstance(error, UnknownUserError) else 409
        return HttpError(status, error.expected, error.received, error.remedy).response()

    async def of_system(_: Request, error: Any) -> Response:
        found = of_files(error)
        return HttpError(409, found.expected, found.received, found.remedy).response()

    async def of_values(_: Request, error: Any) -> Response:
        first: dict[str, Any] = next(iter(error.errors()), {})
        where = ".".join(str(one) for one in first.get("loc", ()))[:200]
        return HttpError(
            422, AS_DESCRIBED, f"{where}: {first.get('msg', '')}", "mend it"
        ).response()

    async def of_http(request: Request, error: Any) -> Response:
        received = f"{request.method} {request.url.path[:200]!r}: {error.detail}"
        return HttpError(
            error.status_code, AS_DESCRIBED, received, "mend it", error.headers
        ).response()

    app.add_exception_handler(HttpError, refused)
    app.add_exception_handler(TercelError, of_tercel)
    app.add_exception_handler(OSError, of_system)
    app.add_exception_handler(RequestValidationError, of_values)
    app.add_exception_handler(HTTPException, of_http)
