"""Tomorrow's risk: the same as arch and scikit-learn give, closed forms, books of real prices, which days a book has, the
tests of coverage, and bad input.
"""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from scipy.special import chdtrc

from studies.risk.series import read_sp500
from studies.risk.synthetic import factor_covariance, factor_returns, gjr_series
from tercel.core.errors import ConfigError, DataError
from tercel.signals.portfolio.portfolio_file import read_portfolio
from tercel.signals.risk.coverage_tests import coverage
from tercel.signals.risk.forecast import forecast
from tercel.signals.risk.portfolio import Portfolio, make_portfolio
from tercel.signals.risk.report import forecast_page, sentences, var_page, var_rows
from tercel.signals.risk.value_at_risk import value_at_risk

arch = pytest.importorskip("arch")
DAY = date(2015, 1, 1)


def prices(returns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """Closes of names, adjusted, on successive days; NaN is no close."""
    long = [
        pl.DataFrame({
            "instrument": name,
            "date": [DAY + timedelta(days=t) for t in range(len(values))],
            "close": 100 * np.exp(np.cumsum(np.nan_to_num(values))),
            "known": np.isfinite(values),
        })
        for name, values in returns.items()
    ]  # fmt: skip
    whole = pl.concat(long).filter("known").drop("known")
    return whole.with_columns(adjusted=pl.lit(True), row=pl.int_range(2, len(whole) + 2))


def book_of(names: int, days: int, seed: int = 1) -> Portfolio:
    made = factor_returns(factor_covariance(names, seed), days + 1, seed + 1)
    return make_portfolio(prices({f"N{c:02}": made[:, c] for c in range(names)}))


@pytest.mark.parametrize(("model", "o"), [("gjr", 1), ("garch", 0)])
def test_volatility_is_archs_forecast(model: str, o: int) -> None:
    returns = {name: gjr_series(601, seed).series.returns for name, seed in (("A", 3), ("B", 4))}
    book = make_portfolio(prices(returns))
    found = forecast(book, model)
    for column in range(2):
        theirs = arch.arch_model(100 * book.returns[:, column], p=1, o=o, q=1, rescale=False)
        variance = (
            theirs.fit(disp="off", show_warning=False).forecast(horizon=1).variance.iloc[-1, 0]
        )
        assert found.sd[column] == pytest.approx(math.sqrt(variance) / 100, rel=1e-10)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), found.sd, rtol=1e-12)
    if model == "gjr":  # the default of a few names
        np.testing.assert_array_equal(forecast(book).covariance, found.covariance)


def test_ewma_is_archs_once_the_start_is_forgotten() -> None:
    book = book_of(2, 800)
    theirs = arch.univariate.ZeroMean(
        100 * book.returns[:, 0], volatility=arch.univariate.EWMAVariance(0.94)
    )
    variance = theirs.fit(disp="off").forecast(horizon=1).variance.iloc[-1, 0]
    assert forecast(book, "ewma").sd[0] == pytest.approx(math.sqrt(variance) / 100, rel=1e-10)


def test_a_named_covariance_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.covariance")
    book = book_of(30, 400)
    ours = forecast(book, covariance="ledoit-wolf")
    np.testing.assert_allclose(
        ours.covariance, sklearn.LedoitWolf().fit(book.returns).covariance_, rtol=1e-10
    )
    np.testing.assert_allclose(ours.sd**2, np.diag(ours.covariance), rtol=1e-12)
    sample = forecast(book, covariance="sample", window=100)
    np.testing.assert_allclose(
        sample.covariance, np.cov(book.returns[-100:], rowvar=False), rtol=1e-10
    )
    assert sample.window == 100
    both = forecast(book, "ewma", "sample")
    spread = np.sqrt(np.diag(both.covariance))
    np.testing.assert_allclose(
        both.covariance / np.outer(spread, spread), np.corrcoef(book.returns, rowvar=False)
    )


def test_the_books_risk_adds_up() -> None:
    book = book_of(3, 300)
    found = forecast(book)
    assert found.book_sd == pytest.approx(math.sqrt(found.covariance.sum() / 9))
    np.testing.assert_allclose(book.book_returns(), np.log(np.exp(book.returns).mean(axis=1)))
    told = found.to_json()
    assert {"at", "names", "sd", "covariance", "var_99", "es_99"} <= set(told)
    assert 0 < told["var_99"] < told["es_99"]
    assert "1,000 days" in " ".join(found.notes)  # filtered simulation needs more than there is
    assert found.models["tail"] == "EWMA 0.94 normal"
    assert found.var == pytest.approx(found.es * NormalDist().inv_cdf(0.99) / 2.66521422, rel=1e-6)


