"""Pairs at a desk: hedged in the turn of the fill, found again after a restart, flattened, limited, called off, costed."""

import pytest
from tests.desk.trading.desk_of_two import (
    WIDE,
    Flaky,
    S,
    asked,
    by_name,
    codes,
    exchange_of,
    session_of,
    truth,
)
from tests.desk.trading.word import Word

from tercel.core.errors import OrderError
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.desk.limits import LimitGate, parse
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.agent_holds import resume_agent, suspend_agent
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.desk.trading.tca.pairs import pair_costs
from tercel.desk.trading.tca.recorder import TcaRecorder

TERMS = {"leg": "Y", "ratio": "1", "bound": 30, "within": 3, "cross": 1}


def paired(session, room=0.02, lots=100, seconds=100, **terms):
    """A pair p1 that buys X and sells Y, with its limit beyond the mids of now."""
    one, two = (session.follow(name) for name in "XY")
    spread = (one.mid2 - two.mid2) / 2 * one.listing.tick + room
    asks = TERMS | {"spread": round(spread, 4)} | terms
    session.pairs.accept(asked(lots=lots, horizon_s=seconds), asks, None)


def lots_of(session, name):
    parent = session.ledger.parents.get(name)
    return 0 if parent is None else parent.filled


def gap(session):
    """Unhedged lots of X, by what is booked."""
    names = ("p1", "p1-unwind", "p1-hedge", "p1-flatten")
    up, unwound, hedged, flat = (lots_of(session, name) for name in names)
    return up + unwound - hedged - flat


def run(session, seconds, until=lambda session: False):
    """Step on; the most lots that were unhedged."""
    end, worst = session.now_ns + round(seconds * S), 0
    while session.now_ns < end and not until(session):
        session.step(end)
        worst = max(worst, abs(gap(session)))
    assert session.ledger.faults() == []
    return worst


class Halting(Flaky):
    """A venue that refuses every order of Y while it is `shut`."""

    shut, number, answers = False, 0, ()

    def send(self, command):
        if not (self.shut and isinstance(command, NewOrder) and command.instrument == "Y"):
            super().send(command)
            return
        self.number += 1
        names = command.cl_ord_id, "", "", command.account, "Y", command.side, command.lots
        words = (*names, command.price, 0, 0, 0, 0, self._venue.now_ns)
        refused = Report(f"E{self.number}", ExecType.REJECTED, OrdStatus.REJECTED, *words)
        self.answers = [*self.answers, refused]

    def step(self, until_ns):
        said, self.answers = self.answers, []
        return [*said, *self._venue.step(until_ns)]


def test_a_fill_is_hedged_in_the_turn_in_which_it_is_booked():
    session = session_of(exchange_of(names="XY"))
    paired(session)
    run(session, 200, lambda session: lots_of(session, "p1") > 0)
    hedges = session.ledger.orders.of_parent("p1-hedge")
    assert sum(order.lots for order in hedges) == lots_of(session, "p1")
    booked = session.ledger.orders.fills_of["p1"][0]
    assert hedges[0].sent_ns == session.now_ns
    assert hedges[0].sent_ns - booked.ns < S // 10


def test_a_restart_finds_the_pair_counts_what_is_booked_and_trades_on(tmp_path):
    exchange = exchange_of(names="XY")
    first = session_of(exchange, SqlJournal(tmp_path))
    paired(first)
    run(first, 200, lambda session: gap(session) > 0)
    first.journal.close()  # killed: fills are booked that no hedge answered
    session = session_of(exchange, SqlJournal(tmp_path), warm_s=0)
    run(session, 1)
    assert run(session, 105) <= 30
    assert lots_of(session, "p1") == lots_of(session, "p1-hedge") > 0
    assert truth(exchange, "ann") == (0, 0)
    session.close()


def test_what_cannot_be_hedged_in_time_is_flattened_and_quoted_no_more():
    exchange = Halting(exchange_of(names="XY"))
    session = session_of(exchange)
    exchange.shut = True
    paired(session)
    run(session, 200, lambda session: gap(session) > 0)
    filled_ns = session.now_ns
    run(session, 30, lambda session: not gap(session))
    assert session.now_ns - filled_ns < 6 * S  # three seconds, and one for the hedge's cancel
    assert lots_of(session, "p1-flatten") == lots_of(session, "p1")
    before = lots_of(session, "p1")
    run(session, 20)
    assert lots_of(session, "p1") == before


