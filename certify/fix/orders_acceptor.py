"""O01 to O19 at an acceptor: the life of an order as a venue tells it. The peer plays the desk.

The rows are those of FIX 4.4's appendix D (4.2: appendix D of its own). Every report is held against those before it:
ids, the codes of its version, sums and the mean price (`peer_desk`).
"""

from certify.fix.case import expect, holds
from certify.fix.peer_desk import Floor, PeerDesk, anywhere, inside
from tercel.core import ExecType, OrdStatus

BETWEEN = "5.00"
"""A price between the best bid and the best offer of TINY; five lots, 50, are offered at 5.05, and at 5.10."""


@anywhere("O01", "a new order is acknowledged, and filled")
def new_to_fill(trader: PeerDesk) -> str:
    """Matrix A.1. At somebody else's acceptor it rests: whom it would trade with is not ours to say."""
    name = trader.new()
    if not isinstance(trader.stage, Floor):
        return f"acknowledged, OrderID {trader.tickets[name].order_id}"
    name = trader.new(100, BETWEEN)
    trader.stage.sells(100)
    report = trader.report("F", "2", name, cum=100, leaves=0)
    return f"acknowledged, 100 filled at {report.get(31)}"


@inside("O02", "part fills: CumQty, LeavesQty and AvgPx of every report")
def part_fills(floor: Floor, trader: PeerDesk) -> str:
    """Matrix A.1: two at once at two prices, two while it rests."""
    name = trader.new(120, "5.10")
    trader.report("F", "1", name, cum=50, leaves=70)
    trader.report("F", "1", name, cum=100, leaves=20)
    floor.sells(10, "5.10")
    trader.report("F", "1", name, cum=110, leaves=10)
    floor.sells(10, "5.10")
    report = trader.report("F", "2", name, cum=120, leaves=0)
    return f"4 fills, {report.get(6)} on average"


@inside("O03", "what cannot be is rejected with its reason, as an order")
def order_rejected(floor: Floor, trader: PeerDesk) -> str:
    """Matrix A.2; OrdRejReason (103). Never a Reject of the session, and the next order is taken."""
    wrong: list[tuple[dict[int, str], str]] = [
        ({55: "ZZZ"}, "1"),
        ({59: "1"}, "11"),
        ({40: "3", 99: "5.00"}, "11"),
        ({54: "5"}, "11"),
        ({111: "10"}, "11"),
        ({18: "6"}, "11"),
        ({1: "OTHER"}, "15"),
    ]
    for fields, reason in wrong:
        trader.report("8", "8", trader.send(more=fields), reason=reason, cum=0, leaves=0)
    trader.new()
    return f"{len(wrong)} ways, {len({reason for _, reason in wrong})} reasons"


@inside("O04", "an order that trades at once is acknowledged first")
def fill_at_once(floor: Floor, trader: PeerDesk) -> str:
    """Matrix A.1: whoever gets a fill before the acknowledgement (O04 of an initiator) is not served by us."""
    name = trader.new(50, "5.05")
    trader.report("F", "2", name, cum=50, leaves=0)
    return "acknowledged, then filled"


@inside("O05", "immediate orders expire, days rest, what else there is is refused")
def times_in_force(floor: Floor, trader: PeerDesk) -> str:
    """Matrices A.1 and F. 59: 0 and 3 are offered; a venue whose day does not end has no order that expires with it."""
    part = trader.new(80, "5.05", {59: "3"})
    trader.report("F", "1", part, cum=50, leaves=30)
    trader.report("C", "C", part, cum=50, leaves=0)
    none = trader.new(80, "5.05", {59: "3"})
    trader.report("C", "C", none, cum=0, leaves=0)
    market = trader.new(80, "", {40: "1", 44: "", 59: "3"})
    trader.report("F", "1", market, cum=50, leaves=30)
    trader.report("C", "C", market, cum=50, leaves=0)
    for refused in ("1", "2", "4", "6"):
        fields = {59: refused} | ({432: "20260306"} if refused == "6" else {})
        trader.report("8", "8", trader.send(more=fields), reason="11", leaves=0)
    day = trader.new(more={59: ""})
    trader.ask(day, "0", leaves=10)
    return "59=3 expired with 50, 0 and 50; 59=1, 2, 4 and 6 refused; a day order rests"


@anywhere("O06", "a cancel is taken")
def order_cancelled(trader: PeerDesk) -> str:
    """Matrix B.1, with or without pending cancel before."""
    name = trader.new()
    trader.report("4", "4", trader.cancel(name), orig=name, cum=0, leaves=0)
    return "cancelled, with the names of both"


@inside("O07", "a part-filled order is cancelled; what was filled stands")
def cancel_of_part_filled(floor: Floor, trader: PeerDesk) -> str:
    """Matrix B.1.b; and a fill that comes before the cancel (B.1.c)."""
    name = trader.new(100, BETWEEN)
    floor.sells(30)
    trader.report("F", "1", name, cum=30, leaves=70)
    with floor.busy():
        floor.sells(20)
        request = trader.cancel(name)
    trader.report("F", "1", name, cum=50, leaves=50)
    trader.report("4", "4", request, orig=name, cum=50, leaves=0)
    trader.ask(name, "4", now=name, cum=50, leaves=0)
    return "canceled with 50 filled"


