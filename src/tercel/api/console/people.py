"""People of a console: names, roles and password hashes, in a file of mode 600.

people = People(Path("desks/people.json"))
people.add("ann", "trader", "correct horse", by="root (tercel console users)")
people.verify("ann", "correct horse")      # a Person, or None
"""

import json
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tercel.api.console.roles import ADMIN, ROLES, check_role
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.extras import import_optional
from tercel.core.files import write_private
from tercel.core.locks import file_lock
from tercel.desk.limits.persons import is_blank, is_same_person

SHORTEST_PASSWORD: Final = 8
"""Characters of a password."""
LONGEST_PASSWORD: Final = 1024
"""Characters of the longest password that a login accepts, in whichever Unicode form a browser sends it."""
LONGEST_NAME: Final = 40
"""Characters of a name."""
DAY_S: Final = 86_400.0
"""Seconds of the four-eyes rule: two people of whom one lifted (added, promoted, reset) the other, or whom one person lifted,
do not confirm for each other within this time."""
_FORBIDDEN: Final = set('()[]{}<>,;:"/\\|`')
_FORMULA: Final = "=+-@"
_ALIKE: Final = {"LATIN", "CYRILLIC", "GREEK"}
"""Alphabets whose letters look like each other's."""
_TAKEN: Final = ("limits", "root", "desk")
"""Names that journals use for a desk, or for the owner of its machine."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may log in.

    Parameters
    ----------
    name, role : str
    hash : str
        Of the password, by Argon2; "" where only an identity provider lets this person in.
    by : str
        Name of the person who added this one, or raised the role last.
    s : float
        Time of that, seconds of the wall's clock.
    lifters : dict of str to float
        Name to last time, of all who added this person, raised the role or set the password, and of their own lifters
        within a day. At the console by name, at the command line as `by`.
    """

    name: str
    role: str
    hash: str = ""
    by: str = ""
    s: float = 0.0
    lifters: dict[str, float] = field(default_factory=dict)


