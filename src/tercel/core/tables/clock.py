"""Local times of a file as moments: an hour that a clock change repeats is ordered by the file's own sequence."""

from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Ints

DAY_NS: Final = 86_400 * 10**9
LEAST_STEP_NS: Final = 10**9
"""A step back in time of less than this is never taken for the change of the clocks."""
NOISE: Final = 4
"""The change must step back further than so many times the furthest that any row elsewhere lies behind one before."""


def resolve(
    local: pl.Series, zone: str, repeated: str = "", by: pl.Series | None = None
) -> tuple[pl.Series, pl.Series]:
    """Moments of local times, and which rows' moments the file does not show.

    A change of clocks from summer time repeats a stretch of local time (an hour; half an hour at Lord Howe). Rows in
    it belong to the first pass until the one step back of the file's clock that is far larger than the disorder
    elsewhere in the file (`NOISE`, `LEAST_STEP_NS`), and to the second from there on. Without such a step, with several
    or in a file without order, the pass is not shown. A file may be in descending order.

    Parameters
    ----------
    local : polars.Series
        Naive ``Datetime("ns")`` (n,), in the order of the file; null where a cell was no time.
    zone : str
        IANA name of the time zone.
    repeated : str
        Pass of the rows that the file does not show: "first", "second", or "" for none.
    by : polars.Series, optional
        (n,) What each row belongs to (a symbol), where each has its own sequence in the file.

    Returns
    -------
    moments : polars.Series
        ``Datetime("ns", "UTC")`` (n,); null for null, and for times that the clocks passed over in spring.
    unshown : polars.Series
        Booleans (n,): rows of which neither the file nor `repeated` shows the pass (`moments` has the first).

    >>> from datetime import datetime
    >>> clock = ["00:59", "01:20", "01:50", "01:10", "01:40", "02:00"]
    >>> local = [datetime.fromisoformat(f"2024-11-03 {at}") for at in clock]
    >>> moments, unshown = resolve(pl.Series(local, dtype=pl.Datetime("ns")), "America/Chicago")
    >>> [f"{moment:%H:%M}" for moment in moments], unshown.any()
    (['05:59', '06:20', '06:50', '07:10', '07:40', '08:00'], False)
    """
    first, second = (
        local.dt.replace_time_zone(zone, ambiguous=which, non_existent="null").dt.convert_time_zone(
            "UTC"
        )
        for which in ("earliest", "latest")
    )
    twice = (first != second).fill_null(False)
    if not twice.any():
        return first, twice
    early, late = (one.to_physical().fill_null(0).to_numpy() for one in (first, second))
    doubled = twice.to_numpy()
    moments, unshown = early.copy(), doubled.copy()
    night = (
        (local.to_physical() - DAY_NS // 2) // DAY_NS
    ).to_numpy()  # from noon to noon: clocks change at night
    whose = (
        np.zeros(len(local), np.int64) if by is None else by.rank("dense").fill_null(0).to_numpy()
    )
    there = np.flatnonzero(first.is_not_null().to_numpy())
    sorted_rows = there[np.argsort(whose[there], kind="stable")]
    for rows in np.split(sorted_rows, np.flatnonzero(np.diff(whose[sorted_rows])) + 1):
        for change in np.unique(night[rows][doubled[rows]]):
            mine = rows[
                ~doubled[rows] | (night[rows] == change)
            ]  # each change is looked at for itself
            walks = [
                (way, _in_order(early[way], late[way], doubled[way])) for way in (mine, mine[::-1])
            ]
            sound = [(way, *found) for way, found in walks if found is not None]
            if len(sound) == 1 and sound[0][2]:
                way, moved, _ = sound[0]
                moments[way], unshown[way] = moved, False
    if repeated:
        moments = np.where(unshown & (repeated == "second"), late, moments)
        unshown[:] = False
    made = pl.Series(local.name, moments, pl.Int64).set(first.is_null(), None)
    return made.cast(pl.Datetime("ns", "UTC")), pl.Series(unshown)


def _in_order(early: Ints, late: Ints, twice: Bools) -> tuple[Ints, bool] | None:
    """Moments of rows that stand in order of time, and whether a step back within the stretch shows both passes.

    `early` and `late` (n,) are the moments of either pass, the same outside the stretch (`twice` is false). None where
    no choice of passes puts the rows in order, but for the disorder that they have elsewhere.
    """
    allowed = max(NOISE * _furthest_back(early[~twice]), LEAST_STEP_NS)
    if allowed >= (late - early).max():
        return None
    moments = early.copy()
    around = np.maximum.accumulate(np.where(twice, early.min(), early))
    passed, shown = [int(early.min())] * 2, False  # the latest moment of each pass
    for row in np.flatnonzero(twice).tolist():
        second = int(early[row]) < max(*passed, int(around[row])) - allowed
        shown |= int(early[row]) < passed[0] - allowed
        moments[row] = late[row] if second else early[row]
        passed[second] = max(passed[second], int(moments[row]))
    return (moments, shown) if _furthest_back(moments) <= allowed else None


def _furthest_back(moments: Ints) -> int:
    """The furthest that a moment lies behind one before it, ns."""
    return int((np.maximum.accumulate(moments) - moments).max()) if len(moments) else 0
