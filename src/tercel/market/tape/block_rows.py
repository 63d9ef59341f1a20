"""Rows of a resampled day: those of real blocks, moved in time and price, and those that turn one book into another."""

from tercel.core.jit import Longs, kernel
from tercel.market.tape import schema
from tercel.market.tape.compiled import ROW, emit
from tercel.market.tape.events import Events

NS, KIND, _SLOT, _SIDE, _PRICE, _LOTS = range(ROW)
# Of an order of the day that is made, by its number.
OWN_SIDE, OWN_PRICE, OWN_LEFT = range(3)


@kernel
def apply_row(rows: Longs, i: int, book: Longs) -> None:
    """Apply one compiled row to a table of orders, int64 (slots, 4): side, price, lots left, the row that added it."""
    kind = rows[i, KIND]
    slot = rows[i, _SLOT]
    if kind == schema.ADD:
        book[slot, 0] = rows[i, _SIDE]
        book[slot, 1] = rows[i, _PRICE]
        book[slot, 2] = rows[i, _LOTS]
        book[slot, 3] = i
    elif kind == schema.CLEAR:
        book[:, 2] = 0
    elif slot >= 0 and (kind == schema.REDUCE or kind == schema.DELETE or kind == schema.EXECUTE):
        book[slot, 2] -= min(rows[i, _LOTS], book[slot, 2])


@kernel
def _level_end(orders: Longs, i: int) -> int:
    """One past the last order of the level that begins at `i`."""
    j = i + 1
    while j < orders.shape[0] and orders[j, 1] == orders[i, 1] and orders[j, 2] == orders[i, 2]:
        j += 1
    return j


@kernel
def _precedes(a: Longs, i: int, b: Longs, j: int) -> bool:
    """Whether the level of `a[i]` comes before that of `b[j]`."""
    return bool(a[i, 1] < b[j, 1] or (a[i, 1] == b[j, 1] and a[i, 2] < b[j, 2]))


@kernel
def _level_lots(orders: Longs, i: int, j: int) -> int:
    """Sum of the lots of orders `i` up to before `j`."""
    total = 0
    for n in range(i, j):
        total += orders[n, 3]
    return total


@kernel
def join_books(
    resting: Longs,
    incoming: Longs,
    ns: int,
    orders: Longs,
    n_orders: int,
    pieces: Longs,
    ends: Longs,
    out_rows: Longs,
) -> tuple[int, int, int]:
    """Write rows that turn one book into another at `ns`; how many rows, orders and pieces there are then.
    Fills `pieces` and `ends`; the lots of `resting` are used up.

    Parameters
    ----------
    resting, incoming : int64 (n, 4)
        Number (slot of `incoming`), side, price and lots of the orders of both books, by side, price and place in the
        queue.
    orders : int64 (orders, 3)
        Side, price and lots left of every order of the day that is made, by number; `n_orders` of them are there.
    pieces : int64 (pieces, 2)
        Number and lots: what carries on the orders that come. Those of a slot are `[ends[slot, 0], ends[slot, 1])`.
    out_rows : int64 (rows, 6)
        The rows: cancels first, so that the book never crosses.
    """
    n_rows = emit(out_rows, 0, ns, schema.STATUS, -1, 0, -1, 0)
    i, j = 0, 0
    while i < resting.shape[0]:
        end = _level_end(resting, i)
        while j < incoming.shape[0] and _precedes(incoming, j, resting, i):
            j = _level_end(incoming, j)
        wanted = 0
        if j < incoming.shape[0] and not _precedes(resting, i, incoming, j):
            wanted = _level_lots(incoming, j, _level_end(incoming, j))
        excess = _level_lots(resting, i, end) - wanted
        n = end - 1
        while excess > 0:
            removed = min(excess, resting[n, 3])
            resting[n, 3] -= removed
            orders[resting[n, 0], OWN_LEFT] -= removed
            kind = schema.DELETE if resting[n, 3] == 0 else schema.REDUCE
            n_rows = emit(
                out_rows, n_rows, ns, kind, resting[n, 0], resting[n, 1], resting[n, 2], removed
            )
            excess -= removed
            n -= 1
        i = end
    i = 0
    j = 0
    n_pieces = 0
    while j < incoming.shape[0]:
        end = _level_end(incoming, j)
        while i < resting.shape[0] and _precedes(resting, i, incoming, j):
            i = _level_end(resting, i)
        stop = (
            _level_end(resting, i)
            if i < resting.shape[0] and not _precedes(incoming, j, resting, i)
            else i
        )
        missing = _level_lots(incoming, j, end) - _level_lots(resting, i, stop)
        if missing > 0:
            orders[n_orders, OWN_SIDE] = incoming[j, 1]
            orders[n_orders, OWN_PRICE] = incoming[j, 2]
            orders[n_orders, OWN_LEFT] = missing
            n_rows = emit(
                out_rows, n_rows, ns, schema.ADD, n_orders, incoming[j, 1], incoming[j, 2], missing
            )
        for n in range(j, end):
            wanted = incoming[n, 3]
            ends[incoming[n, 0], 0] = n_pieces
            while wanted > 0:
                while i < stop and resting[i, 3] == 0:
                    i += 1
                number, available = (
                    (resting[i, 0], resting[i, 3]) if i < stop else (n_orders, missing)
                )
                lots = min(wanted, available)
                pieces[n_pieces, 0], pieces[n_pieces, 1] = number, lots
                n_pieces += 1
                wanted -= lots
                if i < stop:
                    resting[i, 3] -= lots
                else:
                    missing -= lots
            ends[incoming[n, 0], 1] = n_pieces
        if orders[n_orders, OWN_LEFT] > 0:
            n_orders += 1
        i, j = stop, end
    return emit(out_rows, n_rows, ns, schema.STATUS, -1, 0, 1, 0), n_orders, n_pieces


