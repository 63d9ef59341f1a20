"""The tape's queues at the best prices: number of orders, and the cancel weight of each.

Orders are known from their coming on. What shows more lots than they have came before all of them: it counts as one
order, of the oldest class, and is executed first.
"""

from dataclasses import dataclass

import numpy as np

from tercel.core.jit import Floats, Longs, kernel
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.observed import Observed

_PREV, _NEXT, _LEFT, _AT, _BORN, _LINKS = range(6)
_HEAD, _TAIL, _COUNT, _LOTS, _ENDS = range(5)


@dataclass(frozen=True)
class Queues:
    """Queues at the best bid and ask before each of a day's n events.

    Attributes
    ----------
    orders : int64[n, 2]
        Number of orders.
    total : float64[n, 2]
        Sum of their weights.
    stood, withdrawn : float64[LIFE, sizes]
        Events that known orders at the best lived through, and their withdrawals, whole or in part, by age and size.
    ages : int64[m]
        Age of each order withdrawn from the best, in limit orders that came after it.
    """

    orders: Longs
    total: Floats
    stood: Floats
    withdrawn: Floats
    ages: Longs


def queues(
    o: Observed,
    life_edges: Floats | None = None,
    size_edges: Floats | None = None,
    weights: Floats | None = None,
) -> Queues:
    """Follow the queues at the best prices of a day: orders and cancel weights before each event, withdrawals by age and size.

    Parameters
    ----------
    o : Observed
    life_edges : float64[LIFE - 1], optional
        Ages, counted in limit orders of the day, from which on a class begins. Default: all are of one class.
    size_edges : float64[sizes - 1], optional
        Lots of the tape.
    weights : float64[LIFE, sizes], optional
        Default: 1.
    """
    life = np.full(q.LIFE - 1, np.inf) if life_edges is None else life_edges
    size = np.zeros(0) if size_edges is None else size_edges
    shape = (q.LIFE, len(size) + 1)
    weight = np.ones(shape) if weights is None else weights
    _, order = np.unique(o.order_id, return_inverse=True)
    prices, rank = np.unique(
        np.concatenate((o.price, o.bid_px.ravel(), o.ask_px.ravel())), return_inverse=True
    )
    rank = rank.astype(np.int64)
    links = np.zeros((int(order.max(initial=0)) + 1, _LINKS), np.int64)
    ends = np.zeros((2, len(prices), _ENDS), np.int64)
    links[:, [_PREV, _NEXT]] = ends[:, :, [_HEAD, _TAIL]] = -1
    book = rank[o.n :].reshape(2, o.n, o.bid_px.shape[1])
    result = Queues(
        np.zeros((o.n, 2), np.int64),
        np.zeros((o.n, 2)),
        np.zeros(shape),
        np.zeros(shape),
        np.full(o.n, -1, np.int64),
    )
    _follow_queues(
        o.kind.astype(np.int64),
        o.side.astype(np.int64),
        np.where(o.order_id != 0, order, -1).astype(np.int64),
        rank[: o.n],
        o.lots.astype(np.int64),
        book,
        np.stack((o.bid_lots, o.ask_lots)).astype(np.int64),
        links,
        ends,
        life,
        size,
        weight,
        result.orders,
        result.total,
        result.stood,
        result.withdrawn,
        result.ages,
    )
    return Queues(
        result.orders, result.total, result.stood, result.withdrawn, result.ages[result.ages >= 0]
    )


