"""Do resting orders fill as on tape? Ghosts that join the touch, how long they wait, and what stood around them.

Ghosts of one usual lot size join each side every ten seconds (`fills_kernel`). A wait counts the starts that could
wait so long before the session ended; the others are left out of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.fills import fills_kernel as k
from studies.fills.markouts import add_ghosts
from studies.fills.replayed import DISTANCES, ReplayedDay, ReplayTally
from tercel.core import ADD, NS_PER_SECOND, Floats, Longs

Bools = NDArray[np.bool_]

WAITS_S: Final = (10, 30, 100, 300, 900)
PART_S: Final = 300
"""The wait whose fills are taken apart."""
SHOWN_S: Final = (30, 300)
"""Waits that are reported by place, spread, size and distance."""
SPREADS: Final = {
    "1": (1, 1),
    "2": (2, 2),
    "3-4": (3, 4),
    "5-8": (5, 8),
    "9-16": (9, 16),
    "17+": (17, 1 << 30),
}
"""Classes of the touch's width, ticks."""
PLACES: Final = {
    "place_1": "first in the queue",
    "place_4": "last in it",
    "behind_1": "a tick behind",
    "inside_1": "a tick inside",
}
"""Ghosts whose mark-outs are told apart: few or many lots ahead (quartiles of tape), behind the touch or inside it."""
OFFS: Final = {d: f"behind_{d}" if d > 0 else f"inside_{-d}" for d in DISTANCES if d}
"""Names of ghosts off the touch, by ticks behind it."""
ROUND_SHARES: Final = 100
SIZES: Final = (0.25, 0.5, 1.0)
"""Parts of the usual queue."""
ROUND_LOT_VENUES: Final = ("NASDAQ", "SIM")


@dataclass(frozen=True)
class FillScale:
    """Scale of a tape's order sizes, shares, by which simulated days are read too.

    Attributes
    ----------
    ghost : int
        One usual lot size: 100 shares on Nasdaq, elsewhere the median limit order at the touch.
    queue : float
        Median displayed queue at the touch when a ghost joins.
    places : tuple of float
        Quartiles of it.
    """

    ghost: int
    queue: float
    places: tuple[float, float, float]


def scale_of(days: list[ReplayedDay]) -> FillScale:
    """The scale of some days of tape."""
    ahead = np.concatenate([day.stand[..., 0, k.STAND_LOTS][usable(day)] * day.lot for day in days])
    quartiles = np.percentile(ahead, [25, 50, 75]) if len(ahead) else np.zeros(3)
    if days[0].venue in ROUND_LOT_VENUES:
        ghost = ROUND_SHARES
    else:
        ghost = round(float(np.median(np.concatenate([_orders_at_touch(day) for day in days]))))
    return FillScale(max(ghost, 1), float(quartiles[1]), tuple(quartiles.tolist()))


def _orders_at_touch(day: ReplayedDay) -> Longs:
    """Shares of limit orders that join the touch."""
    join = (day.rows[:, k.KIND] == ADD) & (day.seen[:, k.BEFORE] == day.rows[:, k.PRICE])
    return np.asarray(day.rows[join, k.LOTS] * day.lot)


def usable(day: ReplayedDay) -> Bools:
    """Starts and sides at which a ghost can join, bool[G, 2]."""
    return np.asarray((day.stand[:, :, 0, k.STAND_PRICE] != 0) & day.within(day.starts)[:, None])


def run_ghosts(
    day: ReplayedDay, shares: float, distance: int = 0, wait_s: float = WAITS_S[-1]
) -> Floats:
    """Outcomes of ghosts of so many shares, float64[G, 2, FOUND] (`fills_kernel.FILLED` to `BEHIND_S`)."""
    found = np.zeros((len(day.starts), 2, k.FOUND))
    stand = np.ascontiguousarray(day.stand[:, :, DISTANCES.index(distance)])
    wait_ns = round(wait_s * NS_PER_SECOND)
    lots = max(round(shares / day.lot), 1)
    k.ghosts(
        day.rows,
        day.seen,
        day.starts,
        day.first,
        stand,
        lots,
        wait_ns,
        np.zeros(k.GHOST, np.int64),
        found,
    )
    return found


