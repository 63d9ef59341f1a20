"""The executor of a parent order: one strategy, one account at a venue, joined by the driver.

Venue events become driver rows and driver commands become orders:

- market data rows of everybody else's orders are public rows; the ADD row of an own order shows that it rests;
- a fill is the report's; what its aggressor met (mid, touch) was recorded from the book just before the first lot. A
  strategy sees whole ticks and lots: a lot of which a part is filled is open, and when its order ends it is gone;
- cancels, refusals and rests that died are OWN_DEAD rows; a cancel of some of an order's lots leaves as a replace;
- unfilled lots of the forced order are booked at the worst price seen, as the batch does.

An executor lives on venue time: `on_events` whatever came, then `on_time` once everything up to a time has been seen.

One that can no longer be relied on (its strategy raised, its way to the venue was down, its session is new) is
*detached*: its manager cancels its children, and once the venue has ended them all a new executor works the remainder.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Protocol

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import OrderError, PolicyError, TapeError
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import (
    M_NS,
    CancelReject,
    Command,
    ExecType,
    MarketRows,
    Report,
    VenueEvent,
    against,
)
from tercel.core.ports import Entry
from tercel.core.vocabulary import FOREVER_NS, NO_ASK
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import pack
from tercel.desk.trading.parent_orders import kernels
from tercel.desk.trading.parent_orders.children import Assignment, Child, Children, begin
from tercel.desk.trading.parent_orders.follower import DriverRows, Follower
from tercel.desk.trading.risk.trading_state import (
    Act,
    ReasonScope,
    Sender,
    StateReason,
    TradingStates,
    permits,
)
from tercel.execution import columns as c
from tercel.execution.costs import Costs, costs_of, fills_of
from tercel.execution.driver import Driver
from tercel.execution.features import N_FEATURES, features_of
from tercel.execution.guidance import guided_row
from tercel.execution.intent import View
from tercel.execution.policies.network import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.reconcile import open_lots
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import mark_unfilled
from tercel.market.simulator.entry import ladder_end

LOG_ROWS = 4096
WAITING = 1024  # updates of a market, at most


class Strategies(Protocol):
    """Factory of a strategy by name for an instrument."""

    def __call__(self, name: str, instrument: str) -> Strategy:
        """Strategy of a name; `UnknownNameError` if it does not exist."""


def refuse_broken_weights(strategy: Strategy) -> None:
    """Refuse a learned strategy with non-finite weights: its compiled code checks no answers.

    Raises
    ------
    PolicyError
        For weights that are NaN or infinite.
    """
    if isinstance(strategy, PolicyStrategy) and isinstance(strategy.policy, MlpPolicy):
        if not all(
            np.isfinite(part).all()
            for part in strategy.policy.packed
            if isinstance(part, np.ndarray)
        ):
            raise PolicyError(
                f"finite weights in {strategy.name}", "NaN or infinity", "train it again"
            )


class ParentExecutor:
    """One parent order under one strategy.

    Parameters
    ----------
    order : Assignment
    follower : Follower
        Of the instrument; fed before the executor, by the same caller.
    strategy : Strategy
        What decides; the driver checks its answers.
    """

    def __init__(self, order: Assignment, follower: Follower, strategy: Strategy) -> None:
        self.id = order.parent
        self.order = order
        self.strategy = strategy
        # A learned strategy runs compiled, without a check of its answers: NaN weights are found here or never.
        refuse_broken_weights(strategy)
        self._follower = follower
        self._driver: Driver | None = None
        self._waiting: list[Ints] = []
        self._by_time = order.task.clock == "time"
        self._missed: TapeError | None = None  # raised when the next word or time comes
        self._children = Children(order)
        self._rows = DriverRows(order.instrument, follower.listing.dense_ids)
        self._exec_ids: set[str] = set()
        self.states = TradingStates()
        """Why it may send nothing new: it is paused, cancelled or detached."""
        self._began_journaled = False
        self._guidance: tuple[Alpha | None, Posture | None] = (None, None)
        self._guidance_json: list[dict[str, Any] | None] = [None, None]
        self.began: tuple[Int32, Ints] | None = None
        """Book and state at arrival: with what `take_recorded` gives they replay the session."""
        self.seen = 0
        """Decisions that :meth:`decision` has returned."""
        self.features = np.zeros((1, N_FEATURES), np.float32)
        """Features of the last of them, which drift detection reads."""

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def arrived(self) -> bool:
        """Whether the order has arrived at its market."""
        return self._driver is not None

    @property
    def driver(self) -> Driver:
        """The driver, once it has gone through the market data that waited.

        Raises
        ------
        OrderError
            Before arrival.
        """
        if self._driver is None:
            raise OrderError(
                "a parent that has arrived", f"{self.order.parent} before its start", "wait for it"
            )
        if self._waiting:
            self._catch_up([])
        return self._driver

    @property
    def left(self) -> int:
        """Lots not yet filled (or booked as unfilled at the horizon)."""
        return self._driver.left if self._driver else self.order.quantity

    @property
    def filled(self) -> int:
        """Lots that traded."""
        return (
            self.order.quantity
            - self.left
            - (int(self._driver.state[sim.UNFILLED_LOTS]) if self._driver else 0)
        )

    @property
    def open(self) -> int:
        """Own lots not known dead: in flight, resting or cancel pending."""
        return int(open_lots(self._driver.book)) if self._driver else 0

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, or its horizon came while it was paused."""
        return self.states.why(StateReason.CALLED_OFF) is not None

    @property
    def off(self) -> str:
        """Why it was detached; "" while it works."""
        return self.states.why(StateReason.DETACHED) or ""

    @property
    def _decides(self) -> bool:
        return permits(
            Sender.STRATEGY, Act.GROWS, self.states.standing(scope=ReasonScope.PARENT).state
        )

    @property
    def done(self) -> bool:
        """Whether it is filled, ended, or cancelled with no order left at the venue."""
        return (self.cancelled and self.open == 0) or (
            self._driver is not None and self._driver.done
        )

    @property
    def due_ns(self) -> int:
        """Time at which `on_time` has to be called next; FOREVER_NS where only events matter."""
        if self.off:
            return FOREVER_NS
        if self._driver is None:
            waits = self.cancelled or not self._follower.ready or self._follower.halted
            return FOREVER_NS if waits else max(self.order.start_ns, self._follower.now_ns)
        return FOREVER_NS if self.cancelled else self._driver.due_ns

    @property
    def view(self) -> View:
        """The last decision's view; overwritten by the next."""
        return self.driver.view

    @property
    def decisions(self) -> int:
        """Number of decisions taken."""
        return (
            self._driver.words[sim.TAKEN if gap_of(self.strategy) else sim.DECISION]
            if self._driver
            else 0
        )

    def take_recorded(self) -> Ints:
        """Driver rows since the last call, int64 (r, 8): with the state at arrival they replay the session."""
        if self._waiting:
            self._catch_up([])
        return self._rows.take()

    def decision(self, commands: Sequence[Command], now_ns: int) -> list[Entry]:
        """Journal entry of a decision taken since the last call ([]: none); together they replay the session."""
        if self.decisions == self.seen:
            return []
        self.seen = self.decisions
        order, view = self.order, self.view
        self.features = features_of(view.x, view.m)
        # what a bound draws is of replay alone
        orders = view.x[:, : c.UNDERCUT]
        arrays: dict[str, Any] = {"x": orders, "m": view.m, "obs": self.features}
        if view.outlook is not None:
            arrays["outlook"] = view.outlook
        arrays["rows"] = self.take_recorded()
        if self.began is not None and not self._began_journaled:
            arrays["book"], arrays["state"] = self.began
            self._began_journaled = True
        body: dict[str, Any] = {
            "n": self.seen - 1,
            "strategy": self.strategy.name,
            "obs_hash": sha256(self.features.tobytes()).hexdigest()[:16],
            "alpha": self._guidance_json[0],
            "posture": self._guidance_json[1],
            "intent": self.driver.last_intent.tolist(),
            "commands": [command.cl_ord_id for command in commands],
            "arrays": list(arrays),
        }
        return [
            Entry(
                kinds.DECISION,
                now_ns,
                order.instrument,
                order.account,
                order.parent,
                "",
                body,
                pack(arrays),
            )
        ]

    def fills(self) -> Ints:
        """Own fills: int64 (f, 7) of ns, price, lots, mid2, touch2, passive, forced."""
        return fills_of(self.driver.state).copy()

    def costs(self) -> Costs:
        """Current cost sums, one row."""
        book, state = self.driver.book[None], self.driver.state[None]
        return costs_of(book, state, self.order.task.grid_points, np.zeros(1, np.int64))

    # -- what happens to it -------------------------------------------------------------------------------------------

    def waits(self, event: MarketRows) -> bool:
        """Queue market data for the next decision; False if a decision may fall due before it.

        No caller needs their effect before that, and :meth:`on_events` need not see them again.
        """
        rows, due = event.rows, self.due_ns
        if self._driver is None or self.off or event.snapshot or not len(rows):
            return True
        if due >= FOREVER_NS or rows[-1, M_NS] > due or not self._by_time:
            return False
        # Bounded, so that a decision after a long wait is not late by all the rows before it.
        if self._missed is not None or len(self._waiting) >= WAITING:
            return False
        self._waiting.append(rows)
        return True

    def on_events(self, events: Sequence[VenueEvent]) -> list[Command]:
        """Process a venue's events in order; the commands to send.

        Raises
        ------
        TapeError
            Market data that does not fit: some were missed.
        """
        commands: list[Command] = []
        if self._driver is None or self.off:
            return commands
        for event in events:
            if isinstance(event, MarketRows):
                if event.instrument == self.order.instrument and not self.waits(event):
                    self._waiting.append(event.rows)
                    self._catch_up(commands)
            elif isinstance(event, Report):
                self._on_report(event, commands)
            elif isinstance(event, CancelReject) and event.cl_ord_id in self._children.cancels:
                self._cancel_over(event.cl_ord_id, 0, event.ns, commands)
        self._end_if_over()
        if self._missed is not None:
            raise self._missed
        return commands

    def on_time(self, now_ns: int) -> list[Command]:
        """Advance to `now_ns`, all events until then processed: arrive, decide or close as due."""
        commands: list[Command] = []
        if self.off:
            return commands
        if self._driver is None and self.due_ns <= now_ns:
            order, task = self.order, self.order.task
            interval, rooms = task.horizon_ns // task.decisions, (task.grid_points, LOG_ROWS)
            looks_back = forecaster_of(self.strategy) is not None
            self.began = b, k = self._follower.arrival(
                order.start_ns, interval, task.warmup_ns, rooms, looks_back
            )
            begin(k, order, now_ns, self._follower.listing.tick, gap_of(self.strategy))
            self._driver = Driver(b, k, self.strategy, kernels.apply_heard, order.instrument)
            if any(self._guidance):  # the first decision sees it
                self._feed(guided_row(*self._guidance, max(now_ns, self._now)), [])
        if self._driver is not None:
            self._decide(now_ns, commands)
            self._end_if_over()
            if self._missed is not None:
                raise self._missed
        return commands

    def on_denied(self, command: Command) -> list[Command]:
        """A command was denied by limits: its lots are dead, or its cancel is dropped.

        What waits behind it is not tried before the next decision: what refused it would refuse it again. The forced
        order has no next decision, and is booked as unfilled.
        """
        commands: list[Command] = []
        name = command.cl_ord_id
        if name in self._children.cancels:
            self._cancel_over(name, 0, self._now, commands)
        elif name in self._children.by_name:
            child = self._children.by_name[name]
            if child.forced:
                self._book_unfilled(child, self._now, commands)
            else:
                self._feed(
                    self._row(self._now, sim.OWN_DENIED, child, 0, 0, self._open(child)), commands
                )
                self._forget(child)
        self._end_if_over()
        return commands

    def guide(self, alpha: Alpha | None, posture: Posture | None, now_ns: int) -> None:
        """Set the guidance of signals and risk for decisions from now on."""
        self._guidance = alpha, posture
        self._guidance_json = [asdict(one) if one else None for one in (alpha, posture)]
        if self.arrived and not self.done and not self.off:
            self._feed(guided_row(alpha, posture, max(now_ns, self._now)), [])

    def pause(self) -> list[Command]:
        """Cancel all orders and send none until `resume`; a horizon reached meanwhile cancels the parent."""
        self.states.add(StateReason.PAUSED, "paused")
        return self._withdraw()

    def resume(self) -> None:
        """Resume at the next decision."""
        self.states.end(StateReason.PAUSED)

    def cancel(self) -> list[Command]:
        """Cancel the parent: withdraw all orders and send no more."""
        self.states.add(StateReason.CALLED_OFF, "called off")
        commands = self._withdraw()
        if self._driver is not None:
            # By all three clocks: a volume clock would go on deciding for an order that was called off.
            self.driver.state[[sim.DUE_NS, sim.DUE_EVENTS, sim.DUE_VOLUME]] = FOREVER_NS
        return commands

    def amend(self, quantity: int) -> list[Command]:
        """Change the quantity; where more is open than remains to do, all orders are cancelled first.

        Raises
        ------
        OrderError
            Fewer lots than are filled already.
        """
        if quantity < max(self.filled, 1) or self.done:
            raise OrderError(
                f"at least the {self.filled} lots filled of an order at work",
                f"{quantity}",
                "cancel the rest instead",
            )
        more = quantity - self.order.quantity
        self.order = replace(self.order, quantity=quantity)
        if self._driver is None:
            return []
        self.driver.state[[sim.QUANTITY, sim.LEFT]] += more
        return self._withdraw() if self.open > self.left else []

    # -- arrival and decisions ----------------------------------------------------------------------------------------

    @property
    def _now(self) -> int:
        return self.driver.words[sim.NOW] if self._driver else self._follower.now_ns

    def _decide(self, now_ns: int, commands: list[Command]) -> None:
        """Take the decisions due by `now_ns`; a paused order only lets them pass."""
        driver = self.driver
        if self.cancelled:
            return
        if self._decides:
            commands += self._children.commands(driver.decide_due(now_ns))
            return
        k = driver.state
        # Paused to its end: the remainder is not forced through, as a pause means that it must not trade.
        if k[sim.START_NS] + k[sim.HORIZON_NS] <= now_ns:
            commands += self.cancel()
            return
        commands += self._children.commands(driver.skip_due(now_ns))

    def _withdraw(self) -> list[Command]:
        if self._driver is None or self._driver.done:
            return []
        return self._children.commands(self.driver.withdraw())

    def _end_if_over(self) -> None:
        """The horizon is over, every command answered, and lots are left: book them as the batch does."""
        if self._driver is None:
            return
        k = self._driver.words
        if k[sim.PHASE] != sim.CLOSING or k[sim.LEFT] == 0:
            return
        # While a command is on its way a fill of it may still come.
        if k[sim.COMMAND_HEAD] == k[sim.COMMAND_TAIL] and not self.cancelled:
            self._driver.end()

    # -- the venue's reports -------------------------------------------------------------------------------------------

    def _catch_up(self, commands: list[Command]) -> None:
        """Go through the market data that wait; a gap is raised with the next event or time."""
        waiting = self._waiting
        self._waiting = []
        if self._missed is not None:
            return
        try:
            rows = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            driver, at = self.driver, 0
            while at < len(rows):
                at = self._rows.follow(driver, rows, at)
                for own, passive, mid2, touch2 in self._rows.marks:
                    self._children.at[own].marks[bool(passive)].append((mid2, touch2))
                if at < len(rows):
                    # Up to the moment before: a decision sees all rows of its own time, as in the simulator.
                    self._decide(max(int(rows[at, M_NS]), self._now) - 1, commands)
        except TapeError as error:
            self._missed = error

    def _feed(self, row: Ints, commands: list[Command]) -> None:
        """One row of the driver's own record; decisions that fell due before it are taken first."""
        if self._decides:
            commands += self._children.commands(self.driver.on_event(row))
        else:
            commands += self._children.commands(
                self.driver.apply_alone(row)
            )  # no decision may be taken on the way
        self._rows.keep(row)

    def _row(
        self, ns: int, kind: int, child: Child, how: int, price: int, lots: int, *met: int
    ) -> Ints:
        mid2, touch2 = met or (0, 0)
        return np.array(
            [max(ns, self._now), kind, child.own, how, price, lots, mid2, touch2], np.int64
        )

    def _on_report(self, report: Report, commands: list[Command]) -> None:
        child = self._children.meant_by(report)
        # A venue may repeat an execution after an outage; a status tells nothing that its executions do not.
        if child is None or report.exec_id in self._exec_ids or report.exec_type is ExecType.STATUS:
            return
        if self._waiting:
            self._catch_up(commands)
        self._exec_ids.add(report.exec_id)
        if report.exec_type is ExecType.NEW:
            # The number before the dot is the one that market data call it by.
            child.number = int(report.order_id.partition(".")[0])
            self._rows.name(child.number, child.own)
        elif report.exec_type is ExecType.TRADE:
            self._filled(child, report, commands)
        elif report.exec_type is ExecType.REPLACED:
            self._children.renamed(child, report.cl_ord_id)
            stays = child.stays(report.leaves_qty)
            self._cancel_over(report.cl_ord_id, self._open(child) - stays, report.ns, commands)
        elif report.exec_type in (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED):
            # Before its lots die: a lot that is part filled counts as filled, and is not sent again.
            if self._children.ended(child) and child.worst is not None and child.mid2 is not None:
                how = 2 if child.forced else 1
                touch2 = 2 * child.worst if child.forced else 0
                self._feed(
                    self._row(
                        report.ns, sim.OWN_FILL, child, how, child.worst, 1, child.mid2, touch2
                    ),
                    commands,
                )
            if child.forced:
                self._book_unfilled(child, report.ns, commands)
            elif report.cl_ord_id in self._children.cancels:
                self._cancel_over(report.cl_ord_id, self._open(child), report.ns, commands)
            else:
                if lots := self._open(child):
                    self._feed(self._row(report.ns, sim.OWN_DEAD, child, 0, 0, lots), commands)
                self._forget(child)
        # The venue may give its number to another order from now on.
        if report.leaves_qty == 0:
            self._forget(child)

    def _filled(self, child: Child, report: Report, commands: list[Command]) -> None:
        k, marks = self.driver.state, child.marks[report.passive]
        touch2 = 2 * int(k[sim.PUBLIC_ASK if self.order.side > 0 else sim.PUBLIC_BID])
        # What the aggressor met was marked by market data, which came first; else the market as it is now has to do.
        met = marks.popleft() if marks else (int(k[sim.MID2]), touch2)
        child.worst = against(self.order.side, report.last_px)
        child.mid2 = met[0]
        how = int(report.passive) + 2 * int(child.forced)
        touch2 = 0 if report.passive else met[1]
        if lots := child.fill(report.last_qty):
            self._feed(
                self._row(report.ns, sim.OWN_FILL, child, how, child.worst, lots, met[0], touch2),
                commands,
            )

    def _book_unfilled(self, child: Child, ns: int, commands: list[Command]) -> None:
        """The rest of the forced order: booked where the ladder ended, or where the next lot stood beyond the limit."""
        k, lots, side = self.driver.state, self._open(child), self.order.side
        if lots == 0:
            return
        far = sim.PUBLIC_ASK if side > 0 else sim.PUBLIC_BID
        last = sim.LAST_ASK if side > 0 else sim.LAST_BID
        worst = int(k[last]) if child.worst is None else child.worst
        # The limit ended it, not the book: the next lot would have cost what the far touch asks.
        if child.price is not None and child.price * side < k[far] * side < NO_ASK:
            worst = int(k[far])
        worst = ladder_end(k, side, worst)
        mid2 = int(k[sim.MID2]) if child.mid2 is None else child.mid2
        paid = int(k[sim.WORST_PAID])
        self._feed(self._row(ns, sim.OWN_FILL, child, 2, worst, lots, mid2, 2 * worst), commands)
        # After the row, which books them as filled: this takes them out of the fills and counts them by themselves.
        mark_unfilled(k, worst, lots, paid)

    def _cancel_over(self, name: str, dead: int, ns: int, commands: list[Command]) -> None:
        """A cancel, or a replace sent as one, was answered."""
        child, requested = self._children.cancels.pop(name)
        self._feed(self._row(ns, sim.OWN_DEAD, child, 0, requested, dead), commands)

    def _open(self, child: Child) -> int:
        book = self.driver.book
        return int(book[book[lay.AT_LEDGER] + child.own * lay.LEDGER + lay.OPEN])

    def _forget(self, child: Child) -> None:
        self._rows.forget(child.number, child.own)
        child.number = -1
