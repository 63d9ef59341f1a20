"""Find the policy folder that a text names: a path, a packaged name, or `NAME@VERSION` in a registry."""

import os
from pathlib import Path
from typing import Final

from tercel.core.entry_points import load_from_distribution
from tercel.core.errors import PolicyError, UnknownNameError, nearest_names, refuse_if
from tercel.execution import policies_packaged
from tercel.execution.policies.folder import CARD
from tercel.execution.registry.entries import Registry, RegistryEntry
from tercel.execution.registry.local_registry import LocalRegistry

DEFAULT: Final = Path("runs") / "registry"
PACKAGED: Final = "packaged:"
POLICY: Final = "policy:"
MLFLOW: Final = "mlflow+"
# What Stable-Baselines3 saves its models as.
ARCHIVE: Final = ".zip"
# Where a policy's card lies in a folder that is named: in it, or, of a run, in its folder `policy`.
INSIDE: Final = ("", "policy")


def open_registry(location: str | Path | None = None) -> Registry:
    """Open a registry: a folder (it need not exist), ``mlflow+URL``, or by default `TERCEL_REGISTRY`, else ``runs/registry``.

    The kind ``mlflow`` comes from another package, by the entry point group ``tercel.registries``: a function of the text that
    returns a :class:`~tercel.execution.registry.Registry`.

    Raises
    ------
    ConfigError
        An MLflow registry, where no such package is installed.
    """
    text = str(location or os.environ.get("TERCEL_REGISTRY") or DEFAULT)
    if not text.startswith(MLFLOW):
        return LocalRegistry(Path(text))
    opened: Registry = load_from_distribution(
        "tercel.registries", "mlflow", "tercel-studies", "mlflow"
    )(text)
    return opened


def resolve_policy(text: str, registry: str | Path | None = None) -> Path:
    """Folder of the policy that a text names: a path, then NAME@VERSION of the registry, or a packaged name; else an error.

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
        return policies_packaged.folder_of(
            policies_packaged.resolve_packaged(name.removeprefix(PACKAGED))
        )
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
    base, separator, which = name.rpartition("@")
    if separator:
        opened = open_registry(registry)
        entry = opened.entry(base)
        if not entry.versions:
            raise unknown_policy_error(
                base,
                [e.name for e in opened.entries()],
                f"policies registered in {opened.location}",
            )
        return opened.folder(entry.find(which))
    packaged = policies_packaged.resolve_packaged(name)
    if packaged in policies_packaged.packaged_names():
        return policies_packaged.folder_of(packaged)
    refuse_if(
        os.sep in name,
        f"a policy folder with {CARD}",
        f"{name}: no such folder",
        "`tercel agent list` names some",
        PolicyError,
    )
    raise unknown_policy_error(
        name,
        choices(registry),
        "policies: a folder, a packaged one, or NAME@VERSION of the registry",
    )


def pin_version(text: str, registry: str | Path | None = None) -> str:
    """NAME@alias as NAME@number, the version that the alias means now; texts without an alias, and folders, unchanged.

    A journaled name must keep its meaning when another version becomes champion.
    """
    head = POLICY if text.startswith(POLICY) else ""
    base, separator, which = text.removeprefix(POLICY).rpartition("@")
    if not separator or which.isdecimal() or Path(text.removeprefix(POLICY)).is_dir():
        return text
    return head + open_registry(registry).entry(base).find(which).label


def choices(registry: str | Path | None = None) -> list[str]:
    """Names of all policies that can be named without a path: packaged ones, their families, and registered versions."""
    opened = open_registry(registry).entries()
    packaged = policies_packaged.packaged_names()
    stems = dict.fromkeys(policies_packaged.stem(packaged_name) for packaged_name in packaged)
    families = [
        family_name
        for stem in stems
        if stem not in packaged
        for family_name in (stem, f"{stem}{policies_packaged.ALL}")
    ]
    return [*packaged, *families, *(name for entry in opened for name in _labels(entry))]


def _labels(entry: RegistryEntry) -> list[str]:
    """Labels of an entry: `name@number` of each version and `name@alias`."""
    return [
        *(version.label for version in entry.versions),
        *(f"{entry.name}@{alias}" for alias, _ in entry.aliases),
    ]


def _in_folder(folder: Path) -> Path:
    """The folder, or its subfolder `policy`, that holds a policy's card; PolicyError if there is none."""
    for inside in INSIDE:
        if (folder / inside / CARD).is_file():
            return folder / inside
    folders = sorted(path.parent for path in folder.glob(f"*/{CARD}"))
    some = f"; policies lie in {', '.join(str(path) for path in folders[:3])}" if folders else ""
    raise PolicyError(
        f"a policy folder with {CARD}",
        f"{folder}, which has none{some}",
        "name the policy's own folder",
    )


def unknown_policy_error(name: str, known: list[str], expected: str) -> UnknownNameError:
    """The error for an unknown policy name, with the nearest of the `known` names; it is returned, not raised."""
    hint = "`tercel agent list` shows what there is"
    near = nearest_names(name, [candidate for candidate in known if candidate != name])
    return UnknownNameError(expected, repr(name), f"try {near[0]!r}; {hint}" if near else hint)
