"""Prices at or below zero in column files: the tape of the same file 100.01 dearer, or the file's row and what to do.

A file is read with `lowest_price = -100.0` and a tick of 0.01, so that tick 0 of its tape is a price of -100.01. The
same file with 100.01 added to each price, read without that key, is the oracle: both tapes are equal, row by row.
"""

import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from tests.feeds.csv.test_csv_feed import MAP, NO_RULES, QUOTE, one

from tercel.core.errors import FeedError, TapeError
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.compiled_store import load_compiled
from tercel.market.tape.events import content_hash

UP = Decimal("100.01")
LOWEST = ("tick = 0.01", "tick = 0.01\nlowest_price = -100.0")
LEVEL = '[file.level]\nside = "s"\nprice = "p"\nsize = "q"\n'
ORDER = (
    '[file.order]\nid = "i"\naction = "a"\nside = "s"\nprice = "p"\nsize = "q"\n'
    'add = ["add"]\ndelete = ["delete"]\nexecute = ["execute"]\ncross = ["cross"]\n'
)
TRADE = '[file.trade]\nprice = "p"\nsize = "q"\naggressor = "s"\nbuy = ["bid"]\nsell = ["ask"]\n'
RNG = random.Random(20200420)
BIDS = [Decimal(RNG.randint(-60, 20) - i) / 100 for i in range(60)]
"""From 0.20 down through zero."""


def quotes(up=Decimal(0)):
    return [
        "t,b1,bs1,a1,as1",
        *(
            f"{i},{bid + up},{i % 7 + 1},{bid + up + Decimal('0.02')},3"
            for i, bid in enumerate(BIDS)
        ),
    ]


def levels(up=Decimal(0)):
    return ["t,s,p,q", *(f"{i},bid,{bid + up},{i % 3}" for i, bid in enumerate(BIDS))]


def orders(up=Decimal(0)):
    rows = [f"{i},{i + 1},add,bid,{bid + up},5" for i, bid in enumerate(BIDS)]
    rows += [
        f"{100 + i},{i + 1},{'delete' if i % 2 else 'execute'},bid,{bid + up},5"
        for i, bid in enumerate(BIDS)
    ]
    return ["t,i,a,s,p,q", *rows, f"900,0,cross,bid,{up},7"]


def trades(up=Decimal(0)):
    return [
        "t,p,q,s",
        *(f"{i},{bid + up},1,{'bid' if i % 2 else 'ask'}" for i, bid in enumerate(BIDS)),
    ]


KINDS = [(QUOTE % 1, quotes), (LEVEL, levels), (ORDER, orders), (TRADE, trades)]


@pytest.mark.parametrize(("what", "rows"), KINDS, ids=["quotes", "levels", "orders", "trades"])
def test_the_tape_is_that_of_a_dearer_instrument(tmp_path, what, rows):
    text = MAP % ("x", what)
    (tmp_path / "up").mkdir()
    day = one(text.replace(*LOWEST), rows(), tmp_path)
    dearer = one(text, rows(UP), tmp_path / "up")
    assert day.events == dearer.events
    assert day.instrument.extra == dearer.instrument.extra
    assert (day.instrument.price_origin, dearer.instrument.price_origin) == (-10_001, 0)
    prices = {day.instrument.price_of(ticks) for ticks in day.events.price_ticks.tolist()}
    said = {
        float(row.split(",")[{"t,b": 1, "t,s": 2, "t,i": 4, "t,p": 1}[rows()[0][:3]]])
        for row in rows()[1:]
    }
    assert {float(price) for price in prices} >= said


@pytest.mark.parametrize(("what", "rows"), KINDS, ids=["quotes", "levels", "orders", "trades"])
def test_without_the_maps_word_the_row_of_the_file_is_named_and_the_remedy_works(
    tmp_path, what, rows
):
    text = MAP % ("x", what)
    with pytest.raises(FeedError) as refused:
        one(text, rows(), tmp_path)
    first = next(
        i for i, bid in enumerate(BIDS) if bid < (0 if rows is trades else Decimal("0.001"))
    )
    assert f"row {first + 2} of {tmp_path}" in str(refused.value)
    assert "lowest_price = -100.0" in str(refused.value)
    assert "[instrument]" in str(refused.value)
    assert (
        one(
            text.replace("[instrument]", "[instrument]\nlowest_price = -100.0"), rows(), tmp_path
        ).events.n
        > 40
    )


