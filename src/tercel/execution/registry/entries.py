"""Entries of a registry of policies, whatever stores them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tercel.core.errors import ConfigError, PolicyError

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
LATEST: Final = "latest"
ALIASES: Final = (CHAMPION, CHALLENGER)
"""What a version can be promoted to; `latest` follows by itself."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Version:
    """One policy under a name; its files never change.

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
    before: int
    """The version that had the alias; 0: none."""
    why: str
    at: str = ""
    by: str = ""


@dataclass(frozen=True)
class RegistryEntry:
    """A name with its versions, oldest first."""

    name: str
    versions: tuple[Version, ...] = ()
    aliases: tuple[tuple[str, int], ...] = ()
    promotions: tuple[Promotion, ...] = ()

    def find(self, which: str) -> Version:
        """The version called `which`: a number, an alias, `latest`, or "" for the champion.

        Raises
        ------
        PolicyError
            When there is none.
        """
        known = dict(self.aliases)
        if not which:
            which = CHAMPION if CHAMPION in known else LATEST
        number = known.get(which, 0)
        if which == LATEST and self.versions:
            number = self.versions[-1].number
        elif which.isdecimal():
            number = int(which)
        for version in self.versions:
            if version.number == number:
                return version
        have = ", ".join(
            [
                *(f"{self.name}@{v.number}" for v in self.versions),
                *(f"{self.name}@{a}" for a in known),
            ]
        )
        missing = which in (*ALIASES, LATEST)
        remedy = (
            f"tercel agent promote {self.name}@VERSION `to={which}` makes one"
            if missing
            else "name one of them"
        )
        raise PolicyError(
            f"a version of {self.name!r}: {have or 'none is registered'}",
            f"{self.name}@{which}",
            remedy,
        )


class Registry(Protocol):
    """Port of a registry of policies."""

    @property
    def where(self) -> str:
        """Its folder or URL, as :func:`open_registry` takes it."""

    def entries(self) -> list[RegistryEntry]:
        """All names, sorted."""

    def entry(self, name: str) -> RegistryEntry:
        """One name; without versions when nothing is registered under it."""

    def register(
        self, folder: Path, name: str, *, note: str = "", at: str = "", by: str = ""
    ) -> Version:
        """Keep the policy in `folder` as the next version of `name`; the same policy again is the version it has."""

    def promote(
        self, name: str, which: str, alias: str, *, why: str, at: str = "", by: str = ""
    ) -> Promotion:
        """Make a version champion or challenger; nothing else changes."""

    def folder(self, version: Version) -> Path:
        """The version's files, checked against the hash that it was registered with."""


def checked_name(name: str) -> str:
    """`name` if it can be one.

    Raises
    ------
    ConfigError
        Otherwise: it becomes a folder's name and stands before an @.

    >>> checked_name("csco-ppo")
    'csco-ppo'
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "a name of letters, digits, '.', '_' and '-' (64 at most)",
            repr(name),
            "such as `name=csco-ppo`",
        )
    return name


def checked_alias(alias: str) -> str:
    """`alias` if versions can be promoted to it.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    if alias not in ALIASES:
        raise ConfigError(f"one of {', '.join(ALIASES)}", repr(alias), f"such as `to={CHALLENGER}`")
    return alias
