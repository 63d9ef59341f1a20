"""Blocks of recorded days in time order, each judged once by a fit on the other blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tape_split import Split
from tercel.lab.evaluation.windows import placebo_plan, tape_plan
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.pretrade.like_orders import ENDS
from tercel.market.simulator.source import with_impact
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake

BLOCKS: Final = 3


@dataclass(frozen=True)
class DayBlock:
    """A block of days that is judged, and the days that its fit sees.

    Parameters
    ----------
    number : int
        From 1.
    fit, judged : tuple of str
        Dates, ascending.
    """

    number: int
    fit: tuple[str, ...]
    judged: tuple[str, ...]


def blocks_of(dates: Sequence[str], count: int = BLOCKS) -> list[DayBlock]:
    """Blocks of recorded days in time order, of nearly equal length.

    Raises
    ------
    ConfigError
        Fewer than two days a block.

    >>> [block.judged for block in blocks_of(["a", "b", "c", "d", "e", "f"])]
    [('a', 'b'), ('c', 'd'), ('e', 'f')]
    """
    refuse_if(
        len(dates) < 2 * count,
        f"{2 * count} recorded days or more, two for each of {count} blocks",
        f"{len(dates)}",
        "import more days",
    )
    parts = np.array_split(np.array(dates), count)
    return [
        DayBlock(
            number,
            tuple(str(date) for other in parts if other is not part for date in other),
            tuple(str(date) for date in part),
        )
        for number, part in enumerate(parts, 1)
    ]


@dataclass(frozen=True, eq=False)
class BlockCosts:
    """Costs of strategies on the same orders of days that no fit has seen.

    Parameters
    ----------
    names : tuple of str
        Of N strategies.
    bps : float64 (N, 2, n)
        Cost of each order, bps, at both `ENDS`.
    unfilled : float64 (N, n)
        Lots that found no counterparty, a share of the order.
    day : str (n,)
        Date of each order.
    rules : tuple of str
        The best rule of each block.
    """

    names: tuple[str, ...]
    bps: Floats
    unfilled: Floats
    day: np.ndarray
    rules: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Save the costs in a file that appears whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, allow_pickle=False, **vars(self))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "BlockCosts":
        """Load the costs of a block from its file."""
        with np.load(path) as stored:
            names, rules = (tuple(map(str, stored[name])) for name in ("names", "rules"))
            return cls(names, stored["bps"], stored["unfilled"], stored["day"], rules)

    @classmethod
    def concatenate(cls, parts: Sequence["BlockCosts"]) -> "BlockCosts":
        """Costs of all blocks; every block has the same strategies."""
        bps, unfilled, day = (
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("bps", "unfilled", "day")
        )
        rules = tuple(rule for part in parts for rule in part.rules)
        return cls(parts[0].names, bps, unfilled, day, rules)

    def of(self, name: str, end: int = 0) -> Floats:
        """Cost of each order of a strategy at an end (its place in `ENDS`), bps, float64 (n,)."""
        return np.asarray(self.bps[self.names.index(name), end])

    @property
    def clusters(self) -> Ints:
        """Number of the day of each order, int64 (n,)."""
        return np.unique(self.day, return_inverse=True)[1].astype(np.int64)


def judge_block(
    market: TrainingMarket,
    scenario: Scenario,
    block: DayBlock,
    strategies: Mapping[str, Strategy],
    seed: int,
) -> BlockCosts:
    """Costs of strategies on the judged days of a block, at both `ENDS`.

    The law of impact, the expected volume and the cost of waiting are those of the days of the fit. Orders that met no
    two-sided book, or in which own orders of any strategy overflowed their store, are left out of all.

    Parameters
    ----------
    market : TrainingMarket
        The market of the fit.
    scenario : Scenario
        Lake, symbol and task.
    block : DayBlock
    strategies : mapping of name to Strategy
    seed : int
    """
    terms = scenario.market
    task = scenario.task
    lake = Lake(terms.lake)
    recorded = [lake.read(terms.symbol, date) for date in block.fit]
    source, days = replay(lake, terms.symbol, block.judged, queue=terms.queue, bound=terms.bound)
    curve = Split([*block.fit], [], 0, recorded).curve
    plan = tape_plan(days, task, curve, seed=seed)
    law = market.training.impact
    source = replace(source, waiting=market.training.waiting)
    runs = [
        run_strategies(
            with_impact(source, law and law.scaled(1.0, end)),
            task,
            plan,
            list(strategies.values()),
            run_out=False,
            placebo=placebo_plan(plan),
        )
        for end in ENDS
    ]
    fits = np.logical_and.reduce(
        [(one.overflow == 0) & (one.arrival_mid2 > 0) for costs in runs for one in costs]
    )
    bps = np.array([[one.shortfall_bps[fits] for one in costs] for costs in runs])
    unfilled = np.array([(one.unfilled_lots / one.qty)[fits] for one in runs[0]])
    labels = plan.cluster if len(block.judged) > 1 else np.zeros(len(plan), np.int64)
    return BlockCosts(
        tuple(strategies), bps.swapaxes(0, 1), unfilled, np.array(block.judged)[labels[fits]]
    )
