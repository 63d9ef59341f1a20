"""Validation during a training: costs of a policy and its gain on the rule, on episodes that training does not use."""

from collections.abc import Sequence

import numpy as np

from tercel.core.stats import clustered_se
from tercel.execution.costs import BPS, Costs
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.risk_objective import Risk


class Validator:
    """Costs of the rule, computed once, and of a policy at each check, on the validation episodes.

    Parameters
    ----------
    markets : list of TrainingMarket
    rule : Strategy
    risk : Risk
        The objective to minimise.
    units : sequence of float
        Ticks per lot that count as 1, market by market.
    shares : sequence of float
        Weight of each market in the merit; none: equal weights.
    """

    def __init__(
        self,
        markets: list[TrainingMarket],
        rule: Strategy,
        risk: Risk | None = None,
        units: Sequence[float] = (),
        shares: Sequence[float] = (),
    ) -> None:
        """Run the rule on the validation episodes of all markets and keep its costs."""
        self.markets = markets
        self.rule = rule
        self.risk = risk or Risk()
        self.units = tuple(units) or (1.0,) * len(markets)
        self.shares = tuple(shares) or (1.0,) * len(markets)
        self.rule_costs = [_costs_in(market, [rule])[0] for market in markets]

    def check(self, strategy: Strategy, frames: int) -> Metrics:
        """Metrics of one check of a policy (:meth:`check_all`)."""
        return self.check_all([strategy], frames)[0]

    def check_all(self, strategies: Sequence[Strategy], frames: int) -> list[Metrics]:
        """Metrics of several policies on the same episodes: for each its cost and its gain on the rule.

        Returns
        -------
        list of dict of str to float
            ``frames``; ``is_bps`` of the policy and of the rule (``rule_bps``), means over markets; ``gain`` of the
            policy in bps, paired, its standard error ``se`` and the least number of ``clusters`` in a market;
            ``passive``, ``forced``: shares of the lots;
            ``merit``, by which the best is selected: the gain, or with an aversion to risk what the risk-averse objective
            gains, in the reward's units, markets weighing as their slots and loss weights do; with several markets
            ``gain_NAME`` of each.
        """
        by_market = [_costs_in(market, strategies) for market in self.markets]
        return [self._row(list(costs), frames) for costs in zip(*by_market, strict=True)]

    def _row(self, costs: list[Costs], frames: int) -> Metrics:
        """Metrics of one policy from its costs in each market."""
        pairs = [
            (rule_run.shortfall_bps, policy_run.shortfall_bps)
            for rule_run, policy_run in zip(self.rule_costs, costs, strict=True)
        ]
        gains = [float((rule_bps - policy_bps).mean()) for rule_bps, policy_bps in pairs]
        errors = [
            clustered_se(rule_bps - policy_bps, run.cluster)
            for (rule_bps, policy_bps), run in zip(pairs, costs, strict=True)
        ]
        merits = [
            gain * market.loss_weight for market, gain in zip(self.markets, gains, strict=True)
        ]
        if self.risk.aversion:
            rows = zip(self.rule_costs, costs, self.units, strict=True)
            merits = [
                self._risk_value(rule_run, unit) - self._risk_value(policy_run, unit)
                for rule_run, policy_run, unit in rows
            ]
        lots = sum(int(run.qty.sum()) for run in costs)
        row = {
            "frames": float(frames),
            "is_bps": float(np.mean([policy_bps.mean() for _, policy_bps in pairs])),
            "rule_bps": float(np.mean([rule_bps.mean() for rule_bps, _ in pairs])),
            "gain": float(np.mean(gains)),
            "se": float(np.sqrt(np.sum(np.square(errors)))) / len(errors),
            "clusters": float(min(len(np.unique(run.cluster)) for run in costs)),
            "merit": float(np.average(merits, weights=self.shares)),
            "passive": sum(int(run.passive_lots.sum()) for run in costs) / lots,
            "forced": sum(int(run.forced_lots.sum()) for run in costs) / lots,
        }
        if len(gains) > 1:
            row |= {
                f"gain_{market.label}": gain
                for market, gain in zip(self.markets, gains, strict=True)
            }
        return row

    def _risk_value(self, costs: Costs, unit: float) -> float:
        """Value of the risk-averse objective for costs, in reward units; lower is better."""
        return self.risk.value((costs.shortfall_bps / BPS * costs.arrival_mid2 / 2.0) / unit)


def _costs_in(market: TrainingMarket, strategies: Sequence[Strategy]) -> list[Costs]:
    """Costs of strategies on a market's validation episodes, each ended when its order is filled."""
    return run_strategies(market.validation, market.task, market.plan, strategies, run_out=False)
