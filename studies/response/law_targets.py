"""Where a law of impact wants the price, computed from a style's own fills: an oracle beside the market's own kernel.

    target(t) = Y sigma sgn(Phi) |Phi / trades|^(1/2),    Phi = sum over fills with t_i <= t of q_i G(t - t_i)

in mean trades, all fills alike: taken, passive, at the horizon. Prices are towards the order's own side.
"""

import numpy as np
from numpy.typing import NDArray

from tercel.core import NS_PER_SECOND, CapacityError
from tercel.market.impact import ImpactLaw
from tercel.market.simulator import layout as sim

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NS, LOTS, FORCED = 0, 2, 6
"""Columns of the log of own fills."""


def fills_of_all(states: Ints) -> Ints:
    """Logged own fills of n markets: int64 (n, f, FILL_WORDS), rows of zero lots where a market has fewer.

    Raises
    ------
    CapacityError
        More fills than were kept.
    """
    rows, logged, at = (
        states[:, sim.FILL_ROWS],
        int(states[0, sim.LOG_ROWS]),
        int(states[0, sim.LOG_AT]),
    )
    most = int(rows.max(initial=0))
    if most > logged:
        raise CapacityError(f"at most {logged} own fills", f"{most}", "raise log_rows")
    fills = (
        states[:, at : at + most * sim.FILL_WORDS].reshape(len(states), most, sim.FILL_WORDS).copy()
    )
    fills[np.arange(most) >= rows[:, None]] = 0
    return fills


def executed(fills: Ints, unfilled: Ints) -> Ints:
    """The same fills without the lots, int64 (n,), that the book could not fill: they are booked last.

    >>> fills = np.zeros((1, 3, 7), np.int64)
    >>> fills[0, :, LOTS] = 5, 4, 3
    >>> executed(fills, np.array([4]))[0, :, LOTS].tolist()
    [5, 3, 0]
    """
    lots = fills[:, :, LOTS]
    later = lots[:, ::-1].cumsum(axis=1)[:, ::-1] - lots
    gone = np.clip(unfilled[:, None] - later, 0, lots)
    found = fills.copy()
    found[:, :, LOTS] -= gone
    return found


def target_ticks(law: ImpactLaw, fills: Ints, at_ns: Ints, *, forced: bool) -> Floats:
    """Where the law wants the price of n markets at some time, ticks towards the order's side, float64 (n,).

    Parameters
    ----------
    fills : int64 (n, f, FILL_WORDS)
    at_ns : int64 (n,)
    forced : bool
        Whether fills of the horizon order are among them: at the horizon itself they have not happened yet.
    """
    seen = fills[:, :, NS] <= at_ns[:, None]
    if not forced:
        seen &= fills[:, :, FORCED] == 0
    q = np.where(seen, fills[:, :, LOTS], 0) / law.mean_trade_lots
    age_s = np.where(seen, at_ns[:, None] - fills[:, :, NS], 0) / NS_PER_SECOND
    phi = np.zeros(len(fills))
    for rate, weight in zip(*law.kernel(), strict=True):
        phi += weight * (q * np.exp(-rate * age_s)).sum(axis=1)
    return law.target(phi)
