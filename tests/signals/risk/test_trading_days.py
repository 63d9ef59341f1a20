"""Which days a book has: holidays of one market and of all, weekends of a share beside a coin, names that are copies or
fall to 0, and the sample covariance of more names than days.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tercel.core.errors import DataError
from tercel.signals.risk.forecast import forecast
from tercel.signals.risk.portfolio import make_portfolio

FIRST = date(2020, 1, 1)


def made(closes: Mapping[str, np.ndarray], days: list[date]) -> pl.DataFrame:
    """Closes by day and name, as they are read; NaN is no close."""
    wide = pl.DataFrame({"date": days, **closes}).unpivot(
        index="date", variable_name="instrument", value_name="close"
    )
    known = wide.filter(pl.col("close").is_finite())
    return known.with_columns(adjusted=pl.lit(True), row=pl.int_range(2, known.height + 2))


def weekdays(count: int) -> list[date]:
    every = (FIRST + timedelta(days=k) for k in range(2 * count))
    return [day for day in every if day.weekday() < 5][:count]


def walk(seed: int, count: int, sd: float = 0.01) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sd, count)))


def test_holes_of_one_name_of_two_leave_the_days_of_the_other_alone() -> None:
    days, whole, holed = weekdays(600), walk(1, 600), walk(2, 600)
    holed[np.random.default_rng(3).random(600) < 0.15] = np.nan
    book = make_portfolio(made({"A": whole, "B": holed}, days))
    assert book.names == ("A",)
    np.testing.assert_array_equal(book.returns[:, 0], np.diff(np.log(whole)))
    assert book.left_out["B"].startswith("no close on 1")
    with pytest.raises(DataError, match="B: no close on 1"):
        make_portfolio(made({"A": whole, "B": holed}, days), {"A": 0.5, "B": 0.5})


def test_holidays_of_one_market_of_two_are_days_of_the_other() -> None:
    days, closes = weekdays(600), {name: walk(c, 600) for c, name in enumerate("ABCD")}
    for name in "CD":
        closes[name][20::25] = np.nan  # 4 % of the days: half of the names are closed
    book = make_portfolio(made(closes, days))
    assert book.names == ("A", "B", "C", "D")
    assert len(book.days) == 600
    np.testing.assert_array_equal(book.returns[:, 0], np.diff(np.log(closes["A"])))
    assert book.returns[19, 2] == 0.0
    assert book.returns[20, 2] == pytest.approx(np.log(closes["C"][21] / closes["C"][19]))
    assert f"others traded: {2 * len(range(20, 600, 25))};" in " ".join(book.notes)


def test_weekends_of_a_coin_beside_a_share_are_a_days_return() -> None:
    days = [FIRST + timedelta(days=k) for k in range(3000)]
    coin, share = walk(1, 3000, 0.03), walk(2, 3000)
    share[[day.weekday() >= 5 for day in days]] = np.nan
    book = make_portfolio(made({"COIN": coin, "SHARE": share}, days))
    assert {day.weekday() for day in book.days} == set(range(5))
    at = next(k for k, day in enumerate(days) if k > 10 and day.weekday() == 0)
    monday = book.days.index(days[at]) - 1
    assert book.returns[monday, 0] == pytest.approx(np.log(coin[at] / coin[at - 3]) / np.sqrt(3))
    assert book.returns[monday, 1] == pytest.approx(np.log(share[at] / share[at - 3]))
    assert book.returns[:, 0].std() == pytest.approx(0.03, rel=0.05)  # 0.036 with three days as one
    weekends = sum(day.weekday() >= 5 for day in days)
    assert f"(Saturdays, Sundays: half or less): {weekends}, the last of them" in book.notes[-1]
    filled = coin.copy()  # a close that repeats Friday's is no day of the coin
    for k in np.flatnonzero(np.isnan(share)):
        filled[k] = filled[k - 1]
    book = make_portfolio(made({"COIN": filled, "SHARE": share}, days))
    assert book.returns[monday, 0] == pytest.approx(np.log(filled[at] / filled[at - 3]))


def test_a_name_that_fell_to_nothing_is_named() -> None:
    days, closes = weekdays(300), {"A": walk(1, 300), "B": walk(2, 300)}
    closes["B"][250:] = 0.0
    frame = made(closes, days)
    book = make_portfolio(frame.with_columns(adjusted=pl.lit(False)))  # and no split
    assert book.left_out == {"B": f"a return of -100 % on {days[250]}"}
    assert np.isfinite(book.returns).all()
    with pytest.raises(
        DataError, match=rf"B: a return of -100 % on {days[250]}.*leave such names out"
    ):
        make_portfolio(frame, {"A": 0.5, "B": 0.5})


def test_copies_are_named() -> None:
    days, a = weekdays(300), walk(1, 300)
    book = make_portfolio(made({"A": a, "B": walk(2, 300), "C": 3 * a}, days))
    with pytest.raises(
        DataError, match=r"A and C, which move as one.*leave out names that are copies"
    ):
        forecast(book, "ewma")
    for covariance in ("ledoit-wolf", "sample"):
        assert "Copies: A and C move as one." in forecast(book, "ewma", covariance).notes
    near = make_portfolio(made({"A": a, "B": walk(2, 300), "C": (3 * a).round(3)}, days))
    assert "Copies: A and C move as one." in forecast(near, "ewma").notes
    assert not any(
        "Copies" in note for note in forecast(make_portfolio(made({"A": a}, days)), "ewma").notes
    )


def test_a_sample_covariance_without_full_rank_says_so() -> None:
    days = weekdays(120)
    book = make_portfolio(made({f"N{c:03}": walk(c, 120) for c in range(150)}, days))
    found = forecast(book, covariance="sample")
    assert "sample covariance has rank 118, not 150, by 119 days of 150 names" in " ".join(
        found.notes
    )
    for covariance in ("ledoit-wolf", "nonlinear"):
        assert not any("rank" in note for note in forecast(book, covariance=covariance).notes)
