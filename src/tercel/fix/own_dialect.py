"""FIX dialect of Tercel's own venues, with a private extension: rows of market data, steps, proof of simulation.

Market data: one row is one entry of W (snapshot) or X (increment), 269 side, 278 the order (37 in W, which has no
278), 270 price, 271 the row's own quantity, 279 the action; tags of our own hold the row's kind (20004), its time to
the nanosecond (20001) and the aggressor (20005):

    35=X|262=M2-1|268=1|279=0|278=17|55=XYZ|269=0|270=10.05|271=300|20001=1700000000000000001|20004=0|

Proof: U3 (`35=U3|58=NONCE`), before a logon and on a connection of its own, asks whether a server is a simulated
exchange. A venue that does not know it refuses the connection, as its first message is no Logon.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

import numpy as np

from tercel.core import orders as o
from tercel.core.arrays import Ints
from tercel.core.errors import TercelError, VenueError, check_known
from tercel.core.installation import simulation_proof
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError, scales
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t, translate
from tercel.fix.dialect import (
    Item,
    OutgoingMessage,
    PendingFault,
    RejectTracker,
    Shape,
    StepAnswer,
    raw_text,
)
from tercel.fix.protocol.codec import encode
from tercel.fix.protocol.dictionary import Dictionary, read_toml
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.translate import Fields

_FILES = {"FIX.4.2": "own42.toml", "FIX.4.4": "own44.toml"}


_SIDES = {"0": BUY, "1": SELL}


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


def answer_simulation_query(data: bytes) -> bytes:
    """Answer of a simulated exchange to a connection's first bytes if these ask whether it is one; else b""."""
    nonce = data.rpartition(b"\x0158=")[2].partition(b"\x01")[0].decode("ascii", "replace")
    return (
        _simulation_message(simulation_proof("fix", nonce))
        if data == _simulation_message(nonce)
        else b""
    )


def is_simulated_exchange(host: str, port: int, nonce: str, seconds: float) -> bool:
    """Whether the server at an address, asked over a new connection, proves to be a simulated exchange; OSError without
    an answer.

    Raises
    ------
    OSError
        No server listens there, or answers in time.
    """
    wanted = _simulation_message(simulation_proof("fix", nonce))
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(_simulation_message(nonce))
        return link.recv(len(wanted), socket.MSG_WAITALL) == wanted


def _simulation_message(text: str) -> bytes:
    """Bytes of a U3 message with a full FIX header, so that any venue can parse and refuse it."""
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
    parts = _group_entries(message, t.ENTRY_TYPE if snapshot else t.UPDATE_ACTION)
    rows = np.empty((len(parts), o.MARKET_COLUMNS), np.int64)
    name = t.ORDER_ID if snapshot else t.ENTRY_ID
    prices: dict[str, int] = {}
    for n, tags in enumerate(parts):
        price = tags[t.ENTRY_PX]
        if price not in prices:
            prices[price] = scale.ticks(price)
        rows[n, o.M_NS] = int(tags[t.EXACT_NS])
        rows[n, o.M_KIND] = int(tags[t.ROW_KIND])
        rows[n, o.M_ID] = int(tags[name])
        rows[n, o.M_SIDE] = _SIDES.get(tags[t.ENTRY_TYPE], 0)
        rows[n, o.M_PRICE], rows[n, o.M_LOTS] = prices[price], scale.lots(tags[t.ENTRY_SIZE])
        rows[n, o.M_AGGRESSOR] = int(tags.get(t.AGGRESSOR, "-1"))
    return rows


def _group_entries(message: Message, first_tag: int) -> list[dict[int, str]]:
    """Entries of a message's one repeating group, tags to values, each beginning at `first_tag`."""
    fields = message.fields
    starts = [n for n, (tag, _) in enumerate(fields) if tag == first_tag]
    return [dict(fields[start:stop]) for start, stop in pairwise([*starts, len(fields)])]