@kernel
def _follow_queues(
    kind: Longs,
    side: Longs,
    order: Longs,
    rank: Longs,
    lots: Longs,
    book: Longs,
    shown: Longs,
    links: Longs,
    ends: Longs,
    life: Floats,
    size: Floats,
    weight: Floats,
    orders: Longs,
    total: Floats,
    stood: Floats,
    withdrawn: Floats,
    ages: Longs,
) -> None:
    """Fill `orders`, `total`, `stood`, `withdrawn` and `ages` from a day's events, following orders that were seen to come.
    `book` has price ranks and `shown` lots of the levels, int64[2, n, levels].
    """
    arrivals = 0
    for i in range(kind.shape[0]):
        for s in range(2):
            p = book[s, i, 0]
            _weigh_queue(links, ends, s, p, arrivals, life, size, weight, i, orders, total, stood)
            if ends[s, p, _LOTS] < shown[s, i, 0]:
                orders[i, s] += 1
                total[i, s] += weight[
                    q.LIFE - 1, count_below(size, shown[s, i, 0] - ends[s, p, _LOTS])
                ]
        if kind[i] == q.MARKET:
            s = 1 if side[i] > 0 else 0
            remaining = lots[i]
            for n in range(shown.shape[2]):
                traded = min(remaining, shown[s, i, n])
                if traded > 0:
                    _execute(links, ends, s, book[s, i, n], traded, shown[s, i, n])
                remaining -= traded
            continue
        s = 0 if side[i] > 0 else 1
        o = order[i]
        p = rank[i]
        if kind[i] <= q.LIMIT_DEEPER:
            arrivals += 1
        if o < 0:
            continue
        if kind[i] <= q.LIMIT_DEEPER:
            if links[o, _LEFT] > 0:
                _unlink(links, ends, s, o)
            _append(links, ends, s, p, o, lots[i], arrivals)
        elif links[o, _LEFT] > 0 and links[o, _AT] == p:
            if kind[i] == q.CANCEL_AT_BEST:
                ages[i] = arrivals - links[o, _BORN]
                withdrawn[count_below(life, ages[i]), count_below(size, links[o, _LEFT])] += 1.0
            taken = min(lots[i], links[o, _LEFT])
            links[o, _LEFT] -= taken
            ends[s, p, _LOTS] -= taken
            if links[o, _LEFT] == 0:
                _unlink(links, ends, s, o)


@kernel
def _weigh_queue(
    links: Longs,
    ends: Longs,
    s: int,
    p: int,
    came: int,
    life: Floats,
    size: Floats,
    weight: Floats,
    i: int,
    orders: Longs,
    total: Floats,
    stood: Floats,
) -> None:
    """Write number and summed cancel weight of known orders at a best price to `orders` and `total`; count them in `stood`."""
    orders[i, s] = ends[s, p, _COUNT]
    o = ends[s, p, _HEAD]
    while o >= 0:
        age = count_below(life, came - links[o, _BORN])
        c = count_below(size, links[o, _LEFT])
        stood[age, c] += 1.0
        total[i, s] += weight[age, c]
        o = links[o, _NEXT]


@kernel
def count_below(edges: Floats, x: float) -> int:
    """Number of edges not above x."""
    count = 0
    for i in range(edges.shape[0]):
        count += int(edges[i] <= x)
    return count


@kernel
def _append(links: Longs, ends: Longs, s: int, p: int, o: int, lots: int, born: int) -> None:
    """Append an order of `lots`, born at `born`, to the queue of price `p` on side `s`."""
    tail = ends[s, p, _TAIL]
    links[o, _PREV] = tail
    links[o, _NEXT] = -1
    links[o, _LEFT] = lots
    links[o, _AT] = p
    links[o, _BORN] = born
    if tail >= 0:
        links[tail, _NEXT] = o
    else:
        ends[s, p, _HEAD] = o
    ends[s, p, _TAIL] = o
    ends[s, p, _COUNT] += 1
    ends[s, p, _LOTS] += lots


@kernel
def _unlink(links: Longs, ends: Longs, s: int, o: int) -> None:
    """Take an order out of the queue that it stands in, and set its lots to 0."""
    p = links[o, _AT]
    before = links[o, _PREV]
    after = links[o, _NEXT]
    if before >= 0:
        links[before, _NEXT] = after
    else:
        ends[s, p, _HEAD] = after
    if after >= 0:
        links[after, _PREV] = before
    else:
        ends[s, p, _TAIL] = before
    ends[s, p, _COUNT] -= 1
    ends[s, p, _LOTS] -= links[o, _LEFT]
    links[o, _LEFT] = 0


@kernel
def _execute(links: Longs, ends: Longs, s: int, p: int, lots: int, shown: int) -> None:
    """Take traded `lots` off a price's queue: anonymous lots first (`shown` beyond the known orders), then the oldest orders."""
    lots -= min(max(shown - ends[s, p, _LOTS], 0), lots)
    while lots > 0 and ends[s, p, _HEAD] >= 0:
        o = ends[s, p, _HEAD]
        gone = min(lots, links[o, _LEFT])
        links[o, _LEFT] -= gone
        ends[s, p, _LOTS] -= gone
        lots -= gone
        if links[o, _LEFT] == 0:
            _unlink(links, ends, s, o)
