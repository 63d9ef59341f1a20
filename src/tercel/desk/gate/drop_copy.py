"""Drop copy of a gate: a second, read-only FIX session that receives every execution of the venue.

Differences from the order session are alerted, and the agents whose orders they concern are killed. An execution that
only the copy has is booked: once, as the order session's own repetition of it has the same name.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from tercel.core.errors import VenueError
from tercel.core.orders import LinkStatus, Listing, Report, Unread, VenueEvent
from tercel.desk.gate.copy_watch import CopyWatch
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.fix.client import FixVenue
from tercel.fix.opening import open_fix_venue
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.profiles.model import SymbolTable
from tercel.fix.store import holds_session
from tercel.venues.address import parse_address, profile_near

BREAK: Final = "drop_copy_break"
DOWN: Final = "drop_copy_down"
_PROFILE: Final = "generic-44"


class DropCopy:
    """A gate's drop copy session: compares its executions with the order session's, and acts on discrepancies.

    Parameters
    ----------
    session : FixVenue
        Logged on as a drop copy.
    gateway : OrderGateway
        Of the order session.
    accounts : sequence of str
        Whose executions are compared.
    seconds : float
        Seconds that an execution waits for its counterpart on the other session.
    """

    def __init__(
        self, session: FixVenue, gateway: OrderGateway, accounts: Sequence[str], seconds: float
    ) -> None:
        self._session = session
        self._gateway = gateway
        self._accounts = tuple(accounts)
        self.watch = CopyWatch(gateway.ledger.has_execution, seconds)

    def add_own(self, events: Sequence[VenueEvent]) -> None:
        """Pass executions of the order session to the comparison."""
        for event in events:
            if isinstance(event, Report):
                self.watch.add_own(event)

    def turn(self) -> None:
        """Read the drop copy; alert discrepancies, stop the agents they belong to, book missing executions."""
        with suppress(VenueError):  # down for long: that was said, and it comes back by itself
            for event in self._session.step(self._session.now_ns) if self._session.poll() else ():
                self._handle_event(event)
        for copy_break in self.watch.take_breaks(self._accounts):
            own_accounts = [account for account in copy_break.accounts if account in self._accounts]
            for account in own_accounts:
                self._gateway.states.add(
                    StateReason.BREACH, f"drop copy: {copy_break.text}", account, copy_break.text
                )
            self._gateway.alert("critical", BREAK, copy_break.text, agent=own_accounts[0])
            if copy_break.report is not None:
                self._gateway.receive([copy_break.report])

    def _handle_event(self, event: VenueEvent) -> None:
        """Compare a report of the drop copy, or alert a change of its link or an unreadable message."""
        if isinstance(event, Report):
            self.watch.add_copy(event)
        elif isinstance(event, LinkStatus):
            self.watch.set_link(event.up)
            self._gateway.alert("info" if event.up else "warning", DOWN, f"drop copy: {event.text}")
        elif isinstance(event, Unread):
            self._gateway.alert(
                "critical", BREAK, f"the drop copy cannot be read: {event.why}", agent=event.account
            )

    def close(self) -> None:
        """Log out."""
        self._session.close()


def open_copy_session(venue: str, store: Path, near: Path, listings: Sequence[Listing]) -> FixVenue:
    """Log on as a drop copy. A profile without instruments uses the order session's listings for prices.

    Raises
    ------
    ConfigError
        For an address that does not begin with `fix:`.
    VenueError
        No answer there, or the logon is refused.
    """
    venue_address = parse_address(venue)
    terms = load(profile_near(venue_address.profile or _PROFILE, near), venue_address.user)
    return open_fix_venue(
        venue_address.host,
        venue_address.port,
        venue_address.user,
        profile=_with_symbols(terms, listings),
        store=store,
        reset=not holds_session(store),
    )


def _with_symbols(terms: ProfileTerms, listings: Sequence[Listing]) -> ProfileTerms:
    """A profile with the order session's instruments, if it names none of its own."""
    if terms.symbols:
        return terms
    symbols = tuple(
        SymbolTable.model_validate(
            {"name": listing.instrument, "tick": repr(listing.tick), "lot": listing.lot}
        )
        for listing in listings
    )
    return replace(terms, symbols=symbols)
