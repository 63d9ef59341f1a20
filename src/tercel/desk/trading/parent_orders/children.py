"""Child orders of a parent: the driver's commands as messages to a venue, and the venue's reports as rows for the driver.

State of an order is the ledger's (`core.child_order.ChildOrder`). The driver's own orders, in arrays, are changed by these
rows alone:

- a fill is the report's; what its aggressor met (mid, touch) was recorded from the book just before the first lot. A
  strategy sees whole ticks and lots: a lot of which a part is filled is open, and when its order ends it is gone;
- cancels, refusals and rests that died are OWN_DEAD rows; a cancel of some of an order's lots leaves as a replace;
- unfilled lots of the forced order are booked at the worst price seen, as the batch does.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.child_order import ChildOrder, open_order
from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ONE, ceil_units, floor_units, round_against
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
    VenueEvent,
)
from tercel.core.price_limit import limit_at
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NO_ASK
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.parent_orders.driver_rows import DriverRows
from tercel.execution.driver import Driver
from tercel.execution.task import Task
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import mark_unfilled
from tercel.market.simulator.entry import ladder_end

_ENDS: Final = frozenset({ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED})


@dataclass(frozen=True)
class Assignment:
    """Order given to an executor: a parent, or the rest of one.

    Parameters
    ----------
    parent, account, instrument : str
        Its name (children are called `parent.1`, `parent.2`, ...), on whose behalf, in what.
    side, quantity : int
        +1 or -1; lots.
    start_ns : int
        When it arrives.
    task : Task
        Horizon, decisions and their clock, limit price; its side, share and latency are not read.
    seed, index : int
        Of the strategy's draws, as an episode's.
    run_out : bool
        Filled early, decisions still fall due to the horizon (for a whole grid of mids).
    first_child : int
        Number of the first child's name; higher after a restart.
    limit : int
        Worst price, ticks, where an earlier executor fixed it; 0: what the task's limit price is at arrival, if any.
    """

    parent: str
    account: str
    instrument: str
    side: int
    quantity: int
    start_ns: int
    task: Task
    seed: int = 0
    index: int = 0
    run_out: bool = False
    first_child: int = 1
    limit: int = 0

    def __post_init__(self) -> None:
        """Refuse a side other than +1 or -1, and less than 1 lot."""
        refuse_if(
            self.side not in (1, -1) or self.quantity < 1,
            "a parent of side +1 or -1 and at least 1 lot",
            f"{self.side}, {self.quantity}",
            "correct the order",
            OrderError,
        )


def write_order(state: Ints, order: Assignment, now_ns: int, tick: float, gap_ns: int = 0) -> None:
    """Write an order into `state`, in place, as `execution.step.arrive` does for an episode.

    `gap_ns` is its strategy's clock of events (`execution.strategy.gap_of`).
    """
    task = order.task
    # A late arrival moves the whole horizon: time that has passed cannot be traded in.
    state[[sim.NOW, sim.START_NS]] = max(now_ns, order.start_ns)
    state[[sim.HORIZON_NS, sim.DECISIONS]] = task.horizon_ns, task.decisions
    state[sim.CLOCK_EVENTS] = task.clock_step if task.clock == "events" else 0
    state[sim.CLOCK_VOLUME] = task.clock_step if task.clock == "volume" else 0
    state[sim.GAP_NS] = gap_ns
    state[sim.DELAY_NS] = task.delay_ns
    state[sim.RUN_OUT] = int(order.run_out)
    state[sim.SIDE] = order.side
    state[[sim.QUANTITY, sim.LEFT]] = order.quantity
    state[sim.LIMIT] = order.limit or limit_at(
        task.limit_price, order.side, tick, int(state[sim.MID2])
    )
    state[sim.PHASE] = sim.WORKING
    seed_stream(state, sim.DRAW_RNG, order.seed, order.index, 3)


@dataclass(slots=True)
class Child:
    """What the driver of a child order needs beside its state, which the ledger holds (`core.child_order.ChildOrder`).

    Parameters
    ----------
    new : NewOrder
        As it was sent.
    place : int
        Among the driver's orders.
    lots : int
        Its size by the last command, which may not have left yet.
    forced : bool
        Sent at the horizon, for all that was left.
    filled_qty : int
        What its fills that were passed on come to, 10^-8 of a lot.
    worst, mid2
        Price of the last fill, ticks, and mid that it met, half ticks.
    end : Report
        The venue's report of its end, while fills that it counts are to come.
    marks
        Mids and touches that its aggressors met, of fills to be reported; by whether it rested.
    """

    new: NewOrder
    place: int
    lots: int
    forced: bool
    filled_qty: int = 0
    worst: int | None = None
    mid2: int | None = None
    end: Report | None = None
    marks: dict[bool, deque[tuple[int, int]]] = field(
        default_factory=lambda: {False: deque(), True: deque()}
    )

    @property
    def part(self) -> int:
        """Filled part of a lot, 10^-8, that the driver does not count: it counts whole lots."""
        return self.filled_qty % ONE


class Children:
    """All child orders of a parent.

    Parameters
    ----------
    order : Assignment
    orders : Orders
        The ledger's, which hold the children's state.
    rows : DriverRows
        Knows the children by the venue's numbers.
    """

    def __init__(self, order: Assignment, orders: Orders, rows: DriverRows) -> None:
        self._order = order
        self._orders = orders
        self._rows = rows
        self._last_number = order.first_child - 1
        self._by_root: dict[str, Child] = {}
        self.by_place: dict[int, Child] = {}
        """By the driver's place, the latest there."""
        self._cancels: dict[str, tuple[Child, int, int]] = {}
        """The driver's cancels that wait for an answer, by the name under which they left: of which order, for how many
        lots, and how many more the order's size was cut by, to be a legal one."""
        self._parts = 0
        """Parts of a lot that orders filled which are over, 10^-8."""
        self._exec_ids: set[tuple[str, str]] = set()
        """Of executions that were passed on, by the order's first name."""

    def find(self, event: VenueEvent) -> Child | None:
        """The child order of which an event tells something new; None for another's, status and repeated reports."""
        if isinstance(event, CancelReject):
            return self._cancels.get(event.cl_ord_id, (None, 0, 0))[0]
        if not isinstance(event, Report) or event.exec_type is ExecType.STATUS:
            return None  # a status tells nothing that its executions do not
        order = self._orders.find(event)
        # A venue may repeat an execution after an outage.
        if order is None or (order.root, event.exec_id) in self._exec_ids:
            return None
        return self._by_root.get(order.root)

    def rows_of(self, child: Child, event: VenueEvent, driver: Driver) -> Iterator[Ints]:
        """Driver rows of an event that `find` found a child for; each is to be applied before the next is taken."""
        place = child.place
        if isinstance(event, CancelReject):
            yield self._answer_row(child, event.cl_ord_id, 0, event.ns, driver)
        if not isinstance(event, Report):
            return
        kind = event.exec_type
        self._exec_ids.add((child.new.cl_ord_id, event.exec_id))
        if kind is ExecType.NEW:
            # Market data name the order by the number before the dot.
            self._rows.map_number(int(event.order_id.partition(".")[0]), place)
        elif kind is ExecType.TRADE:
            yield from self._fill_rows(child, event, driver)
        elif kind is ExecType.REPLACED:
            # Of its size then, what fills passed on so far leave: fills may have overtaken it, or it them.
            left_qty = event.cum_qty + event.leaves_qty - child.filled_qty
            # A partly filled lot counts as open.
            stays = ceil_units(left_qty + child.part)
            open_lots = _open_lots(driver, place)
            # A whole fill that overtook it has answered it.
            if open_lots or event.cl_ord_id in self._cancels:
                dead = max(open_lots - stays, 0)
                yield self._answer_row(child, event.cl_ord_id, dead, event.ns, driver)
            if event.lots:  # of two replaces the venue may have refused the first
                waiting = (cut for of, *cut in self._cancels.values() if of is child)
                child.lots = event.lots - sum(map(sum, waiting))
        # A whole fill ends an order, too: what a replace cut that it has overtaken is dead.
        if kind in _ENDS or (kind is ExecType.TRADE and event.status is OrdStatus.FILLED):
            child.end = event
        # Fills that the end has overtaken come first: until then all its lots are open.
        if child.end is not None and child.filled_qty >= child.end.cum_qty:
            yield from self._end_rows(child, child.end, driver)
            child.end = None
        # The venue may give its number to another order from now on.
        if child.end is None and (event.leaves_qty == 0 or kind in _ENDS):
            self._rows.unmap_place(place)

    def _end_rows(self, child: Child, end: Report, driver: Driver) -> Iterator[Ints]:
        """Driver rows of an order that the venue has ended, all of whose fills were passed on."""
        # Before its lots die: a lot that is part filled counts as filled, and is not sent again.
        parts_before = self._parts
        self._parts += child.part
        if (
            ceil_units(self._parts) > ceil_units(parts_before)
            and child.worst is not None
            and child.mid2 is not None
        ):
            met = child.worst, 1, child.mid2, 2 * child.worst if child.forced else 0
            yield _row(driver, end.ns, sim.OWN_FILL, child.place, 2 if child.forced else 1, *met)
        if child.forced:
            yield from self._unfilled_rows(child, end.ns, driver)
        elif end.cl_ord_id in self._cancels:
            dead = _open_lots(driver, child.place)
            yield self._answer_row(child, end.cl_ord_id, dead, end.ns, driver)
        elif lots := _open_lots(driver, child.place):
            yield _row(driver, end.ns, sim.OWN_DEAD, child.place, 0, 0, lots)

    def rows_of_denial(self, command: Command, driver: Driver, lots: int = 0) -> Iterator[Ints]:
        """Driver rows of a command that limits denied: its lots (0: all that are open) are dead, or its cancel is dropped."""
        name = command.cl_ord_id
        now = driver.words[sim.NOW]
        child = self._by_root.get(name)
        if name in self._cancels:
            yield self._answer_row(self._cancels[name][0], name, 0, now, driver)
        elif child is not None and child.forced and not lots:
            yield from self._unfilled_rows(child, now, driver)
        elif child is not None:
            lots = lots or _open_lots(driver, child.place)
            yield _row(driver, now, sim.OWN_DENIED, child.place, 0, 0, lots)

    def commands(self, rows: Ints | None) -> list[Command]:
        """A driver's commands (`execution.driver.Commands`) as messages to a venue, noted as children and open cancels; [] of
        None."""
        return [] if rows is None else [self._command(row) for row in rows.tolist()]

    def _command(self, row: list[int]) -> Command:
        """One command of a driver as a message, which is noted: a new order, or a cancel; a replace where lots of a priced order
        stay."""
        self._last_number += 1
        order = self._order
        name = f"{self._order.parent}.{self._last_number}"
        ns, kind, place, price, lots, flags = row
        if kind == sim.NEW:
            new = NewOrder(
                name,
                order.instrument,
                order.side,
                lots,
                None if price * order.side >= NO_ASK else price,
                Tif.IOC if flags & sim.IMMEDIATE else Tif.DAY,
                order.account,
                order.parent,
                ns,
            )
            child = Child(new, place, lots, bool(flags & sim.FORCED))
            self._by_root[name] = self.by_place[place] = child
            return new
        child = self.by_place[place]
        child.lots -= lots
        self._cancels[name] = child, lots, 0
        state = self._state(child)
        if child.lots * ONE <= state.cum_qty or state.price is None:
            return CancelOrder(name, state.name, order.instrument, order.side, order.account, ns)
        return ReplaceOrder(
            name,
            state.name,
            order.instrument,
            order.side,
            child.lots,
            state.price,
            order.account,
            order.parent,
            ns,
        )

    def child_of(self, name: str) -> Child:
        """The child order that was sent, or is to be sent, by a name."""
        return self._by_root[name]

    def cancel_of(self, name: str) -> tuple[int, int]:
        """Of a cancel without an answer: for how many lots it is, and its order's filled quantity (10^-8 of a lot)."""
        child, lots, _ = self._cancels[name]
        return lots, self._state(child).cum_qty

    def cut_further(self, name: str, more_lots: int) -> None:
        """Cut an order's size by more than its cancel asks for, until that is refused."""
        child, lots, _ = self._cancels[name]
        child.lots -= more_lots
        self._cancels[name] = child, lots, more_lots

    def _state(self, child: Child) -> ChildOrder:
        """State of a child order in the ledger; that of a new one, if it was not sent yet."""
        return self._orders.get(child.new.cl_ord_id) or open_order(child.new)

    def _fill_rows(self, child: Child, report: Report, driver: Driver) -> Iterator[Ints]:
        """The row of an execution, as a fill of the lots that it completes; none if it completes none."""
        k = driver.state
        side = self._order.side
        marks = child.marks[report.passive]
        touch2 = 2 * int(k[sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID])
        # Mid and touch before the aggressor's first lot, if market data came first; else those of now.
        met = marks.popleft() if marks else (int(k[sim.MID2]), touch2)
        child.mid2 = met[0]
        child.worst = round_against(side, report.last_px)
        qty = child.part + report.last_qty
        child.filled_qty += report.last_qty
        if lots := floor_units(qty):
            flags = int(report.passive) + 2 * int(child.forced)
            fill = child.place, flags, child.worst, lots, met[0], 0 if report.passive else met[1]
            yield _row(driver, report.ns, sim.OWN_FILL, *fill)

    def _unfilled_rows(self, child: Child, ns: int, driver: Driver) -> Iterator[Ints]:
        """The row that books the unfilled lots of the forced order at the worst price paid, or the touch if its limit ended it;
        none without such lots."""
        k = driver.state
        side = self._order.side
        lots = _open_lots(driver, child.place)
        if lots == 0:
            return
        far = sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID
        last = int(k[sim.LAST_ASK if side > 0 else sim.LAST_BID])
        worst = last if child.worst is None else child.worst
        # The limit ended it, not the book: the next lot would have cost what the far touch asks.
        price = child.new.price
        if price is not None and price * side < k[far] * side < NO_ASK:
            worst = int(k[far])
        worst = ladder_end(k, side, worst)
        mid2 = int(k[sim.MID2]) if child.mid2 is None else child.mid2
        paid = int(k[sim.WORST_PAID])
        yield _row(driver, ns, sim.OWN_FILL, child.place, 2, worst, lots, mid2, 2 * worst)
        # After the row, which books them as filled: this takes them out of the fills and counts them by themselves.
        mark_unfilled(k, worst, lots, paid)

    def _answer_row(self, child: Child, name: str, dead: int, ns: int, driver: Driver) -> Ints:
        """The row of the answer to a cancel, or to a replace sent as one: `dead` lots are gone, none if it was refused. A
        venue may also replace an order that nobody asked it to."""
        _, requested, more_lots = self._cancels.pop(name, (child, 0, 0))
        if not dead:
            child.lots += requested + more_lots
        return _row(driver, ns, sim.OWN_DEAD, child.place, 0, requested, dead)


def _row(
    driver: Driver, ns: int, kind: int, place: int, flags: int, price: int, lots: int, *met: int
) -> Ints:
    """Driver row of an own order's event: kind, flags, price (ticks), lots, and mid and touch it met (half ticks)."""
    time_ns = max(ns, driver.words[sim.NOW])
    return np.array([time_ns, kind, place, flags, price, lots, *(met or (0, 0))], np.int64)


def _open_lots(driver: Driver, place: int) -> int:
    """Open lots of a driver's order."""
    book = driver.book
    return int(book[book[lay.AT_LEDGER] + place * lay.LEDGER + lay.OPEN])
