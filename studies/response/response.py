"""What a market answers to styles of execution: displacement against the law, cost by size, and never trading.

Every style works the same half hour at several sizes, in worlds that warmed up once, and the twin of each world goes
without an order. Displacement is side x (mid - twin's mid): at the horizon T, before the order that the horizon sends,
and at 2T, when nothing of ours has been in the market for as long. The law is asked of each style's own fills.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import figure
from studies.response.attraction import attraction
from studies.response.bars import bars_of
from studies.response.law_targets import executed, fills_of_all, target_ticks
from studies.response.styles import NoTrading, styles
from studies.response.worlds import Worlds
from tercel import Task
from tercel.core import ConfigError
from tercel.execution import BPS, Strategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import pilot, streams_plan
from tercel.market.impact import ImpactLaw
from tercel.market.simulator import Source

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SIZES: Final = (0.1, 0.3, 1.0)
"""Shares of the public volume expected in the task's half hour."""
BATCH: Final = 128
LEAST: Final = 256
"""Pairs, however small the error."""
MOST: Final = 1000
ENOUGH: Final = 0.1
"""Pairs are added until the error of the displacement is this share of the law."""
PILOT_SEED: Final = -2_000_000_001
PILOT_EPISODES: Final = 128
IMMEDIATE: Final = "immediate"


@dataclass(eq=False)
class ResponseCell:
    """What one style did at one size, world by world, in the order of their numbers; NaN where it found no room."""

    names: tuple[str, ...] = ("at_T", "law_T", "at_2T", "law_2T", "cost_bps", "unfilled")
    parts: dict[str, list[Floats]] = field(default_factory=dict)
    going: bool = True

    def add(self, **found: Floats) -> None:
        """Values of a batch, float64 (n,) each."""
        for name, values in found.items():
            self.parts.setdefault(name, []).append(np.asarray(values, np.float64))

    def __getitem__(self, name: str) -> Floats:
        return np.concatenate(self.parts[name]) if name in self.parts else np.zeros(0)

    def settle(self, pairs: int, least: int, most: int) -> None:
        """No more pairs when there are enough, or as many as may be."""
        now, law = figure(self["at_T"]), float(np.nanmean(self["law_T"]))
        se = now["se"]
        sure = se is not None and se <= ENOUGH * abs(law)
        self.going = pairs < most and (pairs < least or not sure)


