"""Common parts of all FIX dialects, and the dialect of Tercel's own venues, with its private extension of FIX.

Market data: one row is one entry of W (snapshot) or X (increment), 269 side, 278 the order (37 in W, which has no
278), 270 price, 271 the row's own quantity, 279 the action; tags of our own hold the row's kind (20004), its time to
the nanosecond (20001) and the aggressor (20005):

    35=X|262=M2-1|268=1|279=0|278=17|55=XYZ|269=0|270=10.05|271=300|20001=1700000000000000001|20004=0|

Proof: U3 (`35=U3|58=NONCE`), before a logon and on a connection of its own, asks whether a server is a simulated
exchange. A venue that does not know it refuses the connection, as its first message is no Logon.
"""

import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.errors import TercelError, VenueError, check_known
from tercel.core.installation import proof
from tercel.core.quotes import QuoteReject, QuoteRequest
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t, translate
from tercel.fix.protocol.dictionary import Dictionary, read_toml
from tercel.fix.protocol.message import (
    GROUP_OUT_OF_ORDER,
    INCORRECT_VALUE,
    INVALID_TAG,
    NO_VALUE,
    NOT_IN_MESSAGE,
    OUT_OF_ORDER,
    REASONS,
    WRONG_COUNT,
    Message,
    encode,
    utc_text,
)
from tercel.fix.protocol.settings import SessionEvent
from tercel.fix.translate import PLAIN, Fields, PriceScale, RefusedError, scales

_FILES = {"FIX.4.2": "own42.toml", "FIX.4.4": "own44.toml"}


@lru_cache
def own_dictionary(version: str) -> Dictionary:
    """Dictionary of a version with this package's extensions.

    Raises
    ------
    UnknownNameError
        For another version.

    >>> "U1" in own_dictionary("FIX.4.4").messages, 554 in own_dictionary("FIX.4.2").messages["A"].block.members
    (True, True)
    """
    check_known(version, _FILES)
    return read_toml(
        (files(__package__) / _FILES[version]).read_text(encoding="utf-8"), _FILES[version]
    )


def answered(data: bytes) -> bytes:
    """The answer to a connection's first bytes, where they are the question; else nothing."""
    nonce = data.rpartition(b"\x0158=")[2].partition(b"\x01")[0].decode("ascii", "replace")
    return _message(proof("fix", nonce)) if data == _message(nonce) else b""


def proves(host: str, port: int, nonce: str, seconds: float) -> bool:
    """Whether the server at an address proves to be a simulated exchange.

    Raises
    ------
    OSError
        No server listens there, or answers in time.
    """
    wanted = _message(proof("fix", nonce))
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(_message(nonce))
        return link.recv(len(wanted), socket.MSG_WAITALL) == wanted


def _message(text: str) -> bytes:
    """Bytes of a U3 with the header of any FIX message, so that any venue can parse and refuse it."""
    head = [(t.SEQ_NUM, "1"), (t.SENDER, "TERCEL"), (52, "20000101-00:00:00"), (t.TARGET, "TERCEL")]
    return encode("FIX.4.4", [(t.MSG_TYPE, t.SIMULATED), *head, (t.TEXT, text)])


def market_in(message: Message, scale: PriceScale) -> Ints:
    """int64 (n, 7) rows of the entries in a W or X message.

    Raises
    ------
    RefusedError, ValueError, KeyError
        For entries that cannot be read.
    """
    snapshot = message.kind == t.SNAPSHOT
    parts = _parts(message, t.ENTRY_TYPE if snapshot else t.UPDATE_ACTION)
    rows = np.empty((len(parts), o.MARKET_WORDS), np.int64)
    name = t.ORDER_ID if snapshot else t.ENTRY_ID
    prices: dict[str, int] = {}
    for n, tags in enumerate(parts):
        price = tags[t.ENTRY_PX]
        if price not in prices:
            prices[price] = scale.ticks(price)
        rows[n, o.M_NS], rows[n, o.M_KIND] = int(tags[t.EXACT_NS]), int(tags[t.ROW_KIND])
        rows[n, o.M_ID] = int(tags[name])
        rows[n, o.M_SIDE] = _SIDES.get(tags[t.ENTRY_TYPE], 0)
        rows[n, o.M_PRICE], rows[n, o.M_LOTS] = prices[price], scale.lots(tags[t.ENTRY_SIZE])
        rows[n, o.M_AGGRESSOR] = int(tags.get(t.AGGRESSOR, "-1"))
    return rows


_SIDES = {"0": BUY, "1": SELL}


def _parts(message: Message, first: int) -> list[dict[int, str]]:
    """Entries of a message's one repeating group, which begin with a tag."""
    fields = message.fields
    starts = [n for n, (tag, _) in enumerate(fields) if tag == first]
    return [dict(fields[start:stop]) for start, stop in pairwise([*starts, len(fields)])]


Shape = tuple[int, int]
"""Width of an instrument's book and levels of its feed."""


