"""The people of a console: names, roles and hashes of passwords, in a file of mode 600.

people = People(Path("desks/people.json"))
people.add("ann", "trader", "correct horse", by="root (tercel console users)")
people.verify("ann", "correct horse")      # a Person, or None

Roles, and the least role of everything that can be done at the console: the one table.

Every route names its permission, once; `tests/api/console/test_roles.py` asks every path by every method as every role.

The second person without whom no desk trades money: another one of the people of a file, by their own password.
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

from tercel.core.errors import ConfigError, check_known
from tercel.core.extras import needed
from tercel.core.files import locked, write_private
from tercel.core.installation import FILE, check_guarded
from tercel.core.system import user_name
from tercel.desk.limits.change import blank, same_person

VIEWER, TRADER, RISK, ADMIN = ROLES = ("viewer", "trader", "risk", "admin")
"""Roles from least to most: each has all permissions of those before it."""
PUBLIC: Final = "public"
"""Of routes that ask for no session: the way in."""
LEAST: Final = {
    "look": VIEWER,
    "kill": TRADER,
    "submit": TRADER,
    "pause": TRADER,
    "resume": TRADER,
    "amend": TRADER,
    "cancel": TRADER,
    "by_hand": TRADER,
    "acknowledge": TRADER,
    "rearm": RISK,
    "promote": RISK,
    "limits": RISK,
    "posture": RISK,
    "confirm": RISK,
    "users": ADMIN,
}
"""Permission to the least role that has it."""


def check_role(role: object, where: str = "") -> str:
    """A role as it is spelled.

    Raises
    ------
    UnknownNameError
        For another word; it names `where` it was found.

    >>> check_role("risk")
    'risk'
    """
    check_known(role, ROLES, "a role, one of", f"{role!r}{where and f' of {where}'}")
    return str(role)


def may(role: str, permission: str) -> bool:
    """Whether a role has a permission.

    >>> may("viewer", "kill"), may("trader", "kill"), may("admin", "look")
    (False, True, True)
    """
    return ROLES.index(role) >= ROLES.index(LEAST[permission])


def permissions(role: str) -> list[str]:
    """All that a role may do.

    >>> permissions("viewer")
    ['look']
    """
    return [one for one in LEAST if may(role, one)]


SHORTEST: Final = 8
"""Letters of a password."""
LONGEST_PASSWORD: Final = 1024
"""Letters of one that a login takes, in whichever form a browser sends it."""
LONGEST: Final = 40
"""Letters of a name."""
DAY_S: Final = 86_400.0
"""For so long two people do not confirm for each other whom one person let in or raised, or where one did the other."""
BOUND: Final = "one of the two let in or raised the other within a day, or a third did so with both"
"""Reason why two people are not independent (`People.bound`), in words."""
_FORBIDDEN: Final = set('()[]{}<>,;:"/\\|`')
_FORMULA: Final = "=+-@"
_ALIKE: Final = {"LATIN", "CYRILLIC", "GREEK"}
"""Alphabets whose letters look like each other's."""
_TAKEN: Final = ("limits", "root", "desk")
"""Names by which a desk or its machine's owner speaks in a journal."""


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
    """The people of a file, read again whenever it has changed: a removed person loses access at once.

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
        argon2 = needed("argon2", "trade")
        self.path = path
        self.now_s = now_s
        self._hasher = hasher or argon2.PasswordHasher()
        self._wrong = argon2.exceptions.Argon2Error
        self._dummy = self._hasher.hash(secrets.token_bytes(16))
        self._lock = Lock()
        self._seen = (0, 0, 0)
        self._people: dict[str, Person] = {}

    def all(self) -> list[Person]:
        """Everybody, by name."""
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                return []
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if seen != self._seen:
                if found.st_mode & 0o037:
                    raise ConfigError(
                        "a file that its owner and a group alone read",
                        f"{self.path}, mode {found.st_mode & 0o777:o}",
                        f"chmod 600 {self.path}",
                    )
                self._people = _read(self.path)
                self._seen = seen
            return sorted(self._people.values(), key=lambda one: one.name)

    def get(self, name: str) -> Person | None:
        """A person by name; None if unknown."""
        return next((one for one in self.all() if one.name == name), None)

    def verify(self, name: str, password: str) -> Person | None:
        """The person whose password it is; an unknown name takes as long as a wrong password."""
        person = self.get(name)
        known = person is not None and person.hash
        try:
            self._hasher.verify(person.hash if person and known else self._dummy, _bytes(password))
        except self._wrong:
            return None
        return person if known else None

    def add(self, name: str, role: str, password: str | None, by: str) -> Person:
        """Let a person in.

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
        made = Person(name, check_role(role), "" if password is None else self._hashed(password))
        with self._changing() as people:
            if taken := next((one for one in people if same_person(one, name)), None):
                raise ConfigError(
                    "a name that is free", f"{name!r}, where {taken!r} is one", "choose another"
                )
            people[name] = self._lifted(people, made, by)
            return people[name]

    def set_role(self, name: str, role: str, by: str) -> Person:
        """Give a person another role; it counts at once.

        Raises
        ------
        ConfigError
            An unknown name or role, no admin would remain, or the admin's own access has ended.
        """
        check_role(role)
        with self._changing() as people:
            before = self._known(people, name)
            raised = ROLES.index(role) > ROLES.index(before.role)
            after = replace(before, role=role)
            people[name] = self._lifted(people, after, by) if raised else after
            return people[name]

    def set_password(self, name: str, password: str, by: str) -> Person:
        """Set a person's password: open sessions end, and `by` becomes one of the person's lifters."""
        hashed = self._hashed(password)
        with self._changing() as people:
            people[name] = self._lifted(people, replace(self._known(people, name), hash=hashed), by)
            return people[name]

    def change_password(self, person: Person, password: str) -> Person:
        """Change the password of a person with a fresh proof of identity; the person's other sessions end.

        Raises
        ------
        ConfigError
            A password that is too short or too long, or another one that was given meanwhile.
        """
        hashed = self._hashed(password)
        with self._changing() as people:
            now = self._known(people, person.name)
            if now.hash != person.hash:
                raise ConfigError(
                    "the password that was proved", "another, given meanwhile", "log in again"
                )
            people[person.name] = replace(now, hash=hashed)
            return people[person.name]

    def remove(self, name: str) -> None:
        """Take a person out, whose sessions end at once.

        Raises
        ------
        ConfigError
            An unknown name, or no admin would remain.
        """
        with self._changing() as people:
            del people[self._known(people, name).name]

    def bound(self, one: str, other: str, known: Mapping[str, float] | None = None) -> bool:
        """Whether two names are not independent: they are the same; one let in or raised the other within a
        day, directly or through others; or a third at the console did both. Actions at the command line bind to its
        user alone: people whom it let in are independent of each other.

        Parameters
        ----------
        one, other : str
        known : mapping of str to float, optional
            The lifters of `other` as written down earlier: that record may be gone, or started again.
        """
        mine, theirs = (
            self._young(self.lifters(one)),
            self._young(known or {}) | self._young(self.lifters(other)),
        )
        ours, others = (
            {name, *filter(_at_console, lifters)}
            for name, lifters in ((one, mine), (other, theirs))
        )
        pairs = [*product(ours, others), *product((one,), theirs), *product(mine, (other,))]
        return any(same_person(a, b) for a, b in pairs)

    def lifters(self, name: str) -> dict[str, float]:
        """Name to time, seconds, of all who lifted a person; {} for an unknown name."""
        found = self.get(name)
        return {} if found is None else found.lifters

    def _young(self, lifters: Mapping[str, float]) -> set[str]:
        """Those of less than a day; the wall's clock may have been put back: what seems to come is not old either."""
        return {name for name, s in lifters.items() if self.now_s() - s < DAY_S}

    def _lifted(self, people: Mapping[str, Person], person: Person, by: str) -> Person:
        """A person whom somebody lifts, with their own lifters: a record that is removed later breaks no chain."""
        now, (name, _, proof) = self.now_s(), by.partition(" (")
        if proof.startswith(("password)", "oidc:")):
            self._known(
                people, name
            )  # an admin removed while a password was hashed cannot let others in
        above = people[name].lifters if _at_console(by) and name in people else {}
        added = {one: above[one] for one in self._young(above)} | {
            name if _at_console(by) else by: now
        }
        lifters = person.lifters | {
            one: max(s, person.lifters.get(one, s)) for one, s in added.items()
        }
        return replace(person, by=by, s=now, lifters=lifters)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Person]]:
        """Yield the people for a change under the file's lock; written at the end, if an admin remains."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_name(f".{self.path.name}.lock")):
            people = {one.name: one for one in self.all()}
            had = any(one.role == ADMIN for one in people.values())
            yield people
            if had and not any(one.role == ADMIN for one in people.values()):
                raise ConfigError(
                    "one admin at least",
                    "a change that would leave none",
                    "make another admin first",
                )
            rows = {
                name: {k: v for k, v in asdict(one).items() if k != "name"}
                for name, one in people.items()
            }
            write_private(self.path, json.dumps({"people": rows}, indent=1) + "\n")

    def _hashed(self, password: str) -> str:
        least, most = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
        if (
            len(least) < SHORTEST
            or len(most) > LONGEST_PASSWORD
            or any(unicodedata.category(c) == "Cs" for c in least)
        ):
            raise ConfigError(
                f"a password of {SHORTEST} to {LONGEST_PASSWORD:,} characters of Unicode",
                f"one of {len(password):,}"
                + ", not all of them such" * (SHORTEST <= len(password) <= LONGEST_PASSWORD),
                "choose another one, or let one be made",
            )
        return str(self._hasher.hash(_bytes(password)))

    def _known(self, people: Mapping[str, Person], name: str) -> Person:
        if name not in people:
            raise UnknownUserError(
                "the name of a person",
                repr(name),
                f"one of {', '.join(sorted(people)) or 'no user yet'}",
            )
        return people[name]


class UnknownUserError(ConfigError):
    """A name that no person of a console has."""


def check_name(name: str) -> str:
    """A name that a person may have: it is journaled, shown and written into tables.

    Raises
    ------
    ConfigError
        For a name with other letters, or none; of two alphabets that look alike; of a desk or its machine.

    >>> check_name("Ann Lee")
    'Ann Lee'
    """
    seen = not any(blank(letter) for letter in name.replace(" ", ""))
    fine = seen and name == " ".join(name.split()) and 0 < len(name) <= LONGEST
    if not fine or name[0] in _FORMULA or _FORBIDDEN & set(name) or name in (".", ".."):
        raise ConfigError(
            f"a name of 1 to {LONGEST} letters, digits, spaces and dots",
            ascii(name[: 2 * LONGEST]),
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
    if any(same_person(name, one) for one in _TAKEN):
        raise ConfigError(f"a name but {', '.join(_TAKEN)}", repr(name), "choose another")
    return name


def _at_console(by: str) -> bool:
    """Whether a change was made at the console: `by` is a name alone, or one with a proof of identity."""
    proof = by.partition(" (")[2]
    return not proof or proof.startswith(("password)", "oidc:"))


def made_password() -> str:
    """A random password, 96 bits.

    >>> len(made_password())
    16
    """
    return secrets.token_urlsafe(12)


def _bytes(password: str) -> bytes:
    """Bytes of a password to hash, normalised (NFC): composed and decomposed accents are equal."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _read(path: Path) -> dict[str, Person]:
    """Everybody in a file; what cannot be obeyed to the letter is refused with the file and the name."""
    try:
        rows: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["people"]
        people = {}
        for name, row in rows.items():
            where = f"{name!r} in {path}"
            strange = set(row) - {"role", "hash", "by", "s", "lifters"}
            by, s = str(row.get("by", "")), float(row["s"])
            lifters = {str(one): float(at) for one, at in row["lifters"].items()}
            if (
                strange
                or not isinstance(row.get("hash", ""), str)
                or not all(map(isfinite, (s, *lifters.values())))
            ):
                raise ConfigError(
                    "role, hash, by, s and lifters, times finite",
                    f"{', '.join(strange) or 'a hash or a time'} of {where}",
                    "mend the file",
                )
            people[name] = Person(
                name, check_role(row.get("role"), where), row.get("hash", ""), by, s, lifters
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


@dataclass(frozen=True)
class SecondPerson:
    """The second person who approves that a desk goes live.

    Parameters
    ----------
    name, password : str
    """

    name: str
    password: str = field(repr=False)

    def proved(self, file: str | Path, uid: int) -> str:
        """Name and proof, for the journal.

        Parameters
        ----------
        file : str or Path
            File of people, as named by the gate's or the installation's file; "": none named.
        uid : int
            User id of the person who starts the desk; must not be able to write that file.

        Raises
        ------
        ConfigError
            No file, or one that the user could write; a wrong name or password, a role without the permission to
            confirm, or a person who is not independent.
        """
        wanted = "a second person of risk or admin, who is not the one who starts it"
        if not str(file):
            raise ConfigError(
                f"{wanted}, in a file of people",
                "none named",
                f"have `people = FILE` written into {FILE} by this machine's administrator, or into a gate's",
            )
        check_guarded(Path(file), uid)
        people, starter = People(Path(file)), user_name(uid)
        found = people.verify(self.name, self.password)
        if found is None:
            raise ConfigError(
                wanted,
                f"{self.name!r} with another password, or no user of that name",
                f"`second=NAME` of {file}, and that person types the password",
            )
        if not may(found.role, "confirm"):
            raise ConfigError(wanted, f"{self.name}, who is {found.role}", "ask somebody of risk")
        if same_person(found.name, starter):
            raise ConfigError(wanted, f"{self.name}, who starts it", "ask somebody else")
        if people.bound(found.name, starter):
            raise ConfigError(
                wanted, f"{self.name} beside {starter}: {BOUND}", "ask somebody else, or wait a day"
            )
        return f"{found.name} (password)"
