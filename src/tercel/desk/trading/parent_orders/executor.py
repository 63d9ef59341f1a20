"""Executor of a parent order: passes market data and reports to a strategy, and its decisions to a venue as orders.

Venue events become driver rows and driver commands become orders. Market data rows of everybody else's orders are public
rows; the ADD row of an own order shows that it rests. Reports on own orders become rows in `children`.

An executor runs on venue time: `on_events` with the events that came, then `on_time` once all up to a time were passed.

An executor that can no longer be relied on (its strategy raised, the link was down, the session is new) is
*detached*: its manager cancels its children, and once the venue has ended them all a new executor works the remainder.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import numpy as np

from tercel.core.arrays import Int32, Ints
from tercel.core.errors import OrderError, TapeError, refuse_if
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import M_NS, Command, MarketRows, NewOrder, ReplaceOrder, VenueEvent
from tercel.core.ports import Entry
from tercel.core.venue_rules import NO_RULES
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import pack
from tercel.desk.trading.parent_orders import kernels
from tercel.desk.trading.parent_orders.children import Assignment, Children, write_order
from tercel.desk.trading.parent_orders.driver_rows import DriverRows
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.rule_keeper import RuleKeeper
from tercel.desk.trading.parent_orders.strategies import refuse_broken_weights
from tercel.desk.trading.risk.trading_state import (
    Act,
    ReasonScope,
    Sender,
    StateReason,
    TradingStates,
    permits,
)
from tercel.execution import columns as c
from tercel.execution.costs import fills_of
from tercel.execution.driver import Driver
from tercel.execution.features import N_FEATURES, features_of
from tercel.execution.guidance import guided_row
from tercel.execution.reconcile import open_lots
from tercel.execution.strategy import Strategy, forecaster_of, gap_of
from tercel.market.simulator import layout as sim

LOG_ROWS = 4096
WAITING = 1024  # most queued updates of a market


class ParentExecutor:
    """Works one parent order by one strategy: venue events in, commands out.

    Parameters
    ----------
    order : Assignment
    follower : Follower
        Of the instrument; fed before the executor, by the same caller.
    strategy : Strategy
        What decides; the driver checks its answers.
    orders : Orders
        State of the parent's child orders, in which every command and report is folded before the executor sees it.
    """

    def __init__(
        self, order: Assignment, follower: Follower, strategy: Strategy, orders: Orders
    ) -> None:
        self.id = order.parent
        self.order = order
        self.strategy = strategy
        # A learned strategy runs compiled, without a check of its answers: NaN weights are found here or never.
        refuse_broken_weights(strategy)
        self._follower = follower
        self._driver: Driver | None = None
        self._waiting: list[Ints] = []
        self._gap_error: TapeError | None = None  # raised with the next event or time
        self._rows = DriverRows(order.instrument, follower.listing.dense_ids)
        self._children = Children(order, orders, self._rows)
        self._rules = RuleKeeper(follower, self._children)
        self.states = TradingStates()
        """Reasons why the executor may send nothing new: paused, cancelled or detached."""
        self._guidance: tuple[Alpha | None, Posture | None] = (None, None)
        self.arrival_market: tuple[Int32, Ints] | None = None
        """Book and state at arrival, from which the rows of `take_rows` replay the session."""
        self.seen = 0
        """Number of decisions that :meth:`decision_entries` has returned."""
        self.features = np.zeros((1, N_FEATURES), np.float32)
        """Features of the last decision, which drift detection reads."""

    @property
    def arrived(self) -> bool:
        """Whether the order has arrived at its market."""
        return self._driver is not None

    @property
    def driver(self) -> Driver:
        """The driver of the strategy, with all queued market data applied.

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
        """Lots that are neither filled nor booked as unfilled at the horizon; all of them before arrival."""
        return self._driver.left if self._driver else self.order.quantity

    @property
    def filled(self) -> int:
        """Filled lots of the order."""
        return (
            self.order.quantity
            - self.left
            - (int(self._driver.state[sim.UNFILLED_LOTS]) if self._driver else 0)
        )

    @property
    def open(self) -> int:
        """Lots of own orders that may still fill: in flight, resting, or with a cancel pending."""
        return int(open_lots(self._driver.book)) if self._driver else 0

    @property
    def cancelled(self) -> bool:
        """Whether the order was cancelled, or its horizon passed while it was paused."""
        return self.states.text_of(StateReason.CALLED_OFF) is not None

    @property
    def detach_reason(self) -> str:
        """Reason why the executor was detached; "" while it works."""
        return self.states.text_of(StateReason.DETACHED) or ""

    @property
    def _decides(self) -> bool:
        """Whether the trading state lets the strategy send new orders."""
        return permits(
            Sender.STRATEGY, Act.GROWS, self.states.standing(scope=ReasonScope.PARENT).state
        )

    @property
    def done(self) -> bool:
        """Whether the order is filled, ended, or cancelled with no lots open at the venue."""
        return (self.cancelled and self.open == 0) or (
            self._driver is not None and self._driver.done
        )

    @property
    def due_ns(self) -> int:
        """Venue time, ns, at which `on_time` has to be called next; FOREVER_NS if only events matter."""
        if self.detach_reason:
            return FOREVER_NS
        if self._driver is None:
            waits = self.cancelled or not self._follower.ready or self._follower.halted
            start_ns = self._rules.rules.next_open_ns(
                max(self.order.start_ns, self._follower.now_ns)
            )
            return FOREVER_NS if waits else start_ns
        return min(FOREVER_NS if self.cancelled else self._driver.due_ns, self._rules.due_ns)

    @property
    def decisions(self) -> int:
        """Number of decisions taken."""
        return (
            self._driver.words[sim.TAKEN if gap_of(self.strategy) else sim.DECISION]
            if self._driver
            else 0
        )

    def take_rows(self) -> Ints:
        """Driver rows since the last call, int64 (r, 8): with the state at arrival they replay the session."""
        if self._waiting:
            self._catch_up([])
        return self._rows.take()

    def decision_entries(self, commands: Sequence[Command], now_ns: int) -> list[Entry]:
        """Journal entry of the decision taken since the last call, with the rows that replay it; [] if none was taken."""
        if self.decisions == self.seen:
            return []
        is_first = self.seen == 0
        self.seen = self.decisions
        order = self.order
        view = self.driver.view  # at the last decision
        self.features = features_of(view.x, view.m)
        # columns from UNDERCUT on are random draws, which a replay makes again
        orders = view.x[:, : c.UNDERCUT]
        arrays: dict[str, Any] = {"x": orders, "m": view.m, "obs": self.features}
        if view.outlook is not None:
            arrays["outlook"] = view.outlook
        arrays["rows"] = self.take_rows()
        if self.arrival_market is not None and is_first:
            arrays["book"], arrays["state"] = self.arrival_market
        alpha, posture = (asdict(guidance) if guidance else None for guidance in self._guidance)
        body: dict[str, Any] = {
            "n": self.seen - 1,
            "strategy": self.strategy.name,
            "obs_hash": sha256(self.features.tobytes()).hexdigest()[:16],
            "alpha": alpha,
            "posture": posture,
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

    def queue_market_data(self, event: MarketRows) -> bool:
        """Queue market data for the next decision (True; also if they are ignored); False, not queued, if they must be processed
        now.

        No caller needs their effect before that, and :meth:`on_events` need not see them again.
        """
        rows = event.rows
        due = self.due_ns
        if self._driver is None or self.detach_reason or event.snapshot or not len(rows):
            return True
        # In a halt nothing falls due, and a row may end it.
        waits = self.cancelled or self._driver.due_ns >= FOREVER_NS
        if waits or rows[-1, M_NS] > due or self.order.task.clock != "time":
            return False
        # Bounded, so that a decision after a long wait is not late by all the rows before it.
        if self._gap_error is not None or len(self._waiting) >= WAITING:
            return False
        self._waiting.append(rows)
        return True

    def on_events(self, events: Sequence[VenueEvent]) -> list[Command]:
        """Process a venue's events in order; returns the commands to send.

        Raises
        ------
        TapeError
            Market data that does not fit: some were missed.
        """
        to_send: list[Command] = []
        if self._driver is None or self.detach_reason:
            return to_send
        for event in events:
            if isinstance(event, MarketRows):
                if event.instrument == self.order.instrument and not self.queue_market_data(event):
                    self._waiting.append(event.rows)
                    self._catch_up(to_send)
            elif (child := self._children.find(event)) is not None:
                if self._waiting:
                    self._catch_up(to_send)
                for row in self._children.rows_of(child, event, self.driver):
                    self._feed(row, to_send)
        self._end_if_over()
        if self._gap_error is not None:
            raise self._gap_error
        return to_send

    def on_time(self, now_ns: int) -> list[Command]:
        """Arrive, decide or close as due by a venue time, ns; returns the commands to send."""
        to_send: list[Command] = []
        if self.detach_reason:
            return to_send
        if self._driver is None and self.due_ns <= now_ns:
            order = self.order
            task = order.task
            interval = task.horizon_ns // task.decisions
            rooms = (task.grid_points, LOG_ROWS)
            self.arrival_market = b, k = self._follower.arrival(
                order.start_ns,
                interval,
                task.warmup_ns,
                rooms,
                forecaster_of(self.strategy) is not None,
            )
            write_order(k, order, now_ns, self._follower.listing.tick, gap_of(self.strategy))
            self._driver = Driver(b, k, self.strategy, kernels.apply_single_row, order.instrument)
            self._rules.change_ns = self._rules.rules.next_stop_ns(max(now_ns, self._now))
            if any(self._guidance):  # the first decision sees it
                self._feed(guided_row(*self._guidance, max(now_ns, self._now)), [])
        if self._driver is not None:
            self._pass_breaks(now_ns, to_send)
            self._decide(now_ns, to_send)
            to_send += self._rules.release(now_ns)
            self._end_if_over()
            if self._gap_error is not None:
                raise self._gap_error
        return to_send

    def keep_rules(self, commands: Sequence[Command], now_ns: int) -> Sequence[Command]:
        """The commands to send of those that it returned: within the rules of the instrument (`rule_keeper.RuleKeeper`)."""
        if self._rules.rules is NO_RULES and not self._follower.halted:
            return commands
        legal: list[Command] = []
        waiting = list(commands)
        # As if none of these were sent: limits may still deny any of them.
        new_lots = sum(command.lots for command in commands if isinstance(command, NewOrder))
        unsent = self.left - self.open + new_lots
        while waiting:
            command = waiting.pop(0)
            if not self._rules.can_send(now_ns):
                waiting += [] if self._rules.hold(command) else self.on_denied(command)
            elif isinstance(command, NewOrder):
                order = self._rules.fit_new(command, unsent)
                if order is None:
                    waiting += self.on_denied(command)
                    continue
                legal.append(order)
                unsent = unsent if order.lots % self._rules.rules.round_lots == 0 else 0
                if cut_lots := command.lots - order.lots:
                    for row in self._children.rows_of_denial(command, self.driver, cut_lots):
                        self._feed(row, waiting)
            elif isinstance(command, ReplaceOrder):
                legal.append(self._rules.fit_replace(command))
            else:
                legal.append(command)
        return legal

    def _pass_breaks(self, now_ns: int, to_send: list[Command]) -> None:
        """Tell the driver of windows that end or begin by a time; what was due before adds its orders to `to_send`."""
        while self._rules.change_ns <= now_ns:
            row = self._rules.take_status()
            row[sim.R_NS] = max(row[sim.R_NS], self._now)
            self._feed(row, to_send)

    def on_denied(self, command: Command) -> list[Command]:
        """Process the denial of a command by limits: its lots are dead, or its cancel is dropped; returns commands to send.

        What waits behind it is not tried before the next decision: what refused it would refuse it again. The forced
        order has no next decision, and is booked as unfilled.
        """
        to_send: list[Command] = []
        for row in self._children.rows_of_denial(command, self.driver):
            self._feed(row, to_send)
        self._end_if_over()
        return to_send

    def guide(self, alpha: Alpha | None, posture: Posture | None, now_ns: int) -> None:
        """Set the guidance of signals and risk for decisions from now on."""
        self._guidance = alpha, posture
        if self.arrived and not self.done and not self.detach_reason:
            self._feed(guided_row(alpha, posture, max(now_ns, self._now)), [])

    def pause(self) -> list[Command]:
        """Stop deciding until `resume`; returns cancels of all orders. A horizon reached meanwhile cancels the parent."""
        self.states.add(StateReason.PAUSED, "paused")
        return [*self._deny_held(), *self._withdraw()]

    def resume(self) -> None:
        """Decide again, from the next decision on."""
        self.states.end(StateReason.PAUSED)

    def cancel(self) -> list[Command]:
        """Stop deciding for good; returns cancels of all orders."""
        self.states.add(StateReason.CALLED_OFF, "called off")
        commands = [*self._deny_held(), *self._withdraw()]
        if self._driver is not None:
            # By all three clocks: a volume clock would go on deciding for an order that was called off.
            self.driver.state[[sim.DUE_NS, sim.DUE_EVENTS, sim.DUE_VOLUME]] = FOREVER_NS
            self.driver.state[sim.DUE_HELD] = 0  # nor does a decision that a halt put off
        return commands

    def amend(self, quantity: int) -> list[Command]:
        """Set the total quantity, lots; returns cancels of all orders if more is open than remains to do.

        Raises
        ------
        OrderError
            Fewer lots than are filled already.
        """
        refuse_if(
            quantity < max(self.filled, 1) or self.done,
            f"at least the {self.filled} lots filled of an order at work",
            f"{quantity}",
            "cancel the rest instead",
            OrderError,
        )
        added_lots = quantity - self.order.quantity
        self.order = replace(self.order, quantity=quantity)
        if self._driver is None:
            return []
        self.driver.state[[sim.QUANTITY, sim.LEFT]] += added_lots
        return self._withdraw() if self.open > self.left else []

    @property
    def _now(self) -> int:
        """Venue time, ns, of the last row applied."""
        return self.driver.words[sim.NOW] if self._driver else self._follower.now_ns

    def _decide(self, now_ns: int, to_send: list[Command]) -> None:
        """Take the decisions due by `now_ns`, adding their orders to `to_send`; a paused order lets them pass and is cancelled
        at its horizon."""
        driver = self.driver
        if self.cancelled:
            return
        if self._decides:
            to_send += self._children.commands(driver.decide_due(now_ns))
            return
        k = driver.state
        # Paused to its end: the remainder is not forced through, as a pause means that it must not trade.
        if k[sim.START_NS] + k[sim.HORIZON_NS] <= now_ns:
            to_send += self.cancel()
            return
        to_send += self._children.commands(driver.skip_due(now_ns))

    def _deny_held(self) -> list[Command]:
        """Give up new orders that wait for the end of a break or halt; returns commands to send."""
        return [command for order in self._rules.drop_orders() for command in self.on_denied(order)]

    def _withdraw(self) -> list[Command]:
        """Cancels of all orders that may still fill."""
        if self._driver is None or self._driver.done:
            return []
        return self._children.commands(self.driver.withdraw())

    def _end_if_over(self) -> None:
        """Once every command is answered, after the horizon: book the lots left as unfilled, or detach where the venue refused to
        cancel some of them, as of a cancelled order: `ParentOrderManager.cancel_unworked` cancels them again."""
        # While a command is on its way a fill of it may still come.
        if (
            self._driver is None
            or (k := self._driver.words)[sim.COMMAND_HEAD] != k[sim.COMMAND_TAIL]
        ):
            return
        closes = k[sim.PHASE] == sim.CLOSING and k[sim.LEFT] != 0
        if (closes or self.cancelled) and self.open:
            self.states.add(StateReason.DETACHED, "the venue refused to cancel its orders")
        elif closes and not self.cancelled:
            self._driver.end()

    def _catch_up(self, to_send: list[Command]) -> None:
        """Apply the queued market data to the driver, adding orders of decisions that fall due to `to_send`; a gap is raised
        later."""
        waiting = self._waiting
        self._waiting = []
        if self._gap_error is not None:
            return
        try:
            rows = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            driver = self.driver
            index = 0
            while index < len(rows):
                upto = int(np.searchsorted(rows[:, M_NS], self._rules.change_ns))
                if upto <= index:
                    self._pass_breaks(int(rows[index, M_NS]), to_send)
                    continue
                index = self._rows.follow(driver, rows[:upto], index)
                for place, passive, mid2, touch2 in self._rows.marks:
                    self._children.by_place[place].marks[bool(passive)].append((mid2, touch2))
                if index < len(rows):
                    # Up to the moment before: a decision sees all rows of its own time, as in the simulator.
                    self._decide(max(int(rows[index, M_NS]), self._now) - 1, to_send)
        except TapeError as error:
            self._gap_error = error

    def _feed(self, row: Ints, to_send: list[Command]) -> None:
        """Apply one row of an own order's event to the driver, after decisions that were due before it (orders added to
        `to_send`), and record it."""
        # Where no decision may be taken on the way: the row alone.
        apply = self.driver.on_event if self._decides else self.driver.apply_alone
        to_send += self._children.commands(apply(row))
        self._rows.record(row)
