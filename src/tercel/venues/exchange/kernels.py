"""What the exchange adds to the simulator: several markets in one time, client commands, and rows for the public.

The markets of an exchange lie one behind the other in one book array, one state array, one array of flow parameters
and one tape; `at` says where. Client orders are the "own" orders of the batch, whoever's they are.
"""

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.orders import M_AGGRESSOR, M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import free_if_over, own_dead
from tercel.market.simulator.engine import flow_event
from tercel.market.simulator.entry import arrive_new
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE, REDUCE, ROLL_IN, ROLL_OUT

# -- where a market lies: columns of `at`, int64 (n, AT_WORDS) ---------------------------------------------------------
BOOK = 0
BOOK_END = 1
STATE = 2
STATE_END = 3
FLOW = 4
FLOW_END = 5
TAPE = 6
TAPE_END = 7
DRAINED = 8  # rows of its record that were handed out
AT_WORDS = 9

# -- why time stopped: bits -------------------------------------------------------------------------------------------
WORD = 1  # client orders traded, or a halt began or ended
FULL = 2  # a record must be handed out first

WORDS = sim.RECORD_WORDS + 1
"""A word on a client order: its record row, and how many public rows come before it."""


@kernel
def forgot(b: Packed, k: Longs) -> bool:
    """Whether the market's last row took orders away by level, with client orders about that stay."""
    if b[lay.OWN_RESTING] == 0 or k[sim.RECORD] == 0:
        return False
    last = k[sim.RECORD_AT] + ((k[sim.RECORD] - 1) % k[sim.RECORD_ROWS]) * sim.RECORD_WORDS
    return bool(k[last + sim.R_KIND] == ROLL_OUT or k[last + sim.R_KIND] == CLEAR)


@kernel
def show_again(b: Packed, ns: int, side: int, price: int, rows: Longs, n: int) -> int:
    """ADD rows, by priority, of client orders that stay where a row forgot a level (side 0: every level)."""
    last = -1
    while True:
        found, arrival = -1, -1
        for i in range(int(b[lay.OWN])):
            o = lay.HEADER + (b[lay.ORDERS] + i) * lay.ORDER
            there = side == 0 or (b[o + lay.SIDE] == side and b[o + lay.PRICE] == price)
            if b[o + lay.QTY] > 0 and there and b[o + lay.ARR] > last and (found < 0 or b[o + lay.ARR] < arrival):
                found, arrival = b[lay.ORDERS] + i, b[o + lay.ARR]
        if found < 0:
            return n
        o = lay.HEADER + found * lay.ORDER
        show(rows[n], ns, ADD, found, b[o + lay.SIDE], b[o + lay.PRICE], b[o + lay.QTY], -1)
        last = arrival
        n += 1


@kernel
def show(row: Longs, ns: int, kind: int, who: int, side: int, price: int, lots: int, aggressor: int) -> None:
    """Write one row of market data."""
    row[M_NS] = ns
    row[M_KIND] = kind
    row[M_ID] = who
    row[M_SIDE] = side
    row[M_PRICE] = price
    row[M_LOTS] = lots
    row[M_AGGRESSOR] = aggressor


@kernel
def pass_time(bs: Packed, ks: Longs, flows: Floats, tape: Longs, at: Longs, until: int) -> int:
    """Let all markets run, in order of time, up to and with `until` or to the end of the first moment with a WORD."""
    stop = until
    why = 0
    while True:
        first, when = -1, FOREVER_NS
        for i in range(at.shape[0]):
            ns = ks[at[i, STATE] + sim.FLOW_NS]
            if ns < when:
                first, when = i, ns
        if first < 0 or when > stop:
            break
        b, k = bs[at[first, BOOK] : at[first, BOOK_END]], ks[at[first, STATE] : at[first, STATE_END]]
        halted = k[sim.HALTED]
        k[sim.NOW] = when
        flow_event(
            b, k, flows[at[first, FLOW] : at[first, FLOW_END]], tape[at[first, TAPE] : at[first, TAPE_END]]
        )  # fmt: skip
        if k[sim.ATTENTION] != 0 or k[sim.HALTED] != halted:
            k[sim.ATTENTION] = 0
            why = WORD
            stop = when
        if k[sim.RECORD] - at[first, DRAINED] >= k[sim.RECORD_ROWS] // 2 or forgot(b, k):
            why |= FULL
            stop = when
            break
    for i in range(at.shape[0]):
        ks[at[i, STATE] + sim.NOW] = max(ks[at[i, STATE] + sim.NOW], stop)
    return why


