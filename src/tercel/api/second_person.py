"""The second person without whom no desk trades money: another one of the people of a file, by their own password."""

from dataclasses import dataclass, field
from pathlib import Path

from tercel.api.console.people import BOUND, People, may
from tercel.core.errors import ConfigError
from tercel.core.installation import FILE, check_guarded
from tercel.core.system import user_name
from tercel.desk.limits.change import same_person


@dataclass(frozen=True)
class SecondPerson:
    """Somebody who agrees that a desk goes live.

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
            Of people, as the gate's or the installation's file names it; "": neither does.
        uid : int
            User who starts the desk, and cannot write that file.

        Raises
        ------
        ConfigError
            No file, or one that the user could write; not a name and its password, a role that may not confirm, or a
            person who is not another one.
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
                f"{self.name!r} with another password, or nobody of that name",
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
