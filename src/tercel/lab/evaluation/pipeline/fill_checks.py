"""The guards of an evaluation, kept on disk: each candidate's fills on the first episodes of the main scenario."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tercel.core.errors import TercelError
from tercel.lab.evaluation.array_files import reading, write_arrays
from tercel.lab.evaluation.guards import Guard, guard
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.scenarios import BuiltScenario, Scenario

WATCHED = 32
"""Episodes whose fills are looked at one by one."""


def check_fills(
    built: BuiltScenario, scenario: Scenario, candidate: Candidate, folder: Path
) -> None:
    """Check the fills of a candidate once, and keep the counts on disk."""
    path = _path(folder, candidate, scenario)
    if path.exists():
        return
    some = built.plan.take(slice(0, WATCHED))
    found = guard(built.source, scenario.settings.task, some, candidate.strategy(built.market))
    write_arrays(path, {"guard": found.to_array()})


def checked_fills(scenario: Scenario, candidates: Sequence[Candidate], folder: Path) -> Guard:
    """Counts of checked fills of all candidates together.

    Raises
    ------
    TercelError
        A fill at mid, or beyond what was displayed.
    """
    total = Guard(0, 0, 0, 0)
    for one in candidates:
        with reading(_path(folder, one, scenario)) as data:
            found = Guard(*(int(count) for count in np.asarray(data["guard"])))
        if found.at_mid or found.beyond:
            received = f"{one.key}: {found.at_mid} of {found.takes} takes at mid, {found.beyond} beyond the display"
            remedy = "look for crossed states with `tercel data verify`; without any this is a defect: report it"
            raise TercelError("fills at quoted prices and displayed sizes", received, remedy)
        total += found
    return total


def _path(folder: Path, candidate: Candidate, scenario: Scenario) -> Path:
    return folder / candidate.fingerprint(scenario.market) / "guard.npz"
