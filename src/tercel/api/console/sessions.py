"""Login sessions of people at the console, kept in memory, with throttled password attempts.

Wrong passwords are counted by name and address, or by name and known device (one from which the person has logged in):
on one machine all share an address, and wrong guesses of others there must not lock out a person on a known device.

sessions = Sessions(people, time.monotonic)
secret = sessions.log_in("ann", "correct horse", "127.0.0.1")        # for a cookie; None: wrong password
device = sessions.issue_device_token(sessions.visit(secret).person)  # for a cookie that outlives the session
sessions.visit(secret)                                               # the session, with the person's current role
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tercel.api.console.people import LONGEST_NAME, People, Person

IDLE_S: Final = 3600.0
"""A session ends after so many seconds without a request; an open stream does not count as a request."""
LIFE_S: Final = 12 * 3600.0
"""A session ends after so many seconds in any case."""
FREE_HERE = 3
LONGEST_HERE_S = 4.0
"""Wrong passwords of one place (a name at an address, or at a known device) without a wait, and the longest wait in seconds:
the most that endless guesses of others delay a person on a new device."""
FORGET_S: Final = 900.0
"""A place without attempts for so many seconds starts from zero."""
MOST_PLACES: Final = 4096
"""Places whose attempts are counted; those without attempts longest are dropped first."""


class TooSoonError(Exception):
    """A password attempt before its waiting time was over.

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
    """Wrong password attempts of one place: their number, and the time of the last one."""

    wrong: int
    last_s: float
    until_s: float


class Throttle:
    """Counts wrong password attempts by place; each further attempt has to wait twice as long. Places are independent.

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
        """Seconds until the next attempt of a place is allowed; 0 if it is allowed now."""
        tries = self._places.get(place)
        return 0.0 if tries is None else max(0.0, tries.until_s - now_s)

    def fail(self, place: object, now_s: float) -> None:
        """Count a wrong attempt of a place; beyond the free ones the wait for the next is a second, then doubles each time."""
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
        """Forget the wrong attempts of a place."""
        self._places.pop(place, None)


@dataclass(slots=True)
class Visit:
    """An open login session of a person.

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
        """The person's name with the proof of identity, as the journal records it."""
        return f"{self.person.name} ({self.proof})"


class Sessions:
    """Open login sessions, in memory. Times are of a monotonic clock, so changes of the wall clock have no effect.

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
        self._password_lock = Lock()  # over a new password and the session that continues with it
        self._throttle = Throttle(FREE_HERE, LONGEST_HERE_S)

    def log_in(self, name: str, password: str, place: str) -> str | None:
        """Log in with a password: the new session's secret, or None where that is not the password.

        Parameters
        ----------
        name, password : str
        place : str
            An address, or a device that this name is known at (`is_known_device`).

        Raises
        ------
        TooSoonError
            After wrong tries from this place. A try counts before it is looked at: many at once are many.
        """
        person = self._verify_password(name, password, place)
        return None if person is None else self.open(person, "password")

    def issue_device_token(self, person: Person) -> str:
        """A signed token that marks a browser as a known device of a person, until the password changes."""
        nonce = secrets.token_urlsafe(16).encode()
        return b".".join((nonce, _sign_device(person, nonce))).decode()

    def is_known_device(self, name: str, device: str) -> bool:
        """Whether a device token belongs to this person and the person's current password."""
        person = self.people.get(name)
        nonce, _, signature = device.encode("utf-8", "replace").partition(b".")
        return (
            person is not None
            and bool(person.hash)
            and hmac.compare_digest(_sign_device(person, nonce), signature)
        )

    def change_password(
        self, visit: Visit, secret: str | None, old_password: str, new_password: str, place: str
    ) -> int | None:
        """Change the password of a logged-in person; return how many other sessions ended, None if `old_password` is wrong.

        Raises
        ------
        TooSoonError
            As `log_in`.
        ConfigError
            A password that is too short.
        """
        person = self._verify_password(visit.person.name, old_password, place)
        if person is None:
            return None
        with self._password_lock:
            changed = self.people.change_password(person, new_password)
            with self._lock:
                own_secrets = [
                    key
                    for key, open_visit in self._visits.items()
                    if open_visit.person.name == changed.name
                ]
                self._visits = {
                    key: open_visit
                    for key, open_visit in self._visits.items()
                    if key == secret or key not in own_secrets
                }
            visit.person = changed
            visit.hash = changed.hash
        return sum(key != secret for key in own_secrets)

    def _verify_password(self, name: str, password: str, place: str) -> Person | None:
        """The person whose password it is; None for a wrong one, which is counted. `TooSoonError` while the place has to wait."""
        throttle_key = name[: LONGEST_NAME + 1], place
        with self._lock:
            now_s = self.now_s()
            if (wait_s := self._throttle.wait_s(throttle_key, now_s)) > 0:
                raise TooSoonError(wait_s)
            self._throttle.fail(throttle_key, now_s)
        person = self.people.verify(name, password)
        if person is None:
            return None
        with self._lock:
            self._throttle.succeed(throttle_key)
        return person

    def open(self, person: Person, proof: str) -> str:
        """Open a session for a person whose identity was proved; `proof` says how, for the journal. Returns the
        session's secret."""
        secret = secrets.token_urlsafe(32)
        now_s = self.now_s()
        with self._lock:
            self._visits = {
                key: visit for key, visit in self._visits.items() if self._is_open(visit, now_s)
            }
            self._visits[secret] = Visit(
                person, proof, secrets.token_urlsafe(32), now_s + LIFE_S, person.hash, now_s
            )
        return secret

    def visit(self, secret: str | None, *, used: bool = True) -> Visit | None:
        """The session of a cookie's secret; None if it has ended, or its person was removed or has a new password.
        `used`: restarts the idle time.

        Parameters
        ----------
        secret : str or None
        used : bool
            Whether this is a person's own request, which restarts the idle time.
        """
        visit = self._visits.get(secret or "")
        if visit is None:
            return None
        person = self.people.get(visit.person.name)
        now_s = self.now_s()
        if person is None or person.hash != visit.hash:
            with self._password_lock:  # its own password may be on the way
                person = self.people.get(visit.person.name)
                if person is not None and person.hash != visit.hash:
                    person = None
        if person is None or not self._is_open(visit, now_s):
            self.log_out(secret)
            return None
        visit.person = person
        if used:
            visit.seen_s = now_s
        return visit

    def log_out(self, secret: str | None) -> None:
        """End the session of a cookie's secret."""
        with self._lock:
            self._visits.pop(secret or "", None)

    def remaining_s(self, visit: Visit) -> float:
        """Seconds until a session ends without further requests."""
        return max(0.0, min(visit.until_s, visit.seen_s + IDLE_S) - self.now_s())

    def _is_open(self, visit: Visit, now_s: float) -> bool:
        """Whether a session is within its idle time and its total life time."""
        return now_s < visit.until_s and now_s < visit.seen_s + IDLE_S


def _sign_device(person: Person, nonce: bytes) -> bytes:
    """Signature of a device token, keyed with the hash of the person's password."""
    return hmac.new(person.hash.encode(), b"device " + nonce, "sha256").hexdigest().encode()


def has_csrf_token(visit: Visit, csrf: str | None) -> bool:
    """Whether a request that changes something carries the session's token."""
    return hmac.compare_digest(visit.csrf.encode(), (csrf or "").encode("utf-8", "replace"))
