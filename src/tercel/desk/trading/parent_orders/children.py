"""Child orders of a parent at the venue: their names, and the driver's commands as venue messages."""

from collections import deque
from dataclasses import dataclass, field

from tercel.core.arrays import Ints
from tercel.core.child_order import open_order
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE, ceil_units, floor_units
from tercel.core.orders import CancelOrder, Command, NewOrder, ReplaceOrder, Report, Tif
from tercel.core.price_limit import limit_at
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NO_ASK
from tercel.desk.trading.child_orders.fold import Orders
from tercel.execution.task import Task
from tercel.market.simulator import layout as sim


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
        if self.side not in (1, -1) or self.quantity < 1:
            raise OrderError(
                "a parent of side +1 or -1 and at least 1 lot",
                f"{self.side}, {self.quantity}",
                "correct the order",
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
    part : int
        Filled part of a lot, 10^-8, that the driver does not count: it counts whole lots.
    worst, mid2
        Price of the last fill, ticks, and mid that it met, half ticks.
    marks
        Mids and touches that its aggressors met, of fills to be reported; by whether it rested.
    """

    new: NewOrder
    place: int
    lots: int
    forced: bool
    part: int = 0
    worst: int | None = None
    mid2: int | None = None
    marks: dict[bool, deque[tuple[int, int]]] = field(
        default_factory=lambda: {False: deque(), True: deque()}
    )

    def fill(self, qty: int) -> int:
        """Book an execution; the number of whole lots it completes."""
        qty += self.part
        self.part = qty % ONE
        return floor_units(qty)


class Children:
    """All child orders of a parent.

    Parameters
    ----------
    order : Assignment
    orders : Orders
        The ledger's, which hold the children's state.
    """

    def __init__(self, order: Assignment, orders: Orders) -> None:
        self._order = order
        self._orders = orders
        self._last_number = order.first_child - 1
        self.by_root: dict[str, Child] = {}
        self.by_place: dict[int, Child] = {}
        """By the driver's place, the latest there."""
        self.cancels: dict[str, tuple[Child, int]] = {}
        """The driver's cancels that wait for an answer, by the name under which they left: of which order, for how many
        lots."""
        self._parts = 0
        """Parts of a lot that orders filled which are over, 10^-8."""

    def find(self, report: Report) -> Child | None:
        """The child order a report refers to; None for another's order."""
        order = self._orders.get(report.orig) or self._orders.get(report.cl_ord_id)
        return None if order is None else self.by_root.get(order.root)

    def collect_parts(self, child: Child) -> int:
        """Add an ended child's fraction of a lot; 1 if the fractions now round up to one more lot, else 0."""
        parts_before = self._parts
        self._parts += child.part
        return ceil_units(self._parts) - ceil_units(parts_before)

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
            limit = None if price * order.side >= NO_ASK else price
            tif = Tif.IOC if flags & sim.IMMEDIATE else Tif.DAY
            new = NewOrder(
                name,
                order.instrument,
                order.side,
                lots,
                limit,
                tif,
                order.account,
                order.parent,
                ns,
            )
            child = Child(new, place, lots, bool(flags & sim.FORCED))
            self.by_root[name] = self.by_place[place] = child
            return new
        child = self.by_place[place]
        child.lots -= lots
        self.cancels[name] = child, lots
        state = self._orders.get(child.new.cl_ord_id) or open_order(child.new)  # not sent yet
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
