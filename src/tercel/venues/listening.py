"""A listening socket of this machine alone."""

import socket
from ipaddress import ip_address

from tercel.core.errors import ConfigError

LOOPBACK = "127.0.0.1"


def bind(port: int, host: str = LOOPBACK) -> socket.socket:
    """A listening socket, so that a port in use is reported before anything starts; port 0 takes a free one.

    Raises
    ------
    ConfigError
        When the port is taken or not allowed.
    """
    listening = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio then sends at once
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(
            f"a free port at {host}", f"port {port}: {error}", "choose another with `port=`"
        ) from None
    return listening


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("localhost.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