def test_a_price_below_the_lowest_is_refused_and_a_lower_one_takes_it(tmp_path):
    text = (MAP % ("x", LEVEL)).replace("tick = 0.01", "tick = 0.01\nlowest_price = -37.62")
    with pytest.raises(
        FeedError,
        match=r"above -37.63 as p; received '-37.63' in column p, row 3.*lower `lowest_price`",
    ):
        one(text, ["t,s,p,q", "0,bid,-37.62,1", "1,bid,-37.63,1"], tmp_path)
    lower = text.replace("-37.62", "-37.63")
    assert one(
        lower, ["t,s,p,q", "0,bid,-37.62,1", "1,bid,-37.63,1"], tmp_path
    ).events.price_ticks.tolist() == [2, 1]


NO_SIZES = '[file.quote]\nbid = "b1"\nask = "a1"\n'


@pytest.mark.parametrize("lowest", [True, False])
@pytest.mark.parametrize(
    ("row", "what", "bids"),
    [
        # price, size of a bid -> the bids that the tape knows with `lowest_price` and without; None: refused
        ((",", QUOTE % 1), "an empty price is none", ([], [])),
        (("0,0", QUOTE % 1), "and 0 without a size", ([], [])),
        (("0,4", QUOTE % 1), "0 with a size is a price", ([0.0], None)),
        (("0,4", QUOTE % 1 + 'zero_side = "none"\n'), "unless the map says no", ([], [])),
        (("0,4", QUOTE % 1 + 'zero_side = "keep"\n'), "a row of the other side", ([0.0], [])),
        (("0,", NO_SIZES), "sizes are not known", ([0.0], [])),
        (("-0.5,0", QUOTE % 1), "below zero is never none", ([], None)),
    ],
)
def test_what_a_price_of_zero_says(tmp_path, row, what, bids, lowest):
    del what
    text, rows = MAP % ("x", row[1]) + NO_RULES, ["t,b1,bs1,a1,as1", f"0,{row[0]},1.02,7"]
    wanted = bids[0 if lowest else 1]
    if wanted is None:
        with pytest.raises(FeedError, match="row 2"):
            one(text, rows, tmp_path)
        return
    day = one(text.replace(*LOWEST) if lowest else text, rows, tmp_path)
    found = day.events.price_ticks[day.events.side > 0].tolist()
    assert [float(day.instrument.price_of(ticks)) for ticks in found] == wanted


def test_prices_below_zero_are_not_counted_as_quotes_without_a_price(tmp_path):
    rows = [
        "t,b1,bs1,a1,as1",
        "0,-0.01,1,0.00,1",
        "1,-0.02,1,-0.01,1",
        "2,,0,-0.01,1",
        "3,0,0,0.01,1",
    ]
    day = one((MAP % ("x", QUOTE % 1)).replace(*LOWEST), rows, tmp_path)
    taken = {name: rows for name, rows in day.instrument.extra["cleaning"].items() if rows}
    assert taken == {"quotes read": 4, "quotes without a price or a size on a side": 2}


def test_a_lake_gives_such_days_to_those_alone_who_ask_for_them(tmp_path):
    day = one((MAP % ("x", QUOTE % 1)).replace(*LOWEST), quotes(), tmp_path)
    lake, open_to_all = Lake(tmp_path / "lake"), Lake(tmp_path / "lake", below_zero=True)
    lake.write(day.instrument, day.events)
    key = "ABC", "2024-01-05"
    for read in (
        lake.read,
        lake.check,
        lake.frame,
        lambda *key: load_compiled(lake, *key),
        lambda symbol, _: lake.days(symbol),
    ):
        with pytest.raises(
            TapeError,
            match=r"received ABC on 2024-01-05, which may trade as low as -100\. .*tercel tca",
        ):
            read(*key)
    about, events = open_to_all.check(*key)
    assert events == day.events
    assert [one.price_origin for one in lake.list()] == [about.price_origin] == [-10_001]
    assert load_compiled(open_to_all, *key).instrument == about
    with pytest.raises(TapeError):  # nor once it is compiled
        load_compiled(lake, *key)


def test_the_origin_gives_the_integers_their_meaning():
    about = Instrument("X", "ABC", "2024-01-05", 0.01, price_origin=-10_001)
    with pytest.raises(TapeError, match="price_origin"):
        replace(about, price_origin=1)
    assert Instrument.from_json(about.to_json()) == about
    hashes = {
        content_hash(replace(about, price_origin=origin), Events.empty(1)) for origin in (0, -1, -2)
    }
    assert len(hashes) == 3
    assert np.array_equal(
        [float(about.ticks_of(about.price_of(ticks))) for ticks in (1, 10_001)], [1.0, 10_001.0]
    )
