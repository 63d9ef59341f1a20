"""Charts of an instrument over a span of venue time: price with own fills and orders, parents, the book that was seen.

Prices are in the units of the market, quantities in shares, as far as the journal tells the tick and the lot.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final

from tercel.core.checkpoints import Checkpoints
from tercel.core.orders import ONE, Unit
from tercel.core.ports import Entries, Entry
from tercel.core.stats.history import thinned
from tercel.desk.console.state import DeskState
from tercel.desk.trading.child_orders.lifecycle import ChildOrder
from tercel.desk.trading.child_orders.positions import Fill
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.execution.driver import ReplayedBook

EVERY_NS: Final = 60 * 10**9
EVERY: Final = 4_000
"""Entries between two checkpoints, at least."""
KEPT: Final = 128
ROWS: Final = (
    *(
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
    ),
    *("heartbeat", "postures", "alphas", "markets", "told", "kills", "_moves", "_alike", "_routed"),
)
"""Parts of a page whose rows are replaced and never changed."""


def checkpoints() -> Checkpoints[DeskState]:
    """Checkpoints of a page, none yet; a follower keeps them as it goes."""
    return Checkpoints(EVERY_NS, EVERY, KEPT, ROWS, lambda state: [state.ledger.past])


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


def chart(
    journal: Entries,
    instrument: str,
    from_ns: int,
    to_ns: int,
    past: Checkpoints[DeskState] | None = None,
) -> dict[str, Any]:
    """Price, own fills, own orders, and parents against an even schedule, from one venue time to another.

    Parameters
    ----------
    journal : Entries
    instrument : str
    from_ns, to_ns : int
    past : Checkpoints, optional
        A follower's: without them the journal is folded from its beginning.

    Returns
    -------
    dict
        "currency"; "mid": [[ns, bid, ask]]; "fills": [{"ns", "price", "qty", "side", "agent", "parent", "passive"}],
        those that stand at `to_ns`; "orders": [{"from_ns", "to_ns" (null: open), "price" (null: a market order), "qty",
        "side", "agent"}]; "schedule": [{"parent", "points": [[ns, done, planned]]}]. At most `MOST` of each.
    """
    state = _before(journal, from_ns, past)
    unit, mids = state.money.unit(instrument), list[list[Any]]()
    fills, schedule = dict[tuple[str, str], Fill](), defaultdict[str, list[list[float]]](list)
    orders = {
        order.root: _order(order, from_ns)
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
            touch = (entry.body.get("bid"), entry.body.get("ask"))
            mids.append(
                [entry.ns, *(None if price is None else unit.price(price * ONE) for price in touch)]
            )
        if (order := state.ledger.orders.get(entry.order)) is not None:
            row = orders.setdefault(order.root, _order(order, entry.ns))
            row |= {"to_ns": (row["to_ns"] or entry.ns) if order.settled else None, "order": order}
        if (parent := state.ledger.parents.get(entry.parent)) is not None:
            schedule[parent.id].append([entry.ns, *_against(parent, entry.ns, unit)])
    ends = min(to_ns, state.ns)
    for parent in state.ledger.parents.open():
        if parent.order.instrument == instrument and from_ns <= ends:
            schedule[parent.id].append([ends, *_against(parent, ends, unit)])
    about = {"currency": unit.currency, "mid": thinned(mids, MOST)}
    return about | {
        "fills": [
            {
                "ns": one.ns,
                "price": unit.price(one.px),
                "qty": unit.qty(one.qty),
                "side": one.side,
                "agent": one.account,
                "parent": one.parent,
                "passive": one.passive,
            }
            for one in thinned(list(fills.values()), MOST)
        ],
        "orders": [
            {
                "from_ns": row["from_ns"],
                "to_ns": row["to_ns"],
                "side": row["order"].side,
                "agent": row["order"].account,
                "price": None
                if row["order"].price is None
                else unit.price(row["order"].price * ONE),
                "qty": unit.qty(row["order"].lots * ONE),
            }
            for row in thinned(list(orders.values()), MOST)
        ],
        "schedule": [
            {"parent": name, "points": thinned(points, MOST)} for name, points in schedule.items()
        ],
    }


def _against(parent: ParentOrder, ns: int, unit: Unit) -> tuple[float, float]:
    """What of a parent is done, and what an even schedule has done by a time."""
    share = min(max(ns - parent.accepted_ns, 0) / max(parent.horizon_ns, 1), 1.0)
    return unit.qty(parent.filled_qty), unit.qty(round(parent.lots * ONE * share))


def _order(order: ChildOrder, ns: int) -> dict[str, Any]:
    return {"from_ns": ns, "to_ns": None, "order": order}


def _before(journal: Entries, ns: int, past: Checkpoints[DeskState] | None) -> DeskState:
    return fold(begun(journal, ns - 1, checkpoints() if past is None else past), journal, ns - 1)


def book(
    journal: Entries, instrument: str, ns: int, past: Checkpoints[DeskState] | None = None
) -> dict[str, Any]:
    """The public book as the last decision up to a venue time saw it, and how it came to that since its parent began.

    Returns
    -------
    dict
        "ns": of that decision, null without one ("why" says so); "bids", "asks": [[price, qty, own qty]], best first;
        "heat": {"ns", "price", "qty": a row for each time, buys positive}; "tape": the last `TAPE` trades
        [{"ns", "price", "qty", "side"}], side of who took, 0 where it was not told.
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
        looks.append(
            (
                entry.ns,
                {price: side * lots for side in (1, -1) for price, lots in replayed.levels(side)},
            )
        )
    own: defaultdict[int | None, int] = defaultdict(int)
    for order in state.ledger.orders.live(instrument=instrument):
        own[order.price] += order.open_qty
    looks = thinned(looks, MOST)
    prices = sorted({price for _, levels in looks for price in levels})
    sides = {
        name: [
            [unit.price(at * ONE), unit.qty(lots * ONE), unit.qty(own[at])]
            for at, lots in replayed.levels(side)
        ]
        for name, side in (("bids", 1), ("asks", -1))
    }
    heat = [[unit.qty(levels.get(price, 0) * ONE) for price in prices] for _, levels in looks]
    return {
        "ns": seen[-1].ns if seen else None,
        **sides,
        "heat": {
            "ns": [at for at, _ in looks],
            "price": [unit.price(one * ONE) for one in prices],
            "qty": heat,
        },
        "tape": [
            {"ns": at, "price": unit.price(price * ONE), "qty": unit.qty(lots * ONE), "side": side}
            for at, price, lots, side in replayed.trades[-TAPE:]
        ],
    } | (
        {}
        if seen
        else {"why": f"no decision on {instrument} by then has its market in the journal"}
    )