def listings_in(message: Message) -> list[o.Listing]:
    """Listings of a security list.

    Raises
    ------
    ValueError, KeyError
        For entries that cannot be read.
    """
    return [_listing(tags) for tags in _group_entries(message, t.SYMBOL)]


def shapes_in(message: Message) -> dict[str, Shape]:
    """Prices of a book's ring and levels of its feed (0: all), by instrument of a security list that states them."""
    return {
        entry[t.SYMBOL]: (int(entry[t.BOOK_WIDTH]), int(entry[t.FEED_LEVELS]))
        for entry in [entry for entry in _group_entries(message, t.SYMBOL) if t.BOOK_WIDTH in entry]
    }


def _listing(tags: Mapping[int, str]) -> o.Listing:
    """Listing of a security list's entry, by its tags."""
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

    def commands(self, command: o.Command) -> tuple[list[OutgoingMessage], str]:
        """The message of a command, and no note (""); TransactTime is UTC, the venue's own time is in a private field."""
        kind, fields = translate.command_out(command, self.scales.get(command.instrument, PLAIN))
        now = utc_text(self._clock())
        dated = [(tag, now if tag == t.TRANSACT_TIME else value) for tag, value in fields]
        return [OutgoingMessage(kind, dated, command)], ""

    def market_request(self, name: str, instrument: str) -> OutgoingMessage:
        """MarketDataRequest for an instrument, recorded under request id `name` in place of an earlier one."""
        self.record_market_request(name, instrument)
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

    def read(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        """Events of a message, each with its MsgSeqNum; execution reports that come before the security list wait for it."""
        if message.kind == t.EXECUTION_REPORT and not self.scales:
            self._unread.append(message)
            return []
        items: list[tuple[int, Item]] = []
        if message.kind == t.SECURITY_LIST:
            with suppress(ValueError, KeyError):  # reported below
                self.shapes = shapes_in(message)
                self.scales.update(
                    scales({listing.instrument: listing for listing in listings_in(message)})
                )
            for earlier in self._unread:
                items += self._items(earlier, now_ns)
            self._unread.clear()
        return items + self._items(message, now_ns)

    def _items(self, message: Message, now_ns: int) -> list[tuple[int, Item]]:
        """Events of a message with their MsgSeqNum; an unreadable one is an `Unread`, or a `PendingFault` if a call
        waits for it."""
        kind = message.kind
        number = 0 if kind == t.BUSINESS_REJECT else message.number
        try:
            return [(number, item) for item in self._translate(message, now_ns)]
        except (TercelError, ValueError, KeyError) as error:
            if kind not in (t.STEPPED_TO, t.SECURITY_LIST):  # a call waits for these
                name = message.get(t.CL_ORD_ID) or message.get(t.ORIG_CL_ORD_ID)
                instrument = self.requests.get(message.get(t.MD_REQ_ID), ("", []))[0]
                about = name, message.get(t.ACCOUNT), message.get(t.SYMBOL) if name else instrument
                return [(number, o.Unread(raw_text(message), f"{error}", now_ns, *about))]
            failure = VenueError(
                f"a message {kind} that can be read",
                f"{error} in {raw_text(message)}"[:300],
                "tell the venue",
            )
            return [(number, PendingFault(failure))]

    def _translate(self, message: Message, now_ns: int) -> list[Item]:
        """Events of a message, by its type."""
        kind = message.kind
        tags = dict(message.fields[::-1])
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
        """Rows of a book's change as one event once all of its messages have come; [] until then, and for an unknown request."""
        if message.get(t.MD_REQ_ID) not in self.requests:
            return []
        instrument, parts = self.requests[message.get(t.MD_REQ_ID)]
        parts.append(market_in(message, self.scales[instrument]))
        if message.is_yes(t.CONTINUES):
            return []
        rows = np.concatenate(parts)
        parts.clear()
        return [o.MarketRows(instrument, rows, message.kind == t.SNAPSHOT)]
