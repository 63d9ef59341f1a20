"""Random tables in random dialects, with a map of what the file does not show: every consumer reads the same rows."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st
from tests.reports.dialects import DATES, SYMBOLS, Dialect, Written, amounts, dialects, moments

import tercel as tc
from tercel.api.tca.files import fills_map, read_fill_file
from tercel.core.orders import Listing
from tercel.core.tables.table_map import table_map
from tercel.feeds import FeedOptions
from tercel.feeds.csv_feed import CsvFeed
from tercel.signals.portfolio.targets import read_targets
from tercel.signals.sources.prices import read_prices

TABLES = 2_000
"""Of the release tier, over all kinds."""
FIRST = 3
"""Of each kind in the first tier."""
ROWS = st.integers(1, 6)


def local(found: list[datetime], how: Dialect) -> list[datetime]:
    """The same clocks in the dialect's zone."""
    return [one.replace(tzinfo=ZoneInfo(how.zone)) for one in found]


def filed(
    folder: Path, made: Written, name: str = "table.csv", zoned: bool = True
) -> tuple[Path, Path]:
    (folder / name).write_bytes(made.file())
    (folder / "map.toml").write_text(made.toml(zoned), encoding="utf-8")
    return folder / name, folder / "map.toml"


def drawn(data: st.DataObject, strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    return data.draw(st.lists(strategy, min_size=count, max_size=count))


def distinct(data: st.DataObject) -> list[str]:
    return data.draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=5, unique=True))


def fills(data: st.DataObject, how: Dialect, folder: Path) -> None:
    """`tercel tca`."""
    count = data.draw(ROWS)
    when, side = local(data.draw(moments(count)), how), drawn(data, st.sampled_from([1, -1]), count)
    symbol, price = (
        drawn(data, st.sampled_from(SYMBOLS), count),
        drawn(data, amounts(1, 99_999, 4), count),
    )
    quantity, fee = (
        drawn(data, amounts(1, 9_999_999, 8), count),
        drawn(data, amounts(0, 2_000, 4), count),
    )
    made = Written(how)
    made.times("time", "Ausf\u00fchrung", when)
    made.words("symbol", "Papier", symbol)
    made.words("side", "Richtung", [how.sides[0 if one > 0 else 1] for one in side])
    made.numbers("quantity", "St\u00fcck", quantity)
    made.numbers("price", "Kurs", price, money=True)
    made.numbers("fee", "Spesen", fee, money=True)
    file, told = filed(folder, made)
    found = read_fill_file(file, fills_map(told)).fills
    assert [one.ns for one in found] == [round(one.timestamp()) * 10**9 for one in when]
    assert [(one.symbol, one.side) for one in found] == list(zip(symbol, side, strict=True))
    assert [one.quantity for one in found] == list(map(Fraction, quantity))
    assert [(one.price, one.fee) for one in found] == [
        (Fraction(a), Fraction(b)) for a, b in zip(price, fee, strict=True)
    ]


def orders(data: st.DataObject, how: Dialect, folder: Path) -> None:
    """Lists of orders."""
    count = data.draw(ROWS)
    when, side = local(data.draw(moments(count)), how), drawn(data, st.sampled_from([1, -1]), count)
    symbol, limit = (
        drawn(data, st.sampled_from(SYMBOLS), count),
        drawn(data, amounts(1, 99_999, 4), count),
    )
    quantity = [Decimal(one) for one in drawn(data, st.integers(1, 9_999_999), count)]
    horizon = drawn(data, st.sampled_from(["2h", "30min", "90s"]), count)
    made = Written(how)
    made.times("time", "Auftrag", when, seconds=False)
    made.words("symbol", "Papier", symbol)
    made.words("side", "Richtung", [how.sides[0 if one > 0 else 1] for one in side])
    made.numbers("quantity", "St\u00fcck", quantity)
    made.words("horizon", "Dauer", horizon)
    made.numbers("limit", "Grenze", limit, money=True)
    if how.offset:
        return  # an order's time is by the exchange's clock
    file, told = filed(folder, made, zoned=False)
    found = tc.read_orders(file, map=told)
    seconds = {"2h": 7200.0, "30min": 1800.0, "90s": 90.0}
    assert [one.time.replace("T", " ")[:16] for one in found] == [
        f"{one:%Y-%m-%d %H:%M}" for one in when
    ]
    assert [(one.symbol, one.side, one.horizon_s) for one in found] == [
        (name, sign, seconds[text]) for name, sign, text in zip(symbol, side, horizon, strict=True)
    ]
    assert [one.quantity for one in found] == list(map(int, quantity))
    assert [one.limit_price for one in found] == list(map(float, limit))


def targets(data: st.DataObject, how: Dialect, folder: Path) -> None:
    """Targets of a desk; names of the file are those of the desk."""
    names = distinct(data)
    values = drawn(data, amounts(-99_999, 99_999, 4), len(names))
    day = data.draw(moments(1)) * len(names)
    made = Written(how)
    made.days("date", "Stichtag", day)
    made.words("symbol", "Papier", names)
    made.numbers("shares", "Best\u00e4nde", values)
    file, told = filed(folder, made, zoned=False)
    found = read_targets(file, {name: name for name in names}, {"map": str(told)})
    assert {name: (one.value, one.unit, one.day) for name, one in found.items()} == {
        name: (float(value), "shares", day[0].date())
        for name, value in zip(names, values, strict=True)
    }
    assert found[names[0]].lots(Listing(names[0], 0.01, 1), 4000, 0.0) == float(values[0])


