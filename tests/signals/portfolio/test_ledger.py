"""The ledger of a book: against a plain backtest in shares and cash, its tables against one another, refusals."""

import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from tests.signals.portfolio.ledger_oracle import Books, Market, Terms, draw_market, plain_backtest

from tercel import portfolio
from tercel.core.errors import ConfigError, TercelError
from tercel.signals.portfolio import daily_returns
from tercel.signals.portfolio.cost_laws import Charge
from tercel.signals.portfolio.ledger import TABLES, BookLedger, trade_weights
from tercel.signals.sources.prices import read_prices


def ledger_of(market: Market, weights: dict[date, dict[str, float]], terms: Terms) -> BookLedger:
    """The ledger of a drawn market."""
    prices = pl.DataFrame(market.adjusted(), ["instrument", "date", "close"], orient="row")
    rows = [(day, name, w) for day, book in weights.items() for name, w in book.items()]
    return trade_weights(
        pl.DataFrame(rows, ["date", "name", "weight"], orient="row"),
        prices.with_columns(adjusted=True),
        Charge(
            terms.cost_bps,
            capital=terms.capital,
            min_commission=terms.min_commission,
            borrow_bps=terms.borrow_bps,
        ),
        lag=terms.lag,
        settle_after=terms.settle_after,
    )


def cents_apart(mine: dict[Any, float], theirs: dict[Any, float]) -> float:
    """Largest difference of two accounts of the same entries, in cents."""
    assert mine.keys() == theirs.keys()
    return max((100 * abs(mine[key] - theirs[key]) for key in mine), default=0.0)


def agrees(ledger: BookLedger, books: Books, terms: Terms) -> None:
    """Assert that equity, trades, holdings and money by name are the same to the cent, and add up."""
    orders = ledger.trades.filter(pl.col("kind") == "order").select("date", "name", "value", "cost")
    keys = [(day, name) for day, name, _, _ in books.trades]
    accounts = [
        (dict(ledger.returns.select("date", "equity").rows()), books.equity),
        ({row[:2]: row[2] for row in orders.rows()}, dict(zip(keys, (row[2] for row in books.trades), strict=True))),
        ({row[:2]: row[3] for row in orders.rows()}, dict(zip(keys, (row[3] for row in books.trades), strict=True))),
        ({(d, n): v for d, n, v in ledger.holdings.select("date", "name", "value").rows()}, books.holdings),
    ]  # fmt: skip
    for column in ("gross", "cost", "borrow"):
        money = dict(ledger.pnl.select("name", column).rows())
        theirs = {name: getattr(books, column)[name] for name in {key[1] for key in keys}}
        accounts.append((money, theirs))
    assert max(cents_apart(*pair) for pair in accounts) < 0.5
    change = ledger.returns.item(-1, "equity") - terms.capital
    assert abs(ledger.pnl["net"].sum() - change) < 0.005


@pytest.mark.parametrize(
    "panels", [range(50), pytest.param(range(50, 200), marks=pytest.mark.long)]
)
def test_equity_trades_and_holdings_are_those_of_a_plain_backtest(panels: range) -> None:
    seen = dict.fromkeys(("short", "moved", "settled", "waited", "returned"), 0)
    for seed in panels:
        market, weights, terms = draw_market(random.Random(seed))
        ledger = ledger_of(market, weights, terms)
        agrees(ledger, plain_backtest(market, weights, terms), terms)
        text = " ".join(ledger.notes)
        seen["short"] += ledger.holdings.filter(pl.col("value") < 0).height > 0
        seen["moved"] += "without prices, traded" in text
        seen["settled"] += "settled at the last close" in text
        seen["waited"] += "waited for a price" in text
        left = ledger.trades.filter(pl.col("kind") == "settled").select("name", left="date")
        back = ledger.trades.filter(pl.col("kind") == "order").join(left, on="name")
        seen["returned"] += not back.filter(pl.col("date") > pl.col("left")).is_empty()
    assert all(count >= 1 for count in seen.values()), seen


