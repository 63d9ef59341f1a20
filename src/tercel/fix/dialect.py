"""Common parts of all FIX dialects: outgoing messages, rejects traced to the messages they refuse, unreadable messages."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import TercelError, VenueError
from tercel.core.link.price_scale import PLAIN, PriceScale
from tercel.core.quotes import QuoteReject, QuoteRequest
from tercel.fix import tags as t, translate
from tercel.fix.protocol.events import SessionEvent
from tercel.fix.protocol.faults import (
    GROUP_OUT_OF_ORDER,
    INCORRECT_VALUE,
    INVALID_TAG,
    NO_VALUE,
    NOT_IN_MESSAGE,
    OUT_OF_ORDER,
    REASONS,
    WRONG_COUNT,
)
from tercel.fix.protocol.message import Message
from tercel.fix.translate import Fields

Shape = tuple[int, int]
"""Width of an instrument's book and levels of its feed."""
# Commands that are remembered by number, to know what a session reject refuses.
_REMEMBERED: Final = 4096


REASONS_OF_CHECKS: Final[Mapping[str, Collection[int]]] = {
    "known_tags": {INVALID_TAG, NOT_IN_MESSAGE},
    "known_values": {INCORRECT_VALUE},
    "have_values": {NO_VALUE},
    "fields_in_order": {OUT_OF_ORDER},
    "groups": {GROUP_OUT_OF_ORDER, WRONG_COUNT},
    "validated": REASONS,
}
"""Reject reasons (373) that a false key of [session] switches off, by key."""
# What a report cannot be booked without, whatever a profile lets in: CumQty, LastPx, LastQty, OrdStatus, ExecType.
_ESSENTIAL: Final = frozenset({14, 31, 32, 39, 150})
Sent = o.Command | QuoteRequest | o.Report | o.CancelReject | o.Unread


@dataclass(frozen=True)
class OutgoingMessage:
    """A message about to be sent, with the command that it carries.

    Parameters
    ----------
    kind : str
    fields : list of (tag, value)
    about : Command or message
        The command or report that it carries.
    """

    kind: str
    fields: Fields
    about: "Sent | None"


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """Answer that a blocking call waits for: to a U1, or the security list."""

    name: str
    ns: int = 0
    listings: tuple[o.Listing, ...] = ()
    stepped: bool = False
    quotes: bool = False


@dataclass(frozen=True, slots=True)
class PendingFault:
    """An error that the next call has to raise."""

    error: TercelError


Item = o.VenueEvent | StepAnswer | PendingFault


def unread_from_event(event: SessionEvent, own_name: Callable[[str], str], now: int) -> o.Unread:
    """The `Unread` of a message that the session could not process, with its order and the key of [session] that allows it."""
    message = event.message
    if message is None:
        return o.Unread(event.raw.decode("utf-8", "replace"), event.text, now)
    text = f"the session refused message {message.number}: {event.text}"
    fault = event.fault
    if fault is not None and fault.tag is not None:
        values = dict.fromkeys(value[:40] for tag, value in message.fields if tag == fault.tag)
        text += f" ({', '.join(f'{fault.tag}={value}' for value in values) or fault.tag})"
        key = next(key for key, reasons in REASONS_OF_CHECKS.items() if fault.reason in reasons)
        if key != "validated" and not (message.kind == "8" and fault.tag in _ESSENTIAL):
            text += f"; a profile with {key} = false under [session] takes it"
    return o.Unread(
        raw_text(message),
        text,
        now,
        own_name(message.get(t.CL_ORD_ID)),
        message.get(t.ACCOUNT),
        instrument_of(message),
    )


def instrument_of(message: Message) -> str:
    """Instrument that an unreadable message is about; "" where it is neither of an order nor of market data."""
    return (
        message.get(t.SYMBOL)
        if t.CL_ORD_ID in message or message.kind in (t.SNAPSHOT, t.INCREMENT)
        else ""
    )


class RejectTracker:
    """Sent messages by sequence number, to resolve rejects of them."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent | None] = {}
        self.stale_instruments: list[str] = []
        """Instruments whose market data is to be requested again."""
        self.retries: list[o.Command] = []
        """Commands to be sent as other messages: the venue does not support the first ones."""
        self.scales: dict[str, PriceScale] = {}
        self.shapes: dict[str, Shape] = {}
        self.requests: dict[str, tuple[str, list[Any]]] = {}
        """Requests for market data: instrument, and the parts of a change that have come."""

    def remember(self, number: int, command: Sent | None) -> None:
        """Record a message's number with its command, or with the report it disowns."""
        self._sent[number] = command
        self._sent.pop(number - _REMEMBERED, None)

    def own_name(self, wire: str) -> str:
        """Internal name of a ClOrdID; here the ClOrdID itself."""
        return wire

    def skip_command(self, message: Message, sent_earlier: bool) -> str:
        """Internal name of a command requested again and not resent ("": nothing follows); here always its ClOrdID.

        `sent_earlier`: it was sent over an earlier connection, so that it cannot arrive any more.
        """
        return message.get(t.CL_ORD_ID)

    def record_market_request(self, name: str, instrument: str) -> None:
        """Record a request for an instrument's market data; it replaces an earlier one."""
        self.requests = {
            key: request for key, request in self.requests.items() if request[0] != instrument
        }
        self.requests[name] = (instrument, [])

    def disowning_messages(
        self, message: o.Report | o.CancelReject | o.Unread
    ) -> list[OutgoingMessage]:
        """Messages that disown a report (DK) or reject it (business reject); empty where FIX has none."""
        scale = (
            self.scales.get(message.instrument, PLAIN) if isinstance(message, o.Report) else PLAIN
        )
        answer = translate.disowned_out(message, scale)
        return [] if answer is None else [OutgoingMessage(*answer, message)]

    def find_sent(self, number: str) -> Sent | None:
        """Command or report sent under a number, given as text; None if unknown, forgotten or no number."""
        return self._sent.get(int(number)) if number.isdigit() else None

    def refusal(self, number: str, text: str, now_ns: int) -> Item:
        """Event of a venue's reject of message `number`, by the command sent under it; `PendingFault` if it carried none."""
        command = self._sent.get(int(number or 0))
        if isinstance(command, o.NewOrder):
            return o.refusal_report(command, f"S{number}", now_ns, text)
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            return o.CancelReject(
                command.cl_ord_id, command.orig, command.account, o.OrdStatus.REJECTED, now_ns, text
            )
        if isinstance(command, o.StatusRequest | o.MassCancel):
            return o.Unread(f"{command}", f"the venue does not take it: {text}", now_ns)
        if isinstance(command, QuoteRequest):
            quote_fields = "", command.instrument, command.account, now_ns
            return QuoteReject(command.id, *quote_fields, text)
        if command is not None:
            return o.LinkStatus(True, now_ns, f"the venue does not take our answer: {text}")
        return PendingFault(VenueError("a message that the venue takes", text, "check the request"))


def raw_text(message: Message) -> str:
    """A message as text without its framing fields."""
    return "".join(f"{tag}={value}{t.SOH}" for tag, value in message.fields)


def reject_text(message: Message) -> str:
    """Reason of a reject: Text (58), tag and codes."""
    parts = [message.get(t.TEXT)]
    for tag, word in ((371, "tag"), (373, "373"), (t.REJECT_REASON, "380"), (25016, "25016")):
        if message.get(tag):
            parts.append(f"{word}={message.get(tag)}")
    return ", ".join(part for part in parts if part)