def test_many_names_take_the_volatility_of_the_covariance() -> None:
    found = forecast(book_of(25, 260))
    assert found.models["volatility"] == "of the covariance"
    np.testing.assert_allclose(found.var_by_name, found.sd * NormalDist().inv_cdf(0.99))


def test_without_the_extra_it_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tercel.signals.risk.forecast.find_spec", lambda _: None)
    monkeypatch.setattr("tercel.signals.risk.value_at_risk.find_spec", lambda _: None)
    found = forecast(book_of(2, 1100))
    assert found.models["volatility"] == "of the covariance"
    assert found.models["tail"] == "EWMA 0.94 normal"
    assert ["[risk]" in note for note in found.notes] == [True, True]


def test_realised_variance_is_used_where_it_is_there(tmp_path: Path) -> None:
    series = gjr_series(900, 6).series
    close = 100 * np.exp(np.cumsum(series.returns))
    frame = pl.DataFrame(
        {"Date": series.days, "Close": close, "RV": series.columns["rv"], "VIX": 15 + close % 7}
    )
    frame.write_csv(tmp_path / "one.csv")
    book = read_portfolio(tmp_path / "one.csv")
    assert set(book.columns) == {"rv", "vix"}
    found = forecast(book)
    assert found.models["volatility"] == "log-HAR + VIX"
    assert 0.5 < found.sd[0] / forecast(book, "gjr").sd[0] < 2
    holed = frame.with_columns(
        RV=pl.when(pl.col("Date") == series.days[40]).then(0.0).otherwise("RV")
    )
    with pytest.raises(DataError, match=r"RV 0\.0 in row 41"):
        read_portfolio(holed)
    with pytest.raises(DataError, match="no column rv"):
        forecast(book_of(1, 200), "har")
    with pytest.raises(ConfigError, match="'grach'"):
        forecast(book, "grach")


def test_tomorrow_is_the_forecast_that_the_backtest_would_make_of_it() -> None:
    returns = gjr_series(1301, 8).series.returns
    whole, cut = (
        make_portfolio(prices({"A": returns})),
        make_portfolio(prices({"A": returns[:1200]})),
    )
    today, later = value_at_risk(cut), value_at_risk(whole, since=1199)
    assert later.verdict is not None
    assert today.var == pytest.approx(float(later.verdict.var[0]), rel=1e-9)
    assert today.es == pytest.approx(float(later.verdict.es[0]), rel=1e-9)
    assert "199 days" in today.notes[-1]


def test_the_rows_of_a_backtest_are_those_of_its_losses_counted_plainly() -> None:
    found = value_at_risk(
        make_portfolio(prices({"A": gjr_series(1301, 8).series.returns})), 0.975, since=1001
    )
    assert found.verdict is not None
    losses, var, es = -found.book_returns[found.first :], found.verdict.var, found.verdict.es
    assert len(losses) == len(var)
    hit = losses > var
    lost = np.where(hit, 0.975 * (losses - var), 0.025 * (var - losses))
    days = found.book.days
    assert dict(var_rows(found)) == {
        "Value at Risk": found.var,
        "Expected Shortfall": found.es,
        "model": found.model,
        "backtest": f"{days[-len(losses)]} to {days[-1]}, {len(losses)} days",
        "hits, expected": f"{hit.sum()}, {len(losses) / 40:.1f}",
        "Kupiec p": f"{coverage(hit, 0.025).kupiec:.3f}",
        "Christoffersen p": f"{coverage(hit, 0.025).independence:.3f}",
        "joint p": f"{coverage(hit, 0.025).joint:.3f}",
        "pinball x 10,000": f"{1e4 * lost.mean():.2f}",
        "loss / ES on hits": f"{losses[hit].mean() / es[hit].mean():.2f}",
        "most hits in 250 days": f"{np.convolve(hit, np.ones(250)).max():.0f}",
    }


def test_a_short_history_has_no_backtest() -> None:
    found = value_at_risk(book_of(2, 101), 0.975)
    assert found.verdict is None
    assert found.to_json()["backtest"] is None
    assert "too few days for a backtest" in " ".join(sentences(found))
    assert "none: too few days" in var_page(found)


