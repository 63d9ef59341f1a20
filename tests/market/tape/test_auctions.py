"""Auction prints on a tape change nothing but their own count: no room reads them as trades in the book."""

from dataclasses import replace

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


def compiled(instrument, events):
    day = compile_day(instrument, events)
    return day.rows, day.slots


def resting(_, events):
    book = Book(own_orders=0)
    book.apply(events)
    return (book.orders(),)


def counted(instrument, events):
    bounds = (instrument.session_open_ns, instrument.session_close_ns, 60 * NS_PER_SECOND)
    return vars(census(events, *bounds)).values()


def scored(instrument, events):
    seen = vars(observe(instrument, events, skip_s=60.0)).values()
    return [one for one in seen if isinstance(one, np.ndarray)]


def totals(instrument, events):
    made = to_levels(instrument, events)[1]
    rest = made.kind != CROSS
    columns = (made.kind, made.side, made.price_ticks, made.qty_lots, made.exch_ns)
    return [compile_day(instrument, made).rows, *(one[rest] for one in columns)]


def verified(_, events):
    found = verify_alone(events)
    names = (
        "prints",
        "prints_outside_quotes",
        "lots_executed",
        "lots_resting",
        "crossed",
        "lots_unaccounted",
    )
    return [found[name] for name in names]


@pytest.mark.parametrize("reads", [compiled, resting, counted, scored, totals, verified])
def test_auction_prints_are_passed_over(days, reads):
    instrument, plain, strewn = days
    for one, other in zip(reads(instrument, plain), reads(instrument, strewn), strict=True):
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-12)


def test_they_are_counted_apart_and_passed_on(days):
    instrument, _, strewn = days
    assert verify_alone(strewn)["auction_prints"] == PRINTS
    assert (to_levels(instrument, strewn)[1].kind == CROSS).sum() == PRINTS
