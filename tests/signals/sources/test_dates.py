"""Dates of three numbers: read by the order that is said or shown, refused where neither."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.signals.command.foreign import SMALL, TRAIN, foreign
from tests.signals.command.material import done, refused

from tercel.core.errors import TercelError
from tercel.core.tables.times import PLACES, readings
from tercel.signals.portfolio.targets import read_named
from tercel.signals.sources.news import News
from tercel.signals.sources.series import DatedSeries
from tercel.signals.sources.tables import read_prices

WRITTEN = {"dmy": "%d{0}%m{0}{1}", "mdy": "%m{0}%d{0}{1}", "ymd": "{1}{0}%m{0}%d"}
DAYS = st.lists(st.dates(date(1980, 1, 1), date(2060, 12, 31)), min_size=1, max_size=5)
KEY = "date_order"


def twins(cells: list[str], order: str) -> list[list[date]]:
    """The same by `strptime`: days by each order in which all cells are dates, once each."""
    found = list[list[date]]()
    for one in [order] if order else PLACES:
        for year in ("%Y", "%y"):
            try:
                days = [
                    datetime.strptime(cell, WRITTEN[one].format("/", year)).date() for cell in cells
                ]
            except ValueError:
                continue
            found += [days] * (days not in found and all(day.year >= 1970 for day in days))
    return found


@given(
    days=DAYS,
    order=st.sampled_from([*WRITTEN]),
    year=st.sampled_from(["%Y", "%y"]),
    told=st.booleans(),
)
def test_orders_are_those_of_strptime(days: list[date], order: str, year: str, told: bool) -> None:
    days = [day for day in days if year == "%Y" or 1970 <= day.year < 2069] or [date(2024, 2, 3)]
    cells = [day.strftime(WRITTEN[order].format("/", year)) for day in days]
    found = readings(pl.Series(cells), order if told else "")
    said = [[date.fromisoformat(cell) for cell in one] for one in found]
    assert days in said
    assert sorted(said) == sorted(twins(cells, order if told else "")) or year == "%Y"
    assert len(said) == 1 or not told


@pytest.mark.parametrize("sign", ["/", "-", "."])
@pytest.mark.parametrize(("order", "day"), [("dmy", date(2024, 4, 3)), ("mdy", date(2024, 3, 4))])
def test_the_key_says_the_order(tmp_path: Path, sign: str, order: str, day: date) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"Date,Close\n{sign.join(['3', '4', '2024'])},7\n", encoding="utf-8")
    assert read_prices(path, {KEY: order})["date"].to_list() == [day]
    if sign == ".":
        assert read_prices(path)["date"].to_list() == [date(2024, 4, 3)]
        return
    with pytest.raises(
        TercelError, match=rf"order is said.* received Date '3{sign}4{sign}2024' in row 2 .*=dmy"
    ) as e:
        read_prices(path)
    assert "(mdy, ymd); or write 2024-01-31" in str(e.value)


HEADLINES = "time,symbol,text\n3/4/2024 10:30:00-05:00,A,up\n{}/4/2024 10:30:00-05:00,A,down\n"
FILES: dict[str, tuple[str, Callable[[Path, dict[str, str]], pl.Series]]] = {
    "news": (
        HEADLINES,
        lambda path, map: News(path, called=map).headlines()["published"].dt.date(),
    ),
    "series": (
        "date,value\n3/4/2024,1\n{}/4/2024,2\n",
        lambda path, map: DatedSeries(path, lag_days=1, called=map).facts()["event_time"].dt.date(),
    ),
    "prices": (
        "Date,Close\n3/4/2024,1\n{}/4/2024,2\n",
        lambda path, map: read_prices(path, map)["date"],
    ),
    "targets": (
        "date,name,lots\n{}/4/2024,A,5\n",
        lambda path, map: pl.Series([read_named(path, {"lots": ("lots",)})[2]]),
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_reader_takes_the_order_or_asks_for_it(tmp_path: Path, kind: str) -> None:
    text, read = FILES[kind]
    path = tmp_path / "f.csv"
    path.write_text(text.format(13), encoding="utf-8")
    assert read(path, {}).max() == date(2024, 4, 13)
    path.write_text(text.format(5), encoding="utf-8")
    with pytest.raises(
        TercelError, match="dates whose order is said, or shown by a day after the 12th"
    ) as e:
        read(path, {})
    assert KEY in str(e.value)
    if kind in ("prices", "series", "news"):
        assert read(path, {KEY: "dmy"}).to_list() == [date(2024, 4, 3), date(2024, 4, 5)]
        assert read(path, {KEY: "mdy"}).to_list() == [date(2024, 3, 4), date(2024, 5, 4)]


def test_a_configuration_says_it_beside_the_columns(tmp_path: Path) -> None:
    foreign(tmp_path, names=3, days=40).prices()
    path = tmp_path / "prices.csv"
    head, *rows = path.read_text().splitlines()
    few = [row for row in rows if int(row[8:10]) <= 12]
    path.write_text(
        "\n".join([head, *(f"{r[8:10]}/{r[5:7]}/{r[:4]}{r[10:]}" for r in few)]), encoding="utf-8"
    )
    config, out = tmp_path / "c.toml", tmp_path / "out"
    config.write_text(f"{SMALL}{TRAIN}", encoding="utf-8")
    assert 'say it: date_order = "dmy" in [panel.columns] (mdy, ymd)' in refused(
        "build", config, "--out", out
    )
    config.write_text(f'{SMALL}[panel.columns]\ndate_order = "mdd"\n{TRAIN}', encoding="utf-8")
    assert "'dmy', 'mdy' or 'ymd'" in refused("build", config, "--out", out)
    config.write_text(
        f'{SMALL}[panel.columns]\ndate_order = "dmy"\n{TRAIN}'.replace("= 20", "= 1"),
        encoding="utf-8",
    )
    assert done("build", config, "--out", out)["first"] > "2018-01"
