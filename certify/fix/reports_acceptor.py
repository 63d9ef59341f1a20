"""O20 to O38 at an acceptor: what a venue takes back, links that break, cancels of many, copies, names, market data.

Left to the initiator, because nothing of them is an acceptor's to get right: O24 (every case here sees that no more is
filled than ordered), O25 (it is the desk that meets executions out of order), O27 (it is the desk that waits for an
answer), O32 (an account is one login's: O03 sees 103=15), O36 (the server throttles nobody).
"""

from datetime import time

from certify.fix.case import Bench, case, expect, holds
from certify.fix.orders_acceptor import BETWEEN
from certify.fix.peer_desk import COPY, OTHER, Floor, PeerDesk, anywhere, inside
from certify.fix.plays import lose_messages
from certify.fix.staffed import SECOND
from certify.fix.stage import NS_PER_S
from certify.fix.terms import NAMES
from certify.fix.wire import Heard, Pairs, Peer
from exchange.fix.counterparties import Login
from tercel.fix import SessionTimes

_CANCEL_ON_DISCONNECT = 20022
_DAY = SessionTimes(time(0, 10), time(23, 50))
_DAY_NS = 86_400 * NS_PER_S


_NO_MARKET: tuple[tuple[str, dict[int, str], str], ...] = (
    ("n1", {55: "ZZZ"}, "0"),
    ("m", {}, "1"),
    ("n2", {264: "-2"}, "5"),
    ("n3", {266: "N"}, "7"),
    ("n4", {269: "4"}, "8"),
)


@inside("O20", "busts: of a live order, of one that was filled, of one that was canceled")
def busts(floor: Floor, trader: PeerDesk) -> str:
    """4.4: 150=H with 19; 4.2: 20=1. What is over stays over."""
    name = trader.new(100, BETWEEN)
    floor.sells(30)
    trader.report("F", "1", name, cum=30)
    floor.sells(20)
    trader.report("F", "1", name, cum=50)
    floor.staffed.rebook(floor.trades()[0])
    trader.report("H", "1", name, cum=20, leaves=80)
    floor.sells(80)
    trader.report("F", "2", name, cum=100, leaves=0)
    floor.staffed.rebook(floor.trades()[-1])
    trader.report("H", "4", name, cum=20, leaves=0)
    gone = trader.new(100, BETWEEN)
    floor.sells(10)
    trader.report("F", "1", gone, cum=10)
    trader.report("4", "4", trader.cancel(gone), orig=gone, cum=10)
    floor.staffed.rebook(floor.trades()[-1])
    trader.report("H", "4", gone, cum=0, leaves=0)
    trader.ask(gone, "4", cum=0)
    return "3 busts, of a live order and of two that were over"


@inside("O21", "corrections of price and quantity, twice; then a bust of it")
def corrections(floor: Floor, trader: PeerDesk) -> str:
    """4.4: 150=G with 19; 4.2: 20=2."""
    name = trader.new(100, BETWEEN)
    floor.sells(30)
    trader.report("F", "1", name, cum=30)
    floor.sells(10)
    trader.report("F", "1", name, cum=40)
    (first, _) = floor.trades()
    floor.staffed.rebook(first, 3, 99)
    trader.report("G", "1", name, cum=40, leaves=60)
    floor.staffed.rebook(first, 5, 98)
    trader.report("G", "1", name, cum=60, leaves=40)
    trader.report("4", "4", trader.cancel(name), orig=name, cum=60)
    floor.staffed.rebook(first, 4, 97)
    report = trader.report("G", "4", name, cum=50, leaves=0)
    floor.staffed.rebook(first)
    trader.report("H", "4", name, cum=10, leaves=0)
    return f"mean {report.get(6)} after three corrections, then busted"


@inside("O22", "a DK of an execution is heard: no reject, and the execution stands")
def execution_disowned(floor: Floor, trader: PeerDesk) -> str:
    """Q: whoever disputes a trade is not refused the message; what was executed is settled elsewhere."""
    name = trader.new(50, "5.05")
    fill = trader.report("F", "2", name, cum=50)
    body = [
        (37, fill.get(37)),
        (17, fill.get(17)),
        (127, "D"),
        (55, fill.get(55)),
        (54, "1"),
        (38, "50"),
    ]
    trader.peer.say("Q", [*body, (32, fill.get(32)), (31, fill.get(31))])
    trader.quiet()
    trader.ask(name, "2", cum=50)
    return "heard, and the fill stands"


