"""Markets of an exchange: their specifications, their state arrays laid end to end, and the copy of them on disk.

Kernels that turn a market's record rows into market data and reports on client orders.

Client orders are the "own" orders of the batch, of all accounts.
"""

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.errors import CapacityError, ConfigError
from tercel.core.files import atomic_path
from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.orders import (
    M_AGGRESSOR,
    M_ID,
    M_KIND,
    M_LOTS,
    M_NS,
    M_PRICE,
    M_SIDE,
    MARKET_WORDS,
    Listing,
    MarketRows,
)
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import ledger_at, own_order_at
from tercel.market.regimes.kernel import begin_regimes
from tercel.market.regimes.law import Factors, impose
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.levels import QUEUE
from tercel.market.simulator.records import recorded_at, row_at, state_at
from tercel.market.simulator.source import Source
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
)

WORDS = sim.RECORD_WORDS + 1
"""A report on a client order: its record row, and how many public rows come before it."""


@kernel
def stood(b: Packed, k: Longs, r: int, own: int, aggressor: int) -> int:
    """Lots of a resting client order at the time row `r` was written.

    The order that is arriving rests when all is done, if at all; of the others it may have taken lots since.
    """
    if fixed(b, lay.ORDERS) + own == aggressor:
        return 0
    lots = int(own_order_at(b, own).qty)
    for later in range(r + 1, state_at(k).record):
        c = recorded_at(k, later)
        if c.kind == sim.OWN_FILL and c.who == own and c.side & 1 != 0:
            lots += c.lots
    return lots


@kernel
def taker(b: Packed, k: Longs, r: int, aggressor: int) -> int:
    """Aggressor of the execution in row `r`: the arriving client order if its own fill comes next; -1: a public order."""
    if aggressor < 0 or r + 1 >= state_at(k).record:
        return -1
    c = recorded_at(k, r + 1)
    takes = c.kind == sim.OWN_FILL and fixed(b, lay.ORDERS) + c.who == aggressor
    return aggressor if takes and c.side & 1 == 0 else -1


@kernel
def show_again(
    b: Packed, k: Longs, r: int, aggressor: int, ns: int, side: int, price: int, rows: Longs, n: int
) -> int:
    """Re-add, by priority, the client orders on a level that row `r` cleared (side 0: every level) as ADD rows."""
    last = -1
    while True:
        found, arrival = -1, -1
        for i in range(int(fixed(b, lay.OWN))):
            o = own_order_at(b, i)
            there = side == 0 or (o.side == side and o.price == price)
            if there and o.arrival > last and (found < 0 or o.arrival < arrival):
                if stood(b, k, r, i, aggressor) > 0:
                    found, arrival = i, o.arrival
        if found < 0:
            return n
        o = own_order_at(b, found)
        lots = stood(b, k, r, found, aggressor)
        show(rows[n], ns, ADD, fixed(b, lay.ORDERS) + found, o.side, o.price, lots, -1)
        last = arrival
        n += 1


@kernel
def stay(b: Packed, k: Longs, r: int, aggressor: int, ns: int, rows: Longs, n: int) -> int:
    """After a translation (row `r`) shifted followers' books, ADD rows that put client orders back at their prices.

    The owner of an order knows that it stayed, and skips these rows.
    """
    for i in range(int(fixed(b, lay.OWN))):
        o = own_order_at(b, i)
        lots = stood(b, k, r, i, aggressor)
        if lots > 0:
            show(rows[n], ns, DELETE, fixed(b, lay.ORDERS) + i, o.side, o.price, lots, -1)
            n += 1
    return show_again(b, k, r, aggressor, ns, 0, 0, rows, n)


@kernel
def show(
    row: Longs, ns: int, kind: int, who: int, side: int, price: int, lots: int, aggressor: int
) -> None:
    """Write one market-data row."""
    row[M_NS] = ns
    row[M_KIND] = kind
    row[M_ID] = who
    row[M_SIDE] = side
    row[M_PRICE] = price
    row[M_LOTS] = lots
    row[M_AGGRESSOR] = aggressor


