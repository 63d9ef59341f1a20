"""Charts of an instrument from a desk's journal: price, own fills and orders, parents, the public book.

Prices are in the units of the market, quantities in shares, as far as the journal tells the tick and the lot.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from tercel.core.checkpoints import Checkpoints
from tercel.core.child_order import ChildOrder
from tercel.core.fixed_point import ONE, Unit
from tercel.core.ports import Entries
from tercel.core.stats.history import thin_points
from tercel.desk.console.chart_types import (
    BookPart,
    Chart,
    ChartFill,
    ChartOrder,
    ChartSchedule,
    Heat,
    Trade,
)
from tercel.desk.console.history import apply_until, checkpoints, fold_until, restore_state
from tercel.desk.console.state import DeskState
from tercel.desk.trading.child_orders.positions import Fill
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.parent_orders.parent import ParentOrder

MAX_POINTS: Final = 2_000
"""Points of a chart's part."""
MAX_TRADES: Final = 200


@dataclass
class _OwnOrder:
    """An own order on a chart, from and to a time in ns; `to_ns` is None while it is open."""

    order: ChildOrder
    from_ns: int
    to_ns: int | None = None


def chart(
    journal: Entries,
    instrument: str,
    from_ns: int,
    to_ns: int,
    past: Checkpoints[DeskState] | None = None,
) -> Chart:
    """Price, own fills, own orders, and parents against an even schedule, from one venue time to another.

    Fills are those that are booked at `to_ns`. At most `MAX_POINTS` of each part.

    Parameters
    ----------
    journal : Entries
    instrument : str
    from_ns, to_ns : int
    past : Checkpoints, optional
        A follower's: without them the journal is folded from its beginning.
    """
    state = _state_before(journal, from_ns, past)
    unit = state.money.unit(instrument)
    mids = list[tuple[int, float | None, float | None]]()
    fills = dict[tuple[str, str], Fill]()
    schedule = defaultdict[str, list[tuple[int, float, float]]](list)
    orders = {
        order.root: _OwnOrder(order, from_ns)
        for order in state.ledger.orders.live(instrument=instrument)
    }
    for entry in apply_until(state, journal, to_ns):
        for old_fill, new_fill in state.ledger.moves:
            if old_fill is not None:
                fills.pop((old_fill.order, old_fill.exec_id), None)
            if (
                new_fill is not None
                and new_fill.instrument == instrument
                and new_fill.ns >= from_ns
            ):
                fills[new_fill.order, new_fill.exec_id] = new_fill
        if entry.instrument != instrument:
            continue
        unit = state.money.unit(instrument)
        if entry.kind == kinds.MARKET:
            bid, ask = (
                None if price is None else unit.price(price * ONE)
                for price in (entry.body.get("bid"), entry.body.get("ask"))
            )
            mids.append((entry.ns, bid, ask))
        if (order := state.ledger.orders.get(entry.order)) is not None:
            row = orders.setdefault(order.root, _OwnOrder(order, entry.ns))
            row.order = order
            row.to_ns = (row.to_ns or entry.ns) if order.settled else None
        if (parent := state.ledger.parents.get(entry.parent)) is not None:
            schedule[parent.id].append(_progress(parent, entry.ns, unit))
    end_ns = min(to_ns, state.ns)
    for parent in state.ledger.parents.open():
        if parent.order.instrument == instrument and from_ns <= end_ns:
            schedule[parent.id].append(_progress(parent, end_ns, unit))
    return Chart(
        currency=unit.currency,
        mid=thin_points(mids, MAX_POINTS),
        fills=[
            ChartFill(
                ns=fill.ns,
                price=unit.price(fill.px),
                qty=unit.qty(fill.qty),
                side=fill.side,
                agent=fill.account,
                parent=fill.parent,
                passive=fill.passive,
            )
            for fill in thin_points(list(fills.values()), MAX_POINTS)
        ],
        orders=[
            ChartOrder(
                from_ns=row.from_ns,
                to_ns=row.to_ns,
                side=row.order.side,
                agent=row.order.account,
                price=None if row.order.price is None else unit.price(row.order.price * ONE),
                qty=unit.qty(row.order.lots * ONE),
            )
            for row in thin_points(list(orders.values()), MAX_POINTS)
        ],
        schedule=[
            ChartSchedule(parent=name, points=thin_points(points, MAX_POINTS))
            for name, points in schedule.items()
        ],
    )


def _progress(parent: ParentOrder, ns: int, unit: Unit) -> tuple[int, float, float]:
    """Time (ns), filled quantity of a parent in the market's units, and what an even schedule would have filled by then."""
    share = min(max(ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
    return ns, unit.qty(parent.filled_qty), unit.qty(round(parent.lots * ONE * share))


def _state_before(journal: Entries, ns: int, past: Checkpoints[DeskState] | None) -> DeskState:
    """State of the desk just before a time (exclusive), from checkpoints and the journal; `past` None: from its beginning."""
    return fold_until(
        restore_state(journal, ns - 1, checkpoints() if past is None else past), journal, ns - 1
    )


def book(
    journal: Entries, instrument: str, ns: int, past: Checkpoints[DeskState] | None = None
) -> BookPart:
    """Public book at an instrument's last decision up to a time, own quantities, its history since that decision's
    parent began, trades.

    `ns` is the time of that decision, None without one (`why` says so); `heat` has buys positive; `tape` the last
    `MAX_TRADES` trades.
    """
    # It loads kernels, which no other page needs.
    from tercel.execution.replayed_book import ReplayedBook

    state = _state_before(journal, ns + 1, past)
    unit = state.money.unit(instrument)
    decision_seq, parent = state.last_decisions.get(instrument, (0, ""))
    parent_seq = state.ledger.first_of(parent) if decision_seq else 0
    rows = (
        (seq, entry)
        for seq, entry in journal.read(max(parent_seq - 1, 0), (kinds.DECISION,))
        if entry.parent == parent
    )
    decisions = [
        entry for _, entry in takewhile(lambda row: row[0] <= decision_seq, rows) if entry.blob
    ]
    replayed = ReplayedBook()
    snapshots = list[tuple[int, dict[int, int]]]()
    for entry in decisions:
        replayed.apply_decision(unpack(entry.blob))
        levels = {price: side * lots for side in (1, -1) for price, lots in replayed.levels(side)}
        snapshots.append((entry.ns, levels))
    own_qty: defaultdict[int | None, int] = defaultdict(int)
    for order in state.ledger.orders.live(instrument=instrument):
        own_qty[order.price] += order.open_qty
    snapshots = thin_points(snapshots, MAX_POINTS)
    prices = sorted({price for _, levels in snapshots for price in levels})
    bids, asks = (
        [
            (unit.price(price * ONE), unit.qty(lots * ONE), unit.qty(own_qty[price]))
            for price, lots in replayed.levels(side)
        ]
        for side in (1, -1)
    )
    return BookPart(
        ns=decisions[-1].ns if decisions else None,
        bids=bids,
        asks=asks,
        heat=Heat(
            ns=[snapshot_ns for snapshot_ns, _ in snapshots],
            price=[unit.price(price * ONE) for price in prices],
            qty=[
                [unit.qty(levels.get(price, 0) * ONE) for price in prices]
                for _, levels in snapshots
            ],
        ),
        tape=[
            Trade(ns=trade_ns, price=unit.price(price * ONE), qty=unit.qty(lots * ONE), side=side)
            for trade_ns, price, lots, side in replayed.trades[-MAX_TRADES:]
        ],
        why=""
        if decisions
        else f"no decision on {instrument} by then has its market in the journal",
    )
