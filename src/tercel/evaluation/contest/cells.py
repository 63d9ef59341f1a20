"""The cells of a contest: some episodes of a place through all contenders, kept on disk and never run twice."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.pool import stopping
from tercel.evaluation.adaptability import Response, respond
from tercel.evaluation.arrivals import Arrivals, run_arrivals
from tercel.evaluation.contest.contenders import Contender
from tercel.evaluation.contest.guarded import watch, watched
from tercel.evaluation.contest.leaks import refuse_trained_seeds
from tercel.evaluation.contest.places import Place, build_place
from tercel.evaluation.experiment import BATCH, Recording, run_strategies
from tercel.evaluation.guards import Guard
from tercel.evaluation.hindsight import hindsight
from tercel.evaluation.kept import reading, write_arrays
from tercel.execution.costs import Costs
from tercel.execution.strategy import Strategy

RECORDED = 200
"""Episodes of a place whose decisions are recorded, for adaptability."""
TWINS = "twins"
HINDSIGHT = "hindsight"
CELLS = "cells"
LEAN = 512
"""Episodes of a place from which on only a quarter of the pairs runs to its horizon, for displacement; the others end
with their order."""
SHARE = 0.25


@dataclass(frozen=True)
class Cell:
    """A piece of work: episodes `first` to `first + BATCH` of a place, through some contenders.

    Parameters
    ----------
    place : Place
    first : int
    contenders : tuple of Contender
    recorded : bool
        Whether everything is wanted: twins, the whole course of mids (:func:`run_to_the_end`), and in the first cell
        decisions and fills. Otherwise costs alone, and an episode ends with its order.
    """

    place: Place
    first: int
    contenders: tuple[Contender, ...]
    recorded: bool

    def folder(self, out: Path) -> Path:
        """Where its results lie."""
        return _folder(self.place, self.recorded, out)

    @property
    def known(self) -> tuple[str, ...]:
        """What is told of the episodes themselves, besides the contenders' costs."""
        return (TWINS, HINDSIGHT) if self.recorded else ()


def cells_of(place: Place, contenders: Sequence[Contender], recorded: bool) -> list[Cell]:
    """The work of a place."""
    return [Cell(place, first, tuple(contenders), recorded) for first in range(0, episodes_of(place), BATCH)]


def episodes_of(place: Place) -> int:
    """How many episodes a place has; on tape it is built to know."""
    if place.settings.orders and not place.validation:
        return len(place.settings.orders)
    return len(build_place(place).plan) if place.settings.on_tape else place.episodes


