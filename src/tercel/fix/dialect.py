"""Dialect of this package's own venues: their messages as events, commands as messages; and what all dialects share."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core import orders as o
from tercel.core.errors import TercelError, VenueError
from tercel.fix import extension, translate
from tercel.fix import tags as t
from tercel.fix.commands import OutgoingMessage
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.protocol.settings import SessionEvent
from tercel.fix.translate import PLAIN, Fields, PriceScale, RefusedError, scales

# Commands that are remembered by number, to know what a session reject refuses.
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """Answer that a blocking call waits for: to a U1, or the security list."""

    name: str
    ns: int = 0
    listings: tuple[o.Listing, ...] = ()
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class PendingFault:
    """An error that the next call has to raise."""

    error: TercelError


Item = o.VenueEvent | StepAnswer | PendingFault


def refused(event: SessionEvent, own_name: Callable[[str], str], now: int) -> o.Unread:
    """The message that the session could not process, with the order it names."""
    message = event.message
    if message is None:
        return o.Unread(event.raw.decode("utf-8", "replace"), event.text, now)
    return o.Unread(
        raw(message),
        f"the session refused message {message.number}: {event.text}",
        now,
        own_name(message.get(t.CL_ORD_ID)),
        message.get(t.ACCOUNT),
        message.get(t.SYMBOL),
    )


Sent = o.Command | o.Report | o.CancelReject | o.Unread


class RejectTracker:
    """Sent messages by sequence number, to resolve rejects of them."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent | None] = {}
        self.spoilt: list[str] = []
        """Instruments whose market data is to be requested again."""
        self.again: list[o.Command] = []
        """Commands to be sent as other messages: the venue does not support the first ones."""
        self.scales: dict[str, PriceScale] = {}
        self.shapes: dict[str, extension.Shape] = {}
        self.requests: dict[str, tuple[str, list[Any]]] = {}
        """Requests for market data: instrument, and the parts of a change that have come."""

    def remember(self, number: int, command: Sent | None) -> None:
        """Record a message's number with its command, or with the report it disowns."""
        self._sent[number] = command
        self._sent.pop(number - _REMEMBERED, None)

    def own_name(self, wire: str) -> str:
        """Internal name of a ClOrdID."""
        return wire

    def skipped(self, message: Message, earlier: bool) -> str:
        """Internal name of a command the venue requested again but is not resent; "": nothing follows.

        `earlier`: it was sent over an earlier connection, so that it cannot arrive any more.
        """
        return message.get(t.CL_ORD_ID)

    def asks_market(self, name: str, instrument: str) -> None:
        """Record a request for an instrument's market data; it replaces an earlier one."""
        self.requests = {key: one for key, one in self.requests.items() if one[0] != instrument}
        self.requests[name] = (instrument, [])

    def answers(self, message: o.Report | o.CancelReject | o.Unread) -> list[OutgoingMessage]:
        """DK or business reject of a report, or nothing."""
        scale = (
            self.scales.get(message.instrument, PLAIN) if isinstance(message, o.Report) else PLAIN
        )
        answer = translate.disowned_out(message, scale)
        return [] if answer is None else [OutgoingMessage(*answer, message)]

    def sent(self, number: str) -> Sent | None:
        """Command or report sent under a number."""
        return self._sent.get(int(number)) if number.isdigit() else None

    def refusal(self, number: str, text: str, now_ns: int) -> Item:
        """Event of a reject of our message, by the kind of message."""
        command = self._sent.get(int(number or 0))
        if isinstance(command, o.NewOrder):
            return o.refused(command, f"S{number}", now_ns, text)
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            return o.CancelReject(
                command.cl_ord_id, command.orig, command.account, o.OrdStatus.REJECTED, now_ns, text
            )
        if isinstance(command, o.StatusRequest | o.MassCancel):
            return o.Unread(f"{command}", f"the venue does not take it: {text}", now_ns)
        if command is not None:
            return o.LinkStatus(True, now_ns, f"the venue does not take our answer: {text}")
        return PendingFault(
            VenueError("a message that the venue takes", text, "see what was asked of it")
        )


