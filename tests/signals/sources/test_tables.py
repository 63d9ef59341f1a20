"""Tables that strangers have: shapes, separators, names of columns, orders of dates, and what cannot be a price."""

import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.signals.command.foreign import SMALL, TRAIN, foreign
from tests.signals.command.material import done, refused

from tercel.core.errors import DataError, TercelError
from tercel.core.tables.times import PLACES, date_readings
from tercel.signals.factors import guard_prices
from tercel.signals.portfolio.targets import read_named_values
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SourceAbsentError
from tercel.signals.sources.prices import price_table, read_prices
from tercel.signals.sources.registry import source_of
from tercel.signals.sources.series import DatedSeries

LONG = """Date,Symbol,Open,High,Low,Close,Adj Close,Volume
2020-01-02,A,1,2,.5,1.5,.75,100
2020-01-03,A,1,2,.5,1.6,.8,100
2020-01-02,B,1,2,.5,1.5,1.5,
"""
TWO = "Date,Ticker,Close\n2020-01-02,A,{}\n2020-01-03,A,{}\n"


def written(folder: Path, text: str | bytes, name: str = "px.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        LONG, LONG.replace("\n", "\r\n"), "\ufeff" + LONG, LONG.replace(",", "\t"), LONG.encode("utf-16"),
        LONG.replace(",", ";").replace(".", ","),
        "sep=;\n" + LONG.replace(",", ";"), LONG.replace("A,1,", '"A","1",'), LONG.upper(), "\n" + LONG,
        LONG.replace("Adj Close", "Adjusted_Close").replace("Symbol", "ticker").replace("Date", "DAY"),
        LONG.replace("2020-01-0", "2020/1/"),
        "\n".join([LONG.splitlines()[0], *reversed(LONG.splitlines()[1:])]),
    ],
)  # fmt: skip
def test_files_that_say_the_same_give_the_same(tmp_path: Path, text: str | bytes) -> None:
    found = price_table(written(tmp_path, text))
    rows = [
        ("A", date(2020, 1, 2), 0.5, 1.0, 0.25, 0.75, 200.0, True),
        ("A", date(2020, 1, 3), 0.5, 1.0, 0.25, 0.8, 200.0, True),
        ("B", date(2020, 1, 2), 1.0, 2.0, 0.5, 1.5, None, True),
    ]
    assert found.frame.drop("row").rows() == [
        (a, b, *map(pytest.approx, c[:4]), *c[4:]) for a, b, *c in rows
    ]
    assert found.notes == ()
    assert found.has == {"open", "high", "low", "volume"}


def test_wide_and_single_files_and_frames(tmp_path: Path) -> None:
    wide = written(tmp_path, "Date,AAPL,LOW,MSFT\n2020-01-02,1,2,3\n2020-01-03,,2.5,\n")
    frame = read_prices(wide)
    assert frame.select("instrument", "close", "open", "volume", "row").rows() == [
        ("AAPL", 1.0, 1.0, None, 2), ("LOW", 2.0, 2.0, None, 2), ("LOW", 2.5, 2.5, None, 3),
        ("MSFT", 3.0, 3.0, None, 2),
    ]  # fmt: skip
    single = read_prices(written(tmp_path, "Date,Adj Close\n2020-01-02,3\n", "SPY.csv"))
    assert single.rows()[0][0] == "SPY"
    assert single["adjusted"].all()
    polars = pl.read_csv(wide, try_parse_dates=True)
    assert read_prices(polars).drop("row").equals(frame.drop("row"))
    pandas = pytest.importorskip("pandas")
    assert (
        read_prices(pandas.read_csv(wide, index_col="Date", parse_dates=True))
        .drop("row")
        .equals(frame.drop("row"))
    )
    lines = [f'{{"date": "{r[1]}", "ticker": "{r[0]}", "close": {r[5]}}}' for r in frame.rows()]
    assert (
        read_prices(written(tmp_path, "\n".join(lines), "px.jsonl"))
        .drop("row")
        .equals(frame.drop("row"))
    )
    frame.select("instrument", "date", "close").write_parquet(tmp_path / "px.parquet")
    assert read_prices(tmp_path / "px.parquet").drop("row").equals(frame.drop("row"))
    (tmp_path / "many").mkdir()
    for (name,), part in frame.group_by("instrument"):
        part.select("date", "close").write_csv(tmp_path / "many" / f"{name}.csv")
    assert read_prices(tmp_path / "many").drop("row").equals(frame.drop("row"))
    shutil.copy(tmp_path / "many" / "LOW.csv", tmp_path / "many" / "LOW.old.csv")
    with pytest.raises(DataError, match="two of LOW on 2020-01-02"):
        read_prices(tmp_path / "many")


