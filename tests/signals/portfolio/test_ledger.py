"""The ledger of a book: against a plain backtest in shares and cash, its tables against one another, refusals."""

import random
from datetime import date

import polars as pl
import pytest
from tests.signals.portfolio.ledger_oracle import (
    Books,
    Market,
    Terms,
    draw_market,
    plain_backtest,
)

from tercel.signals.portfolio.cost_laws import Charge
from tercel.signals.portfolio.ledger import Ledger, trade_weights

PANELS = 200


def ledger_of(market: Market, weights: dict[date, dict[str, float]], terms: Terms) -> Ledger:
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


def agrees(ledger: Ledger, books: Books, terms: Terms) -> None:
    """Assert that equity, trades, holdings and money by name are the same to the cent, and add up."""
    cent = 0.005
    equity = dict(ledger.returns.select("date", "equity").rows())
    assert list(equity) == list(books.equity)
    assert all(abs(equity[day] - worth) < cent for day, worth in books.equity.items())
    orders = ledger.trades.filter(pl.col("kind") == "order")
    mine = {
        (day, name): money
        for day, name, *money in orders.select("date", "name", "value", "cost").rows()
    }
    theirs = {(day, name): [value, cost] for day, name, value, cost in books.trades}
    assert mine.keys() == theirs.keys()
    assert all(mine[key] == pytest.approx(theirs[key], abs=cent) for key in theirs)
    held = {
        (day, name): value
        for day, name, value in ledger.holdings.select("date", "name", "value").rows()
    }
    assert held == pytest.approx(books.holdings, abs=cent)
    assert held.keys() == books.holdings.keys()
    for name, *money in ledger.pnl.select("name", "gross", "cost", "borrow").rows():
        assert money == pytest.approx(
            [books.gross[name], books.cost[name], books.borrow[name]], abs=cent
        )
    change = ledger.returns.item(-1, "equity") - terms.capital
    assert ledger.pnl["net"].sum() == pytest.approx(change, abs=cent)


def test_equity_trades_and_holdings_are_those_of_a_plain_backtest() -> None:
    seen = dict.fromkeys(("short", "moved", "settled", "waited", "returned"), 0)
    for seed in range(PANELS):
        rng = random.Random(seed)
        market, weights, terms = draw_market(rng)
        ledger = ledger_of(market, weights, terms)
        agrees(ledger, plain_backtest(market, weights, terms), terms)
        text = " ".join(ledger.notes)
        seen["short"] += (
            ledger.holdings["value"].min() is not None and ledger.holdings["value"].min() < 0
        )
        seen["moved"] += "have no prices" in text
        seen["settled"] += "settled at their last close" in text
        seen["waited"] += "waited for a price" in text
        left = ledger.trades.filter(pl.col("kind") == "settled").select("name", left="date")
        back = ledger.trades.filter(pl.col("kind") == "order").join(left, on="name")
        seen["returned"] += not back.filter(pl.col("date") > pl.col("left")).is_empty()
    assert all(count >= 5 for count in seen.values()), seen
