"""Validation of a policy while it learns: greedy, beside a rule, on episodes neither trained on nor judged."""

from collections.abc import Sequence

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.stats import clustered_se
from tercel.execution.costs import BPS, Costs, attribute
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.experiment import run_strategies
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.risk import Risk


class Validator:
    """Validator of a training: costs of the rule once, then a policy's as often as asked.

    Parameters
    ----------
    markets : list of TrainingMarket
    rule : Strategy
    risk : Risk
        What is minimised.
    units : sequence of float
        Ticks per lot that count as 1, market by market.
    shares : sequence of float
        What each market weighs in the merit; none: all the same.
    """

    def __init__(
        self,
        markets: list[TrainingMarket],
        rule: Strategy,
        risk: Risk | None = None,
        units: Sequence[float] = (),
        shares: Sequence[float] = (),
    ) -> None:
        self.markets = markets
        self.rule = rule
        self.risk = risk or Risk()
        self.units = tuple(units) or (1.0,) * len(markets)
        self.shares = tuple(shares) or (1.0,) * len(markets)
        self.rule_costs = [self._costs(market, rule) for market in markets]

    def _costs(self, market: TrainingMarket, strategy: Strategy) -> Costs:
        """Costs of the plan's episodes, each over when its order is filled."""
        return run_strategies(
            market.validation, market.task, market.plan, [strategy], run_out=False
        )[0]

    def check(self, strategy: Strategy, frames: int) -> Metrics:
        """One look at a policy: its cost, and its gain on the rule.

        Returns
        -------
        dict of str to float
            ``frames``; ``is_bps`` of the policy and of the rule (``rule_bps``), means over markets; ``gain`` of the
            policy in bps, paired, and its standard error ``se``; ``passive``, ``forced``: shares of the lots;
            ``merit``, by which the best is kept: the gain, or with an aversion to risk what the risk-averse objective
            gains, in the reward's units, markets weighing as their slots and loss weights do; with several markets
            ``gain_NAME`` of each.
        """
        costs = [self._costs(market, strategy) for market in self.markets]
        pairs = [
            (shortfall(rule), shortfall(mine))
            for rule, mine in zip(self.rule_costs, costs, strict=True)
        ]
        gains = [float((rule - mine).mean()) for rule, mine in pairs]
        errors = [
            clustered_se(rule - mine, one.cluster)
            for (rule, mine), one in zip(pairs, costs, strict=True)
        ]
        merits = [
            gain * market.loss_weight for market, gain in zip(self.markets, gains, strict=True)
        ]
        if self.risk.aversion:
            rows = zip(self.rule_costs, costs, self.units, strict=True)
            merits = [
                self._valued(rule, unit) - self._valued(mine, unit) for rule, mine, unit in rows
            ]
        lots = sum(int(one.qty.sum()) for one in costs)
        row = {
            "frames": float(frames),
            "is_bps": float(np.mean([mine.mean() for _, mine in pairs])),
            "rule_bps": float(np.mean([rule.mean() for rule, _ in pairs])),
            "gain": float(np.mean(gains)),
            "se": float(np.sqrt(np.sum(np.square(errors)))) / len(errors),
            "merit": float(np.average(merits, weights=self.shares)),
            "passive": sum(int(one.passive_lots.sum()) for one in costs) / lots,
            "forced": sum(int(one.forced_lots.sum()) for one in costs) / lots,
        }
        if len(gains) > 1:
            row |= {
                f"gain_{market.label}": gain
                for market, gain in zip(self.markets, gains, strict=True)
            }
        return row

    def _valued(self, costs: Costs, unit: float) -> float:
        """The risk-averse objective, in the reward's units."""
        ticks = shortfall(costs) / BPS * costs.arrival_mid2 / 2.0
        return self.risk.value(ticks / unit)


def shortfall(costs: Costs) -> Floats:
    """Implementation shortfall of each episode, bps."""
    return np.asarray(attribute(costs, None)["is_bps"], np.float64)
