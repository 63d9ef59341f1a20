"""A venue whose reports are not true: dated wrong, named twice, contradicting their order, counted and never made.

A gate over FIX at a scripted venue. What a report claims is booked; what limits hold back rests on the gate's own clock
and on what was asked for.
"""

import pytest
from tests.parts import whole

from certify.fix.case import Bench
from certify.fix.wall import Wall
from exchange.fix import acceptor
from tercel.core.fixed_point import ONE
from tercel.desk.limits import LimitGate
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.reconciliation.inquiry import MISSING_S
from tercel.desk.trading.reconciliation.refold import refold
from tercel.desk.trading.risk.cancels import AGAIN_NS
from tercel.fix import tags as t
from tercel.fix.profiles import load
from tercel.fix.protocol.message import utc_text

DAY_NS = 86_400 * 10**9
LOSS = {"agents": {"daily_loss": 100}}
"""So much an agent may lose a day."""


@pytest.fixture
def at(tmp_path):
    """Opens a gate at a venue; the venue says there what the test has it say."""

    def opened(**limits):
        return Wall(Bench(load("generic-44"), tmp_path), ("ann", "bob"), **limits)

    return opened


def lose(wall, account="ann", **said):
    """Buy 180 lots half a unit above the mid: 90 are lost."""
    name = wall.live(180, 1050, account=account)
    wall.say(name, "F", "2", last=180, px=10.5, **said)
    return name


def denied(wall, account="ann", lots=1):
    """Why an order of an account does not leave; none: it left."""
    outcome = wall.submit(wall.new(lots, 960, account=account))
    wall.settle()
    return [one.code for _, one in outcome.denied]


def dated(wall, ns):
    """TransactTime (60) so far from the venue's clock."""
    return {f"_{t.TRANSACT_TIME}": utc_text(wall.venue.now_ns() + ns)}


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_report_of_tomorrow_does_not_forgive_the_loss_of_today(at):
    with at(**LOSS) as wall:
        lose(wall)
        wall.say(wall.order(account="bob"), "0", "0", **dated(wall, DAY_NS))
        lose(wall)
        assert denied(wall) == ["KILLED"]
        assert wall.alerts().count("report_time") == 1


def test_a_loss_is_forgiven_neither_by_a_restart_after_a_report_of_tomorrow(at):
    with at(**LOSS) as wall:
        lose(wall, **dated(wall, DAY_NS))
        wall.gate.heartbeat.write()  # with the market that the position is worth
        wall.restart()
        lose(wall)
        assert denied(wall) == ["KILLED"]


@pytest.mark.parametrize("hours", [73 * 365 * 24, 8, -5])
def test_a_fill_dated_wrong_denies_nobody_and_is_of_now(at, hours):
    with at() as wall:
        name = wall.live()
        wall.say(name, "F", "1", last=4, px=10, **dated(wall, hours * 3_600 * 10**9))
        assert denied(wall, "bob") == []
        assert wall.alerts().count("report_time") == 1
        (fill,) = wall.gateway.ledger.orders.fills
        assert abs(fill.ns - wall.fix.now_ns) < 60 * 10**9
        wall.say(name, "F", "1", last=1, px=10)
        assert wall.alerts().count("report_time") == 1, "once, until they are dated right again"
        wall.settle()
        wall.restart()
        assert wall.position() == 5


def test_a_replace_dated_before_the_one_before_it_counts_as_large_as_it_is(at):
    """The venue's clock was put back by half a minute."""
    with at() as wall:
        name = wall.live(10)
        for lots, ns in ((12, 0), (28, -30 * 10**9)):
            before = wall.state(name).name
            request = wall.replace(name, lots, 1000)
            wall.say(request.get(t.CL_ORD_ID), "5", "0", orig=before, qty=lots, **dated(wall, ns))
        assert whole(wall.holding().buys) == 28
        assert (wall.state(name).lots, wall.state(name).name) == (28, request.get(t.CL_ORD_ID))
        wall.say(request.get(t.CL_ORD_ID), "F", "1", last=20, px=10)
        assert (wall.position(), whole(wall.holding().buys)) == (20, 8)
        assert "OVERFILL" not in wall.alerts()


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_same_execution_name_in_another_account_counts_against_its_limits(at):
    with at(**LOSS) as wall:
        wall.say(wall.live(account="bob"), "F", "1", last=1, px=10, exec_id="1")
        lose(wall)
        lose(wall, exec_id="1")
        assert (wall.position(), whole(wall.holding().position)) == (360, 360)
        assert denied(wall) == ["KILLED"]


