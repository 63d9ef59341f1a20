"""Authentication of the console: one password, sessions kept in this process, a CSRF token for changes."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tercel.core.errors import ConfigError

SHORTEST = 8
TRIES = 5
WINDOW_S = 60.0
LIFE_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A logged-in session: its CSRF token, its expiry and the name given at login."""

    csrf: str
    until_s: float
    by: str


class Authenticator:
    """Checks the password, at most five tries a minute over all clients, and keeps the open sessions.

    Parameters
    ----------
    password : str
        At least eight characters.
    now_s : callable
        Seconds that never go back.
    """

    def __init__(self, password: str, now_s: Callable[[], float]) -> None:
        if len(password) < SHORTEST:
            wanted = f"a password of at least {SHORTEST} characters"
            raise ConfigError(wanted, f"one of {len(password)}", "set TERCEL_CONSOLE_PASSWORD, or leave it out")
        self._password, self._now_s = password.encode(), now_s
        self._visits: dict[str, LoginSession] = {}
        self._failed: list[float] = []

    def enter(self, password: str, name: str = "") -> str | None:
        """Log in: the new session's secret, or None for a wrong password or too many tries."""
        now = self._now_s()
        self._failed = [when for when in self._failed if now - when < WINDOW_S]
        if len(self._failed) >= TRIES:
            return None
        if not hmac.compare_digest(password.encode(), self._password):
            self._failed.append(now)
            return None
        secret = secrets.token_urlsafe(32)
        self._visits[secret] = LoginSession(
            secrets.token_urlsafe(32), now + LIFE_S, f"{name} (console)" if name else "console"
        )
        return secret

    def visit(self, secret: str | None) -> LoginSession | None:
        """The unexpired session of a cookie, or None."""
        visit = self._visits.get(secret or "")
        if visit is None or visit.until_s < self._now_s():
            self._visits.pop(secret or "", None)
            return None
        return visit

    def may_change(self, secret: str | None, csrf: str | None) -> bool:
        """Whether a request that changes something carries the session's CSRF token and comes from the same origin."""
        visit = self.visit(secret)
        return visit is not None and hmac.compare_digest(visit.csrf.encode(), (csrf or "").encode())

    def leave(self, secret: str | None) -> None:
        """Log out."""
        self._visits.pop(secret or "", None)
