"""Cost attribution against exact fractions over a list of fills, and its identities."""

from collections import namedtuple
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.execution.fills import Fills, costs_of_fills

from tercel.core.errors import TercelError
from tercel.execution.costs import PARTS, Costs, attribute, displacement

Fill = namedtuple("Fill", "price2 touch2 mid2 qty bucket passive forced unfilled")
Episode = namedtuple("Episode", "side arrival_mid2 fills mids twin_mids")
GRID = 4


@st.composite
def fill(draw):
    """A taking, a passive, a forced or an unfillable fill somewhere near 20,000 half ticks."""
    how = draw(st.sampled_from(["take", "passive", "forced", "unfilled"]))
    touch2 = draw(st.integers(19_900, 20_100))
    price2 = touch2 + 2 * draw(st.integers(-5, 5)) if how in ("take", "forced") else touch2
    mid2 = draw(st.integers(19_900, 20_100))
    forced = how in ("forced", "unfilled")
    bucket = GRID - 1 if forced else draw(st.integers(0, GRID - 1))
    return Fill(
        price2,
        touch2,
        mid2,
        draw(st.integers(1, 500)),
        bucket,
        how == "passive",
        forced,
        how == "unfilled",
    )


mids = st.lists(st.integers(19_900, 20_100), min_size=GRID, max_size=GRID)
episode = st.builds(
    Episode,
    st.sampled_from([1, -1]),
    st.integers(19_000, 21_000),
    st.lists(fill(), min_size=1, max_size=6),
    mids,
    mids,
)
episodes = st.lists(episode, min_size=1, max_size=6)


def column(rows, name, dtype=np.int64):
    return np.array([getattr(row, name) for row in rows], dtype)


def costs_of(days):
    """The vectorised sums of the same fills."""
    flat = [one for day in days for one in day.fills]
    owner = np.repeat(np.arange(len(days)), [len(day.fills) for day in days])
    flags = ("passive", "forced", "unfilled")
    columns = {
        name: column(flat, name, bool if name in flags else np.int64) for name in Fill._fields
    }
    costs = costs_of_fills(
        Fills(owner, **columns),
        qty=np.array([sum(one.qty for one in day.fills) for day in days]),
        arrival_mid2=column(days, "arrival_mid2"),
        side=column(days, "side", np.int8),
        mid2_grid=column(days, "mids"),
        cluster=np.arange(len(days)),
    )
    return costs, column(days, "twin_mids")


def by_the_book(days, twin):
    """The formulas, one fill at a time, in exact fractions of bps; prices in ticks."""

    def ticks(half_ticks):
        return Fraction(half_ticks, 2)

    d = [
        sum(day.side * (ticks(day.mids[g]) - ticks(day.twin_mids[g])) for day in days) / len(days)
        if twin
        else Fraction(0)
        for g in range(GRID)
    ]
    rows = []
    for day in days:
        part = dict.fromkeys(("is", "spread", "impact", "timing", "forced"), Fraction(0))
        for one in day.fills:
            price, touch, mid = ticks(one.price2), ticks(one.touch2), ticks(one.mid2)
            spread, walk = day.side * (touch - mid) * one.qty, day.side * (price - touch) * one.qty
            timing, moved = (
                day.side * (mid - ticks(day.arrival_mid2)) * one.qty,
                d[one.bucket] * one.qty,
            )
            part["is"] += day.side * (price - ticks(day.arrival_mid2)) * one.qty
            if one.forced:
                part["forced"] += spread + (walk + moved) + (timing - moved)
            else:
                part["spread"] += spread if twin else spread + walk
                part["impact"] += walk + moved
                part["timing"] += timing - moved
        whole = ticks(day.arrival_mid2) * sum(one.qty for one in day.fills)
        rows.append({f"{key}_bps": float(10_000 * value / whole) for key, value in part.items()})
    return rows


@given(episodes, st.booleans())
def test_every_part_is_that_of_the_formulas_fill_by_fill(days, twin):
    costs, twin_mids = costs_of(days)
    costs.check()
    found = attribute(costs, twin_mids if twin else None)
    for row, expected in enumerate(by_the_book(days, twin)):
        for key, value in expected.items():
            if key == "impact_bps" and not twin:
                assert np.isnan(found[key][row])
            else:
                assert found[key][row] == pytest.approx(value, abs=1e-9)


