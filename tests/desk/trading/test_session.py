"""Sessions over the simulated exchange: parity, people's commands, strategies that fail, venues that fail, kills."""

import ast
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import (
    WIDE,
    Flaky,
    S,
    asked,
    at_work,
    bodies,
    codes,
    exchange_of,
    session_of,
    truth,
)
from tests.desk.trading.folded_orders import FoldedOrders, costs
from tests.waiting import DEADLINE_S, until

import tercel
from tercel.core.errors import OrderError, TercelError, UnknownNameError
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import CancelOrder, LinkStatus, MarketRows, MassCancel, NewOrder, Tif
from tercel.core.ports import Entry
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.codec import entry_out
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.children import Assignment
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.manager import FALLBACK
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.execution import columns as c, policies_packaged
from tercel.execution.costs import Costs
from tercel.execution.driver import Driver
from tercel.execution.policies.onnx_policy import OnnxPolicy
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import STATUS


def alerts(session):
    return bodies(session, kinds.ALERT)


def done(session, seconds=400):
    """Run it to the end of its parent, which is filled."""
    session.run(session.now_ns + seconds * S)
    parent = session.ledger.parents.require("p1")
    assert (parent.status, parent.filled) == ("done", parent.lots)
    check(session)


def check(session):
    """What must hold whenever it is asked."""
    assert session.ledger.faults() == []
    assert not session.ledger.orders.quarantined
    for account in ("ann", "bob"):
        lots, standing = truth(session.venue, account)
        assert session.ledger.positions.of(account, "X").lots == lots
        live = [order for order in session.ledger.orders.live(account) if not order.done]
        assert len(live) >= standing
    again = Ledger.of(session.journal)
    assert list(again.orders) == list(session.ledger.orders)
    assert list(again.parents) == list(session.ledger.parents)


# -- parity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "limit"),
    [
        ("peg_behind", None),
        ("twap_passive", "-2bps"),
        ("twap_take", "-2bps"),
        ("twap_repeg+events", None),
    ],
)
def test_a_session_trades_as_a_bare_executor_does(strategy, limit):
    session = session_of(exchange_of(seed=5), seed=9)
    began = session.now_ns
    session.manager.accept(replace(asked(strategy=strategy), limit_price=limit))
    mine = session.manager.executors["p1"]
    session.run(began + 400 * S)

    bare = session_of(exchange_of(seed=5))
    exchange, follower = bare.venue, bare.follow("X")
    task = Task(horizon_s=300.0, decisions=20, warmup_s=60.0, limit_price=limit)
    orders = FoldedOrders()
    order = Assignment("p1", "ann", "X", 1, 200, began, task, 9, 0)
    executor = ParentExecutor(order, follower, build(strategy), orders)
    while not executor.done:
        due = min(executor.due_ns, exchange.now_ns + S)
        events = orders.hear(exchange.step(due))
        for event in events:
            if isinstance(event, MarketRows):
                follower.on_market(event)
        for command in executor.on_events(events):
            orders.send(exchange, command)
        if exchange.now_ns >= due and all(isinstance(event, MarketRows) for event in events):
            for command in executor.on_time(exchange.now_ns):
                orders.send(exchange, command)
    np.testing.assert_array_equal(mine.fills(), executor.fills())
    for field in fields(Costs):
        np.testing.assert_array_equal(
            getattr(costs(mine), field.name), getattr(costs(executor), field.name)
        )
    check(session)
    assert session.ledger.parents.require("p1").filled + costs(mine).unfilled_lots[0] == 200


# -- the gateway ------------------------------------------------------------------------------------------------------


def sends(path):
    """Whether a file calls `send` on something that is called a venue."""
    text = path.read_text()
    nodes = ast.walk(ast.parse(text)) if ".send" in text else ()
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    return any(
        isinstance(call, ast.Attribute)
        and call.attr == "send"
        and "venue" in ast.unparse(call.value)
        for call in calls
    )


def test_nothing_but_the_gateway_sends_to_a_venue():
    root = Path(tercel.__file__).parent
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if sends(path)}
    aside = ("fix/", "venues/exchange/", "venues/wire/")  # venues themselves
    outside = {name for name in found if not name.startswith(aside)}
    assert outside == {
        "desk/trading/gateway.py",
        "desk/gate/watchdog.py",
    }  # the second cancels, and nothing else


def test_what_leaves_is_in_the_journal_first():
    venue = Flaky(exchange_of())
    session, real = session_of(venue), venue.send

    def send(command):
        written = bodies(session, kinds.ORDER_OUT)[-20:]
        assert entry_out(command, limits=session.limits.hash).body in written
        real(command)

    venue.send = send
    session.manager.accept(asked())
    session.run_until(session.now_ns + 100 * S)
    assert len(venue.sends) > 2
    check(session)


