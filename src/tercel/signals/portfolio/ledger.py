"""A daily ledger of a book in money: weights by date and daily prices become returns, trades, holdings, P&L, exposures.

**Days** are those on which any name has a price. Weights of a date are the whole book: a name that the date does not
list is sold. They are traded at the close of their date, or of the next day with prices, and `lag` days later; of two
dates that are traded on one day the later one counts.

**Prices** are adjusted closes. A dividend is reinvested in the name at the close of its ex-day without cost, also of a
short; a split changes nothing. Without a price a name stands still at its last one, and an order in it waits for its
next price, or for the next weights. A name without a price for more than `settle_after` days running has left: it is
settled at its last close, without cost, and bought again by weights alone.

**Money** is equity, in which profits stay. Orders are sized by the equity at the close before costs, so that the costs
of a day lower its equity. Cash earns and costs nothing; borrowing stock costs by calendar days.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Floats
from tercel.core.errors import DataError, file_error, refuse_if, suggest_name
from tercel.core.estimate import Estimate
from tercel.core.files import atomic_path
from tercel.core.frames import Frame
from tercel.core.report.formatting import format_count, format_interval, format_percent
from tercel.core.stats import intervals, moments_of_mean
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.cost_laws import LEAST_ORDER, Charge
from tercel.signals.price_moves import DOUBTFUL_FALL, is_unadjusted, split_of
from tercel.signals.risk.portfolio import carry_forward
from tercel.signals.sources.dated_values import matrix_of
from tercel.signals.sources.prices import list_names
from tercel.signals.sources.sectors import Sectors

BLOCK_DAYS: Final = 21
"""Days of a block that intervals are drawn over."""
SETTLE_AFTER: Final = 20
"""Days without a price after which a name has left."""
LATE_DAYS: Final = 10
"""Calendar days by which weights may wait for prices."""
TABLES: Final = ("returns", "weekly", "trades", "holdings", "pnl", "exposures", "weights")
"""Tables of a ledger, and the CSV files that they are written to."""


@dataclass(frozen=True, eq=False)
class BookLedger:
    """A book day by day, in money and as fractions of equity.

    Parameters
    ----------
    returns : Frame
        `date`; `gross`, `cost`, `borrow`, `net` (fractions of the equity of the day before; net is gross less the others),
        `turnover` (value traded, both legs, over the equity before costs), `equity` (money, at the close), `drawdown`
        (fraction lost from the highest equity); `benchmark` (its return, null where it has none), where one is given.
    weekly : Frame
        As `returns` for weeks from Monday, by their last day.
    trades : Frame
        `date`, `name`, `weight_before`, `weight_after` (fractions of the equity before costs), `value` (money, below 0 of
        a sale), `price` (adjusted close), `cost` (money), `kind` ("order", or "settled" of a name that left).
    holdings : Frame
        `date`, `name`, `weight`, `value`, at each close after trades.
    pnl : Frame
        `name`; `gross`, `cost`, `borrow`, `net` (money), `days` (closes at which it was held), `trades`; the best first.
    exposures : Frame
        `date`; `long`, `short`, `net`, `gross` (fractions of equity); `sector:NAME` (net), `factor:NAME` (sum of weight
        times the factor's value, standardised over the names of its date).
    weights : Frame
        `date` (as given), `traded` (day), `name`, `weight`, of every date; those of 0 only of a date that holds nothing.
    capital : float
        Money at the beginning.
    periods : float
        Days a year that figures are annualised by: 252, or 365 of prices that have weekends.
    notes : tuple of str
        What was noticed: dates that were moved, orders that waited, names that left.
    seed : int
        Of the intervals.
    """

    returns: Frame
    weekly: Frame
    trades: Frame
    holdings: Frame
    pnl: Frame
    exposures: Frame
    weights: Frame
    capital: float
    periods: float
    notes: tuple[str, ...]
    seed: int

    @cached_property
    def sharpe(self) -> Estimate:
        """Mean over standard deviation (of n - 1) of all days' net returns, a year."""
        net = self.returns.get_column("net").to_numpy()
        return books.sharpe(net, self.periods, np.random.default_rng([self.seed, 82]), BLOCK_DAYS)

    @cached_property
    def alpha_and_beta(self) -> tuple[Estimate, Estimate] | None:
        """Alpha a year (`periods` times a day's) and beta of the net returns on the benchmark's, by least squares; None
        without a benchmark.
        """
        if "benchmark" not in self.returns.columns:
            return None

        def line(means: Floats) -> Floats:
            """Alpha and beta (B, 2) from means of b, r, b r, b b (B, 4)."""
            variance = means[:, 3] - means[:, 0] ** 2
            covariance = means[:, 2] - means[:, 0] * means[:, 1]
            beta = covariance / np.where(variance > 0, variance, np.nan)
            return np.stack([self.periods * (means[:, 1] - beta * means[:, 0]), beta], axis=1)

        b = pl.col("benchmark")
        known = self.returns.drop_nulls("benchmark")
        rows = known.select(b, "net", product=b * pl.col("net"), square=b * b).to_numpy()
        moments = moments_of_mean(rows, np.arange(len(rows)) // BLOCK_DAYS)
        rng = np.random.default_rng([self.seed, 83])
        alpha, beta = intervals(replace(moments, statistic=line), rng)
        return alpha, beta

    @property
    def net_a_year(self) -> float:
        """Net return of a year, compounded."""
        growth = self.returns.item(-1, "equity") / self.capital
        return float(growth ** (self.periods / self.returns.height) - 1.0)

    @property
    def volatility(self) -> float:
        """Standard deviation (of n - 1) of daily net returns, a year."""
        deviation = self.returns.select(pl.col("net").std()).item()
        return math.sqrt(self.periods) * float(deviation or 0.0)

    @property
    def drawdown(self) -> float:
        """Largest fraction lost from the highest equity so far."""
        return float(self.returns.select(pl.col("drawdown").max()).item())

    @property
    def invested(self) -> int:
        """Days at whose close something was held."""
        return self.holdings.select(pl.col("date").n_unique()).item()  # type: ignore[no-any-return]

    def table(self) -> Frame:
        """Figures with their 95 % intervals: `figure`, `value`, `low`, `high`; null where there is none."""
        plain = {
            "days": self.returns.height,
            "invested days": self.invested,
            "net a year": self.net_a_year,
            "volatility a year": self.volatility,
            "drawdown": self.drawdown,
            "turnover a year": self.periods * self.returns.get_column("turnover").to_numpy().mean(),
        }
        figures = {name: Estimate(float(value), None, None) for name, value in plain.items()}
        lines = zip(("alpha a year", "beta"), self.alpha_and_beta or (), strict=False)
        figures |= {"sharpe": self.sharpe, **dict(lines)}
        rows = [(name, found.mean, found.ci_low, found.ci_high) for name, found in figures.items()]
        numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
        frame = pl.DataFrame(rows, {"figure": pl.String, **numbers}, orient="row")
        return Frame(frame.fill_nan(None))

    def __repr__(self) -> str:
        """Its sentences."""
        return "\n".join(self.sentences())

    def sentences(self) -> list[str]:
        """Summary of the days, and of the benchmark where one is given."""
        ends = self.returns.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
        lines = [
            f"Invested on {self.invested} of {self.returns.height} days, {ends[0]} to {ends[1]}: "
            f"{format_percent(self.net_a_year, 1)} a year after costs, compounded, at a Sharpe ratio of daily returns of "
            f"{format_interval(self.sharpe)}; {format_percent(self.drawdown, 1)} below the peak at worst."
        ]
        if self.alpha_and_beta is not None:
            alpha, beta = self.alpha_and_beta
            lines.append(
                f"Against the benchmark alpha is {format_interval(alpha.times(100), digits=1)} % a year, beta "
                f"{format_interval(beta)}."
            )
        return lines

    def write(self, folder: str | Path) -> Path:
        """Write the tables as CSV files (`returns.csv`, ..., :data:`TABLES`) to a folder, and return it: all or none.

        Raises
        ------
        ConfigError
            A folder that cannot be written to, or a full disk; files of an earlier ledger are as they were.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
            with ExitStack() as parts:
                for name in TABLES:
                    part = parts.enter_context(atomic_path(target / f"{name}.csv"))
                    part.write_text(getattr(self, name).write_csv(), encoding="utf-8")
        except OSError as error:
            raise file_error(error) from error
        return target


@dataclass(frozen=True, eq=False)
class _Market:
    """T days of N names: `close` (T, N), NaN without one; `leaves`, the last closes of names that left; `suspect`, moves
    that look like splits; `scale` of the cost of an order.
    """

    days: list[date]
    names: list[str]
    close: Floats
    leaves: Bools
    suspect: Bools
    scale: Floats


def trade_weights(
    weights: pl.DataFrame,
    prices: pl.DataFrame,
    charge: Charge,
    *,
    lag: int = 0,
    settle_after: int = SETTLE_AFTER,
    sectors: Sectors | None = None,
    benchmark: pl.DataFrame | None = None,
    factors: Mapping[str, pl.DataFrame] | None = None,
    seed: int = 1,
) -> BookLedger:
    """Trade weights by date at daily closes, from the first day of weights to the last day of prices.

    Parameters
    ----------
    weights : DataFrame
        `date`, `name`, `weight` (a fraction of equity), as :func:`tercel.signals.portfolio.dated_values.read_weights`.
    prices : DataFrame
        `instrument`, `date`, `close`, `adjusted`; `volume` for the square-root law, whose deviation (20 days) and value
        traded (60 days) are those of the day before; as :func:`tercel.signals.sources.prices.read_prices`.
    charge : Charge
        Costs, and the capital to begin with.
    lag : int
        Days from weights to their trade.
    settle_after : int
        Days without a price after which a name has left.
    sectors : Sectors, optional
        As of each day.
    benchmark : DataFrame, optional
        `date`, `level`.
    factors : mapping of str to DataFrame, optional
        Own factors: `date`, `name`, `value`; a day takes those of the last date, 0 for names without one.
    seed : int
        Of the intervals.

    Raises
    ------
    DataError
        A name without prices, weights long before or all after the prices, a move of a held name that looks like a
        split, a book that loses all, with the day.
    """
    refuse_if(
        not isinstance(lag, int) or lag < 0,
        "a whole number of days, 0 or more",
        f"{lag}",
        "give a lag of 1",
    )
    refuse_if(not isinstance(seed, int) or seed < 0, "a seed from 0", f"{seed!r}", "give `seed=1`")
    for factor, values in (factors or {}).items():
        refuse_if(
            not {*weights.get_column("name")} & {*values.get_column("name")},
            f"values of factor {factor} of names that have weights",
            list_names(values.get_column("name").unique().sort().to_list()) or "none",
            "spell names alike in both",
            DataError,
        )
    is_flat = pl.col("weight").abs().sum().over("date") == 0
    weights = weights.filter((pl.col("weight") != 0) | is_flat)
    market = _market_of(weights, prices, charge, settle_after)
    dated, notes = _place(weights, market.days, lag)
    entries = _trade(market, charge, dated)
    first = dated.select(pl.col("traded").min()).item()
    money = _money(entries, [day for day in market.days if day >= first], charge.capital)
    if benchmark is not None:
        aligned, said = _align(benchmark, money.get_column("date"))
        money = money.with_columns(aligned)
        notes += said
    after = pl.col("after")
    holdings = entries.filter(after != 0).select(
        "date", "name", weight=after / pl.col("equity"), value=after
    )
    if sectors is not None:
        notes += sectors.notes(holdings.get_column("name"), holdings.get_column("date"))
    trades = _trades(entries)
    settled = trades.filter(pl.col("kind") == "settled")
    notes += _note_rows(entries.filter("waits"), "order", "waited for a price")
    notes += _note_rows(settled, "position", "in names that left, settled at the last close")
    unadjusted = prices.filter(~pl.col("adjusted")).get_column("instrument").unique()
    move = pl.col("value") / pl.col("before") - 1
    fell = entries.filter(
        move.is_between(-1, DOUBTFUL_FALL, "none"), pl.col("name").is_in(unadjusted.implode())
    )
    falls = f"of a held name by over {-DOUBTFUL_FALL:.0%}, a split if these closes are not adjusted"
    notes += _note_rows(fell, "fall", falls)
    return BookLedger(
        Frame(_rates(money, charge.capital)),
        Frame(_rates(_weekly(money), charge.capital)),
        Frame(trades),
        Frame(holdings),
        Frame(_pnl(entries)),
        Frame(_exposures(money.select("date"), holdings, sectors, factors or {})),
        Frame(dated.select("date", "traded", "name", "weight")),
        charge.capital,
        _periods(market.days),
        tuple(notes),
        seed,
    )


def _periods(days: Sequence[date]) -> float:
    """Days a year: 365 of prices with more than 300, else 252."""
    span = max((days[-1] - days[0]).days, 1)
    return 365.0 if len(days) * 365.25 > 300 * span and len(days) > 7 else 252.0


def _market_of(
    weights: pl.DataFrame, prices: pl.DataFrame, charge: Charge, settle_after: int
) -> _Market:
    """Closes of the names with weights on all days of the prices; raises DataError for a name without prices."""
    names = weights.get_column("name").unique().sort().to_list()
    known = set(prices.get_column("instrument").unique())
    for name in (name for name in names if name not in known):
        raise DataError(
            f"weights of names that have prices, such as {list_names(sorted(known))}",
            f"one of {name!r}",
            suggest_name(name, known, "take it out, or give its prices"),
        )
    days = prices.get_column("date").unique().sort()
    frame = prices.rename({"instrument": "name"}).filter(pl.col("name").is_in(names))
    frame = frame.sort("name", "date").with_columns(
        at=days.search_sorted(frame.sort("name", "date").get_column("date")).cast(pl.Int64),
        growth=(pl.col("close") / pl.col("close").shift(1)).over("name"),
        scale=1e-4 * (charge.bps or 0.0),
    )
    if charge.bps is None:
        sd = pl.col("growth").log().rolling_std(20, min_samples=10)
        value = (pl.col("close") * pl.col("volume")).rolling_median(60, min_samples=20)
        law = charge.law * sd / pl.when(value > 0).then(value).sqrt()
        frame = frame.with_columns(scale=law.shift(1).over("name"))
        # a name without a measure costs as the date's median
        frame = frame.with_columns(pl.col("scale").fill_null(pl.col("scale").median().over("date")))
    silent = pl.col("at").shift(-1).over("name").fill_null(len(days)) - pl.col("at") - 1
    suspect = is_unadjusted(pl.col("growth") - 1) & ~pl.col("adjusted")
    columns = ("close", silent > settle_after, suspect.alias("suspect"), "scale")
    wide = [
        matrix_of(frame.select("date", "name", column), days, pl.Series(names))
        for column in columns
    ]
    return _Market(days.to_list(), names, wide[0], wide[1] == 1, wide[2] == 1, wide[3])


def _place(weights: pl.DataFrame, days: Sequence[date], lag: int) -> tuple[pl.DataFrame, list[str]]:
    """Weights with the day `traded` and its index `at`, and notes on dates that were moved or left out."""
    calendar = pl.DataFrame({"traded": days}).with_row_index("at")
    given = weights.select(pl.col("date").unique().sort()).join_asof(
        calendar, left_on="date", right_on="traded", strategy="forward", coalesce=False
    )
    late = given.filter((pl.col("traded") - pl.col("date")).dt.total_days() > LATE_DAYS)
    for day, traded in late.select("date", "traded").head(1).rows():
        raise DataError(
            f"prices within {LATE_DAYS} days of each date of weights",
            f"weights of {day}, and the next price on {traded}",
            "give prices from then on, or leave these weights out",
        )
    moved = given.filter(pl.col("traded") != pl.col("date"))
    placed = given.select("date", pl.col("at") + lag).join(calendar, on="at", how="inner")
    refuse_if(
        placed.is_empty(),
        f"weights before the last day of prices, {days[-1]}",
        f"weights from {given.item(0, 'date')} to {given.item(-1, 'date')}"
        + f", traded {lag} days later" * bool(lag),
        "give later prices",
        DataError,
    )
    counted = placed.filter(pl.col("date") == pl.col("date").max().over("at"))
    first_moved = moved.select(pl.col("date").min()).item()
    texts = {
        f"without prices, traded on the next day that has some (first: {first_moved})": moved.height,
        f"left out, to be traded after the last price, {days[-1]}": given.height - placed.height,
        "left out, as later ones are traded on the same day": placed.height - counted.height,
    }
    notes = [f"{format_count(n, 'date')} of weights {text}" for text, n in texts.items() if n]
    return weights.join(counted, on="date", how="inner").sort("date", "name"), notes


def _trade(market: _Market, charge: Charge, dated: pl.DataFrame) -> pl.DataFrame:
    """Money of each name on each day on which it is held, traded or waited for.

    Returns
    -------
    DataFrame
        `date`, `name`; `before` and `value` (of the position, by the last close and this one), `order`, `price`, `cost`,
        `borrow`, `after` (value at the end of the day), `opening` and `equity` (of the book, before and after costs),
        `left` (value that is settled), `waits` (whether weights of the day wait for a price).
    """
    at = dated.get_column("at").to_numpy()
    column = pl.Series(market.names).search_sorted(dated.get_column("name")).to_numpy()
    targets = np.full(market.close.shape, np.nan)
    targets[at] = 0.0
    targets[at, column] = dated.get_column("weight").to_numpy()
    prices = np.nan_to_num(carry_forward(market.close))
    power = 1.0 if charge.bps is not None else 1.5
    units = np.zeros(len(market.names))
    wanted = units
    equity = charge.capital
    entries: list[pl.DataFrame] = []
    for t in range(at.min(), len(market.days)):
        day = market.days[t]
        _refuse_split(market, t, (units != 0) & market.suspect[t])
        before = units * prices[max(t - 1, 0)]
        value = units * prices[t]
        nights = (day - market.days[max(t - 1, 0)]).days
        borrow = 1e-4 * charge.borrow_bps / 365 * nights * np.maximum(-before, 0.0)
        opening = equity + float((value - before - borrow).sum())
        is_new = np.isfinite(targets[t])
        wanted = np.where(is_new, targets[t], wanted)
        can_trade = np.isfinite(market.close[t]) & (prices[t] > 0)
        order = wanted * opening - value
        is_order = np.abs(order) > LEAST_ORDER * opening
        order = np.where(is_order & can_trade, order, 0.0)
        cost = market.scale[t] * np.abs(order) ** power
        cost = np.where(order != 0, np.maximum(cost, charge.min_commission), 0.0)
        equity = opening - float(cost.sum())
        _refuse_ruin(day, equity)
        units = np.divide(value + order, prices[t], out=units.copy(), where=order != 0)
        wanted = np.where(can_trade, np.nan, wanted)
        after = np.where(market.leaves[t], 0.0, units * prices[t])
        money = {
            "before": before,
            "value": value,
            "order": order,
            "price": prices[t],
            "cost": cost,
            "borrow": borrow,
            "after": after,
            "opening": opening,
            "equity": equity,
            "left": units * prices[t] - after,
            "waits": is_order & ~can_trade & is_new,
        }
        names = pl.DataFrame({"date": day, "name": market.names, **money})
        entries.append(
            names.filter((pl.col("before") != 0) | (pl.col("order") != 0) | pl.col("waits"))
        )
        units = np.where(market.leaves[t], 0.0, units)
    return pl.concat(entries)


def _note_rows(rows: pl.DataFrame, noun: str, text: str) -> list[str]:
    """Sentence on the number of rows, and the first of them by name and date; none without rows."""
    named = [f"{name} on {day}" for name, day in rows.select("name", "date").rows()]
    return [f"{format_count(len(named), noun)} {text}: {list_names(named, 3)}"] * bool(named)


def _refuse_split(market: _Market, t: int, suspect: Bools) -> None:
    """Raise DataError for a held name's move that looks like a split."""
    for n in np.flatnonzero(suspect)[:1]:
        prior = market.close[:t, n]
        move = float(market.close[t, n] / prior[np.isfinite(prior)][-1] - 1)
        split = f", as in a split of {split_of(move)}" if split_of(move) else ""
        raise DataError(
            "closes adjusted for splits, or none that moves by 60 % in a day",
            f"{market.names[n]}, which is held, moves by {move:+.0%} on {market.days[t]}{split}",
            "give adjusted closes as rows of date, symbol and adj_close, also where the move is true",
        )


def _refuse_ruin(day: date, equity: float) -> None:
    """Raise DataError for a book without equity, or with a cost that is not known."""
    refuse_if(
        np.isnan(equity),
        "volumes, and at least 20 days of prices, before the first trade",
        f"none of any name on {day}",
        "give a cost in bps instead",
        DataError,
    )
    refuse_if(
        equity <= 0,
        "a book that outlives its losses",
        f"an equity of {equity:,.2f} on {day}",
        "lower the weights, or look at that day's prices and costs",
        DataError,
    )


def _money(entries: pl.DataFrame, days: Sequence[date], capital: float) -> pl.DataFrame:
    """Money and turnover by day, of days without an entry too."""
    by_day = entries.group_by("date").agg(
        (pl.col("value") - pl.col("before")).sum().alias("gross"),
        pl.col("cost", "borrow").sum(),
        turnover=pl.col("order").abs().sum() / pl.col("opening").first(),
        equity=pl.col("equity").first(),
    )
    table = pl.DataFrame({"date": days}).join(by_day, on="date", how="left").sort("date")
    return table.with_columns(pl.col("equity").forward_fill().fill_null(capital)).fill_null(0.0)


def _rates(money: pl.DataFrame, capital: float) -> pl.DataFrame:
    """Money by day or week as fractions of the equity before, with net return and drawdown."""
    before = pl.col("equity").shift(1, fill_value=capital)
    peak = pl.max_horizontal(pl.col("equity").cum_max(), pl.lit(capital))
    return money.select(
        "date",
        pl.col("gross", "cost", "borrow") / before,
        ((pl.col("gross") - pl.col("cost") - pl.col("borrow")) / before).alias("net"),
        "turnover",
        "equity",
        (1.0 - pl.col("equity") / peak).alias("drawdown"),
        pl.col("^benchmark$"),
    )


def _trades(entries: pl.DataFrame) -> pl.DataFrame:
    """Orders, and settlements of names that left."""
    settled = entries.filter(pl.col("left") != 0).with_columns(
        value="left", order=-pl.col("left"), cost=0.0, kind=pl.lit("settled")
    )
    orders = entries.filter(pl.col("order") != 0).with_columns(kind=pl.lit("order"))
    return (
        pl.concat([orders, settled])
        .select(
            "date",
            "name",
            weight_before=pl.col("value") / pl.col("opening"),
            weight_after=(pl.col("value") + pl.col("order")) / pl.col("opening"),
            value="order",
            price="price",
            cost="cost",
            kind="kind",
        )
        .sort("date", "name", "kind")
    )


def _pnl(entries: pl.DataFrame) -> pl.DataFrame:
    """Money by name, the best first."""
    gross = (pl.col("value") - pl.col("before")).sum()
    money = entries.group_by("name").agg(
        gross.alias("gross"),
        pl.col("cost", "borrow").sum(),
        (gross - pl.col("cost").sum() - pl.col("borrow").sum()).alias("net"),
        (pl.col("after") != 0).sum().alias("days"),
        (pl.col("order") != 0).sum().alias("trades"),
    )
    return money.filter(pl.col("trades") > 0).sort("net", "name", descending=[True, False])


def _weekly(money: pl.DataFrame) -> pl.DataFrame:
    """Money by week from Monday, dated by its last day."""
    weeks = money.group_by(pl.col("date").dt.truncate("1w").alias("week"), maintain_order=True)
    return weeks.agg(
        pl.col("date").last(),
        pl.col("gross", "cost", "borrow", "turnover").sum(),
        pl.col("equity").last(),
        pl.when(pl.col("^benchmark$").count() > 0).then(
            (1.0 + pl.col("^benchmark$")).product() - 1.0
        ),
    )


def _align(benchmark: pl.DataFrame, days: pl.Series) -> tuple[pl.Series, list[str]]:
    """Returns of a benchmark from day to day of a ledger, 0 on its first, null outside the benchmark's days; notes."""
    levels = benchmark.sort("date").with_columns(at=pl.col("date"))
    asked = days.to_frame().join_asof(levels, on="date")
    within = pl.col("date").is_between(levels.item(0, "date"), levels.item(-1, "date"))
    level = pl.when(within).then("level")
    move = (level / level.shift(1) - 1.0).fill_null(pl.when(level.cum_count() == 1).then(0.0))
    inside = asked.filter(within)
    refuse_if(
        inside.height < 3,
        f"a benchmark of days from {days[0]} to {days[-1]}",
        f"{levels.item(0, 'date')} to {levels.item(-1, 'date')}",
        "give its closes or returns on these days",
        DataError,
    )
    unpriced = ~pl.col("date").is_in(days.implode())
    extra = levels.filter(pl.col("date").is_between(days[0], days[-1]), unpriced)
    texts = {
        "without a benchmark: its move falls on the next": inside.filter(
            pl.col("at") != pl.col("date")
        ).height,
        "of the benchmark without prices: part of the next day's return": extra.height,
        "outside the benchmark's, left out of alpha and beta": asked.height - inside.height,
    }
    notes = [f"{format_count(n, 'day')} {text}" for text, n in texts.items() if n]
    return asked.select(move.alias("benchmark")).to_series(), notes


def _exposures(
    days: pl.DataFrame,
    holdings: pl.DataFrame,
    sectors: Sectors | None,
    factors: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """Exposures by day: long, short, net, gross, by sector and to factors."""
    weight = pl.col("weight")
    sides = holdings.group_by("date").agg(
        long=weight.clip(lower_bound=0).sum(),
        short=weight.clip(upper_bound=0).sum(),
        net=weight.sum(),
        gross=weight.abs().sum(),
    )
    table = days.join(sides, on="date", how="left")
    if sectors is not None:
        sector = sectors.of(holdings.get_column("name"), holdings.get_column("date"))
        by_sector = holdings.with_columns(sector=pl.lit("sector:") + sector).pivot(
            "sector", index="date", values="weight", aggregate_function="sum", sort_columns=True
        )
        table = table.join(by_sector, on="date", how="left")
    for name, values in factors.items():
        value = pl.col("value")
        standard = ((value - value.mean()) / value.std()).over("date")
        scores = values.select("name", z=standard.fill_nan(0.0), factor_date="date")
        dates = scores.select(pl.col("factor_date").unique().sort())
        dated = (
            holdings.sort("date")
            .join_asof(dates, left_on="date", right_on="factor_date")
            .join(scores, on=["factor_date", "name"], how="left")
        )
        loading = (weight * pl.col("z").fill_null(0.0)).sum().alias(f"factor:{name}")
        table = table.join(dated.group_by("date").agg(loading), on="date", how="left")
    return table.fill_null(0.0).sort("date")
