"""Hosts of this machine: listening sockets, and whether a name is one of its own."""

import socket
from ipaddress import ip_address

from tercel.core.errors import ConfigError

LOOPBACK = "127.0.0.1"


def bind(port: int, host: str = LOOPBACK) -> socket.socket:
    """Bind a listening socket, so that a port in use is reported before anything starts; port 0 takes a free one.

    Raises
    ------
    ConfigError
        When the port is taken or not allowed.
    """
    listener = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio then sends at once
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"a free port at {host}", f"port {port}: {error}", "choose another with `port=`"
        ) from None
    return listener


def is_loopback(host: str) -> bool:
    """Whether a host is this machine (loopback).

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("localhost.example")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
