"""Standard FIX dialect of venues that are not Tercel's own: commands as messages, received messages as events (reports
by `report_reader`, books by `book_messages`)."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import OrderError, TercelError, VenueError
from tercel.core.fixed_point import ceil_units
from tercel.core.link.order_memory import OrderMemory, SentOrder
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError
from tercel.core.link.shown_book import ShownBook, scaled_listing
from tercel.fix import tags as t
from tercel.fix.book_messages import change_book, refresh_book
from tercel.fix.dialect import (
    Item,
    OutgoingMessage,
    PendingFault,
    RejectTracker,
    StepAnswer,
    raw_text,
    reject_text,
)
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.report_reader import HEADLINE, ReportReader
from tercel.fix.translate import Fields, add_quote, check_name, response_out, side_code

AMEND: Final = "XAK"
CANCEL_AND_NEW: Final = "XCN"
MODE = 25033
CANCEL_NAME = 25034
"""Tags of a cancel-and-new: action if its cancel fails (1: stop), and the name of its cancel."""
_STOP_ON_FAILURE: Final = "1"
_HANDLING: Final = 21
AMEND_REJECT: Final = "XAR"
# List status, limits, session status: nothing here follows from them.
_QUIET: Final = frozenset({"N", "XLR", "h"})
_NEWS: Final = "B"
# Prices of the ring of a book: a venue does not say how far its own reaches.
_WIDTH: Final = 1024


class StandardDialect(RejectTracker):
    """Dialect of a venue that speaks standard FIX.

    Parameters
    ----------
    terms : ProfileTerms
    clock : callable
        ns since 1970.
    folder : Path, optional
        Where the names of orders are stored.
    market_terms : ProfileTerms, optional
        Of the session that has the market data, if that is another one.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        clock: Callable[[], int],
        folder: Path | None,
        market_terms: ProfileTerms | None = None,
    ) -> None:
        """Read the stored orders' names, and begin with the profile's instruments."""
        super().__init__()
        self._terms = terms
        self._clock = clock
        self._seen: set[tuple[str, str, str]] = set()
        """Reports that came: order, the venue's name of it, name of the execution."""
        self._market_terms = market_terms or terms
        names = terms.profile.names
        self.memory = OrderMemory(folder, names.letters, names.most)
        self._orders = terms.profile.orders
        self._digits = min(terms.profile.session.digits, 6)
        self._rules = terms.dictionary.messages if terms.dictionary is not None else {}
        self._unsupported: set[str] = set()
        """Message types that the venue said it does not know."""
        self._reader = ReportReader(terms, self.memory, self.scales)
        self._books: dict[str, ShownBook] = {}
        self._numbers: dict[tuple[str, str], str] = {}
        self._set_listings(
            tuple(
                scaled_listing(symbol.name, str(symbol.tick), str(symbol.lot))
                for symbol in terms.symbols
            )
        )

    def commands(self, command: o.Command) -> tuple[list[OutgoingMessage], str]:
        """Messages of a command and "", or none and why; new orders, replaces and cancels are recorded first.

        Raises
        ------
        OrderError
            For a command that the venue's messages cannot express.
        """
        if isinstance(command, o.NewOrder):
            book = self._books.get(command.instrument)
            if book is not None and not isinstance(command, o.QuotedOrder):
                rests = command.tif is not o.Tif.IOC
                book.number_sent_order(command.cl_ord_id, command.side, command.price, rests)
            sent = self.memory.record(command)
            terms = [*self._head(sent), *self._order_terms(sent, command.tif)]
            if isinstance(command, o.QuotedOrder) and self._orders.quotes == "response":
                fields = response_out(sent.wire, terms, command.quote)
                return [self._build_message(t.QUOTE_RESPONSE, fields, command)], ""
            return [self._build_message(t.NEW_ORDER, add_quote(terms, command), command)], ""
        if isinstance(command, o.ReplaceOrder):
            return [self._replace(command)], ""
        if isinstance(command, o.CancelOrder):
            return [self._cancel(self.memory.record(command), command)], ""
        if isinstance(command, o.MassCancel):
            return self._mass_cancel(command), ""
        return self._status(command)

    def own_name(self, wire: str) -> str:
        """Internal name of a ClOrdID; the ClOrdID itself if no order was sent under it."""
        sent = self.memory.by_wire.get(wire)
        return sent.name if sent is not None else wire

    def skip_command(self, message: Message, sent_earlier: bool) -> str:
        """Internal name of a command that is not resent, marked skipped if `sent_earlier`; "" if it was reported on, is
        a status request (repeated) or unknown."""
        sent = self.memory.by_wire.get(message.get(t.CL_ORD_ID))
        return (
            "" if sent is None or message.kind == t.STATUS else self.memory.skip(sent, sent_earlier)
        )

    @property
    def unrecorded(self) -> str:
        """Reason why sent orders are not stored on disk, else ""."""
        return self.memory.write_error

    def disowning_messages(
        self, message: o.Report | o.CancelReject | o.Unread
    ) -> list[OutgoingMessage]:
        """Messages that disown or reject a report, as in `RejectTracker`, but only where the venue takes them."""
        is_supported = {
            t.DONT_KNOW: self._orders.disown,
            t.BUSINESS_REJECT: self._orders.business_reject,
        }
        return [
            self._build_message(answer.kind, answer.fields, answer.about)
            for answer in super().disowning_messages(message)
            if is_supported.get(answer.kind, True) and answer.kind in self._rules
        ]

    def market_request(self, name: str, instrument: str) -> OutgoingMessage:
        """MarketDataRequest for an instrument, recorded under request id `name` in place of an earlier one.

        Raises
        ------
        VenueError
            When the profile has none.
        """
        table = self._market_terms.profile.market
        if table is None:
            raise VenueError(
                f"market data at {self._market_terms.name}",
                "none in its profile",
                "add [market] to the profile, if the venue has any",
            )
        self.record_market_request(name, instrument)
        kinds = ["0", "1", *(["2"] if table.trades and table.order == "types" else [])]
        types = [(t.NO_ENTRY_TYPES, str(len(kinds))), *((t.ENTRY_TYPE, kind) for kind in kinds)]
        symbols = [(t.NO_RELATED_SYM, "1"), (t.SYMBOL, instrument)]
        fields: list[tuple[int, str]] = [
            (t.MD_REQ_ID, name),
            (t.SUBSCRIPTION, "1"),
            (t.MARKET_DEPTH, str(table.depth)),
        ]
        fields += [(t.UPDATE_TYPE, table.update_type)] if table.update_type else []
        fields += [(t.AGGREGATED, table.aggregated)] if table.aggregated else []
        fields += [*types, *symbols] if table.order == "types" else [*symbols, *types]
        return OutgoingMessage(t.MARKET_DATA_REQUEST, fields, None)

    def list_request(self, name: str) -> OutgoingMessage | None:
        """SecurityListRequest; None where the profile lists the instruments."""
        table = self._market_terms.profile.symbols
        if table.source == "file":
            return None
        return OutgoingMessage(
            t.SECURITY_LIST_REQUEST,
            [(t.SECURITY_REQ_ID, name), (t.SECURITY_LIST_TYPE, table.list_type)],
            None,
        )

    def _build_message(self, kind: str, fields: Fields, about: object) -> OutgoingMessage:
        """A message without empty fields and those that the venue's dictionary lacks; OrderError for such a type."""
        rule = self._rules.get(kind)
        if rule is None:
            raise OrderError(
                f"35={kind} in the venue's dictionary", "none", "choose another orders.replace"
            )
        members = [(tag, value) for tag, value in fields if value and tag in rule.block.members]
        return OutgoingMessage(kind, members, about)  # type: ignore[arg-type]

    def _scale(self, instrument: str) -> PriceScale:
        """Price scale of an instrument; whole numbers where the instrument is not listed."""
        return self.scales.get(instrument, PLAIN)

    def _head(self, sent: SentOrder) -> Fields:
        """First fields of a command: ClOrdID, handling, account, symbol, side, TransactTime."""
        fields: Fields = [(t.CL_ORD_ID, check_name(sent.wire)), (_HANDLING, self._orders.handling)]
        if self._orders.account:
            fields.append((t.ACCOUNT, check_name(sent.account)))
        fields += [(t.SYMBOL, check_name(sent.instrument)), (t.SIDE, side_code(sent.side))]
        return [*fields, (t.TRANSACT_TIME, utc_text(self._clock(), self._digits))]

    def _order_terms(self, sent: SentOrder, tif: o.Tif = o.Tif.DAY) -> Fields:
        """Quantity, type, price and time in force of an order, and the profile's own fields."""
        scale = self._scale(sent.instrument)
        priced = [(t.ORD_TYPE, t.MARKET)]
        if sent.price is not None:
            priced = [(t.ORD_TYPE, t.LIMIT), (t.PRICE, scale.price(sent.price))]
        force = "" if sent.price is None and tif is o.Tif.DAY else self._orders.ioc
        force = self._orders.day if tif is o.Tif.DAY and sent.price is not None else force
        fields = [(t.ORDER_QTY, scale.quantity(sent.lots)), *priced, (t.TIME_IN_FORCE, force)]
        return fields + [(int(tag), value) for tag, value in self._orders.fields.items()]

    def _orig_fields(self, name: str) -> Fields:
        """OrigClOrdID, and the venue's OrderID where the profile wants it."""
        old = self.memory.by_name.get(name)
        number = old.order_id if old is not None and self._orders.order_id else ""
        return [(t.ORIG_CL_ORD_ID, self.memory.wire_name(name)), (t.ORDER_ID, number)]

    def _cancel(self, sent: SentOrder, about: o.Command) -> OutgoingMessage:
        """OrderCancelRequest (F) of a recorded cancel."""
        lots = self._scale(sent.instrument).quantity(sent.lots) if sent.lots else ""
        return self._build_message(
            t.CANCEL, [*self._head(sent), *self._orig_fields(sent.orig), (t.ORDER_QTY, lots)], about
        )

    def _replace(self, command: o.ReplaceOrder) -> OutgoingMessage:
        """Record a replacement and build its message, by the profile: replace, amendment, cancel and new, or cancel."""
        style = self._orders.replace
        old = self.memory.by_name.get(command.orig)
        if style == "cancel":
            sent = self.memory.record(
                o.CancelOrder(
                    command.cl_ord_id,
                    command.orig,
                    command.instrument,
                    command.side,
                    command.account,
                    0,
                )
            )
            return self._cancel(sent, command)
        sent = self.memory.record(command)
        if style == "G":
            fields = [*self._head(sent), *self._orig_fields(command.orig), *self._order_terms(sent)]
            return self._build_message(t.REPLACE, fields, command)
        base = ceil_units(old.base_qty) if old is not None else 0
        if (
            style == AMEND
            and old is not None
            and old.price == command.price
            and sent.lots - base < old.lots
        ):
            sent.base_qty = old.base_qty
            sent.lots -= base
            self.memory.write(sent)
            lots = (t.ORDER_QTY, self._scale(sent.instrument).quantity(sent.lots))
            return self._build_message(
                AMEND, [*self._head(sent), *self._orig_fields(command.orig), lots], command
            )
        # a new order has a total of its own: filled lots are not ordered again
        sent.base_qty = old.cum_qty if old is not None else 0
        sent.lots = max(sent.lots - ceil_units(sent.base_qty), 1)
        sent.swaps = self.memory.wire_name(f"{sent.name}-C")
        self.memory.write(sent)
        mode = [(MODE, _STOP_ON_FAILURE), (CANCEL_NAME, sent.swaps)]
        fields = [
            *mode,
            *self._orig_fields(command.orig),
            *self._head(sent),
            *self._order_terms(sent),
        ]
        return self._build_message(CANCEL_AND_NEW, fields, command)

    def _mass_cancel(self, command: o.MassCancel) -> list[OutgoingMessage]:
        """Record a mass cancel and build its messages: one where the venue's has the same scope, else a cancel for each
        live order."""
        targets = self.memory.live(command.account, command.instrument)
        all_live = self.memory.live("", command.instrument)
        style = self._orders.mass_cancel
        if style == "none" or t.MASS_CANCEL in self._unsupported or len(targets) < len(all_live):
            return [self._cancel(self._record_cancel(command, sent), command) for sent in targets]
        instruments = [command.instrument] if command.instrument else [""]
        if style == "symbol" and not command.instrument:
            instruments = sorted({sent.instrument for sent in targets})
        messages = []
        for instrument in instruments:
            sent = self.memory.record(command, f"-{instrument}" if len(instruments) > 1 else "")
            sent.instrument = instrument
            scope = [
                (t.MASS_CANCEL_TYPE, "1" if instrument else "7"),
                (t.SYMBOL, check_name(instrument)),
            ]
            transact_time = (t.TRANSACT_TIME, utc_text(self._clock(), self._digits))
            messages.append(
                self._build_message(
                    t.MASS_CANCEL, [(t.CL_ORD_ID, sent.wire), *scope, transact_time], command
                )
            )
        return messages

    def _record_cancel(self, command: o.MassCancel, sent: SentOrder) -> SentOrder:
        """Record the cancel of one order of a mass cancel."""
        name = f"{command.cl_ord_id}-{sent.name}"
        return self.memory.record(
            o.CancelOrder(name, sent.name, sent.instrument, sent.side, sent.account, 0)
        )

    def _status(self, command: o.StatusRequest) -> tuple[list[OutgoingMessage], str]:
        """Messages of a status request: one for all orders where the venue has it, else one an order; or why there are none."""
        if (
            not command.cl_ord_id
            and self._orders.mass_status
            and t.MASS_STATUS in self._rules.keys() - self._unsupported
        ):
            scope = [(t.MASS_STATUS_ID, f"all-{self._clock()}"), (t.MASS_STATUS_TYPE, "7")]
            return [
                self._build_message(t.MASS_STATUS, [*scope, (t.ACCOUNT, command.account)], command)
            ], ""
        if not self._orders.status or t.STATUS not in self._rules.keys() - self._unsupported:
            subject = command.cl_ord_id or "any order"
            return (
                [],
                f"the venue answers no questions: the status of {subject} is its last report, until another one comes",
            )
        names = (
            [command.cl_ord_id]
            if command.cl_ord_id
            else [order.name for order in self.memory.live(command.account)]
        )
        return [self._status_request(name, command) for name in names], ""

    def _status_request(self, name: str, command: o.StatusRequest) -> OutgoingMessage:
        """OrderStatusRequest (H) of one order."""
        sent = self.memory.by_name.get(name)
        side = side_code(sent.side if sent else 0)
        id_fields = [
            (t.CL_ORD_ID, self.memory.record_status_request(name, command.account)),
            (t.ORDER_ID, sent.order_id if sent else ""),
        ]
        instrument_fields = [(t.SYMBOL, sent.instrument if sent else t.NO_SYMBOL), (t.SIDE, side)]
        account = [(t.ACCOUNT, command.account)] if self._orders.account else []
        return self._build_message(t.STATUS, [*id_fields, *instrument_fields, *account], command)

    def read(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        """Events of a message, each with its MsgSeqNum; an unreadable one is an `Unread`, and market data are then
        requested again."""
        kind = message.kind
        number = 0 if kind == t.BUSINESS_REJECT else message.number
        try:
            return [(number, item) for item in self._items(message, now_ns)]
        except (TercelError, ValueError, KeyError, InvalidOperation) as error:
            request = self.requests.get(message.get(t.MD_REQ_ID))
            if kind in (t.SNAPSHOT, t.INCREMENT) and request is not None:
                # A change could not be read: the book is not to be trusted until a whole one comes.
                self._books[request[0]].ready = False
                self.stale_instruments.append(request[0])
            return [(number, self._reader.unread(message, error, now_ns))]

    def _items(self, message: Message, now_ns: int) -> list[Item]:
        """Events of a message, by its type."""
        kind = message.kind
        if kind == t.EXECUTION_REPORT:
            return self._reports(message, now_ns)
        if kind in (t.CANCEL_REJECT, AMEND_REJECT):
            return [self._reader.cancel_reject(message, now_ns)]
        if kind in (t.SNAPSHOT, t.INCREMENT):
            return self._market(message, now_ns)
        if kind == t.SECURITY_LIST:
            self._set_listings(self._listings_of(message))
            return [StepAnswer(message.get(t.SECURITY_REQ_ID), now_ns, self.listings)]
        if kind == t.MASS_CANCEL_REPORT:
            refused = self._reader.mass_refusal(message, now_ns)
            return [] if refused is None else [refused]
        if kind == t.MARKET_DATA_REJECT:
            instrument = self.requests.pop(message.get(t.MD_REQ_ID), ("", []))[0]
            reason = f"market data of {instrument} refused: {message.get(t.TEXT) or message.get(t.MD_REJ_REASON)}"
            return [o.Unread(raw_text(message), reason, now_ns, instrument=instrument)]
        if kind in (t.BUSINESS_REJECT, t.REJECT):
            if (command := self._mark_unsupported(message)) is not None:
                self.retries.append(command)
                return []
            return [self.refusal(message.get(t.REF_SEQ_NUM, "0"), reject_text(message), now_ns)]
        if kind == _NEWS:
            text = f"the venue says: {message.get(HEADLINE)} {message.get(t.TEXT)}".strip()
            return [o.LinkStatus(True, now_ns, text)]
        if kind in _QUIET:
            return []
        raise RefusedError("a message that means something here", f"35={kind}")

    def _mark_unsupported(self, message: Message) -> o.Command | None:
        """Mark a refused request about all orders as unsupported and return its command, to be sent by order; else None."""
        command = self.find_sent(message.get(t.REF_SEQ_NUM))
        kind = message.get(t.REF_MSG_TYPE)
        if kind not in (t.MASS_STATUS, t.MASS_CANCEL) or not isinstance(
            command, o.StatusRequest | o.MassCancel
        ):
            return None
        self._unsupported.add(kind)
        return command

    def refusal(self, number: str, text: str, now_ns: int) -> Item:
        """Event of a reject of message `number`, its order rejected in the memory too; `Unread` if it carried no command."""
        event = super().refusal(number if number.isdigit() else "0", text, now_ns)
        if isinstance(event, o.Report):
            self.memory.update(event)
        if isinstance(
            event, PendingFault
        ):  # a question of ours, or nothing of ours: no reason to stop
            return o.Unread(f"45={number}", f"the venue refused a message: {text}", now_ns)
        return event

    def _reports(self, message: Message, now_ns: int) -> list[Item]:
        """Events of an ExecutionReport, repeated ones left out; a report's changes of the book come with it."""
        items: list[Item] = []
        for report in self._reader.read_reports(message, now_ns):
            seen = report.cl_ord_id, report.order_id, report.exec_id
            if (message.is_yes(t.POSS_DUP) or message.is_yes(t.POSS_RESEND)) and seen in self._seen:
                continue
            self._seen.add(seen)
            book = self._books.get(report.instrument)
            sent = self.memory.by_name.get(report.cl_ord_id)
            quoted_order = sent is not None and bool(sent.quote)
            if book is None or quoted_order or report.exec_type is o.ExecType.STATUS:
                items.append(self._with_book_number(report, -1))
                continue
            dated = replace(
                report, ns=now_ns
            )  # the market's time is the clock's, as of all else that is shown
            gone, number, new = book.apply_report(dated)
            events = (
                book.market_rows(gone),
                self._with_book_number(report, number),
                book.market_rows(new),
            )
            items += [event for event in events if event is not None]
        return items

    def _with_book_number(self, report: o.Report, number: int) -> o.Report:
        """The report, its OrderID led by the order's number in the book (-1: the last known, if any): `N.VENUE'S`."""
        key = report.instrument, report.order_id
        if number >= 0 and report.order_id:
            self._numbers.setdefault(key, f"{number}.{report.order_id}")
        return replace(report, order_id=self._numbers.get(key, report.order_id))

    def _market(self, message: Message, now_ns: int) -> list[Item]:
        """Apply a W or X message to its book; the rows, [] if it is not requested or changes nothing."""
        table = self._market_terms.dictionary
        request = self.requests.get(message.get(t.MD_REQ_ID))
        if table is None or request is None:
            return []
        book = self._books[request[0]]
        entries = table.entries(message, t.NO_ENTRIES)
        book.as_of_ns = now_ns
        if message.kind == t.SNAPSHOT:
            return [refresh_book(book, entries, now_ns)]
        rows = change_book(book, entries, now_ns)
        return [] if rows is None else [rows]

    def _set_listings(self, scaled_listings: tuple[tuple[o.Listing, PriceScale], ...]) -> None:
        """Store the listed instruments and their scales, and begin an empty book for each."""
        self.listings = tuple(listing for listing, _ in scaled_listings)
        self.scales.update({listing.instrument: scale for listing, scale in scaled_listings})
        self.shapes = {listing.instrument: (_WIDTH, 0) for listing in self.listings}
        self._books = {
            known_listing.instrument: ShownBook(
                known_listing.instrument, self.scales[known_listing.instrument]
            )
            for known_listing in self.listings
        }

    def _listings_of(self, message: Message) -> tuple[tuple[o.Listing, PriceScale], ...]:
        """Listings and scales of a security list (y), with ticks and lots of the profile where given."""
        table = self._market_terms.profile.symbols
        rules = self._market_terms.dictionary
        profile_symbols = {symbol.name: symbol for symbol in self._terms.symbols}
        listings = []
        for entry in rules.entries(message, t.NO_RELATED_SYM) if rules is not None else ():
            name = entry.get(t.SYMBOL)
            tick = entry.get(table.tick_tag)
            lot = entry.get(table.lot_tag)
            if (symbol := profile_symbols.get(name)) is not None:
                tick = str(symbol.tick)
                lot = str(symbol.lot)
            if name and tick and Decimal(tick) > 0:
                listings.append(
                    scaled_listing(name, tick, lot if lot and Decimal(lot) > 0 else "1")
                )
        return tuple(listings)
