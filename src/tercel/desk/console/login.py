"""Who may look and touch: one password, sessions that live in this process, and a token against forged requests."""

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
    """A person who is logged in: the token that every change must repeat, until when, and the name that was given."""

    csrf: str
    until_s: float
    by: str


class Authenticator:
    """Checks the password, at most five tries a minute for everybody together, and knows who is in.

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
        """A new session's secret, or None where the password is wrong or too many tries failed."""
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
        """The session of a cookie, if it is one that lives."""
        visit = self._visits.get(secret or "")
        if visit is None or visit.until_s < self._now_s():
            self._visits.pop(secret or "", None)
            return None
        return visit

    def may_change(self, secret: str | None, csrf: str | None) -> bool:
        """Whether a request that changes something comes from a page that this house served."""
        visit = self.visit(secret)
        return visit is not None and hmac.compare_digest(visit.csrf.encode(), (csrf or "").encode())

    def leave(self, secret: str | None) -> None:
        """Log out."""
        self._visits.pop(secret or "", None)
