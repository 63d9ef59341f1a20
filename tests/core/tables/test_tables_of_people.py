"""Tables as people have them: text, sections, totals, decimal signs, proposals for columns, dates."""

import gzip
from fractions import Fraction
from pathlib import Path

import pytest

from tercel.core.errors import ConfigError, DataError
from tercel.core.tables.columns import rename_columns, unread_columns
from tercel.core.tables.numbers import cell_units, parse_exact
from tercel.core.tables.sides import parse_sides
from tercel.core.tables.table import Table, read_table
from tercel.core.tables.table_map import AS_NAMED, ColumnNames, TableMap, table_map
from tercel.core.tables.times import parse_days, parse_moments
from tercel.core.tables.usual_names import USUAL_FILLS


def read(
    folder: Path, text: str | bytes, columns: TableMap | ColumnNames = AS_NAMED, *needed: str
) -> Table:
    file = folder / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rename_columns(read_table(file, columns), needed)


@pytest.mark.parametrize(
    ("text", "said", "received"),
    [
        ("price;quantity\n28,60;1.000\n", {}, [1000]),
        ("price;quantity\n28.60;1,000\n", {}, [1000]),
        ("price;quantity\n28,60;10,5\n1.000,00;1.000.000\n", {}, [Fraction(21, 2), 1_000_000]),
        ('price,quantity\n1.5,"1,000"\n', {}, [1000]),
        ("price\tquantity\n1.25\t1'000\n", {}, [1000]),
        ("price|quantity\n1|1\N{NO-BREAK SPACE}000\n", {}, [1000]),
        ("price;quantity\n28;10.000\n", {"decimal": ","}, [10_000]),
        ("price;quantity\n28;10.000\n", {"decimal": "."}, [10]),
        ("price;quantity\n28;10.000\n", {"thousands": "."}, [10_000]),
        ("price,quantity\n1,(2.5)\n1,3.5-\n1,-\n", {}, [Fraction(-5, 2), Fraction(-7, 2), None]),
        ("price,quantity\n1,0.00000001\n", {}, [Fraction(1, 10**8)]),
        ("price,quantity\n1,0.5000000000RWE\n", {"units_in_cells": True}, [Fraction(1, 2)]),
        ("price,quantity\n1,1e5\n1,1E5ETH\n", {"units_in_cells": True}, [100_000, 100_000]),
    ],
)
def test_numbers_are_read_by_the_sign_that_the_file_shows(
    tmp_path: Path, text: str, said: ColumnNames, received: list[Fraction | int | None]
) -> None:
    assert parse_exact(read(tmp_path, text, said, "price", "quantity"), "quantity") == received


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("price;quantity\n28;10.000\n", "`column=decimal=,` or `column=decimal=.`"),
        ("price;quantity\n28;010.000\n", "`column=decimal=,` or `column=decimal=.`"),
        (
            "price;quantity;Zeit;parent\n28;1.000;10.30;12.5\n",
            "`column=decimal=,` or `column=decimal=.`",
        ),
        ("price;quantity\n28,60;1\n28.60;1,5\n", "`column=decimal=,` or `column=decimal=.`"),
        ('price,quantity\n1,"28,60"\n', "`column=decimal=,`"),
    ],
)
def test_a_number_of_no_certain_sign_is_refused_and_its_remedy_works(
    tmp_path: Path, text: str, remedy: str
) -> None:
    with pytest.raises(DataError) as refusal:
        parse_exact(read(tmp_path, text, AS_NAMED, "price", "quantity"), "quantity")
    assert remedy in str(refusal.value)
    assert parse_exact(
        read(tmp_path, text.replace("28.60", "28,60"), {"decimal": ","}, "price", "quantity"),
        "quantity",
    )


@pytest.mark.parametrize("said", [{}, {"units_in_cells": True}])
@pytest.mark.parametrize("cell", ["1.5K", "2M", "3 mio"])
def test_thousands_in_a_letter_are_neither_a_unit_nor_proposed_as_one(
    tmp_path: Path, cell: str, said: ColumnNames
) -> None:
    with pytest.raises(DataError) as refusal:
        parse_exact(
            read(tmp_path, f"price,quantity\n1,{cell}\n", said, "price", "quantity"), "quantity"
        )
    assert "units_in_cells" not in str(refusal.value)


