"""A policy registry in a folder of this machine: an index and the policies' files by version, under a lock."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import PolicyError
from tercel.core.locks import file_lock
from tercel.execution.policies.folder import load_policy
from tercel.execution.registry.entries import (
    Promotion,
    RegistryEntry,
    Version,
    check_alias,
    check_name,
)

# A registry in a folder: ``<name>/<version>/`` with the policy's files, and ``registry.json`` that says which is what.
#
# The folder of a version is moved into place whole and never written again; the index is replaced whole. A process that changes
# either holds the lock, so two processes at once get two versions, and one that is killed leaves the old or the new
# state: a folder that no index names is swept away by the next registration.
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
    def location(self) -> str:
        """Folder of the registry."""
        return str(self.root)

    def entries(self) -> list[RegistryEntry]:
        """Entries of all names, sorted by name.

        Raises
        ------
        PolicyError
            For an index that does not read.
        """
        return sorted(self._read().values(), key=lambda entry: entry.name)

    def entry(self, name: str) -> RegistryEntry:
        """Entry of a name; without versions if nothing is registered under the name."""
        return self._read().get(check_name(name), RegistryEntry(name))

    def register(
        self, folder: Path, name: str, *, note: str = "", timestamp: str = "", by: str = ""
    ) -> Version:
        """Copy the policy of a folder as the next version of `name`; the same policy again gives its existing version.

        Raises
        ------
        PolicyError
            For a folder that is no policy, or one that is damaged.
        """
        _, card = load_policy(folder)
        check_name(name)
        with self._hold_lock():
            index = self._read()
            entry = index.get(name, RegistryEntry(name))
            for version in entry.versions:
                if (version.weights_sha256, _card_bytes(self._folder(version))) == (
                    card.weights_sha256,
                    _card_bytes(folder),
                ):
                    return version
            number = 1 + max((version.number for version in entry.versions), default=0)
            hashes = card.weights_sha256, card.observation_hash
            version = Version(name, number, *hashes, timestamp, by, str(folder.resolve()), note)
            self._place(folder, version)
            index[name] = replace(entry, versions=(*entry.versions, version))
            self._write(index)
        return version

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
        """Make the version of `name` that `reference` means champion or challenger; PolicyError for an unknown version.

        Raises
        ------
        PolicyError
            No such version.
        ConfigError
            No such alias.
        """
        check_alias(alias)
        if not self.root.is_dir():
            self.entry(name).find(reference)  # refuses, and makes no folder for that
        with self._hold_lock():
            index = self._read()
            entry = index.get(check_name(name), RegistryEntry(name))
            number = entry.find(reference).number
            aliases = dict(entry.aliases)
            promotion = Promotion(alias, number, aliases.get(alias, 0), reason, timestamp, by)
            aliases[alias] = number
            stored = tuple(sorted(aliases.items()))
            index[name] = replace(entry, aliases=stored, promotions=(*entry.promotions, promotion))
            self._write(index)
        return promotion

    def folder(self, version: Version) -> Path:
        """Folder of a version's files; PolicyError if their weights do not have its registered hash.

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
        """Path of the folder of a version."""
        return self.root / version.name / str(version.number)

    def _place(self, folder: Path, version: Version) -> None:
        """Copy a policy's folder to the folder of a version, in one rename; what a killed registration left there is removed."""
        target = self._folder(version)
        aside = target.with_name(f".{target.name}.part")
        for leftover in (aside, target):  # of a registration that was killed: no index names it
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(folder, aside, ignore=shutil.ignore_patterns(".*", "*.part", "*.old"))
        aside.rename(target)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Context with the exclusive write lock of the registry, whose folder is made if there is none."""
        self.root.mkdir(parents=True, exist_ok=True)
        with file_lock(self.root / LOCK):
            yield

    def _read(self) -> dict[str, RegistryEntry]:
        """Entries by name, from the index file; empty without one, PolicyError for a damaged one."""
        path = self.root / INDEX
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise _damaged_error(path, str(error)) from error
        if (
            not isinstance(raw, dict)
            or raw.get("format") != FORMAT
            or not isinstance(raw.get("entries"), dict)
        ):
            raise _damaged_error(path, "no index of format 1")
        try:
            return {name: _entry(name, value) for name, value in raw["entries"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged_error(path, f"{type(error).__name__}: {error}") from error

    def _write(self, index: dict[str, RegistryEntry]) -> None:
        """Replace the index file in one step, synced to disk."""
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


def _card_bytes(folder: Path) -> bytes:
    """Bytes of the card in a folder."""
    return (folder / "card.json").read_bytes()


def _entry(name: str, raw: dict[str, Any]) -> RegistryEntry:
    """A registry entry from its JSON object."""
    return RegistryEntry(
        name,
        tuple(Version(**version) for version in raw["versions"]),
        tuple(sorted((str(alias), int(number)) for alias, number in raw["aliases"].items())),
        tuple(Promotion(**promotion) for promotion in raw["promotions"]),
    )


def _damaged_error(path: Path, reason: str) -> PolicyError:
    """The error for a damaged index file, returned."""
    return PolicyError(
        "a registry's index", f"{path}: {reason}", "put a copy back, or name another `registry=`"
    )
