"""How large an order a policy is for, as a share of the expected volume; beyond it `rest_and_take` is compared."""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

# Share of the expected volume up to which every agent and rule was tuned: beyond it passive orders wait for trades that do
# not come, and in a thin market lots left at the horizon are expensive.
BEYOND: Final = 0.20
# Strategy that takes what cannot rest beyond it, to compare with.
TAKES: Final = "rest_and_take"


def most_share(limits: Mapping[str, Any]) -> float:
    """Largest order that a policy is for, as a share of expected volume: its card's limit, at least `BEYOND`; infinite
    without limit.

    >>> most_share({"share": [0.05, 0.2]}), most_share({"share": 0.1}), most_share({"share": 1.0}), most_share({})
    (0.2, 0.2, 1.0, inf)
    """
    span = span_of(limits.get("share"), 1.0)
    return inf if span is None else max(span[1], BEYOND)


def span_of(value: Any, scale: float) -> tuple[float, float] | None:
    """(lowest, highest) times `scale` of a number (both the same) or pair of numbers; None for anything else."""
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        return None
    return scale * ends[0], scale * ends[1]