class OwnDialect(RejectTracker):
    """Dialect of a venue of this package.

    Parameters
    ----------
    clock : callable
        ns since 1970.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self._clock = clock
        self.unrecorded = ""
        self._unread: list[Message] = []
        self._seen: set[str] = set()

    # -- what is said -------------------------------------------------------------------------------------------------
    def commands(self, command: o.Command) -> tuple[list[OutgoingMessage], str]:
        """Messages of a command; TransactTime is UTC, the venue's own time is in a private field."""
        kind, fields = translate.command_out(command, self.scales.get(command.instrument, PLAIN))
        now = utc_text(self._clock())
        dated = [(tag, now if tag == t.TRANSACT_TIME else value) for tag, value in fields]
        return [OutgoingMessage(kind, dated, command)], ""

    def market_request(self, name: str, instrument: str) -> OutgoingMessage:
        """MarketDataRequest for an instrument under a request id."""
        self.asks_market(name, instrument)
        types = (t.NO_ENTRY_TYPES, "2"), (t.ENTRY_TYPE, "0"), (t.ENTRY_TYPE, "1")
        symbols = (t.NO_RELATED_SYM, "1"), (t.SYMBOL, instrument)
        head = (t.MD_REQ_ID, name), (t.SUBSCRIPTION, "1"), (t.MARKET_DEPTH, "0")
        fields: Fields = [*head, *types, *symbols]
        return OutgoingMessage(t.MARKET_DATA_REQUEST, fields, None)

    def list_request(self, name: str) -> OutgoingMessage:
        """SecurityListRequest."""
        return OutgoingMessage(
            t.SECURITY_LIST_REQUEST, [(t.SECURITY_REQ_ID, name), (t.SECURITY_LIST_TYPE, "4")], None
        )

    # -- what is heard ------------------------------------------------------------------------------------------------
    def read(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        """Events of a message, with its number. Repeated reports wait for the security list."""
        if message.kind == t.EXECUTION_REPORT and not self.scales:
            self._unread.append(message)
            return []
        items: list[tuple[int, Item]] = []
        if message.kind == t.SECURITY_LIST:
            with suppress(ValueError, KeyError):  # reported below
                self.shapes = extension.shapes_in(message)
                self.scales.update(
                    scales({one.instrument: one for one in extension.listings_in(message)})
                )
            for earlier in self._unread:
                items += self._items(earlier, now_ns)
            self._unread.clear()
        return items + self._items(message, now_ns)

    def _items(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        kind = message.kind
        number = 0 if kind == t.BUSINESS_REJECT else message.number
        try:
            return [(number, item) for item in self._translated(message, now_ns)]
        except (TercelError, ValueError, KeyError) as error:
            if kind not in (t.STEPPED_TO, t.SECURITY_LIST):  # a call waits for these
                name = message.get(t.CL_ORD_ID) or message.get(t.ORIG_CL_ORD_ID)
                asked = self.requests.get(message.get(t.MD_REQ_ID), ("", []))[0]
                about = name, message.get(t.ACCOUNT), message.get(t.SYMBOL) if name else asked
                return [(number, o.Unread(raw(message), f"{error}", now_ns, *about))]
            trouble = VenueError(
                f"a message {kind} that can be read",
                f"{error} in {raw(message)}"[:300],
                "tell the venue",
            )
            return [(number, PendingFault(trouble))]

    def _translated(self, message: Message, now_ns: int) -> list[Item]:
        kind, tags = message.kind, dict(message.fields[::-1])
        if kind == t.EXECUTION_REPORT:
            report = translate.report_in(tags, self.scales, message.fault)
            if tags.get(t.POSS_DUP) == "Y" and report.exec_id in self._seen:
                return []  # an answer to a StatusRequest may repeat a trade; that is no duplicate
            self._seen.add(report.exec_id)
            return [report]
        if kind == t.CANCEL_REJECT:
            return [translate.cancel_reject_in(tags)]
        if kind in (t.SNAPSHOT, t.INCREMENT):
            return self._market(message)
        if kind == t.STEPPED_TO:
            return [StepAnswer(tags[t.STEP_ID], int(tags[t.EXACT_NS]))]
        if kind == t.SECURITY_LIST:
            return [
                StepAnswer(
                    tags[t.SECURITY_REQ_ID],
                    int(tags[t.EXACT_NS]),
                    tuple(extension.listings_in(message)),
                    tags[t.STEPPED] == "Y",
                )
            ]
        if kind == t.MASS_CANCEL_REPORT:
            if tags[t.MASS_CANCEL_RESPONSE] != "0":
                return []
            return [
                o.CancelReject(
                    tags.get(t.CL_ORD_ID, ""),
                    "",
                    tags.get(t.FOR_ACCOUNT, ""),
                    o.OrdStatus.REJECTED,
                    int(tags[t.EXACT_NS]),
                    tags.get(t.TEXT, ""),
                )
            ]
        if kind == t.MARKET_DATA_REJECT:
            return [
                PendingFault(
                    VenueError(
                        "market data", tags.get(t.TEXT, "none"), "subscribe to what is listed"
                    )
                )
            ]
        if kind == t.BUSINESS_REJECT:
            return [self.refusal(tags.get(t.REF_SEQ_NUM, ""), tags.get(t.TEXT, ""), now_ns)]
        raise RefusedError("a message that means something here", f"35={kind}")

    def _market(self, message: Message) -> list[Item]:
        """A change of a book, once all of its messages are here."""
        if message.get(t.MD_REQ_ID) not in self.requests:
            return []
        instrument, parts = self.requests[message.get(t.MD_REQ_ID)]
        parts.append(extension.market_in(message, self.scales[instrument]))
        if message.says(t.CONTINUES):
            return []
        rows = np.concatenate(parts)
        parts.clear()
        return [o.MarketRows(instrument, rows, message.kind == t.SNAPSHOT)]


def raw(message: Message) -> str:
    """A message as text without its framing fields."""
    return "".join(f"{tag}={value}{t.SOH}" for tag, value in message.fields)