@pytest.mark.parametrize(
    ("leg", "terms", "why"),
    [
        ("X", {}, "two legs"),
        ("Z", {}, "lists"),
        ("Y", {"ratio": "nought"}, "ratio=3/2"),
        ("Y", {"bound": 1}, "a bound of 2"),
        ("Y", {"size": 1}, "numbers for"),
    ],
)
def test_legs_and_terms_that_make_no_pair_are_refused(leg, terms, why):
    session = session_of(exchange_of(names="XY"), warm_s=5)
    with pytest.raises(OrderError, match=why):
        paired(session, leg=leg, **terms)
    assert list(session.ledger.parents) == []


def test_legs_whose_hours_do_not_meet_are_refused():
    hours = '[instruments.Y]\nhours = ["15:00:00", "16:00:00"]\n[instruments.X]\nhours = ["09:00:00", "15:00:00"]\n'
    session = session_of(exchange_of(names="XY"), limits=WIDE + hours, warm_s=5)
    with pytest.raises(OrderError, match="hours"):
        paired(session)


def test_a_person_cancels_a_pair_and_cannot_break_it(tmp_path):
    session = session_of(exchange_of(names="XY"), SqlJournal(tmp_path))
    say = Word(session, tmp_path)
    spread = (session.follow("X").mid2 - session.follow("Y").mid2) / 200 + 0.02
    body = {"id": "p1", "instrument": "X", "side": 1, "lots": 100, "horizon_ns": 300 * S}
    more = {"decisions": 9, "strategy": "peg_behind", "agent": "ann"}
    say("submit", **body, **more, pair=TERMS | {"spread": f"{spread:.3f}"})
    run(session, 20)
    assert "a leg of a pair" in say.refused("give_back", parent="p1")
    assert "leg of a pair" in say.refused("amend", parent="p1-hedge", lots=7)
    say("cancel", parent="p1")
    run(session, 20)
    assert [parent.status for parent in session.ledger.parents] == ["cancelled", "done"]
    assert gap(session) == 0
    session.close()


def test_a_limit_holds_what_may_be_unhedged():
    # X is worth about 1,475 a lot: 20,000 are 13 lots, open orders included.
    tight = WIDE.replace("[instruments", "legged_value = 20_000\n[instruments", 1)
    session = session_of(exchange_of(names="XY"), limits=tight)
    paired(session, bound=30)
    assert run(session, 5) == 0
    assert {"pair_denied"} == set(codes(session))
    session = session_of(exchange_of(names="XY"), limits=tight)
    paired(session, bound=13)
    assert 0 < run(session, 100) <= 13
    assert codes(session) == []


def listed(exchange):
    gate = LimitGate(
        parse(WIDE.replace("[instruments", "legged_value = 15_000\n[instruments", 1)),
        exchange.listings(),
        ["ann", "bob"],
    )
    for name in "XY":
        gate.mark(name, BestQuotes(1499, 1501), 0)
    return gate


def order(name, parent, instrument, side, lots, agent="ann"):
    return NewOrder(name, instrument, side, lots, 1500 + side, Tif.DAY, agent, parent, 0)


def test_worst_cases_of_pairs_add_up_over_the_desk():
    gate = listed(exchange_of(names="XY"))
    for agent, one in (("ann", "p"), ("bob", "q")):
        gate.register_parent(one, "X", agent, 1, 100)
        gate.register_parent(f"{one}-hedge", "Y", agent, -1, 100)
    # 1,500 a lot and ten lots in all; of a pair's two directions the worse.
    gate.count_sent(order("a", "p", "X", 1, 6))
    assert gate.check(order("b", "q", "X", 1, 4, "bob"), 0) is None
    denial = gate.check(order("b", "q", "X", 1, 5, "bob"), 0)
    assert (denial.code, "limit=15000.00" in denial.text) == ("LEGGED", True)
    # A hedge ahead of its fill leaves lots hedged too much.
    assert gate.check(order("c", "p-hedge", "Y", -1, 10), 0) is None
    assert gate.check(order("c", "p-hedge", "Y", -1, 11), 0).code == "LEGGED"
    # Parents that only look like legs are no pair.
    gate.register_parent("r-hedge", "Y", "ann", -1, 100)
    assert gate.check(order("d", "r-hedge", "Y", -1, 50), 0) is None