@inside("O23", "an execution has one name, whenever it is told; a status is no execution")
def one_name(floor: Floor, trader: PeerDesk) -> str:
    """17 is the same when it is asked for again (43=Y), and new for every other report."""
    name = trader.new(120, "5.10")
    first = [trader.report("F", "1", name), trader.report("F", "1", name)]
    for _ in range(2):
        trader.ask(name, "1", cum=100, leaves=20)
    numbers = [message.number for message in first]
    trader.peer.say("2", [(7, str(numbers[0])), (16, str(numbers[1]))])
    again = [message for message in trader.peer.sync() if message.kind == "8"]
    expect(
        [message.get(17) for message in again],
        [message.get(17) for message in first],
        "ExecIDs of the fills, repeated",
    )
    expect({message.get(43) for message in again}, {"Y"}, "PossDupFlag of both")
    return "2 fills, 2 names; repeated under the same"


@anywhere("O26", "the status of an order is told, also of one that nobody knows")
def status(trader: PeerDesk) -> str:
    """35=H: 39 as it stands; of an order that nobody knows 8. At ours: part-filled, pending, over."""
    name = trader.new()
    trader.ask(name, "0")
    trader.peer.say("H", [(11, "nobody"), (55, trader.stage.resting_order[0]), (54, "1")])
    report = trader.peer.find("8")
    got = report.get(11), report.get(39), trader.kind(report)
    expect(got, ("nobody", "8", "I"), "ClOrdID, OrdStatus and ExecType of nobody's")
    if not isinstance(trader.stage, Floor):
        return "known: 39=0, unknown: 39=8"
    floor = trader.stage
    name = trader.new(100, BETWEEN)
    floor.sells(40)
    trader.report("F", "1", name, cum=40)
    trader.ask(name, "1", cum=40, leaves=60)
    for code, now, kind in (("E", "1", "5"), ("6", "4", "4")):
        with floor.busy():
            trader.peer.say("H", [(11, name), (55, "TINY"), (54, "1")])
            pending = trader.replace(name, 100, BETWEEN) if code == "E" else trader.cancel(name)
        trader.report("I", code, name, cum=40, leaves=60)
        trader.report(kind, now, pending, orig=name, cum=40)
        name = pending if code == "E" else name
    trader.ask(name, "4", cum=40, leaves=0)
    return "39 of 0, 1, E, 6 and 4; unknown: 39=8"


@inside("O28", "the link breaks with an order in flight: it came, it did not, it was filled")
def broken_link(floor: Floor, trader: PeerDesk) -> str:
    """P2 to P4 from the other side: what is missing is repeated, what never came is unknown, nothing is there twice."""
    came = trader.send()
    trader.lose()
    told = trader.reconnect()
    expect(len(told), 1, "reports on an order that came")
    trader.expect_report(told[0], "0", "0", came, cum=0)
    trader.lose()
    lose_messages(floor)  # an order that leaves, and never arrives
    expect(trader.reconnect(), [], "reports on an order that never came")
    trader.peer.say("H", [(11, "gone"), (55, "TINY"), (54, "1")])
    expect(trader.peer.find("8").get(39), "8", "OrdStatus of an order that never came")
    filled = trader.send(100, BETWEEN)
    trader.lose()
    floor.sells(60)
    floor.sells(40)
    wanted = ("0", "0", 0), ("F", "1", 60), ("F", "2", 100)
    told = trader.reconnect()
    expect(len(told), len(wanted), "reports on an order that was filled")
    for report, (kind, status_, cum) in zip(told, wanted, strict=True):
        trader.expect_report(report, kind, status_, filled, cum=cum)
    trader.ask(filled, "2", cum=100, leaves=0)
    return "new, by resend; unknown; filled once, by resend"


