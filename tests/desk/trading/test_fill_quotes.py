"""How old a quote may be that a fill is measured against; parts of a lot; money of several currencies."""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.quoted import quoted_lake

from tercel.api.tca.analysis import OwnParent
from tercel.api.tca.counterfactual import counterfactual
from tercel.api.tca.executions import FileFill
from tercel.api.tca.fees import settle_fee
from tercel.api.tca.files import FileOrder
from tercel.api.tca.market_day import read_day
from tercel.api.tca.own_fills import analyse
from tercel.core.errors import DataError
from tercel.execution.market import Market
from tercel.execution.strategies import build
from tercel.market.tape import Instrument, Lake

S = 1_000_000_000
DATE = "2024-07-03"
DAY = Instrument("X", "ABC", DATE, 0.01)
NINE_THIRTY, ONE, FOUR = (DAY.clock_ns(text) for text in ("09:30", "13:00", "16:00"))
ABC = replace(DAY, session_open_ns=NINE_THIRTY, session_close_ns=FOUR)
COIN = replace(ABC, symbol="ABCUSDT", extra={"lot_size": "0.00001"})
PARTS = ("delay", "spread", "walk", "timing", "forced", "fees")


def fill(ns: int, price: str = "10.02", quantity: str = "1", **changes: object) -> FileFill:
    about = FileFill(2, ns, "ABC", 1, Fraction(quantity), Fraction(price), Fraction(0), "p", "", "")
    return replace(about, **changes)  # type: ignore[arg-type]


def every(step_s: float, first: int = NINE_THIRTY, last: int = FOUR) -> range:
    return range(first, last, round(step_s * S))


# -- old quotes -------------------------------------------------------------------------------------------------------


def test_after_an_early_close_no_fill_is_priced_against_the_last_quote(tmp_path: Path) -> None:
    """The map's session ends at 16:00, the market closed at 13:00: its last quote is of 12:59:55."""
    lake = quoted_lake(tmp_path, ABC, every(5, last=ONE), prints=[DAY.clock_ns("14:29")])
    late, early = fill(DAY.clock_ns("14:30"), parent="late"), fill(DAY.clock_ns("12:59:58"), row=3)
    found = analyse([late, early], {}, lake)
    assert found.odd["stale_quote"] == [late]
    assert [one.cost.parent for one in found.parents] == ["p"]
    assert found.skipped_parents == ["late"]
    assert found.odd_counts[-1] == "1 without a quote within 60 s before them or before their order"
    with pytest.raises(DataError, match="without a quote within 60 s before them"):
        analyse([late], {}, lake)


def test_an_outage_is_one_gap_among_many(tmp_path: Path) -> None:
    """Ten minutes without a message; prints are no quotes. Half a minute is what `quote_age_s` makes of the limit."""
    eleven = DAY.clock_ns("11:00")
    times = [ns for ns in every(1) if not eleven < ns < eleven + 600 * S]
    lake = quoted_lake(tmp_path, ABC, times, prints=[eleven + 300 * S])
    at = [
        fill(eleven + after * S, row=row, parent=f"p{row}")
        for row, after in enumerate((-5, 40, 60, 61, 599, 601))
    ]
    for limit, stale in ((None, [3, 4]), (30.0, [1, 2, 3, 4]), (700.0, [])):
        found = analyse(at, {}, lake, quote_age_s=limit)
        assert [one.row for one in found.odd["stale_quote"]] == stale
        assert len(found.parents) == len(at) - len(stale)
        assert found.quote_age_s == {f"X ABC {DATE}": limit or 60.0}
    held = FileOrder(
        2, "p5", "ABC", 1, Fraction(1), eleven + 300 * S, eleven + 700 * S, None, Fraction(0)
    )
    inside = analyse(at, {"p5": held}, lake)
    assert [one.row for one in inside.odd["stale_quote"]] == [3, 4, 5], "an arrival is priced too"


def test_a_quiet_name_has_quotes_that_are_legitimately_old(tmp_path: Path) -> None:
    """Quotes ten minutes apart: the limit is five times its usual gap, and half a day without any is beyond it."""
    lake = quoted_lake(tmp_path, ABC, every(600, last=DAY.clock_ns("12:00")))
    quiet = [
        fill(NINE_THIRTY + 590 * S),
        fill(DAY.clock_ns("12:30"), row=3),
        fill(DAY.clock_ns("15:30"), row=4),
    ]
    found = analyse(quiet, {}, lake)
    assert found.quote_age == "3,000 s"
    assert [one.row for one in found.odd["stale_quote"]] == [4]
    assert found.parents[0].cost.filled == 2


