"""A desk's past: its state at any time, and charts of an instrument: price, own fills and orders, parents, the book.

Prices are in the units of the market, quantities in shares, as far as the journal tells the tick and the lot.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from tercel.core.checkpoints import Checkpoints
from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import ONE, Unit
from tercel.core.ports import Entries, Entry
from tercel.core.stats.history import thinned
from tercel.desk.console.report import (
    BookPart,
    Chart,
    ChartFill,
    ChartOrder,
    ChartSchedule,
    Heat,
    Trade,
)
from tercel.desk.console.state import DeskState
from tercel.desk.trading.child_orders.positions import Fill
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.execution.driver import ReplayedBook

EVERY_NS: Final = 60 * 10**9
EVERY: Final = 4_000
"""Entries between two checkpoints, at least."""
MOST_CHECKPOINTS: Final = 128
ROWS: Final = (
    "owners",
    "decisions",
    "operator",
    "share_points",
    "cost_points",
    "points",
    "returns",
    "flow",
    "_costs",
    "session",
    "heartbeat",
    "postures",
    "alphas",
    "markets",
    "latest",
    "kills",
    "_moves",
    "_alike",
    "_routed",
    "quoted",
)
"""Attributes of a state whose rows are replaced and never changed."""


def checkpoints() -> Checkpoints[DeskState]:
    """Checkpoints of a page, none yet; a follower keeps them as it goes."""
    return Checkpoints(EVERY_NS, EVERY, MOST_CHECKPOINTS, ROWS, lambda state: [state.ledger.past])


def begun(journal: Entries, ns: int, past: Checkpoints[DeskState]) -> DeskState:
    """The state of the last checkpoint up to a time, its own copy; an empty one before the first."""
    found = past.before(ns)
    if found is None:
        return DeskState(journal)
    state = found[1]
    if state.ledger.past is not None:
        state.ledger.past = state.ledger.past.as_of(*state.archived)
    return state


def fold(
    state: DeskState, journal: Entries, ns: int, past: Checkpoints[DeskState] | None = None
) -> DeskState:
    """Fold what follows up to a time; with `past`, keep checkpoints as they are due."""
    for _ in span(state, journal, ns):
        if past is not None:
            note(past, state)
    return state


def span(state: DeskState, journal: Entries, ns: int) -> Iterator[Entry]:
    """The entries that follow up to a time, each once the state has taken it."""
    for seq, entry in journal.read(state.seq):
        if entry.ns > ns:
            return
        state.apply(seq, entry)
        yield entry


def note(past: Checkpoints[DeskState], state: DeskState) -> None:
    """Keep a checkpoint of the state where one is due."""
    if past.due(state.ns, state.seq):
        archive = state.ledger.past
        state.archived = (0, 0) if archive is None else (len(archive), archive.fills)
        past.keep(state.ns, state.seq, state)


# -- the chart --------------------------------------------------------------------------------------------------------
MOST: Final = 2_000
"""Points of a chart's part."""
TAPE: Final = 200


@dataclass
class _OwnOrder:
    """An own order on a chart; `to_ns` is None while it is open."""

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

    Fills are those that are booked at `to_ns`. At most `MOST` of each part.

    Parameters
    ----------
    journal : Entries
    instrument : str
    from_ns, to_ns : int
    past : Checkpoints, optional
        A follower's: without them the journal is folded from its beginning.
    """
    state = _before(journal, from_ns, past)
    unit = state.money.unit(instrument)
    mids = list[tuple[int, float | None, float | None]]()
    fills = dict[tuple[str, str], Fill]()
    schedule = defaultdict[str, list[tuple[int, float, float]]](list)
    orders = {
        order.root: _OwnOrder(order, from_ns)
        for order in state.ledger.orders.live(instrument=instrument)
    }
    for entry in span(state, journal, to_ns):
        for before, now in state.ledger.moves:
            if before is not None:
                fills.pop((before.order, before.exec_id), None)
            if now is not None and now.instrument == instrument and now.ns >= from_ns:
                fills[now.order, now.exec_id] = now
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
    ends = min(to_ns, state.ns)
    for parent in state.ledger.parents.open():
        if parent.order.instrument == instrument and from_ns <= ends:
            schedule[parent.id].append(_progress(parent, ends, unit))
    return Chart(
        currency=unit.currency,
        mid=thinned(mids, MOST),
        fills=[
            ChartFill(
                ns=one.ns,
                price=unit.price(one.px),
                qty=unit.qty(one.qty),
                side=one.side,
                agent=one.account,
                parent=one.parent,
                passive=one.passive,
            )
            for one in thinned(list(fills.values()), MOST)
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
            for row in thinned(list(orders.values()), MOST)
        ],
        schedule=[
            ChartSchedule(parent=name, points=thinned(points, MOST))
            for name, points in schedule.items()
        ],
    )


def _progress(parent: ParentOrder, ns: int, unit: Unit) -> tuple[int, float, float]:
    """Time, filled quantity of a parent, and what an even schedule would have filled by then."""
    share = min(max(ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
    return ns, unit.qty(parent.filled_qty), unit.qty(round(parent.lots * ONE * share))


def _before(journal: Entries, ns: int, past: Checkpoints[DeskState] | None) -> DeskState:
    return fold(begun(journal, ns - 1, checkpoints() if past is None else past), journal, ns - 1)


def book(
    journal: Entries, instrument: str, ns: int, past: Checkpoints[DeskState] | None = None
) -> BookPart:
    """The public book that the last decision up to a venue time saw, and its history since the parent began.

    `ns` is the time of that decision, None without one (`why` says so); `heat` has buys positive; `tape` the last
    `TAPE` trades.
    """
    state = _before(journal, ns + 1, past)
    unit = state.money.unit(instrument)
    last, parent = state.looked.get(instrument, (0, ""))
    first = state.ledger.first_of(parent) if last else 0
    read = (
        (seq, entry)
        for seq, entry in journal.read(max(first - 1, 0), (kinds.DECISION,))
        if entry.parent == parent
    )
    seen = [entry for _, entry in takewhile(lambda one: one[0] <= last, read) if entry.blob]
    replayed, looks = ReplayedBook(), list[tuple[int, dict[int, int]]]()
    for entry in seen:
        replayed.decision(unpack(entry.blob))
        levels = {price: side * lots for side in (1, -1) for price, lots in replayed.levels(side)}
        looks.append((entry.ns, levels))
    own: defaultdict[int | None, int] = defaultdict(int)
    for order in state.ledger.orders.live(instrument=instrument):
        own[order.price] += order.open_qty
    looks = thinned(looks, MOST)
    prices = sorted({price for _, levels in looks for price in levels})
    bids, asks = (
        [
            (unit.price(at * ONE), unit.qty(lots * ONE), unit.qty(own[at]))
            for at, lots in replayed.levels(side)
        ]
        for side in (1, -1)
    )
    return BookPart(
        ns=seen[-1].ns if seen else None,
        bids=bids,
        asks=asks,
        heat=Heat(
            ns=[at for at, _ in looks],
            price=[unit.price(one * ONE) for one in prices],
            qty=[[unit.qty(levels.get(price, 0) * ONE) for price in prices] for _, levels in looks],
        ),
        tape=[
            Trade(ns=at, price=unit.price(price * ONE), qty=unit.qty(lots * ONE), side=side)
            for at, price, lots, side in replayed.trades[-TAPE:]
        ],
        why="" if seen else f"no decision on {instrument} by then has its market in the journal",
    )