def measure(
    source: Source,
    volume_per_s: float,
    *,
    sizes: Sequence[float] = SIZES,
    pairs: int = MOST,
    seed: int = 0,
    task: Task | None = None,
    only: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure the response of a market.

    Parameters
    ----------
    source : Source
        A market that answers, one world to start from.
    volume_per_s : float
        Public lots a second.
    sizes : sequence of float
        Orders as shares of the volume expected in the task's horizon.
    pairs : int
        Worlds with a twin, at most.
    only : iterable of str, optional
        These styles alone.

    Returns
    -------
    dict
        `styles`, `never`, `attraction`, `filled_by_translation_share`, `translation`, `bars`, `passed`.

    Raises
    ------
    ConfigError
        Fewer than 8 pairs, or a size that is none.
    """
    if pairs < 8 or not sizes or min(sizes) <= 0.0:
        raise ConfigError(
            "at least 8 pairs and sizes above 0", f"{pairs}, {list(sizes)}", "such as `size=0.1`"
        )
    task = task or Task()
    estimates = pilot(source, task, streams_plan(task, 1, PILOT_SEED, 0, PILOT_EPISODES))
    shown = styles(estimates)
    shown = {name: one for name, one in shown.items() if only is None or name in set(only)}
    lots = {
        f"{size:g}": max(round(size * volume_per_s * task.horizon_s), 1) for size in sorted(sizes)
    }
    law = (
        source.impact if source.impact is not None and source.impact.law == "translation" else None
    )
    cells = _cells(source, task, shown, lots, law, pairs, seed, progress)
    found: dict[str, Any] = {
        "lots": lots,
        "styles": {name: {size: row_of(cells[name, size], law) for size in lots} for name in shown},
        "never": {size: _never(cells["never", size], cells[IMMEDIATE, size]) for size in lots},
        **attraction(source, task, shown, lots, min(pairs, LEAST), pairs, seed),
    }
    return {**found, **bars_of(found, {key: cell["cost_bps"] for key, cell in cells.items()})}


def _cells(
    source: Source,
    task: Task,
    shown: dict[str, Strategy],
    lots: dict[str, int],
    law: ImpactLaw | None,
    pairs: int,
    seed: int,
    progress: Callable[[str], None],
) -> dict[tuple[str, str], ResponseCell]:
    """Every style at every size, batch by batch, until each is known well enough."""
    everything = {**shown, "never": NoTrading(), IMMEDIATE: build(IMMEDIATE)}
    cells = {(name, size): ResponseCell() for name in everything for size in lots}
    least = min(LEAST, pairs)
    for first in range(0, pairs, BATCH):
        going = [key for key, cell in cells.items() if cell.going]
        plan = streams_plan(task, 1, seed, first, min(BATCH, pairs - first))
        worlds = Worlds(source, task, plan)
        twin = worlds.run(NoTrading(), 0)
        twins = twin.mid2_grid[:, -1].copy(), worlds.later()
        for name, size in going:
            cell = cells[name, size]
            cell.add(**one_batch(worlds, everything[name], lots[size], twins, law))
            if (
                name in shown
            ):  # never trading against `immediate` goes on to the last pair: a small difference
                cell.settle(first + len(plan), least, pairs)
        progress(
            f"{first + len(plan)} pairs, {sum(cells[key].going for key in cells if key[0] in shown)} cells go on"
        )
    return cells


def one_batch(
    worlds: Worlds, strategy: Strategy, lots: int, twins: tuple[Ints, Ints], law: ImpactLaw | None
) -> dict[str, Floats]:
    """A style at one size in one batch of worlds, whose twins' mids at T and 2T are known (half ticks)."""
    costs = worlds.run(strategy, lots)
    fills, side = fills_of_all(worlds.episodes.states), worlds.side
    room = costs.overflow == 0
    ends = worlds.start_ns + worlds.task.horizon_ns
    found = {
        "at_T": side * (costs.mid2_grid[:, -1] - twins[0]) / 2,
        "at_2T": side * (worlds.later() - twins[1]) / 2,
        "cost_bps": costs.shortfall * (BPS / costs.denominator),
        "twin_bps": side * (twins[0] - costs.arrival_mid2) * (BPS / costs.arrival_mid2),
        "unfilled": costs.unfilled_lots / costs.qty,
    }
    if law is not None:
        filled = executed(fills, costs.unfilled_lots)
        twice = ends + worlds.task.horizon_ns
        found["law_T"] = target_ticks(law, filled, ends, forced=False)
        found["law_2T"] = target_ticks(law, filled, twice, forced=True)
    else:
        found |= {name: np.zeros(len(room)) for name in ("law_T", "law_2T")}
    return {name: np.where(room, values, np.nan) for name, values in found.items()}


def row_of(cell: ResponseCell, law: ImpactLaw | None) -> dict[str, Any]:
    """The figures of a style at one size; lots that the book could not fill move nothing, so no law counts them."""

    def of_law(name: str) -> float | None:
        return None if law is None else figure(cell[name])["mean"]

    return {
        "displacement_ticks": figure(cell["at_T"]),
        "law_ticks": of_law("law_T"),
        "at_2T": {
            **figure(cell["at_2T"]),
            "law_ticks": of_law("law_2T"),
        },
        "cost_bps": figure(cell["cost_bps"]),
        "unfilled_share": figure(cell["unfilled"])["mean"],
        "without_room": int(np.isnan(cell["at_T"]).sum()),
    }


def _never(never: ResponseCell, immediate: ResponseCell) -> dict[str, Any]:
    """Never trading, less what the twin's mid did meanwhile, against taking everything at once: pair by pair."""
    less = never["cost_bps"] - never["twin_bps"]
    n = min(len(less), len(immediate["cost_bps"]))
    return {
        "cost_bps": figure(never["cost_bps"]),
        "less_twin_bps": figure(less),
        "immediate_bps": figure(immediate["cost_bps"]),
        "difference_bps": figure(less[:n] - immediate["cost_bps"][:n]),
        "unfilled_share": figure(never["unfilled"])["mean"],
    }