@inside("O29", "mass cancel: by instrument, of all, what cannot be")
def mass_cancel(floor: Floor, trader: PeerDesk) -> str:
    """q and r: 531, 532 and 533; one report for every order, under its own name. FIX 4.2 has no q: it is refused."""
    tiny = trader.new()
    mini = trader.new(more={55: SECOND})
    dated = [(60, dict(floor.act("x")[1])[60])]
    if floor.old:
        number = trader.peer.say("q", [(11, floor.name()), (530, "7"), *dated])
        message = trader.peer.find("3", "j")
        expect(
            (message.get(45), message.get(372) or "q"), (str(number), "q"), "what the reject is of"
        )
        trader.ask(tiny, "0")
        trader.report("4", "4", trader.cancel(tiny), orig=tiny)
        return "q is rejected, and the orders stand"
    seller = PeerDesk(floor, floor.join(OTHER))
    stays = seller.new(10, "5.00", {54: "2"})
    wrong: list[tuple[Pairs, str]] = [
        ([(530, "1"), (55, "ZZZ")], "1"),
        ([(530, "3")], "0"),
        ([(530, "1")], "1"),
    ]
    for scope, reason in wrong:
        _mass(trader, scope, "0", reason)
    _mass(trader, [(530, "1"), (55, SECOND)], "1", hit="1")
    trader.report("4", "4", mini, leaves=0)
    trader.ask(tiny, "0")
    other_name = trader.new(20, "4.45")
    _mass(trader, [(530, "7")], "7", hit="2")
    trader.report("4", "4", tiny, leaves=0)
    trader.report("4", "4", other_name, leaves=0)
    _mass(trader, [(530, "7")], "7", hit="0")
    seller.ask(stays, "0", leaves=10)
    return f"1 by instrument, 2 of all, none left; {len(wrong)} refused; another login's stands"


def _mass(trader: PeerDesk, scope: Pairs, response: str, reason: str = "", hit: str = "0") -> None:
    name = trader.stage.name()
    trader.peer.say("q", [(11, name), *scope, (60, dict(trader.stage.act("x")[1])[60])])
    message = trader.peer.find("r", "3", "j")
    got = tuple(message.get(tag) for tag in (35, 11, 530, 531, 532, 533))
    expect(
        got,
        ("r", name, dict(scope)[530], response, reason, hit),
        f"the answer to q ({message.get(58)})",
    )


@case("O30", "cancel on disconnect, on and off, by agreement and by Logon", "acceptor")
def cancel_on_disconnect(bench: Bench) -> str:
    """Control 18: a lost link and a Logout both end what was agreed on; the reports come with the next Logon."""
    for agreed in (False, True):
        for wish in ("", "Y", "N"):
            folder = bench.folder / f"{agreed}{wish}"
            login = Login(NAMES[1], cancel_on_disconnect=agreed, begin=bench.begin)
            with Floor(Bench(bench.terms, folder), login=login) as floor:
                _check_disconnect(floor, wish, cancels=wish == "Y" or (agreed and not wish))
    return "by agreement, by Logon (20022=Y), and not where it says N"


def _check_disconnect(floor: Floor, wish: str, cancels: bool) -> None:
    more = [(_CANCEL_ON_DISCONNECT, wish)] if wish else []
    trader = PeerDesk(floor, floor.log_on(more=more))
    for by_logout in (False, True):
        name = trader.new()
        if by_logout:
            trader.peer.say("5")
            trader.peer.end()
        trader.lose()
        told = trader.reconnect(more)
        expect(len(told), int(cancels), "reports on an order whose desk left")
        if cancels:
            trader.expect_report(told[0], "4", "4", name, leaves=0)
        else:
            trader.ask(name, "0", leaves=10)
    trader.quiet()
    floor.audit(trader.peer)


