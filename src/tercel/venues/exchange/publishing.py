"""Kernels that turn a market's record rows into market data and reports on client orders."""

from tercel.core.jit import Longs, Packed, kernel, load_fixed
from tercel.core.orders import M_AGGRESSOR, M_ID, M_KIND, M_LOTS, M_NS, M_PRICE, M_SIDE
from tercel.market.book import layout as lay
from tercel.market.book.book_records import ledger_at, own_order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import recorded_at, row_at, state_at
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE, REDUCE, ROLL_OUT, STATUS

REPORT_WORDS = sim.RECORD_WORDS + 1
"""A report on a client order: its record row, and how many public rows come before it."""


@kernel
def lots_at_row(b: Packed, k: Longs, row: int, own_index: int, arriving: int) -> int:
    """Lots of a resting client order at the time record row `row` was written.

    The order that is arriving rests when all is done, if at all; of the others it may have taken lots since.
    """
    if load_fixed(b, lay.ORDERS) + own_index == arriving:
        return 0
    lots = int(own_order_at(b, own_index).qty)
    for later_row in range(row + 1, state_at(k).record):
        record = recorded_at(k, later_row)
        if record.kind == sim.OWN_FILL and record.who == own_index and record.side & 1 != 0:
            lots += record.lots
    return lots


@kernel
def find_aggressor(b: Packed, k: Longs, row: int, arriving: int) -> int:
    """Aggressor of the execution in record row `row`: the `arriving` client order if its own fill comes next, else -1."""
    if arriving < 0 or row + 1 >= state_at(k).record:
        return -1
    record = recorded_at(k, row + 1)
    takes = record.kind == sim.OWN_FILL and load_fixed(b, lay.ORDERS) + record.who == arriving
    return arriving if takes and record.side & 1 == 0 else -1


@kernel
def republish_orders(
    b: Packed,
    k: Longs,
    row: int,
    arriving: int,
    ns: int,
    side: int,
    price: int,
    rows: Longs,
    row_count: int,
) -> int:
    """Write ADD rows from `row_count` on, lots as of record row `row`, for client orders on a level that it cleared (side
    0: every level), by priority, without the one `arriving`; returns the new count.
    """
    last = -1
    while True:
        next_index = -1
        arrival = -1
        for index in range(int(load_fixed(b, lay.OWN))):
            order = own_order_at(b, index)
            on_level = side == 0 or (order.side == side and order.price == price)
            if on_level and order.arrival > last and (next_index < 0 or order.arrival < arrival):
                if lots_at_row(b, k, row, index, arriving) > 0:
                    next_index = index
                    arrival = order.arrival
        if next_index < 0:
            return row_count
        order = own_order_at(b, next_index)
        lots = lots_at_row(b, k, row, next_index, arriving)
        write_row(
            rows[row_count],
            ns,
            ADD,
            load_fixed(b, lay.ORDERS) + next_index,
            order.side,
            order.price,
            lots,
            -1,
        )
        last = arrival
        row_count += 1


@kernel
def republish_shifted(
    b: Packed, k: Longs, row: int, arriving: int, ns: int, rows: Longs, row_count: int
) -> int:
    """Write DELETE rows, then ADD rows at the same prices, for client orders after a translation (row `row`) moved the
    books; returns the new `row_count`.

    The owner of an order knows that it stayed, and skips these rows.
    """
    for index in range(int(load_fixed(b, lay.OWN))):
        order = own_order_at(b, index)
        lots = lots_at_row(b, k, row, index, arriving)
        if lots > 0:
            write_row(
                rows[row_count],
                ns,
                DELETE,
                load_fixed(b, lay.ORDERS) + index,
                order.side,
                order.price,
                lots,
                -1,
            )
            row_count += 1
    return republish_orders(b, k, row, arriving, ns, 0, 0, rows, row_count)


@kernel
def write_row(
    row: Longs, ns: int, kind: int, who: int, side: int, price: int, lots: int, aggressor: int
) -> None:
    """Write one market-data row into `row`."""
    row[M_NS] = ns
    row[M_KIND] = kind
    row[M_ID] = who
    row[M_SIDE] = side
    row[M_PRICE] = price
    row[M_LOTS] = lots
    row[M_AGGRESSOR] = aggressor


@kernel
def publish(
    b: Packed, k: Longs, since: int, arriving: int, rows: Longs, reports: Longs, counts: Longs
) -> None:
    """Publish record rows from number `since` on as market data and reports on client orders.

    Parameters
    ----------
    arriving : int
        Public number of the client order that is arriving, -1 when the market itself moves.
    rows : int64 (r, MARKET_COLUMNS)
        Out: what everybody sees.
    reports : int64 (w, REPORT_WORDS)
        Out: rows on client orders, and after how many of `rows` each comes.
    counts : int64 (2,)
        Out: market data, reports.
    """
    row_count = 0
    report_count = 0
    for row in range(since, state_at(k).record):
        record = recorded_at(k, row)
        kind = record.kind
        who = record.who
        lots = record.lots
        if kind == sim.REGIME_IS:  # no account is notified
            continue
        if kind == STATUS:  # whoever is told of a break has its rules, and knows its length
            lots = 0
        client = kind == sim.OWN_REST or kind == sim.OWN_FILL or kind == sim.OWN_DEAD
        public = not client
        side = record.side
        price = record.price
        public_kind = kind
        if client:
            order = own_order_at(b, who)
            side = ledger_at(b, who).side
            if kind == sim.OWN_REST:
                public = True
                public_kind = ADD
            elif kind == sim.OWN_FILL:
                public = record.side & 1 != 0
                public_kind = EXECUTE
            elif arriving < 0 and lots > 0:  # not the dropped rest of an order that is arriving
                public = True
                public_kind = REDUCE if order.qty > 0 else DELETE
                price = order.price
        if public:
            number = load_fixed(b, lay.ORDERS) + who if client else who
            aggressor_number = find_aggressor(b, k, row, arriving) if public_kind == EXECUTE else -1
            write_row(
                rows[row_count], record.ns, public_kind, number, side, price, lots, aggressor_number
            )
            row_count += 1
        if public_kind == ROLL_OUT or public_kind == CLEAR:
            row_count = republish_orders(
                b, k, row, arriving, record.ns, side, price, rows, row_count
            )
        if public_kind == sim.SHIFTED:
            row_count = republish_shifted(b, k, row, arriving, record.ns, rows, row_count)
        if client:
            report = row_at(reports[report_count], 0)
            report.ns = record.ns
            report.kind = record.kind
            report.who = record.who
            report.side = record.side
            report.price = record.price
            report.lots = record.lots
            report.mid2 = record.mid2
            report.touch2 = record.touch2
            reports[report_count, sim.RECORD_WORDS] = row_count
            report_count += 1
    counts[0] = row_count
    counts[1] = report_count
