"""MoldUDP64: numbered messages over UDP, gaps found and asked for again. Protocol and order are pure; sockets apart."""

from tercel.feeds.moldudp.capture import MoldCapture
from tercel.feeds.moldudp.receiver import MulticastLink, PacketOutcome, Receiver, open_socket
from tercel.feeds.moldudp.sequencer import (
    Header,
    Sequencer,
    SequencerCounts,
    packet,
    read_header,
    request,
)

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
]
