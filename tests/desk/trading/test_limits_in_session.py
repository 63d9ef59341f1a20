"""Limits at work in a session: a breach kills and cancels, people change limits, restarts keep both."""

from dataclasses import replace

import pytest
from tests.desk.trading.desk_of_two import (
    WIDE,
    Flaky,
    S,
    asked,
    at_work,
    bodies,
    exchange_of,
    session_of,
    truth,
)

from tercel.core.errors import LimitsError, OrderError
from tercel.core.orders import MarketRows, MassCancel, NewOrder, ReplaceOrder
from tercel.desk.limits import hash_of_json, limits_json, parse, with_changes
from tercel.desk.limits.quotes import BestQuotes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.limit_record import EXPIRES_NS
from tercel.desk.trading.risk.kill_switch import KillLatch, Latch
from tercel.desk.trading.risk.limit_keeper import audit_limits


def alerts(session, code):
    return [body for body in bodies(session, kinds.ALERT) if body["code"] == code]


def tight(agent="", desk="", instrument=""):
    """Wide limits with lines of one section replaced."""
    parts = WIDE.split("[")
    for room, lines in (("desk]", desk), ('instruments."*"]', instrument), ('agents."*"]', agent)):
        at = next(i for i, part in enumerate(parts) if part.startswith(room))
        for line in lines.split("\n") if lines else ():
            key = line.split(" = ")[0]
            kept = [each for each in parts[at].split("\n") if not each.startswith(key)]
            parts[at] = "\n".join([kept[0], line, *kept[1:]])
    return "[".join(parts)


def new_risk(commands):
    return [each for each in commands if isinstance(each, NewOrder | ReplaceOrder)]


@pytest.fixture
def latch(tmp_path):
    return KillLatch(tmp_path / "kill.json")


def begun(limits=WIDE, latch=None, seconds=60, lots=200, **options):
    """A session that has taken some lots of X for ann, and its venue."""
    venue = Flaky(exchange_of())
    order = asked(strategy="twap_take", lots=lots)
    options |= {"limits": limits, "latch": latch}
    return at_work(order, venue=venue, seconds=seconds, **options), venue


def falls(session):
    """The market falls by half a currency unit a share."""
    bid = session.followers["X"].quotes.bid
    session.limits.mark("X", BestQuotes(bid - 50, bid - 48), session.now_ns)
    session.keeper.watch()


# -- breaches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "limit", "killed"),
    [
        (tight(agent="daily_loss = 10"), "daily_loss of agent ann", {"ann"}),
        (tight(agent="drawdown = 10"), "drawdown of agent ann", {"ann"}),
        (tight(instrument="daily_loss = 10"), "daily_loss of instrument X", {"ann"}),
        (tight(desk="daily_loss = 10"), "daily_loss of the desk", {"ann", "bob"}),
        (tight(desk="drawdown = 10"), "drawdown of the desk", {"ann", "bob"}),
    ],
)
def test_a_loss_latches_and_cancels(latch, limits, limit, killed):
    session, venue = begun(limits, latch, 0)
    session.manager.accept(asked("p2", strategy="peg_behind", lots=200))
    session.run_until(session.now_ns + 60 * S)
    assert session.ledger.positions.of("ann", "X").lots > 0
    assert truth(venue, "ann")[1] > 0 or session.stopper.killed
    until = session.now_ns + 300 * S
    while "ann" not in session.stopper.killed and session.now_ns < until:
        falls(session)
    sent = len(venue.sends)
    assert {agent for agent in ("ann", "bob") if latch.kill_reason(agent)} == killed
    assert latch.state().history[-1]["by"] == "limits"
    assert any(limit in each["reason"] for each in latch.state().history)
    assert any(isinstance(each, MassCancel) and each.account == "ann" for each in venue.sends)
    session.run_until(session.now_ns + 30 * S)
    assert truth(venue, "ann")[1] == 0
    assert new_risk(venue.sends[sent:]) == []
    breach, *_ = [body for body in alerts(session, "limit_breach") if limit in body["text"]]
    assert breach["severity"] == "critical"
    kills = [(body["event"], body["scope"]) for body in bodies(session, kinds.KILL)]
    assert ("confirmed", "ann") in kills


