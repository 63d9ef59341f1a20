"""Orders that no word comes on, and orders that are refused again and again."""

from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of

from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.desk.trading.gateway import FIRST_NS, FREE, LONGEST_NS, BackOff
from tercel.desk.trading.journal import kinds


class Mute:
    """A venue that takes orders and says nothing."""

    def __init__(self, venue):
        self._venue, self.mute, self.sent = venue, False, []

    def __getattr__(self, name):
        return getattr(self._venue, name)

    def send(self, command):
        self.sent.append(command)
        if not self.mute:
            self._venue.send(command)


def test_an_order_without_a_word_is_unknown_asked_and_not_sent_again():
    session = session_of(Mute(exchange_of()))
    session.inquiry.acks.seconds = 0.0
    session.venue.mute = True
    session.accept(asked(strategy="peg_behind"))
    session.run_until(session.now_ns + 30 * S)
    orders = [one.cl_ord_id for one in session.venue.sent if isinstance(one, NewOrder)]
    assert orders
    assert len(set(orders)) == len(orders)
    assert {order.status for order in session.ledger.orders.live()} == {OrdStatus.UNKNOWN}
    assert session.limits.holdings["ann", "X"].buys == sum(
        o.open_qty for o in session.ledger.orders.live()
    )
    codes = [entry.body["code"] for _, entry in session.journal.read(kinds=(kinds.ALERT,))]
    assert kinds.NO_ACK in codes
    questions = {
        one.cl_ord_id for one in session.venue.sent if type(one).__name__ == "StatusRequest"
    }
    assert set(orders) <= questions


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
            back_off.take(word(ExecType.REJECTED, now))
        elif one in "nt":
            row = 0
            back_off.take(word(ExecType.NEW if one == "n" else ExecType.TRADE, now))
        wait = min(FIRST_NS * 2 ** min(row - FREE, 20), LONGEST_NS) if row >= FREE else 0
        waits = now - last_ns < wait
        assert bool(back_off.waits(order, now)) == waits
        if not waits:
            back_off.sent(order, now)
            last_ns = now if row else last_ns
    assert back_off.waits(NewOrder("o", "Y", 1, 1, 1, Tif.DAY, "ann", "p", 0), now) == ""
