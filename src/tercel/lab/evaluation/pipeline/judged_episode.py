"""One judged episode of an evaluation: its order, the costs and fills of every strategy, and the book around them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, check_known
from tercel.core.report.svg import Figure
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.execution.costs import attribute
from tercel.lab.evaluation.example import draw_book_example
from tercel.lab.evaluation.market import BuiltMarket, cached_market
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.cost_store import CostStore
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.routing import inform_router
from tercel.lab.evaluation.runs import markets_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.simulator import layout as sim

if TYPE_CHECKING:
    from tercel.core.frames import Frame

FILLS = 1 << 16
"""Own fills of an episode that fit."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One judged episode; :meth:`tercel.Result.episode` returns it.

    Parameters
    ----------
    number : int
        Among those judged, from 0.
    side : int
        +1 buy, -1 sell.
    lots : int
        Of the order.
    costs_bps : mapping of name to mapping of key to float
        Shortfall (`is_bps`) and its parts; impact by the mean displacement over all episodes, absent where nothing
        answers own trading.

    >>> from tercel.api.evaluation import evaluate
    >>> from tercel.api.market import load_market
    >>> from tercel.execution.task import Task
    >>> task = Task(side="sell", quantity=30, horizon="1min", decisions=2)
    >>> episode = evaluate(["twap_take", "pov"], load_market("csco-santa-fe"), task, episodes=2).episode(1)
    >>> episode.side, episode.lots, episode.fills("twap_take")["lots"].sum()
    (-1, 30, 30)
    """

    number: int
    side: int
    lots: int
    costs_bps: Mapping[str, Mapping[str, float]]
    _store: CostStore = field(repr=False)
    _scenario: Scenario = field(repr=False)
    _row: int = field(repr=False)

    def table(self) -> "Frame":
        """Data frame of the strategies, cheapest first: shortfall_bps and its parts."""
        from tercel.core.frames import Frame

        rows = [
            {
                "strategy": name,
                "shortfall_bps": cells["is_bps"],
                **{k: v for k, v in cells.items() if k != "is_bps"},
            }
            for name, cells in self.costs_bps.items()
        ]
        return Frame(sorted(rows, key=lambda row: row["shortfall_bps"]), infer_schema_length=None)

    def fills(self, name: str) -> "Frame":
        """Data frame of a strategy's own fills in this episode, from a second run.

        Returns
        -------
        polars.DataFrame, whose `to_pandas` needs no pyarrow
            time_s since arrival, price in price units, lots, passive, forced (by the horizon), unfilled: lots without
            a counterparty, at the price they are booked at.
        """
        from tercel.core.frames import Frame

        built = cached_market(self._scenario)
        candidate = self._find_candidate(name)
        plan = self._episode_plan(built)
        strategy = inform_router(candidate.strategy(built), built, plan)
        episodes = markets_of(strategy, built.judged, self._scenario.task, plan, FILLS)
        start = int(episodes.states[0, sim.START_NS])
        episodes.run(strategy)
        ns, price, lots, _, _, passive, forced = episodes.fills(0).T
        columns = {
            "time_s": (ns - start) / NS_PER_SECOND,
            "price": price * built.judged.tick,
            "lots": lots,
        }
        return Frame(
            columns
            | {"passive": passive != 0, "forced": forced != 0, "unfilled": forced == sim.UNFILLED}
        )

    def plot(self, name: str = "") -> Figure:
        """Figure of the book through time with a strategy's fills (by default the first candidate's), from a second
        run.
        """
        built = cached_market(self._scenario)
        candidate = self._find_candidate(name)
        market = replace(built, plan=self._episode_plan(built))
        strategy = inform_router(candidate.strategy(built), built, market.plan)
        return draw_book_example(self._scenario, market, strategy)

    def _episode_plan(self, built: BuiltMarket) -> Plan:
        """Plan of this episode alone."""
        return built.plan.take(slice(self._row, self._row + 1))

    def _find_candidate(self, name: str) -> Candidate:
        """Candidate by name, the first one without a name; raises for an unknown name."""
        candidates = {
            candidate.key: candidate
            for candidate in (*self._store.policies, *self._store.baselines)
        }
        chosen = name or next(iter(candidates))
        check_known(chosen, candidates, error=ConfigError)
        return candidates[chosen]


def episode_of(store: CostStore, number: int) -> Episode:
    """The judged episode with the number `number` (from 0); raises ConfigError if there is none.

    Raises
    ------
    ConfigError
        No episode has that number.
    """
    costs = store.main.costs
    reference = next(iter(costs.values()))
    if not 0 <= number < len(reference):
        raise ConfigError(
            f"an episode from 0 to {len(reference) - 1}", f"{number}", "episodes count from 0"
        )
    parts = {
        name: {
            key: float(row[number])
            for key, row in attribute(run, store.twins).items()
            if row[number] == row[number]
        }
        for name, run in costs.items()
    }
    judged = store.main
    index = number
    for part in judged.parts:
        judged = part
        size = len(next(iter(part.costs.values())))
        if index < size:
            break
        index -= size
    # Some episodes may have been left out for everybody.
    row = index if judged.plan_rows is None else int(judged.plan_rows[index])
    return Episode(
        number,
        int(reference.side[number]),
        int(reference.qty[number]),
        parts,
        store,
        judged.scenario,
        row,
    )


def tabulate_episodes(store: CostStore) -> "Frame":
    """Data frame of the costs of every strategy in every judged episode of an evaluation, one row each."""
    import polars as pl

    from tercel.core.frames import Frame

    arrivals = [_arrival_ns(part) for part in store.main.parts or (store.main,)]
    time = pl.from_epoch(pl.Series(np.concatenate(arrivals)).replace(0, None), "ns")
    frames = [
        pl.DataFrame(
            {
                "episode": range(len(run)),
                "strategy": name,
                "time": time.dt.replace_time_zone("UTC"),
                "side": run.side,
                "lots": run.qty,
            }
            | attribute(run, store.twins)
        )
        for name, run in store.main.costs.items()
    ]
    table = pl.concat(frames).fill_nan(None).rename({"is_bps": "shortfall_bps"})
    return Frame(table.sort("episode", maintain_order=True))


def _arrival_ns(judged: ScenarioCosts) -> Ints:
    """Arrival times of a scenario's episodes, int64 (n,), ns since 1970 (UTC); 0 in a simulated market."""
    if not judged.scenario.market.on_tape:
        return np.zeros(len(next(iter(judged.costs.values()))), np.int64)
    starts = cached_market(judged.scenario).plan.rows[:, kernels.E_START_NS]
    return starts if judged.plan_rows is None else starts[judged.plan_rows]