@kernel
def publish(
    b: Packed, k: Longs, since: int, aggressor: int, rows: Longs, words: Longs, counts: Longs
) -> None:
    """Publish record rows from number `since` on as market data and reports on client orders.

    Parameters
    ----------
    aggressor : int
        Public number of the client order that is arriving, -1 when the market itself moves.
    rows : int64 (r, MARKET_WORDS)
        Out: what everybody sees.
    words : int64 (w, WORDS)
        Out: rows on client orders, and after how many of `rows` each comes.
    counts : int64 (2,)
        Out: market data, reports.
    """
    n = 0
    m = 0
    for r in range(since, state_at(k).record):
        c = recorded_at(k, r)
        kind, who, lots = c.kind, c.who, c.lots
        if kind == sim.REGIME_IS:  # no account is notified
            continue
        client = kind == sim.OWN_REST or kind == sim.OWN_FILL or kind == sim.OWN_DEAD
        public = not client
        side, price, shown = c.side, c.price, kind
        if client:
            o = own_order_at(b, who)
            side = ledger_at(b, who).side
            if kind == sim.OWN_REST:
                public, shown = True, ADD
            elif kind == sim.OWN_FILL:
                public, shown = c.side & 1 != 0, EXECUTE
            elif aggressor < 0 and lots > 0:  # not the dropped rest of an order that is arriving
                public, shown, price = True, (REDUCE if o.qty > 0 else DELETE), o.price
        if public:
            number = fixed(b, lay.ORDERS) + who if client else who
            by = taker(b, k, r, aggressor) if shown == EXECUTE else -1
            show(rows[n], c.ns, shown, number, side, price, lots, by)
            n += 1
        if shown == ROLL_OUT or shown == CLEAR:
            n = show_again(b, k, r, aggressor, c.ns, side, price, rows, n)
        if shown == sim.SHIFTED:
            n = stay(b, k, r, aggressor, c.ns, rows, n)
        if client:
            said = row_at(words[m], 0)
            said.ns = c.ns
            said.kind = c.kind
            said.who = c.who
            said.side = c.side
            said.price = c.price
            said.lots = c.lots
            said.mid2 = c.mid2
            said.touch2 = c.touch2
            words[m, sim.RECORD_WORDS] = n
            m += 1
    counts[0] = n
    counts[1] = m


S = TypeVar("S", bound=np.generic)

CLIENT_ORDERS = 256
"""Client orders that can rest at once in one market."""
RECORD_ROWS = 8192

_LATENCY_KINDS = {"constant": sim.CONSTANT, "uniform": sim.UNIFORM, "exponential": sim.EXPONENTIAL}