@inside("O31", "a drop copy: the same executions, each once, also what it missed")
def drop_copy(floor: Floor, trader: PeerDesk) -> str:
    """Control 20: ExecID, quantities and price are the desk's; 115 says whose it is; it orders nothing."""
    copy = floor.join(COPY)
    name = trader.new(120, "5.10")
    own_reports = [trader.report("F", "1", name), trader.report("F", "1", name)]
    seen = _copy_reports(copy)
    copy.socket.close()
    copy.ended = True
    floor.sells(10, "5.10")
    own_reports.append(trader.report("F", "1", name, cum=110))
    floor.staffed.rebook(floor.trades()[0])
    own_reports.append(trader.report("H", "1", name, cum=60))
    trader.report("4", "4", trader.cancel(name), orig=name)
    copy = _reconnect_copy(floor, copy)
    seen += _copy_reports(copy)
    told = [message for message in seen if trader.kind(message) in ("F", "H")]
    parts = (17, 19, 37, 11, 150, 39, 55, 54, 32, 31, 14, 151, 6)
    same = [[message.get(tag) for tag in parts] for message in told] == [
        [message.get(tag) for tag in parts] for message in own_reports
    ]
    holds(
        same,
        f"the executions of the copy are those of the desk: {len(told)} and {len(own_reports)}",
    )
    expect(
        {(message.get(115), message.get(1)) for message in told},
        {(NAMES[1], NAMES[1])},
        "OnBehalfOfCompID and Account",
    )
    copy.say("D", [(11, floor.name()), (21, "1"), *floor.act("x")[1][2:]])
    answer = copy.find("j", "8", "3")
    expect(
        (answer.kind, answer.get(380)),
        ("j", "0" if floor.old else "6"),
        "the answer to an order of a drop copy",
    )
    expect(len([message for message in floor.effects if message == name]), 1, "orders at the venue")
    return f"{len(own_reports)} executions, 2 of them missed and repeated; no orders taken"


def _copy_reports(copy: Peer) -> list[Heard]:
    return [message for message in copy.sync() if message.kind == "8"]


def _reconnect_copy(floor: Floor, before: Peer) -> Peer:
    """A copy logs on again, and asks for what it missed."""
    for _ in range(5):
        floor.turn()
    log = before.log
    copy = floor.connect((COPY, floor.names[1]), log)
    log.lenient = True
    log.missed = None
    copy.say("A", [(98, "0"), (108, "30")])
    copy.hear("A")
    log.lenient = False
    holds(log.missed is not None, "something was said while the copy was away")
    if log.missed is not None:
        copy.say("2", [(7, str(log.missed[0])), (16, str(log.missed[1]))])
    return copy


@anywhere("O33", "a ClOrdID that was used is refused")
def duplicate_name(trader: PeerDesk) -> str:
    """103=6, while the first is alive and when it is over; the first one stands. At ours: a request's name, too."""
    name = trader.new()
    _expect_duplicate(trader, name)
    trader.ask(name, "0")
    request = trader.cancel(name)
    trader.report("4", "4", request, orig=name)
    _expect_duplicate(trader, name)
    if not isinstance(trader.stage, Floor):
        return "103=6, twice"
    _expect_duplicate(trader, request)
    trader.ask(name, "4", leaves=0)
    return "103=6: alive, over, and a cancel's"


def _expect_duplicate(trader: PeerDesk, name: str) -> None:
    trader.report("8", "8", trader.send(more={11: name}), reason="6")