CALENDAR = [date(2024, 1, 2) + timedelta(n) for n in range(30)]
CALENDAR = [day for day in CALENDAR if day.weekday() < 5][:15]


def frame_of(**closes: list[float | None]) -> pl.DataFrame:
    """Wide closes on the first days of the calendar."""
    rows = len(next(iter(closes.values())))
    return pl.DataFrame({"date": CALENDAR[:rows], **closes})


def adjusted(**closes: list[float]) -> pl.DataFrame:
    """Long adjusted closes, whose large moves are true."""
    return frame_of(**closes).unpivot(index="date", variable_name="name", value_name="adj close")


FLAT = frame_of(A=[10.0] * 15, B=[20.0] * 15)


def weights_of(*rows: tuple[object, str, float | None]) -> pl.DataFrame:
    """Long weights."""
    return pl.DataFrame(rows, ["date", "name", "weight"], orient="row", strict=False)


BOUGHT = weights_of((CALENDAR[0], "A", 0.5), (CALENDAR[0], "B", -0.5))


def refusal(weights: object, prices: object = FLAT, **more: Any) -> str:
    """What a bad input is answered with."""
    with pytest.raises(TercelError) as error:
        portfolio.backtest_weights(weights, prices, **{"cost_bps": 5.0, **more})
    return str(error.value)


