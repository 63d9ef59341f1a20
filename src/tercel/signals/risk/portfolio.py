"""A portfolio as daily returns of its names on the days that they share; names left out, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import compress

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Floats
from tercel.core.errors import DataError, refuse_if, suggest_name
from tercel.core.report.formatting import format_percent
from tercel.signals.price_moves import DOUBTFUL_FALL, is_unadjusted, split_of

LEAST_DAYS = 100
"""Days that names must share."""
ENOUGH_DAYS = 504
"""Days of its own with which a name is included, though others have more."""
LARGEST_GAP = 0.08
"""Share of days without a close above which a name is left out; on fewer the previous close is used. Holidays of two
exchanges are up to 7 % of the weekdays.
"""
LATE = 0.1
"""Share of the days by which a name may begin later than others though it has fewer."""
STALE_DAYS = 10
ENDED_DAYS = 5


@dataclass(frozen=True)
class Portfolio:
    """Daily log returns of a portfolio's names on the days they share, without gaps.

    Parameters
    ----------
    names : tuple of str, length p
    weights : float64[p]
        Shares of the book's value, short below 0; brought back to themselves every day.
    days : tuple of date, length n + 1
        The first is that of the closes before the first returns.
    returns : float64[n, p]
    left_out : mapping of str to str
        Names that cannot be used, and why.
    notes : tuple of str
    columns : mapping of str to float64[n + 1]
        Of one name: realised variance `rv` (a squared fraction), and `vix`, on its days.
    """

    names: tuple[str, ...]
    weights: Floats
    days: tuple[date, ...]
    returns: Floats
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()
    columns: Mapping[str, Floats] = field(default_factory=dict)

    def book_returns(self) -> Floats:
        """Daily log returns of the whole book, float64[n].

        Raises
        ------
        DataError
            A day on which it lost all it had, or did not move at all.
        """
        if self.weights.tolist() == [1.0]:
            return self.returns[:, 0]
        growth = 1.0 + np.expm1(self.returns) @ self.weights
        if np.any(growth <= 0):
            day = self.days[1 + int(np.argmax(growth <= 0))]
            raise DataError(
                "a book that never loses all of its value",
                f"one that does on {day}",
                "lower the weights",
            )
        log_returns = np.asarray(np.log(growth))
        refuse_if(
            log_returns.std() < 1e-12,
            "a book that moves",
            "one whose weights cancel out",
            "check the weights",
            DataError,
        )
        return log_returns


def make_portfolio(closes: pl.DataFrame, weights: Mapping[str, float] | None = None) -> Portfolio:
    """Book of closes: of all names that can be used, equally weighted, or of those that weights are given for.

    Days on which less than half of the names then alive have a close are holidays, and Saturdays and Sundays on which
    no more than half have one: they are left out, and the return of a name that moved on k of them in between is
    divided by the square root of 1 + k, which makes it a day's. On any other day a close that is missing is the one
    before. A name cannot be used that has no close on more than 8 % of its days, has the same one for ten days on end,
    ends before the others, or fell to 0. Without weights a name is left out, too, that begins late and has no more than
    504 days.

    Parameters
    ----------
    closes : DataFrame
        `instrument`, `date`, `close` of 0 or more, `adjusted` (whether for splits), `row` of its file; one row per name
        and day.
    weights : mapping of str to float, optional

    Raises
    ------
    DataError
        No name that can be used, a weight for one that cannot or is not there, too few days that all share, or a close
        that is not adjusted and whose move is none (:mod:`tercel.signals.price_moves`): it falls by more than 60 %
        in a day, rises by more than 65 % or, within 1.5 %, falls by the ratio of a split (3:2 and more).

    >>> days = pl.date_range(date(2024, 1, 1), date(2024, 6, 1), eager=True)
    >>> walk = np.exp(np.random.default_rng(1).normal(0, 0.01, len(days)).cumsum())
    >>> closes = pl.DataFrame({"instrument": "A", "date": days, "close": walk, "adjusted": True, "row": 1})
    >>> book = make_portfolio(closes)
    >>> book.names, book.returns.shape, book.weights.tolist()
    (('A',), (152, 1), [1.0])
    """
    if weights is not None:
        closes = closes.filter(
            pl.col("instrument").is_in(
                _check_weights(weights, closes["instrument"].unique().to_list())
            )
        )
    notes = _check_moves(closes.filter(~pl.col("adjusted")))
    table = closes.pivot("instrument", index="date", values="close").sort("date")
    names = table.columns[1:]
    prices = table.drop("date").to_numpy().astype(np.float64)
    all_days: list[date] = table["date"].to_list()
    prices, days, roots = _trading_days(prices, all_days)
    reasons = {
        name: _exclusion_reason(prices[:, c], days, weights is None) for c, name in enumerate(names)
    }
    left_out = {name: reason for name, reason in sorted(reasons.items()) if reason}
    usable = sorted(name for name in names if not reasons[name])
    if not usable or (weights is not None and left_out):
        name, reason = next(iter(left_out.items()))
        raise DataError(
            "names that can be used" + " alone" * bool(usable),
            f"{len(left_out)} of {len(names)} that cannot: {name}: {reason}",
            "leave such names out" if usable else "give the days that lack",
        )
    used = [names.index(name) for name in usable]
    prices, roots = prices[:, used], roots[:, used]
    begins = np.argmax(np.isfinite(prices), axis=0)
    first = int(begins.max())
    latest = usable[int(begins.argmax())]
    if len(days) - first <= LEAST_DAYS:
        raise DataError(
            f"at least {LEAST_DAYS} days of returns of every name",
            f"{len(days) - first - 1} returns; {latest} begins on {days[first]}",
            "give a longer history",
        )
    holes = int(np.isnan(prices[first:]).sum())
    if left_out:
        text = "; ".join(f"{name} ({reason})" for name, reason in list(left_out.items())[:4])
        notes.append(
            f"{len(left_out)} of {len(names)} names are left out: {text}{' ...' * (len(left_out) > 4)}."
        )
    if first:
        notes.append(
            f"The names share {len(days) - first - 1:,} days of returns: {latest} begins on {days[first]}."
        )
    if holes:
        notes.append(
            f"Closes missing on days on which others traded: {holes}; the previous close is used."
        )
    if closed := len(all_days) - len(days):
        notes.append(
            "Left out as holidays, days on which less than half of the names have a close (Saturdays, Sundays: half or "
            f"less): {closed}, the last of them {max(set(all_days) - set(days))}; a return over k days of a name is "
            "divided by the root of k."
        )
    share = np.array([1.0 / len(usable) if weights is None else weights[name] for name in usable])
    returns = np.diff(np.log(carry_forward(prices)[first:]), axis=0) / roots[first:]
    return Portfolio(tuple(usable), share, tuple(days[first:]), returns, left_out, tuple(notes))


def _check_weights(weights: Mapping[str, float], names: list[str]) -> list[str]:
    """Names with a weight other than 0; raises DataError for a name without prices, a weight not finite, or none but 0."""
    for name, weight in weights.items():
        if name not in names:
            raise DataError(
                f"weights of names that have prices, such as {', '.join(names[:5])}",
                f"one of {name!r}",
                suggest_name(name, names, "take it out"),
            )
        if not np.isfinite(weight):
            raise DataError("a finite weight", f"{weight} of {name}", "correct the weight")
    used = [name for name, weight in weights.items() if weight]
    refuse_if(not used, "a weight other than 0", "none", "correct the weights", DataError)
    return used


def _check_moves(closes: pl.DataFrame) -> list[str]:
    """Notes on moves that may be splits; raises DataError for a move near a split's ratio or too large."""
    move = (pl.col("close") / pl.col("close").shift(1) - 1).over("instrument", order_by="date")
    table = closes.with_columns(move=move).with_columns(sure=is_unadjusted(pl.col("move")))
    doubtful = pl.col("move").is_between(-1, DOUBTFUL_FALL, "none")
    moves = (
        table.filter(doubtful | pl.col("sure"))
        .sort("instrument", "date")
        .select("sure", "instrument", "move", "date", "row")
        .rows()
    )
    if not moves:
        return []
    sure = [row for row in moves if row[0]]
    (_, name, change, day, number), *others = sure or moves
    more_text = f" (and {len(others)} more)" if others else ""
    text = f"{name} moves by {100 * change:+.0f} % on {day}, row {number}"
    if not sure:
        return [f"{text}{more_text}: a split, if these closes are not adjusted."]
    split = split_of(change)
    raise DataError(
        "closes adjusted for splits, or none that moves as in a split or by 60 % in a day",
        text + (f", as in a split of {split}" if split else "") + more_text,
        "add an adjusted close; or say `adjusted=True` where this one is, or the move is true; or give weights of "
        "other names",
    )


