"""Splits in time that cannot look ahead: walk-forward with purge and embargo.

    for train, test in walk_forward(data.time_ns, data.end_ns, splits=5, embargo_ns=10 * DAY): ...

*Purge*: a row whose label interval reaches into the test block does not train. *Embargo*: nor does one whose label ends
less than `embargo_ns` before the block (Lopez de Prado 2018, "Advances in Financial Machine Learning", chapter 7). All
times are ns; rows may be in any order.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from tercel.core.arrays import Indices, Ints
from tercel.core.errors import DataError

DAY = 86_400 * 1_000_000_000


def walk_forward(
    time_ns: Ints,
    end_ns: Ints,
    *,
    splits: int = 5,
    embargo_ns: int = 0,
    cuts: Sequence[int] | None = None,
    first: float = 0.5,
) -> Iterator[tuple[Indices, Indices]]:
    """(train, test) row numbers: always the past to train on, the block that follows to test.

    Parameters
    ----------
    time_ns, end_ns : int64 (n,)
        When a row is decided; when its label is known.
    splits : int
        Test blocks of about equally many different times, over the last `1 - first` of them.
    embargo_ns : int
        Between the last training label and the first test time.
    cuts : sequence of int, optional
        Bounds of the test blocks instead (m + 1 times for m blocks): [cuts[i], cuts[i + 1]).
    first : float
        Share of the times that only ever trains.

    Raises
    ------
    DataError
        When the panel is too short for one training row before a block.
    """
    time_ns, end_ns = np.asarray(time_ns, np.int64), np.asarray(end_ns, np.int64)
    _refuse_short(time_ns, embargo_ns)
    bounds = _cuts(time_ns, splits, first) if cuts is None else [int(cut) for cut in cuts]
    for low, high in pairwise(bounds):
        test = np.flatnonzero((time_ns >= low) & (time_ns < high))
        train = np.flatnonzero((end_ns + embargo_ns <= low) & (time_ns < low))
        if len(test) == 0:
            continue
        if len(train) == 0:
            raise _short(
                "rows whose labels end an embargo before the first test block", time_ns, embargo_ns
            )
        yield train, test


def _cuts(time_ns: Ints, splits: int, first: float) -> list[int]:
    times = np.unique(time_ns)
    begin = int(len(times) * first)
    if splits < 1 or not 0.0 < first < 1.0 or begin < 1 or len(times) - begin < splits:
        expected = f"enough different times for {splits} test blocks after the first {first:.0%}"
        raise DataError(expected, f"{len(times)} times", "use fewer splits or a longer panel")
    at = np.linspace(begin, len(times), splits + 1).round().astype(int)
    return [*times[at[:-1]].tolist(), int(times[-1]) + 1]


def _refuse_short(time_ns: Ints, embargo_ns: int) -> None:
    if embargo_ns < 0:
        raise DataError(
            "an embargo of 0 ns or more",
            f"{embargo_ns}",
            "say how long labels and features overlap",
        )
    if len(time_ns) == 0 or int(time_ns.max()) - int(time_ns.min()) <= embargo_ns:
        raise _short("a panel longer than the embargo", time_ns, embargo_ns)


def _short(expected: str, time_ns: Ints, embargo_ns: int) -> DataError:
    span = (int(time_ns.max()) - int(time_ns.min())) / DAY if len(time_ns) else 0.0
    received = (
        f"{len(time_ns)} rows over {span:.2f} days and an embargo of {embargo_ns / DAY:.2f} days"
    )
    return DataError(expected, received, "use a longer panel or a shorter embargo and horizon")
