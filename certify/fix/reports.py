"""O20 to O31: what the venue takes back, repeats, contradicts or does not say, and links that break."""

import time
from typing import Any, Final

from certify.fix.case import Bench, case, expect, holds
from certify.fix.wall import XYZ, Wall
from exchange.fix import acceptor
from tercel.core import MassCancel, StatusRequest, to_number
from tercel.fix import tags as t

_CHANGED: Final[dict[str, dict[str, Any]]] = {
    "price": {"px": 9.9},
    "quantity": {"last": 5},
    "side": {"_54": "2"},
    "account": {"_1": "eve"},
}


@case("O20", "busts, whole and in part: after a fill, after the end, across a restart", "initiator")
def busts(bench: Bench) -> str:
    """4.4: 150=H with 19; 4.2: 20=1."""
    with Wall(bench) as wall:
        name = wall.live()
        first = wall.say(name, "F", "1", last=4, px=10)
        _ = wall.say(name, "F", "1", last=3, px=9.9)
        wall.say(name, "H", "1", ref=first)
        wall.expect_order(name, "partially_filled", 3, 7, 990)
        last = wall.say(name, "F", "2", last=7, px=10)
        wall.expect_order(name, "filled", 10, 0, 997)
        wall.say(name, "H", "4", ref=last, leaves=0)
        wall.expect_order(name, "canceled", 3, 0, 990)
        expect(wall.position(), 3, "position after a bust of an order that was over")
        later = wall.live()
        trade = wall.say(later, "F", "2", last=10, px=10)
        wall.restart()
        expect(wall.position(), 13, "position after the restart")
        wall.say(later, "H", "4", ref=trade, leaves=0)
        expect(
            (wall.position(), wall.counted_lots()), (3, 3), "position after a bust across a restart"
        )
        holds("busted" in wall.alerts(), "an alert says so")
        return "position 3, after three busts"


@case("O21", "corrections of price and quantity, twice, across a restart", "initiator")
def corrections(bench: Bench) -> str:
    """4.4: 150=G with 19; 4.2: 20=2."""
    with Wall(bench) as wall:
        name = wall.live()
        first = wall.say(name, "F", "1", last=4, px=10)
        wall.say(name, "G", "1", ref=first, last=4, px=9.95)
        wall.expect_order(name, "partially_filled", 4, 6, 995)
        wall.say(name, "G", "1", ref=first, last=6, px=9.9)
        wall.expect_order(name, "partially_filled", 6, 4, 990)
        wall.say(name, "4", "4")
        wall.restart()
        wall.say(name, "G", "4", ref=first, last=5, px=9.8, leaves=0)
        wall.expect_order(name, "canceled", 5, 0, 980)
        expect((wall.position(), wall.counted_lots()), (5, 5), "position")
        holds("corrected" in wall.alerts(), "an alert says so")
        return "5 at 980, after three corrections"


@case("O22", "a bust of an execution that was never reported", "initiator")
def unknown_bust(bench: Bench) -> str:
    """Set aside, alerted, answered with a DK (Q); taken when the execution comes."""
    with Wall(bench) as wall:
        name = wall.live()
        wall.say(name, "H", "0", ref="never", cum=0)
        wall.expect_order(name, "new", 0, 10)
        expect(len(wall.gateway.ledger.orders.quarantined), 1, "messages set aside")
        holds("unknown_execution" in wall.alerts(), "an alert says so")
        (answer,) = wall.venue.of_kind(t.DONT_KNOW)
        expect(answer.get(t.EXEC_ID), dict(wall.venue.said[-1][1])[t.EXEC_ID], "17 of the DK")
        wall.say(name, "F", "0", exec_id="never", last=4, px=10, cum=0)
        expect((wall.position(), wall.counted_lots()), (0, 0), "position once the execution came")
        return "set aside, DK, nothing booked"


@case(
    "O23",
    "an execution again: the same is passed over, another under its name is an alarm",
    "initiator",
)
def repeated_execution(bench: Bench) -> str:
    """P3: an execution changes a position once."""
    with Wall(bench) as wall:
        name = wall.live()
        exec_id = wall.say(name, "F", "1", last=4, px=10)
        wall.venue.say(*wall.venue.said[-1])
        wall.settle()
        wall.expect_order(name, "partially_filled", 4, 6, 1000)
        holds("exec_changed" not in wall.alerts(), "no alarm over the same again")
        wall.say(name, "F", "1", exec_id=exec_id, last=5, px=10, cum=4)
        wall.expect_order(name, "partially_filled", 4, 6, 1000)
        holds("exec_changed" in wall.alerts(), "an alarm over other content")
        expect(wall.position(), 4, "position")
        return "booked once, alarmed"


