"""Sockets: packets in, requests out, accepted messages into a capture, until the session ends or someone stops it."""

import ipaddress
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tercel.core.errors import VenueError
from tercel.core.ports import Clock
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.moldudp.capture import MoldCapture
from tercel.feeds.moldudp.sequencer import Sequencer, request

RECEIVE_BYTES: Final = 32 << 20
"""Socket buffer asked for; the system may give less."""
BATCH: Final = 512
"""Packets read before what they bring is written."""
SYNC_NS: Final = NS_PER_SECOND


class PacketOutcome(StrEnum):
    """How a recording ended."""

    ENDED = "ended"
    STOPPED = "stopped"


@dataclass(frozen=True)
class MulticastLink:
    """Where packets come from and requests go.

    Parameters
    ----------
    port : int
        UDP port to listen on.
    group : str or None
        Multicast group to join.
    host : str
        Address to listen on; with a group, of the interface to join it on.
    rewinder : (str, int) or None
        Address of the request server; None asks nobody, and a gap then ends the recording.
    silence_s, patience_s : float
        Seconds without a packet, and without the messages that are missing, before the recorder gives up.
    """

    port: int
    group: str | None = None
    host: str = "0.0.0.0"
    rewinder: tuple[str, int] | None = None
    silence_s: float = 30.0
    patience_s: float = 10.0


def open_socket(link: MulticastLink) -> socket.socket:
    """A socket that receives the link.

    Raises
    ------
    VenueError
        When the address cannot be had or the group is none.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        if link.group is None:
            sock.bind((link.host, link.port))
        else:
            if not ipaddress.ip_address(link.group).is_multicast:
                raise ValueError(f"{link.group} is no multicast group")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", link.port))
            joined = socket.inet_aton(link.group) + socket.inet_aton(link.host)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        sock.setblocking(False)
    except (OSError, ValueError, struct.error) as error:
        sock.close()
        where = f"{link.group or link.host}:{link.port}"
        raise VenueError(
            f"to listen on {where}", str(error), "check address, port and rights"
        ) from error
    return sock


class Receiver:
    """Records one session into a capture.

    Parameters
    ----------
    link : Link
        Where from.
    capture : MoldCapture
        Where to; its session and number of messages are where to go on from.
    clock : Clock
        For waiting times.
    """

    def __init__(self, link: MulticastLink, capture: MoldCapture, clock: Clock) -> None:
        self.link = link
        self.capture = capture
        self.sequencer = Sequencer(capture.session, capture.messages + 1)
        self._clock = clock
        self._heard_ns = self._moved_ns = self._synced_ns = clock.now_ns()

    def run(self, stopping: Callable[[], bool]) -> PacketOutcome:
        """Record until the session ends or `stopping` is true.

        Raises
        ------
        VenueError
            When the feed falls silent, missing messages do not come, or the address cannot be had. What was accepted
            stays in the capture.
        """
        with open_socket(self.link) as sock:
            self._heard_ns = self._moved_ns = self._clock.now_ns()
            try:
                while not self.sequencer.ended:
                    if stopping():
                        return PacketOutcome.STOPPED
                    self._once(sock)
                return PacketOutcome.ENDED
            finally:
                self.capture.sync()

    def _once(self, sock: socket.socket) -> None:
        wait = 0.002 if self.sequencer.missing else 0.1
        ready, _, _ = select.select([sock], [], [], wait)
        if ready:
            self._drain(sock)
        now = self._clock.now_ns()
        self._ask(sock, now)
        self._lose_patience(now)
        if now - self._synced_ns >= SYNC_NS:
            self.capture.sync()
            self._synced_ns = now

    def _drain(self, sock: socket.socket) -> None:
        sequencer, before = self.sequencer, self.sequencer.expected
        packets = sequencer.counts.packets
        pieces: list[bytes] = []
        now = self._clock.now_ns()
        if not sequencer.missing:
            self._moved_ns = now
        for _ in range(BATCH):
            try:
                data = sock.recv(65_535)
            except BlockingIOError:
                break
            except (
                ConnectionRefusedError
            ):  # the request server is not there yet; the next request asks again
                continue
            piece = sequencer.take(data, now)
            if piece:
                pieces.append(piece)
        if pieces:
            assert sequencer.session is not None
            self.capture.set_session(sequencer.session)
            self.capture.append(b"".join(pieces), sequencer.expected - before)
            self._moved_ns = now
            if sequencer.missing:
                sequencer.progressed(now)
        if sequencer.counts.packets > packets:  # of this session
            self._heard_ns = now

    def _ask(self, sock: socket.socket, now: int) -> None:
        if self.link.rewinder is None or self.sequencer.session is None:
            return
        for first, count in self.sequencer.wanted(now):
            try:
                sock.sendto(request(self.sequencer.session, first, count), self.link.rewinder)
            except OSError:  # a full buffer, a server that is away: asked again later
                return

    def _lose_patience(self, now: int) -> None:
        s, link = self.sequencer, self.link
        remedy = f"the {self.capture.messages:,} messages before are in {self.capture.path}: go on with `resume=True`"
        if s.missing and now - self._moved_ns > link.patience_s * NS_PER_SECOND:
            who = (
                f"{link.rewinder[0]}:{link.rewinder[1]}"
                if link.rewinder
                else "anyone, since no `request=` is given"
            )
            received = f"no message {s.expected:,} (of {s.last_known:,}) in {link.patience_s:g} s from {who}"
            raise VenueError("messages without a gap", received, remedy)
        if now - self._heard_ns > link.silence_s * NS_PER_SECOND:
            foreign = f", {s.counts.foreign:,} of other sessions" if s.counts.foreign else ""
            received = f"none for {link.silence_s:g} s after {s.counts.packets:,}{foreign}"
            raise VenueError(f"packets on port {link.port}", received, remedy)
