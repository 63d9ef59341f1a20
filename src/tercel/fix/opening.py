"""Opening of a FIX venue: profile, stores, sessions of orders and of market data, logon, listings."""

import atexit
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tercel.core.link.connection import WaitLimits
from tercel.fix.client import FixVenue
from tercel.fix.link import address_of, market_terms, open_link
from tercel.fix.own_dialect import OwnDialect
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.standard import StandardDialect
from tercel.fix.store import ReceivedMark

_MARKET_FOLDER: Final = "market"


def open_fix_venue(
    host: str = "",
    port: int = 0,
    comp_id: str = "",
    *,
    profile: str | ProfileTerms = "tercel",
    store: Path | None = None,
    reset: bool = False,
    follow: bool = False,
    patience: WaitLimits | None = None,
    wall: Callable[[], int] = time.time_ns,
    allow: Callable[[str], object] = lambda _: None,
) -> FixVenue:
    """Connect to a venue, log on (to its market data session too) and request the listings; waits for all of it.

    Whatever was opened is closed again when a step fails.

    Parameters
    ----------
    host, port : str, int
        Where it listens; "" and 0: where the profile says.
    comp_id : str
        Our name; the account of orders that name none. "": the profile's.
    profile : str or ProfileTerms
        How the venue wants to be spoken to: a shipped profile, or the file of one.
    store : Path, optional
        Folder of sequence numbers and messages. With it a session continues after a restart; without one, each
        call begins a new session.
    reset : bool
        Begin a new session although a store holds one. What the venue stored for us is lost.
    follow : bool
        Wait for a stepped venue's clock, which another counterparty moves.
    patience : WaitLimits
    wall : callable
        ns since 1970.
    allow : callable
        As `open_link` has it.

    Raises
    ------
    VenueError
        When no server listens or the logon is refused.
    ConfigError
        For a profile that cannot be used.
    """
    terms = load(profile, comp_id) if isinstance(profile, str) else profile
    for note in terms.notes:
        warnings.warn(note, stacklevel=2)
    with ExitStack() as opened:
        link = open_link(
            terms,
            address_of(host, port, terms),
            comp_id,
            store,
            reset or store is None,
            wall,
            allow,
        )
        opened.callback(link.end)
        feed_terms = market_terms(terms, comp_id)
        feed = link
        if feed_terms is not None:
            folder = None if store is None else store / _MARKET_FOLDER
            address = address_of("", 0, feed_terms)
            feed = open_link(feed_terms, address, comp_id, folder, True, wall, allow)
            opened.callback(feed.end)
        dialect: OwnDialect | StandardDialect = OwnDialect(link.now_ns)
        if not terms.profile.extension:
            dialect = StandardDialect(terms, link.now_ns, store, feed_terms)
            opened.callback(dialect.memory.close)
        received_mark = ReceivedMark(store)
        opened.callback(received_mark.close)
        if reset:
            received_mark.forget()
        elif store is not None and terms.profile.session.on_gap == "request":
            # expect the message after the last one that the caller has seen
            link.expect(received_mark.number + 1)
        venue = FixVenue(
            terms, link, feed, dialect, received_mark, follow, patience or WaitLimits()
        )
        opened.callback(venue.close)
        venue.log_on()
        opened.pop_all()
    atexit.register(venue.close)
    return venue