def daily(data: st.DataObject, how: Dialect) -> tuple[Written, list[tuple[str, date]]]:
    """Columns of days and names, each pair once, in order of days."""
    names, days = distinct(data), data.draw(moments(data.draw(ROWS)))
    keys = [(name, one.date()) for one in days for name in names]
    made = Written(how)
    made.days("date", "Tag", [one for one in days for _ in names])
    made.words("symbol", "Papier", [name for name, _ in keys])
    return made, keys


def prices(data: st.DataObject, how: Dialect, folder: Path) -> None:
    """`tercel signals`."""
    made, keys = daily(data, how)
    closes = drawn(data, amounts(1, 9_999_999, 4), len(keys))
    volumes = [Decimal(one) for one in drawn(data, st.integers(0, 99_999_999), len(keys))]
    made.numbers("close", "Schluss", closes, money=True)
    made.numbers("volume", "Ums\u00e4tze", volumes)
    file, told = filed(folder, made, zoned=False)
    frame = read_prices(file, table_map(told))
    found = {
        (row["instrument"], row["date"]): (row["close"], row["volume"]) for row in frame.to_dicts()
    }
    assert found == {
        key: (float(close), float(volume))
        for key, close, volume in zip(keys, closes, volumes, strict=True)
    }


TICKS = """
[instrument]
venue = "X"
tick = 0.0001
timezone = "{zone}"
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{{8}})\\.csv'
{settings}
[file.time]
column = [{columns}]
unit = "text"
format = "{form}"
[file.quote]
bid = "{bid}"
ask = "{ask}"
bid_size = "{size}"
ask_size = "{size}"
[clean]
outliers = 0
wide_spread = 0
"""


def ticks(data: st.DataObject, how: Dialect, folder: Path) -> None:
    """`tercel data import csv`."""
    count = data.draw(st.integers(2, 6))
    start = local(data.draw(moments(1)), how)[0].replace(hour=9)
    when = [start + timedelta(seconds=17 * k) for k in range(count)]
    base = data.draw(st.integers(10_000, 9_000_000))
    bid = [Decimal(base + 3 * k).scaleb(-4) for k in range(count)]
    sizes = [Decimal(one) for one in drawn(data, st.integers(1, 9_999_999), count)]
    made = Written(replace(how, total=""))  # no vendor of ticks sums them
    made.times("time", "Uhr", when)
    made.numbers("bid", "Geld", bid)
    made.numbers("ask", "Brief", [one + Decimal("0.0002") for one in bid])
    made.numbers("size", "Gr\u00f6\u00dfe", sizes)
    said = {"separator": "", **made.settings()}
    clock = DATES[how.date] + " %H:%M:%S" + ("%:z" if how.offset else "")
    text = TICKS.format(
        zone=how.zone, form=clock, columns=", ".join(f'"{name}"' for name in made.names["time"]),
        settings="\n".join(f"{key} = {json.dumps(value)}" for key, value in said.items()),
        **{ours: made.names[ours][0] for ours in ("bid", "ask", "size")},
    )  # fmt: skip
    (folder / "map.toml").write_text(text, encoding="utf-8")
    path = folder / f"ABC_{start:%Y%m%d}.csv"
    path.write_bytes(made.file())
    with CsvFeed(str(folder / "map.toml")).days([path], FeedOptions()) as days:
        (day,) = days
        found = day.read()
    events, instrument = found.events, found.instrument
    kept = {}
    for ns, side, price, lots in zip(
        events.exch_ns, events.side, events.price_ticks, events.qty_lots, strict=True
    ):
        if lots > 0:
            kept[int(ns), int(side)] = round(int(price) * instrument.tick, 4), int(lots)
    rows = zip(when, bid, sizes, strict=True)
    assert kept == {
        (round(at.timestamp()) * 10**9, side): (
            float(price + (Decimal("0.0002") if side < 0 else 0)),
            int(size),
        )
        for at, price, size in rows
        for side in (1, -1)
    }


KINDS: dict[str, Callable[[st.DataObject, Dialect, Path], None]] = {
    one.__name__: one for one in (fills, orders, targets, prices, ticks)
}
QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def holds(data: st.DataObject, kind: str) -> None:
    how = data.draw(dialects())
    event(f"{kind}: {how.separator!r} {how.decimal}{how.thousands}")
    with TemporaryDirectory() as folder:
        KINDS[kind](data, how, Path(folder))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=FIRST, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_a_table_in_any_dialect_is_the_same_rows(kind: str, data: st.DataObject) -> None:
    holds(data, kind)


@pytest.mark.release
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=-(-TABLES // len(KINDS)), deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_two_thousand_tables_in_any_dialect_are_the_same_rows(
    kind: str, data: st.DataObject
) -> None:
    holds(data, kind)