@case("O24", "more filled than ordered: booked, alarmed, halted", "initiator")
def overfill(bench: Bench) -> str:
    """The agent is killed by the latch, and what it has open is cancelled."""
    with Wall(bench) as wall:
        other_name = wall.live(5, 990)
        name = wall.live()
        wall.say(name, "F", "1", last=8, px=10)
        wall.say(name, "F", "2", last=7, px=10)
        expect((wall.position(), wall.counted_lots()), (15, 15), "position")
        holds({"overfill", "OVERFILL"} <= set(wall.alerts()), f"alarms: {wall.alerts()}")
        expect(
            [denial.code for _, denial in wall.submit(wall.new()).denied],
            ["KILLED"],
            "denial of the next order",
        )
        wall.until(
            lambda: wall.venue.of_kind(t.MASS_CANCEL, t.CANCEL), "the cancel of what is open"
        )
        wall.say(other_name, "4", "4")
        wall.until(
            lambda: any(entry.body["event"] == "confirmed" for entry in wall.entries("kill")),
            "the kill confirmed",
        )
        return "15 booked, killed, the other order cancelled"


@case("O25", "executions out of order; a mean price that is not ours", "initiator")
def out_of_order(bench: Bench) -> str:
    """Positions and mean prices are sums of executions, never taken from 14 and 6."""
    with Wall(bench) as wall:
        name = wall.live()
        first = wall.venue.exec_id()
        second = wall.venue.exec_id()
        wall.say(name, "F", "1", exec_id=second, last=3, px=9.9, cum=7, leaves=3)
        wall.expect_order(name, "partially_filled", 3, 7, 990)
        expect(to_number(wall.state(name).venue_qty), 7, "the missing lots are known")
        wall.say(name, "F", "1", exec_id=first, last=4, px=10, cum=4, leaves=6)
        wall.expect_order(name, "partially_filled", 7, 3, (2970 + 4000) / 7)
        wall.say(name, "F", "2", last=3, px=10, cum=10, leaves=0, _6="12.5")
        wall.expect_order(name, "filled", 10, 0, 997)
        return "10 at 997"


@case("O26", "status of a known, an unknown and a pending order", "initiator")
def status(bench: Bench) -> str:
    """Matrix of H: 39 as it stands; 39=8 for an unknown one; 39=A."""
    with Wall(bench) as wall:
        name = wall.live()
        pending = wall.order(5, 999)
        wall.say(name, "F", "1", last=2, px=10)
        for order_name in (name, "nobody", pending):
            wall.submit(StatusRequest(order_name, "ann", wall.fix.now_ns))
            wall.settle()
        wall.expect_order(name, "partially_filled", 2, 8, 1000)
        wall.expect_order(pending, "pending_new", 0, 5)
        expect(
            (wall.position(), wall.gateway.ledger.orders.get("nobody")),
            (2, None),
            "position, and nobody's order",
        )
        return "as they stood"


@case("O27", "no word within T: unknown, asked, never sent again", "initiator")
def no_answer(bench: Bench) -> str:
    """P4."""
    with Wall(bench) as wall:
        wall.gate.inquiry.acks.seconds = 0.0
        wall.venue.by_hand.add(t.STATUS)
        name = wall.order()
        questions = wall.until(lambda: wall.venue.status_requests(name), "a question about it")
        wall.expect_order(name, "unknown", 0, 10)
        expect(wall.reserved_lots(), 10, "lots reserved")
        holds("no_ack" in wall.alerts(), "an alert says so")
        wall.until(lambda: len(wall.venue.status_requests(name)) > 1, "another question")
        expect(len(wall.venue.of_kind(t.NEW_ORDER)), 1, "orders at the venue")
        wall.venue.orders[name].status = "0"
        wall.venue.answer(questions[0])
        wall.settle()
        wall.expect_order(name, "new", 0, 10)
        return "unknown, asked twice, new"