@pytest.mark.parametrize("strategy", ["twap_passive", "random+events"])
def test_the_journal_replays_every_decision_byte_for_byte(strategy):
    session = session_of(exchange_of(), seed=4)
    alpha = Alpha("X", session.now_ns, 600 * S, 12.0, 5.0, 300 * S, ("news",))
    session.manager.accept(asked(strategy=strategy))
    session.run_until(session.now_ns + 100 * S)
    session.manager.guide("X", alpha, Posture("X", session.now_ns, urgency=0.5))
    session.run(session.now_ns + 400 * S)
    driver = None
    entries = [entry for _, entry in session.journal.read(kinds=[kinds.DECISION])]
    for n, entry in enumerate(entries):
        arrays = unpack(entry.blob)
        assert (entry.body["n"], set(entry.body["arrays"])) == (n, set(arrays))
        driver = driver or Driver(arrays["book"], arrays["state"], build(strategy))
        for row in arrays["rows"]:
            driver.on_event(row)
        driver.decide_due(entry.ns)
        np.testing.assert_array_equal(driver.view.m, arrays["m"])
        np.testing.assert_array_equal(driver.view.x[:, : c.UNDERCUT], arrays["x"])
        assert driver.last_intent.tolist() == entry.body["intent"]
    assert len(entries) > 10
    named = {name for entry in entries for name in entry.body["commands"]}
    assert named <= {entry.order for _, entry in session.journal.read(kinds=[kinds.ORDER_OUT])}
    assert entries[-1].body["alpha"]["expected_bps"] == 12.0


def test_an_order_that_was_denied_is_not_cancelled_at_the_venue():
    session = session_of(
        venue := Flaky(exchange_of()), limits=WIDE.replace("order_lots = 5000", "order_lots = 8")
    )
    session.manager.accept(asked())
    new = NewOrder("p1.a", "X", 1, 9, None, Tif.DAY, "ann", "p1", session.now_ns)
    cancel = CancelOrder("p1.b", "p1.a", "X", 1, "ann", session.now_ns)
    outcome = session.gateway.submit([new, cancel])
    assert (outcome.sent, [command for command, _ in outcome.denied]) == ([], [new, cancel])
    assert [body["code"] for body in bodies(session, kinds.DENIED)] == [
        "ORDER_LOTS",
        "UNKNOWN_ORDER",
    ]
    assert not venue.sends
    assert session.gateway.submit([cancel]).sent == [cancel]


# -- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [{"lots": 400}, {"lots": 120}, {"horizon_ns": 120 * S}, {"horizon_ns": 900 * S}]
)
def test_amend_changes_what_is_left(words):
    session = at_work(asked())
    began = session.now_ns - 60 * S
    session.manager.amend("p1", "ann: other plans", **words)
    done(session, 940)
    parent = session.ledger.parents.require("p1")
    assert parent.filled == words.get("lots", 200)
    if "horizon_ns" in words:
        assert parent.over_ns <= began + words["horizon_ns"] + 2 * S


def test_senseless_amendments_and_unknown_things_are_refused():
    session = session_of(exchange_of())
    session.manager.accept(asked())
    for bad in (
        {"lots": 0},
        {"lots": 1.5},
        {"lots": 10**25},
        {"horizon_ns": 0},
        {"horizon_ns": 10**25},
    ):
        with pytest.raises(OrderError):
            session.manager.amend("p1", "why", **bad)
    for request in (asked(), asked("p2", instrument="NOPE"), asked("p3", agent="eve")):
        with pytest.raises(OrderError):
            session.manager.accept(request)
    with pytest.raises(UnknownNameError):
        session.manager.accept(asked("p4", strategy="nope"))
    with pytest.raises(OrderError):
        session.manager.resume("p9", "nobody")
    assert len(session.ledger.parents) == 1


def test_a_thread_that_does_not_stop_leaves_neither_venue_nor_journal_open(tmp_path):
    class Venue(Flaky):
        closed = False

        def close(self):
            self.closed = True

    session = session_of(venue := Venue(exchange_of()), SqlJournal(tmp_path))
    session.running_threads.callback(session.manager.resume, "p9", "nobody")
    with pytest.raises(OrderError):
        session.close()
    assert venue.closed
    SqlJournal(tmp_path).close()


PARTS = ("expected", "received", "remedy")


