"""Where classes begin: `split` against all choices of edges, and quantiles of a tape counted by hand."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from tercel.market.flow.queue_reactive import edges as at, layout as q

S = 10**9


def likelihood(pairs: list[tuple[int, int]], edges: tuple[float, ...], least: int) -> float:
    """Log likelihood of the labels given the class, in plain loops; -inf: a class has fewer than `least`."""
    classes: dict[int, list[int]] = {n: [] for n in range(len(edges) + 1)}
    for value, label in pairs:
        classes[sum(edge <= value for edge in edges)].append(label)
    if min(map(len, classes.values())) < least:
        return -math.inf
    return sum(
        many.count(label) * math.log(many.count(label) / len(many))
        for many in classes.values()
        for label in set(many)
    )


@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(0, 4),
    st.integers(1, 6),
)
@example([(1, 0), (2, 0), (3, 0)], 2, 1)  # nothing to tell
@example([(1, 0), (2, 1), (3, 0), (4, 1)], 2, 1)  # one edge tells little, three tell all
def test_split_tells_as_much_as_the_best_of_all_choices(
    pairs: list[tuple[int, int]], most: int, least: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at, "MIN_CLASS_EVENTS", least)
        values, labels = np.array(pairs).T
        found = tuple(at.informative_edges(values, labels, most).tolist())
    seen = sorted({float(value) for value, _ in pairs})
    choices = [c for n in range(most + 1) for c in itertools.combinations(seen[1:], n)]
    best = max(likelihood(pairs, c, min(least, len(pairs))) for c in choices)
    assert len(found) <= most
    assert list(found) == sorted(set(found))
    assert set(found) <= set(seen[1:])
    assert likelihood(pairs, found, min(least, len(pairs))) == pytest.approx(best, abs=1e-9)


def test_split_of_many_values_parts_them_where_the_labels_change() -> None:
    values = np.arange(100_000) // 10
    found = at.informative_edges(values, (values >= 6_000).astype(np.int64), 1)
    assert found == pytest.approx(6_000, abs=10_000 / at.VALUES)


def test_split_of_nothing_and_of_one_value_has_no_edges() -> None:
    none = np.zeros(0, np.int64)
    assert len(at.informative_edges(none, none, 3)) == 0
    assert len(at.informative_edges(np.full(500, 7), np.arange(500) % 3, 3)) == 0


def test_a_class_of_a_split_has_enough_events() -> None:
    """A hundred of a thousand values tell all, and are too few for a class."""
    values = np.concatenate((np.zeros(100), np.arange(1, 10).repeat(100))).astype(np.int64)
    (edge,) = at.informative_edges(values, (values == 0).astype(np.int64), 1)
    assert (values < edge).sum() == at.MIN_CLASS_EVENTS


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=80),
    st.lists(st.floats(0.0, 0.99), max_size=5),
)
def test_cuts_are_just_above_quantiles(sample: list[int], shares: list[float]) -> None:
    found = at.quantile_edges(np.array(sample), sorted(shares))
    assert (np.diff(found) > 0).all()
    assert set(found) == {float(int(np.quantile(sample, share)) + 1) for share in shares}
    for share, edge in ((share, float(int(np.quantile(sample, share)) + 1)) for share in shares):
        assert sum(x < edge for x in sample) >= share * (len(sample) - 1)
    assert len(at.quantile_edges(np.zeros(0, np.int64), shares)) == 0


def day(rows: list[tuple[int, int, int, int, int]]) -> Any:
    """A stretch of (second, kind, side, bid before it, ask before it)."""
    table = np.array(rows, np.int64).reshape(-1, 5)
    o = SimpleNamespace(n=len(table), ns=table[:, 0] * S, kind=table[:, 1], side=table[:, 2])
    return SimpleNamespace(o=o, bid=table[:, 3:4], ask=table[:, 4:5])


TAPE = day([
    (0, q.MARKET, -1, 100, 103),  # empties the bid: three ticks
    (2, q.LIMIT_IN_SPREAD, 1, 97, 103),  # a buyer comes back two seconds after
    (3, q.CANCEL_AT_BEST, -1, 99, 103),  # leaves the ask: two ticks
    (7, q.LIMIT_IN_SPREAD, 1, 99, 105),  # seven seconds after the fall of the bid, four after that of the ask
    (8, q.MARKET, 1, 101, 105),  # takes part of the queue
    (9, q.LIMIT_IN_SPREAD, -1, 101, 105),
    (13, q.MARKET, 1, 101, 104),  # empties the ask: one tick
    (14, q.LIMIT_AT_BEST, 1, 101, 105),
])  # fmt: skip


def test_drops_pauses_and_falls_by_hand() -> None:
    assert sorted(at.drops([TAPE, TAPE])) == [1, 1, 2, 2, 3, 3]
    pauses = np.array([8, 5, 8, 5]) * S
    expected = np.quantile(np.append(pauses, 1), at.PAUSES_AT) + np.arange(1, 5)
    np.testing.assert_allclose(at.pauses([TAPE, TAPE]), expected)
    assert sorted(at.falls([TAPE])) == [1, 2 * S, 6 * S, 7 * S]


def test_a_tape_on_which_nothing_happens_has_edges() -> None:
    quiet = day([(0, q.LIMIT_AT_BEST, 1, 100, 101), (1, q.LIMIT_AT_BEST, -1, 100, 101)])
    assert len(at.quantile_edges(at.drops([quiet]), at.DROPS_AT)) == 0
    assert (np.diff(at.pauses([quiet])) > 0).all()
    assert at.falls([quiet]).tolist() == [1]
