"""The guards of a contest, kept on disk: each contender's fills on the first episodes of the main place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tercel.core.errors import TercelError
from tercel.evaluation.contest.contenders import Contender
from tercel.evaluation.contest.places import Ground, Place
from tercel.evaluation.guards import Guard, guard
from tercel.evaluation.kept import reading, write_arrays

WATCHED = 32
"""Episodes whose fills are looked at one by one."""


def watch(ground: Ground, place: Place, contender: Contender, folder: Path) -> None:
    """Look at a contender's fills, once."""
    path = _path(folder, contender, place)
    if path.exists():
        return
    some = ground.plan.take(slice(0, WATCHED))
    found = guard(ground.source, place.settings.task, some, contender.strategy(ground.market))
    write_arrays(path, {"guard": found.to_array()})


def watched(place: Place, contenders: Sequence[Contender], folder: Path) -> Guard:
    """What was seen of all contenders together.

    Raises
    ------
    TercelError
        A fill at mid, or beyond what was displayed.
    """
    total = Guard(0, 0, 0, 0)
    for one in contenders:
        with reading(_path(folder, one, place)) as data:
            found = Guard(*(int(count) for count in np.asarray(data["guard"])))
        if found.at_mid or found.beyond:
            received = f"{one.key}: {found.at_mid} of {found.takes} takes at mid, {found.beyond} beyond the display"
            raise TercelError("fills at quoted prices and displayed sizes", received, "this is a defect: report it")
        total += found
    return total


def _path(folder: Path, contender: Contender, place: Place) -> Path:
    return folder / contender.mark(place.market) / "guard.npz"
