"""Runs the console on loopback until it is stopped."""

import asyncio
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from tercel.venues.listening import LOOPBACK, bind

__all__ = ["LOOPBACK", "bind", "server_of"]


class TimedProtocol(H11Protocol):
    """A connection that is closed where the head of a request is not here in time.

    uvicorn waits for ever for it: whoever opens connections and says half a line would hold them all.
    """

    headers_s = 10.0
    """Seconds from a connection, or from a request's first byte, to the end of its head."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self._late = self._late or self.loop.call_later(self.headers_s, self.transport.close)
        elif self._late is not None:
            self._late.cancel()
            self._late = None


def server_of(app: FastAPI) -> uvicorn.Server:
    """A server for the console; run it with `server.run(sockets=[bind(port)])`.

    Addresses are those of connections: what a header says of another one is not believed.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=TimedProtocol,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            proxy_headers=False,
            ws="none",
            server_header=False,
        )
    )
