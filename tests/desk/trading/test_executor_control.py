"""An executor in hands: paused, called off, amended, denied, guided, two at a time; what it recorded replays."""

import numpy as np
import pytest
from tests.desk.trading.folded_orders import FoldedOrders, costs
from tests.parts import whole

from tercel.core.errors import OrderError, TapeError, VenueError
from tercel.core.orders import (
    CancelOrder,
    ExecType,
    Listing,
    MarketRows,
    NewOrder,
    ReplaceOrder,
    Report,
)
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.execution.driver import Driver
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange

S = 10**9
TASK = Task(horizon_s=300.0, decisions=20, warmup_s=60.0, grid_points=5)


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


class Floor:
    """An exchange, a follower of its one instrument, and executors; commands pass a gate that tests can close."""

    def __init__(self, source: Source, seed: int = 3) -> None:
        latency = EntryLatency("constant", 5_000_000)
        self.exchange = SimulatedExchange({"X": MarketSpec(source, seed)}, latency=latency)
        self.follower = Follower(self.exchange.listings()[0], width=self.exchange.width("X"))
        self.exchange.subscribe("X")
        (snapshot,) = self.exchange.step(self.exchange.now_ns)
        self.follower.on_market(snapshot)
        self.executors: list[ParentExecutor] = []
        self.orders = FoldedOrders()
        self.sent: list[object] = []
        self.reports: list[Report] = []
        self.denies = False

    def hire(
        self,
        name: str,
        *,
        side: int = 1,
        quantity: int = 200,
        after_s: int = 60,
        account: str = "me",
        strategy: str = "twap_passive",
    ) -> ParentExecutor:
        order = Assignment(
            name, account, "X", side, quantity, self.exchange.now_ns + after_s * S, TASK
        )
        self.executors.append(ParentExecutor(order, self.follower, build(strategy), self.orders))
        return self.executors[-1]

    def send(self, executor: ParentExecutor, commands: list) -> None:
        while commands:
            command = commands.pop(0)
            self.sent.append(command)
            if self.denies and isinstance(command, NewOrder):
                commands += executor.on_denied(command)
            else:
                self.orders.send(self.exchange, command)

    def run(self, seconds: float) -> None:
        until = self.exchange.now_ns + round(seconds * S)
        while True:
            due = min([until, *(executor.due_ns for executor in self.executors)])
            events = self.orders.hear(self.exchange.step(due))
            for event in events:
                if isinstance(event, MarketRows):
                    self.follower.on_market(event)
            for executor in self.executors:
                self.send(executor, executor.on_events(events))
            self.reports += [event for event in events if isinstance(event, Report)]
            if all(isinstance(event, MarketRows) for event in events):
                for executor in self.executors:
                    self.send(executor, executor.on_time(self.exchange.now_ns))
                if self.exchange.now_ns >= until and all(
                    executor.due_ns > until for executor in self.executors
                ):
                    return

    def traded(self, parent: str) -> int:
        mine = (
            r
            for r in self.reports
            if r.exec_type is ExecType.TRADE and r.cl_ord_id.startswith(parent + ".")
        )
        return sum(whole(r.last_qty) for r in mine)


def at_work(source: Source, seconds: float) -> tuple[Floor, ParentExecutor]:
    """A floor and its one executor after a while."""
    floor = Floor(source)
    executor = floor.hire("P")
    floor.run(seconds)
    return floor, executor


def test_a_paused_order_takes_everything_back_and_goes_on_when_resumed(csco: Source) -> None:
    floor, executor = at_work(csco, 90)
    assert executor.open > 0
    floor.send(executor, executor.pause())
    floor.run(1)
    assert (executor.open, executor.states.text_of(StateReason.PAUSED)) == (0, "paused")
    filled, sent = executor.filled, len(floor.sent)
    floor.run(60)
    assert (executor.filled, len(floor.sent)) == (filled, sent)
    executor.resume()
    floor.run(260)
    assert executor.done
    assert executor.filled == floor.traded("P") == 200
    with pytest.raises(OrderError, match="filled"):
        executor.amend(200)


@pytest.mark.parametrize("paused", [True, False])
def test_a_cancelled_order_ends_with_what_it_has(csco: Source, paused: bool) -> None:
    floor, executor = at_work(csco, 100)
    floor.send(executor, executor.pause() if paused else executor.cancel())
    floor.run(300)
    assert executor.done
    assert executor.cancelled
    assert 0 < executor.filled == floor.traded("P") < 200
    assert executor.open == 0
    assert executor.due_ns == FOREVER_NS
    assert costs(executor).forced_lots[0] == 0


def test_a_cancel_before_arrival_sends_nothing(csco: Source) -> None:
    floor, executor = at_work(csco, 10)
    assert executor.cancel() == []
    floor.run(100)
    assert executor.done
    assert not executor.arrived
    assert floor.sent == []
    with pytest.raises(OrderError, match="arrived"):
        costs(executor)