@inside(
    "O34", "the day rolls: numbers begin at 1, orders stand, names are not used again", times=_DAY
)
def day_roll(floor: Floor, trader: PeerDesk) -> str:
    """The session's day, not the market's, which has none: what was said last night is told under new numbers."""
    name = trader.new(100, BETWEEN)
    floor.sells(40)
    trader.report("F", "1", name, cum=40)
    floor.clock.ns = (floor.clock.ns // _DAY_NS + 1) * _DAY_NS - 600 * NS_PER_S - 5 * NS_PER_S
    trader.peer.sync()
    floor.pass_s(60, trader.peer.over)
    trader.peer.find("5")
    trader.peer.say("5")
    trader.peer.end()
    floor.compare()
    floor.clock.ns += 3600 * NS_PER_S
    floor.log.begin()
    trader.peer = floor.log_on()
    expect(
        floor.answer.number if floor.answer is not None else 0,
        1,
        "MsgSeqNum of the next day's first Logon",
    )
    _expect_duplicate(trader, name)
    trader.ask(name, "1", cum=40, leaves=60)
    trader.report("4", "4", trader.cancel(name), orig=name, cum=40, leaves=0)
    return "carried, its name refused, canceled on the next day"


@inside("O35", "lots, ticks and prices that cannot be are rejected, each with its reason")
def grid(floor: Floor, trader: PeerDesk) -> str:
    """103=13 (4.2: 0) for a quantity, 99 (0) for a price; what can be is taken after as many as there are."""
    wrong = [
        ({38: "15"}, "13"),
        ({38: "0"}, "13"),
        ({38: "0.5"}, "13"),
        ({38: "1e12"}, ""),
        ({44: "4.52"}, "99"),
    ]
    wrong += [({44: "1000000000"}, "99"), ({44: "-1000000000"}, "99")]
    for more, reason in wrong:
        name = trader.send(more=more)
        if reason:
            trader.report("8", "8", name, reason=reason, leaves=0)
        else:
            expect(trader.peer.find("3", "8").kind, "3", "the answer to what is no number")
    expect(floor.effects, [], "orders at the venue")
    trader.new(10, "4.55")
    return f"{len(wrong)} ways"


@inside("O38", "market data: a snapshot, changes, rejects with their reasons, the end of it")
def market_data(floor: Floor, trader: PeerDesk) -> str:
    """V: W, X and Y (281). What is shown is the book: entries follow the orders of others."""
    peer = trader.peer
    _ask_market(peer, "m", "1")
    book = {(entry[269], entry[270]): entry[271] for entry in _entries(peer.find("W", "Y"), 269)}
    first = {("0", "4.95"): "50", ("0", "4.90"): "50", ("1", "5.05"): "50", ("1", "5.10"): "50"}
    expect(book, first, "the snapshot")
    seller = PeerDesk(floor, floor.join(OTHER))
    name = seller.new(30, BETWEEN, {54: "2"})
    _follow(book, peer.find("X"))
    expect(book, first | {("1", BETWEEN): "30"}, "the book after an order")
    bought = trader.new(10, BETWEEN)
    trader.report("F", "2", bought, cum=10)
    seller.report("F", "1", name, cum=10)
    changed = [message for message in peer.heard if message.kind == "X"]
    _follow(book, changed[-1])
    expect(book, first | {("1", BETWEEN): "20"}, "the book after a trade")
    for request, more, reason in _NO_MARKET:
        _ask_market(peer, request, "1", more)
        answer = peer.find("W", "Y")
        expect(
            (answer.kind, answer.get(262), answer.get(281)),
            ("Y", request, reason),
            f"the reject ({answer.get(58)})",
        )
    _ask_market(peer, "m", "2")
    peer.sync()
    seller.report("4", "4", seller.cancel(name), orig=name, cum=10)
    expect(
        [message.kind for message in peer.sync()],
        [],
        "what is said after the end of the subscription",
    )
    return f"W, 2 X, {len(_NO_MARKET)} Y, ended"


def _ask_market(
    peer: Peer, request: str, subscription_type: str, more: dict[int, str] | None = None
) -> None:
    given = {264: "0", 265: "1", 269: "0", 55: "TINY"} | (more or {})
    body = [(262, request), (263, subscription_type), (264, given[264])] + (
        [(265, given[265])] if subscription_type == "1" else []
    )
    body += [(266, given[266])] if 266 in given else []
    kinds = (
        [(267, "1"), (269, given[269])]
        if given[269] != "0"
        else [(267, "2"), (269, "0"), (269, "1")]
    )
    peer.say("V", [*body, *kinds, (146, "1"), (55, given[55])])


def _entries(message: Heard, first: int) -> list[dict[int, str]]:
    """Entries of a W or an X."""
    entries: list[dict[int, str]] = []
    for tag, value in message.fields:
        if tag == first:
            entries.append({})
        if entries:
            entries[-1][tag] = value
    return entries


def _follow(book: dict[tuple[str, str], str], message: Heard) -> None:
    for entry in _entries(message, 279):
        if entry[279] == "2":
            del book[entry[269], entry[270]]
        else:
            expect(
                (entry[269], entry[270]) in book,
                entry[279] == "1",
                f"whether {entry[270]} was shown before",
            )
            book[entry[269], entry[270]] = entry[271]
