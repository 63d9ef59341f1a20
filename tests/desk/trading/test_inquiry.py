"""Questions to a venue: how often, whatever it says and however often its link speaks up."""

from types import SimpleNamespace

from hypothesis import given, strategies as st

from certify.fix.case import Bench
from certify.fix.wall import Wall
from tercel.core.capabilities import Capabilities
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, StatusRequest, Tif
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.reconciliation.inquiry import LONGEST_NS, Inquiry
from tercel.desk.trading.risk.cancels import AGAIN_NS
from tercel.desk.trading.risk.trading_state import Sender, StateReason, TradingStates
from tercel.desk.trading.throttle import FIRST_NS, FREE, LONGEST_NS as LONGEST_PAUSE_NS, BackOff
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
    return Inquiry(gateway, lambda: ["ann"], caught_up)


def turns(gateway, made, seconds, each=lambda: None):
    """Four turns a second."""
    until_ns = gateway.venue.now_ns + seconds * AGAIN_NS
    while gateway.venue.now_ns < until_ns:
        each()
        made.on_step()
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
            made.on_link(True)

    turns(gateway, made, 10, storm)
    assert gateway.times == rounds == [second * AGAIN_NS for second in range(10)]


def test_a_way_that_comes_back_is_asked_at_once_and_nobody_while_there_is_none():
    gateway, rounds = Asked(), []
    made = inquiry(gateway, lambda: rounds.append(gateway.venue.now_ns))
    turns(gateway, made, 3)
    gateway.states.add(StateReason.LINK_DOWN, "down")
    made.on_link(False)
    before = list(gateway.times)
    turns(gateway, made, 3)
    assert gateway.times == before
    gateway.states.end(StateReason.LINK_DOWN)
    made.on_link(True)
    now = gateway.venue.now_ns
    made.on_step()
    assert (gateway.times[-1], rounds) == (now, [now])


def ask_again(venue, times):
    """Have a venue ask for all that it was ever sent, so many times at once."""
    with venue._lock:
        for _ in range(times):
            venue.session._outbox.emit("2", [(7, "1"), (16, "0")])
        venue._apply_outcome(venue.session.on_time(venue.now_ns()))


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


# -- orders without an answer, and orders refused again and again -----------------------------------------------------


def word(kind, ns):
    status = OrdStatus.REJECTED if kind is ExecType.REJECTED else OrdStatus.NEW
    return Report(f"E{ns}", kind, status, "o", "", "", "ann", "X", 1, 1, 1, 0, 0, 0, 0, ns)


@given(st.lists(st.sampled_from("rrrrrnt "), max_size=60))
def test_a_storm_is_thinned_out_and_whoever_is_taken_goes_on(words):
    """The twin counts refusals in a row; an order is tried every 10 ms."""
    back_off, row, last_ns, now = BackOff(), 0, 0, 0
    order = NewOrder("o", "X", 1, 1, 1, Tif.DAY, "ann", "p", 0)
    for one in words:
        now += 10_000_000
        if one == "r":
            row, last_ns = row + 1, now
            back_off.count_report(word(ExecType.REJECTED, now))
        elif one in "nt":
            row = 0
            back_off.count_report(word(ExecType.NEW if one == "n" else ExecType.TRADE, now))
        wait = min(FIRST_NS * 2 ** min(row - FREE, 20), LONGEST_PAUSE_NS) if row >= FREE else 0
        waits = now - last_ns < wait
        assert bool(back_off.wait_reason(order, now)) == waits
        if not waits:
            back_off.note_sent(order, now)
            last_ns = now if row else last_ns
    assert back_off.wait_reason(NewOrder("o", "Y", 1, 1, 1, Tif.DAY, "ann", "p", 0), now) == ""
