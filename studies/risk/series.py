"""Readers of files of one series of days: each refuses, by row and column, what no model can use."""

import csv
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from warnings import catch_warnings

import numpy as np

from tercel.core import ConfigError, DataError, Floats
from tercel.signals.risk import DailySeries

OPTIONAL = ("rv", "rq", "vix")
STALE_DAYS = 10
"""Closes equal for so many days in a row are a stale price, not a quiet market."""


def log_returns(close: Floats) -> Floats:
    """Log returns, the first 0."""
    returns = np.zeros(len(close))
    returns[1:] = np.diff(np.log(close))
    return returns


def checked(series: DailySeries) -> DailySeries:
    """The series, if a model can use it.

    Raises
    ------
    DataError
        Days out of order, NaN, a constant or stale series, variances not above zero.
    """
    for row, (before, after) in enumerate(zip(series.days, series.days[1:], strict=False), start=1):
        if after <= before:
            raise DataError(
                f"days in order in {series.name}",
                f"{after} after {before}, row {row}",
                "sort the file",
            )
    _finite(series.name, "returns", series.returns, series.days)
    moved = series.returns[1:]
    if len(moved) and np.all(moved == moved[0]):
        raise DataError(
            f"returns of {series.name} that move",
            f"{len(moved)} times {moved[0]:g}",
            "check the prices",
        )
    still, longest, end = 0, 0, 0
    for row in range(1, len(series)):
        still = still + 1 if series.returns[row] == 0.0 else 0
        longest, end = (still, row) if still > longest else (longest, end)
    if longest >= STALE_DAYS:
        raise DataError(
            f"prices of {series.name} that are not stale",
            f"{longest} days without a move up to {series.days[end]}, row {end}",
            "leave the days out on which it did not trade",
        )
    for name, values in series.columns.items():
        _finite(series.name, name, values, series.days)
        if np.any(values <= 0):
            row = int(np.flatnonzero(values <= 0)[0])
            received = f"{values[row]:g} on {series.days[row]}, row {row}, column {name}"
            raise DataError(f"values above 0 in {series.name}", received, "leave the day out")
    return series


def _finite(series: str, name: str, values: Floats, days: Sequence[date]) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        row = int(bad[0])
        received = f"{values[row]} on {days[row]}, row {row}, column {name}"
        raise DataError(f"numbers in {series}", received, "leave the day out, or mend it")


# -- files ------------------------------------------------------------------------------------------------------------


def read_csv(path: Path) -> DailySeries:
    """A file of days: columns `date` and `close`, and where there are any `rv`, `rq`, `vix`.

    Raises
    ------
    DataError
        What is wrong, by file, row and column.
    """
    rows = _rows(path)
    if not rows or "date" not in rows[0] or "close" not in rows[0]:
        raise DataError(
            "columns date and close",
            f"{', '.join(rows[0]) if rows else 'nothing'} in {path}",
            "add them",
        )
    days = tuple(_day(row["date"], path, number) for number, row in enumerate(rows, start=2))
    close = _numbers(rows, "close", path)
    columns: dict[str, Floats] = {
        name: _numbers(rows, name, path) for name in OPTIONAL if name in rows[0]
    }
    return checked(DailySeries(path.stem, days, log_returns(close), columns))


def read_spy(folder: Path) -> DailySeries:
    """SPY's daily realised measures (R package `highfrequency`, `SPYRM.rda`) and the VIX of the same days."""
    path = folder / "taq-sample-highfrequency" / "SPYRM.rda"
    frame = _r_frame(path)
    days = tuple(date(1970, 1, 1) + timedelta(days=int(stamp)) for stamp in frame["DT"])
    columns = {"rv": np.array(frame["RV5"], np.float64), "rq": np.array(frame["RQ5"], np.float64)}
    vix = read_vix(folder)
    missing = [day for day in days if day not in vix]
    if not missing:
        columns["vix"] = np.array([vix[day] for day in days])
    return checked(
        DailySeries("SPY", days, log_returns(np.array(frame["CLOSE"], np.float64)), columns)
    )


