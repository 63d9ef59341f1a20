"""Checks before every route: host, origin, body size, session and permission.

Sessions of people at the console, in memory; password attempts are limited by place.

A place is a name at an address, or a name at a device from which it has logged in: on one machine all share an address,
and wrong guesses of others there do not lock out a person with a known device.

sessions = Sessions(people, time.monotonic)
secret = sessions.enter("ann", "correct horse", "127.0.0.1")        # for a cookie; None: that is not the password
device = sessions.device(sessions.visit(secret).person)             # for a cookie that outlives the session
sessions.visit(secret)                                              # the session's person, with the current role
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from tercel.api.console.people import LEAST, LONGEST, PUBLIC, People, Person, UnknownUserError, may
from tercel.core.errors import TercelError, of_files
from tercel.core.serialization import to_jsonable

IDLE_S: Final = 3600.0
"""A session ends after so long without a request; an open stream is none."""
LIFE_S: Final = 12 * 3600.0
"""And after so long in any case."""
FREE_HERE, LONGEST_HERE_S = 3, 4.0
"""Wrong tries of one name, from one address or one known device, without a wait; and the longest wait, seconds: the most
that endless guesses delay the name's own person on a new device."""
FORGET_S: Final = 900.0
"""A place without attempts for so long starts from zero."""
MOST_PLACES: Final = 4096
"""Places whose attempts are counted; those without attempts longest are dropped first."""


