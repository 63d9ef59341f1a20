"""O01 to O19: the life of an order, as the matrices of FIX 4.4's appendix D have it (4.2: appendix D of its own).

The system under test is the initiator: gateway, limits, ledger and journal over our FIX session.
"""

from certify.fix.case import Bench, case, expect, holds
from certify.fix.wall import Wall
from exchange.fix import acceptor
from tercel.core import Tif
from tercel.fix import tags as t


@case("O01", "new, acknowledged, filled", "initiator")
def new_to_fill(bench: Bench) -> str:
    """Matrix A.1."""
    with Wall(bench) as wall:
        name = wall.order(10, 1000)
        wall.expect_order(name, "pending_new", 0, 10)
        expect(wall.reserved_lots(), 10, "lots reserved before any answer")
        wall.say(name, "0", "0")
        wall.expect_order(name, "new", 0, 10)
        wall.say(name, "F", "2", last=10, px=9.99)
        wall.expect_order(name, "filled", 10, 0, 999)
        expect((wall.position(), wall.reserved_lots()), (10, 0), "position and reserve")
        return "pending_new, new, filled 10 at 999"


@case("O02", "part fills: CumQty, LeavesQty and AvgPx of every report", "initiator")
def part_fills(bench: Bench) -> str:
    """Matrix A.1."""
    with Wall(bench) as wall:
        name = wall.live(10, 1000)
        paid = 0
        for n, (lots, price) in enumerate([(3, 9.98), (1, 9.99), (4, 10.0), (2, 9.97)]):
            wall.say(name, "F", "2" if n == 3 else "1", last=lots, px=price)
            paid += lots * round(price * 100)
            order = wall.venue.orders[name]
            wall.expect_order(
                name,
                "filled" if n == 3 else "partially_filled",
                order.cum,
                order.leaves,
                paid / float(order.cum),
            )
            expect(wall.position(), order.cum, "position")
        return f"4 fills, {paid / 10:g} on average"


@case("O03", "rejected, for each reason, and after pending new", "initiator")
def order_rejected(bench: Bench) -> str:
    """Matrix A.2; OrdRejReason (103)."""
    reasons = ["0", "1", "2", "3", "4", "6", "8"] + (
        ["11", "13", "15"] if bench.begin == "FIX.4.4" else []
    )
    with Wall(bench) as wall:
        wall.venue.needs(t.ORD_REJ_REASON, reasons[0])
        for n, reason in enumerate(reasons):
            if n % 4 == 3:  # refusals in a row are another case
                wall.say(wall.live(1), "4", "4")
            name = wall.order(price=990 + n)
            if n % 2:
                wall.say(name, "A", "A")
                wall.expect_order(name, "pending_new", 0, 10)
            wall.say(name, "8", "8", _103=reason, text="no")
            wall.expect_order(name, "rejected", 0, 0)
            holds(
                f"103={reason}" in wall.state(name).text,
                f"the reason {reason} is kept: {wall.state(name).text}",
            )
        expect(wall.reserved_lots(), 0, "lots reserved")
        return f"{len(reasons)} reasons"


@case("O04", "a fill before the acknowledgement", "initiator")
def fill_first(bench: Bench) -> str:
    """Matrix A.1, out of order."""
    with Wall(bench) as wall:
        name = wall.order(10, 1000)
        wall.say(name, "F", "1", last=4, px=10)
        wall.expect_order(name, "partially_filled", 4, 6, 1000)
        wall.say(name, "0", "0", cum=4, _39="1")
        wall.expect_order(name, "partially_filled", 4, 6, 1000)
        wall.say(name, "F", "2", last=6, px=10)
        wall.expect_order(name, "filled", 10, 0, 1000)
        return "filled 10"