# -- parts of a lot, and money ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coins(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = quoted_lake(tmp_path_factory.mktemp("coins"), COIN, every(3), prints=every(7))
    about, events = lake.read("ABCUSDT", DATE)
    lake.write(replace(about, symbol="ABC", extra={}, lot=100, content_hash=""), events)
    return lake


def by_hand(
    one: OwnParent, fills: list[FileFill], kept: list[Fraction], lake: Lake
) -> dict[str, Fraction]:
    """The split in plain fractions: price units x coins, from the quotes just before each fill."""
    day = read_day(lake, one.day)
    tick, side = Fraction("0.01"), fills[0].side
    quotes = [[tick * price for price in day.quote_before(row.ns)] for row in fills]
    arrival = sum(tick * price for price in day.quote_before(fills[0].ns)) / 2
    total = dict.fromkeys(PARTS, Fraction(0))
    for row, less, (bid, ask) in zip(fills, kept, quotes, strict=True):
        far, mid, got = (ask if side > 0 else bid), (bid + ask) / 2, row.quantity - less
        touch = far if side * (row.price - far) >= 0 else row.price
        total["spread"] += side * (touch - mid) * got
        total["walk"] += side * (row.price - touch) * got
        total["timing"] += side * (mid - arrival) * got
        total["fees"] += less * row.price if less else row.fee
    return total


@given(data=st.data())
def test_parts_of_a_coin_and_of_a_share_are_split_to_the_last_digit(
    coins: Lake, data: st.DataObject
) -> None:
    """Quantities to 1e-8, sub-penny prices, fees in the price's money or in the coin itself."""
    symbol, side = (
        data.draw(st.sampled_from(["ABC", "ABCUSDT"])),
        data.draw(st.sampled_from([1, -1])),
    )
    amounts = st.decimals("0.00001", "40", places=8)
    rows = [
        fill(
            NINE_THIRTY + 7 * S * number, str(data.draw(st.decimals("9.9", "10.1", places=4))),
            str(data.draw(amounts)), row=number, symbol=symbol, side=side,
            fee=Fraction(str(data.draw(st.decimals("0", "0.01", places=2)))),
        )
        for number in range(1, data.draw(st.integers(2, 6)))
    ]  # fmt: skip
    in_coin = symbol == "ABCUSDT" and side > 0 and data.draw(st.booleans())
    if in_coin:
        rows = [replace(row, fee=row.quantity / 8, fee_currency="ABC") for row in rows]
        rows = [replace(row, quantity=8 * row.quantity, fee=8 * row.fee) for row in rows]
    [one] = analyse(rows, {}, coins).parents
    kept = [row.fee if in_coin else Fraction(0) for row in rows]
    found, expected = one.money, by_hand(one, rows, kept, coins)
    assert {part: found[part] for part in PARTS} == expected
    assert found["fills"] == sum(expected.values())
    got = sum(row.quantity for row in rows) - sum(kept)
    assert Fraction(one.cost.filled, one.parts) == got / one.day.lot_units
    paid = (
        sum(row.quantity * row.price for row in rows)
        + sum(row.fee for row in rows if not in_coin) * side
    )
    arrival = one.arrival_mid2 * one.price_unit / 2
    assert found["fills"] == side * (paid - got * arrival)


def test_lots_and_parts_of_a_coin_are_the_same_quantity(coins: Lake) -> None:
    at = NINE_THIRTY + 60 * S
    [in_coins] = analyse([fill(at, quantity="0.12345", symbol="ABCUSDT")], {}, coins).parents
    [in_lots] = analyse(
        [fill(at, quantity="12345", symbol="ABCUSDT")], {}, coins, in_lots=True
    ).parents
    assert in_coins.money == in_lots.money
    assert (
        (in_coins.cost.filled, in_coins.parts) == (in_lots.cost.filled, in_lots.parts) == (12345, 1)
    )


def test_an_order_is_measured_in_parts_too(coins: Lake) -> None:
    """Of 0.75 coins 0.5 bought, and 0.1 of them kept as the fee: a quarter is unfilled, nothing is asked for twice."""
    at = NINE_THIRTY + 60 * S
    order = FileOrder(
        2, "p", "ABCUSDT", 1, Fraction("0.75"), at, at + 60 * S, None, Fraction("0.05")
    )
    bought = fill(at + S, quantity="0.5", symbol="ABCUSDT", fee=Fraction("0.1"), fee_currency="abc")
    [one] = analyse([bought], {"p": order}, coins).parents
    lots = [
        Fraction(count, one.parts) / 100_000
        for count in (one.cost.filled, one.cost.unfilled, one.cost.refused)
    ]
    assert lots == [Fraction("0.4"), Fraction("0.2"), Fraction("0.05")]
    with pytest.raises(DataError, match="a fee of less than the quantity"):
        analyse([replace(bought, fee=Fraction("0.5"))], {}, coins)