class TooSoonError(Exception):
    """A try of a password before its wait was over.

    Parameters
    ----------
    wait_s : float
        Seconds that remain.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"wait {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass
class _Tries:
    wrong: int
    last_s: float
    until_s: float


class Throttle:
    """Wrong tries by place, with a wait that doubles; it is not one place's matter what another does.

    Parameters
    ----------
    free : int
        Wrong tries without a wait; each one after them doubles it, from a second.
    longest_s : float
        The longest wait, seconds.

    Examples
    --------
    >>> throttle = Throttle(1, 60.0)
    >>> [throttle.fail("a", 0.0) or throttle.wait_s("a", 0.0) for _ in range(4)]
    [0.0, 1.0, 2.0, 4.0]
    >>> throttle.wait_s("b", 0.0)
    0.0
    """

    def __init__(self, free: int, longest_s: float) -> None:
        self._free = free
        self._longest_s = longest_s
        self._places: dict[object, _Tries] = {}

    def wait_s(self, place: object, now_s: float) -> float:
        """Seconds before the next try."""
        tries = self._places.get(place)
        return 0.0 if tries is None else max(0.0, tries.until_s - now_s)

    def fail(self, place: object, now_s: float) -> None:
        """Count a wrong try."""
        tries = self._places.pop(place, None)
        if tries is None or now_s - tries.last_s > FORGET_S:
            tries = _Tries(0, now_s, now_s)
        tries.wrong = tries.wrong + 1
        tries.last_s = now_s
        if tries.wrong > self._free:
            tries.until_s = now_s + min(
                self._longest_s, 2.0 ** min(tries.wrong - self._free - 1, 30)
            )
        self._places[place] = tries
        while len(self._places) > MOST_PLACES:
            del self._places[next(iter(self._places))]

    def succeed(self, place: object) -> None:
        """Take back the wrong tries that were counted."""
        self._places.pop(place, None)


@dataclass(slots=True)
class Visit:
    """An open session.

    Parameters
    ----------
    person : Person
        As the file says now.
    proof : str
        Proof of identity: "password", "oidc:ISSUER".
    csrf : str
        What every change carries as the header `x-csrf`.
    until_s : float
        When it ends at the latest, on the clock of the sessions.
    hash : str
        Of the password at its start: it ends when that changes.
    """

    person: Person
    proof: str
    csrf: str
    until_s: float
    hash: str = field(repr=False)
    seen_s: float = field(default=0.0, repr=False)

    @property
    def by(self) -> str:
        """Name and proof, for the journal."""
        return f"{self.person.name} ({self.proof})"


class Sessions:
    """Open sessions. Times are of a monotonic clock: changes of the wall clock have no effect.

    Parameters
    ----------
    people : People
    now_s : callable
        Monotonic clock, seconds.
    """

    def __init__(self, people: People, now_s: Callable[[], float]) -> None:
        self.people = people
        self.now_s = now_s
        self._visits: dict[str, Visit] = {}
        self._lock = Lock()
        self._changing = Lock()  # over a new password and the session that continues with it
        self._here = Throttle(FREE_HERE, LONGEST_HERE_S)

    def enter(self, name: str, password: str, place: str) -> str | None:
        """Log in with a password: the new session's secret, or None where that is not the password.

        Parameters
        ----------
        name, password : str
        place : str
            An address, or a device that this name is known at (`knows`).

        Raises
        ------
        TooSoonError
            After wrong tries from this place. A try counts before it is looked at: many at once are many.
        """
        person = self._proved(name, password, place)
        return None if person is None else self.open(person, "password")

    def device(self, person: Person) -> str:
        """A word by which a browser is known again as a device of a person, until that one has another password."""
        made = secrets.token_urlsafe(16).encode()
        return b".".join((made, _seal(person, made))).decode()

    def knows(self, name: str, device: str) -> bool:
        """Whether a person of this name has logged in from a device, with the password of now."""
        person, (made, _, seal) = (
            self.people.get(name),
            device.encode("utf-8", "replace").partition(b"."),
        )
        return (
            person is not None
            and bool(person.hash)
            and hmac.compare_digest(_seal(person, made), seal)
        )

    def change_password(
        self, visit: Visit, secret: str | None, old: str, new: str, place: str
    ) -> int | None:
        """Give a logged-in person another password: how many other sessions ended, or None if `old` is wrong.

        Raises
        ------
        TooSoonError
            As `enter`.
        ConfigError
            A password that is too short.
        """
        person = self._proved(visit.person.name, old, place)
        if person is None:
            return None
        with self._changing:
            changed = self.people.change_password(person, new)
            with self._lock:
                mine = [key for key, one in self._visits.items() if one.person.name == changed.name]
                self._visits = {
                    key: one
                    for key, one in self._visits.items()
                    if key == secret or key not in mine
                }
            visit.person = changed
            visit.hash = changed.hash
        return sum(key != secret for key in mine)

    def _proved(self, name: str, password: str, place: str) -> Person | None:
        here = name[: LONGEST + 1], place
        with self._lock:
            now = self.now_s()
            if (wait_s := self._here.wait_s(here, now)) > 0:
                raise TooSoonError(wait_s)
            self._here.fail(here, now)
        person = self.people.verify(name, password)
        if person is None:
            return None
        with self._lock:
            self._here.succeed(here)
        return person

    def open(self, person: Person, proof: str) -> str:
        """Open a session for a person whose identity was proved otherwise; return its secret."""
        secret = secrets.token_urlsafe(32)
        now = self.now_s()
        with self._lock:
            self._visits = {
                key: one for key, one in self._visits.items() if self._is_open(one, now)
            }
            self._visits[secret] = Visit(
                person, proof, secrets.token_urlsafe(32), now + LIFE_S, person.hash, now
            )
        return secret

    def visit(self, secret: str | None, *, used: bool = True) -> Visit | None:
        """The session of a cookie, or None: it has ended, or its person is gone or has another password.

        Parameters
        ----------
        secret : str or None
        used : bool
            Whether this is a person's own request, which restarts the idle time.
        """
        visit = self._visits.get(secret or "")
        if visit is None:
            return None
        person, now = self.people.get(visit.person.name), self.now_s()
        if person is None or person.hash != visit.hash:
            with self._changing:  # its own password may be on the way
                person = self.people.get(visit.person.name)
                if person is not None and person.hash != visit.hash:
                    person = None
        if person is None or not self._is_open(visit, now):
            self.leave(secret)
            return None
        visit.person = person
        if used:
            visit.seen_s = now
        return visit

    def leave(self, secret: str | None) -> None:
        """Log out."""
        with self._lock:
            self._visits.pop(secret or "", None)

    def left_s(self, visit: Visit) -> float:
        """Seconds until a session ends without further requests."""
        return max(0.0, min(visit.until_s, visit.seen_s + IDLE_S) - self.now_s())

    def _is_open(self, visit: Visit, now_s: float) -> bool:
        return now_s < visit.until_s and now_s < visit.seen_s + IDLE_S


def _seal(person: Person, made: bytes) -> bytes:
    """Signature of a device token, keyed with the hash of the person's password."""
    return hmac.new(person.hash.encode(), b"device " + made, "sha256").hexdigest().encode()


def carries(visit: Visit, csrf: str | None) -> bool:
    """Whether a request that changes something carries the session's token."""
    return hmac.compare_digest(visit.csrf.encode(), (csrf or "").encode("utf-8", "replace"))


COOKIE: Final = "tercel_session"
PERMISSION: Final = "x-permission"
"""Key of a route's permission in its OpenAPI description."""
TOKEN_TOO: Final = "x-token"
"""Key in a route's OpenAPI description: the token of `/metrics` is accepted as well."""
MOST_BYTES: Final = 64 * 1024
"""Of a request's body."""
AS_DESCRIBED: Final = "a request as /openapi.json says"
BODY_S: Final = 10.0
"""Within which a request's body has come, behind its head, which has as long (`web.TimedProtocol`)."""
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
    """A route with a permission (`needs`), which is checked before any part of the request is parsed."""

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
            f"a person with the permission {permission}: {LEAST[permission]} or more",
            f"{visit.person.name}, {visit.person.role}",
            f"ask a person with the role {LEAST[permission]}, or an admin for the role",
        )
    return visit


def unreadable_people() -> HttpError:
    """Error for an invalid file of people: no one can log in; its path is not revealed."""
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
