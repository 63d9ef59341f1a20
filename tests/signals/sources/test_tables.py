"""Tables that strangers have: shapes, separators, names of columns, and what cannot be a price."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError, TercelError
from tercel.signals.factors import guarded
from tercel.signals.sources.port import SourceAbsentError
from tercel.signals.sources.registry import source_of
from tercel.signals.sources.tables import price_table, read_prices

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
    one = "Price,Close,Volume\nTicker,SPY,SPY\nDate,,\n2024-01-02,472.6,123\n"
    assert read_prices(written(tmp_path, one)).rows()[0][0] == "SPY"


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


@given(st.data())
def test_long_and_wide_say_the_same_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names, count = ["AA", "BB", "CC"], data.draw(st.integers(1, 8))
    days = [date(2021, 1, 1) + timedelta(days=d) for d in range(count)]
    close = np.array(
        data.draw(st.lists(st.floats(1, 1.5), min_size=3 * count, max_size=3 * count))
    ).reshape(count, 3)
    there = [(d, n) for d in range(count) for n in range(3) if data.draw(st.booleans())] or [(0, 0)]
    folder = tmp_path_factory.mktemp("px")
    cells = {(d, n): repr(float(close[d, n])) for d, n in there}
    rows = [f"{days[d]},{','.join(cells.get((d, n), '') for n in range(3))}" for d in range(count)]
    wide = read_prices(written(folder, "Date,AA,BB,CC\n" + "\n".join(rows), "wide.csv"))
    mixed = [
        f"{names[n]},{close[d, n]!r},{days[d]:%m/%d/%Y}"
        for d, n in data.draw(st.permutations(there))
    ]
    text = "Ticker,Close,Date\n" + "\n".join(mixed).replace("np.float64(", "").replace(")", "")
    long = read_prices(written(folder, text, "long.csv"), {"date_order": "mdy"})
    assert long.drop("row").equals(wide.drop("row"))


def test_a_folder_of_files_has_one_row_a_name_and_day(tmp_path: Path) -> None:
    for name in ("A.csv", "A.old.csv"):
        written(tmp_path, "date,close\n2024-01-02,1\n2024-01-03,2\n", name)
    with pytest.raises(DataError, match="two of A on 2024-01-02"):
        read_prices(tmp_path)


def test_a_split_that_is_adjusted_leaves_what_was_traded_and_a_crash_is_a_move(
    tmp_path: Path,
) -> None:
    """Dollars of a day do not know of later splits; where closes are adjusted, a fall by half and more is one."""
    split = "date,symbol,close,adj close,volume\n2024-01-02,A,100,25,10\n2024-01-03,A,26,26,40\n2024-01-04,A,10,10,50\n"
    found = guarded(read_prices(written(tmp_path, split)).rename({"date": "time"}))
    assert found["dollar"].to_list() == [1000.0, 1040.0, 500.0]
    assert not found["void"].any()
    assert found["day"][0] is None, "a name's first day has no return, and no legs of one"
    np.testing.assert_allclose(found["r"].to_list()[1:], np.log([26 / 25, 10 / 26]))
    raw = guarded(
        read_prices(written(tmp_path, split.replace("adj close", "other"))).rename({"date": "time"})
    )
    assert raw["void"].to_list() == [False, True, True]


def test_an_empty_list_is_told_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    file.write_text('{"time": "2021-02-03T10:00:00Z", "symbols": [], "text": "good"}\n')
    with pytest.raises(TercelError) as error:
        source_of("news", file).facts()
    assert f"symbols [] in row 1 of {file}" in str(error.value)
