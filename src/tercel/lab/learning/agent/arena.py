"""Training arena: whole policies of an evolution strategy compared by their costs on the same training episodes."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from tercel.core.arrays import Float32, Floats
from tercel.execution.costs import BPS
from tercel.execution.observation import observer
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, sides_of
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.agent.policy_parts import actions_of, observation_of, strategy_of
from tercel.lab.learning.native.evolution import Population
from tercel.lab.learning.port import Metrics
from tercel.lab.tuning.parameter_search import run_side_by_side

# Cost, in reward units, of an episode in which own orders did not fit into the market's arrays.
OVERFLOW_COST = 1_000.0


class TrainingArena:
    """Training markets on which an evolution strategy compares whole policies.

    Parameters
    ----------
    config : AgentConfig
    markets : list of TrainingMarket
    units : sequence of float
        Ticks a lot that count as 1, of each market.
    """

    def __init__(
        self, config: AgentConfig, markets: list[TrainingMarket], units: Sequence[float]
    ) -> None:
        """Keep a configuration with its markets, and the reward unit of each market."""
        self.config = config
        self.markets = markets
        self.units = tuple(units)
        self.entries = observer(observation_of(config), config.policy.stack).entries
        self.labels = actions_of(config).labels
        shares = [1.0] * len(markets) if config.on_tape else config.market.shares
        self.weights = np.array(shares) / sum(shares)
        self.ranges = config.task.ranges

    def observe(self, policy: Population, seed: int, episodes: int) -> Float32:
        """Observations of `policy` at all decisions of the first `episodes` episodes of every market, float32 (n, D)."""
        observations = []
        for market in self.markets:
            batch = self._make_episodes(market, episodes)
            plan = self._plan(market, seed, 0, episodes)
            strategy = strategy_of(self.config, repeat_population(policy, len(plan)))
            batch.start(plan)
            batch.follow(strategy)
            while batch.working.any():
                obs = strategy.observe(batch.view)
                observations.append(obs[batch.working])
                batch.step(strategy.answer(obs, batch.view))
        return np.concatenate(observations)

    def compare(
        self, rows: Sequence[Population], seed: int, first: int, episodes: int
    ) -> tuple[list[Floats], int]:
        """Costs of policies on the same training episodes, in reward units, float64 (policies, pairs) by market, and
        number of decisions taken.
        """
        costs_by_market = []
        frames = 0
        for market, unit in zip(self.markets, self.units, strict=True):
            costs, decisions = self._compare_in_market(
                market, unit, rows, self._plan(market, seed, first, episodes)
            )
            costs_by_market.append(costs)
            frames += decisions
        return costs_by_market, frames

    def weigh(self, costs: Sequence[Floats]) -> Floats:
        """Mean cost of each policy over episodes and markets, weighted by shares and stakes, float64 (policies,)."""
        stakes = self.weights * np.array([market.loss_weight for market in self.markets])
        return np.asarray(
            sum(w * cost.mean(axis=1) for w, cost in zip(stakes, costs, strict=True)), np.float64
        )

    def take_metrics(self) -> Metrics:
        """Empty metrics: the arena adds none to the learner's."""
        return {}

    def _plan(self, market: TrainingMarket, seed: int, first: int, episodes: int) -> Plan:
        """Plan of training episodes of a market, with orders drawn from the configured ranges."""
        plan = market.sampler(seed, first, episodes)
        if self.ranges is None:
            return plan
        return self.ranges.draw_quantities(
            plan, market.task, self.ranges.worlds(market.task, len(market.training.worlds_k))[0]
        )

    def _make_episodes(self, market: TrainingMarket, n: int) -> Episodes:
        """Batch of `n` markets for training episodes, with the configured ranges of horizon and latency."""
        looks_back = bool(self.config.policy.flow)
        batch = Episodes(market.training, market.task, n, run_out=False, looks_back=looks_back)
        if self.ranges is not None:
            batch.vary_worlds(*self.ranges.worlds(market.task, len(market.training.worlds_k)))
        return batch

    def _compare_in_market(
        self, market: TrainingMarket, unit: float, rows: Sequence[Population], plan: Plan
    ) -> tuple[Floats, int]:
        """Costs of policies in one market, float64 (policies, pairs), in reward units, and decisions taken."""

        def candidates(chunk: slice) -> Strategy:
            """Strategy that acts by the policies `chunk`, each on all episodes of the plan."""
            return strategy_of(
                self.config, repeat_population(join_populations(rows[chunk]), len(plan))
            )

        sides = sides_of(plan)
        frames = 0
        pair_costs = []
        for costs, decisions in run_side_by_side(
            partial(self._make_episodes, market), plan, len(rows), candidates
        ):
            ticks = costs.shortfall_bps / BPS * costs.arrival_mid2 / 2.0
            episode_costs = ticks / unit + OVERFLOW_COST * (costs.overflow > 0)
            pair_costs.append(episode_costs.reshape(-1, len(plan) // sides, sides).mean(axis=2))
            frames += decisions
        return np.concatenate(pair_costs), frames


def join_populations(rows: Sequence[Population]) -> Population:
    """One population with the rows of several, which must share the first one's entries and scaling."""
    template = rows[0]
    return Population(
        np.concatenate([row.tables for row in rows]),
        template.seen,
        template.mean,
        template.scale,
        template.clip,
    )


def repeat_population(policy: Population, times: int) -> Population:
    """Population with each row repeated `times` times in a block."""
    return Population(
        np.repeat(policy.tables, times, axis=0), policy.seen, policy.mean, policy.scale, policy.clip
    )
