"""Q01 to Q11: requests for quotes over our initiator: no quote is taken twice, late, or at another price.

The scripted venue plays the platform and its dealers, row by row.
"""

from collections.abc import Callable
from typing import Any, Final

from certify.fix.case import Bench, case, expect, holds
from certify.fix.wall import XYZ, Wall
from tercel.core import QuotedOrder, QuoteRequest, Tif
from tercel.fix import Message, tags as t, utc_text

NS_PER_S: Final = 1_000_000_000
DEALERS: Final = ("D1", "D2", "D3")
_SOON_S: Final = 0.05


class Client:
    """Somebody who asks for quotes at a wall's venue."""

    def __init__(self, wall: Wall) -> None:
        self.wall = wall
        self.request_count = 0

    def ask(self, lots: int = 10, side: int = 1, seconds: float = 30.0) -> Message:
        """Ask three dealers; the request as the venue has it."""
        self.request_count += 1
        now = self.wall.fix.now_ns
        until = now + round(seconds * NS_PER_S)
        self.wall.quotes.request_quotes(
            QuoteRequest(f"r{self.request_count}", XYZ, side, lots, until, "ann", now, DEALERS)
        )
        self.wall.settle()
        return self.wall.venue.of_kind(t.QUOTE_REQUEST)[-1]

    def fields(self, quote: str, dealer: str, price: str, **more: Any) -> list[tuple[int, str]]:
        """Fields of a quote that sells 10 lots; `more`: `seconds` it lives, `_TAG`: any field, "" leaves it out."""
        until = self.wall.venue.now_ns() + round(more.pop("seconds", 10.0) * NS_PER_S)
        fields = {
            t.QUOTE_REQ_ID: f"r{self.request_count}",
            t.QUOTE_ID: quote,
            t.NO_PARTIES: "1",
            t.PARTY_ID: dealer,
            t.PARTY_SOURCE: "D",
            t.PARTY_ROLE: t.LIQUIDITY_PROVIDER,
            t.SYMBOL: XYZ,
            t.SIDE: "1",
            t.OFFER_PX: price,
            t.OFFER_SIZE: "10",
            t.VALID_UNTIL: utc_text(until),
        }
        fields |= {int(tag[1:]): str(value) for tag, value in more.items()}
        return [pair for pair in fields.items() if pair[1]]

    def quote(self, quote: str, dealer: str, price: str = "10.01", **more: Any) -> None:
        """Have a dealer quote."""
        self.wall.venue.say(t.QUOTE, self.fields(quote, dealer, price, **more))
        self.wall.settle()

    def cancel(self, quote: str) -> None:
        """Have a dealer withdraw a quote."""
        fields = [(t.QUOTE_REQ_ID, f"r{self.request_count}"), (t.QUOTE_ID, quote)]
        self.wall.venue.say(t.QUOTE_CANCEL, [*fields, (t.QUOTE_CANCEL_TYPE, "1")])

    def order(self, quote: str, lots: int = 10, price: int = 1001) -> QuotedOrder:
        """An order that takes a quote, not sent yet."""
        new = self.wall.new(lots, price, tif=Tif.IOC)
        names = new.cl_ord_id, new.instrument, new.side, lots, price, new.tif
        return QuotedOrder(*names, new.account, new.parent, new.sent_ns, quote)

    def hit(self, quote: str, lots: int = 10, price: int = 1001) -> str:
        """Take a quote; the order's name, and the venue has it."""
        name = self.wall.send(self.order(quote, lots, price))
        (sent,) = [
            message
            for message in self.wall.venue.of_kind(t.NEW_ORDER)
            if message.get(t.CL_ORD_ID) == name
        ]
        codes = sent.get(t.ORD_TYPE), sent.get(t.QUOTE_ID), sent.get(t.TIME_IN_FORCE)
        expect(codes, (t.PREVIOUSLY_QUOTED, quote, t.FILL_OR_KILL), "40, 117 and 59")
        return name

    def expect_refused(self, quote: str, reason: str, lots: int = 10, price: int = 1001) -> None:
        """Try to take a quote: the order is rejected here, and nothing leaves."""
        before = len(self.wall.venue.of_kind(t.NEW_ORDER))
        order = self.order(quote, lots, price)
        self.wall.lost.add(order.cl_ord_id)
        self.wall.send(order)
        self.wall.until(
            lambda: str(self.wall.state(order.cl_ord_id).status) == "rejected", "a rejection"
        )
        self.wall.expect_order(order.cl_ord_id, "rejected", 0, 0)
        holds(reason in self.wall.state(order.cl_ord_id).text, f"{reason!r} is why")
        expect(len(self.wall.venue.of_kind(t.NEW_ORDER)), before, "orders at the venue")

    def fill(self, name: str, px: float = 10.01) -> None:
        """Have the venue fill an order."""
        self.wall.say(name, "F", "2", last=10, px=px)
        self.wall.expect_order(name, "filled", 10, 0, px * 100)