def test_sums_beyond_64_bits_are_refused(coins: Lake) -> None:
    at = NINE_THIRTY + 60 * S
    fits = fill(at, quantity="100000.00000001", symbol="ABCUSDT")
    assert analyse([fits], {}, coins).parents[0].parts == 1000
    with pytest.raises(DataError, match="an order whose value can be counted"):
        analyse([replace(fits, quantity=fits.quantity * 10**11)], {}, coins)
    with pytest.raises(DataError, match="quantities of ABCUSDT in decimals of a lot"):
        analyse([replace(fits, quantity=Fraction(1, 3**40))], {}, coins)


@pytest.mark.parametrize(
    ("symbol", "currency", "paid_in", "left"),
    [
        ("ABCUSDT", "", "USDT", ""), ("ABC-USD", "", "USD", ""), ("ABC", "EUR", "eur", ""), ("ABC", "", "", ""),
        ("ABC", "USD", "EUR", "EUR"), ("ABC", "", "USD", "USD"), ("BNBUSDT", "USDT", "USDT", ""),
        ("EURN", "USD", "EUR", "EUR"), ("EURN", "", "EUR", "EUR"), ("ABCUSDT", "USDT", "BNB", "BNB"),
    ],
)  # fmt: skip
def test_a_fee_is_in_the_prices_money_or_apart(
    symbol: str, currency: str, paid_in: str, left: str
) -> None:
    one = fill(0, symbol=symbol, currency=currency, fee=Fraction(1), fee_currency=paid_in)
    assert settle_fee(one) == replace(one, fee_currency=left)


@pytest.mark.parametrize(
    ("symbol", "currency", "asset"),
    [("BNBUSDT", "USDT", ""), ("BNB/EUR", "", ""), ("BNBXYZ", "", "BNB")],
)
def test_a_fee_in_the_coin_lessens_what_a_buy_receives(
    symbol: str, currency: str, asset: str
) -> None:
    words: dict[str, object] = {
        "symbol": symbol,
        "currency": currency,
        "asset": asset,
        "fee_currency": "BNB",
    }
    bought = settle_fee(fill(0, "200", "2", fee=Fraction("0.01"), **words))
    sold = settle_fee(fill(0, "200", "2", side=-1, fee=Fraction("0.01"), **words))
    assert (bought.fee, bought.withheld, bought.fee_currency) == (2, Fraction("0.01"), "")
    assert (sold.fee, sold.withheld, sold.fee_currency) == (2, 0, "")


def test_nothing_is_summed_across_currencies(coins: Lake) -> None:
    at = NINE_THIRTY + 60 * S
    words: dict[str, object] = {"symbol": "ABCUSDT", "currency": "USDT"}
    rows = [
        fill(at, fee=Fraction("0.5"), fee_currency="USDT", **words),
        fill(at, fee=Fraction("0.013"), fee_currency="BNB", row=3, **words),
        fill(at, fee=Fraction("2"), fee_currency="EUR", row=4, **words),
        fill(at, fee=Fraction("0.007"), fee_currency="BNB", row=5, parent="q", **words),
    ]
    found = analyse(rows, {}, coins)
    assert found.money()["fees"] == Fraction("0.5")
    assert found.foreign_fees == {"BNB": Fraction("0.02"), "EUR": 2}
    assert (
        found.warnings[-1]
        == "fees of 0.02 BNB, 2 EUR stand apart and are in no cost: prices are in USDT"
    )
    unknown = analyse([replace(row, symbol="ABC", currency="") for row in rows], {}, coins)
    assert "a map's `currency` says what prices are in" in unknown.warnings[-1]
    with pytest.raises(DataError, match="USDT in row 2, EUR in row 9"):
        analyse([*rows, fill(at, row=9, symbol="ABC", currency="EUR")], {}, coins)


def test_strategies_work_whole_lots(coins: Lake) -> None:
    """A parent of 2.4 lots is worked as two; one of 0.3 of a lot is not worked, and told."""
    at = NINE_THIRTY + 600 * S
    rows = [fill(at, quantity="120"), fill(at + 300 * S, quantity="120"), fill(at, quantity="30", parent="q"),
            fill(at + S, quantity="0.3426", parent="q")]  # fmt: skip
    found = analyse(rows, {}, coins)
    assert {one.cost.parent: one.worked_lots for one in found.parents} == {"p": 2, "q": 0}
    again = counterfactual(
        found.parents,
        coins,
        {"immediate": partial(build, "immediate")},
        market=Market(lake=str(coins.root), impact="none"),
    )
    assert again is not None
    assert again.left_out == {"under_a_lot": ["q"]}
    assert again.costs["immediate"] == pytest.approx(1e4 / 1001, abs=15)
