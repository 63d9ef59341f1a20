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

S: Final = 1_000_000_000
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

    def traded_at(self) -> Venue:
        """See `Floor`."""
        self.dealers = DealerVenue(
            self.staffed, panel(), lambda _: self.mid, life_s=_LIFE_S, unit_lots=5.0
        )
        return self.dealers

    def pass_life(self) -> None:
        """Let the time of a quote pass."""
        until = self.dealers.now_ns + round(_LIFE_S * S)
        self.wait(lambda: self.dealers.now_ns >= until, "the time of a quote")


class PeerClient(PeerDesk):
    """Somebody who asks for quotes over a peer."""

    def request(self, more: dict[int, str] | None = None, dealers: tuple[str, ...] = ()) -> str:
        """Ask for 50 shares; the request's name."""
        name = self.stage.name()
        until = stamp(self.stage.now_ns() + 20 * S)
        fields = {131: name, 146: "1", 55: "TINY", 54: "1", 38: "50", 126: until} | (more or {})
        parties = [pair for one in dealers for pair in ((448, one), (447, "D"), (452, "35"))]
        body = [one for one in fields.items() if one[1]]
        counted = [(453, str(len(dealers))), *parties] if dealers else []
        self.peer.say("R", [*body, *counted])
        return name

    def quoted(self, *dealers: str, more: dict[int, str] | None = None) -> list[Heard]:
        """Ask dealers, and have their quotes, in the order of `dealers`."""
        request = self.request(more, dealers)
        found = {one.get(448): one for one in (self.peer.find("S") for _ in dealers)}
        for one in found.values():
            expect((one.get(131), one.get(55), one.get(38)), (request, "TINY", "50"), "131, 55, 38")
            holds(float(one.get(133)) > 0 and one.get(62) != "", "OfferPx and ValidUntilTime")
        expect(sorted(found), sorted(dealers), "dealers who quoted")
        return [found[one] for one in dealers]

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

    def taken(self, quote: Heard, qty: float = 50) -> Heard:
        """Take a quote, and have the fill."""
        return self.fill(self.take(quote, qty), qty)

    def fill(self, name: str, qty: float = 50) -> Heard:
        """The reports of an order that takes a quote and is filled."""
        self.report("A", "A", name, cum=0)
        self.report("0", "0", name, cum=0)
        said = self.report("F", "2", name, cum=qty, leaves=0)
        expect(said.get(40), "D", "OrdType")
        return said

    def no(self, name: str, reason: str, words: str) -> None:
        """An order is rejected."""
        said = self.report("8", "8", name, reason=reason, cum=0, leaves=0)
        holds(words in said.get(58), f"{words!r} in {said.get(58)}")


Play = Callable[[DealerFloor, PeerClient], str]


def quoting(id_: str, title: str) -> Callable[[Play], Play]:
    """Register a case of a peer that asks for quotes."""

    def register(play: Play) -> Play:
        def body(bench: Bench) -> str:
            with DealerFloor(bench) as floor:
                client = PeerClient(floor, floor.log_on())
                told = play(floor, client)
                client.quiet()
                floor.audit(client.peer)
                return told

        case(id_, title, "acceptor")(body)
        return play

    return register


@quoting("Q01", "dealers are asked, and a quote is taken")
def asked_and_taken(floor: DealerFloor, client: PeerClient) -> str:
    """R, S, D with 117, 8. A two-way request has bid and offer, which do not cross; a response (AJ) hits as well."""
    one, two = client.quoted("D1", "D2")
    holds(one.get(132) == two.get(132) == "", "no BidPx for a buyer")
    said = client.taken(two)
    (both,) = client.quoted("D2", more={54: ""})
    holds(float(both.get(132)) <= float(both.get(133)), "the bid is not above the offer")
    (hit,) = client.quoted("D2")
    name = client.respond(hit)
    expect(client.fill(name).get(693), "a1", "QuoteRespID of the report")
    held = floor.dealers.positions(NAMES[1]).get("TINY", 0) // 10**8
    expect(held, 10, "lots held")
    return f"50 at {said.get(31)} by an order, 50 by a response"


@quoting("Q02", "an expired quote is rejected")
def expired(floor: DealerFloor, client: PeerClient) -> str:
    """103=8."""
    (one,) = client.quoted("D2")
    floor.pass_life()
    client.no(client.take(one), "8", "expired")
    return "103=8"


@quoting("Q03", "a quote is taken once")
def taken_twice(floor: DealerFloor, client: PeerClient) -> str:
    """The second order is rejected, while the first is held and after its fill; a ClOrdID that was used is rejected too."""
    (one,) = client.quoted("D1")
    first, second = client.take(one), client.take(one)
    client.report("A", "A", first, cum=0)
    client.no(second, "99", "was taken")
    client.report("0", "0", first, cum=0)
    client.report("F", "2", first, cum=50, leaves=0)
    client.no(client.take(one), "99", "was taken")
    return "one fill"


@quoting("Q04", "a last look refuses; another quote of the request is taken")
def last_look(floor: DealerFloor, client: PeerClient) -> str:
    """150=A while it is held, then 150=8: the market moved against the dealer."""
    one, two = client.quoted("D1", "D2")
    name = client.take(one)
    client.report("A", "A", name, cum=0)
    floor.mid = 101.0
    client.no(name, "99", "last look")
    client.taken(two)
    return "held, rejected; filled by the next"