@case(
    "O28",
    "the link breaks with an order in flight: it came, it did not, it was filled",
    "initiator",
)
def broken_link(bench: Bench) -> str:
    """P2 and P4, three times."""
    with Wall(bench) as wall:
        came = wall.order()
        _break(wall)
        wall.expect_order(came, "unknown", 0, 10)
        wall.venue.orders[came].status = "0"
        _reconnect(wall)
        wall.until(lambda: wall.state(came).status == "new", "the venue's word on it")
        wall.venue.frozen = True
        lost = wall.new()
        wall.submit(lost)
        wall.lost.add(lost.cl_ord_id)
        _break(wall)
        _reconnect(wall)
        wall.until(lambda: wall.venue.status_requests(lost.cl_ord_id), "a question about it")
        wall.settle()
        wall.expect_order(
            lost.cl_ord_id, "rejected", 0, 0
        )  # its number was asked for and skipped, its name is not known
        expect(len(wall.venue.of_kind(t.NEW_ORDER)), 1, "orders at the venue")
        filled = wall.order()
        _break(wall)
        wall.venue.report(filled, "0", "0")
        wall.venue.report(filled, "F", "2", last=10, px=10)
        _reconnect(wall)
        wall.until(lambda: wall.state(filled).status == "filled", "the fill, repeated")
        expect((wall.position(), wall.counted_lots()), (10, 10), "position")
        return "new; skipped, asked and not known; filled once"


def _break(wall: Wall) -> None:
    wall.venue.cut(stay_down=True)
    wall.until(lambda: not wall.fix.up, "the broken link")
    wall.turn()


def _reconnect(wall: Wall) -> None:
    wall.venue.shut = False
    wall.until(lambda: wall.fix.up, "the link")
    wall.settle()


@case("O29", "mass cancel: by instrument, of all, accepted in part, refused", "initiator")
def mass_cancel(bench: Bench) -> str:
    """q and r, 531 and 532; where the venue has none (4.2), a cancel for each order."""
    style = bench.terms.profile.orders.mass_cancel
    many = style != "none"
    with Wall(bench) as wall:
        first_name = wall.live()
        second_name = wall.live(5, 999)
        for name, instrument, kind in (("m1", XYZ, "1"), ("m2", "", "7")):
            wall.submit(MassCancel(name, "ann", instrument, wall.fix.now_ns))
            wall.settle()
            requests = wall.venue.of_kind(t.MASS_CANCEL if many else t.CANCEL)
            if many:
                expect(requests[-1].get(t.MASS_CANCEL_TYPE), kind if style == "all" else "1", "530")
                refusal = [
                    (t.MASS_CANCEL_TYPE, kind),
                    (t.MASS_CANCEL_RESPONSE, "0"),
                    (t.MASS_CANCEL_REASON, "99"),
                ]
                names = [(t.CL_ORD_ID, requests[-1].get(t.CL_ORD_ID)), (t.ORDER_ID, t.NO_NAME)]
                wall.venue.say(t.MASS_CANCEL_REPORT, [*names, *refusal])
            else:
                expect(
                    {each.get(t.ORIG_CL_ORD_ID) for each in requests[-2:]},
                    {first_name, second_name},
                    "41 of the cancels",
                )
                for each in requests[-2:]:
                    wall.venue.refuse(each, "2")
            wall.settle()
            wall.expect_order(first_name, "new" if many else "pending_cancel", 0, 10)
        wall.submit(MassCancel("m3", "ann", "", wall.fix.now_ns))
        wall.settle()
        wall.say(first_name, "4", "4")
        wall.expect_order(first_name, "canceled", 0, 0)
        wall.expect_order(second_name, "pending_cancel", 0, 5)
        expect(wall.reserved_lots(), 5, "lots reserved")
        wall.say(wall.cancel(second_name).get(t.CL_ORD_ID), "4", "4", orig=second_name)
        wall.expect_order(second_name, "canceled", 0, 0)
        return "refused twice, one of two, then the other"