def read_vix(folder: Path) -> dict[date, float]:
    """Closes of the VIX by day, from `macro-index-factors/vix-daily.csv`."""
    path = folder / "macro-index-factors" / "vix-daily.csv"
    rows = _rows(path)
    close = _numbers(rows, "CLOSE", path)
    return {
        _day(row["DATE"], path, number): close[number - 2]
        for number, row in enumerate(rows, start=2)
    }


def read_sp500(folder: Path) -> DailySeries:
    """The S&P 500 day by day, with its range, a proxy of its variance, and the VIX."""
    path = folder / "macro-index-factors" / "sp500-daily-ohlcv.csv.gz"
    rows = _rows(path)
    days = tuple(_day(row["Date"], path, number) for number, row in enumerate(rows, start=2))
    opened, high, low, close = (
        _numbers(rows, name, path) for name in ("Open", "High", "Low", "Close")
    )
    returns = log_returns(close)
    spread, drift = np.log(high / low), np.log(close / opened)
    within = np.maximum(0.5 * spread**2 - (2 * math.log(2) - 1) * drift**2, 1e-8)
    overnight = np.zeros(len(days))
    overnight[1:] = np.log(opened[1:] / close[:-1])
    vix = read_vix(folder)
    missing = [day for day in days if day not in vix]
    columns = {"range": within, "proxy": within + overnight**2}
    if (
        len(missing) <= len(days) // 100
    ):  # a few holidays that only one of the files has: the close before
        columns["vix"] = _filled(days, vix)
    return checked(DailySeries("S&P 500", days, returns, columns))


def _filled(days: Iterable[date], known: Mapping[date, float]) -> Floats:
    out: list[float] = []
    first = known[min(known)]
    for day in days:
        out.append(known.get(day, out[-1] if out else first))
    return np.array(out)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(
            "a file of days", f"no {path}", "check the folder given as `data=`"
        ) from None
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise DataError(
            "a text file in UTF-8", f"{path}: {error}", "write it again as CSV"
        ) from error


def _numbers(rows: Sequence[Mapping[str, str]], name: str, path: Path) -> Floats:
    out = np.empty(len(rows))
    for number, row in enumerate(rows, start=2):
        try:
            out[number - 2] = float(row[name])
        except (KeyError, TypeError, ValueError):
            received = f"'{row.get(name)}' in {path}, row {number}, column {name}"
            raise DataError("a number", received, "mend the row, or leave it out") from None
        if not (math.isfinite(out[number - 2]) and out[number - 2] > 0):
            received = f"{row[name]} in {path}, row {number}, column {name}"
            raise DataError("a finite number above 0", received, "mend the row, or leave it out")
    return out


def _day(text: str, path: Path, row: int) -> date:
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise DataError("a day as YYYY-MM-DD", f"'{text}' in {path}, row {row}", "mend the row")


def _r_frame(path: Path) -> Mapping[str, Sequence[float]]:
    """The frame of SPY's measures; its `DT` is days since 1970."""
    try:
        import rdata
    except ImportError:
        raise ConfigError(
            "the package rdata, which reads R files", "none", "pip install rdata"
        ) from None
    if not path.is_file():
        raise DataError(
            "SPY's realised measures", f"no {path}", "check the folder given as `data=`"
        )
    with catch_warnings(
        action="ignore"
    ):  # R's own classes of dates and tables are read as numbers and columns
        found: Mapping[str, Sequence[float]] = rdata.read_rda(path)["SPYRM"]
    return found


def first_of_test(days: Sequence[date], wanted: date, least: int) -> int:
    """First day of the test: `wanted` where enough days lie before it, else half of the series."""
    first = sum(day < wanted for day in days)
    return first if least <= first < len(days) - least // 2 else len(days) // 2
