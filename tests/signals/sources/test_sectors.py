"""Sectors as of a date, against a plain loop over the rows of the file; files that no sector can be read from."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import DataError
from tercel.signals.sources.sectors import UNKNOWN, read_sectors

DAY0 = date(2020, 1, 1)
DAYS = st.integers(0, 9)


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), DAYS, st.sampled_from("xyz")),
        min_size=1,
        max_size=12,
        unique_by=lambda row: row[:2],
    ),
    st.lists(st.tuples(st.sampled_from("ABCD"), DAYS), max_size=12),
)
def test_the_sector_is_the_latest_that_is_not_after_the_date(
    rows: list[tuple[str, int, str]], asked: list[tuple[str, int]]
) -> None:
    columns = list(zip(*rows, strict=True))
    given_rows = pl.DataFrame(
        {
            "ticker": columns[0],
            "date": [DAY0 + timedelta(days=day) for day in columns[1]],
            "Sector": columns[2],
        }
    )
    found = read_sectors(given_rows).of(
        pl.Series([name for name, _ in asked], dtype=pl.String),
        pl.Series([DAY0 + timedelta(days=day) for _, day in asked], dtype=pl.Date),
    )
    expected = [
        max(
            ((day, sector) for name, day, sector in rows if name == who and day <= on),
            default=(0, UNKNOWN),
        )[1]
        for who, on in asked
    ]
    assert found.to_list() == expected


def test_sectors_of_pandas_mappings_and_files_are_the_same(tmp_path: Path) -> None:
    sector_of = {"AAA": "energy", "BBB": "banks"}
    (tmp_path / "s.csv").write_text("Symbol,GICS Sector\nAAA,energy\nBBB,banks\n")
    indexed = pd.Series(sector_of, name="sector").rename_axis("asset")
    for source in (sector_of, indexed, indexed.to_frame(), tmp_path / "s.csv"):
        sectors = read_sectors(source)
        dates = pl.Series([DAY0] * 3)
        assert sectors.of(pl.Series(["BBB", "AAA", "CCC"]), dates).to_list() == [
            "banks",
            "energy",
            UNKNOWN,
        ]
        assert sectors.notes(pl.Series(["BBB", "CCC", "CCC"]), dates) == [
            "no sector is given for 1 name in 2 rows (first: CCC)"
        ]
        assert sectors.notes(pl.Series(["BBB"]), dates[:1]) == []


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("symbol,sector\nA,x\nA,y\n", "symbol 'A' in row 3"),
        ("symbol,sector\nA,x\n,y\n", "symbol '' in row 3"),
        ("symbol,sector\nA,\n", "sector '' in row 2"),
        ("symbol,sector,date\nA,x,2020-01-02\nA,y,2020-01-02\n", "symbol 'A' in row 3"),
        ("symbol,sector,date\nA,x,2020-01-02\nA,y,\n", "date '' in row 3"),
        ("symbol,colour\nA,x\n", "symbol, colour"),
    ],
)
def test_a_file_without_one_sector_for_each_name_and_date_is_refused(
    tmp_path: Path, text: str, received: str
) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError) as refused:
        read_sectors(tmp_path / "s.csv")
    assert received in refused.value.received