class People:
    """The people of a file, read again whenever the file changes, so that a removed person loses access at once.

    Parameters
    ----------
    path : Path
        The file; none yet: no people.
    now_s : callable
        The wall's clock, seconds.
    hasher : argon2.PasswordHasher, optional
        Hasher of new passwords; by default with its library's settings.

    Raises
    ------
    ConfigError
        Without the extra [trade]; by every method, for an invalid file.
    """

    def __init__(
        self, path: Path, now_s: Callable[[], float] = time.time, hasher: Any = None
    ) -> None:
        argon2 = import_optional("argon2", "trade")
        self.path = path
        self.now_s = now_s
        self._hasher = hasher or argon2.PasswordHasher()
        self._wrong = argon2.exceptions.Argon2Error
        self._dummy = self._hasher.hash(secrets.token_bytes(16))
        self._lock = Lock()
        self._seen = (0, 0, 0)
        self._people: dict[str, Person] = {}

    def all(self) -> list[Person]:
        """All people, sorted by name."""
        with self._lock:
            try:
                stat = self.path.stat()
            except FileNotFoundError:
                return []
            fingerprint = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if fingerprint != self._seen:
                refuse_if(
                    stat.st_mode & 0o037,
                    "a file that its owner and a group alone read",
                    f"{self.path}, mode {stat.st_mode & 0o777:o}",
                    f"chmod 600 {self.path}",
                )
                self._people = _read(self.path)
                self._seen = fingerprint
            return sorted(self._people.values(), key=lambda person: person.name)

    def get(self, name: str) -> Person | None:
        """A person by name; None if unknown."""
        return next((person for person in self.all() if person.name == name), None)

    def verify(self, name: str, password: str) -> Person | None:
        """The person whose password it is; None for an unknown name (which takes as long), a wrong password, or none set."""
        person = self.get(name)
        has_password = person is not None and person.hash
        try:
            self._hasher.verify(
                person.hash if person and has_password else self._dummy, _bytes(password)
            )
        except self._wrong:
            return None
        return person if has_password else None

    def add(self, name: str, role: str, password: str | None, by: str) -> Person:
        """Add a person to the file, let in by `by`; without a `password` only an identity provider lets the person log in.

        Parameters
        ----------
        name, role : str
        password : str or None
            None: only an identity provider lets this person in.
        by : str
            Name of the admin who does it.

        Raises
        ------
        ConfigError
            A name that is taken, looks like another's, or is invalid; an unknown role; a password that is too
            short or too long; an admin whose own access has ended.
        """
        check_name(name)
        person = Person(
            name, check_role(role), "" if password is None else self._hash_password(password)
        )
        with self._edit_people() as people:
            if similar_name := next(
                (existing for existing in people if is_same_person(existing, name)), None
            ):
                raise ConfigError(
                    "a name that is free",
                    f"{name!r}, where {similar_name!r} is one",
                    "choose another",
                )
            people[name] = self._with_lifter(people, person, by)
            return people[name]

    def set_role(self, name: str, role: str, by: str) -> Person:
        """Give a person another role, effective at once; `by` becomes one of the person's lifters if the role is raised.

        Raises
        ------
        ConfigError
            An unknown name or role, no admin would remain, or the admin's own access has ended.
        """
        check_role(role)
        with self._edit_people() as people:
            person = self._require_person(people, name)
            is_raised = ROLES.index(role) > ROLES.index(person.role)
            updated = replace(person, role=role)
            people[name] = self._with_lifter(people, updated, by) if is_raised else updated
            return people[name]

    def set_password(self, name: str, password: str, by: str) -> Person:
        """Set a person's password: open sessions end, and `by` becomes one of the person's lifters."""
        hashed = self._hash_password(password)
        with self._edit_people() as people:
            people[name] = self._with_lifter(
                people, replace(self._require_person(people, name), hash=hashed), by
            )
            return people[name]

    def change_password(self, person: Person, password: str) -> Person:
        """Change the password of a person with a fresh proof of identity; the person's other sessions end.

        Raises
        ------
        ConfigError
            A password that is too short or too long, or another one that was given meanwhile.
        """
        hashed = self._hash_password(password)
        with self._edit_people() as people:
            current = self._require_person(people, person.name)
            refuse_if(
                current.hash != person.hash,
                "the password that was proved",
                "another, given meanwhile",
                "log in again",
            )
            people[person.name] = replace(current, hash=hashed)
            return people[person.name]

    def remove(self, name: str) -> None:
        """Take a person out, whose sessions end at once.

        Raises
        ------
        ConfigError
            An unknown name, or no admin would remain.
        """
        with self._edit_people() as people:
            del people[self._require_person(people, name).name]

    def are_dependent(
        self, person: str, other_person: str, recorded_lifters: Mapping[str, float] | None = None
    ) -> bool:
        """Whether two people are not independent (four-eyes rule): equal, or within a day one let in, raised or reset the other,
        directly or through others, or a third person at the console did so with both.

        Actions at the command line bind to its user alone: people whom that user lifted are
        independent of each other.

        Parameters
        ----------
        person, other_person : str
        recorded_lifters : mapping of str to float, optional
            The lifters of `other_person` as written down earlier: that record may be gone, or started again.
        """
        own_lifters = self._recent_lifters(self.lifters(person))
        other_lifters = self._recent_lifters(recorded_lifters or {}) | self._recent_lifters(
            self.lifters(other_person)
        )
        own_names, other_names = (
            {name, *filter(_at_console, lifters)}
            for name, lifters in ((person, own_lifters), (other_person, other_lifters))
        )
        pairs = [
            *product(own_names, other_names),
            *product((person,), other_lifters),
            *product(own_lifters, (other_person,)),
        ]
        return any(is_same_person(own_name, other_name) for own_name, other_name in pairs)

    def lifters(self, name: str) -> dict[str, float]:
        """Names of those who lifted a person (added, promoted, reset the password), with the times in seconds; {} if unknown."""
        person = self.get(name)
        return {} if person is None else person.lifters

    def _recent_lifters(self, lifters: Mapping[str, float]) -> set[str]:
        """Names of those who lifted a person within `DAY_S`; times in the future count as recent."""
        return {name for name, lifted_s in lifters.items() if self.now_s() - lifted_s < DAY_S}

    def _with_lifter(self, people: Mapping[str, Person], person: Person, by: str) -> Person:
        """A copy of the person that records `by` and by's own lifters, so that removing a record breaks no chain."""
        now_s = self.now_s()
        name, _, proof = by.partition(" (")
        if proof.startswith(("password)", "oidc:")):
            self._require_person(
                people, name
            )  # an admin removed while a password was hashed cannot let others in
        inherited = people[name].lifters if _at_console(by) and name in people else {}
        added = {lifter: inherited[lifter] for lifter in self._recent_lifters(inherited)} | {
            name if _at_console(by) else by: now_s
        }
        lifters = person.lifters | {
            lifter: max(lifted_s, person.lifters.get(lifter, lifted_s))
            for lifter, lifted_s in added.items()
        }
        return replace(person, by=by, s=now_s, lifters=lifters)

    @contextmanager
    def _edit_people(self) -> Iterator[dict[str, Person]]:
        """Yield the people, by name, for a change in place under the file's lock; written at the end, if an admin remains."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(self.path.with_name(f".{self.path.name}.lock")):
            people = {person.name: person for person in self.all()}
            had_admin = any(person.role == ADMIN for person in people.values())
            yield people
            refuse_if(
                had_admin and not any(person.role == ADMIN for person in people.values()),
                "one admin at least",
                "a change that would leave none",
                "make another admin first",
            )
            rows = {
                name: {key: value for key, value in asdict(person).items() if key != "name"}
                for name, person in people.items()
            }
            write_private(self.path, json.dumps({"people": rows}, indent=1) + "\n")

    def _hash_password(self, password: str) -> str:
        """Hash of a new password (argon2); ConfigError for one that is too short or too long."""
        composed, decomposed = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
        refuse_if(
            len(composed) < SHORTEST_PASSWORD
            or len(decomposed) > LONGEST_PASSWORD
            or any(unicodedata.category(letter) == "Cs" for letter in composed),
            f"a password of {SHORTEST_PASSWORD} to {LONGEST_PASSWORD:,} characters of Unicode",
            f"one of {len(password):,}"
            + ", not all of them such" * (SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD),
            "choose another one, or let one be made",
        )
        return str(self._hasher.hash(_bytes(password)))

    def _require_person(self, people: Mapping[str, Person], name: str) -> Person:
        """The person of a name; raises `UnknownUserError` if there is none."""
        refuse_if(
            name not in people,
            "the name of a person",
            repr(name),
            f"one of {', '.join(sorted(people)) or 'no user yet'}",
            UnknownUserError,
        )
        return people[name]


class UnknownUserError(ConfigError):
    """A name of nobody in the console's people file."""


