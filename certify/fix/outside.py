"""An acceptor in another process: somebody else's, or ours to be killed. Everything runs by the time of day."""

import select
import socket
import ssl
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from certify.fix.case import Bench, MissedError
from certify.fix.stage import AcceptorStage, Stage
from certify.fix.terms import NAMES
from certify.fix.wire import PATIENCE_S, Pairs, Peer, WireLog, stamp
from tercel.core import ConfigError, VenueError
from tercel.fix import Address, ProfileTerms

POLL_S: Final = 0.005
"""How long a look waits for something to come."""
_CONNECT_S: Final = 5.0
_LOTS: Final = 10
_QUICK_S: Final = 5


def readable_waiter(sock: socket.socket | ssl.SSLSocket) -> Callable[[], None]:
    """Wait a moment for something to read: the other side works by itself."""

    def turn() -> None:
        if sock.fileno() >= 0:
            select.select([sock], [], [], POLL_S)

    return turn


class OutsideStage(AcceptorStage):
    """An acceptor that listens at an address.

    Parameters
    ----------
    bench : Bench
        Its address says where; its profile says who logs on, and how.
    outside : bool
        Whether it is somebody else's, with a past that nobody here knows: each case begins with a reset.
    wall : callable
        ns since 1970.
    """

    def __init__(
        self, bench: Bench, outside: bool = True, wall: Callable[[], int] = time.time_ns
    ) -> None:
        Stage.__init__(self, bench)
        if bench.address is None:
            raise ConfigError("the address of an acceptor", "none", "give `host=` and `port=`")
        self.outside = outside
        self._wall = wall
        self._fixed_ns = 0
        self.address: Address = bench.address
        session = bench.terms.profile.session
        self.names = (NAMES[1], NAMES[0])
        self.resting_order = ("TINY", "10", "4.50")
        self.head: Pairs = ()
        if outside:
            self.prefix = f"C{wall() // 1000:x}-"
            self.names, self.resting_order = (
                (session.sender or NAMES[1], session.target or NAMES[0]),
                order_of(bench.terms),
            )
            self.head = [(int(tag), value) for tag, value in session.header.items()]

    @property
    def effects(self) -> list[str]:
        """Orders that it took: those that were reported as new, for the first time."""
        reports = [
            report
            for peer in self.peers
            for report in peer.heard
            if report.kind == "8" and not report.again
        ]
        return [
            report.get(11)
            for report in reports
            if report.get(150) in ("0", "A") and report.get(20) != "3"
        ]

    def expect_given(self, names: list[str], subject: str, last: int = 0) -> None:
        """See `Stage`: reports of orders come when the venue has them, which may be after a heartbeat's answer."""
        until = time.monotonic() + PATIENCE_S
        while (
            self.effects[-last:] != names
            and time.monotonic() < until
            and not all(peer_left.ended for peer_left in self.peers)
        ):
            for peer in self.peers:
                if not peer.ended:
                    peer.poll()
        super().expect_given(names, subject, last)

    def store_location(self) -> tuple[Path | None, str]:
        """See `Stage`: it is not for us to see."""
        return None, ""

    def now_ns(self) -> int:
        """The time of day."""
        return self._fixed_ns or self._wall()

    def pass_s(self, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        """See `Stage`: time passes by itself; whoever expects something waits for it."""

    @property
    def quick_s(self) -> int:
        """See `Stage`: it passes by the time of day."""
        return _QUICK_S

    def patience(self, seconds: float) -> float:
        """See `Stage`."""
        return PATIENCE_S + 3 * seconds

    def connect(self, names: tuple[str, str] = ("", ""), log: WireLog | None = None) -> Peer:
        """A connection, without a logon.

        Raises
        ------
        VenueError
            When nobody listens.
        """
        try:
            sock: socket.socket | ssl.SSLSocket = socket.create_connection(
                (self.address.host, self.address.port), _CONNECT_S
            )
            if (tls := self.bench.terms.tls()) is not None:
                sock = tls.client().wrap_socket(
                    sock, server_hostname=tls.server_name or self.address.host
                )
        except OSError as error:
            raise VenueError(
                f"an acceptor at {self.address}", f"{error}", "start it, or mend the address"
            ) from None
        who = names if names[0] else self.names
        peer = Peer(sock, self.begin, who, log or self.log, self.now_ns, readable_waiter(sock))
        peer.head = self.head
        peer.rounds = 2
        self.peers.append(peer)
        return peer

    def logon(self, number: int | None, reset: bool, heartbeat: int, more: Pairs) -> Pairs:
        """See `Stage`, with what the profile adds."""
        body = super().logon(number, reset, heartbeat, more)
        if not self.outside:
            return body
        settings = self.bench.terms.settings(self.names[0])
        logon_fields = settings.logon_fields
        self._fixed_ns = self._wall()
        return [
            *body,
            *(
                logon_fields(stamp(self._fixed_ns), number or self.log.number)
                if logon_fields is not None
                else ()
            ),
        ]

    def log_on(
        self, number: int | None = None, reset: bool = False, heartbeat: int = 0, more: Pairs = ()
    ) -> Peer:
        """See `Stage`: tried again while the last connection of the name is not forgotten."""
        until = time.monotonic() + PATIENCE_S
        while True:
            peer = self.connect()
            try:
                peer.say("A", self.logon(number, reset, heartbeat, more), number)
            finally:
                self._fixed_ns = 0
            try:
                self.answer = peer.hear()
            except MissedError:
                if not peer.ended or time.monotonic() > until:
                    raise
            else:
                if self.answer.kind == "A":
                    return peer
                raise VenueError(
                    "an answer to the Logon",
                    f"{self.answer} {self.answer.get(58)}",
                    "mend the profile",
                )
            self.log.number -= number is None
            peer.socket.close()

    def turn(self) -> None:
        """See `Stage`: it works by itself."""

    def logged_on(self) -> bool:
        """See `Stage`."""
        return bool(self.peers) and not self.peers[-1].ended

    def close(self) -> None:
        """See `Stage`: it is not ours to end. Whoever is logged on logs out."""


def check_listens(address: Address) -> None:
    """Knock once.

    Raises
    ------
    VenueError
        When nobody listens.
    """
    try:
        socket.create_connection((address.host, address.port), _CONNECT_S).close()
    except OSError as error:
        raise VenueError(
            f"an acceptor at {address}", f"{error}", "start it, or mend the address"
        ) from None


def order_of(terms: ProfileTerms) -> tuple[str, str, str]:
    """Symbol, quantity and price of an order that rests: the first symbol of the profile, at its lowest price.

    Raises
    ------
    ConfigError
        When the profile has no symbol.
    """
    if not terms.symbols:
        raise ConfigError(
            f"a [[symbol]] in {terms.name}", "none", "name one that orders may be sent for"
        )
    symbol = terms.symbols[0]
    return (
        symbol.name,
        format(Decimal(str(symbol.lot)) * _LOTS, "f"),
        format(Decimal(str(symbol.tick)), "f"),
    )
