"""O32 to O38: what others do on the account, names, days, refusals in a row, and market data."""

from certify.fix.case import Bench, LeftOutError, case, expect, holds
from certify.fix.scripted import DAY_NS
from certify.fix.wall import XYZ, Wall
from tercel.desk.trading.throttle import FIRST_NS, FREE
from tercel.fix import tags as t


@case("O32", "an order on the account that nobody here sent", "initiator")
def external_order(bench: Bench) -> str:
    """Control 17, P3: its executions are booked as unallocated, it is left alone, the agent is stopped."""
    with Wall(bench) as wall:
        if (
            t.ACCOUNT
            not in wall.venue.session.settings.rules.messages[t.EXECUTION_REPORT].block.members
        ):
            raise LeftOutError("the venue's dictionary has no Account (1) in 35=8")
        seen = len(wall.venue.of_kind(t.CANCEL, t.REPLACE))
        wall.say("by-hand-7", "0", "0", qty=6, price="10.00", _1="ann")
        expect(wall.position(), 0, "position after its acknowledgement")
        wall.say("by-hand-7", "F", "1", last=4, px=10, _1="ann")
        expect((wall.position(), wall.counted_lots()), (4, 4), "position")
        holds("unallocated" in wall.alerts(), "an alert says so")
        expect(wall.state("by-hand-7").parent, "", "its parent")
        expect(
            [denial.code for _, denial in wall.submit(wall.new()).denied],
            ["STOPPED"],
            "denial of the next order",
        )
        expect(len(wall.venue.of_kind(t.CANCEL, t.REPLACE)), seen, "requests about it")
        return "4 booked, unallocated, alerted, stopped"


@case("O33", "a ClOrdID that was used", "initiator")
def duplicate_name(bench: Bench) -> str:
    """Denied here; where the venue refuses one (103=6), the order is over and the first one stands."""
    with Wall(bench) as wall:
        name = wall.live()
        again = wall.submit(wall.new(name=name))
        expect([denial.code for _, denial in again.denied], ["DUPLICATE_ID"], "denial")
        refused = wall.order(5)
        wall.say(refused, "8", "8", _103="6")
        wall.expect_order(refused, "rejected", 0, 0)
        wall.expect_order(name, "new", 0, 10)
        return "denied, refused, the first stands"


