"""MoldUDP64: numbered messages over UDP, gaps found and asked for again. Protocol and order are pure; sockets apart."""

from tercel.venues.moldudp.capture import Capture
from tercel.venues.moldudp.receiver import Link, Outcome, Receiver, open_socket
from tercel.venues.moldudp.sequencer import Counts, Header, Sequencer, packet, read_header, request

__all__ = [
    "Capture", "Counts", "Header", "Link", "Outcome", "Receiver", "Sequencer", "open_socket", "packet",
    "read_header", "request",
]  # fmt: skip
