"""A registry of policies in a folder, and the policy folder that a text names: a path, a name or `NAME@VERSION`."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import PolicyError, UnknownNameError, nearest, refuse_if
from tercel.core.extras import given
from tercel.core.files import locked
from tercel.execution import policies_packaged
from tercel.execution.policies.policy import CARD, load_policy
from tercel.execution.registry.entries import (
    Promotion,
    Registry,
    RegistryEntry,
    Version,
    checked_alias,
    checked_name,
)

# -- local ----------------------------------------------------------------------------------------
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


# -- resolve --------------------------------------------------------------------------------------

DEFAULT: Final = Path("runs") / "registry"
PACKAGED: Final = "packaged:"
POLICY: Final = "policy:"
MLFLOW: Final = "mlflow+"
# What Stable-Baselines3 saves its models as.
ARCHIVE: Final = ".zip"
# Where a policy's card lies in a folder that is named: in it, or, of a run, in its folder `policy`.
INSIDE: Final = ("", "policy")


def open_registry(where: str | Path | None = None) -> Registry:
    """The registry that is meant: a folder, ``mlflow+URL``, or by default `TERCEL_REGISTRY`, else ``runs/registry``.

    The kind ``mlflow`` comes from another package, by the entry point group ``tercel.registries``: a function of the text that
    returns a :class:`~tercel.execution.registry.Registry`.

    Raises
    ------
    ConfigError
        An MLflow registry, where no such package is installed.
    """
    text = str(where or os.environ.get("TERCEL_REGISTRY") or DEFAULT)
    if not text.startswith(MLFLOW):
        return LocalRegistry(Path(text))
    made: Registry = given("tercel.registries", "mlflow", "tercel-studies", "mlflow")(text)
    return made


def resolve_policy(text: str, registry: str | Path | None = None) -> Path:
    """Folder of the policy that `text` names: a path, a packaged name or a version in the registry.

    Parameters
    ----------
    text : str
        A folder with ``card.json``, or the folder of a run; a packaged policy's name (``default``,
        ``packaged:NAME``); or a registered one: ``NAME@3``, ``NAME@champion``, ``NAME@challenger``, ``NAME@latest``.
        ``policy:`` before any of these is dropped.
    registry : str or Path, optional
        See :func:`open_registry`.

    Raises
    ------
    PolicyError
        For a folder without a policy, or a version that does not exist.
    UnknownNameError
        For anything else; the nearest names are offered.

    >>> resolve_policy("default-1").name
    'default-1'
    """
    name = text.removeprefix(POLICY)
    if name.startswith(PACKAGED):
        return policies_packaged.folder_of(policies_packaged.shipped(name.removeprefix(PACKAGED)))
    folder = Path(name)
    if folder.is_dir():
        return _in_folder(folder)
    refuse_if(
        name.endswith(ARCHIVE),
        f"a policy folder with {CARD}",
        f"{name}, an archive: reading one of Stable-Baselines3 unpickles it, which may run anything",
        f"unpack one of ours, or convert a model once: tercel agent convert {name} FOLDER `trust=True`",
        PolicyError,
    )
    base, at, which = name.rpartition("@")
    if at:
        opened = open_registry(registry)
        entry = opened.entry(base)
        if not entry.versions:
            raise unknown(
                base, [e.name for e in opened.entries()], f"policies registered in {opened.where}"
            )
        return opened.folder(entry.find(which))
    packaged = policies_packaged.shipped(name)
    if packaged in policies_packaged.names():
        return policies_packaged.folder_of(packaged)
    refuse_if(
        os.sep in name,
        f"a policy folder with {CARD}",
        f"{name}: no such folder",
        "`tercel agent list` names some",
        PolicyError,
    )
    raise unknown(
        name,
        choices(registry),
        "policies: a folder, a packaged one, or NAME@VERSION of the registry",
    )


def pinned(text: str, registry: str | Path | None = None) -> str:
    """`text` with an alias made the version that it means now; anything else as it is.

    A journaled name must keep its meaning when another version becomes champion.
    """
    head = POLICY if text.startswith(POLICY) else ""
    base, at, which = text.removeprefix(POLICY).rpartition("@")
    if not at or which.isdecimal() or Path(text.removeprefix(POLICY)).is_dir():
        return text
    return head + open_registry(registry).entry(base).find(which).label


def choices(registry: str | Path | None = None) -> list[str]:
    """Every policy that can be named without a path, families included."""
    opened = open_registry(registry).entries()
    packaged = policies_packaged.names()
    stems = dict.fromkeys(policies_packaged.stem(one) for one in packaged)
    families = [
        word
        for stem in stems
        if stem not in packaged
        for word in (stem, f"{stem}{policies_packaged.ALL}")
    ]
    return [*packaged, *families, *(name for entry in opened for name in _labels(entry))]


def _labels(entry: RegistryEntry) -> list[str]:
    return [
        *(version.label for version in entry.versions),
        *(f"{entry.name}@{alias}" for alias, _ in entry.aliases),
    ]


def _in_folder(folder: Path) -> Path:
    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return folder / inside
    found = sorted(path.parent for path in folder.glob(f"*/{CARD}"))
    some = f"; policies lie in {', '.join(str(path) for path in found[:3])}" if found else ""
    raise PolicyError(
        f"a policy folder with {CARD}",
        f"{folder}, which has none{some}",
        "name the policy's own folder",
    )


def unknown(name: str, known: list[str], expected: str) -> UnknownNameError:
    """The error for a policy name that nothing has, with the nearest known one."""
    listed = "`tercel agent list` shows what there is"
    near = nearest(name, [one for one in known if one != name])
    return UnknownNameError(expected, repr(name), f"try {near[0]!r}; {listed}" if near else listed)