@case("O05", "immediate, day and done for the day", "initiator")
def times_in_force(bench: Bench) -> str:
    """Matrices A.1 and F: expired, done for day. What we send is day and immediate-or-cancel."""
    with Wall(bench) as wall:
        soon = wall.order(10, 1000, tif=Tif.IOC)
        expect(
            wall.venue.of_kind(t.NEW_ORDER)[-1].get(t.TIME_IN_FORCE),
            bench.terms.profile.orders.ioc,
            "59",
        )
        wall.say(soon, "0", "0")
        wall.say(soon, "F", "1", last=4, px=10)
        wall.say(soon, "C", "C")
        wall.expect_order(soon, "expired", 4, 0, 1000)
        fok = wall.order(10, 1000, tif=Tif.IOC)
        wall.say(fok, "4", "4")
        wall.expect_order(fok, "canceled", 0, 0)
        day = wall.live(10, 999)
        wall.say(day, "C", "C")
        wall.expect_order(day, "expired", 0, 0)
        done = wall.live(10, 998)
        wall.say(done, "3", "3", leaves=0)
        wall.expect_order(done, "done_for_day", 0, 10)
        wall.say(done, "4", "4")
        wall.expect_order(done, "canceled", 0, 0)
        expect(wall.reserved_lots(), 0, "lots reserved")
        return "expired with 4, canceled, expired, done for the day"


@case("O06", "cancelled, with and without pending cancel", "initiator")
def order_cancelled(bench: Bench) -> str:
    """Matrix B.1."""
    with Wall(bench) as wall:
        for pending in (False, True):
            name = wall.live()
            request = wall.cancel(name)
            expect((request.get(t.ORIG_CL_ORD_ID), request.get(t.SIDE)), (name, "1"), "41 and 54")
            wall.expect_order(name, "pending_cancel", 0, 10)
            if pending:
                wall.say(request.get(t.CL_ORD_ID), "6", "6", orig=name)
                wall.expect_order(name, "pending_cancel", 0, 10)
            wall.say(request.get(t.CL_ORD_ID), "4", "4", orig=name)
            wall.expect_order(name, "canceled", 0, 0)
        return "twice canceled"


@case("O07", "a part-filled order cancelled, a fill while the cancel is pending", "initiator")
def cancel_of_part_filled(bench: Bench) -> str:
    """Matrix B.1.b and B.1.c."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.say(name, "F", "1", last=2, px=10)
        request = wall.cancel(name).get(t.CL_ORD_ID)
        wall.say(request, "6", "6", orig=name)
        wall.say(name, "F", "6", last=5, px=9.98)
        wall.expect_order(name, "pending_cancel", 7, 3, (2000 + 4990) / 7)
        wall.say(request, "4", "4", orig=name)
        wall.expect_order(name, "canceled", 7, 0, (2000 + 4990) / 7)
        expect(wall.position(), 7, "position")
        return "canceled with 7 filled"


@case("O08", "too late to cancel: the order is filled", "initiator")
def too_late(bench: Bench) -> str:
    """Matrix B.1.d: 9 with 102=0 and 39=2."""
    with Wall(bench) as wall:
        name = wall.live()
        request = wall.cancel(name)
        wall.say(name, "F", "2", last=10, px=10)
        wall.venue.refuse(request, acceptor.TOO_LATE)
        wall.settle()
        wall.expect_order(name, "filled", 10, 0, 1000)
        early = wall.live()
        request = wall.cancel(early)
        wall.venue.refuse(request, acceptor.TOO_LATE, status="2")
        wall.settle()
        wall.expect_order(early, "unknown", 0, 10)
        wall.say(early, "F", "2", last=10, px=10)
        wall.expect_order(early, "filled", 10, 0, 1000)
        return "filled, whichever comes first"


@case("O09", "cancel of an order that the venue does not know", "initiator")
def cancel_unknown(bench: Bench) -> str:
    """Matrix B.2: 9 with 102=1 and 39=8: nothing is inferred, the venue is asked."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.venue.by_hand.add(t.STATUS)
        wall.venue.refuse(wall.cancel(name), t.NOT_KNOWN, status="8")
        wall.settle()
        wall.expect_order(name, "unknown", 0, 10)
        expect(wall.reserved_lots(), 10, "lots reserved")
        questions = wall.until(lambda: wall.venue.status_requests(name), "a question about it")
        wall.venue.answer(questions[0])
        wall.settle()
        wall.expect_order(name, "new", 0, 10)
        return "unknown, asked, new"


