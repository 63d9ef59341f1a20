"""One judged episode: its order, what every strategy paid for it, their fills, the book around them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tercel.core.errors import ConfigError, check_known
from tercel.core.report.svg import Figure
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import attribute
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.example import book_example
from tercel.lab.evaluation.experiment import markets_of
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.results import Evaluation
from tercel.lab.evaluation.pipeline.scenarios import BuiltScenario, Scenario, build_scenario
from tercel.market.simulator import layout as sim

if TYPE_CHECKING:
    import polars as pl

FILLS = 1 << 16
"""Own fills of an episode that are kept."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One judged episode; :meth:`tercel.Result.episode` gives it.

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

    >>> from tercel.api.judged import evaluate
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
    _evaluation: Evaluation = field(repr=False)
    _scenario: Scenario = field(repr=False)
    _row: int = field(repr=False)

    def table(self) -> "pl.DataFrame":
        """strategy, shortfall_bps and its parts, cheapest first."""
        import polars as pl

        rows = [
            {
                "strategy": name,
                "shortfall_bps": cells["is_bps"],
                **{k: v for k, v in cells.items() if k != "is_bps"},
            }
            for name, cells in self.costs_bps.items()
        ]
        return pl.DataFrame(rows).sort("shortfall_bps")

    def fills(self, name: str) -> "pl.DataFrame":
        """Own fills of a strategy in this episode, run again.

        Returns
        -------
        polars.DataFrame
            time_s since arrival, price in price units, lots, passive, forced (by the horizon), unfilled: what nobody
            sold, at the price it is booked at.
        """
        import polars as pl

        built, candidate = self._built(), self._candidate(name)
        strategy = candidate.strategy(built.market)
        episodes = markets_of(
            strategy, built.source, self._scenario.settings.task, self._plan(built), FILLS
        )
        start = int(episodes.states[0, sim.START_NS])
        while episodes.working.any():
            episodes.step(strategy.decide(episodes.view))
        ns, price, lots, _, _, passive, forced = episodes.fills(0).T
        columns = {
            "time_s": (ns - start) / NS_PER_SECOND,
            "price": price * built.source.tick,
            "lots": lots,
        }
        return pl.DataFrame(
            columns
            | {"passive": passive != 0, "forced": forced != 0, "unfilled": forced == sim.UNFILLED}
        )

    def plot(self, name: str = "") -> Figure:
        """The book through time with a strategy's fills on it; by default of the first candidate."""
        built, candidate = self._built(), self._candidate(name)
        market = replace(built.market, judged=built.source, plan=self._plan(built))
        settings = self._scenario.settings
        return book_example(settings, market, candidate.strategy(built.market)).figure

    def _built(self) -> BuiltScenario:
        return build_scenario(self._scenario)

    def _plan(self, built: BuiltScenario) -> Plan:
        return built.plan.take(slice(self._row, self._row + 1))

    def _candidate(self, name: str) -> Candidate:
        known = {one.key: one for one in (*self._evaluation.policies, *self._evaluation.baselines)}
        chosen = name or next(iter(known))
        check_known(chosen, known, error=ConfigError)
        return known[chosen]


def episode_of(evaluation: Evaluation, number: int) -> Episode:
    """The episode with that number among those that were judged.

    Raises
    ------
    ConfigError
        There is none.
    """
    costs = evaluation.main.costs
    first = next(iter(costs.values()))
    if not 0 <= number < len(first):
        raise ConfigError(
            f"an episode from 0 to {len(first) - 1}", f"{number}", "episodes count from 0"
        )
    parts = {
        name: {
            key: float(row[number])
            for key, row in attribute(one, evaluation.twins).items()
            if row[number] == row[number]
        }
        for name, one in costs.items()
    }
    judged, inside = evaluation.main, number
    for one in judged.parts:
        judged, size = one, len(next(iter(one.costs.values())))
        if inside < size:
            break
        inside -= size
    # Some episodes may have been left out for everybody.
    row = inside if judged.plan_rows is None else int(judged.plan_rows[inside])
    return Episode(
        number,
        int(first.side[number]),
        int(first.qty[number]),
        parts,
        evaluation,
        judged.scenario,
        row,
    )
