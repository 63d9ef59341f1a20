"""Q01 to Q11 at an acceptor: dealers answer a peer that asks for quotes, and no quote trades twice, late or at another price."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from certify.fix.case import Bench, case, expect, holds
from certify.fix.peer_desk import Floor, PeerDesk, Ticket
from certify.fix.terms import NAMES
from certify.fix.wire import Heard, stamp
from exchange.dealers import DealerVenue
from tercel.core import Venue
from tercel.market.dealers import DealerPanel, load_panel

NS_PER_S: Final = 1_000_000_000
_LIFE_S: Final = 0.25
_MID: Final = 100.0
"""Ticks of 0.05: offers are at 5.05, five lots are 50 shares."""


def panel() -> DealerPanel:
    """Three dealers: D1 has a last look of 10 ms and 5 bps, D3 answers late."""
    base = load_panel("equity")
    three = {
        name: getattr(base, name)[:3].copy()
        for name, value in vars(base).items()
        if isinstance(value, np.ndarray)
    }
    three["answers"][:] = 1.0
    three["answer_s"][:] = 0.001, 0.001, 10.0
    three["noise"][:] = 0.0
    three["tolerance"][:] = 5.0, np.inf, np.inf
    three["hold_s"][:] = 0.01, 0.0, 0.0
    three["hedge_bps"][:] = np.inf
    three["ahead"][:] = 0.0
    return replace(base, name="certified", **three)


class DealerFloor(Floor):
    """Our server before a small venue with dealers."""

    mid = _MID

    def make_venue(self) -> Venue:
        """See `Floor`."""
        self.dealers = DealerVenue(
            self.staffed, panel(), lambda _: self.mid, life_s=_LIFE_S, unit_lots=5.0
        )
        return self.dealers

    def pass_life(self) -> None:
        """Let the time of a quote pass."""
        until = self.dealers.now_ns + round(_LIFE_S * NS_PER_S)
        self.wait(lambda: self.dealers.now_ns >= until, "the time of a quote")


class PeerClient(PeerDesk):
    """Somebody who asks for quotes over a peer."""

    def request(self, more: dict[int, str] | None = None, dealers: tuple[str, ...] = ()) -> str:
        """Ask for 50 shares; the request's name."""
        name = self.stage.name()
        until = stamp(self.stage.now_ns() + 20 * NS_PER_S)
        fields = {131: name, 146: "1", 55: "TINY", 54: "1", 38: "50", 126: until} | (more or {})
        parties = [pair for dealer in dealers for pair in ((448, dealer), (447, "D"), (452, "35"))]
        body = [pair for pair in fields.items() if pair[1]]
        counted = [(453, str(len(dealers))), *parties] if dealers else []
        self.peer.say("R", [*body, *counted])
        return name

    def get_quotes(self, *dealers: str, more: dict[int, str] | None = None) -> list[Heard]:
        """Ask dealers, and have their quotes, in the order of `dealers`."""
        request = self.request(more, dealers)
        by_dealer = {quote.get(448): quote for quote in (self.peer.find("S") for _ in dealers)}
        for quote in by_dealer.values():
            expect(
                (quote.get(131), quote.get(55), quote.get(38)),
                (request, "TINY", "50"),
                "131, 55, 38",
            )
            holds(float(quote.get(133)) > 0 and quote.get(62) != "", "OfferPx and ValidUntilTime")
        expect(sorted(by_dealer), sorted(dealers), "dealers who quoted")
        return [by_dealer[dealer] for dealer in dealers]

    def take(self, quote: Heard, qty: float = 50, price: str = "") -> str:
        """Send an order that takes a quote; its name."""
        fields = {40: "D", 59: "4", 117: quote.get(117)}
        return self.send(qty, price or quote.get(133), fields)

    def respond(self, quote: Heard) -> str:
        """Take a quote with a response; the order's name."""
        name = self.stage.name()
        self.tickets[name] = Ticket(50.0)
        fields = [(693, "a1"), (117, quote.get(117)), (694, "1"), (11, name)]
        terms = [(55, "TINY"), (54, "1"), (38, "50"), (44, quote.get(133))]
        self.peer.say("AJ", [*fields, *terms, (60, stamp(self.stage.now_ns()))])
        return name

    def take_and_fill(self, quote: Heard, qty: float = 50) -> Heard:
        """Take a quote, and have the fill."""
        return self.fill(self.take(quote, qty), qty)

    def fill(self, name: str, qty: float = 50) -> Heard:
        """The reports of an order that takes a quote and is filled."""
        self.report("A", "A", name, cum=0)
        self.report("0", "0", name, cum=0)
        message = self.report("F", "2", name, cum=qty, leaves=0)
        expect(message.get(40), "D", "OrdType")
        return message

    def expect_rejected(self, name: str, reason: str, phrase: str) -> None:
        """An order is rejected."""
        message = self.report("8", "8", name, reason=reason, cum=0, leaves=0)
        holds(phrase in message.get(58), f"{phrase!r} in {message.get(58)}")


