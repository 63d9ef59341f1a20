"""Entries of a policy registry (versions, promotions, names), and the port of any registry."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tercel.core.errors import PolicyError, refuse_if

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
LATEST: Final = "latest"
# What a version can be promoted to; `latest` follows by itself.
ALIASES: Final = (CHAMPION, CHALLENGER)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Version:
    """A registered version of a policy; its files never change.

    Parameters
    ----------
    name : str
    number : int
        From 1.
    weights_sha256, observation_hash : str
        Of its card.
    registered, by : str
        When and by whom; the caller's words.
    source : str
        Folder that it was copied from.
    note : str
    """

    name: str
    number: int
    weights_sha256: str
    observation_hash: str
    registered: str = ""
    by: str = ""
    source: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """The version as commands take it, `name@number`.

        >>> Version("csco", 3, "", "").label
        'csco@3'
        """
        return f"{self.name}@{self.number}"


@dataclass(frozen=True)
class Promotion:
    """A promotion of a version to champion or challenger, with its evidence or reason."""

    alias: str
    number: int
    # The version that had the alias; 0: none.
    before: int
    why: str
    at: str = ""
    by: str = ""


@dataclass(frozen=True)
class RegistryEntry:
    """A policy name with its versions, oldest first, and promotions."""

    name: str
    versions: tuple[Version, ...] = ()
    aliases: tuple[tuple[str, int], ...] = ()
    promotions: tuple[Promotion, ...] = ()

    def find(self, reference: str) -> Version:
        """The version called `reference`: a number, an alias, `latest`, or "" for the champion (latest without one).

        Raises
        ------
        PolicyError
            If there is no such version.
        """
        known = dict(self.aliases)
        if not reference:
            reference = CHAMPION if CHAMPION in known else LATEST
        number = known.get(reference, 0)
        if reference == LATEST and self.versions:
            number = self.versions[-1].number
        elif reference.isdecimal():
            number = int(reference)
        for version in self.versions:
            if version.number == number:
                return version
        have = ", ".join(
            [
                *(f"{self.name}@{v.number}" for v in self.versions),
                *(f"{self.name}@{a}" for a in known),
            ]
        )
        missing = reference in (*ALIASES, LATEST)
        remedy = (
            f"tercel agent promote {self.name}@VERSION `to={reference}` makes one"
            if missing
            else "name one of them"
        )
        raise PolicyError(
            f"a version of {self.name!r}: {have or 'none is registered'}",
            f"{self.name}@{reference}",
            remedy,
        )


class Registry(Protocol):
    """Port of a registry of policies."""

    @property
    def location(self) -> str:
        """Folder or URL of the registry, as :func:`open_registry` takes it."""

    def entries(self) -> list[RegistryEntry]:
        """Entries of all names, sorted by name."""

    def entry(self, name: str) -> RegistryEntry:
        """Entry of a name; without versions if nothing is registered under the name."""

    def register(
        self, folder: Path, name: str, *, note: str = "", timestamp: str = "", by: str = ""
    ) -> Version:
        """Store the policy of a folder as the next version of `name`; the same policy again gives its existing version."""

    def promote(
        self,
        name: str,
        reference: str,
        alias: str,
        *,
        reason: str,
        timestamp: str = "",
        by: str = "",
    ) -> Promotion:
        """Make the version of `name` that `reference` means champion or challenger (`alias`), in place of another one."""

    def folder(self, version: Version) -> Path:
        """Folder of a version's files; PolicyError if their weights do not have its registered hash."""


def check_name(name: str) -> str:
    """`name`; ConfigError unless valid as a policy name.

    Raises
    ------
    ConfigError
        Otherwise: it becomes a folder's name and comes before an @.

    >>> check_name("csco-ppo")
    'csco-ppo'
    """
    refuse_if(
        not _NAME.fullmatch(name),
        "a name of letters, digits, '.', '_' and '-' (64 at most)",
        repr(name),
        "such as `name=csco-ppo`",
    )
    return name


def check_alias(alias: str) -> str:
    """`alias`; ConfigError unless it is champion or challenger.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    refuse_if(
        alias not in ALIASES,
        f"one of {', '.join(ALIASES)}",
        repr(alias),
        f"such as `to={CHALLENGER}`",
    )
    return alias
