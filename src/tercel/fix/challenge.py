"""The question to a FIX server, before a logon and on a connection of its own, whether it is a simulated exchange.

A venue that does not know this message refuses the connection, as its first message is no Logon.
"""

import socket

from tercel.core.installation import proof
from tercel.fix import tags as t
from tercel.fix.protocol.codec import encode


def answered(data: bytes) -> bytes:
    """The answer to a connection's first bytes, where they are the question; else nothing."""
    nonce = data.rpartition(b"\x0158=")[2].partition(b"\x01")[0].decode("ascii", "replace")
    return _message(proof("fix", nonce)) if data == _message(nonce) else b""


def proves(host: str, port: int, nonce: str, seconds: float) -> bool:
    """Whether the server at an address proves to be a simulated exchange.

    Raises
    ------
    OSError
        Nobody listens there, or answers in time.
    """
    wanted = _message(proof("fix", nonce))
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(_message(nonce))
        return link.recv(len(wanted), socket.MSG_WAITALL) == wanted


def _message(text: str) -> bytes:
    """With what every message of FIX has, so that any venue can read this one, and refuse it."""
    head = [(t.SEQ_NUM, "1"), (t.SENDER, "TERCEL"), (52, "20000101-00:00:00"), (t.TARGET, "TERCEL")]
    return encode("FIX.4.4", [(t.MSG_TYPE, t.SIMULATED), *head, (t.TEXT, text)])
