"""Runs the console on loopback until it is stopped."""

import socket
from typing import TYPE_CHECKING

from tercel.core.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

LOOPBACK = "127.0.0.1"


def bind(port: int, host: str = LOOPBACK) -> socket.socket:
    """A listening socket, so that a port in use is reported before anything starts; port 0 takes a free one.

    Raises
    ------
    ConfigError
        When the port is taken or not allowed.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(f"a free port at {host}", f"port {port}: {error}", "choose another with `port=`") from None
    return listening


def server_of(app: "FastAPI") -> "uvicorn.Server":
    """A server for the console; run it with `server.run(sockets=[bind(port)])`."""
    import uvicorn

    return uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
