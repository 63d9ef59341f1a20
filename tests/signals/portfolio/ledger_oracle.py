"""Plain backtest in shares and cash, from the definition alone: raw closes, dividends, splits; dictionaries and loops.

It shares nothing with :mod:`tercel.signals.portfolio.ledger`, which knows adjusted closes alone: here a dividend is
cash that buys shares of the name at the close of its ex-day, and a split multiplies shares.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta


@dataclass
class Market:
    """Closes as an exchange prints them, dividends a share held before the day, splits (new shares for an old one)."""

    close: dict[str, dict[date, float]]
    dividend: dict[str, dict[date, float]]
    split: dict[str, dict[date, float]]

    def days(self) -> list[date]:
        """Days on which any name has a close."""
        return sorted({day for closes in self.close.values() for day in closes})

    def adjusted(self) -> list[tuple[str, date, float]]:
        """Adjusted closes: a day's growth is (close x split + dividend) / the close before."""
        rows = []
        for name, closes in self.close.items():
            level = before = 0.0
            for day in sorted(closes):
                worth = closes[day] * self.split[name].get(day, 1.0)
                worth += self.dividend[name].get(day, 0.0)
                level = level * worth / before if before else closes[day]
                rows.append((name, day, level))
                before = closes[day]
        return rows


@dataclass
class Terms:
    """What trading costs, and the rules of time."""

    capital: float
    cost_bps: float
    min_commission: float
    borrow_bps: float
    lag: int
    settle_after: int


@dataclass
class Books:
    """Accounts of the plain backtest."""

    equity: dict[date, float] = field(default_factory=dict)
    trades: list[tuple[date, str, float, float]] = field(default_factory=list)
    holdings: dict[tuple[date, str], float] = field(default_factory=dict)
    gross: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    borrow: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def trading_day(days: list[date], day: date, lag: int) -> date | None:
    """The first trading day on or after a date, and `lag` trading days later; None beyond the last."""
    later = [other for other in days if other >= day]
    return later[lag] if len(later) > lag else None


def has_left(market: Market, days: list[date], name: str, day: date, settle_after: int) -> bool:
    """Whether the close of a day is the last one before more than so many trading days without."""
    silent = 0
    for other in days[days.index(day) + 1 :]:
        if other in market.close[name]:
            return silent > settle_after
        silent += 1
    return silent > settle_after


def plain_backtest(market: Market, weights: dict[date, dict[str, float]], terms: Terms) -> Books:
    """Trade the weights day by day."""
    days = market.days()
    orders_of: dict[date, dict[str, float]] = {}
    for given in sorted(weights):
        traded = trading_day(days, given, terms.lag)
        if traded is not None:
            orders_of[traded] = weights[given]  # the later of two that fall on one day
    first = min(orders_of)
    shares: dict[str, float] = defaultdict(float)
    last: dict[str, float] = {}
    waiting: dict[str, float] = {}
    cash = terms.capital
    books = Books()
    before: date | None = None
    for day in days:
        if day < first:
            for name, closes in market.close.items():
                if day in closes:
                    last[name] = closes[day]
            continue
        if before is not None:
            nights = (day - before).days
            for name, number in shares.items():
                if number < 0:
                    fee = -number * last[name] * terms.borrow_bps / 1e4 / 365 * nights
                    cash -= fee
                    books.borrow[name] += fee
        for name, closes in market.close.items():
            if day in closes:
                worth_before = shares[name] * last.get(name, 0.0)
                shares[name] *= market.split[name].get(day, 1.0)
                old = shares[name] / market.split[name].get(day, 1.0)
                received = old * market.dividend[name].get(day, 0.0)
                shares[name] += received / closes[day]
                last[name] = closes[day]
                books.gross[name] += shares[name] * closes[day] - worth_before
        equity = cash + sum(number * last[name] for name, number in shares.items() if number)
        if day in orders_of:
            target = orders_of[day]
            waiting = {name: target.get(name, 0.0) for name in {*shares, *target}}
        for name in [name for name in waiting if day in market.close[name]]:
            weight = waiting.pop(name)
            price = market.close[name][day]
            value = weight * equity - shares[name] * price
            if abs(value) <= 1e-9 * equity:
                continue
            commission = max(abs(value) * terms.cost_bps / 1e4, terms.min_commission)
            cash -= value + commission
            shares[name] = weight * equity / price
            books.cost[name] += commission
            books.trades.append((day, name, value, commission))
        for name, number in shares.items():
            if number and day in market.close[name]:
                if has_left(market, days, name, day, terms.settle_after):
                    cash += number * last[name]
                    shares[name] = 0.0
        books.equity[day] = cash + sum(n * last[name] for name, n in shares.items() if n)
        for name, number in shares.items():
            if number:
                books.holdings[day, name] = number * last[name]
        before = day
    return books


def draw_market(rng: random.Random) -> tuple[Market, dict[date, dict[str, float]], Terms]:
    """A small market with holidays, missing closes, names that end, come late or return; weights and terms for it."""
    names = [f"N{k}" for k in range(rng.randint(2, 6))]
    day = date(2023, 1, 2)
    days = []
    for _ in range(rng.randint(12, 45)):
        day += timedelta(rng.choice((1, 1, 1, 1, 3, 4)))
        days.append(day)
    market = Market({}, {}, {})
    for name in names:
        price = rng.uniform(5, 200)
        closes: dict[date, float] = {}
        splits: dict[date, float] = {}
        dividends: dict[date, float] = {}
        begin = rng.randint(0, 6) if name != "N0" and rng.random() < 0.3 else 0
        end = rng.randint(8, len(days)) if name != "N0" and rng.random() < 0.4 else len(days)
        away = range(0)
        if name != "N0" and rng.random() < 0.3:
            leaves = rng.randint(2, 20)
            away = range(leaves, leaves + rng.randint(3, 12))
        for k, day in enumerate(days):
            if not begin <= k < end or k in away or rng.random() < 0.05:
                continue
            price *= 1.0 + rng.gauss(0, 0.03)
            if closes and rng.random() < 0.04:
                splits[day] = rng.choice((2.0, 3.0, 0.1))
                price /= splits[day]
            if closes and rng.random() < 0.06:
                dividends[day] = price * rng.uniform(0.002, 0.04)
            closes[day] = price
        if not closes:
            closes[days[begin]] = price
        market.close[name] = closes
        market.dividend[name] = dividends
        market.split[name] = splits
    weights: dict[date, dict[str, float]] = {}
    span = (days[-1] - days[0]).days
    for _ in range(rng.randint(1, 9)):
        given = days[0] + timedelta(rng.randint(0, span - 6))  # weekends and holidays among them
        chosen = rng.sample(names, rng.randint(1, len(names)))
        weights[given] = {name: rng.choice((0.0, rng.uniform(-0.6, 0.8))) for name in chosen}
    terms = Terms(
        capital=rng.choice((1e4, 1e6)),
        cost_bps=rng.choice((0.0, 5.0, 30.0)),
        min_commission=rng.choice((0.0, 1.0, 12.5)),
        borrow_bps=rng.choice((0.0, 50.0, 900.0)),
        lag=rng.choice((0, 0, 1, 2)),
        settle_after=rng.choice((2, 4)),
    )
    return market, weights, terms
