"""Brokers' files as they are: other names of columns, other clocks, and what is said of those that do not fit."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tercel.core.errors import ConfigError, DataError
from tercel.core.rows import parse_time
from tercel.market.tape import Lake
from tercel.tca.files import FileFill, FillsMap, columns_not_read, fills_map, read_fills, read_orders
from tercel.tca.market_day import MarketDay, read_day
from tercel.tca.own import HOURS, analyse
from tercel.testing.lake import simulated_lake

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
COLUMNS = ("time=TransactTime", "symbol=Ticker", "quantity=LastQty", "price=LastPx", "parent=ClOrdID", "fee=Commission")


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


@pytest.mark.parametrize(
    "text",
    [
        "2012-06-21T10:00:00", "2012-06-21 10:00:00.0", "2012-06-21T10:00:00-0400", "2012-06-21 07:00:00-07:00",
        "06/21/2012 10:00:00", "06/21/2012 14:00:00Z", "20120621-14:00:00", "20120621-14:00:00.000",
        "20120621-10:00:00-04:00", "1340287200", "1340287200.0", "1340287200000", "1340287200000000",
        "1340287200000000000",
    ],
)  # fmt: skip
def test_one_moment_is_read_from_every_writing_of_it(text: str) -> None:
    assert parse_time(text, ZONE) == TEN


def test_parts_of_a_second_are_kept_and_what_is_no_time_is_refused() -> None:
    assert parse_time("06/21/2012 10:00:00.123456789", ZONE) == TEN + 123456789
    assert parse_time("20120621-14:00:00.123") == parse_time("1340287200.123") == TEN + 123 * 10**6
    assert parse_time("1340287200123.5") == TEN + 123_500_000
    wrong = "21/06/2012 10:00:00", "20121321-10:00:00", "1340287200000000.0001", "99999999", "10:00:00", "9" * 19
    for text in wrong:
        with pytest.raises(ValueError, match=r".*"):
            parse_time(text, ZONE)
    for without in ("2012-06-21T10:00:00", "06/21/2012 10:00:00"):
        with pytest.raises(ValueError, match=r".*"):
            parse_time(without)


def test_a_brokers_file_is_read_through_a_map(broker: Path, tmp_path: Path) -> None:
    found = read_fills(broker, fills_map(columns=COLUMNS, timezone="America/New_York"))
    assert found == [
        FileFill(2, TEN, "AMZN", 1, 100, Fraction("223.87"), Fraction("0.2"), "A-1", "", ""),
        FileFill(3, TEN + 1_500_000_000, "AMZN", -1, 200, Fraction("223.5"), Fraction("-0.1"), "B-2", "", ""),
        FileFill(4, TEN + 2 * S, "AMZN", -1, 300, Fraction("223.5"), Fraction(0), "B-2", "", ""),
    ]
    rows = "\n".join('{} = "{}"'.format(*text.split("=")) for text in COLUMNS)
    (tmp_path / "broker.toml").write_text(f'timezone = "America/New_York"\n\n[columns]\n{rows}\n')
    by_file = fills_map(tmp_path / "broker.toml")
    assert read_fills(broker, by_file) == found
    assert columns_not_read(broker, by_file.called) == ["LastMkt"]
    assert fills_map(tmp_path / "broker.toml", ["fee="], "UTC").called["fee"] == ("",)


def test_one_map_serves_fills_and_orders(broker: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("ClOrdID,Ticker,Side,OrderQty,start,end\nA-1,AMZN,1,500,1340287200,1340287260\n")
    both = fills_map(columns=[*COLUMNS, "quantity=OrderQty"], timezone="America/New_York")
    assert len(read_fills(broker, both)) == 3
    order = read_orders(path, both)["A-1"]
    assert (order.quantity, order.start_ns, order.end_ns) == (500, TEN, TEN + 60 * S)


def test_a_missing_column_is_offered_with_what_to_type(broker: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_fills(broker)
    for words in COLUMNS:
        assert f"--column {words}" in caught.value.remedy
    half = fills_map(columns=COLUMNS[:4], timezone="America/New_York")
    with pytest.raises(DataError, match="ClOrdID, perhaps parent, Commission, perhaps fee") as caught:
        read_fills(broker, half)
    assert "--column parent=ClOrdID --column fee=Commission" in caught.value.remedy
    assert "go on without: --column parent= --column fee=" in caught.value.remedy
    without = fills_map(columns=[*COLUMNS[:4], "parent=", "fee="], timezone="America/New_York")
    assert {(one.parent, one.fee) for one in read_fills(broker, without)} == {("", Fraction(0))}
    assert columns_not_read(broker, without.called) == ["ClOrdID", "Commission", "LastMkt"]


def test_maps_that_cannot_be_are_refused(broker: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no Fees in the first row"):
        read_fills(broker, fills_map(columns=[*COLUMNS[:5], "fee=Fees"]))
    with pytest.raises(DataError, match="--tz America/New_York"):
        read_fills(broker, fills_map(columns=COLUMNS))
    broken: list[Callable[[], FillsMap]] = [
        lambda: fills_map(columns=["prnt=ClOrdID"]), lambda: fills_map(columns=["parent"]),
        lambda: fills_map(timezone="Mars/Base"), lambda: fills_map(tmp_path / "none.toml"),
    ]  # fmt: skip
    for build in broken:
        with pytest.raises(ConfigError):
            build()


# -- clocks -----------------------------------------------------------------------------------------------------------


def spread_out(day: MarketDay, by_ns: int = 0) -> list[FileFill]:
    """Forty fills at the mids of the morning, ten to a parent, their clock moved."""
    step = (day.close_ns - day.open_ns) // 41
    found = []
    for number in range(40):
        ns = day.open_ns + (number + 1) * step
        price = Fraction(sum(day.before(ns)), 2) * Fraction(str(day.instrument.tick))
        found.append(FileFill(number + 2, ns + by_ns, "SIM", 1, 100, price, Fraction(0), f"p{number // 10}", "", ""))
    return found


def test_what_fits_is_what_quotes_before_and_after_hold(day: MarketDay) -> None:
    rng = np.random.default_rng(5)
    ns = rng.integers(day.open_ns - 60 * S, day.close_ns + 60 * S, 400)
    ns[:200] = rng.choice(day.ns, 200)
    price = np.array([sum(day.before(int(one))) / 2 for one in ns]) + rng.integers(-2, 3, 400) / 2
    twin = []
    for one, paid in zip(ns.tolist(), price.tolist(), strict=True):
        (bid, ask), (bid_after, ask_after) = day.before(one), day.after(one)
        twin.append(bool(bid) and min(bid, bid_after or bid) <= paid <= max(ask, ask_after or ask))
    assert day.fits(ns, price).tolist() == twin
    assert any(twin)
    assert not all(twin)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wrong_clock_is_told_first_with_the_shift_that_mends_it(lake: Lake, day: MarketDay, hours: int) -> None:
    found = analyse(spread_out(day, -hours * HOUR), {}, lake)
    assert found.fits[hours] == 40
    assert max(found.fits.values()) == 40
    assert set(found.fits) <= set(HOURS)
    way = "later" if hours > 0 else "earlier"
    assert found.warnings[0].startswith("the clock of the fills looks wrong by 1 hour: ")
    assert f"40 would lie in the market 1 hour {way}" in found.warnings[0]
    gone = sorted({f"p{number}" for number in range(4)} - {one.cost.parent for one in found.parents})
    assert found.left_parents == gone
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
