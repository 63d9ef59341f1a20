"""The question to a FIX server, before a logon and on a connection of its own, whether it is a simulated exchange.

A venue that does not know this message refuses the connection, as its first message is no Logon.
"""

import socket
from typing import Final

from tercel.core.simulated import proof
from tercel.fix import tags as t
from tercel.fix.protocol.codec import Decoder, encode
from tercel.fix.protocol.message import Message

_HEAD: Final = ((t.SEQ_NUM, "1"), (t.SENDER, "TERCEL"), (52, "20000101-00:00:00"), (t.TARGET, "TERCEL"))
"""What every message of FIX has, so that any venue can read this one, and refuse it."""


def answered(data: bytes) -> bytes:
    """The answer to a connection's first bytes, where they are the question; else nothing."""
    asked = [one for one in Decoder().feed(data) if isinstance(one, Message) and one.kind == t.SIMULATED]
    return _message(t.PROOF, proof("fix", asked[0].get(t.NONCE))) if asked else b""


def proves(host: str, port: int, nonce: str, seconds: float) -> bool:
    """Whether the server at an address proves to be a simulated exchange.

    Raises
    ------
    OSError
        Nobody listens there, or answers in time.
    """
    wanted = _message(t.PROOF, proof("fix", nonce))
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(_message(t.NONCE, nonce))
        return link.recv(len(wanted), socket.MSG_WAITALL) == wanted


def _message(tag: int, text: str) -> bytes:
    return encode("FIX.4.4", [(t.MSG_TYPE, t.SIMULATED), *_HEAD, (tag, text)])
