"""UTC times of local times of a zone, where summer time repeats or skips an hour."""

from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Ints

# Local times of a file as moments: an hour that a clock change repeats is ordered by the file's own sequence.
DAY_NS: Final = 86_400 * 10**9
LEAST_STEP_NS: Final = 10**9
"""A step back in time of less than this is never taken for the change of the clocks."""
NOISE: Final = 4
"""The step back at a clock change must exceed this many times the largest disorder elsewhere in the file."""


def resolve_local_times(
    local: pl.Series, zone: str, repeated: str = "", by: pl.Series | None = None
) -> tuple[pl.Series, pl.Series]:
    """UTC times of local times of a zone, and the rows whose pass through a repeated hour is not known.

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
    >>> moments, unshown = resolve_local_times(pl.Series(local, dtype=pl.Datetime("ns")), "America/Chicago")
    >>> [f"{moment:%H:%M}" for moment in moments], unshown.any()
    (['05:59', '06:20', '06:50', '07:10', '07:40', '08:00'], False)
    """
    earliest, latest = (
        local.dt.replace_time_zone(zone, ambiguous=which, non_existent="null").dt.convert_time_zone(
            "UTC"
        )
        for which in ("earliest", "latest")
    )
    is_repeated = (earliest != latest).fill_null(False)
    if not is_repeated.any():
        return earliest, is_repeated
    early, late = (
        pass_times.to_physical().fill_null(0).to_numpy() for pass_times in (earliest, latest)
    )
    repeated_mask = is_repeated.to_numpy()
    moments = early.copy()
    unshown = repeated_mask.copy()
    night = (
        (local.to_physical() - DAY_NS // 2) // DAY_NS
    ).to_numpy()  # from noon to noon: clocks change at night
    group = (
        np.zeros(len(local), np.int64) if by is None else by.rank("dense").fill_null(0).to_numpy()
    )
    known_rows = np.flatnonzero(earliest.is_not_null().to_numpy())
    sorted_rows = known_rows[np.argsort(group[known_rows], kind="stable")]
    for rows in np.split(sorted_rows, np.flatnonzero(np.diff(group[sorted_rows])) + 1):
        for change in np.unique(night[rows][repeated_mask[rows]]):
            rows_of_change = rows[
                ~repeated_mask[rows] | (night[rows] == change)
            ]  # each change is looked at for itself
            walks = [
                (ordering, _order_passes(early[ordering], late[ordering], repeated_mask[ordering]))
                for ordering in (rows_of_change, rows_of_change[::-1])
            ]
            consistent = [
                (ordering, *resolution) for ordering, resolution in walks if resolution is not None
            ]
            if len(consistent) == 1 and consistent[0][2]:
                ordering, moved, _ = consistent[0]
                moments[ordering] = moved
                unshown[ordering] = False
    if repeated:
        moments = np.where(unshown & (repeated == "second"), late, moments)
        unshown[:] = False
    resolved = pl.Series(local.name, moments, pl.Int64).set(earliest.is_null(), None)
    return resolved.cast(pl.Datetime("ns", "UTC")), pl.Series(unshown)


def _order_passes(early: Ints, late: Ints, is_repeated: Bools) -> tuple[Ints, bool] | None:
    """Times of chronological rows through a repeated hour, and whether a step back shows both passes; None if
    impossible.

    `early` and `late` (n,) are the moments of either pass, the same outside the stretch (`is_repeated` is false). None where
    no choice of passes puts the rows in order, but for the disorder that they have elsewhere.
    """
    allowed = max(NOISE * _furthest_back(early[~is_repeated]), LEAST_STEP_NS)
    if allowed >= (late - early).max():
        return None
    moments = early.copy()
    around = np.maximum.accumulate(np.where(is_repeated, early.min(), early))
    # the latest moment of each pass
    passed = [int(early.min())] * 2
    is_shown = False
    for row in np.flatnonzero(is_repeated).tolist():
        second = int(early[row]) < max(*passed, int(around[row])) - allowed
        is_shown |= int(early[row]) < passed[0] - allowed
        moments[row] = late[row] if second else early[row]
        passed[second] = max(passed[second], int(moments[row]))
    return (moments, is_shown) if _furthest_back(moments) <= allowed else None


def _furthest_back(moments: Ints) -> int:
    """Most by which a moment lies before the latest of the moments above it, ns; 0 if they are in order."""
    return int((np.maximum.accumulate(moments) - moments).max()) if len(moments) else 0
