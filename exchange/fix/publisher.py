"""Market data and security lists of a FIX server: order by order to own peers, by price level to others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exchange.fix import acceptor, translate
from exchange.fix.aggregated import ENTRY_TYPES, AggregatedBook, AggregatedView
from exchange.fix.counterparties import Counterparty
from exchange.fix.hosted_dialect import HostedDialect
from tercel.core import Venue, orders as o
from tercel.fix import (
    Fields,
    Message,
    PriceScale,
    RefusedError,
    one_line,
    tags as t,
    tercel_dictionary as own_dictionary,
)

Send = Callable[[Counterparty, str, Fields, bool], None]
"""To whom, message type, fields, and whether it is owed an answer to its next U1."""
_ALL_LISTED = "4"
_ONE_LISTED = "0"


@dataclass(slots=True)
class _Subscription:
    party: Counterparty
    view: AggregatedView
    lasts: bool
    began: bool = False


class Publisher:
    """Market data and lists of a venue for a FIX server's counterparties.

    Parameters
    ----------
    venue : Venue
    parties : mapping of CompID to Counterparty
    scales : mapping of str to PriceScale
        By instrument.
    send : callable
    stepped : bool
        Whether the venue's clock is moved by a counterparty.
    hosted : mapping of CompID to HostedDialect
        Those who speak a venue's own words.
    """

    def __init__(
        self,
        venue: Venue,
        parties: Mapping[str, Counterparty],
        scales: Mapping[str, PriceScale],
        send: Send,
        stepped: bool,
        hosted: Mapping[str, HostedDialect],
    ) -> None:
        self._venue = venue
        self._parties = parties
        self._scales = scales
        self._send = send
        self._stepped = stepped
        self._hosted = hosted
        self._books: dict[str, AggregatedBook] = {}
        self._subscribed: dict[str, list[_Subscription]] = {}

    # -- requests -----------------------------------------------------------------------------------------------------
    def request(self, party: Counterparty, message: Message) -> None:
        """Handle a MarketDataRequest (V)."""
        try:
            if party.uses_private_tags:
                self._follow(party, message)
            else:
                self._subscribe(party, message)
        except RefusedError as refused:
            fields = [(t.MD_REQ_ID, message.get(t.MD_REQ_ID)), (t.MD_REJ_REASON, refused.reason)]
            self._send(
                party, t.MARKET_DATA_REJECT, [*fields, (t.TEXT, one_line(refused.text))], True
            )

    def forget(self, party: Counterparty, request: str = "") -> None:
        """End a counterparty's subscription; without a name, all of them."""
        for instrument, subscriptions in self._subscribed.items():
            self._subscribed[instrument] = [
                subscription
                for subscription in subscriptions
                if subscription.party is not party
                or (request and subscription.view.request != request)
            ]

    def _symbols(self, party: Counterparty, message: Message) -> list[str]:
        listed = own_dictionary(party.login.begin).entries(message, t.NO_RELATED_SYM)
        symbols = [entry.get(t.SYMBOL) for entry in listed]
        for instrument in symbols:
            if instrument not in self._scales:
                raise RefusedError("instruments that are listed here", f"55={instrument[:40]}", "0")
        return symbols

    def _follow(self, party: Counterparty, message: Message) -> None:
        """Order by order, to a peer with our tags."""
        if message.get(t.SUBSCRIPTION) == "2":
            for instrument in self._symbols(party, message):
                party.wanted.pop(instrument, None)
                party.followed.pop(instrument, None)
            return
        for instrument in self._symbols(party, message):
            party.followed.pop(instrument, None)
            party.wanted[instrument] = message.get(t.MD_REQ_ID)
            self._venue.subscribe(instrument)

    def _subscribe(self, party: Counterparty, message: Message) -> None:
        """By price level."""
        request = message.get(t.MD_REQ_ID)
        subscription_type = message.get(t.SUBSCRIPTION)
        if subscription_type == "2":
            self.forget(party, request)
            return
        if any(
            subscription.view.request == request and subscription.party is party
            for subscriptions in self._subscribed.values()
            for subscription in subscriptions
        ):
            raise RefusedError("a name of its own for each request", f"262={request[:40]}", "1")
        depth = message.integer(t.MARKET_DEPTH)
        if depth < 0:
            raise RefusedError(
                "264 of 0, the whole book, or more", f"264={message.get(t.MARKET_DEPTH)[:40]}", "5"
            )
        if message.get(t.AGGREGATED, "Y") != "Y":
            raise RefusedError("266=Y, books by price level", "266=N", "7")
        listed = own_dictionary(party.login.begin).entries(message, t.NO_ENTRY_TYPES)
        types = frozenset(entry.get(t.ENTRY_TYPE) for entry in listed)
        if not types or not types <= ENTRY_TYPES:
            raise RefusedError(
                "269 of 0, 1 or 2", f"269={','.join(sorted(types - ENTRY_TYPES))}", "8"
            )
        full_refresh = message.get(t.UPDATE_TYPE, "0" if subscription_type == "0" else "1") == "0"
        for instrument in self._symbols(party, message):
            view = AggregatedView(request, instrument, depth, types, full_refresh)
            self._begin(instrument, _Subscription(party, view, lasts=subscription_type == "1"))

    def _begin(self, instrument: str, subscription: _Subscription) -> None:
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = AggregatedBook()
            self._venue.subscribe(instrument)
        self._subscribed.setdefault(instrument, []).append(subscription)
        if book.ready:
            self._send_snapshot(instrument, subscription)

    def _send_snapshot(self, instrument: str, subscription: _Subscription) -> None:
        self._send(
            subscription.party,
            *subscription.view.snapshot(self._books[instrument], self._scales[instrument]),
            True,
        )
        subscription.began = True
        if not subscription.lasts:
            self._subscribed[instrument].remove(subscription)

    def list(self, party: Counterparty, message: Message) -> None:
        """Handle a SecurityListRequest (x)."""
        request = message.get(t.SECURITY_REQ_ID)
        if party.uses_private_tags:
            shapes = {}
            venue = self._venue
            if (depth := venue.capabilities.depth) is not None:
                shapes = {
                    instrument: (depth.width(instrument), depth.feed_levels(instrument))
                    for instrument in self._scales
                }
            listed = translate.listings_out(
                venue.listings(), request, self._stepped, venue.now_ns, shapes
            )
            if venue.capabilities.quotes is not None:
                listed = [(t.QUOTES, "Y"), *listed]
            self._send(party, t.SECURITY_LIST, listed, False)
            return
        scope = message.get(t.SECURITY_LIST_TYPE)
        symbol = message.get(t.SYMBOL)
        listings = [
            listing
            for listing in self._venue.listings()
            if scope == _ALL_LISTED or listing.instrument == symbol
        ]
        result = "0" if listings else "2"
        if scope not in (_ALL_LISTED, _ONE_LISTED):
            listings = []
            result = "1"
        head = [
            (t.SECURITY_REQ_ID, request),
            (acceptor.SECURITY_RESPONSE_ID, request),
            (acceptor.SECURITY_RESULT, result),
        ]
        host = self._hosted.get(party.login.comp_id)
        plain = [
            [(t.SYMBOL, listing.instrument), (t.ROUND_LOT, str(listing.lot))]
            for listing in listings
        ]
        entries = plain if host is None else [host.entry(listing) for listing in listings]
        count = (
            [(acceptor.TOTAL_SYMBOLS, str(len(entries))), (t.NO_RELATED_SYM, str(len(entries)))]
            if entries
            else []
        )
        self._send(
            party,
            t.SECURITY_LIST,
            [*head, *count, *(pair for entry in entries for pair in entry)],
            False,
        )

    # -- what the venue reports ---------------------------------------------------------------------------------------
    def publish(self, change: o.MarketRows) -> None:
        """Send a book's change to its subscribers; a snapshot to those waiting for one."""
        instrument = change.instrument
        scale = self._scales[change.instrument]
        for party in self._parties.values():
            if change.snapshot and instrument in party.wanted:
                party.followed[instrument] = party.wanted.pop(instrument)
            elif change.snapshot or instrument not in party.followed:
                continue
            for kind, body in translate.market_out(change, party.followed[instrument], scale):
                self._send(party, kind, body, True)
        if (book := self._books.get(instrument)) is None:
            return
        touched, trades = book.apply(change)
        for subscription in list(self._subscribed.get(instrument, ())):
            if subscription.began:
                for kind, fields in subscription.view.change(book, touched, trades, scale):
                    self._send(subscription.party, kind, fields, True)
            elif book.ready:
                self._send_snapshot(instrument, subscription)