def test_pages_begin_with_the_answer() -> None:
    found = forecast(book_of(4, 300))
    page = forecast_page(found)
    assert page.index("the book loses") < page.index("<svg")
    assert sentences(found)[2:] == [*found.notes]


# -- books ------------------------------------------------------------------------------------------------------------


def walks(names: str, days: int = 300, seed: int = 1) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(seed).normal(0, 0.01, (len(names), days))
    return dict(zip(names, drawn, strict=True))


def test_a_file_of_which_nothing_can_be_used_is_refused_with_how_many_names() -> None:
    moves = {
        name: 0.01 * np.random.default_rng(c).standard_normal(300) for c, name in enumerate("ABC")
    }
    gaps = {
        name: np.where(np.arange(300) % 10 == c, np.nan, moves[name])
        for c, name in enumerate("ABC")
    }
    with pytest.raises(
        DataError, match=r"3 of 3 that cannot: A: no close on .*give the days that lack"
    ):
        make_portfolio(prices(gaps))
    one = prices(moves | {"B": gaps["B"]})
    with pytest.raises(
        DataError,
        match=r"names that can be used alone.*1 of 3 that cannot: B.*leave such names out",
    ):
        make_portfolio(one, {"A": 0.5, "B": 0.3, "C": 0.2})


def test_what_cannot_be_used_is_left_out_and_said() -> None:
    made = walks("ABCDEF")
    made["B"][:250] = np.nan  # begins late
    made["C"][200:] = np.nan  # ends
    made["D"][50:150:4] = np.nan  # gaps
    made["E"][100:115] = 0.0  # stale
    made["A"][7] = np.nan  # one day is carried
    book = make_portfolio(prices(made))
    assert book.names == ("A", "F")
    assert {name: why.split()[0] for name, why in book.left_out.items()} == {
        "B": "begins", "C": "ends", "D": "no", "E": "the",
    }  # fmt: skip
    said = " ".join(book.notes)
    assert "4 of 6 names are left out" in said
    assert "others traded: 1;" in said
    assert book.returns[6, 0] == 0.0
    assert book.weights.tolist() == [0.5, 0.5]


def test_weights_name_the_book_and_its_window() -> None:
    made = walks("ABC", 800)
    made["B"][:150] = np.nan
    book = make_portfolio(prices(made), {"A": 1.5, "B": -0.5, "C": 0.0})
    assert book.names == ("A", "B")
    assert book.weights.tolist() == [1.5, -0.5]
    assert len(book.returns) == 649
    assert "B begins on" in book.notes[0]
    growth = 1 + 1.5 * np.expm1(book.returns[:, 0]) - 0.5 * np.expm1(book.returns[:, 1])
    np.testing.assert_allclose(book.book_returns(), np.log(growth))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"A": 1.0, "Z": 1.0}, "one of 'Z'"),
        ({"A": math.nan}, "nan of A"),
        ({"A": 0.0}, "a weight other than 0"),
        ({"A": 1.0, "S": 1.0}, "S: the same close for 300 days"),
        ({"A": 1.0, "L": 1.0}, "L begins on"),
        ({"A": 200.0}, "never loses all of its value"),
    ],
)
def test_weights_that_make_no_book_are_refused(weights: dict[str, float], words: str) -> None:
    made = walks("ALS")
    made["S"][:] = 0.0
    made["L"][:250] = np.nan
    with pytest.raises(DataError, match=words):
        make_portfolio(prices(made), weights).book_returns()


def test_moves_that_nothing_adjusts_are_refused_with_their_row() -> None:
    made = walks("AB")
    made["B"][77] = math.log(0.25)
    frame = prices(made)
    assert make_portfolio(frame).names == ("A", "B")  # adjusted: it happened
    bare = frame.with_columns(adjusted=pl.lit(False))
    row = frame.filter(pl.col("instrument") == "B")["row"][77]
    with pytest.raises(
        DataError, match=rf"B moves by -75 % on {DAY + timedelta(days=77)}, row {row}"
    ):
        make_portfolio(bare)
    assert make_portfolio(bare, {"A": 1.0}).names == ("A",)
    made["B"][77] = math.log(0.55)
    fallen = make_portfolio(prices(made).with_columns(adjusted=pl.lit(False)))
    assert (
        f"B moves by -45 % on {DAY + timedelta(days=77)}, row {row}: a split, if" in fallen.notes[0]
    )