GZIPPED = gzip.compress(b"symbol,price\nA,1\n", mtime=0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GZIPPED[:-9], "a whole gzipped file"),
        (GZIPPED[:12] + b"x" * 9 + GZIPPED[21:], "a whole gzipped file"),
        ('symbol,price,note\nA,1,a\nB,2,"b\nC,3,c\nD,4,d\n', "behind row 2"),
        ('symbol,price,note\nA,1,a\nB,2,"b\nC,3,"c\nD,4,d\n', "behind row 2"),
        (
            "symbol,price,quantity\nA,1,1\nOptions\nsymbol,price\nB,2\n",
            r"from rows 2 and 5.*a file of its own",
        ),
        (
            "symbol,price,quantity\nA,1,1\nB,2\nC,3,1\n",
            "3 cells, as in the first row; received 2 cells in row 3",
        ),
    ],
)
def test_a_file_that_is_not_whole_or_holds_more_is_refused(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        read(tmp_path, text, AS_NAMED, "symbol", "price")


@pytest.mark.parametrize("name", ["SUMO", "ENDEX", "TOTALY"])
def test_a_name_that_begins_like_a_total_is_a_row(tmp_path: Path, name: str) -> None:
    table = read(tmp_path, f"symbol,price,note\nA,1,\n{name},2,\n", AS_NAMED, "symbol", "price")
    assert table.frame["symbol"].to_list() == ["A", name]


def test_digits_of_a_clock_are_no_milliseconds(tmp_path: Path) -> None:
    text = "time,price\n202404031030,1\n20240403103015,1\n1712140200000,1\n"
    found = parse_moments(read(tmp_path, text, {"timezone": "UTC"}, "time", "price"), "time")
    assert found.dt.to_string("%F %T").to_list() == [
        "2024-04-03 10:30:00",
        "2024-04-03 10:30:15",
        "2024-04-03 10:30:00",
    ]
    with pytest.raises(DataError, match=r"20240403103015123.*row 2"):
        parse_days(
            read(tmp_path, "date,price\n20240403103015123,1\n", AS_NAMED, "date", "price"), "date"
        )


def test_titles_totals_sections_and_repeated_headers_are_no_rows(tmp_path: Path) -> None:
    text = (
        "Account 12,,\n\nsymbol,price,quantity\nA,1.5,10\nsymbol,price,quantity\nB,2.5,20\nTotal,,30\n"
        "Cash\nCurrency,Ending Cash\nUSD,12.5\n"
    )
    table = read(tmp_path, text, AS_NAMED, "symbol", "price")
    assert table.frame.select("row", "symbol").rows() == [(4, "A"), (6, "B")]
    assert table.notes == [
        f"lines before the header of {tmp_path / 't.csv'} passed over: row 1, 'Account 12'",
        f"totals of {tmp_path / 't.csv'} left out: row 7, 'Total 30'",
        f"one table of {tmp_path / 't.csv'} is read, of those with headers in rows [3, 9]",
    ]
    cash = read(tmp_path, text, {"symbol": "Currency", "price": "Ending Cash"}, "symbol", "price")
    assert cash.frame["row"].to_list() == [10]
    ends = read(
        tmp_path, "symbol,price,quantity\nA,1.5,10\nTotal,,10\n", AS_NAMED, "symbol", "price"
    )
    assert ends.frame["symbol"].to_list() == ["A"]


def test_encodings_are_found_or_said(tmp_path: Path) -> None:
    text = "symbol;Stück\nÄÖ;1\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        table = read(tmp_path, text.encode(encoding), {"quantity": "Stück"}, "symbol", "quantity")
        assert table.frame["symbol"].to_list() == ["ÄÖ"]
        assert len(table.notes) == (encoding == "cp1252")
    latin = read(
        tmp_path,
        text.encode("cp850"),
        {"quantity": "Stück", "encoding": "cp850"},
        "symbol",
        "quantity",
    )
    assert latin.frame["symbol"].to_list() == ["ÄÖ"]


def test_columns_are_proposed_but_not_money_for_a_quantity(tmp_path: Path) -> None:
    text = "Time,Pair,Side,Price,Executed,Amount\n1,A,BUY,28.5,1000,28500\n2,A,SELL,28.4,10,284\n"
    (tmp_path / "t.csv").write_text(text)
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(DataError) as refusal:
        rename_columns(
            table,
            ("time", "side", "price", "quantity"),
            (),
            USUAL_FILLS,
            explicit=("time", "side", "price", "quantity"),
        )
    assert "`column=quantity=Executed`" in str(refusal.value)
    assert "quantity=Amount" not in str(refusal.value)
    assert unread_columns(rename_columns(table, ("time",)), ("time",)) == [
        "Pair",
        "Side",
        "Price",
        "Executed",
        "Amount",
    ]


def test_times_of_two_columns_and_words_of_sides(tmp_path: Path) -> None:
    said = {
        "time": ["Datum", "Zeit"],
        "timezone": "Europe/Berlin",
        "buy": "Kauf",
        "sell": "Verkauf",
        "side": "Art",
    }
    text = "Datum;Zeit;Art\n03.04.2024;10:30;Kauf\n04.04.2024;01:30:00 PM;VERKAUF\n"
    table = read(tmp_path, text, said, "time", "side")
    assert [str(one)[:16] for one in parse_moments(table, "time")] == [
        "2024-04-03 08:30",
        "2024-04-04 11:30",
    ]
    assert parse_sides(table).to_list() == [1, -1]
    with pytest.raises(DataError, match=r"received Art 'Kauf' in row 2 .*`column=buy=WORD`"):
        parse_sides(read(tmp_path, text, {"side": "Art"}, "side"))


def test_units_and_maps(tmp_path: Path) -> None:
    fees = read(tmp_path, "fee\n0.0000130000BNB\n1.5 USD\nEUR 2\n3\n", AS_NAMED, "fee")
    assert cell_units(fees, "fee").to_list() == ["BNB", "USD", "EUR", ""]
    (tmp_path / "m.toml").write_text('decimal = ","\n[columns]\nprice = "Kurs"\n')
    assert table_map(tmp_path / "m.toml", {"price": "Preis"}).columns == {"price": ("Preis",)}
    assert table_map(None, {"map": str(tmp_path / "m.toml")}).decimal == ","
    wrongs = (
        {"timezone": "Mars"},
        {"encoding": "utf-99"},
        {"separator": ";;"},
        {"time_format": "%S,%f"},
    )
    for wrong in ({"decimal": ";"}, *wrongs):
        with pytest.raises(ConfigError):
            table_map(None, wrong)
