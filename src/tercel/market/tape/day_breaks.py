"""Breaks of a recorded day in its compiled tape: rows that say when they begin and end."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from tercel.core.vocabulary import BREAK, STATUS
from tercel.market.tape.compiled import CompiledDay
from tercel.market.tape.recorded_rules import recorded_hours


def with_breaks(day: CompiledDay) -> CompiledDay:
    """The day with two rows of status for each of its breaks: by the first the schedules of orders at work move."""
    hours = recorded_hours(day.instrument)
    rows = [
        row
        for window, later in pairwise(hours.windows)
        for row in (
            (window.end_ns, STATUS, -1, 0, BREAK, later.start_ns - window.end_ns),
            (later.start_ns, STATUS, -1, 0, 1, 0),
        )
    ]
    if not rows:
        return day
    times = [row[0] for row in rows]
    checkpoints = []
    for checkpoint in day.checkpoints:
        passed = int(np.searchsorted(times, checkpoint.ns, side="right"))
        is_halted = checkpoint.halted or passed % 2 == 1
        checkpoints.append(replace(checkpoint, row=checkpoint.row + passed, halted=is_halted))
    all_rows = np.insert(day.rows, np.searchsorted(day.rows[:, 0], times), rows, axis=0)
    return replace(day, rows=all_rows, checkpoints=tuple(checkpoints))