Play = Callable[[Client], str]


def quoting(id_: str, title: str) -> Callable[[Play], Play]:
    """Register a case of somebody who asks for quotes."""

    def register(play: Play) -> Play:
        def body(bench: Bench) -> str:
            with Wall(bench) as wall:
                return play(Client(wall))

        case(id_, title, "initiator")(body)
        return play

    return register


@quoting("Q01", "dealers are asked, and the best quote is taken")
def asked_and_taken(client: Client) -> str:
    """R, S, D with 117, 8; the quotes that were not taken are passed (AJ 694=6)."""
    request = client.ask()
    entry = [value for tag, value in request.fields if tag in (55, 54, 38, t.PARTY_ID)]
    expect(entry, [XYZ, "1", "10", *DEALERS], "55, 54, 38 and 448 of the request")
    client.quote("q1", "D1", "10.02")
    client.quote("q2", "D2", "10.01")
    book = client.wall.quotes.book
    best = min(book.open("r1"), key=lambda quote: quote.offer or 0)
    expect((best.id, best.dealer, best.offer), ("q2", "D2", 1001), "the best quote")
    client.fill(client.hit("q2"))
    client.wall.quotes.pass_quotes("r1")
    client.wall.settle()
    passed = [response.get(t.QUOTE_ID) for response in client.wall.venue.of_kind(t.QUOTE_RESPONSE)]
    expect((passed, client.wall.position()), (["q1"], 10), "quotes that were passed; position")
    return "10 at 1001 from D2, D1 passed"


@quoting("Q02", "an expired quote is not taken")
def quote_expired(client: Client) -> str:
    """62 passes while it is looked at; and one whose time had passed as it came."""
    client.ask()
    client.quote("q1", "D1", seconds=_SOON_S)
    client.quote("q2", "D2", seconds=-1.0)
    until = client.wall.fix.now_ns + round(2 * _SOON_S * NS_PER_S)
    client.wall.until(lambda: client.wall.fix.now_ns > until, "the time of the quote")
    client.expect_refused("q1", "expired")
    client.expect_refused("q2", "expired")
    client.quote("q3", "D3")
    late = client.hit("q3")
    client.wall.say(late, "8", "8", _103="8", text="the quote has expired")
    client.wall.expect_order(late, "rejected", 0, 0)
    expect(client.wall.reserved_lots(), 0, "lots reserved")
    return "refused here twice, by the venue once"


@quoting("Q03", "a quote is taken once")
def taken_twice(client: Client) -> str:
    """The second order of one QuoteID never leaves, whatever became of the first."""
    client.ask()
    client.quote("q1", "D1")
    first = client.hit("q1")
    client.expect_refused("q1", "was taken")
    client.fill(first)
    client.expect_refused("q1", "was taken")
    expect(client.wall.position(), 10, "position")
    return "one order, one fill"


@quoting("Q04", "a last look refuses; another quote of the request is taken")
def last_look(client: Client) -> str:
    """8 with 150=A, then 150=8; nothing is booked, and the quote is gone."""
    client.ask()
    client.quote("q1", "D1")
    client.quote("q2", "D2", "10.02")
    held = client.hit("q1")
    client.expect_refused("q2", "has traded", price=1002)
    client.wall.say(held, "A", "A")
    client.wall.expect_order(held, "pending_new", 0, 10)
    client.wall.say(held, "8", "8", _103="99", text="last look")
    client.wall.expect_order(held, "rejected", 0, 0)
    client.expect_refused("q1", "was taken")
    client.fill(client.hit("q2", price=1002), 10.02)
    return "rejected, then 10 at 1002"


@quoting("Q05", "a quote that was withdrawn is not taken")
def quote_withdrawn(client: Client) -> str:
    """Z before the order; and one that crosses it, which the venue refuses."""
    client.ask()
    client.quote("q1", "D1")
    client.quote("q2", "D2")
    client.cancel("q1")
    client.wall.settle()
    client.expect_refused("q1", "withdrawn")
    crossed = client.hit("q2")
    client.cancel("q2")
    client.wall.say(crossed, "8", "8", _103="8", text="withdrawn")
    client.wall.expect_order(crossed, "rejected", 0, 0)
    return "refused here, and by the venue"


@quoting("Q06", "a part of a quote: what was not filled may trade with another")
def partial(client: Client) -> str:
    """39=1, then 39=4: no more is booked than was filled, no more is asked for than is left."""
    client.ask()
    client.quote("q1", "D1")
    client.quote("q2", "D2")
    name = client.hit("q1")
    client.wall.say(name, "F", "1", last=4, px=10.01)
    client.wall.say(name, "4", "4")
    client.wall.expect_order(name, "canceled", 4, 0, 1001)
    client.expect_refused("q2", "has traded 4 of 10", lots=7)
    rest = client.hit("q2", 6)
    client.wall.say(rest, "F", "2", last=6, px=10.01)
    expect(client.wall.position(), 10, "position")
    return "4 of q1 and 6 of q2"