Play = Callable[[DealerFloor, PeerClient], str]


def quoting(id_: str, title: str) -> Callable[[Play], Play]:
    """Register a case of a peer that asks for quotes."""

    def register(play: Play) -> Play:
        def body(bench: Bench) -> str:
            with DealerFloor(bench) as floor:
                client = PeerClient(floor, floor.log_on())
                detail = play(floor, client)
                client.quiet()
                floor.audit(client.peer)
                return detail

        case(id_, title, "acceptor")(body)
        return play

    return register


@quoting("Q01", "dealers are asked, and a quote is taken")
def asked_and_taken(floor: DealerFloor, client: PeerClient) -> str:
    """R, S, D with 117, 8. A two-way request has bid and offer, which do not cross; a response (AJ) hits as well."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    holds(first_quote.get(132) == second_quote.get(132) == "", "no BidPx for a buyer")
    message = client.take_and_fill(second_quote)
    (two_way,) = client.get_quotes("D2", more={54: ""})
    holds(float(two_way.get(132)) <= float(two_way.get(133)), "the bid is not above the offer")
    (hit,) = client.get_quotes("D2")
    name = client.respond(hit)
    expect(client.fill(name).get(693), "a1", "QuoteRespID of the report")
    held = floor.dealers.positions(NAMES[1]).get("TINY", 0) // 10**8
    expect(held, 10, "lots held")
    return f"50 at {message.get(31)} by an order, 50 by a response"


@quoting("Q02", "an expired quote is rejected")
def quote_expired(floor: DealerFloor, client: PeerClient) -> str:
    """103=8."""
    (quote,) = client.get_quotes("D2")
    floor.pass_life()
    client.expect_rejected(client.take(quote), "8", "expired")
    return "103=8"


@quoting("Q03", "a quote is taken once")
def taken_twice(floor: DealerFloor, client: PeerClient) -> str:
    """The second order is rejected, while the first is held and after its fill; a ClOrdID that was used is rejected too."""
    (quote,) = client.get_quotes("D1")
    first = client.take(quote)
    second = client.take(quote)
    client.report("A", "A", first, cum=0)
    client.expect_rejected(second, "99", "was taken")
    client.report("0", "0", first, cum=0)
    client.report("F", "2", first, cum=50, leaves=0)
    client.expect_rejected(client.take(quote), "99", "was taken")
    return "one fill"


@quoting("Q04", "a last look refuses; another quote of the request is taken")
def last_look(floor: DealerFloor, client: PeerClient) -> str:
    """150=A while it is held, then 150=8: the market moved against the dealer."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    name = client.take(first_quote)
    client.report("A", "A", name, cum=0)
    floor.mid = 101.0
    client.expect_rejected(name, "99", "last look")
    client.take_and_fill(second_quote)
    return "held, rejected; filled by the next"


@quoting("Q05", "a quote that was withdrawn is rejected")
def quote_withdrawn(floor: DealerFloor, client: PeerClient) -> str:
    """Z by hand, and as the market moves past a dealer with a last look."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    floor.dealers.withdraw(second_quote.get(117))
    message = client.peer.find("Z")
    expect((message.get(117), message.get(298)), (second_quote.get(117), "1"), "117 and 298")
    client.expect_rejected(client.take(second_quote), "8", "withdrawn")
    floor.mid = 102.0
    expect(
        client.peer.find("Z").get(117), first_quote.get(117), "the quote that the market moved past"
    )
    client.expect_rejected(client.take(first_quote), "8", "withdrawn")
    return "Z, then 103=8, twice"


@quoting("Q06", "a part of a quote is taken; no more than was quoted, nor asked for")
def partial(floor: DealerFloor, client: PeerClient) -> str:
    """What is left of the request trades with another quote."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    client.expect_rejected(client.take(first_quote, 60), "13", "is for 5")
    client.take_and_fill(first_quote, 20)
    client.expect_rejected(client.take(second_quote, 40), "99", "has traded 2 of 5")
    client.take_and_fill(second_quote, 30)
    return "20 of one, 30 of the other"