@dataclass(frozen=True)
class EntryLatency:
    """Order-entry latency: `constant` a; `uniform` on [a, b]; `exponential`: a plus a mean of b. Nanoseconds."""

    kind: str = "constant"
    a_ns: int = 0
    b_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse a law that is none."""
        if self.kind not in _LATENCY_KINDS or min(self.a_ns, self.b_ns) < 0:
            raise ConfigError(
                f"a latency of kind {', '.join(_LATENCY_KINDS)}, times from 0 on",
                f"{self.kind}, a_ns={self.a_ns}, b_ns={self.b_ns}",
                'write it as EntryLatency("constant", a_ns=1_000_000)',
            )

    def stream(self, seed: int, index: int) -> Ints:
        """State words of the random stream that `entry_delay` draws from, as for an episode (seed, index)."""
        k = np.zeros(sim.GRID, np.int64)
        k[[sim.LATENCY_KIND, sim.LATENCY_A, sim.LATENCY_B]] = (
            _LATENCY_KINDS[self.kind],
            self.a_ns,
            self.b_ns,
        )
        seed_stream(k, sim.ENTRY_RNG, seed, index, 2)
        return k


@dataclass(frozen=True, eq=False)
class RegimeChange:
    """From `at_ns` on the flow has other parameters (`market.regimes.choice.scaled`) or other rate factors."""

    at_ns: int
    flow: Floats | None = None
    factors: Factors | None = None


@dataclass(frozen=True, eq=False)
class MarketSpec:
    """Specification of one instrument's market.

    Parameters
    ----------
    source : Source
        A reactive flow or a tape.
    seed, index, world : int
        As an episode's: which random streams, which of the prepared worlds it starts from.
    volume_per_s : float
        Lots traded in a second on average, for the listing; 0: not known.
    began_ns : int
        When trading is on offer; 0: as soon as the world is built.
    first_row, last_row : int
        (tape) Rows `[first_row, last_row)` are played; -1: to the end.
    regimes : sequence of RegimeChange
        Changes of the flow, by time, besides those that the source's own law of regimes brings.
    client_orders : int
        Client orders that can rest at once.
    part : float
        As a listing's: of a coin, where a lot is less than one.
    currency : str
        Of its prices; "": not said.
    """

    source: Source
    seed: int = 0
    index: int = 0
    world: int = 0
    volume_per_s: float = 0.0
    began_ns: int = 0
    first_row: int = 0
    last_row: int = -1
    regimes: Sequence[RegimeChange] = ()
    client_orders: int = CLIENT_ORDERS
    part: float = 1.0
    currency: str = ""

    def __post_init__(self) -> None:
        """Refuse invalid markets."""
        if self.source.model == sim.MARTINGALE:
            raise ConfigError(
                "a market that orders can move", "the martingale guard", "serve a preset or a tape"
            )
        times = [regime.at_ns for regime in self.regimes]
        flows = [len(regime.flow) for regime in self.regimes if regime.flow is not None]
        if times != sorted(times) or any(length != len(self.source.flow) for length in flows):
            raise ConfigError(
                "regimes in order of time, with flows of the same preset",
                f"times {times}",
                "see market.flow.scenario",
            )


def with_client_orders(book: Int32, own: int) -> Int32:
    """A copy of a book without own orders, with room for `own` client orders."""
    orders, width = int(book[lay.ORDERS]), int(book[lay.WIDTH])
    out = lay.new_book(orders, width, own, background=bool(book[lay.BACKGROUND]))
    out[lay.BEST_BID : lay.BACKGROUND] = book[lay.BEST_BID : lay.BACKGROUND]
    out[lay.HEADER : lay.HEADER + orders * lay.ORDER] = book[
        lay.HEADER : lay.HEADER + orders * lay.ORDER
    ]
    levels, to = int(book[lay.AT_LEVELS]), int(out[lay.AT_LEVELS])
    out[to : to + 2 * width * lay.LEVEL] = book[levels : levels + 2 * width * lay.LEVEL]
    return out


def _world(spec: MarketSpec) -> tuple[Int32, Ints]:
    """Book and state at the world's moment, with an episode's streams."""
    source = spec.source
    b = with_client_orders(source.worlds_b[spec.world], spec.client_orders)
    k = sim.extend(source.worlds_k[spec.world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, spec.seed, spec.index, 1)
    if source.answers:
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
        self.names = list(specs)
        self.specs = [specs[name] for name in self.names]
        worlds = [_world(spec) for spec in self.specs]
        self._at = np.zeros((len(worlds), engine.AT_WORDS), np.int64)
        self._books = self._lay([b for b, _ in worlds], engine.BOOK)
        self._states = self._lay([k for _, k in worlds], engine.STATE)
        self._flows = self._lay([spec.source.flow for spec in self.specs], engine.FLOW)
        self._tape = self._lay_tapes()
        self.books = [
            self._books[a:z] for a, z in self._at[:, [engine.BOOK, engine.BOOK_END]].tolist()
        ]
        self.states = [
            self._states[a:z] for a, z in self._at[:, [engine.STATE, engine.STATE_END]].tolist()
        ]
        self._rows = np.zeros((RECORD_ROWS, MARKET_WORDS), np.int64)
        self._words = np.zeros((RECORD_ROWS, WORDS), np.int64)
        self._counts = np.zeros(2, np.int64)
        began_ns = [spec.began_ns for spec in self.specs]
        self.began_ns = max(*began_ns, *(int(k[sim.NOW]) for k in self.states), 0)
        """The moment that all have reached; from here on client orders matter and rows are stored."""
        self._run_unseen(self.began_ns)

    def _lay(self, parts: Sequence[NDArray[S]], column: int) -> NDArray[S]:
        ends = np.cumsum([len(part) for part in parts])
        self._at[:, column + 1] = ends
        self._at[1:, column] = ends[:-1]
        return np.concatenate(parts)

    def _lay_tapes(self) -> Ints:
        """Concatenated tapes of all sources; a single one is not copied."""
        tapes: dict[int, Ints] = {id(spec.source.tape): spec.source.tape for spec in self.specs}
        start, starts = 0, {}
        for key, tape in tapes.items():
            starts[key] = start
            start += len(tape)
        for i, spec in enumerate(self.specs):
            first = starts[id(spec.source.tape)]
            self._at[i, [engine.TAPE, engine.TAPE_END]] = first, first + len(spec.source.tape)
        return (
            next(iter(tapes.values())) if len(tapes) == 1 else np.concatenate(list(tapes.values()))
        )

    def feed(self, market: int, rows: Ints) -> None:
        """Append rows to the tape of a market, behind those that it has not played: int64 (n, TAPE_WORDS), by time."""
        parts = []
        for i, k in enumerate(self.states):
            first = int(self._at[i, engine.TAPE])
            parts.append(self._tape[first + int(k[sim.CURSOR]) : first + int(k[sim.CURSOR_END])])
        parts[market] = np.concatenate((parts[market], rows))
        start = 0
        for i, (part, k) in enumerate(zip(parts, self.states, strict=True)):
            self._at[i, [engine.TAPE, engine.TAPE_END]] = start, start + len(part)
            k[[sim.CURSOR, sim.CURSOR_END]] = 0, len(part)
            k[sim.FLOW_NS] = part[0, sim.T_NS] if len(part) else FOREVER_NS
            start += len(part)
        self._tape = np.concatenate(parts)

    def _run_unseen(self, until_ns: int) -> None:
        """Advance to a time without publishing."""
        while self.pass_time(until_ns):
            for i in range(len(self.names)):
                self._at[i, engine.DRAINED] = self.states[i][sim.RECORD]
        for i, k in enumerate(self.states):
            k[sim.RECORD] = self._at[i, engine.DRAINED] = 0
            k[sim.ATTENTIVE] = 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a market is, by name; :meth:`begin_again` takes them."""
        return {"at": self._at, "books": self._books, "states": self._states, "flows": self._flows}

    def begin_again(self, stored: Mapping[str, NDArray[Any]], until_ns: int) -> None:
        """Restore stored arrays, without the clients' orders in them, and advance to a time without publishing.

        Raises
        ------
        ConfigError
            Arrays of other markets.
        """
        for name, array in self.arrays().items():
            if stored[name].shape != array.shape or (
                name == "at" and (stored[name] != array)[:, : engine.DRAINED].any()
            ):
                raise ConfigError(
                    "the markets that were stored",
                    "others",
                    "name them as before, or another folder",
                )
            array[:] = stored[name]
        for market, b in enumerate(self.books):
            first, own = int(b[lay.AT_LEDGER]) + lay.STATE, int(b[lay.OWN])
            for place in np.flatnonzero(
                b[first : first + own * lay.LEDGER : lay.LEDGER] != lay.FREE_SLOT
            ):
                self.enter_cancel(market, int(place), int(NO_ASK))
        self._run_unseen(until_ns)

    def pass_time(self, until_ns: int) -> int:
        """Advance the markets; returns the bits WORD and FULL of `lockstep.pass_time`."""
        return engine.pass_time(
            self._books, self._states, self._flows, self._tape, self._at, until_ns
        )

    def enter_new(
        self, market: int, place: int, side: int, price: int, lots: int, immediate: bool
    ) -> None:
        """Enter a client's order under a free ledger place."""
        engine.enter_new(
            self._books,
            self._states,
            self._flows,
            self._at,
            market,
            place,
            side,
            price,
            lots,
            immediate,
        )

    def enter_cancel(self, market: int, place: int, lots: int) -> None:
        """Reduce a client's resting order; the rest keeps its queue position."""
        engine.enter_cancel(self._books, self._states, self._flows, self._at, market, place, lots)

    def try_new(self, market: int, side: int, price: int, lots: int) -> list[tuple[int, int, int]]:
        """Price and lots of every fill that an immediate order would have now, and the number of the client order that it
        meets, else -1; nothing changes.

        Raises
        ------
        CapacityError
            It would move the market further than the record of one moment keeps.
        """
        books, states, place = self._books.copy(), self._states.copy(), self.free_place(market)
        if place < 0:
            return []
        engine.enter_new(
            books, states, self._flows, self._at, market, place, side, price, lots, True
        )
        k = states[slice(*self._at[market, [engine.STATE, engine.STATE_END]].tolist())]
        since, upto = int(self.states[market][sim.RECORD]), int(k[sim.RECORD])
        if upto - since > RECORD_ROWS:
            raise CapacityError(
                f"at most {RECORD_ROWS} rows in a moment", f"{upto - since}", "send a smaller order"
            )
        first = int(k[sim.RECORD_AT])
        record = k[first : first + RECORD_ROWS * sim.RECORD_WORDS].reshape(
            RECORD_ROWS, sim.RECORD_WORDS
        )
        rows = record[np.arange(since, upto) % RECORD_ROWS]
        taken = (rows[:, sim.R_KIND] == sim.OWN_FILL) & (rows[:, sim.R_WHO] == place)
        met = np.roll(rows, 1, axis=0)  # the resting order's row is before the taker's
        number = self.books[market][lay.ORDERS] + met[:, sim.R_WHO]
        rows[:, sim.R_WHO] = np.where(met[:, sim.R_KIND] == sim.OWN_FILL, number, -1)
        columns = [sim.R_PRICE, sim.R_LOTS, sim.R_WHO]
        return [(paid, part, who) for paid, part, who in rows[taken][:, columns].tolist()]

    def free_place(self, market: int) -> int:
        """A ledger place for a new client order, -1 when all are taken."""
        b = self.books[market]
        first = int(b[lay.AT_LEDGER]) + lay.STATE
        states = b[first : first + int(b[lay.OWN]) * lay.LEDGER : lay.LEDGER]
        place = int((states == lay.FREE_SLOT).argmax())
        return place if states[place] == lay.FREE_SLOT else -1

    def change(self, market: int, regime: RegimeChange) -> None:
        """Switch to another regime from the next event on."""
        first, end = self._at[market, [engine.FLOW, engine.FLOW_END]]
        if regime.flow is not None:
            self._flows[first:end] = regime.flow
        if regime.factors is not None:
            impose(self.states[market], regime.factors)

    def published(self, market: int, aggressor: int = -1) -> tuple[Ints, Ints]:
        """New market data, int64 (n, MARKET_WORDS), and new reports on client orders, int64 (m, WORDS).

        Raises
        ------
        CapacityError
            When one moment wrote more than the record keeps.
        """
        k, since = self.states[market], int(self._at[market, engine.DRAINED])
        if k[sim.RECORD] == since:
            return self._rows[:0], self._words[:0]
        if k[sim.RECORD] - since > RECORD_ROWS:
            raise CapacityError(
                f"at most {RECORD_ROWS} rows in a moment",
                f"{k[sim.RECORD] - since}",
                "raise RECORD_ROWS",
            )
        self._at[market, engine.DRAINED] = k[sim.RECORD]
        publish(self.books[market], k, since, aggressor, self._rows, self._words, self._counts)
        return self._rows[: self._counts[0]].copy(), self._words[: self._counts[1]].copy()

    def snapshot(self, market: int) -> MarketRows:
        """Book snapshot: trading status, then every order by priority. Publish new rows first.

        Of a tape of level totals the last totals, and clients' orders.
        """
        b, k = self.books[market], self.states[market]
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
        rows = np.full((len(slots) + 1, MARKET_WORDS), -1, np.int64)
        rows[:, M_NS] = k[sim.NOW]
        rows[0, 1:] = STATUS, 0, 0, -1 if k[sim.HALTED] else 1, 0, -1
        rows[1:, M_KIND] = np.where(
            slots >= b[lay.ORDERS] if by_level else orders[slots, lay.FLAGS] & lay.ANONYMOUS == 0,
            ADD,
            LEVEL_SET if by_level else ROLL_IN,
        )
        rows[1:, M_ID] = slots
        rows[1:, M_SIDE], rows[1:, M_PRICE], rows[1:, M_LOTS] = (
            orders[slots, lay.SIDE],
            orders[slots, lay.PRICE],
            lots[slots],
        )
        return MarketRows(self.names[market], rows, snapshot=True)

    def listing(self, market: int) -> Listing:
        """Listing of an instrument: tick, lot and times."""
        spec, b = self.specs[market], self.books[market]
        return Listing(
            self.names[market],
            spec.source.tick,
            spec.source.lot,
            spec.volume_per_s,
            int(b[lay.ORDERS] + b[lay.OWN]),
            self.began_ns,
            spec.source.answers,
            *spec.source.fees.words(spec.source.tick),
            part=spec.part,
            currency=spec.currency,
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


CLOCK, MARKET, ORDERS = "clock", "market.npz", "orders.db"
_EVERY_NS: Final = 300 * NS_PER_SECOND
"""Time of the exchange between two copies of its market."""


class ExchangeFolder:
    """The folder of an exchange.

    Parameters
    ----------
    folder : Path
        Made if need be.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.orders = folder / ORDERS
        """The database of its orders (`OrderRecord`)."""
        self._market = folder / MARKET
        self._saved_ns = 0
        with (folder / CLOCK).open("a+b") as file:
            file.truncate(struct.calcsize("q"))
            self._clock = mmap.mmap(file.fileno(), struct.calcsize("q"))

    def load(self, markets: Markets) -> int:
        """Put markets where they were, moved on to the time that the exchange had come to, ns; 0: nothing is stored.

        Raises
        ------
        ConfigError
            A folder of other markets.
        """
        (now_ns,) = struct.unpack("q", self._clock[:])
        if not self._market.exists():
            return 0
        with np.load(self._market) as stored:
            markets.begin_again(stored, now_ns)
        return int(now_ns)

    def save(self, markets: Markets, now_ns: int) -> None:
        """Keep the time, and every five minutes of it the market."""
        self._clock[:] = struct.pack("q", now_ns)
        if not self._saved_ns or now_ns - self._saved_ns >= _EVERY_NS:
            self._saved_ns = now_ns
            with atomic_path(self._market) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **markets.arrays())
