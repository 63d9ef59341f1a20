"""Reported cases 01 to 06: what brokers and exchanges export, through `tercel tca`."""

from pathlib import Path

import pytest
from tests.reports.command import done, obeyed, options, refused, under
from tests.reports.fills import Fill, at, holds
from tests.reports.tape import mid

import tercel as tc
from tercel.core.errors import DataError

BOUGHT, SOLD = Fill(at("10:30:05"), 1, 1000, 28.66), Fill(at("10:40:05"), -1, 250, 28.70)
BOTH = (BOUGHT, SOLD)


def written(folder: Path, text: str, encoding: str = "utf-8", name: str = "fills.csv") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


# -- 01: a German broker ----------------------------------------------------------------------------------------------

GERMAN = (
    "Gattung;Ausf\u00fchrung;Zeit;K\u00fcrzel;St\u00fcck;Kurs in \u20ac;Geb\u00fchr\r\n"
    "Kauf;03.04.2024;12:30:05;RWE;1.000;28,66;16,80\r\n"
    "Verkauf;03.04.2024;12:40:05;RWE;250;28,70;4,90\r\n"
)
GERMAN_MAP = """
timezone = "Europe/Berlin"
[columns]
time = ["Ausf\u00fchrung", "Zeit"]
symbol = "K\u00fcrzel"
side = "Gattung"
quantity = "St\u00fcck"
price = "Kurs in \u20ac"
fee = "Geb\u00fchr"
"""
SIDES = {"[sides]": '[sides]\nbuy = "Kauf"\nsell = "Verkauf"'}


@pytest.fixture
def german_map(tmp_path: Path) -> Path:
    (tmp_path / "map.toml").write_text(GERMAN_MAP, encoding="utf-8")
    return tmp_path / "map.toml"


def test_01a_a_german_file_in_cp1252(lake: Path, tmp_path: Path, german_map: Path) -> None:
    """Two columns of time, thousands by a point, words of sides; the encoding is found, or asked for by its name."""
    german_map.write_text(GERMAN_MAP + SIDES["[sides]"], encoding="utf-8")
    file = written(tmp_path, GERMAN, "cp1252")
    words = ("tca", file, "--lake", lake, "--against", "none", "--map", german_map)
    holds(obeyed(*words, knows=("encoding=cp1252",)), BOTH, fees=21.70)
    german_map.write_text(
        'encoding = "cp1252"\n' + german_map.read_text(encoding="utf-8"), encoding="utf-8"
    )
    holds(done(*words), BOTH, fees=21.70)


def test_01b_words_of_sides_are_mapped(lake: Path, tmp_path: Path, german_map: Path) -> None:
    file = written(tmp_path, GERMAN)
    words = ("tca", file, "--lake", lake, "--against", "none", "--map", german_map)
    holds(obeyed(*words, map=german_map, toml=SIDES), BOTH, fees=21.70)
    german_map.write_text(
        GERMAN_MAP + '[sides]\nbuy = "Ankauf"\nsell = "Verkauf"\n', encoding="utf-8"
    )
    wrong = refused(*words)
    assert "'Kauf'" in wrong["received"]
    assert "row 2" in wrong["received"]


def test_01c_decimal_commas_between_semicolons(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "time;symbol;side;quantity;price;fee\n"
        "2024-04-03T10:30:05Z;RWE;buy;1000;28,66;16,80\n2024-04-03T10:40:05Z;RWE;sell;250;28,70;4,90\n",
    )
    holds(done("tca", file, "--lake", lake, "--against", "none"), BOTH, fees=21.70)


def test_01d_a_point_before_three_digits_is_not_guessed(lake: Path, tmp_path: Path) -> None:
    """`10.000` between semicolons: ten thousand where another cell has a decimal comma, else asked for."""
    head, row = "time;symbol;side;quantity;price\n", "2024-04-03T10:30:05Z;RWE;buy;{};{}\n"
    shown = written(tmp_path, head + row.format("1.000", "28,66"), name="shown.csv")
    holds(done("tca", shown, "--lake", lake, "--against", "none"), [BOUGHT])
    silent = written(tmp_path, head + row.format("10.000", "28"), name="whole.csv")
    words = ("tca", silent, "--lake", lake, "--against", "none")
    asked = refused(*words)
    assert "10.000" in asked["received"]
    assert "row 2" in asked["received"]
    for decimal, quantity in ((",", 10_000), (".", 10)):
        found = obeyed(*words, knows=(f"decimal={decimal}",))
        assert found["remedies"] == [f"decimal={decimal}"]
        holds(found, [Fill(BOUGHT.when, 1, quantity, 28.0)])
    pointed = written(tmp_path, head + row.format("10.000", "28.66"), name="pointed.csv")
    holds(
        done("tca", pointed, "--lake", lake, "--against", "none"), [Fill(BOUGHT.when, 1, 10, 28.66)]
    )


