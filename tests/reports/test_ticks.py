"""Reported cases 01e, 07a, 17b: what vendors of ticks deliver, through `tercel data import`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.reports.command import done, refused, tercel

from tercel.market.tape import Lake

QUOTES = """
[instrument]
venue = "X"
tick = 0.01
timezone = "{zone}"
{more}
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{{8}})\\.csv'
{file}
[file.time]
column = "time"
unit = "text"
format = "%Y-%m-%d %H:%M:%S"
[file.quote]
bid = "bid"
ask = "ask"
bid_size = "n"
ask_size = "n"
[clean]
outliers = 0
"""
KEY = re.compile(r"(\w+) = (\"[^\"]*\"|'[^']*'|\[[^\]]*\]|-?[\d.]*\d|true|false)")


def map_of(folder: Path, zone: str = "UTC", more: str = "", file: str = "") -> Path:
    (folder / "map.toml").write_text(QUOTES.format(zone=zone, more=more, file=file))
    return folder / "map.toml"


def imported(folder: Path, *files: Path) -> dict[str, Any]:
    made = ("--map", folder / "map.toml", "--lake", folder / "lake", "--replace")
    return done("data", "import", "csv", *files, *made)


def bids(folder: Path, symbol: str, date: str) -> list[tuple[int, float]]:
    """Times and best bids of a tape of one level, a row where it changes, price units."""
    instrument, events = Lake(folder / "lake").read(symbol, date)
    found: list[tuple[int, float]] = []
    for ns, side, ticks, lots in zip(
        events.exch_ns, events.side, events.price_ticks, events.qty_lots, strict=True
    ):
        price = round(int(ticks) * instrument.tick, 9)
        if side > 0 and lots > 0 and (not found or found[-1][1] != price):
            found.append((int(ns), price))
    return found


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


# -- 01e: what a spreadsheet saves ------------------------------------------------------------------------------------

SHEET = (
    "time;bid;ask;n\n2024-04-03 10:00:00;28,50;28,52;1.000\n2024-04-03 10:00:20;28,51;28,53;1.200\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_01e_ticks_of_a_spreadsheet(tmp_path: Path, encoding: str) -> None:
    """Decimal commas, thousands by a point and every encoding of a spreadsheet; at once, or as the refusal says."""
    path = map_of(tmp_path)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    text = (
        SHEET if encoding == "utf-8" else SHEET.replace(";", "\t")
    )  # "Unicode text" stands between tabs
    (tmp_path / "RWE_20240403.csv").write_bytes((mark + text).encode(encoding))
    words = (
        "data",
        "import",
        "csv",
        tmp_path / "RWE_20240403.csv",
        "--map",
        path,
        "--lake",
        tmp_path / "lake",
    )
    for _ in range(3):
        if tercel(*words).exit_code == 0:
            break
        error = refused(*words)
        found = KEY.search(error["remedy"])
        assert found, error
        path.write_text(path.read_text().replace("[[file]]\n", f"[[file]]\n{found[0]}\n", 1))
    start = datetime(2024, 4, 3, 10, tzinfo=UTC)
    assert bids(tmp_path, "RWE", "2024-04-03") == [
        (ns(start), 28.50),
        (ns(start) + 20 * 10**9, 28.51),
    ]
    _, events = Lake(tmp_path / "lake").read("RWE", "2024-04-03")
    assert {int(lots) for lots in events.qty_lots if lots} == {1000, 1200}


# -- 07: the night when clocks change ---------------------------------------------------------------------------------

NIGHTS = [
    ("America/Chicago", "2024-11-03", 25.0),
    ("Australia/Lord_Howe", "2024-04-07", 24.5),
    ("America/Chicago", "2024-03-10", 23.0),
]


def night(zone: str, date: str, hours: float, step_s: int = 600) -> list[tuple[int, str, float]]:
    """A whole local day: ns, what a clock on the wall shows, and a bid that only rises."""
    place = ZoneInfo(zone)
    midnight = datetime.fromisoformat(date).replace(tzinfo=place)
    rows = []
    for k in range(int(hours * 3600 / step_s)):
        moment = midnight.astimezone(UTC) + timedelta(seconds=k * step_s)
        rows.append(
            (ns(moment), f"{moment.astimezone(place):%Y-%m-%d %H:%M:%S}", round(100 + k / 100, 2))
        )
    assert (moment + timedelta(seconds=step_s)).astimezone(place).strftime("%H:%M") == "00:00"
    return rows


def file_of(folder: Path, symbol: str, date: str, rows: Sequence[tuple[int, str, float]]) -> Path:
    lines = [f"{clock},{bid:.2f},{bid + 0.02:.2f},5" for _, clock, bid in rows]
    path = folder / f"{symbol}_{date.replace('-', '')}.csv"
    path.write_text("\n".join(["time,bid,ask,n", *lines]) + "\n")
    return path


@pytest.mark.parametrize(("zone", "date", "hours"), NIGHTS)
def test_07a_an_hour_that_comes_twice_is_in_the_order_of_the_file(
    tmp_path: Path, zone: str, date: str, hours: float
) -> None:
    rows = night(zone, date, hours)
    map_of(tmp_path, zone)
    imported(tmp_path, file_of(tmp_path, "FX", date, rows))
    assert bids(tmp_path, "FX", date) == [(at, bid) for at, _, bid in rows]


# -- 17b: a session across midnight -----------------------------------------------------------------------------------


def test_17b_a_future_trades_across_midnight(tmp_path: Path) -> None:
    """From 18:00 of the day before to 17:00; every quote is kept, and fills of both days meet the one tape."""
    zone, date = "America/Chicago", "2024-04-03"
    place = ZoneInfo(zone)
    start = datetime(2024, 4, 2, 18, tzinfo=place).astimezone(UTC)
    rows = []
    for k in range(23 * 30):
        moment = start + timedelta(minutes=2 * k)
        rows.append(
            (ns(moment), f"{moment.astimezone(place):%Y-%m-%d %H:%M:%S}", round(100 + k / 100, 2))
        )
    path = map_of(tmp_path, zone, more='session = ["18:00", "17:00"]')
    assert tercel("config", "check", path).exit_code == 0
    imported(tmp_path, file_of(tmp_path, "ES", date, rows))
    assert bids(tmp_path, "ES", date) == [(at, bid) for at, _, bid in rows]
    fills = [
        ("2024-04-02T20:00:10-05:00", "buy", 60, 1),
        ("2024-04-03T10:00:10-05:00", "sell", 16 * 30, -1),
    ]
    lines = [
        f"{when},ES,{side},1,{rows[k][2] + 0.01 + sign * 0.01:.2f}" for when, side, k, sign in fills
    ]
    (tmp_path / "fills.csv").write_text(
        "\n".join(["time,symbol,side,quantity,price", *lines]) + "\n"
    )
    found = done("tca", tmp_path / "fills.csv", "--lake", tmp_path / "lake", "--against", "none")
    assert [row["date"] for row in found["parents"]] == [date, date]
    assert [row["arrival_price"] for row in found["parents"]] == pytest.approx(
        [rows[k][2] + 0.01 for _, _, k, _ in fills]
    )
    assert found["total"]["money"]["fills"] == pytest.approx(0.02)
