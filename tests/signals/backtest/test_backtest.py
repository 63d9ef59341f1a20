"""A book from forecasts: a twin in plain Python, an example by hand, properties, what is refused."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.signals.portfolio.book import (
    Backtest,
    BookRule,
    Walk,
    backtest,
    book_weights,
    non_overlapping,
    sharpe,
    sharpes,
    walk_of,
    years,
)
from tercel.signals.portfolio.cost_laws import flat_cost, square_root_cost

WEEK = 7 * 86_400 * 10**9
START = 1_041_900_000 * 10**9  # 2003-01-07


def walk(value: Any, outcome: Any, *, every: int = WEEK, holds: int = WEEK) -> Walk:
    """Dates a week apart, labels of a week, unless told otherwise."""
    f, o = np.array(value, np.float64), np.array(outcome, np.float64)
    time = START + every * np.arange(len(f), dtype=np.int64)
    names = np.array([f"N{i:03d}" for i in range(f.shape[1])])
    return Walk(time, time + 1, time + 1 + holds, names, f, o)


def drawn(seed: int, dates: int = 40, names: int = 30, skill: float = 0.0) -> Walk:
    rng = np.random.default_rng(seed)
    outcome = 0.02 * rng.standard_normal((dates, names))
    value = skill * outcome / 0.02 + rng.standard_normal((dates, names))
    value[rng.random(value.shape) < 0.1] = np.nan
    return walk(value, outcome)


def run(of: Walk, book: BookRule | None = None, bps: float = 5.0) -> Backtest:
    return backtest(of, book or BookRule(), flat_cost(bps))


def twin(of: Walk, share: float, leave: float, hold: float, bps: float) -> list[dict[str, float]]:
    """The same in plain Python: dictionaries by name, a loop over dates."""
    equity, peak = 1.0, 1.0
    held: dict[str, float] = {}
    target: dict[str, float] = {}
    past: dict[str, float] = {}
    rows = []
    for t in range(len(of.time_ns)):
        today = {
            n: float(v) for n, v in zip(of.names, of.value[t], strict=True) if math.isfinite(v)
        }
        past = {n: hold * past[n] + (1 - hold) * v if n in past else v for n, v in today.items()}
        order = sorted(past, key=lambda name: (past[name], name))
        count, stay = max(1, int(len(order) * share)), max(1, int(len(order) * leave))
        longs = [
            n
            for i, n in enumerate(order)
            if i >= len(order) - count or (target.get(n, 0) > 0 and i >= len(order) - stay)
        ]
        shorts = [
            n for i, n in enumerate(order) if i < count or (target.get(n, 0) < 0 and i < stay)
        ]
        target = {n: 1 / len(longs) for n in longs} | {n: -1 / len(shorts) for n in shorts}
        turned = sum(abs(target.get(n, 0.0) - held.get(n, 0.0)) for n in {*target, *held})
        came = {
            n: float(o) if math.isfinite(o) else 0.0
            for n, o in zip(of.names, of.outcome[t], strict=True)
        }
        gross = sum(w * came[n] for n, w in target.items())
        cost = turned * bps / 10_000
        held = {n: w * (1 + came[n]) / (1 + gross - cost) for n, w in target.items()}
        equity *= 1 + gross - cost
        peak = max(peak, equity)
        rows.append(
            {
                "gross": gross,
                "cost": cost,
                "turnover": turned,
                "equity": equity,
                "drawdown": 1 - equity / peak,
            }
        )
    return rows


@pytest.mark.parametrize(("hold", "leave"), [(0.0, 0.1), (0.5, 0.1), (0.0, 0.3), (0.75, 0.5)])
def test_a_plain_loop_finds_the_same(hold: float, leave: float) -> None:
    of = drawn(3)
    of.outcome[::7, ::5] = np.nan
    found = run(of, BookRule(hold=hold, leave=leave), bps=7.5)
    expected = twin(of, 0.1, leave, hold, 7.5)
    for key, got in (
        ("gross", found.gross), ("cost", found.cost), ("turnover", found.turnover), ("equity", found.equity),
        ("drawdown", found.drawdown),
    ):  # fmt: skip
        np.testing.assert_allclose(got, [row[key] for row in expected], atol=1e-12)


def test_the_sharpe_ratio_is_annualised_by_the_spacing_of_dates() -> None:
    found = run(drawn(4, dates=105))
    assert found.periods == pytest.approx(365.25 / 7)
    one = sharpe(found.net, found.periods, np.random.default_rng(0))
    assert one.mean == pytest.approx(
        found.net.mean() / found.net.std(ddof=1) * math.sqrt(365.25 / 7)
    )
    assert one.ci_low is not None
    assert one.ci_high is not None
    assert one.ci_low < one.mean < one.ci_high
    flat_returns = sharpe(np.full(20, 0.01), 52.0, np.random.default_rng(0))
    assert math.isnan(flat_returns.mean)


def test_labels_that_overlap_are_not_traded_twice() -> None:
    of = walk(
        *(drawn(6, dates=60).__getattribute__(key) for key in ("value", "outcome")), holds=3 * WEEK
    )
    assert non_overlapping(of).tolist() == list(range(0, 60, 3))
    found = run(of)
    assert len(found.net) == 20
    assert found.periods == pytest.approx(365.25 / 21)


def test_the_newest_date_needs_no_outcome() -> None:
    of = drawn(7)
    known = np.where(np.arange(40)[:, None] < 39, of.outcome, np.nan)
    found = run(replace(of, outcome=known), BookRule(hold=0.5, leave=0.3))
    assert len(found.net) == 39
    np.testing.assert_allclose(
        found.target, book_weights(of.value, BookRule(hold=0.5, leave=0.3))[-1]
    )
    np.testing.assert_allclose(found.net, run(of, BookRule(hold=0.5, leave=0.3)).net[:39])


def test_the_square_root_law_by_hand() -> None:
    sd, dollars = np.full((10, 4), 0.02), np.full((10, 4), 1e8)
    sd[:, 3] = np.nan  # stands at the median
    law = square_root_cost(1.0, 4e6, sd, dollars)
    assert law(0, np.array([0.25, 0.0, 0.0, -0.25])) == pytest.approx(
        2 * 0.25 * 0.02 * math.sqrt(0.25 * 4e6 / 1e8)
    )
    with pytest.raises(DataError, match="volumes"):
        square_root_cost(1.0, 4e6, np.full((10, 4), np.nan), dollars)
    with pytest.raises(ConfigError, match="capital"):
        square_root_cost(1.0, 0.0, sd, dollars)


def test_dates_without_a_book_dilute_no_figure() -> None:
    """Forecasts that are flat before and after: every figure is that of the dates between, with the sale at their end."""
    of = drawn(9, dates=120, skill=0.2)
    of.value[np.r_[:20, 80:120]] = 1.0
    found, between = run(of), run(of.rows(np.arange(20, 80)))
    assert found.held_dates.tolist() == list(range(20, 80))
    assert np.flatnonzero(np.isfinite(found.ic)).tolist() == list(range(20, 80))
    sold = found.turnover[80]
    assert sold > 1.0
    net = between.net - np.where(np.arange(60) == 59, 5e-4 * sold, 0.0)
    np.testing.assert_allclose(found.over_held_dates(found.net), net, atol=1e-15)
    assert found.over_held_dates(found.turnover).sum() == pytest.approx(
        between.turnover.sum() + sold
    )
    year = found.walk.start_ns.astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
    for row in years(found):
        mine = net[year[20:80] == row.year]
        assert (row.dates, row.invested) == ((year == row.year).sum(), len(mine))
        if row.invested:
            assert row.sharpe_net == pytest.approx(
                mine.mean() / mine.std(ddof=1) * found.periods**0.5
            )


finite = st.floats(-0.3, 0.3, allow_nan=False)


@st.composite
def walks(draw: st.DrawFn) -> Walk:
    names, dates = draw(st.integers(10, 16)), draw(st.integers(8, 14))
    cells = st.lists(finite, min_size=names * dates, max_size=names * dates)
    value = np.array(draw(cells)).reshape(dates, names) + 1e-3 * np.arange(names)  # never flat
    outcome = np.array(draw(cells)).reshape(dates, names)
    return walk(value + np.linspace(0, 1e-6, dates)[:, None], outcome)


BOOKS = st.builds(
    BookRule, st.sampled_from(["deciles", "scores"]), hold=st.sampled_from([0.0, 0.5])
)


def varies(of: Walk) -> bool:
    return bool(
        np.isfinite(sp := np.ptp(of.value, axis=1)).all()
        and (sp > 0).all()
        and (np.ptp(of.outcome, axis=1) > 0).sum() > 5
    )


@given(walks().filter(varies), BOOKS, st.floats(0, 50))
def test_net_is_gross_less_cost_and_a_book_has_two_legs(
    of: Walk, book: BookRule, bps: float
) -> None:
    try:
        found = run(of, book, bps)
    except DataError as error:
        assert "losses" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(found.net, found.gross - found.cost)
    np.testing.assert_allclose(found.weights.sum(axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.abs(found.weights).sum(axis=1), 2.0, atol=1e-9)
    np.testing.assert_allclose(found.cost, 1e-4 * bps * found.turnover, rtol=1e-9, atol=1e-300)
    assert ((found.drawdown >= 0) & (found.drawdown <= 1)).all()
    free = run(of, book, 0.0)
    np.testing.assert_array_equal(free.net, free.gross)


@settings(deadline=None, max_examples=20)
@given(walks().filter(varies), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(of: Walk, random: Any) -> None:
    table = long(of)
    order = list(range(table.height))
    random.shuffle(order)
    same = walk_of(table[order])
    np.testing.assert_array_equal(same.value, of.value)


@given(st.lists(st.floats(-0.9, 2.0), min_size=1, max_size=30))
def test_drawdown_by_its_definition(returns: list[float]) -> None:
    """Of all dates and, within a year, of that year's returns alone."""
    equity = [1.0]
    for one in returns:
        equity.append(equity[-1] * (1 + one))
    expected = [1 - equity[t] / max(equity[: t + 1]) for t in range(1, len(equity))]
    net = np.array(returns)
    of = walk(np.zeros((len(net), 2)), np.zeros((len(net), 2)))
    found = Backtest(
        of, np.zeros((len(net), 2)), net, 0 * net, net, 0 * net, net, np.zeros(2), 52.0
    )
    np.testing.assert_allclose(found.drawdown, expected, atol=1e-12)
    assert years(found)[0].drawdown == pytest.approx(max(expected), abs=1e-12)


