"""The event study on days whose effect was planted, its counts against a row-by-row twin, and matching by hand."""

import numpy as np
import pytest
from tests.studies.made import observed, planted

from studies.tape import matched, shown
from studies.tape.event_study import Study, event_study
from studies.tape.shown import COUNTED, GAP_S, HORIZONS_S
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed, event_columns

pytestmark = pytest.mark.release

DAYS = 8


def studied(**options: float) -> Study:
    return event_study(
        "MADE", {f"2030-01-{i + 1:02}": planted(100 + i, **options) for i in range(DAYS)}
    )


@pytest.fixture(scope="module")
def doubled() -> Study:
    return studied(factor=2.0)


@pytest.fixture(scope="module")
def nothing_in_bursts() -> Study:
    return studied(bursts=3.0)


def cell(
    study: Study, outcome: str, seconds: int, k: int = 3, kind: str = "join"
) -> dict[str, float]:
    return study.effects[kind][str(k)][outcome][str(seconds)]


@pytest.mark.parametrize(("seconds", "true"), [(10, 2.0), (60, 2.0), (300, 1.2)])
@pytest.mark.parametrize(
    "outcome", ["opposite_orders", "opposite_lots", "opposite_over_other_orders"]
)
def test_a_planted_effect_is_found(doubled: Study, outcome: str, seconds: int, true: float) -> None:
    found = cell(doubled, outcome, seconds)
    assert found["ci_low"] < true < found["ci_high"]
    assert found["ci_low"] > 1.0
    assert abs(found["placebo"] - 1.0) < 0.1


def test_lots_of_each_lot_shown(doubled: Study) -> None:
    """Five usual sizes bring (60 s / 5 s) 12 orders of 50 lots more: 600 for 400 lots beyond the usual."""
    found = doubled.lots_per_lot_shown["60"]
    assert found["ci_low"] < 1.5 < found["ci_high"]
    assert abs(found["placebo"]) < 0.15


def test_busy_times_are_no_attraction(nothing_in_bursts: Study) -> None:
    for outcome in ("opposite_orders", "opposite_lots", "opposite_over_other_orders"):
        for seconds in (60, 180, 300):
            found = cell(nothing_in_bursts, outcome, seconds)
            assert found["ci_low"] < 1.0 < found["ci_high"], (outcome, seconds)


def test_improving_orders_are_apart() -> None:
    days = {
        f"2030-01-{i + 1:02}": planted(i, factor=3.0, kind=event_columns.LIMIT_IN_SPREAD)
        for i in range(5)
    }
    study = event_study("MADE", days)
    assert study.events["join"]["3"] == 0
    assert cell(study, "opposite_orders", 60, kind="improve")["ci_low"] > 2.0


def test_days_cut_short_or_without_a_book_are_left_out() -> None:
    short = planted(1)
    short = Observed(**{**vars(short), "stop_ns": short.stop_ns + 1000 * NS_PER_SECOND})
    wide = planted(2)
    wide.spread[1000:1100] = 500
    study = event_study("MADE", {"a": planted(3), "b": short, "c": wide})
    assert study.days == ("a",)
    assert "before its close" in study.left_out["b"]
    assert "wider than 100 ticks" in study.left_out["c"]


def test_nothing_to_study() -> None:
    with pytest.raises(ConfigError, match="book"):
        event_study("MADE", {})
    with pytest.raises(ConfigError, match="limit orders at the touch"):
        event_study(
            "MADE", {"a": observed([1.0, 23_390.0], [event_columns.MARKET] * 2, [1, 1], [5, 5])}
        )


# -- counting ---------------------------------------------------------------------------------------------------------