PRICES = "Price,Close,High,Low,Open,Volume,Close,High,Low,Open,Volume"
TICKERS = "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,MSFT,MSFT,MSFT,MSFT,MSFT"
YAHOO = (
    "\n2024-01-02,185.6,188,183,187,82,370.8,375,366,373,25\n2024-01-03,184.2,185,183,184,58,,,,,\n"
)


@pytest.mark.parametrize("levels", [(PRICES, TICKERS), (TICKERS, PRICES)])
def test_the_file_that_yfinance_writes_is_long(tmp_path: Path, levels: tuple[str, str]) -> None:
    text = "\n".join([*levels, "Date,,,,,,,,,,"]) + YAHOO
    found = price_table(written(tmp_path, text))
    assert found.frame.select(
        "instrument", "date", "open", "high", "low", "close", "volume", "row"
    ).rows() == [
        ("AAPL", date(2024, 1, 2), 187, 188, 183, 185.6, 82, 4),
        ("AAPL", date(2024, 1, 3), 184, 185, 183, 184.2, 58, 5),
        ("MSFT", date(2024, 1, 2), 373, 375, 366, 370.8, 25, 4),
    ]
    assert (found.notes, found.has) == ((), {"open", "high", "low", "volume"})
    for old, new, said in (
        ("370.8", "x", r"a price; received Close 'x' in row 4"),
        ("58,,,,,", "58,,,,", "11 cells, as in the first row; received 10 cells in row 5"),
    ):
        with pytest.raises(DataError, match=said):
            read_prices(written(tmp_path, text.replace(old, new)))
    for index in ("Date,,\n", ""):  # the first day is no second line of names
        one = f"Price,Close,Volume\nTicker,SPY,SPY\n{index}2024-01-02,472.6,123\n"
        read = read_prices(written(tmp_path, one))
        assert read.select("instrument", "date", "close").rows() == [
            ("SPY", date(2024, 1, 2), 472.6)
        ]


