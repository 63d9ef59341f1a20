"""Follower of one instrument: public book and tallies, as the simulator keeps them, from market data alone.

Orders of every account are public here. A parent order arrives by copying what the follower holds; tallies are stored
by time, so that the first observation shows the flow of the last interval before arrival, whenever that is.
`DriverRows` applies the same market data to an executor's driver and records every row since its last decision.
"""

from contextlib import suppress
from typing import Final

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import Listing, MarketRows
from tercel.core.ports import Venue
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.desk.limits.quotes import refuse_sparse
from tercel.desk.trading.parent_orders import kernels
from tercel.execution.driver import Driver
from tercel.execution.driver_kernels import REASONS
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state

WIDTH: Final = 256
HISTORY: Final = 1 << 15
"""Moments that are stored: an interval before an arrival reaches no further back."""


class Follower:
    """Public market of one instrument.

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
        self._lay()

    def _lay(self) -> None:
        self.book = lay.new_book(self.listing.dense_ids, self._width, OWN_ORDERS)
        self.state = sim.extend(blank_state(sim.REPLAY), 0, seconds=sim.PAST_SECONDS)
        self.state[sim.FEED_LEVELS] = self._feed_levels
        self.ready = False
        """Whether a snapshot has come."""

    @property
    def now_ns(self) -> int:
        """Time of the last row."""
        return self.state.item(sim.NOW)

    @property
    def halted(self) -> bool:
        """Whether trading is halted."""
        return bool(self.state[sim.HALTED])

    @property
    def touch(self) -> tuple[int, int]:
        """Best bid and ask, ticks; NO_BID, NO_ASK for an empty side."""
        return self.state.item(sim.PUBLIC_BID), self.state.item(sim.PUBLIC_ASK)

    @property
    def quotes(self) -> tuple[int | None, int | None]:
        """Best bid and ask, ticks; None for an empty side."""
        bid, ask = self.touch
        return None if bid == NO_BID else bid, None if ask == NO_ASK else ask

    @property
    def mid2(self) -> int:
        """Last two-sided bid + ask, half ticks; 0 before there was any."""
        return int(self.state[sim.MID2])

    def depth(self, side: int) -> list[tuple[int, int]]:
        """Price in ticks and lots of every level of a side, best first."""
        orders = self._orders()
        mine = orders[orders[:, 1] == side]
        prices, at = np.unique(mine[:, 2], return_inverse=True)
        lots = np.bincount(at, mine[:, 3], len(prices)).astype(int)
        return list(zip(prices.tolist(), lots.tolist(), strict=True))[::-side]

    def on_market(self, event: MarketRows) -> bool:
        """Apply published market data; rows before the first snapshot are ignored.

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
            known, halted, before = self.ready, self.halted, self._orders()
            self._begin(event.rows)
            return not known or halted != self.halted or not np.array_equal(before, self._orders())
        if self.ready and len(event.rows):
            fault = kernels.follow_public(
                self.book, self.state, event.rows, self._row, self._history
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

    def _begin(self, rows: Ints) -> None:
        tallies = self.state[sim.EVENTS : sim.EVENTS + 6].copy() if self.now_ns else None
        self._lay()
        understood = kernels.load(self.book, self.state, rows)
        if understood < len(rows):
            row = rows[understood].tolist()
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
        kernels.keep_tallies(self.book, self.state, self._history)
        self.ready = True

    def tallies(self, at_ns: int) -> Ints:
        """EVENTS, BOUGHT, SOLD, OFI, VARIANCE and MID2 as of `at_ns`: int64 (6,).

        In a halt those at its end; of the oldest moment stored, where that is later.
        """
        count, room = int(self._history[0, 0]), len(self._history) - 1
        stored = np.arange(max(count - room, 0), count) % room + 1
        found = max(int(np.searchsorted(self._history[stored, 0], at_ns, "right")) - 1, 0)
        while found + 1 < len(stored) and self._history[stored[found], kernels.H_HALTED]:
            found += 1
        return self._history[stored[found], 1 : kernels.H_HALTED].copy()

    def mids(self, since_ns: int) -> tuple[Ints, Ints]:
        """Times and mids (half ticks) from the last moment up to `since_ns` on, as far as stored."""
        count, room = int(self._history[0, 0]), len(self._history) - 1
        stored = self._history[np.arange(max(count - room, 0), count) % room + 1]
        first = max(int(np.searchsorted(stored[:, 0], since_ns, "right")) - 1, 0)
        changed = np.flatnonzero(np.diff(stored[first:, 6], prepend=-1))
        return stored[first + changed, 0], stored[first + changed, 6]

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
        k[sim.BEGAN_NS] = began = max(start_ns - warmup_ns, self.began_ns)
        k[sim.SEEN : sim.SEEN + 6] = self.tallies(max(start_ns - interval_ns, began))
        then = self.tallies(began)  # long volatility, slow flow and drift count from there
        before, k[sim.BEGAN_MID2] = then[1:5], then[5]
        k[sim.BOUGHT : sim.VARIANCE + 1] -= before
        if looks_back:
            k[k[sim.SECONDS_AT] :] = self.state[self.state[sim.SECONDS_AT] :]
            k[k[sim.SECONDS_AT] :].reshape(-1, sim.SECOND_WORDS)[:, :3] -= before[:3]
        k[sim.SEEN + 1 : sim.SEEN + 5] -= before
        k[sim.ARRIVED : sim.ARRIVED + 5] = k[sim.EVENTS : sim.EVENTS + 5]
        k[sim.NOW] = k[sim.START_NS] = max(start_ns, self.now_ns)
        k[[sim.ARRIVAL_MID2, sim.DECISION_MID2]] = k[sim.MID2]
        return self.book.copy(), k


def follower_of(venue: Venue, listing: Listing) -> Follower:
    """A follower with a book as deep as the venue's, where the venue declares its depth."""
    width, feed_levels = WIDTH, 0
    if (depth := venue.capabilities.depth) is not None:
        with suppress(VenueError):
            width, feed_levels = (
                depth.width(listing.instrument),
                depth.feed_levels(listing.instrument),
            )
    return Follower(listing, width=width, feed_levels=feed_levels)


MARKS: Final = 1024
ROWS: Final = 256
"""Driver rows that there is room for at first."""


class DriverRows:
    """Applies market data of one instrument to a driver, marks own orders, and records what was applied.

    Parameters
    ----------
    instrument : str
    dense_ids : int
        Ids in its market data lie below.
    """

    def __init__(self, instrument: str, dense_ids: int) -> None:
        self._instrument = instrument
        self._who_of = np.full(dense_ids, -1, np.int64)
        self._group = np.zeros(kernels.GROUP_WORDS, np.int64)
        self._words = self._group.data
        self._marks = np.zeros((MARKS, kernels.MARK_WORDS), np.int64)
        self._rows = np.zeros((ROWS, sim.RECORD_WORDS), np.int64)
        self._count = 0

    def follow(self, driver: Driver, rows: Ints, at: int) -> int:
        """Apply rows from `at` on, up to the row before which a decision falls due; the next row's index.

        Raises
        ------
        TapeError
            A row that does not fit.
        """
        room, group = self._room(len(rows)), self._words
        at = kernels.follow(
            driver.book, driver.state, rows, at, self._who_of, self._group, self._marks, room
        )
        self._count += group[kernels.G_ROWS]
        if group[kernels.G_FAULT]:
            raise TapeError(
                REASONS[group[kernels.G_FAULT]],
                f"row {rows[at].tolist()} of {self._instrument}",
                "subscribe to it again",
            )
        return at

    @property
    def marks(self) -> list[list[int]]:
        """Own fills in the rows applied last, which reports will follow: own order, passive, mid2, touch2."""
        n = self._words[kernels.G_MARKS]
        return self._marks[:n].tolist() if n else []

    def keep(self, row: Ints) -> None:
        """Record a row that the driver was given directly."""
        self._room(1)[0] = row
        self._count += 1

    def take(self) -> Ints:
        """Recorded rows since the last call, int64 (r, 8)."""
        rows = self._rows[: self._count].copy()
        self._count = 0
        return rows

    def name(self, number: int, own: int) -> None:
        """Map the venue's number of an order to the driver's order `own`."""
        self._who_of[number] = own
        self._group[
            kernels.G_NS
        ] = -1  # another aggressor, though it may have the number of one before

    def forget(self, number: int, own: int) -> None:
        """Drop the mapping of the venue's number, which may be reused from now on."""
        if number >= 0 and self._who_of[number] == own:
            self._who_of[number] = -1

    def _room(self, n: int) -> Ints:
        """Room for the next driver rows, at least `n`."""
        if len(self._rows) < self._count + n:
            more = np.zeros((len(self._rows) + n, sim.RECORD_WORDS), np.int64)
            self._rows = np.concatenate([self._rows[: self._count], more])
        return self._rows[self._count :]
