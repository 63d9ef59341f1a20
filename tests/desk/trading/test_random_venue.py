"""A desk at a venue that answers late, twice, in another order or with refusals: what it counts is what was delivered."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.desk.trading.desk_of_two import csco, session_of
from tests.desk.trading.random_venue import MS, Faults, Held, RandomVenue
from tests.desk.trading.test_venue_rules import ENDLESS, STRATEGIES

from tercel.core.child_order import ChildOrder
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE, ceil_units
from tercel.core.orders import ExecType, NewOrder, Tif
from tercel.core.venue_rules import NO_RULES, TradingWindow, VenueRules
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.parent_orders.children import _open_lots
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.execution import intent
from tercel.execution.strategy import Strategy
from tercel.venues.exchange import MarketSpec, SimulatedExchange

S = 10**9
BEGINS_S = 130


def _windows(*stops: int) -> tuple[TradingWindow, ...]:
    """Windows, s, which one day has: begins and ends in turn."""
    spans = list(zip(stops[::2], stops[1::2], strict=True))
    return tuple(TradingWindow(a * S, b * S, n == len(spans) - 1) for n, (a, b) in enumerate(spans))


RULES = {
    "none": NO_RULES,
    "Shanghai": VenueRules(_windows(0, 150, 180, 2000), S, 100, 100, True),
    "futures": VenueRules(_windows(0, 145, 155, 175, 185, 2000), S),
}
SLOW = {"delay_ms": (50, 500)}
FAULTS = {
    "plain": Faults(),
    "crossing": Faults((100, 900), (0, 400), fill_s=0.7),
    "refusals": Faults(
        **SLOW, refused_cancel=0.3, refused_replace=0.4, refused_new=0.1, fill_s=2.0
    ),
    "repeated": Faults(repeated=0.3, cancelled=0.2, fill_s=1.5),
    "rebooked": Faults(busted=0.3, corrected=0.3, fill_s=1.0),
    "reordered": Faults(**SLOW, reordered=0.3, fill_s=0.7),
    "parts": Faults(**SLOW, parts=0.4, fill_s=1.0),
    "halts": Faults(**SLOW, fill_s=1.0, halts=True),
    "refusals and order": Faults(
        **SLOW, refused_cancel=0.2, refused_replace=0.2, repeated=0.1, reordered=0.2, fill_s=1.0
    ),
}
BAD_ALERTS = {"worker_lost", "strategy_failed", "denied_for_ever"}


class Trial:
    """Random parents, and acts of a person on them, at a venue with faults; every count is compared at every step."""

    def __init__(self, faults: Faults, rules: VenueRules, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rules = rules
        spec = MarketSpec(csco(), seed, rules=rules, began_ns=0)
        self.venue = RandomVenue(SimulatedExchange({"X": spec}), self.rng, faults)
        self.session = session_of(self.venue, limits=ENDLESS, warm_s=70)
        if faults.halts:
            self.venue.halt_for((BEGINS_S + 5) * S)
        self.most_qty: dict[str, int] = {}
        """Of amended parents: what may be filled or open until it is no more than their lots."""
        self.number = 0
        self.last_seq = 0
        self.compared = 0

    def run(self, seconds: int) -> None:
        """Trade for some time, then let all parents end: no lot may be open that nobody cancels."""
        until_ns = self.session.now_ns + seconds * S
        while self.session.now_ns < until_ns:
            self._ask()
            self._act()
            self._run_until(self.session.now_ns + int(self.rng.integers(1, 3000)) * MS)
        for id_ in list(self.session.ledger.parents.open_ids):
            with suppress(OrderError):
                self.session.manager.cancel(id_, "the end", 1)
        calm = {"busted": 0.0, "corrected": 0.0, "cancelled": 0.0, "fill_s": 1e9}
        self.venue.faults = replace(self.venue.faults, **calm)
        until_ns = self.session.now_ns + 60 * S
        ledger = self.session.ledger
        while (ledger.parents.open_ids or self.venue.live()) and self.session.now_ns < until_ns:
            self._run_until(self.session.now_ns + S)
        assert not ledger.parents.open_ids
        assert self.venue.live() == []
        self.session.close()

    def _run_until(self, ns: int) -> None:
        while self.session.now_ns < ns:
            self.session.step(ns)
            self._check()

    def _ask(self) -> None:
        manager = self.session.manager
        if len(manager.executors) >= 4 or self.rng.random() < 0.4:
            return
        self.number += 1
        lots = int(self.rng.integers(1, 60)) * self.rules.round_lots
        horizon_ns = int(self.rng.integers(3, 40)) * S
        request = ParentRequest(
            f"p{self.number}", "X", 1, lots, horizon_ns, int(self.rng.integers(2, 60)),
            str(self.rng.choice(STRATEGIES)), str(self.rng.choice(["ann", "bob"])),
            limit_price=None if self.rng.random() < 0.7 else "5bps",
        )  # fmt: skip
        with suppress(OrderError):
            manager.accept(request)

    def _act(self) -> None:
        manager = self.session.manager
        ids = list(self.session.ledger.parents.open_ids)
        if not ids or self.rng.random() > 0.25:
            return
        id_ = str(self.rng.choice(ids))
        parent = self.session.ledger.parents.require(id_)
        act = self.rng.choice(["pause", "resume", "cancel", "amend"])
        with suppress(OrderError):
            if act == "amend":
                lots = parent.lots + int(self.rng.integers(-20, 30)) * self.rules.round_lots
                manager.amend(id_, "a person", lots=lots)
                self.most_qty[id_] = self.venue.exposure_qty(id_)
            else:
                getattr(manager, act)(id_, "a person", 1)

    def _check(self) -> None:
        ledger = self.session.ledger
        assert self.venue.sent_while_closed == []
        for parent in ledger.parents:
            assert parent.filled_qty == self.venue.heard_qty(parent.id), parent.id
            exposure_qty = self.venue.exposure_qty(parent.id)
            most_qty = min(self.most_qty.get(parent.id, 0), exposure_qty)
            self.most_qty[parent.id] = most_qty if most_qty > parent.lots * ONE else 0
            assert exposure_qty <= max(parent.lots * ONE, most_qty), parent.id
        for seq, entry in self.session.journal.read(self.last_seq, kinds=[kinds.ALERT]):
            self.last_seq = seq
            assert entry.body["code"] not in BAD_ALERTS, entry.body
        for executor in self.session.manager:
            if executor.arrived and not executor.detach_reason:
                self._compare(executor)

    def _compare(self, executor: ParentExecutor) -> None:
        """The executor's own orders with the ledger's, but those that wait for fills of before their end."""
        children = executor._children
        mine = [
            order
            for order in self.session.ledger.orders.of_parent(executor.id)
            if order.root in children._by_root
        ]
        if any(child.end is not None for child in children._by_root.values()):
            return
        self.compared += 1
        filled_qty = sum(order.cum_qty for order in mine)
        part_qty = sum(order.cum_qty % ONE for order in mine if not order.done)
        ended_qty = filled_qty - part_qty - executor.filled * ONE
        assert -ONE < ended_qty <= 0, (executor.id, executor.filled, filled_qty)
        assert executor.filled * ONE == filled_qty or self.venue.faults.parts
        for order in mine:
            if _open_qty(order):
                child = children._by_root[order.root]
                assert children.by_place[child.place] is child, order
                open_lots = _open_lots(executor.driver, child.place)
                assert open_lots == ceil_units(_open_qty(order)), order
        held = sum(order.lots for order in executor._rules.held if isinstance(order, NewOrder))
        ledger_lots = sum(ceil_units(_open_qty(order)) for order in mine)
        assert executor.open == ledger_lots + held, executor.id


def _open_qty(order: ChildOrder) -> int:
    """What may fill, without the lots of a replace that an order's end has overtaken: the ledger keeps them until refused."""
    return order.venue_qty - order.cum_qty if order.done else order.open_qty