def test_a_map_says_what_columns_are_called(tmp_path: Path) -> None:
    path = written(tmp_path, "When;Who;Px;Last;Volume\n02.01.2020;A;1,25;9;x\n")
    mapped = {"date": "When", "symbol": ["Name", "Who"], "close": "Px", "volume": ""}
    assert read_prices(path, mapped).row(0)[:6] == ("A", date(2020, 1, 2), 1.25, 1.25, 1.25, 1.25)
    other = written(tmp_path, LONG, "long.csv")
    for file, columns, said in (
        (path, {"close": "Pxx"}, r"is called close; received no Pxx in .*px.csv: When, Who"),
        (other, {"close": "Lst"}, "the column that is called close; received no Lst"),
        (path, {"clos": "Px"}, "a column of date, close, symbol"),
    ):
        with pytest.raises(TercelError, match=said):
            read_prices(file, columns if file == other else mapped | columns)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file"),
        ("Date,Close\n", "a close above 0 in some row"),
        ("Date,Clsoe\n2020-01-02,1\n", "the columns date, close; received Date, Clsoe"),
        ("Date,Ticker,Open\n2020-01-02,A,1\n", "the columns date, close"),
        ("Date,Close,Close\n2020-01-02,1,1\n", "Close twice"),
        (LONG + "2020-01-02,A,1,2,.5,1.5,.75,1\n", "two of A on 2020-01-02 in .*, rows 2 and 5"),
        (LONG + "2020-01-06,A,1\n", "3 cells in row 5"),
        (LONG + "2020-01-06,A,1,2,.5,abc,1,1\n", "a price; received Close 'abc' in row 5"),
        (
            LONG + "2020-01-06,A,1,2,.5,-1,1,1\n",
            "a price above 0, or 0 of .*; received Close '-1' in row 5",
        ),
        (
            LONG + "2020-01-06,A,1,2,.5,1e308,1,1\n",
            "a price of 1e-12 to 1e12; received Close '1e308' in row 5",
        ),
        (
            LONG + "2020-01-06,A,1,2,.5,1e-308,1,1\n",
            "a price of 1e-12 to 1e12; received Close '1e-308' in row 5",
        ),
        (
            LONG + "2020-01-06,A,1,2,.5,1,1,-1\n",
            "a volume of 0 to 1e15; received Volume '-1' in row 5",
        ),
        (
            LONG + "2020-01-06,A,1,2,.5,1,1,1e308\n",
            "a volume of 0 to 1e15; received Volume '1e308' in row 5",
        ),
        (LONG + "2020-01-06,A,1,2,.5,inf,1,1\n", "a price; received Close 'inf' in row 5"),
        (
            LONG + "2020-01-06,A,1,2,.5,1,1,much\n",
            "Volume 'much' in row 5 .*go on without the column",
        ),
        (LONG + ",A,1,2,.5,1,1,1\n", "a date such as .*received Date '' in row 5"),
        (
            LONG + "9999-12-31,A,1,2,.5,1,1,1\n",
            "a date from 1800-01-01 to 2199-12-31; received Date .*9999.* in row 5",
        ),
        (
            LONG + "0001-01-01,A,1,2,.5,1,1,1\n",
            "a date from 1800-01-01 to 2199-12-31; received Date .*0001.* in row 5",
        ),
        (LONG + "2020-13-06,A,1,2,.5,1,1,1\n", "received Date '2020-13-06' in row 5"),
        (LONG + "2020-01-06,,1,2,.5,1,1,1\n", "a symbol in every row; received Symbol '' in row 5"),
        (
            "Date,Close\n2020-01-02 16:00-05:00,1\n2020-01-03 16:00+01:00,1\n",
            "-05:00 in row 2 and .01:00 in row 3",
        ),
        (
            "Date,Close\n2020-01-02 16:00-05:00,1\n2020-01-03 16:00,1\n",
            "zone -05:00 in row 2 and none in row 3",
        ),
        (b"Date,Close,caf\x81\n", "a text file in UTF-8; received .* in row 1"),
        (b"PK\x03\x04", "a workbook of Excel"),
        (
            LONG + "2020-01-06,A,1,2,.5," + "1" * 200_000 + ",1,1\n",
            r"px.csv: field larger than field limit \(131072\)",
        ),
    ],
)
def test_what_cannot_be_is_named_with_its_row(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_prices(written(tmp_path, text))


def test_gaps_disorder_and_moves_are_said(tmp_path: Path) -> None:
    said = price_table(
        written(tmp_path, LONG + "2020-01-01,A,1,2,.5,1.5,.7,1\n2020-01-06,A,1,2,.5,,NaN,1\n")
    )
    assert "1 of 5 closes are empty" in said.notes[0]
    assert "A on 2020-01-06, row 6" in said.notes[0]
    assert "dates of A are out of order" in said.notes[1]
    assert said.frame["date"].to_list()[:3] == [date(2020, 1, d) for d in (1, 2, 3)]
    split = written(tmp_path, TWO.format(100, 50))
    (note,) = price_table(split).notes
    assert "A on 2020-01-03 by -50% (a split of 2:1), row 3" in note
    (note,) = price_table(written(tmp_path, TWO.format(100, 67))).notes
    assert "by -33% (a split of 3:2), row 3" in note
    assert price_table(written(tmp_path, TWO.format(100, 70))).notes == ()
    assert (
        price_table(written(tmp_path, TWO.replace("Close", "Adj Close").format(100, 50))).notes
        == ()
    )
    # one hour apart is summer time: the day is the one that is written
    summer = written(
        tmp_path, "Date,Close\n2020-01-02 00:00:00-05:00,1\n2020-07-02 00:00:00-04:00,1\n"
    )
    assert read_prices(summer)["date"].to_list() == [date(2020, 1, 2), date(2020, 7, 2)]
    with pytest.raises(SourceAbsentError, match="nothing at"):
        read_prices(tmp_path / "gone.csv")


def test_a_split_that_is_adjusted_leaves_what_was_traded_and_a_crash_is_a_move(
    tmp_path: Path,
) -> None:
    """Dollars of a day do not know of later splits; where closes are adjusted, a fall by half and more is one."""
    split = "date,symbol,close,adj close,volume\n2024-01-02,A,100,25,10\n2024-01-03,A,26,26,40\n2024-01-04,A,10,10,50\n"
    found = guard_prices(read_prices(written(tmp_path, split)).rename({"date": "time"}))
    assert found["dollar"].to_list() == [1000.0, 1040.0, 500.0]
    assert not found["void"].any()
    assert found["day"][0] is None, "a name's first day has no return, and no legs of one"
    np.testing.assert_allclose(found["r"].to_list()[1:], np.log([26 / 25, 10 / 26]))
    raw = guard_prices(
        read_prices(written(tmp_path, split.replace("adj close", "other"))).rename({"date": "time"})
    )
    assert raw["void"].to_list() == [False, True, True]


def test_an_empty_list_is_told_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    file.write_text('{"time": "2021-02-03T10:00:00Z", "symbols": [], "text": "good"}\n')
    with pytest.raises(TercelError) as error:
        source_of("news", file).facts()
    assert f"symbols [] in row 1 of {file}" in str(error.value)


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
    found = date_readings(pl.Series(cells), order if told else "")
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
        lambda path, map: pl.Series([read_named_values(path, {"lots": ("lots",)})[2]]),
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