def by_hand(day: Observed, row: int, first: int, last: int) -> list[float]:
    """Outcomes in ns of ``first < ns <= last``, one row at a time; after the event from the row behind it."""
    found = dict.fromkeys(COUNTED, 0.0)
    s = int(day.side[row])
    for i in range(day.n):
        if not first < day.ns[i] <= last and not (i > row and first == day.ns[row] == day.ns[i]):
            continue
        own, lots = int(day.side[i]) == s, float(day.lots[i])
        if day.kind[i] == event_columns.MARKET:
            found["other_orders" if own else "opposite_orders"] += 1
            found["other_lots" if own else "opposite_lots"] += lots
        elif day.kind[i] in (event_columns.CANCEL_AT_BEST, event_columns.CANCEL_DEEPER):
            found["own_cancels" if own else "other_cancels"] += lots
            mine = i > row and day.order_id[row] != 0 and day.order_id[i] == day.order_id[row]
            found["own_cancels_by_others"] += lots if own and not mine else 0.0
        elif i != row:
            found["own_adds" if own else "other_adds"] += lots
    return list(found.values())


def test_counts_as_row_by_row() -> None:
    rng = np.random.default_rng(5)
    n = 1500
    day = observed(
        np.sort(np.round(rng.uniform(0, 2000, n), 1)), rng.integers(0, 6, n), rng.choice([1, -1], n),
        rng.integers(1, 50, n), mid=1000 + np.cumsum(rng.integers(-1, 2, n)), seconds=2000.0,
    )  # fmt: skip
    day.order_id[:] = 2 * rng.integers(0, 60, n) * (rng.random(n) < 0.9) + (day.side > 0)
    orders = shown.shown_orders(day, 100.0)
    found = shown.outcomes(day, orders)
    for e in range(0, orders.n, 9):
        now, row = int(orders.ns[e]), int(orders.row[e])
        for h, seconds in enumerate(HORIZONS_S):
            length, gap = round(seconds * NS_PER_SECOND), round(GAP_S * NS_PER_SECOND)
            assert found[e, 0, h, :-1].tolist() == by_hand(day, row, now, now + length)
            assert found[e, 1, h, :-1].tolist() == by_hand(day, row, now - gap - length, now - gap)
        later = np.flatnonzero(day.ns > now + 60 * NS_PER_SECOND)[0]
        best = day.bid_px[row, 0] if day.side[row] > 0 else day.ask_px[row, 0]
        step = 0.5 * (float(day.price[row]) - best) * orders.improves[e]
        moved = int(day.side[row]) * (float(day.bid_px[later, 0]) - day.bid_px[row, 0] - step)
        assert found[e, 0, 1, -1] == moved


# -- matching ---------------------------------------------------------------------------------------------------------


def test_neighbours_are_the_nearest_that_are_far_enough_in_time() -> None:
    rng = np.random.default_rng(2)
    state, controls = rng.normal(size=(20, 4)), rng.normal(size=(300, 4))
    ns, others = (rng.integers(0, 5000, k) * NS_PER_SECOND for k in (20, 300))
    units = np.array([1.0, 2.0, 0.5, 1.0])
    near = matched.neighbours(state, ns, controls, others, units, many=3)
    for i in range(20):
        distance = np.sum(((state[i] - controls) / units) ** 2, axis=1)
        distance[np.abs(others - ns[i]) < matched.APART_S * NS_PER_SECOND] = np.inf
        assert near[i].tolist() == np.argsort(distance)[:3].tolist()


def test_sums_weigh_controls_by_their_clusters() -> None:
    """Two treated events of two clusters, their controls in each other's: means by hand under counts."""
    near = np.array([[0, 1], [2, 3]])
    sums = matched.add_up(
        np.array([[10.0], [30.0]]), np.array([0, 1]), np.array([[1.0], [3.0], [5.0], [7.0]]), np.array([1, 1, 0, 1]),
        near, 2,
    )  # fmt: skip
    treated, control = sums.means(np.array([[1.0, 1.0], [2.0, 1.0], [0.0, 2.0]]))
    assert treated.ravel().tolist() == [20.0, 50.0 / 3.0, 30.0]
    np.testing.assert_allclose(
        control.ravel(), [(2.0 + 6.0) / 2, (2 * 2.0 + (2 * 5.0 + 7.0) / 3) / 3, 7.0]
    )
