"""What a market's response is held against: pass or fail, bar by bar."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import figure
from studies.response.styles import JOINS

Floats = NDArray[np.float64]

OFF_LAW: Final = 0.25
"""Share of the law by which a displacement may be off it, beside its error."""
ERRORS: Final = 2.0
TRANSLATED: Final = 0.02
TAKERS: Final = 1.10
LOTS: Final = 1.25


def bars_of(found: Mapping[str, Any], costs: Mapping[tuple[str, str], Floats]) -> dict[str, Any]:
    """`bars` and `passed` of a measured response.

    Parameters
    ----------
    costs : mapping of (style, size) to float64 (n,)
        Cost by world, in the order of their numbers.
    """
    sizes = list(found["lots"])
    bars = {
        "displacement": {
            name: {size: {"T": at_end(one), "2T": at_twice(one)} for size, one in by_size.items()}
            for name, by_size in found["styles"].items()
        },
        "cost_by_size": {
            name: _rising([costs[name, size] for size in sizes]) for name in found["styles"]
        },
        "never": {size: not_cheaper(one["difference_bps"]) for size, one in found["never"].items()},
        "translation": _at_most(found["filled_by_translation_share"], TRANSLATED),
        "attraction": _attraction(found["attraction"]),
    }
    return {"bars": bars, "passed": all(value is not False for value in _leaves(bars))}


def at_end(one: Mapping[str, Any]) -> bool | None:
    """Whether the displacement at the horizon is what the law says, None without a law."""
    return _on_law(one["displacement_ticks"], one["law_ticks"])


def at_twice(one: Mapping[str, Any]) -> bool | None:
    """The same at twice the horizon."""
    return _on_law(one["at_2T"], one["at_2T"]["law_ticks"])


def _on_law(moved: Mapping[str, Any], law: float | None) -> bool | None:
    """Whether a displacement lies within `OFF_LAW` of the law, beside its error."""
    if law is None or moved["mean"] is None:
        return None
    return bool(abs(moved["mean"] - law) <= OFF_LAW * abs(law) + ERRORS * (moved["se"] or 0.0))


def _rising(costs: Sequence[Floats]) -> dict[str, Any]:
    """Cost from each size to the next, pair by pair: none may fall by more than its error allows."""
    steps = []
    for small, large in pairwise(costs):
        n = min(len(small), len(large))
        steps.append(figure(large[:n] - small[:n]))
    return {"steps_bps": steps, "passed": all(not_cheaper(step) is not False for step in steps)}


def not_cheaper(difference: Mapping[str, Any]) -> bool | None:
    """Whether a difference of costs is not below 0 by more than `ERRORS` standard errors."""
    if difference["mean"] is None or difference["se"] is None:
        return None
    return bool(difference["mean"] >= -ERRORS * difference["se"])


def _attraction(found: Mapping[str, Any]) -> dict[str, Any]:
    """Joining the touch, at each time: market orders and their lots that come, over those of the twin.

    Limit orders that cross ours are counted apart.
    """
    joined = found.get(JOINS, {})
    return {
        at: {
            "takers": _at_most(one["takers"]["mean"], TAKERS),
            "lots": _at_most(one["market_lots"]["mean"], LOTS),
        }
        for at, one in joined.items()
    }


def _at_most(value: float | None, most: float) -> bool | None:
    return None if value is None else bool(value <= most)


def _leaves(bars: object) -> list[object]:
    if isinstance(bars, Mapping):
        return [
            leaf for key, value in bars.items() if key != "steps_bps" for leaf in _leaves(value)
        ]
    return [bars]
