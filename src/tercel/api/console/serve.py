"""Runs the console on loopback until it is stopped."""

from typing import TYPE_CHECKING

from tercel.venues.listening import LOOPBACK, bind

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

__all__ = ["LOOPBACK", "bind", "server_of"]


def server_of(app: "FastAPI") -> "uvicorn.Server":
    """A server for the console; run it with `server.run(sockets=[bind(port)])`.

    Addresses are those of connections: what a header says of another one is not believed.
    """
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            proxy_headers=False,
            ws="none",
            server_header=False,
        )
    )