@pytest.mark.parametrize(
    ("weights", "more", "words"),
    [
        (weights_of((CALENDAR[0], "A", 50.0), (CALENDAR[0], "B", -50.0)), {}, "100 together on 2024-01-02"),
        (weights_of((CALENDAR[0], "A", 0.5), (CALENDAR[0], "A", 0.5)), {}, "A on 2024-01-02 in row 2"),
        (weights_of((CALENDAR[0], "A", 0.5), (CALENDAR[0], "B", None)), {}, "weight None in row 2"),
        (weights_of((CALENDAR[0], "A", float("nan"))), {}, "weight nan in row 1"),
        (weights_of((CALENDAR[0], "A", float("inf"))), {}, "weight inf in row 1"),
        (weights_of((CALENDAR[0], "", 0.5)), {}, "a symbol in every row"),
        (weights_of((CALENDAR[0], "AA", 0.5)), {}, "try 'A'"),
        (weights_of(("soon", "A", 0.5)), {}, "date 'soon' in row 1"),
        (weights_of((date(2023, 11, 1), "A", 0.5)), {}, "the next price on 2024-01-02"),
        (weights_of((date(2024, 6, 1), "A", 0.5)), {}, "before the last day of prices"),
        (BOUGHT.select("date", "name"), {}, "To go on: name them so in its first row"),
        (BOUGHT, {"benchmark": BOUGHT.select("name", "weight")}, "To go on: name them so in its first row"),
        (BOUGHT.head(0), {}, "rows of weights"),
        (BOUGHT, {"cost_law": 1.0}, "both"),
        (BOUGHT, {"cost_bps": None}, "neither"),
        (BOUGHT, {"cost_bps": -1.0}, "cost_bps"),
        (BOUGHT, {"min_commission": float("nan")}, "min_commission"),
        (BOUGHT, {"borrow_bps": -1.0}, "borrow_bps"),
        (BOUGHT, {"capital": 0.0}, "capital"),
        (BOUGHT, {"lag": -1}, "a whole number of days"),
        (BOUGHT, {"lag": 0.5}, "a whole number of days"),
        (BOUGHT, {"lag": 99}, "traded 99 days later"),
        (BOUGHT, {"cost_bps": None, "cost_law": 1.0}, "volumes"),
        (BOUGHT, {"prices": frame_of(A=[10.0, 5.0], B=[20.0, 20.0])}, "a split of 2:1"),
        (BOUGHT, {"prices": adjusted(A=[10.0, 1.0], B=[20.0, 60.0])}, "2024-01-03"),
        (BOUGHT, {"min_commission": 1e6}, "2024-01-02"),
        (BOUGHT, {"benchmark": FLAT}, "a benchmark of one name"),
        (BOUGHT, {"benchmark": FLAT.select("date", r=pl.lit(1.5))}, "fractions"),
        (BOUGHT, {"benchmark": pl.DataFrame({"date": ["2001-01-02"], "close": [1.0]})}, "2024-01-02"),
        (BOUGHT, {"benchmark": pl.DataFrame({"date": CALENDAR[:4], "close": [9.0, 4.5, 4.5, 4.5]})}, "4.5 on 2024-01-03"),
        (BOUGHT, {"factors": {"own": frame_of(A=[None])}}, "factor own of names that have weights; received none"),
        (BOUGHT, {"factors": {"own": frame_of(a=[1.0], b=[2.0])}}, "received a, b"),
        (BOUGHT, {"factors": frame_of(A=[1.0])}, "own factors by name"),
        (BOUGHT, {"seed": -1}, "a seed from 0"),
        (BOUGHT, {"capital": "1e6"}, "'1e6'"),
        (BOUGHT, {"borrow_bps": None}, "None"),
        (BOUGHT, {"sectors": pl.DataFrame({"name": ["A", "A"], "sector": ["x", "y"]})}, "A"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(weights: pl.DataFrame, more: dict[str, Any], words: str) -> None:
    assert words in refusal(weights, **more)


def test_a_fall_that_may_be_a_split_is_said_of_a_held_name_alone() -> None:
    """A split of 2:1 on a day on which the name rises by 3 % is near no ratio."""
    halved = {"A": [10.0, 10.0, 5.15], "B": [20.0, 20.0, 20.0]}
    said = "1 fall of a held name by over 32%, a split if these closes are not adjusted: A on 2024-01-04"
    for prices, weights, notes in (
        (frame_of(**halved), BOUGHT, (said,)),
        (adjusted(**halved), BOUGHT, ()),
        (frame_of(**halved), BOUGHT.tail(1), ()),
    ):
        assert portfolio.backtest_weights(weights, prices, cost_bps=0).notes == notes


def test_a_short_may_fall_to_nothing() -> None:
    prices = adjusted(A=[10.0, 4.0, 0.0], B=[20.0, 20.0, 20.0])
    ledger = portfolio.backtest_weights(
        weights_of((CALENDAR[0], "A", -0.5)), prices, capital=100.0, cost_bps=0
    )
    assert ledger.returns["equity"].to_list() == [100.0, 130.0, 150.0]
    long = weights_of((CALENDAR[0], "A", 1.0))
    assert "2024-01-04" in refusal(long, prices)


def test_a_name_that_returns_is_bought_by_new_weights_alone() -> None:
    gone = [None] * 4
    prices = read_prices(frame_of(A=[10.0, 11.0, *gone, 12.0, 12.0, 15.0], B=[1.0] * 9))
    weights = weights_of((CALENDAR[0], "A", 1.0), (CALENDAR[7], "A", 1.0))
    left = trade_weights(weights, prices, Charge(0.0, capital=1e6), settle_after=3)
    assert left.trades["kind"].to_list() == ["order", "settled", "order"]
    assert left.returns.item(-1, "equity") == pytest.approx(1e6 * 1.1 * 1.25)
    assert "in names that left, settled" in left.notes[0]
    stood = trade_weights(weights, prices, Charge(0.0, capital=1e6), settle_after=4)
    assert stood.returns.item(-1, "equity") == pytest.approx(1.5e6)
    assert stood.returns["equity"].to_list()[1:6] == pytest.approx([1.1e6] * 5)


def test_dates_move_and_late_ones_are_left_out() -> None:
    saturday = date(2024, 1, 6)
    prices = frame_of(A=[10.0 + k for k in range(10)])
    weights = weights_of(
        (date(2024, 1, 1), "A", 0.1), (date(2024, 1, 5), "A", 0.2), (saturday, "A", 0.3),
        (date(2024, 1, 7), "A", 0.5), (date(2025, 1, 6), "A", 0.9),
    )  # fmt: skip
    ledger = portfolio.backtest_weights(weights, prices, cost_bps=0)
    assert dict(ledger.weights.select("traded", "weight").rows()) == {
        date(2024, 1, 2): 0.1,
        date(2024, 1, 5): 0.2,
        date(2024, 1, 8): 0.5,
    }
    assert [note.split(" (")[0] for note in ledger.notes] == [
        "3 dates of weights without prices, traded on the next day that has some",
        "1 date of weights left out, to be traded after the last price, 2024-01-15",
        "1 date of weights left out, as later ones are traded on the same day",
    ]


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "America/New_York", "UTC"])
def test_frames_of_pandas_long_and_wide_give_one_ledger(zone: str | None) -> None:
    pandas = pytest.importorskip("pandas")
    days = pandas.DatetimeIndex(CALENDAR[:3]).tz_localize(zone)
    closes = {"A": [10.0, 11.0, 12.0], "B": [20.0, 19.0, 22.0]}
    prices = pandas.DataFrame(closes, index=days)
    wide = pandas.DataFrame({"A": [0.5, 0.2], "B": [-0.5, 0.0]}, index=days[:2])
    long = wide.rename_axis("date").melt(ignore_index=False, var_name="name", value_name="weight")
    by_both = long.set_index("name", append=True)
    plain = portfolio.backtest_weights(
        weights_of(*(row for k in (0, 1) for row in (
            (CALENDAR[k], "A", [0.5, 0.2][k]), (CALENDAR[k], "B", [-0.5, 0.0][k])))),
        pl.DataFrame({"date": CALENDAR[:3], **closes}),
        cost_bps=5,
    )  # fmt: skip
    for weights in (wide, long, by_both):
        ledger = portfolio.backtest_weights(weights, prices, cost_bps=5)
        assert ledger.returns.equals(plain.returns)
    shown = plain.returns.to_pandas().set_index("date")["net"]
    assert isinstance(shown.index, pandas.DatetimeIndex)


def test_exposures_follow_sectors_and_factors_of_the_day() -> None:
    sectors = pl.DataFrame({
        "name": ["A", "A", "B"], "date": [CALENDAR[0], CALENDAR[2], CALENDAR[0]], "sector": ["x", "y", "y"],
    })  # fmt: skip
    own = pl.DataFrame({
        "date": [CALENDAR[1]] * 3, "name": ["A", "B", "C"], "value": [1.0, 2.0, 3.0],
    })  # fmt: skip
    ledger = portfolio.backtest_weights(
        BOUGHT, FLAT.head(4), cost_bps=0, sectors=sectors, factors={"size": own}
    )
    assert ledger.exposures.drop("date").rows() == [
        (0.5, -0.5, 0.0, 1.0, 0.5, -0.5, 0.0),
        (0.5, -0.5, 0.0, 1.0, 0.5, -0.5, -0.5),
        (0.5, -0.5, 0.0, 1.0, 0.0, 0.0, -0.5),
        (0.5, -0.5, 0.0, 1.0, 0.0, 0.0, -0.5),
    ]
    constant = own.with_columns(value=pl.lit(1.0))
    flat = portfolio.backtest_weights(BOUGHT, FLAT, cost_bps=0, factors={"size": constant})
    assert flat.exposures["factor:size"].to_list() == [0.0] * 15


def test_a_benchmark_of_other_days_is_aligned() -> None:
    days = [CALENDAR[1], CALENDAR[3], date(2024, 1, 6), CALENDAR[4]]
    returns = pl.DataFrame({"date": days, "return": [0.5, 0.1, 0.1, 0.1]})
    ledger = portfolio.backtest_weights(BOUGHT, FLAT.head(6), cost_bps=0, benchmark=returns)
    moves = [None, 0.0, 0.0, 0.1, 1.1 * 1.1 - 1, None]
    assert ledger.returns["benchmark"].to_list() == pytest.approx(moves)
    assert ledger.notes == (
        "1 day without a benchmark: its move falls on the next",
        "1 day of the benchmark without prices: part of the next day's return",
        "2 days outside the benchmark's, left out of alpha and beta",
    )
    levels = returns.select("date", close=100 * (1 + pl.col("return")).cum_prod())
    same = portfolio.backtest_weights(BOUGHT, FLAT.head(6), cost_bps=0, benchmark=levels)
    assert same.returns["benchmark"].to_list() == pytest.approx(moves)


def test_cost_of_the_square_root_law() -> None:
    """Y x deviation x root(value / value of a day), of the day before."""
    prices = pl.DataFrame([
        {"date": date(2024, 1, 1) + timedelta(n), "name": name, "close": 10.0 * 1.01 ** (n % 2), "volume": 1e5}
        for n in range(30) for name in ("A", "B")
    ])  # fmt: skip
    bought = weights_of((date(2024, 1, 29), "A", 0.5))
    ledger = portfolio.backtest_weights(bought, prices, cost_law=2.0, capital=1e6)
    moves = prices.filter(pl.col("name") == "A").sort("date")["close"].log().diff()[1:28]
    traded = (10.0 + 10.1) / 2 * 1e5
    cost = 2.0 * moves[-20:].std() * 5e5 * (5e5 / traded) ** 0.5
    assert ledger.trades.item(0, "cost") == pytest.approx(cost)


def test_weeks_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market, weights, terms = draw_market(random.Random(3))
    ledger = ledger_of(market, weights, terms)
    daily, weekly = ledger.returns, ledger.weekly
    growth = daily.group_by(pl.col("date").dt.week()).agg(net=(1 + pl.col("net")).product() - 1)
    assert sorted(weekly["net"]) == pytest.approx(sorted(growth["net"]))
    assert weekly.item(-1, "equity") == daily.item(-1, "equity")
    folder = ledger.write(tmp_path / "book")
    assert sorted(file.stem for file in folder.iterdir()) == sorted(TABLES)
    assert pl.read_csv(folder / "returns.csv")["net"].to_list() == daily["net"].to_list()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    whole, calls = Path.write_text, iter(range(99))

    def write_some(self: Path, *text: Any, **more: Any) -> int:
        """A disk that is full at the fourth file."""
        if next(calls) == 3:
            raise OSError(28, "No space left on device", str(self))
        return whole(self, *text, **more)

    monkeypatch.setattr(Path, "write_text", write_some)
    other = replace(ledger, returns=ledger.returns.head(1))
    with pytest.raises(ConfigError, match="No space left"):
        other.write(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert ledger.table()["figure"].to_list()[:2] == ["days", "invested days"]
    assert ledger.sentences()[0].startswith(f"Invested on {ledger.invested} of {daily.height} days")


def test_a_panels_move_that_is_none_moves_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """A split that nothing adjusts: closes and volumes behind it are those of before."""
    prices = pl.DataFrame({
        "instrument": ["A"] * 4, "time": CALENDAR[:4], "date": CALENDAR[:4], "close": [10.0, 11.0, 5.5, 6.0],
        "volume": [1.0, 1.0, 2.0, 2.0], "void": [False, False, True, False],
    })  # fmt: skip
    config = SimpleNamespace(panel=SimpleNamespace(kind="daily"))
    monkeypatch.setattr(daily_returns, "config_of", lambda _: config)
    monkeypatch.setattr(daily_returns, "daily_prices", lambda *_: prices)
    closes = daily_returns.closes_of(cast(Any, None))
    assert closes["close"].to_list() == [10.0, 11.0, 11.0, 12.0]
    assert (closes["close"] * closes["volume"]).to_list() == [10.0, 11.0, 11.0, 12.0]
    assert closes["adjusted"].all()
