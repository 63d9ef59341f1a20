"""Follower of one instrument: public order book and sums over trades, kept from a venue's market data.

Orders of every account are public here. A parent order arrives by copying what the follower holds; tallies are stored
by time, so that the first observation shows the flow of the last interval before arrival, whenever that is.
`driver_rows.DriverRows` applies the same market data to an executor's driver and records every row since its last decision.
"""

from contextlib import suppress
from typing import Final

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import Listing, MarketRows
from tercel.core.ports import Venue
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.desk.limits.quotes import BestQuotes, refuse_sparse
from tercel.desk.trading.parent_orders import kernels
from tercel.execution.driver_kernels import REASONS
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state

WIDTH: Final = 256
HISTORY: Final = 1 << 15
"""Moments that are stored: an interval before an arrival reaches no further back."""


class Follower:
    """Public order book and tallies of one instrument, kept from a venue's market data.

    Parameters
    ----------
    listing : Listing
        How the venue lists it; its ids in market data must be dense.
    width : int
        Prices of the ring of the book, a power of two; the same as the market's shows the same depth.
    feed_levels : int
        Levels that the feed behind the market shows, 0: all of them.
    history : int
        Moments of tallies stored.

    Raises
    ------
    VenueError
        For market data whose ids are arbitrary.
    """

    def __init__(
        self, listing: Listing, *, width: int = WIDTH, feed_levels: int = 0, history: int = HISTORY
    ) -> None:
        refuse_sparse(listing)
        self.listing = listing
        self.instrument = listing.instrument
        self._width = width
        self._feed_levels = feed_levels
        self._history = np.zeros((history + 1, kernels.HISTORY_WORDS), np.int64)
        self._row = np.zeros((1, sim.RECORD_WORDS), np.int64)
        self._reset()

    def _reset(self) -> None:
        """Start from an empty book that waits for a snapshot."""
        self.book = lay.new_book(self.listing.dense_ids, self._width, OWN_ORDERS)
        self.state = sim.extend(blank_state(sim.REPLAY), 0, seconds=sim.PAST_SECONDS)
        self.state[sim.FEED_LEVELS] = self._feed_levels
        self.ready = False
        """Whether a snapshot has come."""

    @property
    def now_ns(self) -> int:
        """Venue time, ns, of the last market-data row."""
        return self.state.item(sim.NOW)

    @property
    def halted(self) -> bool:
        """Whether trading is halted."""
        return bool(self.state[sim.HALTED])

    def can_send(self, now_ns: int) -> bool:
        """Whether the venue takes commands: in a window, not shortly before its end, not in a halt."""
        return self.listing.rules.next_open_ns(now_ns) <= now_ns and not self.halted

    @property
    def touch(self) -> tuple[int, int]:
        """Best bid and ask, ticks; NO_BID, NO_ASK for an empty side."""
        return self.state.item(sim.PUBLIC_BID), self.state.item(sim.PUBLIC_ASK)

    @property
    def quotes(self) -> BestQuotes:
        """Best bid and ask, None for an empty side."""
        bid, ask = self.touch
        return BestQuotes(None if bid == NO_BID else bid, None if ask == NO_ASK else ask)

    @property
    def mid2(self) -> int:
        """Last two-sided bid + ask, half ticks; 0 before there was any."""
        return int(self.state[sim.MID2])

    def depth(self, side: int) -> list[tuple[int, int]]:
        """Price in ticks and lots of every level of a side, best first."""
        orders = self._orders()
        side_orders = orders[orders[:, 1] == side]
        prices, level_of = np.unique(side_orders[:, 2], return_inverse=True)
        lots = np.bincount(level_of, side_orders[:, 3], len(prices)).astype(int)
        return list(zip(prices.tolist(), lots.tolist(), strict=True))[::-side]

    def on_market(self, event: MarketRows) -> bool:
        """Apply a venue's market data to the book; whether a snapshot changed the book or the halt. Rows before the first
        snapshot are ignored.

        Returns
        -------
        bool
            Whether it is a snapshot of another book than the one that was followed, or whether the halt state changed.

        Raises
        ------
        TapeError
            Rows that do not fit the book: some were missed. Subscribe again.
        """
        if event.snapshot:
            was_ready = self.ready
            was_halted = self.halted
            orders_before = self._orders()
            self._load_snapshot(event.rows)
            return (
                not was_ready
                or was_halted != self.halted
                or not np.array_equal(orders_before, self._orders())
            )
        if self.ready and len(event.rows):
            fault = kernels.serve(
                kernels.FollowerRequest.PUBLIC,
                self.book,
                self.state,
                event.rows,
                out_rows=self._row,
                history=self._history,
            )
            if fault < 0:
                self.ready = False
                row = event.rows[self._history[0, 1]].tolist()
                raise TapeError(
                    REASONS[-fault], f"row {row} of {self.instrument}", "subscribe to it again"
                )
        return False

    def _orders(self) -> Ints:
        """Slot, side, price and lots of each order by priority."""
        room = self.listing.dense_ids
        orders = self.book[lay.HEADER : lay.HEADER + room * lay.ORDER].reshape(room, lay.ORDER)
        slots = np.flatnonzero(orders[:, lay.QTY])
        slots = slots[np.argsort(orders[slots, lay.ARR], kind="stable")]
        return np.column_stack([slots, orders[slots][:, [lay.SIDE, lay.PRICE, lay.QTY]]])

    def _load_snapshot(self, rows: Ints) -> None:
        """Replace the book by a snapshot; the tallies go on. Raises TapeError for rows that are not orders, each once."""
        tallies = self.state[sim.EVENTS : sim.EVENTS + 6].copy() if self.now_ns else None
        self._reset()
        loaded = kernels.serve(kernels.FollowerRequest.LOAD, self.book, self.state, rows)
        if loaded < len(rows):
            row = rows[loaded].tolist()
            raise TapeError(
                "a snapshot of orders, each once",
                f"row {row} of {self.instrument}",
                "subscribe to it again",
            )
        if tallies is None:
            self._history[:] = 0
            self.began_ns = self.now_ns
            """When the first snapshot was taken."""
        else:  # what happened in the gap is not known: tallies go on from where they stood
            tallies[sim.MID2 - sim.EVENTS] = self.state[sim.MID2]
            self.state[sim.EVENTS : sim.EVENTS + 6] = tallies
        kernels.serve(kernels.FollowerRequest.KEEP, self.book, self.state, history=self._history)
        self.ready = True

    def tallies(self, at_ns: int) -> Ints:
        """Running sums EVENTS, BOUGHT, SOLD, OFI and VARIANCE, and the level MID2, as of a venue time, ns: int64 (6,).

        In a halt those at its end; of the oldest moment stored, where that is later.
        """
        count = int(self._history[0, 0])
        room = len(self._history) - 1
        stored = np.arange(max(count - room, 0), count) % room + 1
        index = max(int(np.searchsorted(self._history[stored, 0], at_ns, "right")) - 1, 0)
        while index + 1 < len(stored) and self._history[stored[index], kernels.H_HALTED]:
            index += 1
        return self._history[stored[index], 1 : kernels.H_HALTED].copy()

    def mids(self, since_ns: int) -> tuple[Ints, Ints]:
        """Times, ns, and mids, half ticks, at which the stored mid changed from `since_ns` on, and first of the moment in force
        then."""
        count = int(self._history[0, 0])
        room = len(self._history) - 1
        stored = self._history[np.arange(max(count - room, 0), count) % room + 1]
        start = max(int(np.searchsorted(stored[:, 0], since_ns, "right")) - 1, 0)
        changed = np.flatnonzero(np.diff(stored[start:, 6], prepend=-1))
        return stored[start + changed, 0], stored[start + changed, 6]

    def arrival(
        self,
        start_ns: int,
        interval_ns: int,
        warmup_ns: int,
        rooms: tuple[int, int],
        looks_back: bool = False,
    ) -> tuple[Int32, Ints]:
        """Book and state for a parent that arrives now, as `execution.step.arrive` leaves them.

        Parameters
        ----------
        start_ns : int
            When it was meant to arrive.
        interval_ns, warmup_ns : int
            Of a decision; of what counts as long volatility before arrival.
        rooms : (int, int)
            Points of the grid of mids, rows of the log of fills.
        looks_back : bool
            The last seconds stay recorded, for a strategy that uses forecasts.
        """
        k = sim.extend(self.state, rooms[0], 0, rooms[1], sim.PAST_SECONDS if looks_back else 0)
        k[[sim.SECOND, sim.FIRST_SECOND]] *= int(looks_back)
        k[sim.TRADED_NS : sim.LATELY + sim.LATELY_WORDS] *= int(looks_back)
        k[sim.MAKER_FEE : sim.TAKER_RATE + 1] = self.listing.fees
        k[sim.BEGAN_NS] = began_ns = max(start_ns - warmup_ns, self.began_ns)
        k[sim.SEEN : sim.SEEN + 6] = self.tallies(max(start_ns - interval_ns, began_ns))
        began_tallies = self.tallies(
            began_ns
        )  # long volatility, slow flow and drift count from there
        began_sums = began_tallies[1:5]
        k[sim.BEGAN_MID2] = began_tallies[5]
        k[sim.BOUGHT : sim.VARIANCE + 1] -= began_sums
        if looks_back:
            k[k[sim.SECONDS_AT] :] = self.state[self.state[sim.SECONDS_AT] :]
            k[k[sim.SECONDS_AT] :].reshape(-1, sim.SECOND_WORDS)[:, :3] -= began_sums[:3]
        k[sim.SEEN + 1 : sim.SEEN + 5] -= began_sums
        k[sim.ARRIVED : sim.ARRIVED + 5] = k[sim.EVENTS : sim.EVENTS + 5]
        k[sim.NOW] = k[sim.START_NS] = max(start_ns, self.now_ns)
        k[[sim.ARRIVAL_MID2, sim.DECISION_MID2]] = k[sim.MID2]
        return self.book.copy(), k


def follower_of(venue: Venue, listing: Listing) -> Follower:
    """A follower with a book as deep as the venue's, where the venue declares its depth."""
    width = WIDTH
    feed_levels = 0
    if (depth := venue.capabilities.depth) is not None:
        with suppress(VenueError):
            width = depth.width(listing.instrument)
            feed_levels = depth.feed_levels(listing.instrument)
    return Follower(listing, width=width, feed_levels=feed_levels)
