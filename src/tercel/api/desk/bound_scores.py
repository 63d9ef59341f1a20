"""Files of simulated cost bounds in a desk's folder, and scores of the bounds (made by `bounds`) against realised costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tercel.api.desk.bounds import ShadowBounds
from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic

BOUNDS: Final = "bounds.json"
"""File in the folder of a desk in shadow: simulated cost bounds of each parent."""
SLACK_BPS: Final = 0.2


@dataclass(frozen=True)
class BoundScore:
    """Share of realised costs within their simulated bounds, and the parents outside.

    Parameters
    ----------
    parents : int
        Number of parents with both.
    within : float or None
        Share of them with a cost between the bounds, within :data:`SLACK_BPS`.
    centre_bps : float or None
        Mean of the midpoint of the bounds less the realised cost.
    width_bps : float or None
        Mean distance of the bounds.
    misses : tuple of (str, float)
        Parents outside the bounds, and their distance; positive above the upper one.
    """

    parents: int
    within: float | None
    centre_bps: float | None
    width_bps: float | None
    misses: tuple[tuple[str, float], ...]


def score_bounds(
    bounds: Mapping[str, Sequence[float]],
    realised: Mapping[str, float],
    slack_bps: float = SLACK_BPS,
) -> BoundScore:
    """Score two simulated cost bounds, in either order, against realised costs in bps, for the parents that have both.

    >>> score = score_bounds({"a": (1.0, 3.0), "b": (5.0, 4.0)}, {"a": 2.0, "b": 6.2, "c": 1.0})
    >>> score.parents, score.within, score.misses
    (2, 0.5, (('b', 1.2),))
    """
    names = [name for name in bounds if name in realised]
    if not names:
        return BoundScore(0, None, None, None, ())
    low, high = (np.array([pick(bounds[name]) for name in names]) for pick in (min, max))
    cost = np.array([realised[name] for name in names])
    excess_bps = np.where(cost > high, cost - high, np.where(cost < low, cost - low, 0.0))
    outside = np.abs(excess_bps) > slack_bps
    misses = tuple(
        (name, round(float(excess), 6))
        for name, excess, is_outside in zip(names, excess_bps, outside, strict=True)
        if is_outside
    )
    centre = float(np.mean((low + high) / 2 - cost))
    width = float(np.mean(high - low))
    return BoundScore(len(names), float(1.0 - outside.mean()), centre, width, misses)


def write_bounds(folder: Path, bounds: ShadowBounds) -> None:
    """Write simulated cost bounds into a desk's folder."""
    write_atomic(folder / BOUNDS, json.dumps(asdict(bounds), indent=1) + "\n")


def read_bounds(folder: Path) -> dict[str, tuple[float, float]]:
    """Read the (optimistic, pessimistic) cost of each parent, bps, from the folder of a desk in shadow.

    Raises
    ------
    ConfigError
        No bounds in the folder.
    """
    try:
        return {
            parent: (low, high)
            for parent, (low, high) in json.loads((folder / BOUNDS).read_text("utf-8"))[
                "parents"
            ].items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            "the folder of a desk in shadow",
            f"{folder} without {BOUNDS}",
            'run one with stage = "shadow"',
        ) from error
