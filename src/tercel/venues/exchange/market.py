"""Markets of a simulated exchange: state arrays of all instruments end to end, advanced together.

Client orders are the "own" orders of the batch, of all accounts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.orders import (
    M_ID,
    M_KIND,
    M_LOTS,
    M_NS,
    M_PRICE,
    M_SIDE,
    MARKET_COLUMNS,
    Listing,
    MarketRows,
)
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import FOREVER_NS, NO_ASK
from tercel.market.book import layout as lay
from tercel.market.regimes.named import impose
from tercel.market.regimes.switching import begin_regimes
from tercel.market.simulator import engine, kernel_requests, layout as sim
from tercel.market.simulator.levels import QUEUE
from tercel.market.tape.schema import ADD, LEVEL_SET, ROLL_IN, STATUS
from tercel.venues.exchange.market_spec import MarketSpec, RegimeChange, S
from tercel.venues.exchange.publishing import REPORT_WORDS, publish

RECORD_ROWS = 8192


def with_client_orders(book: Int32, client_orders: int) -> Int32:
    """A copy of a book without own orders, with room for `client_orders` client orders."""
    orders = int(book[lay.ORDERS])
    width = int(book[lay.WIDTH])
    extended = lay.new_book(orders, width, client_orders, background=bool(book[lay.BACKGROUND]))
    extended[lay.BEST_BID : lay.BACKGROUND] = book[lay.BEST_BID : lay.BACKGROUND]
    extended[lay.HEADER : lay.HEADER + orders * lay.ORDER] = book[
        lay.HEADER : lay.HEADER + orders * lay.ORDER
    ]
    levels = int(book[lay.AT_LEVELS])
    target = int(extended[lay.AT_LEVELS])
    extended[target : target + 2 * width * lay.LEVEL] = book[
        levels : levels + 2 * width * lay.LEVEL
    ]
    return extended


def _build_world(spec: MarketSpec) -> tuple[Int32, Ints]:
    """Book and state arrays of a market at its start, with the random streams of its episode."""
    source = spec.source
    b = with_client_orders(source.worlds_b[spec.world], spec.client_orders)
    k = sim.extend(source.worlds_k[spec.world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, spec.seed, spec.index, 1)
    if source.reacts:
        begin_regimes(k, source.flow, spec.seed, spec.index, max(spec.began_ns, int(k[sim.NOW])))
    if source.model == sim.REPLAY:
        last = len(source.tape) if spec.last_row < 0 else spec.last_row
        k[[sim.CURSOR, sim.CURSOR_END]] = spec.first_row, last
        k[sim.FLOW_NS] = (
            source.tape[spec.first_row, sim.T_NS] if spec.first_row < last else FOREVER_NS
        )
    return b, k


class Markets:
    """State arrays of all markets, advanced together.

    Parameters
    ----------
    specs : mapping of str to MarketSpec
        By instrument.
    """

    def __init__(self, specs: Mapping[str, MarketSpec]) -> None:
        """Lay all markets end to end and advance them unseen to the time at which all have begun (`began_ns`)."""
        self.names = list(specs)
        self.specs = [specs[name] for name in self.names]
        worlds = [_build_world(spec) for spec in self.specs]
        self._offsets = np.zeros((len(worlds), kernel_requests.EXTENT_WORDS), np.int64)
        self._books = self._lay([b for b, _ in worlds], kernel_requests.BOOK)
        self._states = self._lay([k for _, k in worlds], kernel_requests.STATE)
        self._flows = self._lay([spec.source.flow for spec in self.specs], kernel_requests.FLOW)
        self._tape = self._lay_tapes()
        self.books = [
            self._books[start:end]
            for start, end in self._offsets[
                :, [kernel_requests.BOOK, kernel_requests.BOOK_END]
            ].tolist()
        ]
        self.states = [
            self._states[start:end]
            for start, end in self._offsets[
                :, [kernel_requests.STATE, kernel_requests.STATE_END]
            ].tolist()
        ]
        self._rows = np.zeros((RECORD_ROWS, MARKET_COLUMNS), np.int64)
        self._reports = np.zeros((RECORD_ROWS, REPORT_WORDS), np.int64)
        self._counts = np.zeros(2, np.int64)
        began_ns = [spec.began_ns for spec in self.specs]
        self.began_ns = max(*began_ns, *(int(k[sim.NOW]) for k in self.states), 0)
        """The moment that all have reached; from here on client orders matter and rows are stored."""
        self._run_unseen(self.began_ns)

    def _lay(self, parts: Sequence[NDArray[S]], column: int) -> NDArray[S]:
        """Concatenate the markets' parts, and store each one's offsets in two columns."""
        ends = np.cumsum([len(part) for part in parts])
        self._offsets[:, column + 1] = ends
        self._offsets[1:, column] = ends[:-1]
        return np.concatenate(parts)

    def _lay_tapes(self) -> Ints:
        """Concatenated tapes of all sources, a shared one once; stores each market's offsets. A single one is not copied."""
        tapes: dict[int, Ints] = {id(spec.source.tape): spec.source.tape for spec in self.specs}
        start = 0
        starts = {}
        for key, tape in tapes.items():
            starts[key] = start
            start += len(tape)
        for i, spec in enumerate(self.specs):
            first = starts[id(spec.source.tape)]
            self._offsets[i, [kernel_requests.TAPE, kernel_requests.TAPE_END]] = (
                first,
                first + len(spec.source.tape),
            )
        return (
            next(iter(tapes.values())) if len(tapes) == 1 else np.concatenate(list(tapes.values()))
        )

    def feed(self, market: int, rows: Ints) -> None:
        """Append rows to the tape of a market, behind those that it has not played: int64 (n, TAPE_WORDS), by time."""
        parts = []
        for i, k in enumerate(self.states):
            first = int(self._offsets[i, kernel_requests.TAPE])
            parts.append(self._tape[first + int(k[sim.CURSOR]) : first + int(k[sim.CURSOR_END])])
        parts[market] = np.concatenate((parts[market], rows))
        start = 0
        for i, (part, k) in enumerate(zip(parts, self.states, strict=True)):
            self._offsets[i, [kernel_requests.TAPE, kernel_requests.TAPE_END]] = (
                start,
                start + len(part),
            )
            k[[sim.CURSOR, sim.CURSOR_END]] = 0, len(part)
            k[sim.FLOW_NS] = part[0, sim.T_NS] if len(part) else FOREVER_NS
            start += len(part)
        self._tape = np.concatenate(parts)

    def _run_unseen(self, until_ns: int) -> None:
        """Advance all markets to a time without publishing."""
        while self.pass_time(until_ns):
            for i in range(len(self.names)):
                self._offsets[i, kernel_requests.DRAINED] = self.states[i][sim.RECORD]
        for i, k in enumerate(self.states):
            k[sim.RECORD] = self._offsets[i, kernel_requests.DRAINED] = 0
            k[sim.ATTENTIVE] = 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """State arrays of all markets by name, as :meth:`restore` takes them."""
        return {
            "at": self._offsets,
            "books": self._books,
            "states": self._states,
            "flows": self._flows,
        }

    def restore(self, stored: Mapping[str, NDArray[Any]], until_ns: int) -> None:
        """Restore stored arrays without the clients' orders, and advance to a time without publishing.

        Raises
        ------
        ConfigError
            Arrays of other markets.
        """
        for name, array in self.arrays().items():
            if stored[name].shape != array.shape or (
                name == "at" and (stored[name] != array)[:, : kernel_requests.DRAINED].any()
            ):
                raise ConfigError(
                    "the markets that were stored",
                    "others",
                    "name them as before, or another folder",
                )
            array[:] = stored[name]
        for market, b in enumerate(self.books):
            first = int(b[lay.AT_LEDGER]) + lay.STATE
            own_orders = int(b[lay.OWN])
            for place in np.flatnonzero(
                b[first : first + own_orders * lay.LEDGER : lay.LEDGER] != lay.FREE_SLOT
            ):
                self.enter_cancel(market, int(place), int(NO_ASK))
        self._run_unseen(until_ns)

    def pass_time(self, until_ns: int) -> int:
        """Advance all markets to a time or a stop; returns the bits WORD and FULL of `lockstep.pass_time`, 0 at the time."""
        return engine.pass_time(
            self._books, self._states, self._flows, self._tape, self._offsets, until_ns
        )

    def enter_new(
        self, market: int, place: int, side: int, price: int, lots: int, immediate: bool
    ) -> None:
        """Enter a client's order under a free ledger place and match it; if `immediate`, its remainder does not rest."""
        engine.enter_new(
            self._books,
            self._states,
            self._flows,
            self._offsets,
            market,
            place,
            side,
            price,
            lots,
            immediate,
        )

    def enter_cancel(self, market: int, place: int, lots: int) -> None:
        """Take `lots` off a client's resting order; the rest keeps its queue position."""
        engine.enter_cancel(
            self._books, self._states, self._flows, self._offsets, market, place, lots
        )

    def try_new(self, market: int, side: int, price: int, lots: int) -> list[tuple[int, int, int]]:
        """Price and lots of every fill that an immediate order would have now, and the number of the client order that it
        meets, else -1; nothing changes. [] too while no ledger place is free.

        Raises
        ------
        CapacityError
            It would move the market further than the record of one moment keeps.
        """
        books = self._books.copy()
        states = self._states.copy()
        place = self.free_place(market)
        if place < 0:
            return []
        engine.enter_new(
            books, states, self._flows, self._offsets, market, place, side, price, lots, True
        )
        k = states[
            slice(
                *self._offsets[market, [kernel_requests.STATE, kernel_requests.STATE_END]].tolist()
            )
        ]
        since = int(self.states[market][sim.RECORD])
        upto = int(k[sim.RECORD])
        if upto - since > RECORD_ROWS:
            raise CapacityError(
                f"at most {RECORD_ROWS} rows in a moment", f"{upto - since}", "send a smaller order"
            )
        first = int(k[sim.RECORD_AT])
        record = k[first : first + RECORD_ROWS * sim.RECORD_WORDS].reshape(
            RECORD_ROWS, sim.RECORD_WORDS
        )
        rows = record[np.arange(since, upto) % RECORD_ROWS]
        is_fill = (rows[:, sim.R_KIND] == sim.OWN_FILL) & (rows[:, sim.R_WHO] == place)
        previous_rows = np.roll(rows, 1, axis=0)  # the resting order's row is before the taker's
        number = self.books[market][lay.ORDERS] + previous_rows[:, sim.R_WHO]
        rows[:, sim.R_WHO] = np.where(previous_rows[:, sim.R_KIND] == sim.OWN_FILL, number, -1)
        columns = [sim.R_PRICE, sim.R_LOTS, sim.R_WHO]
        return [
            (price, lots, counterparty)
            for price, lots, counterparty in rows[is_fill][:, columns].tolist()
        ]

    def free_place(self, market: int) -> int:
        """A ledger place for a new client order, -1 when all are taken."""
        b = self.books[market]
        first = int(b[lay.AT_LEDGER]) + lay.STATE
        states = b[first : first + int(b[lay.OWN]) * lay.LEDGER : lay.LEDGER]
        place = int((states == lay.FREE_SLOT).argmax())
        return place if states[place] == lay.FREE_SLOT else -1

    def change(self, market: int, regime: RegimeChange) -> None:
        """Switch a market to another regime from the next event on."""
        first, end = self._offsets[market, [kernel_requests.FLOW, kernel_requests.FLOW_END]]
        if regime.flow is not None:
            self._flows[first:end] = regime.flow
        if regime.factors is not None:
            impose(self.states[market], regime.factors)

    def drain(self, market: int, aggressor: int = -1) -> tuple[Ints, Ints]:
        """Market data and reports on client orders since the last call: int64 (n, MARKET_COLUMNS), int64 (m, REPORT_WORDS).

        Raises
        ------
        CapacityError
            When one moment wrote more than the record keeps.
        """
        k = self.states[market]
        since = int(self._offsets[market, kernel_requests.DRAINED])
        if k[sim.RECORD] == since:
            return self._rows[:0], self._reports[:0]
        if k[sim.RECORD] - since > RECORD_ROWS:
            raise CapacityError(
                f"at most {RECORD_ROWS} rows in a moment",
                f"{k[sim.RECORD] - since}",
                "raise RECORD_ROWS",
            )
        self._offsets[market, kernel_requests.DRAINED] = k[sim.RECORD]
        publish(self.books[market], k, since, aggressor, self._rows, self._reports, self._counts)
        return self._rows[: self._counts[0]].copy(), self._reports[: self._counts[1]].copy()

    def snapshot(self, market: int) -> MarketRows:
        """Book snapshot: trading status, then every order by priority. Publish new rows first.

        Of a tape of level totals the last totals, and clients' orders.
        """
        b = self.books[market]
        k = self.states[market]
        by_level = bool(k[sim.MODEL] == sim.REPLAY and k[QUEUE])
        room = int(b[lay.ORDERS] + 2 * b[lay.OWN])
        orders = b[lay.HEADER : lay.HEADER + room * lay.ORDER].reshape(room, lay.ORDER)
        lots = orders[:, lay.QTY].copy()
        if by_level:
            levels = lots[: b[lay.ORDERS]]
            levels[levels > 0] = orders[: b[lay.ORDERS], lay.TAG][levels > 0]
            lots[b[lay.ORDERS] + b[lay.OWN] :] = 0
        slots = np.flatnonzero(lots)
        slots = slots[np.argsort(orders[slots, lay.ARR], kind="stable")]
        rows = np.full((len(slots) + 1, MARKET_COLUMNS), -1, np.int64)
        rows[:, M_NS] = k[sim.NOW]
        rows[0, 1:] = STATUS, 0, 0, -1 if k[sim.HALTED] else 1, 0, -1
        rows[1:, M_KIND] = np.where(
            slots >= b[lay.ORDERS] if by_level else orders[slots, lay.FLAGS] & lay.ANONYMOUS == 0,
            ADD,
            LEVEL_SET if by_level else ROLL_IN,
        )
        rows[1:, M_ID] = slots
        rows[1:, M_SIDE] = orders[slots, lay.SIDE]
        rows[1:, M_PRICE] = orders[slots, lay.PRICE]
        rows[1:, M_LOTS] = lots[slots]
        return MarketRows(self.names[market], rows, snapshot=True)

    def listing(self, market: int) -> Listing:
        """Listing of an instrument: tick, lot and times."""
        spec = self.specs[market]
        b = self.books[market]
        return Listing(
            self.names[market],
            spec.source.tick,
            spec.source.lot,
            spec.volume_per_s,
            int(b[lay.ORDERS] + b[lay.OWN]),
            self.began_ns,
            spec.source.reacts,
            *spec.source.fees.kernel_values(spec.source.tick),
            part=spec.part,
            currency=spec.currency,
            rules=spec.rules,
        )

    def check(self) -> None:
        """Raise if a market outgrew its arrays.

        Raises
        ------
        CapacityError
            Public orders found no place.
        """
        for name, b in zip(self.names, self.books, strict=True):
            if b[lay.OVERFLOW]:
                raise CapacityError(
                    "room for all orders", f"{b[lay.OVERFLOW]} without, {name}", "raise `orders`"
                )