def long(of: Walk) -> pl.DataFrame:
    """A walk as the table that a model's folder holds."""
    dates, names = of.value.shape

    def stamps(ns: Any) -> pl.Series:
        return pl.Series(np.repeat(ns, names)).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")

    return pl.DataFrame({
        "time": stamps(of.time_ns), "start": stamps(of.start_ns), "end": stamps(of.end_ns),
        "name": np.tile(of.names, dates), "value": of.value.ravel(), "outcome": of.outcome.ravel(),
    })  # fmt: skip


def test_long_only_and_scores() -> None:
    value = np.array([[3.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    assert book_weights(value, BookRule("scores")).tolist() == [[1.0, 0.0, -0.5, -0.5], [0.0] * 4]
    assert book_weights(value, BookRule("scores", long_only=True)).tolist() == [
        [1.0, 0.0, 0.0, 0.0],
        [0.0] * 4,
    ]
    assert (
        book_weights(value, BookRule())[1].tolist() == [0.0] * 4
    )  # nothing is said on a date of one forecast
    assert (
        str(BookRule(leave=0.3, long_only=True))
        == "deciles, equal weights, left at 30%, long leg alone"
    )


@pytest.mark.parametrize(
    "given_",
    [
        {"kind": "halves"},
        {"hold": 1.0},
        {"hold": float("nan")},
        {"leave": 0.05},
        {"leave": 0.6},
        {"kind": "scores", "leave": 0.3},
    ],
)
def test_what_is_no_book_is_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BookRule(**given_)


def table_of(**cells: Floats) -> pl.DataFrame:
    """A walk's table with other cells."""
    return long(replace(drawn(9), **cells))


def cell(bad: float, of: Floats) -> Floats:
    """One name's cells changed."""
    return np.where(np.arange(30) == 3, bad, of)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (table_of().drop("outcome"), "none called outcome"),
        (pl.concat([table_of(), table_of()[:1]]).drop_nans("value"), "one row per time and name"),
        (table_of(value=cell(np.inf, drawn(9).value)), "finite"),
        (table_of(outcome=cell(-1.5, drawn(9).outcome)), "-1 or more"),
        (table_of(value=np.full((40, 30), np.nan)), "none in"),
        (table_of(outcome=np.full((40, 30), np.nan)), "none on 40 dates"),
        (table_of(value=np.ones((40, 30))), "differ between names"),
        (table_of(outcome=np.where(np.nan_to_num(drawn(9).value) > 0, -0.99, 0.99)), "outlives"),
    ],
)
def test_what_cannot_be_traded_is_refused(table: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run(walk_of(table))


@pytest.mark.parametrize("bps", [-1.0, float("nan"), float("inf")])
def test_a_cost_below_0_or_without_end_is_refused(bps: float) -> None:
    with pytest.raises(ConfigError, match="0 bps or more"):
        flat_cost(bps)


def test_a_paired_difference_is_surer_than_two_ratios() -> None:
    rng = np.random.default_rng(1)
    returns = 0.002 + 0.01 * rng.standard_normal(400)
    both = sharpes({"": returns, "half": 0.5 * returns}, 52.0, np.random.default_rng(3))
    assert both[""].estimate() == sharpe(returns, 52.0, np.random.default_rng(3))
    assert (both["half"] - both[""]).point == pytest.approx(0.0, abs=1e-12)
    assert (both["half"] - both[""]).error < 1e-9
