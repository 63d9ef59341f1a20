"""Sessions of people at the console, in memory; password attempts are limited by place.

A place is a name at an address, or a name at a device from which it has logged in: on one machine all share an address,
and what others guess there does not keep out who comes with a known device.

sessions = Sessions(people, time.monotonic)
secret = sessions.enter("ann", "correct horse", "127.0.0.1")        # for a cookie; None: that is not the password
device = sessions.device(sessions.visit(secret).person)             # for a cookie that outlives the session
sessions.visit(secret)                                              # who it is, as the file of people says now
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tercel.api.console.people import LONGEST, People, Person

IDLE_S: Final = 3600.0
"""A session ends after so long without a request; an open stream is none."""
LIFE_S: Final = 12 * 3600.0
"""And after so long in any case."""
FREE_HERE, LONGEST_HERE_S = 3, 4.0
"""Wrong tries of one name from one address, or from one known device, that cost no wait; the longest wait: who guesses
without end keeps the name's own person, from a new device, out for no longer at a time."""
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
        How it was proved who it is: "password", "oidc:ISSUER".
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
    """Who is logged in. Times are of a clock that never goes back: putting the wall's clock changes nothing.

    Parameters
    ----------
    people : People
    now_s : callable
        Seconds that never go back.
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
        """A new session of a person who was proved otherwise; its secret."""
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
        """Seconds until a session ends where nothing more is asked."""
        return max(0.0, min(visit.until_s, visit.seen_s + IDLE_S) - self.now_s())

    def _is_open(self, visit: Visit, now_s: float) -> bool:
        return now_s < visit.until_s and now_s < visit.seen_s + IDLE_S


def _seal(person: Person, made: bytes) -> bytes:
    """What only a console that has the hash of a person's password can put under a device's word."""
    return hmac.new(person.hash.encode(), b"device " + made, "sha256").hexdigest().encode()


def carries(visit: Visit, csrf: str | None) -> bool:
    """Whether a request that changes something carries the session's token."""
    return hmac.compare_digest(visit.csrf.encode(), (csrf or "").encode("utf-8", "replace"))