@quoting("Q07", "a QuoteID that came before is not another quote")
def duplicate(client: Client) -> str:
    """The first one stands; a new QuoteID of the same dealer replaces it."""
    client.ask()
    client.quote("q1", "D1")
    client.quote("q1", "D2", "10.00")
    holds("unreadable" in client.wall.alerts(), "an alert says so")
    client.expect_refused("q1", "is at 1001", price=1000)
    client.quote("q2", "D1", "10.02")
    client.expect_refused("q1", "replaced by 'q2'")
    client.fill(client.hit("q2", price=1002), 10.02)
    return "the first stands, a requote replaces it"


@quoting("Q08", "a break between request and answer")
def broken(client: Client) -> str:
    """The request is not sent again; quotes given in the break are requested, and one that has not expired is taken."""
    client.ask()
    client.wall.venue.cut(stay_down=True)
    client.wall.until(lambda: not client.wall.fix.up, "the broken link")
    client.wall.venue.say(t.QUOTE, client.fields("q1", "D1", "10.01"))
    client.wall.venue.say(t.QUOTE, client.fields("q2", "D2", "10.00", seconds=-1.0))
    client.wall.venue.shut = False
    client.wall.until(lambda: client.wall.fix.up, "the link")
    client.wall.settle()
    client.expect_refused("q2", "expired", price=1000)
    name = client.hit("q1")
    client.wall.venue.cut(stay_down=True)
    client.wall.until(lambda: not client.wall.fix.up, "the broken link")
    client.wall.venue.report(name, "F", "2", last=10, px=10.01)
    client.wall.venue.shut = False
    client.wall.until(lambda: client.wall.fix.up, "the link")
    client.wall.settle()
    client.wall.expect_order(name, "filled", 10, 0, 1001)
    client.expect_refused("q1", "was taken")
    counts = [len(client.wall.venue.of_kind(kind)) for kind in (t.QUOTE_REQUEST, t.NEW_ORDER)]
    expect(counts, [1, 1], "requests and orders at the venue")
    return "one request, one order, one fill"


@quoting("Q09", "an order at another price or for more than was quoted does not leave")
def another_price(client: Client) -> str:
    """Nor for another side's price; the quote can still be taken."""
    client.ask()
    client.quote("q1", "D1", _135="5")
    client.expect_refused("q1", "is at 1001", lots=5, price=1002)
    client.expect_refused("q1", "is at 1001", lots=5, price=1000)
    client.expect_refused("q1", "is for 5", lots=6)
    name = client.hit("q1", 5)
    client.wall.say(name, "F", "2", last=5, px=10.01)
    expect(client.wall.position(), 5, "position")
    return "three refused, then taken as quoted"


@quoting("Q10", "an answer after the trade is not taken")
def late_answer(client: Client) -> str:
    """All lots of the request have traded."""
    client.ask()
    client.quote("q1", "D1")
    client.fill(client.hit("q1"))
    client.quote("q2", "D2", "9.99")
    client.expect_refused("q2", "has traded 10 of 10", price=999)
    expect(client.wall.position(), 10, "position")
    return "the late quote stays where it is"


@quoting("Q11", "what is no quote as asked for is not one")
def no_quote(client: Client) -> str:
    """Without symbol, price or size, crossed, of another side, at no price above zero, from a dealer that was not asked."""
    client.ask()
    wrong: list[dict[str, Any]] = [
        {"_133": "-10.01"},
        {"_133": "0"},
        {"_133": "10.005"},
        {"_133": "", "_132": "10.00", "_134": "10"},
        {"_132": "10.02", "_134": "10"},
        {"_133": ""},
        {"_135": ""},
        {"_135": "11"},
        {"_54": "2"},
        {"_55": "ZZZ"},
        {"_448": "D9"},
        {"_131": "r9"},
    ]
    alerts = client.wall.alerts().count("unreadable")
    for n, changes in enumerate(wrong):
        client.quote(f"w{n}", "D1", **changes)
        holds(f"w{n}" not in client.wall.quotes.book.quotes, f"no quote of {changes}")
    holds(client.wall.alerts().count("unreadable") > alerts, "alerts say so")
    client.expect_refused("w0", "unknown quote")
    client.quote("q1", "D1", _537="0")
    client.expect_refused("q1", "indicative")
    fields = [(t.QUOTE_REQ_ID, "r1"), (t.QUOTE_REJECT_REASON, "10"), (t.NO_RELATED_SYM, "1")]
    client.wall.venue.say(t.QUOTE_REQUEST_REJECT, [*fields, (t.SYMBOL, XYZ)])
    client.quote("q2", "D2")
    client.fill(client.hit("q2"))
    return f"{len(wrong)} ways, and an indicative one"
