"""Daily prices as people have them: days of another clock, Excel's days, files without a header, weights in percent."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.reports.remedies import done, options, refused

from tercel.core.errors import DataError
from tercel.signals.portfolio.portfolio_file import read_portfolio
from tercel.signals.portfolio.targets import read_targets
from tercel.signals.sources.prices import price_table, read_prices
from tercel.signals.sources.registry import table_instructions

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


DAYS = weekdays(130)
TWO = walk(DAYS)


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
    [
        "Asia/Tokyo",
        "Asia/Shanghai",
        "Asia/Kolkata",
        "Australia/Sydney",
        "Europe/Berlin",
        "Europe/London",
    ],
)
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%s000"])
def test_days_that_begin_before_midnight_of_utc_are_their_markets(
    tmp_path: Path, zone: str, form: str
) -> None:
    """Refused with a zone that mends it as it is typed: the days are those of the market."""
    file = by_clock(tmp_path / "AAA.csv", zone, form=form)
    with pytest.raises(DataError, match="Sundays") as refusal:
        read_prices(file)
    remedies = re.findall(r"`column=timezone=([A-Za-z/]+)`", refusal.value.remedy)
    assert len(remedies) == 1
    for named in (zone, *remedies):
        assert read_prices(file, {"timezone": named})["date"].to_list() == list(ALONE)


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
        read_targets(tmp_path / "targets.csv", {"CSCO": "CSCO"}, {}, table_instructions("signals"))
    assert 'weight_unit = "percent" in [signals.columns]' in refusal.value.remedy
    found = read_targets(tmp_path / "targets.csv", {"CSCO": "CSCO"}, {"weight_unit": "percent"})
    assert found["CSCO"].value == 0.25
