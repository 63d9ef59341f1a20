"""What each stage of a fit saves on the best rule, on days that it has not seen, and the stage that is kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tercel.core.arrays import Floats, Ints
from tercel.core.estimate import Estimate
from tercel.core.records import Record
from tercel.core.stats import clustered_se, detectable_gain, t_quantile
from tercel.lab.fitting.blocks import BlockCosts

STAGES: Final = ("shipped", "fitted", "trained")
"""The simplest first: the packaged agent, the same fitted to these days, a policy trained on them."""
FORECASTING: Final = STAGES[:2]
"""Those that are told by a forecaster."""
RULE: Final = "rule"
PLACEBO: Final = " placebo"
"""Behind a stage's name: the same, told the forecasts of another day."""
LEVEL: Final = 1 - 0.05 / len(STAGES)
"""Of the intervals that decide: 95 % for all stages together (Bonferroni)."""
CLAIM_DAYS: Final = 30
"""Days below which no claim is made."""


@dataclass(frozen=True)
class StageGain(Record):
    """What a stage costs and saves on the best rule, bps, on days that its fit has not seen.

    Parameters
    ----------
    name : str
        One of `STAGES`.
    cost : float
        Mean cost of an order.
    gain, still : Estimate
        Saved on the rule where a resting fill moves the price as a take does, and where it moves no price.
    placebo : Estimate or None
        How much less it saves if it is told the forecasts of another day; None for a stage without a placebo.
    added : Estimate
        Saved on the stage before it, of the first on the rule.
    detectable : float
        Smallest true gain that so many days show in four of five cases.
    unfilled : float
        Share of the lots that found no counterparty.
    is_seen : bool
        Whether it learned from the judged days all the same, so that its gain says nothing.
    """

    name: str
    cost: float
    gain: Estimate
    still: Estimate
    placebo: Estimate | None
    added: Estimate
    detectable: float
    unfilled: float
    is_seen: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether it is cheaper than the rule by its interval at both ends, on days that it has not seen."""
        lows = [one.ci_low for one in (self.gain, self.still)]
        return not self.is_seen and all(low is not None and low > 0.0 for low in lows)


def stage_gains(costs: BlockCosts, seen: Collection[str] = ()) -> list[StageGain]:
    """What each stage saves, from the costs of all blocks; `seen` names the stages that learned from judged days.

    >>> import numpy as np
    >>> day = np.repeat([f"2020-01-{n:02}" for n in range(1, 31)], 4)
    >>> rule = 10.0 + np.sin(np.arange(120.0))
    >>> bps = np.stack([np.stack([rule - saved] * 2) for saved in (0.0, 0.1, 1.0 + 0.01 * np.cos(rule), -1.0)])
    >>> gains = stage_gains(BlockCosts((RULE, *STAGES), bps, np.zeros((4, 120)), day))
    >>> [round(one.gain.mean, 1) for one in gains], kept_stage(gains, 30), kept_stage(gains[1:], 29)
    ([0.1, 1.0, -1.0], 'shipped', 'fitted')
    """
    rule = costs.of(RULE)
    still_rule = costs.of(RULE, 1)
    labels = costs.clusters
    gains = []
    for before, name in zip((RULE, *STAGES), STAGES, strict=False):
        saved = rule - costs.of(name)
        placebo = f"{name}{PLACEBO}"
        gains.append(
            StageGain(
                name=name,
                cost=float(costs.of(name).mean()),
                gain=_over_days(saved, labels),
                still=_over_days(still_rule - costs.of(name, 1), labels),
                placebo=_over_days(costs.of(placebo) - costs.of(name), labels)
                if placebo in costs.names
                else None,
                added=_over_days(costs.of(before) - costs.of(name), labels),
                detectable=detectable_gain(
                    clustered_se(saved, labels), int(labels.max()), level=LEVEL
                ),
                unfilled=float(costs.unfilled[costs.names.index(name)].mean()),
                is_seen=name in seen,
            )
        )
    return gains


def _over_days(saved: Floats, labels: Ints) -> Estimate:
    """Mean of what orders save, with its interval of `LEVEL`; days are independent, orders of a day are not."""
    half = t_quantile(0.5 + LEVEL / 2, int(labels.max())) * clustered_se(saved, labels)
    mean = float(saved.mean())
    return Estimate(mean, mean - half, mean + half)


def kept_stage(gains: Sequence[StageGain], days: int) -> str:
    """The simplest stage whose gain is shown, on enough days; else the first, the shipped agent."""
    shown = [one.name for one in gains if one.is_shown and days >= CLAIM_DAYS]
    return shown[0] if shown else gains[0].name
