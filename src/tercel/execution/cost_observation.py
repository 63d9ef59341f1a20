"""The observation `costs`: what taking and waiting cost an order now, six entries."""

from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats
from tercel.execution.view import View

# What the actions `costs` go by: what an order pays now, and what it pays if it waits, in usual half spreads.

# Move of the mid expected against the order in 30 s, the standard deviation of its error (what markets of any spread move,
# and so what own volume moves them), half the spread and the taker's fee less the maker's, what resting costs (in usual half
# spreads each), the share of the order that is left less that of its time, the latter.
COST_ENTRIES: Final = (
    "forecast_30",
    "forecast_30_sd",
    "half_spread",
    "waiting",
    "behind",
    "time_left",
)
# A move counts up to so many usual half spreads; what taking costs counts in full, or a forecast could be worth any.
MOST_HALF_SPREADS: Final = 3.0
# Ticks: below it most spreads are of one tick, and the rule works the order.
LEAST_USUAL_SPREAD: Final = 1.5


def half_spread(view: View) -> Floats:
    """Half the public spread, bps, float64 (n,); 0 if a side is not quoted or prices lock or cross.

    Orders that a bound draws against the order do not narrow it: they say nothing of the market.

    >>> from tercel.execution.probe_views import view_of
    >>> half_spread(view_of(touch=999, far=1001, mid2=2000)).tolist()
    [10.0]
    """
    quoted = view.spread
    spread = np.where(quoted > 0, quoted + view.undercut, 0)
    return np.asarray(1e4 * spread / np.maximum(np.abs(view.mid2), 1), np.float64)


def is_known(view: View) -> Bools:
    """Whether forecast, usual spread and cost of waiting are known, bool (n,); never in a halt, locked or crossed book, nor
    where the spread is usually one tick: there taking costs the place in a long queue, which no entry has.
    """
    has_forecast = (view.forecast_30_sd_bps > 0) & (view.waiting > 0)
    has_forecast &= view.usual_spread >= LEAST_USUAL_SPREAD
    return np.asarray(has_forecast & ~view.halted & (view.spread > 0))


def observe_costs(view: View) -> Float32:
    """The observation `costs`, float32 (n, 6), the columns of `COST_ENTRIES`; unknown entries are 0.

    >>> from tercel.execution.probe_views import view_of
    >>> observe_costs(view_of(left=75, time_left_ns=300 * 10**9)).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.25, 0.5]]
    """
    mid2 = np.maximum(np.abs(view.mid2), 1)
    usual = np.where(view.usual_spread > 0, 1e4 * view.usual_spread / mid2, np.inf)
    time_left = view.time_left_ns / np.maximum(view.horizon_ns, 1)
    move = np.clip(view.forecast_30_bps / usual, -MOST_HALF_SPREADS, MOST_HALF_SPREADS)
    rows = np.stack(
        [
            move,
            view.forecast_30_sd_bps / usual,
            (half_spread(view) + view.fees_bps) / usual,
            view.waiting,
            view.left / np.maximum(view.qty0, 1) - time_left,
            time_left,
        ],
        axis=1,
    )
    return rows.astype(np.float32)
