"""A small venue whose dealers say what a test says, and a session at it."""

from dataclasses import replace

from tests.desk.trading.desk_of_two import WIDE, S, session_of

from certify.fix.quotes_acceptor import panel
from certify.tiny import TinyVenue
from exchange.dealers import DealerVenue
from tercel.core.orders import Tif
from tercel.core.quotes import Quote
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.execution.routing import RFQ, ROUTED, Routed
from tercel.execution.strategies import build

DEALERS = ("D1", "D2", "D3")
MID = 100


def asking(person=False, value=10_000_000, dealers=10, collar=500, text=WIDE):
    """Limits under which dealers are asked."""
    said = f"rfq_value_per_hour = {value}\nperson_accepts = {str(person).lower()}\n"
    text = text.replace("duplicate_ms = 0\n", f"duplicate_ms = 0\n{said}")
    more = f"dealers_per_day = {dealers}\nquote_collar_bps = {collar}\n"
    return text.replace('hours = "always"\n', f'hours = "always"\n{more}') + said


def routing(name, instrument):
    """Strategies that ask dealers without any estimate of a market."""
    book = build("twap_passive")
    return (
        Routed(book, only="" if name == ROUTED else name) if name in (RFQ, ROUTED) else build(name)
    )


class Quoting(DealerVenue):
    """Asks at 101 and bids at 99; no dealer answers by itself."""

    def __init__(self, tiny=None):
        tiny = TinyVenue() if tiny is None else tiny
        tiny._listings = [replace(one, dense_ids=1 << 14) for one in tiny._listings]
        super().__init__(tiny, panel(), lambda _: self.mid, unit_lots=5.0, life_s=600.0)
        self.mid, self.requests, self.hits, self.passed = float(MID), [], [], []

    def request_quotes(self, request):
        assert not self.book.add_request(request)
        self.requests.append(request)

    def pass_quotes(self, request, quotes=()):
        self.passed.append((request, tuple(quotes)))
        super().pass_quotes(request, quotes)

    def _take(self, order):
        self.hits.append(order.quote)
        super()._take(order)

    def say(self, event):
        """What a dealer says; its own book believes nothing that cannot be."""
        if isinstance(event, Quote):
            self.book.apply_event(event)
        self._pending_events.append(event)

    def quote(self, dealer="D2", price=101, **other):
        """A quote on the last request, or what is left of it where something else is said."""
        asked = self.requests[-1]
        self._count += 1
        buys = asked.side >= 0
        both = (None if buys else price, price if buys else None)
        if asked.side == 0:
            both = (2 * MID - price, price)
        terms = asked.lots, asked.until_ns, asked.account, self.now_ns
        found = Quote(f"q{self._count}", asked.id, dealer, asked.instrument, *both, *terms)
        self.say(found := replace(found, **other))
        return found


def quoting_session(venue=None, journal=None, limits="", dealers=DEALERS, **options):
    """A session at such a venue, a moment after it began."""
    venue = Quoting() if venue is None else venue
    options = {"warm_s": 1, "strategies": routing, "dealers": dealers, **options}
    return session_of(venue, journal, limits=limits or asking(), **options)


def steps(session, seconds=0.05):
    """Let a little time pass, a second at a time, and take all that comes in it."""
    ends = session.now_ns + round(seconds * S)
    while session.now_ns < ends:
        session.step(min(ends, session.now_ns + S))


def told(session, event="", request=""):
    """Events of requests as the journal has them."""
    found = [QuoteEntry.of(one) for _, one in session.journal.read(kinds=(kinds.QUOTE,))]
    return [one for one in found if event in ("", one.event) and request in ("", one.request)]


IOC = Tif.IOC
