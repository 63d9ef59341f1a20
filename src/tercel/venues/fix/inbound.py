"""Messages of a FIX venue as events: what the initiator does with what comes in, in the engine's thread."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core import orders as o
from tercel.core.errors import TercelError, VenueError
from tercel.venues.fix import market, translate
from tercel.venues.fix import tags as t
from tercel.venues.fix.translate import PriceScale

_REMEMBERED: Final = 4096
"""Commands that are remembered by number, to know what a session reject refuses."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """The answer to a U1, or the list of instruments: what a call waits for."""

    name: str
    ns: int = 0
    listings: tuple[o.Listing, ...] = ()
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a call must raise."""

    error: TercelError


Item = o.VenueEvent | Stepped | Trouble
Sent = o.Command | o.Report | o.CancelReject | o.Unread


class Inbound:
    """Translates what a venue sends.

    Parameters
    ----------
    seen : iterable of str
        Execution ids that are known already: a report that is repeated under one is left out.
    """

    def __init__(self, seen: Iterable[str] = ()) -> None:
        self.scales: dict[str, PriceScale] = {}
        self.shapes: dict[str, market.Shape] = {}
        self.requests: dict[str, tuple[str, list[Any]]] = {}
        """Requests for market data: instrument, and the parts of a change that have come."""
        self._unread: list[tuple[int, dict[int, str]]] = []
        self._seen = set(seen)
        self._sent: dict[int, Sent | None] = {}

    def remember(self, number: int, command: Sent | None) -> None:
        """A message left under a number, with the command that it carries, or with what it disowns."""
        self._sent[number] = command
        self._sent.pop(number - _REMEMBERED, None)

    def expect(self, name: str, instrument: str) -> None:
        """Market data of an instrument comes under this request from now on."""
        self.requests = {key: one for key, one in self.requests.items() if one[0] != instrument}
        self.requests[name] = (instrument, [])

    def read(self, number: int, kind: str, tags: dict[int, str], text: str, now_ns: int) -> list[tuple[int, Item]]:
        """What a message means, with its number. Reports that are repeated before the list has come wait for it."""
        if kind == t.EXECUTION_REPORT and not self.scales:
            self._unread.append((number, tags))
            return []
        items: list[tuple[int, Item]] = []
        if kind == t.SECURITY_LIST:
            with suppress(ValueError, KeyError):  # reported below
                self.shapes = market.shapes_in(text)
                self.scales = translate.scales({one.instrument: one for one in market.listings_in(text)})
            for earlier, report in self._unread:
                items += self._items(earlier, t.EXECUTION_REPORT, report, "", now_ns)
            self._unread.clear()
        return items + self._items(0 if kind == t.BUSINESS_REJECT else number, kind, tags, text, now_ns)

    def _items(self, number: int, kind: str, tags: dict[int, str], text: str, now_ns: int) -> list[tuple[int, Item]]:
        try:
            return [(number, item) for item in self._translated(kind, tags, text, now_ns)]
        except (TercelError, ValueError, KeyError) as error:
            if kind not in (t.STEPPED_TO, t.SECURITY_LIST):  # a call waits for these
                return [(number, self._not_read(number, kind, tags, error, now_ns))]
            trouble = VenueError(f"a message {kind} that can be read", f"{error} in {tags}"[:300], "tell the venue")
            return [(number, Trouble(trouble))]

    def _not_read(self, number: int, kind: str, tags: dict[int, str], error: Exception, now_ns: int) -> o.Unread:
        """What cannot be read, with the order that it names, or the instrument whose market data it is."""
        raw = "".join(f"{tag}={value}{t.SOH}" for tag, value in {t.MSG_TYPE: kind, t.SEQ_NUM: number, **tags}.items())
        name = tags.get(t.CL_ORD_ID) or tags.get(t.ORIG_CL_ORD_ID, "")
        instrument = tags.get(t.SYMBOL, "") if name else self.requests.get(tags.get(t.MD_REQ_ID, ""), ("", []))[0]
        return o.Unread(raw, f"{error}", now_ns, name, tags.get(t.ACCOUNT, ""), instrument)

    def _translated(self, kind: str, tags: dict[int, str], text: str, now_ns: int) -> list[Item]:
        if kind == t.EXECUTION_REPORT:
            report = self._report(tags)
            if tags.get(t.POSS_DUP) == "Y" and report.exec_id in self._seen:
                return []  # an answer to a StatusRequest may repeat a trade; that is no duplicate
            self._seen.add(report.exec_id)
            return [report]
        if kind == t.CANCEL_REJECT:
            return [translate.cancel_reject_in(tags)]
        if kind in (t.SNAPSHOT, t.INCREMENT):
            return self._market(kind, tags, text)
        if kind == t.STEPPED_TO:
            return [Stepped(tags[t.STEP_ID], int(tags[t.EXACT_NS]))]
        if kind == t.SECURITY_LIST:
            listings = tuple(market.listings_in(text))
            return [Stepped(tags[t.SECURITY_REQ_ID], int(tags[t.EXACT_NS]), listings, tags[t.STEPPED] == "Y")]
        if kind == t.MASS_CANCEL_REPORT:
            if tags[t.MASS_CANCEL_RESPONSE] != "0":
                return []
            names = tags.get(t.CL_ORD_ID, ""), "", tags.get(t.FOR_ACCOUNT, "")
            return [o.CancelReject(*names, o.OrdStatus.REJECTED, int(tags[t.EXACT_NS]), tags.get(t.TEXT, ""))]
        if kind == t.MARKET_DATA_REJECT:
            return [Trouble(VenueError("market data", tags.get(t.TEXT, "none"), "subscribe to what is listed"))]
        if kind == t.BUSINESS_REJECT:
            return [self.refusal(tags.get(t.REF_SEQ_NUM, ""), tags.get(t.TEXT, ""), now_ns)]
        return []

    def _report(self, tags: dict[int, str]) -> o.Report:
        if tags.get(t.EXEC_TYPE) == "8" and tags.get(t.ORDER_ID) == t.NO_NAME:
            try:
                return translate.report_in(tags, self.scales)
            except translate.RefusedError:  # the server echoes a price or quantity that nobody can read
                tags = {tag: value for tag, value in tags.items() if tag not in (t.PRICE, t.ORDER_QTY)}
        return translate.report_in(tags, self.scales)

    def _market(self, kind: str, tags: dict[int, str], text: str) -> list[Item]:
        """A change of a book, once all of its messages are here."""
        if tags[t.MD_REQ_ID] not in self.requests:
            return []
        instrument, parts = self.requests[tags[t.MD_REQ_ID]]
        parts.append(market.market_in(kind, text, self.scales[instrument]))
        if tags.get(t.CONTINUES) == "Y":
            return []
        rows = np.concatenate(parts)
        parts.clear()
        return [o.MarketRows(instrument, rows, kind == t.SNAPSHOT)]

    def refusal(self, number: str, text: str, now_ns: int) -> Item:
        """The answer to a message of ours that was refused by the session or as a whole, in the way of its kind."""
        command = self._sent.get(int(number or 0))
        if isinstance(command, o.NewOrder):
            return o.Report(
                exec_id=f"S{number}",
                exec_type=o.ExecType.REJECTED,
                status=o.OrdStatus.REJECTED,
                cl_ord_id=command.cl_ord_id,
                orig="",
                order_id="",
                account=command.account,
                instrument=command.instrument,
                side=command.side,
                lots=command.lots,
                price=command.price,
                last_lots=0,
                last_price=0,
                cum=0,
                leaves=0,
                ns=now_ns,
                text=text,
            )
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            names = command.cl_ord_id, command.orig, command.account
            return o.CancelReject(*names, o.OrdStatus.REJECTED, now_ns, text)
        if isinstance(command, o.StatusRequest | o.MassCancel):
            return o.Unread(f"{command}", f"the venue does not take it: {text}", now_ns)
        if command is not None:
            return o.LinkStatus(True, now_ns, f"the venue does not take our answer: {text}")
        return Trouble(VenueError("a message that the venue takes", text, "see what was asked of it"))
