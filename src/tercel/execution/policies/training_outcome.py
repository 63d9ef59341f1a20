"""Outcome of a training: its validation checks, the saving of a checkpoint in bps of cost, and a sentence on which policy
was selected; the selection itself is made elsewhere."""

import math
from dataclasses import dataclass
from typing import Final

# The policy that a training selected, in words: its start or a checkpoint, and how far the two are apart in validation.
NORMAL_95: Final = 1.96


@dataclass(frozen=True)
class ValidationCheck:
    """A validation check, a row of `validation.csv`: training frames, cost of the policy and of the rule, bps, and
    their difference.
    """

    frames: float
    is_bps: float
    rule_bps: float
    gain: float
    se: float


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