def test_01d_a_list_of_orders_too(tmp_path: Path) -> None:
    head = "time;symbol;side;quantity;horizon;limit\n"
    silent = written(tmp_path, head + "2024-04-03 10:30;RWE;buy;10.000;2h;\n", name="silent.csv")
    with pytest.raises(DataError, match=r"10\.000.*row 2") as asked:
        tc.read_orders(silent)
    assert "decimal" in asked.value.remedy
    assert [one.quantity for one in tc.read_orders(silent, columns={"decimal": ","})] == [10_000]
    assert [one.quantity for one in tc.read_orders(silent, columns={"decimal": "."})] == [10]
    shown = written(tmp_path, head + "2024-04-03 10:30;RWE;buy;10.000;2h;28,66\n", name="shown.csv")
    assert [(one.quantity, one.limit_price) for one in tc.read_orders(shown)] == [(10_000, 28.66)]
    shown.write_text(shown.read_text().replace(";2h", ";1.800"))
    assert tc.read_orders(shown)[0].horizon_s == 1800


# -- 02, 03: American and British brokers -----------------------------------------------------------------------------

SCHWAB = (
    '"Transactions  for account XXXX-1234 as of 04/05/2024 10:00:00 ET"\n'
    '"Date","Time","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
    '"04/03/2024","06:40:05","Sell","RWE","RWE AG","250","$28.70","$0.10","$7,174.90"\n'
    '"04/03/2024 as of 04/02/2024","00:00:00","Bank Interest","","BANK INT 030124-040124","","","","$1.23"\n'
    '"04/03/2024","06:30:05","Buy","RWE","RWE AG","1,000","$28.66","$0.20","-$28,660.20"\n'
    '"Transactions Total","","","","","","","","-$21,484.07"\n'
)


def test_02_money_in_words_under_a_title_with_rows_that_are_no_fills(
    lake: Path, tmp_path: Path
) -> None:
    """The shipped map, with the hour that Schwab's own file lacks beside the date."""
    file = written(tmp_path, SCHWAB)
    joined = ("--column", "time=Date", "--column", "time=Time", "--tz", "America/New_York")
    found = obeyed(
        "tca",
        file,
        "--lake",
        lake,
        "--against",
        "none",
        "--map",
        "schwab",
        *joined,
        knows=("date_order=mdy",),
    )
    holds(found, BOTH, fees=0.30)


def test_02b_date_and_time_are_joined(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "Date,Time,symbol,side,quantity,price\n"
        "04/03/2024,10:30:05,RWE,buy,1000,28.66\n04/03/2024,10:40:05,RWE,sell,250,28.70\n",
    )
    words = (
        "tca",
        file,
        "--lake",
        lake,
        "--against",
        "none",
        "--column",
        "time=Date",
        "--column",
        "time=Time",
    )
    found = obeyed(*words, "--tz", "UTC", knows=("date_order=mdy",))
    holds(found, BOTH)
    plain = written(
        tmp_path, file.read_text().replace("04/03/2024", "2024-04-03"), name="plain.csv"
    )
    holds(done(words[0], plain, *words[2:], "--tz", "UTC"), BOTH)


def test_03_the_order_of_a_date_with_slashes_is_asked_for(lake: Path, tmp_path: Path) -> None:
    """3 April and 4 March are in the lake, and the fill's price fits both: either is measured when it is said."""
    file = written(
        tmp_path, "time,symbol,side,quantity,price\n03/04/2024 10:30:05,RWE,buy,1000,28.66\n"
    )
    words = ("tca", file, "--lake", lake, "--against", "none", "--tz", "UTC")
    asked = refused(*words)
    assert "03/04/2024" in asked["received"]
    for order, date in (("dmy", "2024-04-03"), ("mdy", "2024-03-04")):
        found = obeyed(*words, knows=(f"date_order={order}",))
        holds(found, [Fill(at("10:30:05", date), 1, 1000, 28.66)])
        assert [row["date"] for row in found["parents"]] == [date]
    file.write_text(file.read_text() + "13/03/2024 10:30:05,RWE,buy,1,28.66\n")
    assert [row["date"] for row in done(*words)["parents"]] == ["2024-04-03"], (
        "a day above 12 shows the order"
    )