@pytest.mark.parametrize("besides", [0.987, 1.0, 1.013])
@pytest.mark.parametrize("split", ["3:2", "5:2", "100:1", "1:2"])
def test_a_split_is_refused_by_its_ratio(split: str, besides: float) -> None:
    new, old = map(int, split.split(":"))
    made = walks("AB")
    made["B"][77] = math.log(old / new * besides)
    bare = prices(made).with_columns(adjusted=pl.lit(False))
    with pytest.raises(
        DataError, match=rf"B moves by .* % on {DAY + timedelta(days=77)}, row 379, as in a split"
    ) as e:
        make_portfolio(bare)
    if besides == 1.0:
        assert f"a split of {split}." in str(e.value)
    assert "add an adjusted close; or say `adjusted=True`" in str(e.value)
    assert make_portfolio(bare.with_columns(adjusted=pl.lit(True))).names == ("A", "B")


# -- real books -------------------------------------------------------------------------------------------------------


def passes(book: Portfolio, days: int) -> None:
    found = value_at_risk(book).to_json()["backtest"]
    assert found["days"] >= days
    assert found["kupiec_p"] > 0.05
    assert found["christoffersen_p"] > 0.05


@pytest.mark.long  # 450 stocks of 17 years
def test_three_books_pass_the_tests_of_a_99_percent_value_at_risk(shared_data: Path) -> None:
    index = read_sp500(shared_data)
    sp500 = Portfolio(("S&P 500",), np.ones(1), index.days, index.returns[1:, None], {})
    first = index.since(date(2004, 1, 2)) - 1
    published = value_at_risk(sp500, since=first).to_json()["backtest"]
    assert (published["days"], published["hits"]) == (3775, 45)
    passes(sp500, 4000)
    panel = pl.read_parquet(shared_data / "us-daily-ohlcv-2000-2017" / "panel.parquet")
    panel = panel.filter(pl.col("close") > 0).select(
        pl.col("ticker").cast(pl.String).alias("instrument"), "date", pl.col("close").cast(pl.Float64),
        adjusted=pl.lit(True), row=pl.lit(0),
    )  # fmt: skip
    passes(make_portfolio(panel), 3500)  # some 450 stocks, equally weighted
    oil = ("APA", "COP", "CVX", "DVN", "EOG", "HAL", "MRO", "OXY", "SLB", "XOM")
    passes(make_portfolio(panel.filter(pl.col("instrument").is_in(oil))), 3500)


@pytest.mark.parametrize(
    ("days", "rate", "low", "high"),
    [
        (250, 0.01, 1, 6),
        (500, 0.01, 2, 9),
        (1000, 0.01, 5, 16),
        (250, 0.05, 7, 19),
        (1000, 0.025, 16, 35),
    ],
)
def test_kupiecs_acceptance_regions(days: int, rate: float, low: int, high: int) -> None:
    def p(hits: int) -> float:
        return coverage(np.arange(days) < hits, rate).kupiec

    accepted = [hits for hits in range(days // 4) if p(hits) > 0.05]
    assert (accepted[0], accepted[-1]) == (low, high)


def test_independence_by_hand() -> None:
    hits = np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0], bool)
    before, after = hits[:-1], hits[1:]
    n11, n10 = np.sum(before & after), np.sum(before & ~after)
    n01, n00 = np.sum(~before & after), np.sum(~before & ~after)
    p1, p0, p = n11 / (n11 + n10), n01 / (n01 + n00), (n11 + n01) / 12
    apart = n11 * np.log(p1) + n10 * np.log(1 - p1) + n01 * np.log(p0) + n00 * np.log(1 - p0)
    ratio = 2 * (apart - (n11 + n01) * np.log(p) - (n10 + n00) * np.log(1 - p))
    assert coverage(hits, 0.3).independence == pytest.approx(chdtrc(1, ratio))


def test_edges() -> None:
    assert coverage(np.zeros(1000, bool), 0.01).kupiec < 0.001
    assert coverage(np.ones(50, bool), 0.5).kupiec < 0.001
    with pytest.raises(DataError):
        coverage([True], 0.01)
    with pytest.raises(DataError):
        coverage([True, False], 0.0)


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