@anywhere("O08", "too late to cancel: the order is over")
def too_late(trader: PeerDesk) -> str:
    """Matrix B.1.d: 9 with 102=0, and 39 as it ended."""
    name = trader.new()
    trader.report("4", "4", trader.cancel(name), orig=name)
    trader.expect_cancel_reject(trader.cancel(name), name, "0", "4")
    if not isinstance(trader.stage, Floor):
        return "canceled: 102=0"
    name = trader.new(50, BETWEEN)
    with trader.stage.busy():
        trader.stage.sells(50)
        request = trader.cancel(name)
    trader.report("F", "2", name, cum=50, leaves=0)
    trader.expect_cancel_reject(request, name, "0", "2")
    return "canceled, and filled while the cancel was on its way: 102=0"


@anywhere("O09", "a cancel of an order that nobody knows is rejected")
def cancel_unknown(trader: PeerDesk) -> str:
    """Matrix B.2: 102=1, 39=8."""
    trader.expect_cancel_reject(trader.cancel("nobody"), "nobody", "1", "8")
    return "OrderCancelReject 434=1 102=1"


@inside("O10", "a cancel while another is pending is rejected; after a pending replace it is taken")
def cancel_while_pending(floor: Floor, trader: PeerDesk) -> str:
    """Matrix D.3: 102=3, and 39=6. What comes after a replace is obeyed after it."""
    name = trader.new()
    with floor.busy():
        first = trader.cancel(name)
        trader.expect_cancel_reject(trader.cancel(name), name, "3", "6")
    trader.report("4", "4", first, orig=name)
    name = trader.new()
    with floor.busy():
        changed = trader.replace(name, 20)
        request = trader.cancel(name)
    trader.report("5", "0", changed, orig=name, leaves=20)
    trader.report("4", "4", request, orig=changed, leaves=0)
    return "102=3 while a cancel is pending; replaced, then canceled"


@inside("O11", "a cancel or a replace under a name that was used is rejected")
def duplicate_cancel(floor: Floor, trader: PeerDesk) -> str:
    """Matrix B.1.e: 102=6 (4.2 has no code for it: 2). The order stands."""
    gone = trader.new()
    name = trader.new()
    request = trader.cancel(gone)
    trader.report("4", "4", request, orig=gone)
    for used in (name, gone, request):
        trader.expect_cancel_reject(trader.cancel(name, used), name, "6", "0")
        trader.expect_cancel_reject(trader.replace(name, 20, name=used), name, "6", "0", "2")
    trader.ask(name, "0", leaves=10)
    return "its own name, another order's, another request's"


@anywhere("O12", "a replace is taken: more, less, another price")
def order_replaced(trader: PeerDesk) -> str:
    """Matrix C.1.a, D.1. The price is left alone at somebody else's acceptor."""
    name = trader.new()
    lots = float(trader.stage.resting_order[1])
    steps = [(2 * lots, ""), (lots, "")] + (
        [(lots, "4.55"), (40, "4.45")] if isinstance(trader.stage, Floor) else []
    )
    for qty, price in steps:
        request = trader.replace(name, qty, price)
        report = trader.report("5", "0", request, orig=name, leaves=qty)
        if price:
            expect(float(report.get(44)), float(price), "Price")
        name = request
    return ", ".join(f"{qty:g} {price}".strip() for qty, price in steps)


@inside("O13", "a replace of a part-filled order: to more than filled, as much, less")
def replace_crosses_fill(floor: Floor, trader: PeerDesk) -> str:
    """Matrices D.10 to D.13: what is not more than is filled leaves it filled."""
    for qty, status, total in ((80, "1", 80), (50, "2", 50), (30, "2", 50)):
        name = trader.new(100, BETWEEN)
        with floor.busy():
            floor.sells(50)
            request = trader.replace(name, qty, BETWEEN)
        trader.report("F", "1", name, cum=50, leaves=50)
        report = trader.report("5", status, request, orig=name, cum=50, leaves=total - 50)
        expect(float(report.get(38)), float(total), f"OrderQty after a replace to {qty}")
        if status == "1":
            trader.report("4", "4", trader.cancel(request), orig=request, cum=50)
        else:
            trader.expect_cancel_reject(trader.cancel(request), request, "0", "2")
    return "80: 30 left; 50 and 30: filled with 50"