def test_names_of_executions_that_begin_anew_each_day_are_other_executions(at):
    with at(daily=True, instruments={"reference_age_ms": 2 * DAY_NS // 10**6}) as wall:
        first = wall.live()
        wall.say(first, "F", "2", last=10, px=10, exec_id="1")
        old = wall.venue.said[-1]
        wall.ahead(DAY_NS)
        wall.until(lambda: wall.fix.up, "the session of the next day")
        second = wall.live()
        wall.say(second, "F", "1", last=4, px=10, exec_id="1")
        assert wall.position() == 14
        wall.venue.say(*old)
        wall.settle()
        assert wall.position() == 14, "yesterday's, said again"
        wall.say(first, "H", "1", ref="1", cum=0)
        assert wall.position() == 4, "the bust is of the order that it names"
        wall.restart()
        assert wall.position() == 4
        assert "exec_changed" not in wall.alerts()


def settle(wall):
    """A person says that positions are right."""
    post(wall.folder, "settle", {}, "eve", "seen at the venue", 0)
    wall.settle()


def confirm(wall, *names):
    """A person says that executions are right."""
    post(wall.folder, "settle", {"executions": names}, "eve", "seen at the venue", 0)
    wall.settle()


def folded(wall):
    """What limits count of ann that fold the journal anew."""
    limits = LimitGate(wall.gateway.limits.limits, wall.fix.listings(), ["ann", "bob"])
    refold(wall.gateway.journal, limits)
    return limits.agents["ann"]


# -- what contradicts the order ----------------------------------------------------------------------------------------


def paused(wall, code):
    """Whether ann is stopped for one reason, and bob is not."""
    assert wall.alerts().count(code) == 1, wall.alerts()
    assert (
        next(one.body["severity"] for one in wall.entries(kinds.ALERT) if one.body["code"] == code)
        == "critical"
    )
    return denied(wall) == ["STOPPED"] and denied(wall, "bob") == []


@pytest.mark.parametrize(
    ("side", "price", "beyond", "within"), [(1, 1000, 10.01, 9.99), (-1, 1000, 9.99, 10.01)]
)
def test_a_fill_beyond_the_limit_price_is_booked_and_pauses_its_agent(
    at, side, price, beyond, within
):
    with at() as wall:
        name = wall.live(side=side, price=price)
        wall.say(name, "F", "1", last=1, px=10)
        wall.say(name, "F", "1", last=1, px=within)
        assert denied(wall) == []
        wall.say(name, "F", "1", last=1, px=beyond)
        assert wall.position() == 3 * side
        assert paused(wall, "FILL_PRICE")


@pytest.mark.parametrize(("side", "px"), [(1, 0), (1, -5), (1, 9.4), (-1, 10.6), (-1, 1000)])
def test_an_execution_at_a_price_that_cannot_be_forgives_no_loss_and_waits_for_a_person(
    at, side, px
):
    with at(instruments={"fill_band_bps": 500}, **LOSS) as wall:
        name = wall.live(100, 1000 if side > 0 else 960, side=side)
        exec_id = wall.say(name, "F", "2", last=100, px=px)
        assert wall.position() == 100 * side, "booked as it was told"
        agent = wall.gateway.limits.agents["ann"]
        assert agent.lost >= 0
        assert paused(wall, "IMPLAUSIBLE_FILL")
        settle(wall)
        assert denied(wall) == ["STOPPED"], "positions agree, which says nothing of a price"
        was = agent.equity
        wall.gate.heartbeat.write()  # with the market that the position is worth
        wall.restart()
        assert denied(wall) == ["STOPPED"]
        assert folded(wall).equity == wall.gateway.limits.agents["ann"].equity == was
        confirm(wall, f"{name}:{exec_id}")
        assert wall.gateway.limits.agents["ann"].equity > was
        assert denied(wall) == []
        assert folded(wall).equity == wall.gateway.limits.agents["ann"].equity
        confirm(wall, f"{name}:{exec_id}")
        assert "operator_refused" in wall.alerts(), "it waits no more"


def test_an_execution_that_only_the_drop_copy_has_is_held_against_the_mid_too(at):
    with at(copies=True, instruments={"fill_band_bps": 500}) as wall:
        name, exec_id = wall.live(10, 1000), wall.venue.exec_id()
        wall.copy.report(name, "F", "1", last=4, px=1, qty=10, exec_id=exec_id, _1="ann")
        wall.copy.say(*wall.copy.said[-1])
        wall.until(lambda: "IMPLAUSIBLE_FILL" in wall.alerts(), "the alarm")
        assert wall.position() == 4
        assert wall.gateway.limits.agents["ann"].lost == 0


def test_other_content_under_the_name_of_an_execution_pauses_its_agent(at):
    with at() as wall:
        name = wall.live()
        wall.say(name, "F", "1", last=4, px=10, exec_id="1")
        wall.say(name, "F", "1", last=5, px=10, exec_id="1", cum=4)
        assert paused(wall, "exec_changed")
        wall.restart()
        assert denied(wall) == ["STOPPED"], "a restart forgets no pause"
        settle(wall)
        assert denied(wall) == []
        settle(wall)
        assert "operator_refused" in wall.alerts(), "nobody waits"


# -- what never came ---------------------------------------------------------------------------------------------------


def counted(wall, name):
    """The venue counts an order as filled, whose execution it does not say."""
    wall.venue.report(name, "I", "2", cum=10)
    wall.until(lambda: wall.state(name).counted_qty == 10 * ONE, "the status")


def test_executions_that_the_venue_counts_and_does_not_say_pause_until_they_come(at):
    with at() as wall:
        name = wall.live()
        counted(wall, name)
        assert "missing_executions" not in wall.alerts(), "they may be on their way"
        wall.gate.inquiry.acks.missing_s = 0.0
        before = len(wall.venue.status_requests(name))
        wall.until(lambda: "missing_executions" in wall.alerts(), "the alarm")
        assert paused(wall, "missing_executions")
        wall.until(
            lambda: len(wall.venue.status_requests(name)) > before, "a question about the order"
        )
        assert folded(wall).stopped == wall.gateway.limits.agents["ann"].stopped, (
            "a restart forgets no pause"
        )
        wall.say(name, "F", "2", last=10, px=10, cum=10)
        wall.until(
            lambda: any(one.agent == "ann" for one in wall.entries(kinds.REARM)),
            "the word that it goes on",
        )
        assert denied(wall) == []
        assert wall.position() == 10
        assert folded(wall).stopped == ""
        assert wall.alerts().count("missing_executions") == 1


def test_an_alarm_over_missing_executions_comes_within_five_seconds():
    assert MISSING_S + AGAIN_NS / 1e9 < 5.0


# -- replaces that are answered after the end of their order (FIX 4.2 appendix D8, 4.4 C.1.c) --------------------------


def test_a_replace_without_an_answer_is_asked_about_by_a_cancel(at):
    with at(agents={"long_lots": 30}) as wall:
        name = wall.live(15)
        wall.replace(name, 27, 1000)
        wall.say(name, "F", "2", last=15, px=10.0)
        assert wall.reserved_lots() == 12

        def probe():
            return wall.venue.of_kind(t.CANCEL)  # fmt: skip

        wall.until(probe, "a cancel of the order")
        assert probe()[0].get(t.ORIG_CL_ORD_ID) == name
        wall.venue.refuse(probe()[0], t.NOT_KNOWN, "8")
        wall.settle()
        assert wall.reserved_lots() == 12, "a venue that does not know the order answers nothing"
        wall.until(lambda: len(probe()) > 1, "another cancel")
        wall.venue.refuse(probe()[1], acceptor.TOO_LATE)
        wall.settle()
        assert wall.reserved_lots() == 0
        assert wall.state(name).settled


@pytest.mark.parametrize("ending", ["2", "4"])
def test_a_kill_is_not_over_while_a_replace_of_before_a_broken_link_may_be_accepted(at, ending):
    with at() as wall:
        name = wall.live(10)
        later = wall.replace(name, 50, 1000).get(t.CL_ORD_ID)
        wall.venue.cut()
        wall.until(lambda: wall.state(name).status == "unknown", "the broken link")
        wall.until(lambda: wall.fix.up, "a link again")
        last = 10 if ending == "2" else 0
        wall.say(name, "F" if last else "4", ending, last=last, px=10.0)
        assert wall.gateway.can_still_trade("ann")
        wall.say(later, "5", "1" if last else "0", orig=name, qty=50)
        assert wall.gateway.can_still_trade("ann")
        assert wall.reserved_lots() == 50 - last
