"""The second person without whom no desk trades money: another person of the people file, with their own password."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tercel.api.console.people import People
from tercel.api.console.roles import has_permission
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.installation import FILE, check_guarded
from tercel.core.system import user_name
from tercel.desk.limits.persons import is_same_person

BOUND: Final = "one of the two let in or raised the other within a day, or a third did so with both"
"""Reason why two people are not independent (`People.are_dependent`), in words."""


@dataclass(frozen=True)
class SecondPerson:
    """The second person who approves that a desk goes live.

    Parameters
    ----------
    name, password : str
    """

    name: str
    password: str = field(repr=False)

    def prove_identity(self, file: str | Path, uid: int) -> str:
        """Verify the second person's password, role and independence; return name and proof for the journal.

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
        refuse_if(
            not str(file),
            f"{wanted}, in a file of people",
            "none named",
            f"have `people = FILE` written into {FILE} by this machine's administrator, or into a gate's",
        )
        check_guarded(Path(file), uid)
        people = People(Path(file))
        starter = user_name(uid)
        person = people.verify(self.name, self.password)
        if person is None:
            raise ConfigError(
                wanted,
                f"{self.name!r} with another password, or no user of that name",
                f"`second=NAME` of {file}, and that person types the password",
            )
        refuse_if(
            not has_permission(person.role, "confirm"),
            wanted,
            f"{self.name}, who is {person.role}",
            "ask somebody of risk",
        )
        refuse_if(
            is_same_person(person.name, starter),
            wanted,
            f"{self.name}, who starts it",
            "ask somebody else",
        )
        refuse_if(
            people.are_dependent(person.name, starter),
            wanted,
            f"{self.name} beside {starter}: {BOUND}",
            "ask somebody else, or wait a day",
        )
        return f"{person.name} (password)"