@quoting("Q05", "a quote that was withdrawn is rejected")
def withdrawn(floor: DealerFloor, client: PeerClient) -> str:
    """Z by hand, and as the market moves past a dealer with a last look."""
    one, two = client.quoted("D1", "D2")
    floor.dealers.withdraw(two.get(117))
    said = client.peer.find("Z")
    expect((said.get(117), said.get(298)), (two.get(117), "1"), "117 and 298")
    client.no(client.take(two), "8", "withdrawn")
    floor.mid = 102.0
    expect(client.peer.find("Z").get(117), one.get(117), "the quote that the market moved past")
    client.no(client.take(one), "8", "withdrawn")
    return "Z, then 103=8, twice"


@quoting("Q06", "a part of a quote is taken; no more than was quoted, nor asked for")
def partial(floor: DealerFloor, client: PeerClient) -> str:
    """What is left of the request trades with another quote."""
    one, two = client.quoted("D1", "D2")
    client.no(client.take(one, 60), "13", "is for 5")
    client.taken(one, 20)
    client.no(client.take(two, 40), "99", "has traded 2 of 5")
    client.taken(two, 30)
    return "20 of one, 30 of the other"


@quoting("Q07", "no QuoteID is given twice; a request's name that was used is refused")
def duplicate(floor: DealerFloor, client: PeerClient) -> str:
    """AG, and the quotes of the first request stand."""
    one, two = client.quoted("D1", "D2")
    request = one.get(131)
    client.request({131: request}, ("D1",))
    said = client.peer.find("AG")
    expect((said.get(131), said.get(658)), (request, "99"), "131 and 658")
    again = client.quoted("D1", "D2")
    names = {each.get(117) for each in (one, two, *again)}
    expect(len(names), 4, "names of quotes")
    client.taken(two)
    return "four quotes, four names, one AG"


@quoting("Q08", "a break between request and answer")
def broken(floor: DealerFloor, client: PeerClient) -> str:
    """Quotes given without a connection are repeated on request; so is a fill."""
    client.request(None, ("D2",))
    client.lose()
    floor.wait(lambda: bool(floor.dealers.book.quotes), "a quote")
    (quote,) = [one for one in client.back() if one.kind == "S"]
    name = client.take(quote)
    client.lose()
    floor.wait(lambda: bool(floor.dealers.executions(NAMES[1])), "a fill")
    for said, code in zip(client.back(), "A0F", strict=True):
        client.same(said, code, {"F": "2"}.get(code, code), name)
    client.no(client.take(quote), "99", "was taken")
    return "quoted, taken and filled, each without a connection"


@quoting("Q09", "an order at another price than quoted is rejected")
def another_price(floor: DealerFloor, client: PeerClient) -> str:
    """Better and worse ones; for another side, or without 59=4. The quote can still be taken."""
    (one,) = client.quoted("D2")
    better, worse = "5.00", f"{float(one.get(133)) + 0.05:.2f}"
    for price in (better, worse):
        client.no(client.take(one, 50, price), "99", "the quote")
    client.no(
        client.send(50, one.get(133), {40: "D", 59: "4", 117: one.get(117), 54: "2"}), "99", "side"
    )
    client.no(client.send(50, one.get(133), {40: "D", 59: "0", 117: one.get(117)}), "11", "59=4")
    client.no(client.send(50, one.get(133), {40: "D", 59: "4"}), "99", "117")
    client.taken(one)
    return "five refused, then filled as quoted"


@quoting("Q10", "no answer after the trade")
def late_answer(floor: DealerFloor, client: PeerClient) -> str:
    """Another quote of the request is rejected, and a dealer who answers later is not passed on."""
    one, two = client.quoted("D1", "D2")
    client.taken(one)
    client.no(client.take(two), "99", "has traded 5 of 5")
    floor.pass_life()
    expect([each.kind for each in client.peer.sync()], [], "what else was said")
    return "one trade, no more quotes"


@quoting("Q11", "what cannot be asked for or answered is refused")
def refused(floor: DealerFloor, client: PeerClient) -> str:
    """AG for requests, AI for responses; a quote that was passed, or is another's, is not taken."""
    wrong: list[tuple[dict[int, str], str]] = [
        ({55: "ZZZ"}, "1"),
        ({38: ""}, "99"),
        ({38: "15"}, "99"),
        ({54: "5"}, "99"),
        ({1: "OTHER"}, "99"),
        ({126: stamp(floor.now_ns() - S)}, "99"),
    ]
    for more, reason in wrong:
        client.request(more, ("D1",))
        expect(client.peer.find("AG").get(658), reason, f"658 of {more}")
    client.request(None, ("D9",))
    expect(client.peer.find("AG").get(658), "99", "658 of a dealer that is not there")
    one, two = client.quoted("D1", "D2")
    for quote, kind, status in (
        ("none", "6", "9"),
        (one.get(117), "2", "5"),
        (two.get(117), "6", "11"),
    ):
        client.peer.say("AJ", [(693, "a1"), (117, quote), (694, kind), (55, "TINY")])
        said = client.peer.find("AI")
        expect(
            (said.get(117), said.get(297), said.get(693)), (quote, status, "a1"), "117, 297, 693"
        )
    client.no(client.take(two), "99", "was passed")
    other = PeerClient(floor, floor.join("OTHER"))
    other.no(other.take(one), "99", "a quote that was given")
    other.quiet()
    client.taken(one)
    return f"{len(wrong) + 1} requests, two responses"