def test_a_breach_lasts_over_a_restart_until_a_person_rearms(latch):
    limits = tight(agent="daily_loss = 10")
    session, venue = begun(limits, latch)
    falls(session)
    journal, sent = session.journal, len(venue.sends)
    again = KillLatch(latch.path)
    second = session_of(venue, journal, limits=limits, latch=again, resume=True, warm_s=5)
    with pytest.raises(OrderError, match="drawdown"):
        second.manager.accept(asked("p3"))
    assert new_risk(venue.sends[sent:]) == []
    KillLatch(latch.path).rearm("looked at it", "dora", second.now_ns)
    last = KillLatch(latch.path)
    session_of(venue, journal, limits=limits, latch=last, warm_s=0)
    assert ("ann", "dora") in [(body["scope"], body["by"]) for body in bodies(session, kinds.REARM)]


def test_a_mark_that_grows_old_is_a_breach_where_a_position_is_held(latch):
    session, venue = begun(tight(instrument="reference_age_ms = 5_000"), latch, 30)
    assert latch.kill_reason("ann") is None
    assert session.ledger.positions.of("ann", "X").lots > 0
    deaf(session, venue)
    session.run_until(session.now_ns + 10 * S)
    assert "reference_age_ms of instrument X" in latch.kill_reason("ann")
    assert latch.kill_reason("bob") is None
    assert truth(venue, "ann")[1] == 0


def deaf(session, venue):
    """No market data arrives any more."""
    real = venue._venue.step
    venue.step = lambda until: [each for each in real(until) if not isinstance(each, MarketRows)]


def test_too_many_executions_stop_an_agent_until_a_named_person_lets_it_go_on(latch):
    limits = tight(agent="executions = 3")
    session, venue = begun(limits, latch, 0, 400)
    until = session.now_ns + 300 * S
    while not latch.kill_reason("ann") and session.now_ns < until:
        session.step(session.now_ns + S)
    assert "executions of agent ann" in latch.kill_reason("ann")
    sent, words = len(venue.sends), {"limits": limits, "latch": latch}
    second = session_of(venue, session.journal, **words, resume=True, warm_s=2)
    assert new_risk(venue.sends[sent:]) == []
    latch.rearm("it was a drill", "dora", 9)
    second.step(second.now_ns + S)
    rearmed = {"scope": "ann", "by": "dora", "reason": "it was a drill"}
    assert bodies(session, kinds.REARM)[-1] == rearmed
    second.manager.resume("p1", "dora")
    second.run_until(second.now_ns + 20 * S)
    assert new_risk(venue.sends[sent:])


class Full(Latch):
    """A latch that cannot be written."""

    def kill(self, *words, **named):
        super().kill(*words, **named)
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("latch", [Full(), None], ids=["full", "none"])
def test_a_latch_that_cannot_be_written_or_none_kills_all_the_same(latch):
    session, venue = begun(tight(agent="daily_loss = 10"), latch)
    falls(session)
    assert "ann" in session.stopper.killed
    assert bool(alerts(session, "kill_not_durable")) == (latch is not None)
    sent = len(venue.sends)
    session.run_until(session.now_ns + 60 * S)
    assert new_risk(venue.sends[sent:]) == []


# -- warnings ---------------------------------------------------------------------------------------------------------


def test_a_warning_comes_once_and_is_journaled():
    session, _ = begun(tight(agent="long_lots = 250\nwarn = 0.5"), seconds=400)
    said = alerts(session, "limit_warning")
    (warned,) = [body for body in said if "long_lots of agent ann" in body["text"]]
    assert warned["severity"] == "warning"
    (beat,) = bodies(session, kinds.HEARTBEAT)[-1:]
    used, most, level = beat["limits"]["agents"]["ann"]["long_lots"]
    assert (most, level) == (250, 125)
    assert used >= level


# -- people -----------------------------------------------------------------------------------------------------------


