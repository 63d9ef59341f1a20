"""From what a person wrote to the folder of a policy: the one way in, for every command that takes a policy."""

import os
from pathlib import Path
from typing import Final

from tercel.core.errors import PolicyError, UnknownNameError
from tercel.core.names import nearest
from tercel.execution import policies_packaged
from tercel.execution.policies.policy import CARD
from tercel.execution.registry.entries import Registry, RegistryEntry
from tercel.execution.registry.local import LocalRegistry

DEFAULT: Final = Path("runs") / "registry"
PACKAGED: Final = "packaged:"
POLICY: Final = "policy:"
MLFLOW: Final = "mlflow+"
ARCHIVE: Final = ".zip"
"""What Stable-Baselines3 saves its models as."""
INSIDE: Final = ("", "policy")
"""Where a policy's card lies in a folder that is named: in it, or, of a run, in its folder `policy`."""


def open_registry(where: str | Path | None = None) -> Registry:
    """The registry that is meant: a folder, ``mlflow+URL``, or by default `TERCEL_REGISTRY`, else ``runs/registry``."""
    text = str(where or os.environ.get("TERCEL_REGISTRY") or DEFAULT)
    if text.startswith(MLFLOW):
        from tercel.execution.registry.mlflow_store import MlflowRegistry

        return MlflowRegistry(text)
    return LocalRegistry(Path(text))


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
    if name.endswith(ARCHIVE):
        received = f"{name}, an archive: reading one of Stable-Baselines3 unpickles it, which may run anything"
        remedy = f"unpack one of ours, or convert a model once: tercel agent convert {name} FOLDER `trust=True`"
        raise PolicyError(f"a policy folder with {CARD}", received, remedy)
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
    if os.sep in name:
        raise PolicyError(
            f"a policy folder with {CARD}",
            f"{name}: no such folder",
            "`tercel agent list` names some",
        )
    raise unknown(
        name,
        choices(registry),
        "policies: a folder, a packaged one, or NAME@VERSION of the registry",
    )


def pinned(text: str, registry: str | Path | None = None) -> str:
    """`text` with an alias made the version that it stands for now; anything else as it is.

    What is journaled must mean the same tomorrow, whoever is champion by then.
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
