"""Folders of the policies that come with Tercel, by name: NAME-SEED; all of one NAME are a family."""

import math
import re
from pathlib import Path
from typing import Final

from tercel.core.errors import UnknownNameError, suggest_name
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD

FOLDER: Final = Path(__file__).parents[1] / "policies_packaged"


def packaged_names() -> tuple[str, ...]:
    """Names of the policies that the package ships, by family, then by training seed."""
    folders = (path.parent.name for path in FOLDER.glob("*/card.json"))
    return tuple(
        sorted(folders, key=lambda name: (stem(name), int(name[len(stem(name)) + 1 :] or 0)))
    )


def stem(name: str) -> str:
    """A policy's name without its training seed: what is before a final hyphen and digits.

    >>> stem("default-12"), stem("default")
    ('default', 'default')
    """
    return re.sub(r"-\d+$", "", name)


def family(name: str) -> tuple[str, ...]:
    """Names of the packaged policies of a family: its name and a seed; empty for an unknown family.

    >>> "default-1" in family("default"), family("unknown")
    (True, ())
    """
    return tuple(member for member in packaged_names() if member.startswith(f"{name}-"))


def resolve_packaged(name: str) -> str:
    """The packaged policy that `name` means: of a family the member with the highest merit in validation, else `name` itself.

    For a name without a seed that is the training seed which did best on validation episodes: so for `default`, the
    packaged policy.

    >>> resolve_packaged("default"), resolve_packaged("twap_take")
    ('default-1', 'twap_take')
    """
    seeds = [
        candidate for candidate in packaged_names() if candidate != name and stem(candidate) == name
    ]
    scores = {
        candidate: read_card(FOLDER / candidate / CARD).scores.get("validation", {})
        for candidate in seeds
    }
    return max(
        seeds, key=lambda candidate: float(scores[candidate].get("merit", -math.inf)), default=name
    )


def folder_of(name: str) -> Path:
    """Folder of the packaged policy of exactly that name; UnknownNameError for a family or an unknown one.

    Raises
    ------
    UnknownNameError
        No such policy; the nearest name is offered.
    """
    known = packaged_names()
    if name not in known:
        remedy = suggest_name(
            name,
            [*known, *map(stem, known)],
            "take one of these" if known else "install Tercel with its data files",
        )
        raise UnknownNameError(
            f"one of {', '.join(known) or 'no'} packaged policies", f"{name!r}", remedy
        )
    return FOLDER / name
