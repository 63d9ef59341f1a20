"""Fit table of a preset: the same census of real and simulated days, side by side.

The table has three columns of values: the days calibrated on (train), days held out, and simulated days; and their
ratios: simulated over train (what the law itself misses), simulated over held-out, and train over held-out, which is
the floor (what another real day misses by).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tercel.core.arrays import Ints
from tercel.market.flow.census import Census, total
from tercel.market.flow.census_kernel import LEVELS
from tercel.market.flow.port import Card, Preset

PresetT = TypeVar("PresetT", bound=Preset)
SESSION_S = 23_400.0
"""A session of 6.5 hours: what "a day" means in the table."""
MISSES_BAND = (0.9, 1.1)
"""A ratio outside is named on the card as missed, unless real days differ as much."""


LAW_MISSES = (
    "The flow has no memory: no runs of same-sided trades, no clustering in time, no hour of the day, no answer to "
    "the size of a queue or to imbalance. Its mid reverts at short horizons, and without feedback the impact of an "
    "order is about linear and permanent. Hidden orders are absent."
)


def sd_of_mid_changes(mids2: Sequence[Ints], seconds: int) -> float:
    """Standard deviation (about zero) of the mid's changes over `seconds`, ticks, not overlapping, within days; 0 if none."""
    steps = np.concatenate([np.diff(mid2[mid2 != 0][::seconds]) for mid2 in mids2]) / 2.0
    return float(np.sqrt(np.mean(steps**2))) if len(steps) else 0.0


def quantities(days: Sequence[Census], per_lot: float = 1.0) -> dict[str, float]:
    """Quantities of the fit table by name (spread, mid changes, market orders, depth, volume, placements), days pooled.

    Parameters
    ----------
    days : sequence of Census
    per_lot : float
        Tape lots in one simulated lot (1 for simulated days).

    Returns
    -------
    dict
        Spread (ticks), sd of mid changes (ticks), market orders a session, lots a market order, lots on
        each level, traded lots a minute, placements a second, known resting orders.
    """
    seconds = float(total(days, "seconds"))
    sizes = np.concatenate([day.market_sizes for day in days]) / per_lot
    depth = np.asarray(total(days, "depth_time")) / seconds / per_lot
    mids2 = [day.mid2 for day in days]
    placements = float(np.sum(total(days, "placed"))) + float(total(days, "beyond"))
    result = {
        "spread_ticks": float(total(days, "spread_time")) / seconds,
        "sd1_ticks": sd_of_mid_changes(mids2, 1),
        "sd10_ticks": sd_of_mid_changes(mids2, 10),
        "sd60_ticks": sd_of_mid_changes(mids2, 60),
        "market_orders_a_day": len(sizes) / seconds * SESSION_S,
        "market_order_lots": float(sizes.mean()) if len(sizes) else 0.0,
    }
    result |= {f"depth{k + 1}_lots": float(depth[k]) for k in range(LEVELS)}
    result |= {
        "volume_lots_a_minute": float(sizes.sum()) / seconds * 60.0,
        "placements_per_s": placements / seconds,
        "live_orders": float(total(days, "orders_live_time")) / seconds,
    }
    return result


def table(
    train: Mapping[str, float], held_out: Mapping[str, float], simulated: Mapping[str, float]
) -> Card:
    """The fit table: quantity -> train, held_out, simulated, and their ratios.

    >>> table({"a": 1.0}, {"a": 2.0}, {"a": 3.0})["a"]["simulated_over_held_out"]
    1.5
    """
    return {
        key: {
            "train": train[key],
            "held_out": held_out[key],
            "simulated": simulated[key],
            "simulated_over_train": _ratio(simulated[key], train[key]),
            "simulated_over_held_out": _ratio(simulated[key], held_out[key]),
            "train_over_held_out": _ratio(train[key], held_out[key]),
        }
        for key in held_out
    }


def _ratio(value: float, reference: float) -> float | None:
    """A quotient, None for reference 0."""
    return value / reference if reference else None


def misses(fit: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One sentence for each quantity that is more than a tenth off the held-out days, and farther off than the train days are."""
    low, high = MISSES_BAND
    sentences = []
    for key, row in fit.items():
        ratio = row["simulated_over_held_out"]
        floor = row["train_over_held_out"]
        if (
            ratio is None
            or low <= ratio <= high
            or (floor and abs(np.log(max(ratio, 1e-9))) <= abs(np.log(floor)))
        ):
            continue
        sentences.append(
            f"{key}: simulated is {ratio:.2f} x the held-out days (other real days: {floor:.2f} x)"
        )
    return sentences


def judge(
    preset: PresetT,
    train: Sequence[Census],
    held_out: Sequence[Census],
    simulated: Sequence[Census],
    *,
    per_lot: float,
    held_out_days: Sequence[str],
    simulation: str,
) -> PresetT:
    """Return the preset with its card completed: fit table, misses, and averages of the simulated market.

    `per_lot` is tape lots per simulated lot, `simulation` says how the simulated days were made.
    """
    rows = table(quantities(train, per_lot), quantities(held_out, per_lot), quantities(simulated))
    card = preset.card | {
        "held_out_days": list(held_out_days),
        "simulation": simulation,
        "fit": rows,
        "misses": [LAW_MISSES, *misses(rows)],
        "simulated": {key: row["simulated"] for key, row in rows.items()},
    }
    return preset.model_copy(update={"card": card})
