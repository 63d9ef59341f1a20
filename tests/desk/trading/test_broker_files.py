"""Files of brokers and venues as they are: through a shipped map to the page, and what is said of those without one.

The layouts are those that the maps cite; the rows are made up.
"""

import json
import re
from dataclasses import replace
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import pytest
from tests.quoted import quoted_lake
from typer.testing import CliRunner

from tercel.api.orders import read_orders
from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import fills_map, read_fill_file
from tercel.cli import app
from tercel.core.errors import DataError
from tercel.core.tables.table_map import shipped_maps, table_map
from tercel.market.tape import Instrument, Lake
from tercel.signals.sources.prices import read_prices

S = 1_000_000_000
XETRA = Instrument("XETR", "RWE", "2024-04-03", 0.01, timezone="Europe/Berlin")
MARCH = replace(XETRA, date="2024-03-04")
NEW_YORK = Instrument("XNYS", "ABC", "2024-04-02", 0.01)
COIN = Instrument(
    "BINANCE", "RWEUSDT", "2024-04-03", 0.01, timezone="UTC", extra={"lot_size": "0.00001"}
)
PRODUCT = replace(COIN, venue="COINBASE", symbol="RWE-USD")

FLEX = (
    "ClientAccountID,CurrencyPrimary,Symbol,DateTime,Buy/Sell,Quantity,TradePrice,IBCommission,IBCommissionCurrency,"
    "IBOrderID,LevelOfDetail\n"
)
FLEX_ROWS = (
    "U1,USD,ABC,20240402;101200,BUY,100,28.52,-1.5,USD,7,ORDER\n"
    "U1,USD,ABC,20240402;101200,BUY,60,28.52,-1,USD,7,EXECUTION\n"
    "U1,USD,ABC,20240402;101203,BUY,40,28.53,-0.5,USD,7,EXECUTION\n"
)
OTHER_ROWS = "U2,USD,ABC,20240402;101200,SELL,-60,28.52,-2,EUR,8,EXECUTION\n"
SCHWAB = """"Transactions  for account ...123 as of 04/04/2024 10:00:00 ET"
"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"
"04/02/2024","Credit Interest","","SCHWAB1 INT 03/28-04/01","","","","$0.12"
"04/03/2024 as of 04/02/2024","Buy","ABC","ABC CORP","1,000","$28.52","","-$28,520.00"
"04/02/2024","Sell","ABC","ABC CORP","40","$28.51","$0.10","$1,140.30"
"Transactions Total","","","","","","","-$27,379.58"
"""
ALPACA = """activity_type,id,cum_qty,leaves_qty,price,qty,side,symbol,transaction_time,order_id,type
FILL,20240402::1,0.3426,0.6574,28.52,0.3426,buy,ABC,2024-04-02T14:12:00.977Z,a-1,partial_fill
FILL,20240402::2,1,0,28.53,0.6574,buy,ABC,2024-04-02T14:12:01.120Z,a-1,fill
DIV,20240402::3,,,,2,,ABC,,,
FILL,20240402::4,7,0,28.5,7,sell_short,ABC,2024-04-02T14:30:00Z,a-2,fill
"""
BINANCE = """Date(UTC),Pair,Side,Price,Executed,Amount,Fee
2024-04-03 13:30:00,RWEUSDT,BUY,28.5200000000,0.5000000000RWE,14.2600000000USDT,0.0005000000RWE
2024-04-03 13:30:07,RWEUSDT,BUY,28.5300000000,1.2500000000RWE,35.6625000000USDT,0.0000130000BNB
2024-04-03 13:31:00,RWEUSDT,SELL,28.5000000000,0.2500000000RWE,7.1250000000USDT,0.0071250000USDT
"""
COINBASE = """portfolio,trade id,product,side,created at,size,size unit,price,fee,total,price/fee/total unit
default,1,RWE-USD,BUY,2024-04-03T13:30:00.123Z,0.12345678,RWE,28.52,0.0211,-3.54208737,USD
default,2,RWE-USD,SELL,2024-04-03T13:31:00.5Z,0.1,RWE,28.51,0.0171,2.8339,USD
"""
COMDIRECT = """Datum;Zeit;Wertpapier;Geschäftsart;Stück;Kurs;Währung;Provision
03.04.2024;10:12:00;RWE;Kauf;1.000;28,52;EUR;16,80
03.04.2024;10:13:30;RWE;Verkauf;250;28,5;EUR;9,90
"""
ASX = """sequence,tradetime,securitycode,orderid,dealsourcedecoded,tradeprice,quantity,side,participantid
1,1725494536001032398,110621,77,Continuous Lit,3340,75,1,8
2,1725494536001032398,110621,78,Continuous Lit,3340,75,2,61
3,1725494536001032399,110621,79,Trade Report Crossings,3340,75,1,8
"""
FILES = {
    "ib-flex": FLEX + FLEX_ROWS + FLEX + OTHER_ROWS,
    "schwab": SCHWAB,
    "alpaca": ALPACA,
    "binance-trades": BINANCE,
    "coinbase": COINBASE,
    "comdirect": COMDIRECT,
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Quotes around 28.50 every three seconds from nine to five on the days of the files."""
    folder = tmp_path_factory.mktemp("brokers")
    for about in (XETRA, MARCH, NEW_YORK, COIN, PRODUCT):
        opening, close = (about.clock_ns(text) for text in ("09:00", "17:00"))
        day = replace(about, session_open_ns=opening, session_close_ns=close)
        lake = quoted_lake(
            folder, day, range(opening, close, 3 * S), range(opening + S, close, 60 * S), ticks=2850
        )
    return lake


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def tca(path: Path, lake: Lake, *words: object) -> Any:
    asked = ["tca", path, "--lake", lake.root, "--against", "none", "--json", *words]
    return CliRunner().invoke(app, [str(word) for word in asked])


def costs(path: Path, lake: Lake, *words: object) -> dict[str, Any]:
    result = tca(path, lake, *words)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(path: Path, lake: Lake, *words: object) -> dict[str, str]:
    result = tca(path, lake, *words)
    assert result.exit_code == 2, result.output
    error: dict[str, str] = json.loads(result.stdout)["error"]
    return error


def options(remedy: str) -> list[str]:
    """What a person would type of a remedy: its first option and the word after it, or all that stand in a row."""
    words = (
        remedy.replace(";", " ").replace(",", " , ").split()
        if "decimal" not in remedy
        else remedy.split()
    )
    first = next(at for at, word in enumerate(words) if word.startswith("--"))
    typed: list[str] = []
    while first < len(words) and words[first].startswith("--"):
        typed += words[first : first + 2]
        first += 2
    return [word.rstrip(".;") for word in typed]


# -- shipped maps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_vendor_comes_to_its_page(lake: Lake, tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path, f"{name}.csv", FILES[name], "cp1252" if name == "comdirect" else "utf-8"
    )
    found = costs(path, lake, "--map", name, "--out", tmp_path / "out")
    assert found["odd_fills"].keys() <= {"no_parent", "off_market"}
    assert found["total"]["filled"] > 0
    page = (tmp_path / "out" / "tca.html").read_text()
    assert "quotes older than 60 s do not count" in page
    assert [said for said in found["sentences"] if escape(said) not in page] == []


def test_every_map_that_ships_is_tried() -> None:
    assert {*FILES, "asx", "yfinance"} == {*shipped_maps()}


def facts(fill: FileFill) -> tuple[Any, ...]:
    return fill.side, fill.quantity, fill.price, fill.fee, fill.currency, fill.fee_currency


def test_both_spellings_of_a_flex_query_are_one_file(tmp_path: Path) -> None:
    """ORDER rows are no fills; the account that follows under the header again counts; commissions have a currency."""
    path = written(tmp_path, "flex.csv", FILES["ib-flex"])
    found = read_fill_file(path, fills_map("ib-flex")).fills
    assert [facts(fill) for fill in found] == [
        (1, 60, Fraction("28.52"), 1, "USD", "USD"),
        (1, 40, Fraction("28.53"), Fraction(1, 2), "USD", "USD"),
        (-1, 60, Fraction("28.52"), 2, "USD", "EUR"),
    ]
    assert [fill.row for fill in found] == [3, 4, 6]
    attributes = (
        FILES["ib-flex"].replace("Buy/Sell", "buySell").replace("CurrencyPrimary", "currency")
    )
    assert (
        read_fill_file(written(tmp_path, "xml.csv", attributes), fills_map("ib-flex")).fills
        == found
    )


def test_prices_of_the_asx_are_in_thousandths_and_reported_crossings_no_fills(
    tmp_path: Path,
) -> None:
    found = read_fill_file(written(tmp_path, "asx.csv", ASX), fills_map("asx")).fills
    assert [facts(fill)[:3] for fill in found] == [
        (1, 75, Fraction("3.34")),
        (-1, 75, Fraction("3.34")),
    ]


def test_two_sections_of_a_flex_query_are_told_apart(tmp_path: Path) -> None:
    """Trades, and below them another report under a header of its own; either may stand first."""
    cash = (
        "ClientAccountID,CurrencyPrimary,Amount,Description\nU1,USD,-12.5,FEE\nU1,USD,3,INTEREST\n"
    )
    trades = FLEX + FLEX_ROWS
    alone = read_fill_file(written(tmp_path, "alone.csv", trades), fills_map("ib-flex")).fills
    for text in (trades + cash, cash + trades):
        found = read_fill_file(written(tmp_path, "two.csv", text), fills_map("ib-flex")).fills
        assert [facts(fill) for fill in found] == [facts(fill) for fill in alone]


def test_a_schwab_history_has_dates_alone(lake: Lake, tmp_path: Path) -> None:
    """Title, interest and total are passed over, "as of" is the day of the trade; arrival is the day's opening."""
    path = written(tmp_path, "schwab.csv", SCHWAB)
    file = read_fill_file(path, fills_map("schwab"))
    assert [facts(fill)[:4] for fill in file.fills] == [
        (1, 1000, Fraction("28.52"), 0), (-1, 40, Fraction("28.51"), Fraction("0.1")),
    ]  # fmt: skip
    assert file.dated
    found = costs(path, lake, "--map", "schwab")
    assert {(row["date"], row["start"], row["end"]) for row in found["parents"]} == {
        ("2024-04-02", "09:00:00.000", "17:00:00.000")
    }
    assert any(warning.startswith("times are dates alone") for warning in found["warnings"])
    assert found["total"]["money"]["fills"] == pytest.approx(1000 * (28.52 - 28.51) + 0.1)


def test_coins_come_with_their_units(lake: Lake, tmp_path: Path) -> None:
    """The fee in the coin lessens the buy, that in the price's money is a fee, BNB stands apart; nothing is summed."""
    path = written(tmp_path, "trades.csv", BINANCE)
    fills = read_fill_file(path, fills_map("binance-trades")).fills
    assert [(fill.quantity, fill.asset, fill.currency, fill.fee_currency) for fill in fills] == [
        (Fraction(1, 2), "RWE", "USDT", "RWE"), (Fraction(5, 4), "RWE", "USDT", "BNB"),
        (Fraction(1, 4), "RWE", "USDT", "USDT"),
    ]  # fmt: skip
    found = costs(path, lake, "--map", "binance-trades")
    assert found["fees_apart"] == {"BNB": 0.000013}
    assert found["exact"]["fees"] * found["exact"]["unit"] == pytest.approx(
        0.0005 * 28.52 + 0.007125, abs=1e-12
    )
    assert found["total"]["filled"] == pytest.approx((0.4995 + 1.25 + 0.25) * 100_000)
    assert found["currency"] == "USDT"


BARS = [("2024-01-02", 10.5, 20.25), ("2024-01-03", 10.75, 20.5), ("2024-01-04", 10.25, 20.75)]
LONG = "".join(
    f"{day},{name},{p},{p},{p},{p},9\n"
    for day, a, b in BARS
    for name, p in (("AAA", a), ("BBB", b))
)
TWO = "Price,Close,Close,Open,Open\nTicker,AAA,BBB,AAA,BBB\n"
CELLS = "".join(f"{day},{a},{b},{a},{b}\n" for day, a, b in BARS)


@pytest.mark.parametrize(
    "text",
    [
        "Date,Ticker,Open,High,Low,Close,Volume\n" + LONG,
        ",Ticker,Open,High,Low,Close,Volume\n" + LONG,
        "Date,AAA,BBB\n" + "".join(f"{day},{a},{b}\n" for day, a, b in BARS),
        f"{TWO}Date,,,,\n{CELLS}",
        TWO + CELLS,
        f"Ticker,AAA,BBB,AAA,BBB\nPrice,Close,Close,Open,Open\n{CELLS}",
    ],
    ids=["long", "no name of the index", "wide", "two headers", "two headers alone", "by ticker"],
)
def test_every_layout_of_yfinance_is_the_same_prices(tmp_path: Path, text: str) -> None:
    found = read_prices(written(tmp_path, "prices.csv", text), table_map("yfinance"))
    closes = {
        (str(day), name): close
        for day, name, close in found.select("date", "instrument", "close").rows()
    }
    assert closes == {
        (day, name): price for day, a, b in BARS for name, price in (("AAA", a), ("BBB", b))
    }


# -- without a map, or with half of one -------------------------------------------------------------------------------


def test_a_german_file_is_read_as_it_is_and_asks_for_the_rest(lake: Lake, tmp_path: Path) -> None:
    """01a, 01b: the encoding is found and said; the map says words; the same file with a map of its own in UTF-8."""
    path = written(tmp_path, "german.csv", COMDIRECT, "cp1252")
    mapped = costs(path, lake, "--map", "comdirect")
    typed = (
        "time=Datum",
        "time=Zeit",
        "symbol=Wertpapier",
        "side=Geschäftsart",
        "quantity=Stück",
        "price=Kurs",
    )
    more = ("currency=Währung", "fee=Provision", "sell=Verkauf", "timezone=Europe/Berlin")
    words = [word for one in (*typed, *more) for word in ("--column", one)]
    error = refused(path, lake, *words)
    assert "Kauf" in error["received"]
    assert "--column buy=WORD" in error["remedy"]
    found = costs(path, lake, *words, "--column", "buy=Kauf")
    assert found["parents"] == mapped["parents"]
    assert any("read as Windows-1252" in warning for warning in found["warnings"])
    assert not {"Datum", "Zeit"} & {*found["columns_not_read"], *mapped["columns_not_read"]}
    assert " EUR; quotes" in mapped["sentences"][0]


def test_decimal_commas_are_shown_by_the_file(lake: Lake, tmp_path: Path) -> None:
    """01c, 01d: 28,52 shows what 1.000 is; where nothing shows it the file is refused, and what is named mends it."""
    head = "time;symbol;side;quantity;price\n"
    rows = (
        "2024-04-03T10:12:00+02:00;RWE;buy;1.000;{}\n2024-04-03T10:12:06+02:00;RWE;buy;10.000;{}\n"
    )
    shown = costs(written(tmp_path, "comma.csv", head + rows.format("28,52", "28,5")), lake)
    assert shown["total"]["filled"] == 11_000
    unknown = written(tmp_path, "whole.csv", head + rows.format("28", "28"))
    error = refused(unknown, lake)
    assert "row 2" in error["received"]
    assert costs(unknown, lake, *options(error["remedy"]))["total"]["filled"] == 11_000
    assert costs(unknown, lake, "--column", "decimal=.")["total"]["filled"] == 11


def test_a_list_of_orders_is_read_by_the_same_rules(tmp_path: Path) -> None:
    text = "time;symbol;side;quantity;horizon;limit\n2024-04-03 10:30;RWE;{};10.000;2h;{}\n"
    with pytest.raises(DataError, match="`orders_column=decimal=,`"):
        read_orders(written(tmp_path, "orders.csv", text.format("buy", "")))
    path = written(tmp_path, "orders.csv", text.format("Kauf", "28,5"))
    [order] = read_orders(path, columns=["buy=Kauf"])
    assert (order.quantity, order.side, order.limit_price) == (10_000, 1, 28.5)
    moved = "Datum;Zeit;symbol;side;quantity;horizon\n03.04.2024;10:30;RWE;buy;5;2h\n"
    [apart] = read_orders(
        written(tmp_path, "two.csv", moved), columns={"time": ["Datum", "Zeit"], "decimal": ","}
    )
    assert apart.time == "2024-04-03 10:30"


def test_dates_with_slashes_are_asked_for(lake: Lake, tmp_path: Path) -> None:
    """03: of 3 April or 4 March, both in the lake; a day above 12 shows it."""
    head, row = "time,symbol,side,quantity,price\n", "{} 10:12:00,RWE,buy,100,28.52\n"
    path = written(tmp_path, "fills.csv", head + row.format("03/04/2024"))
    error = refused(path, lake, "--tz", "Europe/Berlin")
    found = costs(path, lake, "--tz", "Europe/Berlin", *options(error["remedy"]))
    assert found["parents"][0]["date"] == "2024-04-03"
    american = costs(path, lake, "--tz", "Europe/Berlin", "--column", "date_order=mdy")
    assert american["parents"][0]["date"] == "2024-03-04"
    shown = written(
        tmp_path, "shown.csv", head + row.format("03/04/2024") + row.format("13/04/2024")
    )
    assert costs(shown, lake, "--tz", "Europe/Berlin")["parents"][0]["date"] == "2024-04-03"


def test_money_is_never_taken_for_a_quantity(lake: Lake, tmp_path: Path) -> None:
    """04a, 04b: the map is named, Amount is not; typed in all the same it is refused with what it is."""
    path = written(tmp_path, "trades.csv", BINANCE)
    error = refused(path, lake)
    assert error["remedy"].startswith("--map binance-trades")
    assert "Amount" not in error["remedy"]
    assert costs(path, lake, *options(error["remedy"]))["total"]["filled"] > 0
    plain = "time,symbol,side,Executed,Amount,price\n2024-04-03T13:30:00Z,RWEUSDT,buy,1000,28520,28.52\n"
    bare = written(tmp_path, "numbers.csv", plain)
    assert options(refused(bare, lake)["remedy"]) == ["--column", "quantity=Executed"]
    assert "money" in refused(bare, lake, "--column", "quantity=Amount")["received"]
    in_lots = costs(bare, lake, "--column", "quantity=Executed", "--column", "unit=lots")
    assert in_lots["total"]["filled"] == 1000


def test_fees_of_a_column_of_currencies_stand_apart(lake: Lake, tmp_path: Path) -> None:
    """04c, 04d, 05b: 0.5 RWE and 0.013 BNB are no dollars; half a coin is half a coin."""
    text = (
        "time,symbol,side,quantity,price,currency,fee,fee coin\n"
        "2024-04-03T13:30:00Z,RWEUSDT,buy,0.5,28.52,USDT,0.001,RWE\n"
        "2024-04-03T13:30:01Z,RWEUSDT,buy,0.3426,28.52,USDT,0.013,BNB\n"
    )
    path = written(tmp_path, "coins.csv", text)
    error = refused(path, lake)
    assert "fee_currency" in error["remedy"]
    found = costs(path, lake, "--column", "fee_currency=fee coin")
    assert found["fees_apart"] == {"BNB": 0.013}
    assert found["exact"]["fees"] * found["exact"]["unit"] == pytest.approx(0.02852)
    assert found["total"]["filled"] == pytest.approx((0.499 + 0.3426) * 100_000)


def test_the_remedy_for_an_unknown_file_works_as_typed(tmp_path: Path) -> None:
    rows = '04/22/2024,10:12:00,ABC,BUY,"1,000",$28.52,$1.00,A1\n04/22/2024,10:12:03,ABC,SELL,40,$28.53,$0.50,A2\n'
    heads = {
        "Trade Date,Exec Time,Ticker,B/S,Filled Qty,Avg Px,Commission,Order Ref": [],
        "Date,Time,Symbol,Side,Shares,Px,Fees,Order ID": [],
        "Trade Date,Exec Time,Ticker,B/S,Nominal,Last Px,Comm,Order": ["THEIRS"],
    }
    for head, rest in heads.items():
        path = tmp_path / "fills.csv"
        path.write_text(f"{head}\n{rows}")
        with pytest.raises(DataError) as refused:
            read_fill_file(path)
        typed = re.findall(r"`column=(.*?)`", refused.value.remedy)
        assert [word for word in ("THEIRS",) if f"quantity={word}" in typed] == rest
        typed = [option.replace("THEIRS", "Nominal") for option in typed]
        fills = read_fill_file(path, fills_map(columns=typed)).fills
        assert [fill.ns for fill in fills] == [1_713_795_120 * S, 1_713_795_123 * S]
        assert [(fill.quantity, fill.price, fill.fee, fill.parent) for fill in fills] == [
            (1000, Fraction("28.52"), 1, "A1"), (40, Fraction("28.53"), Fraction("0.5"), "A2"),
        ]  # fmt: skip


def test_an_average_price_is_proposed_only_where_a_file_has_no_other(tmp_path: Path) -> None:
    path = tmp_path / "fills.csv"
    path.write_text("ts,symbol,side,quantity,AvgPx,LastPx\n2024-04-02T14:12:00Z,ABC,BUY,1,28,29\n")
    with pytest.raises(DataError) as refused:
        read_fill_file(path)
    assert "`column=price=LastPx`" in refused.value.remedy
    assert "AvgPx" not in refused.value.remedy
