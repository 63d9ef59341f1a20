"""Auction prints on a tape change nothing but their own count: no room reads them as trades in the book."""

from dataclasses import fields, replace

import numpy as np
import pytest

from certify.kits.feed import read_all
from studies.tape.to_levels import to_levels
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import FeedOptions, LobsterFeed
from tercel.feeds.verify import verify_alone
from tercel.market.book import Book
from tercel.market.flow.census import census
from tercel.market.observed import observe
from tercel.market.tape import Events, validate
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.schema import CROSS, MESSAGE_END

PRINTS = 60


@pytest.fixture(scope="module")
def days(shared_data):
    """Twenty minutes of a real day of five levels, as they are and with auction prints strewn in, of either side."""
    zips = sorted((shared_data / "lobster-zips-20120621").glob("*AMZN*5*"))
    (day,) = read_all(LobsterFeed(), zips, FeedOptions())
    close = day.instrument.session_open_ns + 1200 * NS_PER_SECOND
    plain = day.events.slice(0, int(np.searchsorted(day.events.exch_ns, close)))
    rng = np.random.default_rng(5)
    ends = np.flatnonzero(plain.flags & MESSAGE_END)
    after = np.sort(rng.choice(ends[20:], PRINTS, replace=False)) + 1
    columns = {}
    for (name, _), column in zip(
        Events.empty(0).to_frame().schema.items(), plain.columns(), strict=True
    ):
        given = {
            "kind": np.full(PRINTS, CROSS), "order_id": rng.choice([-1, -2, -3], PRINTS),
            "side": rng.choice([-1, 0, 1], PRINTS), "qty_lots": rng.integers(1, 10**6, PRINTS),
            "price_ticks": plain.price_ticks[after - 1] + rng.integers(-300, 300, PRINTS),
            "flags": np.full(PRINTS, MESSAGE_END),
        }.get(name, column[after - 1])  # fmt: skip
        columns[name] = np.insert(column, after, given)
    columns["seq"] = np.cumsum(np.append(0, (columns["flags"][:-1] & MESSAGE_END) != 0))
    instrument = replace(day.instrument, session_close_ns=close)
    strewn = Events.from_columns(columns)
    validate(strewn, instrument)
    return instrument, plain, strewn


def test_replay_passes_over_them(days):
    instrument, plain, strewn = days
    a, b = compile_day(instrument, plain), compile_day(instrument, strewn)
    assert np.array_equal(a.rows, b.rows)
    assert a.slots == b.slots


def test_the_book_passes_over_them(days):
    _, plain, strewn = days
    a, b = Book(own=0), Book(own=0)
    a.apply(plain)
    b.apply(strewn)
    assert np.array_equal(a.orders(), b.orders())


def test_calibration_passes_over_them(days):
    instrument, plain, strewn = days
    bounds = (instrument.session_open_ns, instrument.session_close_ns, 60 * NS_PER_SECOND)
    a, b = census(plain, *bounds), census(strewn, *bounds)
    for f in fields(a):
        x, y = np.asarray(getattr(a, f.name), float), np.asarray(getattr(b, f.name), float)
        if f.name == "curve_lots":
            continue
        np.testing.assert_allclose(x, y, rtol=1e-12, err_msg=f.name)
    assert np.array_equal(a.curve_lots, b.curve_lots)


def test_scores_pass_over_them(days):
    instrument, plain, strewn = days
    a, b = observe(instrument, plain, skip_s=60.0), observe(instrument, strewn, skip_s=60.0)
    for f in fields(a):
        x, y = getattr(a, f.name), getattr(b, f.name)
        if isinstance(x, np.ndarray):
            assert np.array_equal(x, y), f.name


def test_level_totals_pass_them_on(days):
    instrument, plain, strewn = days
    a, b = to_levels(instrument, plain)[1], to_levels(instrument, strewn)[1]
    rest = b.kind != CROSS
    assert int((~rest).sum()) == PRINTS
    for name in ("kind", "side", "price_ticks", "qty_lots", "exch_ns"):
        assert np.array_equal(getattr(a, name), getattr(b, name)[rest])
    assert np.array_equal(compile_day(instrument, a).rows, compile_day(instrument, b).rows)


def test_verify_counts_them_apart(days):
    _, plain, strewn = days
    a, b = verify_alone(plain), verify_alone(strewn)
    assert b["auction_prints"] == PRINTS
    for name in (
        "prints",
        "prints_outside_quotes",
        "lots_executed",
        "lots_resting",
        "crossed",
        "lots_unaccounted",
    ):
        assert a[name] == b[name]
