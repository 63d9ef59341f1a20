"""Days of quotes that are written by hand, for costs of executions."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.schema import LEVEL_SET, MESSAGE_END, TRADE


def quoted_lake(
    folder: Path,
    about: Instrument,
    times: Iterable[int],
    prints: Iterable[int] = (),
    ticks: int = 1000,
) -> Lake:
    """A day of quotes two ticks apart, the bid at `ticks` or one or two above, a message at each time; prints too."""
    rows: list[list[int]] = []
    for number, ns in enumerate(times):
        bid = ticks + number % 3
        old = ticks + (number - 1) % 3
        gone = [] if number == 0 else [(1, old, 0), (-1, old + 2, 0)]
        message = [*gone, (1, bid, 500), (-1, bid + 2, 500)]
        for at, (side, price, lots) in enumerate(message):
            rows.append(
                [ns, ns, 0, LEVEL_SET, 0, side, price, lots, MESSAGE_END * (at == len(message) - 1)]
            )
    rows += [[ns, ns, 0, TRADE, 0, 1, ticks + 1, 7, MESSAGE_END] for ns in prints]
    rows.sort(key=lambda row: row[0])
    ends = np.cumsum([0, *(row[8] > 0 for row in rows[:-1])])
    for row, seq in zip(rows, ends, strict=True):
        row[2] = int(seq) + 1
    lake = Lake(folder)
    lake.write(about, Events.from_table(np.array(rows, np.int64)))
    return lake
