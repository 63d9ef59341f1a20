"""Reported cases 10 to 12: daily prices as people have them, through `tercel risk` and `tercel signals`."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from tests.reports.command import done, options, refused, tercel

from tercel.core.errors import DataError
from tercel.signals.portfolio.targets import read_portfolio, read_targets
from tercel.signals.sources.registry import in_table
from tercel.signals.sources.tables import price_table, read_prices

Closes = dict[date, dict[str, float]]


def weekdays(count: int, first: date = date(2023, 1, 2)) -> list[date]:
    found = [first + timedelta(days=k) for k in range(2 * count)]
    return [day for day in found if day.weekday() < 5][:count]


def walk(days: Sequence[date], names: str = "AB", seed: int = 1, sd: float = 0.012) -> Closes:
    """Closes of some names, of one letter each thrice: AAA, BBB."""
    steps = sd * np.random.default_rng(seed).standard_normal((len(days), len(names)))
    prices = 100 * np.exp(np.cumsum(steps, axis=0))
    return {
        day: {3 * n: round(float(p), 6) for n, p in zip(names, row, strict=True)}
        for day, row in zip(days, prices, strict=True)
    }


def wide(path: Path, closes: Closes) -> Path:
    names = sorted({name for row in closes.values() for name in row})
    rows = [
        ",".join([f"{day}", *(f"{row[name]:.6f}" if name in row else "" for name in names)])
        for day, row in closes.items()
    ]
    path.write_text("\n".join([",".join(["Date", *names]), *rows]) + "\n")
    return path


def variances(closes: Closes) -> dict[str, float]:
    """Of each name's returns from one of its closes to its next, by a plain loop."""
    found = {}
    for name in {name for row in closes.values() for name in row}:
        prices = [row[name] for row in closes.values() if name in row]
        returns = [np.log(b / a) for a, b in pairwise(prices)]
        mean = sum(returns) / len(returns)
        found[name] = sum((one - mean) ** 2 for one in returns) / (len(returns) - 1)
    return found


def sample(file: Path, *words: object) -> dict[str, Any]:
    """The sample covariance of a file's names, and each name's variance beside it."""
    found = done("risk", "covariance", file, "--covariance", "sample", *words)
    return found | {
        "variance": {name: found["covariance"][k][k] for k, name in enumerate(found["names"])}
    }


# -- 10: what yfinance saves ------------------------------------------------------------------------------------------

DAYS = weekdays(130)
TWO = walk(DAYS)


def of_yfinance(levels: Sequence[str], index: str | None, by_ticker: bool = False) -> list[str]:
    """Two header rows, then the name of the index where it has one; the two closes lie apart by their volumes."""
    columns = [("Close", name) for name in ("AAA", "BBB")] + [
        ("Volume", name) for name in ("AAA", "BBB")
    ]
    if by_ticker:
        columns = sorted((name, price) for price, name in columns)
    heads = [
        ",".join([level, *(column[k] for column in columns)]) for k, level in enumerate(levels)
    ]
    rows = []
    for day, row in TWO.items():
        cells = [
            (f"{row[name]:.6f}" if "Close" in column else "1000")
            for column in columns
            for name in column
            if name in row
        ]
        rows.append(",".join([f"{day}", *cells]))
    return [*heads, *([] if index is None else [index + "," * len(columns)]), *rows]


