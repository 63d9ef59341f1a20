"""A round that begins while parents of the round before are at work: their lots are not asked for twice."""

import math
from typing import Any

import numpy as np
import pytest
from tests.desk.rounds.test_one_after_another import SMALL

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.fixed_point import PAID_ONE
from tercel.core.orders import MarketRows, VenueEvent
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.engine.challenge import CHAMPION
from tercel.desk.engine.configured_agents import bare_name
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal


class LossyVenue:
    """A venue whose market data have a gap, once its clock is past a time."""

    def __init__(self, venue: Any, gap_ns: int) -> None:
        self._venue, self._gap_ns, self._lost = venue, gap_ns, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def step(self, until_ns: int) -> list[VenueEvent]:
        events = self._venue.step(until_ns)
        if self._venue.now_ns < self._gap_ns or self._lost >= 5:
            return events
        kept = [event for event in events if not isinstance(event, MarketRows)]
        self._lost += len(events) - len(kept)
        return kept


class LateVenue:
    """A venue all of whose events arrive some venue time after it was sent."""

    def __init__(self, venue: Any, late_ns: int) -> None:
        self._venue, self._late_ns = venue, late_ns
        self._sent: list[tuple[int, VenueEvent]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def step(self, until_ns: int) -> list[VenueEvent]:
        self._sent += [(self._venue.now_ns, event) for event in self._venue.step(until_ns)]
        arrived = [event for ns, event in self._sent if ns + self._late_ns <= self._venue.now_ns]
        self._sent = self._sent[len(arrived) :]
        return arrived


def desk_of(
    tools: SimulatedMarkets, late_s: float, strategy: str = "twap_take", rounds: int = 4
) -> DeskLoop:
    text = SMALL.replace("rounds = 1", f"rounds = {rounds}").replace("peg_behind", strategy)
    config = parse_config(text, "desk.toml")
    venue: Any = LateVenue(tools.exchange(config), round(late_s * S))
    return assemble_desk(config, MemoryJournal(chained=False), DeskDependencies(venue))


@pytest.mark.parametrize("strategy", ["twap_take", "twap_passive"])
@pytest.mark.parametrize("late_s", [0.0, 9.0, 30.0])
def test_what_is_asked_for_is_worked_once(
    tools: SimulatedMarkets, late_s: float, strategy: str
) -> None:
    opened = desk_of(tools, late_s, strategy)
    opened.run()
    desk, session = opened, opened.session
    flow = desk._states["AAA"].flow
    asked = sum(order.lots for orders in desk._orders.values() for order in orders)
    assert session.ledger.faults() == []
    assert (
        sum(parent.filled if parent.over else parent.lots for parent in session.ledger.parents)
        <= asked
    )
    session.run(session.now_ns + 300 * S)
    assert all(parent.over for parent in session.ledger.parents)
    assert sum(parent.filled for parent in session.ledger.parents) == asked - flow.open_lots
    if late_s == 0:
        assert flow.open_lots == 0


def test_an_order_waits_for_its_market(tools: SimulatedMarkets) -> None:
    opened = desk_of(tools, 320.0)
    opened.run()
    codes = [entry.body["code"] for _, entry in opened.session.journal.read(kinds=(kinds.ALERT,))]
    assert codes.count("NO_MARKET") == 1 + 2
    assert opened._states["AAA"].flow.requested2 > 0


def test_lots_that_a_person_adds_are_part_of_the_program(tools: SimulatedMarkets) -> None:
    opened = desk_of(tools, 0.0, rounds=2)
    opened.begin()
    opened._begin_round(0, opened.session.now_ns)
    [parent] = opened.session.ledger.parents
    opened.session.manager.amend(parent.id, "ann: more", lots=parent.lots + 50)
    opened.session.run(opened.session.now_ns + 300 * S)
    flow = opened._states["AAA"].flow
    found = opened.session.ledger.parents.require(parent.id)
    assert found.filled == parent.lots + 50
    assert flow.open_lots == 0
    assert opened.results[-1]["filled"] == parent.lots + 50
    mids2 = opened._states["AAA"].begun_mid2, found.arrival_mid2
    asked2 = parent.lots * mids2[0] + 50 * mids2[1]
    assert flow.requested2 == asked2 * PAID_ONE


@pytest.mark.parametrize("late_s", [0.5, 4.0])
def test_a_challenger_on_paper_goes_on_with_late_market_data(
    tools: SimulatedMarkets, late_s: float
) -> None:
    opened = desk_of(tools, late_s, 'peg_behind"\nchallenger = "twap_passive')
    opened.run()
    opened.session.run(opened.session.now_ns + 300 * S)
    slot = opened.slots["peg"]
    opened.wait(60 * S)
    assert len(slot.gains_bps) == len(list(opened.session.ledger.parents)) > 0
    assert all(np.isfinite(gain) for gain in slot.gains_bps)


def test_alternatives_work_the_same_orders_on_paper_and_are_said_in_money(
    tools: SimulatedMarkets,
) -> None:
    """Against itself an agent saves nothing, and the money is that of the orders at arrival."""
    lines = '"\nalternatives = ["peg_behind", "twap_take"]\nchallenger = "twap_passive'
    opened = desk_of(tools, 0.5, f"peg_behind{lines}")
    opened.run()
    opened.session.run(opened.session.now_ns + 300 * S)
    opened.wait(60 * S)
    slot = opened.slots["peg"]
    by_name = {bare_name(name): savings for name, savings in slot.paper_savings.items()}
    itself = by_name["peg_behind"]
    twap_take = by_name["twap_take"]
    challenger = by_name["twap_passive"]
    assert [saving.bps for saving in itself] == [0.0] * len(itself) != []
    assert [-saving.bps for saving in challenger] == slot.gains_bps
    assert any(saving.bps for saving in twap_take)
    parents = list(opened.session.ledger.parents)
    listing = opened.session.listings["AAA"]
    worth = [
        parent.order.lots * parent.arrival_mid2 * listing.tick / 2 * listing.lot
        for parent in parents
    ]
    assert sorted(saving.value for saving in twap_take) == pytest.approx(sorted(worth))
    slot.promote()
    assert slot.paper_savings == {}, "they were another champion's"


class FailingStrategy:
    """A strategy that raises at its n-th decision and at all later ones; without `failing_at` it works."""

    def __init__(self, strategy: Any, failing_at: float = math.inf) -> None:
        self._strategy, self._failing_at, self._decisions = strategy, failing_at, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def decide(self, view: Any) -> Any:
        self._decisions += 1
        if self._decisions >= self._failing_at:
            raise RuntimeError("no model")
        return self._strategy.decide(view)


def live_work_with_failing(
    tools: SimulatedMarkets, failing: str, failing_at: float
) -> tuple[DeskLoop, list[Any]]:
    """A desk with challenger and alternative, one of which may fail, after its run; fills and costs of its parents."""
    opened = desk_of(
        tools, 0.0, 'peg_behind"\nalternatives = ["twap_take"]\nchallenger = "twap_passive'
    )
    slot = opened.slots["peg"]
    if failing == "challenger":
        slot.challenger = FailingStrategy(slot.challenger, failing_at)
        slot.by_instrument = {
            name: (champion, slot.challenger) for name, (champion, _) in slot.by_instrument.items()
        }
    for named in slot.alternatives.values():
        for name in named:
            if failing == "alternative":
                named[name] = FailingStrategy(named[name], failing_at)
    opened.run()
    opened.session.run(opened.session.now_ns + 300 * S)
    opened.wait(60 * S)
    return opened, [dict(opened.session.ledger.orders.fills_of), opened.results]


@pytest.mark.parametrize("failing_at", [1, 6])
@pytest.mark.parametrize("failing", ["challenger", "alternative"])
def test_a_strategy_that_raises_on_paper_is_compared_no_more(
    tools: SimulatedMarkets, failing: str, failing_at: int
) -> None:
    """The desk goes on: its live orders are those of a desk in which nothing fails."""
    opened, work = live_work_with_failing(tools, failing, failing_at)
    unharmed, same_work = live_work_with_failing(tools, failing, math.inf)
    slot, unharmed_slot = opened.slots["peg"], unharmed.slots["peg"]
    [failed] = slot.failed_on_paper
    alerts = [entry.body for _, entry in opened.session.journal.read(kinds=(kinds.ALERT,))]
    told = [body["text"] for body in alerts if body["code"] == "paper_trial_failed"]
    assert told == [f"{failed} failed on paper: RuntimeError: no model; it is compared no more"]
    is_challenger = failing == "challenger"
    assert (failed == slot.challenger_name) == is_challenger
    assert failed not in slot.rivals_in("AAA")
    assert work == same_work
    assert work[0]
    full = dict(unharmed_slot.paper_savings)
    kept = slot.paper_savings.pop(failed, [])
    all_savings = full.pop(failed)
    assert len(kept) == (failing_at > 1)
    assert kept == all_savings[: len(kept)] != all_savings, "its evidence stops there"
    assert slot.paper_savings == full
    assert (slot.body()["verdict"] == "failed on paper") == is_challenger


def test_an_order_whose_champion_raises_on_paper_is_not_compared(tools: SimulatedMarkets) -> None:
    opened = desk_of(tools, 0.0, 'peg_behind"\nchallenger = "twap_passive')
    opened.begin()
    opened._begin_round(0, opened.session.now_ns)
    opened.session.run(opened.session.now_ns + 5 * S)
    [(_, _, running)] = opened._challenges.values()
    champion = running._trials[CHAMPION]
    champion._strategy = FailingStrategy(champion._strategy, 1)
    running.advance(opened.session.now_ns + 60 * S)
    assert running.done
    slot = opened.slots["peg"]
    assert slot.book_savings(running.savings) == [
        f"{slot.strategy_name} failed on paper: RuntimeError: no model; an order is not compared"
    ]
    assert slot.book_savings(running.savings) == [], "told once"
    assert slot.paper_savings == {}
    assert slot.rivals_in("AAA"), "the next order is compared again"


def test_a_challenger_is_called_off_when_market_data_are_missed(tools: SimulatedMarkets) -> None:
    text = SMALL.replace('"peg_behind"', '"peg_behind"\nchallenger = "twap_passive"').replace(
        "rounds = 1", "rounds = 3"
    )
    config = parse_config(text, "desk.toml")
    exchange = tools.exchange(config)
    venue: Any = LossyVenue(exchange, exchange.now_ns + (240 + 60 + 20) * S)
    opened = assemble_desk(config, MemoryJournal(chained=False), DeskDependencies(venue))
    opened.run()
    codes = [entry.body["code"] for _, entry in opened.session.journal.read(kinds=(kinds.ALERT,))]
    assert "missed_market_data" in codes
    assert len(opened.slots["peg"].gains_bps) == 2
