"""Frames and series of pandas as tables: an index becomes columns, named as its levels are or as what they hold."""

import pandas as pd
import pytest

from tercel.core.errors import DataError
from tercel.core.tables.table import read_table

DAYS = pd.date_range("2024-01-02", periods=2, tz="Europe/Berlin")
LEVELS = pd.MultiIndex.from_product([DAYS, ["A", "B"]])


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (LEVELS, ["date", "symbol", "factor"]),
        (LEVELS.set_names(["date", "asset"]), ["date", "symbol", "factor"]),
        (LEVELS.swaplevel(), ["symbol", "date", "factor"]),
        (LEVELS.set_names(["session", "ticker"]), ["session", "ticker", "factor"]),
        (pd.Index([3, 1, 2, 0], name="asset"), ["asset", "factor"]),
        (pd.Index([3, 1, 2, 0]), ["index", "factor"]),
        (pd.RangeIndex(4), ["factor"]),
    ],
)
def test_the_levels_of_an_index_are_columns(index: pd.Index, columns: list[str]) -> None:
    factor = pd.Series([1.0, 2.0, float("nan"), 4.0], index=index, name="factor")
    for source in (factor, factor.to_frame()):
        table = read_table(source).frame
        assert table.columns == ["row", *columns]
        assert table["factor"].to_list() == [1.0, 2.0, None, 4.0]


def test_an_index_that_is_a_column_too_is_refused() -> None:
    doubled = pd.Series([1.0] * 4, index=LEVELS, name="date")
    two_names = pd.Series([1.0] * 2, index=pd.MultiIndex.from_tuples([("A", "x"), ("B", "y")]))
    for source, name in ((doubled, "date"), (two_names, "symbol")):
        with pytest.raises(DataError, match=f"{name}.* more than once"):
            read_table(source)


def test_columns_of_one_name_and_cells_of_other_kinds_are_refused() -> None:
    doubled = pd.DataFrame([[1.0, 2.0]], columns=["A", "A"])
    with pytest.raises(DataError, match=r"two of \['A'\]"):
        read_table(doubled)
    months = pd.Series([1.0, 2.0], index=pd.PeriodIndex(["2024-01", "2024-02"], freq="M"), name="x")
    with pytest.raises(DataError, match=r"Period in index\..* by `to_timestamp"):
        read_table(months)