@case("O10", "cancel refused while a replace is pending", "initiator")
def cancel_while_replacing(bench: Bench) -> str:
    """Matrix D.3: 102=3."""
    with Wall(bench) as wall:
        name = wall.live()
        changed = wall.replace(name, 20, 1001).get(t.CL_ORD_ID)
        wall.say(changed, "E", "E", orig=name)
        wall.venue.refuse(wall.cancel(name), acceptor.ALREADY_PENDING, status="E")
        wall.settle()
        wall.expect_order(name, "pending_replace", 0, 20)
        wall.say(changed, "5", "0", orig=name, qty=20, price="10.01")
        wall.expect_order(name, "new", 0, 20)
        return "the replace stands"


@case("O11", "cancel under a name that was used", "initiator")
def duplicate_cancel(bench: Bench) -> str:
    """Matrix B.1.e: 102=6 (4.2 has no code for it). We never send one; when the venue says so, the order stands."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.venue.refuse(
            wall.cancel(name), acceptor.DUPLICATE_CANCEL if bench.begin == "FIX.4.4" else "2"
        )
        wall.settle()
        wall.expect_order(name, "new", 0, 10)
        first = wall.cancel(name)
        second = wall.cancel(name)
        holds(
            first.get(t.CL_ORD_ID) != second.get(t.CL_ORD_ID), "each cancel has a name of its own"
        )
        wall.say(first.get(t.CL_ORD_ID), "4", "4", orig=name)
        wall.venue.refuse(second, acceptor.TOO_LATE)
        wall.settle()
        wall.expect_order(name, "canceled", 0, 0)
        return "the order stands until the venue cancels it"


@case("O12", "replaced: price, more lots, fewer lots", "initiator")
def order_replaced(bench: Bench) -> str:
    """Matrix C.1.a, D.1."""
    with Wall(bench) as wall:
        name = wall.live()
        for lots, price in ((10, 999), (15, 999), (4, 999), (8, 1000)):
            most = max(lots, wall.state(name).lots)
            before = wall.state(name).name
            request = wall.replace(name, lots, price)
            expect(request.get(t.ORIG_CL_ORD_ID), before, "41")
            wall.expect_order(name, "pending_replace", 0, most)
            wall.say(
                request.get(t.CL_ORD_ID),
                "5",
                "0",
                orig=before,
                qty=lots,
                price=f"{price / 100:.2f}",
            )
            wall.expect_order(name, "new", 0, lots)
            expect(
                (wall.state(name).price, wall.reserved_lots()), (price, lots), "price and reserve"
            )
        return "price, up, down, both"


@case("O13", "a replace crosses a fill: more than filled, as much, less", "initiator")
def replace_crosses_fill(bench: Bench) -> str:
    """Matrices D.10 to D.13."""
    with Wall(bench) as wall:
        for lots, becomes, leaves in ((8, "1", 3), (5, "2", 0), (3, "2", 0)):
            name = wall.live()
            request = wall.replace(name, lots, 1000)
            wall.say(name, "F", "1", last=5, px=10)
            wall.expect_order(name, "pending_replace", 5, 5, 1000)
            wall.say(
                request.get(t.CL_ORD_ID), "5", becomes, orig=name, qty=max(lots, 5), leaves=leaves
            )
            wall.expect_order(name, "partially_filled" if leaves else "filled", 5, leaves, 1000)
            if leaves:
                wall.say(wall.state(name).name, "4", "4")
        expect((wall.position(), wall.reserved_lots()), (15, 0), "position and reserve")
        return "3 left, filled, filled"


@case("O14", "replace refused: the order stands as it was", "initiator")
def replace_refused(bench: Bench) -> str:
    """Matrix C.2."""
    with Wall(bench) as wall:
        name = wall.live(10, 1000)
        request = wall.replace(name, 30, 1002)
        expect(wall.reserved_lots(), 30, "lots reserved while it is pending")
        wall.venue.refuse(request, "2")
        wall.settle()
        wall.expect_order(name, "new", 0, 10)
        expect(
            (wall.state(name).price, wall.state(name).name, wall.reserved_lots()),
            (1000, name, 10),
            "terms",
        )
        return "10 at 1000 again"


@case("O15", "replaces in a row: all accepted; the second refused", "initiator")
def replaces_in_a_row(bench: Bench) -> str:
    """Matrix D.2: 41 is the last one that the venue accepted."""
    with Wall(bench) as wall:
        name = wall.live()
        first = wall.replace(name, 12, 1000)
        second = wall.replace(name, 14, 1000)
        x = first.get(t.CL_ORD_ID)
        y = second.get(t.CL_ORD_ID)
        expect(
            (first.get(t.ORIG_CL_ORD_ID), second.get(t.ORIG_CL_ORD_ID)), (name, name), "41 of both"
        )
        wall.say(x, "5", "0", orig=name, qty=12)
        wall.expect_order(name, "pending_replace", 0, 14)
        wall.say(y, "5", "0", orig=x, qty=14)
        wall.expect_order(name, "new", 0, 14)
        third = wall.replace(name, 16, 1000)
        fourth = wall.replace(name, 18, 1000)
        expect((third.get(t.ORIG_CL_ORD_ID), fourth.get(t.ORIG_CL_ORD_ID)), (y, y), "41 after two")
        wall.say(third.get(t.CL_ORD_ID), "5", "0", orig=y, qty=16)
        wall.venue.refuse(fourth, "2")
        wall.settle()
        wall.expect_order(name, "new", 0, 16)
        expect(wall.cancel(name).get(t.ORIG_CL_ORD_ID), third.get(t.CL_ORD_ID), "41 of a cancel")
        wall.say(
            wall.venue.of_kind(t.CANCEL)[-1].get(t.CL_ORD_ID), "4", "4", orig=third.get(t.CL_ORD_ID)
        )
        return "12, 14, 16; 18 refused"


@case("O16", "replace then cancel; a fill under the old name after the replace", "initiator")
def old_name(bench: Bench) -> str:
    """Matrix D.4 and E: the fill is the same order's, whatever name it comes under."""
    with Wall(bench) as wall:
        name = wall.live()
        request = wall.replace(name, 20, 1000).get(t.CL_ORD_ID)
        wall.say(request, "5", "0", orig=name, qty=20)
        wall.say(name, "F", "1", last=6, px=10)
        wall.expect_order(name, "partially_filled", 6, 14, 1000)
        again = wall.replace(name, 30, 1000)
        cancel = wall.cancel(name)
        wall.say(cancel.get(t.CL_ORD_ID), "4", "4", orig=request)
        wall.venue.refuse(again, acceptor.TOO_LATE)
        wall.settle()
        wall.expect_order(name, "canceled", 6, 0, 1000)
        expect((wall.position(), wall.reserved_lots()), (6, 0), "position and reserve")
        return "6 booked, canceled"


