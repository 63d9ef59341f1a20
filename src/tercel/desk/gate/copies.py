"""Drop copy of a gate: a second, read-only FIX session that receives every execution of the venue.

What differs from the order session is alerted, and whose it is is killed. An execution that only the copy has is
booked: once, as the order session's own repetition of it has the same name.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from tercel.core.errors import VenueError
from tercel.core.orders import LinkStatus, Listing, Report, Unread, VenueEvent
from tercel.desk.trading.drop_copy import CopyBreak, CopyWatch
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.state import StateReason
from tercel.fix.client import FixVenue
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.profiles.model import SymbolTable
from tercel.fix.received import holds_session
from tercel.venues.address import address, profile_near

BREAK: Final = "drop_copy_break"
DOWN: Final = "drop_copy_down"
_PROFILE: Final = "generic-44"


class DropCopy:
    """A gate's drop copy session.

    Parameters
    ----------
    session : FixVenue
        Logged on as a drop copy.
    gateway : OrderGateway
        Of the order session.
    accounts : sequence of str
        Whose executions are compared.
    seconds : float
        How long an execution waits for its other half.
    """

    def __init__(
        self, session: FixVenue, gateway: OrderGateway, accounts: Sequence[str], seconds: float
    ) -> None:
        self._session = session
        self._gateway = gateway
        self._accounts = tuple(accounts)
        self.watch = CopyWatch(gateway.ledger.knows, seconds)

    def ours(self, events: Sequence[VenueEvent]) -> None:
        """Take an execution from the order session."""
        for event in events:
            if isinstance(event, Report):
                self.watch.ours(event)

    def turn(self) -> None:
        """Read the drop copy; alert differences and stop the agents they belong to."""
        with suppress(VenueError):  # down for long: that was said, and it comes back by itself
            for event in self._session.step(self._session.now_ns) if self._session.poll() else ():
                self._hear(event)
        for found in self.watch.look(self._accounts):
            self._break(found)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, Report):
            self.watch.copied(event)
        elif isinstance(event, LinkStatus):
            self.watch.link(event.up)
            self._gateway.alert("info" if event.up else "warning", DOWN, f"drop copy: {event.text}")
        elif isinstance(event, Unread):
            self._gateway.alert(
                "critical", BREAK, f"the drop copy cannot be read: {event.why}", agent=event.account
            )

    def _break(self, found: CopyBreak) -> None:
        mine = [account for account in found.accounts if account in self._accounts]
        for account in mine:
            self._gateway.states.add(
                StateReason.BREACH, f"drop copy: {found.text}", account, found.text
            )
        self._gateway.alert("critical", BREAK, found.text, agent=mine[0])
        if found.report is not None:
            self._gateway.receive([found.report])

    def close(self) -> None:
        """Log out."""
        self._session.close()


def copy_session(where: str, store: Path, near: Path, listings: Sequence[Listing]) -> FixVenue:
    """Log on as a drop copy. A profile without instruments uses the order session's listings for prices.

    Raises
    ------
    ConfigError
        For what is no `fix:` address.
    VenueError
        Nobody answers there, or the logon is refused.
    """
    found = address(where)
    terms = load(profile_near(found.profile or _PROFILE, near), found.user)
    return FixVenue(
        found.host,
        found.port,
        found.user,
        profile=_listed(terms, listings),
        store=store,
        reset=not holds_session(store),
    )


def _listed(terms: ProfileTerms, listings: Sequence[Listing]) -> ProfileTerms:
    if terms.symbols:
        return terms
    symbols = tuple(
        SymbolTable.model_validate({"name": one.instrument, "tick": repr(one.tick), "lot": one.lot})
        for one in listings
    )
    return replace(terms, symbols=symbols)