@pytest.mark.parametrize(
    ("faults", "rules", "seed"),
    [
        ("reordered", "none", 2),
        ("refusals and order", "none", 2),
        ("halts", "none", 2),
        ("rebooked", "futures", 2),
        ("parts", "futures", 2),
        ("refusals", "Shanghai", 3),
    ],
)
def test_a_desk_counts_what_was_delivered(faults: str, rules: str, seed: int) -> None:
    trial = Trial(FAULTS[faults], RULES[rules], seed)
    trial.run(40)
    assert trial.compared > 100


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(name, marks=pytest.mark.release if name == "futures" else pytest.mark.long)
        for name in RULES
    ],
)
@pytest.mark.parametrize("faults", FAULTS)
def test_a_desk_counts_for_long_what_was_delivered(faults: str, rules: str) -> None:
    if rules != "none" and FAULTS[faults].halts:
        pytest.skip("the exchange below announces its windows, and so would end a halt")
    for seed in range(3):
        Trial(FAULTS[faults], RULES[rules], seed).run(200)


# -- case by case


class Quote(Strategy):
    """Rests so many lots at one price."""

    name = "twap_passive"

    def __init__(self, lots: int, price: int) -> None:
        self.lots = lots
        self.price = price

    def decide(self, view: object) -> np.ndarray:
        wanted = intent.empty(1)
        wanted[0, intent.ANCHOR] = self.price
        wanted[0, intent.REST0] = self.lots
        return wanted


