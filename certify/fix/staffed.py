"""A small venue with somebody at its desk, who busts, corrects, takes orders off, changes them and holds them up."""

from dataclasses import replace
from typing import Final

from certify.tiny import TinyOrder, TinyVenue
from tercel.core import ONE, ExecType, OrdStatus, Report, VenueEvent, floor_units

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
            events_by_hand = self._by_hand
            self._by_hand = []
            return events_by_hand
        queue = self._queue
        self._queue = [] if self.waits else self._queue
        events = super().step(until_ns)
        if self.waits:
            self._queue = queue
        return events

    def _report(
        self, kind: ExecType, tiny_order: TinyOrder, name: str = "", orig: str = "", **more: object
    ) -> Report:
        report = super()._report(kind, tiny_order, name, orig, **more)
        if kind is ExecType.TRADE:
            self.trades.append(report)
        elif kind is ExecType.NEW:
            self.accepted.append(report.cl_ord_id)
        return report

    # -- by hand ------------------------------------------------------------------------------------------------------
    def rebook(self, exec_id: str, lots: int = 0, price: int = 0) -> None:
        """Correct an execution; without lots it never was. What is over stays over."""
        trade = next(report for report in self.trades if report.exec_id == exec_id)
        tiny_order = self._orders[trade.cl_ord_id]
        self._events = []
        lives = tiny_order in self._book
        if lives:
            self._leave(tiny_order)
        more = lots - floor_units(trade.last_qty)
        tiny_order.cum += more
        self._hold(tiny_order, more)
        self.trades[self.trades.index(trade)] = replace(trade, last_qty=lots * ONE)
        if lives:
            tiny_order.left -= more
            tiny_order.status = OrdStatus.PARTIALLY_FILLED if tiny_order.cum else OrdStatus.NEW
            self._enter(tiny_order)
        else:
            tiny_order.status = OrdStatus.CANCELED
        self._report(
            ExecType.CORRECTED if lots else ExecType.BUSTED,
            tiny_order,
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
        tiny_order = self._orders[name]
        assert tiny_order.order is not None
        self._events = []
        self._leave(tiny_order)
        tiny_order.order = replace(tiny_order.order, lots=lots)
        tiny_order.left = lots - tiny_order.cum
        self._enter(tiny_order)
        self._report(ExecType.RESTATED, tiny_order)
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