@kernel
def enter_new(b: Packed, k: Longs, own: int, side: int, price: int, lots: int, immediate: bool) -> None:
    """A client's order arrives under ledger place `own`."""
    led = b[lay.AT_LEDGER] + own * lay.LEDGER
    b[led + lay.STATE] = lay.IN_FLIGHT
    b[led + lay.OPEN] = lots
    b[led + lay.PENDING_CANCEL] = 0
    b[led + lay.AHEAD] = 0
    b[led + lay.AHEAD_STATE] = lay.AHEAD_KNOWN
    b[led + lay.OWN_PRICE] = price
    b[led + lay.OWN_SIDE] = side
    b[led + lay.SENT] = k[sim.OWN_SEQUENCE]
    k[sim.OWN_SEQUENCE] += 1
    arrive_new(b, k, own, price, lots, sim.IMMEDIATE if immediate else 0)
    free_if_over(b, own)
    k[sim.ATTENTION] = 0


@kernel
def enter_cancel(b: Packed, k: Longs, own: int, lots: int) -> None:
    """A client takes lots of a resting order back; it keeps its place."""
    own_dead(b, k, own, min(lots, b[lay.HEADER + (b[lay.ORDERS] + own) * lay.ORDER + lay.QTY]), 0)
    k[sim.ATTENTION] = 0


@kernel
def free_place(b: Packed) -> int:
    """A ledger place for a new client order, -1 when all are taken."""
    for i in range(int(b[lay.OWN])):
        if b[b[lay.AT_LEDGER] + i * lay.LEDGER + lay.STATE] == lay.FREE_SLOT:
            return i
    return -1


@kernel
def publish(b: Packed, k: Longs, since: int, aggressor: int, rows: Longs, words: Longs, counts: Longs) -> None:
    """Record rows from number `since` on as market data and words on client orders.

    Parameters
    ----------
    aggressor : int
        Public number of the client order that is arriving, -1 when the market itself moves.
    rows : int64 (r, MARKET_WORDS)
        Out: what everybody sees.
    words : int64 (w, WORDS)
        Out: rows on client orders, and after how many of `rows` each comes.
    counts : int64 (2,)
        Out: rows, words.
    """
    n = 0
    m = 0
    for r in range(since, k[sim.RECORD]):
        c = k[sim.RECORD_AT] + (r % k[sim.RECORD_ROWS]) * sim.RECORD_WORDS
        kind, who, lots = k[c + sim.R_KIND], k[c + sim.R_WHO], k[c + sim.R_LOTS]
        client = kind == sim.OWN_REST or kind == sim.OWN_FILL or kind == sim.OWN_DEAD
        public = not client
        side, price, shown = k[c + sim.R_SIDE], k[c + sim.R_PRICE], kind
        if client:
            o = lay.HEADER + (b[lay.ORDERS] + who) * lay.ORDER
            side = b[b[lay.AT_LEDGER] + who * lay.LEDGER + lay.OWN_SIDE]
            if kind == sim.OWN_REST:
                public, shown = True, ADD
            elif kind == sim.OWN_FILL:
                public, shown = k[c + sim.R_SIDE] & 1 != 0, EXECUTE
            elif aggressor < 0 and lots > 0:  # not the dropped rest of an order that is arriving
                public, shown, price = True, (REDUCE if b[o + lay.QTY] > 0 else DELETE), b[o + lay.PRICE]
        if public:
            number = b[lay.ORDERS] + who if client else who
            show(rows[n], k[c + sim.R_NS], shown, number, side, price, lots, aggressor if shown == EXECUTE else -1)
            n += 1
        if shown == ROLL_OUT or shown == CLEAR:
            n = show_again(b, k[c + sim.R_NS], side, price, rows, n)
        if client:
            for j in range(sim.RECORD_WORDS):
                words[m, j] = k[c + j]
            words[m, sim.RECORD_WORDS] = n
            m += 1
    counts[0] = n
    counts[1] = m


@kernel
def show_orders(b: Packed, ns: int, rows: Longs, arrival: Longs) -> int:
    """Every resting order as an ADD row, anonymous blocks as ROLL_IN rows, with their arrival numbers; how many."""
    n = 0
    for slot in range(int(b[lay.ORDERS]) + 2 * int(b[lay.OWN])):
        o = lay.HEADER + slot * lay.ORDER
        if b[o + lay.QTY] == 0:
            continue
        kind = ROLL_IN if b[o + lay.FLAGS] & lay.ANONYMOUS else ADD
        show(rows[n], ns, kind, slot, b[o + lay.SIDE], b[o + lay.PRICE], b[o + lay.QTY], -1)
        arrival[n] = b[o + lay.ARR]
        n += 1
    return n