@quoting("Q07", "no QuoteID is given twice; a request's name that was used is refused")
def duplicate(floor: DealerFloor, client: PeerClient) -> str:
    """AG, and the quotes of the first request stand."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    request = first_quote.get(131)
    client.request({131: request}, ("D1",))
    message = client.peer.find("AG")
    expect((message.get(131), message.get(658)), (request, "99"), "131 and 658")
    again = client.get_quotes("D1", "D2")
    names = {each.get(117) for each in (first_quote, second_quote, *again)}
    expect(len(names), 4, "names of quotes")
    client.take_and_fill(second_quote)
    return "four quotes, four names, one AG"


@quoting("Q08", "a break between request and answer")
def broken(floor: DealerFloor, client: PeerClient) -> str:
    """Quotes given without a connection are repeated on request; so is a fill."""
    client.request(None, ("D2",))
    client.lose()
    floor.wait(lambda: bool(floor.dealers.book.quotes), "a quote")
    (quote,) = [message for message in client.reconnect() if message.kind == "S"]
    name = client.take(quote)
    client.lose()
    floor.wait(lambda: bool(floor.dealers.executions(NAMES[1])), "a fill")
    for report, code in zip(client.reconnect(), "A0F", strict=True):
        client.expect_report(report, code, {"F": "2"}.get(code, code), name)
    client.expect_rejected(client.take(quote), "99", "was taken")
    return "quoted, taken and filled, each without a connection"


@quoting("Q09", "an order at another price than quoted is rejected")
def another_price(floor: DealerFloor, client: PeerClient) -> str:
    """Better and worse ones; for another side, or without 59=4. The quote can still be taken."""
    (quote,) = client.get_quotes("D2")
    better = "5.00"
    worse = f"{float(quote.get(133)) + 0.05:.2f}"
    for price in (better, worse):
        client.expect_rejected(client.take(quote, 50, price), "99", "the quote")
    client.expect_rejected(
        client.send(50, quote.get(133), {40: "D", 59: "4", 117: quote.get(117), 54: "2"}),
        "99",
        "side",
    )
    client.expect_rejected(
        client.send(50, quote.get(133), {40: "D", 59: "0", 117: quote.get(117)}), "11", "59=4"
    )
    client.expect_rejected(client.send(50, quote.get(133), {40: "D", 59: "4"}), "99", "117")
    client.take_and_fill(quote)
    return "five refused, then filled as quoted"


@quoting("Q10", "no answer after the trade")
def late_answer(floor: DealerFloor, client: PeerClient) -> str:
    """Another quote of the request is rejected, and a dealer who answers later is not passed on."""
    first_quote, second_quote = client.get_quotes("D1", "D2")
    client.take_and_fill(first_quote)
    client.expect_rejected(client.take(second_quote), "99", "has traded 5 of 5")
    floor.pass_life()
    expect([each.kind for each in client.peer.sync()], [], "what else was said")
    return "one trade, no more quotes"


@quoting("Q11", "what cannot be asked for or answered is refused")
def requests_refused(floor: DealerFloor, client: PeerClient) -> str:
    """AG for requests, AI for responses; a quote that was passed, or is another's, is not taken."""
    wrong: list[tuple[dict[int, str], str]] = [
        ({55: "ZZZ"}, "1"),
        ({38: ""}, "99"),
        ({38: "15"}, "99"),
        ({54: "5"}, "99"),
        ({1: "OTHER"}, "99"),
        ({126: stamp(floor.now_ns() - NS_PER_S)}, "99"),
    ]
    for more, reason in wrong:
        client.request(more, ("D1",))
        expect(client.peer.find("AG").get(658), reason, f"658 of {more}")
    client.request(None, ("D9",))
    expect(client.peer.find("AG").get(658), "99", "658 of a dealer that is not there")
    first_quote, second_quote = client.get_quotes("D1", "D2")
    for quote, kind, status in (
        ("none", "6", "9"),
        (first_quote.get(117), "2", "5"),
        (second_quote.get(117), "6", "11"),
    ):
        client.peer.say("AJ", [(693, "a1"), (117, quote), (694, kind), (55, "TINY")])
        message = client.peer.find("AI")
        expect(
            (message.get(117), message.get(297), message.get(693)),
            (quote, status, "a1"),
            "117, 297, 693",
        )
    client.expect_rejected(client.take(second_quote), "99", "was passed")
    other_client = PeerClient(floor, floor.join("OTHER"))
    other_client.expect_rejected(other_client.take(first_quote), "99", "a quote that was given")
    other_client.quiet()
    client.take_and_fill(first_quote)
    return f"{len(wrong) + 1} requests, two responses"