@case("O17", "cancelled by the venue, unasked", "initiator")
def unsolicited_cancel(bench: Bench) -> str:
    """Matrix F.1."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.say(name, "F", "1", last=1, px=10)
        wall.say(name, "4", "4", text="by the venue")
        wall.expect_order(name, "canceled", 1, 0, 1000)
        expect((wall.position(), wall.reserved_lots()), (1, 0), "position and reserve")
        holds("by the venue" in wall.state(name).text, "its words are kept")
        return "canceled with 1 filled"


@case("O18", "restated by the venue, unasked", "initiator")
def order_restated(bench: Bench) -> str:
    """Matrix F.2: 150=D, 378."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.say(name, "D", "0", qty=7, price="10.02", _378="5")
        wall.expect_order(name, "new", 0, 7)
        expect((wall.state(name).price, wall.reserved_lots()), (1002, 7), "price and reserve")
        holds("restated" in wall.alerts(), "an alert says so")
        wall.say(name, "F", "2", last=7, px=10.02)
        wall.expect_order(name, "filled", 7, 0, 1002)
        return "7 at 1002, alerted, filled"


@case("O19", "suspended, stopped, halted", "initiator")
def order_held(bench: Bench) -> str:
    """Matrix F: 39=9 and 39=7: lots stay reserved, and fills are taken."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.say(name, "9", "9", text="halted")
        wall.expect_order(name, "suspended", 0, 10)
        expect(wall.reserved_lots(), 10, "lots reserved")
        wall.say(name, "D", "0", _378="5")
        wall.expect_order(name, "new", 0, 10)
        wall.say(name, "7", "7")
        wall.expect_order(name, "stopped", 0, 10)
        wall.say(name, "F", "2", last=10, px=10)
        wall.expect_order(name, "filled", 10, 0, 1000)
        expect(wall.alerts().count("held"), 2, "alerts")
        return "suspended, new, stopped, filled"
