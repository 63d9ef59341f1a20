"""Login by password, logout and users of the console: HTTP routes and password checks (sessions: `console.sessions`)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html import escape
from typing import Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from tercel.api.console import models
from tercel.api.console.guard import COOKIE, HttpError, needs, unreadable_people
from tercel.api.console.people import People, generate_password
from tercel.api.console.roles import LEAST_ROLE, PUBLIC, permissions
from tercel.api.console.sessions import LIFE_S, Sessions, TooSoonError, Visit
from tercel.core.errors import TercelError

HASHING: Final = ThreadPoolExecutor(1, "console-hash"), ThreadPoolExecutor(1, "console-hash-known")
"""Threads that hash passwords, of strangers and of known devices: thousands of attempts delay no action, nor
a device from which a person has logged in."""
DEVICE: Final = "tercel_device"
DEVICE_S: Final = 180 * 86_400
"""Seconds for which a browser stays a known device."""
MOST_WAITING: Final = 16
"""Password checks that may wait for those threads."""
_Result = TypeVar("_Result")


class PasswordChecker:
    """Checks passwords on its own threads, throttled by name, address and device.

    Parameters
    ----------
    sessions : Sessions
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting = [0, 0]

    async def log_in(self, name: str, password: str, request: Request) -> str:
        """Check a name and a password; return the secret of a new session.

        Raises
        ------
        HttpError
            401: not the password. 429: too many attempts from this place.
        """
        try:
            secret = await self._run_check(
                name, partial(self._sessions.log_in, name, password), request
            )
        except TercelError:
            raise unreadable_people() from None
        if secret is None:
            raise HttpError(401, "a name and its password", "another", "try again, or ask an admin")
        return secret

    async def change_password(self, payload: models.PasswordBody, request: Request) -> int:
        """Change the password of a logged-in person; return how many other sessions ended.

        Raises
        ------
        HttpError
            403: not the password. 429: as `log_in`.
        """
        visit = request.state.visit
        secret = request.cookies.get(COOKIE)
        change = self._sessions.change_password
        ended_sessions = await self._run_check(
            visit.person.name, partial(change, visit, secret, payload.old, payload.new), request
        )
        if ended_sessions is None:
            raise HttpError(
                403, "your current password", "another, or none is set here", "try again"
            )
        return ended_sessions

    async def _run_check(
        self, name: str, check: Callable[[str], _Result], request: Request
    ) -> _Result:
        """Result of `check(place)` on a thread of its own; place: the known device, else the address. HTTP 429 if throttled."""
        device = request.cookies.get(DEVICE, "")
        address = request.client.host if request.client else ""
        is_known_device = self._sessions.is_known_device(name, device)
        if self._waiting[is_known_device] >= MOST_WAITING:
            raise _too_many_tries(1.0)
        self._waiting[is_known_device] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                HASHING[is_known_device], check, device if is_known_device else address
            )
        except TooSoonError as error:
            raise _too_many_tries(error.wait_s) from None
        finally:
            self._waiting[is_known_device] -= 1


def _too_many_tries(seconds: float) -> HttpError:
    """The 429 error that says after how many seconds the next attempt may be made."""
    wait_s = max(1, round(seconds + 0.5))
    return HttpError(
        429,
        "fewer tries",
        "too many wrong ones of this name from here, or too many at once",
        f"wait {wait_s} s",
        {"Retry-After": str(wait_s)},
    )


def with_session(response: Response, secret: str, request: Request) -> Response:
    """Set the session cookie on a response, readable by this site alone."""
    return _with_cookie(response, COOKIE, secret, int(LIFE_S), request)


def _with_cookie(
    response: Response, name: str, value: str, max_age: int, request: Request
) -> Response:
    """Set a cookie on a response: not readable by scripts, sent to this site alone."""
    https = request.url.scheme == "https"
    response.set_cookie(
        name, value, httponly=True, samesite="strict", max_age=max_age, secure=https
    )
    return response