# -- 04: an exchange of coins -----------------------------------------------------------------------------------------

COIN = "RWEUSDT"
COINS = (Fill(at("10:30:05"), 1, 1000, 28.66, COIN), Fill(at("10:40:05"), -1, 250, 28.70, COIN))
BINANCE = "Date(UTC),Pair,Side,Price,Executed,Amount,Fee\n"


def test_04a_units_in_the_cells_of_an_export(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        BINANCE
        + "2024-04-03 10:30:05,RWEUSDT,BUY,28.66,1000.0000000000RWE,28660.00000000USDT,0.0130000000BNB\n"
        "2024-04-03 10:40:05,RWEUSDT,SELL,28.70,250.0000000000RWE,7175.00000000USDT,7.17500000USDT\n",
    )
    words = ("tca", file, "--lake", lake, "--against", "none")
    assert "Amount" not in refused(*words)["remedy"]
    (shipped,) = [value for name, value in options(refused(*words)["remedy"]) if name == "--map"]
    found = done(*words, "--map", shipped)
    holds(found, COINS, fees=7.175)
    assert pytest.approx(0.013) in [float(one) for one in under(found, "BNB")]


def test_04b_money_is_not_proposed_as_a_quantity(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        BINANCE + "2024-04-03 10:30:05,RWEUSDT,BUY,28.66,1000,28660,2.50\n"
        "2024-04-03 10:40:05,RWEUSDT,SELL,28.70,250,7175,0.50\n",
    )
    words = ("tca", file, "--lake", lake, "--against", "none", "--tz", "UTC")
    offered = options(refused(*words)["remedy"])
    assert "quantity=Amount" not in [value for _, value in offered]
    (shipped,) = [value for name, value in offered if name == "--map"]
    holds(done(*words, "--map", shipped), COINS, fees=3.0)
    typed = ("time=Date(UTC)", "symbol=Pair", "quantity=Executed", "fee=Fee")
    holds(done(*words, *(word for one in typed for word in ("--column", one))), COINS, fees=3.0)
    followed = [one.replace("Executed", "Amount") for one in typed]
    assert (
        "Amount"
        in refused(*words, *(word for one in followed for word in ("--column", one)))["received"]
    )


def test_04c_fees_of_other_currencies_stand_apart(lake: Path, tmp_path: Path) -> None:
    """Half a coin of the base is not received; the rest is summed by currency alone."""
    file = written(
        tmp_path,
        "time,symbol,side,quantity,price,fee,fee coin\n2024-04-03T10:30:05Z,RWEUSDT,buy,1000,28.66,0.5,RWE\n"
        "2024-04-03T10:30:10Z,RWEUSDT,buy,500,28.66,0.013,BNB\n2024-04-03T10:30:15Z,RWEUSDT,buy,100,28.66,1.20,USDT\n",
    )
    words = ("tca", file, "--lake", lake, "--against", "none")
    found = obeyed(*words, knows=("fee_currency=fee coin", "currency=USDT"))
    assert float(found["total"]["filled"]) == pytest.approx(1599.5)
    paid = (1000 + 500 + 100) * 28.66 + 1.20
    assert found["total"]["money"]["whole"] == pytest.approx(
        paid - 1599.5 * mid(COIN, at("10:30:05"))
    )
    assert pytest.approx(0.013) in [float(one) for one in under(found, "BNB")]
    assert "fee coin" not in found["columns_not_read"]


def test_04d_half_a_coin(lake: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path, "time,symbol,side,quantity,price\n2024-04-03T10:30:05Z,BTCUSD,buy,0.5,50.17\n"
    )
    holds(
        done("tca", file, "--lake", lake, "--against", "none"),
        [Fill(at("10:30:05"), 1, 0.5, 50.17, "BTCUSD")],
    )


# -- 05: parts of an order, parts of a share --------------------------------------------------------------------------