def listings_in(message: Message) -> list[o.Listing]:
    """Listings of a security list.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _parts(message, t.SYMBOL)]


def shapes_in(message: Message) -> dict[str, Shape]:
    """Book width and depth of those instruments of a security list that state them."""
    return {
        one[t.SYMBOL]: (int(one[t.BOOK_WIDTH]), int(one[t.FEED_LEVELS]))
        for one in [one for one in _parts(message, t.SYMBOL) if t.BOOK_WIDTH in one]
    }


def _listing(tags: Mapping[int, str]) -> o.Listing:
    maker, taker, maker_rate, taker_rate = (
        int(part) for part in tags.get(t.VENUE_FEES, "0,0,0,0").split(",")
    )
    return o.Listing(
        instrument=tags[t.SYMBOL],
        tick=float(tags[t.TICK]),
        lot=int(tags[t.LOT]),
        volume_per_s=float(tags[t.VOLUME_PER_S]),
        dense_ids=int(tags[t.DENSE_IDS]),
        began_ns=int(tags[t.BEGAN_NS]),
        answers=tags[t.ANSWERS] == "Y",
        maker_fee=maker,
        taker_fee=taker,
        maker_rate=maker_rate,
        taker_rate=taker_rate,
    )


# Commands that are remembered by number, to know what a session reject refuses.
_REMEMBERED: Final = 4096


@dataclass(frozen=True)
class OutgoingMessage:
    """A message about to be sent.

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


CHECKED: Final[Mapping[str, Collection[int]]] = {
    "known_tags": {INVALID_TAG, NOT_IN_MESSAGE},
    "known_values": {INCORRECT_VALUE},
    "have_values": {NO_VALUE},
    "fields_in_order": {OUT_OF_ORDER},
    "groups": {GROUP_OUT_OF_ORDER, WRONG_COUNT},
    "validated": REASONS,
}
"""Reasons of a Reject (373) for which, by a key of [session] that is false, nothing is rejected."""
# What a report cannot be booked without, whatever a profile lets in: CumQty, LastPx, LastQty, OrdStatus, ExecType.
_ESSENTIAL: Final = frozenset({14, 31, 32, 39, 150})


def refused(event: SessionEvent, own_name: Callable[[str], str], now: int) -> o.Unread:
    """The message that the session could not process, with the order it names, and the key of a profile that takes it."""
    message = event.message
    if message is None:
        return o.Unread(event.raw.decode("utf-8", "replace"), event.text, now)
    why = f"the session refused message {message.number}: {event.text}"
    fault = event.fault
    if fault is not None and fault.tag is not None:
        values = dict.fromkeys(value[:40] for tag, value in message.fields if tag == fault.tag)
        why += f" ({', '.join(f'{fault.tag}={value}' for value in values) or fault.tag})"
        key = next(key for key, reasons in CHECKED.items() if fault.reason in reasons)
        if key != "validated" and not (message.kind == "8" and fault.tag in _ESSENTIAL):
            why += f"; a profile with {key} = false under [session] takes it"
    return o.Unread(
        raw(message),
        why,
        now,
        own_name(message.get(t.CL_ORD_ID)),
        message.get(t.ACCOUNT),
        place(message),
    )


def place(message: Message) -> str:
    """Instrument of a message that cannot be read; "" where it is neither of an order nor of market data, so that none was
    missed."""
    return (
        message.get(t.SYMBOL)
        if t.CL_ORD_ID in message or message.kind in (t.SNAPSHOT, t.INCREMENT)
        else ""
    )


Sent = o.Command | QuoteRequest | o.Report | o.CancelReject | o.Unread


class RejectTracker:
    """Sent messages by sequence number, to resolve rejects of them."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent | None] = {}
        self.spoilt: list[str] = []
        """Instruments whose market data is to be requested again."""
        self.again: list[o.Command] = []
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
        if isinstance(command, QuoteRequest):
            where = "", command.instrument, command.account, now_ns
            return QuoteReject(command.id, *where, text)
        if command is not None:
            return o.LinkStatus(True, now_ns, f"the venue does not take our answer: {text}")
        return PendingFault(VenueError("a message that the venue takes", text, "check the request"))


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

    # -- outgoing -----------------------------------------------------------------------------------------------------
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

    # -- incoming -----------------------------------------------------------------------------------------------------
    def read(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        """Events of a message, with its number. Repeated reports wait for the security list."""
        if message.kind == t.EXECUTION_REPORT and not self.scales:
            self._unread.append(message)
            return []
        items: list[tuple[int, Item]] = []
        if message.kind == t.SECURITY_LIST:
            with suppress(ValueError, KeyError):  # reported below
                self.shapes = shapes_in(message)
                self.scales.update(scales({one.instrument: one for one in listings_in(message)}))
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
                    tuple(listings_in(message)),
                    tags[t.STEPPED] == "Y",
                    tags.get(t.QUOTES) == "Y",
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
                        "market data", tags.get(t.TEXT, "none"), "subscribe to listed instruments"
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
        parts.append(market_in(message, self.scales[instrument]))
        if message.says(t.CONTINUES):
            return []
        rows = np.concatenate(parts)
        parts.clear()
        return [o.MarketRows(instrument, rows, message.kind == t.SNAPSHOT)]


def raw(message: Message) -> str:
    """A message as text without its framing fields."""
    return "".join(f"{tag}={value}{t.SOH}" for tag, value in message.fields)
