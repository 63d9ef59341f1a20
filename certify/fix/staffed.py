"""A small venue with somebody at its desk, who busts, corrects, takes orders off, changes them and holds them up."""

from dataclasses import replace
from typing import Final

from certify.tiny import TinyOrder, TinyVenue
from tercel.core import ONE, ExecType, OrdStatus, Report, VenueEvent, floored

SECOND: Final = "MINI"
"""An instrument beside TINY, in whose book nobody is."""


class StaffedVenue(TinyVenue):
    """What is done by hand is told with the next step. Orders are named as the venue knows them.

    >>> venue = StaffedVenue()
    >>> [one.instrument for one in venue.listings()]
    ['TINY', 'MINI']
    """

    def __init__(self) -> None:
        super().__init__(more=[SECOND])
        self.waits = False
        """Whether commands lie there until it is over."""
        self.trades: list[Report] = []
        """As they were first told."""
        self.accepted: list[str] = []
        """Names of new orders that it took."""
        self._by_hand: list[VenueEvent] = []

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See `Venue`."""
        if self._by_hand:
            said, self._by_hand = self._by_hand, []
            return said
        queue, self._queue = self._queue, [] if self.waits else self._queue
        events = super().step(until_ns)
        if self.waits:
            self._queue = queue
        return events

    def _report(
        self, kind: ExecType, one: TinyOrder, name: str = "", orig: str = "", **more: object
    ) -> Report:
        report = super()._report(kind, one, name, orig, **more)
        if kind is ExecType.TRADE:
            self.trades.append(report)
        elif kind is ExecType.NEW:
            self.accepted.append(report.cl_ord_id)
        return report

    # -- by hand ------------------------------------------------------------------------------------------------------
    def rebook(self, exec_id: str, lots: int = 0, price: int = 0) -> None:
        """Correct an execution; without lots it never was. What is over stays over."""
        trade = next(one for one in self.trades if one.exec_id == exec_id)
        one = self._orders[trade.cl_ord_id]
        self._events = []
        lives = one in self._book
        if lives:
            self._leave(one)
        more = lots - floored(trade.last_qty)
        one.cum += more
        self._hold(one, more)
        self.trades[self.trades.index(trade)] = replace(trade, last_qty=lots * ONE)
        if lives:
            one.left -= more
            one.status = OrdStatus.PARTIALLY_FILLED if one.cum else OrdStatus.NEW
            self._enter(one)
        else:
            one.status = OrdStatus.CANCELED
        self._report(
            ExecType.CORRECTED if lots else ExecType.BUSTED,
            one,
            lots=lots,
            price=price,
            ref=exec_id,
            passive=True,
        )
        self._keep()

    def call_off(self, name: str, text: str) -> None:
        """Cancel an order that nobody asked to cancel."""
        self._events = []
        self._take_out(self._orders[name], text=text)
        self._keep()

    def restate(self, name: str, lots: int) -> None:
        """An order has other lots."""
        one = self._orders[name]
        assert one.order is not None
        self._events = []
        self._leave(one)
        one.order, one.left = replace(one.order, lots=lots), lots - one.cum
        self._enter(one)
        self._report(ExecType.RESTATED, one)
        self._keep()

    def hold(self, name: str, kind: ExecType, status: OrdStatus) -> None:
        """An order is suspended, stopped, or lives as it did."""
        self._events = []
        self._orders[name].status = status
        self._report(kind, self._orders[name])
        self._keep()

    def _keep(self) -> None:
        self._flush()
        self._by_hand += self._events
