"""MoldUDP64: numbered messages over UDP, gaps found and asked for again. Protocol and order are pure; sockets apart."""

from tercel.venues.moldudp.capture import MoldCapture
from tercel.venues.moldudp.receiver import MulticastLink, PacketOutcome, Receiver, open_socket
from tercel.venues.moldudp.sequencer import Header, Sequencer, SequencerCounts, packet, read_header, request

__all__ = [
    "Header",
    "MoldCapture",
    "MulticastLink",
    "PacketOutcome",
    "Receiver",
    "Sequencer",
    "SequencerCounts",
    "open_socket",
    "packet",
    "read_header",
    "request",
]  # fmt: skip
