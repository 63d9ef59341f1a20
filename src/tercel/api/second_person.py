"""The second person without whom no desk goes live: another one of the console's people, by their own password."""

from dataclasses import dataclass, field

from tercel.api.console.people import BOUND, People
from tercel.api.console.roles import may
from tercel.core.errors import ConfigError
from tercel.desk.trading.limit_record import same_person


@dataclass(frozen=True)
class SecondPerson:
    """Somebody who agrees that a desk goes live.

    Parameters
    ----------
    name, password : str
    people : People
        Among whom that person is.
    """

    name: str
    password: str = field(repr=False)
    people: People = field(repr=False)

    def proved(self, starter: str) -> str:
        """Name and proof, for the journal.

        Parameters
        ----------
        starter : str
            Who starts the desk.

        Raises
        ------
        ConfigError
            Not a name and its password, a role that may not confirm, or a person who is not another one.
        """
        wanted = "a second person of risk or admin, who is not the one who starts it"
        found = self.people.verify(self.name, self.password)
        if found is None:
            remedy = f"`second=NAME` of {self.people.path}, and that person types the password"
            raise ConfigError(wanted, f"{self.name!r} with another password, or nobody of that name", remedy)
        if not may(found.role, "confirm"):
            raise ConfigError(wanted, f"{self.name}, who is {found.role}", "ask somebody of risk")
        if same_person(found.name, starter):
            raise ConfigError(wanted, f"{self.name}, who starts it", "ask somebody else")
        if self.people.bound(found.name, starter):
            raise ConfigError(wanted, f"{self.name} beside {starter}: {BOUND}", "ask somebody else, or wait a day")
        return f"{found.name} (password)"