def add_fills(tally: ReplayTally, scale: FillScale) -> Floats:
    """Add up a day's fills; the outcomes of ghosts that joined the touch."""
    day, fine = tally.day, usable(tally.day)
    ns = np.repeat(day.starts[:, None], 2, axis=1)
    found = run_ghosts(day, scale.ghost)
    for wait in WAITS_S:
        tally.add_mean(
            f"filled_{wait}s", ns, found[..., k.FILLED] <= wait, _in_time(day, fine, wait)
        )
    _add_parts(tally, ns, found, fine)
    for name, among in _classes(day, scale).items():
        _add_shown(tally, name, ns, found[..., k.FILLED], fine & among)
        if name in PLACES:
            add_ghosts(tally, f"markout_{name}", found, fine & among)
    for name, (shares, distance) in _others(scale).items():
        other = run_ghosts(day, shares, distance, SHOWN_S[-1])
        room = fine if distance >= 0 else fine & (_width(day) > -distance)
        _add_shown(tally, name, ns, other[..., k.FILLED], room)
        if name in PLACES:
            add_ghosts(tally, f"markout_{name}", other, room, DISTANCES.index(distance))
    for name, lots, stood in (
        ("ahead", k.CANCEL_AHEAD, k.AHEAD_S),
        ("behind", k.CANCEL_BEHIND, k.BEHIND_S),
    ):
        tally.add(f"cancelled_{name}", ns[fine], found[..., lots][fine])
        tally.add(f"cancelled_{name}#", ns[fine], found[..., stood][fine])
    return found


def _add_shown(tally: ReplayTally, name: str, ns: Longs, filled: Floats, among: Bools) -> None:
    """Fills of some ghosts at the waits that are reported by class."""
    for wait in SHOWN_S:
        tally.add_mean(
            f"filled_{wait}s_{name}", ns, filled <= wait, _in_time(tally.day, among, wait)
        )


def _others(scale: FillScale) -> dict[str, tuple[float, int]]:
    """Ghosts of other sizes and off the touch: shares and ticks behind it."""
    found: dict[str, tuple[float, int]] = {name: (scale.ghost, d) for d, name in OFFS.items()}
    return found | {f"size_{part:g}": (part * scale.queue, 0) for part in SIZES}


def _in_time(day: ReplayedDay, fine: Bools, wait_s: float) -> Bools:
    """Starts whose wait ends before the session does."""
    return np.asarray(fine & (day.starts + round(wait_s * NS_PER_SECOND) <= day.close_ns)[:, None])


def _add_parts(tally: ReplayTally, ns: Longs, found: Floats, fine: Bools) -> None:
    """Filled before a better quote ever stood in front, and after one did."""
    wait, among = PART_S, _in_time(tally.day, fine, PART_S)
    filled, away, back = (found[..., at] for at in (k.FILLED, k.AWAY, k.BACK))
    first = (filled <= wait) & (filled <= away)
    left = away <= wait
    tally.add_mean("filled_before_away", ns, first, among)
    tally.add_mean("filled_after_away", ns, (filled <= wait) & ~first, among)
    tally.add_mean("filled_given_away", ns, filled <= wait, among & left)
    tally.add_mean("back_given_away", ns, np.minimum(back, filled) <= wait, among & left)


def _width(day: ReplayedDay) -> Longs:
    """Ticks between the best prices at each start, int64[G, 1]."""
    return np.asarray(
        (day.stand[:, 1, 0, k.STAND_PRICE] - day.stand[:, 0, 0, k.STAND_PRICE])[:, None]
    )


def _classes(day: ReplayedDay, scale: FillScale) -> dict[str, Bools]:
    """Ghosts by lots ahead (quartiles of tape) and by the width of the touch, bool[G, 2] each."""
    ahead = day.stand[:, :, 0, k.STAND_LOTS] * day.lot
    place = np.searchsorted(np.asarray(scale.places), ahead, side="left")
    width = _width(day)
    found = {f"place_{q + 1}": place == q for q in range(4)}
    within = {name: (width >= low) & (width <= high) for name, (low, high) in SPREADS.items()}
    return found | {f"spread_{name}": np.repeat(one, 2, axis=1) for name, one in within.items()}