FORMS: dict[str, Callable[[], list[str]]] = {
    "named": lambda: of_yfinance(("Price", "Ticker"), "Date"),
    "by ticker": lambda: of_yfinance(("Ticker", "Price"), "Date", by_ticker=True),
    "levels without names": lambda: of_yfinance(("", ""), "Date"),
    "index without a name": lambda: of_yfinance(("Price", "Ticker"), None),
    "nothing is named": lambda: of_yfinance(("", ""), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_10_every_form_of_yfinance_keeps_every_day(tmp_path: Path, form: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(FORMS[form]()) + "\n")
    found = sample(file)
    assert found["days"] == len(DAYS) - 1
    assert found["variance"] == pytest.approx(variances(TWO), rel=1e-9)


def test_10_one_name_alone_and_two_prices_a_day(tmp_path: Path) -> None:
    """A single ticker has two header rows as well; hours of a day are not its closes."""
    file = tmp_path / "AAA.csv"
    rows = [f"{day},{row['AAA']:.6f},1000" for day, row in TWO.items()]
    file.write_text("\n".join(["Price,Close,Volume", "Ticker,AAA,AAA", "Date,,", *rows]) + "\n")
    assert sample(file)["variance"] == pytest.approx({"AAA": variances(TWO)["AAA"]}, rel=1e-9)
    hours = [
        f"{day} {hour}:30:00,{row['AAA']:.6f}" for day, row in TWO.items() for hour in (14, 15)
    ]
    file.write_text("\n".join(["Datetime,Close", *hours]) + "\n")
    error = refused("risk", "covariance", file, "--covariance", "sample")
    assert f"{DAYS[0]}" in error["received"]


# -- 11: days that some names lack ------------------------------------------------------------------------------------


def test_11a_a_day_that_one_of_two_lacks_is_a_day_of_the_other(tmp_path: Path) -> None:
    days = weekdays(400)
    closes = walk(days, seed=3)
    for k, day in enumerate(days):
        if k % 20 in (5, 11, 12):  # 15 %, some in a row
            del closes[day]["BBB"]
    found = sample(wide(tmp_path / "holes.csv", closes))
    assert found["variance"]["AAA"] == pytest.approx(variances(closes)["AAA"], rel=1e-9)
    said = " ".join(found["notes"]) + f"{found['left_out']}"
    assert "BBB" in said, "what became of the other is said"
    assert "most names have no close" not in said
    if "BBB" in found["variance"]:  # nothing of several days is taken for a day's
        assert found["variance"]["BBB"] <= 1.02 * variances(walk(days, seed=3))["BBB"]


def test_11a_holidays_of_one_country_are_days_of_the_other(tmp_path: Path) -> None:
    days = weekdays(400)
    closes = walk(days, "ABJK", seed=4)
    for k, day in enumerate(days):
        for name in {20: ("JJJ", "KKK"), 45: ("JJJ", "KKK"), 10: ("AAA", "BBB")}.get(k % 50, ()):
            del closes[day][name]
    found = sample(wide(tmp_path / "countries.csv", closes))
    own = variances(closes)
    assert set(found["variance"]) == set(own)
    for name, value in own.items():
        assert np.sqrt(found["variance"][name] / value) == pytest.approx(1.0, abs=0.025), name


def test_11b_a_sample_covariance_without_full_rank_is_said(tmp_path: Path) -> None:
    names, days = 150, weekdays(120)
    steps = 0.01 * np.random.default_rng(5).standard_normal((len(days), names))
    prices = 50 * np.exp(np.cumsum(steps, axis=0))
    closes = {
        day: {f"N{n:03d}": float(p) for n, p in enumerate(row)}
        for day, row in zip(days, prices, strict=True)
    }
    file = wide(tmp_path / "many.csv", closes)
    rank = int(np.linalg.matrix_rank(np.cov(np.diff(np.log(prices), axis=0).T)))
    assert rank == 118
    said = " ".join(sample(file)["notes"])
    assert "rank" in said
    assert "118" in said
    assert "150" in said
    full = done("risk", "covariance", file, "--covariance", "ledoit-wolf")
    assert np.linalg.matrix_rank(np.array(full["covariance"])) == names
    assert "rank" not in " ".join(full["notes"])


def test_11c_twins_are_named(tmp_path: Path) -> None:
    closes = walk(weekdays(300), "ABC", seed=6)
    for row in closes.values():
        row["BBC"] = row["BBB"]
    error = refused("risk", "forecast", wide(tmp_path / "twins.csv", closes))
    named = f"{error['received']} {error['remedy']}"
    assert "BBB" in named
    assert "BBC" in named
    for row in closes.values():  # the remedy: one of the two is left out
        del row["BBC"]
    found = done("risk", "forecast", wide(tmp_path / "twins.csv", closes))
    assert found["names"] == ["AAA", "BBB", "CCC"]


def test_11d_a_pegged_price(tmp_path: Path) -> None:
    closes = walk(weekdays(300), seed=7)
    for k, row in enumerate(closes.values()):
        row["PEG"] = 1.0
        row["NEAR"] = 1.0 + 1e-6 * (k % 2)
    found = done("risk", "forecast", wide(tmp_path / "pegged.csv", closes))
    assert "PEG" in found["left_out"]
    assert set(found["names"]) == {"AAA", "BBB", "NEAR"}
    assert 0 <= found["sd"][found["names"].index("NEAR")] < 1e-4
    alone = {day: {"PEG": row["PEG"]} for day, row in closes.items()}
    assert "PEG" in refused("risk", "forecast", wide(tmp_path / "alone.csv", alone))["received"]


# -- 12: a name that dies ---------------------------------------------------------------------------------------------

LONG = weekdays(340, date(2020, 1, 2))
DEATH = 321
PANEL = """
name = "days"
[panel]
kind = "daily"
path = "p.csv"
first = "2020-01-01"
[train]
families = ["linear"]
splits = 2
embargo_days = 2
"""


def dying(how: str) -> Closes:
    """Eight names, of which the last is worth nothing from a day on: at 0, at a cent after weeks, or its cells end."""
    closes = walk(LONG, "ABCDEFGH", seed=8, sd=0.01)
    for k, row in enumerate(closes.values()):
        if how == "cent" and k > DEATH - 20:
            row["HHH"] = max(round(row["HHH"] * 0.6 ** (k - DEATH + 20), 6), 0.01)
        if how == "zero" and k == DEATH:
            row["HHH"] = 0.0
        if how != "cent" and k + (how == "empty") > DEATH:
            del row["HHH"]
    return closes


@pytest.mark.parametrize("how", ["zero", "cent", "empty"])
def test_12_a_name_that_dies_costs_what_it_cost(tmp_path: Path, how: str) -> None:
    """Outcomes of all rows by a plain loop: from a day's close to the fifth after it, or the name's last before."""
    closes = dying(how)
    wide(tmp_path / "p.csv", closes)
    (tmp_path / "s.toml").write_text(PANEL)
    done("signals", "build", tmp_path / "s.toml", "--out", tmp_path / "o")
    panel = pl.read_parquet(tmp_path / "o" / "panel.parquet")
    worst = 0.0
    for row in panel.to_dicts():
        begin, end = (
            datetime.fromtimestamp(row[key] / 1e9, UTC).date() for key in ("start_ns", "end_ns")
        )
        name = row["instrument"]
        prices = [one[name] for day, one in closes.items() if begin <= day <= end and name in one]
        assert row["outcome"] == pytest.approx(prices[-1] / prices[0] - 1, abs=1e-6), (
            name,
            begin,
            end,
        )
        worst = min(worst, row["outcome"]) if name == "HHH" else worst
    if how == "zero":
        assert worst == -1.0
    if how == "cent":
        assert worst < -0.6


def test_12_a_book_with_a_name_at_zero_is_told(tmp_path: Path) -> None:
    """A loss of all is a return of -100 %, never a price before it; the others are forecast as without it."""
    found = done("risk", "forecast", wide(tmp_path / "zero.csv", dying("zero")))
    assert "-100 %" in f"{found['left_out']} {found['notes']}".replace("\u2212", "-").replace(
        "100%", "100 %"
    )
    without = {
        day: {name: price for name, price in row.items() if name != "HHH"}
        for day, row in dying("zero").items()
    }
    plain = done("risk", "forecast", wide(tmp_path / "without.csv", without))
    assert found["sd"][:7] == pytest.approx(plain["sd"], rel=1e-9)


# -- days of another clock, of Excel, and files without a header ------------------------------------------------------

ALONE = {day: {"AAA": row["AAA"]} for day, row in TWO.items()}


def by_clock(path: Path, zone: str, clock: time = time(), form: str = "%Y-%m-%dT%H:%M:%SZ") -> Path:
    """Closes under the moment in UTC that a market's own clock shows on their days."""
    moments = {
        datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC): row["AAA"]
        for day, row in ALONE.items()
    }
    rows = [f"{moment.strftime(form)},{price:.6f}" for moment, price in moments.items()]
    path.write_text("\n".join(["time,close", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "zone",
    ["Asia/Tokyo", "Asia/Shanghai", "Asia/Kolkata", "Australia/Sydney", "Europe/Berlin"],
)
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%s000"])
def test_days_that_begin_before_midnight_of_utc_are_their_markets(
    tmp_path: Path, zone: str, form: str
) -> None:
    """Refused with a zone that mends it as it is typed: the days are those of the market."""
    file = by_clock(tmp_path / "AAA.csv", zone, form=form)
    with pytest.raises(DataError, match="Sundays") as refusal:
        read_prices(file)
    [remedy] = re.findall(r"`column=timezone=([A-Za-z/]+)`", refusal.value.remedy)
    for named in (zone, remedy):
        assert read_prices(file, {"timezone": named})["date"].to_list() == list(ALONE)


def test_half_a_year_of_summer_time_is_refused_too(tmp_path: Path) -> None:
    file = by_clock(tmp_path / "AAA.csv", "Europe/London")
    with pytest.raises(DataError, match="Sundays"):
        read_prices(file)
    found = read_prices(file, {"timezone": "Europe/London"})
    assert found["date"].to_list() == list(ALONE)


@pytest.mark.parametrize(
    ("zone", "clock"),
    [("America/New_York", time()), ("America/New_York", time(16)), ("UTC", time())],
)
@pytest.mark.parametrize("named", ["", "America/New_York"])
def test_days_of_utc_that_are_right_are_kept(
    tmp_path: Path, zone: str, clock: time, named: str
) -> None:
    file = by_clock(tmp_path / "AAA.csv", zone, clock)
    found = price_table(file, {"timezone": named})
    assert found.frame["date"].to_list() == list(ALONE)
    assert not found.notes


def test_sundays_of_coins_are_no_fault_and_those_of_dates_alone_are_noted(tmp_path: Path) -> None:
    first = date(2023, 1, 1)
    daily = [first + timedelta(days=k) for k in range(120)]
    (tmp_path / "coin.csv").write_text(
        "time,close\n" + "".join(f"{day}T00:00:00Z,{100 + k % 7}\n" for k, day in enumerate(daily))
    )
    assert not price_table(tmp_path / "coin.csv").notes
    early = [f"{day - timedelta(days=1)},{row['AAA']:.6f}" for day, row in ALONE.items()]
    (tmp_path / "early.csv").write_text("\n".join(["date,close", *early]) + "\n")
    [note] = price_table(tmp_path / "early.csv").notes
    assert "Sundays" in note


@pytest.mark.parametrize(("year", "first"), [(1900, date(1899, 12, 30)), (1904, date(1904, 1, 1))])
@pytest.mark.parametrize("clock", [0.0, 0.6875])
def test_days_as_excel_counts_them(tmp_path: Path, year: int, first: date, clock: float) -> None:
    rows = [f"{(day - first).days + clock:.10g},{row['AAA']:.6f}" for day, row in ALONE.items()]
    file = tmp_path / "AAA.csv"
    file.write_text("\n".join(["Date,Close", *rows]) + "\n")
    with pytest.raises(DataError) as refusal:
        read_prices(file)
    assert "`column=excel=1900`" in refusal.value.remedy
    assert read_prices(file, {"excel": str(year)})["date"].to_list() == list(ALONE)


def test_files_without_a_header_ask_for_the_names_of_their_columns(tmp_path: Path) -> None:
    """Bars of Binance, a date and a close, a name before them: what the remedy says reads them, and no row is lost."""
    for lead, tail in (
        ("{ms},{p},{p},{p},", ",5,{ms},7,8,9,0,0"),
        ("{day},", ""),
        ("AAA,{day},", ""),
    ):
        rows = [
            (lead + "{p}" + tail).format(
                day=day,
                p=f"{row['AAA']:.6f}",
                ms=int(datetime.combine(day, time(), UTC).timestamp() * 1000),
            )
            for day, row in ALONE.items()
        ]
        file = tmp_path / "AAA.csv"
        file.write_text("\n".join(rows) + "\n")
        with pytest.raises(DataError) as refusal:
            read_prices(file)
        [names] = re.findall(r"`column=header=([a-z,]+)`", refusal.value.remedy)
        found = read_prices(file, {"header": names})
        assert found["date"].to_list() == list(ALONE)
        assert found["close"].to_list() == [row["AAA"] for row in ALONE.values()]


def test_a_volume_in_coins_is_named_or_left_out(tmp_path: Path) -> None:
    """The file of an exchange: a line before the header, two volumes."""
    rows = [f"{day} 00:00:00,BTC/USDT,{row['AAA']:.6f},12.5,600" for day, row in ALONE.items()]
    file = tmp_path / "cdd.csv"
    file.write_text(
        "\n".join(["https://example.com", "date,symbol,close,Volume BTC,Volume USDT", *rows]) + "\n"
    )
    error = refused("risk", "covariance", file)
    named = [value for _, value in options(error["remedy"])]
    assert named == ["volume=Volume BTC", "volume="]
    for value in named:
        assert done("risk", "covariance", file, "--column", value)["days"] == len(DAYS) - 1


# -- weights ------------------------------------------------------------------------------------------------------------


def test_weights_in_percent_are_fractions_once_they_are_said_to_be(tmp_path: Path) -> None:
    prices, weights = wide(tmp_path / "prices.csv", TWO), tmp_path / "weights.csv"
    words = ("risk", "forecast", prices, "--weights", weights)
    weights.write_text("name,weight\nAAA,0.25\nBBB,0.75\n")
    right = done(*words)["var_99"]
    weights.write_text("name,weight\nAAA,25\nBBB,75\n")
    error = refused(*words)
    assert "percent" in error["received"]
    assert options(error["remedy"])[0] == ("--column", "weight_unit=percent")
    assert done(*words, "--column", "weight_unit=percent")["var_99"] == pytest.approx(right)
    weights.write_text("name,weight\nAAA,25%\nBBB,75 %\n")
    assert done(*words)["var_99"] == pytest.approx(right)
    weights.write_text("name,weight\nAAA,4\nBBB,-2\n")
    assert done(*words, "--column", "weight_unit=fraction")["gross"] == pytest.approx(6)
    with pytest.raises(DataError, match="percent"):
        read_portfolio(prices, {}, {"AAA": 25.0, "BBB": 75.0})
    book = read_portfolio(prices, {"weight_unit": "percent"}, {"AAA": 25.0, "BBB": 75.0})
    assert book.weights.tolist() == [0.25, 0.75]


def test_targets_in_percent_are_refused_before_a_desk_trades(tmp_path: Path) -> None:
    (tmp_path / "targets.csv").write_text("name,weight\nCSCO,25\n")
    with pytest.raises(DataError, match="percent") as refusal:
        read_targets(tmp_path / "targets.csv", {"CSCO": "CSCO"}, {}, in_table("signals"))
    assert 'weight_unit = "percent" in [signals.columns]' in refusal.value.remedy
    found = read_targets(tmp_path / "targets.csv", {"CSCO": "CSCO"}, {"weight_unit": "percent"})
    assert found["CSCO"].value == 0.25


# -- notes of a matrix ----------------------------------------------------------------------------------------------------


def test_a_matrix_without_full_rank_and_copies_are_noted_at_the_terminal(tmp_path: Path) -> None:
    many = walk(weekdays(130), "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for row in many.values():
        row["BBB"] = row["AAA"]
    file = wide(tmp_path / "many.csv", many)
    result = tercel("risk", "covariance", file, "--covariance", "sample", "--window", 20)
    assert result.exit_code == 0, result.output
    assert "has rank" in result.stderr
    assert "Copies: AAA and BBB" in result.stderr
    assert "VaR" not in result.stderr