@case("O30", "cancel on disconnect, on and off: the venue's words alone count", "initiator")
def cancel_on_disconnect(bench: Bench) -> str:
    """Control 18."""
    for cancels in (True, False):
        with Wall(Bench(bench.terms, bench.folder / str(cancels)), cancels=cancels) as wall:
            expect(
                wall.venue.logons[-1].get(acceptor.CANCEL_ON_DISCONNECT),
                "Y" if cancels else "",
                "the wish in the logon",
            )
            name = wall.live()
            _break(wall)
            wall.expect_order(name, "unknown", 0, 10)
            expect(
                [denial.code for _, denial in wall.submit(wall.new()).denied],
                ["LINK_DOWN"],
                "denial while it is down",
            )
            if cancels:
                wall.venue.report(name, "4", "4")
            _reconnect(wall)
            wanted = "canceled" if cancels else "new"
            wall.until(lambda: wall.state(name).status == wanted, "the venue's word")  # noqa: B023
            expect(wall.reserved_lots(), 0 if cancels else 10, "lots reserved")
    return "canceled by its report; still there by its answer"


@case(
    "O31",
    "a drop copy: missing, extra, price, quantity, side, account; each once, within 5 s",
    "initiator",
)
def drop_copy(bench: Bench) -> str:
    """Control 20: whoever differs is killed; who agrees trades on."""
    accounts = ("same", "missing", "extra", "price", "quantity", "side", "account")
    with Wall(bench, accounts, copies=True) as wall:
        assert wall.copy is not None
        began = time.monotonic()
        for account in accounts:
            name = wall.live(10, 1000, account=account)
            exec_id = wall.venue.exec_id()
            if account != "missing":
                wall.say(name, "F", "1", exec_id=exec_id, last=4, px=10)
            fields: dict[str, Any] = {
                "last": 4,
                "px": 10,
                "qty": 10,
                "exec_id": exec_id,
                "_1": account,
            }
            fields |= _CHANGED.get(account, {})
            if account != "extra":
                wall.copy.report(name, "F", "1", **fields)
                wall.copy.say(*wall.copy.said[-1])
        broken_accounts = wall.until(
            lambda: len(_breaks(wall)) >= len(accounts) - 1 and _breaks(wall), "every break"
        )
        holds(
            time.monotonic() - began < 5.0,
            f"all found within 5 s, not {time.monotonic() - began:.1f} s",
        )
        expect(sorted(broken_accounts), sorted(accounts[1:]), "accounts of the breaks")
        killed = [agent for agent in accounts if wall.gateway.limits.killed(agent) is not None]
        expect(killed, list(accounts[1:]), "who is killed")
        wall.settle()
        expect(
            [wall.position(agent) for agent in accounts],
            [4] * len(accounts),
            "positions: each execution once",
        )
        return "6 of 6, none twice"


@case(
    "O39",
    "executions between two ticks and of parts of a lot; finer ones are kept and not booked",
    "initiator",
)
def parts_of_lots(bench: Bench) -> str:
    """LastPx (31) as a midpoint venue says it, LastQty (32) with decimals; more than eight are nobody's number."""
    with Wall(bench) as wall:
        name = wall.live(10, 1000)
        wall.say(name, "F", "1", last="0.5", px="9.985")
        wall.expect_order(name, "partially_filled", 0.5, 9.5, 998.5)
        expect(
            (wall.position(), wall.counted_lots(), wall.reserved_lots()),
            (0.5, 0.5, 9.5),
            "position and reserve",
        )
        wall.say(name, "F", "1", last="1.25000001", px="9.98765432")
        paid = 0.5 * 998.5 + 1.25000001 * 998.765432
        wall.expect_order(name, "partially_filled", 1.75000001, 8.24999999, paid / 1.75000001)
        wall.say(name, "F", "1", last=1, px=9.98, _31="9.987654321")
        (alert,) = wall.until(
            lambda: [
                entry for entry in wall.entries("alert") if entry.body["code"] == "unreadable"
            ],
            "it",
        )
        holds(
            "31=9.987654321" in alert.body["text"],
            f"the alert says what came: {alert.body['text']}",
        )
        wall.settle()
        expect(
            (wall.position(), wall.counted_lots(), wall.reserved_lots()),
            (1.75000001, 1.75000001, 8.24999999),
            "position",
        )
        wall.say(name, "F", "2", last="8.24999999", px=10, cum=10, leaves=0)
        wall.expect_order(name, "filled", 10, 0, (paid + 8.24999999 * 1000) / 10)
        expect(
            (wall.position(), wall.counted_lots(), wall.reserved_lots()),
            (10, 10, 0),
            "position and reserve",
        )
        return "10 of 10 in parts; 9.987654321 set aside"


def _breaks(wall: Wall) -> list[str]:
    return [
        entry.agent for entry in wall.entries("alert") if entry.body["code"] == "drop_copy_break"
    ]
