"""Brokers' files as they are: other names of columns, other clocks, and what is said of those that do not fit."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from tercel.api.tca.analysis import HOURS
from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import fills_map, read_fill_file, read_orders
from tercel.api.tca.market_day import MarketDay, read_day
from tercel.api.tca.own_fills import analyse
from tercel.api.tca.report import own_costs
from tercel.core.errors import ConfigError, DataError
from tercel.core.serialization import to_jsonable
from tercel.core.tables.table import Table
from tercel.core.tables.table_map import TableMap, table_map
from tercel.core.tables.times import parse_moments
from tercel.desk.trading.tca.summary import labelled_parts
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake

S = 1_000_000_000
HOUR = 3600 * S
TEN = 1340287200 * S
"""2012-06-21, ten o'clock in New York."""
ZONE = ZoneInfo("America/New_York")
BROKER = (
    "TransactTime,Ticker,Side,LastQty,LastPx,ClOrdID,Commission,LastMkt\n"
    "06/21/2012 10:00:00,AMZN,1,100,223.87,A-1,0.20,XNAS\n"
    "06/21/2012 10:00:01.5,AMZN,2,200,223.5,B-2,-0.10,XNAS\n"
    "06/21/2012 10:00:02,AMZN,5,300,223.5,B-2,,XNAS\n"
)
COLUMNS = (
    "time=TransactTime",
    "symbol=Ticker",
    "quantity=LastQty",
    "price=LastPx",
    "parent=ClOrdID",
    "fee=Commission",
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return simulated_lake(tmp_path_factory.mktemp("files"), 2, ("2003-01-13",))


@pytest.fixture(scope="module")
def day(lake: Lake) -> MarketDay:
    return read_day(lake, lake.list()[0])


@pytest.fixture
def broker(tmp_path: Path) -> Path:
    path = tmp_path / "broker.csv"
    path.write_text(BROKER)
    return path


def time_of(text: str, zone: str = "America/New_York") -> int:
    table = Table(
        pl.DataFrame({"row": [2], "time": [text]}),
        "fills.csv",
        table_map(columns={"timezone": zone}),
    )
    return int(parse_moments(table, "time").to_physical()[0])


@pytest.mark.parametrize(
    "text",
    [
        "2012-06-21T10:00:00", "2012-06-21 10:00:00.0", "2012-06-21T10:00:00-0400", "2012-06-21 07:00:00-07:00",
        "06/21/2012 10:00:00", "06/21/2012 14:00:00Z", "20120621-14:00:00", "20120621-14:00:00.000",
        "20120621-10:00:00-04:00", "1340287200", "1340287200.0", "1340287200000", "1340287200000000",
        "1340287200000000000", "20120621;100000", "20120621 100000", "20120621;10:00:00",
        "2012-06-21;10:00:00", "06/21/2012;100000",
    ],
)  # fmt: skip
def test_one_moment_is_read_from_every_writing_of_it(text: str) -> None:
    assert time_of(text) == TEN


def test_parts_of_a_second_are_kept_and_what_is_no_time_is_refused() -> None:
    assert time_of("06/21/2012 10:00:00.123456789") == TEN + 123456789
    assert (
        time_of("20120621-14:00:00.123", "") == time_of("1340287200.123", "") == TEN + 123 * 10**6
    )
    assert time_of("1340287200123.5", "") == TEN + 123_500_000
    wrong = (
        "20121321-10:00:00",
        "1340287200000000.0001",
        "99999999",
        "10:00:00",
        "9" * 19,
        "\u0661\u0663\u0664\u0660\u0662\u0668\u0667\u0662\u0660\u0660",
        "\u0662\u0660\u0661\u0662-06-21 10:00:00",
    )
    for text in wrong:
        with pytest.raises(DataError, match=r"in row 2 of fills\.csv"):
            time_of(text)
    for without in ("2012-06-21T10:00:00", "06/21/2012 10:00:00"):
        with pytest.raises(DataError, match="a time with its zone"):
            time_of(without, "")


def test_a_brokers_file_is_read_through_a_map(broker: Path, tmp_path: Path) -> None:
    found = read_fill_file(broker, fills_map(columns=COLUMNS, timezone="America/New_York")).fills
    assert found == [
        FileFill(2, TEN, "AMZN", 1, 100, Fraction("223.87"), Fraction("0.2"), "A-1", "", ""),
        FileFill(
            3,
            TEN + 1_500_000_000,
            "AMZN",
            -1,
            200,
            Fraction("223.5"),
            Fraction("-0.1"),
            "B-2",
            "",
            "",
        ),
        FileFill(4, TEN + 2 * S, "AMZN", -1, 300, Fraction("223.5"), Fraction(0), "B-2", "", ""),
    ]
    rows = "\n".join('{} = "{}"'.format(*text.split("=")) for text in COLUMNS)
    (tmp_path / "broker.toml").write_text(f'timezone = "America/New_York"\n\n[columns]\n{rows}\n')
    by_file = fills_map(tmp_path / "broker.toml")
    assert read_fill_file(broker, by_file).fills == found
    assert read_fill_file(broker, by_file).not_read == ["LastMkt"]
    assert fills_map(tmp_path / "broker.toml", ["fee="], "UTC").columns["fee"] == ("",)


def test_a_missing_column_is_offered_with_what_to_type(broker: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_fill_file(broker)
    for words in COLUMNS:
        assert f"`column={words}`" in caught.value.remedy
    half = fills_map(columns=COLUMNS[:4], timezone="America/New_York")
    with pytest.raises(
        DataError, match="ClOrdID, perhaps parent, Commission, perhaps fee"
    ) as caught:
        read_fill_file(broker, half)
    assert "`column=parent=ClOrdID` `column=fee=Commission`" in caught.value.remedy
    assert "go on without: `column=parent=` `column=fee=`" in caught.value.remedy
    without = fills_map(columns=[*COLUMNS[:4], "parent=", "fee="], timezone="America/New_York")
    assert {(one.parent, one.fee) for one in read_fill_file(broker, without).fills} == {
        ("", Fraction(0))
    }
    assert read_fill_file(broker, without).not_read == ["ClOrdID", "Commission", "LastMkt"]


def test_maps_that_cannot_be_are_refused(broker: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no Fees in "):
        read_fill_file(broker, fills_map(columns=[*COLUMNS[:5], "fee=Fees"]))
    with pytest.raises(DataError, match="`column=timezone=America/New_York`"):
        read_fill_file(broker, fills_map(columns=COLUMNS))
    broken: list[Callable[[], TableMap]] = [
        lambda: fills_map(columns=["prnt=ClOrdID"]), lambda: fills_map(columns=["parent"]),
        lambda: fills_map(timezone="Mars/Base"), lambda: fills_map(tmp_path / "none.toml"),
    ]  # fmt: skip
    for build in broken:
        with pytest.raises(ConfigError):
            build()


# -- a broker's file by its name --------------------------------------------------------------------------------------

FLEX = "ClientAccountID,CurrencyPrimary,Symbol,DateTime,Quantity,TradePrice,IBCommission,Buy/Sell,IBOrderID,LevelOfDetail"
"""Fields of the section Trades of an Activity Flex Query: "Trades", Reporting Reference of Interactive Brokers,
https://www.ibkrguides.com/reportingreference/reportguide/tradesfq.htm; there commissions are cash amounts, netted with
profit, and a sale's quantity is below 0 (its proceeds are quantity times price, above 0)."""


def flex(day: MarketDay, fills: int = 60) -> str:
    """Fills at a far touch that moved in their second, as that broker writes them: whole seconds, orders beside."""
    rows, tick = [], Fraction(str(day.instrument.tick))
    inside = (day.ns > day.open_ns + S) & (day.ns < day.close_ns - S) & (day.bid > 0)
    for ns, bid, ask in zip(day.ns[inside].tolist(), day.bid[inside], day.ask[inside], strict=True):
        bid_then, ask_then = day.quote_before(ns // S * S)
        if len(rows) < 2 * fills and (ask > ask_then or bid < bid_then):
            side = 1 if ask > ask_then else -1
            at, price = (
                datetime.fromtimestamp(ns // S, ZONE),
                float((ask if side > 0 else bid) * tick),
            )
            row = f"U1,USD,SIM,{at:%Y%m%d;%H%M%S},{side * 100},{price},-0.35,{'BUY' if side > 0 else 'SELL'},{len(rows)}"
            rows += [f"{row},EXECUTION", f"{row},ORDER"]
    assert len(rows) == 2 * fills
    return "\n".join([FLEX, *rows]) + "\n"


def test_a_flex_query_is_read_by_its_name(lake: Lake, day: MarketDay, tmp_path: Path) -> None:
    """Commissions are paid, not got; sells are fills; seconds are whole, and none is off the market for that."""
    path = tmp_path / "flex.csv"
    path.write_text(flex(day))
    read = read_fill_file(path, fills_map("ib-flex"))
    fills = read.fills
    assert (len(fills), read.not_read) == (60, ["ClientAccountID"])
    assert {fill.fee for fill in fills} == {Fraction("0.35")}
    assert {(fill.side, fill.quantity) for fill in fills} == {(1, 100), (-1, 100)}
    found = analyse(fills, {}, lake)
    assert found.money()["fees"] == 60 * Fraction("0.35")
    assert found.odd["off_market"] == []
    (warning,) = found.warnings
    assert warning.startswith("times are whole seconds")
    finer = [FileFill(**{**_fields(fill), "ns": fill.ns + 1}) for fill in fills]
    assert len(analyse(finer, {}, lake).odd["off_market"]) > 10


def test_the_order_time_of_a_flex_query_is_the_arrival(
    lake: Lake, day: MarketDay, tmp_path: Path
) -> None:
    path, tick, rows = tmp_path / "flex.csv", Decimal(str(day.instrument.tick)), list[str]()
    for number in range(3):
        ordered = datetime.fromtimestamp(day.open_ns // S + 600 + 900 * number, ZONE)
        for waits in (30, 120):
            at = ordered + timedelta(seconds=waits)
            price = day.quote_before(round(at.timestamp()) * S)[1] * tick
            row = f"U1,USD,SIM,{at:%Y%m%d;%H%M%S},100,{price},-0.35,BUY,{number}"
            rows.append(f"{row},{ordered:%Y%m%d;%H%M%S},EXECUTION")
    path.write_text(
        "\n".join([FLEX.replace(",LevelOfDetail", ",OrderTime,LevelOfDetail"), *rows]) + "\n"
    )
    found = own_costs(path, lake.root, map="ib-flex", strategies=())
    assert found.not_read == ("ClientAccountID",)
    for one, row in zip(found.analysis.parents, found.rows, strict=True):
        assert one.cost.end_ns - one.cost.start_ns == 120 * S
        move = sum(day.quote_before(one.cost.start_ns + 30 * S)) - sum(
            day.quote_before(one.cost.start_ns)
        )
        assert one.cost.sums["delay"] == move * one.grain * one.cost.filled
        assert row.is_bps == pytest.approx(sum(labelled_parts(row).values()))
    assert "In parts, bps: delay" in found.sentences()[1]
    path.write_text(path.read_text().replace("OrderTime", "Other"))
    less = own_costs(path, lake.root, map="ib-flex", strategies=())
    assert [one.cost.end_ns - one.cost.start_ns for one in less.analysis.parents] == [90 * S] * 3
    said = "3 of 3 parents have no order time: their arrival is their first fill, and delay is not measured."
    assert said in less.sentences()
    mapped = fills_map("ib-flex", ["arrival=Other"])
    again = own_costs(path, lake.root, map=mapped, strategies=()).rows
    assert to_jsonable(again) == to_jsonable(found.rows)
    path.write_text(path.read_text().replace("Other", "Submitted"))
    flex_map = fills_map("ib-flex")
    plain = {name: words for name, words in flex_map.columns.items() if name != "arrival"}
    offered = r"Submitted, perhaps arrival.*`column=arrival=Submitted`.*go on without"
    with pytest.raises(DataError, match=offered):
        read_fill_file(path, flex_map.model_copy(update={"columns": plain}))


def test_a_brokers_file_without_its_map_names_it_first(day: MarketDay, tmp_path: Path) -> None:
    """The columns that one would name by hand are the fee and the order too: no commission is left behind."""
    path = tmp_path / "flex.csv"
    path.write_text(flex(day))
    with pytest.raises(DataError) as caught:
        read_fill_file(path)
    assert caught.value.remedy.startswith("`map=ib-flex`")
    filtered = fills_map().model_copy(update={"only": {"LevelOfDetail": ("EXECUTION",)}})
    for read in (read_orders, partial(read_fill_file, map=filtered)):
        with pytest.raises(DataError) as caught:
            read(path)
        assert "ib-flex" not in caught.value.remedy, (
            "of no list of orders; rows were chosen by hand"
        )
    by_hand = ["time=DateTime", "side=Buy/Sell", "price=TradePrice"]
    with pytest.raises(
        DataError, match="IBOrderID, perhaps parent, IBCommission, perhaps fee"
    ) as caught:
        read_fill_file(path, fills_map(columns=by_hand))
    assert caught.value.remedy.startswith("`map=ib-flex`")
    assert "`column=parent=IBOrderID` `column=fee=IBCommission`" in caught.value.remedy
    plain = tmp_path / "plain.csv"
    plain.write_text(BROKER)
    with pytest.raises(DataError) as caught:
        read_fill_file(plain)
    assert "ib-flex" not in caught.value.remedy


def test_fees_that_are_all_below_0_ask_for_their_sign(broker: Path) -> None:
    """They may be costs, as brokers' cash amounts are, or rebates: a figure with the wrong sign is worse than none."""

    def fees_of(**words: str) -> list[Fraction]:
        about = fills_map(columns=COLUMNS, timezone="America/New_York", **words)
        return [fill.fee for fill in read_fill_file(broker, about).fills]

    broker.write_text(BROKER.replace(",0.20,", ",-0.20,"))
    with pytest.raises(DataError, match="2 of 2 below 0") as caught:
        fees_of()
    assert "`fees=negative`" in caught.value.remedy
    assert "`fees=positive`" in caught.value.remedy
    paid = [Fraction("0.2"), Fraction("0.1"), Fraction(0)]
    assert fees_of(fees="negative") == paid
    assert fees_of(fees="positive") == [-fee for fee in paid]
    # One fee above 0 does not say what most below 0 are.
    row = "06/21/2012 10:00:03,AMZN,1,100,223.87,A-1,{},XNAS\n"
    broker.write_text(BROKER + row.format("-0.30"))
    with pytest.raises(DataError, match="2 of 3 below 0"):
        fees_of()
    broker.write_text(BROKER + row.format("0"))
    assert fees_of() == [Fraction("0.2"), Fraction("-0.1"), 0, 0]
    with pytest.raises(ConfigError):
        fills_map(fees="up")


@pytest.mark.parametrize("wrong", [str(2**30), "1_0", "\u0661\u0660"])
def test_an_order_is_of_fewer_lots_than_2_to_the_30_in_plain_digits(
    tmp_path: Path, wrong: str
) -> None:
    path = tmp_path / "orders.csv"
    head = "parent,symbol,side,quantity,start,end\nA-1,AMZN,buy,"
    path.write_text(f"{head}{2**30 - 1},1340287200,1340287260\n")
    assert read_orders(path)["A-1"].quantity == 2**30 - 1
    path.write_text(f"{head}{wrong},1340287200,1340287260\n", encoding="utf-8")
    with pytest.raises(DataError, match="quantity"):
        read_orders(path)


def test_a_quantity_with_a_sign_has_that_of_its_side(day: MarketDay, tmp_path: Path) -> None:
    path, text = tmp_path / "flex.csv", flex(day)
    signed = r"a quantity above 0 and below 2\*\*30, with the sign of its side"
    plain = r"a quantity above 0 and below 2\*\*30|a quantity of shares"
    digits = ("-1_00", "-\u0661\u0660\u0660", f"-{2**30}", f"-{2**40 - 1}")
    for wrong, said in (("100", signed), ("0", signed), *((one, plain) for one in digits)):
        path.write_text(text.replace(",-100,", f",{wrong},"))
        with pytest.raises(DataError, match=said):
            read_fill_file(path, fills_map("ib-flex"))
    path.write_text(text.replace(";", " "))
    spaced = read_fill_file(path, fills_map("ib-flex")).fills
    path.write_text(text)
    assert read_fill_file(path, fills_map("ib-flex")).fills == spaced
    with pytest.raises(DataError, match="`column=signed=true`"):
        read_fill_file(path, fills_map("ib-flex").model_copy(update={"signed": False}))


# -- clocks -----------------------------------------------------------------------------------------------------------


def spread_out(day: MarketDay, by_ns: int = 0) -> list[FileFill]:
    """Forty fills at the mids of the morning, ten to a parent, their clock moved."""
    step = (day.close_ns - day.open_ns) // 41
    found = []
    for number in range(40):
        ns = day.open_ns + (number + 1) * step
        price = Fraction(sum(day.quote_before(ns)), 2) * Fraction(str(day.instrument.tick))
        found.append(
            FileFill(
                number + 2,
                ns + by_ns,
                "SIM",
                1,
                100,
                price,
                Fraction(0),
                f"p{number // 10}",
                "",
                "",
            )
        )
    return found


@pytest.mark.parametrize("within_ns", [0, S - 1])
def test_what_fits_is_what_quotes_just_before_and_through_the_second_hold(
    day: MarketDay, within_ns: int
) -> None:
    rng = np.random.default_rng(5)
    ns = rng.integers(day.open_ns - 60 * S, day.close_ns + 60 * S, 400)
    ns[:200] = rng.choice(day.ns, 200)
    price = (
        np.array([sum(day.quote_before(int(one))) / 2 for one in ns]) + rng.integers(-2, 3, 400) / 2
    )
    twin = []
    for one, paid in zip(ns.tolist(), price.tolist(), strict=True):
        moments = [
            one,
            *(int(seen) + 1 for seen in day.ns[(day.ns >= one) & (day.ns <= one + within_ns)]),
        ]
        quotes = [(bid, ask) for bid, ask in map(day.quote_before, moments) if bid]
        held = bool(day.quote_before(one)[0]) and min(q[0] for q in quotes) <= paid <= max(
            q[1] for q in quotes
        )
        twin.append(held)
        lowest, highest = day.quote_range(one, within_ns)
        assert held == (0 < lowest <= paid <= highest)
    assert day.is_within_quotes(ns, price, within_ns).tolist() == twin
    assert any(twin)
    assert not all(twin)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wrong_clock_is_told_first_with_the_shift_that_mends_it(
    lake: Lake, day: MarketDay, hours: int
) -> None:
    found = analyse(spread_out(day, -hours * HOUR), {}, lake)
    assert found.fits_by_shift[hours] == 40
    assert max(found.fits_by_shift.values()) == 40
    assert set(found.fits_by_shift) <= set(HOURS)
    way = "later" if hours > 0 else "earlier"
    assert found.warnings[0].startswith("the clock of the fills looks wrong by 1 hour: ")
    assert f"40 would lie in the market 1 hour {way}" in found.warnings[0]
    gone = sorted(
        {f"p{number}" for number in range(4)} - {one.cost.parent for one in found.parents}
    )
    assert found.skipped_parents == gone
    assert gone
    assert found.warnings[1].endswith(", ".join(gone))


def test_a_clock_that_is_right_and_prices_that_no_clock_mends_are_not_called_a_wrong_clock(
    lake: Lake, day: MarketDay
) -> None:
    right = spread_out(day)
    assert analyse(right, {}, lake).warnings == []
    dear = [FileFill(**{**_fields(one), "price": one.price * 2}) for one in right]
    (warning,) = analyse(dear, {}, lake).warnings
    assert warning.startswith("40 of 40 fills lie off the market")
    assert "no shift of the clock" in warning


def test_a_symbol_in_other_letters_is_offered(lake: Lake, day: MarketDay) -> None:
    small = [FileFill(**{**_fields(one), "symbol": "sim"}) for one in spread_out(day)]
    with pytest.raises(DataError) as caught:
        analyse(small, {}, lake)
    assert "try SIM" in caught.value.remedy
    mixed = analyse([*spread_out(day)[:10], *small[10:20]], {}, lake)
    assert mixed.warnings == [
        "1 parent is left out, as none of the fills can be measured: p1", "no symbol sim in the lake: try SIM",
    ]  # fmt: skip


def _fields(fill: FileFill) -> dict[str, object]:
    return {name: getattr(fill, name) for name in FileFill.__dataclass_fields__}


def test_prices_and_fees_of_two_currency_signs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "fills.csv"
    file.write_text(
        "time,symbol,side,quantity,price,fee\n2024-04-03T10:30:00Z,A,buy,1,$28.60,€1.00\n"
    )
    with pytest.raises(DataError, match=r"one currency sign; received \$ and € in .*fee_currency"):
        read_fill_file(file)