@pytest.mark.long
def test_the_cost_of_a_pair_adds_up_to_what_was_paid():
    journal = MemoryJournal()
    session = session_of(exchange_of(names="XY"), journal)
    recorder = TcaRecorder(session)
    paired(session)
    run(session, 110)
    assert lots_of(session, "p1") == lots_of(session, "p1-hedge") > 0
    assert all(parent.over for parent in session.ledger.parents)
    session.run_until(session.now_ns + 70 * S)
    recorder.close()
    (cost,) = pair_costs(entry for _, entry in journal.read(kinds=(kinds.TCA,)))
    lot = session.follow("X").listing.lot
    filled = {name: session.ledger.orders.fills_of[name] for name in ("p1", "p1-hedge")}
    paid = {
        name: sum(fill.px * fill.qty for fill in fills)
        / sum(fill.qty for fill in fills)
        / 1e8
        * 0.01
        for name, fills in filled.items()
    }
    assert cost["paid"] == pytest.approx(paid["p1"] - paid["p1-hedge"])
    assert cost["paid"] <= cost["limit"] + 0.02
    whole = (cost["paid"] - cost["arrival"]) * cost["filled"] * lot
    assert cost["first"] + cost["second"] == pytest.approx(whole)
    parts = [cost[name] for name in ("half_first", "half_second", "legging", "moved")]
    assert sum(parts) == pytest.approx(whole)
    assert cost["half_second"] > 0 > cost["half_first"]
    assert 0 < cost["unhedged_s"] < 1


def test_a_leg_that_is_being_cancelled_at_its_horizon_does_not_end_the_session():
    session = session_of(exchange_of(names="XY"), warm_s=20)
    paired(session, seconds=30)
    run(session, 20, lambda session: session.ledger.orders.live(parent="p1"))
    session.manager.cancel("p1", "no more")
    suspend_agent(session.manager, "ann", "dora", "a break", 1)
    run(session, 40)
    assert session.ledger.parents.require("p1").status == "cancelling"
    resume_agent(session.manager, "ann", "dora", "on", 2)
    run(session, 10)
    assert all(parent.over for parent in session.ledger.parents)


@pytest.mark.long
def test_a_leg_that_is_over_stays_as_long_as_its_pair_works():
    session = session_of(exchange_of(names="XY"), warm_s=20)
    session.ledger._keep_ns = 30 * S
    paired(session, seconds=300)
    suspend_agent(session.manager, "ann", "dora", "a break", 1)
    run(session, 5)
    session.manager.cancel("p1", "no more")
    assert session.ledger.parents.require("p1").over
    for name in ("p2", "p3"):
        session.manager.accept(asked(name, agent="bob", horizon_s=2))
        run(session, 40)
    assert session.ledger.parents.get("p1") is not None
    session.manager.cancel("p1-hedge", "no more")
    for name in ("p4", "p5"):
        session.manager.accept(asked(name, agent="bob", horizon_s=2))
        run(session, 40)
    assert codes(session) == ["pair_left"]


def test_a_pair_has_names_for_all_its_parents_and_no_limit_price_of_a_leg():
    session = session_of(exchange_of(names="XY"), warm_s=5)
    with pytest.raises(OrderError, match="printable id"):
        session.pairs.accept(asked("p" * 74), TERMS | {"spread": "0"}, None)
    paired(session)
    with pytest.raises(OrderError, match="no leg of a pair"):
        session.manager.amend("p1", "dear", limit_price=1.0)


@pytest.mark.long
def test_a_pair_of_an_agent_that_is_armed_again_is_looked_after_at_once():
    latch, exchange = Latch(), Halting(exchange_of(names="XY"))
    session = session_of(exchange, latch=latch)
    exchange.shut = True
    paired(session)
    run(session, 200, lambda session: gap(session) > 0)
    latch.kill("stop", "dora", session.now_ns, ["ann"])
    run(session, 10)
    assert gap(session) > 0
    latch.rearm("on", "dora", session.now_ns, ["ann"])
    run(session, 8)
    assert gap(session) == 0


def test_a_pair_that_can_be_worked_no_more_keeps_no_session_from_beginning(tmp_path):
    exchange = exchange_of(names="XY")
    first = session_of(exchange, SqlJournal(tmp_path), warm_s=5)
    paired(first)
    first.journal.close()
    kept = [one for one in exchange.listings() if one.instrument == "X"]
    gate = LimitGate(parse(WIDE), exchange.listings(), ["ann", "bob"])
    exchange.listings = lambda: kept
    session = open_session(
        exchange, SqlJournal(tmp_path), gate, by_name, SessionTerms(warmup_s=60.0)
    )
    assert codes(session) == ["pair_left"]
    session.manager.cancel("p1", "no more")
    session.manager.cancel("p1-hedge", "no more")
    assert all(parent.over for parent in session.ledger.parents)
    session.close()
