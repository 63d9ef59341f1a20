"""Login, logout and users of the console over HTTP."""

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
from tercel.api.console.guard import (
    COOKIE,
    LIFE_S,
    HttpError,
    Sessions,
    TooSoonError,
    Visit,
    needs,
    unreadable_people,
)
from tercel.api.console.people import LEAST, PUBLIC, People, made_password, permissions
from tercel.core.errors import TercelError

HASHING: Final = ThreadPoolExecutor(1, "console-hash"), ThreadPoolExecutor(1, "console-hash-known")
"""Threads that hash passwords, of strangers and of known devices: thousands of attempts delay no action, nor
a device from which a person has logged in."""
DEVICE: Final = "tercel_device"
DEVICE_S: Final = 180 * 86_400
"""For so long a browser is known."""
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
            401: not the password. 429: too many attempts from this place.
        """
        try:
            secret = await self._tried(name, partial(self._sessions.enter, name, password), request)
        except TercelError:
            raise unreadable_people() from None
        if secret is None:
            raise HttpError(401, "a name and its password", "another", "try again, or ask an admin")
        return secret

    async def change(self, asked: models.PasswordBody, request: Request) -> int:
        """Give a logged-in person another password; how many other sessions ended.

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
                403, "your current password", "another, or none is set here", "try again"
            )
        return ended

    async def _tried(self, name: str, act: Callable[[str], _Found], request: Request) -> _Found:
        """Run a password check on its own thread, within the limits of the name, address and device."""
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


def message_page(text: str, status: int) -> Response:
    """A page with one sentence and a link back."""
    return HTMLResponse(
        f"<!doctype html><title>Tercel console</title><p>{escape(text)}</p><p><a href='/'>Back</a></p>",
        status_code=status,
    )


def add_login_routes(app: FastAPI, sessions: Sessions, oidc: bool) -> None:
    """Add the routes of login, logout and the current person; `oidc`: whether an identity provider is configured."""
    door = Door(sessions)

    @app.get("/api/ways", **needs(PUBLIC))
    async def ways() -> models.Ways:
        """Available ways to log in."""
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
        """The logged-in person, with permissions and the CSRF token of every change."""
        return _me(sessions, request.state.visit)

    @app.post("/api/password", **needs("look"))
    async def password(
        request: Request, response: Response, asked: models.PasswordBody
    ) -> models.PasswordSet:
        """Change the own password; all other sessions of this person end, and the answer has their number."""
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


def add_users(app: FastAPI, people: People) -> None:
    """Add routes of the people."""

    @app.get("/api/users", **needs("users"))
    def list_users() -> list[models.User]:
        """People who may log in."""
        return [models.User(name=one.name, role=one.role, by=one.by) for one in people.all()]

    @app.post("/api/users", **needs("users"))
    async def add_user(request: Request, asked: models.NewUser) -> models.User:
        """Let a person in; a generated password is in the answer, this once."""
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
    role = visit.person.role
    may = permissions(role)
    return models.Me(
        name=visit.person.name,
        role=role,
        may=may,
        needs={one: least for one, least in LEAST.items() if one not in may},
        csrf=visit.csrf,
        until_s=round(sessions.left_s(visit), 1),
    )