def test_commands_from_other_processes_are_obeyed_once(tmp_path):
    session = session_of(exchange_of(), SqlJournal(tmp_path))
    listing = session.listings["X"]
    words = {"tick": listing.tick, "lot": listing.lot, "currency": "", "fees": list(listing.fees)}
    assert bodies(session, kinds.SESSION)[0]["listings"] == {"X": words}
    names = {field: getattr(asked("q1"), field) for field in asked().__slots__}
    post(tmp_path, "submit", names, "ann", "work it", 1)
    session.run_until(session.now_ns + 30 * S)
    assert session.ledger.parents.require("q1").status == "working"
    post(tmp_path, "pause", {"parent": "q1"}, "ann", "news", 2)
    post(tmp_path, "amend", {"parent": "q1", "lots": 300}, "ann", "more", 3)
    post(tmp_path, "pause", {"parent": "nobody"}, "ann", "what", 4)
    post(tmp_path, "dance", {}, "bob", "joy", 5)
    session.run_until(session.now_ns + 5 * S)
    parent = session.ledger.parents.require("q1")
    assert (parent.status, parent.lots) == ("paused", 300)
    refused = [body for body in alerts(session) if body["code"] == "operator_refused"]
    assert [(body["operator"], body["severity"]) for body in refused] == [(4, "info"), (5, "info")]
    assert all(
        body["text"].endswith(str(TercelError(*(body[part] for part in PARTS)))) for body in refused
    )
    assert session.ledger.pending_commands == {}
    session.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        *({"lots": lots} for lots in (0, 10**25, 2.5, True, "7", None)),
        *({"horizon_ns": ns} for ns in (0, 10**25, 1e9)),
        *({"decisions": count} for count in (0, 10**9)),
        *({"id": id_} for id_ in ("", 7, "p\x0149=ME", "~1", "p" * 100)),
        {"strategy": None},
        {"more": 1},
    ],
)
def test_a_command_of_nonsense_is_refused_and_stops_nothing(nonsense):
    session = session_of(exchange_of(), warm_s=0)
    names = {field: getattr(asked("q1"), field) for field in asked().__slots__}
    told = {
        "id": 1,
        "command": "submit",
        "body": names | nonsense,
        "by": "ann",
        "reason": "",
        "wall_ns": 0,
    }
    carry_out(
        session.gateway, Entry(kinds.OPERATOR, session.now_ns, body=told), session.commands.execute
    )
    assert [body["code"] for body in alerts(session)] == ["operator_refused"]
    assert not list(session.ledger.parents)


def test_a_command_that_was_taken_and_not_obeyed_is_obeyed_by_the_next_session():
    exchange, journal = exchange_of(), MemoryJournal()
    session = session_of(exchange, journal)
    session.manager.accept(asked())
    body = {
        "id": 7,
        "command": "cancel",
        "body": {"parent": "p1"},
        "by": "ann",
        "reason": "stop",
        "wall_ns": 0,
    }
    journal.append([Entry(kinds.OPERATOR, session.now_ns, body=body)])
    again = session_of(exchange, journal, warm_s=0)
    assert again.ledger.parents.require("p1").status == "cancelled"
    assert again.ledger.pending_commands == {}


# -- strategies that fail ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fails:
    """Pegs, and from its fifth decision on does something else."""

    then: Callable[[Any], Any]
    name: str = "bad"

    def decide(self, view):
        good = build("peg_behind").decide(view)
        return good if view.decision[0] < 5 else self.then(view)

    def expected(self, view):
        return np.zeros((view.n, 6))


