"""The guards of an evaluation, kept on disk: each candidate's fills on the first episodes of the main scenario."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError, TercelError
from tercel.core.files import beside
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.experiment import markets_of
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.scenarios import BuiltScenario, Scenario
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

# -- array files ----------------------------------------------------------------------------------
# Arrays of judged episodes on disk, whole or not at all.


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Arrays of a result on disk.

    Raises
    ------
    ConfigError
        When the file is damaged.
    """
    try:
        with np.load(path) as data:
            yield data
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ConfigError(
            "a judged result",
            f"{path}: {error}",
            "delete the file; the same command judges again what is missing",
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write the arrays of a result, whole or not at all.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_arrays(Path(folder) / "new" / "one.npz", {"bps": np.array([1.0, 2.0])})
    ...     with reading(Path(folder) / "new" / "one.npz") as data:
    ...         float(data["bps"].sum())
    3.0
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


# -- guards ---------------------------------------------------------------------------------------
# Checks of fills: none at mid, none beyond what was displayed.

LOG_ROWS = 2048
NS, PRICE, LOTS, MID2, TOUCH2, PASSIVE, FORCED = range(7)


@dataclass(frozen=True)
class Guard:
    """Counts of a strategy's checked and odd fills.

    Parameters
    ----------
    takes : int
        Fills of orders that took, before the horizon.
    at_mid : int
        Of these, how many at the mid that they met, or better.
    decisions : int
        Decisions that took at the touch they saw, without latency.
    beyond : int
        Of these, how many got more lots there than were displayed.
    """

    takes: int
    at_mid: int
    decisions: int
    beyond: int

    def __add__(self, other: "Guard") -> "Guard":
        """Both together."""
        return Guard(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def to_array(self) -> Ints:
        """The four counts."""
        return np.array(astuple(self), np.int64)


def guard(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Guard:
    """Run a strategy with its fills on record, and check each."""
    episodes = markets_of(strategy, source, task, plan, LOG_ROWS)
    seen: list[tuple[Ints, Ints, Ints]] = []
    while episodes.working.any():
        view = episodes.view
        seen.append(
            (episodes.states[:, sim.NOW].copy(), view.far.copy(), view.far_depth[:, 0].copy())
        )
        episodes.step(strategy.decide(view))
    prompt = task.latency == Latency() and task.feed_latency == Latency()
    total = Guard(0, 0, 0, 0)
    for number in range(len(plan)):
        fills = episodes.fills(number)
        side = int(episodes.states[number, sim.SIDE])
        taken = fills[(fills[:, PASSIVE] == 0) & (fills[:, FORCED] == 0)]
        decisions, beyond = (
            _displayed(taken, [(w[number], f[number], d[number]) for w, f, d in seen])
            if prompt
            else (0, 0)
        )
        total += Guard(len(taken), _at_mid(taken, side), decisions, beyond)
    return total


def _at_mid(taken: Ints, side: int) -> int:
    """How many takes cost nothing against the mid that they met."""
    return int((side * (2 * taken[:, PRICE] - taken[:, MID2]) <= 0).sum())


def _displayed(taken: Ints, seen: list[tuple[np.int64, np.int64, np.int64]]) -> tuple[int, int]:
    """How many decisions took at the touch that they saw, and how many got more than was displayed there."""
    decisions = beyond = 0
    for when, far, depth in {
        int(when): (int(when), int(far), int(depth)) for when, far, depth in seen
    }.values():
        lots = int(taken[(taken[:, NS] == when) & (taken[:, PRICE] == far), LOTS].sum())
        decisions += lots > 0
        beyond += lots > depth
    return decisions, beyond


# -- fill checks ----------------------------------------------------------------------------------

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
            raise TercelError(
                "fills at quoted prices and displayed sizes",
                f"{one.key}: {found.at_mid} of {found.takes} takes at mid, {found.beyond} beyond the display",
                "look for crossed states with `tercel data verify`; without any this is a defect: report it",
            )
        total += found
    return total


def _path(folder: Path, candidate: Candidate, scenario: Scenario) -> Path:
    return folder / candidate.fingerprint(scenario.market) / "guard.npz"
