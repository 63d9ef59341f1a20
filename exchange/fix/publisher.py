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
    line,
    tags as t,
    tercel_dictionary as own_dictionary,
)

Send = Callable[[Counterparty, str, Fields, bool], None]
"""To whom, message type, fields, and whether it is owed an answer to its next U1."""
_ALL_LISTED, _ONE_LISTED = "4", "0"


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
            if party.own:
                self._follow(party, message)
            else:
                self._subscribe(party, message)
        except RefusedError as refused:
            fields = [(t.MD_REQ_ID, message.get(t.MD_REQ_ID)), (t.MD_REJ_REASON, refused.reason)]
            self._send(party, t.MARKET_DATA_REJECT, [*fields, (t.TEXT, line(refused.text))], True)

    def forget(self, party: Counterparty, request: str = "") -> None:
        """End a counterparty's subscription; without a name, all of them."""
        for instrument, all_ in self._subscribed.items():
            self._subscribed[instrument] = [
                one
                for one in all_
                if one.party is not party or (request and one.view.request != request)
            ]

    def _symbols(self, party: Counterparty, message: Message) -> list[str]:
        listed = own_dictionary(party.login.begin).entries(message, t.NO_RELATED_SYM)
        found = [one.get(t.SYMBOL) for one in listed]
        for instrument in found:
            if instrument not in self._scales:
                raise RefusedError("instruments that are listed here", f"55={instrument[:40]}", "0")
        return found

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
        request, what = message.get(t.MD_REQ_ID), message.get(t.SUBSCRIPTION)
        if what == "2":
            self.forget(party, request)
            return
        if any(
            one.view.request == request and one.party is party
            for all_ in self._subscribed.values()
            for one in all_
        ):
            raise RefusedError("a name of its own for each request", f"262={request[:40]}", "1")
        depth = message.whole(t.MARKET_DEPTH)
        if depth < 0:
            raise RefusedError(
                "264 of 0, the whole book, or more", f"264={message.get(t.MARKET_DEPTH)[:40]}", "5"
            )
        if message.get(t.AGGREGATED, "Y") != "Y":
            raise RefusedError("266=Y, books by price level", "266=N", "7")
        listed = own_dictionary(party.login.begin).entries(message, t.NO_ENTRY_TYPES)
        types = frozenset(one.get(t.ENTRY_TYPE) for one in listed)
        if not types or not types <= ENTRY_TYPES:
            raise RefusedError(
                "269 of 0, 1 or 2", f"269={','.join(sorted(types - ENTRY_TYPES))}", "8"
            )
        whole = message.get(t.UPDATE_TYPE, "0" if what == "0" else "1") == "0"
        for instrument in self._symbols(party, message):
            view = AggregatedView(request, instrument, depth, types, whole)
            self._begin(instrument, _Subscription(party, view, lasts=what == "1"))

    def _begin(self, instrument: str, subscription: _Subscription) -> None:
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = AggregatedBook()
            self._venue.subscribe(instrument)
        self._subscribed.setdefault(instrument, []).append(subscription)
        if book.ready:
            self._tell_whole(instrument, subscription)

    def _tell_whole(self, instrument: str, one: _Subscription) -> None:
        self._send(
            one.party, *one.view.snapshot(self._books[instrument], self._scales[instrument]), True
        )
        one.began = True
        if not one.lasts:
            self._subscribed[instrument].remove(one)

    def list(self, party: Counterparty, message: Message) -> None:
        """Handle a SecurityListRequest (x)."""
        request = message.get(t.SECURITY_REQ_ID)
        if party.own:
            shapes, venue = {}, self._venue
            if (depth := venue.capabilities.depth) is not None:
                shapes = {one: (depth.width(one), depth.feed_levels(one)) for one in self._scales}
            listed = translate.listings_out(
                venue.listings(), request, self._stepped, venue.now_ns, shapes
            )
            if venue.capabilities.quotes is not None:
                listed = [(t.QUOTES, "Y"), *listed]
            self._send(party, t.SECURITY_LIST, listed, False)
            return
        scope, symbol = message.get(t.SECURITY_LIST_TYPE), message.get(t.SYMBOL)
        listings = [
            one
            for one in self._venue.listings()
            if scope == _ALL_LISTED or one.instrument == symbol
        ]
        result = "0" if listings else "2"
        if scope not in (_ALL_LISTED, _ONE_LISTED):
            listings, result = [], "1"
        head = [
            (t.SECURITY_REQ_ID, request),
            (acceptor.SECURITY_RESPONSE_ID, request),
            (acceptor.SECURITY_RESULT, result),
        ]
        host = self._hosted.get(party.login.comp_id)
        plain = [[(t.SYMBOL, one.instrument), (t.ROUND_LOT, str(one.lot))] for one in listings]
        entries = plain if host is None else [host.entry(one) for one in listings]
        count = (
            [(acceptor.TOTAL_SYMBOLS, str(len(entries))), (t.NO_RELATED_SYM, str(len(entries)))]
            if entries
            else []
        )
        self._send(
            party,
            t.SECURITY_LIST,
            [*head, *count, *(one for entry in entries for one in entry)],
            False,
        )

    # -- what the venue reports ---------------------------------------------------------------------------------------
    def publish(self, change: o.MarketRows) -> None:
        """Send a book's change to its subscribers; a snapshot to those waiting for one."""
        instrument, scale = change.instrument, self._scales[change.instrument]
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
        for one in list(self._subscribed.get(instrument, ())):
            if one.began:
                for kind, fields in one.view.change(book, touched, trades, scale):
                    self._send(one.party, kind, fields, True)
            elif book.ready:
                self._tell_whole(instrument, one)