def test_05_partial_fills_of_one_millisecond_in_any_order(lake: Path, tmp_path: Path) -> None:
    head = "time,symbol,side,quantity,price,parent,cum_qty\n"
    rows = [(100, 28.66, 100), (300, 28.67, 400), (50, 28.66, 450), (550, 28.68, 1000)]
    lines = [
        f"2024-04-03T10:30:05.123Z,RWE,buy,{quantity},{price},p,{cum}\n"
        for quantity, price, cum in rows
    ]
    fills = [Fill(at("10:30:05.123"), 1, quantity, price) for quantity, price, _ in rows]
    told = []
    for name, order in (("as-told.csv", (2, 0, 3, 1)), ("by-cum.csv", (0, 1, 2, 3))):
        file = written(tmp_path, head + "".join(lines[one] for one in order), name=name)
        told.append(done("tca", file, "--lake", lake, "--against", "none"))
        holds(told[-1], fills)
    assert told[0]["exact"] == told[1]["exact"]
    assert told[0]["parents"] == told[1]["parents"]


def test_05b_parts_of_a_share(lake: Path, tmp_path: Path) -> None:
    rows = [("10:30:05", 0.3426, 28.66), ("10:40:05", 12.00000001, 28.70)]
    text = "".join(
        f"2024-04-03T{clock}Z,RWE,buy,{quantity:.8f},{price}\n" for clock, quantity, price in rows
    )
    file = written(tmp_path, "time,symbol,side,quantity,price\n" + text)
    found = done("tca", file, "--lake", lake, "--against", "none")
    holds(found, [Fill(at(clock), 1, quantity, price) for clock, quantity, price in rows])
    assert float(found["total"]["filled"]) == pytest.approx(12.34260001, abs=1e-9)
    finer = written(
        tmp_path,
        "time,symbol,side,quantity,price\n2024-04-03T10:30:05Z,RWE,buy,0.1234567891,28.66\n",
    )
    assert "row 2" in refused("tca", finer, "--lake", lake, "--against", "none")["received"]


# -- 06: a statement of Interactive Brokers ---------------------------------------------------------------------------

FLEX = (
    "DateTime", "Symbol", "Buy/Sell", "Quantity", "TradePrice", "IBCommission", "IBCommissionCurrency",
    "CurrencyPrimary", "LevelOfDetail", "IBOrderID",
)  # fmt: skip
EXECUTIONS = (
    "20240403;063005,RWE,BUY,1000,28.66,-2,EUR,EUR,EXECUTION,1",
    "20240403;064005,RWE,SELL,-250,28.70,-1.5,USD,EUR,EXECUTION,2",
)
ORDERS = tuple(row.replace("EXECUTION", "ORDER") for row in EXECUTIONS)


def flex(*rows: str, names: tuple[str, ...] = FLEX) -> str:
    return "\n".join([",".join(names), *rows]) + "\n"


def test_06a_executions_of_a_statement_and_two_currencies_of_commission(
    lake: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, flex(ORDERS[0], EXECUTIONS[0], ORDERS[1], EXECUTIONS[1]))
    found = done("tca", file, "--lake", lake, "--against", "none", "--map", "ib-flex")
    holds(found, BOTH, fees=2.0)
    assert pytest.approx(1.5) in [float(one) for one in under(found, "USD")]


def test_06b_names_of_attributes_are_known_too(lake: Path, tmp_path: Path) -> None:
    names = ("dateTime", "symbol", "buySell", "quantity", "tradePrice", "ibCommission", "ibCommissionCurrency",
             "currency", "levelOfDetail", "ibOrderID")  # fmt: skip
    file = written(tmp_path, flex(*EXECUTIONS, names=names))
    holds(
        done("tca", file, "--lake", lake, "--against", "none", "--map", "ib-flex"), BOTH, fees=2.0
    )


def test_06c_several_accounts_and_several_sections(lake: Path, tmp_path: Path) -> None:
    """A header that comes again, with equal fills of another account; another section, of other columns."""
    accounts = written(tmp_path, flex(*EXECUTIONS) + flex(*EXECUTIONS), name="accounts.csv")
    words = ("--lake", lake, "--against", "none", "--map", "ib-flex")
    holds(done("tca", accounts, *words), (*BOTH, *BOTH), fees=4.0)
    cash = "ClientAccountID,CurrencyPrimary,FromDate,ToDate\nU1,EUR,20240401,20240403\nU1,USD,20240401,20240403\n"
    for name, text in (
        ("after.csv", flex(*EXECUTIONS) + cash),
        ("before.csv", cash + flex(*EXECUTIONS)),
    ):
        found = done("tca", written(tmp_path, text, name=name), *words)
        holds(found, BOTH, fees=2.0)
