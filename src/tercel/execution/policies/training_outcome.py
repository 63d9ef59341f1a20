"""Outcome of a training: its validation checks, the saving of a checkpoint in bps of cost, and a sentence on which policy
was selected; the selection itself is made elsewhere."""

import math
from dataclasses import dataclass
from typing import Final

from tercel.core.stats.quantiles import t_quantile

# The policy that a training selected, in words: its start or a checkpoint, and how far the two are apart in validation.
NORMAL_95: Final = 1.96


@dataclass(frozen=True)
class ValidationCheck:
    """A validation check, a row of `validation.csv`: training frames, cost of the policy and of the rule, bps, their
    difference with its standard error, and the number of clusters of episodes.
    """

    frames: float
    is_bps: float
    rule_bps: float
    gain: float
    se: float
    clusters: float = math.inf

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the difference, bps; without limits for a single cluster.

        >>> ValidationCheck(0.0, 8.0, 9.0, 1.0, 0.25, 5.0).interval()  # doctest: +ELLIPSIS
        (0.305..., 1.694...)
        """
        if self.clusters < 2:
            return -math.inf, math.inf
        half = t_quantile(0.5 + level / 2, self.clusters - 1) * self.se
        return self.gain - half, self.gain + half


@dataclass(frozen=True)
class Confirmation:
    """What the policy that validation selected saves on the start of its training, on episodes that chose nothing.

    Parameters
    ----------
    start : str
        Strategy that the training started from.
    frames : float
        Training frames of the policy.
    gain, low, high : float
        Saving, bps, with its 95 % interval.
    episodes : int
    is_named : bool
        Whether the training was told its start by name: then the policy is kept without a gain, too.
    """

    start: str
    frames: float
    gain: float
    low: float
    high: float
    episodes: int
    is_named: bool = False

    @property
    def is_gain(self) -> bool:
        """Whether the policy is cheaper by its interval, and so is kept; otherwise the start is."""
        return self.low > 0.0

    def sentence(self, checks: int) -> str:
        """Sentences on which policy was kept, selected by so many validation checks.

        >>> print(Confirmation("guarded", 4096.0, 0.5, 0.25, 0.75, 800).sentence(9))
        kept: the checkpoint after 4,096 decisions, 0.50 [0.25, 0.75] bps cheaper than its start, guarded, on 800 other episodes.
        """
        saving = f"{self.gain:.2f} [{self.low:.2f}, {self.high:.2f}] bps"
        after = f"the checkpoint after {self.frames:,.0f} decisions"
        if self.is_gain:
            return f"kept: {after}, {saving} cheaper than its start, {self.start}, on {self.episodes:,} other episodes."
        if self.is_named:
            return f"kept: {after}. It saves {saving} on {self.start}, on {self.episodes:,} other episodes: no gain is shown."
        if not self.low < self.high:
            return f"kept: the start, {self.start}. None of {checks - 1} checkpoints was cheaper in validation."
        best = f"The best of {checks - 1} checkpoints saves {saving} on it on {self.episodes:,} other episodes"
        return f"kept: the start, {self.start}. {best}: no gain is shown."


def saving_interval(
    start: ValidationCheck, checkpoint: ValidationCheck
) -> tuple[float, float, float]:
    """Cost saving of a checkpoint over the start of a training, bps: mean, lower and upper end of its 95 % interval; above 0 is
    cheaper.

    Both are held against one rule on the same episodes, so the interval is, if anything, too wide: where the start is
    that rule it is exact.

    >>> saving_interval(ValidationCheck(0.0, 9.0, 9.0, 0.0, 0.0), ValidationCheck(64.0, 8.0, 9.0, 1.0, 0.25))
    (1.0, 0.51, 1.49)
    """
    mean = checkpoint.gain - start.gain
    half = NORMAL_95 * math.hypot(start.se, checkpoint.se)
    return mean, mean - half, mean + half


def selection_sentence(
    start: ValidationCheck, checkpoint: ValidationCheck | None, checks: int, start_selected: bool
) -> str:
    """Sentence on which policy a training selected, and how far the best checkpoint (None: there is none) is from the start.

    Parameters
    ----------
    start : ValidationCheck
        Before learning.
    checkpoint : ValidationCheck, optional
        Of the best checkpoint; None without a checkpoint.
    checks : int
        Validation checks, that of the start among them.
    start_selected : bool
        Whether the start was selected.

    >>> start = ValidationCheck(0.0, 9.0, 9.0, 0.0, 0.0)
    >>> print(selection_sentence(start, ValidationCheck(4096.0, 9.5, 9.0, -0.5, 0.125), 3, True))  # doctest: +ELLIPSIS
    kept: the start. The best of 2 checkpoints, after 4,096 decisions, costs 0.50 [0.26, 0.74] bps more...
    >>> print(selection_sentence(start, ValidationCheck(4096.0, 7.0, 9.0, 2.0, 0.5), 3, False))
    kept: the checkpoint after 4,096 decisions, 2.00 [1.02, 2.98] bps cheaper than the start on validation episodes.
    """
    if checkpoint is None:
        return "kept: the start. There is no checkpoint. What helps: a longer training (frames)."
    mean, low, high = saving_interval(start, checkpoint)
    after = f"after {checkpoint.frames:,.0f} decisions"
    if not start_selected:
        saved = (
            f"{mean:.2f} [{low:.2f}, {high:.2f}] bps cheaper than the start on validation episodes"
        )
        return f"kept: the checkpoint {after}, {saved}."
    checkpoints = checks - 1
    if mean == low == high == 0.0:
        comparison = f"None of {checkpoints} checkpoints does anything else."
        helps = "a higher learner.learning_rate, or smaller"
        helps += " batches (learner.markets, learner.minibatch)"
    else:
        comparison = f"The best of {checkpoints} checkpoints, {after}, costs {-mean:.2f} [{-high:.2f}, {-low:.2f}] bps more."
        helps = "a lower learner.learning_rate, or a policy.base that leaves more to learn"
        if high >= 0.0:
            helps = "or more validation.episodes, which tell smaller differences"
    return f"kept: the start. {comparison} What helps: a longer training (frames), {helps}."
