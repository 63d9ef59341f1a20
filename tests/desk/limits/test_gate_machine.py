"""The gate against its brute-force twin, whatever happens in whatever order."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.desk.limits.twin import Twin

from tercel.core.fixed_point import ONE, PAID_ONE
from tercel.core.orders import (
    REBOOKS,
    CancelOrder,
    CancelReject,
    ExecType,
    Listing,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
)
from tercel.desk.limits import LimitGate, parse, with_changes
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.limits.units import DAY_NS, MONEY, MS

TINY = """
[desk]
order_lots = 9
order_value = 1000
gross_value = 2600
messages = 9
window_ms = 20
daily_loss = 60
duplicate_ms = 2
[instruments."*"]
order_lots = 9
order_value = 900
gross_value = 2000
long_lots = 14
short_lots = 13
messages = 7
window_ms = 15
daily_loss = 40
drawdown = 35
collar_bps = 500
reference_age_ms = 30
hours = "always"
[instruments.B]
hours = ["00:00:00", "12:00:00"]
[agents."*"]
order_lots = 8
order_value = 800
gross_value = 1500
long_lots = 11
short_lots = 9
messages = 6
window_ms = 10
daily_loss = 30
drawdown = 25
executions = 4
executions_ms = 20
"""
AGENTS, NAMES = ["x", "y"], ["A", "B"]
LISTINGS = [Listing("A", 0.5, 2), Listing("B", 0.1, 10)]
QTY = st.integers(1, 6).map(ONE.__mul__) | st.integers(1, 6 * ONE)
PX = st.integers(90, 110).map(ONE.__mul__) | st.integers(90 * ONE, 110 * ONE)
"""Of executions: mostly whole lots and ticks."""
SEEN: Counter[str] = Counter()

agents, names, sides = st.sampled_from(AGENTS), st.sampled_from(NAMES), st.sampled_from([1, -1])
lots = st.integers(1, 10)
prices = st.one_of(st.integers(94, 106), st.integers(99, 101), st.none())


class Gate(RuleBasedStateMachine):
    """Everything is told to both; both are asked."""

    make = LimitGate

    @initialize()
    def begin(self) -> None:
        limits = parse(TINY)
        self.twin = Twin(limits, LISTINGS, AGENTS)
        self.gate = type(self).make(
            limits, LISTINGS, AGENTS, lambda agent: "drill" if agent in self.twin.killed else None
        )
        self.now, self.count = 0, 0
        self.parents: list[str] = []
        self.orders: list[NewOrder | ReplaceOrder] = []
        self.cancels: list[CancelOrder] = []
        self.cums: dict[str, int] = {}
        self.rebooked: list[Report] = []
        for name in NAMES:
            self.mark(name, 99, 101, 0)
        for agent in AGENTS:
            for name in NAMES:
                self.parent(name, agent, 1 if agent == "x" else -1, 12)

    def leave(self, command: NewOrder | ReplaceOrder | CancelOrder) -> None:
        denial = self.gate.check(command, self.now)
        assert self.gate.check(command, self.now) == denial, "asking changes something"
        if isinstance(command, CancelOrder):
            assert denial is None
        else:
            codes = self.twin.verdict(command, self.now)
            assert (denial is None) == (not codes), (denial, codes)
            if denial is not None:
                SEEN[denial.code] += 1
                assert denial.code in codes, (denial, codes)
        if denial is None:
            SEEN["left"] += 1
            self.gate.count_sent(command, self.now)
            self.twin.happened("sent", command, self.now)
            if not isinstance(command, CancelOrder):
                self.orders.append(command)

    def name(self) -> str:
        self.count += 1
        return f"o{self.count}"

    @rule(
        data=st.data(), lots=lots, price=prices, tif=st.sampled_from(Tif), again=st.integers(0, 20)
    )
    def new(self, data: st.DataObject, lots: int, price: int | None, tif: Tif, again: int) -> None:
        parent = data.draw(st.sampled_from(self.parents))
        name, agent, side = next(
            w[2:5] for w in self.twin.past if w[0] == "parent" and w[1] == parent
        )
        if again == 0:
            name, agent, side, parent, lots = data.draw(
                st.sampled_from(
                    [
                        ("Z", agent, side, parent, lots),
                        (name, "zoe", side, parent, lots),
                        (name, agent, -side, parent, lots),
                        (name, agent, side, "nobody's", lots),
                        (name, agent, side, parent, 0),
                    ]
                )
            )
        cl_ord_id = self.orders[-1].cl_ord_id if again == 1 and self.orders else self.name()
        self.leave(NewOrder(cl_ord_id, name, side, lots, price, tif, agent, parent, self.now))

    @rule(
        many=st.lists(
            st.tuples(st.integers(0, 99), st.integers(1, 5), st.integers(0, 3)),
            min_size=2,
            max_size=8,
        )
    )
    def orders_of_many(self, many: list[tuple[int, int, int]]) -> None:
        """Orders that mostly pass: apart from the touch, at different times."""
        for which, lots, away in many:
            parent = self.parents[which % len(self.parents)]
            name, agent, side = next(
                w[2:5] for w in self.twin.past if w[0] == "parent" and w[1] == parent
            )
            self.now += 3 * MS
            self.mark(name, 99, 101, self.now)
            words = (
                name,
                side,
                lots,
                99 - away if side > 0 else 101 + away,
                Tif.DAY,
                agent,
                parent,
                self.now,
            )
            self.leave(NewOrder(self.name(), *words))

    @precondition(lambda self: self.orders)
    @rule(
        many=st.lists(
            st.tuples(st.integers(0, 99), st.integers(1, 5), st.booleans()), min_size=1, max_size=6
        )
    )
    def words_of_many(self, many: list[tuple[int, int, bool]]) -> None:
        """Reports as a sane venue gives them, fills and ends."""
        for which, lots, ends in many:
            o = self.orders[which % len(self.orders)]
            self.count += 1
            cum = self.cums[o.cl_ord_id] = self.cums.get(o.cl_ord_id, 0) + (0 if ends else lots)
            kind, status = (ExecType.TRADE, OrdStatus.PARTIALLY_FILLED)
            if ends:
                kind, status = (ExecType.CANCELED, OrdStatus.CANCELED)
            px = (o.price or 100) * ONE
            self.hear(
                o, kind, status, 0 if ends else lots * ONE, px, cum * ONE, o.lots, f"f{self.count}"
            )

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), lots=lots, price=st.integers(96, 104))
    def replace(self, data: st.DataObject, lots: int, price: int) -> None:
        o = data.draw(st.sampled_from(self.orders))
        self.leave(
            ReplaceOrder(
                self.name(),
                o.cl_ord_id,
                o.instrument,
                o.side,
                lots,
                price,
                o.account,
                o.parent,
                self.now,
            )
        )

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        o = data.draw(st.sampled_from(self.orders))
        words = self.name(), o.cl_ord_id, o.instrument, o.side, o.account, self.now
        self.cancels.append(CancelOrder(*words))
        self.leave(self.cancels[-1])

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def way_is_down(self, data: st.DataObject) -> None:
        o = self.orders.pop()
        self.gate.release_unsent(o)
        self.twin.happened("unsent", o)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        kind=st.sampled_from([ExecType.NEW, *[ExecType.TRADE] * 4, *ExecType]),
        status=st.sampled_from(
            [OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.UNKNOWN, *OrdStatus]
        ),
        last=QTY,
        px=PX,
        cum=st.integers(0, 11 * ONE) | st.integers(0, 11).map(ONE.__mul__),
        total=lots,
        leaves=st.sampled_from([0, 0, ONE, 3 * ONE]),
        execution=st.integers(0, 40),
        strange=st.integers(0, 25),
        ahead=st.sampled_from([0, 0, 0, MS, DAY_NS]),
    )
    def report(
        self,
        data: st.DataObject,
        kind: ExecType,
        status: OrdStatus,
        last: int,
        px: int,
        cum: int,
        total: int,
        leaves: int,
        execution: int,
        strange: int,
        ahead: int,
    ) -> None:
        o = data.draw(st.sampled_from(self.orders))
        name = "nobody's" if strange == 0 else ""
        if strange > 1 and o.price is not None:
            px = o.side * min(o.side * px, o.side * o.price * ONE)
        total = min(total, o.lots) if strange > 1 else total
        side = -o.side if strange == 2 else o.side
        words = f"e{execution}", name, side, ahead, leaves
        self.hear(o, kind, status, last, px, cum, total, *words)

    def hear(
        self,
        o: NewOrder | ReplaceOrder,
        kind: ExecType,
        status: OrdStatus,
        last: int,
        px: int,
        cum: int,
        total: int,
        execution: str,
        name: str = "",
        side: int = 0,
        ahead: int = 0,
        leaves: int = 0,
    ) -> None:
        traded = kind is ExecType.TRADE
        report = Report(
            *(
                execution if traded else "",
                kind,
                status,
                name or o.cl_ord_id,
                "",
                "",
                o.account,
                o.instrument,
            ),
            *(
                side or o.side,
                total,
                o.price,
                last if traded else 0,
                px if traded else 0,
                cum,
                leaves,
                self.now + ahead,
            ),
        )
        self.tell(report)

    def tell(self, report: Report) -> None:
        SEEN[report.exec_type] += 1
        self.gate.report(report, self.now)
        self.twin.happened("report", report, self.now)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        kind=st.sampled_from(sorted(REBOOKS)),
        status=st.sampled_from([*[OrdStatus.PARTIALLY_FILLED] * 4, *OrdStatus]),
        numbers=st.tuples(
            QTY, PX, st.integers(0, 8).map(ONE.__mul__), st.integers(0, 3).map(ONE.__mul__)
        ),
        late=st.sampled_from([0, 0, 0, 1, MS]),
        again=st.integers(0, 5),
    )
    def rebook(
        self,
        data: st.DataObject,
        kind: ExecType,
        status: OrdStatus,
        numbers: tuple[int, int, int, int],
        late: int,
        again: int,
    ) -> None:
        """A bust or correction: of an execution that came, of one that did not, of a correction; or one came again."""
        last, price, cum, leaves = numbers
        if again == 0 and self.rebooked:
            report = data.draw(st.sampled_from(self.rebooked))
        else:
            self.count += 1
            names = (
                [f"e{n}" for n in range(6)]
                + [f"f{n}" for n in range(self.count)]
                + ["r1", "r2", "r3"]
            )
            names += [one.exec_id for one in self.rebooked]
            heard = [w[1] for w in self.twin.past if w[0] == "report" and w[1].exec_id]
            about = data.draw(st.sampled_from(heard)) if heard and again else None
            orders = [
                one for one in self.orders if about is not None and one.cl_ord_id == about.cl_ord_id
            ]
            o = data.draw(st.sampled_from(orders or self.orders))
            report = Report(
                *(
                    f"r{self.count}",
                    kind,
                    status,
                    o.cl_ord_id,
                    "",
                    "",
                    o.account,
                    o.instrument,
                    o.side,
                    o.lots,
                ),
                *(
                    o.price,
                    0 if kind is ExecType.BUSTED else last,
                    price,
                    cum,
                    leaves,
                    self.now - late,
                ),
                ref=data.draw(st.sampled_from(names)) if about is None else about.exec_id,
            )
            self.rebooked.append(report)
        self.tell(report)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(), status=st.sampled_from([OrdStatus.NEW, *[OrdStatus.FILLED] * 3, *OrdStatus])
    )
    def refuse(self, data: st.DataObject, status: OrdStatus) -> None:
        o = data.draw(st.sampled_from([*self.orders, *self.cancels]))
        reject = CancelReject(o.cl_ord_id, o.orig, o.account, status, self.now)
        self.gate.cancel_reject(reject)
        self.twin.happened("reject", reject)

    @rule(
        name=names,
        bid=st.integers(96, 102),
        spread=st.sampled_from([2, 2, 2, 1, 3, 0, -1]),
        late=st.integers(0, 5),
    )
    def quote(self, name: str, bid: int, spread: int, late: int) -> None:
        self.mark(name, bid, bid + spread, self.now - (MS if late == 0 else 0))

    @rule(name=names, bid=st.sampled_from([None, 100]))
    def half_a_quote(self, name: str, bid: int | None) -> None:
        self.mark(name, bid, None, self.now)

    def mark(self, name: str, bid: int | None, ask: int | None, ns: int) -> None:
        self.gate.mark(name, BestQuotes(bid, ask), ns)
        self.twin.happened("mark", name, bid, ask, ns)

    @rule(name=names, agent=agents, side=sides, lots=st.integers(1, 15))
    def parent(self, name: str, agent: str, side: int, lots: int) -> None:
        parent = f"p{len(self.parents)}"
        self.parents.append(parent)
        self.gate.register_parent(parent, name, agent, side, lots)
        self.twin.happened("parent", parent, name, agent, side, lots)

    @rule(data=st.data(), lots=st.integers(0, 15))
    def amend(self, data: st.DataObject, lots: int) -> None:
        parent = data.draw(st.sampled_from(self.parents))
        self.gate.amend(parent, lots)
        self.twin.happened("amend", parent, lots)

    @rule(warnings=st.booleans())
    def watch(self, warnings: bool) -> None:
        said = [each for each in self.gate.watch(self.now, warnings) if each.event == "breach"]
        found = {(each.name, each.limit, each.agents) for each in said}
        found = {each for each in found if each[1] != "executions"}  # told of by the report
        assert found == self.twin.watch(self.now)
        SEEN["breach"] += len(found)

    @rule(data=st.data(), part=st.integers(1, 6))
    def other_limits(self, data: st.DataObject, part: int) -> None:
        """Somebody tightens a limit, or two take back what was tightened."""
        limits = parse(TINY)
        if part < 6:
            rooms = {
                "desk": limits.desk,
                "agents.x": limits.agents["*"],
                "instruments.A": limits.instruments["*"],
            }
            room = data.draw(st.sampled_from(sorted(rooms)))
            keys = [
                "order_lots",
                "long_lots",
                "short_lots",
                "collar_bps",
                "daily_loss",
                "drawdown",
                "gross_value",
            ]
            key = data.draw(
                st.sampled_from([key for key in [*keys, "executions"] if hasattr(rooms[room], key)])
            )
            scale = MONEY if key in ("daily_loss", "drawdown", "gross_value") else 1
            limits = with_changes(
                limits, {f"{room}.{key}": str(getattr(rooms[room], key) // scale * part // 6)}
            )
        self.gate.enforce(limits)
        self.twin.happened("limits", limits)

    @rule(ns=st.sampled_from([1, MS, 10 * MS, 30 * MS]))
    def clock_goes_back(self, ns: int) -> None:
        self.now -= ns

    @rule(
        ns=st.sampled_from(
            [1, MS - 1, MS, 2 * MS, 5 * MS, 10 * MS, 10 * MS + 1, 15 * MS, 30 * MS, 30 * MS + 1]
        )
    )
    def wait(self, ns: int) -> None:
        self.now += ns

    @rule(ns=st.sampled_from([DAY_NS // 2, DAY_NS]))
    def sleep(self, ns: int) -> None:
        self.now += ns
        for name in NAMES:
            self.mark(name, 99, 101, self.now)

    @rule(agent=agents, what=st.sampled_from(["kill", "stop", *["rearm", "resume"] * 4]))
    def people(self, agent: str, what: str) -> None:
        if what in ("kill", "rearm"):
            (self.twin.killed.add if what == "kill" else self.twin.killed.discard)(agent)
        else:
            self.gate.stop(agent, "a drill") if what == "stop" else self.gate.resume(agent)
            self.twin.happened(what, agent)

    @invariant()
    def counts_are_the_twins(self) -> None:
        if not hasattr(self, "gate"):
            return
        gate, twin = self.gate, self.twin
        assert gate.fault == ""
        money = MONEY * PAID_ONE
        assert gate.desk.high == twin.high.get("desk", 0) * money
        stopped = twin.tell()[2]
        for agent in AGENTS:
            for name in NAMES:
                held = gate.holdings[agent, name]
                assert (held.position, held.buys, held.sells) == tuple(
                    lots * ONE for lots in twin.lots(agent, name)
                )
                assert held.exposure == twin.worst(agent, name) * ONE
            assert gate.agents[agent].gross == twin.gross([agent], NAMES) * money
            assert gate.agents[agent].lost == twin.lost([agent], NAMES) * money
            assert gate.agents[agent].high == twin.high.get(agent, 0) * money
            assert (gate.agents[agent].stopped != "") == (agent in stopped)
        for name in NAMES:
            assert gate.instruments[name].gross == twin.gross(AGENTS, [name]) * money
            assert gate.instruments[name].lost == twin.lost(AGENTS, [name]) * money
        assert gate.desk.gross == twin.gross(AGENTS, NAMES) * money
        assert gate.desk.lost == twin.lost(AGENTS, NAMES) * money
        for parent in self.parents:
            assert gate.parents[parent].used == twin.used(parent) * ONE


TestGate = Gate.TestCase
TestGate.settings = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def test_gate_and_twin_refuse_alike_what_random_orders_seldom_are_refused_for() -> None:
    one = Gate()
    one.begin()
    for lots, price, code in ((5, 99, "left"), (5, 98, "left"), (2, 97, "POSITION"), (3, 96, "CHILDREN"),
                              (9, 95, "ORDER_LOTS")):  # fmt: skip
        before = SEEN[code]
        one.leave(NewOrder(one.name(), "A", 1, lots, price, Tif.DAY, "x", one.parents[0], one.now))
        assert SEEN[code] == before + 1
    sell = one.name(), "A", -1, 5, 99, Tif.DAY, "y", one.parents[2], one.now
    one.leave(NewOrder(*sell))
    assert SEEN["OWN_CROSS"]
    one.counts_are_the_twins()


def test_the_machine_saw_what_it_should() -> None:
    """Runs after the machine: most ways to be refused were met."""
    if not SEEN:
        pytest.skip("the machine did not run in this process")
    wanted = {"left", "OWN_CROSS", "ORDER_LOTS", "CHILDREN", "POSITION", ExecType.TRADE, "breach"}
    assert wanted <= set(SEEN), SEEN