@case(
    "O34",
    "the day rolls: numbers begin at 1, orders are carried, names are not used again",
    "initiator",
)
def day_roll(bench: Bench) -> str:
    """Both sides' sessions have a window of a day; what is good till cancelled is restated (150=D, 378=1)."""
    with Wall(bench, daily=True, instruments={"reference_age_ms": 2 * DAY_NS // 10**6}) as wall:
        name = wall.live()
        wall.say(name, "F", "1", last=4, px=10)
        before = wall.numbers
        heard = len(wall.venue.heard)
        wall.ahead(DAY_NS)
        wall.until(
            lambda: wall.fix.up and wall.numbers.since_ns > before.since_ns,
            "the next day's session",
        )
        wall.settle()
        first = [message.number for message in wall.venue.heard[heard:]] or [wall.numbers.next_out]
        holds(first[0] < before.next_out, "the numbers began at 1")
        wall.venue.report(name, "D", "1", _378="1")
        wall.settle()
        wall.expect_order(name, "partially_filled", 4, 6, 1000)
        later = wall.live(5, 999)
        holds(later != name, "a new name")
        wall.say(name, "F", "2", last=6, px=10)
        wall.expect_order(name, "filled", 10, 0, 1000)
        expect(wall.position(), 10, "position")
        return "carried, filled on the next day"


@case("O35", "refusals in a row: the agent waits, longer each time", "initiator")
def refusals_in_a_row(bench: Bench) -> str:
    """Lot, tick and price band: no storm of orders that come back."""
    with Wall(bench) as wall:
        for reason in (
            ["99", "13", "99", "99", "99"][:FREE] if bench.begin == "FIX.4.4" else ["0"] * FREE
        ):
            wall.say(wall.order(), "8", "8", _103=reason, text="price outside the band")
        began = wall.fix.now_ns
        outcomes = [wall.submit(wall.new()) for _ in range(50)]
        tried = sum(len(outcome.sent) for outcome in outcomes)
        holds(
            tried <= 1 + (wall.fix.now_ns - began) // FIRST_NS,
            f"one order a wait: {tried} of 50 left",
        )
        expect(
            {denial.code for outcome in outcomes for _, denial in outcome.denied},
            {"BACK_OFF"},
            "denials of a storm",
        )
        wall.settle()
        expect(len(wall.venue.of_kind(t.NEW_ORDER)), FREE + tried, "orders at the venue")
        wall.until(lambda: wall.submit(wall.new()).sent, "the end of the wait")
        wall.settle()
        name = wall.venue.of_kind(t.NEW_ORDER)[-1].get(t.CL_ORD_ID)
        wall.say(name, "0", "0")
        expect(len(wall.submit(wall.new()).sent), 1, "orders after one that lives")
        wall.settle()
        return f"{FREE} refused, {50 - tried} of 50 kept back, free after one that lives"


@case("O36", "throttled by the venue", "initiator")
def venue_throttled(bench: Bench) -> str:
    """j in words (380=8 is of later versions): the order never was; nothing is queued, and nothing is sent again."""
    with Wall(bench) as wall:
        tried = 0
        while not (denied := wall.submit(order := wall.new()).denied) and tried < 3 * FREE:
            wall.settle()
            tried += 1  # beyond FREE where this process was slower than the first waits
            number = wall.venue.of_kind(t.NEW_ORDER)[-1].number
            fields = [(t.REF_MSG_TYPE, "D"), (t.REJECT_REASON, "0"), (t.TEXT, "throttled")]
            wall.venue.say(t.BUSINESS_REJECT, [(t.REF_SEQ_NUM, str(number)), *fields])
            wall.settle()
            wall.expect_order(order.cl_ord_id, "rejected", 0, 0)
            holds("throttled" in wall.state(order.cl_ord_id).text, f"its words are kept ({tried})")
        expect([denial.code for _, denial in denied], ["BACK_OFF"], "denial of the next order")
        holds(tried >= FREE, f"{FREE} refusals before orders wait")
        expect(len(wall.venue.of_kind(t.NEW_ORDER)), tried, "orders at the venue")
        return "rejected, then kept back here"


@case("O38", "market data: W, X, a gap, Y; a stale book denies", "initiator")
def market_data(bench: Bench) -> str:
    """Control 34."""
    with Wall(bench, instruments={"reference_age_ms": 400}) as wall:
        request = wall.venue.of_kind(t.MARKET_DATA_REQUEST)[-1].get(t.MD_REQ_ID)
        wall.venue.say(t.INCREMENT, wall.venue.change(request, "0", "0", "10.00"))
        wall.settle()
        state = wall.gateway.limits.instruments[XYZ]
        expect((state.quotes.bid, state.quotes.ask), (1000, 1001), "touch after X")
        request_count = len(wall.venue.of_kind(t.MARKET_DATA_REQUEST))
        wall.venue.quote = ("9.95", "9.97")
        wall.venue.lose(t.INCREMENT, wall.venue.change(request, "0", "0", "10.00"))
        wall.venue.say(t.INCREMENT, wall.venue.change(request, "1", "1", "10.01", "50"))
        wall.until(
            lambda: len(wall.venue.of_kind(t.MARKET_DATA_REQUEST)) > request_count,
            "another request after a gap",
        )
        wall.settle()
        expect((state.quotes.bid, state.quotes.ask), (995, 997), "touch after the gap")
        expect(len(wall.submit(wall.new(1, 995)).sent), 1, "orders while it is fresh")
        wall.venue.quote = None
        fresh = wall.new(2, 995)
        denied = wall.until(
            lambda: wall.gateway.limits.check(fresh, wall.fix.now_ns), "a denial as it grows old"
        )
        expect(denied.code, "STALE_REFERENCE", "denial")
        wall.gate.on_subscribe(XYZ)
        wall.settle()
        request = wall.venue.of_kind(t.MARKET_DATA_REQUEST)[-1].get(t.MD_REQ_ID)
        wall.venue.say(t.MARKET_DATA_REJECT, [(t.MD_REQ_ID, request), (t.TEXT, "no such feed")])
        wall.settle()
        holds("unreadable" in wall.alerts(), f"an alert of the refusal: {wall.alerts()}")
        expect(wall.submit(wall.new(2, 995)).sent, [], "orders after a refusal")
        return "1000/1001, 995/997 asked anew, denied when old, refused"
