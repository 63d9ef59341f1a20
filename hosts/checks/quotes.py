"""Best bid and ask of a day of a lake at some moments, from Tercel's own book: what the checks of exports compare with."""

# ruff: noqa: T201

import hashlib

import numpy as np

from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import Book
from tercel.market.tape import Lake

MOMENTS = 1000


def quotes_of(lake, symbol, date, venue=None):
    """Instrument, events, times int64[MOMENTS] and best bid and ask in ticks of the price int64[MOMENTS, 2], as received.

    Rows are applied by time of receipt; a missing side has price 0.
    """
    instrument, events = Lake(lake, below_zero=True).read(symbol, date, venue)
    order = np.argsort(events.recv_ns, kind="stable")
    received = type(events)(*(np.ascontiguousarray(column[order]) for column in events.columns()))
    quotes = Book(1 << 17, own_orders=0).quotes(received).astype(np.int64)
    last_of_moment = np.flatnonzero(np.append(np.diff(received.recv_ns) > 0, True))
    rows = last_of_moment[np.linspace(0, len(last_of_moment) - 1, MOMENTS).astype(int)]
    absent = (quotes[rows] == NO_BID) | (quotes[rows] == NO_ASK)
    found = np.where(absent, 0, quotes[rows] + instrument.price_origin)
    return instrument, events, received.recv_ns[rows], found


def hash_of(quotes):
    """The first 12 characters of the SHA-256 of prices in ticks."""
    return hashlib.sha256(np.ascontiguousarray(quotes, "<i8").tobytes()).hexdigest()[:12]


def compare_quotes(ours, theirs):
    """Print at how many moments two engines' quotes are equal, crossed books apart; the number that differ, these apart."""
    same = (ours == theirs).all(axis=1)
    is_crossed = (ours[:, 0] >= ours[:, 1]) & (ours > 0).all(axis=1)
    print(
        f"quotes equal at {same.sum()} of {len(ours)}, at {(same & ~is_crossed).sum()} of the {(~is_crossed).sum()} where "
        f"the book is not crossed; ours {hash_of(ours)}, theirs {hash_of(theirs)}"
    )
    differs = np.flatnonzero(~same & ~is_crossed)
    for row in differs[:1]:
        print(f"first difference: moment {row}, ours {ours[row]}, theirs {theirs[row]}")
    return len(differs)
