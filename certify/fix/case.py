"""What a certification case is, and the register of all of them.

A case is a function of its :class:`Bench`; it gives back what it saw in a few words, and :func:`expect` ends it where
something else came. It is registered under its id, once for each role of the system under test.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from tercel.core import ConfigError, Deadline
from tercel.fix import Address, ProfileTerms

Role = Literal["acceptor", "initiator"]
_MOST_DETAIL: Final = 300
LIMIT_S: Final = 60.0
"""A case that has not ended after so many seconds has failed."""
T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """How one case ended.

    Parameters
    ----------
    id : str
        "S01".
    title : str
    role : str
        What the system under test is in it: acceptor or initiator.
    passed : bool
    detail : str
        What was seen, or what was expected and what came.
    """

    id: str
    title: str
    role: Role
    passed: bool
    detail: str


@dataclass(frozen=True)
class Bench:
    """What a case has to work with.

    Parameters
    ----------
    terms : ProfileTerms
        The profile in force; its version is that of the case.
    folder : Path
        Empty, and the case's own.
    address : Address, optional
        Somebody else's acceptor that is to be certified; None: the system under test is ours.
    """

    terms: ProfileTerms
    folder: Path
    address: Address | None = None

    @property
    def begin(self) -> str:
        """BeginString."""
        return self.terms.profile.version


Body = Callable[[Bench], str]


@dataclass(frozen=True)
class PlannedCase:
    """A case that can be run.

    Parameters
    ----------
    id, title, role
        See :class:`Case`.
    body : callable
        What is done; what it gives back is the detail.
    outside : bool
        Whether it can be run at somebody else's acceptor, too.
    """

    id: str
    title: str
    role: Role
    body: Body
    outside: bool = False


class LeftOutError(Exception):
    """A case needs what the venue's own dictionary does not have: it is exempt."""


REGISTER: Final[dict[tuple[str, str], PlannedCase]] = {}
"""Every case, by id and role."""


class MissedError(Exception):
    """Something else came than a case expects."""


def case(id_: str, title: str, role: Role, *, outside: bool = False) -> Callable[[Body], Body]:
    """Register a function as a case.

    Parameters
    ----------
    id_ : str
        "S01".
    title : str
        What is shown, in a few words.
    role : str
        What the system under test is.
    outside : bool
        Whether it can be run at somebody else's acceptor, too.

    Raises
    ------
    ConfigError
        When there is such a case already.
    """

    def register(body: Body) -> Body:
        if (id_, role) in REGISTER:
            raise ConfigError(
                "each case once in each role",
                f"{id_} as {role} twice",
                "give one of them another id",
            )
        REGISTER[id_, role] = PlannedCase(id_, title, role, body, outside)
        return body

    return register


def expect(got: T, wanted: T, subject: str) -> None:
    """End a case unless something is what it has to be.

    >>> expect(2, 2, "messages")

    Raises
    ------
    MissedError
        When it is something else.
    """
    if got != wanted:
        raise MissedError(f"{subject}: expected {wanted!r}; received {got!r}")


def holds(condition: bool, claim: str) -> None:
    """End a case unless something holds.

    Raises
    ------
    MissedError
        When it does not.
    """
    if not condition:
        raise MissedError(f"not so: {claim}")


def run(planned: PlannedCase, bench: Bench, limit_s: float = LIMIT_S) -> Case:
    """Run a case; whatever it raises is its failure, but for what leaves it out, and so is that it does not end.

    >>> seen = PlannedCase("S00", "nothing", "acceptor", lambda bench: "nothing was asked")
    >>> from tercel.fix.profiles import load
    >>> run(seen, Bench(load("generic-44"), Path())).passed
    True
    """
    deadline = Deadline()
    deadline.start()
    try:
        passed = True
        detail = deadline.call(lambda: planned.body(bench), limit_s)
    except LeftOutError:
        raise
    except Exception as error:
        name = "" if isinstance(error, MissedError) else f"{type(error).__name__}: "
        endless = str(error) == f"no answer within {limit_s:g} s"
        passed = False
        detail = f"no end after {limit_s:g} s" if endless else name + str(error)
    finally:
        deadline.stop()
    return Case(
        planned.id, planned.title, planned.role, passed, " ".join(detail.split())[:_MOST_DETAIL]
    )


def sort_cases(cases: Iterable[PlannedCase]) -> list[PlannedCase]:
    """Cases by letter (S, O, K, R, B, Q), number and role."""
    return sorted(
        cases, key=lambda planned: ("SOKRBQ".find(planned.id[0]), planned.id, planned.role)
    )
