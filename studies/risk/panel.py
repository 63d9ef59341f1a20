"""A panel of daily returns of many names, and what was left out of it and why."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from tercel.core import DataError, Floats

LARGEST_MOVE = 0.5
"""Log returns beyond it are splits and errors, not risk: set to 0, and counted."""
LARGEST_GAP = 0.02
"""Share of days without a trade above which a name is left out; on fewer the close before stands."""
STALE_DAYS = 10
COLUMNS = ("ticker", "date", "close", "volume")


@dataclass(frozen=True)
class ReturnPanel:
    """Daily log returns, no gaps.

    Parameters
    ----------
    names : tuple of str, length p
    days : tuple of date, length n
    returns : float64[n, p]
    left_out : dict of str to str
        Names that were left out, and why.
    voided : int
        Single returns set to 0 (moves beyond any sense).
    """

    names: tuple[str, ...]
    days: tuple[date, ...]
    returns: Floats
    left_out: dict[str, str]
    voided: int

    def since(self, day: date) -> int:
        """Index of the first day from `day` on."""
        return sum(one < day for one in self.days)

    def draw(self, count: int, seed: int) -> "ReturnPanel":
        """So many of the names, drawn at random."""
        if count > len(self.names):
            raise DataError(f"at least {count} names", f"{len(self.names)}", "ask for fewer names")
        picked = np.sort(np.random.default_rng(seed).permutation(len(self.names))[:count])
        names = tuple(self.names[i] for i in picked)
        return ReturnPanel(
            names,
            self.days,
            np.ascontiguousarray(self.returns[:, picked]),
            self.left_out,
            self.voided,
        )


def read_panel(path: Path) -> ReturnPanel:
    """A Parquet (or CSV) file of ticker, date, close, volume, one row per name and day.

    Days on which half of the names have no volume are no trading days. A name is left out that begins late, has a close
    not above zero, has no close or no volume on more than 2 % of the days, or is stale for ten days on end.

    Raises
    ------
    DataError
        No such file, a column that is missing, two rows of one name and day, or no name left.
    """
    if path.is_dir():
        path = path / "us-daily-ohlcv-2000-2017" / "panel.parquet"
    if not path.is_file():
        raise DataError("a panel of daily prices", f"no {path}", "check the path given as `data=`")
    try:
        frame = (
            pl.read_csv(path, try_parse_dates=True)
            if path.suffix == ".csv"
            else pl.read_parquet(path)
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError("a Parquet or CSV file", f"{path}: {reason}", "write it again") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(
            f"columns {', '.join(COLUMNS)}", f"none named {missing[0]} in {path}", "add it"
        )
    frame = frame.select(
        pl.col("ticker").cast(pl.String), "date", pl.col("close", "volume").cast(pl.Float64)
    )
    twice = frame.group_by("ticker", "date").len().filter(pl.col("len") > 1).sort("ticker", "date")
    if len(twice):
        received = f"{twice['len'][0]} of {twice['ticker'][0]} on {twice['date'][0]} in {path}"
        raise DataError("one row per name and day", received, "keep one of them")
    return _panel(frame, path)


def _panel(frame: pl.DataFrame, path: Path) -> ReturnPanel:
    traded = frame.group_by("date").agg((pl.col("volume") > 0).sum().alias("traded")).sort("date")
    open_days = traded.filter(pl.col("traded") * 2 > frame["ticker"].n_unique())["date"]
    frame = frame.filter(pl.col("date").is_in(open_days.implode()))
    close = frame.pivot("ticker", index="date", values="close").sort("date")
    volume = frame.pivot("ticker", index="date", values="volume").sort("date").select(close.columns)
    names = close.columns[1:]
    prices = close.select(names).to_numpy().astype(np.float64)
    lots = volume.select(names).to_numpy().astype(np.float64)
    left_out, kept = {}, []
    for column, name in enumerate(names):
        why = _why_not(prices[:, column], lots[:, column])
        if why:
            left_out[name] = why
        else:
            kept.append(column)
    if not kept:
        name, why = next(iter(left_out.items()))
        raise DataError(
            f"names in {path} that can be used", f"none; {name}: {why}", "mend the panel"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        filled = np.column_stack([_carried(prices[:, column]) for column in kept])
        returns = np.diff(np.log(filled), axis=0)
    wild = np.abs(returns) > LARGEST_MOVE
    returns[wild] = 0.0
    order = np.argsort([names[column] for column in kept])
    return ReturnPanel(
        tuple(names[kept[i]] for i in order),
        tuple(close["date"].to_list()[1:]),
        np.ascontiguousarray(returns[:, order]),
        left_out,
        int(wild.sum()),
    )


def _carried(prices: Floats) -> Floats:
    """Closes with the close before where there is none, float64[n]."""
    known = np.maximum.accumulate(np.where(np.isfinite(prices), np.arange(len(prices)), 0))
    return np.asarray(prices[known])


def _why_not(prices: Floats, lots: Floats) -> str:
    """Why a name cannot be used; empty where it can."""
    if not np.isfinite(prices[0]):
        return f"begins {int(np.argmax(np.isfinite(prices)))} days late"
    if np.any(prices <= 0):
        return f"close {prices[prices <= 0][0]:g} in row {int(np.argmax(prices <= 0))}"
    idle = float(np.mean(~(lots > 0) | ~np.isfinite(prices)))
    if idle > LARGEST_GAP:
        return f"no close or no volume on {100 * idle:.1f} % of the days"
    still, longest = 0, 0
    for same in (np.diff(_carried(prices)) == 0).tolist():
        still = still + 1 if same else 0
        longest = max(longest, still)
    return f"stale: the same close for {longest} days" if longest >= STALE_DAYS else ""
