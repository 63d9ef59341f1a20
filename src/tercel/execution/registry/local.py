"""A registry in a folder: ``<name>/<version>/`` with the policy's files, and ``registry.json`` that says which is what.

The folder of a version is moved into place whole and never written again; the index is replaced whole. Whoever changes
either holds the lock, so two processes at once get two versions, and one that is killed leaves what was or what is to
be: a folder that no index names is swept away by the next registration.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import PolicyError
from tercel.core.locks import locked
from tercel.execution.policies.policy import load_policy
from tercel.execution.registry.entries import (
    Promotion,
    RegistryEntry,
    Version,
    checked_alias,
    checked_name,
)

INDEX: Final = "registry.json"
LOCK: Final = ".lock"
FORMAT: Final = 1


class LocalRegistry:
    """Policies in a folder of this machine (port `entries.Registry`).

    Parameters
    ----------
    root : Path
        Made with the first registration.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.root)

    def entries(self) -> list[RegistryEntry]:
        """All names, sorted.

        Raises
        ------
        PolicyError
            For an index that does not read.
        """
        return sorted(self._read().values(), key=lambda entry: entry.name)

    def entry(self, name: str) -> RegistryEntry:
        """One name; without versions when nothing is registered under it."""
        return self._read().get(checked_name(name), RegistryEntry(name))

    def register(
        self, folder: Path, name: str, *, note: str = "", at: str = "", by: str = ""
    ) -> Version:
        """Copy the policy in `folder` as the next version of `name`; the same policy again is the version it has.

        Raises
        ------
        PolicyError
            For a folder that is no policy, or one that is damaged.
        """
        _, card = load_policy(folder)
        checked_name(name)
        with self._locked():
            index = self._read()
            entry = index.get(name, RegistryEntry(name))
            for version in entry.versions:
                if (version.weights_sha256, _bytes(self._folder(version))) == (
                    card.weights_sha256,
                    _bytes(folder),
                ):
                    return version
            number = 1 + max((version.number for version in entry.versions), default=0)
            hashes = card.weights_sha256, card.observation_hash
            version = Version(name, number, *hashes, at, by, str(folder.resolve()), note)
            self._place(folder, version)
            index[name] = replace(entry, versions=(*entry.versions, version))
            self._write(index)
        return version

    def promote(
        self, name: str, which: str, alias: str, *, why: str, at: str = "", by: str = ""
    ) -> Promotion:
        """Make a version champion or challenger.

        Raises
        ------
        PolicyError
            No such version.
        ConfigError
            No such alias.
        """
        checked_alias(alias)
        if not self.root.is_dir():
            self.entry(name).find(which)  # refuses, and makes no folder for that
        with self._locked():
            index = self._read()
            entry = index.get(checked_name(name), RegistryEntry(name))
            number, aliases = entry.find(which).number, dict(entry.aliases)
            made = Promotion(alias, number, aliases.get(alias, 0), why, at, by)
            aliases[alias] = number
            stored = tuple(sorted(aliases.items()))
            index[name] = replace(entry, aliases=stored, promotions=(*entry.promotions, made))
            self._write(index)
        return made

    def folder(self, version: Version) -> Path:
        """The version's files.

        Raises
        ------
        PolicyError
            When they are gone or are not those that were registered.
        """
        folder = self._folder(version)
        _, card = load_policy(folder)
        if card.weights_sha256 != version.weights_sha256:
            raise PolicyError(
                f"{version.label} with weights {version.weights_sha256[:16]}",
                f"{folder} with {card.weights_sha256[:16]}",
                "versions are never edited: put the old files back, or register the new ones",
            )
        return folder

    def _folder(self, version: Version) -> Path:
        return self.root / version.name / str(version.number)

    def _place(self, folder: Path, version: Version) -> None:
        """Copy a policy's folder to where its version lives, whole or not at all."""
        target = self._folder(version)
        aside = target.with_name(f".{target.name}.part")
        for leftover in (aside, target):  # of a registration that was killed: no index names it
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(folder, aside, ignore=shutil.ignore_patterns(".*", "*.part", "*.old"))
        aside.rename(target)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the others wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / LOCK):
            yield

    def _read(self) -> dict[str, RegistryEntry]:
        path = self.root / INDEX
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if (
            not isinstance(raw, dict)
            or raw.get("format") != FORMAT
            or not isinstance(raw.get("entries"), dict)
        ):
            raise _damaged(path, "no index of format 1")
        try:
            return {name: _entry(name, value) for name, value in raw["entries"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path, f"{type(error).__name__}: {error}") from error

    def _write(self, index: dict[str, RegistryEntry]) -> None:
        plain = {
            name: {**asdict(entry), "aliases": dict(entry.aliases)}
            for name, entry in sorted(index.items())
        }
        aside = self.root / f".{INDEX}.part"
        with aside.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, "entries": plain}, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.root / INDEX)


def _bytes(folder: Path) -> bytes:
    return (folder / "card.json").read_bytes()


def _entry(name: str, raw: dict[str, Any]) -> RegistryEntry:
    return RegistryEntry(
        name,
        tuple(Version(**version) for version in raw["versions"]),
        tuple(sorted((str(alias), int(number)) for alias, number in raw["aliases"].items())),
        tuple(Promotion(**promotion) for promotion in raw["promotions"]),
    )


def _damaged(path: Path, why: str) -> PolicyError:
    return PolicyError(
        "a registry's index", f"{path}: {why}", "put a copy back, or name another `registry=`"
    )