def test_one_person_tightens_and_two_loosen():
    session = session_of(exchange_of())
    keeper, before = session.keeper, session.limits.hash
    keeper.tighten({"agents.ann.order_lots": "7"}, "ann", "news")
    assert session.limits.holdings["ann", "X"].order_lots == 7
    assert session.limits.holdings["bob", "X"].order_lots == 5000
    with pytest.raises(OrderError, match=r"agents\.ann\.order_lots"):
        keeper.tighten({"agents.ann.order_lots": "8"}, "ann", "please")
    number = keeper.request({"agents.ann.order_lots": "5000"}, "ann", "it is over")
    for person in ("ann", " ANN "):
        with pytest.raises(OrderError, match="another person"):
            keeper.approve(number, person, "me again")
    keeper.approve(number, "bob", "seen it")
    assert session.limits.holdings["ann", "X"].order_lots == 5000
    with pytest.raises(OrderError, match="not waiting"):
        keeper.approve(number, "bob", "again")
    assert session.limits.hash != before  # [agents.ann] stands there now
    assert [body["event"] for body in bodies(session, kinds.LIMITS)] == [
        *("in_force", "tightened", "requested", "loosened"),
    ]


@pytest.mark.parametrize("ask", ["tighten", "request"])
def test_a_limit_of_nobody_is_a_slip_of_the_pen(ask):
    session = session_of(exchange_of())
    with pytest.raises(OrderError, match="nothing was changed") as refused:
        getattr(session.keeper, ask)({"agents.anne.order_lots": "7"}, "bob", "news")
    assert "ann" in refused.value.remedy
    assert [body["event"] for body in bodies(session, kinds.LIMITS)] == ["in_force"]


def test_a_request_expires():
    session = session_of(exchange_of())
    number = session.keeper.request({"desk.messages": "30000"}, "ann", "busy")
    session.run_until(session.now_ns + EXPIRES_NS + S)
    with pytest.raises(OrderError, match="not waiting"):
        session.keeper.approve(number, "bob", "late")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "limits to change"),
        (7, "limits to change"),
        (["desk.messages"], "limits to change"),
        ({"desk": "1"}, "desk.KEY"),
        ({"desk.nothing": "1"}, "order_lots"),
        ({"agents.ann.order_lots": "-1"}, "at least 0"),
        ({"agents.ann.order_lots": "= 3"}, "a value as in a limit file"),
        ({"rooms.ann.order_lots": "3"}, "desk.KEY"),
    ],
)
def test_changes_that_make_no_sense(changes, told):
    session = session_of(exchange_of())
    for act in (session.keeper.tighten, session.keeper.request):
        with pytest.raises(LimitsError, match=told):
            act(changes, "ann", "news")
    for by, reason in (("", "news"), ("ann", " ")):
        with pytest.raises(OrderError):
            session.keeper.tighten({"desk.messages": "1"}, by, reason)
    assert [body["event"] for body in bodies(session, kinds.LIMITS)] == ["in_force"]


def test_a_restart_has_the_limits_in_force_and_no_file_loosens_them():
    venue, journal = exchange_of(), MemoryJournal()
    first = session_of(venue, journal)
    first.keeper.tighten({"agents.ann.order_lots": "7"}, "ann", "news")
    number = first.keeper.request({"agents.bob.order_lots": "6000"}, "ann", "more")
    second = session_of(venue, journal, warm_s=1)
    assert second.limits.hash == first.limits.hash
    assert second.limits.holdings["ann", "X"].order_lots == 7
    assert alerts(second, "limits_file_looser")
    second.keeper.approve(number, "bob", "a request outlives a restart")
    assert second.limits.holdings["bob", "X"].order_lots == 5000  # the desk's and the instrument's
    third = session_of(venue, journal, limits=tight(desk="order_lots = 5"), warm_s=1)
    assert third.limits.holdings["ann", "X"].order_lots == 5
    assert third.limits.hash != second.limits.hash


