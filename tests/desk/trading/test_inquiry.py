"""Questions to a venue: how often, whatever it says and however often its link speaks up."""

from types import SimpleNamespace

from tests.waiting import until

from certify.fix.case import Bench
from certify.fix.wall import Wall
from tercel.core.orders import StatusRequest
from tercel.core.ports import Capabilities
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.reconciliation.recovery import LONGEST_NS, Inquiry
from tercel.desk.trading.risk.cancels import AGAIN_NS
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
from tercel.desk.trading.risk.trading_state import Sender, StateReason, TradingStates
from tercel.fix import tags as t
from tercel.fix.profiles import load

STORM = 500


class Asked:
    """A gateway before a venue that has forgotten an order; the times of what leaves."""

    def __init__(self):
        self.venue = SimpleNamespace(now_ns=0, capabilities=Capabilities())
        lost = SimpleNamespace(
            root="o1", account="ann", base="new", last_ns=1, cum_qty=0, counted_qty=0
        )
        orders = SimpleNamespace(unknown=lambda: [lost], live=lambda: [lost])
        self.ledger = SimpleNamespace(orders=orders, states=TradingStates())
        self.states, self.times, self.limits = (
            self.ledger.states,
            [],
            SimpleNamespace(doubts=(), unanswered={}),
        )

    def submit(self, commands, sender):
        assert sender is Sender.STOPPER
        assert all(isinstance(one, StatusRequest) for one in commands)
        self.times += [self.venue.now_ns] * len(commands)


def inquiry(gateway, caught_up=lambda: None):
    return Inquiry(gateway, lambda: ["ann"], lambda: "name", caught_up)


def turns(gateway, made, seconds, each=lambda: None):
    """Four turns a second."""
    until_ns = gateway.venue.now_ns + seconds * AGAIN_NS
    while gateway.venue.now_ns < until_ns:
        each()
        made.turn()
        gateway.venue.now_ns += AGAIN_NS // 4


def test_an_order_that_no_answer_settles_is_asked_about_less_and_less_often():
    gateway = Asked()
    turns(gateway, inquiry(gateway), 130)
    assert [ns // AGAIN_NS for ns in gateway.times] == [0, 1, 3, 7, 15, 31, 63, 95, 127]
    assert gateway.times[-1] - gateway.times[-2] == LONGEST_NS


def test_a_link_that_speaks_up_again_and_again_is_one_round_of_questions_a_second():
    gateway, rounds = Asked(), []
    made = inquiry(gateway, lambda: rounds.append(gateway.venue.now_ns))

    def storm():
        for _ in range(STORM):
            made.link(True)

    turns(gateway, made, 10, storm)
    assert gateway.times == rounds == [second * AGAIN_NS for second in range(10)]


def test_a_way_that_comes_back_is_asked_at_once_and_nobody_while_there_is_none():
    gateway, rounds = Asked(), []
    made = inquiry(gateway, lambda: rounds.append(gateway.venue.now_ns))
    turns(gateway, made, 3)
    gateway.states.add(StateReason.LINK_DOWN, "down")
    made.link(False)
    before = list(gateway.times)
    turns(gateway, made, 3)
    assert gateway.times == before
    gateway.states.end(StateReason.LINK_DOWN)
    made.link(True)
    now = gateway.venue.now_ns
    made.turn()
    assert (gateway.times[-1], rounds) == (now, [now])


def ask_again(venue, times):
    """Have a venue ask for all that it was ever sent, so many times at once."""
    with venue._lock:
        for _ in range(times):
            venue.session._box.emit("2", [(7, "1"), (16, "0")])
        venue._take(venue.session.on_time(venue.now_ns()))


def test_a_storm_of_resend_requests_holds_up_no_order_and_asks_nothing(tmp_path):
    with Wall(Bench(load("generic-44"), tmp_path)) as wall:
        for lots in (1, 2, 3, 4):
            wall.live(lots)
        over = wall.live(5)
        wall.venue.answer(wall.cancel(over))
        wall.settle()
        before = wall.venue.of_kind(t.STATUS, t.MASS_STATUS)
        ask_again(wall.venue, STORM)
        began, order = wall.fix.now_ns, wall.order()
        assert [one.get(t.CL_ORD_ID) for one in wall.venue.of_kind(t.NEW_ORDER)][-1] == order
        wall.until(lambda: wall.fix.now_ns > began + AGAIN_NS, "a second")
        assert wall.venue.of_kind(t.STATUS, t.MASS_STATUS) == before, "no word is missing"
        notes = [
            entry.body["text"]
            for entry in wall.entries(kinds.REPORT_IN)
            if entry.body["what"] == "link"
        ]
        assert len(notes) <= 2, (
            "what the venue has reported on reached it: told once of what was on its way"
        )


def test_a_kill_leaves_in_the_midst_of_a_storm(tmp_path):
    with Wall(Bench(load("generic-44"), tmp_path)) as wall:
        name = wall.live()
        wall.gate.watch.start()
        ask_again(wall.venue, STORM)
        KillLatch(wall.folder / LATCH).kill("enough", "eve", 0)
        until(
            lambda: wall.venue.of_kind(t.MASS_CANCEL), what="the cancel, without a turn of the gate"
        )
        wall.gate.watch.stop(60.0)
        wall.say(name, "4", "4")
        wall.settle()
        assert wall.state(name).done


def test_a_link_that_takes_notes_asks_about_what_is_unknown_once_a_second(tmp_path):
    with Wall(Bench(load("generic-44"), tmp_path)) as wall:
        wall.gate.inquiry.acks.seconds = 0.0
        wall.venue.by_hand.add(t.STATUS)
        name, began = wall.order(), wall.fix.now_ns
        for _ in range(STORM):
            wall.gate.inquiry.link(True)
            wall.turn()
        wall.until(lambda: wall.venue.asked(name), "a question")
        rounds = (wall.fix.now_ns - began) // AGAIN_NS
        assert len(wall.venue.asked(name)) <= rounds + 2