@pytest.mark.parametrize("to_the_end", [False, True])
def test_what_the_gate_denies_is_no_lot_at_work(csco: Source, to_the_end: bool) -> None:
    floor = Floor(csco)
    executor = floor.hire("P")
    floor.denies = True
    floor.run(120)
    assert floor.sent
    assert (executor.open, executor.filled) == (0, 0)
    floor.denies = to_the_end
    floor.run(300)
    assert executor.done
    assert executor.filled == (0 if to_the_end else 200)
    assert costs(executor).unfilled_lots[0] == 200 - executor.filled


def test_a_denied_replace_is_asked_for_again_by_the_size_at_the_venue(
    csco: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other replace is denied; the n-th command of the driver is P.n, and says how many lots are to go."""
    floor = Floor(csco)
    executor = floor.hire("P", strategy="twap_repeg")
    asked = []

    def send(_: Floor, executor: ParentExecutor, commands: list) -> None:
        while commands:
            command = commands.pop(0)
            if isinstance(command, ReplaceOrder):
                order = floor.orders.get(command.orig)
                index = (int(command.cl_ord_id.removeprefix("P.")) - 1) % sim.COMMAND_SLOTS
                lots = executor.driver.state[sim.COMMANDS + index * sim.COMMAND + sim.HOW_MANY]
                assert command.lots == (order, *order.pending)[-1].lots - lots
                asked.append(command)
                if len(asked) % 2:
                    commands += executor.on_denied(command)
                    continue
            floor.orders.send(floor.exchange, command)

    monkeypatch.setattr(Floor, "send", send)
    floor.run(400)
    assert len(asked) > 4
    assert executor.filled == floor.traded("P") == 200


def test_two_executors_on_both_sides_and_accounts_fill_and_the_record_replays(csco: Source) -> None:
    floor = Floor(csco)
    buys = floor.hire("B", side=1, quantity=250, account="one")
    sells = floor.hire("S", side=-1, quantity=250, account="two", after_s=75)
    floor.run(420)
    for executor in (buys, sells):
        assert executor.done
        executor.driver.check()
        assert executor.filled == floor.traded(executor.order.parent) == 250
        assert executor.arrival_market is not None
        again = Driver(*executor.arrival_market, build("twap_passive"))
        again.run(executor.take_rows())
        np.testing.assert_array_equal(
            again.state[sim.SPREAD : sim.STEP_CASH],
            executor.driver.state[sim.SPREAD : sim.STEP_CASH],
        )
        np.testing.assert_array_equal(again.book, executor.driver.book)
        assert len(executor.take_rows()) == 0
        filled = executor.filled
        assert executor.on_events(floor.reports) == []
        assert executor.filled == filled, "what is heard twice counts once"
        mine = [one for one in floor.sent if one.cl_ord_id.startswith(f"{executor.order.parent}.")]
        names = [one.cl_ord_id for one in mine]
        assert names == [f"{executor.order.parent}.{n}" for n in range(1, len(names) + 1)]
        assert {one.orig for one in mine if isinstance(one, CancelOrder)} <= {*names}


def test_market_data_that_wait_for_a_decision_change_nothing(
    csco: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor that goes through its market data every second, or after every two updates, sends and records what
    one does that is left alone.
    """
    left, looked, often = Floor(csco), Floor(csco), Floor(csco)
    alone, asked, hurried = left.hire("P"), looked.hire("P"), often.hire("P")
    left.run(330)
    for second in range(330):
        looked.run(1)
        if asked.arrived:
            assert asked.driver.state[sim.NOW] >= alone.order.start_ns, second
    monkeypatch.setattr("tercel.desk.trading.parent_orders.executor.WAITING", 2)
    often.run(330)
    assert left.sent == looked.sent == often.sent
    recorded = alone.take_rows()
    for other in (asked, hurried):
        np.testing.assert_array_equal(recorded, other.take_rows())
        np.testing.assert_array_equal(alone.driver.state, other.driver.state)


def test_a_gap_in_market_data_that_wait_is_told_when_a_decision_falls_due(csco: Source) -> None:
    floor, executor = at_work(csco, 62)
    floor.exchange.subscribe("X")
    snapshot = next(event for event in floor.exchange.step(floor.exchange.now_ns) if event.snapshot)
    again = snapshot.rows[-1:].copy()  # an order that rests already
    assert executor.queue_market_data(MarketRows("X", again))
    executor.guide(None, None, floor.exchange.now_ns)
    assert [type(command) for command in executor.pause()] == [CancelOrder]
    executor.resume()
    with pytest.raises(TapeError, match="subscribe"):
        executor.on_time(executor.due_ns)
    assert not executor.queue_market_data(MarketRows("X", again))
    with pytest.raises(TapeError, match="subscribe"):
        executor.on_events([MarketRows("X", again)])


def test_what_cannot_be_followed_or_worked_is_refused(csco: Source) -> None:
    with pytest.raises(VenueError, match="ids"):
        Follower(Listing("X", 0.01, 100))
    with pytest.raises(OrderError, match="side"):
        Assignment("P", "me", "X", 0, 10, 0, TASK)