def run_to_the_end(first: int, n: int, episodes: int) -> NDArray[np.bool_]:
    """Which of `n` episodes from `first` on run to their horizon, of `episodes` in all: pairs of a buy and a sell.

    Which pairs, follows from their numbers alone, without a period: on tape every so many rows lie at one hour.

    >>> chosen = run_to_the_end(256, 256, 1000)
    >>> bool((chosen[::2] == chosen[1::2]).all()), 40 < int(chosen.sum()) < 90, bool(run_to_the_end(0, 10, 100).all())
    (True, True, True)
    """
    if episodes < LEAN:
        return np.ones(n, np.bool_)
    drawn = np.random.default_rng(7).random((first + n + 1) // 2) < SHARE
    chosen: NDArray[np.bool_] = np.repeat(drawn, 2)[first : first + n]
    return chosen


def is_done(cell: Cell, out: Path) -> bool:
    """Whether nothing of a cell is left to do."""
    folder, market = cell.folder(out), cell.place.market
    marks = [one.mark(market) for one in cell.contenders]
    needed = [_file(folder, name, cell.first) for name in (*cell.known, *marks)]
    if cell.recorded and cell.first == 0:
        needed += [folder / name / "guard.npz" for name in marks]
    return all(path.exists() for path in needed)


def is_kept(cell: Cell, contender: Contender, out: Path) -> bool:
    """Whether a contender's costs in a cell are on disk."""
    return _file(cell.folder(out), contender.mark(cell.place.market), cell.first).exists()


def keep(cell: Cell, contender: Contender, costs: Costs, out: Path) -> None:
    """Keep a contender's costs in a cell, run elsewhere."""
    _write_run(_file(cell.folder(out), contender.mark(cell.place.market), cell.first), costs, None)


def run_cell(cell: Cell, out: Path) -> bool:
    """Run what is missing of a cell, in a worker."""
    ground = build_place(cell.place)
    folder = cell.folder(out)
    plan = ground.plan.take(slice(cell.first, cell.first + BATCH))
    task = cell.place.settings.task
    refuse_trained_seeds(cell.place, plan)
    if stopping():
        return False
    if cell.recorded and not _file(folder, TWINS, cell.first).exists():
        _write(_file(folder, TWINS, cell.first), "twins", run_arrivals(ground.source, task, plan))
    if cell.recorded and not _file(folder, HINDSIGHT, cell.first).exists():
        write_arrays(_file(folder, HINDSIGHT, cell.first), {"bps": hindsight(ground.source, task, plan)})
    missing: list[tuple[str, Strategy]] = []
    for one in cell.contenders:
        name = one.mark(cell.place.market)
        if not _file(folder, name, cell.first).exists():
            missing.append((name, one.strategy(ground.market)))
    record = RECORDED if cell.recorded and cell.first == 0 else 0
    recording = Recording(record) if record else None
    run_out = run_to_the_end(cell.first, len(plan), len(ground.plan)) & cell.recorded
    done = run_strategies(ground.source, task, plan, [one for _, one in missing], stopping, recording, run_out)
    for (name, strategy), costs in zip(missing, done, strict=False):
        costs.check()
        response = None
        if recording is not None:
            response = respond(recording.decisions.pop(0), strategy.expected, np.random.default_rng((7, 7)))
        _write_run(_file(folder, name, cell.first), costs, response)
    if record:
        for one in cell.contenders:
            if not stopping():
                watch(ground, cell.place, one, folder)
    return not stopping()


@dataclass(frozen=True, eq=False)
class Judged:
    """What is on disk of a place.

    Parameters
    ----------
    place : Place
    costs : dict of key to Costs
    responses : dict of key to Response
        Where decisions were recorded.
    arrivals : Arrivals or None
        The markets at arrival, and their course without own orders; this and the rest where everything was wanted.
    guard : Guard or None
        What was seen of the fills.
    hindsight_bps : float64 (n,) or None
        What each order would cost somebody who knew the path beforehand.
    parts : tuple of Judged
        The places that this one joins, in order; `place` is the first.
    kept : intp (n,) or None
        Rows of the place's plan, where some were left out.
    """

    place: Place
    costs: dict[str, Costs]
    responses: dict[str, Response]
    arrivals: Arrivals | None = None
    guard: Guard | None = None
    hindsight_bps: NDArray[np.float64] | None = None
    parts: tuple["Judged", ...] = ()
    kept: NDArray[np.intp] | None = None

    def without(self, gone: Collection[str]) -> "Judged":
        """The same place without some contenders."""
        costs = {key: one for key, one in self.costs.items() if key not in gone}
        responses = {key: one for key, one in self.responses.items() if key not in gone}
        return replace(self, costs=costs, responses=responses)

    def select(self, rows: NDArray[np.bool_]) -> "Judged":
        """The same place with some of its episodes; `responses` are of all that were recorded."""
        kept = np.flatnonzero(rows)
        return replace(
            self,
            kept=kept if self.kept is None else self.kept[kept],
            costs={key: one.select(rows) for key, one in self.costs.items()},
            arrivals=None if self.arrivals is None else self.arrivals.select(rows),
            hindsight_bps=None if self.hindsight_bps is None else self.hindsight_bps[rows],
        )


def read_place(place: Place, contenders: Sequence[Contender], out: Path, recorded: bool = False) -> Judged:
    """Everything that the cells of a place left; where not everything was recorded, costs without their course in time.

    Raises
    ------
    ConfigError
        A file is damaged.
    """
    folder, market = _folder(place, recorded, out), place.market
    firsts = range(0, episodes_of(place), BATCH)
    costs: dict[str, Costs] = {}
    responses: dict[str, Response] = {}
    for one in contenders:
        name, parts = one.mark(market), []
        for first in firsts:
            with reading(_file(folder, name, first)) as data:
                costs_here: Costs = _object(Costs, "costs", data)
                parts.append(costs_here if recorded else costs_here.totals())
                if "response.rows" in data:
                    responses[one.key] = _object(Response, "response", data)
        costs[one.key] = Costs.concat(parts)
    if not recorded:
        return Judged(place, costs, responses)
    twins, bound = [], []
    for first in firsts:
        with reading(_file(folder, TWINS, first)) as data:
            twins.append(_object(Arrivals, "twins", data))
        with reading(_file(folder, HINDSIGHT, first)) as data:
            bound.append(np.asarray(data["bps"]))
    seen = watched(place, contenders, folder)
    return Judged(place, costs, responses, Arrivals.concat(twins), seen, np.concatenate(bound))


def _folder(place: Place, recorded: bool, out: Path) -> Path:
    return out / CELLS / f"{place.id}{'' if recorded else '-costs'}"


def _file(folder: Path, name: str, first: int) -> Path:
    return folder / name / f"{first}.npz"


def _write_run(path: Path, costs: Costs, response: Response | None) -> None:
    arrays = _arrays("costs", costs)
    if response is not None:
        arrays |= _arrays("response", response)
    write_arrays(path, arrays)


def _write(path: Path, prefix: str, record: Any) -> None:
    write_arrays(path, _arrays(prefix, record))


def _arrays(prefix: str, record: Any) -> dict[str, NDArray[Any]]:
    return {f"{prefix}.{field.name}": _narrow(getattr(record, field.name)) for field in fields(record)}


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in as few bytes as hold them: most lots and mids need two or four of eight."""
    if array.dtype != np.int64 or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array


def _object(kind: Any, prefix: str, data: Any) -> Any:
    """The record, its whole numbers as wide as they were (a side stays one byte)."""
    read = {field.name: data[f"{prefix}.{field.name}"] for field in fields(kind)}
    wide = {
        name: array.astype(np.int64) if array.dtype.kind == "i" and name != "side" else array
        for name, array in read.items()
    }
    return kind(**wide)
