"""Undercut quotes against a slow count on small random tapes, a made tape with known ones, and the file's format."""

import random

import numpy as np
import pytest
from tests.market.simulator.replay_oracle import RandomTape

from studies.tape import undercut as study, undercut_kernels as u
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE

pytestmark = pytest.mark.release

S = 10**9


def touches(rows):
    tape = np.array(rows, np.int64)
    seen = np.zeros((len(tape), u.TOUCHES), np.int64)
    u.touches(
        tape,
        np.zeros((0, 6), np.int64),
        np.zeros((512, 4), np.int64),
        *np.zeros((2, 4000), np.int64),
        seen,
    )
    return tape, seen


def followed(rows, most_ns=60 * S):
    tape, seen = touches(rows)
    found = np.zeros((len(tape), u.QUOTE), np.int64)
    found = found[: u.quotes(tape, seen, 0, 10**15, found)]
    for q in found:
        u.follow(tape, q, most_ns)
    return found


def slowly(rows, q):
    """What became of a quote, row by row: when, why."""
    left = q[u.Q_LOTS]
    for ns, kind, slot, side, price, lots in rows[q[u.Q_ROW] + 1 :]:
        if kind not in (ADD, EXECUTE, REDUCE, DELETE):
            return ns, u.STOOD
        if (
            kind == ADD
            and side == q[u.Q_SIDE]
            and (price > q[u.Q_PRICE]) == (side > 0)
            and price != q[u.Q_PRICE]
        ):
            return ns, u.UNDERCUT
        if kind != ADD and slot == q[u.Q_SLOT]:
            left -= lots
            if kind == EXECUTE or left <= 0:
                return ns, u.FILLED if kind == EXECUTE else u.CANCELLED
    return rows[-1][0], u.STOOD


@pytest.mark.parametrize("seed", range(20))
def test_quotes_and_their_ends_are_those_of_a_slow_count(seed):
    kinds = (ADD, EXECUTE, REDUCE, DELETE)
    rows = [row for row in RandomTape(random.Random(seed), 200, 0).rows if row[1] in kinds]
    seen = touches(rows)[1]
    live = {}
    for i, (_, kind, slot, side, price, lots) in enumerate(rows):
        if kind == ADD:
            live[slot] = [side, price, lots]
        elif slot in live:
            live[slot][2] -= lots
            if live[slot][2] <= 0:
                del live[slot]
        for which, column in ((1, u.BID), (-1, u.ASK)):
            prices = [p for s, p, _ in live.values() if s == which]
            if prices:
                assert seen[i, column] == (max(prices) if which > 0 else min(prices))
    for q in followed(rows):
        crossed = any(
            r[1] == ADD and r[3] == -q[u.Q_SIDE] and (r[4] - q[u.Q_PRICE]) * q[u.Q_SIDE] <= 0
            for r in rows[q[u.Q_ROW] :]
        )
        if not crossed:
            assert (q[u.Q_END_NS], q[u.Q_WHY]) == slowly(rows, q)


def test_a_made_tape_has_its_undercuts():
    book = [(0, ADD, 0, 1, 1000, 9), (0, ADD, 1, -1, 1020, 9)]
    rows = [
        *book,
        (S, ADD, 2, 1, 1005, 4),
        (3 * S, ADD, 3, 1, 1005, 1),
        (4 * S, ADD, 4, 1, 1007, 2),
    ]
    rows += [
        (6 * S, DELETE, 4, 1, 1007, 2),
        (7 * S, EXECUTE, 2, 1, 1005, 1),
        (99 * S, ADD, 5, 1, 900, 1),
    ]
    first, second = followed(rows)
    assert first[[u.Q_WHY, u.Q_END_NS, u.Q_MATCHED_NS, u.Q_BY, u.Q_ROOM, u.Q_STEP]].tolist() == [
        u.UNDERCUT, 4 * S, 3 * S, 4, 14, 5
    ]  # fmt: skip
    assert second[[u.Q_WHY, u.Q_END_NS, u.Q_ROOM]].tolist() == [u.CANCELLED, 6 * S, 12]
    day = study.DayOfQuotes(
        "SIM 2030",
        "2030-01-02",
        np.stack([first, second]),
        np.zeros((2, 2, u.QUOTE), np.int64),
        2.0,
        np.full(2, 1010.0),
    )
    counts = study.counts_of(day)
    assert counts.events[0].sum() == 1
    assert counts.seconds[0].sum() == pytest.approx(5.0)
    assert counts.ends.tolist() == [0, 0, 1, 1]
    steps, lots, _ = study.undercutters([day])
    assert steps.tolist() == [2 / 14]
    assert lots.tolist() == [1.0]