def message_page(text: str, status: int) -> Response:
    """A page with one sentence and a link back."""
    return HTMLResponse(
        f"<!doctype html><title>Tercel console</title><p>{escape(text)}</p><p><a href='/'>Back</a></p>",
        status_code=status,
    )


def add_login_routes(app: FastAPI, sessions: Sessions, oidc: bool) -> None:
    """Add the routes of login, logout and the current person; `oidc`: whether an identity provider is configured."""
    passwords = PasswordChecker(sessions)

    @app.get("/api/ways", **needs(PUBLIC))
    async def ways() -> models.Ways:
        """Available ways to log in."""
        return models.Ways(oidc=oidc)

    @app.post("/api/login", **needs(PUBLIC))
    async def login(request: Request, response: Response, payload: models.LoginBody) -> models.Me:
        """Log in: sets the cookie of the session and answers as `/api/me`."""
        secret = await passwords.log_in(payload.name.strip(), payload.password, request)
        with_session(response, secret, request)
        visit = sessions.visit(secret)
        if visit is None:
            raise HttpError(401, "a name and its password", "one that has just gone", "try again")
        _with_cookie(response, DEVICE, sessions.issue_device_token(visit.person), DEVICE_S, request)
        return _me(sessions, visit)

    @app.get("/api/me", **needs("look"))
    async def me(request: Request) -> models.Me:
        """The logged-in person, with permissions and the CSRF token of every change."""
        return _me(sessions, request.state.visit)

    @app.post("/api/password", **needs("look"))
    async def password(
        request: Request, response: Response, payload: models.PasswordBody
    ) -> models.PasswordSet:
        """Change the own password; all other sessions of this person end, and the answer has their number."""
        ended = await passwords.change_password(payload, request)
        _with_cookie(
            response,
            DEVICE,
            sessions.issue_device_token(request.state.visit.person),
            DEVICE_S,
            request,
        )
        return models.PasswordSet(ended=ended)

    @app.post("/api/logout", **needs("look"))
    async def logout(request: Request) -> models.Left:
        """End the session."""
        sessions.log_out(request.cookies.get(COOKIE))
        return models.Left(left=True)


def add_user_routes(app: FastAPI, people: People) -> None:
    """Add to the app the routes that list, add, change and remove people."""

    @app.get("/api/users", **needs("users"))
    def list_users() -> list[models.User]:
        """People who may log in."""
        return [
            models.User(name=person.name, role=person.role, by=person.by) for person in people.all()
        ]

    @app.post("/api/users", **needs("users"))
    async def add_user(request: Request, payload: models.NewUser) -> models.User:
        """Let a person in; a generated password is in the answer, this once."""
        visit: Visit = request.state.visit
        generated = generate_password() if payload.password is None else None
        person = await run_in_threadpool(
            people.add, payload.name, payload.role, generated or payload.password, visit.by
        )
        return models.User(name=person.name, role=person.role, by=person.by, password=generated)

    @app.post("/api/users/{name}/role", **needs("users"))
    def change_role(request: Request, name: str, payload: models.RoleBody) -> models.User:
        """Give a person another role; it counts at once."""
        visit: Visit = request.state.visit
        person = people.set_role(name, payload.role, visit.by)
        return models.User(name=person.name, role=person.role, by=person.by)

    @app.delete("/api/users/{name}", **needs("users"))
    def remove_user(name: str) -> models.Removed:
        """Take a person out; open sessions end at once."""
        people.remove(name)
        return models.Removed(removed=name)


def _me(sessions: Sessions, visit: Visit) -> models.Me:
    """The JSON of the logged-in person: name, role, permissions, CSRF token, end of the session."""
    role = visit.person.role
    permitted = permissions(role)
    return models.Me(
        name=visit.person.name,
        role=role,
        may=permitted,
        needs={
            permission: least
            for permission, least in LEAST_ROLE.items()
            if permission not in permitted
        },
        csrf=visit.csrf,
        until_s=round(sessions.remaining_s(visit), 1),
    )