@kernel
def _reduce_order(
    orders: Longs, number: int, lots: int, kind: int, ns: int, out_rows: Longs, n_rows: int
) -> int:
    """Write the row that takes up to `lots` of an order, no row if it has none left; returns the place of the next row."""
    removed = min(lots, orders[number, OWN_LEFT])
    if removed <= 0:
        return n_rows
    orders[number, OWN_LEFT] -= removed
    if kind != schema.EXECUTE:
        kind = schema.DELETE if orders[number, OWN_LEFT] == 0 else schema.REDUCE
    return emit(
        out_rows,
        n_rows,
        ns,
        kind,
        number,
        orders[number, OWN_SIDE],
        orders[number, OWN_PRICE],
        removed,
    )


@kernel
def write_rows(
    rows: Longs,
    first: int,
    last: int,
    shift_ns: int,
    shift_ticks: int,
    number_of: Longs,
    orders: Longs,
    n_orders: int,
    pieces: Longs,
    ends: Longs,
    out_rows: Longs,
    n_rows: int,
) -> tuple[int, int]:
    """Write rows `[first, last)` of a real day, moved in time and price, to `out_rows`; how many rows and orders there are."""
    for i in range(first, last):
        kind = rows[i, KIND]
        slot = rows[i, _SLOT]
        ns = rows[i, NS] + shift_ns
        if kind == schema.ADD:
            orders[n_orders, OWN_SIDE] = rows[i, _SIDE]
            orders[n_orders, OWN_LEFT] = rows[i, _LOTS]
            orders[n_orders, OWN_PRICE] = max(rows[i, _PRICE] + shift_ticks, 1)
            number_of[slot] = n_orders
            ends[slot, 0] = 0
            ends[slot, 1] = 0
            n_rows = emit(
                out_rows,
                n_rows,
                ns,
                kind,
                n_orders,
                orders[n_orders, OWN_SIDE],
                orders[n_orders, OWN_PRICE],
                orders[n_orders, OWN_LEFT],
            )
            n_orders += 1
        elif kind == schema.CLEAR:
            orders[:n_orders, OWN_LEFT] = 0
            n_rows = emit(out_rows, n_rows, ns, kind, -1, 0, 0, 0)
        elif kind == schema.STATUS:
            n_rows = emit(out_rows, n_rows, ns, kind, -1, 0, rows[i, _PRICE], 0)
        elif slot < 0:
            if kind == schema.EXECUTE or kind == schema.TRADE_HIDDEN:
                price = max(rows[i, _PRICE] + shift_ticks, 1)
                n_rows = emit(out_rows, n_rows, ns, kind, -1, rows[i, _SIDE], price, rows[i, _LOTS])
        elif ends[slot, 0] == ends[slot, 1]:
            if number_of[slot] >= 0:
                n_rows = _reduce_order(
                    orders, number_of[slot], rows[i, _LOTS], kind, ns, out_rows, n_rows
                )
        else:
            remaining = rows[i, _LOTS]
            while remaining > 0 and ends[slot, 0] < ends[slot, 1]:
                n = ends[slot, 0] if kind == schema.EXECUTE else ends[slot, 1] - 1
                removed = min(remaining, pieces[n, 1])
                n_rows = _reduce_order(orders, pieces[n, 0], removed, kind, ns, out_rows, n_rows)
                pieces[n, 1] -= removed
                remaining -= removed
                if pieces[n, 1] == 0 and kind == schema.EXECUTE:
                    ends[slot, 0] += 1
                elif pieces[n, 1] == 0:
                    ends[slot, 1] -= 1
            if ends[slot, 0] == ends[slot, 1]:
                number_of[slot] = -1
    return n_rows, n_orders


def as_events(rows: Longs) -> Events:
    """Rows whose slot is the number of an order as a tape."""
    columns = (rows[:, column] for column in (_SIDE, _PRICE, _LOTS))
    return Events.of_messages(rows[:, NS], rows[:, KIND], rows[:, _SLOT] + 1, *columns)