def check_name(name: str) -> str:
    """Return a name; ConfigError for one that could not be journaled, displayed or written into tables safely.

    Raises
    ------
    ConfigError
        For a name with other letters, or none; of two alphabets that look alike; of a desk or its machine.

    >>> check_name("Ann Lee")
    'Ann Lee'
    """
    is_visible = not any(is_blank(letter) for letter in name.replace(" ", ""))
    is_plain = is_visible and name == " ".join(name.split()) and 0 < len(name) <= LONGEST_NAME
    refuse_if(
        not is_plain or name[0] in _FORMULA or _FORBIDDEN & set(name) or name in (".", ".."),
        f"a name of 1 to {LONGEST_NAME} letters, digits, spaces and dots",
        ascii(name[: 2 * LONGEST_NAME]),
        "choose another",
    )
    plain = unicodedata.normalize("NFKC", name)
    if (
        len(mixed := {unicodedata.name(letter, "").partition(" ")[0] for letter in plain} & _ALIKE)
        > 1
    ):
        raise ConfigError(
            "a name of letters of one alphabet",
            f"{name!a}, of {' and '.join(sorted(mixed))}",
            "choose another",
        )
    refuse_if(
        any(is_same_person(name, reserved) for reserved in _TAKEN),
        f"a name but {', '.join(_TAKEN)}",
        repr(name),
        "choose another",
    )
    return name


def _at_console(by: str) -> bool:
    """Whether a change was made at the console: `by` is then a plain name, or one with a proof of identity."""
    proof = by.partition(" (")[2]
    return not proof or proof.startswith(("password)", "oidc:"))


def generate_password() -> str:
    """A random password, 96 bits.

    >>> len(generate_password())
    16
    """
    return secrets.token_urlsafe(12)


def _bytes(password: str) -> bytes:
    """Bytes of a password to hash, normalised (NFC): composed and decomposed accents are equal."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _read(path: Path) -> dict[str, Person]:
    """People of a file, by name; ConfigError for an invalid file, with its and the person's name."""
    try:
        rows: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["people"]
        people = {}
        for name, row in rows.items():
            location = f"{name!r} in {path}"
            strange = set(row) - {"role", "hash", "by", "s", "lifters"}
            by = str(row.get("by", ""))
            changed_s = float(row["s"])
            lifters = {str(lifter): float(lifter_s) for lifter, lifter_s in row["lifters"].items()}
            if (
                strange
                or not isinstance(row.get("hash", ""), str)
                or not all(map(isfinite, (changed_s, *lifters.values())))
            ):
                raise ConfigError(
                    "role, hash, by, s and lifters, times finite",
                    f"{', '.join(strange) or 'a hash or a time'} of {location}",
                    "mend the file",
                )
            people[name] = Person(
                name,
                check_role(row.get("role"), location),
                row.get("hash", ""),
                by,
                changed_s,
                lifters,
            )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ConfigError(
            "a file of people",
            f"{path}: {type(error).__name__}: {error}",
            "mend it, or move it away and begin with `tercel console users add NAME`",
        ) from None
    return people
