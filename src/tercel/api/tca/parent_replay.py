"""Replay of own parent orders by strategies: loaded days of tape, tasks with the parents' limit prices, and episodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tercel.api.tca.analysis import OwnParent
from tercel.api.tca.market_day import Calendar
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.execution.costs import Costs
from tercel.execution.market import Market
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.task import Task
from tercel.lab.evaluation.market_estimates import Waiting, law_of_tape, pilot
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.windows import tape_plan, tape_sampler, window_row
from tercel.market.simulator.source import Source
from tercel.market.simulator.tape_source import TapeDay, replay
from tercel.market.tape import Instrument, Lake

Maker = Callable[[MarketEstimates], Strategy]
PILOT_WINDOWS = 16
"""Windows of a day from which volume, volatility and depth are estimated for strategies."""


class ReplayRuns:
    """Replays parents with every strategy on loaded days of tape."""

    def __init__(
        self,
        lake: Lake,
        makers: Mapping[str, Maker],
        terms: Market,
        seed: int,
        numbers: Mapping[int, int],
    ) -> None:
        """Prepare replays by strategies of `makers` under the impact of `terms`; `numbers`: seed number of each parent, by
        the `id` of the object."""
        self.lake = lake
        self.makers = makers
        self.terms = terms
        self.seed = seed
        # Of parents, by identity: seeds of their random streams, whatever other parents are worked
        self._numbers = numbers
        self.calendar = Calendar(lake)
        self.hindsight = False
        self._loaded: dict[tuple[str, str, str], tuple[Source, TapeDay]] = {}
        self._estimates_of: dict[tuple[tuple[str, str, str], int, bool], MarketEstimates] = {}

    def day(self, instrument: Instrument) -> TapeDay:
        """Tape of a day, loaded into memory once."""
        return self._load(instrument)[1]

    def _load(self, instrument: Instrument) -> tuple[Source, TapeDay]:
        """Load a day: the source of replay episodes, and its tape."""
        if instrument.key not in self._loaded:
            recorded = self.lake.read(instrument.symbol, instrument.date, instrument.venue)
            law = law_of_tape([recorded], self.terms)
            source, [day] = replay(
                self.lake, instrument.symbol, [instrument.date], instrument.venue, impact=law
            )
            if len(self._loaded) > 1:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[instrument.key] = source, day
        return self._loaded[instrument.key]

    def run(self, parents: Sequence[OwnParent]) -> dict[str, Costs]:
        """Costs of every strategy on parents of one day and of much the same length."""
        source, day = self._load(parents[0].day)
        spans = np.array(
            [parent.cost.end_ns - parent.cost.start_ns for parent in parents], np.int64
        )
        task = Task(horizon_s=float(np.median(spans)) / NS_PER_SECOND)
        estimates = self._estimates(parents[0].day, task)
        strategies = {name: make(estimates) for name, make in self.makers.items()}
        order = sorted(range(len(parents)), key=lambda row: parents[row].cost.start_ns)
        rows = [
            window_row(
                day,
                _with_limit_price(task, parent),
                parent.cost.start_ns,
                parent.cost.side,
                parent.worked_lots,
                self.seed,
                self._numbers[id(parent)],
            )
            for parent in parents
        ]
        plan = Plan(np.array(rows, np.int64), np.zeros(len(parents), np.int64))
        plan.rows[:, kernels.E_HORIZON_NS] = spans
        results = run_strategies(
            source, task, plan.take(np.array(order)), list(strategies.values()), run_out=False
        )
        inverse = np.argsort(order)
        return {
            name: costs.select(inverse) for name, costs in zip(strategies, results, strict=True)
        }

    def _estimates(self, instrument: Instrument, task: Task) -> MarketEstimates:
        """Market estimates from the previous day in the lake; if it is the first, from the day itself, and `hindsight`
        is set."""
        earlier_days = self.calendar.earlier(instrument)
        source_day = earlier_days[-1] if earlier_days else instrument
        self.hindsight |= not earlier_days
        key = source_day.key, task.horizon_ns.bit_length(), not earlier_days
        if key not in self._estimates_of:
            source, day = self._load(source_day)
            session = day.hours.trading_ns(
                max(day.open_ns, int(day.world_ns[0])), min(day.close_ns, day.last_ns)
            )
            horizon_s = min(task.horizon_s, session / NS_PER_SECOND / 3)
            pilot_task = replace(task, horizon_s=horizon_s, warmup_s=min(task.warmup_s, horizon_s))
            every_ns = max(
                (session - pilot_task.horizon_ns - pilot_task.warmup_ns) // PILOT_WINDOWS, 1
            )
            windows = tape_plan([day], pilot_task, [1.0], every_ns=every_ns, both_sides=False)
            estimates = pilot(source, pilot_task, windows)
            if any(forecaster_of(make(estimates)) is not None for make in self.makers.values()):
                sampler = tape_sampler(windows) if earlier_days else None
                waits = Waiting(source, pilot_task, sampler)
                estimates = replace(estimates, waiting=waits.value)
            self._estimates_of[key] = estimates
        return self._estimates_of[key]


def _with_limit_price(task: Task, parent: OwnParent) -> Task:
    """The task with the parent's limit price, in ticks above the lowest price of the tape."""
    if parent.limit is None:
        return task
    limit = max(parent.limit - parent.day.price_of(Fraction(0)), Fraction(str(parent.day.tick)))
    return replace(task, side=parent.cost.side, limit_price=float(limit))
