"""A small random day, recorded order by order, whose book is never crossed."""

import numpy as np

from tercel.core.vocabulary import ADD, DELETE, EXECUTE, NS_PER_SECOND, REDUCE, TRADE_HIDDEN
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.local_times import midnight_ns
from tercel.market.tape.schema import MESSAGE_END

SYMBOL, DATE = "TOY", "2012-06-21"
OPEN = midnight_ns(DATE, "America/New_York") + 34_200 * NS_PER_SECOND
CLOSE = OPEN + 3 * 3600 * NS_PER_SECOND


def random_rows(seed, n):
    """Kind, id, side, ticks, lots of messages: orders come, shrink, leave and are executed from the front."""
    dice = np.random.default_rng(seed)
    orders, rows, mid = {}, [], 1000
    for number in range(1, n + 1):
        side = int(dice.choice([1, -1]))
        mine = {key: one for key, one in orders.items() if one[0] == side}
        doing = dice.random() if len(mine) > 8 else 0.0
        if doing < 0.45:
            ticks = mid - side * int(dice.integers(1, 6))
            orders[number] = [side, ticks, 100 * int(dice.integers(1, 8))]
            rows.append((ADD, number, *orders[number]))
            continue
        best = max(one[1] * side for one in mine.values())
        front = min(key for key, one in mine.items() if one[1] * side == best)
        key = front if doing > 0.8 else int(dice.choice(list(mine)))
        had = orders[key][2]
        if doing > 0.97:
            rows.append((TRADE_HIDDEN, 0, side, mid, 50))
            continue
        lots = min(had, 50 * int(dice.integers(1, 10)))
        kind = EXECUTE if doing > 0.8 else DELETE if lots == had else REDUCE
        rows.append((kind, key, side, orders[key][1], lots))
        orders[key][2] -= lots
        if not orders[key][2]:
            del orders[key]
    return rows, orders


def lake_of(folder, seed=1, n=6000):
    """A lake with that day, and the orders that stand in its book at the end, by id."""
    rows, left = random_rows(seed, n)
    events = Events.empty(n)
    kinds, keys, sides, ticks, lots = (np.array(column) for column in zip(*rows, strict=True))
    for name, column in (
        ("kind", kinds), ("order_id", keys), ("side", sides), ("price_ticks", ticks), ("qty_lots", lots)
    ):  # fmt: skip
        getattr(events, name)[:] = column
    dice = np.random.default_rng(seed + 1)
    events.exch_ns[:] = events.recv_ns[:] = np.sort(dice.integers(OPEN, CLOSE, n))
    events.seq[:] = np.arange(1, n + 1)
    events.flags[:] = MESSAGE_END
    instrument = Instrument(
        "NASDAQ", SYMBOL, DATE, 0.01, session_open_ns=OPEN, session_close_ns=CLOSE
    )
    Lake(folder).write(instrument, events)
    return left
