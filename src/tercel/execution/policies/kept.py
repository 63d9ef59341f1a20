"""What a training kept, in words: its start or a checkpoint, and how far the two are apart in validation."""

import math
from collections.abc import Mapping
from typing import Final

Row = Mapping[str, float]
NORMAL_95: Final = 1.96


def apart(start: Row, checkpoint: Row) -> tuple[float, float, float]:
    """What a checkpoint saves on the start, bps: the mean and the ends of its 95 % interval.

    Both are held against one rule on the same episodes, so the interval is, if anything, too wide: where the start is
    that rule it is exact.

    Parameters
    ----------
    start, checkpoint : mapping
        Rows of `validation.csv`.

    >>> apart({"gain": 0.0, "se": 0.0}, {"gain": 1.0, "se": 0.25})
    (1.0, 0.51, 1.49)
    """
    mean = checkpoint["gain"] - start["gain"]
    half = NORMAL_95 * math.hypot(start["se"], checkpoint["se"])
    return mean, mean - half, mean + half


def kept(start: Row, checkpoint: Row | None, looks: int, kept_start: bool) -> str:
    """Sentence on what a training kept, how far the best checkpoint is from the start, and what would help.

    Parameters
    ----------
    start : mapping
        The row of `validation.csv` before learning.
    checkpoint : mapping, optional
        That of the best checkpoint; None where there is none.
    looks : int
        Validation checks, that of the start among them.
    kept_start : bool
        Whether the start was kept.

    >>> rows = {"frames": 0.0, "gain": 0.0, "se": 0.0}, {"frames": 4096.0, "gain": -0.5, "se": 0.125}
    >>> print(kept(*rows, 3, True))  # doctest: +ELLIPSIS
    kept: the start. The best of 2 checkpoints, after 4,096 decisions, costs 0.50 [0.26, 0.74] bps more...
    >>> print(kept(rows[0], {"frames": 4096.0, "gain": 2.0, "se": 0.5}, 3, False))
    kept: the checkpoint after 4,096 decisions, 2.00 [1.02, 2.98] bps cheaper than the start on validation episodes.
    """
    if checkpoint is None:
        return "kept: the start. There is no checkpoint. What helps: a longer training (frames)."
    mean, low, high = apart(start, checkpoint)
    after = f"after {checkpoint['frames']:,.0f} decisions"
    if not kept_start:
        saved = (
            f"{mean:.2f} [{low:.2f}, {high:.2f}] bps cheaper than the start on validation episodes"
        )
        return f"kept: the checkpoint {after}, {saved}."
    others = looks - 1
    if mean == low == high == 0.0:
        found, helps = (
            f"None of {others} checkpoints does anything else.",
            "a higher learner.learning_rate, or smaller",
        )
        helps += " batches (learner.markets, learner.minibatch)"
    else:
        found = f"The best of {others} checkpoints, {after}, costs {-mean:.2f} [{-high:.2f}, {-low:.2f}] bps more."
        helps = "a lower learner.learning_rate, or a policy.base that leaves more to learn"
        if high >= 0.0:
            helps = "or more validation.episodes, which tell smaller differences"
    return f"kept: the start. {found} What helps: a longer training (frames), {helps}."
