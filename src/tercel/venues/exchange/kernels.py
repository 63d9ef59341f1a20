"""Kernels that turn a market's record rows into market data and reports on client orders.

Client orders are the "own" orders of the batch, of all accounts.
"""

from tercel.core.jit import Longs, Packed, fixed, kernel
from tercel.core.orders import M_AGGRESSOR, M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE
from tercel.market.book import layout as lay
from tercel.market.book.ladder import ledger_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import recorded_at, row_at, state_at
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE, REDUCE, ROLL_OUT

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