class Desk:
    """A desk of one parent `p` of 20 lots, all of them resting at 130.5 s; the venue does only what it is told to."""

    def __init__(
        self, rules: VenueRules = NO_RULES, horizon_s: int = 200, latch: KillLatch | None = None
    ) -> None:
        spec = MarketSpec(csco(), 3, rules=rules, began_ns=0)
        faults = Faults((1, 2), (0, 1), fill_s=1e9)
        self.venue = RandomVenue(SimulatedExchange({"X": spec}), np.random.default_rng(1), faults)
        options = {} if latch is None else {"latch": latch}
        self.session = session_of(self.venue, limits=ENDLESS, **options)
        self.manager = self.session.manager
        self.strategy = Quote(20, self.session.followers["X"].touch[0] - 5)
        request = ParentRequest("p", "X", 1, 20, horizon_s * S, horizon_s, "twap_passive", "ann")
        self.manager.accept(request, strategy=self.strategy)
        self.session.run_until(130 * S + S // 2)

    @property
    def order(self) -> Held:
        return self.venue.live()[-1]

    def run_until(self, ns: int) -> None:
        """Run in short steps: what happens at the venue between two steps is answered after."""
        while self.session.now_ns < ns:
            self.session.run_until(min(ns, self.session.now_ns + 100 * MS))

    def sent(self, since_ns: int = 0) -> list[int]:
        """When cancels were journaled as sent, ns."""
        entries = self.session.journal.read(kinds=[kinds.ORDER_OUT])
        return [e.ns for _, e in entries if e.body["what"] == "cancel" and e.ns >= since_ns]

    def alerts(self) -> list[str]:
        return [e.body["code"] for _, e in self.session.journal.read(kinds=[kinds.ALERT])]


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "unasked"])
def test_an_end_that_overtakes_a_fill_waits_for_it(asked: bool) -> None:
    desk = Desk()
    fill = desk.venue.fill(desk.order, 5 * ONE, desk.session.now_ns)
    # The report of the fill comes late, and so do answers to requests.
    [late] = [entry for entry in desk.venue.leaving if entry[2] is fill]
    desk.venue.leaving.remove(late)
    desk.venue._put(desk.venue.leaving, 132 * S, fill)
    desk.venue.faults.delay_ms = 300, 301
    if asked:
        desk.strategy.price -= 1
    else:
        desk.venue._end(desk.order, desk.order.status.CANCELED, desk.session.now_ns)
    desk.run_until(131 * S + S // 2 if asked else 130 * S + 700 * MS)
    executor = desk.manager.executors["p"]
    assert desk.venue.live() == []
    assert executor.open == executor.left == 20  # not sent again while a fill is to come
    desk.run_until(134 * S)
    assert (executor.filled, executor.left, executor.open) == (5, 15, 15)
    assert desk.venue.exposure_qty("p") == 20 * ONE
    assert desk.alerts() == []
    desk.session.close()


@pytest.mark.parametrize("act", ["horizon", "cancel"])
def test_a_cancel_that_the_venue_refuses_is_sent_again(act: str) -> None:
    desk = Desk(horizon_s=10 if act == "horizon" else 200)
    desk.venue.faults.refused_cancel = 1.0
    if act == "cancel":
        desk.manager.cancel("p", "no more", 1)
    desk.run_until(150 * S)
    refused = desk.sent()
    assert 5 <= len(refused) <= 21
    assert np.diff(refused)[1:].min() >= S  # no more than one a second
    assert not desk.session.ledger.parents.require("p").over
    desk.venue.faults.refused_cancel = 0.0
    desk.run_until(155 * S)
    assert desk.venue.live() == []
    # Lots that were not booked as unfilled are forced after all.
    forced = desk.venue.orders[-1].new
    assert (forced.lots, forced.tif) == (20, Tif.IOC if act == "horizon" else Tif.DAY)
    status = "done" if act == "horizon" else "cancelled"
    assert desk.session.ledger.parents.require("p").status == status
    desk.session.close()


@pytest.mark.parametrize("closed", ["break", "halt"])
def test_cancels_of_an_executor_that_was_given_up_wait_for_the_end_of_a_break_or_halt(
    closed: str,
) -> None:
    desk = Desk(VenueRules(_windows(0, 140, 160, 2000), S) if closed == "break" else NO_RULES)
    fill = desk.venue.fill(desk.order, 3 * ONE, desk.session.now_ns)
    if closed == "halt":
        desk.venue.halt_for(140 * S, 20)
    desk.run_until(145 * S)
    desk.venue.rebook(fill.exec_id, ExecType.BUSTED, desk.session.now_ns)
    desk.run_until(159 * S)
    assert desk.manager.executors["p"].detach_reason
    assert desk.venue.sent_while_closed == []
    assert desk.sent(140 * S) == []
    desk.run_until(162 * S)
    assert [ns for ns in desk.sent(140 * S) if ns <= 161 * S]
    desk.session.close()


def test_without_rules_nothing_leaves_in_a_halt_either() -> None:
    desk = Desk()
    desk.venue.halt_for(140 * S, 20)
    desk.run_until(145 * S)
    desk.manager.cancel("p", "no more", 1)
    desk.run_until(159 * S)
    assert desk.venue.sent_while_closed == []
    desk.run_until(162 * S)
    assert desk.session.ledger.parents.require("p").status == "cancelled"
    assert desk.sent(140 * S)[0] == 160 * S
    desk.session.close()


def test_what_an_order_took_before_it_rested_may_be_reported_after_it_rests() -> None:
    desk = Desk()
    order = desk.order
    order.rests = False  # a fill by taking
    desk.venue.fill(order, 20 * ONE, desk.session.now_ns)
    desk.run_until(131 * S)
    assert desk.alerts() == []
    assert desk.session.ledger.parents.require("p").filled == 20
    desk.session.close()


def test_a_kill_in_a_break_is_not_confirmed_before_its_cancels_are_taken_when_that_ends(
    tmp_path: Path,
) -> None:
    latch = KillLatch(tmp_path / "kill.json")
    desk = Desk(VenueRules(_windows(0, 140, 160, 2000), S), latch=latch)
    desk.run_until(145 * S)
    latch.kill("too much", by="a person", at_ns=1)
    desk.run_until(159 * S)
    entries = [e for _, e in desk.session.journal.read(kinds=[kinds.KILL])]
    assert [e.body["event"] for e in entries] == ["latched"]
    assert desk.venue.live() != []
    assert desk.venue.sent_while_closed == []
    desk.run_until(161 * S)
    assert desk.sent(140 * S)[0] == 160 * S
    entries = [e for _, e in desk.session.journal.read(kinds=[kinds.KILL])]
    assert [e.body["event"] for e in entries] == ["latched", "confirmed"]
    assert entries[-1].ns < 160 * S + S // 2
    desk.session.close()