def _trading_days(prices: Floats, days: list[date]) -> tuple[Floats, list[date], Floats]:
    """Closes of the trading days, these days, and by name the root of the closes that each return spans, (days - 1, names)."""
    has_close = np.isfinite(prices)
    begun = np.maximum.accumulate(has_close, axis=0)
    going = np.maximum.accumulate(has_close[::-1], axis=0)[::-1]
    going[-1 - ENDED_DAYS :] |= has_close[-1 - ENDED_DAYS :].any(
        axis=0
    )  # the last days may be a weekend
    # a share and a coin: on weekends half have a close, and these are days of neither
    excess = 2 * has_close.sum(axis=1) - (begun & going).sum(axis=1)
    open_: Bools = excess >= np.array([day.isoweekday() > 5 for day in days])
    # a close that repeats the one before was filled in: no move, so no day of the name
    has_moved = has_close & (np.diff(carry_forward(prices), axis=0, prepend=np.nan) != 0)
    extra_moves = np.cumsum(has_moved & ~open_[:, None], axis=0)[open_]
    return prices[open_], list(compress(days, open_)), np.sqrt(1 + np.diff(extra_moves, axis=0))


def carry_forward(prices: Floats) -> Floats:
    """Closes, with missing ones filled by the previous close; NaN before the first."""
    row = np.arange(len(prices)).reshape(-1, *[1] * (prices.ndim - 1))
    last = np.maximum.accumulate(np.where(np.isfinite(prices), row, 0), axis=0)
    return np.take_along_axis(prices, last, axis=0)


def _exclusion_reason(prices: Floats, days: list[date], equal: bool) -> str:
    """Why a name cannot be used; empty where it can; `equal` (equal weights): a late begin with a short history counts too."""
    close_index = np.flatnonzero(np.isfinite(prices))
    first = int(close_index[0])
    last = int(close_index[-1])
    if not prices[last]:
        return f"a return of -100 % on {days[int(np.argmax(prices == 0))]}"
    if len(days) - 1 - last > ENDED_DAYS:
        return f"ends on {days[last]}"
    missing = 1 - len(close_index) / (len(days) - first)
    if missing > LARGEST_GAP:
        return f"no close on {format_percent(missing, 1)} of its days"
    moves = np.flatnonzero(np.diff(carry_forward(prices[first:])))
    unchanged = np.diff(np.concatenate([[-1], moves, [len(days) - 1 - first]])) - 1
    if unchanged.max() >= STALE_DAYS:
        return f"the same close for {unchanged.max() + 1} days"
    late = equal and len(days) - first <= min(ENOUGH_DAYS, (1 - LATE) * len(days))
    return f"begins on {days[first]}" if late else ""
