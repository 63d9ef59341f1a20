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


def reading(plain: socket.socket | ssl.SSLSocket) -> Callable[[], None]:
    """Wait a moment for something to read: the other side works by itself."""

    def turn() -> None:
        if plain.fileno() >= 0:
            select.select([plain], [], [], POLL_S)

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
        self.outside, self._wall, self._fixed_ns = outside, wall, 0
        self.address: Address = bench.address
        session = bench.terms.profile.session
        self.names, self.asks_for = (NAMES[1], NAMES[0]), ("TINY", "10", "4.50")
        self.head: Pairs = ()
        if outside:
            self.prefix = f"C{wall() // 1000:x}-"
            self.names, self.asks_for = (
                (session.sender or NAMES[1], session.target or NAMES[0]),
                order_of(bench.terms),
            )
            self.head = [(int(tag), value) for tag, value in session.header.items()]

    @property
    def effects(self) -> list[str]:
        """Orders that it took: those that were reported as new, for the first time."""
        reports = [
            one for peer in self.peers for one in peer.heard if one.kind == "8" and not one.again
        ]
        return [one.get(11) for one in reports if one.get(150) in ("0", "A") and one.get(20) != "3"]

    def had(self, names: list[str], what: str, last: int = 0) -> None:
        """See `Stage`: reports of orders come when the venue has them, which may be after a heartbeat's answer."""
        until = time.monotonic() + PATIENCE_S
        while (
            self.effects[-last:] != names
            and time.monotonic() < until
            and not all(one.ended for one in self.peers)
        ):
            for peer in self.peers:
                if not peer.ended:
                    peer.look()
        super().had(names, what, last)

    def kept(self) -> tuple[Path | None, str]:
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
            plain: socket.socket | ssl.SSLSocket = socket.create_connection(
                (self.address.host, self.address.port), _CONNECT_S
            )
            if (tls := self.bench.terms.tls()) is not None:
                plain = tls.client().wrap_socket(
                    plain, server_hostname=tls.server_name or self.address.host
                )
        except OSError as error:
            raise VenueError(
                f"an acceptor at {self.address}", f"{error}", "start it, or mend the address"
            ) from None
        who = names if names[0] else self.names
        peer = Peer(plain, self.begin, who, log or self.log, self.now_ns, reading(plain))
        peer.head, peer.rounds = self.head, 2
        self.peers.append(peer)
        return peer

    def logon(self, number: int | None, reset: bool, heartbeat: int, more: Pairs) -> Pairs:
        """See `Stage`, with what the profile adds."""
        body = super().logon(number, reset, heartbeat, more)
        if not self.outside:
            return body
        settings = self.bench.terms.settings(self.names[0])
        made = settings.logon_fields
        self._fixed_ns = self._wall()
        return [
            *body,
            *(made(stamp(self._fixed_ns), number or self.log.number) if made is not None else ()),
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


def must_listen(address: Address) -> None:
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
    first = terms.symbols[0]
    return (
        first.name,
        format(Decimal(str(first.lot)) * _LOTS, "f"),
        format(Decimal(str(first.tick)), "f"),
    )
