"""Events of an account: own orders to their tracker, balances to their watch, everything else to people."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import TercelError, VenueError
from tercel.venues.binance_venue.account_watch import AccountWatch
from tercel.venues.binance_venue.inquiry import FateInquiry
from tercel.venues.binance_venue.orders import OrderEntry
from tercel.venues.binance_venue.rest import GARBLED
from tercel.venues.binance_venue.tracker import MOST_STORED, OrderTracker
from tercel.venues.binance_venue.venue_clock import NS_PER_S, VenueClock
from tercel.venues.binance_venue.working_order import WorkingOrder

STRANGE_S: Final = 60.0
"""Least time between two reports that another program has the key, an event cannot be read, a book is lost."""


class AccountEvents:
    """Passes events of the account on.

    Parameters
    ----------
    tracker : OrderTracker
    inquiry : FateInquiry
    entry : OrderEntry
    watch : AccountWatch
    emit : callable
    clock : VenueClock
    """

    def __init__(
        self,
        tracker: OrderTracker,
        inquiry: FateInquiry,
        entry: OrderEntry,
        watch: AccountWatch,
        emit: Callable[[o.VenueEvent], object],
        clock: VenueClock,
    ) -> None:
        """Take over what the tracker reports of orders whose number came to be known, and that were revived."""
        self._tracker = tracker
        self._inquiry = inquiry
        self._entry = entry
        self._watch = watch
        self._emit = emit
        self._clock = clock
        self._strangers: dict[tuple[str, int], None] = {}
        self._stranger_due_s = 0.0
        self._unreported = 0
        self._unread_until = dict[str, float]()
        tracker.on_number = self._ask_if_strange
        tracker.on_revival = self._cancel_revived

    def process(self, data: Mapping[str, Any]) -> None:
        """Process an event of the account; one that cannot be read is reported, and its order is asked about."""
        try:
            if data.get("e") != "executionReport":
                self._watch.process(data)
            elif not self._tracker.process_event(data):
                self._report_stranger(data)
        except (TercelError, *GARBLED) as error:
            name = str(data.get("C") or data.get("c") or "")
            sent = self._tracker.memory.by_wire.get(name)
            order_names = (
                (sent.name, sent.account, sent.instrument) if sent is not None else ("", "", "")
            )
            now = self._clock.steady() / NS_PER_S
            if (wait := self._unread_until.get(order_names[0], 0.0) - now) <= 0:
                self._unread_until = {
                    name: until for name, until in self._unread_until.items() if until > now
                } | {order_names[0]: now + STRANGE_S}
                reason = f"an event that cannot be read: {error!r}"[:300]
                self._emit(
                    o.Unread(repr(dict(data))[:1000], reason, self._clock.stamp(0), *order_names)
                )
            order = self._tracker.find_by_name(sent.name) if sent is not None else None
            if order is not None and (wait <= 0 or order not in self._inquiry.open):
                self._inquiry.inquire(order, pause_s=max(wait, 0.0))

    def _ask_if_strange(self, order: WorkingOrder) -> None:
        """Request the status of an order whose events came before its number was known."""
        if (order.sent.instrument, order.number) in self._strangers:
            self._inquiry.inquire(order)

    def _cancel_revived(self, order: WorkingOrder) -> None:
        """Cancel an order that was reported as rejected and works, since no agent watches it."""
        sent = order.sent
        reason = f"an order that was reported as {sent.status} works at the venue: it is cancelled"
        self._emit(
            o.Unread(
                f"{sent.instrument} {order.number}",
                reason,
                self._clock.stamp(0),
                sent.name,
                sent.account,
            )
        )
        with suppress(VenueError):
            self._entry.withdraw(order)

    def _report_stranger(self, data: Mapping[str, Any]) -> None:
        """Report an event of an unknown order: another program trades with this key."""
        key = str(data["s"]), int(data["i"])
        if key in self._strangers:
            return
        self._strangers[key] = None
        if len(self._strangers) > MOST_STORED:
            del self._strangers[next(iter(self._strangers))]
        self._unreported += 1
        if (now := time.monotonic()) < self._stranger_due_s:
            return
        count = self._unreported
        self._unreported = 0
        self._stranger_due_s = now + STRANGE_S
        text = f"an order of this account that was not sent here: {key[0]} {key[1]}"
        earlier = f" and {count - 1} before it" if count > 1 else ""
        self._emit(
            o.Unread(
                repr(dict(data))[:1000],
                f"{text}{earlier}; another program has this key",
                self._clock.stamp(0),
            )
        )
