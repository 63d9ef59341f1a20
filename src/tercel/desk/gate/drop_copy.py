"""Drop copy of a gate: a second, read-only FIX session that receives every execution of the venue.

What differs from the order session is alerted, and whose it is is killed. An execution that only the copy has is
booked: once, as the order session's own repetition of it has the same name.

Reconciliation of a drop copy with the order session: every execution has to arrive over both, and agree.

    watch = CopyWatch(knows)
    watch.ours(report)                # an execution of the order session
    watch.copied(report)              # one of the copy
    for found in watch.look(): ...    # what differs, and what has waited too long for its other half

It books nothing. A copy whose other half never came is handed out with its break, for the caller to book once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import VenueError
from tercel.core.orders import (
    REBOOKS,
    ExecType,
    LinkStatus,
    Listing,
    Report,
    Unread,
    VenueEvent,
    shown,
    text,
)
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.fix.client import FixVenue
from tercel.fix.profiles import ProfileTerms, load
from tercel.fix.profiles.model import SymbolTable
from tercel.fix.store import holds_session
from tercel.venues.address import address, profile_near

WAIT_S: Final = 2.0
"""Seconds between the two halves of an execution, at most."""
_REMEMBERED: Final = 200_000


@dataclass(frozen=True, slots=True)
class CopyBreak:
    """One discrepancy between drop copy and order session.

    Parameters
    ----------
    kind : {"missing", "extra", "price", "quantity", "side", "account", "kind"}
        "missing": on the copy alone; "extra": on the order session alone.
    accounts : tuple of str
        Whose it is, by either side.
    text : str
    report : Report, optional
        The copy of an execution that is missing.
    """

    kind: str
    accounts: tuple[str, ...]
    text: str
    report: Report | None = None


class CopyWatch:
    """Matches executions of both sessions by instrument and execution id.

    Parameters
    ----------
    knows : callable
        Whether an execution was booked before the watch began: its copy needs no other half.
    seconds : float
    clock : callable
        Seconds of this machine.
    """

    def __init__(
        self,
        knows: Callable[[Report], bool] = lambda report: False,
        seconds: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._knows = knows
        self.seconds = seconds
        self._clock = clock
        self._ours: dict[tuple[str, str], tuple[Report, float]] = {}
        self._copies: dict[tuple[str, str], tuple[Report, float]] = {}
        self._paired: OrderedDict[tuple[str, str], Report] = OrderedDict()
        self._found: list[CopyBreak] = []
        self.down_since: float | None = None
        """Time, s, at which the copy went down; None while it is up. Reports missing meanwhile are no differences."""

    def ours(self, report: Report) -> None:
        """Add an execution from the order session."""
        if executes(report):
            self._meet(report, self._ours, self._copies, of_copy=False)

    def copied(self, report: Report) -> None:
        """Add an execution from the drop copy."""
        if executes(report) and not (_key(report) not in self._ours and self._knows(report)):
            self._meet(report, self._copies, self._ours, of_copy=True)

    def _meet(
        self,
        report: Report,
        own: dict[tuple[str, str], tuple[Report, float]],
        other: dict[tuple[str, str], tuple[Report, float]],
        *,
        of_copy: bool,
    ) -> None:
        key = _key(report)
        before = self._paired.get(key)
        half = other.pop(key, None)
        if half is None:
            if before is None:
                own.setdefault(key, (report, self._clock()))
            return
        here, there = (half[0], report) if of_copy else (report, half[0])
        self._found += _differences(here, there)
        self._paired[key] = here
        if len(self._paired) > _REMEMBERED:
            self._paired.popitem(last=False)

    def look(self, accounts: Collection[str]) -> list[CopyBreak]:
        """New discrepancies of these accounts; each is returned once."""
        now = self._clock()
        found = self._found
        self._found = []
        for key in [key for key, (_, since) in self._copies.items() if now - since >= self.seconds]:
            report = self._copies.pop(key)[0]
            self._paired[key] = report
            found.append(
                CopyBreak(
                    "missing", (report.account,), f"only the copy has {_text_of(report)}", report
                )
            )
        if self.down_since is None:
            for key in [
                key for key, (_, since) in self._ours.items() if now - since >= self.seconds
            ]:
                report = self._ours.pop(key)[0]
                self._paired[key] = report
                found.append(
                    CopyBreak(
                        "extra", (report.account,), f"the copy does not have {_text_of(report)}"
                    )
                )
        return [one for one in found if any(account in accounts for account in one.accounts)]

    def link(self, up: bool) -> None:
        """The drop copy connected or disconnected; on reconnect, grace times restart."""
        now = self._clock()
        self.down_since = None if up else now
        if up:
            self._ours = {key: (report, now) for key, (report, _) in self._ours.items()}


def executes(report: Report) -> bool:
    """Whether a report is an execution, its bust or its correction."""
    return report.exec_type is ExecType.TRADE or report.exec_type in REBOOKS


def _key(report: Report) -> tuple[str, str]:
    return report.instrument, report.exec_id


def _text_of(report: Report) -> str:
    what = f"{report.exec_type} {report.exec_id} of {report.instrument}"
    return f"{what}: {report.side:+d} {text(report.last_qty)} lots at {text(report.last_px)}, account {report.account}"


def _differences(here: Report, there: Report) -> list[CopyBreak]:
    accounts = tuple(dict.fromkeys((here.account, there.account)))
    pairs = {
        "kind": (here.exec_type.value, there.exec_type.value),
        "quantity": (shown(here.last_qty), shown(there.last_qty)),
        "price": (shown(here.last_px), shown(there.last_px)),
        "side": (here.side, there.side),
        "account": (here.account, there.account),
    }
    name = f"execution {here.exec_id} of {here.instrument}"
    return [
        CopyBreak(kind, accounts, f"{kind} of {name}: {ours} here, {theirs} on the copy")
        for kind, (ours, theirs) in pairs.items()
        if ours != theirs
    ]


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
            mine = [account for account in found.accounts if account in self._accounts]
            for account in mine:
                self._gateway.states.add(
                    StateReason.BREACH, f"drop copy: {found.text}", account, found.text
                )
            self._gateway.alert("critical", BREAK, found.text, agent=mine[0])
            if found.report is not None:
                self._gateway.receive([found.report])

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

    def close(self) -> None:
        """Log out."""
        self._session.close()


def copy_session(where: str, store: Path, near: Path, listings: Sequence[Listing]) -> FixVenue:
    """Log on as a drop copy. A profile without instruments uses the order session's listings for prices.

    Raises
    ------
    ConfigError
        For an address that does not begin with `fix:`.
    VenueError
        No answer there, or the logon is refused.
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