@pytest.mark.parametrize(
    ("then", "said"),
    [(lambda view: 1 // 0, "modulo by zero"), (lambda view: np.full(10, np.nan), "NaN")],
)
def test_a_strategy_that_fails_is_replaced_by_the_fallback(then, said):
    session = session_of(
        exchange_of(), strategies=lambda name, _: Fails(then) if name == "bad" else build(name)
    )
    session.manager.accept(asked(strategy="bad"))
    session.run(session.now_ns + 400 * S)
    parent = session.ledger.parents.require("p1")
    assert (parent.status, parent.filled, parent.strategy) == ("done", 200, "twap_passive")
    (alert,) = alerts(session)
    assert (alert["code"], said in alert["text"]) == ("strategy_failed", True), alert["text"]
    check(session)


def test_when_the_fallback_fails_too_the_parent_is_paused():
    session = at_work(
        asked(strategy="bad"), seconds=200, strategies=lambda name, _: Fails(lambda view: 1 // 0)
    )
    parent = session.ledger.parents.require("p1")
    assert parent.status == "paused"
    assert session.ledger.orders.live() == []
    check(session)


# -- venues that fail -------------------------------------------------------------------------------------------------


def test_an_order_whose_sending_failed_is_unknown_until_the_venue_says():
    session = at_work(asked(), venue=(venue := Flaky(exchange_of())), seconds=40)
    venue.failing = 1
    while venue.failing:
        session.step(session.now_ns + 20 * S)
    lost = [order for order in session.ledger.orders if order.status == "unknown"]
    assert lost
    assert session.ledger.open_of("p1") >= lost[0].open_qty > 0
    done(session)
    assert session.ledger.orders.unknown() == []
    names = [command.cl_ord_id for command in venue.sends if isinstance(command, NewOrder)]
    assert len(set(names)) == len(names)


class CutOff:
    """A venue behind a link that is down for a while: no market data come, and they begin anew once it is back."""

    def __init__(self, venue, down_ns, up_ns):
        self._venue, self._down_ns, self._up_ns = venue, down_ns, up_ns
        self.there, self.fresh = True, False

    def __getattr__(self, name):
        return getattr(self._venue, name)

    def step(self, until_ns):
        events = self._venue.step(until_ns)
        up, told = not self._down_ns <= self._venue.now_ns < self._up_ns, []
        if up != self.there:
            self.there, self.fresh = up, True
            told.append(LinkStatus(up, self._venue.now_ns, "cut"))
            if up:
                self._venue.subscribe("X")
        for event in events:
            if isinstance(event, MarketRows) and up and event.snapshot:
                self.fresh = False
            if not isinstance(event, MarketRows) or not self.fresh:
                told.append(event)
        return told


def test_no_executor_works_on_with_a_book_from_before_market_data_began_anew():
    exchange = exchange_of()
    session = session_of(CutOff(exchange, exchange.now_ns + 110 * S, exchange.now_ns + 130 * S))
    session.manager.accept(asked(strategy="twap_take"))
    session.run(session.now_ns + 50 * S)
    assert not session.venue.there
    assert {order.status for order in session.ledger.orders.live()} <= {"unknown"}
    session.run(session.now_ns + 60 * S)
    assert session.venue.there
    executor, follower = session.manager.executors["p1"], session.followers["X"]
    driven = executor.driver.state
    assert (driven[sim.PUBLIC_BID], driven[sim.PUBLIC_ASK]) == follower.touch
    done(session)
    assert set(codes(session)).isdisjoint({"worker_lost", "missed_market_data"})


def test_no_executor_works_on_when_a_snapshot_says_that_trading_is_halted():
    session = at_work(asked(strategy="twap_take"), seconds=40)
    session.venue.subscribe("X")
    (whole,) = [
        one
        for one in session.venue.step(session.now_ns)
        if isinstance(one, MarketRows) and one.snapshot
    ]
    follower = session.followers["X"]
    follower.on_market(whole)
    assert not follower.on_market(whole), "the same book"
    rows = np.vstack([whole.rows[0], whole.rows[whole.rows[:, 1] != STATUS]])
    rows[0, 1:] = STATUS, 0, 0, -1, 0, -1
    session._process_events([MarketRows("X", rows, True)])
    assert follower.halted
    assert session.manager.executors["p1"].detach_reason


def test_missed_market_data_is_asked_for_anew():
    session = at_work(asked(), seconds=40)
    follower = session.followers["X"]
    bad = np.array([[session.now_ns, 2, 3, 1, 1, 10**6, -1]], np.int64)
    session._process_events([MarketRows("X", bad)])
    assert not follower.ready
    done(session)
    assert follower.ready
    assert "missed_market_data" in codes(session)


# -- kills ------------------------------------------------------------------------------------------------------------


def test_a_kill_is_confirmed_after_its_latch_whichever_thread_is_first(tmp_path, monkeypatch):
    latch = KillLatch(tmp_path / "kill.json")
    session = session_of(Flaky(exchange_of()), latch=latch)
    session.manager.accept(asked())
    real = session.gateway.withdraw

    def other_thread_first(*cancels, **more):
        session.stopper.follow_up()
        real(*cancels, **more)

    monkeypatch.setattr(session.gateway, "withdraw", other_thread_first)
    latch.kill("runaway", "carl", 5, ["ann"])
    session.step(session.now_ns + S)
    events = [(body["event"], body["by"]) for body in bodies(session, kinds.KILL)]
    assert events == [("latched", "carl"), ("confirmed", "")]
    check(session)


def test_a_kill_cancels_everything_and_lasts_until_rearmed(tmp_path):
    latch = KillLatch(tmp_path / "kill.json")
    venue = Flaky(exchange_of())
    session = session_of(venue, latch=latch)
    session.manager.accept(asked())
    session.manager.accept(asked("p2", agent="bob", side=-1, strategy="twap_take"))
    session.run_until(session.now_ns + 40 * S)
    KillLatch(tmp_path / "kill.json").kill("runaway", "carl", 5, ["ann"])
    sent = len(venue.sends)
    session.step(session.now_ns + S)
    assert isinstance(venue.sends[sent], MassCancel)
    session.run_until(session.now_ns + 30 * S)
    assert session.ledger.orders.live("ann") == []
    assert truth(session.venue, "ann")[1] == 0
    assert not any(isinstance(c, NewOrder) and c.account == "ann" for c in venue.sends[sent:])
    assert any(isinstance(c, NewOrder) and c.account == "bob" for c in venue.sends[sent:])
    events = [(body["event"], body["scope"]) for body in bodies(session, kinds.KILL)]
    assert events == [("latched", "ann"), ("confirmed", "ann")]
    for act in (
        lambda: session.manager.accept(asked("p3")),
        lambda: session.manager.resume("p1", "please"),
    ):
        with pytest.raises(OrderError, match="runaway"):
            act()
    latch.rearm("looked at it", "dora", 9, ["ann"])
    session.step(session.now_ns + S)
    assert bodies(session, kinds.REARM) == [
        {"scope": "ann", "by": "dora", "reason": "looked at it"}
    ]
    session.manager.resume("p1", "dora")
    done(session)


def test_a_kill_works_while_a_strategy_hangs(tmp_path):
    latch, go_on, hanging = KillLatch(tmp_path / "kill.json"), threading.Event(), threading.Event()

    def hangs(view):
        hanging.set()
        go_on.wait(DEADLINE_S)
        return build("peg_behind").decide(view)

    session = session_of(
        exchange_of(),
        latch=latch,
        watch_s=0.01,
        decision_s=3600.0,
        strategies=lambda name, _: Fails(hangs),
    )
    session.manager.accept(asked())
    loop = threading.Thread(target=lambda: session.run_until(session.now_ns + 100 * S))
    loop.start()
    assert hanging.wait(DEADLINE_S)
    assert session.ledger.orders.live("ann")
    KillLatch(tmp_path / "kill.json").kill("it hangs", "carl", 5)
    until(lambda: not session.stopper.open and session.stopper.killed, what="a confirmed kill")
    assert truth(session.venue, "ann")[1] == 0
    assert [body["event"] for body in bodies(session, kinds.KILL)] == [
        "latched",
        "confirmed",
    ]
    go_on.set()
    loop.join(DEADLINE_S)
    assert not loop.is_alive()
    assert truth(session.venue, "ann")[1] == 0
    assert session.ledger.parents.require("p1").status == "paused"
    check(session)
    session.close()


def endless_onnx() -> bytes:
    """A network of a few hundred bytes that never answers."""
    from onnx import TensorProto, helper

    trip = helper.make_tensor("trip", TensorProto.INT64, [], [2**62])
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Tanh", ["v"], ["v2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("c2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["trip", "true", "x"], ["y"], body=body)
    graph = helper.make_graph(
        [loop],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [trip, true],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def test_a_decision_that_does_not_end_is_stopped_and_the_fallback_takes_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A network that does not end is refused before it runs; it is stopped as well.
    monkeypatch.setattr("tercel.execution.policies.onnx_policy.read_graph", lambda data: None)
    network = OnnxPolicy(endless_onnx())

    def endless(view):
        network.logits(np.zeros((1, 3), np.float32))

    session = session_of(
        exchange_of(),
        watch_s=0.05,
        decision_s=0.2,
        strategies=lambda name, _: build(name) if name == FALLBACK else Fails(endless),
    )
    session.manager.accept(asked())
    session.run()
    parent = session.ledger.parents.require("p1")
    assert (parent.status, parent.strategy) == ("done", FALLBACK)
    assert "no answer within 0.2 s" in alerts(session)[0]["text"]
    check(session)
    session.close()


def test_a_parent_says_by_which_weights_it_is_worked():
    policy = policies_packaged.build_named("default-1+alpha+posture")
    session = session_of(exchange_of())
    session.manager.accept(asked("learned"), policy)
    session.manager.accept(asked("written"))
    models = {
        e.parent: e.body.get("model")
        for _, e in session.journal.read(kinds=(kinds.PARENT,))
        if "side" in e.body
    }
    file = Path(policies_packaged.__file__).parent / "default-1" / "policy.onnx"
    assert models == {"learned": sha256(file.read_bytes()).hexdigest()[:12], "written": None}