@anywhere("O14", "a replace is rejected: the order stands as it was")
def replace_refused(trader: PeerDesk) -> str:
    """Matrix C.2; of an order that nobody knows (B.2), and of one that is over (C.1.c)."""
    trader.expect_cancel_reject(trader.replace("nobody"), "nobody", "1", "8", "2")
    name = trader.new()
    trader.report("4", "4", trader.cancel(name), orig=name)
    trader.expect_cancel_reject(trader.replace(name), name, "0", "4", "2")
    if not isinstance(trader.stage, Floor):
        return "of nobody's 102=1, of one that is over 102=0"
    name = trader.new(100, BETWEEN)
    trader.stage.sells(30)
    trader.report("F", "1", name, cum=30)
    wrong: list[dict[int, str]] = [
        {44: "5.02"},
        {38: "15"},
        {38: "0"},
        {55: "ZZZ"},
        {40: "1"},
        {59: "3"},
    ]
    for fields in wrong:
        trader.expect_cancel_reject(trader.replace(name, more=fields), name, "99", "1", "2")
    report = trader.ask(name, "1", cum=30, leaves=70)
    expect((float(report.get(38)), float(report.get(44))), (100.0, 5.0), "OrderQty and Price")
    trader.report("4", "4", trader.cancel(name), orig=name, cum=30)
    return f"102=1, 102=0, and {len(wrong)} ways that leave 100 at 5.00"


@anywhere("O15", "replaces in a row: 41 is the last one that was accepted")
def replaces_in_a_row(trader: PeerDesk) -> str:
    """Matrix D.2: X, Y, Z, and then the cancel of Z; after one that is rejected Z is still its name."""
    lots = float(trader.stage.resting_order[1])
    names = [trader.new()]
    for many in (2, 3):
        names.append(trader.replace(names[-1], many * lots))
        trader.report("5", "0", names[-1], orig=names[-2], leaves=many * lots)
    if isinstance(trader.stage, Floor):
        trader.expect_cancel_reject(trader.replace(names[-1], 15), names[-1], "99", "0", "2")
        with trader.stage.busy():
            names += [trader.replace(names[-1], 40), trader.replace(names[-1], 50)]
        trader.report("5", "0", names[-2], orig=names[-3], leaves=40)
        trader.report("5", "0", names[-1], orig=names[-2], leaves=50)
    trader.report("4", "4", trader.cancel(names[-1]), orig=names[-1], leaves=0)
    return f"{len(names)} names, one OrderID"


@inside("O16", "a fill after a replace comes under the last name; replace and cancel at once")
def last_name(floor: Floor, trader: PeerDesk) -> str:
    """Matrices D.4 and E: what comes first is obeyed first."""
    name = trader.new(100, BETWEEN)
    changed = trader.replace(name, 120, BETWEEN)
    trader.report("5", "0", changed, orig=name)
    floor.sells(20)
    trader.report("F", "1", changed, cum=20, leaves=100)
    with floor.busy():
        floor.sells(10)
        again = trader.replace(changed, 150, BETWEEN)
    trader.report("F", "1", changed, cum=30)
    trader.report("5", "1", again, orig=changed, cum=30, leaves=120)
    with floor.busy():
        request = trader.cancel(again)
        late = trader.replace(again, 160, BETWEEN)
    trader.report("4", "4", request, orig=again, cum=30)
    trader.expect_cancel_reject(late, again, "0", "4", "2")
    return "filled under the last name; canceled, then 102=0"


@inside("O17", "an order is cancelled by the venue, unasked")
def unsolicited_cancel(floor: Floor, trader: PeerDesk) -> str:
    """Matrix F.1: under its own name, without 41."""
    name = trader.new(100, BETWEEN)
    floor.sells(10)
    trader.report("F", "1", name, cum=10)
    floor.staffed.call_off(floor.inside_name(name), "by the venue")
    report = trader.report("4", "4", name, cum=10, leaves=0)
    expect(report.get(58), "by the venue", "its words")
    trader.expect_cancel_reject(trader.cancel(name), name, "0", "4")
    return "canceled with 10 filled, in words"


@inside("O18", "an order is restated by the venue, unasked")
def order_restated(floor: Floor, trader: PeerDesk) -> str:
    """Matrix F.2: 150=D with 378."""
    name = trader.new(100, BETWEEN)
    floor.staffed.restate(floor.inside_name(name), 7)
    report = trader.report("D", "0", name, leaves=70)
    holds(report.get(378) != "", "ExecRestatementReason (378) is there")
    floor.sells(70)
    trader.report("F", "2", name, cum=70, leaves=0)
    return "70, then filled"


@inside("O19", "an order is suspended, lives again, and is stopped")
def order_held(floor: Floor, trader: PeerDesk) -> str:
    """Matrix F: 39=9 and 39=7; what is open stays open."""
    name = trader.new(100, BETWEEN)
    for kind, code in ((ExecType.SUSPENDED, "9"), (ExecType.STOPPED, "7")):
        floor.staffed.hold(floor.inside_name(name), kind, OrdStatus(kind.value))
        trader.report(code, code, name, leaves=100)
        trader.ask(name, code, leaves=100)
        floor.staffed.hold(floor.inside_name(name), ExecType.RESTATED, OrdStatus.NEW)
        trader.report("D", "0", name, leaves=100)
    floor.sells(100)
    trader.report("F", "2", name, cum=100, leaves=0)
    return "suspended, stopped, filled"
