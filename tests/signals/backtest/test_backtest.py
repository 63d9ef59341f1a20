"""A book from forecasts: a twin in plain Python, an example by hand, properties, what is refused."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from tests.signals.backtest.plain_long_short import long_short, smoothed

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.signals.models.skill import skill
from tercel.signals.portfolio.book import (
    Backtest,
    BookRule,
    Walk,
    backtest,
    flat,
    non_overlapping,
    sharpe,
    sharpes,
    square_root,
    walk_of,
    weights,
    years,
)

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
    return backtest(of, book or BookRule(), flat(bps))


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


def test_by_hand_with_costs() -> None:
    """Six names, one long and one short, which then change places; 10 bps a half-turn."""
    found = run(
        walk(
            [[6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]] * 5, [[0.1, 0, 0, 0, 0, -0.1], [0.0] * 6] * 5
        ),
        bps=10.0,
    )
    assert found.weights[:2].tolist() == [[1, 0, 0, 0, 0, -1], [-1, 0, 0, 0, 0, 1]]
    assert found.gross[:2].tolist() == pytest.approx([0.2, 0.0])
    assert found.cost[0] == pytest.approx(0.002)  # 2 half-turns to build
    grown = 1 + 0.2 - 0.002
    assert found.turnover[1] == pytest.approx(
        1 + 1.1 / grown + 1 + 0.9 / grown
    )  # A stands at 1.1, D at -.9, of 1.198
    assert found.equity[:2].tolist() == pytest.approx(
        [grown, grown * (1 - 1e-3 * found.turnover[1])]
    )


def test_a_book_whose_profits_are_taken_out_turns_over_as_much() -> None:
    """It differs by the drift of equity alone."""
    of = drawn(5, dates=60, skill=0.1)
    at, who = np.nonzero(np.isfinite(of.value))
    rows = of.value[at, who], of.outcome[at, who], at, of.names[who]
    gross, half_turns = long_short(*rows)
    mine = run(of)
    assert mine.gross.mean() == pytest.approx(gross, abs=1e-12)
    assert mine.turnover.mean() == pytest.approx(half_turns, rel=0.01)
    averaged, _ = long_short(smoothed(rows[0], at, of.names[who]), *rows[1:])
    assert run(of, BookRule(hold=0.5)).gross.mean() == pytest.approx(averaged, abs=1e-12)


def test_a_forecast_that_is_the_outcome_has_an_ic_of_one() -> None:
    of = drawn(1)
    found = run(walk(of.outcome, of.outcome))
    assert found.ic.tolist() == pytest.approx([1.0] * 40)
    assert (found.gross > 0).all()


def test_shuffled_outcomes_leave_an_interval_over_zero() -> None:
    of, rng = drawn(2, dates=200, skill=0.3), np.random.default_rng(0)
    assert skill(run(of).ic, rng).ci_low > 0.1
    shuffled = np.random.default_rng(0).permuted(of.outcome, axis=1)
    found = run(walk(of.value, shuffled))
    ic = skill(found.ic, rng)
    assert ic.ci_low < 0 < ic.ci_high
    assert (one := sharpe(found.net, found.periods, rng)).ci_low is not None
    assert one.ci_low < 0


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
    last = Walk(
        of.time_ns,
        of.start_ns,
        of.end_ns,
        of.names,
        of.value,
        np.where(np.arange(40)[:, None] < 39, of.outcome, np.nan),
    )
    found = run(last, BookRule(hold=0.5, leave=0.3))
    assert len(found.net) == 39
    np.testing.assert_allclose(found.target, weights(of.value, BookRule(hold=0.5, leave=0.3))[-1])
    np.testing.assert_allclose(found.net, run(of, BookRule(hold=0.5, leave=0.3)).net[:39])


def test_the_square_root_law_by_hand() -> None:
    sd, dollars = np.full((10, 4), 0.02), np.full((10, 4), 1e8)
    sd[:, 3] = np.nan  # stands at the median
    law = square_root(1.0, 4e6, sd, dollars)
    assert law(0, np.array([0.25, 0.0, 0.0, -0.25])) == pytest.approx(
        2 * 0.25 * 0.02 * math.sqrt(0.25 * 4e6 / 1e8)
    )
    with pytest.raises(DataError, match="volumes"):
        square_root(1.0, 4e6, np.full((10, 4), np.nan), dollars)
    with pytest.raises(ConfigError, match="capital"):
        square_root(1.0, 0.0, sd, dollars)


def test_years_add_up() -> None:
    found = run(drawn(8, dates=120))
    table = years(found)
    assert [row.year for row in table] == [2003, 2004, 2005]
    assert sum(row.dates for row in table) == 120
    assert math.prod(1 + row.net for row in table) == pytest.approx(found.equity[-1])


def test_dates_without_a_book_dilute_no_figure() -> None:
    """Forecasts that are flat before and after: every figure is that of the dates between, with the sale at their end."""
    of = drawn(9, dates=120, skill=0.2)
    of.value[np.r_[:20, 80:120]] = 1.0
    found, between = run(of), run(of.rows(np.arange(20, 80)))
    assert found.held.tolist() == list(range(20, 80))
    assert np.flatnonzero(np.isfinite(found.ic)).tolist() == list(range(20, 80))
    sold = found.turnover[80]
    assert sold > 1.0
    net = between.net - np.where(np.arange(60) == 59, 5e-4 * sold, 0.0)
    np.testing.assert_allclose(found.on_held(found.net), net, atol=1e-15)
    assert found.on_held(found.turnover).sum() == pytest.approx(between.turnover.sum() + sold)
    year = found.walk.start_ns.astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
    for row in years(found):
        mine = net[year[20:80] == row.year]
        assert (row.dates, row.invested) == ((year == row.year).sum(), len(mine))
        if row.invested:
            assert row.sharpe_net == pytest.approx(
                mine.mean() / mine.std(ddof=1) * found.periods**0.5
            )
    of.value[:] = 1.0
    with pytest.raises(DataError, match="differ between names"):
        run(of)


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
def test_the_order_of_rows_and_names_changes_nothing(of: Walk, random: Any) -> None:
    table = long(of)
    order = list(range(table.height))
    random.shuffle(order)
    same = walk_of(table[order])
    np.testing.assert_array_equal(same.value, of.value)
    places = random.sample(range(len(of.names)), len(of.names))
    jittered = of.value + 1e-9 * np.arange(len(of.names))  # no ties: names decide those
    moved = Walk(
        of.time_ns, of.start_ns, of.end_ns, of.names, jittered[:, places], of.outcome[:, places]
    )
    first = Walk(of.time_ns, of.start_ns, of.end_ns, of.names, jittered, of.outcome)
    np.testing.assert_allclose(
        weights(moved.value, BookRule()), weights(first.value, BookRule())[:, places]
    )


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
    assert weights(value, BookRule("scores")).tolist() == [[1.0, 0.0, -0.5, -0.5], [0.0] * 4]
    assert weights(value, BookRule("scores", long_only=True)).tolist() == [
        [1.0, 0.0, 0.0, 0.0],
        [0.0] * 4,
    ]
    assert (
        weights(value, BookRule())[1].tolist() == [0.0] * 4
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


def changed(of: Walk, **cells: Floats) -> pl.DataFrame:
    return long(
        Walk(
            of.time_ns,
            of.start_ns,
            of.end_ns,
            of.names,
            cells.get("value", of.value),
            cells.get("outcome", of.outcome),
        )
    )


def test_what_cannot_be_traded_is_refused() -> None:
    of = drawn(9)
    with pytest.raises(DataError, match="none called outcome"):
        walk_of(long(of).drop("outcome"))
    with pytest.raises(DataError, match="one row per time and name"):
        walk_of(pl.concat([long(of), long(of)[:1]]).drop_nans("value"))
    with pytest.raises(DataError, match="finite"):
        walk_of(changed(of, value=np.where(np.arange(30) == 3, np.inf, of.value)))
    with pytest.raises(DataError, match="-1 or more"):
        walk_of(changed(of, outcome=np.where(np.arange(30) == 3, -1.5, of.outcome)))
    with pytest.raises(DataError, match="none in"):
        walk_of(changed(of, value=np.full_like(of.value, np.nan)))
    with pytest.raises(DataError, match="none on 40 dates"):
        run(walk_of(changed(of, outcome=np.full_like(of.outcome, np.nan))))
    with pytest.raises(DataError, match="differ between names"):
        run(walk(np.ones((20, 8)), np.zeros((20, 8))))
    for bps in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="0 bps or more"):
            flat(bps)
    ruin = walk(of.value, np.where(np.nan_to_num(of.value) > 0, -0.99, 0.99))
    with pytest.raises(DataError, match="outlives"):
        run(ruin)


def test_a_paired_difference_is_surer_than_two_ratios() -> None:
    rng = np.random.default_rng(1)
    returns = 0.002 + 0.01 * rng.standard_normal(400)
    both = sharpes({"": returns, "half": 0.5 * returns}, 52.0, np.random.default_rng(3))
    assert both[""].estimate() == sharpe(returns, 52.0, np.random.default_rng(3))
    assert (both["half"] - both[""]).point == pytest.approx(0.0, abs=1e-12)
    assert (both["half"] - both[""]).error < 1e-9