def test_an_approval_is_of_the_values_that_were_asked_for_and_seen():
    venue, journal, path = exchange_of(), MemoryJournal(), "agents.ann.order_lots"
    session = session_of(venue, journal)
    session.keeper.tighten({path: "2000"}, "ann", "news")
    number = session.keeper.request({path: "5000"}, "ann", "it is over")
    with pytest.raises(OrderError, match=r"order_lots = 5000.*order_lots = 50000") as refused:
        session.keeper.approve(number, "bob", "seen", changes={path: "50000"})
    assert "ask again" in refused.value.remedy
    session.keeper.tighten(
        {path: "100"}, "rita", "worse news"
    )  # what was asked about is another limit now
    with pytest.raises(OrderError, match=r"order_lots = 2000.*order_lots = 100"):
        session.keeper.approve(number, "bob", "seen", changes={path: "5000"})
    assert session.limits.holdings["ann", "X"].order_lots == 100
    session.keeper.approve(
        session.keeper.request({path: "5000"}, "ann", "over"), "bob", "seen", changes={path: "5000"}
    )
    assert session.limits.holdings["ann", "X"].order_lots == 5000
    wide = tight(
        agent="order_lots = 50000", desk="order_lots = 50000", instrument="order_lots = 50000"
    )
    later = session_of(
        venue, journal, limits=wide, warm_s=1
    )  # the file says more than two persons agreed on
    assert later.limits.holdings["ann", "X"].order_lots == 5000
    assert f"{path} (5000 to 50000)" in alerts(later, "limits_file_looser")[0]["text"]
    assert audit_limits(journal)[1] == []


def forged(session, change):
    """What an audit finds in a journal whose bodies were changed: orders, and what is wrong."""
    found = MemoryJournal()
    for _, entry in session.journal.read():
        found.append([replace(entry, body=entry.body | change(entry))])
    return audit_limits(found)


@pytest.mark.parametrize("event", ["loosened", "in_force", "tightened"])
def test_an_audit_finds_values_that_nobody_agreed_on(event):
    session = session_of(exchange_of())
    session.keeper.tighten({"agents.ann.order_lots": "2000"}, "ann", "news")
    number = session.keeper.request({"agents.ann.order_lots": "5000"}, "ann", "it is over")
    session.keeper.approve(number, "bob", "seen")
    more = limits_json(with_changes(session.limits.limits, {"agents.ann.order_lots": "50000"}))
    other = {"event": event, "limits": more, "hash": hash_of_json(more)}

    def change(entry):
        return other if entry.body.get("event") == "loosened" else {}

    (found,) = forged(session, change)[1]
    assert (
        "other values than those of request" if event == "loosened" else "(2000 to 50000)"
    ) in found


def test_every_order_carries_the_hash_of_its_limits():
    session, _ = begun(seconds=40)
    session.keeper.tighten({"agents.ann.order_lots": "4000"}, "ann", "news")
    session.run_until(session.now_ns + 100 * S)
    number = session.keeper.request({"agents.ann.order_lots": "6000"}, "ann", "more")
    session.keeper.approve(number, "bob", "seen")
    orders, found = audit_limits(session.journal)
    assert (orders >= 4, found) == (True, [])
    sent = [body for body in bodies(session, kinds.ORDER_OUT) if body["what"] == "new"]
    assert len({body["limits"] for body in sent}) == 2
    alone = {"by": "ann", "limits": limits_json(parse(tight(desk="messages = 1")))}

    def change(entry):
        if entry.kind == kinds.ORDER_OUT and entry.body["what"] == "new":
            return {"limits": "0" * 12}
        return alone if entry.body.get("event") == "loosened" else {}

    counted, found = forged(session, change)
    assert counted == orders
    assert len(found) == len(sent) + 2


def test_people_change_limits_by_the_inbox(tmp_path):
    session = session_of(exchange_of(), SqlJournal(tmp_path, "test"))

    def say(by, **body):
        return post(tmp_path, "limits", body, by, "news", 1)

    first = say("ann", act="tighten", changes={"desk.messages": "9"})
    session.step(session.now_ns + S)
    assert session.limits.limits.desk.messages == 9
    asked_for = say("ann", act="request", changes={"desk.messages": "10"})
    session.step(session.now_ns + S)
    told = bodies(session, kinds.LIMITS)
    answers = {body["operator"]: body for body in told if "operator" in body}
    assert answers[first]["event"] == "tightened"
    request = answers[asked_for]["request"]
    refused = [
        say("ann", act="approve", request=request),
        say("bob", act="approve", request="x"),
        say("bob", act="forget"),
        say("bob", act="tighten", changes=7),
    ]
    say("bob", act="approve", request=request)
    session.step(session.now_ns + S)
    assert session.limits.limits.desk.messages == 10
    assert [body["operator"] for body in alerts(session, "operator_refused")] == refused
    session.close()
