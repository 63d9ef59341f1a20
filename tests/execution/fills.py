"""Costs from a list of fills: an implementation beside the kernel's sums."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel.execution.costs import Costs

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fills:
    """Fills of any number of episodes, one row each, in any order.

    Parameters
    ----------
    episode : int64 (f,)
        Row of the episode in the Costs to be made.
    price2, touch2, mid2 : int64 (f,)
        Price, touch and mid that the aggressor met, half ticks; `touch2 = price2` for a passive fill and for
        lots that the book could not fill.
    qty : int64 (f,)
        Lots.
    bucket : int64 (f,)
        Grid bucket of the fill's time.
    passive, forced, unfilled : bool (f,)
        Filled while resting; sent at the horizon; could not be filled (`forced` too).
    """

    episode: Ints
    price2: Ints
    touch2: Ints
    mid2: Ints
    qty: Ints
    bucket: Ints
    passive: NDArray[np.bool_]
    forced: NDArray[np.bool_]
    unfilled: NDArray[np.bool_]


def costs_of_fills(
    fills: Fills,
    *,
    qty: Ints,
    arrival_mid2: Ints,
    side: NDArray[np.int8],
    mid2_grid: Ints,
    cluster: Ints,
) -> Costs:
    """Add a list of fills up into the sums of `Costs`; fees, double fills and overflows are 0."""
    n, grid = mid2_grid.shape
    s = side.astype(np.int64)[fills.episode]
    sums = {
        "spread": s * (fills.touch2 - fills.mid2) * fills.qty,
        "walk": s * (fills.price2 - fills.touch2) * fills.qty,
        "timing": s * (fills.mid2 - arrival_mid2[fills.episode]) * fills.qty,
    }

    def total(values: Ints, where: NDArray[np.bool_]) -> Ints:
        result = np.zeros(n, np.int64)
        np.add.at(result, fills.episode[where], values[where])
        return result

    def on_grid(where: NDArray[np.bool_]) -> Ints:
        result = np.zeros((n, grid), np.int64)
        np.add.at(result, (fills.episode[where], fills.bucket[where]), fills.qty[where])
        return result

    nothing = np.zeros(n, np.int64)
    return Costs(
        qty=qty,
        arrival_mid2=arrival_mid2,
        **{name: total(values, ~fills.forced) for name, values in sums.items()},
        **{f"forced_{name}": total(values, fills.forced) for name, values in sums.items()},
        lots_filled=total(fills.qty, ~fills.unfilled),
        passive_lots=total(fills.qty, fills.passive),
        forced_lots=total(fills.qty, fills.forced),
        unfilled_lots=total(fills.qty, fills.unfilled),
        unfilled_paid=total(sums["spread"] + sums["walk"] + sums["timing"], fills.unfilled),
        mid2_grid=mid2_grid,
        lots_grid=on_grid(~fills.forced),
        forced_lots_grid=on_grid(fills.forced),
        side=side,
        cluster=cluster,
        fees=nothing,
        double_lots=nothing,
        overflow=nothing,
        run_out=nothing + 1,
        messages=nothing,
    )