@given(episodes, st.integers(-1000, 1000))
def test_the_parts_add_up_exactly(days, fees):
    costs, twin_mids = costs_of(days)
    costs = replace(costs, fees=np.full(len(costs), fees))
    for twin in (twin_mids, None):
        found = attribute(costs, twin)
        total = np.nansum([found[key] for key in PARTS], axis=0)
        np.testing.assert_allclose(total, found["is_bps"], atol=1e-9, rtol=0)


@given(episodes, st.integers(1, 50))
def test_displacement_moves_cost_from_timing_to_impact(days, ticks):
    costs, _ = costs_of(days)
    pushed = costs.mid2_grid - 2 * ticks * costs.side[:, None].astype(np.int64)
    np.testing.assert_array_equal(displacement(costs, pushed), 2.0 * ticks)
    moved, still = attribute(costs, pushed), attribute(costs, costs.mid2_grid)
    gain = moved["impact_bps"] - still["impact_bps"]
    before = 2 * ticks * costs.lots_grid.sum(1) / costs.denominator * 1e4
    np.testing.assert_allclose(gain, before, atol=1e-9)
    np.testing.assert_allclose(still["timing_bps"] - moved["timing_bps"], before, atol=1e-9)
    np.testing.assert_array_equal(moved["forced_bps"], still["forced_bps"])


def test_a_worked_example():
    # Buy 100, arrival mid 100.5 ticks: 60 rest and fill at 100; 40 are forced, at the ask of 103 (mid 102.5).
    day = Episode(
        1,
        201,
        [
            Fill(200, 200, 201, 60, 0, True, False, False),
            Fill(206, 206, 205, 40, 3, False, True, False),
        ],
        [201, 202, 204, 205],
        [201, 201, 203, 203],
    )
    costs, twin_mids = costs_of([day])
    found = {key: float(value[0]) for key, value in attribute(costs, twin_mids).items()}
    unit = 1e4 / (201 * 100)
    expected = {
        "spread_bps": -60 * unit, "forced_bps": (40 + 160) * unit, "impact_bps": 0.0, "timing_bps": 0.0,
        "fees_bps": 0.0, "is_bps": 140 * unit, "passive_share": 0.6,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@given(episodes, episodes)
def test_concat_and_select_undo_each_other(first, second):
    one, other = costs_of(first)[0], costs_of(second)[0]
    both = Costs.concat([one, other])
    assert len(both) == len(one) + len(other)
    mask = np.arange(len(both)) < len(one)
    for back, original in ((both.select(mask), one), (both.select(np.flatnonzero(~mask)), other)):
        for field in fields(Costs):
            np.testing.assert_array_equal(getattr(back, field.name), getattr(original, field.name))


@pytest.fixture
def costs():
    return costs_of(
        [
            Episode(
                1,
                20_000,
                [Fill(20_002, 20_002, 20_001, 10, 0, False, False, False)],
                [1] * 4,
                [1] * 4,
            )
        ]
    )[0]


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        *(
            (name, lambda sums: sums + 11, "episode 0")
            for name in ("lots_filled", "forced_lots", "unfilled_lots", "passive_lots", "qty")
        ),
        *((name, lambda sums: sums * 0, None) for name in ("qty", "arrival_mid2", "side")),
        ("spread", lambda sums: sums.astype(float), r"Costs\.spread as int64"),
        ("walk", lambda _: np.zeros(2, np.int64), r"Costs\.walk as int64 of shape \(1,\)"),
        (
            "lots_grid",
            lambda _: np.zeros((1, 3), np.int64),
            r"lots_grid as int64 of shape \(1, 4\)",
        ),
    ],
)
def test_sums_that_cannot_be_are_found(costs, name, changed, told):
    costs.check()
    with pytest.raises(TercelError, match=told):
        replace(costs, **{name: changed(getattr(costs, name))}).check()
    with pytest.raises(TercelError, match="counterfactual mids"):
        attribute(costs, np.zeros((2, 4), np.int64))
