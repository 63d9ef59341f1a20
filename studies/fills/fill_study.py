"""One day's sums and many days' figures: ghosts, mark-outs, depletions, the tape's own orders, hidden executions."""

from typing import Final

import numpy as np

from studies.fills import fills_kernel as k
from studies.fills.depletions import FOLLOWED_S, RETURNS_S, add_depletions
from studies.fills.fills import (
    OFFS,
    PLACES,
    SHOWN_S,
    SIZES,
    SPREADS,
    WAITS_S,
    FillScale,
    add_fills,
    usable,
)
from studies.fills.markouts import HORIZONS_S, add_counts, add_markouts, market_orders
from studies.fills.own_orders import KINDS, QUICK_S, add_own_orders
from studies.fills.replayed import ReplayedDay, ReplayTally
from tercel.core import EXECUTE, TRADE_HIDDEN, Floats
from tercel.market import SumFigure, Sums, safe_ratio, share_figures

PARTS: Final = ("filled_before_away", "filled_after_away", "filled_given_away", "back_given_away")


def sums_of(day: ReplayedDay, scale: FillScale) -> Sums:
    """Sums of one day: fills, mark-outs, depletions, own orders, hidden executions."""
    tally = ReplayTally(day)
    found = add_fills(tally, scale)
    orders = market_orders(day)
    add_markouts(tally, found, usable(day), orders)
    add_counts(tally, orders)
    add_depletions(tally, orders)
    add_own_orders(tally)
    add_hidden(tally)
    return tally.sums


def add_hidden(tally: ReplayTally) -> None:
    """Hidden executions among all, by rows and by lots, and by the width of the touch before them."""
    day, kind = tally.day, tally.day.rows[:, k.KIND]
    at = np.flatnonzero((kind == EXECUTE) | (kind == TRADE_HIDDEN))
    at = at[day.within(day.ns[at]) & (at > 0)]
    ns, hidden, lots = day.ns[at], np.asarray(kind[at] == TRADE_HIDDEN), day.rows[at, k.LOTS]
    tally.add_mean("hidden_rows", ns, hidden)
    tally.add("hidden_volume", ns, hidden * lots)
    tally.add("hidden_volume#", ns, lots)
    width = day.seen[at - 1, k.ASK] - day.seen[at - 1, k.BID]
    for name, (low, high) in SPREADS.items():
        tally.add_mean(f"hidden_rows_spread_{name}", ns, hidden, (width >= low) & (width <= high))


def figures() -> list[SumFigure]:
    """Figures of the study from the sums of its days."""
    classes = [f"place_{q}" for q in range(1, 5)] + [f"spread_{name}" for name in SPREADS]
    classes += list(OFFS.values()) + [f"size_{part:g}" for part in SIZES]
    names = [f"filled_{wait}s" for wait in WAITS_S] + list(PARTS)
    names += [f"filled_{wait}s_{name}" for name in classes for wait in SHOWN_S]
    names += ["cancelled_ahead", "cancelled_behind"]
    names += [f"{kind}_filled_{wait}s" for kind in KINDS for wait in WAITS_S] + [
        f"{kind}_cancelled_{QUICK_S}s" for kind in KINDS
    ]
    names += [
        f"{what}_{h}s_{unit}"
        for what in ("markout", "market_markout")
        for unit in ("bps", "ticks")
        for h in HORIZONS_S
    ]
    names += [
        f"markout_{name}_{h}s_{unit}"
        for name in PLACES
        for unit in ("bps", "ticks")
        for h in HORIZONS_S
    ]
    for what in ("trade", "cancel"):
        names += [f"back_after_{what}_{h}s" for h in RETURNS_S] + [
            f"followed_after_{what}_{FOLLOWED_S}s"
        ]
    names += ["fano", "hidden_rows", "hidden_volume"] + [
        f"hidden_rows_spread_{name}" for name in SPREADS
    ]
    hazards = ("cancelled_behind", "cancelled_behind#", "cancelled_ahead", "cancelled_ahead#")
    return [*share_figures(names), SumFigure("cancel_ratio", hazards, _ratio)]


def _ratio(behind: Floats, behind_s: Floats, ahead: Floats, ahead_s: Floats) -> Floats:
    return safe_ratio(safe_ratio(behind, behind_s), safe_ratio(ahead, ahead_s))
